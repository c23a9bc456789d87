#!/usr/bin/env python3
"""IMAP: which command may be given when, and the ways to log in."""

import base64
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'house'))

import atf                                              # noqa: E402
from whole import SLOW, WITHOUT, WholeTest              # noqa: E402

# command, and the states in which it is OK: n(ot logged in), a(uthenticated),
# s(elected); elsewhere it is BAD
COMMANDS = (
    ('CAPABILITY', 'nas'),
    ('NOOP', 'nas'),
    ('ID NIL', 'nas'),
    ('ID ("name" "test" "version" NIL)', 'nas'),
    ('ENABLE CONDSTORE', 'as'),
    ('NAMESPACE', 'as'),
    ('LIST "" *', 'as'),
    ('LSUB "" *', 'as'),
    ('STATUS INBOX (MESSAGES)', 'as'),
    ('CREATE box%d', 'as'),
    ('SUBSCRIBE box%d', 'as'),
    ('UNSUBSCRIBE box%d', 'as'),
    ('RENAME box%d new%d', 'as'),
    ('DELETE new%d', 'as'),
    ('APPEND INBOX {3+}\r\na: ', 'as'),
    ('CHECK', 's'),
    ('FETCH 1 FLAGS', 's'),
    ('UID FETCH 1:* FLAGS', 's'),
    ('STORE 1 +FLAGS (\\Seen)', 's'),
    ('UID STORE 1:* +FLAGS (\\Seen)', 's'),
    ('SEARCH ALL', 's'),
    ('UID SEARCH ALL', 's'),
    ('SEARCH RETURN () ALL', 's'),
    ('SORT (DATE) UTF-8 ALL', 's'),
    ('UID SORT RETURN (COUNT) (REVERSE DISPLAYTO) US-ASCII ALL', 's'),
    ('THREAD REFERENCES UTF-8 ALL', 's'),
    ('UID THREAD ORDEREDSUBJECT UTF-8 ALL', 's'),
    ('COPY 1 INBOX', 's'),
    ('UID COPY 1:* INBOX', 's'),
    ('MOVE 1 INBOX', 's'),
    ('UID MOVE 1:* INBOX', 's'),
    ('EXPUNGE', 's'),
    ('UID EXPUNGE 1:*', 's'),
    ('SELECT INBOX', 'as'),
    ('EXAMINE INBOX', 'as'),
)

UNKNOWN = ('XYZZY', 'UID', 'UID NOOP', 'UID EXPUNGE', 'SORT () UTF-8 ALL',
           'THREAD REFS UTF-8 ALL', 'FETCHX 1 FLAGS', 'FETCH',
           'STARTTLS now', 'NOOP now', 'CAPABILITY x', 'SELECT', 'EXAMINE',
           'LOGOUT x', 'CLOSE x', 'IDLE x', 'CHECK x', 'LOGIN joe',
           'LOGIN joe pw x', 'AUTHENTICATE', 'STATUS INBOX',
           'STATUS INBOX ()', 'STATUS INBOX (ALL)', 'LIST ""', 'ENABLE',
           'RENAME a', 'CREATE', 'CREATE a b', 'CREATE "a', 'CREATE a{',
           'CREATE a(b', 'CREATE a*b')


def plain(user, password, authzid=''):
    return base64.b64encode(('%s\0%s\0%s' % (authzid, user, password))
                            .encode()).decode()


