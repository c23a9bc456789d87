#!/usr/bin/env python3
"""POP3's AUTH SCRAM-SHA-256 (RFC 5034), in front of a store that has the
keys: everything about the exchange itself is in regress/auth and
regress/imap."""

import base64
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ('imap', 'house'):
    sys.path.insert(0, os.path.join(HERE, '..', folder))

import atf                                              # noqa: E402
from scram import Scram, b64                            # noqa: E402
from t_login_scram import Keys                          # noqa: E402
from whole import SLOW                                  # noqa: E402

AUTH = 'AUTH SCRAM-SHA-256'


class Pop3(Keys):
    def begin(self, **more):
        super().begin(listen=('pop3', 'pop3s'), **more)

    def pop3(self, protocol='pop3'):
        c = self.client(protocol)
        self.assertIn('+OK', c.line())
        return c

    def mechanisms(self, c, command='CAPA'):
        c.send(command)
        lines = []
        while not lines or lines[-1] != '.':
            lines.append(c.line())
        self.assertIn('+OK', lines[0])
        if command == 'AUTH':
            return lines[1:-1]
        sasl = [l.split()[1:] for l in lines if l.startswith('SASL ')]
        return sasl[0] if sasl else []

    def challenge(self, c):
        m = re.fullmatch(r'\+ ([A-Za-z0-9+/]+=*)', c.line())
        assert m
        return base64.b64decode(m.group(1))

    def start(self, c, s, ir=True):
        if ir:
            c.send(AUTH + ' ' + b64(s.first()))
        else:
            self.assertEqual('+ ', c.cmd(AUTH))
            c.send(b64(s.first()))
        return self.challenge(c)

    def login(self, c, user='joe', password='pencil', ir=True):
        s = Scram(user, password)
        c.send(b64(s.final(self.start(c, s, ir))))
        self.assertTrue(s.proven(self.challenge(c)))
        return c.cmd('')

    def test_ways(self):
        """with and without the initial response, with TLS, pipelined"""
        self.begin()
        both = ['PLAIN', 'SCRAM-SHA-256']
        for user, password, ir, protocol in (
                ('joe', 'pencil', True, 'pop3'),
                ('o=b,i', 'p\u00e4\u00dfwort', False, 'pop3s')):
            c = self.pop3(protocol)
            self.assertEqual(both, self.mechanisms(c))
            self.assertEqual(both, self.mechanisms(c, 'AUTH'))
            self.assertIn('+OK', self.login(c, user, password, ir))
            self.assertEqual('+OK 0 0', c.cmd('STAT'))
            self.assertEqual('+OK', c.cmd('QUIT')[:3])
        c = self.pop3()
        s = Scram('joe', 'pencil')
        c.send(b64(s.final(self.start(c, s))), '', 'STAT')
        self.assertTrue(s.proven(self.challenge(c)))
        self.assertIn('+OK', c.line())
        self.assertEqual('+OK 0 0', c.line())
        c = self.pop3()
        c.send('USER joe', 'PASS pencil')
        self.assertEqual(['+OK', '+OK'], [c.line()[:3] for _ in '12'])
        self.failed(0)

    def test_refused(self):
        """wrong, cancelled, no messages; the session goes on"""
        self.begin()
        c = self.pop3()
        for text in ('=', '!', 'AAAA', b64(b'p=tls-unique,,n=joe,r=x')):
            self.assertRegex(c.cmd(AUTH + ' ' + text), r'^-ERR [^\[]')
        for line in ('*', '', '!!', 'am9l', b64(b'x' * 3000)):
            c.cmd(AUTH)
            self.assertRegex(c.cmd(line), r'^-ERR [^\[]')
        for line in ('*', '!!', b64(b'x' * 3000)):
            self.start(c, Scram('joe', 'pencil'))
            self.assertRegex(c.cmd(line), r'^-ERR [^\[]')
        self.failed(0)
        old = b''
        for n, (user, wrong, why) in enumerate((
                ('joe', lambda s, m: s.final(m)[:-3], 'exchange'),
                ('joe', lambda s, m: old, 'exchange'),
                ('joe', lambda s, m: s.final(m, nonce='x'), 'exchange'),
                ('jim', lambda s, m: s.final(m), 'password'))):
            s = Scram(user, 'pencil')
            m = self.start(c, s)
            c.send(b64(wrong(s, m)))
            old = s.final(m)
            self.assertIn('-ERR [AUTH]', c.line())
            self.assertIn('user="%s" reason="bad %s"' % (user, why),
                          self.failed(n + 1))
        # in the place of nothing
        for line in ('*', 'AAAA'):
            s = Scram('joe', 'pencil')
            c.send(b64(s.final(self.start(c, s))))
            self.challenge(c)
            self.assertRegex(c.cmd(line), r'^-ERR [^\[]')
            self.assertIn('-ERR', c.cmd('STAT'))
        self.assertIn('+OK', self.login(c))

    def test_killed(self):
        """auth dies with a challenge open"""
        self.begin()
        c = self.pop3()
        self.start(c, Scram('joe', 'pencil'))
        self.house.killed('auth')
        self.assertIn('-ERR [SYS/TEMP]', c.line(10 * SLOW))
        while 'SCRAM-SHA-256' not in self.mechanisms(c):
            pass
        self.assertIn('+OK', self.login(c))

    def test_without(self):
        """not made use of"""
        self.begin(without=' without { scram }')
        c = self.pop3()
        self.assertEqual(['PLAIN'], self.mechanisms(c))
        self.assertEqual(['PLAIN'], self.mechanisms(c, 'AUTH'))
        self.assertIn('-ERR', c.cmd(AUTH))
        self.assertIn('-ERR', c.cmd(AUTH + ' ' +
                                    b64(Scram('joe', 'pencil').first())))
        self.assertIn('+OK', c.cmd('USER joe'))
        self.assertIn('+OK', c.cmd('PASS pencil'))


if __name__ == '__main__':
    atf.main()
