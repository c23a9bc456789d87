#!/usr/bin/env python3
"""The auth process between listeners, engines and hash workers that this
test plays: logins, what they cost, limits, grants, recipients."""

import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from house import Child, House, ST, limits
from messages import Closed, HEADER, TABLE, encode

FILE, STORAGE = 0, 1
HERE = bytes([192, 0, 2, 7])
THERE = bytes([192, 0, 2, 8])
# "demo", "right" and two that no test needs the password of, cost 4
DEMO = '$2b$04$mfrontdmfrontdmfrontducuV3ZqIgW.wVSD/ButpjMqJxih6sO/a'
OTHER = '$2b$04$abcdefghijklmnopqrstuuBzIT4vStPlQVvBW.wJ4V9S4Kz6nA/pO'
SHA = ('$6$saltsalt$..2OS7YQ9H8nOZV3zrRCC2W6gKqvDdWTzallpPfaVczvmUWzyIYqU0T'
       'arsE5PYaJ7eNXes2cIPl//BAZe0z3F1')
PASSWD = ('# accounts\n'
          'demo:' + DEMO + '\n'
          'Joe@Example.ORG:' + DEMO + ':more\n'
          'locked:!' + DEMO + '\n'
          'sha:' + SHA + '\n'
          'plus+one@example.org:' + DEMO + '\n'
          'postmaster@localhost:' + DEMO + '\n')


class Auth(House):
    engines = 1

    def conf(self, passwd=PASSWD, kind=FILE, engines=None, domains=None,
             **lim):
        parts = [limits(**lim),
                 ('conf_storage', dict(id=0, name='main')),
                 ('conf_auth', dict(kind=kind, file='/etc/passwd.test',
                                    workers=1,
                                    engines=engines or self.engines))]
        parts += [('conf_domain', dict(name=d))
                  for d in domains or ['localhost', 'example.org']]
        # in pieces that cut lines in two
        parts += [('conf_passwd', dict(text=passwd[i:i + 50]))
                  for i in range(0, len(passwd), 50)]
        return parts

    def begin(self, hashes=True, engines=True, **conf):
        self.auth = self.start('auth')
        self.auth.configure(self.conf(**conf))
        self.imap = self.auth.peer('imap')
        if hashes:
            self.hash = self.auth.peer('hash')
        if engines:
            self.engine = self.auth.peer('engine')

    def open(self, session, addr=HERE, chan=None):
        (chan or self.imap).send('conn_open', sid=session, addr=addr)

    def ask(self, session, user='demo', secret='demo', **more):
        self.imap.send('auth_req', sid=session, user=user, secret=secret,
                       remote='192.0.2.7', **more)

    def hashed(self, match, **fields):
        m = self.hash.expect('hash_req', **fields)
        self.hash.send('hash_res', req=m.req, match=match)
        return m

    def granted(self, acct=5, code=0, engine=None, **fields):
        e = engine or self.engine
        m = e.until('grant', **fields)
        e.send('grant_ok', req=m.req, acct=acct, code=code)
        return m

    def login(self, session, user='demo', secret='demo', addr=HERE):
        """The whole way; the first time through a hash"""
        self.open(session, addr)
        self.ask(session, user, secret)
        m = self.hash.recv(0.2) if self.hash else None
        if m is not None:
            self.hash.send('hash_res', req=m.req, match=1)
        self.granted()
        return self.imap.expect('auth_ok', sid=session)

    def failed(self, session, code='BAD_CREDENTIALS', timeout=10, **fields):
        m = self.imap.expect('auth_fail', timeout=timeout, code=ST[code],
                             **fields)
        assert m.sid == session
        return m

    def lines(self, pattern='event=auth-failed'):
        return [l for l in self.auth.log().splitlines()
                if re.search(pattern, l)]


