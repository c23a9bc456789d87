#!/usr/bin/env python3
"""batch: contents first, then several messages in one step."""

import os
import sqlite3
import time

from store import SLOW, StoreTest, atf, box, members


class Batch(StoreTest):
    def setUp(self):
        super().setUp()
        self.m = self.inbox()

    def blob(self, data, account='joe', **fields):
        a = self.c.ask('POST', '/accounts/%s/blobs' % account, data, **fields)
        self.assertEqual(a.status, 201, a)
        self.assertEqual(a.json()['size'], len(data))
        return a.json()['id']

    def batch(self, append=None, expunge=None, m=None, **more):
        body = {}
        if append is not None:
            body['append'] = append
        if expunge is not None:
            body['expunge'] = expunge
        fields = {k: more.pop(k) for k in list(more) if k[0].isupper()}
        return self.c.ask('POST', box('joe', m or self.m) + '/messages',
                          dict(body, **more), **fields)

    def content(self, id):
        a = self.c.content('joe', id)
        self.assertEqual(a.status, 200)
        return a.body

    def test_blob(self):
        """A content that no message has: readable, by its account only"""
        for data in b'x', os.urandom(1000), os.urandom(300000):
            id = self.blob(data)
            self.assertEqual(self.content(id), data)
            self.inbox('ann')
            self.code(self.c.content('ann', id), 404, 'no-such-message')
        self.assertEqual(self.c.mailbox('joe')['messages'], 0)
        a = self.c.ask('POST', '/accounts/joe/blobs', b'abc',
                       Idempotency_Key='k')
        b = self.c.ask('POST', '/accounts/joe/blobs', b'abc',
                       Idempotency_Key='k')
        self.assertEqual((a.status, a.body), (b.status, b.body))
        self.code(self.c.ask('POST', '/accounts/joe/blobs', b''), 400,
                  'bad-request')
        big = b'y' * 300000
        a = self.c.ask('POST', '/accounts/joe/blobs', big,
                       Idempotency_Key='l')
        b = self.c.ask('POST', '/accounts/joe/blobs', big,
                       Idempotency_Key='l')
        self.assertEqual(a.body, b.body)
        self.assertEqual(self.content(a.json()['id']), big)

    def test_append(self):
        """Several, with flags and dates, in one change with one modseq"""
        one, two = self.blob(b'one'), self.blob(b'x' * 200000)
        events = self.server.stream()
        before = self.c.mailbox('joe')['modseq']
        header, rows = self.batch([
            {'id': one, 'flags': ['\\Seen', 'a'],
             'date': '2001-02-03T04:05:06+07:00', 'cache': 'sum'},
            {'id': two, 'parts': None, 'flags': None}, {'id': one}]).lines()
        change = header['change']
        self.assertEqual((change['mailbox'], change['modseq_before']),
                         (self.m, before))
        self.assertEqual(header['uidvalidity'],
                         self.c.mailbox('joe')['uidvalidity'])
        self.assertEqual(rows, [
            {'index': 0, 'uid': 1, 'id': one, 'size': 3},
            {'index': 1, 'uid': 2, 'id': two, 'size': 200000},
            {'index': 2, 'uid': 3, 'id': one, 'size': 3}])
        state = self.c.state('joe', self.m,
                             fields='uid,flags,date,modseq,cache,size,id')
        self.assertEqual(state[1]['flags'], ['\\Seen', 'a'])
        self.assertEqual(state[1]['date'], '2001-02-03T04:05:06+07:00')
        self.assertEqual({r['modseq'] for r in state.values()},
                         {change['modseq']})
        self.assertEqual(state[1]['cache'], 'sum')
        self.assertEqual(events.event()['modseq'], change['modseq'])
        events.close()
        row = self.c.mailbox('joe')
        self.assertEqual((row['messages'], row['unseen'], row['size']),
                         (3, 2, 200006))
        # a message's own content will do, too
        other = self.c.create('joe', 'other')['id']
        self.batch([{'id': two}], m=other).lines()
        self.c.expunge('joe', self.m, '1:3')
        self.assertEqual(len(self.content(two)), 200000)

    def test_replace(self):
        """One comes, one goes: in one step; what came does not go"""
        self.c.add('joe', self.m, b'old', flags=['\\Draft'])
        self.c.add('joe', self.m, b'other')
        id = self.blob(b'new')
        header, rows = self.batch([{'id': id, 'flags': ['\\Draft']}], '1,3:9'
                                  ).lines()
        self.assertEqual(rows, [{'index': 0, 'uid': 3, 'id': id, 'size': 3},
                                {'vanished': '1'}])
        self.assertEqual(sorted(self.c.state('joe', self.m)), [2, 3])
        header, rows = self.c.rows('joe', self.m, since=header['change'][
            'modseq_before'])
        self.assertEqual([r.get('vanished') or r['uid'] for r in rows],
                         ['1', 3])
        # only what goes
        header, rows = self.batch(expunge='2').lines()
        self.assertEqual(rows, [{'vanished': '2'}])
        header, rows = self.batch(expunge='2').lines()
        self.assertEqual(rows, [])
        self.assertEqual(header['change']['modseq_before'],
                         header['change']['modseq'])

    def test_parts(self):
        """A message put together of pieces, small and large"""
        small, large = os.urandom(5000), os.urandom(200000)
        s, l = self.blob(small), self.blob(large)
        header, rows = self.batch([
            {'id': None,
             'parts': [{'id': s}, {'id': s, 'offset': 100, 'length': 50},
                       {'id': l, 'offset': 199990},
                       {'id': s, 'offset': 5000}]},
            {'parts': [{'id': l, 'length': 150000}, {'id': s},
                       {'id': l, 'offset': 1, 'length': 100000}]}]).lines()
        want = [small + small[100:150] + large[199990:],
                large[:150000] + small + large[1:100001]]
        for row, data in zip(rows, want):
            self.assertEqual(row['size'], len(data))
            self.assertEqual(self.content(row['id']), data)
            self.assertNotIn(row['id'], (s, l))
        self.c.close()
        self.server.stop()
        self.server.start()
        self.assertEqual(self.content(rows[1]['id']), want[1])

    def test_nothing(self):
        """All or nothing"""
        self.c.add('joe', self.m, b'old')
        row = self.c.mailbox('joe')
        id, large = self.blob(b'x'), self.blob(b'x' * 200000)
        foreign = self.c.add('ann', self.inbox('ann'), b'secret')['id']
        pieces = [{'parts': [{'id': large}, {'id': id}]}]
        for bad in ({'id': foreign}, {'id': id[:-1] + 'x'}, {'id': '1'},
                    {'parts': [{'id': foreign}]}):
            self.code(self.batch(pieces + [{'id': id}, bad], '1'), 404,
                      'no-such-blob')
        for bad in ({}, 1, {'id': 1}, {'id': id, 'parts': [{'id': id}]},
                    {'parts': []}, {'parts': [{}]}, {'parts': [1]},
                    {'id': id, 'flags': 'x'}, {'id': id, 'date': 'x'},
                    {'id': id, 'cache': 'x\0'},
                    {'parts': [{'id': id, 'offset': 2}]},
                    {'parts': [{'id': id, 'offset': 1, 'length': 1}]},
                    {'parts': [{'id': id, 'offset': -1}]}):
            self.code(self.batch(pieces + [{'id': id}, bad], '1'), 400,
                      'bad-request')
        for bad in {'x': 1}, {'parts': [{'id': id, 'x': 1}]}:
            self.code(self.batch([dict(bad, id=id) if 'x' in bad else bad]),
                      400, 'unknown-parameter')
        self.code(self.batch([{'id': id, 'flags': ['x' * 251]}]), 403,
                  'not-permitted')
        for bad in ([], 'x', {}, [{'id': id}] * 1001):
            self.code(self.batch(bad), 400, 'bad-request')
        self.code(self.batch(), 400, 'bad-request')
        self.code(self.batch(expunge=''), 400, 'bad-request')
        self.code(self.batch([{'id': id}], m='1-1'), 404, 'no-such-mailbox')
        self.assertEqual(self.c.mailbox('joe'), row)
        self.assertEqual(len(os.listdir(self.server.folder + '/body/new')),
                         0)

    def test_repeat(self):
        id = self.blob(b'x' * 200000)
        parts = [{'parts': [{'id': id}, {'id': id}]}]
        a = self.batch(parts, Idempotency_Key='k')
        b = self.batch(parts, Idempotency_Key='k')
        self.assertEqual(a.body, b.body)
        self.assertEqual(self.c.mailbox('joe')['messages'], 1)
        self.assertEqual(len(self.content(a.lines()[1][0]['id'])), 400000)

    def test_many(self):
        """As many as it says"""
        id = self.blob(b'x')
        header, rows = self.batch([{'id': id}] * 1000).lines()
        self.assertEqual([r['uid'] for r in rows], list(range(1, 1001)))
        header, rows = self.batch([{'id': id}], '1:1000').lines()
        self.assertEqual(members(rows[-1]['vanished']),
                         list(range(1, 1001)))
        self.assertEqual(self.batch([{'parts': [{'id': id}] * 1000}]
                                    ).lines()[1][0]['size'], 1000)
        self.code(self.batch([{'parts': [{'id': id}] * 1001}]), 400,
                  'bad-request')


