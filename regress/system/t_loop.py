#!/usr/bin/env python3
"""Random processes are killed, again and again, while mail is delivered,
appended, read and expunged: what was acknowledged is there exactly once,
what was expunged does not come back, no uid is used twice."""

import os
import random
import signal
import threading
import time

from system import (GONE, Lmtp, SystemTest, atf, letter, sanitized,
                    soon, subject)

SECONDS = 12
KILLS = 0.25, 0.9                       # seconds between them


class Record:
    """What all workers know; each method is called under the lock"""

    def __init__(self):
        self.lock = threading.Lock()
        self.acked = set()              # subjects
        self.asked = set()
        self.gone = set()               # expunged, acknowledged
        self.leaving = set()            # perhaps
        self.of_uid = {}                # uid -> subject
        self.uidvalidity = None
        self.errors = []

    def ask(self, name):
        with self.lock:
            self.asked.add(name)

    def ack(self, name):
        with self.lock:
            self.acked.add(name)

    def uid(self, uid, name):
        with self.lock:
            was = self.of_uid.setdefault(uid, name)
        assert was == name, 'uid %d is %s and %s' % (uid, was, name)

    def validity(self, value):
        with self.lock:
            if self.uidvalidity is None:
                self.uidvalidity = value
            assert self.uidvalidity == value, (self.uidvalidity, value)

    def expunging(self, name):
        with self.lock:
            self.leaving.add(name)

    def expunged(self, name):
        with self.lock:
            self.gone.add(name)


