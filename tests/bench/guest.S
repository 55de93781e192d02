/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 64 KiB firmware image that measures one kind of exit: KIND 0: a byte to port E9h first of all, 1: COUNT port writes
 * (fw_cfg's selector, which nobody batches),
 * 2: COUNT stores to device memory (HPET, protected mode). It ends through isa-debug-exit at port F4h.
 */
#include "values.h" /* KIND, COUNT */

        .code16
        .text
start:
#if KIND == 2
        cli
        lgdtl   %cs:gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $(0xf0000 + prot)
        .code32
prot:
        movw    $16, %ax
        movw    %ax, %ds
        movl    $COUNT, %ecx
        movl    $0xfed00020, %ebx        /* HPET's interrupt status: writes of 0 do nothing */
        xorl    %eax, %eax
1:      movl    %eax, (%ebx)
        decl    %ecx
        jnz     1b
        .code16
#elif KIND == 1
        movl    $COUNT, %ecx
        xorw    %ax, %ax
        movw    $0x510, %dx
1:      outw    %ax, %dx
        decl    %ecx
        jnz     1b
#endif
#if KIND == 2
        .code32
#endif
#if KIND == 0
        movb    $0x21, %al
        outb    %al, $0xe9
#endif
        xorl    %eax, %eax
        outb    %al, $0xf4
2:      hlt
        jmp     2b
        .balign 8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   .word   23
        .long   0xf0000 + gdt
        .org    0xfff0
        .code16
        jmp     start
        .org    0x10000
