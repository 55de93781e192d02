/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RDMSR and WRMSR (SDM volume 4; APM volume 2, appendix A). An MSR exists when the model's CPUID, or its vendor, says
 * so; all else is #GP. Registers that only have to be there (AMD's configuration that firmware and kernels read) are
 * kept by number in X86CPU.msrs, made by tcg_sys_cpu_init(). Light code.
 */
#include "accel/tcg/sys.h"
#include "softmmu/mainloop.h"

enum {
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a,
    MSR_TSC_ADJUST = 0x3b,
    MSR_SPEC_CTRL = 0x48,
    MSR_PRED_CMD = 0x49,
    MSR_UCODE_WRITE = 0x79,
    MSR_UCODE_REV = 0x8b,
    MSR_SMBASE = 0x9e,
    MSR_CORE_CAPABILITY = 0xcf,
    MSR_MTRR_CAP = 0xfe,
    MSR_ARCH_CAPABILITIES = 0x10a,
    MSR_FLUSH_CMD = 0x10b,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MCG_CTL = 0x17b,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_LBR_FROM = 0x1db,
    MSR_LINT_TO = 0x1de,
    MSR_MTRR_PHYS = 0x200,
    MSR_MTRR_PHYS_LAST = 0x20f,
    MSR_MTRR_FIX = 0x250,
    MSR_MTRR_FIX_LAST = 0x26f,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF = 0x2ff,
    MSR_PERF_CAPABILITIES = 0x345,
    MSR_MC0 = 0x400,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
    MSR_X2APIC_LAST = 0x8ff,
    MSR_XSS = 0xda0,
};
#define MSR_EFER       0xc0000080U
#define MSR_STAR       0xc0000081U
#define MSR_LSTAR      0xc0000082U
#define MSR_CSTAR      0xc0000083U
#define MSR_FMASK      0xc0000084U
#define MSR_FS_BASE    0xc0000100U
#define MSR_GS_BASE    0xc0000101U
#define MSR_KERNEL_GS  0xc0000102U
#define MSR_TSC_AUX    0xc0000103U
#define MSR_K7_EVNTSEL 0xc0010000U /* four, then four counters */
#define MSR_AMD_UCODE  0xc0010020U
#define MSR_AMD_SMBASE 0xc0010111U
#define MSR_VIRT_SSBD  0xc001011fU
#define MSR_HWCR       0xc0010015U

enum { APIC_BASE_EXTD = 1 << 10, APIC_BASE_EN = 1 << 11, APIC_BASE_ZERO = 0x2ff };
#define APIC_PAGE 0xfee00000U
enum { MTRRS = 8, MTRR_CAP_FIX = 1 << 8, MTRR_CAP_WC = 1 << 10, HWCR_MC_STATUS_WRITE = 1 << 18 };
#define MCG_CTL_P (1 << 8)

static bool amd(const X86CPU *c)
{
    return cpu_is_amd(c);
}
static bool has_spec_ctrl(const X86CPU *c)
{
    return tcg_has(c, F_7_0_EDX, 26) || tcg_has(c, F_7_0_EDX, 27) || tcg_has(c, F_7_0_EDX, 31) ||
           tcg_has(c, F_8000_0008_EBX, 14) || tcg_has(c, F_8000_0008_EBX, 15) || tcg_has(c, F_8000_0008_EBX, 24);
}
static bool has_ibpb(const X86CPU *c)
{
    return tcg_has(c, F_7_0_EDX, 26) || tcg_has(c, F_8000_0008_EBX, 12);
}
static bool has_mtrr(const X86CPU *c)
{
    return tcg_has(c, F_1_EDX, 12);
}
static bool has_long(const X86CPU *c)
{
    return tcg_has(c, F_8000_0001_EDX, 29);
}
static bool has_syscall(const X86CPU *c)
{
    return tcg_has(c, F_8000_0001_EDX, 11);
}
static bool has_tsc_aux(const X86CPU *c)
{
    return tcg_has(c, F_8000_0001_EDX, 27) || tcg_has(c, F_7_0_ECX, 22);
}

/* A register kept by number; NULL: there is none. */
static MsrValue *numbered(X86CPU *c, uint32_t msr)
{
    for (unsigned n = 0; n < c->n_msrs; n++) {
        if (c->msrs[n].index == msr)
            return &c->msrs[n];
    }
    return NULL;
}