class Loop(SystemTest):
    options = dict(SystemTest.options, verbose=False, users=('joe',),
                   conf='failure delay 0s\n'
                   'prefork { imap 2, pop3 1, lmtp 2, engine 2 }\n'
                   'timeouts { backend 10s }')

    def worker(self, one, k):
        """Goes on, with a new session whenever the old one ends"""
        n = 0
        while not self.over.is_set():
            try:
                for n in one(k, n):
                    if self.over.is_set():
                        break
            except GONE:
                time.sleep(0.05)
            except BaseException as e:
                self.record.errors.append(e)
                raise

    def delivers(self, k, n):
        c = Lmtp(self.house)
        try:
            while True:
                n += 1
                name = 'd%d-%d' % (k, n)
                yield n
                self.record.ask(name)
                # every tenth is too large to be held in memory
                code, = c.send(letter(name, 200000 if n % 10 == 9 else
                                      n % 20 * 300))
                assert code in (250, 451, 421, 450, 454), code
                if code == 250:
                    self.record.ack(name)
                else:
                    time.sleep(0.05)
        finally:
            c.close()

    def session(self):
        """An IMAP session that is in; refusals are as good as an end"""
        c = self.house.imap(None)
        r = c.cmd('LOGIN joe "pw"')
        if r.type == 'OK':
            r = c.cmd('SELECT INBOX')
        if r.type != 'OK':
            assert r.type == 'NO', r
            c.close()
            raise EOFError(repr(r))
        self.record.validity(int(r.codes()['UIDVALIDITY']))
        return c

    def appends(self, k, n):
        c = self.session()
        try:
            while True:
                n += 1
                name = 'a%d-%d' % (k, n)
                yield n
                self.record.ask(name)
                r = self.append(c, letter(name, 200000 if n % 10 == 9
                                          else 0))
                if r.type == 'NO':
                    time.sleep(0.05)
                    continue
                assert r.type == 'OK' and r.code == 'APPENDUID', r
                validity, uid = map(int, r.codedata.split())
                self.record.validity(validity)
                self.record.uid(uid, name)
                self.record.ack(name)
        finally:
            c.close()

    def append(self, c, text):
        """Its end; it may be refused before the text is asked for"""
        tag = c.tag()
        c.sock.sendall(b'%s APPEND INBOX {%d}\r\n' % (tag.encode(),
                                                      len(text)))
        while True:
            r = c.response()
            if r.tag == tag:
                return r
            if r.tag == '+':
                c.sock.sendall(text + b'\r\n')
                return c.finish(tag)

    def expunges(self, k, n):
        c = self.session()
        try:
            while True:
                n += 1
                yield n
                if c.cmd('NOOP').type != 'OK' or c.exists == 0:
                    time.sleep(0.02)
                    continue
                r = c.cmd('UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]')
                if r.type != 'OK':
                    continue
                names = {}
                for _, items in r.fetched():
                    uid = items['UID']
                    text = items['BODY[HEADER.FIELDS (SUBJECT)]']
                    if text is None:            # another session's expunge
                        continue
                    names[uid] = subject(text)
                    self.record.uid(uid, names[uid])
                self.not_back(names.values())
                for uid in self.random.sample(sorted(names),
                                              min(3, len(names) // 2)):
                    self.expunge(c, uid, names[uid])
        finally:
            c.close()

    def not_back(self, names):
        with self.record.lock:
            gone = set(self.gone_before)
            self.gone_before = set(self.record.gone)
        back = gone & set(names)
        assert not back, 'expunged, and there again: %s' % back

    def expunge(self, c, uid, name):
        self.record.expunging(name)
        if c.cmd('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uid
                 ).type == 'OK' and c.cmd('UID EXPUNGE %d' % uid
                                          ).type == 'OK':
            self.record.expunged(name)

    def kills(self, end):
        first = {}
        while time.monotonic() < end:
            time.sleep(self.random.uniform(*KILLS))
            now = time.monotonic()
            pids = self.house.children()
            for pid, _ in pids:
                first.setdefault(pid, now)
            # who dies at once is started again later and later
            old = [(p, r) for p, r in pids if now - first[p] > 1.5]
            if not old:
                continue
            pid, role = self.random.choice(old)
            self.house.expected.append(r'%s/\d+ \(pid %d\) died of signal 9'
                                       % (role, pid))
            os.kill(pid, signal.SIGKILL)
            self.killed += 1

    @atf.timeout(400)
    def test_loop(self):
        seed = int.from_bytes(os.urandom(4), 'big')
        print('seed', seed)
        self.random = random.Random(seed)
        self.record, self.over = Record(), threading.Event()
        self.gone_before, self.killed = set(), 0
        jobs = [(self.delivers, k) for k in range(3)]
        jobs += [(self.appends, k) for k in range(2)]
        jobs += [(self.expunges, 0)]
        threads = [threading.Thread(target=self.worker, args=j)
                   for j in jobs]
        roles = len(self.house.children())
        for t in threads:
            t.start()
        self.kills(time.monotonic() + SECONDS * (2 if sanitized() else 1))
        self.over.set()
        for t in threads:
            t.join()
        self.assertEqual([], self.record.errors)
        soon(lambda: len(self.house.children()) == roles, 60)
        self.in_time(lambda: self.deliver(letter('last')), 60)
        self.verdict()
        # and from the disk, with new processes
        self.house.stop()
        self.house.start()
        self.verdict()

    def verdict(self):
        r = self.record
        texts = self.in_time(self.contents, 60)
        names = [subject(t) for t in texts.values()]
        self.assertEqual(len(names), len(set(names)), 'something twice')
        self.assertLessEqual(set(names), r.asked | {'last'})
        self.assertEqual(set(), r.acked - r.leaving - set(names), 'lost')
        self.assertEqual(set(), r.gone & set(names), 'came back')
        for uid, text in texts.items():
            r.uid(uid, subject(text))
        # enough has happened
        self.assertGreater(self.killed, 5)
        self.assertGreater(len(r.acked), 20)
        self.assertGreater(len(r.gone), 0)
        print('%d killed, %d acknowledged of %d, %d expunged of %d' % (
            self.killed, len(r.acked), len(r.asked), len(r.gone),
            len(r.leaving)))


if __name__ == '__main__':
    atf.main()
