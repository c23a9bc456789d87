#!/usr/bin/env python3
"""Real mail clients, through a whole mfrontd, with each of the examples."""

import os
import re
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from example import HouseTest, letter                   # noqa: E402
import atf                                              # noqa: E402

# what moves something, of mbsync's commands
MOVES = re.compile(r'BODY\.PEEK\[\]|APPEND|STORE|EXPUNGE|COPY|MOVE|CREATE|'
                   r'DELETE')
# by which mbsync finds again what it has stored
TUID = re.compile(rb'(?m)^X-TUID: .{12}\r\n')
BOXES = ('INBOX', 'Sent', 'Lists/bsd.tech')


class Mbsync:
    """Two-way synchronisation with a folder, for a HouseTest"""

    def config(self, *more):
        self.rc = self.file('rc', '\n'.join([
            'IMAPAccount house', 'Host localhost',
            'Port %d' % self.house.ports['imap'], 'User joe', 'Pass pw',
            'SSLType None', 'AuthMechs *', '',
            'IMAPStore far', 'Account house', '',
            'MaildirStore near', 'Path %s/mail/' % self.home,
            'Inbox %s/mail/INBOX' % self.home, 'SubFolders Verbatim', '',
            'Channel all', 'Far :far:', 'Near :near:', 'Patterns *',
            *(more or ['Create Both', 'Remove Both', 'Expunge Both']),
            'SyncState *', '']))
        os.makedirs(os.path.join(self.home, 'mail'), exist_ok=True)

    def sync(self):
        """Runs it; its commands that moved something"""
        said = self.run_ok('mbsync', '-c', self.rc, '-Dn', 'all',
                           timeout=110).decode('utf-8', 'replace')
        return [c for c in re.findall(r'^>+ \d+ (.*)', said, re.M)
                if MOVES.search(c)]

    def near(self, box):
        """[(bytes, whether it is flagged)], in any order"""
        found = []
        for sub in ('cur', 'new'):
            folder = os.path.join(self.home, 'mail', box, sub)
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), 'rb') as f:
                    text = f.read().replace(b'\n', b'\r\n')
                found.append((TUID.sub(b'', text),
                              'F' in name.partition(':2,')[2]))
        return sorted(found)

    def far(self, box):
        c, found = self.house.imap(select=box), []
        if c.exists:
            for _, i in c.ok('UID FETCH 1:* (FLAGS BODY.PEEK[])').fetched():
                found.append((TUID.sub(b'', i['BODY[]']),
                              '\\Flagged' in i['FLAGS']))
        c.close()
        return sorted(found)

    def same(self, *boxes):
        for box in boxes:
            self.assertEqual(self.far(box), self.near(box), box)

    def put(self, box, name, text, flags=''):
        """A message into the folder, as a mail program does"""
        for sub in ('cur', 'new', 'tmp'):
            os.makedirs(os.path.join(self.home, 'mail', box, sub),
                        exist_ok=True)
        self.file('mail/%s/cur/%s:2,%s' % (box, name, flags),
                  text.replace(b'\r\n', b'\n'))

    def find(self, box, text):
        for sub in ('cur', 'new'):
            folder = os.path.join(self.home, 'mail', box, sub)
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                with open(path, 'rb') as f:
                    if text in f.read():
                        return path
        self.fail('no %r in %s' % (text, box))


