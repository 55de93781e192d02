/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the reset vector to 64-bit code: real, protected and long mode, 4 GiB mapped one to one by 2 MiB pages that CPL3 may use,
 * an IDT whose 256 gates end in interrupt() of the guest's C code. Processors that a SIPI starts come in at F0000h and take the same
 * way to ap_main().
 */
#define PML4 0x1000
#define PDPT 0x2000
#define PD   0x3000
#define IDT  0x8000
#define GDT  0x9000
#define TSS  0x9100
#define BSP_STACK 0x7f000

    .code16
    .section .ap, "ax"
ap_entry: /* F0000h: SIPI vector F0h */
    cli
    mov $1, %bx
    jmp real

    .section .reset, "ax"
    .globl reset
reset:
    ljmp $0xf000, $start16_off
    .set start16_off, start16 - 0xf0000

    .text
start16:
    cli
    xor %bx, %bx
real:
    mov %cs, %ax
    mov %ax, %ds
    lgdtl rom_gdt_ptr - 0xf0000
    mov %cr0, %eax
    or $1, %eax
    and $0x9fffffff, %eax /* caches on */
    mov %eax, %cr0
    ljmpl $0x18, $protected

    .code32
protected:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    test %bx, %bx
    jnz paging
    cld
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    xor %eax, %eax
    rep stosb
    mov $PML4, %edi
    mov $0x6000 / 4, %ecx
    rep stosl
    movl $PDPT + 7, PML4
    movl $PD + 7, PDPT
    movl $PD + 0x1007, PDPT + 8
    movl $PD + 0x2007, PDPT + 16
    movl $PD + 0x3007, PDPT + 24
    mov $PD, %edi
    mov $0x87, %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 1b
paging:
    mov $PML4, %eax
    mov %eax, %cr3
    mov $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000002, %eax
    and $0xfffffffb, %eax
    mov %eax, %cr0
    ljmp $0x8, $long_mode

    .code64
long_mode:
    test %bx, %bx
    jnz long_ap
    mov $BSP_STACK, %rsp
    call make_tables
    lgdt gdt_ptr(%rip)
    lidt idt_ptr(%rip)
    mov $0x28, %eax
    ltr %ax
    call main
1:  out %al, $0xf4
    jmp 1b

long_ap:
    mov $1, %eax
    lock xadd %eax, ap_count(%rip)
    inc %eax
    mov %eax, %edi
    shl $12, %eax
    mov $BSP_STACK, %esp
    sub %rax, %rsp
    lgdt gdt_ptr(%rip)
    lidt idt_ptr(%rip)
    call ap_main
1:  cli
    hlt
    jmp 1b

/* IDT gates, the GDT in RAM (ltr writes to it), the TSS's RSP0. */
make_tables:
    mov $IDT, %edi
    mov $stubs, %eax
    xor %ecx, %ecx
1:  mov %ax, (%rdi)
    movw $0x8, 2(%rdi)
    movw $0x8e00, 4(%rdi)
    mov %eax, %edx
    shr $16, %edx
    mov %dx, 6(%rdi)
    movq $0, 8(%rdi)
    add $16, %edi
    add $16, %eax
    inc %ecx
    cmp $256, %ecx
    jne 1b
    movb $0xee, IDT + 3 * 16 + 5 /* INT3 may come from CPL3 */
    mov $rom_gdt, %esi
    mov $GDT, %edi
    mov $rom_gdt_end - rom_gdt, %ecx
    rep movsb
    mov $TSS, %edi
    mov $104, %ecx
    xor %eax, %eax
    rep stosb
    movq $0x6f000, TSS + 4
    movw $104, TSS + 102
    ret

/* 256 stubs of 16 bytes: push an error code where the CPU does not, then the vector. */
    .align 16
stubs:
    .set v, 0
    .rept 256
    .align 16
    .if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21)
    push $0
    .endif
    pushq $v
    jmp common
    .set v, v + 1
    .endr
    .align 16
common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    cld
    mov %rsp, %rbp
    and $-16, %rsp
    call interrupt
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

/* void enter_user(void (*fn)(void), uint64_t stack): to CPL3; it comes back through an exception that interrupt() turns around. */
    .globl enter_user
enter_user:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, saved_rsp(%rip)
    push $0x43
    push %rsi
    push $0x202
    push $0x3b
    push %rdi
    iretq
/* From interrupt(): leave the exception for good and return from enter_user(). */
    .globl leave_user
leave_user:
    mov saved_rsp(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .align 16
rom_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 08 code 64 */
    .quad 0x00cf93000000ffff /* 10 data */
    .quad 0x00cf9b000000ffff /* 18 code 32 */
    .quad 0
    .quad 0x0000890091000067 /* 28 TSS at 9100h */
    .quad 0                  /* its upper half */
    .quad 0x00affb000000ffff /* 3b code 64, CPL3 */
    .quad 0x00cff3000000ffff /* 43 data, CPL3 */
rom_gdt_end:
rom_gdt_ptr:
    .word rom_gdt_end - rom_gdt - 1
    .long rom_gdt
gdt_ptr:
    .word rom_gdt_end - rom_gdt - 1
    .quad GDT
idt_ptr:
    .word 4095
    .quad IDT

    .bss
    .globl ap_count
    .balign 8
ap_count: .long 0
    .balign 8
saved_rsp: .quad 0
    .section .note.GNU-stack, "", @progbits
