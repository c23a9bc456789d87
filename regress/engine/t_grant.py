#!/usr/bin/env python3
"""The life of a grant: who may act for an account, until when, and that
everybody else gets nothing, and nothing reaches the storage.

The test is the engine's parent, its siblings and the storage."""

import os
import queue
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, EngineTest, content,  # noqa: E402
                     lines, ndjson, problem)
from house import Child, SLOW, ST                       # noqa: E402
from messages import TABLE                              # noqa: E402

# every request a listener can make, but deliveries
CALLS = {
    'st_mailboxes': {}, 'st_mailbox': dict(mailbox='m'),
    'st_list': dict(mailbox='m', credit=1 << 20),
    'st_get': dict(id='c1', size=5, length=5, credit=1 << 20),
    'st_put': dict(mailbox='m', size=2),
    'st_patch': dict(mailbox='m', uids=[1], flags='x'),
    'st_expunge': dict(mailbox='m', uids=[1]),
    'st_copy': dict(mailbox='m', uids=[1], to='n'),
    'st_create': dict(name='n'), 'st_rename': {'from': 'a', 'to': 'b'},
    'st_delete': dict(mailbox='m'), 'st_subscribe': dict(name='n'),
    'st_cache': dict(id='c1', text='x'), 'st_recent': dict(mailbox='m'),
    'st_search': dict(mailbox='m', query='{"all":true}'),
    'st_dict': dict(key='k'), 'st_quota': {},
    'st_meta_get': dict(mailbox='m'), 'st_meta_set': dict(set='{}'),
    'st_blob': dict(size=2), 'st_batch': dict(mailbox='m', size=2),
}


