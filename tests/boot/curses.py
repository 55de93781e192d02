#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-display curses in a pseudo terminal: the firmware's banner reaches the terminal, and the terminal is given back at the end. TAP."""
import os
import pty
import re
import select
import signal
import sys
import time

BINARY = sys.argv[1]
MODULE = os.path.join(os.path.dirname(BINARY), 'modules', 'ui-curses.so')
LIMIT = 120


def main():
    print('1..2')
    if not os.access('/dev/kvm', os.R_OK | os.W_OK) or not os.path.exists(MODULE):
        why = 'no /dev/kvm' if os.path.exists(MODULE) else 'built without ncurses'
        print(f'ok 1 - curses banner # SKIP {why}')
        print(f'ok 2 - curses end # SKIP {why}')
        return 0
    pid, fd = pty.fork()
    if not pid:
        os.environ.update(TERM='xterm', LC_ALL='C.UTF-8')
        os.execv(BINARY, [BINARY, '-accel', 'kvm', '-nodefaults', '-vga', 'std', '-display', 'curses'])
    out, end, told = b'', time.time() + LIMIT, False
    while time.time() < end:
        ready, _, _ = select.select([fd], [], [], 1)
        if ready:
            try:
                out += os.read(fd, 65536)
            except OSError:
                break
        if not told and b'SeaBIOS' in re.sub(rb'\x1b[\[(][0-9;?]*[A-Za-z]', b'', out):
            told = True
            os.kill(pid, signal.SIGTERM)
    if not told:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print('ok 1 - curses banner' if told else f'not ok 1 - curses banner: no SeaBIOS within {LIMIT} s in {out[-300:]!r}')
    # rmcup of xterm: back to the normal screen.
    good = status == 0 and b'\x1b[?1049l' in out
    print('ok 2 - curses end' if good else f'not ok 2 - curses end: status {status}, {out[-100:]!r}')
    return not (told and good)


sys.exit(main())
