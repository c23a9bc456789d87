"""SCRAM-SHA-256 (RFC 5802, RFC 7677) from the client's side, for tests: by
the book, and as wrong as a test wants it."""

import base64
import hashlib
import hmac
import os
import re


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, text):
    return hmac.new(key, text, 'sha256').digest()


def keys(password, salt=b'0123456789abcdef', iterations=4096):
    """What a storage keeps of it: (stored key, server key)"""
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), salt,
                                 iterations)
    return (hashlib.sha256(mac(salted, b'Client Key')).digest(),
            mac(salted, b'Server Key'))


class Scram:
    """One exchange: first(), final(challenge), proven(server-final)"""

    def __init__(self, user, password, header='n,,', nonce=None):
        self.password, self.header = password, header
        self.nonce = nonce or b64(os.urandom(12))
        name = user.replace('=', '=3D').replace(',', '=2C')
        self.bare = 'n=%s,r=%s' % (name, self.nonce)

    def first(self):
        return (self.header + self.bare).encode()

    def final(self, challenge, nonce=None, header=None):
        m = re.fullmatch(r'r=([!-+\--~]+),s=([A-Za-z0-9+/]+=*),i=(\d+)',
                         challenge.decode())
        assert m, challenge
        assert m.group(1).startswith(self.nonce), challenge
        assert len(m.group(1)) >= len(self.nonce) + 18, challenge
        self.salt, self.iterations = m.group(2), int(m.group(3))
        salted = hashlib.pbkdf2_hmac(
            'sha256', self.password.encode(),
            base64.b64decode(self.salt), self.iterations)
        without = 'c=%s,r=%s' % (b64((header or self.header).encode()),
                                 nonce or m.group(1))
        said = ','.join((self.bare, challenge.decode(), without)).encode()
        key = mac(salted, b'Client Key')
        sign = mac(hashlib.sha256(key).digest(), said)
        self.server = mac(mac(salted, b'Server Key'), said)
        return ('%s,p=%s' % (without, b64(bytes(
            a ^ b for a, b in zip(key, sign))))).encode()

    def proven(self, message):
        """Does the server have the keys?"""
        return message == b'v=' + b64(self.server).encode()
