/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single step at CPL3: TF through all kinds of instructions; where the trap lies, the flags and DR6.BS (SDM volume
 * 3, 17.3.1.4). */
#include "lib/sys.h"

#define A    0x200000000
#define NOPE 0x200002000

int main(void)
{
    page(A, RW);
    user();
    flags_shown = ~(word)F_ARITH;
    hidden = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4;
    in.flags = F_TF | 2;
    in.di = A + 0x100;
    in.si = A;
    in.cx = 3;
    try("nop", C64("nop; nop"));
    try("mov", C64("mov eax, ebx; nop"));
    try("load", C64("mov eax, [rsi]; nop"));
    try("store", C64("mov [rsi], eax; nop"));
    try("add to memory", C64("add [rsi], eax; nop"));
    try("lock add", C64("lock add [rsi], eax; nop"));
    try("jmp", C64("jmp 1f; nop; nop; 1: nop"));
    try("jmp to itself", C64("1: jmp 1b; nop"));
    try("jcc taken", C64("jnz 1f; nop; nop; 1: nop"));
    try("jcc not taken", C64("jz 1f; nop; nop; 1: nop"));
    try("jmp through a register", C64("lea rax, [rip + 1f]; push 0x102; popfq; jmp rax; nop; nop; 1: nop"));
    try("call", C64("call 1f; nop; nop; 1: nop"));
    try("loop", C64("1: loop 1b; nop"));
    try("jrcxz", C64("jrcxz 1f; nop; 1: nop"));
    try("push", C64("push rax; nop"));
    try("pushfq", C64("pushfq; nop"));
    say("pushfq pushed", ev.r.sp < in.sp ? *(word *)ev.r.sp & ~(word)F_IF : 0);
    try("mul", C64("mul ebx; nop"));
    try("div", C64("div ebx; nop"));
    try("cpuid", C64("cpuid; nop"));
    try("rdtsc", C64("rdtsc; nop"));
    try("cld", C64("cld; nop"));
    flags_shown &= ~(word)F_RF; /* SDM: set between iterations, AMD's processors: not */
    try("stosb", C64("stosb; nop"));
    try("rep stosb", C64("rep stosb; nop"));
    in.cx = 1;
    try("rep stosb, the last", C64("rep stosb; nop"));
    in.cx = 0;
    try("rep stosb, nothing", C64("rep stosb; nop"));
    in.cx = 3;
    try("rep movsq", C64("rep movsq; nop"));
    try("repe cmpsb", C64("repe cmpsb; nop"));
    try("repne scasb that ends", C64("repne scasb; nop"));
    try("rep lodsb", C64("rep lodsb; nop"));
    flags_shown |= F_RF;
    try("fld1", C64("fld1; nop"));
    try("fninit", C64("fninit; nop"));
    try("addps", C64("addps xmm0, xmm1; nop"));
    try("lfence", C64("lfence; nop"));
    try("pause", C64("pause; nop"));
    try("prefix bytes", C64(".byte 0x66, 0x2e, 0x90; nop"));
    /* Setting and clearing. */
    try("popfq that clears TF", C64("push 2; popfq; nop; nop"));
    in.flags = 2;
    try("popfq that sets TF", C64("push 0x102; popfq; nop; nop"));
    try("popfq that sets TF before jmp", C64("push 0x102; popfq; jmp 1f; nop; 1: nop"));
    try("popfq that sets TF before a fault", C64("push 0x102; popfq; hlt; nop"));
    try("popfq that sets, then clears", C64("mov rax, rsp; push 2; push 0x102; popfq; popfq; nop; nop"));
    flags_shown &= ~(word)F_RF;
    try("popfq that sets TF before rep stosb", C64("push 0x102; popfq; rep stosb; nop"));
    flags_shown |= F_RF;
    try("iretq that sets TF", C64("mov rax, rsp; mov edx, ss; push rdx; push rax; push 0x102; mov edx, cs; push rdx; "
                                  "lea rax, [rip + 1f]; push rax; "
                                  "iretq; nop; 1: nop; nop"));
    in.cx = 3;
    in.flags = F_TF | 2;
    /* Other exceptions. */
    try("hlt", C64("hlt; nop"));
    try("ud2", C64("nop"));
    in.bx = 0;
    try("div by zero", C64("div ebx; nop"));
    in.bx = NOPE;
    try("load, not mapped", C64("mov eax, [rbx]; nop"));
    try("int3", C64("int3; nop"));
    try("int 3", C64("int 3; nop"));
    try("jump to not mapped", C64("jmp rbx; nop"));
    /* Blocked for an instruction. */
    in.flags = 2;
    try("mov ss", C64("mov edx, ss; push 0x102; popfq; mov ss, edx; nop; nop"));
    try("mov ss, then another", C64("mov edx, ss; push 0x102; popfq; mov ss, edx; mov ss, edx; nop; nop"));
    in.flags = F_TF | 2;
    try("mov ds", C64("mov ds, ebx; nop; nop"));
    in.cx = 3;
    try("with RF too", C64("nop; nop"));
    in.flags = F_TF | F_RF | 2;
    try("RF is cleared", C64("nop; nop"));
    return 0;
}
