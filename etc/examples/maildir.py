#!/usr/bin/env python3
"""Maildirs as they are: mfront-storage(7), level 1.
usage: maildir.py FOLDER [HOST:PORT | unix:PATH]

FOLDER has a folder for each account, by its name; who has none has no account.
That is his INBOX; other mailboxes are folders of Maildir++ in it (.Lists.bsd).
Other programs may deliver, move, flag and remove messages at the same time.

A message is known by its file's name up to the colon.  mfront.db in the folder
keeps uids, keywords, and changes that were begun: they are ended, should this
program die in the middle, when it starts again."""
import base64, contextlib, datetime, hashlib, json, os, re, secrets, shutil, sqlite3, sys, time
import mfstore
from mfstore import need

LETTERS = dict(D='\\Draft', F='\\Flagged', P='$Forwarded', R='\\Answered', S='\\Seen', T='\\Deleted')
LETTER = {flag.lower(): letter for letter, flag in LETTERS.items()}
SCHEMA = '''PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS counter(uidvalidity INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS mailbox(uidvalidity INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1, state INTEGER NOT NULL DEFAULT 1, known TEXT NOT NULL DEFAULT '{}',
    roles TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS message(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL,
    id TEXT NOT NULL, size INTEGER NOT NULL, date TEXT NOT NULL, keywords TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY(mailbox, uid), UNIQUE(mailbox, base)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS message_id ON message(id);
CREATE TABLE IF NOT EXISTS todo(n INTEGER PRIMARY KEY, what TEXT NOT NULL)'''


def decoded(level):                             # of modified UTF-7, or as it is
    try:
        return re.sub(r'&([A-Za-z0-9+,]*)-', lambda m: base64.b64decode(
            m[1].replace(',', '/') + '=' * (-len(m[1]) % 4)).decode('utf-16-be') if m[1] else '&', level)
    except ValueError:
        return level


def encoded(level):                             # a dot would begin another level
    return re.sub(r'[^ -~]+|[./]', lambda m: '&%s-' % base64.b64encode(m[0].encode(
        'utf-16-be')).decode().rstrip('=').replace('/', ','), level.replace('&', '&-'))


def crlf(base, data):
    """A message has CRLF; a file has it if it came so, or its name says that it is to be left alone"""
    return data if base.partition(':')[0].endswith(',raw') else re.sub(rb'\r?\n', b'\r\n', data)


def synced(*folders):
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(folder, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)


def letters(path):
    return path.partition(':2,')[2]


