#!/usr/bin/env python3
"""What a client sends as data is never a command, wherever the command that
it belongs to was refused: literals behind lines too long, behind each other,
in the wrong state, of any size, however the bytes arrive."""

import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import common                                           # noqa: E402,F401
import atf                                              # noqa: E402
from whole import SLOW, WITHOUT, WholeTest              # noqa: E402

TEXT = b'Subject: x\r\n\r\nbody\r\n'
EVIL = b'\nzz CREATE evil\r\nzy NOOP\r\n'
LONG = b'x' * 5000
URLS = b' URL "/INBOX/;UID=1"' * 400
KEYS = b'(' + b'k ' * 3000 + b'k)'


def lit(text=EVIL, kind=b'%d+'):
    return b'{' + kind % len(text) + b'}\r\n' + text


class Skip(WholeTest):
    options = dict(conf='limits { bad commands 10000, line 4K, literals 8K, '
                   'message size 1M }\nfailure delay 0\n')

    def setUp(self):
        super().setUp()
        self.c = self.imap()
        self.c.append('INBOX', TEXT)

    def clean(self):
        """no mailbox came of it, no message"""
        self.c.ok('NOOP')
        self.assertEqual(['INBOX'], list(self.c.ok('LIST "" *').lists()))
        self.c.ok('SELECT INBOX')
        self.assertEqual(1, self.c.exists)

    def refused(self, c, data, types=('BAD',)):
        """One tagged answer to all of it; what follows is a command"""
        c.raw(b't ' + data + b'\r\nu NOOP\r\n')
        self.answer(c, types, data)

    def answer(self, c, types, data=None):
        r = c.finish('t')
        self.assertIn(r.type, types, (data and data[-200:], r))
        self.assertEqual([], [a for a in r.all('BAD') + r.all('NO')])
        self.assertEqual('OK', c.finish('u').type, data and data[-200:])

    def test_long(self):
        """behind a line that is too long"""
        a, s = self.imap(user=None), self.imap(select='INBOX')
        for c in (a, self.c, s):
            for line in (b'SEARCH SUBJECT "%s" TEXT ' % LONG,
                         b'STORE 1 FLAGS %s ' % KEYS,
                         b'XYZZY ' + LONG, b'LOGIN %s ' % LONG,
                         b'APPEND INBOX %s ' % KEYS,
                         b'APPEND INBOX CATENATE (%s TEXT ' % URLS[1:],
                         # the limit is in the announcement
                         b'NOOP ' + b'x' * (4096 - 9),
                         # and nothing but the last bytes is looked at
                         b'NOOP "' + b'{5+} {6}' * 1000 + b'" ~'):
                some = lit(EVIL * 2)
                for more in (b'', b' ' + lit(), b' ' + LONG + b' ' + lit() +
                             b' ' + lit(b'') + LONG + lit(EVIL * 800),
                             b')', b' {0+}\r\n', b' {0+}\r\n' + lit()):
                    self.refused(c, line + some + more)
                self.refused(c, line + lit(b'') + b' ' + lit())
                self.refused(c, line + lit(b'x' * 200000))
                # one that waits sends nothing
                self.refused(c, line + b'{200}')
                self.refused(c, line + lit() + b' {200}')
                # LF alone
                self.refused(c, line + lit().replace(b'\r\n', b'\n', 1))
                # nothing announced
                for tail in (b'{5+} ', b'{5}x', b'{+}', b'5+}', b'{x+}',
                             b'{', b'}', b'{5', b'{5+', b'"{5+}"',
                             b'1' * 99 + b'x}'):
                    self.refused(c, line + tail)
        self.clean()

    def test_size(self):
        """of a size that nobody has: the end"""
        for c in (lambda: self.imap(user=None), self.imap):
            for size in (b'99999999999999999999', b'9223372036854775807',
                         b'4294967296', b'0' * 99 + b'5',
                         b'0' * 4095 + b'5'):
                for line in (b't NOOP %s {%s+}\r\n' % (LONG, size),
                             b't NOOP {1+}\r\nx {%s+}\r\n' % size,
                             b't NOOP {1+}\r\nx %s{%s+}\r\n' % (LONG, size)):
                    if len(size) == 100 and b'x {' in line:
                        continue        # all of it is seen
                    s = c()
                    s.raw(line + EVIL)
                    r = s.ended()
                    self.assertEqual(['BAD', 'BYE'], [x.type for x in r][-2:])
                    self.assertEqual([], [x for x in r
                                          if x.tag in ('zz', 'zy')])
                    s.close()
        self.clean()

    def test_refused(self):
        """lines of a length that is well, and what they announce"""
        a, s = self.imap(user=None), self.imap(select='INBOX')
        big = lit(EVIL * 400)           # more than the literals' limit
        for c in (a, self.c, s):
            for data in (b'XYZZY ', b'NOOP ', b'ENABLE ', b'LOGIN "x ',
                         b'APPEND ', b'APPEND INBOX (\\Recent) ',
                         b'APPEND INBOX ~', b'REPLACE ', b'IDLE ',
                         b'APPEND INBOX UTF8 (~', b'LIST (', b'',
                         b'AUTHENTICATE PLAIN ', b'STARTTLS '):
                for more in (b'', b' ' + lit(), b' ' + LONG + lit() + big):
                    self.refused(c, data + lit() + more, ('BAD', 'NO'))
            for data in (b'SELECT ', b'CREATE ', b'LIST "" ',
                         b'SEARCH SUBJECT '):
                self.refused(c, data + big, ('BAD', 'NO'))
                self.refused(c, data + lit(b'x' * 300) + b' ' + LONG + lit(),
                             ('BAD', 'NO'))
        for data in (b'SELECT INBOX', b'APPEND INBOX ' + big, b'LIST "" *',
                     b'APPEND INBOX CATENATE (TEXT ' + big + b')'):
            self.refused(a, data)
        for data in (b'APPEND none ', b'APPEND INBOX ' + lit(b'x' * 1100000),
                     b'APPEND INBOX ' + lit(b''), b'REPLACE 9 none ',
                     b'UID REPLACE 7 INBOX ', b'APPEND none CATENATE (TEXT ',
                     b'APPEND INBOX ' + lit(b'a\0b')):
            for more in (b'', b' ' + lit(), b' ' + LONG + lit()):
                self.refused(s, data + big + more, ('NO', 'BAD'))
        s.ok('EXAMINE INBOX')
        self.refused(s, b'REPLACE 1 INBOX ' + big, ('NO', 'BAD'))
        self.refused(s, b'STORE 1 FLAGS ' + lit(), ('NO', 'BAD'))
        self.clean()

    def test_parts(self):
        """later messages and parts"""
        s = self.imap(select='INBOX')
        hi = lit(b'hi')
        for c in (self.c, s):
            for first in (b'APPEND INBOX ' + hi + b' ',
                          b'APPEND INBOX ' + lit(b'x' * 140000) + b' ',
                          b'APPEND INBOX ' + hi + b' () ' + hi + b' '):
                for line in (KEYS + b' ', LONG, b'(\\Recent) ', b'x ', b'"" ',
                             b'CATENATE (%s TEXT ' % URLS[1:],
                             b'CATENATE (TEXT %s%s TEXT ' % (hi, URLS),
                             b'CATENATE (TEXT %s URL %s TEXT ' % (hi, hi),
                             b'CATENATE (URL ' + lit(b'x' * 9000) + b' TEXT ',
                             b'CATENATE (URL "/none/;UID=1" TEXT '):
                    for more in (b'', b' ' + lit(), b' ' + LONG + lit()):
                        self.refused(c, first + line + lit() + more,
                                     ('BAD', 'NO'))
                    self.refused(c, first + line + b'{200}', ('BAD', 'NO'))
                self.refused(c, first + lit(b'x' * 1100000) + b' ' + lit(),
                             ('NO', 'BAD'))
                self.refused(c, first + lit(b''), ('NO', 'BAD'))
                self.refused(c, first + lit(b'') + b' ' + lit(),
                             ('NO', 'BAD'))
        self.clean()

    def test_continued(self):
        """a line that was to be AUTHENTICATE's answer, or DONE"""
        for user, command in ((None, b't AUTHENTICATE PLAIN\r\n'),
                              ('joe', b't IDLE\r\n')):
            c = self.imap(user=user)
            for line in (b's CREATE ', b's SEARCH SUBJECT "%s" TEXT ' %
                         (LONG * 20), b''):
                for more in (b'', b' ' + lit(), b' ' + LONG + lit(),
                             b' {200}'):
                    c.raw(command)
                    self.assertEqual('+', c.response().tag)
                    c.raw(line + lit() + more + b'\r\nu NOOP\r\n')
                    self.answer(c, ('BAD',), line + more)
                # all at once
                c.raw(command + line + lit() + b'\r\nu NOOP\r\n')
                self.assertEqual('+', c.response().tag)
                self.answer(c, ('BAD',), line)
                c.raw(command + line + b'{200}\r\nu NOOP\r\n')
                self.assertEqual('+', c.response().tag)
                self.answer(c, ('BAD',), line)
            c.raw(command + b's NOOP {9999999999999+}\r\n' + EVIL)
            self.assertEqual(['+', 't', None], [r.tag for r in c.ended()])
        self.clean()

    def test_split(self):
        """in pieces, whatever they are"""
        c = self.imap(select='INBOX')
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in (b'NOOP ' + LONG, b'APPEND INBOX ' + KEYS + b' ',
                     b'NOOP ' + b'x' * (4096 - 8), b'NOOP ',
                     b'APPEND INBOX {2+}\r\nhi ' + KEYS + b' ',
                     b'APPEND INBOX {2+}\r\nhi (\\Recent) '):
            data = line + lit() + b' ' + lit() + b')'
            for at in range(len(line) - 1, len(line) + 9):
                c.raw(b't ' + data[:at])
                time.sleep(0.002)
                c.raw(data[at:at + 1])
                time.sleep(0.002)
                c.raw(data[at + 1:] + b'\r\nu NOOP\r\n')
                self.answer(c, ('BAD', 'NO'), data)
        for b in b't NOOP ' + b'y' * 4300 + lit() + b'\r\nu NOOP\r\n':
            c.raw(bytes([b]))
        self.answer(c, ('BAD',))
        self.clean()

    def test_failed(self):
        """the command fails in the middle of a line, read so far"""
        if 'batch' in WITHOUT:
            self.skipTest('no APPEND goes on behind its first literal')
        size = b'{%d+}\r' % len(EVIL)
        sessions = []
        for line, heads in ((b' ', (b' {', b' ' + size[:2], b' ' + size[:4],
                                    b' ' + size[:5], b' ' + size)),
                            (b' (a b) ', (b' (', b' (a b) ' + size[:3])),
                            (b' CATENATE (TEXT {1+}\r\nx TEXT ', (
                                b' CATENATE (TEXT {1+}\r\nx TEXT {',))):
            sessions += [(self.imap(), head, line + lit())
                         for head in heads]
        for c, _, _ in sessions:
            c.ok('STATUS INBOX (UIDNEXT)')
        store = self.house.pid('store')
        os.kill(store, signal.SIGSTOP)
        for c, head, line in sessions:
            self.assertTrue(line.startswith(head), (line, head))
            c.raw(b't APPEND INBOX {2+}\r\nhi' + head)
        # most often all was read until then; it must be well anyway
        time.sleep(0.2 * SLOW)
        self.house.kill('engine')
        for c, _, _ in sessions:
            self.assertEqual('NO', c.finish('t').type)
        os.kill(store, signal.SIGCONT)
        for c, head, line in sessions:
            c.raw(line[len(head):] + b'\r\nu NOOP\r\n')
            self.assertEqual('OK', c.finish('u').type, head)
        end = time.monotonic() + 15 * SLOW
        while self.c.cmd('STATUS INBOX (UIDNEXT)').type != 'OK':
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.clean()

    def test_told(self):
        """much is to be told before the refusal: what still comes waits, for
        no command that is over"""
        if 'batch' in WITHOUT:
            self.skipTest('no APPEND goes on behind its first literal')
        c, s = self.c, self.imap(select='INBOX')
        c.ok('SELECT INBOX')
        for _ in range(10):
            c.ok('COPY 1:* INBOX')
        s.ok('NOOP')
        keys = ' '.join('key%d-%s' % (n, 'x' * 20) for n in range(10))
        first = b'APPEND INBOX ' + lit(b'hi') + b' '
        for n, data in enumerate((
                first + lit(b'a\0b' + EVIL), first + KEYS + b' ',
                b'APPEND INBOX CATENATE (TEXT {2+}\r\nhi' + URLS + b' TEXT ',
                first + lit(b'a\0b' + b'x' * 200000))):
            c.ok('STORE 1:* %sFLAGS.SILENT (%s)' % ('+-'[n & 1], keys))
            s.raw(b't ' + data + lit())
            # now and then the rest comes later
            if n & 1:
                time.sleep(0.05)
            s.raw(b' ' + LONG + lit() + b'\r\nu NOOP\r\n')
            r = s.finish('t')
            self.assertIn(r.type, ('NO', 'BAD'))
            self.assertEqual(1024, len(r.fetched()))
            self.assertEqual('OK', s.finish('u').type)
        s.ok('NOOP')
        self.assertEqual(['INBOX'], list(c.ok('LIST "" *').lists()))
        self.assertEqual(1024, s.exists)


if __name__ == '__main__':
    atf.main()
