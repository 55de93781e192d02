/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delivery of exceptions and interrupts: real mode's vector table, protected mode's gates, long mode's with IST, task
 * gates, software interrupts in virtual-8086 mode (SDM volume 3, chapters 6 and 20; volume 2, INT n). Which faults in
 * here make a double or triple fault is in exec.c. Light code.
 */
#include "accel/tcg/seg.h"
#include "util/log.h"

enum { IDT_BIT = 2 }; /* of error codes: the index is a vector */
enum { DR7_GD = 1 << 13 };
enum { TSS32_IO_MAP = 0x66 };

static _Noreturn void raise_vector(X86CPU *c, unsigned exception, unsigned vector)
{
    tcg_raise_error(c, exception, vector << 3 | IDT_BIT | seg_ext(c));
}

static _Noreturn void gp_ext(X86CPU *c)
{
    raise_sel(c, EXC_GP, 0);
}

/* RFLAGS as pushed: RF is set for faults, so that the instruction is not stopped again at its breakpoint, except at
 * that breakpoint's #DB (17.3.1.1). */
static uint64_t flags_image(X86CPU *c, unsigned vector, EventKind kind)
{
    uint64_t f = c->rflags;
    bool at_breakpoint = TCG(c)->code_breakpoint;

    TCG(c)->code_breakpoint = false;
    if (kind == EVENT_FAULT && !(vector == EXC_DB && at_breakpoint))
        return f | FLAG_RF;
    if (kind == EVENT_SOFT_INT || kind == EVENT_SOFT_EXC || kind == EVENT_ICEBP || kind == EVENT_TRAP)
        f &= ~(uint64_t)FLAG_RF;
    return f;
}

static void clear_flags(X86CPU *c, uint64_t mask)
{
    c->rflags &= ~mask;
}

/* Real mode, and virtual-8086 mode's own table (CR4.VME, redirected). */

static void through_ivt(X86CPU *c, uint64_t base, unsigned vector, uint64_t ip, uint64_t flags)
{
    FarStack s = far_stack(c);
    uint32_t entry = (uint32_t)tcg_load_lin(c, (base + vector * 4) & TCG(c)->lin_mask, 4,
                                            c->cr0 & CR0_PE ? MMU_USER : TCG_MMU_SYSTEM);

    far_room(c, &s, 6);
    far_push(c, &s, 2, flags);
    far_push(c, &s, 2, c->seg[SEG_CS].selector);
    far_push(c, &s, 2, ip);
    c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
    if (c->cr0 & CR0_PE)
        seg_load_vm86(&c->seg[SEG_CS], (uint16_t)(entry >> 16));
    else
        seg_load_real(c, SEG_CS, (uint16_t)(entry >> 16));
    c->rip = entry & 0xffff;
}

