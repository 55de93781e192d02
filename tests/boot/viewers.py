#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Viewers that do not behave while a guest runs: one stops reading and goes on later, one vanishes (its host sends nothing any more, no FIN and
no RST). The guest's count of timer interrupts goes on, memory and CPU time stay, another viewer is served. TAP.

usage: viewers.py BINARY DISK [SECONDS]

DISK is ticks.img. SECONDS (6): how long they do not read. From 60 on it is also waited until those that vanished are given up, which is said.

A host that is gone is a socket filter that drops whatever comes for the socket: nothing is acknowledged."""
import ctypes
import fcntl
import os
import socket
import struct
import sys
import termios
import time

from serialguest import Guest, GuestError, Tap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'qtest'))
import rfb  # noqa: E402  pylint: disable=wrong-import-position

LIMIT, GIVEN_UP = 120, 400
HZ = 1193182 / 65536
SO_ATTACH_FILTER = 26


def ticks(g):
    """The host's time and the guest's count, of a line that comes now."""
    with g.news:
        g.at = len(g.text)
    got = g.expect(rb'\n([0-9a-f]{4})\n', LIMIT)
    return time.monotonic(), int(got[1], 16)


class Watch:
    """From here on: the guest's pace, the emulator's memory and CPU time."""

    def __init__(self, g):
        self.g, self.memory, self.cpu, (self.at, self.count) = g, g.memory(), g.cpu_time(), ticks(g)

    def pace(self):
        """Of the timer's; a count is 16 bits."""
        now, count = ticks(self.g)
        return ((count - self.count) & 0xffff) / (now - self.at) / HZ

    def load(self):
        return (self.g.cpu_time() - self.cpu) / (time.monotonic() - self.at)

    def grown(self):
        return self.g.memory() - self.memory


class Bench:
    def __init__(self, binary, disk, seconds):
        self.binary, self.disk, self.seconds = binary, disk, seconds

    def guest(self):
        return Guest(self.binary, 'tcg', ['-nodefaults', '-m', '16', '-vga', 'std', '-vnc', '127.0.0.1:0,to=99', '-drive',
                                          f'file={self.disk},format=raw,if=ide,snapshot=on'])


def viewer(g, small=False):
    s = socket.socket()
    if small:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(LIMIT)
    s.connect(('127.0.0.1', int(g.qmp('query-vnc')['service'])))
    c = rfb.Client(s, timeout=LIMIT)
    c.encodings(rfb.RAW)
    return c


def vanish(c):
    """Once what it has sent has arrived: its kernel would send that again and again."""
    end = time.monotonic() + LIMIT
    while struct.unpack('i', fcntl.ioctl(c.sock, termios.TIOCOUTQ, bytes(4)))[0]:
        assert time.monotonic() < end, 'what a viewer sends does not arrive'
        time.sleep(0.01)
    code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))  # BPF: ret 0
    c.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HL', 1, ctypes.addressof(code)))


def greedy(c):
    """It asks for more than sockets hold."""
    for _ in range(8):
        c.request(False)


def served(c, seconds):
    """Asks for pictures all this time; the longest wait."""
    end, worst = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        start = time.monotonic()
        c.request(True)
        while not c.update():
            pass
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.3)
    return worst


def truth(g):
    """The picture of a stopped guest."""
    g.qmp('stop')
    path = os.path.join(g.folder, 'dump')
    g.qmp('screendump', filename=path)
    with open(path, 'rb') as f:
        return f.read().split(b'\n', 3)[3]


def lived(watch, before, quick, seconds):
    """How the guest fared: its pace, and a line about all."""
    worst = served(quick, seconds)
    pace, load, grown = watch.pace(), watch.load(), watch.grown()
    assert load < before[1] + 0.3, f'{load:.2f} s of CPU time a second, {before[1]:.2f} before'
    assert grown < 16 << 10, f'{grown} KiB more'
    return pace, f'timer {pace:.3f}, {load:.2f} s of CPU time a second, {grown} KiB more, another viewer waited {worst:.2f} s at most'


def no_loss(g, pace, before, quick, others):
    """The timer ticked as often as without them: before, or afterwards where the host has become busier."""
    if pace > 0.9 * before[0]:
        return
    for c in others:
        c.close()
    watch = Watch(g)
    served(quick, 5)
    after = watch.pace()
    assert pace > 0.8 * min(before[0], after), f'the timer ticked {pace:.3f} times as often as it should, {before[0]:.3f} before, {after:.3f} after'


def begin(g):
    """A viewer that behaves; the guest's pace and the CPU time with it alone."""
    ticks(g)
    quick = viewer(g)
    quick.request(False)
    while not quick.update():
        pass
    watch = Watch(g)
    served(quick, 3)
    return quick, (watch.pace(), watch.load())


def said(g):
    with open(os.path.join(g.folder, 'stderr'), encoding='utf-8') as f:
        return f.read()


def stops(b):
    """It stops reading in the middle of a picture and goes on: then it sees the last one."""
    with b.guest() as g:
        quick, before = begin(g)
        stuck = viewer(g, small=True)
        greedy(stuck)
        time.sleep(1)
        pace, note = lived(Watch(g), before, quick, b.seconds)
        picture = truth(g)
        for name, c in ('the other viewer', quick), ('the one that had stopped', stuck):
            assert c.wait(lambda c=c: c.rgb() == picture, LIMIT), f'{name} does not see the last picture'
        assert not said(g), said(g)
        g.qmp('cont')
        no_loss(g, pace, before, quick, [stuck])
        return note


def vanishes(b):
    """One in the middle of a picture, one that has asked for nothing."""
    with b.guest() as g:
        quick, before = begin(g)
        gone = [viewer(g, small=True), viewer(g)]
        ports = [str(c.sock.getsockname()[1]) for c in gone]
        greedy(gone[0])
        for c in gone:
            vanish(c)
        time.sleep(1)
        watch = Watch(g)
        pace, note = lived(watch, before, quick, b.seconds)
        viewer(g).close()
        if b.seconds >= 60:
            left, end = set(ports), time.monotonic() + GIVEN_UP
            while left and time.monotonic() < end:
                served(quick, 1)
                left = {c['service'] for c in g.qmp('query-vnc')['clients']} & set(ports)
            assert not left, f'{len(left)} of 2 are still there after {GIVEN_UP} s'
            for port in ports:
                assert f'127.0.0.1:{port}' in said(g), f'of {port} nothing is said: {said(g)}'
            note += f'; given up after {time.monotonic() - watch.at:.0f} s; {lived(watch, before, quick, 1)[1]}'
        no_loss(g, pace, before, quick, gone)
        g.qmp('quit')  # in the short case with them still there
        assert g.wait_process(LIMIT) == 0, g.obituary()
        return note


def may_filter():
    """Why a socket cannot have a filter; None: it can."""
    try:
        with socket.socket() as s:
            code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
            s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HL', 1, ctypes.addressof(code)))
        return None
    except OSError as e:
        return f'SO_ATTACH_FILTER: {e.strerror}'


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 6
    b = Bench(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), seconds)
    tap = Tap([f'a viewer stops reading for {seconds} s', f'viewers vanish, {seconds} s'])
    tap.point(lambda: stops(b))
    why = may_filter()
    if why:
        tap.skip(why)
    else:
        tap.point(lambda: vanishes(b))
    return tap.failed > 0


if __name__ == '__main__':
    sys.exit(main())
