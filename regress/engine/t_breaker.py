#!/usr/bin/env python3
"""The circuit breaker of each URL of a storage, the looks at those that are
not in use, and what the log says of requests that failed.

The test is the engine's parent, its siblings and the storage."""

import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, SAFE, WRITE, EngineTest,  # noqa: E402
                     lines, ndjson, problem, service, simple, value)
from house import SLOW                                  # noqa: E402

MBOX = value(dict(id='m', name='m', uidvalidity=1, uidnext=1, messages=0))
PAGE = simple(502, 'text/html', b'<h1>Bad Gateway</h1>')
NEVER = (1 << 32) - 1


def document(**members):
    """WRITE with other members"""
    doc = json.loads(WRITE.split(b'\r\n\r\n')[1])
    return value(dict(doc, **members))


class Breaker(EngineTest):
    health, refused = 0, ()

    def begin(self, *args, **named):
        super().begin(*args, **named)
        self.control = self.engine.peer('control')
        self.grant()

    def prepare(self):
        self.backend.refuse = set(self.refused)

    def conf(self):
        parts = super().conf()
        parts[1][1]['health'] = self.health
        return parts

    def show(self, url=0):
        """What is said of a URL"""
        self.control.send('ctl_storages', req=1)
        rows = []
        while True:
            m = self.control.recv(10 * SLOW)
            if m.type == 'ctl_end':
                return rows[url]
            if m.type == 'ctl_storage':
                rows.append(m)

    def state(self, url=0):
        return self.show(url).breaker

    def failing(self, n=5, answer=PAGE, code='NONSENSE', url=None):
        for i in range(n):
            req = self.list()
            r = self.backend.next()
            if url is not None:
                self.assertEqual(url, r.url)
            r.answer(answer)
            self.result(code, req=req)

    def fine(self, url=None):
        req = self.list()
        r = self.backend.next()
        r.answer(ndjson(HEADER, END))
        self.result(req=req)
        if url is not None:
            self.assertEqual(url, r.url)

    def at_once(self, n=1):
        """Nothing is sent, nobody waits"""
        start = time.monotonic()
        for i in range(n):
            self.list()
            self.result('UNAVAILABLE')
        self.assertLess(time.monotonic() - start, 1 * SLOW)
        self.assertTrue(self.backend.requests.empty())

    def drain(self, q):
        got = []
        while not q.empty():
            got.append(q.get())
        return got


