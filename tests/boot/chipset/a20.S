/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A boot sector that closes and opens A20 by each of its ways (port 92h, the keyboard controller's output port and its
 * short commands, INT 15h of the BIOS) and prints on port E9h what an access above 1 MiB reached: for data and for code. It
 * ends through isa-debug-exit at port F4h.
 */
        .code16
        .text
        .macro  try text
        jmp     2f
1:      .asciz  "\text"
2:      movw    $1b, %si
        callw   check
        .endm

        ljmpw   $0, $start
start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        movw    $0xffff, %ax
        movw    %ax, %es
        cld
        /* code at 600h and, above 1 MiB, at 100600h: mov $'l' or $'h', %al; lret */
        movb    $2, %al
        outb    %al, $0x92
        movl    $0xcb006cb0, 0x600
        movb    $0xcb, 0x602
        movl    $0xcb0068b0, %es:0x610
        movb    $0xcb, %es:0x612
        try     "92h 02:"
        movb    $0, %al
        outb    %al, $0x92
        try     "92h 00:"
        movb    $2, %al
        outb    %al, $0x92
        try     "92h 02:"
        movb    $0xdd, %al
        outb    %al, $0x64
        try     "64h dd:"
        movb    $0xdf, %al
        outb    %al, $0x64
        try     "64h df:"
        movb    $0xd1, %al
        outb    %al, $0x64
        movb    $0xdd, %al
        outb    %al, $0x60
        try     "60h dd:"
        movb    $0xd1, %al
        outb    %al, $0x64
        movb    $0xdf, %al
        outb    %al, $0x60
        try     "60h df:"
        movw    $0x2400, %ax
        int     $0x15
        try     "2400h: "
        movw    $0x2402, %ax
        int     $0x15
        addb    $0x30, %al
        outb    %al, $0xe9
        movw    $0x2401, %ax
        int     $0x15
        try     "2401h: "
        movw    $0x2402, %ax
        int     $0x15
        addb    $0x30, %al
        outb    %al, $0xe9
        movb    $10, %al
        outb    %al, $0xe9
        movb    $0x10, %al
        outb    %al, $0xf4
1:      hlt
        jmp     1b

/* The text, then what is read back at 500h after a write to 100500h (o: open), and which code runs at 100600h. */
check:  lodsb
        testb   %al, %al
        jz      1f
        outb    %al, $0xe9
        jmp     check
1:      movb    $'o', 0x500
        movb    $'c', %es:0x510
        movb    0x500, %al
        outb    %al, $0xe9
        lcallw  $0xffff, $0x610
        outb    %al, $0xe9
        movb    $10, %al
        outb    %al, $0xe9
        ret
        .org    510
        .word   0xaa55