class Logins(Auth):
    def test_ok(self):
        """a good password: hashed, granted, and only then told"""
        self.begin()
        self.open(7)
        self.ask(7)
        self.hashed(1, secret='demo', hash=DEMO)
        m = self.engine.expect('grant', gen=self.imap.gen, session=7,
                               mount=0, storage=0, account='demo',
                               user='demo')
        self.imap.silent()
        self.engine.send('grant_ok', req=m.req, acct=99)
        self.imap.expect('auth_ok', user='demo', engine=0, acct=99,
                         egen=self.engine.gen, storage=0)
        self.imap.send('conn_close', sid=7)
        self.engine.expect('revoke', gen=self.imap.gen, session=7)
        self.assertEqual([], self.lines())

    def test_bad_password(self):
        """refused, counted, one line in the log, never the password"""
        self.begin()
        self.open(7)
        self.ask(7, secret='s3cret-word')
        self.hashed(0, hash=DEMO)
        self.failed(7)
        self.assertEqual(1, len(self.lines()))
        self.assertRegex(self.lines()[0], r'session=0123abcd-%x-7 '
                         r'event=auth-failed remote=192\.0\.2\.7 '
                         r'service=imap user="demo" '
                         r'reason="bad password"$' % self.imap.gen)
        self.assertNotIn('s3cret', self.auth.log())
        # the next try on the same connection is heard
        self.ask(7)
        self.hashed(1)
        self.granted()
        self.imap.expect('auth_ok', sid=7)

    def test_unknown_costs_the_same(self):
        """unknown, disabled, foreign identity: a hash of the same kind,
        whose match counts for nothing"""
        self.begin()
        for n, (user, more, why) in enumerate((
                ('nobody', {}, 'unknown user'),
                ('locked', {}, 'account disabled'),
                ('demo', dict(authzid='sha'), 'another identity asked for'),
                ('\udcff\udcfe'.encode('utf-8', 'surrogateescape'), {},
                 'unknown user'))):
            self.open(n + 1)
            self.ask(n + 1, user, **more)
            m = self.hashed(1)
            self.assertEqual(DEMO[:7], m.hash[:7])
            self.failed(n + 1)
            self.assertIn('reason="%s"' % why, self.lines()[-1])
        self.engine.silent()

    def test_names(self):
        """one account, however its name is typed; authzid his own"""
        self.begin()
        for n, (user, authzid) in enumerate((
                ('joe@example.org', ''), ('JOE@EXAMPLE.org', ''),
                ('Joe@example.org', 'jOE@example.ORG'))):
            self.open(n + 1)
            self.ask(n + 1, user, authzid=authzid)
            if n == 0:
                self.hashed(1)
            self.granted(account='joe@example.org', user='joe@example.org')
            self.imap.expect('auth_ok', user='joe@example.org')

    def test_log_cannot_be_forged(self):
        """what was typed as a name cannot make a line of its own"""
        self.begin()
        self.open(1)
        self.ask(1, 'x" reason="y"\nauth: event=auth-failed '
                 'remote=192.0.2.99 \\' + 'z' * 400)
        self.hashed(0)
        self.failed(1)
        lines = self.auth.log().splitlines()
        self.assertEqual(1, sum('auth-failed' in l for l in lines))
        line = self.lines()[0]
        self.assertRegex(line, r'event=auth-failed remote=192\.0\.2\.7 ')
        self.assertLess(len(line), 300)
        self.assertEqual(4, line.count('"'))

    def test_cache(self):
        """the second time costs no hash; wrong ones always do; a reload
        forgets"""
        self.begin()
        self.login(1)
        self.open(2)
        self.ask(2)
        self.granted()
        self.imap.expect('auth_ok', sid=2)
        self.hash.silent(0.1)
        for n in (3, 4):
            self.open(n)
            self.ask(n, secret='wrong')
            self.hashed(0)
            self.failed(n)
        self.auth.configure(self.conf(), first=0)
        self.open(5)
        self.ask(5)
        self.hashed(1)
        self.granted()
        self.imap.expect('auth_ok', sid=5)

    def test_real_hashes(self):
        """with a real hash worker"""
        self.begin(hashes=False)
        self.auth.wire(self.start('hash'))
        for n, user in enumerate(('demo', 'sha', 'joe@example.org')):
            self.open(n + 1)
            self.ask(n + 1, user)
            self.granted()
            self.imap.expect('auth_ok', user=user)
            self.open(n + 11)
            self.ask(n + 11, user, secret='demo ')
            self.failed(n + 11)
        self.open(20)
        self.ask(20, 'nobody')
        self.failed(20)

    @atf.timeout(300)
    def test_timing(self):
        """a real hash worker: an unknown user takes as long as a known"""
        hash10 = ('$2b$10$mfrontdmfrontdmfrontdufBwuuofbR6sqkGXUipGITMPICGZ'
                  'yMjW')
        self.begin(hashes=False, passwd='demo:%s\n' % hash10)
        worker = self.start('hash')
        self.auth.wire(worker)
        took = {'demo': [], 'nobody': []}
        n = 0
        for _ in range(7):
            for user in took:
                n += 1
                self.open(n)
                before = worker.cpu()
                self.ask(n, user, secret='wrong')
                self.failed(n)
                took[user].append(worker.cpu() - before)
        known, unknown = (min(took[u]) for u in ('demo', 'nobody'))
        self.assertGreater(known, 0.01)
        self.assertLess(abs(known - unknown), 0.25 * known)

    def test_no_accounts(self):
        """an empty file: a real hash all the same"""
        self.begin(hashes=False, passwd='# nobody\n')
        self.auth.wire(self.start('hash'))
        self.open(1)
        began = time.monotonic()
        self.ask(1)
        self.failed(1)
        self.assertGreater(time.monotonic() - began, 0.01)

    def test_dummy_is_the_commonest(self):
        """the hash that stands in is of the kind most accounts have"""
        self.begin(passwd='a:%s\nb:%s\nc:%s\n' % (DEMO, SHA, SHA))
        self.open(1)
        self.ask(1, 'nobody')
        self.hashed(0, hash=SHA)
        self.failed(1)


