#!/usr/bin/env python3
"""SEARCH with the storage's help: the answers are those without it, whatever
the storage knows, proposes or refuses.  And ESEARCH, SEARCHRES."""

import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import StoreHouse                           # noqa: E402
from searching import ALL, Between, Searching           # noqa: E402
import atf                                              # noqa: E402

# there is another one of that name beside the tests of mstored
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import t_search                                         # noqa: E402


class Offload(Searching, t_search.Search):
    """Random keys, each asked in several ways, against the oracle"""

    how = ()
    # they are t_search.py's
    test_random = test_random_level0 = test_random_level1 = None

    def store_start(self):
        self.store.start(*self.how)

    def keys(self, rounds):
        for one in (self.o.flag, self.o.keyword, self.o.new, self.o.date,
                    self.o.size, self.o.header, self.o.text, self.o.set,
                    self.o.modseq):
            for _ in range(4):
                self.check(*one())
        for _ in range(rounds):
            keys = [self.o.key() for _ in range(self.rnd.randrange(1, 4))]
            parts = []
            for p, _ in keys:
                parts += ([' '] if parts else []) + p
            self.check(parts, lambda n: all(f(n) for _, f in keys))

    def again(self, *without):
        """The same view; \\Recent is the first session's only"""
        self.c.close()
        self.c = self.mode(*without)
        self.o.recent = set()

    @atf.timeout(300)
    def test_on_off(self):
        """with it, without it, with it again"""
        self.begin_search(ALL, 11)
        self.keys(60)
        asked = self.asked()
        self.assertLess(40, asked)
        self.assertEqual(0, self.stat('searches-refused'))
        self.again('search')
        asked = self.asked()
        self.keys(40)
        self.assertEqual(asked, self.asked())
        self.again()
        self.keys(10)
        self.assertLess(asked, self.asked())

    @atf.timeout(300)
    def test_candidates(self):
        """a storage that proposes, and verifies nothing"""
        self.how = ('-o', 'search-read=0', '-o', 'index=2')
        self.begin_search(ALL, 12)
        self.keys(60)
        self.assertEqual(0, self.stat('searches-refused'))

    @atf.timeout(300)
    def test_announced_off(self):
        """a storage that cannot search"""
        self.how = ('-D', 'search', '-D', 'sort', '-D', 'thread')
        self.begin_search(ALL, 13)
        self.keys(30)
        self.assertEqual(0, self.asked())

    def between(self, edit, seed):
        """The same through something that changes the answers"""
        self.begin_search(ALL, seed)
        self.proxy = Between(self.port, edit)
        self.addCleanup(self.proxy.close)
        self.storage_line = self.house.storage.replace(
            ':%d/' % self.port, ':%d/' % self.proxy.server_address[1])
        self.again()

    def fewer(self, keys, limits):
        def edit(path, status, data):
            if path.endswith('/search'):
                return status, data
            doc = json.loads(data)
            doc['capabilities']['search'] = dict(limits, keys=keys)
            return status, json.dumps(doc).encode()
        return edit

    @atf.timeout(300)
    def test_fewer_keys(self):
        """only what is listed is asked for; the rest is found out"""
        self.between(self.fewer(['and', 'or', 'since', 'before', 'text',
                                 'header:subject', 'not'],
                                {'nodes': 5, 'depth': 3, 'texts': 2}), 14)
        self.keys(60)
        known = {'and', 'or', 'not', 'since', 'before', 'text', 'header'}
        self.assertTrue(self.proxy.searches)

        def look(q, depth):
            (key, v), = q.items()
            self.assertIn(key, known)
            self.assertLessEqual(depth, 3)
            if key == 'header':
                self.assertEqual('subject', v[0].lower())
            kids = v if key in ('and', 'or') else [v] if key == 'not' else []
            return 1 + sum(look(k, depth + 1) for k in kids)
        for s in self.proxy.searches:
            self.assertLessEqual(look(s['query'], 1), 5)
        self.assertEqual(0, self.stat('searches-refused'))

    @atf.timeout(300)
    def test_one_key(self):
        """not even AND: one key is more than the whole"""
        self.between(self.fewer(['text', 'larger', 'senton'], {}), 15)
        self.keys(40)
        for s in self.proxy.searches:
            self.assertLessEqual(set(s['query']), {'text', 'larger',
                                                   'senton'})

    def test_no_details(self):
        """a capability without a list is none that can be used"""
        def edit(path, status, data):
            doc = json.loads(data)
            doc['capabilities']['search'] = True
            return status, json.dumps(doc).encode()
        self.between(edit, 16)
        self.keys(5)
        self.assertEqual([], self.proxy.searches)

    @atf.timeout(300)
    def test_refused(self):
        """a storage that does not, or answers nonsense"""
        refusal = json.dumps({'code': 'unsupported-search',
                              'detail': 'no'}).encode()
        answers = [(422, refusal), (500, b'oops'), (200, b''),
                   (200, b'{"header":true,"uidvalidity":1,"uidnext":1}\n'),
                   (200, b'{"header":true}\n{"uids":"7,3"}\n{"end":true}\n'),
                   # of another mailbox
                   (200, b'{"header":true,"uidvalidity":1,"uidnext":99}\n'
                    b'{"end":true}\n'),
                   # of a time when there was nothing
                   (200, b'{"header":true,"uidnext":1}\n{"end":true}\n'),
                   ]
        turn = iter(range(1 << 30))

        def edit(path, status, data):
            if not path.endswith('/search'):
                return status, data
            return answers[next(turn) % len(answers)]
        self.between(edit, 17)
        self.keys(25)
        self.assertLess(20, len(self.proxy.searches))
        self.assertLess(10, self.stat('searches-refused'))

    @atf.timeout(300)
    def test_strangers(self):
        """messages in the answer that the session has not been told of, and
        candidates that are none"""
        def edit(path, status, data):
            if not path.endswith('/search'):
                return status, data
            lines = data.decode().splitlines()
            head = json.loads(lines[0])
            head['superset'] = True
            sure = {n for line in lines[1:] for n in
                    self.members(json.loads(line).get('uids', ''))}
            rest = sorted(set(range(1, 200)) - sure)
            lines = [json.dumps(head), json.dumps({'uids': '500:900'})]
            lines += [json.dumps({'uids': str(n)}) for n in sorted(sure)]
            lines += [json.dumps({'maybe': str(n)}) for n in rest]
            lines.append('{"end":true}')
            return status, '\n'.join(lines).encode() + b'\n'
        self.between(edit, 18)
        self.keys(30)
        self.assertEqual(0, self.stat('searches-refused'))

    def members(self, text):
        found = []
        for part in text.split(',') if text else ():
            lo, _, hi = part.partition(':')
            found += range(int(lo), int(hi or lo) + 1)
        return found

    def test_local(self):
        """what the session knows by itself is asked of nobody"""
        self.begin_search(ALL, 19)
        for one in (self.o.flag, self.o.keyword, self.o.new, self.o.set,
                    self.o.modseq):
            for _ in range(6):
                self.check(*one())
        self.check(['OR SEEN (1:5 NOT (FLAGGED UID 3:*))'],
                   lambda n: '\\Seen' in self.o.letters[n].flags or (
                       n <= 5 and ('\\Flagged' not in self.o.letters[n].flags
                                   or self.o.uids[n - 1] < 3)))
        self.assertEqual(0, self.asked())
        # nor where the rest decides
        self.check(['RECENT OLD BODY apfel'], lambda n: False)
        self.assertEqual(0, self.asked())
        self.check(['BODY ', b'apfel'], lambda n: 'apfel' in
                   self.o.letters[n].body.lower())
        self.assertEqual(2, self.asked())


