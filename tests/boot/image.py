#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk with Debian: mmdebstrap installs it into a folder, mke2fs makes one ext4 file system of that; and the initramfs that mounts
it from an IDE disk. Made once for a recipe (this file and what it copies), kept in the cache.

usage: image.py CACHE    make it and print its paths"""
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

from debs import Debs, Missing
from initramfs import busybox

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ['systemd-sysv', 'udev', 'dbus', 'libpam-systemd', 'login', 'passwd', 'procps', 'gcc', 'libc6-dev', 'python3',
            'libpython3.11-testsuite', 'openssl', 'stress-ng']
EXTRA = ['hello']  # in the file repository, not installed
PASSWORD = 'guest'
FREE_MIB = 1024
LIMIT = 3600
MODULES = ['ata_piix', 'sd_mod', 'autofs4', 'binfmt_misc']

INIT = """#!/bin/busybox sh
echo "init: started"
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for m in $(cat /modules); do insmod /$m.ko || echo "init: $m does not load"; done
n=0
while [ ! -b /dev/sda ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n+1)); done
mount -t ext4 /dev/sda /root || exec sh
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
exec switch_root /root /sbin/init
"""


def say(text):
    print('#', text, flush=True)


def modules(folder, names):
    """[(name, contents)] of kernel modules and what they need, in the order to load them."""
    files = {os.path.basename(f)[:-3].replace('-', '_'): f for f in glob.glob(folder + '/**/*.ko', recursive=True)}
    done = {}

    def add(name):
        if name in done:
            return
        if name not in files:
            raise Missing(f'the kernel has no module {name}')
        with open(files[name], 'rb') as f:
            data = f.read()
        for need in re.search(rb'\0depends=([^\0]*)\0', data)[1].decode().split(','):
            if need:
                add(need.replace('-', '_'))
        done[name] = data

    for name in names:
        add(name)
    return list(done.items())


def index(folder):
    """A repository's Packages."""
    entries = []
    for name in sorted(f for f in os.listdir(folder) if f.endswith('.deb')):
        path = os.path.join(folder, name)
        control = subprocess.run(['dpkg-deb', '-f', path], stdout=subprocess.PIPE, text=True, check=True).stdout.rstrip('\n')
        with open(path, 'rb') as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        entries.append(f'{control}\nFilename: ./{name}\nSize: {os.path.getsize(path)}\nSHA256: {digest}\n')
    with open(os.path.join(folder, 'Packages'), 'w', encoding='utf-8') as f:
        f.write('\n'.join(entries))


def proxies(debs):
    """Those that apt is told to use, as mmdebstrap takes them."""
    _, text, _ = debs.run(['apt-config', 'dump', '--format', '%f=%v%n', 'Acquire::http::Proxy', 'Acquire::https::Proxy'], 60)
    return {line.split('::')[1] + '_proxy': line.split('=', 1)[1] for line in text.splitlines() if line.split('=', 1)[-1] not in ('', 'DIRECT')}


def write(path, text):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def furnish(debs, root):
    """What a freshly installed system lacks: a password, a host name, a repository of packages, this folder's program."""
    subprocess.run(['chroot', root, 'chpasswd'], input=f'root:{PASSWORD}\n', text=True, check=True)
    write(os.path.join(root, 'etc/hostname'), 'guest\n')
    write(os.path.join(root, 'etc/hosts'), '127.0.0.1 localhost guest\n')
    write(os.path.join(root, 'root/.inputrc'), 'set enable-bracketed-paste off\n')
    shutil.copy(os.path.join(HERE, 'userspace/program.c'), os.path.join(root, 'root'))
    repository = os.path.join(root, 'srv/repo')
    os.makedirs(repository)
    for deb in glob.glob(os.path.join(root, 'var/cache/apt/archives/*.deb')):
        shutil.move(deb, repository)
    for package in EXTRA:
        debs.download(package, repository)
    index(repository)
    shutil.rmtree(os.path.join(root, 'etc/apt/sources.list.d'), ignore_errors=True)
    write(os.path.join(root, 'etc/apt/sources.list'), 'deb [trusted=yes] file:/srv/repo ./\n')


