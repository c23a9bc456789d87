#!/usr/bin/env python3
"""Builds from a clean tree: other compilers, other makes, and clean."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'install'))

from install import SLOW, atf, copy_tree                # noqa: E402

PROGRAMS = ('mfrontd/mfrontd', 'mfrontctl/mfrontctl', 'mstored/mstored')


class Build(unittest.TestCase):
    def setUp(self):
        if 'SANITIZED' in os.environ:
            self.skipTest('builds are not for sanitizers')
        self.top = tempfile.mkdtemp(prefix='mfrontd.')
        self.addCleanup(shutil.rmtree, self.top)
        self.tree = os.path.join(self.top, 'tree')
        copy_tree(self.tree, built=False)
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(('MAKE', 'MFLAGS', 'CC', 'CFLAGS'))}

    def run_ok(self, *argv, folder='.'):
        p = subprocess.run(argv, cwd=os.path.join(self.tree, folder),
                           env=self.env, stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=250 * SLOW)
        self.assertEqual(0, p.returncode, p.stdout[-4000:])
        return p.stdout

    def files(self):
        found = set()
        for d, dirs, files in os.walk(self.tree):
            dirs[:] = [n for n in dirs if n != '__pycache__']
            found |= {os.path.relpath(os.path.join(d, n), self.tree)
                      for n in files}
        return found

    def need(self, *programs):
        for p in programs:
            if shutil.which(p) is None:
                self.skipTest('%s is not installed' % p)

    def check_programs(self, compiler):
        for name in PROGRAMS:
            path = os.path.join(self.tree, name)
            said = self.run_ok('readelf', '-p', '.comment', path)
            self.assertIn(compiler, said)
            # it runs, and says how it wants to be called
            p = subprocess.run([path, '-?'], stderr=subprocess.PIPE,
                               text=True)
            self.assertEqual(2, p.returncode)
            self.assertIn('usage: ' + os.path.basename(name), p.stderr)

    @atf.timeout(600)
    def test_clang_bmake(self):
        """clang and a BSD make: no warnings; tests too; nothing is left"""
        self.need('clang', 'bmake')
        before = self.files()
        # what warns is the front end
        self.env.update(CC='clang', CFLAGS='-O0')
        said = self.run_ok('./configure')
        said += self.run_ok('bmake', '-j2', 'all')
        said += self.run_ok('bmake', '-j2', 'all', folder='regress')
        self.assertNotIn('warning:', said)
        self.check_programs('clang')
        # nothing is built twice
        self.assertNotIn('cc ', self.run_ok('bmake', 'all'))
        self.run_ok('bmake', 'clean')
        self.assertEqual(before, self.files())


if __name__ == '__main__':
    atf.main()
