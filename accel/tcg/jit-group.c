/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses of a block that share one TLB check: those through the same registers with different displacements (a stack
 * frame, a struct), and those at known addresses in one page.
 *
 * A pass over the decoded block follows each register as (an unknown value, plus a constant): PUSH, POP, LEA, ADD of a
 * constant and MOV of another register keep it known. Accesses with equal unknowns are a group. The first of them
 * checks that all of their range is in one page and may be accessed, and leaves the host's address in T0 (and, where
 * something in between needs T0, in JitHot.held[]); the others are [T0 + constant]. Where the check fails for good (the
 * range lies in two pages, or is no plain RAM to write) a block of the same code that knows of no groups goes on.
 *
 * Nothing that could change what memory is where happens in between: what calls C ends all groups, and an access that
 * had to be done by a handler goes on in another block.
 */
#include "accel/tcg/jit-internal.h"

enum { SPAN_MAX = 1024 };

typedef struct Value {
    uint32_t id;
    int64_t off;
} Value;

typedef struct Track {
    Tr *t;
    Value val[R_GPRS];
    uint32_t next_id;
    unsigned side_exits;
    int open[GROUPS_MAX]; /* groups that may get members */
    unsigned n_open;
} Track;

static void forget(Track *k, unsigned reg)
{
    k->val[reg] = (Value){++k->next_id, 0};
}

static void forget_all(Track *k)
{
    for (unsigned r = 0; r < R_GPRS; r++)
        forget(k, r);
    k->n_open = 0;
}

static bool flat(const Tr *t, unsigned seg)
{
    static const uint32_t bits[SEG_REGS] = {[SEG_ES] = TM_FLAT_ES, [SEG_SS] = TM_FLAT_SS, [SEG_DS] = TM_FLAT_DS};

    if (t->mode & TM_CODE64)
        return true;
    return bits[seg] && t->mode & bits[seg];
}

/* Segments with the same base: 0. */
static unsigned base_of(const Tr *t, unsigned seg)
{
    return t->mode & TM_CODE64 && seg >= SEG_FS ? seg : 0;
}

static bool same_key(const Group *a, const Group *b)
{
    return a->constant == b->constant && a->seg_base == b->seg_base && a->base == b->base && a->index == b->index &&
           a->scale == b->scale;
}

/* Access `which` (0: memory operand, 1: stack) of instruction n, at `key` + off. */
static void add(Track *k, unsigned n, unsigned which, const Group *key, int64_t off, unsigned size, unsigned access)
{
    Tr *t = k->t;
    bool write = access & ACCESS_W;

    for (unsigned i = 0; i < k->n_open; i++) {
        Group *g = &t->group[k->open[i]];

        if (!same_key(g, key))
            continue;
        int64_t min = MIN(g->min, off), max = MAX(g->max, off + (int64_t)size);

        /* Nobody asks for the right to write because of a store that may not be reached. */
        if (max - min > (key->constant ? PAGE_SIZE : SPAN_MAX) ||
            (write && !g->write && g->side_exits != k->side_exits)) {
            k->open[i] = k->open[--k->n_open];
            break;
        }
        g->min = min;
        g->max = max;
        g->write |= write;
        g->last = (uint8_t)n;
        g->members++;
        t->group_of[n][which] = (int8_t)k->open[i];
        t->offset_of[n][which] = off;
        return;
    }
    if (t->n_groups == GROUPS_MAX)
        return;
    Group *g = &t->group[t->n_groups];

    *g = *key;
    g->min = off;
    g->max = off + (int64_t)size;
    g->write = write;
    g->first = g->last = (uint8_t)n;
    g->members = 1;
    g->side_exits = k->side_exits;
    t->group_of[n][which] = (int8_t)t->n_groups;
    t->offset_of[n][which] = off;
    k->open[k->n_open++] = (int)t->n_groups++;
}

