#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Network back ends seen from their other ends: sockets of every kind, events, the user network's ports, dumps, tap. TAP.

The binary is $QTEST_QEMU_BINARY. A back end's packets are echoed by a hub: two of its ports are two back ends under test."""
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

BIN = os.environ['QTEST_QEMU_BINARY']
LIMIT = 30


class Qemu:
    def __init__(self, *args, fds=(), machine='none'):
        self.p = subprocess.Popen([BIN, '-machine', machine, '-display', 'none', '-nodefaults', '-qmp', 'stdio', *args], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=fds)
        self.events, self.buffer = [], b''
        self.read()
        self.qmp('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.terminate()
        self.p.wait(LIMIT)
        for f in (self.p.stdin, self.p.stdout, self.p.stderr):
            f.close()

    def read(self, limit=LIMIT):
        end = time.monotonic() + limit
        while b'\n' not in self.buffer:
            ready, _, _ = select.select([self.p.stdout], [], [], max(0, end - time.monotonic()))
            assert ready, 'no answer'
            data = os.read(self.p.stdout.fileno(), 65536)
            assert data, 'the emulator ended: ' + self.p.stderr.read().decode()
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b'\n')
        return json.loads(line)

    def qmp(self, command, **arguments):
        self.p.stdin.write(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        self.p.stdin.flush()
        while True:
            m = self.read()
            if 'event' in m:
                self.events.append(m)
            else:
                return m['return'] if 'return' in m else m

    def hmp(self, line):
        return self.qmp('human-monitor-command', **{'command-line': line}).replace('\r', '')

    def event(self, name):
        while True:
            for e in self.events:
                if e['event'] == name:
                    self.events.remove(e)
                    return e['data']
            m = self.read()
            if 'event' in m:
                self.events.append(m)


def hub(a, b):
    return ['-netdev', f'hubport,id=ha,hubid=1,netdev={a}', '-netdev', f'hubport,id=hb,hubid=1,netdev={b}']


def frame(seed, size=60):
    return bytes((i * 7 + seed) & 255 for i in range(size))


def framed(data):
    return struct.pack('>I', len(data)) + data


def receive(s, size):
    s.settimeout(LIMIT)
    data = b''
    while len(data) < size:
        more = s.recv(size - len(data))
        assert more, f'closed after {len(data)} bytes'
        data += more
    return data


def pair(kind):
    mine, its = socket.socketpair(socket.AF_UNIX, kind)
    its.set_inheritable(True)
    return mine, its


def pump(send, recv):
    """Packets of many sizes through both."""
    for seed, size in enumerate((14, 60, 1514, 9000, 65000)):
        send(frame(seed, size))
        got = recv(size)
        assert got == frame(seed, size), f'{size} bytes came as {len(got)}'


def test_socket_fd(t):
    a, a_fd = pair(socket.SOCK_STREAM)
    b, b_fd = pair(socket.SOCK_DGRAM)
    with Qemu('-netdev', f'socket,id=a,fd={a_fd.fileno()}', '-netdev', f'socket,id=b,fd={b_fd.fileno()}', *hub('a', 'b'),
              fds=(a_fd.fileno(), b_fd.fileno())):
        a_fd.close()
        b.settimeout(LIMIT)
        pump(lambda d: a.sendall(framed(d)), lambda n: b.recv(70000))
        pump(b.send, lambda n: receive(a, n + 4)[4:])
        # In crumbs, and several at once.
        for byte in framed(frame(9)):
            a.sendall(bytes([byte]))
        assert b.recv(70000) == frame(9)
        a.sendall(b''.join(framed(frame(i)) for i in range(50)))
        assert [b.recv(70000) for _ in range(50)] == [frame(i) for i in range(50)]
        # A length that makes no sense ends the connection, not more.
        a.sendall(b'\xff\xff\xff\xff')
        a.settimeout(LIMIT)
        assert a.recv(10) == b''
        b.send(frame(1))


def test_stream_unix(t):
    path, (b, b_fd) = f'{t}/s', pair(socket.SOCK_DGRAM)
    with Qemu('-netdev', f'stream,id=a,server=on,addr.type=unix,addr.path={path}', '-netdev', f'dgram,id=b,local.type=fd,local.str={b_fd.fileno()}',
              *hub('a', 'b'), fds=(b_fd.fileno(),)) as q:
        b.settimeout(LIMIT)
        for _ in range(2):  # it waits for the next
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                assert q.event('NETDEV_STREAM_CONNECTED') == {'netdev-id': 'a', 'addr': {'type': 'unix', 'path': path}}
                assert f'a: index=0,type=stream,unix:{path}\n' in q.hmp('info network')
                pump(lambda d: c.sendall(framed(d)), lambda n: b.recv(70000))
                pump(b.send, lambda n: receive(c, n + 4)[4:])
            assert q.event('NETDEV_STREAM_DISCONNECTED') == {'netdev-id': 'a'}
        assert q.qmp('netdev_del', id='a') == {}
        assert not os.path.exists(path)


def test_stream_inet(t):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(LIMIT)
        with Qemu('-netdev', f'stream,id=a,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port={port},reconnect=1') as q:
            for attempt in range(2):
                c, _ = server.accept()
                end = time.monotonic() + LIMIT
                while 'tcp:' not in q.hmp('info network'):
                    assert time.monotonic() < end
                    time.sleep(0.02)
                # The first may have come before there was somebody to tell.
                assert not attempt or q.event('NETDEV_STREAM_CONNECTED') == {'netdev-id': 'a', 'addr': {'type': 'inet', 'host': '127.0.0.1', 'port': str(port), 'ipv4': True}}
                assert q.hmp('info network') == f'a: index=0,type=stream,tcp:127.0.0.1:{port}\n'
                c.close()
                q.event('NETDEV_STREAM_DISCONNECTED')
                q.events.clear()


def test_stream_refused(t):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))  # nobody listens
        with Qemu('-netdev', f'stream,id=a,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port={s.getsockname()[1]}') as q:
            end = time.monotonic() + LIMIT
            while 'connection error' not in q.hmp('info network'):
                assert time.monotonic() < end
                time.sleep(0.05)


