/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUs as devices: -cpu's text, the properties of a CPU, what an accelerator adds to a model and what it cannot show.
 * The models are in models.c, the feature names in features.h, the CPUID leaves in cpuid.c.
 */
#include "accel/accel.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"
#include "target/i386/cpu.h"
#include "target/i386/mce.h"
#include <stdio.h>

#define TYPE_SUFFIX "-x86_64-cpu"
#define NO_APIC_ID  UINT32_MAX

const FeatureWordInfo feature_words[FEATURE_WORDS] = {
    [F_1_EDX] = {1, -1, CPUID_EDX, .no_host_default = 1 << 28}, /* ht: by the topology */
    [F_1_ECX] = {1, -1, CPUID_ECX},
    [F_7_0_EBX] = {7, 0, CPUID_EBX},
    [F_7_0_ECX] = {7, 0, CPUID_ECX},
    [F_7_0_EDX] = {7, 0, CPUID_EDX},
    [F_7_1_EAX] = {7, 1, CPUID_EAX},
    [F_7_1_EDX] = {7, 1, CPUID_EDX},
    [F_7_2_EDX] = {7, 2, CPUID_EDX},
    [F_8000_0001_EDX] = {0x80000001, -1, CPUID_EDX},
    [F_8000_0001_ECX] = {0x80000001, -1, CPUID_ECX, .no_host_default = 1 << 22}, /* topoext */
    [F_8000_0007_EDX] = {0x80000007, -1, CPUID_EDX},
    [F_8000_0008_EBX] = {0x80000008, -1, CPUID_EBX},
    [F_8000_0021_EAX] = {0x80000021, -1, CPUID_EAX},
    [F_C000_0001_EDX] = {0xc0000001, -1, CPUID_EDX},
    [F_KVM] = {0x40000001, -1, CPUID_EAX},
    [F_KVM_HINTS] = {0x40000001, -1, CPUID_EDX, .no_host_default = UINT32_MAX},
    [F_SVM] = {0x8000000a, -1, CPUID_EDX},
    [F_XSAVE] = {0xd, 1, CPUID_EAX},
    [F_6_EAX] = {6, -1, CPUID_EAX},
    [F_14_0_ECX] = {0x14, 0, CPUID_ECX},
    [F_SGX_12_0_EAX] = {0x12, 0, CPUID_EAX, .no_host_default = UINT32_MAX},
    [F_SGX_12_0_EBX] = {0x12, 0, CPUID_EBX, .no_host_default = UINT32_MAX},
    [F_SGX_12_1_EAX] = {0x12, 1, CPUID_EAX, .no_host_default = UINT32_MAX},
    [F_ARCH_CAPABILITIES] = {0, -1, CPUID_EAX, .msr = 0x10a},
    [F_CORE_CAPABILITY] = {0, -1, CPUID_EAX, .msr = 0xcf},
    [F_PERF_CAPABILITIES] = {0, -1, CPUID_EAX, .msr = 0x345, .no_host_default = UINT32_MAX},
};

static const char *const names[FEATURE_WORDS][32] = {
#define CPU_FEATURE(w, b, n)      [F_##w][b] = n,
#define CPU_FEATURE_TWIN(w, b, n) [F_##w][b] = n,
#define CPU_FEATURE_ALIAS(n, a)
#include "target/i386/features.h"
#undef CPU_FEATURE
#undef CPU_FEATURE_TWIN
#undef CPU_FEATURE_ALIAS
};

const char *feature_name(FeatureWord w, unsigned bit)
{
    return names[w][bit];
}

/* One name may stand for two bits (kvmclock): its property is the first, the second follows in cpu_expand_features().
 */
static const struct {
    FeatureWord word;
    uint8_t bit;
    const char *name;
} twins[] = {
#define CPU_FEATURE(w, b, n)
#define CPU_FEATURE_TWIN(w, b, n) {F_##w, b, n},
#define CPU_FEATURE_ALIAS(n, a)
#include "target/i386/features.h"
#undef CPU_FEATURE
#undef CPU_FEATURE_TWIN
#undef CPU_FEATURE_ALIAS
};

static const char *const feature_aliases[][2] = {
#define CPU_FEATURE(w, b, n)
#define CPU_FEATURE_TWIN(w, b, n)
#define CPU_FEATURE_ALIAS(n, a) {a, n},
#include "target/i386/features.h"
#undef CPU_FEATURE
#undef CPU_FEATURE_TWIN
#undef CPU_FEATURE_ALIAS
};

