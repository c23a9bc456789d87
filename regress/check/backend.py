#!/usr/bin/env python3
"""A storage of level 2 in memory, as mfront-storage(7) says: or with one
rule broken, by a name of BREAKS, to see whether somebody notices.

    backend.py SOCKET [BREAK]
    backend.py tls:CERT:KEY [BREAK]     on 127.0.0.1, tells its port
"""

import datetime
import hashlib
import http.server
import json
import os
import re
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

ATOM = re.compile(r'[^\x00-\x20(){%*"\\\]\x7f-\uffff]{1,250}$')
SYSTEM = {'\\answered', '\\deleted', '\\draft', '\\flagged', '\\seen'}
SET = re.compile(r'[1-9][0-9]{0,9}(:[1-9][0-9]{0,9})?'
                 r'(,[1-9][0-9]{0,9}(:[1-9][0-9]{0,9})?)*$')
DATE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$')
CAPABILITIES = {'write': True, 'modseq': True, 'events': {'bound_ms': 200},
                'idempotency': True, 'copy': True, 'cache': True,
                'range': True, 'recipients': True, 'subscriptions': True}
LIMIT = 1 << 20
BEAT = 0.5              # seconds; 15 would do

# what is broken -> the checks that must see it
BREAKS = {
    'uid-before-insert': ['uids-ascend'],
    'modseq-before-change': ['modseqs-ascend', 'since-misses-nothing'],
    'no-end': ['ndjson-ends'],
    'cut-upload-stored': ['cut-stores-nothing'],
    'only-if-flag-ignored': ['only-if-flag'],
    'since-ignored': ['since'],
    'since-without-flags': ['since', 'since-misses-nothing'],
    'half-a-copy': ['all-or-nothing'],
    'uidvalidity-reused': ['uidvalidity-grows'],
    'events-dropped': ['events-told', 'events-many'],
    'key-twice': ['key-once', 'key-each-change'],
    'key-race': ['key-concurrent'],
    'key-any-body': ['key-reused'],
    'key-of-failure': ['key-of-failure'],
    'size-wrong': ['size-is-exact'],
    'cache-shared': ['cache-apart'],
    'cache-is-change': ['cache-no-change'],
    'fields-not-applied': ['list-fields'],
    'uids-not-applied': ['list-uids'],
    'mailbox-id-reused': ['id-is-uidvalidity'],
    'unchanged-since-ignored': ['unchanged-since', 'unchanged-since-0'],
    'vanished-untold': ['since', 'since-misses-nothing'],
    'move-leaves-both': ['move'],
    'move-in-two-steps': ['moved-is-in-one'],
    'sets-not-canonical': ['sets-canonical'],
    'row-twice': ['rows-ordered'],
    'unknown-member-taken': ['unknown-members'],
    'error-without-code': ['problem-documents'],
    'recent-taken': ['flags-refused'],
    'modseq-each': ['one-modseq'],
    'no-heartbeat': ['events-heartbeat'],
    'cursor-forgotten': ['events-resume'],
    'contents-for-all': ['accounts-apart'],
    'lines-mended': ['upload-bytes'],
    'copy-dated-now': ['copy-keeps'],
    'rename-one': ['mailbox-rename'],
    'delete-tree': ['mailbox-delete'],
    'inbox-unprotected': ['inbox-protected'],
    'answer-before-change': ['visible-at-once'],
    'event-before-change': ['events-visible'],
    'flags-one-by-one': ['changes-at-once'],
    'range-off-by-one': ['range'],
    'rows-of-all': ['flags-rows'],
    'subscription-lost': ['subscriptions-stay'],
    'recipients-fail-together': ['each-recipient-alone'],
}
broken = None


class Problem(Exception):
    def __init__(self, status, code):
        self.status, self.code = status, code


def bad(code='bad-request'):
    return Problem(400, code)


def named(text, uids):
    """Those of the uids that a set, if it is one, names"""
    if not isinstance(text, str) or not SET.match(text):
        raise bad()
    spans, last = [], -1
    for part in text.split(','):
        low, colon, high = part.partition(':')
        low, high = int(low), int(high or low)
        if low <= last + 1 or high > 4294967295 or (colon and high <= low):
            raise bad()
        spans.append((low, high))
        last = high
    return [u for u in sorted(uids)
            if any(low <= u <= high for low, high in spans)]