class Limits(Auth):
    def test_delay(self):
        """an answer that is late, later with each failure, and stops
        nobody else"""
        self.begin(delay=1)
        self.open(1)
        self.open(2, THERE)
        self.open(3, THERE)
        self.ask(1, secret='wrong')
        began = time.monotonic()
        self.hashed(0)
        # the failure is in the log at once
        self.auth.logged('event=auth-failed')
        self.ask(2)
        self.hashed(1)
        self.granted()
        self.imap.expect('auth_ok', sid=2)
        self.assertLess(time.monotonic() - began, 0.5)
        self.failed(1)
        first = time.monotonic() - began
        self.assertGreater(first, 0.6)
        self.ask(1, secret='wrong')
        began = time.monotonic()
        self.hashed(0)
        self.failed(1)
        self.assertGreater(time.monotonic() - began, 1.5)

    def test_closed_while_late(self):
        """nobody waits for the answer any more"""
        self.begin(delay=1)
        self.open(1)
        self.ask(1, secret='wrong')
        self.hashed(0)
        self.imap.send('conn_close', sid=1)
        self.imap.silent(2.2)
        self.login(1)

    def test_failures(self):
        """an address that failed too often is not listened to"""
        self.begin(failures=3)
        for n in (1, 2, 3):
            self.open(n)
            self.ask(n, secret='wrong')
            self.hashed(0)
            self.failed(n)
        self.open(4)
        self.ask(4)
        self.failed(4, 'TRY_LATER')
        self.hash.silent(0.1)
        self.assertIn('reason="too many failures"', self.lines()[-1])
        self.assertEqual(4, len(self.lines()))
        # others are, and who has no address
        self.login(5, addr=THERE)
        self.open(6, b'')
        for _ in range(5):
            self.ask(6, secret='wrong')
            self.hashed(0)
            self.failed(6)

    def test_failures_in_parallel(self):
        """guesses that were under way when the limit was reached tell
        nothing"""
        self.begin(failures=2, conn_address=0)
        for n in range(1, 5):
            self.open(n)
            self.ask(n, secret='guess%d' % n)
        for n, match in ((1, 0), (2, 0), (3, 1), (4, 1)):
            self.hashed(match)
        self.failed(1)
        self.failed(2)
        self.failed(3, 'TRY_LATER')
        self.failed(4, 'TRY_LATER')
        self.engine.silent(0.1)

    def test_ipv6(self):
        """an IPv6 address counts as its /64"""
        self.begin(failures=1)
        a = bytes.fromhex('20010db8000000010000000000000001')
        b = bytes.fromhex('20010db800000001ffff000000000002')
        c = bytes.fromhex('20010db8000000020000000000000001')
        self.open(1, a)
        self.ask(1, secret='wrong')
        self.hashed(0)
        self.failed(1)
        self.assertIn('remote=2001:db8:0:1::1 ', self.lines()[0])
        self.open(2, b)
        self.ask(2)
        self.failed(2, 'TRY_LATER')
        self.login(3, addr=c)

    def test_address(self):
        """connections of an address, over all listeners"""
        self.begin(conn_address=2)
        pop3 = self.auth.peer('pop3')
        self.open(1)
        self.open(1, chan=pop3)
        self.open(2, THERE)
        self.open(3, b'')
        self.open(4, b'')
        self.open(5, b'')
        self.imap.silent(0.2)
        self.open(2, chan=pop3)
        pop3.expect('kick', sid=2)
        # what it asks before it hears of it is not answered
        pop3.send('auth_req', sid=2, user='demo', secret='demo')
        self.hash.silent(0.2)
        pop3.send('conn_close', sid=2)
        pop3.send('conn_close', sid=1)
        self.open(9)
        self.imap.silent(0.2)
        self.open(10)
        self.imap.expect('kick', sid=10)

    def test_account(self):
        """sessions of an account"""
        self.begin(conn_account=2)
        self.login(1)
        self.login(2)
        self.open(3)
        self.ask(3)
        self.failed(3, 'LIMIT')
        # a wrong password is told nothing of it
        self.ask(3, secret='wrong')
        self.hashed(0)
        self.failed(3)
        self.imap.send('conn_close', sid=1)
        self.ask(3)
        self.granted()
        self.imap.expect('auth_ok', sid=3)

    def test_queue(self):
        """a thousand wait for a hash, not one more; each gets its own"""
        self.begin(conn_address=0, t_backend=100)
        for n in range(1, 1003):
            self.open(n)
            self.ask(n, secret='pw%d' % n)
        m = self.failed(1002, 'TRY_LATER')
        self.assertIn('Too many logins', m.text)
        self.assertEqual([], self.lines())
        for n in range(1, 1002):
            m = self.hash.expect('hash_req', secret='pw%d' % n)
            self.hash.send('hash_res', req=m.req, match=0)
            self.failed(n)
        self.hash.silent(0.1)

    def test_queue_closed(self):
        """who goes while waiting is not hashed"""
        self.begin()
        for n in (1, 2, 3):
            self.open(n)
            self.ask(n, secret='pw%d' % n)
        m = self.hash.expect('hash_req', secret='pw1')
        self.imap.send('conn_close', sid=1)
        self.imap.send('conn_close', sid=2)
        # a connection of the same number is another one
        self.open(1)
        self.hash.send('hash_res', req=m.req, match=1)
        self.hashed(0, secret='pw3')
        self.failed(3)
        self.imap.silent(0.2)

    def test_workers(self):
        """several workers at once; one that dies has its work done by
        another, once"""
        self.begin()
        second = self.auth.peer('hash', slot=1)
        for n in (1, 2):
            self.open(n)
            self.ask(n, secret='pw%d' % n)
        self.hash.expect('hash_req', secret='pw1')
        m = second.expect('hash_req', secret='pw2')
        self.hash.close()
        self.imap.silent(0.1)
        second.send('hash_res', req=m.req, match=0)
        self.failed(2)
        second.expect('hash_req', secret='pw1')
        second.close()
        self.failed(1, 'UNAVAILABLE')

    def test_no_worker(self):
        """no worker in time"""
        self.begin(hashes=False, t_backend=1)
        self.open(1)
        self.ask(1)
        self.failed(1, 'UNAVAILABLE')
        self.assertEqual([], self.lines())

    def test_stats(self):
        """counters"""
        self.begin(failures=1)
        self.login(1)
        self.open(2)
        self.ask(2, secret='wrong')
        self.hashed(0)
        self.failed(2)
        control = self.auth.peer('control')
        control.send('ctl_stats', req=4)
        stats = {}
        while True:
            m = control.recv()
            if m.type == 'ctl_end':
                break
            stats[m.name] = m.value
        self.assertEqual(4, m.req)
        self.assertEqual(1, stats['logins'])
        self.assertEqual(1, stats['failed-bad-password'])
        self.assertEqual(2, stats['connections'])
        self.assertEqual(1, stats['granted'])
        self.assertEqual(6, stats['accounts'])


