/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer instructions: each becomes the host's own with its operands in their places: registers as they are, memory as
 * [T0], guest registers that have no host register in T1 (T0) meanwhile, AH, CH, DH and BH by an exchange where a REX
 * prefix stands in their way.
 */
#include "accel/tcg/jit-internal.h"

/* A register operand in its encoding: HIGH | 0-3 are AH, CH, DH, BH. */
#define HIGH 0x20

static bool is_reg(const InsnOperand *o)
{
    return o->kind == OPND_GPR || o->kind == OPND_GPR8H;
}

/* The host register for a register operand; a spilled one is loaded to temp where it counts. */
static unsigned get(Tr *t, const InsnOperand *o, unsigned temp, bool load)
{
    if (o->kind == OPND_GPR8H)
        return HIGH | o->reg;
    if (!spilled(o->reg))
        return hreg(o->reg);
    if (load)
        emit_load(&t->e, 8, temp, rm_gs(G_GPR(o->reg)));
    return temp;
}

/* After a write to it. */
static void put(Tr *t, const InsnOperand *o, unsigned temp)
{
    if (o->kind == OPND_GPR && spilled(o->reg))
        emit_store(&t->e, 8, rm_gs(G_GPR(o->reg)), temp);
}

static void exchange(Emit *e, unsigned high)
{
    emit8(e, 0x86);
    emit8(e, 0xc0 | (4 + (high & 3)) << 3 | (high & 3));
}

/* Is one of the registers such that the instruction has a REX prefix? byte: its size is 1. */
static bool wants_rex(unsigned r, bool byte)
{
    return !(r & HIGH) && r != H_NONE && (r >= 8 || (byte && r >= 4));
}

/* The instruction; opc is of the wide form, that of bytes is one less. reg and rm may be HIGH ones; ext: reg is an
 * opcode extension. */
static void op(Emit *e, unsigned size, unsigned opc, unsigned reg, bool ext, Rm rm)
{
    unsigned high_reg = !ext && reg & HIGH ? reg : 0, high_rm = !rm.mem && rm.base & HIGH ? rm.base : 0;

    if (!high_reg && !high_rm) {
        if (ext && size == 1 && (rm.mem || rm.base < 4 || rm.base >= 8))
            emit_op(e, opc - 1, reg, rm);
        else
            emit_sized(e, size, opc, reg, rm);
        return;
    }
    bool rex = rm.mem ? wants_rex(rm.base, false) || wants_rex(rm.index, false) : wants_rex(rm.base, true);

    rex |= !ext && wants_rex(reg, true);
    if (!rex) {
        if (high_reg)
            reg = 4 + (reg & 3);
        if (high_rm)
            rm.base = (uint8_t)(4 + (rm.base & 3));
        emit_op(e, opc - 1, reg, rm);
        return;
    }
    unsigned high = high_reg ? high_reg : high_rm;

    exchange(e, high);
    if (high_reg)
        reg &= 3;
    else
        rm.base &= 3;
    emit_sized(e, 1, opc, reg, rm);
    exchange(e, high);
}

/* A memory operand's address; flags as the instruction itself needs them. */
static Rm memory(Tr *t, const Insn *i, const InsnOperand *o)
{
    Rm rm = tr_access(t, i, o->size, o->access);

    tr_flags_before(t, i);
    return rm;
}

/* What compilers and systems write for a full barrier: LOCK on a word that it leaves as it is, or on the stack. */
static bool is_barrier(const Insn *i)
{
    return i->base == R_RSP || (i->operand[1].kind == OPND_IMM && (!i->imm || i->imm == -1));
}

/* Where nobody else has the memory, LOCK costs a program several times the instruction, and for the CPU itself each is
 * indivisible anyway. A driver may mean a barrier, for the threads of devices (docs/engine.rst, Other CPUs). */
static unsigned lock(const Tr *t, const Insn *i)
{
    return i->lock && (!t->j->alone || (t->mode & TM_CPL) != 3 || is_barrier(i)) ? OPC_LOCK : 0;
}

