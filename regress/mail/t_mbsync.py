#!/usr/bin/env python3
"""mbsync keeps a Maildir and an account the same, both ways."""

import os
import re

import mail
import atf
from mail import (MailTest, PASSWORD, crlf, each_way, letter, odd_mails,
                  on_all_ways)

HOW = {'plain': 'None', 'starttls': 'STARTTLS', 'tls': 'IMAPS'}
# it keeps IMAP's spelling of names
BOXES = ('INBOX', 'Sent', 'Lists/bsd/tech', 'Caf&AOk-/M&APw-nchen')
FLAGS = {'S': '\\seen', 'R': '\\answered', 'F': '\\flagged', 'D': '\\draft'}
MOVES = re.compile(r'BODY\.PEEK\[\]|APPEND|STORE|EXPUNGE|COPY|MOVE|CREATE|'
                   r'DELETE')

# by which it finds again what it has copied
TUID = re.compile(rb'(?m)^X-TUID: .{12}\r\n')


def odd():
    """It leaves alone what has no line between header and body"""
    return [crlf(text) for text in odd_mails().values()
            if b'\r\n\r\n' in crlf(text)]


@each_way
class Mbsync(MailTest):
    programs = ('mbsync',)

    def config(self, way):
        self.rc = self.file('rc', '\n'.join([
            'IMAPAccount house', 'Host localhost',
            'Port %d' % self.port('imap', way), 'User joe',
            'Pass ' + PASSWORD, 'SSLType ' + HOW[way],
            'CertificateFile ' + self.ca, 'AuthMechs *', '',
            'IMAPStore far', 'Account house', '',
            'MaildirStore near', 'Path %s/mail/' % self.home,
            'Inbox %s/mail/INBOX' % self.home, 'SubFolders Verbatim', '',
            'Channel all', 'Far :far:', 'Near :near:', 'Patterns *',
            'Create Both', 'Remove Both', 'Expunge Both', 'SyncState *',
            '']))
        os.makedirs(os.path.join(self.home, 'mail'), exist_ok=True)

    def sync(self):
        """Runs it; the commands that it gave, from its own log of them"""
        said = self.run_ok('mbsync', '-c', self.rc, '-Dn', 'all',
                           timeout=110).decode('utf-8', 'replace')
        return re.findall(r'^>+ \d+ (.*)', said, re.M)

    def changes(self):
        """Of these, what moves something"""
        return [c for c in self.sync() if MOVES.search(c)]

    def near(self, box):
        """[(bytes, flags)] of a Maildir, in any order"""
        found = []
        for sub in ('cur', 'new'):
            d = os.path.join(self.home, 'mail', box, sub)
            for name in os.listdir(d):
                with open(os.path.join(d, name), 'rb') as f:
                    text = f.read()
                letters = name.partition(':2,')[2]
                text = text.replace(b'\n', b'\r\n')
                found.append((TUID.sub(b'', text), frozenset(
                    FLAGS[c] for c in letters)))
        return found

    def far(self, box):
        c = self.house.imap(select=box)
        found = []
        if c.exists:
            for _, i in c.ok('UID FETCH 1:* (FLAGS BODY.PEEK[])').fetched():
                flags = {f.lower() for f in i['FLAGS']} & set(FLAGS.values())
                found.append((TUID.sub(b'', i['BODY[]']), frozenset(flags)))
        c.close()
        return found

    def same(self, *boxes):
        for box in boxes:
            near, far = self.near(box), self.far(box)
            self.assertEqual(sorted(far, key=repr), sorted(near, key=repr),
                             box)

    def put(self, box, name, text, flags=''):
        """A message into the Maildir, as a mail program does"""
        for sub in ('cur', 'new', 'tmp'):
            os.makedirs(os.path.join(self.home, 'mail', box, sub),
                        exist_ok=True)
        return self.file('mail/%s/%s' % (
            box, 'cur/%s:2,%s' % (name, flags) if flags else 'new/' + name),
            text.replace(b'\r\n', b'\n'))

    def find(self, box, text):
        d = os.path.join(self.home, 'mail', box)
        for sub in ('cur', 'new'):
            for name in os.listdir(os.path.join(d, sub)):
                path = os.path.join(d, sub, name)
                with open(path, 'rb') as f:
                    if text in f.read():
                        return path
        self.fail('no %r in %s' % (text, box))

    def fill(self):
        for text in odd():
            self.deliver(text)
        c = self.imap()
        for box in BOXES[1:]:
            c.ok('CREATE "%s"' % box)
            for n in range(3):
                c.append(box, letter('%s %d' % (box, n)),
                         flags=['\\Seen'] if n else ['\\Draft', 'kw'])
        c.close()

    @atf.timeout(240)
    @on_all_ways
    def test_both(self, way):
        """several mailboxes, twice; then changes on both sides, twice"""
        self.config(way)
        self.fill()
        self.put('Notes', '1.x', letter('note 1'), 'SF')
        self.put('Notes', '2.x', letter('note 2'))
        self.sync()
        boxes = list(BOXES) + ['Notes']
        self.same(*boxes)
        self.assertEqual(len(odd()), len(self.near('INBOX')))
        self.assertEqual({frozenset(), frozenset(['\\seen', '\\flagged'])},
                         {f for _, f in self.far('Notes')})
        # nothing is left to do
        modseqs = self.modseqs(boxes)
        self.assertEqual([], self.changes())
        self.assertEqual(modseqs, self.modseqs(boxes))
        self.change()
        self.sync()
        self.same(*boxes)
        got = b'\n'.join(t for t, _ in self.far('Notes'))
        self.assertIn(b'note 3', got)
        self.assertNotIn(b'note 1', got)
        got = b'\n'.join(t for t, _ in self.near('Sent'))
        self.assertIn(b'Sent new', got)
        self.assertNotIn(b'Sent 1', got)
        self.assertIn(frozenset(['\\seen', '\\answered']),
                      {f for t, f in self.near('Sent') if b'Sent 2' in t})
        self.assertIn(frozenset(['\\seen', '\\flagged']), {
            f for t, f in self.far('Lists/bsd/tech') if b'tech 2' in t})
        modseqs = self.modseqs(boxes)
        self.assertEqual([], self.changes())
        self.assertEqual(modseqs, self.modseqs(boxes))

    def change(self):
        # far: a flag, one expunged, a new one
        c = self.imap(select='Sent')
        c.ok('STORE 3 +FLAGS (\\Answered)')
        c.ok('STORE 2 +FLAGS (\\Deleted)')
        c.ok('EXPUNGE')
        c.append('Sent', letter('Sent new'))
        c.close()
        # near: the same elsewhere
        path = self.find('Lists/bsd/tech', b'tech 2')
        os.rename(path, re.sub(':2,.*', ':2,FS', path))
        os.unlink(self.find('Notes', b'note 1'))
        self.put('Notes', '3.x', letter('note 3'))

    def modseqs(self, boxes):
        c = self.imap()
        found = {}
        for box in boxes:
            found[box] = c.ok('STATUS "%s" (MESSAGES UIDNEXT HIGHESTMODSEQ)'
                              % box).one('STATUS').data[1]
        c.close()
        return found

    def test_mailboxes(self):
        """made on either side, they are made on the other; removed, too"""
        self.config('tls')
        c = self.imap()
        c.ok('CREATE "Far/One"')
        self.put('Near/Two', '1.x', letter('two'))
        self.sync()
        self.assertTrue(os.path.isdir(os.path.join(self.home, 'mail', 'Far',
                                                   'One', 'cur')))
        self.assertIn('Near/Two', c.ok('LIST "" *').lists())
        self.same('Near/Two')
        c.ok('DELETE "Far/One"')
        self.sync()
        self.assertFalse(os.path.isdir(os.path.join(self.home, 'mail', 'Far',
                                                    'One', 'cur')))


if __name__ == '__main__':
    atf.main()
