#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the chipset does to a CPU, from the CPU's side: A20 and SMM. chipset.py BINARY IMAGE_DIR EXPECTED_DIR. TAP on stdout.

a20 runs on each accelerator (KVM does not know the gate: it stays open), a20walk on the engine, and both on Debian's QEMU; smm where there is system management mode. Not on
Debian's: its 7.2 keeps what it knew of the page at A0000h over the entry to SMM, and shows the display's memory where SMRAM should be."""
import os
import subprocess
import sys

DEBIAN = '/usr/bin/qemu-system-x86_64'
TIMEOUT = 120
BASE = ['-nodefaults', '-no-user-config', '-display', 'none', '-m', '16', '-debugcon', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']


def run(binary, accel, args, want):
    cmd = [binary, '-accel', accel] + BASE + args
    try:
        p = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, text=True, errors='replace', check=False)
    except subprocess.TimeoutExpired as e:
        print(f'# {" ".join(cmd)}: not done in {TIMEOUT} s; so far: {e.stdout}')
        return False, None
    if p.returncode == 1 and 'failed to initialize' in p.stderr:
        return True, p.stderr.strip().splitlines()[0]
    if p.stdout == want and p.returncode == 0x21:
        return True, None
    print(f'# {" ".join(cmd)}: exit status {p.returncode}')
    for w, g in zip(want.splitlines(), p.stdout.splitlines() + ['(nothing)'] * 99):
        if w != g:
            print(f"# expected '{w}', got '{g}'")
    for line in p.stderr.splitlines()[:20]:
        print('# stderr: ' + line)
    return False, None


def main():
    ours, images, folder = sys.argv[1:4]

    def expected(name):
        with open(os.path.join(folder, name + '.expected'), encoding='ascii') as f:
            return f.read()

    disk, walk = (['-drive', f'file={images}/{name}.img,format=raw,if=ide,readonly=off'] for name in ('a20', 'a20walk'))
    firmware = ['-vga', 'std', '-bios', f'{images}/smm.bin']
    cases = [('a20, engine', ours, 'tcg', disk, 'a20'), ('a20, interpreter', ours, 'tcg,interpreter=on', disk, 'a20'),
             ('a20, kvm', ours, 'kvm,assist=off', disk, 'a20.kvm'), ("a20, Debian's", DEBIAN, 'tcg', disk, 'a20'),
             ('a20 and page tables, engine', ours, 'tcg', walk, 'a20walk'), ('a20 and page tables, interpreter', ours, 'tcg,interpreter=on', walk, 'a20walk'),
             ("a20 and page tables, Debian's", DEBIAN, 'tcg', walk, 'a20walk'),
             ('smm, engine', ours, 'tcg', firmware, 'smm'), ('smm, interpreter', ours, 'tcg,interpreter=on', firmware, 'smm')]
    print(f'1..{len(cases)}')
    for i, (name, binary, accel, args, want) in enumerate(cases, 1):
        if not os.access(binary, os.X_OK):
            print(f'ok {i} {name} # SKIP {binary} is not installed')
            continue
        if accel.startswith('kvm') and not os.access('/dev/kvm', os.R_OK | os.W_OK):
            print(f'ok {i} {name} # SKIP /dev/kvm cannot be used here')
            continue
        good, missing = run(binary, accel, args, expected(want))
        print(f"{'ok' if good else 'not ok'} {i} {name}" + (f' # SKIP {missing}' if missing else ''), flush=True)


main()
