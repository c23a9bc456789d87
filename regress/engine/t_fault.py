#!/usr/bin/env python3
"""A storage that answers in every legal way, and in every other: the engine
takes the first, makes an error of the second, and lives.

The test is the engine's parent, its siblings and the storage."""

import json
import os
import random
import re
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, SAFE, WRITE, EngineTest,  # noqa: E402
                     content, lines, ndjson, problem, service, simple, value)
from house import SLOW, ST                              # noqa: E402
from messages import TOP                                # noqa: E402

ROW = {'uid': 4, 'flags': ['\\Seen']}
BODY = lines(HEADER, ROW, END)
MBOX = dict(id='m', name='m', uidvalidity=1, uidnext=1, messages=0)
PLAIN = b'HTTP/1.1 200 OK\r\n\r\n'


def chunked(data, size):
    out = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    for i in range(0, len(data), size):
        piece = data[i:i + size]
        out += b'%x;x=y\r\n%s\r\n' % (len(piece), piece)
    return out + b'0\r\n\r\n'


def codes():
    """name -> number, from the table in C"""
    with open(os.path.join(TOP, 'lib', 'sterr.c')) as f:
        found = re.findall(r'\[ST_(\w+)\] = \{ "([a-z-]+)", (\d+)', f.read())
    return {name: (ST[n], int(status)) for n, name, status in found}


class Fault(EngineTest):
    def begin(self, *args, **named):
        super().begin(*args, **named)
        self.other = False
        self.grant()

    def listing(self, answer, code='OK', close=False, pieces=False):
        """A listing that is answered with that; what was told"""
        req = self.list()
        r = self.backend.next()
        if pieces:
            for i in range(len(answer)):
                r.answer(answer[i:i + 1])
        else:
            r.try_answer(answer)
        if close:
            r.hang_up()
        return self.result(code, req=req)

    def fine(self):
        """It serves as before, another session too"""
        if not self.other:
            self.grant('ann', 8)
        self.other = True
        for sid in 7, 8:
            req = self.ask('st_mailbox', sid=sid, mailbox='m')
            self.backend.next().answer(value(MBOX))
            self.result(req=req)

    def rows(self, got):
        return [m.type for m in got if m.type == 'st_rows']


