#!/usr/bin/env python3
"""etc/storage-api.yaml, the manual page and a real mstored say the same:
every request and every answer of the transcripts is described, and is as it
is described."""

import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'mstored'))

import page                                             # noqa: E402
import schema                                           # noqa: E402
import smallyaml                                        # noqa: E402
from store import atf                                   # noqa: E402
from t_transcript import Store, play                    # noqa: E402

METHODS = ('get', 'post', 'put', 'patch', 'delete')


def load():
    with open(os.path.join(page.TOP, 'etc', 'storage-api.yaml')) as f:
        return smallyaml.load(f.read())


def calls(document):
    """(METHOD, path) -> operation"""
    return {(method.upper(), path): item[method]
            for path, item in document['paths'].items()
            for method in METHODS if method in item}


def find(document, method, target):
    """The path and operation of a request; the exact path wins"""
    path = target.split('?')[0].removeprefix('/v1')
    found = []
    for (m, template), operation in calls(document).items():
        pattern = re.sub(r'\\{\w+\\}', '[^/]+', re.escape(template))
        if m == method and re.fullmatch(pattern, path):
            found.append((template.count('{'), template, operation))
    return min(found, key=lambda f: f[:2])[1:] if found else (None, None)


def refs(value):
    """Everything that is referred to"""
    if isinstance(value, dict):
        for key, v in value.items():
            if key == '$ref':
                yield v
            else:
                yield from refs(v)
    elif isinstance(value, list):
        for v in value:
            yield from refs(v)


class Exchange:
    """A transcript's request, and the answer that mstored gave to it"""

    def __init__(self, document, transcript, known, got):
        self.document, self.t, self.got = document, transcript, got
        self.checker = schema.Checker(document)
        self.body = transcript.request.content(known)
        self.path, self.operation = find(
            document, transcript.request.method,
            transcript.request.start.say(known).split(' ')[1])

    def wrong(self):
        return (self.wrong_parameters() + self.wrong_request() +
                self.wrong_answer())

    def wrong_parameters(self):
        target = self.t.request.target
        if '?' not in target:
            return []
        parameters = {p['name']: p['schema'] for p in map(
            self.checker.resolve, self.operation.get('parameters', []))}
        found = []
        for pair in target.split('?')[1].split('&'):
            name, value = pair.split('=')
            if name not in parameters:
                found.append('no parameter ' + name)
                continue
            wants = self.checker.resolve(parameters[name])
            found += self.checker.wrong(
                wants, int(value) if wants['type'] == 'integer' else value)
        return found

    def wrong_request(self):
        kind = self.t.request.field('content-type')
        if kind is None or self.t.request.head_only():
            return []
        content = self.operation['requestBody']['content']
        kind = kind.split(';')[0]
        if kind not in content:
            return ['a request of type ' + kind]
        if kind == 'application/json':
            return self.checker.wrong(content[kind]['schema'],
                                      json.loads(self.body))
        if 'x-first-line' in content[kind]:
            return self.checker.wrong(content[kind]['x-first-line'],
                                      json.loads(self.body.split(b'\n')[0]))
        return self.checker.wrong(content[kind]['schema'],
                                  self.body.decode())

    def wrong_answer(self):
        responses = self.operation['responses']
        status = str(self.got.status)
        if status not in responses and self.got.status < 300:
            return ['no status ' + status]
        response = self.checker.resolve(
            responses.get(status, responses['default']))
        content = response.get('content', {})
        kind = self.got.fields.get('content-type')
        if kind is None:
            return ['it has a body'] if content or self.got.body else []
        if kind not in content:
            return ['an answer of type ' + kind]
        wants, found = content[kind]['schema'], []
        for value in self.values(kind):
            found += self.checker.wrong(wants, value)
        return found

    def values(self, kind):
        if kind == 'application/x-ndjson':
            return map(json.loads, self.got.body.decode().splitlines())
        if kind.endswith('json'):
            return [json.loads(self.got.body)]
        return []


class Agreement(unittest.TestCase):
    def setUp(self):
        self.document = load()

    @atf.timeout(240)
    def test_story(self):
        """Requests of the page, and mstored's answers to them"""
        store = Store().start()
        self.addCleanup(store.remove)
        known, seen = {}, set()
        for t in page.transcripts():
            got, bad = play(store, t, known)
            x = Exchange(self.document, t, known, got)
            if t.name == 'no-call':
                self.assertIsNone(x.path)
                continue
            self.assertIsNotNone(x.path, t.request.target)
            seen.add((t.request.method, x.path))
            wrong = x.wrong()
            if t.name == 'unknown-parameter':
                self.assertEqual(wrong, ['$.colour: not a member'])
                continue
            self.assertEqual(wrong, [], t.name)
        store.stop()
        # and no call is without a transcript
        self.assertEqual(seen, set(calls(self.document)))

    def test_calls(self):
        """The page's table of calls is the document's list of paths"""
        names = {'A': '{account}', 'M': '{mailbox}', 'C': '{content}',
                 'K': '{key}'}
        table = {}
        for call, capability in list(page.columns('CALLS'))[1:]:
            method, path = call.split(' ')
            path = '/' + '/'.join(names.get(p, p)
                                  for p in path.lstrip('/').split('/'))
            capability = capability.replace(' ,', ',').replace('\\(en', '')
            table[method, path] = capability or None
        self.assertEqual(table, {
            call: operation.get('x-capability')
            for call, operation in calls(self.document).items()})

    def test_capabilities(self):
        """All that are announced by mstored are described, and no others"""
        shown = next(t for t in page.transcripts() if t.name == 'service')
        announced = json.loads(shown.answer.content({}))
        schemas = self.document['components']['schemas']
        self.assertEqual(set(announced['capabilities']),
                         set(schemas['Capabilities']['properties']))
        self.assertEqual(set(announced['limits']),
                         set(schemas['Limits']['properties']))

    def test_codes(self):
        """The page's table of codes is the document's list"""
        table = [row[1] for row in list(page.columns('ERROR CODES'))[1:]]
        self.assertEqual(
            sorted(table),
            sorted(self.document['components']['schemas']['Code']['enum']))

    def test_refs(self):
        """Whatever is referred to is there, and all that is there is"""
        used = set(refs(self.document))
        defined = {'#/components/%s/%s' % (kind, name)
                   for kind, parts in self.document['components'].items()
                   if kind != 'securitySchemes' for name in parts}
        self.assertEqual(used, defined)

    def test_requests_strict(self):
        """Every object of a request refuses what it does not know"""
        def objects(s, seen):
            s = schema.Checker(self.document).resolve(s)
            if id(s) in seen:
                return
            seen.add(id(s))
            if s.get('type') == 'object':
                yield s
            for part in list(s.get('properties', {}).values()) + [
                    s[k] for k in ('items',) if k in s]:
                yield from objects(part, seen)
        n = 0
        for operation in calls(self.document).values():
            for kind in operation.get('requestBody', {}).get(
                    'content', {}).values():
                for s in objects(kind.get('x-first-line', kind['schema']),
                                 set()):
                    n += 1
                    more = s.get('additionalProperties')
                    if 'properties' in s or not isinstance(more, dict):
                        self.assertIs(more, False, s)
        self.assertGreater(n, 16)


class Own(unittest.TestCase):
    """The two that this test itself leans on find what is wrong"""

    def test_schema(self):
        """Values that do not fit their schemas"""
        document = load()
        row = dict(uid=1, flags=['\\Seen'], id='a', size=0,
                   date='2026-11-23T10:00:00Z', modseq=2)

        def wrong(name, value, **change):
            value = dict(value, **change)
            return schema.Checker(document).wrong(
                {'$ref': '#/components/schemas/' + name}, value)
        self.assertEqual(wrong('Row', row), [])
        for change in (dict(uid=0), dict(uid='1'), dict(uid=True),
                       dict(flags=['\\Recent']), dict(flags='x'),
                       dict(flags=[3]), dict(id='a b'), dict(id=''),
                       dict(size=-1), dict(date='yesterday'),
                       dict(modseq=1 << 53), dict(colour='red'),
                       dict(uids='1,2:*'), dict(uids='01'), dict(uids='')):
            self.assertNotEqual(wrong('Row', row, **change), [], change)
        self.assertNotEqual(wrong('Row', {}), [])
        self.assertNotEqual(wrong('End', {'end': False}), [])
        self.assertNotEqual(wrong('Upload', {'to': []}), [])
        self.assertEqual(wrong('Query', {'and': [{'not': {'flag': 'x'}},
                                                 {'header': ['a', '']}]}), [])
        for query in ({}, {'all': True, 'flag': 'x'}, {'and': []},
                      {'not': {'colour': 1}}, {'header': ['a']},
                      {'header': ['a', 'b', 'c']}, {'on': 'today'}):
            self.assertNotEqual(wrong('Query', query), [], query)
        self.assertEqual(wrong('Threaded', {'thread': [1, [2, [3]]]}), [])
        self.assertNotEqual(wrong('Threaded', {'thread': [1, [[]]]}), [])
        self.assertEqual(wrong('Annotate', {'set': {
            '/private/a': None, '/shared/b': {'base64': 'AA=='}}}), [])
        self.assertNotEqual(wrong('Annotate', {'set': {'/shared/b': 3}}), [])
        self.assertNotEqual(wrong('Batch', {}), [])
        self.assertNotEqual(wrong('Upload', {'to': [{'account': 'a'}]}), [])

    def test_yaml(self):
        """What is not of the subset is refused, not misread"""
        self.assertEqual(smallyaml.load(
            "a:\n  - b: 1\n    c: [x, 'null']\n  - 'it''s: d'\n"
            "e: >\n  two\n  lines\nf: {}\n"),
            {'a': [{'b': 1, 'c': ['x', 'null']}, "it's: d"],
             'e': 'two lines\n', 'f': {}})
        for bad in ('a: 1\na: 2\n', 'a:\n\tb: 1\n', 'a: {b: 1}\n',
                    'a: &x 1\n', 'a: 1\n  b: 2\n', '- 1\nb: 2\n',
                    'a: "x"\n', 'a: |\n  b\n', 'just text\n',
                    'a: b: c\n', "a: 'x\n", 'a:\n    - b\n  - c\n'):
            with self.assertRaises(smallyaml.Error, msg=bad):
                smallyaml.load(bad)


if __name__ == '__main__':
    atf.main()
