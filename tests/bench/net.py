#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
net.py BINARY [REFERENCE]: iperf3 over user networking, ours against Debian's QEMU, in one run, both under the engine.

One TCP stream each way through a forwarded port: iperf3 serves in the guest (Debian's kernel and iperf3, busybox), the host asks. The
rate is what the receiver counted by the seconds of the host's end. Rows: each card with one and two CPUs, to and from the guest. Medians
of interleaved repeats, one guest runs at a time: MB/s, and seconds of CPU that the emulator takes for 100 MB, which a busy host disturbs
less. Ratios are of costs: below 1 ours is ahead. A row without a result is a failed one, and the exit status says so.

  --rows A,B      only these (a name's part is enough)     --list           the rows
  --pairs N       repeats, 3                               --seconds S      of each, 3
  --quick         one repeat of a second                   --accel A        ours runs with this, tcg
  --json FILE     also write the figures                   --cache FOLDER   packages, build/debs
"""
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'boot'))
# pylint: disable=wrong-import-position
from common import cache_folder, chosen, cpu_seconds, in_turns, parser, write_json  # noqa: E402
from debs import Debs, Missing  # noqa: E402
from devices import modules  # noqa: E402
from initramfs import INIT, busybox, program  # noqa: E402
from serialguest import Guest, GuestError, serves  # noqa: E402

BOOT_LIMIT, LIMIT, AGAIN_LIMIT = 600, 120, 60
CARDS = {  # kernel's package, modules
    'virtio-net-pci': ('linux-image-cloud-amd64', ['virtio_pci', 'virtio_net']),
    'e1000': ('linux-image-amd64', ['e1000']),
}
TO, FROM = 'to the guest', 'from the guest'
ROWS = {f'{card} {way} ({n} CPU{"s" * (n > 1)})': (card, n, way) for card in CARDS for n in (1, 2) for way in (TO, FROM)}
LIBRARIES = ['libiperf0', 'libssl3', 'libsctp1']  # iperf3's, besides those of every Debian
PORT = 5201
NETWORK = f"""ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
(iperf3 -s -p {PORT} >/tmp/log 2>&1 &)
"""
READY = f'[ "$(cat /sys/class/net/eth0/carrier)" = 1 ] && netstat -tln | grep -q :{PORT}'
ERRORS = (GuestError, Missing, OSError, subprocess.TimeoutExpired)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Side:
    """One of the two emulators with its guest."""

    def __init__(self, name, binary, accel):
        self.name, self.binary, self.accel, self.guest, self.port = name, binary, accel, None, 0

    def close(self):
        if self.guest:
            self.guest.close()
        self.guest = None


class Bench:
    def __init__(self, debs, folder, seconds):
        self.debs, self.folder, self.seconds, self.images = debs, folder, seconds, {}
        self.iperf3 = os.path.join(debs.tree('iperf3'), 'usr/bin/iperf3')
        self.libraries = [os.path.join(debs.tree(p), 'usr/lib/x86_64-linux-gnu') for p in LIBRARIES]
        self.env = {**os.environ, 'LC_ALL': 'C', 'LD_LIBRARY_PATH': ':'.join(self.libraries)}

    def image(self, card):
        """Kernel and initramfs for a card."""
        if card not in self.images:
            package, names = CARDS[card]
            kernel, tree = self.debs.kernel(package)
            mods = modules(tree, names)
            files = [('etc/passwd', b'root:x:0:0::/:/bin/sh\n'), *program(self.iperf3, self.libraries)]
            files += [(f'modules/{name}.ko', data) for name, data in mods.items()]
            setup = ''.join(f'insmod /modules/{name}.ko\n' for name in mods) + NETWORK
            initrd = os.path.join(self.folder, card + '.initrd')
            with open(initrd, 'wb') as f:
                f.write(busybox(os.path.join(self.debs.tree('busybox-static'), 'bin/busybox'),
                                INIT.replace('echo "init: a shell"', setup + 'echo "init: a shell"'), files))
            self.images[card] = kernel, initrd
        return self.images[card]

    def start(self, side, card, cpus):
        """A guest that serves, stopped until its turn."""
        kernel, initrd = self.image(card)
        side.port = free_port()
        side.guest = g = Guest(side.binary, side.accel, [
            '-nodefaults', '-smp', str(cpus), '-m', '512', '-cpu', 'max', '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append',
            'console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check net.ifnames=0', '-netdev',
            f'user,id=u,hostfwd=tcp:127.0.0.1:{side.port}-10.0.2.15:{PORT}', '-device', f'{card},netdev=u'])
        g.expect(rb'init: a shell', BOOT_LIMIT)
        g.expect(g.prompt, LIMIT)
        g.shell(f'i=0; until {READY}; do i=$((i+1)); [ $i -lt 300 ] || break; sleep 0.2; done; {READY}', LIMIT)
        g.qmp('stop')

    def ask(self, side, way):
        """What iperf3 says, as JSON, the emulator's seconds of CPU for it, and how long it took. After a run the guest's server does not
        listen for a moment; on a host with no time for the guest it breaks a run off."""
        args = [self.iperf3, '-c', '127.0.0.1', '-p', str(side.port), '-t', str(self.seconds), '-J'] + ['-R'] * (way == FROM)
        end = time.monotonic() + AGAIN_LIMIT
        while True:
            cpu, start = cpu_seconds(side.guest.process.pid), time.monotonic()
            done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False, env=self.env)
            cpu, took = cpu_seconds(side.guest.process.pid) - cpu, time.monotonic() - start
            try:
                said = json.loads(done.stdout)
            except ValueError:
                raise GuestError(f'iperf3 ended with {done.returncode}: {done.stdout[-200:]} {done.stderr[-200:]}') from None
            if 'error' not in said:
                return said, cpu, took
            if time.monotonic() > end:
                raise GuestError(f'iperf3: {said["error"]}')
            time.sleep(0.2)

    def once(self, side, way):
        """Bytes per second at the receiver, and the emulator's seconds of CPU for 100 MB."""
        side.guest.qmp('cont')
        said, cpu, took = self.ask(side, way)
        side.guest.qmp('stop')
        received = said['end']['sum_received']['bytes']
        seconds = said['end']['sum_sent' if way == TO else 'sum_received']['seconds']  # of the host's end
        if not 0.8 * self.seconds <= seconds <= took or not received:
            raise GuestError(f'iperf3 says {received} bytes in {seconds:.2f} s, it took {took:.2f} s')
        return received / seconds, cpu / received * 1e8


def machine_rows(bench, sides, card, cpus, ways, pairs):
    """{way: (figures of each side, why a side has none)} of one machine."""
    dead, rows = {}, {}
    for s in sides:
        try:
            bench.start(s, card, cpus)
        except ERRORS as e:
            dead[s.name] = str(e)
    for way in ways:
        figures, wrong = in_turns([s for s in sides if s.name not in dead], pairs, lambda s, w=way: bench.once(s, w), ERRORS)
        dead.update(wrong)
        rows[way] = figures, dict(dead)
    for s in sides:
        s.close()
    return rows


def ratio(a, b):
    return a / b if a and b else None


class Table:
    def __init__(self, sides):
        self.names, self.rows = [s.name for s in sides], []
        print(f'{"":34}' + f'{"MB/s:":>10}' + ''.join(f'{n:>11}' for n in self.names) + f'{"ratio":>8}' + f'{"s/100 MB:":>11}' +
              ''.join(f'{n:>11}' for n in self.names) + f'{"ratio":>8}', flush=True)

    def add(self, name, figures, wrong):
        got = {n: v for n, v in figures.items() if v and n not in wrong}
        rate = {n: statistics.median(x[0] for x in v) / 1e6 for n, v in got.items()}
        cpu = {n: statistics.median(x[1] for x in v) for n, v in got.items()}
        slower, dearer = ratio(rate.get('reference'), rate.get('ours')), ratio(cpu.get('ours'), cpu.get('reference'))
        self.rows.append({'name': name, 'figures': figures, 'MB/s': rate, 'ratio': slower, 's/100 MB': cpu, 'CPU ratio': dearer, 'failed': wrong})

        def shown(values, by):
            return ''.join(f'{values[n]:11.2f}' if n in values else f'{"-":>11}' for n in self.names) + (f'{by:8.2f}' if by else f'{"-":>8}')

        behind = ' behind' * bool(slower and slower > 1) + ' dearer' * bool(dearer and dearer > 1)
        print(f'{name:34}{"":10}' + shown(rate, slower) + f'{"":11}' + shown(cpu, dearer) + ('  FAILED' if not slower else behind and ' ' + behind),
              flush=True)
        for n, why in wrong.items():
            print(f'    {n}: {why}', flush=True)

    def end(self):
        failed = [r['name'] for r in self.rows if not r['ratio']]
        behind = [r['name'] for r in self.rows if (r['ratio'] or 0) > 1 or (r['CPU ratio'] or 0) > 1]
        print(f'{len(self.rows)} rows, {len(failed)} failed, ours is behind in {len(behind)}' + (f': {"; ".join(behind)}' if behind else ''))
        return bool(failed)


def main():
    p = parser(__doc__, 3)
    p.add_argument('--seconds', type=int, default=3)
    o = p.parse_args()
    names = chosen(o, ROWS)
    if o.list:
        print('\n'.join(names))
        return 0
    pairs, seconds = (1, 1) if o.quick else (max(1, o.pairs), max(1, o.seconds))
    sides = [Side('ours', os.path.abspath(o.binary), o.accel), Side('reference', o.reference, 'tcg')]
    for s in sides:
        if not serves(s.binary, s.accel):
            sys.exit(f'net.py: {s.binary} has no -accel {s.accel} here')
    print(f'iperf3, median of {pairs} (ours: {sides[0].binary} -accel {o.accel}; reference: {o.reference} -accel tcg)', flush=True)
    table = Table(sides)
    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        try:
            bench = Bench(Debs(cache_folder(o), 'amd64'), folder, seconds)
            for card, cpus in dict.fromkeys(ROWS[n][:2] for n in names):
                of = {ROWS[n][2]: n for n in names if ROWS[n][:2] == (card, cpus)}
                for way, row in machine_rows(bench, sides, card, cpus, list(of), pairs).items():
                    table.add(of[way], *row)
        except Missing as e:
            sys.exit(f'net.py: {e}')
        finally:
            for s in sides:
                s.close()
    failed = table.end()
    write_json(o, table.rows)
    return failed


if __name__ == '__main__':
    sys.exit(main())
