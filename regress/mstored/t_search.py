#!/usr/bin/env python3
"""search, sort, thread: against a model, with the index and without."""

import json
import os
import random
import select
import sqlite3
import threading
import time
import unittest

from store import SLOW, Server, StoreTest, atf, box, members, uids

WORDS = ('lamp table chair window door floor roof garden kitchen cellar '
         'stairs Stra\u00dfe \u00e4pfel na\u00efve \u4e2d\u6587\u5b57').split()


def mail(subject='none', text='none', sender='joe@example.org', **more):
    lines = ['From: ' + sender, 'Subject: ' + subject]
    lines += ['%s: %s' % (name.replace('_', '-'), value)
              for name, value in more.items()]
    lines += ['Content-Type: text/plain; charset=utf-8', '', text, '']
    return '\r\n'.join(lines).encode()


class Searching(StoreTest):
    args = ('-o', 'index=2')

    account = 'joe'

    def search(self, query=None, m=None, **more):
        body = dict(more)
        if query is not None:
            body['query'] = query
        return self.c.ask('POST', box(self.account, m or self.m) + '/search',
                          body)

    def found(self, query=None, **more):
        """(those that match, those that may)"""
        header, rows = self.search(query, **more).lines()
        sure = [u for r in rows for u in (uids(r) if 'uids' in r or
                                          'uid' in r else [])]
        maybe = [u for r in rows if 'maybe' in r
                 for u in members(r['maybe'])]
        self.assertEqual(header['superset'], bool(maybe))
        self.assertEqual(header['total'], len(sure) + len(maybe))
        return sure, maybe

    def sure(self, query=None, **more):
        sure, maybe = self.found(query, **more)
        self.assertEqual(maybe, [])
        return sure

    def indexed(self):
        """Waits until the index knows everything"""
        store = sqlite3.connect(self.server.folder + '/store.db')
        index = sqlite3.connect(self.server.folder + '/index.db')
        last, = store.execute('SELECT max(no) FROM content').fetchone()
        end = time.monotonic() + 30 * SLOW
        done = None
        while done != last:
            self.assertLess(time.monotonic(), end, (done, last))
            time.sleep(.05)
            done, = index.execute("SELECT value FROM meta "
                                  "WHERE name = 'done'").fetchone()
        store.close()
        index.close()


