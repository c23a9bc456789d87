#!/usr/bin/env python3
"""Ends of every kind: kill -9, power failure, SIGTERM, a second server, an
older or newer store; and the fsync between the write and the answer."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from store import (HERE, PROGRAM, SANITIZED, SLOW, Cut, Server, StoreTest,
                   atf, box, parallel, uids)


class Crash(StoreTest):
    def restart(self):
        self.c.close()
        self.server.start()
        self.c = self.server.client()

    @atf.timeout(300)
    def test_kill(self):
        """kill -9 under load: what was acknowledged is there, once; a
        repeat under its key gives the first answer"""
        acked, asked, lock = {}, {}, threading.Lock()
        r = random.Random(6)
        m = self.inbox()

        def writer(i, round_):
            c = self.server.client()
            try:
                for k in range(10 ** 6):
                    key = '%d.%d.%d' % (round_, i, k)
                    msg = b'%s\r\n' % key.encode()
                    if k % 10 == 9:
                        msg += b'x' * 200000
                    with lock:
                        asked[key] = msg
                    a = c.upload({'account': 'joe', 'mailbox': m}, msg,
                                 key=key)
                    with lock:
                        acked[key] = a.body
            except (Cut, ConnectionError, FileNotFoundError):
                pass
            c.close()

        for round_ in range(6):
            def kill():
                time.sleep(r.uniform(.1, .6))
                self.server.proc.kill()
            parallel(kill, *(lambda i=i: writer(i, round_)
                             for i in range(6)))
            self.server.proc.wait()
            self.restart()
            self.server.check()
        self.assertGreater(len(acked), 100 / SLOW)
        s = self.c.state('joe', m)
        there = {}
        for uid, row in s.items():
            if row['size'] < 1000:
                body = self.c.content('joe', row['id']).body
                there.setdefault(body, []).append(uid)
        for key, body in acked.items():
            row = json.loads(body.split(b'\n')[1])
            self.assertEqual(s[row['uid']]['id'], row['id'], key)
            if len(asked[key]) < 1000:
                self.assertEqual(there[asked[key]], [row['uid']])
        # what was asked and not answered: exactly once after a repeat
        n = len(s)
        lost = [k for k in asked if k not in acked]
        for key in asked if len(asked) < 300 else lost:
            a = self.c.upload({'account': 'joe', 'mailbox': m}, asked[key],
                              key=key)
            if key in acked:
                self.assertEqual(a.body, acked[key])
            row = a.lines()[1][0]
            self.assertEqual(self.c.content('joe', row['id']).body,
                             asked[key])
        s = self.c.state('joe', m)
        self.assertEqual(len(s), len(asked))
        self.assertLessEqual(len(s) - n, len(lost))
        self.assertEqual(os.listdir(self.server.folder + '/body/new'), [])

    @atf.timeout(120)
    def test_kill_flags(self):
        """kill -9 alone loses no flag change either"""
        m = self.inbox()
        for i in range(10):
            self.c.add('joe', m)
        for round_ in range(5):
            for i in range(40):
                last = self.c.patch('joe', m, uids='%d' % (i % 10 + 1),
                                    set=['r%d.%d' % (round_, i)]).lines()[0]
            before = self.c.state('joe', m)
            self.server.kill()
            self.restart()
            self.assertEqual(self.c.state('joe', m), before)
            self.assertEqual(self.c.mailbox('joe')['modseq'],
                             last['change']['modseq'])

    def snapshot(self):
        """The database as the disk has it, as far as we can make it"""
        for name in 'store.db', 'store.db-wal':
            shutil.copy(os.path.join(self.server.folder, name),
                        self.server.top)

    def power_failure(self):
        """Back to the snapshot, in another boot of the system"""
        self.server.kill()
        os.unlink(self.server.folder + '/store.db-shm')
        for name in 'store.db', 'store.db-wal':
            shutil.copy(os.path.join(self.server.top, name),
                        self.server.folder)
        db = sqlite3.connect(self.server.folder + '/store.db')
        db.execute("UPDATE meta SET value = 'another' WHERE name = 'boot'")
        db.commit()
        db.close()

    def test_power_failure(self):
        """Lost flag changes: modseq jumps past everything ever told, every
        message of that mailbox gets a new one, and so do events"""
        m = self.inbox()
        t = self.c.create('joe', 't')['id']
        for box_ in m, t:
            for i in range(5):
                self.c.add('joe', box_)
        self.c.patch('joe', m, uids='1', add=['kept'])
        self.snapshot()
        told, cursors = set(), []
        ev = self.server.stream()
        for i in range(300):
            h = self.c.patch('joe', m, uids='1:5', set=['lost%d' % i]
                             ).lines()[0]
            told.add(h['change']['modseq'])
            cursors.append(ev.event()['cursor'])
        ev.close()
        quiet = self.c.state('joe', t)
        self.power_failure()
        self.restart()
        self.assertIn('1 mailboxes may have lost', self.server.logged())
        s = self.c.state('joe', m)
        self.assertEqual(s[1]['flags'], ['kept'])
        self.assertTrue(all(r['modseq'] > max(told) for r in s.values()))
        self.assertEqual({r['modseq'] for r in s.values()},
                         {self.c.mailbox('joe')['modseq']})
        # a mirror that believed the lost ones is mended by since=
        header, rows = self.c.rows('joe', m, since=max(told))
        self.assertEqual([u for r in rows for u in uids(r)],
                         [1, 2, 3, 4, 5])
        # the mailbox that lost nothing is as it was
        self.assertEqual(self.c.state('joe', t), quiet)
        # a stream that was told of lost changes hears that they are not
        for cursor in cursors[0], cursors[-1]:
            ev = self.server.stream(cursor)
            line = ev.event()
            self.assertEqual((line['mailbox'], line['modseq']),
                             (m, s[1]['modseq']))
            ev.close()
        # and no number comes a second time
        h = self.c.patch('joe', m, uids='1', set=['new']).lines()[0]
        self.assertGreater(h['change']['modseq'], s[1]['modseq'])

    def test_clean(self):
        """A clean end needs no jump, whatever boot comes next"""
        m = self.inbox()
        self.c.add('joe', m)
        self.c.patch('joe', m, uids='1', add=['x'])
        before = self.c.state('joe', m)
        self.c.close()
        self.server.stop()
        db = sqlite3.connect(self.server.folder + '/store.db')
        self.assertEqual(db.execute('SELECT max(block) FROM mailbox'
                                    ).fetchone(), (0,))
        db.execute("UPDATE meta SET value = 'another' WHERE name = 'boot'")
        db.commit()
        db.close()
        self.restart()
        self.assertEqual(self.c.state('joe', m), before)
        self.assertNotIn('may have lost', self.server.logged())

    def test_term(self):
        """SIGTERM: what runs is answered, then everything is closed"""
        m = self.inbox()
        done = []

        def writer():
            c = self.server.client()
            try:
                while True:
                    done.append(c.add('joe', m)['uid'])
            except (Cut, ConnectionError, FileNotFoundError):
                pass
            c.close()

        def term():
            time.sleep(.3)
            self.server.stop()
        self.c.close()
        parallel(term, *[writer] * 4)
        self.assertFalse(os.path.exists(self.server.folder +
                                        '/store.db-wal'))
        self.server.start()
        self.assertEqual(set(self.c.state('joe', m)), set(done))

    def test_term_slow(self):
        """A client that does not read does not hold up the end"""
        m = self.inbox()
        id = self.c.add('joe', m, b'x' * 10000000)['id']
        slow = self.server.client()
        slow.send(slow.head('GET', '/accounts/joe/messages/' + id, {}))
        time.sleep(.2)
        self.c.close()
        t = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - t, 15 * SLOW)
        slow.close()

    def test_orphans(self):
        """Files that no message has are removed at the start; one whose
        message was committed is kept, wherever it is"""
        m = self.inbox()
        id = self.c.add('joe', m, b'y' * 300000)['id']
        self.server.kill()
        body = self.server.folder + '/body/'
        (path,) = [os.path.join(d, f) for d, _, fs in os.walk(body)
                   for f in fs]
        # as if the move had been lost
        os.rename(path, body + 'new/' + os.path.basename(path))
        with open(body + 'new/' + '0' * 32, 'w') as f:
            f.write('half an upload')
        self.restart()
        self.assertEqual(os.listdir(body + 'new'), [])
        self.assertTrue(os.path.exists(path))
        self.assertEqual(self.c.content('joe', id).body, b'y' * 300000)


class Starts(unittest.TestCase):
    def server(self, *args, **more):
        s = Server(*args, **more)
        self.addCleanup(s.remove)
        return s

    def refused(self, s, *words, **more):
        s.start(wait=False, **more)
        self.assertEqual(s.proc.wait(20 * SLOW), 1)
        s.proc = None
        for w in words:
            self.assertIn(w, s.logged())

    def test_second(self):
        """A folder that another mstored has open is refused, and the
        other's socket left alone"""
        a = self.server().start()
        b = self.server(folder=a.folder)
        self.refused(b, 'another mstored')
        b.args += ['-l', 'unix:' + a.path]
        self.refused(b, 'another mstored')
        self.assertEqual(a.client().ask('GET', '').status, 200)
        a.kill()
        b.args = b.args[:3]
        b.start().stop()

    def test_newer(self):
        """A newer schema is refused, with a clear error"""
        s = self.server().start()
        s.client().mailbox('joe')
        s.stop()
        db = sqlite3.connect(s.folder + '/store.db')
        db.execute('PRAGMA user_version = 99')
        db.close()
        self.refused(s, 'schema version 99', 'newer')

    def test_foreign(self):
        """Another program's database, or none at all, is refused"""
        s = self.server()
        db = sqlite3.connect(s.folder + '/store.db')
        db.execute('CREATE TABLE t (x)')
        db.commit()
        db.close()
        self.refused(s, 'not a mail store')
        with open(s.folder + '/store.db', 'w') as f:
            f.write('hello, this is no database at all' * 100)
        self.refused(s, 'not a database')

    def test_upgrade(self):
        """A store of version 0 (an empty file) becomes a current one"""
        s = self.server()
        open(s.folder + '/store.db', 'w').close()
        s.start()
        s.client().mailbox('joe')
        s.stop()
        db = sqlite3.connect(s.folder + '/store.db')
        self.assertEqual(db.execute('PRAGMA user_version').fetchone(), (2,))
        db.close()

    def test_upgrade_1(self):
        """A store of version 1, with mail in it, becomes a current one"""
        s = self.server()
        s.start()
        c = s.client()
        m = c.mailbox('joe')
        row = c.add('joe', m['id'], b'Subject: lamp\r\n\r\nx', flags=['a'])
        c.close()
        s.stop()
        db = sqlite3.connect(s.folder + '/store.db')
        for sql in ('ALTER TABLE message DROP COLUMN saved',
                    'ALTER TABLE mailbox DROP COLUMN birth',
                    'ALTER TABLE account DROP COLUMN quota_size',
                    'ALTER TABLE account DROP COLUMN quota_count',
                    'DROP TABLE dict', 'DROP TABLE metadata',
                    'DROP TABLE scram', "DELETE FROM meta WHERE name = "
                    "'secret'", 'PRAGMA user_version = 1'):
            db.execute(sql)
        db.commit()
        db.close()
        s.start()
        c = s.client()
        self.assertEqual(c.mailbox('joe')['objectid'], m['objectid'])
        now = c.state('joe', m['id'], fields='uid,id,flags,savedate')
        self.assertEqual(now, {1: {'uid': 1, 'id': row['id'],
                                   'flags': ['a']}})
        c.add('joe', m['id'])
        self.assertEqual(c.ask('POST', box('joe', m['id']) + '/search', {
            'query': {'text': 'lamp'}}).lines()[1], [{'uids': '1'}])
        self.assertEqual(c.ask('PUT', '/accounts/joe/dict/a', b'x').status,
                         200)
        self.assertEqual(c.ask('POST', '/scram', {
            'username': 'x', 'mechanism': 'SCRAM-SHA-256'}).status, 200)
        c.close()
        s.stop()
        s.check()

    def test_usage(self):
        """Wrong options end with an explanation"""
        for args in (['-o', 'color=red'], ['-o', 'grace'],
                     ['-o', 'grace=1y'], ['-l', 'nonsense'],
                     ['-l', '127.0.0.1:99999'], ['-p', 'no-such-user'],
                     ['-t', '/nonexistent'], ['-u', 'no-such-user'],
                     ['-l', 'unix:/' + 'x' * 200]):
            t = self.server(*args)
            self.refused(t)
            self.assertTrue(t.logged())
        p = subprocess.run([PROGRAM], capture_output=True, text=True)
        self.assertEqual(p.returncode, 2)
        self.assertIn('usage', p.stderr)