class ByStorage(Auth):
    def begin(self, **more):
        super().begin(kind=STORAGE, passwd='', **more)

    def test_ok(self):
        """the storage decides, and says whose mail it is"""
        self.begin()
        self.open(1)
        self.ask(1, 'Joe', secret='pw', tls=1)
        q = self.engine.expect('auth_query', storage=0, user='Joe',
                               secret='pw', authzid='', service='imap',
                               remote='192.0.2.7', tls=1,
                               session='0123abcd-%x-1' % self.imap.gen)
        self.engine.send('auth_answer', req=q.req, account='acct/17',
                         name='JOE')
        self.granted(account='acct/17', user='joe')
        self.imap.expect('auth_ok', user='joe')

    def test_refused(self):
        """its codes: those that are the client's fault, and the others"""
        self.begin()
        for n, (code, want, logged) in enumerate((
                ('BAD_CREDENTIALS', 'BAD_CREDENTIALS', 1),
                ('NO_SUCH_ACCOUNT', 'BAD_CREDENTIALS', 1),
                ('EXPIRED', 'EXPIRED', 1),
                ('ACCOUNT_DISABLED', 'ACCOUNT_DISABLED', 1),
                ('TRY_LATER', 'TRY_LATER', 0),
                ('UNAVAILABLE', 'UNAVAILABLE', 0),
                ('CUT', 'CUT', 0))):
            before = len(self.lines())
            self.open(n + 1)
            self.ask(n + 1)
            q = self.engine.expect('auth_query')
            self.engine.send('auth_answer', req=q.req, code=ST[code])
            self.failed(n + 1, want)
            self.assertEqual(before + logged, len(self.lines()))
        self.assertIn('reason="account-disabled"', self.lines()[-1])

    def test_nonsense(self):
        """no account in a good answer"""
        self.begin()
        self.open(1)
        self.ask(1)
        q = self.engine.expect('auth_query')
        self.engine.send('auth_answer', req=q.req)
        self.failed(1, 'NONSENSE')

    def test_engine_dies(self):
        """while it is asked"""
        self.begin()
        self.open(1)
        self.ask(1)
        self.engine.expect('auth_query')
        self.engine.close()
        self.failed(1, 'UNAVAILABLE')
        self.ask(1)
        self.failed(1, 'UNAVAILABLE')

    def test_identity(self):
        """another identity never reaches the storage"""
        self.begin()
        self.open(1)
        self.ask(1, 'joe', authzid='jim')
        self.failed(1)
        self.engine.silent(0.1)


