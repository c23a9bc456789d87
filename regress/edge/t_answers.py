#!/usr/bin/env python3
"""A hijacked engine: whatever it answers, and whatever it says that nobody
asked for, an IMAP process lives, serves its other sessions, and tells a
client nothing that is no answer.  Of mail the engine may lie."""

import os
import re
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
from house import CAP, ST, Listener, SLOW               # noqa: E402
from messages import (Closed, ROLES, TABLE, put_set,    # noqa: E402
                      ranges)

FLAGS, ID, SIZE, DATE, MODSEQ, CACHE, SAVEDATE, THREADID = (
    1 << i for i in range(8))
U8, U16, U32, U64, STR, BLOB, SET = range(7)
MAIL = (b'Subject: one\r\nFrom: a@b\r\nMessage-ID: <1@x>\r\n'
        b'Content-Type: text/plain\r\n\r\n' + b'Text.\r\n' * 40)
LAST = 0xffffffff
INJECTED = '\r\n* INJECTED'
ALL = 1 << 49 | sum(1 << bit for name, bit in CAP.items() if name not in (
    'AUTH', 'SCRAM', 'ACL', 'UIDL'))
LEVEL1 = 1 << CAP['WRITE'] | 1 << CAP['CACHE'] | 1 << CAP['DICT']


def row(uids, **has):
    """As lib/strow.c writes it"""
    names = ('flags', 'id', 'size', 'date', 'modseq', 'cache', 'savedate',
             'threadid')
    out = struct.pack('>H', sum(1 << i for i, n in enumerate(names)
                                if n in has)) + put_set(uids)
    for n in names:
        if n not in has:
            continue
        v = has[n]
        if n in ('flags', 'id', 'threadid'):
            v = v.encode() + b'\0'
            out += struct.pack('>H', len(v)) + v
        elif n == 'date':
            out += struct.pack('>qh', *v)
        elif n == 'cache':
            out += struct.pack('>I', len(v)) + v
        else:
            out += struct.pack('>q' if n == 'savedate' else '>Q', v)
    return out


def told():
    """What an engine may say to an IMAP process about a request"""
    return [d for d in TABLE.values() if d.name.startswith('st_') and
            d.sender & 1 << ROLES['ENGINE'] and
            d.receiver & 1 << ROLES['IMAP'] and
            d.name not in ('st_info', 'st_event', 'st_end')]


def filled(d, number, text, blob, uids):
    """A message with every field like that"""
    out = {}
    for kind, name, most in d.fields:
        if kind <= U64:
            out[name] = number & (1 << (8 << kind)) - 1
        elif kind == STR:
            out[name] = (text * most)[:most - 1] if len(text) == 1 else (
                text[:most - 1])
        elif kind == BLOB:
            out[name] = blob[:most]
        else:
            out[name] = uids[:most]
    return out


def everything():
    """[(type, fields)] that are bad in general"""
    odd = list(range(1, 16000, 2))
    for d in told():
        yield [(d.name, filled(d, 0, '', b'', []))]
        yield [(d.name, filled(d, LAST << 32 | LAST, 'A', b'\xff' * 65000,
                               [(1, LAST)]))] * 3
        yield [(d.name, filled(d, 7, 'x' + INJECTED,
                               b'(x' + INJECTED.encode() + b'\r\n', odd))]
        yield [(d.name, filled(d, 1 << 31, '"\\\xff', b'1' * 65000,
                               [LAST]))] * 3