def text_of(uids):
    """The set of some uids"""
    if broken == 'sets-not-canonical':
        return ','.join(map(str, sorted(uids)))
    runs = []
    for u in sorted(uids):
        if runs and runs[-1][1] == u - 1:
            runs[-1][1] = u
        else:
            runs.append([u, u])
    return ','.join(str(a) if a == b else '%d:%d' % (a, b) for a, b in runs)


def merged(rows):
    """One row for all that say the same, in order of their lowest uids"""
    groups = {}
    for uid, rest in rows:
        groups.setdefault(json.dumps(rest), []).append(uid)
    for rest, uids in groups.items():
        rest = json.loads(rest)
        yield dict(rest, uid=uids[0]) if len(uids) == 1 else dict(
            rest, uids=text_of(uids))


def want(body, must, may=()):
    """A strict reader of a request's members"""
    if not isinstance(body, dict):
        raise bad()
    for name in body:
        if name not in must and name not in may and \
                broken != 'unknown-member-taken':
            raise bad('unknown-parameter')
    for name in must:
        if name not in body:
            raise bad()
    return body


def is_flag(flag):
    if not isinstance(flag, str):
        return False
    if broken == 'recent-taken' and flag == '\\Recent':
        return True
    return flag.lower() in SYSTEM if flag.startswith('\\') else \
        bool(ATOM.match(flag))


def flag_list(flags):
    if not isinstance(flags, list) or not all(map(is_flag, flags)):
        raise bad()
    return flags


def now():
    return datetime.datetime.now().astimezone().replace(
        microsecond=0).isoformat()


class Message:
    def __init__(self, content, flags, date, modseq):
        self.content, self.flags = content, flags
        self.date, self.modseq = date, modseq


class Mailbox:
    def __init__(self, name, uidvalidity, roles):
        self.name, self.roles, self.uidvalidity = name, roles, uidvalidity
        self.id = 'm%d' % uidvalidity
        if broken == 'mailbox-id-reused':
            self.id = hashlib.md5(name.encode()).hexdigest()
        self.uidnext, self.modseq = 1, 1
        self.messages, self.vanished, self.flags = {}, [], []

    def keep(self, flags):
        """These flags, each as it was first written here"""
        known = {f.lower(): f for f in self.flags}
        for f in flags:
            if f.lower() not in known:
                known[f.lower()] = f
                self.flags.append(f)
        return [f for f in self.flags if f.lower() in
                {f.lower() for f in flags}]


class Account:
    def __init__(self, name):
        self.name, self.boxes, self.contents = name, {}, set()
        self.cache, self.subscribed = {}, set()
        self.counter = int(time.time())
        self.past = {}
        self.make('INBOX', [])

    def make(self, name, roles):
        self.counter += 1
        uidvalidity = self.counter
        if broken == 'uidvalidity-reused':
            uidvalidity = self.past.setdefault(name, uidvalidity)
        m = Mailbox(name, uidvalidity, roles)
        self.boxes[m.id] = m
        return m

    def named(self, name):
        for m in self.boxes.values():
            if m.name == name:
                return m
        return None


class Store:
    """All of it, under one lock; a change is one with the lock held"""

    def __init__(self):
        self.lock = threading.Condition(threading.RLock())
        self.accounts, self.contents, self.keys = {}, {}, {}
        self.events, self.dropped = [], 0

    def account(self, name):
        if name not in self.accounts:
            self.accounts[name] = Account(name)
        return self.accounts[name]

    def tell(self, account, m=None):
        line = {'account': account.name}
        if m is not None:
            line.update(mailbox=m.id, modseq=m.modseq)
            self.dropped += 1
            if broken == 'events-dropped' and self.dropped % 3 == 0:
                return
        self.events.append(line)
        self.lock.notify_all()

    def pause(self, seconds):
        """Let others see what must not be seen"""
        self.lock.release()
        time.sleep(seconds)
        self.lock.acquire()

    def content(self, account, data):
        ident = 'c' + hashlib.sha256(data).hexdigest()
        self.contents[ident] = data
        account.contents.add(ident)
        return ident

    def add(self, account, m, content, flags, date, modseq):
        uid = m.uidnext
        m.uidnext += 1
        if broken == 'uid-before-insert':
            # later ones are quicker, as it happens
            self.pause(0.001 if uid % 4 else 0.02)
        m.messages[uid] = Message(content, m.keep(flags), date, modseq)
        return uid

    def changed(self, account, m, before):
        if m.modseq != before:
            self.tell(account, m)
        return {'mailbox': m.id, 'modseq_before': before,
                'modseq': m.modseq}

    def vanish(self, m, uids):
        for uid in uids:
            del m.messages[uid]
            m.vanished.append((m.modseq, uid))


