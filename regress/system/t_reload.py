#!/usr/bin/env python3
"""A reload changes everything under sessions that stay, or nothing."""

import os
import pwd
import re
import signal
import socket
import ssl
import stat
import subprocess
import threading

from system import (GONE, SLOW, Lmtp, SystemTest, alive, atf,
                    free_port, letter, soon, subject, tls)


ROOT = os.geteuid() == 0
GROUP = pwd.getpwnam('nobody').pw_gid


class Reload(SystemTest):
    options = dict(SystemTest.options, conf='failure delay 0s')

    def refused(self, pattern):
        self.house.write_conf()
        status, text = self.house.reload()
        self.assertEqual(1, status, text)
        self.assertRegex(text, pattern)

    def connects(self, port):
        try:
            socket.create_connection(('127.0.0.1', port), 5).close()
        except ConnectionRefusedError:
            return False
        return True

    def test_nothing(self):
        c = self.imap(select='INBOX')
        self.assertIn('nothing changed', self.reload())
        c.ok('NOOP')

    def test_listeners(self):
        """added and removed; their sessions stay"""
        path = self.house.path('lmtp.sock')
        imap = self.house.path('imap.sock')
        old = self.house.ports['imap']
        c, p, l = self.imap(select='INBOX'), self.pop3(), self.lmtp()
        del self.house.ports['pop3']
        self.house.ports['imap'] = free_port()
        text = self.reload('failure delay 0s\n'
                           'listen lmtp on socket "%s" mode 0660\n'
                           'listen imap on socket "%s" %s mode 0600' % (
                               path, imap, 'owner nobody group %d' %
                               GROUP if ROOT else ''))
        self.assertIn('listener added: 127.0.0.1:%d' %
                      self.house.ports['imap'], text)
        self.assertIn('listener removed: 127.0.0.1:%d' % old, text)
        self.assertIn('listener added: ' + path, text)
        soon(lambda: not self.connects(old))
        c.ok('NOOP')
        p.cmd('NOOP')
        self.assertEqual([250], l.send(letter('x')))
        c.ok('NOOP')
        self.assertEqual(1, c.exists)
        # the new ones
        self.assertEqual(1, self.imap(select='INBOX').exists)
        self.assertEqual(0o660, stat.S_IMODE(os.stat(path).st_mode))
        at = os.stat(imap)
        self.assertEqual(0o600, stat.S_IMODE(at.st_mode))
        if ROOT:
            self.assertEqual((pwd.getpwnam('nobody').pw_uid, GROUP),
                             (at.st_uid, at.st_gid))
        s = socket.socket(socket.AF_UNIX)
        self.clients.append(s)
        s.connect(path)
        self.assertEqual(b'220 ', s.recv(4))
        s = socket.socket(socket.AF_UNIX)
        self.clients.append(s)
        s.connect(imap)
        # no TLS is needed there
        with s.makefile('rwb') as f:
            self.assertNotIn(b'LOGINDISABLED', f.readline())
            f.write(b'a LOGIN joe pw\r\n')
            f.flush()
            self.assertTrue(f.readline().startswith(b'a OK '))
        # and away again; nobody is left to listen to POP3 in the clear
        self.reload('failure delay 0s')
        self.assertFalse(os.path.exists(path))
        self.assertFalse(os.path.exists(imap))
        p.cmd('NOOP')

    def test_last_listener(self):
        """a protocol that nobody listens for has no process"""
        self.reload('failure delay 0s')
        del self.house.ports['lmtp']
        self.reload()
        soon(lambda: not self.house.pids('lmtp'))
        self.house.ports['lmtp'] = free_port()
        self.reload()
        self.in_time(lambda: self.deliver(letter('x')))

    def certificate(self):
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
             '-subj', '/CN=localhost', '-addext',
             'subjectAltName=DNS:localhost', '-keyout',
             self.house.path('key.pem'), '-out', self.house.path('cert.pem')],
            check=True, stderr=subprocess.DEVNULL)

    def shown(self, port, starttls=False):
        """The certificate that is shown there"""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        s = socket.create_connection(('127.0.0.1', port), 10 * SLOW)
        if starttls:
            s.recv(1000)
            s.sendall(b'a STARTTLS\r\n')
            self.assertIn(b'a OK', s.recv(1000))
        with context.wrap_socket(s) as t:
            return t.getpeercert(True)

    def test_certificates(self):
        """old connections keep theirs; also those in a handshake"""
        with open(tls.files()[0]) as f:
            old = ssl.PEM_cert_to_DER_cert(f.read())
        port, plain = self.house.ports['imaps'], self.house.ports['imap']
        self.assertEqual(old, self.shown(port))
        c = self.imap(select='INBOX', protocol='imaps')
        half = socket.create_connection(('127.0.0.1', port), 10 * SLOW)
        self.clients.append(half)
        half.sendall(b'\x16\x03\x01')
        self.certificate()
        self.assertIn('certificate changed', self.reload())
        with open(self.house.path('cert.pem')) as f:
            new = ssl.PEM_cert_to_DER_cert(f.read())
        self.assertNotEqual(old, new)
        self.assertEqual(new, self.shown(port))
        self.assertEqual(new, self.shown(plain, True))
        self.assertEqual(new, self.shown(self.house.ports['pop3s']))
        c.ok('NOOP')
        half.sendall(b'\x02\x00garbage')
        half.shutdown(socket.SHUT_WR)
        half.recv(1000)
        self.assertEqual(new, self.shown(port))

    def test_storage(self):
        """one added, used, and removed"""
        one = self.house.pids('store')
        text = self.reload('failure delay 0s\n'
                           'storage "two" embedded "$dir/two"')
        self.assertIn('storage added: two', text)
        soon(lambda: len(self.house.pids('store')) == 2)

        def shown():
            status, text = self.house.ctl('show', 'storage')
            self.assertEqual(0, status, text)
            return set(re.findall(r'(?m)^storage +(\w+)', text))
        soon(lambda: shown() == {'main', 'two'})
        self.assertTrue(os.path.isdir(self.house.path('two')))
        self.deliver(letter('x'))
        text = self.reload('failure delay 0s')
        self.assertIn('storage removed: two', text)
        soon(lambda: self.house.pids('store') == one)
        soon(lambda: shown() == {'main'})
        self.deliver(letter('y'))
        self.assertEqual(2, len(self.contents()))

    def test_prefork(self):
        """more processes, and fewer: who is served by one that goes is
        told"""
        self.reload('failure delay 0s\nprefork { imap 3, engine 2 }')
        soon(lambda: len(self.house.pids('imap')) == 3)
        soon(lambda: len(self.house.pids('engine')) == 2)
        held = [self.in_time(lambda: self.imap(select='INBOX'))
                for _ in range(20)]
        self.reload('failure delay 0s\nprefork { imap 1, engine 1 }')
        soon(lambda: len(self.house.pids('imap')) == 1)
        soon(lambda: len(self.house.pids('engine')) == 1)
        told = stay = 0
        for c in held:
            try:
                c.ok('NOOP')
                stay += 1
            except GONE:
                told += c.bye is not None
        self.assertEqual(20, told + stay)
        self.in_time(lambda: self.deliver(letter('x')))
        self.assertEqual(1, len(self.contents()))

    BAD = ((r'conf:\d+: ', 'nonsense here'),
           (r'conf:\d+: .*nothing.pem', 'certificate "x" cert '
            '"$dir/nothing.pem" key "$dir/nothing.pem"'),
           (r'listen on 127.0.0.1:%(taken)d: Address already in use',
            'listen pop3 on 127.0.0.1 port %(taken)d'),
           (r'"chroot" needs a restart', 'chroot "/"'),
           (r'conf:\d+: ', 'limits { message size 0 }'),
           (r'conf:\d+: certificate', 'certificate "x" cert "$dir/cert.pem" '
            'key "$dir/other.pem"\n'
            'listen imap on 127.0.0.1 port %(free)d tls certificate "x"'))

    def test_bad(self):
        """it says what is wrong, and all is as it was"""
        subprocess.run(['openssl', 'ecparam', '-genkey', '-name',
                        'prime256v1', '-noout', '-out',
                        self.house.path('other.pem')], check=True,
                       stderr=subprocess.DEVNULL)
        taken = socket.socket()
        self.clients.append(taken)
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        names = dict(taken=taken.getsockname()[1], free=free_port())
        c = self.imap(select='INBOX')
        with open(self.house.path('conf')) as f:
            good = f.read()
        before = sorted(self.house.children())
        for pattern, line in self.BAD:
            more = line % names
            if line.startswith('chroot'):
                text = re.sub(r'(?m)^chroot .*', more, good)
            else:
                text = good + more + '\n'
            # it would be seen if any of it happened
            text += 'listen pop3 on 127.0.0.1 port %d\n' % (free_port())
            self.house.write('conf', text)
            status, said = self.house.reload()
            self.assertEqual(1, status, (line, said))
            self.assertRegex(said, pattern % names)
            self.assertFalse(self.connects(names['free']))
            last = int(re.search(r'port (\d+)\n\Z', text).group(1))
            self.assertFalse(self.connects(last))
        self.house.logged('reload refused', count=len(self.BAD))
        c.ok('NOOP')
        self.deliver(letter('x'))
        self.assertEqual(before, sorted(self.house.children()))
        # the file is gone altogether
        os.unlink(self.house.path('conf'))
        status, said = self.house.reload()
        self.assertEqual(1, status)
        self.assertIn('No such file', said)
        self.house.write('conf', good)
        self.assertIn('nothing changed', self.reload())

    def test_all_errors(self):
        """all of them in one run"""
        self.house.more = 'bad one\nlimits { line 1 }\nbad two'
        self.house.write_conf()
        status, text = self.house.reload()
        self.assertEqual(1, status)
        self.assertEqual(3, len(re.findall(r'conf:\d+: ', text)), text)

    def test_hup(self):
        """SIGHUP: the same; the log says what it was"""
        self.house.users.append('new')
        self.house.write_users()
        self.house.proc.send_signal(signal.SIGHUP)
        self.house.logged('reload done: .*password file')
        self.in_time(lambda: self.imap('new'))
        self.house.write('conf', 'nonsense\n')
        self.house.proc.send_signal(signal.SIGHUP)
        self.house.logged('reload refused')
        self.house.logged(r'conf:1: ')
        self.imap('new')

    def size(self):
        """What a new session is told; from one of the processes"""
        c = Lmtp(self.house)
        c.close()
        return int(re.search(r'SIZE (\d+)', c.said[1]).group(1))

    def test_killed(self):
        """processes that die in the middle of it, or just before, come
        back with the new configuration"""
        for k, role in enumerate(('lmtp', 'engine', 'auth')):
            pid = self.house.pid(role)
            self.house.expected.append(r'%s/0 \(pid %d\) died of signal 9' %
                                       (role, pid))
            os.kill(pid, signal.SIGSTOP)
            done = []
            t = threading.Thread(target=lambda: done.append(
                self.house.reload()))
            self.house.more = ('failure delay 0s\n'
                               'limits { message size %dK }' % (100 + k))
            self.house.write_conf()
            t.start()
            # the others have answered; it has not
            t.join(0.3)
            self.assertEqual([], done)
            os.kill(pid, signal.SIGKILL)
            t.join()
            self.assertEqual(0, done[0][0], done[0])
            self.assertNotIn(pid, self.house.pids(role))
            self.assertEqual((100 + k) << 10, self.size())
        # dead already when it is asked
        self.house.kill('lmtp')
        self.reload('failure delay 0s\nlimits { message size 200K }')
        self.assertEqual(200 << 10, self.size())

    @atf.timeout(200)
    def test_busy(self):
        """thirty reloads while mail comes and is read: nobody notices"""
        over, errors, sent = threading.Event(), [], []

        def work(one, k):
            try:
                one(k)
            except BaseException as e:
                errors.append(e)
                raise

        def delivers(k):
            c, n = Lmtp(self.house), 0
            while not over.is_set():
                n += 1
                name = 'd%d-%d' % (k, n)
                self.assertEqual([250], c.send(letter(name, n % 10 * 20000)))
                sent.append(name)
                if n % 20 == 0:
                    c.close()
                    c = Lmtp(self.house)
            c.close()

        def reads(k):
            while not over.is_set():
                c = self.house.imap(select='INBOX')
                for _ in range(10):
                    c.ok('NOOP')
                    if c.exists:
                        c.ok('FETCH %d BODY.PEEK[]' % c.exists)
                c.close()
        threads = [threading.Thread(target=work, args=a)
                   for a in ((delivers, 1), (delivers, 2), (reads, 1),
                             (reads, 2))]
        for t in threads:
            t.start()
        try:
            for k in range(30):
                self.house.users = ['joe'] + ['u%d' % k]
                self.house.write_users()
                self.reload('failure delay 0s\ncache %dM' % (10 + k))
                if errors:
                    break
        finally:
            over.set()
            for t in threads:
                t.join()
        self.assertEqual([], errors)
        self.assertGreater(len(sent), 10)
        got = [subject(t) for t in self.contents().values()]
        self.assertEqual(sorted(sent), sorted(got))

    def test_two_at_once(self):
        """each is told what became of its own"""
        said = []
        threads = [threading.Thread(target=lambda: said.append(
            self.house.reload())) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for status, text in said:
            self.assertIn((status, text.split(':')[-1].strip()), (
                (0, 'nothing changed'), (1, 'a reload is running already')))
        self.assertIn(0, [status for status, _ in said])

    def test_connector(self):
        """it is started anew with each, at once"""
        old = self.house.pid('connector')
        for _ in range(5):
            self.reload()
            new = soon(lambda: self.house.pids('connector'))[0]
            self.assertNotEqual(old, new)
            self.assertFalse(alive(old))
            old = new
        self.assertNotIn('died', self.house.log())

    def test_signal_at_start(self):
        """SIGHUP before all is up is not lost, and does not end it"""
        self.house.stop()
        self.house.start(wait=False)
        soon(self.house.children)
        self.house.proc.send_signal(signal.SIGHUP)
        self.house.readies += 1
        self.house.logged(r'(?m)^mfrontd: ready$', 20, self.house.readies)
        self.house.logged('reload done')
        self.imap()


if __name__ == '__main__':
    atf.main()
