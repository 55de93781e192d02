/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real mode: interrupt vector table, 8259s at 08h and 70h, 50 ticks of the 8254's channel 0, a software interrupt and #DE. */
    .code16
    .section .ap, "ax"
    .section .reset, "ax"
    .globl reset
reset:
    ljmp $0xf000, $start_off
    .set start_off, start - 0xf0000

    .text
    .macro vector n, handler
    movw $\handler - 0xf0000, 4 * \n
    movw $0xf000, 4 * \n + 2
    .endm

start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7000, %sp
    mov $0x20 * 4, %cx
    xor %di, %di
    mov $other - 0xf0000, %ax
1:  stosw
    movw $0xf000, (%di)
    add $2, %di
    loop 1b
    vector 0x00 divide
    vector 0x08 tick
    vector 0x60 soft
    movw $0, 0x500
    movw $0, 0x502
    mov $hello - 0xf0000, %si
    call puts

    mov $0x1b, %ecx /* local APIC off: the 8259's INT is the processor's */
    rdmsr
    and $0xf7, %ah
    wrmsr

    mov $0x11, %al
    out %al, $0x20
    out %al, $0xa0
    mov $0x08, %al
    out %al, $0x21
    mov $0x70, %al
    out %al, $0xa1
    mov $4, %al
    out %al, $0x21
    mov $2, %al
    out %al, $0xa1
    mov $1, %al
    out %al, $0x21
    out %al, $0xa1
    mov $0xfe, %al
    out %al, $0x21
    mov $0xff, %al
    out %al, $0xa1

    mov $0x34, %al /* channel 0, mode 2, 5 ms */
    out %al, $0x43
    mov $5966 & 255, %al
    out %al, $0x40
    mov $5966 >> 8, %al
    out %al, $0x40
2:  sti
    hlt
    cli
    cmpw $50, 0x500
    jb 2b
    mov $0xff, %al
    out %al, $0x21
    mov $ticks - 0xf0000, %si
    call puts
    mov 0x500, %ax
    call number

    int $0x60
    mov $softs - 0xf0000, %si
    call puts
    mov 0x502, %ax
    call number

    xor %dx, %dx
    mov $1, %ax
    xor %cx, %cx
    div %cx
    mov $after - 0xf0000, %si
    call puts
    mov $0x10, %al
    out %al, $0xf4
3:  hlt
    jmp 3b

tick:
    push %ax
    incw 0x500
    mov $0x20, %al
    out %al, $0x20
    pop %ax
    iret
soft:
    addw $7, 0x502
    iret
divide: /* a fault: step over the two bytes */
    push %bp
    mov %sp, %bp
    addw $2, 2(%bp)
    pop %bp
    push %si
    mov $divided - 0xf0000, %si
    call puts
    pop %si
    iret
other:
    mov $unexpected - 0xf0000, %si
    call puts
    mov $1, %al
    out %al, $0xf4
    hlt

puts: /* cs:si */
    lodsb %cs:(%si), %al
    test %al, %al
    jz 1f
    out %al, $0xe9
    jmp puts
1:  ret
number: /* ax, below 100, and a new line */
    mov $10, %cl
    div %cl
    add $0x3030, %ax
    out %al, $0xe9
    mov %ah, %al
    out %al, $0xe9
    mov $10, %al
    out %al, $0xe9
    ret

hello: .asciz "real mode\n"
ticks: .asciz "ticks: "
softs: .asciz "int 60h: "
divided: .asciz "divide error\n"
after: .asciz "done\n"
unexpected: .asciz "unexpected interrupt\n"
    .section .note.GNU-stack, "", @progbits