class Grants(Auth):
    def test_engine_of_account(self):
        """one engine for all sessions of an account"""
        self.engines = 4
        self.begin(engines=False, passwd=''.join(
            'u%d:%s\n' % (n, DEMO) for n in range(40)))
        engines = [self.auth.peer('engine', slot=i) for i in range(4)]
        used = {}
        for again in (0, 1):
            for n in range(40):
                session = 1 + n + 100 * again
                self.open(session)
                self.ask(session, 'u%d' % n)
                if not again:
                    self.hashed(1)
                found = None
                while found is None:
                    for e in engines:
                        found = e.recv(0.005)
                        if found is not None:
                            break
                self.assertEqual(used.setdefault(n, e.slot), e.slot)
                e.send('grant_ok', req=found.req, acct=1)
                self.imap.expect('auth_ok', engine=e.slot, egen=e.gen)
        self.assertEqual({0, 1, 2, 3}, set(used.values()))

    def test_refused(self):
        """the engine says no"""
        self.begin()
        self.open(1)
        self.ask(1)
        self.hashed(1)
        self.granted(code=ST['TRY_LATER'])
        self.failed(1, 'TRY_LATER')
        self.ask(1)
        self.granted()
        self.imap.expect('auth_ok')

    def test_closed_before_answer(self):
        """the session is gone when the engine answers: taken back"""
        self.begin()
        self.open(1)
        self.ask(1)
        self.hashed(1)
        m = self.engine.expect('grant')
        self.imap.send('conn_close', sid=1)
        self.engine.expect('revoke', gen=self.imap.gen, session=1)
        self.engine.send('grant_ok', req=m.req, acct=1)
        # another session of that number starts with nothing
        self.open(1)
        self.imap.silent(0.2)

    def test_listener_dies(self):
        """all its sessions are forgotten"""
        self.begin()
        self.login(1)
        old = self.imap
        old.close()
        self.engine.expect('revoke', gen=old.gen, session=1)
        self.imap = self.auth.peer('imap')
        self.open(1)
        self.ask(1)
        m = self.granted(session=1)
        self.assertEqual(self.imap.gen, m.gen)
        self.imap.expect('auth_ok')

    def test_listener_dies_at_login(self):
        """in each step of a login"""
        self.begin(delay=1)
        self.open(1)
        self.ask(1)
        m = self.hash.expect('hash_req')
        self.imap.close()
        self.hash.send('hash_res', req=m.req, match=0)
        self.imap = self.auth.peer('imap')
        self.open(1)
        self.ask(1)
        self.hashed(1)
        m = self.engine.expect('grant')
        gen = self.imap.gen
        self.imap.close()
        self.engine.expect('revoke', gen=gen)
        self.engine.send('grant_ok', req=m.req)
        self.imap = self.auth.peer('imap')
        self.open(1)
        self.ask(1, secret='wrong')
        self.hashed(0)
        self.imap.close()
        self.imap = self.auth.peer('imap')
        self.imap.silent(1.5)
        self.login(1)

    def test_engine_restarts(self):
        """sessions are granted again by the new one, and told"""
        self.begin()
        for n in (1, 2, 3):
            self.login(n)
        self.engine.close()
        self.imap.silent(0.2)
        self.imap.send('conn_close', sid=2)
        self.engine = self.auth.peer('engine')
        for n in (1, 3):
            self.granted(session=n, acct=50 + n)
            self.imap.expect('regrant', sid=n, engine=0, acct=50 + n,
                             egen=self.engine.gen)
        self.engine.silent(0.2)

    def test_engine_restarts_early(self):
        """the new one is there before the old one's end is seen"""
        self.begin()
        self.login(1)
        old, self.engine = self.engine, self.auth.peer('engine')
        self.engine.silent(0.2)
        old.close()
        self.granted(session=1)
        self.imap.expect('regrant', sid=1, egen=self.engine.gen)

    def test_engine_dies_at_login(self):
        """a login waits for the new engine"""
        self.begin()
        self.open(1)
        self.ask(1)
        self.hashed(1)
        self.engine.expect('grant')
        self.engine.close()
        self.imap.silent(0.2)
        self.engine = self.auth.peer('engine')
        self.granted(session=1)
        self.imap.expect('auth_ok', egen=self.engine.gen)

    def test_no_engine(self):
        """but not for ever"""
        self.begin(engines=False, t_backend=1)
        self.open(1)
        self.ask(1)
        self.hashed(1)
        self.failed(1, 'UNAVAILABLE')
        # and gets nothing from one that comes too late
        self.auth.peer('engine').silent(0.2)

    def test_engine_is_slow(self):
        """an answer that comes too late is no login, and no grant"""
        self.begin(t_backend=1)
        self.open(1)
        self.ask(1)
        self.hashed(1)
        m = self.engine.expect('grant')
        self.failed(1, 'UNAVAILABLE')
        self.engine.expect('revoke', session=1)
        self.engine.send('grant_ok', req=m.req)
        self.imap.silent(0.2)

    def test_regrant_refused(self):
        """the new engine says no: the session ends"""
        self.begin()
        self.login(1)
        self.engine.close()
        self.engine = self.auth.peer('engine')
        self.granted(session=1, code=ST['UNAVAILABLE'])
        self.imap.expect('kick', sid=1)
        self.imap.send('conn_close', sid=1)
        self.engine.silent(0.2)

    def test_fewer_engines(self):
        """a reload takes an engine away: its sessions move"""
        self.engines = 2
        self.begin(engines=False, passwd=''.join(
            'u%d:%s\n' % (n, DEMO) for n in range(8)))
        engines = [self.auth.peer('engine', slot=i) for i in range(2)]
        moved = []
        for n in range(8):
            self.open(n + 1)
            self.ask(n + 1, 'u%d' % n)
            self.hashed(1)
            for e in engines:
                m = e.recv(0.2)
                if m is not None:
                    e.send('grant_ok', req=m.req)
                    break
            self.imap.expect('auth_ok', engine=e.slot)
            if e.slot == 1:
                moved.append(n + 1)
        self.assertTrue(moved)
        self.auth.configure(self.conf(engines=1, passwd=''.join(
            'u%d:%s\n' % (n, DEMO) for n in range(8))), first=0)
        engines[1].close()
        for n in moved:
            self.granted(engine=engines[0], session=n)
            self.imap.expect('regrant', sid=n, engine=0)

    def test_kick_user(self):
        """mfrontctl kick user: grants back, sessions told"""
        self.begin()
        for n in (1, 2):
            self.login(n)
        self.login(3, 'sha')
        control = self.auth.peer('control')
        control.send('ctl_kick_user', req=9, user='DEMO')
        m = control.expect('ctl_end', ok=1)
        self.assertEqual(9, m.req)
        self.assertIn('2 sessions', m.text)
        for n in (1, 2):
            self.engine.expect('revoke', session=n)
            self.imap.expect('kick', sid=n)
            self.imap.send('conn_close', sid=n)
        control.send('ctl_kick_user', req=10, user='demo')
        control.expect('ctl_end', ok=0)
        self.imap.silent(0.2)

    def test_account_removed(self):
        """a reload without the account ends its sessions; a changed
        password does not"""
        self.begin()
        self.login(1)
        self.login(2, 'sha')
        self.open(3)
        self.ask(3, 'sha', secret='other')
        m = self.hash.expect('hash_req')
        self.auth.configure(self.conf(passwd='demo:%s\n' % SHA), first=0)
        self.engine.expect('revoke', session=2)
        self.imap.expect('kick', sid=2)
        # checked against what was true when it was asked: no more
        self.hash.send('hash_res', req=m.req, match=1)
        self.failed(3)
        self.engine.silent(0.2)
        # the old password is no good, cached or not
        self.open(4)
        self.ask(4)
        self.hashed(0, hash=SHA)
        self.failed(4)

    def test_bad_reload(self):
        """a file with an error changes nothing, and says where"""
        self.begin()
        self.login(1)
        for text, why in (
                ('demo:%s\nnothing\n' % DEMO, ':2: '),
                ('demo:%s\nDEMO:%s\n' % (DEMO, DEMO), ':2: '),
                ('a:%s\n\nb:plain\n' % DEMO, ':3: ')):
            error = self.auth.configure(self.conf(passwd=text), first=0,
                                        ok=False)
            self.assertIn('/etc/passwd.test' + why, error)
            self.assertNotIn('$2b', error)
        self.login(2)
        self.imap.silent(0.2)


