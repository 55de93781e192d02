#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-kernel with a bzImage, a Multiboot and a PVH image, beside Debian's QEMU: kernel.py BINARY DIRECTORY_OF_IMAGES."""
import os
import re
import subprocess
import sys
import tempfile

DEBIAN = '/usr/bin/qemu-system-x86_64'
CASES = [
    ('bzimage', 'one=1 two', 'a', ['setup runs: one=1 two', 'protected part']),
    ('multiboot', 'one=1 two', 'a argument,b', ["eax 2badb002", "multiboot one=1 two'", "module 'a argument' 'module a'", "module 'b' 'module b'",
                                                'RAM at 00100000']),
    ('pvh', 'one=1 two', 'a', ['eax 00000000', 'magic 336ec578', "line 'one=1 two'", "module '' 'module a'", 'RAM at 00100000']),
]


def run(binary, accel, image, append, initrd, cwd):
    p = subprocess.run([binary, '-accel', accel, '-display', 'none', '-nodefaults', '-no-reboot', '-m', '64', '-chardev', 'stdio,id=d',
                        '-device', 'isa-debugcon,chardev=d', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-kernel', image,
                        '-append', append, '-initrd', initrd], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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
        for n, (name, append, initrd, expected) in enumerate(CASES, 1):
            os.symlink(os.path.join(images, f'kernel-{name}'), os.path.join(work, name))
            status, out, err = run(binary, 'kvm', name, append, initrd, work)
            if 'KVM' in err and not out:
                print(f'ok {n} {name} # SKIP no KVM here')
                continue
            problems = [f'missing: {e}' for e in expected if e not in out]
            if status != 11:
                problems.append(f'exit status {status}')
            if os.path.exists(DEBIAN):
                _, theirs, _ = run(DEBIAN, 'tcg', name, append, initrd, work)
                if name == 'bzimage':
                    # Where its initrd lies: both hand out in fw_cfg the room that 28000h of tables leave. Debian's boot ROM asks the
                    # firmware besides how much it took indeed, which is less here.
                    at, other = (re.search(r'^([0-9a-f]{8}) 00000009', x, re.M) for x in (out, theirs))
                    if at and other and 0 <= int(other[1], 16) - int(at[1], 16) <= 0x8000:
                        theirs = theirs.replace(other[1], at[1])
                if theirs != out:
                    problems.append(f'Debian prints: {theirs!r}')
            for p in problems + ([f'ours prints: {out!r} {err}'] if problems else []):
                print('#', p.replace('\n', ' '))
            failed |= bool(problems)
            print('not ok' if problems else 'ok', n, name)
    return failed


sys.exit(main())