def test_socket_tcp(t):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        b, b_fd = pair(socket.SOCK_DGRAM)
        with Qemu('-netdev', f'socket,id=a,connect=127.0.0.1:{port}', '-netdev', f'socket,id=b,fd={b_fd.fileno()}', *hub('a', 'b'),
                  fds=(b_fd.fileno(),)) as q:
            c, _ = server.accept()
            b.settimeout(LIMIT)
            pump(lambda d: c.sendall(framed(d)), lambda n: b.recv(70000))
            assert f'a: index=0,type=socket,socket: connect to 127.0.0.1:{port}\n' in q.hmp('info network')
            # More than sockets hold: what does not fit waits or is lost, in order, and the emulator answers.
            c.setblocking(False)
            sent = 0
            for seed in range(3000):
                try:
                    b.send(frame(seed, 1000), socket.MSG_DONTWAIT)
                    sent += 1
                except BlockingIOError:
                    time.sleep(0.001)
            q.hmp('info network')
            c.setblocking(True)
            last = -1
            c.settimeout(1)
            try:
                while True:
                    got = receive_now(c, 1004)
                    last += 1
                    assert got[:4] == struct.pack('>I', 1000)
            except socket.timeout:
                pass
            assert last > 100, f'{last} of {sent} came'
            c.close()


def receive_now(s, size):
    data = b''
    while len(data) < size:
        more = s.recv(size - len(data))
        assert more
        data += more
    return data


