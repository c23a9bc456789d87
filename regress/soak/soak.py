"""Many sessions do this and that in one account, and a model says what must
come of it.

The model is what the store has: in which order, with which flags, and what
each uid's content is.  A session's view is what its client made of what it
was told (imapclient.py keeps numbers as a client must).  After a NOOP the
two are the same; in between a number may be late but never wrong.

exact: all sessions are in one process, so that a NOOP knows at once what
another session was told is done.  Else news takes a moment.
"""

import os
import random
import re
import signal
import time

from house import Client
from imapclient import Imap, set_of, uids_of
from whole import PASSWORD, SLOW

SYSTEM = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '\\Deleted']
KEYWORDS = ['k%d' % i for i in range(6)]
PATIENCE = 10 * SLOW            # news may take that long, and never does


def lower(flags):
    return frozenset(f.lower() for f in flags) - {'\\recent'}


def letter(token):
    return ('From: <ann@example.org>\r\nX-Token: %s\r\nSubject: %s\r\n\r\n'
            'the text of %s\r\n' % (token, token, token)).encode()


class Box:
    """A mailbox as the store has it"""

    def __init__(self, name):
        self.name = name
        self.flags = {}                 # uid -> frozenset
        self.token = {}                 # of those that are gone, too
        self.next = 1

    def uids(self):
        return sorted(self.flags)

    def add(self, uid, token, flags=()):
        assert uid >= self.next, '%s: uid %d after %d' % (self.name, uid,
                                                          self.next - 1)
        self.flags[uid], self.token[uid] = lower(flags), token
        self.next = uid + 1

    def store(self, uids, op, flags):
        for u in set(uids) & set(self.flags):
            self.flags[u] = stored(self.flags[u], op, flags)

    def remove(self, uids):
        for u in uids:
            self.flags.pop(u, None)

    def deleted(self, uids):
        return [u for u in uids if '\\deleted' in self.flags.get(u, ())]


def stored(had, op, flags):
    if op == '+':
        return had | lower(flags)
    if op == '-':
        return had - lower(flags)
    return lower(flags)


class Session(Imap):
    """A client that also remembers what it was told of modseqs"""

    def __init__(self, address, number):
        super().__init__(address)
        self.number = number
        self.box = None
        self.rw = True
        self.idle_tag = None
        self.condstore = False
        self.modseq = self.top = 0      # as of the last tagged response
        self.opened = 0                 # SELECTs so far

    def heard_fetch(self, r):
        super().heard_fetch(r)
        self.top = max(self.top, r.data.get('MODSEQ', 0))

    def heard(self, r):
        super().heard(r)
        if r.code == 'HIGHESTMODSEQ':
            self.top = max(self.top, int(r.codedata))

    def finish(self, tag, timeout=None):
        r = super().finish(tag, timeout)
        if r.type == 'OK':
            self.modseq = self.top
        return r

    def unknown(self):
        return [i + 1 for i, u in enumerate(self.uids) if u is None]

    def learn(self):
        """uids and flags of messages that are new"""
        while True:
            seqs = self.unknown()
            if not seqs:
                return
            r = self.ok('FETCH %s (UID FLAGS)' % set_of(seqs))
            # one that came and went again before it was asked for
            if r.code == 'EXPUNGEISSUED':
                self.ok('NOOP')


