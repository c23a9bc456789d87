#!/usr/bin/env python3
"""tickets.py: what a mail client does to tickets, and what the other program
that writes the table does to messages."""

import os
import re
import sqlite3
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from example import Api, HouseTest, alone, letter, unittest     # noqa: E402
import atf                                              # noqa: E402


class Desk:
    """The table, as the other program sees it"""

    def write(self, query, *args):
        db = sqlite3.connect(self.backend.path('db'), timeout=60)
        with db:
            rows = db.execute(query, args).fetchall()
        db.close()
        return rows

    def open(self, title, **more):
        more = {'desk': 'joe', 'title': title, **more}
        return self.write('INSERT INTO ticket(%s) VALUES (%s) RETURNING number'
                          % (', '.join(more), ', '.join('?' * len(more))),
                          *more.values())[0][0]

    def tickets(self):
        """number -> (title, queue, state)"""
        return {row[0]: row[1:] for row in self.write(
            'SELECT number, title, queue, state FROM ticket')}


class Tickets(Desk, unittest.TestCase):
    def setUp(self):
        self.backend = alone(self, 'tickets.py')
        self.api = Api(self.backend.url)
        self.api.boxes()

    def tearDown(self):
        self.assertEqual('', self.backend.log())

    def subjects(self, box='INBOX'):
        """uid -> subject"""
        return {uid: re.search(rb'(?m)^Subject: (.*?)\r$',
                               self.api.content(row))[1].decode()
                for uid, row in self.api.rows(box).items()}

    def test_shown(self):
        """whatever is in the table, it becomes a message"""
        self.open('The lamp\nis broken', author='Ann <ann@example.org>',
                  body='It does not\rburn.\n\u20ac 5', queue='Hall/Lamps',
                  opened='2026-02-03T04:05:06+01:00')
        self.open('', author='\u00c4nn, \x00"', opened='once', queue='x//y',
                  body='.\n' + 'x' * 2000)
        row, = self.api.rows('Hall/Lamps').values()
        text = self.api.content(row)
        self.assertEqual(len(text), row['size'])
        self.assertIn(b'Subject: The lamp is broken\r\n', text)
        self.assertIn(b'From: Ann <ann@example.org>\r\n', text)
        self.assertIn(b'X-Ticket: 1\r\n', text)
        self.assertRegex(row['date'], '2026-02-0[23]T')
        row, = self.api.rows().values()         # no mailbox has its name
        text = self.api.content(row)
        self.assertIn(b'X-Ticket: 2\r\n', text)
        self.assertNotIn(b'\n', text.replace(b'\r\n', b''))

    def test_author(self):
        """a name, an address, both, neither"""
        for author in ('Ann', 'ann@example.org', 'Ann <ann@example.org>', ''):
            self.open('x', author=author)
        self.assertEqual(
            [b'Ann <nobody@invalid>', b'"ann@example.org" <ann@example.org>',
             b'Ann <ann@example.org>', b'nobody@invalid'],
            [re.search(rb'(?m)^From: (.*?)\r$', self.api.content(r))[1]
             for r in self.api.rows().values()])

    def test_other_program(self):
        """what it opens, edits, closes, moves, opens again"""
        one, two = self.open('one'), self.open('two')
        self.assertEqual({1: 'one', 2: 'two'}, self.subjects())
        self.api.flag('1:2', add=['\\Seen', 'word'])
        old = self.api.rows()[1]
        state = self.api.boxes()['INBOX']['state']
        self.write("UPDATE ticket SET title = 'One' WHERE number = ?", one)
        self.assertEqual({2: 'two', 3: 'One'}, self.subjects())
        self.assertNotEqual(state, self.api.boxes()['INBOX']['state'])
        self.assertIn(b'Subject: one\r\n', self.api.content(old))
        self.write("UPDATE ticket SET state = 'done' WHERE number = ?", two)
        self.assertEqual({3: 'One'}, self.subjects())
        self.write("UPDATE ticket SET queue = 'Lamps' WHERE number = ?", one)
        self.assertEqual({}, self.subjects())
        self.assertEqual({1: 'One'}, self.subjects('Lamps'))
        self.write("UPDATE ticket SET state = 'open'")
        self.assertEqual({4: 'two'}, self.subjects())
        # it has the same content, but is another message
        self.backend.kill()
        self.backend.start()
        self.assertEqual({4: 'two'}, self.subjects())
        self.assertEqual([], self.api.rows()[4]['flags'])

    def test_close(self):
        """expunged is closed"""
        one, two = self.open('one'), self.open('two')
        self.api.rows()
        self.api.flag('2', add=['\\Deleted'])
        self.assertEqual([{'vanished': '2'}],
                         self.api.expunge('1:2', '\\Deleted'))
        self.assertEqual({one: ('one', 'INBOX', 'open'),
                          two: ('two', 'INBOX', 'closed')}, self.tickets())

    def test_open(self):
        """a message that is stored is a ticket"""
        self.api.append(letter('by mail', 'The lamp.\r\n'))
        self.assertEqual([(1, 'by mail', 'Ann <ann@example.org>',
                           'The lamp.\n')], self.write(
            'SELECT number, title, author, replace(body, char(13), \'\') '
            'FROM ticket'))
        row, = self.api.rows().values()
        self.assertEqual(letter('by mail', 'The lamp.\r\n'),
                         self.api.content(row))
        for odd in (b'', b'\xff\n', b'Subject: =?x?q?=FF?=\r\nContent-Type: '
                    b'text/plain; charset=no-such\r\n\r\n\xff\xfe'):
            self.api.append(odd)
        self.assertEqual(4, len(self.tickets()))

    def test_not_another_desk(self):
        """X-Ticket names only what is one's own"""
        number = self.open('ann\'s', desk='ann')
        self.api.append(letter('mine', **{'X-Ticket': str(number)}))
        self.assertEqual({1: ("ann's", 'INBOX', 'open'),
                          2: ('mine', 'INBOX', 'open')}, self.tickets())


class House(Desk, HouseTest):
    example = 'tickets.py'
    programs = ('curl',)

    def x(self, path, command):
        return self.curl(path, '-X', command).decode()

    def test_client(self):
        """moved it is the same ticket, copied it is closed with the last"""
        number = self.open('lamp', queue='Hall')
        other = self.open('door', queue='Hall')
        self.assertIn('Hall', self.x('', 'LIST "" *'))
        self.x('', 'CREATE Done')
        self.x('Hall', 'UID MOVE 1 Done')
        self.assertEqual({number: ('lamp', 'Done', 'open'),
                          other: ('door', 'Hall', 'open')}, self.tickets())
        self.x('Hall', 'UID COPY 2 Done')
        self.x('Hall', 'UID STORE 2 +FLAGS.SILENT \\Deleted')
        self.x('Hall', 'EXPUNGE')
        self.assertEqual(('door', 'Done', 'open'), self.tickets()[other])
        self.x('Done', 'STORE 1:2 +FLAGS.SILENT \\Deleted')
        self.x('Done', 'EXPUNGE')
        self.assertEqual({'closed'}, {t[2] for t in self.tickets().values()})


if __name__ == '__main__':
    atf.main()
