#!/usr/bin/env python3
"""FETCH: every item, of every message of the corpus and of large ones."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import Message, StoreHouse, corpus, picked  # noqa: E402
import atf                                              # noqa: E402

ITEMS = ('ENVELOPE', 'BODY', 'BODYSTRUCTURE')
NAMES = ['From', 'to', 'SUBJECT', 'Date', 'Content-Type', 'X-None',
         'Received', 'X-Nul', 'Message-ID', 'MIME-Version']


def seen(r):
    return {n: '\\Seen' in d['FLAGS'] for n, d in r.fetched()
            if 'FLAGS' in d}


class Corpus(StoreHouse):
    def fill(self, summaries=False):
        """All messages, put into the store without summaries, or else by
        APPEND where that takes them"""
        self.mail = corpus()

        def upload(client):
            box = client.mailbox('joe')['id']
            for m in self.mail:
                client.add('joe', box, m.bytes)
        self.begin(prepare=None if summaries else upload)
        self.c = self.imap()
        if summaries:
            self.mail = [m for m in self.mail if b'\0' not in m.bytes]
            for m in self.mail:
                self.c.append('INBOX', m.bytes)
        self.c.ok('SELECT INBOX')
        self.assertEqual(len(self.mail), self.c.exists)

    def check_items(self):
        r = self.c.ok('FETCH 1:* (UID ENVELOPE BODY BODYSTRUCTURE '
                      'RFC822.SIZE)')
        found = r.fetched('SEQ')
        for n, m in enumerate(self.mail, 1):
            for item in ITEMS:
                self.assertEqual(m.items[item], found[n][item],
                                 (m.name, item))
            self.assertEqual(len(m.bytes), found[n]['RFC822.SIZE'])

    def test_items(self):
        """ENVELOPE, BODY, BODYSTRUCTURE and RFC822.SIZE, made from the
        message, then from the summary that was kept"""
        self.fill()
        for _ in range(2):
            self.check_items()
        if 'cache' not in self.capabilities:
            return
        client = self.store.client()
        rows = client.state('joe', client.mailbox('joe')['id'],
                            fields='cache,size')
        missing = [m.name for n, m in enumerate(self.mail, 1)
                   if 'cache' not in rows[n]]
        self.assertEqual([], missing)
        client.close()

    def test_items_appended(self):
        """the same of messages that came by APPEND"""
        self.fill(summaries=True)
        self.check_items()

    def test_sections(self):
        """every section of every message, NIL where there is none"""
        self.fill()
        names = sorted({s for m in self.mail for s in m.sections})
        self.assertGreater(len(names), 40)
        for at in range(0, len(names), 40):
            part = names[at:at + 40]
            r = self.c.ok('FETCH 1:* (%s)' % ' '.join(
                'BODY.PEEK[%s]' % s for s in part))
            found = r.fetched('SEQ')
            for n, m in enumerate(self.mail, 1):
                for s in part:
                    self.assertEqual(m.section(s), found[n]['BODY[%s]' % s],
                                     (m.name, s))

    def test_sections_alone(self):
        """one section at a time, without a summary at hand"""
        self.fill()
        for n, m in enumerate(self.mail, 1):
            for s in random.sample(sorted(m.sections),
                                   min(4, len(m.sections))):
                r = self.c.ok('UID FETCH %d BODY.PEEK[%s]' % (n, s))
                (_, d), = r.fetched()
                self.assertEqual({'UID': n, 'BODY[%s]' % s: m.section(s)},
                                 d, m.name)

    def test_partial(self):
        """<offset.count> of any section, also beyond its end"""
        self.fill()
        rnd = random.Random(1)
        for n, m in enumerate(self.mail, 1):
            items, want = [], {}
            for _ in range(12):
                s = rnd.choice(sorted(m.sections))
                text = m.section(s)
                off = rnd.choice((0, 1, rnd.randrange(len(text) + 2),
                                  len(text), len(text) + 1000, 4294967295))
                count = rnd.choice((1, 7, len(text) + 1, 4294967295))
                name = 'BODY[%s]<%d>' % (s, off)
                if name in want:
                    continue
                items.append('BODY.PEEK[%s]<%d.%d>' % (s, off, count))
                want[name] = text[off:off + count]
            (_, d), = self.c.ok('FETCH %d (%s)' % (
                n, ' '.join(items))).fetched()
            self.assertEqual(want, d, m.name)
        self.c.bad('FETCH 1 BODY[]<0.0>')
        self.c.bad('FETCH 1 BODY[]<0>')
        self.c.bad('FETCH 1 BODY[]<1.>')
        self.c.bad('FETCH 1 BODY[]<-1.1>')
        self.c.bad('FETCH 1 BODY[]<99999999999999999999.1>')

    def check_fields(self, n, m, part):
        header = m.section(part + 'HEADER')
        some = random.sample(NAMES, 4)
        a = 'BODY[%sHEADER.FIELDS (%s)]' % (part, ' '.join(some))
        b = 'BODY[%sHEADER.FIELDS.NOT (%s)]' % (part, ' '.join(some))
        r = self.c.ok('FETCH %d (%s %s)' % (
            n, a.replace('BODY', 'BODY.PEEK'), b.replace('BODY', 'BODY.PEEK')))
        (_, d), = r.fetched()
        if not header.endswith(b'\n'):
            # a field's line end may be added where the message lacks it
            d = {k: v.rstrip() for k, v in d.items()}
            self.assertEqual({a: picked(header, some).rstrip(),
                              b: picked(header, some, True).rstrip()}, d)
            return
        self.assertEqual({a: picked(header, some),
                          b: picked(header, some, True)}, d, m.name)
        (_, d), = self.c.ok('FETCH %d %s<3.20>' % (
            n, a.replace('BODY', 'BODY.PEEK'))).fetched()
        self.assertEqual({a + '<3>': picked(header, some)[3:23]}, d)

    def test_fields(self):
        """HEADER.FIELDS and HEADER.FIELDS.NOT, of messages and of parts"""
        self.fill()
        for _ in range(2):              # the second time with summaries
            for n, m in enumerate(self.mail, 1):
                self.check_fields(n, m, '')
                for s in m.sections:
                    if s.endswith('.HEADER') and m.section(s):
                        self.check_fields(n, m, s[:-len('HEADER')])
            self.c.ok('FETCH 1:* ENVELOPE')
        r = self.c.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS ("From" {2}'
                      .replace('{2}', '{2+}\r\nTo)]'))
        self.assertEqual(['BODY[HEADER.FIELDS (From To)]'],
                         list(r.fetched()[0][1]))
        for text in ('BODY[HEADER.FIELDS]', 'BODY[HEADER.FIELDS ()]',
                     'BODY[MIME]', 'BODY[1.FIELDS]', 'BODY[0]', 'BODY[1.0]',
                     'BODY[1.]', 'BODY[.1]', 'BODY[01.x]', 'BODY [1]',
                     'BODY[HEADER', 'BODY[4294967296]', 'BODY.PEEK',
                     'ENVELOPES', '()', 'RFC822.FOO', 'BINARY[1]', 'PREVIEW[]',
                     '(FLAGS UID', 'FLAGS UID', '(ALL)', 'ALL UID'):
            self.c.bad('FETCH 1 ' + text)


class Items(StoreHouse):
    def setUp(self):
        super().setUp()
        self.begin()
        self.c = self.imap()
        self.m = Message('nested')
        for n in range(3):
            self.c.append('INBOX', self.m.bytes, ['\\Flagged', 'word'],
                          ' 7-Feb-1994 21:52:25 -0800')
        self.c.ok('SELECT INBOX')

    def one(self, text, n=1):
        r = self.c.ok('FETCH %d %s' % (n, text))
        found = [d for k, d in r.fetched() if k == n]
        return {k: v for d in found for k, v in d.items()}

    def test_macros(self):
        """ALL, FAST and FULL"""
        fast = {'FLAGS': ['\\Flagged', 'word', '\\Recent'],
                'INTERNALDATE': b' 7-Feb-1994 21:52:25 -0800',
                'RFC822.SIZE': len(self.m.bytes)}
        both = dict(fast, ENVELOPE=self.m.items['ENVELOPE'])
        full = dict(both, BODY=self.m.items['BODY'])

        def known(d):
            d['FLAGS'].sort(key=str.lower)
            return d
        for name, want in (('FAST', fast), ('all', both), ('Full', full)):
            want['FLAGS'].sort(key=str.lower)
            self.assertEqual(want, known(self.one(name)))

    def test_rfc822(self):
        """RFC822, RFC822.HEADER and RFC822.TEXT"""
        d = self.one('(RFC822 RFC822.HEADER RFC822.TEXT UID)')
        self.assertEqual(self.m.bytes, d['RFC822'])
        self.assertEqual(self.m.section('HEADER'), d['RFC822.HEADER'])
        self.assertEqual(self.m.section('TEXT'), d['RFC822.TEXT'])
        d = self.one('RFC822', 2)
        self.assertEqual(self.m.bytes, d['RFC822'])

    def test_seen(self):
        """what sets \\Seen, and that it is told"""
        for text, sets in (('BODY.PEEK[]', False), ('RFC822.HEADER', False),
                           ('ENVELOPE', False), ('BODYSTRUCTURE', False),
                           ('BODY', False), ('RFC822.SIZE', False),
                           ('BODY.PEEK[HEADER.FIELDS (To)]', False),
                           ('BODY[]', True), ('BODY[HEADER]', True),
                           ('BODY[1]', True), ('RFC822', True),
                           ('RFC822.TEXT', True), ('BODY[1]<0.1>', True),
                           ('BODY[HEADER.FIELDS (To)]', True),
                           ('BODY[77]', True)):
            for uid in ('', 'UID '):
                self.c.ok('STORE 2 -FLAGS.SILENT (\\Seen)')
                r = self.c.ok('%sFETCH 2 %s' % (uid, text))
                self.assertEqual({2: True} if sets else {}, seen(r), text)
                d = self.one('FLAGS', 2)
                self.assertEqual(sets, '\\Seen' in d['FLAGS'], text)
        # of several at once, those not seen before
        self.c.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
        r = self.c.ok('FETCH 1:3 BODY[TEXT]')
        self.assertEqual({1: True, 3: True}, seen(r))

    def test_sets(self):
        """sequence sets in their forms; numbers that are not there"""
        for text, want in (('1', [1]), ('*', [3]), ('1:*', [1, 2, 3]),
                           ('*:2', [2, 3]), ('3:1', [1, 2, 3]),
                           ('2,1,2:2,*', [1, 2, 3]), ('3,1', [1, 3]),
                           ('*:*', [3])):
            r = self.c.ok('FETCH %s UID' % text)
            self.assertEqual(want, sorted(r.fetched('SEQ')), text)
            r = self.c.ok('UID FETCH %s FLAGS' % text)
            self.assertEqual(want, sorted(r.fetched('UID')), text)
        for text in ('4', '1:4', '1,4', '4:*', '0', '0:1', '1:', ':1', ',',
                     '1,', '', '1:2:3', 'x', '-1', '4294967296', '1 2'):
            self.c.bad('FETCH %s UID' % text)
        for text, want in (('4', []), ('4:9', []), ('2,99', [2]),
                           ('4:*', [3]), ('4294967295', []),
                           ('3:4294967295', [3])):
            r = self.c.ok('UID FETCH %s UID' % text)
            self.assertEqual(want, sorted(r.fetched('UID')), text)
        self.c.bad('UID FETCH 0 UID')
        self.c.ok('CREATE empty')
        self.c.ok('SELECT empty')
        self.c.bad('FETCH 1 UID')
        self.c.ok('UID FETCH 1:* UID')

    def test_order(self):
        """items come once each, messages in order"""
        r = self.c.ok('FETCH 1:3 (UID FLAGS UID BODY.PEEK[1] flags '
                      'body.peek[1] INTERNALDATE)')
        self.assertEqual([1, 2, 3], [n for n, _ in r.fetched()])
        for _, d in r.fetched():
            self.assertEqual(['UID', 'FLAGS', 'BODY[1]', 'INTERNALDATE'],
                             list(d))


def large(parts=12, size=100000):
    """A multipart over what is held in memory, and what its sections are"""
    rnd = random.Random(5)
    sections = {}
    header = b''.join(b'X-Line-%d: %s\r\n' % (n, b'h' * 60)
                      for n in range(300))
    header = (b'From: Ann <ann@example.org>\r\nSubject: large\r\n' + header +
              b'MIME-Version: 1.0\r\n'
              b'Content-Type: multipart/mixed; boundary=bb\r\n\r\n')
    text = b'a preamble\r\n'
    for n in range(1, parts + 1):
        mime = (b'Content-Type: application/x-%d\r\n'
                b'Content-Transfer-Encoding: 8bit\r\n\r\n' % n)
        body = b''.join(b'%05d %s\r\n' % (i, bytes(
            [rnd.choice(b'abc\xe4\xff\0')]) * 70) for i in
            range(size // 79))
        sections['%d.MIME' % n] = mime
        sections['%d' % n] = body
        text += b'--bb\r\n' + mime + body + b'\r\n'
    text += b'--bb--\r\nan epilogue\r\n'
    sections['HEADER'] = header
    sections['TEXT'] = text
    sections[''] = header + text
    return header + text, {k: v.replace(b'\0', b'\x80')
                           for k, v in sections.items()}


class Large(StoreHouse):
    def prepare(self, client):
        self.message, self.sections = large()
        box = client.mailbox('joe')['id']
        client.add('joe', box, self.message)
        client.add('joe', box, b'Subject: small\r\n\r\nsmall\r\n')

    def setUp(self):
        super().setUp()
        self.begin(prepare=self.prepare)
        self.c = self.imap(select='INBOX')

    def test_sections(self):
        """of a large message, as they stream; in one command, too"""
        for name, text in self.sections.items():
            (_, d), = self.c.ok('FETCH 1 BODY.PEEK[%s]' % name).fetched()
            self.assertEqual(text, d['BODY[%s]' % name], name)
        names = list(self.sections)
        r = self.c.ok('FETCH 1:2 (UID %s RFC822.SIZE ENVELOPE)' % ' '.join(
            'BODY.PEEK[%s]' % n for n in names))
        d = r.fetched('UID')[1]
        for name in names:
            self.assertEqual(self.sections[name], d['BODY[%s]' % name])
        self.assertEqual(len(self.message), d['RFC822.SIZE'])
        self.assertEqual(b'large', d['ENVELOPE'][1])
        self.assertIsNone(self.c.ok('FETCH 1 BODY.PEEK[13]')
                          .fetched()[0][1]['BODY[13]'])

    def test_partial(self):
        """pieces of it"""
        rnd = random.Random(3)
        for _ in range(30):
            name = rnd.choice(sorted(self.sections))
            text = self.sections[name]
            off = rnd.randrange(len(text) + 100)
            count = rnd.choice((1, 1000, 70000, 200000, len(text)))
            r = self.c.ok('FETCH 1 BODY.PEEK[%s]<%d.%d>' % (
                name, off, count))
            self.assertEqual({'BODY[%s]<%d>' % (name, off):
                              text[off:off + count]}, r.fetched()[0][1])

    def test_fields(self):
        """fields of a header that is long"""
        for names in (['Subject', 'X-Line-7', 'X-line-299'], ['From'],
                      ['X-Line-%d' % n for n in range(0, 150)]):
            for no in ('', '.NOT'):
                item = 'HEADER.FIELDS%s (%s)' % (no, ' '.join(names))
                r = self.c.ok('FETCH 1 BODY.PEEK[%s]' % item)
                self.assertEqual(
                    picked(self.sections['HEADER'], names, bool(no)),
                    r.fetched()[0][1]['BODY[%s]' % item])


class Summary(StoreHouse):
    """Messages whose summary is over what a storage keeps."""

    def long_header(self):
        to = b',\r\n '.join(b'"Name %d" <user%d@example.org>' % (n, n)
                            for n in range(3000))
        return (b'From: a@example.org\r\nTo: ' + to + b'\r\nSubject: ' +
                b'\r\n '.join([b's' * 60] * 300) + b'\r\n' +
                b''.join(b'X-%d: %s\r\n' % (n, b'x' * 500)
                         for n in range(100)) + b'\r\nbody\r\n')

    def many_parts(self):
        return (b'From: a@example.org\r\nSubject: parts\r\n'
                b'Content-Type: multipart/mixed; boundary=b\r\n\r\n' +
                b''.join(b'--b\r\nContent-Type: text/plain; name="%s"\r\n\r\n'
                         b'%d\r\n' % (b'n' * 60, n) for n in range(600)) +
                b'--b--\r\n')

    def test_over(self):
        """a reduced one is kept, so that the message is not read again for
        what that one has; what is told is whole all the same"""
        letters = [self.long_header(), self.many_parts()]

        def prepare(client):
            for letter in letters:
                client.add('joe', client.mailbox('joe')['id'], letter)
        self.begin(prepare=prepare, conf='cache 0\n')
        c = self.imap(select='INBOX')
        first = c.ok('FETCH 1:2 (ENVELOPE BODYSTRUCTURE)').fetched('SEQ')
        self.assertEqual(601, len(first[2]['BODYSTRUCTURE'][0:600]) + 1)
        self.assertEqual(b'user0', first[1]['ENVELOPE'][5][0][2])
        client = self.store.client()
        rows = client.state('joe', client.mailbox('joe')['id'],
                            fields='cache')
        client.close()
        self.assertIn('cache', rows[1])
        self.assertIn('cache', rows[2])
        again = c.ok('FETCH 1:2 (ENVELOPE BODYSTRUCTURE)').fetched('SEQ')
        self.assertEqual(first, again)
        # ENVELOPE of the second is in what was kept
        n = self.read()
        r = c.ok('FETCH 2 ENVELOPE')
        self.assertEqual(b'parts', r.fetched()[0][1]['ENVELOPE'][1])
        self.assertEqual(n, self.read())

    def read(self):
        return self.house.log().count('/messages/')


if __name__ == '__main__':
    atf.main()
