"""The house as a whole: what its tests have in common."""

import json
import os
import re
import resource
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
import tls                                              # noqa: E402
from house import TOP, program, sanitized               # noqa: E402
from imapclient import Syntax                           # noqa: E402
from whole import (HASH, PASSWORD, SLOW, Whole, WholeTest,  # noqa: E402
                   alive, free_port, have_users, private_dirty)

ALL = ('imap', 'imaps', 'pop3', 'pop3s', 'lmtp')
TRACE = re.compile(rb'\AReturn-Path: <[^\r\n]*>\r\n'
                   rb'Received: .*\r\n(?:\t.*\r\n)*')
# what a client sees of a server that goes away: no Syntax, though
GONE = (OSError, EOFError)


def letter(subject, size=0):
    line = b'x' * 76 + b'\r\n'
    return (b'From: <a@example.org>\r\nSubject: %s\r\n\r\nhello\r\n' %
            subject.encode() + line * (size // len(line)))


def subject(text):
    return re.search(rb'^Subject: (\S+)', text, re.M).group(1).decode()


def untraced(text):
    m = TRACE.match(text)
    assert m, 'no trace before %r' % text[:300]
    return text[m.end():]


def room_for(n):
    """As many descriptors of our own as may be, if not so many"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (n if hard == resource.RLIM_INFINITY or hard >= n
                            else hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def soon(get, timeout=20, what=None):
    """Waits for something to become true, and returns it"""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = get()
        if value:
            return value
        assert time.monotonic() < end, what or 'it does not become so'
        time.sleep(0.02)


class Lmtp:
    """A client that says what it was told"""

    def __init__(self, house):
        self.c = house.client('lmtp')
        self.sock = self.c.sock
        self.reply()
        self.said = self.cmd('LHLO test')

    def close(self):
        self.c.close()

    def reply(self):
        """(code, text) of one, of several lines perhaps"""
        lines = []
        while True:
            line = self.c.line(30 * SLOW)
            lines.append(line[4:])
            if line[3:4] != '-':
                return int(line[:3]), '\n'.join(lines)

    def cmd(self, line):
        self.c.send(line)
        return self.reply()

    def open(self, *to):
        """A transaction up to DATA; codes of the recipients"""
        assert self.cmd('MAIL FROM:<a@example.org>')[0] == 250
        return [self.cmd('RCPT TO:<%s>' % t)[0] for t in to]

    def data(self, text, n=1):
        """What was answered for the recipients"""
        reply = self.cmd('DATA')
        if reply[0] != 354:
            return [reply]
        self.c.raw(re.sub(rb'(?m)^\.', b'..', text) + b'.\r\n')
        return [self.reply() for _ in range(n)]

    def send(self, text, *to):
        """code of each recipient"""
        to = to or ('joe@localhost',)
        codes = self.open(*to)
        n = codes.count(250)
        if n == 0:
            self.cmd('RSET')
            return codes
        after = [code for code, _ in self.data(text, n)]
        if len(after) < n:              # DATA itself was refused
            self.cmd('RSET')
            after *= n
        return [after.pop(0) if c == 250 else c for c in codes]


class Pop3:
    def __init__(self, house, user='joe', protocol='pop3'):
        self.c = house.client(protocol)
        self.sock = self.c.sock
        self.ok()
        if user is not None:
            self.cmd('USER ' + user)
            self.cmd('PASS ' + PASSWORD)

    def close(self):
        self.c.close()

    def ok(self):
        line = self.c.line(30 * SLOW)
        assert line.startswith('+OK'), line
        return line[4:]

    def cmd(self, line):
        self.c.send(line)
        return self.ok()

    def count(self):
        return int(self.cmd('STAT').split()[0])

    def retr(self, n):
        self.cmd('RETR %d' % n)
        return '\r\n'.join(self.c.block() + ['']).encode(
            'utf-8', 'surrogateescape')


class SystemTest(WholeTest):
    """A house with every listener"""

    options = dict(listen=ALL, users=('joe', 'jim', 'ann'),
                   conf='failure delay 0s')

    def keep(self, c):
        self.clients.append(c)
        return c

    def lmtp(self):
        return self.keep(Lmtp(self.house))

    def pop3(self, user='joe', protocol='pop3'):
        return self.keep(Pop3(self.house, user, protocol))

    def deliver(self, text, *to):
        c = Lmtp(self.house)
        try:
            self.assertEqual([250] * (len(to) or 1), c.send(text, *to))
        finally:
            c.close()

    def contents(self, user='joe', mailbox='INBOX'):
        """uid -> bytes"""
        c = self.house.imap(user, select=mailbox)
        found = {}
        if c.exists:
            for _, items in c.ok('UID FETCH 1:* BODY.PEEK[]').fetched():
                found[items['UID']] = items['BODY[]']
        c.close()
        return found

    def in_time(self, get, timeout=20):
        """What may fail while something is being started again"""
        end = time.monotonic() + timeout * SLOW
        while True:
            try:
                return get()
            except Syntax:
                raise
            except (AssertionError, *GONE):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def sessions(self):
        """name -> row, of mfrontctl -j show sessions"""
        status, text = self.house.ctl('-j', 'show', 'sessions')
        self.assertEqual(0, status, text)
        rows = json.loads(text)
        found = {r['session']: r for r in rows}
        self.assertEqual(len(rows), len(found))
        return found

    def stats(self, role):
        """name -> number, over all processes of a role"""
        status, text = self.house.ctl('-j', 'show', 'stats')
        self.assertEqual(0, status, text)
        total = {}
        for process, counters in json.loads(text).items():
            if process.split('/')[0] == role:
                for name, value in counters.items():
                    total[name] = total.get(name, 0) + value
        return total

    def reload(self, conf=None):
        if conf is not None:
            self.house.more = conf
        self.house.write_conf()
        status, text = self.house.reload()
        self.assertEqual(0, status, text)
        return text


__all__ = ['ALL', 'GONE', 'HASH', 'Lmtp', 'PASSWORD', 'Pop3', 'SLOW',
           'SystemTest', 'TOP', 'Whole', 'alive', 'atf', 'free_port',
           'have_users', 'letter',
           'private_dirty', 'program', 'room_for', 'sanitized', 'soon',
           'subject', 'tls', 'unittest', 'untraced']