class Both(Mbsync):
    programs = ('mbsync', 'curl')

    @atf.timeout(240)
    def test_mbsync(self):
        """both ways; again, when nothing is left to do; changes; again"""
        self.config()
        c = self.imap()
        for box in BOXES[1:]:
            c.ok('CREATE "%s"' % box)
            for n in range(3):
                c.append(box, letter('%s %d' % (box, n)))
        self.deliver(letter('delivered'))
        self.put('Notes', '1.x', letter('note 1'), 'SF')
        self.put('Notes', '2.x', letter('note 2'))
        boxes = (*BOXES, 'Notes')
        self.assertNotEqual([], self.sync())
        self.same(*boxes)
        self.assertEqual([1, 3, 3, 2], [len(self.far(b)) for b in boxes])
        self.assertEqual([True, False], [f for _, f in self.far('Notes')])
        self.assertEqual([], self.sync())
        # there
        c.ok('SELECT Sent')
        c.ok('STORE 3 +FLAGS (\\Flagged)')
        c.ok('STORE 2 +FLAGS (\\Deleted)')
        c.ok('EXPUNGE')
        c.append('Sent', letter('Sent new'))
        # here
        path = self.find('Lists/bsd.tech', b'tech 2')
        os.rename(path, re.sub('(:2,.*)?$', ':2,FS', path, count=1).replace(
            '/new/', '/cur/'))
        os.unlink(self.find('Notes', b'note 1'))
        self.put('Notes', '3.x', letter('note 3'))
        self.assertNotEqual([], self.sync())
        self.same(*boxes)
        sent = self.near('Sent')
        self.assertEqual([b'0', b'2', b'new'], sorted(
            re.search(rb'Subject: Sent (\w+)', t)[1] for t, _ in sent))
        self.assertEqual([b'2'], [re.search(rb'Subject: Sent (\w+)', t)[1]
                                  for t, flagged in sent if flagged])
        self.assertEqual(1, sum(f for _, f in self.far('Lists/bsd.tech')))
        self.assertEqual({b'note 2', b'note 3'}, {
            re.search(rb'note \d', t)[0] for t, _ in self.far('Notes')})
        self.assertEqual([], self.sync())

    def test_curl(self):
        """curl stores, reads, searches, flags, moves, copies, deletes"""
        def x(command, path=''):
            return self.curl(path, '-X', command).decode()

        text = letter('by curl', '.\r\nbody with lamps\r\n')
        x('CREATE Drafts')
        self.curl('Drafts', '-T', self.file('m', text))
        self.assertEqual(text, self.curl('Drafts;UID=1'))
        self.assertEqual(b'1', self.curl('Drafts?BODY%20lamps',
                                         ).split()[-1])
        self.assertIn('\\Flagged', x('STORE 1 +FLAGS (\\Flagged kw)',
                                     'Drafts'))
        x('UID MOVE 1 INBOX', 'Drafts')
        self.assertEqual({}, self.contents('joe', 'Drafts'))
        self.assertEqual([text], list(self.contents().values()))
        self.assertRegex(x('FETCH 1 (FLAGS)', 'INBOX'),
                         r'FLAGS \((?=.*\\Flagged).*kw')
        x('COPY 1 Drafts', 'INBOX')
        self.assertEqual([text], list(self.contents('joe',
                                                    'Drafts').values()))
        x('RENAME Drafts Letters/Drafts')
        self.assertEqual([text], list(self.contents(
            'joe', 'Letters/Drafts').values()))
        x('STORE 1 +FLAGS.SILENT \\Deleted', 'INBOX')
        self.assertIn('1 EXPUNGE', x('EXPUNGE', 'INBOX'))
        self.assertEqual({}, self.contents())
        x('DELETE Letters/Drafts')
        self.assertNotIn('Drafts', x('LIST "" *'))
        # delivered and fetched by POP3
        self.deliver(letter('delivered'))
        self.assertIn(b'Subject: delivered', self.curl('1', protocol='pop3'))
        self.curl('1', '-l', '-X', 'DELE', protocol='pop3')
        self.assertEqual({}, self.contents())

    def test_told(self):
        """what is delivered an open mailbox shows by and by"""
        c = self.imap(select='INBOX')
        self.deliver(letter('one'))
        while not c.exists:
            c.ok('NOOP')
        self.assertEqual(1, c.exists)


class Maildir(Both, HouseTest):
    example = 'maildir.py'


class Sqlite(Both, HouseTest):
    example = 'sqlite.py'


class Tickets(Both, HouseTest):
    example = 'tickets.py'


class Memory(Both, HouseTest):
    example = 'memory.mjs'


class Readonly(Mbsync, HouseTest):
    example = 'readonly.py'
    programs = ('mbsync', 'curl')

    def fill(self, *names):
        for name in names:
            with open(self.backend.path('mail', name + '.eml'), 'wb') as f:
                f.write(letter(name).replace(b'\r\n', b'\n'))

    def test_curl(self):
        """read, searched, not changed; by POP3, too"""
        self.fill('one', 'two')
        self.assertEqual(letter('two'), self.curl('INBOX;UID=2'))
        self.assertEqual(b'2', self.curl('INBOX?SUBJECT%20two').split()[-1])
        self.assertEqual(letter('one'), self.curl('1', protocol='pop3'))
        self.curl('INBOX', '-X', 'STORE 1 +FLAGS \\Seen', status=21)
        self.curl('', '-X', 'CREATE Drafts', status=21)
        self.curl('INBOX', '-T', self.file('m', letter('three')), status=25)

    def test_mbsync(self):
        """there and here are the same; uids stay when it starts again"""
        self.config('Create Near', 'Sync Pull', 'Expunge Near')
        self.fill('one', 'two', 'three')
        self.assertNotEqual([], self.sync())
        self.same('INBOX')
        self.assertEqual([], self.sync())
        self.backend.kill()
        os.unlink(self.backend.path('mail', 'two.eml'))
        self.fill('four')
        self.backend.start()
        self.assertEqual(1, len(self.sync()))
        self.assertEqual({b'one', b'three', b'four'}, {
            re.search(rb'Subject: (\w+)', t)[1] for t, _ in
            self.near('INBOX')})


if __name__ == '__main__':
    atf.main()
