#!/usr/bin/env python3
"""The service document, accounts, mailboxes, subscriptions, capabilities."""

import time

from store import Server, StoreTest, atf, box


ALL = ('write', 'modseq', 'events', 'idempotency', 'copy', 'auth',
       'subscriptions', 'cache', 'range', 'recipients', 'objectid',
       'savedate', 'search', 'sort', 'thread', 'dict', 'quota',
       'metadata', 'batch')


class Mailboxes(StoreTest):
    def test_service(self):
        """What the service document says"""
        for path in '', '/':
            a = self.c.ask('GET', path)
            self.assertEqual(a.status, 200)
            self.assertEqual(a.fields['content-type'], 'application/json')
        d = a.json()
        self.assertEqual((d['name'], d['api']), ('mstored', 1))
        self.assertEqual(set(d['capabilities']), set(ALL))
        self.assertGreater(d['capabilities']['events']['bound_ms'], 0)
        self.assertEqual(d['limits']['message'], 64 << 20)
        self.assertEqual(d['limits']['set'], 32768)
        self.assertEqual(d['limits']['upload_line'], 1 << 20)

    def test_inbox(self):
        """Every account has INBOX from its first request"""
        a = self.c.ask('GET', box('joe'))
        header, (row,) = a.lines()
        self.assertIn('cursor', header)
        self.assertEqual(row['name'], 'INBOX')
        self.assertEqual((row['uidnext'], row['messages'], row['modseq'],
                          row['unseen'], row['deleted'], row['size']),
                         (1, 0, 1, 0, 0, 0))
        self.assertGreaterEqual(row['uidvalidity'], int(time.time()) - 60)
        self.assertEqual(row['subscribed'], False)
        self.assertEqual(self.c.ask('GET', box('joe', row['id'])).json(),
                         row)
        self.assertEqual(self.c.mailboxes('joe'), [row])

    def test_account_names(self):
        """Any text is an account, percent-encoded; paths are split first"""
        for name in 'a/b', 'joe@example.org', 'jörg', 'x y', '%2f', '..', 'a?':
            row, = self.c.mailboxes(name)
            self.assertEqual(self.c.ask('GET', box(name, row['id'])).json(),
                             row)
        self.assertNotEqual(self.c.mailbox('a/b')['id'],
                            self.c.mailbox('%2f')['id'])
        for bad in '%00', '%0a', '%ff', '%zz', 'x' * 513:
            self.code(self.c.ask('GET', '/accounts/%s/mailboxes' % bad), 404,
                      'no-such-account')

    def test_not_mine(self):
        """A mailbox belongs to its account"""
        mine = self.inbox('joe')
        self.inbox('jim')
        self.code(self.c.ask('GET', box('jim', mine)), 404,
                  'no-such-mailbox')
        self.code(self.c.list('jim', mine), 404, 'no-such-mailbox')
        self.code(self.c.patch('jim', mine, uids='1', add=[r'\Seen']), 404,
                  'no-such-mailbox')

    def test_create(self):
        """Create: the row, uidvalidity grows, parents need not exist"""
        first = self.c.mailbox('joe')
        a = self.c.ask('POST', box('joe'),
                       {'name': 'a/b/ü', 'roles': ['sent', 'archive']})
        self.assertEqual(a.status, 201)
        row = a.json()
        self.assertEqual(row['name'], 'a/b/ü')
        self.assertEqual(row['roles'], ['sent', 'archive'])
        self.assertGreater(row['uidvalidity'], first['uidvalidity'])
        self.assertEqual(self.c.mailboxes('joe'), [first, row])
        self.code(self.c.ask('POST', box('joe'), {'name': 'a/b/ü'}), 409,
                  'exists')
        self.code(self.c.ask('POST', box('joe'), {'name': 'INBOX'}), 409,
                  'exists')
        self.c.create('joe', 'a')
        self.c.create('joe', 'A')
        self.c.create('joe', 'INBOX/sub')

    def test_bad_names(self):
        """Names that are none"""
        for name in ('', '/', 'a/', '/a', 'a//b', 'a\nb', 'a\x7fb', 'a\x85b',
                     'x' * 1001, 'inbox', 'Inbox/a', 'e\u0301', 'a\0b'):
            self.code(self.c.ask('POST', box('joe'), {'name': name}), 400,
                      'bad-request')
        self.c.create('joe', 'x' * 1000)
        self.c.create('joe', 'inboxes')
        self.c.create('joe', '\u00e9')

    def test_bad_json(self):
        """Bodies that are not what they should be"""
        for body in (b'', b'{', b'[]', b'"x"', b'{"name":1}', b'{"name":null}',
                     b'{}', b'{"name":"a","roles":"sent"}', b'\xff',
                     b'{"name":"\xff"}', b'{"name":"\\ud800"}',
                     b'{"name":"a","roles":[1]}', b'{"name":"a"}x',
                     b'{"name":"a","roles":["Sent"]}', b'{"name" "a"}',
                     b'{"name":"a","roles":{"a":1}}'):
            self.code(self.c.ask('POST', box('joe'), body), 400,
                      'bad-request')
        for body in ({'name': 'a', 'x': 1}, {'name': 'a', 'Name': 'b'}):
            self.code(self.c.ask('POST', box('joe'), body), 400,
                      'unknown-parameter')
        self.assertEqual(len(self.c.mailboxes('joe')), 1)

    def rename(self, old, new):
        return self.c.ask('POST', box('joe') + '/rename',
                          {'from': old, 'to': new})

    def names(self):
        return sorted(r['name'] for r in self.c.mailboxes('joe'))

    def test_rename(self):
        """Rename: the whole subtree at once, ids stay"""
        ids = {n: self.c.create('joe', n)['id']
               for n in ('a', 'a/x', 'a/x/y', 'ab', 'a0', 'b', 'p/q')}
        self.assertEqual(self.rename('a', 'c/d').status, 204)
        self.assertEqual(self.names(), ['INBOX', 'a0', 'ab', 'b', 'c/d',
                                        'c/d/x', 'c/d/x/y', 'p/q'])
        for row in self.c.mailboxes('joe'):
            if row['name'].startswith('c/d'):
                self.assertEqual(row['id'], ids['a' + row['name'][3:]])
        # p does not exist, its child does
        self.assertEqual(self.rename('p', 'r').status, 204)
        self.assertIn('r/q', self.names())
        self.code(self.rename('nothing', 'z'), 404, 'no-such-mailbox')
        self.code(self.rename('b', 'ab'), 409, 'exists')
        self.code(self.rename('b', 'b'), 409, 'exists')
        self.code(self.rename('INBOX', 'z'), 403, 'not-permitted')
        self.code(self.rename('c/d', 'c/d/e'), 403, 'not-permitted')
        self.code(self.rename('b', 'INBOX'), 409, 'exists')
        self.code(self.rename('b', 'b/'), 400, 'bad-request')
        self.code(self.rename('c/d', 'x' * 999), 400, 'bad-request')
        self.assertIn('c/d/x/y', self.names())

    def test_rename_target(self):
        """One existing target stops all of it"""
        for n in 'a', 'a/x', 'b/x':
            self.c.create('joe', n)
        self.code(self.rename('a', 'b'), 409, 'exists')
        self.assertEqual(self.names(), ['INBOX', 'a', 'a/x', 'b/x'])

    def test_uidvalidity(self):
        """A name never gets a smaller uidvalidity; an id stands for one"""
        a = self.c.create('joe', 'a')
        b = self.c.create('joe', 'b')
        self.assertEqual(self.c.ask('DELETE', box('joe', b['id'])).status,
                         204)
        # "b" had a larger one than "a" has: it cannot take its own along
        self.assertEqual(self.rename('a', 'b').status, 204)
        now = self.c.mailbox('joe', 'b')
        self.assertGreater(now['uidvalidity'], b['uidvalidity'])
        self.assertNotEqual(now['id'], a['id'])
        self.code(self.c.ask('GET', box('joe', a['id'])), 404,
                  'no-such-mailbox')
        self.code(self.c.expunge('joe', a['id'], '1'), 404,
                  'no-such-mailbox')
        # the name "a" is free, and must not come back with less
        again = self.c.create('joe', 'a')
        self.assertGreater(again['uidvalidity'], now['uidvalidity'])

    def test_uidvalidity_keeps(self):
        """Renamed to a fresh name, a mailbox keeps its messages and ids"""
        a = self.c.create('joe', 'a')
        row = self.c.add('joe', a['id'], b'hello\r\n')
        self.rename('a', 'new')
        now = self.c.mailbox('joe', 'new')
        self.assertEqual(now['id'], a['id'])
        self.assertEqual(self.c.state('joe', a['id'])[1]['id'], row['id'])

    def test_delete(self):
        """Delete: this one, not its children, never INBOX"""
        a = self.c.create('joe', 'a')
        self.c.create('joe', 'a/b')
        row = self.c.add('joe', a['id'], b'gone\r\n')
        self.assertEqual(self.c.ask('DELETE', box('joe', a['id'])).status,
                         204)
        self.code(self.c.ask('DELETE', box('joe', a['id'])), 404,
                  'no-such-mailbox')
        self.code(self.c.ask('DELETE', box('joe', self.inbox())), 403,
                  'not-permitted')
        self.assertEqual(self.names(), ['INBOX', 'a/b'])
        # contents stay readable for a while
        self.assertEqual(self.c.content('joe', row['id']).body, b'gone\r\n')
        b = self.c.create('joe', 'a')
        self.assertEqual(self.c.state('joe', b['id']), {})
        self.assertGreater(b['uidvalidity'], a['uidvalidity'])

    def subscribe(self, **body):
        return self.c.ask('POST', '/accounts/joe/subscriptions', body)

    def test_subscriptions(self):
        """A subscription outlives its mailbox"""
        a = self.c.create('joe', 'a')
        self.assertEqual(self.subscribe(add=['a', 'INBOX', 'ghost']).status,
                         204)
        rows = {r['name']: r for r in self.c.mailboxes('joe')}
        self.assertTrue(rows['a']['subscribed'])
        self.assertTrue(rows['INBOX']['subscribed'])
        self.assertEqual(rows['ghost'], {'name': 'ghost',
                                         'subscribed': True,
                                         'exists': False})
        self.c.ask('DELETE', box('joe', a['id']))
        rows = {r['name']: r for r in self.c.mailboxes('joe')}
        self.assertEqual(rows['a'], {'name': 'a', 'subscribed': True,
                                     'exists': False})
        self.assertEqual(self.subscribe(remove=['a', 'ghost', 'never']
                                        ).status, 204)
        self.assertEqual(self.names(), ['INBOX'])
        self.code(self.subscribe(add='a'), 400, 'bad-request')
        self.code(self.subscribe(add=['inbox']), 400, 'bad-request')
        self.code(self.subscribe(add=['b'], x=1), 400, 'unknown-parameter')

    def test_many(self):
        """A list over many pieces: each mailbox once"""
        for i in range(300):
            self.c.create('joe', 'folder/%03d/%s' % (i, 'y' * 200))
        self.subscribe(add=['none/%03d/%s' % (i, 'z' * 200)
                            for i in range(300)])
        a = self.c.ask('GET', box('joe'))
        rows = a.lines()[1]
        self.assertEqual(a.fields.get('transfer-encoding'), 'chunked')
        self.assertEqual(len({r['name'] for r in rows}), 601)
        self.assertEqual(len(rows), 601)

    def test_counts(self):
        """unseen, deleted, size and messages follow every change"""
        m = self.inbox()
        t = self.c.create('joe', 't')['id']
        for flags in [], [r'\Seen'], [r'\Seen', r'\Deleted'], [r'\Deleted']:
            self.c.add('joe', m, b'12345678\r\n', flags=flags)

        def counts(id):
            r = self.c.ask('GET', box('joe', id)).json()
            return (r['messages'], r['unseen'], r['deleted'], r['size'])
        self.assertEqual(counts(m), (4, 2, 2, 40))
        self.c.patch('joe', m, uids='1:2', add=[r'\Deleted'],
                     remove=[r'\Seen'])
        self.assertEqual(counts(m), (4, 3, 4, 40))
        self.c.copy('joe', m, '1:2', t)
        self.assertEqual(counts(t), (2, 2, 2, 20))
        self.c.copy('joe', m, '3', t, move=True)
        self.assertEqual((counts(m), counts(t)),
                         ((3, 3, 3, 30), (3, 2, 3, 30)))
        self.c.patch('joe', m, uids='1:9', set=['x'])
        self.assertEqual(counts(m), (3, 3, 0, 30))
        self.c.expunge('joe', m, '1:4294967295')
        self.assertEqual(counts(m), (0, 0, 0, 0))


