#!/usr/bin/env python3
"""An engine and a storage with TLS: who is believed, and who we are.

The test is the engine's parent, its siblings and the storage."""

import os
import ssl
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from backend import (END, HEADER, EngineTest, content,  # noqa: E402
                     ndjson)
from house import SLOW, limits                          # noqa: E402

HTTPS = 1
_dir = None


def openssl(*args, stdin=b''):
    subprocess.run(['openssl', *args], check=True, input=stdin,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def path(name):
    return os.path.join(_dir.name, name)


def pem(name):
    with open(path(name), 'rb') as f:
        return f.read()


def key(name):
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out',
            path(name + '.key'))


def authority(name):
    key(name)
    openssl('req', '-x509', '-new', '-key', path(name + '.key'), '-days',
            '2', '-subj', '/CN=' + name, '-out', path(name + '.pem'))


def certificate(name, ca, san, *dates):
    """By an authority; dates: -days or when it begins and ends"""
    key(name)
    openssl('req', '-new', '-key', path(name + '.key'), '-subj', '/CN=x',
            '-out', path(name + '.csr'))
    ext = path(name + '.ext')
    with open(ext, 'w') as f:
        f.write('subjectAltName=%s\nbasicConstraints=CA:FALSE\n' % san)
    args = ['x509', '-req', '-in', path(name + '.csr'), '-CA',
            path(ca + '.pem'), '-CAkey', path(ca + '.key'), '-CAcreateserial',
            '-extfile', ext, '-out', path(name + '.pem')]
    openssl(*args, *(dates or ['-days', '2']))


def make():
    """Once a run"""
    global _dir
    if _dir is not None:
        return
    _dir = tempfile.TemporaryDirectory()
    authority('ca')
    authority('other')
    certificate('good', 'ca', 'DNS:store.test,IP:192.0.2.9')
    certificate('wrong', 'ca', 'DNS:else.test')
    certificate('old', 'ca', 'DNS:store.test', '-days', '-1')
    certificate('foreign', 'other', 'DNS:store.test')
    certificate('client', 'ca', 'DNS:engine.test')