def rows():
    """Listings that are none"""
    whole = dict(flags='\\Seen', id='c1', size=len(MAIL), date=(0, 0),
                 modseq=9, savedate=0)
    for more in (
            {}, dict(id='c1' + INJECTED), dict(id='../x'), dict(id=''),
            dict(threadid='T' + INJECTED), dict(threadid=''),
            dict(flags='a' + INJECTED), dict(flags='\\Seen ' * 1300),
            dict(flags=' '.join('k%d' % i for i in range(1500))),
            dict(flags='( ) { \\\\ \\* ] "'), dict(size=(1 << 64) - 1),
            dict(size=0), dict(size=1 << 63), dict(size=131073),
            dict(date=(-1 << 63, -1 << 15)),
            dict(date=((1 << 63) - 1, (1 << 15) - 1)),
            dict(savedate=-1 << 63), dict(savedate=(1 << 63) - 1),
            dict(modseq=(1 << 64) - 1), dict(modseq=0),
            dict(cache=b'S1 ' + b'\xff' * 32000), dict(cache=b''),
            dict(cache=b'\0' * 32768)):
        for uids in [(1, 9)], [(1, LAST)], [5], [(1, 3), (1 << 31, LAST)]:
            yield [('st_rows', dict(rows=row(uids, **dict(whole, **more))))]
    for uids in [(1, LAST)], [1]:
        for missing in whole:
            some = {k: v for k, v in whole.items() if k != missing}
            yield [('st_rows', dict(rows=row(uids, **some)))] * 2
    good = row([1], **whole)
    yield [('st_rows', dict(rows=good * 300))]
    yield [('st_rows', dict(rows=good[:-1]))]
    yield [('st_rows', dict(rows=b'\xff\xff' + good))]


def trees():
    """Threads and orders that are none"""
    for text in ('((((', '))))', '(' * 65000, '(1', '1)', '(1)(2', '()',
                 '(1 2(3))' + INJECTED, '(99999999999999999999)', '(0)',
                 '(1  2)', '(1)' * 20000, '(1 (2', ' ', '(1 2)\0'):
        yield [('st_found_head', dict(uidvalidity=7, uidnext=10, total=9)),
               ('st_thread', dict(text=text))]
    for order in (struct.pack('>I', 0), b'\0\0\1', struct.pack('>I', LAST),
                  struct.pack('>9I', *range(1, 10)) * 1700,
                  struct.pack('>9I', *range(101, 110))):
        yield [('st_found_head', dict(uidvalidity=7, uidnext=10, total=9)),
               ('st_order', dict(uids=order))]


def floods():
    """More than anybody gave credit for, in answer to what asks for some"""
    yield [('st_data', dict(data=MAIL[:5]))]
    yield [('st_data', dict(data=MAIL)), ('st_credit', dict(bytes=LAST))]
    yield [('st_credit', dict(bytes=LAST))] * 100
    yield [('st_mbox', dict(id='m9', name='INBOX', uidvalidity=LAST))] * 9
    for code in LAST, ST['OK'], ST['NO_SUCH_MAILBOX'], ST['SINCE_TOO_OLD']:
        yield [('st_end', dict(code=code & 0xffff, begun=1,
                               text='x' + INJECTED))] * 2
    for asked, n, type, fields in (
            ('st_get', 40, 'st_data', dict(data=b'x' * 65000)),
            ('st_quota', 500, 'st_quota_root', dict(name='r', has=15)),
            ('st_meta_get', 90, 'st_meta', dict(entry='/private/comment',
                                                 value=b'\0' * 64000)),
            ('st_mailboxes', 2000, 'st_mbox', dict(id='m', name='x'))):
        yield {asked: [(type, fields)] * n}


COMMANDS = [
    'LIST "" "*" RETURN (STATUS (MESSAGES MAILBOXID SIZE))',
    'LSUB "" "*"', 'STATUS Other (MESSAGES UIDNEXT MAILBOXID)',
    'SELECT INBOX', 'FETCH 1:* (FLAGS UID)',
    'FETCH 1:* (EMAILID THREADID SAVEDATE INTERNALDATE MODSEQ RFC822.SIZE)',
    'FETCH 1:3 (ENVELOPE BODYSTRUCTURE)', 'FETCH 1:2 BODY.PEEK[]',
    'FETCH 1 BODY[HEADER.FIELDS (Subject)]', 'FETCH 2 BODY[TEXT]<3.9>',
    'SEARCH TEXT one', 'UID SEARCH RETURN (ALL COUNT) MODSEQ 3 LARGER 2',
    'SEARCH EMAILID Mc1', 'SORT (SUBJECT REVERSE DATE) UTF-8 ALL',
    'THREAD REFERENCES UTF-8 ALL', 'STORE 1:3 +FLAGS (kw \\Deleted)',
    'STORE 1 (UNCHANGEDSINCE 3) -FLAGS kw', 'COPY 1:3 Other',
    'MOVE 4 Other', 'UID EXPUNGE 1:3', 'NOOP',
    'APPEND Other (kw) {3+}\r\nabc', 'GETQUOTAROOT INBOX', 'GETQUOTA ""',
    'GETMETADATA (DEPTH infinity) INBOX /private',
    'SETMETADATA INBOX (/private/comment x)', 'CREATE New',
    'RENAME Other Old', 'SUBSCRIBE Other', 'DELETE Other', 'CLOSE']