class Search(Searching):
    def setUp(self):
        super().setUp()
        self.m = self.inbox()

    def fill(self):
        self.c.add('joe', self.m, mail('Lamps', 'a lamp and a table',
                                       Date='Mon, 2 Nov 2026 23:30:00 -0500'),
                   flags=['\\Seen', 'Work'],
                   date='2026-11-03T23:59:00-10:00')
        self.c.add('joe', self.m, mail('Chairs', 'two chairs', Bcc='lamp@x'),
                   flags=['\\Flagged', 'work'],
                   date='2026-11-05T00:00:00+00:00')
        self.c.add('joe', self.m, mail('=?utf-8?q?Stra=C3=9Fe?=', 'x' * 5000,
                                       Date='Wed, 4 Nov 2026 01:00:00 +0000'),
                   date='2026-11-04T12:00:00+00:00')

    def queries(self):
        d = {'since': '2026-11-04'}
        return [
            ({'all': True}, [1, 2, 3]),
            ({'flag': '\\Seen'}, [1]), ({'flag': 'WORK'}, [1, 2]),
            ({'flag': 'other'}, []), ({'not': {'flag': '\\seen'}}, [2, 3]),
            ({'and': [{'flag': 'work'}, {'not': {'flag': '\\Seen'}}]}, [2]),
            ({'or': [{'flag': '\\Seen'}, {'larger': 5000}]}, [1, 3]),
            ({'uids': '2:9'}, [2, 3]), ({'smaller': 5000}, [1, 2]),
            (d, [2, 3]), ({'before': '2026-11-04'}, [1]),
            ({'on': '2026-11-03'}, [1]), ({'sentsince': '2026-11-03'}, [3]),
            ({'sentbefore': '2026-11-03'}, [1]),
            ({'senton': '2026-11-02'}, [1]),
            ({'header': ['subject', 'lamp']}, [1]),
            ({'header': ['Bcc', '']}, [2]), ({'header': ['Date', '']}, [1, 3]),
            ({'header': ['Subject', 'STRASSE']}, [3]),
            ({'header': ['Subject', 'la']}, [1]),
            ({'text': 'LAMP'}, [1, 2]), ({'body': 'lamp'}, [1]),
            ({'body': 'a lamp  and'}, [1]), ({'body': 'lamp table'}, []),
            ({'text': ''}, [1, 2, 3]), ({'body': 'ir'}, [2]),
            ({'body': 'xxxxx'}, [3]), ({'body': '"lamp"'}, []),
            ({'not': {'text': 'lamp'}}, [3]),
            ({'and': [{'body': 'lamp'}, {'header': ['Subject', 'Chairs']}]},
             []),
            ({'or': [{'body': 'chairs'}, {'senton': '2026-11-04'}]}, [2, 3]),
            ({'savedsince': '2020-01-01'}, [1, 2, 3]),
            ({'savedbefore': '2020-01-01'}, []),
        ]

    def test_keys(self):
        """Each key, before and after there is an index"""
        self.fill()
        for again in range(2):
            for query, want in self.queries():
                self.assertEqual(self.sure(query), want, query)
                self.assertEqual(self.sure({'not': query}),
                                 [u for u in (1, 2, 3) if u not in want])
                self.assertEqual(self.sure(query, uids='2'),
                                 [2] if 2 in want else [])
            self.indexed()

    def test_header(self):
        """What the header of the answer says"""
        self.fill()
        row = self.c.mailbox('joe')
        header, rows = self.search({'flag': 'work'}).lines()
        self.assertEqual(header, {
            'header': True, 'modseq': row['modseq'], 'uidvalidity':
            row['uidvalidity'], 'uidnext': 4, 'total': 2,
            'highest': row['modseq'] - 1, 'superset': False})
        self.assertEqual(rows, [{'uids': '1:2'}])
        header, rows = self.search({'flag': 'none'}).lines()
        self.assertNotIn('highest', header)
        self.assertEqual(rows, [])
        at = self.c.state('joe', self.m)[3]['modseq']
        self.assertEqual(self.sure({'modseq': at}), [3])
        self.c.patch('joe', self.m, uids='1', add=['x'])
        self.assertEqual(self.sure({'modseq': at}), [1, 3])
        header, rows = self.search(limit=2).lines()
        self.assertEqual((header['total'], rows), (3, [{'uids': '1:2'}]))
        self.assertEqual(self.sure(), [1, 2, 3])

    def test_bad(self):
        """What is no query, and what is too much of one"""
        deep = {'all': True}
        for i in range(31):
            deep = {'not': deep}
        self.assertEqual(self.search(deep).status, 200)
        self.code(self.search({'not': deep}), 422, 'unsupported-search')
        self.code(self.search({'and': [{'all': True}] * 1000}), 422,
                  'unsupported-search')
        self.code(self.search({'or': [{'text': 'abc%d' % i} for i in
                                      range(65)]}), 422,
                  'unsupported-search')
        self.assertEqual(self.search({'or': [{'text': 'abc%d' % i} for i in
                                             range(64)]}).status, 200)
        self.code(self.search({'text': 'x' * 1001}), 422,
                  'unsupported-search')
        for bad in ({}, [], 'x', 1, {'and': []}, {'and': {}}, {'not': 1},
                    {'all': False}, {'flag': 'a b'}, {'flag': '\\Recent'},
                    {'uids': '3:1'}, {'larger': -1}, {'larger': '1'},
                    {'since': '2026-13-01'}, {'since': '1-Feb-2026'},
                    {'header': ['x']}, {'header': ['', 'x']},
                    {'header': 'x'}, {'text': 1}, {'text': None},
                    {'flag': 'a', 'all': True}):
            self.code(self.search(bad), 400, 'bad-request')
        self.code(self.search({'colour': 'red'}), 400, 'unknown-parameter')
        for more in ({'uids': ''}, {'limit': 0}, {'limit': -1}, {'sort': []},
                     {'sort': [1]}, {'sort': [{}]}, {'thread': 1},
                     {'sort': [{'by': 'date', 'reverse': 1}]},
                     {'sort': [{'by': 'date'}], 'thread': 'references'},
                     {'limit': 1, 'thread': 'references'}):
            self.code(self.search(**more), 400, 'bad-request')
        self.code(self.search(colour=1), 400, 'unknown-parameter')
        self.code(self.search(sort=[{'by': 'date', 'x': 1}]), 400,
                  'unknown-parameter')
        self.code(self.search(sort=[{'by': 'colour'}]), 422,
                  'unsupported-search')
        self.code(self.search(thread='colour'), 422, 'unsupported-search')
        self.code(self.search(m='1-1'), 404, 'no-such-mailbox')
        self.account = 'none'
        self.code(self.search(), 404, 'no-such-account')

    def test_model(self):
        """Random queries over random messages, as a model answers them"""
        rng = random.Random(4)
        texts = []
        for i in range(60):
            s = ' '.join(rng.choices(WORDS, k=3))
            b = ' '.join(rng.choices(WORDS, k=8))
            texts.append((s, b))
            self.c.add('joe', self.m, mail(s, b), flags=rng.sample(
                ['\\Seen', '\\Flagged', 'x', 'y'], rng.randrange(4)))
        rows = self.c.state('joe', self.m)
        self.c.expunge('joe', self.m, '7,20:25')

        def fold(s):
            import unicodedata
            return unicodedata.normalize('NFKD', s.casefold())

        def leaf():
            kind = rng.choice(['flag', 'body', 'subject', 'uids', 'larger'])
            if kind == 'flag':
                f = rng.choice(['\\Seen', '\\Flagged', 'x', 'y'])
                return {'flag': f}, lambda u: f in rows[u]['flags']
            if kind == 'uids':
                n = rng.randrange(1, 60)
                return {'uids': '%d:99' % n}, lambda u: u >= n
            if kind == 'larger':
                n = rng.randrange(100, 250)
                return {'larger': n}, lambda u: rows[u]['size'] > n
            w = rng.choice(WORDS)
            at = rng.randrange(len(w))
            w = w[at:at + rng.randrange(1, 5)]
            if kind == 'body':
                return {'body': w}, lambda u: fold(w) in fold(texts[u - 1][1])
            return ({'header': ['Subject', w]},
                    lambda u: fold(w) in fold(texts[u - 1][0]))

        def tree(depth):
            kind = rng.choice(['leaf', 'and', 'or', 'not']) if depth else ''
            if kind in ('and', 'or'):
                subs = [tree(depth - 1) for i in range(rng.randrange(1, 4))]
                join = all if kind == 'and' else any
                return ({kind: [q for q, f in subs]},
                        lambda u: join(f(u) for q, f in subs))
            if kind == 'not':
                q, f = tree(depth - 1)
                return {'not': q}, lambda u: not f(u)
            return leaf()

        there = [u for u in rows if u != 7 and not 20 <= u <= 25]
        for again in range(2):
            for i in range(100):
                q, f = tree(3)
                self.assertEqual(self.sure(q), [u for u in there if f(u)], q)
            self.indexed()

    def test_large(self):
        """Large messages, beyond what the index takes of a text"""
        text = '\r\n'.join('line %d of many' % i for i in range(40000))
        self.c.add('joe', self.m, mail('big', text + '\r\nneedle\r\n'))
        self.c.add('joe', self.m, mail('small', 'needle'))
        self.c.add('joe', self.m, mail('other', 'haystack'))
        for again in range(2):
            self.assertEqual(self.sure({'body': 'needle'}), [1, 2])
            self.assertEqual(self.sure({'header': ['Subject', 'big']}), [1])
            self.assertEqual(self.sure({'text': 'line 39999'}), [1])
            self.indexed()

    def test_gone(self):
        """Expunged: neither found nor in the way; nobody else's is found"""
        self.fill()
        self.c.add('ann', self.c.mailbox('ann')['id'], mail('x', 'secretive'))
        self.indexed()
        self.c.expunge('joe', self.m, '1')
        self.assertEqual(self.sure({'text': 'lamp'}), [2])
        self.assertEqual(self.sure({'text': 'secretive'}), [])
        self.account = 'ann'
        self.assertEqual(self.sure({'text': 'secretive'},
                                   m=self.c.mailbox('ann')['id']), [1])
        to = [{'account': a, 'mailbox': self.c.mailbox(a)['id']}
              for a in ('joe', 'ann', 'eve')]
        self.c.upload(to, mail('all', 'everybody')).lines()
        self.indexed()
        for a in 'joe', 'ann', 'eve':
            self.account = a
            self.assertEqual(len(self.sure({'text': 'everybody'},
                                           m=self.c.mailbox(a)['id'])), 1)

    def test_killed(self):
        """Killed while it fills the index: what is found stays right"""
        rng = random.Random(2)
        for i in range(300):
            self.c.add('joe', self.m, mail('s%d' % i, ' '.join(
                rng.choices(WORDS, k=200)) + (' needle' if i % 50 == 0
                                              else '')))
        want = list(range(1, 300, 50))
        for i in range(4):
            self.c.close()
            self.server.kill()
            self.server.start()
            self.assertEqual(self.sure({'body': 'needle'}), want)
            # somewhere on the way, or at the end
            time.sleep(rng.random())
        self.indexed()
        self.assertEqual(self.sure({'body': 'needle'}), want)

    def test_index_gone(self):
        """Without its index, with a damaged one or another store's: made
        anew"""
        self.fill()
        self.indexed()
        for damage in (lambda f: os.unlink(f),
                       lambda f: open(f, 'w').write('x' * 9000),
                       lambda f: self.sql(f, "UPDATE meta SET value = 1 "
                                          "WHERE name = 'epoch'"),
                       lambda f: self.sql(f, "UPDATE meta SET value = 99 "
                                          "WHERE name = 'version'")):
            self.c.close()
            self.server.stop()
            damage(self.server.folder + '/index.db')
            self.server.start()
            self.assertEqual(self.sure({'text': 'lamp'}), [1, 2])
            self.indexed()
            self.assertEqual(self.sure({'text': 'lamp'}), [1, 2])

    def test_stale(self):
        """An index that is mostly about what is gone is made anew"""
        self.fill()
        self.indexed()
        self.c.close()
        self.server.stop()
        self.sql(self.server.folder + '/index.db',
                 "UPDATE meta SET value = 100000 WHERE name = 'count'")
        self.server.start()
        end = time.monotonic() + 30 * SLOW
        while 'made anew' not in self.server.logged():
            self.assertLess(time.monotonic(), end)
            time.sleep(.05)
        self.indexed()
        self.assertEqual(self.sure({'text': 'lamp'}), [1, 2])
        db = sqlite3.connect(self.server.folder + '/index.db')
        self.assertEqual(db.execute("SELECT value FROM meta WHERE "
                                    "name = 'count'").fetchone(), (3,))
        db.close()

    def sql(self, f, text):
        db = sqlite3.connect(f)
        db.execute(text)
        db.commit()
        db.close()


