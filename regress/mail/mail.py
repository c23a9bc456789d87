"""Real programs against a whole house: what they have in common.

Every program speaks to the same three kinds of listeners: plain, STARTTLS
(the same port, asked for) and TLS from the first byte.
"""

import base64
import glob
import os
import re
import shutil
import smtplib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import tls                                              # noqa: E402
from house import TOP                                   # noqa: E402
from whole import (PASSWORD, SLOW, WholeTest,           # noqa: E402, F401
                   free_port)

WAYS = ('plain', 'starttls', 'tls')
CORPUS = os.path.join(TOP, 'regress', 'unit', 'mail')
TRACE = re.compile(rb'\AReturn-Path: <[^\r\n]*>\r\n'
                   rb'Received: .*\r\n(?:\t.*\r\n)*')


def crlf(text):
    """As it comes out of LMTP: every line end is CRLF, and there is one"""
    text = re.sub(rb'\r\n|\r|\n', b'\r\n', text)
    return text if not text or text.endswith(b'\r\n') else text + b'\r\n'


def odd_mails():
    """name -> bytes, of the corpus; what LMTP takes (no NUL)"""
    found = {}
    for path in sorted(glob.glob(os.path.join(CORPUS, '*.eml'))):
        with open(path, 'rb') as f:
            text = f.read()
        if b'\0' not in text:
            found[os.path.basename(path)[:-4]] = text
    return found


def untraced(text):
    """Without what delivery puts in front"""
    m = TRACE.match(text)
    assert m, 'no trace before %r' % text[:300]
    return text[m.end():]


def letter(subject, body='hello\r\n', **fields):
    head = dict({'From': 'Ann <ann@example.org>', 'To': 'joe@localhost',
                 'Subject': subject,
                 'Date': 'Mon, 02 Feb 2026 10:20:30 +0100',
                 'Message-ID': '<%s@example.org>' % re.sub(r'\W', '-',
                                                           subject)},
                **fields)
    return (''.join('%s: %s\r\n' % i for i in head.items()) + '\r\n' +
            body).encode()


class MailTest(WholeTest):
    """A house with every listener, and programs that talk to it"""

    users = ('joe', 'jim', 'ann')
    programs = ()                       # without which all is skipped

    def setUp(self):
        for p in self.programs:
            if shutil.which(p) is None:
                self.skipTest('%s is not installed' % p)
        super().setUp()

    def begin(self, conf='', **over):
        self.lmtp_ports = {'starttls': free_port(), 'tls': free_port()}
        lines = ['listen lmtp on 127.0.0.1 port %d %s' % (port, way)
                 for way, port in self.lmtp_ports.items()]
        lines.append('failure delay 0s')
        args = dict(listen=('imap', 'imaps', 'pop3', 'pop3s', 'lmtp'),
                    users=self.users)
        args.update(self.options)
        args.update(over)
        super().begin(conf=conf + '\n' + '\n'.join(lines), **args)
        self.lmtp_ports['plain'] = self.house.ports['lmtp']
        self.home = self.house.path('home')
        os.mkdir(self.home, 0o700)
        self.env = dict(os.environ, HOME=self.home, LC_ALL='C.UTF-8',
                        SSL_CERT_FILE=self.ca, USER='nobody')
        return self.house

    @property
    def ca(self):
        return tls.files()[0]

    def port(self, protocol, way):
        """A port to speak a protocol on, in a way"""
        if protocol == 'lmtp':
            return self.lmtp_ports[way]
        return self.house.ports[protocol + ('s' if way == 'tls' else '')]

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def run_ok(self, *argv, status=0, timeout=60, **more):
        """Runs a program to its end; returns what it printed, as bytes"""
        p = subprocess.run(argv, env=self.env, cwd=self.home,
                           stdin=more.pop('stdin', subprocess.DEVNULL),
                           stdout=subprocess.PIPE,
                           stderr=more.pop('stderr', subprocess.PIPE),
                           timeout=timeout * SLOW, **more)
        said = (p.stdout or b'') + (p.stderr or b'')
        self.assertEqual(status, p.returncode,
                         '%s: %s' % (' '.join(argv),
                                     said.decode('utf-8', 'replace')))
        return p.stdout or b''

    def deliver(self, text, *to, sender='ann@example.org'):
        """By hand, for what is to be read"""
        c = smtplib.LMTP('127.0.0.1', self.port('lmtp', 'plain'),
                         timeout=30 * SLOW)
        c.ehlo('test')
        self.assertEqual(250, c.docmd('MAIL', 'FROM:<%s> BODY=8BITMIME' %
                                      sender)[0])
        to = [t if '@' in t else t + '@localhost' for t in to or ['joe']]
        for t in to:
            self.assertEqual(250, c.docmd('RCPT', 'TO:<%s>' % t)[0])
        self.assertEqual(354, c.docmd('DATA')[0])
        text = re.sub(rb'(?m)^\.', b'..', text)
        if not text.endswith(b'\r\n'):
            text += b'\r\n'
        c.sock.sendall(text + b'.\r\n')
        for t in to:
            code, reply = c.getreply()
            self.assertEqual(250, code, reply)
        c.close()

    def contents(self, user='joe', mailbox='INBOX'):
        """uid -> bytes, as a client of our own finds them"""
        c = self.house.imap(None)
        login = ('\0%s\0%s' % (user, PASSWORD)).encode()
        c.ok('AUTHENTICATE PLAIN ' + base64.b64encode(login).decode())
        c.ok('SELECT "%s"' % mailbox)
        found = {}
        if c.exists:
            for _, items in c.ok('UID FETCH 1:* BODY.PEEK[]').fetched():
                found[items['UID']] = items['BODY[]']
        c.close()
        return found

    def bodies(self, user='joe', mailbox='INBOX'):
        """What was delivered, in order, without its trace"""
        return [untraced(t) for _, t in
                sorted(self.contents(user, mailbox).items())]


def on_all_ways(method):
    """The test case three times: NAME_plain, NAME_starttls, NAME_tls"""
    method.all_ways = True
    return method


def each_way(cls):
    """Class decorator that makes them"""
    for name, method in list(vars(cls).items()):
        if not getattr(method, 'all_ways', False):
            continue
        delattr(cls, name)
        for way in WAYS:
            def one(self, _method=method, _way=way):
                _method(self, _way)
            one.__doc__ = '%s (%s)' % ((method.__doc__ or name).strip(), way)
            one.__name__ = name + '_' + way
            if hasattr(method, 'timeout'):
                one.timeout = method.timeout
            setattr(cls, one.__name__, one)
    return cls


__all__ = ['MailTest', 'PASSWORD', 'SLOW', 'WAYS', 'crlf', 'each_way',
           'free_port', 'letter', 'odd_mails', 'on_all_ways', 'tls',
           'unittest', 'untraced']