#define CONFIG(f) config.f
static const Prop cpu_props[] = {
#define CPU_FEATURE(w, b, n) PROP_BIT(n, X86CPU, CONFIG(features[F_##w]), b, false, NULL),
#define CPU_FEATURE_TWIN(w, b, n)
#define CPU_FEATURE_ALIAS(n, a)
#include "target/i386/features.h"
#undef CPU_FEATURE
#undef CPU_FEATURE_TWIN
#undef CPU_FEATURE_ALIAS
    PROP_U32("level", X86CPU, config.level, UINT32_MAX, "highest basic CPUID leaf"),
    PROP_U32("xlevel", X86CPU, config.xlevel, UINT32_MAX, "highest extended CPUID leaf"),
    PROP_U32("xlevel2", X86CPU, config.xlevel2, UINT32_MAX, "highest Centaur CPUID leaf"),
    PROP_U32("level-func7", X86CPU, config.level_func7, UINT32_MAX, "highest subleaf of leaf 7"),
    PROP_U32("min-level", X86CPU, config.min_level, 0, "least of level where it is automatic"),
    PROP_U32("min-xlevel", X86CPU, config.min_xlevel, 0, "least of xlevel where it is automatic"),
    PROP_U32("min-xlevel2", X86CPU, config.min_xlevel2, 0, "least of xlevel2 where it is automatic"),
    PROP_U32("family", X86CPU, config.family, 0, NULL),
    PROP_U32("model", X86CPU, config.model, 0, NULL),
    PROP_U32("stepping", X86CPU, config.stepping, 0, NULL),
    PROP_STR("vendor", X86CPU, config.vendor, "12 characters of CPUID leaf 0"),
    PROP_STR("model-id", X86CPU, config.model_id, "name in leaves 0x80000002 to 0x80000004, up to 48 characters"),
    PROP_U32("phys-bits", X86CPU, config.phys_bits, 0, "width of physical addresses; 0: 40"),
    PROP_BOOL("host-phys-bits", X86CPU, config.host_phys_bits, false, "physical addresses as wide as the host's"),
    PROP_U8("host-phys-bits-limit", X86CPU, config.host_phys_bits_limit, 0, "but not wider than this; 0: no limit"),
    PROP_BOOL("check", X86CPU, config.check, true, "warn of features that cannot be had"),
    PROP_BOOL("enforce", X86CPU, config.enforce, false, "fail where a feature cannot be had"),
    PROP_BOOL("pmu", X86CPU, config.pmu, false, "performance counters"),
    PROP_BOOL("kvm", X86CPU, config.kvm, true, "KVM's paravirtual leaves"),
    PROP_BOOL("migratable", X86CPU, config.migratable, true, "host and max: without features that cannot be migrated"),
    PROP_BOOL("host-cache-info", X86CPU, config.host_cache_info, false, "caches as the host's CPUID shows them"),
    PROP_BOOL("l3-cache", X86CPU, config.l3_cache, true, "show a level 3 cache"),
    PROP_BOOL("legacy-cache", X86CPU, config.legacy_cache, true, "not the model's own cache sizes"),
    PROP_BOOL("cpuid-0xb", X86CPU, config.cpuid_0xb, true, "topology in leaf 0xb"),
    PROP_BOOL("vmware-cpuid-freq", X86CPU, config.vmware_cpuid_freq, true, NULL),
    PROP_BOOL("x-vendor-cpuid-only", X86CPU, config.vendor_cpuid_only, true,
              "leaves 2, 4 and 0x80000005 of the model's vendor only"),
    PROP_BOOL("fill-mtrr-mask", X86CPU, config.fill_mtrr_mask, true, NULL),
    PROP_BOOL("full-cpuid-auto-level", X86CPU, config.full_auto_level, true,
              "raise the levels to what the features need"),
    PROP_BOOL("lmce", X86CPU, config.lmce, false, "local machine check exceptions"),
    PROP_BOOL("x-force-features", X86CPU, config.force_features, false, "show what the accelerator lacks"),
    PROP_BOOL("start-powered-off", X86CPU, config.start_powered_off, false, NULL),
    PROP_BOOL("tcg-cpuid", X86CPU, config.tcg_cpuid, true, NULL),
    PROP_BOOL("hv-passthrough", X86CPU, config.hv_passthrough, false, "not implemented"),
    PROP_U64("tsc-frequency", X86CPU, config.tsc_frequency, 0, "Hz; 0: the host's"),
    PROP_U64("ucode-rev", X86CPU, config.ucode_rev, 0, NULL),
    PROP_U32("apic-id", X86CPU, config.apic_id, NO_APIC_ID, NULL),
    PROP_I32("node-id", X86CPU, config.node_id, -1, NULL),
    PROP_I32("socket-id", X86CPU, socket_id, -1, NULL),
    PROP_I32("die-id", X86CPU, die_id, -1, NULL),
    PROP_I32("core-id", X86CPU, core_id, -1, NULL),
    PROP_I32("thread-id", X86CPU, thread_id, -1, NULL),
    {},
};

