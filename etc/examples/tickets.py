#!/usr/bin/env python3
"""Tickets, which are no mail, in a mail client: mfront-storage(7), level 1.
usage: tickets.py FILE [HOST:PORT | unix:PATH]

FILE is an SQLite database.  Its table ticket may belong to another program:

    desk   whose it is: the account, the name that somebody logs in with
    queue  the mailbox; INBOX is where new ones come to
    title, author, opened, body   what is shown
    state  'open'; anything else is shown to nobody

An open ticket is a message.  To expunge it is to close it.  To append a message
(or to deliver one) is to open a ticket, unless its field X-Ticket names one of the
desk: then that one is shown there, and so is closed only with its last message.
That is how mail clients copy and move.  When a ticket is edited, its message goes
and another comes: bytes that were shown under an id are kept and never change."""
import contextlib, datetime, email.message, email.policy, email.utils, hashlib, json, sqlite3, sys, time
import mfstore
from mfstore import need

SCHEMA = '''PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS ticket(number INTEGER PRIMARY KEY AUTOINCREMENT, desk TEXT NOT NULL,
    queue TEXT NOT NULL DEFAULT 'INBOX', title TEXT NOT NULL, author TEXT NOT NULL DEFAULT '',
    opened TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')), body TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'open');
CREATE TABLE IF NOT EXISTS desk(name TEXT PRIMARY KEY, uidvalidity INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS queue(id TEXT PRIMARY KEY, desk TEXT NOT NULL, name TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1, state INTEGER NOT NULL DEFAULT 1,
    roles TEXT NOT NULL DEFAULT '[]', flags TEXT NOT NULL DEFAULT '{}', UNIQUE(desk, name));
CREATE TABLE IF NOT EXISTS message(queue TEXT NOT NULL, uid INTEGER NOT NULL, ticket INTEGER NOT NULL,
    version TEXT NOT NULL, id TEXT NOT NULL, size INTEGER NOT NULL, date TEXT NOT NULL, flags TEXT NOT NULL,
    PRIMARY KEY(queue, uid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS message_ticket ON message(ticket);
CREATE TABLE IF NOT EXISTS content(desk TEXT NOT NULL, id TEXT NOT NULL, data BLOB NOT NULL, UNIQUE(desk, id))'''


FIELDS = ('queue', 'title', 'author', 'opened', 'body')


def rfc3339(when):
    try:
        return datetime.datetime.fromisoformat(when).astimezone()
    except ValueError:
        return datetime.datetime.now().astimezone()


def shown(ticket):
    """A ticket as a message"""
    author, address = email.utils.parseaddr(' '.join(ticket['author'].split()))
    message = email.message.EmailMessage(email.policy.SMTP)
    author, address = author or address, address if '@' in address else 'nobody@invalid'
    message['From'] = email.utils.formataddr((author, address))
    message['Subject'] = ' '.join(ticket['title'].split())
    message['Date'] = rfc3339(ticket['opened'])
    message['Message-ID'] = '<ticket-%d.%s@tickets.invalid>' % (ticket['number'], version(ticket)[:16])
    message['X-Ticket'] = str(ticket['number'])
    message.set_content('\n'.join(ticket['body'].splitlines()) + '\n')
    return message.as_bytes()


def version(ticket):
    return hashlib.sha256(json.dumps([ticket[field] for field in FIELDS]).encode()).hexdigest()


def read(data):
    """What a message says of a ticket"""
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    text = message.get_body(('plain', 'html'))
    try:
        body = text.get_content() if text else ''
    except (LookupError, ValueError):           # a charset that nobody knows
        body = ''
    found = {'title': message['Subject'], 'author': message['From'], 'body': body}
    found = {field: str(value or '').encode(errors='replace').decode() for field, value in found.items()}
    return found, message['X-Ticket']


