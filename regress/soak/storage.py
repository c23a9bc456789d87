"""A storage that the test is itself: in memory, with the capabilities it is
told to have, and with rules that make it misbehave.  What it does where no
rule is in the way is what mfront-storage(7) says.

The test may also change mailboxes directly, as somebody else who uses the
store does: add(), flag(), remove().
"""

import http.server
import json
import re
import socket
import threading
import time
import urllib.parse

from imapclient import set_of, uids_of

LEVEL0 = ()
LEVEL1 = ('write',)
LEVEL2 = ('write', 'modseq', 'events', 'idempotency', 'copy')
DATE = '2026-02-03T04:05:06+01:00'


class Problem(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class Hangup(Exception):
    """No more of the answer"""


class Message:
    def __init__(self, content, flags, date=DATE):
        self.content, self.size = content
        self.flags, self.date = list(flags), date
        self.modseq = 0


class Box:
    def __init__(self, number, name):
        self.id, self.name = 'm%d' % number, name
        self.uidvalidity = 1000 + number
        self.uidnext = self.modseq = 1
        self.messages = {}              # uid -> Message
        self.gone = []                  # (modseq, uid)
        self.floor = 0                  # older ones are not known any more

    def touch(self, uids):
        self.modseq += 1
        for u in uids:
            self.messages[u].modseq = self.modseq

    def append(self, message):
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.messages[uid] = message
        return uid

    def remove(self, uids):
        self.modseq += 1
        for u in uids:
            del self.messages[u]
            self.gone.append((self.modseq, u))

    def named(self, text):
        return [u for u in uids_of(text) if u in self.messages] \
            if ':' not in text else \
            [u for u in sorted(self.messages) if within(u, text)]


def within(uid, text):
    for part in text.split(','):
        lo, _, hi = part.partition(':')
        if int(lo) <= uid <= int(hi or lo):
            return True
    return False


def same(a, b):
    return a.lower() == b.lower()


def has(flags, flag):
    return any(same(f, flag) for f in flags)


class Storage:
    """Rules: rule(pattern, action) for requests "METHOD path" that match;
    an action is called with the Handler and may raise Problem or Hangup,
    sleep, set handler.cut to bytes of the answer that are sent, or return
    bytes that are sent as they are."""

    def __init__(self, *caps, account='joe', state=False, limits=None):
        self.caps, self.account = set(caps), account
        self.with_state, self.limits = state, limits or {}
        self.lock = threading.Condition(threading.RLock())
        self.boxes, self.nboxes = {}, 0
        self.contents, self.keys = {}, {}
        self.events, self.first_event = [], 0   # lines; index of the oldest
        self.mute = False               # changes are not told
        self.stall = False              # nor anything by the open stream
        self.replay = False             # streams tell the old once more
        self.rules, self.requests = [], []
        self.streams, self.sockets = set(), set()
        self.sent = 0                   # bytes of contents
        self.race = None                # between a header and its rows
        self.jitter = None              # how long answers are on their way
        self.beat = 5
        self.create('INBOX')
        self.server = None
        self.port = 0
        self.start()

    # life

    def start(self):
        storage = self

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

            def handle_error(self, request, address):
                pass                    # the engine hung up first

        self.server = Server(('127.0.0.1', self.port),
                             type('H', (Handler,), {'storage': storage}))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         kwargs={'poll_interval': .05}, daemon=True).start()

    def stop(self):
        """Nobody answers at its address"""
        self.server.shutdown()
        self.server.server_close()
        self.hang_up(self.sockets)

    def hang_up(self, sockets):
        for s in list(sockets):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut_streams(self):
        self.hang_up(self.streams)

    @property
    def url(self):
        return 'http://127.0.0.1:%d/v1' % self.port

    # what somebody else does

    @property
    def inbox(self):
        return next(b for b in self.boxes.values() if b.name == 'INBOX')

    def create(self, name):
        self.nboxes += 1
        box = Box(self.nboxes, name)
        self.boxes[box.id] = box
        self.tell(None)
        return box

    def content(self, data):
        # the same bytes may have many ids, an id only the same bytes
        id = 'c%d' % (len(self.contents) + 1)
        self.contents[id] = data
        return id, len(data)

    def add(self, n=1, flags=(), size=None, box=None):
        with self.lock:
            box = box or self.inbox
            for _ in range(n):
                text = b'Subject: m%d\r\n\r\n' % box.uidnext
                if size is not None:
                    text += b'x' * (size - len(text))
                uid = box.append(Message(self.content(text), flags))
                box.touch([uid])
            self.tell(box)
            return uid

    def flag(self, uids, *flags, box=None):
        with self.lock:
            box = box or self.inbox
            for u in uids:
                box.messages[u].flags = list(flags)
            box.touch(uids)
            self.tell(box)

    def remove(self, *uids, box=None):
        with self.lock:
            box = box or self.inbox
            box.remove(uids)
            self.tell(box)

    def delete(self, box):
        with self.lock:
            del self.boxes[box.id]
            self.tell(None)

    def tell(self, box):
        line = {'account': self.account,
                'cursor': str(self.first_event + len(self.events) + 1)}
        if box is not None:
            line['mailbox'] = box.id
            if 'modseq' in self.caps:
                line['modseq'] = box.modseq
        with self.lock:
            if self.mute:
                line = None
            self.events.append(line)
            self.lock.notify_all()

    # rules and what was asked

    def rule(self, pattern, action, times=None):
        """The first that matches counts; returns it, for drop()"""
        r = [re.compile(pattern), action, times]
        with self.lock:
            self.rules.insert(0, r)
        return r

    def drop(self, *rules):
        with self.lock:
            self.rules = [r for r in self.rules
                          if rules and not any(r is d for d in rules)]

    def asked(self, pattern):
        with self.lock:
            return sum(re.match(pattern, r) is not None
                       for r in self.requests)

    def forget(self):
        with self.lock:
            self.requests = []

    def action(self, what):
        with self.lock:
            self.requests.append(what)
            self.lock.notify_all()
            for r in self.rules:
                if r[0].match(what) and r[2] != 0:
                    if r[2] is not None:
                        r[2] -= 1
                    return r[1]
        return None

    def wait_asked(self, pattern, count=1, timeout=20):
        with self.lock:
            assert self.lock.wait_for(lambda: self.asked(pattern) >= count,
                                      timeout), self.requests[-20:]

    def heard(self, pattern, timeout):
        with self.lock:
            return self.lock.wait_for(lambda: self.asked(pattern), timeout)

    # calls: each returns (status, type, bytes)

    def row(self, box):
        r = {'id': box.id, 'name': box.name, 'uidvalidity': box.uidvalidity,
             'uidnext': box.uidnext, 'messages': len(box.messages)}
        if 'modseq' in self.caps:
            r['modseq'] = box.modseq
        if self.with_state:
            r['state'] = 's%d' % box.modseq
        return r

    def document(self):
        caps = {c: True for c in self.caps}
        if 'events' in caps:
            caps['events'] = {'bound_ms': 1000}
        return value({'name': 'played', 'version': '1', 'api': 1,
                      'capabilities': caps, 'limits': self.limits})

    def change(self, box, before):
        c = {'mailbox': box.id}
        if 'modseq' in self.caps:
            c.update(modseq_before=before, modseq=box.modseq)
        return c

    def box(self, id, code='no-such-mailbox'):
        if id not in self.boxes:
            raise Problem(404, code)
        return self.boxes[id]

    def list(self, box, q):
        fields = [f for f in q.get('fields', 'flags,id,size,date,modseq')
                  .split(',') if f in ('flags', 'id', 'size', 'date') or
                  (f == 'modseq' and 'modseq' in self.caps)]
        applied = {'fields': ['uid'] + fields}
        since = 0
        if 'since' in q and 'modseq' in self.caps:
            since = int(q['since'])
            if since < box.floor or since > box.modseq:
                raise Problem(410, 'since-too-old')
            applied['since'] = since
            fields = fields + ['modseq']
        head = {'header': True, 'uidnext': box.uidnext,
                'uidvalidity': box.uidvalidity, 'applied': applied}
        if 'modseq' in self.caps:
            head['modseq'] = box.modseq
        race, self.race = self.race, None
        if race is not None:
            race()
        out = [head]
        if since:
            gone = sorted(u for m, u in box.gone if m > since)
            if gone:
                out.append({'vanished': set_of(gone)})
        uids = sorted(u for u, m in box.messages.items() if m.modseq > since)
        if 'uids' in q:
            applied['uids'] = q['uids']
            named = set(box.named(q['uids']))
            uids = [u for u in uids if u in named]
        out += [self.message_row(box, u, fields) for u in uids]
        return ndjson(out)

    def message_row(self, box, uid, fields):
        m = box.messages[uid]
        all = {'flags': m.flags, 'id': m.content, 'date': m.date,
               'size': m.size, 'modseq': m.modseq}
        return dict({f: all[f] for f in fields}, uid=uid)

    def patch(self, box, body):
        before, rows, failed = box.modseq, [], []
        limit = body.get('unchanged_since')
        for u in box.named(body['uids']):
            m = box.messages[u]
            if limit is not None and m.modseq > limit:
                failed.append(u)
                continue
            if 'set' in body:
                new = list(body['set'])
            else:
                new = [f for f in m.flags
                       if not has(body.get('remove', []), f)]
                new += [f for f in body.get('add', []) if not has(new, f)]
            if {f.lower() for f in new} != {f.lower() for f in m.flags}:
                m.flags = new
                rows.append(u)
        if rows:
            box.touch(rows)
            self.tell(box)
        out = [{'header': True, 'change': self.change(box, before)}]
        out += [{'uid': u, 'flags': box.messages[u].flags} for u in rows]
        if failed:
            out.append({'modified': set_of(failed)})
        return ndjson(out)

    def expunge(self, box, body):
        before, only = box.modseq, body['only_if_flag']
        gone = [u for u in box.named(body['uids'])
                if only is None or has(box.messages[u].flags, only)]
        if gone:
            box.remove(gone)
            self.tell(box)
        out = [{'header': True, 'change': self.change(box, before)}]
        if gone:
            out.append({'vanished': set_of(gone)})
        return ndjson(out)

    def copy(self, box, body):
        to = self.box(body['to'], 'no-such-target')
        before, to_before = box.modseq, to.modseq
        source = box.named(body['uids'])
        new = [to.append(Message((m.content, m.size), m.flags, m.date))
               for m in (box.messages[u] for u in source)]
        out = [None]
        if source:
            to.touch(new)
            out.append({'from': set_of(source), 'to': set_of(new)})
            if body['move']:
                if to is box:
                    box.modseq -= 1     # one change only
                box.remove(source)
                out.append({'vanished': set_of(source)})
                self.tell(box)
            self.tell(to)
        out[0] = {'header': True, 'uidvalidity': to.uidvalidity,
                  'from_change': self.change(box, before),
                  'to_change': self.change(to, to_before)}
        return ndjson(out)

    def upload(self, data):
        line, _, text = data.partition(b'\n')
        out = [{'header': True}]
        for i, to in enumerate(json.loads(line)['to']):
            if to['mailbox'] not in self.boxes:
                out.append({'index': i, 'code': 'no-such-target'})
                continue
            box = self.boxes[to['mailbox']]
            before = box.modseq
            id, size = self.content(text)
            uid = box.append(Message((id, size), to.get('flags', []),
                                     to.get('date', DATE)))
            box.touch([uid])
            self.tell(box)
            out.append({'index': i, 'uid': uid, 'id': id,
                        'uidvalidity': box.uidvalidity,
                        'change': self.change(box, before)})
        return ndjson(out)

    def mailboxes(self):
        head = {'header': True}
        if 'events' in self.caps:
            head['cursor'] = str(self.first_event + len(self.events))
        return ndjson([head] + [self.row(b) for b in self.boxes.values()])

    def call(self, method, path, q, data):
        p = path.split('/')[2:]
        if method != 'GET' and 'write' not in self.caps:
            raise Problem(404, 'bad-request')
        if p == ['']:
            return self.document()
        if p == ['messages']:
            return self.upload(data)
        if p[:1] != ['accounts'] or p[1] != self.account:
            raise Problem(404, 'no-such-account')
        body = json.loads(data) if data else {}
        if p[2] == 'messages':
            return self.get(p[3])
        if p[2:] == ['mailboxes']:
            if method == 'GET':
                return self.mailboxes()
            if any(b.name == body['name'] for b in self.boxes.values()):
                raise Problem(409, 'exists')
            return value(self.row(self.create(body['name'])), 201)
        box = self.box(p[3])
        if len(p) == 4:
            if method == 'DELETE':
                self.delete(box)
                return 204, None, b''
            return value(self.row(box))
        if p[4] == 'messages':
            return self.list(box, q) if method == 'GET' else \
                self.patch(box, body)
        return {'expunge': self.expunge, 'copy': self.copy}[p[4]](box, body)

    def get(self, id):
        if id not in self.contents:
            raise Problem(404, 'no-such-message')
        return 200, 'message/rfc822', self.contents[id]


