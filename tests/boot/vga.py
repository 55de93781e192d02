#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot the disk tests/boot/vga/modes.S on our binary (KVM) and Debian's (TCG), screendump each of its modes on both, compare every pixel.

vga.py BINARY DISK [DIRECTORY]: TAP on stdout; with DIRECTORY the pictures of ours are kept there as PNG. Skipped by name where
/dev/kvm or Debian's binary is not there. Keys go in by send-key, so the keyboard is part of it."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

DEBIAN = "/usr/bin/qemu-system-x86_64"
STEPS = {
    "a": "text 80x25 after scrolling", "b": "text 80x25", "c": "text 40x25", "d": "text 80x50", "e": "CGA 320x200",
    "f": "CGA 640x200", "g": "EGA 320x200", "h": "VGA 640x480", "i": "VGA 320x200 in 256 colours", "j": "unchained, start moved",
    "k": "VBE 800x600, 8 bits, banks", "l": "VBE 640x480, 15 bits", "m": "16 bits", "n": "24 bits", "o": "32 bits",
    "p": "32 bits, scrolled", "q": "text again",
}
TIMEOUT = 90


class VM:
    def __init__(self, binary, accel, disk, directory):
        self.console = os.path.join(directory, "console")
        self.dump = os.path.join(directory, "dump")
        path = os.path.join(directory, "qmp")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(30)
        self.process = subprocess.Popen(
            [binary, "-nodefaults", "-no-user-config", "-display", "none", "-accel", accel, "-m", "32", "-vga", "std",
             "-drive", f"file={disk},format=raw,if=ide,snapshot=off", "-debugcon", f"file:{self.console}", "-global",
             "isa-debugcon.iobase=0xe9", "-chardev", f"socket,id=q,path={path}", "-mon", "chardev=q,mode=control"],
            stdin=subprocess.DEVNULL)
        self.socket = listener.accept()[0]
        self.socket.settimeout(60)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            reply = json.loads(self.lines.readline())
            if "error" in reply:
                raise RuntimeError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    def wait_for(self, letter, n):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            try:
                with open(self.console, "rb") as f:
                    seen = f.read().decode()
            except FileNotFoundError:
                seen = ""
            if len(seen) > n:
                if seen[n] != letter:
                    raise RuntimeError(f"the guest is at step '{seen[n]}', not '{letter}'")
                return
            time.sleep(0.01)
        raise RuntimeError(f"step '{letter}' did not come in {TIMEOUT} s")

    def picture(self, **more):
        self.qmp("screendump", filename=self.dump, **more)
        with open(self.dump, "rb") as f:
            _, size, _, pixels = f.read().split(b"\n", 3)
        width, height = map(int, size.split())
        stride = len(pixels) // height  # Debian's pads lines to 4 bytes
        return width, height, b"".join(pixels[y * stride:y * stride + width * 3] for y in range(height))

    def close(self):
        self.process.terminate()
        self.process.wait(30)


def difference(ours, theirs):
    if ours[:2] != theirs[:2]:
        return f"{ours[0]}x{ours[1]}, Debian's is {theirs[0]}x{theirs[1]}"
    if ours[2] == theirs[2]:
        return None
    for i in range(0, len(ours[2]), 3):
        if ours[2][i:i + 3] != theirs[2][i:i + 3]:
            return f"at {i // 3 % ours[0]},{i // 3 // ours[0]}: {ours[2][i:i + 3].hex()}, Debian's is {theirs[2][i:i + 3].hex()}"
    return None


def main():
    binary, disk = sys.argv[1:3]
    keep = sys.argv[3] if len(sys.argv) > 3 else None
    print(f"1..{len(STEPS)}")
    reason = None
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        reason = "/dev/kvm cannot be opened"
    elif not os.access(DEBIAN, os.X_OK):
        reason = "Debian's binary is not installed"
    if reason:
        for i, name in enumerate(STEPS.values(), 1):
            print(f"ok {i} {name} # SKIP {reason}")
        return
    directory = tempfile.mkdtemp(prefix="vga-boot-")
    vms = []
    try:
        for name, which, accel in (("ours", binary, "kvm"), ("debian", DEBIAN, "tcg")):
            place = os.path.join(directory, name)
            os.mkdir(place)
            image = os.path.join(place, "disk")
            with open(disk, "rb") as source, open(image, "wb") as target:
                target.write(source.read().ljust(1 << 20, b"\0"))
            vms.append(VM(which, accel, image, place))
        for i, (letter, name) in enumerate(STEPS.items()):
            pictures = []
            for vm in vms:
                vm.wait_for(letter, i)
                pictures.append(vm.picture())
            if keep:
                vms[0].qmp("screendump", filename=os.path.join(os.path.abspath(keep), letter + ".png"), format="png")
            what = difference(*pictures)
            print(f"{'not ok' if what else 'ok'} {i + 1} {name}", flush=True)
            if what:
                print(f"# {name}: {what}", flush=True)
            for vm in vms:
                vm.qmp("send-key", keys=[{"type": "qcode", "data": "spc"}], **{"hold-time": 1})
    except (RuntimeError, OSError, ValueError) as e:
        print(f"Bail out! {e}")
    finally:
        for vm in vms:
            vm.close()
        shutil.rmtree(directory)


main()
