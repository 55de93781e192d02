/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run loop: requests, interrupts, exceptions, and the interpreter. Light code (tcg.h).
 *
 * Exceptions and the loop: tcg_raise() leaves the event in TcgCpu.exc and jumps to tcg_run(), which delivers it. A
 * fault while an event is delivered comes the same way and meets t->delivering: contributory faults become a double
 * fault, one more a triple fault (SDM volume 3, table 6-5).
 */
#include "accel/tcg/jit.h"
#include "accel/tcg/map.h"
#include "accel/tcg/ops.h"
#include "accel/tcg/sys.h"
#include "softmmu/runstate.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"
#include "util/log.h"

/* Mode. */

static bool flat(const SegReg *s)
{
    enum { NEED = DESC_P | DESC_S | DESC_W };

    return !s->base && s->limit == 0xffffffff && (s->flags & (NEED | DESC_CODE | DESC_E)) == NEED;
}

uint32_t tcg_mode(const X86CPU *c)
{
    bool pe = c->cr0 & CR0_PE, vm = pe && c->rflags & FLAG_VM;
    unsigned cpl = !pe ? 0 : vm ? 3 : c->seg[SEG_SS].flags >> DESC_DPL_SHIFT & 3;
    uint32_t m = cpl, cs = c->seg[SEG_CS].flags;
    bool lma = c->efer & EFER_LMA;

    if (pe && !vm)
        m |= TM_PE;
    if (vm)
        m |= TM_VM;
    if (lma)
        m |= TM_LMA;
    if (lma && cs & DESC_L) {
        m |= TM_CODE64 | TM_FLAT_CS | TM_FLAT_DS | TM_FLAT_ES | TM_FLAT_SS;
    } else {
        if (cs & DESC_DB)
            m |= TM_CODE32;
        if (c->seg[SEG_SS].flags & DESC_DB)
            m |= TM_STACK32;
        if (!c->seg[SEG_CS].base && c->seg[SEG_CS].limit == 0xffffffff)
            m |= TM_FLAT_CS;
        if (flat(&c->seg[SEG_DS]))
            m |= TM_FLAT_DS;
        if (flat(&c->seg[SEG_ES]))
            m |= TM_FLAT_ES;
        if (flat(&c->seg[SEG_SS]))
            m |= TM_FLAT_SS;
    }
    if (!pe || cpl <= (c->rflags & FLAG_IOPL) >> 12)
        m |= TM_IOPL;
    if (c->cr0 & CR0_TS)
        m |= TM_TS;
    if (c->cr0 & CR0_EM)
        m |= TM_EM;
    if (c->cr0 & CR0_MP)
        m |= TM_MP;
    if (c->cr0 & CR0_NE)
        m |= TM_NE;
    if (c->cr4 & CR4_OSFXSR)
        m |= TM_SSE;
    if (c->cr4 & CR4_OSXMMEXCPT)
        m |= TM_MMXCPT;
    if (c->cr4 & CR4_OSXSAVE && (c->xcr0 & 6) == 6)
        m |= TM_AVX;
    if (c->cr0 & CR0_AM && c->rflags & FLAG_AC && cpl == 3)
        m |= TM_AC;
    m |= tcg_mmu_at(c, cpl) << TM_MMU_SHIFT;
    if (c->rflags & FLAG_TF)
        m |= TM_TF;
    if (TCG((X86CPU *)(uintptr_t)c)->debug_armed)
        m |= TM_DEBUG;
    if (c->cr4 & CR4_UMIP && cpl)
        m |= TM_UMIP;
    if (c->cr4 & CR4_TSD && cpl)
        m |= TM_TSD;
    if (c->in_smm)
        m |= TM_SMM;
    if (c->cr0 & CR0_PG)
        m |= TM_PAGING;
    return m;
}

void tcg_mode_changed(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    t->debug_armed = c->dr[7] & 0xff || debug_point_count || c->debug.single_step;
    t->mode = tcg_mode(c);
    t->lin_mask = t->mode & TM_LMA ? ~(uint64_t)0 : 0xffffffff;
}

/* Leaving light code. */

void tcg_outside_begin(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (t->outside_depth++)
        return;
    tcg_fpu_to_memory(c);
    t->outside++;
    __atomic_store_n(&t->in_guest, false, __ATOMIC_SEQ_CST);
}

