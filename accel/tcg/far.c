/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far transfers: JMP, CALL, RET and IRET to another code segment, through call gates and between privilege levels (SDM
 * volume 2, the instructions' operation sections; volume 3, chapters 5.8 and 20). Task switches are in task.c. Light
 * code.
 */
#include "accel/tcg/seg.h"

static _Noreturn void gp0(X86CPU *c)
{
    tcg_raise_error(c, EXC_GP, 0);
}

/* Code segments. */

static bool to_code64(X86CPU *c, const Desc *cs)
{
    return tcg_long(c) && cs->hi & DESC_L;
}

void far_check_ip(X86CPU *c, const Desc *cs, uint64_t ip)
{
    if (to_code64(c, cs) ? !tcg_canonical(c, ip) : ip > desc_limit(cs))
        raise_sel(c, EXC_GP, 0);
}

void far_set_cs(X86CPU *c, uint16_t sel, const Desc *d, uint64_t ip)
{
    seg_from_desc(&c->seg[SEG_CS], sel, d);
    TCG(c)->next_rip = ip;
}

static void no_l_and_d(X86CPU *c, uint16_t sel, const Desc *d)
{
    if (tcg_long(c) && (d->hi & (DESC_L | DESC_DB)) == (DESC_L | DESC_DB))
        raise_sel(c, EXC_GP, sel);
}

/* The target of a direct far JMP or CALL. */
static void check_direct(X86CPU *c, uint16_t sel, const Desc *d)
{
    unsigned cpl = tcg_cpl(c);

    no_l_and_d(c, sel, d);
    if (desc_is_conforming(d) ? desc_dpl(d) > cpl : sel_rpl(sel) > cpl || desc_dpl(d) != cpl)
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(d))
        raise_sel(c, EXC_NP, sel);
}

/* Gates. */

typedef struct CallGate {
    uint16_t sel;
    unsigned size; /* 2, 4, 8 */
    unsigned params;
    uint64_t ip;
    Desc cs;
} CallGate;

static void read_call_gate(X86CPU *c, uint16_t sel, const Desc *gate, CallGate *out)
{
    bool lma = tcg_long(c);

    if (desc_dpl(gate) < tcg_cpl(c) || desc_dpl(gate) < sel_rpl(sel))
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(gate))
        raise_sel(c, EXC_NP, sel);
    *out = (CallGate){.sel = (uint16_t)(gate->lo >> 16),
                      .size = lma                               ? 8
                              : gate->hi & 8 << DESC_TYPE_SHIFT ? 4
                                                                : 2,
                      .params = lma ? 0 : gate->hi & 31,
                      .ip = (gate->lo & 0xffff) | (gate->hi & 0xffff0000)};
    if (lma) {
        uint32_t upper = 0;

        if (!desc_fetch_upper(c, sel, gate, &upper))
            raise_sel(c, EXC_GP, sel);
        out->ip |= (uint64_t)upper << 32;
    } else if (out->size == 2) {
        out->ip &= 0xffff;
    }
    if (sel_null(out->sel))
        gp0(c);
    if (!desc_fetch(c, out->sel, &out->cs) || !desc_is_code(&out->cs) || desc_dpl(&out->cs) > tcg_cpl(c))
        raise_sel(c, EXC_GP, out->sel);
    if (lma && (out->cs.hi & (DESC_L | DESC_DB)) != DESC_L)
        raise_sel(c, EXC_GP, out->sel);
}

/* What a selector of JMP and CALL names: code (true), or what through_system() takes. */
static bool names_code(X86CPU *c, uint16_t sel, Desc *d)
{
    if (sel_null(sel))
        gp0(c);
    if (!desc_fetch(c, sel, d) || (desc_is_segment(d) && !desc_is_code(d)))
        raise_sel(c, EXC_GP, sel);
    return desc_is_segment(d);
}

