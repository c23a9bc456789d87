#!/usr/bin/env python3
"""Three storages under one login: mstored, a Maildir, a table of tickets.
mbsync synchronises all of it both ways."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))
EXAMPLES = os.path.join(HERE, '..', '..', 'etc', 'examples')

import atf
from whole import PASSWORD, SLOW, Whole, WholeTest, free_port

MOVES = re.compile(r'BODY\.PEEK\[\]|APPEND|STORE|EXPUNGE|COPY|MOVE|CREATE|'
                   r'DELETE')
STORAGES = '''storage "main" embedded "$dir/store"
storage "maildir" url "http://127.0.0.1:%d/v1"
storage "tickets" url "http://127.0.0.1:%d/v1"
mount "Archive" storage "maildir"
mount "Tickets" storage "tickets"
'''


def letter(subject):
    return ('From: a@example.org\r\nSubject: %s\r\n'
            'Message-ID: <%s@example.org>\r\n\r\nhello\r\n' % (
                subject, subject.replace(' ', '.'))).encode()


class Three(WholeTest):
    auto = False

    def setUp(self):
        super().setUp()
        if shutil.which('mbsync') is None:
            raise unittest.SkipTest('mbsync is not installed')
        self.top = tempfile.mkdtemp(prefix='mfrontd.')
        self.addCleanup(shutil.rmtree, self.top, True)
        self.ports = free_port(), free_port()
        self.maildir()
        self.tickets()
        self.example('maildir.py', self.path('maildirs'), self.ports[0])
        self.example('tickets.py', self.path('tickets.db'), self.ports[1])
        self.house = Whole(storage=STORAGES % self.ports)
        self.addCleanup(self.finish)
        self.house.start()
        for name in 'maildir', 'tickets':
            self.house.logged('storage %s: .* is up' % name)

    def path(self, name):
        return os.path.join(self.top, name)

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

    def config(self):
        with open(self.path('rc'), 'w') as f:
            f.write('\n'.join([
                'IMAPAccount house', 'Host 127.0.0.1',
                'Port %d' % self.house.ports['imap'], 'User joe',
                'Pass ' + PASSWORD, 'SSLType None', 'AuthMechs *', '',
                'IMAPStore far', 'Account house', '',
                'MaildirStore near', 'Path %s/' % self.path('mail'),
                'Inbox %s' % self.path('mail/INBOX'),
                'SubFolders Verbatim', '',
                'Channel all', 'Far :far:', 'Near :near:', 'Patterns *',
                'Create Both', 'Remove None', 'Expunge Both',
                'SyncState *', '']))
        os.makedirs(self.path('mail'))

    def sync(self):
        p = subprocess.run(
            ['mbsync', '-c', self.path('rc'), '-Dn', 'all'],
            capture_output=True, timeout=110 * SLOW,
            env=dict(os.environ, HOME=self.top))
        said = p.stdout.decode('utf-8', 'replace')
        self.assertEqual(0, p.returncode, said[-3000:] + p.stderr.decode())
        return [c for c in re.findall(r'^>+ \d+ (.*)', said, re.M)
                if MOVES.search(c)]

    def near(self, box):
        found = []
        for sub in 'cur', 'new':
            folder = self.path('mail/%s/%s' % (box, sub))
            for name in sorted(os.listdir(folder)):
                with open(os.path.join(folder, name), 'rb') as f:
                    found.append((os.path.join(folder, name), f.read()))
        return found

    def subjects(self, box):
        return sorted(re.search(rb'(?mi)^Subject: (.*)$', text).group(1)
                      .decode() for _, text in self.near(box))

    @atf.timeout(240)
    def test_mbsync(self):
        """all of it, twice; changes on both sides, twice"""
        c = self.imap()
        for n in range(2):
            c.append('INBOX', letter('hot %d' % n))
        self.config()
        self.sync()
        self.assertEqual(['hot 0', 'hot 1'], self.subjects('INBOX'))
        self.assertEqual(['old 0', 'old 1', 'old 2'],
                         self.subjects('Archive/2019'))
        self.assertEqual(4, len(self.near('Tickets/INBOX')))
        self.assertEqual([], self.sync())
        # a message of ours for the archive; one of the archive is flagged;
        # a ticket is closed here, another one there
        self.put('Archive/2019', letter('new one'))
        self.delete('Tickets/INBOX', b'ticket 1')
        c.ok('SELECT Archive/2019')
        c.ok('UID STORE 2 +FLAGS (\\Flagged)')
        c.ok('SELECT Tickets/INBOX')
        uid, = c.ok('UID SEARCH SUBJECT "ticket 3"').search()
        c.ok('UID STORE %d +FLAGS (\\Deleted)' % uid)
        c.ok('EXPUNGE')
        self.sync()
        self.assertEqual(['ticket 0', 'ticket 2'], self.open_tickets())
        self.assertEqual(2, len(self.near('Tickets/INBOX')))
        c.ok('SELECT Archive/2019')
        self.assertEqual(4, c.exists)
        self.assertEqual([], self.sync())

    def put(self, box, text):
        with open(self.path('mail/%s/new/1.put' % box), 'wb') as f:
            f.write(text.replace(b'\r\n', b'\n'))

    def delete(self, box, what):
        for name, text in self.near(box):
            if what in text:
                os.unlink(name)
                return
        self.fail('no %r' % what)

    @atf.timeout(240)
    def test_move(self):
        """from one storage to another: there, and then not here any more"""
        c = self.imap()
        c.append('INBOX', letter('hot'), flags=['\\Flagged'])
        c.ok('SELECT INBOX')
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
