/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's arithmetic flags in a block: which are needed where, and how they are put away before the host's own are
 * used for something else.
 *
 * The slot has them as LAHF and SETO give them, or only what they can be computed from (FLAGS_LAZY): what an ADD, SUB,
 * CMP, TEST or a logical instruction had or made in registers, which takes two stores. That is enough where no
 * instruction of the block reads them any more: at calls, returns and jumps nearly nobody does. Who does so after all
 * (a block that begins with a reader, C) computes them.
 */
#include "accel/tcg/jit-internal.h"

static bool constant_count(const Insn *i)
{
    switch (i->desc->op) {
    case OP_ROL:
    case OP_ROR:
    case OP_SHL:
    case OP_SHR:
    case OP_SAR:
        break;
    default:
        return false;
    }
    return i->operand[1].kind == OPND_IMM && i->imm & (i->operand[0].size == 8 ? 63 : 31);
}

uint16_t tr_flags_written(const Insn *i)
{
    const InsnDesc *d = i->desc;
    uint16_t f = (d->flags_written | d->flags_undefined) & FLAGS_ARITH;

    if (constant_count(i))
        f |= d->flags_maybe & FLAGS_ARITH;
    return f;
}

uint16_t tr_flags_touched(const Insn *i)
{
    return (i->desc->flags_written | i->desc->flags_undefined | i->desc->flags_maybe) & FLAGS_ARITH;
}

uint16_t tr_flags_read(const Insn *i, unsigned plan)
{
    const InsnDesc *d = i->desc;

    /* What leaves the block shows them to others. */
    if ((d->attrs & INSN_END && plan == PLAN_EXEC) || d->op == OP_PUSHF)
        return FLAGS_ARITH;
    return (d->flags_read | (constant_count(i) ? 0 : d->flags_maybe)) & FLAGS_ARITH;
}

/* Liveness. */

/* The flags that the code at rip, in this page, may need: what it reads before it writes all. A write to the page drops
 * this block together with the one that will be there. */
static uint16_t wanted_at(Tr *t, uint64_t rip)
{
    const Block *b = t->b;
    uint64_t lin = b->lin + (rip - t->rip[0]);
    uint16_t wanted = 0, left = FLAGS_ARITH;

    if (t->code_size != 8)
        lin = (uint32_t)lin;
    if (!t->may_look || t->page[1] || (lin ^ b->lin) & PAGE_MASK)
        return FLAGS_ARITH;
    unsigned off = (unsigned)(lin & 0xfff);

    for (unsigned n = 0; n < 6 && off < PAGE_SIZE && left; n++) {
        unsigned avail = MIN((unsigned)INSN_MAX_LEN, PAGE_SIZE - off);
        uint8_t buf[16];
        Insn *i = &t->ahead;

        tcg_copy_code(buf, t->page[0], off, avail);
        if (insn_decode(i, buf, avail, t->code_size, !(t->mode & TM_PE), t->c->config.features) != DECODE_OK ||
            i->desc->attrs & (INSN_END | INSN_SHADOW | INSN_SERIALIZE))
            break;
        wanted |= tr_flags_read(i, PLAN_INT) & left;
        if (i->desc->attrs & INSN_BRANCH)
            break;
        left &= ~tr_flags_written(i);
        off += i->len;
    }
    return wanted | left;
}

/* Does the instruction use the host's flags for itself, nearly always? */
static bool clobbers(const Tr *t, unsigned n)
{
    const Insn *i = &t->insn[n];

    switch (t->plan[n]) {
    case PLAN_NOTHING:
        return false;
    case PLAN_FLOW:
        return i->desc->op == OP_CALL || i->desc->op == OP_RET ||
               (i->desc->op == OP_JMP && i->operand[0].kind != OPND_REL);
    case PLAN_INT:
    case PLAN_HOST:
        return i->has_mem && i->desc->op != OP_LEA;
    default:
        return true;
    }
}

