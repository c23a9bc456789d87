#!/usr/bin/env python3
"""The store's disk gets full in the middle of deliveries."""

import os
import subprocess
import threading

from system import (SLOW, Lmtp, SystemTest, Whole, atf, letter,
                    subject, untraced)


def root(method):
    method.root = True
    return method


class Full(SystemTest):
    auto = False

    def begin(self, size='8m', **over):
        self.house = Whole(**dict(self.options, **over))
        os.mkdir(self.house.store)
        p = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=' + size,
                            'none', self.house.store], capture_output=True,
                           text=True)
        if p.returncode != 0:
            self.house.close()
            self.skipTest('cannot mount a tmpfs: ' + p.stderr.strip())
        self.addCleanup(self.unmounted)
        self.house.start()
        self.acked, self.refused, self.lock = {}, [], threading.Lock()

    def unmounted(self):
        try:
            self.finish()
        finally:
            subprocess.run(['umount', '-l', self.house.store])
            self.house.close()

    def ballast(self, room):
        """Takes all but so much of the disk"""
        v = os.statvfs(self.house.store)
        with open(self.house.store + '/ballast', 'wb') as f:
            f.write(b'x' * (v.f_bavail * v.f_bsize - room))

    def unballast(self):
        os.unlink(self.house.store + '/ballast')

    def said(self, name, text, code, reply):
        """What became of a message"""
        with self.lock:
            if code == 250:
                self.acked[name] = text
            else:
                self.assertEqual(452, code, reply)
                self.assertTrue(reply.startswith('4.3.1'), reply)
                self.refused.append(name)

    def lmtp_fills(self, k, size):
        c = Lmtp(self.house)
        for n in range(1000):
            if len(self.refused) > 12:
                break
            name = 'l%d-%d' % (k, n)
            text = letter(name, size)
            codes = c.open('joe@localhost', 'jim@localhost')
            if codes != [250, 250]:
                self.assertEqual([452, 452], codes)
                self.said(name, text, 452, '4.3.1')
                c.cmd('RSET')
                continue
            # one of two may fit still
            for to, (code, reply) in zip(('joe', 'jim'), c.data(text, 2)):
                self.said((to, name), text, code, reply)
        c.close()

    def imap_fills(self, k, size):
        c = self.house.imap()
        for n in range(1000):
            if len(self.refused) > 12:
                break
            name = 'i%d-%d' % (k, n)
            r = c.cmd('APPEND INBOX ', letter(name, size))
            self.assertIn(r.type, ('OK', 'NO'))
            with self.lock:
                if r.type == 'OK':
                    self.acked['joe', name] = letter(name, size)
                else:
                    self.refused.append(name)
                    self.assertEqual('UNAVAILABLE', r.code, r)
        c.close()

    def fill(self, small=3000, big=200000):
        """Until it is full, from all sides; size of messages"""
        errors = []

        def guarded(f, *args):
            try:
                f(*args)
            except BaseException as e:
                errors.append(e)
        threads = [threading.Thread(target=guarded, args=a) for a in (
            (self.lmtp_fills, 1, small), (self.lmtp_fills, 2, big),
            (self.lmtp_fills, 3, small), (self.imap_fills, 1, small),
            (self.imap_fills, 2, big))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        self.assertTrue(self.refused)

    def there(self):
        """Every acknowledged message is there, once, byte for byte; and
        no other"""
        for user in ('joe', 'jim'):
            want = {n: t for (u, n), t in self.acked.items() if u == user}
            texts = self.contents(user).values()
            got = {}
            for t in texts:
                name = subject(t)
                self.assertNotIn(name, got)
                got[name] = untraced(t) if name[0] == 'l' else t
            self.assertEqual(sorted(want), sorted(got))
            self.assertEqual(want, got)

    def crash(self):
        """kill -9 of all, at once, and a new start"""
        self.house.end()
        self.house.start()

    @root
    @atf.timeout(300)
    def test_full(self):
        """452 4.3.1 and NO; reading goes on; a restart finds what was
        acknowledged; with room again it works again"""
        self.begin()
        c = self.imap(select='INBOX')
        self.ballast(2500000)
        self.fill()
        self.assertGreater(len(self.acked), 8)
        c.ok('NOOP')
        self.there()
        # the same after a crash, the disk still being full
        self.crash()
        self.there()
        self.unballast()
        self.refused = []
        self.in_time(lambda: self.deliver(letter('room')))
        self.acked['joe', 'room'] = None
        texts = [t for t in self.contents().values()
                 if subject(t) == 'room']
        self.assertEqual(letter('room'), untraced(texts[0]))
        self.acked['joe', 'room'] = texts[0]
        self.there()
        c = self.imap(select='INBOX')
        uid = c.append('INBOX', letter('i-room'))
        self.acked['joe', 'i-room'] = letter('i-room')
        c.ok('UID STORE %d +FLAGS (\\Seen kept)' % uid)
        self.crash()
        self.there()
        c = self.imap(select='INBOX')
        c.learn()
        self.assertLessEqual({'\\seen', 'kept'}, c.flags[uid])
        self.house.stop()
        self.house.check_store()
        self.house.start()
        self.there()

    @root
    @atf.timeout(300)
    def test_expunge(self):
        """a full disk does not keep anybody from deleting"""
        self.begin()
        self.ballast(2500000)
        self.fill(big=100000)
        self.there()
        p = self.pop3('jim')
        n = p.count()
        for i in range(n):
            p.cmd('DELE %d' % (i + 1))
        p.cmd('QUIT')
        self.assertEqual({}, self.contents('jim'))
        c = self.imap(select='INBOX')
        c.ok('STORE 1:* +FLAGS.SILENT (\\Deleted)')
        c.ok('EXPUNGE')
        self.assertEqual(0, c.exists)
        c.ok('CREATE Trash')
        self.acked = {}
        self.crash()
        self.there()

    @root
    @atf.timeout(200)
    def test_start(self):
        """started on a disk that others have filled: it says why; then,
        without any room for mail, it serves what there is"""
        self.begin()
        self.deliver(letter('l-1'))
        self.acked['joe', 'l-1'] = letter('l-1')
        self.house.stop()
        self.ballast(0)
        self.house.start(wait=False)
        self.house.logged('No space left on device')
        self.assertEqual(1, self.house.proc.wait(20 * SLOW))
        self.house.proc = None
        self.unballast()
        self.ballast(500000)
        self.house.start()
        self.there()
        c = Lmtp(self.house)
        self.assertEqual([452], c.send(letter('l-2', 50000)))
        c.close()
        self.there()
        self.unballast()
        self.deliver(letter('l-3'))
        self.acked['joe', 'l-3'] = letter('l-3')
        self.there()


if __name__ == '__main__':
    atf.main()
