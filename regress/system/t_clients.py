#!/usr/bin/env python3
"""Clients that nobody wishes for: they say nothing, do not read, vanish,
come by the thousand; the others are served all the same."""

import os
import socket
import struct
import subprocess
import time

from system import (SLOW, SystemTest, Whole, atf, have_users, letter,
                    program, room_for, sanitized, soon, untraced)

OPEN = '''failure delay 0s
limits { connections per address 10000, connections per account 10000 }
'''


def cpu(pids):
    """Seconds that these processes have used"""
    ticks = 0
    for pid in pids:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rsplit(') ', 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')


class ClientsTest(SystemTest):
    options = dict(SystemTest.options, verbose=False, conf=OPEN)

    def connect(self, protocol, n):
        held = []
        for _ in range(n):
            s = socket.create_connection(self.house.address(protocol),
                                         20 * SLOW)
            self.clients.append(s)
            held.append(s)
        return held

    def all_ended(self, held):
        """By the server, all of them"""
        for s in held:
            s.settimeout(30 * SLOW)
            try:
                while s.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            s.close()

    def served(self):
        """Somebody with an honest wish"""
        self.deliver(letter('x'))
        c = self.house.imap(select='INBOX')
        self.assertGreater(c.exists, 0)
        c.close()
        p = self.house.client('pop3')
        p.line()
        p.close()

    def quiet(self):
        """What waits costs nothing"""
        pids = [pid for pid, _ in self.house.children()]
        before = cpu(pids)
        time.sleep(1)
        self.assertLess(cpu(pids) - before, 0.3 * SLOW)

class Clients(ClientsTest):
    @atf.timeout(200)
    def test_silent(self):
        """1,000 connections that say nothing; then they are told to go"""
        if room_for(1500) < 1500:
            self.skipTest('1,500 descriptors are not allowed')
        self.reload(OPEN + 'timeouts { login 5m }')
        old = self.imap(select='INBOX')
        held = []
        for protocol in ('imap', 'imaps', 'pop3', 'pop3s', 'lmtp'):
            held += self.connect(protocol, 190)
        # the last fifty get this far with TLS
        for s in self.connect('imaps', 50):
            s.sendall(b'\x16\x03\x01\x02\x00\x01\x00')
            held.append(s)
        old.ok('NOOP')
        self.served()
        self.quiet()
        self.assertEqual(1000 + 1, len(self.sessions()))
        self.reload(OPEN + 'timeouts { login 1s, idle 1h }')
        # the old time counts for those that came under it
        new = [s for p in ('imap', 'imaps', 'pop3', 'pop3s')
               for s in self.connect(p, 10)]
        self.all_ended(new)
        old.ok('NOOP')
        for s in held:
            s.close()
        soon(lambda: len(self.sessions()) == 1)
        self.served()

    def test_too_many(self):
        """more than may wait for a login are sent away with a word"""
        self.reload(OPEN.replace('{', '{ connections waiting for login 20,'))
        self.connect('imap', 20)
        for _ in range(3):
            self.assertEqual('BYE', self.imap(None).greeting.type)
        # POP3 has a count of its own
        self.pop3()

    def test_vanished(self):
        """connections that are reset, or half closed, anywhere"""
        self.deliver(letter('big', 1 << 20))
        starts = ((b'imap', b''), (b'imap', b'a LOGIN {5}\r\njo'),
                  (b'imap', b'a LOGIN joe pw\r\nb SELECT INBOX\r\nc IDLE\r\n'),
                  (b'imap', b'a LOGIN joe pw\r\nb SELECT INBOX\r\n'
                   b'c FETCH 1:* BODY[]\r\n'),
                  (b'imap', b'a LOGIN joe pw\r\nb APPEND INBOX {100000}\r\n'),
                  (b'imap', b'a LOGIN joe pw\r\nb APPEND INBOX {200000+}\r\n'
                   + b'x' * 150000),
                  (b'imap', b'a STARTTLS\r\n\x16\x03'),
                  (b'imaps', b'\x16\x03\x01\x00\x05'),
                  (b'pop3', b'USER joe\r\nPASS pw\r\nRETR 1\r\n'),
                  (b'pop3', b'USER joe\r\nPASS pw\r\nDELE 1\r\nQU'),
                  (b'lmtp', b'LHLO x\r\nMAIL FROM:<>\r\n'
                   b'RCPT TO:<joe@localhost>\r\nDATA\r\nSubject: x\r\n'),
                  (b'lmtp', b'LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe@'
                   b'localhost>\r\nBDAT 300000 LAST\r\n' + b'x' * 200000))
        pids = sorted(self.house.children())
        for protocol, text in starts:
            for how in ('reset', 'half', 'close', 'slow'):
                s, = self.connect(protocol.decode(), 1)
                s.sendall(text)
                if how == 'slow' and protocol != b'imaps':
                    s.recv(10)
                if how == 'half':
                    s.shutdown(socket.SHUT_WR)
                    self.all_ended([s])
                    continue
                if how == 'reset':
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack('ii', 1, 0))
                s.close()
        soon(lambda: not self.sessions())
        self.assertEqual(pids, sorted(self.house.children()))
        got = list(self.contents().values())
        self.assertEqual([letter('big', 1 << 20)], list(map(untraced, got)))
        # nothing of them is left anywhere
        soon(lambda: self.stats('engine').get('requests-open', 0) == 0)
        self.assertEqual(0, self.stats('imap')['requests-open'])

    def test_half_closed(self):
        """who says no more can still be answered: what he had asked"""
        self.deliver(letter('x', 300000))
        s, = self.connect('imap', 1)
        s.sendall(b'a LOGIN joe pw\r\nb SELECT INBOX\r\n'
                  b'c FETCH 1 BODY[]\r\nd LOGOUT\r\n')
        s.shutdown(socket.SHUT_WR)
        data = b''
        while True:
            more = s.recv(65536)
            if not more:
                break
            data += more
        self.assertIn(b'\r\nc OK', data)
        self.assertIn(b'\r\nd OK', data)
        s, = self.connect('lmtp', 1)
        s.sendall(b'LHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@localhost>\r\n'
                  b'DATA\r\nSubject: half\r\n\r\n.\r\nQUIT\r\n')
        s.shutdown(socket.SHUT_WR)
        data = b''
        while True:
            more = s.recv(65536)
            if not more:
                break
            data += more
        self.assertIn(b'\r\n250 2.0.0', data)
        self.assertIn(b'\r\n221 ', data)

    def memory(self):
        if sanitized() or os.getuid():
            return {}
        return self.house.memory()

    @atf.timeout(200)
    def test_never_read(self):
        """they ask for much and read nothing: little is kept for them, and
        not for long"""
        self.reload(OPEN + 'timeouts { write 30s }')
        self.deliver(letter('big', 1 << 20))
        old = self.imap(select='INBOX')
        old.ok('FETCH 1 BODY.PEEK[]')
        before = self.memory()
        held = []
        for protocol, start, ask in (
                ('imap', b'a LOGIN joe pw\r\nb SELECT INBOX\r\n',
                 b'c FETCH 1 BODY.PEEK[]\r\n'),
                ('imap', b'a LOGIN joe pw\r\nb SELECT INBOX\r\n',
                 b'c NOOP\r\n'),
                ('pop3', b'USER joe\r\nPASS pw\r\n', b'RETR 1\r\n'),
                ('pop3', b'USER joe\r\nPASS pw\r\n', b'CAPA\r\n'),
                ('lmtp', b'LHLO x\r\n', b'VRFY x\r\n')):
            for s in self.connect(protocol, 4):
                s.sendall(start)
                self.stuff(s, ask * 4000)
                held.append(s)
        old.ok('NOOP')
        self.served()
        after = self.memory()
        for role in after:
            self.assertLess(after[role] - before[role], 8192, role)
        self.quiet()
        self.reload(OPEN + 'timeouts { write 1s, idle 1s, command 2s }')
        again = []
        for s in self.connect('imap', 3):
            s.sendall(b'a LOGIN joe pw\r\nb SELECT INBOX\r\n')
            self.stuff(s, b'c FETCH 1 BODY.PEEK[]\r\n' * 4000)
            again.append(s)
        self.house.logged('reason="client does not read"', 20, 3)
        for s in held + again:
            s.close()
        soon(lambda: len(self.sessions()) <= 1)
        self.served()

    def stuff(self, s, data):
        """As much as goes in, until nobody takes it any more"""
        s.settimeout(0.1 * SLOW)
        try:
            s.sendall(data)
        except OSError:
            pass

    def test_flood(self):
        """new connections as fast as they can be made"""
        old = self.imap(select='INBOX')
        end = time.monotonic() + 2
        n = 0
        while time.monotonic() < end:
            for p in ('imap', 'pop3', 'lmtp'):
                s = socket.create_connection(self.house.address(p), 20)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
                s.close()
                n += 1
        old.ok('NOOP')
        self.served()
        soon(lambda: len(self.sessions()) == 1)
        self.assertGreater(n, 100)


