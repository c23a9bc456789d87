#!/usr/bin/env python3
"""The backends that are there to be copied keep what they announce."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(HERE, '..', 'house'))
sys.path.append(os.path.join(HERE, '..', 'api'))

import atf                                              # noqa: E402
import page                                             # noqa: E402
from kit import check                                   # noqa: E402

SLOW = int(os.environ.get('SLOW', '1'))
# what the simplest one does not apply cannot be looked at
NOT_APPLIED = {'token-needed', 'list-fields', 'list-unknown-field',
               'list-uids', 'set-intersected', 'set-refused'}


class Examples(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix='examples.')
        self.addCleanup(shutil.rmtree, self.top)
        self.mail = os.path.join(self.top, 'mail')
        os.mkdir(self.mail)
        for i in range(7):
            with open(os.path.join(self.mail, '%d.eml' % i), 'w') as f:
                f.write('From: a@b\nSubject: %d\n\nbody %s\n' % (i, 'x' * i))

    def begin(self, *words):
        """A program with a port behind its words; its URL"""
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        p = subprocess.Popen([sys.executable] + [
            w if w is not None else str(port) for w in words],
            stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        until = time.monotonic() + 20 * SLOW
        while time.monotonic() < until:
            self.assertIsNone(p.poll(), 'it has ended')
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                return 'http://127.0.0.1:%d/v1' % port
            except ConnectionRefusedError:
                time.sleep(0.02)
        self.fail('it does not begin')

    def green(self, url):
        r = check(url)
        self.assertEqual((r.status, r.failed), (0, set()), r.why())
        self.assertEqual(r.doc['level'], 0)
        self.assertEqual(r.named('skipped'), NOT_APPLIED)
        self.assertGreater(len(r.named('passed')), 20)

    def test_page(self):
        """The program in the page"""
        path = os.path.join(self.top, 'level0.py')
        with open(path, 'w') as f:
            f.write(page.programs()['level0'])
        self.green(self.begin(path, None, self.mail))

    def test_readonly(self):
        """readonly.py"""
        self.green(self.begin(os.path.join(TOP, 'etc', 'examples',
                                           'readonly.py'), self.mail, None))


if __name__ == '__main__':
    atf.main()
