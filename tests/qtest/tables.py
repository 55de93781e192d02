#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACPI and SMBIOS tables that the firmware finds in fw_cfg: whole, sums and links as the loader's script makes them, disassembled
and compiled again by iasl, and byte by byte beside those of Debian's QEMU. TAP.

QTEST_QEMU_BINARY is the emulator under test; DEBIAN_QEMU (/usr/bin/qemu-system-x86_64) the other one."""
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

OURS = os.environ.get('QTEST_QEMU_BINARY', 'build/qemu-system-x86_64')
DEBIANS = os.environ.get('DEBIAN_QEMU', '/usr/bin/qemu-system-x86_64')
LIMIT = 60
PC = ['-M', 'pc-i440fx-7.2', '-net', 'none']
FILES = ('etc/acpi/tables', 'etc/acpi/rsdp', 'etc/table-loader', 'etc/smbios/smbios-tables', 'etc/smbios/smbios-anchor')
# In QEMU 8.1 and later the MADT has revision 3.
MADT_REVISION = {b'APIC': (8, 1, 3)}

CASES = {
    'default': PC,
    'smp': PC + ['-smp', '2,maxcpus=4', '-m', '5G'],
    'nine CPUs': PC + ['-smp', '1,sockets=3,cores=3,maxcpus=9'],
    'ports': PC + ['-nodefaults', '-serial', 'null', '-serial', 'null', '-serial', 'null', '-parallel', 'null', '-parallel', 'null'],
    'no HPET, own ids, no sleep': ['-M', 'pc-i440fx-7.2,hpet=off,x-oem-id=ABC,x-oem-table-id=XYZ', '-global', 'PIIX4_PM.disable_s3=1',
                                   '-global', 'PIIX4_PM.disable_s4=1', '-nodefaults'],
    'no hot plug': PC + ['-global', 'PIIX4_PM.acpi-root-pci-hotplug=off', '-global', 'PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off',
                         '-device', 'virtio-rng-pci', '-device', 'secondary-vga'],
    'devices': PC + ['-device', 'virtio-rng-pci,addr=9', '-device', 'secondary-vga'],
    'pvpanic': PC + ['-nodefaults', '-device', 'pvpanic,ioport=0x600'],
    'a table of the user': PC + ['-acpitable', 'sig=TEST,rev=7,oem_id=ME,oem_rev=9,asl_compiler_id=ASL,data=@BLOB@'],
    'a whole table, SLIC': PC + ['-acpitable', 'file=@TABLE@'],
    'SMBIOS of the user': PC + ['-smbios', 'type=0,vendor=V,version=1,date=01/02/2003,release=4.5,uefi=on', '-smbios',
                                'type=1,manufacturer=M,product=P,version=2,serial=S,uuid=00112233-4455-6677-8899-aabbccddeeff,sku=K,family=F',
                                '-smbios', 'type=2,manufacturer=B,product=Q,serial=7,asset=A,location=L', '-smbios', 'type=3,serial=9,sku=C',
                                '-smbios', 'type=4,sock_pfx=Z,serial=1,asset=2,part=3,max-speed=3000,current-speed=2500',
                                '-smbios', 'type=11,value=one', '-smbios', 'type=11,value=two',
                                '-smbios', 'type=17,loc_pfx=Y,bank=0,serial=5,asset=6,part=7,speed=3200'],
    'no ACPI': ['-M', 'pc-i440fx-7.2,acpi=off'],
}


class Emulator:
    """fw_cfg's files by the qtest protocol on stdio."""

    def __init__(self, binary, args):
        accel = ['-accel', 'qtest'] if binary == OURS else ['-accel', 'tcg']
        self.process = subprocess.Popen([binary, *accel, '-qtest', 'stdio', '-qtest-log', '/dev/null', '-display', 'none', '-S', *args],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        signal.alarm(LIMIT)
        for reg, value in ((0x40, 0x601), (0x80, 1)):  # the firmware's part: where the power management ports are
            self.ask(f'outl 0xcf8 0x{0x80000b00 + reg:x}')
            self.ask(f'outl 0xcfc 0x{value:x}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        signal.alarm(0)
        self.process.kill()
        self.process.communicate()

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        while True:
            got = self.process.stdout.readline()
            if not got:
                raise AssertionError(f'the emulator ended: {self.process.stderr.read()[-300:]}')
            if got.startswith('OK'):
                return got.split()[1:]

    def dma(self, control, length):
        self.ask('write 0x1000 0x10 0x' + struct.pack('>IIQ', control, length, 0x100000).hex())
        self.ask('outl 0x514 0x0')
        self.ask('outl 0x518 0x100000')  # 1000h, big endian

    def read(self, key, length):
        self.dma(key << 16 | 8, 0)
        data = b''
        while len(data) < length:
            n = min(length - len(data), 0x8000)
            self.dma(2, n)
            data += bytes.fromhex(self.ask(f'read 0x100000 0x{n:x}')[0][2:])
        return data

    def files(self):
        count = struct.unpack('>I', self.read(0x19, 4))[0]
        directory = self.read(0x19, 4 + 64 * count)[4:]
        entries = {}
        for i in range(count):
            size, key, _, name = struct.unpack('>IHH56s', directory[64 * i:64 * i + 64])
            entries[name.rstrip(b'\0').decode()] = (key, size)
        return {name: self.read(*entries[name]) for name in FILES if name in entries}


def blobs(binary, args, folder):
    args = [a.replace('@BLOB@', folder + '/blob').replace('@TABLE@', folder + '/slic') for a in args]
    with Emulator(binary, args) as e:
        return e.files()


def tables(blob):
    """(offset, signature, bytes) of each table in the blob."""
    at, found = 0, []
    while at + 36 <= len(blob) and blob[at:at + 4].strip(b'\0'):
        length = struct.unpack('<I', blob[at + 4:at + 8])[0]
        assert 36 <= length <= len(blob) - at, f'{blob[at:at + 4]} of {length} bytes at {at:#x}'
        found.append((at, blob[at:at + 4], blob[at:at + length]))
        at += length
    return found


def loaded(files, base=0x7000000, rsdp_at=0xf5000):
    """What is in memory once the loader's script has run; each command is checked."""
    where = {'etc/acpi/tables': base, 'etc/acpi/rsdp': rsdp_at}
    memory = {name: bytearray(files[name]) for name in where}
    allocated = set()
    script = files['etc/table-loader']
    for i in range(0, len(script), 128):
        c = script[i:i + 128]
        kind, name = struct.unpack('<I56s', c[:60])
        name = name.rstrip(b'\0').decode()
        if not kind:
            break
        if kind == 1:
            align, zone = struct.unpack('<IB', c[60:65])
            assert name in where and name not in allocated and align & (align - 1) == 0 and zone in (1, 2)
            allocated.add(name)
        elif kind == 2:
            target = c[60:116].rstrip(b'\0').decode()
            offset, size = struct.unpack('<IB', c[116:121])
            assert name in allocated and target in allocated and size == 4
            value = struct.unpack_from('<I', memory[name], offset)[0]
            assert value < len(memory[target])
            struct.pack_into('<I', memory[name], offset, value + where[target])
        elif kind == 3:
            offset, start, length = struct.unpack('<III', c[60:72])
            assert name in allocated and start <= offset < start + length <= len(memory[name])
            assert memory[name][offset] == 0
            memory[name][offset] = -sum(memory[name][start:start + length]) & 0xff
        else:
            raise AssertionError(f'command {kind}')
    return memory, base


def whole(files):
    if 'etc/acpi/tables' not in files:
        return 'no tables'
    memory, base = loaded(files)
    blob, rsdp = memory['etc/acpi/tables'], memory['etc/acpi/rsdp']
    assert rsdp[:8] == b'RSD PTR ' and sum(rsdp) & 0xff == 0
    found = {at: (sig, data) for at, sig, data in tables(blob)}
    for sig, data in found.values():
        assert sig == b'FACS' or sum(data) & 0xff == 0, f'{sig} sums up to {sum(data) & 0xff:#x}'
    sig, rsdt = found[struct.unpack('<I', rsdp[16:20])[0] - base]
    assert sig == b'RSDT'
    listed = [found[p - base][0] for p in struct.unpack(f'<{(len(rsdt) - 36) // 4}I', rsdt[36:])]
    assert listed[:2] == [b'FACP', b'APIC'] and b'WAET' in listed, listed
    fadt = next(d for s, d in found.values() if s == b'FACP')
    facs, dsdt = struct.unpack('<II', fadt[36:44])
    assert found[facs - base][0] == b'FACS' and found[dsdt - base][0] == b'DSDT'
    assert facs % 64 == 0
    return ' '.join(s.decode() for s in listed)


def iasl(files, folder):
    """Disassembled without a complaint, compiled, and the same bytes again."""
    if 'etc/acpi/tables' not in files:
        return
    memory, _ = loaded(files)
    for _, sig, data in tables(memory['etc/acpi/tables']):
        if sig not in (b'DSDT', b'FACP', b'APIC', b'HPET', b'WAET', b'RSDT', b'FACS'):
            continue
        path = os.path.join(folder, sig.decode())
        with open(path + '.aml', 'wb') as f:
            f.write(data)
        out = subprocess.run(['iasl', '-d', path + '.aml'], capture_output=True, text=True, timeout=LIMIT, check=False)
        said = [x for x in (out.stdout + out.stderr).splitlines() if 'rror' in x or 'Warning' in x or 'nvalid' in x]
        assert out.returncode == 0 and not said, f'iasl -d {sig}: {said}'
        if sig != b'DSDT':
            continue
        out = subprocess.run(['iasl', '-p', path + '-again', path + '.dsl'], capture_output=True, text=True, timeout=LIMIT, check=False)
        assert out.returncode == 0 and ' 0 Errors' in out.stdout, f'iasl {sig}: {out.stdout[-600:]}{out.stderr[-300:]}'
        with open(path + '-again.aml', 'rb') as f:
            again = f.read()
        # iasl writes its own compiler id, and its shorter forms; names and structure are what count
        assert abs(len(again) - len(data)) < len(data) // 20, f'{len(data)} bytes become {len(again)}'


def beside(ours, theirs):
    assert sorted(ours) == sorted(theirs), f'{sorted(ours)}, not {sorted(theirs)}'
    for name, data in theirs.items():
        mine = bytearray(ours[name])
        if name == 'etc/acpi/tables':
            for at, sig, _ in tables(data):
                if sig in MADT_REVISION:
                    offset, old, new = MADT_REVISION[sig]
                    assert data[at + offset] == old and mine[at + offset] == new
                    mine[at + offset] = old
        if bytes(mine) != data:
            where = next((i for i in range(min(len(mine), len(data))) if mine[i] != data[i]), min(len(mine), len(data)))
            raise AssertionError(f'{name} (of {len(mine)} and {len(data)} bytes) from {where:#x}: {bytes(mine[where:where + 24]).hex(" ")}, '
                                 f'not {data[where:where + 24].hex(" ")}')


def main():
    has_iasl, has_debians = shutil.which('iasl'), os.access(DEBIANS, os.X_OK)
    number, failed = 0, 0
    print(f'1..{3 * len(CASES)}', flush=True)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit('Bail out! the emulator does not answer'))

    def point(name, work, skip=None):
        nonlocal number, failed
        number += 1
        if skip:
            print(f'ok {number} - {name} # SKIP {skip}', flush=True)
            return
        try:
            note = work()
            print(f'ok {number} - {name}{f" ({note})" if note else ""}', flush=True)
        except (AssertionError, OSError, KeyError, struct.error) as e:
            failed += 1
            print(f'not ok {number} - {name}\n# {type(e).__name__}: {e}', flush=True)

    with tempfile.TemporaryDirectory() as folder:
        with open(folder + '/blob', 'wb') as f:
            f.write(b'HELLO WORLD!')
        with open(folder + '/slic', 'wb') as f:
            f.write(b'SLIC' + struct.pack('<IBB6s8sI4sI', 40, 1, 0, b'MAKER', b'MODEL', 3, b'COMP', 1) + b'1234')
        for name, args in CASES.items():
            got = {}
            point(f'{name}: whole', lambda args=args, got=got: (got.update(blobs(OURS, args, folder)), whole(got))[1])
            point(f'{name}: iasl', lambda got=got: iasl(got, folder), None if has_iasl else 'iasl is not installed (acpica-tools)')
            point(f'{name}: as Debian\'s', lambda args=args, got=got: beside(got, blobs(DEBIANS, args, folder)),
                  None if has_debians else f'{DEBIANS} is not installed')
    return failed > 0


sys.exit(main())
