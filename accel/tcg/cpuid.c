/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID: what the engine offers, and the instruction. Vector, x87 and a few other instructions are executed by the host
 * from their own bytes, so that a guest has those only where the host has them. Light code.
 */
#include "accel/tcg/sys.h"
#include <cpuid.h>

#define B(n) (1U << (n))

/* What the engine implements; `host`: the bits that the host must have too. */
static const struct {
    uint8_t word;
    uint32_t ours, host;
} offer[] = {
    /* fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush acpi mmx fxsr sse sse2 ss ht */
    {F_1_EDX, 0x1fcbfbff, B(0) | B(15) | B(23) | B(24) | B(25) | B(26)},
    /* pni pclmulqdq monitor ssse3 fma cx16 pcid sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave avx f16c
       rdrand hypervisor */
    {F_1_ECX, 0xf7fa320b, B(0) | B(1) | B(9) | B(12) | B(13) | B(19) | B(20) | B(23) | B(25) | B(26) | B(28) | B(29)},
    /* fsgsbase tsc-adjust bmi1 avx2 smep bmi2 erms invpcid rdseed adx smap clflushopt clwb sha-ni */
    {F_7_0_EBX, B(0) | B(1) | B(3) | B(5) | B(7) | B(8) | B(9) | B(10) | B(18) | B(19) | B(20) | B(23) | B(24) | B(29),
     B(3) | B(5) | B(8) | B(19) | B(29)},
    /* umip pku gfni vaes vpclmulqdq la57 rdpid */
    {F_7_0_ECX, B(2) | B(3) | B(8) | B(9) | B(10) | B(16) | B(22), B(8) | B(9) | B(10)},
    {F_7_0_EDX, B(4) | B(14), 0}, /* fsrm serialize */
    /* AMD's copies of leaf 1, syscall nx mmxext fxsr-opt pdpe1gb rdtscp lm */
    {F_8000_0001_EDX, 0x0183f3ff | B(11) | B(20) | B(22) | B(25) | B(26) | B(27) | B(29), 0},
    /* lahf-lm cmp-legacy abm 3dnowprefetch topoext */
    {F_8000_0001_ECX, B(0) | B(1) | B(5) | B(8) | B(22), B(5)},
    {F_8000_0007_EDX, B(8), B(8)},            /* invtsc */
    {F_8000_0008_EBX, B(0) | B(2) | B(9), 0}, /* clzero xsaveerptr wbnoinvd */
    {F_8000_0021_EAX, B(2) | B(6), 0},        /* lfence-always-serializing null-sel-clr-base */
    {F_XSAVE, B(0) | B(1) | B(2) | B(3), 0},  /* xsaveopt xsavec xgetbv1 xsaves */
    {F_6_EAX, B(2), 0},                       /* arat */
};

enum { ECX1_XSAVE = 1 << 26, ECX1_OSXSAVE = 1 << 27, ECX1_AVX = 1 << 28, EDX1_APIC = 1 << 9 };
enum { LEVEL = 0xd, SIGNATURE = 0x00060fb1 /* family 15, model 107, stepping 1 */, PHYS_BITS = 40 };
#define XLEVEL 0x80000008U

/* Where the host is a virtual machine itself each CPUID costs microseconds: asked once. */
static uint32_t host_cpuid(uint32_t leaf, uint32_t subleaf, CpuidReg reg)
{
    static __thread struct {
        uint32_t leaf, subleaf, r[4];
    } known[24];
    static __thread unsigned n;

    for (unsigned i = 0; i < n; i++) {
        if (known[i].leaf == leaf && known[i].subleaf == subleaf)
            return known[i].r[reg];
    }
    unsigned at = n < ARRAY_SIZE(known) ? n++ : 0;
    uint32_t *r = known[at].r;

    known[at].leaf = leaf;
    known[at].subleaf = subleaf;
    r[0] = r[1] = r[2] = r[3] = 0;
    if (__get_cpuid_max(leaf & 0x80000000, NULL) >= leaf)
        __cpuid_count(leaf, subleaf, r[0], r[1], r[2], r[3]);
    return r[reg];
}

static bool host_avx(void)
{
    uint32_t ecx = host_cpuid(1, 0, CPUID_ECX), eax, edx;

    if (!(ecx & ECX1_OSXSAVE) || !(ecx & ECX1_AVX))
        return false;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & 6) == 6;
}

static uint32_t offered(FeatureWord w)
{
    const FeatureWordInfo *i = &feature_words[w];

    for (unsigned n = 0; n < ARRAY_SIZE(offer); n++) {
        if (offer[n].word != w)
            continue;
        uint32_t bits = offer[n].ours & (~offer[n].host | host_cpuid(i->leaf, (uint32_t)MAX(i->subleaf, 0), i->reg));

        /* What has an encoding by VEX only, and what needs YMM state. */
        if (w == F_1_ECX && !host_avx())
            bits &= ~(B(12) | B(28) | B(29));
        if (w == F_7_0_EBX && !host_avx())
            bits &= ~B(5);
        if (w == F_7_0_ECX && !host_avx())
            bits &= ~(B(9) | B(10));
        if (w == F_XSAVE && !(host_cpuid(1, 0, CPUID_ECX) & ECX1_XSAVE))
            bits = 0;
        return bits;
    }
    return 0;
}

