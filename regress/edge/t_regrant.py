#!/usr/bin/env python3
"""An engine dies while an IMAP process waits for it, and the next one is
there, with its stream, before the death is seen: who idles is told what
changed all the same."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
from house import ST, SLOW, Listener                    # noqa: E402
from t_answers import ALL, FLAGS, row                   # noqa: E402


class Regrant(Listener):
    role = 'imap'

    def setUp(self):
        super().setUp()
        self.begin()
        self.engine, self.sids = self.engines[0], []
        self.info(self.engine)

    @staticmethod
    def info(chan):
        """It is up, and so is its stream of events"""
        chan.send('st_info', storage=0, up=1, epoch=1, caps=ALL,
                  recipients=1000, set=32768)

    @staticmethod
    def end(chan, m, code='OK'):
        chan.send('st_end', sid=m.sid, req=m.req, code=ST[code])

    def next(self, chan, type):
        """What it is asked, when what leads to that is answered"""
        while True:
            m = chan.recv(10 * SLOW)
            self.assertIsNotNone(m, 'nothing is asked of it')
            if m.type == type:
                return m
            if m.type == 'st_mailboxes':
                chan.send('st_mbox', sid=m.sid, req=m.req, id='m1',
                          name='INBOX', uidvalidity=7, uidnext=4, messages=3,
                          modseq=5, has=1)
            elif m.type == 'st_mailbox':
                chan.send('st_mbox', sid=m.sid, req=m.req, id='m1',
                          name='INBOX', uidvalidity=7, uidnext=5, messages=4,
                          modseq=6, has=1, epoch=1)
            if m.type not in ('st_credit', 'st_cancel'):
                self.end(chan, m)

    @staticmethod
    def list(chan, m, *uids):
        chan.send('st_head', sid=m.sid, req=m.req, modseq=m.since + 1,
                  uidnext=uids[-1] + 1, uidvalidity=7, fields=m.fields,
                  since=m.since != 0, epoch=1)
        chan.send('st_rows', sid=m.sid, req=m.req, rows=b''.join(
            row([u], flags='', modseq=m.since + 1) if m.since else
            row([u], flags='') for u in uids))

    def select(self):
        c = self.connect()
        c.send('a LOGIN joe pw')
        m = self.auth.until('auth_req')
        self.sids.append(m.sid)
        self.auth.send('auth_ok', sid=m.sid, req=m.req, user='joe', engine=0,
                       egen=self.engine.gen, acct=1)
        c.send('b SELECT INBOX')
        if len(self.sids) == 1:
            m = self.next(self.engine, 'st_list')
            self.list(self.engine, m, 1, 2, 3)
            self.end(self.engine, m)
        self.end(self.engine, self.next(self.engine, 'st_recent'))
        while not c.line().startswith('b OK'):
            pass
        return c

    def idling(self):
        c = self.select()
        c.send('c IDLE')
        self.assertEqual('+', c.line()[0])
        return c

    def regrant(self):
        """The new engine, whose stream has begun before"""
        new = self.child.peer('engine', slot=0)
        self.info(new)
        # it is heard when the next session is greeted
        self.assertTrue(self.connect().greeting.startswith('* OK'))
        for sid in self.sids:
            self.auth.send('regrant', sid=sid, engine=0, egen=new.gen,
                           acct=1)
        self.assertTrue(self.connect().greeting.startswith('* OK'))
        return new

    def told(self, new, c):
        """It is asked for what is new, which who idles is told"""
        m = self.next(new, 'st_list')
        self.list(new, m, *(() if m.since else (1, 2, 3)), 4, 5)
        self.end(new, m)
        self.end(new, self.next(new, 'st_recent'))
        while c.line() != '* 5 EXISTS':
            pass

    def test_list(self):
        """while it lists what is new"""
        c = self.idling()
        self.engine.send('st_event', acct=1, mailbox='m1', modseq=6)
        self.next(self.engine, 'st_list')
        new = self.regrant()
        self.engine.sock.shutdown(socket.SHUT_RDWR)
        self.told(new, c)

    def test_recent(self):
        """while it says whose new messages are recent"""
        c = self.idling()
        self.engine.send('st_event', acct=1, mailbox='m1', modseq=6)
        m = self.next(self.engine, 'st_list')
        self.list(self.engine, m, 4)
        self.end(self.engine, m)
        self.next(self.engine, 'st_recent')
        new = self.regrant()
        self.engine.sock.shutdown(socket.SHUT_RDWR)
        self.told(new, c)

    def test_other_first(self):
        """when one that does not idle is the first to be let in again"""
        self.select()
        c = self.idling()
        self.engine.sock.shutdown(socket.SHUT_RDWR)
        self.told(self.regrant(), c)


if __name__ == '__main__':
    atf.main()
