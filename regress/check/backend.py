#!/usr/bin/env python3
"""A storage of all levels in memory, as mfront-storage(7) says: or with one
rule broken, by a name of BREAKS, to see whether somebody notices.

    backend.py SOCKET [BREAK]
    backend.py tls:CERT:KEY[:CA] [BREAK]
                        on 127.0.0.1, tells its port; with a CA it wants a
                        certificate of its clients
"""

import base64
import datetime
import email
import email.header
import email.utils
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
import unicodedata
import urllib.parse

ATOM = re.compile(r'[^\x00-\x20(){%*"\\\]\x7f-\uffff]{1,250}$')
SYSTEM = {'\\answered', '\\deleted', '\\draft', '\\flagged', '\\seen'}
SET = re.compile(r'[1-9][0-9]{0,9}(:[1-9][0-9]{0,9})?'
                 r'(,[1-9][0-9]{0,9}(:[1-9][0-9]{0,9})?)*$')
DATE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$')
CAPABILITIES = {'write': True, 'modseq': True, 'events': {'bound_ms': 200},
                'idempotency': True, 'copy': True, 'cache': True,
                'range': True, 'recipients': True, 'subscriptions': True,
                'search': {'keys': [
                    'all', 'and', 'or', 'not', 'flag', 'uids', 'larger',
                    'smaller', 'since', 'before', 'on', 'senton', 'header',
                    'body', 'text']},
                'sort': {'keys': ['arrival', 'date', 'from', 'subject']},
                'thread': {'algorithms': ['references']},
                'dict': {'value': 65536, 'keys': 1000, 'durable': False},
                'quota': {'set': False},
                'metadata': {'value': 8192, 'entries': 100},
                'objectid': {'mailbox': True, 'email': 'content',
                             'thread': True},
                'savedate': True,
                'batch': {'seconds': 3600, 'messages': 100, 'parts': 100},
                'scram': {'mechanisms': ['SCRAM-SHA-256']}}
LIMIT = 1 << 20
BEAT = 0.5              # seconds; 15 would do