class State(WholeTest):
    options = dict(conf='limits { bad commands 1000 }')

    def test_every_command(self):
        """each in each state: OK where it may be, BAD elsewhere"""
        n = self.imap(user=None)
        a, s = self.imap(), self.imap()
        s.append('INBOX', b'Subject: x\r\n\r\nx\r\n')
        for state, c in (('n', n), ('a', a), ('s', s)):
            if state == 's':
                s.ok('SELECT INBOX')
            for text, where in COMMANDS:
                if state == 's' and text.startswith(('EXPUNGE', 'SELECT')):
                    c.ok('SELECT INBOX')
                text = text.replace('%d', state)
                r = c.cmd(text)
                well = 'OK'
                if (text.startswith('UNSUB') and
                        {'subscriptions', 'dict'} <= WITHOUT):
                    well = 'NO'
                self.assertEqual(well if state in where else 'BAD', r.type,
                                 (state, text, r))
            for text in UNKNOWN:
                r = c.cmd(text)
                self.assertEqual('BAD', r.type, (state, text, r))
            c.no('CREATE ""')
            if state == 'a':
                c.ok('UNSELECT')        # of the EXAMINE before
        for how in ('CLOSE', 'UNSELECT'):
            s.ok('SELECT INBOX')
            s.ok(how)
            s.bad('FETCH 1 FLAGS')
            s.bad(how)

    def test_after_failed_select(self):
        """a SELECT that fails leaves no mailbox selected"""
        c = self.imap()
        c.append('INBOX', b'a: b\r\n\r\n')
        c.ok('SELECT INBOX')
        c.no('SELECT missing', code='NONEXISTENT')
        c.bad('FETCH 1 FLAGS')
        c.bad('CLOSE')
        c.ok('EXAMINE INBOX')
        c.no('EXAMINE missing', code='NONEXISTENT')
        c.bad('CHECK')

    def test_read_only(self):
        """what EXAMINE forbids; \\Seen is not set in it"""
        c = self.imap()
        uid = c.append('INBOX', b'Subject: x\r\n\r\nx\r\n', ['\\Deleted'])
        r = c.ok('EXAMINE INBOX')
        self.assertEqual('READ-ONLY', r.code)
        self.assertEqual('', r.codes()['PERMANENTFLAGS'].strip('()'))
        for text in ('STORE 1 FLAGS ()', 'UID STORE 1:* +FLAGS (x)',
                     'EXPUNGE', 'UID EXPUNGE 1:*', 'MOVE 1 INBOX',
                     'UID MOVE 1:* INBOX'):
            c.no(text, code='READ-ONLY')
        c.ok('FETCH 1 BODY[]')
        c.ok('FETCH 1 FLAGS')
        self.assertEqual({'\\deleted', '\\recent'}, c.flags.get(
            uid, frozenset()) | {f.lower() for f in c.ok(
                'FETCH 1 FLAGS').fetched()[0][1]['FLAGS']})
        c.ok('COPY 1 INBOX')            # that reads only
        c.ok('CLOSE')                   # and expunges nothing
        self.assertEqual(2, c.ok('STATUS INBOX (MESSAGES)').one('STATUS')
                         .data[1]['MESSAGES'])

    def test_logout(self):
        """BYE, then OK, then the end; also with commands behind it"""
        for user in (None, 'joe'):
            c = self.imap(user)
            r = c.ok('LOGOUT')
            self.assertEqual(['BYE'], [x.type for x in r.responses])
            self.assertEqual([], c.ended())
            c = self.imap(user)
            c.raw(b'1 NOOP\r\n2 LOGOUT\r\n3 NOOP\r\n')
            self.assertEqual(['OK', 'BYE', 'OK'],
                             [x.type for x in c.ended()])

    def test_id_enable(self):
        """ID, ENABLE and NAMESPACE answer as they should"""
        c = self.imap()
        r = c.ok('ID ("name" "x" "vendor" NIL)')
        self.assertEqual(b'name', r.one('ID').data[0][0])
        c.bad('ID ("name")')
        c.bad('ID (name x')
        r = c.ok('ENABLE CONDSTORE X-UNKNOWN IMAP4REV1')
        self.assertEqual(['CONDSTORE'] * ('modseq' not in WITHOUT),
                         r.one('ENABLED').data)
        self.assertEqual([], c.ok('ENABLE X-MORE').one('ENABLED').data)
        r = c.ok('NAMESPACE')
        self.assertEqual([[[b'', b'/']], None, None],
                         r.one('NAMESPACE').data)

    def test_pipelined(self):
        """many commands at once: answered one after the other"""
        c = self.imap()
        c.append('INBOX', b'Subject: 1\r\n\r\n1\r\n')
        out = b''
        for n in range(70):
            out += (b'x%d ' % n) + (b'SELECT INBOX', b'FETCH 1 BODY[]',
                                    b'UID SEARCH ALL', b'CREATE p%d' % n,
                                    b'APPEND INBOX {4+}\r\na: b',
                                    b'STATUS INBOX (MESSAGES)',
                                    b'NOOP')[n % 7]
            out += b'\r\n'
        c.raw(out)
        c.forget()
        for n in range(70):
            if n % 7 == 0:
                c.forget()
            c.hold = n % 7 == 1
            r = c.finish('x%d' % n)
            self.assertEqual('OK', r.type, r)
        c.ok('NOOP')