class Root(unittest.TestCase):
    def test_user(self):
        """Started by root with -u: another user, in the folder as its
        root, and everything still works"""
        if os.getuid() != 0:
            self.skipTest('needs root to become another user')
        s = Server('-u', 'nobody')
        self.addCleanup(s.remove)
        os.chmod(s.top, 0o755)
        os.rmdir(s.folder)
        s.start()
        with open('/proc/%d/status' % s.proc.pid) as f:
            self.assertRegex(f.read(), r'(?m)^Uid:(\t65534){4}$')
        self.assertEqual(os.readlink('/proc/%d/root' % s.proc.pid),
                         os.path.realpath(s.folder))
        self.assertRegex(s.logged(), r'sandbox: .*chroot user')
        # beside it, root's commands leave nothing that it cannot open
        c = s.client()
        m = c.mailbox('joe')['id']
        for i in range(5):
            c.add('joe', m, b'x' * 200000)
        s.admin('user', 'add', 'jim', stdin='$2b$04$' + 'x' * 53)
        s.admin('backup', s.folder, s.top + '/backup')
        c.close()
        s.stop()
        s.admin('user', 'add', 'eve', stdin='$2b$04$' + 'x' * 53)
        s.start()
        c = s.client()
        self.assertEqual(len(c.state('joe', m)), 5)
        self.assertEqual(len(c.mailboxes('eve')), 1)
        c.add('joe', m, b'y')
        c.close()
        s.stop()
        s.check()
        for top, dirs, files in os.walk(s.folder):
            for name in files + dirs:
                if name != 'lock':
                    self.assertEqual(os.stat(os.path.join(top, name)).st_uid,
                                     65534, name)
        # and what is restored into its folder is its own
        os.mkdir(s.top + '/new')
        os.chown(s.top + '/new', 65534, 65534)
        s.admin('restore', s.top + '/backup', s.top + '/new')
        s.folder = s.top + '/new'
        s.start()
        c = s.client()
        self.assertEqual(len(c.state('joe', c.mailbox('joe')['id'])), 5)
        c.close()
        s.stop()


