/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XSETBV and XGETBV: which values XCR0 takes, when they are #UD, what CPUID shows (SDM volume 1, 13.2 and 13.3). */
#include "lib/sys.h"

static void xcr0(const char *s, uint64_t v)
{
    in.cx = 0;
    in.ax = (uint32_t)v;
    in.dx = v >> 32;
    try_(s, C64("xsetbv; xgetbv"));
    if (ev.vector == V_UD)
        field("v", (uint32_t)ev.r.ax | ev.r.dx << 32);
    end();
}

int main(void)
{
    uint32_t r[4];

    fresh();
    hidden = 0xffff;
    if (!HAS_XSAVE) {
        note("no xsave");
        return 0;
    }
    in.cx = in.dx = 0;
    in.ax = 1;
    cpuid(1, 0, r);
    say("OSXSAVE in CPUID, off", r[2] >> 27 & 1);
    try("xgetbv without OSXSAVE", C64("xgetbv"));
    try("xsetbv without OSXSAVE", C64("xsetbv"));
    try("xsave without OSXSAVE", C64("xsave [rsp - 0x800]"));
    wrcr4(rdcr4() | CR4_OSXSAVE);
    cpuid(1, 0, r);
    say("OSXSAVE in CPUID, on", r[2] >> 27 & 1);
    in.cx = 0;
    try_("xcr0 at reset", C64("xgetbv"));
    field("v", ev.r.ax | ev.r.dx << 32);
    end();
    xcr0("x87", 1);
    xcr0("x87, SSE", 3);
    xcr0("x87, SSE, AVX", 7);
    xcr0("nothing", 0);
    xcr0("SSE alone", 2);
    xcr0("AVX without SSE", 5);
    xcr0("bit 63", 0x8000000000000007);
    xcr0("bit 8", 0x107);
    xcr0("bit 4 without bit 3", 0x17);
    xcr0("bit 5 without 6 and 7", 0x27);
    cpuid(13, 0, r);
    uint64_t all = r[0] | (uint64_t)r[3] << 32;
    unsigned wrong = 0;
    for (unsigned i = 2; i < 63; i++) {
        const struct code *c = C64("xsetbv");
        uint64_t v = 3 | 1ULL << i;

        if ((i >= 3 && i <= 7) || (all >> i & 1))
            continue;
        in.ax = (uint32_t)v;
        in.dx = v >> 32;
        in.ip = (word)c->start;
        run_case();
        wrong += ev.vector != V_GP || ev.error;
    }
    say("bits that are not offered and taken", wrong);
    in.cx = 1;
    in.ax = 7;
    in.dx = 0;
    try("xsetbv of XCR1", C64("xsetbv"));
    in.cx = 2;
    try("xgetbv of XCR2", C64("xgetbv"));
    in.cx = 0;
    try("xsetbv with a 66h prefix", C64(".byte 0x66, 0x0f, 0x01, 0xd1"));
    user();
    hidden = 0xffff;
    in.cx = in.dx = 0;
    in.ax = 7;
    try("xsetbv at CPL3", C64("xsetbv"));
    try_("xgetbv at CPL3", C64("xgetbv"));
    field("v", ev.r.ax);
    end();
    /* AVX needs its bits; XSAVE its alignment. */
    fresh();
    hidden = 0xffff;
    in.cx = in.dx = 0;
    in.ax = 3;
    try("vaddps without AVX in XCR0", C64("xsetbv; vaddps ymm0, ymm1, ymm2"));
    in.ax = 7;
    try("vaddps", C64("xsetbv; vaddps ymm0, ymm1, ymm2"));
    in.di = 0x300000;
    try("xsave, not aligned", C64("xsave [rdi + 8]"));
    try("xrstor, not aligned", C64("xrstor [rdi + 32]"));
    memset((void *)0x300000, 0, 4096);
    try("xrstor of nothing", C64("xrstor [rdi]"));
    *(volatile uint64_t *)0x300200 = 1ULL << 62;
    try("xrstor of a bit not in XCR0", C64("xrstor [rdi]"));
    *(volatile uint64_t *)0x300200 = 0;
    *(volatile uint64_t *)0x300210 = 1;
    try("xrstor of a header with reserved bytes", C64("xrstor [rdi]"));
    *(volatile uint64_t *)0x300210 = 0;
    *(volatile uint64_t *)0x300200 = 2;
    *(volatile uint32_t *)0x300018 = 0xffff0000;
    try("xrstor of a wrong MXCSR", C64("xrstor [rdi]"));
    *(volatile uint32_t *)0x300018 = 0x1f80;
    wrcr0(rdcr0() | CR0_TS);
    try("xsave with TS", C64("xsave [rdi]"));
    try("xsetbv with TS", C64("xsetbv"));
    try("vaddps with TS", C64("vaddps ymm0, ymm1, ymm2"));
    wrcr0(rdcr0() & ~(word)CR0_TS);
    wrcr4(rdcr4() & ~(word)CR4_OSXSAVE);
    try("vaddps without OSXSAVE", C64("vaddps ymm0, ymm1, ymm2"));
    try("vaddps without OSXSAVE, then TS", C64("mov rax, cr0; or eax, 8; mov cr0, rax; vaddps ymm0, ymm1, ymm2"));
    wrcr0(rdcr0() & ~(word)CR0_TS);
    return 0;
}