class Liar(threading.Thread):
    """An engine with one mailbox and another; self.evil is said in front of
    and behind what would have been right"""

    def __init__(self, chan, caps):
        super().__init__(daemon=True)
        self.chan, self.evil, self.error = chan, [], None
        chan.send('st_info', storage=0, up=1, caps=caps, recipients=1000,
                  set=32768, search=(1 << 21) - 1, nodes=1000, depth=32,
                  texts=64, sort=0xffff, thread=3, annotation=64000)
        self.asked = set()

    def run(self):
        try:
            while True:
                m = self.chan.recv(3600)
                on = getattr(self, 'on_' + m.type, None)
                if m.type in ('st_credit', 'st_cancel', 'st_data'):
                    continue
                self.asked.add(m.type)
                evil = self.evil
                if isinstance(evil, dict):
                    evil = evil.get(m.type, [])
                self.say(m, evil)
                if m.type in ('st_put', 'st_blob'):
                    continue            # at st_data_end
                self.say(m, on(m) if on else [])
                self.say(m, evil + [('st_end', {})])
                self.say(m, evil + [('st_end', {})])
        except (Closed, OSError):
            pass
        except Exception as e:
            self.error = e
            raise

    def say(self, m, what):
        for type, fields in what:
            self.chan.send(type, sid=m.sid, req=m.req, **fields)

    @staticmethod
    def mbox(id, name):
        return ('st_mbox', dict(id=id, name=name, uidvalidity=7, uidnext=10,
                                messages=9, modseq=5, has=1, roles='sent',
                                objectid='F1', size=9000))

    def on_st_mailboxes(self, m):
        return [self.mbox('m1', 'INBOX'), self.mbox('m2', 'Other')]

    def on_st_mailbox(self, m):
        return [self.mbox(m.mailbox, 'INBOX')]

    def on_st_create(self, m):
        return [self.mbox('m3', m.name)]

    def on_st_list(self, m):
        head = ('st_head', dict(modseq=5, uidnext=10, uidvalidity=7,
                                fields=m.fields, uids=bool(m.uids),
                                since=m.since != 0, flags='\\Seen kw'))
        if m.since:
            return [head]
        has = dict(flags='\\Seen', size=len(MAIL), date=(0, 0), modseq=4,
                   savedate=5)
        has = {k: v for k, v in has.items() if m.fields & dict(
            flags=FLAGS, size=SIZE, date=DATE, modseq=MODSEQ,
            savedate=SAVEDATE)[k]}
        asked = ranges(m.uids or [(1, 9)])
        return [head, ('st_rows', dict(rows=b''.join(
            row([u], id='c%d' % u, **has) if m.fields & ID else
            row([u], **has) for u in range(1, 10)
            if any(lo <= u <= hi for lo, hi in asked))))]

    def on_st_get(self, m):
        return [('st_data', dict(data=MAIL[m.offset:m.offset + m.length]))]

    def on_st_recent(self, m):
        return [('st_recent_ok', dict(first=1))]

    def on_st_patch(self, m):
        return [('st_change', dict(mailbox='m1', before=5, modseq=6)),
                ('st_rows', dict(rows=row(m.uids, flags='kw', modseq=6)))]

    def on_st_expunge(self, m):
        return [('st_change', dict(mailbox='m1', before=6, modseq=7)),
                ('st_vanished', dict(uids=[1]))]

    def on_st_copy(self, m):
        return [('st_change', dict(mailbox='m1', before=5, modseq=5)),
                ('st_change', dict(mailbox='m2', before=5, modseq=6,
                                   uidvalidity=7)),
                ('st_copied', {'from': m.uids, 'to': m.uids})]

    def on_st_data_end(self, m):
        return [('st_stored', dict(uid=11, uidvalidity=7, id='c11',
                                   mailbox='m2', before=5, modseq=6))]

    def on_st_batch(self, m):
        return [('st_change', dict(mailbox='m2', before=5, modseq=6,
                                   uidvalidity=7)),
                ('st_stored', dict(rcpt=0, uid=11, id='c11'))]

    def on_st_search(self, m):
        head = ('st_found_head', dict(modseq=5, uidnext=10, uidvalidity=7,
                                      total=9))
        if m.sort:
            return [head, ('st_order', dict(uids=struct.pack(
                '>9I', *range(1, 10))))]
        if m.thread:
            return [head, ('st_thread', dict(text='(1 2 3)(4)(5 6 7 8 9)'))]
        return [head, ('st_found', dict(uids=[(1, 3)])),
                ('st_found', dict(uids=[5], maybe=1))]

    def on_st_dict(self, m):
        return [('st_dict_ok', dict(key=m.key, etag='e', value=''))]

    def on_st_quota(self, m):
        return [('st_quota_root', dict(has=15, used=1, limit=9))]

    def on_st_meta_get(self, m):
        return [('st_meta', dict(entry='/private/comment', value='x'))]


