#!/usr/bin/env python3
"""The whole house before a storage that can little, or misbehaves: clear
errors, nobody else harmed, and views that are right again afterwards."""

import os
import random
import re
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import storage                                          # noqa: E402
from imapclient import Bye, set_of, uids_of             # noqa: E402
from storage import LEVEL0, LEVEL1, LEVEL2, Storage             # noqa: E402
from whole import SLOW, WholeTest, sanitized            # noqa: E402

PATIENCE = 15 * SLOW
LISTING = r'GET .*/messages\?'
CONTENT = r'GET .*/joe/messages/'
ROW = r'GET .*/mailboxes/\w+$'
QUICK = 'poll 1s\ntimeouts { backend 2s }'
NDJSON = ('HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n'
          'Content-Length: %d\r\n\r\n')


def lower(flags):
    return frozenset(f.lower() for f in flags) - {'\\recent'}


def ndjson(text):
    return storage.raw((NDJSON % len(text) + text).encode())


class StorageTest(WholeTest):
    auto = False

    def before(self, *caps, conf='', **more):
        """A house before a storage that can this"""
        self.st = Storage(*caps, **more)
        self.addCleanup(self.st.stop)
        self.begin(storage='storage "main" url "%s"' % self.st.url,
                   conf=conf)
        self.house.logged('storage main: .* is up')

    def differs(self, c, box=None):
        """How a view is not what the storage has"""
        with self.st.lock:
            now = {u: lower(m.flags) for u, m in
                   (box or self.st.inbox).messages.items()}
        if c.uids != sorted(now):
            return 'uids %s, not %s' % (c.uids, sorted(now))
        for u in c.uids:
            if lower(c.flags[u]) != now[u]:
                return 'flags of %d: %s, not %s' % (u, c.flags[u], now[u])
        return None

    def learn(self, c):
        while None in c.uids:
            c.ok('FETCH %s (UID FLAGS)' % set_of(
                i + 1 for i, u in enumerate(c.uids) if u is None))

    def sync(self, c, box=None):
        """Sooner or later the view is right"""
        end = time.monotonic() + PATIENCE
        while True:
            c.ok('NOOP')
            self.learn(c)
            bad = self.differs(c, box)
            if bad is None:
                return
            self.assertLess(time.monotonic(), end, bad)
            time.sleep(.05)

    def until(self, *cmd, type='OK', client=None):
        """The same command, until it ends like that"""
        end = time.monotonic() + PATIENCE
        while True:
            r = client.cmd(*cmd)
            if r.type == type:
                return r
            self.assertLess(time.monotonic(), end, r)
            time.sleep(.1)

    def open(self, **args):
        c = self.imap(select='INBOX', **args)
        self.learn(c)
        return c


class Levels(StorageTest):
    """What a storage cannot do"""

    def changes(self, c):
        """What others do is seen"""
        self.st.add(2, ['\\Seen'])
        self.sync(c)
        self.st.flag([1, 3], '\\Flagged', 'k')
        self.sync(c)
        self.st.remove(2)
        self.st.add()
        self.sync(c)
        self.st.remove(1, 3)
        self.sync(c)

    def idle(self, c):
        """... also without a command"""
        tag = c.idle()
        n = c.exists
        self.st.add()
        c.wait_for('EXISTS', PATIENCE, number=n + 1)
        self.st.flag([self.st.inbox.uidnext - 2], '\\Answered')
        c.wait_for('FETCH', PATIENCE)
        self.st.remove(self.st.inbox.uidnext - 1)
        c.wait_for('EXPUNGE', PATIENCE, number=n + 1)
        c.done(tag)

    def test_read_only(self):
        """Level 0: changes are seen by listing all again"""
        self.before(*LEVEL0, conf=QUICK)
        self.st.add(3)
        c = self.open()
        self.assertIsNone(self.differs(c))
        self.changes(c)
        self.st.add(2)
        self.sync(c)
        self.idle(c)
        self.assertEqual(self.st.asked('(?!GET)'), 0)

    def test_state(self):
        """Level 0 with states: listed only if the state is another"""
        self.before(*LEVEL0, conf=QUICK, state=True)
        self.st.add(3)
        c = self.open()
        self.changes(c)
        self.st.add(2)
        self.sync(c)
        self.st.forget()
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            c.ok('NOOP')
            time.sleep(.1)
        self.assertGreater(self.st.asked(ROW), 0)
        self.assertLessEqual(self.st.asked(ROW), 4)
        self.assertEqual(self.st.asked(LISTING), 0)
        self.idle(c)

    def test_no_events(self):
        """Modseqs without events: only changes are listed"""
        self.before('write', 'modseq', conf=QUICK)
        self.st.add(3)
        c = self.open()
        self.st.forget()
        self.changes(c)
        self.st.add(2)
        self.sync(c)
        self.idle(c)
        all = self.st.asked(LISTING + '(?!.*since=)(?!.*uids=)')
        self.assertEqual(all, 0, self.st.requests)
        self.assertGreater(self.st.asked(LISTING + '.*since='), 0)

    def test_no_modseq(self):
        """Events without modseqs: told that, not what"""
        self.before('write', 'events')
        self.st.add(3)
        c, d = self.open(), self.open()
        self.changes(c)
        self.st.add(2)
        self.sync(c)
        self.idle(c)
        c.ok('UID STORE %d +FLAGS.SILENT (k9)' % c.uids[0])
        c.ok('UID STORE %d +FLAGS (\\Deleted)' % c.uids[1])
        c.ok('EXPUNGE')
        self.learn(c)
        c.flags[c.uids[0]] |= {'k9'}
        self.assertIsNone(self.differs(c))
        self.sync(d)

    def test_quiet(self):
        """Level 2: while nothing happens, nothing is asked"""
        self.before(*LEVEL2)
        self.st.add(5)
        c, d = self.open(), self.open()
        self.changes(c)
        self.sync(d)
        self.st.forget()
        for _ in range(20):
            c.ok('NOOP')
            d.ok('UID FETCH 1:* (FLAGS)')
            d.ok('SEARCH UNSEEN')
            c.ok('CHECK')
        c.done(c.idle())
        self.assertEqual(self.st.requests, [])
        # what we do ourselves is in the answer
        self.st.add()
        self.sync(c)
        self.sync(d)
        self.st.forget()
        c.ok('STORE 1 +FLAGS (a \\Deleted)')
        c.ok('STORE 1 -FLAGS.SILENT (a)')
        c.flags[c.uids[0]] -= {'a'}
        c.ok('EXPUNGE')
        self.sync(d)
        self.assertEqual(self.st.asked('GET'), 0, self.st.requests)