class Needed(Searching):
    """What nobody searches is not indexed"""

    args = ()

    def done(self):
        index = sqlite3.connect(self.server.folder + '/index.db')
        try:
            return index.execute(
                "SELECT value FROM meta WHERE name = 'done'").fetchone()[0]
        finally:
            index.close()

    def test_needed(self):
        self.m = self.inbox()
        for n in range(3):
            self.c.add(self.account, self.m, mail(text='lamp %d' % n))
        self.search({'flag': '\\Seen'}).lines()
        time.sleep(1.5 * SLOW)          # it looks each second
        self.assertEqual(0, self.done())
        self.assertEqual([{'uids': '1:3'}],
                         self.search({'text': 'lamp'}).lines()[1])
        self.indexed()
        self.c.add(self.account, self.m, mail(text='lamp'))
        self.indexed()


class Maybe(Searching):
    """A search that may read nothing: what the index proposes is all"""

    args = ('-o', 'search-read=0', '-o', 'index=2')

    def test_maybe(self):
        self.m = self.inbox()
        for i in range(20):
            self.c.add('joe', self.m, mail('s%d' % i, 'lamp' if i % 5 == 0
                                           else 'table'),
                       flags=['x'] if i % 2 else [])
        everything = list(range(1, 21))
        self.assertEqual(self.found({'text': 'lamp'}), ([], everything))
        self.indexed()
        lamps = [1, 6, 11, 16]
        self.assertEqual(self.found({'text': 'lamp'}), ([], lamps))
        self.assertEqual(self.found({'text': 'nowhere'}), ([], []))
        self.assertEqual(self.found({'text': 'la'}), ([], everything))
        sure, maybe = self.found({'or': [{'flag': 'x'}, {'body': 'lamp'}]})
        self.assertEqual(sure, [u for u in everything if u % 2 == 0])
        self.assertEqual(maybe, [1, 11])
        sure, maybe = self.found({'not': {'body': 'lamp'}})
        self.assertEqual(sure, [u for u in everything if u not in lamps])
        self.assertEqual(maybe, lamps)
        # the limit does not count what may not be there
        self.assertEqual(self.found({'text': 'lamp'}, limit=1), ([], lamps))
        header, rows = self.search({'or': [{'uids': '2'}, {'body': 'lamp'}]},
                                   sort=[{'by': 'arrival', 'reverse': True}]
                                   ).lines()
        self.assertTrue(header['superset'])
        self.assertEqual(sorted(rows[0]['order']), [1, 2, 6, 11, 16])
        self.assertEqual(rows[1:], [{'maybe': '1,6,11,16'}])
        self.code(self.search({'body': 'lamp'}, thread='references'), 422,
                  'unsupported-search')


