#!/usr/bin/env python3
"""curl reads, searches, stores, flags and deletes."""

import re

import mail
import atf
from mail import (MailTest, PASSWORD, each_way, letter, odd_mails,
                  on_all_ways, untraced)


@each_way
class Curl(MailTest):
    programs = ('curl',)

    def curl(self, protocol, way, path, *more, status=0, user='joe'):
        scheme = protocol + ('s' if way == 'tls' else '')
        args = ['--cacert', self.ca, '-sS', '--max-time', '60',
                '--user', '%s:%s' % (user, PASSWORD)]
        if way == 'starttls':
            args.append('--ssl-reqd')
        return self.run_ok(
            'curl', *args, *more, '%s://localhost:%d/%s' %
            (scheme, self.port(protocol, way), path), status=status)

    @on_all_ways
    def test_imap_read(self, way):
        """by uid, by section, byte for byte"""
        mails = {n: t for n, t in odd_mails().items()
                 if n in ('eightbit', 'mixed', 'nested', 'forward')}
        for text in mails.values():
            self.deliver(text)
        for n, text in enumerate(mails.values()):
            got = self.curl('imap', way, 'INBOX;UID=%d' % (n + 1))
            self.assertEqual(text, untraced(got))
            head = self.curl('imap', way,
                             'INBOX;UID=%d;SECTION=HEADER' % (n + 1))
            self.assertTrue(got.startswith(head))
            self.assertTrue(head.endswith(b'\r\n\r\n'))
        # one that is not there
        self.curl('imap', way, 'INBOX;UID=99', status=78)

    @on_all_ways
    def test_imap_write(self, way):
        """mailboxes, APPEND, search, flags, move, expunge"""
        def x(command, path=''):
            return self.curl('imap', way, path, '-X', command).decode()

        text = letter('by curl', '.\r\nbody\r\n')
        x('CREATE Drafts')
        self.curl('imap', way, 'Drafts', '-T', self.file('m', text))
        self.assertEqual({1: text}, self.contents('joe', 'Drafts'))
        self.assertIn('Drafts', x('LIST "" *'))
        self.assertIn('* SEARCH 1', x('SEARCH SUBJECT curl', 'Drafts'))
        said = x('STORE 1 +FLAGS (\\Flagged kw)', 'Drafts')
        self.assertRegex(said, r'\\Flagged')
        x('UID MOVE 1 INBOX', 'Drafts')
        self.assertEqual({}, self.contents('joe', 'Drafts'))
        self.assertEqual({1: text}, self.contents())
        self.assertRegex(x('FETCH 1 (FLAGS)', 'INBOX'),
                         r'FLAGS \([^)]*\\Flagged')
        x('STORE 1 +FLAGS.SILENT \\Deleted', 'INBOX')
        self.assertIn('1 EXPUNGE', x('EXPUNGE', 'INBOX'))
        self.assertEqual({}, self.contents())
        x('DELETE Drafts')
        self.assertNotIn('Drafts', x('LIST "" *'))

    @on_all_ways
    def test_pop3(self, way):
        """list, read, delete"""
        # it takes the lines as they are, and ends with the last one
        sent = [letter('a', '.one\r\n..two\r\n'), letter('b'), letter('c')]
        for text in sent:
            self.deliver(text)
        rows = self.curl('pop3', way, '').decode().split()
        self.assertEqual(['1', '2', '3'], rows[::2])
        for n, text in enumerate(sent):
            got = self.curl('pop3', way, str(n + 1))
            self.assertEqual(text, untraced(got))
            self.assertEqual(len(got), int(rows[n * 2 + 1]))
        self.curl('pop3', way, '2', '-X', 'DELE', '-l')
        self.assertEqual([sent[0], sent[2]], self.bodies())
        self.curl('pop3', way, '9', status=8)

    @on_all_ways
    def test_login(self, way):
        """PLAIN at once and when asked, and a wrong password"""
        self.curl('imap', way, '')
        self.curl('imap', way, '', '--login-options', 'AUTH=PLAIN')
        self.curl('imap', way, '', '--sasl-ir', '--login-options',
                  'AUTH=PLAIN')
        self.curl('pop3', way, '', '--login-options', 'AUTH=PLAIN')
        self.curl('imap', way, '', '--user', 'joe:wrong', status=67)

    def test_privacy(self):
        """no password goes over a line that is not encrypted"""
        with open(self.house.path('conf')) as f:
            conf = f.read()
        self.house.write('conf', re.sub('(?m)^plaintext login.*$', '', conf))
        self.assertEqual(0, self.house.reload()[0])
        at = self.house.log().count('event=login')
        self.curl('imap', 'plain', 'INBOX;UID=1', status=67)
        self.curl('pop3', 'plain', '', status=67)
        self.assertEqual(at, self.house.log().count('event=login'))
        self.curl('imap', 'starttls', '')


if __name__ == '__main__':
    atf.main()
