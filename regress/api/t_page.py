#!/usr/bin/env python3
"""mfront-storage(7): its programs run, its tables and numbers are those of
the code.  mfrontd(8): its lines of the log are those that are written."""

import os
import poplib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import page                                             # noqa: E402
from house import program                               # noqa: E402
from whole import HASH, PASSWORD, SLOW, Whole, free_port  # noqa: E402


def read(*path):
    with open(os.path.join(page.TOP, *path)) as f:
        return f.read()


class Tables(unittest.TestCase):
    def test_codes(self):
        """Each code, and what becomes of it, as in lib/sterr.c"""
        c = re.sub(r'"\s*\n\s*"', '', read('lib', 'sterr.c'))
        code = {}
        for name, http, imap, lmtp, pop3, permanent in re.findall(
                r'\[ST_\w+\] = \{ "([\w-]+)", (\d+),\s*"([\w-]*)",\s*'
                r'"([\w. ]+)",\s*"([\w/-]*)",\s*([01]),', c):
            if lmtp[0] == '5' and permanent == '0':
                lmtp = '451 4.3.0'              # as st_lmtp() says
            code[name] = [http, name, imap or '\\(en', lmtp, pop3]
        rows = {row[1]: row for row in
                list(page.columns('ERROR CODES'))[1:]}
        self.assertEqual(rows, code)

    def test_bounces(self):
        """The five codes that make mail bounce"""
        text = ' '.join(page.source())
        self.assertIn('there are five codes that make mail bounce: .Li '
                      'unknown-recipient , no-such-account , '
                      'account-disabled , not-permitted and .Li too-large .',
                      text)
        bounce = [row[1] for row in list(page.columns('ERROR CODES'))[1:]
                  if row[3].startswith('5')]
        self.assertEqual(sorted(bounce), [
            'account-disabled', 'no-such-account', 'not-permitted',
            'too-large', 'unknown-recipient'])

    def test_capabilities(self):
        """Those described and those reserved are all that the code knows"""
        names = re.findall(r'"(\w+)"', read('lib', 'sterr.c').split(
            'st_cap_names[CAP_MAX] = {')[1])
        lines = page.source()
        start = lines.index('.Sh LEVELS AND CAPABILITIES')
        end = lines.index('.Ss When changes are seen')
        described = [line.split()[2] for line in lines[start:end]
                     if re.fullmatch(r'\.It Cm \w+', line)]
        text = ' '.join(lines[start:end])
        reserved = re.findall(r'\w+', re.sub(
            r'\.Cm|\band\b', '', re.search(
                r'The names(.*?)are reserved', text).group(1)))
        self.assertEqual(sorted(described + reserved), sorted(names))

    def test_numbers(self):
        """What the page says in numbers"""
        text = re.sub(r'\.\w\w ', '', ' '.join(page.source()))
        for said, path, defined in (
                ('A message of up to 128 KiB is sent', 'engine.h',
                 'HELD_MAX (128 * 1024)'),
                ('MUST NOT be longer than 65,536 bytes', 'engine.h',
                 'LINE_MAX_ND 65536'),
                ('at most 256 KiB', 'engine.h', 'JSON_MAX (256 * 1024)'),
                ('repeats a request at most twice', 'engine_http.c',
                 'TRIES_MAX 3'),
                ('not used for 60 seconds', 'engine_pool.c',
                 'IDLE_SECS 60'),
                ('after a second without any answer', 'engine_http.c',
                 'CONTINUE_SECS 1'),
                ('that is silent for 30', 'engine_events.c',
                 'HEARTBEAT_SECS 30'),
                ('heads of at most 16,384 bytes and 64 fields',
                 '../lib/http.h', 'HTTP_HEAD_MAX 16384'),
                ('heads of at most 16,384 bytes and 64 fields',
                 '../lib/http.h', 'HTTP_FIELDS_MAX 64'),
                ('up to 32 connections', 'conf_make.c',
                 '"pool", limits.pool, UNIT_COUNT, 1, 256, 32)'),
                ('poll interval of mfrontd.conf 5 , 30 seconds by default',
                 'conf_make.c', '"poll", limits.poll, UNIT_TIME, 1, DAY, 30)'),
                ('byte of the answer comes for 30 seconds', 'conf_make.c',
                 '"backend", limits.t_backend, UNIT_TIME, 1, DAY, 30)')):
            self.assertTrue(said in text, said)
            self.assertTrue(defined in re.sub(
                r'\s+', ' ', read('mfrontd', path)), defined)

    def test_manuals(self):
        """All manual pages are well-formed"""
        found = []
        for d in 'mfrontd', 'mfrontctl', 'mstored':
            found += [os.path.join(page.TOP, d, name) for name in
                      os.listdir(os.path.join(page.TOP, d))
                      if re.search(r'\.[578]$', name)]
        p = subprocess.run(['mandoc', '-Tlint', '-Wwarning'] + found,
                           capture_output=True, text=True)
        self.assertEqual((p.stdout, p.returncode), ('', 0))


