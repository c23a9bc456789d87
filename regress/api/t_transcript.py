#!/usr/bin/env python3
"""The transcripts of mfront-storage(7), played against a real mstored in
the order of the page: every byte of every answer is as the page shows it.

When an answer has changed for good, the page has to follow: what a failure
prints is what to write there."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'mstored'))

import page                                             # noqa: E402
from store import Server, atf                           # noqa: E402

# "demo"
HASH = '$2b$04$mfrontdmfrontdmfrontducuV3ZqIgW.wVSD/ButpjMqJxih6sO/a\n'
TOKEN = 's3cret'
SESSION = 'Mfront-Session: 1-2-3'
TRACE = 'Traceparent: 00-%032x-%016x-01' % (1, 2)


class Store(Server):
    """As the page says: two accounts, their quota, an alias, a token"""

    def __init__(self):
        super().__init__(open_accounts=False)
        for name in 'joe@example.org', 'ann@example.org':
            self.admin('user', 'add', name, stdin=HASH)
            self.admin('user', 'scram', name, stdin='demo\n')
        self.admin('alias', 'add', 'sales@example.org', 'joe@example.org')
        token = os.path.join(self.top, 'token')
        with open(token, 'w') as f:
            f.write(TOKEN + '\n')
        self.args += ['-t', token, '-o', 'quota=1G']
        for name in page.reserved():
            self.args += ['-D', name]


def head_of(request, known, length):
    """The request's head as it is sent"""
    lines = [request.start.say(known)]
    if not request.complete():
        lines += ['Host: 127.0.0.1:8025', 'Authorization: Bearer ' + TOKEN,
                  SESSION, TRACE]
    for line in request.fields:
        if page.name_of(line) == 'content-length' and length is not None:
            lines.append('Content-Length: %d' % length)
        else:
            lines.append(line.say(known))
    return ('\r\n'.join(lines) + '\r\n\r\n').encode()


def send(client, request, known):
    """Chunks are as the page has them, but as long as they are now"""
    body = request.content(known)
    if request.head_only():
        client.send(head_of(request, known, None))
    elif request.chunked():
        sizes = page.unchunk(request.raw({}) + b'\r\n')[1]
        grown = len(body) - sum(sizes)
        data, at = b'', 0
        for i, size in enumerate(sizes):
            size += grown if i == 0 else 0
            data += b'%x\r\n%s\r\n' % (size, body[at:at + size])
            at += size
        client.send(head_of(request, known, None) + data)
    else:
        client.send(head_of(request, known, len(body) if request.body
                            else None) + body)


class Got:
    """An answer as it came"""

    def __init__(self, client, lines):
        self.interim, self.head = None, self.read_head(client)
        if self.head[0].startswith('HTTP/1.1 1'):
            self.interim, self.head = self.head, self.read_head(client)
        self.fields = dict((name.lower(), value) for name, value in (
            line.split(': ', 1) for line in self.head[1:]))
        self.status = int(self.head[0].split(' ')[1])
        self.body = self.read_body(client, lines)

    @staticmethod
    def read_head(client):
        head = []
        while True:
            line = client.line()
            assert line.endswith(b'\r\n'), line
            if line == b'\r\n':
                return head
            head.append(line[:-2].decode())

    def read_body(self, client, lines):
        if self.status == 204:
            return b''
        if self.fields.get('transfer-encoding') != 'chunked':
            return client.exactly(int(self.fields['content-length']))
        body = b''
        for piece in client.pieces():
            body += piece
            if body.count(b'\n') >= lines:
                break
        return b''.join(body.splitlines(True)[:lines])

    def __str__(self):
        return '\n'.join(self.head) + '\n\n' + self.body.decode()


def play(store, transcript, known):
    """One request; what came, and how the page differs from it: or None"""
    client = store.client(timeout=20)
    try:
        send(client, transcript.request, known)
        got = Got(client, len(transcript.answer.body))
    finally:
        client.close()
    return got, compare(transcript.answer, got, known)


def same_head(shown, came, known):
    names = [page.name_of(line) for line in shown.fields]
    came = [line for line in came
            if 'date' in names or not line.startswith('Date: ')]
    if len(came) != len(shown.fields) + 1:
        return 'not these fields'
    for line, text in zip([shown.start] + shown.fields, came):
        if text.startswith('Content-Length: '):
            text = line.text if page.name_of(line) == 'content-length' else ''
        if not line.match(text, known):
            return 'not %r but %r' % (line.say(known), text)
    return None


def compare(shown, got, known):
    if (shown.interim is None) != (got.interim is None):
        return 'no %s' % (shown.interim or got.interim)
    if shown.interim and shown.interim[0].text != got.interim[0]:
        return 'not that before the answer'
    bad = same_head(shown, got.head, known)
    if bad:
        return bad
    lines = got.body.decode().split('\n')
    if lines[-1] == '':
        lines.pop()
    if len(lines) != len(shown.body):
        return 'not so many lines'
    for line, text in zip(shown.body, lines):
        text = text.removesuffix('\r')
        if not line.match(text, known):
            return 'not %r but %r' % (line.say(known), text)
    if shown.body and not shown.chunked():
        ends = got.body.endswith(b'\n')
        if ends == shown.ends_early():
            return 'the last line ends otherwise'
    return None


class Story(unittest.TestCase):
    @atf.timeout(240)
    def test_story(self):
        """All of them, one after the other, in a new store"""
        store = Store().start()
        self.addCleanup(store.remove)
        known = {}
        for t in page.transcripts():
            got, bad = play(store, t, known)
            self.assertIsNone(bad, '%s: %s; the answer was\n%s' %
                              (t, bad, got))
        store.stop()
        store.check()
        # nothing that was two things on the page was one and the same
        self.assertEqual(len(set(known.values())), len(known), known)


class Shown(unittest.TestCase):
    def test_lengths(self):
        """The page's lengths and chunks are those of what it shows"""
        for t in page.transcripts():
            for m in t.request, t.answer:
                with self.subTest(t.name):
                    if m.body and not m.chunked():
                        m.ends_early()
                    elif m is t.request:
                        m.content({})

    def test_names(self):
        """No transcript has the name of another"""
        names = [t.name for t in page.transcripts()]
        self.assertEqual(len(set(names)), len(names))


if __name__ == '__main__':
    atf.main()
