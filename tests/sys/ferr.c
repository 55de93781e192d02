/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 exceptions with CR0.NE clear (SDM volume 1, 8.7.2; appendix D): FERR# is interrupt line 13 of the second 8259, a
 * write to port F0h takes it down and makes IGNNE# active, until the exception is cleared.
 */
#include "lib/apic.h"

static volatile unsigned came13;
static bool clear; /* what the handler does: FNCLEX, or it works on with IGNNE# */
static uint16_t status;

static bool handler(struct frame *f, word *ip)
{
    came13++;
    outb(0xf0, 0);
    if (clear) {
        __asm__ volatile("fnstsw %0; fnclex" : "=m"(status));
    } else {
        uint16_t s;
        /* Waiting instructions run although the exception is pending. */
        __asm__ volatile("fld1; fstp %%st(0); fwait; fnstsw %0" : "=m"(s));
        status = s;
        __asm__ volatile("fnclex");
    }
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    return true;
}

static void pics(void)
{
    outb(0x20, 0x11);
    outb(0xa0, 0x11);
    outb(0x21, 0x20);
    outb(0xa1, 0x28);
    outb(0x21, 4);
    outb(0xa1, 2);
    outb(0x21, 1);
    outb(0xa1, 1);
    outb(0x21, 0xfb);
    outb(0xa1, 0xdf);
    apic_set(APIC_SVR, 0x1ff);
    apic_set(APIC_LINT0, 0x700); /* ExtINT */
}

static unsigned requested(void)
{
    outb(0xa0, 0x0a);
    return inb(0xa0) >> 5 & 1;
}

int main(void)
{

    pics();
    fresh();
    hidden = 0xffff;
    handlers[0x2d] = handler;
    try("with NE", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; fwait"));
    say("with NE, requested", requested());
    __asm__ volatile("fnclex");
    wrcr0(rdcr0() & ~(word)CR0_NE);
    /* The interrupt is taken before the waiting instruction goes on. */
    clear = true;
    in.flags = F_IF | 2;
    try("fwait", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; fwait; nop"));
    say("fwait, interrupts", came13);
    say("fwait, status then", status & 0x80ff);
    say("fwait, requested", requested());
    try("fld", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; fld1; nop"));
    say("fld, interrupts", came13);
    try("movq mm", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; movq mm0, rax; nop; emms"));
    say("movq mm, interrupts", came13);
    clear = false;
    try("with IGNNE#", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; fwait; nop"));
    say("with IGNNE#, interrupts", came13);
    say("with IGNNE#, status then", status & 0x80ff);
    /* IGNNE# goes when the exception is cleared. */
    clear = true;
    try("again", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; fwait; nop"));
    say("again, interrupts", came13);
    /* FERR# with IF clear: requested, the CPU would wait for the interrupt at the next waiting instruction. */
    in.flags = 2;
    try("not waiting", C64("fninit; push 0x33b; fldcw [rsp]; pop rax; fld1; fldz; fdivp; fnstsw ax; fnclex; nop"));
    say("not waiting, status", ev.r.ax & 0x80ff);
    /* An exception that is masked is none. */
    in.flags = F_IF | 2;
    came13 = 0;
    try("masked", C64("fninit; fld1; fldz; fdivp; fwait; nop"));
    say("masked, interrupts", came13);
    /* Unmasked later: it is one then. */
    try("unmasked later", C64("fninit; fld1; fldz; fdivp; push 0x33b; fldcw [rsp]; pop rax; fwait; nop"));
    say("unmasked later, interrupts", came13);
    wrcr0(rdcr0() | CR0_NE);
    return 0;
}