class Few(ClientsTest):
    auto = False

    def limited(self, n):
        """A house with so many descriptors for each process"""
        # root may raise them
        user = '_mfstore' if os.getuid() == 0 else None
        if user is not None and not (have_users() and subprocess.run(
                ['test', '-x', program()], user=user).returncode == 0):
            self.skipTest('no other user can run it')
        self.house = Whole(user=user, **self.options)
        self.addCleanup(self.finish)
        real = program()
        self.house.write('limited', '#!/bin/sh\nulimit -n %d || exit 1\n'
                         'exec "%s" "$@"\n' % (n, real), 0o755)
        os.environ['MFRONTD'] = self.house.path('limited')
        try:
            self.house.start()
        finally:
            del os.environ['MFRONTD']
            if real != program():
                os.environ['MFRONTD'] = real

    @atf.timeout(200)
    def test_descriptors(self):
        """no descriptor is left: sessions go on, who comes waits or is sent
        away, and it costs nothing; with room again they are served"""
        self.limited(70)
        for role, protocol in (('imap', 'imap'), ('pop3', 'pop3'),
                               ('lmtp', 'lmtp')):
            old = {'imap': lambda: self.imap(select='INBOX'),
                   'pop3': self.pop3, 'lmtp': self.lmtp}[role]()
            live = {'imap': lambda: old.ok('NOOP'),
                    'pop3': lambda: old.cmd('NOOP'),
                    'lmtp': lambda: self.assertEqual(
                        [250], old.send(letter('y')))}[role]
            pid = self.house.pid(role)
            held = self.connect(protocol, 150)
            self.house.logged(r'%s: .*accept' % role)
            live()
            self.quiet()
            live()
            # one process' trouble is not another's
            for other in {'imap', 'pop3', 'lmtp'} - {role}:
                c = self.house.client(other)
                c.line()
                c.close()
            for s in held:
                s.close()

            def again():
                c = self.house.client(protocol)
                try:
                    c.line(2)
                finally:
                    c.close()
            self.in_time(again)
            live()
            self.assertEqual(pid, self.house.pid(role))

    def test_few_at_start(self):
        """a low limit that cannot be raised is told"""
        self.limited(200)
        self.house.logged('only 200 files may be open, for 10000')
        with open('/proc/%d/limits' % self.house.pid('imap')) as f:
            self.assertRegex(f.read(), r'Max open files +200 ')
        self.served()


if __name__ == '__main__':
    atf.main()