/* What a selector of JMP and CALL names beside code. Task switches are done here; true: through a call gate. */
static bool through_system(X86CPU *c, uint16_t sel, Desc *d, TaskSwitch why, CallGate *gate)
{
    unsigned type = desc_type(d), cpl = tcg_cpl(c);
    bool lma = tcg_long(c);

    if (type == SYS_CALL32 || (type == SYS_CALL16 && !lma)) {
        read_call_gate(c, sel, d, gate);
        return true;
    }
    if (lma || (type != SYS_TSS16 && type != SYS_TSS32 && type != SYS_TASK_GATE) || desc_dpl(d) < cpl ||
        desc_dpl(d) < sel_rpl(sel))
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(d))
        raise_sel(c, EXC_NP, sel);
    if (type == SYS_TASK_GATE) {
        Desc gate_desc = *d;

        task_gate_tss(c, &gate_desc, &sel, d);
    } else if (sel & 4) {
        raise_sel(c, EXC_GP, sel);
    }
    task_switch(c, sel, d, why, TCG(c)->next_rip, false, 0);
    return false;
}

/* The operand: selector and offset. */
static uint64_t far_operand(X86CPU *c, const Insn *i, uint16_t *sel)
{
    if (i->operand[0].kind == OPND_FAR) {
        *sel = i->imm2;
        return (uint64_t)i->imm & size_mask(i->osz);
    }
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), i->osz + 2U, ACCESS_R);
    uint64_t off = tcg_load_lin(c, lin, i->osz, tcg_mmu(c));

    *sel = (uint16_t)tcg_load_lin(c, (lin + i->osz) & TCG(c)->lin_mask, 2, tcg_mmu(c));
    return off;
}

static void set_real_cs(X86CPU *c, uint16_t sel, uint64_t ip)
{
    if (c->cr0 & CR0_PE)
        seg_load_vm86(&c->seg[SEG_CS], sel);
    else
        seg_load_real(c, SEG_CS, sel);
    TCG(c)->next_rip = ip;
    tcg_mode_changed(c);
}

/* JMP */

static void jump_gate(X86CPU *c, CallGate *g)
{
    unsigned cpl = tcg_cpl(c);

    if (!desc_is_conforming(&g->cs) && desc_dpl(&g->cs) != cpl)
        raise_sel(c, EXC_GP, g->sel);
    if (!desc_present(&g->cs))
        raise_sel(c, EXC_NP, g->sel);
    far_check_ip(c, &g->cs, g->ip);
    desc_set_accessed(c, &g->cs);
    far_set_cs(c, (uint16_t)((g->sel & ~3U) | cpl), &g->cs, g->ip);
    tcg_mode_changed(c);
}

HANDLER(JMPF)
{
    uint16_t sel;
    uint64_t ip = far_operand(c, i, &sel);
    CallGate gate;
    Desc d;

    if (!tcg_pe(c)) {
        if (ip > c->seg[SEG_CS].limit)
            gp0(c);
        set_real_cs(c, sel, ip);
        return;
    }
    if (!names_code(c, sel, &d)) {
        if (through_system(c, sel, &d, TASK_JMP, &gate))
            jump_gate(c, &gate);
        return;
    }
    check_direct(c, sel, &d);
    far_check_ip(c, &d, ip);
    desc_set_accessed(c, &d);
    far_set_cs(c, (uint16_t)((sel & ~3U) | tcg_cpl(c)), &d, ip);
    tcg_mode_changed(c);
}

/* CALL */

static void call_same(X86CPU *c, uint16_t sel, Desc *d, uint64_t ip, unsigned size)
{
    FarStack s = far_stack(c);

    far_room(c, &s, size * 2);
    far_check_ip(c, d, ip);
    far_push(c, &s, size, c->seg[SEG_CS].selector);
    far_push(c, &s, size, TCG(c)->next_rip);
    desc_set_accessed(c, d);
    c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
    far_set_cs(c, (uint16_t)((sel & ~3U) | tcg_cpl(c)), d, ip);
    tcg_mode_changed(c);
}

/* Through a 64-bit gate to an inner level: SS becomes null. */
static void call_inner64(X86CPU *c, CallGate *g)
{
    unsigned dpl = desc_dpl(&g->cs);
    uint64_t rsp = seg_tss64_stack(c, dpl * 8 + 4);
    FarStack s = far_stack_wide(c, rsp, dpl);

    far_room(c, &s, 32);
    far_check_ip(c, &g->cs, g->ip);
    far_push(c, &s, 8, c->seg[SEG_SS].selector);
    far_push(c, &s, 8, c->gpr[R_RSP]);
    far_push(c, &s, 8, c->seg[SEG_CS].selector);
    far_push(c, &s, 8, TCG(c)->next_rip);
    desc_set_accessed(c, &g->cs);
    far_set_cs(c, (uint16_t)((g->sel & ~3U) | dpl), &g->cs, g->ip);
    seg_set_null(c, SEG_SS, (uint16_t)dpl, dpl);
    c->gpr[R_RSP] = s.sp;
}

