/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine check architecture (SDM volume 3, 16.3): global registers and banks. No error comes here: what raises one
 * is a monitor's command (tests/boot/mce.py). */
#include "lib/sys.h"

static const struct code *write;

static void wr(const char *s, uint32_t n, uint64_t v)
{
    uint64_t was = rdmsr(n);

    in.cx = n;
    in.ax = (uint32_t)v;
    in.dx = v >> 32;
    try_(s, write);
    if (ev.vector == V_UD) {
        field("reads", rdmsr(n));
        wrmsr(n, was);
    }
    end();
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    write = C64("wrmsr");
    say("CPUID.MCE", has(1, 3, 7));
    say("CPUID.MCA", has(1, 3, 14));
    uint64_t cap = rdmsr(0x179);
    unsigned banks = cap & 0xff;
    say("banks", banks);
    say("MCG_CTL_P", cap >> 8 & 1);
    say("MCG_STATUS", rdmsr(0x17a));
    in.cx = 0x179;
    in.ax = in.dx = 0;
    try("MCG_CAP, written", write);
    wr("MCG_STATUS of MCIP", 0x17a, 4);
    wr("MCG_STATUS of RIPV, EIPV", 0x17a, 3);
    wr("MCG_STATUS of 0", 0x17a, 0);
    if (cap >> 8 & 1) {
        wr("MCG_CTL of 0", 0x17b, 0);
        wr("MCG_CTL of all", 0x17b, ~0ULL);
    }
    wr("MC0_CTL of 0", 0x400, 0);
    wr("MC0_CTL of all", 0x400, ~0ULL);
    wr("MC1_CTL of all", 0x404, ~0ULL);
    wr("MC1_STATUS of 0", 0x405, 0);
    wr("MC1_STATUS of VAL", 0x405, 1ULL << 63);
    wr("MC1_STATUS of 1", 0x405, 1);
    wr("MC1_ADDR of 0", 0x406, 0);
    wr("MC1_ADDR of 1", 0x406, 1);
    wr("MC1_MISC of 0", 0x407, 0);
    wr("MC1_MISC of 1", 0x407, 1);
    uint32_t last = 0x400 + 4 * banks - 4;
    name("the last bank");
    field("status", rdmsr(last + 1));
    end();
    in.cx = last + 4;
    try("a bank behind it, read", C64("rdmsr"));
    in.ax = in.dx = 0;
    try("a bank behind it, written", write);
    /* CR4.MCE. */
    word cr4 = rdcr4();
    wrcr4(cr4 | CR4_MCE);
    say("CR4.MCE", rdcr4() >> 6 & 1);
    /* Vector 18 as any other, by INT. */
    gate_ist(V_MC, 1);
    try("int 12h", C64("int 0x12"));
    wrcr4(cr4);
    user();
    hidden = 0xffff;
    in.cx = 0x179;
    try("at CPL3", C64("rdmsr"));
    return 0;
}
