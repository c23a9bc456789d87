#!/usr/bin/env python3
"""What an engine asks a storage, byte by byte, and what it makes of the
answers.  (Each call as mfront-storage(7) shows it: regress/api/t_engine.py.)

The test is the engine's parent, its siblings and the storage."""

import json
import os
import re
import struct
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, SAFE, WRITE, EngineTest,  # noqa: E402
                     content, lines, ndjson, problem, service, value)
from house import BOOT, CAP, ST                         # noqa: E402
from messages import get_set                            # noqa: E402

FLAGS, ID, SIZE, DATE, MODSEQ, CACHE = 1, 2, 4, 8, 16, 32
ALL = FLAGS | ID | SIZE | DATE | MODSEQ | CACHE
MAX53 = (1 << 53) - 1
BIG = 150000                            # is not held, but streams


def rows_of(messages):
    """The rows of st_rows messages, as lib/strow.c writes them"""
    found = []
    for m in messages:
        data = m.rows if m.type == 'st_rows' else b''
        while data:
            row = {}
            has, = struct.unpack('>H', data[:2])
            row['uids'], data = get_set(data[2:])
            for bit, name in (FLAGS, 'flags'), (ID, 'id'):
                if has & bit:
                    n, = struct.unpack('>H', data[:2])
                    row[name] = data[2:1 + n].decode()
                    data = data[2 + n:]
            if has & SIZE:
                row['size'], = struct.unpack('>Q', data[:8])
                data = data[8:]
            if has & DATE:
                row['date'] = struct.unpack('>qh', data[:10])
                data = data[10:]
            if has & MODSEQ:
                row['modseq'], = struct.unpack('>Q', data[:8])
                data = data[8:]
            if has & CACHE:
                n, = struct.unpack('>I', data[:4])
                row['cache'], data = data[4:4 + n], data[4 + n:]
            found.append(row)
    return found


class Call(EngineTest):
    def begin(self, *args, **named):
        super().begin(*args, **named)
        self.grant()

    def answered(self, answer, type, code='OK', **fields):
        """(request, what was told)"""
        req = self.ask(type, **fields)
        r = self.backend.next()
        r.answer(answer)
        return r, self.result(code, req=req)

    def listing(self, *rows, header=HEADER, code='OK', **fields):
        fields = dict(dict(mailbox='m', fields=ALL, credit=1 << 20),
                      **fields)
        return self.answered(ndjson(header, *rows, END), 'st_list', code,
                             **fields)

    def told(self, *rows, **fields):
        return rows_of(self.listing(*rows, **fields)[1])


CHANGED = ndjson({'header': True, 'change': {
    'mailbox': 'm', 'modseq_before': 4, 'modseq': 5}}, END)


