#!/usr/bin/env python3
"""Python's own smtplib, imaplib and poplib: in, and out, byte for byte."""

import imaplib
import poplib
import smtplib
import socket

import mail
import atf
from mail import (MailTest, PASSWORD, SLOW, crlf, each_way, letter,
                  odd_mails, on_all_ways, untraced)


@each_way
class Python(MailTest):
    def lmtp(self, way):
        port, context = self.port('lmtp', way), self.house.tls
        if way == 'tls':
            class Tls(smtplib.LMTP):
                def _get_socket(self, host, port, timeout):
                    sock = socket.create_connection((host, port), timeout)
                    return context.wrap_socket(sock,
                                               server_hostname='localhost')
            c = Tls('127.0.0.1', port, timeout=60 * SLOW)
        else:
            c = smtplib.LMTP('127.0.0.1', port, timeout=60 * SLOW)
        # otherwise the context verifies an address, which is fine as well
        c._host = 'localhost'
        if way == 'starttls':
            c.starttls(context=context)
        c.ehlo()
        self.clients.append(c)
        return c

    def imap(self, way, user='joe'):
        port, context = self.port('imap', way), self.house.tls
        if way == 'tls':
            c = imaplib.IMAP4_SSL('localhost', port, ssl_context=context,
                                  timeout=60 * SLOW)
        else:
            c = imaplib.IMAP4('localhost', port, timeout=60 * SLOW)
        if way == 'starttls':
            c.starttls(context)
        c.login(user, PASSWORD)
        return c

    def pop3(self, way, user='joe'):
        port, context = self.port('pop3', way), self.house.tls
        if way == 'tls':
            c = poplib.POP3_SSL('localhost', port, context=context,
                                timeout=60 * SLOW)
        else:
            c = poplib.POP3('localhost', port, timeout=60 * SLOW)
        if way == 'starttls':
            c.stls(context)
        c.user(user)
        c.pass_(PASSWORD)
        self.clients.append(c)
        return c

    def ok(self, answer):
        self.assertEqual('OK', answer[0], answer)
        return answer[1]

    def retr(self, c, n):
        # lines without their ends; a CR alone is not an end
        return b''.join(line + b'\r\n' for line in c.retr(n)[1])

    @on_all_ways
    def test_odd(self, way):
        """the odd mails, by LMTP, out by IMAP and POP3"""
        mails = odd_mails()
        c = self.lmtp(way)
        for text in mails.values():
            self.assertEqual({}, c.sendmail('ann@example.org',
                                            ['joe@localhost'], text))
        # what does not end with CRLF smtplib ends once more
        want = [crlf(text if text.endswith(b'\r\n') else text + b'\r\n')
                for text in mails.values()]
        i = self.imap(way)
        self.assertEqual([b'%d' % len(want)], self.ok(i.select()))
        got = []
        for n in range(len(want)):
            data = self.ok(i.fetch(str(n + 1), '(RFC822.SIZE BODY.PEEK[])'))
            self.assertIn(b'RFC822.SIZE %d ' % len(data[0][1]), data[0][0])
            got.append(data[0][1])
        i.logout()
        for name, g, w in zip(mails, got, want):
            self.assertEqual(w, self.returned(name, untraced(g), w), name)
        p = self.pop3(way)
        self.assertEqual(len(want), p.stat()[0])
        sizes = [int(line.split()[1]) for line in p.list()[1]]
        for n, g in enumerate(got):
            self.assertEqual(g, self.retr(p, n + 1))
            self.assertEqual(len(g), sizes[n])
        p.quit()

    def returned(self, name, got, want):
        """A Return-Path of its own is taken out on delivery"""
        if b'\r\nReturn-Path:' not in b'\r\n' + want[:want.find(
                b'\r\n\r\n')]:
            return got
        lines = want.split(b'\r\n')
        path = [line for line in lines if line.startswith(b'Return-Path:')]
        self.assertEqual(1, len(path), name)
        self.assertNotIn(path[0], got, name)
        at = lines.index(path[0])
        have = got.split(b'\r\n')
        return b'\r\n'.join(have[:at] + path + have[at:])

    @on_all_ways
    def test_append(self, way):
        """APPEND keeps every byte, whatever the mail is"""
        mails = odd_mails()
        i = self.imap(way)
        self.assertEqual('NO', i.append('INBOX', None, None,
                                        mails.pop('empty'))[0])
        for text in mails.values():
            # imaplib makes all line ends CRLF
            self.ok(i.append('INBOX', '(\\Seen)',
                             '"01-Feb-2026 10:00:00 +0000"', text))
        self.ok(i.select())
        for n, (name, text) in enumerate(mails.items()):
            want = imaplib.MapCRLF.sub(imaplib.CRLF, text)
            data = self.ok(i.fetch(str(n + 1), '(FLAGS INTERNALDATE BODY[])'))
            self.assertIn(b'\\Seen', data[0][0])
            self.assertIn(b'" 1-Feb-2026 10:00:00 +0000"',
                          data[0][0].replace(b'"01', b'" 1'))
            self.assertEqual(want, data[0][1], name)
        i.logout()

    @on_all_ways
    def test_imap(self, way):
        """imaplib: mailboxes, search, flags, copy, move, delete"""
        for n in range(5):
            self.deliver(letter('number %d' % n))
        i = self.imap(way)
        self.ok(i.create('Work'))
        self.ok(i.create('"Caf&AOk-/Menu"'))
        names = self.ok(i.list())
        self.assertTrue(any(b'Caf&AOk-/Menu' in n for n in names), names)
        self.ok(i.subscribe('Work'))
        self.assertEqual([b'(\\Subscribed) "/" Work'.replace(
            b'\\Subscribed', b'')], [n.replace(b'"Work"', b'Work') for n in
                                     self.ok(i.lsub())])
        self.ok(i.select())
        self.assertEqual([b'3'], self.ok(
            i.search(None, 'SUBJECT', '"number 2"')))
        self.assertEqual([b'1 2 3 4 5'], self.ok(i.search(None, 'UNSEEN')))
        self.ok(i.store('2', '+FLAGS', '(\\Seen $Label1)'))
        self.assertEqual([b'2'], self.ok(i.search(None, 'KEYWORD $Label1')))
        self.ok(i.copy('2', 'Work'))
        self.ok(i.uid('MOVE', '1', 'Caf&AOk-/Menu'))
        self.ok(i.store('1', '+FLAGS', '\\Deleted'))
        # those that MOVE told, too
        self.assertEqual([b'1', b'1'], self.ok(i.expunge()))
        self.assertEqual([b'3'], self.ok(i.select()))
        status = self.ok(i.status('Work', '(MESSAGES UNSEEN)'))[0]
        self.assertIn(b'MESSAGES 1', status)
        self.assertIn(b'UNSEEN 0', status)
        self.ok(i.rename('Work', 'Done/Work'))
        self.ok(i.delete('"Caf&AOk-/Menu"'))
        self.assertEqual('NO', i.select('"Caf&AOk-/Menu"')[0])
        i.logout()
        self.assertEqual([letter('number 1')], self.bodies('joe',
                                                           'Done/Work'))

    @on_all_ways
    def test_pop3(self, way):
        """poplib: uidl, top, dele, and what was not deleted stays"""
        sent = [letter('p%d' % n, 'a\r\n.b\r\nc\r\n' * (n + 1))
                for n in range(4)]
        for text in sent:
            self.deliver(text)
        p = self.pop3(way)
        uidl = [line.split()[1] for line in p.uidl()[1]]
        self.assertEqual(4, len(set(uidl)))
        head = b'\r\n'.join(p.top(3, 1)[1]) + b'\r\n'
        self.assertTrue(self.retr(p, 3).startswith(head))
        self.assertTrue(head.endswith(b'\r\n\r\na\r\n'), head)
        p.dele(1)
        p.dele(4)
        p.rset()
        p.dele(2)
        p.quit()
        p = self.pop3(way)
        self.assertEqual([u for n, u in enumerate(uidl) if n != 1],
                         [line.split()[1] for line in p.uidl()[1]])
        # not QUIT: nothing is deleted
        p.dele(1)
        p.close()
        p = self.pop3(way)
        self.assertEqual(3, p.stat()[0])
        p.quit()
        self.assertEqual([sent[0], sent[2], sent[3]], self.bodies())

    @on_all_ways
    def test_recipients(self, way):
        """one message to many: who is refused is told, the others have it"""
        c = self.lmtp(way)
        refused = c.sendmail('ann@example.org',
                             ['joe@localhost', 'who@localhost',
                              'jim@localhost', 'ann@nowhere.example'],
                             letter('to all'))
        self.assertEqual({'who@localhost': 550, 'ann@nowhere.example': 550},
                         {k: v[0] for k, v in refused.items()})
        for user, want in (('joe', 1), ('jim', 1), ('ann', 0)):
            self.assertEqual([letter('to all')] * want, self.bodies(user))

    def test_passwords(self):
        """a wrong one is refused by both, the same for unknown users"""
        for user in ('joe', 'nobody'):
            i = imaplib.IMAP4('localhost', self.port('imap', 'plain'))
            with self.assertRaisesRegex(imaplib.IMAP4.error,
                                        'AUTHENTICATIONFAILED'):
                i.login(user, 'wrong')
            i.logout()
            p = poplib.POP3('localhost', self.port('pop3', 'plain'))
            with self.assertRaisesRegex(poplib.error_proto, r'-ERR \[AUTH\]'):
                p.user(user)
                p.pass_('wrong')
            p.close()


if __name__ == '__main__':
    atf.main()