class Tickets(mfstore.Store):
    name, capabilities = 'tickets.py', {'write': True}

    def __init__(self, path):
        super().__init__()
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
        self.seen = None                        # the version of the file that we know
        self.db.row_factory = sqlite3.Row
        self.db.executescript(SCHEMA)

    @contextlib.contextmanager
    def transaction(self):                      # around every request: the other program's changes come first
        with self.bell:
            self.db.execute('BEGIN IMMEDIATE')
            try:
                self.follow()
                yield
                self.db.execute('COMMIT')
            except BaseException:
                self.db.execute('ROLLBACK')
                self.seen = None
                raise

    def one(self, query, *args):
        return self.db.execute(query, args).fetchone()

    def all(self, query, *args):
        return self.db.execute(query, args).fetchall()

    def follow(self):
        """Makes messages be as tickets are, if somebody else has written"""
        seen = self.one('PRAGMA data_version')[0]
        if seen == self.seen:
            return
        self.seen = seen
        shown_as = {(m['ticket'], m['version']) for m in self.all('SELECT ticket, version FROM message')}
        tickets = {(t['number'], version(t)): t for t in self.all("SELECT * FROM ticket WHERE state = 'open'")}
        for number, was in sorted(shown_as - tickets.keys()):
            for m in self.all('SELECT * FROM message WHERE ticket = ? AND version = ?', number, was):
                self.forget(m)
        for key in sorted(tickets.keys() - shown_as):
            ticket, data = tickets[key], shown(tickets[key])
            date = rfc3339(ticket['opened']).isoformat(timespec='seconds')
            self.add(self.queue(ticket['desk'], ticket['queue']), ticket, data, date, [])

    def queue(self, desk, name):
        try:
            return self.one('SELECT * FROM queue WHERE desk = ? AND name = ?', desk, mfstore.name(name)) or \
                self.new_queue(desk, name)
        except mfstore.Problem:
            return self.queue(desk, 'INBOX')    # it has a name that a mailbox cannot have

    def number(self, desk):                     # a uidvalidity, and an id, that were never used
        self.db.execute('INSERT INTO desk VALUES (?, ?) ON CONFLICT DO UPDATE SET uidvalidity = '
                        'max(uidvalidity + 1, excluded.uidvalidity)', (desk, int(time.time())))
        v = self.one('SELECT uidvalidity FROM desk WHERE name = ?', desk)[0]
        return v, '%s-%d' % (hashlib.sha256(desk.encode()).hexdigest()[:24], v)

    def new_queue(self, desk, name, roles=()):
        v, ident = self.number(desk)
        self.db.execute('INSERT INTO queue(id, desk, name, uidvalidity, roles) VALUES (?, ?, ?, ?, ?)',
                        (ident, desk, name, v, json.dumps(roles)))
        return self.find(desk, ident)

    def find(self, desk, ident):
        return need(self.one('SELECT * FROM queue WHERE desk = ? AND id = ?', desk, ident), 'no-such-mailbox')

    def row(self, queue):
        row = {k: queue[k] for k in ('id', 'name', 'uidvalidity', 'uidnext')}
        return dict(row, state=str(queue['state']), roles=json.loads(queue['roles']), messages=self.one(
            'SELECT count(*) FROM message WHERE queue = ?', queue['id'])[0])

    # Mailboxes: queues

    def mailboxes(self, desk):
        with self.transaction():
            self.queue(desk, 'INBOX')
            return [{}, *map(self.row, self.all('SELECT * FROM queue WHERE desk = ?', desk))]

    def mailbox(self, desk, ident):
        with self.transaction():
            return self.row(self.find(desk, ident))

    def create(self, desk, body):
        self.queue(desk, 'INBOX')               # which it has with its first request
        need(not self.one('SELECT * FROM queue WHERE desk = ? AND name = ?', desk, body['name']), 'exists')
        return self.row(self.new_queue(desk, body['name'], body.get('roles', [])))

    def rename(self, desk, body):               # they get new uidvalidities, which is always right
        old, new = body['from'], body['to']
        need(old != 'INBOX' and not new.startswith(old + '/'), 'not-permitted')
        names = {q['name']: q for q in self.all('SELECT * FROM queue WHERE desk = ? ORDER BY name', desk)}
        moves = {name: new + name[len(old):] for name in names if (name + '/').startswith(old + '/')}
        need(moves, 'no-such-mailbox')
        need(new != old, 'exists')
        need(not (names.keys() - moves.keys()) & {*moves.values()}, 'exists')
        for name, to in moves.items():
            (v, ident), was = self.number(desk), names[name]['id']
            self.db.execute('UPDATE queue SET id = ?, uidvalidity = ?, name = ? WHERE id = ?',
                            (ident, v, to, was))
            self.db.execute('UPDATE message SET queue = ? WHERE queue = ?', (ident, was))
            for ticket in self.all('SELECT * FROM ticket WHERE desk = ? AND queue = ?', desk, name):
                self.put(ticket, to)

    def delete(self, desk, ident):
        queue = self.find(desk, ident)
        need(queue['name'] != 'INBOX', 'not-permitted')
        for m in self.all('SELECT * FROM message WHERE queue = ?', ident):
            self.close(m)
        self.db.execute('DELETE FROM queue WHERE id = ?', (ident,))

    # Messages: tickets

    def add(self, queue, ticket, data, date, flags):
        known, ident = json.loads(queue['flags']), hashlib.sha256(data).hexdigest()
        flags = mfstore.flagged([], {'set': flags}, known)
        self.db.execute('INSERT OR IGNORE INTO content VALUES (?, ?, ?)', (queue['desk'], ident, data))
        self.db.execute('INSERT INTO message SELECT id, uidnext, ?, ?, ?, ?, ?, ? FROM queue WHERE id = ?', (
            ticket['number'], version(ticket), ident, len(data), date, json.dumps(flags), queue['id']))
        self.db.execute('UPDATE queue SET uidnext = uidnext + 1, state = state + 1, flags = ? WHERE id = ?',
                        (json.dumps(known), queue['id']))
        return ident

    def put(self, ticket, queue):
        """Into a queue by its name; messages that show it go on doing so"""
        self.db.execute("UPDATE ticket SET queue = ?, state = 'open' WHERE number = ?",
                        (queue, ticket['number']))
        ticket = self.one('SELECT * FROM ticket WHERE number = ?', ticket['number'])
        self.db.execute('UPDATE message SET version = ? WHERE ticket = ?', (version(ticket), ticket['number']))
        return ticket

    def forget(self, m):
        self.db.execute('DELETE FROM message WHERE queue = ? AND uid = ?', (m['queue'], m['uid']))
        self.db.execute('UPDATE queue SET state = state + 1 WHERE id = ?', (m['queue'],))

    def close(self, m):
        self.forget(m)
        other = self.one('SELECT queue.name FROM message JOIN queue ON queue.id = message.queue '
                         'WHERE ticket = ?', m['ticket'])
        ticket = self.one('SELECT * FROM ticket WHERE number = ?', m['ticket'])
        if other and ticket:
            self.put(ticket, other['name'])
        elif ticket:
            self.db.execute("UPDATE ticket SET state = 'closed' WHERE number = ?", (m['ticket'],))

    def messages(self, desk, ident, query):
        with self.transaction():
            queue = self.find(desk, ident)
            rows = [dict(m, flags=json.loads(m['flags'])) for m in self.all(
                'SELECT uid, message.id, size, date, flags FROM message WHERE queue = ? ORDER BY uid', ident)]
        header = {'uidnext': queue['uidnext'], 'uidvalidity': queue['uidvalidity'],
                  'flags': [*json.loads(queue['flags']).values()]}
        return mfstore.listing(query, header, rows)

    def content(self, desk, ident):
        with self.bell:
            found = self.one('SELECT data FROM content WHERE desk = ? AND id = ?', desk, ident)
        return need(found, 'no-such-message')[0]

    def append(self, desk, ident, to, data):
        queue, (fields, number) = self.find(desk, ident), read(data)
        ticket = self.one('SELECT * FROM ticket WHERE desk = ? AND number = ?', desk, str(number))
        mfstore.flagged([], {'set': to.get('flags', [])}, json.loads(queue['flags']))   # may refuse
        now = datetime.datetime.now().astimezone().isoformat(timespec='seconds')
        if ticket is None:
            new = self.db.execute('INSERT INTO ticket(desk, queue, title, author, body) VALUES (?, ?, ?, ?, ?)', (
                desk, queue['name'], fields['title'], fields['author'], fields['body']))
            ticket = {'number': new.lastrowid}
        ticket = self.put(ticket, queue['name'])
        content = self.add(queue, ticket, data, to.get('date', now), to.get('flags', []))
        return {'uid': queue['uidnext'], 'uidvalidity': queue['uidvalidity'], 'id': content,
                'change': {'mailbox': ident}}

    def change(self, desk, ident, body):
        queue, rows = self.find(desk, ident), []
        known = json.loads(queue['flags'])
        for m in self.all('SELECT * FROM message WHERE queue = ? ORDER BY uid', ident):
            if m['uid'] in body['uids']:
                flags = mfstore.flagged(json.loads(m['flags']), body, known)
                if flags != json.loads(m['flags']):
                    rows.append({'uid': m['uid'], 'flags': flags})
                    self.db.execute('UPDATE message SET flags = ? WHERE queue = ? AND uid = ?',
                                    (json.dumps(flags), ident, m['uid']))
        if rows:
            self.db.execute('UPDATE queue SET flags = ?, state = state + 1 WHERE id = ?',
                            (json.dumps(known), ident))
        return [{'change': {'mailbox': ident}}, *mfstore.merged(rows)]

    def expunge(self, desk, ident, body):
        self.find(desk, ident)
        flag, gone = (body['only_if_flag'] or '').lower(), []
        for m in self.all('SELECT * FROM message WHERE queue = ? ORDER BY uid', ident):
            if m['uid'] in body['uids'] and (not flag or flag in map(str.lower, json.loads(m['flags']))):
                self.close(m)
                gone.append(m['uid'])
        return [{'change': {'mailbox': ident}}, *mfstore.sets('vanished', gone)]


if __name__ == '__main__':
    mfstore.serve(Tickets(sys.argv[1]), *sys.argv[2:] or ['127.0.0.1:8025'])
