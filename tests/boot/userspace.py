#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian from a disk, by systemd to a login, and programs of it that check themselves. TAP.

usage: userspace.py BINARY CACHE [ACCELERATOR [CPUS]]

The disk is made by image.py, once for a CACHE (a few minutes). What a point took is its note."""
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time

from debs import Missing
from image import HERE, PASSWORD, image
from serialguest import Guest, GuestError, Tap, refused

BOOT_LIMIT, LIMIT = 900, 1800
PYTHON = ['test_math', 'test_cmath', 'test_float', 'test_decimal', 'test_struct', 'test_hashlib', 'test_zlib']
OPENSSL = ['sha256', 'aes-128-ctr', 'chacha20']
STRESS_SECONDS = 60
TROUBLE = 'BUG|WARNING: CPU|Oops|stall|lockup|general protection|invalid opcode|segfault|traps:|I/O error|EXT4-fs error|ata[0-9].*(exception|failed)'


def login(g):
    g.expect(rb'init: started', BOOT_LIMIT)
    init = g.seconds()
    g.expect(rb'guest login: ', BOOT_LIMIT)
    note = f'exec to init {init:.1f} s, to login {g.seconds():.1f} s'
    g.send('root\n')
    g.expect(rb'Password: ', 120)
    g.send(PASSWORD + '\n')
    g.prompt = rb'root@guest:[^#\n]*# '
    g.expect(g.prompt, 120)
    g.shell('stty cols 250; export TERM=dumb PAGER=cat', 60)
    return note


def systemd(g):
    state = g.shell('systemctl is-system-running --wait', LIMIT, good=(0, 1))
    failed = g.shell('systemctl --failed --no-legend --plain', 120)
    assert state == 'running' and not failed, f'the system is {state}: {failed}'


def apt(g):
    out = g.shell('apt-get update', LIMIT)
    assert 'file:/srv/repo' in out, f'apt-get update says {out!r}'
    g.shell('apt-get install -qqy hello >/tmp/log 2>&1 || (tail -5 /tmp/log; false)', LIMIT)
    out = g.shell('hello', 60)
    assert out == 'Hello, world!', f'hello says {out!r}'


def gcc(g):
    """The guest's build of the program says what the host's says."""
    source = os.path.join(HERE, 'userspace/program.c')
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'program')
        subprocess.run(['cc', '-O2', '-o', program, source, '-lm', '-pthread'], check=True)
        want = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    for flags in ('-O0', '-O2'):
        g.shell(f'gcc -Wall {flags} -o program program.c -lm -pthread', LIMIT)
        got = g.shell('./program', LIMIT)
        assert got == want, f'built with {flags} it prints {got!r}, on the host {want!r}'


def python(g, test):
    out = g.shell(f'python3 -m test {test} >/tmp/log 2>&1; s=$?; tail -n 40 /tmp/log; (exit $s)', LIMIT)
    assert re.search(r'esult: SUCCESS', out) and '1 test OK' in out, out
    return re.search(r'Total duration: (.*)', out)[1]


def openssl(g, cipher):
    out = g.shell(f'openssl speed -seconds 1 -evp {cipher} 2>/tmp/log || tail -5 /tmp/log', LIMIT)
    row = re.findall(r'^\S*%s\S* +(.*k) *$' % cipher, out, re.M | re.I)
    assert row, f'openssl speed says {out!r}'
    size = 4 << 20
    command = {'sha256': 'openssl sha256 -r'}.get(cipher, f'openssl enc -{cipher} -K {"5a" * (16 if "128" in cipher else 32)} -iv {"00" * 16}')
    if cipher != 'sha256':
        command += f' | {command} -d | sha256sum'  # there and back
    got = g.shell(f'head -c {size} /dev/zero | {command}', LIMIT)
    assert got.split(' ')[0] == hashlib.sha256(bytes(size)).hexdigest(), f'{cipher}: {got!r}'
    return f'16 KiB blocks {row[0].split()[-1]}B/s'


def stress(g):
    what = '--cpu 1 --vm 1 --vm-bytes 64M --matrix 1'
    command = f'stress-ng --verify --metrics-brief {what} -t {STRESS_SECONDS}'
    out = g.shell(f'{command} >/tmp/log 2>&1; s=$?; tail -n 30 /tmp/log; (exit $s)', LIMIT)
    assert 'successful run completed' in out and not re.search(r'fail|error', out, re.I), out
    return ', '.join(f'{name} {ops}' for name, ops in re.findall(r'\] +(cpu|vm|matrix) +(\d+) +\d+\.\d', out))


def log(g):
    got = g.shell(f"dmesg | grep -E '{TROUBLE}' | head -5", 120, good=(0, 1))
    assert not got, got


def powers_off(g):
    g.send('systemctl poweroff\n')
    g.shutdown('guest-shutdown', BOOT_LIMIT)


STEPS = {'systemd to a login on the serial port': login, 'all services run': systemd, 'apt-get update through a file repository': apt,
         'gcc': gcc}
STEPS.update({f'python3 -m test {t}': lambda g, t=t: python(g, t) for t in PYTHON})
STEPS.update({f'openssl speed {c}': lambda g, c=c: openssl(g, c) for c in OPENSSL})
STEPS.update({'stress-ng --verify': stress, 'nothing wrong in the log': log, 'systemctl poweroff': powers_off})


def timed(step, g):
    start = time.monotonic()
    note = step(g)
    took = f'{time.monotonic() - start:.0f} s'
    return f'{note}; {took}' if note else took


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = map(os.path.abspath, sys.argv[1:3])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    cpus = sys.argv[4] if len(sys.argv) > 4 else '2'
    tap = Tap(STEPS)
    why = refused(binary, accel)
    if why:
        return tap.skip_rest(why)
    try:
        kernel, initrd, disk = image(cache)
    except Missing as e:
        return tap.skip_rest(str(e))
    copy = f'{disk}.{os.getpid()}'
    try:
        subprocess.run(['cp', '--sparse=always', '--reflink=auto', disk, copy], check=True)
        args = ['-m', '1024', '-smp', cpus, '-cpu', 'max', '-no-reboot', '-drive', f'file={copy},format=raw,if=ide', '-kernel', kernel,
                '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1 rw']
        with Guest(binary, accel, args) as g:
            for step in STEPS.values():
                print(f'# [{g.seconds():.0f} s] {tap.names[tap.n]}', flush=True)
                if not tap.point(lambda step=step: timed(step, g)) and (g.lost or g.process.poll() is not None):
                    break
    except GuestError as e:
        tap.fail(e)
    finally:
        if os.path.exists(copy):
            os.unlink(copy)
    while tap.n < len(STEPS):
        tap.fail('the guest is gone')
    return tap.failed > 0


sys.exit(main())