static void clear_requests(X86CPU *c, unsigned mask)
{
    __atomic_fetch_and(&c->interrupt_request, ~mask, __ATOMIC_SEQ_CST);
}

/* A20 was opened or closed: what the TLB knows is of the other. */
static void take_a20(X86CPU *c, unsigned requests)
{
    if (requests & CPU_INTERRUPT_A20) {
        clear_requests(c, CPU_INTERRUPT_A20);
        tcg_flush_tlb(c, true);
    }
}

void tcg_outside_end(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (--t->outside_depth)
        return;
    __atomic_store_n(&t->in_guest, true, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&t->requests, __ATOMIC_SEQ_CST))
        tcg_take_requests(c);
    /* A device may have raised the line of this very CPU, or opened or closed A20 for its next access. */
    uint32_t r = __atomic_load_n(&c->interrupt_request, __ATOMIC_RELAXED);

    take_a20(c, r);
    if (r)
        __atomic_store_n(&t->exit_request, 1, __ATOMIC_RELAXED);
}

/* Stores on their way: tcg.h. */

uint64_t tcg_code_epoch;
unsigned tcg_unsettled;

uint64_t tcg_code_epoch_reached(const X86CPU *c)
{
    uint64_t least = CODE_SEEN_ALL;
    X86CPU *o;

    FOREACH_VCPU (o) {
        if (o != c)
            least = MIN(least, __atomic_load_n(&TCG(o)->code_seen, __ATOMIC_SEQ_CST));
    }
    return least;
}

void tcg_wake_unsettled(const X86CPU *c)
{
    X86CPU *o;

    FOREACH_VCPU (o) {
        if (o != c && __atomic_load_n(&TCG(o)->unsettled, __ATOMIC_RELAXED))
            __atomic_store_n(&TCG(o)->exit_request, 1, __ATOMIC_SEQ_CST);
    }
}

static int bus_lock; /* atomic */

void tcg_bus_lock(X86CPU *c)
{
    X86CPU *o;

    while (__atomic_exchange_n(&bus_lock, 1, __ATOMIC_SEQ_CST)) {
        /* The holder waits for this CPU to leave the guest. */
        tcg_outside_begin(c);
        tcg_yield();
        tcg_outside_end(c);
    }
    TCG(c)->bus_locked = true;
    FOREACH_VCPU (o) {
        if (o != c)
            tcg_request(o, TCG_HALT_FOR_LOCK);
    }
    tcg_outside_begin(c);
    FOREACH_VCPU (o) {
        while (o != c && __atomic_load_n(&TCG(o)->in_guest, __ATOMIC_SEQ_CST))
            tcg_yield();
    }
    tcg_outside_end(c);
}

void tcg_wait_bus_lock(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    while (__atomic_load_n(&bus_lock, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&t->in_guest, false, __ATOMIC_SEQ_CST);
        tcg_yield();
        __atomic_store_n(&t->in_guest, true, __ATOMIC_SEQ_CST);
    }
}

void tcg_bus_unlock(X86CPU *c)
{
    TCG(c)->bus_locked = false;
    __atomic_store_n(&bus_lock, 0, __ATOMIC_RELEASE);
}

/* Exceptions. */

static _Noreturn void leave(X86CPU *c, unsigned vector, bool has_error, uint32_t error, EventKind kind)
{
    TcgCpu *t = TCG(c);

    t->exc.vector = (uint8_t)vector;
    t->exc.has_error = has_error;
    t->exc.error = error;
    t->exc.kind = kind;
    if (kind == EVENT_FAULT)
        t->pending_dr6 = 0;
    if (t->bus_locked)
        tcg_bus_unlock(c);
    __builtin_longjmp(t->env, 1);
}

void tcg_raise(X86CPU *c, unsigned vector)
{
    leave(c, vector, false, 0, EVENT_FAULT);
}

void tcg_raise_error(X86CPU *c, unsigned vector, uint32_t error)
{
    leave(c, vector, true, error, EVENT_FAULT);
}

void tcg_raise_trap(X86CPU *c, unsigned vector)
{
    leave(c, vector, false, 0, EVENT_TRAP);
}

void tcg_raise_hard(X86CPU *c)
{
    leave(c, 0, false, 0, EVENT_INTERRUPT);
}

