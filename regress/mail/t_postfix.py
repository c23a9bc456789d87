#!/usr/bin/env python3
"""Postfix delivers by LMTP: a message's whole way from an MTA."""

import email
import os
import re
import sys
import threading

import mail                                             # noqa: F401
import atf
import postfix
from mail import (MailTest, crlf, each_way, free_port, letter, odd_mails,
                  on_all_ways)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'mstored'))

from store import Server                                # noqa: E402

# it mends their headers, or takes lines out of them
REWRITTEN = ('addresses', 'barecr', 'bounce', 'contfirst', 'empty', 'groups',
             'junk', 'lfonly', 'listmail', 'mixedends')
# what it writes in front of a message
RECEIVED = re.compile(rb'\AReceived: from .*\r\n(?:[ \t].*\r\n)*')


def root(method):
    method.root = True
    return method


class PostfixTest(MailTest):
    programs = ('postfix',)
    users = ('joe', 'jim', 'ann', 'j\u00f6rg')

    def postfix(self, way='plain', more=''):
        self.mta = postfix.Postfix(self.house.top, self.port('lmtp', way), way,
                                   self.ca, more)
        self.addCleanup(self.mta.stop)
        return self.mta.start()

    def bodies(self, user='joe', mailbox='INBOX'):
        """Without what the two have put in front"""
        found = []
        for text in super().bodies(user, mailbox):
            m = RECEIVED.match(text)
            found.append(text[m.end():] if m else text)
        return found

    def bounce(self, user='ann'):
        """The one delivery status notification in a mailbox"""
        text, = self.contents(user).values()
        self.assertTrue(text.startswith(b'Return-Path: <>\r\n'), text[:200])
        m = email.message_from_bytes(text)
        self.assertEqual('multipart/report', m.get_content_type())
        return '\n'.join(str(p) for p in m.get_payload(1).get_payload())


