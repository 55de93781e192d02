#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
machine.py BINARY [REFERENCE]: what a whole machine costs, ours against Debian's QEMU, in one run, both under the engine.

Rows: from exec to the login prompt of Debian (GRUB, systemd, ssh; qcow2 on virtio, virtio-net, two CPUs, the disk of
tests/boot/machineimage.py), and the emulator's CPU time until then; what it has resident there besides the guest's RAM; requests of a virtio disk, raw and qcow2, by
disk.c inside the guest (Linux AIO, O_DIRECT; the host's page cache on); bytes that a VNC viewer gets of a scrolling console (vnc.py).
Medians of interleaved repeats. The ratio is of costs: below 1 ours is ahead. A row without a result is a failed one, and the exit
status says so.

Resident: of each mapping in smaps but the one that is the guest's RAM (the only one of exactly its size) that is of a file its Rss, of any
other its Pss: pages that are mapped twice count once.

  --rows A,B      only these (a name's part is enough)     --list          the rows
  --pairs N       repeats, 3                               --quick         one repeat, disks for half a second
  --accel A       ours runs with this, tcg                 --json FILE     also write the figures
  --cache FOLDER  packages and the disk, build/debs        --mappings      what is resident, the largest of it
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'boot'))
# pylint: disable=wrong-import-position
import vnc  # noqa: E402
from common import cache_folder, chosen, in_turns, parser, write_json  # noqa: E402
from debs import Debs, Missing  # noqa: E402
from devices import modules  # noqa: E402
from initramfs import INIT, busybox  # noqa: E402
from machineimage import machine_image, run  # noqa: E402
from serialguest import Guest, GuestError, serves  # noqa: E402

RAM_MIB = 1024
DISK_MIB, NEW_MIB = 256, 4096
PART_MIB = 192  # disk.c's
BOOT_LIMIT, LIMIT = 600, 300
LOGIN, LOGIN_CPU, RESIDENT = 'exec to the login prompt', 'exec to the login prompt, CPU time', 'resident less guest RAM, login prompt'
# kind, bytes, requests in flight
DISK_ROWS = {
    '4 KiB random read, 1 in flight': ('randread', 4096, 1), '4 KiB random read, 32 in flight': ('randread', 4096, 32),
    '1 MiB sequential read': ('read', 1 << 20, 4), '1 MiB sequential write': ('write', 1 << 20, 4),
}
FORMATS = {'raw': 'vda', 'qcow2': 'vdb'}
DISKS = {f'{f}: {name}': (device, *what) for f, device in FORMATS.items() for name, what in DISK_ROWS.items()}
DISKS['qcow2: 1 MiB sequential write, new clusters'] = ('vdc', 'part', 1 << 20, 4)
VNC = {f'VNC bytes, {name}': encodings for name, encodings in vnc.VIEWERS.items()}


class Side:
    """One of the two emulators, and its guest with the two disks once that is needed."""

    def __init__(self, name, binary, accel, folder):
        self.name, self.binary, self.accel, self.folder = name, binary, accel, os.path.join(folder, name)
        self.guest, self.part = None, 0  # which part of the disk that was empty is next
        os.mkdir(self.folder)

    def close(self):
        if self.guest:
            self.guest.close()
        self.guest = None


def resident(pid):
    """MiB besides the guest's RAM; {what is mapped: MiB of it}."""
    parts, ram = {}, []
    with open(f'/proc/{pid}/smaps', encoding='utf-8', errors='replace') as f:
        for line in f:
            word = line.split()
            if re.match('[0-9a-f]+-[0-9a-f]+$', word[0]):
                is_file = len(word) > 5 and word[5].startswith('/') and not line.rstrip().endswith('(deleted)')
                rw, what = word[1].startswith('rw-'), ' '.join(word[5:]) or f'anonymous {word[1]}'
            elif word[0] == 'Size:':
                guest = rw and int(word[1]) == RAM_MIB << 10
                if what.startswith('anonymous'):
                    what += f' of {int(word[1]) / 1024:.1f}'
            elif word[0] == ('Rss:' if is_file else 'Pss:'):
                if guest:
                    ram.append(int(word[1]))
                else:
                    parts[what] = parts.get(what, 0) + int(word[1]) / 1024
    if len(ram) != 1 or ram[0] < 30 << 10:
        raise GuestError(f'{len(ram)} mappings are as large as the guest\'s RAM: {ram}')
    return sum(parts.values()), parts


