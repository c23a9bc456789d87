#!/usr/bin/env python3
"""mfrontctl check finds nothing wrong with any of the examples."""

import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from example import Example, letter, unittest           # noqa: E402
import atf                                              # noqa: E402

# skipped, and why it may be
NO_TOKEN = {'token-needed'}
LISTS_ALL = {'list-fields', 'list-unknown-field', 'list-uids',
             'set-intersected', 'set-refused'}


class Check(unittest.TestCase):
    def check(self, name, level, skipped=frozenset(), fill=None):
        backend = Example(name)
        self.addCleanup(backend.end)
        if fill:
            fill(backend)
        with open(backend.path('token'), 'w') as f:
            f.write('s3cret\n')
        backend.start(token='s3cret')
        # readonly.py wants none
        r = backend.check(*([] if 'token-needed' in skipped else
                            ['-t', backend.path('token')]))
        self.assertEqual((0, set()), (r.status, r.failed), r.why())
        self.assertEqual(level, r.doc['level'])
        self.assertEqual(skipped, r.named('skipped'))
        self.assertEqual('', backend.log())
        return backend

    def test_readonly(self):
        """readonly.py: level 0"""
        def fill(backend):
            for n in range(5):
                with open(backend.path('mail', '%d.eml' % n), 'wb') as f:
                    f.write(letter('number %d' % n).replace(
                        b'\r\n', b'\n' if n else b'\r\n'))
        self.check('readonly.py', 0, NO_TOKEN | LISTS_ALL, fill)

    @atf.timeout(300)
    def test_maildir(self):
        """maildir.py: level 1"""
        backend = self.check('maildir.py', 1)
        for folder, _, files in os.walk(backend.path('mail', 'joe')):
            self.assertEqual([], [f for f in files
                                  if not f.startswith('mfront.db')], folder)

    @atf.timeout(300)
    def test_sqlite(self):
        """sqlite.py: level 2"""
        self.check('sqlite.py', 2)

    @atf.timeout(300)
    def test_tickets(self):
        """tickets.py: level 1"""
        self.check('tickets.py', 1)

    @atf.timeout(300)
    def test_memory(self):
        """memory.mjs: level 2"""
        self.check('memory.mjs', 2)

    def test_lines(self):
        """readonly.py stays a page to read"""
        from example import EXAMPLES
        with open(os.path.join(EXAMPLES, 'readonly.py')) as f:
            self.assertLessEqual(len(f.readlines()), 70)


if __name__ == '__main__':
    atf.main()