class Limited(StoreTest):
    args = ('-o', 'mailboxes=3')

    def test_limits(self):
        """No more mailboxes and subscriptions than may be"""
        for n in 'a', 'b':
            self.c.create('joe', n)
        self.code(self.c.ask('POST', box('joe'), {'name': 'c'}), 507,
                  'over-quota')
        path = '/accounts/joe/subscriptions'
        self.code(self.c.ask('POST', path, {'add': list('abcd')}), 507,
                  'over-quota')
        self.assertFalse(any(r['subscribed']
                             for r in self.c.mailboxes('joe')))


class Closed(StoreTest):
    open_accounts = False

    def prepare(self):
        self.server.admin('user', 'add', 'joe', stdin='$2b$04$' + 'x' * 53)

    def test_closed(self):
        """Without -A an unknown account is 404 everywhere"""
        m = self.inbox('joe')
        self.code(self.c.ask('GET', box('jim')), 404, 'no-such-account')
        self.code(self.c.ask('POST', box('jim'), {'name': 'a'}), 404,
                  'no-such-account')
        self.code(self.c.patch('jim', m, uids='1', add=['x']), 404,
                  'no-such-account')
        row, = self.c.upload({'account': 'jim', 'mailbox': m},
                             b'x').lines()[1]
        self.assertEqual(row, {'index': 0, 'code': 'no-such-account'})
        self.code(self.c.ask('GET', box('jim')), 404, 'no-such-account')