static uint32_t text_at(const char *s, unsigned len, unsigned at)
{
    uint32_t v = 0;

    for (unsigned n = 0; n < 4 && at + n < len; n++)
        v |= (uint32_t)(uint8_t)s[at + n] << n * 8;
    return v;
}

/* XSAVE components in the standard format: YMM, PKRU. */
static uint32_t xsave_component(uint32_t n, CpuidReg reg)
{
    if (n == 2 && host_avx())
        return reg == CPUID_EAX ? 256 : reg == CPUID_EBX ? 576 : 0;
    if (n == 9)
        return reg == CPUID_EAX ? 8 : reg == CPUID_EBX ? 2688 : 0;
    return 0;
}

uint32_t tcg_cpuid_supported(uint32_t leaf, uint32_t subleaf, CpuidReg reg)
{
    static const char vendor[] = "AuthcAMDenti", tcg[] = "TCGTCGTCGTCG", name[] = "QEMU TCG CPU version 2.5+";

    switch (leaf) {
    case 0:
        return reg == CPUID_EAX ? LEVEL : text_at(vendor, 12, (reg - 1) * 4);
    case 0x40000000:
        return reg == CPUID_EAX ? 0x40000001 : text_at(tcg, 12, (reg - 1) * 4);
    case 0x80000000:
        return reg == CPUID_EAX ? XLEVEL : 0;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        return text_at(name, sizeof(name), (leaf - 0x80000002) * 16 + reg * 4);
    case 1:
        if (reg == CPUID_EAX)
            return SIGNATURE;
        break;
    case 0x80000008:
        if (reg == CPUID_EAX)
            return PHYS_BITS;
        break;
    case 0xd:
        if (subleaf >= 2)
            return xsave_component(subleaf, reg);
        break;
    }
    for (unsigned w = 0; w < FEATURE_WORDS; w++) {
        const FeatureWordInfo *i = &feature_words[w];

        if (!i->msr && i->leaf == leaf && (i->subleaf < 0 || (uint32_t)i->subleaf == subleaf) && i->reg == reg)
            return offered(w);
    }
    return 0;
}

/* The instruction. */

static const CpuidEntry *find(const X86CPU *c, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned n = 0; n < c->n_cpuid; n++) {
        const CpuidEntry *e = &c->cpuid[n];

        if (e->leaf == leaf && (!(e->flags & 1) || e->subleaf == subleaf))
            return e;
    }
    return NULL;
}

static uint32_t xsave_size(const X86CPU *c, uint64_t components, bool compacted)
{
    uint32_t size = 576;

    for (unsigned n = 2; n < 32; n++) {
        const CpuidEntry *e = components >> n & 1 ? find(c, 0xd, n) : NULL;

        if (!e)
            continue;
        if (!compacted) {
            size = MAX(size, e->reg[CPUID_EAX] + e->reg[CPUID_EBX]);
        } else {
            if (e->reg[CPUID_ECX] & 2)
                size = (size + 63) & ~63U;
            size += e->reg[CPUID_EAX];
        }
    }
    return size;
}

/* What changes while the CPU runs. */
static void adjust(X86CPU *c, uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    if (leaf == 1) {
        if (c->cr4 & CR4_OSXSAVE)
            r[CPUID_ECX] |= ECX1_OSXSAVE;
        if (!(c->apic_base & 1 << 11))
            r[CPUID_EDX] &= ~(uint32_t)EDX1_APIC;
        if (!cpu_is_amd(c) && !(c->misc_enable & MISC_ENABLE_MONITOR))
            r[CPUID_ECX] &= ~B(3);
    } else if (leaf == 7 && subleaf == 0) {
        if (c->cr4 & CR4_PKE)
            r[CPUID_ECX] |= B(4);
    } else if (leaf == 0xd && subleaf == 0) {
        if (r[CPUID_EBX])
            r[CPUID_EBX] = xsave_size(c, c->xcr0, false);
    } else if (leaf == 0xd && subleaf == 1) {
        if (r[CPUID_EBX])
            r[CPUID_EBX] = xsave_size(c, c->xcr0 | c->xss, true);
    } else if (leaf == 0x80000001 && !cpu_is_amd(c) && !tcg_code64(c)) {
        r[CPUID_EDX] &= ~B(11); /* Intel: SYSCALL is seen in 64-bit code only */
    }
}

void tcg_cpuid(X86CPU *c, uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    const CpuConfig *f = &c->config;
    uint32_t limit = leaf >= 0xc0000000   ? f->xlevel2
                     : leaf >= 0x80000000 ? f->xlevel
                     : leaf >= 0x40000000 ? 0x40000001
                                          : f->level;
    const CpuidEntry *e;

    /* Beyond the highest leaf the highest basic one is shown (SDM volume 2, CPUID). */
    if (leaf > limit)
        leaf = f->level;
    e = find(c, leaf, subleaf);
    for (unsigned n = 0; n < 4; n++)
        r[n] = e ? e->reg[n] : 0;
    if (!e && (leaf == 0xb || leaf == 0x1f)) {
        r[CPUID_ECX] = subleaf & 255;
        r[CPUID_EDX] = c->apic_id;
    }
    if (e)
        adjust(c, leaf, subleaf, r);
}