class Soak:
    def __init__(self, house, sessions, seed, exact=True, condstore=True):
        self.house, self.exact = house, exact
        self.rnd = random.Random(seed)
        self.ntokens = 0
        self.inbox, self.other = Box('INBOX'), Box('Other')
        self.recent = {}                # (box, uid) -> who had it \Recent
        self.log = []
        self.lmtp = self.watcher = None
        self.condstore = condstore
        first = self.connect(0)
        first.ok('CREATE Other')
        self.sessions = [first] + [self.connect(i)
                                   for i in range(1, sessions)]
        for s in self.sessions:
            self.select(s)

    # help

    def connect(self, number):
        """In turn in all of the processes: who is stopped takes none"""
        pids = self.house.pids('imap')
        others = [p for i, p in enumerate(pids) if i != number % len(pids)]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            s = Session(self.house.address('imap'), number)
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)
        s.ok('LOGIN joe %s' % PASSWORD)
        return s

    def close(self):
        for s in self.sessions + [self.lmtp, self.watcher]:
            if s is not None:
                s.close()

    def note(self, s, *what):
        self.log.append((s.number if s else '-', s.box.name if s and s.box
                         else '-') + what)

    def story(self):
        return '\n'.join(map(repr, self.log[-60:]))

    def new_token(self):
        self.ntokens += 1
        return 't%d' % self.ntokens

    def some_flags(self, most=2):
        return self.rnd.sample(SYSTEM + KEYWORDS, self.rnd.randint(1, most))

    def some(self, s, most=6):
        """Some numbers of a session's view"""
        n = min(len(s.uids), self.rnd.randint(1, most))
        return sorted(self.rnd.sample(range(1, len(s.uids) + 1), n))

    def select(self, s, box=None, rw=None):
        box = box or self.rnd.choice([self.inbox] * 4 + [self.other])
        s.rw = self.rnd.random() < .85 if rw is None else rw
        s.condstore = s.condstore or (self.condstore and
                                      self.rnd.random() < .5)
        s.box, s.modseq, s.top = box, 0, 0
        self.note(s, 'SELECT' if s.rw else 'EXAMINE', s.condstore)
        s.ok('%s %s%s' % ('SELECT' if s.rw else 'EXAMINE', box.name,
                          ' (CONDSTORE)' if s.condstore else ''))
        s.opened += 1
        s.learn()

    # comparing

    def differs(self, s):
        """What a session believes and is not so, None if all is well"""
        if s.uids != s.box.uids():
            return 'uids: it has %s, not %s' % (set_of(u or 0 for u in
                                                       s.uids),
                                                set_of(s.box.uids()))
        for u in s.uids:
            if lower(s.flags[u]) != s.box.flags[u]:
                return 'flags of %d: it has %s, not %s' % (
                    u, sorted(s.flags[u]), sorted(s.box.flags[u]))
        return None

    def check_recent(self, s):
        """At most one read-write session is told that a message is recent"""
        if not s.rw:
            return
        for u, flags in s.flags.items():
            if '\\recent' in flags:
                who = self.recent.setdefault((s.box.name, u),
                                             (s.number, s.opened))
                assert who == (s.number, s.opened), 'uid %d is recent to %r' \
                    ' and to %r' % (u, who, (s.number, s.opened))

    def sync(self, s):
        """NOOP: now its view is what the store has"""
        if s.idle_tag is not None:
            self.end_idle(s)
        end = time.monotonic() + PATIENCE
        while True:
            s.ok('NOOP')
            s.learn()
            bad = self.differs(s)
            if bad is None:
                break
            assert not self.exact and time.monotonic() < end, \
                'session %d, %s: %s' % (s.number, s.box.name, bad)
            time.sleep(.005)
        self.check_recent(s)

    def sync_all(self):
        for s in self.sessions:
            self.sync(s)

    def settle(self, s):
        """What depends on what the frontend has heard needs it to have"""
        if self.exact:
            s.learn()
        else:
            self.sync(s)

    # what sessions do

    def op_append(self, s):
        box = self.rnd.choice([self.inbox, self.inbox, self.other])
        token, flags = self.new_token(), self.some_flags()
        uid = s.append(box.name, letter(token), flags)
        self.note(s, 'APPEND', box.name, uid)
        box.add(uid, token, flags)

    def op_lmtp(self, _):
        if self.lmtp is None:
            self.lmtp = Client(self.house.address('lmtp'))
            self.lmtp.sock.settimeout(PATIENCE)
            self.lmtp.line()
            self.lmtp.send('LHLO test')
            while self.lmtp.line()[3] == '-':
                pass
        token = self.new_token()
        self.note(None, 'LMTP', self.inbox.next)
        self.deliver(token)
        self.inbox.add(self.inbox.next, token)
        if self.exact:
            self.watch()

    def watch(self):
        """A delivery's 250 comes from another process: the one that the
        sessions are in hears of it by and by"""
        if self.watcher is None:
            self.watcher = self.connect(98)
            self.watcher.ok('EXAMINE INBOX')
            self.watcher.idle()
        end = time.monotonic() + PATIENCE
        while self.watcher.exists != len(self.inbox.flags):
            self.watcher.response(max(.01, end - time.monotonic()))

    def deliver(self, token):
        m = self.lmtp
        for line, reply in (('MAIL FROM:<a@b>', '250'),
                            ('RCPT TO:<joe@localhost>', '250'),
                            ('DATA', '354')):
            assert m.cmd(line).startswith(reply), line
        m.raw(letter(token))
        assert m.cmd('.').startswith('250')

    def op_store(self, s):
        if not s.uids or not s.rw:
            return
        seqs, by_uid = self.some(s), self.rnd.random() < .5
        op, flags = self.rnd.choice('+-='), self.some_flags()
        silent = self.rnd.random() < .4
        uids = [s.uids[n - 1] for n in seqs]
        self.note(s, 'STORE', op, flags, uids, 'UID' if by_uid else 'SEQ',
                  silent)
        if silent:
            for u in uids:
                s.flags[u] = stored(lower(s.flags[u]), op, flags) | (
                    s.flags[u] & {'\\recent'})
        s.ok('%sSTORE %s %sFLAGS%s (%s)' % (
            'UID ' if by_uid else '', set_of(uids if by_uid else seqs),
            op.replace('=', ''), '.SILENT' if silent else '',
            ' '.join(flags)))
        s.box.store(uids, op, flags)

    def op_delete(self, s):
        """More of what makes numbers move"""
        if not s.uids or not s.rw:
            return
        uids = [s.uids[n - 1] for n in self.some(s, 4)]
        self.note(s, 'delete', uids)
        s.ok('UID STORE %s +FLAGS (\\Deleted)' % set_of(uids))
        s.box.store(uids, '+', ['\\Deleted'])
        self.op_expunge(s)

    def op_expunge(self, s):
        if not s.rw:
            return
        self.settle(s)
        gone = s.box.deleted(s.uids)
        if s.uids and self.rnd.random() < .3:
            named = [s.uids[n - 1] for n in self.some(s)]
            gone = [u for u in gone if u in named]
            self.note(s, 'UID EXPUNGE', named, gone)
            s.ok('UID EXPUNGE %s' % set_of(named))
        else:
            self.note(s, 'EXPUNGE', gone)
            s.ok('EXPUNGE')
        s.box.remove(gone)
        assert not set(gone) & set(s.uids), 'still there: %r' % gone

    def op_close(self, s):
        self.settle(s)
        gone = s.box.deleted(s.uids) if s.rw else []
        if self.rnd.random() < .5:
            self.note(s, 'CLOSE', gone)
            s.ok('CLOSE')
            s.box.remove(gone)
        elif self.rnd.random() < .5:
            self.note(s, 'UNSELECT')
            s.ok('UNSELECT')
        self.select(s)

    def op_reconnect(self, s):
        """A client with CONDSTORE must find all that changed meanwhile"""
        modseq, flags, box = s.modseq, dict(s.flags), s.box
        conditional = s.condstore and modseq > 0
        self.note(s, 'reconnect', modseq if conditional else None)
        if self.rnd.random() < .5:
            s.ok('LOGOUT')
        s.close()
        new = self.connect(s.number)
        new.opened = s.opened
        self.sessions[self.sessions.index(s)] = new
        self.select(new, box)
        self.sync(new)
        if conditional and new.uids:
            self.resync(new, modseq, flags)

    def resync(self, s, modseq, flags):
        r = s.ok('UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % modseq)
        for _, items in r.fetched():
            flags[items['UID']] = items['FLAGS']
        for u in set(flags) & set(s.box.flags):
            assert lower(flags[u]) == s.box.flags[u], \
                'uid %d since %d: %s, not %s' % (u, modseq, flags[u],
                                                 s.box.flags[u])

    def op_fetch(self, s):
        """What a number or a uid gives is that message"""
        part = self.rnd.choice(['BODY[HEADER.FIELDS (X-TOKEN)]', 'BODY[]',
                                'ENVELOPE'])
        peek = self.rnd.random() < .6 or part == 'ENVELOPE'
        if not peek:
            self.settle(s)
        if not s.uids:
            return
        seqs, by_uid = self.some(s), self.rnd.random() < .5
        uids = [s.uids[n - 1] for n in seqs]
        self.note(s, 'FETCH', part, uids, peek)
        r = s.ok('%sFETCH %s (UID %s)' % (
            'UID ' if by_uid else '', set_of(uids if by_uid else seqs),
            part.replace('BODY[', 'BODY.PEEK[') if peek else part))
        found = {d['UID']: d for _, d in r.fetched() if len(d) > 1 and
                 part in d}
        for u, d in found.items():
            assert u in uids, r
            self.check_token(s.box, u, part, d[part])
        if self.exact:
            assert set(found) >= set(uids) & set(s.box.flags), r
        if not peek and s.rw:
            s.box.store(found, '+', ['\\Seen'])

    def check_token(self, box, uid, part, value):
        if part == 'ENVELOPE':
            token = value[1].decode()
        else:
            token = re.search(rb'X-Token: (\S+)', value).group(1).decode()
        assert token == box.token[uid], 'uid %d of %s is %s, not %s' % (
            uid, box.name, token, box.token[uid])

    def op_search(self, s):
        key = self.rnd.choice(['DELETED', 'UNSEEN', 'KEYWORD k1', 'ALL',
                               'UNKEYWORD k2', 'FLAGGED'])
        by_uid = self.rnd.random() < .5
        self.note(s, 'SEARCH', key, by_uid)
        # with UID others' expunges may be told in it; no number is in it
        r = s.ok(('UID SEARCH ' if by_uid else 'SEARCH ') + key)
        found = r.search()
        if not by_uid:
            s.learn()
            found = [s.uids[n - 1] for n in found]
        if self.exact:
            want = self.matching(s.box, key)
            assert set(found) & set(s.box.flags) == want, \
                '%s: %r, not %r' % (key, found, want)

    def matching(self, box, key):
        negative = key.startswith('UN')
        flag = {'DELETED': '\\deleted', 'UNSEEN': '\\seen',
                'FLAGGED': '\\flagged'}.get(key, key.split()[-1])
        return {u for u, f in box.flags.items()
                if key == 'ALL' or (flag in f) != negative}

    def op_copy(self, s):
        if not s.uids:
            return
        move = self.rnd.random() < .4 and s.rw
        seqs, by_uid = self.some(s), self.rnd.random() < .5
        uids = [s.uids[n - 1] for n in seqs]
        to = self.rnd.choice([self.inbox, self.other])
        self.note(s, 'MOVE' if move else 'COPY', uids, to.name)
        r = s.ok('%s%s %s %s' % (
            'UID ' if by_uid else '', 'MOVE' if move else 'COPY',
            set_of(uids if by_uid else seqs), to.name))
        code = r.codedata if r.code == 'COPYUID' else \
            r.codes().get('COPYUID')
        there = [u for u in uids if u in s.box.flags]
        if code is None:
            assert not there, 'nothing of %r was copied: %r' % (there, r)
            return
        _, source, target = code.split()
        source, target = uids_of(source), uids_of(target)
        assert source == there and len(target) == len(source), (there, r)
        for old, new in zip(source, target):
            to.add(new, s.box.token[old], s.box.flags[old])
        if move:
            s.box.remove(source)
            assert not set(source) & set(s.uids), r

    def op_idle(self, s):
        if s.idle_tag is None:
            self.note(s, 'IDLE')
            s.idle_tag = s.idle()
        else:
            self.end_idle(s)

    def end_idle(self, s):
        """All that others did is told without being asked for"""
        end = time.monotonic() + PATIENCE
        while True:
            known = [u for u in s.uids if u is not None]
            if s.exists == len(s.box.flags) and \
                known == s.box.uids()[:len(known)] and \
                all(lower(s.flags[u]) == s.box.flags[u] for u in known):
                break
            left = end - time.monotonic()
            assert left > 0, 'session %d is not told in IDLE: %r, %r' % (
                s.number, s.uids, s.box.uids())
            s.response(left)
        self.note(s, 'DONE')
        s.done(s.idle_tag)
        s.idle_tag = None
        s.learn()

    def op_sync(self, s):
        self.note(s, 'NOOP')
        self.sync(s)

    def op_pipeline(self, s):
        """Several commands at once; uids and numbers do not get mixed up"""
        self.settle(s)
        if not s.uids or not s.rw:
            return
        uids = [s.uids[n - 1] for n in self.some(s, 3)]
        flag = self.rnd.choice(KEYWORDS)
        self.note(s, 'pipeline', uids, flag)
        cmds = ['UID STORE %s +FLAGS (%s \\Deleted)' % (set_of(uids), flag),
                'UID EXPUNGE %s' % set_of(uids),
                'UID FETCH 1:* (UID FLAGS)', 'NOOP', 'SEARCH DELETED',
                'UID SEARCH KEYWORD ' + flag]
        tags = [s.tag() for _ in cmds]
        s.raw(b''.join(b'%s %s\r\n' % (t.encode(), c.encode())
                       for t, c in zip(tags, cmds)))
        for t, c in zip(tags, cmds):
            s.hold = bool(s.SEQ.match(c))
            r = s.finish(t)
            assert r.type == 'OK', r
        s.hold = False
        s.box.remove(uids)
        assert not set(uids) & set(s.uids)

    def op_together(self, _):
        """Everybody at the same time; what is done commutes"""
        self.note(None, 'together')
        begun = []
        self.arrived = {self.inbox: [], self.other: []}
        for s in self.sessions:
            if s.idle_tag is not None:
                continue
            begun.append((s,) + self.one_of_many(s))
        for s, tag, done, hold in begun:
            s.hold = hold
            r = s.finish(tag)
            s.hold = False
            assert r.type == 'OK', r
            done(r)
        # uids of what was appended come in any order
        for box, arrived in self.arrived.items():
            for uid, token in sorted(arrived):
                box.add(uid, token)
        for s, _, _, _ in begun:
            s.learn()

    def one_of_many(self, s):
        """(tag, what to do with its result, no EXPUNGE now)"""
        what = self.rnd.choice(['append', 'noop', 'store', 'fetch'])
        if what == 'append':
            token = self.new_token()
            text = letter(token)
            self.note(s, 'append', token)
            s.raw(b'%s APPEND %s {%d+}\r\n%s\r\n' % (
                self.next_tag(s), s.box.name.encode(), len(text), text))
            return s.last, lambda r: self.arrived[s.box].append(
                (int(r.codedata.split()[1]), token)), False
        if what == 'store' and s.uids and s.rw:
            seqs, flag = self.some(s), 'own%d' % s.number
            uids = [s.uids[n - 1] for n in seqs]
            self.note(s, 'store', uids, flag)
            s.raw(b'%s STORE %s +FLAGS (%s)\r\n' % (
                self.next_tag(s), set_of(seqs).encode(), flag.encode()))
            return s.last, lambda r: s.box.store(uids, '+', [flag]), True
        if what == 'fetch' and s.uids:
            s.raw(b'%s FETCH 1:* (UID FLAGS)\r\n' % self.next_tag(s))
            return s.last, lambda r: None, True
        s.raw(b'%s NOOP\r\n' % self.next_tag(s))
        return s.last, lambda r: None, False

    def next_tag(self, s):
        s.last = s.tag()
        return s.last.encode()

    # all of it

    OPS = ([op_append] * 3 + [op_lmtp] * 3 + [op_store] * 8 +
           [op_delete] * 5 + [op_expunge] * 3 + [op_fetch] * 6 +
           [op_search] * 3 + [op_copy] * 3 + [op_idle] * 5 +
           [op_sync] * 4 + [op_pipeline] * 2 + [op_together] * 4 +
           [op_close] * 2 + [op_reconnect] * 2)

    def step(self):
        s = self.rnd.choice(self.sessions)
        op = self.rnd.choice(self.OPS)
        if s.idle_tag is not None and op not in (
                Soak.op_idle, Soak.op_lmtp, Soak.op_together):
            self.end_idle(s)
        op(self, s)
        for t in self.sessions:
            if t.idle_tag is None and t.box is not None:
                t.learn()

    def run(self, steps, check=True):
        try:
            for n in range(steps):
                self.step()
                if n % 25 == 24:
                    self.sync_all()
            self.sync_all()
            if check:
                self.check_all()
        except BaseException:
            print('what was done:\n' + self.story())
            raise

    def check_all(self):
        """From scratch: everything, by uid and by number"""
        s = self.connect(99)
        self.sessions.append(s)
        for box in (self.inbox, self.other):
            self.select(s, box, rw=False)
            self.sync(s)
            if not s.uids:
                continue
            r = s.ok('FETCH 1:* (UID BODY.PEEK[])')
            assert len(r.fetched()) == len(box.flags)
            for _, d in r.fetched():
                self.check_token(box, d['UID'], 'BODY[]', d['BODY[]'])
