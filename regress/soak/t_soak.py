#!/usr/bin/env python3
"""Several sessions on one mailbox: nobody ever gets a wrong number."""

import os
import random
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from soak import Soak                                   # noqa: E402
from storage import LEVEL2, Storage                     # noqa: E402
from whole import SLOW, WholeTest                       # noqa: E402

STEPS = 600 // SLOW
SEED = int(os.environ.get('SEED', '0'))                 # try others


class SoakTest(WholeTest):
    options = dict(listen=('imap', 'lmtp'))
    auto = False

    def soak(self, sessions, seed, conf='', steps=STEPS, **args):
        self.begin(conf=conf)
        self.all = Soak(self.house, sessions, SEED or seed, **args)
        self.addCleanup(self.all.close)
        self.all.run(steps)

    def test_four(self):
        """Four sessions in one process, all the time compared with a model"""
        self.soak(4, 1)

    def test_eight(self):
        """Eight sessions in one process"""
        self.soak(8, 2)

    def test_late(self):
        """A storage whose answers and events overtake each other, whose
        streams end, and which forgets old changes"""
        self.late('')

    def test_late_two(self):
        """The same, and two processes"""
        self.late('prefork { imap 2 }')

    def late(self, conf):
        rnd = random.Random(SEED or 4)
        st = Storage(*LEVEL2)
        self.addCleanup(st.stop)
        self.begin(storage='storage "main" url "%s"' % st.url, conf=conf)
        self.house.logged('storage main: .* is up')
        self.all = Soak(self.house, 4, SEED or 5, exact=False)
        self.addCleanup(self.all.close)
        st.jitter = lambda: rnd.choice([0, 0, 0, rnd.random() / 30])
        for _ in range(STEPS // 40):
            self.all.run(20, check=False)
            if rnd.random() < .3:
                st.cut_streams()
            if rnd.random() < .3:
                with st.lock:
                    for box in st.boxes.values():
                        box.floor = box.modseq
        self.all.run(0)

    def test_two_processes(self):
        """Six sessions in two processes, which hear of each other"""
        self.soak(6, 3, 'prefork { imap 2 }', exact=False)
        status, text = self.house.ctl('show', 'stats')
        self.assertEqual(status, 0, text)
        commands = [int(n) for n in re.findall(
            r'(?m)^imap/\d +commands +(\d+)$', text)]
        self.assertEqual(len(commands), 2, text)
        self.assertGreater(min(commands), STEPS // 2)


if __name__ == '__main__':
    atf.main()