/* Which flags are needed where: backward. What leaves the block may need all. */
void tr_liveness(Tr *t)
{
    uint16_t live = FLAGS_ARITH;

    /* At the block's end the next one is most often in the page. */
    if (!(t->insn[t->n - 1].desc->attrs & (INSN_END | INSN_SHADOW | INSN_SERIALIZE | INSN_BRANCH)))
        live = wanted_at(t, t->rip[t->n]);
    t->live_in[t->n] = live;
    t->reads[t->n] = t->clobbers[t->n] = false;
    for (unsigned n = t->n; n--;) {
        const Insn *i = &t->insn[n];
        unsigned op = i->desc->op, p = t->plan[n];
        bool flow = i->desc->attrs & INSN_BRANCH && !t->info[n].followed;

        if (flow || op == OP_STAC || op == OP_CLAC)
            live = FLAGS_ARITH;
        if (flow && p == PLAN_FLOW && (op == OP_JMP || op == OP_CALL) && i->operand[0].kind == OPND_REL)
            live = wanted_at(t, tr_target(t, n));
        t->live_out[n] = live;

        uint16_t read = tr_flags_read(i, p), written = tr_flags_written(i);
        bool all = written == FLAGS_ARITH;

        /* A handler finds them wherever they are; what takes them from the slot has them made plain there. */
        bool host = p != PLAN_EXEC && !(p == PLAN_SYS && (op == OP_PUSHF || op == OP_SYSCALL));

        t->reads[n] = host && (read || (tr_flags_touched(i) && live & ~written) || (!all && t->reads[n + 1]));
        t->clobbers[n] = clobbers(t, n) || (!all && t->clobbers[n + 1]);
        live = (uint16_t)((live & ~written) | read);
        t->live_in[n] = live;
    }
}

/* Putting them away and taking them back. */

void tr_emit_save(Emit *e)
{
    emit_mov(e, 8, T1, H_RAX);
    emit8(e, 0x9f); /* LAHF */
    emit_op(e, OPC_0F | 0x90 | CC_O, 0, rm_reg(H_RAX));
    emit_store(e, 4, rm_gs(G_HOT(flags)), H_RAX);
    emit_mov(e, 8, H_RAX, T1);
}

/* checked: what is there may be FLAGS_LAZY; C makes it plain then, and comes back to the beginning. */
void tr_emit_restore(Tr *t, bool checked)
{
    Emit *e = &t->e;
    uint32_t retry = emit_at(e);

    emit_mov(e, 8, T1, H_RAX);
    emit_load(e, 4, H_RAX, rm_gs(G_HOT(flags)));
    if (checked) {
        emit_op(e, 0x84, H_RAX, rm_reg(H_RAX)); /* TEST AL, AL */
        tr_cold(t, COLD_FLAGS, emit_jcc_fwd(e, CC_S))->retry = retry;
    }
    emit_alu_imm(e, ALU_ADD, 1, rm_reg(H_RAX), 0x7f);
    emit8(e, 0x9e); /* SAHF */
    emit_mov(e, 8, H_RAX, T1);
}

static void store_lazy(Tr *t, int32_t at, unsigned g, int off)
{
    Emit *e = &t->e;
    unsigned from = spilled(g) || off ? T1 : hreg(g);

    if (spilled(g))
        emit_load(e, 8, T1, rm_gs(G_GPR(g)));
    else if (off)
        emit_lea(e, 8, T1, rm_mem(hreg(g), off));
    emit_store(e, 8, rm_gs(at), from);
}

static void save_lazy(Tr *t)
{
    const LazyFlags *l = &t->lazy;
    Emit *e = &t->e;
    uint32_t word = FLAGS_LAZY | l->kind | (uint32_t)l->size << LAZY_SIZE_SHIFT;

    if (l->kind == LAZY_ZERO) {
        emit_store_imm(e, 4, rm_gs(G_HOT(flags)), (FLAG_ZF | FLAG_PF | 2) << 8);
        t->slot_lazy = false;
        return;
    }
    store_lazy(t, G_HOT(lazy_a), l->a, -l->sp_off);
    if (l->b != REG_NONE) {
        store_lazy(t, G_HOT(lazy_b), l->b, 0);
        word |= LAZY_B;
    } else if ((int32_t)((uint32_t)l->imm << LAZY_IMM_SHIFT) >> LAZY_IMM_SHIFT != l->imm) {
        emit_store_imm(e, 8, rm_gs(G_HOT(lazy_b)), l->imm);
        word |= LAZY_B;
    } else {
        word |= (uint32_t)l->imm << LAZY_IMM_SHIFT;
    }
    emit_store_imm(e, 4, rm_gs(G_HOT(flags)), (int32_t)word);
    t->slot_lazy = true;
}

void tr_flags_to_host(Tr *t)
{
    if (!(t->flags & IN_HOST))
        tr_emit_restore(t, t->slot_lazy);
    t->flags |= IN_HOST;
}

void tr_flags_to_slot(Tr *t)
{
    if (!(t->flags & IN_SLOT)) {
        if (t->lazy.kind && !t->reads[t->at]) {
            save_lazy(t);
        } else {
            tr_emit_save(&t->e);
            t->slot_lazy = false;
        }
    }
    t->flags |= IN_SLOT;
}

void tr_flags_plain(Tr *t)
{
    Emit *e = &t->e;

    if (!(t->flags & IN_SLOT)) {
        tr_emit_save(e);
    } else if (t->slot_lazy) {
        uint32_t retry = emit_at(e);

        emit_op(e, 0xf6, 0, rm_gs(G_HOT(flags))); /* TEST */
        emit8(e, FLAGS_LAZY);
        Cold *c = tr_cold(t, COLD_SITE, emit_jcc_fwd(e, CC_NE));

        c->thunk = THUNK_FLAGS;
        c->retry = retry;
    }
    t->slot_lazy = false;
    t->flags = IN_SLOT;
}

