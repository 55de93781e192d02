# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that is talked to: the emulator with QMP and a serial port on sockets, expect and send with time limits, the text screen,
and TAP points. What listens is this side: no waiting for files."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

COLUMNS, ROWS = 80, 25
# The upper half of CP437 where Python's codec and a terminal agree; the lower 32 are pictures.
PICTURES = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼'
PATIENCE = float(os.environ.get('GUEST_PATIENCE', '1'))  # what all limits are multiplied with: slow hosts, an interpreter
KEYS = {' ': ['spc'], '\n': ['ret'], '-': ['minus'], '.': ['dot'], '/': ['slash'], '=': ['equal'], '\x1b': ['esc']}


class GuestError(Exception):
    """What was waited for did not come, or the emulator ended."""


def serves(binary, accel):
    """Whether the binary has this accelerator and, for KVM, this host lets it: one of ours that is listed and does not start fails tests."""
    name = accel.split(',', maxsplit=1)[0]
    known = subprocess.run([binary, '-accel', 'help'], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    if name not in known.stdout.split() or (name == 'kvm' and not os.access('/dev/kvm', os.R_OK | os.W_OK)):
        return False
    if name != 'kvm':
        return True
    tried = subprocess.run([binary, '-accel', accel, '-machine', 'none', '-display', 'none', '-S', '-monitor', 'none', '-serial', 'none',
                            '-qmp', 'stdio'], input='{"execute": "qmp_capabilities"}{"execute": "quit"}', capture_output=True, text=True,
                           timeout=60, check=False)
    return tried.returncode == 0


def refused(binary, accel):
    """Why the binary runs no guests by this accelerator here; None: it does."""
    if not serves(binary, accel):
        return f'the binary has no -accel {accel} here'
    return 'KVM does not run guests on the processor here' if accel == 'kvm' and not kvm_serves(binary) else None


# The disk that the bare guest `virtio` drives; @IMAGES@ is where the guests are.
VIRTIO_DISK = ['-drive', 'if=none,id=d,format=raw,readonly=on,file=@IMAGES@/virtio.bin', '-device', 'virtio-blk-pci,addr=5,drive=d']


def kvm_refused():
    """Why /dev/kvm cannot be opened; None: it can."""
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
        return None
    except OSError as e:
        return f'/dev/kvm: {e.strerror}'


def kvm_serves(binary):
    """Whether -accel kvm runs guests: on the processor, or with the engine's help, which Debian's binary does not have."""
    return native_kvm() or serves(binary, 'kvm,assist=auto')


def native_kvm():
    """Whether KVM runs guests on the processor: where KVM itself runs in software (no VMX, no SVM) it cannot run most of them."""
    with open('/proc/cpuinfo', encoding='utf-8') as f:
        flags = next((line.split() for line in f if line.startswith('flags')), [])
    return os.access('/dev/kvm', os.R_OK | os.W_OK) and ('vmx' in flags or 'svm' in flags)


def character(code):
    if code < 32:
        return PICTURES[code]
    return '⌂' if code == 127 else bytes([code]).decode('cp437').replace('\xa0', ' ')


def screen_rows(memory, columns=COLUMNS, rows=ROWS):
    """The rows of a text screen from its characters and attributes, without the blanks at their ends."""
    cells = memory[:columns * rows * 2:2]
    return [''.join(map(character, cells[i:i + columns])).rstrip() for i in range(0, columns * rows, columns)]


class Guest:
    """with Guest(binary, 'tcg', [...]) as g: ... ; ends the emulator in any case. fds: of ours, which it has under the same numbers."""

    def __init__(self, binary, accel, args, serial=True, echo=False, fds=()):
        self.folder = tempfile.mkdtemp(prefix='guest-')
        self.lines, self.events = None, []
        self.text, self.at, self.ended = b'', 0, False  # what the serial port said; up to where it was read
        self.prompt = rb'guest# '
        self.lost = False  # something that was waited for did not come: the guest's answers are no longer those to our questions
        self.news = threading.Condition()
        self.echo = echo
        sockets = {name: self.listen(name) for name in (['qmp', 'serial'] if serial else ['qmp'])}
        self.args = [binary, '-accel', accel, '-display', 'none', '-no-user-config', '-parallel', 'none', '-monitor', 'none',
                     '-chardev', f'socket,id=qmp,path={self.folder}/qmp', '-mon', 'chardev=qmp,mode=control']
        if serial:
            self.args += ['-chardev', f'socket,id=serial,path={self.folder}/serial', '-serial', 'chardev:serial']
        else:
            self.args += ['-serial', 'none']
        self.args += args if '-nic' in args or '-netdev' in args else ['-net', 'none'] + args
        self.start = time.monotonic()
        with open(os.path.join(self.folder, 'stderr'), 'wb') as err:
            self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=err, stderr=err, pass_fds=fds)
        try:
            self.serial = self.accept(sockets['serial']) if serial else None
            if serial:
                threading.Thread(target=self.listen_to_serial, daemon=True).start()
            self.socket = self.accept(sockets['qmp'])
            self.lines = self.socket.makefile('rb')
            self.lines.readline()
            self.qmp('qmp_capabilities')
        except BaseException:
            self.close()
            raise
        finally:
            for s in sockets.values():
                s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def listen(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.bind(os.path.join(self.folder, name))
        s.listen(1)
        s.settimeout(0.1)
        return s

    def accept(self, listener):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                s = listener.accept()[0]
            except socket.timeout:
                continue
            s.settimeout(None)
            return s
        raise GuestError(f'the emulator does not connect: {self.obituary()}')

    def seconds(self):
        """Since the emulator was started."""
        return time.monotonic() - self.start

    def cpu_time(self):
        """The emulator's, seconds."""
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def memory(self):
        """What the emulator has resident, KiB."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))

    def obituary(self):
        """The emulator's end and its last words."""
        try:
            with open(os.path.join(self.folder, 'stderr'), encoding='utf-8', errors='replace') as f:
                words = f.read()[-600:].strip()
        except OSError:
            words = ''
        status = self.process.poll()
        how = 'runs' if status is None else f'ended with status {status}' if status >= 0 else f'died of {signal.Signals(-status).name}'
        return f'{how}{": " + words if words else ""}'

    # QMP

    def qmp(self, command, **arguments):
        self.socket.settimeout(60)
        try:
            self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
            while True:
                reply = self.message(60)
                if 'error' in reply:
                    raise GuestError(f'{command}: {reply["error"]["desc"]}')
                if 'return' in reply:
                    return reply['return']
                self.events.append(reply)
        except OSError as e:
            raise GuestError(f'{command}: {e}; the emulator {self.obituary()}') from None

    def message(self, limit):
        self.socket.settimeout(limit)
        line = self.lines.readline()
        if not line:
            self.wait_process(10)
            raise GuestError(f'QMP is closed; the emulator {self.obituary()}')
        return json.loads(line)

    def wait_process(self, limit):
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def shutdown(self, reason, limit):
        """The guest ends the machine: why it says so must be this (guest-shutdown, guest-reset ...), and the exit status 0."""
        end = time.monotonic() + limit * PATIENCE
        try:
            while not any(e.get('event') == 'SHUTDOWN' for e in self.events):
                self.events.append(self.message(max(0.1, end - time.monotonic())))
        except OSError:
            raise GuestError(f'no SHUTDOWN within {limit} s; {self.tail()}') from None
        said = next(e for e in self.events if e.get('event') == 'SHUTDOWN')['data'].get('reason')
        if said != reason:
            raise GuestError(f'SHUTDOWN because of {said}, not {reason}; {self.tail()}')
        status = self.wait_process(60)
        if status != 0:
            raise GuestError(f'after SHUTDOWN the emulator {self.obituary()}')

    # The serial port

    def listen_to_serial(self):
        while True:
            try:
                got = self.serial.recv(65536)
            except OSError:
                got = b''
            with self.news:
                self.text += got
                self.ended |= not got
                self.news.notify_all()
            if not got:
                return
            if self.echo:
                os.write(1, got)

    def tail(self, size=400):
        text = self.text[-size:].decode(errors='replace')
        return f'serial port: ...{text!r}; the emulator {self.obituary()}'

    def send(self, text):
        self.serial.sendall(text.encode())

    def expect(self, pattern, limit):
        """The first match of a pattern (bytes) in what has not been read yet; reading goes on behind it. A guest that panics is not
        waited for."""
        end = time.monotonic() + limit * PATIENCE
        with self.news:
            while True:
                found = re.search(pattern, self.text[self.at:], re.S)
                if found:
                    self.at += found.end()
                    return found
                self.lost = self.ended or time.monotonic() >= end
                panic = re.search(rb'Kernel panic - [^\r\n]*', self.text[self.at:])
                if panic:
                    self.lost = True
                    raise GuestError(f'{panic[0].decode(errors="replace")} before {pattern!r}; {self.tail(1500)}')
                if self.ended:
                    self.wait_process(10)
                    raise GuestError(f'the serial port ended before {pattern!r}; {self.tail()}')
                if self.lost:
                    raise GuestError(f'{pattern!r} did not come within {limit} s; {self.tail()}')
                self.news.wait(max(0, end - time.monotonic()))

    def shell(self, command, limit, good=(0,)):
        """Type a command at the shell's prompt; what it prints once it has ended with a good status, and the prompt is there again."""
        self.send(f'{command}; echo "=$?="\n')
        echo = self.expect(rb'[^\n]*\n', 30)
        got = self.expect(rb'(.*?)=(\d+)=\r?\n', limit)
        self.expect(self.prompt, 30)
        out = got[1].decode(errors='replace').replace('\r\n', '\n').strip()
        if int(got[2]) not in good:
            raise GuestError(f'{command!r} ended with {int(got[2])}: {out[-600:]!r} (typed: {echo[0]!r})')
        return out

    # Screen and keyboard

    def rows(self):
        """The text screen's rows: characters and attributes stand in the VGA's memory."""
        path = os.path.join(self.folder, 'screen')
        self.qmp('pmemsave', val=0xb8000, size=COLUMNS * ROWS * 2, filename=path)
        with open(path, 'rb') as f:
            return screen_rows(f.read())

    def wait_screen(self, what, limit, seen, progress=None):
        """The screen once seen(rows) is true. progress(rows): a line about it, printed where it changes."""
        start, last = time.monotonic(), None
        while True:
            rows = self.rows()
            if seen(rows):
                return rows
            line = progress(rows) if progress else None
            if line and line != last:
                print(f'# [{time.monotonic() - start:5.1f} s] {line}', flush=True)
                last = line
            if time.monotonic() > start + limit * PATIENCE:
                shown = ' | '.join(r.strip() for r in rows if r.strip())
                raise GuestError(f'{what} did not come within {limit} s; the screen: {shown}')
            time.sleep(0.2)

    def press(self, *names):
        self.qmp('send-key', keys=[{'type': 'qcode', 'data': n} for n in names], **{'hold-time': 20})

    def type(self, text):
        for c in text:
            self.press(*KEYS.get(c, [c]))
            time.sleep(0.3)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Tap:
    """Points of TAP in the order of their names."""

    def __init__(self, names):
        self.names, self.n, self.failed = list(names), 0, 0
        print(f'1..{len(self.names)}', flush=True)

    def ok(self, note=''):
        self.n += 1
        print(f'ok {self.n} - {self.names[self.n - 1]}{" (" + note + ")" if note else ""}', flush=True)

    def skip(self, why):
        self.n += 1
        print(f'ok {self.n} - {self.names[self.n - 1]} # SKIP {why}', flush=True)

    def skip_rest(self, why):
        """All that is left; the program's exit status."""
        while self.n < len(self.names):
            self.skip(why)
        return self.failed > 0

    def fail(self, why):
        self.n += 1
        self.failed += 1
        print(f'not ok {self.n} - {self.names[self.n - 1]}', flush=True)
        for line in str(why).splitlines():
            print('#', line, flush=True)

    def point(self, work):
        """work() returns a note or nothing; GuestError or a wrong value (AssertionError) fails the point. False: failed."""
        try:
            self.ok(work() or '')
            return True
        except (GuestError, AssertionError) as e:
            self.fail(e)
            return False
