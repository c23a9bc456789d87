#!/usr/bin/env python3
"""The ordering rules, with many writers and readers at once."""

import random
import threading
import time

from store import SLOW, StoreTest, atf, box, members, parallel, uids

WRITERS = 8
READERS = 4


class Order(StoreTest):
    def race(self, write, read, seconds=4):
        """Writers until the time is over, readers until they are done"""
        end = time.monotonic() + seconds
        done = threading.Event()

        def writer(i):
            c = self.server.client()
            r = random.Random(i)
            while time.monotonic() < end:
                write(c, r, i)
            c.close()

        def writers():
            try:
                parallel(*(lambda i=i: writer(i) for i in range(WRITERS)))
            finally:
                done.set()

        def reader():
            c = self.server.client()
            state = {}
            while not done.is_set():
                read(c, state)
            read(c, state)
            c.close()
            self.assertGreater(state['n'], 20 / SLOW)
        parallel(writers, *[reader] * READERS)

    @atf.timeout(120)
    def test_uids_in_order(self):
        """Once uidnext is N, no message with a uid below N appears"""
        m = self.inbox()

        def write(c, r, i):
            c.add('joe', m, b'%d' % i)

        def read(c, state):
            header, rows = c.rows('joe', m, fields='uid')
            now = {u for row in rows for u in uids(row)}
            old, next_ = state.get('uids', set()), state.get('uidnext', 1)
            self.assertFalse({u for u in now - old if u < next_})
            self.assertFalse(old - now)
            self.assertGreaterEqual(header['uidnext'], next_)
            self.assertGreaterEqual(header['uidnext'], max(now, default=0))
            row = c.ask('GET', box('joe', m)).json()
            self.assertGreaterEqual(row['uidnext'], header['uidnext'])
            self.assertGreaterEqual(row['modseq'], header['modseq'])
            state.update(uids=now, uidnext=header['uidnext'],
                         n=state.get('n', 0) + 1)
        self.race(write, read)
        s = self.c.state('joe', m)
        self.assertEqual(sorted(s), list(range(1, len(s) + 1)))
        # each append was a change of its own
        self.assertEqual(len({r['modseq'] for r in s.values()}), len(s))

    @atf.timeout(120)
    def test_since_misses_nothing(self):
        """Mirrors fed by since= alone end up true, under all changes"""
        m = self.inbox()
        t = self.c.create('joe', 't')['id']
        for i in range(50):
            self.c.add('joe', m, b'%d' % i)
        mirrors = []

        def write(c, r, i):
            some = str(r.randint(1, 200))
            what = r.random()
            if what < .3:
                c.add('joe', m, b'x')
            elif what < .4:
                c.expunge('joe', m, some)
            elif what < .5:
                c.copy('joe', m, some, r.choice([m, t]),
                       move=r.random() < .5)
            else:
                c.patch('joe', m, uids=some + ':4294967295'
                        if r.random() < .2 else some,
                        **{r.choice(['add', 'remove']): ['k%d' % i]})

        def read(c, state):
            mirror = state.setdefault('mirror', {})
            at = state.get('at')
            if at is None:
                mirrors.append(state)
            header, rows = c.rows('joe', m, **(
                {'since': at} if at else {'fields': 'flags,modseq'}))
            for row in rows:
                for u in members(row['vanished']) if 'vanished' in row \
                        else ():
                    mirror.pop(u, None)
                if 'vanished' not in row:
                    for u in uids(row):
                        mirror[u] = (tuple(row['flags']), row['modseq'])
            self.assertGreaterEqual(header['modseq'], at or 0)
            state.update(at=header['modseq'], n=state.get('n', 0) + 1)
        self.race(write, read)
        self.assertEqual(len(mirrors), READERS)
        c = self.server.client()
        want = {u: (tuple(x['flags']), x['modseq'])
                for u, x in c.state('joe', m).items()}
        for state in mirrors:
            read(c, state)
            self.assertEqual(state['mirror'], want)
        c.close()

    @atf.timeout(120)
    def test_changes_chain(self):
        """modseq_before and modseq of all answers are one chain"""
        m = self.inbox()
        for i in range(20):
            self.c.add('joe', m)
        links, lock = [], threading.Lock()

        def write(c, r, i):
            what = r.random()
            if what < .3:
                got = [c.add('joe', m)['change']]
            elif what < .8:
                got = [c.patch('joe', m, uids='1:20', **{
                    r.choice(['add', 'remove']): ['k']}
                    ).lines()[0]['change']]
            elif what < .9:
                got = [c.expunge('joe', m, str(r.randint(21, 500))
                                 ).lines()[0]['change']]
            else:
                h = c.copy('joe', m, '1:2', m).lines()[0]
                got = [h['to_change']]
            with lock:
                links.extend(got)

        def read(c, state):
            state['n'] = state.get('n', 0) + 1
            row = c.ask('GET', box('joe', m)).json()
            self.assertGreaterEqual(row['modseq'], state.get('m', 0))
            state['m'] = row['modseq']
        self.race(write, read)
        real = sorted((x['modseq_before'], x['modseq']) for x in links
                      if x['modseq_before'] != x['modseq'])
        for a, b in zip(real, real[1:]):
            self.assertEqual(a[1], b[0])
        self.assertEqual(real[-1][1], self.c.ask('GET', box('joe', m)
                                                 ).json()['modseq'])

    @atf.timeout(120)
    def test_move_never_both(self):
        """A moved message is never in both mailboxes, nor in neither"""
        a = self.inbox()
        b = self.c.create('joe', 'b')['id']
        n = 40
        for i in range(n):
            self.c.add('joe', a, b'%d' % i)

        def write(c, r, i):
            c.copy('joe', a if i % 2 else b, '1:4294967295',
                   b if i % 2 else a, True).lines()

        def read(c, state):
            # two rows of one list are read at the same time
            rows = c.mailboxes('joe')
            self.assertEqual(sum(r['messages'] for r in rows), n)
            state['n'] = state.get('n', 0) + 1
        self.race(write, read)
        ids = [r['id'] for x in (a, b)
               for r in self.c.state('joe', x).values()]
        self.assertEqual(len(ids), n)
        self.assertEqual(len(set(ids)), n)

    @atf.timeout(120)
    def test_events_complete(self):
        """Under load the stream tells every change, in order"""
        m = self.inbox()
        ev = self.server.stream()
        got = []

        def listen():
            while not got or got[-1] != 'end':
                line = ev.event()
                if 'mailbox' not in line:
                    got.append('end')
                elif line['mailbox'] == m:
                    got.append(line['modseq'])

        def load():
            def one(i):
                c = self.server.client()
                for k in range(150):
                    c.add('joe', m)
                c.close()
            parallel(*(lambda i=i: one(i) for i in range(WRITERS)))
            self.c.create('joe', 'end')
        parallel(listen, load)
        self.assertEqual(got[:-1], list(range(2, 2 + 150 * WRITERS)))
        ev.close()

    @atf.timeout(120)
    def test_visible(self):
        """What an answer promised, the very next request on any
        connection sees"""
        m = self.inbox()
        other = self.server.client()
        load = threading.Event()

        def busy():
            c = self.server.client()
            while not load.is_set():
                c.rows('joe', m)
                c.add('joe', m)
            c.close()

        def check():
            try:
                for i in range(300):
                    row = self.c.add('joe', m)
                    s = other.state('joe', m, uids=row['uid'],
                                    fields='flags')
                    self.assertEqual(list(s), [row['uid']])
                    self.c.patch('joe', m, uids=str(row['uid']), add=['x'])
                    s = other.state('joe', m, uids=row['uid'],
                                    fields='flags')
                    self.assertEqual(s[row['uid']]['flags'], ['x'])
            finally:
                load.set()
        parallel(check, busy, busy)
        other.close()


if __name__ == '__main__':
    atf.main()
