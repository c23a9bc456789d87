#!/usr/bin/env python3
"""The pop3 process with raw clients; auth and the storage are played."""

import os
import poplib
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf
from base64 import b64encode
from engine import Engine, row
from house import CAP, Listener, ST


def plain(user, password, authzid=''):
    return b64encode(('%s\0%s\0%s' % (authzid, user, password)).encode()
                     ).decode()


def message(n, size=300):
    head = 'From: a@example.org\r\nSubject: message %d\r\n\r\n' % n
    body = ('%08d ' % n * 7 + '\r\n')
    text = (head + body * (size // len(body) + 1)).encode()[:size - 2]
    return text.replace(b'\r\n', b'\n').replace(b'\r', b'x').replace(
        b'\n', b'\r\n')[:size - 2] + b'\r\n'


class Pop3(Listener):
    role = 'pop3'

    def begin(self, n=3, caps=None, up=True, **lim):
        super().begin(**lim)
        self.engine = Engine(self.engines[0])
        if caps is not None:
            self.engine.caps = caps
        self.engine.messages = {100 + 10 * i: message(i, 300 + i)
                                for i in range(1, n + 1)}
        if up:
            self.engine.inform()
        self.engine.start()

    def tearDown(self):
        super().tearDown()
        self.assertIsNone(self.engine.error)

    def grant(self, acct=1, user='joe', **fields):
        m = self.auth.until('auth_req', **fields)
        self.auth.send('auth_ok', sid=m.sid, user=user, engine=0, acct=acct,
                       egen=self.engines[0].gen, storage=0)
        return m

    def refuse(self, code='BAD_CREDENTIALS', text='No'):
        m = self.auth.until('auth_req')
        self.auth.send('auth_fail', sid=m.sid, code=ST[code], text=text)

    def login(self):
        c = self.connect()
        self.assertEqual('+OK', c.cmd('USER joe')[:3])
        c.send('PASS pw')
        self.grant(user='joe')
        self.assertEqual('+OK', c.line()[:3])
        return c

    def ok(self, line):
        self.assertTrue(line.startswith('+OK'), line)
        return line

    def err(self, line, code=None):
        self.assertTrue(line.startswith('-ERR'), line)
        if code:
            self.assertIn('[%s]' % code, line)
        return line

    def ended(self, c, reason):
        self.assertEqual(b'', c.rest())
        self.child.logged('event=closed.*reason="%s"' % reason)

    def retr(self, c, n):
        head = c.cmd('RETR %d' % n)
        self.ok(head)
        data = '\r\n'.join(c.block() + ['']).encode('utf-8',
                                                    'surrogateescape')
        self.assertEqual(len(data), int(head.split()[1]))
        return data


class Authorization(Pop3):
    def test_user_pass(self):
        """USER and PASS, with blanks in the password"""
        self.begin()
        c = self.connect()
        self.assertEqual('+OK mail.example.org POP3 ready', c.greeting)
        self.ok(c.cmd('user joe smith'))
        c.send('pAsS  a b ')
        self.grant(user='joe', mech=0, secret=' a b ', tls=0,
                   remote='127.0.0.1', authzid='')
        self.assertEqual('+OK 3 messages (906 octets)', c.line())
        self.err(c.cmd('PASS x'))

    def test_plain(self):
        """AUTH PLAIN, with and without an initial response"""
        self.begin()
        c = self.connect()
        self.assertEqual('+ ', c.cmd('AUTH PLAIN'))
        c.send(plain('joe', 'p w', 'joe'))
        m = self.grant()
        self.assertEqual(('joe', 'p w', 'joe'), (m.user, m.secret,
                                                 m.authzid))
        self.ok(c.line())
        c = self.connect()
        c.send('auth plain ' + plain('joe', 'pw'))
        self.grant(secret='pw', authzid='')
        self.ok(c.line())

    def test_plain_bad(self):
        """broken responses, cancelled, too long, unknown mechanisms"""
        self.begin(badcmds=100)
        c = self.connect()
        for bad in ('*', '', '=', '====', 'AGpvZQ', 'AGpvZQBwd', '!',
                    plain('joe', ''), plain('', 'pw'), 'QUIT',
                    b64encode(b'joe\0pw').decode(),
                    b64encode(b'\0joe\0pw\0more').decode(),
                    plain('j' * 256, 'pw'), 'A' * 12000):
            self.assertEqual('+ ', c.cmd('AUTH PLAIN'))
            self.err(c.cmd(bad))
        self.err(c.cmd('AUTH PLAIN ='))
        self.err(c.cmd('AUTH PLAIN AGpvZQ'))
        self.err(c.cmd('AUTH LOGIN'))
        self.err(c.cmd('AUTH PLAIN a b'))
        self.ok(c.cmd('AUTH'))
        self.assertEqual(['PLAIN'], c.block())

    def test_refused(self):
        """what auth says, as response codes; too many end it"""
        self.begin(badcmds=4)
        c = self.connect()
        for code, want in (('BAD_CREDENTIALS', 'AUTH'),
                           ('EXPIRED', 'AUTH'), ('LIMIT', 'IN-USE'),
                           ('TRY_LATER', 'SYS/TEMP')):
            self.ok(c.cmd('USER joe'))
            c.send('PASS pw')
            self.refuse(code, 'be\rcause\n\xe9')
            line = self.err(c.line(), want)
            self.assertTrue(line.endswith('be?cause???'), line)
        self.err(c.cmd('PASS pw'))
        self.err(c.line())
        self.ended(c, 'too many bad commands')

    def test_too_many_failures(self):
        self.begin(badcmds=1)
        c = self.connect()
        for _ in range(2):
            self.ok(c.cmd('USER joe'))
            c.send('PASS pw')
            self.refuse()
            self.err(c.line(), 'AUTH')
        self.err(c.line())
        self.ended(c, 'too many failed logins')

    def test_no_auth(self):
        """no auth process, and one that dies with the question"""
        self.begin()
        c = self.connect()
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        self.auth.until('auth_req')
        self.auth.close()
        self.err(c.line(), 'SYS/TEMP')
        self.ok(c.cmd('USER joe'))
        self.err(c.cmd('PASS pw'), 'SYS/TEMP')
        self.auth = self.child.peer('auth')
        self.auth.expect('conn_open')
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        self.grant()
        self.ok(c.line())

    def test_auth_restarts(self):
        """a new auth hears who is logged in; one that comes before the old
        one's end is seen is the one that counts"""
        self.begin()
        c, d = self.login(), self.connect()
        self.ok(d.cmd('USER joe'))
        d.send('PASS pw')
        m = self.auth.until('auth_req')
        old, self.auth = self.auth, self.child.peer('auth')
        told = {m.sid: m.fields['in'] for m in (
            self.auth.expect('conn_open'), self.auth.expect('conn_open'))}
        self.assertEqual(0, told.pop(m.sid))
        self.assertEqual([1], list(told.values()))
        # the old one's word comes too late
        try:
            old.send('auth_ok', sid=m.sid, user='joe',
                     egen=self.engines[0].gen)
        except OSError:
            pass
        self.err(d.line(), 'SYS/TEMP')
        self.err(d.cmd('STAT'))
        self.ok(d.cmd('USER joe'))
        d.send('PASS pw')
        self.grant()
        self.ok(d.line())
        self.ok(c.cmd('STAT'))

    def test_slow_auth(self):
        """auth does not answer in time, and then does"""
        self.begin(t_backend=1)
        c = self.connect()
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        m = self.auth.until('auth_req')
        self.err(c.line(), 'SYS/TEMP')
        self.auth.send('auth_ok', sid=m.sid, user='joe',
                       egen=self.engines[0].gen)
        self.ended(c, 'storage timeout')
        self.auth.until('conn_close')

    def test_states(self):
        """commands of the other state, unknown ones, wrong ones"""
        self.begin(badcmds=100)
        c = self.connect()
        for bad in ('STAT', 'LIST', 'RETR 1', 'DELE 1', 'NOOP', 'RSET',
                    'TOP 1 1', 'UIDL', 'PASS x', 'APOP joe x', 'XYZ', '',
                    ' ', 'USER', 'LAST', 'UTF8', 'STLS'):
            self.err(c.cmd(bad))
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        self.grant()
        self.ok(c.line())
        for bad in ('USER joe', 'PASS x', 'AUTH PLAIN', 'STLS', 'RETR',
                    'RETR x', 'RETR 0', 'RETR 4', 'RETR 4294967296',
                    'RETR 1 2', 'TOP 1', 'TOP 1 x', 'TOP 4 1', 'DELE 4',
                    'DELE', 'LIST 4', 'UIDL 9', 'LIST x', 'RETR -1'):
            self.err(c.cmd(bad))
        self.ok(c.cmd('NOOP'))

    def test_quit(self):
        self.begin()
        c = self.connect()
        self.ok(c.cmd('QUIT'))
        self.ended(c, 'quit')

    def test_capa(self):
        """before and after"""
        self.begin()
        c = self.connect()
        self.ok(c.cmd('CAPA'))
        before = c.block()
        for cap in ('TOP', 'UIDL', 'USER', 'SASL PLAIN', 'PIPELINING',
                    'RESP-CODES', 'AUTH-RESP-CODE',
                    'IMPLEMENTATION mfrontd'):
            self.assertIn(cap, before)
        self.assertNotIn('STLS', before)
        for cap in before:
            self.assertFalse(cap.startswith(('EXPIRE', 'LOGIN-DELAY')))
        c = self.login()
        self.ok(c.cmd('CAPA'))
        self.assertEqual(before, c.block())

    def test_clear_refused(self):
        """no passwords in the clear, if loopback is not excepted"""
        self.begin(plain_loopback=0)
        c = self.connect()
        self.ok(c.cmd('CAPA'))
        caps = c.block()
        self.assertNotIn('USER', caps)
        self.assertNotIn('SASL PLAIN', caps)
        for cmd in ('USER joe', 'PASS pw', 'AUTH PLAIN',
                    'AUTH PLAIN ' + plain('joe', 'pw'), 'AUTH'):
            self.assertIn('TLS', self.err(c.cmd(cmd)))
        self.auth.expect('conn_open')
        self.auth.silent(0.1)

    def test_unix(self):
        """a unix socket is as good as TLS"""
        self.begin(plain_loopback=0, unix=True)
        c = self.connect()
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        self.grant(remote='local')
        self.ok(c.line())

    def test_login_timeout(self):
        """nobody stays without a login, busy or not"""
        self.begin(t_login=2)
        c, busy = self.connect(), self.connect()
        end = time.monotonic() + 6
        with self.assertRaises((EOFError, ConnectionError)):
            while time.monotonic() < end:
                busy.cmd('CAPA')
                busy.block()
                time.sleep(0.1)
        self.assertIn(b'-ERR No login', c.rest())

    def test_limits(self):
        """too many connections, too many without a login, kicks"""
        self.begin(conn_total=2)
        a, b = self.connect(), self.connect()
        c = self.connect(greet=False)
        self.err(c.line(), 'SYS/TEMP')
        self.ended(c, 'Too many connections')
        a.close()
        time.sleep(0.2)
        c = self.connect()
        self.ok(c.greeting)
        m = self.auth.until('conn_open')
        for _ in range(2):
            m = self.auth.until('conn_open')
        m = self.auth.until('conn_open')
        self.auth.send('kick', sid=m.sid, why=0, text='x')
        self.err(c.line(), 'SYS/TEMP')
        self.ended(c, 'Too many connections from your address')
        self.ok(b.cmd('CAPA'))


class Descriptors(Pop3):
    hello = dict(nfiles=40)

    @staticmethod
    def is_closed(c):
        c.sock.setblocking(False)
        try:
            return c.sock.recv(1000) == b''
        except BlockingIOError:
            return False

    def test_none_left(self):
        """without a descriptor the newest are turned away; those that are
        there go on, and when some leave others may come"""
        self.begin()
        held = [self.connect() for _ in range(10)]
        more = [self.connect(greet=False) for _ in range(60)]
        # one a second
        self.soon(True, lambda: self.child.log().count('Too many open') > 2)
        self.assertGreater(sum(map(self.is_closed, more)), 0)
        self.assertEqual(0, sum(map(self.is_closed, held)))
        for c in held:
            self.ok(c.cmd('CAPA'))
            c.block()
        for c in more:
            c.close()
        self.ok(self.connect().greeting)


class Tls(Pop3):
    tls = 1

    def test_stls(self):
        """STLS, and what is offered then"""
        self.begin(plain_loopback=0)
        c = self.connect()
        self.ok(c.cmd('CAPA'))
        self.assertIn('STLS', c.block())
        self.ok(c.cmd('STLS'))
        c.starttls()
        self.ok(c.cmd('CAPA'))
        caps = c.block()
        self.assertNotIn('STLS', caps)
        self.assertIn('USER', caps)
        self.err(c.cmd('STLS'))
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        self.grant(tls=1)
        self.ok(c.line())
        self.assertEqual(message(2, 302), self.retr(c, 2))

    def test_injection(self):
        """what was sent in the clear behind STLS is gone"""
        self.begin(plain_loopback=1)
        c = self.connect()
        self.ok(c.cmd('USER joe'))
        c.raw(b'STLS\r\nPASS pw\r\nNOOP\r\nCAPA\r\n')
        self.ok(c.line())
        c.starttls()
        # the user said before does not count either
        self.err(c.cmd('PASS pw'))
        c.silent()
        self.auth.expect('conn_open')
        self.auth.silent(0.1)

    def test_no_handshake(self):
        """not a handshake, and none at all"""
        self.begin(t_login=1)
        c, d = self.connect(), self.connect()
        self.ok(c.cmd('STLS'))
        c.send('USER joe, this is no TLS')
        c.rest()
        self.child.logged('reason="TLS handshake failed"')
        self.ok(d.cmd('STLS'))
        d.rest()
        self.child.logged('reason="login timeout"')


class TlsFirst(Pop3):
    tls = 2

    def test_pop3s(self):
        """TLS from the first byte, with poplib"""
        import tls
        self.begin(plain_loopback=0)
        c = poplib.POP3_SSL('127.0.0.1', self.address[1],
                            context=tls.context())
        c.user('joe')
        c._putcmd('PASS pw')
        self.grant(tls=1)
        c._getresp()
        self.assertEqual((3, 906), c.stat())
        self.assertEqual(message(1, 301), b'\r\n'.join(c.retr(1)[1]) +
                         b'\r\n')
        c.quit()

    def test_refused_early(self):
        """a connection too many is closed without a handshake"""
        self.begin(conn_total=0)
        c = self.connect(greet=False)
        self.ended(c, 'Too many connections')


class Transaction(Pop3):
    def test_listings(self):
        """STAT, LIST, UIDL of all and of one, with and without marks"""
        self.begin()
        c = self.login()
        self.assertEqual('+OK 3 906', c.cmd('STAT'))
        self.ok(c.cmd('LIST'))
        self.assertEqual(['1 301', '2 302', '3 303'], c.block())
        self.assertEqual('+OK 2 302', c.cmd('LIST 2'))
        self.ok(c.cmd('UIDL'))
        uids = ['%d %08x%08x' % (i, 7, 100 + 10 * i) for i in (1, 2, 3)]
        self.assertEqual(uids, c.block())
        self.assertEqual('+OK ' + uids[2], c.cmd('UIDL 3'))
        self.ok(c.cmd('DELE 2'))
        self.assertEqual('+OK 2 604', c.cmd('STAT'))
        self.ok(c.cmd('LIST'))
        self.assertEqual(['1 301', '3 303'], c.block())
        self.ok(c.cmd('UIDL'))
        self.assertEqual([uids[0], uids[2]], c.block())
        for cmd in ('LIST 2', 'UIDL 2', 'RETR 2', 'TOP 2 0', 'DELE 2'):
            self.err(c.cmd(cmd))
        self.ok(c.cmd('RSET'))
        self.assertEqual('+OK 3 906', c.cmd('STAT'))
        self.assertEqual('+OK 2 302', c.cmd('LIST 2'))

    def test_empty(self):
        self.begin(n=0)
        c = self.login()
        self.assertEqual('+OK 0 0', c.cmd('STAT'))
        for cmd in ('LIST', 'UIDL'):
            self.ok(c.cmd(cmd))
            self.assertEqual([], c.block())
        self.err(c.cmd('RETR 1'))
        self.ok(c.cmd('QUIT'))

    def test_retr(self):
        """messages byte for byte; ids are asked for a window at a time"""
        self.begin(n=100)
        self.engine.messages[110] = (b'A: 1\r\n\r\n.\r\n..\r\n.x\r\n\r\n'
                                     b'\0\xff\xfe\r\n.\r\n')
        self.engine.messages[120] = b''
        self.engine.messages[130] = b'\r\n'
        c = self.login()
        for n in range(1, 101):
            self.assertEqual(self.engine.messages[100 + 10 * n],
                             self.retr(c, n))
        self.assertEqual(1 + 2, self.engine.seen.count('st_list'))
        self.assertEqual(message(50, 350), self.retr(c, 50))
        self.assertEqual(1 + 3, self.engine.seen.count('st_list'))

    def test_small(self):
        """a small maildrop's ids come with the list, whatever its rows"""
        self.begin(n=0)
        self.engine.messages = {u: b'x' * (u % 2) for u in range(1, 64)}
        self.engine.messages[70] = message(1, 500)
        self.engine.rows = (row([(1, 63)], 'id70', 500) +
                            row([70], 'id70', 500))
        c = self.login()
        for n in (64, 1, 30):
            self.assertEqual(message(1, 500), self.retr(c, n))
        self.assertEqual(1, self.engine.seen.count('st_list'))

    def test_grown(self):
        """it grew since its size was asked: ids are asked for as usual"""
        self.begin(n=70)
        self.engine.hooks['st_mailboxes'] = lambda m: (
            self.engine.reply(m, 'st_mbox', id='m1', name='INBOX',
                              messages=3),
            self.engine.end(m))
        c = self.login()
        for n in (1, 70, 5):
            self.assertEqual(message(n, 300 + n), self.retr(c, n))

    def test_unended(self):
        """a message whose last line has no end: the reply has one"""
        self.begin(n=1)
        self.engine.messages[110] = b'A: 1\r\n\r\nbody'
        c = self.login()
        self.assertEqual('+OK 12 octets', c.cmd('RETR 1'))
        self.assertEqual(['A: 1', '', 'body'], c.block())

    def test_top(self):
        """TOP, which stops the storage when it has enough"""
        self.begin(n=1)
        self.engine.messages[110] = (b'A: 1\r\nB: 2\r\n\r\none\r\n.two\r\n' +
                                     b'three\r\n' * 100000)
        c = self.login()
        for n, want in ((0, []), (1, ['one']), (2, ['one', '.two']),
                        (3, ['one', '.two', 'three'])):
            self.ok(c.cmd('TOP 1 %d' % n))
            self.assertEqual(['A: 1', 'B: 2', ''] + want, c.block())
        self.assertLess(self.engine.most_inflight, 40000)
        self.ok(c.cmd('TOP 1 4294967295'))
        self.assertEqual(100000 + 5, len(c.block()))
        self.soon(4, lambda: self.engine.seen.count('st_cancel'))

    def test_pipelining(self):
        """everything at once, answered in order"""
        self.begin(n=30)
        c = self.login()
        cmds = ['NOOP', 'STAT', 'LIST', 'UIDL 1', 'DELE 30']
        cmds += ['RETR %d' % n for n in range(1, 30)]
        cmds += ['XYZ', 'TOP 1 0', 'RSET', 'QUIT']
        c.send(*cmds)
        self.ok(c.line())
        self.ok(c.line())
        self.ok(c.line())
        self.assertEqual(30, len(c.block()))
        self.ok(c.line())
        self.ok(c.line())
        for n in range(1, 30):
            self.ok(c.line())
            self.assertEqual(message(n, 300 + n), '\r\n'.join(
                c.block() + ['']).encode())
        self.err(c.line())
        self.ok(c.line())
        c.block()
        self.ok(c.line())
        self.ok(c.line())
        self.ended(c, 'quit')

    def test_half_closed(self):
        """a client that says all it has to say and closes its side"""
        self.begin()
        c = self.login()
        c.send('RETR 1', 'RETR 2', 'QUIT')
        c.sock.shutdown(socket.SHUT_WR)
        for n in (1, 2):
            self.ok(c.line())
            self.assertEqual(message(n, 300 + n), '\r\n'.join(
                c.block() + ['']).encode())
        self.ok(c.line())
        self.assertEqual(b'', c.rest())

    def test_bytewise(self):
        """one byte at a time"""
        self.begin()
        c = self.connect()
        for b in b'USER joe\r\nPASS pw\r\n':
            c.raw(bytes([b]))
            time.sleep(0.002)
        self.ok(c.line())
        self.grant()
        self.ok(c.line())
        for b in b'STAT\r\nQUIT\r\n':
            c.raw(bytes([b]))
        self.assertEqual('+OK 3 906', c.line())
        self.ok(c.line())

    def test_rows(self):
        """rows for sets, out of order, with holes"""
        self.begin(n=0)
        self.engine.messages = {u: b'x' * s for u, s in (
            (5, 10), (6, 20), (7, 10), (9, 30), (4294967295, 20))}
        self.engine.rows = (row([5, 7], None, 10) +
                            row([6, 4294967295], None, 20) +
                            row([9], None, 30))
        c = self.login()
        self.ok(c.cmd('LIST'))
        self.assertEqual(['1 10', '2 20', '3 10', '4 30', '5 20'], c.block())
        self.ok(c.cmd('UIDL'))
        self.assertEqual(['%d %08x%08x' % (i + 1, 7, u) for i, u in
                          enumerate((5, 6, 7, 9, 4294967295))], c.block())
        self.assertEqual(b'x' * 30 + b'\r\n', self.raw_retr(c, 4))

    def raw_retr(self, c, n):
        self.ok(c.cmd('RETR %d' % n))
        return '\r\n'.join(c.block() + ['']).encode()

    def test_snapshot(self):
        """the maildrop is what it was at login"""
        self.begin()
        c = self.login()
        self.engine.messages[999] = b'new\r\n'
        del self.engine.messages[120]
        self.assertEqual('+OK 3 906', c.cmd('STAT'))
        self.assertEqual(message(1, 301), self.retr(c, 1))
        self.assertIn('gone', self.err(c.cmd('RETR 2'), 'SYS/PERM'))
        self.assertEqual(message(3, 303), self.retr(c, 3))
        self.err(c.cmd('RETR 4'))

    def test_gone_late(self):
        """a message that goes between its id and its bytes"""
        self.begin()
        c = self.login()
        self.assertEqual(message(1, 301), self.retr(c, 1))
        del self.engine.messages[120]
        self.assertIn('gone', self.err(c.cmd('RETR 2'), 'SYS/PERM'))
        self.assertEqual(message(3, 303), self.retr(c, 3))

    def test_idle(self):
        """after idling: closed without a word, nothing deleted"""
        self.begin(t_idle=1)
        c = self.login()
        self.ok(c.cmd('DELE 1'))
        self.ended(c, 'idle timeout')
        self.assertNotIn('st_expunge', self.engine.seen)

    def test_command_time(self):
        """a line that does not end"""
        self.begin(t_idle=3600, t_command=1)
        c, idle = self.login(), self.login()
        c.raw(b'NOO')
        self.ended(c, 'command timeout')
        self.ok(idle.cmd('NOOP'))
        self.assertNotIn('st_expunge', self.engine.seen)

    def test_lines(self):
        """over-long lines, NUL, bare CR, 8 bits"""
        self.begin(badcmds=100)
        c = self.login()
        self.err(c.cmd('RETR ' + '1' * 300))
        self.err(c.cmd(b'NOOP\0'))
        self.err(c.cmd(b'NO\rOP'))
        self.err(c.cmd(b'\xff\xfe'))
        c.raw(b'NOOP\n')
        self.ok(c.line())
        c.raw(b'A' * 20000)
        self.err(c.line())
        self.ended(c, 'line too long')

    def test_bad_commands(self):
        self.begin(badcmds=3)
        c = self.login()
        for _ in range(3):
            for _ in range(3):
                self.err(c.cmd('XYZ'))
            self.ok(c.cmd('NOOP'))
        for _ in range(4):
            self.err(c.cmd('XYZ'))
        self.err(c.line())
        self.ended(c, 'too many bad commands')

    def test_show(self):
        """mfrontctl show sessions"""
        self.begin()
        c = self.login()
        d = self.connect()
        d.cmd('CAPA')
        control = self.child.peer('control')
        control.send('ctl_sessions', req=3, count=10)
        found = {}
        while True:
            m = control.recv()
            if m.type == 'ctl_end':
                break
            found[m.user] = (m.state, m.mailbox, m.service)
        self.assertEqual({'joe': ('transaction', 'INBOX', 'pop3'),
                          '': ('authorization', '', 'pop3')}, found)


class Deletion(Pop3):
    def test_quit(self):
        """marked messages go at QUIT, at once"""
        self.begin(n=10)
        c = self.login()
        for n in (1, 2, 3, 7, 10):
            self.ok(c.cmd('DELE %d' % n))
        self.assertEqual('+OK Bye, 5 deleted', c.cmd('QUIT'))
        self.ended(c, 'quit')
        self.assertEqual([140, 150, 160, 180, 190],
                         sorted(self.engine.messages))
        self.assertEqual(1, len(self.engine.expunged))

    def test_no_quit(self):
        """a connection that just ends deletes nothing"""
        self.begin()
        c = self.login()
        self.ok(c.cmd('DELE 1'))
        c.close()
        time.sleep(0.3)
        self.assertNotIn('st_expunge', self.engine.seen)

    def test_reset(self):
        self.begin()
        c = self.login()
        self.ok(c.cmd('DELE 1'))
        self.ok(c.cmd('RSET'))
        self.ok(c.cmd('QUIT'))
        self.assertNotIn('st_expunge', self.engine.seen)

    def test_kicked(self):
        """nor does one that is kicked"""
        self.begin()
        c = self.login()
        self.ok(c.cmd('DELE 1'))
        m = self.auth.until('conn_open')
        self.auth.send('kick', sid=m.sid, why=3, text='x')
        self.err(c.line(), 'SYS/TEMP')
        self.ended(c, 'Disconnected by administrator')
        self.assertNotIn('st_expunge', self.engine.seen)

    def test_fails(self):
        """an expunge that fails is no good bye"""
        for code in ('UNAVAILABLE', 'CUT', 'READ_ONLY', 'INTERNAL',
                     'NO_SUCH_MAILBOX'):
            self.begin()
            self.engine.hooks['st_expunge'] = lambda m: self.engine.end(
                m, code) or True
            c = self.login()
            self.ok(c.cmd('DELE 1'))
            self.assertIn('not have been', self.err(c.cmd('QUIT')))
            self.ended(c, 'quit, but not deleted')

    def test_no_answer(self):
        self.begin(t_backend=1)
        self.engine.hooks['st_expunge'] = lambda m: True
        c = self.login()
        self.ok(c.cmd('DELE 1'))
        self.err(c.cmd('QUIT'), 'SYS/TEMP')
        self.ended(c, 'storage timeout')

    def test_engine_dies(self):
        self.begin()
        self.engine.hooks['st_expunge'] = lambda m: \
            self.engines[0].sock.shutdown(socket.SHUT_RDWR) or True
        c = self.login()
        self.ok(c.cmd('DELE 1'))
        self.err(c.cmd('QUIT'), 'SYS/TEMP')
        self.assertEqual(b'', c.rest())

    def test_read_only(self):
        """a storage that cannot delete says so at DELE"""
        self.begin(caps=0)
        c = self.login()
        self.err(c.cmd('DELE 1'), 'SYS/PERM')
        self.ok(c.cmd('QUIT'))

    def test_read_only_mailbox(self):
        self.begin()
        self.engine.mailbox_has = 0x40
        c = self.login()
        self.err(c.cmd('DELE 1'), 'SYS/PERM')

    def test_many_ranges(self):
        """a set that one request cannot name goes in several"""
        self.begin(n=0, badcmds=100)
        self.engine.messages = {u: b'x\r\n' for u in range(2, 10002, 2)}
        c = self.login()
        marks = [n for n in range(1, 5001) if n % 2]
        c.send(*['DELE %d' % n for n in marks])
        for _ in marks:
            self.ok(c.line())
        self.assertEqual('+OK Bye, 2500 deleted', c.cmd('QUIT'))
        self.assertEqual(2500, len(self.engine.messages))
        self.assertEqual([1000, 1000, 500],
                         [len(e) for e in self.engine.expunged])


class Trouble(Pop3):
    def load_fails(self, why, **hooks):
        self.begin()
        self.engine.hooks = hooks
        c = self.connect()
        self.ok(c.cmd('USER joe'))
        c.send('PASS pw')
        self.grant()
        line = self.err(c.line())
        self.ended(c, 'no maildrop')
        self.assertIn(why, line)

    def test_no_mailboxes(self):
        self.load_fails('[SYS/TEMP]', st_mailboxes=lambda m:
                        self.engine.end(m, 'UNAVAILABLE') or True)

    def test_no_inbox(self):
        self.load_fails('[SYS/PERM]', st_mailboxes=lambda m:
                        self.engine.end(m) or True)

    def test_list_fails(self):
        self.load_fails('[SYS/TEMP]', st_list=lambda m:
                        self.engine.end(m, 'CUT') or True)

    def test_no_head(self):
        self.load_fails('[SYS/TEMP]', st_list=lambda m:
                        self.engine.end(m) or True)

    def test_no_sizes(self):
        def head(m):
            self.engine.reply(m, 'st_head', uidvalidity=1, fields=0)
            self.engine.end(m)
            return True
        self.load_fails('[SYS/TEMP]', st_list=head)

    def rows(self, rows):
        def send(m):
            self.engine.reply(m, 'st_head', uidvalidity=1, fields=4)
            self.engine.reply(m, 'st_rows', rows=rows)
            self.engine.end(m)
            return True
        return send

    def test_bad_rows(self):
        """rows that are none, without a size, of one uid twice"""
        for rows in (b'xxxx', row([1], 'id'), row([1], None, 1) * 2,
                     row([(1, 4294967295)], None, 5)):
            self.load_fails('[SYS/TEMP]', st_list=self.rows(rows))

    def test_cut(self):
        """bytes that break off: the connection is closed, no end is sent"""
        for code in ('OK', 'CUT', 'UNAVAILABLE'):
            self.begin(n=1)
            self.engine.messages[110] = message(1, 100000)
            self.engine.hooks['sent'] = lambda m, pieces: (
                time.sleep(0.1) or self.engine.end(m, code) or True) \
                if m.type == 'st_get' else False
            c = self.login()
            self.ok(c.cmd('RETR 1'))
            data = c.rest()
            self.assertGreater(len(data), 10000)
            self.assertFalse(data.endswith(b'\r\n.\r\n'))
            self.child.logged('reason="the storage cut a message off"')

    def test_cut_engine(self):
        """the engine dies in the middle"""
        self.begin(n=1)
        self.engine.messages[110] = message(1, 100000)
        self.engine.hooks['sent'] = lambda m, pieces: m.type == 'st_get' \
            and (time.sleep(0.1) or
                 self.engines[0].sock.shutdown(socket.SHUT_RDWR) or True)
        c = self.login()
        self.ok(c.cmd('RETR 1'))
        self.assertFalse(c.rest().endswith(b'\r\n.\r\n'))
        self.child.logged('cut a message off')

    def test_too_much(self):
        """more bytes than the message has"""
        self.begin(n=1)

        def send(m):
            self.engine.reply(m, 'st_data', data=b'x' * 302)
            return True
        self.engine.hooks['st_get'] = send
        c = self.login()
        c.send('RETR 1')
        self.assertNotIn(b'\r\n.\r\n', c.rest())

    def test_fails_before(self):
        """an error before the first byte is an error"""
        self.begin()
        c = self.login()
        for code, want in (('UNAVAILABLE', 'SYS/TEMP'),
                           ('NO_GRANT', 'SYS/TEMP'),
                           ('INTERNAL', 'SYS/TEMP'),
                           ('OK', 'SYS/TEMP')):
            self.engine.hooks['st_get'] = lambda m: self.engine.end(
                m, code) or True
            self.err(c.cmd('RETR 1'), want)
            self.err(c.cmd('TOP 1 0'), want)
        self.engine.hooks = {'st_list': lambda m: self.engine.end(
            m, 'UNAVAILABLE') or True}
        # its id is known
        self.assertEqual(message(2, 302), self.retr(c, 2))

    def test_ids_fail(self):
        """ids that cannot be had now can be had later"""
        self.begin(n=70)
        c = self.login()
        self.engine.hooks['st_list'] = lambda m: self.engine.end(
            m, 'UNAVAILABLE') or True
        self.err(c.cmd('RETR 2'), 'SYS/TEMP')
        del self.engine.hooks['st_list']
        self.assertEqual(message(2, 302), self.retr(c, 2))

    def test_slow(self):
        """a storage that does not answer in time, at first and in the
        middle"""
        self.begin(n=2, t_backend=1)
        self.engine.messages[120] = message(2, 100000)
        c = self.login()
        self.engine.hooks['st_get'] = lambda m: m.id == 'id110'
        self.err(c.cmd('RETR 1'), 'SYS/TEMP')
        self.soon(True, lambda: 'st_cancel' in self.engine.seen)
        # a late answer goes nowhere
        self.engine.hooks['sent'] = lambda m, pieces: m.type == 'st_get'
        self.ok(c.cmd('RETR 2'))
        self.assertFalse(c.rest().endswith(b'\r\n.\r\n'))
        self.child.logged('reason="storage timeout"')

    def test_engine_restarts(self):
        """the session goes on with the new engine"""
        self.begin()
        c = self.login()
        self.assertEqual(message(1, 301), self.retr(c, 1))
        self.engines[0].sock.shutdown(socket.SHUT_RDWR)
        time.sleep(0.1)
        # held until the grant is there again
        c.send('RETR 2', 'NOOP')
        c.silent(0.2)
        chan = self.child.peer('engine')
        engine = Engine(chan)
        engine.messages = self.engine.messages
        engine.start()
        c.silent(0.2)
        sid = self.auth.until('conn_open').sid
        self.auth.send('regrant', sid=sid, engine=0, egen=chan.gen, acct=9)
        self.ok(c.line())
        c.block()
        self.ok(c.line())

    def test_regrant_first(self):
        """the grant comes before the engine itself is known"""
        self.begin()
        c = self.login()
        self.engines[0].sock.shutdown(socket.SHUT_RDWR)
        time.sleep(0.1)
        c.send('RETR 2')
        sid = self.auth.until('conn_open').sid
        self.auth.send('regrant', sid=sid, engine=0, egen=77, acct=9)
        c.silent(0.2)
        chan = self.child.peer('engine', gen=77)
        engine = Engine(chan)
        engine.messages = self.engine.messages
        engine.start()
        self.ok(c.line())

    def test_kick_in_message(self):
        """kicked in the middle of a message: nothing that looks like one"""
        self.begin(n=1)
        self.engine.messages[110] = message(1, 100000)
        self.engine.hooks['sent'] = lambda m, pieces: m.type == 'st_get'
        c = self.login()
        self.ok(c.cmd('RETR 1'))
        sid = self.auth.until('conn_open').sid
        self.auth.send('kick', sid=sid, why=3, text='x')
        data = c.rest()
        self.assertNotIn(b'-ERR', data)
        self.assertFalse(data.endswith(b'\r\n.\r\n'))

    def test_stop(self):
        """stopping: idle sessions at once, busy ones when they are done"""
        self.begin(n=1)
        self.engine.messages[110] = message(1, 50000)
        held = []
        self.engine.hooks['st_get'] = lambda m: held.append(m) or True
        idle, c = self.login(), self.login()
        c.send('RETR 1')
        while not held:
            time.sleep(0.01)
        self.child.parent.send('stop', grace=20)
        self.err(idle.line(), 'SYS/TEMP')
        self.assertEqual(b'', idle.rest())
        with self.engine.lock:
            self.engine.on_st_get(held[0])
        self.ok(c.line())
        self.assertEqual(message(1, 50000), '\r\n'.join(
            c.block() + ['']).encode())
        self.err(c.line(), 'SYS/TEMP')
        self.assertEqual(b'', c.rest())
        self.child.proc.wait(5)
        self.child.killed = True
        self.assertEqual(0, self.child.proc.returncode)


class Big(Pop3):
    def test_slow_client(self):
        """a client that does not read stops the storage, and nothing else"""
        self.begin(n=2)
        big = message(1, 20 * 1000 * 1000)
        self.engine.messages[110] = big
        c = self.login()
        other = self.login()
        before = self.child.memory()
        c.send('RETR 1')
        time.sleep(0.5)
        with self.engine.lock:
            (left,) = [sum(map(len, r[1]))
                       for r in self.engine.reads.values()]
        # what the sockets hold, and what we may
        self.assertGreater(left, 8 * 1000 * 1000)
        self.assertLess(self.child.memory() - before, 1500)
        self.assertEqual(message(2, 302), self.retr(other, 2))
        self.ok(c.line())
        got = c.bytes(len(big))
        self.assertEqual(big, got)
        self.assertEqual(b'.\r\n', c.bytes(3))
        self.assertLess(self.child.memory() - before, 1500)
        self.assertLessEqual(self.engine.most_inflight, 128 * 1024)

    def test_never_reads(self):
        """and is closed in the end"""
        self.begin(n=1, t_write=1)
        self.engine.messages[110] = message(1, 20 * 1000 * 1000)
        c = self.login()
        c.send('RETR 1')
        self.child.logged('reason="client does not read"', 10)

    def test_pipelined_without_reading(self):
        """listings without end for one who does not read: no memory"""
        self.begin(n=2000, t_write=2)
        c = self.login()
        before = self.child.memory()
        c.sock.settimeout(0.3)
        try:
            for _ in range(100000):
                c.send('LIST')
        except (TimeoutError, ConnectionError):
            pass                        # it was ended, perhaps already
        self.assertLess(self.child.memory() - before, 1500)
        self.child.logged('reason="client does not read"', 10)

    def test_maildrop(self):
        """100,000 messages cost little"""
        self.begin(n=0)
        self.engine.messages = {u: b'x' for u in range(1, 100001)}
        self.engine.rows = b''.join(row([u], None, u % 5000)
                                    for u in range(1, 100001))
        small = self.login()
        before = self.child.memory()
        drops = [self.login() for _ in range(4)]
        self.assertLess((self.child.memory() - before) / 4, 900)
        c = drops[0]
        self.assertTrue(c.cmd('STAT').startswith('+OK 100000 '))
        for cmd in ('LIST', 'UIDL'):
            self.ok(c.cmd(cmd))
            self.assertEqual(100000, len(c.block()))
        self.assertEqual('+OK 77777 %d' % (77777 % 5000),
                         c.cmd('LIST 77777'))
        small.cmd('NOOP')


if __name__ == '__main__':
    atf.main()
