#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A debugger on a guest that runs (guests/gdb.c): breakpoints, watchpoints, steps, two CPUs, in every mode that the guest passes. TAP.

usage: gdb.py BINARY GUESTS ACCELERATOR [WORD...]    points whose name has one of the words

Runs beside Debian's binary too (gdb.py /usr/bin/qemu-system-x86_64 build/tests/boot tcg). What KVM cannot do without VMX or SVM, or at
all, is skipped by name.
"""
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'qtest'))
# pylint: disable=wrong-import-position
from rsp import Machine, RspError, gdb_batch, symbols  # noqa: E402
from serialguest import Tap, native_kvm, serves  # noqa: E402

RAX, RCX, RDI, RSP_, RIP, EFLAGS, CS = 0, 2, 5, 7, 16, 17, 18
LIMIT = 60


class Skip(Exception):
    """Why this point is not run here."""


class Debugged(Machine):
    """The guest under a debugger that has read the description, as gdb does."""

    def __init__(self, setup, cpus=1):
        self.symbols, self.accel = setup.symbols, setup.accel
        super().__init__(setup.binary, ['-accel', setup.command_accel, '-machine', 'pc', '-cpu', 'max', '-m', '16', '-smp', str(cpus), '-bios', setup.image,
                                        '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'])
        self.rsp.features()

    def at(self, name):
        return self.symbols[name]

    def var(self, name):
        return self.rsp.word(self.at(name))

    def rip(self):
        return self.rsp.register(RIP)

    def expect(self, what, got, want):
        if got != want:
            names = {v: k for k, v in self.symbols.items()}
            show = [f'{x:#x} ({names[x]})' if isinstance(x, int) and x in names else repr(x) for x in (got, want)]
            raise RspError(f'{what}: {show[0]}, not {show[1]}')

    def go(self, packet='c', limit=LIMIT):
        return self.rsp.ask(packet, limit)

    def stop_at(self, name, kind=1, thread=1):
        """A breakpoint, on to it, and away with it."""
        self.rsp.good(f'Z{kind},{self.at(name):x},1')
        got = self.go()
        self.expect(f'the stop at {name}', got, f'T05thread:{thread:02x};')
        self.rsp.good(f'Hg{thread}')
        self.expect('RIP', self.rip(), self.at(name))
        self.rsp.good(f'z{kind},{self.at(name):x},1')

    def step(self, limit=LIMIT):
        got = self.go('vCont;s:1;c', limit)
        self.expect('the stop after a step', got, 'T05thread:01;')
        return self.rip()


class Setup:
    def __init__(self, binary, guests, accel):
        self.binary, self.accel = binary, accel
        self.image, self.elf = os.path.join(guests, 'gdb.bin'), os.path.join(guests, 'gdb.elf')
        self.symbols = symbols(self.elf)
        self.symbols['reset'] = 0xfff0  # as RIP shows it
        self.debian = binary.startswith('/usr/bin/')
        self.command_accel = 'kvm,assist=off' if accel == 'kvm' and not self.debian else accel

    def native(self):
        """Whether the accelerator has what a processor has."""
        return self.accel != 'kvm' or native_kvm()


def software(s):
    with Debugged(s) as m:
        at = m.at('plain')
        m.stop_at('main')
        m.rsp.good(f'Z0,{at:x},1')
        for i in range(4):
            m.expect('the stop', m.go(), 'T05thread:01;')
            m.expect('RIP', m.rip(), at)
            m.expect('times that it ran', m.var('counter'), i)
            m.expect('the instruction below it', m.rsp.read(at, 2), b'\x48\xba')
            # As gdb goes on: without the breakpoint for one instruction.
            m.rsp.good(f'z0,{at:x},1')
            m.step()
            m.rsp.good(f'Z0,{at:x},1')
        m.rsp.good(f'z0,{at:x},1')


def hardware(s):
    with Debugged(s) as m:
        m.stop_at('main')
        for i, name in enumerate(('store', 'fetch', 'straight', 'plain')):
            m.rsp.good(f'Z1,{m.at(name):x},1')
        for i in range(8):
            name = ('plain', 'store', 'fetch', 'straight')[i % 4]
            m.expect('the stop', m.go(), 'T05thread:01;')
            m.expect('RIP', m.rip(), m.at(name))
            m.rsp.good(f'z1,{m.at(name):x},1')
            m.step()
            m.rsp.good(f'Z1,{m.at(name):x},1')


def stays(s):
    """A CPU that stands at a breakpoint does not run over it."""
    with Debugged(s) as m:
        m.stop_at('plain')
        before = m.var('counter')
        for kind in (1, 0):
            m.rsp.good(f'Z{kind},{m.at("plain"):x},1')
            m.expect('the stop', m.go(), 'T05thread:01;')
            m.expect('RIP', m.rip(), m.at('plain'))
            m.rsp.good(f'z{kind},{m.at("plain"):x},1')
        m.expect('counter', m.var('counter'), before)


def watch(kind, word, size, stops):
    def point(s):
        if s.accel == 'kvm' and kind == 3:
            raise Skip('x86 has no watchpoint for reads alone')
        if not s.native():
            raise Skip("KVM without VMX or SVM has no watchpoints")
        with Debugged(s) as m:
            m.stop_at('plain')
            at = m.at('watched')
            m.rsp.good(f'Z{kind},{at:x},{size}')
            for i in range(6):
                m.expect('the stop', m.go(), f'T05thread:01;{word}:{at:016x};')
                m.expect('RIP', m.rip(), m.at(stops[i % len(stops)]))
            m.rsp.good(f'z{kind},{at:x},{size}')
            if kind != 3:
                m.expect('watched', m.var('watched'), m.var('counter'))
            m.stop_at('plain')
    return point


def neighbours(s):
    """What is beside a watched range is not watched."""
    if not s.native():
        raise Skip("KVM without VMX or SVM has no watchpoints")
    with Debugged(s) as m:
        m.stop_at('plain')
        at = m.at('watched')
        m.rsp.good(f'Z4,{at - 4:x},4')
        m.rsp.good(f'Z4,{at + 8:x},4')
        m.rsp.good(f'Z1,{m.at("straight"):x},1')
        m.expect('the stop', m.go(), 'T05thread:01;')
        m.expect('RIP', m.rip(), m.at('straight'))
        m.rsp.good(f'z1,{m.at("straight"):x},1')
        m.rsp.good(f'z4,{at + 8:x},4')
        m.rsp.good(f'z4,{at - 4:x},4')
        m.rsp.good(f'Z2,{at + 7:x},1')  # its last byte is
        got = m.go()
        if not re.fullmatch(f'T05thread:01;watch:({at:016x}|{at + 7:016x});', got):
            raise RspError(f'a write over the last byte: {got!r}')


def steps(s):
    with Debugged(s) as m:
        m.stop_at('straight')
        back = m.rsp.word(m.rsp.register(RSP_))
        for name in ('s1', 's2', 's4', 's6', 's5'):
            m.expect('RIP', m.step(), m.at(name))
        m.expect('RAX', m.rsp.register(RAX), 0x1234)
        m.expect('RIP', m.step(), back)
        flags = m.rsp.register(EFLAGS)
        if flags & 0x100:
            raise RspError(f'EFLAGS has TF: {flags:#x}')
        # Hc and s are the older way.
        m.stop_at('straight')
        m.rsp.good('Hc1')
        for name in ('s1', 's2'):
            m.expect('the stop', m.go('s'), 'T05thread:01;')
            m.expect('RIP', m.rip(), m.at(name))
        m.expect('the stop', m.go(f's{m.at("s4"):x}'), 'T05thread:01;')
        m.expect('RIP after a step from elsewhere', m.rip(), m.at('s6'))
        # Signals mean nothing to a machine; Debian's 7.2 has no S.
        m.expect('the stop', m.go('s' if s.debian else 'S05'), 'T05thread:01;')
        m.expect('RIP', m.rip(), m.at('s5'))
        m.expect('the stop', m.go('vCont;S05:1;C05'), 'T05thread:01;')
        m.expect('RIP', m.rip(), back)
        m.rsp.good(f'Z1,{m.at("plain"):x},1')
        m.expect('the stop', m.go('C05'), 'T05thread:01;')
        m.expect('RIP', m.rip(), m.at('plain'))


def no_interrupts(s):
    """Steps do not take timer interrupts, unless qemu.sstep says so; the time that passes is the guest's all the same."""
    if not s.native():
        raise Skip('KVM without VMX or SVM does not hold interrupts back')
    with Debugged(s) as m:
        m.stop_at('plain')
        while not m.var('ticks'):
            m.stop_at('plain')
        at = m.at('interrupt')
        m.rsp.good(f'Z1,{at:x},1')
        for _ in range(300):
            if m.step() == at:
                raise RspError('a step took an interrupt')
        m.rsp.good('Qqemu.sstep=1')
        end = time.monotonic() + LIMIT
        while m.step() != at:
            if time.monotonic() > end:
                raise RspError('no interrupt came with qemu.sstep=1')


