"""The backends of etc/examples: one that runs, mfrontctl check of it, and a
whole mfrontd before it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ('mail', 'house', 'check'):
    sys.path.insert(0, os.path.join(HERE, '..', folder))

import kit                                              # noqa: E402
from mail import MailTest, letter                       # noqa: E402, F401
from house import TOP                                   # noqa: E402
from whole import SLOW, free_port                       # noqa: E402

EXAMPLES = os.path.join(TOP, 'etc', 'examples')
USERS = ('joe', 'jim', 'ann')


class Example:
    """A backend in a folder of its own; start(), kill() and start() again
    keep what is there"""

    def __init__(self, name):
        self.name, self.proc = name, None
        if name.endswith('.mjs') and shutil.which('node') is None:
            raise unittest.SkipTest('node is not installed')
        self.top = tempfile.mkdtemp(prefix='example.')
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d/v1' % self.port
        self.storage = 'storage "main" url "%s"' % self.url
        where = '127.0.0.1:%d' % self.port
        self.args = {'readonly.py': [self.path('mail'), str(self.port)],
                     'maildir.py': [self.path('mail'), where],
                     'sqlite.py': [self.path('db'), where],
                     'tickets.py': [self.path('db'), where],
                     'memory.mjs': [str(self.port)]}[name]
        self.prepare()

    def prepare(self):
        if self.name == 'maildir.py':
            for user in USERS:
                for sub in ('cur', 'new', 'tmp'):
                    os.makedirs(self.path('mail', user, sub))
        elif self.name == 'readonly.py':
            os.makedirs(self.path('mail'))

    def path(self, *names):
        return os.path.join(self.top, *names)

    def command(self, *args):
        run = [sys.executable] if self.name.endswith('.py') else ['node']
        return run + [os.path.join(EXAMPLES, self.name), *args]

    def start(self, token=None):
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE='1')
        if token is not None:
            env['MFSTORE_TOKEN'] = token
        with open(self.path('log'), 'ab') as log:
            self.proc = subprocess.Popen(self.command(*self.args), stderr=log,
                                         stdout=log, env=env)
        end = time.monotonic() + 20 * SLOW
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.port)).close()
                return self
            except ConnectionRefusedError:
                pass
            assert self.proc.poll() is None, self.log()
            assert time.monotonic() < end, 'it does not begin'
            time.sleep(0.02)

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def log(self):
        """What it complains of; not what it tells of each request"""
        with open(self.path('log'), errors='replace') as f:
            return ''.join(line for line in f if ' HTTP/1.1" ' not in line)

    def end(self):
        if self.proc is not None:
            self.kill()
        shutil.rmtree(self.top, ignore_errors=True)

    def check(self, *args):
        return kit.check(self.url, '-a', 'joe', '-A', 'jim', *args)


def alone(test, name):
    """As begun(), where nothing that we compile takes part"""
    if 'SANITIZED' in os.environ:
        test.skipTest('nothing of it is C')
    return begun(test, name)


def begun(test, name):
    example = Example(name)
    test.addCleanup(example.end)
    return example.start()


class Api:
    """Joe's account, asked as mfrontd asks"""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, key=None):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        r = urllib.request.Request(self.url + path, method=method, data=body)
        if key is not None:
            r.add_header('Idempotency-Key', key)
        with urllib.request.urlopen(r, timeout=60) as answer:
            return answer.read()

    def refused(self, *args):
        """The code that tells why"""
        try:
            self.ask(*args)
        except urllib.error.HTTPError as e:
            with e:
                return json.loads(e.read())['code']

    def lines(self, *args):
        lines = [json.loads(x) for x in self.ask(*args).splitlines()]
        assert lines[-1] == {'end': True}, lines
        return lines[:-1]

    def boxes(self):
        return {b['name']: b for b in self.lines(
            'GET', '/accounts/joe/mailboxes')[1:]}

    def path(self, box):
        return '/accounts/joe/mailboxes/%s/messages' % self.boxes()[box]['id']

    def rows(self, box='INBOX', path=None):
        """uid -> row"""
        found = {}
        for row in self.lines('GET', path or self.path(box))[1:]:
            low, _, high = row.pop('uids', '').partition(':')
            for uid in range(int(low or row.get('uid')),
                             int(high or low or row.get('uid')) + 1):
                found[uid] = dict(row, uid=uid)
        return found

    def content(self, row):
        return self.ask('GET', '/accounts/joe/messages/' + row['id'])

    def append(self, text, box='INBOX', **more):
        to = dict(account='joe', mailbox=self.boxes()[box]['id'], **more)
        row = self.lines('POST', '/messages', json.dumps(
            {'to': [to]}).encode() + b'\n' + text)[1]
        return row['uid']

    def expunge(self, uids, only=None, box='INBOX'):
        return self.lines('POST', self.path(box).replace(
            '/messages', '/expunge'), {'uids': uids, 'only_if_flag': only})[1:]

    def flag(self, uids, box='INBOX', **how):
        return self.lines('PATCH', self.path(box), dict(how, uids=uids))[1:]


class HouseTest(MailTest):
    """A whole mfrontd before an example; .backend is that"""

    example = None
    users = USERS

    def begin(self, **over):
        self.backend = begun(self, self.example)
        return super().begin(storage=self.backend.storage, **over)

    def finish(self):
        super().finish()
        self.assertEqual('', self.backend.log())

    def curl(self, path, *more, protocol='imap', status=0):
        return self.run_ok(
            'curl', '-sS', '--max-time', '60', '--user', 'joe:pw', *more,
            '%s://localhost:%d/%s' % (protocol, self.port(protocol, 'plain'),
                                      path), status=status)


__all__ = ['Api', 'EXAMPLES', 'Example', 'HouseTest', 'SLOW', 'alone', 'begun',
           'letter', 'unittest']
