#!/usr/bin/env python3
"""SCRAM-SHA-256 with the mail programs' own libraries: GNU SASL (gsasl)
and Cyrus SASL (mbsync).  They may do nothing else, so that who gets in did
so by it."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ('imap', 'house'):
    sys.path.insert(0, os.path.join(HERE, '..', folder))

import atf                                              # noqa: E402
import tls                                              # noqa: E402
from t_login_scram import Keys                          # noqa: E402
from whole import SLOW                                  # noqa: E402

USERS = {'joe': 'pencil', 'ann, b=c': 'p\u00e4ss, wo=rt'}
CYRUS = '/usr/lib/%s/sasl2/libscram.so'


class Programs(Keys):
    def begin(self, program):
        if shutil.which(program) is None:
            self.skipTest(program + ' is not installed')
        super().begin(USERS, listen=('imap', 'imaps'))
        self.home = self.house.path('home')
        os.mkdir(self.home, 0o700)

    def program(self, *argv):
        """(status, all that it said)"""
        p = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60 * SLOW, cwd=self.home,
            env=dict(os.environ, HOME=self.home, LC_ALL='C.UTF-8',
                     TERM='dumb'))
        return p.returncode, p.stdout.decode('utf-8', 'replace')

    def let_in(self, count):
        """How often somebody got in, by now"""
        return self.house.logged(r'event=login ', count=count)

    def test_gsasl(self):
        """gsasl: without and with TLS, names with commas, wrong passwords"""
        self.begin('gsasl')

        def run(user, password, *more):
            return self.program(
                'gsasl', '--imap', '--mechanism=SCRAM-SHA-256', '--no-cb',
                '-a', user, '-p', password, *more,
                '--connect=localhost:%d' % self.house.ports['imap'])
        n = 0
        for more in (('--no-starttls',),
                     ('--starttls', '--x509-ca-file=' + tls.files()[0])):
            for user, password in USERS.items():
                status, text = run(user, password, *more)
                n += 1
                self.assertEqual(0, status, text)
                self.let_in(n)
        for user, password in (('joe', 'Pencil'), ('jim', 'pencil')):
            status, text = run(user, password, '--no-starttls')
            self.assertNotEqual(0, status, text)
        self.assertIn('user="jim" reason="bad password"', self.failed(2))

    def test_mbsync(self):
        """mbsync: mail comes, and none with a wrong password"""
        if not any(os.path.exists(CYRUS % d) for d in os.listdir('/usr/lib')):
            self.skipTest('libsasl2-modules is not installed')
        self.begin('mbsync')
        c = self.imap(None)
        c.ok('LOGIN joe pencil')
        c.ok('APPEND INBOX ', b'Subject: by scram\r\n\r\nhello\r\n')

        def run(password):
            path = os.path.join(self.home, 'rc')
            with open(path, 'w') as f:
                f.write('\n'.join([
                    'IMAPAccount house', 'Host localhost',
                    'Port %d' % self.house.ports['imaps'], 'User joe',
                    'Pass ' + password, 'SSLType IMAPS',
                    'CertificateFile ' + tls.files()[0],
                    'AuthMechs SCRAM-SHA-256', '', 'IMAPStore far',
                    'Account house', '', 'MaildirStore near',
                    'Path %s/mail/' % self.home,
                    'Inbox %s/mail/INBOX' % self.home, '', 'Channel all',
                    'Far :far:', 'Near :near:', 'Create Near', '']))
            os.makedirs(os.path.join(self.home, 'mail'), exist_ok=True)
            return self.program('mbsync', '-c', path, 'all')
        status, text = run('Pencil')
        self.assertNotEqual(0, status, text)
        self.failed(1)
        status, text = run('pencil')
        self.assertEqual(0, status, text)
        new = os.path.join(self.home, 'mail', 'INBOX', 'new')
        self.assertEqual(1, len(os.listdir(new)))
        self.let_in(2)


if __name__ == '__main__':
    atf.main()
