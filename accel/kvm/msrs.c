/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSRs. Those with a field of X86CPU are in a table; whatever else KVM_GET_MSR_INDEX_LIST names is kept by number in
 * X86CPU.msrs, with its power-on value for resets. What the kernel refuses is named once and left out from then on.
 */
#include "accel/kvm/kvm.h"
#include <linux/kvm_para.h>

typedef struct NamedMsr {
    uint32_t index;
    uint32_t offset;
    CpuStateLevel level; /* written from this level on */
    bool listed;         /* only where the kernel's list has it */
    uint32_t kvm_bit;    /* KVM's own: only where CPUID shows this feature */
} NamedMsr;

#define M(i, f, l, listed_)                                                                                            \
    {                                                                                                                  \
        i, offsetof(X86CPU, f), CPU_STATE_##l, listed_, 0                                                              \
    }
#define K(i, f, bit)                                                                                                   \
    {                                                                                                                  \
        i, offsetof(X86CPU, f), CPU_STATE_RESET, true, BIT32(bit)                                                      \
    }
static const NamedMsr named[] = {
    /* TSC and its adjustment first: deadline, kvmclock and steal time count from it. */
    M(0x3b, tsc_adjust, RESET, true),
    M(0x10, tsc, RESET, false),
    M(0x174, sysenter_cs, RUNTIME, false),
    M(0x175, sysenter_esp, RUNTIME, false),
    M(0x176, sysenter_eip, RUNTIME, false),
    M(0xc0000081, star, RUNTIME, true),
    M(0xc0000082, lstar, RUNTIME, true),
    M(0xc0000083, cstar, RUNTIME, true),
    M(0xc0000084, fmask, RUNTIME, true),
    M(0xc0000102, kernel_gs_base, RUNTIME, true),
    M(0xc0000103, tsc_aux, RUNTIME, true),
    M(0x277, pat, RUNTIME, false),
    M(0x1a0, misc_enable, RUNTIME, true),
    M(0x48, spec_ctrl, RUNTIME, true),
    M(0xc001011f, virt_ssbd, RUNTIME, true),
    M(0xda0, xss, RUNTIME, true),
    M(0x1d9, debugctl, RUNTIME, true),
    M(0x2ff, mtrr_def_type, RESET, false),
    M(0x250, mtrr_fixed[0], RESET, false),
    M(0x258, mtrr_fixed[1], RESET, false),
    M(0x259, mtrr_fixed[2], RESET, false),
    M(0x268, mtrr_fixed[3], RESET, false),
    M(0x269, mtrr_fixed[4], RESET, false),
    M(0x26a, mtrr_fixed[5], RESET, false),
    M(0x26b, mtrr_fixed[6], RESET, false),
    M(0x26c, mtrr_fixed[7], RESET, false),
    M(0x26d, mtrr_fixed[8], RESET, false),
    M(0x26e, mtrr_fixed[9], RESET, false),
    M(0x26f, mtrr_fixed[10], RESET, false),
    K(MSR_KVM_SYSTEM_TIME_NEW, kvm_system_time, KVM_FEATURE_CLOCKSOURCE2),
    K(MSR_KVM_WALL_CLOCK_NEW, kvm_wall_clock, KVM_FEATURE_CLOCKSOURCE2),
    K(MSR_KVM_STEAL_TIME, kvm_steal_time, KVM_FEATURE_STEAL_TIME),
    K(MSR_KVM_ASYNC_PF_EN, kvm_async_pf, KVM_FEATURE_ASYNC_PF),
    K(MSR_KVM_PV_EOI_EN, kvm_pv_eoi, KVM_FEATURE_PV_EOI),
    K(MSR_KVM_ASYNC_PF_INT, kvm_async_pf_int, KVM_FEATURE_ASYNC_PF_INT),
    K(MSR_KVM_POLL_CONTROL, kvm_poll, KVM_FEATURE_POLL_CONTROL),
};
#undef M
#undef K

/* Never from the list: aliases of named ones, what only answers questions, and Hyper-V's, whose CPUID is not offered.
 */
static const struct {
    uint32_t first, last;
} skipped[] = {
    {0x11, 0x12},             /* kvmclock by its old numbers */
    {0x6e0, 0x6e0},           /* TSC deadline: after the local APIC, state.c */
    {0x9e, 0x9e},             /* SMBASE: only in SMM */
    {0x10a, 0x10a},           /* ARCH_CAPABILITIES: read only for the guest, part of the model */
    {0x345, 0x345},           /* PERF_CAPABILITIES: the same */
    {0x480, 0x491},           /* VMX capabilities */
    {0x400, 0x47f},           /* machine check banks: by number below */
    {0x4b564d00, 0x4b564dff}, /* KVM's, but for the named ones */
    {0x40000000, 0x400001ff}, /* Hyper-V */
};

enum { MCG_STATUS = 0x17a, MCG_CTL = 0x17b, MCE_BANK0 = 0x400 };
enum { CPUID1_EDX_MTRR = 1 << 12, CPUID1_EDX_MCA = 1 << 14 };

