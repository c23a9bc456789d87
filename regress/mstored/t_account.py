#!/usr/bin/env python3
"""What an account has beside mail: dict, quota, metadata."""

import base64

from store import StoreTest, atf, box, parallel


class Dict(StoreTest):
    def ask(self, method, key, body=None, c=None, **fields):
        return (c or self.c).ask(method, '/accounts/joe/dict/' + key, body,
                                 **fields)

    def put(self, key, body=b'x', **fields):
        a = self.ask('PUT', key, body, **fields)
        self.assertEqual(a.status, 200, a)
        return a.json()['etag']

    def setUp(self):
        super().setUp()
        self.inbox()

    def test_values(self):
        """Put, get, replace, delete"""
        self.code(self.ask('GET', 'a'), 404, 'no-such-entry')
        self.code(self.ask('DELETE', 'a'), 404, 'no-such-entry')
        seen = set()
        for value in b'', b'abc', b'abc', bytes(range(256)), b'x' * 65536:
            etag = self.put('a', value)
            self.assertRegex(etag, '^[0-9a-f]{16}$')
            self.assertNotIn(etag, seen)
            seen.add(etag)
            a = self.ask('GET', 'a')
            self.assertEqual((a.status, a.body), (200, value))
            self.assertEqual(a.fields['etag'], '"%s"' % etag)
            self.assertEqual(a.fields['content-type'],
                             'application/octet-stream')
        self.code(self.ask('PUT', 'a', b'x' * 65537), 413, 'too-large')
        self.assertEqual(self.ask('DELETE', 'a').status, 204)
        self.code(self.ask('GET', 'a'), 404, 'no-such-entry')
        self.put('k' * 255)
        for key in 'k' * 256, 'a%2Fb', '%C3%A4', 'a~b', 'a%20b', '':
            self.assertEqual(self.ask('PUT', key, b'x').status, 404, key)
        self.code(self.c.ask('GET', '/accounts/eve/dict/a'), 404,
                  'no-such-account')

    def test_swap(self):
        """Compare and swap, and that only one of many wins"""
        self.code(self.ask('PUT', 'a', b'1', If_Match='"0123"'), 412,
                  'changed')
        one = self.put('a', b'1', If_None_Match='*')
        self.code(self.ask('PUT', 'a', b'2', If_None_Match='*'), 412,
                  'changed')
        two = self.put('a', b'2', If_Match='"%s"' % one)
        self.code(self.ask('PUT', 'a', b'3', If_Match='"%s"' % one), 412,
                  'changed')
        self.code(self.ask('DELETE', 'a', If_Match='"%s"' % one), 412,
                  'changed')
        self.assertEqual(self.ask('GET', 'a').body, b'2')
        self.assertEqual(self.ask('DELETE', 'a', If_Match='"%s"' % two
                                  ).status, 204)
        # an old etag is not good again for the same value
        self.put('a', b'2')
        self.code(self.ask('PUT', 'a', b'3', If_Match='"%s"' % two), 412,
                  'changed')
        for fields in ({'If_Match': one}, {'If_None_Match': '"x"'},
                       {'If_Match': '"x"', 'If_None_Match': '*'}):
            self.code(self.ask('PUT', 'a', b'3', **fields), 400,
                      'bad-request')
        self.put('n', b'0')

        def count():
            c = self.server.client()
            done = 0
            while done < 10:
                a = self.ask('GET', 'n', c=c)
                b = self.ask('PUT', 'n', b'%d' % (int(a.body) + 1), c=c,
                             If_Match=a.fields['etag'])
                done += b.status == 200
            c.close()
        parallel(*[count] * 4)
        self.assertEqual(self.ask('GET', 'n').body, b'40')

    def test_list(self):
        keys = sorted(['a', 'b', 'b.1', 'b.2', 'bb', 'c', 'B', '0', '_', '-'])
        for k in reversed(keys):
            self.put(k, k.encode() * 3)

        def rows(prefix=None):
            return self.c.ask('GET', '/accounts/joe/dict' + (
                '' if prefix is None else '?prefix=' + prefix)).lines()[1]
        self.assertEqual([r['key'] for r in rows()], keys)
        self.assertEqual([(r['key'], r['size']) for r in rows('b.')],
                         [('b.1', 9), ('b.2', 9)])
        self.assertEqual([r['key'] for r in rows('b')],
                         ['b', 'b.1', 'b.2', 'bb'])
        self.assertEqual(rows('zz'), [])
        for r in rows():
            self.assertEqual(self.ask('GET', r['key']).fields['etag'],
                             '"%s"' % r['etag'])
        many = ['many.%04d' % i for i in range(1500)]
        for k in many:
            self.put(k)
        self.assertEqual([r['key'] for r in rows('many.')], many)

    def test_repeat(self):
        """The same key of a request: once, with the same answer"""
        a = self.ask('PUT', 'a', b'1', Idempotency_Key='k1')
        self.put('a', b'2')
        self.assertEqual(self.ask('PUT', 'a', b'1', Idempotency_Key='k1'
                                  ).body, a.body)
        self.assertEqual(self.ask('GET', 'a').body, b'2')
        self.code(self.ask('PUT', 'a', b'9', Idempotency_Key='k1'), 422,
                  'key-reused')

    def test_kept(self):
        """It outlives a kill"""
        etag = self.put('a', b'kept')
        self.c.close()
        self.server.kill()
        self.server.start()
        a = self.ask('GET', 'a')
        self.assertEqual((a.body, a.fields['etag']), (b'kept', '"%s"' % etag))


