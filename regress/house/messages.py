"""The messages between mfrontd's processes, read from lib/msg_table.h: what
the C code is made from, tests speak, too.
"""

import os
import re
import socket
import struct
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
TYPES = ['U8', 'U16', 'U32', 'U64', 'STR', 'BLOB', 'SET']
HEADER = 16
SECRET = 1


def enum(text, name):
    body = re.search(r'enum %s \{(.*?)\}' % name, text, re.S).group(1)
    body = re.sub(r'/\*.*?\*/', '', body, flags=re.S)
    return [w.strip() for w in body.split(',') if w.strip()]


def read(*path):
    with open(os.path.join(TOP, *path)) as f:
        return f.read()


class Def:
    def __init__(self, number, name, sender, receiver, fd, flags):
        self.number, self.name = number, name
        self.sender, self.receiver = sender, receiver
        self.fd, self.flags = fd, flags
        self.fields = []


def roles():
    names = enum(read('lib', 'msg.h'), 'role')
    return {n[len('ROLE_'):]: i for i, n in enumerate(names)}


ROLES = roles()


def load():
    text = read('lib', 'msg_table.h')
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    bits = {'R_' + n: 1 << i for n, i in ROLES.items()}
    bits['R_LISTENER'] = bits['R_IMAP'] | bits['R_POP3'] | bits['R_LMTP']
    bits['R_CHILD'] = (bits['R_CONTROL'] | bits['R_CONNECTOR'] |
                       bits['R_AUTH'] | bits['R_HASH'] | bits['R_ENGINE'] |
                       bits['R_LISTENER'] | bits['R_STORE'])
    table = {}
    for m in re.finditer(r'(\w+)\(([^()]*)\)', text):
        what, args = m.group(1), [a.strip() for a in m.group(2).split(',')]
        if what == 'MSG':
            d = Def(len(table) + 1, args[0], eval(args[1], bits),
                    eval(args[2], bits), args[3] == 'FD',
                    SECRET if args[4] == 'SECRET' else 0)
            table[args[0]] = d
        elif what in TYPES:
            most = int(args[2]) if len(args) > 2 else 0
            d.fields.append((TYPES.index(what), args[1], most))
    return table


TABLE = load()
BY_NUMBER = {d.number: d for d in TABLE.values()}


def fnv(h, data):
    for b in data:
        h = ((h ^ b) * 0x100000001b3) & (1 << 64) - 1
    return h


def table_hash():
    def num(h, n):
        return fnv(h, struct.pack('<Q', n))
    h = num(num(fnv(0xcbf29ce484222325, b'none\0'), 0), 0)
    h = num(h, 0)
    for d in TABLE.values():
        h = fnv(h, d.name.encode() + b'\0')
        h = num(num(h, d.sender), d.receiver)
        h = num(h, int(d.fd) << 8 | d.flags)
        for kind, name, most in d.fields:
            h = num(num(fnv(h, name.encode() + b'\0'), kind), most)
    return h


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def ranges(uids):
    """[7, (1, 5)] -> pairs"""
    return [u if isinstance(u, tuple) else (u, u) for u in uids]


def put_set(uids):
    uids = ranges(uids)
    return struct.pack('>I', len(uids)) + b''.join(
        struct.pack('>II', *r) for r in uids)


def encode(name, fields):
    out = b''
    known = {f[1] for f in TABLE[name].fields}
    assert known >= set(fields), set(fields) - known
    for kind, field, _ in TABLE[name].fields:
        v = fields.get(field)
        if kind <= 3:
            out += struct.pack('>' + 'BHIQ'[kind], v or 0)
        elif kind == 4:
            v = raw(v or '') + b'\0'
            out += struct.pack('>I', len(v)) + v
        elif kind == 5:
            v = raw(v or b'')
            out += struct.pack('>I', len(v)) + v
        else:
            out += put_set(v or [])
    return out


def get_set(body):
    n, = struct.unpack('>I', body[:4])
    pairs = [struct.unpack('>II', body[4 + 8 * i:12 + 8 * i])
             for i in range(n)]
    return pairs, body[4 + 8 * n:]


