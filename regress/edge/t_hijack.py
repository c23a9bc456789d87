#!/usr/bin/env python3
"""The whole house with one of its processes hijacked: what it has open is
used by the test in its name (pidfd_getfd(2)), to say what it must not."""

import ctypes
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
from messages import HEADER, TABLE                      # noqa: E402
from t_edge import FRAMES, allowed, fields, header      # noqa: E402
from t_edge import malformed                            # noqa: E402
from whole import WholeTest                             # noqa: E402

PIDFD_GETFD = 438
SOCK_DIAG, SOCK_DIAG_BY_FAMILY, UNIX_DIAG_PEER, SHOW_PEER = 4, 20, 2, 4
NLM_F_DUMP, NLMSG_DONE = 0x301, 3

libc = ctypes.CDLL(None, use_errno=True)


def steal(pid, fd):
    """Another process's descriptor, as one of ours"""
    pidfd = os.pidfd_open(pid)
    try:
        got = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
        if got == -1:
            raise OSError(ctypes.get_errno(), 'pidfd_getfd')
        return got
    finally:
        os.close(pidfd)


def inodes(pid):
    """inode -> descriptor, of a process's sockets"""
    found = {}
    for fd in os.listdir('/proc/%d/fd' % pid):
        try:
            link = os.readlink('/proc/%d/fd/%s' % (pid, fd))
        except FileNotFoundError:       # it was closed meanwhile
            continue
        m = re.match(r'socket:\[(\d+)\]', link)
        if m:
            found[int(m.group(1))] = int(fd)
    return found


def unix_peers():
    """inode -> inode of the other end, of every unix socket (sock_diag(7))"""
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG)
    ask = struct.pack('=BBHIIIII', socket.AF_UNIX, 0, 0, 0xffffffff, 0,
                      SHOW_PEER, 0xffffffff, 0xffffffff)
    s.send(struct.pack('=IHHII', 16 + len(ask), SOCK_DIAG_BY_FAMILY,
                       NLM_F_DUMP, 1, 0) + ask)
    found = {}
    with s:
        while True:
            data = s.recv(1 << 20)
            while data:
                size, type = struct.unpack_from('=IH', data)
                if type == NLMSG_DONE:
                    return found
                ino, = struct.unpack_from('=I', data, 20)
                at = 32
                while at < size:
                    n, attr = struct.unpack_from('=HH', data, at)
                    if attr == UNIX_DIAG_PEER:
                        found[ino], = struct.unpack_from('=I', data, at + 4)
                    at += n + 3 & ~3
                data = data[size + 3 & ~3:]


def channel(pid, peer):
    """A process's end of its channel to another one, stolen"""
    ours, theirs, other = inodes(pid), inodes(peer), unix_peers()
    for ino, fd in ours.items():
        if other.get(ino) in theirs:
            return socket.socket(fileno=steal(pid, fd))
    raise AssertionError('no channel between %d and %d' % (pid, peer))


# what none of the roles may say to anybody of the house
BAD = struct.pack('>HHIII', TABLE['hello'].number, 0, HEADER, 0, 0)


class House(WholeTest):
    options = dict(listen=('imap', 'pop3', 'lmtp'),
                   conf='prefork imap 2\nauth workers 1')

    def begin(self, **over):
        house = super().begin(**over)
        house.expected += [r' bad message ', r'died of signal 9']
        return house

    def hijack(self, role, victim):
        """role says something bad to victim; pid of the one that did"""
        pid = self.house.pids(role)[0]
        to = (self.house.proc.pid if victim == 'parent' else
              self.house.pids(victim)[0])
        with channel(pid, to) as s:
            s.sendall(BAD)
        return pid

    def replaced(self, role, pid, n):
        """pid is gone, and the role has as many processes as before"""
        def now():
            pids = self.house.pids(role)
            return pid not in pids and len(pids) == n
        self.wait(now, '%s (pid %d) is not replaced' % (role, pid))

    def wait(self, true, what):
        import time
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end, what + self.house.tail()
            time.sleep(0.02)

    def serves(self):
        """Mail comes in and is read by both protocols"""
        def delivered():
            c = self.house.client('lmtp')
            try:
                return c.line().startswith('220') and self.deliver(c)
            except (EOFError, ConnectionError):
                return False
            finally:
                c.close()

        def read(protocol, user, password, ok):
            c = self.house.client(protocol)
            try:
                c.line()
                c.send(user, *password)
                return all(ok in c.line() for _ in [user] + password)
            except (EOFError, ConnectionError):
                return False
            finally:
                c.close()
        self.wait(delivered, 'no delivery')
        self.wait(lambda: read('imap', 'a LOGIN joe pw', [], 'a OK'),
                  'no IMAP')
        self.wait(lambda: read('pop3', 'USER joe', ['PASS pw'], '+OK'),
                  'no POP3')

    @staticmethod
    def deliver(c):
        c.send('LHLO x')
        while c.line()[3] == '-':
            pass
        for line in ('MAIL FROM:<a@b>', 'RCPT TO:<joe@localhost>', 'DATA',
                     'Subject: x\r\n\r\nx\r\n.'):
            if c.cmd(line)[0] not in '23':
                return False
        return True


