#!/usr/bin/env python3
"""Nobody holds a big message whole: in by LMTP, out by IMAP and POP3."""

import hashlib
import os
import time

from system import SLOW, SystemTest, atf, sanitized

MB = 1 << 20
MOST = 4 * 1024                         # KiB that a process may grow by
LINE = b'.' + b'x' * 76 + b'\r\n'       # stuffed: the dot goes twice


def pieces(name, size):
    """A message, piece by piece; its lines begin with dots"""
    yield b'From: <a@example.org>\r\nSubject: %s\r\n\r\n' % name.encode()
    block = LINE * 1000
    for _ in range(size // len(block)):
        yield block
    yield LINE * (size % len(block) // len(LINE))


def digest(name, size):
    h = hashlib.sha256()
    for p in pieces(name, size):
        h.update(p)
    return h.hexdigest()


class Memory(SystemTest):
    options = dict(SystemTest.options, verbose=False,
                   conf='failure delay 0s\nlimits { message size 100M }')

    def looked(self):
        return {} if sanitized() or os.getuid() else self.house.memory()

    def settled(self, before):
        """What each has more than before; what is freed by and by may
        take a moment"""
        end = time.monotonic() + 10
        while True:
            after = self.looked()
            grown = {r: after[r] - before[r] for r in after}
            if not grown or max(grown.values()) < MOST or \
                    time.monotonic() > end:
                return grown
            time.sleep(0.2)

    def lmtp_in(self, name, size):
        c = self.lmtp()
        self.assertEqual([250], c.open('joe@localhost'))
        self.assertEqual(354, c.cmd('DATA')[0])
        for p in pieces(name, size):
            c.sock.sendall(p.replace(b'\r\n.', b'\r\n..').replace(
                b'.', b'..', 1) if p[:1] == b'.' else p)
        c.c.raw(b'.\r\n')
        self.assertEqual(250, c.reply()[0])
        c.close()

    def body(self, c, n):
        """The digest of so many bytes that come, without the trace"""
        h, head = hashlib.sha256(), b''
        while n > 0:
            data = c.buf or c.sock.recv(262144)
            self.assertTrue(data)
            data, c.buf = data[:n], data[n:]
            n -= len(data)
            if head is not None:
                head += data
                at = head.find(b'From: ')
                if at == -1:
                    continue
                data, head = head[at:], None
            h.update(data)
        return h.hexdigest()

    def imap_out(self, seq, parts=False):
        c = self.imap(select='INBOX', protocol='imaps' if parts else 'imap')
        size = c.ok('FETCH %d RFC822.SIZE' % seq).fetched()[0][1][
            'RFC822.SIZE']
        c.sock.sendall(b'x FETCH %d BODY.PEEK[]\r\n' % seq)
        line = self.line(c)
        self.assertEqual('* %d FETCH (BODY[] {%d}' % (seq, size), line)
        d = self.body(c, size)
        self.assertEqual(')', self.line(c))
        self.assertTrue(self.line(c).startswith('x OK'))
        c.close()
        return d

    def line(self, c):
        while b'\r\n' not in c.buf:
            c.buf += c.sock.recv(65536)
        line, _, c.buf = c.buf.partition(b'\r\n')
        return line.decode()

    def pop3_out(self, n, protocol='pop3'):
        c = self.pop3(protocol=protocol)
        c.cmd('RETR %d' % n)
        h, old, head = hashlib.sha256(), b'\r\n', True
        c, data = c.c, b''
        while not (old + data).endswith(b'\r\n.\r\n'):
            data += c.buf or c.sock.recv(262144)
            c.buf = b''
            if head:
                at = data.find(b'From: ')
                if at == -1:
                    continue
                data, head = data[at:], False
            if len(data) > 10:
                # a whole number of lines, the end kept back
                cut = data.rfind(b'\r\n', 0, -5) + 2
                if cut > 1:
                    h.update(self.unstuffed(data[:cut]))
                    old, data = b'\r\n', data[cut:]
        h.update(self.unstuffed(data[:-3]))
        c.close()
        return h.hexdigest()

    def unstuffed(self, lines):
        if lines[:1] == b'.':
            lines = lines[1:]
        return lines.replace(b'\r\n.', b'\r\n')

    def all_ways(self, name, size, n):
        want = digest(name, size)
        self.lmtp_in(name, size)
        self.assertEqual(want, self.imap_out(n))
        self.assertEqual(want, self.imap_out(n, True))
        self.assertEqual(want, self.pop3_out(n))
        self.assertEqual(want, self.pop3_out(n, 'pop3s'))

    def verdict(self, grown):
        if not grown:
            self.skipTest('all came and went; but memory is not ours to '
                          'look at')
        self.assertLess(max(grown.values()), MOST, grown)

    @atf.timeout(300)
    def test_big(self):
        """50 MB; no process has 4 MB more than after 1 MB"""
        self.all_ways('small', MB, 1)
        before = self.looked()
        self.all_ways('big', 50 * MB, 2)
        self.verdict(self.settled(before))

    @atf.timeout(300)
    def test_slow_reader(self):
        """nor while clients do not read what they asked for"""
        self.all_ways('small', MB, 1)
        self.lmtp_in('big', 50 * MB)
        before = self.looked()
        held = []
        for _ in range(4):
            c = self.imap(select='INBOX')
            c.sock.sendall(b'x FETCH 2 BODY.PEEK[]\r\n')
            held.append(c)
            p = self.pop3()
            p.c.send('RETR 2')
            held.append(p)
        for c in held:
            c.sock.recv(1)
        # others are served meanwhile
        self.assertEqual(digest('big', 50 * MB), self.imap_out(2))
        # eight sessions share a process; each may have a piece
        self.verdict(self.settled(before))

    @atf.timeout(300)
    def test_slow_sender(self):
        """nor while senders stop in the middle"""
        self.all_ways('small', MB, 1)
        before = self.looked()
        for k in range(4):
            c = self.lmtp()
            self.assertEqual([250], c.open('joe@localhost'))
            self.assertEqual(354, c.cmd('DATA')[0])
            c.c.raw(b'Subject: x\r\n\r\n' + LINE * (10 * MB // len(LINE)))
            i = self.imap()
            i.sock.sendall(b'x APPEND INBOX {%d}\r\n' % (50 * MB))
            self.assertEqual(b'+', i.sock.recv(200)[:1])
            i.sock.sendall(LINE * (10 * MB // len(LINE)))
        self.verdict(self.settled(before))


if __name__ == '__main__':
    atf.main()
