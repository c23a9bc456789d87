#!/usr/bin/env python3
"""SCRAM-SHA-256 in the auth process, between listeners and engines that
this test plays: what is asked of whom, and who can get nothing by it."""

from t_auth import Auth, DEMO, FILE, HERE, STORAGE, THERE
import atf
from house import CAP, ST
from scram import Scram, keys

SALT = b'0123456789abcdef'
PASSWORD, SCRAM = 1, 2                          # as bits
MECH = 1                                        # as a number


class Exchange(Auth):
    def begin(self, offered=True, **more):
        super().begin(**dict(dict(kind=STORAGE, passwd='', hashes=False),
                             **more))
        if offered:
            self.info()
            self.imap.expect('auth_mechs', mechs=PASSWORD | SCRAM)

    def info(self, scram=True, storage=0, engine=None, **more):
        (engine or self.engine).send(
            'st_info', storage=storage, up=1,
            caps=1 << CAP['AUTH'] | (scram and 1 << CAP['SCRAM']), **more)

    def first(self, sid, user='Joe', password='pencil', chan=None, tls=1,
              **more):
        s = Scram(user, password, **more)
        (chan or self.imap).send('sasl_start', sid=sid, mech=MECH, tls=tls,
                                 message=s.first())
        return s

    def keys(self, password='pencil', engine=None, iterations=4096,
             **fields):
        e = engine or self.engine
        q = e.expect('scram_query')
        stored, server = keys(password, SALT, iterations)
        e.send('scram_answer', **dict(dict(
            req=q.req, account='acct/17', name='JOE', salt=SALT,
            iterations=iterations, stored=stored, server=server), **fields))
        return q

    def challenge(self, sid, chan=None):
        m = (chan or self.imap).expect('sasl_challenge')
        self.assertEqual(sid, m.sid)
        return m

    def respond(self, m, message, chan=None, **more):
        (chan or self.imap).send('sasl_response', **dict(dict(
            sid=m.sid, number=m.number, message=message), **more))

    def prove(self, sid, **more):
        """As far as the server's last word"""
        s = self.first(sid, **more)
        self.keys()
        m = self.challenge(sid)
        self.respond(m, s.final(m.message))
        m = self.challenge(sid)
        self.assertTrue(s.proven(m.message))
        return s, m

    def let_in(self, sid, **more):
        s, m = self.prove(sid, **more)
        self.respond(m, b'')
        self.granted(account='acct/17', user='joe')
        return self.imap.expect('auth_ok', sid=sid, user='joe')

    def stats(self):
        control = self.auth.peer('control')
        control.send('ctl_stats', req=4)
        found, m = {}, control.recv()
        while m.type != 'ctl_end':
            found[m.name] = m.value
            m = control.recv()
        control.close()
        return found


