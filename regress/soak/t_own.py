#!/usr/bin/env python3
"""What a session changes itself, while others of its process idle: they are
told once, and the storage is not asked for what its answer says; whatever
others do in between is not missed."""

import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import storage                                          # noqa: E402
import t_storage                                        # noqa: E402
from storage import LEVEL2                              # noqa: E402
from t_storage import PATIENCE, lower                   # noqa: E402

CHANGE = r'PATCH|POST .*/(expunge|copy)'


class Own(t_storage.StorageTest):
    def start(self, condstore=False):
        self.before(*LEVEL2)
        self.st.add(6)
        self.other = self.st.create('Other')
        end = time.monotonic() + PATIENCE
        while 'live' not in self.house.ctl('show', 'storage')[1]:
            self.assertLess(time.monotonic(), end)
            time.sleep(.05)
        self.c, self.i = self.open(), self.imap()
        self.i.ok('SELECT INBOX' + ' (CONDSTORE)' * condstore)
        self.learn(self.i)
        self.far = self.imap()
        self.until('STATUS Other (MESSAGES)', client=self.far)
        self.far.ok('SELECT Other')
        self.far.idle()
        self.asks = r'GET .*/mailboxes/%s(/messages\?.*since=.*)?$' % self.st.inbox.id

    def reached(self):
        """All events so far are where the sessions are"""
        n = self.far.exists + 1
        self.st.add(box=self.other)
        while self.far.exists < n:
            self.far.response(PATIENCE)

    def begun(self, cmd, action=None):
        """The change is done, its event is there, its answer is not: gives
        what lets that go, and the command's tag"""
        told = threading.Event()
        self.addCleanup(told.set)
        before = self.st.inbox.modseq

        def act(handler):
            if action is not None:
                action()
            handler.late = told
        self.st.rule(CHANGE, act, 1)
        tag = self.c.begin(cmd)
        with self.st.lock:
            n = 1 + (action is not None)
            self.assertTrue(self.st.lock.wait_for(
                lambda: self.st.inbox.modseq >= before + n, PATIENCE))
        self.reached()
        return told, tag

    def heard(self, tag):
        """All that comes to who idles, until it is right; uid -> its
        FETCHes, and numbers of EXPUNGE"""
        fetched, gone = {}, []
        end = time.monotonic() + PATIENCE

        def take(r):
            if r.type == 'EXPUNGE':
                gone.append(r.number)
            elif r.type == 'FETCH':
                fetched.setdefault(self.i.uids[r.number - 1],
                                   []).append(r.data)
        while self.differs(self.i) is not None:
            take(self.i.response(max(.01, end - time.monotonic())))
        for r in self.i.done(tag).responses:
            take(r)
        return fetched, gone

    def once(self, r, *uids):
        """One FETCH of each of these in the answer, of no other"""
        self.assertEqual([n for n, _ in r.fetched()],
                         [self.c.uids.index(u) + 1 for u in uids], r)

    def test_once(self):
        """the event comes before the answer: one FETCH to everybody, and
        nothing is asked"""
        self.start()
        tag = self.i.idle()
        self.st.forget()
        for n, (cmd, uids) in enumerate((
                ('STORE 1 FLAGS (\\Seen)', [1]),
                ('STORE 1 +FLAGS (k1)', [1]),
                ('STORE 1 -FLAGS (\\Seen)', [1]),
                ('UID STORE 1:3 +FLAGS.SILENT (k2)', []),
                ('STORE 2,4 FLAGS (\\Deleted)', [2, 4]))):
            told, t = self.begun(cmd)
            told.set()
            r = self.c.finish(t)
            self.assertEqual('OK', r.type, r)
            self.once(r, *uids)
        fetched, _ = self.heard(tag)
        self.assertEqual({1: 4, 2: 2, 3: 1, 4: 1},
                         {u: len(f) for u, f in fetched.items()}, fetched)
        tag = self.i.idle()
        for cmd, key in (('FETCH 6 BODY[]', 'BODY[]'),
                         ('EXPUNGE', None), ('MOVE 1 Other', None)):
            told, t = self.begun(cmd)
            told.set()
            r = self.c.finish(t)
            self.assertEqual('OK', r.type, r)
            if key is not None:
                self.assertEqual([[key], ['FLAGS']],
                                 [list(d) for _, d in r.fetched()], r)
        self.assertEqual(self.st.asked(self.asks), 0, self.st.requests[-4:])
        self.assertIsNone(self.heard(tag)[0].get(1))
        self.assertEqual([], self.c.ok('NOOP').responses)
        self.assertEqual(self.st.asked(self.asks), 0, self.st.requests[-4:])

    def test_between(self):
        """others change something before or after it: that is asked for,
        once ours is through; all in order, and ours once"""
        self.start(condstore=True)
        modseqs = []

        def other(uid, *flags):
            return lambda: self.st.flag([uid], *flags)
        for before, after, twice in (
                (other(2, 'o1'), None, []),
                (None, other(3, 'o2'), []),
                (other(2, 'o3'), other(3, 'o4'), []),
                (other(1, 'o5'), None, []),
                (None, other(1, 'o6'), [1]),
                (other(1, 'o7'), other(1, 'o8'), [1])):
            tag = self.i.idle()
            self.st.forget()
            told, t = self.begun('STORE 1 FLAGS (own%d)' % len(modseqs),
                                 before)
            if after is not None:
                after()
                self.reached()
            self.assertEqual(self.st.asked(self.asks), 0, self.st.requests[-4:])
            told.set()
            r = self.c.finish(t)
            self.assertEqual('OK', r.type, r)
            fetched, _ = self.heard(tag)
            self.assertEqual(self.st.asked(self.asks), 1, self.st.requests)
            for u, datas in fetched.items():
                self.assertLessEqual(len(datas), 1 + (u in twice), fetched)
                self.assertEqual(datas[-1]['MODSEQ'],
                                 self.st.inbox.messages[u].modseq)
                modseqs += sorted(d['MODSEQ'] for d in datas)
            self.sync(self.c)
            r = self.i.ok('NOOP')
            self.assertEqual([], r.responses)
        self.assertEqual(len(modseqs), len(set(modseqs)))

    def test_asked(self):
        """a NOOP of another session is not held up: it asks, and what it
        finds is told to nobody twice"""
        self.start()
        e = self.open()
        tag = self.i.idle()
        self.st.forget()
        for n, cmd in enumerate(('STORE 1 +FLAGS (k1)',
                                 'STORE 2 +FLAGS.SILENT (k2)')):
            told, t = self.begun(cmd)
            (seq, d), = e.ok('NOOP').fetched()
            self.assertEqual((n + 1, ['k%d' % (n + 1)]), (seq, d['FLAGS']))
            told.set()
            r = self.c.finish(t)
            self.assertEqual('OK', r.type, r)
            self.once(r, *[1][n:])
            self.assertEqual([], self.c.ok('NOOP').responses)
            self.assertEqual([], e.ok('NOOP').responses)
            self.assertEqual(self.st.asked(self.asks), n + 1)
        fetched, _ = self.heard(tag)
        self.assertEqual({1: 1, 2: 1},
                         {u: len(f) for u, f in fetched.items()}, fetched)
        # what others did to the same message is told all the same
        tag = self.i.idle()
        for n in range(4):
            told, t = self.begun('STORE 1 +FLAGS.SILENT (k%d)' % n,
                                 lambda: self.st.flag([1], 'o%d' % n))
            if n % 2:
                e.ok('NOOP')
            told.set()
            r = self.c.finish(t)
            (_, d), = r.fetched() + self.c.ok('NOOP').fetched()
            self.assertEqual({'o%d' % n, 'k%d' % n}, lower(d['FLAGS']))
        fetched, _ = self.heard(tag)
        self.assertEqual(4, len(fetched[1]), fetched)

    def news(self, uid, flag):
        """Who idles is told of that"""
        while lower(self.i.flags[uid]) != {flag}:
            self.i.response(PATIENCE)

    def test_slow(self):
        """an answer that is slow holds nothing up for long"""
        self.start()
        tag = self.i.idle()
        told, t = self.begun('STORE 1 FLAGS (slow)')
        self.st.flag([2], 'news')
        self.news(2, 'news')
        self.news(1, 'slow')
        told.set()
        self.once(self.c.finish(t), 1, 2)
        self.i.done(tag)

    def test_unanswered(self):
        """no answer comes: what others did before it was refused, the
        session goes, the engine"""
        self.start()
        tag = self.i.idle()
        self.st.rule(CHANGE, self.refuse, 1)
        self.c.no('STORE 1 FLAGS (refused)')
        self.news(3, 'first')
        told, t = self.begun('STORE 1 FLAGS (gone)')
        self.c.close()
        self.news(1, 'gone')
        told.set()
        self.c = self.open()
        told, t = self.begun('STORE 1 FLAGS (lost)')
        self.house.killed('engine')
        self.assertEqual('NO', self.c.finish(t).type)
        self.news(1, 'lost')
        told.set()
        self.assertIsNone(self.differs(self.i))
        self.i.done(tag)
        self.sync(self.c)

    def refuse(self, _):
        self.st.flag([3], 'first')
        self.reached()
        raise storage.Problem(403, 'not-permitted')


if __name__ == '__main__':
    atf.main()
