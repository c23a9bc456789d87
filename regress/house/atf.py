"""Makes a Python program of test cases one that kyua can run (atf-test-program(1)).

A test case is a method test_NAME of a unittest.TestCase; its docstring's
first line describes it.  Without arguments all are run, for people.
"""

import getopt
import os
import sys
import traceback
import unittest

TIMEOUT = 120


def cases(module):
    """class_name -> unittest case, of every TestCase class in a module"""
    found = {}
    for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
        for case in suite:
            _, cls, method = case.id().rsplit('.', 2)
            found[cls.lower() + method[len('test'):]] = case
    return found


def describe(found):
    print('Content-Type: application/X-atf-tp; version="1"\n')
    for name, case in found.items():
        print('ident: ' + name)
        print('descr: ' + (case.shortDescription() or name))
        method = getattr(case, case._testMethodName)
        print('timeout: %d' % getattr(method, 'timeout', TIMEOUT))
        if getattr(method, 'root', False):
            print('require.user: root')
        print()


def verdict(result):
    """The line that atf wants, and the exit status"""
    bad = result.errors + result.failures
    if bad:
        last = bad[0][1].strip().splitlines()[-1]
        return 'failed: ' + last[:300], 1
    if result.skipped:
        return 'skipped: ' + result.skipped[0][1], 0
    return 'passed', 0


def run(found, name, resfile):
    name = name.split(':')[0]
    if name not in found:
        sys.exit('no test case ' + name)
    result = unittest.TestResult()
    found[name].run(result)
    for _, trace in result.errors + result.failures:
        print(trace, file=sys.stderr)
    line, status = verdict(result)
    if resfile is None:
        print(line)
    else:
        with open(resfile, 'w') as f:
            f.write(line + '\n')
    sys.exit(status)


def timeout(seconds):
    """A test case that may take longer than others"""
    def mark(method):
        method.timeout = seconds
        return method
    return mark


def main():
    module = sys.modules['__main__']
    try:
        opts, args = getopt.getopt(sys.argv[1:], 'lr:s:v:')
    except getopt.GetoptError:
        unittest.main()
    opts = dict(opts)
    if '-l' in opts:
        describe(cases(module))
    elif len(args) == 1:
        run(cases(module), args[0], opts.get('-r'))
    else:
        unittest.main(argv=[sys.argv[0]] + args)
