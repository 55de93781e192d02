#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The firmware boots from the network: the card's option ROM (iPXE), DHCP and TFTP of a user network, a boot file that reports. TAP.

usage: pxe.py BINARY [ACCELERATOR [MODEL...]]"""
import os
import subprocess
import sys
import tempfile

ROMS = {'e1000': 'efi-e1000.rom', 'virtio-net-pci': 'efi-virtio.rom'}
FOLDERS = ['/usr/lib/ipxe/qemu', '/usr/share/qemu', '/usr/share/seabios']
LIMIT = 200


def boot_file(word):
    """16-bit code: each letter to port E9h, then an exit by port F4h."""
    code = b''.join(b'\xb0' + bytes([c]) + b'\xe6\xe9' for c in word)
    return (code + b'\xb0\x10\xe6\xf4\xf4').ljust(2048, b'\0')


def run(binary, accel, model, order):
    word = f'booted by {model}'.encode()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'file'), 'wb') as f:
            f.write(boot_file(word))
        nic = f'{model},netdev=u' + (',bootindex=0' if order == 'index' else '')
        args = [binary, '-accel', accel, '-nodefaults', '-display', 'none', '-m', '64', '-chardev', 'stdio,id=d', '-device', 'isa-debugcon,chardev=d',
                '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-netdev', f'user,id=u,tftp={folder},bootfile=/file', '-device', nic]
        if order == 'boot':
            args += ['-boot', 'n']
        p = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
    return word in p.stdout and p.returncode == 0x21, f'status {p.returncode}, {p.stdout[-200:]!r}, {p.stderr[-300:]!r}'


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    accel = sys.argv[2] if len(sys.argv) > 2 else 'tcg'
    cases = [(m, o) for m in sys.argv[3:] or ROMS for o in ('boot', 'index')]
    failed = 0
    print(f'1..{len(cases)}')
    for n, (model, order) in enumerate(cases, 1):
        name = f'{n} - {model}, by {"-boot n" if order == "boot" else "bootindex"}'
        if not any(os.path.exists(os.path.join(d, ROMS[model])) for d in FOLDERS):
            print(f'ok {name} # SKIP {ROMS[model]} is not installed')
            continue
        try:
            ok, why = run(binary, accel, model, order)
        except subprocess.TimeoutExpired as e:
            ok, why = False, f'no end within {LIMIT} s: {(e.stdout or b"")[-200:]!r}'
        failed += not ok
        print(f'{"ok" if ok else "not ok"} {name}', flush=True)
        if not ok:
            print('# ' + why)
    return failed > 0


sys.exit(main())
