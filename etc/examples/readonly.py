#!/usr/bin/env python3
"""A folder of .eml files as everybody's INBOX, to read: mfront-storage(7),
level 0.  usage: readonly.py FOLDER [PORT]"""
import hashlib, json, os, pathlib, sys, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8025
table, lock = folder / '.uids.json', threading.Lock()

def content(name):                      # lines end with CRLF in mail
    data = (folder / name).read_bytes().replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
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
    if files != t['files']:
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

    def do_GET(self):
        path = [urllib.parse.unquote(s) for s in self.path.partition('?')[0].split('/')][2:]
        if path == ['']:                # "/v1/"
            return self.answer({'name': 'readonly', 'version': '1', 'api': 1, 'capabilities': {}})
        with lock:
            t, files = scan()
        head = {'uidvalidity': t['uidvalidity'], 'uidnext': t['uidnext']}
        row = dict(head, id='m%d' % t['uidvalidity'], name='INBOX', messages=len(files),
                   state=hashlib.sha256(json.dumps(t).encode()).hexdigest(), read_only=True)
        what, ids = path[2:], {m['id']: n for n, m in files.items()}
        if what in (['mailboxes'], ['mailboxes', row['id']]):
            return self.answer(row if what[1:] else [{'header': True}, row])
        elif what == ['mailboxes', row['id'], 'messages']:
            return self.answer([dict(head, header=True, applied={}, flags=[])] + [
                {'uid': m['uid'], 'flags': [], 'id': m['id'], 'size': m['size'], 'date': time.strftime(
                    '%FT%TZ', time.gmtime(m['mtime'] // 10**9))} for m in files.values()])
        elif what[:1] == ['messages'] and what[-1] in ids:
            data, digest = content(ids[what[-1]])
            if digest == what[-1]:      # nobody changed it just now
                return self.answer(data, 'message/rfc822')
        code = 'no-such-message' if 'messages' in what[:1] else 'no-such-mailbox'
        self.answer({'status': 404, 'code': code}, 'application/problem+json', 404)

ThreadingHTTPServer(('127.0.0.1', port), Handler).serve_forever()
