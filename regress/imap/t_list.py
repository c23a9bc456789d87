#!/usr/bin/env python3
"""Mailboxes by name: LIST, LSUB, CREATE, DELETE, RENAME, subscriptions,
STATUS, special uses, and names in modified UTF-7."""

import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, LEVEL, StoreHouse               # noqa: E402
import atf                                              # noqa: E402

ITEMS = ('MESSAGES', 'RECENT', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN',
         'HIGHESTMODSEQ')


def matches(pattern, name):
    """As RFC 3501, 6.3.8 has it"""
    if name == 'INBOX' or name.startswith('INBOX/'):
        # in any case; no other name here has an upper case letter there
        name, pattern = 'inbox' + name[5:], pattern.lower()
    r = ''.join('.*' if ch == '*' else '[^/]*' if ch == '%' else
                re.escape(ch) for ch in pattern)
    return re.fullmatch(r, name, re.S) is not None


def parents(name):
    parts = name.split('/')
    return ['/'.join(parts[:n]) for n in range(1, len(parts))]


def listed(names, pattern):
    """name -> (exists, has children), of those that a pattern shows"""
    known = set(names) | {p for n in names for p in parents(n)}
    return {n: (n in names, any(m.startswith(n + '/') for m in names))
            for n in known if matches(pattern, n)}


class Boxes(StoreHouse):
    def start(self, capabilities=ALL, prepare=None, **more):
        self.begin(capabilities, prepare=prepare, **more)
        self.c = self.imap()
        return self.c

    def list(self, pattern='*', reference='', cmd='LIST'):
        found = {}
        for r in self.c.ok('%s "%s" "%s"' % (cmd, reference,
                                             pattern)).all(cmd):
            attributes, delimiter, name = r.data
            self.assertEqual(b'/', delimiter)
            name = name.decode()
            self.assertNotIn(name, found)
            found[name] = set(attributes)
        return found

    def names(self, cmd='LIST'):
        return {n for n, a in self.list(cmd=cmd).items()
                if '\\Noselect' not in a}

    def status(self, box, *items):
        name, d = self.c.ok('STATUS "%s" (%s)' % (
            box, ' '.join(items or ITEMS))).one('STATUS').data
        self.assertEqual(box, name.decode())
        self.assertEqual(set(items or ITEMS), set(d))
        return d


