/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the boot ROMs of -kernel share: the header of a bootable option ROM (BIOS Boot Specification 1.01, Plug and Play BIOS specification
 * 1.0A) and reading fw_cfg by DMA. Real mode; the firmware calls `boot` far, with a stack in the first 64 KiB.
 * build-rom.py fills the block count and the checksum.
 */
KERNEL_ADDR = 0x07
KERNEL_SIZE = 0x08
INITRD_ADDR = 0x0a
INITRD_SIZE = 0x0b
KERNEL_ENTRY = 0x10
KERNEL_DATA = 0x11
INITRD_DATA = 0x12
CMDLINE_ADDR = 0x13
CMDLINE_SIZE = 0x14
CMDLINE_DATA = 0x15
SETUP_ADDR = 0x16
SETUP_SIZE = 0x17
SETUP_DATA = 0x18

#define DMA_READ_SELECT 0x0a
#define DMA_ERROR       0x01
#define DMA_HIGH        0x514
#define DMA_LOW         0x518

.macro rom_header name
    .code16
    .text
    .globl _start
_start:
    .short 0xaa55
    .byte 0 /* blocks of 512 bytes */
    lret    /* initialisation: nothing to do, the header below says that it boots */
    .org 0x18
    .short 0, pnp
    .balign 16
pnp:
    .ascii "$PnP"
    .byte 1, 2 /* revision, length in 16 bytes */
    .short 0   /* no further header */
    .byte 0, 0 /* reserved, checksum: build-rom.py */
    .long 0    /* device id */
    .short maker, product
    .byte 0, 0, 0 /* class */
    .byte 0       /* indicators */
    .short 0, 0   /* no connection vectors */
    .short boot
    .short 0, 0
maker:
    .asciz "qemu-kvm"
product:
    .asciz "\name"
.endm

.macro rom_functions
/* ax: key, edi: linear address, ecx: bytes. Changes eax, edx, bp. An item that cannot be read stops the machine here. */
read_item:
    movl %edi, %edx /* the request: control, length, address (64 bits), all big endian; pushed last to first */
    bswapl %edx
    pushl %edx
    pushl $0
    movl %ecx, %edx
    bswapl %edx
    pushl %edx
    movzwl %ax, %edx
    shll $16, %edx
    orl $DMA_READ_SELECT, %edx
    bswapl %edx
    pushl %edx
    call stack_address
    bswapl %eax
    pushl %eax
    xorl %eax, %eax
    movw $DMA_HIGH, %dx
    outl %eax, %dx
    popl %eax
    movw $DMA_LOW, %dx
    outl %eax, %dx
    movw %sp, %bp
1:
    movl (%bp), %eax
    testl %eax, %eax
    jz 2f
    bswapl %eax
    testl $DMA_ERROR, %eax
    jz 1b
3:
    cli
    hlt
    jmp 3b
2:
    addw $16, %sp
    ret

/* eax: the linear address of what lies on the stack above the return address. Changes edx. */
stack_address:
    xorl %eax, %eax
    movw %ss, %ax
    shll $4, %eax
    movzwl %sp, %edx
    leal 2(%eax, %edx), %eax
    ret

/* ax: key; returns its 32-bit value in eax. Changes ecx, edx, edi, bp. */
read_u32:
    pushl $0
    pushw %ax
    call stack_address
    leal 2(%eax), %edi
    popw %ax
    movl $4, %ecx
    call read_item
    popl %eax
    ret
.endm

/* Put an item where its address key says, if there is any of it. */
.macro load what
    movw $\what\()_SIZE, %ax
    call read_u32
    testl %eax, %eax
    jz 9f
    pushl %eax
    movw $\what\()_ADDR, %ax
    call read_u32
    movl %eax, %edi
    popl %ecx
    movw $\what\()_DATA, %ax
    call read_item
9:
.endm
