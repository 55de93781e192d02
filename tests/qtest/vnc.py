#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
VNC: a client of our own (rfb.py) against the whole binary under -accel qtest. The VGA's linear mode is set by the qtest protocol, so that
every pixel is known; what a viewer shows is compared with screendump, what it presses is read from the keyboard controller. TAP.
"""
import array
import base64
import ctypes
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import time

import rfb

BIN = os.environ.get('QTEST_QEMU_BINARY', 'build/qemu-system-x86_64')
PATIENCE = int(os.environ.get("VNC_PATIENCE", "60"))
LFB = 0xe0000000


class Skip(Exception):
    """What this machine or build cannot do."""


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def free_display():
    """A display whose port, and whose websocket's, nobody listens on."""
    while True:
        n = random.randrange(200, 20000)
        try:
            for port in (5900 + n, 5700 + n):
                with socket.socket() as s:
                    s.bind(('127.0.0.1', port))
            return n
        except OSError:
            pass


class VM:
    def __init__(self, *args, vga=True, display=('-display', 'none'), stderr=False, binary=BIN):
        self.dir = tempfile.TemporaryDirectory()
        self.listeners = {}
        for name in ('qmp', 'qtest'):
            s = self.listeners[name] = socket.socket(socket.AF_UNIX)
            s.bind(self.path(name))
            s.listen(1)
            s.settimeout(PATIENCE)
        # pylint: disable=consider-using-with
        err = open(self.path('stderr'), 'wb') if stderr else None
        self.process = subprocess.Popen(
            [binary, '-nodefaults', *display, '-accel', 'qtest', '-qtest', 'unix:' + self.path('qtest'), '-qtest-log', '/dev/null', '-m', '16', '-vga',
             'std' if vga else 'none', '-chardev', f'socket,id=q,path={self.path("qmp")}', '-mon', 'chardev=q,mode=control', *args],
            stdin=subprocess.DEVNULL, stderr=err)
        if err:
            err.close()
        self.qtest = self.accept('qtest').makefile('rw')
        self.qmp_socket = self.accept('qmp')
        self.qmp_lines = self.qmp_socket.makefile('rb')
        self.events = []
        self.qmp_lines.readline()
        self.ask('qmp_capabilities')

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def stderr(self):
        with open(self.path('stderr'), encoding='utf-8') as f:
            return f.read()

    def said(self, pattern):
        """The groups of a pattern that comes on standard error."""
        found = []
        until(lambda: found.append(re.search(pattern, self.stderr())) or found[-1], pattern)
        return found[-1].groups()

    def accept(self, name):
        s = self.listeners[name].accept()[0]
        s.settimeout(PATIENCE)
        return s

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = 'none: it hung at SIGTERM'
        self.dir.cleanup()
        if not exc[0]:
            check(status == 0, f'exit status {status}')

    def command(self, name, fds=(), **arguments):
        data = json.dumps({'execute': name, 'arguments': arguments}).encode()
        self.qmp_socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else [])
        while True:
            reply = json.loads(self.qmp_lines.readline())
            if 'event' in reply:
                self.events.append(reply)
            else:
                return reply

    def ask(self, name, **arguments):
        reply = self.command(name, **arguments)
        if 'error' in reply:
            raise AssertionError(f'{name}: {reply["error"]["desc"]}')
        return reply['return']

    def error(self, name, **arguments):
        return self.command(name, **arguments).get('error', {}).get('desc')

    def hmp(self, line):
        return self.ask('human-monitor-command', **{'command-line': line})

    def event(self, name, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while True:
            for i, e in enumerate(self.events):
                if e['event'] == name:
                    return self.events.pop(i).get('data')
            check(time.monotonic() < end, f'no event {name}')
            self.ask('query-status')
            time.sleep(0.02)

    def q(self, line):
        self.qtest.write(line + '\n')
        self.qtest.flush()
        answer = self.qtest.readline().split()
        check(answer[:1] == ['OK'], f'{line}: {answer}')
        return int(answer[1], 0) if len(answer) > 1 else None

    def mode(self, width, height):
        """32 bits a pixel, the frame buffer at LFB. The VGA is device 2 of bus 0."""
        for reg, value in ((0x10, LFB), (0x04, 3)):
            self.q(f'outl 0xcf8 {0x80001000 | reg:#x}')
            self.q(f'outl 0xcfc {value:#x}')
        for index, value in ((4, 0), (1, width), (2, height), (3, 32), (4, 0x41)):
            self.q(f'outw 0x1ce {index}')
            self.q(f'outw 0x1d0 {value}')
        self.q('outb 0x3c0 0x20')  # the attribute controller shows
        self.width, self.height = width, height

    def draw(self, x, y, pixels):
        """One line of pixels."""
        data = struct.pack(f'<{len(pixels)}I', *pixels)
        self.q(f'write {LFB + (y * self.width + x) * 4:#x} {len(data)} 0x{data.hex()}')

    def pattern(self, seed=1):
        """Flat parts, text-like parts, gradients, noise."""
        r = random.Random(seed)
        w, h = self.width, self.height
        for y in range(h):
            line = [0x203040] * (w // 4)
            line += [0xffffff if r.random() < 0.3 else 0 for _ in range(w // 4)]
            line += [(x * 5 & 255) << 16 | (y * 3 & 255) << 8 | 77 for x in range(w // 4)]
            line += [r.randrange(1 << 24) for _ in range(w - len(line))]
            self.draw(0, y, line)

    def dump(self):
        self.ask('screendump', filename=self.path('dump'))
        with open(self.path('dump'), 'rb') as f:
            _, size, _, pixels = f.read().split(b'\n', 3)
        return tuple(map(int, size.split())), pixels

    def keyboard(self):
        for port, value in ((0x64, 0xae), (0x64, 0x60), (0x60, 0x43), (0x60, 0xf4)):
            self.q(f'outb {port:#x} {value:#x}')
        self.scancodes()

    def scancodes(self, at_least=0, seconds=PATIENCE):
        """What the keyboard controller has, (byte, from the mouse) each."""
        out, end = [], time.monotonic() + seconds
        while True:
            status = self.q('inb 0x64')
            if status & 1:
                out.append((self.q('inb 0x60'), bool(status & 0x20)))
            elif len(out) >= at_least or time.monotonic() > end:
                return out
            else:
                time.sleep(0.005)


def connect(n, **more):
    return rfb.Client(socket.create_connection(('127.0.0.1', 5900 + n), PATIENCE), **more)


def refused(*args, **more):
    try:
        connect(*args, **more).close()
    except PermissionError as e:
        return str(e)
    except (rfb.Closed, ConnectionError):
        return 'closed'
    return None


def until(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f'{what}: not within {seconds} s')
        time.sleep(0.01)


def versions_and_events():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}', '-name', 'some guest') as vm:
        for version, minor in ((b'RFB 003.003\n', 3), (b'RFB 003.005\n', 3), (b'RFB 003.007\n', 7), (b'RFB 003.008\n', 8), (b'RFB 003.889\n', 8)):
            c = connect(n, version=version)
            check(c.kind == 1 and c.name == 'QEMU (some guest)', f'{version}: {c.kind} {c.name}')
            e = vm.event('VNC_CONNECTED')
            want = {'auth': 'none', 'family': 'ipv4', 'service': str(5900 + n), 'host': '127.0.0.1', 'websocket': False}
            port = str(c.sock.getsockname()[1])
            client = {'family': 'ipv4', 'service': port, 'host': '127.0.0.1', 'websocket': False}
            check(e == {'server': want, 'client': client}, f'VNC_CONNECTED {e}')
            check(vm.event('VNC_INITIALIZED') == e, 'VNC_INITIALIZED')
            check(vm.ask('query-vnc') == {'enabled': True, 'auth': 'none', 'family': 'ipv4', 'clients': [client], 'service': str(5900 + n),
                                          'host': '127.0.0.1'}, 'query-vnc')
            del want['auth']
            check(vm.ask('query-vnc-servers') == [{'auth': 'none', 'clients': [client], 'server': [{**want, 'auth': 'none'}], 'id': 'default'}],
                  'query-vnc-servers')
            check(f'  Client: 127.0.0.1:{port} (ipv4)' in vm.hmp('info vnc'), 'info vnc')
            c.close()
            check(vm.event('VNC_DISCONNECTED') == e, 'VNC_DISCONNECTED')
            until(lambda: vm.ask('query-vnc')['clients'] == [], 'the client goes')
        for bad in (b'RFB 004.000\n', b'RFB 003.001\n', b'GET / HTTP/1', b'\0' * 12):
            check(refused(n, version=bad) is not None if bad[:3] == b'RFB' else True, f'{bad}')
        with socket.create_connection(('127.0.0.1', 5900 + n)) as s:
            s.settimeout(PATIENCE)
            s.sendall(b'GET / HTTP/1.1\r\n\r\n')
            data = b''
            try:
                while chunk := s.recv(100):
                    data += chunk
            except ConnectionError:
                pass  # it has not read all of it
            check(b'HTTP' not in data, f'HTTP on a VNC port: {data}')


def nothing_there():
    with VM() as vm:
        check(vm.ask('query-display-options') == {'type': 'none'}, 'query-display-options')
        check(vm.ask('query-vnc') == {'enabled': False} and vm.ask('query-vnc-servers') == [], 'query-vnc')
        check(vm.hmp('info vnc') == 'None\r\n', 'info vnc')
        check(vm.error('set_password', protocol='vnc', password='x') == 'Could not set password', 'set_password')
        check(vm.error('expire_password', protocol='vnc', time='now') == 'Could not set password expire time', 'expire_password')
        check(vm.hmp('change vnc password abc') == 'Error: Could not set password\r\n', 'change vnc')


def passwords():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n},password=on') as vm:
        check(vm.ask('query-vnc')['auth'] == 'vnc', 'auth')
        check(refused(n, password='') == 'Authentication failed', 'no password is set: none is right')
        vm.ask('set_password', protocol='vnc', password='secret', connected='keep')
        check(refused(n, password='wrong') == 'Authentication failed', 'a wrong one')
        check(refused(n, password='wrong', version=b'RFB 003.003\n'), 'a wrong one, 3.3')
        c = connect(n, password='secret')
        check(c.kind == 2, 'security type')
        connect(n, password='secret', version=b'RFB 003.003\n').close()
        connect(n, password='secret', version=b'RFB 003.007\n').close()
        with socket.create_connection(('127.0.0.1', 5900 + n)) as s:  # asks for None
            s.settimeout(PATIENCE)
            s.sendall(b'RFB 003.008\n')
            check(s.recv(12) == b'RFB 003.008\n' and s.recv(2) == b'\1\2', 'the list')
            s.sendall(b'\1')
            check(s.recv(4) == b'\0\0\0\1', 'None is refused')
        vm.ask('expire_password', protocol='vnc', time='now')
        check(refused(n, password='secret'), 'expired')
        vm.ask('expire_password', protocol='vnc', time='+1000')
        connect(n, password='secret').close()
        vm.ask('expire_password', protocol='vnc', time=str(int(time.time()) - 10))
        check(refused(n, password='secret'), 'expired in the past')
        vm.ask('expire_password', protocol='vnc', time='never')
        check('takes now, never' in vm.error('expire_password', protocol='vnc', time='soon'), 'a time that is none')
        check(vm.error('set_password', protocol='vnc', password='x', connected='fail') == "Invalid parameter 'connected'", 'connected=fail')
        check(vm.error('set_password', protocol='vnc', password='x', display='nope') == 'Could not set password', 'another display')
        vm.ask('change-vnc-password', password='newer')
        connect(n, password='newer').close()
        check(vm.hmp('change vnc password third') == '', 'HMP')
        connect(n, password='third').close()
        check(vm.hmp('set_password vnc fourth') == '', 'HMP set_password')
        connect(n, password='fourth').close()
        check(vm.hmp('set_password vnc fifth -d default keep') == '' and vm.hmp('expire_password vnc never -d default') == '', 'HMP with -d')
        connect(n, password='fifth').close()
        check('Could not set password' in vm.hmp('set_password vnc x -d nope'), 'HMP, another display')
        check(vm.hmp('set_password foo x') == 'Error: invalid parameter value: foo\r\n', 'HMP, another protocol')
        check(vm.hmp('change vnc foo') == "Expected 'password' after 'vnc'\r\n", 'HMP change vnc')
        check(vm.hmp(f'screendump {vm.path("png")} -f png') == '', 'HMP screendump')
        with open(vm.path('png'), 'rb') as f:
            check(f.read(4) == b'\x89PNG', 'a PNG')
        c.key(0x61, True)  # the first is still there
        check(vm.ask('query-vnc')['clients'] != [], 'it stays')


def pictures():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(200, 90)
        vm.pattern()
        size, truth = vm.dump()
        check(size == (200, 90), f'size {size}')
        for encoding in (rfb.RAW, rfb.HEXTILE, rfb.ZLIB, rfb.TIGHT, rfb.ZRLE):
            c = connect(n)
            check((c.width, c.height) == size, f'{encoding}: {c.width}x{c.height}')
            c.encodings(encoding, rfb.LAST_RECT)
            check(c.wait(lambda: c.rgb() == truth, incremental=False), f'encoding {encoding} shows another picture than screendump')
            check(c.rects.get(encoding), f'encoding {encoding} was not used: {c.rects}')
            vm.pattern(encoding + 2)
            truth = vm.dump()[1]
            check(c.wait(lambda: c.rgb() == truth), f'encoding {encoding} after a change')
            c.close()
        for encoding in (rfb.RAW, rfb.HEXTILE, rfb.TIGHT, rfb.ZRLE):
            c = connect(n, bpp=16)
            c.encodings(encoding)
            want = b''.join(struct.pack('<H', (truth[i] * 31 + 127) // 255 << 11 | (truth[i + 1] * 63 + 127) // 255 << 5 | (truth[i + 2] * 31 + 127) // 255)
                            for i in range(0, len(truth), 3))
            floor = b''.join(struct.pack('<H', truth[i] >> 3 << 11 | truth[i + 1] >> 2 << 5 | truth[i + 2] >> 3) for i in range(0, len(truth), 3))
            check(c.wait(lambda: b''.join(map(bytes, c.picture)) in (want, floor), incremental=False), f'encoding {encoding}, 16 bits')
            c.close()


def little_is_sent():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(320, 200)
        vm.pattern()
        c = connect(n)
        c.encodings(rfb.RAW)
        truth = vm.dump()[1]
        check(c.wait(lambda: c.rgb() == truth, incremental=False), 'the picture')
        before = c.received
        vm.draw(100, 50, [0x123456])
        vm.draw(300, 199, [0x654321])
        truth = vm.dump()[1]
        check(c.wait(lambda: c.rgb() == truth), 'the change')
        check(c.received - before <= 2 * 16 * 16 * 4 + 200, f'{c.received - before} bytes for two pixels')
        before = c.received
        vm.pattern()  # the same again, and the two pixels
        truth = vm.dump()[1]
        check(c.wait(lambda: c.rgb() == truth), 'the change back')
        check(c.received - before <= 2 * 16 * 16 * 4 + 200, f'{c.received - before} bytes for the same picture')
        c.close()


def scrolling():
    """What moves up or down is copied; the picture is exact all the same, for viewers with and without CopyRect."""
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(160, 200)
        r = random.Random(3)
        lines = [[r.choice((0, 0xffffff, 0x0000aa)) for _ in range(160)] if y % 20 < 14 else [0] * 160 for y in range(1000)]
        a, b = connect(n), connect(n)
        a.encodings(rfb.COPYRECT, rfb.RAW)
        b.encodings(rfb.RAW)
        top = 300
        for step in (0, 20, 1, 37, -20, -90, 160, 7, 0):
            top += step
            for y in range(200):
                vm.draw(0, y, lines[top + y] if not 60 <= y < 64 else [0x112233] * 160)
            truth = vm.dump()[1]
            for c in (a, b):
                check(c.wait(lambda c=c: c.rgb() == truth), f'scrolled by {step}')
        check(a.rects.get(rfb.COPYRECT, 0) >= 4 and rfb.COPYRECT not in b.rects, f'{a.rects} {b.rects}')
        check(a.received < b.received * 3 / 4, f'{a.received} bytes with CopyRect, {b.received} without')


def scrolling_bytes():
    """Text of two colours that scrolls, for viewers that cannot copy: what they have seen is not sent at length again, and the last picture is there.
    A viewer that wants no compression gets Tight as all know it."""
    n, width, height, rows, steps = free_display(), 320, 192, 12, 16
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(width, height)
        r = random.Random(5)
        glyphs = [[r.getrandbits(8) & r.getrandbits(8) if 2 <= y < 12 else 0 for y in range(16)] for _ in range(26)]
        lines = [[r.randrange(26) if r.random() < 0.85 else -1 for _ in range(36)] for _ in range(rows + steps)]

        def draw(first):
            for y in range(height):
                bits = [glyphs[c][y % 16] if c >= 0 else 0 for c in lines[first + y // 16]]
                vm.draw(0, y, [0xaaaaaa if b >> i & 1 else 0 for b in bits for i in range(8)])
            return vm.dump()[1]
        truth = draw(0)
        # bytes of a step at most: a line that is new and what tells that the others moved
        bounds = {(rfb.TIGHT, rfb.LAST_RECT): 520, (rfb.TIGHT,): 520, (rfb.TIGHT, rfb.LAST_RECT, -256): 520, (rfb.ZRLE,): 900}
        viewers = {e: connect(n) for e in bounds}
        for e, c in viewers.items():
            c.encodings(*e)
            check(c.wait(lambda c=c: c.rgb() == truth, incremental=False), f'{e}: the first picture')
        before = {e: c.received for e, c in viewers.items()}
        for step in range(steps):
            truth = draw(step + 1)
            for e, c in viewers.items():
                check(c.wait(lambda c=c: c.rgb() == truth), f'{e}: after line {step}')
        each = {e: (c.received - before[e]) // steps for e, c in viewers.items()}
        print('#', ', '.join(f'{e}: {v}' for e, v in each.items()), 'bytes a line')
        for e, bytes_ in each.items():
            check(bytes_ < bounds[e], f'{e}: {bytes_} bytes a line')


def resizes():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(160, 100)
        clients = []
        for pseudo in ((rfb.DESKTOP_SIZE,), (rfb.EXT_SIZE,), ()):
            c = connect(n)
            c.encodings(rfb.TIGHT, *pseudo)
            clients.append(c)
        for size in ((320, 240), (64, 400), (800, 600), (24, 3)):
            vm.mode(*size)
            vm.pattern(size[0])
            got, truth = vm.dump()
            check(got == size, f'screendump {got}')
            for c in clients[:2]:
                check(c.wait(lambda: (c.width, c.height) == size and c.rgb() == truth), f'{c.width}x{c.height}, not {size}')
        old = clients[2]  # knows nothing of sizes: what it asks for is cut
        old.request(False)
        old.request(False, 0, 0, 24, 3)
        vm.mode(160, 100)
        vm.pattern()
        truth = vm.dump()[1]
        check(old.wait(lambda: old.rgb() == truth, incremental=False), 'a viewer without resizes')
        # a viewer's wish
        c = clients[1]
        c.sock.sendall(struct.pack('>BxHHBx', 251, 640, 480, 1) + struct.pack('>IHHHHI', 0, 0, 0, 640, 480, 0))
        c.resizes.clear()
        check(c.wait(lambda: c.resizes), 'an answer to SetDesktopSize')


def keys():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n},key-delay-ms=0') as vm:
        vm.keyboard()
        c = connect(n)
        expect = [([0x61], '1e 9e'), ([0xffe1, 0x41], '2a 1e 9e aa'), ([0xff0d], '1c 9c'), ([0xffe3, 0xffe9, 0xffff], '1d 38 e0 53 e0 d3 b8 9d'),
                  ([0x3b], '27 a7'), ([0xffe1, 0x3a], '2a 27 a7 aa'), ([0xffbe], '3b bb'), ([0xffb5], '4c cc'), ([0xff8d], 'e0 1c e0 9c'),
                  ([0xff51], 'e0 4b e0 cb')]
        for syms, codes in expect:
            for s in syms:
                c.key(s, True)
            for s in reversed(syms):
                c.key(s, False)
            want = [int(x, 16) for x in codes.split()]
            got = [b for b, _ in vm.scancodes(len(want))]
            check(got == want, f'{syms}: {bytes(got).hex(" ")}, not {codes}')
        c.encodings(rfb.RAW, rfb.EXT_KEY)
        c.request()
        while not any(p[0] == rfb.EXT_KEY for p in c.pseudo):
            c.update()
        for sym, code, codes in ((0x61, 0x10, '10 90'), (0, 0x9d, 'e0 1d e0 9d'), (0x7a, 0x2c, '2c ac'), (0x61, 0, '')):
            c.ext_key(sym, code, True)
            c.ext_key(sym, code, False)
            want = [int(x, 16) for x in codes.split()]
            got = [b for b, _ in vm.scancodes(len(want))]
            check(got == want, f'ext {code:#x}: {bytes(got).hex(" ")}, not {codes}')
        c.key(0xfe50, True)  # dead_grave: no key has it
        c.key(0x61, False)   # was never pressed
        c.key(0xffe1, True)  # held when the viewer goes
        check([b for b, _ in vm.scancodes(1)] == [0x2a], 'shift')
        c.close()
        check([b for b, _ in vm.scancodes(1)] == [0xaa], 'shift is released when its viewer goes')
        # keyboard lights
        c = connect(n)
        c.encodings(rfb.RAW, rfb.LED_STATE)
        check(c.wait(lambda: c.leds == 0), 'lights')
        vm.q('outb 0x60 0xed')
        vm.q('outb 0x60 0x06')
        check(c.wait(lambda: c.leds == 6), f'lights {c.leds}')


def layout():
    n = free_display()
    try:
        vm = VM('-vnc', f'127.0.0.1:{n},key-delay-ms=0', '-k', 'de')
    except (TimeoutError, socket.timeout, ConnectionError):
        raise Skip('no module for layouts') from None
    with vm:
        vm.keyboard()
        c = connect(n)
        c.encodings(rfb.RAW, rfb.EXT_KEY)
        for sym, codes in ((0x7a, '15 95'), (0x79, '2c ac'), (0xdf, '0c 8c'), (0xf6, '27 a7'), (0x40, '10 90'), (0x23, '2b ab')):
            c.key(sym, True)
            c.key(sym, False)
            got = [b for b, _ in vm.scancodes(2)]
            check(bytes(got).hex(' ') == codes, f'{sym:#x}: {bytes(got).hex(" ")}, not {codes}')
        c.ext_key(0x7a, 0x2c, True)  # -k: the symbol counts
        check([b for b, _ in vm.scancodes(1)] == [0x15], 'the extended key event under -k')


def mouse():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        for port, value in ((0x64, 0xa8), (0x64, 0x60), (0x60, 0x43), (0x64, 0xd4), (0x60, 0xf4)):
            vm.q(f'outb {port:#x} {value:#x}')
        check(vm.scancodes(1) == [(0xfa, True)], 'enabled')
        c = connect(n)

        def packets(send, want):
            send()
            got = [b for b, from_mouse in vm.scancodes(3 * len(want)) if from_mouse]
            check([tuple(got[i:i + 3]) for i in range(0, len(got), 3)] == want, f'{bytes(got).hex(" ")}, not {want}')
        c.pointer(0, 10, 10)
        packets(lambda: c.pointer(0, 15, 12), [(0x28, 5, 0xfe)])
        packets(lambda: c.pointer(1, 15, 12), [(0x09, 0, 0)])
        packets(lambda: c.pointer(0, 15, 12), [(0x08, 0, 0)])
        c.encodings(rfb.RAW, rfb.POINTER_TYPE)
        check(c.wait(lambda: c.absolute is False), 'the pointer is relative')
        packets(lambda: c.pointer(0, 0x7fff + 3, 0x7fff - 4), [(0x08, 3, 4)])
        packets(lambda: c.pointer(4, 0x7fff, 0x7fff), [(0x0a, 0, 0)])
        packets(lambda: vm.hmp('mouse_button 0'), [])
        packets(c.close, [(0x08, 0, 0)])


def sharing():
    for policy, others, refuses in (('allow-exclusive', False, False), ('force-shared', True, True), ('ignore', True, False)):
        n = free_display()
        with VM('-vnc', f'127.0.0.1:{n},share={policy}') as vm:
            first = connect(n)
            vm.event('VNC_INITIALIZED')
            second = connect(n, shared=True)
            vm.event('VNC_INITIALIZED')
            third = connect(n, shared=False)
            count = (2 if others else 0) + (0 if refuses else 1)
            until(lambda: len(vm.ask('query-vnc')['clients']) == count, f'{policy}: {count} clients')
            for c in (first, second, third):
                c.close()
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.keyboard()
        for port, value in ((0x64, 0xa8), (0x64, 0xd4), (0x60, 0xf4)):
            vm.q(f'outb {port:#x} {value:#x}')
        check(vm.scancodes(1) == [(0xfa, True)], 'the mouse')
        first = connect(n)
        vm.event('VNC_INITIALIZED')
        first.key(0xffe3, True)
        check(vm.scancodes(1) == [(0x1d, False)], 'Ctrl')
        first.pointer(1, 0, 0)
        check(vm.scancodes(3) == [(0x09, True), (0, True), (0, True)], 'a button')
        second = connect(n, shared=False)
        got = sorted(vm.scancodes(4, 20))
        check(got == [(0, True), (0, True), (0x08, True), (0x9d, False)], f'what a viewer held that another one replaces: {got}')
        second.close()


def connections():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n},connections=3') as vm:
        kept = [connect(n) for _ in range(2)]
        for _ in range(2):
            vm.event('VNC_INITIALIZED')
        idle = [socket.create_connection(('127.0.0.1', 5900 + n)) for _ in range(20)]  # say nothing
        late = connect(n)
        until(lambda: len(vm.ask('query-vnc')['clients']) == 3, 'three stay')
        for c in kept + [late]:
            c.encodings(rfb.RAW)
            c.request(False)
            check(c.update() or c.update(), 'a picture')
        check(refused(n) == 'closed', 'a fourth')
        for s in idle:
            s.close()


def websocket():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n},websocket=on') as vm:
        vm.mode(200, 90)
        vm.pattern()
        truth = vm.dump()[1]

        def open_ws():
            return rfb.WebSocket(socket.create_connection(('127.0.0.1', 5700 + n), PATIENCE))
        ws = open_ws()
        check(ws.ok, f'handshake: {ws.status}')
        c = rfb.Client(ws)
        e = vm.event('VNC_CONNECTED')
        check(e['client']['websocket'] and e['server']['websocket'] and e['server']['service'] == str(5700 + n), f'{e}')
        c.encodings(rfb.RAW)
        check(c.wait(lambda: c.rgb() == truth, incremental=False), 'the picture')
        ws.frame(9, b'are you there')
        request = struct.pack('>BBHHHH', 3, 0, 0, 0, 200, 90)
        ws.frame(2, request[:3], fin=False)  # a message in pieces, with a ping between
        ws.frame(9, b'')
        ws.frame(0, request[3:7], fin=False)
        ws.frame(0, request[7:])
        check(c.update(), 'an update')
        until(lambda: ws.pongs[:1] == [b'are you there'] or c.request() or c.update() and False, 'a pong')
        ws.frame(8, b'\x03\xe8')
        vm.event('VNC_DISCONNECTED')
        for junk in (b'\x82\x05hello', b'\xf2\x85aaaahello', b'\x80\x80aaaa', b'\x83\x80aaaa', b'\x89\xfe\x01\x00aaaa', b'\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffaaaa'):
            ws = open_ws()
            ws.sock.sendall(junk)
            ws.sock.settimeout(PATIENCE)
            while ws.sock.recv(4096):
                pass
        for text, status in ((b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'426'), (b'POST / HTTP/1.1\r\nHost: x\r\n\r\n', b'405'), (b'\x16\x03\x01', b'400'),
                             (b'GET / HTTP/1.1\r\nA: ' + b'a' * 9000, b'431')):
            with socket.create_connection(('127.0.0.1', 5700 + n)) as s:
                s.settimeout(PATIENCE)
                s.sendall(text)
                check(s.recv(100).split(b' ')[1:2] == [status], f'{text[:20]}')
        check(vm.ask('query-status')['status'] == 'running', 'it runs')


def addresses():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm, tempfile.TemporaryDirectory() as t:
        with VM('-vnc', f'127.0.0.1:{n},to={n + 9}', '-vnc', f'unix:{t}/sock,id=second', '-vnc', 'none,id=third') as other:
            servers = other.ask('query-vnc-servers')
            check([s['id'] for s in servers] == ['third', 'second', 'default'] and servers[0]['server'] == [], f'{servers}')
            check(servers[1]['server'][0]['family'] == 'unix' and servers[1]['server'][0]['service'] == f'{t}/sock', f'{servers}')
            port = int(servers[2]['server'][0]['service'])
            check(5900 + n < port <= 5900 + n + 9, f'port {port}')
            s = socket.socket(socket.AF_UNIX)
            s.connect(f'{t}/sock')
            check(rfb.Client(s).width, 'a unix socket')
        check(not os.path.exists(f'{t}/sock'), 'the socket file goes')
        m = free_display()
        vm.ask('display-update', type='vnc', addresses=[{'type': 'inet', 'host': '127.0.0.1', 'port': str(5900 + m)}])
        connect(m).close()
        check(vm.ask('query-vnc')['service'] == str(5900 + m), 'display-update')
        a, b = socket.socketpair()
        check('error' not in vm.command('getfd', fds=[b.fileno()], fdname='peer'), 'getfd')
        b.close()
        vm.ask('add_client', protocol='vnc', fdname='peer')
        check(rfb.Client(a).width, 'add_client')
        check('has not been found' in vm.error('add_client', protocol='vnc', fdname='peer'), 'twice')
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen(1)
        s.settimeout(PATIENCE)
        with VM('-vnc', f'127.0.0.1:{s.getsockname()[1]},reverse=on'):
            check(rfb.Client(s.accept()[0]).name == 'QEMU', 'reverse=on')


def memory(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))


def slow_viewer():
    """One does not read and one stops in the middle of a message; the machine and a third viewer do not mind, and memory stays."""
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(800, 600)
        vm.pattern()
        slow = connect(n)
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.encodings(rfb.RAW)
        half = connect(n)
        half.sock.sendall(struct.pack('>BxH', 2, 1000) + bytes(100))
        quick = connect(n)
        quick.encodings(rfb.RAW)
        truth = vm.dump()[1]
        check(quick.wait(lambda: quick.rgb() == truth, incremental=False), 'a first picture')
        before = memory(vm.process.pid)
        worst = 0
        for i in range(30):
            for _ in range(50):
                try:
                    slow.sock.settimeout(0.001)
                    slow.request(False)
                except (TimeoutError, socket.timeout):
                    pass
            vm.draw(0, i * 16, [i * 0x10101 + 0x77] * 800)
            start = time.monotonic()
            vm.ask('query-status')
            worst = max(worst, time.monotonic() - start)
        truth = vm.dump()[1]
        check(quick.wait(lambda: quick.rgb() == truth), 'the other viewer sees the last picture')
        grown = memory(vm.process.pid) - before
        check(grown < 16384, f'{grown} KiB more')
        check(worst < 5, f'query-status took {worst:.1f} s')
        print(f'# {grown} KiB more, query-status took {worst * 1000:.0f} ms at most')


def cpu_time(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as f:
        return sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')


def small_window(port, size):
    """A connection that takes only so much while nobody reads."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    s.settimeout(PATIENCE)
    s.connect(('127.0.0.1', port))
    return s


def of_page(sock, path, port):
    """What the page on that port opens there."""
    headers = f'Cookie: qemu-kvm-{port}=a-token-of-ours\r\nOrigin: http://127.0.0.1:{port}\r\n'
    return rfb.WebSocket(sock, path, f'127.0.0.1:{port}', headers)


def stuck_viewers():
    """Viewers that ask and then stop reading, as a stopped process does, through each kind of connection: the machine lives, memory stays,
    nothing turns in circles, one that goes on reading sees the last picture, and those that are told to go are gone."""
    if not os.path.exists('/usr/share/novnc/core/rfb.js'):
        raise Skip('no /usr/share/novnc')
    n, m, port = free_display(), free_display(), 5900 + free_display()
    secure = module('crypto')
    args = ['-vnc', f'127.0.0.1:{n},websocket=on', '-display', f'web,port={port},token=a-token-of-ours', '-serial', 'vc']
    if secure:
        args += ['-object', 'tls-creds-anon,id=t,endpoint=server', '-vnc', f'127.0.0.1:{m},tls-creds=t,id=second']

    def raw(where):
        return small_window(where, 262144)

    def page(path):
        return of_page(raw(port), path, port)

    def still(vm, what):
        time.sleep(1)
        before = cpu_time(vm.process.pid)
        time.sleep(1.5)
        used = cpu_time(vm.process.pid) - before
        check(used < 0.6, f'{what}: {used:.2f} s of CPU time in 1.5 s')

    with VM(*args) as vm:
        vm.mode(800, 600)
        vm.pattern()
        stuck = {'plain': rfb.Client(raw(5900 + n)), 'websocket': rfb.Client(rfb.WebSocket(raw(5700 + n))), 'page': rfb.Client(page('/ws/vnc'))}
        if secure:
            stuck['tls'] = rfb.Client(raw(5900 + m), tls=anonymous())
        console = page('/ws/console/0')
        quick = connect(n)
        for c in (*stuck.values(), quick):
            c.encodings(rfb.RAW)
        before = memory(vm.process.pid)
        for i in range(10):
            for c in stuck.values() if i % 4 == 0 else ():
                c.request(False)
                c.request(False)
            vm.draw(0, i * 40, [i * 0x10101 + 0x77] * 800)
            for byte in b'to the console\r\n':
                vm.q(f'outb 0x3f8 {byte}')
            start = time.monotonic()
            vm.ask('query-status')
            check(time.monotonic() - start < 10, 'query-status waits')
        truth = vm.dump()[1]
        check(quick.wait(lambda: quick.rgb() == truth, incremental=False), 'the one that reads')
        still(vm, 'while they are stuck')
        grown = memory(vm.process.pid) - before
        check(grown < 32768, f'{grown} KiB more')
        for name, c in stuck.items():
            check(c.wait(lambda c=c: c.rgb() == truth), f'{name} goes on')
            c.request(False)
            c.request(False)
        time.sleep(0.5)
        # RFC 6143: the others are to go
        alone = [connect(where, shared=False, **more) for where, more in ((n, {}), (m, {'tls': anonymous()}))[:2 if secure else 1]]
        until(lambda: all(len(s['clients']) == 1 for s in vm.ask('query-vnc-servers')), 'they go')
        still(vm, 'after they were told to go')
        for c in (console, *alone):
            c.close()
        print(f'# {grown} KiB more')


def anonymous():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode, ctx.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
    ctx.set_ciphers('aNULL:@SECLEVEL=0')
    return ctx


def text_consoles():
    """Ctrl-Alt-2 and so on: the text consoles as pictures, and their keys."""
    n = free_display()

    def chord(c, digit):
        for sym, down in ((0xffe3, 1), (0xffe9, 1), (ord(digit), 1), (ord(digit), 0), (0xffe9, 0), (0xffe3, 0)):
            c.key(sym, down)

    def cell(c, row, column):
        return b''.join(c.picture[row * 16 + y][column * 32:column * 32 + 32] for y in range(16))

    def line(c, row, glyphs):
        return ''.join(glyphs.get(cell(c, row, i), '?') for i in range(80)).rstrip()

    with VM('-vnc', f'127.0.0.1:{n}', '-monitor', 'vc', '-serial', 'vc') as vm:
        vm.mode(320, 200)
        vm.pattern()
        vm.keyboard()
        c = connect(n)
        c.encodings(rfb.RAW, rfb.DESKTOP_SIZE)
        truth = vm.dump()[1]
        check(c.wait(lambda: c.rgb() == truth, incremental=False), 'the screen')
        text = ''.join(map(chr, range(33, 127)))
        for i, byte in enumerate((f'\033[2J\033[1;1H{text[:47]} \r\n{text[47:]}\033[4;1H\033[31mred\033[0m\033[12;70Hwrapped around\033[24;1Hlast'
                                  '\r\nscrolled\033[5;5Hxyz\b\033[K').encode()):
            vm.q(f'outb 0x3f8 {byte}')
        chord(c, '3')
        check(c.wait(lambda: (c.width, c.height) == (640, 384)), 'console 3 has 80 x 24 characters')
        check(vm.dump()[0] == (320, 200), 'screendump is of the screen')
        want = {0: '', 22: 'last', 23: 'scrolled', 10: ' ' * 69 + 'wrapped aro', 11: 'und', 4: '    xy'}
        glyphs = {}

        def learn():
            if len(c.picture) != 384:
                return False
            glyphs.clear()
            glyphs.update({cell(c, 0, i): ch for i, ch in enumerate(text[47:])})
            glyphs[cell(c, 15, 0)] = ' '
            return len(glyphs) == 48 and all(line(c, row, glyphs).replace('?', ' ').rstrip() == t for row, t in want.items() if row not in (0, 10)) and \
                line(c, 10, glyphs) == want[10]
        check(c.wait(learn), f'its text: {[line(c, y, glyphs) for y in range(24)]}')
        # line 1 has gone up; the red word's letters are the others' in another colour
        check(all(b'\0\0\xaa\0' in cell(c, 2, i) and b'\xaa\xaa\xaa' not in cell(c, 2, i) for i in range(3)), 'red')
        c.type(ord('k'))
        until(lambda: vm.q('inb 0x3fd') & 1, 'a byte for the UART')
        check(vm.q('inb 0x3f8') == ord('k'), 'the byte')
        for sym, code in ((0xff0d, b'\r'), (0xff52, b'\033[A'), (0xff08, b'\x7f')):
            c.type(sym)
            for byte in code:
                until(lambda: vm.q('inb 0x3fd') & 1, 'a byte for the UART')
                check(vm.q('inb 0x3f8') == byte, f'{code}')
        c.key(0xffe3, True)
        c.type(ord('c'))
        c.key(0xffe3, False)
        until(lambda: vm.q('inb 0x3fd') & 1, '^C for the UART')
        check(vm.q('inb 0x3f8') == 3, '^C')
        chord(c, '2')
        for ch in 'info version\n':
            c.type(0xff0d if ch == '\n' else ord(ch))
        check(c.wait(lambda: any(line(c, y, glyphs).replace('?', ' ').rstrip().endswith('qemu kvm') for y in range(24))),
              f'the monitor answers: {[line(c, y, glyphs) for y in range(5)]}')
        chord(c, '9')  # there is none
        chord(c, '1')
        check(c.wait(lambda: c.rgb() == truth), 'the screen again')
        got = [b for b, _ in vm.scancodes(4)]
        check(sorted(set(got)) == [0x1d, 0x38, 0x9d, 0xb8] and got[:2] == [0x1d, 0x38], f'the guest has heard of Ctrl and Alt alone: {got}')
        c.type(0x61)
        check([b for b, _ in vm.scancodes(2)][-2:] == [0x1e, 0x9e], 'keys go to the guest again')
    with VM('-vnc', f'127.0.0.1:{n}', '-serial', 'vc', vga=False) as vm:
        c = connect(n)
        check((c.width, c.height) == (640, 384) and vm.dump()[0] == (640, 384), 'without a screen the first text console is there')


def hostile():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}') as vm:
        vm.mode(200, 90)
        for name, message in (('file transfer', struct.pack('>BBBxII', 7, 1, 0, 0, 0)), ('scaling', bytes([8, 2, 0, 0])), ('palm', bytes([15, 2, 0, 0])),
                              ('text chat', struct.pack('>B3xI', 11, 1 << 30)), ('unknown', b'\x63'), ('power', bytes([250, 0, 1, 4])),
                              ('qemu', bytes([255, 9]) + bytes(10)), ('cut text of 2 GiB', struct.pack('>B3xI', 6, 0x7fffffff)),
                              ('8 bits a pixel, not a power of two', struct.pack('>B3xBBBBHHHBBB3x', 0, 13, 77, 0, 1, 65535, 65535, 65535, 255, 255, 255))):
            c = connect(n)
            c.sock.sendall(message + bytes(64))
            try:
                while c.sock.recv(4096):
                    pass
            except ConnectionError:
                pass
            c.close()
            check(vm.ask('query-status')['status'] == 'running', f'{name}')
        c = connect(n)
        c.sock.sendall(struct.pack('>B3xI', 6, 1000) + bytes(1000))  # a clipboard is skipped
        c.encodings(*range(-500, 500))
        c.sock.sendall(struct.pack('>BBHHHH', 3, 1, 65535, 65535, 65535, 65535))
        c.request(False)
        c.pointer(255, 65535, 65535)
        c.key(0xffffffff, True)
        for _ in range(3):
            r = random.Random(7)
            d = connect(n)
            try:
                for _ in range(300):
                    d.sock.sendall(bytes(r.choice((0, 2, 3, 4, 5, 6, 251, 255, r.randrange(256))) if i == 0 else r.choice((0, 0, 1, r.randrange(256)))
                                         for i in range(r.randrange(1, 30))))
            except OSError:
                pass
            d.close()
        check(vm.ask('query-status')['status'] == 'running', 'it runs')
        connect(n).close()


def power():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n},power-control=on') as vm:
        c = connect(n)
        c.encodings(rfb.RAW, rfb.XVP)
        check(c.wait(lambda: (rfb.XVP, 1, 1) in c.pseudo), f'power control is offered: {c.pseudo}')
        c.sock.sendall(bytes([250, 0, 1, 4]))
        vm.event('RESET')
        c.sock.sendall(bytes([250, 0, 1, 2]))
        vm.event('POWERDOWN')


def no_screen():
    n = free_display()
    with VM('-vnc', f'127.0.0.1:{n}', vga=False):
        c = connect(n)
        c.encodings(rfb.RAW)
        c.request(False)
        check(c.update() and any(map(any, c.picture)), 'a picture that says so')


def lossy():
    n = free_display()
    for option, jpeg in (('on', True), ('off', False)):
        with VM('-vnc', f'127.0.0.1:{n},lossy={option}') as vm:
            vm.mode(320, 200)
            vm.pattern()
            c = connect(n)
            c.encodings(rfb.TIGHT, -32 + 2)
            truth = vm.dump()[1]
            if jpeg:
                check(c.wait(lambda: c.rects.get('jpeg'), incremental=False), 'no JPEG')
            else:
                check(c.wait(lambda: c.rgb() == truth, incremental=False) and 'jpeg' not in c.rects, 'lossy=off is exact')
            c.close()


def http(port, request, **headers):
    """The status, head and body of an answer. request: 'GET /' or bytes."""
    if isinstance(request, str):
        headers.setdefault('Host', f'127.0.0.1:{port}')
        request = (f'{request} HTTP/1.1\r\n' + ''.join(f'{k}: {v}\r\n' for k, v in headers.items()) + '\r\n').encode()
    with socket.create_connection(('127.0.0.1', port), PATIENCE) as s:
        s.sendall(request)
        data = b''
        while chunk := s.recv(65536):
            data += chunk
    head, _, body = data.partition(b'\r\n\r\n')
    return int(head.split(b' ')[1]), head.decode(), body


def web():
    if not os.path.exists('/usr/share/novnc/core/rfb.js'):
        raise Skip('no /usr/share/novnc')
    port = 5900 + free_display()
    with VM('-display', f'web,port={port},token=a-token-of-ours', '-serial', 'vc') as vm:
        vm.mode(200, 90)
        vm.pattern()
        cookie = f'qemu-kvm-{port}=a-token-of-ours'
        origin = f'http://127.0.0.1:{port}'
        check(http(port, 'GET /')[0] == 403, 'without the token')
        check(http(port, 'GET /?token=a-token-of-your')[0] == 403, 'another token')
        check(http(port, 'GET /app.js', Cookie=f'qemu-kvm-{port}=a-token')[0] == 403, 'half a token')
        status, head, _ = http(port, 'GET /?token=a-token-of-ours')
        check(status == 303 and f'Set-Cookie: {cookie};' in head and 'HttpOnly; SameSite=Strict' in head, head)
        check(http(port, 'GET /?token=a-token-of-ours', Host='rebound.example')[0] == 403, 'another host')
        for path, text in (('/', b'app.js'), ('/app.js', b'novnc/core/rfb.js'), ('/style.css', b'.view'), ('/novnc/core/rfb.js', b'export default class RFB')):
            status, head, body = http(port, f'GET {path}', Cookie=cookie)
            check(status == 200 and text in body and f'Content-Length: {len(body)}\r' in head, f'{path}: {status}')
        check(http(port, 'HEAD /app.js', Cookie=cookie)[2] == b'', 'HEAD')
        check(json.loads(http(port, 'GET /consoles', Cookie=cookie)[2]) == ['serial0'], 'consoles')
        for path in ('/novnc/../../../etc/passwd', '/novnc/%2e%2e/%2e%2e/etc/passwd', '/novnc/core', '/novnc/', '/nothing', '/novnc/core/nothing.js',
                     '/ws/none', '/novnc//etc/passwd', '/novnc/core/rfb.js/'):
            check(http(port, f'GET {path}', Cookie=cookie)[0] == 404, path)
        for request, status in ((b'\0\1\2', 400), (b'POST / HTTP/1.1\r\nHost: a\r\n\r\n', 405), (b'GET / HTTP/1.1\r\nX: ' + b'y' * 9000, 431),
                                (b'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n', 413)):
            check(http(port, request)[0] == status, f'{request[:30]}')

        def ws(path, **headers):
            return rfb.WebSocket(socket.create_connection(('127.0.0.1', port), PATIENCE), path, f'127.0.0.1:{port}',
                                 ''.join(f'{k}: {v}\r\n' for k, v in headers.items()))
        for headers in ({'Origin': origin}, {'Cookie': cookie}, {'Cookie': cookie, 'Origin': 'http://evil.example'}, {'Cookie': cookie, 'Origin': 'null'}):
            check(ws('/ws/vnc', **headers).status == 403, f'{headers}')
        for path in ('/ws/console/1', '/ws/console/x', '/ws/console/99999999999999999999'):
            check(ws(path, Cookie=cookie, Origin=origin).status == 404, path)
        s = ws('/ws/vnc', Cookie=cookie, Origin=origin)
        check(s.ok, f'the screen: {s.status}')
        c = rfb.Client(s)
        c.encodings(rfb.TIGHT)
        truth = vm.dump()[1]
        check(c.wait(lambda: c.rgb() == truth, incremental=False), 'the picture')
        vm.keyboard()
        c.type(0x61)
        got = [b for b, _ in vm.scancodes(2)]
        check(got == [0x1e, 0x9e], f"a key: {got}")
        check(vm.ask('query-vnc') == {'enabled': False} and vm.ask('query-vnc-servers') == [], 'query-vnc tells of no web display')
        for byte in b'before\r\n':
            vm.q(f'outb 0x3f8 {byte}')
        a, b = (ws('/ws/console/0', Cookie=cookie, Origin=origin) for _ in range(2))
        for byte in b'after':
            vm.q(f'outb 0x3f8 {byte}')
        for console in (a, b):
            seen = b''
            while len(seen) < 13:
                seen += console.recv(100)
            check(seen == b'before\r\nafter', f'the console: {seen}')
        for i in range(3000):  # a burst, byte by byte, before anybody reads
            vm.q(f'outb 0x3f8 {i % 251}')
        for console in (a, b):
            seen = b''
            while len(seen) < 3000:
                seen += console.recv(3000 - len(seen))
            check(seen == bytes(i % 251 for i in range(3000)), 'a burst')
        a.close()
        b.sendall(b'x')
        until(lambda: vm.q('inb 0x3fd') & 1, 'a byte for the UART')
        check(vm.q('inb 0x3f8') == ord('x'), 'the byte')
        vm.q(f'outb 0x3f8 {ord("!")}')
        check(b.recv(10) == b'!', 'the other reader goes on')
        s.frame(8, b'')
    r = subprocess.run([BIN, '-accel', 'qtest', '-display', 'web,token=short'], capture_output=True, timeout=PATIENCE, text=True, stdin=subprocess.DEVNULL)
    check(r.returncode == 1 and 'takes 8 to 64' in r.stderr, r.stderr)


def command_line():
    n = free_display()
    for args, says in ((['-vnc', 'foo'], '-vnc foo: no vnc port specified'), (['-vnc', ':1,foo=1'], "-vnc :1,foo=1: Invalid parameter 'foo'"),
                       (['-vnc', ':1,share=x'], 'unknown vnc share= option'), (['-vnc', ':1,to=x'], "Parameter 'to' expects a number"),
                       (['-vnc', ':-1'], "can't convert to a number: -1"), (['-vnc', ':70000'], 'port 70000 out of range'),
                       (['-vnc', ':1,audiodev=nope'], "Audiodev 'nope' not found"), (['-vnc', ':1,password-secret=nope'], "No secret with id 'nope'"),
                       (['-vnc', ':1,tls-creds=x'], "No TLS credentials with id 'x'"), (['-vnc', ':1,sasl=on'], 'SASL is not supported'),
                       (['-vnc', ':1,display=foo'], "Device 'foo' not found"), (['-display', 'vnc'], 'VNC requires a display argument vnc=<display>'),
                       (['-vnc', f'127.0.0.1:{n}', '-vnc', f'127.0.0.1:{n}'], 'Failed to find an available port: Address already in use'),
                       (['-vnc', ':1,id=a', '-vnc', ':2,id=a'], "Duplicate ID 'a'"), (['-vnc', f'127.0.0.1:{n}', '-k', 'klingon'], 'klingon'),
                       (['-vnc', 'unix:/nonexistent/x'], '/nonexistent/x'), (['-vnc', 'unix:/tmp/x,websocket=on'], 'websocket')):
        r = subprocess.run([BIN, '-accel', 'qtest', *args], capture_output=True, timeout=PATIENCE, text=True, stdin=subprocess.DEVNULL)
        check(r.returncode == 1 and says in r.stderr, f'{args}: status {r.returncode}, {r.stderr}')
    with VM('-vnc', f'127.0.0.1:{n},lossy=on,non-adaptive=on,audiodev=a,share=ignore,password=off,ipv4=on', '-audiodev', 'none,id=a'):
        connect(n).close()
    with VM('-display', f'vnc=127.0.0.1:{n}') as vm:
        connect(n).close()
        check(vm.ask('query-display-options') == {'type': 'none'}, 'query-display-options')


def default_display():
    """Without a word about displays: VNC on the first free of localhost:0 to 99, the module opened when somebody comes or asks."""
    def uses_module(vm):
        with open(f'/proc/{vm.process.pid}/maps', encoding='utf-8') as f:
            return 'ui-vnc' in f.read()

    with VM(display=(), stderr=True) as a, VM(display=('-display', 'none', '-display', 'default'), stderr=True) as b:
        places = [vm.said(r'VNC server running on (127\.0\.0\.1|::1):(59\d\d)\n') for vm in (a, b)]
        check(places[0] != places[1], f'two machines at {places}')
        check(not uses_module(a), 'the module is opened at the start')
        host, port = places[0]
        a.mode(200, 90)
        a.pattern()
        c = rfb.Client(socket.create_connection((host, int(port)), PATIENCE))
        check(c.kind == 1 and c.name == 'QEMU', f'{c.kind} {c.name}')
        c.encodings(rfb.RAW)
        truth = a.dump()[1]
        check(c.wait(lambda: c.rgb() == truth, incremental=False), 'the picture')
        check(uses_module(a) and not uses_module(b), 'who has the module')
        check([x['service'] for x in a.ask('query-vnc')['clients']] == [str(c.sock.getsockname()[1])], 'query-vnc')
        check(b.ask('query-vnc') == {'enabled': True, 'auth': 'none', 'family': 'ipv6' if ':' in places[1][0] else 'ipv4', 'clients': [],
                                     'service': places[1][1], 'host': places[1][0]}, 'query-vnc of the other')
        check(b.ask('query-vnc-servers')[0]['id'] == 'default', 'its name')
        check(b.ask('query-display-options') == {'type': 'none'}, 'query-display-options')
        rfb.Client(socket.create_connection((places[1][0], int(places[1][1])), PATIENCE)).close()
        check(b.error('set_password', protocol='vnc', password='x') == 'Could not set password', 'set_password')
    for display in (('-display', 'none'), ('-vnc', 'none'), ('-nographic', '-serial', 'none', '-monitor', 'none')):
        with VM(display=display, stderr=True) as vm:
            check(vm.ask('query-vnc') == {'enabled': False}, f'{display}')
            check('running' not in vm.stderr(), f'{display}: {vm.stderr()}')


def default_display_without_module():
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(BIN))) as folder:
        alone = os.path.join(folder, os.path.basename(BIN))
        os.link(BIN, alone)
        with VM(display=(), stderr=True, binary=alone) as vm:
            if vm.said(r"(no display: module 'ui-vnc' is not installed|running on)")[0] == 'running on':
                raise Skip('the module is installed for good too')
            check(vm.ask('query-vnc') == {'enabled': False}, 'query-vnc')


def daemon():
    with tempfile.TemporaryDirectory() as t:
        r = subprocess.run([BIN, '-machine', 'none', '-accel', 'qtest', '-daemonize', '-pidfile', f'{t}/pid', '-S'], capture_output=True, text=True,
                           timeout=PATIENCE, stdin=subprocess.DEVNULL)
        with open(f'{t}/pid', encoding='ascii') as f:
            pid = int(f.read())
        try:
            found = re.fullmatch(r'VNC server running on (\S+):(\d+)\n', r.stderr)
            check(r.returncode == 0 and found, f'status {r.returncode}, {r.stderr}')
            rfb.Client(socket.create_connection((found[1], int(found[2])), PATIENCE)).close()
        finally:
            os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(f'{t}/pid'), 'the end')


def secrets():
    """-object secret as the password; encrypted, too."""
    n = free_display()
    with tempfile.TemporaryDirectory() as t:
        with open(f'{t}/plain', 'w', encoding='utf-8') as f:
            f.write('sesame')
        key, iv = base64.b64encode(bytes(range(32))).decode(), base64.b64encode(bytes(range(16))).decode()
        # openssl enc -aes-256-cbc -a -K $(key in hex) -iv $(iv in hex), of 'letmein'
        hidden = 'SI4JuWqmJF8bjD9IJ662eg=='
        for objects, password in ((['secret,id=s,data=direct'], 'direct'), ([f'secret,id=s,file={t}/plain'], 'sesame'),
                                  (['secret,id=s,format=base64,data=c2VjcmV0'], 'secret'), (['{"qom-type": "secret", "id": "s", "data": "json"}'], 'json'),
                                  ([f'secret,id=k,format=base64,data={key}', f'secret,id=s,format=base64,keyid=k,iv={iv},data={hidden}'], 'letmein')):
            if 'keyid' in objects[-1] and not module('crypto'):
                print('# encrypted: not built')
                continue
            with VM('-vnc', f'127.0.0.1:{n},password-secret=s', *(a for o in objects for a in ('-object', o))) as vm:
                check(vm.ask('query-vnc')['auth'] == 'vnc', 'auth')
                check(refused(n, password='wrong') == 'Authentication failed', f'{objects}: a wrong one')
                connect(n, password=password).close()
                vm.ask('object-del', id='s')
                connect(n, password=password).close()
                vm.ask('change-vnc-password', password='newer')
                connect(n, password='newer').close()
    with VM() as vm:
        vm.ask('object-add', **{'qom-type': 'secret', 'id': 'a', 'data': 'text'})
        get = [vm.ask('qom-get', path='/objects/a', property=p) for p in ('data', 'format', 'loaded', 'keyid')]
        check(get == ['text', 'raw', True, ''], f'qom-get {get}')
        check(vm.error('object-add', **{'qom-type': 'secret', 'id': 'b'}) == "Either 'file' or 'data' must be provided", 'neither')
        check(vm.error('object-add', **{'qom-type': 'secret', 'id': 'b', 'data': 'x', 'file': 'y'}) == "'file' and 'data' are mutually exclusive", 'both')
        for more, says in (({'keyid': 'k'}, "No secret with id 'k'"), ({'keyid': 'a'}, 'Key should be 32 bytes in length'),
                           ({'format': 'base64', 'data': '!'}, 'Base64 data contains invalid characters'), ({'loaded': True}, 'not writable')):
            check(says in vm.error('object-add', **{'qom-type': 'secret', 'id': 'b', 'data': 'x', **more}), f'{more}')
        vm.ask('object-add', **{'qom-type': 'secret', 'id': 'k', 'format': 'base64', 'data': key})
        for more, says in (({'data': hidden}, 'IV is required to decrypt secret'), ({'data': hidden, 'iv': 'AAAA'}, 'IV should be 16 bytes in length not 3'),
                           ({'data': 'AAAA', 'iv': iv}, 'Length 3 must be a multiple of block size 16'),
                           ({'data': 'SI4JuGqmJF8bjD9IJ662eg==', 'iv': iv}, 'Incorrect number of padding bytes (206)' if module('crypto') else 'crypto')):
            check(says in vm.error('object-add', **{'qom-type': 'secret', 'id': 'b', 'format': 'base64', 'keyid': 'k', **more}), f'{more}')
        vm.ask('object-del', id='a')
        check(vm.error('object-del', id='a') == "object 'a' not found", 'object-del')


def module(name):
    return os.path.exists(os.path.join(os.path.dirname(os.path.abspath(BIN)), 'modules', name + '.so'))


def openssl(folder, *args):
    subprocess.run(['openssl', *args], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificate(folder, name, subject, *more):
    openssl(folder, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', f'{name}-key.pem', '-out', f'{name}-cert.pem',
            '-days', '2', '-subj', f'/CN={subject}', *more)


def server_certificate(folder, *more):
    certificate(folder, 'server', '127.0.0.1', '-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem', '-addext', 'subjectAltName=IP:127.0.0.1', *(more or ('-nodes',)))


def trusting(folder, client=None):
    ctx = ssl.create_default_context(cafile=f'{folder}/ca-cert.pem')
    if client:
        ctx.load_cert_chain(f'{folder}/{client}-cert.pem', f'{folder}/{client}-key.pem')
    return ctx


def tls():
    if not module('crypto'):
        raise Skip('built without gnutls')
    if not shutil.which('openssl'):
        raise Skip('no openssl to make certificates')
    n = free_display()
    with tempfile.TemporaryDirectory() as t:
        certificate(t, 'ca', 'an authority', '-nodes')
        server_certificate(t)
        certificate(t, 'viewer', 'a viewer', '-nodes', '-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem')
        certificate(t, 'stranger', 'a stranger', '-nodes')
        creds = f'tls-creds-x509,id=t,dir={t},endpoint=server'
        with VM('-object', creds + ',verify-peer=off', '-vnc', f'127.0.0.1:{n},tls-creds=t,websocket=on', '-name', 'g') as vm:
            vm.mode(640, 480)
            vm.pattern()
            c = connect(n, tls=trusting(t))
            check((c.vencrypt, c.kind, c.name) == (260, 1, 'QEMU (g)'), f'{c.vencrypt} {c.kind} {c.name}')
            check(vm.event('VNC_INITIALIZED')['server']['auth'] == 'vencrypt+x509+none', 'the event')
            c.encodings(rfb.RAW)
            truth = vm.dump()[1]
            check(c.wait(lambda: c.rgb() == truth, incremental=False), 'the picture')
            check(vm.ask('query-vnc')['auth'] == 'vencrypt+x509+none', 'query-vnc')
            servers = vm.ask('query-vnc-servers')[0]
            check((servers['auth'], servers['vencrypt']) == ('vencrypt', 'x509-none'), f'{servers}')
            check([(a['websocket'], a['auth'], a.get('vencrypt')) for a in servers['server']] ==
                  [(True, 'none', None), (False, 'vencrypt', 'x509-none')], f'{servers}')
            check('Auth: vencrypt (Sub: x509-none)' in vm.hmp('info vnc'), 'info vnc')
            # who does not want it, or does something else
            check(refused(n), 'without TLS')
            check(refused(n, version=b'RFB 003.003\n'), '3.3')
            for sent in (b'\0\1', b'\0\2' + struct.pack('>I', 261), b'\0\2' + struct.pack('>I', 260) + bytes(range(256)) * 9):
                with socket.create_connection(('127.0.0.1', 5900 + n), PATIENCE) as s:
                    s.sendall(b'RFB 003.008\n\x13' + sent)
                    try:
                        while s.recv(4096):
                            pass
                    except ConnectionError:
                        pass
            stalled = socket.create_connection(('127.0.0.1', 5900 + n), PATIENCE)
            stalled.sendall(b'RFB 003.008\n\x13\0\2' + struct.pack('>I', 260) + b'\x16\3\1')
            connect(n, tls=trusting(t)).close()
            # a WebSocket is inside TLS, and VeNCrypt not inside of it
            raw = trusting(t).wrap_socket(socket.create_connection(('127.0.0.1', 5700 + n), PATIENCE), server_hostname='127.0.0.1')
            w = rfb.Client(rfb.WebSocket(raw))
            check(w.vencrypt is None and w.kind == 1, 'a WebSocket')
            w.close()
            # other certificates, for who comes later
            old = raw_certificate(n, t)
            server_certificate(t)
            check(raw_certificate(n, t) == old, 'before display-reload')
            vm.ask('display-reload', type='vnc', **{'tls-certs': True})
            check(raw_certificate(n, t) != old, 'display-reload')
            os.rename(f'{t}/server-key.pem', f'{t}/away')
            check('server-key.pem' in vm.error('display-reload', type='vnc', **{'tls-certs': True}), 'display-reload without a key')
            os.rename(f'{t}/away', f'{t}/server-key.pem')
            vm.draw(5, 5, [0x123456])
            truth = vm.dump()[1]
            check(c.wait(lambda: c.rgb() == truth), 'the first goes on')
            vm.keyboard()
            c.type(0x61)
            check([b for b, _ in vm.scancodes(2)] == [0x1e, 0x9e], 'a key')
            vm.ask('object-del', id='t')
            connect(n, tls=trusting(t)).close()
            stalled.close()
        with VM('-object', creds, '-object', 'secret,id=s,data=pass', '-vnc', f'127.0.0.1:{n},tls-creds=t,password-secret=s') as vm:
            check(vm.ask('query-vnc')['auth'] == 'vencrypt+x509+vnc', 'query-vnc')
            for who in (None, 'stranger'):
                try:
                    connect(n, tls=trusting(t, who), password='pass').close()
                    raise AssertionError(f'{who or "nobody"} is let in')
                except (ssl.SSLError, rfb.Closed, ConnectionError):
                    pass
            check(refused(n, tls=trusting(t, 'viewer'), password='wrong') == 'Authentication failed', 'a wrong password')
            c = connect(n, tls=trusting(t, 'viewer'), password='pass')
            check((c.vencrypt, c.kind) == (261, 2), f'{c.vencrypt}')
            check(vm.ask('query-vnc')['clients'][0]['x509_dname'] == 'CN=a viewer', f"{vm.ask('query-vnc')}")
            check('x509_dname: CN=a viewer' in vm.hmp('info vnc'), 'info vnc')
        server_certificate(t, '-passout', 'pass:hush')
        with VM('-object', 'secret,id=p,data=hush', '-object', creds + ',verify-peer=off,passwordid=p', '-vnc', f'127.0.0.1:{n},tls-creds=t'):
            connect(n, tls=trusting(t)).close()
        with VM() as vm:
            x509 = {'qom-type': 'tls-creds-x509', 'id': 'a', 'endpoint': 'server'}
            check(vm.error('object-add', **x509) == "Missing 'dir' property value", 'no folder')
            check('Unable to access credentials /nonexistent/ca-cert.pem' in vm.error('object-add', dir='/nonexistent', **x509), 'no files')
            check('Cannot load certificate' in vm.error('object-add', dir=t, **x509), 'a key that is locked')
            os.rename(f'{t}/stranger-cert.pem', f'{t}/server-cert.pem')
            check("hasn't got a known issuer" in vm.error('object-add', dir=t, **x509), "another authority's")
            check('-OLD' in vm.error('object-add', dir=t, priority='NORMAL:-OLD', **x509), 'a priority that is none')
            psk = {'qom-type': 'tls-creds-psk', 'id': 'a', 'endpoint': 'server', 'dir': t}
            check('keys.psk' in vm.error('object-add', **psk), 'no keys')
    with VM('-object', 'tls-creds-anon,id=t,endpoint=server', '-vnc', f'127.0.0.1:{n},tls-creds=t') as vm:
        check(vm.ask('query-vnc')['auth'] == 'vencrypt+tls+none', 'query-vnc')
        c = connect(n, tls=anonymous())
        check(c.vencrypt == 257 and c.width, f'{c.vencrypt}')


def raw_certificate(n, folder):
    c = connect(n, tls=trusting(folder))
    cert = c.sock.getpeercert(True)
    c.close()
    return cert


def dead_peers():
    """By each way in a peer whose host is gone, with nothing to say or in the middle of a picture, and one that stops reading: each is given up,
    and that is said."""
    preload = os.environ.get('SHORT_TIMEOUTS')
    if not preload:
        raise Skip('the emulator waits for minutes here')
    if not module('crypto') or not shutil.which('openssl') or not os.path.exists('/usr/share/novnc/core/rfb.js'):
        raise Skip('no TLS or no page here')
    n, m, page = free_display(), free_display(), 5900 + free_display()

    def raw(port):
        return small_window(port, 4096)

    def tls_raw(port):
        return trusting(t).wrap_socket(raw(port), server_hostname='127.0.0.1')

    def screen():
        return of_page(raw(page), '/ws/vnc', page)

    with tempfile.TemporaryDirectory() as t:
        certificate(t, 'ca', 'an authority', '-nodes')
        server_certificate(t)
        os.environ['LD_PRELOAD'] = preload
        try:
            vm = VM('-display', f'web,port={page},token=a-token-of-ours', '-object', f'tls-creds-x509,id=t,dir={t},endpoint=server,verify-peer=off',
                    '-vnc', f'127.0.0.1:{n},websocket=on', '-vnc', f'127.0.0.1:{m},tls-creds=t,websocket=on,id=secret', stderr=True)
        finally:
            del os.environ['LD_PRELOAD']
        with vm:
            vm.mode(640, 480)
            vm.pattern()
            ways = {'TCP': lambda: rfb.Client(raw(5900 + n)), 'TLS': lambda: rfb.Client(raw(5900 + m), tls=trusting(t)),
                    'WebSocket': lambda: rfb.Client(rfb.WebSocket(raw(5700 + n))), 'WebSocket in TLS': lambda: rfb.Client(rfb.WebSocket(tls_raw(5700 + m))),
                    'the page': lambda: rfb.Client(screen())}
            peers = {}
            for way, come in ways.items():
                for how in ('gone', 'gone in a picture', 'not reading'):
                    c = peers[way, how] = come()
                    c.encodings(rfb.RAW)
            for (_, how), c in peers.items():
                for _ in range(8 if how != 'gone' else 0):
                    c.request(False)
                if how != 'not reading':
                    vanish(wire(c))
            for (way, how), c in peers.items():
                port = wire(c).getsockname()[1]
                until(lambda port=port: f'of 127.0.0.1:{port} is over: ' in vm.stderr(), f'of one by {way}, {how}, is said that it is given up: {vm.stderr()}')
            check(not vm.ask('query-vnc')['clients'], 'they are still there')


def last_words():
    """By each way in a viewer that presses keys and is gone at once, while a picture for it lies unread: its kernel resets the connection, behind
    the keys. They arrive."""
    secure = module('crypto') and shutil.which('openssl')
    n, m = free_display(), free_display()
    with tempfile.TemporaryDirectory() as t:
        args = ['-vnc', f'127.0.0.1:{n},websocket=on,key-delay-ms=0']
        ways = {'TCP': lambda: connect(n), 'WebSocket': lambda: rfb.Client(rfb.WebSocket(come(5700 + n)))}
        if secure:
            certificate(t, 'ca', 'an authority', '-nodes')
            server_certificate(t)
            args += ['-object', f'tls-creds-x509,id=t,dir={t},endpoint=server,verify-peer=off',
                     '-vnc', f'127.0.0.1:{m},tls-creds=t,websocket=on,key-delay-ms=0,id=secret']
            ways['TLS'] = lambda: connect(m, tls=trusting(t))
            ways['WebSocket in TLS'] = lambda: rfb.Client(rfb.WebSocket(trusting(t).wrap_socket(come(5700 + m), server_hostname='127.0.0.1')))

        def come(port):
            return socket.create_connection(('127.0.0.1', port), PATIENCE)

        def stopped():
            found = []
            for task in os.listdir(f'/proc/{vm.process.pid}/task'):
                with open(f'/proc/{vm.process.pid}/task/{task}/stat', encoding='ascii') as f:
                    found.append(f.read().rsplit(')', 1)[1].split()[0])
            return all(s in 'Tt' for s in found)
        with VM(*args) as vm:
            vm.mode(64, 48)
            vm.pattern()
            vm.keyboard()
            for way, viewer in ways.items():
                c = viewer()
                c.encodings(rfb.RAW)
                c.request(False)
                until(lambda c=c: struct.unpack('i', fcntl.ioctl(wire(c), termios.FIONREAD, bytes(4)))[0] >= 64 * 48 * 4, f'{way}: a picture')
                os.kill(vm.process.pid, signal.SIGSTOP)  # so that keys and reset are there together
                try:
                    until(stopped, 'it stops')
                    for sym in b'abc':
                        c.type(sym)
                    arrive(wire(c))
                    c.sock.close()
                finally:
                    os.kill(vm.process.pid, signal.SIGCONT)
                got = [b for b, _ in vm.scancodes(6, 20)]
                check(got == [0x1e, 0x9e, 0x30, 0xb0, 0x2e, 0xae], f'{way}: {bytes(got).hex(" ") or "no keys"}')
                until(lambda: not any(s['clients'] for s in vm.ask('query-vnc-servers')), f'{way}: it goes')
    if not secure:
        print('# without TLS')


def wire(c):
    """A viewer's TCP connection."""
    return c.sock.sock if isinstance(c.sock, rfb.WebSocket) else c.sock


def arrive(sock):
    """All that the socket has sent is with the other kernel: its own would throw it away as the connection is reset, or send it again."""
    until(lambda: not struct.unpack('i', fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0], 'what a viewer sends arrives')


def vanish(sock):
    """Nothing that comes for the socket is taken from now on, once all that it has sent has arrived."""
    arrive(sock)
    code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))  # BPF: ret 0
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack('HL', 1, ctypes.addressof(code)))  # SO_ATTACH_FILTER


CASES = [nothing_there, secrets, tls, default_display, default_display_without_module, daemon, versions_and_events, passwords, pictures, little_is_sent, scrolling, scrolling_bytes, dead_peers, last_words, resizes, keys, layout, mouse, sharing, connections, websocket,
         addresses, slow_viewer, stuck_viewers, text_consoles, hostile, power, no_screen, lossy, web, command_line]


def main():
    wanted = [c for c in CASES if not sys.argv[1:] or c.__name__ in sys.argv[1:]]
    print(f'1..{len(wanted)}')
    r = subprocess.run([BIN, '-display', 'none', '-accel', 'qtest', '-vnc', 'none', '-S', '-qmp', 'stdio'], capture_output=True, text=True,
                       timeout=PATIENCE, input='{"execute": "qmp_capabilities"} {"execute": "quit"}')
    missing = "module 'ui-vnc' is not installed" in r.stderr
    failed = 0
    for i, case in enumerate(wanted, 1):
        name = case.__name__.replace('_', ' ')
        try:
            if missing:
                raise Skip('built without VNC')
            case()
            print(f'ok {i} - {name}')
        except Skip as e:
            print(f'ok {i} - {name} # SKIP {e}')
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f'not ok {i} - {name}\n#  {type(e).__name__}: {e}')
            trace = e.__traceback__
            while trace:
                print(f'#  line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name}')
                trace = trace.tb_next
        sys.stdout.flush()
    sys.exit(failed > 0)


main()
