#!/usr/bin/env python3
"""The lmtp process with raw clients; auth and the storage are played."""

import os
import re
import smtplib
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from engine import ALL_CAPS, CREDIT, Engine
from house import CAP, Listener, ST
from messages import Closed

MAIL = b'From: a@example.org\r\nSubject: x\r\n\r\nbody\r\n'
K = 1024


class Recipients(threading.Thread):
    """Auth's part: everybody at localhost exists, but for some"""

    def __init__(self, chan, engine):
        super().__init__(daemon=True)
        self.chan, self.engine = chan, engine
        self.codes = {}                 # address: (code, text)
        self.storages = {}              # address: number
        self.held = None                # a list: answer later
        self.asked, self.ended, self.closed = [], [], []
        self.opened = []
        self.handles = {}               # handle: address
        self.next = 1000

    def run(self):
        try:
            while True:
                m = self.chan.recv(3600)
                getattr(self, 'on_' + m.type)(m)
        except (Closed, OSError):
            pass

    def on_conn_open(self, m):
        self.opened.append(m)

    def on_conn_close(self, m):
        self.closed.append(m.sid)

    def on_txn_end(self, m):
        self.ended.append(m.txn)

    def on_rcpt_req(self, m):
        self.asked.append(m)
        if self.held is not None:
            self.held.append(m)
        else:
            self.answer(m)

    def answer(self, m):
        code, text = self.codes.get(m.address, ('OK', ''))
        handle = 0
        if code == 'OK':
            # not in the order of the commands
            self.next -= 1
            handle = self.next
            self.handles[handle] = m.address
        self.chan.send('rcpt_res', sid=m.sid, req=m.req, code=ST[code],
                       rcpt=handle, engine=0, egen=self.engine.gen,
                       storage=self.storages.get(m.address, 0), text=text)


class Lmtp(Listener):
    role = 'lmtp'

    def begin(self, caps=ALL_CAPS, message=0, recipients=True, **more):
        super().begin(**more)
        self.engine = Engine(self.engines[0], caps=caps, message=message)
        self.engine.inform()
        self.engine.start()
        if recipients and self.auth:
            self.people = Recipients(self.auth, self.engines[0])
            self.people.start()

    def tearDown(self):
        super().tearDown()
        self.assertIsNone(self.engine.error)

    def lhlo(self, c=None):
        c = c or self.connect()
        c.send('LHLO client.example.org')
        self.caps = self.reply(c, '250').split('\n')
        return c

    def reply(self, c, code):
        """One reply, of several lines perhaps; without codes"""
        lines = []
        while True:
            l = c.line()
            lines.append(l[4:])
            self.assertTrue(l.startswith(code), '%r, not %s' % (l, code))
            if l[3:4] != '-':
                return '\n'.join(lines)

    def say(self, c, line, code):
        c.send(line)
        return self.reply(c, code)

    def mail(self, c, *to, frm='sender@example.org'):
        self.say(c, 'MAIL FROM:<%s>' % frm, '250')
        for t in to or ['joe@localhost']:
            self.say(c, 'RCPT TO:<%s>' % t, '250')

    def data(self, c, text=MAIL, codes=('250',)):
        self.say(c, 'DATA', '354')
        c.raw(text + b'.\r\n')
        return [self.reply(c, code) for code in codes]

    def body(self, upload, trace=True):
        """What came without our trace fields"""
        m = re.match(rb'Return-Path: <([^\r\n]*)>\r\n'
                     rb'Received: (from .*(?:\r\n\t.*)*)\r\n', upload.data)
        self.assertIsNotNone(m, upload.data[:300])
        self.path, self.received = m.group(1), m.group(2)
        return upload.data[m.end():]

    def last(self):
        return self.engine.delivered[-1]


