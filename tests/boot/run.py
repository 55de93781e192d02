#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the bare guests under KVM and compare what they print: run.py BINARY IMAGE_DIR EXPECTED_DIR COUNTER.SO [NAME...]. TAP on stdout.

Each guest runs with kernel-irqchip=on, split and off; `io` also with a dirty ring; and on the engine, by its own name (NAME-engine) and
by that of KVM with all options at their defaults (NAME-auto: where KVM emulates a guest's kernel the engine runs it, elsewhere KVM does). At
last the calls of a guest that KVM runs alone are counted, with the assist and without, and with a virtio disk's doorbells in the kernel and
without. Where /dev/kvm cannot be opened every test that needs it is skipped by name."""
import os
import subprocess
import sys
import tempfile

from serialguest import VIRTIO_DISK, kvm_refused

TIMEOUT = 120
IRQCHIPS = ("on", "split", "off")
# name -> (image, accel options, more arguments)
TESTS = {}
for guest, more in (("pit", []), ("io", []), ("apic", ["-smp", "2"]),
                    ("chips", ["-serial", "null", "-global", "hpet.msi=on", "-machine", "hpet=on", "-rtc", "clock=vm"]), ("user", []), ("reset", [])):
    for chip in IRQCHIPS:
        TESTS[f"{guest}-{chip}"] = (guest, f"kernel-irqchip={chip}", more)
# Not every kernel reports the EOIs of level-triggered interrupts to a split irqchip.
TESTS["ioapic-off"] = ("ioapic", "kernel-irqchip=off", ["-serial", "null", "-machine", "hpet=on"])
# The engine's help for instructions, in each mode; the same guest on the engine alone, and where the host's KVM leaves it the guest.
for chip in IRQCHIPS:
    TESTS[f"assist-{chip}"] = ("assist", f"kernel-irqchip={chip}", ["-smp", "2"])
# Doorbells, interrupts by eventfd and MSI routes by the dispatcher and our controllers, whatever kernel-irqchip says.
for guest in ("pit", "io", "apic", "chips", "ioapic", "user", "reset"):
    more = TESTS[guest + "-off"][2]
    TESTS[guest + "-engine"] = (guest, "tcg", more)
    TESTS[guest + "-auto"] = (guest, "auto", more)
TESTS["io-auto-split"] = ("io", "auto,kernel-irqchip=split", [])
# A virtio disk driven by hand; without ioeventfd each doorbell is an exit, and where the local APIC is ours each interrupt is one.
NO_EVENTFD = VIRTIO_DISK[:-1] + [VIRTIO_DISK[-1] + ",ioeventfd=off"]
EXITS = {"few exits: 1": "few exits: 0", "each an exit: 0": "each an exit: 1"}
OTHER_LINES = {}  # name: what is expected otherwise
for chip in IRQCHIPS:
    TESTS[f"virtio-{chip}"] = ("virtio", f"kernel-irqchip={chip}", VIRTIO_DISK)
    TESTS[f"virtio-noeventfd-{chip}"] = ("virtio", f"kernel-irqchip={chip}", NO_EVENTFD)
    OTHER_LINES[f"virtio-noeventfd-{chip}"] = EXITS
OTHER_LINES["virtio-off"] = {"interrupts, few exits: 1": "interrupts, few exits: 0"}
TESTS["virtio-engine"] = ("virtio", "tcg", VIRTIO_DISK)
TESTS["virtio-auto"] = ("virtio", "auto", VIRTIO_DISK)
COUNTS = "calls-with-and-without-assist"
DOORBELLS = "calls-with-and-without-ioeventfd"
TESTS["assist-engine"] = ("assist", "tcg", ["-smp", "2"])
TESTS["assist-auto"] = ("assist", "auto", ["-smp", "2"])
TESTS["assist-interpreter"] = ("assist", "tcg,interpreter=on", ["-smp", "2"])
TESTS["io-ring"] = ("io", "kernel-irqchip=on,dirty-ring-size=16384", [])


def hardware():
    with open("/proc/cpuinfo") as f:
        return any(w in ("vmx", "svm") for line in f if line.startswith("flags") for w in line.split())


def command(binary, images, guest, accel, more):
    return [binary, "-nodefaults", "-no-user-config", "-display", "none", "-m", "16", "-cpu", "max", "-accel", accel,
            "-bios", os.path.join(images, guest + ".bin"), "-debugcon", "stdio",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-device", "accel-testdev"] + [a.replace("@IMAGES@", images) for a in more]


def count(binary, images, counter, guest, accel, more):
    """What the guest printed, how many KVM_RUNs, and how many other calls of the vCPU's thread."""
    with tempfile.NamedTemporaryFile("r") as f:
        p = subprocess.run(command(binary, images, guest, accel, more), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, text=True,
                           env={**os.environ, "LD_PRELOAD": counter, "COUNT_IOCTLS": f.name}, check=False)
        return p.stdout, *(int(n) for n in f.read().split())


def doorbells(binary, images, counter):
    """Each of the 256 doorbells that the guest counts, and of some others, is a KVM_RUN more without ioeventfd."""
    got = {on: count(binary, images, counter, "virtio", "kvm,assist=off", more) for on, more in (("on", VIRTIO_DISK), ("off", NO_EVENTFD))}
    print(f"# KVM_RUN: {got['on'][1]} with ioeventfd, {got['off'][1]} without")
    return all(g[0].endswith("done\n") for g in got.values()) and got["off"][1] - got["on"][1] >= 256


def counts(binary, images, counter):
    """KVM_RUNs and other calls of the vCPU's thread while a guest at CPL3 writes to a port: the assist adds none."""
    got = {assist: count(binary, images, counter, "outs", "kvm,assist=" + assist, []) for assist in ("on", "off")}
    print(f"# KVM_RUN, other calls: {got['on'][1:]} with the assist, {got['off'][1:]} without")
    # A kick may cost a KVM_RUN.
    return (all(g[0] == "outs\ndone\n" and g[1] > 500 for g in got.values()) and got["on"][2] == got["off"][2] and
            abs(got["on"][1] - got["off"][1]) <= 5)


def run(binary, images, expected, counter, name):
    if name in (COUNTS, DOORBELLS):
        return (counts if name == COUNTS else doorbells)(binary, images, counter)
    guest, accel, more = TESTS[name]
    engine = "tcg" if os.path.exists(os.path.join(expected, guest + ".tcg.expected")) else "off"
    if accel.startswith("auto"):
        accel = "kvm" + accel[4:]
        chip = "on" if hardware() else engine
    elif not accel.startswith("tcg"):
        accel = f"kvm,assist={'on' if guest == 'assist' else 'off'},{accel}"
        chip = accel.split("kernel-irqchip=")[-1].split(",")[0]
    else:
        chip = engine
    cmd = command(binary, images, guest, accel, more)
    # What depends on where the interrupt controllers are has a file for each.
    own = os.path.join(expected, f"{guest}.{chip}.expected")
    with open(own if os.path.exists(own) else os.path.join(expected, guest + ".expected")) as f:
        want = f.read()
    for line, other in OTHER_LINES.get(name, {}).items():
        want = want.replace(line, other)
    try:
        p = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, text=True, errors="replace")
        got, err, status = p.stdout, p.stderr, p.returncode
    except subprocess.TimeoutExpired as e:
        got, err, status = (e.stdout or b"").decode(errors="replace"), (e.stderr or b"").decode(errors="replace"), "none in time"
    if got == want and status == 0x21:
        return True
    print(f"# {' '.join(cmd)}\n# exit status {status}, expected {0x21}")
    want_lines, got_lines = want.splitlines(), got.splitlines()
    for i in range(max(len(want_lines), len(got_lines))):
        w = want_lines[i] if i < len(want_lines) else "(nothing)"
        g = got_lines[i] if i < len(got_lines) else "(nothing)"
        if w != g:
            print(f"# line {i + 1}: expected '{w}', got '{g}'")
            break
    for line in err.splitlines()[:40]:
        print("# stderr: " + line)
    return False


def main():
    binary, images, expected, counter = sys.argv[1:5]
    names = sys.argv[5:] or list(TESTS) + [COUNTS, DOORBELLS]
    print(f"1..{len(names)}")
    reason = kvm_refused()
    for i, name in enumerate(names, 1):
        if reason and not (name in TESTS and TESTS[name][1].startswith("tcg")):
            print(f"ok {i} {name} # SKIP {reason}")
        else:
            print(f"{'ok' if run(binary, images, expected, counter, name) else 'not ok'} {i} {name}", flush=True)


main()
