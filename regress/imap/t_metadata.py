#!/usr/bin/env python3
"""METADATA (RFC 5464): annotations of mailboxes and of the account."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import ALL, StoreHouse                      # noqa: E402
import atf                                              # noqa: E402

MOUNTS = '''storage "main" embedded "$dir/store"
storage "cold" url "http://127.0.0.1:%d/v1"
storage "bare" url "http://127.0.0.1:%d/v1" without { metadata }
storage "down" url "http://127.0.0.1:9/v1"
mount "Cold" storage "cold"
mount "Bare" storage "bare"
mount "Down" storage "down"
'''


class Metadata(StoreHouse):
    how = ()

    def store_start(self):
        self.store.start(*self.how)

    def start(self, *how, **over):
        self.how = how
        self.begin(ALL, **over)
        self.c = self.imap()
        return self.c

    def get(self, mailbox, entries, options='', c=None):
        r = (c or self.c).ok('GETMETADATA %s"%s" %s' % (
            options and '(%s) ' % options, mailbox, entries))
        if not r.all('METADATA'):
            return {}
        name, found = r.one('METADATA').data
        self.assertEqual(mailbox, name.decode())
        return found

    def set(self, mailbox, **values):
        """comment='x': the shared one"""
        self.c.ok('SETMETADATA "%s" (%s)' % (mailbox, ' '.join(
            '/shared/%s %s' % (k, '"%s"' % v if v is not None else 'NIL')
            for k, v in values.items())))

    def test_values(self):
        """set, told, to everybody, gone again; names in any case"""
        c = self.start()
        can = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertIn('METADATA', can)
        for box in ('', 'INBOX'):
            self.assertEqual({'/shared/comment': None},
                             self.get(box, '/shared/comment'))
            c.ok('SETMETADATA "%s" (/SHARED/Comment "hello" '
                 '/private/comment {3+}\r\na"b)' % box)
            want = {'/shared/comment': b'hello', '/private/comment': b'a"b',
                    '/shared/other': None}
            entries = '(/shared/comment /Private/COMMENT /shared/other)'
            self.assertEqual(want, self.get(box, entries))
            self.assertEqual(want, self.get(box, entries, c=self.imap()))
            c.ok('SETMETADATA "%s" (/shared/comment NIL '
                 '/private/comment "")' % box)
            self.assertEqual({'/shared/comment': None,
                              '/private/comment': b'', '/shared/other': None},
                             self.get(box, entries))
        # they are not another mailbox's, and stay in a rename
        c.ok('CREATE box')
        self.assertEqual({}, self.get('box', '/shared', 'DEPTH infinity'))
        self.set('box', comment='mine')
        c.ok('RENAME box other')
        self.assertEqual({'/shared/comment': b'mine'},
                         self.get('other', '/shared/comment'))
        for text in ('nobody /shared/x', '"" /shared/x/',
                     'INBOX comment', 'INBOX ()'):
            r = c.cmd('GETMETADATA ' + text)
            self.assertIn(r.type, ('NO', 'BAD'), text)
        c.no('GETMETADATA nobody /shared/x', code='NONEXISTENT')
        c.no('SETMETADATA nobody (/shared/x NIL)', code='NONEXISTENT')
        for text in ('INBOX ()', 'INBOX (/shared "x")', 'INBOX (/x/y "x")',
                     'INBOX (/shared/x)', 'INBOX /shared/x NIL'):
            c.bad('SETMETADATA ' + text)

    def test_bytes(self):
        """what is no text comes back as it was"""
        self.start()
        for value in (b'\xff\xfe', 'ä€'.encode(), b'a\r\nb', b'\\"',
                      b'x' * 5000, bytes(range(1, 256))):
            self.c.ok('SETMETADATA INBOX (/private/x ', value, ')')
            self.assertEqual({'/private/x': value},
                             self.get('INBOX', '/private/x'))
        value = bytes(range(256))
        self.c.ok('SETMETADATA INBOX (/private/x ~', value, ')')
        self.assertEqual({'/private/x': value},
                         self.get('INBOX', '/private/x'))
        self.c.bad('SETMETADATA INBOX (/private/x ', b'a\0', ')')

    def test_options(self):
        """DEPTH and MAXSIZE"""
        c = self.start()
        self.set('INBOX', a='1', **{'a/b': '22', 'a/b/c': '333', 'ab': 'x'})
        every = {'/shared/a': b'1', '/shared/a/b': b'22',
                 '/shared/a/b/c': b'333', '/shared/ab': b'x'}

        def some(*names):
            return {n: every[n] for n in names}
        a, ab, abc = '/shared/a', '/shared/a/b', '/shared/a/b/c'
        for depth, entries, want in (
                ('0', a, some(a)), ('1', a, some(a, ab)),
                ('infinity', a, some(a, ab, abc)),
                ('INFINITY', '/shared', every),
                ('1', '/shared', some(a, '/shared/ab')),
                ('1', '(%s %s)' % (a, ab), some(a, ab, abc)),
                ('1', '/shared/none', {}), ('infinity', '/private', {}),
                ('0', '/shared', {'/shared': None})):
            self.assertEqual(want, self.get('INBOX', entries,
                                            'DEPTH ' + depth), (depth, want))
        r = c.ok('GETMETADATA (MAXSIZE 2 DEPTH infinity) INBOX /shared')
        self.assertEqual(('METADATA', 'LONGENTRIES 3'), (r.code, r.codedata))
        self.assertEqual(some(a, ab, '/shared/ab'),
                         r.one('METADATA').data[1])
        r = c.ok('GETMETADATA (MAXSIZE 0) INBOX ' + abc)
        self.assertEqual(('METADATA', 'LONGENTRIES 3'), (r.code, r.codedata))
        self.assertEqual([], r.all('METADATA'))
        self.assertIsNone(c.ok('GETMETADATA (MAXSIZE 3) INBOX ' + abc).code)
        # as the examples of the RFC had it
        r = c.ok('GETMETADATA INBOX (DEPTH 1) (%s)' % a)
        self.assertEqual(some(a, ab), r.one('METADATA').data[1])

    def test_limits(self):
        """all or nothing: too long, too many"""
        c = self.start()
        long = b'x' * 8193
        r = c.no('SETMETADATA INBOX (/shared/a "1" /shared/b ', long, ')',
                 code='METADATA')
        self.assertEqual('MAXSIZE 8192', r.codedata)
        self.assertEqual({}, self.get('INBOX', '/shared', 'DEPTH infinity'))
        c.ok('SETMETADATA INBOX (/shared/b ', long[1:], ')')
        for n in range(10):
            self.set('INBOX', **{'n%d' % (100 * n + i): 'x'
                                 for i in range(100 if n < 9 else 99)})
        r = c.no('SETMETADATA INBOX (/shared/b "1" /shared/more "2")',
                 code='METADATA')
        self.assertEqual('TOOMANY', r.codedata)
        self.assertEqual({'/shared/b': long[1:],
                          '/shared/more': None},
                         self.get('INBOX', '(/shared/b /shared/more)'))
        self.assertEqual(1000, len(self.get('INBOX', '/shared', 'DEPTH 1')))

    def test_mount(self):
        """of a mount's mailboxes there; refused where it has them not"""
        self.store_new()
        c = self.start(storage=MOUNTS % (self.port, self.port))
        for name in ('cold', 'bare'):
            self.house.logged('storage %s: .* is up' % name)
        self.set('Cold/INBOX', comment='cold')
        self.assertEqual({'/shared/comment': b'cold'},
                         self.get('Cold/INBOX', '/shared/comment'))
        self.assertEqual({'/shared/comment': None},
                         self.get('INBOX', '/shared/comment'))
        c.no('GETMETADATA Bare/INBOX /shared/comment', code='CANNOT')
        c.no('SETMETADATA Bare/INBOX (/shared/comment "x")', code='CANNOT')
        c.no('GETMETADATA Down/INBOX /shared/comment', code='UNAVAILABLE')
        c.no('GETMETADATA Cold /shared/comment', code='NONEXISTENT')

    def test_without(self):
        """not said, and unknown"""
        c = self.start('-D', 'metadata')
        can = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertFalse({'METADATA', 'METADATA-SERVER'} & set(can))
        c.bad('GETMETADATA "" /shared/comment')
        c.bad('SETMETADATA "" (/shared/comment NIL)')


if __name__ == '__main__':
    atf.main()
