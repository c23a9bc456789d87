#!/usr/bin/env python3
"""Mail's way through the whole house: in by LMTP, out by POP3."""

import os
import poplib
import re
import smtplib
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from house import sanitized
from whole import PASSWORD, SLOW, WholeTest, alive


def letter(subject, size=200):
    text = 'From: a@example.org\r\nSubject: %s\r\n\r\n' % subject
    line = '.' + 'x' * 75 + '\r\n'
    return (text + line * (size // len(line) + 1)).encode()


class Lmtp(WholeTest):
    options = dict(listen=('imap', 'pop3', 'pop3s', 'lmtp'),
                   users=('joe', 'jim', 'ann@localhost'))

    def lmtp(self):
        c = smtplib.LMTP(*self.house.address('lmtp'), timeout=30 * SLOW)
        self.clients.append(c)
        return c

    def pop3(self, user='joe'):
        c = poplib.POP3(*self.house.address('pop3'), timeout=30 * SLOW)
        self.clients.append(c)
        c.user(user)
        c.pass_(PASSWORD)
        return c

    def fetch(self, c, n):
        return b'\r\n'.join(c.retr(n)[1]) + b'\r\n'

    def untraced(self, text):
        return re.sub(rb'\AReturn-Path: .*\r\nReceived: .*\r\n(\t.*\r\n)*',
                      b'', text)

    def bodies(self, user='joe'):
        c = self.pop3(user)
        found = [self.untraced(self.fetch(c, n + 1))
                 for n in range(c.stat()[0])]
        c.quit()
        return found

    def send(self, to, text, c=None):
        """codes and texts of the recipients, in order"""
        if c is None:
            c = self.lmtp()
            try:
                return self.send(to, text, c)
            finally:
                c.close()
        c.ehlo('test')
        c.docmd('MAIL', 'FROM:<a@example.org>')
        got = [c.docmd('RCPT', 'TO:<%s>' % t) for t in to]
        if not any(code == 250 for code, _ in got):
            c.docmd('RSET')
            return got
        self.assertEqual(354, c.docmd('DATA')[0])
        c.sock.sendall(text.replace(b'\r\n.', b'\r\n..') + b'.\r\n')
        return [c.getreply() if code == 250 else (code, text)
                for code, text in got]

    def codes(self, *args, **more):
        return [code for code, _ in self.send(*args, **more)]


class Delivery(Lmtp):
    def test_way(self):
        """delivered, read back byte for byte, deleted"""
        for size in (1, 5000, 127 * 1024, 129 * 1024, 1 << 20):
            text = letter('n%d' % size, size)
            self.assertEqual([250, 250], self.codes(
                ['joe@localhost', 'jim@localhost'], text))
            for user in ('joe', 'jim'):
                c = self.pop3(user)
                self.assertEqual(1, c.stat()[0])
                got = self.fetch(c, 1)
                self.assertEqual(c.stat()[1], len(got))
                self.assertEqual(text, self.untraced(got))
                self.assertTrue(got.startswith(
                    b'Return-Path: <a@example.org>\r\nReceived: from test '))
                c.dele(1)
                c.quit()
                c = self.pop3(user)
                self.assertEqual((0, 0), c.stat())
                c.quit()

    def test_addresses(self):
        """who is who"""
        c = self.lmtp()
        text = letter('x')
        for to, code in (('JOE@LocalHost', 250), ('joe+list@localhost', 250),
                         ('ann@localhost', 250), ('Ann+x@localhost', 250),
                         ('nobody@localhost', 550), ('ann@example.org', 550),
                         ('postmaster', 550)):
            self.assertEqual([code], self.codes([to], text, c))
        self.assertEqual([250, 550, 250, 250],
                         self.codes(['joe@localhost', 'no@localhost',
                                     'jim@localhost', 'joe@localhost'],
                                    text, c))
        self.assertEqual(3, len(self.bodies()))
        self.assertEqual(1, len(self.bodies('jim')))
        self.assertEqual(2, len(self.bodies('ann@localhost')))

    def test_imap_sees_it(self):
        """IMAP shows what LMTP stored, with its summary"""
        self.send(['joe@localhost'], letter('hello there'))
        c = self.imap(select='INBOX')
        text = repr(c.ok('FETCH 1 (ENVELOPE RFC822.SIZE)'))
        self.assertIn('hello there', text)

    def test_many_at_once(self):
        """eight senders, all of it arrives, once"""
        def work(k):
            c = self.lmtp()
            for n in range(20):
                self.assertEqual([250, 250], self.codes(
                    ['joe@localhost', 'jim@localhost'],
                    letter('m%d-%d' % (k, n), 3000), c))
        threads = [threading.Thread(target=work, args=(k,))
                   for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        want = sorted(b'm%d-%d' % (k, n) for k in range(8)
                      for n in range(20))
        for user in ('joe', 'jim'):
            got = sorted(re.search(rb'Subject: (\S+)', b).group(1)
                         for b in self.bodies(user))
            self.assertEqual(want, got)

    @atf.timeout(600)
    def test_big(self):
        """50 MB, in and out; nobody's memory grows with it"""
        small, big = letter('small', 1 << 20), letter('big', 50 << 20)
        c = self.lmtp()
        self.reconfigured('limits { message size 100M }')
        self.assertEqual([250], self.codes(['joe@localhost'], small, c))
        p = self.pop3()
        self.assertEqual(small, self.untraced(self.fetch(p, 1)))
        p.quit()
        before = None if sanitized() or os.getuid() else self.house.memory()
        self.assertEqual([250], self.codes(['joe@localhost'], big, c))
        p = self.pop3()
        self.assertEqual(big, self.untraced(self.fetch(p, 2)))
        p.quit()
        if before is None:
            self.skipTest('delivered and read; but memory is not ours to '
                          'look at')
        after = self.house.memory()
        for role in after:
            self.assertLess(after[role] - before[role], 4096, role)

    def reconfigured(self, line):
        self.house.more += '\n' + line
        self.house.write_conf()
        status, text = self.house.reload()
        self.assertEqual(0, status, text)

    def test_size(self):
        """a limit, at MAIL and while reading; a reload moves it"""
        self.reconfigured('limits { message size 100K }')
        c = self.lmtp()
        c.ehlo('test')
        self.assertLessEqual(int(c.esmtp_features['size']), 100 * 1024)
        most = int(c.esmtp_features['size'])
        self.assertEqual(552, c.docmd('MAIL', 'FROM:<a@b> SIZE=%d' %
                                      (most + 1))[0])
        self.assertEqual([552, 552], self.codes(
            ['joe@localhost', 'jim@localhost'], letter('x', 300000), c))
        self.assertEqual([250], self.codes(['joe@localhost'],
                                           letter('x', 50000), c))
        self.assertEqual(1, len(self.bodies()))
        self.assertEqual([], self.bodies('jim'))


class Trouble(Lmtp):
    def in_time(self, get):
        """What may fail while a process is being started again"""
        deadline = time.monotonic() + 20 * SLOW
        while True:
            try:
                return get()
            except (poplib.error_proto, OSError):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)

    def test_store_stops(self):
        """a store that does not answer: try again; then it works again"""
        self.house.more += '\ntimeouts { backend 2s }'
        self.house.write_conf()
        self.house.reload()
        self.send(['joe@localhost'], letter('one'))
        pid = self.house.pid('store')
        os.kill(pid, 19)
        try:
            (code, text), = self.send(['joe@localhost'], letter('two'))
            self.assertEqual(451, code)
            self.assertTrue(text.startswith(b'4.3.'), text)
        finally:
            os.kill(pid, 18)
        deadline = time.monotonic() + 20 * SLOW
        while self.codes(['joe@localhost'], letter('three')) != [250]:
            self.assertLess(time.monotonic(), deadline)
        got = b''.join(self.bodies())
        self.assertIn(b'one', got)
        self.assertIn(b'three', got)

    def acknowledged(self, roles, seconds=6):
        """Deliveries go on while processes are killed; what was
        acknowledged is there, once; nothing is refused for good"""
        done, stop = [], threading.Event()

        def work(k):
            n = 0
            while not stop.is_set():
                n += 1
                subject = 'k%d-%d' % (k, n)
                try:
                    codes = self.codes(['joe@localhost'],
                                       letter(subject, 2000 * (n % 100)))
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.05)
                    continue
                self.assertNotIn(codes[0] // 100, (5,), codes)
                if codes == [250]:
                    done.append(subject.encode())
        threads = [threading.Thread(target=work, args=(k,))
                   for k in range(3)]
        for t in threads:
            t.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for role in roles:
                time.sleep(1)
                self.house.killed(role)
        stop.set()
        for t in threads:
            t.join()
        self.assertGreater(len(done), 10)
        bodies = self.in_time(self.bodies)
        got = [re.search(rb'Subject: (\S+)', b).group(1) for b in bodies]
        self.assertEqual(set(), set(done) - set(got))
        # a sender that was not told may find it twice; one that was, not
        for s in done:
            self.assertEqual(1, got.count(s), s)

    @atf.timeout(300)
    def test_kill_store(self):
        """kill -9 of the store, again and again"""
        self.house.expected.append('store .*(died|exited)')
        self.acknowledged(['store'])

    @atf.timeout(300)
    def test_kill_engine(self):
        self.acknowledged(['engine'])

    @atf.timeout(300)
    def test_kill_auth(self):
        self.acknowledged(['auth'])

    @atf.timeout(300)
    def test_kill_lmtp(self):
        self.acknowledged(['lmtp'])

    def test_auth_restarts(self):
        """a transaction under way goes on, or is told to come back; the
        session lives"""
        c = self.lmtp()
        c.ehlo('test')
        c.docmd('MAIL', 'FROM:<a@b>')
        self.assertEqual(250, c.docmd('RCPT', 'TO:<joe@localhost>')[0])
        self.house.killed('auth')
        self.assertEqual(354, c.docmd('DATA')[0])
        c.sock.sendall(letter('x') + b'.\r\n')
        self.assertEqual(250, c.getreply()[0])
        deadline = time.monotonic() + 10 * SLOW
        while self.codes(['jim@localhost'], letter('y'), c) != [250]:
            self.assertLess(time.monotonic(), deadline)

    def test_bad_input(self):
        """what nobody should send: the process lives, others are served"""
        pids = sorted(self.house.pids('lmtp'))
        other = self.lmtp()
        other.ehlo('test')
        bad = [b'\0' * 5000, b'\r' * 5000, b'\n' * 5000, b'A' * 100000,
               b'LHLO x\r\n' * 5000, b'MAIL FROM:<' + b'a' * 3000,
               b'LHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<' + b'"' * 1000 +
               b'\r\n', b'LHLO x\r\nBDAT 99999999999999999999\r\n',
               b'LHLO x\r\nBDAT 9223372036854775807 LAST\r\n',
               b'LHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@localhost>\r\n'
               b'BDAT 9223372036854775807\r\nx',
               b'LHLO x\r\nMAIL FROM:<\xff\xfe>\r\n',
               b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' * 50,
               bytes(range(256)) * 100]
        for data in bad:
            c = self.client('lmtp')
            try:
                c.raw(data)
                c.sock.shutdown(socket.SHUT_WR)
                c.rest()
            except OSError:
                pass
        self.assertEqual([250], self.codes(['joe@localhost'], letter('x'),
                                           other))
        self.assertEqual(pids, sorted(self.house.pids('lmtp')))

    def test_stop(self):
        """mfrontctl stop in the middle of a transaction: ended well"""
        c = self.lmtp()
        c.ehlo('test')
        c.docmd('MAIL', 'FROM:<a@b>')
        c.docmd('RCPT', 'TO:<joe@localhost>')
        self.assertEqual(354, c.docmd('DATA')[0])
        self.house.ctl('stop')
        c.sock.sendall(letter('last') + b'.\r\n')
        self.assertEqual(250, c.getreply()[0])
        self.assertEqual(421, c.getreply()[0])
        self.assertEqual(0, self.house.proc.wait(30 * SLOW))
        self.house.start()
        self.assertIn(b'last', b''.join(self.bodies()))


if __name__ == '__main__':
    atf.main()
