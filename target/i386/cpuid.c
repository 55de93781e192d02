/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU's CPUID table from its configuration (SDM volume 2, CPUID; APM volume 3, appendix E). The order of entries is
 * by leaf. What changes at run time (OSXSAVE, APIC, the size in leaf 0xd) the accelerator keeps up to date.
 */
#include "accel/accel.h"
#include "hw/core/machine.h"
#include "target/i386/cpu.h"

#define SUBLEAF_MATTERS 1 /* CpuidEntry.flags */
#define ENTRIES_MAX     160

enum { EDX1_HTT = 1 << 28, ECX1_XSAVE = 1 << 26 };
enum { ECX8_CMP_LEGACY = 1 << 1, ECX8_SVM = 1 << 2, ECX8_TOPOEXT = 1 << 22, EDX8_LM = 1 << 29, ECX7_LA57 = 1 << 16 };

static bool vendor_is(const X86CPU *c, const char *v)
{
    return c->config.vendor && !strcmp(c->config.vendor, v);
}

static bool is_amd(const X86CPU *c)
{
    return vendor_is(c, "AuthenticAMD") || vendor_is(c, "HygonGenuine");
}

static CpuidEntry *add(X86CPU *c, uint32_t leaf, int subleaf, uint32_t a, uint32_t b, uint32_t cx, uint32_t d)
{
    assert(c->n_cpuid < ENTRIES_MAX);
    CpuidEntry *e = &c->cpuid[c->n_cpuid++];

    *e = (CpuidEntry){
        .leaf = leaf, .subleaf = MAX(subleaf, 0), .flags = subleaf >= 0 ? SUBLEAF_MATTERS : 0, .reg = {a, b, cx, d}};
    return e;
}

static uint32_t host(uint32_t leaf, uint32_t subleaf, CpuidReg reg)
{
    return accel && accel->cpuid_supported ? accel->cpuid_supported(leaf, subleaf, reg) : 0;
}

static void add_host(X86CPU *c, uint32_t leaf, int subleaf)
{
    unsigned s = MAX(subleaf, 0);

    add(c, leaf, subleaf, host(leaf, s, CPUID_EAX), host(leaf, s, CPUID_EBX), host(leaf, s, CPUID_ECX),
        host(leaf, s, CPUID_EDX));
}

static uint32_t word_at(const char *s, size_t i)
{
    char buf[4] = {0};
    size_t n = strlen(s);

    if (i < n)
        memcpy(buf, s + i, MIN(n - i, 4));
    return ldl_le(buf);
}

static unsigned width(unsigned count)
{
    unsigned w = 0;

    while (BIT32(w) < count)
        w++;
    return w;
}

typedef struct Topology {
    unsigned dies, cores, threads;             /* cores of a die, threads of a core */
    unsigned core_shift, die_shift, pkg_shift; /* where the field begins in an APIC id */
    unsigned per_package;
} Topology;

static Topology topology(void)
{
    const SmpConfig *s = &machine->smp;
    Topology t = {
        .dies = MAX(s->dies, 1U), .cores = MAX(s->cores, 1U) * MAX(s->clusters, 1U), .threads = MAX(s->threads, 1U)};

    t.core_shift = width(t.threads);
    t.die_shift = t.core_shift + width(t.cores);
    t.pkg_shift = t.die_shift + width(t.dies);
    t.per_package = t.dies * t.cores * t.threads;
    return t;
}

void cpu_topology_ids(X86CPU *c, unsigned index)
{
    Topology t = topology();

    c->thread_id = index % t.threads;
    c->core_id = index / t.threads % t.cores;
    c->die_id = index / (t.threads * t.cores) % t.dies;
    c->socket_id = index / t.per_package;
    c->apic_id = (uint32_t)c->socket_id << t.pkg_shift | (uint32_t)c->die_id << t.die_shift |
                 (uint32_t)c->core_id << t.core_shift | c->thread_id;
}

