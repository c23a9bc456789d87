#!/usr/bin/env python3
"""Listings: fields, sets, rows that merge, since and vanished."""

import random
import time

from store import (SLOW, StoreTest, atf, members, merged, parallel, uids)


class Listing(StoreTest):
    def fill(self, n, **more):
        m = self.inbox()
        for i in range(n):
            self.c.add('joe', m, b'%d\r\n' % i, **more)
        return m

    def test_fields(self):
        """A row has exactly the fields asked; without fields all of them"""
        m = self.inbox()
        row = self.c.add('joe', m, b'hello\r\n', flags=[r'\Seen', 'x'],
                         date='2020-02-29T23:59:59+05:30')
        want = {'uid': 1, 'id': row['id'], 'flags': [r'\Seen', 'x'],
                'size': 7, 'date': '2020-02-29T23:59:59+05:30',
                'modseq': row['change']['modseq']}
        header, rows = self.c.rows('joe', m)
        self.assertEqual(rows, [want])
        self.assertEqual(header['applied'], {})
        self.assertEqual((header['uidnext'], header['modseq']),
                         (2, want['modseq']))
        self.assertEqual(set(header['flags']), {r'\Seen', 'x'})
        for names in (['uid'], ['flags'], ['id', 'size'], ['date'],
                      ['modseq', 'uid'], ['uid', 'flags', 'modseq']):
            header, rows = self.c.rows('joe', m, fields=','.join(names))
            self.assertEqual(rows, [{k: want[k] for k in
                                     set(names) | {'uid'}}])
            self.assertEqual(sorted(header['applied']['fields']),
                             sorted(names))
        header, rows = self.c.rows('joe', m, fields='uid,color,,flags')
        self.assertEqual(header['applied']['fields'], ['uid', 'flags'])
        header, rows = self.c.rows('joe', m, color='red')
        self.assertEqual(header['applied'], {})

    def test_uids(self):
        """The set as sent is echoed; it is intersected, never expanded"""
        m = self.fill(5)
        self.c.expunge('joe', m, '3')
        for text, want in (('1', [1]), ('2:4', [2, 4]), ('3', []),
                           ('1,4:4294967295', [1, 4, 5]),
                           ('100:200', []), ('1:4294967295', [1, 2, 4, 5])):
            header, rows = self.c.rows('joe', m, uids=text, fields='uid')
            self.assertEqual(header['applied'],
                             {'uids': text, 'fields': ['uid']})
            self.assertEqual([u for r in rows for u in uids(r)], want)
        for bad in ('', '0', '*', '1:*', '2:1', '1,2', '1:1', 'x', '1,,3',
                    '4294967296', '1%00', '01'):
            self.code(self.c.list('joe', m, uids=bad), 400, 'bad-request')
        long = ','.join(str(i) for i in range(1, 2000, 2))
        self.code(self.c.list('joe', m, uids=long), 400, 'bad-request')
        fits = ','.join(str(i) for i in range(1, 1500, 2))
        self.assertEqual(len(self.c.rows('joe', m, uids=fits)[1]), 2)

    def test_since_bad(self):
        """since is a number of 1 or more, and never from the future"""
        m = self.fill(1)
        for bad in ('0', '-1', 'x', '', '1.5', '%2b1', '9007199254740992',
                    '1x', '01'):
            self.code(self.c.list('joe', m, since=bad), 400, 'bad-request')
        now = self.c.rows('joe', m)[0]['modseq']
        self.code(self.c.list('joe', m, since=now + 1), 410,
                  'since-too-old')
        header, rows = self.c.rows('joe', m, since=now)
        self.assertEqual((header['applied'], rows), ({'since': now}, []))

    def test_merge(self):
        """Messages that say the same are one row"""
        m = self.fill(1000)
        header, rows = self.c.rows('joe', m, fields='uid,flags')
        self.assertEqual(rows, [{'uids': '1:1000', 'flags': []}])
        self.c.patch('joe', m, uids='5:7,9', add=[r'\Seen'])
        header, rows = self.c.rows('joe', m, fields='uid,flags')
        self.assertEqual({r['uids']: r['flags'] for r in rows},
                         {'1:4,8,10:1000': [], '5:7,9': [r'\Seen']})
        self.assertEqual(len(rows[0]), 2)
        a = self.c.list('joe', m, fields='size')
        self.assertLess(len(a.body), 300)
        self.assertEqual(len(a.lines()[1]), 3)
        header, rows = self.c.rows('joe', m, fields='uid')
        self.assertEqual(rows, [{'uids': '1:1000'}])
        self.c.expunge('joe', m, '500')
        header, rows = self.c.rows('joe', m, fields='uid')
        self.assertEqual(rows, [{'uids': '1:499,501:1000'}])

    def test_order(self):
        """Each uid once, rows by their lowest uid, however flags lie"""
        m = self.fill(60)
        r = random.Random(1)
        for i in range(200):
            self.c.patch('joe', m, uids=str(r.randint(1, 60)),
                         set=['k%d' % j for j in range(40)
                              if r.random() < .05])
        for fields in 'uid,flags', 'uid,flags,modseq', 'modseq':
            seen, lowest = set(), 0
            for row in self.c.rows('joe', m, fields=fields)[1]:
                u = uids(row)
                if u[0] < lowest:
                    # a piece of the listing may begin anew, no earlier
                    self.fail('row %r after %d' % (row, lowest))
                lowest = u[0]
                self.assertFalse(seen & set(u))
                seen |= set(u)
            self.assertEqual(seen, set(range(1, 61)))
        full = self.c.state('joe', m)
        for uid, row in self.c.state('joe', m, fields='flags').items():
            self.assertEqual(row['flags'], full[uid]['flags'])

    def test_since(self):
        """since= applied to the old state gives the new one, every time"""
        m = self.fill(20)
        r = random.Random(2)

        def flags(state):
            return {u: (tuple(x['flags']), x['modseq'])
                    for u, x in state.items()}
        header, rows = self.c.rows('joe', m)
        mirror = flags(self.c.state('joe', m))
        at = header['modseq']
        for step in range(150):
            for i in range(r.randint(1, 3)):
                what = r.random()
                some = merged(r.sample(range(1, 60), r.randint(1, 5)))
                if what < .3:
                    self.c.add('joe', m, b'x', flags=r.choice([[], ['n']]))
                elif what < .5:
                    self.c.expunge('joe', m, some, r.choice([None, 'n']))
                elif what < .6:
                    self.c.copy('joe', m, some, m, move=r.random() < .5)
                else:
                    self.c.patch('joe', m, uids=some, **r.choice([
                        {'add': ['n']}, {'remove': ['n']},
                        {'set': ['a', 'b']}]))
            header, rows = self.c.rows('joe', m, since=at)
            rows_begun = False
            for row in rows:
                if 'vanished' in row:
                    self.assertFalse(rows_begun)
                    for u in members(row['vanished']):
                        mirror.pop(u, None)
                    continue
                rows_begun = True
                self.assertGreater(row['modseq'], at)
                for u in uids(row):
                    mirror[u] = (tuple(row['flags']), row['modseq'])
            self.assertEqual(mirror, flags(self.c.state('joe', m)))
            at = header['modseq']

    def test_brief(self):
        """of summaries the first line, if only that is wanted"""
        m = self.c.mailbox('joe')['id']
        texts = ['one', 'one\ntwo\nthree', '\ntwo', 'one\n', '"\\\n"', '']
        for n, text in enumerate(texts):
            row = self.c.add('joe', m, b'message %d' % n)
            a = self.c.ask('PUT', '/accounts/joe/messages/%s/cache' %
                           row['id'], text.encode())
            self.assertEqual(204, a.status)
        first = [t.split('\n')[0] for t in texts]
        for more, want in ({}, texts), ({'brief': 1}, first):
            rows = self.c.state('joe', m, fields='cache', **more)
            self.assertEqual(want, [rows[u]['cache'] for u in sorted(rows)])
        for text in '', '0', '11', 'x':
            self.assertEqual(400, self.c.list('joe', m, fields='cache',
                                              brief=text).status)

    def test_since_fields(self):
        """With since rows have modseq whatever fields says, within uids;
        vanished is not limited by uids"""
        m = self.fill(10)
        at = self.c.rows('joe', m)[0]['modseq']
        self.c.patch('joe', m, uids='2,8', add=['x'])
        self.c.expunge('joe', m, '9')
        header, rows = self.c.rows('joe', m, since=at, uids='1:5',
                                   fields='uid')
        self.assertEqual(header['applied'], {'since': at, 'uids': '1:5',
                                             'fields': ['uid']})
        self.assertEqual(rows, [{'vanished': '9'},
                                {'uid': 2, 'modseq': at + 1}])
        header, rows = self.c.rows('joe', m, since=at, fields='flags')
        self.assertEqual(rows[1:], [{'uids': '2,8', 'flags': ['x'],
                                     'modseq': at + 1}])

    def test_since_long(self):
        """since over more changes than are united from the log"""
        m = self.fill(3)
        at = self.c.rows('joe', m)[0]['modseq']
        for i in range(300):
            self.c.patch('joe', m, uids='2', set=['k%d' % i])
        header, rows = self.c.rows('joe', m, since=at, fields='flags')
        self.assertEqual(rows, [{'uid': 2, 'flags': ['k299'],
                                 'modseq': at + 300}])

    def test_sparse(self):
        """A set of many small ranges, listed in pieces"""
        m = self.inbox()
        n = 3000
        to = [{'account': 'joe', 'mailbox': m}] * 1000
        for i in range(n // 1000):
            self.c.upload(to, b'x').lines()
        odd = [u for u in range(1, n + 1) if u % 2]
        self.c.patch('joe', m, uids=merged(odd), add=['odd'])
        got = self.c.state('joe', m, fields='flags')
        self.assertEqual([u for u in got if got[u]['flags'] == ['odd']],
                         odd)
        self.c.expunge('joe', m, '1:%d' % n, 'odd')
        header, rows = self.c.rows('joe', m, fields='uid')
        self.assertEqual([u for r in rows for u in uids(r)],
                         [u for u in range(1, n + 1) if u % 2 == 0])
        header, rows = self.c.rows('joe', m)
        self.assertEqual(sum(len(uids(r)) for r in rows), n // 2)

    def big(self, n):
        """A mailbox of n messages, made by copying it into itself"""
        m = self.inbox()
        to = [{'account': 'joe', 'mailbox': m}] * 1000
        self.c.upload(to, b'x').lines()
        have = 1000
        while have < n:
            more = min(have, n - have)
            a = self.c.copy('joe', m, '1:%d' % more, m)
            a.lines()
            have += more
        return m

    @atf.timeout(900)
    def test_million(self):
        """The uids of a dense mailbox of 1,000,000: under 1 KB, fast"""
        n = 1000000 // SLOW
        m = self.big(n)
        best = 1e9
        for i in range(3):
            t = time.monotonic()
            a = self.c.list('joe', m, fields='uid')
            best = min(best, time.monotonic() - t)
        self.assertEqual(a.lines()[1], [{'uids': '1:%d' % n}])
        self.assertLess(len(a.body), 1024)
        self.assertLess(best, .2)
        # not dense any more: looked at one by one, still one row
        self.c.expunge('joe', m, '1,%d' % (n // 2))
        t = time.monotonic()
        a = self.c.list('joe', m, fields='uid,flags')
        print('%d rows looked at in %.3f s' % (n, time.monotonic() - t))
        self.assertEqual([r['uids'] for r in a.lines()[1]],
                         ['2:%d,%d:%d' % (n // 2 - 1, n // 2 + 1, n)])
        self.assertLess(len(a.body), 1024)

    @atf.timeout(300)
    def test_fair(self):
        """A long listing does not keep others waiting; a slow reader does
        not hold it in memory"""
        n = 200000 // SLOW
        m = self.big(n)
        slow = self.server.client()
        slow.send(slow.head('GET', '/accounts/joe/mailboxes/%s/messages' % m,
                            {}))
        other = self.server.client()
        worst = 0
        for i in range(100):
            t = time.monotonic()
            other.mailbox('joe')
            worst = max(worst, time.monotonic() - t)
        self.assertLess(worst, .2 * SLOW)
        # the rest comes, whole, changed or not
        self.c.expunge('joe', m, '%d' % n)
        header, rows = slow.answer().lines()
        self.assertGreaterEqual(sum(len(uids(r)) for r in rows), n - 1)
        self.assertEqual(header['uidnext'], n + 1)

    def test_gone_meanwhile(self):
        """A mailbox deleted while its listing runs: the end says so"""
        t = self.c.create('joe', 't')['id']
        to = [{'account': 'joe', 'mailbox': t}] * 1000
        for i in range(20):
            self.c.upload(to, b'x')
        slow = self.server.client()
        slow.send(slow.head('GET', '/accounts/joe/mailboxes/%s/messages' % t,
                            {}))
        time.sleep(.3)
        self.assertEqual(self.c.ask('DELETE', '/accounts/joe/mailboxes/' + t
                                    ).status, 204)
        last = slow.answer().raw_lines()[-1]
        self.assertEqual(last, {'end': False, 'code': 'no-such-mailbox'})

    def test_http10(self):
        """To HTTP/1.0 a long answer ends by closing"""
        m = self.inbox()
        to = [{'account': 'joe', 'mailbox': m}] * 1000
        for i in range(5):
            self.c.upload(to, b'x')
        c = self.server.client()
        c.send(b'GET /v1/accounts/joe/mailboxes/%s/messages HTTP/1.0\r\n\r\n'
               % m.encode())
        a = c.answer()
        self.assertNotIn('transfer-encoding', a.fields)
        self.assertEqual(a.fields['connection'], 'close')
        self.assertEqual(sum(len(uids(r)) for r in a.lines()[1]), 5000)


    @atf.timeout(120)
    def test_kept(self):
        """A listing that was made before is as one that is made anew"""
        m, other = self.fill(60), self.c.create('joe', 'other')['id']
        r = random.Random(3)
        changes = [
            lambda u: self.c.patch('joe', m, uids=u, add=[r'\Seen', 'k']),
            lambda u: self.c.patch('joe', m, uids=u, set=[]),
            lambda u: self.c.expunge('joe', m, u),
            lambda u: self.c.copy('joe', m, u, other, move=True),
            lambda u: self.c.copy('joe', other, '1', m),
            lambda u: self.c.upload({'account': 'joe', 'mailbox': m}, b'x'),
        ]
        for i in range(80):
            for fields in None, 'uid,flags,modseq', 'id,size', 'date,uid':
                more = {} if fields is None else {'fields': fields}
                anew = self.c.rows('joe', m, uids='1:4294967295', **more)
                for again in range(2):
                    kept = self.c.rows('joe', m, **more)
                    self.assertEqual(kept[1], anew[1])
                    self.assertEqual(kept[0]['modseq'], anew[0]['modseq'])
                    self.assertEqual(kept[0]['flags'], anew[0]['flags'])
                    self.assertEqual(kept[0]['uidnext'], anew[0]['uidnext'])
                    self.assertEqual(kept[0]['applied'].get('fields'),
                                     anew[0]['applied'].get('fields'))
            a = r.choice(changes)('%d' % r.randint(1, 70))
            self.assertEqual(a.status, 200, a)

    def test_kept_many(self):
        """One of several pieces too, while others write"""
        m = self.fill(1)
        to = [{'account': 'joe', 'mailbox': m}] * 900
        self.c.upload(to, b'x')
        done = []

        def write():
            c = self.server.client()
            for i in range(300):
                c.patch('joe', m, uids='%d' % (i + 1), add=['k%d' % (i % 9)])
            done.append(1)

        def read():
            c = self.server.client()
            last = 0
            while not done:
                header, rows = c.rows('joe', m, fields='id,flags,modseq')
                self.assertGreaterEqual(header['modseq'], last)
                last = header['modseq']
                at = {u: row['modseq'] for row in rows for u in uids(row)}
                self.assertEqual(len(at), 901)
                # nothing up to the header's modseq is missing
                since = c.rows('joe', m, since=last)[1]
                newer = {u for row in since for u in uids(row)}
                now = c.rows('joe', m, fields='modseq',
                             uids='1:4294967295')[1]
                for row in now:
                    for u in uids(row):
                        if u not in newer and row['modseq'] <= last:
                            self.assertEqual(at[u], row['modseq'])
        parallel(write, read, read)


class Pruned(StoreTest):
    args = ('-o', 'log-rows=20')

    def test_too_old(self):
        """Changes are remembered as long as is configured, then 410"""
        m = self.inbox()
        for i in range(100):
            self.c.add('joe', m, b'x')
        end = time.monotonic() + 30 * SLOW
        while self.c.list('joe', m, since=5).status != 410:
            self.assertLess(time.monotonic(), end)
            time.sleep(.2)
        self.code(self.c.list('joe', m, since=5), 410, 'since-too-old')
        header, rows = self.c.rows('joe', m)
        header, rows = self.c.rows('joe', m, since=header['modseq'] - 5)
        self.assertEqual(sum(len(uids(r)) for r in rows), 5)
        # what has not changed is not forgotten: its modseq is the floor
        t = self.c.create('joe', 't')['id']
        self.assertEqual(self.c.rows('joe', t, since=1)[1], [])


if __name__ == '__main__':
    atf.main()
