/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real-address mode (SDM volume 3, chapter 20): the interrupt vector table, segments of 64 KiB, what is not there, big
 * segments. */
#include "lib/sys.h"

static void interrupts(void)
{
    fresh_real();
    try_real("nothing", C16("nop"));
    in.flags = F_ARITH | F_DF | F_IF | 2;
    try_real("int3", C16("int3"));
    try_real("int 80h", C16("int 0x80"));
    try_real("int 6", C16("nop; int 6; nop"));
    in.flags = F_OF | 2;
    try_real("into with OF", C16("into"));
    in.flags = 2;
    try_real("into without OF", C16("into"));
    in.cx = 0;
    try_real("div by zero", C16("div cx"));
    try_real("bound", C16("mov word ptr [0], 5; mov word ptr [2], 9; mov ax, 10; bound ax, [0]"));
    try_real("aam 0", C16("aam 0"));
    try_real("pushf shows bits 12 to 15", C16("pushf; pop ax; or ax, 0x7000; push ax; popf; pushf; pop bx"));
    try_real("cpl 0 instructions", C16("mov eax, cr0; and eax, 0x80000001; cli; smsw bx; and bx, 1; clts"));
    /* IRET in its two sizes. */
    fresh_real();
    in.bx = 0x10;
    try_real("iret", C16("pushf; push cs; push bx; iret; .balign 16; nop"));
    try_real("iretd", C16("pushfd; push 0; push cs; push 0; push bx; iretd; nop; .balign 16; nop"));
    try_real("retf", C16("push cs; push bx; retf; .balign 16; nop"));
    try_real("retf 4", C16("push cs; push bx; retf 4; .balign 16; nop"));
    /* The table moved and cut short. */
    in.bx = 0;
    memcpy((void *)0x70000, (void *)0, 0x400);
    real_idt[1] = 0;
    real_idt[2] = 7;
    try_real("table at 70000h", C16("int 0x21"));
    real_idt[2] = 0;
    real_idt[0] = 0x21 * 4 + 2;
    try_real("table cut before vector 21h", C16("nop; int 0x21; nop"));
    real_idt[0] = 0x21 * 4 + 3;
    try_real("table cut behind vector 21h", C16("nop; int 0x21; nop"));
    real_idt[0] = 0x3ff;
}

static void segments(void)
{
    fresh_real();
    in.bx = 0xffff;
    in.si = 0xfffd;
    *(volatile uint32_t *)(REAL_DATA + 0xfffc) = 0x44332211;
    try_real("byte at ffffh", C16("mov al, [bx]"));
    try_real("word at ffffh", C16("mov ax, [bx]"));
    try_real("word written at ffffh", C16("mov [bx], ax"));
    try_real("dword at fffdh", C16("mov eax, [si]"));
    try_real("dword at fffch", C16("dec si; mov eax, [si]"));
    in.bx = 0x10000;
    try_real("byte at 10000h", C16("mov al, [ebx]"));
    in.bx = 0xffff;
    in.bp = 0xffff;
    try_real("word at ss ffffh", C16("mov ax, [bp]"));
    in.sp = 0xffff;
    try_real("pop at sp ffffh", C16("pop ax; mov bx, sp; mov sp, 0x1000"));
    in.bx = 0xffff;
    in.sp = 0x1000;
    try_real("offset wraps at 64 KiB", C16("mov al, [bx + 2]"));
    in.sp = 0;
    try_real("push at sp 0", C16("push ax; mov bx, sp; mov sp, 0x1000"));
    in.sp = 0x1000;
    /* A selector is a base; what is loaded has no type, and may be written, CS too. */
    try_real("segment fffeh", C16("mov ax, 0xfffe; mov es, ax; mov dx, es; mov ax, es:[0x10]; xor ax, ax; mov es, ax"));
    try_real("write through cs", C16("mov word ptr cs:[1f - 661b + 1], 0x1234; jmp 1f; 1: mov ax, 0; nop"));
    try_real("far jump", C16(".byte 0xea; .word 1f - 661b - 16, 0x2001; ud2; .balign 16; 1: mov cx, cs; .byte 0xea; "
                             ".word 2f - 661b, 0x2000; 2: nop"));
    try_real(
        "lds",
        C16("mov word ptr [0], 0x5566; mov word ptr [2], 0x7788; lds si, [0]; mov cx, ds; mov ax, 0x6000; mov ds, ax"));
    try_real("mov to cs", C16(".byte 0x8e, 0xc8"));
    /* 4 GiB limits stay when a segment is loaded in real mode. */
    *(volatile uint32_t *)(REAL_DATA + 0x200000) = 0xabcd1234;
    in.bx = 0x200000;
    try_real("beyond 64 KiB", C16("mov eax, [ebx]"));
    real_sel = DATA;
    try_real("beyond 64 KiB with big segments", C16("mov eax, [ebx]"));
    try_real("beyond 64 KiB with big segments, loaded again", C16("mov ax, 0x6000; mov ds, ax; mov ecx, [ebx]"));
    real_sel = DATA16;
}

static void absent(void)
{
    fresh_real();
    try_real("lar", C16("lar ax, bx"));
    try_real("lsl", C16("lsl ax, bx"));
    try_real("verr", C16("verr bx"));
    try_real("verw", C16("verw bx"));
    try_real("lldt", C16("lldt bx"));
    try_real("ltr", C16("ltr bx"));
    try_real("sldt", C16("sldt bx"));
    try_real("str", C16("str bx"));
    try_real("arpl", C16("arpl ax, bx"));
    try_real("sysenter", C16("sysenter"));
    try_real("sysexit", C16("sysexit"));
    try_real("syscall", C16("syscall"));
    try_real("lock nop", C16(".byte 0xf0; nop"));
    try_real(
        "16 bytes",
        C16(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"));
    try_real("15 bytes",
             C16(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"));
    try_real("vex", C16(".byte 0xc5, 0xf8, 0x77"));
    try_real("lgdt and sgdt", C16("sgdt [0]; lgdt [0]; mov ax, [0]"));
}

int main(void)
{
    ok_flags = true;
    interrupts();
    segments();
    absent();
    return 0;
}
