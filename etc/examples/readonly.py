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
            print(json.dumps(t), file=f, flush=True)
            os.fsync(f.fileno())
        os.rename(f.name, table)
    return t, files

KINDS = {dict: 'application/json', list: 'application/x-ndjson', bytes: 'message/rfc822'}

def find(path):                         # a dict, rows, bytes; or an error's code
    if path in ([], ['']):
        return {'name': 'readonly', 'version': '1', 'api': 1, 'capabilities': {}}
    if len(path) < 3 or path[0] != 'accounts': return 'bad-request'
    if len(path[1].encode()) > 500 or re.search('[\0-\37\177-\237]|^$', path[1]): return 'no-such-account'
    with lock: t, files = scan()
    head = {'uidvalidity': t['uidvalidity'], 'uidnext': t['uidnext']}
    row = dict(head, id='m%d' % t['uidvalidity'], name='INBOX', messages=len(files),
               state='%d-%d' % (t['uidnext'], len(files)), read_only=True)
    if path[2:] in (['mailboxes'], ['mailboxes', row['id']]):
        return row if path[3:] else [{'header': True}, row, {'end': True}]
    if path[2:] == ['mailboxes', row['id'], 'messages']:
        return [dict(head, header=True, applied={}, flags=[])] + [
            dict(uid=m['uid'], flags=[], id=m['id'], size=m['size'], date=time.strftime(
                '%FT%TZ', time.gmtime(m['mtime'] // 10**9))) for m in files.values()] + [{'end': True}]
    for data, digest in (content(n) for n, m in files.items() if path[2:] == ['messages', m['id']]):
        if digest == path[3]: return data   # nobody changed it just now
    return {'mailboxes': 'no-such-mailbox', 'messages': 'no-such-message'}.get(path[2], 'bad-request')

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = find([urllib.parse.unquote(s) for s in self.path.partition('?')[0].split('/')[2:]])
        status, kind = 200, KINDS.get(type(body))
        if self.command != 'GET' or isinstance(body, str):
            self.rfile.read(int(self.headers.get('Content-Length', 0)))
            status, kind = 404 if self.command == 'GET' else 405, 'application/problem+json'
            body = {'status': status, 'code': body if status == 404 else 'bad-request'}
        self.send_response(status)
        self.send_header('Content-Type', kind)
        if not isinstance(body, bytes):
            body = '\n'.join(map(json.dumps, body if isinstance(body, list) else [body])).encode() + b'\n'
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

ThreadingHTTPServer(('127.0.0.1', port), Handler).serve_forever()
