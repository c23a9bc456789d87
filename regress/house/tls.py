"""A certificate for tests, made once a run."""

import os
import ssl
import subprocess
import tempfile

_dir = None


def make(cert, key):
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
         '-subj', '/CN=localhost', '-addext',
         'subjectAltName=DNS:localhost,IP:127.0.0.1',
         '-keyout', key, '-out', cert],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def files():
    global _dir
    if _dir is None:
        _dir = tempfile.TemporaryDirectory()
        make(os.path.join(_dir.name, 'cert.pem'),
             os.path.join(_dir.name, 'key.pem'))
    return (os.path.join(_dir.name, 'cert.pem'),
            os.path.join(_dir.name, 'key.pem'))


def pems():
    found = []
    for name in files():
        with open(name, 'rb') as f:
            found.append(f.read())
    return found


def context():
    """A client's that verifies it"""
    return ssl.create_default_context(cafile=files()[0])
