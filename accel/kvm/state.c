/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's state out of the kernel and in. Order on the way in: system registers (they hold the APIC base, EFER and
 * CR4, on which the rest depends), general registers, XCR0 before the XSAVE area that it describes, MSRs (TSC before
 * its users), local APIC (after the APIC base, which decides its form), the TSC deadline (after the local APIC, whose
 * timer mode it needs), MP state, debug registers, events last: nothing after them may disturb what is in flight.
 *
 * At run-time level general registers, system registers and events go with the next KVM_RUN (KVM_CAP_SYNC_REGS) instead
 * of three calls.
 */
#include "accel/kvm/kvm.h"
#include "softmmu/vcpus.h"
#include "target/i386/mce.h"

static void seg_from_kvm(SegReg *s, const struct kvm_segment *k)
{
    s->selector = k->selector;
    s->base = k->base;
    s->limit = k->limit;
    s->flags = k->type << 8 | k->s << 12 | k->dpl << 13 | (k->present && !k->unusable) << 15 | k->avl << 20 |
               k->l << 21 | k->db << 22 | (uint32_t)k->g << 23;
}

static void seg_to_kvm(struct kvm_segment *k, const SegReg *s, bool vm86)
{
    *k = (struct kvm_segment){.base = s->base, .limit = s->limit, .selector = s->selector};
    if (vm86) {
        k->type = 3;
        k->s = k->present = 1;
        k->dpl = 3;
        return;
    }
    k->type = bits64(s->flags, 8, 4);
    k->s = bits64(s->flags, 12, 1);
    k->dpl = bits64(s->flags, 13, 2);
    k->present = bits64(s->flags, 15, 1);
    k->avl = bits64(s->flags, 20, 1);
    k->l = bits64(s->flags, 21, 1);
    k->db = bits64(s->flags, 22, 1);
    k->g = bits64(s->flags, 23, 1);
    k->unusable = !k->present;
}

static const uint8_t kvm_seg_order[SEG_REGS] = {SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS};

/* The segment registers lie side by side, in kvm_seg_order, then TR and LDT, in kvm_sregs and kvm_sregs2 alike. */
static void sregs_from_kvm(X86CPU *c, const struct kvm_sregs *s)
{
    const struct kvm_segment *k = &s->cs;

    for (unsigned i = 0; i < SEG_REGS; i++)
        seg_from_kvm(&c->seg[kvm_seg_order[i]], &k[i]);
    seg_from_kvm(&c->tr, &s->tr);
    seg_from_kvm(&c->ldt, &s->ldt);
    c->gdt = (DescTable){.base = s->gdt.base, .limit = s->gdt.limit};
    c->idt = (DescTable){.base = s->idt.base, .limit = s->idt.limit};
    c->cr0 = s->cr0;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->cr8 = s->cr8;
    c->efer = s->efer;
    c->apic_base = s->apic_base;
}

static void sregs_to_kvm(X86CPU *c, struct kvm_sregs *s)
{
    struct kvm_segment *k = &s->cs;
    bool vm86 = c->rflags & FLAG_VM;

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < SEG_REGS; i++)
        seg_to_kvm(&k[i], &c->seg[kvm_seg_order[i]], vm86);
    seg_to_kvm(&s->tr, &c->tr, false);
    seg_to_kvm(&s->ldt, &c->ldt, false);
    s->gdt.base = c->gdt.base;
    s->gdt.limit = c->gdt.limit;
    s->idt.base = c->idt.base;
    s->idt.limit = c->idt.limit;
    s->cr0 = c->cr0;
    s->cr2 = c->cr2;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->cr8 = c->cr8;
    s->efer = c->efer;
    s->apic_base = c->apic_base;
    if (c->interrupt_injected && kvm.irqchip == IRQCHIP_USER)
        s->interrupt_bitmap[c->interrupt_nr / 64] |= BIT64(c->interrupt_nr % 64);
}

