#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware, boot loaders, a memory test, an installer and a game, looked at and typed at. TAP.

usage: systems.py BINARY CACHE [ACCELERATOR [CASE...]]

Cases: the functions of this file that stand in CASES. CACHE is where Debian's packages are unpacked (debs.py)."""
import os
import re
import sys
import time

from debs import Debs, Missing
from serialguest import Guest, GuestError, Tap, serves

LIMIT = 300
MEMTEST_TESTS = range(0, 10)  # 10 is the bit fade test: five minutes of waiting
INSTALLER = 'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64'


class Bench:
    def __init__(self, binary, accel, cache):
        self.binary, self.accel, self.debs = binary, accel, Debs(cache, 'amd64')

    def guest(self, *args, serial=False):
        return Guest(self.binary, self.accel, list(args), serial=serial)

    def file(self, package, path):
        return os.path.join(self.debs.tree(package), path)


def seen(text):
    return lambda rows: any(text in r for r in rows)


def seabios(bench, cpus):
    """The firmware to the end of its own work."""
    with bench.guest('-smp', str(cpus)) as g:
        g.wait_screen("SeaBIOS's banner", LIMIT, seen('SeaBIOS (version'))
        g.wait_screen('Booting from', LIMIT, seen('Booting from'))
        return f'{g.seconds():.2f} s'


def ipxe_kernel(bench):
    """As a Linux kernel: the banner, its command line, an answer."""
    with bench.guest('-m', '64', '-kernel', bench.file('ipxe', 'boot/ipxe.lkrn')) as g:
        return ipxe(g)


def ipxe_cdrom(bench):
    """From a CD-ROM through ISOLINUX."""
    with bench.guest('-m', '64', '-cdrom', bench.file('ipxe', 'usr/lib/ipxe/ipxe.iso'), '-boot', 'd') as g:
        return ipxe(g)


def ipxe(g):
    g.wait_screen("iPXE's banner", LIMIT, seen('Open Source Network Boot Firmware'))
    note = f'{g.seconds():.2f} s'
    g.wait_screen('the offer of a command line', LIMIT, seen('Press Ctrl-B'))
    g.press('ctrl', 'b')
    g.wait_screen("iPXE's prompt", LIMIT, lambda rows: 'iPXE>' in rows)
    g.type('echo hello\n')
    g.wait_screen('the answer', LIMIT, lambda rows: 'hello' in rows)
    return note


def memtest(bench, image):
    """memtest86+ through all tests but the waiting one, without an error."""

    def progress(rows):
        number = re.search(r'Test #(\d+) +\[([^\]]*)', '\n'.join(rows))
        return number and f'test {number[1]}: {number[2]}'

    def last(rows):
        text = '\n'.join(rows)
        errors = re.search(r'Errors: +(\d+)', text)
        number = re.search(r'Test #(\d+)', text)
        if number and errors and int(number[1]) not in tests[-1:]:
            tests.append(int(number[1]))
        if errors and int(errors[1]):
            raise GuestError(f'memtest86+ finds {errors[1]} errors: {text}')
        return errors and number and int(number[1]) > MEMTEST_TESTS[-1]

    tests = []
    with bench.guest('-m', '64', '-kernel', bench.file('memtest86+', f'boot/memtest86+{image}.bin')) as g:
        g.wait_screen('the end of the tests', 4 * LIMIT, last, progress)
        # It goes through them in order; a short one may be over between two looks at the screen.
        assert tests == sorted(set(tests)) and len(tests) > len(MEMTEST_TESTS) // 2, f'only these tests were seen: {tests}'
        return f'{g.seconds():.0f} s'


def installer(bench):
    """Debian's installer on the serial port: its first screen, a key, its second."""
    kernel = bench.file('debian-installer-12-netboot-amd64', f'{INSTALLER}/linux')
    initrd = os.path.join(os.path.dirname(kernel), 'initrd.gz')
    with bench.guest('-m', '1024', '-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 TERM=vt102', serial=True) as g:
        g.expect(rb'Select a language.*<Enter> activates buttons', 2 * LIMIT)
        note = f'{g.seconds():.1f} s'
        g.send('\r')
        g.expect(rb'Select your location', LIMIT)
        return note


def invaders(bench):
    """GRUB invaders, a Multiboot kernel: the invaders move, the ship obeys the keyboard."""

    def ship(rows):
        line = next((r for r in rows if '/ \\' in r), '')
        return line.find('/ \\')

    with bench.guest('-m', '32', '-kernel', bench.file('grub-invaders', 'boot/invaders.exec')) as g:
        first = g.wait_screen('the ship', LIMIT, lambda rows: ship(rows) >= 0 and seen('-*-')(rows))
        note = f'{g.seconds():.2f} s'
        g.wait_screen('a move of the invaders', LIMIT, lambda rows: rows[:12] != first[:12])
        end, at = time.monotonic() + LIMIT, ship(first)
        while ship(g.rows()) in (at, -1) and time.monotonic() < end:
            g.press('right')
            time.sleep(0.2)
        at = ship(g.rows())
        assert at > ship(first), f'the ship stays in column {at} while the right arrow is pressed'
        return note


CASES = {
    'seabios-1': lambda b: seabios(b, 1), 'seabios-2': lambda b: seabios(b, 2), 'ipxe-kernel': ipxe_kernel, 'ipxe-cdrom': ipxe_cdrom,
    'memtest-x64': lambda b: memtest(b, 'x64'), 'memtest-ia32': lambda b: memtest(b, 'ia32'), 'installer': installer, 'invaders': invaders,
}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    cases = sys.argv[4:] or list(CASES)
    bench = Bench(os.path.abspath(sys.argv[1]), accel, os.path.abspath(sys.argv[2]))
    tap = Tap(cases)
    for c in cases:
        if not serves(bench.binary, accel):
            tap.skip(f'the binary has no -accel {accel} here')
            continue
        try:
            tap.point(lambda c=c: CASES[c](bench))
        except Missing as e:
            tap.skip(str(e))
    return tap.failed > 0


sys.exit(main())
