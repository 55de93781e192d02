# SPDX-License-Identifier: GPL-2.0-or-later
"""What benchmarks beside a reference share: the words of the command line, turns, the CPU that a process took."""
import argparse
import json
import os

REFERENCE = '/usr/bin/qemu-system-x86_64'


def parser(doc, pairs):
    """BINARY [REFERENCE] and the options that all have; pairs: repeats where --pairs does not say."""
    p = argparse.ArgumentParser(usage=doc)
    p.add_argument('binary')
    p.add_argument('reference', nargs='?', default=REFERENCE)
    p.add_argument('--rows')
    p.add_argument('--list', action='store_true')
    p.add_argument('--pairs', type=int, default=pairs)
    p.add_argument('--quick', action='store_true')
    p.add_argument('--accel', default='tcg')
    p.add_argument('--json')
    p.add_argument('--cache')
    return p


def chosen(o, names):
    """The rows that --rows asks for: a name's part is enough."""
    return [n for n in names if not o.rows or any(part in n for part in o.rows.split(','))]


def cache_folder(o):
    """Where Debian's packages for guests are."""
    return os.path.abspath(o.cache or os.path.join(os.path.dirname(os.path.abspath(o.binary)), 'debs'))


def in_turns(sides, pairs, once, errors):
    """({side: [once(side), ...]}, {side: why there are no more}): each side pairs times, each order as often."""
    figures, wrong = {s.name: [] for s in sides}, {}
    for turn in range(pairs):
        for s in sides if turn % 2 == 0 else sides[::-1]:
            if s.name in wrong:
                continue
            try:
                figures[s.name].append(once(s))
            except errors as e:
                wrong[s.name] = str(e)
    return figures, wrong


def cpu_seconds(pid):
    """User and system time of a process with all of its threads."""
    with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
        word = f.read().rpartition(')')[2].split()
    return (int(word[11]) + int(word[12])) / os.sysconf('SC_CLK_TCK')


def write_json(o, rows):
    if o.json:
        with open(o.json, 'w', encoding='utf-8') as f:
            json.dump(rows, f, indent=1)
