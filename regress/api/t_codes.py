#!/usr/bin/env python3
"""The table of mfront-storage(7)'s ERROR CODES, on the wire: a storage in
memory refuses with each code what IMAP, LMTP and POP3 ask of it."""

import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
import page                                             # noqa: E402
from played import load, serve                          # noqa: E402
from whole import PASSWORD, WholeTest                   # noqa: E402

TABLE = [row[:2] + ['' if cell == '\\(en' else cell for cell in row[2:]]
         for row in list(page.columns('ERROR CODES'))[1:]]
MAIL = 'Subject: x\r\n\r\nx\r\n'


class Refusing:
    """A storage that refuses what names a code: the password of a login, the
    keyword of a STORE, the address of a recipient, or what is said of all
    contents"""

    def __init__(self, path):
        self.played, self.content = load(), None
        self.status = {row[1]: int(row[0]) for row in TABLE}
        p = self.played
        p.CAPABILITIES.update(auth=True)
        del p.CAPABILITIES['scram']
        # a request is known by its function: these have no key
        self.instead(p.scram, lambda old, q: self.auth(q), '/auth')
        self.instead(p.recipients, self.recipients)
        self.instead(p.patch, self.patch)
        self.instead(p.content, self.contents)
        self.store_one, p.store_one = p.store_one, self.rows
        self.server = p.Server(path, p.Handler)

    def instead(self, old, new, path=None):
        def call(*args):
            return new(old, *args)
        setattr(self.played, old.__name__, call)
        self.played.Handler.CALLS = [
            (how, path if path and func is old else where,
             call if func is old else func)
            for how, where, func in self.played.Handler.CALLS]

    def refuse(self, code):
        if code in self.status:
            raise self.played.Problem(self.status[code], code)

    def auth(self, q):
        b = q.json()
        self.refuse(b['password'])
        return self.played.value({'account': b['username'],
                                  'name': b['username']})

    def recipients(self, old, q):
        self.refuse(q.json()['address'].partition('@')[0])
        return old(q)

    def patch(self, old, q, *args):
        for flag in q.json().get('add') or []:
            self.refuse(flag)
            if flag == 'busy':
                q.more['Retry-After'] = '1'
                raise self.played.Problem(429, 'try-later')
        return old(q, *args)

    def flagged(self, account):
        """Somebody else flags its first message"""
        store = self.played.store
        with store.lock:
            a = store.account(account)
            m = a.named('INBOX')
            m.modseq += 1
            m.messages[1].flags = m.keep(['\\Flagged'])
            m.messages[1].modseq = m.modseq
            store.tell(a, m)

    def contents(self, old, q, *args):
        self.refuse(self.content)
        return old(q, *args)

    def rows(self, index, to, data):
        code = to.get('address', '').partition('@')[0].removeprefix('row-')
        if code in self.status:
            return {'index': index, 'code': code}
        return self.store_one(index, to, data)


class Codes(WholeTest):
    auto = False

    def begin_refusing(self, conf=''):
        top = tempfile.TemporaryDirectory(prefix='mfrontd.')
        self.addCleanup(top.cleanup)
        os.chmod(top.name, 0o755)
        path = os.path.join(top.name, 'sock')
        self.backend = Refusing(path)
        serve(self, self.backend.server)
        os.chmod(path, 0o666)
        self.begin(storage='storage "main" url "unix:%s:/v1"' % path,
                   auth='auth storage', listen=('imap', 'pop3', 'lmtp'),
                   conf='failure delay 0s\n'
                   'limits { failed logins 1000, bad commands 1000 }\n' +
                   conf)
        self.house.logged('storage main: .* is up')
        self.session = self.imap()
        self.session.append('INBOX', MAIL.encode())
        self.session.ok('SELECT INBOX')

    def lmtp(self, code):
        """The replies to RCPT, and to a delivery"""
        m = self.client('lmtp')
        m.line()
        m.send('LHLO x')
        while m.line()[3] == '-':
            pass
        m.cmd('MAIL FROM:<a@example.org>')
        rcpt = m.cmd('RCPT TO:<%s@example.org>' % code)
        self.assertEqual('250', m.cmd('RCPT TO:<row-%s@example.org>' %
                                      code)[:3])
        self.assertEqual('354', m.cmd('DATA')[:3])
        data = m.cmd(*MAIL.splitlines(), '.')
        m.close()
        return rcpt[:9], data[:9]

    def pop3(self, password, *commands):
        """The reply to the last command"""
        p = self.client('pop3')
        p.line()
        for command in ('USER joe', 'PASS ' + password) + commands:
            answer = p.cmd(command)
        p.close()
        return answer.partition('[')[2].partition(']')[0]

    def one(self, code, imap, lmtp, pop3):
        hidden = code == 'no-such-account'
        c = self.imap(None)
        r = c.cmd('LOGIN joe ' + code)
        self.assertEqual(('NO', 'AUTHENTICATIONFAILED' if hidden else imap),
                         (r.type, r.code or ''))
        c.close()
        self.assertEqual('AUTH' if hidden else pop3, self.pop3(code))
        r = self.session.cmd('STORE 1 +FLAGS (%s)' % code)
        self.assertEqual(('NO', imap), (r.type, r.code or ''))
        self.assertEqual((lmtp, lmtp), self.lmtp(code))
        self.backend.content = code
        self.assertEqual(pop3, self.pop3(PASSWORD, 'RETR 1'))
        r = self.session.cmd('FETCH 1 BODY.PEEK[]')
        self.assertEqual(('OK' if code == 'no-such-message' else 'NO', imap),
                         (r.type, r.code or ''))
        self.backend.content = None

    def test_all(self):
        """Each code: LOGIN, STORE, FETCH; RCPT, a delivery; PASS, RETR"""
        self.begin_refusing()
        self.assertEqual(28, len(TABLE))
        for _, code, imap, lmtp, pop3 in TABLE:
            with self.subTest(code=code):
                self.one(code, imap, lmtp, pop3)
        # and it is still well
        self.assertEqual('OK', self.session.cmd('FETCH 1 BODY.PEEK[]').type)

    def test_busy(self):
        """429 with Retry-After: what was told meanwhile is seen after it"""
        self.begin_refusing('poll 1s')
        idler = self.imap(select='INBOX')
        tag = idler.idle()
        self.session.no('STORE 1 +FLAGS (busy)', code='UNAVAILABLE')
        self.backend.flagged('joe')
        self.assertEqual(1, idler.wait_for('FETCH').number)
        idler.done(tag)
        self.session.ok('STORE 1 +FLAGS (kept)')


if __name__ == '__main__':
    atf.main()
