#!/usr/bin/env python3
"""The hostile sibling: each real process, its sandbox on, is sent every bad
message on every edge that the parent wires.  It must refuse it by name, tell
the parent, close that channel, and go on with all the others."""

import collections
import os
import re
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
from house import Child, House, SLOW, limits            # noqa: E402
from messages import (Channel, Closed, HEADER, ROLES,   # noqa: E402
                      TABLE, put_set, read, table_hash)

U8, U16, U32, U64, STR, BLOB, SET = range(7)
HERE = bytes([127, 0, 0, 1])


def edges():
    """The pairs of roles that the parent wires, from its own table"""
    text = re.search(r'\} edges\[\] = \{(.*?)\n\};',
                     read('mfrontd', 'parent.c'), re.S).group(1)
    listener = ['IMAP', 'POP3', 'LMTP']
    found = collections.defaultdict(list)
    for a, b in re.findall(r'\{ R_(\w+),\s+([^}]*?) \}', text):
        for peer in re.findall(r'R_(\w+)', b):
            for p in listener if peer == 'LISTENER' else [peer]:
                found[a.lower()].append(p.lower())
                found[p.lower()].append(a.lower())
    return found


EDGES = edges()


def allowed(d, sender, receiver):
    return bool(d.sender & 1 << ROLES[sender.upper()] and
                d.receiver & 1 << ROLES[receiver.upper()])


# bodies, a list of encoded fields each

def good(kind, most):
    if kind <= U64:
        return bytes(1 << kind)
    if kind == STR:
        return struct.pack('>I', 2) + b'x\0'
    if kind == BLOB:
        return struct.pack('>I', min(1, most)) + b'x'[:most]
    return put_set([(1, 3), (7, 9)])


def fields(d):
    return [good(kind, most) for kind, _, most in d.fields]


def bad_str(most):
    yield 'empty', struct.pack('>I', 0)
    yield 'NUL in text', struct.pack('>I', 3) + b'x\0\0'
    yield 'no NUL', struct.pack('>I', 2) + b'xy'
    yield 'length', struct.pack('>I', 0xffffffff) + b'x\0'
    if most < 65000:
        yield 'bound', struct.pack('>I', most + 1) + b'x' * most + b'\0'


def bad_blob(most):
    yield 'length', struct.pack('>I', 0xfffffff0) + b'x'
    if most < 65000:
        yield 'bound', struct.pack('>I', most + 1) + b'x' * (most + 1)


def bad_set(most):
    for why, pairs in (('zero', [(0, 3)]), ('turned', [(9, 7)]),
                       ('unsorted', [(7, 9), (1, 3)]),
                       ('overlapping', [(1, 5), (4, 9)]),
                       ('adjacent', [(1, 3), (4, 6)]),
                       ('twice', [(5, 5), (5, 5)]),
                       ('behind the last', [(7, 0xffffffff), (1, 2)])):
        yield why, put_set(pairs)
    yield 'count', struct.pack('>I', 0x20000001) + bytes(8)
    if most * 8 < 65000 - 100:
        yield 'bound', put_set([(2 * i, 2 * i)
                                for i in range(1, most + 2)])


BAD = {STR: bad_str, BLOB: bad_blob, SET: bad_set}


def malformed(d):
    """(what, body): each of them breaks the table"""
    whole = fields(d)
    body = b''.join(whole)
    yield 'a byte more', body + b'\0'
    yield 'much more', body + bytes(4096)
    at = 0
    for n, part in enumerate(whole):
        at += len(part)
        yield 'cut in ' + d.fields[n][1], body[:at - 1]
        if n > 0:
            yield 'cut before ' + d.fields[n][1], body[:at - len(part)]
    for n, (kind, name, most) in enumerate(d.fields):
        for why, part in BAD.get(kind, lambda most: ())(most):
            yield '%s: %s' % (name, why), b''.join(
                whole[:n] + [part] + whole[n + 1:])


def header(number, length, flags=0):
    return struct.pack('>HHIII', number, flags, length, 1, 1)


FRAMES = [
    ('length 0', header(1, 0)),
    ('less than a header', header(1, HEADER - 1)),
    ('longer than any', header(1, 65537)),
    ('longest', header(1, 0xffffffff)),
    ('unknown flags', header(1, HEADER, 2)),
    ('all flags', header(1, HEADER, 0xffff)),
    ('no descriptor', header(1, HEADER, 1)),
    ('garbage', b'GET / HTTP/1.0\r\n\r\n'),
]


