#!/usr/bin/env python3
"""Accounts on several storages: routes."""

import os
import poplib
import smtplib
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from whole import PASSWORD, SLOW, Whole, WholeTest

STORAGES = '''storage "main" embedded "$dir/store"
storage "far" embedded "$dir/far"
storage "down" url "http://127.0.0.1:9/v1"
route "*@far.example" storage "far"
route "*@down.example" storage "down"
route "f*" storage "far"'''


def letter(subject, size=200):
    text = 'From: a@example.org\r\nSubject: %s\r\n\r\n' % subject
    line = 'x' * 76 + '\r\n'
    return (text + line * (size // len(line) + 1)).encode()


class Routes(WholeTest):
    options = dict(listen=('imap', 'pop3', 'lmtp'), storage=STORAGES,
                   users=('joe', 'jim', 'fred', 'ann@far.example',
                          'dan@down.example'))
    auto = False

    def setUp(self):
        super().setUp()
        self.house = Whole(**self.options)
        self.addCleanup(self.finish)
        self.domains('localhost', 'far.example', 'down.example')
        self.house.start()

    def domains(self, *names):
        with open(self.house.path('conf')) as f:
            text = f.read()
        self.house.write('conf', text.replace(
            'domains { localhost }', 'domains { %s }' % ' '.join(names)))

    def send(self, to, text):
        c = smtplib.LMTP(*self.house.address('lmtp'), timeout=30 * SLOW)
        self.clients.append(c)
        c.ehlo('test')
        c.docmd('MAIL', 'FROM:<a@example.org>')
        got = [c.docmd('RCPT', 'TO:<%s>' % t) for t in to]
        self.assertEqual(354, c.docmd('DATA')[0])
        c.sock.sendall(text + b'.\r\n')
        return [c.getreply()[0] if code == 250 else code for code, _ in got]

    def count(self, user):
        c = poplib.POP3(*self.house.address('pop3'), timeout=30 * SLOW)
        self.clients.append(c)
        c.user(user)
        c.pass_(PASSWORD)
        return c.stat()

    def accounts(self, folder):
        db = sqlite3.connect('file:%s?mode=ro' % self.house.path(
            folder + '/store.db'), uri=True)
        try:
            return sorted(n for n, in db.execute('SELECT name FROM account'))
        finally:
            db.close()

    def test_accounts(self):
        """each is where its route says, and nowhere else"""
        for user in ('joe', 'jim', 'fred', 'ann@far.example'):
            self.imap(user=user).ok('SELECT INBOX')
        self.assertEqual(['jim', 'joe'], self.accounts('store'))
        self.assertEqual(['ann@far.example', 'fred'], self.accounts('far'))

    def test_delivery(self):
        """one transaction for recipients on both"""
        to = ['joe@localhost', 'fred@localhost', 'nobody@localhost',
              'ann@far.example', 'jim@localhost']
        for size in (1, 100 * 1024, 200 * 1024, 3 << 20):
            self.assertEqual([250, 250, 550, 250, 250],
                             self.send(to, letter('n%d' % size, size)))
        sizes = {self.count(u) for u in ('joe', 'jim', 'fred',
                                         'ann@far.example')}
        self.assertEqual(1, len(sizes), sizes)
        self.assertEqual(4, sizes.pop()[0])

    def test_one_is_down(self):
        """its recipients are told to come back, the others get theirs"""
        to = ['joe@localhost', 'dan@down.example', 'jim@localhost']
        for size in (1, 2 << 20):
            self.assertEqual([250, 451, 250],
                             self.send(to, letter('second', size)))
        self.assertEqual(2, self.count('joe')[0])
        self.imap(user='joe', select='INBOX')
        self.imap(user='fred', select='INBOX')
        self.imap(user='dan@down.example').no('SELECT INBOX', code='UNAVAILABLE')

    def test_reload(self):
        """another route: whoever was there is not any more"""
        c = self.imap(user='fred', select='INBOX')
        other = self.imap(user='joe', select='INBOX')
        with open(self.house.path('conf')) as f:
            conf = f.read()
        self.house.write('conf', conf.replace('route "f*" storage "far"\n',
                                              ''))
        status, said = self.house.reload()
        self.assertEqual(0, status, said)
        self.assertIn('routes', said)
        self.assertIn(b'BYE', c.rest())
        other.ok('NOOP')
        self.imap(user='fred').ok('SELECT INBOX')
        self.assertIn('fred', self.accounts('store'))


if __name__ == '__main__':
    atf.main()
