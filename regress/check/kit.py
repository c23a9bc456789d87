"""Runs mfrontctl check and reads what it says."""

import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.environ.get('MFRONTCTL', os.path.join(
    TOP, 'mfrontctl', 'mfrontctl'))
# what takes its time: not every time
LONG = {'all-or-nothing', 'changes-at-once', 'cut-stores-nothing',
        'events-heartbeat', 'events-many', 'modseqs-ascend',
        'moved-is-in-one', 'one-change-one-modseq', 'since-misses-nothing',
        'uids-ascend', 'visible-at-once'}


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self.doc = json.loads(out) if out.startswith('{') else {}
        self.checks = {c['name']: c for c in self.doc.get('checks', [])}

    def named(self, verdict):
        return {name for name, c in self.checks.items()
                if c['result'] == verdict}

    @property
    def failed(self):
        return self.named('failed')

    def why(self):
        """What a test says when it fails"""
        return '\n'.join(
            [self.doc.get('error', ''), self.err] +
            ['%s: %s\n%s\n%s' % (c['name'], c.get('why'), c.get('request'),
                                 c.get('answer'))
             for c in self.checks.values() if c['result'] == 'failed'])


def check(url, *args, json=True, **more):
    cmd = [PROGRAM, 'check'] + (['-j'] if json else []) + list(args) + [url]
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, **more)
    return Result(p.returncode, p.stdout, p.stderr)


def every():
    """The names of all checks"""
    p = subprocess.run([PROGRAM, 'check', '-L'], stdout=subprocess.PIPE,
                       text=True, check=True)
    return [line.split()[0] for line in p.stdout.splitlines()]
