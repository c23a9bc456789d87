#!/usr/bin/env python3
"""mutt, its keys pushed by a program, on a terminal that nobody sees."""

import base64
import os
import pty
import re
import select
import subprocess
import time

import mail
import atf
from mail import (MailTest, PASSWORD, SLOW, crlf, each_way, letter,
                  odd_mails, on_all_ways, untraced)

FILE = bytes(range(256)) * 300
# odd mails whose header it makes a proper one
MENDED = ('barecr', 'headercut', 'headeronly', 'junk', 'multihead')
# it adds these to what it copies
COUNTS = re.compile(rb'Content-Length: \d+\r\nLines: \d+\r\n(?=\r\n)')
# what asks, or waits for a key, is off
RC = '''
unset confirmappend confirmcreate help beep wait_key mark_old move
unset header_cache imap_check_subscribed mail_check_stats
set delete=yes quit=yes sleep_time=0 sort=mailbox-order mbox_type=Maildir
set pop_delete=yes pop_reconnect=no pop_checkinterval=0 use_from=no
set ssl_verify_host=yes ssl_verify_dates=yes abort_nosubject=no copy=yes
set imap_user=joe imap_pass="%(password)s" pop_user=joe
set pop_pass="%(password)s" ssl_ca_certificates_file="%(ca)s"
set certificate_file="%(home)s/certificates" ssl_starttls=%(starttls)s
set ssl_force_tls=%(force)s folder="%(folder)s" realname=Joe
set sendmail=/bin/true editor=/bin/true record="=Sent" postponed="=Drafts"
set from=joe@localhost hostname=localhost send_charset=utf-8
'''


@each_way
class Mutt(MailTest):
    programs = ('mutt',)

    def url(self, protocol, way):
        return '%s%s://joe@localhost:%d/' % (
            protocol, 's' if way == 'tls' else '',
            self.port({'pop': 'pop3'}.get(protocol, protocol), way))

    def config(self, way):
        self.rc = self.file('muttrc', RC % dict(
            password=PASSWORD, ca=self.ca, home=self.home,
            starttls='yes' if way == 'starttls' else 'no',
            force='no' if way == 'plain' else 'yes',
            folder=self.url('imap', way)))

    def mutt(self, folder, *keys):
        """Opens a folder, presses keys, and must end by itself"""
        ours, theirs = pty.openpty()
        push = 'push "%s"' % ''.join(keys)
        p = subprocess.Popen(
            ['mutt', '-n', '-F', self.rc, '-f', folder, '-e', push],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.home,
            env=dict(self.env, TERM='vt100', COLUMNS='100', LINES='40'),
            start_new_session=True)
        os.close(theirs)
        seen, end = b'', time.monotonic() + 40 * SLOW
        try:
            while p.poll() is None:
                self.assertLess(time.monotonic(), end, seen[-2000:])
                if select.select([ours], [], [], 0.05)[0]:
                    try:
                        seen += os.read(ours, 65536)
                    except OSError:     # it has closed its side
                        break
            self.assertEqual(0, p.wait(10 * SLOW), seen[-2000:])
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
            os.close(ours)

    def copied(self, box):
        """The messages of a local Maildir, with the line ends of mail"""
        found = []
        for sub in ('cur', 'new'):
            d = os.path.join(self.home, box, sub)
            for name in os.listdir(d):
                with open(os.path.join(d, name), 'rb') as f:
                    text = f.read().replace(b'\n', b'\r\n')
                found.append(COUNTS.sub(b'', text, 1))
        return sorted(found)

    @on_all_ways
    def test_imap(self, way):
        """IMAP: read, flag, search there, move, delete"""
        for n in ('one', 'two', 'three', 'four', 'five'):
            self.deliver(letter(n, 'needle\r\n' if n in ('two', 'five')
                                else 'hay\r\n'))
        c = self.imap()
        c.ok('CREATE Work')
        self.config(way)
        self.mutt(self.url('imap', way) + 'INBOX',
                  '<limit>=b needle<enter>',
                  '<tag-pattern>~A<enter>',
                  '<tag-prefix><save-message>=Work<enter>',
                  '<limit>~A<enter>',
                  '<search>~s one<enter><display-message><exit>',
                  '<search>~s three<enter><flag-message>',
                  '<search>~s four<enter><delete-message>',
                  '<quit>')
        self.assertEqual([letter('one', 'hay\r\n'),
                          letter('three', 'hay\r\n')], self.bodies())
        self.assertEqual([letter(n, 'needle\r\n') for n in ('two', 'five')],
                         self.bodies('joe', 'Work'))
        c.ok('SELECT INBOX')
        self.assertEqual([1], c.ok('SEARCH SEEN').search())
        self.assertEqual([2], c.ok('SEARCH FLAGGED').search())

    @on_all_ways
    def test_copy(self, way):
        """IMAP: odd mails to a folder of its own, and there to another"""
        for name, text in odd_mails().items():
            if name not in MENDED:
                self.deliver(crlf(text))
        self.config(way)
        self.mutt(self.url('imap', way) + 'INBOX',
                  '<tag-pattern>~A<enter>',
                  '<tag-prefix><copy-message>%s/out<enter>' % self.home,
                  '<quit>')
        self.assertEqual(sorted(self.contents().values()),
                         self.copied('out'))
        # APPENDs
        self.mutt(self.home + '/out', '<tag-pattern>~A<enter>',
                  '<tag-prefix><copy-message>=Back/Again<enter>', '<quit>')
        self.assertEqual(sorted(self.contents().values()), sorted(
            COUNTS.sub(b'', text, 1)
            for text in self.contents('joe', 'Back/Again').values()))

    @on_all_ways
    def test_sent(self, way):
        """IMAP: what is sent is kept in Sent, whole"""
        self.config(way)
        self.imap().ok('CREATE Sent')
        with open(self.file('body', 'To Ann,\n.\nfrom Joe\n')) as body:
            self.run_ok('mutt', '-n', '-F', self.rc, '-s', 'Grüße', '-a',
                        self.file('b.bin', FILE), '--',
                        'ann@example.org', stdin=body)
        c = self.imap(select='Sent')
        (_, items), = c.ok('FETCH 1 (FLAGS BODY[HEADER.FIELDS (Subject)] '
                           'BODY[1] BODY[2])').fetched()
        self.assertIn('\\Seen', items['FLAGS'])
        self.assertEqual(b'Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\r\n',
                         items['BODY[HEADER.FIELDS (Subject)]'])
        self.assertEqual(b'To Ann,\r\n.\r\nfrom Joe\r\n',
                         items['BODY[1]'])
        self.assertTrue(FILE == base64.b64decode(items['BODY[2]']))

    @on_all_ways
    def test_pop3(self, way):
        """POP3: read, copy, delete"""
        sent = [letter('p%d' % n, '.\r\n..x\r\n' * n) for n in range(4)]
        for text in sent:
            self.deliver(text)
        self.config(way)
        self.mutt(self.url('pop', way),
                  '<tag-pattern>~A<enter>',
                  '<tag-prefix><copy-message>%s/out<enter>' % self.home,
                  '<untag-pattern>~A<enter>',
                  '<search>~s p1<enter><delete-message>',
                  '<search>~s p3<enter><delete-message>',
                  '<quit>')
        self.assertEqual(sorted(sent), sorted(
            untraced(t) for t in self.copied('out')))
        self.assertEqual([sent[0], sent[2]], self.bodies())


if __name__ == '__main__':
    atf.main()
