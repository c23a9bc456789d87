#!/usr/bin/env python3
"""Bulk through an engine: a mail client that is slow stops the storage, a
storage that is slow stops the mail client, and memory does not grow.

The test is the engine's parent, its siblings and the storage."""

import os
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, EngineTest, content,  # noqa: E402
                     lines, ndjson, service)
from house import SLOW, sanitized                       # noqa: E402

MB = 1 << 20
CREDIT = 256 * 1024


class Flow(EngineTest):
    def begin(self, *args, **named):
        super().begin(*args, **named)
        self.grant()

    def settled(self, get):
        """A number that grows no more"""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 0.5 * SLOW:
            n = get()
            if n != last:
                last, since = n, time.monotonic()
            time.sleep(0.02)
        return last

    def pour(self, r, head, pieces):
        """A thread that sends as fast as it can; .sent says how much"""
        def run():
            try:
                r.answer(head)
                for p in pieces:
                    r.answer(p)
                    t.sent += len(p)
            except OSError:
                t.failed = True
        t = threading.Thread(target=run, daemon=True)
        t.sent, t.failed = 0, False
        t.start()
        return t

    def drink(self, req, type, step=CREDIT, check=None, most=None):
        """Reads an answer against credit; bytes (or the end)"""
        got = asked = 0
        while True:
            m = self.next_of(self.imap, req, 30)
            if m.type == 'st_end':
                self.assertEqual(0, m.code, m)
                return got
            if m.type != type:
                continue
            data = m.rows if type == 'st_rows' else m.data
            if check is not None:
                check(got, data)
            got += len(data)
            if got - asked >= step // 2:
                self.imap.send('st_credit', sid=7, req=req,
                               bytes=got - asked)
                asked = got

    def test_credit(self):
        """without credit the storage's write blocks, whatever it has; with
        it the rest comes"""
        self.begin()
        size = 8 * MB
        for credit in 1, 60000, CREDIT:
            req = self.ask('st_get', id='c', size=size, length=size,
                           credit=credit)
            r = self.backend.next()
            head = content(b'x' * size)
            t = self.pour(r, head[:-size], [b'x' * 65536] * (size // 65536))
            sent = self.settled(lambda: t.sent)
            self.assertLess(sent, credit + 2 * MB)
            told, m = 0, self.imap.recv(1)
            while m is not None:
                told += len(m.data) if m.type == 'st_data' else 0
                m = self.imap.recv(0.2)
            # one read of the connection more than the credit, at most
            self.assertGreater(told, 0)
            self.assertLess(told, credit + 2 * 65536)
            self.imap.send('st_credit', sid=7, req=req, bytes=size)
            self.assertEqual(size, told + self.drink(req, 'st_data'))
            t.join()

    def test_other_sessions(self):
        """meanwhile others are served"""
        self.begin()
        self.grant('ann', 8)
        req = self.ask('st_get', id='c', size=MB, length=MB, credit=1)
        r = self.backend.next()
        self.pour(r, content(b'x' * MB)[:-MB], [b'x' * MB])
        self.next_of(self.imap, req)
        for i in range(50):
            n = self.list(8)
            self.backend.next().answer(ndjson(HEADER, END))
            self.result(req=n)

    def test_cancel(self):
        """one that is cancelled half-way ends the storage's answer"""
        self.begin()
        req = self.ask('st_get', id='c', size=MB, length=MB, credit=1)
        r = self.backend.next()
        t = self.pour(r, content(b'x' * MB)[:-MB], [b'x' * 65536] * 16)
        self.next_of(self.imap, req)
        self.imap.send('st_cancel', sid=7, req=req)
        t.join(10 * SLOW)
        self.assertTrue(t.failed)

    def test_no_timeout(self):
        """a client that is slow does not time the storage out"""
        self.begin(t_backend=1)
        req = self.ask('st_get', id='c', size=MB, length=MB, credit=1)
        r = self.backend.next()
        self.pour(r, content(b'x' * MB)[:-MB], [b'x' * MB])
        got = len(self.next_of(self.imap, req).data)
        time.sleep(2.5)
        self.imap.send('st_credit', sid=7, req=req, bytes=MB)
        self.assertEqual(MB, got + self.drink(req, 'st_data'))

    def test_early(self):
        """the part that is asked for ends the answer"""
        self.begin()
        req = self.ask('st_get', id='c', size=64 * MB, length=1000,
                       offset=10, credit=CREDIT)
        r = self.backend.next()
        t = self.pour(r, content(b'')[:-4].replace(
            b'Length: 0', b'Length: %d' % (64 * MB)) + b'\r\n\r\n',
            [b'x' * 65536] * 1024)
        self.assertEqual(1000, self.drink(req, 'st_data'))
        t.join(10 * SLOW)
        self.assertLess(t.sent, 8 * MB)

    def grows(self, most, what):
        """KiB of private dirty memory that it takes, at most"""
        before = self.engine.memory()
        peak = what()
        self.assertLess(peak - before, most)

    @atf.timeout(240)
    def test_big_body(self):
        """200 MB go through 4 MB of memory"""
        self.begin()
        size, piece = 200 * MB, b'y' * MB

        def go():
            req = self.ask('st_get', id='c', size=size, length=size,
                           credit=CREDIT)
            r = self.backend.next()
            t = self.pour(r, content(b'')[:-4].replace(
                b'Length: 0', b'Length: %d' % size) + b'\r\n\r\n',
                [piece] * 200)
            peak = []

            def check(got, data):
                self.assertEqual(data.count(b'y'), len(data))
                if got % (16 * MB) < 65536:
                    peak.append(self.engine.memory())
            self.assertEqual(size, self.drink(req, 'st_data', check=check))
            t.join()
            return max(peak)
        self.grows(4096, go)

    @atf.timeout(240)
    def test_long_listing(self):
        """so do a million rows"""
        if sanitized():
            raise unittest.SkipTest('memory is the sanitizer\'s')
        self.begin()

        def rows():
            for i in range(0, 1000000, 1000):
                yield ''.join('{"uid":%d,"flags":["\\\\Seen"]}\n' % n
                              for n in range(i + 1, i + 1001)).encode()

        def go():
            req = self.list(credit=CREDIT)
            r = self.backend.next()
            t = self.pour(r, b'HTTP/1.1 200 OK\r\n\r\n' + lines(HEADER),
                          list(rows()) + [lines(END)])
            peak = []

            def check(got, data):
                if len(peak) * MB < got:
                    peak.append(self.engine.memory())

            def end():
                t.join()
                r.hang_up()
            threading.Thread(target=end, daemon=True).start()
            # a row is 2 + 4 + 8 bytes and its flags
            self.assertEqual(1000000 * 22, self.drink(req, 'st_rows',
                                                      check=check))
            return max(peak)
        self.grows(4096, go)

    def test_slow_storage(self):
        """a storage that does not read stops an upload at its credit"""
        self.begin()
        self.backend.buffer = 4096
        size = 4 * MB
        req = self.ask('st_put', mailbox='m', size=size)
        self.imap.sock.settimeout(10)
        credit, sent = CREDIT, 0

        def feed():
            nonlocal credit, sent
            while credit > 0 and sent < size:
                n = min(32768, credit, size - sent)
                self.imap.send('st_data', sid=7, req=req, data=b'x' * n)
                sent, credit = sent + n, credit - n
            m = self.imap.recv(0.5 * SLOW)
            if m is not None and m.type == 'st_credit':
                credit += m.bytes
            return m
        while feed() is not None:
            pass
        # what is in the engine, in its queue and on its way
        self.assertLess(sent, CREDIT * 3 + 300000)
        before = sent
        r = self.backend.next()
        r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
        t = threading.Thread(target=r.read_body, daemon=True)
        t.start()
        while sent < size:
            self.assertIsNotNone(feed())
        self.assertGreater(sent, before)
        self.imap.send('st_data_end', sid=7, req=req)
        t.join(20 * SLOW)
        self.assertEqual(b'x' * size, r.body.partition(b'\n')[2])
        r.answer(ndjson({'header': True}, {'index': 0, 'uid': 1, 'id': 'c',
                                           'uidvalidity': 1}, END))
        self.assertIn('st_stored', [m.type for m in self.result(req=req)])

    def test_too_much(self):
        """a listener that does not keep to its credit gets an error, not
        our memory"""
        self.begin()
        self.backend.buffer = 4096
        req = self.ask('st_put', mailbox='m', size=64 * MB)
        for i in range(80):
            self.imap.send('st_data', sid=7, req=req, data=b'x' * 60000)
        self.result('BAD_REQUEST', req=req)

    @atf.timeout(240)
    def test_big_upload(self):
        """an upload of 100 MB, its size known or not, goes through 4 MB"""
        self.begin()
        size = 100 * MB

        def go():
            self.auth.send('grant_rcpt', req=1, gen=self.lmtp.gen,
                           session=9, txn=1, rcpt=1, account='joe',
                           mailbox='m', address='j@x')
            self.auth.until('grant_ok', req=1)
            req = self.ask('st_deliver', self.lmtp, 9, txn=1, known=0,
                           rcpts=[1])
            total, r, peak = [0], None, []

            def read(r):
                r.answer(b'HTTP/1.1 100 Continue\r\n\r\n')
                self.assertEqual('chunked', r.fields['transfer-encoding'])
                while True:
                    n = int(r.file.readline(), 16)
                    total[0] += n
                    left = n
                    while left > 0:
                        left -= len(r.file.read(min(left, 65536)))
                    r.file.readline()
                    if n == 0:
                        break
            t = threading.Thread(target=lambda: read(self.backend.next()),
                                 daemon=True)
            t.start()
            credit, sent = CREDIT, 0
            while sent < size:
                while credit == 0:
                    credit += self.next_of(self.lmtp, req, 20).bytes
                n = min(60000, credit, size - sent)
                self.lmtp.send('st_data', sid=9, req=req, data=b'z' * n)
                sent, credit = sent + n, credit - n
                if sent % (10 * MB) < 60000:
                    peak.append(self.engine.memory())
            self.lmtp.send('st_data_end', sid=9, req=req)
            t.join(30 * SLOW)
            self.assertGreaterEqual(total[0], size)
            return max(peak)
        self.grows(4096, go)


if __name__ == '__main__':
    atf.main()
