#!/usr/bin/env python3
"""Messages of 50 MB: memory does not grow with them."""

import os
import sqlite3
import threading
import time

from store import SANITIZED, SLOW, StoreTest, atf, memory

MB = 1 << 20


class Big(StoreTest):
    # the index has memory of its own, see Index
    args = ('-D', 'search', '-D', 'sort', '-D', 'thread')

    def grows(self, work, bound):
        """Private dirty memory over what it was, at its highest"""
        pid = self.server.proc.pid
        before, highest, done = memory(pid), [0], threading.Event()

        def watch():
            while not done.is_set():
                highest[0] = max(highest[0], memory(pid))
                time.sleep(.002)
        t = threading.Thread(target=watch)
        t.start()
        try:
            work()
        finally:
            done.set()
            t.join()
        grown = highest[0] - before
        print('private dirty memory: %d KiB before, %+d KiB' % (
            before // 1024, grown // 1024))
        if not SANITIZED:
            self.assertLess(grown, bound)

    @atf.timeout(300)
    def test_50mb(self):
        """In and out, whole and in pieces, several at once: < 1 MB each"""
        m = self.inbox()
        to = {'account': 'joe', 'mailbox': m}
        # a first one of 1 MB, as a measure
        id = self.c.add('joe', m, os.urandom(MB))['id']
        self.c.content('joe', id)
        msg = os.urandom(50 * MB)
        rows = []
        self.grows(lambda: rows.append(self.c.add('joe', m, msg)), MB)
        got = []
        self.grows(lambda: got.append(self.c.content('joe', rows[0]['id']
                                                     ).body), MB)
        self.assertEqual(got[0], msg)
        a = self.c.content('joe', rows[0]['id'],
                           Range='bytes=%d-%d' % (20 * MB, 30 * MB))
        self.assertEqual(a.body, msg[20 * MB:30 * MB + 1])
        self.grows(lambda: self.c.copy('joe', m, '2', m).lines(), MB)

        def pieces():
            import json
            yield json.dumps({'to': [to]}).encode() + b'\n'
            for i in range(0, len(msg), 100000):
                yield msg[i:i + 100000]
        self.grows(lambda: rows.append(self.c.chunked(
            'POST', '/messages', pieces()).lines()[1][0]), MB)
        self.assertEqual(self.c.content('joe', rows[1]['id']).body, msg)

        def many():
            def one():
                c = self.server.client()
                id = c.add('joe', m, msg)['id']
                assert c.content('joe', id).body == msg
                c.close()
            threads = [threading.Thread(target=one) for i in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.grows(many, 4 * MB)
        self.assertEqual(len(self.c.state('joe', m)), 8)

    @atf.timeout(300)
    def test_listing(self):
        """A listing of 200,000 rows: memory does not grow with it"""
        m = self.inbox()
        self.c.upload([{'account': 'joe', 'mailbox': m}] * 1000, b'x')
        have = 1000
        while have < 200000:
            more = min(have, 200000 - have)
            self.c.copy('joe', m, '1:%d' % more, m).lines()
            have += more
        self.c.rows('joe', m, uids='1:1000')
        self.c.list('joe', m)
        self.grows(lambda: self.c.list('joe', m), MB)


class Index(Big):
    args = ('-o', 'index=2')

    def indexed(self, contents):
        db = sqlite3.connect(self.server.folder + '/index.db')
        end = time.monotonic() + 60 * SLOW
        while db.execute("SELECT value FROM meta WHERE name = 'done'"
                         ).fetchone() < (contents,):
            self.assertLess(time.monotonic(), end)
            time.sleep(.05)
        db.close()

    @atf.timeout(300)
    def test_50mb(self):
        """Large messages into the index, and searched: its memory does not
        grow with them"""
        m = self.inbox()
        text = b'Subject: x\r\n\r\n' + b'some words of a line\r\n' * 50000
        for i in range(4):
            self.c.add('joe', m, text)
        self.indexed(4)
        query = {'query': {'body': 'needle'}}
        path = '/accounts/joe/mailboxes/%s/search' % m
        self.c.ask('POST', path, query)

        def work():
            for i in range(3):
                self.c.add('joe', m, text * (50 if i else 20))
            self.indexed(7)
            self.assertEqual(self.c.ask('POST', path, query).status, 200)
        self.grows(work, 4 * MB)

    test_listing = None


if __name__ == '__main__':
    atf.main()