static void memory_operand(Track *k, unsigned n, const Insn *i, unsigned size, unsigned access)
{
    Tr *t = k->t;
    Group key = {.scale = i->scale, .seg_base = (uint8_t)base_of(t, i->seg)};
    int64_t off = i->disp;

    if (!flat(t, i->seg) || i->asz != t->code_size || !size)
        return;
    if ((i->base == BASE_RIP || (i->base == REG_NONE && i->index == REG_NONE)) && !key.seg_base) {
        uint64_t lin = i->base == BASE_RIP ? t->rip[n] + i->len + (uint64_t)off : (uint64_t)off;

        lin &= size_mask(i->asz);
        if ((lin & 0xfff) + size > PAGE_SIZE)
            return;
        key.constant = true;
        key.scale = 0;
        key.base = key.index = 0;
        key.page = lin & PAGE_MASK;
        /* Pages are keys of their own. */
        for (unsigned j = 0; j < k->n_open; j++) {
            const Group *g = &t->group[k->open[j]];

            if (g->constant && g->page != key.page && same_key(g, &key)) {
                key.base = g->base + 1;
                j = ~0U;
            }
        }
        add(k, n, 0, &key, (int64_t)(lin & 0xfff), size, access);
        return;
    }
    if (i->base == BASE_RIP) { /* GS:[RIP + n] */
        off += (int64_t)(t->rip[n] + i->len);
    } else if (i->base != REG_NONE) {
        key.base = k->val[i->base].id;
        off += k->val[i->base].off;
    }
    if (i->index != REG_NONE) {
        key.index = k->val[i->index].id;
        off += k->val[i->index].off * i->scale;
    } else {
        key.scale = 0;
    }
    add(k, n, 0, &key, off, size, access);
}

static void stack_operand(Track *k, unsigned n, unsigned reg, int disp, unsigned size, unsigned access)
{
    Group key = {.base = k->val[reg].id};
    Tr *t = k->t;

    if (!flat(t, SEG_SS) || (t->code_size != 8 && !(t->mode & TM_STACK32)) || t->code_size == 2)
        return;
    add(k, n, 1, &key, k->val[reg].off + disp, size, access);
}

/* The memory operand as the translator will access it; 0: not by tr_access(). */
static unsigned operand_access(const Tr *t, unsigned n, const Insn *i, unsigned *access)
{
    unsigned op = i->desc->op;

    if (t->plan[n] == PLAN_STACK || t->plan[n] == PLAN_FLOW) {
        *access = ACCESS_R;
        return i->osz;
    }
    if (i->desc->exec == EXEC_OP && (op == OP_BT || op == OP_BTS || op == OP_BTR || op == OP_BTC) &&
        i->operand[1].kind != OPND_IMM)
        return 0;
    for (unsigned k = 0; k < i->n_operands; k++) {
        if (i->operand[k].kind == OPND_MEM) {
            *access = op == OP_XCHG && i->desc->exec == EXEC_OP ? ACCESS_RW : i->operand[k].access;
            return i->operand[k].size;
        }
    }
    return 0;
}

/* What registers are behind the instruction. */
static void follow(Track *k, const Insn *i)
{
    const Tr *t = k->t;
    const InsnOperand *d = &i->operand[0], *s = &i->operand[1];
    unsigned native = t->code_size;
    Value v = {0};
    int reg = -1;

    if (i->desc->exec == EXEC_OP && d->kind == OPND_GPR && d->size == native) {
        switch (i->desc->op) {
        case OP_ADD:
        case OP_SUB:
            if (s->kind == OPND_IMM && i->imm == (int32_t)i->imm) {
                reg = d->reg;
                v = k->val[reg];
                v.off += i->desc->op == OP_ADD ? i->imm : -i->imm;
            }
            break;
        case OP_INC:
        case OP_DEC:
            reg = d->reg;
            v = k->val[reg];
            v.off += i->desc->op == OP_INC ? 1 : -1;
            break;
        case OP_MOV:
            if (s->kind == OPND_GPR) {
                reg = d->reg;
                v = k->val[s->reg];
            }
            break;
        case OP_LEA:
            if (i->asz == native && i->base < R_GPRS && i->index == REG_NONE) {
                reg = d->reg;
                v = k->val[i->base];
                v.off += i->disp;
            }
            break;
        default:
            break;
        }
    }
    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];

        if (o->access & ACCESS_W && (o->kind == OPND_GPR || o->kind == OPND_GPR8H))
            forget(k, o->reg);
    }
    for (unsigned r = 0; r < R_GPRS; r++) {
        if (i->desc->gpr_written >> r & 1 && r != R_RSP)
            forget(k, r);
    }
    if (reg >= 0 && v.off > -(1 << 30) && v.off < 1 << 30)
        k->val[reg] = v;
}

/* The stack pointer becomes reg and so many bytes. Of one of 16 bits the upper half stays: 32-bit addresses with it are
 * others then. */
static void moved(Track *k, unsigned reg, int by)
{
    k->val[R_RSP] = k->val[reg];
    k->val[R_RSP].off += by;
    if (k->t->code_size == 4 && !(k->t->mode & TM_STACK32))
        forget(k, R_RSP);
}