# what is broken -> the checks that must see it
BREAKS = {
    'uid-before-insert': ['uids-ascend'],
    'uid-again-expunged': ['uid-never-again'],
    'uid-again-moved': ['uid-never-again'],
    'modseq-before-change': ['modseqs-ascend', 'since-misses-nothing'],
    'no-end': ['ndjson-ends'],
    'cut-upload-stored': ['cut-stores-nothing'],
    'only-if-flag-ignored': ['only-if-flag'],
    'account-any': ['no-such-account'],
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
    'cache-too-brief': ['cache'],
    'fields-not-applied': ['list-fields'],
    'uids-not-applied': ['list-uids'],
    'mailbox-id-reused': ['id-is-uidvalidity'],
    'unchanged-since-ignored': ['unchanged-since', 'unchanged-since-0'],
    'unchanged-since-null': ['unchanged-since-null'],
    'keywords-unlimited': ['flags-limit'],
    'flags-unlimited': ['flags-bytes'],
    'mailbox-keywords-unlimited': ['keywords-limit'],
    'mailbox-flags-unlimited': ['keywords-bytes'],
    'rows-unlimited': ['flags-bytes', 'keywords-bytes', 'keywords-limit'],
    'names-any-form': ['names-normal-form'],
    'names-any-form-renamed': ['names-normal-form'],
    'names-corrected': ['names-normal-form'],
    'unknown-null-taken': ['unknown-null'],
    'key-any': ['key-refused'],
    'key-any-length': ['key-refused'],
    'dates-any': ['dates-refused'],
    'dates-any-offset': ['dates-refused'],
    'cursor-misread': ['events-too-old'],
    'rename-from-anything': ['rename-refused'],
    'vanished-untold': ['since', 'since-misses-nothing'],
    'move-leaves-both': ['move'],
    'move-in-two-steps': ['moved-is-in-one'],
    'sets-not-canonical': ['sets-canonical'],
    'row-twice': ['rows-ordered'],
    'unknown-member-taken': ['unknown-members'],
    'error-without-code': ['problem-documents'],
    'recent-taken': ['flags-refused'],
    'modseq-each': ['one-modseq'],
    'events-late': ['events-bound'],
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
    'subscribed-untold': ['subscriptions'],
    'subscription-lost': ['subscriptions-stay'],
    'upload-one-row': ['upload-several', 'cache-apart'],
    'recipients-fail-together': ['each-recipient-alone'],
    'search-stale': ['search-changes'],
    'search-not-ignored': ['search-flags'],
    'search-size-included': ['search-sizes'],
    'search-days-utc': ['search-dates'],
    'search-undecoded': ['search-text'],
    'search-no-total': ['search-header'],
    'search-limit-ignored': ['search-limit'],
    'search-limit-counted': ['search-limit'],
    'search-limit-first': ['search-limit'],
    'search-superset-lies': ['search-text'],
    'sort-backwards': ['sort'],
    'thread-none': ['thread'],
    'dict-no-compare': ['dict-compare'],
    'dict-same-etag': ['dict', 'dict-compare'],
    'dict-shared': ['dict-apart'],
    'dict-unsorted': ['dict-list'],
    'quota-still': ['quota-used'],
    'metadata-halves': ['metadata-at-once'],
    'metadata-case': ['metadata'],
    'objectid-is-id': ['objectid'],
    'threadid-each': ['threadid'],
    'savedate-is-date': ['savedate'],
    'batch-halves': ['batch-all-or-nothing'],
    'batch-modseq-each': ['batch'],
    'parts-ignored': ['batch-parts'],
    'scram-new-salt': ['scram'],
    'batch-contents-for-all': ['batch-apart'],
    'cache-for-all': ['cache-apart'],
    'metadata-shared': ['metadata-apart'],
    'metadata-of-one': ['metadata-apart'],
    'subscriptions-shared': ['subscriptions-apart'],
    'batch-twice': ['key-batch'],
    'blob-any-body': ['key-batch'],
    'dict-twice': ['key-dict'],
    'metadata-twice': ['key-metadata'],
    'subscribe-twice': ['key-subscriptions'],
    'batch-vanished-untold': ['batch'],
    'batch-dated-now': ['batch'],
    'batch-size-wrong': ['batch'],
    'batch-no-event': ['events-told'],
    'blob-unread': ['blob'],
    'metadata-no-event': ['events-account'],
    'dict-small': ['dict-size'],
    'rename-subscription': ['subscriptions-renamed'],
    'search-of-all': ['search-uids'],
    'sort-of-all': ['sort'],
    'thread-of-all': ['thread'],
    'quota-only-grows': ['quota-used'],
}
# what is broken -> other checks that cannot but see it, too
ALSO = {
    'batch-halves': ['batch', 'key-batch'],
    'cache-shared': ['cache'],
    'contents-for-all': ['batch-apart'],
    'cursor-forgotten': ['events-list-cursor', 'events-told'],
    'event-before-change': ['key-concurrent'],
    'fields-not-applied': ['cache', 'cache-size', 'list-unknown-field',
                           'savedate'],
    'key-any-body': ['key-batch'],
    'key-twice': ['key-batch', 'key-concurrent', 'key-dict', 'key-metadata',
                  'key-per-index', 'key-subscriptions'],
    'move-leaves-both': ['copy-into-itself'],
    'only-if-flag-ignored': ['modseq-unchanged'],
    'recent-taken': ['upload-refused'],
    'recipients-fail-together': ['key-per-index'],
    'rename-one': ['rename-refused'],
    'rows-of-all': ['modseq-unchanged'],
    'search-no-total': ['search-limit', 'search-uids'],
    'search-of-all': ['search-limit'],
    'search-stale': ['search-flags', 'search-header', 'search-limit'],
    'search-superset-lies': ['search-changes'],
    'search-undecoded': ['sort'],
    'since-ignored': ['cache-no-change'],
    'since-without-flags': ['since-rows-modseq', 'since-uids'],
    'size-wrong': ['search-sizes', 'upload'],
    'sort-backwards': ['search-limit'],
    'uid-before-insert': ['key-concurrent'],
    'uids-not-applied': ['set-intersected', 'since-uids'],
    'uidvalidity-reused': ['id-is-uidvalidity'],
    'unknown-member-taken': [
        'batch-all-or-nothing', 'metadata-at-once', 'recipients-unknown',
        'search-refused', 'sort-refused', 'subscriptions', 'unknown-null',
        'upload-refused'],
    'upload-one-row': ['each-recipient-alone', 'key-per-index'],
    'vanished-untold': ['batch', 'move', 'since-uids'],
    # all that list, are refused, or change flags
    'row-twice': None,
    'error-without-code': None,
    'answer-before-change': None,
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
                broken != 'unknown-member-taken' and not (
                    broken == 'unknown-null-taken' and body[name] is None):
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


def is_date(text):
    if not isinstance(text, str) or not DATE.match(text):
        return False
    if broken == 'dates-any':
        return True
    if broken == 'dates-any-offset':
        text = text[:19]
    elif not text.endswith('Z') and not ('00' <= text[-5:-3] <= '23' and
                                         text[-2:] <= '59'):
        return False
    try:
        return bool(datetime.datetime.fromisoformat(
            text.replace('Z', '+00:00')))
    except ValueError:
        return False


def now():
    return datetime.datetime.now().astimezone().replace(
        microsecond=0).isoformat()


class Message:
    def __init__(self, content, flags, date, modseq):
        self.content, self.flags = content, flags
        self.date, self.modseq = date, modseq
        self.saved = date if broken == 'savedate-is-date' else now()


class Mailbox:
    def __init__(self, name, uidvalidity, roles):
        self.name, self.roles, self.uidvalidity = name, roles, uidvalidity
        self.id = 'm%d' % uidvalidity
        if broken == 'mailbox-id-reused':
            self.id = hashlib.md5(name.encode()).hexdigest()
        self.objectid = 'F%d' % uidvalidity
        self.uidnext, self.modseq = 1, 1
        self.messages, self.vanished, self.flags = {}, [], []

    def limit(self, flags):
        """Refuses what would be too many or too long, before it is kept"""
        known = {f.lower(): f for f in self.flags + flags}.values()
        words, all_words = ([f for f in some if f[0] != '\\']
                            for some in ({f.lower() for f in flags}, known))
        size, all_size = (len(json.dumps([*some], separators=(',', ':')))
                          for some in (flags, known))
        for too_much, name in (
                (len(words) > 256, 'keywords-unlimited'),
                (size > 8000, 'flags-unlimited'),
                (len(all_words) > 1000, 'mailbox-keywords-unlimited'),
                (all_size > 32000, 'mailbox-flags-unlimited')):
            if too_much and broken != name:
                raise Problem(403, 'not-permitted')

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
    everybodys = {}, set()

    def __init__(self, name):
        self.name, self.boxes, self.contents = name, {}, set()
        self.cache, self.subscribed = {}, set()
        self.dict, self.metadata, self.most = {}, {}, 0
        if broken == 'metadata-shared':
            self.metadata = self.everybodys[0]
        if broken == 'subscriptions-shared':
            self.subscribed = self.everybodys[1]
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
        self.events, self.dropped, self.used = [], 0, set()

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
        self.used.add(content)
        return uid

    def changed(self, account, m, before, told=True):
        if m.modseq != before and told:
            self.tell(account, m)
        return {'mailbox': m.id, 'modseq_before': before,
                'modseq': m.modseq}

    def vanish(self, m, uids, how='expunged'):
        for uid in uids:
            del m.messages[uid]
            m.vanished.append((m.modseq, uid))
        if broken == 'uid-again-' + how:
            m.uidnext = max(m.messages, default=0) + 1


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
           'modseq': m.modseq, 'subscribed': m.name in a.subscribed and
           broken != 'subscribed-untold',
           'objectid': m.id if broken == 'objectid-is-id' else m.objectid}
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


