#!/usr/bin/env python3
"""mfrontctl with a real house: every command, for people and for programs."""

import json
import os
import re
import socket
import struct
import subprocess
import threading

from system import (PASSWORD, SLOW, TOP, SystemTest, atf, letter, program,
                    soon)


class Ctl(SystemTest):
    options = dict(SystemTest.options, users=('joe', 'jim', 'ann@localhost'),
                   conf='failure delay 0s\nprefork imap 2')

    def ctl(self, *words, status=0):
        got, text = self.house.ctl(*words)
        self.assertEqual(status, got, text)
        return text

    def json(self, *words, status=0):
        """One value on the standard output, whatever else is said"""
        p = subprocess.run([program('mfrontctl'), '-s',
                            self.house.path('ctl.sock'), '-j', *words],
                           capture_output=True, text=True,
                           timeout=60 * SLOW)
        self.assertEqual(status, p.returncode, p.stderr)
        return json.loads(p.stdout)

    def test_sessions(self):
        """who is there, from where, with what open, doing what"""
        self.assertEqual([], self.json('show', 'sessions'))
        self.deliver(letter('x'))
        i = self.imap(select='INBOX', protocol='imaps')
        i.idle()
        self.pop3('jim')
        l = self.lmtp()
        l.open('ann@localhost')
        n = self.imap(None)
        del n

        def shown():
            rows = self.json('show', 'sessions')
            return rows if len(rows) == 4 else None
        rows = soon(shown)
        by = {(r['service'], r['user']): r for r in rows}
        joe = by['imap', 'joe']
        self.assertEqual('127.0.0.1', joe['remote'])
        self.assertEqual('INBOX', joe['mailbox'])
        self.assertEqual('IDLE', joe['state'].upper())
        self.assertTrue(joe['tls'])
        for name in ('age', 'idle', 'in', 'out'):
            self.assertIsInstance(joe[name], int)
        self.assertGreater(joe['out'], 100)
        self.assertFalse(by['pop3', 'jim']['tls'])
        self.assertIn(('lmtp', ''), by)
        self.assertIn(('imap', ''), by)
        # the same for people
        lines = self.ctl('show', 'sessions').splitlines()
        head = lines[0]
        self.assertRegex(head, r'^SESSION +')
        for r in rows:
            line, = [k for k in lines if k.startswith(r['session'])]
            self.assertIn(r['service'], line)
            self.assertIn(r['user'] or '-', line)
        # shortened
        self.assertEqual(len(lines), len(
            self.ctl('sh', 'se').splitlines()))

    def test_names(self):
        """mailboxes with names of any kind are printed harmlessly"""
        i = self.imap()
        i.ok('CREATE "a&ZeVnLIqe-b"')
        i.ok('SELECT "a&ZeVnLIqe-b"')
        row, = self.json('show', 'sessions')
        self.assertEqual('a日本語b', row['mailbox'])
        self.assertIn('a日本語b', self.ctl('show', 'sessions'))

    def test_stats(self):
        """counters of all processes"""
        self.deliver(letter('x'), 'joe@localhost', 'jim@localhost')
        self.imap(select='INBOX')
        rows = self.json('show', 'stats')
        self.assertLessEqual({'control/0', 'auth/0', 'engine/0', 'imap/0',
                              'imap/1', 'pop3/0', 'lmtp/0'}, set(rows))
        for counters in rows.values():
            for value in counters.values():
                self.assertIsInstance(value, int)
        self.assertEqual(1, self.stats('imap')['logins'])
        self.assertEqual(1, self.stats('lmtp')['accepted'])
        text = self.ctl('show', 'stats')
        self.assertRegex(text, r'(?m)^auth/0 +logins +1$')

    @staticmethod
    def documented():
        """role -> the counters that mfrontctl(8) has of it"""
        with open(os.path.join(TOP, 'mfrontctl', 'mfrontctl.8')) as f:
            text = f.read().split('\n.Sh COUNTERS\n')[1].split('\n.Sh ')[0]
        found = {}
        for part in text.split('\n.Ss ')[1:]:
            title = part.split('\n')[0]
            before = 'main.' if 'storage' in title else ''
            for line in re.findall(r'(?m)^\.It Li (.*)$', part):
                found.setdefault(title.split(',')[0], []).extend(
                    before + name for name in line.split(' , '))
        served = found.pop('All that serve clients: imap')
        for role in 'imap', 'pop3', 'lmtp':
            found[role] += served
        for name in 'logins', 'login-failures':
            found['lmtp'].remove(name)
        return found

    def test_counters(self):
        """all of them are in the manual, and no others"""
        self.house.storage = 'storage "main" embedded "$dir/store" ' \
            'index "$dir/index" size 16M'
        self.reload()
        shown = {}
        for process, counters in self.json('show', 'stats').items():
            shown.setdefault(process.split('/')[0], set()).update(counters)
        documented = self.documented()
        self.assertEqual(set(documented), set(shown))
        for role, names in documented.items():
            self.assertEqual(len(names), len(set(names)), role)
            self.assertEqual(shown[role], set(names), role)

    def test_storage(self):
        row, = self.json('show', 'storage')
        self.assertEqual('main', row['storage'])
        self.assertEqual('up', row['state'])
        self.assertIn('events', row['capabilities'])
        self.assertRegex(self.ctl('show', 'storage'), r'(?m)^state +up$')
        pid = self.house.pid('store')
        os.kill(pid, 19)
        try:
            self.assertEqual(0, self.house.ctl('show', 'storage')[0])
        finally:
            os.kill(pid, 18)

    def test_kick(self):
        """one session, or all of a user"""
        a, b = self.imap(), self.imap()
        p = self.pop3('jim')
        mine = [n for n, r in self.sessions().items()
                if r['user'] == 'joe']
        self.ctl('kick', mine[0])
        soon(lambda: mine[0] not in self.sessions())
        self.assertIn(mine[1], self.sessions())
        self.assertEqual({'ok': True}, {
            k: v for k, v in self.json('kick', 'user', 'joe').items()
            if k == 'ok'})
        for c in (a, b):
            bye, = [r for r in c.ended() if r.type == 'BYE']
            self.assertIn(b'administrator', bye.text)
        p.cmd('NOOP')
        # nobody of that name, or of none
        self.assertIn('no such session',
                      self.ctl('kick', mine[0], status=1))
        self.assertIn('no such session',
                      self.ctl('kick', 'nonsense', status=1))
        self.ctl('kick', 'user', 'nobody', status=1)
        self.house.logged('asks: kick joe')

    def test_log(self):
        """less, and more"""
        self.ctl('log', 'brief')
        self.deliver(letter('x'))
        self.assertNotIn('store: POST', self.house.log())
        self.ctl('log', 'verbose')
        self.deliver(letter('x'))
        self.house.logged('store: POST')
        self.ctl('log', 'much', status=2)

    def test_reload(self):
        self.assertIn('nothing changed', self.ctl('reload'))
        self.house.write('conf', 'x\ny\n')
        text = self.ctl('reload', status=1)
        self.assertEqual(2, len(re.findall(r'conf:\d: ', text)), text)
        said = self.json('reload', status=1)
        self.assertFalse(said['ok'])

    def test_wrong(self):
        """what is no command"""
        for words in ((), ('show',), ('show', 'nothing'), ('s', ),
                      ('kick',), ('show', 'sessions', 'x'), ('frob',)):
            status, text = self.house.ctl(*words)
            self.assertEqual(2, status, (words, text))
            self.assertIn('mfrontctl', text)
        self.house.stop()
        self.assertIn('ctl.sock', self.ctl('show', 'stats', status=1))
        self.house.start()

    def test_strangers(self):
        """who does not speak its language, says nothing, or does not read,
        is in nobody's way"""
        held = []
        for k in range(24):
            s = socket.socket(socket.AF_UNIX)
            self.clients.append(s)
            s.settimeout(5)
            s.connect(self.house.path('ctl.sock'))
            held.append(s)
            if k % 4 == 0:
                s.sendall(os.urandom(100))
            elif k % 4 == 1:
                s.sendall(struct.pack('<IHHII', 16, 0, 0, 0, 0)[:7])
            elif k % 4 == 2:
                s.close()
        self.assertEqual([], self.json('show', 'sessions'))
        self.assertEqual(0, self.house.ctl('reload')[0])

    def test_many(self):
        """twenty at once"""
        self.imap()
        errors = []

        def ask(words):
            for _ in range(5):
                status, text = self.house.ctl(*words)
                if status != 0:
                    errors.append((words, text))
        threads = [threading.Thread(target=ask, args=(w,)) for w in (
            ('show', 'sessions'), ('-j', 'show', 'stats'),
            ('show', 'storage'), ('log', 'verbose')) * 5]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([], errors)

    def test_secrets(self):
        """nobody's password is in the log, at any verbosity"""
        self.ctl('log', 'verbose')
        secret = 'such-a-secret-%d' % os.getpid()
        with open(self.house.path('passwd')) as f:
            hashes = re.findall(r':(\S+)', f.read())
        i = self.imap(None)
        i.no('LOGIN joe "%s"' % secret)
        p = self.house.client('pop3')
        self.clients.append(p)
        p.line()
        p.cmd('USER joe')
        self.assertTrue(p.cmd('PASS ' + secret).startswith('-ERR'))
        i.ok('LOGIN joe "%s"' % PASSWORD)
        i.bad('LOGIN joe')
        p.cmd(secret)
        self.ctl('reload')
        log = self.house.log()
        self.assertNotIn(secret, log)
        for h in hashes:
            self.assertNotIn(h, log)
        for _, args in self.arguments():
            self.assertNotIn(secret, args)

    def arguments(self):
        for pid, role in self.house.children():
            with open('/proc/%d/cmdline' % pid) as f:
                yield role, f.read()

    def test_modes(self):
        """the socket is for its owner and group"""
        st = os.stat(self.house.path('ctl.sock'))
        self.assertEqual(0, st.st_mode & 0o007)


if __name__ == '__main__':
    atf.main()
