/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug registers: breakpoints on execution, writes, reads and I/O; DR6, DR7.GD, RF, what MOV takes (SDM volume 3,
 * chapter 17). CPL0. */
#include "lib/sys.h"

enum { EXECUTE, WRITES, IO, ANY };
#define data ((volatile uint8_t *)0x300000)

/* Breakpoint n on so many bytes; the first code's address is where `code` will run. */
static void set(unsigned n, word address, unsigned kind, unsigned bytes)
{
    word dr7 = rddr7() | 2UL << n * 2 | (word)kind << (16 + n * 4);

    dr7 |= (word)(bytes == 8 ? 2 : bytes - 1) << (18 + n * 4);
    switch (n) {
    case 0:
        wrdr0(address);
        break;
    case 1:
        wrdr1(address);
        break;
    case 2:
        wrdr2(address);
        break;
    default:
        wrdr3(address);
        break;
    }
    wrdr7(dr7);
}

static void off(void)
{
    wrdr7(0);
    wrdr0(0);
    wrdr1(0);
    wrdr2(0);
    wrdr3(0);
}

static void execution(void)
{
    const struct code *c = C64("nop; nop; mov eax, ebx; nop");

    set(0, (word)c->start + 1, EXECUTE, 1);
    try("execute", c);
    in.flags |= F_RF;
    try("execute, RF set before", c);
    off();
    set(0, (word)c->start, EXECUTE, 1);
    try("execute the first with RF", c);
    in.flags &= ~(word)F_RF;
    try("execute the first", c);
    in.flags |= F_TF;
    try("execute the first with TF", c);
    off();
    in.flags &= ~(word)F_TF;
    off();
    set(3, (word)c->start + 3, EXECUTE, 1);
    try("in the middle of an instruction", c);
    off();
    set(2, (word)c->start + 2, EXECUTE, 1);
    try("number 2", c);
    wrdr7((rddr7() & ~0xffUL) | 1 << 4);
    try("number 2, local", c);
    wrdr7(rddr7() & ~0xffUL);
    try("number 2, not enabled", c);
    off();
    set(0, (word)c->start + 2, EXECUTE, 1);
    set(2, (word)c->start + 2, EXECUTE, 1);
    try("two at once", c);
    off();
    /* Before what the instruction would raise, after what its fetch does not. */
    c = C64("nop; ud2; nop");
    set(0, (word)c->start + 1, EXECUTE, 1);
    try("on ud2", c);
    c = C64("nop; int3; nop");
    off();
    set(0, (word)c->start + 1, EXECUTE, 1);
    try("on int3", c);
    off();
    c = C64("mov edx, ss; mov ss, edx; nop; nop");
    set(0, (word)c->start + 4, EXECUTE, 1);
    try("behind mov ss", c);
    off();
    set(0, (word)c->start + 5, EXECUTE, 1);
    try("second behind mov ss", c);
    off();
    /* RF lasts for an instruction, through all repetitions. */
    c = C64("rep stosb; nop; nop");
    in.di = (word)data;
    in.cx = 3;
    in.flags |= F_RF;
    set(0, (word)c->start, EXECUTE, 1);
    try("rep stosb with RF", c);
    set(1, (word)c->start + 2, EXECUTE, 1);
    try("rep stosb with RF, the next", c);
    in.flags &= ~(word)F_RF;
    off();
}

static void accesses(void)
{
    in.di = (word)data;
    in.si = (word)data + 32;
    in.cx = 4;
    set(0, (word)data + 4, WRITES, 4);
    try("write 4 of 4", C64("mov [rdi + 4], eax; nop"));
    try("write 1 of 4", C64("mov [rdi + 7], al; nop"));
    try("write below", C64("mov [rdi + 3], al; nop"));
    try("write above", C64("mov [rdi + 8], al; nop"));
    try("write over the lower edge", C64("mov [rdi + 1], eax; nop"));
    try("write over the upper edge", C64("mov [rdi + 7], ax; nop"));
    try("write 8 around", C64("mov [rdi], rax; nop"));
    try("write 16 around", C64("movups [rdi], xmm0; nop"));
    try("read", C64("mov eax, [rdi + 4]; nop"));
    try("read-modify-write", C64("add [rdi + 4], eax; nop"));
    try("lock xadd", C64("lock xadd [rdi + 4], eax; nop"));
    try("cmpxchg that fails", C64("cmpxchg [rdi + 4], ecx; nop"));
    try("write with TF to come", C64("push 0x102; popfq; mov [rdi + 4], eax; nop"));
    try("push", C64("lea rsp, [rdi + 16]; push rax; push rax; nop"));
    try("call", C64("lea rsp, [rdi + 12]; call 1f; nop; 1: nop"));
    try("rep stosb", C64("rep stosb; nop; nop"));
    in.cx = 5;
    try("rep stosb into it", C64("rep stosb; nop"));
    in.cx = 6;
    flags_shown &= ~(word)F_RF; /* SDM: set, AMD's processors: not */
    try("rep stosb through it", C64("rep stosb; nop"));
    try("rep movsd", C64("rep movsd; nop"));
    flags_shown |= F_RF;
    try("write that faults", C64("mov rbx, 0x8000000000000000; mov [rbx], eax; nop"));
    try("fstp", C64("fld1; fstp dword ptr [rdi + 4]; nop"));
    try("mov ss from memory beside", C64("mov edx, ss; mov [rdi + 32], edx; mov ss, [rdi + 32]; nop; nop"));
    off();
    *(volatile uint32_t *)(data + 32) = in.ax = DATA;
    set(1, (word)data + 32, ANY, 2);
    try("any, read", C64("mov al, [rdi + 33]; nop"));
    try("any, write", C64("mov [rdi + 32], al; nop"));
    try("any, read-modify-write", C64("or byte ptr [rdi + 32], 0; nop"));
    try("any, not touched", C64("mov al, [rdi + 34]; nop"));
    try("any, mov ss", C64("mov ss, [rdi + 32]; nop; nop"));
    flags_shown &= ~(word)F_RF;
    try("any, rep movsb source", C64("mov ecx, 5; lea rsi, [rdi + 30]; rep movsb; nop"));
    off();
    flags_shown |= F_RF;
    in.si = (word)data + 40;
    set(3, (word)data + 48, WRITES, 8);
    try("8 bytes, the last", C64("mov [rdi + 55], al; nop"));
    try("8 bytes, behind", C64("mov [rdi + 56], al; nop"));
    off();
    set(0, (word)data, WRITES, 1);
    set(1, (word)data + 8, WRITES, 1);
    set(2, (word)data + 8, ANY, 1);
    try("two of three", C64("mov [rdi + 8], al; nop"));
    try("two of three by movups", C64("movups [rdi - 4], xmm0; nop"));
    off();
}