class Tls(EngineTest):
    def begin(self, cert='good', ca='ca', host='store.test', client=None,
              want_client=None, up=True, least=None, **lim):
        make()
        self.host, self.ca, self.client = host, ca, client
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path(cert + '.pem'),
                                     path(cert + '.key'))
        if want_client is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(path(want_client + '.pem'))
        if least is not None:
            self.context.maximum_version = least
        super().begin(up=False, **lim)
        if up:
            self.is_up()
            self.grant()

    def prepare(self):
        self.backend.wrap = lambda s: self.context.wrap_socket(
            s, server_side=True)

    def conf(self):
        parts = [limits(**self.lim),
                 ('conf_storage', dict(id=0, name='main', token='s3cret')),
                 ('conf_url', dict(storage=0, id=0, kind=HTTPS, port=8443,
                                   host=self.host, path='/v1'))]
        if self.ca:
            parts.append(('conf_ca', dict(storage=0,
                                          pem=pem(self.ca + '.pem'))))
        if self.client:
            parts.append(('conf_client', dict(
                storage=0, cert=pem(self.client + '.pem'),
                key=pem(self.client + '.key'))))
        return parts

    def never(self):
        """It stays down, and nothing is asked, nor the token told"""
        m = self.auth.until('st_info', up=0, timeout=20 * SLOW)
        self.assertEqual(0, m.up)
        self.grant()
        self.list()
        self.result('UNAVAILABLE')
        self.assertTrue(self.backend.documents.empty())
        self.backend.none(0)

    def test_good(self):
        """a certificate of the authority that is configured, for the name
        that is configured"""
        self.begin()
        req = self.list()
        r = self.backend.next()
        self.assertEqual('Bearer s3cret', r.fields['authorization'])
        self.assertEqual('store.test:8443', r.fields['host'])
        r.answer(ndjson(HEADER, END))
        self.result(req=req)
        self.assertIn(r.sock.version(), ('TLSv1.2', 'TLSv1.3'))

    def test_address(self):
        """or for an address"""
        self.begin(host='192.0.2.9')

    def test_old_version(self):
        """TLS 1.2 is enough"""
        self.begin(least=ssl.TLSVersion.TLSv1_2)

    def test_wrong_name(self):
        """for another name"""
        self.begin('wrong', up=False)
        self.never()

    def test_wrong_address(self):
        """for another address"""
        self.begin(host='192.0.2.8', up=False)
        self.never()

    def test_expired(self):
        """whose time is over"""
        self.begin('old', up=False)
        self.never()

    def test_foreign(self):
        """of another authority"""
        self.begin('foreign', up=False)
        self.never()

    def test_plain(self):
        """a server that does not speak TLS at all"""
        self.context = None
        make()
        self.host, self.ca, self.client = 'store.test', 'ca', None
        self.prepare = lambda: None
        EngineTest.begin(self, up=False, t_backend=2)
        self.never()

    def test_client(self):
        """our own certificate, where one is asked for"""
        self.begin(client='client', want_client='ca')
        req = self.list()
        r = self.backend.next()
        self.assertEqual((('DNS', 'engine.test'),),
                         r.sock.getpeercert()['subjectAltName'])
        r.answer(ndjson(HEADER, END))
        self.result(req=req)

    def test_no_client(self):
        """none, or one that is not liked: down"""
        self.begin(want_client='ca', up=False)
        self.never()

    def test_other_client(self):
        self.begin(client='client', want_client='other', up=False)
        self.never()

    def test_bad_conf(self):
        """what is no certificate is a mistake of the configuration"""
        make()
        self.engine = self.start('engine')
        base = [limits(), ('conf_storage', dict(id=0, name='main')),
                ('conf_url', dict(storage=0, id=0, kind=HTTPS, port=8443,
                                  host='store.test'))]
        for part in (('conf_ca', dict(storage=0, pem='nonsense')),
                     ('conf_client', dict(storage=0, cert=pem('client.pem'),
                                          key='nonsense'))):
            error = self.engine.configure(base + [part], ok=False)
            self.assertIn('storage main', error)

    def test_reload(self):
        """another authority, certificate and token from a reload on; what
        runs goes on to its end"""
        self.begin()
        req = self.list()
        r = self.backend.next()
        self.context.load_cert_chain(path('foreign.pem'),
                                     path('foreign.key'))
        self.ca = 'other'
        self.engine.configure(self.conf(), first=0)
        r.answer(ndjson(HEADER, END))
        self.result(req=req)
        req = self.list()
        r2 = self.backend.next()
        self.assertIsNot(r.sock, r2.sock)
        r2.answer(ndjson(HEADER, END))
        self.result(req=req)

    def test_bodies(self):
        """8 MB each way"""
        self.begin()
        size = 8 << 20
        data = os.urandom(1 << 20) * 8
        req = self.ask('st_get', id='c', size=size, length=size,
                       credit=1 << 30)
        self.backend.next().answer(content(data))
        got = self.result(req=req, timeout=30)
        self.assertEqual(data, b''.join(m.data for m in got))
        req = self.ask('st_put', mailbox='m', size=size)
        import threading
        r = [None]

        def take():
            r[0] = self.backend.next()
            r[0].answer(b'HTTP/1.1 100 Continue\r\n\r\n')
            r[0].read_body()
        t = threading.Thread(target=take)
        t.start()
        sent, credit = 0, 256 * 1024
        while sent < size:
            while credit == 0:
                credit += self.next_of(self.imap, req).bytes
            n = min(32768, credit)
            self.imap.send('st_data', sid=7, req=req,
                           data=data[sent:sent + n])
            sent, credit = sent + n, credit - n
        self.imap.send('st_data_end', sid=7, req=req)
        t.join(60)
        self.assertEqual(data, r[0].body.partition(b'\n')[2])
        r[0].answer(ndjson({'header': True}, {'index': 0, 'uid': 1,
                                              'uidvalidity': 1, 'id': 'c'},
                           END))
        self.result(req=req)

    def test_silent_handshake(self):
        """a server that never answers the handshake is given up in time"""
        self.context = None
        make()
        self.host, self.ca, self.client = 'store.test', 'ca', None
        socks = []

        def wrap(sock):
            socks.append(sock)
            import time
            time.sleep(60)
            raise OSError
        self.prepare = lambda: setattr(self.backend, 'wrap', wrap)
        EngineTest.begin(self, up=False, t_backend=1)
        self.never()

    def test_cut_handshake(self):
        """or hangs up in it"""
        self.context = None
        make()
        self.host, self.ca, self.client = 'store.test', 'ca', None

        def wrap(sock):
            sock.recv(10)
            sock.close()
            raise OSError
        self.prepare = lambda: setattr(self.backend, 'wrap', wrap)
        EngineTest.begin(self, up=False)
        self.never()


if __name__ == '__main__':
    atf.main()