class States(Breaker):
    def test_opens(self):
        """so many failures in a row open it: all fail at once; one probe
        closes it"""
        self.begin()
        self.failing(4)
        self.fine()
        self.assertEqual(('closed', 0), (self.state(),
                                         self.show().failures))
        self.drain(self.backend.documents)
        self.failing(5)
        m = self.show()
        self.assertEqual(('open', 5, 1), (m.breaker, m.failures, m.opened))
        self.assertNotEqual(NEVER, m.probe)
        self.assertIn('502', m.error)
        self.engine.logged(r'storage main: http://127.0.0.1:8025/v1 is open: '
                           r'.*502')
        self.is_up(0)
        self.at_once(100)
        self.is_up()
        self.engine.logged(r'8025/v1 is closed')
        self.assertEqual(1, len(self.drain(self.backend.documents)))
        m = self.show()
        self.assertEqual(('closed', 0, 1, ''), (
            m.breaker, m.failures, m.opened, m.error))
        self.assertLessEqual(m.probe, 60)       # the next look
        self.assertLess(m.probed, 10 * SLOW)
        self.fine()

    def test_half_open(self):
        """a probe that fails leaves it open, for longer; none of the
        requests is let through, and one probe alone runs"""
        self.begin()
        self.drain(self.backend.documents)
        self.backend.document = None            # held
        self.failing(5)
        probe = self.backend.documents.get(timeout=10 * SLOW)
        self.assertEqual('half-open', self.state())
        self.assertNotIn('mfront-session', probe.fields)
        self.at_once(20)
        self.backend.document = WRITE
        probe.answer(problem(500, 'internal'))
        self.soon('open', self.state)
        self.at_once()
        self.is_up()
        self.assertEqual(1, self.show().opened)
        self.assertEqual(1, len(self.drain(self.backend.documents)))
        self.fine()

    def test_storm(self):
        """what waits when it opens fails at once, and goes nowhere"""
        self.begin(pool=5)
        self.drain(self.backend.asked)
        held, reqs = [], [self.list() for i in range(200)]
        for i in range(5):
            held.append(self.backend.next())
        for r in held:
            r.answer(PAGE)
        self.soon('open', self.state)
        more = self.drain(self.backend.requests)
        for r in more:
            r.answer(PAGE)
        codes = [self.answers(req=req)[-1].code for req in reqs]
        self.assertEqual(2, len(set(codes)))
        # no more than the pool's connections had got before the last; the
        # backend may read them late
        more += self.drain(self.backend.requests)
        self.assertLess(len(more), 5)
        self.assertLess(len(self.drain(self.backend.asked)), 11)
        self.is_up(0)
        self.is_up()
        self.fine()

    def test_refused(self):
        """a connection that cannot be made opens it at once"""
        self.begin()
        self.backend.refuse.add(0)
        for s in self.backend.sockets:
            s.shutdown(2)
        self.soon(0, lambda: self.show().conns)
        self.list()
        self.result('UNAVAILABLE')
        m = self.show()
        self.assertEqual(('open', 'refused'), (m.breaker, m.error))
        self.at_once(10)
        self.backend.refuse.clear()
        self.is_up(0)
        self.is_up()
        self.fine()

    def test_silence(self):
        """so do answers that do not come in time"""
        self.begin(t_backend=1)
        reqs = [self.list() for i in range(5)]
        for i in range(5):
            self.backend.next()
        for req in reqs:
            self.result('UNAVAILABLE', req=req)
        self.assertEqual('no answer in time', self.show().error)
        self.engine.logged('is open: no answer in time')
        self.is_up(0)
        self.is_up()

    def test_cut(self):
        """connections that break together are one failure; those that break
        one after the other open it"""
        self.begin()
        for n in 8, 8:
            reqs = [self.ask('st_delete', mailbox='m') for i in range(n)]
            held = [self.backend.next() for i in range(n)]
            for r in held:
                r.hang_up()
            for req in reqs:
                self.result('UNAVAILABLE', req=req)
        self.assertEqual('closed', self.state())
        self.assertEqual(2, self.show().failures)
        for i in range(3):
            req = self.ask('st_delete', mailbox='m')
            self.backend.next().hang_up()
            self.result('UNAVAILABLE', req=req)
        self.assertEqual('open', self.state())

    def test_no_failures(self):
        """refusals, being busy, and what is wrong with one mailbox open
        nothing"""
        self.begin()
        for answer, code in (
                (problem(404, 'no-such-mailbox'), 'NO_SUCH_MAILBOX'),
                (problem(507, 'over-quota'), 'OVER_QUOTA'),
                (problem(507, 'storage-full'), 'STORAGE_FULL'),
                (problem(503, 'try-later'), 'TRY_LATER'),
                (problem(429, 'try-later'), 'TRY_LATER'),
                (problem(400, 'what-is-that'), 'NONSENSE'),
                (ndjson(HEADER, {'uid': 'x'}), 'NONSENSE')):
            self.failing(8, answer, code)
            self.assertEqual('closed', self.state())
        self.assertEqual(0, self.show().opened)

    def test_mishap(self):
        """what one session meets again and again is its own trouble; what
        several meet is not"""
        self.begin()
        self.failing(8, problem(500, 'internal'), 'INTERNAL')
        self.assertEqual(('closed', 1), (self.state(),
                                         self.show().failures))
        for sid in range(11, 15):
            self.grant('u%d' % sid, sid)
            req = self.list(sid=sid)
            self.backend.next().answer(problem(500, 'internal'))
            self.result('INTERNAL', req=req)
        self.assertEqual('open', self.state())


