#!/usr/bin/env python3
"""getmail fetches into a Maildir, and deletes.  It has no STARTTLS."""

import os
import pwd
import re
import shutil
import subprocess

import mail
import atf
from mail import MailTest, PASSWORD, crlf, letter, odd_mails, untraced

# of the odd mails those that it, too, passes on as they are
ODD = ('alternative', 'eightbit', 'forward', 'gb18030', 'mixed',
       'nested', 'pgp', 'smime')
SENT = [letter('n%d' % n, '.\r\nFrom me\r\n..two\r\n' * (n + 1))
        for n in range(4)]


class Getmail(MailTest):
    programs = ('getmail',)

    def config(self, kind, way, more='', options=''):
        """Its file, for this kind of retriever"""
        for sub in ('new', 'cur', 'tmp'):
            os.makedirs(os.path.join(self.home, 'in', sub), exist_ok=True)
        ssl = 'SSL' if way == 'tls' else ''
        ca = shutil.copy(self.ca, self.home)
        self.rc = self.file('rc', '\n'.join([
            '[retriever]', 'type = Simple%s%sRetriever' % (kind, ssl),
            'server = localhost',
            'port = %d' % self.port(kind.lower(), way),
            'username = joe', 'password = ' + PASSWORD,
            'ca_certs = ' + ca if ssl else '', more,
            'record_mailbox = false' if kind == 'IMAP' else '',
            '[destination]', 'type = Maildir', 'path = %s/in/' % self.home,
            '[options]', 'read_all = false', 'received = false',
            'delivered_to = false', 'verbose = 1', options, '']))

    def until_it_ends(self, **who):
        """getmail waits for ever, or a minute, for a child that ended before
        it began to wait: then all that it did here is undone, and done
        again.  (It deletes when it has read all.)"""
        before = os.path.join(self.home, 'before')
        for last in False, False, True:
            shutil.rmtree(before, ignore_errors=True)
            os.mkdir(before)
            for name in os.listdir(self.home):
                if name == 'in' or name.startswith('oldmail'):
                    self.run_ok('cp', '-a', name, before)
            try:
                return self.run_ok('getmail', '--getmaildir', self.home,
                                   '--rcfile', self.rc, timeout=15, **who)
            except subprocess.TimeoutExpired:
                if last:
                    raise
            for name in os.listdir(self.home):
                if name == 'in' or name.startswith('oldmail'):
                    self.run_ok('rm', '-r', name)
            for name in os.listdir(before):
                self.run_ok('cp', '-a', os.path.join(before, name), '.')

    def getmail(self):
        """How many messages it has fetched; it refuses to be root"""
        who = {}
        if os.getuid() == 0:
            who = dict(user='nobody', extra_groups=[],
                       group=pwd.getpwnam('nobody').pw_gid)
            self.run_ok('chown', '-R', 'nobody:', self.home)
        said = self.until_it_ends(**who).decode()
        n, = re.findall(r'(?m)^ +(\d+) messages \(\d+ bytes\) retrieved',
                        said)
        return int(n)

    def got(self):
        """All that it has fetched so far, with the line ends of mail"""
        found = []
        d = os.path.join(self.home, 'in', 'new')
        for name in os.listdir(d):
            with open(os.path.join(d, name), 'rb') as f:
                found.append(untraced(f.read().replace(b'\n', b'\r\n')))
        return sorted(found)

    def left(self, *boxes):
        return [len(self.contents('joe', box)) for box in boxes]

    def imap_way(self, way):
        for text in SENT:
            self.deliver(text)
        c = self.imap(select='INBOX')
        c.ok('CREATE "Lists/bsd"')
        c.ok('CREATE Old')
        c.ok('UID MOVE 2 "Lists/bsd"')
        c.append('Old', letter('old'))
        boxes = 'mailboxes = ("INBOX", "Lists/bsd")'
        self.config('IMAP', way, boxes)
        self.assertEqual(len(SENT), self.getmail())
        self.assertEqual(sorted(SENT), self.got())
        # it remembers what it has, and has not changed a flag
        self.assertEqual(0, self.getmail())
        self.assertEqual([1, 2, 3], c.ok('SEARCH UNSEEN').search())
        self.deliver(letter('new'))
        self.assertEqual(1, self.getmail())
        self.assertEqual([4, 1, 1], self.left('INBOX', 'Lists/bsd', 'Old'))
        self.config('IMAP', way, boxes, 'delete = true')
        self.assertEqual(0, self.getmail())
        self.assertEqual([0, 0, 1], self.left('INBOX', 'Lists/bsd', 'Old'))

    def test_imap_plain(self):
        """IMAP: what is new in several mailboxes; then it deletes"""
        self.imap_way('plain')

    def test_imap_tls(self):
        """IMAP over TLS: what is new in several mailboxes; then it deletes"""
        self.imap_way('tls')

    def pop3_way(self, way):
        for text in SENT:
            self.deliver(text)
        self.config('POP3', way)
        self.assertEqual(len(SENT), self.getmail())
        self.assertEqual(sorted(SENT), self.got())
        # the same UIDL the next time
        self.deliver(letter('new'))
        self.assertEqual(1, self.getmail())
        self.assertEqual(0, self.getmail())
        self.assertEqual([len(SENT) + 1], self.left('INBOX'))
        # what it has fetched goes, what it does not want stays
        self.deliver(letter('long', 'x' * 70 + '\r\n'))
        self.config('POP3', way, options='delete = true\n'
                    'max_message_size = %d' %
                    (max(map(len, self.contents().values())) - 1))
        self.getmail()
        self.assertEqual([letter('long', 'x' * 70 + '\r\n')], self.bodies())

    def test_pop3_plain(self):
        """POP3: what is new, by its UIDL; then it deletes"""
        self.pop3_way('plain')

    def test_pop3_tls(self):
        """POP3 over TLS: what is new, by its UIDL; then it deletes"""
        self.pop3_way('tls')

    def odd(self, kind):
        mails = odd_mails()
        want = [crlf(mails[name]) for name in ODD]
        for text in want:
            self.deliver(text)
        self.config(kind, 'tls', options='delete = true')
        self.assertEqual(len(want), self.getmail())
        self.assertEqual(sorted(want), self.got())
        self.assertEqual([0], self.left('INBOX'))

    def test_odd_imap(self):
        """odd mails come over IMAP as they were sent"""
        self.odd('IMAP')

    def test_odd_pop3(self):
        """odd mails come over POP3 as they were sent"""
        self.odd('POP3')


if __name__ == '__main__':
    atf.main()
