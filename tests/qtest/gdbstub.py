#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
gdb's remote protocol on machines whose CPUs do not run: packets and their answers, registers, memory, threads, framing, what a hostile peer
sends, how a debugger comes and goes, and gdb itself. TAP. Runs beside Debian's binary with QTEST_QEMU_BINARY=/usr/bin/qemu-system-x86_64;
what only ours has is skipped there by name.
"""
import os
import random
import re
import socket
import subprocess
import sys
import time

from rsp import Machine, Rsp, RspError, gdb_batch

BIN = os.environ.get('QTEST_QEMU_BINARY', 'build/qemu-system-x86_64')
DEBIAN = BIN.startswith('/usr/bin/')
ACCEL = os.environ.get('GDB_ACCEL', 'tcg' if DEBIAN else 'qtest')
ARGS = ['-accel', ACCEL, '-machine', 'pc', '-m', '32']
RAX, RSP_, R8, RIP, EFLAGS, CS, DS = 0, 7, 8, 16, 17, 18, 20
tests = []


class Skip(Exception):
    """Why this point is not run here."""


def test(name):
    def register(fn):
        tests.append((name, fn))
        return fn
    return register


def equal(what, got, want):
    if got != want:
        raise RspError(f'{what}: {got!r}, not {want!r}')


def ours_only(what):
    if DEBIAN:
        raise Skip(f"Debian's 7.2 has no {what}")


@test('packets and their answers')
def packets():
    with Machine(BIN, ARGS + ['-smp', '3']) as m:
        for packet, pattern in (
                ('?', 'T05thread:01;'), ('!', 'OK'), ('qAttached', '1'), ('qAttached:1', '1'), ('qC', 'QC01'), ('vMustReplyEmpty', ''),
                ('qSupported:xmlRegisters=i386', r'PacketSize=1000;qXfer:features:read\+;vContSupported\+;multiprocess\+.*'),
                ('vCont?', 'vCont;c;C;s;S.*'), ('Hg0', 'OK'), ('Hg1', 'OK'), ('Hg3', 'OK'), ('Hg4', 'E22'), ('Hc-1', 'OK'), ('Hc2', 'OK'), ('Hx1', 'E22'),
                ('Hgp1.2', 'OK'), ('Hg', 'E22'), ('T1', 'OK'), ('T3', 'OK'), ('T4', 'E22'), ('Tp1.3', 'OK'), ('Tp2.1', 'E22'),
                ('qTStatus', ''), ('qSymbol::', ''), ('qOffsets', ''), ('qXfer:auxv:read::0,100', ''), ('qXfer:memory-map:read::0,100', ''),
                ('qXfer:features:read:other.xml:0,100', 'E00'), ('vCont;x', '|E22'), ('R', ''), ('A', ''), ('Z5,1000,1', ''), ('m', 'E22'),
                ('m0', 'E22'), ('M0:0,', 'E22'), ('pff', 'E14'), ('P', 'E22'), ('qThreadExtraInfo,1', '4350552330205b[0-9a-f]*5d'),
                ('qqemu.sstepbits', 'ENABLE=1,NOIRQ=2,NOTIMER=4'), ('qqemu.sstep', '0x7'), ('Qqemu.sstep=5', 'OK'),
                ('qqemu.sstep', '0x5'), ('Qqemu.sstep=8', 'E22'), ('qqemu.PhyMemMode', '0'), ('Qqemu.PhyMemMode:1', 'OK'),
                ('qqemu.PhyMemMode', '1'), ('vAttach;1', 'T05thread:01;'), ('vAttach;2', 'E22')):
            got = m.rsp.ask(packet)
            if not re.fullmatch(pattern, got):
                raise RspError(f'{packet!r}: {got!r}, not {pattern!r}')


@test('threads are CPUs, with and without processes in their names')
def threads():
    with Machine(BIN, ARGS + ['-smp', '3']) as m:
        def listed():
            got, names = m.rsp.ask('qfThreadInfo'), []
            while got.startswith('m'):
                names += got[1:].split(',')
                got = m.rsp.ask('qsThreadInfo')
            equal('the end of the list', got, 'l')
            return names
        equal('threads', listed(), ['01', '02', '03'])
        m.rsp.ask('qSupported:multiprocess+')
        equal('threads', listed(), ['p01.01', 'p01.02', 'p01.03'])
        equal('?', m.rsp.ask('?'), 'T05thread:p01.01;')
        m.rsp.features()  # Debian's has p and P for those who have asked for it
        m.rsp.good('Hgp1.2')
        m.rsp.set_register(RAX, 0x22)
        m.rsp.good('Hgp1.3')
        m.rsp.set_register(RAX, 0x33)
        for thread, value in ((1, 0), (2, 0x22), (3, 0x33)):
            m.rsp.good(f'Hg{thread}')
            equal(f'RAX of thread {thread}', m.rsp.register(RAX), value)


@test('the description names all registers of a g packet')
def description():
    with Machine(BIN, ARGS) as m:
        regs = m.rsp.features()
        got = m.rsp.ask('g')
        equal('bytes', len(got) // 2, sum(size for _, size, _ in regs))
        names = [n for n, _, _ in regs]
        for i, name in enumerate(['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'] + [f'r{n}' for n in range(8, 16)] +
                                 ['rip', 'eflags', 'cs', 'ss', 'ds', 'es', 'fs', 'gs', 'fs_base', 'gs_base', 'k_gs_base', 'cr0', 'cr2', 'cr3', 'cr4',
                                  'cr8', 'efer'] + [f'st{n}' for n in range(8)] + ['fctrl', 'fstat', 'ftag', 'fiseg', 'fioff', 'foseg', 'fooff',
                                                                                   'fop'] + [f'xmm{n}' for n in range(16)] + ['mxcsr']):
            equal(f'register {i}', names[i], name)
        at = 0
        for n, (name, size, _) in enumerate(regs):
            equal(name, m.rsp.ask(f'p{n:x}'), got[at:at + 2 * size])
            at += 2 * size
        values = {name: m.rsp.register(n) for n, (name, _, _) in enumerate(regs)}
        for name, value in (('rip', 0xfff0), ('cs', 0xf000), ('eflags', 2), ('cr0', 0x60000010), ('fctrl', 0x37f), ('mxcsr', 0x1f80), ('efer', 0)):
            equal(name, values[name], value)


@test('registers keep what is written to them')
def registers():
    rng = random.Random(7)
    with Machine(BIN, ARGS) as m:
        regs = m.rsp.features()
        for n, (name, size, _) in enumerate(regs):
            value = rng.getrandbits(8 * size)
            want = value
            if name in ('cr0', 'cr4', 'efer', 'cr8', 'ftag', 'eflags', 'mxcsr', 'cr3'):
                continue
            if name.startswith(('fis', 'fio', 'fos', 'foo', 'fop', 'fctrl', 'fstat')):
                if DEBIAN or name == 'fop':
                    continue
                value &= 0xffff
                want = value
            elif n < R8 or name == 'rip':
                want &= 0xffffffff  # the CPU is in 16-bit code
            elif R8 <= n < RIP:
                want = 0
            elif CS <= n < CS + 6:
                value &= 0xffff
                want = value
            elif DEBIAN and (name.endswith('_base') or name == 'cr2'):
                continue  # of which it shows a part in 16-bit code
            m.rsp.set_register(n, value, size)
            equal(name, m.rsp.register(n), want)
        # What was loaded into a segment register has its base in real mode.
        m.rsp.set_register(DS, 0x1234, 4)
        if 'DS =1234 00012340' not in m.hmp('info registers'):
            raise RspError('DS has no base: ' + m.hmp('info registers'))
        for flag in (0x202, 0x246, 0x40102):
            m.rsp.set_register(EFLAGS, flag, 4)
            equal('eflags', m.rsp.register(EFLAGS), flag)


@test('G writes what g reads')
def all_registers():
    ours_only('G in 16-bit code that leaves control registers alone')
    with Machine(BIN, ARGS) as m:
        old = bytearray.fromhex(m.rsp.ask('g'))
        old[0:8] = (0x11223344).to_bytes(8, 'little')
        old[56:64] = (0x8000).to_bytes(8, 'little')
        m.rsp.good('G' + old.hex())
        equal('g', m.rsp.ask('g'), old.hex())
        m.rsp.good('G' + '55' * 8)
        equal('rax', m.rsp.register(RAX), 0x55555555)
        equal('rbx', m.rsp.register(1), 0)
        equal('G of half a byte', m.rsp.ask('G1'), 'OK')


@test('tag word of the x87')
def tags():
    ours_only('full tag word')
    with Machine(BIN, ARGS) as m:
        names = [n for n, _, _ in m.rsp.features()]
        st0, ftag, fstat = names.index('st0'), names.index('ftag'), names.index('fstat')
        m.rsp.set_register(fstat, 7 << 11, 4)  # the top is register 7
        m.rsp.set_register(st0, 0, 10)
        m.rsp.set_register(st0 + 1, 0x3fff8000000000000000, 10)
        m.rsp.set_register(st0 + 2, 0x7fff8000000000000000, 10)
        m.rsp.set_register(ftag, 0, 4)
        # Register 7 is ST0: zero; 0 is ST1: valid; 1 is ST2: special; the others hold zeros.
        equal('ftag', m.rsp.register(ftag), 0b01_01_01_01_01_01_10_00)
        m.rsp.set_register(ftag, 0xffff, 4)
        equal('ftag', m.rsp.register(ftag), 0xffff)


@test('memory by CPU and physical address')
def memory():
    with Machine(BIN, ARGS) as m:
        equal('firmware', m.rsp.read(0xffff0, 1), b'\xea')
        equal('firmware below 4 GiB', m.rsp.read(0xfffffff0, 1), b'\xea')
        data = bytes(range(256)) * 7
        m.rsp.write(0x1ff0, data)
        equal('what was written', m.rsp.read(0x1ff0, len(data)), data)
        m.rsp.write(0xf8000, b'rom')  # a debugger may
        equal('ROM', m.rsp.read(0xf8000, 3), b'rom')
        if not DEBIAN:
            m.rsp.good('M3000,0:')
        for packet in ('M3000,2:00', 'M3000,1', *(() if DEBIAN else ('M3000,1:zz',)), f'm0,{1 << 20:x}', 'm0,'):
            equal(packet, m.rsp.ask(packet), 'E22')
        equal('a wrapping range', m.rsp.ask('mffffffffffffffff,4'), 'E14')
        # 32-bit paging: page 0x400000 is the frame 0x5000, nothing else is mapped.
        m.rsp.write(0x10004, (0x11000 | 1).to_bytes(4, 'little'))
        m.rsp.write(0x11000, (0x5000 | 1).to_bytes(4, 'little'))
        m.rsp.write(0x5000, b'mapped page')
        names = [n for n, _, _ in m.rsp.features()]
        m.rsp.set_register(names.index('cr3'), 0x10000)
        m.rsp.set_register(names.index('cr0'), 0x80000011)
        equal('a mapped page', m.rsp.read(0x400000, 11), b'mapped page')
        m.rsp.write(0x400000, b'M')
        equal('a hole', m.rsp.ask('m401000,4'), 'E14')
        equal('writing a hole', m.rsp.ask('M401000,1:00'), 'E14')
        equal('over the end of a page', m.rsp.ask('m400ffe,4'), 'E14')
        m.rsp.good('Qqemu.PhyMemMode:1')
        equal('physical memory', m.rsp.read(0x5000, 6), b'Mapped')
        m.rsp.write(0x401000, b'x')
        equal('physical memory', m.rsp.read(0x401000, 1), b'x')


@test('binary writes')
def binary():
    ours_only('X packet')
    with Machine(BIN, ARGS) as m:
        data = bytes(range(256))
        quoted = b''.join(b'}' + bytes([b ^ 0x20]) if b in b'#$}*' else bytes([b]) for b in data)
        m.rsp.good(b'X2000,100:' + quoted)
        equal('what was written', m.rsp.read(0x2000, 256), data)
        m.rsp.good('X2000,0:')
        for packet in ('X2000,2:a', 'X2000,1:ab', 'X2000,1', 'X2000,1:}'):
            equal(packet, m.rsp.ask(packet), 'OK' if packet.endswith('}') else 'E22')


@test('framing: acknowledgements, checksums, repetition, pieces')
def framing():
    with Machine(BIN, ARGS) as m:
        r = m.rsp
        r.raw(b'$qC#00')
        equal('a wrong checksum', r.byte(), b'-')
        r.raw(b'+++zz$qC#b4')
        equal('noise before a packet', r.byte(), b'+')
        equal('noise before a packet', r.receive(), 'QC01')
        for b in Rsp.frame('qC'):
            r.raw(bytes([b]))
            time.sleep(0.005)
        equal('byte by byte', r.receive(), 'QC01')
        r.acks = False
        r.send('qAttached')
        equal('acknowledged', r.byte(), b'+')
        equal('reply', r.receive(), '1')
        r.raw(b'-')
        equal('repeated', r.receive(), '1')
        r.raw(b'+')
        r.raw(Rsp.frame('qC') + Rsp.frame('qAttached'))
        equal('the first of two', r.receive(), 'QC01')
        r.raw(b'+')
        equal('the second', r.receive(), '1')
        r.raw(b'+')
        if DEBIAN:
            return
        r.raw(Rsp.frame('m0,' + '0' * 8000))
        equal('a packet that is too long', r.byte(), b'-')
        equal('QStartNoAckMode', r.ask('QStartNoAckMode'), 'OK')
        r.raw(b'+' + Rsp.frame('qC'))
        equal('without acknowledgement', r.byte(), b'$')


@test('monitor commands')
def monitor():
    with Machine(BIN, ARGS) as m:
        m.rsp.send('qRcmd,' + 'info version'.encode().hex())
        text = ''
        while (got := m.rsp.receive()) != 'OK':
            equal('kind of packet', got[0], 'O')
            text += bytes.fromhex(got[1:]).decode()
        if not re.match(r'\d+\.\d+\.\d+', text):
            raise RspError(f'info version: {text!r}')
        if not DEBIAN:  # which runs what is no hexadecimal, and loses its line here
            equal('no hexadecimal', m.rsp.ask('qRcmd,zz'), 'E22')
            m.rsp.send('qRcmd,' + 'gdbserver none'.encode().hex())
            equal('its own line', m.rsp.receive()[0], 'O')
            equal('its own line', m.rsp.receive(), 'OK')
        m.rsp.send('qRcmd,' + 'info mtree'.encode().hex())
        size = 0
        while (got := m.rsp.receive()) != 'OK':
            size += len(got) // 2
        if size < 3000:
            raise RspError(f'info mtree: {size} bytes')


@test('breakpoints need an accelerator that runs CPUs')
def points():
    with Machine(BIN, ARGS) as m:
        if ACCEL == 'qtest':
            for kind in range(5):
                equal(f'Z{kind}', m.rsp.ask(f'Z{kind},1000,1'), '')
            return
        for kind in range(5):
            if ACCEL == 'kvm' and kind == 3:
                continue
            m.rsp.good(f'Z{kind},1000,1')
            m.rsp.good(f'z{kind},1000,1')
            equal('one that is not there', m.rsp.ask(f'z{kind},1000,1'), 'E22')
        for packet in ('Z', 'Z0', 'Z0,', 'Z0,1000', 'Z0,1000,') + (() if DEBIAN else ('Z0;1000,1',)):
            equal(packet, m.rsp.ask(packet), 'E22')


@test('a debugger that comes stops the machine, D lets it go on')
def comes_and_goes():
    with Machine(BIN, ARGS, running=True) as m:
        m.wait_event('STOP')
        equal('state', m.state(), 'paused')
        if DEBIAN:  # which reports a stop that nobody waits for
            m.rsp.receive()
        m.rsp.good('D')
        m.wait_event('RESUME')
        equal('state', m.state(), 'running')
        m.events.clear()
        m.rsp.interrupt()
        m.wait_event('STOP')
        equal('state', m.state(), 'paused')
        m.clients.pop().close()
        time.sleep(0.2)
        equal('state after the connection ended', m.state(), 'paused')
        m.qmp('cont')
        again = m.connect()
        if DEBIAN:
            again.receive()
        equal('a second debugger', again.ask('?'), 'T05thread:01;')
        equal('state', m.state(), 'paused')


@test('stops of other causes are reported to who waits')
def other_stops():
    with Machine(BIN, ARGS) as m:
        m.rsp.send('c')
        m.wait_event('RESUME')
        m.qmp('stop')
        if not re.fullmatch('T02thread:0[0-9];', got := m.rsp.receive()):
            raise RspError(f'after stop: {got!r}')
        if not DEBIAN:  # which reports this one too
            m.qmp('cont')
            m.qmp('stop')
        m.rsp.send('vCont;c')
        m.rsp.interrupt()
        reply = m.rsp.receive()
        if not re.fullmatch('T02thread:0[0-9];', reply):
            raise RspError(f'after ^C: {reply!r}')
        equal('qC', m.rsp.ask('qC'), 'QC01')


@test('k ends the process, so does vKill; an end is told')
def kill():
    for packet in ('k', 'vKill;1'):
        if packet != 'k' and DEBIAN:
            continue
        with Machine(BIN, ARGS) as m:
            m.rsp.send(packet)
            equal(packet, m.wait_exit(), 0)
            if 'QEMU: Terminated via GDBstub' not in m.stderr():
                raise RspError(f'said {m.stderr()!r}')
    with Machine(BIN, ARGS) as m:
        equal('?', m.rsp.ask('?'), 'T05thread:01;')
        m.qmp('quit')
        equal('the last packet', m.rsp.receive(), 'W00')


@test('gdbserver in the monitor')
def from_monitor():
    with Machine(BIN, ARGS) as m:
        m.hmp('gdbserver none')
        try:
            m.rsp.byte(5)
            raise RspError('the connection goes on')
        except RspError as e:
            if 'goes on' in str(e):
                raise
        with socket.socket() as s:  # a free port
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        device = f'tcp:127.0.0.1:{port}'
        got = m.hmp(f'gdbserver {device}')
        if got.strip() != f"Waiting for gdb connection on device '{device}'":
            raise RspError(f'gdbserver: {got!r}')
        equal('over TCP', m.connect(('127.0.0.1', port)).ask('qC'), 'QC01')
        if DEBIAN:
            return
        got = m.hmp('gdbserver nonsense')
        if 'nonsense' not in got:
            raise RspError(f'gdbserver nonsense: {got!r}')


@test('-gdb stdio')
def stdio():
    with Machine(BIN, ARGS, gdb='stdio') as m:
        a, b = socket.socketpair()
        with a, b:
            m.process.stdin.write(Rsp.frame('qC'))
            m.process.stdin.flush()
            equal('reply', m.process.stdout.read(9), b'+$QC01#f5')


@test('-gdb with what is no device, -gdb none')
def bad_devices():
    for device, text in (('nonsense', 'nonsense'), ('chardev:nobody', 'nobody')):
        done = subprocess.run([BIN, '-display', 'none', '-S', *ARGS, '-gdb', device], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        if done.returncode != 1 or (text not in done.stderr and not (DEBIAN and text == 'nobody')):
            raise RspError(f'-gdb {device}: status {done.returncode}, {done.stderr!r}')
    with Machine(BIN, ARGS, gdb='none') as m:
        equal('state', m.state(), 'prelaunch')


@test('a hostile peer')
def hostile():
    if DEBIAN:
        raise Skip("Debian's 7.2 does not always answer afterwards")
    seed = int(os.environ.get('WALK_SEED', '1'))
    rng = random.Random(seed)
    words = ['qSupported', 'qC', 'g', 'G', 'p', 'P', 'm', 'M', 'X', 'Z0,', 'z1,', 'H', 'Hg', 'T', 'vAttach;', 'qXfer:features:read:target.xml:',
             'qThreadExtraInfo,', 'Qqemu.sstep=', 'Qqemu.PhyMemMode:', 'qfThreadInfo', '?', '!', 'vCont?', 'qRcmd,']
    with Machine(BIN, ARGS + ['-smp', '2']) as m:
        for _ in range(3000):
            packet = rng.choice(words)
            for _ in range(rng.randrange(4)):
                packet += rng.choice([f'{rng.getrandbits(rng.choice([4, 8, 16, 32, 64, 70])):x}', ',', ':', ';', '=', '-1', 'p1.1', '}', '*',
                                      'f' * rng.randrange(2000), chr(rng.randrange(1, 256)), '-', '.'])
            if packet.startswith('qRcmd,'):
                packet = 'qRcmd,' + ''.join(rng.choice('0123456789abcdefg') for _ in range(rng.randrange(9)))
            if packet[0] in 'MX':  # not into devices: what they do is their tests' concern
                packet = packet[0] + f'{rng.randrange(0x80000):x},' + packet[1:]
            m.rsp.raw(Rsp.frame(packet.replace('#', '').replace('$', '')))
            if rng.randrange(20) == 0:
                m.rsp.raw(bytes(rng.choice(b'+-\x03zq#') for _ in range(rng.randrange(8))))
            m.rsp.buffer = b''
            m.rsp.sock.setblocking(False)
            try:
                m.rsp.sock.recv(1 << 20)
            except BlockingIOError:
                pass
            m.rsp.sock.setblocking(True)
        m.clients.pop().close()
        again = m.connect()
        equal('still there', again.ask('qAttached'), '1')
        equal('status of the process', m.process.poll(), None)


@test('gdb: registers, memory, threads, monitor')
def with_gdb():
    with Machine(BIN, ARGS + ['-smp', '2']) as m:
        m.clients.pop().close()
        got = gdb_batch([f'target remote {m.folder}/gdb', 'info threads', 'p/x $cs', 'p $eflags', 'p/x $mxcsr', 'p/x $cr0', 'info registers rip',
                         'set var $rbx = 0x12345678', 'p/x $rbx', 'set {int}0x1000 = 0x55aa', 'x/wx 0x1000', 'thread 2', 'p/x $rip', 'p $st0',
                         'p $xmm3.v4_int32', 'monitor info status', 'detach'])
        if got is None:
            raise Skip('gdb is not installed')
        for pattern in (r'\* 1 +Thread 1\.1 \(CPU#0 ', r' 2 +Thread 1\.2 \(CPU#1 ', r'= 0xf000\b', r'= 0x1f80|IM DM', r'= 0x60000010', r'= 0x12345678',
                        r'0x1000:\s+0x000055aa', r'= \{0, 0, 0, 0\}', r'VM status: paused', r'Inferior 1 \(process 1\) detached'):
            if not re.search(pattern, got):
                raise RspError(f'gdb printed no {pattern!r}:\n{got}')


def main():
    chosen = [t for t in tests if len(sys.argv) < 2 or any(w in t[0] for w in sys.argv[1:])]
    failed = 0
    print(f'1..{len(chosen)}')
    for i, (name, fn) in enumerate(chosen, 1):
        try:
            fn()
            print(f'ok {i} - {name}', flush=True)
        except Skip as e:
            print(f'ok {i} - {name} # SKIP {e}', flush=True)
        except (RspError, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as e:
            failed += 1
            print(f'not ok {i} - {name}')
            for line in f'{type(e).__name__}: {e}'.splitlines():
                print('#', line, flush=True)
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
