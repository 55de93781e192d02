#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the guests of tests/sys and compare what they print with expected/NAME.txt: run.py MODE BINARY IMAGE_DIR [NAME...]. TAP on stdout.

MODE: tcg and interpreter (BINARY -accel tcg, without and with interpreter=on), kvm (BINARY -accel kvm,assist=off, the guests that guests.txt lists for it, without the cases in kvm.txt),
host (the guests that guests.txt lists for it, as programs on this CPU), debian (the distribution's QEMU with -accel tcg: where it differs from the expectation differences.txt has a line that says why, and no other),
lists (items.txt, guests.txt and expected/ agree). With --show NAME... instead of a comparison the output is printed."""
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEBIAN = os.environ.get("QTEST_QEMU_BINARY", "/usr/bin/qemu-system-x86_64")
TIMEOUT, LIMIT, GRACE = 180, 1 << 20, 1
STATUS = 0x21  # isa-debug-exit: what quit() of the guests writes


def lines_of(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return [x.strip() for x in f if x.strip() and not x.startswith("#")]


class Guest:
    """A line of guests.txt: name, source, 32 or 64, then words: kvm, host, -DX=Y for the compiler, and KEY=VALUE for the command line."""

    def __init__(self, line):
        words = line.split()
        self.name, self.kvm, self.host = words[0], "kvm" in words, "host" in words
        self.more, self.cpu, self.status = [], "max", STATUS
        for word in words[3:]:
            key, _, value = word.partition("=")
            if key == "cpu":
                self.cpu = value
            elif key == "status":  # the guest ends by itself another way
                self.status = int(value)
            elif not key.startswith("-") and key not in ("kvm", "host"):
                self.more += ["-" + key] + ([value] if value else [])

    def expected(self):
        path = os.path.join(HERE, "expected", self.name + ".txt")
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as f:
            return f.read().splitlines()


GUESTS = {g.name: g for g in map(Guest, lines_of("guests.txt"))}


def read_output(p, wanted):
    """All that it prints. With `wanted`, cases after which nothing more is compared, the process is given GRACE seconds when it has printed them."""
    out, end = b"", None
    while len(out) < LIMIT:  # a guest that runs wild may print without end
        if not select.select([p.stdout], [], [], None if end is None else max(0, end - time.monotonic()))[0]:
            break
        more = os.read(p.stdout.fileno(), 65536)
        if not more:
            return out
        out += more
        if wanted is not None and end is None and wanted <= {key_of(x) for x in out.decode(errors="replace").split("\n")[:-1]}:
            end = time.monotonic() + GRACE
    p.kill()
    return out[:out.rfind(b"\n") + 1]  # what it was just printing has no end


def run(mode, binary, images, guest, wanted=None):
    """The lines that it prints, the command, what it says on stderr."""
    # Most of a guest runs once: it is the translator that is to be seen.
    accel = {"tcg": "tcg,x-translate-at=1", "interpreter": "tcg,interpreter=on", "kvm": "kvm,assist=off", "debian": "tcg", "host": ""}[mode]
    cmd = [DEBIAN if mode == "debian" else binary, "-nodefaults", "-no-user-config", "-display", "none", "-m", "64", "-cpu", guest.cpu, "-accel", accel,
           "-no-reboot", "-bios", os.path.join(images, guest.name + ".bin"), "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"] + guest.more
    if mode == "host":
        cmd = [os.path.join(images, guest.name + "-host")]
    with tempfile.TemporaryFile() as errors:
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        late = threading.Timer(TIMEOUT, p.kill)
        late.start()
        out = read_output(p, wanted)
        status = p.wait()
        late.cancel()
        errors.seek(0)
        err = errors.read(100000)
    got = out.decode(errors="replace").splitlines()
    if status != (0 if mode == "host" else guest.status):
        got.append(f"exit: {status}")
    return got, " ".join(cmd), err.decode(errors="replace").splitlines()


def key_of(line):
    return line.partition(":")[0]


def differences(want, got):
    """Names of the cases that differ, in order, each with both lines."""
    w, g = {key_of(x): x for x in want}, {}
    for x in got:  # the first of each: a guest may begin anew
        g.setdefault(key_of(x), x)
    keys = list(w) + [k for k in g if k not in w]
    return [(k, w.get(k, "(nothing)"), g.get(k, "(nothing)")) for k in keys if w.get(k) != g.get(k)]


def other_under_kvm(guest, key):
    rows = [[x.strip() for x in line.split("|")] for line in lines_of("kvm.txt")]
    return any(r[0] == guest and (r[1] == key or (r[1].endswith("*") and key.startswith(r[1][:-1]))) for r in rows)


def compare(mode, binary, images, guest):
    want = guest.expected()
    got, cmd, err = run(mode, binary, images, guest)
    if mode == "kvm":
        skipped = [x for x in want if other_under_kvm(guest.name, key_of(x))]
        for x in skipped:
            print("# not compared: " + key_of(x))
        want, got = ([x for x in lines if not other_under_kvm(guest.name, key_of(x))] for lines in (want, got))
    diff = differences(want, got)
    if not diff and want == got:
        return True
    print("# " + cmd)
    for _, w, g in diff[:20]:
        print(f"# expected '{w}'\n# got      '{g}'")
    if len(diff) > 20:
        print(f"# and {len(diff) - 20} more")
    if not diff:
        print("# the same lines in another order")
    for line in err[:20]:
        print("# stderr: " + line)
    return False


class Known:
    """differences.txt: 'GUEST | CASE | SECTION | WHAT'. A CASE that ends in '*' is a prefix. GUEST '*' and CASE 'fl N' is one for all guests: Debian's
    saved flags lack the bits N. What was not needed is stale, unless WHAT begins with 'sometimes'."""

    def __init__(self):
        self.rows = [[x.strip() for x in line.split("|")] for line in lines_of("differences.txt")]
        self.bad = [r for r in self.rows if len(r) != 4 or not all(r)]
        self.used = set()
        self.missing_flags = 0
        for r in self.rows:
            if r[0] == "*" and r[1].startswith("fl "):
                self.missing_flags |= int(r[1][3:], 16)

    def same_but_flags(self, want, got):
        def without(m):
            return f" {m.group(1)}={int(m.group(2), 16) & ~self.missing_flags:x}"
        if re.sub(r" (fl|flags)=([0-9a-f]+)", without, want) != got:
            return False
        self.used.update(i for i, r in enumerate(self.rows) if r[0] == "*")
        return True

    def of(self, guest, key):
        return [i for i, r in enumerate(self.rows) if r[0] == guest and (r[1] == key or (r[1].endswith("*") and key.startswith(r[1][:-1])))]

    def explains(self, guest, key):
        found = self.of(guest, key)
        self.used.update(found)
        return bool(found)

    def compared(self, guest):
        """The cases without a difference, where the guest is known not to come back from one: what to wait for. None: wait for its end."""
        if not self.of(guest.name, "exit"):
            return None
        return {key_of(x) for x in guest.expected() if not self.of(guest.name, key_of(x))}

    def stale(self, names):
        """Whether a guest that does not come back, or does after GRACE seconds, ends by itself is not asked."""
        return [r for i, r in enumerate(self.rows) if i not in self.used and r[1] not in ("end", "exit") and not r[3].startswith("sometimes") and (r[0] == "*" or r[0] in names)]


def debian(binary, images, names):
    known = Known()
    for i, name in enumerate(names, 1):
        # What two processors do of each other's is not the same in each run; differences.txt has what is wrong in most.
        for _ in range(3 if name.startswith("smp-") else 1):
            got, cmd, _ = run("debian", binary, images, GUESTS[name], known.compared(GUESTS[name]))
            bad = [(k, w, g) for k, w, g in differences(GUESTS[name].expected(), got) if not known.same_but_flags(w, g) and not known.explains(name, k)]
            if not bad:
                break
        for _, w, g in bad[:20]:
            print(f"# expected '{w}'\n# Debian's '{g}'")
        if bad:
            print("# not in differences.txt: " + cmd)
        print(f"{'not ok' if bad else 'ok'} {i} {name} debian", flush=True)
    stale = known.bad + (known.stale(names) if len(names) == len(GUESTS) else [])
    for r in stale:
        print("# stale or malformed: " + " | ".join(r))
    print(f"{'not ok' if stale else 'ok'} {len(names) + 1} differences.txt")


def lists():
    """Each item has guests, each guest an item, a source and an expectation with one line for a case."""
    problems, named = [], set()
    for line in lines_of("items.txt"):
        item, bar, guests = (x.strip() for x in line.partition("|"))
        if not bar or not guests.split():
            problems.append((item, "no guest"))
        for g in guests.split():
            named.add(g)
            if g not in GUESTS:
                problems.append((item, f"{g} is not in guests.txt"))
    for g in GUESTS.values():
        want = g.expected()
        if g.name not in named:
            problems.append((g.name, "for no item"))
        if want is None:
            problems.append((g.name, "no expectation"))
        elif len({key_of(x) for x in want}) != len(want):
            keys = [key_of(x) for x in want]
            problems.append((g.name, f"two cases of one name: {[k for k in keys if keys.count(k) > 1][:3]}"))
    for f in os.listdir(os.path.join(HERE, "expected")):
        if f[:-4] not in GUESTS:
            problems.append((f, "for no guest"))
    print("1..1")
    for what, why in problems:
        print(f"# {what}: {why}")
    print(f"{'not ok' if problems else 'ok'} 1 items, guests and expectations agree")


def reason_to_skip(mode, binary, images):
    if mode == "kvm":
        try:
            os.close(os.open("/dev/kvm", os.O_RDWR))
        except OSError as e:
            return f"/dev/kvm: {e.strerror}"
    elif mode == "host":
        pass
    elif mode == "debian":
        if not os.path.exists(DEBIAN):
            return f"no {DEBIAN}"
    elif "tcg" not in subprocess.run([binary, "-accel", "help"], capture_output=True, text=True, check=False).stdout.split():
        return "this binary has no accelerator tcg"
    else:
        err = run(mode, binary, images, next(iter(GUESTS.values())))[2]
        if err and "failed to initialize tcg" in err[0]:
            return err[0].partition(": ")[2]
    return None


def main():
    mode, binary, images = sys.argv[1:4]
    show = "--show" in sys.argv
    names = [x for x in sys.argv[4:] if x != "--show"] or list(GUESTS)
    if show:
        for name in names:
            print("\n".join(run(mode, binary, images, GUESTS[name])[0]))
        return
    if mode == "lists":
        lists()
        return
    if mode == "host":
        names = [n for n in names if GUESTS[n].host]
    print(f"1..{len(names) + (mode == 'debian')}")
    reason = reason_to_skip(mode, binary, images)
    if mode == "debian" and not reason:
        debian(binary, images, names)
        return
    for i, name in enumerate(names, 1):
        why = reason or ("what the KVM of the build machine cannot run (guests.txt)" if mode == "kvm" and not GUESTS[name].kvm else None)
        if why:
            print(f"ok {i} {name} {mode} # SKIP {why}")
        else:
            print(f"{'ok' if compare(mode, binary, images, GUESTS[name]) else 'not ok'} {i} {name} {mode}", flush=True)
    if reason and mode == "debian":
        print(f"ok {len(names) + 1} differences.txt # SKIP {reason}")


main()
