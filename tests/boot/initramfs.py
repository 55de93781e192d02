# SPDX-License-Identifier: GPL-2.0-or-later
"""A cpio archive in the 'newc' format (kernel: Documentation/driver-api/early-userspace/buffer-format.rst) with busybox and an init."""
import os
import re
import stat
import subprocess

INIT = """#!/bin/busybox sh
echo "init: started"
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=dumb PS1='guest# ' ENV=/profile
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
stty -F /dev/console cols 250
echo "init: a shell"
setsid cttyhack sh
poweroff -f
"""


def align(data):
    return data + bytes(-len(data) % 4)


class Archive:
    def __init__(self):
        self.parts, self.inode, self.made = [], 1, set()

    def entry(self, path, mode, data=b'', device=(0, 0), mtime=0):
        name = path.encode() + b'\0'
        numbers = (self.inode, mode, 0, 0, 2 if stat.S_ISDIR(mode) else 1, mtime, len(data), 0, 0, *device, len(name), 0)
        self.inode += 1
        self.parts.append(align(b'070701' + b''.join(b'%08X' % n for n in numbers) + name) + align(data))

    def folder(self, path):
        if path and path not in self.made:
            self.folder(os.path.dirname(path))
            self.made.add(path)
            self.entry(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644, mtime=0):
        self.folder(os.path.dirname(path))
        self.entry(path, stat.S_IFREG | mode, data, mtime=mtime)

    def device(self, path, major, minor):
        self.folder(os.path.dirname(path))
        self.entry(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        end = Archive()
        end.inode = 0
        end.entry('TRAILER!!!', 0)
        data = b''.join(self.parts) + end.parts[0]
        return data + bytes(-len(data) % 512)


def program(path, folders=()):
    """Files of a dynamically linked program of the host's architecture: it and its libraries, those in folders first."""
    env = {**os.environ, 'LC_ALL': 'C', 'LD_LIBRARY_PATH': ':'.join(folders)}
    needs = subprocess.check_output(['ldd', path], text=True, env=env)
    files = []
    for source in [path, *re.findall(r'(/\S+) \(0x', needs)]:
        name = os.path.basename(source)
        with open(source, 'rb') as f:
            files.append((f'bin/{name}' if source == path else f'lib64/{name}' if name.startswith('ld-linux') else f'lib/{name}', f.read(), 0o755))
    return files


def busybox(path, init=INIT, files=()):
    """An archive with busybox, this /init and more files, (path, data) or (path, data, mode) each."""
    a = Archive()
    a.device('dev/console', 5, 1)
    with open(path, 'rb') as f:
        a.file('bin/busybox', f.read(), 0o755)
    a.file('init', init.encode(), 0o755)
    a.file('profile', b"alias poweroff='poweroff -f'\n")
    for name, data, *mode in files:
        a.file(name, data, *mode)
    return a.bytes()