class Restart(Auth):
    """This auth takes another's place: engines tell what was granted,
    listeners which sessions are logged in"""

    def known(self, session, account='demo', gen=None, acct=5):
        self.engine.send('granted', gen=gen or self.imap.gen,
                         session=session, account=account, user=account,
                         acct=acct)

    def there(self, session, logged_in=1):
        self.imap.send('conn_open', sid=session, addr=HERE,
                       **{'in': logged_in})

    def kick(self, n):
        """Is it known as what it is?"""
        control = self.auth.peer('control')
        control.send('ctl_kick_user', req=1, user='demo')
        self.assertIn('%d session' % n, control.expect('ctl_end').text)

    def test_session_first(self):
        """conn_open before granted: the session goes on"""
        self.begin()
        self.there(1)
        self.known(1)
        self.imap.silent(0.2)
        self.imap.send('conn_close', sid=1)
        self.engine.expect('revoke', session=1)

    def test_grant_first(self):
        """granted before conn_open"""
        self.begin()
        self.known(1)
        time.sleep(0.1)
        self.there(1)
        self.imap.silent(0.1)
        self.kick(1)
        self.engine.expect('revoke', session=1)
        self.imap.expect('kick', sid=1)

    def test_not_in(self):
        """the old auth died before it told of the login: taken back, in
        whatever order one hears of it"""
        self.begin()
        self.there(1, 0)
        self.known(1)
        self.engine.expect('revoke', session=1)
        self.known(2)
        time.sleep(0.1)
        self.there(2, 0)
        self.engine.expect('revoke', session=2)
        # and the client may try again
        for n, user in ((1, 'sha'), (2, 'demo')):
            self.ask(n, user)
            self.hashed(1)
            self.granted(session=n, account=user)
            self.imap.expect('auth_ok', sid=n, user=user)

    def test_again_at_once(self):
        """the client tries again before the engine has told"""
        self.begin(delay=1)
        self.there(1, 0)
        self.ask(1, 'sha')
        m = self.hash.expect('hash_req')
        self.known(1)
        self.engine.expect('revoke', session=1)
        self.hash.send('hash_res', req=m.req, match=1)
        m = self.engine.expect('grant', account='sha')
        # told before it read this: what it will have is the new one
        self.known(1)
        self.engine.silent(0.2)
        self.engine.send('grant_ok', req=m.req)
        self.imap.expect('auth_ok', user='sha')

    def test_listener_later(self):
        """granted before the listener itself is known"""
        self.begin()
        gen = Child.next_gen()
        self.known(3, gen=gen)
        imap = self.auth.peer('imap', slot=1, gen=gen)
        imap.send('conn_open', sid=3, addr=HERE, **{'in': 1})
        imap.silent(0.2)
        imap.send('conn_close', sid=3)
        self.engine.expect('revoke', gen=gen, session=3)

    @atf.timeout(120)
    def test_nobody(self):
        """a session that no listener has, one that no engine has: ended
        after 30 s"""
        self.begin()
        self.known(4, gen=Child.next_gen())
        self.there(5)
        self.engine.silent(20)
        self.engine.expect('revoke', timeout=15, session=4)
        self.imap.expect('kick', timeout=15, sid=5)

    def test_removed(self):
        """the account went while no auth was there"""
        self.begin()
        self.there(1)
        self.known(1, 'ghost')
        self.engine.expect('revoke', session=1)
        self.imap.expect('kick', sid=1)
        self.known(2, 'ghost')
        self.engine.expect('revoke', session=2)

    def test_engine_too(self):
        """then the engine goes: granted again"""
        self.begin()
        self.there(1)
        self.known(1)
        self.imap.silent(0.1)
        self.engine.close()
        self.engine = self.auth.peer('engine')
        self.granted(session=1, account='demo', user='demo')
        self.imap.expect('regrant', sid=1)

    def test_counts(self):
        """what was granted before counts for the account's limit"""
        self.begin(conn_account=1)
        self.there(1)
        self.known(1)
        self.open(2)
        self.ask(2)
        self.hashed(1)
        self.failed(2, 'LIMIT')


