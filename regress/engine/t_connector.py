#!/usr/bin/env python3
"""The connector: reaches the configured storages, by every kind of address,
and hands connected descriptors to engines.  The test is its parent, its
engines, the storages, and the name server."""

import os
import random
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from house import SLOW, House, program                  # noqa: E402

HTTP, HTTPS, UNIX = range(3)


def listener(address='127.0.0.1', port=0, backlog=100):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(backlog)
    s.settimeout(10)
    return s


class Connector(House):
    def begin(self, *urls):
        """urls: fields of conf_url; sockdir: a folder"""
        self.c = self.start('connector')
        self.configure(urls)
        self.engine = self.c.peer('engine')
        self.req = 0

    def configure(self, urls, first=1):
        parts, fds = [('conf_storage', dict(id=0, name='main'))], []
        for i, u in enumerate(urls):
            u = dict(u)
            folder = u.pop('sockdir', None)
            parts.append(('conf_url', dict(dict(storage=0, id=i, kind=HTTP),
                                           **u)))
            if folder is not None:
                fds.append(os.open(folder, os.O_PATH))
                parts.append(('conf_sockdir', dict(storage=0, id=i,
                                                   fd=fds[-1])))
        self.c.configure(parts, first=first)
        for fd in fds:
            os.close(fd)

    def ask(self, url=0, engine=None, **more):
        self.req += 1
        (engine or self.engine).send('connect_req', req=self.req, url=url,
                                     **more)
        return self.req

    def connected(self, url=0, timeout=10, engine=None):
        """A socket that the connector has connected"""
        req = self.ask(url, engine)
        m = (engine or self.engine).until('connect_ok', req=req,
                                          timeout=timeout * SLOW)
        s = socket.socket(fileno=m.fd)
        self.fds.append(s)
        return s

    def fails(self, url=0, text='.', timeout=10, **more):
        m = self.engine.until('connect_fail', req=self.ask(url, **more),
                              timeout=timeout * SLOW)
        self.assertRegex(m.text, text)

    def listen(self, *args, **named):
        s = listener(*args, **named)
        self.fds.append(s)
        return s

    def reaches(self, l, **named):
        """It is that listener's connection, and it works"""
        s = self.connected(**named)
        peer, _ = l.accept()
        self.fds.append(peer)
        s.setblocking(True)
        s.sendall(b'x')
        self.assertEqual(b'x', peer.recv(1))


class Addresses(Connector):
    def test_numeric(self):
        """IPv4 and, where there is one, IPv6"""
        l4 = self.listen()
        urls = [dict(host='127.0.0.1', port=l4.getsockname()[1])]
        try:
            l6 = self.listen('::1')
            urls.append(dict(host='::1', port=l6.getsockname()[1]))
        except OSError:
            l6 = None
        self.begin(*urls)
        self.reaches(l4)
        if l6 is not None:
            self.reaches(l6, url=1)

    def test_refused(self):
        """nobody there"""
        l = self.listen()
        self.begin(dict(host='127.0.0.1', port=l.getsockname()[1]))
        self.reaches(l)
        l.close()
        self.fails(text='refused')

    def test_unknown(self):
        """only what is configured is reached"""
        self.begin(dict(host='127.0.0.1', port=9))
        self.fails(1, 'unknown')
        self.fails(0, 'unknown', storage=1)
        self.fails(65535, 'unknown', storage=65535)

    def test_unix(self):
        """a socket in a folder that it was given, and not another"""
        top = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, top)
        path = os.path.join(top, 'store.sock')
        self.begin(dict(kind=UNIX, sock=path, sockdir=top),
                   dict(kind=UNIX, sock=path),
                   dict(kind=UNIX, sock='x' * 200, sockdir=top))
        self.fails(text='No such')
        l = socket.socket(socket.AF_UNIX)
        self.fds.append(l)
        l.bind(path)
        os.chmod(path, 0o777)
        os.chmod(top, 0o755)
        self.fails(text='refused')
        l.listen(5)
        l.settimeout(10)
        self.reaches(l)
        self.fails(1)                   # without its folder
        self.fails(2)
        # the folder is that one, wherever it is by now
        os.rename(top, top + '2')
        self.reaches(l)
        os.rename(top + '2', top)

    def test_many(self):
        """many at once: each gets its own"""
        l = self.listen(backlog=256)
        top = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, top)
        u = socket.socket(socket.AF_UNIX)
        self.fds.append(u)
        u.bind(os.path.join(top, 's'))
        u.listen(256)
        self.begin(dict(host='127.0.0.1', port=l.getsockname()[1]),
                   dict(kind=UNIX, sock=os.path.join(top, 's'),
                        sockdir=top))
        other = self.c.peer('engine', slot=1)
        for url in 0, 1:
            asked = {e: {self.ask(url, e) for i in range(60)}
                     for e in (self.engine, other)}
            for e, reqs in asked.items():
                while reqs:
                    m = e.recv(10 * SLOW)
                    self.assertEqual('connect_ok', m.type)
                    self.assertNotEqual(-1, m.fd)
                    reqs.remove(m.req)
                    os.close(m.fd)

    def test_too_many(self):
        """more than it has room for are refused, not lost"""
        full = self.listen(backlog=0)
        self.begin(dict(host='127.0.0.1', port=full.getsockname()[1]))
        reqs = {self.ask() for i in range(600)}
        failed = 0
        while reqs:
            m = self.engine.recv(20 * SLOW)
            reqs.remove(m.req)
            if m.type == 'connect_ok':
                os.close(m.fd)
            else:
                failed += 1
            if failed >= 200:
                break
        self.assertGreaterEqual(failed, 200)

    def test_engine_dies(self):
        """while it connects for it: the others get theirs"""
        full = self.listen(backlog=0)
        l = self.listen()
        self.begin(dict(host='127.0.0.1', port=full.getsockname()[1]),
                   dict(host='127.0.0.1', port=l.getsockname()[1]))
        dying = self.c.peer('engine', slot=1)
        for i in range(20):
            self.ask(0, dying)
        dying.close()
        self.c.sync()
        self.reaches(l, url=1)

    def test_reload(self):
        """a new configuration, or one that is taken back"""
        a, b = self.listen(), self.listen()
        one, two = (dict(host='127.0.0.1', port=s.getsockname()[1])
                    for s in (a, b))
        self.begin(one)
        self.reaches(a)
        self.c.parent.send('conf_begin', serial=90)
        self.c.parent.send('conf_url', id=0, host='127.0.0.1', port=9)
        self.c.parent.send('conf_end', serial=90)
        self.c.parent.until('conf_status', serial=90)
        self.c.parent.send('conf_abort', serial=90)
        self.reaches(a)
        self.configure([two], first=0)
        self.reaches(b)
        self.fails(1, 'unknown')