/* What KVM adds to every model but `base`, and takes away; and what the engine takes away without a word. */
typedef struct AccelDefault {
    FeatureWord word;
    uint32_t on, off;
} AccelDefault;
static const AccelDefault kvm_defaults[] = {
    {F_KVM, 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 24, 0},
    {F_1_ECX, 1 << 21, 1 << 3},   /* x2apic; monitor */
    {F_1_EDX, 0, 1 << 22},        /* acpi */
    {F_8000_0001_ECX, 0, 1 << 2}, /* svm, and what is part of it */
    {F_SVM, 0, 0xffffffff},
};
static const AccelDefault tcg_defaults[] = {
    {F_8000_0001_ECX, 0, 1 << 2}, /* svm, and what is part of it */
    {F_SVM, 0, 0xffffffff},
};
enum { ECX1_HYPERVISOR_BIT = 31, EDX8_LM = 1 << 29, EDX1_PSE36 = 1 << 17, EDX1_APIC = 1 << 9, EDX8_7_INVTSC = 1 << 8 };
#define AMD_ALIASES 0x0183f3ffU /* bits of leaf 1 EDX that leaf 0x80000001 repeats on AMD */

static uint32_t supported(FeatureWord w)
{
    const FeatureWordInfo *i = &feature_words[w];

    if (!accel || !accel->cpuid_supported)
        return UINT32_MAX;
    if (i->msr)
        return accel->msr_supported ? (uint32_t)accel->msr_supported(i->msr) : 0;
    return accel->cpuid_supported(i->leaf, MAX(i->subleaf, 0), i->reg);
}

bool cpu_accel_is_kvm(void)
{
    return accel && accel->cpuid_supported && accel->cpuid_supported(0x40000000, 0, CPUID_EBX) == 0x4b4d564b;
}

const CpuModel *cpu_model_find(const char *name)
{
    for (unsigned i = 0; cpu_model_aliases[i][0]; i++) {
        if (!strcmp(cpu_model_aliases[i][0], name)) {
            name = cpu_model_aliases[i][1];
            break;
        }
    }
    for (const CpuModel *m = cpu_models; m->name; m++) {
        if (!strcmp(m->name, name))
            return m;
    }
    return NULL;
}

static char *host_text(uint32_t leaf, const CpuidReg *order, unsigned regs, unsigned leaves)
{
    char text[64] = {0};

    for (unsigned l = 0; l < leaves; l++) {
        for (unsigned r = 0; r < regs; r++)
            stl_le(&text[(l * regs + r) * 4], accel->cpuid_supported(leaf + l, 0, order[r]));
    }
    return g_strdup(text);
}

static void set_string(char **where, const char *text)
{
    g_free(*where);
    *where = g_strdup(text);
}

static char *host_vendor(void)
{
    static const CpuidReg vendor[] = {CPUID_EBX, CPUID_EDX, CPUID_ECX};

    return host_text(0, vendor, 3, 1);
}

static uint32_t named_bits(FeatureWord w)
{
    uint32_t bits = 0;

    for (unsigned b = 0; b < 32; b++)
        bits |= names[w][b] ? BIT32(b) : 0;
    return bits;
}

/* `host` and `max`: identity of the host. Their features come in cpu_expand_features(), when the user's wishes are
 * known. */
static void load_host(X86CPU *c)
{
    static const CpuidReg all[] = {CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX};
    CpuConfig *f = &c->config;

    if (!accel || !accel->cpuid_supported) {
        set_string(&f->vendor, "AuthenticAMD");
        set_string(&f->model_id, "qemu-kvm max");
        f->family = 15;
        f->model = 107;
        f->stepping = 1;
        f->min_level = 0xd;
        f->min_xlevel = 0x80000008;
        return;
    }
    uint32_t eax = accel->cpuid_supported(1, 0, CPUID_EAX);
    g_autofree char *vendor = host_vendor(), *id = host_text(0x80000002, all, 4, 3);

    set_string(&f->vendor, vendor);
    set_string(&f->model_id, id);
    f->family = bits64(eax, 8, 4) + (bits64(eax, 8, 4) == 15 ? bits64(eax, 20, 8) : 0);
    f->model = bits64(eax, 4, 4) | bits64(eax, 16, 4) << 4;
    f->stepping = bits64(eax, 0, 4);
    f->min_level = accel->cpuid_supported(0, 0, CPUID_EAX);
    f->min_xlevel = accel->cpuid_supported(0x80000000, 0, CPUID_EAX);
    f->min_xlevel2 = accel->cpuid_supported(0xc0000000, 0, CPUID_EAX);
    f->host_phys_bits = true;
    f->pmu = cpu_accel_is_kvm();
}