class Grant(EngineTest):
    def refused(self, chan=None, sid=7, **fields):
        """No call gets anything, or gets through"""
        for call, fields in CALLS.items():
            self.ask(call, chan, sid, **fields)
            self.assertEqual([], self.result('NO_GRANT', chan))
        self.backend.none()

    def served(self, chan=None, sid=7, account='joe'):
        """The session can list that account's mailbox"""
        req = self.list(sid, chan)
        r = self.backend.next()
        self.assertTrue(r.target.startswith(
            '/v1/accounts/%s/mailboxes/m/messages?' % account), r.target)
        r.answer(ndjson(HEADER, END))
        self.result(chan=chan, req=req)

    def test_calls(self):
        """the calls tried here are all that there are"""
        self.assertEqual(set(CALLS), {
            name for name, d in TABLE.items() if name.startswith('st_') and
            any(f[1] == 'mount' for f in d.fields)})

    def test_none(self):
        """no grant, another session's, another mount's: nothing"""
        self.begin()
        self.refused()
        self.grant(session=8)
        self.refused()
        self.served(sid=8)
        self.ask('st_mailboxes', sid=8, mount=1)
        self.assertEqual([], self.result('NO_GRANT'))
        self.backend.none()

    def test_other_process(self):
        """the same session number in another process is somebody else"""
        self.begin()
        self.grant()
        pop3 = self.engine.peer('pop3')
        other = self.engine.peer('imap', slot=1)
        for chan in pop3, other:
            self.list(7, chan)
            self.assertEqual([], self.result('NO_GRANT', chan))
        self.backend.none()
        self.grant('ann', chan=pop3)
        self.served(pop3, account='ann')
        self.served()

    def test_recycled_slot(self):
        """a new process in the same place starts with nothing"""
        self.begin()
        self.grant()
        self.served()
        self.list()
        self.backend.next()
        self.imap.close()
        again = self.engine.peer('imap', slot=self.imap.slot)
        self.assertNotEqual(again.gen, self.imap.gen)
        self.refused(again)
        # auth's late word for the dead one does not help the new one
        self.auth.send('grant', req=1, gen=self.imap.gen, session=7,
                       account='joe', user='joe')
        self.auth.until('grant_ok', code=0)
        self.refused(again)
        self.grant(chan=again)
        self.served(again)

    def test_revoked(self):
        """after the revocation nothing; what is asked again needs a new
        grant"""
        self.begin()
        self.grant()
        self.served()
        self.revoke()
        self.auth.send('rcpt_query', req=1, storage=9)  # it has read it
        self.auth.until('rcpt_answer')
        self.refused()
        self.grant()
        self.served()

    def test_in_flight(self):
        """a revocation ends what is under way; its answer is nobody's"""
        self.begin()
        self.grant()
        req = self.list()
        r = self.backend.next()
        r.answer(b'HTTP/1.1 200 OK\r\n\r\n' + lines(HEADER))
        self.next_of(self.imap, req)
        queued = [self.list() for i in range(20)]
        self.revoke()
        for n in [req] + queued:
            self.assertEqual([], self.result('NO_GRANT', req=n))
        try:
            r.answer(lines({'uid': 1, 'flags': []}, END))
        except OSError:
            pass                        # it hung up, rightly
        try:
            for n in queued:
                self.backend.next(0.3)  # those that were under way
        except queue.Empty:
            pass
        self.backend.none()
        self.assertEqual([], [m for m in self.imap.later if m.req != 0])
        # the same session number, another account: no word of before
        self.grant('ann')
        self.served(account='ann')

    def test_late_upload(self):
        """data behind a revocation goes nowhere"""
        self.begin()
        self.grant()
        self.ask('st_put', mailbox='m', size=10)
        self.give(b'12345', end=False)
        self.revoke()
        self.assertEqual([], self.result('NO_GRANT'))
        self.give(b'67890')
        self.backend.none()

    def test_second_word(self):
        """a second grant of a session is its last account"""
        self.begin()
        self.grant('joe')
        req = self.list()
        r = self.backend.next()
        self.grant('ann')
        self.assertEqual([], self.result('NO_GRANT', req=req))
        r.hang_up()
        self.served(account='ann')

    def test_before_wired(self):
        """a grant may come before its process is known; the process of
        another number does not get it"""
        self.begin()
        gen = Child.next_gen()
        self.grant(gen=gen)
        other = self.engine.peer('imap', slot=2)
        self.refused(other)
        self.served(self.engine.peer('imap', slot=3, gen=gen))

    def test_content_of_another(self):
        """an id that another account has: asked of the storage in one's
        own name, also when the content is in memory"""
        self.begin()
        self.grant('joe', 7)
        self.grant('ann', 8)
        self.get('secret', 5)
        self.backend.next().answer(content(b'Hello'))
        self.assertEqual(b'Hello', self.result()[0].data)
        self.get('secret', 5)           # from memory
        self.assertEqual(b'Hello', self.result()[0].data)
        self.backend.none()
        self.get('secret', 5, sid=8)
        r = self.backend.next()
        self.assertEqual('/v1/accounts/ann/messages/secret', r.target)
        r.answer(problem(404, 'no-such-message'))
        self.assertEqual([], self.result('NO_SUCH_MESSAGE'))
        # and hers is not his
        self.get('secret', 5, sid=8)
        self.backend.next().answer(content(b'other'))
        self.assertEqual(b'other', self.result()[0].data)
        self.get('secret', 5)
        self.assertEqual(b'Hello', self.result()[0].data)

    def test_account_names(self):
        """no account's name reaches into another's path"""
        self.begin()
        for n, (name, path) in enumerate((
                ('joe/mailboxes/x', 'joe%2Fmailboxes%2Fx'),
                ('a?b#c%2F d', 'a%3Fb%23c%252F%20d'),
                ('j\u00f6rg@ex\u00e4mple', 'j%C3%B6rg%40ex%C3%A4mple'),
                ('a\r\nX: y', 'a%0D%0AX%3A%20y'),
                ('n' * 511, 'n' * 511))):
            self.grant(name, 20 + n)
            req = self.ask('st_mailboxes', sid=20 + n)
            r = self.backend.next()
            got = r.target.split('/')
            self.assertEqual(['', 'v1', 'accounts', 'mailboxes'],
                             got[:3] + got[4:])
            self.assertEqual(path.upper(), got[3].upper())
            r.answer(ndjson(HEADER, END))
            self.result(req=req)

    def test_dots(self):
        """what a path could lose on its way is nobody's account"""
        self.begin()
        for name in '', '.', '..':
            self.auth.send('grant', req=3, gen=self.imap.gen, session=7,
                           account=name, user='joe')
            self.auth.until('grant_ok', req=3, code=ST['NO_SUCH_ACCOUNT'])
            self.auth.send('grant_rcpt', req=4, gen=self.lmtp.gen,
                           session=7, rcpt=1, account=name)
            self.auth.until('grant_ok', req=4, code=ST['NO_SUCH_ACCOUNT'])
        self.refused()

    def test_ids(self):
        """what is no id is in no path"""
        self.begin()
        self.grant()
        for name in ('../../ann/mailboxes/m', 'm?since=1', '..', '.', '',
                     'm/messages', 'm%2e', 'm\r\nX: y', 'm m', 'm\xe4',
                     'm#', 'm;x=1', '..\\ann', 'm\t'):
            for call, fields in CALLS.items():
                if call in ('st_put', 'st_recent', 'st_meta_get',
                            'st_meta_set', 'st_batch'):
                    continue            # in no path, or not announced
                for f in 'mailbox', 'id':
                    if f in fields:
                        self.ask(call, **dict(fields, **{f: name}))
                        self.assertEqual([], self.result('BAD_REQUEST'))
        self.backend.none()
        self.get('A-z_0' * 51)
        r = self.backend.next()
        self.assertEqual('/v1/accounts/joe/messages/' + 'A-z_0' * 51,
                         r.target)
        r.answer(content(b'Hello'))
        self.result()

    def test_auth_again(self):
        """a new auth is told what was granted, and can take it back"""
        self.begin()
        self.grant('joe', 7)
        acct = self.grant('ann', 8).acct
        self.auth.close()
        self.auth = self.engine.peer('auth')
        told = {}
        for i in range(2):
            m = self.auth.until('granted', gen=self.imap.gen, mount=0,
                                storage=0)
            told[m.session] = (m.account, m.user, m.acct)
        self.assertEqual({7, 8}, set(told))
        self.assertEqual(('ann', 'ann', acct), told[8])
        self.served()                   # meanwhile sessions go on
        self.revoke(8)
        self.auth.send('rcpt_query', req=1, storage=9)
        self.auth.until('rcpt_answer')
        self.refused(sid=8)
        self.served()

    def test_unknown_storage(self):
        """a grant for a storage that is not configured is refused"""
        self.begin()
        self.auth.send('grant', req=3, gen=self.imap.gen, session=7,
                       account='joe', user='joe', storage=5)
        self.auth.until('grant_ok', req=3, code=ST['UNAVAILABLE'])
        self.refused()

    def test_numbers(self):
        """a request number twice at once is no sibling's mistake"""
        self.begin()
        self.grant()
        self.imap.send('st_mailboxes', sid=7, req=3)
        self.backend.next()
        self.imap.send('st_mailboxes', sid=7, req=3)
        m = self.engine.parent.until('complaint', message='st_mailboxes')
        self.assertEqual((self.imap.gen, 'request number in use'),
                         (m.gen, m.reason))
        self.imap.ended()


