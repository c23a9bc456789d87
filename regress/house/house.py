"""One or more real processes of mfrontd, with a test as their parent and as
all of their siblings.  The process is "mfrontd -x ROLE" with its channel on
descriptor 3, as the parent starts it; the sandbox is on.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import messages
from messages import Channel, Closed, ROLES, TOP, enum, read

BOOT = '0123abcd'
SLOW = int(os.environ.get('SLOW', '1'))         # sanitizers take longer

# descriptor 3 is a child's channel: nothing of ours may be there
_null = os.open('/dev/null', os.O_RDONLY)
if _null != 3:
    os.close(_null)


def numbers(header, name, prefix=''):
    """An enum of a header as a dictionary, without a prefix"""
    return {n.split(' ')[0][len(prefix):]: i
            for i, n in enumerate(enum(read(*header), name))}


ST = numbers(('lib', 'sterr.h'), 'st_code', 'ST_')
CAP = numbers(('lib', 'sterr.h'), 'st_cap', 'CAP_')


def program(name='mfrontd'):
    return os.environ.get(name.upper(), os.path.join(TOP, name, name))


def sanitized():
    with open(program(), 'rb') as f:
        return b'__asan_init' in f.read()


class Child:
    def __init__(self, role, slot=0, gen=None, mode=0, **hello):
        self.role, self.slot = role, slot
        self.gen = gen if gen is not None else Child.next_gen()
        ours, theirs = socket.socketpair()
        self.log_file = tempfile.TemporaryFile()
        env = dict(os.environ)
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0:abort_on_error=1')
        self.proc = subprocess.Popen(
            [program(), '-x', role], stderr=self.log_file, env=env,
            pass_fds=(3,), preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
        theirs.close()
        self.parent = Channel(ours, role)
        self.peers = []
        self.serial = 0
        fields = dict(table=messages.table_hash(), role=ROLES[role.upper()],
                      slot=slot, gen=self.gen, boot=BOOT, verbose=1,
                      logdest=0, sandbox=mode, root=0, nfiles=1024)
        fields.update(hello)
        self.parent.send('hello', **fields)
        self.parent.expect('ready')

    gens = 100

    @classmethod
    def next_gen(cls):
        cls.gens += 1
        return cls.gens

    def configure(self, parts, first=1, ok=True):
        """parts: (message, fields) pairs; a field fd is a descriptor"""
        self.serial += 1
        self.parent.send('conf_begin', serial=self.serial, first=first)
        for name, fields in parts:
            self.parent.send(name, **fields)
        self.parent.send('conf_end', serial=self.serial)
        status = self.parent.until('conf_status', serial=self.serial)
        assert bool(status.ok) == ok, status
        if not ok:
            self.parent.send('conf_abort', serial=self.serial)
            return status.error
        self.parent.send('conf_commit', serial=self.serial)
        self.parent.until('conf_done', serial=self.serial)

    def peer(self, role, slot=0, gen=None):
        """A sibling that the test plays"""
        ours, theirs = socket.socketpair()
        gen = gen if gen is not None else Child.next_gen()
        self.parent.send('peer', fd=theirs.fileno(),
                         role=ROLES[role.upper()], slot=slot, gen=gen)
        theirs.close()
        self.sync()
        c = Channel(ours, '%s as %s' % (self.role, role))
        c.gen, c.slot = gen, slot
        self.peers.append(c)
        return c

    def cpu(self):
        """Seconds of processor time that it had"""
        with open('/proc/%d/schedstat' % self.proc.pid) as f:
            return int(f.read().split()[0]) / 1e9

    def sync(self):
        """Everything that its parent told it so far has been heard"""
        self.serial += 1
        self.parent.send('conf_begin', serial=self.serial)
        self.parent.send('conf_end', serial=self.serial)
        self.parent.until('conf_status', serial=self.serial)
        self.parent.send('conf_abort', serial=self.serial)

    def wire(self, other):
        """To another real process"""
        a, b = socket.socketpair()
        self.parent.send('peer', fd=a.fileno(), slot=other.slot,
                         role=ROLES[other.role.upper()], gen=other.gen)
        other.parent.send('peer', fd=b.fileno(), slot=self.slot,
                          role=ROLES[self.role.upper()], gen=self.gen)
        a.close()
        b.close()
        self.sync()
        other.sync()

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read().decode('utf-8', 'replace')

    def logged(self, pattern, timeout=5):
        end = time.monotonic() + timeout * SLOW
        while time.monotonic() < end:
            m = re.search(pattern, self.log())
            if m:
                return m
            time.sleep(0.02)
        raise AssertionError('no %r in the log:\n%s' % (pattern, self.log()))

    def alive(self):
        return self.proc.poll() is None

    def memory(self):
        """private dirty memory in KiB"""
        if sanitized():
            raise unittest.SkipTest('memory is the sanitizer\'s')
        with open('/proc/%d/smaps_rollup' % self.proc.pid) as f:
            return int(re.search(r'Private_Dirty: +(\d+)', f.read()).group(1))

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def close(self):
        """The end: it must have lived until now, without a complaint."""
        alive = self.alive()
        for c in self.peers:
            c.close()
        self.parent.close()
        try:
            self.proc.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
        log = self.log()
        self.log_file.close()
        assert 'Sanitizer' not in log and 'runtime error' not in log, log
        return alive, log


class House(unittest.TestCase):
    """A test case that starts processes and ends them"""

    def setUp(self):
        self.children = []
        self.fds = []

    def start(self, role, **args):
        child = Child(role, **args)
        self.children.append(child)
        return child

    def tearDown(self):
        dead = []
        for c in self.children:
            alive, log = c.close()
            if not alive and not getattr(c, 'killed', False):
                dead.append('%s died of %s:\n%s' % (c.role,
                                                    c.proc.returncode, log))
        for fd in self.fds:
            fd.close()
        assert not dead, '\n'.join(dead)

    def kill(self, child):
        child.killed = True
        child.kill()

    def soon(self, value, get, timeout=5):
        """What another thread or process is about to make true"""
        end = time.monotonic() + timeout * SLOW
        while get() != value and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(value, get())


LIMITS = dict(conn_total=1000, conn_address=100, conn_account=50,
              conn_login=1000, message=1 << 20, line=65536, literal=262144,
              recipients=100, rcpt_rate=500, badcmds=10, t_login=60,
              t_idle=60, t_command=60, t_write=60, t_backend=10, poll=30,
              check=600, delay=0, failures=0, cache=1 << 20, pool=8,
              plain_loopback=1, hostname='mail.example.org')


def limits(**over):
    return ('conf_limits', dict(LIMITS, **over))


class Listener(House):
    """A listener with a test as its clients, auth and engine"""

    role = None
    tls = 0                             # 0 plain, 1 starttls, 2 tls
    hello = {}                          # what the parent says differently

    def begin(self, engines=1, auth=True, allow=None, unix=False, **lim):
        self.child = self.start(self.role, **self.hello)
        if unix:
            self.dir = tempfile.TemporaryDirectory()
            self.address = os.path.join(self.dir.name, 'sock')
            self.lsock = socket.socket(socket.AF_UNIX)
            self.lsock.bind(self.address)
        else:
            self.lsock = socket.socket()
            self.lsock.bind(('127.0.0.1', 0))
            self.address = self.lsock.getsockname()
        self.lsock.listen(128)
        self.lsock.setblocking(False)
        self.fds.append(self.lsock)
        self.unix, self.allow = unix, allow
        self.auth = self.child.peer('auth') if auth else None
        self.engines = [self.child.peer('engine', slot=i)
                        for i in range(engines)]
        self.reconfigure(first=1, **lim)

    def reconfigure(self, first=0, **lim):
        parts = [limits(**lim), ('conf_storage', dict(id=0, name='main'))]
        if self.tls:
            import tls
            cert, key = tls.pems()
            parts.append(('conf_cert', dict(id=1, name='c', cert=cert,
                                            key=key)))
        parts.append(('conf_listen', dict(
            fd=self.lsock.fileno(), id=1, tls=self.tls, local=self.unix,
            allow=self.allow is not None, cert=1 if self.tls else 0,
            name='test')))
        for addr, bits in self.allow or []:
            parts.append(('conf_allow', dict(listen=1, addr=addr,
                                             prefixlen=bits)))
        self.child.configure(parts, first=first)

    def connect(self, greet=True):
        c = Client(self.address)
        self.fds.append(c)
        if greet:
            c.greeting = c.line()
        return c


class Client:
    """A line protocol's client, without any sense of its own"""

    def __init__(self, address):
        family = (socket.AF_UNIX if isinstance(address, str)
                  else socket.AF_INET)
        self.sock = socket.socket(family)
        self.sock.settimeout(10)
        self.sock.connect(address)
        self.buf = b''

    def close(self):
        self.sock.close()

    def send(self, *lines):
        for l in lines:
            l = l if isinstance(l, bytes) else l.encode()
            self.sock.sendall(l + b'\r\n')

    def raw(self, data):
        self.sock.sendall(data)

    def more(self, timeout=10):
        self.sock.settimeout(timeout)
        data = self.sock.recv(65536)
        self.buf += data
        return data

    def line(self, timeout=10):
        while b'\r\n' not in self.buf:
            if not self.more(timeout):
                raise EOFError(repr(self.buf))
        l, _, self.buf = self.buf.partition(b'\r\n')
        return l.decode('utf-8', 'surrogateescape')

    def cmd(self, *lines):
        self.send(*lines)
        return self.line()

    def bytes(self, n):
        while len(self.buf) < n:
            if not self.more():
                raise EOFError(repr(self.buf[-200:]))
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def block(self):
        """To a line with a dot alone, undotted"""
        lines = []
        while True:
            l = self.line()
            if l == '.':
                return lines
            lines.append(l[1:] if l.startswith('.') else l)

    def rest(self, timeout=10):
        """All until the other side closes"""
        try:
            while self.more(timeout):
                pass
        except ConnectionResetError:
            pass
        data, self.buf = self.buf, b''
        return data

    def silent(self, seconds=0.3):
        try:
            data = self.more(seconds)
        except (TimeoutError, socket.timeout):
            data = b'' if not self.buf else self.buf
            assert not data, data
            return
        raise AssertionError('unexpected %r' % data)

    def starttls(self):
        import tls
        assert not self.buf, self.buf
        self.sock = tls.context().wrap_socket(self.sock,
                                              server_hostname='localhost')
