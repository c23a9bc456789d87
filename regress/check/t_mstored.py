#!/usr/bin/env python3
"""mfrontctl check finds nothing wrong with mstored, at every level."""

import os
import signal
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))
sys.path.insert(0, os.path.join(HERE, '..', 'mstored'))

import atf                                              # noqa: E402
from kit import LONG, PROGRAM, check, every             # noqa: E402
from store import Server                                # noqa: E402

LEVEL2 = ['write', 'modseq', 'events', 'idempotency', 'copy']


def short():
    """All but those that take their time"""
    return ','.join(name for name in every() if name not in LONG)


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
        self.assertEqual(r.named('skipped'), set(skipped))
        return r

    def only(self, *capabilities):
        """Start again, with everything else switched off"""
        self.store.stop()
        self.store.start(*(arg for name in self.announced()
                           if name not in capabilities
                           for arg in ('-D', name)))

    def announced(self):
        self.store.start()
        c = self.store.client()
        names = c.ask('GET', '/').json()['capabilities']
        c.close()
        self.store.stop()
        return sorted(names)

    @atf.timeout(300)
    def test_all(self):
        """With everything it can do"""
        self.begin()
        c = self.store.client()
        for account in 'mfrontctl-check', 'other':
            path = '/accounts/' + account
            c.create(account, 'Mine')
            c.ask('POST', path + '/subscriptions', {'add': ['Mine', 'Gone']})
            c.ask('PUT', path + '/dict/mine', b'value')
        before = self.kept(c)
        self.assertEqual([n for n, _, _ in before[0][0]],
                         ['Gone', 'INBOX', 'Mine'])
        r = self.green('-A', 'other',
                       skipped={
            'token-needed', 'not-announced', 'auth',
            'members-not-announced'})
        self.assertEqual(r.doc['level'], 2)
        # and the accounts are as they were
        self.assertEqual(self.kept(c), before)
        c.close()
        self.store.stop()
        self.store.check()

    def kept(self, c):
        """Mailboxes and their ids, subscriptions, values: of each account"""
        return [(sorted((row['name'], row.get('id'), row.get('subscribed'))
                        for row in c.mailboxes(account)),
                 c.ask('GET', '/accounts/%s/dict' % account).lines()[1])
                for account in ('mfrontctl-check', 'other')]

    def test_level0(self):
        """Nothing is announced: what is there is read"""
        self.begin()
        c = self.store.client()
        inbox = c.mailbox('mfrontctl-check')['id']
        for i in range(20):
            c.add('mfrontctl-check', inbox, b'Subject: %d\r\n\r\nx\r\n' % i,
                  flags=['\\Seen'] if i % 3 else [])
        c.close()
        self.only()
        r = self.green(skipped={'token-needed'})
        self.assertEqual(r.doc['level'], 0)
        self.assertEqual({x['level'] for x in r.checks.values()}, {0})
        # the same without messages: what cannot be seen is not said
        r = check(self.url, '-a', 'empty')
        self.assertEqual(r.status, 0, r.why())
        self.assertIn('list-all', r.named('skipped'))

    def test_level1(self):
        """Only write is announced"""
        self.begin()
        self.only('write')
        r = self.green(skipped={'token-needed', 'accounts-apart'})
        self.assertEqual(r.doc['level'], 1)
        self.assertIn('not-announced', r.named('passed'))
        self.assertIn('members-not-announced', r.named('passed'))

    def test_level2(self):
        """Level 2 is announced, and nothing of level 3"""
        self.begin()
        self.only('write', 'modseq', 'events', 'idempotency', 'copy')
        r = self.green('-A', 'other', '-c', short(), skipped={'token-needed'})
        self.assertEqual((r.doc['level'], r.doc['capabilities']),
                         (2, LEVEL2))
        self.assertIn('not-announced', r.named('passed'))

    def test_some(self):
        """One of level 2 is missing, each in turn"""
        self.begin()
        self.store.stop()
        for off in ('modseq', 'events', 'idempotency', 'copy'):
            self.store.start('-D', off)
            r = check(self.url, '-c', short())
            self.assertEqual((r.status, r.failed, r.doc['level']),
                             (0, set(), 1), r.why())
            self.assertNotIn(off, {x.get('capability')
                                   for x in r.checks.values()})
            self.store.stop()

    def test_option_l(self):
        """-l: these levels alone, and they must be announced"""
        self.begin('-D', 'events')
        r = check(self.url, '-l', '1')
        self.assertEqual((r.status, r.doc['level']), (0, 1), r.why())
        self.assertEqual(r.doc['capabilities'], ['write'])
        r = check(self.url, '-l', '0')
        self.assertEqual((r.status, r.doc['capabilities']), (0, []))
        self.assertEqual({x['level'] for x in r.checks.values()}, {0})
        r = check(self.url, '-l', '2')
        self.assertEqual(r.status, 1)
        self.assertIn('level 2 is not announced', r.doc['error'])
        self.store.stop()
        self.store.start()
        r = check(self.url, '-l', '2', '-c', short())
        self.assertEqual((r.status, r.doc['level'], r.doc['capabilities']),
                         (0, 2, LEVEL2), r.why())
        self.assertEqual({x['level'] for x in r.checks.values()}, {0, 1, 2})
        names = 'list-all,upload,since,search-flags,dict'
        r = check(self.url, '-l', '3', '-c', names)
        self.assertEqual((r.status, r.doc['level']), (0, 2), r.why())
        self.assertLess(set(LEVEL2), set(r.doc['capabilities']))
        self.assertLess(set(names.split(',')), set(r.checks))
        self.assertEqual({x['level'] for x in r.checks.values()},
                         {0, 1, 2, 3})

    def test_token_and_password(self):
        """A token, and a password that auth knows"""
        def write(name, text):
            path = os.path.join(self.store.top, name)
            with open(path, 'w') as f:
                f.write(text)
            return path
        self.store = Server()
        self.addCleanup(self.store.remove)
        token = write('token', 's3cret-token\n')
        hashed = subprocess.run([PROGRAM, 'encrypt', '-c', '4'], check=True,
                                input='demo-password', text=True,
                                stdout=subprocess.PIPE).stdout
        self.store.admin('user', 'add', 'joe@example.org', stdin=hashed)
        self.store.start('-t', token)
        self.url = 'unix:%s:/v1' % self.store.path
        user = write('user', 'joe@example.org:demo-password\n')
        names = 'token-needed,auth,auth-refused,recipients,mailbox-create'
        r = self.green('-t', token, '-u', user, '-c', names)
        self.assertTrue(set(names.split(',')) <= r.named('passed'), r.out)
        r = check(self.url)
        self.assertEqual(r.status, 1)
        self.assertIn('401', r.doc['error'])
        # neither secret is in what is told
        write('user', 'joe@example.org:other-password\n')
        for args in ((), ('-v',)):
            for j in True, False:
                r = check(self.url, '-t', token, '-u', user, '-c', names,
                          *args, json=j)
                self.assertEqual(r.status, 1)
                self.assertIn('bad-credentials', r.out)
                for secret in 's3cret', '-password':
                    self.assertNotIn(secret, r.out + r.err)

    def test_for_people(self):
        """The checklist, and what is said of a failure"""
        self.begin()
        r = check(self.url, '-c', 'service-document,key-once', json=False)
        self.assertEqual(r.status, 0)
        self.assertRegex(r.out, r'^mstored \S+, level 2, and auth')
        self.assertRegex(r.out, r'(?m)^Level 2: idempotency: 1 passed')
        self.assertRegex(r.out, r'(?m)^  ok +key-once +a repeated upload')
        self.assertRegex(r.out, r'\d+ passed, 0 failed, 0 skipped: what is '
                         r'announced is kept\n$')
        # a user whom it does not know
        user = os.path.join(self.store.top, 'user')
        with open(user, 'w') as f:
            f.write('nobody@example.org:x\n')
        r = check(self.url, '-c', 'auth,list-all', '-u', user, json=False)
        self.assertEqual(r.status, 1)
        self.assertRegex(r.out, r'(?m)^  FAILED +auth +a right password')
        self.assertRegex(
            r.out, r'(?m)^auth: the status is 403 bad-credentials\n'
            r'    see mfront-storage\(7\), CALLS, Check a password\n'
            r'    > POST auth\n'
            r'(    < .*\n)+')
        for line in ('    < HTTP/1.1 403 ', '    < Content-Type: application/'
                     'problem+json\n', '"code":"bad-credentials"'):
            self.assertIn(line, r.out)
        self.assertRegex(r.out, r'\d+ passed, 1 failed, 0 skipped: NOT what '
                         r'is announced\n$')

    def test_list(self):
        """-L: which checks there are; no two have one name"""
        names = every()
        self.assertGreater(len(names), 120)
        self.assertEqual(len(names), len(set(names)))
        for name in ('uids-ascend', 'modseqs-ascend', 'key-once',
                     'one-change-one-modseq', 'uidvalidity-grows',
                     'id-is-uidvalidity', 'content-is-constant',
                     'size-is-exact', 'visible-at-once',
                     'since-misses-nothing', 'all-or-nothing',
                     'each-recipient-alone', 'cut-stores-nothing',
                     'inbox-exists', 'accounts-apart'):
            self.assertIn(name, names)

    def test_interrupted(self):
        """Interrupted, it ends, and leaves nothing behind"""
        self.begin()
        p = subprocess.Popen([PROGRAM, 'check', '-v', self.url],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        self.addCleanup(p.kill)
        for line in p.stderr:
            if line.startswith('mailbox-rename'):
                break
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 1)
        self.assertIn('was interrupted', out)
        self.assertNotIn('since-misses-nothing', err)
        rows = self.store.client().mailboxes('mfrontctl-check')
        self.assertEqual([row['name'] for row in rows], ['INBOX'])

    def test_usage(self):
        """What cannot be understood is status 2, what fails 1"""
        for args in (('-l', '4'), ('-c', 'nothing'), ('-x',), ('more',)):
            self.assertEqual(check('http://127.0.0.1/v1', *args).status, 2,
                             args)
        self.assertEqual(check('ftp://x/').status, 2)
        r = check('unix:/nowhere/at/all:/v1')
        self.assertEqual(r.status, 1)
        self.assertIn('connect', r.doc['error'])
        self.assertEqual(check('unix:/x', '-t', '/nowhere').status, 1)


if __name__ == '__main__':
    atf.main()