void tcg_raise_pf(X86CPU *c, uint64_t va, uint32_t error)
{
    c->cr2 = va;
    leave(c, EXC_PF, true, error, EVENT_FAULT);
}

static bool contributory(int vector)
{
    return vector == EXC_DE || (vector >= EXC_TS && vector <= EXC_GP);
}

/* gdb's: the loop ends with a hit. */
static void debug_hit(X86CPU *c, DebugKind kind, uint64_t addr)
{
    c->debug_hit = (DebugHit){kind, addr};
    TCG(c)->debug_exit = true;
}

/* Deliver what is given; a fault in it comes back to tcg_run(). */
static void deliver(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error)
{
    TcgCpu *t = TCG(c);

    t->delivering = (int)vector;
    t->delivering_kind = kind;
    c->interrupt_shadow = 0;
    tcg_deliver(c, vector, kind, has_error, error);
    t->delivering = -1;
    if (c->debug.single_step)
        debug_hit(c, DEBUG_STEP, 0);
}

static bool take_hard(X86CPU *c)
{
    int vector = -1;

    tcg_outside_begin(c);
    vm_lock();
    if (c->irq_ops && c->irq_ops->pending && c->irq_ops->pending(c))
        vector = c->irq_ops->acknowledge(c);
    vm_unlock();
    tcg_outside_end(c);
    if (vector < 0)
        return false;
    deliver(c, (unsigned)vector, EVENT_INTERRUPT, false, 0);
    return true;
}

/* What tcg_raise() left. false: triple fault. */
static bool deliver_raised(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    int first = t->delivering, vector = t->exc.vector;
    bool benign_first = t->delivering_kind >= EVENT_SOFT_INT;

    if (t->exc.kind == EVENT_INTERRUPT) {
        take_hard(c);
        return true;
    }
    if (first >= 0 && !benign_first) {
        if (first == EXC_DF && (contributory(vector) || vector == EXC_PF))
            return false;
        if ((contributory(first) && contributory(vector)) ||
            (first == EXC_PF && (contributory(vector) || vector == EXC_PF))) {
            deliver(c, EXC_DF, EVENT_FAULT, true, 0);
            return true;
        }
    }
    deliver(c, (unsigned)vector, t->exc.kind, t->exc.has_error, t->exc.error);
    return true;
}

/* Decoding. */

void tcg_decode(X86CPU *c, Insn *i)
{
    TcgCpu *t = TCG(c);
    unsigned size = t->mode & TM_CODE64 ? 8 : t->mode & TM_CODE32 ? 4 : 2;
    uint64_t lin = c->rip;
    uint8_t buf[16];
    unsigned room = INSN_MAX_LEN;

    if (size != 8) {
        const SegReg *cs = &c->seg[SEG_CS];

        if (c->rip > cs->limit)
            tcg_raise_error(c, EXC_GP, 0);
        room = (unsigned)MIN((uint64_t)cs->limit - c->rip + 1, (uint64_t)INSN_MAX_LEN);
        lin = (uint32_t)(cs->base + c->rip);
    }
    unsigned have = tcg_fetch(c, lin, buf), avail = MIN(have, room);

    switch (insn_decode(i, buf, avail, size, !(t->mode & TM_PE), c->config.features)) {
    case DECODE_OK:
        return;
    case DECODE_UD:
        tcg_raise(c, EXC_UD);
    case DECODE_TOO_LONG:
        tcg_raise_error(c, EXC_GP, 0);
    case DECODE_MORE:
        if (avail < have || avail == INSN_MAX_LEN)
            tcg_raise_error(c, EXC_GP, 0);
        /* The next page faults: say so. */
        tcg_fetch(c, (lin + have) & t->lin_mask, buf);
        tcg_decode(c, i);
    }
}

/* One instruction. */

