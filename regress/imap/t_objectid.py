#!/usr/bin/env python3
"""OBJECTID (RFC 8474) and SAVEDATE (RFC 8514)."""

import email.utils
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, HERE, StoreHouse                # noqa: E402
from whole import SLOW, WholeTest                       # noqa: E402
import atf                                              # noqa: E402

MOUNTS = '''storage "main" embedded "$dir/store"
storage "bare" url "http://127.0.0.1:%d/v1" without { objectid savedate }
mount "Bare" storage "bare"
'''
LETTER = b'From: a@example.org\r\nSubject: %s\r\n\r\nhello\r\n'


def day(seconds):
    return time.strftime('%d-%b-%Y', time.gmtime(seconds))


class More(StoreHouse):
    how = ()

    def store_start(self):
        self.store.start(*self.how)

    def start(self, *how, **over):
        self.how = how
        self.begin(ALL, **over)
        self.c = self.imap()
        return self.c

    def can(self):
        return set(self.c.ok('CAPABILITY').one('CAPABILITY').data)

    def status(self, box, c=None):
        return (c or self.c).ok('STATUS "%s" (MAILBOXID)' % box).one(
            'STATUS').data[1]['MAILBOXID']

    def code_id(self, data):
        self.assertRegex(data, r'^\([A-Za-z0-9_-]{1,255}\)$')
        return data[1:-1]

    def fetch(self, items, c=None):
        return [d for _, d in (c or self.c).ok('FETCH 1:* (%s)' %
                                               items).fetched()]


class ObjectId(More):
    def test_mailbox(self):
        """the same from everywhere, by everybody, and after a rename"""
        c = self.start()
        self.assertIn('OBJECTID', self.can())
        r = c.ok('CREATE box')
        self.assertEqual('MAILBOXID', r.code)
        box = self.code_id(r.codedata)
        self.assertEqual(box, self.status('box'))
        inbox = self.status('INBOX')
        self.assertNotEqual(box, inbox)
        for how in ('SELECT', 'EXAMINE'):
            codes = c.ok(how + ' box').codes()
            self.assertEqual(box, self.code_id(codes['MAILBOXID']))
        c.ok('RENAME box other')
        self.assertEqual(box, self.status('other'))
        self.assertEqual(box, self.status('other', self.imap()))
        c.ok('DELETE other')
        r = c.ok('CREATE other')
        self.assertNotEqual(box, self.code_id(r.codedata))
        c.no('STATUS nobody (MAILBOXID)', code='NONEXISTENT')
        r = c.ok('STATUS INBOX (MAILBOXID MESSAGES UNSEEN)')
        self.assertEqual({'MAILBOXID': inbox, 'MESSAGES': 0, 'UNSEEN': 0},
                         r.one('STATUS').data[1])

    def test_email(self):
        """of the content: copies and moved ones have the same"""
        c = self.start()
        c.ok('CREATE box')
        for n in (b'one', b'two'):
            c.append('INBOX', LETTER % n)
        c.ok('SELECT INBOX')
        c.ok('COPY 1 INBOX')
        c.ok('NOOP')
        have = self.fetch('EMAILID THREADID')
        ids = [d['EMAILID'] for d in have]
        self.assertEqual([None] * 3, [d['THREADID'] for d in have])
        self.assertEqual(ids[0], ids[2])
        self.assertNotEqual(ids[0], ids[1])
        self.assertEqual([{'EMAILID': ids[1], 'UID': 2, 'FLAGS': ['\\Recent'],
                           'RFC822.SIZE': len(LETTER % b'two')}],
                         [d for _, d in c.ok('UID FETCH 2 (EMAILID FLAGS '
                                             'RFC822.SIZE)').fetched()])
        self.assertEqual([1, 3], c.ok('SEARCH EMAILID ' + ids[0]).search())
        self.assertEqual([2], c.ok('SEARCH NOT EMAILID ' + ids[0]).search())
        self.assertEqual([2], c.ok('SEARCH OR EMAILID %s SUBJECT none' %
                                   ids[1]).search())
        self.assertEqual([3], c.ok('SEARCH TEXT hello EMAILID %s UID 2:3' %
                                   ids[0]).search())
        self.assertEqual([2], c.ok('SEARCH OR (TEXT two NOT EMAILID %s) '
                                   'TEXT three' % ids[0]).search())
        for other in ('x', 'NIL', ids[0].lower() + 'x'):
            self.assertEqual([], c.ok('SEARCH EMAILID ' + other).search())
        self.assertEqual([], c.ok('SEARCH THREADID T1').search())
        self.assertEqual([1, 2, 3], c.ok('SEARCH NOT THREADID T1').search())
        c.ok('COPY 2 box')
        c.ok('MOVE 1 box')
        c.ok('SELECT box')
        self.assertEqual([ids[1], ids[0]],
                         [d['EMAILID'] for d in self.fetch('EMAILID')])
        for text in ('SEARCH EMAILID', 'SEARCH EMAILID a.b',
                     'FETCH 1 EMAILID[]'):
            c.bad(text)

    def test_mount(self):
        """refused for a mount that has it not"""
        self.store_new()
        c = self.start(storage=MOUNTS % self.port)
        self.house.logged('storage bare: .* is up')
        self.assertIn('OBJECTID', self.can())
        c.no('STATUS Bare/INBOX (MAILBOXID)', code='CANNOT')
        self.assertIsNone(c.ok('CREATE Bare/box').code)
        self.status('INBOX')
        c.append('Bare/box', LETTER % b'x')
        self.assertNotIn('MAILBOXID', c.ok('SELECT Bare/box').codes())
        c.no('FETCH 1 EMAILID', code='CANNOT')
        c.no('FETCH 1 (UID THREADID)', code='CANNOT')
        self.assertEqual([], c.ok('SEARCH EMAILID x').search())
        c.ok('FETCH 1 (UID)')

    def test_without(self):
        """not said, and unknown"""
        c = self.start('-D', 'objectid')
        self.assertNotIn('OBJECTID', self.can())
        self.assertIsNone(c.ok('CREATE box').code)
        c.append('INBOX', LETTER % b'x')
        self.assertNotIn('MAILBOXID', c.ok('SELECT INBOX').codes())
        for text in ('STATUS INBOX (MAILBOXID)', 'FETCH 1 EMAILID',
                     'FETCH 1 THREADID', 'SEARCH EMAILID x',
                     'SEARCH THREADID x'):
            c.bad(text)


