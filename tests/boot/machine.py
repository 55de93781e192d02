#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole computer: Debian with GRUB, systemd and ssh on a qcow2 disk, with a network card and a CD-ROM. TAP.

usage: machine.py BINARY CACHE [CASE...]

The disk is made once for a CACHE (a few minutes). A case is ACCELERATOR-DISK-CARD-IMAGE: who made the qcow2 image of the disk, our
qemu-img or Debian's. In the five cases each value of one of the four meets each value of any other. In each: to a login, by ssh through a
forwarded port, a package from the CD-ROM, 200 MB both ways, a disk, a card and a rng plugged in, used and unplugged, powered off from
inside and once more by the power button; then Debian's qemu-img check and e2fsck find nothing."""
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from debs import Debs, Missing
from devices import wait_event
from image import index
from machineimage import machine_image, run
from serialguest import Guest, GuestError, Tap, refused

MEGABYTES = 200
BOOT_LIMIT, LIMIT = 900, 600
HOT_ROUNDS = 3
CASES = ['tcg-virtio-virtio-debian', 'tcg-virtio-e1000-ours', 'tcg-ide-virtio-ours', 'kvm-virtio-virtio-ours', 'kvm-ide-e1000-debian']
CARDS = {'virtio': 'virtio-net-pci', 'e1000': 'e1000'}


class Bench:
    def __init__(self, binary, cache, folder):
        for tool in ('xorriso', 'ssh', 'scp', 'ssh-keygen', 'e2fsck', '/usr/bin/qemu-img'):
            if not shutil.which(tool):
                raise Missing(f'{tool} is not installed (scripts/install-packages check-long)')
        self.binary, self.folder, self.debs = binary, folder, Debs(cache, 'amd64')
        self.disk, key = machine_image(self.debs)
        self.key = os.path.join(folder, 'key')
        shutil.copy(key, self.key)
        os.chmod(self.key, 0o600)
        self.seed, repository = os.path.join(folder, 'seed.iso'), os.path.join(folder, 'repository')
        os.mkdir(repository)
        self.debs.download('hello', repository)
        index(repository)
        run(['xorriso', '-as', 'mkisofs', '-quiet', '-R', '-J', '-V', 'seed', '-o', self.seed, repository])
        self.payload = os.path.join(folder, 'payload')
        with open(self.payload, 'wb') as f:
            for _ in range(MEGABYTES):
                f.write(os.urandom(1000000))

    def tool(self, who):
        return '/usr/bin/qemu-img' if who == 'debian' else os.path.join(os.path.dirname(self.binary), 'qemu-img')


class Machine:
    def __init__(self, bench, accel, disk, card, image):
        self.bench, self.accel = bench, accel
        self.image = os.path.join(bench.folder, f'{accel}-{disk}.qcow2')
        run([bench.tool(image), 'convert', '-f', 'raw', '-O', 'qcow2', bench.disk, self.image])
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        self.args = ['-smp', '2', '-m', '1G', '-cpu', 'max', '-drive', f'file={self.image},if={disk}', '-cdrom', bench.seed,
                     '-nic', f'user,model={CARDS[card]},hostfwd=tcp:127.0.0.1:{self.port}-:22',
                     '-vnc', '127.0.0.1:0,to=99']
        self.ssh_options = ['-q', '-i', bench.key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
                            '-o', 'BatchMode=yes', '-o', f'ConnectTimeout={LIMIT}']

    def guest(self):
        return Guest(self.bench.binary, self.accel, self.args)

    def ssh(self, command):
        return run(['ssh', *self.ssh_options, '-p', str(self.port), 'root@127.0.0.1', command])

    def scp(self, source, target):
        run(['scp', *self.ssh_options, '-P', str(self.port), source, target])


def boot(m, g):
    g.expect(rb'guest login: ', BOOT_LIMIT)
    return f'{g.seconds():.1f} s'


