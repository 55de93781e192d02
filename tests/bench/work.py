#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
work.py BINARY [REFERENCE]: what guest work costs under the engine, natively and under Debian's QEMU, in one run.

The same static programs (work/), Debian programs and scripts run on the host and in two guests: the same kernel (Debian's cloud kernel),
the same initramfs, -cpu max, one vCPU or --smp N of them, each busy with a copy of the row. A row's amount of work and its checksum are the same on all three. Seconds are the guest's own;
a row fails when they are not also the host's, by the time between two lines on the serial port. Medians of interleaved repeats;
'slower': ours takes more than 1.1 times what the reference takes. A row without a result is a failed one, and the exit status says so.

  --rows A,B        only these (a name's part is enough)     --list           the rows
  --pairs N         repeats, 5                               --quick          one repeat with a tenth of the work
  --smp N           N processors, and N copies of a row at the same time, 1
  --accel A         ours runs with this, tcg                 --json FILE      also write the figures
  --kvm-tcg         our -accel kvm, with ours of -accel tcg as the reference
  --cache FOLDER    kernel and packages, build/debs    --no-reference   without the reference
"""
import math
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'boot'))
# pylint: disable=wrong-import-position
from common import cache_folder, chosen, in_turns, parser, write_json  # noqa: E402
from debs import Debs, Missing  # noqa: E402
from initramfs import Archive  # noqa: E402
from serialguest import Guest, GuestError, serves  # noqa: E402

SLOWER = 1.1
BOOT_LIMIT, ROW_LIMIT = 120, 300
ARGS = ['-machine', 'pc', '-nodefaults', '-no-reboot', '-m', '1G', '-cpu', 'max']
# Without tsc=reliable a busy host makes the guest's kernel leave the TSC for a slower clock, now and then; without no_timer_check one
# that gives the emulator no time for ten ticks makes it panic ("IO-APIC + timer doesn't work").
APPEND = 'console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check'
BOOT = 'kernel-exec-to-init'
PYTHON = os.path.realpath('/usr/bin/python3')
PROGRAMS = [PYTHON] + [f'/usr/bin/{p}' for p in ('gzip', 'xz', 'bzip2', 'sort', 'grep')]

# Rows of work/: an amount that takes the host some tenths of a second, less where the reference needs a hundred times that.
ROWS = {
    'sieve': 300, 'sort-qsort': 40, 'hash': 10000000, 'recursion': 500, 'division': 40000000, 'primes': 4000000,
    'pointer-chase': 50000000, 'pointer-chase-large': 4000000, 'indirect-calls': 100000000, 'interpreter': 20000000, 'branches': 100000000, 'bit-operations': 40000000,
    'double-matrix': 1000, 'n-body': 1000000, 'conversions': 30000000, 'x87': 7000000,
    'sse2-integer': 40000, 'sse-float': 30000, 'avx2-integer': 80000, 'avx2-fma': 100000,
    'memcpy-large': 8000, 'memcpy-small': 40000000, 'page-crossing': 2000000, 'rep-movsb': 400000, 'rep-stosq': 800000, 'libc-strings': 500000,
    'tlb-misses': 5000000, 'page-faults': 50000, 'mprotect': 50000, 'read-file': 30000,
    'code-patched': 100000, 'code-fresh': 10000, 'code-beside-data': 2000000, 'signals': 30000, 'faults-caught': 30000,
    'getpid': 2000000, 'fork-wait': 600, 'fork-exec': 200, 'pipe-switch': 15000, 'thread-futex': 60000, 'thread-start': 5000,
    'atomics': 50000000, 'rdtsc': 50000000, 'clock-gettime': 15000000,
    'sha256': 300000, 'aes-table': 2000000, 'aes-ni': 10000000, 'chacha20': 1000000, 'crc32-instruction': 40000000,
}
# Programs: how often they run, and how; AMOUNT stands for the number instead where a program takes it.
EXECS = {
    'python-start': (8, f'{PYTHON} -I -S -c pass'),
    'python-loop': (200000, f'{PYTHON} -I -S loop.py AMOUNT'),
    'shell-loop': (50000, './busybox sh loop.sh AMOUNT'),
    'shell-forks': (100, './busybox sh forks.sh AMOUNT'),
    'openssl-sha256': (40000, './openssl sha256 AMOUNT'),
    'openssl-aes-128-ctr': (200000, './openssl aes-128-ctr AMOUNT'),
    'openssl-chacha20': (80000, './openssl chacha20 AMOUNT'),
    'openssl-rsa': (1000, './openssl rsa AMOUNT'),
    'gzip': (6, '/usr/bin/gzip -nc text'),
    'xz': (1, '/usr/bin/xz -T1 -2 -c text'),
    'bzip2': (2, '/usr/bin/bzip2 -c text'),
    'sort': (8, '/usr/bin/sort text'),
    'grep': (20, '/usr/bin/grep -E -n [aeiou]{3}.*(ing|ed)x text'),
}


class RowError(Exception):
    """Why a row has no figure here."""


def text(size=1500000):
    """Lines of made-up words, some frequent."""
    rng = random.Random(1)
    words = [''.join(rng.choice('etaoinshrdlucmfwypvbgkjqxz') for _ in range(rng.randint(2, 9))) for _ in range(3000)]
    lines, total = [], 0
    while total < size:
        line = ' '.join(words[int(len(words) * rng.random() ** 3)] for _ in range(rng.randint(3, 14)))
        lines.append(line)
        total += len(line) + 1
    return '\n'.join(lines) + '\n'


def build(folder):
    """The folder that is /bench in a guest."""
    sources = [os.path.join(HERE, 'work', f) for f in sorted(os.listdir(os.path.join(HERE, 'work'))) if f.endswith('.c')]
    subprocess.check_call(['gcc', '-D_GNU_SOURCE', '-O2', '-fno-math-errno', '-static', '-Wall', '-Wextra', '-Wno-unused-parameter',
                           '-o', os.path.join(folder, 'work'), *sources])
    # A program of its own: with libcrypto in it /init would be another row.
    subprocess.check_call(['gcc', '-O2', '-static', '-Wall', '-Wextra', '-o', os.path.join(folder, 'openssl'),
                           os.path.join(HERE, 'crypto', 'openssl.c'), '-lcrypto', '-ldl', '-pthread', '-Wl,--no-warnings'])
    for name in os.listdir(os.path.join(HERE, 'scripts')):
        shutil.copy(os.path.join(HERE, 'scripts', name), folder)
    with open(os.path.join(folder, 'text'), 'w', encoding='ascii') as f:
        f.write(text())


def add(archive, path, name=None):
    info = os.stat(path)
    with open(path, 'rb') as f:
        archive.file((name or path).lstrip('/'), f.read(), info.st_mode & 0o777, int(info.st_mtime))


def small_image(folder):
    """The programs only: what the boot's row starts."""
    a = Archive()
    a.device('dev/console', 5, 1)
    add(a, os.path.join(folder, 'work'), 'init')
    a.folder('bench')
    return a


def image(folder):
    """The guest's whole tree: this folder, the Debian programs with their libraries, Python's own modules."""
    a = small_image(folder)
    for name in sorted(os.listdir(folder)):
        add(a, os.path.join(folder, name), 'bench/' + name)
    needed = set()
    for program in PROGRAMS:
        add(a, program)
        out = subprocess.check_output(['ldd', program], text=True)
        needed.update(re.findall(r'(/\S+) \(0x', out))
    listed = subprocess.check_output(['dpkg', '-L', f'lib{os.path.basename(PYTHON)}-minimal'], text=True).split()
    for path in listed:
        cached = os.path.join(os.path.dirname(path), '__pycache__', os.path.basename(path).replace('.py', '.cpython-311.pyc'))
        needed.update(p for p in (path, cached) if p.startswith('/usr/lib') and os.path.isfile(p))
    for path in sorted(needed):
        add(a, path)
    return a


class Native:
    """The programs on the host, on as many CPUs as the guests have."""
    name = 'native'

    def __init__(self, folder, copies):
        cpus = sorted(os.sched_getaffinity(0))[-copies:]
        self.process = subprocess.Popen([os.path.join(folder, 'work'), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={'LC_ALL': 'C', 'PATH': '/usr/bin:/bin'}, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.process.stdout.readline()
        self.process.stdin.write(f'copies {copies}\n')

    def run(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        start = time.monotonic()
        while True:
            line = self.process.stdout.readline()
            if line.startswith('@end'):
                return line.split()[1], float(line.split()[2]), time.monotonic() - start
            if not line or line.startswith('@failed'):
                raise RowError(line[8:].strip() or 'the programs ended')

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Emulated:
    """The programs in a guest, which is started when it is needed, and again after it died."""

    def __init__(self, name, binary, accel, args, initrd, copies):
        self.name, self.binary, self.accel, self.args, self.initrd, self.copies = name, binary, accel, args, initrd, copies
        self.guest, self.failures, self.dead = None, 0, None  # dead: why no more guests are started

    def boot(self, initrd):
        """A guest at its first line; the time from exec to it."""
        if self.dead:
            raise GuestError(self.dead)
        guest = Guest(self.binary, self.accel, [*self.args, '-initrd', initrd])
        try:
            guest.expect(rb'@ready', BOOT_LIMIT)
        except GuestError as e:
            guest.close()
            self.failures += 1
            if self.failures == 2:
                self.dead = str(e)
            raise
        return guest, guest.seconds()

    def run(self, command):
        try:
            if not self.guest:
                self.guest = self.boot(self.initrd)[0]
                self.guest.send(f'copies {self.copies}\n')
        except GuestError as e:
            raise RowError(str(e)) from None
        try:
            self.guest.send(command + '\n')
            self.guest.expect(rb'@begin|(?=@failed)', 30)
            start = time.monotonic()
            got = self.guest.expect(rb'@(end|failed) ([^\r\n]*)\r?\n', ROW_LIMIT)
            took = time.monotonic() - start
        except (GuestError, OSError) as e:
            self.close()
            raise RowError(str(e)) from None
        if got[1] == b'failed':
            raise RowError(got[2].decode(errors='replace'))
        words = got[2].decode().split()
        return words[0], float(words[1]), took

    def close(self):
        if self.guest:
            self.guest.close()
        self.guest = None


def measure(runner, command):
    """(checksum, seconds); a guest's clock that is not the host's gives no figure."""
    checksum, seconds, host = runner.run(command)
    if abs(seconds - host) > 0.1 * host + 0.1:
        raise RowError(f'its clock says {seconds:.3f} s, the host\'s {host:.3f} s')
    return checksum, seconds


def command_of(name, divide):
    """A row's command with its amount of work."""
    if name in ROWS:
        return f'row {name} {max(1, ROWS[name] // divide)}'
    amount, words = EXECS[name]
    amount = max(1, amount // divide)
    return f'exec 1 {words.replace("AMOUNT", str(amount))}' if 'AMOUNT' in words else f'exec {amount} {words}'


def work_row(name, runners, pairs, divide):
    """{runner: [seconds]}, and why runners have no figures."""
    command, sums = command_of(name, divide), {}

    def once(r):
        checksum, seconds = measure(r, command)
        if sums.setdefault(r.name, checksum) != checksum:
            raise RowError(f'checksum {checksum}, before that {sums[r.name]}')
        return seconds

    times, wrong = in_turns(runners, pairs, once, RowError)
    for r in runners:
        if r.name not in wrong and 'native' in sums and sums.get(r.name) != sums['native']:
            wrong[r.name] = f'checksum {sums[r.name]}, native {sums["native"]}'
    return times, wrong


def boot_row(runners, pairs, initrd):
    """The same for a kernel's start: from exec of the emulator to the first line of /init; natively there is none."""
    def once(r):
        guest, seconds = r.boot(initrd)
        guest.close()
        return seconds

    times, wrong = in_turns([r for r in runners if not isinstance(r, Native)], pairs, once, GuestError)
    return {**{r.name: [] for r in runners}, **times}, wrong


def ratio(a, b):
    """Median and spread, in percent, of the ratios of what was measured next to each other."""
    if not a or not b:
        return None, None
    ratios = [x / y for x, y in zip(a, b)]
    middle = statistics.median(ratios)
    return middle, (max(ratios) - min(ratios)) / middle * 100


class Table:
    def __init__(self, names):
        self.names, self.rows, self.failed = names, [], 0
        print(f'{"":22}' + ''.join(f'{n:>10}' for n in names) + f'{"ours/nat.":>11}{"ours/ref.":>11}{"spread":>8}', flush=True)

    def add(self, name, times, wrong):
        middle = {n: statistics.median(t) if t and n not in wrong else None for n, t in times.items()}
        natively, _ = ratio(times.get('ours'), times.get('native'))
        beside, spread = ratio(times.get('ours'), times.get('reference'))
        if 'ours' in wrong:
            natively = beside = spread = None
        if 'reference' in wrong:
            beside = spread = None
        if 'native' in wrong:
            natively = None
        self.failed += bool(wrong)
        self.rows.append({'name': name, 'seconds': {n: times[n] for n in times}, 'median': middle, 'ours/native': natively,
                          'ours/reference': beside, 'spread_percent': spread, 'failed': wrong})
        verdict = 'FAILED' if wrong else 'slower' if beside and beside > SLOWER else ''
        print(f'{name:22}' + ''.join(f'{middle[n]:10.4f}' if middle.get(n) is not None else f'{"-":>10}' for n in self.names) +
              ''.join(f'{r:11.2f}' if r else f'{"-":>11}' for r in (natively, beside)) +
              (f'{spread:7.0f}%' if spread is not None else f'{"-":>8}') + (f'  {verdict}' if verdict else ''), flush=True)
        for n, why in wrong.items():
            print(f'    {n}: {why}', flush=True)

    def end(self):
        work = [r for r in self.rows if r['name'] != BOOT]

        def mean(values):
            values = [v for v in values if v]
            return math.exp(sum(math.log(v) for v in values) / len(values)) if values else None

        for key in ('ours/native', 'ours/reference'):
            m = mean([r[key] for r in work])
            print(f'geometric mean {key}: {f"{m:.3f}" if m else "-"}')
        pairs = [(r['median'].get('reference'), r['median'].get('native')) for r in work]
        m = mean([a / b for a, b in pairs if a and b])
        print(f'geometric mean reference/native: {f"{m:.3f}" if m else "-"}')
        slower = [r['name'] for r in self.rows if r['ours/reference'] and r['ours/reference'] > SLOWER]
        print(f'{len(self.rows)} rows, {self.failed} failed, {len(slower)} slower than the reference' +
              (f': {", ".join(slower)}' if slower else ''))


def main():
    p = parser(__doc__, 5)
    p.add_argument('--smp', type=int, default=1)
    p.add_argument('--kvm-tcg', action='store_true')
    p.add_argument('--no-reference', action='store_true')
    o = p.parse_args()
    names = chosen(o, [BOOT, *ROWS, *EXECS])
    if o.list:
        print('\n'.join(names))
        return 0
    binary = os.path.abspath(o.binary)
    if o.kvm_tcg:
        o.accel, o.reference = 'kvm', binary
    if not 1 <= o.smp <= len(os.sched_getaffinity(0)):
        p.error(f'--smp {o.smp}: this host has {len(os.sched_getaffinity(0))} processors')
    pairs, divide = (1, 10) if o.quick else (max(1, o.pairs), 1)
    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        print(f'guest work, median of {pairs}, {o.smp} vCPUs, seconds (ours: {binary} -accel {o.accel}; reference: {o.reference} -accel tcg)', flush=True)
        try:
            debs = Debs(cache_folder(o), 'amd64')
            kernel, _ = debs.kernel('linux-image-cloud-amd64')
            busybox = os.path.join(debs.tree('busybox-static'), 'bin/busybox')
        except Missing as e:
            print(f'work.py: {e}', file=sys.stderr)
            return 1
        tree = os.path.join(folder, 'bench')
        os.mkdir(tree)
        build(tree)
        shutil.copy(busybox, tree)
        for name, make in (('initrd', image), ('small', small_image)):
            with open(os.path.join(folder, name), 'wb') as f:
                f.write(make(tree).bytes())
        start = [*ARGS, '-smp', str(o.smp), '-kernel', kernel, '-append', APPEND]
        runners = [Native(tree, o.smp)]
        for name, path, accel in (('ours', binary, o.accel), ('reference', o.reference, 'tcg')):
            if name == 'reference' and o.no_reference:
                continue
            runners.append(Emulated(name, path, accel, start, os.path.join(folder, 'initrd'), o.smp))
            if not serves(path, accel):
                runners[-1].dead = f'{path} has no -accel {accel} here'
        table = Table([r.name for r in runners])
        try:
            for name in names:
                if name == BOOT:
                    table.add(name, *boot_row(runners, pairs, os.path.join(folder, 'small')))
                else:
                    table.add(name, *work_row(name, runners, pairs, divide))
        finally:
            for r in runners:
                r.close()
        table.end()
        write_json(o, table.rows)
    return table.failed > 0


if __name__ == '__main__':
    sys.exit(main())
