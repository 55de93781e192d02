/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCIDs (SDM volume 3, 4.10.1, volume 2, MOV to control registers) and INVPCID: what is refused, and that what has to
 * be invalidated is. Translations that may stay are not looked at. */
#include "lib/sys.h"

#define VA 0x18000000000UL
static word pa[2];
static const struct code *to_cr3, *to_cr4, *invpcid;

static void cr3(const char *s, uint64_t v)
{
    word was = rdcr3();

    in.ax = v;
    in.cx = was;
    try_(s, to_cr3);
    if (ev.vector == V_UD)
        field("is", ev.r.bx ^ was);
    end();
}

static void cr4(const char *s, word v)
{
    in.ax = v;
    try_(s, to_cr4);
    field("PCIDE", rdcr4() >> 17 & 1);
    end();
}

static void leaf(unsigned n, unsigned bits)
{
    *(volatile uint64_t *)pt_entry(1, VA) = pa[n] | PT_P | PT_W | bits;
}
static unsigned seen(void)
{
    return *(volatile uint32_t *)VA;
}

static void inv(const char *s, word type, uint64_t pcid, uint64_t address)
{
    static uint64_t descriptor[2] __attribute__((aligned(16)));

    descriptor[0] = pcid;
    descriptor[1] = address;
    in.ax = type;
    in.di = (word)descriptor;
    if (s)
        try(s, invpcid);
    else
        __asm__ volatile("invpcid (%1), %0" : : "r"(type), "r"(descriptor) : "memory");
}

