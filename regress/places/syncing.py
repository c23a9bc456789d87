"""mbsync, which keeps folders of ours and an account the same, both ways"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))
sys.path.insert(0, os.path.join(HERE, '..', 'mstored'))

from whole import PASSWORD, SLOW, WholeTest             # noqa: E402

MOVES = re.compile(r'BODY\.PEEK\[\]|APPEND|STORE|EXPUNGE|COPY|MOVE|CREATE|'
                   r'DELETE')


def letter(subject):
    return ('From: a@example.org\r\nSubject: %s\r\n'
            'Message-ID: <%s@example.org>\r\n\r\nhello\r\n' % (
                subject, subject.replace(' ', '.'))).encode()


class SyncTest(WholeTest):
    auto = False

    def setUp(self):
        super().setUp()
        if shutil.which('mbsync') is None:
            raise unittest.SkipTest('mbsync is not installed')
        self.top = tempfile.mkdtemp(prefix='mfrontd.')
        self.addCleanup(shutil.rmtree, self.top, True)

    def path(self, name):
        return os.path.join(self.top, name)

    def config(self, *more):
        """The channel "all" has every mailbox; more is more of it"""
        with open(self.path('rc'), 'w') as f:
            f.write('\n'.join([
                'IMAPAccount house', 'Host 127.0.0.1',
                'Port %d' % self.house.ports['imap'], 'User joe',
                'Pass ' + PASSWORD, 'SSLType None', 'AuthMechs *', '',
                'IMAPStore far', 'Account house', '',
                'MaildirStore near', 'Path %s/' % self.path('mail'),
                'Inbox %s' % self.path('mail/INBOX'),
                'SubFolders Verbatim', '',
                'Channel all', 'Far :far:', 'Near :near:', 'Patterns *',
                'Create Both', 'Expunge Both', 'SyncState *', *more, '']))
        os.makedirs(self.path('mail'))

    def sync(self, what='all', status=0):
        """Its commands that moved something"""
        p = subprocess.run(
            ['mbsync', '-c', self.path('rc'), '-Dn', what],
            capture_output=True, timeout=110 * SLOW,
            env=dict(os.environ, HOME=self.top))
        said = p.stdout.decode('utf-8', 'replace')
        self.assertEqual(status, p.returncode,
                         said[-3000:] + p.stderr.decode())
        return [c for c in re.findall(r'^>+ \d+ (.*)', said, re.M)
                if MOVES.search(c)]

    def near(self, box):
        """[(file, text)]"""
        found = []
        for sub in 'cur', 'new':
            folder = self.path('mail/%s/%s' % (box, sub))
            for name in sorted(os.listdir(folder)):
                with open(os.path.join(folder, name), 'rb') as f:
                    found.append((os.path.join(folder, name), f.read()))
        return found

    def subjects(self, box):
        return sorted(re.search(rb'(?mi)^Subject: (.*)$', text).group(1)
                      .decode() for _, text in self.near(box))

    def put(self, box, text):
        with open(self.path('mail/%s/new/1.put' % box), 'wb') as f:
            f.write(text.replace(b'\r\n', b'\n'))

    def delete(self, box, what):
        for name, text in self.near(box):
            if what in text:
                os.unlink(name)
                return
        self.fail('no %r' % what)