class Session(Lmtp):
    def test_lhlo(self):
        """what is offered"""
        self.begin(message=1 << 30)
        c = self.connect()
        self.assertEqual('220 mail.example.org LMTP ready', c.greeting)
        self.lhlo(c)
        self.assertEqual('mail.example.org', self.caps[0])
        self.assertEqual({'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME',
                          'SMTPUTF8', 'CHUNKING', 'SIZE 1048576'},
                         set(self.caps[1:]))

    def test_commands(self):
        """those that do little, and those that are not"""
        self.begin(badcmds=100)
        c = self.connect()
        self.say(c, 'NOOP', '250')
        self.say(c, 'RSET', '250')
        self.say(c, 'VRFY joe', '252')
        self.say(c, 'HELP', '214')
        self.say(c, 'MAIL FROM:<a@b>', '503')
        self.say(c, 'RCPT TO:<a@b>', '503')
        self.say(c, 'DATA', '503')
        for bad in ('HELO x', 'EHLO x', 'XYZ', '', ' ', 'STARTTLS x'):
            self.say(c, bad, '50')
        self.say(c, 'HELO there', '500')
        self.say(c, 'EHLO there', '500')
        self.say(c, 'LHLO', '501')
        self.say(c, 'STARTTLS', '503')
        self.lhlo(c)
        self.say(c, 'RCPT TO:<a@b>', '503')
        self.say(c, 'DATA', '503')
        self.say(c, 'AUTH PLAIN', '500')
        self.say(c, 'MAIL FROM:a@b', '501')
        self.say(c, 'MAIL FROM:<a@b> XYZ=1', '555')
        self.say(c, 'MAIL FROM:<a@b> BODY=BINARYMIME', '555')
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'MAIL FROM:<a@b>', '503')
        self.say(c, 'RCPT TO:<>', '501')
        self.say(c, 'RCPT TO:<joe@localhost> NOTIFY=NEVER', '555')
        self.say(c, 'DATA', '503')
        self.say(c, 'RCPT TO:<joe@localhost>', '250')
        self.say(c, 'DATA now', '501')
        self.say(c, 'QUIT', '221')
        self.assertEqual(b'', c.rest())
        self.child.logged('event=closed.*reason="quit"')
        self.soon([1], lambda: self.people.ended)

    def test_bad_commands(self):
        self.begin(badcmds=3)
        c = self.lhlo()
        for _ in range(3):
            for _ in range(3):
                self.say(c, 'XYZ', '500')
            self.say(c, 'MAIL FROM:<a@b>', '250')
            self.say(c, 'RSET', '250')
        for _ in range(4):
            self.say(c, 'XYZ', '500')
        self.reply(c, '421')
        self.assertEqual(b'', c.rest())

    def test_lines(self):
        """over-long, NUL, 8 bits, LF alone"""
        self.begin(badcmds=100)
        c = self.lhlo()
        self.say(c, b'NOOP \0', '500')
        self.say(c, b'NO\rOP', '500')
        self.say(c, b'NOOP \xff', '500')
        c.raw(b'NOOP\n')
        self.reply(c, '250')
        c.raw(b'NOOP ' + b'x' * 5000)
        self.reply(c, '500')
        self.assertEqual(b'', c.rest())
        self.child.logged('reason="line too long"')

    def test_allowed(self):
        """only peers that may deliver"""
        self.begin(allow=[(bytes([10, 0, 0, 0]), 8)])
        c = self.connect(greet=False)
        self.reply(c, '421')
        self.assertEqual(b'', c.rest())
        self.allow = [(bytes([10, 0, 0, 0]), 8), (bytes([127, 0, 0, 0]), 30)]
        self.reconfigure()
        self.lhlo()

    def test_unix(self):
        self.begin(unix=True, allow=[])
        c = self.lhlo()
        self.mail(c)
        self.data(c)
        self.body(self.last())
        self.assertIn(b'client.example.org (unix socket)', self.received)

    def test_idle(self):
        self.begin(t_idle=1)
        c = self.lhlo()
        self.reply(c, '421')
        self.assertEqual(b'', c.rest())

    def test_kick(self):
        """too many connections"""
        self.begin()
        c = self.lhlo()
        while not self.people.opened:
            time.sleep(0.01)
        self.auth.send('kick', sid=self.people.opened[0].sid, why=0)
        self.assertIn('Too many connections', self.reply(c, '421'))
        self.assertEqual(b'', c.rest())

    def test_smtplib(self):
        """Python's client"""
        self.begin()
        c = smtplib.LMTP(self.address[0], self.address[1])
        refused = c.sendmail('a@b', ['joe@localhost', 'jim@localhost'],
                             MAIL)
        self.assertEqual({}, refused)
        c.quit()
        self.assertEqual(MAIL, self.body(self.last()))

    def test_show(self):
        self.begin()
        self.lhlo()
        c = self.lhlo()
        self.mail(c)
        control = self.child.peer('control')
        control.send('ctl_sessions', req=3, count=10)
        states = set()
        while True:
            m = control.recv()
            if m.type == 'ctl_end':
                break
            states.add(m.state)
        self.assertEqual({'idle', 'recipients'}, states)


class Tls(Lmtp):
    tls = 1

    def test_starttls(self):
        """everything said in the clear is forgotten"""
        self.begin()
        c = self.lhlo()
        self.assertIn('STARTTLS', self.caps)
        self.mail(c)
        c.raw(b'STARTTLS\r\nRSET\r\nNOOP\r\n')
        self.reply(c, '220')
        c.starttls()
        c.silent()
        self.soon([1], lambda: self.people.ended)
        self.say(c, 'MAIL FROM:<a@b>', '503')
        self.lhlo(c)
        self.assertNotIn('STARTTLS', self.caps)
        self.say(c, 'STARTTLS', '503')
        self.mail(c)
        self.data(c)
        self.body(self.last())
        self.assertIn(b'with LMTPS id', self.received)


