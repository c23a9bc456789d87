#!/usr/bin/env python3
"""A storage that wants our certificate and a token, and has a certificate of
an authority of its own: through mfrontd.conf."""

import os
import re
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

from played import load, serve                          # noqa: E402
from whole import Whole, WholeTest                          # noqa: E402
import atf                                              # noqa: E402
import tls                                              # noqa: E402

TOKEN = 's3cret'
MORE = {
    'token': 'token file "$dir/token"',
    'ca': 'ca file "$dir/cert.pem"',
    'certificate': 'certificate cert "$dir/cert.pem" key "$dir/key.pem"',
}


def secured(test):
    """The storage; asked: (Authorization, was there a certificate) of what
    came through"""
    played = load()

    class Handler(played.Handler):
        def handle_one(self):
            token = self.headers.get('Authorization')
            self.server.asked.add((
                token, bool(self.connection.getpeercert())))
            if token != 'Bearer ' + TOKEN:
                raise played.Problem(401, 'bad-token')
            super().handle_one()

    server = played.TlsServer(*tls.files())
    server.RequestHandlerClass = Handler
    server.context.verify_mode = ssl.CERT_REQUIRED
    server.context.load_verify_locations(tls.files()[0])
    server.asked = set()
    return serve(test, server)


class Https(WholeTest):
    auto = False

    def with_all(self, but=None):
        return 'storage "main" {\n\turl "https://localhost:%d/v1"\n%s}' % (
            self.port, ''.join('\t%s\n' % line for name, line in MORE.items()
                               if name != but))

    def begin(self):
        self.server = secured(self)
        self.port = self.server.server_address[1]
        self.house = Whole(storage=self.with_all())
        self.addCleanup(self.finish)
        self.house.write('token', TOKEN + '\n')
        self.house.start()

    def reload(self, but, state):
        """Returns what the log says of the storage then"""
        pattern = r'(?m)^engine: storage main(?:: .*)? is %s(.*)$' % state
        before = len(re.findall(pattern, self.house.log()))
        self.server.asked.clear()
        self.house.storage = self.with_all(but)
        self.house.write_conf()
        self.assertEqual((0, 'storage changed: main\n'),
                         self.house.reload())
        return self.house.logged(pattern, count=before + 1).group(1)

    def works(self):
        c = self.imap(select='INBOX')
        self.assertEqual(1, len(c.ok('FETCH 1 BODY.PEEK[]').fetched()))
        self.assertEqual({('Bearer ' + TOKEN, True)}, self.server.asked)
        return c

    def test_all(self):
        """up with all three, down without each of them, and why"""
        self.begin()
        self.house.logged('storage main: .* is up')
        self.imap().append('INBOX', b'Subject: x\r\n\r\nx\r\n')
        self.works()
        for but, why, asked in (
                ('certificate', 'certificate required', set()),
                ('ca', 'certificate verification failed', set()),
                ('token', 'bad-token', {(None, True)})):
            self.assertIn(why, self.reload(but, 'down'))
            self.assertEqual(asked, self.server.asked)
            c = self.imap(None)
            c.ok('LOGIN joe pw')
            c.no('SELECT INBOX', code='UNAVAILABLE')
            self.reload(None, 'up')
            self.works()


if __name__ == '__main__':
    atf.main()
