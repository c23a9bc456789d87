#!/usr/bin/env python3
"""POP3 in the whole house, with Python's client."""

import os
import poplib
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from whole import PASSWORD, SLOW, WholeTest


def letter(n, size=300):
    text = 'From: a@example.org\r\nSubject: message %d\r\n\r\n' % n
    line = '.' + 'y' * 75 + '\r\n'
    return (text + line * (size // len(line) + 1)).encode()


class Pop3(WholeTest):
    options = dict(listen=('imap', 'pop3', 'pop3s'), users=('joe', 'jim'))

    def append(self, *letters, user='joe'):
        c = self.imap(user)
        for l in letters:
            c.ok('APPEND INBOX ', l)
        c.close()

    def pop3(self, user='joe', how='', password=PASSWORD):
        args = dict(timeout=30 * SLOW)
        if how == 'tls':
            c = poplib.POP3_SSL(*self.house.address('pop3s'),
                                context=self.house.tls, **args)
        else:
            c = poplib.POP3(*self.house.address('pop3'), **args)
        if how == 'stls':
            c.stls(self.house.tls)
        self.clients.append(c)
        if user:
            c.user(user)
            c.pass_(password)
        return c

    def fetch(self, c, n):
        return b'\r\n'.join(c.retr(n)[1]) + b'\r\n'

    def all(self, c):
        return [self.fetch(c, n + 1) for n in range(c.stat()[0])]


class Session(Pop3):
    def test_ways(self):
        """plain, STLS and TLS see the same"""
        letters = [letter(n, 100 * n) for n in range(1, 9)]
        self.append(*letters)
        uids = None
        for how in ('', 'stls', 'tls'):
            c = self.pop3(how=how)
            self.assertEqual((8, sum(map(len, letters))), c.stat())
            self.assertEqual(letters, self.all(c))
            self.assertEqual([b'%d %d' % (n + 1, len(l))
                              for n, l in enumerate(letters)], c.list()[1])
            uids = uids or c.uidl()[1]
            self.assertEqual(uids, c.uidl()[1])
            self.assertEqual(letters[3].split(b'\r\n')[:5],
                             c.top(4, 2)[1])
            c.quit()

    def test_bare_ends(self):
        """lines that end with LF or CR alone: whole ones are sent; the size
        is the stored one's"""
        text = b'A: 1\nB: 2\n\n.dot\r\rlast'
        self.imap().append('INBOX', text)
        c = self.pop3()
        self.assertEqual((1, len(text)), c.stat())
        self.assertEqual([b'1 %d' % len(text)], c.list()[1])
        head, lines, _ = c.retr(1)
        self.assertEqual(b'+OK %d octets' % len(text), head)
        self.assertEqual([b'A: 1', b'B: 2', b'', b'.dot', b'', b'last'],
                         lines)
        self.assertEqual(lines[:4], c.top(1, 1)[1])
        c.quit()

    def test_uidl(self):
        """unique ids last: over sessions, deletions, a restart"""
        self.append(*[letter(n) for n in range(6)])
        c = self.pop3()
        before = [l.split()[1] for l in c.uidl()[1]]
        self.assertEqual(6, len(set(before)))
        c.dele(1)
        c.dele(4)
        c.quit()
        self.house.stop()
        self.house.start()
        c = self.pop3()
        after = [l.split()[1] for l in c.uidl()[1]]
        self.assertEqual([before[i] for i in (1, 2, 4, 5)], after)
        c.quit()
        self.append(letter(9))
        c = self.pop3()
        self.assertEqual(after, [l.split()[1] for l in c.uidl()[1]][:4])
        self.assertNotIn(c.uidl(5).split()[2], before)

    def test_two_sessions(self):
        """no lock: what one deletes is gone for the other, who is told"""
        self.append(letter(1), letter(2), letter(3))
        a, b = self.pop3(), self.pop3()
        a.dele(2)
        self.assertEqual(letter(2), self.fetch(b, 2))
        a.quit()
        self.assertEqual(3, b.stat()[0])
        self.assertEqual(letter(3), self.fetch(b, 3))
        b.dele(2)
        b.dele(3)
        self.assertEqual(b'+OK', b.quit()[:3])
        c = self.pop3()
        self.assertEqual([letter(1)], self.all(c))

    def test_imap_sees_it(self):
        """deleted by POP3, gone from IMAP"""
        self.append(letter(1), letter(2))
        i = self.imap(select='INBOX')
        c = self.pop3()
        c.dele(1)
        c.quit()
        deadline = time.monotonic() + 5 * SLOW
        while '1 EXPUNGE' not in repr(i.ok('NOOP')):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_plain(self):
        """SASL PLAIN; the wrong password"""
        from base64 import b64encode
        c = self.pop3(user=None)
        with self.assertRaisesRegex(poplib.error_proto, r'\[AUTH\]'):
            c._shortcmd('AUTH PLAIN ' + b64encode(
                b'\0joe\0wrong').decode())
        c._shortcmd('AUTH PLAIN ' + b64encode(b'\0joe\0pw').decode())
        self.assertEqual((0, 0), c.stat())
        with self.assertRaisesRegex(poplib.error_proto, r'\[AUTH\]'):
            self.pop3('nobody')

    def test_show(self):
        """mfrontctl"""
        self.pop3()
        status, text = self.house.ctl('show', 'sessions')
        self.assertRegex(text, r'pop3 +joe +127\.0\.0\.1 +no +transaction +'
                         'INBOX')
        status, text = self.house.ctl('kick', 'user', 'joe')
        self.assertEqual(0, status, text)
        self.house.logged('event=closed.*user=joe reason="Disconnected')

    @atf.timeout(600)
    def test_many(self):
        """3,000 messages, every other deleted at once"""
        c = self.imap()
        text = letter(1, 100)
        for _ in range(3000):
            c.ok('APPEND INBOX ', text)
        p = self.pop3()
        self.assertEqual((3000, 3000 * len(text)), p.stat())
        self.assertEqual(3000, len(p.uidl()[1]))
        for n in range(1, 3001, 2):
            p.dele(n)
        p.quit()
        p = self.pop3()
        self.assertEqual(1500, p.stat()[0])
        self.assertEqual(text, self.fetch(p, 1500))


class Trouble(Pop3):
    def test_engine_restarts(self):
        """a session lives on when its engine is killed"""
        self.append(*[letter(n) for n in range(100)])
        c = self.pop3()
        self.assertEqual(letter(0), self.fetch(c, 1))
        self.house.killed('engine')
        for n in (50, 99):
            self.assertEqual(letter(n), self.fetch(c, n + 1))
        c.dele(1)
        self.house.killed('engine')
        self.assertEqual(b'+OK', c.quit()[:3])
        self.assertEqual(99, self.pop3().stat()[0])

    def test_auth_restarts(self):
        """sessions go on, logins work again, and what was granted before
        is still known: a kick finds it"""
        self.append(letter(1))
        c = self.pop3()
        self.house.killed('auth')
        self.assertEqual(letter(1), self.fetch(c, 1))
        deadline = time.monotonic() + 10 * SLOW
        while True:
            try:
                d = self.pop3()
                break
            except poplib.error_proto:
                self.assertLess(time.monotonic(), deadline)
        self.assertEqual(letter(1), self.fetch(d, 1))
        status, text = self.house.ctl('kick', 'user', 'joe')
        self.assertIn('2 sessions', text)

    def test_store_restarts(self):
        """killed in a session"""
        self.append(letter(1), letter(2))
        c = self.pop3()
        self.house.killed('store')
        deadline = time.monotonic() + 20 * SLOW
        while True:
            try:
                self.assertEqual(letter(2), self.fetch(c, 2))
                break
            except poplib.error_proto as e:
                self.assertIn('[SYS/TEMP]', str(e))
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
        c.dele(1)
        c.quit()
        self.assertEqual([letter(2)], self.all(self.pop3()))

    def test_pop3_dies(self):
        """the process itself: its sessions end, others start"""
        self.append(letter(1))
        c = self.pop3()
        c.dele(1)
        i = self.imap(select='INBOX')
        self.house.killed('pop3')
        with self.assertRaises((poplib.error_proto, OSError)):
            c.noop()
        i.ok('NOOP')
        self.assertEqual([letter(1)], self.all(self.pop3()))

    def test_hash_dies(self):
        """a hash worker is killed; logins go on"""
        self.house.killed('hash')
        self.pop3()

    def test_bad_input(self):
        """what nobody should send"""
        self.append(letter(1))
        pids = self.house.pids('pop3')
        good = self.pop3()
        for data in (b'\0' * 5000, b'\r' * 5000, b'\n' * 5000,
                     b'A' * 100000, b'CAPA\r\n' * 5000,
                     b'USER joe\r\nPASS pw\r\n' + b'LIST\r\n' * 2000,
                     b'USER ' + b'\xff' * 200 + b'\r\n',
                     b'AUTH PLAIN ' + b'A' * 12000 + b'\r\n',
                     b'AUTH PLAIN\r\n' + b'=' * 5000 + b'\r\n',
                     b'STLS\r\nUSER joe\r\nPASS pw\r\n',
                     b'USER joe\r\nPASS pw\r\nRETR 99999999999999999999\r\n'
                     b'TOP 1 99999999999999999999\r\nDELE -1\r\n',
                     b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' * 50,
                     bytes(range(256)) * 100):
            for protocol in ('pop3', 'pop3s'):
                c = self.house.client('pop3') if protocol == 'pop3' else None
                if c is None:
                    c = socket.create_connection(self.house.address('pop3s'))
                    c.settimeout(10 * SLOW)
                    raw, shut = c.sendall, c.shutdown
                else:
                    raw, shut = c.raw, c.sock.shutdown
                try:
                    raw(data)
                    shut(socket.SHUT_WR)
                    sock = getattr(c, 'sock', c)
                    while sock.recv(65536):
                        pass
                except OSError:
                    pass
                c.close()
        self.assertEqual(letter(1), self.fetch(good, 1))
        self.assertEqual(pids, self.house.pids('pop3'))


if __name__ == '__main__':
    atf.main()
