#!/usr/bin/env python3
"""A folder of .eml files as everybody's INBOX, to read: mfront-storage(7),
level 0.  usage: readonly.py FOLDER [PORT]"""
import hashlib, json, os, pathlib, re, sys, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8025
table, lock = folder / '.uids.json', threading.Lock()

def content(name):                      # lines end with CRLF in mail
    data = re.sub(rb'\r?\n', b'\r\n', (folder / name).read_bytes())
    return data, hashlib.sha256(data).hexdigest()

def scan():                             # uids stay, also over a restart
    t = json.loads(table.read_text()) if table.exists() else {
        'uidvalidity': int(time.time()), 'uidnext': 1, 'files': {}}
    found = {p.name: p.stat().st_mtime_ns for p in sorted(folder.glob('*.eml'))}
    files = {n: m for n, m in t['files'].items() if m['mtime'] == found.get(n)}
    for name in sorted(found.keys() - files.keys()):    # one that changed is another message
        data, digest = content(name)
        files[name] = {'uid': t['uidnext'], 'id': digest, 'size': len(data), 'mtime': found[name]}
        t['uidnext'] += 1
    if files != t['files'] or not table.exists():
        t['files'] = files
        with open(str(table) + '.new', 'w') as f:
            f.write(json.dumps(t))
            f.flush()
            os.fsync(f.fileno())
        os.rename(f.name, table)
    return t, files

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, body, kind='application/json', status=200):
        if isinstance(body, list):      # NDJSON
            body = b''.join(json.dumps(row).encode() + b'\n' for row in body + [{'end': True}])
            kind = 'application/x-ndjson'
        body = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def find(self, account, what, *ids):    # the answer, or why there is none
        with lock:
            t, files = scan()
        head = {'uidvalidity': t['uidvalidity'], 'uidnext': t['uidnext']}
        row = dict(head, id='m%d' % t['uidvalidity'], name='INBOX', messages=len(files),
                   state=hashlib.sha256(json.dumps(t).encode()).hexdigest(), read_only=True)
        if (what, *ids) in (('mailboxes',), ('mailboxes', row['id'])):
            return row if ids else [{'header': True}, row]
        if (what, *ids) == ('mailboxes', row['id'], 'messages'):
            return [dict(head, header=True, applied={}, flags=[])] + [
                {'uid': m['uid'], 'flags': [], 'id': m['id'], 'size': m['size'], 'date': time.strftime(
                    '%FT%TZ', time.gmtime(m['mtime'] // 10**9))} for m in files.values()]
        name = next((n for n, m in files.items() if what == 'messages' and [m['id']] == [*ids]), None)
        data, digest = content(name) if name else (None, None)
        if data is not None and [digest] == [*ids]:     # nobody changed it just now
            return data
        known = len(ids) == 1 or [*ids[1:]] == ['messages']
        return {'mailboxes': 'no-such-mailbox', 'messages': 'no-such-message'}.get(what) if known else None

    def do_GET(self):
        path = [urllib.parse.unquote(s) for s in self.path.partition('?')[0].split('/')][2:]
ThreadingHTTPServer(('127.0.0.1', port), Handler).serve_forever()
