#!/usr/bin/env python3
"""Bad input: what no client should send, and clients that do not do their
part.  Always: a clear answer or the end of that one session, the limits
kept, other sessions unharmed."""

import os
import random
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import common                                           # noqa: E402,F401
import atf                                              # noqa: E402
from imapclient import Bye, parse                       # noqa: E402
from whole import SLOW, WholeTest, sanitized            # noqa: E402

TEXT = b'Subject: x\r\n\r\nbody\r\n'


class Input(WholeTest):
    options = dict(conf='limits { bad commands 10000, line 4K, '
                   'literals 8K }\nfailure delay 0\n')

    def setUp(self):
        super().setUp()
        self.other = self.imap()
        self.other.append('INBOX', TEXT)
        self.other.ok('SELECT INBOX')

    def finish(self):
        # whatever happened to the others
        self.other.ok('FETCH 1 BODY[]')
        super().finish()

    def sessions(self):
        """before the login, after it, and with a mailbox open"""
        return (self.imap(user=None), self.imap(), self.imap(select='INBOX'))

    def test_long_lines(self):
        """over the limit: BAD with the tag, and the next one is taken"""
        for c in self.sessions():
            for size in (4097, 5000, 70000, 300000):
                c.raw(b't NOOP ' + b'x' * size + b'\r\n')
                r = c.finish('t')
                self.assertEqual('BAD', r.type)
                c.ok('NOOP')
                c.raw(b'y' * size + b'\r\n')
                r = c.response()
                self.assertIn((r.tag, r.type), ((None, 'BAD'),), r)
                c.ok('NOOP')
            # as long as it may be
            c.raw(b't ' + b'n' * 4000 + b'\r\n')
            self.assertEqual('BAD', c.finish('t').type)
            c.ok('NOOP')

    def test_long_literals(self):
        """over the limit: no continuation; one on its way is thrown away"""
        for c in self.sessions():
            for size in (8193, 100000, 4294967296):
                c.raw(b't LOGIN {%d}\r\n' % size)
                r = c.finish('t')
                self.assertEqual('BAD', r.type, r)
                c.raw(b't LIST "" {%d}\r\n' % size)
                self.assertEqual('BAD', c.finish('t').type)
                c.ok('NOOP')
            evil = b'u LOGOUT\r\n' * 2000
            c.raw(b't LIST "" {%d+}\r\n' % len(evil) + evil +
                  b' {3+}\r\nabc x\r\nv NOOP\r\n')
            self.assertEqual('BAD', c.finish('t').type)
            r = c.finish('v')
            self.assertEqual('OK', r.type)
            # many small ones together
            c.raw(b't LIST ' + b'{1+}\r\na ' * 3000 + b'\r\nv NOOP\r\n')
            self.assertEqual('BAD', c.finish('t').type)
            while True:
                r = c.response()
                if r.tag == 'v':
                    break
                self.assertEqual('BAD', r.type, r)
            # of a length that nobody has
            c.raw(b't LIST "" {99999999999999999999}\r\n')
            c.ended()
            self.assertEqual('BYE', c.bye.type)

    def test_small_literals(self):
        """the limit is of all of a command's together"""
        c = self.imap(select='INBOX')
        one = ' SUBJECT {900+}\r\n' + 's' * 900
        self.assertNotEqual('BAD', c.cmd('SEARCH' + one * 8).type)
        c.bad('SEARCH' + one * 9)
        while True:
            tag = c.begin('NOOP')
            r = c.response()
            if r.tag == tag:
                break
            self.assertEqual('BAD', r.type)
            c.finish(tag)

    def test_characters(self):
        """NUL, bare CR, 8-bit, wrong tags"""
        for c in self.sessions():
            for line in (b'\0', b't NO\0OP', b't\0 NOOP', b't NOOP\0',
                         b't NOOP\rt2 NOOP', b't \rNOOP', b't NOOP\r',
                         b't NOOP \xff', b't\xe4 NOOP', b'\xff\xfe',
                         b'* NOOP', b'+ NOOP', b't+ NOOP', b't', b' NOOP',
                         b't  NOOP', b't NOOP ', b'NOOP', b'"t" NOOP',
                         b'{3}', b't {3', b't{3} NOOP', b'(', b't (',
                         b't LOGIN "a\0b" c', b't LOGIN "a', b't LOGIN a"b c',
                         b't' * 65 + b' NOOP', b't LIST "" "\xff"',
                         b't NOOP {x}', b't NOOP {-1}', b't NOOP {1 }',
                         b't NOOP {+}', b't NOOP {}', b't NOOP ~{}'):
                c.raw(line + b'\r\n')
                r = c.response()
                self.assertEqual('BAD', r.type, line)
                self.assertIn(r.tag, (None, 't', 'NOOP'), line)
                c.ok('NOOP')
            # a line may end with LF alone; empty ones are nothing
            c.raw(b'\r\n\n\r\nt NOOP\n')
            self.assertEqual('OK', c.finish('t').type)
            # the answer repeats nothing but the tag
            c.raw(b't \xc3\xa4\x07<script>\r\n')
            self.assertNotIn(b'script', c.finish('t').tagged.raw)

    def test_nul_in_literals(self):
        """refused there, too"""
        for c in self.sessions()[1:]:
            for text in (b't LIST "" {3+}\r\na\0b', b't CREATE {1+}\r\n\0',
                         b't STATUS {2+}\r\n\0\0 (MESSAGES)',
                         b't SEARCH SUBJECT {1+}\r\n\0'):
                c.raw(text + b'\r\n')
                self.assertEqual('BAD', c.finish('t').type)
                c.ok('NOOP')

    def test_bytes(self):
        """commands that come byte by byte"""
        c = self.imap(user=None)
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for b in (b'a LOGIN {3+}\r\njoe pw\r\nb SELECT INBOX\r\n'
                  b'c FETCH 1 BODY.PEEK[]\r\nd LIST "" {1+}\r\n*\r\n'
                  b'e IDLE\r\nDONE\r\nf NOOP\r\n'):
            c.raw(bytes([b]))
        for tag in 'abcd':
            self.assertEqual('OK', c.finish(tag).type)
        self.assertEqual('+', c.response().tag)
        for tag in 'ef':
            self.assertEqual('OK', c.finish(tag).type)

    def test_junk(self):
        """random lines made of what commands are made of"""
        rnd = random.Random(11)
        words = ('UID FETCH STORE SEARCH COPY MOVE APPEND LIST LSUB STATUS '
                 'CREATE x INBOX (FLAGS) FLAGS +FLAGS.SILENT BODY[] BODY[1.2] '
                 'BODY.PEEK[HEADER.FIELDS (A)] 1:* * 1 0 4294967295 {3+} '
                 '{0+} "" "x" "\\" ( ) [ ] <0.1> NOT OR ALL TEXT CHARSET '
                 'UTF-8 \\Seen \\Recent % NIL ~ = & &AOQ- &A ENABLE CONDSTORE '
                 '(CONDSTORE) (CHANGEDSINCE 1) ID RETURN NOOP CLOSE SELECT '
                 'EXAMINE UNSELECT EXPUNGE CHECK IDLE DONE').split(' ')
        for n in range(6):
            c = self.imap(select='INBOX')
            out = b''
            for _ in range(300):
                line = ' '.join(rnd.choices(words, k=rnd.randrange(1, 7)))
                out += b'j ' + line.encode()
                if rnd.random() < 0.2:
                    out += bytes(rnd.choices(range(256), k=3))
                out += b'\r\n'
            c.raw(out + b'DONE\r\nlast LOGOUT\r\n')
            seen = b''
            while True:
                try:
                    raw = c.raw_response()
                except (Bye, ConnectionResetError):
                    break
                parse(raw)              # it is well formed
                seen = raw
            self.assertTrue(seen)
            c.close()

    def test_pipeline(self):
        """10,000 commands at once, by a client that then reads"""
        c = self.imap(select='INBOX')
        c.sock.setblocking(False)
        out = b''.join(b'p%d FETCH 1 (UID BODY.PEEK[])\r\n' % n
                       for n in range(10000))
        sent = 0
        end = time.monotonic() + 60 * SLOW
        # the server stops reading while nobody reads what it says
        while sent < len(out):
            try:
                sent += c.sock.send(out[sent:sent + 65536])
            except BlockingIOError:
                c.sock.setblocking(True)
                c.fill()
                c.sock.setblocking(False)
            self.assertLess(time.monotonic(), end)
        c.sock.setblocking(True)
        for n in range(10000):
            self.assertEqual('OK', c.finish('p%d' % n).type)

    def test_half_open(self):
        """a client that says it sends no more gets its answers"""
        for how, tags in ((b'1 NOOP\r\n', '1'), (b'1 NOOP', ''),
                          (b'1 SELECT INBOX\r\n2 FETCH 1 BODY[]\r\n'
                           b'3 SEARCH TEXT x\r\n4 NOOP\r\n5 NO', '1234'),
                          (b'1 APPEND INBOX {3+}\r\nabc\r\n', '1'),
                          (b'1 NOOP\r\n2 APPEND INBOX {9+}\r\nabc', '1'),
                          (b'1 LIST "" {3}\r\n', ''), (b'1 IDLE\r\n', '')):
            c = self.imap()
            c.raw(how)
            c.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(list(tags), [r.tag for r in c.ended()
                                          if r.tag not in (None, '+')])