/* dst op= src of two operands: opc: r/m, reg; +2: reg, r/m; ext of 81 for immediates. */
static void alu(Tr *t, const Insn *i, unsigned n)
{
    const InsnOperand *d = &i->operand[0], *s = &i->operand[1];
    Emit *e = &t->e;
    unsigned size = d->size, opc = n << 3 | 1;
    bool written = n != ALU_CMP;

    if (d->kind == OPND_MEM) {
        Rm rm = memory(t, i, d);

        if (s->kind == OPND_IMM) {
            if (lock(t, i))
                emit8(e, 0xf0);
            emit_alu_imm(e, n, size, rm, (int32_t)i->imm);
            return;
        }
        unsigned r = get(t, s, T1, true);

        op(e, size, opc | lock(t, i), r, false, rm);
        return;
    }
    if (s->kind == OPND_MEM) {
        Rm rm = memory(t, i, s);
        unsigned r = get(t, d, T1, true);

        op(e, size, opc | 2, r, false, rm);
        if (written)
            put(t, d, T1);
        return;
    }
    tr_flags_before(t, i);
    bool d_spilled = d->kind == OPND_GPR && spilled(d->reg);

    if (s->kind == OPND_IMM) {
        if (d_spilled && (size != 4 || !written)) {
            emit_alu_imm(e, n, size, rm_gs(G_GPR(d->reg)), (int32_t)i->imm);
            return;
        }
        unsigned r = get(t, d, T1, true);

        if (r & HIGH) {
            op(e, 1, 0x81, n, true, rm_reg(r));
            emit8(e, (uint8_t)i->imm);
        } else {
            emit_alu_imm(e, n, size, rm_reg(r), (int32_t)i->imm);
        }
        if (written)
            put(t, d, T1);
        return;
    }
    bool s_spilled = s->kind == OPND_GPR && spilled(s->reg);

    if (d_spilled && (size != 4 || !written)) {
        op(e, size, opc, get(t, s, T1, true), false, rm_gs(G_GPR(d->reg)));
        return;
    }
    unsigned r = get(t, d, T1, true);

    if (s_spilled)
        op(e, size, opc | 2, r, false, rm_gs(G_GPR(s->reg)));
    else
        op(e, size, opc, get(t, s, T0, true), false, rm_reg(r));
    if (written)
        put(t, d, T1);
}

/* Two operands, r/m and register (store: r/m is the first), the register one perhaps with an immediate behind. */
static void rm_and_reg(Tr *t, const Insn *i, unsigned opc, bool store, unsigned imm_size, bool reg_written,
                       bool may_keep)
{
    const InsnOperand *m = &i->operand[store ? 0 : 1], *r = &i->operand[store ? 1 : 0];
    Emit *e = &t->e;
    Rm rm;
    bool rm_temp = false;

    if (m->kind == OPND_MEM) {
        rm = memory(t, i, m);
    } else {
        tr_flags_before(t, i);
        rm_temp = m->kind == OPND_GPR && spilled(m->reg);
        rm = rm_reg(get(t, m, T0, true));
    }
    bool load = store || r->access & ACCESS_R || may_keep || r->size < 4;
    unsigned reg = get(t, r, T1, load);

    op(e, store ? m->size : r->size, opc | (m->kind == OPND_MEM ? lock(t, i) : 0), reg, false, rm);
    if (imm_size)
        emit_imm_of(e, imm_size, i->imm);
    if (reg_written)
        put(t, r, T1);
    if (store && rm_temp)
        put(t, m, T0);
}

/* One operand: F6/F7 and FE/FF groups, shifts. */
static void one_operand(Tr *t, const Insn *i, unsigned opc, unsigned ext, bool written, int imm)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;

    if (o->kind == OPND_MEM) {
        Rm rm = memory(t, i, o);

        op(e, o->size, opc | lock(t, i), ext, true, rm);
    } else {
        tr_flags_before(t, i);
        if (o->kind == OPND_GPR && spilled(o->reg) && !written) {
            op(e, o->size, opc, ext, true, rm_gs(G_GPR(o->reg)));
            written = false;
        } else {
            op(e, o->size, opc, ext, true, rm_reg(get(t, o, T1, true)));
        }
    }
    if (imm >= 0)
        emit8(e, (unsigned)imm);
    if (written && o->kind != OPND_MEM)
        put(t, o, T1);
}

