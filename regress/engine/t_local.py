#!/usr/bin/env python3
"""The index that an engine keeps in a file: what dict does, without a
storage that has it, and with a file that may be gone, torn or full.

The test is the engine's parent, its siblings and the storage."""

import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import EngineTest, problem, service, value  # noqa: E402
from house import CAP                                   # noqa: E402

GET, PUT, DELETE, LIST = range(4)       # enum dict_op
DICT, LOCAL, NO = range(3)              # enum index_kind
INDEX = 1 << 48                         # CAP_INDEX
MB = 1 << 20


class LocalTest(EngineTest):
    index, size, store, without = LOCAL, 4 * MB, 'http://a/', 0
    file = None

    def prepare(self):
        if self.file is None:
            self.file = tempfile.TemporaryFile()
            self.addCleanup(self.file.close)

    def conf(self):
        parts = super().conf()
        parts[1][1].update(index=self.index, without=self.without)
        if self.index == LOCAL and self.file:
            parts.insert(2, ('conf_index', dict(
                fd=self.file.fileno(), storage=0, size=self.size,
                store=self.store)))
        return parts

    def again(self):
        """Another engine, with what the test has changed since"""
        self.engine.killed = True
        self.engine.kill()
        self.begin()
        self.grant()

    def reload(self, **changes):
        self.__dict__.update(changes)
        self.engine.configure(self.conf(), first=0)

    def dict(self, op, key, value=b'', match='', code='OK', **more):
        self.ask('st_dict', op=op, key=key, value=value, match=match, **more)
        got = self.result(code)
        if code != 'OK':
            self.assertEqual([], got)
        elif op == LIST:
            return [(m.key, m.etag, m.size) for m in got]
        elif op != DELETE:
            self.assertEqual([key], [m.key for m in got])
            return got[0]

    def put(self, key, value, **more):
        return self.dict(PUT, key, value, **more).etag

    def value(self, key, **more):
        m = self.dict(GET, key, **more)
        self.assertEqual(len(m.value), m.size)
        return m.value

    def stats(self):
        if not hasattr(self.engine, 'control'):
            self.engine.control = self.engine.peer('control')
        chan = self.engine.control
        chan.send('ctl_stats', req=1)
        got = {}
        while True:
            m = chan.recv(10)
            if m.type == 'ctl_end':
                return got
            got[m.name.replace('main.index-', '')] = m.value

    def is_up(self):
        while True:
            m = self.auth.until('st_info')
            if m.up:
                self.auth.later.append(m)
                return

    def caps(self):
        """What the last word to auth was, None: no new one"""
        self.grant('nobody', session=99)
        told = [m for m in self.auth.later if m.type == 'st_info']
        self.auth.later.clear()
        return told[-1].caps if told else None