class Programs(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix='page.')
        self.addCleanup(shutil.rmtree, self.top)

    def test_sets(self):
        """Those two functions"""
        space = {}
        exec(page.programs()['sets'], space)
        named, merged = space['named'], space['merged']
        uids = [1, 2, 3, 7, 20, 4294967294]
        for text, want in (('1', [1]), ('2:6', [2, 3]), ('4:6', []),
                           ('1:4294967295', uids), ('3,8:20', [3, 20]),
                           ('1:2,7,21:4294967295', [1, 2, 7, 4294967294])):
            self.assertEqual(list(named(text, uids)), want)
        rows = [dict(uid=u, flags=f) for u, f in (
            (1, []), (2, []), (3, []), (4, ['a']), (5, []), (7, []),
            (8, []))]
        self.assertEqual(list(merged(rows)), [
            {'uids': '1:3', 'flags': []}, {'uid': 4, 'flags': ['a']},
            {'uid': 5, 'flags': []}, {'uids': '7:8', 'flags': []}])
        self.assertEqual(list(merged([])), [])

    def backend(self, messages):
        """The page's backend, with these files"""
        mail = os.path.join(self.top, 'mail')
        os.mkdir(mail)
        for i, message in enumerate(messages):
            with open(os.path.join(mail, '%d.eml' % i), 'wb') as f:
                f.write(message)
        path = os.path.join(self.top, 'level0.py')
        with open(path, 'w') as f:
            f.write(page.programs()['level0'])
        port = free_port()
        with open(os.path.join(self.top, 'log'), 'wb') as log:
            p = subprocess.Popen([sys.executable, path, str(port), mail],
                                 stdout=log, stderr=log)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return 'storage "main" url "http://127.0.0.1:%d/v1"' % port

    @atf.timeout(240)
    def test_level0(self):
        """The whole backend, behind IMAP and POP3"""
        lines = len(page.programs()['level0'].splitlines())
        self.assertLessEqual(lines, 70)
        messages = [b'Subject: %d\nFrom: a@b\n\nbody %d\n' % (i, i)
                    for i in range(3)]
        storage = self.backend(messages)
        crlf = [m.replace(b'\n', b'\r\n') for m in messages]
        with Whole(listen=('imap', 'pop3'), storage=storage) as house:
            # it may still be starting, and is asked again by and by
            house.logged(r'storage main: level0 1 is up', timeout=30)
            c = house.imap()
            c.ok('EXAMINE INBOX')
            for i, m in enumerate(crlf):
                r = c.ok('FETCH %d BODY[]' % (i + 1)).one('FETCH')
                self.assertIn(m, r.raw)
            c.close()
            p = poplib.POP3(*house.address('pop3'), timeout=30 * SLOW)
            p.user('joe')
            p.pass_(PASSWORD)
            self.assertEqual(p.stat(), (3, sum(map(len, crlf))))
            self.assertEqual(b'\r\n'.join(p.retr(2)[1]) + b'\r\n', crlf[1])
            p.quit()

    def test_conf(self):
        """The configuration that the page tries it with"""
        lines = [page.unroff(line) for line in page.source()]
        i = lines.index('$ cat >mfrontd.conf')
        j = next(k for k in range(i + 1, len(lines))
                 if lines[k].startswith('$'))
        self.accepted('\n'.join(lines[i + 1:j]) + '\n', 'passwd',
                      'joe:%s\n' % HASH)

    def test_conf_storage(self):
        """The one for a backend that has its own users"""
        lines = [page.unroff(line) for line in page.source()]
        i = lines.index('auth storage') - 1
        j = next(k for k in range(i, len(lines)) if lines[k].startswith('.'))
        self.accepted('\n'.join(lines[i:j]) + '\n' +
                      'rundir "/home/joe/run"\n', 'token', 's3cret\n')

    def accepted(self, conf, name, text):
        """With a file that it names"""
        self.assertIn('/home/joe', conf)
        with open(os.path.join(self.top, 'conf'), 'w') as f:
            f.write(conf.replace('/home/joe', self.top))
        with open(os.path.join(self.top, name), 'w') as f:
            f.write(text)
        os.chmod(os.path.join(self.top, name), 0o600)
        p = subprocess.run([program(), '-n', '-f',
                            os.path.join(self.top, 'conf')],
                           capture_output=True, text=True)
        self.assertEqual((p.returncode, p.stderr),
                         (0, 'configuration OK\n'))