def question(data):
    """(name, type) that a resolver asks for, and where the question ends"""
    at, labels = 12, []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    kind, = struct.unpack('>H', data[at + 1:at + 3])
    return '.'.join(labels).lower(), kind, at + 5


class Names(threading.Thread):
    """A name server on a loopback address of its own"""

    def __init__(self, names):
        super().__init__(daemon=True)
        self.names = names              # name -> addresses; None: no answer
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            self.address = '127.%d.%d.%d' % tuple(
                random.randint(1, 250) for i in range(3))
            try:
                self.sock.bind((self.address, 53))
                return
            except OSError:
                continue

    def run(self):
        while True:
            try:
                data, peer = self.sock.recvfrom(4096)
                self.asked.append(question(data)[:2])
                answer = self.answer(data)
                if answer is not None:
                    self.sock.sendto(answer, peer)
            except OSError:
                return                  # closed

    def answer(self, data):
        name, kind, end = question(data)
        found = self.names.get(name, [])
        if found is None:
            return None
        rcode = 0 if name in self.names else 3
        rrs = [socket.inet_aton(a) for a in found if kind == 1]
        return (data[:2] + struct.pack('>HHHHH', 0x8180 | rcode, 1,
                                       len(rrs), 0, 0) + data[12:end] +
                b''.join(struct.pack('>HHHIH', 0xc00c, 1, 1, 60, 4) + rr
                         for rr in rrs))


WRAPPER = '''#!/bin/sh
exec unshare -m --propagation private sh -c '
	mount --bind "%(top)s/hosts" /etc/hosts &&
	mount --bind "%(top)s/resolv.conf" /etc/resolv.conf &&
	exec "%(program)s" "$@"' sh "$@"
'''