class DictFull(Dict):
    args = ('-o', 'dict=100K')

    def test_values(self):
        self.put('a', b'x' * 60000)
        self.code(self.ask('PUT', 'b', b'x' * 60000), 507, 'over-quota')
        self.put('a', b'y' * 65536)
        self.put('b', b'x' * 30000)
        self.code(self.ask('PUT', 'b', b'x' * 40000), 507, 'over-quota')
        self.assertEqual(self.ask('GET', 'b').body, b'x' * 30000)

    test_list = test_swap = test_repeat = test_kept = None


class Quota(StoreTest):
    args = ('-o', 'quota=10K')

    def quota(self, account='joe'):
        return self.c.ask('GET', '/accounts/%s/quota' % account).json()

    def test_quota(self):
        """Used and limit; what is over it is refused"""
        m = self.inbox()
        other = self.c.create('joe', 'other')['id']
        self.c.add('joe', m, b'x' * 4000)
        self.assertEqual(self.quota(), {'roots': [
            {'name': '', 'storage': {'used': 4000, 'limit': 10240},
             'messages': {'used': 1, 'limit': None}}]})
        self.c.copy('joe', m, '1', other).lines()
        self.code(self.c.copy('joe', m, '1', other), 507, 'over-quota')
        to = [{'account': 'joe', 'mailbox': m}, {
            'account': 'ann', 'mailbox': self.c.mailbox('ann')['id']}]
        header, rows = self.c.upload(to, b'x' * 3000).lines()
        self.assertEqual(rows[0], {'index': 0, 'code': 'over-quota'})
        self.assertEqual(rows[1]['uid'], 1)
        # to the byte
        self.c.add('joe', m, b'x' * 2240)
        header, rows = self.c.upload(to[:1], b'x').lines()
        self.assertEqual(rows, [{'index': 0, 'code': 'over-quota'}])
        # full, but what needs no room goes
        self.assertEqual(self.c.patch('joe', m, uids='1', add=['x']).status,
                         200)
        self.assertEqual(self.c.copy('joe', m, '1', other, move=True).status,
                         200)
        self.assertEqual(self.c.expunge('joe', other, '1:2').status, 200)
        self.assertEqual(self.quota()['roots'][0]['storage']['used'], 2240)
        self.c.add('joe', m, b'x' * 8000)
        self.code(self.c.ask('GET', '/accounts/eve/quota'), 404,
                  'no-such-account')

    def test_user(self):
        """One account's own limits; its streams are told"""
        m = self.inbox()
        events = self.server.stream()
        self.server.admin('user', 'quota', 'joe', '20K', '3')
        self.assertNotIn('mailbox', events.event())
        # and in order with what else happens
        self.server.admin('user', 'quota', 'joe', '20K', '3')
        self.c.add('joe', m, b'x')
        self.assertNotIn('mailbox', events.event())
        self.assertIn('mailbox', events.event())
        events.close()
        self.assertEqual(self.quota()['roots'][0]['storage']['limit'], 20480)
        for i in range(2):
            self.c.add('joe', m, b'x')
        header, rows = self.c.upload({'account': 'joe', 'mailbox': m}, b'x'
                                     ).lines()
        self.assertEqual(rows, [{'index': 0, 'code': 'over-quota'}])
        self.code(self.c.copy('joe', m, '1', m), 507, 'over-quota')
        self.server.admin('user', 'quota', 'joe', 'none', 'default')
        self.assertEqual(self.quota()['roots'][0]['storage']['limit'], None)
        self.c.add('joe', m, b'x' * 20000)
        self.server.admin('user', 'quota', 'joe', 'default')
        self.assertEqual(self.quota()['roots'][0]['storage']['limit'], 10240)
        for bad in (['joe'], ['joe', 'much'], ['joe', '1', 'x'],
                    ['eve', '1'], ['joe', '1', '1', '1']):
            status, text = self.server.admin('user', 'quota', *bad,
                                             check=False)
            self.assertNotEqual(status, 0, bad)

    def test_recipients(self):
        m = self.inbox()

        def ask(**more):
            return self.c.ask('POST', '/recipients',
                              dict(address='joe', **more))
        self.assertEqual(ask(size=10240).status, 200)
        self.code(ask(size=10241), 507, 'over-quota')
        self.c.add('joe', m, b'x' * 10240)
        self.assertEqual(ask().status, 200)
        self.code(ask(size=1), 507, 'over-quota')


