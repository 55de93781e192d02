/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The LOCK prefix: which instructions take it, and #UD before every fault of the operand (SDM volume 2, LOCK). */
#include "lib/sys.h"

#define GOOD 0x200000000
#define BAD  0x200002000

int main(void)
{
    page(GOOD, RW);
    user();
    hidden = 0xffff;
    in.di = GOOD;
    in.cx = 3;
    try("add", C64("lock add [rdi], ecx"));
    try("or imm8", C64("lock or dword ptr [rdi], 1"));
    try("adc", C64("lock adc [rdi], cl"));
    try("sbb", C64("lock sbb [rdi], rcx"));
    try("and", C64("lock and [rdi], cx"));
    try("sub", C64("lock sub dword ptr [rdi], 0x12345"));
    try("xor", C64("lock xor [rdi], ecx"));
    try("inc", C64("lock inc dword ptr [rdi]"));
    try("dec", C64("lock dec byte ptr [rdi]"));
    try("not", C64("lock not dword ptr [rdi]"));
    try("neg", C64("lock neg dword ptr [rdi]"));
    try("bts", C64("lock bts [rdi], ecx"));
    try("btr imm8", C64("lock btr dword ptr [rdi], 3"));
    try("btc", C64("lock btc [rdi], ecx"));
    try("xchg", C64("lock xchg [rdi], ecx"));
    try("xadd", C64("lock xadd [rdi], ecx"));
    try("cmpxchg", C64("lock cmpxchg [rdi], ecx"));
    try("cmpxchg8b", C64("lock cmpxchg8b [rdi]"));
    try("cmpxchg16b", C64("lock cmpxchg16b [rdi]"));
    try("cmp", C64(".byte 0xf0; cmp [rdi], ecx"));
    try("cmp imm8", C64(".byte 0xf0; cmp dword ptr [rdi], 1"));
    try("test", C64(".byte 0xf0; test [rdi], ecx"));
    try("bt", C64(".byte 0xf0; bt [rdi], ecx"));
    try("bt imm8", C64(".byte 0xf0; bt dword ptr [rdi], 1"));
    try("mov store", C64(".byte 0xf0; mov [rdi], ecx"));
    try("mov load", C64(".byte 0xf0; mov ecx, [rdi]"));
    try("add to register", C64(".byte 0xf0; add ecx, [rdi]"));
    try("add of registers", C64(".byte 0xf0; add ecx, ecx"));
    try("xchg of registers", C64(".byte 0xf0; xchg ecx, edx"));
    try("inc of a register", C64(".byte 0xf0; inc ecx"));
    try("cmpxchg of registers", C64(".byte 0xf0; cmpxchg ecx, edx"));
    try("cmpxchg8b of a register", C64(".byte 0x0f, 0xc7, 0xc9"));
    try("nop", C64(".byte 0xf0; nop"));
    try("pause", C64(".byte 0xf0; pause"));
    try("shl", C64(".byte 0xf0; shl dword ptr [rdi], 1"));
    try("mul", C64(".byte 0xf0; mul dword ptr [rdi]"));
    try("lea", C64(".byte 0xf0; lea ecx, [rdi]"));
    try("push", C64(".byte 0xf0; push rcx"));
    try("jmp", C64(".byte 0xf0; jmp 1f; 1: nop"));
    try("movsb", C64(".byte 0xf0; movsb"));
    try("rep movsb", C64(".byte 0xf0, 0xf3; movsb"));
    try("fld", C64(".byte 0xf0; fld dword ptr [rdi]"));
    try("addps", C64(".byte 0xf0; addps xmm0, xmm1"));
    try("vex", C64(".byte 0xf0, 0xc5, 0xf8, 0x77"));
    try("mfence", C64(".byte 0xf0; mfence"));
    try("cpuid", C64(".byte 0xf0; cpuid"));
    try("int3", C64(".byte 0xf0; int3"));
    try("xadd of bytes", C64("lock xadd [rdi], cl"));
    try("behind other prefixes", C64(".byte 0x66, 0xf0; add [rdi], cx"));
    try("before other prefixes", C64(".byte 0xf0, 0x66; add [rdi], cx"));
    try("twice", C64(".byte 0xf0, 0xf0; add [rdi], ecx"));
    /* #UD comes before #PF, #GP and #AC. */
    in.di = BAD;
    try("add, not mapped", C64("lock add [rdi], ecx"));
    try("mov store, not mapped", C64(".byte 0xf0; mov [rdi], ecx"));
    try("cmp, not mapped", C64(".byte 0xf0; cmp [rdi], ecx"));
    in.di = 0x8000000000000000;
    try("add, not canonical", C64("lock add [rdi], ecx"));
    try("mov load, not canonical", C64(".byte 0xf0; mov ecx, [rdi]"));
    try("hlt", C64(".byte 0xf0; hlt"));
    in.di = GOOD + 8;
    try("cmpxchg16b, not aligned", C64("lock cmpxchg16b [rdi]"));
    try("cmpxchg16b, not aligned, no lock", C64("cmpxchg16b [rdi]"));
    return 0;
}
