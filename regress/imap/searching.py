"""What the tests of SEARCH, SORT and THREAD share: a house that is told, by
reload, what of its storage it is not to use; and a storage in between, that
changes what the real one says."""

import http.client
import http.server
import json
import threading

from common import ALL, StoreHouse                      # noqa: F401
from whole import WITHOUT, free_port

OFFLOAD = ('search', 'sort', 'thread')


class Between(http.server.ThreadingHTTPServer):
    """A proxy in front of a store.  edit(path, status, data) gives
    (status, data) of what is not streamed: the service document, searches"""

    daemon_threads = True

    def __init__(self, port, edit, handler=None):
        self.to, self.edit, self.searches = port, edit, []
        super().__init__(('127.0.0.1', free_port()), handler or Passing)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def handle_error(self, request, address):
        pass                            # whoever hangs up, hangs up

    def close(self):
        self.shutdown()
        self.server_close()


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def before(self, body):
        """Returns True if it has answered by itself"""
        return False

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if self.before(body):
            return
        up = http.client.HTTPConnection('127.0.0.1', self.server.to)
        fields = {k: v for k, v in self.headers.items()
                  if k.lower() not in ('host', 'content-length',
                                       'connection')}
        up.request(self.command, self.path, body or None, fields)
        r = up.getresponse()
        search = self.path.endswith('/search')
        if search:
            self.server.searches.append(json.loads(body))
        if search or self.path in ('/v1/', '/v1'):
            self.whole(r, *self.server.edit(self.path, r.status, r.read()))
        else:
            self.stream(r)
        up.close()

    def whole(self, r, status, data):
        self.send_response(status)
        self.send_header('Content-Type', r.getheader('Content-Type')
                         if status == 200 else 'application/problem+json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, r):
        self.send_response(r.status)
        for k, v in r.getheaders():
            if k.lower() not in ('transfer-encoding', 'content-length',
                                 'connection', 'date', 'server'):
                self.send_header(k, v)
        empty = r.status in (204, 304)
        if not empty:
            self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        while not empty:
            data = r.read1(65536)
            self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
            self.wfile.flush()
            if not data:
                break

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = pass_on


def everywhere(method):
    """A test that is not about with and without: see regress/matrix"""
    method.everywhere = True
    return method


class Searching(StoreHouse):
    def setUp(self):
        super().setUp()
        if WITHOUT and not hasattr(getattr(self, self._testMethodName),
                                   'everywhere'):
            self.skipTest('with and without is what it tests by itself')

    def stat(self, name):
        code, text = self.house.ctl('show', 'stats')
        self.assertEqual(0, code, text)
        return sum(int(line.split()[-1]) for line in text.splitlines()
                   if name in line.split())

    def mode(self, *without):
        """From now on it does these itself; returns a new session"""
        if not hasattr(self, 'storage_line'):
            self.storage_line = self.house.storage
        self.house.storage = self.storage_line + (
            ' without { %s }' % ' '.join(without) if without else '')
        ups = self.house.log().count('is up')
        old = self.house.storage_now if hasattr(
            self.house, 'storage_now') else self.storage_line
        self.house.write_conf()
        self.assertEqual(0, self.house.reload()[0])
        if old != self.house.storage:
            self.house.logged('is up', count=ups + 1)
        self.house.storage_now = self.house.storage
        return self.imap(select='INBOX')

    def asked(self):
        """How often a storage was asked to search or sort"""
        return self.stat('searches-asked')
