#!/usr/bin/env python3
"""What is offered follows what the account's storage can: nothing that is
not there, and nothing less for what the frontend does by itself."""

import matrix
import atf
import t_login_scram
import whole

IMAP = set('''IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN
UNSELECT UIDPLUS SPECIAL-USE ESEARCH SEARCHRES SORT SORT=DISPLAY ESORT
THREAD=ORDEREDSUBJECT THREAD=REFERENCES I18NLEVEL=1
INPROGRESS PREVIEW'''.split())
# only with these
NEEDS = {
    'MOVE': 'write',
    'CONDSTORE': 'modseq', 'QRESYNC': 'modseq',
    'QUOTA': 'quota', 'QUOTASET': 'quota', 'QUOTA=RES-STORAGE': 'quota',
    'QUOTA=RES-MESSAGE': 'quota',
    'METADATA': 'metadata', 'OBJECTID': 'objectid', 'SAVEDATE': 'savedate',
    'REPLACE': 'batch', 'MULTIAPPEND': 'batch', 'CATENATE': 'batch',
}
LHLO = {'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8',
        'CHUNKING', 'SIZE'}
CAPA = {'TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'STLS',
        'USER', 'SASL', 'IMPLEMENTATION'}
MAIL = 'Subject: x\r\n\r\nx'


class Offer(whole.WholeTest):
    auto = False

    def house_without(self, without):
        before = whole.WITHOUT
        whole.WITHOUT = set(without)
        try:
            self.begin(listen=('imap', 'lmtp', 'pop3'))
        finally:
            whole.WITHOUT = before

    def imap_says(self, without):
        c = self.imap()
        said = set(c.ok('CAPABILITY').one('CAPABILITY').data)
        self.assertLessEqual(IMAP, said)
        self.assertEqual(set(), {w for w in said
                                 if NEEDS.get(w) in without})
        for word, need in (('MOVE', 'write'), ('CONDSTORE', 'modseq'),
                           ('REPLACE', 'batch'), ('CATENATE', 'batch'),
                           ('MULTIAPPEND', 'batch')):
            self.assertEqual(need not in without, word in said)
        # the same in the answer to LOGIN
        d = self.house.imap(None)
        self.clients.append(d)
        r = d.ok('LOGIN joe pw')
        self.assertEqual(said, set(r.codedata.split()))

    def lmtp_says(self, without):
        m = self.client('lmtp')
        m.line()
        m.send('LHLO test')
        said, line = set(), m.line()
        while line[3] == '-':
            line = m.line()
            said.add(line[4:].split()[0])
        self.assertEqual(LHLO, said)
        m.cmd('MAIL FROM:<a@example.org>')
        answer = m.cmd('RCPT TO:<joe@localhost>')
        if answer[:1] == '2':
            self.assertEqual('354', m.cmd('DATA')[:3])
            answer = m.cmd(MAIL, '.')
        self.assertEqual('4' if 'write' in without else '2', answer[:1],
                         answer)
        return answer

    def pop3_says(self, without):
        p = self.client('pop3')
        p.line()
        p.send('CAPA')
        said, line = set(), p.line()
        while line != '.':
            line = p.line()
            said.add(line.split(' ')[0])
        self.assertEqual(CAPA | {'.'}, said)
        p.cmd('USER joe')
        self.assertEqual('+OK', p.cmd('PASS pw')[:3])
        many = 0 if 'write' in without else 1
        self.assertEqual('+OK %d' % many, ' '.join(p.cmd('STAT').split()[:2]))
        if many:
            self.assertEqual('+OK', p.cmd('DELE 1')[:3])
        self.assertEqual('+OK', p.cmd('QUIT')[:3])

    def says(self, without):
        self.house_without(without)
        self.imap_says(without)
        self.lmtp_says(without)
        self.pop3_says(without)

    def test_all(self):
        """a storage with all that there is"""
        self.says([])

    def test_offload(self):
        """without cache, range and subscriptions"""
        self.says(matrix.WITHOUT['offload'])

    def test_level2(self):
        """level 2"""
        self.says(matrix.WITHOUT['level2'])

    def test_level1(self):
        """level 1"""
        self.says(matrix.WITHOUT['level1'])

    def test_level0(self):
        """level 0"""
        self.says(matrix.WITHOUT['level0'])


class Mechanisms(t_login_scram.Keys):
    """Of logins, where accounts come from the storage"""

    def mechanisms(self, without):
        self.begin(listen=('imap', 'pop3'), without=' without { %s }' %
                   ' '.join(without))
        c = self.imap(None)
        said = [w[5:] for w in c.greeting.codedata.split()
                if w[:5] == 'AUTH=']
        p = self.client('pop3')
        p.line()
        p.send('CAPA')
        line = ''
        while not line.startswith('SASL '):
            line = p.line()
        self.assertEqual(said, line.split()[1:])
        return said

    def test_scram(self):
        """with scram, whatever else there is not"""
        self.assertEqual(['PLAIN', 'SCRAM-SHA-256'], self.mechanisms(
            matrix.WITHOUT['offload'] + matrix.LEVEL2))

    def test_no_scram(self):
        """without it"""
        self.assertEqual(['PLAIN'], self.mechanisms(['scram']))


if __name__ == '__main__':
    atf.main()
