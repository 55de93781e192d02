/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU in the migration stream: sections "cpu_common" and "cpu" of version 12, fields and sizes as Debian's QEMU
 * describes them at its stream's end. The state is copied to a wire form before a save and taken from it, checked,
 * after a load. The subsections are in vmstate-subs.c.
 */
#include "accel/accel.h"
#include "target/i386/cpu.h"
#include "target/i386/vmstate.h"
#include "target/i386/xsave.h"

enum { XC_LEGACY_AVX = 7, XC_OPMASK = 5, XC_ZMM_HIGH = 6, XC_ZMM16 = 7, XC_PKRU = 9 };
enum { VECTOR_MC = 18 };
enum {
    HF_IOPL_SHIFT = 12,
    HF_CS32 = 1 << 4,
    HF_SS32 = 1 << 5,
    HF_PE = 1 << 7,
    HF_LMA = 1 << 14,
    HF_CS64 = 1 << 15,
    HF_VM = 1 << 17,
    HF_SMM = 1 << 19
};

/* A component's place in the standard format; NULL: this CPU does not have it. */
static uint8_t *component(X86CPU *c, unsigned bit, size_t size)
{
    for (unsigned i = 0; i < c->n_cpuid; i++) {
        const CpuidEntry *e = &c->cpuid[i];
        uint32_t at = e->reg[CPUID_EBX];

        if (e->leaf == 0xd && e->subleaf == bit)
            return at > XS_YMM && at <= sizeof(c->xsave) - size ? c->xsave + at : NULL;
    }
    return NULL;
}

/* The components beyond AVX that have a subsection, as quadwords. */
static const struct {
    uint8_t bit;
    size_t wire, num;
} extended[] = {
    {XC_OPMASK, offsetof(CpuWire, opmask), 8},
    {XC_ZMM_HIGH, offsetof(CpuWire, zmm_high), 16 * 4},
    {XC_ZMM16, offsetof(CpuWire, zmm16), 16 * 8},
};

static void extended_to_wire(X86CPU *c, CpuWire *w)
{
    const uint8_t *pkru = component(c, XC_PKRU, 8);

    for (unsigned i = 0; i < ARRAY_SIZE(extended); i++) {
        const uint8_t *x = component(c, extended[i].bit, extended[i].num * 8);
        uint64_t *q = (uint64_t *)((uint8_t *)w + extended[i].wire);

        for (unsigned n = 0; x && w->xstate_bv >> extended[i].bit & 1 && n < extended[i].num; n++)
            q[n] = ldq_le(x + 8 * n);
    }
    if (pkru && w->xstate_bv >> XC_PKRU & 1)
        w->pkru = ldl_le(pkru);
}

/* The bits of XSTATE_BV that are there. */
static uint64_t extended_from_wire(X86CPU *c, const CpuWire *w)
{
    uint64_t bv = w->xstate_bv & XC_LEGACY_AVX;
    uint8_t *pkru = component(c, XC_PKRU, 8);

    for (unsigned i = 0; i < ARRAY_SIZE(extended); i++) {
        uint8_t *x = component(c, extended[i].bit, extended[i].num * 8);
        const uint64_t *q = (const uint64_t *)((const uint8_t *)w + extended[i].wire);

        for (unsigned n = 0; x && n < extended[i].num; n++)
            stq_le(x + 8 * n, q[n]);
        if (x)
            bv |= w->xstate_bv & BIT64(extended[i].bit);
    }
    if (pkru) {
        stl_le(pkru, w->pkru);
        bv |= w->pkru ? BIT64(XC_PKRU) : 0;
    }
    return bv;
}

