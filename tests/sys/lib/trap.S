/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run(): load every register from `in` and go there by IRET; whatever exception comes ends it (trap() in sys.c calls run_end()).
 * The 256 stubs of the IDT.
 */
#include "layout.h"

    .text
#if BITS == 64
    .code64
    .globl run, run_end
run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushfq
    mov %rsp, run_sp
    mov in + (R_IP + 6) * 8, %eax
    mov %eax, %fs
    mov in + (R_IP + 7) * 8, %eax
    mov %eax, %gs
    pushq in + (R_IP + 3) * 8 /* ss */
    pushq in + 4 * 8
    pushq in + (R_IP + 1) * 8 /* flags */
    pushq in + (R_IP + 2) * 8 /* cs */
    pushq in + R_IP * 8
    mov in + 1 * 8, %rcx
    mov in + 2 * 8, %rdx
    mov in + 3 * 8, %rbx
    mov in + 5 * 8, %rbp
    mov in + 6 * 8, %rsi
    mov in + 7 * 8, %rdi
    mov in + 8 * 8, %r8
    mov in + 9 * 8, %r9
    mov in + 10 * 8, %r10
    mov in + 11 * 8, %r11
    mov in + 12 * 8, %r12
    mov in + 13 * 8, %r13
    mov in + 14 * 8, %r14
    mov in + 15 * 8, %r15
    mov in + (R_IP + 5) * 8, %eax
    mov %eax, %es
    mov in + (R_IP + 4) * 8, %eax
    mov %eax, %ds
    mov in, %rax
    iretq
run_end:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov run_sp, %rsp
    popfq
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .align 16
    .globl stubs
stubs:
    .set v, 0
    .rept 256
    .align 16
    pushq $v
    jmp common
    .set v, v + 1
    .endr
    .align 16
common: /* struct frame of sys.h */
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rdi
    push %rsi
    push %rbp
    push $0
    push %rbx
    push %rdx
    push %rcx
    push %rax
    mov %rsp, %rdi
    mov %rsp, %rbp
    cld
    and $-16, %rsp
    call trap /* the interrupt frame, for IRET */
    mov %rbp, %rsp
    mov %rax, 4 * 8(%rsp)
    pop %rax
    pop %rcx
    pop %rdx
    pop %rbx
    pop %rsi /* the frame */
    pop %rbp
    pop %rsi
    pop %rdi
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    mov -12 * 8(%rsp), %rsp
    iretq
    .bss
    .balign 8
    .globl run_sp
run_sp: .quad 0

#else
    .code32
    .globl run, run_end
run:
    push %ebx
    push %ebp
    push %esi
    push %edi
    pushfl
    mov %esp, run_sp
    testl $0x20000, in + (R_IP + 1) * 4
    jnz 1f
    testl $3, in + (R_IP + 2) * 4
    jnz 2f
    mov in + 4 * 4, %esp
    jmp 3f
1:  pushl in + (R_IP + 7) * 4 /* gs fs ds es */
    pushl in + (R_IP + 6) * 4
    pushl in + (R_IP + 4) * 4
    pushl in + (R_IP + 5) * 4
2:  pushl in + (R_IP + 3) * 4 /* ss */
    pushl in + 4 * 4
3:  pushl in + (R_IP + 1) * 4 /* flags */
    pushl in + (R_IP + 2) * 4 /* cs */
    pushl in + R_IP * 4
    mov in + 1 * 4, %ecx
    mov in + 2 * 4, %edx
    mov in + 3 * 4, %ebx
    mov in + 5 * 4, %ebp
    mov in + 6 * 4, %esi
    mov in + 7 * 4, %edi
    testl $0x20000, in + (R_IP + 1) * 4
    jnz 4f
    mov in + (R_IP + 6) * 4, %eax
    mov %eax, %fs
    mov in + (R_IP + 7) * 4, %eax
    mov %eax, %gs
    mov in + (R_IP + 5) * 4, %eax
    mov %eax, %es
    mov in + (R_IP + 4) * 4, %eax
    mov %eax, %ds
4:  mov %ss:in, %eax
    iretl
run_end:
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov run_sp, %esp
    popfl
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    ret

    .align 16
    .globl stubs, common
stubs:
    .set v, 0
    .rept 256
    .align 16
    pushl $v
    jmp common
    .set v, v + 1
    .endr
    .align 16
common: /* struct frame of sys.h */
    push %gs
    push %fs
    push %es
    push %ds
    push %edi
    push %esi
    push %ebp
    push $0
    push %ebx
    push %edx
    push %ecx
    push %eax
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %ss, %eax
    lar %eax, %eax
    test $0x400000, %eax
    jnz 1f
    movzwl %sp, %esp /* a 16-bit stack, whose base is 0 */
    mov $DATA, %eax
    mov %eax, %ss
1:  mov %esp, %eax
    mov %esp, %ebp
    cld
    and $-16, %esp
    sub $12, %esp
    push %eax
    call trap /* the interrupt frame, for IRET */
    mov %ebp, %esp
    mov %eax, 4 * 4(%esp)
    pop %eax
    pop %ecx
    pop %edx
    pop %ebx
    pop %esi /* the frame */
    pop %ebp
    pop %esi
    pop %edi
    pop %ds
    pop %es
    pop %fs
    pop %gs
    mov %ss:-8 * 4(%esp), %esp
    iretl
    .bss
    .balign 4
    .globl run_sp
run_sp: .long 0
#endif
    .section .note.GNU-stack, "", @progbits