/* The caches of models without their own. */
static const CpuCacheInfo legacy_intel[CPU_CACHES] = {
    [CACHE_L1D] = {.level = 1,
                   .type = 1,
                   .ways = 8,
                   .line = 64,
                   .partitions = 1,
                   .sets = 64,
                   .self_init = true,
                   .no_invd_sharing = true},
    [CACHE_L1I] = {.level = 1,
                   .type = 2,
                   .ways = 8,
                   .line = 64,
                   .partitions = 1,
                   .sets = 64,
                   .self_init = true,
                   .no_invd_sharing = true},
    [CACHE_L2] = {.level = 2,
                  .type = 3,
                  .ways = 16,
                  .line = 64,
                  .partitions = 1,
                  .sets = 4096,
                  .self_init = true,
                  .no_invd_sharing = true},
    [CACHE_L3] = {.level = 3,
                  .type = 3,
                  .ways = 16,
                  .line = 64,
                  .partitions = 1,
                  .sets = 16384,
                  .self_init = true,
                  .inclusive = true,
                  .complex_index = true},
};

static const CpuCacheInfo legacy_amd[CPU_CACHES] = {
    [CACHE_L1D] = {.level = 1,
                   .type = 1,
                   .ways = 2,
                   .line = 64,
                   .partitions = 1,
                   .sets = 512,
                   .self_init = true,
                   .no_invd_sharing = true},
    [CACHE_L1I] = {.level = 1,
                   .type = 2,
                   .ways = 2,
                   .line = 64,
                   .partitions = 1,
                   .sets = 512,
                   .self_init = true,
                   .no_invd_sharing = true},
    [CACHE_L2] = {.level = 2, .type = 3, .ways = 16, .line = 64, .partitions = 1, .sets = 512},
    [CACHE_L3] = {.level = 3,
                  .type = 3,
                  .ways = 16,
                  .line = 64,
                  .partitions = 1,
                  .sets = 16384,
                  .self_init = true,
                  .inclusive = true,
                  .complex_index = true},
};

static const CpuCacheInfo *model_caches(const X86CPU *c)
{
    return c->model->caches && !c->config.legacy_cache ? c->model->caches : NULL;
}

static const CpuCacheInfo *caches(const X86CPU *c, bool amd_view)
{
    const CpuCacheInfo *own = model_caches(c);

    return own ? own : amd_view ? legacy_amd : legacy_intel;
}

static uint32_t cache_kib(const CpuCacheInfo *i)
{
    return i->ways * i->line * i->partitions * i->sets / 1024;
}

/* Leaf 4 and 0x8000001d share EBX to EDX. */
static void add_cache(X86CPU *c, uint32_t leaf, int n, const CpuCacheInfo *i, unsigned sharing, unsigned cores_field)
{
    add(c, leaf, n, i->type | i->level << 5 | (i->self_init ? 1 << 8 : 0) | (sharing - 1) << 14 | cores_field << 26,
        (i->line - 1U) | (i->partitions - 1U) << 12 | (i->ways - 1U) << 22, i->sets - 1,
        (i->no_invd_sharing ? 1 : 0) | (i->inclusive ? 2 : 0) | (i->complex_index ? 4 : 0));
}

static void leaf_2_and_4(X86CPU *c, const Topology *t)
{
    const CpuConfig *f = &c->config;
    const CpuCacheInfo *k = caches(c, false);

    if (f->vendor_cpuid_only && is_amd(c)) {
        if (f->level >= 2)
            add(c, 2, -1, 0, 0, 0, 0);
        if (f->level >= 4)
            add(c, 4, 0, 0, 0, 0, 0);
        return;
    }
    if (f->host_cache_info) {
        add_host(c, 2, -1);
        for (int n = 0; f->level >= 4 && host(4, n, CPUID_EAX) & 31 && n < 16; n++)
            add_host(c, 4, n);
        return;
    }
    /* Descriptors: L1d 32 KiB 8-way 0x2c, L1i 32 KiB 8-way 0x30, L2 2 MiB 8-way 0x7d, L3 16 MiB 16-way 0x4d; 0xff: see
     * leaf 4. */
    if (f->level >= 2) {
        if (model_caches(c))
            add(c, 2, -1, 1, 0, f->l3_cache ? 0xff : 0, 0x2c0000 | 0xff00 | 0xff);
        else
            add(c, 2, -1, 1, 0, f->l3_cache ? 0x4d : 0, 0x2c << 16 | 0x30 << 8 | 0x7d);
    }
    if (f->level < 4)
        return;
    unsigned cores = (t->cores * t->dies) - 1;

    add_cache(c, 4, 0, &k[CACHE_L1D], t->threads, cores);
    add_cache(c, 4, 1, &k[CACHE_L1I], t->threads, cores);
    add_cache(c, 4, 2, &k[CACHE_L2], t->threads, cores);
    if (f->l3_cache)
        add_cache(c, 4, 3, &k[CACHE_L3], BIT32(t->die_shift), cores);
    add(c, 4, f->l3_cache ? 4 : 3, 0, 0, 0, 0);
}

