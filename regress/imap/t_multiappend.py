#!/usr/bin/env python3
"""MULTIAPPEND, CATENATE and REPLACE (RFC 3502, RFC 4469, RFC 8508)."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from common import Message, picked                      # noqa: E402
import atf                                              # noqa: E402
from imapclient import uids_of                          # noqa: E402
from store import Client                                # noqa: E402
from whole import SLOW, WITHOUT, WholeTest              # noqa: E402

TEXT = b'From: a@example.org\r\nSubject: x\r\n\r\nbody\r\n'
DATE = '17-Jul-1996 02:44:25 -0700'
LIMITS = 'limits { bad commands 1000 }\nlimits { message size 2m }\n'


def append(box, *messages, plus=True):
    """The command, without its tag: messages are (what is before, bytes)"""
    return b' APPEND %s' % box + b''.join(
        b' %s{%d%s}\r\n%s' % (head, len(text), b'+' * plus, text)
        for head, text in messages) + b'\r\n'


class Batch(WholeTest):
    options = dict(conf=LIMITS)

    def setUp(self):
        super().setUp()
        self.c = self.imap()

    def plus(self, command, c=None):
        """Sent without waiting; what follows is a command again"""
        c = c or self.c
        c.raw(b't' + command + b'u NOOP\r\n')
        r = c.finish('t')
        assert c.finish('u').type == 'OK'
        return r

    def refused(self, command, type='NO', code=None):
        before = self.stored()
        r = self.plus(command)
        self.assertEqual((type, code), (r.type, r.code), (command[:200], r))
        self.assertEqual(before, self.stored())

    def stored(self, box='INBOX', c=None):
        """[(uid, flags, bytes)]"""
        c = c or self.imap()
        c.ok('EXAMINE "%s"' % box)
        found = [] if c.exists == 0 else [
            (d['UID'], {f for f in d['FLAGS'] if f != '\\Recent'},
             d['BODY[]']) for _, d in
            c.ok('FETCH 1:* (UID FLAGS BODY.PEEK[])').fetched()]
        c.close()
        return found

    def texts(self, box='INBOX'):
        return [text for _, _, text in self.stored(box)]


class Multiappend(Batch):
    def test_forms(self):
        """flags and date each for itself; all sizes; waiting or not"""
        c = self.c
        texts = [b'x' * n for n in (1, 131072, 131073, 300000, 5)]
        for first in range(len(texts)):
            some = texts[first:] + texts[:first]
            heads = [b'', b'(\\Seen k) ', b'"%s" ' % DATE.encode(),
                     b'() ', b'(\\draft) "%s" ' % DATE.encode()]
            if first % 2 == 0:
                r = self.plus(append(b'INBOX', *zip(heads, some)))
            else:
                parts = ['APPEND INBOX']
                for head, text in zip(heads, some):
                    parts[-1] += ' ' + head.decode()
                    parts += [text, '']
                r = c.ok(*parts)
            self.assertEqual(('OK', 'APPENDUID'), (r.type, r.code), r)
            uids = uids_of(r.codedata.split()[1])
            self.assertEqual(list(range(5 * first + 1, 5 * first + 6)), uids)
            got = self.stored()[-5:]
            self.assertEqual(uids, [u for u, _, _ in got])
            self.assertEqual(some, [t for _, _, t in got])
            self.assertEqual([set(), {'\\Seen', 'k'}, set(), set(),
                              {'\\Draft'}], [f for _, f, _ in got])
        c.ok('EXAMINE INBOX')
        self.assertEqual([DATE.encode()] * 2, [
            d['INTERNALDATE'] for _, d in
            c.ok('FETCH 3,5 (INTERNALDATE)').fetched()])
        for b in b's' + append(b'INBOX', (b'', b'ab'), (b'(z) ', b'cd')):
            c.raw(bytes([b]))
        self.assertEqual('APPENDUID', c.finish('s').code)
        self.assertEqual([b'ab', b'cd'], self.texts()[-2:])

    def test_selected(self):
        """told at once, and to others; summaries are stored with them"""
        c, d = self.c, self.imap()
        c.ok('SELECT INBOX')
        d.ok('EXAMINE INBOX')
        r = self.plus(append(b'INBOX', (b'(a) ', TEXT), (b'(b) ', TEXT),
                             (b'', TEXT)))
        self.assertEqual((3, 3), (r.all('EXISTS')[-1].number,
                                  r.all('RECENT')[-1].number), r)
        self.assertEqual({1: {'a', '\\recent'}, 2: {'b', '\\recent'},
                          3: {'\\recent'}}, c.learn())
        end = time.monotonic() + 10 * SLOW
        while d.exists < 3 and time.monotonic() < end:
            d.ok('NOOP')
        self.assertEqual(3, d.exists)
        if 'cache' in WITHOUT:
            return
        store = Client(self.house.path('run/store-main.sock'))
        rows = store.state('joe', store.mailbox('joe')['id'],
                           fields='uid,cache')
        store.close()
        self.assertEqual([True] * 3, ['Subject' in rows[n].get('cache', '')
                                      for n in (1, 2, 3)])

    def test_refused(self):
        """one is wrong: nothing is stored, and nobody loses step"""
        self.c.append('INBOX', TEXT)
        one = (b'', TEXT)
        for bad, type, code in (
                ((b'', b'x' * 2097153), 'NO', 'TOOBIG'),
                ((b'', b''), 'NO', 'CANNOT'),
                ((b'', b'a\0b'), 'NO', 'CANNOT'),
                ((b'', b'y' * 300000 + b'\0'), 'NO', 'CANNOT'),
                ((b'(\\Foo) ', b'abc'), 'BAD', None),
                ((b'(x) (y) ', b'abc'), 'BAD', None),
                ((b'"1" ', b'a DELETE INBOX\r\n'), 'BAD', None),
                ((b'x', b'abc'), 'BAD', None),
                ((b'x' * 100000, b'abc'), 'BAD', None),
                ((b'CATENATE (TEXT ', b'abc'), 'BAD', None),
                ((b'(%s) ' % b' '.join(b'k%d' % n for n in range(3000)),
                  b'abc'), 'NO', 'LIMIT')):
            for rest in ((), (one, one)):
                for size in (3, 200000):
                    first = (b'', b'm' * size)
                    if len(bad[0]) == 100000 and rest:
                        continue        # its end cannot be found
                    command = append(b'INBOX', first, bad, *rest)
                    if len(bad[0]) == 100000:
                        command = command.replace(b'{3+}\r\nabc', b'abc')
                    self.refused(command, type, code)
        self.refused(append(b'nobody', one, one), 'NO', 'TRYCREATE')
        # where the client waits it is told before it sends
        c = self.c
        for line, type, code in ((b' {2097153}', 'NO', 'TOOBIG'),
                                 (b' (\\Foo) {3}', 'BAD', None),
                                 (b' {0}', 'NO', 'CANNOT')):
            c.raw(b't APPEND INBOX {3+}\r\nabc' + line + b'\r\n')
            r = c.finish('t')
            self.assertEqual((type, code), (r.type, r.code))
            c.ok('NOOP')
        d = self.imap()
        d.raw(b't APPEND INBOX {3+}\r\nabc {99999999999999999999}\r\n')
        d.ended()
        self.assertEqual([TEXT], self.texts())

    def test_stops(self):
        """a client that goes in the middle leaves nothing"""
        whole = append(b'INBOX', (b'', TEXT), (b'', b'y' * 200000),
                       (b'', TEXT))
        for n in (30, 60, 80, 100, 100000, len(whole) - 30, len(whole) - 2):
            d = self.imap()
            d.raw(b't' + whole[:n])
            d.close()
        self.assertEqual('OK', self.plus(whole).type)
        end = time.monotonic() + 10 * SLOW
        while ' open' in self.house.ctl('show', 'sessions')[1] and (
                time.monotonic() < end):
            time.sleep(0.05)
        self.assertEqual([TEXT, b'y' * 200000, TEXT], self.texts())

    def test_many(self):
        """as many as the storage takes, and no more"""
        some = [(b'(k%d) ' % n, b'%d' % n) for n in range(1000)]
        r = self.plus(append(b'INBOX', *some))
        self.assertEqual(('APPENDUID', '1:1000'),
                         (r.code, r.codedata.split()[1]), r)
        self.assertEqual([t for _, t in some], self.texts())
        r = self.plus(append(b'INBOX', *some, (b'', b'x')))
        self.assertEqual(('NO', 'LIMIT'), (r.type, r.code))

    def test_killed(self):
        """what dies between contents and batch: all or nothing"""
        first = append(b'INBOX', (b'', TEXT), (b'', b'y' * 200000))[:-2]
        for role in 'engine', 'store', 'imap':
            d = self.imap()
            before = len(self.texts())
            d.raw(b't' + first + b' {3}\r\n')
            d.wait_continuation('t')    # the contents are on their way
            self.house.killed(role)
            if role == 'imap':
                d.ended()
            else:
                d.raw(b'abc\r\n')
                r = d.finish('t')
                self.assertIn((r.type, r.code), (
                    ('OK', 'APPENDUID'), ('NO', 'UNAVAILABLE')))
                before += 3 * (r.type == 'OK')
            # the house may need a moment
            end = time.monotonic() + 15 * SLOW
            while True:
                try:
                    e = self.imap()
                    if e.cmd('STATUS INBOX (MESSAGES)').type == 'OK':
                        break
                except (OSError, EOFError, AssertionError):
                    self.assertLess(time.monotonic(), end)
                time.sleep(0.1)
            self.assertEqual(before, len(self.texts()))


class Catenate(Batch):
    def url(self, uid, section=None, partial=None, box='INBOX'):
        return '/%s/;UID=%d%s%s' % (
            box, uid, '/;SECTION=' + section if section else '',
            '/;PARTIAL=' + partial if partial else '')

    def catenate(self, *parts, box='INBOX'):
        """Strings are URLs"""
        return self.plus(b' APPEND "%s" CATENATE (%s)\r\n' % (
            box.encode(), b' '.join(
                b'URL "%s"' % p.encode() if isinstance(p, str) else
                b'TEXT {%d+}\r\n%s' % (len(p), p) for p in parts)))

    def made(self, want, *parts, box='INBOX'):
        r = self.catenate(*parts, box=box)
        self.assertEqual(('OK', 'APPENDUID'), (r.type, r.code), (parts, r))
        self.assertEqual(want, self.texts(box)[-1])

    def test_sections(self):
        """every section of messages, as FETCH gives them"""
        n = 0
        for name in 'nested', 'mixed', 'digest', 'toprfc822', 'lfonly':
            m = Message(name)
            uid = self.c.append('INBOX', m.bytes)
            wanted, parts = b'', []
            for section in m.sections:
                text = m.section(section)
                wanted += b'[%s]' % section.encode() + text
                parts += [b'[%s]' % section.encode(), self.url(uid, section)]
                n += 1
            self.made(wanted, *parts)
        self.assertGreater(n, 10)

    def test_pieces(self):
        """texts and URLs of all kinds"""
        c = self.c
        header = TEXT[:TEXT.index(b'\r\n\r\n') + 4]
        big = header + b'0123456789' * 30000
        one, two = c.append('INBOX', TEXT), c.append('INBOX', big)
        c.ok('CREATE "a b/&AOQ-"')
        tag = c.begin('APPEND "a b/&AOQ-" ', b'there')
        c.finish(tag)
        there = '/a%20b/%C3%A4/;UID=1'
        self.made(TEXT, self.url(1))
        self.made(b'a' + TEXT + b'b' + big, b'a', self.url(one), b'b',
                  self.url(two))
        self.made(b'there' + TEXT, there, b'', self.url(one))
        self.made(b'there', there, box='a b/&AOQ-')
        self.made(big[5:105], self.url(two, None, '5.100'))
        self.made(big[-7:], self.url(two, None, '%d.100' % (len(big) - 7)))
        self.made(b'x', self.url(two, None, '999999999.1'), b'x')
        self.made(big[len(header) + 3:], self.url(two, 'TEXT', '3'))
        for how in 'HEADER.FIELDS', 'HEADER.FIELDS.NOT':
            want = picked(header, ['subject'], how.endswith('NOT'))
            self.made(want + TEXT, self.url(one, how + '%20(Subject)'),
                      self.url(one))
            self.made(want[2:7], self.url(one, how + '%20(Subject)', '2.5'))
        r = c.ok('APPEND INBOX (\\Draft) "%s" CATENATE (TEXT ' % DATE,
                 b'1', ' URL ', b'/INBOX/;UID=1', ' TEXT ', b'2', ')')
        self.assertEqual('APPENDUID', r.code)
        self.assertEqual(({'\\Draft'}, b'1' + TEXT + b'2'),
                         self.stored()[-1][1:])
        # several, each in its own way
        r = self.plus(b' APPEND INBOX CATENATE (URL /INBOX/;UID=1) (k) '
                      b'{3+}\r\nabc CATENATE (TEXT {1+}\r\nx URL '
                      b'/INBOX/;UID=1)\r\n')
        self.assertEqual('OK', r.type, r)
        self.assertEqual([(set(), TEXT), ({'k'}, b'abc'), (set(), b'x' +
                         TEXT)], [m[1:] for m in self.stored()[-3:]])
        self.assertEqual(TEXT * 900, (self.catenate(*[self.url(1)] * 900),
                                      self.texts()[-1])[1])
        # beside the selected mailbox, and of it
        c.ok('SELECT "a b/&AOQ-"')
        self.made(b'there', ';UID=1')
        self.made(b'there', '%C3%A4/;UID=1')
        c.ok('UNSELECT')
        self.made(TEXT, 'inbox/;UID=1')
        # no flag of it was changed, \Seen is not set
        self.assertEqual(set(), self.stored()[0][1])

    def test_bad(self):
        """BADURL with the URL, TOOBIG, and nothing is stored"""
        c = self.c
        c.append('INBOX', TEXT)
        uidv = c.ok('STATUS INBOX (UIDVALIDITY)').one('STATUS').data[1][
            'UIDVALIDITY']
        good = '/INBOX;UIDVALIDITY=%d/;UID=1' % uidv
        self.made(TEXT, good)
        before = self.stored()
        for url in ('/INBOX/;UID=99', '/nobody/;UID=1', ';UID=1',
                    '/INBOX;UIDVALIDITY=%d/;UID=1' % (uidv + 1),
                    '/INBOX/;UID=1/;SECTION=7',
                    '/INBOX/;UID=1/;SECTION=1.2.MIME', 'x',
                    '/INBOX/;UID=1/;SECTION=HEADER.FIELDS', 'imap://h/x'):
            for parts in ((url,), (b'abc', url, b'def'), (good, url, url),
                          (url, b'x' * 200000)):
                r = self.catenate(*parts)
                self.assertEqual(('NO', 'BADURL', url), (r.type, r.code,
                                 r.codedata), (parts, r))
            # before its continuation
            c.raw(b'w APPEND INBOX CATENATE (URL "%s" TEXT {5}\r\n' %
                  url.encode())
            self.assertEqual('BADURL', c.finish('w').code)
        r = self.plus(b' APPEND INBOX CATENATE (URL "a] \\"b" TEXT {2+}\r\n'
                      b'ab)\r\n')
        self.assertEqual(('BADURL', 'a%5D%20"b'), (r.code, r.codedata))
        self.assertEqual('CANNOT', self.catenate(b'').code)
        half = b'z' * 1500000
        uid = c.append('INBOX', half)
        before.append((uid, set(), half))
        self.assertEqual('TOOBIG', self.catenate(half, self.url(uid)).code)
        self.assertEqual('TOOBIG', self.catenate(self.url(uid), half).code)
        self.assertEqual('TOOBIG', self.catenate(
            *[self.url(uid)] * 2).code)
        self.refused(b' APPEND INBOX CATENATE (TEXT {3+}\r\nabcx)\r\n', 'BAD')
        self.refused(b' APPEND INBOX CATENATE (TEXT {3+}\r\nabc\r\n', 'BAD')
        self.refused(b' APPEND INBOX CATENATE (TEXT {3+}\r\nabc URL {13+}\r\n'
                     b'/INBOX/;UID=1 TEXT {3+}\r\nabc FOO {3+}\r\nabc)\r\n',
                     'BAD')
        # the first thing that is wrong is told
        self.refused(b' APPEND INBOX CATENATE (TEXT {3+}\r\nabc URL {3+}\r\n'
                     b'abc TEXT {3+}\r\nabc FOO {3+}\r\nabc)\r\n', 'NO',
                     'BADURL')
        self.assertEqual(before, self.stored())


class Replace(Batch):
    def test_replace(self):
        """by number and uid; the new one is told before the old one goes"""
        c, d = self.c, self.imap()
        for n in range(4):
            c.append('INBOX', b'%d' % n, ['old'])
        c.ok('SELECT INBOX')
        c.learn()
        d.ok('SELECT INBOX')
        for command, text, gone, new in (
                ('REPLACE 2 INBOX (\\Draft) ', b'a', 2, 5),
                ('UID REPLACE 3 INBOX "%s" ' % DATE, b'b' * 200000, 2, 6),
                ('REPLACE * INBOX ', b'c', 4, 7),
                ('UID REPLACE 7 INBOX CATENATE (URL ;UID=7 TEXT ', b'd', 4,
                 8)):
            r = c.ok(command, text, ')' if '(U' in command else '')
            kinds = [x.code or x.type for x in r.responses if x.type in (
                'OK', 'EXPUNGE', 'EXISTS') and x.code != 'PERMANENTFLAGS']
            self.assertEqual(['APPENDUID', 'EXPUNGE', 'EXISTS'], kinds, r)
            self.assertEqual(gone, r.one('EXPUNGE').number)
            self.assertEqual(new, int(r.codes()['APPENDUID'].split()[1]))
            self.assertIsNone(r.code)
            self.assertEqual(new, max(c.learn()))
        self.assertEqual([(1, {'old'}, b'0'), (4, {'old'}, b'3'),
                          (5, {'\\Draft'}, b'a'), (8, set(), b'cd')],
                         self.stored())
        end = time.monotonic() + 10 * SLOW
        while True:
            d.ok('NOOP')
            if d.learn().keys() == {1, 4, 5, 8}:
                break
            self.assertLess(time.monotonic(), end)

    def test_elsewhere(self):
        """the new one comes into another mailbox"""
        c = self.c
        c.ok('CREATE Sent')
        for n in range(3):
            c.append('INBOX', b'%d' % n)
        c.ok('SELECT INBOX')
        for size in (3, 200000):
            r = c.ok('REPLACE 2 Sent (\\Seen) ', b's' * size)
            self.assertEqual(2, r.one('EXPUNGE').number)
            self.assertEqual([], r.all('EXISTS'))
            self.assertIn('APPENDUID', r.codes())
        self.assertEqual([b'0'], self.texts())
        self.assertEqual([b'sss', b's' * 200000], self.texts('Sent'))

    def test_refused(self):
        """what is not there, may not be, or goes meanwhile"""
        c, d = self.c, self.imap()
        for n in range(3):
            c.append('INBOX', b'%d' % n)
        lit = b' INBOX {3+}\r\nabc\r\n'
        self.refused(b' REPLACE 1' + lit, 'BAD')        # nothing selected
        c.ok('SELECT INBOX')
        d.ok('SELECT INBOX')
        self.refused(b' REPLACE 4' + lit, 'BAD')
        self.refused(b' UID REPLACE 4' + lit, 'NO')
        self.refused(b' REPLACE 1 nobody {3+}\r\nabc\r\n', 'NO', 'TRYCREATE')
        self.refused(b' REPLACE 1 INBOX {0+}\r\n\r\n', 'NO', 'CANNOT')
        self.refused(b' REPLACE 1 INBOX {3+}\r\nabc {3+}\r\nabc\r\n', 'BAD')
        self.refused(b' REPLACE 1 INBOX {3000000+}\r\n' + b'x' * 3000000 +
                     b'\r\n', 'NO', 'TOOBIG')
        self.refused(b' REPLACE 1 INBOX CATENATE (URL /INBOX/;UID=9)\r\n',
                     'NO', 'BADURL')
        # another session is faster
        c.raw(b'r REPLACE 2 INBOX {3}\r\n')
        c.wait_continuation('r')
        d.ok('STORE 2 +FLAGS (\\Deleted)')
        d.ok('EXPUNGE')
        end = time.monotonic() + 10 * SLOW
        while 'events' not in WITHOUT and len(self.texts()) > 2:
            self.assertLess(time.monotonic(), end)
        c.raw(b'abc\r\n')
        r = c.finish('r')
        self.assertEqual('NO', r.type)
        self.assertEqual([b'0', b'2'], self.texts())
        c.ok('EXAMINE INBOX')
        self.refused(b' REPLACE 1' + lit, 'NO', 'READ-ONLY')


class Others(Batch):
    auto = False

    def setUp(self):
        WholeTest.setUp(self)

    def test_mounts(self):
        """a mount without batch refuses; what is there can be a part"""
        self.begin(storage='storage "main" embedded "$dir/store"\n'
                   'storage "bare" embedded "$dir/bare" without { batch }\n'
                   'mount "Bare" storage "bare"\n')
        c = self.c = self.imap()
        c.ok('CREATE Bare/x')
        big = TEXT + b'y' * 300000
        for text in (TEXT, big):
            c.append('Bare/x', text)
        for command in (append(b'Bare/x', (b'', TEXT), (b'', TEXT)),
                        append(b'Bare/x', (b'', big), (b'', big)),
                        b' APPEND Bare/x CATENATE (TEXT {3+}\r\nabc URL '
                        b'{13+}\r\n/INBOX/;UID=1)\r\n'):
            r = self.plus(command)
            self.assertEqual(('NO', 'CANNOT'), (r.type, r.code), r)
        c.raw(b'w APPEND Bare/x CATENATE (TEXT {3}\r\n')
        self.assertEqual('CANNOT', c.finish('w').code)
        c.raw(b'w APPEND Bare/x {3+}\r\nabc {3}\r\n')
        self.assertEqual('CANNOT', c.finish('w').code)
        self.assertEqual([TEXT, big], self.texts('Bare/x'))
        # from there to here, through us
        for want, url in ((TEXT, b'/Bare/x/;UID=1'),
                          (big, b'/Bare/x/;UID=2'),
                          (big[-9:], b'/Bare/x/;UID=2/;PARTIAL=%d' % (
                              len(big) - 9)),
                          (b'body\r\n', b'/Bare/x/;UID=1/;SECTION=TEXT')):
            r = self.plus(b' APPEND INBOX CATENATE (TEXT {1+}\r\n1 URL %s)'
                          b'\r\n' % url)
            self.assertEqual('OK', r.type, r)
            self.assertEqual(b'1' + want, self.texts()[-1])
        c.ok('SELECT Bare/x')
        r = self.plus(b' REPLACE 1 Bare/x {3+}\r\nabc\r\n')
        self.assertEqual(('NO', 'CANNOT'), (r.type, r.code))
        r = c.ok('REPLACE 1 INBOX ', b'moved')
        self.assertEqual(1, r.one('EXPUNGE').number)
        self.assertEqual(b'moved', self.texts()[-1])
        self.assertEqual([big], self.texts('Bare/x'))

    def test_without(self):
        """not offered: not understood, and nobody loses step"""
        self.begin(storage='storage "main" embedded "$dir/store" '
                   'without { batch }')
        c = self.c = self.imap()
        said = set(c.ok('CAPABILITY').one('CAPABILITY').data)
        self.assertEqual(set(), said & {'MULTIAPPEND', 'CATENATE',
                                        'REPLACE'})
        c.append('INBOX', TEXT)
        c.ok('SELECT INBOX')
        for size in (3, 200000):
            self.refused(append(b'INBOX', (b'', b'x' * size),
                                (b'', b'y' * size)), 'BAD')
        self.refused(b' APPEND INBOX CATENATE (TEXT {3+}\r\nabc)\r\n', 'BAD')
        self.refused(b' REPLACE 1 INBOX {3+}\r\nabc\r\n', 'BAD')
        self.refused(b' UID REPLACE 1 INBOX {3+}\r\nabc\r\n', 'BAD')
        c.append('INBOX', b'x' * 300000)
        self.assertEqual([TEXT, b'x' * 300000], self.texts())


if __name__ == '__main__':
    atf.main()
