/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes of control registers and EFER in 64-bit mode: reserved bits, what may not change there, what reads back (SDM
 * volume 3, 2.5, 4.1, 9.8). */
#include "lib/sys.h"

static const struct code *to_cr0, *to_cr3, *to_cr4;

/* cr0 of today, with bits flipped. */
static void cr0(const char *s, word flip)
{
    word was = rdcr0();

    in.ax = was ^ flip;
    in.cx = was;
    try_(s, to_cr0);
    if (ev.vector == V_UD)
        field("flipped", ev.r.bx ^ was);
    end();
}

static void cr4(const char *s, word flip)
{
    word was = rdcr4();

    in.ax = was ^ flip;
    in.cx = was;
    try_(s, to_cr4);
    if (ev.vector == V_UD)
        field("flipped", ev.r.bx ^ was);
    end();
}

static void efer(void)
{
    uint64_t was = rdmsr(MSR_EFER);
    uint32_t r[4];
    uint64_t offered = EFER_SCE;

    cpuid(0x80000001, 0, r);
    offered |= r[3] >> 20 & 1 ? EFER_NXE : 0;
    offered |= r[2] >> 2 & 1 ? 1 << 12 : 0;  /* SVME */
    offered |= r[3] >> 25 & 1 ? 1 << 14 : 0; /* FFXSR */
    in.cx = MSR_EFER;
    in.dx = was >> 32;
    in.ax = (uint32_t)was ^ EFER_LME;
    try("efer, LME off in long mode", C64("wrmsr"));
    uint64_t taken = 0, other = 0;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t v = was ^ 1ULL << i;

        if (i == 8 || i == 10 || i == 13 || i == 15 || i == 17 || i == 18 || i == 20 ||
            i == 21) /* LME, LMA; LMSLE, TCE and newer ones of AMD's */
            continue;
        in.ax = (uint32_t)v;
        in.dx = v >> 32;
        const struct code *c = C64("wrmsr; rdmsr");
        in.ip = (word)c->start;
        run_case();
        if (ev.vector == V_UD && ((ev.r.ax | ev.r.dx << 32) ^ was) == 1ULL << i)
            taken |= 1ULL << i;
        else if (ev.vector != V_GP)
            other |= 1ULL << i;
        wrmsr(MSR_EFER, was);
    }
    say("efer bits that change but are not offered", taken & ~offered);
    say("efer bits that are offered but do not change", offered & ~taken);
    say("efer bits that do neither that nor #GP", other);
}

int main(void)
{
    to_cr0 = C64("mov cr0, rax; mov rbx, cr0; mov cr0, rcx");
    to_cr3 = C64("mov rcx, cr3; mov cr3, rax; mov rbx, cr3; mov cr3, rcx");
    to_cr4 = C64("mov cr4, rax; mov rbx, cr4; mov cr4, rcx");
    no_user();
    fresh();
    hidden = 0xffff;
    cr0("cr0 WP", CR0_WP);
    cr0("cr0 MP, EM, TS", CR0_MP | CR0_EM | CR0_TS);
    cr0("cr0 AM", CR0_AM);
    cr0("cr0 NE", CR0_NE);
    cr0("cr0 ET", 0x10);
    cr0("cr0 CD", CR0_CD);
    cr0("cr0 CD and NW", CR0_CD | CR0_NW);
    cr0("cr0 NW without CD", CR0_NW);
    cr0("cr0 PG off in 64-bit mode", CR0_PG);
    cr0("cr0 PE off", CR0_PE);
    cr0("cr0 PE and PG off", CR0_PE | CR0_PG);
    cr0("cr0 bit 32", 1UL << 32);
    cr0("cr0 bit 63", 1UL << 63);
    in.ax = 0x12340000;
    try_("smsw and lmsw", C64("smsw rbx; mov eax, 0xe; lmsw ax; smsw ecx; clts; smsw edx; mov eax, 0xf; lmsw ax; smsw "
                              "esi; and ebx, 1; lmsw bx; clts; smsw di; "
                              "mov eax, 2; lmsw ax"));
    field("lmsw e", ev.r.cx & 0xf);
    field("clts", ev.r.dx & 0xf);
    field("lmsw f", ev.r.si & 0xf);
    end();
    /* CR3. */
    in.ax = rdcr3();
    try_("cr3 itself", to_cr3);
    field("changed", ev.r.bx ^ in.ax);
    end();
    in.ax = rdcr3() | 0x18;
    try_("cr3 PWT, PCD", to_cr3);
    field("changed", ev.r.bx ^ in.ax);
    end();
    in.ax = 0x8123456789abcdef;
    try_("cr2", C64("mov cr2, rax; mov rbx, cr2"));
    field("cr2", ev.r.bx);
    end();
    cr4("cr4 nothing", 0);
    efer();
    fresh();
    hidden = 0xffff;
    in.ax = rdcr0();
    try("cr0 by the mod field of memory", C64(".byte 0x0f, 0x20, 0x03"));
    try("cr0 with a 16-bit prefix", C64(".byte 0x66, 0x0f, 0x20, 0xc3"));
    try("cr1", C64(".byte 0x0f, 0x20, 0xc8"));
    try("cr5", C64(".byte 0x0f, 0x20, 0xe8"));
    try("cr9", C64(".byte 0x44, 0x0f, 0x20, 0xc8"));
    try("cr15", C64(".byte 0x44, 0x0f, 0x22, 0xf8"));
    return 0;
}
