/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Branches and the stack.
 *
 * The host's RSP is the return stack: a guest CALL pushes the guest's return address on it and calls the target's code,
 * so that the host's return address is foreseen by its predictor; a guest RET compares what it popped with the entry
 * and returns. What is not foreseen goes through the jump cache. Entries that never return fill the stack up to its
 * guard, and it begins anew (jit-init.c).
 */
#include "accel/tcg/jit-internal.h"

static unsigned stack_size(const Tr *t)
{
    return t->mode & TM_CODE64 ? 8 : t->mode & TM_STACK32 ? 4 : 2;
}

/* SS:[from + off], checked. A miss comes back to here. */
Rm tr_stack_access(Tr *t, const Insn *i, unsigned from, int off, unsigned size, unsigned access)
{
    unsigned width = stack_size(t);
    Emit *e = &t->e;
    Group *g = tr_group(t, 1);
    Rm rm;

    if (tr_held(t, 1, size, access, &rm))
        return rm;
    tr_begin_access(t);
    bool lead = g && !g->checked && (!(access & ACCESS_W) || g->write);

    if (lead)
        off += (int)(g->min - t->offset_of[t->at][1]);
    if (off)
        emit_lea(e, width == 8 ? 8 : 4, T0, rm_mem(from, off));
    else
        emit_mov(e, width == 8 ? 8 : 4, T0, from);
    if (width == 2)
        emit_load(e, 2, T0, rm_reg(T0));
    tr_lin(t, i, SEG_SS, size, access);
    return lead ? tr_lead(t, 1, size, access) : tr_check(t, size, access);
}

/* RSP = from + off in the stack's width. T1 is lost. */
void tr_set_sp(Tr *t, unsigned from, int off)
{
    Emit *e = &t->e;
    unsigned width = stack_size(t);

    if (width >= 4) {
        if (off || from != G_RSP)
            emit_lea(e, width, G_RSP, rm_mem(from, off));
        return;
    }
    emit_lea(e, 4, T1, rm_mem(from, off));
    emit_sized(e, 2, 0x89, T1, rm_reg(G_RSP));
}

static void push(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;
    unsigned size = i->osz;

    if (o->kind == OPND_MEM) {
        Rm rm = tr_access(t, i, size, ACCESS_R);

        emit_load(e, size, T1, rm);
        emit_store(e, 8, rm_gs(G_HOT(temp)), T1);
    }
    /* A miss comes back to here, not to the first access: the two pages may be rivals for one TLB entry. */
    Rm to = tr_stack_access(t, i, G_RSP, -(int)size, size, ACCESS_W);

    if (o->kind == OPND_IMM) {
        emit_store_imm(e, size, to, (int32_t)i->imm);
    } else if (o->kind == OPND_MEM) {
        emit_load(e, 8, T1, rm_gs(G_HOT(temp)));
        emit_store(e, size, to, T1);
    } else if (spilled(o->reg)) {
        emit_load(e, 8, T1, rm_gs(G_GPR(o->reg)));
        emit_store(e, size, to, T1);
    } else {
        emit_store(e, size, to, hreg(o->reg));
    }
    tr_set_sp(t, G_RSP, -(int)size);
}

static void pop(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;
    unsigned size = i->osz, r = spilled(o->reg) ? T0 : hreg(o->reg);

    Rm rm = tr_stack_access(t, i, G_RSP, 0, size, ACCESS_R);

    if (o->reg == R_RSP) {
        /* The increment is overwritten, but for what a narrow POP SP leaves. */
        if (size == 2) {
            emit_load(e, 2, T0, rm);
            tr_set_sp(t, G_RSP, (int)size);
            emit_sized(e, 2, 0x89, T0, rm_reg(G_RSP));
        } else {
            emit_load(e, size, G_RSP, rm);
        }
        return;
    }
    if (size == 2 && !spilled(o->reg))
        emit_sized(e, 2, 0x8b, r, rm);
    else
        emit_load(e, size, r, rm);
    if (spilled(o->reg))
        emit_store(e, size == 2 ? 2 : 8, rm_gs(G_GPR(o->reg)), T0);
    tr_set_sp(t, G_RSP, (int)size);
}

static void leave(Tr *t, const Insn *i)
{
    Emit *e = &t->e;
    unsigned size = i->osz;

    Rm rm = tr_stack_access(t, i, H_RBP, 0, size, ACCESS_R);

    tr_set_sp(t, H_RBP, (int)size);
    if (size == 2)
        emit_sized(e, 2, 0x8b, H_RBP, rm);
    else
        emit_load(e, size, H_RBP, rm);
}

bool tr_plan_stack(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];

    if (t->mode & TM_AC)
        return false;
    switch (i->desc->op) {
    case OP_PUSH:
        return o->kind == OPND_MEM || o->kind == OPND_GPR || o->kind == OPND_IMM;
    case OP_POP:
        return o->kind == OPND_GPR;
    case OP_LEAVE:
        return i->osz == t->code_size;
    default:
        return false;
    }
}

void tr_stack(Tr *t, const Insn *i)
{
    switch (i->desc->op) {
    case OP_PUSH:
        push(t, i);
        break;
    case OP_POP:
        pop(t, i);
        break;
    default:
        leave(t, i);
    }
}

/* Branches. */

uint64_t tr_target(const Tr *t, unsigned n)
{
    const Insn *i = &t->insn[n];

    return (t->rip[n] + i->len + (uint64_t)i->imm) & size_mask(i->osz);
}

