#!/usr/bin/env python3
"""The small capabilities of level 3: objectid, savedate."""

import sqlite3
import time
from datetime import datetime

from store import StoreTest, atf, box


class ObjectId(StoreTest):
    def test_mailbox(self):
        """A mailbox's object id is its own, and survives a rename"""
        a, b = (self.c.create('joe', n)['objectid'] for n in 'ab')
        inbox = self.c.mailbox('joe')['objectid']
        self.assertEqual(len({a, b, inbox}), 3)
        for id in a, b, inbox:
            self.assertRegex(id, r'^[A-Za-z][A-Za-z0-9_-]{0,254}$')
        # onto a name that had a larger uidvalidity: the id changes
        self.c.ask('DELETE', box('joe', self.c.mailbox('joe', 'b')['id']))
        was = self.c.mailbox('joe', 'a')['id']
        self.c.ask('POST', box('joe') + '/rename', {'from': 'a', 'to': 'b'})
        row = self.c.mailbox('joe', 'b')
        self.assertNotEqual(row['id'], was)
        self.assertEqual(row['objectid'], a)
        self.assertNotIn(self.c.create('joe', 'a')['objectid'],
                         (a, b, inbox))

    def test_details(self):
        self.assertEqual(self.c.ask('GET', '/').json()['capabilities']
                         ['objectid'], {'mailbox': True, 'email': 'content',
                                        'thread': False})


class SaveDate(StoreTest):
    def saved(self, m, uid):
        header, (row,) = self.c.rows('joe', m, uids=uid,
                                     fields='uid,savedate')
        self.assertEqual(header['applied']['fields'], ['uid', 'savedate'])
        if 'savedate' not in row:
            return None
        self.assertRegex(row['savedate'], r'^\d{4}-.*Z$')
        return datetime.fromisoformat(
            row['savedate'].replace('Z', '+00:00')).timestamp()

    def test_saved(self):
        """When it came into this mailbox, not when it arrived"""
        m = self.inbox()
        other = self.c.create('joe', 'other')['id']
        start = int(time.time())
        self.c.add('joe', m, date='2001-01-01T00:00:00+02:00')
        first = self.saved(m, 1)
        self.assertGreaterEqual(first, start)
        # until another second, also for time(3), which may be a bit late
        while time.time() <= first + 1.1:
            time.sleep(.05)
        self.c.copy('joe', m, '1', other)
        self.assertGreater(self.saved(other, 1), first)
        self.assertEqual(self.saved(m, 1), first)
        self.assertLessEqual(self.saved(other, 1), time.time())
        row = self.c.state('joe', m)[1]
        self.assertNotIn('savedate', row)

    def test_unknown(self):
        """A message of an older version has none"""
        m = self.inbox()
        self.c.add('joe', m)
        self.c.close()
        self.server.stop()
        db = sqlite3.connect(self.server.folder + '/store.db')
        db.execute('UPDATE message SET saved = NULL')
        db.commit()
        db.close()
        self.server.start()
        self.assertIsNone(self.saved(m, 1))


class Off(StoreTest):
    args = ('-D', 'objectid', '-D', 'savedate', '-D', 'acl')

    def test_off(self):
        self.assertNotIn('objectid', self.c.mailbox('joe'))
        m = self.inbox()
        self.c.add('joe', m)
        header, (row,) = self.c.rows('joe', m, fields='uid,savedate')
        self.assertEqual(header['applied']['fields'], ['uid'])
        self.assertEqual(row, {'uid': 1})


if __name__ == '__main__':
    atf.main()