static void deliver_real(X86CPU *c, unsigned vector, uint64_t ip)
{
    if (vector * 4 + 3 > c->idt.limit)
        raise_vector(c, EXC_GP, vector);
    through_ivt(c, c->idt.base, vector, ip, c->rflags);
    clear_flags(c, FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
}

/* Gates. */

typedef struct Gate {
    uint16_t sel;
    unsigned type, size, ist;
    uint64_t ip;
    Desc cs;
    uint64_t flags; /* the image to push */
} Gate;

static void read_gate(X86CPU *c, unsigned vector, EventKind kind, Gate *g, Desc *d)
{
    bool lma = tcg_long(c);
    unsigned off = vector * (lma ? 16 : 8);
    uint64_t lin = (c->idt.base + off) & TCG(c)->lin_mask;

    if (off + (lma ? 15U : 7U) > c->idt.limit)
        raise_vector(c, EXC_GP, vector);
    uint64_t val = tcg_load_lin(c, lin, 8, TCG_MMU_SYSTEM);

    *d = (Desc){.lo = (uint32_t)val, .hi = (uint32_t)(val >> 32), .lin = lin};
    g->type = desc_is_segment(d) ? 0 : desc_type(d);
    g->sel = (uint16_t)(d->lo >> 16);
    g->ip = (d->lo & 0xffff) | (d->hi & 0xffff0000);
    g->ist = 0;
    switch (g->type) {
    case SYS_INT32:
    case SYS_TRAP32:
        g->size = lma ? 8 : 4;
        break;
    case SYS_INT16:
    case SYS_TRAP16:
        g->size = 2;
        g->ip &= 0xffff;
        if (!lma)
            break;
        raise_vector(c, EXC_GP, vector);
    case SYS_TASK_GATE:
        if (!lma)
            break;
        raise_vector(c, EXC_GP, vector);
    default:
        raise_vector(c, EXC_GP, vector);
    }
    if ((kind == EVENT_SOFT_INT || kind == EVENT_SOFT_EXC) && desc_dpl(d) < tcg_cpl(c))
        raise_vector(c, EXC_GP, vector);
    if (!desc_present(d))
        raise_vector(c, EXC_NP, vector);
    if (lma) {
        g->ist = d->hi & 7;
        g->ip |= (uint64_t)(uint32_t)tcg_load_lin(c, lin + 8, 4, TCG_MMU_SYSTEM) << 32;
    }
}

/* The flags that change on the way into a handler. */
static void enter_flags(X86CPU *c, const Gate *g)
{
    bool interrupt_gate = g->type == SYS_INT32 || g->type == SYS_INT16;

    clear_flags(c, FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT | (interrupt_gate ? FLAG_IF : 0));
}

static void enter(X86CPU *c, const Gate *g, unsigned cpl)
{
    far_set_cs(c, (uint16_t)((g->sel & ~3U) | cpl), &g->cs, g->ip);
    c->rip = g->ip;
    enter_flags(c, g);
}

static void deliver_long(X86CPU *c, Gate *g, unsigned new_cpl, bool has_error, uint32_t error, uint64_t ip)
{
    unsigned cpl = tcg_cpl(c);
    uint64_t rsp = g->ist          ? seg_tss64_stack(c, g->ist * 8 + 28)
                   : new_cpl < cpl ? seg_tss64_stack(c, new_cpl * 8 + 4)
                                   : c->gpr[R_RSP];
    FarStack s = far_stack_wide(c, rsp & ~15ULL, new_cpl);

    far_check_ip(c, &g->cs, g->ip);
    far_push(c, &s, 8, c->seg[SEG_SS].selector);
    far_push(c, &s, 8, c->gpr[R_RSP]);
    far_push(c, &s, 8, g->flags);
    far_push(c, &s, 8, c->seg[SEG_CS].selector);
    far_push(c, &s, 8, ip);
    if (has_error)
        far_push(c, &s, 8, error);
    desc_set_accessed(c, &g->cs);
    if (new_cpl < cpl)
        seg_set_null(c, SEG_SS, (uint16_t)new_cpl, new_cpl);
    c->gpr[R_RSP] = s.sp;
    enter(c, g, new_cpl);
}

static void push_frame(X86CPU *c, const Gate *g, FarStack *s, bool has_error, uint32_t error, uint64_t ip)
{
    far_push(c, s, g->size, g->flags);
    far_push(c, s, g->size, c->seg[SEG_CS].selector);
    far_push(c, s, g->size, ip);
    if (has_error)
        far_push(c, s, g->size, error);
}

/* To an inner level, from virtual-8086 mode too, which leaves its data segments on the stack. */
static void deliver_inner(X86CPU *c, Gate *g, bool has_error, uint32_t error, uint64_t ip)
{
    static const uint8_t data[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
    unsigned dpl = desc_dpl(&g->cs);
    bool vm = c->rflags & FLAG_VM;
    InnerStack in;

    seg_inner_stack(c, dpl, &in);
    FarStack s = far_stack_of(c, &in.ss, in.sp, dpl);

    far_room(c, &s, g->size * (5U + has_error + (vm ? 4 : 0)));
    far_check_ip(c, &g->cs, g->ip);
    for (unsigned n = 0; vm && n < ARRAY_SIZE(data); n++)
        far_push(c, &s, g->size, c->seg[data[n]].selector);
    far_push(c, &s, g->size, c->seg[SEG_SS].selector);
    far_push(c, &s, g->size, c->gpr[R_RSP]);
    push_frame(c, g, &s, has_error, error, ip);
    desc_set_accessed(c, &in.desc);
    desc_set_accessed(c, &g->cs);
    for (unsigned n = 0; vm && n < ARRAY_SIZE(data); n++)
        seg_set_null(c, data[n], 0, 0);
    in.ss.flags |= DESC_A;
    c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
    c->seg[SEG_SS] = in.ss;
    enter(c, g, dpl);
}

static void deliver_same(X86CPU *c, Gate *g, bool has_error, uint32_t error, uint64_t ip)
{
    FarStack s = far_stack(c);

    far_room(c, &s, g->size * (3U + has_error));
    far_check_ip(c, &g->cs, g->ip);
    push_frame(c, g, &s, has_error, error, ip);
    desc_set_accessed(c, &g->cs);
    c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
    enter(c, g, tcg_cpl(c));
}

static void deliver_protected(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error, uint64_t ip)
{
    unsigned cpl = tcg_cpl(c);
    Gate g;
    Desc d;

    read_gate(c, vector, kind, &g, &d);
    g.flags = flags_image(c, vector, kind);
    if (g.type == SYS_TASK_GATE) {
        uint16_t sel;
        Desc tss;

        task_gate_tss(c, &d, &sel, &tss);
        c->rflags = g.flags;
        task_switch(c, sel, &tss, TASK_EVENT, ip, has_error, error);
        return;
    }
    if (sel_null(g.sel))
        gp_ext(c);
    if (!desc_fetch(c, g.sel, &g.cs) || !desc_is_code(&g.cs) || desc_dpl(&g.cs) > cpl)
        raise_sel(c, EXC_GP, g.sel);
    if (tcg_long(c) && (g.cs.hi & (DESC_L | DESC_DB)) != DESC_L)
        raise_sel(c, EXC_GP, g.sel);
    if (!desc_present(&g.cs))
        raise_sel(c, EXC_NP, g.sel);
    bool inner = !desc_is_conforming(&g.cs) && desc_dpl(&g.cs) < cpl;

    if (c->rflags & FLAG_VM && (!inner || desc_dpl(&g.cs)))
        raise_sel(c, EXC_GP, g.sel);
    if (tcg_long(c))
        deliver_long(c, &g, inner ? desc_dpl(&g.cs) : cpl, has_error, error, ip);
    else if (inner)
        deliver_inner(c, &g, has_error, error, ip);
    else
        deliver_same(c, &g, has_error, error, ip);
}

void tcg_deliver_at(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error, uint64_t ip)
{
    if (log_on(LOG_INT))
        tcg_log_event(c, vector, kind, has_error ? error : 0);
    if (c->cr0 & CR0_PE)
        deliver_protected(c, vector, kind, has_error, error, ip);
    else
        deliver_real(c, vector, ip);
    if (kind == EVENT_NMI)
        c->nmi_masked = true;
    if (vector == EXC_DB && kind != EVENT_SOFT_INT && kind != EVENT_INTERRUPT) {
        c->dr[7] &= ~(uint64_t)DR7_GD;
        c->debugctl &= ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF);
    }
    TCG(c)->next_rip = c->rip;
    TCG(c)->monitor_armed = false;
    tcg_mode_changed(c);
}

void tcg_deliver(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error)
{
    tcg_deliver_at(c, vector, kind, has_error, error, c->rip);
}

/* Software interrupts. A fault on the way is the instruction's own: c->rip is still its address. */

static void software(X86CPU *c, unsigned vector, EventKind kind)
{
    TcgCpu *t = TCG(c);

    t->delivering = (int)vector;
    t->delivering_kind = (uint8_t)kind;
    tcg_deliver_at(c, vector, kind, false, 0, t->next_rip);
    t->delivering = -1;
    t->trap_flag_off = true; /* TF was cleared */
}

/* CR4.VME: is vector's bit in the task's redirection map clear, so that it goes through the 8086 program's own table?
 * (20.3.3.4) */
static bool redirected(X86CPU *c, unsigned vector)
{
    uint64_t tr = c->tr.base;

    if (TSS32_IO_MAP + 1 > c->tr.limit)
        tcg_raise_error(c, EXC_GP, 0);
    uint32_t map = (uint32_t)tcg_load_lin(c, (tr + TSS32_IO_MAP) & 0xffffffff, 2, TCG_MMU_SYSTEM);
    uint32_t at = map - 32 + vector / 8;

    if (map < 32 || at > c->tr.limit)
        tcg_raise_error(c, EXC_GP, 0);
    return !(tcg_load_lin(c, (tr + at) & 0xffffffff, 1, TCG_MMU_SYSTEM) >> (vector & 7) & 1);
}

HANDLER(INT)
{
    TcgCpu *t = TCG(c);
    unsigned vector = i->imm & 255;

    if (t->mode & TM_VM) {
        bool iopl3 = (c->rflags & FLAG_IOPL) == FLAG_IOPL;

        if (c->cr4 & CR4_VME && redirected(c, vector)) {
            uint64_t flags = c->rflags;

            if (!iopl3)
                flags = (flags & ~(uint64_t)FLAG_IF) | FLAG_IOPL | (flags & FLAG_VIF ? FLAG_IF : 0);
            through_ivt(c, 0, vector, t->next_rip, flags);
            clear_flags(c, FLAG_TF | FLAG_RF | (iopl3 ? FLAG_IF : FLAG_VIF));
            t->next_rip = c->rip;
            t->trap_flag_off = true;
            tcg_mode_changed(c);
            return;
        }
        if (!iopl3)
            tcg_raise_error(c, EXC_GP, 0);
    }
    software(c, vector, EVENT_SOFT_INT);
}

HANDLER(INT3)
{
    software(c, EXC_BP, EVENT_SOFT_EXC);
}

HANDLER(INTO)
{
    if (c->rflags & FLAG_OF)
        software(c, EXC_OF, EVENT_SOFT_EXC);
}

HANDLER(INT1)
{
    software(c, EXC_DB, EVENT_ICEBP);
}

HANDLER(UD)
{
    tcg_raise(c, EXC_UD);
}

HANDLER(BOUND)
{
    unsigned size = i->osz;
    uint64_t ea = tcg_ea(c, i);
    /* The second word of an operand at FFFEh is beyond the segment, as with any operand. */
    uint64_t second = i->asz == 2 ? ea + size : (ea + size) & size_mask(i->asz);
    int64_t low = sign_extend(tcg_load(c, i->seg, ea, size), size),
            high = sign_extend(tcg_load(c, i->seg, second, size), size), index = sign_extend(c->gpr[i->reg], size);

    if (index < low || index > high)
        tcg_raise(c, EXC_BR);
}