static bool pre_save(Device *dev, Error **errp)
{
    X86CPU *c = X86_CPU(dev);
    CpuWire *w = &c->wire;
    const uint8_t *x = c->xsave;

    cpu_sync_get(c);
    memset(w, 0, sizeof(*w));
    w->fpuc = lduw_le(x + XS_FCW);
    w->fpus = lduw_le(x + XS_FSW);
    w->fptag = x[XS_FTW];
    w->mxcsr = ldl_le(x + XS_MXCSR);
    for (unsigned i = 0; i < 8; i++) {
        w->fp[i].mantissa = ldq_le(x + XS_ST + 16 * i);
        w->fp[i].exponent = lduw_le(x + XS_ST + 16 * i + 8);
    }
    for (unsigned i = 0; i < 16; i++) {
        w->xmm[i] = (WirePair){ldq_le(x + XS_XMM + 16 * i), ldq_le(x + XS_XMM + 16 * i + 8)};
        w->ymm[i] = (WirePair){ldq_le(x + XS_YMM + 16 * i), ldq_le(x + XS_YMM + 16 * i + 8)};
    }
    w->xstate_bv = ldq_le(x + XS_XSTATE_BV);
    w->fpop = lduw_le(x + XS_FOP);
    w->fpip = ldq_le(x + XS_FIP);
    w->fpdp = ldq_le(x + XS_FDP);
    extended_to_wire(c, w);
    cpu_msrs_to_wire(c);
    for (unsigned i = 0; i < SEG_REGS + 2; i++) {
        const SegReg *s = i < SEG_REGS ? &c->seg[i] : i == SEG_REGS ? &c->ldt : &c->tr;

        w->seg[i] = (WireSeg){s->selector, s->limit, s->flags, s->base};
    }
    w->seg[SEG_REGS + 2] = (WireSeg){.limit = c->gdt.limit, .base = c->gdt.base};
    w->seg[SEG_REGS + 3] = (WireSeg){.limit = c->idt.limit, .base = c->idt.base};
    w->hflags = (uint32_t)(bits64(c->seg[SEG_SS].flags, 13, 2) | bits64(c->rflags, 12, 2) << HF_IOPL_SHIFT) |
                (c->seg[SEG_CS].flags & 1 << 22 ? HF_CS32 : 0) | (c->seg[SEG_SS].flags & 1 << 22 ? HF_SS32 : 0) |
                (c->cr0 & CR0_PE ? HF_PE : 0) |
                (c->efer & EFER_LMA ? HF_LMA | (c->seg[SEG_CS].flags & 1 << 21 ? HF_CS64 : 0) : 0) |
                (c->rflags & FLAG_VM ? HF_VM : 0) | (c->in_smm ? HF_SMM : 0);
    w->hflags2 = 1 | (c->nmi_masked ? 4 : 0); /* GIF; NMIs are blocked */
    w->sysenter_cs = (uint32_t)c->sysenter_cs;
    w->a20_mask = (int32_t)c->a20_mask;
    for (unsigned i = 0; i < 8; i++)
        w->mtrr[i] = (WirePair){c->mtrr_base[i], c->mtrr_mask[i]};
    w->interrupt_injected = c->interrupt_injected ? c->interrupt_nr : -1;
    w->exception_nr = c->exception_injected || c->exception_pending ? c->exception_nr : -1;
    w->exception_pending = c->exception_pending;
    w->exception_injected = c->exception_injected;
    w->exception_has_payload = c->exception_has_payload;
    w->triple_fault_pending = c->triple_fault_pending;
    /* One that was raised while the VM was stopped. */
    if (w->exception_nr < 0 && __atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE) & CPU_INTERRUPT_MCE) {
        w->exception_nr = VECTOR_MC;
        w->exception_injected = 1;
    }
    w->mp_state = c->mp_state;
    w->sipi_vector = c->sipi_vector;
    w->soft_interrupt = c->interrupt_soft;
    w->nmi_injected = c->nmi_injected;
    w->nmi_pending = c->nmi_pending;
    w->has_error_code = c->exception_has_error;
    w->v_tpr = (uint8_t)c->cr8;
    w->mcg_cap = c->mcg_cap;
    w->tsc_khz = c->tsc_khz;
    return true;
}

