"""An engine and its storage, played by a thread of the test: accounts are
not told apart, there is one mailbox, and everything can be made to go wrong.
"""

import struct
import threading

from house import CAP, ST
from messages import Closed, put_set, ranges

FLAGS, ID, SIZE, DATE, MODSEQ = 1, 2, 4, 8, 16
ALL_CAPS = sum(1 << CAP[c] for c in ('WRITE', 'MODSEQ', 'IDEMPOTENCY'))
CHUNK = 32000


def row(uids, id=None, size=None):
    """As lib/strow.c writes it"""
    has = (ID if id is not None else 0) | (SIZE if size is not None else 0)
    out = struct.pack('>H', has) + put_set(uids)
    if id is not None:
        text = id.encode() + b'\0'
        out += struct.pack('>H', len(text)) + text
    if size is not None:
        out += struct.pack('>Q', size)
    return out


def members(pairs):
    return [u for lo, hi in pairs for u in range(lo, hi + 1)]


class Engine(threading.Thread):
    """Answers what comes on a channel.  A hook by a message's type sees it
    first and returns True when it has dealt with it."""

    def __init__(self, chan, caps=ALL_CAPS, message=0):
        super().__init__(daemon=True)
        self.chan = chan
        self.caps, self.message = caps, message
        self.messages = {}              # uid -> bytes
        self.hidden = set()             # listed, and gone when asked for
        self.rows = None                # rows of the first listing
        self.uidvalidity = 7
        self.mailbox_has = 0
        self.hooks = {}
        self.seen = []                  # types, in order
        self.reads = {}                 # (session, req): data to send
        self.uploads = {}               # (session, req): Upload
        self.delivered = []             # Uploads that ended well
        self.codes = {}                 # a recipient's handle: what fails
        self.hold = False               # take no more than the first credit
        self.most_inflight = 0
        self.expunged = []
        self.lock = threading.RLock()
        self.error = None
        self.uid = 0

    def inform(self, up=1):
        self.chan.send('st_info', storage=0, up=up, caps=self.caps,
                       message=self.message, recipients=1000)

    def run(self):
        try:
            while True:
                m = self.chan.recv(3600)
                with self.lock:
                    self.seen.append(m.type)
                    hook = self.hooks.get(m.type)
                    if hook is None or not hook(m):
                        getattr(self, 'on_' + m.type)(m)
        except (Closed, OSError):
            pass
        except Exception as e:
            self.error = e
            raise

    def reply(self, m, type, /, **fields):
        self.chan.send(type, sid=m.sid, req=m.req, **fields)

    def end(self, m, code='OK', text=''):
        self.reply(m, 'st_end', code=ST[code], text=text)

    # reading

    def on_st_mailboxes(self, m):
        self.reply(m, 'st_mbox', id='m0', name='Archive/INBOX',
                   uidvalidity=3, uidnext=1)
        self.reply(m, 'st_mbox', id='m1', name='INBOX',
                   uidvalidity=self.uidvalidity, uidnext=1,
                   messages=len(self.messages), has=self.mailbox_has)
        self.end(m)

    def content(self, uid):
        return self.messages[uid]

    def on_st_list(self, m):
        assert m.mailbox == 'm1', m
        uids = sorted(self.messages)
        if m.uids:
            asked = set(members(m.uids))
            uids = [u for u in uids if u in asked and u not in self.hidden]
        self.reply(m, 'st_head', uidnext=1, uidvalidity=self.uidvalidity,
                   fields=m.fields, uids=bool(m.uids))
        rows = b''
        if self.rows is not None and not m.uids:
            rows = self.rows
        else:
            for u in uids:
                rows += row([u], 'id%d' % u if m.fields & ID else None,
                            len(self.content(u)) if m.fields & SIZE else
                            None)
        self.read(m, rows, 'st_rows', 'rows', m.credit)

    def on_st_get(self, m):
        uid = int(m.id[2:])
        if uid not in self.messages:
            self.end(m, 'NO_SUCH_MESSAGE')
            return
        assert m.offset == 0 and m.length == m.size, m
        self.read(m, self.content(uid), 'st_data', 'data', m.credit)

    def read(self, m, data, type, field, credit):
        """Bulk, against credit; rows are cut anywhere only if one row each"""
        pieces = []
        if type == 'st_rows':
            size = len(row([1], None, 1)) * 2000
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
            if self.rows is None and data and m.fields & ID:
                pieces = [data]
        else:
            pieces = [data[i:i + CHUNK] for i in range(0, len(data), CHUNK)]
        self.reads[m.sid, m.req] = [m, pieces, type, field, credit, 0]
        self.go_on(m.sid, m.req)

    def go_on(self, sid, req):
        m, pieces, type, field, credit, sent = r = self.reads[sid, req]
        while pieces and r[4] > 0:
            piece = pieces[0][:r[4]] if type == 'st_data' else pieces[0]
            rest = pieces[0][len(piece):]
            pieces[:1] = [rest] if rest else []
            r[4] -= len(piece)
            self.reply(m, type, **{field: piece})
            hook = self.hooks.get('sent')
            if hook is not None and hook(m, pieces):
                del self.reads[sid, req]
                return
        if not pieces:
            del self.reads[sid, req]
            self.end(m)

    def on_st_credit(self, m):
        r = self.reads.get((m.sid, m.req))
        if r is not None:
            r[4] += m.bytes
            self.most_inflight = max(self.most_inflight, r[4])
            self.go_on(m.sid, m.req)

    def on_st_cancel(self, m):
        self.reads.pop((m.sid, m.req), None)
        self.uploads.pop((m.sid, m.req), None)

    def on_st_expunge(self, m):
        assert m.mailbox == 'm1' and m.onlyif == '', m
        gone = [u for u in members(m.uids) if u in self.messages]
        for u in gone:
            del self.messages[u]
        self.expunged.append(m.uids)
        self.reply(m, 'st_change', mailbox='m1')
        self.reply(m, 'st_vanished', uids=gone)
        self.end(m)

    # uploads

    def on_st_deliver(self, m):
        self.uploads[m.sid, m.req] = Upload(m)
        hook = self.hooks.get('began')
        if hook is not None:
            hook(m)

    def on_st_data(self, m):
        u = self.uploads.get((m.sid, m.req))
        if u is None:
            return
        u.data += m.data
        u.credit -= len(m.data)
        assert u.credit >= 0, 'more than its credit'
        if not self.hold:
            u.credit += len(m.data)
            self.reply(m, 'st_credit', bytes=len(m.data))

    def release(self):
        """The storage takes what was held back"""
        with self.lock:
            self.hold = False
            for u in list(self.uploads.values()):
                n = CREDIT - u.credit
                u.credit += n
                self.reply(u.m, 'st_credit', bytes=n)

    def on_st_data_end(self, m):
        u = self.uploads.pop((m.sid, m.req), None)
        if u is None:
            return
        self.delivered.append(u)
        if u.m.known:
            assert u.m.size == len(u.data), (u.m.size, len(u.data))
        self.store(u)

    def store(self, u):
        for h in u.handles:
            self.uid += 1
            code = self.codes.get(h, 'OK')
            self.reply(u.m, 'st_stored', rcpt=h, code=ST[code],
                       uid=self.uid if code == 'OK' else 0, uidvalidity=7)
        self.end(u.m)


CREDIT = 256 * 1024


class Upload:
    def __init__(self, m):
        self.m, self.data, self.credit = m, b'', CREDIT
        self.handles = members(m.rcpts)
