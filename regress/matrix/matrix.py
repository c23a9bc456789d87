"""All tests of regress/imap once more, in front of storages that can less:
what IMAP does must not depend on it, but for what is in the table."""

import datetime
import fnmatch
import glob
import importlib
import os
import re
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ('house', 'imap', 'mstored'):
    sys.path.insert(0, os.path.join(HERE, '..', folder))

LEVEL1 = ['write']
LEVEL2 = LEVEL1 + ['modseq', 'events', 'idempotency', 'copy']
LEVEL3 = ['acl', 'auth', 'batch', 'cache', 'dict', 'metadata', 'objectid',
          'quota', 'range', 'recipients', 'savedate', 'scram', 'search',
          'sort', 'subscriptions', 'thread', 'uidl']
WITHOUT = {
    'offload': ['cache', 'range', 'subscriptions'],
    'level2': LEVEL3,
    'level1': LEVEL3 + LEVEL2[1:],
    'level0': LEVEL3 + LEVEL2,
}

# which of WITHOUT, which tests, why they cannot apply
ALL = ' '.join(WITHOUT)
SKIP = [
    (ALL, 'fetch_summary_over', 'no summary is kept'),
    (ALL, 'listing_header_header', 'no summary is kept'),
    (ALL, 'listing_header_preview', 'no summary is kept'),
    (ALL, 'listing_many_many', 'no summary is kept'),
    ('level2 level1 level0', 'list_list_lsub', 'all is subscribed'),
    ('level2 level1 level0', 'list_list_lsub_dict', 'there is no dict'),
    ('level2 level1 level0', 'multiappend_*', 'one message at a time'),
    ('level2 level1 level0', 'metadata_*', 'there are no annotations'),
    ('level2 level1 level0', 'objectid_*', 'there are no ids'),
    ('level2 level1 level0', 'login_scram_*', 'it cannot check passwords'),
    ('level2 level1 level0', 'quota_*', 'there is no quota'),
    ('level1 level0', 'search_offload_results_modseq',
     'there are no modseqs'),
    ('level1 level0', 'sort_sort_modseq', 'there are no modseqs'),
    ('level0', 'search_offload_results_saved', 'nothing can be copied'),
    ('level1', 'list_status_items', 'told by the next poll'),
    ('level1 level0', 'notify_idle_noop', 'told by the next poll'),
    ('level1 level0', 'store_condstore_*', 'there are no modseqs'),
    ('level0', 'append_*', 'nothing can be appended'),
    ('level0', 'copy_copy*', 'nothing can be copied'),
    ('level0', 'copy_expunge_*', 'nothing can be expunged'),
    ('level0', 'fetch_items_seen', 'flags cannot be changed'),
    ('level0', 'input_input_half_open', 'refused before its literal'),
    ('level0', 'list_change_*', 'mailboxes cannot be changed'),
    ('level0', 'list_list_many', 'mailboxes cannot be changed'),
    ('level0', 'list_list_lsub_without', 'mailboxes cannot be changed'),
    ('level0', 'list_status_items', 'flags cannot be changed'),
    ('level0', 'notify_changed_*', 'flags cannot be changed'),
    ('level0', 'notify_idle_changes', 'flags cannot be changed'),
    ('level0', 'notify_idle_silent', 'flags cannot be changed'),
    ('level0', 'notify_idle_sessions', 'flags cannot be changed'),
    ('level0', 'notify_polled_*', 'flags cannot be changed'),
    ('level0', 'notify_recent_*', 'no session is read-write'),
    ('level0', 'search_forms_recent', 'no session is read-write'),
    ('level0', 'search_forms_numbers', 'nothing is expunged'),
    ('level0', 'state_state_every_command', 'half of them are refused'),
    ('level0', 'state_state_pipelined', 'half of them are refused'),
    ('level0', 'state_state_read_only', 'nothing can be copied'),
    ('level0', 'store_*', 'flags cannot be changed'),
]


class Beside:
    """Fills mailboxes that IMAP cannot write: straight into the store"""

    house = None

    def client(self):
        from store import Client
        house = self.house
        url = re.search(r'http://([^:/]+):(\d+)', house.storage or '')
        if url:
            return Client((url.group(1), int(url.group(2))))
        return Client(house.path('run/store-main.sock'))

    def append(self, session, mailbox, message, flags=None, date=None):
        """In place of Imap.append()"""
        more = {}
        if flags is not None:
            more['flags'] = flags
        if date is not None:
            more['date'] = datetime.datetime.strptime(
                date.strip(), '%d-%b-%Y %H:%M:%S %z').isoformat()
        client = self.client()
        box = client.mailbox('joe', mailbox)['id']
        uid = client.add('joe', box, message, **more)['uid']
        client.close()
        return uid

    def create(self, name):
        """In place of CREATE"""
        client = self.client()
        client.create('joe', name)
        client.close()


def fill_beside():
    import imapclient
    import whole
    beside, start = Beside(), whole.Whole.start

    def started(house, *args, **named):
        beside.house = house
        return start(house, *args, **named)
    whole.Whole.start = whole.Whole.__enter__ = started
    imapclient.Imap.append = lambda *a, **k: beside.append(*a, **k)
    ok = imapclient.Imap.ok

    def instead(session, *parts):
        m = re.fullmatch(r'CREATE "?([^"&]+)"?', parts[0])
        if m is None:
            return ok(session, *parts)
        beside.create(m.group(1))
        while not ok(session, 'LIST "" "%s"' % m.group(1)).all('LIST'):
            time.sleep(.02)
    imapclient.Imap.ok = instead


def skipped(which, name):
    for names, pattern, why in SKIP:
        if which in names.split() and fnmatch.fnmatchcase(name, pattern):
            return why
    return None


def stub(case, why):
    """In its place: skipped before anything of it runs"""
    def skip():
        raise unittest.SkipTest(why)
    case.setUp = skip
    return case


def collect(which):
    import atf
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, '../imap/t_*.py'))):
        name = os.path.basename(path)[:-len('.py')]
        module = importlib.import_module(name)
        for case, test in atf.cases(module).items():
            found[name[len('t_'):] + '_' + case] = test
    for names, pattern, _ in SKIP:
        assert not names.split() or fnmatch.filter(found, pattern), \
            'no test is called ' + pattern
    for name, test in found.items():
        why = skipped(which, name)
        if why:
            stub(test, why)
    return found


class Once(unittest.TestCase):
    def test_all(self):
        """The tests of regress/imap"""
        self.skipTest('the plain half does')


def main(which):
    """As atf.main(), with the tests of regress/imap"""
    os.environ['WITHOUT'] = ' '.join(WITHOUT[which])
    import atf
    if 'SANITIZED' in os.environ:
        atf.cases = lambda module: {'all': Once('test_all')}
        atf.main()
        return
    found = collect(which)
    if 'write' in WITHOUT[which]:
        fill_beside()
    atf.cases = lambda module: found
    atf.main()