def test_udp(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for x in (s, other):
            x.bind(('127.0.0.1', 0))
            x.settimeout(LIMIT)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        b, b_fd = pair(socket.SOCK_DGRAM)
        b.settimeout(LIMIT)
        mine = s.getsockname()[1]
        with Qemu('-netdev', f'dgram,id=a,local.type=inet,local.host=127.0.0.1,local.port={port},remote.type=inet,remote.host=127.0.0.1,remote.port={mine}',
                  '-netdev', f'socket,id=b,fd={b_fd.fileno()}', *hub('a', 'b'), fds=(b_fd.fileno(),)) as q:
            assert f'a: index=0,type=dgram,udp=127.0.0.1:{port}/127.0.0.1:{mine}\n' in q.hmp('info network')
            pump(lambda d: s.sendto(d, ('127.0.0.1', port)), lambda n: b.recv(70000))
            pump(b.send, lambda n: s.recv(70000))


def test_hot(t):
    with Qemu() as q:
        assert q.qmp('netdev_add', type='hubport', id='x', hubid=2) == {}
        assert 'hub 2\n \\ x\n' == q.hmp('info network')
        assert 'Duplicate' in q.qmp('netdev_add', type='hubport', id='x', hubid=2)['error']['desc']
        assert q.qmp('netdev_add', type='zzz', id='y')['error']['class'] == 'GenericError'
        assert q.qmp('netdev_del', id='x') == {}
        assert q.qmp('netdev_del', id='x')['error']['class'] == 'DeviceNotFound'
        assert q.qmp('set_link', name='x', up=True)['error']['class'] == 'DeviceNotFound'
        assert q.qmp('query-rx-filter') == []
        assert 'invalid net client name' in q.qmp('query-rx-filter', name='z')['error']['desc']
        assert q.hmp('netdev_add hubport,id=y,hubid=9') == ''
        assert q.hmp('set_link y off') == '' and q.hmp('netdev_del y') == ''


def test_names(t):
    """A card and its back end of one name; the back end is found also where it is the younger."""
    with Qemu('-netdev', 'hubport,id=net0,hubid=3', '-device', 'e1000,id=net0,netdev=net0', machine='pc,accel=qtest') as q:
        for _ in range(2):
            assert 'Duplicate ID' in q.qmp('netdev_add', type='hubport', id='net0', hubid=5)['error']['desc']
            assert q.qmp('netdev_del', id='net0') == {}
            assert q.qmp('netdev_del', id='net0')['error']['class'] == 'DeviceNotFound'
            assert q.qmp('set_link', name='net0', up=True) == {}  # the card's
            assert 'hub 5' not in q.hmp('info network')
            assert q.qmp('netdev_add', type='hubport', id='net0', hubid=5) == {}
        # All that names a back end.
        assert 'no user network' in q.hmp('hostfwd_add net0 tcp::1-:2')
        assert q.qmp('object-add', **{'qom-type': 'filter-dump', 'id': 'f', 'netdev': 'net0', 'file': f'{t}/f'}) == {}
        assert q.qmp('netdev_add', type='hubport', id='h', hubid=6, netdev='net0') == {}
        assert ' \\ h: net0: index=0,type=hubport' in q.hmp('info network'), q.hmp('info network')
        assert q.qmp('netdev_del', id='h') == {}
        assert q.qmp('device_add', driver='e1000', id='e', netdev='net0') == {}
        assert ' \\ net0: e: index=0,type=nic' in q.hmp('info network'), q.hmp('info network')


def test_dump(t):
    a, a_fd = pair(socket.SOCK_DGRAM)
    b, b_fd = pair(socket.SOCK_DGRAM)
    b.settimeout(LIMIT)
    a.settimeout(LIMIT)
    objects = []
    for name, more in (('all', ''), ('rx', ',queue=rx'), ('tx', ',queue=tx'), ('short', ',maxlen=20'), ('off', ',status=off')):
        objects += ['-object', f'filter-dump,id={name},netdev=a,file={t}/{name}{more}']
    with Qemu('-netdev', f'socket,id=a,fd={a_fd.fileno()}', '-netdev', f'socket,id=b,fd={b_fd.fileno()}', *hub('a', 'b'), *objects,
              fds=(a_fd.fileno(), b_fd.fileno())):
        a.send(frame(1))
        b.recv(100)
        b.send(frame(2, 100))
        a.recv(200)
    wanted = {'all': [frame(1), frame(2, 100)], 'tx': [frame(1)], 'rx': [frame(2, 100)], 'short': [frame(1)[:20], frame(2, 100)[:20]], 'off': []}
    for name, packets in wanted.items():
        with open(f'{t}/{name}', 'rb') as f:
            data = f.read()
        assert struct.unpack('=IHHiIII', data[:24]) == (0xa1b2c3d4, 2, 4, 0, 0, 20 if name == 'short' else 65536, 1), name
        data, got = data[24:], []
        while data:
            _, _, stored, _ = struct.unpack('=IIII', data[:16])
            got.append(data[16:16 + stored])
            data = data[16 + stored:]
        assert got == packets, name


def user_missing():
    out = subprocess.run([BIN, '-netdev', 'help'], capture_output=True, text=True, timeout=LIMIT, check=False).stdout
    return None if '\nuser\n' in out else 'this build has no libslirp'


def test_user(t):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    b, b_fd = pair(socket.SOCK_DGRAM)
    b.settimeout(LIMIT)
    with Qemu('-netdev', f'user,id=u,hostfwd=tcp:127.0.0.1:{port}-:22,hostname=me,net=192.168.7.0/24,guestfwd=tcp:192.168.7.100:7-cmd:cat',
              '-netdev', f'socket,id=b,fd={b_fd.fileno()}', *hub('u', 'b'), fds=(b_fd.fileno(),)) as q:
        assert 'u: index=0,type=user,net=192.168.7.0,restrict=off\n' in q.hmp('info network')
        assert f' {port}    192.168.7.15    22 ' in q.hmp('info usernet'), q.hmp('info usernet')
        assert q.hmp(f'hostfwd_remove tcp:127.0.0.1:{port}') == f'host forwarding rule for tcp:127.0.0.1:{port} removed\n'
        assert 'not found' in q.hmp(f'hostfwd_remove u tcp:127.0.0.1:{port}')
        assert q.hmp(f'hostfwd_add u tcp:127.0.0.1:{port}-:80') == ''
        assert 'unrecognized netdev id' in q.hmp('hostfwd_add zz tcp::1-:2')
        assert 'Invalid host forwarding rule' in q.hmp('hostfwd_add nonsense')
        # ARP for the host, which answers from within the packet that asks.
        me = bytes((2, 0, 0, 0, 0, 5))
        ask = b'\xff' * 6 + me + b'\x08\x06' + b'\0\1\x08\0\6\4\0\1' + me + bytes((192, 168, 7, 15)) + bytes(6) + bytes((192, 168, 7, 2))
        b.send(ask.ljust(60, b'\0'))
        got = b.recv(2000)
        assert got[:6] == me and got[12:14] == b'\x08\x06' and got[20:22] == b'\0\2' and got[28:32] == bytes((192, 168, 7, 2)), got


def test_user_forwards(t):
    """A character device made for a guestfwd goes with it; one that was there stays."""
    with Qemu() as q:
        def add(*rules):
            r = q.qmp('netdev_add', type='user', id='u', guestfwd=[{'str': 'tcp:10.0.2.' + x} for x in rules])
            return r.get('error', {}).get('desc')

        def labels():
            return sorted(c['label'] for c in q.qmp('query-chardev') if c['label'] != 'compat_monitor0')

        assert q.qmp('chardev-add', id='mine', backend={'type': 'null', 'data': {}}) == {}
        for _ in range(2):
            assert add('100:7-null', '100:8-null', '100:9-chardev:mine') is None
            assert labels() == ['guestfwd.tcp.7', 'guestfwd.tcp.8', 'mine'], labels()
            assert 'busy' in q.qmp('chardev-remove', id='guestfwd.tcp.7')['error']['desc']
            assert q.qmp('netdev_del', id='u') == {}
            assert labels() == ['mine'], labels()
        # What failed leaves nothing: a port that is taken, a network's own address, a device that is in use or there is not.
        assert add('100:9-chardev:mine', '100:7-null', '101:9-chardev:mine').endswith("Device 'mine' is in use")
        assert 'conflicting' in add('100:7-null', '2:8-null')
        assert add('100:7-null', '100:8-zzz') and add('100:7-null', '101:7-null') and add('100:7-null', '100:8-chardev:zzz')
        assert labels() == ['mine'], labels()
        assert add('100:7-null') is None
        assert q.qmp('chardev-remove', id='mine') == {}


def test_user_options(t):
    """Each option with values that are refused, and with some that are not."""
    refused = {'net': ('', 'foo', '/24', '10.0.0.0/', '10.0.0.0/3', '10.0.0.0/33', '10.0.0.0/24x', '10.0.0.0/24/3', '10.0.0.0/32'),
               'host': ('', 'foo', '10.0.2.300', '10.0.3.1'),
               'dns': ('', 'foo', '10.0.2.2'),
               'dhcpstart': ('', 'foo', '10.0.2.2', '10.0.2.3', '10.0.9.9'),
               'restrict': ('foo', '1'),
               'hostfwd': ('', 'foo', 'tcp::80', 'tcp:foo:80-:22', 'tcp::x-:22', 'tcp::9998-foo:22', 'tcp::9998-:0', 'tcp::9998-:70000', 'tcp::9998-'),
               'guestfwd': ('foo', 'tcp:foo:80-cmd:cat', 'tcp:10.0.2.100:x-cmd:cat', 'tcp:10.0.2.100:80', 'tcp:10.0.2.100:80-', 'tcp:10.0.3.100:80-cmd:cat',
                            'udp:10.0.2.100:80-cmd:cat', 'tcp:10.0.2.2:80-cmd:cat', 'tcp:10.0.2.100:0-cmd:cat'),
               'ipv6-prefix': ('', 'foo'),
               'ipv6-prefixlen': ('x', '-1', '127'),
               'ipv6-host': ('', 'foo', 'fd00::2'),
               'ipv6-dns': ('', 'foo'),
               'ipv6-net': ('', 'foo', '/64', 'fd00::/', 'fd00::/x', 'fd00::/127', 'fd00::/-1', 'fd00::/64/3', 'fd00::/64,ipv6-host=fd01::2',
                            'fd00::/64,ipv6-net=fd01::/64')}
    taken = ('net=10.0.0.0/255.255.255.0', 'net=10.0.0.0/29', 'dns=10.0.3.4', 'dhcpstart=10.0.2.250', 'restrict=y', 'guestfwd=tcp::80-cmd:cat',
             'ipv6-net=fd00::/64,ipv6-host=fd00::2', 'ipv6-net=fd00::', 'ipv6-net=fd00::/32,ipv6-host=fd00:0:1::2', 'ipv6-prefix=fd00::', 'ipv6-prefixlen=126', 'ipv6-host=fec0::2', 'ipv6-dns=fd00::3')
    with Qemu() as q:
        for key, values in refused.items():
            for v in values:
                assert q.hmp(f'netdev_add user,id=u,{key}={v}').startswith('Error: '), f'{key}={v} is taken'
        for text in taken:
            assert q.hmp(f'netdev_add user,id=u,{text}') == '', text
            assert q.hmp('netdev_del u') == ''


def tap_missing():
    try:
        with Qemu('-netdev', 'tap,id=t,ifname=qkvmtest0,script=no,downscript=no'):
            return None
    except AssertionError as e:
        return 'no TAP interface can be made here: ' + str(e).strip()[-100:]


def test_tap(t):
    b, b_fd = pair(socket.SOCK_DGRAM)
    b.settimeout(LIMIT)
    with Qemu('-netdev', 'tap,id=t,ifname=qkvmtest0,script=no,downscript=no', '-netdev', f'socket,id=b,fd={b_fd.fileno()}', *hub('t', 'b'),
              fds=(b_fd.fileno(),)) as q:
        assert 't: index=0,type=tap,ifname=qkvmtest0,script=no,downscript=no\n' in q.hmp('info network')
        assert os.path.exists('/sys/class/net/qkvmtest0')
        b.send(frame(1))
        q.hmp('info network')
    assert not os.path.exists('/sys/class/net/qkvmtest0')


def test_tap_options(t):
    """A send buffer as the kernel sees it (TUNGETSNDBUF), and what says nothing here."""
    for text, want in (('', 0x7fffffff), (',sndbuf=0', 0x7fffffff), (',sndbuf=1M', 1 << 20), (',sndbuf=4G', 0x7fffffff),
                       (',br=br0,vhost=off,poll-us=10,vnet_hdr=off', 0x7fffffff)):
        with Qemu('-netdev', f'tap,id=t,ifname=qkvmtest0,script=no,downscript=no{text}') as q:
            pids = [int(x) for x in os.listdir(f'/proc/{q.p.pid}/fd') if os.readlink(f'/proc/{q.p.pid}/fd/{x}') == '/dev/net/tun']
            pidfd = os.pidfd_open(q.p.pid)
            mine = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, pids[0], 0)  # pidfd_getfd
            os.close(pidfd)
            assert mine >= 0, 'pidfd_getfd'
            got = struct.unpack('i', fcntl.ioctl(mine, 0x800454d3, bytes(4)))[0]
            os.close(mine)
            assert got == want, f'{text}: {got}'


