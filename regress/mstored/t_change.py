#!/usr/bin/env python3
"""Flags, expunge, copy and move, and their keys."""

import sqlite3

from store import StoreTest, atf, box, members, parallel, uids


class Change(StoreTest):
    def setUp(self):
        super().setUp()
        self.m = self.inbox()

    def fill(self, n, **more):
        for i in range(n):
            self.c.add('joe', self.m, b'%d\r\n' % i, **more)

    def patch(self, **body):
        return self.c.patch('joe', self.m, **body)

    def state(self, mailbox=None):
        return self.c.state('joe', mailbox or self.m)

    def modseq(self, mailbox=None):
        return self.c.ask('GET', box('joe', mailbox or self.m)
                          ).json()['modseq']

    # PATCH

    def test_patch(self):
        """add, remove, set: rows of what really changed"""
        self.fill(5)
        before = self.modseq()
        header, rows = self.patch(uids='2:3,9:12', add=[r'\Seen', 'x']
                                  ).lines()
        self.assertEqual(header['change'], {
            'mailbox': self.m, 'modseq_before': before,
            'modseq': before + 1})
        self.assertEqual(rows, [{'uids': '2:3', 'flags': [r'\Seen', 'x']}])
        header, rows = self.patch(uids='1:5', add=['x'], remove=[r'\seen']
                                  ).lines()
        self.assertEqual(rows, [{'uids': '1:5', 'flags': ['x']}])
        header, rows = self.patch(uids='4', set=[]).lines()
        self.assertEqual(rows, [{'uid': 4, 'flags': []}])
        header, rows = self.patch(uids='1:5', set=['y', r'\Draft']).lines()
        self.assertEqual(rows, [{'uids': '1:5', 'flags': [r'\Draft', 'y']}])
        self.assertEqual({tuple(r['flags']) for r in self.state().values()},
                         {(r'\Draft', 'y')})

    def test_patch_one_modseq(self):
        """One request, one modseq, for every message that it touched"""
        self.fill(4)
        self.patch(uids='2', add=['x'])
        at = self.modseq()
        self.patch(uids='1:4', add=['x'])
        s = self.state()
        self.assertEqual([s[u]['modseq'] for u in (1, 2, 3, 4)],
                         [at + 1, at, at + 1, at + 1])
        self.assertEqual(self.modseq(), at + 1)

    def test_patch_nothing(self):
        """What changes nothing has both numbers equal, and no event"""
        self.fill(2, flags=['x'])
        at = self.modseq()
        ev = self.server.stream()
        for body in ({'uids': '1:2', 'add': ['X']},
                     {'uids': '7:9', 'add': ['y']},
                     {'uids': '1:2', 'remove': ['z']},
                     {'uids': '1:2', 'set': ['x']},
                     {'uids': '1', 'add': []},
                     {'uids': '1:2', 'set': None, 'remove': ['z']},
                     {'uids': '1:2', 'set': ['x'], 'add': None}):
            header, rows = self.patch(**body).lines()
            self.assertEqual((header['change']['modseq_before'],
                              header['change']['modseq'], rows),
                             (at, at, []))
        self.assertEqual(self.modseq(), at)
        self.patch(uids='1', add=['y'])
        self.assertEqual(ev.event()['modseq'], at + 1)
        ev.close()

    def test_patch_bad(self):
        """Requests that are 400 and change nothing"""
        self.fill(1)
        at = self.modseq()
        good = {'uids': '1', 'add': ['x']}
        for body in ({}, {'uids': '1'}, {'add': ['x']},
                     {'uids': '', 'add': ['x']}, {'uids': 1, 'add': ['x']},
                     {'uids': '1:*', 'add': ['x']},
                     {'uids': '1', 'set': ['x'], 'add': ['y']},
                     {'uids': '1', 'set': ['x'], 'remove': ['y']},
                     {'uids': '1', 'set': None},
                     {'uids': '1', 'add': ['x'], 'remove': ['X']},
                     {'uids': '1', 'add': [r'\Recent']},
                     {'uids': '1', 'add': [r'\Nonsense']},
                     {'uids': '1', 'add': ['a b']},
                     {'uids': '1', 'add': ['ä']},
                     {'uids': '1', 'add': ['x\n']},
                     {'uids': '1', 'add': ['']},
                     {'uids': '1', 'add': 'x'},
                     {'uids': '1', 'add': [1]},
                     dict(good, unchanged_since=-1),
                     dict(good, unchanged_since='1'),
                     dict(good, unchanged_since=1.5),
                     dict(good, unchanged_since=None),
                     dict(good, unchanged_since=1 << 53)):
            self.code(self.patch(**body), 400, 'bad-request')
        self.code(self.patch(uids='1', add=['x'], flags=[]), 400,
                  'unknown-parameter')
        self.code(self.patch(uids='1,' + ','.join(
            str(i) for i in range(3, 20000, 2)), add=['x']), 400,
            'bad-request')
        self.assertEqual(self.modseq(), at)

    def test_unchanged_since(self):
        """The condition: 0 or more, tested by presence"""
        self.fill(3)
        at = self.modseq()
        self.patch(uids='2', add=['x'])
        header, rows = self.patch(uids='1:3', add=['y'], unchanged_since=at
                                  ).lines()
        self.assertEqual(rows, [{'uids': '1,3', 'flags': ['y']},
                                {'modified': '2'}])
        header, rows = self.patch(uids='1:9', add=['z'], unchanged_since=0
                                  ).lines()
        self.assertEqual(rows, [{'modified': '1:3'}])
        self.assertEqual(header['change']['modseq_before'],
                         header['change']['modseq'])
        # a message that has the flag already still fails the condition
        header, rows = self.patch(uids='1', add=['y'], unchanged_since=1
                                  ).lines()
        self.assertEqual(rows, [{'modified': '1'}])
        header, rows = self.patch(uids='1:3', add=['z'],
                                  unchanged_since=(1 << 53) - 1).lines()
        self.assertEqual([u for r in rows for u in uids(r)], [1, 3, 2])

    def test_failures_among_others(self):
        """A change that fails halfway undoes itself, and no other"""
        self.fill(40)
        self.patch(uids='2', set=['k%d' % i for i in range(256)])
        begin = self.modseq()

        def work(n):
            c = self.server.client()
            for i in range(20):
                # uid 1 is written before 2 is found to be full
                if n % 4 == 0:
                    a = c.patch('joe', self.m, uids='1:2', add=['new'],
                                key='bad-%d-%d' % (n, i))
                    self.code(a, 403, 'not-permitted')
                    continue
                flag = 'add' if i % 2 == 0 else 'remove'
                a = c.patch('joe', self.m, uids='%d' % (n + 3),
                            key='good-%d-%d' % (n, i),
                            **{flag: [r'\Flagged', 'mine%d' % n]})
                self.assertEqual(len(a.lines()[1]), 1, a)
            c.close()
        parallel(*(lambda n=n: work(n) for n in range(32)))
        self.assertEqual(self.modseq(), begin + 24 * 20)
        state = self.state()
        self.assertEqual(state[1]['flags'], [])
        self.assertEqual(len(state[2]['flags']), 256)
        self.assertFalse(any(r['flags'] for u, r in state.items() if u > 2))

    def test_limits(self):
        """Flags of a message and of a mailbox are bounded"""
        self.fill(2)
        at = self.modseq()
        some = ['k%d' % i + 'x' * 240 for i in range(40)]
        self.code(self.patch(uids='1', set=some), 403, 'not-permitted')
        # too long only together with what is there: nothing changes
        self.patch(uids='2', set=some[:20])
        at = self.modseq()
        self.code(self.patch(uids='1:2', add=some[20:35]), 403,
                  'not-permitted')
        self.assertEqual(self.modseq(), at)
        # 256 keywords, of 250 bytes
        for flags in [['x' * 251]], [['k%d' % i for i in range(257)]]:
            self.code(self.patch(uids='1', add=flags[0]), 403,
                      'not-permitted')
            a = self.c.upload({'account': 'joe', 'mailbox': self.m,
                               'flags': flags[0]}, b'x')
            if a.status == 200:
                self.assertEqual(a.lines()[1], [
                    {'index': 0, 'code': 'not-permitted'}])
            else:
                self.code(a, 403, 'not-permitted')
        self.assertEqual(self.modseq(), at)
        many = ['k%d' % i for i in range(256)]
        self.assertEqual(self.patch(uids='1', set=many).status, 200)
        self.code(self.patch(uids='1', add=['one-more']), 403,
                  'not-permitted')
        self.assertEqual(self.patch(uids='1', set=['y' * 250]).status, 200)
        self.patch(uids='2', set=[])
        code = None
        for i in range(2000):
            a = self.patch(uids='1', set=['%04d' % i + 'x' * 100])
            if a.status != 200:
                code = a.code
                break
        self.assertEqual(code, 'not-permitted')
        self.assertLess(i, 400)
        # what it knows already still goes
        self.assertEqual(self.patch(uids='2', set=['0000' + 'x' * 100]
                                    ).status, 200)

    def test_sets_swept(self):
        """Sets of flags that no message has are swept at a start"""
        self.fill(1)
        for i in range(70):
            self.patch(uids='1', set=['a%d' % i])
        self.c.close()
        self.server.stop()
        db = sqlite3.connect(self.server.folder + '/store.db')
        db.executemany('INSERT INTO flagset (flags) VALUES (?)',
                       (('["x%d"]' % i,) for i in range(10000)))
        db.commit()
        self.server.start()
        n, = db.execute('SELECT count(*) FROM flagset').fetchone()
        db.close()
        self.assertEqual(n, 3)
        self.assertEqual(self.state()[1]['flags'], ['a69'])
        self.patch(uids='1', add=['a3'])
        self.assertEqual(self.state()[1]['flags'], ['a3', 'a69'])

    # expunge

    def test_expunge(self):
        """Exactly what this request removed; gone uids are ignored"""
        self.fill(6)
        at = self.modseq()
        header, rows = self.c.expunge('joe', self.m, '2:3,9').lines()
        self.assertEqual(header['change'], {
            'mailbox': self.m, 'modseq_before': at, 'modseq': at + 1})
        self.assertEqual(rows, [{'vanished': '2:3'}])
        header, rows = self.c.expunge('joe', self.m, '1:4').lines()
        self.assertEqual(rows, [{'vanished': '1,4'}])
        header, rows = self.c.expunge('joe', self.m, '1:4').lines()
        self.assertEqual((header['change']['modseq'], rows), (at + 2, []))
        self.assertEqual(sorted(self.state()), [5, 6])
        self.assertEqual(self.c.mailbox('joe')['uidnext'], 7)
        self.assertEqual(self.c.add('joe', self.m)['uid'], 7)

    def test_only_if_flag(self):
        """An un-delete elsewhere wins; the member must be there"""
        self.fill(4, flags=[r'\Deleted', 'Gone'])
        self.patch(uids='2', remove=[r'\Deleted'])
        self.patch(uids='3', remove=['gone'])
        header, rows = self.c.expunge('joe', self.m, '1:2', r'\deleted'
                                      ).lines()
        self.assertEqual(rows, [{'vanished': '1'}])
        header, rows = self.c.expunge('joe', self.m, '1:4', 'GONE').lines()
        self.assertEqual(rows, [{'vanished': '2,4'}])
        path = box('joe', self.m) + '/expunge'
        for bad in ({'uids': '3'}, {'only_if_flag': None},
                    {'uids': '3', 'only_if_flag': ''},
                    {'uids': '3', 'only_if_flag': r'\Recent'},
                    {'uids': '3', 'only_if_flag': ['x']}):
            self.code(self.c.ask('POST', path, bad), 400, 'bad-request')
        self.assertEqual(sorted(self.state()), [3])

    # copy and move

    def test_copy(self):
        """Copies: same id, date and flags, uids ascending as the sources"""
        t = self.c.create('joe', 't')
        for i in range(4):
            self.c.add('joe', self.m, b'%d' % i, flags=['k%d' % i],
                       date='2001-02-03T04:05:0%d+01:00' % i)
        at = self.modseq()
        header, rows = self.c.copy('joe', self.m, '1:2,4,7', t['id']).lines()
        self.assertEqual(header, {
            'header': True, 'uidvalidity': t['uidvalidity'],
            'from_change': {'mailbox': self.m, 'modseq_before': at,
                            'modseq': at},
            'to_change': {'mailbox': t['id'], 'modseq_before': 1,
                          'modseq': 2}})
        self.assertEqual(rows, [{'from': '1:2,4', 'to': '1:3'}])
        old, new = self.state(), self.state(t['id'])
        for a, b in (1, 1), (2, 2), (4, 3):
            for member in 'id', 'flags', 'date', 'size':
                self.assertEqual(old[a][member], new[b][member])
        self.assertEqual({r['modseq'] for r in new.values()}, {2})

    def test_move(self):
        """A move: both changes, and what vanished"""
        t = self.c.create('joe', 't')['id']
        self.fill(4)
        at = self.modseq()
        header, rows = self.c.copy('joe', self.m, '2,4:9', t, True).lines()
        self.assertEqual(header['from_change']['modseq_before'], at)
        self.assertEqual(header['from_change']['modseq'], at + 1)
        self.assertEqual(rows, [{'from': '2,4', 'to': '1:2'},
                                {'vanished': '2,4'}])
        self.assertEqual((sorted(self.state()), sorted(self.state(t))),
                         ([1, 3], [1, 2]))
        header, rows = self.c.copy('joe', self.m, '2,4', t, True).lines()
        self.assertEqual(rows, [])
        self.assertEqual(header['to_change']['modseq_before'],
                         header['to_change']['modseq'])

    def test_copy_itself(self):
        """Into itself: new uids, both changes equal, one modseq"""
        self.fill(2)
        at = self.modseq()
        header, rows = self.c.copy('joe', self.m, '1:2', self.m).lines()
        self.assertEqual(header['from_change'], header['to_change'])
        self.assertEqual(header['to_change']['modseq'], at + 1)
        self.assertEqual(rows, [{'from': '1:2', 'to': '3:4'}])
        header, rows = self.c.copy('joe', self.m, '1:4294967295', self.m,
                                   True).lines()
        self.assertEqual(rows, [{'from': '1:4', 'to': '5:8'},
                                {'vanished': '1:4'}])
        s = self.state()
        self.assertEqual(sorted(s), [5, 6, 7, 8])
        self.assertEqual({r['modseq'] for r in s.values()}, {at + 2})

    def test_copy_long(self):
        """A long copy of scattered uids: lines of equal counts"""
        t = self.c.create('joe', 't')['id']
        to = [{'account': 'joe', 'mailbox': self.m}] * 1000
        for i in range(5):
            self.c.upload(to, b'x')
        odd = [u for u in range(1, 5001) if u % 2]
        for i in range(0, len(odd), 1000):
            self.patch(uids=','.join(map(str, odd[i:i + 1000])), add=['o'])
        self.c.expunge('joe', self.m, '1:5000', 'o')
        header, rows = self.c.copy('joe', self.m, '1:5000', t, True).lines()
        pairs = [r for r in rows if 'from' in r]
        gone = [u for r in rows if 'vanished' in r
                for u in members(r['vanished'])]
        self.assertGreater(len(pairs), 1)
        at = 1
        for r in pairs:
            a, b = members(r['from']), members(r['to'])
            self.assertEqual(len(a), len(b))
            self.assertEqual(b, list(range(at, at + len(b))))
            at += len(b)
        self.assertEqual(gone, [u for u in range(1, 5001) if u % 2 == 0])

    def test_copy_errors(self):
        """No such target, no such source, bad requests"""
        self.fill(1)
        other = self.inbox('jim')
        for to in 'x', '', '9-9', other, self.m + '0':
            self.code(self.c.copy('joe', self.m, '1', to), 404,
                      'no-such-target')
        self.code(self.c.copy('joe', '9-9', '1', self.m), 404,
                  'no-such-mailbox')
        path = box('joe', self.m) + '/copy'
        for bad in ({'uids': '1', 'to': self.m}, {'uids': '1', 'move': True},
                    {'to': self.m, 'move': False},
                    {'uids': '1', 'to': self.m, 'move': 1},
                    {'uids': '1', 'to': 1, 'move': True}):
            self.code(self.c.ask('POST', path, bad), 400, 'bad-request')
        self.code(self.c.ask('POST', path, {'uids': '1', 'to': self.m,
                                            'move': False, 'x': 0}), 400,
                  'unknown-parameter')
        self.assertEqual(sorted(self.state()), [1])

    def test_copy_spelling(self):
        """Keywords take the target's spelling; equal without case"""
        t = self.c.create('joe', 't')['id']
        self.c.add('joe', t, flags=['IMPORTANT'])
        self.c.add('joe', self.m, flags=['important', 'New'])
        self.c.copy('joe', self.m, '1', t)
        self.assertEqual(self.state(t)[2]['flags'], ['IMPORTANT', 'New'])
        self.patch(uids='1', add=['NEW'])
        self.assertEqual(self.state()[1]['flags'], ['important', 'New'])

    # keys

    def test_key(self):
        """A repeat gets the first answer, whatever happened since"""
        self.fill(3)
        a = self.patch(uids='1', add=['x'], key='k')
        self.patch(uids='1', remove=['x'])
        b = self.patch(uids='1', add=['x'], key='k')
        self.assertEqual(a.body, b.body)
        self.assertEqual(self.state()[1]['flags'], [])
        # a body that says the same in other bytes is another body
        self.code(self.patch(uids='2', add=['x'], key='k'), 422,
                  'key-reused')
        self.code(self.c.ask('POST', box('joe'), {'name': 'a'},
                             Idempotency_Key='k'), 422, 'key-reused')
        # the scope is the account
        j = self.inbox('jim')
        self.assertEqual(self.c.patch('jim', j, uids='1', add=['x'], key='k'
                                      ).status, 200)

    def test_key_all(self):
        """Every changing call remembers its key, 201 and 204 too"""
        self.fill(4)
        t = self.c.create('joe', 't')['id']
        id = self.state()[1]['id']
        calls = [
            ('POST', box('joe'), {'name': 'n'}),
            ('POST', box('joe') + '/rename', {'from': 'n', 'to': 'o'}),
            ('POST', box('joe', self.m) + '/expunge',
             {'uids': '1', 'only_if_flag': None}),
            ('POST', box('joe', self.m) + '/copy',
             {'uids': '2', 'to': t, 'move': True}),
            ('POST', '/accounts/joe/subscriptions', {'add': ['q']}),
            ('PUT', '/accounts/joe/messages/%s/cache' % id, b'text'),
            ('DELETE', box('joe', t), None),
        ]
        for i, (method, path, body) in enumerate(calls):
            a, b = (self.c.ask(method, path, body,
                               Idempotency_Key='k%d' % i) for _ in range(2))
            self.assertLess(a.status, 300, a)
            self.assertEqual((a.status, a.body), (b.status, b.body))
        self.assertEqual(sorted(self.state()), [3, 4])

    def test_key_error(self):
        """Errors are not remembered"""
        self.code(self.c.copy('joe', '9-9', '1', self.m), 404,
                  'no-such-mailbox')
        for i in range(2):
            self.code(self.c.ask('POST', box('joe'), {'name': 'INBOX'},
                                 Idempotency_Key='k'), 409, 'exists')
        self.assertEqual(self.c.ask('POST', box('joe'), {'name': 'x'},
                                    Idempotency_Key='k').status, 201)

    def test_key_race(self):
        """Concurrent repeats of a create: one mailbox, equal answers"""
        answers = []

        def one():
            c = self.server.client()
            for i in range(20):
                a = c.ask('POST', box('joe'), {'name': 'm%d' % i},
                          Idempotency_Key='k%d' % i)
                answers.append((i, a.status, a.body))
            c.close()
        parallel(*[one] * 8)
        self.assertEqual(len(set(answers)), 20)
        self.assertEqual(len(self.c.mailboxes('joe')), 21)


if __name__ == '__main__':
    atf.main()