class Violations(Auth):
    """A sibling that breaks the rules is reported, and its channel closed"""

    def refused(self, chan, why=None):
        chan.ended()
        m = self.auth.parent.until('complaint')
        if why:
            self.assertIn(why, m.reason)

    def test_unknown_session(self):
        """a login of a session that was never opened"""
        self.begin()
        self.ask(9)
        self.refused(self.imap, 'no such session')

    def test_close_unknown(self):
        self.begin()
        self.imap.send('conn_close', sid=9)
        self.refused(self.imap)

    def test_open_twice(self):
        self.begin()
        self.open(1)
        self.open(1)
        self.refused(self.imap, 'open already')

    def test_login_twice(self):
        """a second question before the answer"""
        self.begin()
        self.open(1)
        self.ask(1)
        self.ask(1)
        self.refused(self.imap)
        # the engines hear nothing of what was under way
        m = self.hash.expect('hash_req')
        self.hash.send('hash_res', req=m.req, match=1)
        self.engine.silent(0.2)

    def test_login_when_in(self):
        self.begin()
        self.login(1)
        self.ask(1)
        self.refused(self.imap)
        self.engine.expect('revoke', session=1)

    def test_login_when_known(self):
        """a session that says it is logged in does not log in"""
        self.begin()
        self.imap.send('conn_open', sid=1, addr=HERE, **{'in': 1})
        self.ask(1)
        self.refused(self.imap)

    def test_bad_mechanism(self):
        self.begin()
        self.open(1)
        self.ask(1, mech=77)
        self.refused(self.imap)

    def test_bad_address(self):
        self.begin()
        self.open(1, b'12345')
        self.refused(self.imap)

    def test_lmtp_cannot_log_in(self):
        self.begin()
        lmtp = self.auth.peer('lmtp')
        lmtp.send('conn_open', sid=1, addr=HERE)
        lmtp.send('auth_req', sid=1, user='demo', secret='demo')
        self.refused(lmtp)

    def test_imap_cannot_ask_recipients(self):
        self.begin()
        self.open(1)
        self.imap.send('rcpt_req', sid=1, req=1, txn=1, address='a@localhost')
        self.refused(self.imap, 'not its message')

    def test_listener_cannot_grant(self):
        self.begin()
        self.imap.send('grant', gen=self.imap.gen, session=1,
                       account='demo')
        self.refused(self.imap, 'not its message')

    def test_hash_unasked(self):
        self.begin()
        self.hash.send('hash_res', req=1, match=1)
        self.refused(self.hash)

    def test_engine_answers_for_another(self):
        """an engine answers what another was asked"""
        self.engines = 2
        self.begin(engines=False)
        engines = [self.auth.peer('engine', slot=i) for i in (0, 1)]
        self.open(1)
        self.ask(1)
        self.hashed(1)
        m = engines[0].recv(0.3)
        asked, other = engines if m is not None else engines[::-1]
        m = m or asked.expect('grant')
        other.send('grant_ok', req=m.req)
        self.refused(other, 'not asked')
        self.imap.silent(0.1)
        asked.send('grant_ok', req=m.req)
        self.imap.expect('auth_ok', egen=asked.gen)

    def test_wrong_answer(self):
        """a grant is no password check"""
        self.begin()
        self.open(1)
        self.ask(1)
        self.hashed(1)
        m = self.engine.expect('grant')
        self.engine.send('auth_answer', req=m.req, account='demo')
        self.refused(self.engine, 'not asked')
        self.imap.silent(0.2)

    def test_late_answer(self):
        """an answer to what nobody asked any more is no crime"""
        self.begin()
        self.engine.send('grant_ok', req=12345)
        self.engine.send('rcpt_answer', req=12345)
        self.engine.send('auth_answer', req=12345)
        self.login(1)

    def test_sessions(self):
        """more sessions than a process can have; the others' stay"""
        self.begin()
        other = self.auth.peer('pop3')
        self.open(1, chan=other)
        body = encode('conn_open', dict(addr=b''))
        size = HEADER + len(body)
        number = TABLE['conn_open'].number

        def many(first, n):
            self.imap.sock.settimeout(60)
            try:
                self.imap.sock.sendall(b''.join(
                    struct.pack('>HHIII', number, 0, size, i, 0) + body
                    for i in range(first, first + n)))
            except (BrokenPipeError, ConnectionResetError):
                pass
        many(1, 131072)
        self.open(1 << 30)
        m = self.auth.parent.until('complaint', timeout=60)
        self.assertEqual((self.imap.gen, 'conn_open', 'too many sessions'),
                         (m.gen, m.message, m.reason))
        self.imap.ended()
        other.send('auth_req', sid=1, user='demo', secret='demo',
                   remote='192.0.2.7')
        self.hashed(1)
        self.granted()
        other.expect('auth_ok', sid=1)


