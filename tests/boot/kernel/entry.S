/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifdef PVH
    .section .note.pvh, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long _start
#else
    .section .header, "a"
    .balign 4
    .long 0x1badb002, 3, -(0x1badb002 + 3)
#endif
    .text
    .globl _start
_start:
    movl $stack, %esp
    cld
    pushl %ebx
    pushl %eax
    call kernel
    .bss
    .space 4096
stack:
    .section .note.GNU-stack, "", @progbits