static void shift(Tr *t, const Insn *i, unsigned ext)
{
    const InsnOperand *s = &i->operand[1];

    if (s->kind == OPND_IMM && (uint8_t)i->imm == 1)
        one_operand(t, i, 0xd1, ext, true, -1);
    else if (s->kind == OPND_IMM)
        one_operand(t, i, 0xc1, ext, true, (uint8_t)i->imm);
    else
        one_operand(t, i, 0xd3, ext, true, -1);
}

static void double_shift(Tr *t, const Insn *i, unsigned opc)
{
    bool imm = i->operand[2].kind == OPND_IMM;

    rm_and_reg(t, i, OPC_0F | opc | !imm, true, imm ? 1 : 0, false, true);
}

static void test(Tr *t, const Insn *i)
{
    if (i->operand[1].kind == OPND_IMM) {
        const InsnOperand *o = &i->operand[0];

        one_operand(t, i, 0xf7, 0, false, -1);
        emit_imm_of(&t->e, o->size, i->imm);
        return;
    }
    rm_and_reg(t, i, 0x85, true, 0, false, true);
}

static void mov(Tr *t, const Insn *i)
{
    const InsnOperand *d = &i->operand[0], *s = &i->operand[1];
    Emit *e = &t->e;
    unsigned size = d->size;
    bool d_spilled = d->kind == OPND_GPR && spilled(d->reg);

    if (d->kind == OPND_MEM) {
        Rm rm = tr_access(t, i, size, ACCESS_W);

        if (s->kind == OPND_IMM)
            emit_store_imm(e, size, rm, (int32_t)i->imm);
        else
            op(e, size, 0x89, get(t, s, T1, true), false, rm);
        return;
    }
    if (s->kind == OPND_IMM) {
        uint64_t v = (uint64_t)i->imm & size_mask(size);

        if (d->kind == OPND_GPR8H) {
            emit8(e, 0xb4 | d->reg);
            emit8(e, (uint8_t)v);
        } else if (d_spilled && size < 4) {
            emit_store_imm(e, size, rm_gs(G_GPR(d->reg)), (int32_t)i->imm);
        } else if (d_spilled && (int64_t)v == (int32_t)v) {
            emit_store_imm(e, 8, rm_gs(G_GPR(d->reg)), (int32_t)v);
        } else if (size >= 4) {
            emit_imm(e, d_spilled ? T1 : hreg(d->reg), v);
            put(t, d, T1);
        } else {
            emit_sized(e, size, 0xc7, 0, rm_reg(hreg(d->reg)));
            emit_imm_of(e, size, i->imm);
        }
        return;
    }
    if (s->kind == OPND_MEM) {
        Rm rm = tr_access(t, i, size, ACCESS_R);
        unsigned r = get(t, d, T1, size < 4);

        op(e, size, 0x8b, r, false, rm);
        put(t, d, T1);
        return;
    }
    if (d_spilled && size != 4) {
        op(e, size, 0x89, get(t, s, T1, true), false, rm_gs(G_GPR(d->reg)));
        return;
    }
    unsigned r = get(t, d, T1, false);

    if (s->kind == OPND_GPR && spilled(s->reg))
        op(e, size, 0x8b, r, false, rm_gs(G_GPR(s->reg)));
    else
        op(e, size, 0x89, get(t, s, T0, true), false, rm_reg(r));
    put(t, d, T1);
}

