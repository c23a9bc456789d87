#!/usr/bin/env python3
"""A backend that keeps every rule is found to, and each that breaks one is
caught, by the check of that rule."""

import os
import socket
import subprocess
import sys
import tempfile
import shutil
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '..', 'house'))
sys.path.append(os.path.join(HERE, '..', 'mstored'))

import atf                                              # noqa: E402
from backend import ALSO, BREAKS                        # noqa: E402
from kit import LONG, check, every                      # noqa: E402
from store import Client                                # noqa: E402

SLOW = int(os.environ.get('SLOW', '1'))
ACCOUNTS = 'mfrontctl-check', 'other'
# breaks that have every other check wait, too
SLOW_ONES = {'events-dropped', 'events-late'}


class Broken(unittest.TestCase):
    def begin(self, *args):
        """A backend that answers; its URL"""
        top = tempfile.mkdtemp(prefix='broken.')
        self.addCleanup(shutil.rmtree, top)
        path = os.path.join(top, 'sock')
        log = open(os.path.join(top, 'log'), 'w')
        self.addCleanup(log.close)
        self.backend = subprocess.Popen(
            [sys.executable, os.path.join(HERE, 'backend.py'), path, *args],
            stderr=log)
        self.addCleanup(self.end)
        until = time.monotonic() + 20 * SLOW
        while not os.path.exists(path):
            self.assertIsNone(self.backend.poll(), 'it has ended')
            self.assertLess(time.monotonic(), until, 'it does not begin')
            time.sleep(0.01)
        self.log = log.name
        self.peer = Client(path)
        self.addCleanup(self.peer.close)
        for account in ACCOUNTS:
            self.fill('/accounts/' + account)
        return 'unix:%s:/v1' % path

    def fill(self, path):
        """What somebody has who wants to have it afterwards, too"""
        for name in 'Mine', 'Mine/too':
            self.peer.ask('POST', path + '/mailboxes', {'name': name})
        self.peer.ask('POST', path + '/subscriptions',
                      {'add': ['Mine', 'Gone']})
        self.peer.ask('PUT', path + '/dict/mine', b'value')
        self.peer.ask('POST', path + '/metadata',
                      {'set': {'/private/comment': 'mine'}})

    def kept(self):
        """What is in the accounts; INBOX itself may be what is broken"""
        return [(account, sorted((row['name'], row.get('subscribed'))
                                 for row in self.rows(account, 'mailboxes')
                                 if row['name'] != 'INBOX'),
                 sorted(row['key'] for row in self.rows(account, 'dict')),
                 sorted(row['entry'] for row in self.rows(
                     account, 'metadata?mailbox=')))
                for account in ACCOUNTS]

    def rows(self, account, what):
        lines = self.peer.ask('GET', '/accounts/%s/%s' % (account, what))
        return [row for row in lines.raw_lines()
                if {'name', 'key', 'entry'} & set(row)]

    def end(self):
        self.backend.kill()
        self.backend.wait()

    def test_right(self):
        """One that keeps them all"""
        url = self.begin()
        before = self.kept()
        r = check(url, '-A', 'other')
        with open(self.log) as f:
            self.assertEqual(f.read(), '')
        self.assertEqual((r.status, r.failed, r.doc.get('error')),
                         (0, set(), None), r.why())
        self.assertEqual(r.named('skipped'),
                         {'token-needed', 'members-not-announced'})
        self.assertGreater(len(r.named('passed')), 140)
        self.assertEqual(self.kept(), before)

    def shown(self, c):
        """A failure has all that somebody needs to look for its cause"""
        self.assertTrue(c['section'] and c['why'], c)
        self.assertRegex(c['request'], r'^[A-Z]+ /v1/', c)
        if c['name'] != 'cut-stores-nothing':       # has no answer
            self.assertRegex(c['answer'], r'^HTTP/1.1 \d{3} ', c)

    def caught(self, name):
        """By the checks that should, and by no one that has no reason"""
        url = self.begin(name)
        before = self.kept()
        names = [n for n in every() if n not in LONG or n in BREAKS[name]]
        if name in SLOW_ONES:
            names = BREAKS[name]
        r = check(url, '-A', 'other', '-c', ','.join(names))
        self.assertEqual(r.status, 1, r.why())
        for expected in BREAKS[name]:
            self.assertIn(expected, r.failed, r.why())
        if ALSO.get(name, ()) is not None:
            self.assertEqual(r.failed - {*BREAKS[name], *ALSO.get(name, ())},
                             set(), r.why())
        for failed in r.failed:
            self.shown(r.checks[failed])
        self.assertEqual(self.kept(), before)
        return r


def add(name):
    def test(self):
        self.caught(name)
    test.__doc__ = 'Caught: ' + name
    setattr(Broken, 'test_' + name.replace('-', '_'), test)


for each in BREAKS:
    add(each)

if __name__ == '__main__':
    atf.main()