class Sort(Searching):
    def setUp(self):
        super().setUp()
        self.m = self.inbox()

    def order(self, *by, **more):
        header, rows = self.search(sort=[
            {'by': b.lstrip('-'), 'reverse': b[0] == '-'} for b in by],
            **more).lines()
        return sum((r['order'] for r in rows), [])

    def test_criteria(self):
        for n, (subject, sender, to, cc, sent, arrived) in enumerate((
                ('Re: b', 'Zoe <ann@x>', 'm@x', '', '3 Nov 2026', 5),
                ('a', 'bob@x', 'Al <z@x>', 'c@x', '1 Nov 2026', 3),
                ('[x] B', '=?utf-8?q?=C3=84?= <cy@x>', '', 'b@x', '', 4))):
            fields = {'To': to, 'Cc': cc}
            if sent:
                fields['Date'] = sent + ' 00:00:00 +0000'
            self.c.add('joe', self.m, mail(subject, 'x' * (900 - 300 * n), sender,
                                           **{k: v for k, v in fields.items()
                                              if v}),
                       date='2026-11-0%dT00:00:00+00:00' % arrived)
        for again in range(2):
            for by, want in (
                    (['arrival'], [2, 3, 1]), (['-arrival'], [1, 3, 2]),
                    (['date'], [2, 1, 3]), (['-size'], [1, 2, 3]),
                    (['subject'], [2, 1, 3]), (['-subject'], [1, 3, 2]),
                    (['subject', '-date'], [2, 3, 1]),
                    (['from'], [1, 2, 3]), (['to'], [3, 1, 2]),
                    (['cc'], [1, 3, 2]), (['displayfrom'], [3, 2, 1]),
                    (['displayto'], [3, 2, 1])):
                self.assertEqual(self.order(*by), want, by)
            self.assertEqual(self.order('arrival', query={'uids': '1,3'}),
                             [3, 1])
            self.assertEqual(self.order('arrival', limit=1), [2])
            self.indexed()

    def test_many(self):
        """More than fit in a line, in order"""
        self.c.upload([{'account': 'joe', 'mailbox': self.m}] * 1000,
                      mail()).lines()
        for n in range(5):
            self.c.copy('joe', self.m, '1:1000', self.m).lines()
        header, rows = self.search(sort=[{'by': 'size'}]).lines()
        self.assertEqual([len(r['order']) for r in rows], [4000, 2000])
        self.assertEqual(sum((r['order'] for r in rows), []),
                         list(range(1, 6001)))


