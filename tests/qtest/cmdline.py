#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The command line: what is asked for help answers and exits 0; what is wrong is said, with the option's or file's name in it, and exits 1. TAP.
Each bad line is run with -accel qtest, so that nothing needs /dev/kvm. A signal (a crash) or a sanitizer's report fails a case.
What is right starts, and QMP tells that it had its effect.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile

BIN = os.environ.get('QTEST_QEMU_BINARY', 'build/qemu-system-x86_64')
ACCEL = os.environ.get('CMDLINE_ACCEL', 'qtest')
count = failed = 0


def case(name, args, status, *texts, stream='stderr'):
    global count, failed
    count += 1
    try:
        r = subprocess.run([BIN] + args, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        out = (r.stderr if stream == 'stderr' else r.stdout).decode(errors='replace')
        bad = [t for t in texts if t not in out]
        if r.returncode != status:
            bad.append(f'exit status {r.returncode}, not {status}')
        if 'Sanitizer' in r.stderr.decode(errors='replace'):
            bad.append('sanitizer report')
    except subprocess.TimeoutExpired:
        bad, out = ['did not end within 60 s'], ''
    if bad:
        failed += 1
        print(f'not ok {count} - {name}')
        for b in bad:
            print(f'#  missing: {b}')
        print('#  ' + ' '.join(args))
        print('#  said: ' + out[:1000].replace('\n', '\n#        '))
    else:
        print(f'ok {count} - {name}')


def good(name, args, *texts):
    case(name, args, 0, *texts, stream='stdout')


def bad(name, args, *texts):
    case(name, (['-display', 'none'] if '-display' not in args else []) + args + ['-accel', 'qtest'], 1, *texts)


def asks(name, args, command, arguments, check, *says, accel=ACCEL):
    """Start stopped, ask one question, quit: check() says whether the answer is right; says: what stands on standard error then."""
    global count, failed
    count += 1
    ask = [{'execute': 'qmp_capabilities'}, {'execute': command, 'arguments': arguments, 'id': 'question'}, {'execute': 'quit'}]
    line = [BIN, '-display', 'none', '-S', '-qmp', 'stdio'] + (['-accel', accel] if accel else []) + args
    answer = said = ''
    status = None
    try:
        r = subprocess.run(line, input='\n'.join(map(json.dumps, ask)), capture_output=True, timeout=60, text=True)
        said, status = r.stderr, r.returncode
        answer = next((a for a in map(json.loads, r.stdout.splitlines()) if a.get('id') == 'question'), {})
        right = status == 0 and 'Sanitizer' not in said and 'return' in answer and check(answer['return']) and \
            all(text in said for text in says)
    except (subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as e:
        right, said = False, f'{type(e).__name__}: {e}'
    failed += not right
    print(f"{'ok' if right else 'not ok'} {count} - {name}")
    if not right:
        print(f'#  {" ".join(line)}\n#  exit status {status}; answer: {answer}')
        print('#  said: ' + said[:1000].replace('\n', '\n#        '))


def mux_ends():
    """^A x at a serial port that shares the terminal with a monitor: the monitor says nothing at the end."""
    global count, failed
    count += 1
    line = [BIN, '-display', 'none', '-accel', ACCEL, '-nodefaults', '-serial', 'mon:stdio', '-S']
    p = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    p.stdin.write(b'\x01x')  # not closed: it is the key that ends it
    p.stdin.flush()
    try:
        p.wait(60)
    except subprocess.TimeoutExpired:
        p.kill()
    said = p.stdout.read().decode(errors='replace')
    right = p.returncode == 0 and 'QEMU: Terminated' in said and 'monitor' not in said
    failed += not right
    print(f"{'ok' if right else 'not ok'} {count} - mon:stdio ends without the monitor's greeting")
    if not right:
        print(f'#  exit status {p.returncode}, said: {said!r}')
    p.stdin.close()
    p.stdout.close()


def main():
    tmp = tempfile.TemporaryDirectory()
    t = tmp.name

    def file(name, data=b''):
        path = os.path.join(t, name)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    good('version', ['-version'], 'QEMU emulator version 8.2.0 (qemu-kvm')
    good('version, two dashes', ['--version'], 'QEMU emulator version 8.2.0')
    good('help', ['-help'], '-machine', '-device', '-drive', '-accel')
    good('machine help', ['-machine', 'help'], 'none', 'pc-i440fx-8.2', 'alias of pc-i440fx-8.2')
    good('M ?', ['-M', '?'], 'Supported machines are:')
    good('smp help', ['-smp', 'help'], 'smp-opts options:\n  clusters=<num>\n  cores=<num>\n', 'threads=<num>')
    good('boot help', ['-boot', 'help'], 'boot-opts options:\n  menu=<bool (on/off)>\n  once=<str>')
    good('rtc help', ['-rtc', 'help'], 'rtc options:\n  base=<str>\n  clock=<str>\n  driftfix=<str>\n')
    good('global help', ['-global', 'help'], 'global options:\n  driver=<str>')
    good('action help', ['-action', 'help'], 'action options:\n  panic=<str>')
    good('msg help', ['-msg', '?'], 'timestamp=<bool (on/off)>')
    for asked in ('help', '?'):
        good(f'formats {asked}', ['-drive', f'format={asked}'], 'Supported formats: blkdebug file ', ' qcow2 raw ',
             'Supported formats (read-only): blkdebug file ')
    for option in ('-cdrom', '-hda', '-fda', '-pflash'):
        bad(f'{option} of no file', [option, '/nope/image'], f": {option} /nope/image: Could not open '/nope/image'")
    bad('an image of no file', ['/nope/image'], "qemu-system-x86_64: /nope/image: Could not open '/nope/image'")
    good('accel help', ['-accel', 'help'], 'kvm')
    good('cpu help', ['-cpu', 'help'], 'qemu64', 'host', 'Skylake-Client')
    good('device help', ['-device', 'help'], 'name "isa-serial", bus ISA')
    good('device ?', ['-device', '?'], 'name "isa-serial", bus ISA')
    good('device NAME,help', ['-device', 'isa-serial,help'], 'isa-serial options:', 'chardev=<str>', 'iobase=<uint32>')
    good('chardev help', ['-chardev', 'help'], 'socket', 'ringbuf')
    good('object help', ['-object', 'help'], 'memory-backend-ram', 'iothread')
    good('display help', ['-display', 'help'], 'none')
    good('vga help', ['-vga', 'help'], 'std')
    good('d help', ['-d', 'help'], 'guest_errors')
    good('machine NAME,help', ['-machine', 'pc,help'], 'kernel-irqchip=<', 'memory-backend=<')

    bad('unknown property of an accelerator', ['-accel', 'kvm,kernel-irqchp=on'], "'kvm-accel.kernel-irqchp' not found",
        "Did you mean 'kernel-irqchip'?")
    bad('unknown option', ['-machin', 'pc'], '-machin: invalid option', "Did you mean '-machine'?")
    case('option without its argument', ['-machine', 'none', '-m'], 1, '-m: requires an argument')
    bad('option not there yet', ['-spice', 'port=1'], '-spice', 'not supported yet')
    bad('unknown machine', ['-machine', 'pc-i440fx-9.9'], "unsupported machine type 'pc-i440fx-9.9'", 'help')
    bad('unknown machine property', ['-machine', 'none,kernel-irqchp=on'], "kernel-irqchp' not found", 'kernel-irqchip')
    case('unknown accelerator', ['-machine', 'none', '-accel', 'kvmm'], 1, 'kvmm')
    bad('unknown device', ['-device', 'isa-serail'], "'isa-serail' is not a valid device model name", 'isa-serial')
    bad('device without driver', ['-device', 'id=x'], '-device id=x', 'driver')
    bad('unknown property', ['-device', 'isa-serial,iobas=1'], "Property 'isa-serial.iobas' not found", 'iobase')
    bad('property out of range', ['-device', 'isa-serial,iobase=0x100000000'], "isa-serial.iobase", '0x100000000')
    bad('property of the wrong type', ['-device', '{"driver":"isa-serial","iobase":"text"}'], 'isa-serial.iobase', 'text')
    bad('device on a missing bus', ['-device', 'isa-serial,bus=nosuch'], "Bus 'nosuch' not found")
    bad('bad id', ['-device', 'isa-serial,id=1x'], "1x")
    bad('duplicate id', ['-device', 'isa-debug-exit,id=a', '-device', 'isa-debug-exit,id=a,iobase=0x601'], "Duplicate", "'a'")
    bad('missing chardev', ['-device', 'isa-serial,chardev=nosuch'], 'nosuch')
    bad('malformed JSON device', ['-device', '{"driver":'], '-device')
    bad('global without a value', ['-global', 'foo'], '-global', 'foo', 'DRIVER.PROPERTY=VALUE')
    bad('global of an unknown property', ['-global', 'isa-serial.nosuch=1', '-device', 'isa-serial'], 'nosuch')
    bad('smp more than the machine has', ['-smp', '4096'], 'Invalid SMP CPUs 4096', '255')
    bad('smp zero', ['-smp', '0'], 'greater than zero')
    bad('smp nonsense', ['-smp', 'two'], '-smp', 'two')
    bad('smp topology', ['-smp', '4,sockets=3,cores=1,threads=1'], 'Invalid CPU topology')
    bad('smp unknown parameter', ['-smp', '1,core=2'], "Invalid parameter 'core'", 'cores')
    bad('m nonsense', ['-m', 'lots'], '-m', 'lots')
    bad('m larger than maxmem', ['-m', '512,maxmem=256M'], 'maxmem')
    bad('more memory than the host can give', ['-m', '1000000G'], '-m')
    bad('boot device', ['-boot', 'order=z'], '-boot', "'z'")
    bad('boot parameter', ['-boot', 'ordr=c'], "Invalid parameter 'ordr'")
    bad('uuid', ['-uuid', '1234'], '-uuid', '1234')
    bad('uuid, not the last', ['-uuid', '1234', '-uuid', '12345678-1234-1234-1234-123456789abc'], '-uuid', '1234')
    bad('uuid by SMBIOS', ['-smbios', 'type=1,uuid=1234'], '-smbios type=1,uuid=1234', 'UUID')
    bad('no uuid by SMBIOS', ['-smbios', 'type=1,uuid='], '-smbios type=1,uuid=', 'UUID')
    bad('cpu model', ['-cpu', 'nosuch'], 'nosuch')
    bad('cpu feature', ['-cpu', 'qemu64,+nosuch'], 'nosuch')
    bad('drive file missing', ['-drive', f'file={t}/missing.img,format=raw'], f'{t}/missing.img', 'No such file')
    bad('drive is a folder', ['-drive', f'file={t},format=raw'], t)
    bad('image missing', [f'{t}/missing.img'], f'{t}/missing.img', 'No such file')
    bad('drive unknown interface', ['-drive', 'if=nosuch'], 'nosuch')
    bad('drive unknown key', ['-drive', 'fil=x'], 'fil')
    bad('drive unknown format', ['-drive', f'file={file("e.img", bytes(512))},format=nosuch'], 'nosuch')
    bad('two drives at one place', ['-drive', f'file={file("a.img", bytes(512))},format=raw,index=0', '-drive',
                                    f'file={file("b.img", bytes(512))},format=raw,index=0'], 'index=0')
    bad('broken qcow2 is not read as raw', ['-drive', f'file={file("q.img", bytes.fromhex("514649fb00000003") + bytes(65536))}'],
        'Unsupported cluster size')
    bad('bios missing', ['-bios', f'{t}/nosuch.bin'], f'{t}/nosuch.bin')
    bad('bios empty', ['-bios', file('empty.bin')], 'empty.bin')
    bad('bios of an odd size', ['-bios', file('odd.bin', bytes(1000))], 'odd.bin')
    bad('kernel missing', ['-kernel', f'{t}/vmlinuz'], f'{t}/vmlinuz')
    bad('kernel is no kernel', ['-kernel', file('text', b'hello' * 1000)], 'text')
    bad('initrd without kernel', ['-initrd', file('i')], '-initrd', '-kernel')
    bad('append without kernel', ['-append', 'x'], '-append', '-kernel')
    bad('option ROM missing', ['-option-rom', f'{t}/rom'], f'{t}/rom')
    rom = file('rom', b'\x55\xaa\x01' + bytes(509))
    taken = 'The bootindex 1 has already been used'
    disk = ['-blockdev', 'null-co,node-name=n,read-zeroes=on']
    bad('boot index of two cards', ['-machine', 'pc', '-device', 'virtio-net-pci,bootindex=1', '-device', 'e1000,bootindex=1'],
        '-device e1000,bootindex=1: ' + taken)
    bad('boot index of a disk and a card', ['-machine', 'pc', *disk, '-device', 'ide-hd,drive=n,bootindex=1', '-device', 'e1000,bootindex=1'], taken)
    bad('boot index of two virtio devices', ['-machine', 'pc', *disk, '-device', 'virtio-blk-pci,drive=n,bootindex=1', '-device', 'virtio-net-pci,bootindex=1'], taken)
    bad('boot index by -global', ['-machine', 'pc', '-nodefaults', '-global', 'e1000.bootindex=1', '-device', 'e1000', '-device', 'e1000'], taken)
    bad('boot index of a ROM', ['-machine', 'pc', '-option-rom', f'{rom},bootindex=1', '-device', 'e1000,bootindex=1'], taken)
    bad('boot index of two ROMs', ['-machine', 'pc', '-option-rom', f'{rom},bootindex=1', '-option-rom', f'{rom},bootindex=1'], taken)
    bad('boot index of a floppy drive', ['-machine', 'pc', '-drive', f'if=floppy,format=raw,file={file("fd", bytes(1474560))}', '-global', 'isa-fdc.bootindexA=1',
                                         '-device', 'e1000,bootindex=1'], taken)
    bad('object of unknown type', ['-object', 'memory-backend-rm,id=x'], 'memory-backend-rm')
    bad('object without id', ['-object', 'memory-backend-ram,size=1M'], 'id')
    bad('memory backend of another size', ['-m', '64', '-object', 'memory-backend-ram,id=r,size=32M', '-machine', 'memory-backend=r'], '0x')
    bad('memory backend missing', ['-machine', 'memory-backend=nosuch'], 'nosuch')
    bad('chardev unknown', ['-chardev', 'nosuch,id=x'], 'nosuch')
    bad('chardev without id', ['-chardev', 'null'], 'id')
    bad('monitor on a missing chardev', ['-mon', 'chardev=nosuch'], 'nosuch')
    bad('net back end', ['-net', 'bridge'], 'bridge', 'not supported yet')
    bad('netdev type', ['-netdev', 'zzz,id=u'], 'zzz')
    bad('netdev without id', ['-netdev', 'user'], "'id' is missing")
    bad('netdev key', ['-netdev', 'user,id=u,bogus=1'], "'bogus'")
    bad('netdev twice', ['-netdev', 'hubport,id=u,hubid=1', '-netdev', 'hubport,id=u,hubid=1'], "Duplicate ID 'u'")
    bad('netdev number', ['-netdev', 'hubport,id=u,hubid=x'], 'hubid')
    bad('user net', ['-netdev', 'user,id=u,net=10.0.2.0/33'], "'33'")
    bad('user host outside', ['-netdev', 'user,id=u,host=1.2.3.4'], "'host'")
    bad('user without IP', ['-netdev', 'user,id=u,ipv4=off,ipv6=off'], 'IPv4 and IPv6 disabled')
    bad('user tftp', ['-netdev', f'user,id=u,tftp={t}/nosuch'], 'nosuch')
    bad('user hostfwd', ['-netdev', 'user,id=u,hostfwd=foo'], "'foo'")
    bad('user hostfwd port', ['-netdev', 'user,id=u,hostfwd=tcp::99999-:22'], 'bad port')
    bad('user guestfwd', ['-netdev', 'user,id=u,guestfwd=udp:10.0.2.100:1-null'], 'guest forwarding')
    bad('tap descriptor', ['-netdev', 'tap,id=u,fd=77'], '77')
    bad('tap vhost', ['-netdev', 'tap,id=u,vhostfd=3'], 'vhost')
    bad('tap helper', ['-netdev', 'tap,id=u,helper=/bin/true'], 'helper=', 'not supported yet')
    bad('tap helper beside a descriptor', ['-netdev', 'tap,id=u,fd=77,helper=/bin/true'], 'helper=', 'invalid with fd=')
    bad('tap sndbuf', ['-netdev', 'tap,id=u,sndbuf=foo'], "'sndbuf' expects a")
    bad('socket of no kind', ['-netdev', 'socket,id=u'], 'exactly one')
    bad('stream without address', ['-netdev', 'stream,id=u'], "'addr' is missing")
    bad('stream address', ['-netdev', 'stream,id=u,addr.type=inet,addr.port=1'], 'host')
    bad('dgram without local', ['-netdev', 'dgram,id=u'], 'local')
    bad('dgram group', ['-netdev', 'socket,id=u,mcast=10.0.0.1:1'], 'multicast')
    bad('card on no back end', ['-device', 'e1000,netdev=nosuch'], 'nosuch')
    bad('two cards on one', ['-netdev', 'hubport,id=u,hubid=1', '-device', 'e1000,netdev=u', '-device', 'e1000,netdev=u'], "'u'")
    bad('card by name=', ['-machine', 'none', '-net', 'nic,name=n'], "Invalid parameter 'name'")
    bad('two of -nic with one id', ['-machine', 'pc', '-nic', 'socket,listen=127.0.0.1:0,id=u', '-nic', 'socket,listen=127.0.0.1:0,id=u'], "Duplicate ID 'u'")
    bad('two of -net with one id', ['-machine', 'pc', '-net', 'nic,id=u', '-net', 'nic,id=u'], "Duplicate ID 'u'")
    bad('id of -nic', ['-machine', 'pc', '-nic', 'socket,listen=127.0.0.1:0,id=1x'], "'id' expects an identifier")
    bad('card model', ['-nic', 'socket,listen=127.0.0.1:0,model=ne3210'], 'ne3210')
    bad('card address', ['-nic', 'socket,listen=127.0.0.1:0,mac=52:54'], '52:54')
    bad('card with a group address', ['-nic', 'socket,listen=127.0.0.1:0,mac=01:00:00:00:00:01'], '01:00:00:00:00:01')
    bad('card on a machine without slots', ['-machine', 'none', '-nic', 'hubport'], 'hubport')
    bad('cards that nobody makes', ['-machine', 'none', '-net', 'nic,model=e1000'], 'e1000', 'not created')
    bad('virtio-net features', ['-device', 'virtio-net-pci,rss=on'], 'rss')
    bad('virtio-net queue', ['-device', 'virtio-net-pci,rx_queue_size=100'], 'rx_queue_size')
    bad('filter of nothing', ['-object', f'filter-dump,id=f,netdev=nosuch,file={t}/nofilter'], 'nosuch')
    bad('and leaves no file', ['-drive', f'file={t}/nofilter,format=raw'], 'No such file')
    bad('filter without file', ['-netdev', 'hubport,id=u,hubid=1', '-object', 'filter-dump,id=f,netdev=u'], "'file' is missing")
    bad('gdb', ['-gdb', 'nonsense'], 'nonsense')
    bad('log item', ['-d', 'nosuch'], 'nosuch', '-d help')
    bad('log file', ['-D', f'{t}/no/such'], f'{t}/no/such')
    bad('pidfile', ['-pidfile', f'{t}/no/such'], f'{t}/no/such')
    bad('readconfig missing', ['-readconfig', f'{t}/no.cfg'], f'{t}/no.cfg')
    bad('readconfig group', ['-readconfig', file('g.cfg', b'[nosuch]\n  a = "b"\n')], 'g.cfg:1', 'nosuch')
    bad('readconfig line', ['-readconfig', file('l.cfg', b'[machine]\n  type\n')], 'l.cfg:2')
    bad('set without its group', ['-set', 'device.x.y=1'], 'x')
    bad('set into JSON', ['-device', '{"driver":"isa-debug-exit","id":"e"}', '-set', 'device.e.iobase=1'], '-set', 'JSON')
    bad('rtc base', ['-rtc', 'base=yesterday'], 'yesterday')
    bad('action', ['-action', 'reboot=maybe'], 'maybe')
    bad('watchdog action', ['-watchdog-action', 'bark'], 'bark')
    bad('readconfig line too long', ['-readconfig', file('long.cfg', b'[machine]\n  type = "' + b'x' * 2000 + b'"\n')], 'long.cfg:2', '1023')
    bad('msg', ['-msg', 'timestamp=maybe'], '-msg', 'timestamp')
    bad('msg reaches the messages', ['-msg', 'timestamp', '-device', 'nosuch'], 'Z ', 'nosuch')

    image = file('disk.img', bytes(1 << 20))
    exit_port = {'path': '/machine/peripheral/e', 'property': 'iobase'}
    serial = {'path': '/machine/peripheral/s', 'property': 'iobase'}

    def equals(want):
        return lambda got: got == want

    def chardev(label, filename):
        return lambda got: [c['filename'] for c in got if c['label'] == label] == [filename]

    def inserted(device, **want):
        def check(got):
            drive = next(b for b in got if b['device'] == device)['inserted']
            return all(drive[k] == v for k, v in want.items())
        return check

    def network(*want):
        return lambda text: all(w in text.replace('\r', '') for w in want)

    hmp = 'human-monitor-command', {'command-line': 'info network'}
    first = 'macaddr=52:54:00:12:34:56'
    asks('the usual network', ['-machine', 'pc'], *hmp, network('hub 0\n', f'hub0port0: e1000.0: index=0,type=nic,model=e1000,{first}'))
    asks('no network', ['-machine', 'pc', '-net', 'none'], *hmp, equals(''))
    asks('-nic', ['-machine', 'pc', '-nic', 'socket,listen=127.0.0.1:0,model=virtio,id=x,mac=52:54:00:00:00:09'], *hmp,
         network('virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:00:00:09\n \\ x: index=0,type=socket'))
    asks('boot indices below 0', ['-machine', 'pc', '-device', 'e1000,bootindex=-1', '-device', 'e1000,bootindex=-1'], 'query-status', {}, lambda v: True)
    asks('-nic without id', ['-machine', 'pc', '-nic', 'socket,listen=127.0.0.1:0'], *hmp, network('e1000.0: index=0', ' \\ #net000: index=0,type=socket'))
    asks('-net with ids', ['-machine', 'pc', '-net', 'nic,id=n7', '-net', 'socket,listen=127.0.0.1:0,id=u7'], *hmp,
         network('hub0port1: u7: index=0,type=socket', 'hub0port0: e1000.0: index=0'))
    asks('a link by -net id', ['-machine', 'pc', '-net', 'nic', '-net', 'socket,listen=127.0.0.1:0,id=u7'], 'set_link', {'name': 'u7', 'up': False}, equals({}))
    asks('a back end of -nic goes', ['-machine', 'pc', '-nic', 'socket,listen=127.0.0.1:0,id=u0'], 'netdev_del', {'id': 'u0'}, equals({}))
    asks('a filter on a back end of -nic', ['-machine', 'pc', '-nic', 'socket,listen=127.0.0.1:0,id=u0', '-object',
         f'filter-dump,id=f0,netdev=u0,file={t}/x.pcap,maxlen=100'], 'qom-get', {'path': '/objects/f0', 'property': 'maxlen'}, equals(100))
    asks('vectors for a card without', ['-machine', 'pc', '-net', 'nic,vectors=3', '-net', 'socket,listen=127.0.0.1:0'], *hmp, network('e1000.0: index=0'))
    asks('vectors for a card with', ['-machine', 'pc', '-net', 'nic,model=virtio,vectors=3,addr=6'], 'human-monitor-command', {'command-line': 'info qtree'},
         network('dev: virtio-net-pci, id ""', 'vectors = 3\n', 'addr = "06.0"'))
    asks('-net nic', ['-machine', 'pc', '-net', 'nic,macaddr=52:54:00:00:00:07', '-net', 'socket,listen=127.0.0.1:0'], *hmp,
         network('hub 0\n \\ hub0port1: #net000', 'hub0port0: e1000.0: index=0,type=nic,model=e1000,macaddr=52:54:00:00:00:07'))
    asks('addresses count up', ['-machine', 'pc', '-nodefaults', '-device', 'e1000', '-device', 'e1000,mac=52:54:00:12:34:57', '-device', 'e1000'],
         *hmp, network(first, 'e1000.1: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:57', 'e1000.2: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:58'))
    asks('netdev by JSON', ['-machine', 'none', '-netdev', '{"type":"hubport","id":"h","hubid":3}'], *hmp, network('hub 3\n \\ h\n'))
    good('netdev help', ['-netdev', 'help'], 'Available netdev backend types:', 'socket', 'tap')
    good('model help', ['-nic', 'user,model=help'], '\ne1000\n', '\nvirtio-net-pci\n')
    asks('the engine is the default', ['-nodefaults'], 'query-kvm', {}, lambda v: v['enabled'] is False, accel=None)
    asks('property of a device', ['-device', 'isa-debug-exit,id=e,iobase=0x601'], 'qom-get', exit_port, equals(0x601))
    asks('property by JSON', ['-device', '{"driver":"isa-debug-exit","id":"e","iobase":1538}'], 'qom-get', exit_port, equals(1538))
    asks('property by -set', ['-device', 'isa-debug-exit,id=e', '-set', 'device.e.iobase=0x603'], 'qom-get', exit_port, equals(0x603))
    asks('property by -global', ['-global', 'isa-debug-exit.iobase=0x605', '-device', 'isa-debug-exit,id=e'], 'qom-get', exit_port,
         equals(0x605))
    asks('-global in its long form', ['-global', 'driver=isa-debug-exit,property=iobase,value=0x606', '-device',
                                      'isa-debug-exit,id=e'], 'qom-get', exit_port, equals(0x606))
    config = file('good.cfg', b"""# a machine
[machine]
  type = "pc"
[memory]
  size = "96M"
[chardev "c"]
  backend = "file"
  path = "%s"
[device "s"]
  driver = "isa-serial"
  chardev = "c"
[global]
  driver = "isa-serial"
  property = "iobase"
  value = "0x2e8"
[name]
  guest = "a name"
""" % f'{t}/with,comma'.encode())
    asks('-readconfig: global', ['-readconfig', config], 'qom-get', serial, equals(0x2e8))
    asks('-readconfig: memory', ['-readconfig', config], 'query-memory-size-summary', {}, lambda got: got['base-memory'] == 96 << 20)
    asks('-readconfig: name', ['-readconfig', config], 'query-name', {}, equals({'name': 'a name'}))
    asks('-readconfig: -set on its device', ['-readconfig', config, '-set', 'device.s.iobase=0x3e8'], 'qom-get', serial, equals(0x3e8))
    asks('memory backend', ['-object', 'memory-backend-ram,id=r,size=64M', '-m', '64', '-machine', 'memory-backend=r'],
         'query-memdev', {}, lambda got: [(m['id'], m['size']) for m in got] == [('r', 64 << 20)])
    asks('memory in G', ['-m', '0.0625G'], 'query-memory-size-summary', {}, lambda got: got['base-memory'] == 64 << 20)
    asks('chardev', ['-chardev', 'null,id=c', '-device', 'isa-serial,chardev=c'], 'query-chardev', {}, chardev('c', 'null'))
    asks('chardev server, short form', ['-chardev', f'socket,id=c,path={t}/short,server,nowait'], 'query-chardev', {},
         chardev('c', f'disconnected:unix:{t}/short,server=on'))
    asks('smp', ['-smp', '4,sockets=2,cores=2'], 'query-cpus-fast', {},
         lambda got: [c['props']['socket-id'] for c in got] == [0, 0, 1, 1])
    asks('name', ['-name', 'guest=me,debug-threads=on'], 'query-name', {}, equals({'name': 'me'}))
    asks('uuid', ['-uuid', '12345678-1234-1234-1234-123456789abc'], 'query-uuid', {},
         equals({'UUID': '12345678-1234-1234-1234-123456789abc'}))
    one, two = (f'{c * 8}-1234-1234-1234-123456789abc' for c in '12')
    asks('uuid by SMBIOS', ['-smbios', f'type=1,uuid={one}'], 'query-uuid', {}, equals({'UUID': one}))
    asks('uuid by SMBIOS, which says more', ['-smbios', f'type=1,uuid={one}', '-smbios', 'type=1,serial=3'], 'query-uuid', {}, equals({'UUID': one}))
    asks('uuid, then by SMBIOS', ['-uuid', one, '-smbios', f'type=1,uuid={two}'], 'query-uuid', {}, equals({'UUID': two}))
    asks('uuid by SMBIOS, then itself', ['-smbios', f'type=1,uuid={one}', '-uuid', two], 'query-uuid', {}, equals({'UUID': two}))
    asks('image', [image], 'query-block', {}, inserted('ide0-hd0', file=image, drv='raw'))
    asks('-hda', ['-hda', image], 'query-block', {}, inserted('ide0-hd0', file=image))
    asks('drive', ['-drive', f'file={image},format=raw,if=none,id=d,readonly=on', '-device', 'ide-cd,drive=d'], 'query-block', {},
         inserted('d', file=image, ro=True))
    asks('-set on a drive', ['-drive', f'file={image},format=raw,id=d,if=none', '-device', 'ide-cd,drive=d', '-set',
                             'drive.d.readonly=on'], 'query-block', {}, inserted('d', ro=True))
    asks('-msg without a value', ['-msg', 'timestamp,guest-name=on'], 'query-status', {}, lambda got: not got['running'])

    # At the end each node is flushed, one of a device and one that nobody uses, and a failure is told.
    fails = 'inject-error.0.event=none,inject-error.0.iotype=flush,inject-error.0.errno=28'
    asks('last flush', ['-blockdev', f'file,node-name=f1,filename={image}', '-blockdev', f'blkdebug,node-name=used,image=f1,{fails}',
                        '-blockdev', f'file,node-name=f2,filename={file("other", bytes(4096))}',
                        '-blockdev', f'blkdebug,node-name=unused,image=f2,{fails}', '-device', 'ide-hd,drive=used'],
         'query-status', {}, lambda got: not got['running'], "block node 'used'", "block node 'unused'", 'No space left on device')
    asks('no last flush with cache=unsafe', ['-drive', f'file={image},format=raw,if=none,id=d,cache=unsafe'], 'query-status', {},
         lambda got: not got['running'])

    mux_ends()
    busy = socket.socket(socket.AF_UNIX)
    busy.bind(os.path.join(t, 'busy'))
    tcp = socket.socket()
    tcp.bind(('127.0.0.1', 0))
    tcp.listen(1)
    port = tcp.getsockname()[1]
    bad('busy port', ['-qmp', f'tcp:127.0.0.1:{port},server=on,wait=off'], str(port))
    bad('nobody listens', ['-chardev', f'socket,id=c,path={t}/nobody'], f'{t}/nobody')
    if os.path.exists(os.path.join(os.path.dirname(BIN), 'modules', 'ui-curses.so')):
        bad('curses without a terminal', ['-display', 'curses'], '-display curses', 'must be a terminal')
        os.makedirs(os.path.join(t, 'modules'))
        file('modules/ui-curses.so', b'nonsense')
        os.environ['QEMU_MODULE_DIR'] = os.path.join(t, 'modules')
        bad('a module that is none', ['-display', 'curses'], 'ui-curses', 'cannot be opened')
        del os.environ['QEMU_MODULE_DIR']
    print(f'1..{count}')
    return failed > 0


sys.exit(main())