class Numbers(Searching):
    """Many ranges, many messages"""

    def test_ranges(self):
        """more ranges than a request may have"""
        def fill(client):
            box = client.mailbox('joe')['id']
            for word in b'x', b'y', b'y', b'x':
                client.add('joe', box, b'Subject: %s\r\n\r\n' % word)
            n = 4
            while n < 4096:
                client.copy('joe', box, '1:%d' % n, box)
                n *= 2
            client.patch('joe', box, uids=','.join(
                str(u) for u in range(1, n, 2)), add=['\\Flagged'])
        self.begin(ALL, prepare=fill)
        c = self.imap(select='INBOX')
        want = list(range(1, 4096, 4))
        self.assertEqual(want, sorted(
            c.ok('SEARCH FLAGGED SUBJECT x').search()))
        for how in ('ARRIVAL SUBJECT', 'TO SIZE'):
            # equal ones are in order
            r = c.ok('UID SORT (%s) UTF-8 FLAGGED SUBJECT x' % how)
            self.assertEqual(want, r.one('SORT').data[0])
        r = c.ok('SORT (ARRIVAL) UTF-8 FLAGGED')
        self.assertEqual(list(range(1, 4096, 2)), r.one('SORT').data[0])
        self.assertEqual(6, self.asked())
        self.assertEqual(0, self.stat('searches-refused'))


