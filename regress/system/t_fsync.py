#!/usr/bin/env python3
"""What is acknowledged is on disk: the fsync of the store returns before the
protocol's process says so, over the whole way.  All of them are traced by
one strace, so that the order of its lines is that of the events."""

import os
import re
import shutil
import signal
import subprocess

from system import SLOW, SystemTest, atf, letter, soon

CALLS = ('fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg,rename,'
         'unlink')
SYNC = re.compile(r'\d+ +(?:f(?:data)?sync\(\d+\)|'
                  r'<\.\.\. f(?:data)?sync resumed>\)) += 0\b')


def root(method):
    method.root = True
    return method


class Fsync(SystemTest):
    def setUp(self):
        if shutil.which('strace') is None:
            self.skipTest('strace is not installed')
        super().setUp()

    def begin(self, **over):
        super().begin(**over)
        # everybody has connections, and accounts an INBOX
        self.deliver(letter('first'), 'joe@localhost', 'jim@localhost')

    def traced(self, role, do):
        """The lines of the store's and of another process's calls"""
        name = self.house.path('trace')
        store = self.house.pid('store')
        argv = ['strace', '-f', '-qq', '-s', '60', '-o', name, '-e',
                'trace=' + CALLS, '-p', str(store)]
        for pid in self.house.pids(role):
            argv += ['-p', str(pid)]
        p = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        try:
            self.attached(p, store)
            do()
        finally:
            p.send_signal(signal.SIGINT)
            said = p.communicate(timeout=30 * SLOW)[1]
        with open(name) as f:
            lines = f.read().splitlines()
        os.unlink(name)
        self.assertTrue(lines, said)
        tids = set(map(str, self.tids(store)))
        return [(line.split()[0] in tids, line) for line in lines]

    def tids(self, pid):
        return os.listdir('/proc/%d/task' % pid)

    def attached(self, p, pid):
        def tracer():
            if p.poll() is not None:
                self.skipTest('cannot trace: ' + p.stderr.read().strip())
            for pid_ in [pid] + self.others:
                for tid in self.tids(pid_):
                    with open('/proc/%d/task/%s/status' % (pid_, tid)) as f:
                        if not re.search(r'TracerPid:\t[1-9]', f.read()):
                            return False
            return True
        soon(tracer)

    def order(self, role, do, told, syncs=1):
        """Runs it; what role tells (a pattern) comes after the fsyncs of
        what was written before"""
        self.others = self.house.pids(role)
        lines = self.traced(role, do)
        text = '\n'.join(line for _, line in lines[-60:])
        at = [i for i, (store, line) in enumerate(lines)
              if not store and re.search(told, line)]
        self.assertEqual(1, len(at), text)
        # the answer to the change: there may be others before and after
        for i, (store, line) in enumerate(lines[:at[0]]):
            if store and '"HTTP/1.1 200' in line and \
                    self.synced(lines[:i]) >= syncs:
                return
        self.fail(text)

    def synced(self, lines):
        """fsyncs of the store's so far; 0 if it has written to its files
        since the last one, or never"""
        count, dirty, wrote = 0, False, False
        for store, line in lines:
            if store and 'pwrite64(' in line:
                dirty = wrote = True
            elif store and SYNC.match(line):
                count += 1
                dirty = False
        return count if wrote and not dirty else 0

    @root
    def test_delivery(self):
        """LMTP's 250 for one message, a small one and a large one"""
        c = self.lmtp()
        self.order('lmtp', lambda: self.assertEqual(
            [250], c.send(letter('small'))), r'"250 2\.0\.0 <')
        # its file, the file's name, the database
        self.order('lmtp', lambda: self.assertEqual(
            [250], c.send(letter('large', 500000))), r'"250 2\.0\.0 <', 3)

    @root
    def test_imap(self):
        """IMAP's OK of APPEND, COPY and EXPUNGE"""
        c = self.imap(select='INBOX')
        self.order('imap', lambda: c.append('INBOX', letter('x')),
                   r'OK \[APPENDUID')
        self.order('imap', lambda: c.append('INBOX', letter('x', 500000)),
                   r'OK \[APPENDUID', 3)
        self.order('imap', lambda: c.ok('COPY 1 INBOX'), r'\[COPYUID')
        c.ok('STORE 1 +FLAGS (\\Deleted)')
        self.order('imap', lambda: c.ok('EXPUNGE'), r'\d+ EXPUNGE')

    @root
    def test_pop3(self):
        """POP3's +OK of QUIT"""
        c = self.pop3('jim')
        c.cmd('DELE 1')
        self.order('pop3', lambda: c.cmd('QUIT'), r'"\+OK')


if __name__ == '__main__':
    atf.main()
