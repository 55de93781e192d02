#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-kernel with a bzImage, a Multiboot and a PVH image, beside Debian's QEMU: kernel.py BINARY DIRECTORY_OF_IMAGES."""
import os
import subprocess
import sys
import tempfile

DEBIAN = '/usr/bin/qemu-system-x86_64'
DISKS = [x for n in '123' for x in ('-drive', f'if=none,id=d{n},driver=null-co,size=1M', '-device', f'virtio-blk-pci,drive=d{n}')]
CASES = [
    ('bzimage', 'one=1 two', 'a', ['setup runs: one=1 two', 'protected part']),
    # The firmware keeps more than 28000h bytes at the memory's end.
    ('bzimage', 'three', 'a', ['setup runs: three', 'protected part'], *DISKS),
    ('multiboot', 'one=1 two', 'a argument,b', ["eax 2badb002", "multiboot one=1 two'", "module 'a argument' 'module a'", "module 'b' 'module b'",
                                                'RAM at 00100000']),
    ('pvh', 'one=1 two', 'a', ['eax 00000000', 'magic 336ec578', "line 'one=1 two'", "module '' 'module a'", 'RAM at 00100000']),
]


def run(binary, accel, image, append, initrd, cwd, more):
    p = subprocess.run([binary, '-accel', accel, '-display', 'none', '-nodefaults', '-no-reboot', '-m', '64', '-chardev', 'stdio,id=d',
                        '-device', 'isa-debugcon,chardev=d', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-kernel', image,
                        '-append', append, '-initrd', initrd, *more], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=120, check=False)
    return p.returncode, p.stdout.decode(errors='replace'), p.stderr.decode(errors='replace')


def main():
    binary, images = map(os.path.abspath, sys.argv[1:3])
    print(f'1..{len(CASES)}')
    failed = False
    with tempfile.TemporaryDirectory() as work:
        for name in 'ab':
            with open(os.path.join(work, name), 'w', encoding='ascii') as f:
                f.write(f'module {name}\0')
        for n, (name, append, initrd, expected, *more) in enumerate(CASES, 1):
            if not os.path.exists(os.path.join(work, name)):
                os.symlink(os.path.join(images, f'kernel-{name}'), os.path.join(work, name))
            status, out, err = run(binary, 'kvm', name, append, initrd, work, more)
            if 'KVM' in err and not out:
                print(f'ok {n} {name} # SKIP no KVM here')
                continue
            problems = [f'missing: {e}' for e in expected if e not in out]
            if status != 11:
                problems.append(f'exit status {status}')
            if os.path.exists(DEBIAN):
                _, theirs, _ = run(DEBIAN, 'tcg', name, append, initrd, work, more)
                if theirs != out:
                    problems.append(f'Debian prints: {theirs!r}')
            for p in problems + ([f'ours prints: {out!r} {err}'] if problems else []):
                print('#', p.replace('\n', ' '))
            failed |= bool(problems)
            print('not ok' if problems else 'ok', n, name)
    return failed


sys.exit(main())