/* MOVZX and MOVSX: the source's size is another. */
static void extend(Tr *t, const Insn *i)
{
    const InsnOperand *d = &i->operand[0], *s = &i->operand[1];
    Emit *e = &t->e;
    bool sign = i->desc->op == OP_MOVSX;
    unsigned opc = s->size == 4 ? (sign ? 0x63 : 0x8b) : OPC_0F | (sign ? 0xbe : 0xb6) | (s->size == 2);
    unsigned high = 0;
    Rm rm;

    if (s->kind == OPND_MEM)
        rm = tr_access(t, i, s->size, ACCESS_R);
    else if (s->kind == OPND_GPR && spilled(s->reg))
        rm = rm_gs(G_GPR(s->reg));
    else
        rm = rm_reg(get(t, s, T0, true));
    unsigned r = get(t, d, T1, d->size < 4);

    opc |= d->size == 2 ? OPC_66 : d->size == 8 ? OPC_W : 0;
    if (!rm.mem && rm.base & HIGH) {
        high = r >= 8 ? rm.base : 0;
        rm.base = (uint8_t)((rm.base & 3) + (high ? 0 : 4));
        if (high)
            exchange(e, high);
    } else if (!rm.mem && s->size == 1 && rm.base >= 4) {
        opc |= OPC_REX;
    }
    emit_op(e, opc, r, rm);
    if (high)
        exchange(e, high);
    put(t, d, T1);
}

static void lea(Tr *t, const Insn *i)
{
    const InsnOperand *d = &i->operand[0];
    Emit *e = &t->e;
    uint64_t constant;
    unsigned r = d->reg;

    if (i->base == BASE_RIP || (i->base == REG_NONE && i->index == REG_NONE)) {
        tr_ea(t, i, &constant);
        constant &= size_mask(d->size);
        emit_imm(e, spilled(r) || d->size == 2 ? T0 : hreg(r), constant);
    } else if (i->asz >= 4 && d->size >= 4 && !spilled(r) && (i->base == REG_NONE || !spilled(i->base)) &&
               (i->index == REG_NONE || !spilled(i->index))) {
        Rm rm = {.mem = 1, .base = H_NONE, .index = H_NONE, .scale = i->scale ? i->scale : 1, .disp = (int32_t)i->disp};

        if (i->base != REG_NONE)
            rm.base = (uint8_t)hreg(i->base);
        if (i->index != REG_NONE)
            rm.index = (uint8_t)hreg(i->index);
        emit_lea(e, MIN(i->asz, d->size), hreg(r), rm);
        return;
    } else {
        tr_ea(t, i, &constant);
        if (d->size >= 4 && !spilled(r))
            emit_mov(e, d->size, hreg(r), T0);
        else if (d->size == 4)
            emit_mov(e, 4, T0, T0);
    }
    if (d->size == 2)
        op(e, 2, 0x89, T0, false, spilled(r) ? rm_gs(G_GPR(r)) : rm_reg(hreg(r)));
    else if (spilled(r))
        emit_store(e, 8, rm_gs(G_GPR(r)), T0);
}

static void xchg(Tr *t, const Insn *i)
{
    const InsnOperand *a = &i->operand[0], *b = &i->operand[1];

    if (a->kind == OPND_MEM || b->kind == OPND_MEM) {
        const InsnOperand *m = a->kind == OPND_MEM ? a : b, *r = m == a ? b : a;
        Rm rm = tr_access(t, i, m->size, ACCESS_RW);
        unsigned reg = get(t, r, T1, true);

        op(&t->e, m->size, 0x87, reg, false, rm);
        put(t, r, T1);
        return;
    }
    unsigned x = get(t, a, T0, true), y = get(t, b, T1, true);

    op(&t->e, a->size, 0x87, y, false, rm_reg(x));
    put(t, a, T0);
    put(t, b, T1);
}

