#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-net with several pairs of queues under Debian's kernel: how many there are, that each carries packets both ways, that their
number changes while it runs (ethtool -L); the same by queues that the parent has opened (fds=). TAP.

usage: multiqueue.py BINARY CACHE [ACCELERATOR]

The back end is a tap interface with as many queues, in a network namespace of the test's own, which is its other end. A stream is
pinned to each CPU: the guest's kernel gives a CPU's packets the pair of its number, the host's sends a flow's answers to the queue that
it came from. What a pair carried the driver counts."""
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from debs import Debs, Missing
from devices import modules
from initramfs import INIT, busybox, program
from serialguest import Guest, GuestError, Tap, refused

BOOT_LIMIT, LIMIT = 300, 180
PAIRS, SIZE = 4, 1 << 20
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 2, 0x100, 0x1000, 0x4000
INTERFACE, HOST, GUEST, PORT = 'tapmq', '192.0.2.1', '192.0.2.2', 7000
NETWORK = f"""ip link set lo up
ip link set eth0 up
ip addr add {GUEST}/24 dev eth0
"""
POINTS = [f'{PAIRS} pairs of queues', 'each pair carries a stream to the host and its answer', 'half as many, then all again', 'mq=off: one pair',
          f'{PAIRS} pairs of descriptors by fds=']


def make_interface():
    """This thread and what it starts leave the host's network; there a tap interface with several queues is up."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise Missing(f'no network namespace of our own: {os.strerror(ctypes.get_errno())}')
    for words in (f'tuntap add dev {INTERFACE} mode tap multi_queue vnet_hdr', f'addr add {HOST}/24 dev {INTERFACE}', f'link set {INTERFACE} up'):
        p = subprocess.run(['ip', *words.split()], capture_output=True, text=True, timeout=LIMIT, check=False)
        if p.returncode:
            raise Missing(f'ip {words}: {p.stderr.strip()}')


def open_queues():
    """A descriptor for each queue of the interface."""
    fds = []
    for _ in range(PAIRS):
        fds.append(os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        fcntl.ioctl(fds[-1], TUNSETIFF, struct.pack('16sH22x', INTERFACE.encode(), IFF_TAP | IFF_MULTI_QUEUE | IFF_NO_PI | IFF_VNET_HDR))
    return fds


class Server:
    """Takes SIZE bytes of a stream and answers with the digest of what came, and as many bytes again."""

    def __init__(self):
        self.socket = socket.create_server((HOST, PORT), backlog=2 * PAIRS)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.answer, args=(s,), daemon=True).start()

    @staticmethod
    def answer(s):
        with s:
            left, h = SIZE, hashlib.md5()
            while left:
                got = s.recv(min(left, 65536))
                if not got:
                    return
                h.update(got)
                left -= len(got)
            s.sendall(h.hexdigest().encode() + b'\n' + bytes(SIZE))


def image(debs, folder):
    kernel, tree, tools = debs.system()
    mods = modules(tree, ['virtio_pci', 'virtio_net'])
    tool = os.path.join(debs.tree('ethtool'), 'sbin/ethtool')
    files = program(tool, [os.path.join(debs.tree('libmnl0'), 'usr/lib/x86_64-linux-gnu')])
    files += [(f'modules/{name}.ko', data) for name, data in mods.items()]
    setup = ''.join(f'insmod /modules/{name}.ko\n' for name in mods) + NETWORK
    path = os.path.join(folder, 'initrd')
    with open(path, 'wb') as f:
        f.write(busybox(tools, INIT.replace('echo "init: a shell"', setup + 'echo "init: a shell"'), files))
    return kernel, path


def start(binary, accel, kernel, initrd, mq, fds):
    """fds: the interface's queues; none: the emulator opens them."""
    tap = f'fds={":".join(map(str, fds))}' if fds else f'ifname={INTERFACE},queues={PAIRS},script=no,downscript=no'
    g = Guest(binary, accel, ['-smp', str(PAIRS), '-m', '384', '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append',
                              'console=ttyS0 quiet panic=-1 net.ifnames=0', '-netdev',
                              f'tap,id=n,{tap}', '-device', f'virtio-net-pci,netdev=n,mq={mq},vectors={2 * PAIRS + 2}'], fds=fds)
    try:
        g.expect(rb'init: a shell', BOOT_LIMIT)
        g.expect(g.prompt, LIMIT)
    except BaseException:
        g.close()
        raise
    return g