class Results(StoreHouse):
    """ESEARCH (RFC 4731) and SEARCHRES (RFC 5182)"""

    def setUp(self):
        super().setUp()
        self.begin(prepare=self.fill)
        self.c = self.imap(select='INBOX')
        self.c.learn()

    def fill(self, client):
        """1 3 5 6 7 8 9, of which the messages 2:4,7 have the flag"""
        box, rnd = client.mailbox('joe')['id'], random.Random(3)
        for uid in range(1, 10):
            client.add('joe', box, t_search.Letter(rnd).bytes,
                       flags=['\\Flagged'] if uid in (3, 5, 6, 9) else [])
        client.expunge('joe', box, '2,4')

    def esearch(self, text, uid=False):
        return self.c.ok('UID ' * uid + text).esearch(uid)

    def test_returns(self):
        """each option, alone and together; nothing found"""
        for text, want in (
                ('', {'ALL': [2, 3, 4, 7]}), ('ALL', {'ALL': [2, 3, 4, 7]}),
                ('MIN', {'MIN': 2}), ('MAX', {'MAX': 7}),
                ('COUNT', {'COUNT': 4}), ('min max', {'MIN': 2, 'MAX': 7}),
                ('MIN MAX COUNT ALL', {'MIN': 2, 'MAX': 7, 'COUNT': 4,
                                       'ALL': [2, 3, 4, 7]})):
            self.assertEqual(want, self.esearch(
                'SEARCH RETURN (%s) FLAGGED' % text), text)
            uids = {k: [self.c.uids[n - 1] for n in v] if k == 'ALL' else
                    v if k == 'COUNT' else self.c.uids[v - 1]
                    for k, v in want.items()}
            self.assertEqual(uids, self.esearch(
                'SEARCH RETURN (%s) FLAGGED' % text, True), text)
            none = {'COUNT': 0} if 'COUNT' in text else {}
            self.assertEqual(none, self.esearch(
                'SEARCH RETURN (%s) DRAFT' % text))
        r = self.c.ok('SEARCH RETURN (ALL) CHARSET UTF-8 FLAGGED')
        self.assertIn(b' ALL 2:4,7\r\n', r.one('ESEARCH').raw)
        self.assertEqual([2, 3, 4, 7], sorted(
            self.c.ok('SEARCH FLAGGED').search()))

    def test_modseq(self):
        """of all that is told, or of the one that is (RFC 4731, 3.2)"""
        for n in (3, 2, 7):
            self.c.ok('STORE %d +FLAGS (x)' % n)
        m = {n: d['MODSEQ'] for n, d in self.c.ok(
            'FETCH 1:* MODSEQ').fetched()}
        self.assertLess(m[3], m[2])
        for text, want in (
                ('MIN', {'MIN': 2, 'MODSEQ': m[2]}),
                ('MAX', {'MAX': 7, 'MODSEQ': m[7]}),
                ('MIN MAX', {'MIN': 2, 'MAX': 7, 'MODSEQ': m[7]}),
                ('ALL', {'ALL': [2, 3, 4, 7], 'MODSEQ': m[7]}),
                ('MIN COUNT', {'MIN': 2, 'COUNT': 4, 'MODSEQ': m[7]})):
            self.assertEqual(want, self.esearch(
                'SEARCH RETURN (%s) FLAGGED MODSEQ 1' % text), text)
        self.assertEqual({'MIN': 2, 'MODSEQ': m[2]}, self.esearch(
            'SEARCH RETURN (MIN) 2:4 MODSEQ 1'))
        self.assertEqual({'COUNT': 0}, self.esearch(
            'SEARCH RETURN (MIN COUNT) DRAFT MODSEQ 1'))

    def saved(self, key='$'):
        return sorted(self.c.ok('SEARCH ' + key).search())

    def test_saved(self):
        """what $ is, in each command that takes a set"""
        c = self.c
        self.assertEqual([], self.saved())      # nothing was saved
        r = c.ok('SEARCH RETURN (SAVE) FLAGGED')
        self.assertEqual([], r.all('ESEARCH') + r.all('SEARCH'))
        self.assertEqual([2, 3, 4, 7], self.saved())
        self.assertEqual([3, 4], self.saved('$ 3:5'))
        self.assertEqual([1, 5, 6], self.saved('NOT $'))
        self.assertEqual([5, 6], sorted(c.ok(
            'UID SEARCH UID $ UID 4:6').search()))
        self.assertEqual([2, 3, 4, 7], [n for n, _ in c.ok(
            'FETCH $ UID').fetched()])
        self.assertEqual([2, 3, 4, 7], [n for n, _ in c.ok(
            'UID FETCH $ FLAGS').fetched()])
        c.ok('CREATE other')
        c.ok('COPY $ other')
        self.assertEqual(4, c.ok('STATUS other (MESSAGES)').one(
            'STATUS').data[1]['MESSAGES'])
        c.ok('STORE $ +FLAGS (kept)')
        self.assertEqual([2, 3, 4, 7], self.saved('KEYWORD kept'))
        c.ok('SEARCH RETURN (SAVE) $ 1:3')
        self.assertEqual([2, 3], self.saved())
        c.ok('UID STORE $ +FLAGS (\\Deleted)')
        c.ok('UID EXPUNGE $')
        self.assertEqual([], self.saved())      # they are gone
        c.ok('FETCH $ FLAGS')
        c.ok('SEARCH RETURN (SAVE) FLAGGED')
        c.ok('MOVE $ other')
        self.assertEqual([], self.saved())
        c.ok('SEARCH RETURN (SAVE) ALL')
        c.ok('SELECT INBOX')
        self.assertEqual([], self.saved())      # another session of it

    def test_saved_some(self):
        """MIN and MAX are saved alone; with ALL or COUNT it is all"""
        for text, want in (
                ('MIN', [2]), ('MAX', [7]), ('MIN MAX', [2, 7]),
                ('MIN COUNT', [2, 3, 4, 7]), ('ALL', [2, 3, 4, 7]),
                ('MIN MAX ALL', [2, 3, 4, 7])):
            self.c.ok('SEARCH RETURN (SAVE %s) FLAGGED' % text).esearch()
            self.assertEqual(want, self.saved(), text)
        self.c.ok('SEARCH RETURN (SAVE MIN) DRAFT')
        self.assertEqual([], self.saved())
        self.c.ok('SORT RETURN (SAVE MIN) (REVERSE ARRIVAL) UTF-8 FLAGGED')
        self.assertEqual(1, len(self.saved()))

    def test_saved_failed(self):
        """NO empties it, BAD leaves it"""
        self.c.ok('SEARCH RETURN (SAVE) FLAGGED')
        self.c.bad('SEARCH RETURN (SAVE) FOO')
        self.c.bad('FETCH 1,$ FLAGS')
        self.assertEqual([2, 3, 4, 7], self.saved())
        self.c.no('SEARCH RETURN (SAVE) ' + ' '.join(
            'TEXT a%d' % n for n in range(100)), code='LIMIT')
        self.assertEqual([], self.saved())
        # that the parser says it makes no difference
        for verb in ('SEARCH RETURN (SAVE) CHARSET X-FOO ',
                     'SORT RETURN (SAVE) (DATE) X-FOO '):
            self.c.ok('SEARCH RETURN (SAVE) FLAGGED')
            self.c.no('SEARCH CHARSET X-FOO 1', code='BADCHARSET')
            self.assertEqual([2, 3, 4, 7], self.saved())
            self.c.no(verb + '1', code='BADCHARSET')
            self.assertEqual([], self.saved())


if __name__ == '__main__':
    atf.main()
