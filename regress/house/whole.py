"""The whole house: a real mfrontd with all of its processes and an embedded
store, in a folder of its own, on free ports of the loopback address.

	with Whole(users=['joe']) as house:
	    c = house.imap()            # a raw client, see imapclient.py

As root its processes are chrooted and have users of their own; as anybody
else it runs as he is.  Every account's password is "pw".
"""

import os
import pwd
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import tls
from house import Client, program, sanitized            # noqa: F401

SLOW = int(os.environ.get('SLOW', '1'))         # sanitizers take longer
PASSWORD = 'pw'
# bcrypt of it, at the least cost: logins are not what is tested
HASH = '$2b$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW'
USERS = ['_mf' + r for r in ('imap', 'pop3', 'lmtp', 'auth', 'hash',
                             'engine', 'conn', 'ctl', 'store')]
PROTOCOLS = ('imap', 'imaps', 'pop3', 'pop3s', 'lmtp')
# capabilities of storages that are not made use of
WITHOUT = set(os.environ.get('WITHOUT', '').split())


_claims = []


def claim(port):
    """Ours until we end; other tests ask as well, and run beside us"""
    s = socket.socket(socket.AF_UNIX)
    try:
        s.bind('\0mfrontd-regress-%d' % port)
    except OSError:
        s.close()
        return False
    _claims.append(s)
    return True


def free_port():
    """Not one that the system gives to whoever connects: it would be taken
    before we listen"""
    while True:
        port = random.randrange(10000, 32000)
        if not claim(port):
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('127.0.0.1', port))
            except OSError:
                continue
        return port


def have_users():
    try:
        for name in USERS:
            pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def private_dirty(pid):
    """KiB"""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return int(re.search(r'Private_Dirty: +(\d+)', f.read()).group(1))


def pss(pid):
    """KiB"""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return int(re.search(r'^Pss: +(\d+)', f.read(), re.M).group(1))