static void ports(void)
{
    wrcr4(rdcr4() | CR4_DE);
    set(0, 0x80, IO, 1);
    try("out", C64("out 0x80, al; nop"));
    try("out beside", C64("out 0x81, al; nop"));
    try("in", C64("in al, 0x80; nop"));
    try("out 32 below", C64("mov edx, 0x7d; out dx, eax; nop"));
    off();
    set(1, 0x84, IO, 4);
    try("out 16 in 4", C64("mov edx, 0x86; out dx, ax; nop"));
    in.si = (word)data;
    in.cx = 3;
    flags_shown &= ~(word)F_RF;
    try("rep outsb", C64("mov edx, 0x84; rep outsb; nop"));
    flags_shown |= F_RF;
    in.di = 0x80;
    off();
    wrcr4(rdcr4() & ~(word)CR4_DE);
}

static void registers(void)
{
    hidden = 1 << 1;
    in.ax = 0;
    try("dr7 of 0", C64("mov dr7, rax; mov rax, dr7"));
    in.ax = 0xffffdfff & ~0xffUL;
    try("dr7 of all but GD and enables", C64("mov dr7, rax; mov rax, dr7; xor ecx, ecx; mov dr7, rcx"));
    in.ax = 0;
    try("dr6 of 0", C64("mov dr6, rax; mov rax, dr6"));
    in.ax = 0xffffffff;
    try("dr6 of all", C64("mov dr6, rax; mov rax, dr6; and eax, 0xfffeffff"));
    wrdr6(0xffff0ff0);
    in.ax = 0x100000000;
    try("dr6 above bit 31", C64("mov dr6, rax"));
    try("dr7 above bit 31", C64("mov dr7, rax"));
    in.ax = 0x123456789abcdef0;
    try("dr0", C64("mov dr0, rax; mov rbx, dr0"));
    try("dr3", C64("mov dr3, rax; mov rbx, dr3"));
    off();
    in.ax = 0x400;
    try("dr4 without DE", C64("mov rax, dr4"));
    try("dr5 without DE", C64("mov rax, dr5"));
    try("mov dr5 without DE", C64("mov dr5, rax"));
    wrcr4(rdcr4() | CR4_DE);
    try("dr4 with DE", C64("mov rax, dr4"));
    try("mov dr4 with DE", C64("mov dr4, rax"));
    try("dr5 with DE", C64("mov rax, dr5"));
    try("mov dr5 with DE", C64("mov dr5, rax"));
    wrcr4(rdcr4() & ~(word)CR4_DE);
    try("dr8", C64(".byte 0x44, 0x0f, 0x21, 0xc0"));
    try("mov dr15", C64(".byte 0x44, 0x0f, 0x23, 0xf8"));
    try("mod of mov dr does not count", C64(".byte 0x0f, 0x21, 0x38"));
    /* General detect. */
    in.ax = 0x2400;
    try("GD, read", C64("mov dr7, rax; nop; mov rbx, dr0"));
    say("GD afterwards", rddr7());
    try("GD, write", C64("mov dr7, rax; nop; mov dr7, rcx"));
    try("GD, dr6", C64("mov dr7, rax; nop; mov rbx, dr6"));
    wrdr7(0);
    user();
    try("CPL3", C64("mov rax, dr0"));
    try("CPL3, mov", C64("mov dr0, rax"));
    try("CPL3, dr8", C64(".byte 0x44, 0x0f, 0x21, 0xc0"));
}

int main(void)
{
    fresh();
    hidden = 1 << 4 | 1 << 0;
    flags_shown = ~(word)(F_ARITH);
    execution();
    accesses();
    ports();
    registers();
    return 0;
}
