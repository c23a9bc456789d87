#!/usr/bin/env python3
"""swaks delivers by LMTP."""

import re

import mail
import atf
from mail import MailTest, each_way, letter, on_all_ways

HOW = {'plain': (), 'starttls': ('--tls',), 'tls': ('--tls-on-connect',)}


@each_way
class Swaks(MailTest):
    programs = ('swaks',)

    def swaks(self, way, to, *more, status=0, server=True):
        """Its transcript"""
        at = ('--server', '127.0.0.1', '--port',
              str(self.port('lmtp', way))) if server else ()
        return self.run_ok(
            'swaks', '--protocol', 'LMTP', *at, '--ehlo', 'swaks.test',
            '--from', 'ann@example.org', '--to', to, *HOW[way], *more,
            '--timeout', '30', status=status).decode()

    def data(self, name, text):
        # swaks ends the last line itself
        text = text.replace(b'\r\n', b'\n').removesuffix(b'\n')
        return '@' + self.file(name, text)

    @on_all_ways
    def test_one(self, way):
        """a message to one, as it was sent"""
        text = letter('one', 'line\r\n.dot\r\n..\r\n.\r\nend\r\n')
        said = self.swaks(way, 'joe@localhost', '--data',
                          self.data('one', text))
        self.assertEqual([text], self.bodies())
        if way != 'plain':
            self.assertRegex(said, r'=== TLS started with cipher TLSv1\.[23]')
        got, = self.contents().values()
        self.assertTrue(got.startswith(b'Return-Path: <ann@example.org>\r\n'
                                       b'Received: from swaks.test '), got)
        self.assertIn(b' with LMTP' if way == 'plain' else b' with LMTPS',
                      got)

    @on_all_ways
    def test_pipelining(self, way):
        """several recipients in one write; unknown ones among them"""
        text = letter('several')
        said = self.swaks(way, 'joe@localhost,nobody@localhost,'
                          'jim@localhost,ann@elsewhere', '--pipeline',
                          '--data', self.data('several', text))
        # a reply to each RCPT, in order; after the message to those taken
        self.assertEqual(['250', '550', '250', '550'],
                         re.findall(r'^<[~*-]+\*? +(\d+) [25]\.1\.[15]',
                                    said, re.M))
        self.assertEqual(['joe', 'jim'], re.findall(
            r'250 2\S+ <(\w+)@localhost> Delivered', said))
        self.assertEqual([text], self.bodies('joe'))
        self.assertEqual([text], self.bodies('jim'))
        self.assertEqual([], self.bodies('ann'))

    def test_nobody(self):
        """only unknown ones: no message is sent, and it fails"""
        said = self.swaks('plain', 'nobody@localhost', status=24)
        self.assertRegex(said, r'550 5\.1\.1')
        self.assertNotIn('DATA', said)

    def test_socket(self):
        """over a socket of the unix domain"""
        path = self.house.path('lmtp.sock')
        self.house.more += '\nlisten lmtp on socket "%s"' % path
        self.house.write_conf()
        self.assertEqual(0, self.house.reload()[0])
        text = letter('socket')
        self.swaks('plain', 'joe@localhost', '--socket', path, '--data',
                   self.data('socket', text), server=False)
        self.assertEqual([text], self.bodies())

    def test_too_big(self):
        """over the limit, and the size not told: refused at its end"""
        self.house.more += '\nlimits { message size 20K }'
        self.house.write_conf()
        self.assertEqual(0, self.house.reload()[0])
        text = letter('big', 'x' * 70 + '\r\n')
        text += b'y' * 70 + b'\r\n' + (b'z' * 70 + b'\r\n') * 400
        said = self.swaks('plain', 'joe@localhost', '--data',
                          self.data('big', text), status=26)
        self.assertRegex(said, r'552 5\.3\.4')
        self.assertEqual([], self.bodies())


if __name__ == '__main__':
    atf.main()