class ThreadId(More):
    """In front of a storage that knows conversations: that of
    regress/check, by the subject"""

    def start(self, **over):
        top = tempfile.mkdtemp(prefix='threads.')
        self.addCleanup(shutil.rmtree, top)
        os.chmod(top, 0o755)
        path = os.path.join(top, 'sock')
        backend = subprocess.Popen([sys.executable, os.path.join(
            HERE, '..', 'check', 'backend.py'), path])
        self.addCleanup(backend.wait)
        self.addCleanup(backend.kill)
        end = time.monotonic() + 20 * SLOW
        while not os.path.exists(path):
            self.assertTrue(backend.poll() is None and
                            time.monotonic() < end, 'no backend')
            time.sleep(0.01)
        os.chmod(path, 0o666)
        WholeTest.begin(self, storage='storage "main" url "unix:%s:/v1"%s' % (
            path, over.pop('more', '')), **over)
        self.house.logged('storage main: .* is up')
        self.c = self.imap()
        for text in (LETTER % b'lamps', LETTER % b'Re: lamps',
                     LETTER % b'chairs', b'From: a@b\r\n\r\nhello lamps\r\n',
                     LETTER % b'RE: re: chairs'):
            self.c.append('INBOX', text)
        self.c.ok('SELECT INBOX')
        return self.c

    def test_threads(self):
        """messages of a conversation have one, others NIL"""
        c = self.start()
        ids = [d['THREADID'] for d in self.fetch('THREADID')]
        self.assertEqual([ids[0], ids[0], ids[2], None, ids[2]], ids)
        self.assertNotEqual(ids[0], ids[2])
        for i in ids[0], ids[2]:
            self.assertRegex(i, '^T[0-9a-f]{32}$')
        # beside others, which come from elsewhere
        d = self.fetch('UID EMAILID THREADID FLAGS MODSEQ ENVELOPE '
                       'BODY.PEEK[TEXT]')
        self.assertEqual(ids, [x['THREADID'] for x in d])
        self.assertEqual(5, len({x['EMAILID'] for x in d}))
        self.fetch('EMAILID')           # rows that are kept have none
        self.assertEqual(ids, [x['THREADID'] for x in self.fetch('THREADID')])
        lamps, chairs = ids[0], ids[2]
        for keys, found in (
                (lamps, [1, 2]), (chairs, [3, 5]), ('Tnone', []),
                ('NIL', []), (lamps[1:], []), (lamps + 'x', []),
                (lamps + ' UID 2:9', [2]), (lamps + ' SUBJECT re', [2]),
                (lamps + ' BODY hello', [1, 2]),
                (lamps + ' BODY other', []),
                (chairs + ' NOT FROM a@example', []),
                (chairs + ' UNSEEN TEXT chairs SINCE 1-Jan-2000', [3, 5])):
            self.assertEqual(found, c.ok('SEARCH THREADID ' + keys).search(),
                             keys)
        self.assertEqual([3, 4, 5], c.ok('SEARCH NOT THREADID ' +
                                         lamps).search())
        self.assertEqual([1, 2, 4], c.ok(
            'SEARCH OR THREADID %s BODY lamps' % lamps).search())
        self.assertEqual([3, 5, 1, 2], c.ok(
            'SORT (SUBJECT ARRIVAL) UTF-8 OR THREADID %s THREADID %s' %
            (lamps, chairs)).one('SORT').data[0])
        # in another mailbox it is the same
        c.ok('CREATE box')
        c.ok('COPY 2,4 box')
        c.ok('SELECT box')
        self.assertEqual([lamps, None],
                         [x['THREADID'] for x in self.fetch('THREADID')])
        self.assertEqual([1], c.ok('SEARCH THREADID ' + lamps).search())

    def test_looked_for_here(self):
        """a storage that does not search: rows and contents decide"""
        c = self.start(more=' without { search sort cache }')
        lamps = self.fetch('THREADID')[0]['THREADID']
        self.assertEqual([1, 2, 4], c.ok(
            'SEARCH OR THREADID %s TEXT lamps' % lamps).search())
        self.assertEqual([4], c.ok(
            'SEARCH TEXT lamps NOT THREADID %s' % lamps).search())
        self.assertEqual([2], c.ok(
            'SEARCH TEXT re: THREADID %s' % lamps).search())