/* The page changes with one of the translations in the TLB; what invalidates has to show the other. */
static void flushed(const char *s, unsigned how, unsigned bits)
{
    word cr3 = rdcr3();

    leaf(0, bits);
    invlpg(VA);
    name(s);
    field("first", seen());
    leaf(1, bits);
    switch (how) {
    case 0:
        wrcr3(cr3);
        break;
    case 1: /* away without a flush, back with one */
        wrcr3((cr3 ^ 1) | 1UL << 63);
        (void)seen();
        wrcr3(cr3);
        break;
    case 2:
        wrcr4(rdcr4() & ~(word)CR4_PCIDE);
        wrcr4(rdcr4() | CR4_PCIDE);
        break;
    case 3:
        wrcr4(rdcr4() ^ CR4_PGE);
        wrcr4(rdcr4() ^ CR4_PGE);
        break;
    case 4:
        invlpg(VA);
        break;
    case 5:
        inv(NULL, 0, cr3 & 0xfff, VA + 0x123);
        break;
    case 6:
        inv(NULL, 1, cr3 & 0xfff, 0);
        break;
    case 7:
        inv(NULL, 2, 0, 0);
        break;
    case 8:
        inv(NULL, 3, 0, 0);
        break;
    case 9: /* another's */
        wrcr3((cr3 ^ 1) | 1UL << 63);
        inv(NULL, 0, cr3 & 0xfff, VA);
        wrcr3(cr3 | 1UL << 63);
        break;
    case 10:
        wrcr3((cr3 ^ 1) | 1UL << 63);
        inv(NULL, 1, cr3 & 0xfff, 0);
        wrcr3(cr3 | 1UL << 63);
        break;
    case 11: /* all of them, while another is there */
    case 12:
        wrcr3((cr3 ^ 1) | 1UL << 63);
        inv(NULL, how == 11 ? 3 : 2, 0, 0);
        wrcr3(cr3 | 1UL << 63);
        break;
    case 13:
        wrcr3((cr3 ^ 1) | 1UL << 63);
        wrcr4(rdcr4() ^ CR4_PGE);
        wrcr4(rdcr4() ^ CR4_PGE);
        wrcr3(cr3 | 1UL << 63);
        break;
    case 14: /* through more of them than anybody keeps, and back with a flush */
        for (unsigned n = 0; n < 20; n++) {
            wrcr3(((cr3 & ~0xfffUL) | (0x100 + n)) | 1UL << 63);
            (void)seen();
        }
        wrcr3(cr3);
        break;
    }
    field("then", seen());
    end();
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    if (!HAS_PCID) {
        note("no PCID");
        return 0;
    }
    to_cr3 = C64("mov cr3, rax; mov rbx, cr3; mov cr3, rcx");
    to_cr4 = C64("mov cr4, rax");
    invpcid = C64("invpcid rax, [rdi]");
    pa[0] = new_page();
    pa[1] = new_page();
    *(volatile uint32_t *)pa[0] = 0x11;
    *(volatile uint32_t *)pa[1] = 0x22;
    leaf(0, 0);
    word root = rdcr3();
    cr3("bit 63 without PCIDE", root | 1UL << 63);
    cr3("low bits without PCIDE", root | 0xfff);
    wrcr3(root | 0x10);
    cr4("PCIDE with PCD in CR3", rdcr4() | CR4_PCIDE);
    wrcr3(root | 1);
    cr4("PCIDE with bit 0 in CR3", rdcr4() | CR4_PCIDE);
    wrcr3(root);
    inv("invpcid 0 without PCIDE, PCID 1", 0, 1, VA);
    inv("invpcid 1 without PCIDE, PCID 1", 1, 1, VA);
    inv("invpcid 0 without PCIDE, PCID 0", 0, 0, VA);
    inv("invpcid 1 without PCIDE, PCID 0", 1, 0, 0);
    cr4("PCIDE", rdcr4() | CR4_PCIDE);
    cr3("itself", root);
    cr3("PCID fffh", root | 0xfff);
    cr3("bit 63", root | 1UL << 63 | 0x123);
    cr3("bit 62", root | 1UL << 62);
    cr3("bit 52", root | 1UL << 52);
    in.ax = rdcr0() & ~CR0_PG;
    try("PG off with PCIDE, 64-bit", C64("mov cr0, rax"));
    in.cs = CODE32;
    in.dx = (uint32_t)rdcr0();
    in.ax = (uint32_t)(rdcr0() & ~CR0_PG);
    try("PG off with PCIDE, compatibility mode", C32("mov cr0, eax"));
    in.cs = CODE;
    wrcr3(root | 5);
    cr4("PCIDE off with PCID 5", rdcr4() & ~(word)CR4_PCIDE);
    say("and CR3 keeps it", rdcr3() ^ root);
    cr4("and not on again with it", rdcr4() | CR4_PCIDE);
    wrcr3(root);
    wrcr4(rdcr4() | CR4_PCIDE);
    wrcr3(root | 5);
    flushed("mov to cr3", 0, 0);
    flushed("mov to cr3, back and forth", 1, 0);
    wrcr3(root);
    flushed("CR4.PCIDE off and on", 2, 0);
    wrcr4(rdcr4() | CR4_PGE);
    wrcr3(root | 5);
    flushed("CR4.PGE changes, global page", 3, PT_G);
    flushed("invlpg, global page", 4, PT_G);
    if (!HAS_INVPCID) {
        note("no INVPCID");
        return 0;
    }
    flushed("flush by invpcid 0", 5, 0);
    flushed("flush by invpcid 1", 6, 0);
    flushed("flush by invpcid 2, global page", 7, PT_G);
    flushed("flush by invpcid 3", 8, 0);
    flushed("flush by invpcid 0 of another", 9, 0);
    flushed("flush by invpcid 1 of another", 10, 0);
    flushed("flush by invpcid 3 from another", 11, 0);
    flushed("flush by invpcid 2 from another", 12, PT_G);
    flushed("CR4.PGE changes under another", 13, 0);
    flushed("mov to cr3 after twenty others", 14, 0);
    inv("invpcid 0", 0, 5, VA);
    inv("invpcid 0, an address that is not canonical", 0, 5, 0x8000000000000000);
    inv("invpcid 1, an address that is not canonical", 1, 5, 0x8000000000000000);
    inv("invpcid 2, an address and a PCID", 2, 7, 0x8000000000000000);
    inv("invpcid 3, an address and a PCID", 3, 7, 0x8000000000000000);
    inv("invpcid 4", 4, 0, 0);
    inv("invpcid of all", ~0UL, 0, 0);
    inv("invpcid of type 2^32", 1UL << 32, 0, 0);
    inv("invpcid 0, PCID 1000h", 0, 0x1000, VA);
    inv("invpcid 1, PCID bit 63", 1, 1UL << 63, VA);
    inv("invpcid 2, bit 12", 2, 0x1000, 0);
    inv("invpcid 3, bit 63", 3, 1UL << 63, 0);
    in.di = VA - 0x1000;
    in.ax = 0;
    try("invpcid 0, not mapped", invpcid);
    in.di = VA + 0xff8;
    try("invpcid 0, its second half not mapped", invpcid);
    in.di = 0x8000000000000000;
    try("invpcid, its operand not canonical", C64("invpcid rax, [rdi]"));
    try("invpcid, its operand in the stack and not canonical", C64("mov rbp, rdi; invpcid rax, [rbp]"));
    try("invpcid of a register", C64(".byte 0x66, 0x0f, 0x38, 0x82, 0xc0"));
    try("invpcid without 66h", C64(".byte 0x0f, 0x38, 0x82, 0x07"));
    in.cs = CODE32;
    in.ax = 2;
    in.di = (word)pa[0];
    *(volatile uint64_t *)pa[0] = 0;
    try("invpcid in compatibility mode", C32("invpcid eax, [edi]"));
    user();
    hidden = 0xffff;
    in.ax = 4;
    in.di = 0x8000000000000000;
    try("invpcid at CPL3", C64("invpcid rax, [rdi]"));
    return 0;
}
