"""A storage that the test plays, byte by byte, behind a real engine: the
test is its connector, hands it connections, and answers what it asks.
"""

import json
import os
import queue
import socket
import threading

from house import House, limits
from messages import Closed

SLOW = int(os.environ.get('SLOW', '1'))
HEADER = {'header': True, 'uidnext': 9, 'uidvalidity': 7, 'applied': {}}
END = {'end': True}


def simple(status, kind, body, fields=''):
    return ('HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n'
            '%s\r\n' % (status, kind, len(body), fields)).encode() + body


def value(v, status=200, fields=''):
    return simple(status, 'application/json', json.dumps(v).encode(), fields)


def lines(*rows):
    return b''.join(json.dumps(row).encode() + b'\n' for row in rows)


def ndjson(*rows):
    return simple(200, 'application/x-ndjson', lines(*rows))


def problem(status, code, fields='', **more):
    return simple(status, 'application/problem+json',
                  json.dumps(dict(code=code, **more)).encode(), fields)


def content(data, fields=''):
    return simple(200, 'message/rfc822', data, fields)


def service(*names, limits={}, **capabilities):
    return value(dict(name='test', version='1', api=1, limits=limits,
                      capabilities=dict({n: True for n in names},
                                        **capabilities)))


class Request:
    """One request of the engine; its body is read unless it waits for a
    100 (Continue)"""

    def __init__(self, sock, file, head):
        self.sock, self.file, self.head = sock, file, head
        self.method, self.target, self.version = head[0].split(' ')
        self.names = [line.split(': ', 1)[0] for line in head[1:]]
        self.fields = dict((n.lower(), v) for n, v in (
            line.split(': ', 1) for line in head[1:]))
        self.body = b''

    def read_body(self):
        if self.fields.get('transfer-encoding') == 'chunked':
            while True:
                n = int(self.file.readline(), 16)
                self.body += self.file.read(n)
                assert self.file.readline() == b'\r\n'
                if n == 0:
                    return self.body
        self.body += self.file.read(int(self.fields.get('content-length',
                                                        0)))
        return self.body

    def json(self):
        return json.loads(self.body)

    def answer(self, data):
        self.sock.sendall(data)

    def try_answer(self, data):
        """The engine may have hung up before all of it is out"""
        try:
            self.sock.sendall(data)
        except OSError:
            return

    def hang_up(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass                        # the engine was first
        self.sock.close()


class Backend(threading.Thread):
    """Answers the service document and the events, hands everything else
    to the test.  refuse: urls that cannot be reached"""

    def __init__(self, connector, document, events=None):
        super().__init__(daemon=True)
        self.connector, self.document, self.events = (connector, document,
                                                      events)
        self.streams = queue.Queue()    # requests for events
        self.requests = queue.Queue()
        self.documents = queue.Queue()  # requests for the document
        self.asked = queue.Queue()      # urls, in order
        self.sockets, self.refuse = [], set()
        self.wrap = None                # TLS
        self.buffer = None              # of a socket, in bytes

    def run(self):
        try:
            while True:
                m = self.connector.recv(3600)
                self.asked.put(m.url)
                if m.url in self.refuse:
                    self.connector.send('connect_fail', req=m.req,
                                        text='refused')
                else:
                    self.connected(m)
        except (Closed, OSError):
            pass

    def connected(self, m):
        ours, theirs = socket.socketpair()
        if self.buffer is not None:
            for s in ours, theirs:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF,
                             self.buffer)
        self.connector.send('connect_ok', req=m.req, fd=theirs.fileno())
        theirs.close()
        threading.Thread(target=self.serve, args=(ours, m.url),
                         daemon=True).start()

    def serve(self, sock, url):
        try:
            if self.wrap is not None:
                sock = self.wrap(sock)
            self.sockets.append(sock)
            self.listen(sock, sock.makefile('rb'), url)
        except (OSError, ValueError):
            pass

    def listen(self, sock, f, url):
        while True:
            head = self.head(f)
            if head is None:
                return
            r = Request(sock, f, head)
            r.url = url
            if 'expect' in r.fields:
                # the test decides what comes of its body
                self.requests.put(r)
                return
            r.read_body()
            self.dispatch(r)

    def resume(self, r):
        """More requests on the connection of one that had to wait"""
        threading.Thread(target=self.listen, args=(r.sock, r.file, r.url),
                         daemon=True).start()

    @staticmethod
    def head(f):
        head = []
        while True:
            line = f.readline()
            if not line.endswith(b'\r\n'):
                return None
            if line == b'\r\n':
                return head
            head.append(line[:-2].decode())

    def dispatch(self, r):
        if r.target == '/v1/':
            self.documents.put(r)
            document = self.document
            if isinstance(document, dict):
                document = document[r.url]
            if document:
                r.answer(document)
        elif r.target.startswith('/v1/events'):
            if self.events:
                r.answer(self.events)
            self.streams.put(r)
        else:
            self.requests.put(r)

    def close(self):
        for sock in self.sockets:
            sock.close()

    def next(self, timeout=10):
        return self.requests.get(timeout=timeout * SLOW)

    def none(self, seconds=0.2):
        """Nothing reaches it"""
        try:
            r = self.requests.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError('unexpected ' + r.head[0])