class Message:
    """type, sid (a session), req, fd, and the message's own fields"""

    def __init__(self, type, sid, req, fields, fd):
        self.type, self.sid, self.req, self.fd = type, sid, req, fd
        self.fields = fields
        for k, v in fields.items():
            setattr(self, k, v)

    def __repr__(self):
        return '%s(sid=%d, req=%d, %r)' % (self.type, self.sid, self.req,
                                           self.fields)


def decode(number, body):
    d, fields = BY_NUMBER[number], {}
    for kind, field, _ in d.fields:
        if kind <= 3:
            size = 1 << kind
            v, = struct.unpack('>' + 'BHIQ'[kind], body[:size])
            body = body[size:]
        elif kind <= 5:
            n, = struct.unpack('>I', body[:4])
            v, body = body[4:4 + n], body[4 + n:]
            assert len(v) == n
            if kind == 4:
                v = v[:-1].decode('utf-8', 'surrogateescape')
        else:
            v, body = get_set(body)
        fields[field] = v
    assert body == b'', 'left over in ' + d.name
    return d.name, fields


class Closed(Exception):
    pass


class Channel:
    """One end of a channel, spoken by a test."""

    def __init__(self, sock, name=''):
        self.sock, self.name = sock, name
        self.buf, self.fds, self.later = b'', [], []

    def close(self):
        self.sock.close()

    def send(self, type, /, sid=0, req=0, fd=-1, **fields):
        self.send_raw(TABLE[type].number, encode(type, fields), sid, req, fd)

    def send_raw(self, number, body, sid=0, req=0, fd=-1):
        data = struct.pack('>HHIII', number, fd != -1, HEADER + len(body),
                           sid, req) + body
        self.sock.settimeout(10)
        if fd == -1:
            self.sock.sendall(data)
            return
        n = socket.send_fds(self.sock, [data], [fd])
        self.sock.sendall(data[n:])

    def take(self):
        if len(self.buf) < HEADER:
            return None
        number, flags, length, sid, req = struct.unpack('>HHIII',
                                                       self.buf[:HEADER])
        if len(self.buf) < length:
            return None
        body, self.buf = self.buf[HEADER:length], self.buf[length:]
        fd = self.fds.pop(0) if flags & 1 else -1
        type, fields = decode(number, body)
        return Message(type, sid, req, fields, fd)

    def recv(self, timeout=10):
        """The next message; None when none comes in time."""
        if self.later:
            return self.later.pop(0)
        return self.recv_new(timeout)

    def recv_new(self, timeout):
        end = time.monotonic() + timeout
        while True:
            m = self.take()
            if m is not None:
                return m
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                data, fds, _, _ = socket.recv_fds(self.sock, 65536, 16)
            except (TimeoutError, socket.timeout):
                return None
            except ConnectionResetError:
                raise Closed(self.name)
            self.fds += fds
            if not data:
                raise Closed(self.name)
            self.buf += data

    def expect(self, type, /, timeout=10, **fields):
        """The next message must be this one, with these fields."""
        m = self.recv(timeout)
        assert m is not None, 'no %s from %s' % (type, self.name)
        assert m.type == type, 'not %s but %r' % (type, m)
        for k, v in fields.items():
            got = getattr(m, k)
            assert got == v, '%s: %s is %r, not %r' % (type, k, got, v)
        return m

    def until(self, type, /, timeout=10, **fields):
        """As expect(), but others may come first; they are kept."""
        end = time.monotonic() + timeout
        for i, m in enumerate(self.later):
            if self.fits(m, type, fields):
                return self.later.pop(i)
        while True:
            m = self.recv_new(max(0, end - time.monotonic()))
            assert m is not None, 'no %s from %s' % (type, self.name)
            if self.fits(m, type, fields):
                return m
            self.later.append(m)

    @staticmethod
    def fits(m, type, fields):
        return m.type == type and all(getattr(m, k) == v
                                      for k, v in fields.items())

    def silent(self, seconds=0.3):
        m = self.recv(seconds)
        assert m is None, 'unexpected %r' % m

    def ended(self, timeout=10):
        """The other side closes; what it still says does not matter."""
        try:
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                self.recv(timeout)
        except Closed:
            return
        raise AssertionError('%s is still there' % self.name)