class Thread(Searching):
    def setUp(self):
        super().setUp()
        self.m = self.inbox()

    def threads(self, algorithm, **more):
        header, rows = self.search(thread=algorithm, **more).lines()
        return [r['thread'] for r in rows]

    def post(self, n, subject, *refs):
        more = {'References': ' '.join('<%s@x>' % r for r in refs)} if refs \
            else {}
        self.c.add('joe', self.m, mail(
            subject, Message_ID='<%d@x>' % n,
            Date='%d Nov 2026 00:00:00 +0000' % n, **more))

    def test_threads(self):
        self.post(1, 'one')
        self.post(2, 'two')
        self.post(3, 'Re: one', 1)
        self.post(4, 'Re: one', 1, 3)
        self.post(5, 'other', 1, 3)
        self.post(6, 'Re: two', 77)
        self.post(7, 'lost', 88)
        self.post(8, 'lost too', 88)
        for again in range(2):
            self.assertEqual(self.threads('references'), [
                [1, 3, [4], [5]], [2, 6], [[7], [8]]])
            self.assertEqual(self.threads('orderedsubject'), [
                [1, [3], [4]], [2, 6], [5], [7], [8]])
            self.assertEqual(self.threads('references', uids='3:5'),
                             [[3, [4], [5]]])
            self.assertEqual(self.threads('references',
                                          query={'text': 'lost'}),
                             [[[7], [8]]])
            self.indexed()
        self.assertEqual(self.threads('references', uids='100'), [])

    def test_too_long(self):
        """A thread that does not fit in a line is the frontend's"""
        self.c.upload([{'account': 'joe', 'mailbox': self.m}] * 1000,
                      mail('one')).lines()
        for n in range(13):
            self.c.copy('joe', self.m, '1:1000', self.m).lines()
        self.code(self.search(thread='orderedsubject'), 422,
                  'unsupported-search')


