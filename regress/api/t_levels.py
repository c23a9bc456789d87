#!/usr/bin/env python3
"""What a mail user gets at each level of mfront-storage(7): mstored with
capabilities switched off, behind the whole house."""

import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))
sys.path.insert(0, os.path.join(HERE, '..', 'mstored'))

import atf                                              # noqa: E402
from store import Server                                # noqa: E402
from whole import PASSWORD, Whole, free_port            # noqa: E402

LEVEL0 = set()
LEVEL1 = {'write'}
LEVEL2 = LEVEL1 | {'modseq', 'events', 'idempotency', 'copy'}
ALL = LEVEL2 | {'auth', 'recipients', 'subscriptions', 'cache', 'range',
                'dict'}
MESSAGE = 'From: a@b\r\nSubject: one\r\n\r\nbody\r\n'
SECOND = 1.1            # the row is asked for once a second at most


class Levels(unittest.TestCase):
    def begin(self, capabilities, prepare=None):
        """A house in front of an mstored that can only do that"""
        self.port = free_port()
        self.store = Server('-l', '127.0.0.1:%d' % self.port, sock=False)
        self.addCleanup(self.store.remove)
        if prepare is not None:
            self.store.start()
            prepare(self.start_house())
            self.end_house()
            self.store.stop()
        off = [arg for name in sorted(ALL - capabilities)
               for arg in ('-D', name)]
        self.store.start(*off)
        return self.start_house()

    def start_house(self):
        self.house = Whole(
            listen=('imap', 'pop3', 'lmtp'), storage='storage "main" url '
            '"http://127.0.0.1:%d/v1"' % self.port)
        self.addCleanup(self.end_house)
        self.house.start()
        self.house.logged(r'storage main: mstored \S+ is up')
        return self.house

    def end_house(self):
        if self.house is not None:
            self.house.close()
        self.house = None

    def finish(self):
        self.end_house()
        self.store.stop()
        self.store.check()

    def flags(self, c, what='1:*'):
        return {n: items['FLAGS'] for n, items in
                c.ok('FETCH %s FLAGS' % what).fetched()}

    def deliver(self, house, reply):
        m = house.client('lmtp')
        self.addCleanup(m.close)
        m.line()
        m.send('LHLO test')
        while m.line()[3] == '-':
            pass
        m.cmd('MAIL FROM:<a@b>')
        self.assertEqual(m.cmd('RCPT TO:<joe@localhost>')[:3], '250')
        m.cmd('DATA')
        self.assertEqual(m.cmd(MESSAGE, '.')[:3], reply)
        m.cmd('QUIT')

    def append(self, c, mailbox='INBOX'):
        return c.cmd('APPEND %s {%d+}\r\n%s' % (mailbox, len(MESSAGE),
                                                MESSAGE))

    @atf.timeout(240)
    def test_level0(self):
        """Read-only: everything can be seen, nothing changed"""
        def prepare(house):
            c = house.imap()
            for i in range(3):
                self.assertEqual(self.append(c).type, 'OK')
            c.ok('CREATE box')
            c.close()
        house = self.begin(LEVEL0, prepare)
        c = house.imap()
        r = c.ok('SELECT INBOX')
        self.assertEqual(r.code, 'READ-ONLY')
        self.assertEqual(r.one('EXISTS').number, 3)
        self.assertIn(MESSAGE.encode(), c.ok('FETCH 2 BODY[]')
                      .one('FETCH').raw)
        self.assertEqual(c.ok('SEARCH SUBJECT one').one('SEARCH').raw,
                         b'* SEARCH 1 2 3\r\n')
        self.assertEqual(len(c.ok('LIST "" *').all('LIST')), 2)
        # who keeps no subscriptions is subscribed to everything
        self.assertEqual(len(c.ok('LSUB "" *').all('LSUB')), 2)
        for cmd in ('STORE 1 +FLAGS (x)', 'EXPUNGE', 'COPY 1 box',
                    'CREATE more', 'DELETE box', 'RENAME box bag',
                    'UNSUBSCRIBE box'):
            self.assertEqual(c.cmd(cmd).type, 'NO', cmd)
        self.assertEqual(self.append(c).type, 'NO')
        self.assertEqual(c.ok('FETCH 1 FLAGS').fetched()[0][0], 1)
        c.close()
        p = house.client('pop3')
        self.addCleanup(p.close)
        p.line()
        p.cmd('USER joe')
        self.assertEqual(p.cmd('PASS ' + PASSWORD)[:3], '+OK')
        self.assertEqual(p.cmd('DELE 1')[:4], '-ERR')
        self.assertEqual(p.cmd('QUIT')[:3], '+OK')
        # not for good: that the store cannot is nobody's fault
        self.deliver(house, '451')
        self.finish()

    @atf.timeout(240)
    def test_level1(self):
        """COPY and MOVE by hand; what others do is seen by looking"""
        house = self.begin(LEVEL1)
        c, d = house.imap(select='INBOX'), house.imap(select='INBOX')
        self.deliver(house, '250')
        self.assertEqual(self.append(c).code, 'APPENDUID')
        time.sleep(SECOND)
        self.assertEqual(d.ok('NOOP').one('EXISTS').number, 2)
        c.ok('STORE 1 +FLAGS (\\Flagged x)')
        c.ok('STORE 2 +FLAGS (\\Deleted)')
        time.sleep(SECOND)
        d.ok('NOOP')
        self.assertIn('x', self.flags(d)[1])
        self.assertEqual(c.ok('EXPUNGE').one('EXPUNGE').number, 2)
        time.sleep(SECOND)
        self.assertEqual(d.ok('NOOP').one('EXPUNGE').number, 2)
        c.ok('CREATE a/b')
        c.ok('RENAME a c')
        self.assertEqual(c.ok('COPY 1 c/b').code, 'COPYUID')
        self.assertEqual(c.ok('MOVE 1 c/b').one('EXPUNGE').number, 1)
        c.ok('STATUS c/b (MESSAGES UNSEEN)')
        c.ok('DELETE c/b')
        c.close()
        d.close()
        self.finish()

    @atf.timeout(240)
    def test_level2(self):
        """Pushed to IDLE, copied, moved, with modseqs"""
        house = self.begin(LEVEL2)
        c, d = house.imap(select='INBOX'), house.imap(select='INBOX')
        said = c.ok('CAPABILITY').one('CAPABILITY').raw
        self.assertIn(b' MOVE CONDSTORE', said)
        self.assertEqual(self.append(c).code, 'APPENDUID')
        self.assertEqual(d.ok('NOOP').one('EXISTS').number, 1)
        c.ok('CREATE box')
        self.assertEqual(c.ok('COPY 1 box').code, 'COPYUID')
        self.assertEqual(c.ok('MOVE 1 box').one('EXPUNGE').number, 1)
        self.assertEqual(d.ok('NOOP').one('EXPUNGE').number, 1)
        r = d.ok('SELECT box (CONDSTORE)')
        self.assertEqual(r.one('EXISTS').number, 2)
        self.assertIn('HIGHESTMODSEQ', r.codes())
        c.close()
        d.close()
        self.finish()

    @atf.timeout(240)
    def test_into_itself(self):
        """Copies into the mailbox that is open appear in it, whatever the
        backend tells"""
        for less in (set(), {'events'}, {'modseq'}, {'events', 'modseq'}):
            house = self.begin(ALL - less)
            c, d = house.imap(select='INBOX'), house.imap(select='INBOX')
            self.append(c)
            r = c.ok('COPY 1 INBOX')
            self.assertEqual(r.one('EXISTS').number, 2)
            r = c.ok('MOVE 1 INBOX')
            self.assertEqual(r.one('EXPUNGE').number, 1)
            self.assertEqual(r.all('EXISTS')[-1].number, 2)
            for s in c, d:
                time.sleep(SECOND if less else 0)
                s.ok('NOOP')
                self.assertEqual([items['UID'] for n, items in
                                  s.ok('FETCH 1:* UID').fetched()], [2, 3])
                s.close()
            self.finish()


if __name__ == '__main__':
    atf.main()