store = Store()


# the calls: (request, account, mailbox) -> (status, kind, body)

def lines(header, rows):
    rows = [dict(header, header=True), *rows]
    if broken != 'no-end':
        rows.append({'end': True})
    return 200, 'application/x-ndjson', b''.join(
        json.dumps(row).encode() + b'\n' for row in rows)


def value(body, status=200):
    return status, 'application/json', json.dumps(body).encode()


NOTHING = 204, None, b''


def service(q):
    return value({'name': 'backend.py', 'version': '1', 'api': 1,
                  'capabilities': CAPABILITIES,
                  'limits': {'message': LIMIT}})


def recipients(q):
    b = want(q.json(), ['address'], ['from', 'size'])
    name, _, domain = str(b['address']).partition('@')
    if domain not in ('', 'example.org'):
        raise Problem(404, 'unknown-recipient')
    return value({'account': name,
                  'mailbox': store.account(name).named('INBOX').id})


def row_of(a, m):
    row = {'id': m.id, 'name': m.name, 'uidvalidity': m.uidvalidity,
           'uidnext': m.uidnext, 'messages': len(m.messages),
           'modseq': m.modseq, 'subscribed': m.name in a.subscribed}
    if m.roles:
        row['roles'] = m.roles
    return row


def mailboxes(q, a):
    there = {m.name for m in a.boxes.values()}
    return lines({'cursor': str(len(store.events))},
                 [row_of(a, m) for m in a.boxes.values()] +
                 [{'name': n, 'subscribed': True, 'exists': False}
                  for n in sorted(a.subscribed - there)])


def mailbox(q, a, m):
    return value(row_of(a, m))


def name_ok(name):
    first = name.split('/')[0]
    return 0 < len(name.encode()) <= 1000 and '' not in name.split('/') \
        and not re.search(r'[\x00-\x1f\x7f-\x9f]', name) and \
        (first == 'INBOX' or first.lower() != 'inbox')


def create(q, a):
    b = want(q.json(), ['name'], ['roles'])
    if not isinstance(b['name'], str) or not name_ok(b['name']):
        raise bad()
    if a.named(b['name']):
        raise Problem(409, 'exists')
    m = a.make(b['name'], b.get('roles') or [])
    store.tell(a)
    return value(row_of(a, m), 201)


def rename(q, a):
    b = want(q.json(), ['from', 'to'])
    old, new = b['from'], b['to']
    if not name_ok(new):
        raise bad()
    if (old == 'INBOX' and broken != 'inbox-unprotected') or \
            new.startswith(old + '/'):
        raise Problem(403, 'not-permitted')
    moved = [m for m in a.boxes.values()
             if m.name == old or m.name.startswith(old + '/')]
    if broken == 'rename-one':
        moved = [m for m in moved if m.name == old]
    if not moved:
        raise Problem(404, 'no-such-mailbox')
    names = {m.name: new + m.name[len(old):] for m in moved}
    if any(a.named(n) for n in names.values()):
        raise Problem(409, 'exists')
    for m in moved:
        m.name = names[m.name]
        # a new uidvalidity, and so a new id, is always right
        a.counter += 1
        del a.boxes[m.id]
        m.uidvalidity, m.id = a.counter, 'm%d' % a.counter
        a.boxes[m.id] = m
    store.tell(a)
    return NOTHING


def delete(q, a, m):
    if m.name == 'INBOX' and broken != 'inbox-unprotected':
        raise Problem(403, 'not-permitted')
    del a.boxes[m.id]
    if broken == 'delete-tree':
        for other in list(a.boxes.values()):
            if other.name.startswith(m.name + '/'):
                del a.boxes[other.id]
    if broken == 'subscription-lost':
        a.subscribed.discard(m.name)
    store.tell(a)
    return NOTHING


def subscriptions(q, a):
    b = want(q.json(), [], ['add', 'remove'])
    a.subscribed |= set(b.get('add') or [])
    a.subscribed -= set(b.get('remove') or [])
    store.tell(a)
    return NOTHING


def size_of(content):
    data = store.contents[content]
    return len(data) - (data.count(b'\r\n') if broken == 'size-wrong' else 0)