class Several(Breaker):
    def test_fail_over(self):
        """the next URL is used, and the first one when it works again,
        whatever is connected"""
        self.begin(urls=2)
        self.soon(True, lambda: self.show(1).probed != NEVER)
        self.failing(5, url=0)
        self.fine(1)
        self.assertEqual(['open', 'closed'], [self.state(0), self.state(1)])
        self.soon('closed', self.state)
        self.fine(0)
        self.fine(0)
        self.assertNotIn('is down', self.engine.log())

    def test_retry(self):
        """what may be asked twice is asked of the other"""
        self.begin(SAFE, urls=2)
        self.soon(True, lambda: self.show(1).probed != NEVER)
        self.backend.refuse.add(0)
        req = self.ask('st_delete', mailbox='m')
        r = self.backend.next()
        self.assertEqual(0, r.url)
        r.hang_up()
        r2 = self.backend.next()
        self.assertEqual(1, r2.url)
        self.assertEqual(r.fields['idempotency-key'],
                         r2.fields['idempotency-key'])
        r2.answer(value(None, 204))
        self.result(req=req)

    def test_all_down(self):
        """without any, errors at once; the first that is back serves"""
        self.begin(urls=3)
        self.soon(True, lambda: self.show(2).probed != NEVER)
        self.backend.refuse.update((0, 1, 2))
        for s in self.backend.sockets:
            s.shutdown(2)
        self.soon(0, lambda: self.show().conns)
        self.list()
        self.result('UNAVAILABLE')
        self.is_up(0)
        self.at_once(20)
        self.drain(self.backend.asked)
        self.backend.refuse.remove(1)
        self.is_up()
        self.fine(1)
        # each was asked a few times at most
        self.assertLess(self.backend.asked.qsize(), 8)

    def test_health(self):
        """one that waits is looked at now and then: its fault is known
        before it is needed, and so is its end"""
        self.health = 1
        self.begin(urls=2, document={0: WRITE, 1: WRITE})
        self.drain(self.backend.documents)
        for i in range(2):
            r = self.backend.documents.get(timeout=10 * SLOW)
            self.assertEqual(1, r.url)
        self.backend.document[1] = PAGE
        self.soon('open', lambda: self.state(1), 10)
        self.fine(0)
        self.backend.document[1] = WRITE
        self.soon('closed', lambda: self.state(1), 10)
        self.assertEqual({1}, {r.url for r in
                               self.drain(self.backend.documents)})
        self.engine.logged(r'8026/v1 is open')
        self.engine.logged(r'8026/v1 is closed')

    def test_looks(self):
        """the one in use is looked at, too, and show storage tells"""
        self.begin(check=1)
        self.drain(self.backend.documents)
        # none is named while one is under way
        self.soon(True, lambda: self.show().probe in (0, 1, 2))
        self.assertNotEqual(NEVER, self.show().probed)
        for i in range(3):
            self.backend.documents.get(timeout=10 * SLOW)
        # asked three times since, the last time just now
        self.assertLess(self.show().probed, 2)

    def other(self, doc, why):
        """One with that document is never used, and once complained of"""
        self.begin({0: document(id='s1'), 1: doc}, urls=2)
        self.soon('open', lambda: self.state(1))
        self.assertIn(why, self.show(1).error)
        self.soon(True, lambda: self.show(1).failures > 1, 10)
        self.fine(0)
        log = self.engine.log()
        self.assertEqual(1, len(re.findall('8026/v1 is open: ', log)))
        self.assertEqual('closed', self.state(0))

    def test_other_store(self):
        """a URL of another store"""
        self.refused = ()
        self.other(document(id='s2'), 'another store')
        self.backend.refuse.add(0)
        for s in self.backend.sockets:
            s.shutdown(2)
        self.soon(0, lambda: self.show().conns)
        self.list()
        self.result('UNAVAILABLE')
        self.is_up(0)
        # not even when there is nothing else
        self.soon(True, lambda: self.show(1).failures > 2, 15)
        self.assertEqual('open', self.state(1))
        self.at_once()
        # what the other has become is the truth when it says so itself
        self.backend.document[0] = document(id='s2')
        self.backend.refuse.clear()
        self.is_up()
        self.fine(0)

    def test_other_name(self):
        """or, without an id, another name"""
        self.other(document(id=None, name='else'), 'another store')

    def test_less(self):
        """or one that lacks what is announced"""
        self.other(document(id='s1', capabilities={'write': True}), 'less')


