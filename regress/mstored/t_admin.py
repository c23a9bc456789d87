#!/usr/bin/env python3
"""Users, passwords, addresses; backup, restore and check."""

import ctypes
import ctypes.util
import os
import shutil
import sqlite3
import statistics
import subprocess
import threading
import time

from store import SLOW, Server, StoreTest, atf, box, parallel, uids

crypt = ctypes.CDLL(ctypes.util.find_library('crypt')).crypt
crypt.restype = ctypes.c_char_p


def hashed(password, cost='05', salt='abcdefghijklmnopqrstuu'):
    """bcrypt, as "mfrontctl encrypt" makes it"""
    h = crypt(password.encode(), ('$2b$%s$%s' % (cost, salt)).encode())
    assert h and h.startswith(b'$2b$'), h
    return h.decode()


class Users(StoreTest):
    open_accounts = False

    def prepare(self):
        self.server.admin('user', 'add', 'joe', stdin=hashed('secret'))
        self.server.admin('user', 'add', 'jim@example.org',
                          stdin=hashed('geheim') + '\n')

    def auth(self, user, password, **more):
        body = dict(mechanism='PLAIN', username=user, password=password)
        body.update(more)
        return self.c.ask('POST', '/auth', {k: v for k, v in body.items()
                                            if v is not ...})

    def test_commands(self):
        """user and alias, beside a running server"""
        self.assertEqual(self.server.admin('user', 'list')[1],
                         'jim@example.org\njoe\n')
        status, text = self.server.admin('user', 'add', 'joe', check=False,
                                         stdin=hashed('x'))
        self.assertEqual(status, 1)
        self.assertIn('already', text)
        for bad in '', 'secret', '$', '$2b$ x':
            status, text = self.server.admin('user', 'add', 'x', stdin=bad,
                                             check=False)
            self.assertEqual(status, 1, text)
        for words in (['user', 'passwd', 'nobody'], ['user', 'del', 'nobody'],
                      ['alias', 'add', 'a@b', 'nobody'],
                      ['alias', 'del', 'a@b']):
            status, text = self.server.admin(*words, stdin=hashed('x'),
                                             check=False)
            self.assertEqual(status, 1)
            self.assertIn('there is no such', text)
        for words in (['user'], ['user', 'add'], ['user', 'frob', 'x'],
                      ['user', 'add', 'x', 'y'], ['alias', 'add', 'x']):
            status, text = self.server.admin(*words, check=False)
            self.assertEqual(status, 2)
            self.assertIn('usage', text)
        # the new user is there at once
        self.server.admin('user', 'add', 'new', stdin=hashed('neu'))
        self.assertEqual(self.auth('new', 'neu').status, 200)
        self.assertEqual(len(self.c.mailboxes('new')), 1)
        self.server.admin('user', 'passwd', 'new', stdin=hashed('other'))
        self.code(self.auth('new', 'neu'), 403, 'bad-credentials')
        self.assertEqual(self.auth('new', 'other').status, 200)
        self.server.admin('user', 'del', 'new')
        self.code(self.auth('new', 'other'), 403, 'bad-credentials')
        # its mail is still there
        self.assertEqual(len(self.c.mailboxes('new')), 1)

    def test_purge(self):
        """user del -r: the mail goes too, a new user begins anew"""
        self.c.close()
        self.server.stop()
        self.server.start('-o', 'grace=1')
        old = self.c.mailbox('joe')
        id = self.c.add('joe', old['id'], b'x' * 200000)['id']
        ev = self.server.stream()
        self.server.admin('user', 'del', '-r', 'joe')
        self.code(self.c.ask('GET', box('joe')), 404, 'no-such-account')
        self.code(self.c.content('joe', id), 404, 'no-such-account')
        self.server.admin('user', 'add', 'joe', stdin=hashed('y'))
        new = self.c.mailbox('joe')
        self.assertNotEqual(new['id'], old['id'])
        self.assertGreater(new['uidvalidity'], old['uidvalidity'])
        self.assertEqual(new['messages'], 0)
        end = time.monotonic() + 60 * SLOW
        body = self.server.folder + '/body'
        while sum(len(f) for _, _, f in os.walk(body)):
            self.assertLess(time.monotonic(), end)
            time.sleep(.2)
        ev.close()

    def test_auth(self):
        """The password decides"""
        a = self.auth('joe', 'secret', service='imap', remote='192.0.2.1',
                      tls=True, authzid='')
        self.assertEqual((a.status, a.json()),
                         (200, {'account': 'joe', 'name': 'joe'}))
        self.assertEqual(self.auth('jim@example.org', 'geheim',
                                   authzid='jim@example.org').status, 200)
        for user, password in (('joe', 'Secret'), ('joe', ''), ('joe', 's'),
                               ('Joe', 'secret'), ('nobody', 'secret'),
                               ('', ''), ('joe', 'secret' * 100)):
            self.code(self.auth(user, password), 403, 'bad-credentials')
        self.code(self.auth('joe', 'secret', authzid='jim@example.org'), 403,
                  'not-permitted')
        self.code(self.auth('joe', ..., token='t'), 403, 'bad-credentials')
        for bad in (dict(mechanism=...), dict(username=...),
                    dict(password=7), dict(tls='yes'), dict(service=1)):
            self.code(self.auth(**dict(dict(user='joe', password='secret'),
                                       **bad)) if 'username' not in bad
                      else self.auth(..., 'x'), 400, 'bad-request')
        self.code(self.auth('joe', 'secret', x=1), 400, 'unknown-parameter')
        self.assertNotIn('secret', self.server.logged())

    def test_auth_wiped(self):
        """No password stays in memory when it has been looked at"""
        password = 'Zq9-hunter2-ZZ'
        for i in range(3):
            self.auth('joe', password)
        self.code(self.c.ask('POST', '/auth', {
            'mechanism': 'PLAIN', 'username': 'joe', 'password': password,
            'x': 1}), 400, 'unknown-parameter')
        self.c.ask('GET', '')
        pid = self.server.proc.pid
        try:
            memory = open('/proc/%d/mem' % pid, 'rb', 0)
        except OSError as e:
            self.skipTest('cannot look into its memory: %s' % e)
        seen = 0
        with memory, open('/proc/%d/maps' % pid) as maps:
            for line in maps:
                span, flags = line.split()[:2]
                lo, hi = (int(x, 16) for x in span.split('-'))
                if not flags.startswith('rw') or hi - lo > 1 << 30:
                    continue
                try:
                    memory.seek(lo)
                    data = memory.read(hi - lo)
                except OSError:
                    continue
                seen += len(data)
                self.assertNotIn(password.encode(), data, line)
        self.assertGreater(seen, 100000)

    @atf.timeout(120)
    def test_auth_load(self):
        """Passwords are hashed elsewhere: nobody waits; the queue is
        bounded"""
        for name in 'slow', 'slow2':
            self.server.admin('user', 'add', name,
                              stdin=hashed('x', cost='09'))
        codes, stop = [], threading.Event()

        def attacker():
            c = self.server.client()
            while not stop.is_set():
                a = c.ask('POST', '/auth', {'mechanism': 'PLAIN',
                                            'username': 'slow',
                                            'password': 'wrong'})
                codes.append(a.code)
            c.close()

        def reader():
            try:
                times = []
                for i in range(200):
                    t = time.monotonic()
                    self.c.mailboxes('joe')
                    times.append(time.monotonic() - t)
                    time.sleep(.005)
                self.assertLess(statistics.median(times), .02 * SLOW)
            finally:
                stop.set()
        parallel(reader, *[attacker] * 100)
        self.assertEqual(set(codes), {'bad-credentials', 'try-later'})

    def test_auth_time(self):
        """Unknown users take as long as known ones"""
        self.server.admin('user', 'passwd', 'joe',
                          stdin=hashed('x', cost='08'))

        def took(user):
            t = time.monotonic()
            self.auth(user, 'wrong')
            return time.monotonic() - t
        # in turns, since others use the machine too
        pairs = [(took('joe'), took('nobody')) for i in range(40)]
        known, unknown = (min(p[i] for p in pairs) for i in (0, 1))
        self.assertGreater(known, .005)
        self.assertLess(abs(known - unknown), known / 3)

    def recipient(self, address, **more):
        return self.c.ask('POST', '/recipients', dict(address=address,
                                                      **more))

    def test_recipients(self):
        """Addresses: aliases first, then accounts of that name"""
        self.server.admin('alias', 'add', 'Info@example.org', 'joe')
        self.server.admin('alias', 'add', 'jörg@example.org', 'joe')
        inbox = self.inbox('joe')
        for address in ('info@example.org', 'INFO@EXAMPLE.ORG', 'joe',
                        'jörg@example.org'):
            a = self.recipient(address, **{'from': 'a@b', 'size': 5})
            self.assertEqual((a.status, a.json()), (200, {
                'account': 'joe', 'mailbox': inbox}))
        self.assertEqual(self.recipient('jim@example.org', **{'from': ''}
                                        ).json()['account'],
                         'jim@example.org')
        for address in 'nobody@example.org', 'example.org', 'JOE':
            self.code(self.recipient(address), 404, 'unknown-recipient')
        self.code(self.recipient('joe', size=1 << 40), 413, 'too-large')
        for bad in ({}, {'address': 1}, {'address': ''},
                    {'address': '<joe>'}, {'address': 'a\nb'},
                    {'address': 'joe', 'size': -1},
                    {'address': 'joe', 'from': 1}):
            self.code(self.c.ask('POST', '/recipients', bad), 400,
                      'bad-request')
        self.code(self.recipient('joe', x=1), 400, 'unknown-parameter')
        self.assertIn('Info@example.org\tjoe', self.server.admin(
            'alias', 'list')[1])
        self.server.admin('alias', 'del', 'info@EXAMPLE.org')
        self.code(self.recipient('info@example.org'), 404,
                  'unknown-recipient')


