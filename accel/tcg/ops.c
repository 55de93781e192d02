/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What handlers share: operands, effective addresses, segments' limits, conditions, the stack; and the table of
 * handlers. Light code. */
#include "accel/tcg/ops.h"

#define INSN_OP(name) __attribute__((weak)) HANDLER(name);
#include "target/i386/insn-ops.h"
#undef INSN_OP

TcgHandler *const tcg_handlers[OP_COUNT] = {
#define INSN_OP(name) [OP_##name] = tcg_op_##name,
#include "target/i386/insn-ops.h"
#undef INSN_OP
};

/* Addresses. */

static uint64_t cut(uint64_t v, unsigned size)
{
    return v & size_mask(size);
}

uint64_t tcg_ea(X86CPU *c, const Insn *i)
{
    uint64_t a = (uint64_t)i->disp;

    if (i->base == BASE_RIP)
        a += TCG(c)->next_rip;
    else if (i->base != REG_NONE)
        a += c->gpr[i->base];
    if (i->index != REG_NONE && !(i->desc->attrs & INSN_VSIB))
        a += c->gpr[i->index] * i->scale;
    return cut(a, i->asz);
}

static _Noreturn void segment_fault(X86CPU *c, unsigned seg)
{
    tcg_raise_error(c, seg == SEG_SS ? EXC_SS : EXC_GP, 0);
}

uint64_t tcg_lin(X86CPU *c, unsigned seg, uint64_t off, unsigned size, unsigned access)
{
    TcgCpu *t = TCG(c);
    const SegReg *s = &c->seg[seg];

    if (t->mode & TM_CODE64) {
        uint64_t lin = seg >= SEG_FS ? s->base + off : off;

        if (!tcg_canonical(c, lin) || (size > 1 && !tcg_canonical(c, lin + size - 1)))
            segment_fault(c, seg);
        return lin;
    }
    off = (uint32_t)off;
    uint64_t last = off + (size ? size - 1 : 0);

    if (t->mode & TM_PE) {
        if (!(s->flags & DESC_P))
            segment_fault(c, seg);
        if (s->flags & DESC_CODE) {
            if (access & ACCESS_W || (access & ACCESS_R && !(s->flags & DESC_R)))
                tcg_raise_error(c, EXC_GP, 0);
        } else if (access & ACCESS_W && !(s->flags & DESC_W)) {
            segment_fault(c, seg);
        }
    }
    if ((s->flags & (DESC_CODE | DESC_E)) == DESC_E) {
        if (off <= s->limit || last > (s->flags & DESC_DB ? 0xffffffff : 0xffff))
            segment_fault(c, seg);
    } else if (last > s->limit) {
        segment_fault(c, seg);
    }
    return (uint32_t)(s->base + off); /* in long mode too: 64-bit code has left above */
}

/* Operands. */

uint64_t op_get(X86CPU *c, const Insn *i, unsigned n)
{
    const InsnOperand *o = &i->operand[n];

    switch (o->kind) {
    case OPND_GPR:
        return gpr_get(c, o->reg, o->size);
    case OPND_GPR8H:
        return c->gpr[o->reg] >> 8 & 255;
    case OPND_MEM:
        return tcg_load_lin(c, op_mem_lin(c, i, n, ACCESS_R), o->size, tcg_mmu(c));
    case OPND_SEG:
        return c->seg[o->reg].selector;
    case OPND_DX:
        return (uint16_t)c->gpr[R_RDX];
    default:
        return cut((uint64_t)i->imm, o->size ? o->size : 8);
    }
}

void op_set(X86CPU *c, const Insn *i, unsigned n, uint64_t val)
{
    const InsnOperand *o = &i->operand[n];

    switch (o->kind) {
    case OPND_GPR:
        gpr_set(c, o->reg, o->size, val);
        break;
    case OPND_GPR8H:
        c->gpr[o->reg] = (c->gpr[o->reg] & ~0xff00ULL) | (val & 255) << 8;
        break;
    case OPND_MEM:
        tcg_store_lin(c, op_mem_lin(c, i, n, ACCESS_W), o->size, cut(val, o->size), tcg_mmu(c));
        break;
    default:
        break;
    }
}

bool tcg_condition(X86CPU *c, unsigned cc)
{
    uint64_t f = c->rflags;
    bool r;

    switch (cc >> 1) {
    case 0:
        r = f & FLAG_OF;
        break;
    case 1:
        r = f & FLAG_CF;
        break;
    case 2:
        r = f & FLAG_ZF;
        break;
    case 3:
        r = f & (FLAG_CF | FLAG_ZF);
        break;
    case 4:
        r = f & FLAG_SF;
        break;
    case 5:
        r = f & FLAG_PF;
        break;
    case 6:
        r = !(f & FLAG_SF) != !(f & FLAG_OF);
        break;
    default:
        r = f & FLAG_ZF || !(f & FLAG_SF) != !(f & FLAG_OF);
        break;
    }
    return r != (cc & 1);
}

/* The stack. */

Stack stack_begin(X86CPU *c)
{
    uint32_t m = TCG(c)->mode;

    return (Stack){.sp = c->gpr[R_RSP], .mask = m & TM_CODE64 ? ~0ULL : m & TM_STACK32 ? 0xffffffff : 0xffff};
}

void stack_push(X86CPU *c, Stack *s, unsigned size, uint64_t val)
{
    uint64_t sp = (s->sp - size) & s->mask;

    tcg_store(c, SEG_SS, sp, size, val & size_mask(size));
    s->sp = (s->sp & ~s->mask) | sp;
}

uint64_t stack_pop(X86CPU *c, Stack *s, unsigned size)
{
    uint64_t val = tcg_load(c, SEG_SS, s->sp & s->mask, size);

    s->sp = (s->sp & ~s->mask) | ((s->sp + size) & s->mask);
    return val;
}

void stack_commit(X86CPU *c, const Stack *s)
{
    if (s->mask == 0xffff)
        c->gpr[R_RSP] = (c->gpr[R_RSP] & ~0xffffULL) | (s->sp & 0xffff);
    else
        c->gpr[R_RSP] = s->sp & s->mask;
}

void tcg_branch(X86CPU *c, uint64_t off, unsigned osz)
{
    if (tcg_code64(c)) {
        if (!tcg_canonical(c, off))
            tcg_raise_error(c, EXC_GP, 0);
    } else {
        off = cut(off, osz);
        if (off > c->seg[SEG_CS].limit)
            tcg_raise_error(c, EXC_GP, 0);
    }
    TCG(c)->next_rip = off;
}
