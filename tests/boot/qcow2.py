#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest boots from a qcow2 overlay of a compressed image, by the firmware, on IDE and virtio; it reads a sector, writes it elsewhere and
tells. What it wrote is in the overlay, or with snapshot=on nowhere. TAP. Usage: qcow2.py EMULATOR QEMU-IMG"""
import os
import struct
import subprocess
import sys
import tempfile

EMULATOR, IMG = map(os.path.abspath, sys.argv[1:3])
READ, WRITTEN, TEXT = 2048, 4096, b'QCOW2 BOOTS\r\n'


def disk():
    code = bytes.fromhex(
        'fa31c08ed88ed0bc007cfb'    # stack below 7c00
        'be007d'                    # the address packet
        'b442b280cd137240'          # read it
        'c706087d0010'              # another place: sector 4096
        'be007db80043b280cd13'      # write it
        'be0080baf803'              # what was read, to COM1
        'ac84c07403eeebf8'
        'ba0406b80020ef'            # the PIIX4's power management: off
        'f4ebfd')
    img = bytearray(16 << 20)
    img[:len(code)] = code
    img[0x100:0x110] = struct.pack('<BBHHHQ', 16, 0, 1, 0x8000, 0, READ)
    img[510:512] = b'\x55\xaa'
    img[READ * 512:READ * 512 + len(TEXT)] = TEXT
    return img


def img(*args):
    subprocess.run([IMG, *args], check=True, timeout=120, capture_output=True)


def wrote(path):
    img('convert', '-O', 'raw', path, 'out.raw')
    with open('out.raw', 'rb') as f:
        f.seek(WRITTEN * 512)
        return f.read(len(TEXT)) == TEXT


cases = [('IDE', 'file=top.qcow2,if=ide', 'top.qcow2', True),
         ('virtio', 'file=top.qcow2,if=virtio,format=qcow2,discard=unmap', 'top.qcow2', True),
         ('snapshot=on', 'file=base.qcow2,if=virtio,snapshot=on', 'base.qcow2', False)]
print(f'1..{len(cases)}')
bad = 0
with tempfile.TemporaryDirectory() as d:
    os.chdir(d)
    with open('b.raw', 'wb') as f:
        f.write(disk())
    img('convert', '-O', 'qcow2', '-c', 'b.raw', 'base.qcow2')
    for i, (name, drive, image, expected) in enumerate(cases):
        img('create', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'top.qcow2')
        p = subprocess.run([EMULATOR, '-M', 'pc', '-m', '64', '-display', 'none', '-serial', 'stdio', '-accel', 'tcg', '-drive', drive],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=200)
        img('check', image)
        ok = p.returncode == 0 and TEXT.strip() in p.stdout and wrote(image) == expected
        bad += not ok
        print(f"{'ok' if ok else 'not ok'} {i + 1} - {name}", flush=True)
        if not ok:
            print(f'#  exit {p.returncode}, written {wrote(image)}, {p.stdout[-300:]!r} {p.stderr[-500:]!r}')
    os.chdir('/')
sys.exit(bool(bad))