static void leaf_topology(X86CPU *c, const Topology *t)
{
    const CpuConfig *f = &c->config;

    if (f->level >= 0xb) {
        if (f->cpuid_0xb) {
            add(c, 0xb, 0, t->core_shift, t->threads, 1 << 8 | 0, c->apic_id);
            add(c, 0xb, 1, t->pkg_shift, t->per_package, 2 << 8 | 1, c->apic_id);
            add(c, 0xb, 2, 0, 0, 2, c->apic_id);
        } else {
            add(c, 0xb, 0, 0, 0, 0, 0);
        }
    }
}

static void leaf_1f(X86CPU *c, const Topology *t)
{
    if (c->config.level < 0x1f)
        return;
    if (t->dies < 2) {
        add(c, 0x1f, 0, 0, 0, 0, 0);
        return;
    }
    add(c, 0x1f, 0, t->core_shift, t->threads, 1 << 8 | 0, c->apic_id);
    add(c, 0x1f, 1, t->die_shift, t->cores * t->threads, 2 << 8 | 1, c->apic_id);
    add(c, 0x1f, 2, t->pkg_shift, t->per_package, 5 << 8 | 2, c->apic_id);
    add(c, 0x1f, 3, 0, 0, 3, c->apic_id);
}

/* XSAVE components: by which feature they come, and their place where there is no host to ask. */
static const struct XsaveComponent {
    uint8_t bit;
    FeatureWord word;
    uint32_t feature;
    uint32_t size, offset;
} components[] = {
    {2, F_1_ECX, 1U << 28, 256, 576},   {3, F_7_0_EBX, 1U << 14, 64, 960},   {4, F_7_0_EBX, 1U << 14, 64, 1024},
    {5, F_7_0_EBX, 1U << 16, 64, 1088}, {6, F_7_0_EBX, 1U << 16, 512, 1152}, {7, F_7_0_EBX, 1U << 16, 1024, 1664},
    {9, F_7_0_ECX, 1U << 3, 8, 2688},   {17, F_7_0_EDX, 1U << 24, 64, 2752}, {18, F_7_0_EDX, 1U << 24, 8192, 2816},
};

static void leaf_xsave(X86CPU *c)
{
    const CpuConfig *f = &c->config;
    uint32_t xcr0 = 3, size = 576, total = 576;

    /* An absent leaf reads zero. */
    if (f->level < 0xd || !(f->features[F_1_ECX] & ECX1_XSAVE))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(components); i++) {
        const struct XsaveComponent *x = &components[i];
        uint32_t s = host(0xd, x->bit, CPUID_EAX), o = host(0xd, x->bit, CPUID_EBX);

        if (!(f->features[x->word] & x->feature) || (accel && accel->cpuid_supported && !s))
            continue;
        xcr0 |= BIT32(x->bit);
        size = (s ? s : x->size) + (s ? o : x->offset);
        total = MAX(total, size);
    }
    add(c, 0xd, 0, xcr0, 576, total, 0);
    add(c, 0xd, 1, f->features[F_XSAVE], f->features[F_XSAVE] & 0xa ? total : 0, 0, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(components); i++) {
        const struct XsaveComponent *x = &components[i];
        uint32_t s = host(0xd, x->bit, CPUID_EAX);

        if (xcr0 & BIT32(x->bit))
            add(c, 0xd, x->bit, s ? s : x->size, s ? host(0xd, x->bit, CPUID_EBX) : x->offset,
                s ? host(0xd, x->bit, CPUID_ECX) & 2 : 0, 0);
    }
}

static void leaves_kvm(X86CPU *c)
{
    const CpuConfig *f = &c->config;

    if (!f->kvm || !cpu_accel_is_kvm())
        return;
    add(c, 0x40000000, -1, 0x40000001, word_at("KVMKVMKVM", 0), word_at("KVMKVMKVM", 4), word_at("KVMKVMKVM", 8));
    add(c, 0x40000001, -1, f->features[F_KVM], 0, 0, f->features[F_KVM_HINTS]);
}

/* The engine's name, in the leaves where hypervisors tell theirs. */
static void leaves_tcg(X86CPU *c)
{
    if (!c->config.tcg_cpuid || cpu_accel_is_kvm() || !host(0x40000000, 0, CPUID_EAX))
        return;
    add_host(c, 0x40000000, -1);
    add(c, 0x40000001, -1, 0, 0, 0, 0);
}