/* One of the eleven fixed-range registers; NULL: a hole. */
static uint64_t *fixed_mtrr(X86CPU *c, uint32_t msr)
{
    if (msr == 0x250)
        return &c->mtrr_fixed[0];
    if (msr == 0x258 || msr == 0x259)
        return &c->mtrr_fixed[1 + (msr & 1)];
    return msr >= 0x268 ? &c->mtrr_fixed[3 + (msr & 7)] : NULL;
}

static bool memory_type(uint64_t t) /* of an MTRR */
{
    return t < 7 && (1 << t & 0x73);
}

/* The local APIC, which lives outside. */

static bool apic_rdmsr(X86CPU *c, uint32_t msr, uint64_t *val)
{
    bool ok = false;

    if (!c->irq_ops || !c->irq_ops->msr_read)
        return false;
    tcg_outside_begin(c);
    vm_lock();
    ok = c->irq_ops->msr_read(c, msr, val);
    vm_unlock();
    tcg_outside_end(c);
    return ok;
}

static bool apic_wrmsr(X86CPU *c, uint32_t msr, uint64_t val)
{
    bool ok = false;

    if (!c->irq_ops || !c->irq_ops->msr_write)
        return false;
    tcg_outside_begin(c);
    vm_lock();
    ok = c->irq_ops->msr_write(c, msr, val);
    vm_unlock();
    tcg_outside_end(c);
    return ok;
}

static uint64_t read_apic_base(X86CPU *c)
{
    if (c->irq_ops && c->irq_ops->get_base) {
        tcg_outside_begin(c);
        vm_lock();
        c->apic_base = c->irq_ops->get_base(c);
        vm_unlock();
        tcg_outside_end(c);
    }
    return c->apic_base;
}

void tcg_apic_base_changed(X86CPU *c)
{
    uint64_t page = c->apic_base & PAGE_MASK;

    if (page == APIC_PAGE || (c->apic_base & (APIC_BASE_EN | APIC_BASE_EXTD)) != APIC_BASE_EN || !c->apic ||
        !cpu_apic_space)
        page = TLB_NONE;
    if (page == TCG(c)->apic_page)
        return;
    TCG(c)->apic_page = page;
    tcg_flush_tlb(c, true);
}

/* Modes change as figure 11-9 of volume 3 says: x2APIC is entered from xAPIC and left by disabling. */
static bool write_apic_base(X86CPU *c, uint64_t val)
{
    uint64_t old = read_apic_base(c), mode = val & (APIC_BASE_EN | APIC_BASE_EXTD),
             was = old & (APIC_BASE_EN | APIC_BASE_EXTD);

    if (val & (APIC_BASE_ZERO | tcg_phys_reserved(c)) || mode == APIC_BASE_EXTD)
        return false;
    if (mode & APIC_BASE_EXTD && (!tcg_has(c, F_1_ECX, 21) || !was))
        return false;
    if (was & APIC_BASE_EXTD && mode == APIC_BASE_EN)
        return false;
    if (c->irq_ops && c->irq_ops->set_base) {
        tcg_outside_begin(c);
        vm_lock();
        c->irq_ops->set_base(c, val);
        c->apic_base = c->irq_ops->get_base ? c->irq_ops->get_base(c) : val;
        vm_unlock();
        tcg_outside_end(c);
    } else {
        c->apic_base = val;
    }
    tcg_apic_base_changed(c);
    return true;
}

/* Machine check banks: CTL, STATUS, ADDR, MISC. */
static uint64_t *mce_bank(X86CPU *c, uint32_t msr)
{
    unsigned n = msr - MSR_MC0, banks = c->mcg_cap & 0xff;

    return n < banks * 4 && n < ARRAY_SIZE(c->mce_banks) ? &c->mce_banks[n] : NULL;
}

static uint64_t ucode_rev(const X86CPU *c)
{
    if (c->config.ucode_rev)
        return c->config.ucode_rev;
    return amd(c) ? 0x01000065 : 0x100000000ULL;
}

static bool give(uint64_t *to, uint64_t val, bool exists)
{
    *to = val;
    return exists;
}