def modes(s):
    """Real mode, 32-bit protected mode, long mode: from the reset vector."""
    with Debugged(s) as m:
        m.expect('RIP', m.rip(), 0xfff0)
        m.expect('CS', m.rsp.register(CS), 0xf000)
        m.expect('RIP', m.step(), m.at('start16') - 0xf0000)
        kind = 1
        m.rsp.good(f'Z{kind},{m.at("protected"):x},1')
        m.expect('the stop', m.go(), 'T05thread:01;')
        m.expect('RIP', m.rip(), m.at('protected'))
        m.rsp.good(f'z{kind},{m.at("protected"):x},1')
        m.expect('CS', m.rsp.register(CS), 0x18)
        m.step()
        m.expect('RAX', m.rsp.register(RAX), 0x10)
        m.stop_at('long_mode')
        m.expect('CS', m.rsp.register(CS), 8)


def changes(s):
    """Registers and memory that the debugger changes are what the guest goes on with."""
    with Debugged(s) as m:
        m.stop_at('plain')
        m.rsp.write(m.at('counter'), (1000000).to_bytes(8, 'little'))
        m.stop_at('store')
        m.expect('RDI', m.rsp.register(RDI), 1000001)
        m.rsp.set_register(RDI, 0x123456789)
        m.stop_at('fetch')
        m.expect('watched', m.var('watched'), 0x123456789)
        m.stop_at('straight')
        m.expect('fetched', m.var('fetched'), 0x123456789)
        m.rsp.set_register(RIP, m.at('s5'))
        m.stop_at('plain')
        # New code: the breakpoint's place is written meanwhile.
        m.rsp.write(m.at('s1') + 1, (0x4321).to_bytes(4, 'little'))
        m.stop_at('s2')
        m.expect('RAX', m.rsp.register(RAX), 0x4321)
        m.rsp.write(m.at('finish'), (7).to_bytes(8, 'little'))
        m.rsp.send('c')
        m.expect('exit status', m.wait_exit(LIMIT), 15)
        if not s.debian:
            m.expect('the last packet', m.rsp.receive(), 'W0f')


