#!/usr/bin/env python3
"""A full disk: 507 before anything is acknowledged, and well afterwards."""

import os
import subprocess
import tempfile
import time
import unittest

from store import SLOW, Server, atf, uids


def root(method):
    method.root = True
    return method


class Full(unittest.TestCase):
    def setUp(self):
        self.mount = tempfile.mkdtemp(prefix='mstored.full.')
        p = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=6m', 'none',
                            self.mount], capture_output=True, text=True)
        if p.returncode != 0:
            os.rmdir(self.mount)
            self.skipTest('cannot mount a tmpfs: ' + p.stderr.strip())
        self.server = Server(folder=self.mount + '/store')
        self.addCleanup(self.clean)
        self.server.start()
        self.c = self.server.client()
        self.m = self.c.mailbox('joe')['id']
        self.to = {'account': 'joe', 'mailbox': self.m}

    def clean(self):
        self.server.remove()
        subprocess.run(['umount', '-l', self.mount])
        os.rmdir(self.mount)

    def finish(self):
        self.c.close()
        self.server.stop()
        self.server.check()

    def fill(self, size, **more):
        """Uploads until the disk is full: the rows that were promised"""
        promised = []
        for i in range(5000):
            body = b'%d ' % i + b'x' * size
            a = self.c.upload(self.to, body, **more)
            if a.status != 200:
                self.assertEqual((a.status, a.code), (507, 'storage-full'))
                return promised
            row, = a.lines()[1]
            if 'code' in row:
                self.assertEqual(row['code'], 'storage-full')
                return promised
            promised.append((row['uid'], row['id'], body))
        self.fail('the disk does not get full')

    def check_all(self, promised):
        s = self.c.state('joe', self.m)
        self.assertEqual(sorted(s), sorted(u for u, _, _ in promised))
        for uid, id, body in promised:
            self.assertEqual(self.c.content('joe', id).body, body)

    @root
    @atf.timeout(200)
    def test_small(self):
        """Small messages until it is full; reading goes on; a restart
        finds everything; with room again it works again"""
        ballast = self.mount + '/ballast'
        with open(ballast, 'wb') as f:
            f.write(b'x' * 1500000)
        promised = self.fill(20000)
        self.assertGreater(len(promised), 10)
        for i in range(20):
            self.c.upload(self.to, b'more' * 10000)
        self.check_all(promised)
        self.server.kill()
        os.unlink(ballast)
        self.server.start()
        self.c = self.server.client()
        self.check_all(promised)
        promised += self.fill(20000)
        self.check_all(promised)
        self.finish()

    @root
    @atf.timeout(200)
    def test_large(self):
        """Large messages: the half-written file goes away, and its room is
        there for others"""
        promised = self.fill(500000)
        self.assertGreater(len(promised), 2)
        end = time.monotonic() + 10 * SLOW
        while os.listdir(self.mount + '/store/body/new'):
            self.assertLess(time.monotonic(), end)
            time.sleep(.05)
        self.check_all(promised)
        row = self.c.add('joe', self.m, b'small')
        promised.append((row['uid'], row['id'], b'small'))
        self.check_all(promised)
        self.finish()

    @root
    @atf.timeout(200)
    def test_without_restart(self):
        """Full, then room: the same process goes on"""
        ballast = self.mount + '/ballast'
        with open(ballast, 'wb') as f:
            f.write(b'x' * 1500000)
        promised = self.fill(20000)
        codes = {self.c.ask('POST', '/accounts/joe/mailboxes',
                            {'name': '%03d' % i * 300}).status
                 for i in range(200)}
        self.assertLessEqual(codes, {201, 507})
        os.unlink(ballast)
        row = self.c.add('joe', self.m, b'y' * 20000)
        promised.append((row['uid'], row['id'], b'y' * 20000))
        self.assertEqual(self.c.patch('joe', self.m, uids='1', add=['x']
                                      ).status, 200)
        self.check_all(promised)
        self.finish()

    @root
    @atf.timeout(200)
    def test_key(self):
        """What was refused for lack of room is stored by a repeat"""
        ballast = self.mount + '/ballast'
        with open(ballast, 'wb') as f:
            f.write(b'x' * 1500000)
        promised = self.fill(20000)
        a = self.c.upload(self.to, b'z' * 100000, key='k')
        self.assertNotIn(b'"uid"', a.body)
        os.unlink(ballast)
        a = self.c.upload(self.to, b'z' * 100000, key='k')
        row, = a.lines()[1]
        self.assertEqual(self.c.upload(self.to, b'z' * 100000, key='k').body,
                         a.body)
        promised.append((row['uid'], row['id'], b'z' * 100000))
        self.check_all(promised)
        self.finish()


if __name__ == '__main__':
    atf.main()
