#!/usr/bin/env python3
"""sqlite.py keeps what it promised, whenever it ends."""

import json
import os
import subprocess
import sys
import threading
import urllib.error

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from example import Api, alone, letter, unittest        # noqa: E402
import atf                                              # noqa: E402


class Sqlite(unittest.TestCase):
    def setUp(self):
        self.backend = alone(self, 'sqlite.py')
        self.api = Api(self.backend.url)
        self.api.boxes()

    def again(self):
        self.backend.kill()
        self.backend.start()

    @atf.timeout(240)
    def test_killed(self):
        """each answered message is there, each other at most once"""
        answered, path = set(), self.api.path('INBOX')
        for _ in range(5):
            def work():
                try:
                    while True:
                        answered.add(self.api.append(letter('x')))
                except (OSError, AssertionError, urllib.error.URLError):
                    pass                        # it is killed
            workers = [threading.Thread(target=work) for _ in range(4)]
            for worker in workers:
                worker.start()
            goal = len(answered) + 20
            while len(answered) < goal:
                self.api.rows(path=path)
            self.backend.kill()
            for worker in workers:
                worker.join()
            self.backend.start()
        rows = self.api.rows(path=path)
        self.assertEqual(set(), answered - rows.keys())
        self.assertEqual(list(range(1, len(rows) + 1)), list(rows))
        self.assertLessEqual(len(rows), len(answered) + 5 * 4)

    def test_keys(self):
        """a repeat is known when it has begun again; cursors are, too"""
        to = json.dumps({'to': [{'account': 'joe', 'mailbox':
                                 self.api.boxes()['INBOX']['id']}]})
        body = to.encode() + b'\n' + letter('once')
        first = self.api.ask('POST', '/messages', body, 'key')
        header = self.api.lines('GET', '/accounts/joe/mailboxes')[0]
        self.again()
        self.assertEqual(first, self.api.ask('POST', '/messages', body,
                                             'key'))
        self.assertEqual('key-reused', self.api.refused(
            'POST', '/messages', body + b'x', 'key'))
        self.assertEqual([1], list(self.api.rows()))
        self.assertEqual(header, self.api.lines(
            'GET', '/accounts/joe/mailboxes')[0])

    def test_restored(self):
        """after a backup has come back nothing is what it was"""
        self.api.append(letter('before'))
        before = self.api.boxes()['INBOX']
        cursor = self.api.lines('GET', '/accounts/joe/mailboxes')[0]['cursor']
        self.backend.kill()
        subprocess.run(self.backend.command(self.backend.path('db'),
                                            'restored'), check=True)
        self.backend.start()
        after = self.api.boxes()['INBOX']
        self.assertLess(before['uidvalidity'], after['uidvalidity'])
        self.assertNotEqual(before['id'], after['id'])
        self.assertEqual('no-such-mailbox', self.api.refused(
            'GET', '/accounts/joe/mailboxes/' + before['id']))
        self.assertEqual('cursor-too-old', self.api.refused(
            'GET', '/events?since=' + cursor))
        row, = self.api.rows().values()
        self.assertEqual(letter('before'), self.api.content(row))


if __name__ == '__main__':
    atf.main()
