#!/usr/bin/env python3
"""SEARCH: each key, and random ones, against an oracle that knows what the
messages were made of."""

import base64
import datetime
import os
import quopri
import random
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, LEVEL, StoreHouse               # noqa: E402
from imapclient import set_of                           # noqa: E402
import atf                                              # noqa: E402
from store import Server                                # noqa: E402
from whole import SLOW, WITHOUT, free_port              # noqa: E402

WORDS = ('Apfel', 'Pear', 'QUINCE', 'f\u00fcnfzig', '\u0416\u0443\u043a',
         '\u6f22\u5b57', 'dot.dot', 'a"b', 'two words', 'zyx')
HEADERS = ('From', 'To', 'Cc', 'Bcc', 'Subject', 'X-Note', 'Reply-To')
FLAGS = ('\\Answered', '\\Deleted', '\\Draft', '\\Flagged', '\\Seen')
KEYWORDS = ('$Junk', 'work')
MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split()
ZONES = (0, -480, 600, 330)


def imap_date(d):
    return '%d-%s-%d' % (d.day, MONTHS[d.month - 1], d.year)


def zone(minutes):
    return '%+03d%02d' % (minutes // 60 if minutes >= 0 else
                          -(-minutes // 60), abs(minutes) % 60)


def encoded(text):
    """A header's value: an encoded word where it must be one"""
    if text.isascii():
        return text.encode()
    return ('=?UTF-8?B?%s?=' % base64.b64encode(text.encode()).decode()
            ).encode()


class Letter:
    def __init__(self, rnd):
        self.fields = {h: ' '.join(rnd.sample(WORDS, rnd.randrange(1, 3)))
                       for h in HEADERS if rnd.random() < 0.6}
        self.body = '\n'.join(' '.join(rnd.choices(WORDS, k=rnd.randrange(4)))
                              for _ in range(rnd.randrange(4)))
        base = datetime.date(2024, 2, 27)
        self.sent = (None if rnd.random() < 0.1 else
                     base + datetime.timedelta(rnd.randrange(5)))
        self.date = base + datetime.timedelta(rnd.randrange(5))
        self.time = '%02d:00:00 %s' % (rnd.randrange(24),
                                       zone(rnd.choice(ZONES)))
        self.flags = set(rnd.sample(FLAGS, rnd.randrange(3)) +
                         rnd.sample(KEYWORDS, rnd.randrange(2)))
        self.bytes = self.render(rnd)

    def render(self, rnd):
        lines = [h.encode() + b': ' + (
            encoded(v) if h in ('Subject', 'X-Note') else
            b'"' + v.encode().replace(b'"', b'\\"') + b'" <u@example.org>'
            if v.isascii() else encoded(v) + b' <u@example.org>')
            for h, v in self.fields.items()]
        if self.sent is not None:
            lines.append(b'Date: Tue, %d %s %d 23:30:00 -0800' % (
                self.sent.day, MONTHS[self.sent.month - 1].encode(),
                self.sent.year))
        text = self.body.replace('\n', '\r\n') + '\r\n'
        how = rnd.choice(('8bit', 'base64', 'quoted-printable', 'mixed'))
        body = text.encode()
        if how == 'base64':
            body = base64.encodebytes(body).replace(b'\n', b'\r\n')
        elif how == 'quoted-printable':
            body = quopri.encodestring(body).replace(b'\n', b'\r\n')
        kind = b'Content-Type: text/plain; charset=utf-8'
        if how == 'mixed':
            lines.append(b'Content-Type: multipart/mixed; boundary=zzz')
            body = (b'--zzz\r\n' + kind + b'\r\n\r\n' + body +
                    b'\r\n--zzz\r\nContent-Type: application/pdf\r\n'
                    b'Content-Transfer-Encoding: base64\r\n\r\n' +
                    base64.b64encode(b'Apfel Pear') + b'\r\n--zzz--\r\n')
        else:
            lines += [kind, b'Content-Transfer-Encoding: ' + how.encode()]
        if rnd.random() < 0.1:
            body += b'\r\n' * 70000 if how == '8bit' else b''
        return b'\r\n'.join(lines) + b'\r\n\r\n' + body

    def has(self, header, text):
        if header == 'Date':
            return self.sent is not None
        return header in self.fields and (
            text.lower() in self.header_text(header))

    def header_text(self, header):
        v = self.fields[header]
        if header not in ('Subject', 'X-Note'):
            # as it stands there, with its quotes
            if v.isascii():
                v = '"%s"' % v.replace('"', '\\"')
            v += ' <u@example.org>'
        return v.lower()

    def any(self, text):
        return text.lower() in self.body.lower() or any(
            self.has(h, text) for h in self.fields)


class Oracle:
    """Makes random keys; each is (parts of the command, predicate of a
    sequence number)"""

    def __init__(self, rnd, letters, uids, recent, modseqs):
        self.rnd, self.letters = rnd, letters
        self.uids, self.recent, self.modseqs = uids, recent, modseqs
        self.n = len(uids)

    def string(self, text):
        if not text.isascii() or self.rnd.random() < 0.2:
            return text.encode()
        if '"' in text or ' ' in text or '(' in text or not text or (
                self.rnd.random() < 0.3):
            return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')
        return text

    def word(self):
        w = self.rnd.choice(WORDS)
        if '"' in w:
            w = 'dot.dot'       # in a field its quote is behind a backslash
        if len(w) > 4 and self.rnd.random() < 0.3:
            w = w[1:-1]
        return self.rnd.choice((w, w.upper(), w.lower())).strip()

    def flag(self):
        f = self.rnd.choice(FLAGS)
        un = self.rnd.random() < 0.5
        return (['UN' * un + f[1:].upper()],
                lambda n: (f in self.letters[n].flags) != un)

    def keyword(self):
        k = self.rnd.choice(KEYWORDS + ('never',))
        un = self.rnd.random() < 0.5
        return (['UN' * un + 'KEYWORD ' + k],
                lambda n: (k in self.letters[n].flags) != un)

    def new(self):
        name = self.rnd.choice(('NEW', 'OLD', 'RECENT', 'ALL'))
        return [name], lambda n: {
            'NEW': n in self.recent and '\\Seen' not in self.letters[n].flags,
            'OLD': n not in self.recent, 'RECENT': n in self.recent,
            'ALL': True}[name]

    def date(self):
        name = self.rnd.choice(('BEFORE', 'ON', 'SINCE'))
        sent = self.rnd.random() < 0.5
        d = datetime.date(2024, 2, 26) + datetime.timedelta(
            self.rnd.randrange(7))
        text = self.rnd.choice(('%s', '"%s"')) % imap_date(d)

        def fits(n):
            m = self.letters[n]
            have = m.sent if sent else m.date
            if have is None:
                return False
            return {'BEFORE': have < d, 'ON': have == d,
                    'SINCE': have >= d}[name]
        return ['SENT' * sent + name + ' ' + text], fits

    def size(self):
        name = self.rnd.choice(('LARGER', 'SMALLER'))
        size = len(self.rnd.choice(list(self.letters.values())).bytes)
        size += self.rnd.randrange(-1, 2)
        return ['%s %d' % (name, size)], lambda n: (
            len(self.letters[n].bytes) > size if name == 'LARGER' else
            len(self.letters[n].bytes) < size)

    def header(self):
        h = self.rnd.choice(HEADERS + ('X-None', 'Date'))
        w = '' if self.rnd.random() < 0.2 or h == 'Date' else self.word()
        if h in ('From', 'To', 'Cc', 'Bcc', 'Subject') and w and (
                self.rnd.random() < 0.7):
            return ([h.upper() + ' ', self.string(w)],
                    lambda n: self.letters[n].has(h, w))
        return (['HEADER %s ' % h, self.string(w)],
                lambda n: self.letters[n].has(h, w))

    def text(self):
        w = self.word()
        if self.rnd.random() < 0.5:
            return (['BODY ', self.string(w)],
                    lambda n: w.lower() in self.letters[n].body.lower())
        return (['TEXT ', self.string(w)],
                lambda n: self.letters[n].any(w))

    def set(self):
        some = sorted(self.rnd.sample(range(1, self.n + 1),
                                      self.rnd.randrange(1, self.n)))
        if self.rnd.random() < 0.5:
            return [set_of(some)], lambda n: n in some
        k = self.rnd.randrange(1, self.n)
        if self.rnd.random() < 0.3:
            return (['UID %d:*' % self.uids[k]],
                    lambda n: self.uids[n - 1] >= self.uids[k])
        return (['UID %s' % set_of([self.uids[n - 1] for n in some])],
                lambda n: n in some)

    def modseq(self):
        m = self.rnd.choice(self.modseqs) + self.rnd.randrange(0, 2)
        return (['MODSEQ %d' % m], lambda n: self.modseqs[n - 1] >= m)

    def key(self, depth=0):
        r = self.rnd.random()
        if depth < 4 and r < 0.15:
            parts, f = self.key(depth + 1)
            return ['NOT '] + parts, lambda n: not f(n)
        if depth < 4 and r < 0.35:
            a, f = self.key(depth + 1)
            b, g = self.key(depth + 1)
            return ['OR '] + a + [' '] + b, lambda n: f(n) or g(n)
        if depth < 4 and r < 0.5:
            keys = [self.key(depth + 1) for _ in range(
                self.rnd.randrange(1, 4))]
            parts = ['(']
            for p, _ in keys:
                parts += ([' '] if len(parts) > 1 else []) + p
            return parts + [')'], lambda n: all(f(n) for _, f in keys)
        kinds = [self.flag, self.keyword, self.new, self.date, self.size,
                 self.header, self.text, self.set]
        if self.modseqs:
            kinds.append(self.modseq)
        return self.rnd.choice(kinds)()


def joined(parts):
    """Neighbouring texts as one, so that bytes are literals of one command"""
    out = []
    for p in parts:
        if out and isinstance(p, str) and isinstance(out[-1], str):
            out[-1] += p
        elif isinstance(p, bytes) and out and isinstance(out[-1], bytes):
            out += ['', p]
        else:
            out.append(p)
    return out


class Search(StoreHouse):
    def fill(self, client):
        """With gaps among the uids"""
        rnd = self.rnd
        self.all = [Letter(rnd) for _ in range(40)]
        self.add(client, self.all)
        self.gone = set(rnd.sample(range(1, 41), 12))
        client.expunge('joe', client.mailbox('joe')['id'],
                       set_of(sorted(self.gone)))

    def add(self, client, letters):
        box = client.mailbox('joe')['id']
        for m in letters:
            utc = datetime.datetime.strptime(
                '%s %s' % (m.date, m.time), '%Y-%m-%d %H:%M:%S %z')
            client.add('joe', box, m.bytes, flags=sorted(m.flags),
                       date=utc.isoformat())

    def begin_search(self, capabilities, seed):
        self.rnd = random.Random(seed)
        self.begin(capabilities, prepare=self.fill)
        fresh, can = [], self.capabilities
        if 'write' in can:
            # read by another session, and then there is more
            self.imap(select='INBOX').ok('LOGOUT')
        if can == ALL:
            fresh = [Letter(self.rnd) for _ in range(12)]
            client = self.store.client()
            self.add(client, fresh)
            client.close()
            self.all += fresh
        self.c = c = self.imap(select='INBOX')
        kept = [(u, m) for u, m in enumerate(self.all, 1)
                if u not in self.gone]
        c.learn()
        self.assertEqual([u for u, _ in kept], c.uids)
        letters = {n: m for n, (_, m) in enumerate(kept, 1)}
        recent = {n for n, d in c.ok('FETCH 1:* FLAGS').fetched()
                  if '\\Recent' in d['FLAGS']}
        if 'write' in can:
            self.assertEqual(set(list(letters)[len(kept) - len(fresh):]),
                             recent)
        modseqs = []
        if 'modseq' in can:
            modseqs = [d['MODSEQ'] for _, d in
                       c.ok('FETCH 1:* MODSEQ').fetched()]
        self.o = Oracle(self.rnd, letters, c.uids, recent, modseqs)

    def check(self, parts, f):
        parts, charset = joined(parts), ''
        if not all(p.isascii() for p in parts if isinstance(p, bytes)):
            charset = 'CHARSET UTF-8 '
        want = {n for n in range(1, self.o.n + 1) if f(n)}
        for uid in (False, True):
            head = 'UID ' * uid + 'SEARCH ' + charset
            cmd = ([head + parts[0]] + parts[1:]
                   if isinstance(parts[0], str) else [head] + parts)
            r = self.c.ok(*cmd)
            found, modseq = r.one('SEARCH').data
            numbers = {self.o.uids[n - 1] for n in want} if uid else want
            self.assertEqual(sorted(numbers), sorted(found), cmd)
            asked = 'MODSEQ ' in ''.join(p for p in parts
                                         if isinstance(p, str))
            if asked and want:
                self.assertEqual(max(self.o.modseqs[n - 1] for n in want),
                                 modseq, cmd)
            else:
                self.assertIsNone(modseq)

    def run_random(self, capabilities, seed, rounds):
        self.begin_search(capabilities, seed)
        for one in (self.o.flag, self.o.keyword, self.o.new, self.o.date,
                    self.o.size, self.o.header, self.o.text, self.o.set):
            for _ in range(10):
                self.check(*one())
        for _ in range(rounds):
            keys = [self.o.key() for _ in range(self.rnd.randrange(1, 4))]
            parts = []
            for p, _ in keys:
                parts += ([' '] if parts else []) + p
            self.check(parts, lambda n: all(f(n) for _, f in keys))

    @atf.timeout(300)
    def test_random(self):
        """random keys, storage with all that there is"""
        self.run_random(ALL, 1, 250)

    @atf.timeout(300)
    def test_random_level0(self):
        """the same in front of a storage that can only be read"""
        self.run_random(LEVEL[0], 2, 80)

    @atf.timeout(300)
    def test_random_level1(self):
        """... that can be written, but keeps no summaries"""
        self.run_random(LEVEL[1], 3, 80)


class Forgotten(StoreHouse):
    def store_new(self):
        self.port = free_port()
        self.store = Server('-l', '127.0.0.1:%d' % self.port,
                            '-o', 'log-rows=20')
        self.addCleanup(self.store.remove)
        self.addCleanup(self.store_ended)

    def fill(self, client):
        self.box = client.mailbox('joe')['id']
        for n in range(60):
            client.add('joe', self.box, b'Subject: x\r\n\r\n')

    def test_modseq(self):
        """of what the storage has forgotten, still the right ones"""
        if 'modseq' in WITHOUT:
            self.skipTest('needs modseq')
        self.begin(prepare=self.fill)
        client = self.store.client()
        end = time.monotonic() + 30 * SLOW
        while client.list('joe', self.box, since=12).status != 410:
            self.assertLess(time.monotonic(), end)
            time.sleep(.1)
        client.close()
        c = self.imap(select='INBOX')
        of = {n: d['MODSEQ'] for n, d in c.ok('FETCH 1:* MODSEQ').fetched()}
        top = max(of.values())
        self.assertEqual(60, len(set(of.values())))

        def found(*keys):
            return c.ok('SEARCH ' + ' '.join(keys)).search()

        for m in (0, 1, 2, 3, 11, 12, top - 25, top - 5, top, top + 1,
                  top + 2, top + 1000):
            want = [n for n in of if of[n] >= m]
            rest = [n for n in of if of[n] < m]
            self.assertEqual(want, found('MODSEQ %d' % m), m)
            self.assertEqual(rest, found('NOT MODSEQ %d' % m), m)
            r = c.ok('SEARCH RETURN (COUNT MIN MAX) MODSEQ %d' % m).esearch()
            self.assertEqual(len(want), r['COUNT'])
            if want:
                self.assertEqual((want[0], want[-1], top),
                                 (r['MIN'], r['MAX'], r['MODSEQ']))
        # two at once, of which one is known
        self.assertEqual([n for n in of if 11 <= of[n] < top - 1], found(
            'MODSEQ 11', 'NOT MODSEQ %d' % (top - 1), '1:60'))
        self.assertEqual([n for n in of if of[n] < 11 or of[n] == top], found(
            'OR NOT MODSEQ 11 MODSEQ %d' % top))


class Forms(StoreHouse):
    def setUp(self):
        super().setUp()
        self.begin()
        self.c = self.imap()

    def search(self, *parts):
        return sorted(self.c.ok(*parts).search())

    def modseqs(self, *keys):
        """Those of messages that have some; else they are refused"""
        if 'modseq' in self.capabilities:
            return keys
        self.c.ok('SELECT INBOX')
        for text in keys:
            self.c.bad('SEARCH ' + text)
        return ()

    def test_recent(self):
        """RECENT, NEW and OLD of two sessions"""
        self.c.append('INBOX', b'a: 1\r\n\r\n')
        self.c.append('INBOX', b'a: 2\r\n\r\n', ['\\Seen'])
        self.c.ok('SELECT INBOX')
        other = self.imap()
        other.append('INBOX', b'a: 3\r\n\r\n')
        other.append('INBOX', b'a: 4\r\n\r\n', ['\\Seen'])
        self.c.ok('NOOP')
        two = self.imap(select='INBOX')
        for c, recent in ((self.c, {1, 2, 3, 4}), (two, set())):
            for key, want in (('RECENT', recent),
                              ('OLD', {1, 2, 3, 4} - recent),
                              ('NEW', recent - {2, 4}),
                              ('NOT RECENT', {1, 2, 3, 4} - recent),
                              ('NOT NEW', {1, 2, 3, 4} - recent | {2, 4})):
                self.assertEqual(want, set(c.ok('SEARCH ' + key).search()),
                                 key)

    def test_numbers(self):
        """a number is the message that it was when the command came"""
        for n in range(5):
            self.c.append('INBOX', b'Subject: m%d\r\n\r\n' % n)
        for verb in ('UID SEARCH', 'UID SORT (ARRIVAL) UTF-8',
                     'UID THREAD REFERENCES UTF-8'):
            self.c.ok('SELECT INBOX')
            exists = self.c.exists
            uids = sorted(self.c.ok('UID SEARCH ALL').search())
            other = self.imap(select='INBOX')
            other.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
            other.ok('EXPUNGE')
            found = self.c.ok(verb + ' 2').one(verb.split()[1]).data
            self.assertEqual([str(uids[1])],
                             re.findall('[0-9]+', repr(found)), verb)
            self.c.ok('NOOP')
            self.assertEqual(exists - 1, self.c.exists)

    def test_charset(self):
        """CHARSET: which there are, and in which a key may be"""
        text = '=?ISO-8859-1?Q?gr=FC=DFe?='
        self.c.append('INBOX', b'Subject: ' + text.encode() + b'\r\n\r\n')
        self.c.append('INBOX', b'Subject: hello\r\n\r\n')
        self.c.ok('SELECT INBOX')
        for how in ('CHARSET UTF-8 ', 'CHARSET "utf-8" ', 'charset utf-8 '):
            self.assertEqual([1], self.search(
                'SEARCH %sSUBJECT ' % how, 'gr\u00fc\u00dfe'.encode()))
        for how in ('', 'CHARSET UTF-8 ', 'CHARSET US-ASCII '):
            self.assertEqual([2], self.search('SEARCH %sSUBJECT HELL' % how))
        r = self.c.no('SEARCH CHARSET ISO-8859-7 SUBJECT x',
                      code='BADCHARSET')
        self.assertIn('UTF-8', r.codedata)
        self.c.bad('SEARCH CHARSET UTF-8 SUBJECT ', b'\xff')
        self.c.bad('SEARCH CHARSET UTF-8')
        self.c.bad('SEARCH CHARSET')

    def test_syntax(self):
        """what is no key"""
        self.c.append('INBOX', b'a: 1\r\n\r\n')
        self.c.ok('SELECT INBOX')
        for text in ('', ' ', 'FOO', 'NOT', 'OR ALL', 'OR', '(', '()', 'ALL)',
                     '(ALL', 'ALL  ALL', 'ON 1-1-2020', 'ON 32-Jan-2020',
                     'ON 1-Foo-2020', 'ON 29-Feb-2023', 'SINCE',
                     'LARGER x', 'LARGER -1', 'LARGER 99999999999999999999',
                     'KEYWORD \\Seen', 'KEYWORD (', 'HEADER x', 'HEADER',
                     'FROM', 'UID', 'UID 0', 'UID x', '0', '1,,2', 'MODSEQ',
                     'MODSEQ x', 'RETURN (MID) ALL', 'RETURN MIN ALL',
                     'RETURN (MIN)', 'FUZZY ALL', 'OLDER 1',
                     'MODSEQ "/flags/\\\\Seen" foo 1', '"ALL"'):
            self.c.bad('SEARCH ' + text)
            self.c.ok('NOOP')
        for text in ('1', '*', '1:*', 'UID 1:*', 'UID 7:*', 'all', 'NoT UID 9',
                     'ON "1-Jan-2030" OR ALL ALL ALL',
                     'OR NOT ALL ((((((ALL))))))', 'LARGER 0',
                     'SMALLER 4294967295', 'UNKEYWORD x', 'NOT NOT ALL',
                     'HEADER A ""') + self.modseqs(
                         'MODSEQ 1', 'MODSEQ 0',
                         'MODSEQ "/flags/\\\\Seen" all 1'):
            want = [] if text.startswith('ON') else [1]
            self.assertEqual(want, self.search('SEARCH ' + text), text)
        self.assertEqual([], self.search('SEARCH 5'))
        self.c.bad('SEARCH ' + '(' * 500 + 'ALL' + ')' * 500)
        self.c.bad('SEARCH ' + 'NOT ' * 2001 + 'NOT FOO')
        self.c.bad('SEARCH ' + 'OR ALL ' * 1100 + 'ALL')
        self.c.no('SEARCH ' + ' '.join('TEXT a%d' % n for n in range(100)),
                  code='LIMIT')
        self.assertEqual([1], self.search(
            'SEARCH OR ' + 'NOT ' * 40 + 'ALL ALL'))
        self.assertEqual([1], self.search('SEARCH ' + 'ALL ' * 900 + 'ALL'))

    def test_empty(self):
        """an empty mailbox: nothing is found, nothing refused"""
        self.c.ok('SELECT INBOX')
        for text in ('ALL', 'UID 1:*', 'TEXT x', 'SENTON 1-Jan-2020', 'NEW',
                     'NOT ALL') + self.modseqs('MODSEQ 1'):
            self.assertEqual([], self.search('SEARCH ' + text))
            self.assertEqual([], self.search('UID SEARCH ' + text))

    def test_without_text(self):
        """keys that need no text where there is no summary: each message is
        read once for its Date"""
        date = b'Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n'

        def one(n):
            return (date if n % 2 else b'') + b'Subject: %d\r\n\r\n' % n
        client = self.store.client()
        box = client.mailbox('joe')['id']
        for n in range(1, 30):
            client.add('joe', box, one(n))
        client.close()
        self.c.ok('SELECT INBOX')
        odd = list(range(1, 30, 2))
        self.assertEqual(odd, self.search('SEARCH SENTON 7-Feb-1994'))
        self.assertEqual(odd, self.search('SEARCH SENTBEFORE 8-Feb-1994 '
                                          'SENTSINCE 7-Feb-1994 SMALLER 99'))
        self.assertEqual(odd[:3], self.search('SEARCH 1:6 SENTON 7-Feb-1994'))


if __name__ == '__main__':
    atf.main()
