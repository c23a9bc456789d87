#!/usr/bin/env python3
"""mfront-storage(7) and the engine: what it sends is what the page shows,
byte by byte; what the page shows as answers it understands; and it does
what the page says of the frontend.

The test is the engine's parent, its siblings and the backend."""

import base64
import json
import os
import queue
import re
import socket
import struct
import sys
import threading
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import page                                             # noqa: E402
from house import BOOT, CAP, House, ST, limits          # noqa: E402
from messages import Closed, get_set                    # noqa: E402

SLOW = int(os.environ.get('SLOW', '1'))
MECHANISMS = {'mechanisms': ['SCRAM-SHA-1', 'SCRAM-SHA-256']}
FIELDS = ['flags', 'id', 'size', 'date', 'modseq', 'cache', 'savedate',
          'threadid']
STORY = {t.name: t for t in page.transcripts()}
# what a frontend does not say, or not as small as that
NOT_OURS = {'append-again', 'key-reused', 'chunked', 'too-large', 'range',
            'no-token', 'unknown-parameter', 'no-call'}


def bytes_of(answer):
    """A page's answer on the wire"""
    heads = [[line.text for line in [answer.start] + answer.fields]]
    if answer.interim:
        heads.insert(0, [line.text for line in answer.interim])
    data = ''.join('\r\n'.join(head) + '\r\n\r\n' for head in heads).encode()
    body = answer.content({})
    return data + (b'%x\r\n%s\r\n' % (len(body), body)
                   if answer.chunked() else body)


def simple(status, kind, body, fields=''):
    return ('HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n'
            '%s\r\n' % (status, kind, len(body), fields)).encode() + body


def ndjson(*lines):
    return simple(200, 'application/x-ndjson', b''.join(
        json.dumps(line).encode() + b'\n' for line in lines))


def service(**capabilities):
    return simple(200, 'application/json', json.dumps(dict(
        name='test', version='1', api=1, capabilities=capabilities,
        limits={})).encode())


