#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
vnc.py BINARY [REFERENCE]: bytes that a VNC viewer gets while a text console scrolls, ours against Debian's QEMU.

A boot sector prints 100 lines of letters, one a timer tick; the viewer (tests/qtest/rfb.py) asks for updates all the time. At the end its picture
is compared with screendump. A ratio below 1 means that ours sends less.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'qtest'))
import rfb  # noqa: E402

LINES = 100
VIEWERS = {'hextile': (rfb.HEXTILE,), 'zrle': (rfb.ZRLE,), 'tight': (rfb.TIGHT,), 'tight, copyrect': (rfb.COPYRECT, rfb.TIGHT)}
GUEST = f'''
.code16
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7c00, %sp
    sti
    mov $1, %ah     # no cursor: it would blink
    mov $0x2000, %cx
    int $0x10
    mov ${LINES}, %di
    mov $0x1234, %dx
line:
    hlt
    mov $60, %cx
char:
    shr $1, %dx
    jnc 1f
    xor $0xb400, %dx
1:  mov %dl, %al
    and $31, %al
    add $'A', %al
    cmp $'Z', %al
    jbe 1f
    mov $' ', %al
1:  mov $0x0e, %ah
    mov $7, %bx
    int $0x10
    loop char
    mov $0x0e0d, %ax
    int $0x10
    mov $0x0e0a, %ax
    int $0x10
    dec %di
    jnz line
    mov $'!', %al
    out %al, $0xe9
1:  hlt
    jmp 1b
    .org 510
    .word 0xaa55
'''


def assemble(tmp):
    obj, out = os.path.join(tmp, 'o'), os.path.join(tmp, 'disk')
    subprocess.run(['as', '--32', '-o', obj, '-'], input=GUEST.encode(), check=True)
    subprocess.check_call(['ld', '-m', 'elf_i386', '--oformat', 'binary', '-Ttext', '0x7c00', '-e', '0x7c00', '-o', out, obj])
    return out


def measure(binary, disk, encodings, tmp):
    """Bytes and updates of one run."""
    port, qmp, done = 7000, os.path.join(tmp, 'qmp'), os.path.join(tmp, 'done')
    for path in (qmp, done):
        if os.path.exists(path):
            os.unlink(path)
    while True:
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', port))
                break
            except OSError:
                port += 1
    vm = subprocess.Popen([binary, '-nodefaults', '-machine', 'pc-i440fx-7.2', '-accel', 'tcg', '-m', '64', '-vga', 'std', '-S', '-display', 'none',
                           '-vnc', f'127.0.0.1:{port - 5900}', '-drive', f'file={disk},format=raw,if=ide,snapshot=off', '-debugcon', f'file:{done}',
                           '-global', 'isa-debugcon.iobase=0xe9', '-qmp', f'unix:{qmp},server=on,wait=off'], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                client = rfb.Client(socket.create_connection(('127.0.0.1', port)))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(60)
        control.connect(qmp)
        lines = control.makefile('rw')

        def ask(command, **arguments):
            lines.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
            lines.flush()
            while 'return' not in json.loads(lines.readline()):
                pass
        lines.readline()
        ask('qmp_capabilities')
        client.encodings(*encodings, rfb.DESKTOP_SIZE, rfb.LAST_RECT)
        ask('cont')
        client.request(False)
        updates = 0

        def turn(seconds):
            nonlocal updates
            client.sock.settimeout(seconds)
            try:
                first = client.sock.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                return False
            client.sock.settimeout(30)
            if not first:
                raise rfb.Closed
            client.update()
            updates += 1
            client.request(True)
            return True
        while not (os.path.exists(done) and os.path.getsize(done)):
            turn(0.2)
            if time.monotonic() > end + 60:
                raise TimeoutError('the guest does not end')
        last = time.monotonic() + 20
        while turn(1.0) and time.monotonic() < last:
            pass
        dump = os.path.join(tmp, 'dump')
        ask('screendump', filename=dump)
        with open(dump, 'rb') as f:
            pixels = f.read().split(b'\n', 3)[3]
        if client.rgb() != pixels:
            raise ValueError('the viewer shows another picture than screendump')
        return client.received, updates, client.rects.get(rfb.COPYRECT, 0)
    finally:
        vm.terminate()
        vm.wait(30)


def main():
    ours = sys.argv[1]
    theirs = sys.argv[2] if len(sys.argv) > 2 else '/usr/bin/qemu-system-x86_64'
    print(f'{"encoding":24}{"ours":>10}{"updates":>9}{"theirs":>10}{"updates":>9}{"ratio":>8}')
    with tempfile.TemporaryDirectory() as tmp:
        disk = assemble(tmp)
        for name, encodings in VIEWERS.items():
            a, b = measure(ours, disk, encodings, tmp), measure(theirs, disk, encodings, tmp) if os.path.exists(theirs) else (0, 0, 0)
            print(f'{name:24}{a[0]:10}{a[1]:9}{b[0]:10}{b[1]:9}{a[0] / b[0] if b[0] else 0:8.2f}', flush=True)


if __name__ == '__main__':
    main()