/* BT BTS BTR BTC; the bit may lie anywhere from a memory operand. */
static void bit(Tr *t, const Insn *i, unsigned ext)
{
    const InsnOperand *m = &i->operand[0], *s = &i->operand[1];
    Emit *e = &t->e;
    bool written = i->desc->op != OP_BT;
    unsigned opc = OPC_0F | 0x83 | ext << 3; /* A3 AB B3 BB */

    if (s->kind == OPND_IMM) {
        /* The group has no form for bytes: opc as it is. */
        if (m->kind == OPND_MEM) {
            Rm rm = memory(t, i, m);

            emit_sized(e, m->size, OPC_0F | 0xba | lock(t, i), ext, rm);
        } else {
            tr_flags_before(t, i);
            emit_sized(e, m->size, OPC_0F | 0xba, ext, rm_reg(get(t, m, T1, true)));
        }
        emit8(e, (uint8_t)i->imm);
        if (written && m->kind != OPND_MEM)
            put(t, m, T1);
        return;
    }
    if (m->kind != OPND_MEM) {
        tr_flags_before(t, i);
        unsigned r = get(t, s, T0, true);

        emit_sized(e, m->size, opc, r, rm_reg(get(t, m, T1, true)));
        if (written)
            put(t, m, T1);
        return;
    }
    /* ZF stays, the others are undefined: without it being needed the flags are free for the address. */
    unsigned log = m->size == 8 ? 6 : m->size == 4 ? 5 : 4;
    uint64_t constant;

    tr_begin_access(t);
    if (tr_ea(t, i, &constant))
        emit_imm(e, T0, constant);
    unsigned r = get(t, s, T1, true);

    if (m->size == 8)
        emit_mov(e, 8, T1, r);
    else
        emit_op(e, (m->size == 4 ? 0x63 : OPC_0F | 0xbf) | OPC_W, T1, rm_reg(r));
    emit_shift_imm(e, 7, 8, rm_reg(T1), log);
    emit_lea(e, i->asz == 8 ? 8 : 4, T0, rm_sib(T0, T1, m->size, 0));
    if (i->asz == 2)
        emit_load(e, 2, T0, rm_reg(T0));
    tr_lin(t, i, i->seg, m->size, m->access);
    Rm rm = tr_check(t, m->size, m->access);

    r = get(t, s, T1, true);
    if (r != T1)
        emit_mov(e, 4, T1, r);
    emit_alu_imm(e, ALU_AND, 4, rm_reg(T1), (1 << log) - 1);
    if (t->live_out[t->at] & ~(tr_flags_written(i))) {
        /* T1 is taken: RAX by way of T1 would not do. */
        emit_store(e, 8, rm_gs(G_HOT(temp)), T1);
        tr_flags_before(t, i);
        emit_load(e, 8, T1, rm_gs(G_HOT(temp)));
    }
    /* The bit is within the first operand's size: the address of the instruction's own reckoning does not move. */
    emit_sized(e, m->size, opc | lock(t, i), T1, rm);
}

static void bswap(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    unsigned r = get(t, o, T1, true);
    unsigned rex = (o->size == 8 ? 8 : 0) | (r >= 8 ? 1 : 0);

    if (o->size == 2)
        emit8(&t->e, 0x66);
    if (rex)
        emit8(&t->e, 0x40 | rex);
    emit8(&t->e, 0x0f);
    emit8(&t->e, 0xc8 | (r & 7));
    put(t, o, T1);
}

static void setcc(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    unsigned cc = i->opcode & 15;
    Rm rm;

    if (o->kind == OPND_MEM) {
        rm = memory(t, i, o);
    } else {
        tr_flags_before(t, i);
        rm = o->kind == OPND_GPR && spilled(o->reg) ? rm_gs(G_GPR(o->reg)) : rm_reg(get(t, o, T1, true));
    }
    op(&t->e, 1, (OPC_0F | 0x90 | cc) + 1, 0, true, rm);
}

static void cmpxchg(Tr *t, const Insn *i)
{
    rm_and_reg(t, i, OPC_0F | 0xb1, true, 0, false, true);
}

static void cmpxchg_wide(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Rm rm = memory(t, i, o);

    emit_op(&t->e, OPC_0F | 0xc7 | lock(t, i) | (o->size == 16 ? OPC_W : 0), 1, rm);
}

static void direction(Tr *t, bool set)
{
    tr_clobber(t);
    if (set)
        emit_alu_imm(&t->e, ALU_OR, 8, rm_gs(G_CPU(rflags)), FLAG_DF);
    else
        emit_alu_imm(&t->e, ALU_AND, 8, rm_gs(G_CPU(rflags)), ~FLAG_DF);
}

static void plain(Tr *t, const Insn *i, unsigned opcode, unsigned size)
{
    tr_flags_before(t, i);
    if (size == 2)
        emit8(&t->e, 0x66);
    if (size == 8)
        emit8(&t->e, 0x48);
    emit8(&t->e, opcode);
}

