#!/usr/bin/env python3
"""Mail in an SQLite database: mfront-storage(7), level 2.  Whoever mfrontd lets in
has an account.  usage: sqlite.py FILE [HOST:PORT | unix:PATH]

Each request is one transaction.  When FILE has come back from a backup, run
"sqlite.py FILE restored" before anything else: mail clients then begin anew."""
import contextlib, datetime, hashlib, json, sqlite3, sys, threading, time
import mfstore
from mfstore import need

SCHEMA = '''
CREATE TABLE IF NOT EXISTS account(name TEXT PRIMARY KEY, uidvalidity INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS mailbox(id TEXT PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1, modseq INTEGER NOT NULL DEFAULT 1,
    messages INTEGER NOT NULL DEFAULT 0, roles TEXT NOT NULL DEFAULT '[]', flags TEXT NOT NULL DEFAULT '{}',
    UNIQUE(account, name));
CREATE TABLE IF NOT EXISTS highest(account TEXT NOT NULL, name TEXT NOT NULL, uidvalidity INTEGER NOT NULL,
    PRIMARY KEY(account, name));
CREATE TABLE IF NOT EXISTS message(mailbox TEXT NOT NULL, uid INTEGER NOT NULL, id TEXT NOT NULL,
    size INTEGER NOT NULL, date TEXT NOT NULL, flags TEXT NOT NULL, modseq INTEGER NOT NULL,
    PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS message_id ON message(id);
CREATE TABLE IF NOT EXISTS vanished(mailbox TEXT NOT NULL, modseq INTEGER NOT NULL, uid INTEGER NOT NULL,
    PRIMARY KEY(mailbox, modseq, uid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content(account TEXT NOT NULL, id TEXT NOT NULL, used INTEGER NOT NULL,
    data BLOB NOT NULL, UNIQUE(account, id));
CREATE TABLE IF NOT EXISTS event(cursor INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
    account TEXT NOT NULL, mailbox TEXT, modseq INTEGER);
CREATE TABLE IF NOT EXISTS key(account TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
    answer TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(account, key));
'''
DAY = 86400


