#!/usr/bin/env python3
"""The event stream of a storage: who hears what, and when what is known is
proven no more.

The test is the engine's parent, its siblings and the storage."""

import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, EngineTest, ndjson,   # noqa: E402
                     problem, service, value)
from house import SLOW                                  # noqa: E402

DOCUMENT = service('write', 'modseq', events={'bound_ms': 100})


class Events(EngineTest):
    def begin(self, document=DOCUMENT, **named):
        super().begin(document, **named)
        self.epoch = 0

    def stream(self, timeout=10):
        """The next request for events"""
        return self.backend.streams.get(timeout=timeout * SLOW)

    def head(self, r, cursor='c0'):
        r.answer(b'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson'
                 b'\r\n\r\n')
        self.say(r, header=True, cursor=cursor)

    @staticmethod
    def say(r, **line):
        r.answer(json.dumps(line).encode() + b'\n')

    def epoch_is(self, epoch, chan=None):
        """The next word about the stream"""
        while True:
            m = (chan or self.auth).until('st_info', timeout=40 * SLOW)
            if m.epoch != self.epoch:
                self.assertEqual(epoch, m.epoch)
                self.epoch = epoch
                return

    def live(self, cursor='c0'):
        r = self.stream()
        self.assertEqual('/v1/events', r.target)
        self.head(r, cursor)
        self.epoch_is(1)
        return r

    def event(self, chan=None):
        m = (chan or self.imap).until('st_event', timeout=10 * SLOW)
        return m.acct, m.mailbox, m.modseq

    def quiet(self, *chans):
        """They hear of no change: what was said before this is dealt with
        when the engine answers"""
        for chan in chans:
            while True:
                m = chan.recv_new(0.2)
                if m is None:
                    break
                chan.later.append(m)
            self.assertEqual([], [m for m in chan.later
                                  if m.type == 'st_event'])

    def test_who(self):
        """a line goes to each process that serves the account, once, and to
        no other"""
        self.begin()
        r = self.live()
        other = self.engine.peer('imap', slot=1)
        third = self.engine.peer('imap', slot=2)
        pop3 = self.engine.peer('pop3')
        acct = self.grant('joe', 7).acct
        for n in 8, 9:
            self.grant('joe', n)
        self.grant('joe', 7, chan=other)
        self.grant('ann', 7, chan=third)
        self.grant('joe', 7, chan=pop3)
        self.say(r, account='joe', mailbox='m', modseq=5, cursor='c1')
        for chan in self.imap, other:
            self.assertEqual((acct, 'm', 5), self.event(chan))
        self.quiet(self.imap, other, third, pop3)
        # one of the account's list
        self.say(r, account='joe', cursor='c2')
        self.assertEqual((acct, '', 0), self.event())
        self.event(other)
        # nobody's
        self.say(r, account='bob', mailbox='m', modseq=5, cursor='c3')
        self.say(r, account='JOE', mailbox='m', modseq=5, cursor='c4')
        self.quiet(self.imap, other, third)

    def test_own(self):
        """what a process has changed is told to the account's others before
        its own answer; to nobody what failed, or changed nothing"""
        self.begin(service('write', 'copy', 'subscriptions', 'modseq',
                           'batch', events={'bound_ms': 100}))
        self.live()
        other = self.engine.peer('imap', slot=1)
        third = self.engine.peer('imap', slot=2)
        pop3 = self.engine.peer('pop3')
        acct = self.grant('joe', 7).acct
        for chan in other, pop3:
            self.grant('joe', 7, chan=chan)
        self.grant('ann', 7, chan=third)

        def change(mailbox, before, now):
            return {'mailbox': mailbox, 'modseq_before': before,
                    'modseq': now}

        def head(before, now):
            return ndjson({'header': True, 'change': change(
                'm', before, now)}, END)
        row = value(dict(id='n', name='n', uidvalidity=1, uidnext=1,
                         messages=0, modseq=1), 201)
        stored = {'index': 0, 'uid': 3, 'uidvalidity': 1, 'id': 'c'}
        one = dict(mailbox='m', uids=[1])
        put = dict(mailbox='m', size=1, data=b'x')
        for type, fields, answer, want in (
                ('st_patch', dict(one, flags='x'), head(4, 5), [('m', 5)]),
                ('st_patch', dict(one, flags='x'), head(5, 5), []),
                ('st_patch', dict(one, flags='x'),
                 problem(403, 'not-permitted'), []),
                ('st_expunge', one, head(5, 6), [('m', 6)]),
                ('st_copy', dict(one, to='n', move=1), ndjson(
                    {'header': True, 'uidvalidity': 1,
                     'from_change': change('m', 6, 7),
                     'to_change': change('n', 1, 2)}, END),
                 [('m', 7), ('n', 2)]),
                ('st_copy', dict(one, to='n'), ndjson(
                    {'header': True, 'uidvalidity': 1,
                     'from_change': change('m', 7, 7),
                     'to_change': change('n', 2, 3)}, END), [('n', 3)]),
                ('st_put', put, ndjson(HEADER, dict(
                    stored, change=change('m', 7, 8)), END), [('m', 8)]),
                ('st_put', put, ndjson(HEADER, {
                    'index': 0, 'code': 'over-quota'}, END), []),
                ('st_create', dict(name='n'), row, [('', 0)]),
                ('st_create', dict(name='n'), problem(409, 'exists'), []),
                ('st_rename', {'from': 'a', 'to': 'b'}, value(None, 204),
                 [('', 0)]),
                ('st_delete', dict(mailbox='m'), value(None, 204),
                 [('', 0)]),
                ('st_delete', dict(mailbox='m'), problem(
                    404, 'no-such-mailbox'), []),
                ('st_subscribe', dict(name='n', on=1), value(None, 204),
                 [('', 0)])):
            req = self.ask(type, **fields)
            self.backend.next().answer(answer)
            self.imap.until('st_end', req=req)
            self.assertEqual([(acct, *w) for w in want],
                             [self.event(other) for _ in want], type)
            self.quiet(other)
        self.quiet(self.imap, third, pop3)

    def test_revoked(self):
        """who has no session on the account any more hears nothing"""
        self.begin()
        r = self.live()
        self.grant('joe', 7)
        self.grant('joe', 8)
        self.revoke(7)
        self.say(r, account='joe', mailbox='m', modseq=5, cursor='c1')
        self.event()
        self.revoke(8)
        self.auth.send('rcpt_query', req=1, storage=9)
        self.auth.until('rcpt_answer')
        self.say(r, account='joe', mailbox='m', modseq=6, cursor='c2')
        self.quiet(self.imap)

    def test_before_header(self):
        """before the header nothing is proven"""
        self.begin()
        r = self.stream()
        self.grant()
        r.answer(b'HTTP/1.1 200 OK\r\n\r\n')
        m = self.imap.until('st_info', up=1)
        self.assertEqual(0, m.epoch)
        self.say(r, header=True, cursor='x')
        self.epoch_is(1, self.imap)

    def test_resume(self):
        """goes on where it broke off: the same epoch, nothing was missed"""
        self.begin()
        r = self.live()
        self.say(r, account='joe', mailbox='m', modseq=5,
                 cursor='c 1/\u00e4&?')
        self.say(r, cursor='c 2/\u00e4&?')
        self.grant()                    # both have been read by the answer
        self.say(r, account='joe', mailbox='x', cursor='c 2/\u00e4&?')
        self.event()
        r.hang_up()
        self.epoch_is(0)
        r = self.stream()
        self.assertEqual('/v1/events?since=c%202%2F%C3%A4%26%3F',
                         r.target)
        self.head(r, 'c 2/\u00e4&?')
        self.epoch_is(1)
        self.say(r, account='joe', mailbox='m', modseq=6, cursor='c3')
        self.event()

    def test_new_epoch(self):
        """another cursor than ours, or none: what we know is unproven"""
        self.begin()
        r, epoch = self.live(), 1
        for cursor in 'else', None:
            r.hang_up()
            self.epoch_is(0)
            r = self.stream()
            self.assertIn('?since=', r.target)
            r.answer(b'HTTP/1.1 200 OK\r\n\r\n')
            self.say(r, header=True, **({'cursor': cursor} if cursor else
                                        {}))
            epoch += 1
            self.epoch_is(epoch)

    def test_too_old(self):
        """410: from now on, in a new epoch; so if the cursor is not
        understood, as by another program that is there now"""
        self.begin()
        r, cursor, epoch = self.live(), 'c0', 1
        for status, code in (410, 'cursor-too-old'), (400, 'bad-request'):
            r.hang_up()
            self.epoch_is(0)
            r = self.stream()
            self.assertEqual('/v1/events?since=' + cursor, r.target)
            r.answer(problem(status, code))
            r = self.stream()
            self.assertEqual('/v1/events', r.target)
            cursor, epoch = 'c9', epoch + 1
            self.head(r, cursor)
            self.epoch_is(epoch)

    @atf.timeout(240)
    def test_nonsense(self):
        """what is no event ends the stream, which is asked for again; no
        session is harmed"""
        self.begin()
        self.grant()
        r = self.live()
        for line in (b'garbage\n', b'{"account":5}\n', b'[]\n',
                     b'{"account":"joe","mailbox":7}\n',
                     b'{"account":"joe","mailbox":"' + b'x' * 256 + b'"}\n',
                     b'{"account":"joe","mailbox":"m","modseq":"x"}\n',
                     b'{"account":"\xff"}\n',
                     b'{"x":"' + b' ' * 70000 + b'"}\n'):
            r.try_answer(line)
            self.epoch_is(0)
            req = self.list()
            self.backend.next().answer(ndjson(HEADER, END))
            self.result(req=req)
            r = self.stream()
            self.head(r, 'c0')
            self.epoch_is(1)
        self.quiet(self.imap)

    def test_odd(self):
        """what can be borne: unknown members, long names, cursors of any
        text, or none"""
        self.begin()
        acct = self.grant().acct
        r = self.live()
        self.say(r, account='x' * 600, mailbox='m', cursor='c1')
        self.say(r, nothing=[1, 2, {'x': None}])
        self.say(r, cursor='y' * 2000)
        self.say(r, account='joe', mailbox='m', modseq=5, who='me')
        self.assertEqual((acct, 'm', 5), self.event())
        self.quiet(self.imap)

    def test_end(self):
        """an end is a stream that is over"""
        self.begin()
        r = self.live()
        self.say(r, end=True)
        r.hang_up()
        self.epoch_is(0)
        self.head(self.stream(), 'c0')
        self.epoch_is(1)

    def test_refused(self):
        """a storage that will not: asked again, not in a hurry; the rest is
        served"""
        self.begin()
        self.grant()
        for i in range(3):
            self.stream().answer(problem(503, 'try-later'))
        start = time.monotonic()
        for i in range(2):
            self.stream().answer(problem(500, 'internal'))
        self.assertGreater(time.monotonic() - start, 0.8)
        req = self.list()
        self.backend.next().answer(ndjson(HEADER, END))
        self.result(req=req)
        m = self.imap.until('st_info', up=1)
        self.assertEqual(0, m.epoch)

    def test_none(self):
        """a storage without them is not asked for any"""
        self.begin(service('write'))
        self.grant()
        req = self.list()
        self.backend.next().answer(ndjson(HEADER, END))
        self.result(req=req)
        self.assertTrue(self.backend.streams.empty())

    @atf.timeout(240)
    def test_silent(self):
        """two heartbeats missed: dead; with them it lives on"""
        self.begin()
        r = self.live()
        start = time.monotonic()
        time.sleep(2)
        self.say(r, cursor='c1')
        self.epoch_is(0)
        self.assertGreater(time.monotonic() - start, 30)
        self.assertEqual('/v1/events?since=c1', self.stream().target)

    def test_pool(self):
        """the stream does not count in the pool"""
        self.begin(pool=1)
        self.grant()
        self.live()
        req = self.list()
        self.backend.next().answer(ndjson(HEADER, END))
        self.result(req=req)

    def test_epoch_of_answers(self):
        """an answer carries the epoch under which it was asked for"""
        self.begin()
        self.grant()
        r = self.live()
        req = self.list()
        b = self.backend.next()
        r.hang_up()
        self.epoch_is(0)
        self.head(self.stream(), 'other')
        self.epoch_is(2)
        b.answer(ndjson(HEADER, END))
        self.assertEqual(1, self.result(req=req)[0].epoch)
        req = self.list()
        self.backend.next().answer(ndjson(HEADER, END))
        self.assertEqual(2, self.result(req=req)[0].epoch)

    def test_reload(self):
        """another url is another storage: a new stream without a cursor"""
        self.begin()
        self.live()
        self.token = 'other'
        self.engine.configure(self.conf(), first=0)
        r = self.stream()
        self.assertEqual('/v1/events', r.target)
        self.assertEqual('Bearer other', r.fields['authorization'])
        self.head(r, 'c0')
        self.epoch_is(0)
        self.epoch_is(2)
        # the same again changes nothing
        self.engine.configure(self.conf(), first=0)
        self.say(r, cursor='c1')
        self.assertTrue(self.backend.streams.empty())


if __name__ == '__main__':
    atf.main()
