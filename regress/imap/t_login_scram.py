#!/usr/bin/env python3
"""AUTHENTICATE SCRAM-SHA-256: in front of a store that has the keys, with
and without them; whatever goes wrong, the session goes on."""

import base64
import re

import common
import atf
from scram import Scram, b64
from whole import SLOW

# a comma and "=" are escaped; é, as a letter and its accent for the file
USERS = {'joe': 'pencil', 'o=b,i': 'p\u00e4\u00dfwort', 'ann': 'ann'}
HASH = '$2b$04$abcdefghijklmnopqrstuu'
MECH = 'AUTHENTICATE SCRAM-SHA-256'


class Keys(common.StoreHouse):
    def begin(self, users=USERS, without='', **over):
        self.store_new()
        for name, password in users.items():
            self.user(name, password)
            self.give_keys(name, password)
        storage = 'storage "main" url "http://127.0.0.1:%d/v1"' % self.port
        over['conf'] = over.get('conf', '') + 'failure delay 0s\n'
        return super().begin(auth='auth storage', storage=storage + without,
                             **over)

    def user(self, name, password):
        self.store.admin('user', 'add', name, stdin=crypt(password) + '\n')

    def give_keys(self, name, password):
        self.store.admin('user', 'scram', name, stdin=password + '\n')

    def offered(self, c):
        words = c.ok('CAPABILITY').one('CAPABILITY').data
        return 'AUTH=SCRAM-SHA-256' in words

    def wait_offered(self, offered):
        """What the storage says is looked at once a second here"""
        import time
        c = self.imap(None)
        end = time.monotonic() + 10 * SLOW
        while self.offered(c) != offered:
            assert time.monotonic() < end, self.house.tail()
            time.sleep(0.05)
        return c

    def challenge(self, c, tag):
        line = c.wait_continuation(tag).raw
        m = re.fullmatch(rb'\+ ([A-Za-z0-9+/]+=*)\r\n', line)
        assert m, line
        return base64.b64decode(m.group(1))

    def start(self, c, s, ir=True):
        """As far as the first challenge: its tag, the challenge"""
        if ir:
            tag = c.begin(MECH + ' ' + b64(s.first()))
        else:
            tag = c.begin(MECH)
            self.assertEqual(b'+ \r\n', c.wait_continuation(tag).raw)
            self.say(c, s.first())
        return tag, self.challenge(c, tag)

    def say(self, c, message):
        c.raw(b64(message).encode() + b'\r\n')

    def login(self, c, user='joe', password='pencil', ir=True, **more):
        s = Scram(user, password, **more)
        tag, challenge = self.start(c, s, ir)
        self.say(c, s.final(challenge))
        self.assertTrue(s.proven(self.challenge(c, tag)))
        self.say(c, b'')
        return c.finish(tag)

    def failed(self, count):
        """That many lines in the log, and nothing in them"""
        lines = re.findall(r'.*event=auth-failed.*', self.house.log())
        self.assertEqual(count, len(lines), lines)
        return lines[-1] if lines else ''


def crypt(password):
    import ctypes
    import ctypes.util
    lib = ctypes.CDLL(ctypes.util.find_library('crypt'))
    lib.crypt.restype = ctypes.c_char_p
    return lib.crypt(password.encode(), HASH.encode()).decode()