def queues(g, n):
    """The kernel has n receive and n transmit queues."""
    got = g.shell('ls /sys/class/net/eth0/queues', LIMIT).split()
    want = [f'{way}-{i}' for way in ('rx', 'tx') for i in range(n)]
    assert sorted(got) == want, f'queues {got}, not {want}'


def channels(g, maximum, now):
    """ethtool -l: pairs that there can be, and are."""
    said = g.shell('ethtool -l eth0', LIMIT)
    assert re.findall(r'Combined:\s+(\d+)', said) == [str(maximum), str(now)], said


def interrupts(g):
    """{'input.0': n, ...}: of all CPUs."""
    counts = {}
    for line in g.shell('cat /proc/interrupts', LIMIT).splitlines():
        found = re.search(r'^\s*\d+:((?:\s+\d+)+)\s.*virtio\d+-(\w+\.\d+)', line)
        if found:
            counts[found[2]] = sum(map(int, found[1].split()))
    return counts


def carried(g):
    """{('rx', 0): bytes, ...}"""
    said = g.shell('ethtool -S eth0', LIMIT)
    return {(way, int(n)): int(count) for way, n, count in re.findall(r'(rx|tx)_queue_(\d+)_bytes: (\d+)', said)}


def streams(g, pairs):
    """One of each pair, by the first of its CPUs, one after the other: that pair carries it both ways (less than half
    is another CPU's, that acknowledges and sends in its stead: next to nothing, but on a machine that others keep busy)."""
    zeros = hashlib.md5(bytes(SIZE)).hexdigest()
    for pair in range(pairs):
        cpu, before, signals = pair * PAIRS // pairs, carried(g), interrupts(g)
        out = g.shell(f'taskset {1 << cpu:x} sh -c "head -c {SIZE} /dev/zero | nc {HOST} {PORT} | head -c {SIZE + 33} >/tmp/got"; '
                      'head -c 32 /tmp/got; echo; tail -c +34 /tmp/got | md5sum', LIMIT)
        assert re.findall(r'[0-9a-f]{32}', out) == [zeros, zeros], f'CPU {cpu}: {out!r}, not {zeros} twice'
        after, name = carried(g), f'input.{pair}'
        came = {queue: after[queue] - before.get(queue, 0) for queue in after}
        for (way, n), count in came.items():
            assert count > SIZE // 2 if n == pair else count < SIZE // 2, f'a stream of CPU {cpu}: {came} bytes'
        assert interrupts(g)[name] > signals[name], f'no interrupt of {name}'


def all_pairs(g):
    queues(g, PAIRS)
    channels(g, PAIRS, PAIRS)
    names = interrupts(g)
    assert sorted(names) == sorted(f'{way}.{i}' for way in ('input', 'output') for i in range(PAIRS)), names


def fewer(g):
    for n in (PAIRS // 2, PAIRS):
        g.shell(f'ethtool -L eth0 combined {n}', LIMIT)
        queues(g, n)
        channels(g, PAIRS, n)
        streams(g, n)


def handed(g):
    all_pairs(g)
    streams(g, PAIRS)


def single(g):
    queues(g, 1)
    streams(g, 1)


def run(tap, binary, accel, debs, folder):
    kernel, initrd = image(debs, folder)
    make_interface()
    server = Server()
    try:
        for mq, points in (('on', [all_pairs, lambda g: streams(g, PAIRS), fewer]), ('off', [single]), ('on', [handed])):
            fds = open_queues() if points == [handed] else []
            try:
                g = start(binary, accel, kernel, initrd, mq, fds)
            finally:
                for fd in fds:
                    os.close(fd)
            with g:
                for point in points:
                    if not tap.point(lambda p=point: p(g)) and (g.lost or g.process.poll() is not None):
                        break
    except (GuestError, OSError) as e:
        tap.fail(e)
    finally:
        server.socket.close()
    while tap.n < len(POINTS):
        tap.fail('the guest is gone')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    tap = Tap(POINTS)
    why = refused(binary, accel)
    if not os.access('/dev/net/tun', os.R_OK | os.W_OK) or not shutil.which('ip'):
        why = 'no /dev/net/tun for us, or no ip (iproute2)'
    if why:
        return tap.skip_rest(why)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(tap, binary, accel, Debs(cache, 'amd64'), folder)
    except Missing as e:
        return tap.skip_rest(str(e))
    return tap.failed > 0


if __name__ == '__main__':
    sys.exit(main())
