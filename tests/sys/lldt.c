/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LLDT and LTR, the LDT in use, SLDT and STR; ARPL in 32-bit guests (SDM volume 2). */
#include "lib/sys.h"

#if BITS == 64
#define C       C64
#define LARGEST ~0UL
#else
#define C       C32
#define LARGEST 0xffffffff
#endif

static uint64_t ldt[8] __attribute__((aligned(16)));

int main(void)
{
    unsigned sel = FREE_SEL;

    fresh();
    segment(sel, (uint32_t)(word)ldt, sizeof(ldt) - 1, 0x82, 0);
    gdt[(sel >> 3) + 1] = 0;
    ldt[1] = 0x00cf93000000ffff;
    in.ax = sel;
    try("lldt", C("lldt ax; sldt ebx"));
    in.cx = 0xc;
    try("segment of the LDT", C("mov ds, ecx"));
    in.cx = 0x4;
    try("first entry of the LDT", C("mov ds, ecx"));
    in.cx = 0x44;
    try("beyond the LDT", C("mov ds, ecx"));
    in.ax = 0;
    try("lldt of null", C("lldt ax; sldt ebx"));
    in.cx = 0xc;
    try("segment of no LDT", C("mov ds, ecx"));
    in.ax = sel | 4;
    try("lldt in the LDT", C("lldt ax"));
    in.ax = DATA;
    try("lldt of data", C("lldt ax"));
    in.ax = TSS;
    try("lldt of a TSS", C("lldt ax"));
    in.ax = 0xfff8;
    try("lldt beyond the GDT", C("lldt ax"));
    segment(sel, (uint32_t)(word)ldt, sizeof(ldt) - 1, 0x02, 0);
    in.ax = sel;
    try("lldt not present", C("lldt ax"));
    segment(sel, (uint32_t)(word)ldt, sizeof(ldt) - 1, 0x82, 0);
    in.ax = sel | 3;
    try("lldt, RPL 3", C("lldt ax; sldt ebx; xor eax, eax; lldt ax"));
    /* TR. */
    segment(TSS, (uint32_t)(word)tss, 103, 0x89, 0);
    in.ax = TSS;
    try("ltr", C("ltr ax; str ebx"));
    say("its type now", gdt[TSS >> 3] >> 40 & 0xff);
    try("ltr of a busy one", C("ltr ax"));
    in.ax = DATA;
    try("ltr of data", C("ltr ax"));
    in.ax = TSS | 4;
    try("ltr in the LDT", C("ltr ax"));
    in.ax = 0xfff8;
    try("ltr beyond the GDT", C("ltr ax"));
    segment(sel, (uint32_t)(word)tss, 103, 0x09, 0);
    in.ax = sel;
    try("ltr not present", C("ltr ax"));
    segment(sel, (uint32_t)(word)tss, 103, 0x82, 0);
    try("ltr of an LDT", C("ltr ax"));
    segment(sel, (uint32_t)(word)tss, 43, 0x81, 0);
#if BITS == 64
    try("ltr of a 16-bit TSS", C("ltr ax"));
#else
    try("ltr of a 16-bit TSS", C("ltr ax; str ebx"));
    segment(TSS, (uint32_t)(word)tss, 103, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(TSS));
#endif
    /* What they store. */
    in.ax = in.cx = LARGEST;
    try("sldt and str of 16 bits", C("sldt ax; str cx"));
    try("sldt and str", C("sldt eax; str ecx"));
#if BITS == 64
    try("sldt and str of 64 bits", C("sldt rax; str rcx"));
#endif
    *(volatile uint32_t *)0x300000 = 0xffffffff;
    in.di = 0x300000;
    try("str to memory", C(".byte 0x0f, 0x00, 0x0f"));
    say("memory", *(volatile uint32_t *)0x300000);
    user();
    try("lldt at CPL3", C("lldt ax"));
    try("ltr at CPL3", C("ltr ax"));
#if BITS == 32
    fresh();
    ok_flags = true;
    in.ax = 0x13;
    in.bx = 0x21;
    try("arpl raises", C32("arpl bx, ax"));
    in.bx = 0x23;
    try("arpl leaves", C32("arpl bx, ax"));
    in.flags = F_ARITH | 2;
    try("arpl leaves and clears ZF", C32("arpl bx, ax"));
    in.bx = 0x20;
    try("arpl raises, flags", C32("arpl bx, ax"));
    *(volatile uint16_t *)0x300000 = 0x40;
    in.di = 0x300000;
    try("arpl of memory", C32("arpl [edi], ax"));
    say("arpl, memory", *(volatile uint16_t *)0x300000);
    in.flags = 2;
    user();
    in.bx = 0x20;
    try("arpl at CPL3", C32("arpl bx, ax"));
#endif
    fresh();
    in.ax = 0;
    try("ltr of null", C("ltr ax"));
    return 0;
}