class Login(Keys):
    def test_ways(self):
        """with and without the initial response, with TLS, names that need
        escapes; and a password by PLAIN as before"""
        self.begin(listen=('imap', 'imaps'))
        c = self.imap(None)
        self.assertIn('AUTH=SCRAM-SHA-256', c.greeting.codedata.split())
        for user, password, header, ir, protocol in (
                ('joe', 'pencil', 'n,,', True, 'imap'),
                ('joe', 'pencil', 'y,,', False, 'imap'),
                ('joe', 'pencil', 'n,a=joe,', True, 'imaps'),
                ('o=b,i', 'p\u00e4\u00dfwort', 'n,a=o=3Db=2Ci,', False,
                 'imaps')):
            c = self.imap(None, protocol=protocol)
            self.assertTrue(self.offered(c))
            r = self.login(c, user, password, ir, header=header)
            self.assertEqual(('OK', 'CAPABILITY'), (r.type, r.code))
            self.assertNotIn('AUTH=', r.codedata)
            c.ok('SELECT INBOX')
            c.bad(MECH)
            self.house.logged('event=login .* user=%s tls=%s\n' % (
                user, 'yes' if protocol == 'imaps' else 'no'))
        c = self.imap(None)
        c.ok('LOGIN joe pencil')
        c.close()
        c = self.imap(None)
        c.starttls(self.house.tls)
        # everything at once, for who cannot wait
        s = Scram('joe', 'pencil')
        tag, challenge = self.start(c, s)
        c.raw(b64(s.final(challenge)).encode() + b'\r\n\r\nx SELECT INBOX'
              b'\r\n')
        self.assertTrue(s.proven(self.challenge(c, tag)))
        self.assertEqual('OK', c.finish(tag).type)
        self.assertEqual('OK', c.finish('x').type)
        self.failed(0)

    def test_refused(self):
        """wrong passwords, nobody's names: one line each, and the same
        words for both"""
        self.begin()
        c = self.imap(None)
        said, salts = set(), []
        for n, (user, password) in enumerate((
                ('joe', 'Pencil'), ('nobody', 'pencil'), ('nobody', 'x'),
                ('o=b,i', 'passwort'))):
            s = Scram(user, password)
            tag, challenge = self.start(c, s, n % 2)
            self.say(c, s.final(challenge))
            r = c.finish(tag)
            self.assertEqual(('NO', 'AUTHENTICATIONFAILED'), (r.type,
                                                              r.code))
            said.add(r.text)
            salts.append((s.salt, s.iterations))
            self.assertIn('user="%s" reason="bad password"' % user,
                          self.failed(n + 1))
        self.assertEqual(1, len(said))
        self.assertEqual(salts[1], salts[2])
        self.assertEqual(3, len(set(salts)))
        self.assertEqual(1, len({i for _, i in salts}))
        # somebody else's account is nobody's but his
        tag = c.begin(MECH + ' ' + b64(Scram('joe', 'pencil',
                                             'n,a=ann,').first()))
        self.assertEqual('NO', c.finish(tag).type)
        self.assertEqual('OK', self.login(c).type)
        text = self.house.log()
        for word in ('pencil', 'Pencil', 'passwort'):
            self.assertNotIn(word, text)

    def test_broken(self):
        """cancelled, cut, too long, of another exchange, replayed"""
        self.begin()
        c = self.imap(None)
        for text in ('=', '!', 'A', 'AAAA', b64(b'n,,n=joe'),
                     b64(b'p=tls-unique,,n=joe,r=x'),
                     b64(b'n,,m=x,n=joe,r=x'), b64(b'n' * 3000),
                     b64(Scram('joe', 'x').first())[:-1]):
            c.bad(MECH + ' ' + text)
        for line in (b'*', b'', b'!!', b'am9l', b'A' * 9000, b'=', b'* x'):
            tag = c.begin(MECH)
            c.wait_continuation(tag)
            c.raw(line + b'\r\n')
            self.assertEqual('BAD', c.finish(tag).type, line)
        self.failed(0)
        # in the place of the proof: what is no base64 is no message
        for line in (b'*', b'!!', b'A' * 9000, b64(b'x' * 3000).encode()):
            tag, challenge = self.start(c, Scram('joe', 'pencil'))
            c.raw(line + b'\r\n')
            self.assertEqual('BAD', c.finish(tag).type, line)
            c.ok('NOOP')
        self.failed(0)
        old = b'c=biws'
        for n, wrong in enumerate((
                lambda s, m: b'', lambda s, m: s.final(m)[:-2],
                lambda s, m: s.final(m, nonce=s.nonce + 'x'),
                lambda s, m: s.final(m, header='y,,'),
                lambda s, m: old)):
            s = Scram('joe', 'pencil')
            tag, challenge = self.start(c, s)
            self.say(c, wrong(s, challenge))
            old = s.final(challenge)
            self.assertEqual('NO', c.finish(tag).type)
            self.assertIn('reason="bad exchange"', self.failed(n + 1))
        # in the place of nothing
        for line in (b'*', b'!', b'AAAA'):
            s = Scram('joe', 'pencil')
            tag, challenge = self.start(c, s)
            self.say(c, s.final(challenge))
            self.assertTrue(s.proven(self.challenge(c, tag)))
            c.raw(line + b'\r\n')
            self.assertEqual('BAD', c.finish(tag).type, line)
            c.bad('SELECT INBOX')
        self.assertEqual('OK', self.login(c).type)

    def test_killed(self):
        """auth dies with a challenge open; the store does"""
        self.begin()
        for n in (0, 1):
            c = self.imap(None)
            s = Scram('joe', 'pencil')
            tag, challenge = self.start(c, s)
            if n:
                self.say(c, s.final(challenge))
                self.challenge(c, tag)
            self.house.killed('auth')
            r = c.finish(tag, 10 * SLOW)
            self.assertEqual(('NO', 'UNAVAILABLE'), (r.type, r.code))
            self.wait_offered(True)
            self.assertEqual('OK', self.login(c).type)
        self.store.kill()
        c = self.imap(None)
        tag = c.begin(MECH + ' ' + b64(Scram('joe', 'pencil').first()))
        r = c.finish(tag)
        self.assertEqual(('NO', 'UNAVAILABLE'), (r.type, r.code))
        self.failed(0)
        self.store_start()
        self.house.logged(r'storage main: mstored \S+ is up', count=2)
        self.assertEqual('OK', self.login(c).type)


class Offer(Keys):
    def test_live(self):
        """offered as long as every user of the store has keys"""
        self.begin({'joe': 'pencil'}, conf='check 1s\n')
        c = self.wait_offered(True)
        self.user('new', 'pw')
        late = self.wait_offered(False)
        late.no(MECH)
        late.no(MECH + ' ' + b64(Scram('joe', 'pencil').first()))
        c.ok('LOGIN joe pencil')
        self.give_keys('new', 'pw')
        self.wait_offered(True)
        self.assertEqual('OK', self.login(late, 'new', 'pw').type)

    def test_without(self):
        """not made use of"""
        self.begin(without=' without { scram }')
        c = self.imap(None)
        self.assertFalse(self.offered(c))
        c.no(MECH)
        c.no(MECH + ' ' + b64(Scram('joe', 'pencil').first()))
        c.ok('LOGIN joe pencil')

    def test_private(self):
        """not where a password could not be sent either"""
        self.begin(listen=('imap', 'imaps'))
        with open(self.house.path('conf')) as f:
            text = f.read()
        self.house.write('conf', text.replace('plaintext login on loopback',
                                              ''))
        self.assertEqual(0, self.house.reload()[0])
        c = self.imap(None)
        self.assertFalse(self.offered(c))
        first = b64(Scram('joe', 'pencil').first())
        for more in ('', ' ' + first):
            c.no(MECH + more, code='PRIVACYREQUIRED')
        c.starttls(self.house.tls)
        self.assertTrue(self.offered(c))
        self.assertEqual('OK', self.login(c).type)


if __name__ == '__main__':
    atf.main()