@each_way
class Postfix(PostfixTest):
    @root
    @on_all_ways
    def test_odd(self, way):
        """odd mails, to two recipients each"""
        p = self.postfix(way)
        sent = [crlf(text) for name, text in odd_mails().items()
                if name not in REWRITTEN]
        for text in sent:
            p.send(text, 'joe@localhost', 'jim@localhost')
        p.empty()
        for user in ('joe', 'jim'):
            self.assertEqual(sorted(sent), sorted(self.bodies(user)))
            for text in self.contents(user).values():
                self.assertRegex(text.partition(b'\r\n\r\n')[0],
                                 b'(?m)^Received: from mx.test .*\r\n(\t.*'
                                 b'\r\n)*?\t.* with %s ' %
                                 (b'LMTP' if way == 'plain' else b'LMTPS'))
        self.assertEqual({}, self.contents('ann'))
        # from a certificate that it has verified
        self.assertEqual(way != 'plain', bool(re.search(
            'Verified TLS connection established to 127.0.0.1', p.log())))

    @root
    def test_unknown(self):
        """who does not exist: bounced; the others have it, and no bounce"""
        p = self.postfix()
        p.send(letter('x'), 'joe@localhost', 'nobody@localhost',
               'jim@localhost')
        p.empty()
        for user in ('joe', 'jim'):
            self.assertEqual([letter('x')], self.bodies(user))
        said = self.bounce()
        self.assertRegex(said, r'Final-Recipient: rfc822; ?nobody@localhost')
        self.assertIn('Action: failed', said)
        self.assertIn('Status: 5.1.1', said)
        self.assertNotIn('jim@', said)

    @root
    def test_utf8(self):
        """addresses and headers in UTF-8; bodies of eight bits"""
        p = self.postfix()
        text = letter('Gr\u00fc\u00dfe', 'caf\u00e9\r\n',
                      To='J\u00f6rg <j\u00f6rg@localhost>')
        c = p.client()
        c.ehlo('test')
        c.command_encoding = 'utf-8'
        self.assertEqual(250, c.mail('ann@localhost',
                                     ['SMTPUTF8', 'BODY=8BITMIME'])[0])
        self.assertEqual(250, c.rcpt('j\u00f6rg@localhost')[0])
        self.assertEqual(250, c.data(text)[0])
        c.quit()
        p.send(crlf(odd_mails()['eightbit']), 'joe@localhost',
               options=['BODY=8BITMIME'])
        p.empty()
        self.assertEqual([text], self.bodies('j\u00f6rg'))
        got, = self.contents('j\u00f6rg').values()
        self.assertIn(b' with UTF8LMTP', got)
        self.assertEqual([crlf(odd_mails()['eightbit'])], self.bodies())

    @root
    def test_big(self):
        """20 MB, whole; what is over the limit is bounced"""
        self.house.more += '\nlimits { message size 24M }'
        self.house.write_conf()
        self.assertEqual(0, self.house.reload()[0])
        p = self.postfix()
        text = letter('big') + (b'.' + b'x' * 76 + b'\r\n') * 270000
        p.send(text, 'joe@localhost')
        p.send(text + text, 'jim@localhost')
        p.empty()
        self.assertTrue([text] == self.bodies())
        self.assertEqual([], self.bodies('jim'))
        self.assertRegex(self.bounce(), 'Status: 5.(3.4|2.3)')

    @root
    def test_many(self):
        """many at once: each arrives, once"""
        p = self.postfix()
        users = ('joe', 'jim', 'ann')
        failed = []

        def send(k):
            try:
                for n in range(10):
                    p.send(letter('n%d-%d' % (k, n), 'x' * 70 * k * n),
                           *(u + '@localhost' for u in users))
            except Exception as e:      # told by the test, not the thread
                failed.append(e)
        threads = [threading.Thread(target=send, args=(k,))
                   for k in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([], failed)
        p.empty(60)
        want = sorted(letter('n%d-%d' % (k, n), 'x' * 70 * k * n +
                             ('\r\n' if k and n else ''))
                      for k in range(10) for n in range(10))
        for user in users:
            self.assertEqual(want, sorted(self.bodies(user)))

    @root
    def test_frontend_down(self):
        """a frontend that is not there: kept, and delivered later"""
        p = self.postfix()
        self.house.stop()
        p.send(letter('later'), 'joe@localhost', 'nobody@localhost')
        p.logged('status=deferred')
        row, = p.queue()
        self.assertEqual('deferred', row['queue_name'])
        self.house.start()
        p.flush()
        p.empty()
        self.assertEqual([letter('later')], self.bodies())
        self.assertIn('Status: 5.1.1', self.bounce())


class Down(PostfixTest):
    """A storage of its own, that can be stopped"""

    def begin(self):
        port = free_port()
        self.store = Server('-l', '127.0.0.1:%d' % port, sock=False)
        self.addCleanup(self.store.remove)
        self.store.start()
        house = super().begin(storage='storage "main" url '
                              '"http://127.0.0.1:%d/v1"' % port)
        house.logged(r'storage main: mstored \S+ is up')
        return house

    @root
    def test_store_down(self):
        """a storage that is not there: never refused, delivered later"""
        p = self.postfix()
        self.store.stop()
        for n in range(3):
            p.send(letter('later %d' % n), 'joe@localhost', 'jim@localhost')
        p.logged('status=deferred', 6)
        self.assertNotIn('status=bounced', p.log())
        self.assertRegex(p.log(), r'said: 451 4\.')
        self.store.start()
        self.house.logged(r'storage main: mstored \S+ is up', count=2)
        p.flush()
        p.empty()
        for user in ('joe', 'jim'):
            self.assertEqual([letter('later %d' % n) for n in range(3)],
                             sorted(self.bodies(user)))
        self.assertEqual([], self.bodies('ann'))


if __name__ == '__main__':
    atf.main()
