/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt and trap gates of 64-bit mode: which are taken, what the handler finds, the interrupt stack table (SDM
 * volume 3, 6.12 to 6.14). */
#include "lib/sys.h"

static uint8_t stack[0x1000] __attribute__((aligned(16)));
#define TOP ((word)stack + sizeof(stack))

static void refused(void)
{
    static const uint8_t types[] = {0x80, 0x82, 0x85, 0x86, 0x87, 0x89, 0x8c, 0x8d, 0x9e};

    fresh();
    gate(0x80, 0x6e, CODE, (word)stubs + 0x80 * 16);
    try("not present", C64("nop; int 0x80"));
    for (unsigned i = 0; i < sizeof(types); i++) {
        static char text[] = "access ..";

        text[7] = "0123456789abcdef"[types[i] >> 4];
        text[8] = "0123456789abcdef"[types[i] & 15];
        gate(0x80, types[i], CODE, (word)stubs + 0x80 * 16);
        try(text, C64("int 0x80"));
    }
    gate(0x80, 0x8e, 0, (word)stubs + 0x80 * 16);
    try("null selector", C64("int 0x80"));
    gate(0x80, 0x8e, DATA, (word)stubs + 0x80 * 16);
    try("data segment", C64("int 0x80"));
    gate(0x80, 0x8e, TSS, (word)stubs + 0x80 * 16);
    try("system segment", C64("int 0x80"));
    gate(0x80, 0x8e, CODE32, (word)stubs + 0x80 * 16);
    try("32-bit code segment", C64("int 0x80"));
    gate(0x80, 0x8e, 0xfff8, (word)stubs + 0x80 * 16);
    try("selector beyond the GDT", C64("int 0x80"));
    gate(0x80, 0x8e, 0xc, (word)stubs + 0x80 * 16);
    try("selector in no LDT", C64("int 0x80"));
    segment(FREE_SEL, 0, 0xfffff, 0x1b, 0xa);
    gate(0x80, 0x8e, FREE_SEL, (word)stubs + 0x80 * 16);
    try("code segment not present", C64("int 0x80"));
    gate(0x80, 0x8e, UCODE64, (word)stubs + 0x80 * 16);
    try("code segment of DPL 3", C64("int 0x80"));
    gate(0x80, 0x8e, CODE | 3, (word)stubs + 0x80 * 16);
    gate_ist(0x80, 1);
    try("RPL 3 does not count", C64("int 0x80"));
    gate(0x80, 0x8e, CODE, 0x0000800000000000);
    gate_ist(0x80, 0);
    try("offset not canonical", C64("int 0x80"));
    /* The exception of an instruction, not INT n: the EXT bit. */
    gate(V_UD, 0x0e, CODE, (word)stubs + V_UD * 16);
    try("ud2 by a gate not present", C64("ud2"));
    gate(V_UD, 0x8e, DATA, (word)stubs + V_UD * 16);
    try("ud2 by a gate to data", C64("ud2"));
    gates_reset();
    gate(V_BP, 0x0e, CODE, (word)stubs + V_BP * 16);
    try("int3 by a gate not present", C64("nop; int3"));
    gates_reset();
}

