/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions of 64-bit code: vector, error code, saved IP and flags, CR2 (SDM volume 3, chapter 6). Those of other
 * guests are left out. */
#include "lib/divide.h"

static void arithmetic(void)
{
    fresh();
    divisions();
}

static void software(void)
{
    fresh();
    try("int3", C64("int3"));
    try("int 3", C64(".byte 0xcd, 3"));
    try("int1", C64(".byte 0xf1"));
    try("int 4", C64("int 4"));
    try("int 0dh without an error code", C64("int 0x0d"));
    try("int 0eh without an error code", C64("int 0x0e"));
    try("int 80h", C64("int 0x80"));
    try("int ffh", C64("int 0xff"));
    try("into", C64(".byte 0xce"));
    try("bound or EVEX", C64(".byte 0x62, 0x00, 0, 0, 0, 0, 0"));
    in.flags = F_IF | F_ARITH | 2;
    try("int 80h with IF", C64("int 0x80"));
    user();
    in.flags = F_IF | 2;
    try("int 80h at CPL3", C64("int 0x80"));
    try("int3 at CPL3", C64("int3"));
    idt[0x80 * 16 + 5] = idt[3 * 16 + 5] = idt[1 * 16 + 5] = idt[6 * 16 + 5] = 0x8e;
    try("int 80h at CPL3, DPL 0", C64("int 0x80"));
    try("int3 at CPL3, DPL 0", C64("int3"));
    try("int1 at CPL3, DPL 0", C64(".byte 0xf1"));
    try("ud2 at CPL3, DPL 0", C64("nop; ud2; nop"));
    gates_reset();
}

static void undefined(void)
{
    fresh();
    try("ud2", C64("nop; ud2; nop"));
    try("ud1", C64("nop; ud1 eax, eax; nop"));
    try("ud0", C64("nop; .byte 0x0f, 0xff, 0xc0; nop"));
}

static void segments(void)
{
    fresh();
    segment(FREE_SEL, 0, 0xfffff, 0x13, 0xc);      /* data, not present */
    segment(FREE_SEL + 8, 0, 0xfffff, 0x1b, 0xa);  /* code, not present */
    segment(FREE_SEL + 16, 0, 0xfffff, 0x98, 0xa); /* code, execute only */
    segment(FREE_SEL + 24, 0, 0xfffff, 0x90, 0xc); /* data, read only */
    segment(FREE_SEL + 32, 0, 0xfffff, 0x9b, 0xe); /* L and D */
    segment(FREE_SEL + 40, 0, 0xfffff, 0x80, 0);   /* system, type 0 */
    in.ax = FREE_SEL;
    try("ds not present", C64("mov ds, eax"));
    try("ss not present", C64("mov ss, eax"));
    try("fs not present", C64("mov fs, eax"));
    try("lss not present", C64("push rax; push 0; lss esp, [rsp + 4]"));
    in.ax = FREE_SEL + 16;
    try("ds execute only", C64("mov ds, eax"));
    try("ss code", C64("mov ss, eax"));
    in.ax = FREE_SEL + 24;
    try("ss read only", C64("mov ss, eax"));
    in.ax = FREE_SEL + 40;
    try("ds system", C64("mov ds, eax"));
    in.ax = 0xfff8;
    try("ds beyond the GDT", C64("mov ds, eax"));
    in.ax = 0xffff;
    try("ds in no LDT", C64("mov ds, eax"));
    in.ax = DATA + 3;
    try("ds with RPL 3", C64("mov ds, eax"));
    in.ax = UDATA;
    try("ss of CPL3", C64("mov ss, eax"));
    in.ax = 0;
    try("ss null", C64("mov ss, eax"));
    try("mov to cs", C64(".byte 0x8e, 0xc8"));
    try("mov to segment register 6", C64(".byte 0x8e, 0xf0"));
    try("mov from segment register 7", C64(".byte 0x8c, 0xf8"));
    try("retf to not present", C64("push 0xa8; push rax; retfq"));
    try("retf to data", C64("push 0x10; push rax; retfq"));
    try("retf to null", C64("push 0; push rax; retfq"));
    in.cx = 0x8000000000000000;
    try("retf to a non-canonical address", C64("push 0x08; push rcx; retfq"));
    try("jmp far direct", C64(".byte 0xea, 0, 0, 0, 0, 8, 0"));
    try("call far direct", C64(".byte 0x9a, 0, 0, 0, 0, 8, 0"));
    try("push es", C64(".byte 0x06"));
    try("pop ds", C64(".byte 0x1f"));
    user();
    in.ax = DATA;
    try("ds of DPL 0 at CPL3", C64("mov ds, eax"));
    in.ax = 3;
    try("ss null at CPL3", C64("mov ss, eax"));
    in.ax = UDATA;
    try("ds of DPL 3 at CPL3", C64("mov ds, eax"));
    in.ds = 0;
    in.ax = 0;
    try("ds null at CPL3", C64("mov ds, eax; cmp ecx, [rsp - 8]"));
}

int main(void)
{
    arithmetic();
    software();
    undefined();
    segments();
    fresh();
    in.di = 0x100000000;
    try("read of what is not mapped", C64("mov eax, [rdi]"));
    try("write of what is not mapped", C64("mov [rdi], eax"));
    try("read-modify-write of what is not mapped", C64("add [rdi], eax"));
    try("jump to what is not mapped", C64("jmp rdi"));
    try("call of what is not mapped", C64("call rdi"));
    user();
    in.di = 0x100000000;
    try("read of what is not mapped at CPL3", C64("mov eax, [rdi]"));
    try("write of what is not mapped at CPL3", C64("mov [rdi], eax"));
    try("jump to what is not mapped at CPL3", C64("jmp rdi"));
    return 0;
}