static void check_fpu(X86CPU *c, uint32_t attrs)
{
    uint32_t m = TCG(c)->mode;

    if (attrs & INSN_AVX) {
        if (!(m & TM_AVX) || !(m & TM_PE))
            tcg_raise(c, EXC_UD);
        if (m & TM_TS)
            tcg_raise(c, EXC_NM);
        return;
    }
    if (attrs & INSN_SSE && (m & TM_EM || !(m & TM_SSE)))
        tcg_raise(c, EXC_UD);
    if (attrs & INSN_MMX && m & TM_EM)
        tcg_raise(c, EXC_UD);
    if (attrs & INSN_FPU && m & TM_EM)
        tcg_raise(c, EXC_NM);
    /* FWAIT alone: EM does not count, TS with MP does. */
    if (m & TM_TS && (m & TM_MP || attrs & (INSN_FPU | INSN_MMX | INSN_SSE)))
        tcg_raise(c, EXC_NM);
    if (attrs & (INSN_FPU_WAIT | INSN_MMX))
        tcg_fpu_check_pending(c);
}

static bool has_feature(X86CPU *c, uint16_t f)
{
    /* A processor executes what it has, whatever CPUID lets the guest see of it. */
    return f == FEATURE_NONE || tcg_has(c, f >> 5, f & 31) || (TCG(c)->assists && tcg_offers[f >> 5] >> (f & 31) & 1);
}

bool tcg_has_insn(X86CPU *c, const InsnDesc *d)
{
    return has_feature(c, d->feature) && has_feature(c, d->feature2);
}

static void check(X86CPU *c, const InsnDesc *d)
{
    uint32_t m = TCG(c)->mode, a = d->attrs;

    if (!tcg_has_insn(c, d))
        tcg_raise(c, EXC_UD);
    if (a & INSN_NO_REAL && !(m & TM_PE))
        tcg_raise(c, EXC_UD);
    if (a & INSN_CPL0 && m & TM_CPL)
        tcg_raise_error(c, EXC_GP, 0);
    if (a & (INSN_FPU | INSN_FPU_WAIT | INSN_MMX | INSN_SSE | INSN_AVX))
        check_fpu(c, a);
}

/* What follows an instruction whose TF was set, or that hit breakpoints. */
static void debug_trap(X86CPU *c, bool single_step)
{
    TcgCpu *t = TCG(c);
    uint32_t hits = t->pending_dr6;

    t->pending_dr6 = 0;
    if (single_step)
        hits |= 1 << 14;
    c->dr[6] |= hits;
    tcg_raise_trap(c, EXC_DB);
}

void tcg_note_access(X86CPU *c, uint64_t lin, unsigned size, bool write)
{
    const DebugPoint *p = debug_watch_at(lin, size, write);

    tcg_note_data_access(c, lin, size, write);
    if (p)
        debug_hit(c, p->kind, MAX(lin, p->addr));
}

void tcg_execute(X86CPU *c, const Insn *i)
{
    TcgCpu *t = TCG(c);
    const InsnDesc *d = i->desc;
    bool tf = c->rflags & FLAG_TF, rf = c->rflags & FLAG_RF;

    check(c, d);
    if (d->attrs & INSN_SERIALIZE)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->next_rip = c->rip + i->len;
    if (i->code_size != 8)
        t->next_rip = (uint32_t)t->next_rip;
    uint64_t sequential = t->next_rip;

    c->interrupt_shadow = 0;
    t->resume_flag = t->trap_flag_off = false;
    if (d->exec == EXEC_HOST) {
        tcg_execute_host(c, i);
    } else {
        TcgHandler *h = tcg_handlers[d->op];

        if (!h) {
            tcg_log_missing(c, d);
            tcg_raise(c, EXC_UD);
        }
        h(c, i);
    }
    t->steps++;
    /* Between the iterations of a string instruction RF stays. */
    if (rf && !t->resume_flag && !(d->attrs & INSN_STRING && i->rep && t->next_rip == c->rip))
        c->rflags &= ~(uint64_t)FLAG_RF;
    c->rip = t->next_rip;
    if (d->attrs & (INSN_END | INSN_IO) && __atomic_load_n(&c->interrupt_request, __ATOMIC_RELAXED))
        __atomic_store_n(&t->exit_request, 1, __ATOMIC_RELAXED);
    /* Breakpoints that loading SS hit are held until the next instruction's end. */
    /* DEBUGCTL.BTF: only what branches is stepped on. */
    if (__builtin_expect(tf && c->debugctl & DEBUGCTL_BTF, 0) && c->rip == sequential)
        tf = false;
    if (__builtin_expect((tf && !t->trap_flag_off) || t->pending_dr6, 0) && !(c->interrupt_shadow & SHADOW_SS))
        debug_trap(c, tf && !t->trap_flag_off);
}