def listing(q, a, m):
    applied = {}
    fields = ['uid', 'id', 'flags', 'size', 'date', 'modseq']
    known = fields + ['cache']
    if 'fields' in q.query:
        asked = q.query['fields'].split(',')
        applied['fields'] = [f for f in known if f in asked or f == 'uid']
        if broken != 'fields-not-applied':
            fields = applied['fields']
    uids, vanished = sorted(m.messages), []
    if 'uids' in q.query:
        applied['uids'] = q.query['uids']
        found = named(q.query['uids'], uids)
        if broken != 'uids-not-applied':
            uids = found
    if 'since' in q.query:
        if not re.match(r'[1-9][0-9]{0,15}$', q.query['since']):
            raise bad()
        since = applied['since'] = int(q.query['since'])
        if since > m.modseq:
            raise Problem(410, 'since-too-old')
        first = min((x.modseq for u, x in m.messages.items()
                     if u > m.uidnext - 2), default=0)
        if broken == 'since-without-flags':
            uids = [u for u in uids if m.messages[u].modseq > since and
                    (not m.messages[u].flags or
                     m.messages[u].modseq == first)]
        elif broken != 'since-ignored':
            uids = [u for u in uids if m.messages[u].modseq > since]
        vanished = [u for n, u in m.vanished if n > since]
        if broken == 'vanished-untold':
            vanished = []
        fields = fields + ['modseq']
    rows = []
    for u in uids:
        x = m.messages[u]
        row = {'id': x.content, 'flags': x.flags, 'date': x.date,
               'size': size_of(x.content), 'modseq': x.modseq,
               'cache': q.cache_of(a).get(x.content)}
        rows.append((u, {f: row[f] for f in row if f in fields and
                         row[f] is not None}))
    rows = list(merged(rows))
    if broken == 'row-twice' and rows:
        rows.append(rows[-1])
    header = {'modseq': m.modseq, 'uidnext': m.uidnext,
              'uidvalidity': m.uidvalidity, 'flags': m.flags,
              'applied': applied}
    return lines(header, ([{'vanished': text_of(vanished)}]
                          if vanished else []) + rows)


def content(q, a, ident):
    if ident not in store.contents or (
            ident not in a.contents and broken != 'contents-for-all'):
        raise Problem(404, 'no-such-message')
    data = store.contents[ident]
    r = re.match(r'bytes=(\d*)-(\d*)$', q.headers.get('Range', ''))
    if not r or r.groups() == ('', ''):
        return 200, 'message/rfc822', data
    first, last = r.groups()
    low = max(0, len(data) - int(last)) if first == '' else int(first)
    high = len(data) - 1 if first == '' or last == '' else \
        min(int(last), len(data) - 1)
    if low > high:
        raise Problem(416, 'bad-request')
    q.more['Content-Range'] = 'bytes %d-%d/%d' % (low, high, len(data))
    if broken == 'range-off-by-one':
        high -= 1
    return 206, 'message/rfc822', data[low:high + 1]


def summary(q, a, ident):
    if ident not in a.contents:
        raise Problem(404, 'no-such-message')
    q.cache_of(a)[ident] = q.body.decode()
    if broken == 'cache-is-change':
        for m in a.boxes.values():
            for x in m.messages.values():
                if x.content == ident:
                    m.modseq += 1
                    x.modseq = m.modseq
    return NOTHING


def store_one(index, to, data):
    a = store.account(to['account'])
    m = a.boxes.get(to['mailbox'])
    if m is None:
        return {'index': index, 'code': 'no-such-target'}
    if broken == 'event-before-change' and m.modseq % 4 == 0:
        m.modseq += 1
        store.tell(a, m)
        m.modseq -= 1
        store.pause(0.015)
    before = m.modseq
    ident = store.content(a, data)
    if to.get('cache') is not None:
        a.cache[ident] = to['cache']
    m.modseq += 1
    modseq = m.modseq
    uid = store.add(a, m, ident, to.get('flags') or [],
                    to.get('date') or now(), modseq)
    store.tell(a, m)
    return {'index': index, 'uid': uid, 'uidvalidity': m.uidvalidity,
            'id': ident, 'change': {'mailbox': m.id,
                                    'modseq_before': before,
                                    'modseq': modseq}}


