#!/usr/bin/env python3
"""The event stream's contract."""

import json
import socket
import time

from store import SANITIZED, SLOW, Cut, StoreTest, atf, box, memory, uids


class Events(StoreTest):
    def test_lines(self):
        """What is told of each change, and how soon"""
        m = self.inbox()
        t = self.c.create('joe', 't')['id']
        ev = self.server.stream()
        self.assertEqual(set(ev.header), {'header', 'cursor'})

        def expect(*mailboxes):
            start = time.monotonic()
            got = []
            while len(got) < len(mailboxes):
                line = ev.event()
                self.assertEqual(line['account'], 'joe')
                self.assertIn('cursor', line)
                got.append(line.get('mailbox'))
                if 'mailbox' in line:
                    row = self.c.ask('GET', box('joe', line['mailbox'])
                                     ).json()
                    self.assertEqual(line['modseq'], row['modseq'])
            self.assertEqual(got, list(mailboxes))
            self.assertLess(time.monotonic() - start, 1)
        self.c.add('joe', m)
        expect(m)
        self.c.patch('joe', m, uids='1', add=['x'])
        expect(m)
        self.c.copy('joe', m, '1', t)
        expect(t)
        self.c.copy('joe', m, '1', t, True)
        expect(t, m)
        self.c.copy('joe', t, '1', t, True)
        expect(t)
        self.c.expunge('joe', t, '1:9')
        expect(t)
        self.c.create('joe', 'u')
        expect(None)
        self.c.ask('POST', box('joe') + '/rename', {'from': 'u', 'to': 'v'})
        expect(None)
        self.c.ask('POST', '/accounts/joe/subscriptions', {'add': ['v']})
        expect(None)
        self.c.ask('DELETE', box('joe', t))
        expect(None)
        ev.close()

    def test_account(self):
        """An account that comes into being is told"""
        ev = self.server.stream()
        self.inbox('new')
        line = ev.event()
        self.assertEqual(set(line), {'account', 'cursor'})
        self.assertEqual(line['account'], 'new')
        ev.close()

    def test_together(self):
        """The line leaves with the answer: it is there when the answer is"""
        m = self.inbox()
        ev = self.server.stream()
        for i in range(50):
            row = self.c.add('joe', m)
            ev.sock.settimeout(.5 * SLOW)
            self.assertEqual(ev.event()['modseq'], row['change']['modseq'])
        ev.close()

    def test_subscribe_then_list(self):
        """Every commit after the header is on the stream"""
        m = self.inbox()
        for i in range(30):
            ev = self.server.stream()
            row = self.c.add('joe', m)
            self.assertEqual(ev.event()['modseq'], row['change']['modseq'])
            ev.close()

    def test_since(self):
        """With a cursor: everything after it, also over a restart"""
        m = self.inbox()
        ev = self.server.stream()
        self.c.add('joe', m)
        first = ev.event()
        for i in range(5):
            self.c.add('joe', m)
        last = self.c.create('joe', 'late')
        ev.close()

        def all_of():
            ev = self.server.stream(first['cursor'])
            self.assertEqual(ev.header['cursor'], first['cursor'])
            lines = [ev.event() for i in range(6)]
            self.assertEqual([x.get('modseq') for x in lines],
                             [first['modseq'] + i for i in range(1, 6)] +
                             [None])
            # and goes on
            row = self.c.add('joe', m)
            self.assertEqual(ev.event()['modseq'], row['change']['modseq'])
            self.c.expunge('joe', m, str(row['uid']))
            ev.event()
            ev.close()
            return lines[-1]['cursor']
        all_of()
        self.c.close()
        self.server.kill()
        self.server.start()
        ev = self.server.stream(first['cursor'])
        for i in range(8):
            ev.event()
        ev.close()

    def test_list_cursor(self):
        """The cursor of a mailbox list is read before its rows"""
        m = self.inbox()
        cursor = self.c.ask('GET', box('joe')).lines()[0]['cursor']
        row = self.c.add('joe', m)
        ev = self.server.stream(cursor)
        self.assertEqual(ev.event()['modseq'], row['change']['modseq'])
        ev.close()

    def test_bad_cursor(self):
        """Nonsense, a cursor of another store, or of the future: too old"""
        cursor = self.c.ask('GET', box('joe')).lines()[0]['cursor']
        epoch, seq = cursor.split('-')
        for bad in 'x', '', cursor + 'x', '-1', epoch + '-01':
            self.code(self.c.ask('GET', '/events?since=' + bad), 410,
                      'cursor-too-old')
        for old in ('%s-%d' % (epoch, int(seq) + 1000),
                    '%08x-%s' % (int(epoch, 16) ^ 1, seq)):
            self.code(self.c.ask('GET', '/events?since=' + old), 410,
                      'cursor-too-old')

    @atf.timeout(120)
    def test_heartbeat(self):
        """A heartbeat at least every 15 s, with a cursor that can be used"""
        m = self.inbox()
        ev = self.server.stream()
        t = time.monotonic()
        beats = []
        while len(beats) < 2:
            line = ev.event(beats=True)
            self.assertEqual(set(line), {'cursor'})
            self.assertLess(time.monotonic() - t, 15)
            t = time.monotonic()
            beats.append(line)
        ev.close()
        ev = self.server.stream(beats[-1]['cursor'])
        row = self.c.add('joe', m)
        self.assertEqual(ev.event()['modseq'], row['change']['modseq'])
        ev.close()

    @atf.timeout(300)
    def test_slow_then_back(self):
        """A reader that falls behind loses nothing and holds nothing"""
        m = self.inbox('joe' * 100)
        ev = self.server.stream()
        ev.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        fast = self.server.stream()
        n = 2000
        for i in range(n):
            self.c.patch('joe' * 100, m, uids='1', add=['x'])
        to = {'account': 'joe' * 100, 'mailbox': m}
        self.c.upload(to, b'x').lines()
        self.c.patch('joe' * 100, m, uids='1', add=['x'])
        used = memory(self.server.proc.pid)
        for i in range(n):
            self.c.patch('joe' * 100, m, uids='1',
                         **{'add' if i % 2 else 'remove': ['x']})
        # 800 KB of lines: not kept for the one that does not read
        if not SANITIZED:
            self.assertLess(memory(self.server.proc.pid) - used, 600 * 1024)
        want = self.c.mailbox('joe' * 100)['modseq']
        for s in fast, ev:
            got = []
            while not got or got[-1] != want:
                got.append(s.event()['modseq'])
            self.assertEqual(got, list(range(got[0], want + 1)))
            s.close()

    def test_end(self):
        """The server's end is a cut at the end of a line"""
        ev = self.server.stream()
        self.c.close()
        self.server.stop()
        self.assertRaises(Cut, ev.event)
        self.assertEqual(ev.rest, b'')
        ev.close()


