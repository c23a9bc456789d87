#!/usr/bin/env python3
"""HTTP as hostile, slow and broken clients speak it."""

import json
import os
import random
import socket
import subprocess
import threading
import time
import unittest

from store import (SANITIZED, SLOW, Client, Cut, Server, StoreTest, atf, box,
                   memory)

GET = b'GET /v1/ HTTP/1.1\r\nHost: x\r\n'


class Hostile(StoreTest):
    def raw(self, data, shut=False):
        """What comes back on a connection of its own"""
        c = self.server.client()
        c.connect()
        try:
            c.sock.sendall(data)
            if shut:
                c.sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return c.answer()
        finally:
            c.close()

    def test_bad_heads(self):
        """Heads that are none are 400, and the connection is closed"""
        for bad in (b'\r\n\r\n', b'GET\r\n\r\n', b'GET /v1/\r\n\r\n',
                    b'GET /v1/ HTTP/2.0\r\n\r\n', b'G\0T /v1/ HTTP/1.1\r\n\r\n',
                    b'GET v1 HTTP/1.1\r\n\r\n', b'GET  /v1/ HTTP/1.1\r\n\r\n',
                    b'GET /v1/ HTTP/1.1\r\nA B: c\r\n\r\n',
                    b'GET /v1/ HTTP/1.1\r\nA : c\r\n\r\n',
                    b'GET /v1/ HTTP/1.1\r\n A: c\r\n\r\n',
                    b'GET /v1/ HTTP/1.1\nA: c\n\n',
                    b'GET /v1/ HTTP/1.1\r\nA: \0\r\n\r\n',
                    b'GET /v1/ HTTP/1.1\r\nA\r\n\r\n',
                    b'\x16\x03\x01\x02\x00\r\n\r\n',
                    GET + b'Content-Length: -1\r\n\r\n',
                    GET + b'Content-Length: 1x\r\n\r\n',
                    GET + b'Content-Length: 1\r\nContent-Length: 2\r\n\r\n',
                    GET + b'Transfer-Encoding: gzip\r\n\r\n',
                    GET + b'Transfer-Encoding: chunked\r\n'
                    b'Content-Length: 3\r\n\r\n',
                    GET + b'A: b\r\n' * 65 + b'\r\n',
                    b'GET /' + b'/' * 20 + b' HTTP/1.1\r\n\r\n'):
            a = self.raw(bad)
            self.assertEqual((a.status, a.code), (400, 'bad-request'), bad)
            self.assertEqual(a.fields['connection'], 'close')

    def test_long_head(self):
        """A head over the bound is 431"""
        a = self.raw(GET + b'A: ' + b'x' * 20000 + b'\r\n\r\n')
        self.assertEqual(a.status, 431)
        a = self.raw(GET + b'A: ' + b'x' * 20000)
        self.assertEqual(a.status, 431)
        a = self.raw(GET + b'A: ' + b'x' * 16000 + b'\r\n\r\n')
        self.assertEqual(a.status, 200)

    def test_paths(self):
        """Paths and methods that are no call"""
        for path in ('/v1', '/v1/'):
            a = self.raw(b'GET %s HTTP/1.1\r\n\r\n' % path.encode())
            self.assertEqual(a.status, 200)
        for path in ('/', '/v2/', '/v1x/', '/v1/x', '/v1//', '/v1/accounts',
                     '/v1/accounts/joe', '/v1/accounts/joe/mailboxes/',
                     '/v1/accounts//mailboxes', '/v1/accounts/joe/x/1',
                     '/v1/messages', '/v1/auth', '/v1/a/b/c/d/e/f',
                     '/%76%31/'):
            a = self.raw(b'GET %s HTTP/1.1\r\n\r\n' % path.encode())
            self.assertIn(a.status, (404, 405), path)
            self.assertEqual(a.code, 'bad-request')
        a = self.c.ask('DELETE', box('joe'))
        self.assertEqual((a.status, a.fields['allow']), (405, 'GET, POST'))
        a = self.c.ask('BREW', '/')
        self.assertEqual((a.status, a.fields['allow']), (405, 'GET'))
        a = self.c.ask('HEAD', '/events')
        self.assertEqual(a.status, 405)
        a = self.raw(b'GET http://other.example/v1/ HTTP/1.1\r\n\r\n')
        self.assertEqual(a.status, 200)

    def test_pipeline(self):
        """Many requests in one piece: the answers in order"""
        m = self.inbox()
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}]}
                          ).encode() + b'\n'
        data = b''
        for i in range(50):
            data += self.c.head('GET', box('joe', m), {})
            data += self.c.head('POST', '/messages', {
                'Content_Length': len(line) + 3}) + line + b'%03d' % i
        self.c.send(data)
        for i in range(50):
            self.assertEqual(self.c.answer().json()['messages'], i)
            self.assertEqual(self.c.answer().lines()[1][0]['uid'], i + 1)

    def test_bytewise(self):
        """A request byte by byte, a body in one-byte chunks"""
        m = self.inbox()
        body = json.dumps({'uids': '1', 'add': ['x']}).encode()
        self.c.add('joe', m)
        data = self.c.head('PATCH', box('joe', m) + '/messages', {
            'Transfer_Encoding': 'chunked'})
        data += b''.join(b'1;x=y\r\n%c\r\n' % x for x in body)
        data += b'0\r\nTrailer: x\r\n\r\n'
        for i in range(len(data)):
            self.c.send(data[i:i + 1])
        self.assertEqual(self.c.answer().lines()[1],
                         [{'uid': 1, 'flags': ['x']}])
        self.assertEqual(self.c.mailbox('joe')['messages'], 1)

    def test_bad_chunks(self):
        """Broken chunks end the request, nothing is done"""
        m = self.inbox()
        for bad in (b'x\r\n', b'-1\r\n', b'5\r\nabcdeX', b'fffffffffffffffff'
                    b'\r\n', b'5' + b' ' * 2000 + b'\r\n', b'\r\n'):
            a = self.raw(self.c.head('POST', box('joe'), {
                'Transfer_Encoding': 'chunked'}) + bad)
            self.assertEqual((a.status, a.code), (400, 'bad-request'))
        self.assertEqual(len(self.c.mailboxes('joe')), 1)

    def test_body_where_none(self):
        """A body where there is none to be"""
        a = self.raw(GET + b'Content-Length: 5\r\n\r\nhello' + GET + b'\r\n')
        self.assertEqual((a.status, a.fields['connection']), (400, 'close'))
        a = self.raw(GET + b'Content-Length: 0\r\n\r\n')
        self.assertEqual(a.status, 200)

    def test_body_too_large(self):
        """A JSON body over its bound is 413, with or without a length"""
        self.code(self.raw(self.c.head('POST', box('joe'), {
            'Content_Length': 10 ** 12})), 413, 'too-large')
        self.code(self.raw(self.c.head('POST', box('joe'), {
            'Transfer_Encoding': 'chunked'}) + b'20000\r\n' + b' ' * 0x20000
            + b'\r\n'), 413, 'too-large')

    def test_deep_json(self):
        """Deep and wide JSON is refused"""
        for body in (b'[' * 30000, b'{"name":' + b'[' * 5000 + b']' * 5000 +
                     b'}', b'{"a":' * 8000, b'{"name":"' + b'\\u' * 9000,
                     b'[' + b'1,' * 30000 + b'1]'):
            self.code(self.c.ask('POST', box('joe'), body), 400,
                      'bad-request')

    def test_half_close(self):
        """One that has sent its last byte still gets its answer"""
        m = self.inbox()
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}]}
                          ).encode() + b'\nmsg'
        a = self.raw(self.c.head('POST', '/messages', {
            'Content_Length': len(line)}) + line, shut=True)
        self.assertEqual(a.lines()[1][0]['uid'], 1)
        a = self.raw(GET + b'\r\n', shut=True)
        self.assertEqual(a.status, 200)
        c = self.server.client()
        c.send((GET + b'\r\n') * 3 + GET)
        c.sock.shutdown(socket.SHUT_WR)
        for i in range(3):
            self.assertEqual(c.answer().status, 200)
        self.assertEqual(c.file.read(), b'')
        c.close()

    def test_http10(self):
        """HTTP/1.0: closed after the answer, unless asked otherwise"""
        a = self.raw(b'GET /v1/ HTTP/1.0\r\n\r\n')
        self.assertEqual((a.status, a.fields['connection']), (200, 'close'))
        c = self.server.client()
        for i in range(2):
            c.send(b'GET /v1/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
            a = c.answer()
            self.assertEqual(a.fields['connection'], 'keep-alive')
        c.close()

    def test_gone(self):
        """Clients that go away at every moment"""
        m = self.inbox()
        for i in range(20):
            self.c.add('joe', m, b'x' * 100000)
        line = json.dumps({'to': [{'account': 'joe', 'mailbox': m}]}
                          ).encode() + b'\n'
        wants = [GET + b'\r\n', self.c.head('GET', box('joe', m) +
                                           '/messages', {}),
                 self.c.head('GET', '/events', {}),
                 self.c.head('POST', '/messages', {
                     'Content_Length': len(line) + 300000}) + line +
                 b'x' * 300000]
        r = random.Random(4)
        for i in range(200):
            data = r.choice(wants)
            c = self.server.client()
            c.send(data[:r.choice([len(data), r.randint(0, len(data))])])
            c.close()
        self.assertEqual(self.c.ask('GET', '').status, 200)

    def test_garbage(self):
        """Random bytes, and requests with random damage"""
        m = self.inbox()
        self.c.add('joe', m)
        r = random.Random(5)
        good = [self.c.head('GET', box('joe', m) + '/messages?uids=1:5&'
                            'fields=uid,flags&since=1', {}),
                self.c.head('PATCH', box('joe', m) + '/messages', {
                    'Content_Length': 26}) + b'{"uids":"1","add":["abc"]}',
                self.c.head('GET', '/events?since=abc', {})]
        for i in range(600 // SLOW):
            data = bytearray(r.choice(good + [r.randbytes(300)]))
            for k in range(r.randint(0, 5)):
                data[r.randrange(len(data))] = r.randrange(256)
            c = self.server.client()
            c.send(bytes(data))
            c.sock.shutdown(socket.SHUT_WR)
            c.sock.settimeout(10 * SLOW)
            try:
                c.file.read(1)
            except ConnectionError:
                pass
            c.close()
        self.assertEqual(self.c.ask('GET', '').status, 200)


class Slow(StoreTest):
    args = ('-o', 'timeout=1', '-o', 'idle=3')

    def closes(self, c, least, most):
        t = time.monotonic()
        c.sock.settimeout(60 * SLOW)
        try:
            while c.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        took = time.monotonic() - t
        self.assertGreater(took, least)
        self.assertLess(took, most * SLOW)
        c.close()

    def test_idle(self):
        """Idle connections are closed in time"""
        self.closes(self.server.client().connect(), 1, 8)

    def test_half_head(self):
        """A head that does not come to its end"""
        c = self.server.client()
        c.send(GET)
        self.closes(c, .5, 5)

    def test_trickle(self):
        """A head that comes one byte at a time, for ever"""
        c = self.server.client()
        c.connect()
        c.sock.settimeout(.3)
        t = time.monotonic()
        try:
            while time.monotonic() - t < 20 * SLOW:
                c.sock.sendall(b'G')
                try:
                    if not c.sock.recv(1):
                        break
                except TimeoutError:
                    pass
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - t, 6 * SLOW)
        c.close()

    def test_half_body(self):
        """A body that does not come"""
        c = self.server.client()
        c.send(c.head('POST', box('joe'), {'Content_Length': 50}) + b'{')
        self.closes(c, .5, 5)

    def test_not_reading(self):
        """An answer that is not taken"""
        m = self.inbox()
        id = self.c.add('joe', m, b'x' * 5000000)['id']
        c = self.server.client()
        c.send(c.head('GET', '/accounts/joe/messages/' + id, {}))
        time.sleep(5 * SLOW)
        got = 0
        c.sock.settimeout(10)
        try:
            while True:
                data = c.sock.recv(1 << 20)
                if not data:
                    break
                got += len(data)
        except ConnectionError:
            pass
        self.assertLess(got, 4000000)
        c.close()

    def test_slow_but_reading(self):
        """One that reads slowly, but reads, gets everything"""
        m = self.inbox()
        msg = os.urandom(1000000)
        id = self.c.add('joe', m, msg)['id']
        c = self.server.client()
        c.send(c.head('GET', '/accounts/joe/messages/' + id, {}))
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        status, fields = c.read_head()
        data = b''
        while len(data) < len(msg):
            data += c.exactly(min(50000, len(msg) - len(data)))
            time.sleep(.15)
        self.assertEqual(data, msg)
        c.close()


class Bounded(StoreTest):
    args = ('-o', 'connections=10')

    def test_connections(self):
        """No more connections than may be; the next wait their turn"""
        self.c.ask('GET', '')
        held = [self.server.client().connect() for i in range(9)]
        for c in held:
            self.assertEqual(c.ask('GET', '').status, 200)
        late = self.server.client(timeout=1)
        late.send(GET + b'\r\n')
        self.assertRaises(TimeoutError, late.answer)
        held.pop().close()
        late.sock.settimeout(10 * SLOW)
        late.file = late.sock.makefile('rb')
        self.assertEqual(late.answer().status, 200)
        late.close()
        for c in held:
            c.close()

    def test_slow_readers(self):
        """Many that do not read: the memory stays bounded"""
        m = self.inbox()
        id = self.c.add('joe', m, b'x' * 20000000)['id']
        small = self.c.add('joe', m, b'y' * 131072)['id']
        self.c.content('joe', id)
        before = memory(self.server.proc.pid)
        held = []
        for i in range(8):
            c = self.server.client()
            c.connect()
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.send(c.head('GET', '/accounts/joe/messages/' +
                          (id if i % 2 else small), {}) * 20)
            held.append(c)
        time.sleep(1)
        self.assertLess(memory(self.server.proc.pid) - before,
                        8 * 400 * 1024 * (4 if SANITIZED else 1))
        for c in held:
            c.close()


class Token(unittest.TestCase):
    def server(self, *args, **more):
        s = Server(*args, **more)
        self.addCleanup(s.remove)
        return s

    def free_port(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            return s.getsockname()[1]

    def test_token(self):
        """With a token file every request needs the token"""
        port = self.free_port()
        s = self.server('-l', '127.0.0.1:%d' % port, sock=False)
        with open(s.top + '/token', 'w') as f:
            f.write('s3cret\n')
        s.args += ['-t', s.top + '/token']
        s.start()
        where = '127.0.0.1', port
        for token in None, 'x', 's3cre', 's3cret ', 's3crets':
            a = Client(where, token=token).ask('GET', '/')
            if token == 's3cret ':
                self.assertEqual(a.status, 200)     # white space around it
                continue
            self.assertEqual((a.status, a.code), (401, 'bad-token'))
            self.assertEqual(a.fields['www-authenticate'], 'Bearer')
        c = Client(where, token='s3cret')
        self.assertEqual(c.ask('GET', '/').status, 200)
        a = c.ask('GET', '/', Authorization='Basic s3cret')
        self.assertEqual(a.status, 200)
        c.close()
        s.stop()

    def test_no_token(self):
        """Beyond loopback only with a token"""
        s = self.server('-l', '0.0.0.0:%d' % self.free_port(), sock=False)
        s.start(wait=False)
        self.assertEqual(s.proc.wait(), 1)
        self.assertIn('token', s.logged())
        s.proc = None

    def test_ipv6(self):
        """IPv6 loopback"""
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(('::1', 0))
                port = sock.getsockname()[1]
        except OSError as e:
            self.skipTest('no IPv6 here: %s' % e)
        s = self.server('-l', '[::1]:%d' % port, sock=False)
        s.start()
        sock = socket.create_connection(('::1', port))
        sock.sendall(GET + b'\r\n')
        self.assertIn(b'200 OK', sock.recv(1000))
        sock.close()
        s.stop()

    def test_peers(self):
        """Other users may not connect to the socket, unless named"""
        if os.getuid() != 0:
            self.skipTest('needs root to be another user')
        code = ('import os,socket,sys\n'
                'os.setgid(65534); os.setuid(65534)\n'
                's = socket.socket(socket.AF_UNIX)\n'
                's.connect(sys.argv[1])\n'
                'got = b""\n'
                'try:\n'
                '    s.sendall(b"GET /v1/ HTTP/1.1\\r\\n\\r\\n")\n'
                '    got = s.recv(100)\n'
                'except ConnectionError: pass\n'
                'print(got[:12])\n')
        for args, want in ([], "b''"), (['-p', '65534'], "b'HTTP/1.1 200'"):
            s = self.server(*args)
            os.chmod(s.top, 0o755)
            s.start()
            p = subprocess.run(['python3', '-c', code, s.path],
                               capture_output=True, text=True)
            self.assertEqual(p.stdout.strip(), want, p.stderr)
            s.stop()


if __name__ == '__main__':
    atf.main()