def interrupted(s):
    with Debugged(s) as m:
        m.stop_at('plain')
        m.events.clear()
        m.rsp.send('c')
        m.wait_event('RESUME')
        time.sleep(0.3)
        m.rsp.interrupt()
        m.expect('the stop', m.rsp.receive(LIMIT), 'T02thread:01;')
        m.expect('state', m.state(), 'paused')
        before = m.var('counter')
        time.sleep(0.2)
        m.expect('counter of a stopped guest', m.var('counter'), before)


def states(s):
    with Debugged(s) as m:
        m.expect('state', m.state(), 'prelaunch')
        m.stop_at('plain')
        m.expect('state', m.state(), 'debug')
        if 'STOP' not in m.events or 'RESUME' not in m.events:
            raise RspError(f'events: {m.events}')
        m.rsp.good(f'Z1,{m.at("plain"):x},1')
        m.rsp.good('D')
        time.sleep(0.3)
        m.expect('state after D', m.state(), 'running')
        counts = []
        for _ in range(2):
            m.clients.pop().close()
            again = m.connect()
            if s.debian:  # which reports a stop that nobody waits for
                again.receive()
            counts.append(again.word(m.at('counter')))
            again.good('D')
            time.sleep(0.3)
        if counts[0] == counts[1]:
            raise RspError('the guest stands still after D')
        # A connection that ends takes its breakpoints along and leaves the guest running.
        m.clients.pop().close()
        if s.debian:
            return
        again = m.connect()
        again.good(f'Z1,{m.at("interrupt"):x},1')
        m.expect('the stop', again.ask('c'), 'T05thread:01;')
        again.good(f'z1,{m.at("interrupt"):x},1')
        again.good(f'Z1,{m.at("s3"):x},1')
        again.send('c')
        m.events.clear()
        m.clients.pop().close()
        m.wait_event('RESUME')
        time.sleep(0.3)
        m.expect('state after the connection ended', m.state(), 'running')