class Log(unittest.TestCase):
    def shown(self):
        """event -> the names of the parts of its line, in order"""
        found = {}
        text = read('mfrontd', 'mfrontd.8')
        for block in re.findall(r'\n\.It Xo\n(.*?)\.Xc\n', text, re.S):
            for event in re.search(r'event=([\w| -]+)',
                                   block).group(1).split(' | '):
                found[event.split()[0]] = re.findall(r'(\w+)=', block)
        return found

    def fail2ban(self):
        """The two expressions of the example as one of Python's"""
        text = page.unroff(read('mfrontd', 'mfrontd.8'))
        first, second = (re.search(r'\n%s = (.*)\n' % name, text).group(1)
                         for name in ('prefregex', 'failregex'))
        first = first.replace('%(__prefix_line)s', '')
        inner = second.removeprefix('^').replace('<HOST>',
                                                 r'(?P<host>[0-9a-f.:]+)')
        return re.compile(first.replace(
            '<F-CONTENT>.+</F-CONTENT>', inner + '.+'), re.M)

    @atf.timeout(240)
    def test_lines(self):
        """Each event is logged as the page shows it"""
        forged = 'auth: session=1 event=auth-failed remote=9.9.9.9 service=x'
        with Whole(listen=('imap', 'lmtp'),
                   conf='failure delay 0\n') as house:
            c = house.imap(user=None)
            c.cmd('LOGIN joe "wrong"')
            c.cmd('LOGIN "%s" "wrong"' % forged)
            c.ok('LOGIN joe "%s"' % PASSWORD)
            c.ok('LOGOUT')
            c.close()
            m = house.client('lmtp')
            m.line()
            m.send('LHLO test')
            while m.line()[3] == '-':
                pass
            m.cmd('MAIL FROM:<"%s"@example.org>' % forged)
            m.cmd('RCPT TO:<nobody@localhost>')
            m.cmd('RCPT TO:<joe@localhost>')
            m.cmd('DATA')
            self.assertRegex(m.cmd('Subject: x', '', 'x', '.'), '^250 ')
            m.cmd('QUIT')
            m.close()
            house.logged('event=closed', count=2)
            log = house.log()
        shown = self.shown()
        self.assertEqual(set(shown), {
            'login', 'auth-failed', 'closed', 'delivered', 'deferred',
            'refused', 'recipient-refused'})
        for event in set(shown) - {'deferred', 'refused'}:
            line = re.search(r'(?m)^\w+: (session=\S+ event=%s .*)$' % event,
                             log).group(1)
            plain = re.sub(r'"[^"]*"|<[^>]*>', '', line)
            self.assertEqual(re.findall(r'(\w+)=', plain), shown[event])
        self.assertEqual(self.fail2ban().findall(log), ['127.0.0.1'] * 2)


if __name__ == '__main__':
    atf.main()
