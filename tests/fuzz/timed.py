#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a program of libFuzzer's for some time: timed.py [--stranger] SECONDS PROGRAM ARGS...

With --stranger (programs that read what a stranger sends: a guest's rings, an image, a viewer's and a browser's bytes) it is five minutes where CI
is set, and FUZZ_SECONDS where that is. It ends by itself; one that does not is killed and has failed."""
import os
import subprocess
import sys

CI_SECONDS = 300
GRACE = 180  # an input may take 25 seconds (half a one of CPU time is what some take), and hosts are slow


def main():
    args = sys.argv[1:]
    stranger = args[0] == '--stranger'
    seconds, program = args[stranger], args[stranger + 1:]
    if stranger:
        seconds = os.environ.get('FUZZ_SECONDS') or (CI_SECONDS if os.environ.get('CI') else seconds)
    try:
        seconds = int(seconds)
        if seconds <= 0:
            raise ValueError
    except ValueError:
        print(f'FUZZ_SECONDS={seconds}: a number of seconds is needed')
        return 1
    program.append(f'-max_total_time={seconds}')
    print('#', ' '.join(program), flush=True)
    try:
        return subprocess.run(program, timeout=seconds + GRACE, check=False).returncode != 0
    except subprocess.TimeoutExpired:
        print(f'# still there after {seconds + GRACE} s')
        return 1


sys.exit(main())
