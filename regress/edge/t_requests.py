#!/usr/bin/env python3
"""A hijacked IMAP process, with a session that is granted one account and
one mount: what it asks beyond them gets nothing, what is no request reaches
no storage, and what it keeps sending does not fill the engine."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'engine'))

import atf                                              # noqa: E402
from backend import (END, HEADER, EngineTest, ndjson,   # noqa: E402
                     service, simple, value)
from house import ST                                    # noqa: E402
from t_grant import CALLS                               # noqa: E402

EVERYTHING = service('write', 'copy', 'modseq', 'cache', 'subscriptions',
                     'search', 'sort', 'thread', 'dict', 'quota', 'metadata',
                     'batch', 'objectid', 'savedate', 'idempotency')
DEEP = '[' * 5000 + ']' * 5000
# no JSON, or not one value of the kind
NONE = ('', ' ', '{', '}', '{"a":1', '{"a":1}}', '{"a":1},"b":2', '{} {}',
        '{"a"}', '{"a":1,}', "{'a':1}", '{"a":01}', '{"a":\x01}', '{"a":"\n"}',
        '{"a":"\\x"}', b'{"a":"\xff"}', '{"a":1}\0', 'null', '1', '"x"',
        '{"a":%s}' % DEEP, '{"a":NaN}',
        '//{}', '{"a":1}\r\nX: y')


class Requests(EngineTest):
    def begin(self, **more):
        super().begin(EVERYTHING, **more)
        self.grant()

    def quiet(self):
        """Nothing came through, and it is served all the same"""
        self.ask('st_quota', sid=7)
        r = self.backend.next()
        self.assertEqual('/v1/accounts/joe/quota', r.target)
        r.answer(value({'roots': []}))
        self.result()

    def test_mounts(self):
        """every call, for mounts that the session does not have, though
        another one has them"""
        self.begin()
        self.auth.send('grant', req=9, gen=self.imap.gen, session=8,
                       account='ann', user='ann')
        self.auth.until('grant_ok', req=9)
        for mount in 1, 2, 65535:
            self.auth.send('grant', req=9, gen=self.imap.gen, session=8,
                           mount=mount, account='m%d' % mount, user='ann')
            self.auth.until('grant_ok', req=9)
            for call, fields in CALLS.items():
                self.ask(call, mount=mount, **fields)
                self.assertEqual([], self.result('NO_GRANT'))
        self.quiet()

    def test_json(self):
        """what should be JSON, and is none, or is something else"""
        self.begin()
        for text in NONE:
            for call, field in (('st_search', 'query'),
                                ('st_meta_set', 'set'),
                                ('st_batch', 'append')):
                if text == '' and call != 'st_meta_set':
                    continue            # that is none at all
                self.given(call, field, text)
                self.assertEqual([], self.result('BAD_REQUEST'),
                                 (call, text))
        for call, field, text in (('st_search', 'query', '[]'),
                                  ('st_meta_set', 'set', '[{}]'),
                                  ('st_batch', 'append', '{}')):
            self.given(call, field, text)
            self.assertEqual([], self.result('BAD_REQUEST'))
        self.quiet()

    def given(self, call, field, text):
        """In a field, or behind the request"""
        more = {field: text}
        if field == 'append':
            text = text if isinstance(text, bytes) else text.encode()
            more = dict(size=len(text), data=text)
        self.ask(call, **dict(CALLS[call], **more))

    def test_members(self):
        """JSON that tries to say more than its place allows"""
        self.begin()
        self.ask('st_search', mailbox='m', credit=9, uids=[5], limit=1,
                 query='{"all":true,"x":{"uids":"9"}}',
                 sort='date","x":"y -"z\\ \x01')
        r = self.backend.next()
        body = r.json()
        self.assertEqual({'query', 'uids', 'sort', 'limit'}, set(body))
        self.assertEqual([{'by': 'date","x":"y'}, {
            'by': '"z\\', 'reverse': True}, {'by': '\x01'}], body['sort'])
        r.answer(ndjson({'header': True}, END))
        self.result()
        self.ask('st_search', mailbox='m', thread='x"}\r\n', credit=9)
        r = self.backend.next()
        self.assertEqual({'thread': 'x"}\r\n'}, r.json())
        r.answer(ndjson({'header': True}, END))
        self.result()
        for sort in 'x' * 40, '-', 'a  -', ' a':
            self.ask('st_search', mailbox='m', sort=sort)
            self.assertEqual([], self.result('BAD_REQUEST'))
        self.quiet()

    def test_keys(self):
        """keys and etags that are steps, fields or none"""
        self.begin()
        for op in 0, 1, 2:
            for key in '', '.', '..':
                self.ask('st_dict', op=op, key=key)
                self.assertEqual([], self.result('BAD_REQUEST'))
        for op in 4, 255:
            self.ask('st_dict', op=op, key='k')
            self.assertEqual([], self.result('BAD_REQUEST'))
        for match in '"', 'a b', 'a\r\nX: y', '\x7f', '*"', 'e\xe4':
            for op in range(4):
                self.ask('st_dict', op=op, key='k', match=match)
                self.assertEqual([], self.result('BAD_REQUEST'))
        for key in '../x', 'a/b', 'a?b', 'a\r\nX: y', '%2e%2e', 'a#b', ' ':
            self.ask('st_dict', op=0, key=key)
            r = self.backend.next()
            path = r.target.split('/')
            self.assertEqual(['', 'v1', 'accounts', 'joe', 'dict'], path[:5])
            self.assertEqual(6, len(path))
            for c in '?#':
                self.assertNotIn(c, path[5])
            r.answer(simple(200, 'application/octet-stream', b'x',
                            'ETag: "1"\r\n'))
            self.result()
        for mailbox in 'm&x=1', 'm\r\nX: y', '../..', '\xff':
            self.ask('st_meta_get', mailbox=mailbox)
            r = self.backend.next()
            self.assertEqual(1, r.target.count('='))
            self.assertNotIn('&', r.target)
            r.answer(ndjson(HEADER, END))
            self.result()
        self.quiet()

    def test_text(self):
        """text that is not UTF-8 reaches no storage"""
        self.begin()
        for call, field in (('st_meta_set', 'mailbox'),
                            ('st_create', 'name'), ('st_rename', 'to'),
                            ('st_subscribe', 'name'), ('st_copy', 'to'),
                            ('st_patch', 'flags')):
            self.ask(call, **dict(CALLS[call], **{field: b'\xff'}))
            self.assertEqual([], self.result('BAD_REQUEST'), call)
        self.ask('st_put', mailbox=b'\xff', size=2)
        self.assertEqual([], self.result('BAD_REQUEST'))
        self.ask('st_put', mailbox='m', date=b'\xc0\x80', size=2)
        self.assertEqual([], self.result('BAD_REQUEST'))
        self.quiet()

    def test_words(self):
        """credit, data, ends and cancels, of requests that are not, that
        are others', and more often than once"""
        self.begin()
        other = self.engine.peer('imap', slot=1)
        req = self.list()
        r = self.backend.next()
        for chan, sid, n in ((self.imap, 7, 999), (self.imap, 8, req),
                             (other, 7, req), (self.lmtp, 7, req)):
            for type in ('st_credit', 'st_cancel', 'st_data', 'st_data_end'):
                chan.send(type, sid=sid, req=n)
        for _ in range(200):
            self.imap.send('st_credit', sid=7, req=req, bytes=0xffffffff)
        for type in 'st_data', 'st_data_end', 'st_data_end':
            self.imap.send(type, sid=7, req=req)
        r.answer(ndjson(HEADER, {'uid': 1, 'flags': []}, END))
        self.assertEqual(['st_head', 'st_rows'],
                         [m.type for m in self.result(req=req)])
        for type in ('st_put', 'st_blob'):
            req = self.ask(type, **dict(CALLS[type], size=2), data=b'ab')
            for _ in range(3):
                self.imap.send('st_data_end', sid=7, req=req)
            r = self.backend.next()
            self.imap.send('st_data', sid=7, req=req, data=b'c')
            self.assertEqual([], self.result('BAD_REQUEST', req=req))
            for kind in 'st_cancel', 'st_cancel', 'st_data_end', 'st_data':
                self.imap.send(kind, sid=7, req=req)
        for size in 0, 1, 3, (1 << 64) - 1:
            self.ask('st_blob', size=size, data=b'ab')
            self.assertEqual([], self.result('BAD_REQUEST'))
        while not self.backend.requests.empty():
            self.backend.next()
        self.quiet()

    @atf.timeout(300)
    def test_memory(self):
        """uploads that never end fill no more than they may, and end when
        their session does"""
        self.begin()
        before = self.engine.memory()
        refused, piece = 0, b'x' * 60000
        for n in range(1, 3000):
            self.imap.send('st_put', sid=7, req=n, mailbox='m',
                           size=1 << 30)
            for _ in range(2):
                self.imap.send('st_data', sid=7, req=n, data=piece)
        self.imap.send('st_recent', sid=9, req=5000)
        while True:
            m = self.imap.recv(60)
            if m.req == 5000:
                break
            if m.type == 'st_info':
                continue
            self.assertEqual(('st_end', ST['TRY_LATER']), (m.type, m.code))
            refused += 1
        self.assertGreater(refused, 500)
        self.assertLess(self.engine.memory() - before, 320 * 1024)
        # another process is not concerned
        other = self.engine.peer('imap', slot=1)
        self.grant(chan=other)
        self.ask('st_quota', chan=other)
        self.backend.next().answer(value({'roots': []}))
        self.result(chan=other)
        self.revoke()
        self.auth.send('rcpt_query', req=1, storage=9)
        self.auth.until('rcpt_answer')
        self.imap.later.clear()
        self.req = 6000
        while self.imap.recv(0.5) is not None:
            pass
        self.grant()
        self.quiet()


if __name__ == '__main__':
    atf.main()
