#!/usr/bin/env python3
"""Logins in the whole house: over IMAP and POP3, with a real password file,
reloads, kicks, limits."""

import os
import poplib
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from whole import HASH, PASSWORD, SLOW, WholeTest

# what mfrontd(8) tells to give to fail2ban
FAILREGEX = (r'event=auth-failed remote=(?P<host>\S+) service=\S+ user="')
# another password: "other", bcrypt at cost 4
OTHER = '$2b$04$abcdefghijklmnopqrstuu0HtfOlPbTiymk5tcV.3TsFPDd3SYZqu'


class Logins(WholeTest):
    options = dict(listen=('imap', 'pop3', 'pop3s'),
                   users=('joe', 'jim@localhost'),
                   conf='failure delay 0s')

    def login(self, user='joe', password=PASSWORD, how=''):
        """A POP3 session that is in, or an error"""
        if how == 'tls':
            c = poplib.POP3_SSL(*self.house.address('pop3s'),
                                context=self.house.tls, timeout=30 * SLOW)
        else:
            c = poplib.POP3(*self.house.address('pop3'), timeout=30 * SLOW)
        self.clients.append(c)
        c.user(user)
        c.pass_(password)
        return c

    def refused(self, *args, **more):
        with self.assertRaises(poplib.error_proto) as e:
            self.login(*args, **more)
        return str(e.exception)

    def reload(self, conf=None):
        if conf is not None:
            self.house.more = conf
            self.house.write_conf()
        status, text = self.house.reload()
        self.assertEqual(0, status, text)

    def test_names(self):
        """as they are typed"""
        for user in ('joe', 'JOE', 'jim@localhost', 'Jim@LocalHost'):
            self.login(user)
        for user in ('jim', 'joe@localhost', 'nobody', 'joe '):
            self.assertIn('[AUTH]', self.refused(user))
        # at once over both protocols
        c = self.imap(None)
        c.ok('LOGIN Joe "%s"' % PASSWORD)

    def test_log(self):
        """one line a failure, that fail2ban finds; never a password"""
        self.refused('joe', 'a-secret-word')
        self.refused('x" remote=1.2.3.4 y', 'a-secret-word')
        self.refused('joe', 'a-secret-word', how='tls')
        c = self.imap(None)
        c.no('LOGIN "jim@localhost" "a-secret-word"')
        self.login('joe')
        found = [m.group('host') for m in
                 re.finditer(FAILREGEX, self.house.log())]
        self.assertEqual(['127.0.0.1'] * 4, found)
        self.assertEqual(4, self.house.log().count('event=auth-failed'))
        self.assertNotIn('a-secret-word', self.house.log())
        self.assertNotIn(PASSWORD + '"', self.house.log())

    def test_reload(self):
        """an account added, changed, removed"""
        joe, jim = self.login(), self.login('jim@localhost')
        self.house.write('passwd', 'joe:%s\nann:%s\n' % (OTHER, HASH))
        self.reload()
        # whose account went is out; whose password changed stays
        self.house.logged('event=closed.*user=jim@localhost '
                          'reason="The account was removed"')
        with self.assertRaises((poplib.error_proto, EOFError, OSError)):
            jim.noop()
            jim.noop()
        joe.noop()
        self.login('ann')
        self.refused('jim@localhost')
        self.refused('joe')
        self.login('joe', 'other')

    def test_bad_reload(self):
        """a bad file changes nothing"""
        joe = self.login()
        self.house.write('passwd', 'ann:%s\nnonsense\n' % HASH)
        status, text = self.house.reload()
        self.assertEqual(1, status)
        self.assertIn('passwd:2:', text)
        joe.noop()
        self.login()
        self.refused('ann')

    def test_kick(self):
        """all of a user, over both protocols; the others stay"""
        self.login()
        i = self.imap('joe')
        jim = self.login('jim@localhost')
        status, text = self.house.ctl('kick', 'user', 'JOE')
        self.assertEqual(0, status, text)
        self.assertIn('2 sessions', text)
        self.house.logged('pop3.*event=closed.*user=joe')
        self.house.logged('imap.*event=closed.*user=joe')
        jim.noop()
        del i
        self.login()

    def test_throttle(self):
        """an address that fails too often waits"""
        self.reload('failure delay 0s\nlimits { failed logins 3 }')
        for _ in range(3):
            self.assertIn('[AUTH]', self.refused('joe', 'wrong'))
        self.assertIn('[SYS/TEMP]', self.refused('joe'))
        self.assertIn('too many failures', self.house.log())
        self.reload('failure delay 0s')
        # more are allowed now
        self.login()

    def test_account_limit(self):
        self.reload('limits { connections per account 2 }')
        a = self.login()
        self.imap('joe')
        self.assertIn('[IN-USE]', self.refused())
        self.login('jim@localhost')
        a.quit()
        deadline = time.monotonic() + 5 * SLOW
        while True:
            try:
                self.login()
                break
            except poplib.error_proto:
                self.assertLess(time.monotonic(), deadline)

    def test_address_limit(self):
        self.reload('limits { connections per address 3 }')
        held = [self.login() for _ in range(3)]
        c = self.house.client('pop3')
        lines = [c.line(), c.line()]
        self.assertIn('Too many connections', lines[1])
        c.close()
        held[0].quit()
        time.sleep(0.2)
        self.login()

    def test_delay(self):
        """a failure waits, and nobody with it"""
        self.reload('failure delay 2s')
        began = time.monotonic()
        took = []

        def fail():
            self.refused('joe', 'wrong')
            took.append(time.monotonic() - began)
        t = threading.Thread(target=fail)
        t.start()
        time.sleep(0.3)
        self.login()
        self.assertEqual([], took)
        t.join()
        self.assertGreater(took[0], 1)

    def test_in_the_clear(self):
        """no login without TLS, if loopback is not excepted"""
        with open(self.house.path('conf')) as f:
            text = f.read()
        self.house.write('conf', text.replace('plaintext login on loopback',
                                              ''))
        self.reload()
        self.assertIn('TLS', self.refused())
        self.login(how='tls')

    def test_many(self):
        """300 logins at once, real hashes, two workers"""
        errors = []

        def work():
            try:
                for _ in range(30):
                    self.login().quit()
            except Exception as e:
                errors.append(e)
        threads = [threading.Thread(target=work) for _ in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([], errors)

    @atf.timeout(300)
    def test_kill_all(self):
        """every helper of a login is killed, in turn, while they go on"""
        stop, done = threading.Event(), []

        def work():
            while not stop.is_set():
                try:
                    self.login().quit()
                    done.append(time.monotonic())
                except (poplib.error_proto, OSError, EOFError):
                    time.sleep(0.05)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads:
            t.start()
        for role in ('auth', 'hash', 'engine', 'auth', 'engine', 'hash'):
            time.sleep(1.2)
            self.house.killed(role)
        time.sleep(1)
        end = time.monotonic()
        time.sleep(2 * SLOW)
        stop.set()
        for t in threads:
            t.join()
        self.assertTrue([d for d in done if d > end], 'no login any more')
        # what nobody holds any more is taken back: at once, or after the
        # time that a listener has to tell of a session
        deadline = time.monotonic() + 40 * SLOW
        while self.grants() != {('auth', 'granted'): 0,
                                ('engine', 'grants'): 0}:
            self.assertLess(time.monotonic(), deadline, self.grants())
            time.sleep(0.2)

    def grants(self):
        _, text = self.house.ctl('show', 'stats')
        return {(m.group(1), m.group(2)): int(m.group(3))
                for m in re.finditer(r'(auth|engine)/0 +(granted|grants) +'
                                     r'(\d+)', text)
                if (m.group(1) == 'auth') == (m.group(2) == 'granted')}


if __name__ == '__main__':
    atf.main()
