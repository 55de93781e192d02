/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of several faults comes: #UD, #NM and #GP by decoding before those of operands (SDM volume 3, table 6-2). CPL3.
 */
#include "lib/sys.h"

#define GOOD 0x200000000
#define RO   0x200001000
#define BAD  0x200003000
#define ODD  0x8000000000000000

int main(void)
{
    page(GOOD, RW);
    page(RO, READ);
    user();
    hidden = 0xffff;
    in.di = BAD;
    in.si = BAD + 0x10;
    in.bx = ODD;
    in.cx = 4;
    /* Invalid opcodes before the privilege. */
    try("mov from cr1", C64("mov rax, cr1"));
    try("mov to cr7", C64(".byte 0x0f, 0x22, 0xf8"));
    try("mov from dr8", C64(".byte 0x44, 0x0f, 0x21, 0xc0"));
    try("mov from cr0", C64("mov rax, cr0"));
    try("0f 01 /5", C64(".byte 0x0f, 0x01, 0x28"));
    try("group 7, e9h", C64(".byte 0x0f, 0x01, 0xe9"));
    try("lgdt of a register", C64(".byte 0x0f, 0x01, 0xd3 + 0x1"));
    try("invlpg of a register", C64(".byte 0x0f, 0x01, 0xfa + 4"));
    try("ud2 with an operand not mapped", C64(".byte 0x0f, 0xb9, 0x07"));
    try("lea of a register", C64(".byte 0x8d, 0xc0"));
    try("les", C64(".byte 0xc4, 0x07, 0, 0, 0"));
    try("pop of /1", C64(".byte 0x8f, 0xc8, 0, 0, 0, 0"));
    try("c6 /1", C64(".byte 0xc6, 0x0f, 0"));
    try("fe /2", C64(".byte 0xfe, 0x17"));
    try("ff /7", C64(".byte 0xff, 0x3f"));
    try("0f ba /0", C64(".byte 0x0f, 0xba, 0x07, 1"));
    try("0f c7 /0", C64(".byte 0x0f, 0xc7, 0x07"));
    try("movnti of a register", C64(".byte 0x0f, 0xc3, 0xc0"));
    try("0f 71 of memory", C64(".byte 0x0f, 0x71, 0x17, 1"));
    /* The privilege before the operand. */
    try("lgdt, not mapped", C64("lgdt [rdi]"));
    try("lidt, not canonical", C64("lidt [rbx]"));
    try("lldt, not mapped", C64("lldt word ptr [rdi]"));
    try("ltr, not mapped", C64("ltr word ptr [rdi]"));
    try("lmsw, not mapped", C64("lmsw word ptr [rdi]"));
    try("invlpg, not canonical", C64("invlpg [rbx]"));
    try("outsb, not mapped", C64("outsb"));
    try("insb, not mapped", C64("insb"));
    try("rep insb of nothing", C64("xor ecx, ecx; rep insb"));
    try("rep insb", C64("rep insb"));
    /* Addresses. */
    try("load, not canonical", C64("mov eax, [rbx]"));
    try("load by rsp, not canonical", C64("mov rsp, rbx; mov eax, [rsp]"));
    try("load by rbp, not canonical", C64("mov rbp, rbx; mov eax, [rbp]"));
    try("load by rbp as index, not canonical", C64("mov rbp, rbx; mov eax, [rbp * 1 + rcx]"));
    try("load by ds of rsp, not canonical", C64("mov rsp, rbx; .byte 0x3e; mov eax, [rsp]"));
    try("load by fs of rsp, not canonical", C64("mov rsp, rbx; .byte 0x64; mov eax, [rsp]"));
    try("push, not canonical", C64("mov rsp, rbx; push rax"));
    try("pop, not canonical", C64("mov rsp, rbx; pop rax"));
    try("push of memory not mapped, stack not canonical", C64("mov rsp, rbx; push [rdi]"));
    try("push of memory not canonical, stack not mapped", C64("mov rsp, rdi; push [rbx]"));
    try("pop to memory not mapped, stack not canonical", C64("mov rsp, rbx; pop [rdi]"));
    try("pop to memory not canonical", C64("pop [rbx]"));
    try("call, stack not mapped", C64("mov rsp, rdi; call 1f; 1: nop"));
    try("call to not canonical", C64("call rbx"));
    try("jmp to not canonical", C64("jmp rbx"));
    try("ret to not canonical", C64("push rbx; ret"));
    try("enter, stack not mapped", C64("mov rsp, rdi; enter 0x10, 0"));
    try("leave, not canonical", C64("mov rbp, rbx; leave"));
    /* Two operands. */
    try("movsb, both not mapped", C64("movsb"));
    try("movsb, source not canonical", C64("mov rsi, rbx; movsb"));
    try("movsb, destination not canonical", C64("mov rdi, rbx; mov rsi, 0x200000000; movsb"));
    try("cmpsb, both not mapped", C64("cmpsb"));
    try("add to read only", C64("mov rdi, 0x200001000; add [rdi], eax"));
    try("xchg with read only", C64("mov rdi, 0x200001000; xchg [rdi], eax"));
    try("cmpxchg that fails on read only", C64("mov rdi, 0x200001000; mov eax, 1; cmpxchg [rdi], ecx"));
    try("cmpxchg16b that fails on read only", C64("mov rdi, 0x200001000; mov eax, 1; cmpxchg16b [rdi]"));
    try("shl by 0 on read only", C64("mov rdi, 0x200001000; xor ecx, ecx; shl dword ptr [rdi], cl"));
    try("bts far away", C64("mov rdi, 0x200000000; mov eax, 0x18008; bts [rdi], eax"));
    try("bt far away backwards", C64("mov rdi, 0x200004000; mov rax, -0x8000; bt [rdi], rax"));
    try("div by memory not mapped", C64("div dword ptr [rdi]"));
    try("jmp through memory not mapped", C64("jmp [rdi]"));
    try("cmov not taken, not mapped", C64("test edi, edi; cmovc eax, [rdi]"));
    try("setc, not mapped", C64("setc [rdi]"));
    try("prefetch, not mapped", C64("prefetcht0 [rdi]"));
    try("nop, not mapped", C64("nop dword ptr [rdi]"));
    try("nop, not canonical", C64("nop dword ptr [rbx]"));
    try("lea, not canonical", C64("lea rax, [rbx]"));
    try("clflush, not mapped", C64("clflush [rdi]"));
    /* SSE: #UD, #GP by alignment, #PF. */
    try("movaps, not aligned, not mapped", C64("movaps xmm0, [rdi + 1]"));
    try("movaps, not mapped", C64("movaps xmm0, [rdi]"));
    try("movaps, not aligned", C64("mov rdi, 0x200000001; movaps xmm0, [rdi]"));
    try("addps, not aligned, not mapped", C64("addps xmm0, [rdi + 4]"));
    try("movaps, not canonical and not aligned", C64("movaps xmm0, [rbx + 1]"));
    try("ldmxcsr of reserved bits", C64("push -1; ldmxcsr [rsp]"));
    try("ldmxcsr, not mapped", C64("ldmxcsr [rdi]"));
    try("fxrstor, not aligned, not mapped", C64("fxrstor [rdi + 8]"));
    try("cmpxchg16b, not aligned, not mapped", C64("cmpxchg16b [rdi + 8]"));
    return 0;
}