class Log(Breaker):
    LINE = (r'storage main: (\S+) (\S+): (.*), (\d+) bytes, (\d+) us '
            r'trace=([0-9a-f]{32}) session=(\S+)')

    def line(self, trace):
        self.engine.logged('trace=' + trace)
        return [m for m in re.finditer(self.LINE, self.engine.log())
                if m.group(6) == trace][0]

    def trace(self, r):
        m = re.fullmatch('00-([0-9a-f]{32})-([0-9a-f]{16})-01',
                         r.fields['traceparent'])
        return m.group(1), m.group(2)

    def test_failed(self):
        """a line with the trace and the session that the storage was told;
        nothing behind the path"""
        self.begin()
        self.engine.parent.send('verbose', level=0)
        self.engine.sync()
        had = len(re.findall('trace=', self.engine.log()))
        self.fine()
        for answer, code, text in (
                (problem(500, 'internal', detail='s3cret\r\nx'), 'INTERNAL',
                 '500 internal'),
                (PAGE, 'NONSENSE', '502, no problem+json'),
                (problem(503, 'try-later'), 'TRY_LATER', '503 try-later'),
                (b'what\r\n\r\n', 'NONSENSE', 'malformed answer')):
            req = self.list()
            r = self.backend.next()
            r.answer(answer)
            self.result(code, req=req)
            m = self.line(self.trace(r)[0])
            self.assertEqual(('GET', '/accounts/joe/mailboxes/m/messages',
                              text), m.groups()[:3])
            self.assertEqual(r.fields['mfront-session'], m.group(7))
        log = self.engine.log()
        for word in 's3cret', 'fields=', 'Bearer':
            self.assertNotIn(word, log)
        # what went well, or was refused, is not worth one
        self.failing(1, problem(404, 'no-such-mailbox'), 'NO_SUCH_MAILBOX')
        self.engine.sync()
        self.assertEqual(4, len(re.findall('trace=', self.engine.log())) -
                         had)

    def test_verbose(self):
        """verbose: each request has one, with its bytes and its time"""
        self.begin()
        req = self.list()
        r = self.backend.next()
        r.answer(ndjson(HEADER, END))
        self.result(req=req)
        m = self.line(self.trace(r)[0])
        self.assertEqual('200', m.group(3))
        self.assertEqual(len(lines(HEADER, END)), int(m.group(4)))
        self.assertLess(int(m.group(5)), 60000000)
        # mfrontd's own have no session
        m = self.line(self.trace(self.backend.documents.get())[0])
        self.assertEqual(('GET', '/', '200', '-'),
                         m.group(1, 2, 3, 7))

    def test_again(self):
        """asked again it is the same trace, and another span"""
        self.begin()
        req = self.list()
        r = self.backend.next()
        r.hang_up()
        r2 = self.backend.next()
        self.assertEqual(self.trace(r)[0], self.trace(r2)[0])
        self.assertNotEqual(self.trace(r)[1], self.trace(r2)[1])
        r2.answer(ndjson(HEADER, END))
        self.result(req=req)
        req = self.list()
        r3 = self.backend.next()
        self.assertNotEqual(self.trace(r)[0], self.trace(r3)[0])
        r3.answer(ndjson(HEADER, END))
        self.result(req=req)

    def test_bounded(self):
        """a few lines in a second, then how many more there were"""
        self.begin()
        self.engine.parent.send('verbose', level=0)
        self.engine.sync()
        before = self.engine.log().count('trace=')
        start = time.monotonic()
        self.failing(60, problem(503, 'try-later'), 'TRY_LATER')
        took = time.monotonic() - start
        n = self.engine.log().count('trace=') - before
        self.assertGreaterEqual(n, 5)
        self.assertLessEqual(n, 5 * (int(took) + 2))
        end = time.monotonic() + 10 * SLOW
        while (time.monotonic() < end and
               'left out' not in self.engine.log()):
            self.failing(1, problem(503, 'try-later'), 'TRY_LATER')
            time.sleep(0.1)
        self.engine.logged(r'storage main: \d+ more such lines left out')


if __name__ == '__main__':
    atf.main()
