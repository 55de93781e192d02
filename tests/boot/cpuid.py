#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's CPUID on our binary and on Debian's: cpuid.py BINARY IMAGE_DIR. TAP on stdout."""
import os
import subprocess
import sys

from serialguest import kvm_refused

ORACLE = os.environ.get("QTEST_QEMU_BINARY", "/usr/bin/qemu-system-x86_64")
TESTS = ["qemu64 1", "qemu64 2", "kvm64 1", "Penryn 1", "Haswell 2,sockets=1,cores=2", "Skylake-Server-v5 1", "Opteron_G3 1",
         "EPYC 2,sockets=1,cores=1,threads=2", "EPYC-Milan,-fsrm 1", "qemu64,+avx2,level=7,model-id=none,family=6,check=off 1"]


def leaves(binary, images, cpu, smp):
    p = subprocess.run([binary, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-m", "16", "-accel",
                        "kvm" if binary.startswith("/usr/bin/") else "kvm,assist=off",
                        "-cpu", cpu, "-smp", smp, "-bios", os.path.join(images, "cpuid.bin"), "-debugcon", "stdio",
                        "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    got = dict(line.split(" ", 1) for line in p.stdout.splitlines() if " " in line)
    return got, p.stderr


def main():
    binary, images = sys.argv[1:3]
    print(f"1..{len(TESTS)}")
    reason = kvm_refused()
    if not reason and not os.path.exists(ORACLE):
        reason = f"no {ORACLE}"
    for i, test in enumerate(TESTS, 1):
        if reason:
            print(f"ok {i} {test} # SKIP {reason}")
            continue
        cpu, smp = test.split()
        ours, err = leaves(binary, images, cpu, smp)
        theirs, _ = leaves(ORACLE, images, cpu, smp)
        bad = [k for k in sorted(set(ours) | set(theirs)) if ours.get(k) != theirs.get(k)]
        for k in bad:
            print(f"# {k}: ours {ours.get(k)}, Debian's {theirs.get(k)}")
        if not ours:
            print("# " + err.replace("\n", "\n# "))
        print(f"{'ok' if ours and not bad else 'not ok'} {i} {test}", flush=True)


main()
