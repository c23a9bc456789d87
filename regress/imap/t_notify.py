#!/usr/bin/env python3
"""What one session is told of what others do: IDLE, NOOP, \\Recent."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import LEVEL, StoreHouse                    # noqa: E402
import atf                                              # noqa: E402
from whole import SLOW, WholeTest                       # noqa: E402

TEXT = b'Subject: x\r\n\r\nbody\r\n'


def flags(*f):
    return frozenset(f)


class Idle(WholeTest):
    options = dict(listen=('imap', 'lmtp'), conf='prefork imap 2\n')

    def setUp(self):
        super().setUp()
        self.c = self.imap()
        for n in range(4):
            self.c.append('INBOX', TEXT)
        self.c.ok('SELECT INBOX')
        self.i = self.imap(select='INBOX')
        self.i.learn()

    def deliver(self, text='Subject: y\r\n\r\nbody'):
        m = self.client('lmtp')
        m.line()
        m.send('LHLO test')
        while m.line()[3] == '-':
            pass
        m.cmd('MAIL FROM:<a@example.org>')
        self.assertEqual('250', m.cmd('RCPT TO:<joe@localhost>')[:3])
        m.cmd('DATA')
        self.assertEqual('250', m.cmd(text, '.')[:3])
        m.cmd('QUIT')
        m.close()

    def test_changes(self):
        """APPEND, LMTP, flags, expunges by others, as they happen"""
        i, c = self.i, self.c
        tag = i.idle()
        c.append('INBOX', TEXT)
        i.wait_for('EXISTS', number=5)
        self.deliver()
        i.wait_for('EXISTS', number=6)
        c.ok('STORE 2 +FLAGS (\\Flagged word)')
        r = i.wait_for('FETCH', number=2)
        self.assertLessEqual({'\\flagged', 'word'}, i.flags[2])
        c.ok('STORE 1,3 +FLAGS.SILENT (\\Deleted)')
        i.wait_for('FETCH', number=1)
        i.wait_for('FETCH', number=3)
        c.ok('EXPUNGE')
        i.wait_for('EXPUNGE')
        i.wait_for('EXPUNGE')
        self.assertEqual(4, i.exists)
        # where a storage cannot move, the copy may be seen before it
        c.ok('MOVE 1 INBOX')
        i.wait_for('EXPUNGE')
        if i.exists != 4:
            i.wait_for('EXISTS', number=4)
        r = i.done(tag)
        self.assertLessEqual({x.type for x in r.responses}, {'RECENT'})
        self.assertEqual([4, 5, 6, 7], sorted(
            d['UID'] for _, d in i.ok('FETCH 1:* UID').fetched()))

    def test_silent(self):
        """nothing comes where nothing happened; DONE ends it at once"""
        i = self.i
        tag = i.idle()
        i.silent(0.2)
        # what another account, another mailbox do is not told
        self.c.ok('CREATE other')
        self.c.append('other', TEXT)
        i.silent(0.2)
        self.assertEqual([], i.done(tag).responses)
        for _ in range(20):
            self.assertEqual([], i.done(i.idle()).responses)
        # one's own, too, but no more than once
        i.ok('STORE 1 +FLAGS.SILENT (\\Seen)')
        tag = i.idle()
        i.silent(0.2)
        i.done(tag)

    def test_before(self):
        """what happened before IDLE is told in it"""
        self.i.ok('NOOP')
        self.c.append('INBOX', TEXT)
        tag = self.i.idle()
        self.i.wait_for('EXISTS', number=5)
        self.i.done(tag)

    def test_not_selected(self):
        """IDLE without a mailbox; and what else may be sent in it"""
        c = self.imap()
        tag = c.idle()
        self.c.append('INBOX', TEXT)
        c.silent(0.2)
        c.done(tag)
        tag = c.begin('IDLE')
        c.wait_continuation(tag)
        c.raw(b'x NOOP\r\n')
        self.assertEqual('BAD', c.finish(tag).type)
        c.ok('NOOP')
        tag = c.idle()
        c.raw(b'done\r\nx1 NOOP\r\n')
        self.assertEqual('OK', c.finish(tag).type)
        self.assertEqual('OK', c.finish('x1').type)
        c.raw(b'y IDLE\r\nDONE\r\nz NOOP\r\n')
        c.wait_continuation('y')
        self.assertEqual('OK', c.finish('y').type)
        self.assertEqual('OK', c.finish('z').type)
        tag = c.idle()
        c.raw(b'D' * 70000 + b'\r\n')
        self.assertEqual('BAD', c.finish(tag).type)
        c.ok('NOOP')

    def test_sessions(self):
        """many sessions on one mailbox, in two processes, all are told"""
        others = [self.imap(select='INBOX') for _ in range(12)]
        tags = [c.idle() for c in others]
        self.deliver()
        for c in others:
            c.wait_for('EXISTS', number=5)
        self.c.ok('NOOP')
        self.c.ok('STORE 5 +FLAGS (\\Seen)')
        for c in others:
            c.wait_for('FETCH', number=5)
        for c, tag in zip(others, tags):
            c.done(tag)

    def test_noop(self):
        """what one session did, a NOOP of another tells: at once in the same
        process, in another one as soon as the event is there"""
        for n in range(30):
            self.c.ok('STORE 1 %sFLAGS.SILENT (\\Flagged)' % '+-'[n % 2])
            end, told = time.monotonic() + 5 * SLOW, []
            while not told and time.monotonic() < end:
                told = self.i.ok('NOOP').fetched()
            (k, d), = told
            self.assertEqual((1, n % 2 == 0),
                             (k, '\\Flagged' in d['FLAGS']))


class Polled(StoreHouse):
    """Storages that push nothing."""

    def check(self, capabilities):
        self.begin(capabilities, conf='poll 1s\n')
        c = self.imap()
        for _ in range(3):
            c.append('INBOX', TEXT)
        c.ok('SELECT INBOX')
        i = self.imap(select='INBOX')
        i.learn()
        tag = i.idle()
        c.append('INBOX', TEXT)
        i.wait_for('EXISTS', number=4)
        c.ok('STORE 2 +FLAGS (\\Deleted)')
        i.wait_for('FETCH', number=2)
        c.ok('EXPUNGE')
        i.wait_for('EXPUNGE', number=2)
        i.done(tag)
        # and by other programs
        client = self.store.client()
        box = client.mailbox('joe')['id']
        client.add('joe', box, TEXT)
        client.patch('joe', box, uids='1', add=['\\Flagged'])
        client.close()
        tag = i.idle()
        i.wait_for('EXISTS', number=4)
        if '\\flagged' not in i.flags.get(1, ()):
            i.wait_for('FETCH', number=1)
        i.done(tag)
        end = time.monotonic() + 10 * SLOW
        while c.exists < 4 and time.monotonic() < end:
            c.ok('NOOP')
            time.sleep(0.05)
        self.assertEqual(4, c.exists)

    def test_level1(self):
        """one that can be written, no more"""
        self.check(LEVEL[1])

    def test_modseq(self):
        """one with modseqs, without events"""
        self.check(LEVEL[2] - {'events'})


class Recent(WholeTest):
    def setUp(self):
        super().setUp()
        self.c = self.imap()

    def recents(self, c):
        return {d['UID'] for _, d in c.ok('UID FETCH 1:* FLAGS').fetched()
                if '\\Recent' in d['FLAGS']}

    def add(self, n=1):
        for _ in range(n):
            self.c.append('INBOX', TEXT)

    def test_one_session(self):
        """each message is \\Recent to one session: the first read-write one
        that is told of it"""
        self.add(3)
        a = self.imap(select='INBOX')
        self.assertEqual((3, {1, 2, 3}), (a.recent, self.recents(a)))
        b = self.imap(select='INBOX')
        self.assertEqual((0, set()), (b.recent, self.recents(b)))
        # still so after it has been told once, until it closes
        a.ok('NOOP')
        self.assertEqual({1, 2, 3}, self.recents(a))
        self.add(2)
        a.ok('NOOP')
        b.ok('NOOP')
        self.assertEqual({4, 5}, (self.recents(a) | self.recents(b)) -
                         {1, 2, 3})
        self.assertFalse(self.recents(a) & self.recents(b))
        self.assertEqual(len(self.recents(a)), a.recent)
        self.assertEqual(len(self.recents(b)), b.recent)
        a.ok('SELECT INBOX')
        self.assertEqual((0, set()), (a.recent, self.recents(a)))

    def left(self):
        """What a new session has as \\Recent; then nobody has any more"""
        c = self.imap(select='INBOX')
        found, n = self.recents(c), c.recent
        self.assertEqual(len(found), n)
        c.ok('LOGOUT')
        return found

    def test_silent(self):
        """who is told first has it, whoever else has the mailbox open and
        says nothing"""
        s, a = self.imap(select='INBOX'), self.imap(select='INBOX')
        tag = a.idle()
        self.add(1)
        a.wait_for('RECENT', number=1)
        a.done(tag)
        self.assertEqual([1], a.ok('UID SEARCH RECENT').search())
        self.add(1)
        while a.exists < 2:
            a.ok('NOOP')
        self.assertEqual((2, {1, 2}), (a.recent, self.recents(a)))
        self.assertEqual(set(), self.left())
        # who comes later has none, those who look neither
        e = self.imap()
        e.ok('EXAMINE INBOX')
        s.ok('NOOP')
        for c in s, e:
            self.assertEqual((2, 0), (c.exists, c.recent))
        self.add(1)
        while s.exists < 3:
            s.ok('NOOP')
        a.ok('NOOP')
        e.ok('NOOP')
        self.assertEqual((3, 1), (s.exists, s.recent))
        self.assertEqual((3, 2), (a.exists, a.recent))
        self.assertEqual((3, 0), (e.exists, e.recent))
        s.ok('LOGOUT')
        self.assertEqual(set(), self.left())

    def test_never_told(self):
        """a session that goes before it is told of them takes none along"""
        st = 'STATUS INBOX (RECENT)'
        e = self.imap()
        e.ok('EXAMINE INBOX')
        for n, how in enumerate(('LOGOUT', 'CLOSE', 'UNSELECT',
                                 'EXAMINE INBOX', 'SELECT INBOX', None)):
            s = self.imap(select='INBOX')
            tag = e.idle()
            self.add(1)
            e.wait_for('EXISTS', number=n + 1)
            e.done(tag)
            self.assertIn(n + 1, self.recents(e))
            if how is None:
                s.close()
            else:
                s.ok(how)
            if how == 'EXAMINE INBOX':
                self.assertEqual((1, {n + 1}), (s.recent, self.recents(s)))
            elif how == 'SELECT INBOX':
                self.assertEqual((1, {n + 1}), (s.recent, self.recents(s)))
                self.assertEqual(set(), self.left())
                continue
            elif how is not None:
                self.assertEqual({'RECENT': 1},
                                 self.c.ok(st).one('STATUS').data[1], how)
            self.assertEqual({n + 1}, self.left())
            self.assertEqual(set(), self.left())
        # the one that looked is gone as well
        s = self.imap(select='INBOX')
        self.add(1)
        while e.exists < n + 2:
            e.ok('NOOP')
        e.ok('LOGOUT')
        s.ok('LOGOUT')
        self.assertEqual({n + 2}, self.left())
        self.assertEqual({'RECENT': 0}, self.c.ok(st).one('STATUS').data[1])

    def test_examine(self):
        """EXAMINE takes none away"""
        self.add(2)
        a = self.imap()
        for _ in range(2):
            a.ok('EXAMINE INBOX')
            self.assertEqual((2, {1, 2}), (a.recent, self.recents(a)))
        self.add(1)
        a.ok('NOOP')
        self.assertEqual((3, {1, 2, 3}), (a.recent, self.recents(a)))
        b = self.imap(select='INBOX')
        self.assertEqual((3, {1, 2, 3}), (b.recent, self.recents(b)))
        a.ok('EXAMINE INBOX')
        self.assertEqual((0, set()), (a.recent, self.recents(a)))

    def test_status(self):
        """STATUS RECENT counts those nobody has been told of"""
        self.add(4)
        st = 'STATUS INBOX (RECENT)'
        for _ in range(2):
            self.assertEqual({'RECENT': 4},
                             self.c.ok(st).one('STATUS').data[1])
        self.imap(select='INBOX').ok('LOGOUT')
        self.assertEqual({'RECENT': 0}, self.c.ok(st).one('STATUS').data[1])
        self.add(1)
        self.assertEqual({'RECENT': 1}, self.c.ok(st).one('STATUS').data[1])

    def test_copies(self):
        """copies and moved messages are recent, too"""
        self.add(2)
        self.c.ok('SELECT INBOX')
        self.c.ok('CREATE box')
        self.c.ok('COPY 1 box')
        self.c.ok('MOVE 2 box')
        r = self.imap().ok('SELECT box')
        self.assertEqual(2, r.one('RECENT').number)

    def test_not_settable(self):
        """and nobody sets or takes it"""
        self.add(1)
        self.c.ok('SELECT INBOX')
        self.c.bad('STORE 1 +FLAGS (\\Recent)')
        self.c.bad('STORE 1 -FLAGS (\\Recent)')
        self.c.ok('STORE 1 FLAGS (\\Seen)')
        self.assertEqual({1}, self.recents(self.c))
        self.c.bad('APPEND INBOX (\\Recent) {1+}\r\nx')


class Changed(WholeTest):
    def test_numbers(self):
        """expunges held back while numbers are used: what a session may
        still name, and what it is told in the end"""
        c = self.imap()
        for _ in range(10):
            c.append('INBOX', TEXT)
        c.ok('SELECT INBOX')
        c.learn()
        other = self.imap(select='INBOX')
        other.ok('STORE 2,5,9 +FLAGS.SILENT (\\Deleted)')
        other.ok('EXPUNGE')
        other.append('INBOX', TEXT)
        for _ in range(2):
            c.ok('FETCH 1 UID')
        self.assertEqual(11, c.exists)
        r = c.cmd('FETCH 1:11 FLAGS')
        self.assertEqual({1, 3, 4, 6, 7, 8, 10, 11},
                         {n for n, d in r.fetched() if 'FLAGS' in d})
        other.ok('STORE 7 +FLAGS.SILENT (last)')
        r = c.ok('FETCH 1 UID')
        c.ok('STORE 11 +FLAGS.SILENT (mine)')
        c.ok('NOOP')
        self.assertEqual(8, c.exists)
        self.assertEqual([1, 3, 4, 6, 7, 8, 10, 11],
                         [d['UID'] for _, d in c.ok('FETCH 1:* UID')
                          .fetched()])
        self.assertIn('last', c.flags[10])
        other.ok('NOOP')
        self.assertIn('mine', other.learn()[11])


if __name__ == '__main__':
    atf.main()
