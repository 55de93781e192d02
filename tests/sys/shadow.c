/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a pending interrupt is taken: STI's shadow, POPF, IRET, CR8, HLT; NMI by the local APIC, blocked until IRET (SDM
 * volume 3, 6.7, 6.8, 10.8). */
#include "lib/sys.h"

enum { ICR = 0x300, ICR2 = 0x310, EOI = 0xb0, SVR = 0xf0, TPR = 0x80, PPR = 0xa0, ID = 0x20, ISR = 0x100, IRR = 0x200 };
static volatile uint32_t *const apic = (volatile uint32_t *)0xfee00000UL;

static uint32_t reg(unsigned r)
{
    return apic[r / 4];
}

static void set(unsigned r, uint32_t v)
{
    apic[r / 4] = v;
}

static void self(unsigned vector)
{
    set(ICR, 0x44000 | vector);
    while (!(reg(IRR + (vector >> 5) * 16) >> (vector & 31) & 1))
        ;
}

/* A case with interrupt 51h pending. */
static void pending(const char *s, const struct code *code)
{
    self(0x51);
    try(s, code);
    if (ev.vector == 0x51) {
        set(EOI, 0);
    } else { /* take it now */
        word flags = in.flags;

        in.flags = F_IF | 2;
        in.ip = (word)C64("nop")->start;
        run_case();
        if (ev.vector != 0x51)
            fail("the interrupt is not pending any more");
        set(EOI, 0);
        in.flags = flags;
    }
}

static volatile unsigned nmis, depth, deepest, spins;
static bool again, breakpoint;

static void nmi(void)
{
    unsigned was;

    set(ICR2, reg(ID));
    was = nmis;
    set(ICR, 0x4400);
    for (unsigned i = 0; i < 100000 && nmis == was; i++)
        __asm__ volatile("pause");
}

/* On the stack of before, so that they nest. */
static bool on_nmi(struct frame *f, word *ip)
{
    nmis++;
    if (++depth > deepest)
        deepest = depth;
    if (again) {
        again = false;
        nmi(); /* stays pending */
        spins = nmis;
        if (breakpoint)
            __asm__ volatile("int3"); /* its IRET ends the blocking */
        spins = spins << 4 | nmis;
    }
    depth--;
    return true;
}

static bool on_breakpoint(struct frame *f, word *ip)
{
    return true;
}

int main(void)
{
    fresh();
    hidden = 1 << 4;
    set(SVR, 0x1ff);
    pending("cli", C64("nop; nop"));
    pending("sti", C64("sti; nop; nop"));
    pending("sti twice", C64("sti; sti; nop"));
    pending("sti, cli", C64("sti; cli; nop"));
    pending("sti, popfq that clears", C64("push 2; sti; popfq; nop"));
    pending("sti, pushfq", C64("sti; pushfq; nop"));
    pending("sti, hlt", C64("sti; hlt; nop"));
    pending("sti, jmp", C64("sti; jmp 1f; nop; 1: nop"));
    pending("sti, int3", C64("sti; int3"));
    pending("sti, ud2", C64("sti; ud2; nop"));
    pending("sti, rep stosb", C64("mov edi, 0x300000; mov ecx, 1; sti; rep stosb; nop"));
    pending("popfq", C64("push 0x202; popfq; nop"));
    pending("iretq", C64("mov rax, rsp; mov ecx, ss; push rcx; push rax; push 0x202; mov ecx, cs; push rcx; lea rax, "
                         "[rip + 1f]; push rax; mov eax, 1; "
                         "iretq; nop; 1: nop"));
    in.flags = F_IF | 2;
    pending("IF set before", C64("nop"));
    in.flags = 2;
    /* Priorities. */
    pending("cr8 of 5 holds it back", C64("mov eax, 5; mov cr8, rax; sti; nop; nop; cli; xor eax, eax; mov cr8, rax"));
    pending("cr8 of 4 does not", C64("mov eax, 4; mov cr8, rax; sti; nop; nop"));
    pending("cr8 released", C64("mov eax, 5; mov cr8, rax; sti; nop; xor eax, eax; mov cr8, rax; nop; nop"));
    in.ax = 9;
    try("cr8", C64("mov cr8, rax; mov rbx, cr8; mov ecx, 0xfee00080; mov edx, [rcx]; xor eax, eax; mov cr8, rax"));
    in.ax = 0x10;
    try("cr8 of 16", C64("mov cr8, rax"));
    set(TPR, 0x74);
    try("cr8 by the TPR", C64("mov rbx, cr8"));
    set(TPR, 0);
    self(0x51);
    self(0x61);
    in.flags = F_IF | 2;
    try("two, the higher first", C64("nop"));
    say("PPR in the service of 61h", reg(PPR));
    try("while in service", C64("nop; nop"));
    set(EOI, 0);
    try("after EOI", C64("nop"));
    set(EOI, 0);
    /* NMI. */
    in.flags = 2;
    handlers[V_NMI] = on_nmi;
    handlers[V_BP] = on_breakpoint;
    gate_ist(V_NMI, 0);
    gate_ist(V_BP, 0);
    nmi();
    say("NMIs with IF clear", nmis);
    again = true;
    nmi();
    say("NMIs with another in the handler", nmis);
    say("deepest", deepest);
    say("in the handler", spins);
    deepest = 0;
    again = breakpoint = true;
    nmi();
    say("NMIs with an IRET in the handler", nmis);
    say("deepest with IRET", deepest);
    say("in the handler with IRET", spins);
    handlers[V_NMI] = NULL;
    set(ICR2, reg(ID));
    in.ip = (word)C64("mov ecx, 0xfee00300; mov dword ptr [rcx], 0x4400; hlt; hlt")->start;
    run_case();
    say("the NMI ends HLT", ev.vector == V_NMI);
    return 0;
}