class Requests(Call):
    def calls(self):
        """(message, fields, answer) of every call"""
        row = dict(id='n', name='n', uidvalidity=1, uidnext=1, messages=0)
        yield 'st_mailboxes', {}, ndjson({'header': True}, END)
        yield 'st_mailbox', dict(mailbox='m'), value(row)
        yield 'st_list', dict(mailbox='m', credit=1), ndjson(HEADER, END)
        yield 'st_get', dict(id='c', size=1, length=1, credit=1), content(
            b'x')
        yield ('st_patch', dict(mailbox='m', uids=[1], flags='x'), CHANGED)
        yield 'st_expunge', dict(mailbox='m', uids=[1]), CHANGED
        yield 'st_copy', dict(mailbox='m', uids=[1], to='n'), ndjson(
            {'header': True, 'uidvalidity': 1, 'from_change':
             {'mailbox': 'm'}, 'to_change': {'mailbox': 'n'}}, END)
        yield 'st_create', dict(name='n'), value(row, 201)
        yield 'st_rename', {'from': 'a', 'to': 'b'}, value(None, 204)
        yield 'st_delete', dict(mailbox='m'), value(None, 204)
        yield 'st_subscribe', dict(name='n', on=1), value(None, 204)
        yield 'st_cache', dict(id='c', text='x'), value(None, 204)

    def test_heads(self):
        """host, token, session, trace, key: on each as it must be"""
        self.begin(service('write', 'copy', 'modseq', 'cache',
                           'subscriptions', 'idempotency'))
        keys, traces = set(), set()
        for n, (type, fields, answer) in enumerate(self.calls()):
            r, got = self.answered(answer, type, **fields)
            f = r.fields
            self.assertEqual('HTTP/1.1', r.version)
            self.assertEqual('127.0.0.1:8025', f['host'])
            self.assertEqual('Bearer s3cret', f['authorization'])
            self.assertEqual('%s-%x-7' % (BOOT, self.imap.gen),
                             f['mfront-session'])
            self.assertEqual(len(r.names), len(set(r.names)), r.names)
            m = re.fullmatch(r'00-([0-9a-f]{32})-([0-9a-f]{16})-01',
                             f['traceparent'])
            self.assertTrue(m and int(m.group(1), 16), f['traceparent'])
            traces.add(m.groups())
            if r.method == 'GET':
                self.assertNotIn('idempotency-key', f)
                self.assertNotIn('content-length', f)
            else:
                keys.add(f['idempotency-key'])
                self.assertRegex(f['idempotency-key'], '^[!-~]{16,255}$')
            if r.body:
                self.assertIn('content-type', f)
                self.assertEqual(len(r.body), int(f['content-length']))
            self.assertNotIn('expect', f)
        self.assertEqual(n + 1, len(traces))
        self.assertEqual(8, len(keys))

    def test_no_token(self):
        """without one there is no field for it"""
        self.token = None
        super(Call, self).begin(up=False)
        self.engine.configure([p if p[0] != 'conf_storage' else
                               ('conf_storage', dict(id=0, name='main'))
                               for p in self.conf()], first=0)
        self.is_up()
        self.grant()
        r, got = self.answered(value(dict(
            id='m', name='n', uidvalidity=1, uidnext=1, messages=0)),
            'st_mailbox', mailbox='m')
        self.assertNotIn('authorization', r.fields)
        # what was asked before the change may come late; then none has it
        while 'authorization' in self.backend.documents.get(
                timeout=10).fields:
            pass

    def test_expect(self):
        """offered for what streams, and for nothing else"""
        self.begin()
        for size in 1, 65536, 128 * 1024:
            r, got = self.answered(ndjson(
                {'header': True}, {'index': 0, 'uid': 1, 'uidvalidity': 1,
                                   'id': 'c'}, END),
                'st_put', mailbox='m', size=size, data=b'x' * size)
            self.assertNotIn('expect', r.fields)
            self.assertEqual(b'x' * size, r.body.partition(b'\n')[2])
        self.ask('st_put', mailbox='m', size=BIG, data=b'x' * BIG)
        self.assertIn('expect', self.backend.next().fields)

    def test_ipv6(self):
        """an address with colons in Host; a path before the calls"""
        super(Call, self).begin(up=False)
        self.backend.documents.get(timeout=10)
        self.engine.configure([self.conf()[0], self.conf()[1], (
            'conf_url', dict(storage=0, id=0, kind=0, host='::1', port=80,
                             path='/v1'))], first=0)
        self.assertEqual('[::1]:80', self.backend.documents.get(
            timeout=10).fields['host'])

    def test_fields(self):
        """each field by its name, only those that the storage has"""
        names = ['flags', 'id', 'size', 'date', 'modseq', 'cache']
        for document, without in (WRITE, ()), (service('write'), (
                'modseq', 'cache')):
            self.begin(document)
            for n in range(64):
                r, got = self.listing(fields=n)
                q = dict(p.split('=') for p in
                         r.target.split('?')[1].split('&'))
                self.assertEqual(['uid'] + [
                    name for i, name in enumerate(names)
                    if n >> i & 1 and name not in without],
                    sorted(q['fields'].split(','),
                           key=lambda f: (['uid'] + names).index(f)))

    def test_threadids(self):
        """asked for where they are announced, and told to listeners"""
        threadid, told = 128, 1 << 49   # ROW_THREADID, CAP_THREADID
        for details, has in ({'thread': True}, 1), ({'thread': False}, 0), (
                {'mailbox': True}, 0), (True, 0):
            self.begin(service('write', objectid=details), up=False)
            info = self.imap.until('st_info', up=1)
            self.assertEqual(has, (info.caps & told) // told)
            self.grant()
            self.ask('st_list', mailbox='m', fields=threadid,
                     credit=1 << 20)
            r = self.backend.next()
            self.assertEqual(has, 'threadid' in r.target, r.target)
            r.answer(ndjson(HEADER, {'uid': 1, 'threadid': 't1'},
                            {'uid': 2, 'threadid': None}, END))
            rows = b''.join(m.rows for m in self.result()
                            if m.type == 'st_rows')
            self.assertEqual(has, rows.count(b't1\0'))

    def test_since(self):
        """only where changes are numbered"""
        for document, query in (WRITE, '&since=77'), (service(), ''):
            self.begin(document)
            r, got = self.listing(since=77, fields=0)
            self.assertEqual('/v1/accounts/joe/mailboxes/m/messages?fields='
                             'uid' + query, r.target)

    def test_long_sets(self):
        """what is too long for a URL or a body is several requests"""
        self.begin(service('write', limits=dict(set=100)))
        uids = [2 * i for i in range(1000, 4000)]
        req = self.list(uids=uids)
        asked, n = [], 0
        while len(asked) < len(uids):
            r = self.backend.next()
            self.assertLess(len(r.target), 4096 + 100)
            part = [int(u) for u in r.target.split('uids=')[1].split(',')]
            asked += part
            n += 1
            r.answer(ndjson(dict(HEADER, applied={'uids': True}),
                            *[{'uid': u, 'flags': []} for u in part], END))
        got = self.result(req=req)
        self.assertEqual(uids, asked)
        self.assertGreater(n, 3)
        self.assertEqual(1, sum(m.type == 'st_head' for m in got))
        self.assertEqual(uids, [u for row in rows_of(got)
                                for lo, hi in row['uids']
                                for u in range(lo, hi + 1)])
        for type, more in (('st_patch', dict(flags='x')), ('st_expunge',
                                                           {})):
            req = self.ask(type, mailbox='m', uids=uids[:200], **more)
            asked, keys = [], set()
            while len(asked) < 200:
                r = self.backend.next()
                part = r.json()['uids']
                self.assertLessEqual(len(part), 100)
                asked += [int(u) for u in part.split(',')]
                keys.add(r.fields['idempotency-key'])
                r.answer(CHANGED)
            self.assertEqual(uids[:200], asked)
            self.assertGreater(len(keys), 5)
            self.result(req=req)

    def test_copy_whole(self):
        """but a copy is all or nothing"""
        self.begin(service('write', 'copy', limits=dict(set=100)))
        self.ask('st_copy', mailbox='m', to='n',
                 uids=[2 * i for i in range(1, 200)])
        self.assertEqual([], self.result('TOO_LARGE'))
        self.backend.none()

    def test_bodies(self):
        """members of the bodies, none that was not asked for"""
        self.begin()
        for flags, op, want in (('\\Seen a', 0, {'add': ['\\Seen', 'a']}),
                                ('', 2, {'set': []}),
                                ('x', 1, {'remove': ['x']})):
            r, got = self.answered(CHANGED, 'st_patch', mailbox='m',
                                   uids=[(1, 5)], op=op, flags=flags)
            self.assertEqual(dict(want, uids='1:5'), r.json())
        r, got = self.answered(CHANGED, 'st_patch', mailbox='m', uids=[1],
                               flags='x', conditional=1, unchangedsince=0)
        self.assertEqual({'uids': '1', 'add': ['x'], 'unchanged_since': 0},
                         r.json())
        for flag, want in ('', None), ('\\Deleted', '\\Deleted'):
            r, got = self.answered(CHANGED, 'st_expunge', mailbox='m',
                                   uids=[7], onlyif=flag)
            self.assertEqual({'uids': '7', 'only_if_flag': want}, r.json())
        row = value(dict(id='n', name='n', uidvalidity=1, uidnext=1,
                         messages=0))
        name = 'a"b\\c/\u00e4\U0001f600'
        r, got = self.answered(row, 'st_create', name=name)
        self.assertEqual({'name': name}, r.json())

    def test_text(self):
        """what is no UTF-8 reaches no storage"""
        self.begin()
        bad = b'a\xff'
        for type, fields in (
                ('st_create', dict(name=bad)),
                ('st_rename', {'from': 'a', 'to': bad}),
                ('st_subscribe', dict(name=bad)),
                ('st_patch', dict(mailbox='m', uids=[1], flags=bad)),
                ('st_put', dict(mailbox=bad, size=1))):
            self.ask(type, **fields)
            self.assertEqual([], self.result('BAD_REQUEST'))
        self.auth.send('auth_query', req=5, user='joe', secret=bad)
        self.auth.until('auth_answer', req=5, code=ST['BAD_CREDENTIALS'])
        self.auth.send('rcpt_query', req=6, address=bad)
        self.auth.until('rcpt_answer', req=6,
                        code=ST['UNKNOWN_RECIPIENT'])
        self.backend.none()

    def test_capabilities(self):
        """what a storage cannot do it is not asked"""
        self.begin(service())
        for type, fields, answer in self.calls():
            if type in ('st_mailboxes', 'st_mailbox', 'st_list', 'st_get'):
                continue
            self.ask(type, **fields)
            m = self.answers()[-1]
            self.assertIn(m.code, (ST['READ_ONLY'], ST['NOT_PERMITTED']))
        self.backend.none()

    def test_nothing(self):
        """an empty set changes nothing, and is not asked"""
        self.begin()
        for type in 'st_patch', 'st_expunge', 'st_copy':
            self.ask(type, mailbox='m', **({'flags': 'x'} if type ==
                                           'st_patch' else {}))
            self.assertEqual([], self.result())
        self.backend.none()


class Answers(Call):
    def test_rows(self):
        """uid and uids, with all that a row can have"""
        self.begin()
        row = dict(uid=7, flags=['\\Seen', '$Forwarded'], id='A-z_9',
                   size=1234, date='2024-02-29T23:59:59+05:30', modseq=9,
                   cache='summary', more={'x': [1]})
        self.assertEqual([dict(
            uids=[(7, 7)], flags='\\Seen $Forwarded', id='A-z_9', size=1234,
            date=(1709231399, 330), modseq=9, cache=b'summary')],
            self.told(row))
        self.assertEqual([dict(uids=[(1, 5), (9, 9)], flags='')],
                         self.told(dict(uids='1:5,9', flags=[])))

    def test_only_asked(self):
        """what was not asked for is not handed on"""
        self.begin()
        row = dict(uid=7, flags=['x'], id='c', size=1, modseq=9)
        self.assertEqual([dict(uids=[(7, 7)])], self.told(row, fields=0))
        self.assertEqual([dict(uids=[(7, 7)], size=1)],
                         self.told(row, fields=SIZE))
        # but with since each row has its modseq
        self.assertEqual([dict(uids=[(7, 7)], modseq=9)],
                         self.told(row, fields=0, since=3))

    def test_flags(self):
        """what is no flag is dropped, \\Recent is; others stay as written"""
        self.begin()
        for flags, want in (
                (['\\Seen', '\\Recent', '\\RECENT', 'a'], '\\Seen a'),
                (['a b', '', '\\', 'a)', '(a', 'a{', '%', '*', 'a"', '\\\\a',
                  ']', '\u00e4', 'a\x7f', 'a\n', '\0'], ''),
                (['Junk', '$MDNSent', "a.b+c'd!", '[x'],
                 "Junk $MDNSent a.b+c'd! [x"),
                (['x' * 250, 'y' * 251], 'x' * 250)):
            self.assertEqual(want, self.told(dict(uid=1, flags=flags))[0]
                             ['flags'])

    def test_numbers(self):
        """numbers at their limits, and over them"""
        self.begin()
        row = self.told(dict(uid=4294967295, size=MAX53, modseq=MAX53))[0]
        self.assertEqual((MAX53, MAX53, [(4294967295,) * 2]),
                         (row['size'], row['modseq'], row['uids']))
        r, got = self.listing(header=dict(HEADER, modseq=MAX53,
                                          uidnext=4294967295,
                                          uidvalidity=4294967295))
        self.assertEqual((MAX53, 4294967295, 4294967295), (
            got[0].modseq, got[0].uidnext, got[0].uidvalidity))
        for bad in (dict(uidnext=1 << 32), dict(uidvalidity=-1),
                    dict(modseq='x'), dict(uidnext=1.5), dict(flags='x')):
            self.listing(header=dict(HEADER, **bad), code='NONSENSE')

    def test_dates(self):
        """RFC 3339, in every zone"""
        self.begin()
        for text, want in (('1970-01-01T00:00:00Z', (0, 0)),
                           ('1970-01-01T00:00:00z', (0, 0)),
                           ('2000-01-01t12:00:00.123-08:00',
                            (946756800, -480)),
                           ('2016-12-31T23:59:60Z', None)):
            got = self.told(dict(uid=1, date=text))[0]['date']
            if want is not None:
                self.assertEqual(want, got)
        for bad in ('', 'yesterday', '2000-13-01T00:00:00Z',
                    '2000-01-01T00:00:00', '2000-01-01 00:00:00+99:00', 5):
            self.listing(dict(uid=1, date=bad), code='NONSENSE')

    def test_vanished(self):
        """before rows, in whatever pieces"""
        self.begin()
        sets = '1:3,5:7', ','.join(str(2 * i) for i in range(1, 6001))
        r, got = self.listing(*[{'vanished': s} for s in sets],
                              dict(uid=9, flags=[], modseq=3), since=2)
        uids = [u for m in got if m.type == 'st_vanished'
                for lo, hi in m.uids for u in range(lo, hi + 1)]
        self.assertEqual([1, 2, 3, 5, 6, 7] + [2 * i for i in
                                               range(1, 6001)], uids)
        self.assertLess(2, sum(m.type == 'st_vanished' for m in got))

    def test_applied(self):
        """what the header does not echo is told, or made up for"""
        self.begin()
        for applied, fields, since in (
                ({'fields': ['uid', 'flags'], 'since': 5}, FLAGS, 1),
                ({'fields': ['uid', 'nonsense']}, 0, 0),
                ({'fields': []}, 0, 0), ({'since': 5}, ALL, 1)):
            r, got = self.listing(header=dict(HEADER, applied=applied),
                                  since=5)
            self.assertEqual((fields, since, 1),
                             (got[0].fields, got[0].since, got[0].uids))
        # all rows, though some were asked for: the others are dropped
        self.assertEqual([[(2, 3)], [(8, 8)]], [
            row['uids'] for row in self.told(
                dict(uids='1:5', flags=[]), dict(uids='7:9', flags=['x']),
                dict(uid=11, flags=[]), uids=[(2, 3), (8, 8)])])

    def test_known_flags(self):
        """flags of the mailbox"""
        self.begin()
        r, got = self.listing(header=dict(HEADER, flags=['\\Seen', 'x y',
                                                         'work']))
        self.assertEqual('\\Seen work', got[0].flags)

    def test_mailboxes(self):
        """a mailbox's row, with all and with the least"""
        self.begin()
        least = dict(id='m', name='INBOX', uidvalidity=1, uidnext=1,
                     messages=0)
        r, got = self.answered(ndjson({'header': True}, least, dict(
            least, id='s', name='S\u00e9nt/x', modseq=5, unseen=1, deleted=2,
            size=1 << 40, state='abc', roles=['sent', 'x' * 40, 'junk'],
            subscribed=True, read_only=True),
            dict(name='gone', subscribed=True, exists=False), END),
            'st_mailboxes')
        a, b, c = got
        self.assertEqual(('m', 'INBOX', 0, ''), (a.id, a.name, a.has,
                                                 a.roles))
        self.assertEqual(('S\u00e9nt/x', 5, 1, 2, 1 << 40, 'abc',
                          'sent junk', 0x7f),
                         (b.name, b.modseq, b.unseen, b.deleted, b.size,
                          b.state, b.roles, b.has))
        self.assertEqual(('gone', '', 0x80 | 0x20), (c.name, c.id, c.has))

    def test_changes(self):
        """flags that changed, conditions that failed, the change itself"""
        self.begin()
        r, got = self.answered(ndjson(
            {'header': True, 'change': {'mailbox': 'm', 'modseq_before': 7,
                                        'modseq': 9}},
            {'uids': '1:2', 'flags': ['a']}, {'modified': '4,6'}, END),
            'st_patch', mailbox='m', uids=[(1, 9)], flags='a')
        self.assertEqual([('m', 7, 9)], [
            (m.mailbox, m.before, m.modseq) for m in got
            if m.type == 'st_change'])
        self.assertEqual([[(4, 4), (6, 6)]], [
            m.uids for m in got if m.type == 'st_modified'])
        self.assertEqual([dict(uids=[(1, 2)], flags='a')], rows_of(got))
        r, got = self.answered(ndjson(
            {'header': True, 'change': {'mailbox': 'm'}},
            {'vanished': '3:4'}, END), 'st_expunge', mailbox='m', uids=[3])
        self.assertEqual(('m', 0, 0), (got[0].mailbox, got[0].before,
                                       got[0].modseq))
        self.assertEqual([(3, 4)], got[1].uids)

    def test_copied(self):
        """from and to, of equal counts"""
        self.begin()
        head = {'header': True, 'uidvalidity': 3,
                'from_change': {'mailbox': 'm', 'modseq': 4},
                'to_change': {'mailbox': 'n', 'modseq': 5}}
        r, got = self.answered(ndjson(head, {'from': '1:3,7', 'to': '10:13'},
                                      {'vanished': '1:3,7'}, END),
                               'st_copy', mailbox='m', to='n', move=1,
                               uids=[(1, 9)])
        self.assertEqual(['st_change', 'st_change', 'st_copied',
                          'st_vanished'], [m.type for m in got])
        self.assertEqual(('n', 3), (got[1].mailbox, got[1].uidvalidity))
        for bad in ({'from': '1:3', 'to': '10:11'}, {'from': '1'},
                    {'from': '1', 'to': 1}, {'from': '', 'to': ''}):
            self.answered(ndjson(head, bad, END), 'st_copy', 'NONSENSE',
                          mailbox='m', to='n', uids=[(1, 9)])
        for bad in ({}, {'uidvalidity': 3}, dict(head, uidvalidity='x'),
                    dict(head, to_change=None)):
            self.answered(ndjson(dict(bad, header=True), END), 'st_copy',
                          'NONSENSE', mailbox='m', to='n', uids=[1])

    def test_document(self):
        """what the service document says reaches auth and listeners"""
        super().begin(service('write', 'auth', copy=False, events={},
                              limits=dict(message=99, recipients=5)),
                      events=None, up=False)
        for chan in self.auth, self.imap:
            chan.until('st_info', up=1, message=99, recipients=5, caps=sum(
                1 << CAP[c] for c in ('WRITE', 'AUTH', 'EVENTS')),
                set=32768, search=0, nodes=1000, sort=0, thread=0)

    def test_details(self):
        """what it can search, sort and thread by; names of others and
        details of another kind are nothing"""
        super().begin(service(
            search={'keys': ['and', 'not', 'uids', 'seek', 5, 'header:to'],
                    'nodes': 7, 'depth': None, 'texts': 'x'},
            sort={'keys': ['cc', 'to', 'DATE', '']},
            thread={'algorithms': 'references'}), events=None, up=False)
        self.imap.until('st_info', up=1, nodes=7, depth=32, texts=64,
                        search=0x1 | 0x4 | 0x40000, sort=1 << 1 | 1 << 8,
                        thread=0)


class Who(Call):
    """What the storage decides: logins and recipients"""

    def test_auth(self):
        """all that it is told, and what comes back"""
        self.begin()
        name = '%s-1-7' % BOOT
        self.auth.send('auth_query', req=5, user='j"oe', secret='p\u00e4ss"',
                       authzid='ann', service='imap', remote='192.0.2.1',
                       tls=1, session=name)
        r = self.backend.next()
        self.assertEqual(('POST', '/v1/auth'), (r.method, r.target))
        self.assertEqual(name, r.fields['mfront-session'])
        self.assertEqual(dict(mechanism='PLAIN', username='j"oe',
                              password='p\u00e4ss"', authzid='ann',
                              service='imap', remote='192.0.2.1', tls=True),
                         r.json())
        r.answer(value(dict(account='A1', name='Joe')))
        m = self.auth.until('auth_answer', req=5, code=0)
        self.assertEqual(('A1', 'Joe'), (m.account, m.name))

    def test_auth_bad(self):
        """answers that are none let nobody in"""
        self.begin()
        for v in ({}, None, [], {'account': ''}, {'account': 5},
                  {'account': 'x' * 512}, {'account': 'a\0b'},
                  {'name': 'joe'}):
            self.auth.send('auth_query', req=5, user='joe', secret='p')
            self.backend.next().answer(value(v))
            m = self.auth.until('auth_answer', req=5)
            self.assertNotEqual(0, m.code)
            self.assertEqual(ST['NONSENSE'], m.code, v)

    def test_password(self):
        """is not in the log, nor sent twice without leave, nor left in
        memory"""
        self.begin()
        secret = 'Tr0ub4dor' + '&3' * 20
        self.auth.send('auth_query', req=5, user='joe', secret=secret)
        r = self.backend.next()
        self.assertIn(secret.encode(), r.body)
        r.hang_up()
        self.auth.until('auth_answer', req=5, code=ST['UNAVAILABLE'])
        self.backend.none()
        self.assertNotIn(secret, self.engine.log())
        self.auth.send('auth_query', req=6, user='joe', secret=secret)
        self.backend.next().answer(value(dict(account='A1', name='Joe')))
        self.auth.until('auth_answer', req=6, code=0)
        if os.getuid() == 0:
            self.assertEqual(0, self.in_memory(secret.encode()))

    def in_memory(self, what):
        """How often bytes stand in the engine's memory"""
        n, pid = 0, self.engine.proc.pid
        with open('/proc/%d/maps' % pid) as maps, \
                open('/proc/%d/mem' % pid, 'rb') as mem:
            for line in maps:
                m = re.match(r'([0-9a-f]+)-([0-9a-f]+) rw', line)
                if not m:
                    continue
                lo, hi = (int(x, 16) for x in m.groups())
                if hi - lo > 1 << 30:
                    continue            # a sanitizer's shadow
                mem.seek(lo)
                n += mem.read(hi - lo).count(what)
        return n

    def test_recipient(self):
        """an address, its sender, the size if it is known"""
        self.begin()
        for size in 0, 99:
            self.auth.send('rcpt_query', req=5, address='joe@x',
                           size=size, **{'from': ''})
            r = self.backend.next()
            self.assertEqual('/v1/recipients', r.target)
            self.assertEqual(dict({'address': 'joe@x', 'from': ''},
                                  **({'size': 99} if size else {})),
                             r.json())
            r.answer(value(dict(account='A1', mailbox='m1')))
            m = self.auth.until('rcpt_answer', req=5, code=0)
            self.assertEqual(('A1', 'm1'), (m.account, m.mailbox))
        for v in ({}, {'account': 'a'}, {'mailbox': 'm'},
                  {'account': 'a', 'mailbox': 'x' * 256}):
            self.auth.send('rcpt_query', req=5, address='joe@x')
            self.backend.next().answer(value(v))
            self.auth.until('rcpt_answer', req=5, code=ST['NONSENSE'])


class Recipients(Call):
    def rcpt(self, n, account, code=0):
        self.auth.send('grant_rcpt', req=n, gen=self.lmtp.gen, session=9,
                       txn=1, rcpt=n, account=account, mailbox='m' * 200,
                       address='a' * 500)
        return self.auth.until('grant_ok', req=n, code=code)

    def test_too_many(self):
        """more than fit into one upload's line are refused one by one,
        those before are delivered"""
        self.begin()
        n = 1
        while True:
            self.auth.send('grant_rcpt', req=n, gen=self.lmtp.gen, txn=1,
                           session=9, rcpt=n, account='\x01"' * 255,
                           mailbox='m' * 255, address='\x7f"' * 255)
            m = self.auth.until('grant_ok', req=n)
            if m.code != 0:
                break
            n += 1
        self.assertEqual((ST['TRY_LATER'],
                          'Too many recipients in one transaction'),
                         (m.code, m.text))
        self.assertGreater(n, 200)
        self.ask('st_deliver', self.lmtp, 9, txn=1, known=1, size=2,
                 rcpts=[(1, n - 1)], cache='"' * 900, data=b'x\n')
        r = self.backend.next()
        line = r.body.partition(b'\n')[0]
        self.assertLessEqual(len(line), 1 << 20)
        self.assertEqual(n - 1, len(json.loads(line)['to']))
        r.answer(ndjson({'header': True}, *[{'index': i, 'code': 'too-large'}
                                            for i in range(n - 1)], END))
        got = self.result(chan=self.lmtp)
        self.assertEqual(n - 1, len(got))

    def test_summaries(self):
        """go along while there is room for them"""
        self.begin()
        for n in range(1, 11):
            self.rcpt(n, 'u%d' % n)
        for cache, there in (b'abc', True), (b'x' * 30000, False):
            self.ask('st_deliver', self.lmtp, 9, txn=1, known=1, size=2,
                     rcpts=[(1, 10)], cache=cache, data=b'x\n')
            r = self.backend.next()
            to = json.loads(r.body.partition(b'\n')[0])['to']
            self.assertEqual(there, all('cache' in t for t in to))
            self.assertEqual(10, len(to))
            r.answer(ndjson({'header': True}, END))
            self.result(chan=self.lmtp)
            for n in range(1, 11):
                self.rcpt(n, 'u%d' % n)

    def test_replaced(self):
        """a mailbox that is another now: try again, and look for it"""
        self.begin()

        def deliver(n):
            self.auth.send('grant_rcpt', req=n, gen=self.lmtp.gen, txn=1,
                           session=9, rcpt=n, account='joe', address='j@x')

        def inbox(id):
            r = self.backend.next()
            self.assertEqual('/v1/accounts/joe/mailboxes', r.target)
            r.answer(ndjson({'header': True}, dict(
                id=id, name='INBOX', uidvalidity=1, uidnext=1, messages=0),
                END))
        deliver(1)
        inbox('i1')
        self.auth.until('grant_ok', req=1, code=0)
        self.ask('st_deliver', self.lmtp, 9, txn=1, known=1, size=2,
                 rcpts=[1], data=b'x\n')
        self.backend.next().answer(ndjson({'header': True}, {
            'index': 0, 'code': 'no-such-target'}, END))
        m, = self.result(chan=self.lmtp)
        self.assertEqual(ST['TRY_LATER'], m.code)
        self.assertIn('replaced', m.text)
        deliver(2)
        inbox('i2')
        self.auth.until('grant_ok', req=2, code=0)


class Cache(Call):
    def fetch(self, id, data=None, sid=7):
        """What a content is; asked of the storage only if data is given"""
        size = 1000
        req = self.get(id, size, sid)
        if data is not None:
            r = self.backend.next()
            r.answer(content(data * size))
        got = self.result(req=req)
        return b''.join(m.data for m in got)[:1]

    def test_kept(self):
        """what was read whole is not asked again"""
        self.begin()
        self.assertEqual(b'a', self.fetch('a', b'a'))
        for i in range(3):
            self.assertEqual(b'a', self.fetch('a'))
        self.ask('st_get', id='a', size=1000, offset=990, length=50,
                 credit=1000)
        self.assertEqual(b'a' * 10, self.result()[0].data)
        self.backend.none()

    def test_bound(self):
        """within the bound; what was used last stays"""
        self.begin(cache=5 * 1300)
        for id in 'abcde':
            self.fetch(id, id.encode())
        self.fetch('a')
        self.fetch('f', b'f')
        self.fetch('a')
        self.fetch('b', b'b')           # that was the oldest
        self.backend.none()

    def test_off(self):
        """none at all"""
        self.begin(cache=0)
        self.fetch('a', b'a')
        self.fetch('a', b'a')

    def test_reload(self):
        """a smaller bound holds at once"""
        self.begin()
        self.fetch('a', b'a')
        self.fetch('a')
        self.lim['cache'] = 100
        self.engine.configure(self.conf(), first=0)
        self.fetch('a', b'a')

    def test_credit(self):
        """from memory, too, no more comes than may"""
        self.begin()
        self.fetch('a', b'a')
        req = self.get('a', 1000, credit=1)
        got = len(self.next_of(self.imap, req).data)
        self.assertLessEqual(got, 60000)
        if got < 1000:
            self.imap.send('st_credit', sid=7, req=req, bytes=5000)
        self.result(req=req)

    def test_other_size(self):
        """a size that is not the content's is asked of the storage"""
        self.begin()
        self.fetch('a', b'a')
        req = self.get('a', 999)
        self.backend.next().answer(content(b'a' * 1000))
        self.result('NONSENSE', req=req)


class Batch(Call):
    """Several appends in one step"""

    HEADER = {'header': True, 'uidvalidity': 7, 'change': {
        'mailbox': 'm', 'modseq_before': 1, 'modseq': 2}}

    def batch(self, *lines, begun=0, code='OK'):
        list = b'[{"id":"c1"}]'
        self.ask('st_batch', mailbox='m', size=len(list), data=list,
                 expunge=[(1, 3)])
        r = self.backend.next()
        self.assertEqual({'append': [{'id': 'c1'}], 'expunge': '1:3'},
                         r.json())
        r.answer(ndjson(*lines))
        *got, end = self.answers()
        self.assertEqual((ST[code], begun), (end.code, end.begun))
        return [m.type for m in got]

    def test_answer(self):
        """what was done stands, however its answer ends"""
        self.begin(service('write', 'modseq', 'batch'))
        row = {'index': 0, 'uid': 4, 'id': 'c1', 'size': 3}
        self.assertEqual(
            ['st_change', 'st_stored', 'st_vanished'],
            self.batch(self.HEADER, row, {'vanished': '1:2'}, END))
        self.assertEqual(['st_change'], self.batch(
            self.HEADER, begun=1, code='CUT'))
        self.assertEqual(['st_change'], self.batch(
            self.HEADER, dict(row, id='../x'), END, begun=1,
            code='NONSENSE'))
        self.assertEqual([], self.batch({'header': True}, END,
                                        code='NONSENSE'))


    def send(self, list, **fields):
        return self.ask('st_batch', mailbox='m', size=len(list), data=list,
                        **fields)

    def test_again(self):
        """cut off: asked for once more under its key, told once"""
        self.begin(service('write', 'modseq', 'batch', 'idempotency'))
        rows = [{'index': n, 'uid': n + 4, 'id': 'c', 'size': 3}
                for n in range(3)]
        req = self.send(b'[%s]' % b','.join([b'{"id":"c"}'] * 3))
        r = self.backend.next()
        r.answer(b'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n'
                 b'Content-Length: 9999\r\n\r\n' +
                 lines(self.HEADER, *rows[:2]))
        got = [self.next_of(self.imap, req) for _ in range(3)]
        r.hang_up()
        again = self.backend.next()
        self.assertEqual((r.fields['idempotency-key'], r.body),
                         (again.fields['idempotency-key'], again.body))
        again.answer(ndjson(self.HEADER, *rows, {'vanished': '9'}, END))
        got += self.result(req=req)
        self.assertEqual(['st_change'] + ['st_stored'] * 3 +
                         ['st_vanished'], [m.type for m in got])
        self.assertEqual([(0, 4), (1, 5), (2, 6)],
                         [(m.rcpt, m.uid) for m in got[1:4]])

    def test_lists(self):
        """long ones go whole; what is none, or of another size, nowhere"""
        self.begin(service('write', 'modseq', 'batch'))
        item = b'{"id":"c","cache":"%s"}' % (b'x' * 2000)
        long = b'[%s]' % b','.join([item] * 120)
        self.assertGreater(len(long), 200000)
        req = self.send(long)
        r = self.backend.next()
        self.assertEqual(120, len(r.json()['append']))
        self.assertNotIn('expunge', r.json())
        r.answer(ndjson(self.HEADER, END))
        self.result(req=req)
        for bad in b'[]', b'{}', b'[', b'[{}],"expunge":"1:*"', b'1':
            self.send(bad)
            self.assertEqual([], self.result('BAD_REQUEST'))
        self.ask('st_batch', mailbox='m', size=3, data=b'[{}]')
        self.assertEqual([], self.result('BAD_REQUEST'))
        self.ask('st_batch', mailbox='m', size=5, data=b'[{}]')
        self.assertEqual([], self.result('BAD_REQUEST'))
        self.ask('st_batch', mailbox='m', size=256 * 1024 + 1)
        self.assertEqual([], self.result('BAD_REQUEST'))
        self.ask('st_batch', mailbox='m')
        self.assertEqual([], self.result('BAD_REQUEST'))
        self.backend.none()
        # only what goes
        req = self.ask('st_batch', mailbox='m', expunge=[(3, 4)])
        r = self.backend.next()
        self.assertEqual({'expunge': '3:4'}, r.json())
        r.answer(problem(404, 'no-such-mailbox'))
        self.result('NO_SUCH_MAILBOX', req=req)

    def test_rows(self):
        """rows of what was not asked for, or that are none"""
        self.begin(service('write', 'modseq', 'batch'))
        for row in ({'index': 1, 'uid': 4, 'id': 'c'}, {'index': 0},
                    {'index': 0, 'uid': 0, 'id': 'c'},
                    {'index': 0, 'uid': 4}, {'vanished': 'x'}):
            self.assertEqual(['st_change'], self.batch(
                self.HEADER, row, END, begun=1, code='NONSENSE'))

    def test_blob(self):
        """a content: small ones with their length, large ones as they
        come; an answer of another size is none"""
        self.begin(service('write', 'modseq', 'batch'))
        for data in b'abc', b'x' * 131072, b'y' * 200000:
            req = self.ask('st_blob', size=len(data), data=data)
            r = self.backend.next()
            self.assertEqual(('POST', '/v1/accounts/joe/blobs'),
                             (r.method, r.target))
            if 'expect' in r.fields:
                r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
                r.read_body()
            self.assertEqual(str(len(data)), r.fields['content-length'])
            self.assertEqual(data, r.body)
            r.answer(value({'id': 'c7', 'size': len(data)}, 201))
            if 'expect' in r.fields:
                self.backend.resume(r)
            m, = [m for m in self.result(req=req) if m.type == 'st_stored']
            self.assertEqual('c7', m.id)
        for answer in ({'id': 'c7', 'size': 4}, {'size': 3}, {'id': 'c7'},
                       {'id': '../x', 'size': 3}):
            req = self.ask('st_blob', size=3, data=b'abc')
            self.backend.next().answer(value(answer, 201))
            self.assertEqual([], self.result('NONSENSE', req=req))
        req = self.ask('st_blob', size=3, data=b'abc')
        self.backend.next().answer(problem(507, 'storage-full'))
        self.assertEqual([], self.result('STORAGE_FULL', req=req))


FOUND = {'header': True, 'uidvalidity': 3, 'uidnext': 99, 'total': 4,
         'modseq': 8, 'highest': 7, 'superset': True}


class Find(Call):
    """Searching, sorting, threading"""

    def begin(self, *names, limits={}, **more):
        names = names or ('search', 'sort', 'thread')
        super().begin(service(*names, limits=limits, **more))

    def find(self, *lines, code='OK', header=FOUND, end=(END,), **fields):
        fields = dict(dict(mailbox='m', credit=1 << 20), **fields)
        return self.answered(ndjson(header, *lines, *end), 'st_search', code,
                             **fields)

    def test_request(self):
        """what it is made of"""
        self.begin()
        query = {'and': [{'text': 'gr\u00fc\u00dfe "x"'}, {'larger': 5}]}
        for fields, want in (
                ({}, {}),
                (dict(query=json.dumps(query)), dict(query=query)),
                (dict(uids=[(1, 5), 9]), dict(uids='1:5,9')),
                (dict(sort='date'), dict(sort=[dict(by='date')])),
                (dict(sort='subject -date cc', limit=3), dict(limit=3, sort=[
                    dict(by='subject'), dict(by='date', reverse=True),
                    dict(by='cc')])),
                (dict(thread='references', query='{"all":true}', uids=[7]),
                 dict(thread='references', query={'all': True},
                      uids='7'))):
            r, _ = self.find(**fields)
            self.assertEqual(('POST', '/v1/accounts/A/mailboxes/m/search'),
                             (r.method, re.sub('accounts/[^/]*', 'accounts/A',
                                               r.target)))
            self.assertEqual(want, r.json())
            self.assertNotIn('idempotency-key', r.fields)

    def test_sets(self):
        """what matches and what may"""
        self.begin()
        _, got = self.find({'uids': '1:3,7'}, {'maybe': '9'}, {'uids': '12'},
                           {'new': 5})
        self.assertEqual(['st_found_head'] + ['st_found'] * 3,
                         [m.type for m in got])
        self.assertEqual((8, 99, 3, 4, 7, 1), (
            got[0].modseq, got[0].uidnext, got[0].uidvalidity, got[0].total,
            got[0].highest, got[0].superset))
        self.assertEqual([([(1, 3), (7, 7)], 0), ([(9, 9)], 1),
                          ([(12, 12)], 0)],
                         [(m.uids, m.maybe) for m in got[1:]])
        _, got = self.find(header={'header': True})
        self.assertEqual((0, 0, 0), (got[0].uidnext, got[0].uidvalidity,
                                     got[0].superset))
        for bad in ({'uids': '3,1'}, {'uids': 5}, {'maybe': ''},
                    {'uids': '0'}, {'uids': '1:*'}):
            self.find(bad, code='NONSENSE')
        for bad in (dict(FOUND, uidnext=-1), dict(FOUND, superset='x'),
                    dict(FOUND, modseq='7')):
            self.find(header=bad, code='NONSENSE')
        self.find({'uids': '1'}, end=(), code='CUT')

    def test_order(self):
        """uids in order, 32 bits each"""
        self.begin()
        _, got = self.find({'order': [7, 4294967295, 1]}, {'order': []},
                           {'order': [2]}, {'maybe': '7'}, sort='date')
        self.assertEqual([struct.pack('>3I', 7, 4294967295, 1),
                          struct.pack('>I', 2)],
                         [m.uids for m in got if m.type == 'st_order'])
        for bad in ([0], [-1], ['1'], [1.5], [4294967296], [[1]], [None]):
            self.find({'order': bad}, sort='date', code='NONSENSE')
        self.find({'order': list(range(1, 16002))}, sort='date',
                  code='NONSENSE')

    def test_threads(self):
        """as RFC 5256 writes them"""
        self.begin()
        for tree, want in (
                ([3], '(3)'), ([3, 6, [4, 23], [44, 7, 96]],
                               '(3 6 (4 23)(44 7 96))'),
                ([[3], [5]], '((3)(5))'), ([1, [2, [3], [4]], [5]],
                                           '(1 (2 (3)(4))(5))')):
            _, got = self.find({'thread': tree}, thread='references')
            self.assertEqual([want.encode()], [m.text for m in got[1:]])
        deep = []
        for _ in range(100):
            deep = [deep]
        for bad in (['1'], [-1], [1.5], {}, 7, [None], [{'a': 1}], deep):
            self.find({'thread': bad}, thread='references', code='NONSENSE')

    def test_refused(self):
        """what is not asked at all; what the storage does not do"""
        self.begin('search', limits={'set': 64})
        for fields in dict(sort='date'), dict(thread='references'):
            self.ask('st_search', mailbox='m', **fields)
            self.result('UNSUPPORTED_SEARCH')
        for query in ('[]', '{"all":true} {}', '{"all":true', '1', '{},'):
            self.ask('st_search', mailbox='m', query=query)
            self.result('BAD_REQUEST')
        self.ask('st_search', mailbox='m', query='{"all":true}',
                 uids=list(range(1000, 1100, 2)))
        self.result('BAD_REQUEST')
        self.answered(problem(422, 'unsupported-search'), 'st_search',
                      'UNSUPPORTED_SEARCH', mailbox='m',
                      query='{"all":true}', credit=1)
        self.find({'uids': '1'}, query='{"all":true}')

    def test_credit(self):
        """no more is told than was allowed for, until more is"""
        self.begin()
        n = 60
        lines = [{'uids': ','.join(str(u) for u in range(
            k * 10000 + 1, k * 10000 + 2001, 2))} for k in range(n)]
        req = self.ask('st_search', mailbox='m', credit=1)
        r = self.backend.next()
        # it is not read before it may be told
        answer = threading.Thread(target=r.try_answer, args=(
            ndjson(FOUND, *lines, END),))
        answer.start()
        got = []
        while (m := self.imap.recv_new(0.5)) is not None:
            got.append(m)
        self.assertLess(len(got), n // 2)
        self.imap.send('st_credit', sid=7, req=req, bytes=1 << 24)
        got += self.result(req=req)
        answer.join()
        self.assertEqual(n * 1000, sum(len(m.uids) for m in got
                                       if m.type == 'st_found'))


if __name__ == '__main__':
    atf.main()