class Limits(WholeTest):
    auto = False

    def test_bad_commands(self):
        """a client that sends nothing but nonsense is ended"""
        self.begin(conf='limits { bad commands 5 }\n')
        for c in (self.imap(None), self.imap()):
            for n in range(5):
                c.bad('XYZZY')
            c.begin('XYZZY')
            self.assertEqual(['BAD', 'BYE'], [r.type for r in c.ended()])
        c = self.imap()
        c.raw(b'GET / HTTP/1.0\r\nHost: x\r\nUser-Agent: y\r\nA: b\r\n'
              b'C: d\r\nE: f\r\nG: h\r\n\r\n')
        c.ended()
        self.assertEqual('BYE', c.bye.type)

    def test_bad_now_and_then(self):
        """one that works all the same may stay, once it has logged in; what
        it says of a message that is no more is no nonsense"""
        self.begin(conf='limits { bad commands 5 }\n')
        c = self.imap(select='INBOX')
        for n in range(4):
            for _ in range(4):
                c.bad('XYZZY')
            c.ok('NOOP')
        for n in range(10):
            c.bad('FETCH 99 FLAGS')
        c.ok('NOOP')
        # without a login the count goes on
        c = self.imap(None)
        for n in range(5):
            c.bad('XYZZY')
            c.ok('NOOP')
        c.begin('XYZZY')
        self.assertEqual(['BAD', 'BYE'], [r.type for r in c.ended()])

    def test_command_time(self):
        """a command that has begun must come to its end, whatever the time
        to idle is, and however often a bit more of it comes"""
        self.begin(conf='timeouts { idle 1h, command 1s }\n')
        idle = self.imap()
        late = [self.imap() for _ in range(5)]
        for c, text in zip(late, (b'a NOO', b'a LIST "" {5}\r\n',
                                  b'a LIST "" {5}\r\n*', b'',
                                  b'x APPEND INBOX {1000000+}\r\nabc')):
            c.raw(text)
        end = time.monotonic() + 20 * SLOW
        try:
            while True:
                late[3].raw(b'a')
                time.sleep(0.1)
                self.assertLess(time.monotonic(), end)
        except (Bye, ConnectionResetError, BrokenPipeError):
            late.pop(3)
        for c in late:
            c.ended()
            self.assertEqual('BYE', c.bye.type)
            self.assertIn(b'in time', c.bye.raw)
            self.assertIsNone(c.bye.code)
        self.house.logged('event=closed.*reason="command timeout"', count=5)
        idle.ok('NOOP')

    def test_login_time(self):
        """no login in time"""
        self.begin(conf='timeouts { login 1s }\n')
        a, b = self.imap(None), self.imap(None)
        b.raw(b'x LOGIN {3}\r\n')
        c = self.imap()
        for s in (a, b):
            s.ended()
            self.assertEqual('BYE', s.bye.type)
        c.ok('NOOP')
        # nor does it help to say something now and then
        d = self.imap(None)
        end = time.monotonic() + 10 * SLOW
        try:
            while True:
                d.ok('NOOP')
                time.sleep(0.1)
                self.assertLess(time.monotonic(), end)
        except (Bye, ConnectionResetError, BrokenPipeError):
            pass

    def test_idle_time(self):
        """nothing from a client; an answer that it does not read"""
        self.begin(conf='timeouts { idle 1s, command 1s }\n')
        a, i, p = self.imap(), self.imap(select='INBOX'), self.imap()
        p.append('INBOX', TEXT)
        tag = i.idle()
        p.raw(b'x APPEND INBOX {1000000+}\r\nabc')
        for s in (a, i, p):
            s.ended()
            self.assertEqual('BYE', s.bye.type)
        del tag
        c = self.imap(select='INBOX')
        self.assertEqual(1, c.exists)

    def test_never_reads(self):
        """a client that does not read what it asked for: nothing grows, and
        its time runs out"""
        self.begin(conf='timeouts { write 3s }\n')
        c = self.imap()
        for _ in range(40):
            c.append('INBOX', b'Subject: big\r\n\r\n' + b'x' * 1000000)
        c.ok('SELECT INBOX')
        c.ok('FETCH 1 BODY.PEEK[]')
        before = None if sanitized() else self.house.memory(but=('store',))
        for text in (b'1 FETCH 1:* BODY.PEEK[]\r\n',
                     b'1 FETCH 1:* (BODY.PEEK[]<0.60000> BODY.PEEK[TEXT])\r\n',
                     b'1 FETCH 1:* (UID BODY.PEEK[TEXT])\r\n' * 100):
            d = self.imap(select='INBOX')
            d.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            d.raw(text)
            # others are served meanwhile
            c.ok('FETCH 2 BODY.PEEK[]<0.1000>')
            if before is not None:
                after = self.house.memory(but=('store',))
                for role in after:
                    self.assertLess(after[role] - before[role], 8192, role)
        self.house.logged(r'event=closed.*reason=.*', count=3, timeout=30)
        c.ok('NOOP')

    def test_bye_in_answer(self):
        """what is said to a client that is ended in the middle of an answer
        does not become part of a message"""
        self.begin(conf='timeouts { write 2s }\n')
        c = self.imap()
        for _ in range(3):
            c.append('INBOX', b'Subject: big\r\n\r\n' + b'x' * 3000000)
        for item in ('BODY.PEEK[]', '(%s)' % ' '.join(
                'BODY.PEEK[TEXT]<%d.60000>' % n for n in range(90))):
            d = self.imap(select='INBOX')
            d.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            d.raw(b'1 FETCH 1:* %s\r\n' % item.encode())
            self.assertTrue(d.sock.recv(100))
            _, out = self.house.ctl('show', 'sessions')
            name = [line.split()[0] for line in out.splitlines()
                    if 'FETCH' in line]
            self.assertEqual(1, len(name), out)
            self.assertEqual(0, self.house.ctl('kick', name[0])[0])
            data = b''
            d.sock.settimeout(20 * SLOW)
            try:
                while True:
                    more = d.sock.recv(1 << 20)
                    if not more:
                        break
                    data += more
            except ConnectionResetError:
                pass
            self.assertNotIn(b'BYE', data)

    def test_reads_slowly(self):
        """one that reads a little now and then gets everything"""
        self.begin(conf='timeouts { write 5s }\n')
        c = self.imap()
        text = b'Subject: big\r\n\r\n' + b'y' * 400000
        for _ in range(3):
            c.append('INBOX', text)
        c.ok('SELECT INBOX')
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        tag = c.begin('FETCH 1:3 BODY.PEEK[]')
        data, n = b'', 0
        while b'\r\n%s OK ' % tag.encode() not in data[-200:]:
            data += c.sock.recv(20000)
            n += 1
            if n % 20 == 0:
                time.sleep(0.02)
        self.assertEqual(3, data.count(text))


if __name__ == '__main__':
    atf.main()
