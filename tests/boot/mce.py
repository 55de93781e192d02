#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Machine checks injected by the monitor's `mce` into a guest that prints what it met: mce.py BINARY IMAGE_DIR EXPECTED_DIR. TAP on stdout.

The same steps on the engine, the interpreter, under KVM with each irqchip mode and on Debian's QEMU, which has to give the same answers. With --show
ACCEL [BINARY] the answers are printed instead."""
import os
import sys

from serialguest import Guest, GuestError, Tap, kvm_refused, serves

DEBIAN = os.environ.get('QTEST_DEBIAN_BINARY', '/usr/bin/qemu-system-x86_64')
VAL, OVER, UC, EN, AR = 1 << 63, 1 << 62, 1 << 61, 1 << 60, 1 << 55
MCIP, RIPV = 4, 1
LIMIT = 60


def mce(bank, status, mcg=MCIP | RIPV, addr=0x1234000, misc=0x8c, cpu=0, broadcast=False):
    return f'mce {"-b " if broadcast else ""}{cpu} {bank} {status:#x} {mcg:#x} {addr:#x} {misc:#x}'


# Letters for the guest (tests/boot/guests/mce.c) and lines for the monitor, in turn.
STEPS = [
    'b', mce(3, VAL | 0x11, 0, 0x1000, 2), 'b', mce(3, VAL | 0x22, 0, 0x2000, 3), 'b', 'c',  # corrected: put down; OVER
    'm', mce(2, VAL | UC | EN | 0x33), 'b', mce(2, VAL | 0x44, 0, 0x3000, 4), 'b', 'c',  # uncorrected: #MC; a corrected one does not overwrite it
    mce(2, VAL | 0x55, 0), mce(2, VAL | UC | AR | 0x66, RIPV | MCIP | 2), 'b',  # but is overwritten
    'C', mce(2, VAL | UC | 0x77, RIPV), 'b', 'c',  # after MCIP is cleared
    'g', mce(2, VAL | UC), 'b', 'G', 'k', mce(2, VAL | UC), mce(2, VAL | 0x88), 'b', 'K', 'c',  # reporting disabled
    'h', mce(9, VAL | UC | 0x99), 'ok', 'b', 'c',  # out of a halt
    'h', mce(1, VAL | 0x9a), mce(1, VAL | UC), 'ok', 'b', 'c', 'h', mce(1, VAL | UC, 0), 'ok', 'b', 'c',
    mce(0, VAL | UC | 0xaa, cpu=2), 'b',  # no such CPU
    'p', 'm', mce(4, VAL | UC | 0xbb, cpu=1), 'b', 'c', mce(5, VAL | UC | 0xcc, broadcast=True), 'b', 'c',
    mce(5, VAL | 0xdd, 0, broadcast=True), 'b', 'c',
    'stop', mce(6, VAL | UC | 0xee), 'cont', 'b', 'c',  # while stopped
]
# Those that end in a triple fault, each in a guest of its own.
FATAL = {
    'CR4.MCE is clear': ['b', mce(0, VAL | UC)],
    'MCIP is set': ['m', 'i', mce(0, VAL | UC | AR)],
    'MCIP is set, halted': ['m', 'i', 'h', mce(0, VAL | UC)],
    'broadcast to a CPU that waits for SIPI': ['m', mce(0, VAL | UC, broadcast=True)],
    'stopped': ['stop', mce(0, VAL | UC)],
}


class MceGuest(Guest):
    """Every line of the answers is kept in said."""

    def __init__(self, binary, accel, images, flush=True):
        super().__init__(binary, accel, ['-nodefaults', '-m', '16', '-smp', '2', '-cpu', 'max', '-no-reboot', '-bios', os.path.join(images, 'mce.bin'),
                                         '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'])
        self.said, self.taken, self.flush = [], 0, flush
        self.expect(rb'ready\n', LIMIT)

    def answer(self, end=rb'ok\n'):
        got = self.expect(rb'(.*?)' + end, LIMIT)[1].decode()
        self.said += got.splitlines()

    def failures(self):
        """MEMORY_FAILURE events since the last time."""
        new = [e for e in self.events[self.taken:] if e['event'] == 'MEMORY_FAILURE']
        self.taken = len(self.events)
        for e in new:
            flags = ''.join(' ' + k for k, v in sorted(e['data']['flags'].items()) if v)
            self.said.append(f'MEMORY_FAILURE: {e["data"]["recipient"]} {e["data"]["action"]}{flags}')

    def step(self, step):
        self.said.append('> ' + step)
        if step in ('stop', 'cont'):
            self.qmp(step)
        elif step.startswith('mce'):
            self.said += self.qmp('human-monitor-command', **{'command-line': step}).replace('\r\n', '\n').splitlines()
            if self.flush:
                self.qmp('query-status')  # events that came after the reply
                self.failures()
        elif step == 'ok':
            self.answer()
        else:
            self.send(step)
            self.answer(rb'halting\n' if step == 'h' else rb'ok\n')


def steps(binary, accel, images):
    with MceGuest(binary, accel, images) as g:
        for s in STEPS:
            g.step(s)
        g.send('q')
        status = g.wait_process(LIMIT)
        if status != 0x21:
            raise GuestError(f'exit status {status}')
        return g.said


def fatal(binary, accel, images, name):
    with MceGuest(binary, accel, images, flush=False) as g:
        for s in FATAL[name]:
            g.step(s)
        g.shutdown('guest-reset', LIMIT)
        g.failures()
        return g.said


def everything(binary, accel, images):
    said = steps(binary, accel, images)
    for name in FATAL:
        said += [f'* {name}'] + fatal(binary, accel, images, name)
    return said


def main():
    binary, images, folder = sys.argv[1:4]
    if sys.argv[4:5] == ['--show']:
        print('\n'.join(everything(binary, sys.argv[5], images)))
        return
    with open(os.path.join(folder, 'mce.expected'), encoding='ascii') as f:
        want = f.read().splitlines()
    runs = [('engine', binary, 'tcg'), ('interpreter', binary, 'tcg,interpreter=on')]
    runs += [(f'kvm, irqchip {c}', binary, f'kvm,assist=off,kernel-irqchip={c}') for c in ('on', 'split', 'off')]
    runs += [('kvm as it is', binary, 'kvm'), ("Debian's", DEBIAN, 'tcg')]
    tap = Tap(r[0] for r in runs)
    for name, program, accel in runs:
        if not os.access(program, os.X_OK):
            tap.skip(f'{program} is not installed')
        elif accel.startswith('kvm') and (kvm_refused() or not serves(program, accel)):
            tap.skip(kvm_refused() or f'-accel {accel} is not possible here')
        else:
            def compare(program=program, accel=accel):
                got = everything(program, accel, images)
                for i, (w, g) in enumerate(zip(want, got + ['(nothing)'] * len(want))):
                    assert w == g, f'line {i + 1}, after {[x for x in want[:i + 1] if x.startswith(">")][-1:]}: expected {w!r}, got {g!r}'
                assert len(got) == len(want), f'{len(got)} lines, expected {len(want)}'
            tap.point(compare)
    sys.exit(bool(tap.failed))


main()
