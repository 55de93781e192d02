#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stop, cont, system_reset and info registers a hundred times at random while a guest runs: nothing hangs, and after a last reset the
guest still ends as it should; with KVM alone, each irqchip mode, and as `-accel kvm` is by itself. lifecycle.py BINARY IMAGE_DIR EXPECTED_DIR. TAP on stdout."""
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

from serialguest import kvm_refused

STEPS = 100
LIMIT = 60  # seconds for one run
TESTS = [(guest, chip, smp) for guest in ("apic", "user") for chip in ("on", "split", "off", "auto") for smp in (1, 2) if (guest, smp) != ("apic", 1)]


class Qmp:
    def __init__(self, args):
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events = []
        self.timer = threading.Timer(LIMIT, self.p.kill)
        self.timer.start()
        self.p.stdout.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.p.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.p.stdin.flush()
        while True:
            line = self.p.stdout.readline()
            if not line:
                raise EOFError(f"the emulator ended or hung in '{command}'")
            reply = json.loads(line)
            if "event" in reply:
                self.events.append(reply["event"])
            else:
                return reply

    def close(self):
        self.timer.cancel()
        self.p.kill()
        self.p.wait()


def run(binary, images, expected, guest, chip, smp, out):
    rng = random.Random(f"{guest} {chip} {smp}")
    with open(os.path.join(expected, guest + ".expected")) as f:
        want = f.read()
    # No debug exit: the guest halts at its end and the next reset starts it again.
    q = Qmp([binary, "-nodefaults", "-no-user-config", "-display", "none", "-m", "16", "-cpu", "max", "-smp", str(smp), "-accel",
             "kvm" if chip == "auto" else "kvm,assist=off,kernel-irqchip=" + chip, "-bios", os.path.join(images, guest + ".bin"), "-debugcon", "file:" + out, "-chardev",
             "stdio,id=q", "-mon", "chardev=q,mode=control"])
    try:
        assert q("query-kvm")["return"] == {"enabled": True, "present": True}
        for _ in range(STEPS):
            command = rng.choice(("stop", "cont", "system_reset", "regs"))
            if command == "regs":
                reply = q("human-monitor-command", **{"command-line": "info registers -a"})
                assert reply["return"].count("CR0=") == smp, reply
            else:
                reply = q(command)
                assert "return" in reply, reply
            time.sleep(rng.random() * 0.01)
        q("cont")
        with open(out, "w"):
            pass
        start = os.path.getsize(out)
        q("system_reset")
        end = time.time() + LIMIT / 2
        text = ""
        while time.time() < end and not text.endswith("done\n"):
            time.sleep(0.05)
            with open(out, errors="replace") as f:
                f.seek(start)
                text = f.read().lstrip("\0")
        # What the guest printed between truncation and reset stands before its last start.
        text = text[text.rfind(want.splitlines()[0] + "\n"):]
        assert text == want, "the guest printed: " + text
        q("quit")
        q.p.wait(10)
        assert q.p.returncode == 0, f"exit status {q.p.returncode}"
    finally:
        q.close()


def main():
    binary, images, expected = sys.argv[1:4]
    print(f"1..{len(TESTS)}")
    reason = kvm_refused()
    with tempfile.TemporaryDirectory() as tmp:
        for i, (guest, chip, smp) in enumerate(TESTS, 1):
            name = f"lifecycle-{guest}-{chip}-smp{smp}"
            if reason:
                print(f"ok {i} {name} # SKIP {reason}")
                continue
            try:
                run(binary, images, expected, guest, chip, smp, os.path.join(tmp, name))
                print(f"ok {i} {name}", flush=True)
            except (AssertionError, EOFError, subprocess.TimeoutExpired) as e:
                print("# " + str(e).replace("\n", "\n# "))
                print(f"not ok {i} {name}", flush=True)


main()