def account_ok(name):
    return 0 < len(name.encode()) <= 500 and \
        not re.search(r'[\x00-\x1f\x7f-\x9f]', name)


def name_ok(name, how=''):
    first = name.split('/')[0]
    return 0 < len(name.encode()) <= 1000 and '' not in name.split('/') \
        and not re.search(r'[\x00-\x1f\x7f-\x9f]', name) and \
        (first == 'INBOX' or first.lower() != 'inbox') and (
            unicodedata.is_normalized('NFC', name) or how == broken or
            broken == 'names-any-form')


def create(q, a):
    b = want(q.json(), ['name'], ['roles'])
    if broken == 'names-corrected':
        b['name'] = unicodedata.normalize('NFC', b['name'])
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
    if not name_ok(new, 'names-any-form-renamed') or (not name_ok(old) and
                            broken != 'rename-from-anything'):
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
    if broken == 'rename-subscription':
        a.subscribed = {names.get(n, n) for n in a.subscribed}
    if any(a.named(n) for n in names.values()):
        raise Problem(409, 'exists')
    for m in moved:
        m.name = names[m.name]
        # a new uidvalidity, and so a new id, is always right
        a.counter += 1
        del a.boxes[m.id]
        old = m.id
        m.uidvalidity, m.id = a.counter, 'm%d' % a.counter
        if old in a.metadata:
            a.metadata[m.id] = a.metadata.pop(old)
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