static GHashTable *refused; /* MSR numbers; VM-wide; guarded by refused_lock */
static GMutex refused_lock;

static bool is_refused(uint32_t index)
{
    g_mutex_lock(&refused_lock);
    bool yes = refused && g_hash_table_contains(refused, GUINT_TO_POINTER(index));
    g_mutex_unlock(&refused_lock);
    return yes;
}

static void refuse(uint32_t index, bool write)
{
    g_mutex_lock(&refused_lock);
    if (!refused)
        refused = g_hash_table_new(NULL, NULL);
    bool first = g_hash_table_add(refused, GUINT_TO_POINTER(index));
    g_mutex_unlock(&refused_lock);
    if (first)
        warn_report("KVM refuses to %s MSR 0x%x: it keeps the kernel's value", write ? "set" : "read", index);
}

static bool listed(uint32_t index)
{
    for (unsigned i = 0; i < kvm.n_msr_list; i++) {
        if (kvm.msr_list[i] == index)
            return true;
    }
    return false;
}

static uint32_t cpuid_edx1(const X86CPU *c)
{
    for (unsigned i = 0; i < c->n_cpuid; i++) {
        if (c->cpuid[i].leaf == 1)
            return c->cpuid[i].reg[CPUID_EDX];
    }
    return 0;
}

static bool wanted(const X86CPU *c, const NamedMsr *m)
{
    bool mtrr = m->index == 0x2ff || (m->index >= 0x250 && m->index <= 0x26f);

    if (m->kvm_bit && !(c->config.features[F_KVM] & m->kvm_bit))
        return false;
    if ((m->listed && !listed(m->index)) || (mtrr && !(cpuid_edx1(c) & CPUID1_EDX_MTRR)))
        return false;
    return !is_refused(m->index);
}

static uint64_t *field(X86CPU *c, const NamedMsr *m)
{
    return (uint64_t *)((uint8_t *)c + m->offset);
}

typedef struct MsrRef {
    uint32_t index;
    uint64_t *where;
} MsrRef;

/* Every MSR of a level and above, with its place. others: those by number too. */
static unsigned collect(X86CPU *c, CpuStateLevel level, bool others, MsrRef *out)
{
    uint32_t edx = cpuid_edx1(c);
    unsigned n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(named); i++) {
        if (named[i].level <= level && wanted(c, &named[i]))
            out[n++] = (MsrRef){named[i].index, field(c, &named[i])};
    }
    if (level < CPU_STATE_RESET)
        return n;
    if (edx & CPUID1_EDX_MTRR) {
        for (unsigned i = 0; i < ARRAY_SIZE(c->mtrr_base); i++) {
            out[n++] = (MsrRef){0x200 + 2 * i, &c->mtrr_base[i]};
            out[n++] = (MsrRef){0x201 + 2 * i, &c->mtrr_mask[i]};
        }
    }
    if (edx & CPUID1_EDX_MCA && kvm.mce_banks) {
        out[n++] = (MsrRef){MCG_STATUS, &c->mcg_status};
        out[n++] = (MsrRef){MCG_CTL, &c->mcg_ctl};
        for (unsigned i = 0; i < kvm.mce_banks * 4; i++)
            out[n++] = (MsrRef){MCE_BANK0 + i, &c->mce_banks[i]};
    }
    for (unsigned i = 0; others && i < c->n_msrs && n < KVM_MSR_BUF; i++)
        out[n++] = (MsrRef){c->msrs[i].index, &c->msrs[i].value};
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!is_refused(out[i].index))
            out[kept++] = out[i];
    }
    return kept;
}

/* KVM stops at the first that it refuses and says how many it did. */
static bool transfer(KvmVcpu *v, bool write, MsrRef *refs, unsigned n, Error **errp)
{
    struct kvm_msrs *buf = v->msr_buf;

    for (unsigned done = 0; done < n;) {
        buf->nmsrs = n - done;
        buf->pad = 0;
        for (unsigned i = done; i < n; i++)
            buf->entries[i - done] = (struct kvm_msr_entry){.index = refs[i].index, .data = write ? *refs[i].where : 0};
        int r = kvm_vcpu_ioctl(v, write ? KVM_SET_MSRS : KVM_GET_MSRS, buf);

        if (r < 0)
            return error_set_errno(errp, -r, "%s", write ? "KVM_SET_MSRS" : "KVM_GET_MSRS");
        r = MIN(r, (int)(n - done));
        for (int i = 0; !write && i < r; i++)
            *refs[done + i].where = buf->entries[i].data;
        done += r;
        if (done < n)
            refuse(refs[done++].index, write);
    }
    return true;
}

bool kvm_get_msrs(X86CPU *c, Error **errp)
{
    MsrRef refs[KVM_MSR_BUF];
    unsigned n = collect(c, CPU_STATE_FULL, true, refs);

    if (kvm.tsc_deadline && kvm.irqchip != IRQCHIP_USER && n < KVM_MSR_BUF && !is_refused(0x6e0))
        refs[n++] = (MsrRef){0x6e0, &c->tsc_deadline};
    return transfer(KVM_VCPU(c), false, refs, n, errp);
}

bool kvm_get_runtime_msrs(X86CPU *c, Error **errp)
{
    MsrRef refs[KVM_MSR_BUF];

    return transfer(KVM_VCPU(c), false, refs, collect(c, CPU_STATE_RUNTIME, false, refs), errp);
}

bool kvm_get_other_msrs(X86CPU *c, Error **errp)
{
    MsrRef all[KVM_MSR_BUF], runtime[KVM_MSR_BUF];
    unsigned n = collect(c, CPU_STATE_FULL, true, all), r = collect(c, CPU_STATE_RUNTIME, false, runtime), kept = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned k = 0;

        while (k < r && runtime[k].index != all[i].index)
            k++;
        if (k == r)
            all[kept++] = all[i];
    }
    return transfer(KVM_VCPU(c), false, all, kept, errp);
}

unsigned kvm_runtime_msrs(X86CPU *c, uint64_t *out)
{
    MsrRef refs[KVM_MSR_BUF];
    unsigned n = collect(c, CPU_STATE_RUNTIME, false, refs);

    for (unsigned i = 0; i < n; i++)
        out[i] = *refs[i].where;
    return n;
}

bool kvm_put_msrs(X86CPU *c, CpuStateLevel level, Error **errp)
{
    KvmVcpu *v = KVM_VCPU(c);
    MsrRef refs[KVM_MSR_BUF];

    /* A reset does not know the ones by number: they go back to what they were when the vCPU was made. */
    if (level == CPU_STATE_RESET) {
        for (unsigned i = 0; i < c->n_msrs; i++)
            c->msrs[i].value = v->msr_power_on[i];
    }
    return transfer(v, true, refs, collect(c, level, true, refs), errp);
}

typedef struct OneMsr {
    struct kvm_msrs h;
    struct kvm_msr_entry e;
} OneMsr;

uint64_t kvm_guest_tsc(X86CPU *c)
{
    OneMsr m = {.h.nmsrs = 1, .e.index = 0x10};

    return kvm_vcpu_ioctl(KVM_VCPU(c), KVM_GET_MSRS, &m) == 1 ? m.e.data : 0;
}

/* MSRs that tell features: asked of /dev/kvm, not of a vCPU. */
uint64_t kvm_msr_supported(uint32_t index)
{
    OneMsr m = {.h.nmsrs = 1, .e.index = index};

    return kvm_check_extension(KVM_CAP_GET_MSR_FEATURES) && kvm_ioctl(KVM_GET_MSRS, &m) == 1 ? m.e.data : 0;
}

/* What the model says of them, where the kernel takes it; the guest only reads. */
static void set_feature_msrs(X86CPU *c, KvmVcpu *v)
{
    static const struct {
        FeatureWord word;
        uint32_t msr;
    } words[] = {{F_ARCH_CAPABILITIES, 0x10a}, {F_CORE_CAPABILITY, 0xcf}, {F_PERF_CAPABILITIES, 0x345}};

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        OneMsr m = {.h.nmsrs = 1, .e = {.index = words[i].msr, .data = c->config.features[words[i].word]}};

        if (m.e.data && kvm_vcpu_ioctl(v, KVM_SET_MSRS, &m) != 1)
            refuse(m.e.index, true);
    }
}

void kvm_msrs_init_vcpu(X86CPU *c)
{
    KvmVcpu *v = KVM_VCPU(c);
    unsigned max = KVM_MSR_BUF - ARRAY_SIZE(named) - 64;
    MsrRef refs[KVM_MSR_BUF];

    v->msr_buf = g_malloc0(sizeof(struct kvm_msrs) + KVM_MSR_BUF * sizeof(struct kvm_msr_entry));
    g_free(c->msrs);
    c->msrs = g_new0(MsrValue, kvm.n_msr_list);
    c->n_msrs = 0;
    for (unsigned i = 0; i < kvm.n_msr_list && c->n_msrs < max; i++) {
        uint32_t index = kvm.msr_list[i];
        bool skip = index == MCG_STATUS || index == MCG_CTL;

        for (unsigned k = 0; k < ARRAY_SIZE(named); k++)
            skip |= named[k].index == index;
        for (unsigned k = 0; k < ARRAY_SIZE(skipped); k++)
            skip |= index >= skipped[k].first && index <= skipped[k].last;
        if (!skip)
            c->msrs[c->n_msrs++].index = index;
    }
    set_feature_msrs(c, v);
    v->msr_power_on = g_new0(uint64_t, MAX(c->n_msrs, 1U));
    for (unsigned i = 0; i < c->n_msrs; i++)
        refs[i] = (MsrRef){c->msrs[i].index, &c->msrs[i].value};
    transfer(v, false, refs, c->n_msrs, NULL);
    for (unsigned i = 0; i < c->n_msrs; i++)
        v->msr_power_on[i] = c->msrs[i].value;
}
