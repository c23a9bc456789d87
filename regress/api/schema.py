"""As much of JSON Schema as etc/storage-api.yaml uses.  A keyword that is
not known here is an error, so that none is passed over."""

import re

TYPES = {'string': str, 'array': list, 'object': dict, 'boolean': bool,
         'null': type(None), 'integer': int}
SAYS_NOTHING = {'description', 'format', 'contentMediaType'}


class Checker:
    """strict: members that no schema has are wrong everywhere, as they are
    in requests"""

    def __init__(self, document, strict=True):
        self.document, self.strict = document, strict

    def resolve(self, schema):
        while '$ref' in schema:
            where = schema['$ref']
            assert where.startswith('#/'), where
            schema = self.document
            for key in where[2:].split('/'):
                schema = schema[key]
        return schema

    def wrong(self, schema, value, path='$'):
        """What is wrong with a value, as texts"""
        schema = self.resolve(schema)
        found = []
        for keyword, wants in schema.items():
            if keyword in SAYS_NOTHING:
                continue
            check = getattr(self, 'check_' + keyword)
            found += ['%s: %s' % (path, w) if isinstance(w, str) else w[0]
                      for w in check(wants, value, path)]
        if isinstance(value, dict):
            found += self.members(schema, value, path)
        return found

    def members(self, schema, value, path):
        known = schema.get('properties')
        if known is None or not (self.strict or
                                 schema.get('additionalProperties') is
                                 False):
            return []
        return ['%s.%s: not a member' % (path, m)
                for m in value if m not in known]

    def check_type(self, wants, value, path):
        wants = wants if isinstance(wants, list) else [wants]
        if not any(isinstance(value, TYPES[w]) and
                   (w == 'boolean' or not isinstance(value, bool))
                   for w in wants):
            yield 'not of type %s: %r' % (' or '.join(wants), value)

    def check_enum(self, wants, value, path):
        if not any(type(w) is type(value) and w == value for w in wants):
            yield 'not one of %r: %r' % (wants, value)

    def check_pattern(self, wants, value, path):
        if isinstance(value, str) and not re.search(wants, value):
            yield 'not %s: %r' % (wants, value)

    def check_minimum(self, wants, value, path):
        if isinstance(value, int) and value < wants:
            yield '%d is below %d' % (value, wants)

    def check_maximum(self, wants, value, path):
        if isinstance(value, int) and value > wants:
            yield '%d is over %d' % (value, wants)

    def check_minLength(self, wants, value, path):
        if isinstance(value, str) and len(value) < wants:
            yield 'too short: %r' % value

    def check_maxLength(self, wants, value, path):
        if isinstance(value, str) and len(value) > wants:
            yield 'too long: %r' % value[:80]

    def check_maxItems(self, wants, value, path):
        if isinstance(value, list) and len(value) > wants:
            yield 'too many elements'

    def check_minProperties(self, wants, value, path):
        if isinstance(value, dict) and len(value) < wants:
            yield 'too few members'

    def check_maxProperties(self, wants, value, path):
        if isinstance(value, dict) and len(value) > wants:
            yield 'too many members'

    def check_additionalProperties(self, wants, value, path):
        """A schema for members that have names of their own; what is
        refused is seen to by members()"""
        if isinstance(wants, dict) and isinstance(value, dict):
            for member in value:
                for w in self.wrong(wants, value[member],
                                    '%s.%s' % (path, member)):
                    yield [w]

    def check_minItems(self, wants, value, path):
        if isinstance(value, list) and len(value) < wants:
            yield 'too few elements'

    def check_required(self, wants, value, path):
        if isinstance(value, dict):
            for member in wants:
                if member not in value:
                    yield 'no ' + member

    def check_properties(self, wants, value, path):
        if isinstance(value, dict):
            for member in value:
                if member in wants:
                    for w in self.wrong(wants[member], value[member],
                                        '%s.%s' % (path, member)):
                        yield [w]

    def check_items(self, wants, value, path):
        if isinstance(value, list):
            for i, element in enumerate(value):
                for w in self.wrong(wants, element, '%s[%d]' % (path, i)):
                    yield [w]

    def check_anyOf(self, wants, value, path):
        tries = [self.wrong(w, value, path) for w in wants]
        if all(tries):
            yield 'fits none: %r; the nearest: %s' % (
                value, min(tries, key=len))
