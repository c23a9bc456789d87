#!/usr/bin/env python3
"""The table of checks agrees with mfront-storage(7): each names a section
that the page has, and each rule of the page has its check."""

import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(HERE, '..', 'house'))

import atf                                              # noqa: E402
from kit import every                                   # noqa: E402

ENTRY = re.compile(r'(?:WATCHED|CHECK)\("([^"]+)",\s+"([^"]+)",\s+(\w+)')
# nobody can see these from outside
UNSEEN = {'durable-first', 'restore-is-new'}


def read(*path):
    with open(os.path.join(TOP, *path)) as f:
        return f.read()


class Sections(unittest.TestCase):
    def setUp(self):
        self.page = read('mfrontd', 'mfront-storage.7')
        self.checks = ENTRY.findall(read('mfrontctl', 'check_list.h'))

    def sections(self):
        """Headings, and the rules below RULES, as the table names them"""
        found, top = set(), None
        for line in self.page.splitlines():
            m = re.match(r'\.(Sh|Ss|It Sy|It Cm|It) (.+)', line)
            if m is None:
                continue
            if m.group(1) == 'Sh':
                top = m.group(2)
                found.add(top)
            elif m.group(1) == 'Ss':
                found.add('%s, %s' % (top, m.group(2)))
            elif top == 'RULES':
                found.add('%s, %s' % (top, m.group(2).split()[-1]))
        return found

    def reserved(self):
        """Capabilities that the page does not describe yet"""
        m = re.search(r'The names\n((?:\.Cm .*\n|and\n)+)are reserved',
                      self.page)
        return set(re.findall(r'[a-z]+', m.group(1).replace('.Cm', ' ')
                              .replace('and\n', ' '))) if m else set()

    def test_sections(self):
        """Each check's section is one of the page"""
        self.assertEqual(len(self.checks), len(every()))
        sections, reserved = self.sections(), self.reserved()
        for name, section, group in self.checks:
            if group.replace('CAP_', '').lower() in reserved:
                continue
            self.assertIn(section, sections, name)

    def test_rules(self):
        """Each rule has a check of its name"""
        names = {name for name, _, _ in self.checks}
        rules = {s.split(', ')[1] for s in self.sections()
                 if s.startswith('RULES, ')}
        self.assertGreater(len(rules), 14)
        self.assertEqual(rules - names - UNSEEN, set())
        for name, section, _ in self.checks:
            if name in rules:
                self.assertEqual(section, 'RULES, ' + name)


if __name__ == '__main__':
    atf.main()
