#!/usr/bin/env python3
"""The contract of events, through the whole house: whatever becomes of the
stream, each session that is open sees what is true within the bound, and
mfrontctl tells what happened."""

import os
import re
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import t_storage                                        # noqa: E402
from storage import LEVEL2                              # noqa: E402
from whole import SLOW, sanitized                       # noqa: E402

N = 4                           # sessions, of two processes
SILENCE = 30                    # seconds without a line: the stream is dead
CONF = 'prefork imap 2\npoll 1s\n'


class Contract(t_storage.StorageTest):
    def start(self, conf=CONF, **more):
        self.before(*LEVEL2, conf=conf, **more)
        self.st.add(6)
        self.open_ones = [self.open() for _ in range(N)]
        self.live()
        for c in self.open_ones:
            self.sync(c)

    def live(self):
        """There is a stream, which proves what they know"""
        end = time.monotonic() + 15 * SLOW
        while 'live' not in self.house.ctl('show', 'storage')[1]:
            self.assertLess(time.monotonic(), end)
            time.sleep(.05)

    def stat(self, name):
        status, text = self.house.ctl('show', 'stats')
        self.assertEqual(0, status)
        found = re.findall(r'%s +(\d+)' % re.escape(name), text)
        self.assertTrue(found, text)
        return sum(map(int, found))

    def counted(self, name, least):
        """It is told, now or very soon"""
        end = time.monotonic() + 15 * SLOW
        while self.stat(name) < least:
            self.assertLess(time.monotonic(), end, name)
            time.sleep(.05)

    def change(self, turn=0):
        """One of each kind"""
        uids = sorted(self.st.inbox.messages)
        self.st.flag(uids[1:3], 'turn%d' % turn)
        self.st.remove(uids[0])
        self.st.add(2)

    def converge(self, seconds):
        """All of them, half of which are in IDLE, within a time"""
        end = time.monotonic() + seconds * SLOW
        idle = [(c, c.idle()) for c in self.open_ones[::2]]
        want = len(self.st.inbox.messages)
        for c, tag in idle:
            while c.exists != want:
                c.wait_for('EXISTS', end - time.monotonic())
            c.done(tag)
        for c in self.open_ones:
            self.sync(c)
        self.assertLess(time.monotonic(), end)

    def test_dropped(self):
        """a stream that ends, again and again"""
        self.start()
        for turn in range(4):
            resets = self.stat('main.event-resets')
            self.live()
            self.st.cut_streams()
            self.change(turn)
            self.converge(15)
            self.counted('main.event-resets', resets + 1)

    def test_reset(self):
        """a stream that cannot go on where it was: 410"""
        self.start()
        for turn in range(3):
            self.live()
            resets = self.stat('main.event-resets')
            with self.st.lock:
                self.st.mute = True
                self.change(turn)
                self.st.mute = False
                self.st.first_event += len(self.st.events) + 7
                self.st.events = []
            self.st.cut_streams()
            self.converge(15)
            self.counted('main.event-resets', resets + 1)

    def test_replayed(self):
        """a stream that tells all of the old once more: nothing is told
        twice to a client, nothing is undone"""
        self.start()
        for turn in range(4):
            self.change(turn)
        self.converge(15)
        events = self.stat('main.events')
        told = len(self.st.events)
        self.st.replay = True
        self.st.cut_streams()
        self.counted('main.events', events + told)
        for c in self.open_ones:
            self.assertEqual([], c.ok('NOOP').responses)
        self.change(9)
        self.converge(15)

    def test_lying(self):
        """changes that no event tells are found by the belt; events of
        what did not change, or is not there, do no harm"""
        self.start(conf=CONF + 'check 1s\n')
        self.st.mute = True
        self.change()
        self.converge(15)
        self.counted('mirror-mended', 1)
        self.st.mute = False
        events = self.stat('main.events')
        lies = [{'account': 'joe', 'mailbox': 'm1', 'modseq': 1},
                {'account': 'joe', 'mailbox': 'm1', 'modseq': 1 << 50},
                {'account': 'joe', 'mailbox': 'nothing', 'modseq': 5},
                {'account': 'joe', 'mailbox': 'm1'}, {'account': 'joe'},
                {'account': 'ann', 'mailbox': 'm1', 'modseq': 7}]
        with self.st.lock:
            for line in lies:
                n = self.st.first_event + len(self.st.events) + 1
                self.st.events.append(dict(line, cursor=str(n)))
            self.st.lock.notify_all()
        self.counted('main.events', events + len(lies))
        for c in self.open_ones:
            self.sync(c)
        self.change(1)
        self.converge(15)

    @atf.timeout(240)
    def test_stalled(self):
        """a stream that is open and says nothing is dead after two
        heartbeats"""
        if sanitized():
            raise unittest.SkipTest('the plain half waits for it')
        self.start()
        resets = self.stat('main.event-resets')
        self.st.stall = True
        self.change()
        self.converge(SILENCE + 15)
        self.counted('main.event-resets', resets + 1)
        self.live()
        self.change(1)
        self.converge(15)


if __name__ == '__main__':
    atf.main()
