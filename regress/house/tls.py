"""A certificate for tests, made once a run."""

import os
import ssl
import subprocess
import tempfile

_dir = None


def files():
    global _dir
    if _dir is None:
        _dir = tempfile.TemporaryDirectory()
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
             '-subj', '/CN=localhost', '-addext',
             'subjectAltName=DNS:localhost,IP:127.0.0.1',
             '-keyout', os.path.join(_dir.name, 'key.pem'),
             '-out', os.path.join(_dir.name, 'cert.pem')],
            check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
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