def upload(q):
    line, nl, data = q.body.partition(b'\n')
    if not nl and broken != 'cut-upload-stored':
        raise bad()
    b = want(q.json(line), ['to'], ['from', 'delivery'])
    if not isinstance(b['to'], list) or not b['to']:
        raise bad()
    for to in b['to']:
        want(to, ['account', 'mailbox'],
             ['address', 'flags', 'date', 'cache'])
        flag_list(to.get('flags') or [])
        if to.get('date') is not None and not DATE.match(str(to['date'])):
            raise bad()
    if broken == 'lines-mended':
        data = re.sub(rb'\r?\n', b'\r\n', data)
        data += b'' if data.endswith(b'\r\n') else b'\r\n'
    if broken == 'recipients-fail-together':
        for to in b['to']:
            if to['mailbox'] not in store.account(to['account']).boxes:
                raise Problem(404, 'no-such-target')
    # each row is remembered for itself
    rows = [q.old_rows.get(i) or store_one(i, to, data)
            for i, to in enumerate(b['to'])]
    q.rows = {row['index']: row for row in rows if 'uid' in row}
    return lines({}, rows)


def new_flags(m, x, b):
    have = {f.lower() for f in x.flags}
    if b.get('set') is not None:
        return m.keep(b['set'])
    add = {f.lower() for f in b.get('add') or []}
    remove = {f.lower() for f in b.get('remove') or []}
    m.keep(b.get('add') or [])
    return [f for f in m.flags if f.lower() in (have | add) - remove]


def patch(q, a, m):
    b = want(q.json(), ['uids'], ['set', 'add', 'remove',
                                  'unchanged_since'])
    uids = named(b['uids'], m.messages)
    given = [n for n in ('set', 'add', 'remove') if b.get(n) is not None]
    for n in given:
        flag_list(b[n])
    if not given or ('set' in given and len(given) > 1) or \
            {f.lower() for f in b.get('add') or []} & \
            {f.lower() for f in b.get('remove') or []}:
        raise bad()
    late = []
    if 'unchanged_since' in b and broken != 'unchanged-since-ignored':
        late = [u for u in uids
                if m.messages[u].modseq > b['unchanged_since']]
    before, rows, modseq = m.modseq, [], None
    for u in [u for u in uids if u not in late]:
        x = m.messages.get(u)
        flags = new_flags(m, x, b) if x else None
        if x is None or (flags == x.flags and broken != 'rows-of-all'):
            continue
        if modseq is None or broken == 'modseq-each':
            m.modseq += 1
            modseq = m.modseq
            if broken == 'modseq-before-change':
                store.pause(0.001 if modseq % 4 else 0.02)
        if u in m.messages:
            x.flags, x.modseq = flags, modseq
            rows.append((u, {'flags': flags}))
        if broken == 'flags-one-by-one' and len(uids) > 20:
            store.pause(0.0005)
    if modseq is not None and broken == 'modseq-before-change':
        store.tell(a, m)
        change = {'mailbox': m.id, 'modseq_before': before,
                  'modseq': modseq}
    else:
        change = store.changed(a, m, before)
    return lines({'change': change}, list(merged(rows)) +
                 ([{'modified': text_of(late)}] if late else []))


def expunge(q, a, m):
    b = want(q.json(), ['uids', 'only_if_flag'])
    uids = named(b['uids'], m.messages)
    flag = b['only_if_flag']
    if flag is not None:
        if not is_flag(flag):
            raise bad()
        if broken != 'only-if-flag-ignored':
            uids = [u for u in uids if flag.lower() in
                    {f.lower() for f in m.messages[u].flags}]
    before = m.modseq
    if uids:
        m.modseq += 1
        store.vanish(m, uids)
    return lines({'change': store.changed(a, m, before)},
                 [{'vanished': text_of(uids)}] if uids else [])


