#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices as Debian's cloud kernel meets them: the ACPI tables, the power button, PCI hot plug, suspend to RAM. TAP.

usage: devices.py BINARY CACHE [ACCELERATOR [ROUNDS]]

CACHE is where Debian's packages are unpacked (debs.py); ROUNDS is how often each device comes and goes (2)."""
import hashlib
import os
import re
import sys
import tempfile
import time

from debs import Debs, Missing
from initramfs import busybox
from serialguest import PATIENCE, Guest, GuestError, Tap, refused

LIMIT = 120
MODULES = ['virtio_pci', 'virtio_blk', 'virtio-rng', 'button', 'evdev', 'virtio_console', 'virtio_balloon', 'virtio_input', 'virtio_net']
INIT = """#!/bin/busybox sh
echo "init: started"
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=dumb PS1='guest# ' ENV=/profile
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
stty -F /dev/console cols 250
cat >>/profile <<'END'
until_so() { n=0; until eval "$1"; do n=$((n+1)); [ $n -lt 600 ] || return 9; sleep 0.1; done; }
END
for m in $(cat /modules/order); do insmod /modules/$m.ko || echo "insmod $m failed"; done
echo "init: a shell"
setsid cttyhack sh
poweroff -f
"""


def modules(tree, names):
    """(name, contents) of these and what they depend on, each after what it needs."""
    paths = {f.removesuffix('.ko').replace('-', '_'): os.path.join(folder, f) for folder, _, files in os.walk(tree) for f in files
             if f.endswith('.ko')}
    done = {}

    def add(name):
        name = name.replace('-', '_')
        if name in done:
            return
        if name not in paths:
            raise Missing(f'the kernel has no module {name}')
        with open(paths[name], 'rb') as f:
            data = f.read()
        needs = re.search(rb'\0depends=([^\0]*)\0', data)
        for n in needs[1].decode().split(',') if needs and needs[1] else []:
            add(n)
        done[name] = data
    for n in names:
        add(n)
    return done


def initrd(debs, cache):
    kernel, tree, tools = debs.system()
    mods = modules(tree, MODULES)
    files = [(f'modules/{name}.ko', data) for name, data in mods.items()]
    files.append(('modules/order', '\n'.join(mods).encode()))
    path = os.path.join(cache, f'initramfs-devices-{os.getpid()}')
    with open(path, 'wb') as f:
        f.write(busybox(tools, INIT, files))
    return kernel, path


def boots(g):
    g.expect(rb'init: a shell', 300)
    g.expect(g.prompt, LIMIT)
    return f'exec to the shell {g.seconds():.2f} s'


def tables(g):
    trouble = g.shell("dmesg | grep -E 'ACPI.*(Error|Exception|Warning|BUG)|BIOS Error|BIOS bug'", LIMIT, good=(0, 1))
    assert not trouble, trouble
    said = g.shell('dmesg | grep -E "ACPI|PCI: Using"', LIMIT)
    for line in ('Using IOAPIC for interrupt routing', 'PCI: Using ACPI for IRQ routing', 'supports S0 S3 S4 S5', 'PM-Timer IO Port: 0x608',
                 'Using ACPI (MADT) for SMP', 'HPET id: 0x8086a201'):
        assert line in said, f'{line!r} is not in {said}'
    possible = g.shell('cat /sys/devices/system/cpu/possible /sys/devices/system/cpu/online', LIMIT)
    assert possible.split() == ['0-3', '0-1'], possible
    slots = g.shell('ls /sys/bus/pci/slots | wc -l', LIMIT)
    assert int(slots) >= 28, f'{slots} hot plug slots'
    found = g.shell('ls /sys/bus/acpi/devices', LIMIT).split()
    for name in ('PNP0103:00', 'PNP0303:00', 'PNP0501:00', 'PNP0B00:00', 'PNP0C0F:04', 'QEMU0002:00', 'LNXCPU:03'):
        assert name in found, f'{name} is not in {found}'


def pin_interrupts(g):
    """The virtio-rng without MSI-X has a pin; the tables say where it leads."""
    g.shell('head -c 64 /dev/hwrng | wc -c', LIMIT)
    lines = g.shell('grep virtio /proc/interrupts', LIMIT).splitlines()
    pins = [x.split() for x in lines if 'fasteoi' in x]
    assert pins and sum(map(int, pins[0][1:3])) > 0, lines


def power_button(g):
    handler = g.shell("grep -A4 LNXPWRBN /proc/bus/input/devices | grep Handlers | grep -o 'event[0-9]*'", LIMIT)
    g.shell(f'dd if=/dev/input/{handler} of=/tmp/press bs=24 count=1 2>/dev/null & P=$!; '
            f'until_so "ls -l /proc/$P/fd | grep -q {handler}"', LIMIT)
    g.qmp('system_powerdown')
    got = g.shell('wait $P; hexdump -v -e \'12/2 "%d "\' /tmp/press', LIMIT)
    assert ' 1 116 1 0' in got, got  # EV_KEY, KEY_POWER, down


def wait_event(g, name, limit, seen):
    end = time.monotonic() + limit * PATIENCE
    while True:
        for i, e in enumerate(g.events):
            if e.get('event') == name and seen(e.get('data')):
                del g.events[i]
                return e
        try:
            g.events.append(g.message(max(0.1, end - time.monotonic())))
        except OSError:
            raise GuestError(f'no {name} within {limit} s; {g.tail()}') from None


HOT = ('disk', 'card', 'rng')


