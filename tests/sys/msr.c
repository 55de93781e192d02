/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Architectural MSRs: what reads back, #GP for reserved bits, addresses that are not canonical, and MSRs that do not
 * exist (SDM volume 4, table 2-2). */
#include "lib/sys.h"

static const struct code *write;

/* Writes v and reads it back; restores. */
static void msr(const char *s, uint32_t n, uint64_t v)
{
    uint64_t was = rdmsr(n);

    in.cx = n;
    in.ax = (uint32_t)v;
    in.dx = v >> 32;
    in.bx = 0;
    try_(s, write);
    if (ev.vector == V_UD) {
        field("v", (uint32_t)ev.r.ax | ev.r.dx << 32);
        wrmsr(n, was);
    }
    end();
}

static void absent(const char *s, uint32_t n)
{
    static char text[64];
    unsigned i = 0;

    for (; s[i]; i++)
        text[i] = s[i];
    text[i] = 0;
    in.cx = n;
    in.ax = in.dx = 0;
    memcpy(text + i, ", read", 7);
    try(text, C64("rdmsr"));
    memcpy(text + i, ", write", 8);
    try(text, C64("wrmsr"));
}

/* Bases are checked for the widest addresses that the processor has, whatever CR4.LA57 says. */
int main(void)
{
    write = C64("wrmsr; rdmsr");
    fresh();
    hidden = 0xffff;
    absent("msr 0x12345678", 0x12345678);
    absent("msr 0xc0001234", 0xc0001234);
    absent("msr 3", 3);
    absent("msr 0x6ff", 0x6ff);
    absent("x2APIC register in xAPIC mode", 0x802);
    hidden = 0;
    in.ax = in.dx = ~0UL;
    in.cx = 0xffffffff00000000 | MSR_EFER;
    try("upper halves of RAX and RDX", C64("rdmsr; xor eax, eax"));
    hidden = 0xffff;
    msr("star", 0xc0000081, 0x123456789abcdef0);
    msr("lstar", 0xc0000082, 0xffff812345678900);
    msr("lstar, not canonical", 0xc0000082, 0x8000000000000000);
    msr("lstar, just not canonical", 0xc0000082, 0x0100000000000000);
    msr("cstar", 0xc0000083, 0x00007fffffffffff);
    msr("cstar, not canonical", 0xc0000083, 0x4000000000000000);
    msr("sfmask", 0xc0000084, 0xffffffff);
    msr("fs base", 0xc0000100, 0xffff800000000000);
    msr("fs base, not canonical", 0xc0000100, 0xfe80000000000000);
    msr("gs base", 0xc0000101, 0x1234);
    msr("gs base, not canonical", 0xc0000101, 0x8000000000000000);
    msr("kernel gs base", 0xc0000102, 0xffffffffffffffff);
    msr("kernel gs base, not canonical", 0xc0000102, 0x8000000000000000);
    if (has(0x80000001, 3, 27)) {
        msr("tsc aux", 0xc0000103, 0xffffffff);
    } else {
        note("no tsc aux");
    }
    msr("sysenter cs", 0x174, 0x1234);
    msr("sysenter esp", 0x175, 0x12345678);
    msr("sysenter eip", 0x176, 0x9abcdef0);
    /* PAT. */
    msr("pat", 0x277, 0x0001040506070600);
    msr("pat of type 2", 0x277, 0x0002040506070600);
    msr("pat of type 3", 0x277, 0x0000000000000003);
    msr("pat of type 8", 0x277, 0x0800000000000000);
    say("pat at reset", rdmsr(0x277));
    /* The APIC's base: of this processor, in xAPIC mode; the address stays. */
    say("apic base", rdmsr(0x1b) & ~0xc00ULL);
    msr("apic base bit 0", 0x1b, rdmsr(0x1b) | 1);
    msr("apic base bit 9", 0x1b, rdmsr(0x1b) | 0x200);
    msr("apic base above MAXPHYADDR", 0x1b, rdmsr(0x1b) | 1ULL << 60);
    /* Swapping. */
    in.ax = in.dx = 0;
    wrmsr(0xc0000102, 0x2222);
    in.ax = 0x1111; /* in the case: loading GS may have cleared the base */
    in.cx = 0xc0000101;
    try_("swapgs", C64("wrmsr; swapgs; rdmsr"));
    field("gs base", ev.r.ax);
    field("kernel gs base", rdmsr(0xc0000102));
    end();
    wrmsr(0xc0000101, 0);
    if (has(7, 1, 0)) {
        in.ax = 0x8000000000000000;
        try("wrfsbase without FSGSBASE", C64("wrfsbase rax"));
        wrcr4(rdcr4() | CR4_FSGSBASE);
        try("wrfsbase, not canonical", C64("wrfsbase rax"));
        try("wrfsbase of 32 bits", C64("wrfsbase eax"));
        in.ax = 0xffff812345678900;
        try_("wrgsbase", C64("wrgsbase rax; rdgsbase rbx; rdgsbase ecx"));
        field("64", ev.r.bx);
        field("32", ev.r.cx);
        end();
        user();
        hidden = 0xffff;
        try("rdfsbase at CPL3", C64("rdfsbase rax"));
        wrcr4(rdcr4() & ~(word)CR4_FSGSBASE);
        try("rdfsbase at CPL3 without FSGSBASE", C64("rdfsbase rax"));
    }
    return 0;
}
