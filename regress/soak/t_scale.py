#!/usr/bin/env python3
"""A mailbox of 100,000 messages: what it costs in memory, and that what is
done to all of them at once is done."""

import os
import random
import re
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from imapclient import set_of                           # noqa: E402
from whole import WholeTest, sanitized                  # noqa: E402

MESSAGES = 100000
PATTERN = 112                   # that many are appended, then copied
DELETED = 12                    # of them, so that uids have gaps
MIB = 1024
FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', 'k1', 'k2', 'k3']


class Scale(WholeTest):
    def setUp(self):
        self.auto = False
        super().setUp()
        if sanitized():
            self.skipTest('memory is the sanitizer\'s, and all takes long')

    def fill(self, c, messages=MESSAGES):
        """Neighbours differ in flags, every tenth uid is missing: nothing
        can be kept as one range"""
        rnd = random.Random(1)
        for i in range(PATTERN):
            flags = rnd.sample(FLAGS, rnd.randint(0, 4))
            if i % 9 == 0 and i < DELETED * 9:
                flags.append('\\Deleted')
            c.append('INBOX', b'Subject: m%d\r\n\r\nbody %d\r\n' % (i, i),
                     flags)
        total = messages * PATTERN // (PATTERN - DELETED)
        c.ok('SELECT INBOX')
        while c.exists < total:
            c.ok('COPY 1:%d INBOX' % min(c.exists, total - c.exists))
        c.ok('EXPUNGE')
        self.assertEqual(c.exists, messages)

    def raw(self, c, cmd, ending=b'OK'):
        """As cmd(), but the answer is only bytes: it may have millions"""
        tag = c.tag().encode()
        c.raw(tag + b' ' + cmd.encode() + b'\r\n')
        parts, last = [c.buf], b''
        # the last line, which may be long itself, is the tagged one
        while not (last.endswith(b'\r\n') and last.startswith(tag + b' ')):
            c.buf = b''
            c.fill()
            parts.append(c.buf)
            last += c.buf
            last = last[last.rfind(b'\n', 0, -1) + 1:]
        c.buf = b''
        self.assertEqual(last.split(b' ')[1], ending, last[:300])
        return b''.join(parts)

    def count(self, data, pattern):
        return len(re.findall(rb'(?m)^\* \d+ ' + pattern, data))

    def test_memory(self):
        """SELECT and UID FETCH 1:* (FLAGS) take less than 30 MB"""
        self.begin()
        c = self.imap()
        self.fill(c)
        c.close()
        # with processes that have done nothing yet
        self.house.stop()
        self.house.start()
        c = self.imap()
        before = self.house.memory(but=('store',))
        self.raw(c, 'SELECT INBOX')
        data = self.raw(c, 'UID FETCH 1:* (FLAGS)')
        after = self.house.memory(but=('store',))
        self.assertEqual(self.count(data, b'FETCH'), MESSAGES)
        grown = sum(after.values()) - sum(before.values())
        print('grown by %d KiB: %r, %r' % (grown, before, after))
        self.assertLess(grown, 30 * MIB)
    test_memory.root = True

    def peak(self, forget=False):
        """The most that the process for IMAP ever had, KiB"""
        pid = self.house.pid('imap')
        if forget:
            with open('/proc/%d/clear_refs' % pid, 'w') as f:
                f.write('5')
        with open('/proc/%d/status' % pid) as f:
            return int(re.search(r'VmHWM:\s+(\d+)', f.read()).group(1))

    def unread(self, c, others, cmd, pattern):
        """All are to be told of all messages; none reads"""
        before = self.house.memory(but=('store',))
        self.raw(c, cmd)
        for d in others:
            d.raw(b'x NOOP\r\n')
        self.raw(c, 'NOOP')
        for d in others:
            d.fill()            # it has begun
        after = self.house.memory(but=('store',))
        grown = sum(after.values()) - sum(before.values())
        print('grown by %d KiB: %r, %r' % (grown, before, after))
        self.assertLess(grown, 2 * MIB)
        for d in others:
            data = [d.buf]
            while not data[-1].endswith(b'NOOP completed\r\n'):
                d.buf = b''
                d.fill()
                data.append(d.buf)
            d.buf = b''
            data = b''.join(data)
            self.assertEqual(self.count(data, pattern), MESSAGES)
        return data

    def test_unread(self):
        """100,000 changes, and then that all are gone, are not kept for a
        client that does not read"""
        self.begin()
        c = self.imap()
        self.fill(c)
        others = [self.imap(select='INBOX') for _ in range(4)]
        for d in others:        # what the system takes is not measured
            d.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.raw(c, 'STORE 1:* +FLAGS.SILENT (k5)')
        self.raw(c, 'STORE 1:* -FLAGS.SILENT (k5)')
        self.unread(c, others, 'STORE 1:* +FLAGS.SILENT (k5)', b'FETCH')
        self.raw(c, 'STORE 1:* +FLAGS.SILENT (\\Deleted)')
        for d in others:
            self.raw(d, 'NOOP')
        peak = self.peak(forget=True)
        data = self.unread(c, others, 'EXPUNGE', b'EXPUNGE')
        # what the system took off our hands at once counts, too
        grown = self.peak() - peak
        print('peak %d KiB higher' % grown)
        self.assertLess(grown, 2 * MIB)
        # the last number first
        self.assertEqual([int(n) for n in re.findall(
            rb'(?m)^\* (\d+) EXPUNGE\r$', data)],
            list(range(MESSAGES, 0, -1)))
    test_unread.root = True

    def test_copyuid(self):
        """COPYUID is left out where it would be too long a line"""
        self.begin()
        c = self.imap()
        self.fill(c)
        self.raw(c, 'CREATE other')
        self.raw(c, 'UID SEARCH RETURN (SAVE) OR SEEN FLAGGED')
        count = 0
        for cmd in 'COPY 1:5000 other', 'MOVE 5001:10000 other':
            data = self.raw(c, cmd)
            self.assertTrue(b'[COPYUID ' in data)
            count += 5000
        data = self.raw(c, 'UID SEARCH RETURN (COUNT) $')
        count += int(re.search(rb'COUNT (\d+)', data).group(1))
        peak = self.peak(forget=True)
        data = self.raw(c, 'COPY $ other')
        self.assertFalse(b'COPYUID' in data)
        data = self.raw(c, 'MOVE $ other')
        self.assertFalse(b'COPYUID' in data)
        grown = self.peak() - peak
        print('peak %d KiB higher' % grown)
        self.assertLess(grown, 3 * MIB)
        moved = self.count(data, b'EXPUNGE')
        data = self.raw(c, 'STATUS other (MESSAGES)')
        self.assertIn(b'(MESSAGES %d)' % (count + moved), data)
    test_copyuid.root = True

    def test_all(self):
        """Everything to all messages at once"""
        self.begin()
        c = self.imap()
        self.fill(c)
        d = self.imap(select='INBOX')
        c.ok('CREATE Other')
        n = MESSAGES
        data = self.raw(c, 'STORE 1:* +FLAGS (k5)')
        self.assertEqual(self.count(data, rb'FETCH \(FLAGS \([^)]*k5'), n)
        self.assertEqual(self.count(self.raw(d, 'NOOP'), b'FETCH'), n)
        self.raw(c, 'STORE 1:* -FLAGS.SILENT (k5)')
        self.assertEqual(self.raw(c, 'SEARCH KEYWORD k5').split(b'\r\n')[0],
                         b'* SEARCH')
        found = self.raw(c, 'SEARCH SUBJECT m5 SMALLER 100').split(b'\r\n')
        self.assertGreater(len(found[0].split()), n // 20)
        data = self.raw(c, 'FETCH 1:* (RFC822.SIZE MODSEQ)')
        self.assertEqual(self.count(data, b'FETCH'), n)
        self.raw(c, 'COPY 1:* Other')
        self.assertEqual(c.ok('STATUS Other (MESSAGES)').one('STATUS')
                         .data[1], {'MESSAGES': n})
        odd = list(range(1, n + 1, 2))
        for i in range(0, len(odd), 5000):
            self.raw(c, 'STORE %s +FLAGS.SILENT (\\Deleted)' %
                     set_of(odd[i:i + 5000]))
        data = self.raw(c, 'EXPUNGE')
        self.assertEqual(self.count(data, b'EXPUNGE'), len(odd))
        data = self.raw(d, 'NOOP')
        self.assertEqual(self.count(data, b'EXPUNGE'), len(odd))
        data = self.raw(c, 'UID MOVE 1:* Other')
        self.assertEqual(self.count(data, b'EXPUNGE'), n - len(odd))
        self.assertEqual(self.count(self.raw(d, 'NOOP'), b'EXPUNGE'),
                         n - len(odd))
        r = c.ok('SELECT Other')
        self.assertEqual(r.one('EXISTS').number, 2 * n - len(odd))
        self.raw(c, 'STORE 1:* +FLAGS.SILENT (\\Deleted)')
        self.raw(c, 'CLOSE')
        self.assertEqual(c.ok('STATUS Other (MESSAGES)').one('STATUS')
                         .data[1], {'MESSAGES': 0})


if __name__ == '__main__':
    atf.main()
