#!/usr/bin/env python3
"""2,000 sessions at once, all in IDLE."""

import re
import selectors
import socket
import time

from system import (PASSWORD, SLOW, SystemTest, atf, letter, room_for,
                    sanitized, soon)

N = 2000
LIMITS = '''failure delay 0s
limits { connections 10000, connections per address 10000
	connections per account 10000, connections waiting for login 10000 }
'''


class Idler:
    """A bare client that goes through its script as answers come"""

    SCRIPT = (b'LOGIN "%s" "' + PASSWORD.encode() + b'"', b'SELECT INBOX',
              b'IDLE')
    ANSWER = (rb'\* OK .*\r\n', rb'(?s).*1 OK .*\r\n', rb'(?s).*2 OK .*\r\n',
              rb'(?s).*\+ .*\r\n')

    def __init__(self, address, user):
        self.user, self.step, self.buf = user, 0, b''
        self.sock = socket.create_connection(address, 60 * SLOW)
        self.sock.setblocking(False)

    def ready(self):
        return self.step == len(self.ANSWER)

    def more(self):
        """False when the server has ended it, with a word"""
        data = self.sock.recv(65536)
        if not data:
            assert b'* BYE ' in self.buf, (self.user, self.buf)
            return False
        self.buf += data
        self.go_on()
        return True

    def go_on(self):
        if self.ready() or not re.fullmatch(self.ANSWER[self.step],
                                            self.buf):
            return
        assert b' NO ' not in self.buf and b' BAD ' not in self.buf, self.buf
        self.buf = b''
        self.step += 1
        if not self.ready():
            line = self.SCRIPT[self.step - 1]
            if b'%s' in line:
                line = line % self.user.encode()
            self.sock.sendall(b'%d %s\r\n' % (self.step, line))


class Many(SystemTest):
    auto = False

    def setUp(self):
        super().setUp()
        if room_for(N + 500) < N + 200:
            self.skipTest('%d descriptors are not allowed' % (N + 200))
        self.selector = selectors.DefaultSelector()
        self.addCleanup(self.selector.close)
        self.idlers = []

    def begin(self, users, **over):
        over['conf'] = LIMITS + over.get('conf', '')
        super().begin(users=users, verbose=False, listen=('imap', 'lmtp'),
                      **over)

    def open(self, users):
        """All of them, some at a time, until each is in IDLE"""
        todo, busy = list(reversed(users)), 0
        end = time.monotonic() + 60 * SLOW
        while todo or busy:
            while todo and busy < 50:
                i = Idler(self.house.address('imap'), todo.pop())
                self.clients.append(i.sock)
                self.selector.register(i.sock, selectors.EVENT_READ, i)
                self.idlers.append(i)
                busy += 1
            busy -= sum(i.ready() for i in self.hear(1))
            self.assertLess(time.monotonic(), end, '%d of %d' %
                            (len(self.idlers) - busy, len(users)))

    def hear(self, timeout):
        """Those that were told something"""
        found = []
        for key, _ in self.selector.select(timeout):
            found.append(key.data)
            if not key.data.more():
                self.selector.unregister(key.data.sock)
                key.data.sock.close()
        return found

    def heard(self, want, what, timeout=5):
        """Idlers that hear it in time, exactly these"""
        end = time.monotonic() + timeout * SLOW
        while any(what not in i.buf for i in want):
            left = end - time.monotonic()
            self.assertGreater(left, 0, '%d of %d' % (
                sum(what in i.buf for i in want), len(want)))
            self.hear(left)

    def drain(self):
        while self.hear(0):
            pass
        for i in self.idlers:
            i.buf = b''

    def shown(self, n):
        """mfrontctl, for programs and for people"""
        rows = self.sessions()
        imap = [r for r in rows.values() if r['service'] == 'imap']
        self.assertEqual(n, len(imap))
        self.assertEqual({'INBOX'}, {r['mailbox'] for r in imap})
        status, text = self.house.ctl('show', 'sessions')
        self.assertEqual(0, status)
        self.assertLessEqual(n, len(text.splitlines()))
        self.assertEqual(n, self.stats('imap')['sessions'])
        return imap

    def finish(self):
        """It ends in time with all of them: each is told"""
        if self.house.proc is not None and self.idlers:
            self.drain()
            self.house.proc.terminate()
            self.heard(self.idlers, b'* BYE ', 20)
            self.assertEqual(0, self.house.proc.wait(30 * SLOW))
            self.house.proc = None
        super().finish()

    def work(self, prefork):
        users = ['u%d' % i for i in range(N)]
        self.begin(users, conf='prefork imap %d' % prefork)
        self.open(users)
        self.assertEqual(set(users), {r['user'] for r in self.shown(N)})
        for k in (0, N // 2, N - 1):
            self.deliver(letter('x'), 'u%d@localhost' % k)
            self.heard([self.idlers[k]], b'* 1 EXISTS\r\n')
        # and nobody else heard of any
        self.told({0, N // 2, N - 1})
        # one to all of them
        for start in range(0, N, 500):
            self.deliver(letter('all'), *('%s@localhost' % u for u in
                                          users[start:start + 500]))
        self.heard(self.idlers, b' EXISTS\r\n', 10)

    def told(self, which):
        """These, and no others"""
        while self.hear(0.1):
            pass
        for k, i in enumerate(self.idlers):
            self.assertEqual(k in which, b'EXISTS' in i.buf, i.buf)
            i.buf = b''

    @atf.timeout(300)
    def test_accounts(self):
        """2,000 accounts; a delivery to one is told to it alone"""
        self.work(1)

    @atf.timeout(300)
    def test_prefork(self):
        """the same, in three processes"""
        if sanitized():
            self.skipTest('as accounts, and slow')
        self.work(3)

    @atf.timeout(300)
    def test_one_account(self):
        """one account 2,000 times; all of its sessions hear it"""
        self.begin(['joe'])
        self.open(['joe'] * N)
        self.shown(N)
        self.deliver(letter('x'))
        self.heard(self.idlers, b'* 1 EXISTS\r\n')
        self.drain()
        status, text = self.house.ctl('kick', 'user', 'joe')
        self.assertEqual(0, status, text)
        self.assertIn('%d sessions' % N, text)
        self.heard(self.idlers, b'* BYE Disconnected by administrator', 10)
        self.idlers = []
        soon(lambda: not self.sessions())
        # as if nothing had been
        self.assertEqual(1, self.imap(select='INBOX').exists)


if __name__ == '__main__':
    atf.main()
