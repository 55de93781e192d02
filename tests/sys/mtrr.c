/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MTRRs (SDM volume 3, 12.11) and the PAT (12.12): which MSRs are there, bits and types that WRMSR refuses. */
#include "lib/sys.h"

static const struct code *write, *read;
static unsigned width; /* MAXPHYADDR */

static bool wr(uint32_t n, uint64_t v)
{
    in.cx = n;
    in.ax = (uint32_t)v;
    in.dx = v >> 32;
    in.ip = (word)write->start;
    run_case();
    return ev.vector == V_UD;
}
static bool rd(uint32_t n)
{
    in.cx = n;
    in.ip = (word)read->start;
    run_case();
    return ev.vector == V_UD;
}

/* Bits that are refused on top of v, those from MAXPHYADDR on as one; what is taken reads back. */
static void bits(const char *s, uint32_t n, uint64_t v, uint64_t skip)
{
    uint64_t refused = 0, lost = 0, above = ~((1ULL << width) - 1), was = rdmsr(n);

    for (unsigned i = 0; i < 64; i++) {
        if (skip >> i & 1)
            continue;
        if (!wr(n, v ^ 1ULL << i))
            refused |= 1ULL << i;
        else if (rdmsr(n) != (v ^ 1ULL << i))
            lost |= 1ULL << i;
    }
    wrmsr(n, was);
    name(s);
    field("refused", refused & ~above);
    field("above MAXPHYADDR", (refused & above) == above ? 1 : refused & above ? 2 : 0);
    field("do not read back", lost);
    end();
}

static void types(const char *s, uint32_t n, unsigned shift, uint64_t rest, unsigned count)
{
    uint64_t was = rdmsr(n);

    name(s);
    for (unsigned t = 0; t < count; t++)
        if (wr(n, rest | (uint64_t)t << shift)) {
            print(" ");
            print_hex(t);
        }
    wrmsr(n, was);
    end();
}

int main(void)
{
    uint32_t r[4];

    fresh();
    hidden = 0xffff;
    write = C64("wrmsr");
    read = C64("rdmsr");
    cpuid(0x80000008, 0, r);
    width = r[0] & 0xff;
    say("CPUID, MTRR and PAT", has(1, 3, 12) && has(1, 3, 16));
    uint64_t cap = rdmsr(0xfe);
    say("variable ranges", cap & 0xff);
    say("fixed ranges", cap >> 8 & 1);
    say("write combining", cap >> 10 & 1);
    in.cx = 0xfe;
    in.ax = in.dx = 0;
    try("MTRRcap, written", C64("wrmsr"));
    say("default type at reset", rdmsr(0x2ff));
    bits("default type, bits", 0x2ff, 0, 0xff);
    types("default type, types", 0x2ff, 0, 0xc00, 16);
    bits("base 0, bits", 0x200, 0x40000000, 0xff);
    types("base 0, types", 0x200, 0, 0, 256);
    bits("mask 0, bits", 0x201, 0x40000000, 0);
    name("variable ranges that are there");
    for (uint32_t n = 0x200; n < 0x220; n++)
        if (rd(n)) {
            print(" ");
            print_hex(n);
        }
    end();
    name("fixed ranges that are there");
    for (uint32_t n = 0x250; n < 0x270; n++)
        if (rd(n)) {
            print(" ");
            print_hex(n);
        }
    end();
    say("a fixed range reads back", ({
            wrmsr(0x250, 0x0605040100040506);
            rdmsr(0x250);
        }));
    wrmsr(0x250, 0);
    name("fixed range, wrong types");
    for (unsigned i = 0; i < 8; i++)
        field("at", wr(0x26f, 7ULL << i * 8));
    end();
    say("the last is kept apart", ({
            wrmsr(0x26f, 0x0606060606060606);
            rdmsr(0x26e) | rdmsr(0x250) | rdmsr(0x258) | rdmsr(0x259);
        }));
    wrmsr(0x26f, 0);
    /* The PAT: any entry, any type that is none. */
    types("PAT 0, types", 0x277, 0, 0x0007040600070400, 256);
    types("PAT 7, types", 0x277, 56, 0x0007040600070406, 256);
    user();
    hidden = 0xffff;
    in.cx = 0x2ff;
    try("at CPL3", C64("rdmsr"));
    return 0;
}
