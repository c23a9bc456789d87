"""An IMAP client for tests: it believes nothing.  Every response must be
what the formal syntax allows, and say what a server may say at that time;
sequence numbers are kept as a client must keep them.

What a response is made of: an atom is a str, a quoted string or a literal
bytes, a number an int, NIL None, a list a list.
"""

import re
import socket
import time

from house import Client

SLOW = int(__import__('os').environ.get('SLOW', '1'))

ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+|\\\*')
NUMBER = re.compile(rb'[0-9]+(?=[ )\]]|$)')
ITEM = re.compile(rb'(?:BODY|BINARY|BINARY\.SIZE)\[[^]]*\](?:<\d+>)?|'
                  rb'[A-Z][A-Z0-9.-]*')
QUOTED = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"')
CODE = re.compile(rb'\[([A-Z][A-Z0-9-]*)(?: ([^]]*))?\] ')
TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
STATUS = (b'OK', b'NO', b'BAD', b'BYE', b'PREAUTH')
DATE = re.compile(rb'[ 0-3]\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|'
                  rb'Dec)-\d{4} [0-2]\d:[0-5]\d:[0-6]\d [+-]\d{4}$')


class Syntax(AssertionError):
    pass


class Bye(EOFError):
    """The server ended the session"""


class Response:
    """tag (None: untagged, '+': continuation), type, and by type: code and
    text of OK, NO, BAD, BYE; number of EXISTS, RECENT, EXPUNGE, FETCH; data"""

    def __init__(self, raw):
        self.raw = raw
        self.tag = self.type = self.code = self.number = self.data = None
        self.codedata = self.text = None

    def __repr__(self):
        return repr(self.raw[:300])


class Parser:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def fail(self, why='syntax'):
        raise Syntax('%s at %d: %r' % (why, self.pos, self.data[:2000]))

    def end(self):
        if self.pos != len(self.data):
            self.fail('something left')

    def at(self, text):
        return self.data.startswith(text, self.pos)

    def take(self, text):
        if not self.at(text):
            self.fail('no %r' % text)
        self.pos += len(text)

    def match(self, pattern):
        m = pattern.match(self.data, self.pos)
        if m is None:
            self.fail('not %r' % pattern.pattern)
        self.pos = m.end()
        return m

    def number(self, most=(1 << 32) - 1):
        n = int(self.match(NUMBER).group())
        if n > most:
            self.fail('too big')
        return n

    def string(self, binary=False):
        if self.at(b'"'):
            s = self.match(QUOTED).group(1)
            return re.sub(rb'\\(.)', rb'\1', s)
        nul = binary and self.at(b'~')
        m = self.match(re.compile(rb'~?\{(\d+)\}\r\n' if binary else
                                  rb'\{(\d+)\}\r\n'))
        n = int(m.group(1))
        s = self.data[self.pos:self.pos + n]
        if len(s) != n or (b'\0' in s and not nul):
            self.fail('literal')
        self.pos += n
        return s

    def astring(self):
        if self.at(b'"') or self.at(b'{'):
            return self.string()
        return self.match(re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
                          ).group()

    def list(self, one):
        """Blank-separated, in parentheses"""
        self.take(b'(')
        found = []
        while not self.at(b')'):
            if found:
                self.take(b' ')
            found.append(one())
        self.take(b')')
        return found

    def value(self):
        """Whatever it is; lists of lists need no blank between"""
        if self.at(b'('):
            self.take(b'(')
            found = []
            while not self.at(b')'):
                if found and not (self.at(b'(') and isinstance(found[-1],
                                                               list)):
                    self.take(b' ')
                found.append(self.value())
            self.take(b')')
            return found
        if self.at(b'"') or self.at(b'{'):
            return self.string()
        if NUMBER.match(self.data, self.pos):
            return self.number(1 << 63)
        a = self.match(ATOM).group().decode()
        return None if a == 'NIL' else a

    def flag(self):
        return self.match(FLAG).group().decode()

    def objectid(self):
        return self.match(re.compile(rb'[A-Za-z0-9_-]{1,255}(?=\))')
                          ).group().decode()

    def fetch(self):
        """item -> value"""
        found = {}

        def one():
            item = self.match(ITEM).group().decode()
            if item in found:
                self.fail('%s twice' % item)
            self.take(b' ')
            if item == 'FLAGS':
                v = self.list(self.flag)
                if len({f.lower() for f in v}) != len(v):
                    self.fail('a flag twice')
            elif item == 'UID':
                v = self.number()
                if v == 0:
                    self.fail('uid 0')
            elif item == 'RFC822.SIZE':
                v = self.number()
            elif item == 'INTERNALDATE':
                v = self.string()
                if not DATE.match(v):
                    self.fail('date')
            elif item == 'MODSEQ':
                v, = self.list(lambda: self.number((1 << 63) - 1))
            elif item in ('EMAILID', 'THREADID'):
                v = None
                if item == 'EMAILID' or not self.nil():
                    v, = self.list(self.objectid)
            elif item == 'SAVEDATE':
                v = None if self.nil() else self.string()
                if v is not None and not DATE.match(v):
                    self.fail('date')
            elif item in ('ENVELOPE', 'BODY', 'BODYSTRUCTURE'):
                v = self.value()
                if not isinstance(v, list):
                    self.fail('no list')
            else:
                v = None if self.nil() else self.string()
            found[item] = v
        self.list(one)
        return found

    def nil(self):
        if self.at(b'NIL'):
            self.take(b'NIL')
            return True
        return False


def uids_of(text):
    """ "1:3,7" -> [1, 2, 3, 7] """
    found = []
    for part in text.split(','):
        lo, _, hi = part.partition(':')
        found += range(int(lo), int(hi or lo) + 1)
    return found


def set_of(numbers):
    """The other way round; in the order given"""
    parts = []
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ','.join('%d' % a if a == b else '%d:%d' % (a, b)
                    for a, b in parts)


def parse(raw):
    r = Response(raw)
    if raw.startswith(b'+ '):
        r.tag, r.text = '+', raw[2:-2]
        return r
    body = raw[:-2]
    p = Parser(body)
    if p.at(b'* '):
        p.take(b'* ')
    else:
        r.tag = p.match(TAG).group().decode()
        p.take(b' ')
    word = re.match(rb'[A-Z0-9]+', body[p.pos:])
    if word is None:
        p.fail('no word')
    if word.group() in STATUS:
        return status(r, p)
    if r.tag is not None:
        p.fail('tagged what?')
    return untagged(r, p)


def status(r, p):
    r.type = p.match(re.compile(rb'[A-Z]+')).group().decode()
    p.take(b' ')
    if p.at(b'['):
        m = p.match(CODE)
        r.code = m.group(1).decode()
        r.codedata = m.group(2).decode() if m.group(2) else None
    r.text = p.data[p.pos:]
    if not r.text or re.search(rb'[\r\n\0]', r.text):
        p.fail('text')
    return r


def untagged(r, p):
    if NUMBER.match(p.data, p.pos):
        r.number = p.number()
        p.take(b' ')
        r.type = p.match(ATOM).group().decode()
        if r.type == 'FETCH':
            p.take(b' ')
            r.data = p.fetch()
        elif r.type not in ('EXISTS', 'RECENT', 'EXPUNGE'):
            p.fail('what?')
        if r.number == 0 and r.type in ('FETCH', 'EXPUNGE'):
            p.fail('number 0')
        p.end()
        return r
    r.type = p.match(re.compile(rb'[A-Z0-9]+')).group().decode()
    how = {'FLAGS': p_flags, 'CAPABILITY': p_words, 'ENABLED': p_words,
           'SEARCH': p_search, 'SORT': p_search, 'THREAD': p_threads,
           'ESEARCH': p_esearch, 'LIST': p_list, 'LSUB': p_list,
           'STATUS': p_status, 'NAMESPACE': p_values, 'ID': p_values,
           'QUOTA': p_quota, 'QUOTAROOT': p_quotaroot,
           'METADATA': p_metadata}
    if r.type not in how:
        p.fail('what?')
    r.data = how[r.type](p)
    p.end()
    return r


def p_flags(p):
    p.take(b' ')
    return p.list(p.flag)


def p_words(p):
    found = []
    while p.at(b' '):
        p.take(b' ')
        found.append(p.match(ATOM).group().decode())
    return found


def p_values(p):
    found = []
    while p.at(b' '):
        p.take(b' ')
        found.append(p.value())
    return found


def p_search(p):
    """(numbers, modseq)"""
    found, modseq = [], None
    while p.at(b' '):
        p.take(b' ')
        if p.at(b'('):
            p.take(b'(MODSEQ ')
            modseq = p.number((1 << 63) - 1)
            p.take(b')')
            break
        found.append(p.number())
    return found, modseq


def p_thread(p):
    """A thread: members, then none or at least two threads"""
    p.take(b'(')
    found = []
    while not p.at(b')'):
        if found and not isinstance(found[-1], list):
            p.take(b' ')
        if p.at(b'('):
            found.append(p_thread(p))
        elif found and isinstance(found[-1], list):
            p.fail('a message behind a branch')
        else:
            found.append(p.number())
    p.take(b')')
    branches = sum(isinstance(f, list) for f in found)
    if not found or branches == 1 or 0 in found:
        p.fail('a thread that is none')
    return found


def p_threads(p):
    found = []
    if p.pos < len(p.data):
        p.take(b' ')
        while p.pos < len(p.data):
            found.append(p_thread(p))
    return found


def p_esearch(p):
    """(tag, is it of uids, {name: value}); ALL: a list, in its order"""
    p.take(b' (TAG ')
    tag, uid, found = p.string().decode(), False, {}
    p.take(b')')
    if p.at(b' UID'):
        p.take(b' UID')
        uid = True
    while p.pos < len(p.data):
        p.take(b' ')
        name = p.match(ATOM).group().decode()
        p.take(b' ')
        if name in found:
            p.fail('twice')
        if name == 'ALL':
            found[name] = uids_of(p.match(re.compile(
                rb'[1-9]\d*(:[1-9]\d*)?(,[1-9]\d*(:[1-9]\d*)?)*')
                ).group().decode())
        elif name in ('MIN', 'MAX', 'COUNT', 'MODSEQ'):
            found[name] = p.number((1 << 63) - 1)
        else:
            p.fail('what?')
    return tag, uid, found


def p_list(p):
    """(attributes, delimiter, name)"""
    p.take(b' ')
    attributes = p.list(p.flag)
    p.take(b' ')
    delimiter = None if p.nil() else p.string()
    p.take(b' ')
    return attributes, delimiter, p.astring()


def p_quota(p):
    """(root, {resource: (used, limit)}), RFC 9208"""
    p.take(b' ')
    root, found = p.astring(), {}
    p.take(b' ')

    def one():
        name = p.match(ATOM).group().decode()
        p.take(b' ')
        used = p.number((1 << 63) - 1)
        p.take(b' ')
        if name in found:
            p.fail('twice')
        found[name] = used, p.number((1 << 63) - 1)
    p.list(one)
    if not found:
        p.fail('no resource')
    return root, found


def p_quotaroot(p):
    """(mailbox, [roots])"""
    names = []
    while p.at(b' '):
        p.take(b' ')
        names.append(p.astring())
    return names[0], names[1:]


def p_metadata(p):
    """(mailbox, {entry: value}), RFC 5464"""
    p.take(b' ')
    name, found = p.astring(), {}
    p.take(b' ')

    def one():
        entry = p.astring().decode()
        p.take(b' ')
        if entry in found:
            p.fail('twice')
        found[entry] = None if p.nil() else p.string(True)
    p.list(one)
    if not found:
        p.fail('no entry')
    return name, found


def p_status(p):
    p.take(b' ')
    name, found = p.astring(), {}
    p.take(b' ')

    def one():
        item = p.match(ATOM).group().decode()
        p.take(b' ')
        if item in found:
            p.fail('twice')
        if item == 'MAILBOXID':
            found[item], = p.list(p.objectid)
        else:
            found[item] = p.number((1 << 63) - 1)
    p.list(one)
    return name, found


class Result:
    """What a command brought: its tagged response, and all before it"""

    def __init__(self, responses, tagged):
        self.responses, self.tagged = responses, tagged
        self.type, self.code = tagged.type, tagged.code
        self.codedata, self.text = tagged.codedata, tagged.text

    def __repr__(self):
        return '%r after %r' % (self.tagged, self.responses[-40:])

    def all(self, type):
        return [r for r in self.responses if r.type == type]

    def one(self, type):
        found = self.all(type)
        assert len(found) == 1, (type, self)
        return found[0]

    def codes(self):
        """code -> data, of the untagged OK"""
        return {r.code: r.codedata for r in self.responses
                if r.type in ('OK', 'NO') and r.code}

    def fetched(self, key=None):
        """[(number, items)], or by the number or an item: {key: items}"""
        found = [(r.number, r.data) for r in self.all('FETCH')]
        if key is None:
            return found
        keyed = {}
        for n, d in found:
            k = n if key == 'SEQ' else d[key]
            assert k not in keyed, self
            keyed[k] = d
        return keyed

    def search(self):
        return self.one('SEARCH').data[0]

    def esearch(self, uid=False):
        tag, is_uid, found = self.one('ESEARCH').data
        assert (tag, is_uid) == (self.tagged.tag, uid), self
        assert not self.all('SEARCH') + self.all('SORT'), self
        return found

    def lists(self, type='LIST'):
        """name -> attributes"""
        found = {}
        for r in self.all(type):
            attributes, delimiter, name = r.data
            assert delimiter == b'/', r
            assert name not in found, self
            found[name.decode()] = attributes
        return found