static bool read_ranges(X86CPU *c, uint32_t msr, uint64_t *val)
{
    const MsrValue *m;

    if (msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST)
        return apic_rdmsr(c, msr, val);
    if (msr >= MSR_MTRR_PHYS && msr <= MSR_MTRR_PHYS_LAST)
        return give(val, (msr & 1 ? c->mtrr_mask : c->mtrr_base)[(msr & 15) >> 1], has_mtrr(c));
    if (msr >= MSR_MTRR_FIX && msr <= MSR_MTRR_FIX_LAST) {
        const uint64_t *f = fixed_mtrr(c, msr);

        return f && give(val, *f, has_mtrr(c));
    }
    if (msr >= MSR_MC0 && msr < MSR_MC0 + 4 * 32) {
        const uint64_t *b = mce_bank(c, msr);

        return b && give(val, *b, true);
    }
    if (msr >= MSR_LBR_FROM && msr <= MSR_LINT_TO) /* last branch and interrupt records: never on */
        return give(val, 0, amd(c) || msr >= MSR_LINT_TO - 1);
    if (msr >= MSR_K7_EVNTSEL && msr < MSR_K7_EVNTSEL + 8) /* off, and stay so */
        return give(val, 0, amd(c));
    m = numbered(c, msr);
    return m && give(val, m->value, true);
}

bool tcg_rdmsr(X86CPU *c, uint32_t msr, uint64_t *val)
{
    switch (msr) {
    case MSR_TSC:
        return give(val, tcg_tsc(c), tcg_has(c, F_1_EDX, 4));
    case MSR_PLATFORM_ID:
    case MSR_EBL_CR_POWERON:
        return give(val, 0, !amd(c));
    case MSR_APIC_BASE:
        return tcg_has(c, F_1_EDX, 9) && give(val, read_apic_base(c), true);
    case MSR_TSC_ADJUST:
        return give(val, c->tsc_adjust, tcg_has(c, F_7_0_EBX, 1));
    case MSR_SPEC_CTRL:
        return give(val, c->spec_ctrl, has_spec_ctrl(c));
    case MSR_UCODE_REV:
        return give(val, ucode_rev(c), true);
    case MSR_SMBASE:
        return give(val, c->smbase, c->in_smm);
    case MSR_CORE_CAPABILITY:
        return give(val, c->config.features[F_CORE_CAPABILITY], tcg_has(c, F_7_0_EDX, 30));
    case MSR_MTRR_CAP:
        return give(val, MTRRS | MTRR_CAP_FIX | MTRR_CAP_WC, has_mtrr(c));
    case MSR_ARCH_CAPABILITIES:
        return give(val, c->config.features[F_ARCH_CAPABILITIES], tcg_has(c, F_7_0_EDX, 29));
    case MSR_SYSENTER_CS:
        return give(val, c->sysenter_cs, tcg_has(c, F_1_EDX, 11));
    case MSR_SYSENTER_ESP:
        return give(val, c->sysenter_esp, tcg_has(c, F_1_EDX, 11));
    case MSR_SYSENTER_EIP:
        return give(val, c->sysenter_eip, tcg_has(c, F_1_EDX, 11));
    case MSR_MCG_CAP:
        return give(val, c->mcg_cap, tcg_has(c, F_1_EDX, 14));
    case MSR_MCG_STATUS:
        return give(val, c->mcg_status, tcg_has(c, F_1_EDX, 14));
    case MSR_MCG_CTL:
        return give(val, c->mcg_ctl, c->mcg_cap & MCG_CTL_P);
    case MSR_MISC_ENABLE:
        return give(val, c->misc_enable, !amd(c));
    case MSR_DEBUGCTL:
        return give(val, c->debugctl, true);
    case MSR_PAT:
        return give(val, c->pat, tcg_has(c, F_1_EDX, 16));
    case MSR_MTRR_DEF:
        return give(val, c->mtrr_def_type, has_mtrr(c));
    case MSR_PERF_CAPABILITIES:
        return give(val, c->config.features[F_PERF_CAPABILITIES], tcg_has(c, F_1_ECX, 15));
    case MSR_TSC_DEADLINE:
        return apic_rdmsr(c, msr, val);
    case MSR_XSS:
        return give(val, c->xss, tcg_has(c, F_XSAVE, 3));
    case MSR_EFER:
        return give(val, c->efer, has_syscall(c) || has_long(c) || tcg_has(c, F_8000_0001_EDX, 20));
    case MSR_STAR:
        return give(val, c->star, has_syscall(c));
    case MSR_LSTAR:
        return give(val, c->lstar, has_long(c));
    case MSR_CSTAR:
        return give(val, c->cstar, has_long(c));
    case MSR_FMASK:
        return give(val, c->fmask, has_long(c));
    case MSR_FS_BASE:
        return give(val, c->seg[SEG_FS].base, has_long(c));
    case MSR_GS_BASE:
        return give(val, c->seg[SEG_GS].base, has_long(c));
    case MSR_KERNEL_GS:
        return give(val, c->kernel_gs_base, has_long(c));
    case MSR_TSC_AUX:
        return give(val, c->tsc_aux, has_tsc_aux(c));
    case MSR_AMD_SMBASE:
        return give(val, c->smbase, amd(c));
    case MSR_VIRT_SSBD:
        return give(val, c->virt_ssbd, tcg_has(c, F_8000_0008_EBX, 25));
    default:
        return read_ranges(c, msr, val);
    }
}

