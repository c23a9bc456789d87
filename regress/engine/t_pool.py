#!/usr/bin/env python3
"""An engine's connections: how many, in which order requests get them, and
that neither many requests nor slow clients of some keep the others waiting.
"""

import os
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, EngineTest, content,  # noqa: E402
                     ndjson, value)
from house import SLOW                                  # noqa: E402

MBOX = value(dict(id='m', name='m', uidvalidity=1, uidnext=1, messages=0))
BIG = 1 << 20


class Pool(EngineTest):
    def sessions(self, *numbers):
        for n in numbers:
            self.grant('u%d' % n, n)

    def mailbox(self, name, sid):
        """A request that is told apart by its mailbox's name"""
        return self.ask('st_mailbox', sid=sid, mailbox=name)

    def arrive(self, n):
        """The names of the next n requests, each answered when it comes"""
        names = []
        for i in range(n):
            r = self.backend.next()
            names.append(r.target.split('/')[-1])
            r.answer(MBOX)
        return names

    def held(self, n):
        """n requests, not answered"""
        return [self.backend.next() for i in range(n)]

    @staticmethod
    def names(requests):
        return [r.target.split('/')[-1] for r in requests]

    def connections(self):
        n = 0
        while not self.backend.asked.empty():
            self.backend.asked.get()
            n += 1
        return n

    def test_bound(self):
        """no more connections than configured; the others wait"""
        self.begin(pool=4)
        self.sessions(*range(10, 20))
        for n in range(10, 20):
            self.mailbox('b%d' % n, n)
        first = self.held(4)
        self.backend.none()
        self.assertEqual(4, self.connections())
        for r in first:
            r.answer(MBOX)
        self.arrive(6)
        for n in range(1, 11):
            self.result(req=n)
        self.assertEqual(0, self.connections())

    def test_order(self):
        """what one session asks is asked in that order"""
        self.begin(pool=1)
        self.sessions(1)
        names = ['n%d' % i for i in range(50)]
        for name in names:
            self.mailbox(name, 1)
        self.assertEqual(names, self.arrive(50))

    def test_turns(self):
        """sessions take turns, however much each of them asks"""
        self.begin(pool=1)
        self.sessions(1, 2, 3)
        self.mailbox('first', 3)
        r, = self.held(1)
        for i in range(20):
            self.mailbox('a%d' % i, 1)
        for i in range(4):
            self.mailbox('b%d' % i, 2)
        self.mailbox('c0', 3)
        # all of them have been read when this one is answered
        self.ask('st_recent', sid=3, mailbox='m')
        self.result()
        r.answer(MBOX)
        self.assertEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'b2', 'a3',
                          'b3', 'a4'], self.arrive(10))
        self.arrive(15)

    @atf.timeout(240)
    def test_fair(self):
        """ten thousand requests of one session: another's is the next"""
        self.begin(pool=2)
        self.sessions(1, 2)
        for i in range(10000):
            self.mailbox('bulk', 1)
        first = self.held(2)
        self.ask('st_recent', sid=2, mailbox='m')
        self.result()
        self.mailbox('mine', 2)
        req = self.req
        self.ask('st_recent', sid=2, mailbox='m')
        self.result()
        for r in first:
            r.answer(MBOX)
        got = self.held(2)
        self.assertIn('mine', self.names(got))
        for r in got:
            r.answer(MBOX)
        self.result(req=req)
        self.revoke(1)
        last = [m for m in self.answers(req=10000) if m.type == 'st_end']
        self.assertNotEqual(0, last[0].code)

    def test_slow_clients(self):
        """clients that do not read keep no one else from the storage, and
        get the rest when they do"""
        self.begin(pool=2)
        self.sessions(1, 2, 3, 4)
        slow = [self.get('big%d' % n, BIG, n, credit=1000)
                for n in (1, 2, 3, 4)]
        # four of them and a pool of two: each is read, as far as it may
        held, whole = [], content(b'x' * BIG)
        for n in range(4):
            r = self.backend.next()
            r.answer(whole[:5000])
            m = self.next_of(self.imap, slow[int(r.target[-1]) - 1])
            self.assertEqual('st_data', m.type)
            held.append(r)
        self.assertEqual(4, self.connections())
        self.mailbox('quick', 4)
        req = self.req
        self.arrive(1)
        self.result(req=req)
        for r in held:
            n = int(r.target[-1])
            self.imap.send('st_credit', sid=n, req=slow[n - 1], bytes=BIG)
            r.answer(whole[5000:])
            got = self.result(req=slow[n - 1])
            self.assertGreater(sum(len(m.data) for m in got), BIG - 5000)
        # and then there are no more than the pool's again
        for i in range(8):
            self.mailbox('again', 4)
        self.assertEqual(2, len(self.held(2)))
        self.backend.none()

    def test_slow_bound(self):
        """but there is a bound to such connections, too"""
        self.begin(pool=1, t_backend=600)
        self.sessions(*range(1, 8))
        for n in range(1, 8):
            self.get('big%d' % n, BIG, n, credit=1)
        for n in range(4):
            r = self.backend.next()
            r.answer(content(b'x' * BIG)[:1000])
            self.next_of(self.imap, n + 1)
            self.addCleanup(r.sock.close)
        self.backend.none()
        self.assertEqual(4, self.connections())

    def test_cancelled(self):
        """what is cancelled or revoked while it waits is not asked"""
        self.begin(pool=1)
        self.sessions(1, 2, 3)
        self.mailbox('first', 1)
        r, = self.held(1)
        reqs = [self.mailbox('n%d' % n, n) for n in (1, 2, 3, 1, 2, 3)]
        self.imap.send('st_cancel', sid=1, req=reqs[0])
        self.imap.send('st_cancel', sid=3, req=reqs[5])
        self.imap.send('st_cancel', sid=3, req=reqs[1])  # not his
        self.ask('st_recent', sid=3, mailbox='m')
        self.result()
        self.revoke(2)
        for req in reqs[1], reqs[4]:
            self.result('NO_GRANT', req=req)
        r.answer(MBOX)
        self.assertEqual({'n1', 'n3'}, set(self.arrive(2)))
        self.backend.none()

    def test_wait(self):
        """what gets no connection in time is told so"""
        self.begin(pool=1, t_backend=2)
        self.sessions(1, 2)
        self.mailbox('slow', 1)
        r, = self.held(1)
        req = self.mailbox('late', 2)
        for i in range(5):
            time.sleep(0.5)
            try:
                r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
            except OSError:
                break
        self.result('UNAVAILABLE', req=req)

    def test_kept_alive(self):
        """one connection does for one request after the other"""
        self.begin()
        self.sessions(1)
        self.connections()
        socks = set()
        for i in range(20):
            self.mailbox('n', 1)
            r = self.backend.next()
            socks.add(r.sock)
            r.answer(MBOX)
            self.result()
        self.assertEqual(1, len(socks))

    def test_connector_again(self):
        """what a connector was asked when it died is asked its successor"""
        self.begin()
        self.sessions(1)
        for s in self.backend.sockets:
            s.shutdown(socket.SHUT_RDWR)
        old = self.backend.connector
        old.send('verbose')             # it is refused, and so closed
        old.ended()
        self.mailbox('n', 1)
        self.ask('st_recent', sid=1, mailbox='m')
        self.result()
        from backend import Backend, WRITE
        self.backend = Backend(self.engine.peer('connector'), WRITE)
        self.backend.start()
        self.addCleanup(self.backend.close)
        self.assertEqual(['n'], self.arrive(1))
        self.result(req=1)

    def test_connector_before(self):
        """and one that came before the end of the other was seen"""
        from backend import Backend, WRITE
        self.prepare = lambda: setattr(self.backend, 'run', lambda: None)
        self.begin(up=False)
        old = self.backend.connector
        self.assertEqual(0, old.recv(10 * SLOW).url)
        self.backend = Backend(self.engine.peer('connector'), WRITE)
        self.backend.start()
        self.addCleanup(self.backend.close)
        old.close()
        self.assertEqual(0, self.backend.asked.get(timeout=5 * SLOW))
        self.is_up()


if __name__ == '__main__':
    atf.main()
