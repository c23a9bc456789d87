#!/usr/bin/env python3
"""mfstore.py: what it makes of requests and answers, without a store."""

import http.client
import json
import os
import socket
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from example import EXAMPLES, unittest                  # noqa: E402
import atf                                              # noqa: E402

sys.path.append(EXAMPLES)
import mfstore                                          # noqa: E402


class Pure(unittest.TestCase):
    def refused(self, code, what, *args):
        with self.assertRaises(mfstore.Problem) as e:
            what(*args)
        self.assertEqual(code, e.exception.body['code'])

    def test_sets(self):
        """one spelling of each, and what is in it"""
        uids = mfstore.Set('1:3,5,4294967290:4294967295')
        self.assertEqual([(1, 3), (5, 5), (4294967290, 4294967295)],
                         uids.ranges)
        self.assertEqual([1, 3, 5, 4294967290, 4294967295], [
            n for n in (0, 1, 3, 4, 5, 6, 4294967289, 4294967290, 4294967295,
                        4294967296) if n in uids])
        for bad in ('', '0', '01', '1,2', '2,1', '3:2', '1:1', '1:2,2', '*',
                    '1:*', ' 1', '1,', '1:2:3', '4294967296', '\u0661',
                    '1:2,3:4', '1\n'):
            self.refused('bad-request', mfstore.Set, bad)

    def test_lines(self):
        """sets of many are several lines"""
        self.assertEqual([{'x': '1:3,5'}], [*mfstore.sets('x', [1, 2, 3, 5])])
        self.assertEqual([], [*mfstore.sets('x', [])])
        many = [*range(2**32 - 10000, 2**32, 2)]
        lines = [*mfstore.sets('x', many)]
        self.assertTrue(all(len(json.dumps(line)) < 30000 for line in lines))
        self.assertEqual(many, [int(n) for line in lines
                                for n in line['x'].split(',')])

    def test_merged(self):
        """neighbours that say the same"""
        rows = [dict(uid=u, f=f) for u, f in (
            (1, []), (2, []), (3, ['a']), (5, ['a']), (6, ['a']), (9, []))]
        self.assertEqual([
            dict(uids='1:2', f=[]), dict(uid=3, f=['a']),
            dict(uids='5:6', f=['a']), dict(uid=9, f=[])],
            [*mfstore.merged(iter(rows))])

    def test_flagged(self):
        """add, remove, set; as the mailbox knows them"""
        known = {}
        flags = mfstore.flagged([], {'set': ['\\seen', 'Word']}, known)
        self.assertEqual(['Word', '\\Seen'], flags)
        self.assertEqual(flags, mfstore.flagged(flags, {'add': ['wORD']},
                                                known))
        self.assertEqual(['\\Seen'], mfstore.flagged(
            flags, {'remove': ['WORD', 'other']}, known))
        self.assertEqual({'\\seen', 'word'}, known.keys())
        self.refused('not-permitted', mfstore.flagged, [], {
            'add': ['%250d' % n for n in range(40)]}, {})

    def test_members(self):
        """are refused, if they are not known, are none, or are missing"""
        words = ['a:number', 'b:text?', 'c:bool?modseq']
        self.assertEqual({'a': 1}, mfstore.members({'a': 1, 'b': None},
                                                   words))
        for bad in ({}, {'b': 'x'}, {'a': True}, {'a': -1}, {'a': 1.0},
                    {'a': 1, 'b': 2}, [], 'x', None):
            self.refused('bad-request', mfstore.members, bad, words)
        self.refused('unknown-parameter', mfstore.members,
                     {'a': 1, 'c': True}, words)
        self.assertEqual({'a': 1, 'c': True}, mfstore.members(
            {'a': 1, 'c': True}, words, ['modseq']))


class Store(mfstore.Store):
    def mailboxes(self, account):
        yield {}
        yield {'account': account}
        if account == 'broken':
            raise ValueError('this is a test')
        mfstore.need(account != 'gone', 'no-such-account')


class Served(unittest.TestCase):
    """On a socket of the UNIX domain, with a token"""

    def setUp(self):
        top = tempfile.TemporaryDirectory()
        self.addCleanup(top.cleanup)
        self.where = os.path.join(top.name, 's')
        threading.Thread(target=mfstore.serve, daemon=True, args=(
            Store(), 'unix:' + self.where, 's3cret')).start()

    def get(self, path, token='s3cret'):
        c = http.client.HTTPConnection('localhost')
        c.sock = socket.socket(socket.AF_UNIX)
        while c.sock.connect_ex(self.where) != 0:
            pass
        c.request('GET', path, headers={'Authorization': 'Bearer ' + token})
        answer = c.getresponse()
        text = answer.read().decode()
        c.close()
        return answer.status, text

    def test_token(self):
        """is wanted"""
        self.assertEqual(200, self.get('/v1/')[0])
        self.assertEqual(200, self.get('/v1')[0])
        for wrong in ('', 's3cre', 's3cret '[:-1] + 'x', '\u00fc'):
            self.assertEqual(401, self.get('/v1/', wrong)[0], wrong)

    def test_broken_off(self):
        """an answer that fails in the middle says so"""
        self.assertEqual({'end': True}, self.last('a%2Fb'))
        self.assertEqual({'end': False, 'code': 'no-such-account'},
                         self.last('gone'))
        stderr, sys.stderr = sys.stderr, open(os.devnull, 'w')
        try:
            self.assertEqual({'end': False, 'code': 'internal'},
                             self.last('broken'))
        finally:
            sys.stderr.close()
            sys.stderr = stderr

    def last(self, account):
        status, text = self.get('/v1/accounts/%s/mailboxes' % account)
        self.assertEqual(200, status)
        return json.loads(text.splitlines()[-1])

    def test_bad_paths(self):
        """are refused"""
        self.assertEqual(400, self.get('/v1/accounts/%FF/mailboxes')[0])
        self.assertEqual(404, self.get('/v1/accounts')[0])


if __name__ == '__main__':
    atf.main()
