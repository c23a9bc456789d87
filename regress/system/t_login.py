#!/usr/bin/env python3
"""Logins over several processes: who may come in, how often, and what is
told of it."""

import base64
import os
import re
import subprocess
import time

from system import (HASH, PASSWORD, SLOW, TOP, Pop3, SystemTest, atf,
                    program, soon)

SECRET = 'a-word-of-mine'


class Login(SystemTest):
    options = dict(SystemTest.options,
                   conf='failure delay 0s\nprefork { imap 2, pop3 2 }')

    def fails(self, user, password, protocol='imap'):
        """What it is told"""
        if protocol.startswith('imap'):
            c = self.imap(None, protocol=protocol)
            r = c.cmd('LOGIN "%s" "%s"' % (user, password))
            self.assertEqual('NO', r.type)
            c.close()
            return r.code
        c = self.house.client(protocol)
        c.line()
        c.cmd('USER ' + user)
        line = c.cmd('PASS ' + password)
        c.close()
        self.assertTrue(line.startswith('-ERR ['), line)
        return re.match(r'-ERR \[([^]]*)\]', line).group(1)

    def test_account_limit(self):
        """counted over all processes and protocols; freed at once"""
        self.reload(self.options['conf'] +
                    '\nlimits { connections per account 5 }')
        held = [self.imap() for _ in range(3)]
        held += [Pop3(self.house) for _ in range(2)]
        self.clients += held
        for _ in range(4):              # whichever process it is
            self.assertEqual('LIMIT', self.fails('joe', PASSWORD))
            self.assertEqual('IN-USE', self.fails('joe', PASSWORD, 'pop3'))
        self.imap('jim')
        # a process dies with its sessions: they do not count any more
        self.house.killed('imap')
        self.house.killed('pop3')
        left = soon(lambda: 5 - len([r for r in self.sessions().values()
                                     if r['user'] == 'joe']))

        def again():
            return [self.imap() for _ in range(left)]
        if left:
            self.in_time(again)
        # they are no failures: nobody is shut out for them
        self.assertNotIn('event=auth-failed', self.house.log())

    def test_address_limit(self):
        """the same by address, before a login"""
        self.reload(self.options['conf'] +
                    '\nlimits { connections per address 6 }')
        held = [self.imap(None) for _ in range(3)]
        held += [Pop3(self.house, None) for _ in range(3)]
        self.clients += held

        def counted():
            return self.stats('auth')['connections'] == 6
        for _ in range(4):
            # the last that auth hears of goes
            soon(counted)
            c = self.imap(None)
            said = c.ended()
            self.assertEqual(['BYE'], [r.type for r in said])
            self.assertIn(b'Too many connections', said[0].text)
            soon(counted)
            p = self.house.client('pop3')
            self.assertIn(b'Too many connections', p.rest())
            p.close()
        for c in held:
            c.close()
        self.in_time(lambda: self.imap().ok('NOOP'))

    def test_throttle(self):
        """one address that fails too often, wherever: it is refused by all
        processes, right password or not; a reload lets it in"""
        self.reload(self.options['conf'] + '\nlimits { failed logins 4 }')
        for k in range(4):
            self.fails(('joe', 'nobody')[k % 2], SECRET,
                       ('imap', 'pop3')[k // 2])
        for protocol in ('imap', 'imaps', 'pop3', 'pop3s'):
            for _ in range(2):
                self.assertIn(self.fails('joe', PASSWORD, protocol),
                              ('UNAVAILABLE', 'LIMIT', 'SYS/TEMP'))
        self.assertIn('too many failures', self.house.log())
        self.reload(self.options['conf'])
        self.imap()

    def failregex(self):
        """What mfrontd(8) gives to fail2ban"""
        with open(os.path.join(TOP, 'mfrontd', 'mfrontd.8')) as f:
            text = f.read().replace('\\e', '\\')
        line = re.search(r'(?m)^failregex = (.*)$', text).group(1)
        return re.compile(line.replace('<HOST>', r'(?P<host>\S+)'))

    def test_fail2ban(self):
        """one line a failure, that the manual's expression finds; none that
        a user's name can forge"""
        self.reload(self.options['conf'] + '\nlimits { failed logins 100 }')
        names = ('joe', 'nobody', 'x remote=192.0.2.1 service=imap',
                 'a\\"b', 'auth: session=1 event=auth-failed '
                 'remote=192.0.2.1 service=x')
        n = 0
        for protocol in ('imap', 'imaps', 'pop3', 'pop3s'):
            for name in names:
                self.fails(name, SECRET, protocol)
                n += 1
        c = self.imap(None)
        c.no('AUTHENTICATE PLAIN ' + base64.b64encode(
            ('\0joe\0' + SECRET).encode()).decode())
        n += 1
        want, found = self.failregex(), []
        for line in self.house.log().splitlines():
            if line.startswith('auth: '):
                m = want.match(line[len('auth: '):])
                if m:
                    found.append(m.group('host'))
        self.assertEqual(['127.0.0.1'] * n, found)
        self.imap()
        self.assertEqual(n, self.house.log().count(' event=auth-failed '
                                                   'remote=127'))
        self.assertNotIn(SECRET, self.house.log())
        self.assertNotIn(base64.b64encode(SECRET.encode())[:12].decode(),
                         self.house.log())

    def private(self):
        """A house where nobody logs in in the clear"""
        with open(self.house.path('conf')) as f:
            text = f.read()
        self.house.write('conf', text.replace('plaintext login on loopback',
                                              ''))
        status, text = self.house.reload()
        self.assertEqual(0, status, text)

    def test_privacy(self):
        """without TLS: LOGINDISABLED, [PRIVACYREQUIRED]; a password that
        comes all the same is not tried, nor logged"""
        self.private()
        c = self.imap(None)
        words = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertIn('LOGINDISABLED', words)
        self.assertIn('STARTTLS', words)
        self.assertFalse([w for w in words if w.startswith('AUTH=')])
        plain = base64.b64encode(('\0joe\0' + PASSWORD).encode()).decode()
        c.no('LOGIN joe "%s"' % PASSWORD, code='PRIVACYREQUIRED')
        c.no('AUTHENTICATE PLAIN ' + plain, code='PRIVACYREQUIRED')
        c.starttls(self.house.tls)
        words = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertNotIn('LOGINDISABLED', words)
        self.assertIn('AUTH=PLAIN', words)
        c.ok('LOGIN joe "%s"' % PASSWORD)
        self.imap(protocol='imaps')
        p = self.house.client('pop3')
        self.clients.append(p)
        p.line()
        p.cmd('CAPA')
        capa = p.block()
        self.assertFalse([k for k in capa if k.startswith(('USER', 'SASL'))])
        self.assertIn('STLS', capa)
        for line in ('USER joe', 'AUTH PLAIN ' + plain):
            self.assertTrue(p.cmd(line).startswith('-ERR'))
        self.assertTrue(p.cmd('STLS').startswith('+OK'))
        p.starttls()
        self.assertTrue(p.cmd('AUTH PLAIN ' + plain).startswith('+OK'))
        self.pop3(protocol='pop3s')
        self.assertEqual(4, self.stats('auth')['logins'])
        self.assertNotIn('auth-failed', self.house.log())

    def cpu(self):
        """Nanoseconds that the hash workers have used"""
        total = 0
        for pid in self.house.pids('hash'):
            for tid in os.listdir('/proc/%d/task' % pid):
                with open('/proc/%d/task/%s/schedstat' % (pid, tid)) as f:
                    total += int(f.read().split()[0])
        return total

    def cost(self, user, n=6):
        before = self.cpu()
        c = self.imap(None)
        for k in range(n):
            c.no('LOGIN "%s" "wrong%d"' % (user, k))
        c.close()
        return (self.cpu() - before) / n

    @atf.timeout(200)
    def test_unknown(self):
        """whether a user is known cannot be told from the work it makes"""
        if not os.path.exists('/proc/self/schedstat'):
            self.skipTest('the system does not tell CPU time that fine')
        p = subprocess.run([program('mfrontctl'), 'encrypt', '-c', '9'],
                           input='something\n', capture_output=True,
                           text=True)
        self.assertEqual(0, p.returncode, p.stderr)
        self.house.write('passwd', 'joe:%s\njim:%s\n' % (
            p.stdout.strip(), p.stdout.strip()))
        self.reload(self.options['conf'] +
                    '\nlimits { failed logins 10000 }')
        self.cost('joe', 2)
        # the smallest of several: others work here, too
        known, unknown = [], []
        end = time.monotonic() + 30 * SLOW
        while True:
            known.append(self.cost('joe'))
            unknown.append(self.cost('nobody'))
            ratio = min(unknown) / min(known)
            if 0.8 < ratio < 1.25 and len(known) > 2:
                break
            self.assertLess(time.monotonic(), end, ratio)
        self.assertGreater(min(known), 1e6)

    def test_disabled(self):
        """an account without a hash, or with an odd one, costs the same
        and is refused the same"""
        self.house.write('passwd', 'joe:%s\njim:*\nann:!%s\n' % (HASH, HASH))
        self.reload()
        for user in ('jim', 'ann', 'nobody'):
            self.assertEqual('AUTHENTICATIONFAILED',
                             self.fails(user, PASSWORD))
        self.imap()

    def test_dumps(self):
        """no process leaves a core, with passwords in it"""
        for pid, role in self.house.children():
            with open('/proc/%d/limits' % pid) as f:
                core = re.search(r'Max core file size +(\d+)', f.read())
            self.assertEqual('0', core and core.group(1), role)


if __name__ == '__main__':
    atf.main()
