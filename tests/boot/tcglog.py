#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the engine tells of the code that it runs: tcglog.py BINARY. TAP on stdout.

A firmware of a few instructions counts down from 5 and raises an interrupt; -d shows its code, each block that was executed, the registers before it
and the interrupt. -perfmap and -jitdump write what perf reads."""
import os
import re
import struct
import subprocess
import sys
import tempfile

binary = os.path.abspath(sys.argv[1])
COUNT = 5
CODE = [  # (offset, bytes, what it starts with) at F0000h
    (0x00, "b80500", "mov"),  # mov ax, 5
    (0x03, "48", "dec"),  # 3: dec ax
    (0x04, "75fd", "jnz"),  # jnz 3
    (0x06, "cd20", "int"),  # the vector is 0:0 in RAM that nobody wrote: HLT was put there first
]
# xor bx, bx; mov ds, bx; mov byte [0], F4h; jmp to CODE
START, SETUP = 0x100, "31db8edbc6060000f4e9f4fe"
tests = []


def image(folder):
    rom = bytearray(0x10000)
    for at, code, _ in CODE:
        rom[at : at + len(code) // 2] = bytes.fromhex(code)
    rom[START : START + len(SETUP) // 2] = bytes.fromhex(SETUP)
    rom[0xFFF0:0xFFF5] = bytes.fromhex("ea0001") + b"\x00\xf0"
    path = os.path.join(folder, "rom")
    with open(path, "wb") as f:
        f.write(rom)
    return path


def run(items, *more, accel="tcg"):
    """The log, and the folder it ran in."""
    folder = tempfile.mkdtemp(dir=top)
    log = os.path.join(folder, "log")
    cmd = [binary, "-accel", accel, "-machine", "pc", "-nodefaults", "-display", "none", "-bios", rom_file, "-monitor", "stdio", *more]
    if items:
        cmd += ["-d", items, "-D", log]
    p = subprocess.Popen(cmd, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    halted, out = False, ""
    while not halted:  # HLT with interrupts off: it is over
        p.stdin.write("info registers\n")
        p.stdin.flush()
        for line in p.stdout:
            out += line
            if "HLT=" in line:
                halted = "HLT=1" in line
                break
        else:
            raise RuntimeError(out)
    p.stdin.write("quit\n")
    p.communicate(timeout=100)
    if not items:
        return "", folder, p.pid
    with open(log, encoding="ascii") as f:
        return f.read(), folder, p.pid


def test(f):
    tests.append(f)


def expect(ok, text):
    if not ok:
        raise AssertionError(text)


def listed(log):
    return re.findall(r"^0x000f000([0-9a-f]):  ((?:[0-9a-f]{2} )+) *(\w+)", log, re.M)


@test
def in_asm():
    "-d in_asm: address, bytes and name of each instruction"
    log = run("in_asm")[0]
    got = {(int(a, 16), b.replace(" ", ""), n) for a, b, n in listed(log)}
    expect(got == set(CODE), f"{got}\n{log}")
    expect("Trace" not in log and "EAX" not in log, log)


@test
def op():
    "-d op: what becomes of each instruction"
    log = run("op")[0]
    found = re.findall(r"^ ---- 00000000000f000(\d) (\w+).*\n by (\w+);.*written (\S+), needed behind (\S+)$", log, re.M)
    expect(("3", "dec", "integer", "PAZSO", "CPAZSO") in found and ("4", "jnz", "branch", "-", "CPAZSO") in found, log)


@test
def out_asm():
    "-d out_asm: all bytes of the host's code, disassembled"
    log = run("out_asm")[0]
    blocks = re.split(r"^OUT: \[size=(\d+)\]\n", log, flags=re.M)[1:]
    expect(len(blocks) >= 8, log)
    for size, text in zip(blocks[::2], blocks[1::2]):
        n = sum(len(line.split()) for line in re.findall(r"^0x[0-9a-f]+: +((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |\s*$)", text, re.M))
        expect(n == int(size) and ".byte" not in text, f"{n} bytes of {size}:\n{text}")
    dec = [text for text in blocks[1::2] if "guest addr 0x00000000000f0003" in text]
    expect(dec and all(re.search(r"0f0003\n0x\w+:  66 ff c8 +dec ax", text) for text in dec), log)


@test
def executed():
    "-d exec: one line for each block that was executed, in order"
    log = run("exec")[0]
    at = re.findall(r"^Trace 0: 0x[0-9a-f]+ \[[0-9a-f]{16}/00000000000f000(\d)/[0-9a-f]{8}/[0-9a-f]{8}\] $", log, re.M)
    expect("".join(at) == "0" + "3" * (COUNT - 1), f"{at}\n{log}")


@test
def registers():
    "-d cpu: registers before each block; x87 and SSE with fpu"
    log = run("exec,cpu")[0]
    ax = re.findall(r"/00000000000f0003/.*\nEAX=([0-9a-f]{8})", log)
    expect(ax == [f"{n:08x}" for n in range(COUNT - 1, 0, -1)], f"{ax}\n{log}")
    expect("XMM00=" not in log and "XMM00=" in run("cpu,fpu")[0], "x87 and SSE are not as asked for")


@test
def interrupt():
    "-d int: vector, kind and place, then registers"
    log = run("int")[0]
    expect(re.search(r"^ +0: v=20 e=0000 i=1 cpl=0 IP=f000:0+6 pc=00000000000f0006 SP=0000:0+ env->regs\[R_EAX\]=0+\nEAX=", log, re.M), log)


@test
def interpreter():
    "the interpreter logs each instruction"
    log = run("in_asm,exec", accel="tcg,interpreter=on")[0]
    at = re.findall(r"^Trace 0: .*/00000000000f000(\d)/", log, re.M)
    expect("".join(at) == "0" + "34" * COUNT + "6", f"{at}\n{log}")
    expect(len(re.findall(r"^0x000f0003:  dec ax$", log, re.M)) == COUNT, log)


@test
def dfilter():
    "-dfilter: three ways to say where"
    for text in ("0xf0000..0xf0002,0x1+1", "0xf0000+3", "0xf0002-3"):
        log = run("in_asm,exec", "-dfilter", text)[0]
        at = re.findall(r"^Trace 0: .*/([0-9a-f]+)/[0-9a-f]{8}/", log, re.M)
        expect(at == ["00000000000f0000"], f"{text}: {at}")
    bad = subprocess.run([binary, "-dfilter", "17", "-machine", "none"], capture_output=True, text=True, timeout=100)
    expect(bad.returncode == 1 and "-dfilter: '17'" in bad.stderr, bad.stderr)


@test
def nothing():
    "without -d nothing is written"
    _, folder, pid = run(None)
    expect(os.listdir(folder) == [] and not os.path.exists(f"/tmp/perf-{pid}.map"), "files")


@test
def perfmap():
    "-perfmap: /tmp/perf-PID.map names each block"
    _, folder, pid = run(None, "-perfmap", accel="tcg,x-translate-at=1")
    path = f"/tmp/perf-{pid}.map"
    with open(path, encoding="ascii") as f:
        lines = f.read().splitlines()
    os.unlink(path)
    expect(all(re.fullmatch(r"[0-9a-f]+ [0-9a-f]+ (thunks|tb-0x[0-9a-f]+)", line) for line in lines), lines)
    names = [line.split()[2] for line in lines]
    expect({"thunks", "tb-0xfffffff0", "tb-0xf0000", "tb-0xf0003"} <= set(names), names)


@test
def jitdump():
    "-jitdump: a record with the code of each block"
    _, folder, pid = run(None, "-jitdump", accel="tcg,x-translate-at=1")
    path = os.path.join(folder, f"jit-{pid}.dump")
    with open(path, "rb") as f:
        data = f.read()
    magic, version, at, machine, _, owner = struct.unpack_from("<6I", data)
    expect((magic, version, at, machine, owner) == (0x4A695444, 1, 40, 62, pid), data[:40].hex())
    names, index = {}, 0
    while at < len(data):
        kind, size, _, owner, _, vma, addr, length, number = struct.unpack_from("<IIQIIQQQQ", data, at)
        name, code = data[at + 56 : at + size - length].decode(), data[at + size - length : at + size]
        expect((kind, owner, vma, number) == (0, pid, addr, index) and name[-1] == "\0", (kind, owner, number, name))
        names[name[:-1]] = code
        at, index = at + size, index + 1
    expect(bytes.fromhex("66ffc8") in names["tb-0xf0003"], names.keys())


with tempfile.TemporaryDirectory() as top:
    rom_file = image(top)
    print(f"1..{len(tests)}")
    bad = 0
    for number, t in enumerate(tests, 1):
        try:
            t()
            print(f"ok {number} - {t.__doc__}", flush=True)
        except (AssertionError, RuntimeError, OSError, KeyError, subprocess.TimeoutExpired) as e:
            bad += 1
            for line in str(e).splitlines()[:60]:
                print("# " + line)
            print(f"not ok {number} - {t.__doc__}", flush=True)
sys.exit(bad > 0)