def thread_of(content):
    """By the subject: of one without it nobody knows"""
    said = email.message_from_bytes(store.contents[content]).get('Subject')
    if said is None:
        return None
    said = re.sub(r'(?i)^(re: *)+', '', said.strip())
    return hashlib.md5(said.encode('utf-8', 'replace')).hexdigest()


def listing(q, a, m):
    applied = {}
    fields = ['uid', 'id', 'flags', 'size', 'date', 'modseq']
    known = fields + ['cache', 'savedate', 'threadid']
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
               'cache': q.cache_of(a).get(x.content), 'savedate': x.saved,
               'threadid': thread_of(x.content) if broken != 'threadid-each'
               else 't%d' % u}
        rows.append((u, {f: row[f] for f in row if f in fields and
                         row[f] is not None}))
    if q.query.get('brief') == '1':
        for row in [row for _, row in rows if 'cache' in row]:
            row['cache'] = row['cache'].split(
                'r' if broken == 'cache-too-brief' else '\n')[0]
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
            ident not in a.contents and broken != 'contents-for-all') or (
            broken == 'blob-unread' and ident not in store.used):
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
    if ident not in (store.contents if broken == 'cache-for-all' else
                     a.contents):
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
    try:
        if broken != 'rows-unlimited':
            m.limit(to.get('flags') or [])
    except Problem as p:
        return {'index': index, 'code': p.code}
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
        if to.get('date') is not None and not is_date(to['date']):
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
    if broken == 'upload-one-row':
        rows = rows[:1]
    return lines({}, rows)


def new_flags(m, x, b):
    have = {f.lower() for f in x.flags}
    if b.get('set') is not None:
        m.limit(b['set'])
        return m.keep(b['set'])
    add = {f.lower() for f in b.get('add') or []}
    remove = {f.lower() for f in b.get('remove') or []}
    m.limit([f for f in x.flags if f.lower() not in remove | add] +
            (b.get('add') or []))
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
    if 'unchanged_since' in b and b['unchanged_since'] is None:
        if broken != 'unchanged-since-null':
            raise bad()
        del b['unchanged_since']
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
    for u in uids:
        to.limit(m.messages[u].flags)
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
            store.vanish(m, uids, 'moved')
    out = [{'from': text_of(uids), 'to': text_of(new)}] if uids else []
    if b['move'] and uids:
        out.append({'vanished': text_of(uids)})
    change = store.changed(a, m, before)
    to_change = change if m is to else store.changed(a, to, to_before)
    return lines({'from_change': change, 'to_change': to_change,
                  'uidvalidity': to.uidvalidity}, out)


# level 3

def text_parts(content):
    """The decoded fields, in order, and the body"""
    m = email.message_from_bytes(store.contents[content])
    fields = []
    for name, text in m.items():
        if broken != 'search-undecoded':
            text = str(email.header.make_header(
                email.header.decode_header(text)))
        fields.append((name.lower(), text.casefold()))
    return fields, str(m.get_payload()).casefold()


def field(content, name):
    return next((t for n, t in text_parts(content)[0] if n == name), '')


def sent(x):
    return email.utils.parsedate_to_datetime(
        field(x.content, 'date') or email.utils.format_datetime(
            datetime.datetime.fromisoformat(x.date)))


def arrival(x):
    return datetime.datetime.fromisoformat(x.date.replace('Z', '+00:00'))


def day(text):
    if not isinstance(text, str) or \
            not re.match(r'\d{4}-\d\d-\d\d$', text):
        raise bad()
    return datetime.date.fromisoformat(text)


def day_of(moment):
    if broken == 'search-days-utc':
        moment = moment.astimezone(datetime.timezone.utc)
    return moment.date()


def each(queries):
    if not isinstance(queries, list) or not queries:
        raise bad()
    return [matcher(q) for q in queries]