def two_cpus(s):
    with Debugged(s, 2) as m:
        # Linux' way: a breakpoint that another CPU meets.
        m.stop_at('ap_step', thread=2)
        if not s.debian:
            m.expect('qC', m.rsp.ask('qC'), 'QC02')
        m.expect('thread', m.rsp.ask('?'), 'T05thread:02;')
        m.rsp.good('Hg1')
        if m.rip() == m.at('ap_step'):
            raise RspError('CPU 1 is where CPU 2 is')
        m.stop_at('plain')
        m.stop_at('ap_step', thread=2)
        # A step of one while the other goes on.
        m.expect('the stop', m.go('vCont;s:2;c'), 'T05thread:02;')
        m.rsp.good('Hg2')
        if m.rip() == m.at('ap_step'):
            raise RspError('CPU 2 has not moved')


def held_cpus(s):
    """vCont of one CPU leaves the other where it is."""
    with Debugged(s, 2) as m:
        m.stop_at('ap_step', thread=2)
        m.stop_at('plain')
        ap = m.var('ap_counter')
        for _ in range(20):
            m.expect('the stop', m.go('vCont;s:1'), 'T05thread:01;')
        m.expect('counter of the CPU that is held', m.var('ap_counter'), ap)
        count = m.var('counter')
        m.events.clear()
        m.rsp.send('vCont;c:2')
        m.wait_event('RESUME')
        time.sleep(0.3)
        m.rsp.interrupt()
        m.rsp.receive(LIMIT)
        m.expect('counter of the CPU that is held', m.var('counter'), count)
        if m.var('ap_counter') == ap:
            raise RspError('CPU 2 did not run')


def own_traps(s):
    """The guest's INT3 and TF are its own while a debugger is there."""
    if not s.native():
        raise Skip('KVM without VMX or SVM cannot emulate INT3')
    with Debugged(s) as m:
        m.stop_at('straight')
        m.rsp.write(m.at('straight'), b'\xcc')
        m.rsp.good(f'Z0,{m.at("s5"):x},1')
        m.rsp.good(f'Z1,{m.at("interrupt"):x},1')
        # On a busy host there would be a tick at each continue, for ever.
        m.rsp.set_register(EFLAGS, m.rsp.register(EFLAGS) & ~0x200, 4)
        m.expect('the stop', m.go(), 'T05thread:01;')
        m.expect('RIP after INT3', m.rip(), m.at('interrupt'))
        m.expect('vector', m.rsp.word(m.rsp.register(RDI) + 15 * 8), 3)