static void call_inner(X86CPU *c, CallGate *g)
{
    unsigned dpl = desc_dpl(&g->cs), size = g->size;
    uint32_t params[31];
    InnerStack in;

    seg_inner_stack(c, dpl, &in);
    FarStack from = far_stack(c), to = far_stack_of(c, &in.ss, in.sp, dpl);

    far_room(c, &to, size * (4 + g->params));
    far_check_ip(c, &g->cs, g->ip);
    for (unsigned n = 0; n < g->params; n++)
        params[n] = (uint32_t)far_pop(c, &from, size);
    far_push(c, &to, size, c->seg[SEG_SS].selector);
    far_push(c, &to, size, c->gpr[R_RSP]);
    for (unsigned n = g->params; n--;)
        far_push(c, &to, size, params[n]);
    far_push(c, &to, size, c->seg[SEG_CS].selector);
    far_push(c, &to, size, TCG(c)->next_rip);
    desc_set_accessed(c, &in.desc);
    desc_set_accessed(c, &g->cs);
    far_set_cs(c, (uint16_t)((g->sel & ~3U) | dpl), &g->cs, g->ip);
    in.ss.flags |= DESC_A;
    c->seg[SEG_SS] = in.ss;
    c->gpr[R_RSP] = far_sp(c, &to, c->gpr[R_RSP]);
}

static void call_gate(X86CPU *c, CallGate *g)
{
    if (!desc_present(&g->cs))
        raise_sel(c, EXC_NP, g->sel);
    if (desc_is_conforming(&g->cs) || desc_dpl(&g->cs) == tcg_cpl(c)) {
        call_same(c, g->sel, &g->cs, g->ip, g->size);
        return;
    }
    if (g->size == 8)
        call_inner64(c, g);
    else
        call_inner(c, g);
    tcg_mode_changed(c);
}

HANDLER(CALLF)
{
    uint16_t sel;
    uint64_t ip = far_operand(c, i, &sel);
    CallGate gate;
    Desc d;

    if (!tcg_pe(c)) {
        FarStack s = far_stack(c);

        far_room(c, &s, i->osz * 2U);
        if (ip > c->seg[SEG_CS].limit)
            gp0(c);
        far_push(c, &s, i->osz, c->seg[SEG_CS].selector);
        far_push(c, &s, i->osz, TCG(c)->next_rip);
        c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
        set_real_cs(c, sel, ip);
        return;
    }
    if (!names_code(c, sel, &d)) {
        if (through_system(c, sel, &d, TASK_CALL, &gate))
            call_gate(c, &gate);
        return;
    }
    check_direct(c, sel, &d);
    call_same(c, sel, &d, ip, i->osz);
}

/* RET and IRET */

static uint16_t release_bytes(const Insn *i)
{
    return i->imm_size ? (uint16_t)i->imm : 0;
}

/* The code segment to return to. */
static void check_return_cs(X86CPU *c, uint16_t sel, Desc *d)
{
    unsigned rpl = sel_rpl(sel);

    if (sel_null(sel))
        gp0(c);
    if (!desc_fetch(c, sel, d) || !desc_is_code(d) || rpl < tcg_cpl(c))
        raise_sel(c, EXC_GP, sel);
    no_l_and_d(c, sel, d);
    if (desc_is_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl)
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(d))
        raise_sel(c, EXC_NP, sel);
}

/* The stack segment to return to. false: null, which 64-bit code may have. */
static bool check_return_ss(X86CPU *c, uint16_t sel, unsigned rpl, const Desc *cs, Desc *d)
{
    if (sel_null(sel)) {
        if (!to_code64(c, cs) || rpl == 3)
            gp0(c);
        if (sel_rpl(sel) != rpl)
            raise_sel(c, EXC_GP, sel);
        return false;
    }
    if (!desc_fetch(c, sel, d) || sel_rpl(sel) != rpl || !desc_is_writable_data(d) || desc_dpl(d) != rpl)
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(d))
        raise_sel(c, EXC_SS, sel);
    return true;
}