def matcher(query):
    """A query as a function of uid and message"""
    if not isinstance(query, dict) or len(query) != 1:
        raise bad()
    (key, v), = query.items()
    if key in ('and', 'or', 'not'):
        inner = each(v) if key != 'not' else [matcher(v)]
        if key == 'not' and broken == 'search-not-ignored':
            return lambda u, x: True
        return {'and': lambda u, x: all(f(u, x) for f in inner),
                'or': lambda u, x: any(f(u, x) for f in inner),
                'not': lambda u, x: not inner[0](u, x)}[key]
    if key == 'all':
        return lambda u, x: True
    if key == 'flag':
        return lambda u, x: v.lower() in [f.lower() for f in x.flags]
    if key == 'uids':
        named(v, [])
        return lambda u, x: u in named(v, [u])
    if key in ('larger', 'smaller'):
        more = 1 if broken == 'search-size-included' else 0
        sign = 1 if key == 'larger' else -1
        return lambda u, x: sign * (
            len(store.contents[x.content]) - v) + more > 0
    if key in ('since', 'before', 'on', 'senton'):
        d = day(v)
        return {'since': lambda u, x: day_of(arrival(x)) >= d,
                'before': lambda u, x: day_of(arrival(x)) < d,
                'on': lambda u, x: day_of(arrival(x)) == d,
                'senton': lambda u, x: field(x.content, 'date') != '' and
                day_of(sent(x)) == d}[key]
    if key == 'header':
        name, text = v[0].lower(), v[1].casefold()
        return lambda u, x: any(n == name and text in t
                                for n, t in text_parts(x.content)[0])
    if key not in ('body', 'text'):
        raise bad('unknown-parameter')

    def contains(u, x):
        fields, body = text_parts(x.content)
        return v.casefold() in body or key == 'text' and any(
            v.casefold() in t for n, t in fields)
    return contains


ORDERS = {
    'arrival': arrival, 'date': sent,
    'from': lambda x: email.utils.parseaddr(
        field(x.content, 'from'))[1].split('@')[0],
    'subject': lambda x: re.sub(r'^(re: *)*', '',
                                field(x.content, 'subject'))}


def ordered(m, uids, criteria):
    if not isinstance(criteria, list) or not criteria:
        raise bad()
    for one in reversed(criteria):
        want(one, ['by'], ['reverse'])
        if one['by'] not in ORDERS:
            raise bad()
        down = bool(one.get('reverse')) != (broken == 'sort-backwards')
        uids = sorted(uids, key=lambda u: ORDERS[one['by']](m.messages[u]),
                      reverse=down)
        if down:        # sorted() keeps equal ones as they were, reversed
            groups = {}
            for u in uids:
                groups.setdefault(ORDERS[one['by']](m.messages[u]),
                                  []).append(u)
            uids = [u for g in groups.values() for u in g]
    return uids


def threads(m, uids):
    """Below the last of its references, if that is here: a simple one"""
    by_id, below, roots = {}, {}, []
    for u in uids:
        by_id[field(m.messages[u].content, 'message-id')] = u
    for u in uids:
        above = [by_id[r] for r in
                 field(m.messages[u].content, 'references').split()
                 if r in by_id]
        if above and broken != 'thread-none':
            below.setdefault(above[-1], []).append(u)
        else:
            roots.append(u)

    def tree(u):
        under = [tree(v) for v in below.get(u, [])]
        return [u] + (under[0] if len(under) == 1 else under)
    return [tree(u) for u in roots]