def with_gdb(s):
    with Debugged(s, 2) as m:
        m.clients.pop().close()
        got = gdb_batch([f'file {s.elf}', f'target remote {m.folder}/gdb', 'hbreak *main', 'continue', 'delete', 'break *store', 'continue',
                         'p *(unsigned long *)&counter', 'continue', 'p *(unsigned long *)&counter', 'delete', 'break *straight', 'continue', 'stepi', 'x/i $pc', 'stepi', 'p $rax',
                         'delete', 'break *ap_step', 'continue', 'info threads', 'delete', 'p $_thread', 'set {long}&finish = 3', 'continue'], LIMIT * 2)
        if got is None:
            raise Skip('gdb is not installed')
        for pattern in (r'\$1 = 1\b', r'\$2 = 2\b', r's1.*mov +\$0x1234,%eax', r'\$3 = 4660', r'\* 2 +Thread 1\.2 ', r'\$4 = 2', *(() if s.debian else (r'exited with code 07',))):
            if not re.search(pattern, got):
                raise RspError(f'gdb printed no {pattern!r}:\n{got}')


def watch_with_gdb(s):
    if not s.native():
        raise Skip("KVM without VMX or SVM has no watchpoints")
    with Debugged(s) as m:
        m.clients.pop().close()
        got = gdb_batch([f'file {s.elf}', f'target remote {m.folder}/gdb', 'hbreak *plain', 'continue', 'delete', 'watch *(long *)&watched', 'continue', 'continue',
                         'x/i $pc', 'delete', 'awatch *(long *)&fetched', 'continue'], LIMIT * 2)
        if got is None:
            raise Skip('gdb is not installed')
        for pattern in (r'Old value = 0\s+New value = 1\b', r'Old value = 1\s+New value = 2\b', r'<stored>', r'watchpoint 3: .*fetched'):
            if not re.search(pattern, got):
                raise RspError(f'gdb printed no {pattern!r}:\n{got}')


POINTS = {
    'software breakpoints': software,
    'hardware breakpoints': hardware,
    'a CPU stays at a breakpoint': stays,
    'write watchpoint': watch(2, 'watch', 8, ['stored']),
    'read watchpoint': watch(3, 'rwatch', 8, ['loaded']),
    'access watchpoint': watch(4, 'awatch', 8, ['stored', 'loaded']),
    'a watchpoint of a part': watch(2, 'watch', 1, ['stored']),
    'ranges of watchpoints': neighbours,
    'single steps': steps,
    'steps and interrupts': no_interrupts,
    '16, 32 and 64-bit code': modes,
    'changes take effect, the end is told': changes,
    'interrupt from the debugger': interrupted,
    'run states, events, detach': states,
    'two CPUs': two_cpus,
    'CPUs that are held': held_cpus,
    "the guest's own INT3": own_traps,
    'gdb': with_gdb,
    'gdb, watchpoints': watch_with_gdb,
}


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    s = Setup(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3])
    names = [n for n in POINTS if len(sys.argv) < 5 or any(w in n for w in sys.argv[4:])]
    tap = Tap(names)
    if not serves(s.binary, s.accel):
        for _ in names:
            tap.skip(f'{os.path.basename(s.binary)} has no -accel {s.accel} here')
        return 0
    with Debugged(s) as m:
        takes = m.rsp.ask('Z1,1000,1') == 'OK'
    for name in names:
        if not takes:
            tap.skip(f'-accel {s.accel} takes no breakpoints')
            continue
        try:
            POINTS[name](s)
            tap.ok()
        except Skip as e:
            tap.skip(str(e))
        except (RspError, OSError, ValueError, subprocess.TimeoutExpired) as e:
            tap.fail(f'{type(e).__name__}: {e}')
    return tap.failed > 0


if __name__ == '__main__':
    sys.exit(main())