static void one(Track *k, unsigned n)
{
    Tr *t = k->t;
    const Insn *i = &t->insn[n];
    unsigned access = 0, size = i->has_mem && !(i->desc->attrs & INSN_HINT) ? operand_access(t, n, i, &access) : 0;
    int osz = i->osz;

    if (t->plan[n] == PLAN_EXEC || t->plan[n] == PLAN_SYS || (t->plan[n] == PLAN_STRING && i->rep)) {
        forget_all(k);
        return;
    }
    if (size && t->plan[n] != PLAN_STRING)
        memory_operand(k, n, i, size, access);
    switch (i->desc->exec == EXEC_OP ? i->desc->op : OP_INVALID) {
    case OP_PUSH:
    case OP_CALL:
        stack_operand(k, n, R_RSP, -osz, (unsigned)osz, ACCESS_W);
        moved(k, R_RSP, -osz);
        break;
    case OP_POP:
        stack_operand(k, n, R_RSP, 0, (unsigned)osz, ACCESS_R);
        moved(k, R_RSP, osz);
        follow(k, i);
        break;
    case OP_RET:
        stack_operand(k, n, R_RSP, 0, (unsigned)osz, ACCESS_R);
        break;
    case OP_LEAVE:
        stack_operand(k, n, R_RBP, 0, (unsigned)osz, ACCESS_R);
        moved(k, R_RBP, osz);
        forget(k, R_RBP);
        break;
    case OP_JCC:
    case OP_LOOP:
    case OP_LOOPE:
    case OP_LOOPNE:
    case OP_JCXZ:
        k->side_exits++;
        follow(k, i);
        break;
    default:
        follow(k, i);
    }
}

/* May it need T0 for something else than the group's own access? */
static bool takes_t0(const Tr *t, unsigned n, int group)
{
    const Insn *i = &t->insn[n];

    for (unsigned w = 0; w < 2; w++) {
        if (t->group_of[n][w] >= 0 && t->group_of[n][w] != group)
            return true;
    }
    if (t->group_of[n][0] < 0 && i->has_mem)
        return true;
    if (t->group_of[n][1] < 0 && (t->plan[n] == PLAN_STACK || t->plan[n] == PLAN_FLOW) && i->desc->op != OP_JCC &&
        !t->info[n].followed)
        return true;
    for (unsigned k = 0; k < i->n_operands; k++) {
        if (i->operand[k].kind == OPND_GPR && spilled(i->operand[k].reg))
            return true;
    }
    return i->desc->attrs & INSN_FPU;
}

void tr_find_groups(Tr *t)
{
    Track k = {.t = t};

    t->n_groups = 0;
    t->held = -1;
    for (unsigned n = 0; n < t->n; n++) {
        t->group_of[n][0] = t->group_of[n][1] = -1;
        t->in_group[n] = false;
    }
    if (t->no_groups)
        return;
    forget_all(&k);
    for (unsigned n = 0; n < t->n; n++)
        one(&k, n);
    unsigned slots = 0;

    for (unsigned g = 0; g < t->n_groups; g++) {
        Group *p = &t->group[g];

        p->slot = -1;
        if (p->members < 2)
            continue;
        for (unsigned n = p->first + 1U; n <= p->last; n++)
            t->in_group[n] = true;
        for (unsigned n = p->first; n <= p->last && p->slot < 0; n++) {
            if (slots < HELD_MAX && takes_t0(t, n, (int)g))
                p->slot = (int)slots++;
        }
    }
}

Group *tr_group(Tr *t, unsigned which)
{
    int g = t->group_of[t->at][which];

    return g >= 0 && t->group[g].members > 1 ? &t->group[g] : NULL;
}

bool tr_held(Tr *t, unsigned which, unsigned size, unsigned access, Rm *out)
{
    Group *g = tr_group(t, which);
    int64_t off = t->offset_of[t->at][which];

    if (t->e.wrote & 1)
        t->held = -1;
    if (!g || !g->checked || off < g->min || off + (int64_t)size > g->max || (access & ACCESS_W && !g->write))
        return false;
    if (t->held != t->group_of[t->at][which]) {
        if (g->slot < 0)
            return false;
        emit_load(&t->e, 8, T0, rm_gs(G_HOT(held) + g->slot * 8));
        tr_hold(t, which);
    }
    *out = rm_mem(T0, (int32_t)(off - (g->constant ? 0 : g->min)));
    t->info[t->at].in_slot = t->flags == IN_SLOT;
    return true;
}

void tr_hold(Tr *t, unsigned which)
{
    t->held = t->group_of[t->at][which];
    t->e.wrote = 0;
}
