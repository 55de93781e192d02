/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A boot sector that counts the timer's interrupts by INT 1Ch of the BIOS; at each it prints a line of letters, so that the
 * screen scrolls, and on the first serial port a line with the count, four hexadecimal digits.
 */
        .code16
        .text
        .set    count, 0x600
        ljmpw   $0, $start
start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        movw    %ax, count
        cli
        movw    $tick, 0x1c * 4
        movw    %ax, 0x1c * 4 + 2
        sti
        movb    $1, %ah                 /* no cursor: it would blink */
        movw    $0x2000, %cx
        int     $0x10
        movw    $0x1234, %si            /* the letters' generator */
        xorw    %bp, %bp                /* the count that was told */
again:
        hlt
        cmpw    %bp, count
        je      again
        movw    count, %bp
        pushw   %bp
        movw    $60, %cx
letter: shrw    $1, %si
        jnc     1f
        xorw    $0xb400, %si
1:      movw    %si, %ax
        andb    $15, %al
        addb    $'a', %al
        callw   show
        loop    letter
        movb    $'\r', %al
        callw   show
        movb    $'\n', %al
        callw   show
        popw    %bp
        movw    %bp, %bx
        movw    $4, %cx
digit:  rolw    $4, %bx
        movb    %bl, %al
        andb    $15, %al
        addb    $'0', %al
        cmpb    $'9', %al
        jbe     1f
        addb    $'a' - '0' - 10, %al
1:      callw   send
        loop    digit
        movb    $'\n', %al
        callw   send
        jmp     again

show:   pushw   %si
        pushw   %cx
        movb    $0x0e, %ah
        movw    $7, %bx
        int     $0x10
        popw    %cx
        popw    %si
        ret

send:   movb    %al, %ah
        movw    $0x3fd, %dx
1:      inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        movb    %ah, %al
        movw    $0x3f8, %dx
        outb    %al, %dx
        ret

tick:   incw    %cs:count
        iretw

        .org    510
        .word   0xaa55
