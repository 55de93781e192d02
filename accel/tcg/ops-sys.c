/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System instructions: interrupts' flag and waiting, TLB and caches, time, SYSCALL and SYSENTER, FS and GS bases, XCR0,
 * protection keys, random numbers. Segments are in seg.c, control and debug registers in control.c, MSRs in msr.c.
 * Light code.
 */
#include "accel/tcg/mmu.h"
#include "accel/tcg/seg.h"
#include "accel/tcg/sys.h"
#include "accel/tcg/vec.h"
#include "softmmu/vcpus.h"
#include <sys/random.h>

static _Noreturn void gp0(X86CPU *c)
{
    tcg_raise_error(c, EXC_GP, 0);
}
static _Noreturn void ud(X86CPU *c)
{
    tcg_raise(c, EXC_UD);
}
static uint64_t edx_eax(X86CPU *c)
{
    return c->gpr[R_RDX] << 32 | (uint32_t)c->gpr[R_RAX];
}
static void set_edx_eax(X86CPU *c, uint64_t val)
{
    c->gpr[R_RAX] = (uint32_t)val;
    c->gpr[R_RDX] = val >> 32;
}

/* Waiting, and the interrupt flag. */

HANDLER(HLT)
{
    TCG(c)->exit_halt = TCG(c)->halting = true;
}

/* Who decides on IF where CPL is above IOPL: the virtual flag in virtual-8086 mode with CR4.VME, in CPL 3 with CR4.PVI.
 */
static bool virtual_if(X86CPU *c)
{
    uint32_t m = TCG(c)->mode;

    return m & TM_VM ? c->cr4 & CR4_VME : (m & TM_CPL) == 3 && c->cr4 & CR4_PVI;
}

HANDLER(CLI)
{
    if (TCG(c)->mode & TM_IOPL)
        c->rflags &= ~(uint64_t)FLAG_IF;
    else if (virtual_if(c))
        c->rflags &= ~(uint64_t)FLAG_VIF;
    else
        gp0(c);
}

HANDLER(STI)
{
    if (TCG(c)->mode & TM_IOPL) {
        if (!(c->rflags & FLAG_IF))
            c->interrupt_shadow = SHADOW_STI;
        c->rflags |= FLAG_IF;
    } else if (virtual_if(c) && !(c->rflags & FLAG_VIP)) {
        c->rflags |= FLAG_VIF;
    } else {
        gp0(c);
    }
}

/* What MONITOR's line holds. false: it is no RAM. */
static bool line_sum(X86CPU *c, uint64_t gpa, uint64_t *sum)
{
    const uint8_t *page = tcg_phys_page(c, gpa & PAGE_MASK, NULL);

    if (!page)
        return false;
    const uint64_t *p = (const uint64_t *)(const void *)(page + (gpa & 0xfc0));

    *sum = 0;
    for (unsigned n = 0; n < 8; n++)
        *sum = (*sum ^ __atomic_load_n(&p[n], __ATOMIC_RELAXED)) * 0x9e3779b97f4a7c15ULL + (*sum >> 29);
    return true;
}

static bool no_monitor(X86CPU *c)
{
    return tcg_cpl(c) || (!TCG(c)->assists && !cpu_is_amd(c) && !(c->misc_enable & MISC_ENABLE_MONITOR));
}

HANDLER(MONITOR)
{
    TcgCpu *t = TCG(c);
    Walk w;

    if (no_monitor(c))
        ud(c);
    if ((uint32_t)c->gpr[R_RCX])
        gp0(c);
    uint64_t off = gpr_get(c, R_RAX, i->asz), lin = tcg_lin(c, i->seg_override ? i->seg : SEG_DS, off, 1, ACCESS_R);

    tcg_probe_lin(c, lin, 1, ACCESS_R, tcg_mmu(c));
    t->monitor_armed =
        tcg_walk(c, lin, WALK_READ, tcg_mmu(c), &w) && line_sum(c, w.gpa + (lin & 0xfff), &t->monitor_sum);
    t->monitor_gpa = w.gpa + (lin & 0xfff);
}

/* A store that would wake is not watched for: with other CPUs about, it ends at once, which the architecture allows. So
 * it does when MONITOR armed nothing, when an interrupt came since (tcg_deliver_at()), or the line is another than
 * then. */
HANDLER(MWAIT)
{
    TcgCpu *t = TCG(c);
    uint64_t sum;

    if (no_monitor(c))
        ud(c);
    if (c->gpr[R_RCX] & 0xfffffffe)
        gp0(c);
    if (t->monitor_armed && __atomic_load_n(&vcpu_count, __ATOMIC_RELAXED) == 1 && c->rflags & FLAG_IF &&
        line_sum(c, t->monitor_gpa, &sum) && sum == t->monitor_sum)
        t->exit_halt = true;
    else
        __builtin_ia32_pause();
    t->monitor_armed = false;
}

