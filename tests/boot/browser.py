#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-display web as a person has it: Chromium opens the address that is printed, a Debian (machineimage.py) boots on the page, somebody logs
in on its screen and on its serial console and reads what commands say. Then -vnc as a viewer of Debian's shows it: TigerVNC's in
an X server, with TLS. What is seen is compared with screendump, pixel by pixel. TAP.

usage: browser.py BINARY CACHE [ACCELERATOR]

BROWSER_SHOTS: a folder where screenshots are kept."""
import base64
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from chromium import PROGRAM, Chromium
from debs import Debs, Missing
from image import PASSWORD
from machineimage import machine_image
from serialguest import PATIENCE, Guest, GuestError, Tap, kvm_serves, serves

BOOT_LIMIT = 600
STEPS = ['the printed address opens the page, the screen is there', 'the serial console: a login, a command, its answer',
         'the screen: a login on tty1 by the keyboard', 'the answer of a command, read from the canvas', 'the canvas is what screendump says',
         'the address without the token is refused', "TigerVNC's viewer shows the screen", "the same inside TLS, with a password"]
CANVAS = """(() => {
    const c = document.querySelector('#screen canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    const out = [];
    for (let i = 0, s = ''; i < d.length; i += 4) {
        s += String.fromCharCode(d[i], d[i + 1], d[i + 2]);
        if (s.length >= 30000 || i + 4 >= d.length) {
            out.push(btoa(s));
            s = '';
        }
    }
    return [c.width, c.height, out];
})()"""


class Picture:
    def __init__(self, width, height, pixels):
        self.size, self.pixels = (width, height), pixels

    def __eq__(self, other):
        return self.size == other.size and self.pixels == other.pixels

    def line(self, y, x=0, n=None):
        w = self.size[0]
        return self.pixels[(y * w + x) * 3:(y * w + (w if n is None else x + n)) * 3]

    def cell(self, row, column):
        """A character's pixels: 9 x 16 in the VGA's text mode, else as the kernel's font on a frame buffer."""
        w = 9 if self.size == (720, 400) else 8
        return b''.join(self.line(row * 16 + y, column * w, w) for y in range(16))


def dump(g):
    path = os.path.join(g.folder, 'dump')
    g.qmp('screendump', filename=path)
    with open(path, 'rb') as f:
        _, size, _, pixels = f.read().split(b'\n', 3)
    return Picture(*map(int, size.split()), pixels)


def canvas(page):
    width, height, parts = page.js(CANVAS)
    return Picture(width, height, b''.join(map(base64.b64decode, parts)))


def until(what, limit, fn):
    end = time.monotonic() + limit * PATIENCE
    while not (value := fn()):
        if time.monotonic() > end:
            raise GuestError(f'{what}: not within {limit} s')
        time.sleep(0.3)
    return value


def quiet(page, what, limit=60):
    """A picture that stays for a second; a cursor may blink: of five looks two are the same as the first."""
    def look():
        first = canvas(page)
        same = 0
        for _ in range(4):
            time.sleep(0.25)
            same += canvas(page) == first
        return same >= 2 and first
    return until(what, limit, look)


class Session:
    def __init__(self, g, page, shots):
        self.g, self.page, self.shots = g, page, shots
        self.url = None

    def shot(self, name):
        if self.shots:
            self.page.screenshot(os.path.join(self.shots, name + '.png'))

    def opens(self):
        def printed():
            with open(os.path.join(self.g.folder, 'stderr'), encoding='utf-8') as f:
                return re.search(r'^Web display: (http://\S+)$', f.read(), re.M)
        self.url = until('the address', 30, printed)[1]
        self.page.open(self.url)
        self.page.wait('document.body && document.body.dataset.status === "connected"', 'the page connects', 60 * PATIENCE)
        self.page.wait('(document.querySelector("#screen canvas") || {}).width > 300', 'a screen', 30 * PATIENCE)
        assert 'token' not in self.page.js('location.href'), 'the token stays in the address'
        self.shot('1-start')

    def console(self):
        """The first text console's text."""
        return self.page.js('document.querySelector("pre.view").textContent')

    def serial(self):
        until('a login at the serial port', BOOT_LIMIT, lambda: 'guest login: ' in self.console())
        took = self.g.seconds()
        self.shot('2-booted')
        self.page.click('#tabs button:nth-of-type(2)')
        self.page.type('root\n')
        until('the question for the password', 120, lambda: 'Password: ' in self.console())
        self.page.type(PASSWORD + '\n')
        until('a prompt', 120, lambda: re.search(r'root@guest:~#', self.console()))
        self.page.type('tty; echo "sum=$((6*7))"; echo 0 > /sys/class/graphics/fbcon/cursor_blink\n')
        until('the answer', 60, lambda: re.search(r'/dev/ttyS0\s+sum=42\b', self.console()))
        self.shot('3-serial')
        return f'booted in {took:.1f} s'

    def login(self):
        self.page.click('#tabs button:nth-of-type(1)')
        self.page.wait('document.querySelector("#screen canvas").getBoundingClientRect().width > 300', 'the screen is there again', 30 * PATIENCE)
        self.page.click('#screen canvas')
        before = quiet(self.page, 'a quiet screen')
        self.page.type('root\n')
        asked = until('the question for the password', 60, lambda: (p := quiet(self.page, 'a quiet screen')) != before and p)
        self.page.type(PASSWORD + '\n')
        until('a prompt', 60, lambda: quiet(self.page, 'a quiet screen') != asked)
        self.shot('4-logged-in')

    def answer(self):
        """A sample line teaches the sixteen digits; in the next they spell what only the guest could have worked out."""
        want = hashlib.sha256(b'guest\n').hexdigest()[:32]
        self.page.type('clear; echo 0123456789abcdef; sha256sum < /etc/hostname | cut -c1-32\n')
        seen = ''

        def read():
            nonlocal seen
            p = canvas(self.page)
            digits = {p.cell(0, i): c for i, c in enumerate('0123456789abcdef')}
            seen = ''.join(digits.get(p.cell(1, i), '?') for i in range(33))
            return len(digits) == 16 and seen == want + '?'
        try:
            until('the answer', 60, read)
        finally:
            self.shot('5-answer')
        return f'{seen[:32]} on {"x".join(map(str, canvas(self.page).size))}'

    def same(self):
        until('the canvas and screendump agree', 60, lambda: canvas(self.page) == dump(self.g))

    def refused(self):
        bare = self.url.split('?')[0]
        with Chromium() as stranger:
            stranger.open(bare)
            stranger.wait('document.readyState === "complete"', 'an answer', 60)
            text = stranger.js('document.body.textContent')
            assert text.startswith('403'), text
            stranger.open(bare + '?token=00000000000000000000000000000000')
            stranger.wait('document.readyState === "complete"', 'an answer', 60)
            text = stranger.js('document.body.textContent')
            assert text.startswith('403'), text


class XServer:
    """Xvfb, whose screen is a file in the format of xwd."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='x-')
        r, w = os.pipe()
        self.process = subprocess.Popen(['Xvfb', '-displayfd', str(w), '-screen', '0', '1600x1200x24', '-nolisten', 'tcp', '-fbdir', self.folder],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(w,))
        os.close(w)
        with os.fdopen(r) as f:
            number = f.readline().strip()
        self.display = f':{number}'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def picture(self):
        with open(os.path.join(self.folder, 'Xvfb_screen0'), 'rb') as f:
            data = f.read()
        head = struct.unpack('>25I', data[:100])
        size, width, height, order, bpp, stride, colours = head[0], head[4], head[5], head[7], head[11], head[12], head[19]
        assert bpp == 32, f'{bpp} bits a pixel'
        at = size + colours * 12
        lines = []
        for y in range(height):
            line = data[at + y * stride:at + y * stride + width * 4]
            rgb = bytearray(width * 3)
            for k in range(3):
                rgb[k::3] = line[(2 - k if order == 0 else k + 1)::4]
            lines.append(bytes(rgb))
        return Picture(width, height, b''.join(lines))


def contains(big, small):
    """Whether a picture is shown somewhere in another."""
    w, h = small.size
    lines = [small.line(y) for y in range(h)]
    probe = next((y for y in range(h) if lines[y] != lines[0]), 0)
    for y in range(big.size[1] - h + 1):
        row, x = big.line(y + probe), -1
        while (x := row.find(lines[probe], x + 1)) >= 0:
            if x % 3 == 0 and all(big.line(y + i, x // 3, w) == lines[i] for i in range(h)):
                return x // 3, y
    return None


def save(picture, path):
    with open(path, 'wb') as f:
        f.write(b'P6\n%d %d\n255\n' % picture.size + picture.pixels)


def viewer(session, address, args, name, password=None):
    env = {**os.environ, 'HOME': session.g.folder}
    if password:
        env['VNC_PASSWORD'], env['VNC_USERNAME'] = password, 'nobody'
    with XServer() as x:
        p = subprocess.Popen(['vncviewer', '-display', x.display, '-RemoteResize=0', '-DotWhenNoCursor=0', *args, address], env={**env, 'DISPLAY': x.display},
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        place = None
        try:
            place = until('the picture in the viewer', 60, lambda: p.poll() is None and contains(x.picture(), dump(session.g)))
        except GuestError as e:
            place = e
        if session.shots:
            save(x.picture(), os.path.join(session.shots, name + '.ppm'))
        p.kill()
        said = p.communicate()[0]
    if isinstance(place, GuestError):
        raise GuestError(f'{place}: {said[-800:]}')
    return 'at {}, {}'.format(*place)


def certificates(folder):
    def cert(name, subject, *more):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', f'{name}-key.pem',
                        '-out', f'{name}-cert.pem', '-days', '2', '-subj', f'/CN={subject}', *more], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cert('ca', 'an authority')
    cert('server', 'localhost', '-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1')


def free_displays(count):
    out = []
    for n in range(200, 2000):
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', 5900 + n))
            except OSError:
                continue
        out.append(n)
        if len(out) == count:
            return out
    raise GuestError('no ports are free')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = map(os.path.abspath, sys.argv[1:3])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'kvm' if kvm_serves(binary) else 'tcg'
    shots = os.environ.get('BROWSER_SHOTS')
    tap = Tap(f'{accel}: {s}' for s in STEPS)

    def skip(count, why):
        for _ in range(count):
            tap.skip(why)
    missing = f'{PROGRAM} is not installed (scripts/install-packages check-long)' if not shutil.which(PROGRAM) else \
        'no /usr/share/novnc (package novnc)' if not os.path.exists('/usr/share/novnc/core/rfb.js') else \
        f'no -accel {accel} here' if not serves(binary, accel) else \
        'built without VNC' if not os.path.exists(os.path.join(os.path.dirname(binary), 'modules/ui-vnc.so')) else None
    try:
        disk = None if missing else machine_image(Debs(cache, 'amd64'))[0]
    except Missing as e:
        missing = str(e)
    if missing:
        skip(len(STEPS), missing)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        tls = shutil.which('openssl') and os.path.exists(os.path.join(os.path.dirname(binary), 'modules/crypto.so'))
        plain, secure = free_displays(2)
        args = ['-smp', '2', '-m', '1G', '-cpu', 'max', '-drive', f'file={disk},format=raw,if=virtio,snapshot=on', '-display', 'web,token=' + os.urandom(12).hex(),
                '-chardev', 'vc,id=console', '-device', 'isa-serial,chardev=console', '-vnc', f'127.0.0.1:{plain}']
        if tls:
            certificates(folder)
            args += ['-object', f'tls-creds-x509,id=tls,dir={folder},endpoint=server,verify-peer=off', '-object', 'secret,id=word,data=sesame',
                     '-vnc', f'127.0.0.1:{secure},tls-creds=tls,password-secret=word,id=secure']
        try:
            with Guest(binary, accel, args, serial=False) as g, Chromium() as page:
                s = Session(g, page, shots)
                for step in (s.opens, s.serial, s.login, s.answer, s.same, s.refused):
                    if not tap.point(step):
                        s.shot('failed')
                        if step in (s.opens, s.serial):
                            raise GuestError('the page has no machine')
                if not shutil.which('vncviewer') or not shutil.which('Xvfb'):
                    skip(2, 'no vncviewer or no Xvfb (scripts/install-packages check-long)')
                    return tap.failed > 0
                tap.point(lambda: viewer(s, f'127.0.0.1::{5900 + plain}', ['-SecurityTypes=None'], 'viewer'))
                if tls:
                    tap.point(lambda: viewer(s, f'localhost::{5900 + secure}', ['-SecurityTypes=X509Vnc', f'-X509CA={folder}/ca-cert.pem'], 'viewer-tls', 'sesame'))
                else:
                    skip(1, 'built without gnutls, or no openssl')
        except GuestError as e:
            while tap.n < len(STEPS):
                tap.fail(e)
    return tap.failed > 0


if __name__ == '__main__':
    sys.exit(main())