class List(Boxes):
    def test_patterns(self):
        """LIST against a model, over trees with holes"""
        c = self.start()
        names = {'INBOX'}
        for n in ('a', 'a/b', 'a/b/c', 'x/y/z', 'a-b', 'inboxes', 'A',
                  'INBOX/sub', 'INBOX/sub/deep', 'foo.bar', 'f', 'fo/o'):
            c.ok('CREATE "%s"' % n)
            names.add(n)
        patterns = ['*', '%', '%/%', '*/*', 'a*', 'a%', 'a/%', 'a/*', '%/b',
                    '*b', '*%', '%*', '', 'x', 'x/%', 'x/y', 'inbox',
                    'INBOX', 'InBoX/%', 'inbox*', 'INBOX%', '*/', 'a/',
                    '/*', '%/%/%', 'f*o', 'f%o', '*a*b*', '%%%', '**',
                    'foo.bar', 'foo?bar', '*.*', '*' * 60]
        rnd = random.Random(2)
        for _ in range(60):
            patterns.append(''.join(rnd.choice('abxyzfo/*%*%')
                                    for _ in range(rnd.randrange(1, 7))))
        for pattern in patterns:
            if pattern == '':
                continue
            want = listed(names, pattern)
            have = self.list(pattern)
            self.assertEqual(set(want), set(have), pattern)
            for n, (exists, children) in want.items():
                self.assertEqual(not exists, '\\Noselect' in have[n], n)
                self.assertEqual(children, '\\HasChildren' in have[n], n)
                self.assertEqual(not children, '\\HasNoChildren' in have[n])
        for reference, pattern, whole in (('a/', '%', 'a/%'),
                                          ('a', '*', 'a*'),
                                          ('x/', 'y/*', 'x/y/*'),
                                          ('INBOX/', '%', 'INBOX/%')):
            self.assertEqual(set(listed(names, whole)),
                             set(self.list(pattern, reference)),
                             (reference, pattern))
        r = c.ok('LIST "" ""').one('LIST').data
        self.assertEqual((['\\Noselect'], b'/', b''), r)
        for text in ('LIST', 'LIST ""', 'LIST "" x y', 'LIST "" "a',
                     'LIST (SUBSCRIBED) "" *',
                     'LIST "" * RETURN (CHILDREN)',
                     'LIST "" (a b'):
            c.bad(text)

    def test_lsub(self):
        """subscriptions: they outlive their mailboxes; "%" shows what is
        above"""
        c = self.start()
        # of those that are there at first, some storages say all
        c.ok('CREATE first')
        self.assertLessEqual(set(self.list(cmd='LSUB')), {'INBOX', 'first'})
        for n in ('first', 'INBOX'):
            c.ok('UNSUBSCRIBE ' + n)
            c.ok('UNSUBSCRIBE ' + n)
        for n in ('a', 'a/b', 'c/d/e'):
            c.ok('CREATE "%s"' % n)
        self.assertEqual(set(), set(self.list(cmd='LSUB')))
        for n in ('a', 'c/d/e', 'never/there', 'inbox'):
            c.ok('SUBSCRIBE "%s"' % n)
        self.assertEqual({'INBOX', 'a', 'c/d/e', 'never/there'},
                         set(self.list(cmd='LSUB')))
        have = self.list('%', cmd='LSUB')
        self.assertEqual({'INBOX', 'a', 'c', 'never'}, set(have))
        self.assertIn('\\Noselect', have['c'])
        self.assertNotIn('\\Noselect', have['a'])
        c.ok('DELETE a')
        self.assertIn('a', self.list(cmd='LSUB'))
        self.assertNotIn('a', self.names())
        c.ok('UNSUBSCRIBE a')
        c.ok('UNSUBSCRIBE INBOX')
        c.ok('UNSUBSCRIBE nobody')
        self.assertEqual({'c/d/e', 'never/there'},
                         set(self.list(cmd='LSUB')))
        # another session sees the same
        self.c = self.imap()
        self.assertEqual({'c/d/e', 'never/there'},
                         set(self.list(cmd='LSUB')))

    def start_without(self, *names, **more):
        self.store_new()
        return self.start(storage='storage "main" url "http://127.0.0.1:%d/'
                          'v1" without { %s }' % (self.port,
                                                  ' '.join(names)), **more)

    def test_lsub_dict(self):
        """a storage without subscriptions that has a dict"""
        c = self.start_without('subscriptions')
        store = self.store.client()
        self.addCleanup(store.close)
        entry = '/accounts/joe/dict/subscriptions'

        def lsub():
            return set(self.list(cmd='LSUB'))

        def put(value):
            self.assertEqual(200, store.ask('PUT', entry, value).status)

        # until it makes a difference, everything is
        for n in ('a', 'a/b', 'c'):
            c.ok('CREATE ' + n)
        c.ok('SUBSCRIBE a')
        c.ok('UNSUBSCRIBE nobody')
        self.assertEqual('no-such-entry', store.ask('GET', entry).code)
        self.assertEqual({'INBOX', 'a', 'a/b', 'c'}, lsub())
        c.ok('UNSUBSCRIBE a')
        c.ok('CREATE later')
        self.assertEqual({'INBOX', 'a/b', 'c'}, lsub())
        self.assertEqual(b'mfrontd subscriptions 1\nINBOX\na/b\nc\n',
                         store.ask('GET', entry).body)
        self.assertIn('\\Noselect', self.list('%', cmd='LSUB')['a'])
        c.ok('SUBSCRIBE gone/&AOQ-')
        c.ok('DELETE c')
        want = {'INBOX', 'a/b', 'c', 'gone/&AOQ-'}
        self.assertEqual(want, lsub())
        self.assertNotIn('c', self.names())
        # another session, and what another frontend has written
        other = self.imap()
        other.ok('UNSUBSCRIBE INBOX')
        self.assertEqual(want - {'INBOX'}, lsub())
        put(b'mfrontd subscriptions 1\nlater\nx\n')
        self.assertEqual({'later', 'x'}, lsub())
        c.ok('CREATE new')              # the mailboxes are read again
        self.assertEqual({'later', 'x'}, lsub())
        c.ok('UNSUBSCRIBE x')
        self.assertEqual({'later'}, lsub())
        # lost, or written by somebody else: nothing is hidden
        everything = {'INBOX', 'a', 'a/b', 'later', 'new'}
        self.assertEqual(204, store.ask('DELETE', entry).status)
        self.assertEqual(everything, lsub())
        put(b'something else')
        self.assertEqual(everything, lsub())
        other.ok('UNSUBSCRIBE new')
        self.assertEqual(everything - {'new'}, lsub())
        # two at once, of whom none overwrites the other
        names = [['%s%d' % (who, i) for i in range(20)] for who in 'ab']
        for pair in zip(*names):
            tags = [session.begin('SUBSCRIBE ' + name)
                    for session, name in zip((c, other), pair)]
            for session, tag in zip((c, other), tags):
                self.assertEqual('OK', session.finish(tag).type)
        self.assertEqual(everything - {'new'} | set(names[0] + names[1]),
                         lsub())
        # there is an end to it, which is told
        put(b'mfrontd subscriptions 1\n' + b''.join(
            b'%04d%s\n' % (i, b'x' * 995) for i in range(61)))
        c.no('SUBSCRIBE y%s' % ('y' * 700), code='LIMIT')
        c.ok('SUBSCRIBE y')
        self.assertEqual(62, len(lsub()))
        c.bad('LIST (SUBSCRIBED) "" *')

    def test_lsub_without(self):
        """a storage without both: all is subscribed"""
        c = self.start_without('subscriptions', 'dict')
        c.ok('CREATE a/b')
        self.assertEqual({'INBOX', 'a/b'}, set(self.list(cmd='LSUB')))
        c.ok('SUBSCRIBE a/b')
        c.no('UNSUBSCRIBE a/b', code='CANNOT')

    def test_special_use(self):
        """roles of the storage are attributes"""
        def prepare(client):
            for name, roles in (('Sent', ['sent']), ('Bin', ['trash']),
                                ('Both', ['junk', 'archive']),
                                ('D', ['drafts']), ('S', ['flagged'])):
                client.create('joe', name, roles=roles)
        self.start(prepare=prepare)
        have = self.list()
        self.assertIn('\\Sent', have['Sent'])
        self.assertIn('\\Trash', have['Bin'])
        self.assertLessEqual({'\\Junk', '\\Archive'}, have['Both'])
        self.assertIn('\\Drafts', have['D'])
        self.assertIn('\\Flagged', have['S'])
        self.assertEqual({'\\HasNoChildren'}, have['INBOX'])
        r = self.c.ok('LIST (SPECIAL-USE) "" * RETURN (SPECIAL-USE)')
        self.assertEqual({'Sent', 'Bin', 'Both', 'D', 'S'}, set(r.lists()))
        self.c.bad('CREATE x (USE (\\Sent))')

    def test_many(self):
        """2,000 mailboxes, and LIST while another session changes them"""
        def prepare(client):
            for n in range(2000):
                client.create('joe', 'box/%02d/%04d' % (n % 50, n))
        c = self.start(prepare=prepare)
        other = self.imap()
        self.assertEqual(2001, len(self.names()))
        self.assertEqual(50, len(self.list('box/%')))
        other.ok('CREATE box/00/new')
        other.ok('DELETE box/00/0050')
        self.assertEqual(2001, len(self.names()))
        self.assertEqual(40, len(self.list('box/00/%')))
        c.ok('RENAME box tree')
        self.assertEqual(2000, len(self.list('tree/%/%')))
        self.assertEqual({}, self.list('box*'))