/* #DF: what led to it, the error code. The saved IP and RF are not defined. */
static void double_faults(void)
{
    fresh();
    flags_shown = ~(word)F_RF;
    in.di = 0x100000000;
    in.ax = 0x13;
    gate(V_PF, 0x0e, CODE, (word)stubs + V_PF * 16);
    try("#PF, then #NP", C64("mov ecx, [rdi]"));
    gate(V_PF, 0x8e, DATA, (word)stubs + V_PF * 16);
    try("#PF, then #GP", C64("mov ecx, [rdi]"));
    gates_reset();
    gate(V_GP, 0x0e, CODE, (word)stubs + V_GP * 16);
    try("#GP, then #NP", C64("mov ds, eax"));
    gate(V_GP, 0x8e, DATA, (word)stubs + V_GP * 16);
    try("#GP, then #GP", C64("mov ds, eax"));
    gates_reset();
    gate(V_DE, 0x0e, CODE, (word)stubs + V_DE * 16);
    try("#DE, then #NP", C64("xor ecx, ecx; div ecx"));
    gates_reset();
    /* A stack that is not there: #PF of the delivery. */
    *(word *)(tss + 36 + 8) = 0x200000000;
    gate_ist(V_UD, 2);
    try("#UD, then #PF", C64("ud2"));
    gate_ist(V_GP, 2);
    try("#GP, then #PF", C64("mov ds, eax"));
    gate_ist(V_PF, 2);
    try("#PF, then #PF", C64("mov ecx, [rdi]"));
    *(word *)(tss + 36 + 8) = 0x8000000000000000;
    gates_reset();
    gate_ist(0x80, 2);
    try("int 80h on a stack that is not canonical", C64("int 0x80"));
    gate_ist(V_UD, 2);
    try("#UD on a stack that is not canonical", C64("ud2"));
    gate_ist(V_GP, 2);
    try("#GP on a stack that is not canonical", C64("mov ds, eax"));
    gates_reset();
    flags_shown = ~0UL;
}

static void entered(void)
{
    const struct code *handler = C64("mov rbx, rsp; pushfq; pop rcx; mov eax, cs; mov edx, ss; mov rsi, [rbx + 16]; "
                                     "mov rdi, [rbx + 32]; mov rsp, rbx");

    fresh();
    hidden = 1 << 3 | 1 << 4; /* BX: SP, below */
    in.flags = F_ARITH | F_DF | F_IF | F_NT | F_AC | F_ID | 2;
    gate(0x80, 0x8e, CODE, (word)handler->start);
    try_to("interrupt gate", C64("int 0x80"), handler);
    say("interrupt gate's SP below", in.sp - ev.r.sp);
    gate(0x80, 0x8f, CODE, (word)handler->start);
    try_to("trap gate", C64("int 0x80"), handler);
    in.sp -= 3;
    try_to("trap gate, SP not aligned", C64("int 0x80"), handler);
    say("trap gate, SP not aligned, modulo 16", ev.r.bx & 15);
    *(word *)(tss + 36 + 8) = TOP;
    *(word *)(tss + 36 + 48) = TOP - 0x203;
    gate_ist(0x80, 2);
    hidden |= 1 << 2 | 1 << 16; /* SS on an IST: manuals differ */
    try_to("IST 2", C64("int 0x80"), handler);
    say("IST 2's SP below", TOP - ev.r.bx);
    gate_ist(0x80, 7);
    try_to("IST 7, not aligned", C64("int 0x80"), handler);
    say("IST 7's SP below", TOP - ev.r.bx);
    gate(V_GP, 0x8f, CODE, (word)handler->start);
    gate_ist(V_GP, 2);
    hidden |= 1 << 6 | 1 << 7;
    try_to("#GP with IST 2", C64("mov rax, 0x8000000000000000; mov eax, [rax]"), handler);
    say("#GP with IST 2's SP below", TOP - ev.r.bx);
    say("#GP with IST 2, what is at SP", *(word *)ev.r.bx);
    gates_reset();
    user();
    hidden = 1 << 3 | 1 << 4;
    in.flags = F_ARITH | F_DF | F_IF | F_AC | 2;
    gate(0x80, 0xee, CODE, (word)handler->start);
    try_to("from CPL3", C64("int 0x80"), handler);
    say("from CPL3, below RSP0", trap_stack_top - ev.r.bx);
    segment(FREE_SEL, 0, 0xfffff, 0x9f, 0xa); /* conforming */
    gate(0x80, 0xee, FREE_SEL, (word)handler->start);
    try_to("from CPL3 to a conforming segment", C64("int 0x80"), handler);
    say("conforming, SP below", in.sp - ev.r.bx);
    gates_reset();
}

int main(void)
{
    refused();
    double_faults();
    entered();
    return 0;
}
