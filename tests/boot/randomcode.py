#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that runs random code (guests/random.c), reset several times a second: the emulator lives, answers and ends when it is told. TAP.

usage: randomcode.py BINARY IMAGE_DIR [SECONDS [ACCELERATOR...]]

SECONDS (6) for each accelerator; ten minutes under the sanitizers are the long form."""
import os
import sys
import time

from serialguest import Guest, GuestError, Tap

ACCELERATORS = ['tcg', 'tcg,interpreter=on']


def torment(binary, image, accel, seconds):
    args = ['-machine', 'pc', '-cpu', 'max', '-m', '64', '-smp', '2', '-bios', image, '-no-shutdown', '-debugcon', 'null']
    resets = 0
    with Guest(binary, accel, args, serial=False) as g:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.15)
            if g.process.poll() is not None:
                raise GuestError(g.obituary())
            g.qmp('system_reset')
            if g.qmp('query-status')['status'] != 'running':
                g.qmp('cont')
            resets += 1
        g.qmp('quit')
        if g.process.wait(20) != 0:
            raise GuestError(g.obituary())
    return f'{resets} resets'


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, image = os.path.abspath(sys.argv[1]), os.path.join(os.path.abspath(sys.argv[2]), 'random.bin')
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 6
    accels = sys.argv[4:] or ACCELERATORS
    tap = Tap(f'random code on {a}' for a in accels)
    for a in accels:
        tap.point(lambda a=a: torment(binary, image, a, seconds))
    return tap.failed > 0


sys.exit(main())
