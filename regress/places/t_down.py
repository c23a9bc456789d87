#!/usr/bin/env python3
"""A storage that is down, the account's own or a mount's: what is listed is
known, what is not known is not said, and a client that keeps copies removes
none of them."""

import json
import os
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from syncing import SLOW, SyncTest, letter              # noqa: E402
import atf                                              # noqa: E402
from store import Server                                # noqa: E402
from whole import WholeTest, free_port                  # noqa: E402

STORAGES = '''storage "main" url "http://127.0.0.1:%d/v1"
storage "cold" url "http://127.0.0.1:%d/v1"
mount "Archive" storage "cold"
'''
ALONE = '''
IMAPStore cold
Account house
Path Archive/

Channel cold
Far :cold:
Near :near:Archive/
Patterns * !INBOX
Create Near
SyncState *
'''
HALF = '''storage "main" url "http://127.0.0.1:9/v1"
storage "cold" embedded "$dir/cold"
storage "other" url "http://127.0.0.1:%d/v1"
mount "Archive" storage "cold"
mount "Other" storage "other"
'''
LEAF = ['\\HasNoChildren']


def until(c, command, what):
    for _ in range(400 * SLOW):
        r = c.cmd(command)
        if what in (r.type, r.code):
            return
        time.sleep(0.05)
    raise AssertionError('%s: %r' % (command, r))


class Down(SyncTest):
    def setUp(self):
        super().setUp()
        ports = [free_port() for _ in range(2)]
        self.main, self.cold = [self.server(p) for p in ports]
        self.begin(storage=STORAGES % tuple(ports))
        for name in 'main', 'cold':
            self.house.logged('storage %s: .* is up' % name)

    def server(self, port):
        s = Server('-l', '127.0.0.1:%d' % port)
        self.addCleanup(s.remove)
        return s.start()

    def copies(self):
        """Every file that the client has: mail, folders, its own state"""
        found = {}
        for where, _, files in os.walk(self.path('mail')):
            found[where] = None
            for name in files:
                name = os.path.join(where, name)
                with open(name, 'rb') as f:
                    found[name] = f.read()
        return found

    def leave(self, c):
        """The last session: nothing is remembered of the account"""
        c.ok('LOGOUT')
        c.close()
        self.clients.remove(c)
        for _ in range(400 * SLOW):
            if json.loads(self.house.ctl('-j', 'show', 'sessions')[1]) == []:
                return
            time.sleep(0.05)
        self.fail('there is still a session')

    def listed(self, c, what, down=False):
        """Names and attributes, and whether that was all"""
        r = c.no(what, code='UNAVAILABLE') if down else c.ok(what)
        return r.lists(what.split(None, 1)[0])

    def refuses(self, c, *commands):
        for command in commands:
            c.no(command, code='UNAVAILABLE')

    @atf.timeout(240)
    def test_down(self):
        """one of them, then the other"""
        c = self.imap()
        for name in 'Work', 'Archive/2019', 'Archive/Empty':
            c.ok('CREATE ' + name)
            c.ok('SUBSCRIBE ' + name)
        for name in 'INBOX', 'Work', 'Archive/2019':
            c.append(name, letter('in ' + name))
        self.config('Remove Both', ALONE)
        self.sync()
        self.assertEqual(['in Archive/2019'], self.subjects('Archive/2019'))
        self.leave(c)
        self.kept = self.copies()
        self.cold_down()
        self.main_down()
        self.assertEqual([], self.sync())

    def synced(self, *works):
        """Of all nothing was moved or removed; these can be had alone"""
        self.assertEqual([], self.sync(status=1))
        self.assertEqual(self.kept, self.copies())
        for what in works:
            self.sync(what)

    def cold_down(self):
        self.cold.stop()
        c = self.imap()
        self.assertEqual(
            {'INBOX': LEAF, 'Work': LEAF, 'Archive': ['\\Noselect']},
            self.listed(c, 'LIST "" "*"', down=True))
        self.assertEqual({}, self.listed(c, 'LIST "" "Archive/*"', down=True))
        self.refuses(c, 'LIST "" Archive/2019', 'LIST "" "%/%"',
                     'LIST "" "*9"', 'LIST (SPECIAL-USE) "" "*"',
                     'LSUB "" "Archive/%"', 'LSUB "" "%"')
        self.assertEqual({'Work': []},
                         self.listed(c, 'LSUB "" "*"', down=True))
        # what that storage has no part in is whole
        self.assertEqual(
            {'INBOX': LEAF, 'Work': LEAF, 'Archive': ['\\Noselect']},
            self.listed(c, 'LIST "" "%"'))
        self.assertEqual({'Archive': ['\\Noselect']},
                         self.listed(c, 'LIST "" Archive'))
        self.assertEqual({'Work': LEAF}, self.listed(c, 'LIST "" "W*k"'))
        self.assertEqual({'Work': []}, self.listed(c, 'LSUB "" "W%"'))
        for command in ('NAMESPACE', 'LIST "" ""', 'STATUS Work (MESSAGES)',
                        'LIST "" (% INBOX) RETURN (SPECIAL-USE)',
                        'GETQUOTAROOT Work', 'SELECT INBOX'):
            c.ok(command)
        self.refuses(c, 'STATUS Archive/2019 (MESSAGES)',
                     'GETQUOTAROOT Archive/2019', 'GETQUOTA Archive',
                     'GETMETADATA Archive/2019 /private/comment',
                     'COPY 1 Archive/2019', 'MOVE 1 Archive/2019',
                     'SUBSCRIBE Archive/2019')
        self.assertEqual([1], c.ok('SEARCH ALL').search())
        self.synced('all:INBOX,Work')
        self.cold.start()
        self.back(c, 'Archive/2019')
        self.cold_again(c)

    def back(self, c, box):
        """The session that was there meanwhile has all of it"""
        until(c, 'STATUS %s (MESSAGES)' % box, 'OK')
        every = self.listed(c, 'LIST "" "*"')
        self.assertEqual({'INBOX', 'Work', 'Archive', 'Archive/INBOX',
                          'Archive/2019', 'Archive/Empty'}, set(every))
        self.assertEqual(['\\Noselect', '\\HasChildren'], every['Archive'])
        self.assertEqual(LEAF, every['Archive/Empty'])

    def cold_again(self, c):
        """As it was last seen, if it was: but there may be more by now"""
        self.cold.stop()
        until(c, 'STATUS Archive/2019 (MESSAGES)', 'UNAVAILABLE')
        every = self.listed(c, 'LIST "" "*"', down=True)
        self.assertEqual(['\\Noselect', '\\HasChildren'], every['Archive'])
        self.assertEqual([[]] * 3, [every['Archive/' + n] for n in
                                    ('2019', 'Empty', 'INBOX')])
        self.assertEqual(LEAF, every['Work'])
        self.synced()
        self.cold.start()
        self.back(c, 'Archive/2019')
        self.assertEqual([], self.sync())
        c.ok('UNSELECT')
        self.leave(c)

    def main_down(self):
        self.main.stop()
        c = self.imap()
        archive = {'Archive/' + n: LEAF for n in ('2019', 'Empty', 'INBOX')}
        self.assertEqual(archive, self.listed(c, 'LIST "" "Archive/*"'))
        archive['Archive'] = ['\\Noselect', '\\HasChildren']
        self.assertEqual(archive, self.listed(c, 'LIST "" "*"', down=True))
        for what, down in (('LIST "" Archive', False),
                           ('LIST "" "%"', True), ('LIST "" "A%"', True)):
            self.assertEqual({'Archive': archive['Archive']},
                             self.listed(c, what, down))
        self.assertEqual({'Archive/2019': [], 'Archive/Empty': []},
                         self.listed(c, 'LSUB "" "Archive/*"'))
        self.refuses(c, 'LIST "" INBOX', 'LIST "" "W*"', 'LSUB "" "*"',
                     'STATUS INBOX (MESSAGES)', 'GETQUOTAROOT INBOX',
                     'SELECT INBOX')
        c.append('Archive/2019', letter('late'))
        for command in ('NAMESPACE', 'GETQUOTAROOT Archive/2019',
                        'SELECT Archive/2019', 'FETCH 2 BODY.PEEK[]'):
            c.ok(command)
        self.refuses(c, 'COPY 1 Work')
        self.synced('cold')
        self.assertEqual(['in Archive/2019', 'late'],
                         self.subjects('Archive/2019'))
        self.main.start()
        self.back(c, 'Work')


