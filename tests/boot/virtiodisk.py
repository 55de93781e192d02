#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtio disks: SeaBIOS boots a sector and GRUB from one, Debian's cloud kernel reads and writes one with one and four queues, and
with its queues in the main loop; what snapshot=on has kept goes into the image while the guest writes. TAP.

usage: virtiodisk.py BINARY CACHE [ACCELERATOR [N]]

CACHE is where Debian's packages are unpacked (debs.py); N: only the first cases of Debian's kernel."""
import hashlib
import os
import random
import sys
import tempfile
import time

from debs import Debs, Missing
from devices import initrd
from serialguest import Guest, Tap, refused

LIMIT = 120
GRUB = '/usr/lib/grub-rescue/grub-rescue-usb.img'
SECTOR, TEXT_AT = 512, 2000
TEXT = b'a virtio disk was read by INT 13h: ' + b' '.join(b'%d' % n for n in range(150)) + b'\n'
# Read two sectors at TEXT_AT by the extended call, send them to COM1 up to a NUL, halt.
CODE = bytes.fromhex('31c0 8ed8 8ec0 8ed0 bc007c be607c b442 cd13 721a be0080 ac 84c0 7412 88c4 bafd03 ec a820 74fb 88e0 baf803 ee'
                     ' ebe9 f4 ebfd')
PACKET = b'\x10\0\x02\0\0\x80\0\0' + TEXT_AT.to_bytes(8, 'little')


def boot_sector(path):
    sector = CODE.ljust(0x60, b'\0') + PACKET
    with open(path, 'wb') as f:
        f.write(sector.ljust(510, b'\0') + b'\x55\xaa')
        f.truncate(4 << 20)
        f.seek(TEXT_AT * SECTOR)
        f.write(TEXT)


def boots_sector(binary, accel, folder):
    path = os.path.join(folder, 'sector')
    boot_sector(path)
    with Guest(binary, accel, ['-drive', f'if=virtio,format=raw,file={path}']) as g:
        got = g.expect(rb'(a virtio disk[^\n]*\n)', LIMIT)[1]
        assert got == TEXT, got
        return f'{g.seconds():.2f} s'


def boots_grub(binary, accel):
    with Guest(binary, accel, ['-drive', f'if=virtio,format=raw,readonly=on,file={GRUB}']) as g:
        g.wait_screen("GRUB", 2 * LIMIT, lambda rows: any('GNU GRUB' in r for r in rows))
        return f'{g.seconds():.2f} s'


def linux(binary, accel, kernel, ramdisk, folder, queues, more):
    path = os.path.join(folder, 'disk')
    data = random.Random(queues).randbytes(8 << 20)
    with open(path, 'wb') as f:
        f.write(data)
    args = ['-m', '512', '-smp', '4', '-no-reboot', '-kernel', kernel, '-initrd', ramdisk, '-append', 'console=ttyS0 quiet panic=-1',
            '-drive', f'if=none,id=d,format=raw,file={path}', '-device', f'virtio-blk-pci,drive=d,serial=ABC,num-queues={queues}{more}']
    with Guest(binary, accel, args) as g:
        g.expect(rb"init: a shell", 300)
        g.expect(g.prompt, LIMIT)
        assert g.shell('cat /sys/block/vda/size /sys/block/vda/serial', LIMIT).split() == [str(len(data) // SECTOR), 'ABC']
        assert g.shell('ls /sys/block/vda/mq | wc -l', LIMIT) == str(queues)
        got = g.shell('for c in 0 1 2 3; do taskset -c $c md5sum /dev/vda & done; wait', LIMIT)
        assert got.count(hashlib.md5(data).hexdigest()) == 4, got
        used = g.shell("grep -E 'virtio0-req|fasteoi +virtio0' /proc/interrupts", LIMIT).splitlines()
        assert len(used) == queues and sum(sum(map(int, x.split()[1:5])) for x in used) > 0, used
        g.shell('for c in 0 1 2 3; do taskset -c $c dd if=/dev/vda of=/tmp/$c bs=64k count=16 skip=$c 2>/dev/null && '
                'taskset -c $c dd if=/tmp/$c of=/dev/vda bs=64k seek=$((64 + 16 * c)) count=16 2>/dev/null & done; wait; sync', LIMIT)
        log = g.shell("dmesg | grep -E 'BUG|Oops|I/O error|vda.*error|stall' | head -3", LIMIT)
        assert not log, log
        g.send('poweroff -f\n')
        g.shutdown('guest-shutdown', LIMIT)
        note = f'{g.seconds():.2f} s'
    want = bytearray(data)
    for c in range(4):
        want[(64 + 16 * c) << 16:(80 + 16 * c) << 16] = data[c << 16:(c + 16) << 16]
    with open(path, 'rb') as f:
        assert f.read() == want, 'the image is not what the guest wrote'
    return note


def commits(binary, accel, kernel, ramdisk, folder):
    """A drive of snapshot=on, whose overlay is written into its image while the guest writes."""
    path, half = os.path.join(folder, 'disk'), 4 << 20
    data = random.Random(7).randbytes(2 * half)
    with open(path, 'wb') as f:
        f.write(data)
    args = ['-m', '512', '-smp', '2', '-no-reboot', '-kernel', kernel, '-initrd', ramdisk, '-append', 'console=ttyS0 quiet panic=-1',
            '-drive', f'if=virtio,id=d,format=raw,snapshot=on,file={path}']
    want = data[half:] + data[:half]
    with Guest(binary, accel, args) as g:
        g.expect(rb"init: a shell", 300)
        g.expect(g.prompt, LIMIT)
        g.shell('dd if=/dev/vda of=/tmp/all bs=1M 2>/dev/null', LIMIT)
        g.shell('(n=0; while [ ! -e /tmp/stop ] || [ $n -lt 2 ]; do n=$((n + 1)); dd if=/tmp/all of=/dev/vda bs=64k skip=64 count=64; '
                'dd if=/tmp/all of=/dev/vda bs=64k seek=64 count=64; sync; done; echo $n > /tmp/rounds) > /dev/null 2>&1 & true', LIMIT)
        for _ in range(5):
            said = g.qmp('human-monitor-command', **{'command-line': 'commit all'})
            assert not said, said
            time.sleep(0.2)
        rounds = g.shell('touch /tmp/stop; wait; cat /tmp/rounds', LIMIT)
        read = g.shell('echo 3 > /proc/sys/vm/drop_caches; md5sum < /dev/vda', LIMIT)
        assert hashlib.md5(want).hexdigest() in read, read
        log = g.shell("dmesg | grep -E 'BUG|Oops|I/O error|vda.*error|stall' | head -3", LIMIT)
        assert not log, log
        said = g.qmp('human-monitor-command', **{'command-line': 'commit d'})
        assert not said, said
        with open(path, 'rb') as f:
            assert f.read() == want, 'the image is not what the guest wrote'
    return f'{rounds} rounds meanwhile'


CASES = [('1 queue', 1, ''), ('4 queues', 4, ''), ('4 queues, doorbells by exits', 4, ',ioeventfd=off'),
         ('2 queues, transitional', 2, ',disable-modern=on'), ('pin interrupts', 1, ',vectors=0')]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    cases = CASES[:int(sys.argv[4])] if len(sys.argv) > 4 else CASES
    tap = Tap(['SeaBIOS boots a sector', 'SeaBIOS boots GRUB'] + [f'Debian: {name}' for name, _, _ in cases] + ['commit while the guest writes'])
    why = refused(binary, accel)
    if why:
        return tap.skip_rest(why)
    with tempfile.TemporaryDirectory() as folder:
        tap.point(lambda: boots_sector(binary, accel, folder))
        if os.path.exists(GRUB):
            tap.point(lambda: boots_grub(binary, accel))
        else:
            tap.skip(f'{GRUB} is not there (grub-rescue-pc)')
        try:
            kernel, ramdisk = initrd(Debs(cache, 'amd64'), cache)
        except Missing as e:
            return tap.skip_rest(str(e))
        for _, queues, more in cases:
            tap.point(lambda queues=queues, more=more: linux(binary, accel, kernel, ramdisk, folder, queues, more))
        tap.point(lambda: commits(binary, accel, kernel, ramdisk, folder))
        os.unlink(ramdisk)
    return tap.failed > 0


sys.exit(main())