G_STATIC_ASSERT(offsetof(struct kvm_sregs, cr0) == offsetof(struct kvm_sregs2, cr0));
G_STATIC_ASSERT(offsetof(struct kvm_sregs, apic_base) == offsetof(struct kvm_sregs2, apic_base));

static void regs_from_kvm(X86CPU *c, const struct kvm_regs *r)
{
    c->gpr[R_RAX] = r->rax;
    c->gpr[R_RBX] = r->rbx;
    c->gpr[R_RCX] = r->rcx;
    c->gpr[R_RDX] = r->rdx;
    c->gpr[R_RSI] = r->rsi;
    c->gpr[R_RDI] = r->rdi;
    c->gpr[R_RSP] = r->rsp;
    c->gpr[R_RBP] = r->rbp;
    memcpy(&c->gpr[R_R8], &r->r8, 8 * sizeof(uint64_t));
    c->rip = r->rip;
    c->rflags = r->rflags;
}

static void regs_to_kvm(const X86CPU *c, struct kvm_regs *r)
{
    *r = (struct kvm_regs){
        .rax = c->gpr[R_RAX],
        .rbx = c->gpr[R_RBX],
        .rcx = c->gpr[R_RCX],
        .rdx = c->gpr[R_RDX],
        .rsi = c->gpr[R_RSI],
        .rdi = c->gpr[R_RDI],
        .rsp = c->gpr[R_RSP],
        .rbp = c->gpr[R_RBP],
        .rip = c->rip,
        .rflags = c->rflags,
    };
    memcpy(&r->r8, &c->gpr[R_R8], 8 * sizeof(uint64_t));
}

