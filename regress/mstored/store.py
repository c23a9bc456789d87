"""A real mstored on a unix socket in a folder of its own, and a client of
the storage API as small as a test wants it: every byte can be said."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'regress', 'house'))
PROGRAM = os.environ.get('MSTORED', os.path.join(TOP, 'mstored', 'mstored'))
# sanitizers make everything slower, and bigger
SLOW = int(os.environ.get('SLOW', '1'))
SANITIZED = 'SANITIZED' in os.environ

import atf                                              # noqa: E402


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def json(self):
        return json.loads(self.body)

    def lines(self):
        """An NDJSON answer: header and rows; the end must be well"""
        rows = self.raw_lines()
        assert rows[0].get('header') is True, rows[0]
        assert rows[-1] == {'end': True}, rows[-1]
        return rows[0], rows[1:-1]

    def raw_lines(self):
        assert self.fields['content-type'] == 'application/x-ndjson'
        text = self.body.decode()
        assert text.endswith('\n')
        lines = text[:-1].split('\n')
        assert all(len(line) <= 65536 for line in lines)
        return [json.loads(line) for line in lines]

    @property
    def code(self):
        if self.status < 400:
            return None
        assert self.fields['content-type'] == 'application/problem+json'
        problem = self.json()
        assert problem['status'] == self.status
        return problem['code']

    def __repr__(self):
        return '<%d %r>' % (self.status, self.body[:200])


class Cut(Exception):
    """The answer ended before its end"""


class Client:
    """One kept-alive connection"""

    def __init__(self, where, timeout=60, token=None):
        self.where, self.timeout, self.token = where, timeout * SLOW, token
        self.sock = None

    def connect(self):
        if isinstance(self.where, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            self.sock = socket.socket()
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.where)
        self.file = self.sock.makefile('rb', 65536)
        return self

    def close(self):
        if self.sock is not None:
            self.file.close()
            self.sock.close()
            self.sock = None

    def send(self, data):
        if self.sock is None:
            self.connect()
        self.sock.sendall(data)

    def head(self, method, path, fields):
        text = '%s /v1%s HTTP/1.1\r\nHost: x\r\n' % (method, path)
        if self.token:
            text += 'Authorization: Bearer %s\r\n' % self.token
        for name, value in fields.items():
            text += '%s: %s\r\n' % (name.replace('_', '-'), value)
        return text.encode() + b'\r\n'

    def ask(self, method, path, body=None, **fields):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None and 'Content_Length' not in fields:
            fields['Content_Length'] = len(body)
        self.send(self.head(method, path, fields) + (body or b''))
        return self.answer(method)

    def chunked(self, method, path, pieces, **fields):
        fields['Transfer_Encoding'] = 'chunked'
        self.send(self.head(method, path, fields))
        for p in pieces:
            self.send(b'%x\r\n%s\r\n' % (len(p), p))
        self.send(b'0\r\n\r\n')
        return self.answer(method)

    def line(self):
        line = self.file.readline()
        if not line.endswith(b'\n'):
            raise Cut(line[:100])
        return line

    def read_head(self):
        parts = self.line().decode().split(' ', 2)
        assert parts[0] == 'HTTP/1.1'
        fields = {}
        while True:
            line = self.line().decode().rstrip('\r\n')
            if not line:
                return int(parts[1]), fields
            name, value = line.split(':', 1)
            fields[name.lower()] = value.strip()

    def exactly(self, n):
        data = self.file.read(n)
        if len(data) != n:
            raise Cut('%d of %d bytes' % (len(data), n))
        return data

    def pieces(self):
        while True:
            n = int(self.line(), 16)
            data = self.exactly(n)
            assert self.exactly(2) == b'\r\n'
            if n == 0:
                return
            yield data

    def answer(self, method='GET'):
        status, fields = self.read_head()
        while status == 100:
            status, fields = self.read_head()
        if status == 204:
            body = b''
        elif fields.get('transfer-encoding') == 'chunked':
            body = b''.join(self.pieces())
        elif 'content-length' in fields:
            body = self.exactly(int(fields['content-length']))
        else:
            body = self.file.read()
        if fields.get('connection') == 'close':
            self.close()
        return Answer(status, fields, body)

    # the calls

    def mailboxes(self, account):
        header, rows = self.ask('GET', box(account)).lines()
        return rows

    def mailbox(self, account, name='INBOX'):
        for row in self.mailboxes(account):
            if row['name'] == name:
                return row
        raise KeyError(name)

    def create(self, account, name, **more):
        a = self.ask('POST', box(account), dict(name=name, **more))
        assert a.status == 201, a
        return a.json()

    def upload(self, to, message, key=None, **more):
        if isinstance(to, dict):
            to = [to]
        line = json.dumps(dict(to=to, delivery=False, **more)).encode()
        fields = {'Idempotency_Key': key} if key else {}
        return self.ask('POST', '/messages', line + b'\n' + message,
                        **fields)

    def add(self, account, mailbox, message=b'x\r\n', **more):
        """Append one message, return its row"""
        a = self.upload(dict(account=account, mailbox=mailbox, **more),
                        message)
        assert a.status == 200, a
        row, = a.lines()[1]
        assert 'uid' in row, row
        return row

    def list(self, account, mailbox, **query):
        text = '&'.join('%s=%s' % q for q in query.items())
        return self.ask('GET', box(account, mailbox) + '/messages' +
                        ('?' + text if text else ''))

    def rows(self, account, mailbox, **query):
        header, rows = self.list(account, mailbox, **query).lines()
        return header, rows

    def state(self, account, mailbox, **query):
        """uid -> its row, from a listing"""
        found = {}
        for row in self.rows(account, mailbox, **query)[1]:
            if 'vanished' in row:
                continue
            for uid in uids(row):
                assert uid not in found
                found[uid] = row
        return found

    def patch(self, account, mailbox, key=None, **body):
        fields = {'Idempotency_Key': key} if key else {}
        return self.ask('PATCH', box(account, mailbox) + '/messages', body,
                        **fields)

    def expunge(self, account, mailbox, uids, only_if_flag=None):
        return self.ask('POST', box(account, mailbox) + '/expunge',
                        dict(uids=uids, only_if_flag=only_if_flag))

    def copy(self, account, mailbox, uids, to, move=False):
        return self.ask('POST', box(account, mailbox) + '/copy',
                        dict(uids=uids, to=to, move=move))

    def content(self, account, id, **fields):
        return self.ask('GET', '/accounts/%s/messages/%s' %
                        (quote(account), id), **fields)


def quote(text):
    return urllib.parse.quote(text, safe='')


def box(account, mailbox=None):
    path = '/accounts/%s/mailboxes' % quote(account)
    return path if mailbox is None else path + '/' + mailbox


def members(text):
    """The uids of a set, which must be in its one canonical form"""
    found, last = [], -1
    for part in text.split(','):
        lo, _, hi = part.partition(':')
        lo, hi = int(lo), int(hi or lo)
        assert str(lo) in part and (':' not in part or hi > lo), text
        assert lo > last + 1 or last == -1 and lo >= 1, text
        found.extend(range(lo, hi + 1))
        last = hi
    return found


def uids(row):
    return [row['uid']] if 'uid' in row else members(row['uids'])


def merged(numbers):
    """A set's text"""
    parts, numbers = [], sorted(numbers)
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ','.join(str(a) if a == b else '%d:%d' % (a, b)
                    for a, b in parts)


