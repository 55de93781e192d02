/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 64 KiB firmware image that goes through system management mode with the 440FX and PIIX4 (Intel SDM volume 3, chapter
 * 31): an SMI by the APM port, what memory its handler sees, what RSM brings back, SMBASE moved into SMRAM. It prints on port
 * E9h and ends through isa-debug-exit at port F4h.
 */
        .code16
        .text
        .macro  say text
        jmp     2f
1:      .asciz  "\text"
2:      movw    $1b, %si
        callw   print
        .endm

start:
        cli
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7000, %sp
        /* the first handler, where a reset puts SMBASE + 8000h */
        movw    $0x3800, %ax
        movw    %ax, %es
        movw    $handler, %si
        xorw    %di, %di
        movw    $(handler_end - handler), %cx
        cld
        rep movsb %cs:(%si), %es:(%di)
        /* SMRAM: open, a mark and the second handler into it, closed, enabled */
        movb    $0x4a, %al
        callw   smram
        movw    $0xa000, %ax
        movw    %ax, %es
        movb    $0x52, %es:0
        movw    $0xa800, %ax
        movw    %ax, %es
        movw    $handler2, %si
        xorw    %di, %di
        movw    $(handler2_end - handler2), %cx
        rep movsb %cs:(%si), %es:(%di)
        movb    $0x0a, %al
        callw   smram
        say     "SMRAM from outside: "
        callw   mark
        say     "no APMC_EN: "
        outb    %al, $0xb2
        say     "nothing\n"
        movl    $0x80000b58, %eax
        movw    $0xcf8, %dx
        outl    %eax, %dx
        movw    $0xcff, %dx
        movb    $2, %al
        outb    %al, %dx
        /* registers that the handler does not see alike */
        movl    $0x11223344, %ebx
        movl    $0x55667788, %ecx
        movl    $0x99aabbcc, %esi
        movl    $0xddeeff01, %edi
        movl    $0x23456789, %ebp
        movw    $0x1234, %ax
        movw    %ax, %fs
        stc
        std
        movb    $0x42, %al
        outb    %al, $0xb2
        nop
        pushfw
        pushl   %ebx
        pushl   %ecx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        movw    %fs, %ax
        pushw   %ax
        cld
        say     "back:"
        popw    %ax
        callw   hex16
        movw    $5, %cx
1:      popl    %eax
        callw   hex32
        loop    1b
        popw    %ax
        callw   hex16
        callw   newline
        say     "SMRAM from outside: "
        callw   mark
        /* the handler has moved SMBASE to A0000h: the second one, in SMRAM */
        movb    $0x43, %al
        outb    %al, $0xb2
        nop
        say     "back\n"
        /* locked: not to be opened again, SMIs work */
        movb    $0x1a, %al
        callw   smram
        movb    $0x44, %al
        outb    %al, $0xb2
        nop
        say     "SMRAM from outside: "
        callw   mark
        movb    $0x10, %al
        outb    %al, $0xf4
1:      hlt
        jmp     1b

smram:  pushw   %ax
        movl    $0x80000070, %eax
        movw    $0xcf8, %dx
        outl    %eax, %dx
        movw    $0xcfe, %dx
        popw    %ax
        outb    %al, %dx
        ret
mark:   movw    $0xa000, %ax
        movw    %ax, %es
        movzbw  %es:0, %ax
        callw   hex16
        /* fallthrough */
newline:
        movb    $10, %al
        outb    %al, $0xe9
        ret
print:  lodsb   %cs:(%si), %al
        testb   %al, %al
        jz      1f
        outb    %al, $0xe9
        jmp     print
1:      ret
hex32:  pushl   %eax
        shrl    $16, %eax
        callw   hex16
        popl    %eax
        jmp     digits4
hex16:  pushw   %ax
        movb    $32, %al
        outb    %al, $0xe9
        popw    %ax
digits4:
        pushw   %cx
        movw    $4, %cx
1:      rolw    $4, %ax
        pushw   %ax
        andb    $15, %al
        cmpb    $10, %al
        sbbb    $0x69, %al
        das
        outb    %al, $0xe9
        popw    %ax
        loop    1b
        popw    %cx
        ret

/* In SMM: CS base SMBASE, real-address like, segments of 4 GiB. Position independent, with its own printing. */
        .macro  out_hex /* AL */
        movb    %al, %ah
        shrb    $4, %al
        cmpb    $10, %al
        sbbb    $0x69, %al
        das
        outb    %al, $0xe9
        movb    %ah, %al
        andb    $15, %al
        cmpb    $10, %al
        sbbb    $0x69, %al
        das
        outb    %al, $0xe9
        .endm
        .macro  out_char c
        movb    $\c, %al
        outb    %al, $0xe9
        .endm
handler:
        out_char 'S'
        inb     $0xb2, %al
        out_hex
        out_char ' '
        /* SMRAM is seen */
        movl    $0xa0000, %ebx
        movb    (%ebx), %al
        out_hex
        out_char ' '
        /* CS: selector 3000h, its base is SMBASE */
        movw    %cs, %ax
        movb    %ah, %al
        out_hex
        out_char ' '
        /* the revision: bit 17, SMBASE can be moved */
        movb    %cs:0xfefe, %al
        out_hex
        out_char 10
        incb    (%ebx)
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        movw    %bx, %fs
        movl    $0xa0000, %cs:0xff00 /* SMBASE in the map of AMD64 processors */
        clc
        cld
        rsm
handler_end:
handler2:
        out_char 'T'
        inb     $0xb2, %al
        out_hex
        out_char ' '
        movl    $0xa0000, %ebx
        movb    (%ebx), %al
        out_hex
        incb    (%ebx)
        out_char 10
        rsm
handler2_end:
        .org    0xfff0
        ljmpw   $0xf000, $start
        .org    0x10000