class Legal(Fault):
    def test_framing(self):
        """a length, chunks of any size, the end of the connection, byte by
        byte"""
        self.begin()
        whole = simple(200, 'application/x-ndjson', BODY)
        for answer in [whole] + [chunked(BODY, n) for n in
                                 (1, 2, 3, 7, 16, 1000)]:
            self.assertEqual(['st_rows'], self.rows(self.listing(answer)))
            self.assertEqual(['st_rows'], self.rows(
                self.listing(answer, pieces=True)))
        for head in (b'HTTP/1.0 200 OK\r\n\r\n', PLAIN,
                     b'HTTP/1.1 200\r\nConnection: close\r\n\r\n'):
            self.assertEqual(['st_rows'], self.rows(
                self.listing(head + BODY, close=True)))
        self.fine()

    def test_cuts(self):
        """chunks cut at random places, and sent in random pieces"""
        self.begin()
        rnd = random.Random(20)
        for i in range(30):
            data, at = b'', 0
            while at < len(BODY):
                n = rnd.randint(1, 40)
                piece = BODY[at:at + n]
                data += b'%x\r\n%s\r\n' % (len(piece), piece)
                at += n
            data = (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
                    + data + b'0\r\nX-Trailer: 1\r\n\r\n')
            req = self.list()
            r = self.backend.next()
            at = 0
            while at < len(data):
                n = rnd.randint(1, 60)
                r.answer(data[at:at + n])
                at += n
            self.assertEqual(['st_rows'], self.rows(self.result(req=req)))

    def test_no_content(self):
        """204, 200 without a body, 100 and 103 before it"""
        self.begin()
        for answer in (b'HTTP/1.1 204 No Content\r\n\r\n',
                       b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
                       b'HTTP/1.1 100 Continue\r\n\r\n'
                       b'HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n'
                       b'HTTP/1.1 204 No Content\r\n\r\n'):
            req = self.ask('st_delete', mailbox='m')
            self.backend.next().answer(answer)
            self.result(req=req)
        self.fine()

    def test_close(self):
        """Connection: close is taken at its word"""
        self.begin()
        req = self.list()
        r = self.backend.next()
        r.answer(simple(200, 'x/y', BODY, 'Connection: close\r\n'))
        self.result(req=req)
        req = self.list()
        again = self.backend.next()
        self.assertIsNot(r.sock, again.sock)
        again.answer(ndjson(HEADER, END))
        self.result(req=req)

    def test_stale(self):
        """a kept-alive connection that ended meanwhile: what reads is asked
        again, what changes only with the capability"""
        for document, again in (WRITE, False), (SAFE, True):
            self.begin(document)
            self.fine()
            req = self.list()
            self.backend.next().hang_up()
            self.backend.next().answer(ndjson(HEADER, END))
            self.result(req=req)
            req = self.ask('st_delete', mailbox='m')
            r = self.backend.next()
            r.hang_up()
            if again:
                r2 = self.backend.next()
                self.assertEqual(r.fields['idempotency-key'],
                                 r2.fields['idempotency-key'])
                self.assertEqual(r.body, r2.body)
                r2.answer(value(None, 204))
            self.result('OK' if again else 'UNAVAILABLE', req=req)
            self.backend.none()

    def test_stale_often(self):
        """three times, then it is an error"""
        self.begin(SAFE)
        req = self.list()
        for i in range(3):
            self.backend.next().hang_up()
        self.result('UNAVAILABLE', req=req)
        self.backend.none()

    def test_no_repeat_answered(self):
        """what was answered in part is not asked again: its rows were told;
        but a small upload is, and no row of it twice"""
        self.begin(SAFE)
        self.listing(PLAIN + lines(HEADER, ROW), 'CUT', close=True)
        self.backend.none()
        req = self.ask('st_put', mailbox='m', size=3, data=b'abc')
        stored = {'index': 0, 'uid': 7, 'uidvalidity': 1, 'id': 'c'}
        r = self.backend.next()
        r.answer(PLAIN + lines({'header': True}, stored))
        r.hang_up()
        r2 = self.backend.next()
        self.assertEqual(r.body, r2.body)
        self.assertEqual(r.fields['idempotency-key'],
                         r2.fields['idempotency-key'])
        r2.answer(ndjson({'header': True}, stored, END))
        got = self.result(req=req)
        self.assertEqual([7], [m.uid for m in got if m.type == 'st_stored'])