HANDLER(PAUSE)
{
    __builtin_ia32_pause();
}

/* TLB and caches. */

HANDLER(INVLPG)
{
    uint64_t off = tcg_ea(c, i), lin;

    if (tcg_code64(c)) {
        lin = off + (i->seg >= SEG_FS ? c->seg[i->seg].base : 0);
        if (!tcg_canonical(c, lin))
            return;
    } else {
        lin = c->seg[i->seg].base + off;
    }
    tcg_flush_page(c, lin & TCG(c)->lin_mask);
}

HANDLER(INVPCID)
{
    uint64_t type = gpr_get(c, i->operand[0].reg, i->code_size == 8 ? 8 : 4);
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), 16, ACCESS_R);
    uint64_t pcid = tcg_load_lin(c, lin, 8, tcg_mmu(c));
    uint64_t address = tcg_load_lin(c, (lin + 8) & TCG(c)->lin_mask, 8, tcg_mmu(c));

    if (type > 3 || pcid >> 12 || (type < 2 && pcid && !(c->cr4 & CR4_PCIDE)) ||
        (type == 0 && !tcg_canonical_max(c, address)))
        gp0(c);
    bool present = pcid == (c->cr4 & CR4_PCIDE ? c->cr3 & 0xfff : 0);

    if (type < 2 && !present) {
        tcg_flush_pcid(c, (unsigned)pcid);
    } else if (type == 0) {
        tcg_flush_page(c, address & TCG(c)->lin_mask);
    } else {
        if (type == 3)
            tcg_forget_pcids(c);
        tcg_flush_tlb(c, type == 2);
    }
}

HANDLER(INVD)
{
}

HANDLER(WBINVD)
{
}

HANDLER(CLFLUSH)
{
    tcg_probe_lin(c, tcg_lin(c, i->seg, tcg_ea(c, i), 1, ACCESS_R), 1, ACCESS_R, tcg_mmu(c));
}

HANDLER(CLZERO)
{
    uint64_t off = gpr_get(c, R_RAX, i->asz) & ~63ULL;
    uint64_t lin = tcg_lin(c, i->seg_override ? i->seg : SEG_DS, off, 64, ACCESS_W);

    for (unsigned n = 0; n < 64; n += 8)
        tcg_store_lin(c, lin + n, 8, 0, tcg_mmu(c));
}

HANDLER(FENCE)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

HANDLER(SERIALIZE)
{
}

/* Time and identity. */

/* The other accelerator's, for which the engine executes an instruction. */
static uint64_t its_tsc(X86CPU *c)
{
    tcg_outside_begin(c);
    uint64_t tsc = accel->guest_tsc(c);

    tcg_outside_end(c);
    return tsc;
}

uint64_t tcg_tsc(X86CPU *c)
{
    if (TCG(c)->assists)
        return its_tsc(c);
    return tcg_tsc_anchor.guest + (tcg_tsc_anchor.running ? tcg_tsc_since(__builtin_ia32_rdtsc()) : 0) + c->tsc_offset;
}

void tcg_tsc_set(X86CPU *c, uint64_t val)
{
    c->tsc_offset += val - tcg_tsc(c);
}

static void check_tsd(X86CPU *c)
{
    if (TCG(c)->mode & TM_TSD)
        gp0(c);
}

HANDLER(RDTSC)
{
    check_tsd(c);
    set_edx_eax(c, tcg_tsc(c));
}

HANDLER(RDTSCP)
{
    check_tsd(c);
    set_edx_eax(c, tcg_tsc(c));
    c->gpr[R_RCX] = (uint32_t)c->tsc_aux;
}

HANDLER(RDPID)
{
    gpr_set(c, i->operand[0].reg, i->code_size == 8 ? 8 : 4, (uint32_t)c->tsc_aux);
}

/* There are no performance counters. */
HANDLER(RDPMC)
{
    gp0(c);
}

HANDLER(CPUID)
{
    uint32_t r[4];

    tcg_cpuid(c, (uint32_t)c->gpr[R_RAX], (uint32_t)c->gpr[R_RCX], r);
    c->gpr[R_RAX] = r[CPUID_EAX];
    c->gpr[R_RBX] = r[CPUID_EBX];
    c->gpr[R_RCX] = r[CPUID_ECX];
    c->gpr[R_RDX] = r[CPUID_EDX];
}

HANDLER(RDMSR)
{
    uint64_t val = 0;

    if (!tcg_rdmsr(c, (uint32_t)c->gpr[R_RCX], &val))
        gp0(c);
    set_edx_eax(c, val);
}

