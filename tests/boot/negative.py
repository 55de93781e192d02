#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""That the guests of run.py notice: negative.py BINARY IMAGE_DIR EXPECTED_DIR DROP_IOCTL.SO [NAME...]. TAP on stdout.

Each case takes one of KVM's services away (drop-ioctl.c: a call does nothing and says that it worked, or is refused) and wants the guest's output to go
wrong just where what the call does is missing: a wrong line, or none for some seconds. The controls, with nothing taken away, are all right.
Where /dev/kvm cannot be opened every case is skipped by name."""
import os
import select
import subprocess
import sys
import time

from serialguest import VIRTIO_DISK, kvm_refused

TIMEOUT = 120  # for the whole of a guest
QUIET = 5  # so long after the last right line no other has come: it never will
TESTDEV = ["-device", "accel-testdev"]
CHIPS = ["-serial", "null", "-global", "hpet.msi=on", "-machine", "hpet=on", "-rtc", "clock=vm"]
VIRTIO = TESTDEV + VIRTIO_DISK
RING = "kernel-irqchip=on,dirty-ring-size=16384"
# name: (guest, accelerator's options, more arguments, environment, the line that goes wrong and which of those that read so)
CASES = {
    "control": ("io", "kernel-irqchip=on", TESTDEV, {}, None, 0),
    "control, dirty ring": ("io", RING, TESTDEV, {}, None, 0),
    "control, chips": ("chips", "kernel-irqchip=on", CHIPS, {}, None, 0),
    "no ioeventfd": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_IOEVENTFD"}, "few exits: 1", 1),
    "no coalesced writes": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_REGISTER_COALESCED_MMIO"}, "few exits: 1", 2),
    "irqfd dropped": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_IRQFD"}, "irqfd interrupts: 20", 1),
    "irqfd refused": ("io", "kernel-irqchip=on", TESTDEV, {"REFUSE_IOCTL": "KVM_IRQFD"}, "delivered by the main loop: 0", 1),
    "no MSI": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_SIGNAL_MSI"}, "MSIs: 10", 1),
    "no MSI, split": ("io", "kernel-irqchip=split", TESTDEV, {"DROP_IOCTL": "KVM_SIGNAL_MSI"}, "MSIs: 10", 1),
    "no GSI routes": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_SET_GSI_ROUTING"}, "MSIs by irqfd: 10 7", 1),
    "no dirty log": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_GET_DIRTY_LOG"}, "dirty pages: 37, sum 3478", 1),
    "dirty log not cleared": ("io", "kernel-irqchip=on", TESTDEV, {"DROP_IOCTL": "KVM_CLEAR_DIRTY_LOG"}, "dirty pages: 0, sum 0", 1),
    "dirty ring not seen": ("io", RING, TESTDEV, {"HIDE_RING": "1"}, "dirty pages: 37, sum 3478", 1),
    "no interrupt lines": ("chips", "kernel-irqchip=on", CHIPS, {"DROP_IOCTL": "KVM_IRQ_LINE"}, "edge: 5", 1),
    "control, virtio": ("virtio", "kernel-irqchip=on", VIRTIO, {}, None, 0),
    "virtio, no ioeventfd": ("virtio", "kernel-irqchip=on", VIRTIO, {"DROP_IOCTL": "KVM_IOEVENTFD"}, "doorbells in memory, few exits: 1", 1),
    "virtio, irqfd dropped": ("virtio", "kernel-irqchip=on", VIRTIO, {"DROP_IOCTL": "KVM_IRQFD"}, "in the IRR: 1", 1),
    "virtio, irqfd dropped, split": ("virtio", "kernel-irqchip=split", VIRTIO, {"DROP_IOCTL": "KVM_IRQFD"}, "in the IRR: 1", 1),
    "virtio, no GSI routes": ("virtio", "kernel-irqchip=on", VIRTIO, {"DROP_IOCTL": "KVM_SET_GSI_ROUTING"}, "in the IRR: 1", 1),
    # Interrupts that are not masked do not need it.
    "virtio, no MSI": ("virtio", "kernel-irqchip=on", VIRTIO, {"DROP_IOCTL": "KVM_SIGNAL_MSI"}, "then: 1", 1),
    "virtio, no interrupt lines": ("virtio", "kernel-irqchip=on", VIRTIO, {"DROP_IOCTL": "KVM_IRQ_LINE"}, "INTx interrupts: 8", 1),
    "no PIT": ("pit", "kernel-irqchip=on", [], {"DROP_IOCTL": "KVM_CREATE_PIT2"}, "ticks: 50", 1),
}


def expected_lines(folder, guest, accel):
    chip = accel.split(",")[0].split("=")[1]
    own = os.path.join(folder, f"{guest}.{chip}.expected")
    with open(own if os.path.exists(own) else os.path.join(folder, guest + ".expected"), encoding="ascii") as f:
        return f.read().splitlines()


def first_wrong(cmd, env, want, at):
    """The index of the first line that is wrong or does not come; len(want): all are right. at: where to expect none."""
    p = subprocess.Popen(cmd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    right, rest, end, last = 0, b"", time.monotonic() + TIMEOUT, time.monotonic()
    try:
        while right < len(want) and time.monotonic() < end and not (right == at and time.monotonic() > last + QUIET):
            if not select.select([p.stdout], [], [], 0.2)[0]:
                continue
            data = os.read(p.stdout.fileno(), 4096)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.decode(errors="replace") != want[right]:
                    return right, line.decode(errors="replace")
                right += 1
                last = time.monotonic()
        return right, "(nothing)"
    finally:
        p.kill()
        p.communicate()


def main():
    binary, images, folder, preload = sys.argv[1:5]
    names = sys.argv[5:] or list(CASES)
    print(f"1..{len(names)}")
    reason = kvm_refused()
    for i, name in enumerate(names, 1):
        if reason:
            print(f"ok {i} {name} # SKIP {reason}")
            continue
        guest, accel, more, env, line, nth = CASES[name]
        want = expected_lines(folder, guest, accel)
        at = [k for k, w in enumerate(want) if w == line][nth - 1] if line else len(want)
        cmd = [binary, "-nodefaults", "-no-user-config", "-display", "none", "-m", "16", "-cpu", "max", "-accel", "kvm,assist=off," + accel,
               "-bios", os.path.join(images, guest + ".bin"), "-debugcon", "stdio",
               "-device", "isa-debug-exit,iobase=0xf4,iosize=4"] + [a.replace("@IMAGES@", images) for a in more]
        got, text = first_wrong(cmd, {"LD_PRELOAD": preload, **env}, want, at)
        if got == at:
            print(f"ok {i} {name}", flush=True)
            continue
        print(f"# {env} {' '.join(cmd)}\n# the first wrong line is number {got + 1}, '{text}', and should be number {at + 1}, "
              f"which reads '{line or 'all is well'}' when all is there")
        print(f"not ok {i} {name}", flush=True)


main()