class Change(Boxes):
    def test_create(self):
        """CREATE in its forms"""
        c = self.start()
        for name, want in (('a', 'a'), ('b/', 'b'), ('"c d"', 'c d'),
                           ('e/f/g', 'e/f/g'), ('e', 'e'), ('{1+}\r\nh', 'h'),
                           ('"q\\"q"', 'q"q'), ('&AOQ-', '&AOQ-'),
                           ('"&Jjo-!"', '&Jjo-!')):
            c.ok('CREATE %s' % name)
            self.assertIn(want, self.names())
        for name in ('a', 'A/../a/', 'INBOX', 'inbox', 'InBoX/', 'e/f/g/'):
            r = c.cmd('CREATE %s' % name)
            self.assertIn((r.type, r.code), (('NO', 'ALREADYEXISTS'),
                                             ('OK', 'MAILBOXID'),
                                             ('OK', None)), name)
        self.assertNotIn('OK', [c.cmd('CREATE ' + n).type
                                for n in ('a', 'INBOX', 'inbox')])
        for name in ('"/"', '"//"', '"/a"', '"a//b"', '""', '"&"', '"&AOQ"',
                     '"&AOQ-&AOQ-"', '"&AEE-"', '"&2AA-"', '"&!-"', '"\t"',
                     '"&AAo-"', '"' + 'x' * 1100 + '"',
                     '"' + '/'.join(['y' * 200] * 6) + '"'):
            r = c.cmd('CREATE %s' % name)
            self.assertIn(r.type, ('NO', 'BAD'), name)
        # NFD of u-umlaut: two names that look alike
        c.no('CREATE "u&Awg-"', code='CANNOT')
        c.ok('CREATE "&APw-"')
        c.bad('CREATE "\u00fc"')

    def test_names(self):
        """names of all kinds come back as they were given"""
        c = self.start()
        names = ['&AOQ-', 'a&AOQ-b', '&BCQENQQ7BDA-', '&ZeVnLIqe-/&U,BTFw-',
                 '&2D3cjA-', 'tea &- milk', 'it\'s', 'a.b', '~x', '#y',
                 'with space', 'paren(s)', 'back\\slash', 'quo"te', 'x' * 200]
        for n in names:
            tag = c.begin('CREATE ', n.encode())
            self.assertEqual('OK', c.finish(tag).type, n)
        self.assertEqual(set(names) | {'INBOX'},
                         self.names())
        for n in names:
            q = n.replace('\\', '\\\\').replace('"', '\\"')
            r = c.ok('STATUS "%s" (MESSAGES)' % q)
            self.assertEqual(n, r.one('STATUS').data[0].decode())
            c.ok('SELECT "%s"' % q)
            if 'subscriptions' in self.capabilities:
                c.ok('SUBSCRIBE "%s"' % q)
            c.ok('UNSELECT')
            c.ok('DELETE "%s"' % q)
        self.assertEqual({'INBOX'}, self.names())
        if 'subscriptions' in self.capabilities:
            self.assertEqual(set(names) | {'INBOX'},
                             set(self.list(cmd='LSUB')) | {'INBOX'})

    def test_delete(self):
        """DELETE: of leaves, of parents, of what is not there"""
        c = self.start()
        for n in ('a/b/c', 'a', 'd'):
            c.ok('CREATE %s' % n)
        c.ok('DELETE a')                # its children stay
        have = self.list()
        self.assertIn('\\Noselect', have['a'])
        self.assertIn('a/b/c', have)
        c.no('DELETE a', code='NONEXISTENT')
        c.no('DELETE a/b', code='NONEXISTENT')
        c.no('SELECT a', code='NONEXISTENT')
        c.no('DELETE INBOX')
        c.no('DELETE inbox')
        c.no('DELETE nobody', code='NONEXISTENT')
        c.ok('DELETE a/b/c')
        self.assertEqual({'INBOX', 'd'}, set(self.list()))
        # made again it is another one
        before = self.status('d', 'UIDVALIDITY')
        c.ok('DELETE d')
        c.ok('CREATE d')
        self.assertNotEqual(before, self.status('d', 'UIDVALIDITY'))

    def test_delete_selected(self):
        """one's own is closed; who else has it open is told goodbye"""
        c = self.start()
        c.ok('CREATE box')
        c.append('box', b'a: b\r\n\r\n')
        other, idle = self.imap(select='box'), self.imap(select='box')
        busy = self.imap(select='INBOX')
        tag = idle.idle()
        c.ok('SELECT box')
        c.ok('DELETE box')
        c.bad('FETCH 1 FLAGS')
        c.ok('SELECT INBOX')
        del tag
        idle.ended()
        self.assertEqual('BYE', idle.bye.type)
        try:
            other.cmd('NOOP')
        except EOFError:
            pass
        else:
            other.ended()
        self.assertEqual('BYE', other.bye.type)
        busy.ok('NOOP')

    def test_rename(self):
        """RENAME: leaves, subtrees, what cannot be"""
        c = self.start()
        for n in ('a/b/c', 'a/b', 'x', 'ab'):
            c.ok('CREATE %s' % n)
        c.append('a/b/c', b'a: b\r\n\r\n')
        ids = {n: self.status(n, 'UIDVALIDITY', 'MESSAGES') for n in
               ('a/b/c', 'a/b')}
        c.ok('RENAME a new/tree')
        self.assertEqual({'INBOX', 'x', 'ab', 'new/tree/b', 'new/tree/b/c'},
                         self.names())
        self.assertEqual(ids['a/b/c'], self.status(
            'new/tree/b/c', 'UIDVALIDITY', 'MESSAGES'))
        c.ok('RENAME new/tree/b b')
        self.assertEqual({'INBOX', 'x', 'ab', 'b', 'b/c'}, self.names())
        c.no('RENAME b x', code='ALREADYEXISTS')
        c.no('RENAME b inbox', code='ALREADYEXISTS')
        c.no('RENAME nobody y', code='NONEXISTENT')
        for to in ('b/d', 'b/b'):
            r = c.cmd('RENAME b %s' % to)
            self.assertEqual('NO', r.type)
        c.ok('CREATE t/c')
        c.no('RENAME b t', code='ALREADYEXISTS')    # a child would collide
        self.assertEqual({'INBOX', 'x', 'ab', 'b', 'b/c', 't/c'},
                         self.names())
        c.no('RENAME b "&AAo-"')
        c.no('RENAME b "u&Awg-"', code='CANNOT')
        c.bad('RENAME b')

    def test_rename_selected(self):
        """a mailbox that is open goes on under its new name"""
        c = self.start()
        c.ok('CREATE box')
        c.append('box', b'a: 1\r\n\r\n')
        other = self.imap(select='box')
        c.ok('SELECT box')
        c.ok('RENAME box new/name')
        c.ok('APPEND new/name {1+}\r\nx')
        self.assertEqual(2, c.exists)
        other.ok('NOOP')
        self.assertEqual(2, other.exists)
        other.ok('STORE 1 +FLAGS (\\Seen)')
        c.ok('NOOP')
        self.assertEqual({'\\seen'}, c.learn()[1] - {'\\recent'})
        c.no('SELECT box', code='NONEXISTENT')

    def test_rename_inbox(self):
        """its messages move, it stays; its children stay, too"""
        c = self.start()
        c.ok('CREATE INBOX/sub')
        for n in range(3):
            c.append('INBOX', b'a: %d\r\n\r\n' % n, ['\\Seen'])
        other = self.imap(select='INBOX')
        c.ok('SELECT INBOX')
        c.ok('RENAME inbox old')
        c.ok('NOOP')
        other.ok('NOOP')
        self.assertEqual((0, 0), (c.exists, other.exists))
        self.assertEqual(3, self.status('old', 'MESSAGES')['MESSAGES'])
        self.assertEqual(0, self.status('INBOX', 'MESSAGES')['MESSAGES'])
        self.assertEqual({'INBOX', 'INBOX/sub', 'old'}, self.names())
        c.no('RENAME INBOX old', code='ALREADYEXISTS')
        c.no('RENAME INBOX inbox')
        c.append('INBOX', b'a: b\r\n\r\n')


