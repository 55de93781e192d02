/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alignment checks: CPL3, CR0.AM and EFLAGS.AC (SDM volume 3, 6.15, #AC); #GP where the instruction asks for alignment.
 */
#include "lib/sys.h"

#define A 0x200000000

static void cases(void)
{
    try("load 8", C64("mov al, [rdi + 1]"));
    try("load 16", C64("mov ax, [rdi + 1]"));
    try("load 16 at 2", C64("mov ax, [rdi + 2]"));
    try("load 32 at 2", C64("mov eax, [rdi + 2]"));
    try("load 32 at 4", C64("mov eax, [rdi + 4]"));
    try("load 64 at 4", C64("mov rax, [rdi + 4]"));
    try("load 64 at 8", C64("mov rax, [rdi + 8]"));
    try("store 16", C64("mov [rdi + 1], ax"));
    try("store 32", C64("mov [rdi + 1], eax"));
    try("store 64 at 4", C64("mov [rdi + 4], rax"));
    try("add", C64("add [rdi + 1], eax"));
    try("lock add", C64("lock add [rdi + 1], eax"));
    try("push", C64("lea rsp, [rdi + 0x101]; push rax"));
    try("pop", C64("lea rsp, [rdi + 0x101]; pop rax"));
    try("ret", C64("lea rsp, [rdi + 0x104]; ret"));
    try("call", C64("lea rsp, [rdi + 0x104]; call 1f; 1: nop"));
    try("pushfq", C64("lea rsp, [rdi + 0x104]; pushfq"));
    try("movsw", C64("lea rsi, [rdi + 1]; movsw"));
    try("movsw to", C64("mov rsi, rdi; add rdi, 1; movsw"));
    try("lodsd", C64("lea rsi, [rdi + 2]; lodsd"));
    try("movups", C64("movups xmm0, [rdi + 1]"));
    try("movss", C64("movss xmm0, [rdi + 2]"));
    try("movsd", C64("movsd xmm0, [rdi + 4]"));
    try("movq mm", C64("movq mm0, [rdi + 4]; emms"));
    try("movaps at 8", C64("movaps xmm0, [rdi + 8]"));
    try("addps at 8", C64("addps xmm0, [rdi + 8]"));
    try("fld 32", C64("fld dword ptr [rdi + 2]"));
    try("fld 64 at 4", C64("fld qword ptr [rdi + 4]"));
    try("fld 80 at 8", C64("fld tbyte ptr [rdi + 8]; fstp st(0)"));
    try("fild 16", C64("fild word ptr [rdi + 1]"));
    try("fldcw", C64("fldcw [rdi + 1]"));
    try("cmpxchg16b at 8", C64("cmpxchg16b [rdi + 8]"));
    try("cmpxchg8b at 4", C64("cmpxchg8b [rdi + 4]"));
    try("xchg", C64("xchg [rdi + 2], eax"));
    try("bt register", C64("xor eax, eax; bt [rdi + 2], eax"));
    try("lea", C64("lea rax, [rdi + 1]"));
    try("prefetch", C64("prefetcht0 [rdi + 1]"));
    try("movbe", C64("movbe eax, [rdi + 2]"));
    try("popcnt", C64("popcnt eax, [rdi + 2]"));
    try("jmp through memory", C64("jmp [rdi + 4]"));
    try("movnti", C64("movnti [rdi + 2], eax"));
}

int main(void)
{
    page(A, RW);
    user();
#ifndef HOST
    wrcr0(rdcr0() | CR0_AM);
#endif
    hidden = 0xffff;
    in.flags = F_AC | 2;
    in.di = A;
    *(word *)A = 0x37f;
    cases();
#ifndef HOST
    wrcr0(rdcr0() & ~(word)CR0_AM);
    try("without AM", C64("mov eax, [rdi + 1]"));
    wrcr0(rdcr0() | CR0_AM);
#else
    note("without AM: ok");
#endif
    in.flags = 2;
    try("without AC", C64("mov eax, [rdi + 1]"));
    try("popf of AC", C64("push 0x40002; popfq; mov eax, [rdi + 1]"));
#ifndef HOST
    fresh();
    hidden = 0xffff;
    in.di = A;
    in.flags = F_AC | 2;
    try("CPL0", C64("mov eax, [rdi + 1]"));
#else
    note("CPL0: ok");
#endif
    return 0;
}