TESTS = [
    ('socket by descriptor: stream and datagram', test_socket_fd, None),
    ('stream server on a unix socket', test_stream_unix, None),
    ('stream client by TCP, reconnect', test_stream_inet, None),
    ('stream client refused', test_stream_refused, None),
    ('socket by TCP, more than it takes', test_socket_tcp, None),
    ('dgram by UDP', test_udp, None),
    ('netdev_add, netdev_del', test_hot, None),
    ('a card and a back end of one name', test_names, None),
    ('filter-dump', test_dump, None),
    ('user: ports, ARP', test_user, user_missing),
    ('user: guestfwd to character devices', test_user_forwards, user_missing),
    ('user: options, right and wrong', test_user_options, user_missing),
    ('tap', test_tap, tap_missing),
    ('tap: options', test_tap_options, tap_missing),
]


def main():
    failed = 0
    print(f'1..{len(TESTS)}')
    for n, (name, fn, missing) in enumerate(TESTS, 1):
        why = missing() if missing else None
        if why:
            print(f'ok {n} - {name} # SKIP {why}'.replace('\n', ' '))
            continue
        try:
            with tempfile.TemporaryDirectory() as t:
                fn(t)
            print(f'ok {n} - {name}', flush=True)
        except (AssertionError, OSError, LookupError, TypeError) as e:
            failed += 1
            print(f'not ok {n} - {name}\n# {type(e).__name__}: {e}', flush=True)
    return failed > 0


sys.exit(main())