static void load_model(X86CPU *c)
{
    CpuConfig *f = &c->config;
    const CpuModel *m = c->model;

    f->apic_id = NO_APIC_ID;
    memcpy(f->features, m->features, sizeof(f->features));
    set_string(&f->vendor, m->vendor);
    set_string(&f->model_id, m->model_id);
    f->family = m->family;
    f->model = m->model;
    f->stepping = m->stepping;
    f->min_level = m->level;
    f->min_xlevel = m->xlevel;
    f->legacy_cache = !m->caches;
    if (m->host)
        load_host(c);
    if (m->base)
        return;
    bool kvm = cpu_accel_is_kvm();
    const AccelDefault *defaults = kvm ? kvm_defaults : tcg_defaults;

    if (!accel || !accel->cpuid_supported)
        return;
    if (!m->host && kvm) {
        g_autofree char *vendor = host_vendor();

        set_string(&f->vendor, vendor);
    }
    for (unsigned i = 0; i < (kvm ? ARRAY_SIZE(kvm_defaults) : ARRAY_SIZE(tcg_defaults)); i++) {
        const AccelDefault *d = &defaults[i];

        if (!m->host || d->word == F_KVM)
            f->features[d->word] = (f->features[d->word] & ~d->off) | d->on;
    }
}

/* Text of -cpu */

static const Prop *find_prop(const char *name)
{
    const Prop *p = prop_find(cpu_props, name);

    for (unsigned i = 0; !p && i < ARRAY_SIZE(feature_aliases); i++) {
        if (!strcmp(feature_aliases[i][0], name))
            p = prop_find(cpu_props, feature_aliases[i][1]);
    }
    if (!p && strchr(name, '_')) {
        g_autofree char *dashed = g_strdelimit(g_strdup(name), "_", '-');

        p = prop_find(cpu_props, dashed);
    }
    return p;
}

static bool refuse_absent(const char *name, const char *val, Error **errp)
{
    bool off = false;

    if (parse_bool(val, &off) && !off)
        return true;
    if (g_str_has_prefix(name, "hv-") || g_str_has_prefix(name, "hv_"))
        return error_set(errp, "-cpu %s=%s: Hyper-V enlightenments are not implemented", name, val);
    return error_set(errp, "-cpu %s=%s: the details of nested VMX are not implemented", name, val);
}

static bool set_feature(X86CPU *c, const char *type, const char *name, const char *val, Error **errp)
{
    const Prop *p;

    if (g_str_has_prefix(name, "hv-") || g_str_has_prefix(name, "hv_") || g_str_has_prefix(name, "vmx-"))
        return refuse_absent(name, val, errp);
    p = find_prop(name);
    if (!p) {
        const char *near = nearest_prop(name, cpu_props, NULL);

        error_set(errp, "Property '%s.%s' not found", type, name);
        if (near)
            error_hint(errp, "Did you mean '%s'?", near);
        return false;
    }
    if (!strcmp(p->name, "tsc-frequency")) {
        /* Hz, with the suffixes that decimal frequencies have. */
        char *end;
        double d = g_ascii_strtod(val, &end);
        double mult = *end == 'K' || *end == 'k'   ? 1e3
                      : *end == 'M' || *end == 'm' ? 1e6
                      : *end == 'G' || *end == 'g' ? 1e9
                                                   : 1;

        if (end == val || (*end && (mult == 1 || end[1])) || d < 0 || d * mult > 1e15)
            return error_set(errp, "bad numerical value %s", val);
        c->config.tsc_frequency = (uint64_t)(d * mult);
        return true;
    }
    if (!prop_set_text(type, p, c, val, errp))
        return false;
    if (p->type == &prop_bit) {
        FeatureWord w = (FeatureWord)((p->offset - offsetof(X86CPU, config.features)) / sizeof(uint32_t));
        uint32_t bit = BIT32(p->bit);

        c->user_features[w] |= bit;
        for (unsigned i = 0; i < ARRAY_SIZE(twins); i++) {
            if (strcmp(twins[i].name, p->name))
                continue;
            c->user_features[twins[i].word] |= BIT32(twins[i].bit);
            if (c->config.features[w] & bit)
                c->config.features[twins[i].word] |= BIT32(twins[i].bit);
            else
                c->config.features[twins[i].word] &= ~BIT32(twins[i].bit);
        }
    }
    return true;
}