static void events_from_kvm(X86CPU *c, const struct kvm_vcpu_events *e)
{
    c->exception_nr = e->exception.nr;
    c->exception_injected = e->exception.injected;
    c->exception_pending = e->flags & KVM_VCPUEVENT_VALID_PAYLOAD ? e->exception.pending : false;
    c->exception_has_error = e->exception.has_error_code;
    c->exception_error = e->exception.error_code;
    c->exception_has_payload = e->exception_has_payload;
    c->exception_payload = e->exception_payload;
    c->interrupt_injected = e->interrupt.injected;
    c->interrupt_nr = e->interrupt.nr;
    c->interrupt_soft = e->interrupt.soft;
    c->interrupt_shadow = e->interrupt.shadow;
    c->nmi_injected = e->nmi.injected;
    c->nmi_pending = e->nmi.pending;
    c->nmi_masked = e->nmi.masked;
    if (e->flags & KVM_VCPUEVENT_VALID_SMM) {
        c->in_smm = e->smi.smm;
        c->smi_pending = e->smi.pending;
        c->smm_inside_nmi = e->smi.smm_inside_nmi;
    }
    if (e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
        c->triple_fault_pending = e->triple_fault.pending;
    c->sipi_vector = (uint8_t)e->sipi_vector;
}

static void events_to_kvm(const X86CPU *c, struct kvm_vcpu_events *e, CpuStateLevel level)
{
    *e = (struct kvm_vcpu_events){
        .exception = {.injected = c->exception_injected,
                      .nr = c->exception_nr,
                      .has_error_code = c->exception_has_error,
                      .error_code = c->exception_error},
        .interrupt = {.injected = c->interrupt_injected,
                      .nr = c->interrupt_nr,
                      .soft = c->interrupt_soft,
                      .shadow = c->interrupt_shadow},
        .nmi = {.injected = c->nmi_injected, .pending = c->nmi_pending, .masked = c->nmi_masked},
        .sipi_vector = c->sipi_vector,
        .flags = KVM_VCPUEVENT_VALID_SHADOW,
    };
    /* An NMI or a SIPI on its way in the kernel must not be overwritten by what a look at the registers saw. */
    if (level >= CPU_STATE_INIT)
        e->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR;
    if (kvm.exception_payload) {
        e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
        e->exception.pending = c->exception_pending;
        e->exception_has_payload = c->exception_has_payload;
        e->exception_payload = c->exception_payload;
    }
    if (kvm.triple_fault_event) {
        e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
        e->triple_fault.pending = c->triple_fault_pending;
    }
    if (kvm.smm) {
        e->flags |= KVM_VCPUEVENT_VALID_SMM;
        e->smi.smm = c->in_smm;
        e->smi.pending = c->smi_pending;
        e->smi.smm_inside_nmi = c->smm_inside_nmi;
    }
}

static bool io(KvmVcpu *v, unsigned long req, const char *name, void *arg, Error **errp)
{
    int e = kvm_vcpu_ioctl(v, req, arg);

    return e >= 0 || error_set_errno(errp, -e, "%s", name);
}
#define IO(req, arg) io(v, req, #req, arg, errp)

/* Old kernels without KVM_GET_XSAVE: the legacy area from struct kvm_fpu (FTW in it is the abridged form). */
static void fpu_from_kvm(X86CPU *c, const struct kvm_fpu *f)
{
    uint8_t *x = c->xsave;

    stw_le(x, f->fcw);
    stw_le(x + 2, f->fsw);
    x[4] = f->ftwx;
    stw_le(x + 6, f->last_opcode);
    stq_le(x + 8, f->last_ip);
    stq_le(x + 16, f->last_dp);
    stl_le(x + 24, f->mxcsr);
    memcpy(x + 32, f->fpr, sizeof(f->fpr));
    memcpy(x + 160, f->xmm, sizeof(f->xmm));
}

static void fpu_to_kvm(const X86CPU *c, struct kvm_fpu *f)
{
    const uint8_t *x = c->xsave;

    *f = (struct kvm_fpu){.fcw = lduw_le(x),
                          .fsw = lduw_le(x + 2),
                          .ftwx = x[4],
                          .last_opcode = lduw_le(x + 6),
                          .last_ip = ldq_le(x + 8),
                          .last_dp = ldq_le(x + 16),
                          .mxcsr = ldl_le(x + 24)};
    memcpy(f->fpr, x + 32, sizeof(f->fpr));
    memcpy(f->xmm, x + 160, sizeof(f->xmm));
}

static bool get_xstate(X86CPU *c, KvmVcpu *v, Error **errp)
{
    if (!kvm.xsave) {
        struct kvm_fpu f;

        if (!IO(KVM_GET_FPU, &f))
            return false;
        fpu_from_kvm(c, &f);
        return true;
    }
    if (!(kvm.xsave_size > 4096 ? IO(KVM_GET_XSAVE2, c->xsave) : IO(KVM_GET_XSAVE, c->xsave)))
        return false;
    if (kvm.xcrs) {
        struct kvm_xcrs x = {0};

        if (!IO(KVM_GET_XCRS, &x))
            return false;
        for (unsigned i = 0; i < x.nr_xcrs && i < KVM_MAX_XCRS; i++) {
            if (x.xcrs[i].xcr == 0)
                c->xcr0 = x.xcrs[i].value;
        }
    }
    return true;
}

static bool put_xstate(X86CPU *c, KvmVcpu *v, Error **errp)
{
    if (!kvm.xsave) {
        struct kvm_fpu f;

        fpu_to_kvm(c, &f);
        return IO(KVM_SET_FPU, &f);
    }
    if (kvm.xcrs) {
        struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs[0].value = c->xcr0};

        if (!IO(KVM_SET_XCRS, &x))
            return false;
    }
    /* x87 and SSE always count; the other components as the header says. */
    c->xsave[512] |= 3;
    return IO(KVM_SET_XSAVE, c->xsave);
}

static bool get_debugregs(X86CPU *c, KvmVcpu *v, Error **errp)
{
    struct kvm_debugregs d;

    if (!kvm.debugregs)
        return true;
    if (!IO(KVM_GET_DEBUGREGS, &d))
        return false;
    for (unsigned i = 0; i < 4; i++)
        c->dr[i] = d.db[i];
    c->dr[6] = d.dr6;
    c->dr[7] = d.dr7;
    return true;
}

