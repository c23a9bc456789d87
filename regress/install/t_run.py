#!/usr/bin/env python3
"""make run: two commands from a clone to a mail server."""

import ctypes
import imaplib
import os
import pwd
import re
import shutil
import signal
import subprocess

from install import (InstallTest, atf, copy_tree, ends, listeners, own_network,
                     root, until)

LISTENERS = {1143: 'imap on 127.0.0.1:1143 starttls',
             1993: 'imap on 127.0.0.1:1993 tls',
             1110: 'pop3 on 127.0.0.1:1110 starttls',
             1995: 'pop3 on 127.0.0.1:1995 tls',
             1024: 'lmtp on 127.0.0.1:1024'}
ROLES = {'mstored: store', 'mfrontd: control', 'mfrontd: connector',
         'mfrontd: auth', 'mfrontd: hash', 'mfrontd: engine',
         'mfrontd: imap', 'mfrontd: pop3', 'mfrontd: lmtp'}
TEXT = ('From: ann@example.org\r\nTo: demo@localhost\r\nSubject: one\r\n'
        '\r\n.\r\n..two\r\nFrom here\r\n')


class RunTest(InstallTest):
    def setUp(self):
        super().setUp()
        own_network()
        # as a clone in root's or a user's own folder is
        os.mkdir(self.path('home'), 0o700)
        self.tree = self.path('home', 'mfrontd')
        self.who = []

    def become(self, user):
        """From now on, make is run as somebody else"""
        self.who = ['setpriv', '--reuid', user, '--regid',
                    str(pwd.getpwnam(user).pw_gid), '--clear-groups']
        self.env['HOME'] = self.env['TMPDIR'] = self.path('home')
        subprocess.run(['chown', '-R', user + ':',
                        self.path('home')], check=True)

    def out(self):
        with open(self.path('out')) as f:
            return f.read()

    def make_run(self, ready=True):
        """As if typed on a terminal: a process group of its own"""
        with open(self.path('out'), 'w') as f:
            self.make = subprocess.Popen(
                [*self.who, 'make', 'run'], cwd=self.tree,
                stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=self.env,
                start_new_session=True)
        self.addCleanup(self.kill)
        if ready:
            until(lambda: self.out().endswith('mfrontd: ready\n') or
                  self.make.poll() is not None, 150, self.out)
            self.assertIsNone(self.make.poll(), self.out())

    def kill(self):
        try:
            os.killpg(self.make.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.make.wait()

    def group(self):
        """pid -> title, of the process group"""
        found = {}
        for name in filter(str.isdigit, os.listdir('/proc')):
            try:
                if os.getpgid(int(name)) == self.make.pid:
                    with open('/proc/%s/cmdline' % name) as f:
                        found[int(name)] = f.read().rstrip('\0 ')
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def interrupt(self):
        """Ctrl-C: everybody gets it"""
        pids = list(self.group())
        os.killpg(self.make.pid, signal.SIGINT)
        self.make.wait(30)
        ends(pids)
        self.assertEqual(set(), listeners())
        self.assertRegex(self.out(), r'(?m)^mfrontd: stopped$')
        self.assertNotRegex(self.out(), r'signal \d|exited with|not stop')

    def check_output(self):
        lines = self.out().splitlines()
        self.assertEqual('mfrontd: ready', lines[-1])
        self.assertEqual(sorted(LISTENERS.values()), sorted(
            line.removeprefix('mfrontd: ') for line in lines
            if ' on 127.0.0.1' in line))
        self.assertEqual(set(LISTENERS), listeners())

    def deliver(self):
        self.run_ok('swaks', '--protocol', 'LMTP', '--server',
                    '127.0.0.1:1024', '--from', 'ann@example.org', '--to',
                    'demo@localhost', '--data', '@' + self.write(
                        'mail', TEXT.replace('\r\n', '\n').rstrip('\n')))

    def curl(self, url):
        """Without translation of line ends"""
        p = subprocess.run(
            ['curl', '-sS', '--user', 'demo:demo', '--cacert',
             os.path.join(self.tree, 'var', 'cert.pem'), url],
            capture_output=True)
        self.assertEqual(0, p.returncode, p.stderr)
        return p.stdout.decode()

    def check_mail(self):
        """The README's way: in by LMTP, out by everything else"""
        self.deliver()
        got = {url: self.curl(url) for url in (
            'imap://localhost:1143/INBOX;UID=1',
            'imaps://localhost:1993/INBOX;UID=1',
            'pop3://localhost:1110/1', 'pop3s://localhost:1995/1')}
        for url, text in got.items():
            self.assertTrue(text.endswith('\r\n' + TEXT), (url, text))
            self.assertTrue(text.startswith('Return-Path: <ann@example.org>'
                                            '\r\nReceived: from '), text)
        self.assertEqual(1, len(set(got.values())))

    def ctl(self, *words):
        return self.run_ok(os.path.join(self.tree, 'mfrontctl', 'mfrontctl'),
                           '-s', os.path.join(self.tree, 'var',
                                              'mfrontd.sock'), *words)

    def check_sessions(self):
        c = imaplib.IMAP4('127.0.0.1', 1143)
        c.login('demo', 'demo')
        rows = self.ctl('show', 'sessions').splitlines()
        self.assertEqual(2, len(rows), rows)
        self.assertRegex(rows[1], r'imap +demo +127\.0\.0\.1')
        c.logout()

    def status(self, pid):
        """What /proc says of a process"""
        with open('/proc/%d/status' % pid) as f:
            return dict(line.rstrip('\n').split(':\t', 1) for line in f
                        if ':\t' in line)

    def check_confined(self, users, chroot):
        """Every child is, and is who it should be"""
        found = {}
        for pid, title in self.group().items():
            m = re.match(r'(m\w+: \w+)/\d+', title)
            if m is None:
                continue
            s = self.status(pid)
            found.setdefault(m.group(1), set()).add(s['Uid'].split('\t')[1])
            self.assertEqual('2', s['Seccomp'], title)
            self.assertEqual('1', s['NoNewPrivs'], title)
            self.assertEqual(0, int(s['CapEff'], 16), title)
            if title.startswith('mfrontd: '):
                at = os.readlink('/proc/%d/root' % pid)
                self.assertEqual(chroot, at != '/', (title, at))
        self.assertEqual(ROLES, set(found))
        self.assertEqual(users, len(set.union(*found.values())), found)
        return found


def has_landlock():
    """Whether landlock_create_ruleset(2) tells a version"""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


class Run(RunTest):
    @root
    @atf.timeout(300)
    def test_root(self):
        """from a clean clone, as root: up, mail in and out, Ctrl-C; again"""
        copy_tree(self.tree, built=False)
        self.make_run()
        self.check_output()
        self.check_mail()
        self.check_sessions()
        # each role its own user, and chrooted
        found = self.check_confined(len(ROLES), True)
        self.assertNotIn({'0'}, found.values())
        self.interrupt()
        # what was made the first time is kept
        with open(os.path.join(self.tree, 'var', 'cert.pem')) as f:
            cert = f.read()
        self.make_run()
        self.check_output()
        with open(os.path.join(self.tree, 'var', 'cert.pem')) as f:
            self.assertEqual(cert, f.read())
        self.assertIn(TEXT, self.curl('imap://localhost:1143/INBOX;UID=1'))
        self.interrupt()

    @root
    @atf.timeout(300)
    def test_user(self):
        """as an ordinary user: no chroot, but all the rest"""
        copy_tree(self.tree, built=True)
        self.become('nobody')
        self.make_run()
        self.check_output()
        self.check_mail()
        self.check_sessions()
        self.check_confined(1, False)
        said = re.findall('sandbox of[^\n]*', self.out())
        self.assertTrue(said, self.out())
        for line in said:
            self.assertIn('seccomp', line)
            self.assertEqual(has_landlock(), 'landlock' in line, line)
        # nothing in the tree has become somebody else's
        self.assertEqual('', self.run_ok('find', self.tree, '!', '-user',
                                         'nobody'))
        self.interrupt()

    @root
    @atf.timeout(300)
    def test_twice(self):
        """a second one beside it says why not, and harms nothing"""
        copy_tree(self.tree, built=True)
        self.make_run()
        first = self.make
        os.rename(self.path('out'), self.path('out.1'))
        self.make_run(ready=False)
        self.assertNotEqual(0, self.make.wait(60))
        self.assertRegex(self.out(), '(?i)in use|running')
        self.make = first
        os.rename(self.path('out.1'), self.path('out'))
        self.check_output()
        self.check_mail()
        self.check_sessions()
        self.interrupt()


POLICY = '/usr/sbin/policy-rc.d'


class Missing(RunTest):
    """A package is not installed"""

    def setUp(self):
        super().setUp()
        if shutil.which('dpkg-query') is None:
            self.skipTest('no Debian')
        copy_tree(self.tree, built=True)
        # all programs but sudo; and libtls-dev is not there
        os.mkdir(self.path('bin'))
        for d in ('/usr/local/sbin', '/usr/local/bin', '/usr/sbin',
                  '/usr/bin', '/sbin', '/bin'):
            for name in os.listdir(d):
                at = self.path('bin', name)
                if name not in ('sudo', 'doas', 'dpkg-query') and \
                        not os.path.lexists(at):
                    os.symlink(os.path.join(d, name), at)
        self.write('bin/dpkg-query', '#!/bin/sh\n'
                   'for p in "$@"; do [ "$p" = libtls-dev ] && exit 1; '
                   'done\nexec %s "$@"\n' % shutil.which('dpkg-query'), 0o755)
        self.env['PATH'] = self.path('bin')
        self.become('nobody')

    @root
    def test_told(self):
        """no sudo: it prints the command to run, and fails"""
        said = self.run_ok(*self.who, 'make', 'run', status=2, cwd=self.tree)
        self.assertRegex(said, r'as root, run:\n +env DEBIAN_FRONTEND='
                         r'noninteractive apt-get .*install .* libtls-dev\n')
        self.assertNotIn('mfrontd: ', said)
        said = self.run_ok(*self.who, 'sh', 'etc/packages.sh', 'run',
                           status=1, cwd=self.tree)
        self.assertIn(' libtls-dev\n', said)
        self.assertFalse(os.path.exists(os.path.join(self.tree, 'var')))

    @root
    def test_sudo(self):
        """through sudo, where there is one; and its failure is ours"""
        log = self.path('home', 'log')
        self.write('bin/sudo', '#!/bin/sh\necho "$@" >>%s\n'
                   '[ "$1" != env ]\n' % log, 0o755)
        said = self.run_ok(*self.who, 'sh', 'etc/packages.sh', 'run',
                           status=1, cwd=self.tree)
        self.assertIn('installing: libtls-dev\n', said)
        self.assertIn('could not install: libtls-dev', said)
        with open(log) as f:
            # and no server starts by itself meanwhile
            self.assertRegex(
                f.read(), r'\Aapt-get .*update\n%senv .*apt-get .*install .* '
                r'libtls-dev\n%s\Z' % (('', '') if os.path.exists(POLICY) else (
                    r"sh -c printf '#!/bin/sh\n[^;]*%s\n" % POLICY,
                    'rm -f %s\n' % POLICY)))


if __name__ == '__main__':
    atf.main()