class Status(Boxes):
    def test_items(self):
        """every item, before and after changes, of open mailboxes too"""
        c = self.start()
        d = self.status('INBOX')
        self.assertEqual((0, 0, 1, 0), (d['MESSAGES'], d['RECENT'],
                                        d['UIDNEXT'], d['UNSEEN']))
        valid = d['UIDVALIDITY']
        for n in range(5):
            c.append('INBOX', b'a: %d\r\n\r\n' % n, ['\\Seen'] * (n % 2))
        d = self.status('INBOX')
        self.assertEqual((5, 5, 6, 3, valid),
                         (d['MESSAGES'], d['RECENT'], d['UIDNEXT'],
                          d['UNSEEN'], d['UIDVALIDITY']))
        other = self.imap()
        r = other.ok('EXAMINE INBOX')
        self.assertEqual(5, other.recent)
        self.assertEqual(str(d['HIGHESTMODSEQ']),
                         r.codes().get('HIGHESTMODSEQ', '0'))
        self.assertEqual(5, self.status('INBOX')['RECENT'])
        other.ok('SELECT INBOX')        # now they are its own
        self.assertEqual(0, self.status('INBOX')['RECENT'])
        other.ok('STORE 1:2 +FLAGS.SILENT (\\Seen \\Deleted)')
        other.ok('EXPUNGE')
        now = self.status('INBOX')
        self.assertEqual((3, 0, 6, 2), (now['MESSAGES'], now['RECENT'],
                                        now['UIDNEXT'], now['UNSEEN']))
        if 'modseq' in self.capabilities:
            self.assertGreater(now['HIGHESTMODSEQ'], d['HIGHESTMODSEQ'])
        else:
            self.assertEqual(0, now['HIGHESTMODSEQ'])
        # of the mailbox that is open: what the session has been told is
        # recent is so here, too
        c.append('INBOX', b'x: y\r\n\r\n')
        other.ok('NOOP')
        self.c = other
        self.assertEqual(4, self.status('INBOX', 'MESSAGES')['MESSAGES'])
        self.assertEqual(other.recent, self.status('INBOX',
                                                   'RECENT')['RECENT'])
        # also where another item takes a listing
        if other.ok('CAPABILITY').one('CAPABILITY').data.count(
                'QUOTA=RES-STORAGE'):
            self.assertEqual(other.recent, self.status(
                'INBOX', 'RECENT', 'DELETED-STORAGE')['RECENT'])
        other.no('STATUS nobody (MESSAGES)', code='NONEXISTENT')
        for text in ('INBOX', 'INBOX ()', 'INBOX (FOO)', 'INBOX MESSAGES',
                     'INBOX (MESSAGES', 'INBOX (SIZE)'):
            other.bad('STATUS ' + text)

    def check_levels(self, level):
        def prepare(client):
            box = client.create('joe', 'box')['id']
            for n in range(7):
                client.add('joe', box, b'x' * (n + 1),
                           flags=['\\Seen'] * (n % 2))
        self.start(level, prepare=prepare)
        items = ITEMS[:5]
        d = self.status('box', *items)
        self.assertEqual((7, 8, 4), (d['MESSAGES'], d['UIDNEXT'],
                                     d['UNSEEN']))
        self.c.ok('SELECT box')
        self.assertEqual(7, self.c.exists)
        self.assertEqual(d['RECENT'], self.c.recent)

    def test_level0(self):
        """of a storage that tells the least"""
        self.check_levels(LEVEL[0])

    def test_level1(self):
        """of one that can be written"""
        self.check_levels(LEVEL[1])


if __name__ == '__main__':
    atf.main()