class Small(Batch):
    args = ('-o', 'message=100K', '-o', 'quota=120K')

    def test_limits(self):
        """Too large together; over quota, but for what goes"""
        self.code(self.c.ask('POST', '/accounts/joe/blobs', b'x' * 102401),
                  413, 'too-large')
        id = self.blob(b'x' * 60000)
        self.code(self.batch([{'parts': [{'id': id}, {'id': id}]}]), 413,
                  'too-large')
        self.batch([{'id': id}, {'id': id}]).lines()
        self.code(self.batch([{'id': id}]), 507, 'over-quota')
        self.batch([{'id': id}], '1').lines()

    test_blob = test_append = test_replace = test_parts = None
    test_nothing = test_repeat = test_many = None


class Grace(Batch):
    args = ('-o', 'grace=0s')

    def test_kept(self):
        """A blob stays for its time, even where nothing else does; then it
        goes"""
        id = self.blob(b'x' * 200000)
        gone = self.c.add('joe', self.m, b'y' * 200000)['id']
        self.c.expunge('joe', self.m, '1').lines()
        end = time.monotonic() + 20 * SLOW
        while self.c.content('joe', gone).status != 404:
            self.assertLess(time.monotonic(), end)
            time.sleep(.1)
        self.assertEqual(len(self.content(id)), 200000)
        self.c.close()
        self.server.stop()
        db = sqlite3.connect(self.server.folder + '/store.db')
        db.execute('UPDATE holding SET gone = gone - 3601')
        db.commit()
        db.close()
        self.server.start()
        while self.c.content('joe', id).status != 404:
            self.assertLess(time.monotonic(), end)
            time.sleep(.1)

    test_blob = test_append = test_replace = test_parts = None
    test_nothing = test_repeat = test_many = None


class Off(StoreTest):
    args = ('-D', 'batch')

    def test_off(self):
        m = self.inbox()
        self.code(self.c.ask('POST', '/accounts/joe/blobs', b'x'), 404,
                  'bad-request')
        self.code(self.c.ask('POST', box('joe', m) + '/messages', {}), 405,
                  'bad-request')


if __name__ == '__main__':
    atf.main()