static bool write_efer(X86CPU *c, uint64_t val)
{
    uint64_t may = (has_syscall(c) ? EFER_SCE : 0) | (has_long(c) ? EFER_LME | EFER_LMA : 0) |
                   (tcg_has(c, F_8000_0001_EDX, 20) ? EFER_NXE : 0) |
                   (tcg_has(c, F_8000_0001_EDX, 25) ? EFER_FFXSR : 0);

    if (val & ~may || ((val ^ c->efer) & EFER_LME && c->cr0 & CR0_PG))
        return false;
    bool nx = (val ^ c->efer) & EFER_NXE;

    c->efer = (val & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
    if (nx)
        tcg_flush_tlb(c, true);
    tcg_mode_changed(c);
    return true;
}

static bool write_mtrr_phys(X86CPU *c, uint32_t msr, uint64_t val)
{
    unsigned n = (msr & 15) >> 1;

    if (msr & 1) {
        if (val & (0x7ff | tcg_phys_reserved(c)))
            return false;
        c->mtrr_mask[n] = val;
    } else {
        if (val & (0xf00 | tcg_phys_reserved(c)) || !memory_type(val & 0xff))
            return false;
        c->mtrr_base[n] = val;
    }
    return true;
}

static bool write_mtrr_fixed(X86CPU *c, uint32_t msr, uint64_t val)
{
    uint64_t *f = fixed_mtrr(c, msr);

    /* AMD's routing bits 3 and 4 of each type (APM volume 2, 7.9) are kept where SYSCFG opens them. */
    for (unsigned n = 0; f && n < 8; n++) {
        if (!memory_type((val >> n * 8 & 0xff) & (amd(c) ? 0xe7 : 0xff)))
            return false;
    }
    if (f)
        *f = val;
    return f;
}

static bool write_pat(X86CPU *c, uint64_t val)
{
    for (unsigned n = 0; n < 8; n++) {
        uint64_t t = val >> n * 8 & 0xff;

        if (t > 7 || t == 2 || t == 3)
            return false;
    }
    c->pat = val;
    return true;
}

static bool write_mce(X86CPU *c, uint32_t msr, uint64_t val)
{
    uint64_t *b = mce_bank(c, msr);
    const MsrValue *hwcr = amd(c) ? numbered(c, MSR_HWCR) : NULL;

    if (!b || ((msr & 3) && val && !(hwcr && hwcr->value & HWCR_MC_STATUS_WRITE)))
        return false;
    *b = val;
    return true;
}

/* The counter has moved: a deadline that is armed is as far away as it says now. */
static bool tsc_moved(X86CPU *c)
{
    uint64_t deadline = 0;

    if (apic_rdmsr(c, MSR_TSC_DEADLINE, &deadline) && deadline)
        apic_wrmsr(c, MSR_TSC_DEADLINE, deadline);
    return true;
}

/* What WRMSR does to TSC shows in TSC_ADJUST, and the other way round (SDM volume 3, 17.17.3). */
static bool write_tsc(X86CPU *c, uint64_t val)
{
    uint64_t before = c->tsc_offset;

    tcg_tsc_set(c, val);
    c->tsc_adjust += c->tsc_offset - before;
    return tsc_moved(c);
}

static bool take(uint64_t *field, uint64_t val, bool ok)
{
    if (ok)
        *field = val;
    return ok;
}

static bool write_ranges(X86CPU *c, uint32_t msr, uint64_t val)
{
    MsrValue *m;

    if (msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST)
        return apic_wrmsr(c, msr, val);
    if (msr >= MSR_MTRR_PHYS && msr <= MSR_MTRR_PHYS_LAST)
        return has_mtrr(c) && write_mtrr_phys(c, msr, val);
    if (msr >= MSR_MTRR_FIX && msr <= MSR_MTRR_FIX_LAST)
        return has_mtrr(c) && write_mtrr_fixed(c, msr, val);
    if (msr >= MSR_MC0 && msr < MSR_MC0 + 4 * 32)
        return write_mce(c, msr, val);
    if (msr >= MSR_K7_EVNTSEL && msr < MSR_K7_EVNTSEL + 8)
        return amd(c);
    m = numbered(c, msr);
    return m && take(&m->value, val, true);
}

bool tcg_wrmsr(X86CPU *c, uint32_t msr, uint64_t val)
{
    /* Fast strings, thermal control, SpeedStep, MONITOR, xTPR; the other bits are the processor's. */
    enum { MISC_WRITE = 1 | 1 << 3 | 1 << 16 | MISC_ENABLE_MONITOR | 1 << 23 };
    bool canonical = tcg_canonical_max(c, val);

    switch (msr) {
    case MSR_TSC:
        return tcg_has(c, F_1_EDX, 4) && write_tsc(c, val);
    case MSR_APIC_BASE:
        return tcg_has(c, F_1_EDX, 9) && write_apic_base(c, val);
    case MSR_EBL_CR_POWERON:
        return !amd(c);
    case MSR_TSC_ADJUST:
        if (!tcg_has(c, F_7_0_EBX, 1))
            return false;
        c->tsc_offset += val - c->tsc_adjust;
        c->tsc_adjust = val;
        return tsc_moved(c);
    case MSR_SPEC_CTRL:
        return take(&c->spec_ctrl, val, has_spec_ctrl(c) && !(val & ~7ULL));
    case MSR_PRED_CMD:
        return has_ibpb(c) && !(val & ~1ULL);
    case MSR_FLUSH_CMD:
        return tcg_has(c, F_7_0_EDX, 28) && !(val & ~1ULL);
    case MSR_UCODE_WRITE: /* no update is taken; the revision tells */
    case MSR_UCODE_REV:
        return !amd(c);
    case MSR_AMD_UCODE:
        return amd(c);
    case MSR_SYSENTER_CS:
        return take(&c->sysenter_cs, val & 0xffff, tcg_has(c, F_1_EDX, 11));
    case MSR_SYSENTER_ESP:
        return take(&c->sysenter_esp, val, tcg_has(c, F_1_EDX, 11) && canonical);
    case MSR_SYSENTER_EIP:
        return take(&c->sysenter_eip, val, tcg_has(c, F_1_EDX, 11) && canonical);
    case MSR_MCG_STATUS:
        return take(&c->mcg_status, val, tcg_has(c, F_1_EDX, 14) && !(val & ~7ULL));
    case MSR_MCG_CTL:
        return take(&c->mcg_ctl, val, c->mcg_cap & MCG_CTL_P);
    case MSR_MISC_ENABLE:
        return take(&c->misc_enable, val, !amd(c) && !((val ^ c->misc_enable) & ~(uint64_t)MISC_WRITE));
    case MSR_DEBUGCTL:
        return take(&c->debugctl, val, !(val & ~(amd(c) ? 0x3fULL : 3ULL)));
    case MSR_PAT:
        return tcg_has(c, F_1_EDX, 16) && write_pat(c, val);
    case MSR_MTRR_DEF:
        return take(&c->mtrr_def_type, val, has_mtrr(c) && !(val & ~0xcffULL) && memory_type(val & 0xff));
    case MSR_TSC_DEADLINE:
        return apic_wrmsr(c, msr, val);
    case MSR_XSS:
        return take(&c->xss, val, tcg_has(c, F_XSAVE, 3) && !val);
    case MSR_EFER:
        return (has_syscall(c) || has_long(c) || tcg_has(c, F_8000_0001_EDX, 20)) && write_efer(c, val);
    case MSR_STAR:
        return take(&c->star, val, has_syscall(c));
    case MSR_LSTAR:
        return take(&c->lstar, val, has_long(c) && canonical);
    case MSR_CSTAR:
        return take(&c->cstar, val, has_long(c) && canonical);
    case MSR_FMASK:
        return take(&c->fmask, (uint32_t)val, has_long(c) && (amd(c) || !(val >> 32)));
    case MSR_FS_BASE:
        return take(&c->seg[SEG_FS].base, val, has_long(c) && canonical);
    case MSR_GS_BASE:
        return take(&c->seg[SEG_GS].base, val, has_long(c) && canonical);
    case MSR_KERNEL_GS:
        return take(&c->kernel_gs_base, val, has_long(c) && canonical);
    case MSR_TSC_AUX:
        return take(&c->tsc_aux, (uint32_t)val, has_tsc_aux(c) && (amd(c) || !(val >> 32)));
    case MSR_AMD_SMBASE:
        if (!amd(c))
            return false;
        c->smbase = (uint32_t)val;
        return true;
    case MSR_VIRT_SSBD:
        return take(&c->virt_ssbd, val, tcg_has(c, F_8000_0008_EBX, 25));
    default:
        return write_ranges(c, msr, val);
    }
}
