"""What the tests of IMAP share: a store that can be told what not to do, the
messages of regress/unit/mail with what is to be said of them."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ('house', 'mstored'):
    sys.path.insert(0, os.path.join(HERE, '..', folder))

from imapclient import Parser                           # noqa: E402
from store import Server                                # noqa: E402
from whole import WITHOUT, WholeTest, free_port         # noqa: E402

MAIL = os.path.join(HERE, '..', 'unit', 'mail')
ALL = {'write', 'modseq', 'events', 'idempotency', 'copy', 'auth',
       'recipients', 'subscriptions', 'cache', 'range'}
LEVEL = (set(), {'write'},
         {'write', 'modseq', 'events', 'idempotency', 'copy'}, ALL)


class StoreHouse(WholeTest):
    """A house in front of a store of its own, self.store; what it can do is
    told to begin()"""

    auto = False
    store = None

    def begin(self, capabilities=ALL, prepare=None, **over):
        """prepare: called with a client of the store, before the house"""
        if self.store is None:
            self.store_new()
        self.capabilities = capabilities - WITHOUT
        self.store_can = capabilities
        if prepare is not None:
            # with everything on, so that it can be filled
            self.store.start()
            with_store = self.store.client()
            prepare(with_store)
            with_store.close()
            self.store.stop()
        self.store_start()
        over['conf'] = over.get('conf', '') + 'limits { bad commands 1000 }\n'
        over.setdefault('storage', 'storage "main" url '
                        '"http://127.0.0.1:%d/v1"' % self.port)
        house = super().begin(**over)
        house.logged(r'storage main: mstored \S+ is up')
        return house

    def store_new(self):
        self.port = free_port()
        self.store = Server('-l', '127.0.0.1:%d' % self.port)
        self.addCleanup(self.store.remove)
        self.addCleanup(self.store_ended)

    def store_start(self):
        off = [arg for name in sorted(ALL - self.store_can)
               for arg in ('-D', name)]
        self.store.start(*off)

    def store_ended(self):
        if self.store.proc is not None:
            self.store.stop()
        self.store.check()


def unescape(text):
    """As maildump.h writes bytes"""
    return re.sub(rb'\\(\\|[0-9a-f]{2})', lambda m: b'\\' if m.group(1) ==
                  b'\\' else bytes([int(m.group(1), 16)]), text)


class Message:
    """One of the corpus: its bytes; items: what ENVELOPE, BODY and
    BODYSTRUCTURE are; sections: name -> (offset, length)"""

    def __init__(self, name):
        self.name = name
        path = os.path.join(MAIL, name)
        with open(path + '.eml', 'rb') as f:
            self.bytes = f.read()
        self.items, self.sections = {}, {}
        with open(path + '.out', 'rb') as f:
            for line in f.read().split(b'\n'):
                self.add(line)

    def add(self, line):
        m = re.match(rb'\[([0-9A-Z.]*)\] (\d+) (\d+)', line)
        if m:
            self.sections[m.group(1).decode()] = (int(m.group(2)),
                                                  int(m.group(3)))
            return
        name, _, rest = line.partition(b' ')
        if name in (b'ENVELOPE', b'BODY', b'BODYSTRUCTURE'):
            p = Parser(unescape(rest))
            self.items[name.decode()] = p.value()
            p.end()

    def section(self, name):
        """As a client gets it, None if there is no such section"""
        if name not in self.sections:
            return None
        at, length = self.sections[name]
        return self.bytes[at:at + length].replace(b'\0', b'\x80')


def corpus(but=('empty',)):
    """Storages hold no empty message"""
    names = sorted(n[:-4] for n in os.listdir(MAIL) if n.endswith('.eml'))
    assert len(names) > 40
    return [Message(n) for n in names if n not in but]


def fields(header):
    """[(name, bytes)] of a header's lines: the fields, folded ones whole;
    name None for lines that are none"""
    found = []
    for line in re.findall(rb'[^\n]*\n|[^\n]+$', header):
        if line in (b'\r\n', b'\n'):
            break
        if line[:1] in b' \t' and found:
            found[-1][1] += line
            continue
        m = re.match(rb'([\x21-\x39\x3b-\x7e]+)[ \t]*:', line)
        found.append([m and m.group(1).decode().lower(), line])
    return found


def picked(header, names, without=False):
    """BODY[HEADER.FIELDS (names)], or HEADER.FIELDS.NOT"""
    names = [n.lower() for n in names]
    out = b''.join(line for name, line in fields(header)
                   if (name in names) != without)
    m = re.search(rb'(?:^|\n)(\r?\n)$', header)
    return out + (m.group(1) if m else b'')
