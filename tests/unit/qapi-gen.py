#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/qapi-gen: what it refuses, and that the program and the schema know the same events."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GEN = os.path.join(ROOT, 'scripts', 'qapi-gen')

# Schema text -> what the message has to say; None: it is fine.
CASES = [
    ('', None),
    ('# a comment\n{"enum": "E", "data": ["a", {"name": "b", "features": ["f"]}]}', None),
    ('{"struct": "S", "data": {"a": "str", "*b": ["int"]}} {"command": "c", "data": "S", "returns": ["S"]}', None),
    ('{"enum": "E", "data": ["a", "a"]}', "a value is there twice"),
    ('{"enum": "E", "data": ["a"]} {"enum": "E", "data": ["b"]}', "'E' is defined twice"),
    ('{"enum": "str", "data": []}', "'str' is defined twice"),
    ('{"struct": "S", "data": {"a": "nope"}}', "no type 'nope'"),
    ('{"struct": "S", "data": {"a": ["str", "int"]}}', 'one element type'),
    ('{"struct": "S", "data": {"a": "str", "a": "int"}}', 'duplicate key'),
    ('{"struct": "S", "data": {"a b": "str"}}', "bad member name 'a b'"),
    ('{"struct": "S", "data": {"a": {"typ": "str"}}}', 'unknown or missing key'),
    ('{"struct": "B", "data": {"a": "str"}} {"struct": "S", "base": "B", "data": {"*a": "str"}}', 'a member is there twice'),
    ('{"enum": "E", "data": []} {"struct": "S", "base": "E", "data": {}}', 'base is no struct'),
    ('{"enum": "E", "data": ["a"]} {"union": "U", "base": {"*t": "E"}, "discriminator": "t", "data": {}}', 'no mandatory enum'),
    ('{"union": "U", "base": {"t": "str"}, "discriminator": "t", "data": {}}', 'no mandatory enum'),
    ('{"enum": "E", "data": ["a"]} {"struct": "S", "data": {}}'
     '{"union": "U", "base": {"t": "E"}, "discriminator": "t", "data": {"b": "S"}}', "bad branch 'b'"),
    ('{"enum": "E", "data": ["a"]} {"struct": "S", "data": {"t": "str"}}'
     '{"union": "U", "base": {"t": "E"}, "discriminator": "t", "data": {"a": "S"}}', "branch 'a' repeats"),
    ('{"command": "c", "data": "str"}', "'str' is no object type"),
    ('{"command": "c", "returns": "nope"}', "no type 'nope'"),
    ('{"command": "c", "retruns": "str"}', "unknown key"),
    ('{"thing": "t"}', 'no kind of definition'),
    ('{"enum": "E", "data": ["a"]', 'schema.json:1'),
    ('\n\n{"enum": 1}', 'schema.json:3'),
]


def generate(text):
    """(exit status, message, query-qmp-schema's reply or None)"""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, 'schema.json')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        p = subprocess.run([sys.executable, GEN, d, path], capture_output=True, text=True, check=False)
        if p.returncode:
            return p.returncode, p.stderr, None
        with open(os.path.join(d, 'qapi-schema.c'), encoding='utf-8') as f:
            c = f.read()
        literal = c[c.index('qapi_schema_text[] ='):].split('=', 1)[1]
        reply = ''.join(json.loads(s) for s in re.findall(r'"(?:[^"\\]|\\.)*"', literal))
        return 0, p.stderr, json.loads(reply)


def events_of_schema():
    names = set()
    for path in glob.glob(os.path.join(ROOT, 'qapi', '*.json')):
        with open(path, encoding='utf-8') as f:
            names |= set(re.findall(r'^\{"event": "([A-Z_]+)"', f.read(), re.M))
    return names


def events_of_program():
    names = set()
    for dirpath, dirs, files in os.walk(ROOT):
        if dirpath == ROOT:
            dirs[:] = [d for d in dirs if not d.startswith(('build', '.')) and d not in ('tests', 'docs', 'subprojects')]
        for f in files:
            if f.endswith('.c'):
                with open(os.path.join(dirpath, f), encoding='utf-8') as src:
                    names |= set(re.findall(r'event_emit\(\s*"([A-Z_]+)"', src.read()))
    return names


def main():
    results = []
    for text, want in CASES:
        status, message, _ = generate(text)
        ok = status == 0 if want is None else status == 1 and want in message and 'Traceback' not in message
        results.append((ok, text.replace('\n', ' ')[:60].replace('#', '') or 'empty', message))
    _, _, reply = generate('{"struct": "S", "data": {"*a": {"type": ["uint8"], "features": ["deprecated"]}}}'
                           '{"command": "c", "data": "S", "returns": "str", "allow-oob": true} {"event": "E"}')
    want = [
        {'name': 'c', 'meta-type': 'command', 'arg-type': '0', 'ret-type': 'str', 'allow-oob': True},
        {'name': 'E', 'meta-type': 'event', 'arg-type': '1'},
        {'name': '0', 'meta-type': 'object',
         'members': [{'name': 'a', 'type': '[int]', 'default': None, 'features': ['deprecated']}]},
        {'name': 'str', 'meta-type': 'builtin', 'json-type': 'string'},
        {'name': '1', 'meta-type': 'object', 'members': []},
        {'name': 'int', 'meta-type': 'builtin', 'json-type': 'int'},
        {'name': '[int]', 'meta-type': 'array', 'element-type': 'int'},
    ]
    key = lambda e: e['name']
    results.append((sorted(reply, key=key) == sorted(want, key=key), 'introspection', json.dumps(reply)))
    missing = events_of_program() - events_of_schema()
    results.append((not missing, 'every event is in the schema', str(missing)))
    print(f'1..{len(results)}')
    for i, (ok, name, detail) in enumerate(results, 1):
        print(f'{"ok" if ok else "not ok"} {i} {name}')
        if not ok:
            print('# ' + detail.replace('\n', '\n# '))
    return 0


if __name__ == '__main__':
    sys.exit(main())