HANDLER(WRMSR)
{
    if (!tcg_wrmsr(c, (uint32_t)c->gpr[R_RCX], edx_eax(c)))
        gp0(c);
}

/* System calls. */

static void flat_cs(X86CPU *c, uint16_t sel, bool wide, unsigned cpl)
{
    c->seg[SEG_CS] = (SegReg){.selector = (uint16_t)((sel & 0xfffc) | cpl),
                              .limit = 0xffffffff,
                              .flags = FLAT_CODE | (wide ? DESC_L : DESC_DB) | cpl << DESC_DPL_SHIFT};
}

/* The selector is what it is: SYSCALL does not clear its RPL. */
static void flat_ss(X86CPU *c, uint16_t sel, unsigned cpl)
{
    c->seg[SEG_SS] =
        (SegReg){.selector = (uint16_t)(sel | cpl), .limit = 0xffffffff, .flags = FLAT_DATA | cpl << DESC_DPL_SHIFT};
}

HANDLER(SYSCALL)
{
    TcgCpu *t = TCG(c);
    uint16_t sel = (uint16_t)(c->star >> 32);
    bool lma = tcg_long(c);

    if (!(c->efer & EFER_SCE) || !(c->cr0 & CR0_PE) || (!tcg_code64(c) && !cpu_is_amd(c)))
        ud(c);
    c->gpr[R_RCX] = t->next_rip;
    if (lma) {
        c->gpr[R_R11] = c->rflags & ~(uint64_t)FLAG_RF;
        c->rflags = (c->rflags & ~(c->fmask | FLAG_RF)) | 2;
        t->next_rip = tcg_code64(c) ? c->lstar : c->cstar;
    } else {
        c->rflags &= ~(uint64_t)(FLAG_VM | FLAG_IF | FLAG_RF);
        t->next_rip = (uint32_t)c->star;
    }
    flat_cs(c, sel, lma, 0);
    flat_ss(c, (uint16_t)(sel + 8), 0);
    t->trap_flag_off = !(c->rflags & FLAG_TF);
    tcg_mode_changed(c);
}

HANDLER(SYSRET)
{
    TcgCpu *t = TCG(c);
    bool amd = cpu_is_amd(c), wide = i->osz == 8;
    uint16_t sel = (uint16_t)(c->star >> 48);
    bool trap = c->rflags & FLAG_TF;

    if (!(c->efer & EFER_SCE) || !(c->cr0 & CR0_PE) || (!tcg_code64(c) && !amd))
        ud(c);
    if (tcg_cpl(c))
        gp0(c);
    if (wide && !tcg_canonical(c, c->gpr[R_RCX])) {
        if (!amd)
            gp0(c);
    }
    if (tcg_code64(c))
        c->rflags = (c->gpr[R_R11] & SYSRET_FLAGS) | 2;
    else
        c->rflags |= FLAG_IF;
    t->next_rip = wide ? c->gpr[R_RCX] : (uint32_t)c->gpr[R_RCX];
    flat_cs(c, (uint16_t)(wide ? sel + 16 : sel), wide, 3);
    if (amd) { /* base, limit and attributes stay: APM volume 3, SYSRET; the CPL is kept in the DPL here */
        c->seg[SEG_SS].selector = (uint16_t)((sel + 8) | 3);
        c->seg[SEG_SS].flags |= 3 << DESC_DPL_SHIFT;
    } else {
        flat_ss(c, (uint16_t)(sel + 8), 3);
    }
    /* A TF that comes with the flags traps as if SYSCALL had just been done. */
    if (!trap && c->rflags & FLAG_TF)
        t->pending_dr6 |= 1 << 14;
    tcg_mode_changed(c);
}

static bool no_sysenter(X86CPU *c)
{
    return cpu_is_amd(c) && tcg_long(c);
}

HANDLER(SYSENTER)
{
    TcgCpu *t = TCG(c);
    bool lma = tcg_long(c);
    uint16_t sel = (uint16_t)c->sysenter_cs;

    if (no_sysenter(c))
        ud(c);
    if (!(c->cr0 & CR0_PE) || sel_null(sel))
        gp0(c);
    c->rflags &= ~(uint64_t)(FLAG_VM | FLAG_IF | FLAG_RF);
    c->gpr[R_RSP] = lma ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    t->next_rip = lma ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
    flat_cs(c, sel, lma, 0);
    flat_ss(c, (uint16_t)((sel & 0xfffc) + 8), 0);
    tcg_mode_changed(c);
}