class Metadata(StoreTest):
    def post(self, set, mailbox=None, **more):
        body = dict(set=set, **more)
        if mailbox is not None:
            body['mailbox'] = mailbox
        return self.c.ask('POST', '/accounts/joe/metadata', body)

    def rows(self, mailbox=None):
        header, rows = self.c.ask('GET', '/accounts/joe/metadata' + (
            '' if mailbox is None else '?mailbox=' + mailbox)).lines()
        self.assertEqual(header['applied'], {} if mailbox is None else
                         {'mailbox': mailbox})
        return rows

    def test_entries(self):
        """Set, list, change, remove; of a mailbox and of the account"""
        m = self.inbox()
        self.assertEqual(self.rows(), [])
        self.assertEqual(self.post({'/private/Comment': 'Grüße "x"',
                                    '/shared/comment': ''}, m).status, 204)
        self.assertEqual(self.post({'/shared/admin': 'mailto:a@b'}).status,
                         204)
        of_inbox = [{'mailbox': m, 'entry': '/private/comment',
                     'value': 'Grüße "x"'},
                    {'mailbox': m, 'entry': '/shared/comment', 'value': ''}]
        own = [{'entry': '/shared/admin', 'value': 'mailto:a@b'}]
        self.assertEqual(self.rows(m), of_inbox)
        self.assertEqual(self.rows(''), own)
        self.assertEqual(self.rows(), own + of_inbox)
        binary = {'base64': base64.b64encode(bytes(range(256))).decode()}
        self.assertEqual(self.post({'/PRIVATE/comment': binary,
                                    '/shared/comment': None,
                                    '/shared/none': None}, m).status, 204)
        self.assertEqual(self.rows(m), [
            {'mailbox': m, 'entry': '/private/comment', 'value': binary}])
        self.assertEqual(self.post({'/private/comment': 'a\0b'}, m).status,
                         204)
        self.assertEqual(self.rows(m)[0]['value'], {'base64': 'YQBi'})

    def test_event(self):
        self.inbox()
        events = self.server.stream()
        self.post({'/private/x': 'y'})
        self.assertNotIn('mailbox', events.event())
        events.close()

    def test_bad(self):
        """All or nothing, and what is no entry"""
        m = self.inbox()
        for name in ('', '/', '/private', '/private/', '/other/x', 'private/x',
                     '/private//x', '/private/x/', '/private/a*',
                     '/private/a%', '/private/ä', '/private/a b',
                     '/private/' + 'x' * 250):
            self.code(self.post({'/private/ok': 'x', name: 'y'}, m), 400,
                      'bad-request')
        for value in 1, [], True:
            self.code(self.post({'/private/x': value}), 400, 'bad-request')
        self.code(self.post({'/private/x': {'base64': '?'}}), 400,
                  'bad-request')
        self.code(self.post({'/private/x': {'base64': 'eA==', 'y': 1}}), 400,
                  'unknown-parameter')
        self.code(self.post({'/private/ok': 'x', '/private/x': 'x' * 8193}),
                  413, 'too-large')
        long = base64.b64encode(b'x' * 8193).decode()
        self.code(self.post({'/private/x': {'base64': long}}), 413,
                  'too-large')
        self.code(self.post({'/private/x': 'y'}, '9-9'), 404,
                  'no-such-mailbox')
        self.code(self.post({'/private/x': 'y'}, 'nonsense'), 404,
                  'no-such-mailbox')
        self.code(self.c.ask('GET', '/accounts/joe/metadata?mailbox=9-9'),
                  404, 'no-such-mailbox')
        self.code(self.post({}, x=1), 400, 'unknown-parameter')
        self.code(self.c.ask('POST', '/accounts/joe/metadata', {}), 400,
                  'bad-request')
        self.assertEqual(self.rows(), [])
        # the longest, which must fit in a line
        for value in '\x01' * 8192, '\0' * 8192:
            self.assertEqual(self.post({'/private/' + 'x' * 246: value}, m
                                       ).status, 204)
            self.assertEqual(len(self.rows(m)), 1)

    def test_many(self):
        """So many a mailbox, and no more"""
        m = self.inbox()
        for n in range(2):
            self.assertEqual(self.post({'/private/%d/%04d' % (n, i): 'x' * 99
                                        for i in range(500)}, m).status, 204)
        self.code(self.post({'/private/more': 'x'}, m), 507, 'over-quota')
        self.assertEqual(self.post({'/private/0/0000': None,
                                    '/private/more': 'x'}, m).status, 204)
        self.assertEqual(self.post({'/private/more': 'x'}).status, 204)
        names = [r['entry'] for r in self.rows(m)]
        self.assertEqual(len(names), 1000)
        self.assertEqual(names, sorted(names))

    def test_mailbox(self):
        """It goes along in a rename, and goes with its mailbox"""
        a = self.c.create('joe', 'a')['id']
        self.post({'/private/x': 'a'}, a)
        self.c.ask('POST', box('joe') + '/rename', {'from': 'a', 'to': 'b'})
        b = self.c.mailbox('joe', 'b')['id']
        self.assertEqual(self.rows(b), [
            {'mailbox': b, 'entry': '/private/x', 'value': 'a'}])
        self.c.ask('DELETE', box('joe', b))
        self.assertEqual(self.rows(), [])
        self.c.create('joe', 'b')
        self.assertEqual(self.rows(), [])


class Off(StoreTest):
    args = ('-D', 'dict', '-D', 'quota', '-D', 'metadata')

    def test_off(self):
        self.inbox()
        for method, path in (('GET', 'dict'), ('GET', 'dict/a'),
                             ('PUT', 'dict/a'), ('DELETE', 'dict/a'),
                             ('GET', 'quota'), ('GET', 'metadata'),
                             ('POST', 'metadata')):
            self.code(self.c.ask(method, '/accounts/joe/' + path), 404,
                      'bad-request')
        caps = self.c.ask('GET', '/').json()['capabilities']
        self.assertFalse({'dict', 'quota', 'metadata'} & set(caps))


if __name__ == '__main__':
    atf.main()