class Stalled(StoreTest):
    args = ('-o', 'timeout=2')

    @atf.timeout(300)
    def test_stalled(self):
        """A reader that takes nothing at all is dropped"""
        m = self.inbox('joe' * 100)
        ev = self.server.stream()
        ev.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.c.upload({'account': 'joe' * 100, 'mailbox': m}, b'x').lines()
        end = time.monotonic() + 60 * SLOW
        c = self.server.client()
        dropped = False
        i = 0
        while not dropped:
            self.assertLess(time.monotonic(), end)
            for k in range(500):
                i += 1
                c.patch('joe' * 100, m, uids='1',
                        **{'add' if i % 2 else 'remove': ['x']})
            dropped = 'closed: timeout' in self.server.logged()
        self.assertRaises((Cut, ConnectionError), lambda: [
            ev.event() for i in range(10 ** 7)])
        ev.close()
        c.close()

    def prepare(self):
        self.server.args.append('-v')

    def test_idle_stream(self):
        """A quiet stream lives on, however long"""
        m = self.inbox()
        ev = self.server.stream()
        time.sleep(7)
        row = self.c.add('joe', m)
        self.assertEqual(ev.event()['modseq'], row['change']['modseq'])
        ev.close()


class Pruned(StoreTest):
    args = ('-o', 'log-rows=20')

    def test_too_old(self):
        """A cursor that the log no longer reaches is 410"""
        m = self.inbox()
        cursor = self.c.ask('GET', box('joe')).lines()[0]['cursor']
        for i in range(100):
            self.c.add('joe', m)
        end = time.monotonic() + 30 * SLOW
        status = 200
        while status == 200:
            s = self.server.stream(cursor)
            status = s.status
            s.close()
            self.assertLess(time.monotonic(), end)
            time.sleep(.2)
        self.code(self.c.ask('GET', '/events?since=' + cursor), 410,
                  'cursor-too-old')


if __name__ == '__main__':
    atf.main()
