"""The manual page of the storage API, mfront-storage(7), as its tests read
it: transcripts, programs, tables.

A comment '.\\" transcript NAME' stands before two displays, a request and
its answer; '.\\" program NAME' before one.  What the page underlines in
them is a variable: something that is different each time.
"""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(TOP, 'mfrontd', 'mfront-storage.7')

# fields that are in every request, and shown in the first ones only
COMMON = ('host', 'authorization', 'mfront-session', 'traceparent')
DATE = re.compile(r'\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT|'
                  r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)')


def source():
    with open(PAGE) as f:
        return f.read().split('\n')


def reserved():
    """Names of capabilities that the page does not describe yet"""
    text = re.search(r'The names(.*?)are reserved', ' '.join(source())).group(1)
    return re.findall(r'\w+', re.sub(r'\.Cm|\band\b', '', text))


def unroff(text):
    """What roff(7) makes of a line of a display, but for its fonts"""
    return (text.replace('\\e', '\\').replace('\\&', '').replace('\\-', '-')
            .replace('\\(dq', '"'))


class Line:
    """A line: pieces of text, of which some are variables"""

    def __init__(self, roff):
        self.pieces = []
        for i, part in enumerate(re.split(r'\\f[IP]', roff)):
            if part:
                self.pieces.append((unroff(part), i % 2 == 1))

    def __add__(self, other):
        line = Line('')
        line.pieces = self.pieces + other.pieces
        return line

    @property
    def text(self):
        return ''.join(p for p, variable in self.pieces)

    @property
    def end(self):
        return '\n' if self.text.startswith('{') else '\r\n'

    def say(self, known):
        """The text with what variables stand for, where that is known"""
        return ''.join(known.get(p, p) if variable else p
                       for p, variable in self.pieces)

    def match(self, text, known):
        """Is this that line?  Learns variables; a time is any time."""
        pattern, names = '', []
        for p, variable in self.pieces:
            if not variable:
                pattern += re.escape(p)
            elif DATE.fullmatch(p):
                pattern += '(?:%s)' % DATE.pattern
            elif p in known:
                pattern += re.escape(known[p])
            else:
                pattern += r'([0-9]+)' if p.isdigit() else r'([!-~]+?)'
                names.append(p)
        m = re.fullmatch(pattern, text)
        if m is None:
            return False
        for name, value in zip(names, m.groups()):
            if known.setdefault(name, value) != value:
                return False
        return True


def unfold(lines):
    """Lines that begin with blanks belong to the one before"""
    out = []
    for roff in lines:
        if roff.startswith(' '):
            out[-1] += Line(roff.lstrip(' '))
        else:
            out.append(Line(roff))
    return out


def name_of(line):
    return line.text.split(':')[0].lower()


class Message:
    """A request or an answer: heads (an answer may have a 100 before its
    own), the first line of the last one, its fields, body lines"""

    def __init__(self, lines):
        lines = unfold(lines)
        self.interim = None
        texts = [line.text for line in lines]
        if texts[0].startswith('HTTP/1.1 1'):
            end = texts.index('')
            self.interim, lines = lines[:end], lines[end + 1:]
            texts = texts[end + 1:]
        end = texts.index('') if '' in texts else len(texts)
        self.start, self.fields = lines[0], lines[1:end]
        self.body = lines[end + 1:]

    def field(self, name):
        for line in self.fields:
            if name_of(line) == name:
                return line.text.split(': ', 1)[1]
        return None

    def complete(self):
        return self.field('host') is not None

    @property
    def method(self):
        return self.start.text.split(' ')[0]

    @property
    def target(self):
        return self.start.text.split(' ')[1]

    @property
    def status(self):
        return int(self.start.text.split(' ')[1])

    def chunked(self):
        return self.field('transfer-encoding') == 'chunked'

    def head_only(self):
        """A body is announced that is not shown"""
        return not self.body and self.field('content-length') is not None

    def raw(self, known):
        """The body's bytes as they are shown, every line with its end"""
        return ''.join(line.say(known) + line.end
                       for line in self.body).encode()

    def content(self, known):
        """The body's bytes without any framing"""
        raw = self.raw(known)
        if self.chunked():
            return unchunk(raw + b'\r\n')[0] if self.start.text.endswith(
                ' HTTP/1.1') else raw
        if self.body and self.ends_early():
            raw = raw[:-len(self.body[-1].end)]
        return raw

    def ends_early(self):
        """Is the last line without its end?  By the page's own numbers"""
        length, full = int(self.field('content-length')), len(self.raw({}))
        last = len(self.body[-1].end)
        assert length in (full, full - last), (
            '%s: Content-Length is not %d but %d' %
            (self.start.text, length, full))
        return length != full


def unchunk(raw):
    """(content, sizes) of a chunked body; known sizes are checked"""
    out, sizes = b'', []
    while True:
        size, _, raw = raw.partition(b'\r\n')
        n = int(size, 16)
        sizes.append(n)
        if n == 0:
            assert raw == b'\r\n', raw
            return out, sizes
        assert raw[n:n + 2] == b'\r\n', raw[:n + 20]
        out += raw[:n]
        raw = raw[n + 2:]


class Transcript:
    def __init__(self, name, request, answer):
        self.name = name
        self.request, self.answer = Message(request), Message(answer)

    def __repr__(self):
        return 'transcript ' + self.name


def displays(lines, start):
    """The literal displays from a line on, as lists of lines"""
    i = start
    while i < len(lines) and lines[i].startswith('.Bd -literal'):
        end = lines.index('.Ed', i)
        yield lines[i + 1:end]
        i = end + 1


def marked(kind):
    """(name, displays) of what is marked as transcript or program"""
    lines = source()
    for i, line in enumerate(lines):
        m = re.fullmatch(r'\.\\" %s ([\w-]+)' % kind, line)
        if m:
            yield m.group(1), list(displays(lines, i + 1))


def transcripts():
    return [Transcript(name, *shown) for name, shown in marked('transcript')]


def programs():
    return {name: '\n'.join(map(unroff, shown[0])) + '\n'
            for name, shown in marked('program')}


def columns(section):
    """The rows of the tables in a section, as lists of texts"""
    lines = source()
    i = lines.index('.Sh ' + section)
    for line in lines[i + 1:]:
        if line.startswith('.Sh '):
            return
        if line.startswith('.It ') and ' Ta ' in line:
            row = line[len('.It '):].split(' Ta ')
            yield [re.sub(r'\s*\bNs\b\s*', '', re.sub(
                r'\b(?:Ar|Cm|Sy|Li) ', '', cell)).strip() for cell in row]
