/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boots an image by a 32-bit entry point: Multiboot 1 (specification 0.6.96) or, with -DPVH, the PVH protocol (Xen's
 * docs/misc/pvh.pandoc). The information block comes as the setup item; the firmware's memory map is put in it here, at MAP.
 */
#include "rom.h"

#define MAP         0x800 /* in the setup item: 24 bytes an entry */
#define MAP_ENTRIES 64
#define SMAP        0x534d4150
#define MAGIC       0x2badb002 /* eax of a Multiboot kernel */
#define MB_MMAP_LEN 44
#define PVH_RSDP    32
#define PVH_ENTRIES 48

#ifdef PVH
    rom_header "PVH loader"
#else
    rom_header "Multiboot loader"
#endif

boot:
    cli
    cld
    load SETUP
    load CMDLINE
    load INITRD
    load KERNEL
    movw $SETUP_ADDR, %ax
    call read_u32
    pushl %eax
    shrl $4, %eax
    movw %ax, %es
    xorl %ebx, %ebx
    xorw %si, %si /* entries */
    movw $MAP, %di
next_range:
    movl $0xe820, %eax
    movl $20, %ecx
    movl $SMAP, %edx
    pushw %di
    pushw %si
#ifdef PVH
    movl $0, %es:20(%di)
#else
    movl $20, %es:(%di)
    addw $4, %di
#endif
    int $0x15
    popw %si
    popw %di
    jc map_done
    cmpl $SMAP, %eax
    jne map_done
    incw %si
    addw $24, %di
    cmpw $MAP_ENTRIES, %si
    jae map_done
    testl %ebx, %ebx
    jnz next_range
map_done:
    cli
#ifdef PVH
    movzwl %si, %esi
    movl %esi, %es:PVH_ENTRIES
    movw %es, %cx
    movw $0xe000, %ax /* the ACPI root pointer is on a 16-byte boundary of E0000 to FFFFF */
next_paragraph:
    movw %ax, %ds
    cmpl $0x20445352, 0
    jne 1f
    cmpl $0x20525450, 4
    jne 1f
    movw %cx, %es
    movzwl %ax, %eax
    shll $4, %eax
    movl %eax, %es:PVH_RSDP
    jmp rsdp_done
1:
    incw %ax
    jnz next_paragraph
rsdp_done:
#else
    subw $MAP, %di
    movzwl %di, %edi
    movl %edi, %es:MB_MMAP_LEN
#endif
    movw $KERNEL_ENTRY, %ax
    call read_u32
    movl %eax, %esi
    popl %ebx /* the information block */
    xorl %edx, %edx
    movw %cs, %dx
    shll $4, %edx
    leal gdt(%edx), %eax
    pushl %eax
    pushw $gdt_end - gdt - 1
    movw %sp, %bp
    lgdtl (%bp)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    pushl $8
    leal protected(%edx), %eax
    pushl %eax
    lretl

    .code32
protected:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
#ifdef PVH
    xorl %eax, %eax
#else
    movl $MAGIC, %eax
#endif
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %edi, %edi
    xorl %ebp, %ebp
    jmp *%esi

    .code16
    rom_functions

    /* Marked as accessed: the ROM cannot be written. */
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
gdt_end:
