"""The HTTP half of a storage for mfrontd, as mfront-storage(7) says.  Copy this
file, and write the other half beside it:

    class Store(mfstore.Store):
        capabilities = {'write': True}
        def mailboxes(self, account): ...       # a method for each of CALLS
    mfstore.serve(Store(), '127.0.0.1:8025')    # or unix:/run/store.sock

If the environment has MFSTORE_TOKEN, that is the token which mfrontd must know.
A method gets what stands for A, M and C in the path, then the query or the
body, checked.  It returns a dict (JSON), dicts (NDJSON, the header first),
bytes (a content) or None; or it refuses: raise Problem(code)."""
import bisect, contextlib, datetime, hashlib, hmac, itertools, json, os, re, socket, socketserver
import threading, traceback, unicodedata
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

CALLS = [line.split() for line in '''
GET    /                                service   -
GET    /events                          events    events
POST   /auth                            auth      auth          mechanism:text username:text password:text authzid:text? service:text? remote:text? tls:bool?
POST   /recipients                      recipient recipients    address:text from:text? size:number?
POST   /messages                        upload    write         to:targets from:text? delivery:bool?
GET    /accounts/A/mailboxes            mailboxes -
POST   /accounts/A/mailboxes            create    write         name:name roles:texts?
POST   /accounts/A/mailboxes/rename     rename    write         from:name to:name
POST   /accounts/A/subscriptions        subscribe subscriptions add:texts? remove:texts?
GET    /accounts/A/mailboxes/M          mailbox   -
DELETE /accounts/A/mailboxes/M          delete    write
GET    /accounts/A/mailboxes/M/messages messages  -
PATCH  /accounts/A/mailboxes/M/messages change    write         uids:set set:flags? add:flags? remove:flags? unchanged_since:number?modseq
POST   /accounts/A/mailboxes/M/expunge  expunge   write         uids:set only_if_flag:flag
POST   /accounts/A/mailboxes/M/copy     copy      copy          uids:set to:text move:bool
GET    /accounts/A/messages/C           content   -'''.strip().splitlines()]
TARGET = 'account:text mailbox:text address:text? flags:flags? date:date?'.split()
STATUS = {code: status for status, codes in {
    400: 'bad-request unknown-parameter', 401: 'bad-token', 409: 'exists in-use key-in-progress',
    403: 'bad-credentials account-disabled expired not-permitted read-only', 413: 'too-large',
    410: 'since-too-old cursor-too-old', 422: 'key-reused', 500: 'internal', 503: 'try-later',
    507: 'over-quota storage-full'}.items() for code in codes.split()}      # no-such-...: 404
SYSTEM = {f.lower(): f for f in ('\\Answered', '\\Deleted', '\\Draft', '\\Flagged', '\\Seen')}
ATOM = re.compile(r'[^\x00-\x20(){%*"\\\]\x7f-\U0010ffff]{1,250}')
DATE = re.compile(r'[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])')

class Problem(Exception):
    def __init__(self, code, status=None):
        self.status, self.body = status or STATUS.get(code, 404), {'code': code}
        self.body['status'] = self.status

def need(truth, code='bad-request'):
    if not truth:
        raise Problem(code)
    return truth

# What members are.  ValueError and TypeError are bad-request, too.

class Set:
    """Uids: `uid in uids`, and uids.ranges, uids.text"""
    def __init__(self, text):
        need(re.fullmatch(r'[1-9][0-9]*(:[1-9][0-9]*)?(,[1-9][0-9]*(:[1-9][0-9]*)?)*', text))
        parts = [[int(n) for n in part.split(':')] for part in text.split(',')]
        self.text, self.ranges = text, [(part[0], part[-1]) for part in parts]
        self.lows, self.highs = zip(*self.ranges)
        need(all(part[0] < part[1] for part in parts if part[1:]) and self.highs[-1] < 1 << 32)
        need(all(high + 1 < low for high, low in zip(self.highs, self.lows[1:])))

    def __contains__(self, uid):
        return uid <= self.highs[-1] and uid >= self.lows[bisect.bisect_left(self.highs, uid)]

def a(kind, right=lambda value: True):
    return lambda value: value if need(type(value) is kind and right(value)) else value

def each(kind):
    return lambda values: [kind(value) for value in a(list)(values)]

def name(value):
    need(1 <= len(value.encode()) <= 1000 and unicodedata.is_normalized('NFC', value))
    need(all(value.split('/')) and not re.search('[\x00-\x1f\x7f-\x9f]', value))
    need(value.split('/')[0] == 'INBOX' or value.split('/')[0].upper() != 'INBOX')
    return value

flag = a(str, lambda value: value.lower() in SYSTEM or ATOM.fullmatch(value))
date = a(str, lambda value: DATE.fullmatch(value) and datetime.datetime.fromisoformat(value))
KINDS = dict(text=a(str), texts=each(a(str)), bool=a(bool), number=a(int, lambda value: value >= 0),
             set=Set, name=name, flags=each(flag), flag=lambda value: value and flag(value), date=date,
             targets=lambda value: need(each(lambda to: members(to, TARGET))(value)))

def members(value, words, able=()):
    """The members of an object, as the words want them; null is mostly the same as none"""
    known = {m: (KINDS[kind], may) for m, kind, may, capability in (
        re.fullmatch(r'(\w+):(\w+)(\??)(\w*)', word).groups() for word in words)
        if not capability or capability in able}
    need(a(dict)(value).keys() <= known.keys(), 'unknown-parameter')
    value = {m: v for m, v in value.items() if v is not None or m in ('only_if_flag', 'unchanged_since')}
    need(all(may or m in value for m, (_, may) in known.items()))
    return {m: known[m][0](v) for m, v in value.items()}

def flagged(old, body, known):
    """The flags after set, add, remove.  known: lower case -> as the mailbox has it, is added to"""
    for f in body.get('set', []) + body.get('add', []):
        known.setdefault(f.lower(), SYSTEM.get(f.lower(), f))
    want = {m: {f.lower() for f in body.get(m, ())} for m in ('set', 'add', 'remove')}
    new = want['set'] if 'set' in body else {f.lower() for f in old} - want['remove'] | want['add']
    new, all_of_them = sorted(known[f] for f in new), json.dumps([*known.values()])
    need(len(json.dumps(new)) <= 8000 and len(all_of_them) <= 32000, 'not-permitted')
    need(len({*new} - {*SYSTEM.values()}) <= 256 and len(known.keys() - SYSTEM) <= 1000, 'not-permitted')
    return new

# Rows

def sets(key, uids, most=1000):
    """Lines {key: set}, of ascending uids"""
    for i in range(0, len(uids), most):
        runs = itertools.groupby(enumerate(uids[i:i + most]), lambda pair: pair[1] - pair[0])
        runs = ([uid for _, uid in run] for _, run in runs)
        yield {key: ','.join('%d:%d' % (r[0], r[-1]) if r[1:] else str(r[0]) for r in runs)}

def merged(rows):
    """One row for neighbours that say the same"""
    for _, run in itertools.groupby(enumerate(rows), lambda r: dict(r[1], uid=r[1]['uid'] - r[0])):
        first = last = next(run)[1]
        for _, last in run:
            pass
        yield first if first is last else {'uids': '%d:%d' % (first['uid'], last['uid']), **{
            k: v for k, v in first.items() if k != 'uid'}}

def listing(query, header, rows, vanished=()):
    """The answer to GET messages; rows are whole, ascending, and may be more than asked for"""
    fields, applied, since = ['id', 'flags', 'size', 'date', 'modseq'], {}, query.get('since', 0)
    if 'fields' in query:
        fields = [f for f in fields if f in query['fields'].split(',') and (f != 'modseq' or f in header)]
        applied['fields'] = ['uid', *fields]
    if 'uids' in query:
        applied['uids'] = query['uids'].text
    if since:
        need(since <= header['modseq'], 'since-too-old')
        applied['since'], fields = since, [*{*fields, 'modseq'}]
    yield {**header, 'applied': applied}
    yield from sets('vanished', vanished)
    yield from merged({k: row[k] for k in ('uid', *fields) if k in row} for row in rows if (
        'uids' not in query or row['uid'] in query['uids']) and row.get('modseq', 1) > since)

class Store:
    """What yours is made of"""
    name, version, capabilities, limits = 'mfstore', '1', {}, {'message': 64 << 20}

    def __init__(self):
        self.bell = threading.Condition()       # held during a change, rung after it

    def service(self):
        return dict(name=self.name, version=self.version, api=1,
                    capabilities=self.capabilities, limits=self.limits)

    @contextlib.contextmanager
    def transaction(self):                      # around each request that changes something
        with self.bell:
            yield
            self.bell.notify_all()

    def once(self, key, digest, make):
        """What make() gives or, under the same key, gave: recall() and remember() are yours"""
        with self.transaction():
            old = self.recall(key, digest) if key else None
            answer = make(old)
            if key and answer is not old:
                self.remember(key, digest, answer)
            return answer

    def upload(self, body, data, old):
        """append() is yours: for one of them; it refuses before it changes anything"""
        rows = {row['index']: row for row in (old or [])[1:] if 'uid' in row}
        for index, to in enumerate(body['to']):
            try:
                rows[index] = rows.get(index) or {
                    'index': index, **self.append(to['account'], to['mailbox'], to, data)}
            except Problem as problem:
                rows[index] = dict(index=index, code=problem.body['code'].replace('-mailbox', '-target'))
        return [{}, *(rows[index] for index in sorted(rows))]

    def events(self, query):
        """The stream, made of cursor() and news(cursor), which gives lines: both are yours"""
        with self.bell:                         # nothing is half done
            at = query.get('since') or self.cursor()
            self.news(at)                       # may refuse
        yield {'cursor': at}
        while True:
            with self.bell:
                lines = self.news(at) or self.bell.wait(5) and self.news(at) or [{'cursor': at}]
            yield from lines
            at = lines[-1]['cursor']

class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, log_message = 'HTTP/1.1', 1 << 16, lambda *args: None

    def say(self, status, value=None, kind='application/json'):
        value = value if isinstance(value, bytes) else json.dumps(value).encode() if value else b''
        self.send_response(status)
        if status != 204:
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(value)))
        if self.close_connection:
            self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(value)

    def refuse(self, problem, close=False):
        self.close_connection |= close
        self.say(problem.status, problem.body, 'application/problem+json')

    def send_error(self, status, *args):        # http.server does not like a head
        self.refuse(Problem('bad-request', status), True)

    def handle_expect_100(self):                # before a large body comes
        if fits := int(self.headers.get('Content-Length', 0)) <= self.server.most:
            return super().handle_expect_100()
        self.refuse(Problem('too-large'), True)
        return fits

    def read(self, size):
        while size:                             # piece by piece, for what is too large is not kept
            piece = self.rfile.read(min(size, 1 << 16))
            if not piece:
                raise ConnectionError('it was cut off')
            size -= len(piece)
            if len(self.body) <= self.server.most:
                self.body += piece

    def read_body(self):
        self.body = bytearray()
        self.read(int(self.headers.get('Content-Length', 0)))
        while 'chunked' in self.headers.get('Transfer-Encoding', ''):
            line = self.rfile.readline(100)
            size = int(line.split(b';')[0], 16) if line.endswith(b'\n') else -1
            self.read(size)
            self.rfile.readline(100)
            if not size:
                break
        need(len(self.body) <= self.server.most, 'too-large')
        return bytes(self.body)

    def arguments(self, store, name, words, query, body):
        if name in ('messages', 'events'):      # of two parameters of a name the first counts
            query = {k: unquote(v, errors='strict') for k, _, v in (
                pair.partition('=') for pair in reversed(query.split('&')))}
            if name == 'messages':
                kinds = {'uids': Set, 'since': lambda n: need(int(n) > 0) and int(n)}
                query = {k: kinds.get(k, str)(v) for k, v in query.items()
                         if k != 'since' or 'modseq' in store.capabilities}
            return [query]
        head, lf, data = body.partition(b'\n') if name == 'upload' else (body, b'\n', b'')
        need(lf and len(data) <= store.limits['message'], 'too-large' if lf else 'bad-request')
        head = members(json.loads(head, parse_float=a(int)), words, store.capabilities) if words else {}
        if name == 'change':
            sets = {m: {f.lower() for f in head[m]} for m in ('set', 'add', 'remove') if m in head}
            need(sets and (len(sets) == 1 or 'set' not in sets and not sets['add'] & sets['remove']))
        return ([head] if words else []) + ([data] if name == 'upload' else [])

    def call(self, store):
        path, _, query = self.path.partition('?')
        path, body = re.sub('^/[^/]*', '', path) or '/', self.read_body()
        calls = {method: (name, words, found.groups()) for method, pattern, name, capability, *words in CALLS
                 if (capability == '-' or capability in store.capabilities) and (
                     found := re.fullmatch(re.sub('[A-Z]', '([^/]+)', pattern), path))}
        if self.command not in calls:
            raise Problem('bad-request', 405 if calls else 404)
        name, words, ids = calls[self.command]
        try:
            args = [unquote(i, errors='strict') for i in ids] + self.arguments(store, name, words, query, body)
        except (ValueError, TypeError, AttributeError):
            raise Problem('bad-request')
        need(not ids or 1 <= len(args[0].encode()) <= 500 and not re.search(
            '[\x00-\x1f\x7f-\x9f]', args[0]), 'no-such-account')
        make, key = getattr(store, name), self.headers['Idempotency-Key']
        if self.command == 'GET' or name in ('auth', 'recipient'):
            return name, make(*args)
        key = key and 'idempotency' in store.capabilities and need(
            re.fullmatch('[!-~]{1,255}', key)) and (args[0] if ids else '', key)
        digest = hashlib.sha256(b'%s %s %s' % (self.command.encode(), self.path.encode(), body)).hexdigest()
        if name == 'upload':
            return name, store.once(key, digest, lambda old: make(*args, old))
        return name, store.once(key, digest, lambda old: old or [make(*args)])[0]

    def do(self):
        try:
            given = self.headers.get('Authorization', '').encode()
            if not hmac.compare_digest(self.server.token or given, given):
                return self.refuse(Problem('bad-token'), True)
            name, answer = self.call(self.server.store)
            if name == 'content':
                self.say(200, answer, 'message/rfc822')
            elif answer is None or isinstance(answer, dict):
                self.say(201 if name == 'create' else 200 if answer else 204, answer)
            else:
                self.stream(iter(answer), name == 'events')
        except Problem as problem:
            self.refuse(problem)
        except ConnectionError:
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self.refuse(Problem('internal'), True)
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def stream(self, lines, at_once):
        header = next(lines)                    # what is refused is refused here
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-ndjson')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        for line in itertools.chain([dict(header, header=True)], self.ended(lines)):
            line = json.dumps(line).encode()
            self.wfile.write(b'%x\r\n%s\n\r\n' % (len(line) + 1, line))
            if at_once:
                self.wfile.flush()
        self.wfile.write(b'0\r\n\r\n')

    def ended(self, lines):
        try:
            yield from lines
            yield {'end': True}
        except Problem as problem:              # it is too late for another status
            yield {'end': False, 'code': problem.body['code']}
        except Exception:
            traceback.print_exc()
            yield {'end': False, 'code': 'internal'}

class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 128

    def handle_error(self, request, address):
        pass                                    # they hung up

def serve(store, where, token=os.environ.get('MFSTORE_TOKEN')):
    host, _, port = where.rpartition(':')
    Server.address_family = socket.AF_UNIX if host == 'unix' else socket.AF_INET
    Handler.disable_nagle_algorithm = host != 'unix'
    with Server(port if host == 'unix' else (host, int(port)), Handler) as server:
        server.store, server.most = store, store.limits['message'] + (1 << 20)
        server.token = token and b'Bearer ' + token.encode()
        server.serve_forever()