class Answers(Listener):
    role = 'imap'
    caps = ALL

    def setUp(self):
        super().setUp()
        self.begin(badcmds=1000)
        self.engine = Liar(self.engines[0], self.caps)
        self.engine.start()
        self.innocent = self.login()
        self.ok(self.innocent, 'SELECT INBOX')

    def login(self):
        c = self.connect()
        c.send('a LOGIN joe pw')
        m = self.auth.until('auth_req')
        self.auth.send('auth_ok', sid=m.sid, req=m.req, user='joe',
                       engine=0, egen=self.engines[0].gen, acct=1)
        self.assertTrue(c.line().startswith('a OK'))
        return c

    def command(self, c, text):
        """All that is answered, to the tagged line; None: it was ended"""
        c.raw(b'x ' + text.encode() + b'\r\n')
        got = c.buf
        while b'\r\nx ' not in b'\r\n' + got[-4000:] or (
                not got.endswith(b'\r\n')):
            try:
                data = c.sock.recv(1 << 20)
            except ConnectionResetError:
                data = b''
            if not data:
                return None
            got += data
        self.assertNotIn(b'\n* INJECTED', self.lines(got), text)
        return got

    @staticmethod
    def lines(got):
        """Without the bytes of literals"""
        out = b''
        while m := re.search(rb'~?\{(\d+)\}\r\n', got):
            out += got[:m.end()]
            got = got[m.end() + int(m.group(1)):]
        return out + got

    def ok(self, c, text):
        got = self.command(c, text)
        self.assertIn(b'x OK', got or b'', text)
        return got

    def lies(self, stories):
        """Each is told in answer to each command"""
        c, self.engine.evil = self.login(), []
        for evil in stories:
            for text in COMMANDS:
                self.engine.evil = evil
                c.sock.settimeout(20 * SLOW)
                try:
                    if self.command(c, text) is None:
                        c.close()
                        c = self.login()
                        self.command(c, 'SELECT INBOX')
                except TimeoutError:
                    raise AssertionError('%s has no end when told %.300r' % (
                        text, evil))
                self.assertTrue(self.child.alive(), '%s, %.300r: %s' % (
                    text, evil, self.child.log()[-2000:]))
        # when nobody has it open any more, the mailbox is read anew
        self.engine.evil = []
        for old in c, self.innocent:
            self.command(old, 'LOGOUT')
            old.rest()
        c = self.login()
        for text in ('SELECT INBOX', 'FETCH 1:* (FLAGS UID)', 'NOOP',
                     'FETCH 9 BODY.PEEK[]', 'SEARCH TEXT one', 'LOGOUT'):
            self.ok(c, text)
        self.assertIsNone(self.engine.error)

    @atf.timeout(300)
    def test_everything(self):
        """each message there is, empty, full, and with lines in its text"""
        self.lies(everything())

    @atf.timeout(300)
    def test_rows(self):
        """rows of messages that cannot be"""
        self.lies(rows())

    def test_trees(self):
        """threads and orders that are none"""
        self.lies(trees())

    @atf.timeout(300)
    def test_floods(self):
        """more than was asked for, twice the end, what nobody knows"""
        self.lies(floods())


class Emulated(Answers):
    """As above, where the frontend does most of it itself"""
    caps = LEVEL1


if __name__ == '__main__':
    atf.main()
