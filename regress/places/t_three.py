#!/usr/bin/env python3
"""Three mounts under one login: mstored, a Maildir, a table of tickets, and
the account's own mailboxes on another mstored.  mbsync synchronises all of
it both ways."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from syncing import HERE, SLOW, SyncTest, letter        # noqa: E402
import atf                                              # noqa: E402
from whole import Whole, free_port                      # noqa: E402

EXAMPLES = os.path.join(HERE, '..', '..', 'etc', 'examples')
STORAGES = '''storage "main" embedded "$dir/store"
storage "cold" embedded "$dir/cold"
storage "maildir" url "http://127.0.0.1:%d/v1"
storage "tickets" url "http://127.0.0.1:%d/v1"
mount "Cold" storage "cold"
mount "Archive" storage "maildir"
mount "Tickets" storage "tickets"
'''


class Three(SyncTest):
    def setUp(self):
        super().setUp()
        self.ports = free_port(), free_port()
        self.maildir()
        self.tickets()
        self.example('maildir.py', self.path('maildirs'), self.ports[0])
        self.example('tickets.py', self.path('tickets.db'), self.ports[1])
        self.house = Whole(storage=STORAGES % self.ports)
        self.addCleanup(self.finish)
        self.house.start()
        for name in 'cold', 'maildir', 'tickets':
            self.house.logged('storage %s: .* is up' % name)

    def maildir(self):
        for sub in 'cur', 'new', 'tmp':
            os.makedirs(self.path('maildirs/joe/' + sub))
            os.makedirs(self.path('maildirs/joe/.2019/' + sub))
        for n in range(3):
            with open(self.path('maildirs/joe/.2019/cur/%d.x:2,S' % n),
                      'wb') as f:
                f.write(letter('old %d' % n).replace(b'\r\n', b'\n'))

    def tickets(self):
        db = sqlite3.connect(self.path('tickets.db'))
        db.execute(
            "CREATE TABLE ticket(number INTEGER PRIMARY KEY AUTOINCREMENT,"
            " desk TEXT NOT NULL, queue TEXT NOT NULL DEFAULT 'INBOX',"
            " title TEXT NOT NULL, author TEXT NOT NULL DEFAULT '',"
            " opened TEXT NOT NULL DEFAULT"
            " (strftime('%Y-%m-%dT%H:%M:%SZ')),"
            " body TEXT NOT NULL DEFAULT '',"
            " state TEXT NOT NULL DEFAULT 'open')")
        for n in range(4):
            db.execute('INSERT INTO ticket(desk, title, author, body) '
                       "VALUES ('joe', ?, 'ann@example.org', 'help')",
                       ('ticket %d' % n,))
        db.commit()
        db.close()

    def open_tickets(self):
        db = sqlite3.connect(self.path('tickets.db'))
        try:
            return [t for t, in db.execute(
                "SELECT title FROM ticket WHERE state = 'open' "
                'ORDER BY number')]
        finally:
            db.close()

    def example(self, program, what, port):
        p = subprocess.Popen([sys.executable, os.path.join(
            EXAMPLES, program), what, '127.0.0.1:%d' % port])
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        end = time.monotonic() + 10 * SLOW
        while True:
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                return
            except OSError:
                assert p.poll() is None and time.monotonic() < end, program
                time.sleep(0.05)

    def far(self, c, box):
        """subject -> uid"""
        c.ok('SELECT ' + box)
        r = c.ok('FETCH 1:* (UID BODY.PEEK[HEADER])').fetched('UID')
        return {re.search(rb'Subject: (.*)\r\n', d['BODY[HEADER]']).group(
            1).decode(): uid for uid, d in r.items()}

    def change_far(self, c, box, flag, gone):
        """One is flagged, or another one is deleted, by subject"""
        uids = self.far(c, box)
        if flag is not None:
            c.ok('UID STORE %d +FLAGS (\\Flagged)' % uids[flag])
        if gone is not None:
            c.ok('UID STORE %d +FLAGS (\\Deleted)' % uids[gone])
            c.ok('EXPUNGE')

    @atf.timeout(240)
    def test_mbsync(self):
        """all of it, twice; changes on both sides, twice"""
        c = self.imap()
        c.ok('CREATE Cold/2018')
        for n in range(2):
            c.append('INBOX', letter('hot %d' % n))
        for n in range(3):
            c.append('Cold/2018', letter('cold %d' % n))
        self.config()
        self.sync()
        self.assertEqual(['hot 0', 'hot 1'], self.subjects('INBOX'))
        self.assertEqual(['cold 0', 'cold 1', 'cold 2'],
                         self.subjects('Cold/2018'))
        self.assertEqual(['old 0', 'old 1', 'old 2'],
                         self.subjects('Archive/2019'))
        self.assertEqual(4, len(self.near('Tickets/INBOX')))
        self.assertEqual([], self.sync())
        # one of ours goes into two of the mounts, and one goes from two;
        # over there one is flagged, and another one goes
        self.put('Archive/2019', letter('new one'))
        self.put('Cold/2018', letter('new one'))
        self.delete('Tickets/INBOX', b'ticket 1')
        self.delete('Cold/2018', b'cold 0')
        self.change_far(c, 'Archive/2019', 'old 1', None)
        self.change_far(c, 'Cold/2018', 'cold 1', 'cold 2')
        self.change_far(c, 'Tickets/INBOX', None, 'ticket 3')
        self.sync()
        self.assertEqual(['ticket 0', 'ticket 2'], self.open_tickets())
        self.assertEqual(2, len(self.near('Tickets/INBOX')))
        cold = ['cold 1', 'new one']
        self.assertEqual(cold, self.subjects('Cold/2018'))
        self.assertEqual(cold, sorted(self.far(c, 'Cold/2018')))
        for box, what in (('Cold/2018', b'cold 1'),
                          ('Archive/2019', b'old 1')):
            name, = [n for n, text in self.near(box) if what in text]
            self.assertIn('F', name.partition(':2,')[2])
        self.assertEqual(['new one', 'old 0', 'old 1', 'old 2'],
                         sorted(self.far(c, 'Archive/2019')))
        self.assertEqual([], self.sync())

    @atf.timeout(240)
    def test_move(self):
        """from one storage to another: there, and then not here any more"""
        c = self.imap()
        c.append('INBOX', letter('hot'), flags=['\\Flagged'])
        c.ok('SELECT INBOX')
        c.ok('MOVE 1 Cold/INBOX')
        self.assertEqual(0, c.exists)
        c.ok('SELECT Cold/INBOX')
        c.ok('MOVE 1 Archive/2019')
        self.assertEqual(0, c.exists)
        c.ok('SELECT Archive/2019')
        self.assertEqual(4, c.exists)
        uid, = c.ok('UID SEARCH SUBJECT hot').search()
        r = c.ok('UID FETCH %d (FLAGS BODY.PEEK[])' % uid)
        self.assertIn('Flagged', repr(r))
        c.ok('COPY 1:* INBOX')
        c.ok('SELECT INBOX')
        self.assertEqual(4, c.exists)
        files = os.listdir(self.path('maildirs/joe/.2019/cur')) + os.listdir(
            self.path('maildirs/joe/.2019/new'))
        self.assertEqual(4, len(files), files)


if __name__ == '__main__':
    atf.main()
