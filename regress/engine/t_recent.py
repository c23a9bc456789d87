#!/usr/bin/env python3
"""Who has a message as \\Recent: an engine counts what the processes take,
and what they give back because nobody was told of it."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import EngineTest                          # noqa: E402

LOOK, TAKE, GIVE = range(3)


class Recent(EngineTest):
    def recent(self, take, uidnext, chan=None, sid=7, mailbox='m'):
        """The first uid that nobody was told of"""
        self.ask('st_recent', chan, sid, mailbox=mailbox, uidnext=uidnext,
                 take=take)
        m, = self.result(chan=chan)
        return m.first

    def test_back(self):
        """what was taken last may come back, no more"""
        self.begin()
        self.grant()
        other = self.engine.peer('imap', slot=1)
        self.grant(session=9, chan=other)
        self.assertEqual(1, self.recent(TAKE, 5))
        self.assertEqual(5, self.recent(LOOK, 9))
        self.assertEqual(5, self.recent(TAKE, 9))
        self.assertEqual(9, self.recent(GIVE, 7))
        self.assertEqual(7, self.recent(LOOK, 9))
        # not more than is taken, nothing that another one took
        self.assertEqual(7, self.recent(GIVE, 8))
        self.assertEqual(7, self.recent(GIVE, 0xffffffff))
        self.assertEqual(7, self.recent(GIVE, 1, other, 9))
        self.assertEqual(7, self.recent(TAKE, 12, other, 9))
        self.assertEqual(12, self.recent(GIVE, 1))
        self.assertEqual(12, self.recent(TAKE, 15))
        # what came before another one's stays with whom it is
        self.assertEqual(15, self.recent(GIVE, 3))
        self.assertEqual(12, self.recent(TAKE, 13, other, 9))
        self.assertEqual(13, self.recent(GIVE, 1, other, 9))
        self.assertEqual(12, self.recent(LOOK, 0))
        # of one mailbox
        self.assertEqual(1, self.recent(GIVE, 0, mailbox='n'))
        self.assertEqual(1, self.recent(LOOK, 0, mailbox='n'))
        self.assertEqual(12, self.recent(77, 99))
        self.assertEqual(12, self.recent(LOOK, 0))


if __name__ == '__main__':
    atf.main()