class Failing(unittest.TestCase):
    def setUp(self):
        shim = os.path.join(HERE, 'failsync.so')
        if SANITIZED:
            self.skipTest('the sanitizer must be the first library')
        if not os.path.exists(shim):
            self.skipTest('failsync.so is not built here')
        self.server = Server()
        self.addCleanup(self.server.remove)
        self.server.start(wrap=['env', 'LD_PRELOAD=' + shim])
        self.c = self.server.client()
        self.m = self.c.mailbox('joe')['id']
        for i in range(5):
            self.c.add('joe', self.m, b'%d' % i)
        open(self.server.folder + '/fail', 'w').close()

    def after(self):
        """What was acknowledged is there, and the store is sound"""
        os.unlink(self.server.folder + '/fail')
        self.server.check()
        self.server.start()
        c = self.server.client()
        s = c.state('joe', self.m)
        self.assertLessEqual({1, 2, 3, 4, 5}, set(s))
        c.add('joe', self.m)
        c.close()
        self.server.stop()

    def test_log(self):
        """The log cannot be synced: no answer, and the process ends"""
        others = [self.server.client() for i in range(3)]
        for c in others:
            c.send(c.head('GET', '/events', {}))
        self.assertRaises((Cut, ConnectionError),
                          lambda: self.c.add('joe', self.m, b'lost'))
        self.assertEqual(self.server.proc.wait(10 * SLOW), 1)
        self.server.proc = None
        self.assertIn('fsync failed', self.server.logged())
        self.assertIn('giving up', self.server.logged())
        for c in others:
            c.close()
        self.after()

    def test_file(self):
        """A message's file cannot be synced: an error, nothing stored"""
        a = self.c.upload({'account': 'joe', 'mailbox': self.m},
                          b'x' * 300000)
        self.assertEqual((a.status, a.code), (500, 'internal'))
        self.assertEqual(os.listdir(self.server.folder + '/body/new'), [])
        self.assertEqual(len(self.c.state('joe', self.m)), 5)
        os.unlink(self.server.folder + '/fail')
        self.c.add('joe', self.m, b'x' * 300000)
        self.c.close()
        self.server.stop()
        open(self.server.folder + '/fail', 'w').close()
        self.after()