typedef struct Return {
    uint16_t cs, ss;
    uint64_t ip, sp;
    Desc cs_desc;
} Return;

/* CS:IP and SS:SP are what was popped, CS is checked: check SS, then load all. */
static void return_with_stack(X86CPU *c, Return *r)
{
    unsigned rpl = sel_rpl(r->cs), cpl = tcg_cpl(c);
    Desc ss;
    bool has_ss = check_return_ss(c, r->ss, rpl, &r->cs_desc, &ss);

    far_check_ip(c, &r->cs_desc, r->ip);
    if (has_ss)
        desc_set_accessed(c, &ss);
    desc_set_accessed(c, &r->cs_desc);
    if (has_ss)
        seg_from_desc(&c->seg[SEG_SS], r->ss, &ss);
    else
        seg_set_null(c, SEG_SS, r->ss, rpl);
    far_set_cs(c, r->cs, &r->cs_desc, r->ip);
    if (to_code64(c, &r->cs_desc))
        c->gpr[R_RSP] = r->sp;
    else if (c->seg[SEG_SS].flags & DESC_DB)
        c->gpr[R_RSP] = (uint32_t)r->sp;
    else
        c->gpr[R_RSP] = (c->gpr[R_RSP] & ~0xffffULL) | (r->sp & 0xffff); /* the rest stays: known of processors */
    if (rpl > cpl)
        seg_drop_inner(c, rpl);
}

static void release(FarStack *s, unsigned bytes)
{
    s->sp = (s->sp & ~s->mask) | ((s->sp + bytes) & s->mask);
}

HANDLER(RETF)
{
    unsigned size = i->osz, bytes = release_bytes(i);
    FarStack s = far_stack(c);
    Return r;

    r.ip = far_pop(c, &s, size);
    r.cs = (uint16_t)far_pop(c, &s, size);
    if (!tcg_pe(c)) {
        if (r.ip > c->seg[SEG_CS].limit)
            gp0(c);
        release(&s, bytes);
        c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
        set_real_cs(c, r.cs, r.ip);
        return;
    }
    check_return_cs(c, r.cs, &r.cs_desc);
    release(&s, bytes);
    if (sel_rpl(r.cs) > tcg_cpl(c)) {
        r.sp = far_pop(c, &s, size);
        r.ss = (uint16_t)far_pop(c, &s, size);
        r.sp += bytes;
        if (size == 2)
            r.sp &= 0xffff;
        return_with_stack(c, &r);
    } else {
        far_check_ip(c, &r.cs_desc, r.ip);
        desc_set_accessed(c, &r.cs_desc);
        c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
        far_set_cs(c, r.cs, &r.cs_desc, r.ip);
    }
    tcg_mode_changed(c);
}

/* Flags that IRET loads from an image of that size. */
static void load_flags(X86CPU *c, uint64_t image, unsigned size, uint64_t may)
{
    if (size == 2)
        may &= 0xffff;
    c->rflags = (c->rflags & ~may) | (image & may) | 2;
    TCG(c)->resume_flag = size != 2 && c->rflags & FLAG_RF;
}
#define FLAGS_ANY (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID)

/* VIF and VIP both set where they count: #GP of the next instruction, which only IRET and task switches lead to
 * (20.3.2). */
void far_check_vip(X86CPU *c)
{
    enum { BOTH = FLAG_VIF | FLAG_VIP };

    if ((c->rflags & BOTH) != BOTH || tcg_cpl(c) != 3 || !(c->cr4 & (c->rflags & FLAG_VM ? CR4_VME : CR4_PVI)) ||
        ((c->rflags & FLAG_IOPL) == FLAG_IOPL))
        return;
    c->rip = TCG(c)->next_rip;
    tcg_raise_error(c, EXC_GP, 0);
}

static void nmi_unblock(X86CPU *c)
{
    c->nmi_masked = false;
}

