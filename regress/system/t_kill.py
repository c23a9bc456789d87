#!/usr/bin/env python3
"""kill -9 of each process while sessions of all protocols run."""

import os
import signal

from system import (GONE, SystemTest, alive, atf, letter, soon, subject,
                    untraced)

ROLES = ('imap', 'pop3', 'lmtp', 'auth', 'hash', 'engine', 'connector',
         'control', 'store')


class Kill(SystemTest):
    options = dict(SystemTest.options,
                   conf='failure delay 0s\n'
                   'prefork { imap 2, pop3 2, lmtp 2, engine 2 }')

    def two(self, make, role):
        """Sessions in both processes of a role: {generation: session}"""
        found = {}
        for _ in range(200):
            before = set(self.sessions())
            c = make()
            new, = set(self.sessions()) - before
            gen = new.split('-')[1]
            if gen in found:
                c.close()
                soon(lambda: new not in self.sessions())
            else:
                found[gen] = c
            if len(found) == 2:
                return found
        raise AssertionError('one %s process serves all' % role)

    def live(self):
        """What each session is asked, to see that it lives"""
        def imap(c):
            c.ok('NOOP')
            c.ok('UID FETCH 1:* (FLAGS BODY.PEEK[])')

        def pop3(c):
            c.cmd('NOOP')
            self.assertEqual('first', subject(c.retr(1)))

        def lmtp(c):
            self.assertEqual(250, c.cmd('NOOP')[0])
            self.assertEqual([250], c.send(letter('again'), 'ann@localhost'))
        return {'imap': imap, 'pop3': pop3, 'lmtp': lmtp}

    def kill_one(self, role):
        self.deliver(letter('first'), 'joe@localhost', 'jim@localhost')
        held = {'imap': self.two(lambda: self.imap(select='INBOX'), 'imap'),
                'pop3': self.two(lambda: self.pop3('jim'), 'pop3'),
                'lmtp': self.two(self.lmtp, 'lmtp')}
        for c in held['lmtp'].values():
            self.assertEqual([250], c.open('joe@localhost'))
        live = self.live()
        pids = dict(self.house.children())
        old = self.killed_pid(role)
        # the others have not even been touched
        for pid in set(pids) - {old}:
            self.assertTrue(alive(pid), pids[pid])
        self.transactions(held['lmtp'], role)
        dead = 0
        for name, sessions in held.items():
            for c in sessions.values():
                try:
                    if name == role:
                        live[name](c)
                    else:
                        self.in_time(lambda: live[name](c))
                except GONE:
                    dead += 1
        self.assertEqual(1 if role in held else 0, dead)
        self.again()

    def killed_pid(self, role):
        old = self.house.pids(role)
        self.house.killed(role)
        gone, = set(old) - set(self.house.pids(role))
        return gone

    def transactions(self, clients, role):
        """Those under way end: with 250, or one to try again"""
        for c in clients.values():
            try:
                (code, text), = c.data(letter('under-way'))
            except GONE:
                self.assertEqual('lmtp', role)
                continue
            self.assertIn(code, (250, 451), text)
            if code == 451:
                self.assertIn(role, ('engine', 'connector', 'store', 'auth'))
                c.cmd('RSET')

    def again(self):
        """All of it works as before, for new sessions too"""
        def deliver():
            self.deliver(letter('last'))
        self.in_time(deliver)

        def read():
            c = self.pop3('jim')
            self.assertEqual('first', subject(c.retr(1)))
            c.cmd('QUIT')
        self.in_time(read)

        # without events a mailbox is looked at once a second
        def all_there():
            texts = self.contents()
            self.assertIn('last', [subject(t) for t in texts.values()])
            return texts
        texts = self.in_time(all_there)
        found = [subject(t) for t in texts.values()]
        self.assertEqual(1, found.count('first'))
        for t in texts.values():
            self.assertEqual(letter(subject(t)), untraced(t))
        self.in_time(lambda: self.assertEqual(
            {'imap', 'pop3', 'lmtp'},
            {r['service'] for r in self.sessions().values()}))
        # an IDLE that began before hears of what comes now
        c = self.in_time(lambda: self.imap(select='INBOX'))
        n = c.exists
        tag = c.idle()
        self.in_time(deliver)
        c.wait_for('EXISTS', number=n + 1)
        c.done(tag)

    def test_idle(self):
        """an IDLE goes on when the processes behind it are killed"""
        c = self.imap(select='INBOX')
        tag = c.idle()
        n = 0
        for role in ('auth', 'connector', 'store', 'engine', 'engine'):
            self.house.killed(role)
            self.in_time(lambda: self.deliver(letter('n')))
            n += 1
            c.wait_for('EXISTS', 30, number=n)
        c.done(tag)
        c.ok('UID FETCH 1:* FLAGS')

    def test_parent(self):
        """without the parent nobody stays"""
        c = self.imap(select='INBOX')
        pids = [pid for pid, _ in self.house.children()]
        self.assertEqual(set(ROLES), {r for _, r in self.house.children()})
        self.house.proc.send_signal(signal.SIGKILL)
        self.house.proc.wait()
        self.house.proc = None
        soon(lambda: not any(map(alive, pids)))
        with self.assertRaises(GONE):
            c.cmd('NOOP')
        # and it can be started again at once, where it was
        self.house.start()
        self.deliver(letter('x'))

    def test_twice(self):
        """a process that dies at once is started again, more slowly each
        time; the others do not notice"""
        c = self.imap(select='INBOX')
        for _ in range(3):
            self.house.killed('hash')
        c.ok('NOOP')
        self.in_time(lambda: self.imap())

    def test_stopped_child(self):
        """one that does nothing any more does not stop the others"""
        c = self.imap(select='INBOX')
        pid = self.house.pid('control')
        os.kill(pid, signal.SIGSTOP)
        try:
            c.ok('NOOP')
            self.deliver(letter('x'))
            self.in_time(lambda: self.assertEqual(1, c.exists if
                                                  c.ok('NOOP') else 0))
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(0, self.house.ctl('show', 'sessions')[0])


def one(role):
    def method(self):
        self.kill_one(role)
    method.__doc__ = 'kill -9 of one %s process' % role
    return method


for _role in ROLES:
    setattr(Kill, 'test_' + _role, one(_role))

if __name__ == '__main__':
    atf.main()
