#!/usr/bin/env python3
"""SORT, ESORT and THREAD (RFC 5256, 5957, 5267): by the storage and without
it, against an oracle that knows what the messages were made of."""

import base64
import datetime
import json
import os
import random
import re
import sys
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import LEVEL                                # noqa: E402
from imapclient import set_of                           # noqa: E402
from searching import ALL, Between, OFFLOAD, Searching, everywhere  # noqa: E402
import atf                                              # noqa: E402

WORDS = ('apple', 'Banana', 'banana split', '\u00e9clair', 'Zebra', 'zeal',
         'gr\u00fc\u00dfe', '\u0436\u0443\u043a', '\u6f22\u5b57', 'b')
CRITERIA = ('ARRIVAL', 'CC', 'DATE', 'DISPLAYFROM', 'DISPLAYTO', 'FROM',
            'SIZE', 'SUBJECT', 'TO')
MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split()
UTC = datetime.timezone.utc


def fold(text):
    return unicodedata.normalize('NFKD', text.casefold()).encode()


def encoded(text):
    if text.isascii():
        return text.encode()
    return ('=?utf-8?b?%s?=' % base64.b64encode(text.encode()).decode()
            ).encode()


def mail_date(d):
    return ('%d %s %d %s' % (d.day, MONTHS[d.month - 1], d.year, d.strftime(
        '%H:%M:%S %z'))).encode()


class Letter:
    """keys: by criterion, what it is sorted by"""

    def __init__(self, rnd):
        self.rnd = rnd
        lines = [b'X-Fill: ' + b'x' * rnd.randrange(30)]
        zone = datetime.timezone(datetime.timedelta(
            minutes=rnd.choice((0, -480, 330))))
        self.arrival = datetime.datetime(
            2024, 2, 28, rnd.randrange(24), tzinfo=UTC).astimezone(zone)
        self.keys = dict.fromkeys(CRITERIA, b'')
        self.sent = self.arrival
        if rnd.random() < 0.8:
            self.sent = datetime.datetime(
                2024, 2, rnd.randrange(26, 30), rnd.randrange(24),
                tzinfo=UTC).astimezone(zone)
            lines.append(b'Date: ' + mail_date(self.sent))
        if rnd.random() < 0.9:
            self.subject(lines)
        for field in 'From', 'To', 'Cc':
            if rnd.random() < 0.8:
                self.address(lines, field)
        self.bytes = b'\r\n'.join(lines) + b'\r\n\r\n' + (
            b'x' * rnd.randrange(5))
        self.keys['ARRIVAL'] = self.arrival
        self.keys['DATE'] = self.sent
        self.keys['SIZE'] = len(self.bytes)

    def subject(self, lines):
        text = self.rnd.choice(WORDS)
        self.keys['SUBJECT'] = fold(text)
        before = self.rnd.choice((b'', b'', b'Re: ', b'[list] ', b'FWD: Re: ',
                                  b'fw[2]: [x] '))
        after = self.rnd.choice((b'', b'', b' (fwd)'))
        lines.append(b'Subject: ' + before + encoded(text) + after)

    def address(self, lines, field):
        local = self.rnd.choice(('ann', 'Bob', 'carl', 'dora.x'))
        name = self.rnd.choice(WORDS)
        how = self.rnd.randrange(4)
        if how == 0:
            value, name = local.encode() + b'@Example.org', local + (
                '@example.org')
        elif how == 1:
            value = encoded(name) + b' <' + local.encode() + b'@x>, y@z'
        elif how == 2 and name.isascii():
            value = ('"%s" <%s@x>' % (name, local)).encode()
        else:
            value, name = ('%s@x (%s)' % (local, 'c')).encode(), None
        if name is None:
            name = local + '@x'
            value = value.partition(b' ')[0]
        lines.append(field.encode() + b': ' + value)
        self.keys[field.upper()] = fold(local)
        if field != 'Cc':
            self.keys['DISPLAY' + field.upper()] = fold(name)


