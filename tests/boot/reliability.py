#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest was told is written is there, whatever happens: the emulator is killed, the host's disk is full or fails; and a guest
lives when its tap interface goes. TAP.

usage: reliability.py BINARY IMAGES QEMU-IMG [KILLS]

IMAGES has the guest disk.bin, which writes numbered blocks and says which it has flushed. KILLS (5): how often the emulator is killed."""
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from serialguest import GuestError, Guest, Tap

LIMIT = 200
BLOCK, STEP, MARK = 4096, 7919, 2654435761
SMALL, FAILING = 1 << 20, 128 << 10  # sizes of images
DEBIANS = '/usr/bin/qemu-img'


def img(tool, *args, good=(0,)):
    p = subprocess.run([tool, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert p.returncode in good, f'{os.path.basename(tool)} {" ".join(args)}: {p.returncode} {p.stdout[-300:]} {p.stderr[-300:]}'


class Bench:
    """What every case needs: the tools and a folder of its own."""

    def __init__(self, binary, images, tool, folder):
        self.binary, self.bios, self.tool, self.folder = binary, os.path.join(images, 'disk.bin'), tool, folder

    def guest(self, *args):
        """Runs once QMP is there: no event is missed."""
        g = Guest(self.binary, 'tcg', ['-S', '-nodefaults', '-m', '16', '-no-reboot', '-bios', self.bios, *args])
        g.qmp('cont')
        event(g, 'RESUME')
        return g

    def path(self, name):
        return os.path.join(self.folder, name)

    def image(self, name, fmt, size):
        path = self.path(name)
        if os.path.exists(path):
            os.unlink(path)
        img(self.tool, 'create', '-f', fmt, path, str(size))
        return path

    def sound(self, path):
        """Opens, and no errors but leaks, by Debian's qemu-img where it is there."""
        img(DEBIANS if os.access(DEBIANS, os.X_OK) else self.tool, 'check', '-f', 'qcow2', path, good=(0, 3))

    def written(self, path, fmt, done, but=()):
        """Blocks 0 to done - 1, but some, are in the image."""
        raw = path
        if fmt != 'raw':
            raw = self.path('out.raw')
            img(self.tool, 'convert', '-f', fmt, '-O', 'raw', path, raw)
        blocks = os.path.getsize(raw) // BLOCK
        with open(raw, 'rb') as f:
            for n in range(done):
                f.seek(n * STEP % blocks * BLOCK)
                first = n * MARK & 0xffffffff
                want = struct.pack(f'<{BLOCK // 4}I', *((first + i) & 0xffffffff for i in range(BLOCK // 4)))
                assert n in but or f.read(BLOCK) == want, f'block {n} of {done}, at {n * STEP % blocks}, is not what was flushed'


def flushed(g):
    found = re.findall(rb'\nf (\d+)\n', b'\n' + g.text.replace(b'\n', b'\n\n'))
    return int(found[-1]) if found else 0


def complaints(g):
    return re.findall(rb'(?:we|re|fe|bad) \d+', g.text)


def no_complaints(g):
    assert not complaints(g), f'the guest saw {complaints(g)[:5]}'


def event(g, name, limit=LIMIT):
    """The next event of this name; it is taken."""
    end = time.monotonic() + limit
    while True:
        for e in g.events:
            if e['event'] == name:
                g.events.remove(e)
                return e.get('data', {})
        if time.monotonic() > end:
            raise GuestError(f'no {name}; {g.tail()}')
        try:
            g.events.append(g.message(max(0.1, end - time.monotonic())))
        except OSError:
            raise GuestError(f'no {name}; {g.tail()}') from None


def end(g):
    g.expect(rb'end 0\n', LIMIT)


def killed(b, rand, again):
    """After so many flushes, no time involved, so that a slow host kills as early as a fast one."""
    path = b.image('kill.qcow2', 'qcow2', 32 << 20)
    done = []
    for _ in range(again):
        with b.guest('-drive', f'if=ide,format=qcow2,file={path}') as g:
            g.expect(b'f %d\n' % (8 * rand.randrange(1, 25)), LIMIT)
            time.sleep(rand.random() * 0.01)
            g.process.kill()
            g.wait_process(LIMIT)
            with g.news:
                g.news.wait_for(lambda: g.ended, LIMIT)
            no_complaints(g)
            done.append(flushed(g))
        b.sound(path)
        b.written(path, 'qcow2', done[-1])
        if rand.randrange(4) == 0:
            path = b.image('kill.qcow2', 'qcow2', 32 << 20)
    return f'after {min(done)} to {max(done)} blocks'


def full(b, fmt):
    """The image's file system fills up: the VM stops, room is made, it goes on and nothing is lost."""
    mount = b.path('small')
    os.makedirs(mount, exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=600k', 'small', mount], check=True, timeout=LIMIT)
    try:
        path = b.image(f'small/disk.{fmt}', fmt, SMALL)
        with b.guest('-drive', f'if=none,id=d,format={fmt},file={path}', '-device', 'ide-hd,drive=d') as g:
            data = event(g, 'BLOCK_IO_ERROR')
            assert (data['action'], data['operation'], data['nospace']) == ('stop', 'write', True), data
            event(g, 'STOP')
            assert g.qmp('query-status')['status'] == 'io-error'
            assert g.qmp('query-block')[0]['io-status'] == 'nospace'
            at = flushed(g)
            g.qmp('cont')  # no room yet: the same once more
            event(g, 'RESUME')
            event(g, 'BLOCK_IO_ERROR')
            event(g, 'STOP')
            subprocess.run(['mount', '-o', 'remount,size=64m', mount], check=True, timeout=LIMIT)
            g.qmp('cont')
            end(g)
            no_complaints(g)
            assert g.qmp('query-block')[0]['io-status'] == 'ok'
            g.process.kill()
            g.wait_process(LIMIT)
        if fmt == 'qcow2':
            b.sound(path)
        b.written(path, fmt, SMALL // BLOCK)
        return f'full after {at} blocks'
    finally:
        subprocess.run(['umount', '-l', mount], check=True, timeout=LIMIT)


# A failing disk: the write of block 24, the read of block 3 (sector 0 is read before the guest runs, for its geometry).
# Name: rule, policy, action and operation of the event, what the guest sees, stops or not.
FAILURES = {
    'write, once, report': ('event=write_aio,once=on,errno=5,sector=64', 'werror=report', 'report', 'write', b'we', False),
    'write, once, ignore': ('event=write_aio,once=on,errno=5,sector=64', 'werror=ignore', 'ignore', 'write', None, False),
    'write, once, stop': ('event=write_aio,once=on,errno=5,sector=64', 'werror=stop', 'stop', 'write', None, True),
    'write, EIO, enospc': ('event=write_aio,once=on,errno=5,sector=64', 'werror=enospc', 'report', 'write', b'we', False),
    'write, ENOSPC, enospc': ('event=write_aio,once=on,errno=28,sector=64', 'werror=enospc', 'stop', 'write', None, True),
    'write, always, stop': ('event=write_aio,errno=5,sector=64', 'werror=stop', 'stop', 'write', None, None),
    'read, once, report': ('event=read_aio,iotype=read,once=on,errno=5,sector=104', 'rerror=report', 'report', 'read', b're', False),
    'read, once, ignore': ('event=read_aio,iotype=read,once=on,errno=5,sector=104', 'rerror=ignore', 'ignore', 'read', b'bad', False),
    'read, once, stop': ('event=read_aio,iotype=read,once=on,errno=5,sector=104', 'rerror=stop', 'stop', 'read', None, True),
    'read, always, stop': ('event=read_aio,iotype=read,errno=5,sector=104', 'rerror=stop', 'stop', 'read', None, None),
    'flush, once, report': ('event=flush_to_disk,once=on,errno=5', 'werror=report', 'report', 'write', b'fe', False),
    'flush, once, ignore': ('event=flush_to_disk,once=on,errno=5', 'werror=ignore', 'ignore', 'write', None, False),
    'flush, once, stop': ('event=flush_to_disk,once=on,errno=5', 'werror=stop', 'stop', 'write', None, True),
}


def failing(b, rule, policy, action, operation, sees, stops):
    """stops None: it stops again and again, and can be ended all the same."""
    path = b.image('bad.raw', 'raw', FAILING)
    rule = ','.join('file.inject-error.0.' + part for part in rule.split(','))
    blocks = FAILING // BLOCK
    with b.guest('-drive', f'if=none,id=d,format=raw,{policy},file.driver=blkdebug,file.image.driver=file,file.image.filename={path},{rule}',
                 '-device', 'ide-hd,drive=d') as g:
        data = event(g, 'BLOCK_IO_ERROR')
        assert (data['action'], data['operation']) == (action, operation), data
        assert data.get('nospace', False) == ('errno=28' in rule), data
        for _ in range({None: 3, True: 1, False: 0}[stops]):
            event(g, 'STOP')
            assert g.qmp('query-status')['status'] == 'io-error'
            no_complaints(g)
            g.qmp('cont')
            event(g, 'RESUME')
            if stops is None:
                event(g, 'BLOCK_IO_ERROR')
        if stops is None:
            g.qmp('quit')
            assert g.wait_process(LIMIT) == 0, g.obituary()
            return None
        end(g)
        seen = [c.split()[0] for c in complaints(g)]
        assert seen == ([sees] if sees else []), f'the guest saw {complaints(g)[:5]}, expected {sees}'
        assert not any(e['event'] in ('BLOCK_IO_ERROR', 'STOP') for e in g.events), g.events
        # A write that failed, or whose failure was ignored, is not there; whatever else is.
        lose = operation == 'write' and 'flush' not in rule and not stops
        lost = [n for n in range(blocks) if n * STEP % blocks == 64 // 8] if lose else []
        b.written(path, 'raw', blocks, lost)
    return None


def tap_gone(b):
    name = f'rel{os.getpid() % 100000}'
    path = b.image('tap.raw', 'raw', 32 << 20)
    subprocess.run(['ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap'], check=True, timeout=LIMIT, capture_output=True)
    try:
        subprocess.run(['ip', 'link', 'set', name, 'up'], check=True, timeout=LIMIT)
        with b.guest('-drive', f'if=ide,format=raw,file={path}', '-netdev', f'tap,id=n,ifname={name},script=no,downscript=no', '-device',
                     'e1000,netdev=n') as g:
            g.expect(rb'f 8\n', LIMIT)
            subprocess.run(['ip', 'link', 'delete', name], check=True, timeout=LIMIT)
            before = flushed(g)
            g.expect(b'f %d\n' % (before + 16), LIMIT)  # it lives
            g.qmp('stop')
            used = g.cpu_time()
            time.sleep(2)
            used = g.cpu_time() - used
            assert used < 0.1, f'a stopped guest whose interface is gone took {used:.2f} s of CPU in 2 s'
            with open(os.path.join(g.folder, 'stderr'), encoding='utf-8') as f:
                said = f.read().splitlines()
            assert len(said) == 1 and name in said[0], f'{len(said)} messages: {said[:3]}'
            g.qmp('cont')
            no_complaints(g)
            g.qmp('quit')
            assert g.wait_process(LIMIT) == 0, g.obituary()
            return said[0].split(': ', 1)[-1]
    finally:
        subprocess.run(['ip', 'link', 'delete', name], check=False, timeout=LIMIT, capture_output=True)


def may_mount(folder):
    """Why a small file system cannot be mounted; None: it can."""
    where = os.path.join(folder, 'try')
    os.makedirs(where, exist_ok=True)
    p = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'try', where], capture_output=True, text=True, timeout=LIMIT, check=False)
    if p.returncode:
        return p.stderr.strip() or 'mount fails'
    subprocess.run(['umount', '-l', where], check=True, timeout=LIMIT)
    return None


def may_tap():
    if not os.access('/dev/net/tun', os.R_OK | os.W_OK) or not shutil.which('ip'):
        return 'no /dev/net/tun for us, or no ip (iproute2)'
    name = f'try{os.getpid() % 100000}'
    p = subprocess.run(['ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap'], capture_output=True, text=True, timeout=LIMIT, check=False)
    if p.returncode:
        return p.stderr.strip() or 'ip tuntap fails'
    subprocess.run(['ip', 'link', 'delete', name], check=True, timeout=LIMIT)
    return None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    binary, images, tool = map(os.path.abspath, sys.argv[1:4])
    kills = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    tap = Tap([f'killed {kills} times', 'the disk is full, qcow2', 'the disk is full, raw'] + [f'the disk fails: {n}' for n in FAILURES] +
              ['the tap interface goes'])
    with tempfile.TemporaryDirectory() as folder:
        b = Bench(binary, images, tool, folder)
        tap.point(lambda: killed(b, random.Random(kills), kills))
        why = may_mount(folder)
        for fmt in ('qcow2', 'raw'):
            if why:
                tap.skip(why)
            else:
                tap.point(lambda fmt=fmt: full(b, fmt))
        for case in FAILURES.values():
            tap.point(lambda case=case: failing(b, *case))
        why = may_tap()
        if why:
            tap.skip(why)
        else:
            tap.point(lambda: tap_gone(b))
    return tap.failed > 0


sys.exit(main())
