/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the reset vector to sys_start() of the guest: real mode, 32-bit protected mode (the image is copied from ROM), and in 64-bit
 * guests long mode with 4 GiB mapped one to one by 2 MiB pages that CPL3 may use. Processors that a SIPI starts come in at FF000h and
 * go the same way to sys_start_ap().
 */
#include "layout.h"

    .code16
    .section .reset, "ax"
ap_entry: /* SIPI vector FFh */
    cli
    mov $1, %bx
    jmp real
start:
    cli
    xor %bx, %bx
real:
    mov %cs, %ax
    mov %ax, %ds
    lgdtl rom_gdt_off
    mov %cr0, %eax
    or $1, %eax
    and $0x9fffffff, %eax /* caches on */
    mov %eax, %cr0
    ljmpl $8, $protected

    .section .vector, "ax"
    .globl reset
reset:
    ljmp $0xff00, $start_off
    .set start_off, start - ap_entry
    .set rom_gdt_off, rom_gdt_ptr - ap_entry

    .section .reset, "ax"
    .code32
protected:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    test %bx, %bx
    jnz 1f
    cld
    in $0x92, %al /* A20 */
    or $2, %al
    and $0xfe, %al
    out %al, $0x92
    mov $low_load, %esi
    mov $low_start, %edi
    mov $low_end, %ecx
    sub %edi, %ecx
    rep movsb
    mov $image_load, %esi
    mov $image_start, %edi
    mov $image_end, %ecx
    sub %edi, %ecx
    rep movsb
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    xor %eax, %eax
    rep stosb
1:
#if BITS == 64
    test %bx, %bx
    jnz 4f
    movl $boot_pdpt + 7, boot_pml4
    movl $boot_pd + 7, boot_pdpt
    movl $boot_pd + 0x1007, boot_pdpt + 8
    movl $boot_pd + 0x2007, boot_pdpt + 16
    movl $boot_pd + 0x3007, boot_pdpt + 24
    mov $boot_pd, %edi
    mov $0xe7, %eax /* 2 MiB, present, writable, user, accessed, dirty */
3:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 3b
4:
#if LEVELS == 5
    mov $7, %eax
    xor %ecx, %ecx
    mov %ebx, %ebp
    cpuid
    mov %ebp, %ebx
    movl $boot_pml4 + 7, boot_pml5
    movl $boot_pml4, %esi
    mov $0x620, %eax
    test $0x10000, %ecx /* LA57 */
    jz 5f
    mov $0x1620, %eax
    mov $boot_pml5, %esi
5:  mov %eax, %cr4
    mov %esi, %eax
#else
    mov $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
    mov $boot_pml4, %eax
#endif
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    xor %edx, %edx
    mov $0x100, %eax
    wrmsr
    mov $0x80000033, %eax
    mov %eax, %cr0
    ljmp $0x18, $long_mode
    .code64
long_mode:
    test %bx, %bx
    jnz 5f
    mov $stack_top, %esp
    call sys_start
5:  mov $1, %eax
    lock xadd %eax, ap_count
    lea 1(%rax), %edi
    imul $AP_STACK, %edi, %eax
    mov $ap_stacks, %esp
    add %rax, %rsp
    call sys_start_ap
#else
    mov $0x33, %eax
    mov %eax, %cr0
    mov $stack_top, %esp
    call sys_start
#endif
6:  cli
    hlt
    jmp 6b

    .align 8
rom_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* 08 code 32 */
    .quad 0x00cf93000000ffff /* 10 data */
    .quad 0x00af9b000000ffff /* 18 code 64 */
rom_gdt_end:
rom_gdt_ptr:
    .word rom_gdt_end - rom_gdt - 1
    .long rom_gdt

    .bss
    .balign 4096
#if BITS == 64
    .globl boot_pml5, boot_pml4, boot_pdpt, boot_pd, ap_count
boot_pml5: .skip 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 4 * 4096
ap_count: .long 0
    .balign 16
ap_stacks: .skip 4 * AP_STACK /* numbers 1 to 3; the first is below the first top */
#endif
    .globl stack_top
stack: .skip 0x4000
stack_top:
    .section .note.GNU-stack, "", @progbits