def up(m):
    """All services run, as the guest tells by ssh; before that nobody listens there."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            return m.ssh('uname -r; nproc; systemctl is-system-running --wait; systemctl is-active systemd-logind').split()
        except GuestError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def ssh(m, g):
    said = up(m)
    assert said[1:] == ['2', 'running', 'active'], said
    return said[0]


def package(m, g):
    m.ssh('mount -o ro /dev/sr0 /mnt && apt-get -q update && apt-get -qy install hello && umount /mnt')
    said = m.ssh('hello').strip()
    assert said == 'Hello, world!', said


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest() if hasattr(hashlib, 'file_digest') else hashlib.sha256(f.read()).hexdigest()


def copies(m, g):
    start = time.monotonic()
    m.scp(m.bench.payload, 'root@127.0.0.1:/root/payload')
    there = time.monotonic()
    m.ssh('sync; echo 3 > /proc/sys/vm/drop_caches')
    got = m.ssh('sha256sum /root/payload').split()[0]
    assert got == digest(m.bench.payload), 'the copy in the guest differs'
    back, returned = time.monotonic(), m.bench.payload + '.back'
    m.scp('root@127.0.0.1:/root/payload', returned)
    took = time.monotonic() - back
    assert digest(returned) == got, 'the copy that came back differs'
    return f'there {MEGABYTES / (there - start):.0f} MB/s, back {MEGABYTES / took:.0f} MB/s'


UNTIL = 'n=0; until {0}; do n=$((n+1)); [ $n -lt 1200 ] || exit 9; sleep 0.1; done; '


def hot_plug(m, g):
    """A disk gets a file system, a card an address, and the kernel takes random numbers of a rng; then they go."""
    path, disk = os.path.join(m.bench.folder, 'hot'), '/dev/disk/by-id/virtio-HOT'
    with open(path, 'wb') as f:
        f.truncate(64 << 20)
    for n in range(HOT_ROUNDS):
        g.qmp('blockdev-add', driver='raw', file={'driver': 'file', 'filename': path}, **{'node-name': 'hot'})
        g.qmp('netdev_add', type='user', id='hotnet', net=f'10.9.{n}.0/24')
        g.qmp('device_add', driver='virtio-blk-pci', id='hot-disk', drive='hot', serial='HOT')
        g.qmp('device_add', driver='virtio-net-pci', id='hot-card', netdev='hotnet', mac=f'52:54:00:99:00:{n:02x}')
        g.qmp('device_add', driver='virtio-rng-pci', id='hot-rng')
        m.ssh(UNTIL.format(f'[ -b {disk} ]') + f'mkfs.ext4 -q {disk} && mount {disk} /mnt && cp /bin/bash /mnt && umount /mnt && '
              f'mount -o ro {disk} /mnt && cmp /bin/bash /mnt/bash && umount /mnt')
        m.ssh(UNTIL.format(f"ip -4 -o addr | grep -q '10.9.{n}.15/24'"))
        m.ssh(UNTIL.format('grep -q virtio_rng /sys/class/misc/hw_random/rng_current') + 'head -c 64 /dev/hwrng | wc -c')
        for dev in ('hot-disk', 'hot-card', 'hot-rng'):
            g.qmp('device_del', id=dev)
        for dev in ('hot-disk', 'hot-card', 'hot-rng'):
            wait_event(g, 'DEVICE_DELETED', LIMIT, lambda d, dev=dev: d.get('device') == dev)
        g.qmp('blockdev-del', **{'node-name': 'hot'})
        g.qmp('netdev_del', id='hotnet')
        m.ssh(UNTIL.format(f"[ ! -e {disk} ] && ! ip -4 -o addr | grep -q '10.9.{n}.'"))
        said = run(['e2fsck', '-f', '-n', path])
        assert 'clean' in said or 'Pass 5' in said, said
    log = m.ssh("dmesg | grep -E 'BUG|WARNING: CPU|Oops|ACPI Error|hung task|I/O error' || true").strip()
    assert not log, log
    return f'{HOT_ROUNDS} times'


def off(m, g):
    try:
        m.ssh('systemctl poweroff')
    except GuestError:
        pass  # the connection goes with the machine
    g.shutdown('guest-shutdown', BOOT_LIMIT)


def button(m, g):
    with m.guest() as again:
        again.expect(rb'guest login: ', BOOT_LIMIT)
        up(m)  # who listens to the button
        again.qmp('system_powerdown')
        again.shutdown('guest-shutdown', BOOT_LIMIT)


def consistent(m, g):
    said = run(['/usr/bin/qemu-img', 'check', m.image])
    assert 'No errors were found' in said, said
    raw = m.image + '.raw'
    run(['/usr/bin/qemu-img', 'convert', '-O', 'raw', m.image, raw])
    run(['dd', f'if={raw}', f'of={raw}.part', 'bs=1M', 'skip=1', 'conv=sparse', 'status=none'])
    os.unlink(raw)
    said = run(['e2fsck', '-f', '-n', raw + '.part'])
    os.unlink(raw + '.part')
    return re.sub(r'\s+', ' ', said.strip().splitlines()[-1])


STEPS = {'from GRUB to a login': boot, 'ssh through a forwarded port, all services run': ssh, 'a package from the CD-ROM': package,
         f'{MEGABYTES} MB both ways': copies, 'hot plug of disk, card and rng': hot_plug, 'systemctl poweroff': off, 'the power button': button, 'qemu-img check, e2fsck': consistent}


def case(tap, bench, name):
    end = tap.n + len(STEPS)
    try:
        m = Machine(bench, *name.split('-'))
        with m.guest() as g:
            for step in STEPS.values():
                start = time.monotonic()

                def timed(step=step, start=start):
                    note = step(m, g)
                    return f'{note}; {time.monotonic() - start:.0f} s' if note else f'{time.monotonic() - start:.0f} s'
                if not tap.point(timed) and (g.lost or step in (boot, ssh, off)):
                    break
        os.unlink(m.image)
    except GuestError as e:
        tap.fail(e)
    while tap.n < end:
        tap.fail('the guest is gone')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = map(os.path.abspath, sys.argv[1:3])
    names = sys.argv[3:] or CASES
    tap = Tap(f'{name}: {step}' for name in names for step in STEPS)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(binary)) as folder:
        try:
            bench = Bench(binary, cache, folder)
        except Missing as e:
            return tap.skip_rest(str(e))
        for name in names:
            accel = name.split('-')[0]
            why = refused(binary, accel)
            if why:
                for _ in STEPS:
                    tap.skip(why)
                continue
            case(tap, bench, name)
    return tap.failed > 0


if __name__ == '__main__':
    sys.exit(main())