class Delivery(EngineTest):
    """LMTP's grants: a recipient of one transaction, good for one
    delivery"""

    def rcpt(self, rcpt=1, txn=1, session=9, account='joe', mailbox='m',
             code='OK', chan=None):
        self.auth.send('grant_rcpt', req=rcpt, session=session, txn=txn,
                       gen=(chan or self.lmtp).gen, rcpt=rcpt,
                       account=account, mailbox=mailbox,
                       address=account + '@x')
        return self.auth.until('grant_ok', req=rcpt, code=ST[code])

    def deliver(self, rcpts=(1,), txn=1, sid=9, chan=None):
        self.ask('st_deliver', chan or self.lmtp, sid, txn=txn, known=1,
                 size=2, rcpts=list(rcpts), data=b'x\n', **{'from': 'a@b'})

    def refused(self, *args, **fields):
        self.deliver(*args, **fields)
        self.assertEqual([], self.result('NO_GRANT',
                                         fields.get('chan') or self.lmtp))
        self.backend.none()

    def stored(self, *handles, chan=None):
        """It gets through; an answer for each"""
        r = self.backend.next()
        self.assertEqual(('POST', '/v1/messages'), (r.method, r.target))
        line = r.body.split(b'\n')[0]
        r.answer(ndjson({'header': True}, *[
            {'index': i, 'uid': 4 + i, 'uidvalidity': 3, 'id': 'c'}
            for i in range(len(handles))], END))
        got = self.result(chan=chan or self.lmtp)
        got = [m for m in got if m.type == 'st_stored']
        self.assertEqual(list(handles), [m.rcpt for m in got])
        import json
        return json.loads(line)

    def test_once(self):
        """good for one delivery"""
        self.begin()
        self.rcpt()
        self.deliver()
        line = self.stored(1)
        self.assertEqual([{'account': 'joe', 'mailbox': 'm',
                           'address': 'joe@x'}], line['to'])
        self.refused()

    def test_once_also_when_it_fails(self):
        """whatever becomes of it"""
        self.begin()
        self.rcpt()
        self.deliver()
        self.backend.next().answer(problem(503, 'try-later'))
        self.result('TRY_LATER', self.lmtp)
        self.refused()

    def test_others(self):
        """another session, transaction, process, or none of the handles"""
        self.begin()
        self.rcpt()
        self.rcpt(2, txn=2)
        self.rcpt(3, session=10)
        self.refused(sid=10)
        self.refused(txn=2)
        self.refused((4,))
        self.refused(())
        self.refused(((1, 2),))
        self.refused((1, 3))
        self.refused(((1, 4000000),))
        other = self.engine.peer('lmtp', slot=1)
        self.refused(chan=other)
        self.rcpt(1, chan=other, account='ann')
        self.deliver(chan=other)
        self.assertEqual('ann', self.stored(1, chan=other)['to'][0]
                         ['account'])
        # what was refused has cost the right one nothing
        self.deliver()
        self.stored(1)

    def test_reset(self):
        """gone at RSET, and at the connection's end"""
        self.begin()
        self.rcpt(1)
        self.rcpt(2, txn=2)
        self.auth.send('revoke_txn', gen=self.lmtp.gen, session=9, txn=1)
        self.rcpt(3, txn=2)
        self.refused((1,))
        self.deliver(((2, 3),), txn=2)
        self.stored(2, 3)
        self.rcpt(4, txn=4)
        self.auth.send('revoke', gen=self.lmtp.gen, session=9)
        self.rcpt(5, session=10)
        self.refused((4,), txn=4)

    def test_in_flight(self):
        """a reset does not undo a delivery that is under way; the end of
        the session ends it"""
        self.begin()
        self.rcpt(1)
        self.deliver()
        r = self.backend.next()
        self.auth.send('revoke_txn', gen=self.lmtp.gen, session=9, txn=1)
        self.rcpt(3, txn=3)
        self.backend.requests.put(r)
        self.stored(1)
        self.rcpt(2, txn=2)
        self.deliver((2,), txn=2)
        self.backend.next()
        self.auth.send('revoke', gen=self.lmtp.gen, session=9)
        self.assertEqual([], self.result('NO_GRANT', self.lmtp))

    def test_not_ready(self):
        """before the engine has said so there is no recipient"""
        self.begin()
        self.auth.send('grant_rcpt', req=1, gen=self.lmtp.gen, session=9,
                       txn=1, rcpt=1, account='joe', address='joe@x')
        r = self.backend.next()
        self.assertEqual('/v1/accounts/joe/mailboxes', r.target)
        self.refused()
        r.answer(ndjson({'header': True}, {
            'id': 'inbox1', 'name': 'INBOX', 'uidvalidity': 1, 'uidnext': 1,
            'messages': 0}, END))
        self.auth.until('grant_ok', req=1, code=0)
        self.deliver()
        self.assertEqual('inbox1', self.stored(1)['to'][0]['mailbox'])
        # the next one is known
        self.rcpt(2, mailbox='')
        self.deliver((2,))
        self.stored(2)

    def test_reset_while_asking(self):
        """a reset while INBOX is looked for"""
        self.begin()
        for i in range(2):
            self.auth.send('grant_rcpt', req=1, gen=self.lmtp.gen,
                           session=9, txn=i, rcpt=1, account='joe')
            r = self.backend.next()
            self.auth.send('revoke_txn', gen=self.lmtp.gen, session=9,
                           txn=i)
            self.rcpt(2 + i, txn=9)
            r.hang_up()
        self.refused()

    def test_no_inbox(self):
        """an account that the storage does not know, or without INBOX"""
        self.begin()
        for answer, code in (
                (problem(404, 'no-such-account'), 'NO_SUCH_ACCOUNT'),
                (ndjson({'header': True}, END), 'NO_SUCH_MAILBOX'),
                (problem(503, 'try-later'), 'TRY_LATER'),
                (ndjson({'header': True}), 'CUT')):
            self.auth.send('grant_rcpt', req=1, gen=self.lmtp.gen,
                           session=9, txn=1, rcpt=1, account='joe')
            self.backend.next().answer(answer)
            self.auth.until('grant_ok', req=1, code=ST[code])
            self.refused()

    def test_handle_twice(self):
        """a handle that is in use is not given again"""
        self.begin()
        self.rcpt(1)
        self.rcpt(1, account='ann', code='UNAVAILABLE')
        self.deliver()
        self.assertEqual('joe', self.stored(1)['to'][0]['account'])

    def test_imap(self):
        """a session's grant delivers nothing, a delivery's reads nothing"""
        self.begin()
        self.rcpt(1)
        self.ask('st_mailboxes', self.lmtp, 9)
        # the table does not even let it ask
        self.engine.parent.until('complaint', message='st_mailboxes')
        self.lmtp.ended()


if __name__ == '__main__':
    atf.main()
