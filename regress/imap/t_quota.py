#!/usr/bin/env python3
"""QUOTA (RFC 9208): of the account, of mounts, over it, and without it."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, StoreHouse                      # noqa: E402
import atf                                              # noqa: E402

NAMES = {'QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE'}
MOUNTS = '''storage "main" embedded "$dir/store"
storage "cold" url "http://127.0.0.1:%d/v1"
storage "none" url "http://127.0.0.1:%d/v1" without { quota }
storage "down" url "http://127.0.0.1:9/v1"
mount "Cold" storage "cold"
mount "None" storage "none"
mount "Down" storage "down"
'''
LETTER = b'From: a@example.org\r\n\r\n' + b'x' * 1000 + b'\r\n'


class Quota(StoreHouse):
    how = ()

    def store_start(self):
        self.store.start(*self.how)

    def begin(self, how=(), **over):
        self.how = how
        super().begin(ALL, **over)
        self.c = self.imap()
        return self.c

    def quota(self, root='', c=None):
        name, found = (c or self.c).ok('GETQUOTA "%s"' % root).one(
            'QUOTA').data
        self.assertEqual(root, name.decode())
        return found

    def roots(self, mailbox):
        """(names, {name: resources})"""
        r = self.c.ok('GETQUOTAROOT "%s"' % mailbox)
        name, roots = r.one('QUOTAROOT').data
        self.assertEqual(mailbox, name.decode())
        return [n.decode() for n in roots], {
            q.data[0].decode(): q.data[1] for q in r.all('QUOTA')}

    def capabilities_of(self, c):
        return set(c.ok('CAPABILITY').one('CAPABILITY').data)

    def test_quota(self):
        """used and limit, in units of 1024 rounded up; over it nothing
        comes in, and what is expunged makes room"""
        c = self.begin(('-o', 'quota=3000', '-o', 'quota-messages=20'))
        self.assertLessEqual(NAMES, self.capabilities_of(c))
        self.assertNotIn('QUOTASET', self.capabilities_of(c))
        self.assertEqual({'STORAGE': (0, 3), 'MESSAGE': (0, 20)},
                         self.quota())
        c.append('INBOX', LETTER)
        self.assertEqual({'STORAGE': (2, 3), 'MESSAGE': (1, 20)},
                         self.quota())
        c.append('INBOX', LETTER)
        roots, quotas = self.roots('INBOX')
        self.assertEqual([''], roots)
        self.assertEqual({'': {'STORAGE': (3, 3), 'MESSAGE': (2, 20)}},
                         quotas)
        r = c.cmd('APPEND INBOX ', LETTER)
        self.assertEqual(('NO', 'OVERQUOTA'), (r.type, r.code))
        c.ok('SELECT INBOX')
        c.no('COPY 1 INBOX', code='OVERQUOTA')
        self.assertEqual({'DELETED': 0}, c.ok(
            'STATUS INBOX (DELETED)').one('STATUS').data[1])
        c.ok('STORE 1 +FLAGS (\\Deleted)')
        self.assertEqual({'DELETED': 1, 'DELETED-STORAGE': len(LETTER)},
                         c.ok('STATUS INBOX (DELETED DELETED-STORAGE)').one(
                             'STATUS').data[1])
        c.ok('EXPUNGE')
        self.assertEqual((2, 3), self.quota()['STORAGE'])
        c.append('INBOX', LETTER)
        c.no('GETQUOTA nobody', code='NONEXISTENT')
        self.assertEqual([''], self.roots('yet/to be made')[0])
        c.no('SETQUOTA "" (STORAGE 512)', code='NOPERM')
        for text in ('GETQUOTA', 'GETQUOTAROOT', 'SETQUOTA ""',
                     'GETQUOTA "" x'):
            c.bad(text)

    def test_one(self):
        """only one of the two is limited; of one user only"""
        c = self.begin(('-o', 'quota-messages=2'))
        self.assertEqual({'MESSAGE': (0, 2)}, self.quota())
        self.store.admin('user', 'quota', 'joe', '10K', 'none')
        self.assertEqual({'STORAGE': (0, 10)}, self.quota())
        self.store.admin('user', 'quota', 'joe', 'none', 'none')
        # what limits nothing is no root
        self.assertEqual(([], {}), self.roots('INBOX'))
        c.no('GETQUOTA ""', code='NONEXISTENT')

    def test_mount(self):
        """a mount has roots of its own, by its name"""
        self.store_new()
        c = self.begin(('-o', 'quota=3000'), storage=MOUNTS % (
            self.port, self.port))
        self.house.logged('storage cold: .* is up')
        self.house.logged('storage none: .* is up')
        self.assertEqual((['Cold'], {'Cold': {'STORAGE': (0, 3)}}),
                         self.roots('Cold/INBOX'))
        c.append('Cold/INBOX', LETTER)
        self.assertEqual({'STORAGE': (2, 3)}, self.quota('Cold'))
        self.assertEqual(([], {}), self.roots('INBOX'))
        self.assertEqual(([], {}), self.roots('None/INBOX'))
        c.no('GETQUOTA Cold/other', code='NONEXISTENT')
        c.no('GETQUOTA None', code='NONEXISTENT')
        c.no('GETQUOTA Down', code='UNAVAILABLE')
        c.no('GETQUOTAROOT Down/INBOX', code='UNAVAILABLE')
        c.no('GETQUOTAROOT Cold', code='NONEXISTENT')
        self.assertEqual(['Cold'], self.roots('Cold/x')[0])

    def test_without(self):
        """not said, and unknown, where the storage has it not"""
        c = self.begin(('-D', 'quota'))
        self.assertFalse(NAMES & self.capabilities_of(c))
        for text in ('GETQUOTA ""', 'GETQUOTAROOT INBOX',
                     'SETQUOTA "" ()', 'STATUS INBOX (DELETED)',
                     'STATUS INBOX (DELETED-STORAGE)'):
            c.bad(text)


if __name__ == '__main__':
    atf.main()
