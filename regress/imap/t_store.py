#!/usr/bin/env python3
"""STORE in all its forms, flags and keywords, CONDSTORE (RFC 7162)."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import LEVEL, StoreHouse                    # noqa: E402
from imapclient import set_of, uids_of                  # noqa: E402
import atf                                              # noqa: E402

SYSTEM = ['\\Answered', '\\Deleted', '\\Draft', '\\Flagged', '\\Seen']


def flagset(flags):
    return frozenset(f.lower() for f in flags if f != '\\Recent')


class Stored(StoreHouse):
    n = 6

    def start(self, capabilities=LEVEL[3], n=None):
        self.begin(capabilities)
        self.c = c = self.imap()
        for i in range(self.n if n is None else n):
            c.append('INBOX', b'Subject: %d\r\n\r\n' % i)
        c.ok('SELECT INBOX')
        return c

    def flags(self, c=None):
        """{n: flags}, as the server has them"""
        c = c or self.c
        return {n: flagset(d['FLAGS']) for n, d in
                c.ok('FETCH 1:* FLAGS').fetched()}

    def told(self, r):
        return {n: flagset(d['FLAGS']) for n, d in r.fetched()
                if 'FLAGS' in d}

    def modseqs(self, c):
        return {n: d['MODSEQ'] for n, d in
                c.ok('FETCH 1:* MODSEQ').fetched()}


class Store(Stored):
    def test_forms(self):
        """FLAGS, +FLAGS, -FLAGS, .SILENT, with and without UID, against a
        model of two sessions"""
        c = self.start()
        other = self.imap(select='INBOX')
        rnd = random.Random(4)
        model = {n: frozenset() for n in range(1, self.n + 1)}
        words = SYSTEM + ['kw1', 'Kw2', '$MDNSent']
        for _ in range(150):
            some = sorted(rnd.sample(range(1, self.n + 1),
                                     rnd.randrange(1, self.n)))
            flags = rnd.sample(words, rnd.randrange(0, 4))
            how = rnd.choice(('', '+', '-'))
            silent = rnd.random() < 0.4
            uid = rnd.random() < 0.5
            text = ' '.join(flags)
            if not flags or rnd.random() < 0.7:
                text = '(%s)' % text
            r = c.ok('%sSTORE %s %sFLAGS%s %s' % (
                'UID ' * uid, set_of(some), how, '.SILENT' * silent, text))
            for n in some:
                new = flagset(flags)
                model[n] = (new if how == '' else model[n] | new
                            if how == '+' else model[n] - new)
            if silent:
                self.assertEqual({}, self.told(r))
            else:
                self.assertEqual({n: model[n] for n in some}, self.told(r))
                self.assertTrue(all(('UID' in d) == uid
                                    for _, d in r.fetched()))
            self.assertEqual(model, self.flags(), r)
            if rnd.random() < 0.3:
                seen = self.told(other.ok('NOOP'))
                self.assertTrue(all(model[n] == f for n, f in seen.items()))
                self.assertEqual(model, self.flags(other))

    def test_syntax(self):
        """what is no STORE"""
        c = self.start()
        for text in ('1', '1 FLAGS', '1 FLAGS (', '1 FLAGS )',
                     '1 FLAGS (\\Recent)', '1 FLAGS (\\Foo)',
                     '1 FLAGS (\\*)', '1 FLAGS (a b', '1 FLAGS "a"',
                     '1 FLAGS (a  b)', '1 FLAGS ((a))', '1 -+FLAGS (a)',
                     '1 FLAGS.SILENTLY (a)', '1 FLAG (a)', '9 FLAGS (a)',
                     '1:9 FLAGS (a)', '0 FLAGS (a)', '1 FLAGS (a]b)',
                     '1 FLAGS (a%b)', '1 FLAGS (\u00e4)',
                     '1 (UNCHANGEDSINCE x) FLAGS (a)',
                     '1 (UNCHANGEDSINCE) FLAGS (a)', '1 (FOO 1) FLAGS (a)',
                     '1 () FLAGS (a)', '1 (UNCHANGEDSINCE -1) FLAGS (a)'):
            c.bad('STORE ' + text)
        self.assertEqual({frozenset()}, set(self.flags().values()))
        c.ok('UID STORE 99 FLAGS (a)')
        self.assertEqual({frozenset()}, set(self.flags().values()))

    def test_keywords(self):
        """new ones are announced to every session before they are used"""
        c = self.start()
        other = self.imap(select='INBOX')
        r = c.ok('STORE 1 +FLAGS (NewWord)')
        self.assertIn('NewWord', r.one('FLAGS').data)
        self.assertLess([x.type for x in r.responses].index('FLAGS'),
                        [x.type for x in r.responses].index('FETCH'))
        self.assertIn('NewWord', r.codes()['PERMANENTFLAGS'])
        r = other.ok('NOOP')
        self.assertIn('NewWord', r.one('FLAGS').data)
        self.assertLess([x.type for x in r.responses].index('FLAGS'),
                        [x.type for x in r.responses].index('FETCH'))
        # compared without case, kept as first written
        r = c.ok('STORE 2 +FLAGS (NEWWORD)')
        self.assertEqual(['NewWord'], [f for f in r.fetched()[0][1]['FLAGS']
                                       if f != '\\Recent'])
        c.ok('STORE 1:2 -FLAGS (newword)')
        self.assertEqual({frozenset()}, set(self.flags().values()))

    def test_no_more_keywords(self):
        """where a mailbox takes no more of them, \\* is not promised"""
        c = self.start()
        self.assertIn('\\*', c.ok('SELECT INBOX').codes()['PERMANENTFLAGS'])
        words = ['w%03d' % n for n in range(1000)]
        for n in range(4):
            c.ok('STORE %d FLAGS.SILENT (%s)' % (
                n + 1, ' '.join(words[n * 250:n * 250 + 250])))
        told = c.ok('SELECT INBOX').codes()['PERMANENTFLAGS']
        self.assertNotIn('\\*', told)
        self.assertIn('w999', told)
        c.no('STORE 5 +FLAGS (onemore)')
        c.ok('STORE 5 +FLAGS (W999)')

    def test_many_keywords(self):
        """more than a message can have: refused, or cut, never hidden"""
        c = self.start()
        words = ['w%03d' % n for n in range(400)]
        for at in range(0, 240, 60):
            c.ok('STORE 1 +FLAGS.SILENT (%s)' % ' '.join(words[at:at + 60]))
        c.ok('STORE 1 +FLAGS.SILENT (\\Flagged)')
        r = c.cmd('STORE 1 +FLAGS.SILENT (%s)' % ' '.join(words[240:300]))
        self.assertIn(r.type, ('OK', 'NO'))
        for s in (c, self.imap(select='INBOX')):
            have = self.flags(s)[1]
            self.assertLessEqual(set(words[:240]) | {'\\flagged'}, have)
        r = c.cmd('STORE 2 FLAGS (%s)' % ' '.join('x' * 200 + w
                                                  for w in words[:60]))
        self.assertEqual('NO', r.type)
        self.assertEqual('LIMIT', r.code)
        self.assertEqual(frozenset(), self.flags()[2])
        c.cmd('STORE 2 FLAGS (%s)' % ('x' * 300))
        c.ok('NOOP')

    def test_expunged(self):
        """a message that another session expunged: the rest is stored"""
        c = self.start()
        other = self.imap(select='INBOX')
        other.ok('STORE 2 +FLAGS (\\Deleted)')
        other.ok('EXPUNGE')
        r = c.cmd('STORE 1:3 +FLAGS (\\Flagged)')
        self.assertEqual(('OK', 'EXPUNGEISSUED'), (r.type, r.code))
        self.assertEqual(self.n, c.exists)
        self.assertLessEqual({1, 3}, set(self.told(r)))
        c.ok('NOOP')
        self.assertEqual(self.n - 1, c.exists)
        self.assertEqual({'\\flagged'}, self.flags()[2])

    def test_level1(self):
        """all of it without modseqs"""
        self.start(LEVEL[1])
        self.c.bad('STORE 1 (UNCHANGEDSINCE 1) FLAGS (a)')
        self.c.bad('FETCH 1 MODSEQ')
        self.c.bad('SEARCH MODSEQ 1')
        self.assertNotIn('CONDSTORE', self.c.ok('CAPABILITY').one(
            'CAPABILITY').data)
        self.assertEqual([], self.c.ok('ENABLE CONDSTORE').one(
            'ENABLED').data)
        r = self.c.ok('SELECT INBOX')
        self.assertIn('NOMODSEQ', r.codes())
        self.assertNotIn('HIGHESTMODSEQ', r.codes())
        self.assertEqual({'HIGHESTMODSEQ': 0}, self.c.ok(
            'STATUS INBOX (HIGHESTMODSEQ)').one('STATUS').data[1])
        r = self.c.ok('STORE 1:2 +FLAGS (\\Seen kw)')
        self.assertEqual({1: {'\\seen', 'kw'}, 2: {'\\seen', 'kw'}},
                         self.told(r))
        r = self.c.ok('STORE 2 FLAGS.SILENT ()')
        self.assertEqual({}, self.told(r))
        self.assertEqual(frozenset(), self.flags()[2])
        self.assertEqual({'\\seen', 'kw'}, self.flags()[1])


class Condstore(Stored):
    def test_enabling(self):
        """what makes a session one that is told modseqs; others are not"""
        c = self.start()
        self.assertNotIn('MODSEQ', c.ok('STORE 1 +FLAGS (a)').fetched()[0][1])
        for text in ('ENABLE CONDSTORE', 'STATUS INBOX (HIGHESTMODSEQ)',
                     'FETCH 1 MODSEQ', 'FETCH 1 FLAGS (CHANGEDSINCE 1)',
                     'SEARCH MODSEQ 1', 'UID SEARCH MODSEQ 1',
                     'STORE 2 (UNCHANGEDSINCE 1) FLAGS.SILENT (zz)'):
            s = self.imap(select='INBOX')
            r = s.cmd(text)
            self.assertEqual('OK', r.type, r)
            self.assertIn('HIGHESTMODSEQ', r.codes(), text)
            c.ok('STORE 3 +FLAGS (x%d)' % len(self.clients))
            (_, d), = s.ok('NOOP').fetched()
            self.assertIn('MODSEQ', d, text)
            s.close()
        for text in ('SELECT INBOX (CONDSTORE)', 'EXAMINE INBOX (CONDSTORE)'):
            s = self.imap()
            s.ok(text)
            c.ok('STORE 3 +FLAGS (x%d)' % len(self.clients))
            (_, d), = s.ok('NOOP').fetched()
            self.assertIn('MODSEQ', d, text)
        c.bad('SELECT INBOX (FOO)')
        c.bad('SELECT INBOX (CONDSTORE')
        c.bad('SELECT INBOX (QRESYNC (1 1))')

    def test_unchangedsince(self):
        """MODIFIED names those that changed; the others are stored"""
        c = self.start()
        other = self.imap(select='INBOX')
        before = self.modseqs(c)
        limit = max(before.values())
        other.ok('STORE 2,5 +FLAGS.SILENT (theirs)')
        r = c.ok('STORE 1:6 (UNCHANGEDSINCE %d) +FLAGS.SILENT (mine)' % limit)
        self.assertEqual('MODIFIED', r.code)
        self.assertEqual([2, 5], uids_of(r.codedata))
        told = {n: d['MODSEQ'] for n, d in r.fetched() if n not in (2, 5)}
        self.assertEqual({1, 3, 4, 6}, set(told))
        self.assertEqual(1, len(set(told.values())))
        after = self.modseqs(c)
        self.assertEqual(told, {n: after[n] for n in told})
        self.assertTrue(all(after[n] > limit for n in (2, 5)))
        self.assertEqual({n: {'theirs'} if n in (2, 5) else {'mine'}
                          for n in range(1, 7)}, self.flags())
        # with UID the numbers are UIDs
        other.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
        other.ok('EXPUNGE')
        c.ok('NOOP')
        r = c.ok('UID STORE 2:6 (UNCHANGEDSINCE %d) +FLAGS (x)' % limit)
        self.assertEqual([2, 3, 4, 5, 6], uids_of(r.codedata))
        now = c.ok('STATUS INBOX (HIGHESTMODSEQ)').one('STATUS').data[1]
        r = c.ok('UID STORE 2:6 (UNCHANGEDSINCE %d) +FLAGS (x)' %
                 now['HIGHESTMODSEQ'])
        self.assertIsNone(r.code)
        self.assertEqual([2, 3, 4, 5, 6], sorted(r.fetched('UID')))
        self.assertTrue(all('MODSEQ' in d for _, d in r.fetched()))
        # 0: only what never had a modseq, and that is none
        r = c.ok('UID STORE 3 (UNCHANGEDSINCE 0) +FLAGS (y)')
        self.assertEqual('3', r.codedata)

    def test_same(self):
        """setting what is set changes no modseq"""
        c = self.start()
        c.ok('STORE 1:3 FLAGS.SILENT (a)')
        before = self.modseqs(c)
        c.ok('STORE 1:3 +FLAGS.SILENT (a)')
        r = c.ok('STORE 1:4 FLAGS (a)')
        self.assertEqual({1, 2, 3, 4}, set(self.told(r)))
        told = {n: d['MODSEQ'] for n, d in r.fetched()}
        after = self.modseqs(c)
        self.assertEqual({n: before[n] for n in (1, 2, 3)},
                         {n: after[n] for n in (1, 2, 3)})
        self.assertGreater(after[4], before[4])
        self.assertEqual({n: after[n] for n in (1, 2, 3, 4)}, told)
        # with a condition each has an answer, .SILENT or not
        last = max(after.values())
        for uid in ('', 'UID '):
            r = c.ok('%sSTORE 1:4 (UNCHANGEDSINCE %d) +FLAGS.SILENT (a)' %
                     (uid, last))
            self.assertIsNone(r.code)
            self.assertEqual({n: after[n] for n in (1, 2, 3, 4)},
                             {n: d['MODSEQ'] for n, d in r.fetched()})
            self.assertFalse(any('FLAGS' in d for _, d in r.fetched()))
        self.assertEqual([], c.ok(
            'STORE 1:4 +FLAGS.SILENT (a)').fetched())

    def test_changedsince(self):
        """FETCH CHANGEDSINCE: what changed, with MODSEQ"""
        c = self.start()
        points = [max(self.modseqs(c).values())]
        for n in (2, 4, 2, 6):
            c.ok('STORE %d +FLAGS.SILENT (w%d)' % (n, len(points)))
            points.append(max(self.modseqs(c).values()))
        now = self.modseqs(c)
        for p in points + [1, points[-1] + 1000]:
            want = {n for n, m in now.items() if m > p}
            for items in ('FLAGS', '(UID FLAGS)', '(FLAGS MODSEQ)',
                          'RFC822.SIZE', 'BODY.PEEK[]', 'ENVELOPE'):
                r = c.ok('FETCH 1:* %s (CHANGEDSINCE %d)' % (items, p))
                found = dict(r.fetched())
                self.assertEqual(want, set(found), (p, items))
                self.assertTrue(all(d['MODSEQ'] == now[n]
                                    for n, d in found.items()))
            r = c.ok('UID FETCH 2:4 FLAGS (CHANGEDSINCE %d)' % p)
            self.assertEqual({n for n in want if 2 <= n <= 4},
                             set(r.fetched('UID')))
        c.bad('FETCH 1 FLAGS (CHANGEDSINCE)')
        c.bad('FETCH 1 FLAGS (CHANGEDSINCE x)')
        c.bad('FETCH 1 FLAGS (VANISHED)')
        c.bad('FETCH 1 FLAGS ()')

    def test_modseq_rules(self):
        """a change has one modseq, it only grows; HIGHESTMODSEQ covers it"""
        c = self.start()
        c.ok('ENABLE CONDSTORE')
        other = self.imap()
        r = other.ok('SELECT INBOX (CONDSTORE)')
        high = int(r.codes()['HIGHESTMODSEQ'])
        self.assertEqual(max(self.modseqs(c).values()), high)
        for n in (1, 3, 5):
            r = c.ok('STORE %d +FLAGS (z%d)' % (n, n))
            (_, d), = r.fetched()
            self.assertGreater(d['MODSEQ'], high)
            high = d['MODSEQ']
            (k, e), = other.ok('NOOP').fetched()
            self.assertEqual((n, high), (k, e['MODSEQ']))
            self.assertEqual(high, self.modseqs(other)[n])
        # several changes heard of together: each with its own
        c.ok('STORE 1 +FLAGS.SILENT (q)')
        c.ok('STORE 2 +FLAGS.SILENT (q)')
        now = self.modseqs(c)
        told = {n: d['MODSEQ'] for n, d in other.ok('NOOP').fetched()}
        self.assertEqual({1, 2}, set(told))
        self.assertTrue(all(told[n] >= now[n] and told[n] <= now[2]
                            for n in told))
        # an expunge counts, too
        c.ok('STORE 6 +FLAGS.SILENT (\\Deleted)')
        r = c.ok('EXPUNGE')
        self.assertEqual('HIGHESTMODSEQ', r.code)
        self.assertGreater(int(r.codedata), high)
        r = self.imap().ok('SELECT INBOX')
        self.assertEqual(int(c.ok('STATUS INBOX (HIGHESTMODSEQ)').one(
            'STATUS').data[1]['HIGHESTMODSEQ']),
            int(r.codes()['HIGHESTMODSEQ']))

    def test_search_modseq(self):
        """SEARCH MODSEQ tells the highest of those found"""
        c = self.start()
        c.ok('STORE 2 +FLAGS.SILENT (a)')
        c.ok('STORE 5 +FLAGS.SILENT (a)')
        now = self.modseqs(c)
        self.assertEqual(([5], now[5]), c.ok(
            'SEARCH MODSEQ %d' % now[5]).one('SEARCH').data)
        self.assertEqual(([2, 5], now[5]), c.ok(
            'SEARCH MODSEQ %d' % now[2]).one('SEARCH').data)
        self.assertEqual(([2], now[2]), c.ok(
            'UID SEARCH UID 2:3 MODSEQ %d' % now[2]).one('SEARCH').data)
        self.assertEqual(([], None), c.ok(
            'SEARCH MODSEQ %d' % (now[5] + 1)).one('SEARCH').data)
        self.assertEqual(([], None), c.ok(
            'SEARCH MODSEQ 9007199254740000').one('SEARCH').data)
        found, high = c.ok('SEARCH OR MODSEQ %d 1' % now[5]).one(
            'SEARCH').data
        self.assertEqual(([1, 5], now[5]), (found, high))
        found, high = c.ok('SEARCH NOT MODSEQ %d' % now[2]).one('SEARCH').data
        self.assertEqual(([1, 3, 4, 6], max(now[n] for n in (1, 3, 4, 6))),
                         (found, high))


if __name__ == '__main__':
    atf.main()