class SaveDate(More):
    def seconds(self, date):
        return email.utils.parsedate_to_datetime(date.decode()).timestamp()

    def test_fetch(self):
        """when it came into this mailbox, whatever its date is"""
        c = self.start()
        self.assertIn('SAVEDATE', self.can())
        before = int(time.time())
        c.append('INBOX', LETTER % b'x', date='17-Jul-1996 02:44:25 -0700')
        c.ok('SELECT INBOX')
        d, = self.fetch('SAVEDATE INTERNALDATE UID')
        self.assertEqual(b'17-Jul-1996 02:44:25 -0700', d['INTERNALDATE'])
        saved = self.seconds(d['SAVEDATE'])
        self.assertTrue(before <= saved <= time.time(), d)
        c.ok('CREATE box')
        c.ok('COPY 1 box')
        d, = self.fetch('SAVEDATE')
        self.assertEqual(saved, self.seconds(d['SAVEDATE']))
        c.ok('SELECT box')
        d, = self.fetch('SAVEDATE MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)]')
        self.assertLessEqual(saved, self.seconds(d['SAVEDATE']))

    def test_search(self):
        """by days of UTC"""
        c = self.start()
        c.append('INBOX', LETTER % b'x', date='17-Jul-1996 02:44:25 -0700')
        c.ok('SELECT INBOX')
        saved = self.seconds(self.fetch('SAVEDATE')[0]['SAVEDATE'])
        for key, shift, found in (
                ('ON', 0, 1), ('ON', 1, 0), ('ON', -1, 0),
                ('SINCE', 0, 1), ('SINCE', -1, 1), ('SINCE', 1, 0),
                ('BEFORE', 0, 0), ('BEFORE', 1, 1), ('BEFORE', -1, 0)):
            key = 'SAVED%s %s' % (key, day(saved + shift * 86400))
            self.assertEqual([1] * found, c.ok('SEARCH ' + key).search(), key)
            self.assertEqual([1] * (1 - found),
                             c.ok('SEARCH NOT ' + key).search(), key)
            self.assertEqual([1] * found, c.ok('SEARCH TEXT hello ' + key
                                               ).search(), key)
        self.assertEqual([1], c.ok('SEARCH SAVEDATESUPPORTED').search())
        self.assertEqual([], c.ok('SEARCH SAVEDON 17-Jul-1996').search())
        for text in ('SEARCH SAVEDON', 'SEARCH SAVEDON x',
                     'FETCH 1 SAVEDATE[]'):
            c.bad(text)

    def test_mount(self):
        """NIL, and searched by the other date, where a mount has it not"""
        self.store_new()
        c = self.start(storage=MOUNTS % self.port)
        self.house.logged('storage bare: .* is up')
        c.append('Bare/INBOX', LETTER % b'x',
                 date='17-Jul-1996 02:44:25 -0700')
        c.ok('SELECT Bare/INBOX')
        self.assertEqual([{'SAVEDATE': None}], self.fetch('SAVEDATE'))
        self.assertEqual([], c.ok('SEARCH SAVEDATESUPPORTED').search())
        self.assertEqual([1], c.ok('SEARCH NOT SAVEDATESUPPORTED').search())
        self.assertEqual([1], c.ok('SEARCH SAVEDON 17-Jul-1996').search())
        self.assertEqual([1], c.ok('SEARCH SAVEDBEFORE 1-Jan-1997').search())
        self.assertEqual([], c.ok('SEARCH SAVEDSINCE 1-Jan-1997').search())

    def test_without(self):
        """not said, and unknown"""
        c = self.start('-D', 'savedate')
        self.assertNotIn('SAVEDATE', self.can())
        c.append('INBOX', LETTER % b'x')
        c.ok('SELECT INBOX')
        for text in ('FETCH 1 SAVEDATE', 'SEARCH SAVEDATESUPPORTED',
                     'SEARCH SAVEDON 17-Jul-1996'):
            c.bad(text)


if __name__ == '__main__':
    atf.main()