class Edge(House):
    """What each role needs to live, and its hostile siblings"""

    def setUp(self):
        super().setUp()
        self.refused = []               # (peer, message) to find in the log

    def begin(self, role):
        self.role = role
        self.child = self.start(role)
        self.child.configure(getattr(self, 'conf_' + role)())
        # siblings that do nothing wrong, and must not suffer
        self.innocent = {r: self.child.peer(r, slot=0) for r in EDGES[role]}

    def conf_listener(self):
        s = socket.socket()
        self.fds.append(s)
        s.bind(('127.0.0.1', 0))
        s.listen(16)
        s.setblocking(False)
        return [limits(), ('conf_storage', dict(id=0, name='main')),
                ('conf_listen', dict(fd=s.fileno(), id=1, name='test'))]

    conf_imap = conf_pop3 = conf_lmtp = conf_listener

    def conf_auth(self):
        return [limits(), ('conf_storage', dict(id=0, name='main')),
                ('conf_auth', dict(kind=0, file='/etc/x', workers=1,
                                   engines=1)),
                ('conf_domain', dict(name='localhost')),
                ('conf_passwd', dict(text='demo:!x\n'))]

    def conf_hash(self):
        return []

    def conf_engine(self):
        return [limits(), ('conf_storage', dict(id=0, name='main')),
                ('conf_url', dict(storage=0, id=0, host='127.0.0.1',
                                  port=9, path='/v1'))]

    def conf_connector(self):
        return self.conf_engine()[1:]

    def conf_control(self):
        s = socket.socket(socket.AF_UNIX)
        self.fds.append(s)
        s.bind('')                      # an abstract name of its own
        s.listen(16)
        s.setblocking(False)
        return [limits(), ('conf_storage', dict(id=0, name='main')),
                ('conf_control', dict(fd=s.fileno(), path='test'))]

    # one hostile sibling for one message

    def sibling(self, role):
        if role == 'auth' and role in self.innocent and self.role in (
                'imap', 'pop3', 'lmtp'):
            # there is one auth: a new one takes the old one's place
            self.innocent.pop(role).close()
        ours, theirs = socket.socketpair()
        gen = Child.next_gen()
        self.child.parent.send('peer', fd=theirs.fileno(), slot=1, gen=gen,
                               role=ROLES[role.upper()])
        theirs.close()
        c = Channel(ours, '%s as %s' % (self.role, role))
        c.gen, c.role = gen, role
        return c

    def expect_refusal(self, c, name, reason):
        """Told to the parent, the channel closed, and nothing else"""
        m = self.child.parent.until('complaint', timeout=10 * SLOW)
        self.assertEqual((ROLES[c.role.upper()], 1, c.gen, name),
                         (m.role, m.slot, m.gen, m.message), m.reason)
        self.assertRegex(m.reason, reason)
        c.ended()
        c.close()
        self.refused.append(('%s/1' % c.role, name))

    def refuse(self, role, name, body, what, reason='.', fd=-1):
        c = self.sibling(role)
        try:
            try:
                c.send_raw(TABLE[name].number, body, 1, 1, fd)
            except (BrokenPipeError, ConnectionResetError):
                pass                    # it did not read to the end
            self.expect_refusal(c, name, reason)
        except (AssertionError, Closed) as e:
            raise AssertionError('%s, from %s, %s: %s\n%s' % (
                name, role, what, e, self.child.log()[-2000:])) from e

    def serves(self):
        """It still does what it is there for, for the others"""
        if self.role == 'hash':
            c = self.innocent['auth']
            c.send('hash_req', req=5, secret='x', hash='$2b$04$x')
            c.expect('hash_res', req=5, match=0)
        elif self.role == 'connector':
            c = self.innocent['engine']
            c.send('connect_req', req=5, storage=3)
            c.expect('connect_fail', req=5)
        elif self.role == 'control':
            c = Channel(socket.socket(socket.AF_UNIX))
            self.fds.append(c)
            c.sock.connect(self.fds[0].getsockname())
            c.send('ctl_hello', table=table_hash())
            c.send('ctl_storages', req=6)
            m = self.innocent['engine'].until('ctl_storages')
            self.innocent['engine'].send('ctl_end', req=m.req, ok=1)
        else:
            c = self.innocent['control']
            c.send('ctl_stats', req=5)
            c.until('ctl_end', req=5, ok=1)

    def unharmed(self):
        """It lives, its channels too, and its log names each message"""
        self.child.sync()
        self.serves()
        for role, c in self.innocent.items():
            c.sock.settimeout(0.01)
            try:
                data = c.sock.recv(65536, socket.MSG_PEEK)
                self.assertNotEqual(b'', data, role + ' was closed')
            except TimeoutError:
                pass
        logged = collections.Counter(re.findall(
            r'(\w+/\d+) sent a bad message (\S+): ', self.child.log()))
        self.assertEqual(collections.Counter(self.refused), logged)
        self.assertTrue(self.refused)


