#!/usr/bin/env python3
"""The index of texts: what it spares, that nothing is missed because of it,
and what becomes of it when it is lost, damaged, or cannot be written."""

import collections
import hashlib
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from searching import ALL, Between, Passing, Searching, everywhere  # noqa: E402
from store import SANITIZED                             # noqa: E402
from whole import SLOW, private_dirty, sanitized        # noqa: E402
from words import Text                                  # noqa: E402
import atf                                              # noqa: E402

PREFIX = 'ix1.'


def key_of(mailbox):
    return PREFIX + hashlib.sha256(mailbox.encode()).hexdigest()[:32]


def status_peak(pid):
    """KiB that it had at most"""
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmHWM:\s+(\d+)', f.read()).group(1))


def checked(data):
    """With its checksum, as a manifest ends"""
    return data + hashlib.sha256(data).digest()[:8]


class IndexHouse(Searching):
    def begin_index(self, messages, size=1500, seed=1,
                    can='search sort thread', more='', **over):
        """A store that does not search, with so many messages in INBOX"""
        self.rnd, self.text = random.Random(seed), Text(seed)
        self.letters, self.size, self.next = {}, size, 1
        self.store_new()
        self.begin(ALL, prepare=lambda s: self.fill(s, messages),
                   storage='storage "main" url "http://127.0.0.1:%d/v1" '
                   'without { %s }%s' % (self.port, can, more), **over)
        self.direct = self.store.client()
        self.addCleanup(self.direct.close)

    def fill(self, client, messages, mailbox='INBOX'):
        box = client.mailbox('joe', mailbox)['id']
        for _ in range(messages):
            uid, self.next = self.next, self.next + 1
            data = self.text.message(
                self.rnd.randrange(self.size // 2, self.size * 3 // 2), uid)
            self.letters[uid] = data.decode()
            self.assertEqual(uid, client.add('joe', box, data)['uid'])

    # against the letters

    def part(self, scope, uid):
        head, body = self.letters[uid].split('\r\n\r\n', 1)
        if scope == 'BODY':
            head = ''
        elif scope != 'TEXT':
            body = ''
            head = ''.join(line.partition(': ')[2] for line in
                           head.split('\r\n') if
                           line.lower().startswith(scope.lower() + ':'))
        return [re.sub(r'\s+', ' ', t).lower() for t in
                head.split('\r\n') + [body]]

    def has(self, key):
        """The uids of messages that a key is true of"""
        how, *args = key
        if how == 'not':
            return set(self.letters) - self.has(args[0])
        if how == 'or':
            return self.has(args[0]) | self.has(args[1])
        if how == 'and':
            return self.has(args[0]) & self.has(args[1])
        return {u for u in self.letters if any(
            args[0].lower() in t for t in self.part(how, u))}

    def written(self, key):
        how, *args = key
        if how == 'not':
            return 'NOT ' + self.written(args[0])
        if how == 'or':
            return 'OR %s %s' % tuple(map(self.written, args))
        if how == 'and':
            return '(%s %s)' % tuple(map(self.written, args))
        return '%s "%s"' % (how if how in ('TEXT', 'BODY') else
                            'HEADER ' + how, args[0])

    def leaf(self):
        rnd = self.rnd
        scope = rnd.choice(('TEXT', 'TEXT', 'BODY', 'Message-ID', 'Subject'))
        text = rnd.choice([t for t in self.part(scope, rnd.choice(
            list(self.letters))) if t])
        n = rnd.choice((1, 2, 3, 4, 4, 5, 6, 8, 12))
        at = rnd.randrange(max(1, len(text) - n))
        text = text[at:at + n].strip()
        if rnd.random() < 0.3:
            text = rnd.choice(self.text.words)
        elif rnd.random() < 0.1:
            text = text[::-1]
        text = re.sub(r'["\\]', '', text) or 'x'
        return scope, rnd.choice((text, text.upper()))

    def key(self):
        how = self.rnd.random()
        if how < 0.6:
            return self.leaf()
        if how < 0.7:
            return 'not', self.leaf()
        return self.rnd.choice(('or', 'and')), self.leaf(), self.leaf()

    def check(self, c, key):
        found = c.ok('UID SEARCH ' + self.written(key)).search()
        self.assertEqual(self.has(key), set(found), self.written(key))

    def checks(self, c, n):
        for _ in range(n):
            self.check(c, self.key())

    # what is kept

    def keys(self):
        a = self.direct.ask('GET', '/accounts/joe/dict?prefix=' + PREFIX)
        return {row['key']: row['size'] for row in a.lines()[1]}

    def value(self, key):
        return self.direct.ask('GET', '/accounts/joe/dict/' + key).body

    def put(self, key, data):
        a = self.direct.ask('PUT', '/accounts/joe/dict/' + key, data)
        self.assertIn(a.status, (200, 204), a)

    def segments(self):
        return {k.split('.')[2] for k in self.keys() if k.count('.') == 2}

    def soon(self, f, timeout=5):
        end = time.monotonic() + timeout * SLOW
        while not f():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def flipped(self, data, at):
        at %= len(data)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]

    def between(self, handler):
        self.proxy = Between(self.port, lambda path, status, data:
                             (status, data), handler)
        self.proxy.test = self
        self.addCleanup(self.proxy.close)
        self.storage_line = self.house.storage.replace(
            ':%d/' % self.port, ':%d/' % self.proxy.server_address[1])
        self.house.storage_now = self.house.storage
        self.house.storage = self.storage_line
        ups = self.house.log().count('is up')
        self.house.write_conf()
        self.assertEqual(0, self.house.reload()[0])
        self.house.logged('is up', count=ups + 1)
        return self.imap(select='INBOX')


class Index(IndexHouse):
    @atf.timeout(300)
    def test_answers(self):
        """random keys, while mail comes and goes and segments are merged"""
        self.begin_index(150)
        c = self.imap(select='INBOX')
        self.checks(c, 1)
        self.check(c, ('TEXT', 'no such text'))
        self.assertEqual(1, len(self.segments()))
        spared = self.stat('index-spared')
        self.checks(c, 25)
        self.assertLess(spared + 100, self.stat('index-spared'))
        # each time enough for a segment of its own
        for i in range(9):
            self.fill(self.direct, 17)
            c.ok('NOOP')
            for uid in self.rnd.sample(list(self.letters), 3):
                c.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uid)
                del self.letters[uid]
            c.ok('EXPUNGE')
            self.check(c, ('TEXT', 'absent %d' % i))
            self.checks(c, 3)
        self.assertLessEqual(1, self.stat('index-merged'))
        self.assertGreater(8, len(self.segments()))
        self.assertEqual(0, self.stat('index-bad'))
        self.assertEqual(0, self.stat('index-failed'))
        self.assertEqual(0, self.stat('index-lost'))
        # for others, too
        self.house.stop()
        self.house.start()
        c = self.imap(select='INBOX')
        self.check(c, ('TEXT', 'absent as well'))
        self.assertLess(len(self.letters) * 9 // 10,
                        self.stat('index-spared'))
        self.assertEqual(0, self.stat('index-written'))
        self.checks(c, 15)
        word = self.rnd.choice(self.text.words)
        want = self.has(('TEXT', word))
        order = c.ok('UID SORT (ARRIVAL) UTF-8 TEXT ' + word).one('SORT').data
        self.assertEqual(sorted(want), sorted(order[0] if isinstance(
            order, tuple) else order))

    @atf.timeout(300)
    def test_damaged(self):
        """what does not verify is none: the answer is right, and then it is
        there again"""
        self.begin_index(60)
        c = self.imap(select='INBOX')
        self.check(c, ('TEXT', 'no such text'))
        box = self.direct.mailbox('joe', 'INBOX')
        main = key_of(box['id'])
        word = max(self.letters[7].split()[-40:], key=len)
        bad = 0
        for damage in ('manifest', 'head', 'value', 'cut', 'gone', 'other',
                       'version', 'uidvalidity'):
            keys = sorted(self.keys())
            self.assertIn(main, keys)
            part = {'head': 2, 'value': 3, 'cut': 3, 'gone': 2}.get(damage, 1)
            for key in keys:
                data = self.value(key)
                if key.count('.') != part or not data:
                    continue
                if damage in ('manifest', 'head', 'value'):
                    data = self.flipped(data, self.rnd.randrange(1 << 30))
                elif damage == 'cut':
                    data = data[:-1]
                elif damage == 'other':
                    # a good one, of another mailbox
                    data = checked(data[:-8].replace(box['id'].encode(),
                                                     b'x' * len(box['id'])))
                elif damage == 'version':
                    data = checked(data[:4] + b'\2' + data[5:-8])
                elif damage == 'uidvalidity':
                    data = checked(data[:8] + bytes([data[8] ^ 1]) +
                                   data[9:-8])
                if damage == 'gone':
                    self.direct.ask('DELETE', '/accounts/joe/dict/' + key)
                else:
                    self.put(key, data)
            before = self.stat('index-written')
            self.check(c, ('TEXT', word))
            self.assertLess(bad, self.stat('index-bad'), damage)
            bad = self.stat('index-bad')
            self.assertEqual(before + 1, self.stat('index-written'), damage)
            # what was left of the old one goes
            self.soon(lambda: len(self.segments()) == 1)
            spared = self.stat('index-spared')
            self.check(c, ('TEXT', 'no such text'))
            self.assertLess(spared + 50, self.stat('index-spared'), damage)
            self.assertEqual(bad, self.stat('index-bad'), damage)

    @atf.timeout(300)
    def test_deleted(self):
        """the index of a mailbox that is deleted goes with it"""
        self.begin_index(20)
        c = self.imap()
        self.letters, self.next = {}, 1
        c.ok('CREATE box')
        self.fill(self.direct, 30, 'box')
        c.ok('SELECT box')
        self.check(c, ('TEXT', 'no such text'))
        self.assertNotEqual({}, self.keys())
        c.ok('RENAME box other')
        self.checks(c, 3)
        self.assertEqual(1, self.stat('index-written'))
        c.ok('CLOSE')
        c.ok('DELETE other')
        self.soon(lambda: not self.keys())

    @atf.timeout(300)
    def test_places(self):
        """in a folder, where the storage keeps nothing; or nowhere"""
        self.begin_index(60, can='search sort thread dict',
                         more=' index "$dir/index" size 16M')
        c = self.imap(select='INBOX')
        self.check(c, ('TEXT', 'no such text'))
        self.assertEqual(1, self.stat('index-written'))
        self.assertEqual({}, self.keys())
        self.house.stop()
        self.house.start()
        c = self.imap(select='INBOX')
        self.check(c, ('TEXT', 'neither this'))
        self.assertLess(50, self.stat('index-spared'))
        self.checks(c, 10)
        self.assertEqual(0, self.stat('index-bad'))
        asked = self.stat('index-asked')
        self.assertLess(0, asked)
        self.house.storage = self.house.storage.replace(
            'index "$dir/index" size 16M', 'index no')
        self.house.write_conf()
        self.assertEqual(0, self.house.reload()[0])
        c = self.imap(select='INBOX')
        self.checks(c, 5)
        self.assertEqual(asked, self.stat('index-asked'))

    @atf.timeout(300)
    def test_race(self):
        """of two that add at a time one is too late, and cleans up"""
        class Late(Passing):
            first = None

            def before(self, body):
                key = self.path.rpartition('/')[2]
                if self.command == 'PUT' and key.count('.') == 1 and (
                        Late.first is None):
                    # another one was there before
                    Late.first = key
                    self.server.test.put(key, body)
                return False
        self.begin_index(60)
        c = self.between(Late)
        self.check(c, ('TEXT', 'no such text'))
        self.assertIsNotNone(Late.first)
        self.assertEqual((1, 0), (self.stat('index-lost'),
                                  self.stat('index-written')))
        # what it names was never there, so it is made again
        self.soon(lambda: not self.segments())
        self.checks(c, 10)
        self.assertEqual((1, 1), (self.stat('index-lost'),
                                  self.stat('index-written')))
        self.assertEqual(1, len(self.segments()))
        self.assertEqual(0, self.stat('index-failed'))

    @atf.timeout(300)
    def test_two(self):
        """two sessions of two processes at the same time"""
        self.begin_index(120, conf='prefork imap 2\n')
        many = [self.imap(select='INBOX') for _ in range(4)]
        for word in ('no such text', 'neither this', 'nor that'):
            tags = [c.begin('UID SEARCH TEXT "%s"' % word) for c in many]
            for c, tag in zip(many, tags):
                self.assertEqual([], list(c.finish(tag).search()))
        self.assertEqual(0, self.stat('index-failed'))
        self.soon(lambda: len(self.segments()) == 1)
        for c in many:
            self.checks(c, 4)

    @atf.timeout(300)
    def test_full(self):
        """no room: the search goes on, is not tried again for a while, and
        what is left of mailboxes that are no more goes"""
        class Full(Passing):
            puts, full = 0, True

            def before(self, body):
                if self.command != 'PUT' or '/dict/' not in self.path or (
                        not Full.full):
                    return False
                Full.puts += 1
                data = b'{"status":507,"code":"over-quota"}'
                self.send_response(507)
                self.send_header('Content-Type', 'application/problem+json')
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return True
        self.begin_index(60)
        for name in ('', '.0123456789abcdef', '.0123456789abcdef.7'):
            self.put(key_of('a mailbox that was') + name, b'x')
        own = key_of(self.direct.mailbox('joe', 'INBOX')['id']) + '.77'
        self.put(own, b'x')
        self.direct.ask('PUT', '/accounts/joe/dict/else', b'x')
        c = self.between(Full)
        self.check(c, ('TEXT', 'no such text'))
        self.assertEqual(1, self.stat('index-failed'))
        self.assertLess(0, Full.puts)
        self.assertEqual(1, self.house.log().count('event=index failed'))
        self.soon(lambda: list(self.keys()) == [own])
        self.assertEqual(b'x', self.value('else'))
        # there is room, so it is tried again
        self.soon(lambda: (self.checks(c, 1), self.stat('index-failed')
                           > 1)[1])
        puts = Full.puts
        self.checks(c, 5)
        self.assertEqual(puts, Full.puts)
        self.assertEqual(2, self.house.log().count('event=index failed'))

    def flag(self, c, uid):
        if 'write' in self.capabilities:
            c.ok('UID STORE %d +FLAGS.SILENT (\\Flagged)' % uid)
            return
        box = self.direct.mailbox('joe')['id']
        self.direct.patch('joe', box, uids=str(uid), add=['\\Flagged'])

    @everywhere
    @atf.timeout(300)
    def test_progress(self):
        """a long search: the client is told how far it is; others, of the
        same process, are served as ever"""
        class Slow(Passing):
            go = threading.Event()

            def before(self, body):
                if '/messages/' in self.path and self.command == 'GET':
                    Slow.go.wait(60)
                return False
        self.begin_index(40)
        self.addCleanup(Slow.go.set)
        c = self.between(Slow)
        other = self.imap(select='INBOX')
        idler = self.imap(select='INBOX')
        self.assertIn('INPROGRESS', c.ok('CAPABILITY').one(
            'CAPABILITY').data)
        idle = idler.idle()
        tag = c.begin('UID SEARCH TEXT "no such text"')
        other.ok('NOOP')
        self.flag(other, 3)
        r = idler.wait_for('FETCH')
        self.assertEqual(3, r.number)
        r = c.wait_for('OK', timeout=20)
        self.assertEqual(('INPROGRESS', '("%s" 0 40)' % tag),
                         (r.code, r.codedata))
        other.ok('FETCH 1:* (UID FLAGS)')
        Slow.go.set()
        self.assertEqual([], list(c.finish(tag).search()))
        idler.done(idle)
        self.check(c, ('TEXT', 'no such text'))