class Logins(Exchange):
    def test_ok(self):
        """keys, proof, proof; then it is granted, not before"""
        self.begin()
        self.open(1)
        s = self.first(1)
        q = self.keys()
        self.assertEqual((0, 'Joe', 'imap', '192.0.2.7', 1,
                          '0123abcd-%x-1' % self.imap.gen),
                         (q.storage, q.user, q.service, q.remote, q.tls,
                          q.session))
        m = self.challenge(1)
        self.respond(m, s.final(m.message))
        self.assertEqual(b'MDEyMzQ1Njc4OWFiY2RlZg==', s.salt.encode())
        m = self.challenge(1)
        self.assertTrue(s.proven(m.message))
        self.engine.silent(0.1)
        self.respond(m, b'')
        self.granted(account='acct/17', user='joe', session=1, mount=0)
        self.imap.expect('auth_ok', user='joe', storage=0)
        self.assertEqual([], self.lines())
        stats = self.stats()
        self.assertEqual((1, 0), (stats['logins'], stats['exchanges']))
        # as "n" and "y" as himself
        for n, header in enumerate(('y,,', 'n,a=jOE,')):
            self.open(n + 2)
            self.let_in(n + 2, header=header)

    def test_refused(self):
        """a wrong password: one line, a count, and the next try is heard;
        in the end none is"""
        self.begin(failures=4)
        self.open(1)
        for n in range(3):
            s = self.first(1, password='guess')
            self.keys()
            m = self.challenge(1)
            self.respond(m, s.final(m.message))
            self.failed(1)
            self.assertEqual(n + 1, len(self.lines()))
        self.assertRegex(self.lines()[0], r'session=0123abcd-%x-1 '
                         r'event=auth-failed remote=192\.0\.2\.7 '
                         r'service=imap user="Joe" '
                         r'reason="bad password"$' % self.imap.gen)
        self.let_in(1)
        self.open(2)
        # one that was open before the last failure
        self.open(3)
        right = self.first(3)
        self.keys()
        challenge = self.challenge(3)
        s = self.first(2, password='guess')
        self.keys()
        m = self.challenge(2)
        self.respond(m, s.final(m.message))
        self.failed(2)
        self.respond(challenge, right.final(challenge.message))
        self.failed(3, 'TRY_LATER')
        self.first(2)
        self.failed(2, 'TRY_LATER')
        self.engine.silent(0.1)
        self.assertIn('reason="too many failures"', self.lines()[-1])
        self.open(4, THERE)
        self.let_in(4)
        stats = self.stats()
        self.assertEqual((4, 2, 0), (
            stats['failed-bad-password'], stats['failed-throttled'],
            stats['exchanges']))

    def test_exchange(self):
        """what is not the answer to the challenge"""
        self.begin()
        self.open(1)
        old = None
        wrong = (lambda s, m: b'', lambda s, m: b'x' * 2048,
                 lambda s, m: s.final(m)[:-1],
                 lambda s, m: s.final(m)[:-48],
                 lambda s, m: s.final(m, nonce=s.nonce),
                 lambda s, m: s.final(m, nonce='x' + s.nonce),
                 lambda s, m: s.final(m, header='y,,'),
                 lambda s, m: s.final(m).replace(b',p=', b',m=x,p='),
                 lambda s, m: s.final(m) + b'\0',
                 lambda s, m: old)
        for n, f in enumerate(wrong):
            s = self.first(1)
            self.keys()
            m = self.challenge(1)
            self.respond(m, f(s, m.message))
            # of another exchange: right there, replayed here
            old = s.final(m.message)
            self.failed(1)
            self.assertEqual(n + 1, len(self.lines()))
            self.assertIn('reason="bad exchange"', self.lines()[-1])
        # none is open any more: nothing is heard
        self.respond(m, old)
        self.imap.silent(0.1)
        self.assertEqual(len(wrong), len(self.lines()))
        # something where nothing belongs
        s, m = self.prove(1)
        self.respond(m, b'x')
        self.failed(1, 'BAD_REQUEST')
        self.engine.silent(0.1)
        self.let_in(1)

    def test_first(self):
        """messages that are none cost nobody a request"""
        self.begin()
        self.open(1)
        for message in (b'', b'n,,', b'n,,n=joe', b'n,,n==41,r=x',
                        b'n,,n=jo\0e,r=x', b'n,,n=\xff,r=x',
                        b'p=tls-unique,,n=joe,r=x', b'n,,m=x,n=joe,r=x',
                        b'n,,n=%s,r=x' % (b'j' * 512), b'n' * 2048):
            self.imap.send('sasl_start', sid=1, mech=MECH, message=message)
            self.failed(1, 'BAD_REQUEST')
        self.assertEqual([], self.lines())
        # names that nobody has, and others' names
        for user, header, why in (
                ('jo\x01e', 'n,,', 'unknown user'),
                ('joe', 'n,a=jim,', 'another identity asked for')):
            self.first(1, user, header=header)
            self.failed(1)
            self.assertIn('reason="%s"' % why, self.lines()[-1])
        self.engine.silent(0.1)

    def test_nobody(self):
        """who is refused by the storage is asked like others, with a salt
        that stays, and fails in the end"""
        self.begin()
        self.open(1)
        s = self.first(1)
        self.keys(iterations=5000)
        m = self.challenge(1)
        self.respond(m, s.final(m.message)[:-4] + b'AAA=')
        self.failed(1)
        seen = []
        for code, user in (('BAD_CREDENTIALS', 'x'), ('EXPIRED', 'X'),
                           ('ACCOUNT_DISABLED', 'x'),
                           ('NO_SUCH_ACCOUNT', 'x'),
                           ('NOT_PERMITTED', 'y')):
            s = self.first(1, user)
            self.keys(code=ST[code])
            m = self.challenge(1)
            self.respond(m, s.final(m.message))
            self.assertEqual((24, 5000), (len(s.salt), s.iterations))
            self.failed(1)
            self.assertIn('reason="%s"' % code.lower().replace('_', '-'),
                          self.lines()[-1])
            seen.append(s.salt)
        self.assertEqual(1, len(set(seen[:4])))
        self.assertEqual(2, len(set(seen)))
        # keys that fit: still nobody
        s = self.first(1, 'x')
        self.keys(code=ST['EXPIRED'])
        m = self.challenge(1)
        self.respond(m, s.final(m.message))
        self.failed(1)

    def test_nonsense(self):
        """keys that are none; a storage that fails; nobody's fault"""
        self.begin()
        self.open(1)
        for code, fields in (
                ('NONSENSE', dict(account='')),
                ('NONSENSE', dict(name='jo\x01e')),
                ('NONSENSE', dict(salt=b'')),
                ('NONSENSE', dict(stored=b'x' * 31)),
                ('NONSENSE', dict(server=b'')),
                ('NONSENSE', dict(code=ST['BAD_REQUEST'])),
                ('TRY_LATER', dict(code=ST['TRY_LATER'])),
                ('CUT', dict(code=ST['CUT']))):
            self.first(1)
            self.keys(**fields)
            self.failed(1, code)
        self.assertEqual([], self.lines())
        # a name that is not told is the one that was typed
        s = self.first(1, 'JOE')
        self.keys(name='')
        m = self.challenge(1)
        self.respond(m, s.final(m.message))
        self.respond(self.challenge(1), b'')
        self.granted(user='joe')
        self.imap.expect('auth_ok', user='joe')