def per_role(test):
    """A test case for each role that has siblings"""
    def mark(cls):
        for role in EDGES:
            def method(self, role=role):
                self.begin(role)
                test(self, role)
                self.unharmed()
            method.__doc__ = '%s: %s' % (role, test.__doc__)
            setattr(cls, 'test_' + role, method)
        return cls
    return mark


def foreign(self, role):
    """messages that no such sibling may send, or nobody"""
    for peer in EDGES[role]:
        for d in TABLE.values():
            if not allowed(d, peer, role):
                self.refuse(peer, d.name, b''.join(fields(d)), 'foreign',
                            'not its message|not ours')


def broken(self, role):
    """its own messages, malformed in every way"""
    for peer in EDGES[role]:
        for d in TABLE.values():
            if allowed(d, peer, role):
                for what, body in malformed(d):
                    self.refuse(peer, d.name, body, what, '^malformed$')


def descriptors(self, role):
    """a descriptor that must not be, or one that is missing"""
    for peer in EDGES[role]:
        for d in TABLE.values():
            if not allowed(d, peer, role):
                continue
            body = b''.join(fields(d))
            if d.fd:
                self.refuse(peer, d.name, body, 'without', 'no descriptor')
            else:
                with open('/dev/null') as f:
                    self.refuse(peer, d.name, body, 'with a descriptor',
                                '^a descriptor that must', f.fileno())


def framing(self, role):
    """bytes that are no message, descriptors that no message announces"""
    for peer in EDGES[role]:
        for what, data in FRAMES:
            c = self.sibling(peer)
            c.sock.sendall(data)
            self.expect_refusal(c, 'none', 'framing')
        for n in (1, 3):
            c = self.sibling(peer)
            with open('/dev/null') as f:
                socket.send_fds(c.sock, [header(0x7fff, HEADER)],
                                [f.fileno()] * n)
            self.expect_refusal(c, '?', 'unknown')
        for number in (0, len(TABLE) + 1, 0xffff):
            c = self.sibling(peer)
            c.send_raw(number, b'')
            self.expect_refusal(c, 'none' if number == 0 else '?', 'unknown')


def flood(self, role):
    """nothing behind a bad message is heard, not even good ones"""
    for peer in EDGES[role]:
        name = next(d.name for d in TABLE.values()
                    if not allowed(d, peer, role))
        c = self.sibling(peer)
        body = b''.join(fields(TABLE[name]))
        data = header(TABLE[name].number, HEADER + len(body)) + body
        try:
            c.sock.sendall(data * 2000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.expect_refusal(c, name, 'not')
        self.assertEqual([], [m for m in self.child.parent.later
                              if m.type == 'complaint'])


def heard(self, role):
    """what the table allows has its reader: none is refused for its kind"""
    for peer in EDGES[role]:
        for d in TABLE.values():
            if not allowed(d, peer, role):
                continue
            c = self.sibling(peer)
            with open('/dev/null') as f:
                c.send_raw(d.number, b''.join(fields(d)), 1, 1,
                           f.fileno() if d.fd else -1)
            # then one that is surely refused, so that we know it was read
            c.sock.settimeout(10)
            try:
                c.sock.sendall(header(0xffff, HEADER))
            except (BrokenPipeError, ConnectionResetError):
                pass
            m = self.child.parent.until('complaint', gen=c.gen)
            self.assertNotRegex('%s: %s' % (d.name, m.reason),
                                'no handler|malformed|not its|not ours')
            self.refused.append(('%s/1' % peer, m.message))
            c.close()


@per_role(foreign)
class Foreign(Edge):
    pass


@per_role(broken)
class Malformed(Edge):
    pass


@per_role(descriptors)
class Descriptors(Edge):
    pass


@per_role(framing)
class Framing(Edge):
    pass


@per_role(heard)
class Heard(Edge):
    pass


@per_role(flood)
class Flood(Edge):
    pass


class Table(unittest.TestCase):
    def test_edges(self):
        """every message between siblings has an edge, and its reader"""
        siblings = {r for r in EDGES}
        self.assertEqual({'control', 'connector', 'auth', 'hash', 'engine',
                          'imap', 'pop3', 'lmtp'}, siblings)
        for d in TABLE.values():
            pairs = [(a, b) for a in EDGES for b in EDGES[a]
                     if allowed(d, a, b)]
            parent = [r for r in ROLES if allowed(d, 'parent', r) or
                      allowed(d, r, 'parent') or allowed(d, 'ctl', r) or
                      allowed(d, r, 'ctl')]
            self.assertTrue(pairs or parent, d.name)


if __name__ == '__main__':
    atf.main()