static bool put_debugregs(X86CPU *c, KvmVcpu *v, Error **errp)
{
    struct kvm_debugregs d = {.db = {c->dr[0], c->dr[1], c->dr[2], c->dr[3]}, .dr6 = c->dr[6], .dr7 = c->dr[7]};

    return !kvm.debugregs || IO(KVM_SET_DEBUGREGS, &d);
}

bool kvm_get_other_state(X86CPU *c, Error **errp)
{
    KvmVcpu *v = KVM_VCPU(c);
    struct kvm_mp_state mp;

    if (kvm.irqchip == IRQCHIP_USER)
        return true;
    if (!IO(KVM_GET_MP_STATE, &mp) || !IO(KVM_GET_LAPIC, c->lapic_page))
        return false;
    c->mp_state = mp.mp_state;
    c->halted = false;
    return true;
}

static bool get(X86CPU *c, bool all, Error **errp)
{
    KvmVcpu *v = KVM_VCPU(c);
    struct kvm_regs regs;
    struct kvm_vcpu_events events = {0};
    union {
        struct kvm_sregs one;
        struct kvm_sregs2 two;
    } s = {0};

    if (!IO(KVM_GET_REGS, &regs) || !(kvm.sregs2 ? IO(KVM_GET_SREGS2, &s.two) : IO(KVM_GET_SREGS, &s.one)) ||
        !IO(KVM_GET_VCPU_EVENTS, &events) || !get_xstate(c, v, errp) || !get_debugregs(c, v, errp) ||
        !(all ? kvm_get_msrs(c, errp) && kvm_get_other_state(c, errp) : kvm_get_runtime_msrs(c, errp)))
        return false;
    regs_from_kvm(c, &regs);
    sregs_from_kvm(c, &s.one);
    if (kvm.sregs2)
        memcpy(c->pdptr, s.two.pdptrs, sizeof(c->pdptr));
    events_from_kvm(c, &events);
    if (kvm.irqchip == IRQCHIP_USER && c->irq_ops && c->irq_ops->get_tpr)
        c->cr8 = c->irq_ops->get_tpr(c);
    return true;
}

bool kvm_get_state(X86CPU *c, Error **errp)
{
    return get(c, true, errp);
}

bool kvm_get_insn_state(X86CPU *c, Error **errp)
{
    if (!get(c, false, errp))
        return false;
    if (kvm.irqchip != IRQCHIP_USER) {
        c->mp_state = MP_RUNNABLE;
        c->halted = false;
    }
    return true;
}

static bool put_sregs(X86CPU *c, KvmVcpu *v, Error **errp)
{
    union {
        struct kvm_sregs one;
        struct kvm_sregs2 two;
    } s = {0};

    sregs_to_kvm(c, &s.one);
    if (!kvm.sregs2)
        return IO(KVM_SET_SREGS, &s.one);
    memset((uint8_t *)&s + offsetof(struct kvm_sregs2, flags), 0, sizeof(s) - offsetof(struct kvm_sregs2, flags));
    /* With PAE paging the PDPTRs are registers of their own; without valid ones KVM reads them from memory. */
    if ((c->cr0 & CR0_PG) && (c->cr4 & 0x20) && !(c->efer & EFER_LMA) &&
        (c->pdptr[0] | c->pdptr[1] | c->pdptr[2] | c->pdptr[3])) {
        s.two.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
        memcpy(s.two.pdptrs, c->pdptr, sizeof(c->pdptr));
    }
    return IO(KVM_SET_SREGS2, &s.two);
}