void tr_clobber(Tr *t)
{
    if (t->live_in[t->at])
        tr_flags_to_slot(t);
    t->flags = IN_SLOT;
}

void tr_flags_before(Tr *t, const Insn *i)
{
    uint16_t touched = tr_flags_touched(i);

    if (tr_flags_read(i, t->plan[t->at]) || (touched && t->live_out[t->at] & ~tr_flags_written(i)))
        tr_flags_to_host(t);
}

void tr_flags_after(Tr *t, const Insn *i)
{
    if (tr_flags_touched(i))
        t->flags = IN_HOST;
}

/* What the flags in the host can be computed from. */

static bool writes(const Insn *i, unsigned g)
{
    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];

        if (o->access & ACCESS_W && (o->kind == OPND_GPR || o->kind == OPND_GPR8H) && o->reg == g)
            return true;
    }
    return i->desc->gpr_written >> g & 1;
}

/* MOVZX EAX, AL leaves AL. */
static bool keeps(const LazyFlags *l, const Insn *i)
{
    const InsnOperand *d = &i->operand[0], *s = &i->operand[1];

    return (i->desc->op == OP_MOVZX || i->desc->op == OP_MOVSX) && i->desc->exec == EXEC_OP && s->kind == OPND_GPR &&
           d->reg == s->reg && 1U << l->size <= s->size;
}

static bool spoils(const LazyFlags *l, const Insn *i)
{
    if (l->kind == LAZY_ZERO || keeps(l, i))
        return false;
    return writes(i, l->a) || (l->b != REG_NONE && writes(i, l->b));
}

static LazyFlags lazy_of(const Tr *t, unsigned n)
{
    const Insn *i = &t->insn[n];
    const InsnOperand *d = &i->operand[0], *s = &i->operand[1];
    LazyFlags l = {.b = REG_NONE, .a = d->reg};
    bool same = s->kind == OPND_GPR && s->reg == d->reg;
    unsigned op = i->desc->op;

    if (t->plan[n] != PLAN_INT || i->desc->exec != EXEC_OP || d->kind != OPND_GPR)
        return l;
    l.size = (uint8_t)(d->size == 8 ? 3 : d->size >> 1);
    switch (op) {
    case OP_XOR:
        l.kind = same ? LAZY_ZERO : LAZY_LOGIC;
        return l;
    case OP_AND:
    case OP_OR:
        l.kind = LAZY_LOGIC;
        return l;
    case OP_TEST:
        l.kind = same ? LAZY_LOGIC : LAZY_TEST;
        if (same)
            return l;
        break;
    case OP_ADD:
        l.kind = same ? LAZY_NONE : LAZY_ADD;
        break;
    case OP_SUB:
    case OP_CMP:
        l.kind = same ? LAZY_ZERO : op == OP_SUB ? LAZY_SUB : LAZY_CMP;
        break;
    default:
        return l;
    }
    if (l.kind == LAZY_ZERO)
        return l;
    if (s->kind == OPND_GPR)
        l.b = s->reg;
    else if (s->kind == OPND_IMM)
        l.imm = (int32_t)i->imm;
    else
        l.kind = LAZY_NONE;
    return l;
}

void tr_lazy_before(Tr *t, const Insn *i)
{
    const LazyFlags *l = &t->lazy;

    /* Now, while they can be had cheaply. */
    if (l->kind && t->flags == IN_HOST && t->live_in[t->at] && !t->reads[t->at] && !clobbers(t, t->at) &&
        t->clobbers[t->at] && spoils(l, i))
        tr_flags_to_slot(t);
}

void tr_lazy_after(Tr *t, const Insn *i)
{
    LazyFlags *l = &t->lazy;
    unsigned p = t->plan[t->at], op = i->desc->op;

    if (p == PLAN_NOTHING)
        return;
    if (p == PLAN_EXEC || p == PLAN_SYS || p == PLAN_STRING) {
        l->kind = LAZY_NONE;
    } else if (tr_flags_touched(i)) {
        *l = lazy_of(t, t->at);
    } else if (p == PLAN_STACK && (op == OP_PUSH || op == OP_POP) && l->a == R_RSP && l->b == REG_NONE &&
               t->code_size == 8 && !(op == OP_POP && i->operand[0].reg == R_RSP)) {
        l->sp_off += op == OP_PUSH ? -i->osz : i->osz;
    } else if (l->kind && spoils(l, i)) {
        l->kind = LAZY_NONE;
    }
}