class Half(WholeTest):
    """The account's own storage was never up; one that is mounted has no
    account of that name"""

    auto = False

    def setUp(self):
        super().setUp()
        port = free_port()
        other = Server('-l', '127.0.0.1:%d' % port, open_accounts=False)
        self.addCleanup(other.remove)
        other.start()
        self.begin(storage=HALF % port)
        for name in 'cold', 'other':
            self.house.logged('storage %s: .* is up' % name)

    def test_own(self):
        """the one that is up can be used; where there is no account nothing
        is missing"""
        c = self.imap()
        c.ok('CREATE Archive/2019')
        self.assertEqual({'Archive/2019': LEAF, 'Archive/INBOX': LEAF},
                         c.ok('LIST "" "Archive/*"').lists())
        r = c.no('LIST "" "*"', code='UNAVAILABLE')
        self.assertEqual({'Archive', 'Archive/2019', 'Archive/INBOX',
                          'Other'}, set(r.lists()))
        self.assertEqual({'Other': ['\\Noselect'] + LEAF},
                         c.ok('LIST "" Other').lists())
        for what in 'LIST', 'LSUB':
            self.assertEqual({}, c.ok('%s "" "Other/*"' % what).lists(what))
            c.no('%s "" "*"' % what, code='UNAVAILABLE')
        c.append('Archive/2019', letter('one'))
        c.ok('SELECT Archive/2019')
        self.assertEqual(1, c.exists)
        c.ok('COPY 1 Archive/INBOX')
        c.no('COPY 1 INBOX', code='UNAVAILABLE')


if __name__ == '__main__':
    atf.main()