class Whole:
    """A mfrontd that runs, or can be started.

    listen: which protocols, of PROTOCOLS; conf: more lines of the
    configuration; storage: its statement, else an embedded one; auth: where
    accounts come from, else a password file; user: run it as this one, where
    we are root."""

    def __init__(self, listen=('imap',), conf='', users=('joe',),
                 storage=None, user=None, verbose=True, auth=None):
        if os.getuid() == 0 and user is None and not have_users():
            raise unittest.SkipTest('etc/users.sh has not been run')
        self.top = tempfile.mkdtemp(prefix='mfrontd.')
        os.chmod(self.top, 0o755)
        self.user, self.verbose = user, verbose
        self.ports = {p: free_port() for p in listen}
        self.users, self.more, self.storage = list(users), conf, storage
        self.auth = auth or 'auth file "$dir/passwd" domains { localhost }'
        self.proc, self.readies = None, 0
        self.expected = []              # what the log may complain of
        self.logname = self.path('log')
        self.tls = tls.context()
        os.mkdir(self.path('empty'), 0o755)
        for name, src in zip(('cert.pem', 'key.pem'), tls.files()):
            shutil.copy(src, self.path(name))
            os.chmod(self.path(name), 0o600)
        self.write_users()
        self.write_conf()

    def path(self, name):
        return os.path.join(self.top, name)

    @property
    def store(self):
        """The embedded store's folder"""
        return self.path('store')

    def write(self, name, text, mode=0o600):
        with open(self.path(name), 'w') as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        if self.user is not None:
            shutil.chown(self.path(name), self.user)

    def write_users(self):
        self.write('passwd', ''.join('%s:%s\n' % (u, HASH)
                                     for u in self.users))

    def write_conf(self):
        storage = self.storage or 'storage "main" embedded "$dir/store"'
        if WITHOUT:
            storage = re.sub('(?m)^storage.*', r'\g<0> without { %s }' %
                             ' '.join(sorted(WITHOUT)), storage)
        lines = ['dir = "%s"' % self.top,
                 'hostname "localhost"',
                 'log stderr' + (' verbose' if self.verbose else ''),
                 'rundir "$dir/run"',
                 'chroot "$dir/empty"',
                 'control socket "$dir/ctl.sock"',
                 'certificate cert "$dir/cert.pem" key "$dir/key.pem"',
                 storage,
                 self.auth,
                 'plaintext login on loopback']
        for p, port in self.ports.items():
            how = {'lmtp': '', 'imaps': ' tls', 'pop3s': ' tls'}.get(
                p, ' starttls')
            lines.append('listen %s on 127.0.0.1 port %d%s' %
                         (p.removesuffix('s') if how == ' tls' else p,
                          port, how))
        if 'events' in WITHOUT and 'poll ' not in self.more:
            lines.append('poll 1s')
        self.write('conf', '\n'.join(lines) + '\n' + self.more + '\n')

    # running

    def start(self, wait=True):
        if self.user is not None:
            for name in ('.', 'empty', 'cert.pem', 'key.pem', 'passwd'):
                shutil.chown(self.path(name), self.user)
        env = dict(os.environ)
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0')
        with open(self.logname, 'ab') as log:
            self.proc = subprocess.Popen(
                [program(), '-d', '-f', self.path('conf')], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, env=env,
                user=self.user, group=self.user,
                extra_groups=[] if self.user else None)
        if wait:
            self.readies += 1
            self.logged(r'(?m)^mfrontd: ready$', 20, count=self.readies)
        return self

    def stop(self):
        """As an administrator does; it must end well"""
        if self.proc is None:
            return
        self.proc.send_signal(signal.SIGTERM)
        try:
            status = self.proc.wait(30 * SLOW)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError('it does not stop:\n' + self.tail())
        self.proc = None
        assert status == 0, 'exit %d:\n%s' % (status, self.tail())
        self.check_log()

    def end(self):
        """At once, whatever it does; its children end with it"""
        if self.proc is None:
            return
        pids = [pid for pid, _ in self.children()]
        self.proc.kill()
        self.proc.wait()
        self.proc = None
        end = time.monotonic() + 10 * SLOW
        while any(map(alive, pids)) and time.monotonic() < end:
            time.sleep(0.02)

    def close(self):
        try:
            self.stop()
        finally:
            self.end()
            shutil.rmtree(self.top, ignore_errors=True)

    __enter__ = start

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print('--- the log ends with\n' + self.tail(), file=sys.stderr)
            try:
                self.stop()
            except AssertionError as e:
                print(e, file=sys.stderr)
        self.close()

    def reload(self):
        """(status, text) of mfrontctl reload"""
        return self.ctl('reload')

    def ctl(self, *words):
        p = subprocess.run(
            [program('mfrontctl'), '-s', self.path('ctl.sock'), *words],
            capture_output=True, text=True, timeout=60 * SLOW)
        return p.returncode, p.stdout + p.stderr

    # its log

    def log(self):
        with open(self.logname, errors='replace') as f:
            return f.read()

    def tail(self, n=4000):
        return self.log()[-n:]

    def logged(self, pattern, timeout=10, count=1):
        """Waits until the log has so many matches; returns the last"""
        end = time.monotonic() + timeout * SLOW
        while True:
            found = list(re.finditer(pattern, self.log()))
            if len(found) >= count:
                return found[-1]
            if self.proc is not None and self.proc.poll() is not None:
                raise AssertionError('it ended:\n' + self.tail())
            if time.monotonic() > end:
                raise AssertionError('no %r in the log:\n%s' %
                                     (pattern, self.tail()))
            time.sleep(0.01)

    BAD = re.compile(r'.*(?:Sanitizer|runtime error|died of signal|'
                     r'exited with|bad message|out of memory|disagrees).*')

    def check_log(self):
        """Nothing that a test did not expect"""
        bad = [line for line in self.BAD.findall(self.log())
               if not any(re.search(e, line) for e in self.expected)]
        assert not bad, '\n'.join(bad[:20])

    def check_store(self):
        p = subprocess.run([program('mstored'), 'check', self.store],
                           capture_output=True, text=True)
        assert p.returncode == 0, p.stdout + p.stderr

    # its processes

    def children(self):
        """(pid, role) of what runs now"""
        found = []
        top = self.proc.pid
        with open('/proc/%d/task/%d/children' % (top, top)) as f:
            pids = [int(p) for p in f.read().split()]
        for pid in pids:
            try:
                with open('/proc/%d/cmdline' % pid, 'rb') as f:
                    m = re.search(rb'(?:mfrontd|mstored): (\w+)/\d+',
                                  f.read())
            except (FileNotFoundError, ProcessLookupError):
                continue
            if m:
                found.append((pid, m.group(1).decode()))
        return found

    def pids(self, role):
        return [pid for pid, r in self.children() if r == role]

    def pid(self, role):
        pid, = self.pids(role)
        return pid

    def kill(self, role):
        """kill -9 of one process; it is started again by and by"""
        self.expected.append(r'^mfrontd: %s/\d+ \(pid \d+\) died of '
                             r'signal 9' % role)
        pid = self.pids(role)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def killed(self, role, timeout=15):
        """Kills it and waits until there is another one in its place"""
        n = len(self.pids(role))
        old = self.kill(role)
        end = time.monotonic() + timeout * SLOW
        while True:
            now = self.pids(role)
            if old not in now and len(now) == n:
                return
            assert time.monotonic() < end, 'no new ' + role
            time.sleep(0.02)

    def memory(self, but=()):
        """Private dirty KiB, by role"""
        if sanitized():
            raise unittest.SkipTest('memory is the sanitizer\'s')
        if os.getuid() != 0:
            raise unittest.SkipTest('only root may look at memory')
        found = {'parent': private_dirty(self.proc.pid)}
        for pid, role in self.children():
            if role not in but:
                found[role] = found.get(role, 0) + private_dirty(pid)
        return found

    # clients

    def address(self, protocol):
        return '127.0.0.1', self.ports[protocol]

    def client(self, protocol):
        """Any line protocol"""
        c = Client(self.address(protocol))
        c.sock.settimeout(10 * SLOW)
        if protocol in ('imaps', 'pop3s'):
            c.sock = self.tls.wrap_socket(c.sock, server_hostname='localhost')
        return c

    def imap(self, user='joe', select=None, protocol='imap', **args):
        """A session, logged in unless user is None"""
        from imapclient import Imap
        c = Imap(self.address(protocol), self.tls if protocol == 'imaps'
                 else None, **args)
        if user is not None:
            c.ok('LOGIN "%s" "%s"' % (user, PASSWORD))
        if select is not None:
            c.ok('SELECT "%s"' % select)
        return c


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class WholeTest(unittest.TestCase):
    """A test case with a house: started by begin(), and by setUp() unless
    auto is False"""

    auto = True
    options = {}

    def setUp(self):
        self.house, self.clients = None, []
        if self.auto:
            self.begin()

    def begin(self, **over):
        self.house = Whole(**dict(self.options, **over))
        self.addCleanup(self.finish)
        self.house.start()
        return self.house

    def finish(self):
        for c in self.clients:
            c.close()
        failed = sys.exc_info()[0] is not None
        try:
            if self.house.proc is not None:
                self.house.stop()
            self.house.check_log()
            if os.path.isdir(self.house.store):
                self.house.check_store()
        except BaseException:
            if not failed:
                print('--- the log\n' + self.house.tail(20000),
                      file=sys.stderr)
            raise
        finally:
            self.house.close()

    def imap(self, *args, **named):
        c = self.house.imap(*args, **named)
        self.clients.append(c)
        return c

    def client(self, protocol):
        c = self.house.client(protocol)
        self.clients.append(c)
        return c