bool kvm_put_state(X86CPU *c, CpuStateLevel level, Error **errp)
{
    KvmVcpu *v = KVM_VCPU(c);
    struct kvm_sync_regs *sync = &v->run->s.regs;
    const unsigned all = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
    bool kernel_apic = kvm.irqchip != IRQCHIP_USER, only_regs = v->only_regs;
    struct kvm_vcpu_events events;

    v->only_regs = false;
    events_to_kvm(c, &events, level);
    if (level == CPU_STATE_RUNTIME && (kvm.sync_regs & all) == all && c->mp_state == MP_RUNNABLE &&
        !c->debug.single_step) {
        regs_to_kvm(c, &sync->regs);
        sregs_to_kvm(c, &sync->sregs);
        sync->events = events;
        v->run->kvm_dirty_regs = all;
        if (!only_regs && (!put_xstate(c, v, errp) || !kvm_put_msrs(c, level, errp) || !put_debugregs(c, v, errp)))
            return false;
    } else {
        struct kvm_regs regs;
        struct kvm_mp_state mp = {.mp_state = c->mp_state};

        regs_to_kvm(c, &regs);
        v->run->kvm_dirty_regs = 0;
        if (!put_sregs(c, v, errp) || !IO(KVM_SET_REGS, &regs) || !put_xstate(c, v, errp) ||
            !kvm_put_msrs(c, level, errp))
            return false;
        if (level >= CPU_STATE_RESET && kernel_apic && !IO(KVM_SET_LAPIC, c->lapic_page))
            return false;
        if (level >= CPU_STATE_RESET && kernel_apic && kvm.tsc_deadline) {
            struct {
                struct kvm_msrs h;
                struct kvm_msr_entry e;
            } m = {.h.nmsrs = 1, .e = {.index = 0x6e0, .data = c->tsc_deadline}};

            /* Refused where the guest's CPUID has no such timer. */
            kvm_vcpu_ioctl(v, KVM_SET_MSRS, &m);
        }
        if (level >= CPU_STATE_RESET && kernel_apic && kvm.mp_state && !IO(KVM_SET_MP_STATE, &mp))
            return false;
        if (!put_debugregs(c, v, errp) || !IO(KVM_SET_VCPU_EVENTS, &events))
            return false;
    }
    if (!kernel_apic)
        v->apic_base = v->run->apic_base = c->apic_base;
    if (v->user_irq) {
        v->run->ready_for_interrupt_injection = 0;
        v->run->if_flag = !!(c->rflags & FLAG_IF);
    }
    c->state_dirty = false;
    return true;
}

bool kvm_inject_mce(X86CPU *c, const MceEvent *e, Error **errp)
{
    enum { MCIP = 4, UC_BIT = 61, PCC_BIT = 57, S_BIT = 56, AR_BIT = 55 };
    KvmVcpu *v = KVM_VCPU(c);
    bool uc = e->status >> UC_BIT & 1;
    /* KVM takes it for one that needs no action (UCNA) and raises nothing. */
    bool ucna = uc && !e->mcg_status && !(e->status & (BIT64(PCC_BIT) | BIT64(S_BIT) | BIT64(AR_BIT)));
    struct kvm_x86_mce m = {
        .status = e->status, .addr = e->addr, .misc = e->misc, .mcg_status = e->mcg_status, .bank = (uint8_t)e->bank};

    if (c->state_dirty && !kvm_put_state(c, c->dirty_level, errp))
        return false;
    /* What waits for the next KVM_RUN would overwrite the exception: it goes in now. */
    if (v->run->kvm_dirty_regs) {
        __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        kvm_sys->ioctl(v->fd, KVM_RUN, NULL);
        v->run->kvm_dirty_regs = 0;
    }
    if (ucna)
        m.mcg_status = MCIP;
    if (!IO(KVM_X86_SET_MCE, &m))
        return false;
    c->state_synced = false;
    if (ucna) {
        struct {
            struct kvm_msrs h;
            struct kvm_msr_entry e;
        } status = {.h.nmsrs = 1, .e.index = 0x17a /* MCG_STATUS */};

        if (!IO(KVM_SET_MSRS, &status))
            return false;
    }
    if (uc)
        cpu_interrupt(c, CPU_INTERRUPT_MCE); /* out of a halt that is ours */
    return true;
}
