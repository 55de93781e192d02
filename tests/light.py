#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Light code (accel/tcg/tcg.h) runs while a guest's vector registers are in the host's: it uses no vector register and calls nothing that
may, but where tcg_outside_begin() has put them away. The calls of the second kind are listed here; a new one fails until it is."""
import re
import subprocess
import sys

OUTSIDE = {  # between tcg_outside_begin() and tcg_outside_end()
    'as_load', 'as_read', 'as_store', 'as_write', 'getrandom', 'io_read', 'io_write', 'log_printf', 'rcu_lock', 'rcu_unlock', 'system_reset_request', 'vm_lock', 'vm_unlock',
}
DATA = {'_GLOBAL_OFFSET_TABLE_', 'accel', 'as_memory', 'cpu_apic_space', 'cpu_smm_space', 'debug_point_count', 'debug_points', 'feature_words', 'log_mask', 'ram_code_written', 'current_cpu', 'vcpu_count', 'vcpus'}
COMPILER = {'__stack_chk_fail', '__tls_get_addr'}
MOVERS = {'tcg_fpu_to_memory', 'tcg_fpu_to_host'}  # the guest's registers themselves
OURS = re.compile(r'^(tcg_|jit_|insn_)')

lib = sys.argv[1]
nm = subprocess.run(['nm', '-P', lib], capture_output=True, text=True, check=True).stdout
undefined, defined = set(), set()
for line in nm.splitlines():
    part = line.split()
    if len(part) >= 2 and not part[0].endswith(':'):
        (undefined if part[1] in 'Uw' else defined).add(part[0])
calls = sorted(s for s in undefined - defined if not OURS.match(s) and s not in OUTSIDE | DATA | COMPILER)
asm = subprocess.run(['objdump', '-d', '--no-show-raw-insn', lib], capture_output=True, text=True, check=True).stdout
vector, function = set(), ''
for line in asm.splitlines():
    m = re.match(r'[0-9a-f]+ <([^>]+)>:', line)
    if m:
        function = m.group(1).split('.')[0]
    elif re.search(r'%[xyz]mm\d', line) and function not in MOVERS:
        vector.add(f'{function}: {line.strip()}')
vector = sorted(vector)
print('1..2')
print('ok 1 light code calls what is listed' if not calls and defined else 'not ok 1 light code calls what is listed')
for s in calls:
    print(f'# {s}: not light, and not on the list of what is called outside')
if not re.search(r'<tcg_run>:', asm):
    print('ok 2 light code uses no vector register # SKIP link-time optimisation leaves no code to look at')
else:
    print('ok 2 light code uses no vector register' if not vector else 'not ok 2 light code uses no vector register')
for s in vector[:10]:
    print(f'# {s}')
sys.exit(bool(calls or vector))
