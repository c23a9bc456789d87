#!/usr/bin/env python3
"""Stopping: everybody is told, what runs is ended, nothing is left."""

import os
import signal
import socket
import threading
import time

from system import (GONE, SLOW, SystemTest, alive, atf, letter, soon,
                    subject)


class Stop(SystemTest):
    def ends(self, timeout=20):
        """It ends well, and leaves no process, socket or file"""
        pids = [pid for pid, _ in self.house.children()]
        self.assertEqual(0, self.house.proc.wait(timeout * SLOW))
        self.house.proc = None
        soon(lambda: not any(map(alive, pids)))
        self.assertFalse(os.path.exists(self.house.path('ctl.sock')))
        self.assertEqual([], os.listdir(self.house.path('run')))
        for port in self.house.ports.values():
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(('127.0.0.1', port), 5)

    def everybody(self):
        """Sessions in all states, and what each must be told"""
        i = self.imap(select='INBOX')
        i.idle()
        t = self.imap(select='INBOX', protocol='imaps')
        n = self.imap(None)
        return ((i, b'* BYE '), (t, b'* BYE '), (n, b'* BYE '),
                (self.pop3().c, b'-ERR '), (self.pop3(None).c, b'-ERR '),
                (self.pop3(protocol='pop3s').c, b'-ERR '),
                (self.lmtp().c, b'421 '))

    def told(self, held):
        for c, word in held:
            data = c.rest()
            lines = data.splitlines()
            self.assertEqual(1, len(lines), data)
            self.assertTrue(lines[0].startswith(word), data)
            c.close()

    def test_told(self):
        """everybody is told why; each way to stop it"""
        for how in (signal.SIGTERM, signal.SIGINT, 'stop'):
            held = self.everybody()
            if how == 'stop':
                status, text = self.house.ctl('stop')
                self.assertEqual(0, status, text)
            else:
                self.house.proc.send_signal(how)
            self.told(held)
            self.ends()
            self.house.start()

    def test_transactions(self):
        """what has begun is ended: a delivery, an upload, a download"""
        self.deliver(letter('big', 8 << 20), 'jim@localhost')
        l, i = self.lmtp(), self.imap()
        self.assertEqual([250], l.open('joe@localhost'))
        self.assertEqual(354, l.cmd('DATA')[0])
        l.c.raw(letter('delivered')[:50])
        text = letter('appended', 200000)
        i.sock.sendall(b'x APPEND INBOX {%d}\r\n' % len(text))
        self.assertEqual(b'+', i.sock.recv(100)[:1])
        i.sock.sendall(text[:1000])
        d = self.imap('jim', select='INBOX')
        d.sock.sendall(b'y FETCH 1 BODY.PEEK[]\r\n')
        data = d.sock.recv(1000)
        self.house.proc.terminate()
        self.house.logged('stopping')
        # nobody new comes in meanwhile
        soon(self.closed)
        l.c.raw(letter('delivered')[50:] + b'.\r\n')
        self.assertEqual(250, l.reply()[0])
        self.assertEqual(421, l.reply()[0])
        i.sock.sendall(text[1000:] + b'\r\n')
        data += d.rest()
        self.assertIn(b'y OK', data[-400:])
        self.assertIn(b'* BYE ', data[-400:])
        self.assertRegex(i.rest(), rb'x OK \[APPENDUID .*\r\n')
        self.ends()
        self.house.start()
        self.assertEqual({'delivered', 'appended'},
                         {subject(t) for t in self.contents().values()})

    def closed(self):
        try:
            socket.create_connection(self.house.address('imap'), 5).close()
        except OSError:
            return True
        return False

    @atf.timeout(120)
    def test_load(self):
        """in the middle of much: what was acknowledged is there"""
        done, errors = [], []

        def work(k):
            n = 0
            try:
                c = self.lmtp()
                while True:
                    n += 1
                    name = 'm%d-%d' % (k, n)
                    codes = c.open('joe@localhost')
                    if codes != [250]:
                        return
                    code, text = c.data(letter(name, n % 5 * 50000))[0]
                    if code != 250:
                        self.assertIn(code, (421, 451), text)
                        return
                    done.append(name)
            except (AssertionError, *GONE) as e:
                # MAIL is refused with 421
                if not isinstance(e, GONE) and str(e):
                    errors.append(e)
        threads = [threading.Thread(target=work, args=(k,))
                   for k in range(4)]
        for t in threads:
            t.start()
        soon(lambda: len(done) > 50)
        self.house.proc.terminate()
        for t in threads:
            t.join()
        self.ends()
        self.assertEqual([], errors)
        self.house.start()
        got = [subject(t) for t in self.contents().values()]
        self.assertEqual(set(), set(done) - set(got))
        self.assertEqual(len(got), len(set(got)))

    def test_twice(self):
        """asked a second time it ends at once, whatever runs"""
        l = self.lmtp()
        self.assertEqual([250], l.open('joe@localhost'))
        self.assertEqual(354, l.cmd('DATA')[0])
        pid = self.house.pid('store')
        os.kill(pid, signal.SIGSTOP)
        self.house.proc.terminate()
        self.house.logged('stopping')
        began = time.monotonic()
        self.house.proc.send_signal(signal.SIGINT)
        self.ends(5)
        self.assertLess(time.monotonic() - began, 5 * SLOW)
        self.house.start()
        self.assertEqual({}, self.contents())

    @atf.timeout(120)
    def test_hangs(self):
        """processes that do nothing any more are ended too"""
        for role in ('imap', 'engine'):
            pid = self.house.pid(role)
            os.kill(pid, signal.SIGSTOP)
            self.house.proc.terminate()
            # no need to wait so long: asked again
            self.house.logged('stopping')
            self.house.proc.terminate()
            self.ends()
            self.house.start()

    def test_before_ready(self):
        """before all is up: no process is left"""
        for k in range(5):
            self.house.stop()
            with open(self.house.logname, 'w'):
                pass
            self.house.readies = 0
            self.house.start(wait=False)
            time.sleep(0.004 * k * SLOW)
            pids = []
            try:
                pids = [pid for pid, _ in self.house.children()]
            except OSError:
                pass
            self.house.proc.terminate()
            self.assertIn(self.house.proc.wait(20 * SLOW),
                          (0, 1, -signal.SIGTERM))
            self.house.proc = None
            soon(lambda: not any(map(alive, pids)))
            self.house.start()
        self.imap()

    def test_group(self):
        """Ctrl-C reaches the whole process group: it ends as well"""
        held = self.everybody()
        self.house.proc.send_signal(signal.SIGINT)
        for pid, _ in self.house.children():
            try:
                os.kill(pid, signal.SIGINT)
            except ProcessLookupError:
                pass
        self.told(held)
        self.ends()
        self.house.start()


if __name__ == '__main__':
    atf.main()