/* What a stream without the subsection means. */
static bool pre_load(Device *dev, Error **errp)
{
    X86CPU *c = X86_CPU(dev);

    memset(&c->wire, 0, offsetof(CpuWire, halted));
    c->tsc_adjust = c->tsc_deadline = 0;
    c->kvm_async_pf = c->kvm_async_pf_int = c->kvm_steal_time = c->kvm_pv_eoi = 0;
    c->kvm_poll = 1;
    c->misc_enable = 1;
    c->xss = c->spec_ctrl = c->virt_ssbd = c->exception_payload = 0;
    return true;
}

static bool post_load(Device *dev, Error **errp)
{
    X86CPU *c = X86_CPU(dev);
    const CpuWire *w = &c->wire;
    uint8_t *x = c->xsave;

    if (w->mp_state > MP_SIPI_RECEIVED)
        return error_set(errp, "CPU %u: MP state %u does not exist", c->index, w->mp_state);
    if (w->interrupt_injected > 255 || w->interrupt_injected < -1 || w->exception_nr > 31 || w->exception_nr < -1 ||
        w->sipi_vector > 255)
        return error_set(errp, "CPU %u: interrupt %d, exception %d or SIPI vector %u does not exist", c->index,
                         w->interrupt_injected, w->exception_nr, w->sipi_vector);
    if (w->a20_mask != (int32_t)CPU_A20_OPEN && w->a20_mask != (int32_t)CPU_A20_CLOSED)
        return error_set(errp, "CPU %u: an A20 mask of 0x%08x does not exist", c->index, (unsigned)w->a20_mask);
    if (w->mxcsr & 0xffff0000)
        return error_set(errp, "CPU %u: MXCSR 0x%08x has reserved bits", c->index, w->mxcsr);
    if (w->exception_pending > 1 || w->exception_injected > 1 || w->exception_has_payload > 1 ||
        w->triple_fault_pending > 1 || ((w->exception_pending || w->exception_injected) && w->exception_nr < 0))
        return error_set(errp, "CPU %u: an exception that is pending (%u), injected (%u), of number %d", c->index,
                         w->exception_pending, w->exception_injected, w->exception_nr);
    /* From a frequency to another nobody could lead a running guest without its noticing. */
    if (w->tsc_khz && c->tsc_khz &&
        (w->tsc_khz < c->tsc_khz - c->tsc_khz / 4000 || w->tsc_khz > c->tsc_khz + c->tsc_khz / 4000))
        warn_report("CPU %u: its time stamp counter ran at %" PRId64 " kHz, here it runs at %u kHz", c->index,
                    w->tsc_khz, c->tsc_khz);
    memset(x, 0, sizeof(c->xsave));
    stw_le(x + XS_FCW, w->fpuc);
    stw_le(x + XS_FSW, w->fpus);
    x[XS_FTW] = (uint8_t)w->fptag;
    stl_le(x + XS_MXCSR, w->mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        stq_le(x + XS_ST + 16 * i, w->fp[i].mantissa);
        stw_le(x + XS_ST + 16 * i + 8, w->fp[i].exponent);
    }
    for (unsigned i = 0; i < 16; i++) {
        stq_le(x + XS_XMM + 16 * i, w->xmm[i].low);
        stq_le(x + XS_XMM + 16 * i + 8, w->xmm[i].high);
        stq_le(x + XS_YMM + 16 * i, w->ymm[i].low);
        stq_le(x + XS_YMM + 16 * i + 8, w->ymm[i].high);
    }
    stw_le(x + XS_FOP, w->fpop);
    stq_le(x + XS_FIP, w->fpip);
    stq_le(x + XS_FDP, w->fpdp);
    /* Only components that came with the stream. */
    stq_le(x + XS_XSTATE_BV, extended_from_wire(c, w) & (c->xcr0 | 3));
    cpu_msrs_from_wire(c);
    for (unsigned i = 0; i < SEG_REGS + 2; i++) {
        SegReg *s = i < SEG_REGS ? &c->seg[i] : i == SEG_REGS ? &c->ldt : &c->tr;

        *s = (SegReg){(uint16_t)w->seg[i].selector, w->seg[i].base, w->seg[i].limit, w->seg[i].flags};
    }
    c->gdt = (DescTable){w->seg[SEG_REGS + 2].base, (uint16_t)w->seg[SEG_REGS + 2].limit};
    c->idt = (DescTable){w->seg[SEG_REGS + 3].base, (uint16_t)w->seg[SEG_REGS + 3].limit};
    c->sysenter_cs = w->sysenter_cs;
    for (unsigned i = 0; i < 8; i++) {
        c->mtrr_base[i] = w->mtrr[i].low;
        c->mtrr_mask[i] = w->mtrr[i].high;
    }
    c->interrupt_injected = w->interrupt_injected >= 0;
    c->interrupt_nr = (uint8_t)(c->interrupt_injected ? w->interrupt_injected : 0);
    /* Without the subsection it is one on its way in. */
    c->exception_pending = w->exception_pending;
    c->exception_injected = w->exception_injected || (w->exception_nr >= 0 && !w->exception_pending);
    c->exception_nr = (uint8_t)MAX(w->exception_nr, 0);
    c->exception_has_payload = w->exception_pending && w->exception_has_payload;
    c->exception_has_error = w->has_error_code;
    c->triple_fault_pending = w->triple_fault_pending;
    c->interrupt_soft = w->soft_interrupt;
    c->nmi_injected = w->nmi_injected;
    c->nmi_pending = w->nmi_pending;
    c->nmi_masked = w->hflags2 & 4;
    c->in_smm = w->hflags & HF_SMM;
    __atomic_store_n(&c->a20_mask, (uint64_t)(int64_t)w->a20_mask, __ATOMIC_RELEASE);
    c->mp_state = (MpState)w->mp_state;
    /* Where the local APIC is the kernel's, waiting is the kernel's as well; else "cpu_common", which comes first, has
     * told. */
    if (accel_irqchip_mode() != IRQCHIP_USER)
        c->halted = false;
    memset(c->pdptr, 0, sizeof(c->pdptr)); /* in memory */
    c->sipi_vector = (uint8_t)w->sipi_vector;
    c->cr8 = w->v_tpr & 15;
    cpu_state_loaded(c);
    return true;
}

