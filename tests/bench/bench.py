#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
bench.py BINARY [REFERENCE]: what a start and an exit cost, ours against Debian's QEMU, in one run.

Runs alternate (ours, theirs, ours ...), the medians are compared; a ratio below 1 means ours is cheaper. Rows that need /dev/kvm are left out
by name where it does not open. Prints a table; --json FILE also writes the figures.
"""
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RUNS = int(os.environ.get('BENCH_RUNS', '15'))
BASE = ['-machine', 'pc-i440fx-7.2', '-nodefaults', '-display', 'none', '-m', '128']


def have_kvm():
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
        return True
    except OSError:
        return False


def assemble(tmp, name, kind, count):
    with open(os.path.join(tmp, 'values.h'), 'w') as f:
        f.write(f'#define KIND {kind}\n#define COUNT {count}\n')
    obj, out = os.path.join(tmp, name + '.o'), os.path.join(tmp, name + '.bin')
    subprocess.check_call(['gcc', '-m32', '-c', '-I', tmp, os.path.join(HERE, 'guest.S'), '-o', obj])
    subprocess.check_call(['ld', '-m', 'elf_i386', '--oformat', 'binary', '-Ttext', '0', '-e', '0', '-o', out, obj])
    assert os.path.getsize(out) == 65536, 'the image must be 64 KiB'
    return out


class Qmp:
    """A process with its QMP socket; the test listens, the process connects: no polling for a file."""

    def __init__(self, binary, args, tmp):
        path = os.path.join(tmp, 'qmp')
        if os.path.exists(path):
            os.unlink(path)
        self.srv = socket.socket(socket.AF_UNIX)
        self.srv.bind(path)
        self.srv.listen(1)
        self.srv.settimeout(30)
        self.t0 = time.monotonic()
        self.proc = subprocess.Popen([binary] + args + ['-chardev', f'socket,path={path},id=q', '-mon', 'chardev=q,mode=control'],
                                     stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.conn, _ = self.srv.accept()
        self.file = self.conn.makefile('rwb')
        json.loads(self.file.readline())
        self.cmd('qmp_capabilities')

    def cmd(self, name):
        self.file.write(json.dumps({'execute': name}).encode())
        self.file.flush()
        while True:
            r = json.loads(self.file.readline())
            if 'return' in r:
                return r['return']
            assert 'error' not in r, r

    def quit(self):
        self.cmd('quit')
        self.proc.wait(30)
        self.proc.stderr.close()
        self.conn.close()
        self.srv.close()


def time_to_status(binary, args, tmp):
    q = Qmp(binary, args + ['-S'], tmp)
    q.cmd('query-status')
    t = time.monotonic() - q.t0
    q.quit()
    return t * 1e3


def resident(binary, args, tmp, ram_kib):
    q = Qmp(binary, args + ['-S'], tmp)
    q.cmd('query-status')
    total = 0
    size = 0
    with open(f'/proc/{q.proc.pid}/smaps') as f:
        for line in f:
            word = line.split()
            if word[0] == 'Size:':
                size = int(word[1])
            elif word[0] == 'Rss:' and size < ram_kib:  # guest RAM is its own mapping of at least its size
                total += int(word[1])
    q.quit()
    return total / 1024


def run(binary, args):
    """Wall and user time of one whole run, which must end by the guest's debug exit (status 1)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    t0 = time.monotonic()
    r = subprocess.run([binary] + args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
    t = time.monotonic() - t0
    assert r.returncode == 1, (binary, r.returncode, r.stderr.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return t * 1e3, after.ru_utime - before.ru_utime


def time_to_guest(binary, args):
    """Until the guest's first instruction, which writes to the debug console, is seen outside; the end of the process is not in it."""
    t0 = time.monotonic()
    p = subprocess.Popen([binary] + args + ['-debugcon', 'stdio'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    byte = p.stdout.read(1)
    t = time.monotonic() - t0
    p.communicate(timeout=60)
    assert byte == b'!', (binary, byte)
    return t * 1e3


def libraries(binary):
    out = subprocess.check_output(['ldd', binary], text=True)
    return sum('=>' in line for line in out.splitlines())


def pairs(fn, ours, theirs, runs=RUNS):
    a, b = [], []
    fn(ours), fn(theirs)  # warm the page cache
    for _ in range(runs):
        a.append(fn(ours))
        b.append(fn(theirs))
    return statistics.median(a), statistics.median(b)


def main():
    ours = os.path.abspath(sys.argv[1])
    theirs = sys.argv[2] if len(sys.argv) > 2 and not sys.argv[2].startswith('-') else '/usr/bin/qemu-system-x86_64'
    rows = []

    def row(name, unit, fn, runs=RUNS):
        a, b = pairs(fn, ours, theirs, runs)
        rows.append({'name': name, 'unit': unit, 'ours': a, 'theirs': b, 'ratio': a / b})
        print(f'{name:52} {a:10.3f} {b:10.3f} {unit:4} {a / b:7.3f}', flush=True)

    print(f'{"":52} {"ours":>10} {"Debian":>10}      {"ratio":>7}')
    with tempfile.TemporaryDirectory() as tmp:
        kvm = have_kvm()
        first = assemble(tmp, 'first', 0, 0)
        accel = ['-accel', 'kvm'] if kvm else ['-accel', 'tcg']
        alone = {ours: ['-accel', 'kvm,assist=off'], theirs: accel}  # KVM's own exits
        if kvm:
            row('exec to query-status, pc -nodefaults', 'ms', lambda b: time_to_status(b, BASE + accel, tmp))
            full = ['-machine', 'pc-i440fx-7.2', '-display', 'none', '-m', '128', '-serial', 'null', '-parallel', 'null', '-nic', 'none']
            row('exec to query-status, pc', 'ms', lambda b: time_to_status(b, full + accel, tmp))
            shown = full[:2] + full[4:]
            row('exec to query-status, pc, VNC by default', 'ms', lambda b: time_to_status(b, shown + accel, tmp))
            row('resident less guest RAM, paused pc -nodefaults', 'MiB', lambda b: resident(b, BASE + accel, tmp, 128 * 1024), 3)
            # The probe of what the host's KVM runs, and what follows from it: half a millisecond at most.
            on, off = pairs(lambda a: time_to_status(ours, BASE + ['-accel', a], tmp), 'kvm,assist=auto', 'kvm,assist=off', 6 * RUNS)
            rows.append({'name': 'assist=auto, exec to query-status', 'unit': 'ms', 'ours': on, 'theirs': off, 'ratio': on / off})
            print(f'{"  ours: assist=auto beside assist=off":52} {on:10.3f} {off:10.3f} ms   {on - off:+7.3f} ms', flush=True)
            exit_dev = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=1']
            row('exec to first guest instruction', 'ms', lambda b: time_to_guest(b, BASE + accel + exit_dev + ['-bios', first]))
            for kind, label in ((1, 'PIO'), (2, 'MMIO')):
                few, many = 100000, 1000000  # user time is counted in ticks of milliseconds
                image = {n: assemble(tmp, str(n), kind, n) for n in (few, many)}

                def per_exit(b):
                    args = BASE + alone[b] + exit_dev
                    return (run(b, args + ['-bios', image[many]])[1] - run(b, args + ['-bios', image[few]])[1]) / (many - few) * 1e6
                row(f'user CPU per {label} exit', 'us', per_exit, 5)
        else:
            print('left out, /dev/kvm does not open: exec to query-status, resident, first instruction, PIO and MMIO exits')
        row('size of the binary', 'MiB', lambda b: os.path.getsize(b) / 2**20, 1)
        row('shared libraries loaded', '', libraries, 1)
    if '--json' in sys.argv:
        with open(sys.argv[sys.argv.index('--json') + 1], 'w') as f:
            json.dump(rows, f, indent=1)


if __name__ == '__main__':
    main()
