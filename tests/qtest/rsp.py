# SPDX-License-Identifier: GPL-2.0-or-later
"""A debugger's side of gdb's remote protocol, packet by packet, and the emulator that serves it on a socket, with QMP beside it."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import xml.etree.ElementTree


class RspError(Exception):
    """The peer did not say what was waited for."""


class Rsp:
    def __init__(self, sock):
        self.sock, self.buffer, self.acks = sock, b'', True

    def raw(self, data):
        self.sock.sendall(data)

    def byte(self, limit=20):
        if not self.buffer:
            self.sock.settimeout(limit)
            try:
                self.buffer = self.sock.recv(65536)
            except socket.timeout:
                raise RspError(f'nothing came within {limit} s') from None
            except OSError as e:
                raise RspError(f'the connection broke: {e}') from None
            if not self.buffer:
                raise RspError('the connection ended')
        first, self.buffer = self.buffer[:1], self.buffer[1:]
        return first

    @staticmethod
    def frame(packet):
        if isinstance(packet, str):
            packet = packet.encode('latin1')
        return b'$' + packet + b'#%02x' % (sum(packet) & 255)

    def send(self, packet):
        self.raw(self.frame(packet))

    def receive(self, limit=20):
        """The next packet; acknowledgements before it are dropped."""
        while self.byte(limit) != b'$':
            pass
        data = b''
        while (b := self.byte(limit)) != b'#':
            data += b
        said = int(self.byte(limit) + self.byte(limit), 16)
        if said != sum(data) & 255:
            raise RspError(f'checksum {said:02x} of {data!r}')
        if self.acks:
            try:
                self.raw(b'+')
            except OSError:
                pass  # it was the last one
        return data.decode('latin1')

    def ask(self, packet, limit=20):
        self.send(packet)
        return self.receive(limit)

    def good(self, packet, limit=20):
        got = self.ask(packet, limit)
        if got != 'OK':
            raise RspError(f'{packet!r} was answered {got!r}')

    def interrupt(self):
        self.raw(b'\3')

    def features(self):
        """[(name, bytes, type)] in the order of the registers' numbers, from the target description."""
        def text(name):
            out = ''
            while True:
                part = self.ask(f'qXfer:features:read:{name}:{len(out):x},ffb')
                if part[:1] not in ('m', 'l'):
                    raise RspError(f'{name}: {part!r}')
                out += part[1:]
                if part[0] == 'l':
                    return out
        regs, number = {}, 0
        todo = ['target.xml']
        while todo:
            for element in xml.etree.ElementTree.fromstring(text(todo.pop()).replace('xi:', '')).iter():
                if element.tag == 'include':
                    todo.append(element.get('href'))
                elif element.tag == 'reg':
                    number = int(element.get('regnum', number))
                    regs[number] = (element.get('name'), int(element.get('bitsize')) // 8, element.get('type'))
                    number += 1
        return [regs[n] for n in sorted(regs)]

    def read(self, addr, size):
        got = self.ask(f'm{addr:x},{size:x}')
        if len(got) != 2 * size:
            raise RspError(f'memory at {addr:#x}: {got!r}')
        return bytes.fromhex(got)

    def word(self, addr, size=8):
        return int.from_bytes(self.read(addr, size), 'little')

    def write(self, addr, data):
        self.good(f'M{addr:x},{len(data):x}:{data.hex()}')

    def register(self, number):
        got = self.ask(f'p{number:x}')
        if len(got) < 8 or len(got) % 2:
            raise RspError(f'register {number}: {got!r}')
        return int.from_bytes(bytes.fromhex(got), 'little')

    def set_register(self, number, value, size=8):
        self.good(f'P{number:x}={value.to_bytes(size, "little").hex()}')


class Machine:
    """with Machine(binary, [...]) as m: m.rsp ..., m.qmp(...); stopped before its first instruction unless running."""

    def __init__(self, binary, args, running=False, gdb=None):
        self.folder = tempfile.mkdtemp(prefix='gdb-')
        self.events, self.clients = [], []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f'{self.folder}/qmp')
        listener.listen(1)
        listener.settimeout(30)
        args = [binary, '-nodefaults', '-display', 'none', '-qmp', f'unix:{self.folder}/qmp'] + ([] if running else ['-S']) + args
        args += ['-gdb', gdb] if gdb else ['-chardev', f'socket,id=debugger,path={self.folder}/gdb,server=on,wait=off', '-gdb', 'chardev:debugger']
        with open(f'{self.folder}/stderr', 'wb') as err:
            self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
        try:
            self.peer = listener.accept()[0]
        except socket.timeout:
            self.process.kill()
            raise RspError(f'the emulator does not start: {self.stderr()}') from None
        finally:
            listener.close()
        self.peer.settimeout(30)
        self.lines = self.peer.makefile('rwb')
        self.lines.readline()
        self.qmp('qmp_capabilities')
        self.rsp = None if gdb else self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in self.clients:
            c.close()
        try:
            self.lines.close()
        except OSError:
            pass  # the process ended first
        self.peer.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stderr(self):
        with open(f'{self.folder}/stderr', encoding='utf-8', errors='replace') as f:
            return f.read()

    def connect(self, address=None):
        s = socket.socket(socket.AF_INET if address else socket.AF_UNIX)
        s.settimeout(10)
        s.connect(address or f'{self.folder}/gdb')
        self.clients.append(s)
        return Rsp(s)

    def message(self, limit=30):
        self.peer.settimeout(limit)
        line = self.lines.readline()
        if not line:
            raise RspError(f'QMP is closed: {self.stderr()}')
        return json.loads(line)

    def qmp(self, command, **arguments):
        self.lines.write(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        self.lines.flush()
        while True:
            m = self.message()
            if 'event' in m:
                self.events.append(m['event'])
            elif 'error' in m:
                raise RspError(f'{command}: {m["error"]["desc"]}')
            else:
                return m['return']

    def hmp(self, line):
        return self.qmp('human-monitor-command', **{'command-line': line})

    def state(self):
        return self.qmp('query-status')['status']

    def wait_event(self, name, limit=20):
        end = time.monotonic() + limit
        while name not in self.events:
            self.events.append(self.message(max(0.1, end - time.monotonic())).get('event'))

    def wait_exit(self, limit=20):
        return self.process.wait(limit)


def gdb_batch(commands, limit=120):
    """What Debian's gdb prints for these commands; None where it is not installed."""
    if not shutil.which('gdb'):
        return None
    args = ['gdb', '-nx', '-batch', '-iex', 'set auto-load no', '-iex', 'set debuginfod enabled off', '-iex', 'set tcp auto-retry on']
    for c in commands:
        args += ['-ex', c]
    done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit,
                          env={**os.environ, 'HOME': '/nonexistent', 'LC_ALL': 'C'}, check=False)
    return re.sub(r'\x1b\[[0-9;]*m', '', done.stdout)


def symbols(elf):
    """{name: address} of an image's symbols, local ones too."""
    out = subprocess.check_output(['nm', elf], text=True)
    return {w[2]: int(w[0], 16) for w in (line.split() for line in out.splitlines()) if len(w) == 3}
