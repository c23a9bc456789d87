#!/usr/bin/env python3
"""mfrontctl check finds nothing wrong with mstored, at every level."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))
sys.path.insert(0, os.path.join(HERE, '..', 'mstored'))

import atf                                              # noqa: E402
from kit import check                                   # noqa: E402
from store import Server                                # noqa: E402

ALL = {'write', 'modseq', 'events', 'idempotency', 'copy', 'auth',
       'recipients', 'subscriptions', 'cache', 'range'}


class Mstored(unittest.TestCase):
    def begin(self, *args, **more):
        self.store = Server(**more)
        self.addCleanup(self.store.remove)
        self.store.start(*args)
        self.url = 'unix:%s:/v1' % self.store.path

    def green(self, *args, skipped=()):
        r = check(self.url, *args)
        self.assertEqual((r.status, r.failed, r.doc.get('error')),
                         (0, set(), None), r.why())
        self.assertEqual(r.named('skipped'), set(skipped), r.out)
        return r

    def only(self, capabilities):
        return [arg for name in sorted(ALL - set(capabilities))
                for arg in ('-D', name)]

    @atf.timeout(300)
    def test_all(self):
        """With everything it can do"""
        self.begin()
        r = self.green('-A', 'other',
                       skipped={'token-needed', 'not-announced'})
        self.assertEqual(r.doc['level'], 2)
        # and the account is as it was
        rows = self.store.client().mailboxes('mfrontctl-check')
        self.assertEqual([row['name'] for row in rows], ['INBOX'])
        self.store.stop()
        self.store.check()


if __name__ == '__main__':
    atf.main()