HANDLER(SYSEXIT)
{
    TcgCpu *t = TCG(c);
    bool wide = i->osz == 8;
    uint16_t sel = (uint16_t)(c->sysenter_cs & 0xfffc);

    if (!(c->cr0 & CR0_PE) || tcg_cpl(c)) /* AMD's CPUs look at this first, too */
        gp0(c);
    if (no_sysenter(c))
        ud(c);
    if (sel_null(sel))
        gp0(c);
    if (wide && (!tcg_canonical(c, c->gpr[R_RCX]) || !tcg_canonical(c, c->gpr[R_RDX])))
        gp0(c);
    t->next_rip = wide ? c->gpr[R_RDX] : (uint32_t)c->gpr[R_RDX];
    c->gpr[R_RSP] = wide ? c->gpr[R_RCX] : (uint32_t)c->gpr[R_RCX];
    flat_cs(c, (uint16_t)(sel + (wide ? 32 : 16)), wide, 3);
    flat_ss(c, (uint16_t)(sel + (wide ? 40 : 24)), 3);
    tcg_mode_changed(c);
}

/* FS and GS bases. */

HANDLER(SWAPGS)
{
    if (!tcg_code64(c))
        ud(c);
    if (tcg_cpl(c))
        gp0(c);
    uint64_t base = c->seg[SEG_GS].base;

    c->seg[SEG_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
}

static void check_fsgsbase(X86CPU *c)
{
    if (!tcg_code64(c) || !(c->cr4 & CR4_FSGSBASE))
        ud(c);
}

static void read_base(X86CPU *c, const Insn *i, unsigned seg)
{
    check_fsgsbase(c);
    gpr_set(c, i->operand[0].reg, i->operand[0].size, c->seg[seg].base);
}

static void write_base(X86CPU *c, const Insn *i, unsigned seg)
{
    check_fsgsbase(c);
    uint64_t val = gpr_get(c, i->operand[0].reg, i->operand[0].size);

    if (!tcg_canonical_max(c, val))
        gp0(c);
    c->seg[seg].base = val;
}

HANDLER(RDFSBASE)
{
    read_base(c, i, SEG_FS);
}

HANDLER(RDGSBASE)
{
    read_base(c, i, SEG_GS);
}

HANDLER(WRFSBASE)
{
    write_base(c, i, SEG_FS);
}

HANDLER(WRGSBASE)
{
    write_base(c, i, SEG_GS);
}

/* EFLAGS.AC, XCR0, PKRU. */

static void set_ac(X86CPU *c, bool on)
{
    if (tcg_cpl(c))
        ud(c);
    c->rflags = (c->rflags & ~(uint64_t)FLAG_AC) | (on ? FLAG_AC : 0);
    tcg_mode_changed(c);
}

HANDLER(CLAC)
{
    set_ac(c, false);
}

HANDLER(STAC)
{
    set_ac(c, true);
}

HANDLER(XGETBV)
{
    uint32_t index = (uint32_t)c->gpr[R_RCX];

    if (!(c->cr4 & CR4_OSXSAVE))
        ud(c);
    if (index == 0) {
        set_edx_eax(c, c->xcr0);
    } else if (index == 1 && tcg_has(c, F_XSAVE, 2)) {
        set_edx_eax(c, tcg_fpu_in_use(c));
    } else {
        gp0(c);
    }
}

HANDLER(XSETBV)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        ud(c);
    if (tcg_cpl(c) || (uint32_t)c->gpr[R_RCX])
        gp0(c);
    tcg_write_xcr0(c, edx_eax(c));
}

HANDLER(RDPKRU)
{
    if (!(c->cr4 & CR4_PKE))
        ud(c);
    if ((uint32_t)c->gpr[R_RCX])
        gp0(c);
    set_edx_eax(c, c->pkru);
}

HANDLER(WRPKRU)
{
    if (!(c->cr4 & CR4_PKE))
        ud(c);
    if ((uint32_t)c->gpr[R_RCX] || (uint32_t)c->gpr[R_RDX])
        gp0(c);
    if (c->pkru == (uint32_t)c->gpr[R_RAX])
        return;
    c->pkru = (uint32_t)c->gpr[R_RAX];
    tcg_flush_tlb(c, true);
}

/* Random numbers: the host kernel's. */

static void random_to(X86CPU *c, const Insn *i)
{
    uint64_t val = 0;

    tcg_outside_begin(c);
    ssize_t n = getrandom(&val, sizeof(val), GRND_NONBLOCK);
    tcg_outside_end(c);
    c->rflags &= ~(uint64_t)FLAGS_ARITH;
    if (n == (ssize_t)sizeof(val)) {
        gpr_set(c, i->operand[0].reg, i->osz, val);
        c->rflags |= FLAG_CF;
    } else {
        gpr_set(c, i->operand[0].reg, i->osz, 0);
    }
}

HANDLER(RDRAND)
{
    random_to(c, i);
}

HANDLER(RDSEED)
{
    random_to(c, i);
}

/* There is no hypervisor to call, and no nested one. */
HANDLER(VMCALL)
{
    ud(c);
}