class Capabilities(StoreTest):
    """Each capability can be switched off, and is then as if unknown"""

    calls = {
        'write': [('POST', box('joe')), ('PATCH', box('joe', 'M') +
                                         '/messages'),
                  ('DELETE', box('joe', 'M')), ('POST', '/messages'),
                  ('POST', box('joe', 'M') + '/expunge'),
                  ('POST', box('joe') + '/rename')],
        'recipients': [('POST', '/recipients')],
        'copy': [('POST', box('joe', 'M') + '/copy')],
        'events': [('GET', '/events')],
        'auth': [('POST', '/auth')],
        'subscriptions': [('POST', '/accounts/joe/subscriptions')],
        'cache': [('PUT', '/accounts/joe/messages/C/cache')],
    }

    def off(self, *names):
        s = Server(*sum((['-D', n] for n in names), []))
        self.addCleanup(s.remove)
        s.start()
        c = s.client()
        d = c.ask('GET', '/').json()
        for n in names:
            self.assertNotIn(n, d['capabilities'])
        return s, c

    def test_each(self):
        """The calls of a capability are 404 or 405"""
        for name in self.calls:
            s, c = self.off(name)
            for method, path in self.calls[name]:
                a = c.ask(method, path, {})
                self.assertIn(a.status, (404, 405), (name, method, path))
                self.assertEqual(a.code, 'bad-request')
            s.stop()

    def test_level0(self):
        """Everything off: read-only, and still to be listed"""
        m = self.inbox()
        self.c.add('joe', m, b'abc\r\n', flags=['x'])
        self.c.close()
        self.server.stop()
        self.server.start(*sum((['-D', n] for n in ALL), []))
        c = self.server.client()
        self.assertEqual(c.ask('GET', '/').json()['capabilities'], {})
        header, (row,) = c.ask('GET', box('joe')).lines()
        self.assertNotIn('cursor', header)
        self.assertTrue(row['read_only'])
        self.assertNotIn('modseq', row)
        self.assertNotIn('subscribed', row)
        header, (row,) = c.rows('joe', m, since=1)
        self.assertNotIn('modseq', header)
        self.assertEqual(header['applied'], {})
        self.assertEqual(set(row), {'uid', 'id', 'flags', 'size', 'date'})
        header, rows = c.rows('joe', m, fields='uid,modseq,cache')
        self.assertEqual(header['applied'], {'fields': ['uid']})
        a = c.content('joe', row['id'], Range='bytes=0-0')
        self.assertEqual((a.status, a.body), (200, b'abc\r\n'))
        c.close()
        self.server.stop()

    def test_no_modseq(self):
        """Without modseq no number anywhere, and no condition"""
        s, c = self.off('modseq')
        m = c.mailbox('joe')['id']
        ev = s.stream()
        row = c.add('joe', m)
        self.assertEqual(row['change'], {'mailbox': m})
        line = ev.event()
        self.assertEqual((line['mailbox'], 'modseq' in line), (m, False))
        header, rows = c.patch('joe', m, uids='1', add=['a']).lines()
        self.assertEqual(header['change'], {'mailbox': m})
        self.code(c.patch('joe', m, uids='1', add=['a'],
                          unchanged_since=0), 400, 'unknown-parameter')
        header, rows = c.copy('joe', m, '1', m).lines()
        self.assertEqual(header['from_change'], {'mailbox': m})
        ev.close()
        c.close()
        s.stop()

    def test_no_idempotency(self):
        """Without idempotency a key is nothing"""
        s, c = self.off('idempotency')
        m = c.mailbox('joe')['id']
        for i in range(2):
            c.upload({'account': 'joe', 'mailbox': m}, b'x', key='k').lines()
        self.assertEqual(len(c.state('joe', m)), 2)
        c.close()
        s.stop()

    def test_unknown(self):
        """A capability that this server does not have cannot be dropped"""
        s = Server('-D', 'teleport')
        self.addCleanup(s.remove)
        s.start(wait=False)
        self.assertEqual(s.proc.wait(), 1)
        self.assertIn('teleport', s.logged())
        s.proc = None


if __name__ == '__main__':
    atf.main()