def search(q, a, m):
    b = want(q.json(), [], ['query', 'uids', 'sort', 'thread', 'limit'])
    match = matcher(b['query']) if 'query' in b else lambda u, x: True
    limit = b.get('limit', 1 << 32)
    if limit < 1 or b.get('thread', 'references') != 'references' or \
            ('thread' in b and ('sort' in b or 'limit' in b)):
        raise bad()
    seen = m.__dict__.setdefault('stale', {})
    key = json.dumps(b)
    uids = named(b.get('uids', '1:4294967295'), m.messages)
    if broken == ('sort' if 'sort' in b else 'thread' if 'thread' in b
                  else 'search') + '-of-all':
        uids = sorted(m.messages)
    uids = [u for u in uids if match(u, m.messages[u])]
    if broken == 'search-stale' and 'flag' in key:
        uids = seen.setdefault('flag', [])
    total, rows, found = len(uids), [], uids
    if broken == 'search-limit-ignored':
        limit = total
    if broken == 'search-limit-first':      # and sorted only then
        uids = uids[:limit]
    if 'sort' in b:
        uids = ordered(m, uids, b['sort'])
    uids = uids[:limit]
    if broken == 'search-limit-counted':
        total, found = len(uids), uids
    if 'sort' in b:
        rows = [{'order': uids}]
    elif 'thread' in b:
        rows = [{'thread': t} for t in threads(m, uids)]
    elif uids:
        rows = [{'uids': text_of(uids)}]
    maybe = broken == 'search-superset-lies' and 'text' in key
    header = {'modseq': m.modseq, 'uidvalidity': m.uidvalidity,
              'uidnext': m.uidnext, 'total': total, 'superset': maybe}
    if found:
        header['highest'] = max(m.messages[u].modseq for u in found)
    if broken == 'search-no-total':
        del header['total']
    return lines(header, rows)


def etag_of(a, key, data):
    a.etag = getattr(a, 'etag', 0) + 1
    return 'same' if broken == 'dict-same-etag' else '%016x' % a.etag


def values_of(a):
    return store.__dict__.setdefault('dict', {}) \
        if broken == 'dict-shared' else a.dict


def compare(q, old):
    match = q.headers.get('If-Match')
    none = q.headers.get('If-None-Match')
    if broken == 'dict-no-compare':
        return
    if (match and (old is None or match != '"%s"' % old[0])) or \
            (none and old is not None):
        raise Problem(412, 'changed')


def get_value(q, a, key):
    if key not in values_of(a):
        raise Problem(404, 'no-such-entry')
    q.more['ETag'] = '"%s"' % values_of(a)[key][0]
    return 200, 'application/octet-stream', values_of(a)[key][1]


def put_value(q, a, key):
    compare(q, values_of(a).get(key))
    if broken == 'dict-small' and len(q.body) > 100:
        raise Problem(413, 'too-large')
    values_of(a)[key] = etag_of(a, key, q.body), q.body
    return value({'etag': values_of(a)[key][0]})


def delete_value(q, a, key):
    compare(q, values_of(a).get(key))
    if values_of(a).pop(key, None) is None:
        raise Problem(404, 'no-such-entry')
    return NOTHING


def list_values(q, a):
    keys = list(values_of(a)) if broken == 'dict-unsorted' else \
        sorted(values_of(a))
    return lines({}, [{'key': k, 'etag': values_of(a)[k][0],
                       'size': len(values_of(a)[k][1])} for k in keys
                      if k.startswith(q.query.get('prefix', ''))])


def quota(q, a):
    all_of = [x for m in a.boxes.values() for x in m.messages.values()]
    if broken == 'quota-still':
        all_of = []
    n = a.most = max(len(all_of), a.most)
    if broken != 'quota-only-grows':
        n = len(all_of)
    return value({'roots': [{
        'name': '', 'messages': {'used': n, 'limit': None},
        'storage': {'used': sum(len(store.contents[x.content])
                                for x in all_of), 'limit': 1 << 40}}]})


def get_metadata(q, a):
    if broken == 'metadata-of-one' and a.name == 'other':
        return 200, 'application/x-ndjson', \
            b'{"header":true}\n{"end":false,"code":"internal"}\n'
    key = q.query.get('mailbox', '')
    return lines({'applied': {'mailbox': key}}, [
        {'mailbox': key, 'entry': e, 'value': v}
        for e, v in sorted(a.metadata.get(key, {}).items())])


def set_metadata(q, a):
    b = want(q.json(), ['set'], ['mailbox'])
    key = b.get('mailbox', '')
    if key and key not in a.boxes:
        raise Problem(404, 'no-such-mailbox')
    new = dict(a.metadata.get(key, {}))
    for entry, v in b['set'].items():
        if not re.match(r'/(private|shared)/[^*%]+$', entry):
            raise bad()
        if broken != 'metadata-case':
            entry = entry.lower()
        new[entry] = v
        if v is None:
            del new[entry]
        if broken == 'metadata-halves':
            a.metadata[key] = dict(new)
    a.metadata[key] = new
    if broken != 'metadata-no-event':
        store.tell(a)
    return NOTHING


