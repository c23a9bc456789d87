#!/usr/bin/env python3
"""COPY, MOVE, EXPUNGE, CLOSE and the codes of UIDPLUS, in front of storages
that copy themselves and of those for which we do."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, LEVEL, StoreHouse               # noqa: E402
from imapclient import set_of, uids_of                  # noqa: E402
import atf                                              # noqa: E402


def letter(n, size=100):
    return (b'Subject: %d\r\n\r\n' % n) + b'x' * size + b'\r\n'


class Box(StoreHouse):
    capabilities = ALL

    def start(self, n=6, **more):
        self.begin(self.capabilities, **more)
        self.c = c = self.imap()
        for i in range(1, n + 1):
            c.append('INBOX', letter(i), ['\\Seen'] * (i % 2) + ['k%d' % i],
                     '%2d-Feb-2020 10:00:00 +0100' % i)
        c.ok('CREATE other')
        c.ok('SELECT INBOX')
        return c

    def content(self, box, user='joe'):
        """[(subject, flags, date)] in order, and the uids"""
        c = self.imap()
        c.ok('EXAMINE "%s"' % box)
        if c.exists == 0:
            return [], []
        r = c.ok('FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])').fetched()
        c.close()
        return [(int(d['BODY[]'].split()[1]),
                 frozenset(d['FLAGS']) - {'\\Recent'}, d['INTERNALDATE'])
                for _, d in r], [d['UID'] for _, d in r]

    def want(self, *numbers):
        return [(n, frozenset(['\\Seen'] * (n % 2) + ['k%d' % n]),
                 b'%2d-Feb-2020 10:00:00 +0100' % n) for n in numbers]

    def validity(self, box):
        return self.c.ok('STATUS "%s" (UIDVALIDITY)' % box).one(
            'STATUS').data[1]['UIDVALIDITY']

    def copyuid(self, code, codedata, box):
        """(from, to)"""
        self.assertEqual('COPYUID', code)
        valid, a, b = codedata.split()
        self.assertEqual(self.validity(box), int(valid))
        a, b = uids_of(a), uids_of(b)
        self.assertEqual(len(a), len(b))
        return a, b


class Copy(Box):
    def test_copy(self):
        """flags, dates and contents come along; COPYUID says where to"""
        c = self.start()
        r = c.ok('COPY 2,4:5 other')
        a, b = self.copyuid(r.code, r.codedata, 'other')
        self.assertEqual([2, 4, 5], a)
        have, uids = self.content('other')
        self.assertEqual(self.want(2, 4, 5), have)
        self.assertEqual(b, uids)
        r = c.ok('UID COPY 1,99 other')
        a, b = self.copyuid(r.code, r.codedata, 'other')
        self.assertEqual([1], a)
        self.assertEqual(self.want(2, 4, 5, 1), self.content('other')[0])
        r = c.ok('UID COPY 99 other')
        self.assertIsNone(r.code)
        c.no('COPY 1 missing', code='TRYCREATE')
        c.no('COPY 1 "mis/sing"', code='TRYCREATE')
        c.bad('COPY 9 other')
        c.bad('COPY 1')
        c.bad('COPY 1 "x"x')
        self.assertEqual(self.want(*range(1, 7)), self.content('INBOX')[0])

    def test_copy_into_itself(self):
        """new messages, with new uids, told of at once"""
        c = self.start()
        r = c.ok('COPY 1:2 INBOX')
        a, b = self.copyuid(r.code, r.codedata, 'INBOX')
        self.assertEqual(8, c.exists)
        self.assertTrue(min(b) > 6)
        self.assertEqual(self.want(*range(1, 7), 1, 2),
                         self.content('INBOX')[0])
        c.learn()
        self.assertEqual(b, c.uids[6:])

    def test_move(self):
        """EXPUNGE for each that went, COPYUID before them"""
        c = self.start()
        r = c.ok('MOVE 2:3,5 other')
        told = r.responses
        at = [i for i, x in enumerate(told) if x.code == 'COPYUID']
        self.assertEqual(1, len(at))
        self.assertTrue(all(i > at[0] for i, x in enumerate(told)
                            if x.type == 'EXPUNGE'))
        self.assertEqual(3, len(r.all('EXPUNGE')))
        a, b = self.copyuid('COPYUID', told[at[0]].codedata, 'other')
        self.assertEqual([2, 3, 5], a)
        self.assertEqual(3, c.exists)
        self.assertEqual(self.want(2, 3, 5), self.content('other')[0])
        self.assertEqual(b, self.content('other')[1])
        self.assertEqual(self.want(1, 4, 6), self.content('INBOX')[0])
        # also of messages that other sessions marked, or whose marks they
        # took away: MOVE takes what was named
        r = c.ok('UID MOVE 4,77 other')
        self.assertEqual(1, len(r.all('EXPUNGE')))
        self.assertEqual(self.want(1, 6), self.content('INBOX')[0])
        c.ok('UID MOVE 77 other')
        c.no('MOVE 1 missing', code='TRYCREATE')
        c.bad('MOVE 3 other')
        self.assertEqual(self.want(1, 6), self.content('INBOX')[0])

    def test_move_into_itself(self):
        """new uids for all of them"""
        c = self.start()
        c.ok('MOVE 1:3 INBOX')
        c.ok('NOOP')
        self.assertEqual(6, c.exists)
        have, uids = self.content('INBOX')
        self.assertEqual(self.want(4, 5, 6, 1, 2, 3), have)
        self.assertEqual([4, 5, 6], uids[:3])

    def test_many(self):
        """random moves between two mailboxes by two sessions: nothing is
        lost, nothing there twice"""
        c = self.start(12)
        other = self.imap(select='other')
        rnd = random.Random(7)
        for _ in range(30):
            s, to = rnd.choice(((c, 'other'), (other, 'INBOX')))
            s.ok('NOOP')
            if s.exists == 0:
                continue
            some = sorted(rnd.sample(range(1, s.exists + 1),
                                     rnd.randrange(1, s.exists + 1)))
            before = s.exists
            s.ok('MOVE %s %s' % (set_of(some), to))
            self.assertEqual(before - len(some), s.exists)
        for s in (c, other):
            s.ok('NOOP')
        self.assertEqual(12, c.exists + other.exists)
        a, b = self.content('INBOX')[0], self.content('other')[0]
        self.assertEqual(sorted(self.want(*range(1, 13))), sorted(a + b))

    def test_expunged(self):
        """what another session expunged is not copied, and it is said"""
        c = self.start()
        other = self.imap(select='INBOX')
        other.ok('STORE 2 +FLAGS (\\Deleted)')
        other.ok('EXPUNGE')
        r = c.ok('COPY 1:3 other')
        self.assertEqual(self.want(1, 3), self.content('other')[0])
        self.assertEqual(6, c.exists)           # numbers are as they were
        r = c.ok('UID MOVE 2:4 other')
        self.assertEqual(self.want(1, 3, 3, 4), self.content('other')[0])
        c.ok('NOOP')
        self.assertEqual(3, c.exists)
        del r

    def test_big(self):
        """larger than what is held in memory"""
        c = self.start(0)
        for n in (1, 2):
            c.append('INBOX', letter(n, 3000000 * n))
        c.ok('NOOP')
        c.ok('COPY 1:* other')
        c.ok('MOVE 1 other')
        c.ok('SELECT other')
        r = c.ok('FETCH 1:* BODY.PEEK[]').fetched('SEQ')
        self.assertEqual([letter(1, 3000000), letter(2, 6000000),
                          letter(1, 3000000)],
                         [r[n]['BODY[]'] for n in (1, 2, 3)])


class CopyByHand(Copy):
    """A storage that can be written, and no more."""
    capabilities = LEVEL[1]

    def test_no_capability(self):
        """MOVE is there all the same, nothing else is promised"""
        c = self.start()
        words = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertIn('MOVE', words)
        self.assertNotIn('CONDSTORE', words)

    def test_inbox_renamed(self):
        """RENAME of INBOX moves what is in it"""
        c = self.start()
        c.ok('RENAME INBOX old/mail')
        self.assertEqual(self.want(*range(1, 7)), self.content('old/mail')[0])
        self.assertEqual([], self.content('INBOX')[0])

    def test_undone(self):
        """a COPY that fails in the middle leaves nothing behind"""
        self.begin(self.capabilities, prepare=self.two_sizes)
        self.store.stop()
        self.store.start('-o', 'message=200000', *[
            a for n in sorted(ALL - self.capabilities) for a in ('-D', n)])
        c = self.imap(select='INBOX')
        c.ok('CREATE other')
        self.assertEqual(3, c.exists)
        r = c.cmd('COPY 1:3 other')
        self.assertEqual('NO', r.type)
        self.assertEqual([], self.content('other')[0])
        self.assertEqual(3, len(self.content('INBOX')[0]))
        r = c.cmd('MOVE 1:3 other')
        self.assertEqual('NO', r.type)
        self.assertEqual([], self.content('other')[0])
        c.ok('NOOP')
        self.assertEqual(3, c.exists)
        c.ok('MOVE 1:2 other')
        self.assertEqual(2, len(self.content('other')[0]))

    def two_sizes(self, client):
        box = client.mailbox('joe')['id']
        for n, size in ((1, 100), (2, 1000), (3, 300000)):
            client.add('joe', box, letter(n, size))


class CopySync(Copy):
    """What copies itself, without more."""
    capabilities = LEVEL[2]


class ReadOnly(Box):
    capabilities = LEVEL[0]

    def test_read_only(self):
        """a storage below level 1: all that would change something is
        refused, all else works"""
        def fill(client):
            for n in range(1, 4):
                client.add('joe', client.mailbox('joe')['id'], letter(n))
            client.create('joe', 'other')
        self.begin(self.capabilities, prepare=fill)
        c = self.imap()
        r = c.ok('SELECT INBOX')
        self.assertEqual('READ-ONLY', r.code)
        self.assertNotIn('MOVE', c.ok('CAPABILITY').one('CAPABILITY').data)
        for text in ('STORE 1 +FLAGS (\\Seen)', 'EXPUNGE', 'COPY 1 other',
                     'MOVE 1 other', 'UID COPY 1:* other', 'UID EXPUNGE 1:*',
                     'APPEND other {3+}\r\na: ', 'CREATE new',
                     'DELETE other', 'RENAME other new', 'RENAME INBOX new'):
            r = c.no(text)
            self.assertIn(r.code, ('READ-ONLY', 'NOPERM', 'CANNOT'), text)
        r = c.ok('FETCH 1:* (FLAGS BODY[])')
        self.assertEqual([letter(n) for n in (1, 2, 3)],
                         [d['BODY[]'] for _, d in r.fetched()])
        c.ok('CLOSE')
        c.ok('STATUS other (MESSAGES UIDNEXT UNSEEN RECENT)')
        self.assertEqual({'INBOX', 'other'}, set(c.ok('LIST "" *').lists()))


class Expunge(Box):
    def test_expunge(self):
        """EXPUNGE, UID EXPUNGE, CLOSE and UNSELECT"""
        c = self.start(8)
        c.ok('STORE 2,4,5,8 +FLAGS.SILENT (\\Deleted)')
        r = c.ok('UID EXPUNGE 1:4')
        self.assertEqual(2, len(r.all('EXPUNGE')))
        self.assertEqual([1, 3, 5, 6, 7, 8], self.content('INBOX')[1])
        r = c.ok('EXPUNGE')
        self.assertEqual([1, 3, 6, 7], self.content('INBOX')[1])
        self.assertEqual(2, len(r.all('EXPUNGE')))
        self.assertEqual([], c.ok('EXPUNGE').all('EXPUNGE'))
        c.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
        c.ok('UNSELECT')
        self.assertEqual([1, 3, 6, 7], self.content('INBOX')[1])
        c.ok('SELECT INBOX')
        r = c.ok('CLOSE')
        self.assertEqual([], r.responses)
        self.assertEqual([3, 6, 7], self.content('INBOX')[1])
        c.ok('SELECT INBOX')
        c.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
        c.ok('SELECT other')            # that expunges nothing
        self.assertEqual([3, 6, 7], self.content('INBOX')[1])
        c.bad('UID EXPUNGE')
        c.bad('UID EXPUNGE x')
        c.bad('EXPUNGE 1')

    def test_undeleted(self):
        """a message whose mark another session took away stays"""
        c = self.start()
        other = self.imap(select='INBOX')
        c.ok('STORE 1:3 +FLAGS.SILENT (\\Deleted)')
        other.ok('STORE 2 -FLAGS.SILENT (\\Deleted)')
        r = c.ok('EXPUNGE')
        self.assertEqual(2, len(r.all('EXPUNGE')))
        self.assertEqual([2, 4, 5, 6], self.content('INBOX')[1])

    def test_unseen_stay(self):
        """what the session has not been told of it does not expunge"""
        c = self.start(2)
        c.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
        other = self.imap()
        other.append('INBOX', letter(3), ['\\Deleted'])
        c.ok('EXPUNGE')
        self.assertEqual([2, 3], self.content('INBOX')[1])
        c.ok('EXPUNGE')                 # now it has
        self.assertEqual([2], self.content('INBOX')[1])

    def test_told_when(self):
        """EXPUNGE is not told while numbers are in use"""
        c = self.start(6)
        other = self.imap(select='INBOX')
        other.ok('STORE 1:3 +FLAGS.SILENT (\\Deleted)')
        other.ok('EXPUNGE')
        for text in ('FETCH 5 UID', 'SEARCH ALL', 'STORE 5 +FLAGS (x)',
                     'COPY 5 other', 'SEARCH 1:*'):
            r = c.ok(text)
            self.assertEqual([], r.all('EXPUNGE'), text)
            self.assertEqual(6, c.exists)
        r = c.ok('FETCH 5 UID')
        self.assertEqual({'UID': 5}, r.fetched()[0][1])
        r = c.ok('UID FETCH 5 FLAGS')   # that may
        self.assertEqual(3, c.exists)
        r = c.ok('FETCH 1:* UID')
        self.assertEqual([4, 5, 6], [d['UID'] for _, d in r.fetched()])

    def test_content_of_expunged(self):
        """a message that is gone for others, but not told of: its content or
        NO, never another's"""
        c = self.start(3)
        other = self.imap(select='INBOX')
        other.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
        other.ok('EXPUNGE')
        r = c.cmd('FETCH 1:3 (UID BODY.PEEK[])')
        self.assertIn(r.type, ('OK', 'NO'))
        for n, d in r.fetched():
            self.assertEqual((n, letter(n)), (d['UID'], d['BODY[]']))
        self.assertLessEqual({1, 3}, {n for n, _ in r.fetched()})
        if len(r.fetched()) < 3:
            self.assertEqual('EXPUNGEISSUED', r.code)
        r = c.ok('FETCH 2 FLAGS')
        self.assertEqual(3, c.exists)


if __name__ == '__main__':
    atf.main()