static const VmField pair_fields[] = {VM_U64(WirePair, low), VM_U64(WirePair, high), {}};
static const VmState pair_vmstate = {.name = "pair", .version = 1, .min_version = 1, .fields = pair_fields};
static const VmField fp_fields[] = {VM_U64(WireFp, mantissa), VM_U16(WireFp, exponent), {}};
static const VmState fp_vmstate = {.name = "fpreg", .version = 1, .min_version = 1, .fields = fp_fields};
static const VmField seg_fields[] = {
    VM_U32(WireSeg, selector), VM_U64(WireSeg, base), VM_U32(WireSeg, limit), VM_U32(WireSeg, flags), {}};
static const VmState seg_vmstate = {.name = "segment", .version = 1, .min_version = 1, .fields = seg_fields};

static const VmField cpu_fields[] = {
    VM_INT_ARRAY(X86CPU, gpr),
    VM_U64(X86CPU, rip),
    VM_U64(X86CPU, rflags),
    VM_U32(X86CPU, wire.hflags),
    VM_U16(X86CPU, wire.fpuc),
    VM_U16(X86CPU, wire.fpus),
    VM_U16(X86CPU, wire.fptag),
    VM_U16(X86CPU, wire.fpformat),
    VM_STRUCT_ARRAY(X86CPU, wire.fp, fp_vmstate),
    VM_STRUCT_ARRAY(X86CPU, wire.seg, seg_vmstate), /* ES CS SS DS FS GS LDT TR GDT IDT */
    VM_U32(X86CPU, wire.sysenter_cs),
    VM_U64(X86CPU, sysenter_esp),
    VM_U64(X86CPU, sysenter_eip),
    VM_U64(X86CPU, cr0),
    VM_U64(X86CPU, cr2),
    VM_U64(X86CPU, cr3),
    VM_U64(X86CPU, cr4),
    VM_INT_ARRAY(X86CPU, dr),
    VM_I32(X86CPU, wire.a20_mask),
    VM_U32(X86CPU, wire.mxcsr),
    VM_STRUCT_ARRAY(X86CPU, wire.xmm, pair_vmstate),
    VM_U64(X86CPU, efer),
    VM_U64(X86CPU, star),
    VM_U64(X86CPU, lstar),
    VM_U64(X86CPU, cstar),
    VM_U64(X86CPU, fmask),
    VM_U64(X86CPU, kernel_gs_base),
    VM_U32(X86CPU, smbase),
    VM_U64(X86CPU, pat),
    VM_U32(X86CPU, wire.hflags2),
    VM_INT_ARRAY(X86CPU, wire.svm_pages), /* host save area and VMCB */
    VM_U64(X86CPU, tsc_offset),
    VM_U64(X86CPU, wire.svm_intercept),
    VM_INT_ARRAY(X86CPU, wire.svm_intercept_crs),
    VM_U32(X86CPU, wire.svm_intercept_exceptions),
    VM_U8(X86CPU, wire.v_tpr),
    VM_INT_ARRAY(X86CPU, mtrr_fixed),
    VM_U64(X86CPU, mtrr_def_type),
    VM_STRUCT_ARRAY(X86CPU, wire.mtrr, pair_vmstate),
    VM_I32(X86CPU, wire.interrupt_injected),
    VM_U32(X86CPU, wire.mp_state),
    VM_U64(X86CPU, tsc),
    VM_I32(X86CPU, wire.exception_nr),
    VM_U8(X86CPU, wire.soft_interrupt),
    VM_U8(X86CPU, wire.nmi_injected),
    VM_U8(X86CPU, wire.nmi_pending),
    VM_U8(X86CPU, wire.has_error_code),
    VM_U32(X86CPU, wire.sipi_vector),
    VM_U64(X86CPU, wire.mcg_cap),
    VM_U64(X86CPU, mcg_status),
    VM_U64(X86CPU, mcg_ctl),
    VM_INT_ARRAY(X86CPU, mce_banks),
    VM_U64(X86CPU, tsc_aux),
    VM_U64(X86CPU, kvm_system_time),
    VM_U64(X86CPU, kvm_wall_clock),
    VM_U64(X86CPU, xcr0),
    VM_U64(X86CPU, wire.xstate_bv),
    VM_STRUCT_ARRAY(X86CPU, wire.ymm, pair_vmstate),
    {},
};

static bool common_pre_save(Device *dev, Error **errp)
{
    X86CPU *c = X86_CPU(dev);

    cpu_sync_get(c);
    c->wire.halted = c->halted;
    c->wire.interrupt_request = 0; /* lines of our interrupt controllers are raised anew by their own post_load */
    return true;
}

static bool common_post_load(Device *dev, Error **errp)
{
    X86CPU *c = X86_CPU(dev);

    if (c->wire.halted > 1)
        return error_set(errp, "CPU %u: halted is %u", c->index, c->wire.halted);
    c->halted = c->wire.halted;
    return true;
}

const VmState cpu_common_vmstate = {
    .name = "cpu_common",
    .version = 1,
    .min_version = 1,
    .pre_save = common_pre_save,
    .post_load = common_post_load,
    .fields = (const VmField[]){VM_U32(X86CPU, wire.halted), VM_U32(X86CPU, wire.interrupt_request), {}},
};

const VmState cpu_vmstate = {
    .name = "cpu",
    .version = 12,
    .min_version = 11,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields = cpu_fields,
    .subsections = cpu_subsections,
};