def comes(g, path, folder):
    g.qmp('blockdev-add', driver='raw', file={'driver': 'file', 'filename': path}, **{'node-name': 'hot'})
    g.qmp('netdev_add', type='user', id='net', tftp=folder)
    g.qmp('device_add', driver='virtio-blk-pci', id='disk', drive='hot')
    g.qmp('device_add', driver='virtio-net-pci', id='card', netdev='net')
    g.qmp('device_add', driver='virtio-rng-pci', id='rng')
    g.shell("until_so '[ -b /dev/vda -a -e /sys/class/net/eth0 ]'", LIMIT)
    g.shell("until_so 'grep -q virtio_rng.1 /sys/class/misc/hw_random/rng_available'", LIMIT)


def works(g, data):
    got = g.shell('md5sum </dev/vda', LIMIT)
    assert got.startswith(hashlib.md5(data).hexdigest()), f'the disk reads as {got}'
    g.shell('dd if=/dev/vda of=/dev/vda bs=64k count=4 seek=8 conv=notrunc,fsync 2>/dev/null', LIMIT)
    g.shell('ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; cd /tmp; tftp -g -r file -l got 10.0.2.2', LIMIT)
    got = g.shell('md5sum /tmp/got', LIMIT)
    assert got.startswith(hashlib.md5(data).hexdigest()), f'the file by TFTP is {got}'
    got = g.shell('echo virtio_rng.1 >/sys/class/misc/hw_random/rng_current; head -c 64 /dev/hwrng | wc -c', LIMIT)
    assert got == '64', f'{got} random bytes'


def goes(g):
    for dev in HOT:
        g.qmp('device_del', id=dev)
    for dev in HOT:
        wait_event(g, 'DEVICE_DELETED', 60, lambda d, dev=dev: d.get('device') == dev)
    g.qmp('blockdev-del', **{'node-name': 'hot'})
    g.qmp('netdev_del', id='net')
    g.shell("until_so '[ ! -b /dev/vda -a ! -e /sys/class/net/eth0 ]'", LIMIT)


def hot_plug(g, rounds):
    """Each device comes, works and goes, over and over; the log must stay clean."""
    start = time.monotonic()
    g.shell('dmesg -n 1', LIMIT)  # not among answers
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'disk')
        for n in range(rounds):
            data = os.urandom(1 << 20)
            for name in ('file', 'disk'):
                with open(os.path.join(folder, name), 'wb') as f:
                    f.write(data)
            try:
                comes(g, path, folder)
                works(g, data)
                goes(g)
                with open(path, 'rb') as f:
                    assert f.read() == data[:8 << 16] + data[:4 << 16] + data[12 << 16:], 'the image is not what the guest wrote'
            except (GuestError, AssertionError) as e:
                raise GuestError(f'round {n}: {e}') from None
    log = g.shell(f"dmesg -n 8; dmesg | grep -E '{TROUBLE}' | head -5", LIMIT, good=(0, 1))
    assert not log, log
    return f'{rounds} rounds, {(time.monotonic() - start) / rounds:.2f} s each'


def sleeps(g):
    """Suspend to RAM: nothing runs until it is woken, then all is as it was."""
    g.shell('md5sum /bin/busybox >/tmp/sum; cat /sys/power/state | grep -q mem', LIMIT)
    g.send("echo mem >/sys/power/state; echo sl''ept $?\n")
    wait_event(g, 'SUSPEND', LIMIT, lambda d: True)
    assert g.qmp('query-status')['status'] == 'suspended'
    used = g.cpu_time()
    time.sleep(0.2)
    used = g.cpu_time() - used
    assert used < 0.1, f'{used} s of CPU while it sleeps'
    g.qmp('system_wakeup')
    wait_event(g, 'WAKEUP', LIMIT, lambda d: True)
    g.expect(rb'slept 0', LIMIT)
    g.expect(g.prompt, LIMIT)
    assert g.qmp('query-status')['status'] == 'running'
    got = g.shell('cat /sys/devices/system/cpu/online; md5sum /bin/busybox | cmp - /tmp/sum && head -c 64 /dev/hwrng | wc -c', LIMIT)
    assert got.split() == ['0-1', '64'], got


def powers_off(g):
    g.send('poweroff -f\n')
    g.shutdown('guest-shutdown', LIMIT)
    assert b'sleep state S5' in g.text, g.tail()


TROUBLE = 'BUG|WARNING: CPU|Oops|stall|lockup|ACPI Error|hung task|I/O error'
POINTS = [('boots', boots), ('reads the ACPI tables without complaint', tables), ('PCI pins go where the tables say', pin_interrupts),
          ('power button', power_button), ('hot plug of virtio-blk, virtio-net and virtio-rng', None), ('suspends to RAM and wakes', sleeps),
          ('powers off through S5', powers_off)]


def run(tap, binary, accel, cache, rounds):
    debs = Debs(cache, 'amd64')
    try:
        kernel, ramdisk = initrd(debs, cache)
    except Missing as e:
        tap.skip_rest(str(e))
        return
    args = ['-m', '512', '-smp', '2,maxcpus=4', '-no-reboot', '-kernel', kernel, '-initrd', ramdisk, '-append', 'console=ttyS0 panic=-1',
            '-device', 'virtio-rng-pci,vectors=0']
    try:
        with Guest(binary, accel, args) as g:
            for _, step in POINTS:
                work = step if step else lambda g: hot_plug(g, rounds)
                if not tap.point(lambda work=work: work(g)) and (g.lost or g.process.poll() is not None):
                    break
    except GuestError as e:
        tap.fail(e)
    finally:
        os.unlink(ramdisk)
    while tap.n < len(tap.names):
        tap.fail('the guest is gone')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    tap = Tap(name for name, _ in POINTS)
    why = refused(binary, accel)
    if why:
        return tap.skip_rest(why)
    run(tap, binary, accel, cache, rounds)
    return tap.failed > 0


if __name__ == '__main__':
    sys.exit(main())