class Sync(unittest.TestCase):
    """Seen by strace: which system calls stand between a request and its
    answer"""

    def setUp(self):
        if shutil.which('strace') is None:
            self.skipTest('no strace here')
        self.server = Server()
        self.addCleanup(self.server.remove)
        self.trace = self.server.top + '/trace'
        # -D: our child is the server, not strace
        self.server.start(wrap=['strace', '-D', '-f', '-y', '-s', '300',
                                '-o', self.trace, '-e', 'trace=recvfrom,'
                                'sendto,fsync,fdatasync,pwrite64,write'])
        self.c = self.server.client()
        self.m = self.c.mailbox('joe')['id']

    def tearDown(self):
        self.c.close()
        self.server.stop()

    def calls(self, ask):
        """The calls from a request to its answer"""
        time.sleep(.2)
        with open(self.trace) as f:
            f.seek(0, 2)
            ask()
            time.sleep(.3)
            text = f.read()
        lines = [re.sub(r'^\d+ +', '', x) for x in text.splitlines()]
        start = next(i for i, x in enumerate(lines)
                     if x.startswith('recvfrom') and 'HTTP/1.1' in x)
        end = next(i for i, x in enumerate(lines) if i > start and
                   x.startswith('sendto') and 'HTTP/1.1 2' in x)
        return lines[start:end]

    def synced(self, calls, name):
        """Was the file synced after it was last written?"""
        wrote = [i for i, x in enumerate(calls)
                 if re.match(r'(pwrite64|write)\(', x) and name in x]
        sync = [i for i, x in enumerate(calls)
                if re.match(r'f(data)?sync\(', x) and name in x]
        self.assertTrue(wrote, calls)
        return bool(sync) and sync[-1] > wrote[-1]

    def test_upload(self):
        """A small message: the log is synced before the answer"""
        self.c.add('joe', self.m)
        calls = self.calls(lambda: self.c.add('joe', self.m))
        self.assertTrue(self.synced(calls, 'store.db-wal'), calls)

    def test_large(self):
        """A large one: its file, then its folder, then the log"""
        calls = self.calls(lambda: self.c.add('joe', self.m,
                                              b'x' * 300000))
        self.assertTrue(self.synced(calls, '/body/new/'), calls)
        order = [next(i for i, x in enumerate(calls)
                      if re.match(r'f(data)?sync\(.*' + name, x))
                 for name in (r'/body/new/[0-9a-f]{32}>', r'/body/new>',
                              r'store\.db-wal>')]
        self.assertEqual(order, sorted(order), calls)

    def test_rest(self):
        """create, copy, expunge, rename, delete: synced"""
        for i in range(3):
            self.c.add('joe', self.m)
        box_ = self.c.create('joe', 'a')['id']
        for ask in (lambda: self.c.create('joe', 'b'),
                    lambda: self.c.copy('joe', self.m, '1', box_),
                    lambda: self.c.copy('joe', self.m, '1', box_, True),
                    lambda: self.c.expunge('joe', self.m, '2'),
                    lambda: self.c.ask('POST', box('joe') + '/rename',
                                       {'from': 'b', 'to': 'c'}),
                    lambda: self.c.ask('DELETE', box('joe', box_))):
            calls = self.calls(ask)
            self.assertTrue(self.synced(calls, 'store.db-wal'), calls)

    def test_flags(self):
        """Flags: the first change of a mailbox reserves modseqs and is
        synced, those after it are spared"""
        self.c.add('joe', self.m)
        calls = self.calls(lambda: self.c.patch('joe', self.m, uids='1',
                                                add=['a']))
        self.assertTrue(self.synced(calls, 'store.db-wal'), calls)
        calls = self.calls(lambda: self.c.patch('joe', self.m, uids='1',
                                                add=['b']))
        self.assertFalse(self.synced(calls, 'store.db-wal'), calls)


if __name__ == '__main__':
    atf.main()