class Login(WholeTest):
    options = dict(users=('joe', 'jim'), listen=('imap', 'imaps'),
                   conf='limits { bad commands 1000 }\n'
                   'limits { failed logins 1000 }\nfailure delay 0')

    def capabilities(self, c):
        return set(c.ok('CAPABILITY').one('CAPABILITY').data)

    def test_login(self):
        """LOGIN in its spellings; a failure leaves all as it was"""
        for parts in (('LOGIN joe pw',), ('login "joe" "pw"',),
                      ('LOGIN ', b'joe', ' ', b'pw'),
                      ('Login joe ', b'pw'),
                      ('LOGIN {3+}\r\njoe {2+}\r\npw',)):
            c = self.imap(None)
            c.no('LOGIN joe wrong', code='AUTHENTICATIONFAILED')
            c.no('LOGIN nobody pw', code='AUTHENTICATIONFAILED')
            c.bad('SELECT INBOX')
            r = c.ok(*parts)
            self.assertEqual('CAPABILITY', r.code)
            self.assertEqual(set(r.codedata.split()), self.capabilities(c))
            c.bad('LOGIN joe pw')
            c.bad('AUTHENTICATE PLAIN')
            c.bad('STARTTLS')
            c.ok('SELECT INBOX')
            c.close()
        c = self.imap(None)
        for parts in (('LOGIN "" pw',), ('LOGIN joe ""',),
                      ('LOGIN ', b'j' * 600, ' pw'),
                      ('LOGIN joe ', b'p' * 5000),
                      ('LOGIN ', b'jo\xffe', ' pw'),
                      ('LOGIN "j\\"oe" "p\\\\w"',)):
            c.no(*parts, code='AUTHENTICATIONFAILED')
        c.bad('LOGIN ', b'joe\0', ' pw')
        c.ok('LOGIN joe pw')

    def test_plain(self):
        """AUTHENTICATE PLAIN, with and without the initial response"""
        c = self.imap(None)
        self.assertEqual('+', c.wait_continuation(
            c.begin('AUTHENTICATE PLAIN')).tag)
        c.raw(plain('joe', 'pw').encode() + b'\r\n')
        self.assertEqual('CAPABILITY', c.finish('a1').code)
        c.ok('SELECT INBOX')
        c.close()
        for text in (plain('joe', 'pw'), plain('jim', 'pw', 'jim')):
            c = self.imap(None)
            c.ok('authenticate plain ' + text)
            c.ok('SELECT INBOX')
            c.close()

    def test_plain_refused(self):
        """what is not PLAIN, cancelled, wrong: said so, session goes on"""
        c = self.imap(None)
        c.no('AUTHENTICATE CRAM-MD5')
        c.no('AUTHENTICATE X-Y')
        for text in ('=', '*', '!', 'A', 'AAA', 'am9l', 'AAAA',
                     plain('joe', 'pw') + '=', plain('joe', 'pw')[:-1]):
            c.bad('AUTHENTICATE PLAIN ' + text)
        for text in (plain('joe', 'wrong'), plain('nobody', 'pw'),
                     plain('joe', 'pw', 'jim'), plain('x' * 600, 'pw')):
            r = c.cmd('AUTHENTICATE PLAIN ' + text)
            self.assertIn(r.type, ('NO', 'BAD'), r)
        for line in (b'*', b'', b'!!', b'am9l', b'A' * 9000,
                     b'\0', b'=', b'* x'):
            tag = c.begin('AUTHENTICATE PLAIN')
            c.wait_continuation(tag)
            c.raw(line + b'\r\n')
            self.assertEqual('BAD', c.finish(tag).type, line)
            c.ok('NOOP')
        c.ok('AUTHENTICATE PLAIN ' + plain('joe', 'pw'))

    def test_plain_pipelined(self):
        """what is sent behind the answer without waiting is read after"""
        c = self.imap(None)
        c.raw(b'1 AUTHENTICATE PLAIN\r\n' + plain('joe', 'pw').encode() +
              b'\r\n2 SELECT INBOX\r\n3 NOOP\r\n')
        self.assertEqual('+', c.response().tag)
        for n in '123':
            self.assertEqual('OK', c.finish(n, 5 * SLOW).type)

    def test_capabilities(self):
        """before and after the login, and with TLS"""
        c = self.imap(None)
        said = set(c.greeting.codedata.split())
        before = self.capabilities(c)
        self.assertEqual(said, before)
        self.assertLessEqual({'IMAP4rev1', 'STARTTLS', 'AUTH=PLAIN',
                              'SASL-IR', 'LITERAL+', 'ID', 'ENABLE',
                              'IDLE'}, before)
        c.starttls(self.house.tls)
        secure = self.capabilities(c)
        self.assertEqual(before - {'STARTTLS'}, secure)
        c.ok('LOGIN joe pw')
        after = self.capabilities(c)
        self.assertLessEqual({'IMAP4rev1', 'LITERAL+', 'ID', 'ENABLE',
                              'IDLE', 'NAMESPACE', 'CHILDREN', 'UNSELECT',
                              'UIDPLUS', 'SPECIAL-USE', 'ESEARCH',
                              'SEARCHRES', 'SORT',
                              'SORT=DISPLAY', 'ESORT', 'I18NLEVEL=1',
                              'THREAD=REFERENCES',
                              'THREAD=ORDEREDSUBJECT'}, after)
        self.assertEqual('write' not in WITHOUT, 'MOVE' in after)
        self.assertEqual('modseq' not in WITHOUT, 'CONDSTORE' in after)
        self.assertFalse({'STARTTLS', 'AUTH=PLAIN', 'LOGINDISABLED'} & after)
        c = self.imap(None, protocol='imaps')
        self.assertEqual(secure, self.capabilities(c))
        c.bad('STARTTLS')
        c.ok('LOGIN joe pw')
        c.ok('SELECT INBOX')


