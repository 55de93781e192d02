#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Peers of the machine's streams are killed (SIGKILL) or stopped (SIGSTOP) while data flows both ways; the machine must not notice more than
that: it answers query-status on another monitor within 2 seconds, a new peer is served, and SIGTERM ends it with status 0 within 5. TAP.

Every peer is a forked process that alone holds its end of the stream. It tells this one through a pipe what it has read.
"""
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tty

BIN = os.environ.get('QTEST_QEMU_BINARY', 'build/qemu-system-x86_64')
ACCEL = os.environ.get('PEERS_ACCEL', 'qtest')
PATIENCE = 10
LSR, CONTROL = 5, 2
KIB = 1024
GREETING = b'\xff\xfb\x01'  # IAC WILL ECHO


def wait_for(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f'{what}: not within {seconds} s')
        time.sleep(0.005)
    return value


def connect(address, seconds=PATIENCE):
    def attempt():
        s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        try:
            s.connect(address)
            return s
        except OSError:
            s.close()
    return wait_for(f'connection to {address}', attempt, seconds)


class Lines:
    """A request and its answer are a line each."""
    def __init__(self, address):
        self.s = connect(address)
        self.s.settimeout(PATIENCE)
        self.f = self.s.makefile('rb')

    def send(self, data):
        self.s.sendall(data)

    def line(self):
        text = self.f.readline()
        if not text:
            raise AssertionError('the machine closed the connection')
        return text


class Qmp(Lines):
    def __init__(self, address):
        super().__init__(address)
        self.line()
        self.ask('qmp_capabilities')

    def ask(self, command, seconds=PATIENCE, **arguments):
        self.s.settimeout(seconds)
        self.send(json.dumps({'execute': command, 'arguments': arguments}).encode())
        while True:
            reply = json.loads(self.line())
            if 'error' in reply:
                raise AssertionError(f'{command}: {reply}')
            if 'return' in reply:
                return reply['return']


class Qtest(Lines):
    def outs(self, writes):
        """Many port writes at once; both directions are kept short of what the sockets hold."""
        for i in range(0, len(writes), 500):
            part = writes[i:i + 500]
            self.send(b''.join(b'outb 0x%x 0x%x\n' % w for w in part))
            for _ in part:
                assert self.line() == b'OK\n'

    def inb(self, port):
        self.send(b'inb 0x%x\n' % port)
        return int(self.line().split()[1], 16)


class Peer:
    """A process at the other end. open_ends() runs in it and gives a pair of descriptors; chunk() what it writes next."""
    def __init__(self, open_ends, chunk=None, greedy=True):
        told, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(told)
                self.run(tell, open_ends, chunk, greedy)
            finally:
                os._exit(0)
        os.close(tell)
        os.set_blocking(told, False)
        self.told, self.got = told, b''

    @staticmethod
    def run(tell, open_ends, chunk, greedy):
        r, w = open_ends()
        os.set_blocking(w, False)
        out = b''
        while True:
            out = out or (chunk() if chunk else b'')
            can_read, can_write, _ = select.select([r] if greedy else [], [w] if out else [], [])
            if can_write:
                try:
                    out = out[os.write(w, out[:64] if greedy else out):]
                except BlockingIOError:
                    pass
            if can_read:
                data = os.read(r, 65536)
                if not data:
                    return
                os.write(tell, data)

    def heard(self):
        try:
            self.got += os.read(self.told, 65536)
        except BlockingIOError:
            pass
        return self.got

    def hears(self, what, again=lambda: None):
        def told():
            if what in self.heard():
                return True
            again()
            return what in self.heard()
        wait_for(f'the peer reads {what!r}', told)

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.told)
        self.pid = 0


class Vm:
    def __init__(self, tmp, args, qtest=True, **streams):
        self.peers = []
        qmp = os.path.join(tmp, 'control')
        line = [BIN, '-machine', 'pc', '-accel', ACCEL, '-S', '-nodefaults', '-display', 'none']
        line += ['-chardev', f'socket,id=control,path={qmp},server=on,wait=off', '-mon', 'chardev=control,mode=control'] + args
        if qtest:
            line += ['-qtest', f'unix:{tmp}/qtest,server=on,wait=off', '-qtest-log', '/dev/null']
        streams.setdefault('stdin', subprocess.DEVNULL)
        streams.setdefault('stdout', subprocess.DEVNULL)
        self.log = open(os.path.join(tmp, 'log'), 'w+b')
        self.p = subprocess.Popen(line, stderr=self.log, **streams)
        try:
            self.qmp = Qmp(qmp)
            self.qtest = Qtest(f'{tmp}/qtest') if qtest else None
        except BaseException:
            self.end()
            raise

    def peer(self, *args, **kwargs):
        self.peers.append(Peer(*args, **kwargs))
        return self.peers[-1]

    def alive(self):
        start = time.monotonic()
        assert 'status' in self.qmp.ask('query-status', 2)
        assert time.monotonic() - start < 2, 'query-status took more than 2 s'

    def terminate(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            status = self.p.wait(5)
        except subprocess.TimeoutExpired:
            raise AssertionError('SIGTERM did not end it within 5 s') from None
        self.log.seek(0)
        text = self.log.read().decode(errors='replace')
        assert status == 0, f'exit status {status} after SIGTERM; it said: {text}'
        assert 'Sanitizer' not in text, text

    def end(self):
        for peer in self.peers:
            peer.kill()
        self.log.seek(0)
        said = self.log.read().decode(errors='replace')
        if self.p.poll() is None:
            self.p.kill()
        elif self.p.returncode:
            print(f'#  exit status {self.p.returncode}; it said: {said}')
        self.p.wait()
        self.log.close()


# --- the guest's side of a stream ---

class Serial:
    port, hears_input, amount = 0x3f8, True, 72 * KIB
    args = ['-device', 'isa-serial,chardev=c']

    def writes(self, data):
        return [(self.port, b) for b in data]


class Parallel(Serial):
    port, hears_input, amount = 0x378, False, 16 * KIB
    args = ['-device', 'isa-parallel,chardev=c']

    def writes(self, data):
        return [w for b in data for w in ((self.port, b), (self.port + CONTROL, 0x0d), (self.port + CONTROL, 0x0c))]


class Debugcon(Serial):
    port, hears_input, amount = 0xe9, False, 72 * KIB
    args = ['-device', 'isa-debugcon,iobase=0xe9,chardev=c']


# --- back ends: the -chardev, and how a peer opens its end ---

def free_port():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    port = s.getsockname()[1]
    s.close()
    return port


class Backend:
    """reopens: whether the machine takes a second peer after the first."""
    reopens = True

    def __init__(self, tmp):
        self.path = os.path.join(tmp, 'stream')
        self.setup()

    def setup(self):
        self.chardev = f'socket,path={self.path},server=on,wait=off'

    def streams(self):
        return {}

    def started(self, vm):
        pass

    def ends(self):
        self.socket = connect(self.path)
        return self.socket.fileno(), self.socket.fileno()

    def done(self):
        pass


class UnixServer(Backend):
    pass


class UnixTelnet(Backend):
    def setup(self):
        super().setup()
        self.chardev += ',telnet=on'


class TcpServer(Backend):
    options = ''

    def setup(self):
        self.path = ('127.0.0.1', free_port())
        self.chardev = f'socket,host=127.0.0.1,port={self.path[1]},server=on,wait=off{self.options}'


class Telnet(TcpServer):
    options = ',telnet=on'


class Client(Backend):
    """This process listens; the peers accept."""
    options = ',reconnect=1'

    def setup(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(4)
        self.chardev = f'socket,path={self.path}{self.options}'

    def ends(self):
        self.socket = self.listener.accept()[0]
        return self.socket.fileno(), self.socket.fileno()

    def done(self):
        self.listener.close()


class TelnetClient(Client):
    options = ',reconnect=1,telnet=on'


class ClientOnce(Client):
    options, reopens = '', False


class Pipe(Backend):
    def setup(self):
        os.mkfifo(self.path + '.in')
        os.mkfifo(self.path + '.out')
        self.chardev = f'pipe,path={self.path}'

    def ends(self):
        return os.open(self.path + '.out', os.O_RDONLY), os.open(self.path + '.in', os.O_WRONLY)


class Pty(Backend):
    def setup(self):
        self.chardev = 'pty'

    def started(self, vm):
        self.path = [c['filename'] for c in vm.qmp.ask('query-chardev') if c['label'] == 'c'][0].removeprefix('pty:')

    def ends(self):
        fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        return fd, fd


class Stdio(Backend):
    reopens = False

    def setup(self):
        self.chardev = 'stdio,signal=off'
        self.guest_in, self.peer_out = os.pipe()
        self.peer_in, self.guest_out = os.pipe()

    def streams(self):
        return {'stdin': self.guest_in, 'stdout': self.guest_out}

    def ends(self):
        os.close(self.guest_in)
        os.close(self.guest_out)
        return self.peer_in, self.peer_out

    def handed_over(self):
        for name in 'guest_in', 'guest_out', 'peer_in', 'peer_out':
            fd = getattr(self, name)
            if fd >= 0:
                os.close(fd)
            setattr(self, name, -1)

    done = handed_over


def letters():
    return b'peer' * 16


def device_case(tmp, device, backend, deed):
    dev, back = device(), backend(tmp)
    vm = None
    try:
        vm = Vm(tmp, ['-chardev', back.chardev + ',id=c'] + dev.args, **back.streams())
        back.started(vm)
        # One that nobody listens to would only fill the pipe.
        peer = vm.peer(back.ends, letters if dev.hears_input else None)
        if backend is Stdio:
            back.handed_over()
        peer.hears(b'hello peer', lambda: vm.qtest.outs(dev.writes(b'hello peer\n')))
        if dev.hears_input:
            def arrived():
                return vm.qtest.inb(dev.port + LSR) & 1 and vm.qtest.inb(dev.port) in b'peer'
            for _ in range(20):
                wait_for('a byte from the peer', arrived)
        deed(vm, dev, peer)
        vm.alive()
        if back.reopens:
            new = vm.peer(back.ends, letters if dev.hears_input else None)
            new.hears(b'hello again', lambda: vm.qtest.outs(dev.writes(b'hello again\n')))
            if dev.hears_input:
                wait_for('a byte from the new peer', arrived)
            vm.alive()
        else:
            vm.qtest.outs(dev.writes(b'nobody\n' * 100))
            vm.alive()
        vm.terminate()
    finally:
        back.done()
        if vm:
            vm.end()


def killed(vm, dev, peer):
    vm.qtest.outs(dev.writes(b'x' * 3000))
    batch = dev.writes(b'y' * 300)
    vm.qtest.send(b''.join(b'outb 0x%x 0x%x\n' % w for w in batch))
    peer.kill()
    for _ in batch:
        assert vm.qtest.line() == b'OK\n'
    vm.qtest.outs(dev.writes(b'z' * 500))


def stopped_then_killed(vm, dev, peer, amount=0):
    """More is written than a FIFO, a pty or a unix socket takes; the peer's own bytes wait all the time."""
    peer.stop()
    data = dev.writes(b'0123456789abcdef' * 64)
    for i in range((amount or dev.amount) // KIB):
        vm.qtest.outs(data)
        if i % 128 == 0:
            vm.alive()
    vm.alive()
    peer.kill()
    vm.qtest.outs(dev.writes(b'z' * 100))


def stopped_long(vm, dev, peer):
    stopped_then_killed(vm, dev, peer, 256 * KIB)


def unread_case(tmp, backend):
    """The guest never reads: the bytes of a dead peer wait, a new peer does not. Telnet greets, which tells that it is served."""
    back = backend(tmp)
    vm = Vm(tmp, ['-chardev', back.chardev + ',id=c'] + Serial.args)
    try:
        peer = vm.peer(back.ends, letters)
        peer.hears(GREETING)
        wait_for('a byte from the peer', lambda: vm.qtest.inb(Serial.port + LSR) & 1)
        peer.kill()
        vm.peer(back.ends).hears(GREETING)
        vm.alive()
        vm.terminate()
    finally:
        back.done()
        vm.end()


def qmp_requests():
    first = [b'{"execute": "qmp_capabilities"}']
    return lambda: first.pop() if first else b'{"execute": "query-qmp-schema"}' * 4


def hmp_requests():
    return lambda: b'info mtree\n' * 4


def qtest_requests():
    return lambda: b'inb 0x61\n' * 64


def monitor_case(tmp, args, requests, answer, backend, deed):
    """The peer sends requests as fast as it can; where it does not read the answers they must neither block nor pile up for ever."""
    back = backend(tmp)
    vm = None
    try:
        vm = Vm(tmp, ['-chardev', back.chardev + ',id=c'] + args, qtest=False)
        peer = vm.peer(back.ends, requests(), greedy=deed != 'deaf')
        if deed == 'deaf':
            time.sleep(0.3)
        else:
            peer.hears(answer)
        if deed == 'stopped':
            peer.stop()
        vm.alive()
        peer.kill()
        vm.alive()
        vm.peer(back.ends, requests()).hears(answer)
        vm.terminate()
    finally:
        back.done()
        if vm:
            vm.end()


def main():
    count = failed = 0

    def case(name, fn, *args):
        nonlocal count, failed
        if sys.argv[1:] and not any(a in name for a in sys.argv[1:]):
            return
        count += 1
        with tempfile.TemporaryDirectory() as tmp:
            try:
                fn(tmp, *args)
                print(f'ok {count} - {name}', flush=True)
            except (AssertionError, OSError, ValueError) as e:
                failed += 1
                print(f'not ok {count} - {name}\n#  {type(e).__name__}: {e}', flush=True)

    for backend in UnixServer, TcpServer, Telnet, Client, ClientOnce, Pipe, Pty, Stdio:
        for device in (Serial,) if backend in (Client, ClientOnce, Telnet) else (Serial, Parallel, Debugcon):
            for deed in killed, stopped_then_killed:
                case(f'{device.__name__} on {backend.__name__}: {deed.__name__}'.replace('_', ' '), device_case, device, backend, deed)
    for backend in UnixServer, Telnet:
        case(f'Serial on {backend.__name__}: a quarter of a megabyte for a stopped one', device_case, Serial, backend, stopped_long)
    for backend in UnixTelnet, TelnetClient:
        case(f'Serial on {backend.__name__}: killed with its bytes unread', unread_case, backend)
    for name, args, requests, answer in (
            ('QMP', ['-mon', 'chardev=c,mode=control'], qmp_requests, b'"return": ['),
            ('human monitor', ['-mon', 'chardev=c'], hmp_requests, b'memory'),
            ('qtest', ['-qtest', 'chardev:c', '-qtest-log', '/dev/null'], qtest_requests, b'OK 0x')):
        for backend in UnixServer, TcpServer, Client:
            for deed in ('killed',) if backend is Client else ('killed', 'stopped', 'deaf'):
                case(f'{name} on {backend.__name__}: {deed}', monitor_case, args, requests, answer, backend, deed)
    print(f'1..{count}')
    return failed > 0


sys.exit(main())