bool tr_plan_int(Tr *t, const Insn *i)
{
    const InsnOperand *a = &i->operand[0], *b = &i->operand[1];

    switch (i->desc->op) {
    case OP_ADD:
    case OP_OR:
    case OP_ADC:
    case OP_SBB:
    case OP_AND:
    case OP_SUB:
    case OP_XOR:
    case OP_CMP:
    case OP_TEST:
    case OP_INC:
    case OP_DEC:
    case OP_NEG:
    case OP_NOT:
    case OP_MUL:
    case OP_IMUL:
    case OP_IMUL2:
    case OP_DIV:
    case OP_IDIV:
    case OP_MOVZX:
    case OP_MOVSX:
    case OP_LEA:
    case OP_XCHG:
    case OP_XADD:
    case OP_BSWAP:
    case OP_ROL:
    case OP_ROR:
    case OP_RCL:
    case OP_RCR:
    case OP_SHL:
    case OP_SHR:
    case OP_SAR:
    case OP_SHLD:
    case OP_SHRD:
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
    case OP_BSF:
    case OP_BSR:
    case OP_SETCC:
    case OP_CMOVCC:
    case OP_CBW:
    case OP_CWD:
    case OP_LAHF:
    case OP_SAHF:
    case OP_CLC:
    case OP_STC:
    case OP_CMC:
    case OP_CLD:
    case OP_STD:
    case OP_PAUSE:
    case OP_FENCE:
    case OP_VZERO:
        return true;
    case OP_CMPXCHG: /* AL cannot be exchanged with AH meanwhile */
        return a->kind != OPND_MEM || b->kind != OPND_GPR8H;
    case OP_CMPXCHG8B:
        return a->size == 8 || a->size == 16;
    case OP_MOVBE:
        return is_reg(a) ? b->kind == OPND_MEM : is_reg(b);
    case OP_MOV:
        return (is_reg(a) || a->kind == OPND_MEM) && (is_reg(b) || b->kind == OPND_MEM || b->kind == OPND_IMM);
    default:
        return false;
    }
}