class Bounds(Exchange):
    def test_others(self):
        """a response is good in its session, to its challenge, once"""
        self.begin()
        pop3 = self.auth.peer('pop3')
        pop3.expect('auth_mechs', mechs=PASSWORD | SCRAM)
        self.open(1)
        self.open(2)
        self.open(1, chan=pop3)
        s = self.first(1)
        self.keys()
        m = self.challenge(1)
        right = s.final(m.message)
        # another listener, another session, another number
        self.respond(m, right, chan=pop3)
        pop3.send('sasl_abort', sid=1, number=m.number)
        self.respond(m, right, sid=2)
        for number in (0, 1, m.number - 1, m.number + 1):
            self.respond(m, right, number=number)
            self.imap.send('sasl_abort', sid=1, number=number)
        # with an exchange of their own as well
        other = self.first(2, 'jim')
        self.keys()
        self.first(1, 'jim', chan=pop3)
        self.keys()
        theirs = self.challenge(1, pop3)
        mine = self.challenge(2)
        self.respond(m, right, chan=pop3)
        self.respond(m, right, sid=2)
        self.auth.sync()
        self.imap.silent(0.1)
        pop3.silent(0.1)
        # and there are as many numbers as challenges
        self.assertEqual(3, len({m.number, theirs.number, mine.number}))
        self.respond(m, right)
        last = self.challenge(1)
        self.assertTrue(s.proven(last.message))
        # the proof a second time is not the empty one; the first challenge
        # is no more
        self.respond(m, right)
        self.respond(m, b'')
        self.imap.silent(0.1)
        self.engine.silent(0.1)
        self.respond(last, b'')
        self.granted(session=1, gen=self.imap.gen)
        self.imap.expect('auth_ok', sid=1)
        self.respond(last, b'')
        self.respond(mine, other.final(mine.message))
        self.challenge(2)
        self.assertEqual([], self.lines())

    def test_violations(self):
        """what no listener does: its channel is closed"""
        self.begin()
        for n, send in enumerate((
                lambda c: c.send('sasl_response', sid=9, number=1),
                lambda c: c.send('sasl_abort', sid=9, number=1),
                lambda c: c.send('sasl_start', sid=9, mech=MECH),
                lambda c: c.send('sasl_start', sid=1, mech=0),
                lambda c: c.send('sasl_start', sid=1, mech=2),
                lambda c: self.first(1, chan=c) and self.first(1, chan=c),
                lambda c: c.send('auth_req', sid=1, mech=MECH, user='joe'))):
            c = self.auth.peer('imap', slot=n + 1)
            c.expect('auth_mechs')
            self.open(1, chan=c)
            send(c)
            c.ended()
        # none in the middle of another
        self.engine.expect('scram_query')
        self.open(1)
        self.first(1)
        self.keys()
        self.challenge(1)
        self.ask(1)
        self.imap.ended()
        self.assertEqual(0, self.stats()['exchanges'])

    def test_aborted(self):
        """given up, gone, or the listener died: the exchange is no more"""
        self.begin()
        self.open(1)
        s = self.first(1)
        self.keys()
        m = self.challenge(1)
        self.assertEqual(1, self.stats()['exchanges'])
        self.imap.send('sasl_abort', sid=1, number=m.number)
        self.respond(m, s.final(m.message))
        self.imap.silent(0.1)
        self.assertEqual(0, self.stats()['exchanges'])
        self.let_in(1)
        self.imap.send('conn_close', sid=1)
        self.engine.expect('revoke', session=1)
        self.open(1)
        self.first(1)
        self.keys()
        self.challenge(1)
        self.imap.send('conn_close', sid=1)
        self.auth.sync()
        self.assertEqual(0, self.stats()['exchanges'])
        # before its keys came
        self.open(1)
        self.first(1)
        q = self.engine.until('scram_query')
        self.imap.send('conn_close', sid=1)
        self.open(1)
        self.engine.send('scram_answer', req=q.req, account='a', salt=SALT,
                         iterations=4096, stored=b's' * 32,
                         server=b's' * 32)
        self.imap.silent(0.1)
        self.first(1)
        self.keys()
        self.challenge(1)
        self.imap.close()
        self.auth.sync()
        self.assertEqual(0, self.stats()['exchanges'])
        self.assertEqual([], self.lines())

    def test_time(self):
        """a challenge is not open for ever, nor a question"""
        self.begin(t_login=1, t_backend=1)
        self.open(1)
        s = self.first(1)
        self.keys()
        m = self.challenge(1)
        self.failed(1, 'UNAVAILABLE')
        self.respond(m, s.final(m.message))
        self.imap.silent(0.1)
        s, m = self.prove(1)
        self.failed(1, 'UNAVAILABLE')
        self.first(1)
        self.engine.expect('scram_query')
        self.failed(1, 'UNAVAILABLE')
        self.assertEqual(0, self.stats()['exchanges'])
        self.assertEqual([], self.lines())

    def test_many(self):
        """a thousand of a listener, not one more; others have theirs"""
        self.begin(conn_address=0, t_login=100)
        stored, server = keys('pencil', SALT)
        for n in range(1, 1002):
            self.open(n, b'')
            self.first(n)
            if n == 1001:
                break
            q = self.engine.expect('scram_query')
            self.engine.send('scram_answer', req=q.req, account='acct/17',
                             salt=SALT, iterations=4096, stored=stored,
                             server=server)
            self.challenge(n)
        m = self.failed(1001, 'TRY_LATER')
        self.assertIn('Too many logins', m.text)
        other = self.auth.peer('imap', slot=1)
        other.expect('auth_mechs')
        self.open(1, b'', chan=other)
        self.first(1, chan=other)
        self.keys()
        self.challenge(1, other)
        self.assertEqual(1001, self.stats()['exchanges'])
        self.imap.send('conn_close', sid=500)
        self.let_in(1001)

    def test_account(self):
        """sessions of an account; who has not proven it hears nothing"""
        self.begin(conn_account=1)
        self.open(1)
        self.let_in(1)
        self.open(2)
        s, m = self.prove(2)
        self.respond(m, b'')
        self.failed(2, 'LIMIT')

    def test_engine_dies(self):
        """while it is asked, or before it is told of the grant"""
        self.begin()
        self.open(1)
        self.first(1)
        self.engine.expect('scram_query')
        self.engine.close()
        self.failed_any('UNAVAILABLE')
        self.engine = self.auth.peer('engine')
        self.info()
        self.imap.until('auth_mechs', mechs=PASSWORD | SCRAM)
        self.let_in(1)

    def failed_any(self, code):
        """Beside the word that it is not offered any more"""
        self.imap.until('auth_fail', code=ST[code])
        self.imap.until('auth_mechs', mechs=PASSWORD)