class Request:
    def __init__(self, sock, head, body):
        self.sock, self.head, self.body = sock, head, body
        self.fields = dict((n.lower(), v) for n, v in (
            line.split(': ', 1) for line in head[1:]))

    def answer(self, data):
        self.sock.sendall(data)

    def hang_up(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Backend(threading.Thread):
    """Answers the service document and the events, hands everything else
    to the test"""

    def __init__(self, connector, document, events):
        super().__init__(daemon=True)
        self.connector, self.document = connector, document
        self.events, self.stream = events, None
        self.requests, self.sockets = queue.Queue(), []

    def run(self):
        try:
            while True:
                m = self.connector.recv(3600)
                ours, theirs = socket.socketpair()
                self.connector.send('connect_ok', req=m.req,
                                    fd=theirs.fileno())
                theirs.close()
                threading.Thread(target=self.serve, args=(ours,),
                                 daemon=True).start()
        except (Closed, OSError):
            pass

    def serve(self, sock):
        f = sock.makefile('rb')
        self.sockets.append(sock)
        try:
            while True:
                head = self.head(f)
                if head is None:
                    return
                r = Request(sock, head, b'')
                if 'expect' in r.fields:
                    # the test answers before there is a body
                    self.requests.put(r)
                    return
                r.body = f.read(int(r.fields.get('content-length', 0)))
                self.dispatch(r)
        except (OSError, ValueError):
            pass

    @staticmethod
    def head(f):
        head = []
        while True:
            line = f.readline()
            if not line.endswith(b'\r\n'):
                return None
            if line == b'\r\n':
                return head
            head.append(line[:-2].decode())

    def dispatch(self, r):
        if r.head[0] == 'GET /v1/ HTTP/1.1':
            self.asked = r
            r.answer(self.document)
        elif r.head[0].startswith('GET /v1/events'):
            self.stream = r
            if self.events:
                r.answer(self.events)
        else:
            self.requests.put(r)

    def close(self):
        for sock in self.sockets:
            sock.close()

    def next(self):
        return self.requests.get(timeout=10 * SLOW)


class Engine(House):
    def begin(self, document=None, events=None, **lim):
        self.engine = self.start('engine')
        self.engine.configure([
            limits(**lim),
            ('conf_storage', dict(id=0, name='main', token='s3cret')),
            ('conf_url', dict(storage=0, id=0, kind=0, host='127.0.0.1',
                              port=8025, path='/v1'))])
        self.auth = self.engine.peer('auth')
        self.imap = self.engine.peer('imap')
        self.lmtp = self.engine.peer('lmtp')
        self.backend = Backend(self.engine.peer('connector'), document or
                               bytes_of(STORY['service'].answer), events)
        self.backend.start()
        self.addCleanup(self.backend.close)
        self.req = 0
        while not self.auth.until('st_info', timeout=10 * SLOW).up:
            pass

    def grant(self, account='joe@example.org', session=7):
        self.auth.send('grant', req=1, gen=self.imap.gen, session=session,
                       account=account, user=account)
        self.auth.until('grant_ok', code=0)

    def ask(self, type, chan=None, sid=7, data=None, **fields):
        self.req += 1
        chan = chan or self.imap
        chan.send(type, sid=sid, req=self.req, **fields)
        if data is not None:
            chan.send('st_data', sid=sid, req=self.req, data=data)
            chan.send('st_data_end', sid=sid, req=self.req)

    def result(self, code='OK', chan=None):
        """All messages of the last request; how it ended"""
        got = []
        while True:
            m = (chan or self.imap).recv(10 * SLOW)
            assert m is not None, got
            if m.type in ('st_info', 'st_event'):
                continue
            self.assertEqual(m.req, self.req)
            if m.type == 'st_end':
                self.assertEqual(m.code, ST[code], (m, got))
                return got
            got.append(m)

    def fetch(self, answer, code='OK', **list):
        """A listing of joe's, answered with that"""
        self.ask('st_list', mailbox='m', fields=1, credit=1 << 20, **list)
        r = self.backend.next()
        r.answer(answer)
        return r, self.result(code)


class Pages(Engine):
    """Each transcript that is the frontend's own"""

    def test_service(self):
        """The first request of all"""
        self.begin()
        self.same(self.backend.asked, STORY['service'].request)
        info = self.auth.recv(0.2)
        caps = sum(1 << CAP[c.upper()] for c in json.loads(
            STORY['service'].answer.content({}))['capabilities'])
        caps |= 1 << 48                         # CAP_INDEX: dict has room
        self.imap.until('st_info', up=1, caps=caps, message=67108864,
                        recipients=1000)
        self.assertTrue(info is None or info.type == 'st_info')

    def test_all(self):
        """The others, each answered as the page shows"""
        self.begin()
        self.grant()
        for t in page.transcripts():
            if t.name in NOT_OURS or t.name == 'service' or (
                    t.name.startswith('events')):
                continue
            code = 'OK'
            if t.answer.status > 299:
                code = json.loads(t.answer.content({}))['code']
            try:
                self.play(t, code.upper().replace('-', '_'))
            except (AssertionError, queue.Empty) as e:
                raise AssertionError('transcript %s: %s' % (t.name, e)) \
                    from e

    @atf.timeout(240)
    def test_events(self):
        """Streams: the first one, and one that goes on with a cursor"""
        self.begin(events=bytes_of(STORY['events'].answer))
        self.grant()
        self.auth.until('st_info', epoch=1)
        self.same(self.backend.stream, STORY['events'].request)
        since = STORY['events-since']
        cursor = since.request.target.split('=')[1]
        self.backend.events = bytes_of(since.answer)
        first = self.backend.stream
        first.answer(b'%x\r\n{"cursor":"%s"}\n\r\n' % (
            len(cursor) + 14, cursor.encode()))
        first.hang_up()
        # the cursor is repeated: nothing was missed, it is the same epoch
        self.auth.until('st_info', epoch=0)
        self.auth.until('st_info', epoch=1, timeout=10 * SLOW)
        self.same(self.backend.stream, since.request)
        told = [json.loads(line.text) for line in since.answer.body[1:]]
        for line in told:
            if 'account' in line:
                self.imap.until('st_event', modseq=line.get('modseq', 0),
                                mailbox=line.get('mailbox', ''))

    def same(self, got, shown):
        """Is the request the page's?  Keys and traces are new ones."""
        self.assertEqual(got.head[0], shown.start.text)
        head = got.head[1:]
        if not shown.complete():
            names = [line.split(':')[0].lower() for line in head]
            for name in 'host', 'authorization', 'traceparent':
                self.assertIn(name, names)
            head = [line for line in head
                    if line.split(':')[0].lower() not in page.COMMON]
        self.assertEqual(len(head), len(shown.fields), head)
        for text, line in zip(head, shown.fields):
            self.assertTrue(line.match(text, {}), (text, line.text))
        self.assertEqual(got.body, shown.content({}))

    def play(self, t, code):
        parts = t.request.target.split('?')[0].split('/')[2:]
        call = parts[0] if len(parts) < 3 else '/'.join(
            p for i, p in enumerate(parts[2:]) if i != 1 or p == 'rename')
        getattr(self, '%s_%s' % (t.request.method.lower(),
                                 call.replace('/', '_')))(t, code)

    def exchange(self, t, session=7):
        r = self.backend.next()
        self.same(r, t.request)
        self.assertRegex(r.fields['mfront-session'],
                         r'^%s-[0-9a-f]+-%x$' % (BOOT, session))
        r.answer(bytes_of(t.answer))

    @staticmethod
    def body(t):
        return json.loads(t.request.content({}))

    @staticmethod
    def id_of(t, i):
        return t.request.target.split('?')[0].split('/')[i]

    @staticmethod
    def ranges(text):
        return [tuple(map(int, (r.split(':') * 2)[:2])) for r in
                text.split(',') if r]

    def rows(self, t):
        return [json.loads(x) for x in
                t.answer.content({}).decode().splitlines()]

    # who is who

    def query(self, t, type, answer, code, **fields):
        name = '%s-1-7' % BOOT
        self.auth.send(type, req=9, session=name, **fields)
        self.exchange(t)
        m = self.auth.until(answer, code=ST[code])
        for key, value in json.loads(t.answer.content({})).items():
            if code == 'OK':
                self.assertEqual(getattr(m, key), value)

    def post_auth(self, t, code):
        b = self.body(t)
        self.query(t, 'auth_query', 'auth_answer', code, mech=0,
                   tls=b['tls'], user=b['username'], secret=b['password'],
                   service=b['service'], remote=b['remote'])

    def post_scram(self, t, code):
        b = self.body(t)
        self.auth.send('scram_query', req=9, session='%s-1-7' % BOOT,
                       tls=b['tls'], user=b['username'],
                       service=b['service'], remote=b['remote'])
        self.exchange(t)
        m = self.auth.until('scram_answer', code=ST[code])
        a = json.loads(t.answer.content({}))
        self.assertEqual((m.account, m.name, m.iterations),
                         (a['account'], a['name'], a['iterations']))
        for name, value in (('salt', m.salt), ('stored_key', m.stored),
                            ('server_key', m.server)):
            self.assertEqual(value, base64.b64decode(a[name]))

    def post_recipients(self, t, code):
        b = self.body(t)
        self.query(t, 'rcpt_query', 'rcpt_answer', code, **b)

    # mailboxes

    def get_mailboxes(self, t, code):
        if t.request.target.endswith('mailboxes'):
            self.ask('st_mailboxes')
            rows = self.rows(t)[1:-1]
        else:
            self.ask('st_mailbox', mailbox=self.id_of(t, 5))
            rows = self.rows(t)
        self.exchange(t)
        for m, row in zip(self.result(code), rows):
            self.assertEqual(m.type, 'st_mbox')
            for key in 'id', 'name', 'uidvalidity', 'uidnext', 'messages':
                self.assertEqual(getattr(m, key), row.get(key, getattr(
                    m, key)))

    def post_mailboxes(self, t, code):
        b = self.body(t)
        self.ask('st_create', name=b['name'], roles=' '.join(b['roles']))
        self.exchange(t)
        m, = self.result(code)
        self.assertEqual((m.name, m.roles), (b['name'], 'archive'))

    def post_mailboxes_rename(self, t, code):
        self.ask('st_rename', **self.body(t))
        self.exchange(t)
        self.result(code)

    def delete_mailboxes(self, t, code):
        self.ask('st_delete', mailbox=self.id_of(t, 5))
        self.exchange(t)
        self.result(code)

    def post_subscriptions(self, t, code):
        self.ask('st_subscribe', name=self.body(t)['add'][0], on=1)
        self.exchange(t)
        self.result(code)

    # messages

    def post_messages(self, t, code):
        line, _, message = t.request.content({}).partition(b'\n')
        line = json.loads(line)
        if line['delivery']:
            self.deliver(t, line, message, code)
            return
        to, = line['to']
        self.ask('st_put', mailbox=to['mailbox'], size=len(message),
                 flags=' '.join(to['flags']), date=to['date'], data=message)
        self.exchange(t)
        m, = self.result(code)
        self.stored(m, self.rows(t)[1])

    def stored(self, m, row):
        self.assertEqual(m.type, 'st_stored')
        self.assertEqual((m.uid, m.uidvalidity, m.id), (
            row['uid'], row['uidvalidity'], row['id']))
        c = row['change']
        self.assertEqual((m.mailbox, m.before, m.modseq), (
            c['mailbox'], c['modseq_before'], c['modseq']))

    def deliver(self, t, line, message, code):
        for i, to in enumerate(line['to']):
            self.auth.send('grant_rcpt', req=i + 20, gen=self.lmtp.gen,
                           session=9, txn=1, rcpt=i + 50,
                           account=to['account'], mailbox=to['mailbox'],
                           address=to['address'])
            self.auth.until('grant_ok', code=0)
        self.ask('st_deliver', chan=self.lmtp, sid=9, txn=1, known=1,
                 size=len(message), cache=line['to'][0]['cache'],
                 rcpts=[(50, 51)], data=message, **{'from': line['from']})
        self.exchange(t, session=9)
        first, second = self.result(code, self.lmtp)
        self.stored(first, self.rows(t)[1])
        # perhaps we knew an id of before
        self.assertEqual((second.rcpt, second.code), (51, ST['TRY_LATER']))

    def get_mailboxes_messages(self, t, code):
        query = dict(urllib.parse.parse_qsl(t.request.target.split('?')[1]))
        fields = sum(1 << FIELDS.index(f) for f in
                     query['fields'].split(',') if f != 'uid')
        whole = 0 if 'brief' in query else 0x100
        uids = self.ranges(query.get('uids', ''))
        self.ask('st_list', mailbox=self.id_of(t, 5),
                 fields=fields | whole, uids=uids, since=int(query.get('since', 0)),
                 credit=1 << 20)
        self.exchange(t)
        got = self.result(code)
        if code != 'OK':
            self.assertEqual(got, [])
            return
        rows = self.rows(t)
        # the message has a field of that name, too
        self.assertEqual((got[0].type, got[0].fields), ('st_head', fields))
        self.assertEqual(got[0].modseq, rows[0]['modseq'])
        self.assertEqual([m.type for m in got].count('st_vanished'),
                         sum('vanished' in row for row in rows))
        self.assertEqual('st_rows' in [m.type for m in got], any(
            'uid' in row or 'uids' in row for row in rows[1:-1]))

    def get_messages(self, t, code):
        body = t.answer.content({})
        self.ask('st_get', id=self.id_of(t, 5), size=len(body), offset=0,
                 length=1 << 40, credit=1 << 20)
        self.exchange(t)
        self.assertEqual(b''.join(m.data for m in self.result(code)), body)

    def put_messages_cache(self, t, code):
        self.ask('st_cache', id=self.id_of(t, 5),
                 text=t.request.content({}))
        self.exchange(t)
        self.result(code)

    # what a storage can do more

    @staticmethod
    def compact(value):
        return json.dumps(value, separators=(',', ':')).encode()

    def post_mailboxes_search(self, t, code):
        b = self.body(t)
        self.ask('st_search', mailbox=self.id_of(t, 5), credit=1 << 20,
                 query=self.compact(b['query']) if 'query' in b else b'',
                 uids=self.ranges(b.get('uids', '')),
                 sort=' '.join('-' * s.get('reverse', False) + s['by']
                               for s in b.get('sort', [])),
                 thread=b.get('thread', ''))
        self.exchange(t)
        got = self.result(code)
        if code != 'OK':
            self.assertEqual(got, [])
            return
        head, row = self.rows(t)[0], self.rows(t)[1]
        for key in ('modseq', 'uidnext', 'uidvalidity', 'total', 'highest',
                    'superset'):
            self.assertEqual(getattr(got[0], key), head[key])
        told = got[1]
        if 'uids' in row:
            self.assertEqual((told.type, told.maybe), ('st_found', 0))
        elif 'order' in row:
            self.assertEqual(told.uids, struct.pack(
                '>%dI' % len(row['order']), *row['order']))
        else:
            self.assertEqual([m.text for m in got[1:]], [b'(1)', b'(3)'])

    def post_blobs(self, t, code):
        data = t.request.content({})
        self.ask('st_blob', size=len(data), data=data)
        self.exchange(t)
        m, = self.result(code)
        self.assertEqual(m.id, self.rows(t)[0]['id'])

    def post_mailboxes_messages(self, t, code):
        b = self.body(t)
        list = self.compact(b['append'])
        self.ask('st_batch', mailbox=self.id_of(t, 5), size=len(list),
                 expunge=self.ranges(b.get('expunge', '')), data=list)
        self.exchange(t)
        got, rows = self.result(code), self.rows(t)
        if code == 'OK':
            self.change(got[0], rows[0]['change'])
            self.assertEqual(got[0].uidvalidity, rows[0]['uidvalidity'])
            for m, row in zip(got[1:], rows[1:-1]):
                if 'vanished' in row:
                    self.assertEqual(m.type, 'st_vanished')
                else:
                    self.assertEqual((m.rcpt, m.uid, m.id), (
                        row['index'], row['uid'], row['id']))

    def get_quota(self, t, code):
        self.ask('st_quota')
        self.exchange(t)
        (m,), (row,) = self.result(code), self.rows(t)[0]['roots']
        self.assertEqual((m.name, m.used, m.limit, m.messages, m.has), (
            row['name'], row['storage']['used'], row['storage']['limit'],
            row['messages']['used'], 7))

    def post_metadata(self, t, code):
        b = self.body(t)
        self.ask('st_meta_set', mailbox=b['mailbox'],
                 set=self.compact(b['set']))
        self.exchange(t)
        self.result(code)

    def get_metadata(self, t, code):
        self.ask('st_meta_get', mailbox=t.request.target.split('=')[1])
        self.exchange(t)
        self.assertEqual([(m.entry, m.value) for m in self.result(code)], [
            ('/private/comment', b'Read daily'),
            ('/shared/vendor/example.org/key', b'\0\xff\x10')])

    def dict(self, t, code, op, key, **fields):
        self.ask('st_dict', op=['GET', 'PUT', 'DELETE', 'LIST'].index(op),
                 key=key, **fields)
        self.exchange(t)
        return self.result(code)

    def get_dict(self, t, code):
        if '?' in t.request.target:
            m, = self.dict(t, code, 'LIST', t.request.target.split('=')[1])
            row = self.rows(t)[1]
            self.assertEqual((m.key, m.etag, m.size), (
                row['key'], row['etag'], row['size']))
        else:
            m, = self.dict(t, code, 'GET', self.id_of(t, 5))
            self.assertEqual((m.etag, m.value), (
                t.answer.field('etag').strip('"'), t.answer.content({})))

    def put_dict(self, t, code):
        match = t.request.field('if-match')
        got = self.dict(t, code, 'PUT', self.id_of(t, 5),
                        value=t.request.content({}),
                        match=match.strip('"') if match else '*')
        self.assertEqual([m.etag for m in got], [
            row['etag'] for row in self.rows(t) if 'etag' in row])

    def delete_dict(self, t, code):
        self.assertEqual(self.dict(t, code, 'DELETE', self.id_of(t, 5)), [])

    def change(self, m, c):
        self.assertEqual((m.type, m.mailbox, m.before, m.modseq), (
            'st_change', c['mailbox'], c['modseq_before'], c['modseq']))

    def patch_mailboxes_messages(self, t, code):
        b = self.body(t)
        op = 'add' if 'add' in b else 'remove'
        self.ask('st_patch', mailbox=self.id_of(t, 5),
                 uids=self.ranges(b['uids']),
                 op=['add', 'remove'].index(op), flags=' '.join(b[op]),
                 conditional='unchanged_since' in b,
                 unchangedsince=b.get('unchanged_since', 0))
        self.exchange(t)
        got, rows = self.result(code), self.rows(t)
        self.change(got[0], rows[0]['change'])
        self.assertEqual(any(m.type == 'st_modified' for m in got),
                         any('modified' in row for row in rows))

    def post_mailboxes_copy(self, t, code):
        b = self.body(t)
        self.ask('st_copy', mailbox=self.id_of(t, 5), to=b['to'],
                 uids=self.ranges(b['uids']), move=b['move'])
        self.exchange(t)
        got, rows = self.result(code), self.rows(t)
        self.change(got[0], rows[0]['from_change'])
        self.change(got[1], rows[0]['to_change'])
        self.assertEqual(got[1].uidvalidity, rows[0]['uidvalidity'])
        self.assertEqual(got[2].type, 'st_copied')
        self.assertEqual(len(got), 4 if b['move'] else 3)

    def post_mailboxes_expunge(self, t, code):
        b = self.body(t)
        self.ask('st_expunge', mailbox=self.id_of(t, 5),
                 uids=self.ranges(b['uids']),
                 onlyif=b['only_if_flag'] or '')
        self.exchange(t)
        got, rows = self.result(code), self.rows(t)
        self.change(got[0], rows[0]['change'])
        self.assertEqual(got[1].type, 'st_vanished')


HEADER = {'header': True, 'uidnext': 9, 'uidvalidity': 7, 'applied': {}}
END = {'end': True}


def uids_of(messages):
    """The uids of all rows that were told"""
    found = []
    for m in messages:
        if m.type != 'st_rows':
            continue
        data = m.rows
        while data:
            has, = struct.unpack('>H', data[:2])
            pairs, data = get_set(data[2:])
            found += [u for lo, hi in pairs for u in range(lo, hi + 1)]
            if has & 1:
                n, = struct.unpack('>H', data[:2])
                data = data[2 + n:]
            assert has <= 1, has
    return found


class Word(Engine):
    """What the page says that the frontend does"""

    def listing(self, **capabilities):
        self.begin(document=service(**capabilities))
        self.grant()

    def test_lenient(self):
        """Members nobody knows, blank lines, any end of line"""
        self.listing(**{'example.org.shred': True, 'write': True,
                        'copy': False, 'modseq': None})
        self.imap.until('st_info', up=1, caps=1 << CAP['WRITE'])
        body = (b'{"header":true,"colour":"red","applied":{"fields":["uid",'
                b'"flags","smell"],"speed":3}}\r\n\n'
                b'{"uid":3,"flags":["a"],"mood":{"x":[1,2]}}\n'
                b'{"end":true,"why":"over"}\n')
        r, got = self.fetch(simple(200, 'text/plain', body))
        self.assertEqual(uids_of(got), [3])

    def test_nothing_applied(self):
        """What a backend does not do the frontend does"""
        self.listing()
        r, got = self.fetch(ndjson(HEADER, {'uids': '1:9', 'flags': []},
                                   END), uids=[(2, 3), (8, 8)])
        self.assertEqual(uids_of(got), [2, 3, 8])
        self.assertEqual(got[0].uids, 1)

    def test_cut(self):
        """Without a last line it is not the whole"""
        self.listing()
        self.fetch(ndjson(HEADER, {'uid': 1, 'flags': []}), 'CUT')
        self.fetch(ndjson(HEADER, {'end': False, 'code':
                                   'no-such-mailbox'}), 'NO_SUCH_MAILBOX')
        self.fetch(ndjson({'uid': 1, 'flags': []}, END), 'NONSENSE')
        self.fetch(ndjson(HEADER, END, END), 'NONSENSE')

    def test_ways_to_end(self):
        """HTTP/1.0, chunks of any size, the end of the connection"""
        self.listing()
        body = b'{"header":true}\n{"uid":4,"flags":[]}\n{"end":true}\n'
        for answer in (b'HTTP/1.0 200 OK\r\n\r\n' + body,
                       b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n' +
                       body):
            self.ask('st_list', mailbox='m', fields=1, credit=1 << 20)
            r = self.backend.next()
            r.answer(answer)
            r.hang_up()
            self.assertEqual(uids_of(self.result()), [4])
        r, got = self.fetch(
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
            b''.join(b'1\r\n%c\r\n' % c for c in body) +
            b'0\r\nTrailer: x\r\n\r\n')
        self.assertEqual(uids_of(got), [4])

    def test_line(self):
        """A line of 65,536 bytes, of whatever ranges, is taken; one byte
        more is not"""
        self.listing()
        wanted, text = [], ''
        while len(text) < 65400:
            wanted.append(2 * len(wanted) + 1)
            text += '%d,' % wanted[-1]
        row = json.dumps({'uids': text[:-1], 'flags': []},
                         separators=(',', ':'))
        row += ' ' * (65536 - len(row))
        body = json.dumps(HEADER) + '\n%s\n{"end":true}\n'
        r, got = self.fetch(simple(200, 'application/x-ndjson',
                                   (body % row).encode()))
        self.assertEqual(uids_of(got), wanted)
        self.fetch(simple(200, 'application/x-ndjson',
                          (body % (row + ' ')).encode()), 'NONSENSE')

    def test_code_decides(self):
        """The code, whatever the status; and only in a problem document"""
        self.listing()
        problem = 'application/problem+json'
        for status, kind, body, code in (
                (404, problem, {'code': 'no-such-mailbox'},
                 'NO_SUCH_MAILBOX'),
                (500, problem + '; charset=utf-8', {'code': 'over-quota'},
                 'OVER_QUOTA'),
                (429, problem, {'code': 'try-later'}, 'TRY_LATER'),
                (404, problem, {'code': 'no-such-thing'}, 'NONSENSE'),
                (404, problem, {}, 'NONSENSE'),
                (404, 'application/json', {'code': 'no-such-mailbox'},
                 'NONSENSE'),
                (404, 'text/html', '<html>', 'NONSENSE'),
                (302, problem, {'code': 'no-such-mailbox'},
                 'NO_SUCH_MAILBOX')):
            self.fetch(simple(status, kind, json.dumps(body).encode()),
                       code)

    def test_proxy(self):
        """A proxy that is not set up well bounces no mail"""
        self.listing(recipients=True)
        for kind, code in (('application/json', 'NONSENSE'),
                           ('application/problem+json',
                            'UNKNOWN_RECIPIENT')):
            self.auth.send('rcpt_query', req=3, address='a@b')
            self.backend.next().answer(simple(
                404, kind, b'{"code":"unknown-recipient"}'))
            self.auth.until('rcpt_answer', code=ST[code])

    def test_scram(self):
        """Keys that are none, and those of a storage that has none to give"""
        good = {'account': 'joe', 'salt': 'AAAA', 'iterations': 4096,
                'stored_key': base64.b64encode(32 * b'k').decode(),
                'server_key': base64.b64encode(32 * b's').decode()}
        self.begin(document=service(scram=MECHANISMS))

        def ask(answer, code):
            self.auth.send('scram_query', req=3, user='j"e', service='pop3')
            r = self.backend.next()
            self.assertEqual(json.loads(r.body)['username'], 'j"e')
            r.answer(answer)
            return self.auth.until('scram_answer', req=3, code=ST[code])

        def json_of(**change):
            return simple(200, 'application/json', json.dumps(
                dict(good, **change)).encode())
        m = ask(json_of(), 'OK')
        self.assertEqual((m.salt, m.name), (bytes(3), ''))
        for change in ({'salt': ''}, {'salt': 'AAA'}, {'salt': None},
                       {'salt': base64.b64encode(bytes(65)).decode()},
                       {'iterations': 4095}, {'iterations': '4096'},
                       {'iterations': 1 << 31}, {'stored_key': 'AAAA'},
                       {'server_key': base64.b64encode(bytes(33)).decode()},
                       {'account': ''}, {'account': None}):
            ask(json_of(**change), 'NONSENSE')
        ask(simple(200, 'application/json', b'[]'), 'NONSENSE')
        ask(simple(204, 'application/json', b''), 'NONSENSE')
        ask(simple(403, 'application/problem+json',
                   b'{"code":"account-disabled"}'), 'ACCOUNT_DISABLED')

    def test_scram_absent(self):
        """What is not announced is not asked for; and it is seen when it
        is not any more"""
        self.begin(document=service(scram=MECHANISMS), check=1)
        self.backend.document = service(auth=True, scram={
            'mechanisms': ['SCRAM-SHA-1', 'SCRAM-SHA-256-PLUS']})
        self.auth.until('st_info', up=1, caps=1 << CAP['AUTH'],
                        timeout=10 * SLOW)
        self.auth.send('scram_query', req=3, user='joe')
        self.auth.until('scram_answer', req=3, code=ST['UNAVAILABLE'])
        self.assertTrue(self.backend.requests.empty())
        self.backend.document = service(auth=True, scram=MECHANISMS)
        self.auth.until('st_info', up=1, timeout=10 * SLOW,
                        caps=1 << CAP['AUTH'] | 1 << CAP['SCRAM'])

    def test_repeated(self):
        """With idempotency a change is asked for again: the same bytes
        under the same key, three times at most"""
        self.listing(write=True, idempotency=True)
        self.ask('st_delete', mailbox='m')
        seen = []
        for i in range(3):
            r = self.backend.next()
            seen.append((r.head[0], r.fields['idempotency-key'], r.body))
            if i < 2:
                r.hang_up()
            else:
                r.answer(b'HTTP/1.1 204 No Content\r\n\r\n')
        self.assertEqual(len(set(seen)), 1)
        self.result()
        self.ask('st_delete', mailbox='m')
        for i in range(3):
            self.backend.next().hang_up()
        self.result('UNAVAILABLE')

    def test_not_repeated(self):
        """Without it a change is not asked for twice, a GET is"""
        self.listing(write=True)
        self.ask('st_delete', mailbox='m')
        self.backend.next().hang_up()
        self.result('UNAVAILABLE')
        self.ask('st_list', mailbox='m', fields=1, credit=1 << 20)
        self.backend.next().hang_up()
        self.backend.next().answer(ndjson(HEADER, {'uid': 5, 'flags': []},
                                          END))
        self.assertEqual(uids_of(self.result()), [5])

    def test_announced(self):
        """Nothing is sent whose capability is not announced"""
        self.listing()
        for type, code, fields in (
                ('st_delete', 'READ_ONLY', {}),
                ('st_patch', 'READ_ONLY', dict(uids=[1], flags='a')),
                ('st_copy', 'NOT_PERMITTED', dict(uids=[1], to='n')),
                ('st_subscribe', 'NOT_PERMITTED', {}),
                ('st_cache', 'NOT_PERMITTED', {})):
            if type != 'st_subscribe' and type != 'st_cache':
                fields['mailbox'] = 'm'
            self.ask(type, **fields)
            self.result(code)
        r, got = self.fetch(ndjson(HEADER, END), since=7)
        self.assertEqual(r.head[0].split(' ')[1],
                         '/v1/accounts/joe%40example.org/mailboxes/m/'
                         'messages?fields=uid,flags')

    def test_account_name(self):
        """Any text is an account, percent-encoded in the path"""
        self.begin(document=service())
        self.grant('j/o?e %\u00e9')
        r, got = self.fetch(ndjson(HEADER, END))
        self.assertTrue(r.head[0].startswith(
            'GET /v1/accounts/j%2Fo%3Fe%20%25%C3%A9/mailboxes/m/'))

    def test_size_is_exact(self):
        """A content that is shorter than its size was cut off"""
        self.listing()
        for body, code in ((b'four', 'OK'), (b'thr', 'CUT'),
                           (b'five!', 'NONSENSE')):
            self.ask('st_get', id='c%d' % len(body), size=4, length=4,
                     credit=1 << 20)
            self.backend.next().answer(simple(200, 'x/y', body))
            self.result(code)

    def test_strangers(self):
        """Events of accounts that nobody has, whatever their names are, do
        no harm; a heartbeat is no event"""
        events = (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
                  b'1f\r\n{"header":true,"cursor":"one"}\n\r\n')
        self.begin(document=service(events={'bound_ms': 5}), events=events)
        self.grant()
        self.auth.until('st_info', epoch=1)
        for line in ({'account': 'x' * 4000, 'mailbox': 'm', 'cursor': '2'},
                     {'account': 'ann', 'mailbox': 'm', 'cursor': '3'},
                     {'cursor': '4'},
                     {'account': 'joe@example.org', 'mailbox': 'm',
                      'cursor': '5', 'colour': 'red'}):
            data = json.dumps(line).encode() + b'\n'
            self.backend.stream.answer(b'%x\r\n%s\r\n' % (len(data), data))
        self.imap.until('st_event', mailbox='m', modseq=0)
        # one event, and the stream still is the first one
        rest = self.imap.later
        self.assertEqual({m.type for m in rest}, {'st_info'})
        self.assertEqual([m.epoch for m in rest if m.up], [0, 1])

    def test_session_named(self):
        """Also the list that is read for a delivery tells its session"""
        self.begin(document=service(write=True))
        self.auth.send('grant_rcpt', req=5, gen=self.lmtp.gen, session=0x1f,
                       txn=1, rcpt=5, account='joe', address='joe@b')
        r = self.backend.next()
        self.assertRegex(r.fields.get('mfront-session', ''),
                         r'^%s-%x-1f$' % (BOOT, self.lmtp.gen))
        r.answer(ndjson({'header': True}, {
            'id': 'i', 'name': 'INBOX', 'uidvalidity': 1, 'uidnext': 1,
            'messages': 0}, END))
        self.auth.until('grant_ok', code=0)

    def test_early_answer(self):
        """A large upload: it waits for 100, and a refusal before its end is
        the answer"""
        self.listing(write=True)
        self.ask('st_put', mailbox='m', size=1 << 20)
        for i in range(5):
            self.imap.send('st_data', sid=7, req=self.req,
                           data=b'x' * 30000)
        r = self.backend.next()
        self.assertEqual(r.fields['expect'], '100-continue')
        self.assertGreater(int(r.fields['content-length']), 1 << 20)
        r.answer(simple(413, 'application/problem+json',
                        b'{"code":"too-large"}', 'Connection: close\r\n'))
        r.hang_up()
        self.result('TOO_LARGE')


if __name__ == '__main__':
    atf.main()
