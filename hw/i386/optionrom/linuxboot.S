/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boots a Linux bzImage by its 16-bit entry point (the kernel's Documentation/arch/x86/boot.rst). */
#include "rom.h"

    rom_header "Linux loader"

boot:
    cli
    cld
    load SETUP
    load CMDLINE
    load INITRD
    load KERNEL
    movw $SETUP_ADDR, %ax
    call read_u32
    movl %eax, %ebx
    movw $CMDLINE_ADDR, %ax
    call read_u32
    subl %ebx, %eax /* the stack ends below the command line, in the setup code's segment */
    subl $16, %eax
    shrl $4, %ebx
    movw %bx, %ds
    movw %bx, %es
    movw %bx, %fs
    movw %bx, %gs
    movw %bx, %ss
    movl %eax, %esp
    addw $0x20, %bx /* entry: one sector in */
    pushw %bx
    pushw $0
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    lret

    rom_functions
