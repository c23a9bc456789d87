#!/usr/bin/env python3
"""A storage with two URLs, either of which fails in several ways, seen by
mail clients: they are served by the other, or told at once that their mail
is unavailable, and served again without a restart."""

import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'mstored'))

import atf
from store import Server
from whole import SLOW, Whole, WholeTest, free_port

LETTER = b'From: a@example.org\r\nSubject: one\r\n\r\nhello\r\n'
PAGE = (b'HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n'
        b'Content-Length: 3\r\nConnection: close\r\n\r\n502')


class Gate(threading.Thread):
    """A way to the store: open, shut (nobody listens), or a proxy that has
    lost what is behind it"""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.socks, self.broken = target, [], False
        self.port, self.listener, self.passed = free_port(), None, 0

    def open(self):
        self.broken = False
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', self.port))
        self.listener.listen(50)
        threading.Thread(target=self.serve, args=(self.listener,),
                         daemon=True).start()
        return self

    def hang_up(self):
        socks, self.socks = self.socks, []
        for s in socks:
            self.end(s)

    @staticmethod
    def end(s):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass                        # it has ended by itself

    def shut(self):
        self.end(self.listener)
        self.listener.close()
        self.hang_up()

    def breaks(self):
        self.broken = True
        self.hang_up()

    def serve(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            self.passed += 1
            threading.Thread(target=self.page if self.broken else self.join,
                             args=(s,), daemon=True).start()

    def page(self, s):
        with s:
            try:
                if s.recv(65536):
                    s.sendall(PAGE)
            except OSError:
                return                  # who asked has gone

    def join(self, s):
        other = socket.socket(socket.AF_UNIX)
        try:
            other.connect(self.target)
        except OSError:
            s.close()
            return
        self.socks += [s, other]
        threading.Thread(target=self.pump, args=(s, other),
                         daemon=True).start()
        self.pump(other, s)

    def pump(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass                        # the other end hung up
        self.end(a)
        self.end(b)


class FailOver(WholeTest):
    auto = False

    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.remove)
        self.server.start()
        self.gates = [Gate(self.server.path).open() for i in range(2)]
        self.house = Whole(storage='storage "main" %s health 1\n' % ' '.join(
            'url "http://127.0.0.1:%d/v1"' % g.port for g in self.gates))
        self.addCleanup(self.finish)
        self.house.start()
        self.house.logged('storage main: .* is up')
        self.until(lambda r: r['probed'] is not None)

    def ctl(self, *words):
        status, text = self.house.ctl('-j', *words)
        self.assertEqual(0, status, text)
        return text

    def show(self):
        return json.loads(self.ctl('show', 'storage'))

    def until(self, what, url=1, timeout=20):
        """That is so of a URL, in every engine"""
        end = time.monotonic() + timeout * SLOW
        name = 'http://127.0.0.1:%d/v1' % self.gates[url].port
        while time.monotonic() < end:
            rows = [r for r in self.show() if r['url'] == name]
            if rows and all(what(r) for r in rows):
                return
            time.sleep(0.05)
        self.fail('never: %r' % rows)

    def state(self, url, state):
        self.until(lambda r: r['breaker'] == state, url)

    def unavailable(self, c, command):
        start = time.monotonic()
        c.no(command, code='UNAVAILABLE')
        self.assertLess(time.monotonic() - start, 2 * SLOW)

    def served(self, c):
        r = c.ok('FETCH 1 BODY.PEEK[]')
        self.assertEqual(LETTER, r.fetched('SEQ')[1]['BODY[]'])

    def test_fail_over(self):
        """one after the other, then both, then the first again"""
        c = self.imap()
        c.append('INBOX', LETTER)
        c.ok('SELECT INBOX')
        first, second = self.gates
        first.shut()
        c.ok('STATUS INBOX (MESSAGES)')
        self.state(0, 'open')
        second.breaks()
        for n in range(5):
            c.cmd('STATUS INBOX (MESSAGES)')
        self.state(1, 'open')
        self.house.logged('storage main is down: ')
        d = self.imap()
        for n in range(3):
            self.unavailable(d, 'SELECT INBOX')
            self.unavailable(c, 'STATUS INBOX (MESSAGES)')
        first.open()
        self.state(0, 'closed')
        d.ok('SELECT INBOX')
        self.served(d)
        c.ok('NOOP')
        self.served(c)
        second.broken = False
        self.state(1, 'closed')

    def test_joined(self):
        """our line about a request that failed has the session's name"""
        for g in self.gates:
            g.breaks()
        c = self.imap()
        for n in range(5):
            c.cmd('SELECT INBOX')
        self.state(0, 'open')
        name, = [s['session'] for s in json.loads(
            self.ctl('show', 'sessions'))]
        self.house.logged(r'storage main: GET /accounts/joe\S*: .* '
                          r'trace=[0-9a-f]{32} session=' + re.escape(name))


if __name__ == '__main__':
    atf.main()