class Logins:
    """Boots of the whole machine: the rows are of the same boots."""

    def __init__(self, debs, folder, pairs, mappings):
        self.debs, self.disk, self.pairs, self.mappings, self.figures = debs, os.path.join(folder, 'machine.qcow2'), pairs, mappings, None

    def guest(self, side, snapshot):
        return Guest(side.binary, side.accel, ['-smp', '2', '-m', f'{RAM_MIB}M', '-cpu', 'max', '-drive',
                                               f'file={self.disk},if=virtio,snapshot={snapshot}', '-nic', 'user,model=virtio-net-pci'])

    def prepare(self, side):
        """The image after its first boot, which does more than later ones."""
        run(['/usr/bin/qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', machine_image(self.debs)[0], self.disk])
        with self.guest(side, 'off') as g:
            g.expect(rb'guest login: ', BOOT_LIMIT)
            for _ in range(BOOT_LIMIT // 30):  # until somebody listens to the button
                try:
                    g.qmp('system_powerdown')
                except GuestError:  # it is about to end
                    break
                if g.wait_process(30) is not None:
                    break
            if g.wait_process(LIMIT) != 0:
                raise GuestError(f'the power button does not end the machine; the emulator {g.obituary()}')

    def measure(self, sides):
        """{row: {side: [figures]}}, {side: why it has none}"""
        figures, wrong = {row: {s.name: [] for s in sides} for row in (LOGIN, LOGIN_CPU, RESIDENT)}, {}
        try:
            self.prepare(sides[0])
        except (GuestError, Missing) as e:
            return figures, {s.name: str(e) for s in sides}
        for turn in range(self.pairs):
            for s in sides if turn % 2 == 0 else sides[::-1]:
                if s.name in wrong:
                    continue
                try:
                    with self.guest(s, 'on') as g:
                        g.expect(rb'guest login: ', BOOT_LIMIT)
                        figures[LOGIN][s.name].append(g.seconds())
                        figures[LOGIN_CPU][s.name].append(g.cpu_time())
                        time.sleep(5)
                        total, parts = resident(g.process.pid)
                        figures[RESIDENT][s.name].append(total)
                        if self.mappings:
                            most = sorted(parts, key=parts.get, reverse=True)[:16]
                            print(f'# {s.name}:', '; '.join(f'{name}: {parts[name]:.1f}' for name in most), flush=True)
                except GuestError as e:
                    wrong[s.name] = str(e)
        return figures, wrong

    def row(self, name, sides):
        if not self.figures:
            self.figures = self.measure(sides)
        figures, wrong = self.figures
        return figures[name], wrong


class Disks:
    def __init__(self, debs, folder, pairs, seconds):
        self.debs, self.folder, self.pairs, self.seconds, self.start = debs, folder, pairs, seconds, None

    def prepare(self):
        """The kernel, an initramfs with disk.c's program, the image that each side gets a copy of."""
        kernel, tree = self.debs.kernel('linux-image-cloud-amd64')
        program, initrd, self.image = (os.path.join(self.folder, f) for f in ('disk', 'initrd', 'image'))
        subprocess.check_call(['gcc', '-D_GNU_SOURCE', '-O2', '-static', '-Wall', '-Wextra', '-o', program, os.path.join(HERE, 'disk.c')])
        mods = modules(tree, ['virtio_pci', 'virtio_blk'])
        files = [(f'modules/{m}.ko', data) for m, data in mods.items()]
        with open(program, 'rb') as f:
            files.append(('bench', f.read()))
        loads = ''.join(f'insmod /modules/{m}.ko\n' for m in mods) + 'chmod 755 /bench\n'
        with open(initrd, 'wb') as f:
            f.write(busybox(os.path.join(self.debs.tree('busybox-static'), 'bin/busybox'), INIT.replace('echo "init: a shell"', loads +
                                                                                                    'echo "init: a shell"'), files))
        page = os.urandom(4088)
        with open(self.image, 'wb') as f:
            for n in range(DISK_MIB << 8):
                f.write(n.to_bytes(8, 'little') + page)
        self.start = ['-nodefaults', '-smp', '2', '-m', '512', '-cpu', 'max', '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append',
                      'console=ttyS0 quiet panic=-1 tsc=reliable']

    def guest(self, side):
        if side.guest:
            return side.guest
        if not self.start:
            self.prepare()
        args = list(self.start)
        for name, form in (('raw', 'raw'), ('qcow2', 'qcow2'), ('new', 'qcow2')):
            path = os.path.join(side.folder, name)
            how = ['create', '-q', '-f', form, path, f'{NEW_MIB}M'] if name == 'new' else ['convert', '-O', form, '-f', 'raw', self.image, path]
            run(['/usr/bin/qemu-img', *how])
            args += ['-drive', f'if=none,id={name},file={path},format={form}', '-device', f'virtio-blk-pci,drive={name}']
        side.part = 0
        side.guest = Guest(side.binary, side.accel, args)
        side.guest.expect(rb'init: a shell', BOOT_LIMIT)
        side.guest.expect(side.guest.prompt, LIMIT)
        return side.guest

    def once(self, side, what):
        """Requests per second, by the guest's clock, which must be the host's."""
        device, kind, size, depth = what
        g = self.guest(side)
        first, side.part = side.part * PART_MIB if kind == 'part' else 0, side.part + (kind == 'part')
        g.send(f'/bench {kind} /dev/{device} {size} {depth} {self.seconds} {first}\n')
        g.expect(rb'@begin|(?=@failed)', LIMIT)
        start = time.monotonic()
        got = g.expect(rb'@(end|failed) ([^\r\n]*)\r?\n', LIMIT)
        took = time.monotonic() - start
        g.expect(g.prompt, LIMIT)
        if got[1] == b'failed':
            raise GuestError(got[2].decode(errors='replace'))
        count, seconds = int(got[2].split()[0]), float(got[2].split()[1])
        if abs(seconds - took) > 0.1 * took + 0.1:
            raise GuestError(f'its clock says {seconds:.3f} s, the host\'s {took:.3f} s')
        return count / seconds

    def row(self, name, sides):
        errors = (GuestError, Missing, OSError)

        def once(s):
            try:
                return self.once(s, DISKS[name])
            except errors:
                s.close()
                raise

        return in_turns(sides, self.pairs, once, errors)


def vnc_row(name, sides, pairs, folder):
    figures, wrong = {s.name: [] for s in sides}, {}
    disk = vnc.assemble(folder)
    for _ in range(pairs):
        for s in sides:
            try:
                figures[s.name].append(vnc.measure(s.binary, disk, VNC[name], folder)[0])
            except (OSError, ValueError, vnc.rfb.Closed) as e:
                wrong[s.name] = f'{type(e).__name__}: {e}'
    return figures, wrong


class Table:
    def __init__(self, names):
        self.names, self.rows = names, []
        print(f'{"":48}{"":>6}' + ''.join(f'{n:>11}' for n in names) + f'{"ratio":>8}{"spread":>8}', flush=True)

    def add(self, name, figures, wrong):
        rate = name in DISKS
        unit = 's' if name in (LOGIN, LOGIN_CPU) else 'MiB' if name == RESIDENT else 'kB' if name in VNC else 'MiB/s' if 'MiB' in name else 'IOPS'
        scale = 1000 if unit == 'kB' else 1
        middle = {n: statistics.median(v) / scale if v and n not in wrong else None for n, v in figures.items()}
        a, b = (middle.get(n) for n in ('ours', 'reference'))
        ratio = spread = None
        if a and b:
            ratios = [(y / x if rate else x / y) for x, y in zip(figures['ours'], figures['reference'])]
            ratio = b / a if rate else a / b
            spread = (max(ratios) - min(ratios)) / ratio * 100
        self.rows.append({'name': name, 'unit': unit, 'figures': figures, 'median': middle, 'ratio': ratio, 'failed': wrong})
        print(f'{name:48}{unit:>6}' + ''.join(f'{middle[n]:11.1f}' if middle.get(n) is not None else f'{"-":>11}' for n in self.names) +
              (f'{ratio:8.2f}{spread:7.0f}%' if ratio else f'{"-":>8}{"-":>8}') +
              ('  FAILED' if wrong or not ratio else '  behind' if ratio > 1 else ''), flush=True)
        for n, why in wrong.items():
            print(f'    {n}: {why}', flush=True)

    def end(self):
        failed = [r['name'] for r in self.rows if r['failed'] or not r['ratio']]
        behind = [r['name'] for r in self.rows if r['ratio'] and r['ratio'] > 1]
        print(f'{len(self.rows)} rows, {len(failed)} failed, ours is behind in {len(behind)}' + (f': {", ".join(behind)}' if behind else ''))
        return bool(failed)


def main():
    p = parser(__doc__, 3)
    p.add_argument('--mappings', action='store_true')
    o = p.parse_args()
    names = chosen(o, [LOGIN, LOGIN_CPU, RESIDENT, *DISKS, *VNC])
    if o.list:
        print('\n'.join(names))
        return 0
    binary = os.path.abspath(o.binary)
    pairs = 1 if o.quick else max(1, o.pairs)
    debs = Debs(cache_folder(o), 'amd64')
    with tempfile.TemporaryDirectory(dir=os.path.dirname(binary)) as folder:
        sides = [Side('ours', binary, o.accel, folder), Side('reference', o.reference, 'tcg', folder)]
        for s in sides:
            if not serves(s.binary, s.accel):
                sys.exit(f'machine.py: {s.binary} has no -accel {s.accel} here')
        print(f'a machine, median of {pairs} (ours: {binary} -accel {o.accel}; reference: {o.reference} -accel tcg)', flush=True)
        logins, disks, table = Logins(debs, folder, pairs, o.mappings), Disks(debs, folder, pairs, 0.5 if o.quick else 2), Table([s.name for s in sides])
        try:
            for name in names:
                if name in DISKS:
                    table.add(name, *disks.row(name, sides))
                    continue
                for s in sides:
                    s.close()
                table.add(name, *(vnc_row(name, sides, 1, folder) if name in VNC else logins.row(name, sides)))
        finally:
            for s in sides:
                s.close()
        failed = table.end()
        write_json(o, table.rows)
    return failed


if __name__ == '__main__':
    sys.exit(main())
