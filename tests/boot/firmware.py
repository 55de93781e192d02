#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SeaBIOS to 'Booting from' under KVM, with the interrupt controllers in the kernel, split and ours, on one and two CPUs. TAP.

usage: firmware.py BINARY"""
import json
import os
import subprocess
import sys
import tempfile
import time

BINARY = sys.argv[1]
LIMIT = 120
CASES = [(irqchip, cpus) for irqchip in ('on', 'split', 'off') for cpus in (1, 2)]


def screen(machine, path):
    machine.stdin.write(json.dumps({'execute': 'pmemsave', 'arguments': {'val': 0xb8000, 'size': 4000, 'filename': path}}) + '\n')
    machine.stdin.flush()
    while True:
        line = machine.stdout.readline()
        if not line:
            return None
        reply = json.loads(line)
        if 'return' in reply:
            break
        if 'error' in reply:
            return None
    with open(path, 'rb') as f:
        return f.read()[::2].decode('cp437')


def boot(irqchip, cpus, folder):
    args = [BINARY, '-accel', f'kvm,assist=off,kernel-irqchip={irqchip}', '-machine', 'pc', '-smp', str(cpus), '-display', 'none', '-serial', 'null',
            '-parallel', 'none', '-monitor', 'none', '-net', 'none', '-qmp', 'stdio']
    machine = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        machine.stdout.readline()
        machine.stdin.write('{"execute": "qmp_capabilities"}\n')
        machine.stdin.flush()
        machine.stdout.readline()
        end, text = time.time() + LIMIT, ''
        while time.time() < end:
            text = screen(machine, os.path.join(folder, 'screen'))
            if text is None:
                return f'the machine ended: {machine.communicate()[1]}'
            if 'SeaBIOS' in text and 'Booting from' in text:
                return None
            time.sleep(0.3)
        return f'not within {LIMIT} s; the screen: {text.strip()!r}'
    finally:
        machine.kill()
        machine.wait()


def main():
    print(f'1..{len(CASES)}')
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for n, (irqchip, cpus) in enumerate(CASES, 1):
            name = f'SeaBIOS, kernel-irqchip={irqchip}, {cpus} CPU{"s" if cpus > 1 else ""}'
            if not os.access('/dev/kvm', os.R_OK | os.W_OK):
                print(f'ok {n} - {name} # SKIP /dev/kvm does not open')
                continue
            why = boot(irqchip, cpus, folder)
            failed += why is not None
            print(f'not ok {n} - {name}: {why}' if why else f'ok {n} - {name}', flush=True)
    return failed > 0


sys.exit(main())
