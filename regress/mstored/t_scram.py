#!/usr/bin/env python3
"""scram: keys of users, and of nobody."""

import base64
import hashlib
import hmac

from store import StoreTest, atf
from t_admin import hashed

KEYS = {'account', 'name', 'salt', 'iterations', 'stored_key', 'server_key'}


class Scram(StoreTest):
    open_accounts = False

    def prepare(self):
        for name, password in ('joe', 'pencil'), ('ann', 'secret'):
            self.server.admin('user', 'add', name, stdin=hashed(password))

    def ask(self, user, mechanism='SCRAM-SHA-256', **more):
        return self.c.ask('POST', '/scram', dict(
            username=user, mechanism=mechanism, **more))

    def scram(self, *args, **more):
        return self.server.admin('user', 'scram', *args, **more)

    def announced(self):
        return self.c.ask('GET', '/').json()['capabilities'].get('scram')

    def good(self, answer, password):
        """Are these the keys of that password?"""
        self.assertEqual(answer.status, 200)
        d = answer.json()
        self.assertEqual(set(d), KEYS)
        salted = hashlib.pbkdf2_hmac(
            'sha256', password.encode(), base64.b64decode(d['salt']),
            d['iterations'])
        client = hmac.new(salted, b'Client Key', 'sha256').digest()
        server = hmac.new(salted, b'Server Key', 'sha256').digest()
        return (base64.b64decode(d['stored_key']),
                base64.b64decode(d['server_key'])) == (
                    hashlib.sha256(client).digest(), server)

    def test_keys(self):
        """Announced when all users have keys; a new password ends them"""
        self.assertIsNone(self.announced())
        self.scram('joe', stdin='pencil\n')
        self.assertIsNone(self.announced())
        self.scram('ann', stdin='secret')
        self.assertEqual(self.announced(),
                         {'mechanisms': ['SCRAM-SHA-256']})
        a = self.ask('joe', service='imap', remote='::1', tls=True)
        self.assertTrue(self.good(a, 'pencil'))
        self.assertFalse(self.good(a, 'Pencil'))
        self.assertEqual((a.json()['account'], a.json()['name']),
                         ('joe', 'joe'))
        self.assertEqual(self.ask('joe').body, a.body)
        self.server.admin('user', 'passwd', 'joe', stdin=hashed('other'))
        self.assertIsNone(self.announced())
        self.assertFalse(self.good(self.ask('joe'), 'pencil'))
        status, text = self.scram('joe', stdin='pencil\n', check=False)
        self.assertNotEqual(status, 0)
        self.assertFalse(self.good(self.ask('joe'), 'pencil'))
        self.scram('joe', stdin='other\n')
        self.assertTrue(self.good(self.ask('joe'), 'other'))
        self.server.admin('user', 'del', 'joe')
        self.assertFalse(self.good(self.ask('joe'), 'other'))
        status, text = self.scram('nobody', stdin='x\n', check=False)
        self.assertNotEqual(status, 0)

    def test_nobody(self):
        """Nobody looks like somebody, and is the same each time"""
        self.scram('joe', stdin='pencil')
        joe, one, again, two = (self.ask(u).json() for u in
                                ('joe', 'x', 'x', 'y'))
        self.assertEqual(set(one), KEYS)
        for d in one, two:
            for key in joe:
                self.assertIs(type(d[key]), type(joe[key]))
                if key.endswith('key') or key == 'salt':
                    self.assertEqual(len(d[key]), len(joe[key]))
        self.assertEqual(one['iterations'], joe['iterations'])
        self.assertEqual((one['account'], one['salt']), ('x', again['salt']))
        self.assertNotEqual(one['salt'], two['salt'])
        self.assertNotEqual(one['stored_key'], again['stored_key'])
        self.c.close()
        self.server.stop()
        self.server.start()
        self.assertEqual(self.ask('x').json()['salt'], one['salt'])

    def test_bad(self):
        self.code(self.ask('joe', 'PLAIN'), 400, 'bad-request')
        self.code(self.ask('joe', password='x'), 400, 'unknown-parameter')
        for body in {}, {'username': 'joe'}, {'mechanism': 'SCRAM-SHA-256'}:
            self.code(self.c.ask('POST', '/scram', body), 400, 'bad-request')


class Off(Scram):
    args = ('-D', 'scram')

    def test_off(self):
        for user, password in ('joe', 'pencil'), ('ann', 'secret'):
            self.scram(user, stdin=password)
        self.assertIsNone(self.announced())
        self.code(self.ask('joe'), 404, 'bad-request')

    test_keys = test_nobody = test_bad = None


if __name__ == '__main__':
    atf.main()