/* APM volume 3, table E-4: associativity codes of leaf 0x80000006. */
static uint32_t amd_assoc(unsigned ways)
{
    switch (ways) {
    case 2:
        return 2;
    case 4:
        return 4;
    case 8:
        return 6;
    case 16:
        return 8;
    case 32:
        return 10;
    case 48:
        return 11;
    case 64:
        return 12;
    case 96:
        return 13;
    case 128:
        return 14;
    default:
        return ways;
    }
}

static void leaves_amd_cache(X86CPU *c)
{
    const CpuConfig *f = &c->config;
    const CpuCacheInfo *k = caches(c, true);

    if (f->host_cache_info) {
        add_host(c, 0x80000005, -1);
        add_host(c, 0x80000006, -1);
        return;
    }
    if (f->vendor_cpuid_only && vendor_is(c, "GenuineIntel")) {
        if (f->xlevel >= 0x80000005)
            add(c, 0x80000005, -1, 0, 0, 0, 0);
        if (f->xlevel >= 0x80000006)
            add(c, 0x80000006, -1, 0, 0, 0, 0);
        return;
    }
    /* TLBs: fully associative, 255 entries of instructions and data each, level 2 with 512 of 4 KiB pages, 4-way. */
    if (f->xlevel >= 0x80000005)
        add(c, 0x80000005, -1, 0x01ff01ff, 0x01ff01ff,
            cache_kib(&k[CACHE_L1D]) << 24 | k[CACHE_L1D].ways << 16 | 1U << 8 | k[CACHE_L1D].line,
            cache_kib(&k[CACHE_L1I]) << 24 | k[CACHE_L1I].ways << 16 | 1U << 8 | k[CACHE_L1I].line);
    if (f->xlevel >= 0x80000006)
        add(c, 0x80000006, -1, 0, 0x42004200,
            cache_kib(&k[CACHE_L2]) << 16 | amd_assoc(k[CACHE_L2].ways) << 12 | 1U << 8 | k[CACHE_L2].line,
            f->l3_cache
                ? cache_kib(&k[CACHE_L3]) / 512 << 18 | amd_assoc(k[CACHE_L3].ways) << 12 | 1U << 8 | k[CACHE_L3].line
                : 0);
}

static void leaves_amd_topology(X86CPU *c, const Topology *t)
{
    const CpuConfig *f = &c->config;
    const CpuCacheInfo *k = caches(c, true);

    if (f->xlevel >= 0x8000001d) {
        if (f->host_cache_info) {
            for (int n = 0; host(0x8000001d, n, CPUID_EAX) & 31 && n < 16; n++)
                add_host(c, 0x8000001d, n);
        } else {
            add_cache(c, 0x8000001d, 0, &k[CACHE_L1D], t->threads, 0);
            add_cache(c, 0x8000001d, 1, &k[CACHE_L1I], t->threads, 0);
            add_cache(c, 0x8000001d, 2, &k[CACHE_L2], t->threads, 0);
            add_cache(c, 0x8000001d, 3, &k[CACHE_L3], t->cores * t->threads, 0);
            add(c, 0x8000001d, 4, 0, 0, 0, 0);
        }
    }
    if (f->xlevel >= 0x8000001e) {
        if (c->core_id <= 255 && f->features[F_8000_0001_ECX] & ECX8_TOPOEXT)
            add(c, 0x8000001e, -1, c->apic_id, (t->threads - 1) << 8 | c->core_id,
                (t->dies - 1) << 8 | (uint32_t)(c->die_id | c->socket_id << width(t->dies)), 0);
        else
            add(c, 0x8000001e, -1, 0, 0, 0, 0);
    }
}