class Stream(Client):
    """The events, read as they come"""

    def __init__(self, where, since=None, **more):
        super().__init__(where, **more)
        self.send(self.head('GET', '/events' + (
            '?since=' + since if since else ''), {}))
        self.status, self.fields = self.read_head()
        self.rest = b''
        if self.status == 200:
            self.chunks = self.pieces()
            self.header = self.event(beats=True)

    def event(self, beats=False):
        """The next line; heartbeats only if asked for"""
        while True:
            while b'\n' not in self.rest:
                try:
                    self.rest += next(self.chunks)
                except StopIteration:
                    raise Cut('the stream ended')
            line, self.rest = self.rest.split(b'\n', 1)
            line = json.loads(line)
            if beats or 'account' in line or 'header' in line:
                return line


class Server:
    def __init__(self, *args, folder=None, open_accounts=True, sock=True,
                 log=None):
        self.top = tempfile.mkdtemp(prefix='mstored.')
        self.folder = folder or os.path.join(self.top, 'store')
        os.makedirs(self.folder, 0o700, exist_ok=True)
        self.path = os.path.join(self.top, 'sock')
        self.args = list(args)
        if open_accounts:
            self.args.append('-A')
        if sock:
            self.args += ['-l', 'unix:' + self.path]
        self.logname = log or os.path.join(self.top, 'log')
        self.proc = None

    def start(self, *more, wrap=(), wait=True):
        env = dict(os.environ)
        # leaks are looked for with calls that the sandbox kills for
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0')
        with open(self.logname, 'ab') as log:
            self.proc = subprocess.Popen(
                list(wrap) + [PROGRAM] + self.args + ['-d', self.folder] +
                list(more), stderr=log, stdout=log, env=env)
        if wait:
            self.wait_ready()
        return self

    def logged(self):
        with open(self.logname, errors='replace') as f:
            return f.read()

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            text = self.logged()
            if text.count('mstored: ready') > self.nstarts:
                self.nstarts = text.count('mstored: ready')
                return
            if self.proc.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError('mstored does not start: ' + text[-2000:])

    nstarts = 0

    def client(self, **more):
        return Client(self.path, **more)

    def stream(self, since=None):
        return Stream(self.path, since)

    def stop(self, status=0):
        if self.proc is None:
            return
        self.proc.send_signal(signal.SIGTERM)
        got = self.proc.wait(30 * SLOW)
        self.proc = None
        assert got == status, (got, self.logged()[-3000:])

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        self.proc = None

    def remove(self):
        if self.proc is not None:
            self.proc.kill()
            self.proc.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def admin(self, *words, stdin=None, check=True, folder=None):
        """A subcommand: (status, output)"""
        args = [PROGRAM] + list(words)
        if words[0] in ('user', 'alias'):
            args += ['-d', folder or self.folder]
        p = subprocess.run(args, input=stdin, capture_output=True,
                           text=True, timeout=120 * SLOW)
        if check:
            assert p.returncode == 0, p.stderr
        return p.returncode, p.stdout + p.stderr

    def check(self):
        """Is everything in the store consistent?"""
        status, text = self.admin('check', self.folder, check=False)
        assert status == 0, text


class StoreTest(unittest.TestCase):
    """A running server, a client of it; at the end it must stop well and
    its store be sound"""

    args = ()
    open_accounts = True

    def setUp(self):
        self.server = Server(*self.args, open_accounts=self.open_accounts)
        self.addCleanup(self.server.remove)
        self.prepare()
        self.server.start()
        self.c = self.server.client()

    def prepare(self):
        """Before the first start"""

    def tearDown(self):
        self.c.close()
        if self.server.proc is not None:
            self.server.stop()
        self.server.check()
        log = self.server.logged()
        self.assertNotRegex(log, r'ERROR: (Address|Leak)Sanitizer|'
                            r'runtime error:')

    def inbox(self, account='joe'):
        return self.c.mailbox(account)['id']

    def code(self, answer, status, code):
        self.assertEqual((answer.status, answer.code), (status, code),
                         answer)


def memory(pid):
    """Private dirty bytes of a process"""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return 1024 * int(re.search(r'Private_Dirty:\s+(\d+)', f.read())[1])


def parallel(*functions):
    """Runs them at the same time; the first failure is raised"""
    failures = []

    def guard(f):
        try:
            f()
        except BaseException as e:
            failures.append(e)
    threads = [threading.Thread(target=guard, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