class Rcpts(Auth):
    def begin(self, **more):
        super().begin(hashes=False, **more)
        self.lmtp = self.auth.peer('lmtp')
        self.lmtp.send('conn_open', sid=1, addr=HERE)

    def rcpt(self, address, txn=1, req=1, **more):
        self.lmtp.send('rcpt_req', sid=1, req=req, txn=txn, address=address,
                       **{'from': 'a@b', 'size': 100})

    def good(self, address, account, **more):
        self.rcpt(address, **more)
        m = self.engine.expect('grant_rcpt', gen=self.lmtp.gen, session=1,
                               storage=0, account=account, mailbox='',
                               address=address)
        self.engine.send('grant_ok', req=m.req)
        r = self.lmtp.expect('rcpt_res', code=0, rcpt=m.rcpt,
                             egen=self.engine.gen, engine=0)
        return m, r

    def unknown(self, address, text=None):
        self.rcpt(address, req=77)
        r = self.lmtp.expect('rcpt_res', code=ST['UNKNOWN_RECIPIENT'],
                             rcpt=0)
        self.assertEqual(77, r.req)
        if text:
            self.assertEqual(text, r.text)
        self.engine.silent(0.05)

    def test_addresses(self):
        """which address is whose"""
        self.begin()
        for address, account in (
                ('demo@localhost', 'demo'),
                ('demo@example.org', 'demo'),
                ('DEMO@Localhost', 'demo'),
                ('demo+list@localhost', 'demo'),
                ('demo+a+b@localhost', 'demo'),
                ('joe@example.org', 'joe@example.org'),
                ('joe+x@example.org', 'joe@example.org'),
                ('plus+one@example.org', 'plus+one@example.org'),
                ('locked@localhost', 'locked'),
                ('postmaster@localhost', 'postmaster@localhost'),
                ('postmaster', 'postmaster@localhost')):
            self.good(address, account)
        for address in ('nobody@localhost', 'joe@localhost',
                        'plus@example.org', 'postmaster@example.org',
                        'abuse', '+demo@localhost', '@localhost',
                        '"a b"@localhost'):
            self.unknown(address)
        self.unknown('demo@example.com', 'No such domain here')
        self.unknown('demo@localhost.', 'No such domain here')

    def test_handles(self):
        """each is another, also of one account"""
        self.begin()
        handles = {self.good('demo@localhost', 'demo')[0].rcpt
                   for _ in range(10)}
        self.assertEqual(10, len(handles))

    def test_at_once(self):
        """many under way; answers in any order, by their numbers"""
        self.begin()
        for n in range(1, 21):
            self.rcpt('demo+%d@localhost' % n, req=n)
        asked = [self.engine.expect('grant_rcpt') for _ in range(20)]
        for m in reversed(asked):
            self.engine.send('grant_ok', req=m.req)
        for n in range(20, 0, -1):
            r = self.lmtp.expect('rcpt_res', code=0)
            self.assertEqual(n, r.req)

    def test_txn_end(self):
        """the transaction's grants go back"""
        self.begin()
        self.good('demo@localhost', 'demo', txn=4)
        self.lmtp.send('txn_end', sid=1, txn=4)
        self.engine.expect('revoke_txn', gen=self.lmtp.gen, session=1, txn=4)
        # again is no crime, and makes sure
        self.lmtp.send('txn_end', sid=1, txn=4)
        self.engine.expect('revoke_txn', txn=4)

    def test_txn_end_early(self):
        """while a recipient is being asked for"""
        self.begin()
        self.rcpt('demo@localhost', txn=4)
        m = self.engine.expect('grant_rcpt')
        self.lmtp.send('txn_end', sid=1, txn=4)
        self.engine.expect('revoke_txn', txn=4)
        self.engine.send('grant_ok', req=m.req)
        self.lmtp.silent(0.2)

    def test_next_txn(self):
        """a new transaction ends the old one"""
        self.begin()
        self.good('demo@localhost', 'demo', txn=4)
        self.rcpt('demo@localhost', txn=5)
        self.engine.expect('revoke_txn', txn=4)
        self.engine.expect('grant_rcpt', txn=5)

    def test_close(self):
        """the connection ends: all goes"""
        self.begin()
        self.good('demo@localhost', 'demo', txn=4)
        self.lmtp.send('conn_close', sid=1)
        self.engine.expect('revoke_txn', txn=4)
        self.engine.expect('revoke', session=1)

    def test_one_engine(self):
        """all recipients of a transaction at one engine; if it dies, the
        transaction is over"""
        self.engines = 3
        self.begin(engines=False)
        engines = [self.auth.peer('engine', slot=i) for i in range(3)]
        used = set()
        for txn in range(1, 7):
            for req in range(1, 4):
                self.rcpt('demo@localhost', txn=txn, req=req)
            asked = {e.slot: [] for e in engines}
            for e in engines:
                m = e.recv(0.1)
                while m is not None:
                    if m.type == 'grant_rcpt':
                        asked[e.slot].append(m)
                    m = e.recv(0.1)
            (slot,) = [s for s in asked if asked[s]]
            self.assertEqual(3, len(asked[slot]))
            used.add(slot)
            if txn == 6:
                break
            for m in asked[slot]:
                engines[slot].send('grant_ok', req=m.req)
                self.lmtp.expect('rcpt_res', code=0, engine=slot)
        self.assertEqual({0, 1, 2}, used)
        engines[slot].close()
        for req in range(1, 4):
            self.lmtp.expect('rcpt_res', code=ST['UNAVAILABLE'])
        # the same transaction does not move to another
        self.rcpt('demo@localhost', txn=6)
        self.lmtp.expect('rcpt_res', code=ST['UNAVAILABLE'])
        self.rcpt('demo@localhost', txn=7)
        self.lmtp.silent(0.2)

    def test_no_engine(self):
        self.begin(engines=False)
        self.rcpt('demo@localhost')
        self.lmtp.expect('rcpt_res', code=ST['UNAVAILABLE'])

    def test_rate(self):
        """a process that asks for more than anybody delivers to"""
        self.begin()
        codes = []
        for n in range(3000):
            self.rcpt('nobody@localhost', req=n)
            codes.append(self.lmtp.expect('rcpt_res').code)
        limited = codes.count(ST['TRY_LATER'])
        self.assertGreater(limited, 0)
        self.assertGreaterEqual(codes.count(ST['UNKNOWN_RECIPIENT']), 2000)
        self.assertTrue(all(c == ST['UNKNOWN_RECIPIENT']
                            for c in codes[:2000]))
        time.sleep(2.1)
        self.unknown('nobody@localhost')

    def test_by_storage(self):
        """the storage knows recipients"""
        self.begin(kind=STORAGE, passwd='')
        self.rcpt('Joe+x@where.ever')
        q = self.engine.expect('rcpt_query', storage=0,
                               address='Joe+x@where.ever', size=100,
                               session='0123abcd-%x-1' % self.lmtp.gen)
        self.assertEqual('a@b', q.fields['from'])
        self.engine.send('rcpt_answer', req=q.req, account='17',
                         mailbox='m1')
        m = self.engine.expect('grant_rcpt', account='17', mailbox='m1',
                               address='Joe+x@where.ever')
        self.engine.send('grant_ok', req=m.req)
        self.lmtp.expect('rcpt_res', code=0, rcpt=m.rcpt)
        for code in ('UNKNOWN_RECIPIENT', 'OVER_QUOTA', 'UNAVAILABLE'):
            self.rcpt('x@y')
            q = self.engine.expect('rcpt_query')
            self.engine.send('rcpt_answer', req=q.req, code=ST[code])
            self.lmtp.expect('rcpt_res', code=ST[code], rcpt=0)

    def test_unknown_txn(self):
        """an old transaction that another auth granted: all engines hear
        of its end"""
        self.begin()
        self.lmtp.send('txn_end', sid=1, txn=9)
        self.engine.expect('revoke_txn', session=1, txn=9)

    def test_too_many(self):
        """more in one transaction than anything can take"""
        self.begin()
        for n in range(2000):
            self.good('demo@localhost', 'demo')
        time.sleep(0.1)
        self.rcpt('demo@localhost')
        self.lmtp.expect('rcpt_res', code=ST['TRY_LATER'])


if __name__ == '__main__':
    atf.main()