class Rcpt(Lmtp):
    def test_codes(self):
        """what auth says; unknown is for good, down is not"""
        self.begin()
        for address, code, text, want in (
                ('a', 'UNKNOWN_RECIPIENT', '', '550 5.1.1'),
                ('b', 'UNKNOWN_RECIPIENT', 'No such\r\ndomain',
                 '550 5.1.1 No such??domain'),
                ('c', 'UNAVAILABLE', '', '451 4.3.2'),
                ('d', 'OVER_QUOTA', '', '452 4.2.2'),
                ('e', 'ACCOUNT_DISABLED', '', '550 5.2.1'),
                ('f', 'NOT_PERMITTED', '', '550 5.2.1'),
                ('g', 'STORAGE_FULL', '', '452 4.3.1'),
                ('h', 'TRY_LATER', '', '451 4.3.2'),
                ('i', 'NO_SUCH_ACCOUNT', '', '550 5.1.1'),
                ('j', 'TOO_LARGE', '', '552 5.3.4'),
                ('k', 'BAD_CREDENTIALS', '', '451 4.3.0'),
                ('l', 'READ_ONLY', '', '451 4.3.0'),
                ('m', 'BAD_TOKEN', '', '451 4.3.0'),
                ('n', 'NONSENSE', '', '451 4.3.0')):
            self.people.codes[address + '@localhost'] = (code, text)
            c = self.lhlo()
            self.say(c, 'MAIL FROM:<>', '250')
            self.say(c, 'RCPT TO:<%s@localhost>' % address, want)
            self.say(c, 'DATA', '503')
            c.close()

    def test_what_auth_hears(self):
        """sender, address as normalised, size"""
        self.begin()
        c = self.lhlo()
        self.say(c, 'MAIL FROM:<Me@Example.ORG> SIZE=500', '250')
        self.say(c, 'RCPT TO:<"joe"@LocalHost>', '250')
        m = self.people.asked[0]
        self.assertEqual(('Me@example.org', 'joe@localhost', 500),
                         (m.fields['from'], m.address, m.size))

    def test_limit(self):
        """more than one transaction may have"""
        self.begin(recipients=True)
        self.reconfigure(recipients=3)
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost', 'c@localhost')
        self.say(c, 'RCPT TO:<d@localhost>', '452 4.5.3')
        self.data(c, codes=['250'] * 3)

    def test_storage_limit(self):
        """what a storage takes in one upload; another storage"""
        self.begin()
        self.engines[0].send('st_info', storage=0, up=1, recipients=2,
                             caps=ALL_CAPS)
        c = self.lhlo()
        for n in range(1, 9):
            self.people.storages['x%d@localhost' % n] = n
        self.mail(c, 'a@localhost')
        self.say(c, 'RCPT TO:<x1@localhost>', '250')
        self.say(c, 'RCPT TO:<b@localhost>', '250')
        self.say(c, 'RCPT TO:<c@localhost>', '452 4.5.3')
        for n in range(2, 8):
            self.say(c, 'RCPT TO:<x%d@localhost>' % n, '250')
        self.say(c, 'RCPT TO:<x8@localhost>', '452 4.5.3')
        self.data(c, codes=['250'] * 9)

    def test_pipelined(self):
        """all asked for at once, answered in any order, replied in order"""
        self.begin()
        self.people.held = []
        self.people.codes['bad3@localhost'] = ('UNKNOWN_RECIPIENT', '')
        c = self.lhlo()
        c.send('MAIL FROM:<a@b>', *['RCPT TO:<%s%d@localhost>' % (
            'bad' if n == 3 else 'ok', n) for n in range(10)])
        c.send('RCPT TO:<ok5@localhost>', 'NOOP', 'DATA')
        while len(self.people.held) < 10:
            time.sleep(0.01)
        self.reply(c, '250')
        c.silent(0.1)
        for m in self.people.held[5:]:
            self.people.answer(m)
        c.silent(0.1)
        for m in self.people.held[:5]:
            self.people.answer(m)
        for n in range(10):
            self.reply(c, '550' if n == 3 else '250')
        self.reply(c, '250')
        self.reply(c, '250')
        self.reply(c, '354')
        c.raw(MAIL + b'.\r\n')
        for n in list(range(3)) + list(range(4, 10)) + [5]:
            self.assertIn('<ok%d@localhost>' % n, self.reply(c, '250'))
        # the one that was named twice was delivered once
        self.assertEqual(9, len(self.last().handles))

    def test_same_refused(self):
        """named twice, refused twice, asked once"""
        self.begin()
        self.people.codes['no@localhost'] = ('UNKNOWN_RECIPIENT', '')
        c = self.lhlo()
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'RCPT TO:<no@localhost>', '550')
        self.say(c, 'RCPT TO:<no@localhost>', '550')
        self.assertEqual(1, len(self.people.asked))

    def test_auth_dies(self):
        """with questions under way, and when it is not there"""
        self.begin()
        self.people.held = []
        c = self.lhlo()
        c.send('MAIL FROM:<a@b>', 'RCPT TO:<a@localhost>',
               'RCPT TO:<b@localhost>', 'NOOP')
        self.reply(c, '250')
        while len(self.people.held) < 2:
            time.sleep(0.01)
        self.auth.sock.shutdown(socket.SHUT_RDWR)
        self.reply(c, '451')
        self.reply(c, '451')
        self.reply(c, '250')
        self.say(c, 'RCPT TO:<c@localhost>', '451')
        self.say(c, 'DATA', '503')
        self.say(c, 'RSET', '250')
        self.auth = self.child.peer('auth')
        self.people = Recipients(self.auth, self.engines[0])
        self.people.start()
        self.mail(c)
        self.data(c)

    def test_auth_slow(self):
        """no answer in time; a late one is nobody's"""
        self.begin(t_backend=1)
        self.people.held = []
        c = self.lhlo()
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'RCPT TO:<a@localhost>', '451')
        self.people.answer(self.people.held[0])
        self.say(c, 'DATA', '503')
        self.say(c, 'RSET', '250')
        self.people.held = None
        self.mail(c)
        self.data(c)

    def test_reset(self):
        """RSET, LHLO, QUIT and the end of the connection end it"""
        self.begin()
        c = self.lhlo()
        for end in ('RSET', 'LHLO x'):
            self.mail(c)
            self.say(c, end, '250')
            self.say(c, 'RCPT TO:<a@localhost>', '503')
        self.soon([1, 2], lambda: self.people.ended)
        # nothing was asked: nothing to end
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'RSET', '250')
        self.soon([1, 2], lambda: self.people.ended)
        self.mail(c)
        c.close()
        self.soon(1, lambda: len(self.people.closed))

    def test_utf8(self):
        """SMTPUTF8 addresses, only when asked for"""
        self.begin()
        c = self.lhlo()
        self.say(c, 'MAIL FROM:<r\xe9@example.org>', '550 5.6.7')
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'RCPT TO:<r\xe9@localhost>', '553 5.6.7')
        self.say(c, 'RSET', '250')
        self.say(c, 'MAIL FROM:<r\xe9@example.org> SMTPUTF8', '250')
        self.say(c, 'RCPT TO:<j\xfc@localhost>', '250')
        self.assertEqual('j\xfc@localhost', self.people.asked[0].address)
        self.assertIn('j\xfc@localhost', self.data(c)[0])
        self.body(self.last())
        self.assertIn(b'with UTF8LMTP id', self.received)
        self.assertEqual('r\xe9@example.org'.encode(), self.path)


