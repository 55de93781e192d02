#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A partitioned disk with Debian, GRUB, systemd and ssh, made once for a recipe and kept in the cache."""
import os
import shutil
import struct
import subprocess

from debs import Missing
from image import PASSWORD, cached, file_system, install, write
from serialguest import GuestError

LIMIT = 900
PACKAGES = ['linux-image-amd64', 'initramfs-tools', 'zstd', 'systemd-sysv', 'udev', 'dbus', 'libpam-systemd', 'login', 'passwd', 'procps',
            'openssh-server', 'iproute2', 'e2fsprogs']
OFFSET = 1 << 20  # of the partition
FREE_MIB = 1024
GRUB_MODULES = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'linux', 'serial', 'terminal', 'echo', 'search', 'search_label', 'configfile']
GRUB_EARLY = 'search --no-floppy --label root --set root\nconfigfile ($root)/boot/grub/grub.cfg\n'
GRUB_CONFIG = """set timeout=0
linux /vmlinuz root=LABEL=root rw console=tty0 console=ttyS0 quiet
initrd /initrd.img
boot
"""
NETWORK = '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n'


def run(args, **kw):
    done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=LIMIT, **kw)
    if done.returncode:
        raise GuestError(f'{" ".join(args)} ends with {done.returncode}: {done.stdout[-600:]}')
    return done.stdout


def grub(work, disk):
    """GRUB's two parts before the partition: the first sector loads what stands behind it."""
    folder = '/usr/lib/grub/i386-pc'
    early, core = os.path.join(work, 'early.cfg'), os.path.join(work, 'core.img')
    write(early, GRUB_EARLY)
    run(['grub-mkimage', '-d', folder, '-O', 'i386-pc', '-p', '/boot/grub', '-c', early, '-o', core] + GRUB_MODULES)
    with open(os.path.join(folder, 'boot.img'), 'rb') as f:
        boot = bytearray(f.read(512))
    with open(core, 'rb') as f:
        second = f.read()
    assert len(second) < OFFSET - 512
    sectors = (os.path.getsize(disk) - OFFSET) // 512
    boot[440:446] = bytes(6)
    boot[446:510] = struct.pack('<B3sB3sII', 0x80, b'\xfe\xff\xff', 0x83, b'\xfe\xff\xff', OFFSET // 512, sectors) + bytes(48)
    with open(disk, 'r+b') as f:
        f.write(bytes(boot) + second)


def furnish(debs, root):
    subprocess.run(['chroot', root, 'chpasswd'], input=f'root:{PASSWORD}\n', text=True, check=True)
    write(os.path.join(root, 'etc/hostname'), 'guest\n')
    write(os.path.join(root, 'etc/hosts'), '127.0.0.1 localhost guest\n')
    write(os.path.join(root, 'etc/fstab'), 'LABEL=root / ext4 defaults 0 1\n')
    write(os.path.join(root, 'etc/systemd/network/any.network'), NETWORK)
    write(os.path.join(root, 'etc/apt/sources.list'), 'deb [trusted=yes] file:/mnt ./\n')
    shutil.rmtree(os.path.join(root, 'etc/apt/sources.list.d'), ignore_errors=True)
    os.makedirs(os.path.join(root, 'boot/grub'), exist_ok=True)
    write(os.path.join(root, 'boot/grub/grub.cfg'), GRUB_CONFIG)
    run(['chroot', root, 'systemctl', 'enable', 'systemd-networkd', 'ssh'])
    key = os.path.join(debs.root, 'machine-key')
    if not os.path.exists(key):
        run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key])
    os.makedirs(os.path.join(root, 'root/.ssh'), mode=0o700, exist_ok=True)
    shutil.copy(key + '.pub', os.path.join(root, 'root/.ssh/authorized_keys'))
    shutil.rmtree(os.path.join(root, 'var/cache/apt/archives'), ignore_errors=True)


def make(debs, work, disk):
    for tool in ('grub-mkimage', '/usr/lib/grub/i386-pc/boot.img', 'ssh-keygen'):
        if not shutil.which(tool) and not os.path.exists(tool):
            raise Missing(f'{tool} is not installed (scripts/install-packages check-long)')
    root = install(debs, work, PACKAGES)
    furnish(debs, root)
    file_system(root, disk + '.part', FREE_MIB, OFFSET)
    grub(work, disk + '.part')
    os.rename(disk + '.part', disk)


def machine_image(debs):
    """(disk, the private key that its root lets in by ssh)"""
    return cached(debs, 'machine', make, 'image.py', 'machineimage.py'), os.path.join(debs.root, 'machine-key')