/* Before an instruction while breakpoints are armed: gdb's end the loop (true), DR7's fault. */
static bool debug_before(X86CPU *c)
{
    uint64_t lin = tcg_code64(c) ? c->rip : (uint32_t)(c->seg[SEG_CS].base + c->rip);

    const DebugPoint *p = debug_point_at(lin);

    if (p) {
        debug_hit(c, p->kind, lin);
        return true;
    }
    if (!(c->rflags & FLAG_RF) && !(c->interrupt_shadow & SHADOW_SS) && tcg_check_code_breakpoint(c, lin))
        tcg_raise(c, EXC_DB);
    return false;
}

void tcg_step(X86CPU *c)
{
    Insn i;

    if (TCG(c)->mode & TM_DEBUG && debug_before(c))
        return;
    tcg_decode(c, &i);
    if (log_on(LOG_IN_ASM | LOG_EXEC | LOG_CPU))
        tcg_log_insn(c, &i);
    tcg_execute(c, &i);
    if (c->debug.single_step)
        debug_hit(c, DEBUG_STEP, 0);
}

/* Events. */

/* Deliver what may be delivered now; each comes before the next instruction. */
static void take_events(X86CPU *c)
{
    unsigned r = __atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE);

    take_a20(c, r);
    if (!r)
        return;
    if (TCG(c)->jit) /* of the last x87 instruction CS and DS are those of now */
        jit_fpu_sync(c);
    if (r & CPU_INTERRUPT_MCE) { /* before all others (SDM volume 3, 6.9), and nothing holds it back */
        clear_requests(c, CPU_INTERRUPT_MCE);
        deliver(c, EXC_MC, EVENT_INTERRUPT, false, 0);
        return;
    }
    if (c->interrupt_shadow) {
        __atomic_store_n(&TCG(c)->exit_request, 1, __ATOMIC_RELAXED); /* come back after one instruction */
        return;
    }
    if (r & (CPU_INTERRUPT_POLL | CPU_INTERRUPT_TPR))
        clear_requests(c, CPU_INTERRUPT_POLL | CPU_INTERRUPT_TPR);
    if (r & CPU_INTERRUPT_SMI && !c->in_smm) {
        clear_requests(c, CPU_INTERRUPT_SMI);
        tcg_enter_smm(c);
        return;
    }
    if (r & CPU_INTERRUPT_NMI && !c->nmi_masked) {
        clear_requests(c, CPU_INTERRUPT_NMI);
        deliver(c, EXC_NMI, EVENT_NMI, false, 0);
        return;
    }
    if (r & CPU_INTERRUPT_HARD && c->rflags & FLAG_IF && !(c->debug.single_step && c->debug.no_irq))
        take_hard(c);
}

/* Events that were on their way in when the state was taken elsewhere (KVM_GET_VCPU_EVENTS' words). */
static void take_injected(X86CPU *c)
{
    unsigned vector = c->exception_nr;

    if (c->exception_injected || c->exception_pending) {
        bool has_error = c->exception_has_error;

        if (c->exception_pending && c->exception_has_payload && vector == EXC_PF)
            c->cr2 = c->exception_payload;
        if (c->exception_pending && c->exception_has_payload && vector == EXC_DB)
            c->dr[6] |= c->exception_payload & ~(uint64_t)(1 << 16);
        c->exception_injected = c->exception_pending = c->exception_has_payload = false;
        deliver(c, vector,
                vector == EXC_DB   ? EVENT_TRAP
                : vector == EXC_MC ? EVENT_INTERRUPT
                                   : EVENT_FAULT,
                has_error, c->exception_error);
    } else if (c->nmi_injected) {
        c->nmi_injected = false;
        deliver(c, EXC_NMI, EVENT_NMI, false, 0);
    } else if (c->interrupt_injected) {
        bool soft = c->interrupt_soft;

        c->interrupt_injected = c->interrupt_soft = false;
        TCG(c)->next_rip = c->rip;
        deliver(c, c->interrupt_nr, soft ? EVENT_SOFT_INT : EVENT_INTERRUPT, false, 0);
    }
}

static void take_injected_and_pending(X86CPU *c)
{
    take_injected(c);
    if (c->nmi_pending) {
        c->nmi_pending = false;
        __atomic_fetch_or(&c->interrupt_request, CPU_INTERRUPT_NMI, __ATOMIC_SEQ_CST);
    }
}

