"""As much of YAML as etc/storage-api.yaml uses, and an error for all else:
block mappings and sequences, flow sequences of scalars, plain and quoted
scalars, folded text."""

import re

KEY = re.compile(r"('(?:[^']|'')*'|[^\s'\"#&*!|>%@`{\[,\-?:][^#:]*|/[^#:]*)"
                 r":(?: +(.*))?$")
SPECIAL = {'true': True, 'false': False, 'null': None, '{}': {}, '[]': []}


class Error(Exception):
    pass


class Lines:
    def __init__(self, text):
        self.lines = []
        for number, line in enumerate(text.split('\n'), 1):
            line = line.rstrip()
            if '\t' in line:
                raise Error('line %d: a tab' % number)
            if line and not line.lstrip().startswith('#'):
                indent = len(line) - len(line.lstrip())
                self.lines.append((number, indent, line.lstrip()))
        self.at = 0

    def next(self):
        """The next line: (number, indent, text), an indent of -1 at the
        end"""
        if self.at < len(self.lines):
            return self.lines[self.at]
        return 0, -1, ''

    def replace(self, indent, text):
        self.lines[self.at] = (self.next()[0], indent, text)

    def fail(self, why):
        raise Error('line %d: %s' % (self.next()[0], why))


def scalar(text):
    if text in SPECIAL:
        value = SPECIAL[text]
        return value if not isinstance(value, (dict, list)) else type(value)()
    if text.startswith('['):
        if not text.endswith(']') or text[1:-1].strip() == '':
            raise Error('not a flow sequence: ' + text)
        return [scalar(t.strip()) for t in text[1:-1].split(',')]
    if text.startswith("'"):
        if not re.fullmatch(r"'(?:[^']|'')*'", text):
            raise Error('not a quoted scalar: ' + text)
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r'-?(0|[1-9][0-9]*)', text):
        return int(text)
    if text[0] in '"&*!|>%@`{],#' or ': ' in text or ' #' in text:
        raise Error('not a plain scalar: ' + text)
    return text


def folded(lines, indent):
    words = []
    while lines.next()[1] > indent:
        words.append(lines.next()[2])
        lines.at += 1
    return ' '.join(words) + '\n'


def value(lines, indent, text):
    """What stands behind a key or a dash"""
    lines.at += 1
    if text == '>':
        return folded(lines, indent)
    if text is not None:
        return scalar(text)
    if lines.next()[1] <= indent:
        return None
    return block(lines, lines.next()[1])


def mapping(lines, indent):
    out = {}
    while lines.next()[1] == indent:
        m = KEY.match(lines.next()[2])
        if m is None:
            lines.fail('neither key nor item')
        key = scalar(m.group(1))
        if key in out:
            lines.fail('a second ' + str(key))
        out[key] = value(lines, indent, m.group(2))
    return out


def sequence(lines, indent):
    out = []
    while lines.next()[1] == indent and lines.next()[2].startswith('- '):
        text = lines.next()[2][2:].lstrip()
        if KEY.match(text):
            # a mapping that begins behind the dash
            deeper = indent + len(lines.next()[2]) - len(text)
            lines.replace(deeper, text)
            out.append(mapping(lines, deeper))
        else:
            out.append(value(lines, indent, text))
    return out


def block(lines, indent):
    what = sequence if lines.next()[2].startswith('- ') else mapping
    out = what(lines, indent)
    if lines.next()[1] > indent:
        lines.fail('indented too far')
    return out


def load(text):
    lines = Lines(text)
    out = block(lines, 0)
    if lines.next()[1] != -1:
        lines.fail('something left')
    return out
