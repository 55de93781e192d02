/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A boot sector that closes A20 and turns paging on with page tables above 1 MiB: a closed gate holds for them too. By
 * the table at 102000h 400500h is 400500h (h), by the one at 2000h it is 500h (l). Prints and ends as a20.S.
 */
        .code16
        .text
        ljmpw   $0, $start
start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        cli
        movb    $2, %al
        outb    %al, $0x92
        lgdtw   gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $8, %bx
        movw    %bx, %ds
        andb    $0xfe, %al
        movl    %eax, %cr0
        movl    $0x83, %ebx
        movl    %ebx, 0x2000
        movl    %ebx, 0x2004
        addr32 movl %ebx, 0x102000
        addr32 movl $0x400083, 0x102004
        movb    $'l', 0x500
        addr32 movb $'h', 0x400500
        movl    $0x10, %ecx
        movl    %ecx, %cr4
        movl    $0x102000, %ecx
        movl    %ecx, %cr3
        movb    $0, %al
        outb    %al, $0x92
        movl    %cr0, %eax
        orl     $0x80000001, %eax
        movl    %eax, %cr0
        addr32 movb 0x400500, %bl
        andl    $0x7ffffffe, %eax
        movl    %eax, %cr0
        movb    $2, %al
        outb    %al, $0x92
        movb    %bl, %al
        outb    %al, $0xe9
        movb    $10, %al
        outb    %al, $0xe9
        movb    $0x10, %al
        outb    %al, $0xf4
1:      hlt
        jmp     1b

        .balign 8
gdt:    .quad   0, 0x00cf92000000ffff
gdtr:   .word   15
        .long   gdt
        .org    510
        .word   0xaa55