class Sqlite(mfstore.Store):
    name = 'sqlite.py'
    capabilities = dict(write=True, modseq=True, events={'bound_ms': 1000}, idempotency=True, copy=True)

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.db = self.open()                   # the one that writes, within transaction()
        self.db.executescript(SCHEMA)

    def open(self):
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=60)
        db.row_factory = sqlite3.Row
        db.executescript('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
        return db

    @contextlib.contextmanager
    def transaction(self):                      # on disk before it is answered or told
        with self.bell:
            self.db.execute('BEGIN IMMEDIATE')
            try:
                yield
                self.db.execute('COMMIT')
            except BaseException:
                self.db.execute('ROLLBACK')
                raise
            self.bell.notify_all()

    @contextlib.contextmanager
    def reading(self):                          # one state of everything, however long it takes
        with contextlib.closing(self.open()) as db:
            db.execute('BEGIN')
            yield db

    def recall(self, key, digest):
        found = self.db.execute('SELECT * FROM key WHERE account = ? AND key = ?', key).fetchone()
        need(not found or found['digest'] == digest, 'key-reused')
        return found and json.loads(found['answer'])

    def remember(self, key, digest, answer):
        self.db.execute('INSERT OR REPLACE INTO key VALUES (?, ?, ?, ?, ?)',
                        (*key, digest, json.dumps(answer), int(time.time())))

    def sweeping(self):                         # what nobody needs any more goes, after a day
        while True:
            with self.transaction():
                self.sweep((int(time.time()) - DAY,))
            time.sleep(3600)

    def sweep(self, old):
        self.db.execute('DELETE FROM key WHERE at < ?', old)
        self.db.execute('DELETE FROM event WHERE at < ?', old)
        self.db.execute('DELETE FROM content WHERE used < ? AND NOT EXISTS (SELECT * FROM message '
                        'JOIN mailbox ON mailbox = mailbox.id WHERE message.id = content.id '
                        'AND account = content.account)', old)

    # Events

    def cursor(self, db=None):
        found = (db or self.db).execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return str(found[0] if found else 0)

    def news(self, cursor):
        last, oldest = int(self.cursor()), self.db.execute('SELECT min(cursor) FROM event').fetchone()[0]
        need(cursor.isdecimal() and (oldest or last + 1) - 1 <= int(cursor) <= last, 'cursor-too-old')
        rows = self.db.execute('SELECT account, mailbox, modseq, CAST(cursor AS TEXT) AS cursor FROM event '
                               'WHERE event.cursor > ? ORDER BY event.cursor', (int(cursor),))
        return [{k: row[k] for k in row.keys() if row[k] is not None} for row in rows]

    def tell(self, account, mailbox=None, modseq=None):
        self.db.execute('INSERT INTO event(at, account, mailbox, modseq) VALUES (?, ?, ?, ?)',
                        (int(time.time()), account, mailbox, modseq))

    # Mailboxes

    def row(self, box):
        row = {k: box[k] for k in ('id', 'name', 'uidvalidity', 'uidnext', 'modseq', 'messages')}
        return dict(row, roles=json.loads(box['roles']))

    def box(self, db, account, mailbox, code='no-such-mailbox'):
        found = db.execute('SELECT * FROM mailbox WHERE id = ? AND account = ?', (mailbox, account)).fetchone()
        need(found, code)
        return dict(found, before=found['modseq'], known=json.loads(found['flags']))

    def mailboxes(self, account):
        with self.reading() as db:
            known = db.execute('SELECT * FROM account WHERE name = ?', (account,)).fetchone()
        if not known:
            with contextlib.suppress(mfstore.Problem), self.transaction():
                self.create(account, {'name': 'INBOX'})
        with self.reading() as db:
            yield {'cursor': self.cursor(db)}
            yield from map(self.row, db.execute('SELECT * FROM mailbox WHERE account = ?', (account,)))

    def mailbox(self, account, mailbox):
        with self.reading() as db:
            return self.row(self.box(db, account, mailbox))

    def taken(self, account, name):
        return self.db.execute('SELECT * FROM mailbox WHERE account = ? AND name = ?',
                               (account, name)).fetchone()

    def number(self, account, name):            # an id and a uidvalidity that were never used
        self.db.execute('INSERT INTO account VALUES (?, ?) ON CONFLICT DO UPDATE SET uidvalidity = '
                        'max(uidvalidity + 1, excluded.uidvalidity)', (account, int(time.time())))
        v = self.db.execute('SELECT uidvalidity FROM account WHERE name = ?', (account,)).fetchone()[0]
        self.named(account, name, v)
        return '%s-%d' % (hashlib.sha256(account.encode()).hexdigest()[:32], v), v

    def named(self, account, name, uidvalidity):        # the largest that each name has had
        self.db.execute('INSERT OR REPLACE INTO highest VALUES (?, ?, ?)', (account, name, uidvalidity))

    def create(self, account, body):
        if body['name'] != 'INBOX' and not self.taken(account, 'INBOX'):
            self.create(account, {'name': 'INBOX'})     # which it has with its first request
        need(not self.taken(account, body['name']), 'exists')
        ident, v = self.number(account, body['name'])
        self.db.execute('INSERT INTO mailbox(id, account, name, uidvalidity, roles) VALUES (?, ?, ?, ?, ?)',
                        (ident, account, body['name'], v, json.dumps(body.get('roles', []))))
        self.tell(account)
        return self.row(self.box(self.db, account, ident))

    def rename(self, account, body):
        old, new = body['from'], body['to']
        need(old != 'INBOX' and not new.startswith(old + '/'), 'not-permitted')
        found = self.db.execute('SELECT * FROM mailbox WHERE account = ? ORDER BY name', (account,)).fetchall()
        found = [box for box in found if (box['name'] + '/').startswith(old + '/')]
        need(found, 'no-such-mailbox')
        need(new != old, 'exists')
        names = {box['name']: new + box['name'][len(old):] for box in found}
        for box in found:
            name, taken = names[box['name']], self.taken(account, names[box['name']])
            need(not taken or taken['name'] in names, 'exists')
            had = self.db.execute('SELECT * FROM highest WHERE account = ? AND name = ?',
                                  (account, name)).fetchone()
            self.db.execute('UPDATE mailbox SET name = ? WHERE id = ?', (name, box['id']))
            if had and had['uidvalidity'] > box['uidvalidity']:
                self.renumber(dict(box, name=name))
            else:
                self.named(account, name, box['uidvalidity'])
        self.tell(account)

    def renumber(self, box):                    # another uidvalidity is another id
        ident, v = self.number(box['account'], box['name'])
        self.db.execute('UPDATE mailbox SET id = ?, uidvalidity = ? WHERE id = ?', (ident, v, box['id']))
        for table in ('message', 'vanished'):
            self.db.execute('UPDATE %s SET mailbox = ? WHERE mailbox = ?' % table, (ident, box['id']))

    def restored(self):
        with self.transaction():
            for box in self.db.execute('SELECT * FROM mailbox').fetchall():
                self.renumber(box)
            self.db.execute("UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name = 'event'")
            self.db.execute('DELETE FROM event')

    def delete(self, account, mailbox):
        box = self.box(self.db, account, mailbox)
        need(box['name'] != 'INBOX', 'not-permitted')
        self.remove(box, self.select(self.db, box))
        for table, column in (('vanished', 'mailbox'), ('mailbox', 'id')):
            self.db.execute('DELETE FROM %s WHERE %s = ?' % (table, column), (mailbox,))
        self.tell(account)

    # Messages

    def select(self, db, box, ranges=((1, 1 << 32),), since=0):
        for low, high in ranges:
            for m in db.execute('SELECT * FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? '
                                'AND modseq > ? ORDER BY uid', (box['id'], low, high, since)):
                yield dict(m, flags=json.loads(m['flags']))

    def messages(self, account, mailbox, query):
        with self.reading() as db:
            box, since, gone = self.box(db, account, mailbox), query.get('since', 0), []
            if since:
                gone = [uid for uid, in db.execute('SELECT DISTINCT uid FROM vanished WHERE mailbox = ? '
                                                   'AND modseq > ? ORDER BY uid', (mailbox, since))]
            header = {k: box[k] for k in ('modseq', 'uidnext', 'uidvalidity')}
            header['flags'] = [*box['known'].values()]
            ranges = query['uids'].ranges if 'uids' in query else ((1, 1 << 32),)
            yield from mfstore.listing(query, header, self.select(db, box, ranges, since), gone)

    def content(self, account, ident):
        with self.reading() as db:
            found = db.execute('SELECT data FROM content WHERE account = ? AND id = ?',
                               (account, ident)).fetchone()
        need(found, 'no-such-message')
        return found[0]

    def add(self, box, m):
        uid, box['uidnext'] = box['uidnext'], box['uidnext'] + 1
        box.update(modseq=box['before'] + 1, messages=box['messages'] + 1)
        flags = mfstore.flagged([], {'set': m['flags']}, box['known'])
        self.db.execute('INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)', (
            box['id'], uid, m['id'], m['size'], m['date'], json.dumps(flags), box['modseq']))
        return uid

    def remove(self, box, messages):
        uids = []
        for m in list(messages):
            box.update(modseq=box['before'] + 1, messages=box['messages'] - 1)
            uids.append(m['uid'])
            self.db.execute('DELETE FROM message WHERE mailbox = ? AND uid = ?', (box['id'], m['uid']))
            self.db.execute('INSERT INTO vanished VALUES (?, ?, ?)', (box['id'], box['modseq'], m['uid']))
            self.db.execute('UPDATE content SET used = ? WHERE account = ? AND id = ?',
                            (int(time.time()), box['account'], m['id']))
        return mfstore.sets('vanished', uids)

    def done(self, box):
        """Keeps what has become of a mailbox; tells it"""
        if box['modseq'] > box['before']:
            self.db.execute('UPDATE mailbox SET uidnext = ?, modseq = ?, messages = ?, flags = ? '
                            'WHERE id = ?', (box['uidnext'], box['modseq'], box['messages'],
                                             json.dumps(box['known']), box['id']))
            self.tell(box['account'], box['id'], box['modseq'])
        return {'mailbox': box['id'], 'modseq_before': box['before'], 'modseq': box['modseq']}

    def append(self, account, mailbox, to, data):
        box, ident = self.box(self.db, account, mailbox), hashlib.sha256(data).hexdigest()
        now = datetime.datetime.now().astimezone().isoformat(timespec='seconds')
        uid = self.add(box, dict(id=ident, size=len(data), flags=to.get('flags', []),
                                 date=to.get('date', now)))
        self.db.execute('INSERT INTO content VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE '
                        'SET used = excluded.used', (account, ident, int(time.time()), data))
        return dict(uid=uid, uidvalidity=box['uidvalidity'], id=ident, change=self.done(box))

    def change(self, account, mailbox, body):
        box, rows, modified = self.box(self.db, account, mailbox), [], []
        for m in list(self.select(self.db, box, body['uids'].ranges)):
            if m['modseq'] > body.get('unchanged_since', m['modseq']):
                modified.append(m['uid'])
                continue
            flags = mfstore.flagged(m['flags'], body, box['known'])
            if flags != m['flags']:
                box['modseq'] = box['before'] + 1
                self.db.execute('UPDATE message SET flags = ?, modseq = ? WHERE mailbox = ? AND uid = ?',
                                (json.dumps(flags), box['modseq'], mailbox, m['uid']))
                rows.append(dict(uid=m['uid'], flags=flags))
        return [{'change': self.done(box)}, *mfstore.merged(rows), *mfstore.sets('modified', modified)]

    def expunge(self, account, mailbox, body):
        box, flag = self.box(self.db, account, mailbox), (body['only_if_flag'] or '').lower()
        vanished = [*self.remove(box, (m for m in self.select(self.db, box, body['uids'].ranges)
                                       if not flag or flag in map(str.lower, m['flags'])))]
        return [{'change': self.done(box)}, *vanished]

    def copy(self, account, mailbox, body):
        box = self.box(self.db, account, mailbox)
        to = box if body['to'] == mailbox else self.box(self.db, account, body['to'], 'no-such-target')
        found = list(self.select(self.db, box, body['uids'].ranges))
        copies = [self.add(to, m) for m in found]
        pairs = zip(mfstore.sets('from', [m['uid'] for m in found]), mfstore.sets('to', copies))
        lines = [{**old, **new} for old, new in pairs]
        if body['move']:
            lines += self.remove(box, found)
        return [dict(from_change=self.done(box), to_change=self.done(to),
                     uidvalidity=to['uidvalidity']), *lines]


if __name__ == '__main__':
    store = Sqlite(sys.argv[1])
    if sys.argv[2:] == ['restored']:
        sys.exit(store.restored())
    threading.Thread(target=store.sweeping, daemon=True).start()
    mfstore.serve(store, *sys.argv[2:] or ['127.0.0.1:8025'])