class Sorting(Searching):
    off = ()

    def store_start(self):
        self.store.start(*(a for c in self.off for a in ('-D', c)))

    def fill_with(self, messages, gone=()):
        """[(bytes, arrival)]"""
        def fill(client):
            box = client.mailbox('joe')['id']
            for data, date in messages:
                client.add('joe', box, data, date=date.isoformat())
            if gone:
                client.expunge('joe', box, set_of(sorted(gone)))
        return fill


class Sort(Sorting):
    def begin_sort(self, seed, n=40):
        self.rnd = random.Random(seed)
        letters = [Letter(self.rnd) for _ in range(n)]
        gone = set(self.rnd.sample(range(1, n + 1), n // 5))
        self.begin(ALL, prepare=self.fill_with(
            [(m.bytes, m.arrival) for m in letters], gone))
        self.c = self.imap(select='INBOX')
        self.c.learn()
        self.letters = {u: m for u, m in enumerate(letters, 1)
                        if u not in gone}
        self.assertEqual(sorted(self.letters), self.c.uids)

    def oracle(self, by, uids):
        found = sorted(uids)
        for name, reverse in reversed(by):
            found.sort(key=lambda u: self.letters[u].keys[name],
                       reverse=reverse)
        return found

    def criteria(self):
        return [(name, self.rnd.random() < 0.5) for name in self.rnd.sample(
            CRITERIA, self.rnd.randrange(1, 4))]

    def check(self, by, key='ALL', fits=lambda m: True):
        text = '(%s) UTF-8 %s' % (' '.join(
            'REVERSE ' * r + n for n, r in by), key)
        want = self.oracle(by, [u for u, m in self.letters.items()
                                if fits(m)])
        seqs = [self.c.uids.index(u) + 1 for u in want]
        for uid, numbers in (True, want), (False, seqs):
            c = 'UID ' * uid + 'SORT '
            self.assertEqual((numbers, None),
                             self.c.ok(c + text).one('SORT').data, text)
        ends = {'MIN': seqs[0], 'MAX': seqs[-1]} if seqs else {}
        self.assertEqual(dict(ends, COUNT=len(seqs), **(
            {'ALL': seqs} if seqs else {})), self.c.ok(
                'SORT RETURN (COUNT MIN ALL MAX) ' + text).esearch(), text)

    def checks(self, rounds):
        for name in CRITERIA:
            self.check([(name, False)])
            self.check([(name, True)])
        for _ in range(rounds):
            size = len(self.rnd.choice(list(self.letters.values())).bytes)
            self.check(self.criteria(), *self.rnd.choice((
                ('ALL',),
                ('LARGER %d' % size, lambda m: len(m.bytes) > size),
                ('SUBJECT apple',
                 lambda m: b'apple' in m.keys['SUBJECT']),
                ('DRAFT', lambda m: False))))

    @atf.timeout(300)
    def test_on_off(self):
        """each criterion, random ones; by the storage, then here"""
        self.begin_sort(1)
        self.checks(20)
        self.assertLess(80, self.asked())
        self.assertEqual(0, self.stat('searches-refused'))
        self.c = self.mode(*OFFLOAD)
        self.c.learn()
        asked = self.asked()
        self.checks(20)
        self.assertEqual(asked, self.asked())
        self.c = self.mode('search', 'cache', 'range')
        self.c.learn()
        self.checks(5)

    @atf.timeout(300)
    def test_level0(self):
        """a storage that has no summaries and cannot sort"""
        self.off = ALL | set(OFFLOAD)
        self.begin_sort(2)
        self.checks(20)
        self.assertEqual(0, self.asked())

    def test_some_criteria(self):
        """a storage that sorts by some only"""
        def edit(path, status, data):
            if not path.endswith('/search'):
                doc = json.loads(data)
                doc['capabilities']['sort'] = {'keys': ['date', 'cc', 'new']}
                doc['capabilities']['thread'] = {'algorithms': ['new']}
                data = json.dumps(doc).encode()
            return status, data
        self.begin_sort(3)
        proxy = self.between(edit)
        self.checks(10)
        asked = [s['sort'] for s in proxy.searches if 'sort' in s]
        self.assertLessEqual({c['by'] for s in asked for c in s},
                             {'date', 'cc'})
        self.assertTrue(asked)
        self.c.ok('THREAD REFERENCES UTF-8 ALL')
        self.assertFalse([s for s in proxy.searches if 'thread' in s])

    def between(self, edit):
        proxy = Between(self.port, edit)
        self.addCleanup(proxy.close)
        self.storage_line = self.house.storage.replace(
            ':%d/' % self.port, ':%d/' % proxy.server_address[1])
        self.c.close()
        self.c = self.mode()
        self.c.learn()
        return proxy

    def test_nonsense(self):
        """orders that are none: it is done here"""
        bad = (b'{"order":[1,2,3]}\n{"end":true}\n',
               b'{"order":[7,7,7]}\n{"end":true}\n',
               b'{"order":[0]}\n{"end":true}\n', b'{"order":"1"}\n',
               b'{"uids":"1:999"}\n{"end":true}\n', b'{"end":true}\n',
               b'{"order":[%s]}\n{"end":true}\n' % b','.join(
                   [b'1', b'3'] * 300))
        turn = iter(range(1 << 30))

        def edit(path, status, data):
            if not path.endswith('/search') or b'"order"' not in data:
                return status, data
            head = data.split(b'\n')[0]
            return 200, head + b'\n' + bad[next(turn) % len(bad)]
        self.begin_sort(4)
        self.between(edit)
        self.checks(5)
        self.assertLess(50, self.stat('searches-refused'))

    def test_strangers(self):
        """messages among others that were not asked for are left out"""
        def edit(path, status, data):
            return status, data.replace(b'"order":[', b'"order":[999,500,')
        self.begin_sort(5)
        self.between(edit)
        self.checks(5)
        self.assertEqual(0, self.stat('searches-refused'))

    @everywhere
    def test_modseq(self):
        """MODSEQ, of all that is told, or of the one that is"""
        self.begin_sort(6, 12)
        c = self.c
        c.ok('STORE 3 +FLAGS (x)')
        m = {n: d['MODSEQ'] for n, d in c.ok('FETCH 1:* MODSEQ').fetched()}
        found, modseq = c.ok('SORT (SIZE) UTF-8 1:4 MODSEQ 1').one(
            'SORT').data
        self.assertEqual(([1, 2, 3, 4], m[3]), (sorted(found), modseq))
        self.assertEqual({'MIN': found[0], 'MODSEQ': m[found[0]]}, c.ok(
            'SORT RETURN (MIN) (SIZE) UTF-8 1:4 MODSEQ 1').esearch())
        self.assertEqual({'MAX': found[0], 'MODSEQ': m[found[0]]}, c.ok(
            'SORT RETURN (MAX) (REVERSE SIZE REVERSE ARRIVAL) UTF-8 %d '
            'MODSEQ 1' % found[0]).esearch())
        self.assertEqual(([], None), c.ok(
            'SORT (SIZE) UTF-8 DRAFT MODSEQ 1').one('SORT').data)

    @everywhere
    def test_forms(self):
        """what is ordered, what is empty, what is none"""
        self.begin_sort(6, 12)
        c = self.c
        self.check([('SUBJECT', False), ('SIZE', True)])
        r = c.ok('UID THREAD REFERENCES UTF-8 ALL').one('THREAD')
        self.assertEqual(sorted(self.letters), sorted(
            map(int, re.findall(rb'\d+', r.raw))))
        c.no('SORT (SIZE) KOI8-R ALL', code='BADCHARSET')
        c.no('THREAD REFERENCES KOI8-R ALL', code='BADCHARSET')
        c.ok('CREATE empty')
        c.ok('SELECT empty')
        self.assertEqual([], c.ok('SORT (DATE) UTF-8 ALL').one('SORT').data[0])
        self.assertEqual([], c.ok('THREAD REFERENCES UTF-8 ALL').one(
            'THREAD').data)
        self.assertEqual({'COUNT': 0}, c.ok(
            'SORT RETURN (MIN COUNT) (DATE) UTF-8 ALL').esearch())

    def test_headers(self):
        """long ones, ones without an end, where no summary helps"""
        now = datetime.datetime(2024, 1, 1, tzinfo=UTC)
        pad = b''.join(b'X-%d: %s\r\n' % (n, b'y' * 900) for n in range(60))
        many = [(b'Subject: c\r\n' + pad + b'\r\nx', now),
                (pad + b'Subject: b\r\n\r\nSubject: z\r\n', now),
                (b'Subject: a', now), (b'\r\nSubject: 0\r\n', now),
                (b'Subject: d\n\nSubject: 1\n', now)]
        self.off = ('cache',) + OFFLOAD
        self.begin(ALL, prepare=self.fill_with(many))
        c = self.imap(select='INBOX')
        for _ in range(2):
            self.assertEqual([4, 3, 2, 1, 5], c.ok(
                'SORT (SUBJECT) UTF-8 ALL').one('SORT').data[0])
        self.assertEqual([[1], [2], [3], [4], [5]], c.ok(
            'THREAD ORDEREDSUBJECT UTF-8 ALL').one('THREAD').data)


class Node:
    def __init__(self, n, root, parent, sent):
        self.n, self.parent, self.sent, self.children = n, parent, sent, []
        self.root = root or self
        if parent:
            parent.children.append(self)

    def chain(self):
        return (self.parent.chain() if self.parent else []) + [self]


class Thread(Sorting):
    def conversations(self, seed, n=60):
        """A forest; message i is self.nodes[i - 1]"""
        rnd = self.rnd = random.Random(seed)
        times = rnd.sample(range(n * 10), n)
        base = datetime.datetime(2024, 2, 28, tzinfo=UTC)
        self.nodes, self.gone = [], set(rnd.sample(range(1, n + 1), n // 4))
        for i in range(n):
            parent = (rnd.choice(self.nodes) if self.nodes and
                      rnd.random() < 0.8 else None)
            self.nodes.append(Node(i + 1, parent and parent.root, parent,
                                   base + datetime.timedelta(
                                       minutes=times[i])))
        return [(self.message(m), base) for m in self.nodes]

    def message(self, m):
        lines = [b'Message-ID: <%d@x>' % m.n, b'Date: ' + mail_date(m.sent)]
        subject = b'Re: ' * (m.parent is not None) + b'subject %d' % m.root.n
        lines.append(b'Subject: ' + subject)
        refs = m.chain()[:-1]
        if refs and m.parent.n not in self.gone and self.rnd.random() < 0.3:
            lines.append(b'In-Reply-To: <%d@x>' % m.parent.n)
        elif refs:
            lines.append(b'References: ' + b'\r\n '.join(
                b'<%d@x>' % r.n for r in refs))
        self.rnd.shuffle(lines)
        return b'\r\n'.join(lines) + b'\r\n\r\nx\r\n'

    def pruned(self, m, root=True):
        """[(date, members)]: the thread below, without who is not there"""
        kids = sorted(k for c in m.children for k in self.pruned(c, False))
        tails = [k for _, k in kids]
        if m.n not in self.gone:
            head = [self.seq[m.n]]
            return [(m.sent, head + (tails[0] if len(tails) == 1 else
                                     tails))]
        if root and len(kids) > 1:
            return [(kids[0][0], tails)]
        return kids

    def references(self):
        return [k for _, k in sorted(k for m in self.nodes if not m.parent
                                     for k in self.pruned(m))]

    def ordered_subject(self):
        groups = {}
        for m in sorted(self.nodes, key=lambda m: m.sent):
            if m.n not in self.gone:
                groups.setdefault(m.root, []).append(self.seq[m.n])
        return [g if len(g) < 3 else g[:1] + [[n] for n in g[1:]]
                for g in groups.values()]

    def begin_threads(self, seed):
        messages = self.conversations(seed)
        self.begin(ALL, prepare=self.fill_with(messages, self.gone))
        self.c = self.imap(select='INBOX')
        self.c.learn()
        self.seq = {u: n for n, u in enumerate(self.c.uids, 1)}

    def uids(self, threads):
        return [self.uids(t) if isinstance(t, list) else
                self.c.uids[t - 1] for t in threads]

    def check(self):
        for name, want in (('REFERENCES', self.references()),
                           ('ORDEREDSUBJECT', self.ordered_subject())):
            cmd = 'THREAD %s UTF-8 ' % name
            got = self.c.ok(cmd + 'ALL').one('THREAD').data
            self.assertEqual(want, got)
            self.assertEqual(self.uids(want), self.c.ok(
                'UID ' + cmd + 'ALL').one('THREAD').data)
            self.assertEqual([[3]], self.c.ok(cmd + '3').one('THREAD').data)
            self.assertEqual([], self.c.ok(cmd + 'DRAFT').one('THREAD').data)

    @atf.timeout(300)
    def test_on_off(self):
        """by the storage, then here"""
        self.begin_threads(1)
        self.check()
        self.assertEqual(6, self.asked())
        self.assertEqual(0, self.stat('searches-refused'))
        self.c = self.mode('thread')
        self.c.learn()
        asked = self.asked()
        self.check()
        self.assertEqual(asked, self.asked())

    @atf.timeout(300)
    def test_level0(self):
        """a storage that has no summaries"""
        self.off = LEVEL[3] | set(OFFLOAD)
        self.begin_threads(2)
        self.check()
        self.assertEqual(0, self.asked())

    def test_nonsense(self):
        """what is no thread does not reach the client"""
        bad = (b'[]', b'[[],[]]', b'[1,[2],3]', b'[0]', b'[1,[],[]]',
               b'[4294967296]', b'[99999999999999999999999999]', b'[-1]',
               b'["1"]', b'7', b'null', b'[[[[1]]]', b'[1.5]')
        turn = iter(range(1 << 30))

        def edit(path, status, data):
            if not path.endswith('/search') or b'"thread"' not in data:
                return status, data
            head = data.split(b'\n')[0]
            return 200, head + b'\n{"thread":%s}\n{"end":true}\n' % (
                bad[next(turn) % len(bad)])
        self.begin_threads(3)
        proxy = Between(self.port, edit)
        self.addCleanup(proxy.close)
        self.storage_line = self.house.storage.replace(
            ':%d/' % self.port, ':%d/' % proxy.server_address[1])
        self.c.close()
        self.c = self.mode()
        self.c.learn()
        for _ in range(3):
            self.check()
        self.assertEqual(18, self.stat('searches-refused'))

    def test_deep(self):
        """a conversation longer than a storage likes to nest"""
        self.rnd = random.Random(4)
        base = datetime.datetime(2024, 2, 28, tzinfo=UTC)
        self.nodes, self.gone, last = [], set(), None
        for i in range(260):
            m = Node(i + 1, last and last.root, last,
                     base + datetime.timedelta(minutes=i))
            self.nodes.append(m)
            # each second one is a leaf
            last = m if i % 2 == 0 else last
        self.begin(ALL, prepare=self.fill_with(
            [(self.message(m), base) for m in self.nodes]))
        self.c = self.imap(select='INBOX')
        self.c.learn()
        self.seq = {u: n for n, u in enumerate(self.c.uids, 1)}
        self.check()
        self.c = self.mode('thread')
        self.c.learn()
        self.check()


if __name__ == '__main__':
    atf.main()