class Backup(StoreTest):
    args = ('-o', 'grace=0')

    def fill(self):
        self.m = self.inbox()
        self.c.create('joe', 'a/b', roles=['archive'])
        self.c.ask('POST', '/accounts/joe/subscriptions', {'add': ['a/b']})
        for i in range(20):
            self.c.add('joe', self.m, b'%d' % i, flags=['k%d' % (i % 3)],
                       date='2020-01-01T00:00:%02dZ' % i)
        self.c.add('joe', self.m, b'L' * 400000)
        self.c.expunge('joe', self.m, '3')

    def contents(self, c, account='joe'):
        """What of a store survives a restore"""
        found = []
        for row in c.mailboxes(account):
            s = c.state(account, row['id'])
            found.append((row['name'], row.get('roles'), row['subscribed'],
                          row['uidnext'], [
                (u, r['flags'], r['date'], r['size'], r['id'],
                 c.content(account, r['id']).body) for u, r in
                sorted(s.items())]))
        return found

    def restored(self, backup):
        s = Server()
        self.addCleanup(s.remove)
        s.admin('restore', backup, s.folder)
        s.check()
        return s.start()

    def test_backup(self):
        """A copy of a running server, restored elsewhere"""
        self.fill()
        before = self.contents(self.c)
        old = {r['name']: r for r in self.c.mailboxes('joe')}
        cursor = self.c.ask('GET', box('joe')).lines()[0]['cursor']
        backup = self.server.top + '/backup'
        self.server.admin('backup', self.server.folder, backup)
        # what comes later is not in it
        late = self.c.create('joe', 'late')
        self.c.add('joe', self.m, b'late')
        s = self.restored(backup)
        c = s.client()
        self.assertEqual(self.contents(c), before)
        # the restore rule: new uidvalidities for all, over the old ones
        for row in c.mailboxes('joe'):
            self.assertNotEqual(row['id'], old[row['name']]['id'])
            self.assertGreater(row['uidvalidity'],
                               old[row['name']]['uidvalidity'])
            self.assertGreaterEqual(row['uidvalidity'],
                                    int(time.time()) - 60)
        self.assertEqual(len({r['uidvalidity']
                              for r in c.mailboxes('joe')}), 2)
        again = c.create('joe', 'late')
        self.assertNotEqual(again['id'], late['id'])
        self.assertGreater(again['uidvalidity'], max(
            r['uidvalidity'] for r in c.mailboxes('joe')[:-1]))
        # cursors of the time before are void
        self.code(c.ask('GET', '/events?since=' + cursor), 410,
                  'cursor-too-old')
        self.code(c.list('joe', self.m), 404, 'no-such-mailbox')
        c.close()
        s.stop()

    def test_uidvalidities(self):
        """None is met again, though mailboxes are made faster than one a
        second, and a backup restored twice"""
        self.fill()
        backup = self.server.top + '/backup'
        self.server.admin('backup', self.server.folder, backup)
        given = {r['uidvalidity'] for r in self.c.mailboxes('joe')}
        for s in self.server, self.restored(backup), self.restored(backup):
            c = s.client()
            new = [] if s is self.server else c.mailboxes('joe')
            new += [c.create('joe', 'm%d' % i) for i in range(30)]
            self.assertFalse(given & {r['uidvalidity'] for r in new})
            given.update(r['uidvalidity'] for r in new)
            c.close()
            if s is not self.server:
                s.stop()

    def test_uidvalidities_end(self):
        """At the end of the 32 bits a restore goes no further than it must"""
        self.fill()
        self.c.close()
        self.server.stop()
        db = sqlite3.connect(self.server.folder + '/store.db')
        db.execute('UPDATE account SET uidvalidity = 4294967000')
        db.commit()
        db.close()
        backup = self.server.top + '/backup'
        self.server.admin('backup', self.server.folder, backup)
        s = self.restored(backup)
        c = s.client()
        now = sorted(r['uidvalidity'] for r in c.mailboxes('joe'))
        self.assertEqual([4294967001, 4294967002], now)
        c.close()
        s.stop()

    @atf.timeout(200)
    def test_under_load(self):
        """Backups while messages come, large and small, and go"""
        m = self.inbox()
        stop = threading.Event()

        def load(i):
            c = self.server.client()
            k = 0
            while not stop.is_set():
                k += 1
                body = b'%d.%d ' % (i, k) + b'x' * (
                    200000 if k % 4 == 0 else 500)
                row = c.add('joe', m, body)
                if k > 5:
                    c.expunge('joe', m, str(row['uid'] - 5))
            c.close()

        def backups():
            try:
                for i in range(4):
                    time.sleep(.5)
                    self.server.admin('backup', self.server.folder,
                                      self.server.top + '/b%d' % i)
            finally:
                stop.set()
        parallel(backups, *(lambda i=i: load(i) for i in range(4)))
        for i in range(4):
            s = self.restored(self.server.top + '/b%d' % i)
            c = s.client()
            m = c.mailbox('joe')['id']
            rows = c.state('joe', m)
            self.assertGreater(len(rows), 3)
            for r in rows.values():
                self.assertEqual(len(c.content('joe', r['id']).body),
                                 r['size'])
            c.close()
            s.stop()

    def test_targets(self):
        """Targets that are not empty, backups that are not whole"""
        self.fill()
        backup = self.server.top + '/backup'
        os.mkdir(backup)
        open(backup + '/x', 'w').close()
        status, text = self.server.admin('backup', self.server.folder,
                                         backup, check=False)
        self.assertEqual(status, 1)
        self.assertIn('not empty', text)
        os.unlink(backup + '/x')
        self.server.admin('backup', self.server.folder, backup)
        status, text = self.server.admin('restore', backup,
                                         self.server.folder, check=False)
        self.assertEqual(status, 1)
        self.assertIn('not empty', text)
        os.unlink(backup + '/complete')
        status, text = self.server.admin('restore', backup,
                                         self.server.top + '/new',
                                         check=False)
        self.assertEqual(status, 1)
        self.assertIn('not a complete backup', text)
        for words in (['backup', '/nonexistent', '/tmp/x'],
                      ['restore', '/nonexistent', '/tmp/x'],
                      ['check', '/nonexistent']):
            self.assertEqual(self.server.admin(*words, check=False)[0], 1)

    def test_links(self):
        """Large contents are linked where they can be; the backup is
        independent of what the server removes"""
        self.fill()
        backup = self.server.top + '/backup'
        self.server.admin('backup', self.server.folder, backup)
        files = [os.path.join(d, f) for d, _, fs in
                 os.walk(backup + '/body') for f in fs]
        self.assertEqual(len(files), 1)
        self.assertEqual(os.stat(files[0]).st_nlink, 2)
        self.c.expunge('joe', self.m, '1:1000')
        end = time.monotonic() + 40 * SLOW
        while os.stat(files[0]).st_nlink > 1:
            self.assertLess(time.monotonic(), end)
            time.sleep(.2)
        self.assertEqual(os.stat(files[0]).st_size, 400000)

    def test_check(self):
        """check finds what is wrong"""
        self.fill()
        self.c.close()
        self.server.stop()
        good = self.server.top + '/good'
        shutil.copytree(self.server.folder, good)
        faults = [
            'UPDATE mailbox SET messages = messages + 1 WHERE no = 1',
            'UPDATE mailbox SET unseen = 0 WHERE no = 1',
            'UPDATE mailbox SET uidnext = 2 WHERE no = 1',
            'UPDATE message SET modseq = 1000000 WHERE uid = 2',
            'DELETE FROM mailbox WHERE no = 1',
            'DELETE FROM content WHERE no = 1',
            'UPDATE content SET data = x\'0000\' WHERE no = 1',
            'UPDATE holding SET refs = 2 WHERE content = 2',
            'DELETE FROM flagset WHERE no > 1',
            'UPDATE account SET uidvalidity = 5',
            "INSERT INTO metadata VALUES (1, 999, '/private/x', x'79')",
            "INSERT INTO dict VALUES (1, 1, 'a', 'b', 2, x'79')",
            "INSERT INTO scram VALUES ('nobody', 1, x'79', x'79', x'79')",
        ]
        for sql in faults:
            bad = self.server.top + '/bad'
            shutil.copytree(good, bad)
            db = sqlite3.connect(bad + '/store.db')
            db.execute(sql)
            db.commit()
            db.close()
            status, text = self.server.admin('check', bad, check=False)
            self.assertEqual(status, 1, sql)
            self.assertIn('faults', text)
            shutil.rmtree(bad)
        shutil.copytree(good, bad)
        path, = [os.path.join(d, f) for d, _, fs in os.walk(bad + '/body')
                 for f in fs]
        os.rename(path, path[:-1] + ('0' if path[-1] != '0' else '1'))
        status, text = self.server.admin('check', bad, check=False)
        self.assertEqual(status, 1)
        self.assertIn('is missing', text)
        self.assertIn('no message has it', text)
        os.unlink(path[:-1] + ('0' if path[-1] != '0' else '1'))
        with open(path, 'w') as f:
            f.write('short')
        status, text = self.server.admin('check', bad, check=False)
        self.assertIn('not the size', text)
        with open(bad + '/store.db', 'r+b') as f:
            f.seek(8192)
            f.write(b'\xff' * 20000)
        self.assertEqual(self.server.admin('check', bad, check=False)[0], 1)


if __name__ == '__main__':
    atf.main()
