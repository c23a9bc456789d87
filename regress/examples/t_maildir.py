#!/usr/bin/env python3
"""maildir.py beside other programs that use the same Maildir."""

import contextlib
import json
import os
import random
import re
import shutil
import sqlite3
import sys
import threading

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from example import Api, alone, letter, unittest        # noqa: E402
import atf                                              # noqa: E402


class Maildir(unittest.TestCase):
    def setUp(self):
        self.backend = alone(self, 'maildir.py')
        self.api = Api(self.backend.url)
        self.api.boxes()

    def tearDown(self):
        self.assertEqual('', self.backend.log())

    def at(self, *names):
        return self.backend.path('mail', 'joe', *names)

    def put(self, name, text, folder=''):
        """As somebody delivers"""
        for sub in ('tmp', 'new', 'cur'):
            os.makedirs(self.at(folder, sub), exist_ok=True)
        tmp = self.at(folder, 'tmp', os.path.basename(name))
        with open(tmp, 'wb') as f:
            f.write(text)
        os.rename(tmp, self.at(folder, name))

    def names(self, folder=''):
        return sorted(sub + '/' + name for sub in ('cur', 'new')
                      for name in os.listdir(self.at(folder, sub)))

    def again(self):
        self.backend.kill()
        self.backend.start()

    def test_found(self):
        """what is there has uids, which stay; flags are those of the name"""
        self.put('cur/1.a:2,FS', b'a\n')
        self.put('new/2.b', b'b\r\nc\n')
        self.put('cur/3.c:2,', b'')
        rows = self.api.rows()
        self.assertEqual({'1.a': ['\\Flagged', '\\Seen'], '2.b': [], '3.c': []},
                         {n: r['flags'] for n, r in zip(
                             ('1.a', '2.b', '3.c'), rows.values())})
        self.assertEqual([b'a\r\n', b'b\r\nc\r\n', b''],
                         [self.api.content(r) for r in rows.values()])
        self.assertEqual([3, 6, 0], [r['size'] for r in rows.values()])
        uidvalidity = self.api.boxes()['INBOX']['uidvalidity']
        os.rename(self.at('new/2.b'), self.at('cur/2.b:2,R'))
        os.unlink(self.at('cur/1.a:2,FS'))
        self.again()
        self.put('new/4.d', b'd\n')
        rows = self.api.rows()
        self.assertEqual([2, 3, 4], list(rows))
        self.assertEqual(['\\Answered'], rows[2]['flags'])
        self.assertEqual(uidvalidity, self.api.boxes()['INBOX']['uidvalidity'])

    def test_state(self):
        """the row's state tells of what others do"""
        self.put('new/1.a', b'a\n')
        states = [self.api.boxes()['INBOX']['state']]

        def seen(what):
            states.append(self.api.boxes()['INBOX']['state'])
            self.assertNotEqual(states[-1], states[-2], what)
            self.assertEqual(states[-1], self.api.boxes()['INBOX']['state'])
        self.put('new/2.b', b'b\n')
        seen('delivered')
        os.rename(self.at('new/2.b'), self.at('cur/2.b:2,'))
        os.rename(self.at('cur/2.b:2,'), self.at('cur/2.b:2,S'))
        seen('flagged')
        os.unlink(self.at('cur/2.b:2,S'))
        seen('removed')
        self.again()
        os.rename(self.at('new/1.a'), self.at('cur/1.a:2,F'))
        seen('while it was not there')

    def test_flags(self):
        """change the file's name, and nothing that others have put there"""
        self.put('new/1.a', b'a\n')
        self.put('cur/2.b:2,Sk', b'b\n')
        self.api.flag('1:2', add=['\\Deleted', '$Forwarded', 'word'])
        self.assertEqual(['cur/1.a:2,PT', 'cur/2.b:2,PSTk'], self.names())
        os.rename(self.at('cur/1.a:2,PT'), self.at('cur/1.a:2,FPT'))
        self.api.flag('1', remove=['\\Deleted'])
        self.assertEqual(['cur/1.a:2,FP', 'cur/2.b:2,PSTk'], self.names())
        self.again()
        self.assertEqual([['$Forwarded', '\\Flagged', 'word'],
                          ['$Forwarded', '\\Deleted', '\\Seen', 'word']],
                         [r['flags'] for r in self.api.rows().values()])

    def test_append(self):
        """a file with LF, where that says the same; its time is the date"""
        self.api.append(b'a: b\r\n\r\nc\r\n', date='2020-01-02T03:04:05+06:00',
                        flags=['\\Draft'])
        self.api.append(b'a: b\n\r\nc\r', address='joe@localhost')
        rows = self.api.rows()
        self.assertEqual('2020-01-02T03:04:05+06:00', rows[1]['date'])
        first, second = self.names()
        self.assertRegex(first, r'^cur/[^:]+:2,D$')
        self.assertRegex(second, r'^new/[^:]+,raw$')
        with open(self.at(first), 'rb') as f:
            self.assertEqual(b'a: b\n\nc\n', f.read())
        self.assertEqual(1577912645, os.stat(self.at(first)).st_mtime)
        self.assertEqual([b'a: b\r\n\r\nc\r\n', b'a: b\n\r\nc\r'],
                         [self.api.content(r) for r in rows.values()])

    def test_folders(self):
        """of Maildir++, made and removed by others; names in UTF-7"""
        self.put('new/1.a', b'a\n', '.Lists.bsd')
        self.put('new/1.a', b'a\n', '.Caf&AOk- &- bar')
        self.put('new/1.a', b'a\n', '.INBOX')           # no such name
        self.assertEqual({'INBOX', 'Lists/bsd', 'Caf\u00e9 & bar'},
                         self.api.boxes().keys())
        self.assertEqual([1], list(self.api.rows('Lists/bsd')))
        before = self.api.boxes()['Lists/bsd']
        os.rename(self.at('.Lists.bsd'), self.at('.gone'))
        self.assertEqual({'INBOX', 'gone', 'Caf\u00e9 & bar'},
                         self.api.boxes().keys())
        self.assertEqual('no-such-mailbox', self.api.refused(
            'GET', '/accounts/joe/mailboxes/' + before['id']))
        os.rename(self.at('.gone'), self.at('.Lists.bsd'))
        self.assertLess(before['uidvalidity'],
                        self.api.boxes()['Lists/bsd']['uidvalidity'])
        self.api.ask('POST', '/accounts/joe/mailboxes',
                     {'name': 'x.y/\u20ac'})
        self.assertTrue(os.path.isdir(self.at('.x&AC4-y.&IKw-', 'cur')))

    def test_removed(self):
        """a folder that is gone is not made again; odd names of files"""
        self.put('new/1.\udcff', b'a\n', '.gone')
        self.put('new/1.\udcff', b'b\n')
        os.mkdir(self.at('cur', 'folder'))
        row, = self.api.rows().values()
        self.api.flag('1', add=['\\Seen', 'word'])
        self.assertEqual(b'b\r\n', self.api.content(row))
        box, = self.api.rows('gone').values()
        path = self.api.path('gone').replace('/messages', '')
        self.again()
        shutil.rmtree(self.at('.gone'))
        self.assertEqual('no-such-mailbox', self.api.refused('GET', path))
        self.assertFalse(os.path.exists(self.at('.gone')))
        row, = self.api.rows().values()
        self.assertEqual(['\\Seen', 'word'], row['flags'])
        os.rmdir(self.at('cur', 'folder'))

    def test_moved_before(self):
        """a rename that was done, when it died before it knew"""
        self.put('new/1.a', b'a\n', '.new')
        before = self.api.boxes()['new']
        self.backend.kill()
        db = sqlite3.connect(self.at('mfront.db'))
        db.execute('INSERT INTO todo(what) VALUES (?)', (json.dumps(
            [self.at('.old'), [['move', self.at('.new')]]]),))
        db.commit()
        db.close()
        self.backend.start()
        self.assertEqual(before, dict(self.api.boxes()['new'],
                                      state=before['state']))
        self.assertEqual({'INBOX', 'new'}, self.api.boxes().keys())

    def test_edited(self):
        """a file that somebody edits is another message"""
        self.put('cur/1.a:2,S', b'a\n')
        row = self.api.rows()[1]
        with open(self.at('cur/1.a:2,S'), 'ab') as f:
            f.write(b'b\n')
        self.assertEqual('no-such-message', self.api.refused(
            'GET', '/accounts/joe/messages/' + row['id']))
        rows = self.api.rows()
        self.assertEqual([2], list(rows))
        self.assertEqual(b'a\r\nb\r\n', self.api.content(rows[2]))

    def test_duplicates(self):
        """two files of one name are two messages, and none is lost"""
        self.put('cur/1.a:2,S', b'a\n')
        self.assertEqual([1], list(self.api.rows()))
        self.put('cur/1.a:2,F', b'b\n')
        self.put('new/1.a', b'c\n')
        while len(rows := self.api.rows()) < 3:
            pass
        self.assertEqual([b'a\r\n', b'b\r\n', b'c\r\n'], sorted(
            self.api.content(r) for r in rows.values()))
        self.api.expunge('1:9')
        self.assertEqual([], self.names())

    def test_expunge(self):
        """a file that somebody moves meanwhile; whose flag he takes away"""
        for n in range(3):
            self.put('cur/%d.a:2,T' % n, b'a\n')
        self.api.rows()
        os.rename(self.at('cur/1.a:2,T'), self.at('cur/1.a:2,'))
        os.rename(self.at('cur/2.a:2,T'), self.at('cur/2.a:2,ST'))
        self.assertEqual([{'vanished': '1,3'}],
                         self.api.expunge('1:3', '\\Deleted'))
        self.assertEqual(['cur/1.a:2,'], self.names())

    @atf.timeout(240)
    def test_while_others_work(self):
        """nothing vanishes, or comes twice, because its file moves"""
        texts = {b'%d\r\n' % n for n in range(600)}
        for n in range(300):
            self.put('new/%d.a' % n, b'%d\n' % n)
        done, path = threading.Event(), self.api.path('INBOX')

        def touch():
            name = random.choice(self.names())
            base = re.sub(r'^\w+/|:.*', '', name)
            # the backend may have renamed it meanwhile
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.at(name), self.at('cur/%s:2,%s' % (
                    base, random.choice(('', 'S', 'F', 'FS')))))

        def work():
            try:
                for n in range(300, 600):
                    self.put('new/%d.a' % n, b'%d\n' % n)
                    for _ in range(10):
                        touch()
            finally:
                done.set()
        worker = threading.Thread(target=work)
        worker.start()
        uids = {}
        while not done.is_set():
            rows = self.api.rows(path=path)
            for uid, row in rows.items():
                self.assertEqual(row['id'], uids.setdefault(uid, row['id']))
            self.assertEqual(set(), uids.keys() - rows.keys())
            self.api.flag(str(max(rows)), add=['\\Answered'])
        worker.join()
        rows = self.api.rows()
        self.assertEqual(600, len({row['id'] for row in rows.values()}))
        self.assertEqual(list(range(1, 601)), list(rows))
        self.assertEqual(texts, {self.api.content(r) for r in rows.values()})

    def test_killed(self):
        """what was begun is ended, what was answered is there"""
        uids = []
        for n in range(20):
            uids.append(self.api.append(letter('number %d' % n),
                                        flags=['word']))
            if n % 5 == 4:
                self.again()
        self.assertEqual(list(range(1, 21)), uids)
        rows = self.api.rows()
        self.assertEqual([['word']] * 20, [r['flags'] for r in rows.values()])
        # as it is when it dies between the two
        self.backend.kill()
        db = sqlite3.connect(self.at('mfront.db'))
        base = db.execute('SELECT base FROM message WHERE uid = 7').fetchone()
        last = db.execute('SELECT base FROM message WHERE uid = 9').fetchone()
        db.execute('INSERT INTO todo(what) VALUES (?)', (json.dumps(
            [self.at(), [['flag', base[0], 'S', ''],
                              ['unlink', last[0], '']]]),))
        db.commit()
        db.close()
        self.backend.start()
        rows = self.api.rows()
        self.assertEqual(['\\Seen', 'word'], rows[7]['flags'])
        self.assertNotIn(9, rows)
        self.assertEqual(19, len(rows))


if __name__ == '__main__':
    atf.main()