class Named(Connector):
    """With a hosts file and a name server of its own, as root only"""

    def prepare(self, hosts='', names={}):
        self.top = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.top)
        self.server = Names(names)
        self.server.start()
        self.addCleanup(self.server.sock.close)
        for name, text in (('hosts', hosts), ('resolv.conf',
                                              'nameserver %s\n' %
                                              self.server.address)):
            with open(os.path.join(self.top, name), 'w') as f:
                f.write(text)
        path = os.path.join(self.top, 'run')
        with open(path, 'w') as f:
            f.write(WRAPPER % dict(top=self.top, program=program()))
        os.chmod(path, 0o755)
        old = os.environ.get('MFRONTD')
        os.environ['MFRONTD'] = path
        self.addCleanup(lambda: os.environ.__setitem__('MFRONTD', old)
                        if old else os.environ.pop('MFRONTD'))
        if os.system('unshare -m true') != 0:
            raise unittest.SkipTest('no mount namespaces here')

    def test_hosts(self):
        """names of the hosts file, aliases, in any case; the next address
        when one fails; the name server is not asked"""
        l = self.listen('127.0.0.3')
        port = l.getsockname()[1]
        self.prepare('# a comment\n\n127.0.0.3\tstore.test  alias # x\n'
                     'nonsense here\n127.0.0.4 two.test\n127.0.0.3 two.test'
                     '\n   \n127.0.0.3 late.test')
        self.begin(*[dict(host=h, port=port) for h in
                     ('store.test', 'ALIAS', 'two.test', 'late.test')])
        for url in range(4):
            self.reaches(l, url=url)
        self.assertEqual([], self.server.asked)

    def test_dns(self):
        """names by DNS; several addresses are tried in turn"""
        l = self.listen('127.0.0.3')
        port = l.getsockname()[1]
        self.prepare('127.0.0.1 localhost\n', {
            'store.test': ['127.0.0.3'],
            'two.test': ['127.0.0.4', '127.0.0.5', '127.0.0.3'],
            'none.test': [], 'off.test': ['127.0.0.4']})
        self.begin(*[dict(host=h, port=port) for h in
                     ('store.test', 'two.test', 'none.test', 'off.test',
                      'unknown.test')])
        self.reaches(l)
        self.reaches(l, url=1)
        self.fails(2)
        self.fails(3, 'refused')
        self.fails(4, 'not found')
        self.assertIn(('unknown.test', 1), self.server.asked)

    @atf.timeout(120)
    def test_silent_server(self):
        """a name server that does not answer keeps nobody else waiting"""
        l = self.listen('127.0.0.3')
        port = l.getsockname()[1]
        self.prepare('127.0.0.3 store.test\n', {'slow.test': None,
                                                'other.test':
                                                ['127.0.0.3']})
        self.begin(*[dict(host=h, port=port) for h in
                     ('slow.test', 'store.test', 'other.test')])
        late = self.ask(0)
        self.reaches(l, url=1)
        self.reaches(l, url=2)
        m = self.engine.until('connect_fail', req=late, timeout=60)
        self.assertRegex(m.text, 'imeout|ime out')

    def test_dies_while_resolving(self):
        """an engine that dies while its name is looked up"""
        l = self.listen('127.0.0.3')
        self.prepare('', {'slow.test': None, 'store.test': ['127.0.0.3']})
        self.begin(dict(host='slow.test', port=9),
                   dict(host='store.test', port=l.getsockname()[1]))
        dying = self.c.peer('engine', slot=1)
        self.ask(0, dying)
        end = time.monotonic() + 10
        while not self.server.asked and time.monotonic() < end:
            time.sleep(0.02)
        dying.close()
        self.c.sync()
        self.reaches(l, url=1)

    def test_no_answer(self):
        """an address that does not answer is given up for the next"""
        full = self.listen('127.0.0.6', backlog=0)
        port = full.getsockname()[1]
        l = self.listen('127.0.0.3', port)
        # the queue of connections that nobody accepts
        for i in range(3):
            s = socket.socket()
            self.fds.append(s)
            s.setblocking(False)
            s.connect_ex(('127.0.0.6', port))
        self.prepare('127.0.0.6 two.test\n127.0.0.3 two.test\n')
        self.begin(dict(host='two.test', port=port))
        start = time.monotonic()
        self.reaches(l, timeout=20)
        self.assertGreater(time.monotonic() - start, 3)

    def test_lying_server(self):
        """answers that are none"""
        l = self.listen('127.0.0.3')
        self.prepare('', {'store.test': ['127.0.0.3']})
        good = self.server.answer
        junk = [lambda d: d[:5], lambda d: d[:2] + b'\x81\x80' + b'\xff' * 8,
                lambda d: good(d)[:-3], lambda d: b'\0' * 500,
                lambda d: d[:2] + b'\x81\x80\0\1\xff\xff\0\0\0\0' + d[12:] +
                b'\xc0\x0c' * 200]
        self.begin(dict(host='store.test', port=l.getsockname()[1]),
                   *[dict(host='n%d.test' % i, port=9)
                     for i in range(len(junk))])

        def answer(data):
            name = question(data)[0]
            return (good(data) if name == 'store.test' else
                    junk[int(name[1])](data))
        self.server.answer = answer
        reqs = [self.ask(i + 1) for i in range(len(junk))]
        self.reaches(l)
        for req in reqs:
            self.engine.until('connect_fail', req=req, timeout=60)

    for _name in ('hosts', 'dns', 'silent_server', 'dies_while_resolving',
                  'no_answer', 'lying_server'):
        locals()['test_' + _name].root = True


if __name__ == '__main__':
    atf.main()
