#!/usr/bin/env python3
"""The folder of a local index: what stands there, and what becomes of the
house when it is gone or nobody's to trust."""

import json
import os
import re
import shutil
import stat

from system import SystemTest, atf, letter, soon


class Index(SystemTest):
    options = dict(
        SystemTest.options, users=('joe', 'ann'), conf='prefork engine 2',
        storage='storage "main" embedded "$dir/store" '
                'index "$dir/index" size 16M')

    def counters(self):
        """The names that each engine has counters of"""
        status, text = self.house.ctl('-j', 'show', 'stats')
        self.assertEqual(0, status, text)
        return {name: set(values) for name, values in
                json.loads(text).items()}

    def folder(self):
        return self.house.path('index')

    def test_folder(self):
        """a file of each engine, private, made again when it is gone"""
        names = ['main-0.index', 'main-1.index']
        self.assertEqual(names, sorted(os.listdir(self.folder())))
        st = os.stat(self.folder())
        self.assertEqual((0o700, os.geteuid()),
                         (stat.S_IMODE(st.st_mode), st.st_uid))
        for name in names:
            st = os.stat(os.path.join(self.folder(), name))
            self.assertEqual((0o600, os.geteuid(), 0),
                             (stat.S_IMODE(st.st_mode), st.st_uid,
                              st.st_blocks))
        for engine in 'engine/0', 'engine/1':
            self.assertIn('main.index-hits', self.counters()[engine])
        c = self.imap(select='INBOX')
        shutil.rmtree(self.folder())
        c.ok('NOOP')
        self.assertFalse(os.path.exists(self.folder()))
        self.reload()
        self.assertEqual(names, sorted(os.listdir(self.folder())))
        c.ok('NOOP')
        # an engine that comes back has its file again
        self.house.killed('engine')
        soon(lambda: 'main.index-hits' in self.counters().get('engine/0', ()))
        # the size is of the files, too
        with open(os.path.join(self.folder(), names[0]), 'r+b') as f:
            f.truncate(64 << 20)
        self.reload()
        size = os.stat(os.path.join(self.folder(), names[0])).st_size
        self.assertLessEqual(size, 16 << 20)
        self.assertGreater(size, 8 << 20)

    def hits(self):
        status, text = self.house.ctl('-j', 'show', 'stats')
        self.assertEqual(0, status, text)
        return sum(values.get('main.index-hits', 0) for values in
                   json.loads(text).values())

    def searched(self, c):
        """What is there is found, what is not is not"""
        for n in 7, 77:
            self.assertEqual([n], list(c.ok(
                'SEARCH TEXT "mark%dend"' % n).search()))
        self.assertEqual([], list(c.ok('SEARCH TEXT "markxend"').search()))

    def spoil(self, f):
        for n in range(2):
            if os.path.exists(self.path(n)):
                with open(self.path(n), 'r+b') as file:
                    f(file)

    def test_searched(self):
        """the folder is deleted, or its files are, or are cut or overwritten
        while it is used: answers are right, and it is filled again"""
        self.house.storage = self.house.storage.replace(
            ' index', ' without { search sort thread } index')
        self.house.write_conf()
        self.reload()
        c = self.imap(select='INBOX')
        for n in range(1, 81):
            c.append('INBOX', letter('s%d' % n, 4000) +
                     b'mark%dend\r\n' % n)
        c.ok('NOOP')
        self.assertEqual(0, self.hits())
        self.searched(c)
        self.searched(self.imap(select='INBOX'))
        hits = self.hits()
        self.assertLess(0, hits)
        self.assertLess(0, sum(os.stat(self.path(n)).st_blocks
                               for n in range(2)))
        noise = os.urandom(1 << 16)
        for how in (lambda: shutil.rmtree(self.folder()),
                    self.reload,
                    lambda: self.spoil(lambda f: f.truncate(4096)),
                    lambda: self.spoil(lambda f: f.truncate(0)),
                    self.reload,
                    lambda: self.spoil(lambda f: [
                        f.write(noise) for _ in range(256)]),
                    lambda: shutil.rmtree(self.folder())):
            how()
            self.searched(c)
            new = self.imap(select='INBOX')
            new.ok('FETCH 1:* BODY.PEEK[]')
            self.searched(new)
            new.ok('LOGOUT')
        # it is of use again
        soon(lambda: os.path.isdir(self.folder()) or self.reload())
        self.searched(c)
        hits = self.hits()
        self.searched(self.imap(select='INBOX'))
        self.assertLess(hits, self.hits())

    def test_refused(self):
        """what others could write is not used; mail goes on"""
        for why, spoil in (
                ('others may write', lambda: os.chmod(self.folder(), 0o777)),
                ('Not permitted|not permitted', lambda: os.link(
                    self.path(0), self.house.path('link'))),
                ('symbolic link|Too many', lambda: (
                    os.unlink(self.path(0)),
                    os.symlink(self.house.path('conf'), self.path(0)))),
                ('Not a directory', lambda: (
                    shutil.rmtree(self.folder()),
                    open(self.folder(), 'w').close()))):
            before = len(self.house.log())
            spoil()
            self.reload()
            soon(lambda: 'main.index-hits' not in self.counters()['engine/0'])
            self.assertRegex(self.house.log()[before:],
                             r'index: .*(%s)' % why)
            self.imap(select='INBOX').ok('NOOP')
            if os.path.isdir(self.folder()):
                shutil.rmtree(self.folder())
            else:
                os.unlink(self.folder())
            self.reload()
            self.assertIn('main.index-hits', self.counters()['engine/0'])
        # what a link led to is as it was
        with open(self.house.path('conf')) as f:
            self.assertIn('embedded', f.read())

    def path(self, n):
        return os.path.join(self.folder(), 'main-%d.index' % n)

    def test_other_places(self):
        """no folder where none is said"""
        shutil.rmtree(self.folder())
        for where in 'dict', 'no':
            self.house.storage = re.sub('index .*', 'index ' + where,
                                        self.house.storage)
            self.house.write_conf()
            self.reload()
            self.assertFalse(os.path.exists(self.folder()))
            self.assertNotIn('main.index-hits', self.counters()['engine/0'])


if __name__ == '__main__':
    atf.main()