def copy(q, a, m):
    b = want(q.json(), ['uids', 'to', 'move'])
    uids = named(b['uids'], m.messages)
    to = a.boxes.get(b['to'])
    if to is None:
        raise Problem(404, 'no-such-target')
    if not isinstance(b['move'], bool):
        raise bad()
    before, to_before = m.modseq, to.modseq
    if uids:
        to.modseq += 1
        if b['move'] and m is not to:
            m.modseq += 1
    new = []
    for i, u in enumerate(uids):
        x = m.messages[u]
        date = now() if broken == 'copy-dated-now' else x.date
        uid = to.uidnext
        to.uidnext += 1
        to.messages[uid] = Message(x.content, to.keep(x.flags), date,
                                   to.modseq)
        new.append(uid)
        if broken == 'half-a-copy' and i == len(uids) // 2:
            store.pause(0.01)
    if b['move'] and uids:
        if broken == 'move-in-two-steps':
            store.pause(0.01)
        if broken != 'move-leaves-both':
            store.vanish(m, uids)
    out = [{'from': text_of(uids), 'to': text_of(new)}] if uids else []
    if b['move'] and uids:
        out.append({'vanished': text_of(uids)})
    change = store.changed(a, m, before)
    to_change = change if m is to else store.changed(a, to, to_before)
    return lines({'from_change': change, 'to_change': to_change,
                  'uidvalidity': to.uidvalidity}, out)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    wbufsize = 65536

    def address_string(self):
        return 'unix'

    def log_message(self, *args):
        pass

    def cache_of(self, account):
        return store.__dict__.setdefault('cache', {}) \
            if broken == 'cache-shared' else account.cache

    def json(self, data=None):
        try:
            return json.loads(self.body if data is None else data)
        except ValueError:
            raise bad()

    # bytes

    def read_body(self):
        """All of it, or None: it was cut off"""
        if 'chunked' in self.headers.get('Transfer-Encoding', ''):
            body = b''
            while True:
                size = self.rfile.readline()
                if not size:
                    return body if broken == 'cut-upload-stored' else None
                n = int(size, 16)
                piece = self.rfile.read(n + 2)
                if len(piece) < n + 2:
                    return None
                if n == 0:
                    return body
                body += piece[:-2]
        n = int(self.headers.get('Content-Length', 0))
        body = self.rfile.read(n)
        if len(body) < n and broken != 'cut-upload-stored':
            return None
        return body

    def answer(self, status, kind, body):
        if status >= 400 and broken == 'error-without-code':
            kind, body = 'text/html', b'<h1>Not found</h1>'
        self.send_response(status)
        if kind is not None:
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(body)))
        for name, text in self.more.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def problem(self, p):
        self.answer(p.status, 'application/problem+json', json.dumps(
            {'type': 'about:blank', 'title': p.code, 'status': p.status,
             'code': p.code}).encode())

    # which call is it?

    CALLS = [
        ('GET', '/', service),
        ('POST', '/recipients', recipients),
        ('POST', '/messages', upload),
        ('GET', '/accounts/A/mailboxes', mailboxes),
        ('POST', '/accounts/A/mailboxes', create),
        ('POST', '/accounts/A/mailboxes/rename', rename),
        ('POST', '/accounts/A/subscriptions', subscriptions),
        ('GET', '/accounts/A/mailboxes/M', mailbox),
        ('DELETE', '/accounts/A/mailboxes/M', delete),
        ('GET', '/accounts/A/mailboxes/M/messages', listing),
        ('PATCH', '/accounts/A/mailboxes/M/messages', patch),
        ('POST', '/accounts/A/mailboxes/M/expunge', expunge),
        ('POST', '/accounts/A/mailboxes/M/copy', copy),
        ('GET', '/accounts/A/messages/C', content),
        ('PUT', '/accounts/A/messages/C/cache', summary),
    ]

    def match(self, pattern, path):
        """The parts of a path that a pattern leaves open, or None"""
        want_parts = pattern.split('/')
        if len(want_parts) != len(path):
            return None
        found = []
        for w, p in zip(want_parts, path):
            if w in ('A', 'M', 'C'):
                found.append((w, p))
            elif w != p:
                return None
        return found

    def route(self):
        path, _, query = self.path.partition('?')
        if not path.startswith('/v1'):
            raise Problem(404, 'bad-request')
        path = [urllib.parse.unquote(s) for s in
                (path[3:] or '/').split('/')]
        self.query = {}
        for pair in query.split('&'):
            name, _, text = pair.partition('=')
            self.query.setdefault(name, urllib.parse.unquote(text))
        status = 404
        for method, pattern, func in self.CALLS:
            found = self.match(pattern, path)
            if found is None:
                continue
            if method == self.command:
                return func, found
            status = 405
        if path == ['', 'events'] and self.command == 'GET':
            return None, []
        raise Problem(status, 'bad-request')

    def arguments(self, found):
        args = []
        for kind, text in found:
            if kind == 'A':
                args.append(store.account(text))
            elif kind == 'C':
                args.append(text)
            elif text not in args[0].boxes:
                raise Problem(404, 'no-such-mailbox')
            else:
                args.append(args[0].boxes[text])
        return args

    def call(self, func, found):
        """With the lock held; a key is looked at first, written last"""
        self.rows, self.old_rows = {}, {}
        key = self.headers.get('Idempotency-Key')
        if key is None or self.command == 'GET' or func is recipients:
            return func(self, *self.arguments(found))
        name = (found[0][1] if found else None, key)
        what = hashlib.sha256(repr((self.command, self.path)).encode() +
                              self.body).hexdigest()
        old = store.keys.get(name)
        if old and old['what'] != what and broken != 'key-any-body':
            raise Problem(422, 'key-reused')
        if old and broken == 'key-of-failure' and 'problem' in old:
            raise old['problem']
        if old and 'answer' in old and broken != 'key-twice' and \
                all(i in old['rows'] for i in range(old['n'])):
            return old['answer']
        if old and broken != 'key-twice':
            self.old_rows = old.get('rows', {})
        if broken == 'key-race' and len(self.body) > 4000:
            store.pause(0.02)
        try:
            answer = func(self, *self.arguments(found))
        except Problem as p:
            if broken == 'key-of-failure':
                store.keys[name] = {'what': what, 'problem': p}
            raise
        n = answer[2].count(b'"index"') if func is upload else 0
        store.keys[name] = {'what': what, 'answer': answer,
                                'rows': self.rows, 'n': n}
        return answer

    def later(self, func, found):
        with store.lock:
            store.pause(0.03)
            try:
                self.call(func, found)
            except Problem:
                pass

    def handle_one(self):
        length = int(self.headers.get('Content-Length', 0))
        if length > LIMIT + (1 << 20):
            self.close_connection = True
            self.more['Connection'] = 'close'
            raise Problem(413, 'too-large')
        if self.headers.get('Expect'):
            self.wfile.write(b'HTTP/1.1 100 Continue\r\n\r\n')
            self.wfile.flush()
        self.body = self.read_body()
        if self.body is None:
            self.close_connection = True
            return
        func, found = self.route()
        if func is None:
            return self.stream()
        if broken == 'answer-before-change' and func is patch:
            with store.lock:
                m = self.arguments(found)[1]
                answer = lines({'change': {
                    'mailbox': m.id, 'modseq_before': m.modseq,
                    'modseq': m.modseq}}, [])
            threading.Thread(target=self.later, args=(func, found)).start()
        else:
            with store.lock:
                answer = self.call(func, found)
        self.answer(*answer)

    def any(self):
        self.more = {}
        try:
            self.handle_one()
        except Problem as p:
            self.problem(p)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = any

    def handle_expect_100(self):
        return True

    # events

    def piece(self, line):
        data = json.dumps(line).encode() + b'\n'
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        self.wfile.flush()

    def stream(self):
        with store.lock:
            at = len(store.events)
        cursor = self.query.get('since')
        if cursor is not None:
            if not cursor.isdigit() or int(cursor) > at:
                raise Problem(410, 'cursor-too-old')
            if broken != 'cursor-forgotten':
                at = int(cursor)
        self.close_connection = True
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-ndjson')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        self.piece({'header': True, 'cursor': cursor or str(at)})
        while True:
            with store.lock:
                store.lock.wait_for(lambda: len(store.events) > at, BEAT)
                new = store.events[at:]
            for line in new:
                at += 1
                self.piece(dict(line, cursor=str(at)))
            if not new and broken != 'no-heartbeat':
                self.piece({'cursor': str(at)})


class Threads(socketserver.ThreadingMixIn):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, address):
        # a peer that goes is none
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, address)


class Server(Threads, socketserver.UnixStreamServer):
    pass


class TlsServer(Threads, socketserver.TCPServer):
    def __init__(self, cert, key):
        super().__init__(('127.0.0.1', 0), Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)

    def finish_request(self, request, address):
        """In its own thread: a slow handshake is nobody else's"""
        with self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, address)


def main():
    global broken
    if len(sys.argv) > 2:
        broken = sys.argv[2]
        if broken not in BREAKS:
            sys.exit('backend.py: nothing is called ' + broken)
    if sys.argv[1].startswith('tls:'):
        server = TlsServer(*sys.argv[1].split(':')[1:])
        print(server.server_address[1], flush=True)
    else:
        server = Server(sys.argv[1] + '.new', Handler)
        os.rename(sys.argv[1] + '.new', sys.argv[1])
    server.serve_forever()


if __name__ == '__main__':
    main()