class Private(WholeTest):
    """No password in the clear but where it is allowed."""

    auto = False

    def start(self):
        self.begin(listen=('imap', 'imaps'))
        with open(self.house.path('conf')) as f:
            text = f.read()
        self.house.write('conf', text.replace('plaintext login on loopback',
                                              ''))
        self.assertEqual(0, self.house.reload()[0])

    def test_login_disabled(self):
        """LOGINDISABLED, PRIVACYREQUIRED; after STARTTLS it goes"""
        self.start()
        c = self.imap(None)
        words = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertIn('LOGINDISABLED', words)
        self.assertNotIn('AUTH=PLAIN', words)
        c.no('LOGIN joe pw', code='PRIVACYREQUIRED')
        c.no('LOGIN joe wrong', code='PRIVACYREQUIRED')
        c.no('AUTHENTICATE PLAIN ' + plain('joe', 'pw'),
             code='PRIVACYREQUIRED')
        c.no('AUTHENTICATE PLAIN', code='PRIVACYREQUIRED')
        c.starttls(self.house.tls)
        words = c.ok('CAPABILITY').one('CAPABILITY').data
        self.assertNotIn('LOGINDISABLED', words)
        self.assertIn('AUTH=PLAIN', words)
        c.ok('LOGIN joe pw')
        c.close()
        c = self.imap('joe', protocol='imaps')
        c.ok('SELECT INBOX')

    def test_injection(self):
        """plaintext sent behind STARTTLS is dropped"""
        self.start()
        for behind in (b'x NOOP\r\n', b'x LOGIN joe pw\r\ny NOOP\r\n',
                       b'x LOGIN {3}\r\n', b'half a comm'):
            c = self.imap(None)
            # in one piece, so that it is all there when TLS begins
            c.raw(b'1 STARTTLS\r\n' + behind)
            self.assertEqual('OK', c.finish('1').type)
            c.silent(0.1)
            try:
                c.sock = self.house.tls.wrap_socket(
                    c.sock, server_hostname='localhost')
            except OSError:
                continue                # taken for a bad handshake: as well
            r = c.finish(c.begin('CAPABILITY'))
            self.assertEqual('OK', r.type)
            self.assertEqual(['CAPABILITY'], [x.type for x in r.responses])
            c.ok('LOGIN joe pw')

    def test_half_handshake(self):
        """no TLS after STARTTLS: no harm to others"""
        self.start()
        for junk in (b'', b'\x16\x03\x01', b'GET / HTTP/1.0\r\n\r\n'):
            c = self.imap(None)
            c.ok('STARTTLS')
            c.raw(junk)
            c.close()
        c = self.imap(None)
        c.ok('STARTTLS')
        c.raw(b'2 NOOP\r\n')
        try:
            while c.sock.recv(4096):    # an alert, perhaps
                pass
        except ConnectionResetError:
            pass
        self.imap('joe', protocol='imaps').ok('NOOP')


if __name__ == '__main__':
    atf.main()
