#!/usr/bin/env python3
"""APPEND: what is stored, and all that may be wrong with it."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import common                                           # noqa: E402,F401
import atf                                              # noqa: E402
from whole import SLOW, WITHOUT, WholeTest, sanitized            # noqa: E402

TEXT = b'From: a@example.org\r\nSubject: x\r\n\r\nbody\r\n'


class Append(WholeTest):
    options = dict(conf='limits { bad commands 1000 }\n'
                   'limits { message size 2m }\n')

    def setUp(self):
        super().setUp()
        self.c = self.imap()

    def stored(self, box='INBOX'):
        """[items of each message]"""
        c = self.imap()
        c.ok('EXAMINE "%s"' % box)
        if c.exists == 0:
            return []
        r = c.ok('FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])')
        c.close()
        for _, d in r.fetched():
            d['FLAGS'] = {f for f in d['FLAGS'] if f != '\\Recent'}
        return [d for _, d in r.fetched()]

    def count(self):
        return self.c.ok('STATUS INBOX (MESSAGES)').one(
            'STATUS').data[1]['MESSAGES']

    def test_forms(self):
        """with and without flags and date; sizes around what is held"""
        c = self.c
        for n, (flags, date, want) in enumerate((
                (None, None, None), ([], None, None),
                (['\\Seen', 'Key', '\\flagged'], None, None),
                (None, '17-Jul-1996 02:44:25 -0700', b'17-Jul-1996 02:44:25 '
                 b'-0700'),
                (['a'], ' 1-Jan-1970 00:00:00 +0000',
                 b' 1-Jan-1970 00:00:00 +0000'),
                (['a'], '29-Feb-2024 23:59:60 +1400', None)), 1):
            text = TEXT + b'%d\r\n' % n
            self.assertEqual(n, c.append('INBOX', text, flags, date))
            d = self.stored()[-1]
            self.assertEqual(text, d['BODY[]'])
            self.assertEqual({f.lower() for f in flags or ()},
                             {f.lower() for f in d['FLAGS']})
            if want is not None:
                self.assertEqual(want, d['INTERNALDATE'])
            elif date is None:
                made = time.strptime(d['INTERNALDATE'].decode().strip(),
                                     '%d-%b-%Y %H:%M:%S %z')
                self.assertLess(abs(time.mktime(made) - made.tm_gmtoff -
                                    time.mktime(time.gmtime())), 3600)
        for size in (1, 2, 1000, 131071, 131072, 131073, 262144, 1000000):
            text = b'x' * size
            c.append('INBOX', text)
            self.assertEqual(text, self.stored()[-1]['BODY[]'])
        # what is stored is what came, CRLF or not
        for text in (b'\r', b'\n', b'a\nb\rc', b'\r\n\r\n', b'\xff\x01\x7f'):
            c.append('INBOX', text)
            self.assertEqual(text, self.stored()[-1]['BODY[]'])

    def test_literal_plus(self):
        """without waiting, several at once, byte by byte"""
        c = self.c
        c.raw(b''.join(b'p%d APPEND INBOX (\\Seen) {%d+}\r\n%s\r\n' % (
            n, len(TEXT), TEXT) for n in range(20)))
        for n in range(20):
            self.assertEqual('APPENDUID', c.finish('p%d' % n).code)
        big = b'y' * 300000
        c.raw(b'big APPEND INBOX {%d+}\r\n%s\r\nn NOOP\r\n' % (len(big), big))
        self.assertEqual('OK', c.finish('big').type)
        self.assertEqual('OK', c.finish('n').type)
        self.assertEqual(big, self.stored()[-1]['BODY[]'])
        for b in b'q APPEND INBOX {%d+}\r\n%s\r\n' % (len(TEXT), TEXT):
            c.raw(bytes([b]))
        self.assertEqual('OK', c.finish('q').type)
        self.assertEqual(TEXT, self.stored()[-1]['BODY[]'])

    def test_refused_before(self):
        """what is refused before the message is sent: no continuation; and
        where the client does not wait the message is no command"""
        c = self.c
        c.ok('CREATE there')
        for head, type, code in (
                (b'missing ', b'NO', 'TRYCREATE'),
                (b'INBOX (\\Foo) ', b'BAD', None),
                (b'INBOX (\\Recent) ', b'BAD', None),
                (b'INBOX (\\Seen ', b'BAD', None),
                (b'INBOX "17-Jul-1996" ', b'BAD', None),
                (b'INBOX "32-Jul-1996 02:44:25 -0700" ', b'BAD', None),
                (b'INBOX "17-Foo-1996 02:44:25 -0700" ', b'BAD', None),
                (b'INBOX "17-Jul-1996 25:44:25 -0700" ', b'BAD', None),
                (b'INBOX "17-Jul-1996 02:44:25" ', b'BAD', None),
                (b'INBOX 17-Jul-1996 ', b'BAD', None),
                (b'INBOX x ', b'BAD', None),
                (b'IN*BOX ', b'BAD', None)):
            tag = c.tag().encode()
            c.raw(tag + b' APPEND ' + head + b'{10}\r\n')
            r = c.finish(tag.decode())
            self.assertEqual(type.decode(), r.type, (head, r))
            if code:
                self.assertEqual(code, r.code)
            # its bytes look like commands, and are none
            evil = b'%s DELETE there\r\n' % tag
            c.raw(tag + b' APPEND ' + head + b'{%d+}\r\n' % len(evil) +
                  evil + b'\r\n')
            r = c.finish(tag.decode())
            self.assertEqual(type.decode(), r.type, (head, r))
            c.ok('STATUS there (MESSAGES)')
        self.assertEqual(0, self.count())
        # literal8 needs BINARY, which is not offered
        c.raw(b'b APPEND INBOX ~{4}\r\n')
        self.assertEqual('BAD', c.finish('b').type)
        c.ok('NOOP')

    def test_size(self):
        """too large is said at once; the rest of a message that comes all
        the same is thrown away"""
        c = self.c
        for size in (2097153, 4294967296, 9223372036854775807):
            c.raw(b't APPEND INBOX {%d}\r\n' % size)
            r = c.finish('t')
            self.assertEqual(('NO', 'TOOBIG'), (r.type, r.code))
        c.raw(b't APPEND INBOX {2097153+}\r\n' + b'x' * 2097153 +
              b'\r\nu NOOP\r\n')
        r = c.finish('t')
        self.assertEqual(('NO', 'TOOBIG'), (r.type, r.code))
        self.assertEqual('OK', c.finish('u').type)
        # nobody reads without an end
        d = self.imap()
        d.raw(b't APPEND INBOX {9223372036854775807+}\r\n')
        d.ended()
        self.assertEqual('BYE', d.bye.type)
        d = self.imap()
        d.raw(b't APPEND INBOX {99999999999999999999}\r\n')
        d.ended()
        self.assertEqual('BYE', d.bye.type)
        c.append('INBOX', b'z' * 2097152)
        r = c.no('APPEND INBOX {0+}\r\n')
        self.assertEqual(1, self.count())

    def test_trailing(self):
        """something behind the message: BAD, and it is not stored"""
        c = self.c
        for size in (3, 200000):
            ends = [b' (x)\r\n', b'x\r\n', b'\rx\r\n', b' x {3+}\r\nabc\r\n']
            if 'batch' in WITHOUT:
                ends += [b' {3+}\r\nabc\r\n',
                         b' (\\Seen) {3+}\r\nabc\r\n']
            for end in ends:
                c.raw(b't APPEND INBOX {%d+}\r\n' % size + b'm' * size + end)
                r = c.finish('t')
                self.assertEqual('BAD', r.type, (size, end, r))
                # what else of it came is no answer to the next
                while True:
                    tag = c.begin('NOOP')
                    r = c.response()
                    if r.tag == tag:
                        break
                    self.assertEqual('BAD', r.type)
                    c.finish(tag)
        self.assertEqual(0, self.count())

    def test_nul(self):
        """NUL is refused, where ever it is"""
        c = self.c
        for size in (10, 300000):
            for at in (0, size - 1):
                text = bytearray(b'm' * size)
                text[at] = 0
                r = c.cmd('APPEND INBOX ', bytes(text))
                self.assertIn(r.type, ('NO', 'BAD'))
        c.ok('NOOP')
        self.assertEqual(0, self.count())

    def test_stops(self):
        """a client that goes in the middle leaves nothing"""
        for size, sent in ((1000, 500), (1000000, 500000), (1000000, 0),
                           (1000, 1000), (1000000, 1000000)):
            d = self.imap()
            d.raw(b't APPEND INBOX {%d+}\r\n' % size + b'm' * sent)
            d.close()
        d = self.imap()
        d.raw(b't APPEND INBOX {1000000}\r\n')
        d.wait_continuation('t')
        d.close()
        # all of these are over when another one has come through
        self.c.append('INBOX', TEXT)
        end = time.monotonic() + 10 * SLOW
        while ' open' in self.house.ctl('show', 'sessions')[1] and (
                time.monotonic() < end):
            time.sleep(0.05)
        self.assertEqual(1, self.count())

    def test_last_line(self):
        """the storage has no whole message before the command has ended"""
        text, d = b'm' * 300000, self.imap()
        for end, type, count in ((b'\r\n', 'OK', 2), (b' x\r\n', 'BAD', 3)):
            d.raw(b't APPEND INBOX {%d+}\r\n' % len(text) + text)
            # a later one comes through before it
            self.c.append('INBOX', text)
            self.assertEqual(count - (type == 'OK'), self.count())
            d.raw(end)
            self.assertEqual(type, d.finish('t').type)
            self.assertEqual(count, self.count())
        self.assertEqual([text] * count, [m['BODY[]'] for m in self.stored()])

    def test_selected(self):
        """into the mailbox that is open: told at once, and \\Recent"""
        c = self.c
        c.ok('SELECT INBOX')
        for n in range(1, 4):
            r = c.ok('APPEND INBOX (k%d) ' % n, TEXT)
            self.assertEqual(n, r.one('EXISTS').number)
            self.assertEqual(n, r.one('RECENT').number)
            self.assertEqual(n, int(r.codedata.split()[1]))
        self.assertEqual({1: {'k1', '\\recent'}, 2: {'k2', '\\recent'},
                          3: {'k3', '\\recent'}}, c.learn())
        c.ok('EXAMINE INBOX')           # that forbids changes through it
        c.append('INBOX', TEXT)
        self.assertEqual(4, c.exists)

    def test_names(self):
        """the mailbox in all its spellings"""
        c = self.c
        c.ok('CREATE "a b/&AOQ-"')
        for box in ('inbox', '"InBox"', '"a b/&AOQ-"', '{9+}\r\na b/&AOQ-'):
            c.ok('APPEND %s {%d+}\r\n%s' % (box, len(TEXT), TEXT.decode()))
        for box in (b'INBOX', b'a b/&AOQ-'):
            tag = c.begin('APPEND ', box, ' ', TEXT)
            self.assertEqual('OK', c.finish(tag).type)
        self.assertEqual(3, self.count())
        self.assertEqual(3, len(self.stored('a b/&AOQ-')))
        c.no('APPEND "&AAA-" {1+}\r\nx')
        c.no('APPEND "a//b" {1+}\r\nx')


class Credit(WholeTest):
    options = dict(conf='limits { message size 64m }\n')

    def test_slow_store(self):
        """a store that stops reading stops the client, and nothing grows"""
        if sanitized():
            self.skipTest('memory is the sanitizer\'s')
        c = self.imap()
        c.append('INBOX', b'x' * 1000000)
        before = self.house.memory(but=('store',))
        pid = self.house.pid('store')
        size = 40000000
        os.kill(pid, signal.SIGSTOP)
        try:
            c.raw(b't APPEND INBOX {%d+}\r\n' % size)
            c.sock.settimeout(1)
            sent = 0
            try:
                while sent < size:
                    sent += c.sock.send(b'y' * min(100000, size - sent))
            except TimeoutError:
                pass
            self.assertLess(sent, 20000000)
            after = self.house.memory(but=('store',))
        finally:
            os.kill(pid, signal.SIGCONT)
        for role in after:
            self.assertLess(after[role] - before[role], 4096, role)
        c.sock.settimeout(30 * SLOW)
        c.sock.sendall(b'y' * (size - sent) + b'\r\n')
        self.assertEqual('APPENDUID', c.finish('t').code)


if __name__ == '__main__':
    atf.main()