static char *type_name(const X86CPU *c)
{
    return g_strconcat(c->model_name, TYPE_SUFFIX, NULL);
}

bool cpu_parse_features(X86CPU *c, const char *text, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    g_autofree char *type = type_name(c);

    /* +x and -x are stronger than x=on, wherever they stand. */
    for (int pass = 0; pass < 3; pass++) {
        for (char **p = parts[0] ? parts + 1 : parts; *p; p++) {
            char *eq = strchr(*p, '=');
            bool plus = **p == '+', minus = **p == '-';

            if (!**p)
                continue;
            if (plus || minus) {
                if (pass == (plus ? 1 : 2) && !set_feature(c, type, *p + 1, plus ? "on" : "off", errp))
                    return false;
            } else if (!pass) {
                g_autofree char *name = eq ? g_strndup(*p, eq - *p) : g_strdup(*p);

                if (!set_feature(c, type, name, eq ? eq + 1 : "on", errp))
                    return false;
            }
        }
    }
    return true;
}

/* What is automatic, and what cannot be had */

static void raise_to(uint32_t *level, uint32_t to)
{
    *level = MAX(*level, to);
}

static void expand_levels(X86CPU *c)
{
    CpuConfig *f = &c->config;

    if (f->full_auto_level) {
        static const FeatureWord decisive[] = {F_1_EDX,         F_1_ECX,         F_6_EAX,         F_7_0_EBX,
                                               F_7_1_EAX,       F_7_1_EDX,       F_7_2_EDX,       F_8000_0001_EDX,
                                               F_8000_0001_ECX, F_8000_0007_EDX, F_8000_0008_EBX, F_8000_0021_EAX,
                                               F_C000_0001_EDX, F_SVM,           F_XSAVE};

        for (unsigned i = 0; i < ARRAY_SIZE(decisive); i++) {
            uint32_t leaf = feature_words[decisive[i]].leaf;

            if (!f->features[decisive[i]])
                continue;
            if (leaf < 0x40000000)
                raise_to(&f->min_level, leaf);
            else if (leaf < 0xc0000000)
                raise_to(&f->min_xlevel, leaf);
            else
                raise_to(&f->min_xlevel2, leaf);
        }
        if (f->features[F_7_0_EBX] & 1 << 25)
            raise_to(&f->min_level, 0x14);
        if (f->features[F_7_0_EBX] & 1 << 2)
            raise_to(&f->min_level, 0x12);
        if (machine->smp.dies > 1 && !strcmp(f->vendor, "GenuineIntel"))
            raise_to(&f->min_level, 0x1f);
        if (f->features[F_8000_0001_ECX] & 1 << 2)
            raise_to(&f->min_xlevel, 0x8000000a);
        if (f->features[F_8000_0001_ECX] & 1 << 22)
            raise_to(&f->min_xlevel, 0x8000001e);
    }
    if (f->level_func7 == UINT32_MAX)
        f->level_func7 = f->features[F_7_2_EDX] ? 2 : f->features[F_7_1_EAX] | f->features[F_7_1_EDX] ? 1 : 0;
    if (f->level == UINT32_MAX)
        f->level = f->min_level;
    if (f->xlevel == UINT32_MAX)
        f->xlevel = f->min_xlevel;
    if (f->xlevel2 == UINT32_MAX)
        f->xlevel2 = f->min_xlevel2;
}

static void complain(FeatureWord w, unsigned bit, const char *who)
{
    static const char *const regs[] = {"EAX", "EBX", "ECX", "EDX"};
    const FeatureWordInfo *i = &feature_words[w];
    const char *name = names[w][bit];
    g_autofree char *where =
        i->msr ? g_strdup_printf("MSR(%XH)", i->msr) : g_strdup_printf("CPUID.%02XH:%s", i->leaf, regs[i->reg]);

    warn_report("%s doesn't support requested feature: %s%s%s [bit %u]", who, where, name ? "." : "", name ? name : "",
                bit);
}

static bool filter(X86CPU *c, Error **errp)
{
    CpuConfig *f = &c->config;
    const char *who = cpu_accel_is_kvm() ? "host" : "TCG";
    bool any = false;

    memset(f->filtered, 0, sizeof(f->filtered));
    for (unsigned w = 0; w < FEATURE_WORDS; w++) {
        uint32_t lost = f->features[w] & ~supported(w);

        /* KVM's own are quietly left out where the kernel is too old for a default. */
        if (w == F_KVM)
            f->features[w] &= ~(lost & ~c->user_features[w]), lost &= c->user_features[w];
        f->filtered[w] = lost;
        if (!f->force_features)
            f->features[w] &= ~lost;
        for (unsigned b = 0; b < 32; b++) {
            if (!(lost & BIT32(b)))
                continue;
            any = true;
            if ((f->check || f->enforce) && !c->index)
                complain(w, b, who);
        }
    }
    return !any || !f->enforce ||
           error_set(errp, "%s doesn't support requested features", cpu_accel_is_kvm() ? "Host" : "TCG");
}

static bool expand_address_width(X86CPU *c, Error **errp)
{
    CpuConfig *f = &c->config;
    uint32_t host_bits = accel && accel->cpuid_supported ? accel->cpuid_supported(0x80000008, 0, CPUID_EAX) & 255 : 0;

    if (!(f->features[F_8000_0001_EDX] & EDX8_LM)) {
        if (f->phys_bits)
            return error_set(errp, "phys-bits is not user-configurable in 32 bit");
        f->phys_bits = f->features[F_1_EDX] & EDX1_PSE36 ? 36 : 32;
        return true;
    }
    if (f->host_phys_bits && host_bits) {
        f->phys_bits = host_bits;
        if (f->host_phys_bits_limit)
            f->phys_bits = MIN(f->phys_bits, f->host_phys_bits_limit);
    }
    if (!f->phys_bits)
        f->phys_bits = 40;
    if (f->phys_bits < 32 || f->phys_bits > 52)
        return error_set(errp, "phys-bits should be between 32 and 52  (but is %u)", f->phys_bits);
    return true;
}

bool cpu_expand_features(X86CPU *c, Error **errp)
{
    CpuConfig *f = &c->config;

    if (c->model->host) {
        for (unsigned w = 0; w < FEATURE_WORDS; w++) {
            uint32_t add = supported(w) & ~c->user_features[w] & ~feature_words[w].no_host_default;

            if (!accel || !accel->cpuid_supported)
                add &= named_bits(w);
            if (f->migratable && w == F_8000_0007_EDX)
                add &= ~EDX8_7_INVTSC;
            if (f->migratable)
                add &= named_bits(w);
            f->features[w] |= add;
        }
    }
    /* The kernel tells of vector extensions even where XSAVE, which their state needs, is not to be had. */
    if (c->model->host && !(f->features[F_1_ECX] & 1 << 26))
        f->features[F_7_1_EAX] = f->features[F_7_1_EDX] = f->features[F_XSAVE] = 0;
    /* An MSR that tells features is there only where its CPUID bit is. */
    if (!(f->features[F_7_0_EDX] & 1 << 29))
        f->features[F_ARCH_CAPABILITIES] = 0;
    if (!(f->features[F_7_0_EDX] & 1 << 30))
        f->features[F_CORE_CAPABILITY] = 0;
    if (!(f->features[F_1_ECX] & 1 << 15))
        f->features[F_PERF_CAPABILITIES] = 0;
    if (!f->kvm)
        f->features[F_KVM] = f->features[F_KVM_HINTS] = 0;
    if (!strcmp(f->vendor, "AuthenticAMD") || !strcmp(f->vendor, "HygonGenuine"))
        f->features[F_8000_0001_EDX] |= f->features[F_1_EDX] & AMD_ALIASES;
    if (strlen(f->vendor) != 12 && *f->vendor)
        return error_set(errp, "Property 'vendor' of a CPU must consist of 12 characters, not '%s'", f->vendor);
    if (!filter(c, errp) || !expand_address_width(c, errp))
        return false;
    expand_levels(c);
    c->tsc_khz = (uint32_t)(f->tsc_frequency / 1000);
    return true;
}

/* The device */

static const char *new_model_name; /* of the CPU that device_new() makes just now */

static void cpu_init(Device *dev)
{
    X86CPU *c = X86_CPU(dev);

    if (!new_model_name)
        new_model_name = "qemu64";
    c->model = cpu_model_find(new_model_name);
    c->model_name = g_strdup(new_model_name);
    load_model(c);
}

static void cpu_finalize(Device *dev)
{
    X86CPU *c = X86_CPU(dev);

    g_free(c->cpuid);
    g_free(c->msrs);
    g_free(c->model_name);
}

static bool cpu_realize(Device *dev, Error **errp)
{
    X86CPU *c = X86_CPU(dev);

    c->index = vcpu_count;
    if (c->index >= VCPUS_MAX)
        return error_set(errp, "more than %u CPUs", VCPUS_MAX);
    cpu_topology_ids(c, c->index);
    c->config.apic_id = c->apic_id;
    if (!cpu_expand_features(c, errp))
        return false;
    cpu_build_cpuid(c);
    if (cpu_attach_apic && !cpu_attach_apic(c, c->config.features[F_1_EDX] & EDX1_APIC, errp))
        return false;
    cpu_mce_init(c);
    cpu_reset(c);
    if (vcpu_start_thread(c, errp))
        return true;
    if (cpu_detach_apic)
        cpu_detach_apic(c);
    return false;
}

static void cpu_unrealize(Device *dev)
{
    X86CPU *c = X86_CPU(dev);

    vcpu_stop_thread(c);
    if (cpu_detach_apic)
        cpu_detach_apic(c);
}

static char *cpu_qom_type(const Device *dev)
{
    return type_name(container_of(dev, const X86CPU, dev));
}

static Json *words_json(const uint32_t *words)
{
    static const char *const regs[] = {"EAX", "EBX", "ECX", "EDX"};
    Json *list = json_array();

    for (unsigned w = 0; w < FEATURE_WORDS; w++) {
        Json *o;

        if (feature_words[w].msr)
            continue;
        o = json_object();
        json_set_str(o, "cpuid-register", regs[feature_words[w].reg]);
        json_set_uint(o, "cpuid-input-eax", feature_words[w].leaf);
        if (feature_words[w].subleaf >= 0)
            json_set_uint(o, "cpuid-input-ecx", feature_words[w].subleaf);
        json_set_uint(o, "features", words[w]);
        json_append(list, o);
    }
    return list;
}

static Json *cpu_qom_get(Device *dev, const char *name)
{
    X86CPU *c = X86_CPU(dev);

    if (!strcmp(name, "feature-words"))
        return words_json(c->config.features);
    if (!strcmp(name, "filtered-features"))
        return words_json(c->config.filtered);
    if (!strcmp(name, "hotpluggable"))
        return json_bool(false);
    return NULL;
}

const DeviceDesc x86_cpu_desc = {
    .name = "x86_64-cpu",
    .summary = "x86 processor",
    .parent = "cpu",
    .bus = BUS_NONE,
    .category = DEV_CPU,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(X86CPU),
    .props = cpu_props,
    .vmstate = &cpu_vmstate,
    .init = cpu_init,
    .finalize = cpu_finalize,
    .realize = cpu_realize,
    .unrealize = cpu_unrealize,
    .qom_type = cpu_qom_type,
    .qom_get = cpu_qom_get,
};

bool cpus_create(Error **errp)
{
    const char *text = machine->cpu_model           ? machine->cpu_model
                       : machine->desc->default_cpu ? machine->desc->default_cpu
                                                    : "qemu64";
    g_autofree char *name = g_strndup(text, strcspn(text, ","));
    const CpuModel *m = cpu_model_find(name);

    if (!m)
        return error_set(errp, "unable to find CPU model '%s'", name);
    if (!strcmp(m->name, "host") && !cpu_accel_is_kvm())
        return error_set(errp, "CPU model 'host' requires KVM");
    for (unsigned i = 0; i < machine->smp.cpus; i++) {
        new_model_name = name;
        Device *dev = device_new(&x86_cpu_desc);
        new_model_name = NULL;

        if (!cpu_parse_features(X86_CPU(dev), text, errp)) {
            device_discard(dev);
            return false;
        }
        if (!device_realize(dev, NULL, errp))
            return false;
    }
    return true;
}

/* What a model with changed properties comes to */

/* A JSON value as the text that -cpu would take for it; NULL: none does. */
static char *prop_text(const Json *v)
{
    bool b;
    if (json_get_bool(v, &b))
        return g_strdup(b ? "on" : "off");
    if (json_get_string(v))
        return g_strdup(json_get_string(v));
    return json_type(v) == JSON_INT || json_type(v) == JSON_UINT ? json_to_string(v, false) : NULL;
}

static bool apply_props(X86CPU *c, const Json *props, Error **errp)
{
    g_autofree char *type = type_name(c);

    for (size_t i = 0; i < json_length(props); i++) {
        const char *name = json_key_at(props, i);
        g_autofree char *text = prop_text(json_val_at(props, i));

        if (!find_prop(name))
            return error_set(errp, "Property '%s.%s' not found", type, name);
        if (!text)
            return error_set(errp, "Invalid parameter type for '%s', expected: %s", name, find_prop(name)->type->name);
        /* Asks for every Hyper-V feature that there is: none. */
        if (!strcmp(name, "hv-passthrough") && json_get_bool(json_val_at(props, i), &c->config.hv_passthrough))
            continue;
        if (!set_feature(c, type, name, text, errp))
            return false;
    }
    return true;
}

