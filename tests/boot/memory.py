#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the engine's memory is after a boot: memory.py BINARY CACHE. TAP on stdout.

Debian's cloud kernel to its init with 1 GiB of RAM: what `info jit` reports and what is resident beside the guest's RAM stay under bounds, some
third above what was measured when they were set; so with the smallest -accel tcg,tb-size=, where the boot goes through the whole of the buffer
more than once. CACHE is where Debian's packages are unpacked (debs.py)."""
import ctypes
import os
import re
import sys

from debs import Debs, Missing
from initramfs import busybox
from serialguest import Guest, GuestError, Tap, refused

BOOT_LIMIT, RAM_MIB = 300, 1024
PR_SET_THP_DISABLE = 41
# What is asked for, then at most: KiB that the engine reports, KiB that are resident, times; at least: blocks that made room.
CASES = [('tcg', 20 << 10, 24 << 10, 0), ('tcg,tb-size=4', 13 << 10, 17 << 10, 5000)]


def resident(pid):
    """KiB of the process less the guest's RAM, by the share of each page that is its own."""
    total, mine, others = 0, 0, 0
    with open(f'/proc/{pid}/smaps', encoding='utf-8', errors='replace') as f:
        for line in f:
            words = line.split()
            if re.match(r'[0-9a-f]+-[0-9a-f]+$', words[0]):
                first, last = (int(x, 16) for x in words[0].split('-'))
                mine = last - first == RAM_MIB << 20
                others += mine
            elif words[0] == 'Pss:' and not mine:
                total += int(words[1])
    assert others == 1, f'{others} mappings are as large as the guest\'s RAM'
    return total


def measure(tap, binary, kernel, initrd, case):
    accel, most, most_resident, room = case
    args = ['-m', str(RAM_MIB), '-nodefaults', '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1 no_timer_check']
    with Guest(binary, accel, args) as g:
        g.expect(rb'init: started', BOOT_LIMIT)
        g.qmp('stop')
        text, kib = g.qmp('human-monitor-command', **{'command-line': 'info jit'}), resident(g.process.pid)
    found = {what: int(re.search(pattern, text)[1]) for what, pattern in (
        ('all', r'KiB: code .*; all (\d+)'), ('code', r'KiB: code \d+ of (\d+),'), ('data', r', data \d+ of (\d+),'),
        ('bound', r', at most (\d+) each'), ('room', r', (\d+) to make room,'))}

    def reported():
        assert found['all'] <= most, f'{found["all"]} KiB are more than {most}:\n{text}'
        assert found['room'] >= room, f'{found["room"]} blocks made room:\n{text}'
        assert max(found['code'], found['data']) <= found['bound'], f'more than tb-size says:\n{text}'
        return f'{found["all"]} KiB'

    def in_fact():
        assert found['code'] < kib <= most_resident, f'{kib} KiB are not up to {most_resident}:\n{text}'
        return f'{kib} KiB'

    tap.point(reported)
    tap.point(in_fact)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    binary, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    # Huge pages where the host gives them to everybody would be counted in full. What is started inherits this.
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    tap = Tap(f'{case[0]}: {what}' for case in CASES for what in ('the engine\'s memory as it says', 'resident beside the guest\'s RAM'))
    why = refused(binary, 'tcg')
    if why:
        return tap.skip_rest(why)
    try:
        kernel, _, tools = Debs(cache, 'amd64').system()
    except Missing as e:
        return tap.skip_rest(str(e))
    initrd = os.path.join(cache, 'initramfs-memory')
    with open(initrd, 'wb') as f:
        f.write(busybox(tools))
    for n, case in enumerate(CASES, 1):
        try:
            measure(tap, binary, kernel, initrd, case)
        except GuestError as e:
            while tap.n < 2 * n:
                tap.fail(e)
    return tap.failed > 0


sys.exit(main())
