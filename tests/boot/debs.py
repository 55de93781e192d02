#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages for guests: apt downloads them with a state of its own in a cache folder, dpkg-deb unpacks them there. Nothing is
installed, the machine's own apt state and architectures stay as they are; its sources and its keys are what it has configured.

usage: debs.py CACHE ARCHITECTURE PACKAGE...    unpack these and print where"""
import fcntl
import os
import shutil
import subprocess
import sys

UPDATE_LIMIT, DOWNLOAD_LIMIT = 600, 1800


class Missing(Exception):
    """Why this machine does not get a package: a reason to skip."""


class Debs:
    def __init__(self, cache, arch):
        self.arch = arch
        self.root = os.path.join(os.path.abspath(cache), arch)
        self.apt = os.path.join(self.root, 'apt')
        os.makedirs(self.root, exist_ok=True)

    def options(self):
        settings = {
            'Dir::State': self.apt, 'Dir::State::status': os.path.join(self.apt, 'status'), 'Dir::Cache': self.apt,
            'APT::Architecture': self.arch, 'APT::Architectures': self.arch, 'APT::Sandbox::User': 'root', 'Acquire::Languages': 'none',
            'Acquire::Retries': '3', 'Acquire::http::Timeout': '60', 'Acquire::https::Timeout': '60',
            'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled': 'false',
        }
        return [x for name, value in settings.items() for x in ('-o', f'{name}={value}')]

    def run(self, args, limit, cwd=None):
        try:
            done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                                  timeout=limit, check=False, env={**os.environ, 'LC_ALL': 'C'})
        except subprocess.TimeoutExpired:
            raise Missing(f'{args[0]} did not end within {limit} s') from None
        return done.returncode, done.stdout, done.stderr

    def update(self):
        """The lists of this architecture, fetched once for a cache."""
        if not shutil.which('apt-get') or not shutil.which('dpkg-deb'):
            raise Missing('no apt here')
        stamp = os.path.join(self.apt, 'updated')
        if os.path.exists(stamp):
            return
        for folder in ('lists/partial', 'archives/partial'):
            os.makedirs(os.path.join(self.apt, folder), exist_ok=True)
        with open(os.path.join(self.apt, 'status'), 'a', encoding='ascii'):
            pass
        # One of several sources may fail; what counts is whether packages are known.
        self.run(['apt-get', *self.options(), '-qq', 'update'], UPDATE_LIMIT)
        if not self.show('base-files'):
            raise Missing(f'apt-get update gets no lists for {self.arch}')
        with open(stamp, 'w', encoding='ascii'):
            pass

    def show(self, package):
        """The candidate's control fields."""
        _, text, _ = self.run(['apt-cache', *self.options(), 'show', '--no-all-versions', package], 60)
        lines = [line for line in text.splitlines() if line[:1] not in ('', ' ') and ': ' in line]
        return dict(line.split(': ', 1) for line in lines)

    def depends(self, package):
        """The first package that this one needs: a kernel's version from the package that follows it."""
        with self.locked():
            made = os.path.join(self.root, package + '.depends')
            if not os.path.exists(made):
                self.update()
                first = self.show(package).get('Depends', '').split(' ')[0]
                if not first:
                    raise Missing(f'{package}:{self.arch} is not in the lists of apt')
                with open(made, 'w', encoding='ascii') as f:
                    f.write(first)
            with open(made, encoding='ascii') as f:
                return f.read()

    def locked(self, name='lock'):
        """Tests run side by side and share the cache."""
        f = open(os.path.join(self.root, name), 'w', encoding='ascii')  # closed, and so unlocked, by the caller's with
        fcntl.flock(f, fcntl.LOCK_EX)
        return f

    def download(self, package, folder):
        """Its .deb, in this folder."""
        self.update()
        os.makedirs(folder, exist_ok=True)
        status, _, err = self.run(['apt-get', *self.options(), '-qq', 'download', package], DOWNLOAD_LIMIT, folder)
        files = [f for f in os.listdir(folder) if f.startswith(package + '_')]
        if status or len(files) != 1:
            os.unlink(os.path.join(self.apt, 'updated'))  # the lists may be old: the next call asks for new ones
            why = 'is not in the lists of apt' if 'Unable to locate' in err else 'does not download'
            raise Missing(f'{package}:{self.arch} {why}')
        return os.path.join(folder, files[0])

    def tree(self, package):
        """The folder with this package's files."""
        done = os.path.join(self.root, package)
        with self.locked():
            if os.path.isdir(done):
                return done
            work = done + '.part'
            shutil.rmtree(work, ignore_errors=True)
            deb = self.download(package, work)
            status, _, err = self.run(['dpkg-deb', '-x', deb, os.path.join(work, 'files')], DOWNLOAD_LIMIT)
            if status:
                raise Missing(f'{package}:{self.arch}: dpkg-deb: {err.strip()}')
            os.rename(os.path.join(work, 'files'), done)
            shutil.rmtree(work)
        return done

    def sources(self):
        """Debian's among the machine's sources, as lines of a sources.list."""
        with self.locked():
            self.update()
        form = '$(ORIGIN)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)'
        _, text, _ = self.run(['apt-get', *self.options(), 'indextargets', '--format', form, 'Created-By: Packages'], 60)
        return [line.partition('|')[2] for line in text.splitlines() if line.startswith('Debian|')]

    def kernel(self, package):
        """(vmlinuz, folder of modules) of the kernel that this package follows."""
        tree = self.tree(self.depends(package))
        boot = os.path.join(tree, 'boot')
        image = [f for f in os.listdir(boot) if f.startswith('vmlinuz-')]
        if len(image) != 1:
            raise Missing(f'{package}:{self.arch} has {len(image)} kernels')
        return os.path.join(boot, image[0]), os.path.join(tree, 'lib/modules', image[0].removeprefix('vmlinuz-'))

    def system(self, package='linux-image-cloud-amd64'):
        """The same and busybox: what an initramfs that runs by itself is made of."""
        return *self.kernel(package), os.path.join(self.tree('busybox-static'), 'bin/busybox')


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    debs = Debs(sys.argv[1], sys.argv[2])
    for package in sys.argv[3:]:
        print(debs.tree(package))


if __name__ == '__main__':
    main()
