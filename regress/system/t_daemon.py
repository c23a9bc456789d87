#!/usr/bin/env python3
"""In the background: it comes back when all is up, or says why not; its
pid is in a file, its log in syslog."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from system import (SLOW, SystemTest, Whole, alive, atf, free_port,
                    letter, program, soon)


class Running:
    """Looks like a subprocess, to the harness"""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        return None if alive(self.pid) and not self.zombie() else 0

    def zombie(self):
        try:
            with open('/proc/%d/stat' % self.pid) as f:
                return f.read().rsplit(') ', 1)[1][0] == 'Z'
        except OSError:
            return False

    def wait(self, timeout=30):
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired('mfrontd', timeout)
            time.sleep(0.01)
        return 0

    def send_signal(self, sig):
        os.kill(self.pid, sig)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Daemon(SystemTest):
    auto = False

    def begin(self, **over):
        self.house = Whole(**dict(self.options, **over))
        self.addCleanup(self.finish)
        self.pidfile = self.house.path('pid')
        self.house.write('log', '')     # what is none, is none

    def daemon(self, *args, status=0, cwd=None, pre=(), conf=None):
        """Starts it; returns what it said, when nobody holds its standard
        error any more"""
        env = dict(os.environ)
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0')
        p = subprocess.run(
            [*pre, program(), '-f', conf or self.house.path('conf'), '-p',
             self.pidfile, *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=cwd, env=env, timeout=60 * SLOW)
        self.assertEqual(status, p.returncode, p.stderr)
        if status == 0:
            with open(os.path.join(cwd or '/', self.pidfile)) as f:
                self.house.proc = Running(int(f.read()))
        return p.stderr

    def to_syslog(self):
        with open(self.house.path('conf')) as f:
            text = f.read()
        self.house.write('conf', re.sub('(?m)^log stderr.*', 'log syslog',
                                        text))

    def test_start(self):
        """it comes back when all is up; the pid file goes with it"""
        self.begin()
        self.to_syslog()
        said = self.daemon()
        self.assertEqual('', said)
        # no wait: it is up
        self.deliver(letter('x'))
        self.assertEqual(1, len(self.contents()))
        pid = self.house.proc.pid
        self.assertNotEqual(os.getsid(0), os.getsid(pid))
        self.assertEqual('/', os.readlink('/proc/%d/cwd' % pid))
        for fd in (0, 1, 2):
            self.assertEqual('/dev/null',
                             os.readlink('/proc/%d/fd/%d' % (pid, fd)))
        pids = [p for p, _ in self.house.children()]
        self.assertEqual(0, self.house.ctl('stop')[0])
        self.house.proc.wait(30 * SLOW)
        self.house.proc = None
        self.assertFalse(os.path.exists(self.pidfile))
        soon(lambda: not any(map(alive, pids)))

    def test_stderr(self):
        """the log stays where it was, if that is wished"""
        self.begin()
        log = open(self.house.logname, 'wb')
        subprocess.run([program(), '-f', self.house.path('conf'), '-p',
                        self.pidfile], stdin=subprocess.DEVNULL, stderr=log,
                       check=True, timeout=60 * SLOW)
        log.close()
        with open(self.pidfile) as f:
            self.house.proc = Running(int(f.read()))
        self.house.logged('mfrontd: ready')
        self.imap()
        self.house.logged('event=login')

    def test_relative(self):
        """from another folder, with names that are relative to it"""
        self.begin()
        self.to_syslog()
        self.pidfile = 'mine.pid'
        self.daemon(cwd=self.house.top, conf='conf')
        self.assertTrue(os.path.exists(self.house.path('mine.pid')))
        self.assertEqual(0, self.house.reload()[0])
        self.imap()
        self.house.stop()
        self.assertFalse(os.path.exists(self.house.path('mine.pid')))

    def test_fails(self):
        """it says why, on the standard error, though the log is syslog"""
        self.begin()
        self.to_syslog()
        with open(self.house.path('conf')) as f:
            good = f.read()
        taken = socket.socket()
        self.clients.append(taken)
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        nothere = self.house.path('nothere')
        for more, why in (
                ('nonsense', r'conf:\d+: '),
                ('listen imap on 127.0.0.1 port %d' %
                 taken.getsockname()[1], 'Address already in use'),
                ('storage "x" embedded "%s/a/b"' % nothere,
                 re.escape(nothere) + '.*No such file'),
                ('rundir "%s/a/b"' % nothere, 'No such file')):
            text = good
            if more.startswith('rundir'):
                text = re.sub('(?m)^rundir.*', '', text)
            self.house.write('conf', text + more + '\n')
            said = self.daemon(status=1)
            self.assertRegex(said, why)
            self.assertFalse(os.path.exists(self.pidfile), more)
        # the store's folder is something else
        self.house.write('conf', good)
        shutil.rmtree(self.house.store)
        self.house.write('store', 'no folder')
        said = self.daemon(status=1)
        self.assertIn('store', said)
        os.unlink(self.house.store)
        # a store that is none: found by a child
        os.mkdir(self.house.store, 0o700)
        with open(self.house.store + '/store.db', 'wb') as f:
            f.write(b'no database, this' * 1000)
        said = self.daemon(status=1)
        self.assertRegex(said, 'not a database')
        self.assertFalse(os.path.exists(self.pidfile))
        shutil.rmtree(self.house.store)
        # no place for the pid
        self.pidfile = self.house.path('nothere/pid')
        self.assertIn(self.pidfile, self.daemon(status=1))
        self.pidfile = self.house.path('pid')
        # and after all that it starts
        self.daemon()
        self.imap()

    def test_twice(self):
        """a second one does not start, nor disturb the first"""
        self.begin()
        self.to_syslog()
        self.daemon()
        c = self.imap(select='INBOX')
        first = self.house.proc
        with open(self.pidfile) as f:
            pid = f.read()
        said = self.daemon(status=1)
        self.assertIn('Address already in use', said)
        # another one's listeners, but the same store
        with open(self.house.path('conf')) as f:
            text = re.sub(r'port \d+', lambda _: 'port %d' % free_port(),
                          f.read())
        text = text.replace('/ctl.sock', '/ctl2.sock')
        self.house.write('conf2', text)
        said = self.daemon(status=1, conf=self.house.path('conf2'))
        self.assertIn('in use', said)
        with open(self.pidfile) as f:
            self.assertEqual(pid, f.read())
        self.assertEqual(first.pid, self.house.proc.pid)
        c.ok('NOOP')
        self.deliver(letter('x'))
        self.imap(select='INBOX')

    def dev(self):
        """A /dev of our own, for a mount namespace; its log is heard"""
        dev = self.house.path('dev')
        os.mkdir(dev)
        script = ['mount --make-rprivate /']
        for name in ('null', 'zero', 'random', 'urandom'):
            open(os.path.join(dev, name), 'w').close()
            script.append('mount --bind /dev/%s %s/%s' % (name, dev, name))
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.clients.append(self.syslog)
        self.syslog.bind(os.path.join(dev, 'log'))
        os.chmod(os.path.join(dev, 'log'), 0o666)
        self.syslog.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        script += ['mount --rbind %s /dev' % dev, 'exec "$@"']
        pre = ['unshare', '-m', 'sh', '-ec', '\n'.join(script), 'sh']
        p = subprocess.run([*pre, 'true'], capture_output=True, text=True)
        if p.returncode != 0:
            self.skipTest('no mount namespace: ' + p.stderr.strip())
        return pre

    def heard(self, pattern):
        """The line of the log, with its priority"""
        self.syslog.settimeout(10 * SLOW)
        while True:
            line = self.syslog.recv(4096).decode()
            m = re.match(r'<(\d+)>\w+ +\d+ [0-9:]+ (.*)', line, re.S)
            self.assertTrue(m, line)
            if re.search(pattern, m.group(2)):
                return int(m.group(1)), m.group(2).rstrip('\0')

    def test_syslog(self):
        """facility mail, one line a message, whatever is in it"""
        if os.getuid() != 0:
            self.skipTest('not root')
        self.begin()
        self.to_syslog()
        pre = self.dev()
        self.daemon(pre=pre)
        pri, line = self.heard('ready')
        self.assertEqual((2 << 3) | 6, pri)
        self.assertRegex(line, r'^mfrontd\[%d\]: ready$' %
                         self.house.proc.pid)
        self.imap()
        pri, line = self.heard('event=login')
        self.assertRegex(line, r'^mfrontd\[\d+\]: imap: session=\S+ '
                         'event=login remote=127.0.0.1 user=joe tls=no$')
        c = self.imap(None)
        c.no('LOGIN "x\\"\x7f%s" pw')
        pri, line = self.heard('auth-failed')
        self.assertNotIn('\x7f', line)
        self.house.kill('control')
        pri, line = self.heard('died of signal 9')
        self.assertEqual((2 << 3) | 4, pri)
        # syslogd is started anew: it is heard again
        os.unlink(self.house.path('dev/log'))
        self.syslog.close()
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.clients.append(self.syslog)
        self.syslog.bind(self.house.path('dev/log'))
        self.pop3()
        self.heard('pop3: .*event=login')
        # it is full and nobody reads: mail goes on
        over = threading.Event()

        def drain():
            self.syslog.settimeout(0.2)
            while not over.is_set():
                try:
                    self.syslog.recv(4096)
                except TimeoutError:
                    pass
        t = threading.Thread(target=drain)
        t.start()
        try:
            self.deliver(letter('x'))
            self.house.stop()
        finally:
            over.set()
            t.join()


if __name__ == '__main__':
    atf.main()