def unique():
    now = divmod(time.time_ns() // 1000, 1000000)
    return '%d.M%dP%dR%s.mfront' % (*now, os.getpid(), secrets.token_hex(4))


class Box:
    """A folder; .files has base -> cur/name or new/name, as it was when it was looked at last"""
    def __init__(self, path, bases=()):
        self.path, self.files, self.times = path, dict.fromkeys(bases, ''), None

    def at(self, name):
        return os.path.join(self.path, name)

    def names(self):
        for sub in ('new', 'cur'):
            for name in sorted(os.listdir(self.at(sub))):
                if not name.startswith('.'):
                    yield name.partition(':')[0], sub + '/' + name

    def look(self):
        """Whether something changed.  A listing can lack a file that is renamed just then, or have it
        twice: that one is gone, or there are two, is believed only if nobody has changed the folder"""
        for _ in range(10):
            times, files, twice = [os.stat(self.at(sub)).st_mtime_ns for sub in ('new', 'cur')], {}, []
            if times == self.times:
                return False
            quiet = max(times) < time.time_ns() - 20_000_000
            for base, name in self.names():
                twice += [(base, files[base])] if base in files else []
                files[base] = name
            quiet = quiet and times == [os.stat(self.at(sub)).st_mtime_ns for sub in ('new', 'cur')]
            if quiet or not twice and not self.files.keys() - files.keys():
                break
            time.sleep(0.02)
        if not quiet:
            files = {**self.files, **files}
        self.times, old, self.files = times if quiet and not twice else None, self.files, files
        for base, name in twice if quiet else ():       # two files of one name get two names
            os.rename(self.at(name), self.at('cur/%s:2,%s' % (unique(), letters(name))))
        return files != old

    def act(self, base, what):
        """what() with the file's name now; whether it was there and it was done"""
        for _ in range(10):
            try:
                if self.files.get(base):
                    return what(self.files[base])
            except FileNotFoundError:
                pass                            # somebody was faster
            self.files[base] = next((name for found, name in self.names() if found == base), '')
        return False

    def flag(self, base, add, remove):
        def what(name):
            new = 'cur/%s:2,%s' % (base, ''.join(sorted(set(letters(name)) - set(remove) | set(add))))
            os.rename(self.at(name), self.at(new))
            self.files[base], self.times = new, None
            return True
        return self.act(base, what)

    def unlink(self, base, only):
        def what(name):
            if only and only not in letters(name):
                return False
            os.unlink(self.at(name))
            self.times = None
            return bool(self.files.pop(base))
        return self.act(base, what)

    def read(self, base):
        def what(name):
            with open(self.at(name), 'rb') as f:
                return crlf(name, f.read())
        data = self.act(base, what)
        return None if data is False else data

    def make(self):
        for sub in ('tmp', 'new', 'cur'):
            os.makedirs(self.at(sub), exist_ok=True)

    def move(self, path):
        with contextlib.suppress(OSError):      # it was moved before we died
            os.rename(self.path, path)

    def drop(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Account:
    """A Maildir and its tables, which follow what is there"""
    def __init__(self, path):
        self.path, self.boxes = path, {}
        self.digest = hashlib.sha256(os.path.basename(path).encode()).hexdigest()[:24]
        path = os.path.join(path, 'mfront.db')
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.row_factory, self.db.text_factory = sqlite3.Row, os.fsdecode   # names of files are bytes
        self.db.executescript(SCHEMA)
        self.end()
        Box(self.path).make()

    @contextlib.contextmanager
    def saved(self):
        with contextlib.closing(self.db.cursor()) as db:
            db.execute('BEGIN IMMEDIATE')
            try:
                yield db
                db.execute('COMMIT')
            except BaseException:
                db.execute('ROLLBACK')
                raise

    def do(self, db, path, *works):             # when the transaction stands: see end()
        db.execute('INSERT INTO todo(what) VALUES (?)', (json.dumps([path, works]),))

    def end(self):
        """Does to the files what is to be done; whether it could be, for each"""
        done = []
        for n, what in self.db.execute('SELECT * FROM todo ORDER BY n').fetchall():
            path, works = json.loads(what)
            box = next((box for box in self.boxes.values() if box.path == path), None) or Box(path)
            done += [getattr(box, name)(*args) for name, *args in works]
            synced(box.at('new'), box.at('cur'), path, self.path)
            self.db.execute('DELETE FROM todo WHERE n = ?', (n,))
        return done

    def place(self, name):
        folder = '' if name == 'INBOX' else '.' + '.'.join(map(encoded, name.split('/')))
        need(len(folder) < 256, 'not-permitted')
        return os.path.join(self.path, folder).rstrip('/')

    def folders(self):
        """path -> name, of what is there"""
        found = {self.path: 'INBOX'}
        for name in os.listdir(self.path):
            if name.startswith('.') and os.path.isdir(os.path.join(self.path, name, 'cur')):
                found[os.path.join(self.path, name)] = '/'.join(map(decoded, name[1:].split('.')))
        return found

    def next(self, db):
        db.execute('INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT * FROM counter)')
        db.execute('UPDATE counter SET uidvalidity = max(uidvalidity + 1, ?)', (int(time.time()),))
        return db.execute('SELECT uidvalidity FROM counter').fetchone()[0]

    def refresh(self):
        """The table of mailboxes, as it must be for what is there"""
        there, known = self.folders(), {row['path']: row for row in self.rows()}
        if there.keys() == known.keys():
            return
        with self.saved() as db:
            for path in known.keys() - there.keys():
                self.forget(db, known[path]['uidvalidity'])
            for path in sorted(there.keys() - known.keys()):
                Box(path).make()                # all of it
                with contextlib.suppress(mfstore.Problem, ValueError, sqlite3.Error):  # no name for us
                    db.execute('INSERT INTO mailbox(uidvalidity, name, path) VALUES (?, ?, ?)',
                               (self.next(db), mfstore.name(there[path]), path))

    def rows(self):
        return self.db.execute('SELECT * FROM mailbox ORDER BY name').fetchall()

    def forget(self, db, v):
        self.boxes.pop(v, None)
        db.execute('DELETE FROM mailbox WHERE uidvalidity = ?', (v,))
        db.execute('DELETE FROM message WHERE mailbox = ?', (v,))

    def messages(self, v):
        return self.db.execute('SELECT * FROM message WHERE mailbox = ? ORDER BY uid', (v,)).fetchall()

    def box(self, row):
        """A folder that has been looked at, and the mailbox's row"""
        v, path = row['uidvalidity'], row['path']
        if v not in self.boxes:
            self.boxes[v] = Box(path, (m['base'] for m in self.messages(v)))
        box = self.boxes[v]
        try:
            if box.look():
                self.number(box, v)
        except FileNotFoundError:
            with self.saved() as db:
                self.forget(db, v)
            raise mfstore.Problem('no-such-mailbox')
        return box, dict(self.db.execute('SELECT * FROM mailbox WHERE uidvalidity = ?', (v,)).fetchone())

    def number(self, box, v):
        known, found = {m['base']: m['uid'] for m in self.messages(v)}, []
        for base in box.files.keys() - known:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):     # the next look finds it
                at = os.stat(box.at(box.files[base])).st_mtime
                with open(box.at(box.files[base]), 'rb') as f:
                    found.append((at, base, crlf(base, f.read())))
        with self.saved() as db:
            for base in known.keys() - box.files.keys():
                db.execute('DELETE FROM message WHERE mailbox = ? AND uid = ?', (v, known[base]))
            for at, base, data in sorted(found):
                date = datetime.datetime.fromtimestamp(at).astimezone().isoformat(timespec='seconds')
                self.add(db, v, base, data, date, [])
            db.execute('UPDATE mailbox SET state = state + 1 WHERE uidvalidity = ?', (v,))

    def add(self, db, v, base, data, date, keywords):
        ident = hashlib.sha256(data).hexdigest()
        uid = db.execute('SELECT uidnext FROM mailbox WHERE uidvalidity = ?', (v,)).fetchone()[0]
        db.execute('INSERT INTO message VALUES (?, ?, CAST(? AS TEXT), ?, ?, ?, ?)',
                   (v, uid, os.fsencode(base), ident, len(data), date, json.dumps(keywords)))
        db.execute('UPDATE mailbox SET uidnext = ?, state = state + 1 WHERE uidvalidity = ?', (uid + 1, v))
        return uid, ident


class Maildir(mfstore.Store):
    name, capabilities = 'maildir.py', {'write': True}

    def __init__(self, root):
        super().__init__()
        self.root, self.accounts = root, {}

    def account(self, name):
        if name not in self.accounts:
            path = os.path.join(self.root, name)
            need(not re.search(r'^\.|^$|[/\0]', name) and os.path.isdir(path), 'no-such-account')
            self.accounts[name] = Account(path)
        return self.accounts[name]

    def open(self, account, mailbox):
        account = self.account(account)
        row = next((row for row in account.rows() if mailbox == self.ident(account, row)), None)
        need(row, 'no-such-mailbox')
        return account, *account.box(row)

    def ident(self, account, row):
        return '%s-%d' % (account.digest, row['uidvalidity'])

    def row(self, account, row):
        row = account.box(row)[1]
        return dict(id=self.ident(account, row), name=row['name'], uidvalidity=row['uidvalidity'],
                    uidnext=row['uidnext'], messages=len(account.messages(row['uidvalidity'])),
                    state=str(row['state']), roles=json.loads(row['roles']))

    def mailboxes(self, account):
        with self.bell:
            account = self.account(account)
            account.refresh()
            return [{}, *(self.row(account, row) for row in account.rows())]

    def mailbox(self, account, mailbox):
        with self.bell:
            account, _, row = self.open(account, mailbox)
            return self.row(account, row)

    def create(self, account, body):
        account, name = self.account(account), body['name']
        account.refresh()
        need(name not in [row['name'] for row in account.rows()], 'exists')
        with account.saved() as db:
            v, path = account.next(db), account.place(name)
            db.execute('INSERT INTO mailbox(uidvalidity, name, path, roles) VALUES (?, ?, ?, ?)',
                       (v, name, path, json.dumps(body.get('roles', []))))
            account.do(db, path, ['make'])
        account.end()
        return self.row(account, dict(uidvalidity=v, path=path))

    def rename(self, account, body):            # they get new uidvalidities, which is always right
        account, old, new = self.account(account), body['from'], body['to']
        account.refresh()
        need(old != 'INBOX' and not new.startswith(old + '/'), 'not-permitted')
        names = {row['name']: row for row in account.rows()}
        moves = {name: new + name[len(old):] for name in sorted(names) if (name + '/').startswith(old + '/')}
        need(moves, 'no-such-mailbox')
        need(new != old, 'exists')
        need(not (names.keys() - moves.keys()) & {*moves.values()}, 'exists')
        with account.saved() as db:
            for name, to in moves.items():
                v, was, path = account.next(db), names[name]['uidvalidity'], account.place(to)
                db.execute('UPDATE mailbox SET name = ?, path = ?, uidvalidity = ? WHERE uidvalidity = ?',
                           (to, path, v, was))
                db.execute('UPDATE message SET mailbox = ? WHERE mailbox = ?', (v, was))
                account.do(db, names[name]['path'], ['move', path])
                account.boxes.pop(was, None)
        account.end()

    def delete(self, account, mailbox):
        account, box, row = self.open(account, mailbox)
        need(row['name'] != 'INBOX', 'not-permitted')
        with account.saved() as db:
            account.forget(db, row['uidvalidity'])
            account.do(db, box.path, ['drop'])
        account.end()

    # Messages

    def flags(self, box, m):
        named = [LETTERS[c] for c in letters(box.files[m['base']]) if c in LETTERS]
        return sorted(named + json.loads(m['keywords']))

    def messages(self, account, mailbox, query):
        with self.bell:
            account, box, row = self.open(account, mailbox)
            rows = [dict(m, flags=self.flags(box, m)) for m in account.messages(row['uidvalidity'])]
        header = dict(uidnext=row['uidnext'], uidvalidity=row['uidvalidity'],
                      flags=[*LETTERS.values(), *json.loads(row['known']).values()])
        yield from mfstore.listing(query, header, rows)

    def content(self, account, ident):
        with self.bell:
            account = self.account(account)
            for m in account.db.execute('SELECT mailbox.*, base, uid FROM message JOIN mailbox '
                                        'ON mailbox = uidvalidity WHERE id = ?', (ident,)).fetchall():
                box = account.box(m)[0]
                data = box.read(m['base'])
                if data is None:
                    continue                    # it is gone
                if hashlib.sha256(data).hexdigest() == ident:
                    return data
                with account.saved() as db:     # somebody has edited it: that is another message
                    db.execute('DELETE FROM message WHERE mailbox = ? AND uid = ?',
                               (m['uidvalidity'], m['uid']))
                box.files.pop(m['base'], None)
                box.times = None
        raise mfstore.Problem('no-such-message')

    def append(self, account, mailbox, to, data):
        account, box, row = self.open(account, mailbox)
        v, known = row['uidvalidity'], self.known(row)
        flags = mfstore.flagged([], {'set': to.get('flags', [])}, known)
        base, lines = unique(), data.replace(b'\r\n', b'\n')
        if crlf(base, lines) != data:           # not all of its lines end with CRLF
            base, lines = base + ',raw', data
        date = to.get('date') or datetime.datetime.now().astimezone().isoformat(timespec='seconds')
        at = datetime.datetime.fromisoformat(date).timestamp()
        with open(box.at('tmp/' + base), 'wb') as f:
            f.write(lines)
            f.flush()
            os.utime(f.fileno(), (at, at))
            os.fsync(f.fileno())
        name = 'new/' + base if 'address' in to and not flags else 'cur/%s:2,%s' % (base, self.letters(flags))
        os.rename(box.at('tmp/' + base), box.at(name))
        synced(box.at('new'), box.at('cur'))
        box.files[base], box.times = name, None
        with account.saved() as db:
            uid, ident = account.add(db, v, base, data, date, self.keywords(flags))
            self.keep(db, v, known)
        return dict(uid=uid, uidvalidity=v, id=ident, change={'mailbox': mailbox})

    def known(self, row):
        return {**{flag.lower(): flag for flag in LETTERS.values()}, **json.loads(row['known'])}

    def keep(self, db, v, known):
        known = {lower: flag for lower, flag in known.items() if lower not in LETTER}
        db.execute('UPDATE mailbox SET known = ?, state = state + 1 WHERE uidvalidity = ?',
                   (json.dumps(known), v))

    def letters(self, flags):
        return ''.join(sorted(LETTER[flag.lower()] for flag in flags if flag.lower() in LETTER))

    def keywords(self, flags):
        return [flag for flag in flags if flag.lower() not in LETTER]

    def change(self, account, mailbox, body):
        account, box, row = self.open(account, mailbox)
        v, known, rows, works = row['uidvalidity'], self.known(row), [], []
        with account.saved() as db:
            for m in account.messages(v):
                if m['uid'] in body['uids']:
                    old = self.flags(box, m)
                    new = mfstore.flagged(old, body, known)
                    if new != old:
                        rows.append(dict(uid=m['uid'], flags=new))
                        db.execute('UPDATE message SET keywords = ? WHERE mailbox = ? AND uid = ?',
                                   (json.dumps(self.keywords(new)), v, m['uid']))
                        works.append(['flag', m['base'], self.letters({*new} - {*old}),
                                      self.letters({*old} - {*new})])
            if rows:
                self.keep(db, v, known)
                account.do(db, box.path, *works)
        account.end()
        return [{'change': {'mailbox': mailbox}}, *mfstore.merged(rows)]

    def expunge(self, account, mailbox, body):
        account, box, row = self.open(account, mailbox)
        flag, v = (body['only_if_flag'] or '').lower(), row['uidvalidity']
        found = [m for m in account.messages(v) if m['uid'] in body['uids'] and (
            not flag or flag in map(str.lower, self.flags(box, m)))]
        with account.saved() as db:
            account.do(db, box.path, *(['unlink', m['base'], LETTER.get(flag, '')] for m in found))
        gone = [m['uid'] for m, done in zip(found, account.end()) if done]
        with account.saved() as db:
            db.executemany('DELETE FROM message WHERE mailbox = ? AND uid = ?', [(v, uid) for uid in gone])
            db.execute('UPDATE mailbox SET state = state + 1 WHERE uidvalidity = ?', (v,))
        return [{'change': {'mailbox': mailbox}}, *mfstore.sets('vanished', gone)]


if __name__ == '__main__':
    mfstore.serve(Maildir(sys.argv[1]), *sys.argv[2:] or ['127.0.0.1:8025'])