WRITE = service('write', 'copy', 'modseq', 'cache', 'subscriptions')
SAFE = service('write', 'copy', 'modseq', 'cache', 'idempotency')


class EngineTest(House):
    """A real engine; auth, imap, lmtp and its storage are the test's"""

    def begin(self, document=WRITE, events=None, up=True, urls=1, **lim):
        self.engine = self.start('engine')
        self.urls, self.lim, self.token = urls, lim, 's3cret'
        self.auth = self.engine.peer('auth')
        self.imap = self.engine.peer('imap')
        self.lmtp = self.engine.peer('lmtp')
        self.req = 0
        self.backend = Backend(self.engine.peer('connector'), document,
                               events)
        self.prepare()
        self.backend.start()
        self.addCleanup(self.backend.close)
        self.engine.configure(self.conf())
        if up:
            self.is_up()

    def prepare(self):
        pass

    def conf(self):
        return [limits(**self.lim), ('conf_storage', dict(
            id=0, name='main', token=self.token))] + [
                ('conf_url', dict(storage=0, id=i, kind=0, host='127.0.0.1',
                                  port=8025 + i, path='/v1'))
                for i in range(self.urls)]

    def is_up(self, up=1):
        while self.auth.until('st_info', timeout=10 * SLOW).up != up:
            pass

    def grant(self, account='joe', session=7, chan=None, gen=None, **more):
        self.auth.send('grant', req=session, session=session,
                       account=account, user=account,
                       gen=gen if gen is not None else
                       (chan or self.imap).gen, **more)
        return self.auth.until('grant_ok', req=session, code=0)

    def revoke(self, session=7, chan=None):
        self.auth.send('revoke', gen=(chan or self.imap).gen,
                       session=session)

    def ask(self, type, chan=None, sid=7, data=None, **fields):
        """Sends a request; returns its number"""
        self.req += 1
        chan = chan or self.imap
        chan.send(type, sid=sid, req=self.req, **fields)
        if data is not None:
            self.give(data, chan, sid)
        return self.req

    def give(self, data, chan=None, sid=7, end=True):
        chan = chan or self.imap
        for i in range(0, len(data), 32768):
            chan.send('st_data', sid=sid, req=self.req,
                      data=data[i:i + 32768])
        if end:
            chan.send('st_data_end', sid=sid, req=self.req)

    def answers(self, chan=None, req=None, timeout=10):
        """All messages of a request, the last being st_end"""
        req, got = req or self.req, []
        while True:
            m = self.next_of(chan or self.imap, req, timeout)
            got.append(m)
            if m.type == 'st_end':
                return got

    @staticmethod
    def next_of(chan, req, timeout=10):
        for i, m in enumerate(chan.later):
            if m.req == req:
                return chan.later.pop(i)
        while True:
            m = chan.recv_new(timeout * SLOW)
            assert m is not None, 'no answer to request %d' % req
            if m.req == req:
                return m
            chan.later.append(m)

    def result(self, code='OK', chan=None, req=None, timeout=10):
        """What came before the end, which must be that"""
        from house import ST
        got = self.answers(chan, req, timeout)
        self.assertEqual(ST[code], got[-1].code, got)
        return got[:-1]

    def list(self, sid=7, chan=None, credit=1 << 20, **fields):
        return self.ask('st_list', chan, sid, mailbox='m', fields=1,
                        credit=credit, **fields)

    def get(self, id='c1', size=5, sid=7, chan=None, credit=1 << 20, **more):
        return self.ask('st_get', chan, sid, id=id, size=size, length=size,
                        credit=credit, **more)
