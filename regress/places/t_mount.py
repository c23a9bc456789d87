#!/usr/bin/env python3
"""Mounts: mailboxes of another storage below a name."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from whole import WholeTest

STORAGES = '''storage "main" embedded "$dir/store"
storage "cold" embedded "$dir/cold"
storage "down" url "http://127.0.0.1:9/v1"
mount "Archive" storage "cold"
mount "Archive/Down" storage "down"
mount "Shared" storage "cold" account "all" for "j*"
'''
LETTER = b'From: a@example.org\r\nSubject: %s\r\n\r\nhello\r\n'


class Mounts(WholeTest):
    options = dict(storage=STORAGES, users=('joe', 'jim', 'ann'))

    def names(self, c, what='LIST "" "*"', known=False):
        """What can be known, with one of them down, unless that is all"""
        r = c.ok(what) if known else c.no(what, code='UNAVAILABLE')
        return r.lists(what.split(None, 1)[0])

    def test_list(self):
        """all are in one tree, in order"""
        c = self.imap()
        self.assertEqual({'INBOX', 'Archive', 'Archive/INBOX',
                          'Archive/Down', 'Shared', 'Shared/INBOX'},
                         set(self.names(c)))
        self.assertIn('\\Noselect', self.names(c)['Archive'])
        self.assertIn('\\HasChildren', self.names(c)['Archive'])
        self.assertEqual(['\\Noselect'], self.names(c)['Archive/Down'])
        self.assertEqual({'INBOX', 'Archive', 'Shared'},
                         set(self.names(c, 'LIST "" "%"', known=True)))
        self.assertEqual({'Archive/INBOX', 'Archive/Down'}, set(
            self.names(c, 'LIST "" "Archive/%"', known=True)))
        self.assertEqual({}, self.names(c, 'LIST "" "Archive/Down/%"'))
        self.assertEqual({'Shared/INBOX'}, set(
            self.names(c, 'LIST Shared "/*"', known=True)))
        self.assertNotIn('Shared', self.names(self.imap(user='ann')))

    def test_hidden(self):
        """a mailbox of ours that a mount covers"""
        c = self.imap()
        c.no('CREATE Archive', code='CANNOT')
        c.no('DELETE Archive', code='CANNOT')
        c.no('RENAME Archive Old', code='CANNOT')
        c.no('SELECT Archive', code='NONEXISTENT')
        c.no('STATUS Archive (MESSAGES)', code='NONEXISTENT')
        c.no('SUBSCRIBE Archive', code='CANNOT')

    def test_change(self):
        """made, renamed, deleted, subscribed where they belong"""
        c = self.imap()
        c.ok('CREATE Archive/2019')
        c.ok('CREATE Work')
        self.assertIn('Archive/2019', self.names(c))
        c.ok('RENAME Archive/2019 Archive/2020')
        c.no('RENAME Archive/2020 Work/2020', code='CANNOT')
        c.no('RENAME Work Archive/Work', code='CANNOT')
        c.ok('SUBSCRIBE Archive/2020')
        self.assertEqual(['Archive/2020'], list(self.names(c, 'LSUB "" "*"')))
        self.assertEqual(['Archive/2020'], list(
            self.names(c, 'LSUB "" "Archive/2*"', known=True)))
        c.ok('DELETE Archive/2020')
        self.assertNotIn('Archive/2020', self.names(c))
        other = self.imap(user='jim')
        other.ok('CREATE Shared/Team')
        self.assertIn('Shared/Team', self.names(c))

    def test_mail(self):
        """messages in a mount are as good as any"""
        c = self.imap()
        other = self.imap()
        c.ok('CREATE Archive/2019')
        for n in range(3):
            self.assertEqual(n + 1, c.append('Archive/2019',
                                             LETTER % b'cold %d' % n))
        c.append('INBOX', LETTER % b'hot')
        other.ok('SELECT Archive/2019')
        self.assertEqual(3, other.exists)
        tag = other.idle()
        c.ok('SELECT Archive/2019')
        r = c.ok('FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[HEADER])')
        self.assertIn('cold 2', repr(r))
        c.ok('STORE 2 +FLAGS (\\Deleted)')
        self.assertEqual([2], c.ok('SEARCH DELETED').search())
        self.assertEqual([3], c.ok('SEARCH SUBJECT "cold 2"').search())
        c.ok('EXPUNGE')
        while other.exists != 2:
            other.response()
        other.done(tag)
        c.ok('SELECT INBOX')
        self.assertEqual(1, c.exists)
        r = c.ok('STATUS Archive/2019 (MESSAGES UIDNEXT)')
        self.assertIn('2', repr(r))

    def test_copy(self):
        """COPY and MOVE between storages: all that a message is goes along,
        nothing is lost where the other one is down"""
        c = self.imap()
        c.ok('CREATE Archive/2019')
        for n in range(20):
            c.append('INBOX', LETTER % b'm %d' % n,
                     ['\\Seen', 'k%d' % n], '%2d-Jan-2019 10:00:00 +0100' %
                     (n + 1))
        c.append('INBOX', LETTER % b'big' + b'x' * 3000000)
        c.ok('SELECT INBOX')
        items = '(FLAGS INTERNALDATE BODY.PEEK[])'

        def known(r):
            for _, d in r.fetched():
                d['FLAGS'] = {f for f in d['FLAGS'] if f != '\\Recent'}
            return [d for _, d in r.fetched()]
        before = known(c.ok('FETCH 1:* ' + items))
        r = c.ok('COPY 1:* Archive/2019')
        self.assertEqual('COPYUID', r.code)
        self.assertEqual(['1:21', '1:21'], r.codedata.split()[1:])
        r = c.ok('MOVE 3:4,21 Archive/INBOX')
        self.assertEqual(3, len(r.all('EXPUNGE')))
        self.assertEqual(18, c.exists)
        for to in ('Archive/Down/INBOX', 'Archive', 'Archive/None'):
            for how in ('COPY', 'MOVE'):
                c.no('%s 1 %s' % (how, to))
        c.ok('NOOP')
        self.assertEqual(18, c.exists)
        c.ok('SELECT Archive/2019')
        self.assertEqual(before, known(c.ok('FETCH 1:* ' + items)))
        c.ok('UID MOVE 5 INBOX')        # and back
        self.assertEqual(20, c.exists)
        c.ok('SELECT Archive/INBOX')
        self.assertEqual([before[n] for n in (2, 3, 20)],
                         known(c.ok('FETCH 1:* ' + items)))
        c.ok('SELECT INBOX')
        self.assertEqual([before[4]], known(c.ok('FETCH * ' + items)))

    def test_down(self):
        """what is down is down alone"""
        c = self.imap()
        c.no('SELECT Archive/Down/INBOX', code='UNAVAILABLE')
        c.no('STATUS Archive/Down/INBOX (MESSAGES)', code='UNAVAILABLE')
        c.no('CREATE Archive/Down/x', code='UNAVAILABLE')
        c.ok('SELECT INBOX')
        c.ok('SELECT Archive/INBOX')

    def test_engine_dies(self):
        """all grants come again"""
        c = self.imap()
        c.append('Archive/INBOX', LETTER % b'one')
        c.ok('SELECT Archive/INBOX')
        self.house.killed('engine')
        self.until_ok(c, 'FETCH 1 (UID BODY.PEEK[])')
        c.append('Archive/INBOX', LETTER % b'two')
        c.ok('NOOP')
        self.assertEqual(2, c.exists)
        self.house.killed('auth')
        # it must have been told of the session before the next one dies
        self.granted()
        self.house.killed('engine')
        self.until_ok(c, 'STATUS Shared/INBOX (MESSAGES)')
        self.until_ok(c, 'STATUS INBOX (MESSAGES)')
        self.until_ok(c, 'FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')

    def granted(self):
        for _ in range(200):
            _, text = self.house.ctl('show', 'stats')
            if re.search(r'(?m)^auth\S*\s+granted\s+1$', text):
                return
            time.sleep(0.05)
        self.fail(text)

    def until_ok(self, c, what):
        for _ in range(200):
            if c.cmd(what).type == 'OK':
                return
        self.fail(what)


class Subscribed(WholeTest):
    options = dict(storage='''storage "main" embedded "$dir/store"
storage "dict" embedded "$dir/dict" without { subscriptions }
storage "none" embedded "$dir/none" without { subscriptions dict }
storage "down" url "http://127.0.0.1:9/v1"
mount "D" storage "dict"
mount "N" storage "none"
mount "Down" storage "down"
''', users=('joe',))

    def test_each(self):
        """each mount's subscriptions are kept as its storage can"""
        c, other = self.imap(), self.imap()
        for name in 'here', 'D/there', 'N/nowhere':
            c.ok('CREATE ' + name)
            c.ok('SUBSCRIBE ' + name)
        every = {'here', 'D/INBOX', 'D/there', 'N/INBOX', 'N/nowhere'}
        for session in c, other:
            self.assertEqual(every, set(session.no(
                'LSUB "" "*"', code='UNAVAILABLE').lists('LSUB')))
        c.ok('UNSUBSCRIBE D/INBOX')
        c.ok('SUBSCRIBE D/not/yet')
        c.no('UNSUBSCRIBE N/INBOX', code='CANNOT')
        for session in c, other:
            self.assertEqual(every - {'D/INBOX'} | {'D/not/yet'}, set(
                session.no('LSUB "" "*"').lists('LSUB')))
        self.assertEqual({'D/not', 'D/there'}, set(
            c.ok('LSUB "" "D/%"').lists('LSUB')))


if __name__ == '__main__':
    atf.main()