class Errors(Fault):
    def test_codes(self):
        """each code of the table by its name, whatever the status"""
        self.begin()
        table = codes()
        self.assertGreater(len(table), 20)
        for name, (code, status) in table.items():
            for s in (status, 400, 418, 500):
                req = self.list()
                self.backend.next().answer(problem(s, name))
                m = self.answers(req=req)[-1]
                self.assertEqual(code, m.code, name)
        self.fine()

    def test_code_alone(self):
        """without one that is known, or in another type, it is temporary"""
        self.begin()
        html = b'<html><h1>404 no-such-mailbox</h1></html>'
        no = json.dumps({'code': 'no-such-mailbox'}).encode()
        for answer in (
                problem(404, 'nobody-knows'), problem(404, ''),
                problem(404, 7), problem(404, None), problem(404, ['x']),
                simple(404, 'text/html', html),
                simple(404, 'application/json', no),
                simple(401, 'application/problem+json', b''),
                simple(404, 'application/problem+json', b'"no"'),
                simple(404, 'application/problem+json', no[:-1]),
                simple(404, 'application/problem+json', no + b'x'),
                simple(301, 'text/html', html, 'Location: /x\r\n'),
                simple(302, 'application/json', no, 'Location: http://x/'
                       '\r\n'),
                b'HTTP/1.1 304 Not Modified\r\n\r\n',
                b'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n',
                simple(502, 'text/html', b'x' * 200000),
                simple(600, 'text/html', b'x'),
                chunked(html, 5).replace(b'200', b'503')):
            self.listing(answer, 'NONSENSE')
            self.fine()

    def test_detail(self):
        """its text is told, within bounds, and nothing in it breaks out"""
        self.begin()
        for detail in ('too much', 'x' * 9000, 'a\r\nb', '\u00e4' * 300):
            req = self.list()
            self.backend.next().answer(problem(507, 'over-quota',
                                               detail=detail))
            m = self.answers(req=req)[-1]
            self.assertEqual(ST['OVER_QUOTA'], m.code)
            self.assertLessEqual(len(m.text.encode()), 255)
        self.fine()

    def busy(self, text, sid=7):
        req = self.list(sid=sid)
        self.backend.next().answer(problem(
            429, 'try-later', 'Retry-After: %s\r\n' % text))
        self.result('TRY_LATER', req=req)

    def held(self, sid):
        self.result('TRY_LATER', req=self.list(sid=sid))
        self.backend.none(0)

    def test_retry_after(self):
        """429 with Retry-After is about the account: nothing is asked for it
        so long, for others as ever"""
        self.begin()
        for text in ('0', '', '1e9', '-1', '999999',
                     'Fri, 31 Dec 1999 23:59:59 GMT'):
            self.busy(text)
        self.fine()
        self.busy('1', 8)
        self.busy('99999')
        self.grant('joe', 9)
        time.sleep(2.1)
        self.held(7)
        self.held(9)
        # its second is over
        self.list(sid=8)
        self.backend.next().answer(ndjson(HEADER, END))
        self.result()

    def test_retry_after_url(self):
        """503 with Retry-After is about the url: it is asked nothing so
        long, nothing waits for it"""
        self.begin()
        self.listing(problem(503, 'try-later', 'Retry-After: 2\r\n'),
                     'TRY_LATER')
        start = time.monotonic()
        self.list()
        self.result('UNAVAILABLE')
        self.assertLess(time.monotonic() - start, 1)
        self.backend.none()
        while time.monotonic() - start < 10:
            self.list()
            try:
                r = self.backend.next(0.2)
            except Exception:
                self.result('UNAVAILABLE')
                continue
            r.answer(ndjson(HEADER, END))
            self.result()
            break
        self.assertGreater(time.monotonic() - start, 1)
        self.fine()

    def test_retry_after_other_url(self):
        """with another url that one is asked"""
        self.begin(urls=2)
        req = self.list()
        r = self.backend.next()
        self.assertEqual(0, r.url)
        r.answer(problem(503, 'try-later', 'Retry-After: 3600\r\n'))
        self.result('TRY_LATER', req=req)
        for i in range(3):
            req = self.list()
            r = self.backend.next()
            self.assertEqual(1, r.url)
            r.answer(ndjson(HEADER, END))
            self.result(req=req)