class Fed(IndexHouse):
    def fetch(self, c, uids, item='BODY.PEEK[]'):
        """What is told must be what is there"""
        got = c.ok('UID FETCH %d:%d (UID %s)' % (uids[0], uids[-1], item))
        name = item.replace('.PEEK', '')
        self.assertEqual([(u, self.letters[u].encode()) for u in uids],
                         [(d['UID'], d[name]) for _, d in got.fetched()
                          if name in d])

    def read(self, c, key):
        """Bytes that a search has read"""
        before = self.stat('main.bytes-in')
        self.check(c, key)
        return self.stat('main.bytes-in') - before

    def count(self, **wanted):
        """fed, written and so on are so many soon, and no more is named"""
        self.soon(lambda: {k: self.stat('index-' + k) for k in wanted} ==
                  wanted)

    def add_large(self, words):
        """One that goes through without being held"""
        uid, self.next = self.next, self.next + 1
        few = self.text.words[:40]
        body = ''.join(' '.join(self.rnd.sample(few, 14)) + '\r\n'
                       for _ in range(3000)) + words + '\r\n'
        self.assertLess(128 * 1024, len(body))
        self.letters[uid] = 'Subject: large\r\n\r\n' + body
        box = self.direct.mailbox('joe', 'INBOX')['id']
        self.direct.add('joe', box, self.letters[uid].encode())
        return uid

    @atf.timeout(300)
    def test_fetched(self):
        """whole messages that clients have fetched are not read again"""
        self.begin_index(100, size=4000)
        c = self.imap(select='INBOX')
        for item in ('BODY.PEEK[]<0.100>', 'BODY.PEEK[TEXT]', 'RFC822.HEADER',
                     'BODY.PEEK[HEADER.FIELDS (SUBJECT)]', 'BODYSTRUCTURE'):
            c.ok('FETCH 1:* ' + item)
        self.assertEqual(0, self.stat('index-fed'))
        # few are kept until there are more
        self.fetch(c, range(1, 11))
        self.fetch(c, range(5, 16))
        self.count(fed=15, asked=0)
        self.fetch(c, range(10, 41), 'RFC822')
        self.count(fed=40)
        c.ok('CLOSE')
        self.count(fed=40, written=1, unwritten=0)
        # one by one, some of which are there already
        c = self.imap(select='INBOX')
        for uid in range(1, 41):
            self.fetch(c, [uid])
        tags = [c.begin('UID FETCH %d (UID BODY[])' % uid)
                for uid in range(41, 101)]
        for uid, tag in zip(range(41, 101), tags):
            got = [d for _, d in c.finish(tag).fetched() if 'BODY[]' in d]
            self.assertEqual([(uid, self.letters[uid].encode())],
                             [(d['UID'], d['BODY[]']) for d in got])
        c.ok('SELECT INBOX')
        self.soon(lambda: self.stat('index-written') > 1)
        self.assertLess(self.stat('index-unwritten'), 16)
        self.assertLess(self.stat('index-fed'), 40 + 100)
        self.fetch(c, range(1, 101))
        self.assertEqual(0, self.stat('index-failed') +
                         self.stat('index-lost') + self.stat('index-bad'))
        # a large one, and what is written before the session ends
        uid = self.add_large('vxqzjkw')
        self.fill(self.direct, 80)
        c.ok('NOOP')
        before = self.stat('index-written')
        tag = c.begin('UID FETCH 101:* BODY.PEEK[]')
        last = c.begin('LOGOUT')
        self.assertEqual(81, len(c.finish(tag).fetched('UID')))
        c.finish(last)
        self.soon(lambda: self.stat('index-written') == before + 1)
        self.assertLess(self.stat('index-unwritten'), 16)
        self.assertEqual(self.stat('index-written'), len(self.segments()) +
                         7 * self.stat('index-merged'))
        # others find it
        self.house.stop()
        self.house.start()
        total = sum(map(len, self.letters.values()))
        c = self.imap(select='INBOX')
        n = self.read(c, ('TEXT', 'no such text'))
        print('%d bytes of %d, %d spared' % (
            n, total, self.stat('index-spared')))
        self.assertLess(n, total // 4)
        self.assertLess(150, self.stat('index-spared'))
        self.assertEqual({uid}, self.has(('TEXT', 'vxqzjkw')))
        self.check(c, ('TEXT', 'vxqzjkw'))
        self.assertEqual(0, self.stat('index-written'))
        self.checks(c, 15)

    @atf.timeout(300)
    def test_session(self):
        """a session that searches or is idle has it written before; where
        there is no index, or a storage searches, nothing is collected"""
        self.begin_index(40, conf='prefork imap 2\n')
        c = self.imap(select='INBOX')
        total = sum(map(len, self.letters.values()))
        self.fetch(c, range(1, 41))
        # it waits for no time-out, and reads little
        n = self.read(c, ('TEXT', 'no such text'))
        self.assertLess(n, total // 3)
        self.count(fed=40, written=1)
        self.fill(self.direct, 20)
        c.ok('NOOP')
        self.fetch(c, range(41, 61))
        tag = c.idle()
        self.count(fed=60, written=2)
        c.done(tag)
        self.checks(c, 5)
        # of a mailbox that is deleted nothing is left
        c.ok('CREATE box')
        kept = self.keys()
        letters, first, self.letters, self.next = (self.letters, self.next,
                                                   {}, 1)
        self.fill(self.direct, 30, 'box')
        c.ok('SELECT box')
        self.fetch(c, range(1, 31))
        c.ok('CLOSE')
        c.ok('DELETE box')
        self.soon(lambda: self.keys() == kept)
        # few are left to a search, which says so
        self.letters, self.next = letters, first
        self.fill(self.direct, 5)
        c.ok('SELECT INBOX')
        self.fetch(c, range(61, 66))
        unwritten = self.stat('index-unwritten')
        c.ok('UNSELECT')
        self.count(unwritten=unwritten + 5)
        fed = self.stat('index-fed')
        for change in ((' without { search sort thread }', ''),
                       ('$', ' without { search sort thread } index no')):
            self.house.storage = re.sub(*change, self.house.storage)
            ups = self.house.log().count('is up')
            self.house.write_conf()
            self.assertEqual(0, self.house.reload()[0])
            self.house.logged('is up', count=ups + 1)
            c = self.imap(select='INBOX')
            self.fetch(c, range(1, 61))
            c.ok('CLOSE')
            self.checks(c := self.imap(select='INBOX'), 2)
        self.assertEqual(fed, self.stat('index-fed'))

    @atf.timeout(300)
    def test_slow(self):
        """an index that cannot be written, or not now: what is fetched is
        told all the same"""
        class Stuck(Passing):
            go, puts = threading.Event(), []

            def before(self, body):
                if '/dict/' not in self.path:
                    return False
                if self.command == 'PUT':
                    Stuck.puts.append(self.path)
                    Stuck.go.wait(60)
                return False
        self.begin_index(120, size=30000)
        self.addCleanup(Stuck.go.set)
        c = self.between(Stuck)
        # more than can wait: it is given a little time, no more
        self.fetch(c, range(1, 121))
        self.assertLess(0, len(Stuck.puts))
        self.assertLess(self.stat('index-fed'), 120)
        self.fetch(c, range(60, 121))
        c.ok('UID STORE 7 +FLAGS.SILENT (\\Seen)')
        c.ok('CLOSE')
        self.assertEqual(0, self.stat('index-written'))
        c.ok('LOGOUT')
        Stuck.go.set()
        c = self.imap(select='INBOX')
        self.fetch(c, range(1, 121))
        c.ok('CLOSE')
        self.soon(lambda: self.stat('index-written') > 1)
        self.assertLess(119, self.stat('index-fed'))
        self.checks(self.imap(select='INBOX'), 5)


class Large(IndexHouse):
    MESSAGES = 300 if SANITIZED else 10000

    def fill(self, client, messages, mailbox='INBOX'):
        """By several at a time, that share a commit"""
        box = client.mailbox('joe', mailbox)['id']
        todo = [self.text.message(self.rnd.randrange(4000, 8000), n)
                for n in range(messages)]
        self.total = sum(map(len, todo))
        self.bodies = [m.lower() for m in todo]

        def run():
            with_store = self.store.client()
            try:
                while True:
                    with_store.add('joe', box, todo.pop())
            except IndexError:
                with_store.close()
        threads = [threading.Thread(target=run) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def words_of(self, least, most, length):
        """Two that are in so many of three hundred messages"""
        seen = collections.Counter(w for m in self.bodies[:300] for w in
                                   set(re.findall(rb'[a-z]+', m)))
        words = [w for w in sorted(seen) if len(w) in length and
                 least <= seen[w] <= most]
        self.rnd.shuffle(words)
        found = []
        while len(found) < 2:
            w = words.pop()
            # as a part of others, too
            if sum(w in m for m in self.bodies[:300]) <= most:
                found.append(w.decode())
        return found

    def count(self, word):
        return sum(word.encode() in m for m in self.bodies)

    def read(self, c, word):
        """Bytes that a search has read; what it finds must be right"""
        before = self.stat('main.bytes-in')
        found = c.ok('UID SEARCH TEXT ' + word).search()
        self.assertEqual(self.count(word), len(found), word)
        return self.stat('main.bytes-in') - before

    def anew(self):
        """Other processes, that have seen nothing"""
        self.house.stop()
        self.house.start()
        return self.imap(select='INBOX')

    @atf.timeout(300)
    def test_large(self):
        """10,000 messages: the second search reads a twentieth at most"""
        self.begin_index(self.MESSAGES, verbose=False)
        c = self.imap(select='INBOX')
        first = self.read(c, 'nosuchword')
        self.assertLess(self.total, first)
        again = self.read(self.imap(select='INBOX'), 'nosuchotherword')
        memory = 0 if sanitized() else private_dirty(self.house.pid('imap'))
        size = sum(self.keys().values())
        peak = status_peak(self.house.pid('imap'))
        told = ['%d messages, %d bytes; first %d, again %d (1/%d); index '
                '%d bytes a message; imap %d KiB, peak %d' % (
                    self.MESSAGES, self.total, first, again,
                    first // again, size // self.MESSAGES, memory, peak)]
        slow = 0
        for name, least, most, length, factor in (
                ('rare', 1, 1, range(6, 10), 20),
                ('common', 5, 12, range(6, 10), 10),
                ('short', 1, 8, (4,), 3)):
            for word in self.words_of(least, most, length):
                n = self.read(self.anew(), word)
                told.append('%s word %s, in %d: %d bytes (1/%d), %d spared' % (
                    name, word, self.count(word), n, first // n,
                    self.stat('index-spared')))
                slow += not SANITIZED and n * factor > first
        print('\n'.join(told))
        self.assertEqual(0, slow)
        self.assertLess(size, self.total // 2)
        self.assertLess(memory, 16 * 1024)
        if not SANITIZED:
            self.assertLess(again * 20, first)


if __name__ == '__main__':
    atf.main()