class Local(LocalTest):
    def test_calls(self):
        """what dict does: values, etags, conditions, keys"""
        self.begin(service('write'))
        self.grant()
        self.grant('ann', session=8)
        self.assertEqual([], self.dict(LIST, 'ix1.'))
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        self.dict(DELETE, 'ix1.a', code='NO_SUCH_ENTRY')
        self.dict(PUT, 'ix1.a', b'x', match='0' * 32, code='CHANGED')
        big, seen = os.urandom(61440), set()
        one = self.put('ix1.a', big, match='*')
        self.assertEqual(big, self.value('ix1.a'))
        self.assertEqual(one, self.dict(GET, 'ix1.a').etag)
        self.dict(PUT, 'ix1.a', b'y', match='*', code='CHANGED')
        for v in b'', b'same', b'same':
            seen.add(one)
            two = self.put('ix1.a', v, match=one)
            self.assertRegex(two, '^[0-9a-f]{32}$')
            self.assertNotIn(two, seen)
            self.dict(PUT, 'ix1.a', b'z', match=one, code='CHANGED')
            self.dict(DELETE, 'ix1.a', match=one, code='CHANGED')
            self.assertEqual(v, self.value('ix1.a'))
            one = two
        key = 'ix1.' + 'k' * 251
        three = self.put(key, b'long')
        self.put('ix1.b', b'b')
        self.put('ix1.aa', b'')
        names = [k for k, etag, size in self.dict(LIST, 'ix1.')]
        self.assertEqual(['ix1.a', 'ix1.aa', 'ix1.b', key], names)
        self.assertEqual([('ix1.a', one, 4), ('ix1.aa', self.dict(
            GET, 'ix1.aa').etag, 0)], self.dict(LIST, 'ix1.a'))
        self.assertEqual([(key, three, 4)], self.dict(LIST, 'ix1.k'))
        # another account has nothing of it, and its own
        self.dict(GET, 'ix1.a', sid=8, code='NO_SUCH_ENTRY')
        self.dict(DELETE, 'ix1.a', sid=8, code='NO_SUCH_ENTRY')
        self.assertEqual([], self.dict(LIST, 'ix1.', sid=8))
        self.put('ix1.a', b"ann's", sid=8, match='*')
        self.assertEqual(b'same', self.value('ix1.a'))
        self.assertEqual(b"ann's", self.value('ix1.a', sid=8))
        self.dict(DELETE, 'ix1.a', match=one)
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        self.assertEqual(3, len(self.dict(LIST, 'ix1.')))
        self.assertEqual(b"ann's", self.value('ix1.a', sid=8))
        # no other key is for the file, and there is no dict
        for op, name in (GET, 'subscriptions'), (PUT, 'ix1'), (LIST, ''):
            self.dict(op, name, code='NOT_PERMITTED')
        self.dict(GET, '', code='BAD_REQUEST')
        self.backend.none()
        st = self.stats()
        self.assertEqual((0, 0), (st['errors'], st['evictions']))
        self.assertEqual(8, st['puts'])
        # 4 MB are what it may have, not what it takes
        self.assertLess(os.fstat(self.file.fileno()).st_blocks * 512, MB)
        self.assertLessEqual(os.fstat(self.file.fileno()).st_size,
                             self.size)

    def test_kept(self):
        """it is there after a restart, for the same store and size only"""
        self.begin(service('write'))
        self.grant()
        tag = self.put('ix1.a', b'kept')
        self.again()
        self.assertEqual((tag, b'kept'), (self.dict(GET, 'ix1.a').etag,
                                          self.value('ix1.a')))
        # a reload goes on with it, too, and with the grants
        self.reload()
        self.assertEqual(b'kept', self.value('ix1.a', match=''))
        self.reload(store='http://b/')
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        # that was the end of what was in it
        self.reload(store='http://a/')
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        self.put('ix1.a', b'new', match='*')
        self.reload(size=8 * MB)
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        self.put('ix1.a', b'newer', match='*')
        # the folder was deleted: what is open stays, till the next one
        self.file = tempfile.TemporaryFile()
        self.addCleanup(self.file.close)
        self.assertEqual(b'newer', self.value('ix1.a'))
        self.reload()
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')

    def test_torn(self):
        """bytes that are not what was written are no entry"""
        self.begin(service('write'))
        self.grant()
        fd, word = self.file.fileno(), b'a word that stands once in it'

        def find(what):
            at = os.pread(fd, self.size, 0).find(what)
            self.assertGreater(at, 0)
            return at

        tag = self.put('ix1.a', word)
        os.pwrite(fd, b'A', find(word))
        self.assertEqual(1, len(self.dict(LIST, 'ix1.')))
        # no etag of it is good for anything now, and a new one can be put
        self.dict(PUT, 'ix1.a', b'x', match='f' * 32, code='CHANGED')
        self.put('ix1.a', word, match='*')
        os.pwrite(fd, b'A', find(word))
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        self.assertEqual([], self.dict(LIST, 'ix1.'))
        # an older value below a newer header
        self.put('ix1.a', word)
        at = find(word)
        self.put('ix1.a', word[::-1])
        os.pwrite(fd, word, at)
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        # a header: its key, and one that is moved to another place
        tag = self.put('ix1.a', word)
        at = find(tag.encode())
        os.pwrite(fd, b'ix1.b', find(b'ix1.a\0'))
        for key in 'ix1.a', 'ix1.b':
            self.dict(GET, key, code='NO_SUCH_ENTRY')
        self.assertEqual([], self.dict(LIST, 'ix1.'))
        # a value that looks like a header is none for anybody
        self.put('ix1.a', word)
        head = os.pread(fd, 512, find(b'ix1.a\0') // 512 * 512)
        os.pwrite(fd, bytes(512), find(head))
        self.put('ix1.c', head * 100)
        self.assertEqual(['ix1.c'],
                         [k for k, e, s in self.dict(LIST, 'ix1.')])
        # all of it overwritten, all of it gone
        os.pwrite(fd, os.urandom(self.size), 0)
        self.reload()
        self.dict(GET, 'ix1.c', code='NO_SUCH_ENTRY')
        self.put('ix1.a', word, match='*')
        self.assertEqual(word, self.value('ix1.a'))
        os.ftruncate(fd, 0)
        self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
        self.assertEqual(0, self.stats()['errors'])
        self.assertNotIn('index:', self.engine.log())

    def test_evicted(self):
        """a full bucket loses its oldest, the file does not grow"""
        self.size = MB                  # a bucket of eight, and no more
        self.begin(service('write'))
        self.grant()
        for i in range(8):
            self.put('ix1.%d' % i, b'v%d' % i)
        self.put('ix1.0', b'v0')        # it is a new one by this
        size = os.fstat(self.file.fileno()).st_size
        for i in range(8, 11):
            self.put('ix1.%d' % i, b'v%d' % i)
        self.assertEqual(sorted('ix1.%d' % i for i in (0, 4, 5, 6, 7, 8, 9,
                                                       10)),
                         [k for k, e, s in self.dict(LIST, 'ix1.')])
        for i in range(1, 4):
            self.dict(GET, 'ix1.%d' % i, code='NO_SUCH_ENTRY')
        self.assertEqual(b'v0', self.value('ix1.0'))
        self.assertEqual(3, self.stats()['evictions'])
        # the next is the one after, also in another process
        self.again()
        self.put('ix1.11', b'v11')
        self.dict(GET, 'ix1.4', code='NO_SUCH_ENTRY')
        self.assertEqual(b'v5', self.value('ix1.5'))
        self.assertEqual(os.fstat(self.file.fileno()).st_size, size)

    def test_full(self):
        """a disk that is full, or fails: no entry, said once"""
        self.file = open('/dev/full', 'r+b', buffering=0)
        self.addCleanup(self.file.close)
        self.begin(service('write'))
        self.grant()
        for _ in range(3):
            self.dict(PUT, 'ix1.a', b'x', code='STORAGE_FULL')
            self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
            self.dict(DELETE, 'ix1.a', code='NO_SUCH_ENTRY')
            self.assertEqual([], self.dict(LIST, 'ix1.'))
        self.assertGreaterEqual(self.stats()['errors'], 3)
        self.assertEqual(1, self.engine.log().count('index: write'))
        # one that takes nothing any more, with something in it
        with tempfile.NamedTemporaryFile() as f:
            self.reload(file=f)
            self.put('ix1.a', b'x')
            with open(f.name, 'rb') as r:
                self.reload(file=r)
                self.assertEqual(b'x', self.value('ix1.a'))
                self.dict(PUT, 'ix1.a', b'y', code='INTERNAL')
                self.dict(DELETE, 'ix1.a', code='INTERNAL')
        # and one that cannot even be read
        with open('/dev/null', 'wb') as w:
            self.reload(file=w)
            self.dict(GET, 'ix1.a', code='NO_SUCH_ENTRY')
            self.assertEqual([], self.dict(LIST, 'ix1.'))

    def test_places(self):
        """listeners hear whether an index is kept, wherever that is"""
        self.begin(service('write', 'dict'))
        self.grant()
        self.assertEqual(INDEX, INDEX & self.caps())
        # other keys are the storage's, who hears nothing of these
        self.put('ix1.a', b'x')
        self.backend.none()
        self.ask('st_dict', op=GET, key='subscriptions')
        r = self.backend.next()
        self.assertTrue(r.target.endswith('/dict/subscriptions'), r.target)
        r.answer(problem(404, 'no-such-entry'))
        self.result('NO_SUCH_ENTRY')
        self.reload(index=DICT)
        self.ask('st_dict', op=PUT, key='ix1.a', value=b'x')
        r = self.backend.next()
        self.assertTrue(r.target.endswith('/dict/ix1.a'), r.target)
        r.answer(value({'etag': 'e'}))
        self.assertEqual(['e'], [m.etag for m in self.result()])
        self.assertIsNone(self.caps())  # nothing is new for them
        self.reload(index=NO)
        self.assertEqual(1 << CAP['DICT'], self.caps() &
                         (INDEX | 1 << CAP['DICT']))
        self.dict(GET, 'ix1.a', code='NOT_PERMITTED')
        # a file that could not be opened is no reason to ask the storage
        self.reload(index=LOCAL, file=False)
        self.dict(GET, 'ix1.a', code='NOT_PERMITTED')
        self.assertIsNone(self.caps())
        self.backend.none()

    def test_without(self):
        """without { dict } a folder works still, and nothing else does"""
        self.without = 1 << CAP['DICT']
        self.begin(service('write', 'dict'))
        self.grant()
        self.assertEqual(INDEX, self.caps() & (INDEX | 1 << CAP['DICT']))
        self.put('ix1.a', b'x')
        self.dict(GET, 'other', code='NOT_PERMITTED')
        self.reload(index=DICT)
        self.assertEqual(0, self.caps() & INDEX)
        self.dict(GET, 'ix1.a', code='NOT_PERMITTED')


if __name__ == '__main__':
    atf.main()
