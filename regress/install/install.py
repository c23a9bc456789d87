"""Trees to build, run and install in, and a network that has nothing in it.

The ports of "make run" and of the sample configuration are fixed.  So that
nobody else's are in the way, those tests have a network of their own.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
import tls                                              # noqa: E402
from house import TOP                                   # noqa: E402
from whole import HASH, PASSWORD, SLOW                  # noqa: E402

CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x20000
SANITIZED = 'SANITIZED' in os.environ
# what a build leaves
BUILT = ('*.o', '*.a', '*.d', '.depend', '*.t', '*.f', '*.lf', '*.so',
         '__pycache__', './mfrontd/mfrontd', './mfrontctl/mfrontctl',
         './mstored/mstored', './mfrontd/parse.c', './config.mk',
         './regress/mstored/bench', './regress/bench/load',
         './regress/conf/confdump')
NEVER = ('./obj', './.git', './var', './regress/fuzz/corpus')


def root(method):
    method.root = True
    return method


def copy_tree(target, built):
    """The tree as it is, with or without what has been built in it; times
    are kept, so that make has nothing to do, or all"""
    os.makedirs(target)
    tar = ['tar', '-cf', '-', '-C', TOP]
    for name in NEVER + (() if built else BUILT):
        tar += ['--exclude', name]
    one = subprocess.Popen(tar + ['.'], stdout=subprocess.PIPE)
    subprocess.run(['tar', '-xpf', '-', '-C', target], stdin=one.stdout,
                   check=True)
    one.stdout.close()
    assert one.wait() == 0


def running(pid):
    """Not so one that has ended and nobody has waited for"""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(') ')[2][0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(what, seconds, why=lambda: ''):
    """Waits until a function says something; returns that"""
    end = time.monotonic() + seconds * SLOW
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, why()
        time.sleep(0.02)


def unshare(flags, what):
    if ctypes.CDLL(None, use_errno=True).unshare(flags) == -1:
        raise unittest.SkipTest('no %s namespace: %s' % (
            what, os.strerror(ctypes.get_errno())))


def own_network():
    """From now on this process, and what it starts, has a network of its
    own with nothing but a loopback interface"""
    unshare(CLONE_NEWNET, 'network')
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)


def own_memory(path):
    """From now on this folder is in memory, for this process and what it
    starts; its mounts are seen by nobody else"""
    unshare(CLONE_NEWNS, 'mount')
    subprocess.run(['mount', '--make-rprivate', '/'], check=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', path],
                   check=True)


def listeners():
    """The ports that are listened on, IPv4's"""
    with open('/proc/net/tcp') as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return {int(r[1].split(':')[1], 16) for r in rows if r[3] == '0A'}


class InstallTest(unittest.TestCase):
    sanitized = False           # is it of use with a sanitizer's programs?

    def setUp(self):
        if SANITIZED and not self.sanitized:
            self.skipTest('the same with the sanitizers\' programs')
        self.top = tempfile.mkdtemp(prefix='mfrontd.')
        os.chmod(self.top, 0o755)
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(('MAKE', 'MFLAGS'))}
        self.env.update(LC_ALL='C.UTF-8', MAKEFLAGS='-j2')

    def path(self, *names):
        return os.path.join(self.top, *names)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), 'w') as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def run_ok(self, *argv, status=0, timeout=120, **more):
        """Its output"""
        more.setdefault('env', self.env)
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=timeout * SLOW, errors='replace', **more)
        if status is not None:
            self.assertEqual(status, p.returncode, '%s: %s' % (
                ' '.join(argv), p.stdout[-4000:]))
        return p.stdout


def ends(pids, seconds=20):
    """Waits until none of them runs"""
    until(lambda: not any(map(running, pids)), seconds,
          lambda: 'still there: %r' % [p for p in pids if running(p)])


__all__ = ['HASH', 'InstallTest', 'PASSWORD', 'SLOW', 'TOP',
           'atf', 'copy_tree', 'ends', 'listeners', 'own_memory',
           'own_network', 'root', 'running', 'tls', 'unittest', 'until']
