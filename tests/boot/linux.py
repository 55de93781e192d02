#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels with a busybox initramfs to a shell that runs commands typed over the serial port, to power-off. TAP.

usage: linux.py BINARY CACHE [ACCELERATOR [CASE...]]

Cases: amd64-1, amd64-4 (the cloud kernel on one and four CPUs), i386-1, i386-4 (the 686-pae kernel); amd64-2-max and the like name a
CPU model. CACHE is where Debian's packages are unpacked (debs.py). The first point's note is the time from the start of the emulator to
the guest's init."""
import hashlib
import os
import sys

from debs import Debs, Missing
from initramfs import busybox
from serialguest import Guest, GuestError, Tap, refused

KERNELS = {'amd64': ('linux-image-cloud-amd64', 'x86_64'), 'i386': ('linux-image-686-pae', 'i686')}
BOOT_LIMIT, SHELL_LIMIT = 300, 120
DATA = b'the quick brown fox\n' * 40000
TROUBLE = 'BUG|WARNING: CPU|Oops|stall|lockup|general protection|invalid opcode|segfault|traps:'
POINTS = ['boots to a shell', 'arithmetic and floating point', 'files, pipes and compression', 'processes and signals', 'time',
          'CPUs', 'nothing wrong in the log', 'powers off']


def equal(what, got, want):
    assert got == want, f'{what}: {got!r}, not {want!r}'


def boots(g, machine):
    g.expect(rb'init: started', BOOT_LIMIT)
    note = f'exec to init {g.seconds():.2f} s'
    g.expect(g.prompt, SHELL_LIMIT)
    equal('uname -m', g.shell('uname -m', SHELL_LIMIT), machine)
    return note


def arithmetic(g):
    equal('64-bit integers', g.shell('echo $((123456789123*54321%1000000007)) $((-7/2)) $((1<<40))', SHELL_LIMIT),
          f'{123456789123 * 54321 % 1000000007} -3 {1 << 40}')
    program = 'BEGIN{x=2;for(i=1;i<=5000;i++){x=(x+3/x)/2;s+=i/(i+x)}printf "%.9f %.9f\\n",x,s}'
    x, s = 2.0, 0.0
    for i in range(1, 5001):
        x = (x + 3 / x) / 2
        s += i / (i + x)
    equal('awk', g.shell(f"awk '{program}'", SHELL_LIMIT), f'{x:.9f} {s:.9f}')


def files(g):
    g.shell("yes 'the quick brown fox' | head -n 40000 >/tmp/a", SHELL_LIMIT)
    for tool in ('md5', 'sha1', 'sha256', 'sha512'):
        got = g.shell(f'{tool}sum /tmp/a', SHELL_LIMIT)
        equal(tool, got.split(' ')[0], hashlib.new(tool, DATA).hexdigest())
    got = g.shell('gzip -c /tmp/a | gunzip | bzip2 | bunzip2 | md5sum', SHELL_LIMIT)
    equal('through gzip and bzip2', got.split(' ')[0], hashlib.md5(DATA).hexdigest())
    got = g.shell('seq 20000 | awk \'{print ($1*7919)%20011}\' | sort -n | uniq | wc -l', SHELL_LIMIT)
    equal('sorted numbers', got, str(len({n * 7919 % 20011 for n in range(1, 20001)})))


def processes(g):
    equal('200 processes', g.shell('i=0; while [ $i -lt 200 ]; do /bin/busybox env true && i=$((i+1)); done; echo $i', SHELL_LIMIT), '200')
    equal('status', g.shell("sh -c 'exit 42'", SHELL_LIMIT, good=(42,)), '')
    g.shell("sh -c 'kill -SEGV $$'", SHELL_LIMIT, good=(139,))
    g.shell("(sleep 1000 & kill $!; wait $!)", SHELL_LIMIT, good=(143,))


def clock(g):
    got = g.shell('a=$(cut -d. -f1 /proc/uptime); sleep 2; b=$(cut -d. -f1 /proc/uptime); echo $((b-a))', SHELL_LIMIT)
    assert 2 <= int(got) <= 10, f'sleep 2 took {got} s of the uptime'


def cpus(g, count):
    equal('CPUs', g.shell('grep -c ^processor /proc/cpuinfo', SHELL_LIMIT), str(count))
    equal('nproc', g.shell('nproc', SHELL_LIMIT), str(count))
    loops = ' '.join(str(n) for n in range(count))
    got = g.shell(f'(for c in {loops}; do taskset -c $c sha256sum /tmp/a & done; wait)', SHELL_LIMIT)
    equal('all at once', got.count(hashlib.sha256(DATA).hexdigest()), count)
    size = 3000000
    got = g.shell(f'taskset -c 0 yes | taskset -c {count - 1} head -c {size} | taskset -c {count // 2} md5sum', SHELL_LIMIT)
    equal('a pipe over CPUs', got.split(' ')[0], hashlib.md5(b'y\n' * (size // 2)).hexdigest())
    ticks = g.shell('grep LOC: /proc/interrupts', SHELL_LIMIT).split()[1:count + 1]
    assert all(int(t) > 0 for t in ticks), f'timer interrupts by CPU: {ticks}'


def log(g):
    got = g.shell(f"dmesg | grep -E '{TROUBLE}' | head -5", SHELL_LIMIT)
    equal('the kernel says', got, '')


def powers_off(g):
    g.send('poweroff -f\n')
    g.shutdown('guest-shutdown', SHELL_LIMIT)


def case(tap, binary, accel, name, cache):
    arch, count, *model = name.split('-', 2)
    package, machine = KERNELS[arch]
    debs = Debs(cache, arch)
    try:
        kernel, _, tools = debs.system(package)
    except Missing as e:
        for _ in POINTS:
            tap.skip(str(e))
        return
    initrd = os.path.join(cache, f'initramfs-{name}')
    with open(initrd, 'wb') as f:
        f.write(busybox(tools))
    first = tap.n
    args = [*(['-cpu', model[0]] if model else []), '-m', '512', '-smp', count, '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1 no_timer_check']
    try:
        with Guest(binary, accel, args) as g:
            steps = [lambda: boots(g, machine), lambda: arithmetic(g), lambda: files(g), lambda: processes(g), lambda: clock(g),
                     lambda: cpus(g, int(count)), lambda: log(g), lambda: powers_off(g)]
            for step in steps:
                if not tap.point(step) and (g.lost or g.process.poll() is not None):
                    break
    except GuestError as e:
        tap.fail(e)
    while tap.n < first + len(POINTS):
        tap.fail('the guest is gone')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    cases = sys.argv[4:] or ['amd64-1', 'amd64-4', 'i386-1', 'i386-4']
    tap = Tap(f'{c}: {p}' for c in cases for p in POINTS)
    why = refused(binary, accel)
    if why:
        return tap.skip_rest(why)
    for c in cases:
        case(tap, binary, accel, c, cache)
    return tap.failed > 0


sys.exit(main())