class Hijack(House):
    @atf.timeout(300)
    def test_parent(self):
        """every process to the parent: ended, another one in its place"""
        self.serves()
        for role in ('imap', 'pop3', 'lmtp', 'auth', 'hash', 'engine',
                     'connector', 'control', 'store'):
            n = len(self.house.pids(role))
            pid = self.hijack(role, 'parent')
            self.house.logged(r'%s/0 sent a bad message hello: not its '
                              r'message' % role)
            self.replaced(role, pid, n)
        self.serves()
    test_parent.root = True

    @atf.timeout(300)
    def test_less_trusted(self):
        """who is trusted less than whom he insults is ended"""
        other = self.imap()             # in one of the imap processes
        self.house.logged('event=login')
        for role, victim in (('imap', 'auth'), ('pop3', 'engine'),
                             ('lmtp', 'auth'), ('hash', 'auth'),
                             ('connector', 'engine'), ('control', 'auth'),
                             ('engine', 'auth')):
            n = len(self.house.pids(role))
            pid = self.hijack(role, victim)
            self.house.logged(r'%s/0: bad message hello from %s/0: not '
                              r'its message' % (victim, role))
            self.replaced(role, pid, n)
        self.serves()
        other.close()
    test_less_trusted.root = True

    @atf.timeout(300)
    def test_more_trusted(self):
        """who is trusted more stays, and gets a new channel: nobody can
        have auth ended by accusing it"""
        for role, victim in (('auth', 'imap'), ('engine', 'lmtp'),
                             ('engine', 'connector'), ('auth', 'hash'),
                             ('auth', 'engine')):
            before = self.house.children()
            with channel(self.house.pids(role)[0],
                         self.house.pids(victim)[0]) as s:
                s.sendall(BAD)
            self.house.logged(r'%s/0: bad message hello from %s/0: not '
                              r'its message' % (victim, role))
            self.assertEqual(before, self.house.children())
            self.serves()
            self.assertEqual(before, self.house.children())
    test_more_trusted.root = True


class Malformed(House):
    auto = False

    @atf.timeout(300)
    def test_parent(self):
        """each message that the parent takes, malformed in every way, with
        a descriptor that it has not; bytes that are none; from as many
        processes"""
        cases = [(d.name, what, d.number, body)
                 for d in TABLE.values() if allowed(d, 'imap', 'parent')
                 for what, body in malformed(d)]
        self.assertGreater(len({name for name, *_ in cases}), 4)
        cases = [('%s: %s' % (name, what), header(number, HEADER + len(body)) +
                  body, 0) for name, what, number, body in cases]
        cases += [('frame: ' + what, data, 0) for what, data in FRAMES]
        cases += [(d.name + ': a descriptor', header(d.number, HEADER + len(
            body), 1) + body, n) for n in (1, 3) for d in TABLE.values()
            if allowed(d, 'imap', 'parent') for body in [b''.join(fields(d))]]
        # each process of a slot that died waits before it is there again
        each = -(-len(cases) // 3)
        self.assertLess(each, 33)
        self.begin(conf='prefork { imap %d, pop3 %d, lmtp %d }\n'
                   'auth workers 1' % (each, each, each))
        for role in ('imap', 'pop3', 'lmtp'):
            pids = self.house.pids(role)
            for pid, (what, data, fds) in zip(pids, cases):
                self.insult(pid, data, fds)
                self.wait(lambda: pid not in self.house.pids(role),
                          '%s: %s' % (role, what))
            self.assertEqual(each, len(pids))
            cases = cases[each:]
        self.assertEqual([], cases)
        self.house.logged('sent a bad message', count=3)
        self.serves()
    test_parent.root = True

    def insult(self, pid, data, fds):
        with channel(pid, self.house.proc.pid) as s, \
                open('/dev/null') as f:
            if fds:
                socket.send_fds(s, [data], [f.fileno()] * fds)
            else:
                s.sendall(data)


if __name__ == '__main__':
    atf.main()