def install(debs, work, packages):
    """Debian with these packages in a folder of work's. Its packages stay in apt's cache there."""
    for tool in ('mmdebstrap', 'mke2fs'):
        if not shutil.which(tool):
            raise Missing(f'{tool} is not installed (scripts/install-packages check-long)')
    if os.geteuid():
        raise Missing('installing Debian into a folder needs root')
    sources, root = os.path.join(work, 'sources.list'), os.path.join(work, 'root')
    write(sources, '\n'.join(debs.sources()) + '\n')
    say(f'installing Debian with {", ".join(packages)}')
    args = ['mmdebstrap', '--mode=root', '--variant=minbase', '--architectures=amd64', '--include=' + ','.join(packages),
            '--skip=cleanup/apt/cache', '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"']
    args += [f'--dpkgopt=path-exclude=/usr/share/{d}/*' for d in ('doc', 'locale', 'man')]
    done = subprocess.run(args + ['', root, sources], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=LIMIT, check=False, env={**os.environ, **proxies(debs), 'LC_ALL': 'C'})
    if done.returncode:
        wrong = [line for line in done.stdout.splitlines() if line.startswith('E:')]
        raise Missing(f'mmdebstrap does not install Debian here: {"; ".join(wrong)[:300]}')
    return root


def file_system(root, path, free, offset=0):
    """ext4 with a folder's contents and free MiB more."""
    used = int(subprocess.run(['du', '-sm', root], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0])
    subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'root', '-E', f'offset={offset}', '-d', root, path, f'{used * 5 // 4 + free}M'],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=LIMIT)


def make(debs, work, disk):
    start = time.monotonic()
    root = install(debs, work, PACKAGES)
    furnish(debs, root)
    say(f'installed after {time.monotonic() - start:.0f} s; making a file system of it')
    file_system(root, disk + '.part', FREE_MIB)
    os.rename(disk + '.part', disk)
    say(f'{os.path.getsize(disk) >> 20} MiB after {time.monotonic() - start:.0f} s')


def recipe(*names):
    """What an image is made by; it is made anew where that changes."""
    digest = hashlib.sha256()
    for name in names:
        with open(os.path.join(HERE, name), 'rb') as f:
            digest.update(f.read())
    return digest.hexdigest()[:12]


def cached(debs, name, make_it, *sources):
    """The file of that name and recipe in the cache, made where it is not there; older ones go."""
    path = os.path.join(debs.root, f'{name}-{recipe(*sources)}.img')
    work = os.path.join(debs.root, f'{name}.part')
    with debs.locked('image.lock'):
        if not os.path.exists(path):
            for old in glob.glob(os.path.join(debs.root, f'{name}-*.img*')):
                os.unlink(old)
            shutil.rmtree(work, ignore_errors=True)
            os.mkdir(work)
            try:
                make_it(debs, work, path)
            except subprocess.TimeoutExpired as e:
                raise Missing(f'{e.cmd[0]} did not end within {LIMIT} s') from None
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return path


def image(cache):
    """(kernel, initramfs, disk)"""
    debs = Debs(cache, 'amd64')
    kernel, folder, tools = debs.system()
    disk = cached(debs, 'debian', make, 'image.py', 'userspace/program.c')
    needed = modules(folder, MODULES)
    files = [(f'{name}.ko', data) for name, data in needed] + [('modules', '\n'.join(n for n, _ in needed).encode())]
    initrd = os.path.join(debs.root, 'initramfs-disk')
    with open(initrd, 'wb') as f:
        f.write(busybox(tools, INIT, files))
    return kernel, initrd, disk


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print('\n'.join(image(sys.argv[1])))
    except Missing as e:
        sys.exit(f'image.py: {e}')


if __name__ == '__main__':
    main()