static uint64_t target_of(const Tr *t, const Insn *i)
{
    return tr_target(t, t->at);
}

bool tr_plan_flow(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];

    if (t->mode & TM_AC)
        return false;
    if (o->kind == OPND_REL) {
        uint64_t target = target_of(t, i);

        if (t->code_size == 8 ? !tcg_canonical(t->c, target) : target > t->c->seg[SEG_CS].limit)
            return false;
    }
    switch (i->desc->op) {
    case OP_JMP:
    case OP_CALL:
        return o->kind == OPND_REL || ((o->kind == OPND_MEM || o->kind == OPND_GPR) && i->osz == t->code_size);
    case OP_RET:
        return i->osz == t->code_size;
    case OP_JCC:
        return true;
    case OP_LOOP:
    case OP_LOOPE:
    case OP_LOOPNE:
    case OP_JCXZ:
        return i->asz >= 4;
    default:
        return false;
    }
}

/* The operand's value to T0. */
static void load_target(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];

    if (o->kind == OPND_MEM)
        emit_load(&t->e, i->osz, T0, tr_access(t, i, i->osz, ACCESS_R));
    else
        emit_load(&t->e, i->osz, T0, spilled(o->reg) ? rm_gs(G_GPR(o->reg)) : rm_reg(hreg(o->reg)));
}

static void indirect_miss(Tr *t, uint32_t from)
{
    tr_cold(t, COLD_SITE, from)->thunk = THUNK_INDIRECT;
}

static void call(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;
    unsigned size = i->osz;
    uint64_t ret = t->rip[t->at + 1];

    if (o->kind != OPND_REL) {
        /* Where to is found before anything is pushed: a target that faults changes nothing. What is not found is
         * called by the handler. */
        tr_clobber(t);
        load_target(t, i);
        tr_cold(t, COLD_SITE, jit_emit_call_cache(e, jit_class(t->mode)))->thunk = THUNK_CALL;
        emit_store(e, 8, rm_gs(G_HOT(temp)), T1);
    }
    Rm to = tr_stack_access(t, i, G_RSP, -(int)size, size, ACCESS_W);
    bool short_imm = (int64_t)ret == (int32_t)ret;

    if (short_imm || size < 8) {
        emit_store_imm(e, size, to, (int32_t)ret);
        tr_set_sp(t, G_RSP, -(int)size);
    }
    if (short_imm) {
        emit8(e, 0x68);
        emit32(e, (uint32_t)ret);
    } else {
        emit_imm(e, T1, ret);
        if (size == 8) {
            emit_store(e, size, to, T1);
            tr_set_sp(t, G_RSP, -(int)size);
        }
        emit_bytes(e, "\x41\x53", 2); /* PUSH R11 */
    }
    if (o->kind == OPND_REL) {
        emit8(e, 0xe8);
        emit32(e, 0);
        tr_exit(t, emit_at(e) - 4, target_of(t, i));
    } else {
        emit_op(e, 0xff, 2, rm_gs(G_HOT(temp)));
    }
    t->flags = IN_SLOT; /* as a RET leaves them */
    tr_exit(t, emit_jmp_fwd(e), ret)->guard = true;
}

static void ret(Tr *t, const Insn *i)
{
    Emit *e = &t->e;
    unsigned size = i->osz;

    emit_load(e, size, T0, tr_stack_access(t, i, G_RSP, 0, size, ACCESS_R));
    tr_clobber(t);
    tr_set_sp(t, G_RSP, (int)size + (uint16_t)i->imm);
    emit_alu(e, ALU_CMP, 8, T0, rm_mem(H_RSP, 8));
    tr_cold(t, COLD_RETURN, emit_jcc_fwd(e, CC_NE));
    emit_bytes(e, "\xc2\x08\x00", 3); /* RET 8 */
}

/* LOOP, LOOPE, LOOPNE, JCXZ: the host's own, around a jump. */
static void count(Tr *t, const Insn *i)
{
    static const uint8_t opcode[] = {0xe2, 0xe1, 0xe0, 0xe3};
    Emit *e = &t->e;
    unsigned op = i->desc->op;
    unsigned which = op == OP_LOOP ? 0 : op == OP_LOOPE ? 1 : op == OP_LOOPNE ? 2 : 3;

    if (which == 1 || which == 2)
        tr_flags_to_host(t);
    if (i->asz == 4)
        emit8(e, 0x67);
    emit8(e, opcode[which]);
    emit8(e, 2);
    emit_bytes(e, "\xeb\x05", 2); /* JMP behind the next */
    tr_jump(t, target_of(t, i));
}

bool tr_flow(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;

    switch (i->desc->op) {
    case OP_JMP:
        if (t->info[t->at].followed) {
            if (target_of(t, i) <= t->rip[t->at])
                t->polls_from = MIN(t->polls_from, t->at + 1);
            return true;
        }
        if (o->kind == OPND_REL) {
            tr_jump(t, target_of(t, i));
            return false;
        }
        tr_clobber(t);
        load_target(t, i);
        indirect_miss(t, jit_emit_jump_cache(e, jit_class(t->mode)));
        return false;
    case OP_CALL:
        call(t, i);
        return false;
    case OP_RET:
        ret(t, i);
        return false;
    case OP_JCC:
        tr_flags_to_host(t);
        tr_exit(t, emit_jcc_fwd(e, i->opcode & 15), target_of(t, i));
        return true;
    default:
        count(t, i);
        return true;
    }
}