class Nonsense(Fault):
    def test_ndjson(self):
        """what is not this API in a listing"""
        self.begin()
        h, e = lines(HEADER), lines(END)
        for what, data, code in (
                ('nothing', b'', 'CUT'),
                ('no header', lines(ROW, END), 'NONSENSE'),
                ('only an end', e, 'NONSENSE'),
                ('no end', h + lines(ROW), 'CUT'),
                ('end of the kind', h + b'{"end":1}\n', 'NONSENSE'),
                ('no last LF', h + b'{"end":true}', 'CUT'),
                ('end twice', h + e + e, 'NONSENSE'),
                ('behind the end', h + e + lines(ROW), 'NONSENSE'),
                ('garbage', h + b'garbage\n' + e, 'NONSENSE'),
                ('half a line', h + b'{"uid":\n' + e, 'NONSENSE'),
                ('list', h + b'[1]\n' + e, 'NONSENSE'),
                ('no uid', h + lines({'flags': []}) + e, 'NONSENSE'),
                ('uid 0', h + lines({'uid': 0}) + e, 'NONSENSE'),
                ('uid text', h + lines({'uid': '4'}) + e, 'NONSENSE'),
                ('uid big', h + lines({'uid': 1 << 32}) + e, 'NONSENSE'),
                ('uid negative', h + lines({'uid': -1}) + e, 'NONSENSE'),
                ('uid broken', h + b'{"uid":1.5}\n' + e, 'NONSENSE'),
                ('set', h + lines({'uids': '5:3'}) + e, 'NONSENSE'),
                ('star', h + lines({'uids': '1:*'}) + e, 'NONSENSE'),
                ('flags', h + lines({'uid': 1, 'flags': 'x'}) + e,
                 'NONSENSE'),
                ('size', h + lines({'uid': 1, 'size': 'x'}) + e,
                 'NONSENSE'),
                ('id', h + lines({'uid': 1, 'id': '../x'}) + e, 'NONSENSE'),
                ('id long', h + lines({'uid': 1, 'id': 'x' * 256}) + e,
                 'NONSENSE'),
                ('date', h + lines({'uid': 1, 'date': 'today'}) + e,
                 'NONSENSE'),
                ('vanished', h + lines({'vanished': 5}) + e, 'NONSENSE'),
                ('UTF-8', h + b'{"uid":1,"flags":["\xff"]}\n' + e,
                 'NONSENSE'),
                ('NUL', h + b'{"uid":1}\0\n' + e, 'NONSENSE'),
                ('deep', h + b'{"x":' + b'[' * 5000 + b']' * 5000 + b'}\n' +
                 e, 'NONSENSE'),
                ('long line', h + b'{"uid":1' + b' ' * 65536 + b'}\n' + e,
                 'NONSENSE'),
                ('endless line', h + b'{"uid":' + b' ' * 300000,
                 'NONSENSE')):
            with self.subTest(what):
                self.listing(simple(200, 'x/y', data), code)
        for code, told in (('no-such-mailbox', 'NO_SUCH_MAILBOX'),
                           ('what', 'NONSENSE')):
            self.listing(ndjson(HEADER, {'end': False, 'code': code}), told)
        self.listing(ndjson(HEADER, {'end': False}), 'INTERNAL')
        self.fine()

    def test_http(self):
        """what is no HTTP"""
        self.begin()
        for what, data in (
                ('garbage', b'220 smtp.example.org ESMTP\r\n'),
                ('version', b'HTTP/2 200 OK\r\n\r\n'),
                ('status', b'HTTP/1.1 2000 OK\r\n\r\n'),
                ('no field', b'HTTP/1.1 200 OK\r\nwhat\r\n\r\n'),
                ('two lengths', b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n'
                 b'Content-Length: 4\r\n\r\nabc'),
                ('bad length', b'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n'
                 b'\r\n'),
                ('huge length', b'HTTP/1.1 200 OK\r\nContent-Length: '
                 b'99999999999999999999\r\n\r\n'),
                ('both', b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n'
                 b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
                ('coding', b'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n'
                 b'\r\n'),
                ('chunk', PLAIN.replace(b'\r\n\r\n', b'\r\nTransfer-Encoding'
                                        b': chunked\r\n\r\nxyz\r\n')),
                ('chunk size', PLAIN.replace(
                    b'\r\n\r\n', b'\r\nTransfer-Encoding: chunked\r\n\r\n'
                    b'fffffffffffffffff\r\n')),
                ('chunk end', PLAIN.replace(
                    b'\r\n\r\n', b'\r\nTransfer-Encoding: chunked\r\n\r\n'
                    b'3\r\nabcd\r\n')),
                ('NUL', b'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n'),
                ('head without end', b'HTTP/1.1 200 OK\r\n' +
                 b'X: y\r\n' * 10000)):
            with self.subTest(what):
                req = self.list()
                self.backend.next().try_answer(data)
                m = self.answers(req=req)[-1]
                self.assertIn(m.code, (ST['NONSENSE'], ST['UNAVAILABLE'],
                                       ST['CUT']))
                while not self.backend.requests.empty():
                    self.backend.next()
                self.fine()

    def test_unasked(self):
        """bytes behind an answer, or on an idle connection"""
        self.begin()
        whole = simple(200, 'x/y', BODY)
        self.assertEqual(['st_rows'],
                         self.rows(self.listing(whole + whole)))
        req = self.list()
        r = self.backend.next()
        r.answer(whole)
        self.result(req=req)
        r.try_answer(whole)
        self.fine()

    def test_json(self):
        """answers that are one value"""
        self.begin()
        for what, v in (('null', None), ('list', [1]), ('text', 'x'),
                        ('empty', {}), ('no id', dict(MBOX, id='')),
                        ('bad id', dict(MBOX, id='a/b')),
                        ('uidvalidity', dict(MBOX, uidvalidity=0)),
                        ('uidnext', dict(MBOX, uidnext='x')),
                        ('messages', dict(MBOX, messages=-1)),
                        ('name', dict(MBOX, name=5)),
                        ('long name', dict(MBOX, name='x' * 1001)),
                        ('modseq', dict(MBOX, modseq='x'))):
            with self.subTest(what):
                req = self.ask('st_mailbox', mailbox='m')
                self.backend.next().answer(value(v))
                self.result('NONSENSE', req=req)
        for data in (b'', b'{', b'{}{}', b'\xff', b'{"id":"m",}'):
            req = self.ask('st_mailbox', mailbox='m')
            self.backend.next().answer(simple(200, 'x/y', data))
            self.result('NONSENSE', req=req)
            self.fine()                 # or the breaker would open
        req = self.ask('st_mailbox', mailbox='m')
        self.backend.next().try_answer(simple(200, 'x/y', b' ' * 300000))
        self.result('NONSENSE', req=req)
        self.fine()

    def test_content(self):
        """a content of another size than it has is none"""
        self.begin()
        for data, code in ((b'Hell', 'CUT'), (b'', 'CUT'),
                           (b'Hello!', 'NONSENSE')):
            self.get('c', 5)
            self.backend.next().answer(content(data))
            self.result(code)
        self.get('c', 5)
        r = self.backend.next()
        r.answer(content(b'Hello')[:-1])
        r.hang_up()
        self.result('CUT')
        # none of it was kept
        self.get('c', 5)
        self.backend.next().answer(content(b'Right'))
        self.assertEqual(b'Right', self.result()[-1].data)
        self.fine()

    def test_range(self):
        """a part that was not asked for is not taken for another"""
        self.begin(service('write', 'range'))
        size = 1 << 20

        def part(**fields):
            return self.ask('st_get', id='c', size=size, offset=500,
                            length=10, credit=1000)

        def answer(field, status=206, data=b'0123456789'):
            return simple(status, 'x/y', data, field)
        for field in ('Content-Range: bytes 0-9/1048576\r\n',
                      'Content-Range: bytes 500-508/1048576\r\n',
                      'Content-Range: bytes 500-5099/1048576\r\n',
                      'Content-Range: 500-509/1048576\r\n', ''):
            req = part()
            r = self.backend.next()
            self.assertEqual('bytes=500-509', r.fields['range'])
            r.answer(answer(field))
            self.assertEqual([], self.result('NONSENSE', req=req))
        for total in '1048576', '*':
            req = part()
            self.backend.next().answer(answer(
                'Content-Range: bytes 500-509/%s\r\n' % total))
            self.assertEqual(b'0123456789', self.result(req=req)[0].data)
        # the whole instead of the part is as good
        req = part()
        self.backend.next().try_answer(answer(
            '', 200, b'x' * 500 + b'9876543210' + b'x' * (size - 510)))
        self.assertEqual(b'9876543210', b''.join(
            m.data for m in self.result(req=req)))
        # a part where the whole was asked for
        self.get('d', 10)
        self.backend.next().answer(answer('Content-Range: bytes 0-9/10\r\n'))
        self.result('NONSENSE')
        self.fine()

    def test_noise(self):
        """ten thousand bytes of noise, in many forms"""
        self.begin()
        rnd = random.Random(7)
        whole = simple(200, 'application/x-ndjson', BODY)
        for i in range(200):
            data = bytearray(whole)
            for n in range(rnd.randint(1, 4)):
                at = rnd.randrange(len(data))
                data[at:at + rnd.randint(0, 2)] = rnd.randbytes(
                    rnd.randint(0, 3))
            req = self.list()
            r = self.backend.next()
            r.try_answer(bytes(data))
            r.hang_up()
            self.answers(req=req)
            while not self.backend.requests.empty():
                self.backend.next().hang_up()
            self.fine()


class Silence(Fault):
    def test_no_answer(self):
        """never, a byte, half a head, half a body: an error in time, and
        the others unharmed"""
        self.begin(t_backend=1, pool=8)
        for some in ((b'', b'H', PLAIN[:-2]), (
                PLAIN + lines(HEADER, ROW),
                b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nx')):
            reqs = []
            for data in some:
                reqs.append(self.list())
                self.backend.next().answer(data)
            self.fine()
            for req in reqs:
                m = self.answers(req=req)[-1]
                self.assertEqual(ST['UNAVAILABLE'], m.code)
            self.fine()

    def test_trickle(self):
        """slowly, but surely"""
        self.begin(t_backend=2)
        req = self.list()
        r = self.backend.next()
        whole = simple(200, 'x/y', BODY)
        for i in range(0, len(whole), len(whole) // 8):
            r.answer(whole[i:i + len(whole) // 8])
            time.sleep(0.3)
        r.answer(b'')
        self.assertEqual(['st_rows'], self.rows(self.result(req=req)))

    def test_hang_up(self):
        """in the middle of everything"""
        self.begin()
        whole = simple(200, 'x/y', BODY)
        for n in range(0, len(whole) - 1, 5):
            req = self.ask('st_delete', mailbox='m')
            r = self.backend.next()
            r.answer(whole[:n])
            r.hang_up()
            m = self.answers(req=req)[-1]
            self.assertIn(m.code, (ST['UNAVAILABLE'], ST['CUT']))
            self.fine()


class Upload(Fault):
    BIG = 400000

    def put(self, size):
        return self.ask('st_put', mailbox='m', size=size)

    def feed(self, size, stop=None):
        """All of a body, as the credit allows; stops when an end comes"""
        sent, credit = 0, 256 * 1024
        while sent < size:
            n = min(32768, size - sent, credit)
            if n > 0:
                self.imap.send('st_data', sid=7, req=self.req,
                               data=b'x' * n)
                sent, credit = sent + n, credit - n
                continue
            m = self.next_of(self.imap, self.req)
            if m.type == 'st_end':
                return m
            credit += m.bytes
        self.imap.send('st_data_end', sid=7, req=self.req)
        return None

    STORED = ndjson({'header': True}, {'index': 0, 'uid': 7, 'id': 'c',
                                       'uidvalidity': 1}, END)

    def stored(self, req):
        got = self.result(req=req)
        self.assertEqual([7], [m.uid for m in got if m.type == 'st_stored'])

    def test_continue(self):
        """100 (Continue) at once, late, never: the body comes"""
        for delay, say in ((0, True), (1.5, True), (0, False)):
            self.begin()
            req = self.put(150000)
            self.give(b'x' * 150000)
            r = self.backend.next()
            self.assertEqual('100-continue', r.fields['expect'])
            time.sleep(delay)
            if say:
                r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
            self.assertEqual(b'x' * 150000, r.read_body().split(b'\n')[1])
            r.answer(self.STORED)
            self.stored(req)

    def test_whole(self):
        """a large one goes through"""
        self.begin()
        req = self.put(self.BIG)
        import threading
        t = threading.Thread(target=self.feed, args=(self.BIG,))
        t.start()
        r = self.backend.next()
        r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
        body = r.read_body()
        line, _, data = body.partition(b'\n')
        self.assertEqual(b'x' * self.BIG, data)
        self.assertEqual('m', json.loads(line)['to'][0]['mailbox'])
        r.answer(self.STORED)
        t.join()
        self.stored(req)
        self.backend.resume(r)
        self.fine()

    def test_early_no(self):
        """refused before its body was sent, or in the middle, then closed
        with data unread"""
        for read in 0, 1, 100000:
            for code, status in (('too-large', 413), ('storage-full', 507)):
                self.begin()
                req = self.put(4 << 20)
                self.give(b'x' * 200000, end=False)
                r = self.backend.next()
                if read:
                    r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
                    r.file.read(read)
                r.answer(problem(status, code, 'Connection: close\r\n'))
                r.file.close()
                r.hang_up()
                self.result(code.upper().replace('-', '_'), req=req)
                # what was under way is nobody's
                self.give(b'x' * 60000)
                self.fine()

    def test_early_yes(self):
        """nobody can have stored what he has not read"""
        self.begin()
        req = self.put(4 << 20)
        self.give(b'x' * 200000, end=False)
        self.backend.next().answer(self.STORED)
        got = self.result('NONSENSE', req=req)
        self.assertEqual([], [m for m in got if m.type == 'st_stored'])
        self.fine()

    def test_large_dies(self):
        """one that streams is not repeated"""
        self.begin(SAFE)
        req = self.put(4 << 20)
        self.give(b'x' * 200000, end=False)
        self.backend.next().hang_up()
        self.result('UNAVAILABLE', req=req)
        self.backend.none()
        self.fine()

    def test_small_repeated(self):
        """one that is held is, with its key"""
        self.begin(SAFE)
        req = self.ask('st_put', mailbox='m', size=100000,
                       data=b'y' * 100000)
        r = self.backend.next()
        self.assertNotIn('expect', r.fields)
        r.hang_up()
        r2 = self.backend.next()
        self.assertEqual((r.body, r.fields['idempotency-key']),
                         (r2.body, r2.fields['idempotency-key']))
        r2.answer(self.STORED)
        self.stored(req)

    def test_sizes(self):
        """more or less than announced stores nothing"""
        self.begin()
        for data in b'ab', b'abcd':
            req = self.ask('st_put', mailbox='m', size=3, data=data)
            self.result('BAD_REQUEST', req=req)
        req = self.put(4 << 20)
        self.give(b'x' * 200000)
        self.result('BAD_REQUEST', req=req)
        while not self.backend.requests.empty():
            r = self.backend.next()
            self.assertIn('expect', r.fields)
            self.assertEqual(b'', r.file.read())    # closed, nothing sent
        self.fine()

    def test_rows(self):
        """rows of a delivery that are no rows, or of nobody"""
        self.begin()
        for row in ({'index': 1, 'uid': 7, 'uidvalidity': 1, 'id': 'c'},
                    {'index': -1}, {'uid': 7}, {'index': 0},
                    {'index': 0, 'uid': 7, 'uidvalidity': 1},
                    {'index': 0, 'uid': 7, 'uidvalidity': 1, 'id': 'a/b'},
                    {'index': 'x', 'code': 'too-large'}):
            req = self.ask('st_put', mailbox='m', size=3, data=b'abc')
            self.backend.next().answer(ndjson({'header': True}, row, END))
            got = self.result('NONSENSE', req=req)
            self.assertEqual([], [m for m in got if m.type == 'st_stored'])
        req = self.ask('st_put', mailbox='m', size=3, data=b'abc')
        self.backend.next().answer(ndjson({'header': True}, {
            'index': 0, 'code': 'over-quota'}, {
            'index': 0, 'code': 'too-large'}, END))
        got = self.result(req=req)
        self.assertEqual([ST['OVER_QUOTA']], [
            m.code for m in got if m.type == 'st_stored'])


class Down(Fault):
    refused = ()

    def prepare(self):
        self.backend.refuse = set(self.refused)

    def test_start(self):
        """down at the start: an error at once; comes up by itself"""
        self.refused = (0,)
        self.begin(up=False)
        self.is_up(0)
        for call, fields in (('st_mailboxes', {}), ('st_list', dict(
                mailbox='m')), ('st_get', dict(id='c', size=5, length=5))):
            self.ask(call, **fields)
            self.assertEqual([], self.result('UNAVAILABLE'))
        self.ask('st_recent', mailbox='m')      # that needs no storage
        self.result()
        self.backend.refuse.clear()
        self.is_up()
        self.fine()

    def test_goes_down(self):
        """goes down while it serves, and comes back"""
        self.begin()
        self.fine()
        req = self.list()
        r = self.backend.next()
        self.backend.refuse.add(0)
        for s in self.backend.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.result('UNAVAILABLE', req=req)
        self.is_up(0)
        self.list()
        self.result('UNAVAILABLE')
        self.list(credit=0)
        self.result('UNAVAILABLE')
        self.backend.refuse.clear()
        self.is_up()
        self.fine()

    def test_fail_over(self):
        """the first url that works is asked; back to the first when it
        works again"""
        self.refused = (0, 1)
        self.begin(urls=3)
        req = self.list()
        r = self.backend.next()
        self.assertEqual(2, r.url)
        r.answer(simple(200, 'x/y', BODY, 'Connection: close\r\n'))
        self.result(req=req)
        self.backend.refuse.clear()
        url, end = 2, time.monotonic() + 20
        while url != 0 and time.monotonic() < end:
            req = self.list()
            r = self.backend.next()
            url = r.url
            r.answer(simple(200, 'x/y', BODY, 'Connection: close\r\n'))
            self.result(req=req)
            time.sleep(0.05)
        self.assertEqual(0, url)

    def test_back_off(self):
        """attempts at one that is down become fewer"""
        self.refused = (0,)
        self.begin(up=False)
        self.is_up(0)
        time.sleep(4)
        self.assertLess(self.backend.asked.qsize(), 5)

    def test_documents(self):
        """one whose service document is no use is passed over"""
        self.document = {0: simple(200, 'text/html', b'<html>'), 1: WRITE}
        self.begin(document=self.document, urls=2)
        req = self.list()
        r = self.backend.next()
        self.assertEqual(1, r.url)
        r.answer(ndjson(HEADER, END))
        self.result(req=req)

    def test_no_document(self):
        """documents that are none of this API: down, and not asked for
        ever so often"""
        good = json.loads(WRITE.split(b'\r\n\r\n')[1])
        for doc in (value({}), value([]), value(dict(good, api=2)),
                    value(dict(good, api='1')),
                    value({k: v for k, v in good.items()
                           if k != 'capabilities'}),
                    value(dict(good, capabilities=[])),
                    simple(200, 'x/y', b'x' * 300000), problem(401,
                                                               'bad-token'),
                    b'garbage\r\n\r\n'):
            self.begin(document=doc, up=False)
            self.is_up(0)
            self.assertLess(self.backend.documents.qsize(), 5)
            self.backend.document = WRITE
            self.is_up()
            self.engine.logged('storage main: ')

    def test_limits(self):
        """limits that are none are not believed"""
        self.begin(service('write', limits={
            'message': 'x', 'set': 0, 'recipients': -1, 'upload_line': {}}))
        self.ask('st_patch', mailbox='m', uids=[(1, 5)], flags='x')
        r = self.backend.next()
        self.assertEqual('1:5', r.json()['uids'])
        r.answer(ndjson({'header': True, 'change': {'mailbox': 'm'}}, END))
        self.result()


if __name__ == '__main__':
    atf.main()
