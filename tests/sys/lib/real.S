/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * real_run(): from 32-bit protected mode without paging to real mode, registers from real_in, IRETD; the interrupt that comes goes through
 * the IVT to stubs that put registers and the pushed words into real_ev, and back to protected mode.
 */
#include "layout.h"

    .section .low, "awx"
    .balign 16
    .globl real_run, real_in, real_ev, real_vector, real_sel, real_idt, real_stubs
real_in: .skip 16 * 4
real_ev: .skip 16 * 4
real_vector: .long 0
real_sel: .long DATA16 /* whose limits the data segments keep */
real_sp: .long 0
real_idt:
    .word 0x3ff
    .long 0
saved_idt: .skip 6
saved_gdt: .skip 6

    .code32
    .balign 16
real_run:
    push %ebx
    push %ebp
    push %esi
    push %edi
    pushfl
    mov %esp, real_sp
    sidt saved_idt
    sgdt saved_gdt
    lidt real_idt
    mov real_sel, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    ljmp $CODE16, $1f
    .code16
1:  mov %cr0, %eax
    and $0xfffffffe, %eax
    mov %eax, %cr0
    ljmp $0, $2f
2:  xor %ax, %ax
    mov %ax, %ds
    mov real_in + 11 * 4, %ss
    mov real_in + 4 * 4, %esp
    pushl real_in + 9 * 4 /* flags */
    pushl real_in + 10 * 4
    pushl real_in + 8 * 4
    mov real_in + 1 * 4, %ecx
    mov real_in + 2 * 4, %edx
    mov real_in + 3 * 4, %ebx
    mov real_in + 5 * 4, %ebp
    mov real_in + 6 * 4, %esi
    mov real_in + 7 * 4, %edi
    mov real_in + 13 * 4, %es
    mov real_in + 14 * 4, %fs
    mov real_in + 15 * 4, %gs
    mov real_in, %eax
    mov real_in + 12 * 4, %ds
    iretl

    .balign 8
real_stubs:
    .set v, 0
    .rept 256
    .balign 8
    pushw $v
    jmp real_common
    .set v, v + 1
    .endr
    .balign 8
real_common:
    pushl %eax
    pushw %ds
    xor %ax, %ax
    mov %ax, %ds
    popw real_ev + 12 * 4
    popl real_ev
    popw real_vector
    popw real_ev + 8 * 4
    popw real_ev + 10 * 4
    popw real_ev + 9 * 4
    mov %ecx, real_ev + 1 * 4
    mov %edx, real_ev + 2 * 4
    mov %ebx, real_ev + 3 * 4
    mov %esp, real_ev + 4 * 4
    mov %ebp, real_ev + 5 * 4
    mov %esi, real_ev + 6 * 4
    mov %edi, real_ev + 7 * 4
    mov %ss, real_ev + 11 * 4
    mov %es, real_ev + 13 * 4
    mov %fs, real_ev + 14 * 4
    mov %gs, real_ev + 15 * 4
    lgdtl saved_gdt
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $CODE, $3f
    .code32
3:  mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov real_sp, %esp
    lidt saved_idt
    cld
    popfl
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    ret
    .section .note.GNU-stack, "", @progbits
