#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
img.py QEMU-IMG [REFERENCE]: what qemu-img takes, ours against Debian's, in one run.

Rows: convert, with and without -c, of an image that is made of this machine's libraries (half), nothing (three eighths) and noise; the size of what -c
writes; the way back; bench with cache=none: 1 MiB written and read one after the other, 16 in flight, by io_uring and aio=native, raw
and qcow2 (clusters that are there), on the disk below FOLDER and in memory (/dev/shm). Medians of interleaved repeats; the ratio is of costs: below 1 ours
is ahead. A row without a result is a failed one, and the exit status says so.

  --rows A,B     only these (a name's part is enough)     --list           the rows
  --pairs N      repeats, 5                               --quick          one repeat
  --folder F     for the images: the folder of QEMU-IMG   --mib N          sizes, 256
"""
import argparse
import glob
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

from common import chosen, in_turns

REFERENCE, MEMORY = '/usr/bin/qemu-img', '/dev/shm'
LIMIT = 600
Tool = namedtuple('Tool', 'name path')


class Failed(Exception):
    """Why a row has no figure."""


def run(tool, *args):
    """(what it printed, seconds, seconds of CPU time)"""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    p = subprocess.run([tool, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False)
    took, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if p.returncode:
        raise Failed(f'{" ".join(args)} ends with {p.returncode}: {p.stderr.strip()[-200:]}')
    return p.stdout, took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def content(path, mib):
    with open(path, 'wb') as f:
        left = mib << 19
        for name in sorted(glob.glob('/usr/lib/x86_64-linux-gnu/*.so.*')):
            if left > 0 and os.path.isfile(name) and not os.path.islink(name):
                with open(name, 'rb') as lib:
                    data = lib.read(left)
                f.write(data)
                left -= len(data)
        f.seek(mib * 7 << 17)
        f.write(os.urandom(mib << 17))


class Bench:
    def __init__(self, reference, folders, mib):
        self.reference, self.folders, self.mib, self.made = reference, folders, mib, set()

    def path(self, where, name):
        return os.path.join(self.folders[where], name)

    def source(self, where, kind):
        """An image that both read; Debian's makes it."""
        path = self.path(where, kind)
        if path not in self.made:
            if kind == 'content':
                content(path, self.mib)
            elif kind == 'compressed':
                run(self.reference, 'convert', '-c', '-f', 'raw', '-O', 'qcow2', self.source(where, 'content'), path)
            else:
                noise = self.path(where, 'noise')
                with open(noise, 'wb') as f:
                    for _ in range(self.mib):
                        f.write(os.urandom(1 << 20))
                run(self.reference, 'convert', '-f', 'raw', '-O', kind, noise, path)
                os.unlink(noise)
            self.made.add(path)
        return path

    def convert(self, tool, where, kind, *args):
        source, target = self.source(where, kind), self.path(where, 'target')
        if os.path.exists(target):
            os.unlink(target)
        _, took, cpu = run(tool, 'convert', *args, source, target)
        self.same(source, 'raw' if kind == 'content' else 'qcow2', target, args[args.index('-O') + 1])
        return took, cpu

    def same(self, a, a_format, b, b_format):
        run(self.reference, 'compare', '-f', a_format, '-F', b_format, a, b)

    def size(self, tool, where):
        self.convert(tool, where, 'content', '-c', '-f', 'raw', '-O', 'qcow2')
        return os.path.getsize(self.path(where, 'target')) / (1 << 20), 0

    def bench(self, tool, where, kind, aio, *args):
        said, _, cpu = run(tool, 'bench', '-f', kind, '-t', 'none', '-i', aio, '-s', '1M', '-d', '16', '-c', str(4 * self.mib), *args,
                           self.source(where, kind))
        took = re.search(r'Run completed in ([0-9.]+) seconds', said)
        if not took:
            raise Failed(f'bench says {said[-200:]!r}')
        return float(took[1]), cpu


def rows():
    """{name: work(bench, tool) -> (cost, seconds of CPU time)}"""
    out = {}
    for where in ('memory', 'disk'):
        out[f'{where}: convert to qcow2'] = lambda b, t, w=where: b.convert(t, w, 'content', '-f', 'raw', '-O', 'qcow2')
        out[f'{where}: convert -c'] = lambda b, t, w=where: b.convert(t, w, 'content', '-c', '-f', 'raw', '-O', 'qcow2')
        out[f'{where}: size after convert -c'] = lambda b, t, w=where: b.size(t, w)
        out[f'{where}: convert from compressed'] = lambda b, t, w=where: b.convert(t, w, 'compressed', '-f', 'qcow2', '-O', 'raw')
        for aio in ('io_uring', 'native'):
            for kind in ('raw', 'qcow2'):
                out[f'{where}: {aio}, {kind}, write'] = lambda b, t, w=where, k=kind, a=aio: b.bench(t, w, k, a, '-w')
                out[f'{where}: {aio}, {kind}, read'] = lambda b, t, w=where, k=kind, a=aio: b.bench(t, w, k, a)
    return out


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('tool')
    p.add_argument('reference', nargs='?', default=REFERENCE)
    p.add_argument('--rows')
    p.add_argument('--list', action='store_true')
    p.add_argument('--pairs', type=int, default=5)
    p.add_argument('--quick', action='store_true')
    p.add_argument('--folder')
    p.add_argument('--mib', type=int, default=256)
    o = p.parse_args()
    work = rows()
    wanted = chosen(o, work)
    if o.list:
        print('\n'.join(wanted))
        return 0
    tools = [Tool('ours', os.path.abspath(o.tool)), Tool('reference', o.reference)]
    pairs = 1 if o.quick else max(1, o.pairs)
    failed, behind = [], []
    folders = {'disk': tempfile.mkdtemp(dir=o.folder or os.path.dirname(tools[0].path)), 'memory': tempfile.mkdtemp(dir=MEMORY)}
    try:
        b = Bench(o.reference, folders, o.mib)
        print(f'qemu-img, median of {pairs} (ours: {tools[0].path}; reference: {o.reference})')
        print(f'{"":40}{"":>5}{"ours":>9}{"reference":>11}{"ratio":>8}{"spread":>8}{"CPU":>9}{"reference":>11}', flush=True)
        for name in wanted:
            figures, wrong = in_turns(tools, pairs, lambda t, w=work[name]: w(b, t.path), (Failed, OSError, subprocess.TimeoutExpired))
            unit = 'MiB' if 'size' in name else 's'
            cost, cpu = ({n: statistics.median(x[i] for x in v) if v and n not in wrong else None for n, v in figures.items()} for i in (0, 1))
            if wrong:
                failed.append(name)
                print(f'{name:40}{unit:>5}  FAILED', *(f'\n    {n}: {why}' for n, why in wrong.items()), flush=True)
                continue
            ratio = cost['ours'] / cost['reference']
            each = [x[0] / y[0] for x, y in zip(figures['ours'], figures['reference'])]
            if ratio > 1:
                behind.append(name)
            print(f'{name:40}{unit:>5}{cost["ours"]:9.2f}{cost["reference"]:11.2f}{ratio:8.2f}{(max(each) - min(each)) / ratio * 100:7.0f}%'
                  f'{cpu["ours"]:9.2f}{cpu["reference"]:11.2f}' + ('  behind' if ratio > 1 else ''), flush=True)
        print(f'{len(wanted)} rows, {len(failed)} failed, ours is behind in {len(behind)}' + (f': {", ".join(behind)}' if behind else ''))
    finally:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())
