#!/usr/bin/env python3
"""Listings as mail programs make them: what they cost the storage."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, Message, StoreHouse             # noqa: E402
from searching import Between, Passing                  # noqa: E402
from whole import sanitized                             # noqa: E402
import atf                                              # noqa: E402

MANY = 1000 if sanitized() else 10000
MUTT = ('UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE '
        'FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE '
        'CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST '
        'LIST-SUBSCRIBE LIST-UNSUBSCRIBE X-LABEL X-ORIGINAL-TO)]')
THUNDERBIRD = ('UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc '
               'Bcc Subject Date Message-ID Priority X-Priority References '
               'Newsgroups In-Reply-To Content-Type Reply-To)]')


class Asked(Passing):
    def before(self, body):
        self.server.asked.append(self.path)


class Counted(StoreHouse):
    """A house whose requests for messages are counted on their way"""

    def begin(self, capabilities=ALL, **more):
        self.store_new()
        self.between = Between(self.port, lambda path, status, data:
                               (status, data), Asked)
        self.between.asked = []
        self.addCleanup(self.between.close)
        super().begin(capabilities, storage='storage "main" url '
                      '"http://127.0.0.1:%d/v1" without { search }' %
                      self.between.server_address[1],
                      conf='cache 0\n', **more)

    def asked(self):
        """Since it was called last"""
        found = [p for p in self.between.asked if '/messages' in p]
        self.between.asked.clear()
        return found

    def caches(self, change=lambda text: text):
        """uid -> summary; each is replaced by change() of it"""
        client = self.store.client()
        box = client.mailbox('joe')['id']
        rows = client.state('joe', box, fields='id,cache')
        for row in rows.values():
            text = change(row['cache'])
            if text != row['cache']:
                client.ask('PUT', '/accounts/joe/messages/%s/cache' %
                           row['id'], text.encode())
        client.close()
        return {uid: row['cache'] for uid, row in rows.items()}


class Many(Counted):
    def fetched(self, c, text):
        """How many are told, without a look at each"""
        tag = b'many%d' % len(text)
        c.raw(tag + b' FETCH 1:* (' + text.encode() + b')\r\n')
        data = b''
        while b'\r\n' + tag + b' ' not in data[-200:]:
            got = c.sock.recv(1 << 20)
            self.assertTrue(got)
            data += got
        self.assertIn(b'\r\n' + tag + b' OK', data)
        return len(re.findall(rb'^\* \d+ FETCH \(', data, re.M))

    def lists(self, n, forms=(MUTT, THUNDERBIRD, 'ENVELOPE')):
        c = self.imap(select='INBOX')
        for text in forms:
            self.asked()
            self.assertEqual(n, self.fetched(c, text))
            asked = self.asked()
            self.assertEqual(1, len(asked), (text, asked[:5]))

    @atf.timeout(200)
    def test_many(self):
        """ten thousand messages are one request, also where every second
        uid is gone; those of a few are for few"""
        self.begin()
        c = self.imap()
        for n in range(20):
            c.append('INBOX', b'From: a%d@example.org\r\nTo: b@example.org'
                     b'\r\nSubject: number %d\r\nMessage-ID: <%d@x>\r\n'
                     b'X-Own: %d\r\n\r\nbody\r\n' % (n, n, n, n))
        c.ok('SELECT INBOX')
        while c.exists < MANY:
            c.ok('COPY 1:%d INBOX' % min(c.exists, MANY - c.exists))
            c.ok('NOOP')
        self.lists(MANY)
        for low in range(1, MANY, 1000):
            c.ok('STORE %s +FLAGS.SILENT (\\Deleted)' % ','.join(
                str(n) for n in range(low, low + 1000, 2)))
        c.ok('EXPUNGE')
        self.assertEqual(MANY // 2, c.exists)
        self.lists(MANY // 2)
        self.sparse(c)

    def sparse(self, c):
        """Of uids 2, 4, 6 ... to the last but one"""
        self.asked()
        want = [n for n in range(1, MANY // 2 + 1) if n % 3]
        r = c.ok('FETCH %s ENVELOPE' % ','.join(map(str, want)))
        self.assertEqual(want, [n for n, _ in r.fetched()])
        self.assertEqual(1, len(self.asked()))
        # here most would be asked for in vain
        r = c.ok('FETCH 5,7,100:103,400 (UID ENVELOPE)')
        self.assertEqual([5, 7, 100, 101, 102, 103, 400],
                         [n for n, _ in r.fetched()])
        self.assertEqual([d['UID'] for _, d in r.fetched()],
                         [2 * n for n, _ in r.fetched()])
        asked, = self.asked()
        self.assertIn('uids=10,14,200:206,800', asked)


class Header(Counted):
    """What a summary has of a header, and of the text"""

    def fill(self):
        self.letters = [Message(n).bytes for n in (
            'nested', 'plain', 'fold', 'eightbit')]
        self.letters += [b'Subject: long\r\n' + b''.join(
            b'X-%d: %s\r\n' % (n, b'y' * 900) for n in range(lines)) +
            b'\r\nthe text\r\n' for lines in (20, 60)]
        self.c = self.imap()
        for letter in self.letters:
            self.c.append('INBOX', letter)
        self.headers = [re.split(rb'(?<=\n)\r?\n', x, 1)[0] for x in
                        self.letters]

    def items(self, text):
        self.c.ok('SELECT INBOX')
        self.asked()
        found = self.c.ok('FETCH 1:* ' + text).fetched('SEQ')
        asked = self.asked()
        return [found[n] for n in sorted(found)], asked

    def check(self, contents):
        """contents: how many are read for what wants the whole header"""
        for item in ('BODY[HEADER]', 'RFC822.HEADER',
                     'BODY[HEADER.FIELDS (FROM RECEIVED X-1 X-NONE)]',
                     'BODY[HEADER.FIELDS.NOT (SUBJECT)]'):
            rows, asked = self.items('(' + item.replace(
                'BODY[', 'BODY.PEEK[') + ')')
            self.assertEqual(1 + contents, len(asked), (item, asked))
            self.assertNotIn('brief', asked[0])
            for row, letter, header in zip(rows, self.letters,
                                           self.headers):
                blank = letter[len(header):].split(b'\n')[0] + b'\n'
                want = [line for line in re.findall(
                    rb'[^\n]*\n(?:[ \t][^\n]*\n)*', header)]
                if 'NOT' in item:
                    want = [w for w in want if not re.match(
                        rb'subject[ \t]*:', w, re.I)]
                elif 'FIELDS' in item:
                    want = [w for w in want if re.match(
                        rb'(from|received|x-1)[ \t]*:', w, re.I)]
                self.assertEqual(b''.join(want) + blank, row[item])

    def test_header(self):
        """all of it, or any fields, of all messages: one request, and a
        content each only where it is longer than a summary can be; with
        what a storage has of before it is read, once"""
        self.begin()
        self.fill()
        self.check(1)
        # the beginning is enough for the rest
        rows, asked = self.items('(ENVELOPE BODYSTRUCTURE PREVIEW '
                                 'BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
        self.assertEqual(len(self.letters), len(rows))
        self.assertEqual(1, len(asked))
        self.assertIn('cache&brief=1&', asked[0])
        self.c.ok('SELECT INBOX')
        self.asked()
        self.assertEqual([5], self.c.ok('SEARCH HEADER X-1 yyy SUBJECT '
                                        'long SMALLER 30000').search())
        self.assertEqual(1, len(self.asked()))
        self.old()

    def old(self):
        def before(text):
            return text.split('\n')[0].replace('mfs2', 'mfs1', 1)
        new = self.caches(before)
        self.assertNotEqual(new, self.caches())
        rows, asked = self.items('(ENVELOPE PREVIEW)')
        self.assertEqual(1, len(asked))
        self.assertIn(b'the text', rows[-1]['PREVIEW'])
        self.items('BODY.PEEK[HEADER]')
        self.assertEqual(new, self.caches())
        self.check(1)

    def test_preview(self):
        """PREVIEW, made at delivery; (LAZY) is NIL where there is none at
        hand, and what it takes is made and kept without"""
        self.begin()
        self.fill()
        texts = [b'\xc3\xa4 \xe2\x82\xac ' * 100, b'', b'<p>one<b>two</b>']
        for kind, text in zip(('plain', 'calendar', 'html'), texts):
            letter = (b'Content-Type: text/%s; charset=utf-8\r\n\r\n%s\r\n' %
                      (kind.encode(), text))
            self.letters.append(letter)
            self.c.append('INBOX', letter)
        rows, asked = self.items('(PREVIEW (LAZY) UID)')
        told = [r['PREVIEW'] for r in rows]
        self.assertEqual(1, len(asked))
        self.assertEqual([b'the text', texts[0][:50 * 7 - 1], b'', b'onetwo'],
                         told[-4:])
        for text in told:
            self.assertLessEqual(len(text.decode()), 200)
        self.assertEqual(told, [r['PREVIEW'] for r in
                                self.items('PREVIEW')[0]])
        self.caches(lambda text: 'none')
        rows, asked = self.items('PREVIEW (LAZY)')
        self.assertEqual({None}, {r['PREVIEW'] for r in rows})
        self.assertEqual(1, len(asked))
        rows, asked = self.items('(PREVIEW (LAZY) PREVIEW)')
        self.assertEqual(told, [r['PREVIEW'] for r in rows])
        self.assertEqual(told, [r['PREVIEW'] for r in
                                self.items('PREVIEW (LAZY)')[0]])
        self.c.bad('FETCH 1 PREVIEW (EAGER)')

    def test_without(self):
        """a storage that keeps no summaries: PREVIEW reads the message,
        LAZY never does"""
        self.begin(ALL - {'cache'})
        self.fill()
        rows, asked = self.items('(PREVIEW (LAZY) FLAGS)')
        self.assertEqual({None}, {r['PREVIEW'] for r in rows})
        self.assertEqual(1, len(asked))
        rows, asked = self.items('PREVIEW')
        self.assertEqual(b'the text', rows[-1]['PREVIEW'])
        self.assertNotIn(None, [r['PREVIEW'] for r in rows])
        self.assertEqual(1 + len(self.letters), len(asked))


if __name__ == '__main__':
    atf.main()