class Stop(Searching):
    def test_stop(self):
        """Searches that wait do not keep the server from ending"""
        self.m = self.inbox()
        text = ' '.join(random.Random(1).choices(WORDS, k=15000))
        for i in range(100):
            self.c.add('joe', self.m, mail('s', text))
        peers = [self.server.client() for i in range(30)]
        for c in peers:
            body = b'{"query":{"body":"nothing of that"}}'
            c.send(c.head('POST', box('joe', self.m) + '/search',
                          {'Content_Length': len(body)}) + body)
        start = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - start, 20 * SLOW)
        for c in peers:
            c.close()


class Fair(Searching):
    def start_search(self, account, m, query):
        c = self.server.client()
        self.addCleanup(c.close)
        body = json.dumps({'query': query}).encode()
        c.send(c.head('POST', box(account, m) + '/search',
                      {'Content_Length': len(body)}) + body)
        return c

    def test_queue(self):
        """One account's searches do not keep another's waiting"""
        self.m = self.inbox()
        ann = self.c.mailbox('ann')['id']
        self.c.add('ann', ann, mail('lamp'))
        text = ' '.join(random.Random(1).choices(WORDS, k=15000))
        for i in range(60):
            self.c.add('joe', self.m, mail('s', text))
        peers = [self.start_search('joe', self.m, {
            'body': 'nothing of that'}) for i in range(40)]
        self.assertEqual(peers[0].answer('POST').status, 200)
        self.account = 'ann'
        self.assertEqual(self.sure({'text': 'lamp'}, m=ann), [1])
        ready = select.select([c.sock for c in peers[1:]], [], [], 0)[0]
        self.assertLess(len(ready), 25)
        for c in peers[1:]:
            self.assertEqual(c.answer('POST').status, 200)

    def test_accounts(self):
        """Many accounts at once, more than there are workers: each gets
        what is its"""
        failed, boxes = [], {}
        for k in range(7):
            name = 'user%d' % k
            boxes[name] = self.c.mailbox(name)['id']
            for i in range(12):
                self.c.add(name, boxes[name], mail(
                    '%s %s' % (WORDS[(i * 5 + k) % 12], name),
                    '=?euc-jp?b?xvzL3A==?= %s%d' % (WORDS[i], k)))

        def run(name):
            c, k, m = self.server.client(), int(name[-1]), boxes[name]
            try:
                for i in range(12):
                    _, rows = c.ask('POST', box(name, m) + '/search', {
                        'query': {'text': '%s%d' % (WORDS[i], k)},
                        'sort': [{'by': 'subject'}]}).lines()
                    self.assertEqual([[i + 1]], [r['order'] for r in rows])
                    _, rows = c.ask('POST', box(name, m) + '/search', {
                        'thread': 'orderedsubject'}).lines()
                    self.assertEqual(len(rows), 12)
            except BaseException as e:
                failed.append(e)
            c.close()
        threads = [threading.Thread(target=run, args=(name,))
                   for name in boxes]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])