/* In real mode, and in virtual-8086 mode with IOPL 3 (all of it) or CR4.VME (16-bit: VIF in IF's place). */
static void iret_real(X86CPU *c, const Insn *i)
{
    unsigned size = i->osz;
    bool vm = TCG(c)->mode & TM_VM, vme = vm && (c->rflags & FLAG_IOPL) != FLAG_IOPL;
    FarStack s = far_stack(c);

    if (vme && (size != 2 || !(c->cr4 & CR4_VME)))
        gp0(c);
    uint64_t ip = far_pop(c, &s, size);
    uint16_t sel = (uint16_t)far_pop(c, &s, size);
    uint64_t flags = far_pop(c, &s, size);

    if (ip > c->seg[SEG_CS].limit)
        gp0(c);
    if (vme) {
        if ((flags & FLAG_IF && c->rflags & FLAG_VIP) || flags & FLAG_TF)
            gp0(c);
        c->rflags = (c->rflags & ~(uint64_t)FLAG_VIF) | (flags & FLAG_IF ? FLAG_VIF : 0);
        load_flags(c, flags, 2, FLAGS_ANY);
    } else {
        load_flags(c, flags, size, FLAGS_ANY | FLAG_IF | (vm ? 0 : FLAG_IOPL));
    }
    c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
    set_real_cs(c, sel, ip);
    nmi_unblock(c);
}

/* The image of EFLAGS has VM: nine doublewords. */
static void iret_to_vm86(X86CPU *c, FarStack *s, uint64_t ip, uint16_t cs, uint64_t flags)
{
    static const uint8_t order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint16_t sel[SEG_REGS];
    uint64_t sp = far_pop(c, s, 4);

    sel[SEG_SS] = (uint16_t)far_pop(c, s, 4);
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        sel[order[n]] = (uint16_t)far_pop(c, s, 4);
    sel[SEG_CS] = cs;
    ip &= 0xffffffff;
    if (ip > 0xffff)
        gp0(c);
    load_flags(c, flags, 4, FLAGS_ANY | FLAG_IF | FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP);
    for (unsigned n = 0; n < SEG_REGS; n++)
        seg_load_vm86(&c->seg[n], sel[n]);
    c->gpr[R_RSP] = (uint32_t)sp;
    TCG(c)->next_rip = ip;
    tcg_mode_changed(c);
    nmi_unblock(c);
    far_check_vip(c);
}

static void iret_task(X86CPU *c)
{
    uint16_t sel = (uint16_t)tcg_load_lin(c, c->tr.base & 0xffffffff, 2, TCG_MMU_SYSTEM);
    Desc d;

    if (sel & 4 || sel_null(sel) || !desc_fetch(c, sel, &d) || desc_is_segment(&d) ||
        (desc_type(&d) != SYS_TSS16_BUSY && desc_type(&d) != SYS_TSS32_BUSY))
        raise_sel(c, EXC_TS, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_NP, sel);
    task_switch(c, sel, &d, TASK_IRET, TCG(c)->next_rip, false, 0);
    nmi_unblock(c);
}

HANDLER(IRET)
{
    unsigned size = i->osz, cpl = tcg_cpl(c);
    FarStack s = far_stack(c);
    Return r;

    if (!tcg_pe(c)) {
        iret_real(c, i);
        return;
    }
    if (c->rflags & FLAG_NT) {
        if (tcg_long(c))
            gp0(c);
        iret_task(c);
        return;
    }
    r.ip = far_pop(c, &s, size);
    r.cs = (uint16_t)far_pop(c, &s, size);
    uint64_t flags = far_pop(c, &s, size), may = FLAGS_ANY;

    if (flags & FLAG_VM && size == 4 && !cpl && !tcg_long(c)) {
        iret_to_vm86(c, &s, r.ip, r.cs, flags);
        return;
    }
    check_return_cs(c, r.cs, &r.cs_desc);
    if (cpl <= (c->rflags & FLAG_IOPL) >> 12)
        may |= FLAG_IF;
    if (!cpl)
        may |= FLAG_IOPL | FLAG_VIF | FLAG_VIP;
    if (tcg_code64(c) || sel_rpl(r.cs) > cpl) {
        r.sp = far_pop(c, &s, size);
        r.ss = (uint16_t)far_pop(c, &s, size);
        return_with_stack(c, &r);
    } else {
        far_check_ip(c, &r.cs_desc, r.ip);
        desc_set_accessed(c, &r.cs_desc);
        c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
        far_set_cs(c, r.cs, &r.cs_desc, r.ip);
    }
    load_flags(c, flags, size, may);
    tcg_mode_changed(c);
    nmi_unblock(c);
    far_check_vip(c);
}