/* A static expansion has these beside the feature bits. */
static bool is_identity(const char *name)
{
    static const char *const names[] = {"vendor",    "family",     "model",    "stepping",
                                        "min-level", "min-xlevel", "model-id", NULL};

    return g_strv_contains(names, name);
}

Json *cpu_model_expand(const char *name, const Json *props, bool full, Error **errp)
{
    if (!cpu_model_find(name)) {
        error_set(errp, "CPU model '%s' not found", name);
        return NULL;
    }
    if (!strcmp(name, "host") && !cpu_accel_is_kvm()) {
        error_set(errp, "CPU model 'host' requires KVM");
        return NULL;
    }
    new_model_name = name;
    Device *dev = device_new(&x86_cpu_desc);
    new_model_name = NULL;
    X86CPU *c = X86_CPU(dev);
    Json *out = NULL;

    if (apply_props(c, props, errp)) {
        bool check = c->config.check;

        c->config.check = false; /* nobody runs it: what cannot be had is no news */
        if (cpu_expand_features(c, errp)) {
            out = json_object();
            c->config.check = check;
            for (const Prop *p = cpu_props; p->name; p++) {
                Json *v = full || p->type == &prop_bit || is_identity(p->name) ? prop_get(p, c) : NULL;

                if (v)
                    json_set(out, p->name, v);
            }
        }
    }
    device_discard(dev);
    return out;
}

/* Lists */

static const char *summary(const CpuModel *m)
{
    return m->base   ? "base CPU model type with no features enabled"
           : m->host ? "Enables all features supported by the accelerator in the current host"
                     : m->model_id;
}

Json *cpu_definitions(void)
{
    Json *list = json_array();

    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; pass ? cpu_model_aliases[i][0] != NULL : cpu_models[i].name != NULL; i++) {
            const char *name = pass ? cpu_model_aliases[i][0] : cpu_models[i].name;
            const CpuModel *m = cpu_model_find(name);
            g_autofree char *type = g_strconcat(name, TYPE_SUFFIX, NULL);
            Json *o = json_object(), *missing = json_array();

            for (unsigned w = 0; w < FEATURE_WORDS; w++) {
                uint32_t lost = m->features[w] & ~supported(w);

                for (unsigned b = 0; b < 32; b++) {
                    if (lost & BIT32(b) && names[w][b])
                        json_append(missing, json_string(names[w][b]));
                }
            }
            json_set_str(o, "name", name);
            json_set_str(o, "typename", type);
            json_set(o, "unavailable-features", missing);
            if (pass)
                json_set_str(o, "alias-of", cpu_model_aliases[i][1]);
            json_set_bool(o, "static", m->base);
            json_set_bool(o, "migration-safe", !m->host);
            json_set_bool(o, "deprecated", false);
            json_append(list, o);
        }
    }
    return list;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void cpu_models_help(void)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    size_t column = 2;

    for (const CpuModel *m = cpu_models; m->name; m++) {
        if (!m->base && !m->host)
            g_ptr_array_add(list, (void *)m->name);
    }
    for (unsigned i = 0; cpu_model_aliases[i][0]; i++)
        g_ptr_array_add(list, (void *)cpu_model_aliases[i][0]);
    g_ptr_array_sort(list, by_name);
    puts("Available CPUs:");
    for (unsigned i = 0; i < list->len; i++) {
        const CpuModel *m = cpu_model_find(list->pdata[i]);

        if (strcmp(m->name, list->pdata[i]))
            printf("x86 %-20s  (alias configured by machine type)\n", (char *)list->pdata[i]);
        else
            printf("x86 %-20s  %s\n", m->name, summary(m));
    }
    printf("x86 %-20s  %s\n", "base", summary(cpu_model_find("base")));
    printf("x86 %-20s  %s\n", "host", "processor with all supported host features ");
    printf("x86 %-20s  %s\n", "max", summary(cpu_model_find("max")));
    g_ptr_array_set_size(list, 0);
    for (const Prop *p = cpu_props; p->name; p++) {
        if (p->type == &prop_bit)
            g_ptr_array_add(list, (void *)p->name);
    }
    g_ptr_array_sort(list, by_name);
    puts("\nRecognized CPUID flags:");
    printf(" ");
    for (unsigned i = 0; i < list->len; i++) {
        const char *n = list->pdata[i];

        assert(n);
        if (column + strlen(n) + 1 >= 75) {
            printf("\n ");
            column = 2;
        }
        printf(" %s", n);
        column += strlen(n) + 1;
    }
    puts("");
}
