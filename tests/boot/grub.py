#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot GRUB's rescue CD (Debian's package grub-rescue-pc), show its screen, type at it, quit. TAP.

usage: grub.py BINARY [ACCELERATOR]

The screen is shown as text and as PNG (grub-menu.png and grub-answer.png beside the binary)."""
import os
import sys
import time

from serialguest import COLUMNS, Guest, GuestError, Tap, native_kvm, serves

CDROM = '/usr/lib/grub-rescue/grub-rescue-cdrom.iso'
BOOT_LIMIT, KEY_LIMIT = 600, 120  # where KVM itself runs in software, GRUB's unpacking takes two minutes


def board(accel):
    """Where KVM itself runs in software its own interrupt controllers miss the one instruction for which firmware that polls the
    keyboard lets interrupts in; ours do not."""
    return 'pc' if accel != 'kvm' or native_kvm() else 'pc,kernel-irqchip=off'


def show(title, rows):
    print(f'# ┌─ {title} ' + '─' * (COLUMNS - len(title) - 3) + '┐')
    for row in rows:
        print('# │' + row.ljust(COLUMNS) + '│')
    print('# └' + '─' * COLUMNS + '┘', flush=True)


def last_line(rows):
    line = next((r.strip() for r in reversed(rows) if r.strip()), '')
    return '' if 'automatically' in line else line  # a countdown


def type_at(g, prompt, text):
    """Key by key, each one waited for: a keyboard's queue holds few."""
    typed = ''
    for c in text:
        g.type(c)
        typed += c
        if not c.isspace():
            g.wait_screen(f'"{typed}"', KEY_LIMIT, lambda rows: f'{prompt} {typed}' in rows)


def menu(g, pictures):
    rows = g.wait_screen("GRUB's menu", BOOT_LIMIT, lambda rows: any('grub>' in r or 'automatically' in r for r in rows), last_line)
    picture = os.path.join(pictures, 'grub-menu.png')
    g.qmp('screendump', filename=picture, format='png')
    show(f'after {g.seconds():.1f} s; {picture}', rows)
    if not any('grub>' in r for r in rows):
        g.type('c')


def answer(g, pictures):
    g.wait_screen("GRUB's prompt", KEY_LIMIT, lambda rows: 'grub>' in rows)
    type_at(g, 'grub>', 'echo hello\n')
    rows = g.wait_screen('the answer "hello"', KEY_LIMIT, lambda rows: 'hello' in rows)
    picture = os.path.join(pictures, 'grub-answer.png')
    g.qmp('screendump', filename=picture, format='png')
    show(f'typed "echo hello"; {picture}', rows)


def leave(g):
    g.qmp('quit')
    status = g.wait_process(30)
    assert status == 0, f'the emulator {g.obituary()}'


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    binary, accel = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else 'kvm'
    folder = os.path.dirname(binary)
    pictures = folder if os.access(folder, os.W_OK) else os.getcwd()
    tap = Tap(["GRUB's menu", 'its command line answers', 'quit'])
    why = None if serves(binary, accel) else f'the binary has no -accel {accel} here'
    if not os.path.exists(CDROM):
        why = f'{CDROM} is missing: package grub-rescue-pc'
    if why:
        return tap.skip_rest(why)
    start = time.monotonic()
    try:
        args = ['-machine', board(accel), '-m', '128', '-cdrom', CDROM, '-boot', 'd']
        with Guest(binary, accel, args, serial=False) as g:
            for step in (lambda: menu(g, pictures), lambda: answer(g, pictures), lambda: leave(g)):
                if not tap.point(step):
                    break
    except GuestError as e:
        tap.fail(e)
    while tap.n < len(tap.names):
        tap.fail('the guest is gone')
    print(f'# {time.monotonic() - start:.1f} s', flush=True)
    return tap.failed > 0


sys.exit(main())