def value(v, status=200):
    return status, 'application/json', json.dumps(v).encode()


def ndjson(rows):
    return 200, 'application/x-ndjson', b''.join(
        json.dumps(r).encode() + b'\n' for r in rows + [{'end': True}])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    storage = None
    cut = late = None

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.storage.sockets.add(self.connection)

    def finish(self):
        self.storage.sockets.discard(self.connection)
        self.storage.streams.discard(self.connection)
        super().finish()

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get('Transfer-Encoding') != 'chunked':
            return self.rfile.read(int(self.headers.get('Content-Length', 0)))
        out = b''
        while True:
            n = int(self.rfile.readline(), 16)
            out += self.rfile.read(n)
            self.rfile.readline()
            if n == 0:
                return out

    def handle_one(self):
        st = self.storage
        path, _, query = self.path.partition('?')
        q = dict((k, urllib.parse.unquote(v)) for k, _, v in
                 (x.partition('=') for x in query.split('&') if x))
        data = self.data = self.body()
        self.cut = self.late = None
        try:
            action = st.action('%s %s' % (self.command, self.path))
            raw = action(self) if action is not None else None
            if raw is not None:
                self.wfile.write(raw)
                return
            if path == '/v1/events':
                self.stream(q)
                return
            with st.lock:
                answer = self.once(path, q, data)
        except Problem as e:
            answer = e.status, 'application/problem+json', json.dumps(
                {'code': e.code, 'title': e.code}).encode()
        except Hangup:
            self.close_connection = True
            return
        if self.late is not None:
            self.late.wait(60)
        if st.jitter is not None:
            time.sleep(st.jitter())
        self.answer(*answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_one

    def once(self, path, q, data):
        """A request with a key is done once"""
        st, key = self.storage, self.headers.get('Idempotency-Key')
        if 'idempotency' not in st.caps or key is None:
            return st.call(self.command, path, q, data)
        if key not in st.keys:
            st.keys[key] = st.call(self.command, path, q, data)
        return st.keys[key]

    def answer(self, status, kind, data):
        self.send_response(status)
        if kind is not None:
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if self.cut is not None:
            n = self.cut if self.cut >= 0 else len(data) + self.cut
            self.wfile.write(data[:n])
            self.close_connection = True
            return
        for i in range(0, len(data), 65536):
            self.wfile.write(data[i:i + 65536])
            if kind == 'message/rfc822':
                self.storage.sent += len(data[i:i + 65536])

    # events

    def stream(self, q):
        st = self.storage
        with st.lock:
            at = int(q.get('since', st.first_event + len(st.events)))
            if 'events' not in st.caps:
                raise Problem(404, 'bad-request')
            if not st.first_event <= at <= st.first_event + len(st.events):
                raise Problem(410, 'cursor-too-old')
            st.streams.add(self.connection)
        self.close_connection = True
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-ndjson')
        self.send_header('Connection', 'close')
        self.end_headers()
        self.say({'header': True, 'cursor': str(at)})
        st.stall = False
        if st.replay:
            at = st.first_event
        while True:
            with st.lock:
                st.lock.wait_for(
                    lambda: st.first_event + len(st.events) > at, st.beat)
                new = st.events[at - st.first_event:]
                at += len(new)
            if st.jitter is not None:
                time.sleep(st.jitter())
            if st.stall:
                continue
            for line in [e for e in new if e] or [{'cursor': str(at)}]:
                self.say(line)

    def say(self, line):
        self.wfile.write(json.dumps(line).encode() + b'\n')


# actions

def problem(status, code):
    def act(handler):
        raise Problem(status, code)
    return act


def hang_up(handler):
    raise Hangup


def slow(seconds):
    def act(handler):
        time.sleep(seconds)
    return act


def cut(n):
    """So many bytes of the body, or all but so many"""
    def act(handler):
        handler.cut = n
    return act


def hold(event):
    """Until it is set"""
    def act(handler):
        event.wait(60)
    return act


def late(event):
    """What it was at the time of the request, but told when it is set"""
    def act(handler):
        handler.late = event
    return act


def raw(data):
    return lambda handler: data