class Faults(StorageTest):
    """What a storage does wrong"""

    def test_down(self):
        """It is not there, and there again"""
        self.before(*LEVEL2, conf=QUICK)
        self.st.add(3)
        c, d = self.open(), self.open()
        tag = d.idle()
        self.st.stop()
        c.ok('FETCH 1:* (UID FLAGS)')
        c.no('FETCH 1 BODY[TEXT]', code='UNAVAILABLE')
        c.no('STORE 1 +FLAGS (x)', code='UNAVAILABLE')
        c.no('COPY 1 INBOX', code='UNAVAILABLE')
        c.no('CREATE x', code='UNAVAILABLE')
        c.ok('NOOP')
        r = c.cmd('APPEND INBOX {5+}\r\nhello')
        self.assertEqual((r.type, r.code), ('NO', 'UNAVAILABLE'))
        e = self.imap()
        e.no('SELECT INBOX', code='UNAVAILABLE')
        e.no('STATUS INBOX (MESSAGES)', code='UNAVAILABLE')
        # somebody else has its address no more
        self.st.add()
        self.st.remove(1)
        self.st.start()
        self.until('SELECT INBOX', client=e)
        self.learn(e)
        self.sync(e)
        self.sync(c)
        d.wait_for('EXISTS', PATIENCE)
        d.done(tag)
        self.sync(d)
        c.ok('STORE 1 +FLAGS (x)')
        self.sync(c)

    def test_slow(self):
        """No answer in time: the session goes on, others do not wait"""
        self.before(*LEVEL2, conf=QUICK)
        self.st.add(3)
        self.st.create('Other')
        c, d = self.open(), self.open()
        held = threading.Event()
        self.addCleanup(held.set)
        self.st.rule(CONTENT + 'c1$', storage.hold(held))
        tag = c.begin('FETCH 1 BODY[]')
        self.st.wait_asked(CONTENT + 'c1$')
        d.ok('FETCH 2 BODY[]')
        d.ok('NOOP')
        r = c.finish(tag)
        self.assertEqual((r.type, r.code), ('NO', 'UNAVAILABLE'))
        self.st.rule(LISTING, storage.hold(held))
        e = self.imap()
        e.no('SELECT Other', code='UNAVAILABLE')
        d.ok('FETCH 2 BODY[]')
        held.set()
        self.st.drop()
        e.ok('SELECT Other')
        e.ok('SELECT INBOX')
        self.st.add()
        self.learn(e)
        c.ok('FETCH 1 BODY[]')
        for s in c, d, e:
            self.sync(s)

    def test_busy(self):
        """try-later of a listing: asked again by the next command"""
        self.before(*LEVEL2)
        self.st.add(3)
        c = self.open()
        rule = self.st.rule(LISTING, storage.problem(503, 'try-later'))
        self.st.forget()
        self.st.add()
        while not self.st.asked(LISTING):
            c.ok('NOOP')
        self.st.drop(rule)
        self.sync(c)

    def test_cut_list(self):
        """A listing that ends too early is never taken for the whole"""
        self.before(*LEVEL2)
        self.st.add(40, ['k1'])
        c, e = self.open(), self.imap()
        for n in (0, 1, 60, 200, -1, -2, -14, -15, -40):
            self.st.rule(LISTING, storage.cut(n))
            # one that nobody has open is read anew
            box = self.st.create('box%d' % n)
            self.st.add(20, box=box)
            self.until('SELECT box%d' % n, type='NO', client=e)
            self.st.flag([1, 5, 9], 'n%d' % abs(n))
            self.st.remove(self.st.inbox.uidnext - 1)
            self.st.add(2)
            c.ok('NOOP')
            self.learn(c)
            self.st.drop()
            self.sync(c)
            self.until('SELECT box%d' % n, client=e)
            self.assertEqual(e.exists, 20)

    def test_cut_content(self):
        """A message that ends too early is not shown as if it were whole"""
        self.before(*LEVEL2)
        self.st.add(2)
        self.st.add(size=3 << 20)
        c, d = self.open(), self.open()
        self.st.rule(CONTENT + 'c1$', storage.cut(5))
        c.no('FETCH 1 BODY[]', code='UNAVAILABLE')
        r = c.no('FETCH 1:2 (UID BODY.PEEK[])', code='UNAVAILABLE')
        self.assertLessEqual(len(r.fetched()), 1)
        # of a literal that has begun nothing can be taken back
        self.st.rule(CONTENT + 'c3$', storage.cut(1 << 20))
        with self.assertRaises(Bye):
            c.cmd('FETCH 3 BODY[]')
        d.ok('NOOP')
        self.st.drop()
        for n in 1, 3:
            r = d.ok('FETCH %d BODY.PEEK[]' % n).one('FETCH')
            self.assertEqual(r.data['BODY[]'], self.st.contents['c%d' % n])

    NONSENSE = [
        '', '\n', 'null\n', '[]\n', '{}\n', 'x' * 70000 + '\n', '\0\0\n',
        '{"header":true}\n', '{"end":true}\n',
        '{"header":true,"uidnext":0,"uidvalidity":0,"modseq":0,'
        '"applied":{}}\n{"end":true}\n',
        '{"header":true,"uidnext":-1,"uidvalidity":1e9,"modseq":'
        '99999999999999999999,"applied":{}}\n{"end":true}\n',
        '{"header":true,"uidnext":9,"uidvalidity":1001,"modseq":4,'
        '"applied":{"fields":["uid","flags"]}}\n'
        '{"uids":"5:1","flags":[]}\n{"end":true}\n',
        '{"header":true,"uidnext":9,"uidvalidity":1001,"modseq":4,'
        '"applied":{"fields":["uid","flags"]}}\n'
        '{"uid":1,"flags":["a b","\\\\Seen\\r\\nx"]}\n{"uid":"x"}\n',
        '{"header":true,"change":{"mailbox":"../m1","modseq_before":9,'
        '"modseq":2}}\n{"end":true}\n',
        '{"header":true,"change":7}\n{"uid":0,"flags":7}\n{"end":true}\n',
        '{"header":true,"from_change":{},"to_change":[],"uidvalidity":0}\n'
        '{"from":"1","to":"1:5"}\n{"end":true}\n',
        '{"header":true}\n{"index":7,"uid":-1}\n{"end":true}\n',
    ]

    @atf.timeout(240)
    def test_nonsense(self):
        """Answers that are not the API"""
        self.before(*LEVEL2)
        self.st.add(4)
        c = self.open()
        cmds = ['STORE 1 +FLAGS (x%d)', 'UID EXPUNGE 1:9999%d',
                'COPY 1 INBOX', 'MOVE 1 INBOX', 'FETCH 1 (INTERNALDATE '
                'MODSEQ)', 'APPEND INBOX {2+}\r\nxx', 'CREATE n%d',
                'LIST "" *', 'NOOP', 'STATUS Other (UNSEEN)',
                'SEARCH LARGER 10', 'FETCH 1 ENVELOPE']
        self.st.create('Other')
        for i, text in enumerate(self.NONSENSE):
            self.st.rule('(?!GET /v1/(events|$)).*', ndjson(text))
            for cmd in cmds:
                r = c.cmd(cmd % i if '%d' in cmd else cmd)
                self.assertIn(r.type, ('OK', 'NO'), (text, cmd, r))
            self.st.drop()
            self.st.add()
            self.sync(c)
            c.ok('LIST "" *')
        self.assertGreater(self.st.asked('POST .*messages$'), 10)

    def test_lies(self):
        """Changes of what is not there, numbers that go back"""
        self.before(*LEVEL2)
        self.st.add(4)
        c, d = self.open(), self.open()
        head = ('{"header":true,"change":{"mailbox":"m1","modseq_before":%d,'
                '"modseq":%d}}\n')
        for before, after in ((5, 6), (1, 2), (99, 100), (5, 5)):
            self.st.rule('PATCH', ndjson(
                head % (before, after) + '{"uids":"3:500","flags":["lie"]}\n'
                '{"uid":4294967294,"flags":["k"]}\n{"end":true}\n'), 1)
            r = c.cmd('STORE 1 +FLAGS (x)')
            self.assertIn(r.type, ('OK', 'NO'))
            self.st.rule('POST .*expunge', ndjson(
                head % (before, after) +
                '{"vanished":"2,500:600"}\n{"end":true}\n'), 1)
            c.ok('UID STORE 1 +FLAGS.SILENT (\\Deleted)')
            r = c.cmd('UID EXPUNGE 1')
            self.assertIn(r.type, ('OK', 'NO'))
            for s in c, d:
                self.assertIn(s.cmd('NOOP').type, ('OK', 'NO'))
                self.learn(s)
            # a store that tells lies is found out by its next change
            with self.st.lock:
                self.st.inbox.modseq += 200
                self.st.inbox.floor = self.st.inbox.modseq
            self.st.flag(sorted(self.st.inbox.messages), 'true')
            new = self.st.add()
            for s in c, d:
                while not s.uids or s.uids[-1] != new:
                    s.ok('NOOP')
                    self.learn(s)
                self.assertEqual(s.uids, sorted(set(s.uids)))
                s.ok('SELECT INBOX')
                self.learn(s)
                self.sync(s)
                self.assertIn(2, s.uids)

    def test_late(self):
        """A uid that comes back has no place among the numbers"""
        self.before(*LEVEL2)
        self.st.add(5)
        c = self.open()
        back = self.st.inbox.messages[2]
        self.st.remove(2)
        self.sync(c)
        for known in True, False:
            with self.st.lock:
                self.st.inbox.messages[2] = back
                self.st.inbox.touch([2])
                if not known:
                    self.st.inbox.floor = self.st.inbox.modseq
                self.st.tell(self.st.inbox)
                new = self.st.add()
            while c.uids[-1] != new:
                c.ok('NOOP')
                self.learn(c)
            self.assertNotIn(2, c.uids)
            self.assertEqual(c.uids, sorted(c.uids))
            r = c.ok('FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
            for n, items in r.fetched():
                self.assertIn(b'm%d\r' % items['UID'],
                              items['BODY[HEADER.FIELDS (SUBJECT)]'])
            self.assertEqual(len(c.ok('SEARCH ALL').search()), len(c.uids))
            d = self.open()
            self.sync(d)
            self.assertIn(2, d.uids)
            self.st.remove(2)
            self.sync(c)

    CODES = [(403, 'not-permitted', 'NOPERM'),
             (403, 'read-only', 'NOPERM'),
             (507, 'over-quota', 'OVERQUOTA'),
             (507, 'storage-full', 'UNAVAILABLE'),
             (503, 'try-later', 'UNAVAILABLE'),
             (500, 'internal', 'SERVERBUG'),
             (400, 'bad-request', 'SERVERBUG'),
             (401, 'bad-token', 'UNAVAILABLE'),
             (409, 'in-use', 'INUSE'),
             (502, 'what-is-this', 'UNAVAILABLE')]

    def test_codes(self):
        """What a storage refuses, and as what IMAP tells it"""
        self.before(*LEVEL2)
        self.st.add(3, ['\\Deleted'])
        c = self.open()
        for status, code, imap in self.CODES:
            rule = self.st.rule('(POST|PATCH|DELETE)',
                                storage.problem(status, code))
            for cmd in ('STORE 1 +FLAGS (x)', 'EXPUNGE', 'COPY 1 INBOX',
                        'MOVE 1 INBOX', 'CREATE new',
                        'APPEND INBOX {5+}\r\nhello'):
                r = c.cmd(cmd)
                self.assertEqual((r.type, r.code), ('NO', imap),
                                 (cmd, code, r))
            self.st.drop(rule)
        self.st.rule('POST .*/copy', storage.problem(404, 'no-such-target'))
        c.no('COPY 1 INBOX', code='TRYCREATE')
        self.st.rule('PATCH', storage.problem(404, 'no-such-mailbox'), 1)
        c.no('STORE 1 +FLAGS (x)', code='NONEXISTENT')
        self.st.drop()
        c.ok('STORE 1 +FLAGS (x)')
        self.sync(c)

    def test_gone(self):
        """A content that is no more is as good as expunged"""
        self.before(*LEVEL2)
        self.st.add(4)
        c = self.open()
        del self.st.contents['c2']
        r = c.ok('FETCH 1:* BODY.PEEK[]')
        self.assertEqual(r.code, 'EXPUNGEISSUED')
        self.assertEqual([n for n, _ in r.fetched()], [1, 3, 4])
        self.assertEqual(c.ok('SEARCH BODY zzz').search(), [])

    def test_deleted(self):
        """The selected mailbox is deleted in the store"""
        self.before(*LEVEL2, conf=QUICK)
        box = self.st.create('Other')
        self.st.add(3, box=box)
        c, d = self.imap(), self.imap()
        e = self.open()
        self.until('SELECT Other', client=c)
        d.ok('SELECT Other')
        d.idle()
        self.st.delete(box)
        d.ended(PATIENCE)
        self.assertIsNotNone(d.bye)
        try:
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                c.cmd('NOOP')
        except Bye:
            pass
        self.assertIsNotNone(c.bye)
        e.ok('NOOP')


class Names(StorageTest):
    """What becomes of mailboxes when only a part could be done"""

    def names(self):
        with self.st.lock:
            return sorted(b.name for b in self.st.boxes.values())

    def rename(self, c, *words):
        """RENAME of INBOX fails; what it says"""
        r = c.no('RENAME INBOX old', code='OVERQUOTA')
        for w in words:
            self.assertIn(w, r.text)
        c.ok('NOOP')
        self.assertEqual(c.exists, 3)
        return r

    def test_rename_inbox(self):
        """What could not be moved leaves no new mailbox, or it is said so"""
        self.not_moved(LEVEL2, 'POST .*/copy$')

    def test_rename_by_hand(self):
        """... where we move it ourselves"""
        self.not_moved(LEVEL1, 'POST .*/v1/messages$')

    def not_moved(self, caps, how):
        self.before(*caps, conf=QUICK)
        full = storage.problem(507, 'over-quota')
        self.st.add(3)
        c = self.open()
        self.st.rule(how, full)
        r = self.rename(c)
        self.assertNotIn(b'stays', r.text)
        self.assertEqual(self.names(), ['INBOX'])
        self.assertEqual(list(c.ok('LIST "" *').lists()), ['INBOX'])

        def other(handler):
            # somebody else was quick
            self.st.add(box=[b for b in self.st.boxes.values()
                             if b.name == 'old'][0])
            full(handler)
        rule = self.st.rule(how, other)
        self.rename(c, b'Over quota', b'stays')
        self.assertEqual(self.names(), ['INBOX', 'old'])
        c.no('RENAME INBOX old', code='ALREADYEXISTS')
        self.assertEqual(self.names(), ['INBOX', 'old'])
        c.ok('DELETE old')
        # it cannot be taken back
        self.st.drop(rule)
        self.st.rule(how, full)
        rule = self.st.rule('DELETE', storage.problem(
            403, 'not-permitted'))
        self.rename(c, b'Over quota', b'stays')
        self.st.drop(rule)
        c.ok('DELETE old')
        # nobody knows: perhaps it will still be done
        self.st.rule(how, storage.raw(b'HTTP/1.1 504 Late\r\n'
                                      b'Content-Length: 0\r\n\r\n'))
        r = c.no('RENAME INBOX old', code='UNAVAILABLE')
        self.assertIn(b'stays', r.text)
        self.assertEqual(self.names(), ['INBOX', 'old'])
        c.ok('DELETE old')
        self.st.drop()
        c.ok('RENAME INBOX old')
        self.sync(c)
        self.assertEqual(c.exists, 0)
        c.ok('SELECT old')
        self.assertEqual(c.exists, 3)

    def test_move_refused(self):
        """A MOVE by hand whose originals may not be expunged leaves no
        copies; where it is not known if they are they stay"""
        self.before(*LEVEL1, conf=QUICK)
        self.st.add(3)
        other = self.st.create('Other')
        c = self.open()
        expunge = 'POST .*/%s/expunge$' % self.st.inbox.id

        def move(code, copies):
            c.no('MOVE 1:* Other', code=code)
            c.ok('NOOP')
            self.assertEqual(c.exists, 3)
            self.assertEqual(len(other.messages), copies)
        for code, imap in (('not-permitted', 'NOPERM'), ('in-use', 'INUSE')):
            self.st.rule(expunge, storage.problem(403, code), 1)
            move(imap, 0)
        self.st.rule(expunge, storage.problem(404, 'no-such-mailbox'), 1)
        move('NONEXISTENT', 3)
        self.st.rule(expunge, storage.hang_up, 1)
        move('UNAVAILABLE', 6)
        c.ok('MOVE 1:* Other')
        self.sync(c)
        self.assertEqual(len(other.messages), 9)

    def test_copy_lacking(self):
        """A message of which the storage does not say enough is not left
        out of a COPY that is OK"""
        self.before(*LEVEL1, conf=QUICK)
        self.st.add(20)
        other = self.st.create('Other')
        c = self.open()
        row = self.st.message_row

        def without(box, uid, fields):
            r = row(box, uid, fields)
            if uid == 18:
                r.pop('date', None)
            return r
        self.st.message_row = without
        for cmd in 'COPY', 'MOVE':
            c.no(cmd + ' 1:* Other', code='UNAVAILABLE')
            self.assertEqual(len(other.messages), 0)
        c.ok('COPY 1:17,19:* Other')
        self.assertEqual(len(other.messages), 19)
        c.ok('NOOP')
        self.assertEqual(c.exists, 20)

    def test_move_cut(self):
        """An answer that has begun is of a move that is done"""
        self.before(*LEVEL2)
        self.st.add(3)
        c = self.imap()
        whole = self.st.copy

        def copy(box, body):
            status, kind, data = whole(box, body)
            return status, kind, data.split(b'\n')[0] + b'\n'
        self.st.copy = copy
        c.ok('RENAME INBOX old')
        c.ok('SELECT old')
        self.assertEqual(c.exists, 3)

    def test_delete_selected(self):
        """A mailbox that the storage does not delete stays open"""
        self.before(*LEVEL2, conf=QUICK)
        box = self.st.create('Other')
        self.st.add(3, box=box)
        c, d = self.imap(), self.imap()
        for s in c, d:
            self.until('SELECT Other', client=s)
        for status, code, imap in ((403, 'not-permitted', 'NOPERM'),
                                   (409, 'in-use', 'INUSE'),
                                   (503, 'try-later', 'UNAVAILABLE')):
            rule = self.st.rule('DELETE', storage.problem(status, code))
            c.no('DELETE Other', code=imap)
            self.st.drop(rule)
            self.st.add(box=box)
            self.st.flag([1], code, box=box)
            self.sync(c, box)
            c.ok('STORE 1 +FLAGS (x)')
        # others hear of it before it is told itself
        d.idle()
        held = threading.Event()
        self.addCleanup(held.set)
        self.st.rule('DELETE', storage.late(held))
        tag = c.begin('DELETE Other')
        d.ended(PATIENCE)
        self.assertIsNotNone(d.bye)
        held.set()
        self.assertEqual(c.finish(tag).type, 'OK')
        c.bad('FETCH 1 FLAGS')
        c.ok('SELECT INBOX')
        # and it was there no more
        box = self.st.create('Other')
        self.until('SELECT Other', client=c)
        self.st.rule('DELETE', storage.problem(404, 'no-such-mailbox'))
        c.no('DELETE Other', code='NONEXISTENT')
        c.bad('FETCH 1 FLAGS')
        c.ok('SELECT INBOX')


class Own(StorageTest):
    """What one process has changed another one knows at once"""

    def of_two(self):
        """Sessions in two processes"""
        first, second = self.open(), None
        while second is None:
            second = self.open()
            held = re.findall(r'(?m)^imap/\d+ +sessions +(\d+)$',
                              self.house.ctl('show', 'stats')[1])
            if '0' in held:
                second = None
        return first, second

    @atf.timeout(240)
    def test_at_once(self):
        """200 changes, each with the OK of the one and the NOOP of the
        other; the storage itself says nothing of them"""
        self.before(*LEVEL2, conf='prefork imap 2\n')
        self.st.add(3)
        self.st.create('Other')
        c, d = self.of_two()
        self.st.stall = True
        for i in range(50):
            a, b = (c, d) if i % 2 else (d, c)
            a.ok('UID STORE %d FLAGS.SILENT (k%d)' % (a.uids[0], i))
            a.flags[a.uids[0]] = {'k%d' % i}
            for cmd in ('STORE 2 +FLAGS.SILENT (\\Deleted)',
                        'COPY 1 INBOX', 'EXPUNGE'):
                b.ok('NOOP')
                self.learn(b)
                self.assertIsNone(self.differs(b), (i, cmd))
                a.ok(cmd)
                self.learn(a)
            b.ok('NOOP')
            self.learn(b)
            self.assertIsNone(self.differs(b), i)
        c.ok('CREATE New%d' % i)
        self.assertIn('New%d' % i, d.ok('LIST "" *').lists())
        c.ok('DELETE New%d' % i)
        self.assertNotIn('New%d' % i, d.ok('LIST "" *').lists())


class Sync(StorageTest):
    """Mirrors of mailboxes, when something is in their way"""

    def test_too_old(self):
        """Changes that the store does not remember are found by comparing"""
        self.before(*LEVEL2)
        self.st.add(10, ['k1'])
        c, d = self.open(), self.open()
        tag = d.idle()
        for turn in range(5):
            with self.st.lock:
                uids = sorted(self.st.inbox.messages)
                self.st.remove(uids[0], uids[3])
                self.st.flag(uids[4:6], 'k2', 't%d' % turn)
                self.st.add(3)
                self.st.inbox.floor = self.st.inbox.modseq
            r = c.ok('NOOP')
            self.sync(c)
            self.assertEqual(len(r.all('FETCH')) <= 2, True, r)
        d.wait_for('EXISTS', PATIENCE, number=15)
        d.done(tag)
        self.sync(d)
        # a backup was put back: what the client has is newer
        with self.st.lock:
            self.st.inbox.modseq = self.st.inbox.floor = 3
            for m in self.st.inbox.messages.values():
                m.modseq, m.flags = 2, ['old']
            self.st.events.append({'account': 'joe', 'mailbox': 'm1',
                                   'cursor': str(len(self.st.events) + 1),
                                   'modseq': 1 << 40})
            self.st.lock.notify_all()
        self.sync(c)

    def test_lost_event(self):
        """An event that was lost: the belt finds the change, and says so"""
        self.before(*LEVEL2, conf='check 1s')
        self.st.add(3)
        c = self.open()
        tag = c.idle()
        self.st.mute = True
        self.st.add()
        c.wait_for('EXISTS', PATIENCE, number=4)
        self.house.logged('a change that no event told')
        self.st.flag([2], 'k')
        c.wait_for('FETCH', PATIENCE)
        c.done(tag)
        self.sync(c)
        status, text = self.house.ctl('show', 'stats')
        self.assertRegex(text, r'mirror-mended +[1-9]')

    def test_stream(self):
        """Streams that end prove nothing; new ones go on where they were"""
        self.before(*LEVEL2, conf=QUICK)
        self.st.add(5)
        c, d = self.open(), self.open()
        for turn in range(6):
            tag = d.idle()
            n = len(self.st.streams)
            self.st.cut_streams()
            if turn == 2:       # what happened meanwhile is forgotten
                with self.st.lock:
                    self.st.first_event += len(self.st.events) + 7
                    self.st.events = []
            if turn == 3:       # it stays away for a while
                rule = self.st.rule('GET /v1/events',
                                    storage.problem(503, 'try-later'))
                self.st.add()
                self.sync(c)
                d.wait_for('EXISTS', PATIENCE)
                self.st.drop(rule)
            if turn == 4:       # what comes is nonsense
                self.st.rule('GET /v1/events', ndjson('{"header":7}\n'), 2)
            before = self.st.inbox.uidnext
            self.st.add()
            self.st.flag([before], 'turn%d' % turn)
            d.wait_for('EXISTS', PATIENCE)
            d.done(tag)
            self.sync(c)
            self.learn(d)
            self.sync(d)
            self.assertGreaterEqual(n, 0)

    def test_engine(self):
        """The engine dies: sessions live on with the next one"""
        self.before(*LEVEL2)
        self.st.add(5)
        c, d = self.open(), self.open()
        for turn in range(3):
            tag = d.idle()
            held = threading.Event()
            rule = self.st.rule(CONTENT, storage.hold(held))
            self.st.forget()
            t = c.begin('FETCH %d BODY.PEEK[]' % c.exists)
            self.st.wait_asked(CONTENT)
            self.house.killed('engine')
            r = c.finish(t)
            self.assertEqual((r.type, r.code), ('NO', 'UNAVAILABLE'), r)
            held.set()
            self.st.drop(rule)
            self.st.forget()
            self.st.add()
            self.st.remove(min(self.st.inbox.messages))
            d.wait_for('EXISTS', PATIENCE)
            d.done(tag)
            self.learn(d)
            self.until('FETCH 2 BODY.PEEK[]', client=c)
            self.sync(c)
            self.sync(d)
            self.until('STORE 1 +FLAGS (t%d)' % turn, client=c)
            self.sync(d)

    def test_modseqs(self):
        """Each message is told with the modseq of its own last change"""
        self.before(*LEVEL2)
        self.st.add(200)
        c = self.imap()
        c.ok('SELECT INBOX (CONDSTORE)')
        self.learn(c)
        for turn, n in enumerate((1, 5, 60, 63, 64, 65, 66, 150)):
            with self.st.lock:
                for u in random.Random(turn).sample(range(1, 201), n):
                    self.st.flag([u], 'k%d' % turn)
            last = self.st.inbox.modseq
            told = {}
            while max(told.values(), default=0) < last:
                for seq, items in c.ok('NOOP').fetched():
                    told[c.uids[seq - 1]] = items['MODSEQ']
            self.assertEqual(len(told), n)
            wrong = {u: m for u, m in told.items()
                     if m != self.st.inbox.messages[u].modseq}
            if n <= 64:
                self.assertEqual(wrong, {})
            # of very many some are joined, never with an earlier one
            for u, m in wrong.items():
                self.assertGreater(m, self.st.inbox.messages[u].modseq)

    def test_older_list(self):
        """A listing that is older than what we changed since"""
        self.before(*LEVEL2)
        self.st.add(5)
        self.st.create('Other')
        c, d, e = self.open(), self.open(), self.open()
        self.until('STATUS Other (MESSAGES)', client=d)
        tag = c.idle()
        for turn, cmd in enumerate(('UID STORE 1 FLAGS (new)',
                                    'UID STORE 1 -FLAGS (\\Deleted)',
                                    'UID MOVE 1 Other')):
            told, listed = threading.Event(), threading.Event()
            self.addCleanup(listed.set)
            # its event comes first, so that others ask what it was
            self.st.forget()
            self.st.rule('PATCH', storage.late(told), 1)
            rule = self.st.rule(LISTING, storage.late(listed))
            t = d.begin('UID STORE 1 FLAGS (old%d \\Deleted)' % turn)
            asking = self.asking(e)
            told.set()
            self.assertEqual(d.finish(t).type, 'OK')
            d.ok(cmd)
            self.st.drop(rule)
            listed.set()
            # it cannot be the last word
            self.st.wait_asked(LISTING, 2)
            self.assertEqual(e.finish(asking).type, 'OK')
            self.sync(d)
            self.sync(e)
        c.done(tag)
        self.sync(c)

    def asking(self, c):
        """It is heard of a change: now NOOP asks for it"""
        end = time.monotonic() + PATIENCE
        while True:
            tag = c.begin('NOOP')
            if self.st.heard(LISTING, .2 * SLOW):
                return tag
            self.assertLess(time.monotonic(), end)
            c.finish(tag)

    def test_asker(self):
        """Who asked for all goes away: somebody else asks"""
        self.before(*LEVEL2)
        self.st.add(5)
        c, d, e = self.open(), self.open(), self.open()
        for _ in range(3):
            held = threading.Event()
            self.st.forget()
            rule = self.st.rule(LISTING, storage.hold(held))
            self.st.add()
            self.st.flag([2], 'k%d' % self.st.inbox.modseq)
            tag = self.asking(c)
            tag_d, tag_e = d.begin('NOOP'), e.begin('NOOP')
            c.close()
            self.st.drop(rule)
            held.set()
            for s, tag in ((d, tag_d), (e, tag_e)):
                self.assertEqual(s.finish(tag).type, 'OK')
                self.learn(s)
                self.assertIsNone(self.differs(s))
            c = self.open()
        # alone, in the middle of its SELECT
        held = threading.Event()
        box = self.st.create('Other')
        self.st.add(3, box=box)
        f = self.imap()
        self.until('STATUS Other (MESSAGES)', client=f)
        self.st.forget()
        rule = self.st.rule(LISTING, storage.hold(held))
        f.begin('SELECT Other')
        self.st.wait_asked(LISTING)
        f.close()
        self.st.drop(rule)
        held.set()
        d.ok('SELECT Other')
        self.assertEqual(d.exists, 3)

    def told_of(self, c, modseq):
        """A client with CONDSTORE that goes now and takes the highest
        modseq that it saw for the state it has must have it"""
        with self.st.lock:
            for u, m in self.st.inbox.messages.items():
                if u in c.flags and m.modseq <= modseq:
                    self.assertEqual(lower(c.flags[u]), lower(m.flags),
                                     'uid %d, told up to %d, changed in %d'
                                     % (u, modseq, m.modseq))

    def highest(self, r):
        found = [items.get('MODSEQ', 0) for _, items in r.fetched()]
        found += [r.data[1] or 0 for r in r.all('SEARCH')]
        for s in r.responses + [r.tagged]:
            if s.code == 'HIGHESTMODSEQ':
                found.append(int(s.codedata))
        return max(found, default=0)

    def racing(self, turns, two=False):
        rnd = random.Random(7)
        c = self.imap()
        c.ok('SELECT INBOX (CONDSTORE)')
        self.learn(c)
        d = self.open() if two else None
        top = 0

        def other():
            """Somebody else changes a flag, or a few"""
            uids = rnd.sample(sorted(self.st.inbox.messages),
                              rnd.randint(1, 3))
            self.st.flag(uids, 'o%d' % rnd.randint(1, 9))

        def race(handler):
            if rnd.random() < .7:
                with self.st.lock:
                    other()
        self.st.rule('PATCH', race)
        for _ in range(turns):
            if rnd.random() < .6:
                self.st.race = other
            if rnd.random() < .5:
                other()
            n = rnd.randint(1, len(c.uids))
            if d is not None and rnd.random() < .5:
                d.ok('STORE %d FLAGS (d%d)' % (n, rnd.randint(1, 9)))
                self.learn(d)
            r = c.ok(rnd.choice([
                'NOOP', 'FETCH 1:* (UID FLAGS MODSEQ)', 'FETCH %d (MODSEQ)' %
                n, 'STORE %d FLAGS (s%d)' % (n, rnd.randint(1, 9)),
                'CAPABILITY', 'UID FETCH %d (FLAGS)' % c.uids[n - 1],
                'SEARCH MODSEQ 2', 'UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' %
                max(top, 1)]))
            self.learn(c)
            top = max(top, self.highest(r))
            self.told_of(c, top)
        self.st.drop()
        self.st.race = None
        self.sync(c)

    def test_newer_rows(self):
        """Rows newer than the header: no modseq is told too early"""
        self.before(*LEVEL2)
        self.st.add(8, ['k1'])
        self.racing(300)

    def test_newer_rows_of_two(self):
        """The same, with another session of ours that changes flags"""
        self.before(*LEVEL2)
        self.st.add(8, ['k1'])
        self.racing(300, two=True)


class Parts(StorageTest):
    """Requests that are several changes, and answers that are cut"""

    def fragments(self, n=60, **more):
        """n messages, each second uid is missing"""
        self.before(*LEVEL2, limits={'set': 64}, **more)
        self.st.add(2 * n)
        self.st.remove(*range(2, 2 * n + 1, 2))

    def test_store(self):
        """Many requests for one STORE"""
        self.fragments()
        c, d = self.open(), self.open()
        self.st.forget()
        c.ok('STORE 1:* +FLAGS (k1)')
        self.assertGreater(self.st.asked('PATCH'), 2)
        self.assertIsNone(self.differs(c))
        self.assertEqual(len(d.ok('NOOP').fetched()), 60)
        r = c.ok('STORE 1:* -FLAGS.SILENT (k1)')
        self.assertEqual(r.responses, [])
        self.assertEqual(c.ok('NOOP').responses, [])
        self.sync(d)
        self.assertEqual(self.st.asked('GET'), 0, self.st.requests)
        # each modseq is that of the message
        e = self.imap()
        e.ok('SELECT INBOX (CONDSTORE)')
        self.learn(e)
        r = e.ok('STORE 1:* +FLAGS (k2)')
        told = {e.uids[n - 1]: i['MODSEQ'] for n, i in r.fetched()}
        self.assertEqual(told, {u: m.modseq for u, m in
                                self.st.inbox.messages.items()})
        # one in the middle fails: what was done is told
        self.sync(c)
        self.st.rule('PATCH', storage.problem(507, 'over-quota'))
        self.st.rule('PATCH', lambda handler: None, 2)
        c.no('STORE 1:* +FLAGS (k3)', code='OVERQUOTA')
        self.st.drop()
        self.assertIsNone(self.differs(c))
        self.sync(d)

    def test_expunge(self):
        """Many requests for one EXPUNGE"""
        self.fragments()
        c, d = self.open(), self.open()
        e = self.imap()
        e.ok('SELECT INBOX (CONDSTORE)')
        self.learn(e)
        c.ok('STORE 1:40 +FLAGS.SILENT (\\Deleted)')
        self.sync(e)
        self.sync(d)
        self.st.forget()
        r = e.ok('EXPUNGE')
        self.assertGreater(self.st.asked('POST .*expunge'), 1)
        self.assertEqual(r.code, 'HIGHESTMODSEQ')
        self.assertEqual(r.codedata, str(self.st.inbox.modseq))
        self.assertEqual(e.exists, 20)
        self.sync(d)
        self.assertEqual(self.st.asked('GET'), 0, self.st.requests)

    def test_copy(self):
        """Many requests for one COPY: all or nothing all the same"""
        self.fragments()
        box = self.st.create('Other')
        self.st.add(3, box=box)
        c = self.open()
        self.until('STATUS Other (MESSAGES)', client=c)
        self.st.forget()
        r = c.ok('COPY 1:* Other')
        self.assertGreater(self.st.asked('POST .*copy'), 2)
        _, source, target = r.codedata.split()
        self.assertEqual(uids_of(source), c.uids)
        self.assertEqual(uids_of(target), list(range(4, 64)))
        for old, new in zip(uids_of(source), uids_of(target)):
            self.assertEqual(self.st.inbox.messages[old].content,
                             box.messages[new].content)
        self.st.rule('POST .*copy', storage.problem(507, 'over-quota'))
        self.st.rule('POST .*copy', lambda handler: None, 2)
        c.no('COPY 1:* Other', code='OVERQUOTA')
        self.assertEqual(len(box.messages), 63)
        # into itself
        self.st.drop()
        self.st.rule('POST .*copy', storage.problem(507, 'over-quota'))
        self.st.rule('POST .*copy', lambda handler: None, 2)
        c.no('COPY 1:* INBOX', code='OVERQUOTA')
        self.st.drop()
        self.sync(c)
        self.assertEqual(c.exists, 60)

    def test_move(self):
        """A MOVE that fails in the middle tells what it has moved"""
        self.fragments()
        box = self.st.create('Other')
        c, d = self.open(), self.open()
        self.until('STATUS Other (MESSAGES)', client=c)
        self.st.rule('POST .*copy', storage.problem(507, 'over-quota'))
        self.st.rule('POST .*copy', lambda handler: None, 2)
        before = list(c.uids)
        r = c.no('MOVE 1:* Other', code='OVERQUOTA')
        _, source, target = r.codes()['COPYUID'].split()
        moved = uids_of(source)
        self.assertEqual(moved, before[:len(moved)])
        self.assertEqual(uids_of(target), sorted(box.messages))
        self.assertEqual(c.uids, before[len(moved):])
        self.assertIsNone(self.differs(c))
        self.sync(d)
        self.st.drop()
        c.ok('MOVE 1:* Other')
        self.assertEqual(c.exists, 0)
        self.sync(d)
        self.assertEqual(len(box.messages), 60)

    def test_cut(self):
        """The answer to a change is cut off: the change stands"""
        self.before('write', 'modseq', 'events', 'copy')
        self.st.add(30)
        box = self.st.create('Other')
        c, d = self.open(), self.open()
        self.until('STATUS Other (MESSAGES)', client=c)
        for n in (-1, -14, -15, -40, 250, 100):
            self.st.rule('PATCH', storage.cut(n), 1)
            r = c.cmd('STORE 1:20 FLAGS (n%d)' % abs(n))
            self.assertEqual(r.type, 'OK', (n, r))
            self.sync(c)
            self.sync(d)
        self.st.rule('PATCH', storage.cut(10), 1)
        c.no('STORE 1:20 FLAGS (unknown)', code='UNAVAILABLE')
        self.sync(c)
        c.ok('STORE 1:10 FLAGS (\\Deleted)')
        self.st.rule('POST .*expunge', storage.cut(-20), 1)
        c.ok('EXPUNGE')
        self.assertEqual(c.exists, 20)
        self.sync(d)
        self.st.rule('POST .*copy', storage.cut(-20), 1)
        self.assertIsNone(c.ok('COPY 1:3 Other').code)
        self.assertEqual(len(box.messages), 3)
        self.st.rule('POST .*copy', storage.cut(-20), 1)
        c.ok('MOVE 1:3 Other')
        self.sync(c)
        self.assertEqual(c.exists, 17)

    def test_repeated(self):
        """With keys a change whose answer is lost is repeated, done once"""
        self.before(*LEVEL2)
        self.st.add(5)
        c = self.open()

        def lost(handler):
            """Done, and never answered"""
            path = handler.path
            with self.st.lock:
                handler.once(path, {}, handler.data)
            raise storage.Hangup
        box = self.st.create('Other')
        self.until('STATUS Other (MESSAGES)', client=c)
        for cmd, pattern in (('STORE 1 +FLAGS (x)', 'PATCH'),
                             ('COPY 1:2 Other', 'POST .*copy'),
                             ('MOVE 3 Other', 'POST .*copy'),
                             ('APPEND INBOX {5+}\r\nhello', 'POST')):
            self.st.forget()
            self.st.rule(pattern, lost, 1)
            self.assertEqual(c.cmd(cmd).type, 'OK', cmd)
            self.assertEqual(self.st.asked(pattern), 2, cmd)
        self.assertEqual(len(box.messages), 3)
        self.sync(c)
        self.assertEqual(c.exists, 5)


class Flow(StorageTest):
    """Clients that do not read"""

    SIZE = 1 << 20
    N = 64

    @atf.timeout(240)
    def test_never_reads(self):
        """FETCH of 64 MB: what is not read is not fetched"""
        self.before(*LEVEL2)
        self.st.add(self.N, size=self.SIZE)
        c, d = self.open(), self.open()
        c.ok('FETCH 1 BODY.PEEK[]')
        memory = None if sanitized() or os.getuid() != 0 else \
            self.house.memory()
        self.st.sent = 0
        tag = c.begin('FETCH 1:* BODY.PEEK[]')
        # until nothing moves any more
        sent = -1
        while sent != self.st.sent or sent == 0:
            sent = self.st.sent
            d.ok('NOOP')
            time.sleep(.5)
        # the kernel's buffers and our credits, not the mailbox
        self.assertLess(sent, self.N * self.SIZE // 3)
        if memory is not None:
            now = self.house.memory()
            self.assertLess(now['imap'] - memory['imap'], 4096)
            self.assertLess(now['engine'] - memory['engine'], 40960)
        d.ok('FETCH 2 BODY.PEEK[TEXT]')
        self.st.add()
        self.sync(d)
        r = c.finish(tag)
        self.assertEqual(r.type, 'OK')
        for n, data in r.fetched():
            self.assertEqual(data['BODY[]'], self.st.contents['c%d' % n])
        self.assertEqual(len(r.fetched()), self.N)
        self.learn(c)
        self.sync(c)

    def test_idle(self):
        """A client in IDLE that does not read keeps nobody else waiting"""
        self.before(*LEVEL2)
        self.st.add(500)
        c, d = self.open(), self.open()
        tag = c.idle()
        for i in range(20):
            d.ok('STORE 1:* FLAGS (k%d)' % i)
        self.sync(d)
        time.sleep(.2)
        c.sock.sendall(b'DONE\r\n')
        c.finish(tag)
        self.sync(c)


if __name__ == '__main__':
    atf.main()