class Data(Lmtp):
    def test_trace(self):
        """Return-Path and Received"""
        self.begin()
        c = self.lhlo()
        self.mail(c)
        self.assertEqual(['2.0.0 <joe@localhost> Delivered'], self.data(c))
        self.assertEqual(MAIL, self.body(self.last()))
        self.assertEqual(b'sender@example.org', self.path)
        self.assertRegex(
            self.received.decode(),
            r'^from client\.example\.org \(\[127\.0\.0\.1\]\)\r\n'
            r'\tby mail\.example\.org with LMTP id 0123abcd-[0-9a-f]+-'
            r'[0-9a-f]+-1\r\n'
            r'\tfor <joe@localhost>; \w{3}, +\d+ \w{3} \d{4} '
            r'\d\d:\d\d:\d\d \+0000$')
        self.mail(c, 'a@localhost', 'b@localhost', frm='')
        self.data(c, codes=['250', '250'])
        self.body(self.last())
        self.assertEqual(b'', self.path)
        self.assertNotIn(b'for', self.received)

    def test_helo_is_a_stranger(self):
        """what he calls himself cannot break our header"""
        self.begin()
        c = self.connect()
        self.say(c, 'LHLO x(y;<z>"\\', '250')
        self.mail(c)
        self.data(c)
        self.body(self.last())
        self.assertTrue(self.received.startswith(b'from x?y??z??? (['))

    def test_bytes(self):
        """byte for byte: dots, 8 bits, long lines, no header, nothing"""
        self.begin()
        c = self.lhlo()
        for text in (b'', b'\r\n', b'body only\r\n', b'A: 1\r\n',
                     b'A: 1\r\n\r\n' + b'x' * 100000 + b'\r\n',
                     b'\r\n' + bytes(range(1, 10)) + bytes(range(11, 13)) +
                     bytes(range(14, 256)) + b'\r\n'):
            self.mail(c)
            self.data(c, text)
            self.assertEqual(text, self.body(self.last()))
        self.mail(c)
        self.data(c, b'A: 1\r\n\r\n..\r\n...x\r\n..\r\n\r\n')
        self.assertEqual(b'A: 1\r\n\r\n.\r\n..x\r\n.\r\n\r\n',
                         self.body(self.last()))

    def test_return_path(self):
        """those that the message had go"""
        self.begin()
        c = self.lhlo()
        self.mail(c)
        self.data(c, b'Return-Path: <x@y>\r\nA: 1\r\nreturn-path:\r\n'
                  b' <x@y>\r\nB: 2\r\n\r\nReturn-Path: <z>\r\n')
        self.assertEqual(b'A: 1\r\nB: 2\r\n\r\nReturn-Path: <z>\r\n',
                         self.body(self.last()))

    def test_smuggling(self):
        """no bare LF or CR ends a message or begins another"""
        self.begin()
        evil = b'MAIL FROM:<evil@x>\r\nRCPT TO:<joe@localhost>\r\nDATA\r\n'
        for mark in (b'\n.\n', b'\n.\r\n', b'\r.\r', b'\r\n.\n', b'\r\n.\r',
                     b'\r.\r\n', b'\n.\r', b'\r\n.\r\r\n', b'\r\n\0.\r\n'):
            c = self.lhlo()
            self.mail(c)
            before = len(self.people.asked)
            self.say(c, 'DATA', '354')
            c.raw(b'A: 1\r\n\r\none' + mark + evil + b'two\r\n.\r\n')
            self.reply(c, '554' if b'\0' in mark else '250')
            self.say(c, 'NOOP', '250')
            self.assertEqual(before, len(self.people.asked))
            if b'\0' in mark:
                continue
            body = self.body(self.last())
            self.assertIn(evil, body)
            self.assertNotRegex(body, rb'(\A|[^\r])\n|\r(\Z|[^\n])')

    def test_nul(self):
        """a NUL is refused, for each recipient"""
        self.begin()
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost')
        self.data(c, b'A: 1\r\n\r\nx\0y\r\n', ['554 5.6.0'] * 2)
        self.assertEqual([], self.engine.delivered)
        self.mail(c)
        self.data(c)

    def test_one_byte_at_a_time(self):
        self.begin()
        c = self.lhlo()
        text = b'A: 1\r\nReturn-Path: x\r\n\r\n..\r\nx\r\n.\r\n'
        for b in b'MAIL FROM:<a@b>\r\nRCPT TO:<joe@localhost>\r\nDATA\r\n':
            c.raw(bytes([b]))
        self.reply(c, '250')
        self.reply(c, '250')
        self.reply(c, '354')
        for b in text:
            c.raw(bytes([b]))
            time.sleep(0.001)
        self.reply(c, '250')
        self.assertEqual(b'A: 1\r\n\r\n.\r\nx\r\n', self.body(self.last()))

    def test_all_at_once(self):
        """several transactions in one packet, without waiting"""
        self.begin()
        c = self.lhlo()
        one = (b'MAIL FROM:<a@b>\r\nRCPT TO:<joe@localhost>\r\n'
               b'RCPT TO:<jim@localhost>\r\nDATA\r\n' + MAIL + b'.\r\n')
        c.raw(one * 5 + b'QUIT\r\n')
        for _ in range(5):
            for code in ('250', '250', '250', '354', '250', '250'):
                self.reply(c, code)
        self.reply(c, '221')
        self.assertEqual(5, len(self.engine.delivered))
        self.soon([1, 2, 3, 4, 5], lambda: self.people.ended)

    def test_cache(self):
        """a small message's summary goes along, if it is wanted"""
        self.begin(caps=ALL_CAPS | 1 << CAP['CACHE'])
        c = self.lhlo()
        for n in range(3):
            self.mail(c)
            self.data(c, MAIL.replace(b': x', b': y%d' % n))
            self.assertIn(b'y%d' % n, self.last().m.cache)
        self.engine.caps = ALL_CAPS
        self.engine.inform()
        self.mail(c)
        self.data(c)
        self.assertEqual(b'', self.last().m.cache)

    def test_codes(self):
        """each recipient's own result, in order"""
        self.begin()
        c = self.lhlo()
        codes = (('OK', '250 2.0.0'), ('OVER_QUOTA', '452 4.2.2'),
                 ('NO_SUCH_ACCOUNT', '550 5.1.1'), ('OK', '250 2.0.0'),
                 ('TOO_LARGE', '552 5.3.4'), ('STORAGE_FULL', '452 4.3.1'),
                 ('INTERNAL', '451 4.3.0'), ('NOT_PERMITTED', '550 5.2.1'),
                 ('NO_SUCH_TARGET', '451 4.3.2'), ('OK', '250 2.0.0'))
        self.mail(c, *['r%d@localhost' % n for n in range(len(codes))])
        for h, address in self.people.handles.items():
            self.engine.codes[h] = codes[int(address[1:2])][0]
        self.data(c, codes=[want for _, want in codes])
        log = self.child.log()
        self.assertRegex(log, r'event=delivered from=<sender@example.org> '
                         r'rcpt=<r0@localhost> size=\d+ uid=[1-9]\d* '
                         r'result="250 2.0.0"')
        self.assertRegex(log, 'event=deferred .*rcpt=<r1@localhost>.*uid=0 '
                         'result="452 4.2.2"')
        self.assertRegex(log, 'event=refused .*rcpt=<r2@localhost>')

    def test_engine_dies(self):
        """before DATA, in the middle, and with some stored already"""
        self.begin()
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost', 'c@localhost')
        hs = {a: h for h, a in self.people.handles.items()}

        def die(u):
            self.engine.reply(u.m, 'st_stored', rcpt=hs['b@localhost'],
                              uid=5)
            self.engines[0].sock.shutdown(socket.SHUT_RDWR)
        self.engine.store = die
        self.data(c, codes=['451', '250', '451'])
        # a transaction whose engine went before the message
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'RCPT TO:<a@localhost>', '250')
        self.say(c, 'DATA', '451')
        self.say(c, 'MAIL FROM:<a@b>', '250')

    def test_cut(self):
        """an answer that breaks off: stored is stored"""
        self.begin()
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost')
        hs = {a: h for h, a in self.people.handles.items()}
        for code in ('CUT', 'OK', 'UNAVAILABLE', 'NO_GRANT'):
            def some(u):
                self.engine.reply(u.m, 'st_stored', rcpt=u.handles[0], uid=5)
                self.engine.end(u.m, code)
            self.engine.store = some
            self.data(c, codes=['451', '250'])
            self.mail(c, 'a@localhost', 'b@localhost')

    def test_not_in_time(self):
        """no answer in time: to be repeated"""
        self.begin(t_backend=1)
        c = self.lhlo()
        self.mail(c)
        self.engine.store = lambda u: None
        self.data(c, codes=['451'])
        self.soon(True, lambda: 'st_cancel' in self.engine.seen)

    def test_early_end(self):
        """the storage has enough before we have sent all"""
        self.begin(message=0)
        for code, want in (('STORAGE_FULL', '452 4.3.1'),
                           ('TOO_LARGE', '552 5.3.4'), ('OK', '451')):
            def full(m):
                self.engine.uploads.pop((m.sid, m.req))
                for h in (1000, 999, 998, 997, 996, 995):
                    self.engine.reply(m, 'st_stored', rcpt=h, uid=1,
                                      code=0)
                self.engine.end(m, code)
            self.engine.hooks['began'] = full
            c = self.lhlo()
            self.mail(c, 'a@localhost', 'b@localhost')
            self.data(c, b'x\r\n' * 200000, [want] * 2)
            self.say(c, 'NOOP', '250')

    def test_client_dies(self):
        """in the middle: nothing is stored"""
        self.begin()
        for size in (100, 400000):
            c = self.lhlo()
            self.mail(c)
            self.say(c, 'DATA', '354')
            c.raw(b'x' * 78 * (size // 78) + b'\r\n')
            time.sleep(0.3)
            c.close()
            time.sleep(0.3)
            self.assertEqual([], self.engine.delivered)
            self.soon({}, lambda: self.engine.uploads)
        self.assertEqual(1, self.engine.seen.count('st_cancel'))

    def test_half_closed(self):
        """a client that closes its side behind QUIT is answered"""
        self.begin()
        c = self.lhlo()
        c.raw(b'MAIL FROM:<a@b>\r\nRCPT TO:<joe@localhost>\r\nDATA\r\n' +
              MAIL + b'.\r\nQUIT\r\n')
        c.sock.shutdown(socket.SHUT_WR)
        for code in ('250', '250', '354', '250', '221'):
            self.reply(c, code)

    def test_line_timeout(self):
        """a line that does not end"""
        self.begin(t_idle=3600, t_command=1)
        c = self.lhlo()
        self.mail(c)
        c.raw(b'RCPT TO:<jo')
        self.reply(c, '421')
        self.assertEqual(b'', c.rest())

    def test_command_timeout(self):
        """a message that does not go on"""
        self.begin(t_command=1)
        c = self.lhlo()
        self.mail(c)
        self.say(c, 'DATA', '354')
        c.raw(b'x\r\n')
        self.reply(c, '421')
        self.assertEqual(b'', c.rest())
        self.assertEqual([], self.engine.delivered)

    def test_stop(self):
        """stopping: a transaction is ended well"""
        self.begin()
        idle, c = self.lhlo(), self.lhlo()
        self.mail(c)
        self.child.parent.send('stop', grace=20)
        self.reply(idle, '421')
        self.data(c)
        self.reply(c, '421')
        self.assertEqual(b'', c.rest())
        self.child.proc.wait(5)
        self.child.killed = True
        self.assertEqual(0, self.child.proc.returncode)


class Size(Lmtp):
    def test_declared(self):
        """SIZE at MAIL: ours, and the storage's without what we add"""
        self.begin(message=500000)
        c = self.lhlo()
        self.assertIn('SIZE 497952', self.caps)
        self.say(c, 'MAIL FROM:<a@b> SIZE=497953', '552 5.3.4')
        self.say(c, 'MAIL FROM:<a@b> SIZE=99999999999999999999999', '501')
        self.say(c, 'MAIL FROM:<a@b> SIZE=497952', '250')
        self.engine.message = 0
        self.engine.inform()
        time.sleep(0.1)
        self.lhlo(c)
        self.assertIn('SIZE 1048576', self.caps)

    def test_exact(self):
        """as much as was announced, and one byte more"""
        self.begin(message=500000)
        c = self.lhlo()
        most = 497952
        text = b'A: 1\r\n\r\n' + b'x' * 70 + b'\r\n'
        text += b'y' * (most - len(text) - 2) + b'\r\n'
        self.assertEqual(most, len(text))
        self.mail(c)
        self.data(c, text)
        self.assertEqual(text, self.body(self.last()))
        self.assertLessEqual(len(self.last().data), 500000)
        self.mail(c, 'a@localhost', 'b@localhost')
        self.data(c, b'y' + text, ['552 5.3.4'] * 2)
        self.assertEqual(1, len(self.engine.delivered))
        self.soon({}, lambda: self.engine.uploads)
        self.mail(c)
        self.data(c)

    def test_too_big(self):
        """read to its end without being kept, small limit"""
        self.begin(message=0)
        self.reconfigure(message=10000)
        c = self.lhlo()
        self.mail(c)
        before = self.child.memory()
        self.data(c, b'x' * 98 + b'\r\n' + (b'y' * 98 + b'\r\n') * 200000,
                  ['552 5.3.4'])
        self.assertLess(self.child.memory() - before, 1000)
        self.assertNotIn('st_deliver', self.engine.seen)
        self.say(c, 'NOOP', '250')

    def test_endless(self):
        """but not for ever"""
        self.begin(t_command=1)
        self.reconfigure(message=10000, t_command=1)
        c = self.lhlo()
        self.mail(c)
        self.say(c, 'DATA', '354')
        end = time.monotonic() + 10
        with self.assertRaises(OSError):
            while time.monotonic() < end:
                c.raw(b'x' * 1000 + b'\r\n')
                time.sleep(0.01)
        self.child.logged('reason="command timeout"')

    def test_edges(self):
        """around what is held, and what is streamed"""
        self.begin(message=0)
        c = self.lhlo()
        modes = set()
        for size in (127 * K, 128 * K - 300, 128 * K - 200, 128 * K - 100,
                     128 * K, 160 * K, 256 * K, 257 * K, 700 * K):
            text = b'A: 1\r\n\r\n' + b'x' * (size - 10) + b'\r\n'
            self.mail(c)
            self.data(c, text)
            self.assertEqual(text, self.body(self.last()))
            modes.add(self.last().m.known)
            self.assertEqual(self.last().m.known,
                             len(self.last().data) <= 128 * K)
        self.assertEqual({0, 1}, modes)

    def test_credit(self):
        """a storage that takes no more stops the client; nobody else"""
        self.begin(message=0, conn_total=100)
        self.reconfigure(message=1 << 30)
        self.engine.hold = True
        big = b'A: 1\r\n\r\n' + (b'x' * 998 + b'\r\n') * 20000
        c, other = self.lhlo(), self.lhlo()
        before = self.child.memory()
        self.mail(c)
        self.say(c, 'DATA', '354')
        sent = threading.Thread(target=lambda: c.sock.sendall(
            big + b'.\r\n'), daemon=True)
        sent.start()
        time.sleep(0.5)
        (u,) = self.engine.uploads.values()
        self.assertEqual(0, u.credit)
        self.assertLess(self.child.memory() - before, 1000)
        # one that is small is stored meanwhile
        self.mail(other)
        self.data(other)
        self.assertTrue(sent.is_alive())
        self.engine.release()
        self.reply(c, '250')
        self.assertEqual(big, self.body(self.last()))
        self.assertLess(self.child.memory() - before, 1000)

    def test_credit_timeout(self):
        """and if it never takes more"""
        self.begin(t_backend=1)
        self.reconfigure(message=1 << 30, t_backend=1)
        self.engine.hold = True
        c = self.lhlo()
        self.mail(c)
        self.data(c, (b'x' * 998 + b'\r\n') * 5000, ['451'])
        self.soon({}, lambda: self.engine.uploads)
        self.assertEqual([], self.engine.delivered)
        self.say(c, 'NOOP', '250')

    def test_engine_dies(self):
        """in the middle of a large one"""
        self.begin()
        self.engine.hooks['began'] = lambda m: \
            self.engines[0].sock.shutdown(socket.SHUT_RDWR)
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost')
        self.data(c, (b'x' * 998 + b'\r\n') * 1000, ['451'] * 2)
        self.say(c, 'NOOP', '250')


class Bdat(Lmtp):
    def chunk(self, c, data, last=False):
        c.raw(b'BDAT %d%s\r\n' % (len(data), b' LAST' if last else b'') +
              data)

    def test_chunks(self):
        """one reply a chunk, one a recipient at the last"""
        self.begin()
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost')
        self.chunk(c, b'A: 1\r\n\r')
        self.assertIn('7 octets', self.reply(c, '250'))
        self.chunk(c, b'\n.\r\n')
        self.reply(c, '250')
        self.chunk(c, b'')
        self.assertIn('0 octets', self.reply(c, '250'))
        self.chunk(c, b'..x\r\n.\r\n', True)
        self.assertIn('<a@localhost>', self.reply(c, '250'))
        self.assertIn('<b@localhost>', self.reply(c, '250'))
        self.assertEqual(b'A: 1\r\n\r\n.\r\n..x\r\n.\r\n',
                         self.body(self.last()))
        self.soon([1], lambda: self.people.ended)

    def test_last_empty(self):
        """BDAT 0 LAST, and a last line without its end"""
        self.begin()
        c = self.lhlo()
        self.mail(c)
        self.chunk(c, b'A: 1\r\n\r\nbody')
        self.reply(c, '250')
        self.chunk(c, b'', True)
        self.reply(c, '250')
        self.assertEqual(b'A: 1\r\n\r\nbody\r\n', self.body(self.last()))
        self.mail(c)
        self.chunk(c, b'', True)
        self.reply(c, '250')
        self.assertEqual(b'', self.body(self.last()))

    def test_pipelined(self):
        self.begin()
        c = self.lhlo()
        c.raw(b'MAIL FROM:<a@b>\r\nRCPT TO:<joe@localhost>\r\n'
              b'BDAT 6\r\nA: 1\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n')
        for code in ('250',) * 6:
            self.reply(c, code)
        self.assertEqual(b'A: 1\r\n\r\nx\r\n', self.body(self.last()))

    def test_states(self):
        """DATA, RCPT and MAIL between chunks; BDAT without recipients"""
        self.begin(badcmds=100)
        c = self.lhlo()
        self.chunk(c, b'RSET\r\nQUIT\r\n', True)
        self.reply(c, '503')
        self.people.codes['no@localhost'] = ('UNKNOWN_RECIPIENT', '')
        self.say(c, 'MAIL FROM:<a@b>', '250')
        self.say(c, 'RCPT TO:<no@localhost>', '550')
        self.chunk(c, b'QUIT\r\n')
        self.reply(c, '503')
        # the message's beginning is lost: there is none any more
        self.say(c, 'RCPT TO:<joe@localhost>', '503')
        self.chunk(c, b'QUIT\r\n', True)
        self.reply(c, '503')
        self.mail(c)
        self.chunk(c, b'A: 1\r\n')
        self.reply(c, '250')
        for bad in ('DATA', 'RCPT TO:<jim@localhost>', 'MAIL FROM:<a@b>'):
            self.say(c, bad, '503')
        self.say(c, 'NOOP', '250')
        self.say(c, 'RSET', '250')
        self.mail(c)
        self.data(c)
        self.assertEqual(MAIL, self.body(self.last()))

    def test_skipped(self):
        """a chunk that nobody wants is read, whatever is in it; one of a
        size that is not known ends all"""
        self.begin(badcmds=100)
        evil = b'RSET\r\nMAIL FROM:<evil@b>\r\n' * 4000
        self.people.codes['no@localhost'] = ('UNKNOWN_RECIPIENT', '')
        c = self.connect()
        for before, codes in (
                (b'', ()), (b'LHLO x\r\n', None),
                (b'MAIL FROM:<a@@>\r\n', ('501',)),
                (b'MAIL FROM:<a@b> SIZE=99999999999\r\n'
                 b'RCPT TO:<joe@localhost>\r\n', ('552', '503')),
                (b'MAIL FROM:<a@b>\r\nRCPT TO:<no@localhost>\r\n'
                 b'RCPT TO:<>\r\n', ('250', '550', '501'))):
            c.raw(before + b'BDAT %d\r\n' % len(evil) + evil +
                  b'BDAT 0\r\nBDAT %d LAST\r\n' % len(evil) + evil +
                  b'NOOP\r\n')
            if codes is None:
                self.reply(c, '250')
            for code in (codes or ()) + ('503', '503', '503', '250'):
                self.reply(c, code)
        for bad in (b'BDAT', b'BDAT x', b'BDAT -1', b'BDAT 99 FIRST',
                    b'BDAT 99999999999999999999', b'bdat 99 LAST x',
                    b'BDAT 9223372036854775808', b'BDAT 99\0',
                    b'BDAT 99' + b' ' * 3000):
            for chunk in (b'', b'BDAT 6\r\nA: 1\r\n'):
                self.lhlo(c)
                self.mail(c)
                c.raw(chunk + bad + b'\r\nRSET\r\nMAIL FROM:<evil@b>\r\n'
                      b'BDAT 2 LAST\r\n\r\n')
                if chunk:
                    self.reply(c, '250')
                self.reply(c, '50')
                self.reply(c, '421')
                self.assertEqual(b'', c.rest())
                c.close()
                c = self.connect()
        self.assertEqual([], self.engine.delivered)

    def test_too_big(self):
        """refused at each chunk from there on, for each at the last"""
        self.begin()
        self.reconfigure(message=10000)
        c = self.lhlo()
        self.mail(c, 'a@localhost', 'b@localhost')
        self.chunk(c, b'x' * 9000 + b'\r\n')
        self.reply(c, '250')
        self.chunk(c, b'x' * 9000)
        self.reply(c, '552 5.3.4')
        self.chunk(c, b'x' * 5)
        self.reply(c, '552 5.3.4')
        self.chunk(c, b'', True)
        self.reply(c, '552 5.3.4')
        self.reply(c, '552 5.3.4')
        self.assertNotIn('st_deliver', self.engine.seen)

    def test_large(self):
        """large in large chunks, large in small ones"""
        self.begin()
        self.reconfigure(message=1 << 30)
        text = b'A: 1\r\n\r\n' + (b'x' * 77 + b'\r\n') * 10000
        c = self.lhlo()
        for size in (300000, 10000, 1000000):
            self.mail(c)
            before = self.child.memory()
            for i in range(0, len(text), size):
                self.chunk(c, text[i:i + size])
                self.reply(c, '250')
            self.chunk(c, b'', True)
            self.reply(c, '250')
            self.assertEqual(text, self.body(self.last()))
            self.assertLess(self.child.memory() - before, 1000)

    def test_held_back(self):
        """a storage that takes no more, between chunks"""
        self.begin()
        self.reconfigure(message=1 << 30)
        self.engine.hold = True
        text = b'A: 1\r\n\r\n' + (b'x' * 98 + b'\r\n') * 5000
        c = self.lhlo()
        self.mail(c)
        chunks = [text[i:i + 1000] for i in range(0, len(text), 1000)]
        thread = threading.Thread(target=lambda: [self.chunk(
            c, d, n == len(chunks) - 1) for n, d in enumerate(chunks)],
            daemon=True)
        thread.start()
        time.sleep(0.5)
        self.engine.release()
        for _ in chunks:
            self.reply(c, '250')
        self.assertEqual(text, self.body(self.last()))


if __name__ == '__main__':
    atf.main()
