/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSRs that are there if and only if CPUID says so, and ranges without any (SDM volume 4); upper halves of CR0, CR8 and
 * DR6, DR7. */
#include "lib/sys.h"

static const struct code *read;

static bool there(uint32_t n)
{
    in.cx = n;
    in.ip = (word)read->start;
    run_case();
    if (ev.vector != V_UD && ev.vector != V_GP)
        fail("another exception");
    return ev.vector == V_UD;
}

static void iff(const char *s, uint32_t n, bool told)
{
    name(s);
    print(there(n) == told ? " as CPUID says" : told ? " missing" : " not told");
    end();
}

static void none(const char *s, uint32_t from, uint32_t to)
{
    name(s);
    for (uint32_t n = from; n <= to; n++)
        if (there(n)) {
            print(" ");
            print_hex(n);
        }
    end();
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    read = C64("rdmsr");
    iff("TSC", 0x10, has(1, 3, 4));
    iff("APIC base", 0x1b, has(1, 3, 9));
    iff("TSC_ADJUST", 0x3b, has(7, 1, 1));
    iff("SPEC_CTRL", 0x48,
        has(7, 3, 26) || has(7, 3, 27) || has(7, 3, 31) || has(0x80000008, 1, 12) || has(0x80000008, 1, 14) ||
            has(0x80000008, 1, 15) || has(0x80000008, 1, 24));
    iff("MTRRcap", 0xfe, has(1, 3, 12));
    iff("ARCH_CAPABILITIES", 0x10a, has(7, 3, 29));
    iff("SYSENTER_CS", 0x174, has(1, 3, 11));
    iff("MCG_CAP", 0x179, has(1, 3, 14));
    iff("PAT", 0x277, has(1, 3, 16));
    iff("TSC deadline", 0x6e0, HAS_TSCDL);
    iff("x2APIC in xAPIC mode", 0x802, false);
    iff("XSS", 0xda0, ({
            uint32_t r[4];
            cpuid(0xd, 1, r);
            HAS_XSAVE &&r[0] >> 3 & 1;
        }));
    iff("EFER", 0xc0000080, has(0x80000001, 3, 29));
    iff("TSC_AUX", 0xc0000103, has(0x80000001, 3, 27) || has(7, 2, 22));
    iff("SGX", 0x8c, has(7, 1, 2));
    iff("VMX", 0x480, has(1, 2, 5));
    iff("CET", 0x6a0, has(7, 2, 7) || has(7, 3, 20));
    iff("PMC by the architecture", 0x38f, ({
            uint32_t r[4];
            cpuid(0xa, 0, r);
            (r[0] & 0xff) >= 2;
        }));
    none("20h to 29h", 0x20, 0x29);
    none("300h to 308h", 0x300, 0x308);
    none("610h to 69fh", 0x610, 0x69f);
    none("7f0h to 7ffh", 0x7f0, 0x7ff);
    none("900h to 9ffh", 0x900, 0x9ff);
    none("1000h to 10ffh", 0x1000, 0x10ff);
    none("40000200h to 4000021fh", 0x40000200, 0x4000021f);
    none("80000000h to 8000003fh", 0x80000000, 0x8000003f);
    none("c0000085h to c00000ffh", 0xc0000085, 0xc00000ff);
    none("c0000210h to c000027fh", 0xc0000210, 0xc000027f);
    none("ffffff00h to fffffffeh", 0xffffff00, 0xfffffffe);
    /* Upper halves. */
    in.ax = 1UL << 32;
    try("dr6, upper half", C64("mov dr6, rax"));
    try("dr7, upper half", C64("mov dr7, rax"));
    try("cr8, upper half", C64("mov cr8, rax"));
    in.ax = 0x8000000000000000;
    try("dr0, upper half", C64("mov dr0, rax; xor eax, eax; mov dr0, rax"));
    try("cr2, upper half", C64("mov cr2, rax"));
    in.ax = rdcr0() | 1UL << 32;
    try("cr0, upper half", C64("mov cr0, rax"));
    in.ax = rdcr4() | 1UL << 32;
    try("cr4, upper half", C64("mov cr4, rax"));
    return 0;
}
