#!/usr/bin/env python3
"""The ways that mfrontctl check connects, and peers that are no storage."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import tls                                              # noqa: E402
from kit import check                                   # noqa: E402


class Net(unittest.TestCase):
    def tls_backend(self, *ca):
        p = subprocess.Popen(
            [sys.executable, os.path.join(HERE, 'backend.py'),
             ':'.join(('tls',) + tls.files() + ca)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return int(p.stdout.readline())

    def test_tls(self):
        """https, with a CA of its own, is verified"""
        port = self.tls_backend()
        url = 'https://localhost:%d/v1' % port
        names = ('service-document,upload,upload-large,upload-chunked,'
                 'uids-ascend,events-told,cut-stores-nothing')
        r = check(url, '-C', tls.files()[0], '-c', names)
        self.assertEqual((r.status, r.failed), (0, set()), r.why())
        self.assertTrue(set(names.split(',')) <= r.named('passed'), r.out)
        # one that nobody vouches for
        r = check(url)
        self.assertEqual(r.status, 1)
        self.assertRegex(r.doc['error'], 'certificate|verif')
        # or not for this name
        r = check('https://127.0.0.2:%d/v1' % port, '-C', tls.files()[0])
        self.assertEqual(r.status, 1)

    def test_client_certificate(self):
        """A storage that wants a certificate is shown one, with -E, -K"""
        cert, key = tls.files()
        url = 'https://localhost:%d/v1' % self.tls_backend(cert)
        names = 'service-document,upload-large,cut-stores-nothing'
        own = '-C', cert, '-E', cert, '-K', key
        r = check(url, *own, '-c', names)
        self.assertEqual((r.status, r.failed), (0, set()), r.why())
        self.assertTrue(set(names.split(',')) <= r.named('passed'), r.out)
        # without one, and with one that this storage's CA knows nothing of
        with tempfile.TemporaryDirectory() as top:
            other = [os.path.join(top, name) for name in ('c', 'k')]
            tls.make(*other)
            for args in own[:2], own[:2] + ('-E', other[0], '-K', other[1]):
                r = check(url, *args)
                self.assertEqual((r.status, r.named('passed')), (1, set()))
                self.assertTrue(r.doc['error'], r.out)
            # nor with the key of another
            r = check(url, *own[:4], '-K', other[1])
            self.assertEqual(r.status, 1)
            self.assertIn('private key', r.doc['error'])
        r = check(url, *own[:4], '-K', '/nowhere')
        self.assertEqual((r.status, r.out), (1, ''))
        for args in own[:4], own[:2] + own[4:]:
            r = check(url, *args)
            self.assertEqual(r.status, 2)
            self.assertIn('-E and -K belong together', r.err)

    def peer(self, answer):
        """Somebody who answers everything so, and closes"""
        s = socket.socket()
        self.addCleanup(s.close)
        s.bind(('127.0.0.1', 0))
        s.listen(16)

        def serve():
            while True:
                try:
                    c = s.accept()[0]
                except OSError:
                    return
                with c:
                    if c.recv(65536):
                        c.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        return 'http://127.0.0.1:%d/v1' % s.getsockname()[1]

    def test_no_storage(self):
        """What is no storage is told, and never ends in a crash"""
        def answer(body, head='Content-Type: application/json\r\n',
                   status=200):
            return ('HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n' % (
                status, head, len(body))).encode() + body
        html = 'Content-Type: text/html\r\n'
        deep = b'[' * 5000 + b']' * 5000
        for data, why in (
                (b'', 'closed'),
                (b'SSH-2.0-x\r\n', 'no HTTP'),
                (b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}', 'cut'),
                (b'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', 'HTTP'),
                (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz',
                 'cut'),
                (answer(b'<html>', html), 'no JSON'),
                (answer(b'<html>', html, 404), '404'),
                (answer(deep), 'no JSON'),
                (answer(b'{"api":2}'), 'API 1'),
                (answer(b'{"api":1,"capabilities":[]}'), ''),
                (answer(b'\xff\x00' * 100), 'no JSON')):
            url = self.peer(data)
            for j in True, False:
                r = check(url, json=j)
                self.assertEqual(r.status, 1, (data[:80], r.err))
                self.assertEqual(r.err, '')
                self.assertIn(why, r.out, data[:80])

    def test_unix_path(self):
        """A socket that is not there, and one that nobody listens on"""
        with tempfile.TemporaryDirectory() as top:
            path = os.path.join(top, 's')
            self.assertIn('connect', check('unix:' + path).doc['error'])
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(path)
            self.assertIn('refused', check('unix:' + path).doc['error'])


if __name__ == '__main__':
    atf.main()
