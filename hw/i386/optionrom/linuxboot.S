/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boots a Linux bzImage by its 16-bit entry point (the kernel's Documentation/arch/x86/boot.rst). */
#include "rom.h"

/* The setup header. */
#define VERSION     0x206
#define RAMDISK     0x218
#define INITRD_MAX  0x22c
#define OLD_MAX     0x38000000 /* the limit before version 2.03 */

    rom_header "Linux loader"

boot:
    cli
    cld
    load SETUP
    load CMDLINE
    call load_initrd
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

/* As high as the memory goes that the firmware has left (INT 15h, E801h) and as the kernel takes it; where the firmware does not tell, where its
 * address key says. What the firmware keeps at the end of memory grows with the disks: it is used until the kernel runs. */
load_initrd:
    movw $INITRD_SIZE, %ax
    call read_u32
    testl %eax, %eax
    jz 5f
    pushl %eax
    movw $SETUP_ADDR, %ax
    call read_u32
    shrl $4, %eax
    movw %ax, %es
    xorw %cx, %cx
    xorw %dx, %dx
    movw $0xe801, %ax
    int $0x15
    cli
    cld
    jc 3f
    movzwl %dx, %eax /* blocks of 64 KiB above 16 MiB */
    shll $16, %eax
    addl $0x1000000, %eax
    testw %dx, %dx
    jnz 1f
    movzwl %cx, %eax /* KiB above 1 MiB */
    shll $10, %eax
    jz 3f
    addl $0x100000, %eax
1:
    movl $OLD_MAX, %ecx
    cmpw $0x203, %es:VERSION
    jb 2f
    movl %es:INITRD_MAX, %ecx
    incl %ecx
    jz 4f
2:
    cmpl %ecx, %eax
    jbe 4f
    movl %ecx, %eax
    jmp 4f
3:
    movw $INITRD_ADDR, %ax
    call read_u32
    movl %eax, %edi
    popl %ecx
    jmp 6f
4:
    popl %ecx
    subl %ecx, %eax
    andl $0xfffff000, %eax
    movl %eax, %es:RAMDISK
    movl %eax, %edi
6:
    movw $INITRD_DATA, %ax
    call read_item
5:
    ret

    rom_functions