def blob(q, a):
    return value({'id': store.content(a, q.body), 'size': len(q.body)}, 201)


def piece_of(part):
    data = store.contents[part['id']]
    offset = part.get('offset', 0)
    length = part.get('length', len(data) - offset)
    if broken == 'parts-ignored':
        return data
    if offset + length > len(data):
        raise bad()
    return data[offset:offset + length]


def batch(q, a, m):
    b = want(q.json(), [], ['append', 'expunge'])
    before, rows, new = m.modseq, [], []
    known = store.contents if broken == 'batch-contents-for-all' else \
        a.contents
    for i, one in enumerate(b.get('append') or []):
        want(one, [], ['id', 'parts', 'flags', 'date', 'cache'])
        parts = one.get('parts') or [{'id': one.get('id')}]
        if any(p['id'] not in known for p in parts):
            raise Problem(404, 'no-such-blob')
        new.append((store.content(a, b''.join(map(piece_of, parts))), one))
        if broken == 'batch-halves':
            store.add(a, m, new[-1][0], [], now(), m.modseq)
    gone = named(b['expunge'], m.messages) if 'expunge' in b else []
    m.modseq += 1
    for i, (ident, one) in enumerate(new):
        if broken == 'batch-modseq-each':
            m.modseq += 1
        date = None if broken == 'batch-dated-now' else one.get('date')
        uid = store.add(a, m, ident, one.get('flags') or [], date or now(),
                        m.modseq)
        size = len(store.contents[ident])
        rows.append({'index': i, 'uid': uid, 'id': ident, 'size':
                     size + 1 if broken == 'batch-size-wrong' else size})
    store.vanish(m, gone)
    if gone:
        rows.append({'vanished': text_of(gone)})
    if broken == 'batch-vanished-untold':
        m.vanished = [v for v in m.vanished if v[1] not in gone]
    return lines({'change': store.changed(a, m, before, broken !=
                                          'batch-no-event'),
                  'uidvalidity': m.uidvalidity}, rows)


def scram(q):
    b = want(q.json(), ['username', 'mechanism'],
             ['service', 'remote', 'tls'])
    if b['mechanism'] != 'SCRAM-SHA-256':
        raise bad()
    salt = hashlib.sha256(b'secret' + b['username'].encode()).digest()[:16]
    if broken == 'scram-new-salt':
        salt = os.urandom(16)

    def text(data):
        return base64.b64encode(data).decode()
    return value({'account': b['username'], 'name': b['username'],
                  'salt': text(salt), 'iterations': 4096,
                  'stored_key': text(os.urandom(32)),
                  'server_key': text(os.urandom(32))})


# calls whose keys are not looked at, if that is broken
KEYLESS = {'batch-twice': batch, 'blob-any-body': blob,
           'dict-twice': put_value, 'metadata-twice': set_metadata,
           'subscribe-twice': subscriptions}


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
        ('POST', '/accounts/A/mailboxes/M/search', search),
        ('POST', '/accounts/A/mailboxes/M/messages', batch),
        ('POST', '/accounts/A/blobs', blob),
        ('GET', '/accounts/A/dict', list_values),
        ('GET', '/accounts/A/dict/C', get_value),
        ('PUT', '/accounts/A/dict/C', put_value),
        ('DELETE', '/accounts/A/dict/C', delete_value),
        ('GET', '/accounts/A/quota', quota),
        ('GET', '/accounts/A/metadata', get_metadata),
        ('POST', '/accounts/A/metadata', set_metadata),
        ('POST', '/scram', scram),
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
                if not account_ok(text) and broken != 'account-any':
                    raise Problem(404, 'no-such-account')
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
        if key is None or self.command == 'GET' or \
                func in (recipients, scram, search, KEYLESS.get(broken)):
            return func(self, *self.arguments(found))
        if not re.match('[!-~]{1,255}$' if broken != 'key-any-length' else
                        '[!-~]+$', key) and broken != 'key-any':
            raise bad()
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
            if not cursor.isdigit() and broken == 'cursor-misread':
                raise bad()
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
            if new and broken == 'events-late':
                time.sleep(0.6)
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
    def __init__(self, cert, key, ca=None):
        super().__init__(('127.0.0.1', 0), Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        if ca is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(ca)

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