class Off(unittest.TestCase):
    def ask(self, off, **body):
        s = Server(*sum((['-D', name] for name in off), []))
        self.addCleanup(s.remove)
        s.start()
        c = s.client()
        m = c.mailbox('joe')['id']
        a = c.ask('POST', box('joe', m) + '/search', body)
        c.close()
        s.stop()
        self.assertEqual(os.path.exists(s.folder + '/index.db'),
                         len(off) < 3)
        return a.status, a.code

    def test_off(self):
        """Each of the three can be switched off"""
        query, sort = {'query': {'all': True}}, {'sort': [{'by': 'date'}]}
        thread = {'thread': 'references'}
        for off, body in (('search', query), ('sort', sort),
                          ('thread', thread)):
            self.assertEqual(self.ask([off], **body),
                             (400, 'unknown-parameter'))
        self.assertEqual(self.ask(['search', 'sort', 'thread'])[0], 404)
        self.assertEqual(self.ask(['search', 'sort'], **thread)[0], 200)
        self.assertEqual(self.ask(['modseq', 'savedate'],
                                  query={'modseq': 1}),
                         (400, 'unknown-parameter'))


class Load(Searching):
    @atf.timeout(120)
    def test_meanwhile(self):
        """Deliveries and expunges go on while it searches: what is found is
        of one state"""
        self.m = self.inbox()
        stop = threading.Event()
        failed = []

        def change():
            c = self.server.client()
            try:
                n = 0
                while not stop.is_set():
                    row = c.add('joe', self.m, mail('n', 'lamp %d' % n),
                                flags=['x'])
                    c.patch('joe', self.m, uids=str(row['uid']), set=['y'])
                    if n % 3 == 0:
                        c.expunge('joe', self.m, str(row['uid'])).lines()
                    n += 1
            except BaseException as e:
                failed.append(e)
            c.close()
        t = threading.Thread(target=change)
        t.start()
        try:
            for i in range(40):
                header, rows = self.search({'and': [
                    {'text': 'lamp'}, {'not': {'flag': 'x'}}]}).lines()
                got = [u for r in rows for u in uids(r)]
                self.assertTrue(all(u < header['uidnext'] for u in got))
                if 'highest' in header:
                    self.assertLessEqual(header['highest'], header['modseq'])
        finally:
            stop.set()
            t.join()
        self.assertEqual(failed, [])
        self.indexed()
        self.assertEqual(self.sure({'text': 'lamp'}),
                         sorted(self.c.state('joe', self.m)))


if __name__ == '__main__':
    atf.main()
