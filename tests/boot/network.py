#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with a busybox initramfs on a network card: DHCP, ping, TFTP, HTTP in both directions, checksums of what came. TAP.

usage: network.py BINARY CACHE [ACCELERATOR [CASE...]]

Cases: virtio, virtio-legacy, virtio-modern (the cloud kernel), e1000 (the amd64 kernel); NAME+big moves 64 MiB each way, NAME+hub has the
card on a hub. CACHE is where Debian's packages are unpacked (debs.py). Rates are notes of their points."""
import hashlib
import http.server
import os
import socket
import sys
import tempfile
import threading
import time

from debs import Debs, Missing
from initramfs import INIT, busybox
from serialguest import Guest, GuestError, Tap, refused

BOOT_LIMIT, LIMIT = 300, 180
CARDS = {  # model, kernel's package, modules
    'virtio': ('virtio-net-pci', 'linux-image-cloud-amd64', ['virtio_pci', 'virtio_net', 'af_packet']),
    'virtio-legacy': ('virtio-net-pci,disable-modern=on,disable-legacy=off', 'linux-image-cloud-amd64', ['virtio_pci', 'virtio_net', 'af_packet']),
    'virtio-modern': ('virtio-net-pci-non-transitional', 'linux-image-cloud-amd64', ['virtio_pci', 'virtio_net', 'af_packet']),
    'e1000': ('e1000', 'linux-image-amd64', ['e1000', 'af_packet']),
}
MAC = '52:54:00:ab:cd:01'
SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo "nameserver $dns" >/etc/resolv.conf
echo "$ip $mask $router $dns" >/tmp/lease
"""
TROUBLE = 'BUG|WARNING: CPU|Oops|stall|lockup|general protection|segfault|hung|Tx timeout|transmit queue|NETDEV WATCHDOG'
POINTS = ['the card is there', 'DHCP', 'ping', 'TFTP', 'HTTP from the host', 'HTTP to the host through hostfwd', 'upload', 'link down and up',
          'nothing wrong in the log']


def equal(what, got, want):
    assert got == want, f'{what}: {got!r}, not {want!r}'


def module_files(folder, names):
    """Paths of modules in the order of their needs, by what each says of itself."""
    paths = {}
    for where, _, files in os.walk(folder):
        for f in files:
            if f.endswith('.ko'):
                paths[f[:-3].replace('-', '_')] = os.path.join(where, f)
    order = []

    def add(name):
        path = paths.get(name.replace('-', '_'))
        if not path or path in order:
            return  # built in
        with open(path, 'rb') as f:
            data = f.read()
        at = data.find(b'\0depends=')
        needs = data[at + 9:data.index(b'\0', at + 9)].decode() if at >= 0 else ''
        for need in filter(None, needs.split(',')):
            add(need)
        order.append(path)

    for n in names:
        add(n)
    return order


class Server(http.server.BaseHTTPRequestHandler):
    data = b''
    got = None

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def do_POST(self):
        left, h = int(self.headers['Content-Length']), hashlib.md5()
        while left:
            chunk = self.rfile.read(min(left, 1 << 16))
            if not chunk:
                break
            h.update(chunk)
            left -= len(chunk)
        Server.got = h.hexdigest()
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


def initramfs(cache, name):
    _, package, modules = CARDS[name]
    debs = Debs(cache, 'amd64')
    kernel, folder, tools = debs.system(package)
    files, loads = [('udhcpc.script', SCRIPT.encode()), ('etc/resolv.conf', b'')], ''
    for path in module_files(folder, modules):
        with open(path, 'rb') as f:
            files.append(('modules/' + os.path.basename(path), f.read()))
        loads += f'insmod /modules/{os.path.basename(path)}\n'
    init = INIT.replace('echo "init: a shell"', loads + 'chmod 755 /udhcpc.script\nip link set lo up\necho "init: a shell"')
    return kernel, busybox(tools, init, files)


def the_card(g):
    g.expect(rb'init: started', BOOT_LIMIT)
    note = f'exec to init {g.seconds():.2f} s'
    g.expect(g.prompt, LIMIT)
    equal('MAC address', g.shell('cat /sys/class/net/eth0/address', LIMIT), MAC)
    g.shell('ip link set eth0 up', LIMIT)
    g.shell('i=0; while [ "$(cat /sys/class/net/eth0/carrier)" != 1 ] && [ $i -lt 60 ]; do sleep 0.2; i=$((i+1)); done', LIMIT)
    equal('carrier', g.shell('cat /sys/class/net/eth0/carrier', LIMIT), '1')
    return note


def dhcp(g):
    g.shell('udhcpc -i eth0 -n -q -t 20 -T 1 -s /udhcpc.script', LIMIT)
    equal('lease', g.shell('cat /tmp/lease', LIMIT), '10.0.2.15 24 10.0.2.2 10.0.2.3')


def ping(g):
    out = g.shell('ping -c 3 -W 20 10.0.2.2; ping -c 2 -s 4000 -W 20 10.0.2.2', LIMIT)
    assert ' 3 packets received' in out and ' 2 packets received' in out, f'ping says {out!r}'


def tftp(g, data):
    g.shell('cd /tmp; tftp -g -r file -l got 10.0.2.2', LIMIT)
    equal('file', g.shell('md5sum /tmp/got', LIMIT).split(' ')[0], hashlib.md5(data).hexdigest())


def rate(size, start):
    return f'{size / (time.monotonic() - start) / 1e6:.1f} MB/s'


def download(g, port, data):
    start = time.monotonic()
    got = g.shell(f'wget -q -O - http://10.0.2.2:{port}/ | md5sum', LIMIT)
    note = rate(len(data), start)
    equal('file', got.split(' ')[0], hashlib.md5(data).hexdigest())
    return note


def hostfwd(g, port, size):
    """The guest serves; the host asks through the forwarded port."""
    g.shell(f"(printf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; yes abcdefg | head -c {size}) >/tmp/page; (nc -l -p 8000 </tmp/page >/tmp/request &)", LIMIT)
    g.shell('i=0; while ! netstat -tln | grep -q :8000 && [ $i -lt 100 ]; do sleep 0.2; i=$((i+1)); done', LIMIT)
    start = time.monotonic()
    with socket.create_connection(('127.0.0.1', port), 30) as s:
        s.settimeout(LIMIT)
        s.sendall(b'GET / HTTP/1.0\r\n\r\n')
        got = b''.join(iter(lambda: s.recv(1 << 16), b''))
    note = rate(len(got), start)
    equal('page', hashlib.md5(got.partition(b'\r\n\r\n')[2]).hexdigest(), hashlib.md5((b'abcdefg\n' * (size // 8 + 1))[:size]).hexdigest())
    equal('request', g.shell('head -c 5 /tmp/request', LIMIT), 'GET /')
    return note


def upload(g, port, size):
    g.shell(f'yes abcdefg | head -c {size} >/tmp/up', LIMIT)
    start = time.monotonic()
    g.shell(f"(printf 'POST / HTTP/1.0\\r\\nContent-Length: {size}\\r\\n\\r\\n'; cat /tmp/up) | nc 10.0.2.2 {port} >/dev/null", LIMIT)
    note = rate(size, start)
    equal('upload', Server.got, hashlib.md5((b'abcdefg\n' * (size // 8 + 1))[:size]).hexdigest())
    return note


def link(g):
    wait = 'i=0; while [ "$(cat /sys/class/net/eth0/carrier)" != %d ] && [ $i -lt 100 ]; do sleep 0.2; i=$((i+1)); done; cat /sys/class/net/eth0/carrier'
    for up in (False, True):
        g.qmp('set_link', name='card', up=up)
        equal('carrier', g.shell(wait % up, LIMIT), str(int(up)))
    out = g.shell('ping -c 2 -W 20 10.0.2.2', LIMIT)
    assert ' 2 packets received' in out, f'ping says {out!r}'


def log(g):
    equal('the kernel says', g.shell(f"dmesg | grep -E '{TROUBLE}' | head -5", LIMIT), '')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def run(tap, binary, accel, case, cache, first):
    card, *more = case.split('+')
    model, size = CARDS[card][0], (64 << 20) if 'big' in more else 2 << 20
    kernel, image = initramfs(cache, card)
    with tempfile.TemporaryDirectory() as folder:
        data = os.urandom(200000)
        Server.data = os.urandom(4096) * (size // 4096)
        for name, content in (('file', data), ('initrd', image)):
            with open(os.path.join(folder, name), 'wb') as f:
                f.write(content)
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port, forwarded = server.server_address[1], free_port()
        back = f'user,id=u,tftp={folder},hostfwd=tcp:127.0.0.1:{forwarded}-:8000'
        peer = ['-netdev', back, '-device', f'{model},netdev=u,id=card,mac={MAC}']
        if 'hub' in more:
            peer = ['-netdev', back, '-netdev', 'hubport,id=h0,hubid=1,netdev=u', '-netdev', 'hubport,id=h1,hubid=1', '-device',
                    f'{model},netdev=h1,id=card,mac={MAC}']
        args = ['-m', '384', '-no-reboot', '-kernel', kernel, '-initrd', os.path.join(folder, 'initrd'), '-append',
                'console=ttyS0 quiet panic=-1 net.ifnames=0', *peer]
        try:
            with Guest(binary, accel, args) as g:
                steps = [lambda: the_card(g), lambda: dhcp(g), lambda: ping(g), lambda: tftp(g, data),
                         lambda: download(g, port, Server.data), lambda: hostfwd(g, forwarded, size), lambda: upload(g, port, size),
                         lambda: link(g), lambda: log(g)]
                for step in steps:
                    if not tap.point(step) and (g.lost or g.process.poll() is not None):
                        break
        except (GuestError, OSError) as e:
            tap.fail(e)
        finally:
            server.shutdown()
            server.server_close()
    while tap.n < first + len(POINTS):
        tap.fail('the guest is gone')


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, cache = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    accel = sys.argv[3] if len(sys.argv) > 3 else 'tcg'
    cases = sys.argv[4:] or list(CARDS)
    tap = Tap(f'{c}: {p}' for c in cases for p in POINTS)
    why = refused(binary, accel)
    if why:
        return tap.skip_rest(why)
    for c in cases:
        first = tap.n
        try:
            run(tap, binary, accel, c, cache, first)
        except Missing as e:
            for _ in POINTS:
                tap.skip(str(e))
    return tap.failed > 0


sys.exit(main())