void tr_int(Tr *t, const Insn *i)
{
    const InsnOperand *d = &i->operand[0];

    switch (i->desc->op) {
    case OP_ADD:
        alu(t, i, ALU_ADD);
        break;
    case OP_OR:
        alu(t, i, ALU_OR);
        break;
    case OP_ADC:
        alu(t, i, ALU_ADC);
        break;
    case OP_SBB:
        alu(t, i, ALU_SBB);
        break;
    case OP_AND:
        alu(t, i, ALU_AND);
        break;
    case OP_SUB:
        alu(t, i, ALU_SUB);
        break;
    case OP_XOR:
        alu(t, i, ALU_XOR);
        break;
    case OP_CMP:
        alu(t, i, ALU_CMP);
        break;
    case OP_TEST:
        test(t, i);
        break;
    case OP_INC:
        one_operand(t, i, 0xff, 0, true, -1);
        break;
    case OP_DEC:
        one_operand(t, i, 0xff, 1, true, -1);
        break;
    case OP_NOT:
        one_operand(t, i, 0xf7, 2, true, -1);
        break;
    case OP_NEG:
        one_operand(t, i, 0xf7, 3, true, -1);
        break;
    case OP_MUL:
        one_operand(t, i, 0xf7, 4, false, -1);
        break;
    case OP_IMUL:
        one_operand(t, i, 0xf7, 5, false, -1);
        break;
    case OP_DIV:
        one_operand(t, i, 0xf7, 6, false, -1);
        break;
    case OP_IDIV:
        one_operand(t, i, 0xf7, 7, false, -1);
        break;
    case OP_IMUL2:
        if (i->n_operands < 3)
            rm_and_reg(t, i, OPC_0F | 0xaf, false, 0, true, false);
        else if (i->imm_size == 1)
            rm_and_reg(t, i, 0x6b, false, 1, true, false);
        else
            rm_and_reg(t, i, 0x69, false, d->size, true, false);
        break;
    case OP_MOV:
        mov(t, i);
        break;
    case OP_MOVZX:
    case OP_MOVSX:
        extend(t, i);
        break;
    case OP_LEA:
        lea(t, i);
        break;
    case OP_XCHG:
        xchg(t, i);
        break;
    case OP_CMPXCHG:
        cmpxchg(t, i);
        break;
    case OP_CMPXCHG8B:
        cmpxchg_wide(t, i);
        break;
    case OP_XADD:
        rm_and_reg(t, i, OPC_0F | 0xc1, true, 0, true, true);
        break;
    case OP_BSWAP:
        bswap(t, i);
        break;
    case OP_ROL:
        shift(t, i, 0);
        break;
    case OP_ROR:
        shift(t, i, 1);
        break;
    case OP_RCL:
        shift(t, i, 2);
        break;
    case OP_RCR:
        shift(t, i, 3);
        break;
    case OP_SHL:
        shift(t, i, 4);
        break;
    case OP_SHR:
        shift(t, i, 5);
        break;
    case OP_SAR:
        shift(t, i, 7);
        break;
    case OP_SHLD:
        double_shift(t, i, 0xa4);
        break;
    case OP_SHRD:
        double_shift(t, i, 0xac);
        break;
    case OP_BT:
        bit(t, i, 4);
        break;
    case OP_BTS:
        bit(t, i, 5);
        break;
    case OP_BTR:
        bit(t, i, 6);
        break;
    case OP_BTC:
        bit(t, i, 7);
        break;
    case OP_BSF:
        rm_and_reg(t, i, OPC_0F | 0xbc, false, 0, true, true);
        break;
    case OP_BSR:
        rm_and_reg(t, i, OPC_0F | 0xbd, false, 0, true, true);
        break;
    case OP_SETCC:
        setcc(t, i);
        break;
    case OP_CMOVCC:
        rm_and_reg(t, i, OPC_0F | 0x40 | (i->opcode & 15), false, 0, true, true);
        break;
    case OP_CBW:
        plain(t, i, 0x98, i->osz);
        break;
    case OP_CWD:
        plain(t, i, 0x99, i->osz);
        break;
    case OP_LAHF:
        plain(t, i, 0x9f, 4);
        break;
    case OP_SAHF:
        plain(t, i, 0x9e, 4);
        break;
    case OP_CLC:
        plain(t, i, 0xf8, 4);
        break;
    case OP_STC:
        plain(t, i, 0xf9, 4);
        break;
    case OP_CMC:
        plain(t, i, 0xf5, 4);
        break;
    case OP_CLD:
        direction(t, false);
        break;
    case OP_STD:
        direction(t, true);
        break;
    case OP_PAUSE:
        emit_bytes(&t->e, "\xf3\x90", 2);
        break;
    case OP_FENCE:
        emit_bytes(&t->e, (const uint8_t[]){0x0f, 0xae, i->modrm}, 3);
        break;
    case OP_VZERO: /* L: VZEROALL */
        if (t->code_size == 8)
            emit_bytes(&t->e, i->vl ? "\xc5\xfc\x77" : "\xc5\xf8\x77", 3);
        for (unsigned r = 0; r < 8 && t->code_size != 8; r++) {
            /* Registers 8 to 15 stay: VXORPS xmm, xmm, xmm or VMOVAPS xmm, xmm. */
            emit8(&t->e, 0xc5);
            emit8(&t->e, 0x80 | (i->vl ? (~r & 15) << 3 : 0x78));
            emit8(&t->e, i->vl ? 0x57 : 0x28);
            emit8(&t->e, 0xc0 | r << 3 | r);
        }
        break;
    case OP_MOVBE: {
        bool store = d->kind == OPND_MEM;
        const InsnOperand *m = &i->operand[!store], *r = &i->operand[store];
        Rm rm = tr_access(t, i, m->size, m->access);
        unsigned reg = get(t, r, T1, store || r->size < 4);

        emit_sized(&t->e, m->size, OPC_0F38 | 0xf0 | store, reg, rm);
        if (!store)
            put(t, r, T1);
        break;
    }
    }
    tr_flags_after(t, i);
}