static void leaves_extended(X86CPU *c, const Topology *t)
{
    const CpuConfig *f = &c->config;
    uint32_t ecx1 = f->features[F_8000_0001_ECX], edx1 = f->features[F_8000_0001_EDX];
    uint32_t v[3] = {word_at(f->vendor, 0), word_at(f->vendor, 4), word_at(f->vendor, 8)};

    if (f->xlevel < 0x80000000)
        return;
    add(c, 0x80000000, -1, f->xlevel, v[0], v[2], v[1]);
    if (f->xlevel >= 0x80000001) {
        if (t->per_package > 1 && !vendor_is(c, "GenuineIntel"))
            ecx1 |= ECX8_CMP_LEGACY;
        add(c, 0x80000001, -1, cpu_signature(c), 0, ecx1, edx1);
    }
    for (unsigned i = 0; i < 3; i++) {
        const char *s = f->model_id ? f->model_id : "";

        if (f->xlevel >= 0x80000002 + i)
            add(c, 0x80000002 + i, -1, word_at(s, i * 16), word_at(s, i * 16 + 4), word_at(s, i * 16 + 8),
                word_at(s, i * 16 + 12));
    }
    leaves_amd_cache(c);
    if (f->xlevel >= 0x80000007)
        add(c, 0x80000007, -1, 0, 0, 0, f->features[F_8000_0007_EDX]);
    if (f->xlevel >= 0x80000008) {
        unsigned virt = edx1 & EDX8_LM ? (f->features[F_7_0_ECX] & ECX7_LA57 ? 57 : 48) : 32;
        uint32_t count = t->per_package > 1 ? t->pkg_shift << 12 | (t->per_package - 1) : 0;

        /* Bits 15:8: linear addresses; without long mode they are 0. */
        add(c, 0x80000008, -1, f->phys_bits | (edx1 & EDX8_LM ? virt << 8 : 0), f->features[F_8000_0008_EBX], count, 0);
    }
    if (f->xlevel >= 0x8000000a) {
        if (ecx1 & ECX8_SVM)
            add(c, 0x8000000a, -1, 1, 0x10, 0, f->features[F_SVM]);
        else
            add(c, 0x8000000a, -1, 0, 0, 0, 0);
    }
    leaves_amd_topology(c, t);
    if (f->xlevel >= 0x80000021)
        add(c, 0x80000021, -1, f->features[F_8000_0021_EAX], 0, 0, 0);
    if (f->xlevel2 >= 0xc0000000) {
        add(c, 0xc0000000, -1, f->xlevel2, 0, 0, 0);
        if (f->xlevel2 >= 0xc0000001)
            add(c, 0xc0000001, -1, 0, 0, 0, f->features[F_C000_0001_EDX]);
    }
}

uint32_t cpu_signature(const X86CPU *c)
{
    uint32_t fam = c->config.family, model = c->config.model, v = c->config.stepping & 15;

    v |= (fam > 15 ? 15 : fam) << 8 | (fam > 15 ? (fam - 15) << 20 : 0);
    return v | (model & 15) << 4 | (model >> 4) << 16;
}

void cpu_build_cpuid(X86CPU *c)
{
    const CpuConfig *f = &c->config;
    Topology t = topology();
    uint32_t edx = f->features[F_1_EDX], ebx = c->apic_id << 24 | 8 << 8;

    g_free(c->cpuid);
    c->cpuid = g_new0(CpuidEntry, ENTRIES_MAX);
    c->n_cpuid = 0;
    add(c, 0, -1, f->level, word_at(f->vendor, 0), word_at(f->vendor, 8), word_at(f->vendor, 4));
    if (f->level >= 1) {
        if (t.per_package > 1) {
            ebx |= (t.per_package & 255) << 16;
            edx |= EDX1_HTT;
        }
        add(c, 1, -1, cpu_signature(c), ebx, f->features[F_1_ECX], edx);
    }
    leaf_2_and_4(c, &t);
    if (f->level >= 5)
        add(c, 5, -1, 0, 0, 3, 0);
    if (f->level >= 6)
        add(c, 6, -1, f->features[F_6_EAX], 0, 0, 0);
    if (f->level >= 7) {
        add(c, 7, 0, f->level_func7, f->features[F_7_0_EBX], f->features[F_7_0_ECX], f->features[F_7_0_EDX]);
        if (f->level_func7 >= 1)
            add(c, 7, 1, f->features[F_7_1_EAX], 0, 0, f->features[F_7_1_EDX]);
        if (f->level_func7 >= 2)
            add(c, 7, 2, 0, 0, 0, f->features[F_7_2_EDX]);
    }
    if (f->level >= 0xa) {
        if (f->pmu)
            add_host(c, 0xa, -1);
        else
            add(c, 0xa, -1, 0, 0, 0, 0);
    }
    leaf_topology(c, &t);
    leaf_xsave(c);
    leaf_1f(c, &t);
    leaves_kvm(c);
    leaves_tcg(c);
    leaves_extended(c, &t);
}