/* State came from elsewhere: reset, INIT, migration, a monitor, KVM. */
static void import(X86CPU *c)
{
    c->state_dirty = false;
    TCG(c)->imported = true;
    tcg_sys_import(c);
    tcg_fpu_import(c);
    tcg_mode_changed(c);
    tcg_apic_base_changed(c);
    tcg_flush_tlb(c, true);
}

static VcpuExit triple_fault(X86CPU *c)
{
    TCG(c)->delivering = -1;
    log_at(LOG_RESET, "CPU %u: triple fault\n", c->index);
    system_reset_request(CAUSE_GUEST_RESET);
    return VCPU_EXIT_STOPPED;
}

static VcpuExit loop(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (__builtin_setjmp(t->env)) {
        t->in_jit = false;
        if (!deliver_raised(c)) {
            tcg_outside_begin(c);
            VcpuExit e = triple_fault(c);

            tcg_outside_end(c);
            return e;
        }
    }
    for (;;) {
        __atomic_store_n(&t->exit_request, 0, __ATOMIC_SEQ_CST);
        tcg_between_insns(t);
        if (__atomic_load_n(&tcg_unsettled, __ATOMIC_RELAXED))
            tcg_wake_unsettled(c);
        if (__atomic_load_n(&t->requests, __ATOMIC_SEQ_CST)) {
            tcg_outside_begin(c);
            tcg_outside_end(c);
        }
        if (vcpu_must_leave(c))
            return VCPU_EXIT_AGAIN;
        if (t->imported) {
            t->imported = false;
            take_injected_and_pending(c);
        }
        if (__atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE))
            take_events(c);
        t->halting = false;
        if (t->debug_exit)
            return VCPU_EXIT_DEBUG;
        if (t->jit && !(t->mode & (TM_TF | TM_DEBUG)) && !c->interrupt_shadow) {
            t->in_jit = true;
            jit_run(c);
            t->in_jit = false;
        } else {
            do {
                tcg_step(c);
            } while (!t->exit_halt && !t->debug_exit && !__atomic_load_n(&t->exit_request, __ATOMIC_RELAXED) &&
                     (!t->jit || t->mode & (TM_TF | TM_DEBUG)));
        }
        if (t->debug_exit) {
            c->halted = t->exit_halt;
            t->exit_halt = false;
            return VCPU_EXIT_DEBUG;
        }
        if (t->exit_halt) {
            t->exit_halt = false;
            return VCPU_EXIT_HALTED;
        }
    }
}

VcpuExit tcg_run(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    VcpuExit e;

    t->outside_depth = 1; /* the caller is outside */
    __atomic_store_n(&t->code_seen, __atomic_load_n(&tcg_code_epoch, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
    tcg_outside_end(c);
    if (c->state_dirty)
        import(c);
    c->state_synced = false;
    e = loop(c);
    t->debug_exit = false;
    tcg_outside_begin(c);
    __atomic_store_n(&t->code_seen, CODE_SEEN_ALL, __ATOMIC_SEQ_CST);
    tcg_wake_unsettled(c);
    tcg_fpu_export(c);
    t->outside_depth = 0;
    return e;
}

static bool one_insn(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (__builtin_setjmp(t->env))
        return deliver_raised(c);
    /* What is on its way in comes before the instruction, which is tried again after it. */
    if (c->exception_injected || c->exception_pending || c->nmi_injected || c->interrupt_injected)
        take_injected(c);
    else
        tcg_step(c);
    return true;
}

VcpuExit tcg_run_insn(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    VcpuExit e = VCPU_EXIT_AGAIN;

    t->outside_depth = 1;
    tcg_outside_end(c);
    tcg_fpu_import(c);
    tcg_mode_changed(c);
    tcg_apic_base_changed(c);
    tcg_flush_tlb(c, true);
    bool alive = one_insn(c);

    tcg_outside_begin(c);
    tcg_fpu_export(c);
    t->outside_depth = 0;
    if (!alive)
        e = triple_fault(c);
    else if (t->debug_exit)
        e = VCPU_EXIT_DEBUG;
    else if (t->exit_halt)
        e = VCPU_EXIT_HALTED;
    t->debug_exit = t->exit_halt = false;
    return e;
}
