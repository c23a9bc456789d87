#!/usr/bin/env python3
"""Uploads: recipients, sizes, keys, what is cut off, contents, summaries."""

import json
import os
import random
import time

from store import SLOW, Cut, StoreTest, atf, parallel


def body(n, seed=0):
    return random.Random(seed).randbytes(n)


class Upload(StoreTest):
    def test_one(self):
        """One message: the row, the mailbox, the bytes"""
        m = self.inbox()
        msg = b'From: a\r\n\r\nhello\0\xff\r\n'
        a = self.c.upload({'account': 'joe', 'mailbox': m}, msg)
        self.assertEqual(a.status, 200)
        header, (row,) = a.lines()
        self.assertEqual(header, {'header': True})
        box = self.c.mailbox('joe')
        self.assertEqual(row, {
            'index': 0, 'uid': 1, 'uidvalidity': box['uidvalidity'],
            'id': row['id'], 'change': {
                'mailbox': m, 'modseq_before': 1, 'modseq': box['modseq']}})
        self.assertGreater(box['modseq'], 1)
        self.assertRegex(row['id'], r'^[A-Za-z0-9_-]{1,255}$')
        a = self.c.content('joe', row['id'])
        self.assertEqual((a.status, a.body), (200, msg))
        self.assertEqual(a.fields['content-type'], 'message/rfc822')

    def test_sizes(self):
        """Every size around the bounds comes back byte for byte"""
        m = self.inbox()
        for n in (0, 1, 4095, 65535, 65536, 65537, 131071, 131072, 131073,
                  200000, 1 << 20, 3000001):
            msg = body(n)
            row = self.c.add('joe', m, msg)
            self.assertEqual(self.c.content('joe', row['id']).body, msg)
            self.assertEqual(self.c.state('joe', m)[row['uid']]['size'], n)
        n = sum(len(f) for _, _, f in os.walk(self.server.folder + '/body'))
        self.assertEqual(n, 4)

    def test_chunked(self):
        """Length known or not, cut anywhere"""
        m = self.inbox()
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}],
                           'delivery': False}).encode() + b'\n'
        r = random.Random(3)
        for n in 10, 5000, 300000:
            msg = body(n)
            data, pieces = line + msg, []
            while data:
                k = r.choice([1, 7, 100, 5000, 70000])
                pieces.append(data[:k])
                data = data[k:]
            row, = self.c.chunked('POST', '/messages', pieces).lines()[1]
            self.assertEqual(self.c.content('joe', row['id']).body, msg)

    def test_continue(self):
        """100 (Continue) comes when the head is fine"""
        m = self.inbox()
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}]}
                          ).encode() + b'\n'
        msg = line + body(100000)
        self.c.send(self.c.head('POST', '/messages', {
            'Content_Length': len(msg), 'Expect': '100-continue'}))
        self.assertEqual(self.c.read_head()[0], 100)
        self.c.send(msg)
        self.assertEqual(self.c.answer().status, 200)
        self.c.send(self.c.head('POST', '/messages', {
            'Content_Length': 1 << 30, 'Expect': '100-continue'}))
        self.code(self.c.answer(), 413, 'too-large')

    def test_recipients(self):
        """Several: each its own result, one content"""
        j, k = self.inbox('joe'), self.inbox('jim')
        t = self.c.create('joe', 't')['id']
        a = self.c.upload([
            {'account': 'joe', 'mailbox': j, 'flags': [r'\Seen']},
            {'account': 'jim', 'mailbox': j},           # not his
            {'account': 'jim', 'mailbox': k, 'address': 'jim@x'},
            {'account': 'joe', 'mailbox': 'nonsense'},
            {'account': 'joe', 'mailbox': t}], b'to all\r\n', **{
                'from': ''})
        rows = a.lines()[1]
        self.assertEqual([r['index'] for r in rows], [0, 1, 2, 3, 4])
        self.assertEqual([r.get('code') for r in rows],
                         [None, 'no-such-target', None, 'no-such-target',
                          None])
        self.assertEqual({r['id'] for r in rows if 'id' in r},
                         {rows[0]['id']})
        for account in 'joe', 'jim':
            self.assertEqual(self.c.content(account, rows[0]['id']).body,
                             b'to all\r\n')
        self.code(self.c.content('eve', rows[0]['id']), 404,
                  'no-such-account')
        self.inbox('eve')
        self.code(self.c.content('eve', rows[0]['id']), 404,
                  'no-such-message')
        self.assertEqual(self.c.state('joe', j)[1]['flags'], [r'\Seen'])
        self.assertEqual(self.c.state('joe', t)[1]['flags'], [])

    def test_all_fail(self):
        """What concerns a recipient is a row, even when all fail"""
        self.inbox()
        a = self.c.upload({'account': 'joe', 'mailbox': '99-99'}, b'x')
        self.assertEqual(a.lines()[1], [{'index': 0,
                                         'code': 'no-such-target'}])

    def test_twice(self):
        """Equal contents without a key are two messages"""
        m = self.inbox()
        a, b = (self.c.add('joe', m, b'same') for i in range(2))
        self.assertNotEqual(a['uid'], b['uid'])
        self.assertEqual(b['change']['modseq_before'],
                         a['change']['modseq'])

    def test_line(self):
        """First lines that are wrong store nothing"""
        m = self.inbox()
        to = {'account': 'joe', 'mailbox': m}

        def post(line):
            return self.c.ask('POST', '/messages', line + b'\nmsg')
        for bad in (b'', b'{}', b'[]', b'{"to":[]}', b'{"to":{}}',
                    b'{"to":[1]}', b'{"to":[{}]}', b'x',
                    json.dumps({'to': [dict(to, flags='x')]}).encode(),
                    json.dumps({'to': [dict(to, flags=['a b'])]}).encode(),
                    json.dumps({'to': [dict(to, flags=[r'\Recent'])]}
                               ).encode(),
                    json.dumps({'to': [dict(to, flags=[''])]}).encode(),
                    json.dumps({'to': [dict(to, date='yesterday')]}
                               ).encode(),
                    json.dumps({'to': [dict(to, date='2020-13-01T00:00:00Z'
                                            )]}).encode(),
                    json.dumps({'to': [to], 'delivery': 1}).encode(),
                    json.dumps({'to': [to], 'from': 7}).encode(),
                    json.dumps({'to': [dict(to, account=1)]}).encode(),
                    json.dumps({'to': [dict(to, cache=5)]}).encode(),
                    json.dumps({'to': [dict(to, cache='x' * 32769)]}
                               ).encode()):
            self.code(post(bad), 400, 'bad-request')
        for bad in (json.dumps({'to': [to], 'x': 1}).encode(),
                    json.dumps({'to': [dict(to, x=1)]}).encode()):
            self.code(post(bad), 400, 'unknown-parameter')
        self.code(self.c.ask('POST', '/messages', b'{"to":[]}'), 400,
                  'bad-request')
        self.code(self.c.ask('POST', '/messages', b''), 400, 'bad-request')
        self.code(self.c.ask('POST', '/messages', b' ' * (1 << 20) + b'  '),
                  400, 'bad-request')
        self.assertEqual(self.c.state('joe', m), {})
        many = [to] * 1001
        self.code(post(json.dumps({'to': many}).encode()), 400,
                  'bad-request')

    def test_dates(self):
        """Dates keep their zone; without one it is now"""
        m = self.inbox()
        for d in ('1970-01-01T00:00:00Z', '1969-12-31T12:00:00-12:00',
                  '2038-01-19T03:14:08+14:00', '2400-02-29T10:20:30-00:30'):
            row = self.c.add('joe', m, date=d)
            self.assertEqual(self.c.state('joe', m)[row['uid']]['date'], d)
        row = self.c.add('joe', m, date='2020-01-02T03:04:05.678Z')
        self.assertEqual(self.c.state('joe', m)[row['uid']]['date'],
                         '2020-01-02T03:04:05Z')
        row = self.c.add('joe', m)
        d = self.c.state('joe', m)[row['uid']]['date']
        now = time.strftime('%Y-%m-%dT%H:%M', time.gmtime())
        before = time.strftime('%Y-%m-%dT%H:%M',
                               time.gmtime(time.time() - 30))
        self.assertIn(d[:16], (now, before))

    def test_flags_spelling(self):
        """Flags are compared without case and kept as first written"""
        m = self.inbox()
        self.c.add('joe', m, flags=[r'\sEEN', 'MyFlag', '$Junk', 'myflag'])
        self.c.add('joe', m, flags=['MYFLAG', r'\SEEN'])
        s = self.c.state('joe', m)
        self.assertEqual(set(s[1]['flags']), {r'\Seen', 'MyFlag', '$Junk'})
        self.assertEqual(set(s[2]['flags']), {r'\Seen', 'MyFlag'})
        # another account is another matter
        k = self.inbox('jim')
        self.c.add('jim', k, flags=['myFLAG'])
        self.assertEqual(self.c.state('jim', k)[1]['flags'], ['myFLAG'])

    def test_cut(self):
        """An upload that is cut off stores nothing and leaves nothing"""
        m = self.inbox()
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}]}
                          ).encode() + b'\n'
        for n in 10, 100000, 1000000:
            for sent in 0, len(line) // 2, len(line), len(line) + n - 1:
                c = self.server.client()
                c.send(c.head('POST', '/messages',
                              {'Content_Length': len(line) + n}) +
                       (line + body(n))[:sent])
                c.sock.shutdown(1)
                self.assertRaises((Cut, ConnectionError), c.answer)
                c.close()
                c = self.server.client()
                c.send(c.head('POST', '/messages', {
                    'Transfer_Encoding': 'chunked'}) + b'%x\r\n' % (sent + 1)
                    + (line + body(n))[:sent])
                c.close()
        self.assertEqual(self.c.state('joe', m), {})
        self.assertEqual(self.c.mailbox('joe')['uidnext'], 1)
        end = time.monotonic() + 5 * SLOW
        while os.listdir(self.server.folder + '/body/new'):
            self.assertLess(time.monotonic(), end)
            time.sleep(.05)

    def test_too_large(self):
        """Too large a message: 413, told early, nothing stored"""
        m = self.inbox()
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}]}
                          ).encode() + b'\n'
        limit = 64 << 20
        # by its length, before any of it
        c = self.server.client()
        c.send(c.head('POST', '/messages', {
            'Content_Length': len(line) + limit + 1}) + line)
        self.code(c.answer(), 413, 'too-large')
        # while it comes
        c = self.server.client()
        c.send(c.head('POST', '/messages', {'Transfer_Encoding': 'chunked'})
               + b'%x\r\n%s\r\n' % (len(line), line))
        piece = b'10000\r\n' + b'x' * 65536 + b'\r\n'
        try:
            for i in range(limit // 65536 + 100):
                c.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.code(c.answer(), 413, 'too-large')
        c.close()
        self.assertEqual(self.c.state('joe', m), {})

    # keys

    def test_key(self):
        """The same key gives one message, and the first answer again"""
        m = self.inbox()
        to = {'account': 'joe', 'mailbox': m}
        for n in 5, 200000:
            a = self.c.upload(to, body(n), key='k%d' % n)
            b = self.c.upload(to, body(n), key='k%d' % n)
            self.assertEqual(a.body, b.body)
        self.assertEqual(len(self.c.state('joe', m)), 2)
        self.c.close()
        self.server.stop()
        self.server.start()
        self.assertEqual(self.c.upload(to, body(5), key='k5').lines()[1][0]
                         ['uid'], 1)
        self.assertEqual(len(self.c.state('joe', m)), 2)
        n = sum(len(f) for _, _, f in os.walk(self.server.folder + '/body'))
        self.assertEqual(n, 1)

    def test_key_reused(self):
        """Another path or body under the same key is refused"""
        m = self.inbox()
        to = {'account': 'joe', 'mailbox': m}
        self.c.upload(to, b'one', key='k').lines()
        self.code(self.c.upload(to, b'two', key='k'), 422, 'key-reused')
        self.code(self.c.upload([to, to], b'one', key='k'), 422,
                  'key-reused')
        self.assertEqual(len(self.c.state('joe', m)), 1)

    def test_key_index(self):
        """A repeat gives the rows that were promised, tries the others"""
        m = self.inbox()
        to = [{'account': 'joe', 'mailbox': m},
              {'account': 'jim', 'mailbox': '77-77'}]
        first = self.c.upload(to, b'x', key='k').lines()[1]
        again = self.c.upload(to, b'x', key='k').lines()[1]
        self.assertEqual(first, again)
        self.assertEqual(first[1]['code'], 'no-such-target')
        self.assertEqual(len(self.c.state('joe', m)), 1)
        # jim's turns up in the meantime, as far as a test can make it
        t = self.c.create('joe', 't')['id']
        no = int(t.split('-')[0]) + 1
        v = self.c.create('joe', 'u')['uidvalidity'] + 1
        to = [{'account': 'joe', 'mailbox': m},
              {'account': 'joe', 'mailbox': '%d-%d' % (no + 1, v)}]
        first = self.c.upload(to, b'y', key='l').lines()[1]
        self.assertEqual(first[1]['code'], 'no-such-target')
        self.assertEqual(self.c.create('joe', 'v')['id'],
                         to[1]['mailbox'])
        again = self.c.upload(to, b'y', key='l').lines()[1]
        self.assertEqual(again[0], first[0])
        self.assertEqual(again[1]['uid'], 1)
        self.assertEqual(self.c.upload(to, b'y', key='l').lines()[1], again)

    def test_key_bad(self):
        """A key is visible ASCII of bounded length"""
        m = self.inbox()
        to = {'account': 'joe', 'mailbox': m}
        for key in 'x' * 256, 'a b':
            self.code(self.c.upload(to, b'x', key=key), 400, 'bad-request')
        self.c.upload(to, b'x', key='x' * 255).lines()

    def test_key_race(self):
        """Concurrent repeats: one message, equal answers"""
        m = self.inbox()
        to = {'account': 'joe', 'mailbox': m}
        answers = []

        def one(i):
            c = self.server.client()
            for k in range(20):
                answers.append((k, c.upload(to, b'%d' % k,
                                            key='k%d' % k).body))
            c.close()
        parallel(*(lambda i=i: one(i) for i in range(8)))
        self.assertEqual(len(set(answers)), 20)
        self.assertEqual(len(self.c.state('joe', m)), 20)

    # contents

    def test_content_ids(self):
        """Ids that are not ours, or not right, are no message"""
        m = self.inbox()
        id = self.c.add('joe', m, b'secret')['id']
        last = chr(ord(id[10]) ^ 1)
        for bad in ('x', '', id[:-1] + '9' * 3, id[:22], id + 'x', '0',
                    id[:10] + last + id[11:], id[:22] + '0' + id[22:],
                    'A' * 22 + id[22:]):
            a = self.c.content('joe', bad)
            self.assertEqual(a.status, 404)
            if bad:
                self.assertEqual(a.code, 'no-such-message')

    def test_range(self):
        """Range gives 206 and the piece"""
        m = self.inbox()
        for n in 1000, 300000:
            msg = body(n)
            id = self.c.add('joe', m, msg)['id']
            for text, lo, hi in (('0-0', 0, 0), ('0-', 0, n - 1),
                                 ('5-9', 5, 9), ('990-5000000', 990, n - 1),
                                 ('-1', n - 1, n - 1),
                                 ('-%d' % (n * 2), 0, n - 1),
                                 ('%d-' % (n - 1), n - 1, n - 1)):
                a = self.c.content('joe', id, Range='bytes=' + text)
                self.assertEqual((a.status, a.body),
                                 (206, msg[lo:hi + 1]))
                self.assertEqual(a.fields['content-range'],
                                 'bytes %d-%d/%d' % (lo, hi, n))
            for text in '%d-' % n, '-0':
                a = self.c.content('joe', id, Range='bytes=' + text)
                self.assertEqual(a.status, 416)
                self.assertEqual(a.fields['content-range'],
                                 'bytes */%d' % n)
            for text in ('bytes=0-1,5-6', 'bytes=', 'lines=1-2', 'bytes=5-2',
                         'bytes=-', 'bytes=a-b', '0-5'):
                a = self.c.content('joe', id, Range=text)
                self.assertEqual((a.status, a.body), (200, msg))

    def test_cache(self):
        """Summaries: kept per account and content, no modseq, no event"""
        j, k = self.inbox('joe'), self.inbox('jim')
        text = 'a "summary"\n\\ é \U0001f600'
        a = self.c.upload([{'account': 'joe', 'mailbox': j, 'cache': text},
                           {'account': 'jim', 'mailbox': k}], b'x')
        id = a.lines()[1][0]['id']

        def seen(account, m):
            return [r.get('cache') for r in
                    self.c.rows(account, m, fields='uid,cache')[1]]
        self.assertEqual(seen('joe', j), [text])
        self.assertEqual(seen('jim', k), [None])
        before = self.c.mailbox('jim')
        events = self.server.stream()
        put = '/accounts/jim/messages/%s/cache' % id
        self.assertEqual(self.c.ask('PUT', put, b'of jim').status, 204)
        self.assertEqual(seen('jim', k), ['of jim'])
        self.assertEqual(seen('joe', j), [text])
        self.assertEqual(self.c.ask('PUT', put, b'').status, 204)
        self.assertEqual(seen('jim', k), [''])
        self.assertEqual([''], [r['cache'] for r in self.c.rows(
            'jim', k, fields='uid,cache', brief=1)[1]])
        self.assertEqual(self.c.mailbox('jim'), before)
        self.c.create('jim', 'z')
        self.assertNotIn('mailbox', events.event())
        events.close()
        self.c.ask('PUT', put, b'x' * 32768)
        self.assertEqual(seen('jim', k), ['x' * 32768])
        self.code(self.c.ask('PUT', put, b'x' * 32769), 413, 'too-large')
        for bad in b'\xff', b'a\0b', b'\x01' * 9000:
            self.code(self.c.ask('PUT', put, bad), 400, 'bad-request')
        # a copy has the same content, so the same summary
        t = self.c.create('jim', 't')['id']
        self.c.copy('jim', k, '1', t)
        self.assertEqual(seen('jim', t), ['x' * 32768])
        self.code(self.c.ask('PUT', '/accounts/eve/messages/%s/cache' % id,
                             b'x'), 404, 'no-such-message')

    def test_cache_row(self):
        """The longest summary with the longest flags fits in a line"""
        m = self.inbox()
        flags = ['k%03d' % i + 'x' * 240 for i in range(30)]
        self.c.add('joe', m, flags=flags, cache='"' * 24575)
        row, = self.c.rows('joe', m, fields='id,flags,size,date,modseq,cache'
                           )[1]
        self.assertEqual(row['cache'], '"' * 24575)
        self.assertEqual(len(row['flags']), 30)


class Small(StoreTest):
    args = ('-o', 'message=1K', '-o', 'recipients=2')

    def test_limits(self):
        """Limits are told and kept"""
        m = self.inbox()
        limits = self.c.ask('GET', '').json()['limits']
        self.assertEqual((limits['message'], limits['recipients']),
                         (1024, 2))
        self.c.add('joe', m, b'x' * 1024)
        self.code(self.c.upload({'account': 'joe', 'mailbox': m},
                                b'x' * 1025), 413, 'too-large')
        self.code(self.c.upload([{'account': 'joe', 'mailbox': m}] * 3,
                                b'x'), 400, 'bad-request')


class Grace(StoreTest):
    args = ('-o', 'grace=2')

    def gone(self, account, id):
        end = time.monotonic() + 40 * SLOW
        while self.c.content(account, id).status == 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(.2)
        self.code(self.c.content(account, id), 404, 'no-such-message')

    def test_sweep(self):
        """After the time of grace contents go, and only those"""
        j, k = self.inbox('joe'), self.inbox('jim')
        ids = {}
        for n in 100, 200000:
            rows = self.c.upload([{'account': 'joe', 'mailbox': j},
                                  {'account': 'jim', 'mailbox': k}],
                                 body(n)).lines()[1]
            ids[n] = rows[0]['id']
        self.c.expunge('joe', j, '1:9')
        for id in ids.values():
            self.assertEqual(self.c.content('joe', id).status, 200)
        for n, id in ids.items():
            self.gone('joe', id)
            self.assertEqual(self.c.content('jim', id).body, body(n))
        self.c.expunge('jim', k, '1:9')
        for id in ids.values():
            self.gone('jim', id)
        end = time.monotonic() + 40 * SLOW
        while sum(len(f) for _, _, f in
                  os.walk(self.server.folder + '/body')):
            self.assertLess(time.monotonic(), end)
            time.sleep(.2)

    def test_deleted_mailbox(self):
        """A deleted mailbox is swept, in steps"""
        t = self.c.create('joe', 't')['id']
        to = [{'account': 'joe', 'mailbox': t}] * 1000
        ids = [self.c.upload(to, b'%d' % i).lines()[1][0]['id']
               for i in range(2)]
        self.c.ask('DELETE', '/accounts/joe/mailboxes/' + t)
        for id in ids:
            self.gone('joe', id)

    def test_kept(self):
        """A copy keeps a content alive"""
        m = self.inbox()
        t = self.c.create('joe', 't')['id']
        id = self.c.add('joe', m, b'keep')['id']
        self.c.copy('joe', m, '1', t)
        self.c.expunge('joe', m, '1')
        other = self.c.add('joe', m, b'lose')['id']
        self.c.expunge('joe', m, '2')
        self.gone('joe', other)
        self.assertEqual(self.c.content('joe', id).body, b'keep')
        # gone, and come back in time: not swept
        self.c.copy('joe', t, '1', m, move=True)
        time.sleep(3)
        self.assertEqual(self.c.content('joe', id).body, b'keep')


if __name__ == '__main__':
    atf.main()