class Imap(Client):
    """A session.  What the client knows of its mailbox: exists, recent,
    uids (by sequence number, None where not told), flags (by uid)"""

    def __init__(self, address, tls=None, timeout=30, greet=True):
        super().__init__(address)
        self.timeout = timeout * SLOW
        self.sock.settimeout(self.timeout)
        self.tls = tls
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock,
                                        server_hostname='localhost')
        self.ntags = 0
        self.exists = self.recent = 0
        self.uids = []
        self.flags = {}
        self.hold = False               # EXPUNGE may not be told now
        self.bye = None
        if greet:
            self.greeting = self.response()
            assert self.greeting.type in ('OK', 'BYE'), self.greeting

    # bytes

    def fill(self, timeout=None):
        self.sock.settimeout(self.timeout if timeout is None else timeout)
        data = self.sock.recv(262144)
        if not data:
            raise Bye(repr((self.bye, self.buf[-200:])))
        self.buf += data

    def raw_response(self, timeout=None):
        """To the CRLF that ends it, literals included"""
        end = 0
        while True:
            while True:
                at = self.buf.find(b'\r\n', end)
                if at != -1:
                    break
                self.fill(timeout)
            m = re.search(rb'\{(\d+)\}$', self.buf[max(end, at - 24):at])
            if m is None or re.match(rb'\S+ (?:OK|NO|BAD|BYE) ', self.buf):
                end = at + 2
                break
            end = at + 2 + int(m.group(1))
            if len(self.buf) < end:
                parts = [self.buf]
                n = len(self.buf)
                while n < end:
                    self.buf = b''
                    self.fill(timeout)
                    parts.append(self.buf)
                    n += len(self.buf)
                self.buf = b''.join(parts)
        raw, self.buf = self.buf[:end], self.buf[end:]
        return raw

    def response(self, timeout=None):
        r = parse(self.raw_response(timeout))
        self.heard(r)
        return r

    # the mailbox

    def heard(self, r):
        if r.type == 'EXISTS':
            assert r.number >= self.exists, 'EXISTS %d after %d' % (
                r.number, self.exists)
            self.uids += [None] * (r.number - self.exists)
            self.exists = r.number
        elif r.type == 'RECENT':
            self.recent = r.number
        elif r.type == 'EXPUNGE':
            assert not self.hold, 'EXPUNGE now?'
            assert r.number <= self.exists, r
            self.exists -= 1
            uid = self.uids.pop(r.number - 1)
            self.flags.pop(uid, None)
        elif r.type == 'FETCH':
            self.heard_fetch(r)
        elif r.type == 'BYE':
            self.bye = r

    def heard_fetch(self, r):
        assert r.number <= self.exists, (self.exists, r)
        uid = r.data.get('UID')
        if uid is not None:
            known = self.uids[r.number - 1]
            assert known in (None, uid), '%d is %s, not %d' % (
                r.number, known, uid)
            self.uids[r.number - 1] = uid
        else:
            uid = self.uids[r.number - 1]
        if uid is not None and 'FLAGS' in r.data:
            self.flags[uid] = frozenset(f.lower() for f in r.data['FLAGS'])

    def forget(self):
        self.exists = self.recent = 0
        self.uids, self.flags = [], {}

    # commands

    def tag(self):
        self.ntags += 1
        return 'a%d' % self.ntags

    def begin(self, *parts):
        """Sends a command; parts that are bytes go as literals, for which
        the server is waited for.  Returns the tag."""
        tag = self.tag()
        out = tag.encode() + b' '
        for p in parts:
            if isinstance(p, bytes):
                self.sock.sendall(out + b'{%d}\r\n' % len(p))
                self.wait_continuation(tag)
                out = p
            else:
                out += p.encode('utf-8', 'surrogateescape')
        self.sock.sendall(out + b'\r\n')
        return tag

    def wait_continuation(self, tag):
        while True:
            r = self.response()
            if r.tag == '+':
                return r
            assert r.tag is None, 'no continuation: %r' % r

    def finish(self, tag, timeout=None):
        found = []
        while True:
            r = self.response(timeout)
            if r.tag == tag:
                return Result(found, r)
            assert r.tag is None, 'whose is %r' % r
            found.append(r)

    SEQ = re.compile(r'(FETCH|STORE|SEARCH|SORT|THREAD)\b', re.I)
    OPEN = re.compile(r'(SELECT|EXAMINE|CLOSE|UNSELECT)\b', re.I)

    def cmd(self, *parts):
        """A command and all that it brings"""
        text = parts[0] if isinstance(parts[0], str) else ''
        if self.OPEN.match(text):
            self.forget()
        # also with UID, EXPUNGE is told only where no numbers are used
        self.hold = bool(self.SEQ.match(text))
        result = self.finish(self.begin(*parts))
        self.hold = False
        return result

    def ok(self, *parts):
        r = self.cmd(*parts)
        assert r.type == 'OK', '%r: %r' % (parts, r)
        return r

    def no(self, *parts, code=None):
        r = self.cmd(*parts)
        assert r.type == 'NO', '%r: %r' % (parts, r)
        assert code is None or r.code == code, '%r: %r' % (parts, r)
        return r

    def bad(self, *parts):
        r = self.cmd(*parts)
        assert r.type == 'BAD', '%r: %r' % (parts, r)
        return r

    def append(self, mailbox, message, flags=None, date=None):
        """Returns the new uid"""
        parts = 'APPEND "%s" ' % mailbox
        if flags is not None:
            parts += '(%s) ' % ' '.join(flags)
        if date is not None:
            parts += '"%s" ' % date
        r = self.ok(parts, message)
        assert r.code == 'APPENDUID', r
        return int(r.codedata.split()[1])

    def idle(self):
        tag = self.begin('IDLE')
        self.wait_continuation(tag)
        return tag

    def done(self, tag):
        self.sock.sendall(b'DONE\r\n')
        return self.finish(tag)

    def learn(self):
        """All uids and flags, from scratch; returns {uid: flags}"""
        if self.exists == 0:
            return {}
        r = self.ok('FETCH 1:* (UID FLAGS)')
        assert [n for n, _ in r.fetched() if True][-1] <= self.exists
        assert None not in self.uids, self.uids
        return dict(self.flags)

    def silent(self, seconds=0.3):
        try:
            self.fill(seconds)
        except (TimeoutError, socket.timeout):
            assert not self.buf, self.buf
            return
        raise AssertionError('unexpected %r' % self.buf[:500])

    def ended(self, timeout=None):
        """Reads until the server closes; returns its last responses"""
        found = []
        try:
            while True:
                found.append(self.response(timeout))
        except (Bye, ConnectionResetError, BrokenPipeError):
            return found

    def wait_for(self, type, timeout=10, **fields):
        """Untagged responses (of IDLE, say) until one of this type comes"""
        end = time.monotonic() + timeout * SLOW
        while True:
            r = self.response(max(0.01, end - time.monotonic()))
            assert r.tag is None, r
            if r.type == type and all(getattr(r, k) == v
                                      for k, v in fields.items()):
                return r

    def starttls(self, context):
        self.ok('STARTTLS')
        assert not self.buf, self.buf
        self.sock = context.wrap_socket(self.sock,
                                        server_hostname='localhost')
        self.tls = context