class Offered(Exchange):
    def routes(self, *routes, first=1, **more):
        parts = self.conf(kind=STORAGE, passwd='', **more)
        parts += [('conf_place', dict(prefix=prefix, pattern=pattern,
                                      account='', storage=storage))
                  for prefix, pattern, storage in routes]
        self.auth.configure(parts, first=first)

    def test_live(self):
        """as the storage says it; a listener that comes later is told"""
        self.begin(offered=False)
        self.open(1)
        self.first(1)
        self.failed(1, 'UNAVAILABLE')
        self.info(False)
        self.imap.silent(0.1)
        self.info()
        self.imap.expect('auth_mechs', mechs=PASSWORD | SCRAM)
        self.info(epoch=2)
        self.imap.silent(0.1)
        later = self.auth.peer('pop3')
        later.expect('auth_mechs', mechs=PASSWORD | SCRAM)
        lmtp = self.auth.peer('lmtp')
        # a second engine that is not of the same mind
        second = self.auth.peer('engine', slot=1)
        self.info(False, engine=second)
        self.imap.expect('auth_mechs', mechs=PASSWORD)
        second.close()
        self.imap.expect('auth_mechs', mechs=PASSWORD | SCRAM)
        self.engine.close()
        self.imap.expect('auth_mechs', mechs=PASSWORD)
        lmtp.silent(0.1)

    def test_file(self):
        """never for accounts of a password file, whatever they are on"""
        self.begin(offered=False, kind=FILE, passwd='joe:%s\n' % DEMO)
        self.info()
        self.imap.silent(0.1)
        self.open(1)
        self.first(1)
        self.failed(1, 'UNAVAILABLE')
        self.engine.silent(0.1)
        # a reload to the storage, and back with an exchange open
        self.auth.configure(self.conf(kind=STORAGE, passwd=''), first=0)
        self.imap.expect('auth_mechs', mechs=PASSWORD | SCRAM)
        s, m = self.prove(1)
        self.auth.configure(self.conf(kind=FILE), first=0)
        self.imap.expect('auth_mechs', mechs=PASSWORD)
        self.respond(m, b'')
        self.failed(1)
        self.engine.silent(0.1)
        self.assertIn('reason="account changed"', self.lines()[-1])

    def test_routes(self):
        """only if every storage of accounts has it; mounts do not count"""
        self.begin(offered=False)
        self.routes(('', '*@a', 1), ('Old', '*', 2), first=0)
        self.info()
        self.imap.silent(0.1)
        self.info(storage=1)
        self.imap.expect('auth_mechs', mechs=PASSWORD | SCRAM)
        self.open(1)
        s = self.first(1, 'x@a')
        q = self.keys()
        self.assertEqual(1, q.storage)
        m = self.challenge(1)
        self.respond(m, s.final(m.message))
        m = self.challenge(1)
        # its route leads elsewhere by now
        self.routes(('', '*@b', 1), first=0)
        self.respond(m, b'')
        self.failed(1)
        self.info(False)
        self.imap.expect('auth_mechs', mechs=PASSWORD)
        # nobody is routed to the storage that has none
        self.routes(('', '*', 1), ('', '*@c', 2), first=0)
        self.imap.expect('auth_mechs', mechs=PASSWORD | SCRAM)


if __name__ == '__main__':
    atf.main()
