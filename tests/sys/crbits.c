/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 64-bit mode: CR3 and CR4 with reserved bits, CR4.PAE and LA57: #GP, and nothing is loaded (SDM volume 3, 4.1
 * and 4.5). What lets them through dies of it. */
#include "lib/sys.h"

static const struct code *to_cr4;

/* Bits of CR4 by CPUID, of those that may change in 64-bit mode. */
static word cr4_offered(void)
{
    word v = CR4_PCE;

    v |= has(1, 3, 1) ? CR4_VME | CR4_PVI : 0;
    v |= has(1, 3, 4) ? CR4_TSD : 0;
    v |= has(1, 3, 2) ? CR4_DE : 0;
    v |= has(1, 3, 3) ? CR4_PSE : 0;
    v |= has(1, 3, 7) ? CR4_MCE : 0;
    v |= has(1, 3, 13) ? CR4_PGE : 0;
    v |= has(1, 3, 24) ? CR4_OSFXSR : 0;
    v |= has(1, 3, 25) ? CR4_OSXMMEXCPT : 0;
    v |= HAS_UMIP ? CR4_UMIP : 0;
    v |= has(1, 2, 5) ? 1 << 13 : 0;
    v |= has(1, 2, 6) ? 1 << 14 : 0;
    v |= has(7, 1, 0) ? CR4_FSGSBASE : 0;
    v |= HAS_PCID ? CR4_PCIDE : 0;
    v |= HAS_XSAVE ? CR4_OSXSAVE : 0;
    v |= has(7, 2, 23) ? 1 << 19 : 0;
    v |= HAS_SMEP ? CR4_SMEP : 0;
    v |= HAS_SMAP ? CR4_SMAP : 0;
    v |= HAS_PKU ? CR4_PKE : 0;
    v |= has(7, 2, 31) ? 1 << 24 : 0;
    return v;
}

static void cr4_bits(void)
{
    word taken = 0, other = 0;

    for (unsigned i = 0; i < 64; i++) {
        word was = rdcr4();

        if (i == 5 || i == 12 || i == 23) /* PAE, LA57, CET */
            continue;
        in.ax = was ^ 1UL << i;
        in.cx = was;
        in.ip = (word)to_cr4->start;
        run_case();
        if (ev.vector == V_UD && (ev.r.bx ^ was) == 1UL << i)
            taken |= 1UL << i;
        else if (ev.vector != V_GP || ev.error || ev.r.ip != (word)to_cr4->start)
            other |= 1UL << i;
    }
    say("cr4 bits that change but are not offered", taken & ~cr4_offered());
    say("cr4 bits that are offered but do not change", cr4_offered() & ~taken);
    say("cr4 bits that do neither that nor #GP", other);
}

int main(void)
{
    uint32_t r[4];
    const struct code *c = C64("mov rcx, cr3; mov cr3, rax; mov rbx, cr3; mov cr3, rcx");
    word was = rdcr3();

    no_user();
    cpuid(0x80000008, 0, r);
    fresh();
    hidden = 0xffff;
    in.ax = was | 1UL << (r[0] & 0xff);
    try("bit of MAXPHYADDR", c);
    in.ax = was | 1UL << 51;
    try("bit 51", c);
    in.ax = was | 1UL << 60;
    try("bit 60", c);
    in.ax = was | 1UL << 63;
    try("bit 63", c);
    say("changed", was ^ rdcr3());
    c = C64("mov cr4, rax; mov cr4, rcx");
    in.cx = rdcr4();
    in.ax = in.cx & ~(word)CR4_PAE;
    try("cr4 PAE off", c);
    in.ax = in.cx ^ CR4_LA57;
    try("cr4 LA57", c);
    in.ax = in.cx ^ 1UL << 23;
    try("cr4 CET without WP", c);
    to_cr4 = C64("mov cr4, rax; mov rbx, cr4; mov cr4, rcx");
    cr4_bits();
    return 0;
}
