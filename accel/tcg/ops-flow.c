/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Near branches, the stack's instructions, flags: one handler each (ops.h). Light code. */
#include "accel/tcg/ops.h"

/* Branches: in 64-bit code the operand size of near ones is 64 bits (Intel's rule). */

static void relative(X86CPU *c, const Insn *i)
{
    tcg_branch(c, TCG(c)->next_rip + (uint64_t)i->imm, i->osz);
}

HANDLER(JMP)
{
    if (i->operand[0].kind == OPND_REL)
        relative(c, i);
    else
        tcg_branch(c, op_get(c, i, 0), i->osz);
}

HANDLER(JCC)
{
    if (tcg_condition(c, i->opcode & 15))
        relative(c, i);
}

static void loop_if(X86CPU *c, const Insn *i, bool also)
{
    uint64_t count = (c->gpr[R_RCX] - 1) & size_mask(i->asz);

    if (count && also)
        relative(c, i);
    gpr_set(c, R_RCX, i->asz, count);
}

HANDLER(LOOP)
{
    loop_if(c, i, true);
}

HANDLER(LOOPE)
{
    loop_if(c, i, c->rflags & FLAG_ZF);
}

HANDLER(LOOPNE)
{
    loop_if(c, i, !(c->rflags & FLAG_ZF));
}

HANDLER(JCXZ)
{
    if (!gpr_get(c, R_RCX, i->asz))
        relative(c, i);
}

HANDLER(CALL)
{
    uint64_t ret = TCG(c)->next_rip, target = i->operand[0].kind == OPND_REL ? ret + (uint64_t)i->imm : op_get(c, i, 0);
    Stack s = stack_begin(c);

    tcg_branch(c, target, i->osz);
    stack_push(c, &s, i->osz, ret);
    stack_commit(c, &s);
}

HANDLER(RET)
{
    Stack s = stack_begin(c);

    tcg_branch(c, stack_pop(c, &s, i->osz), i->osz);
    s.sp = (s.sp & ~s.mask) | ((s.sp + (uint16_t)i->imm) & s.mask);
    stack_commit(c, &s);
}

/* The stack. */

HANDLER(PUSH)
{
    uint64_t val = op_get(c, i, 0);
    Stack s = stack_begin(c);

    stack_push(c, &s, i->osz, val);
    stack_commit(c, &s);
}

HANDLER(POP)
{
    Stack s = stack_begin(c);
    uint64_t val = stack_pop(c, &s, i->osz);

    if (op_is_mem(i, 0)) {
        /* The address is computed with the new RSP; a fault leaves the old one. */
        uint64_t old = c->gpr[R_RSP], lin;

        stack_commit(c, &s);
        uint64_t ea = tcg_ea(c, i);
        uint64_t now = c->gpr[R_RSP];

        c->gpr[R_RSP] = old;
        lin = tcg_lin(c, i->seg, ea, i->osz, ACCESS_W);
        tcg_store_lin(c, lin, i->osz, val, tcg_mmu(c));
        c->gpr[R_RSP] = now;
        return;
    }
    stack_commit(c, &s);
    op_set(c, i, 0, val);
}

HANDLER(PUSHA)
{
    Stack s = stack_begin(c);
    uint64_t sp = c->gpr[R_RSP];

    for (unsigned r = R_RAX; r <= R_RDI; r++)
        stack_push(c, &s, i->osz, r == R_RSP ? sp : c->gpr[r]);
    stack_commit(c, &s);
}

HANDLER(POPA)
{
    Stack s = stack_begin(c);
    uint64_t val[8];

    for (int r = R_RDI; r >= R_RAX; r--)
        val[r] = stack_pop(c, &s, i->osz);
    for (unsigned r = R_RAX; r <= R_RDI; r++) {
        if (r != R_RSP)
            gpr_set(c, r, i->osz, val[r]);
    }
    stack_commit(c, &s);
}

HANDLER(ENTER)
{
    unsigned level = i->imm2 & 31, size = i->osz;
    uint64_t frame, bp = c->gpr[R_RBP];
    Stack s = stack_begin(c);

    stack_push(c, &s, size, bp);
    frame = s.sp; /* the whole register, also where the stack is 16 bits wide */
    for (unsigned n = 1; n < level; n++) {
        bp = (bp & ~s.mask) | ((bp - size) & s.mask);
        stack_push(c, &s, size, tcg_load(c, SEG_SS, bp & s.mask, size));
    }
    if (level)
        stack_push(c, &s, size, frame);
    s.sp = (s.sp & ~s.mask) | ((s.sp - (uint16_t)i->imm) & s.mask);
    /* The page below the new stack pointer must be writable. */
    tcg_probe_lin(c, tcg_lin(c, SEG_SS, s.sp & s.mask, size, ACCESS_W), size, ACCESS_W, tcg_mmu(c));
    stack_commit(c, &s);
    gpr_set(c, R_RBP, size, frame);
}

HANDLER(LEAVE)
{
    Stack s = stack_begin(c);
    uint64_t val;

    s.sp = (s.sp & ~s.mask) | (c->gpr[R_RBP] & s.mask);
    val = stack_pop(c, &s, i->osz);
    stack_commit(c, &s);
    gpr_set(c, R_RBP, i->osz, val);
}

/* PUSHF and POPF: SDM volume 2, with virtual-8086 mode and CR4.VME. */

HANDLER(PUSHF)
{
    TcgCpu *t = TCG(c);
    uint64_t f = c->rflags & ~(uint64_t)(FLAG_VM | FLAG_RF);

    if (t->mode & TM_VM && (c->rflags & FLAG_IOPL) != FLAG_IOPL) {
        if (i->osz != 2 || !(c->cr4 & CR4_VME))
            tcg_raise_error(c, EXC_GP, 0);
        f = (f & ~(uint64_t)FLAG_IF) | FLAG_IOPL | (c->rflags & FLAG_VIF ? FLAG_IF : 0);
    }
    Stack s = stack_begin(c);

    stack_push(c, &s, i->osz, f);
    stack_commit(c, &s);
}

HANDLER(POPF)
{
    TcgCpu *t = TCG(c);
    Stack s = stack_begin(c);
    bool vm = t->mode & TM_VM;
    uint64_t may = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID, f;

    if (vm && (c->rflags & FLAG_IOPL) != FLAG_IOPL) {
        if (i->osz != 2 || !(c->cr4 & CR4_VME))
            tcg_raise_error(c, EXC_GP, 0);
        f = stack_pop(c, &s, 2);
        if ((f & FLAG_IF && c->rflags & FLAG_VIP) || f & FLAG_TF)
            tcg_raise_error(c, EXC_GP, 0);
        may &= 0xffff;
        c->rflags = (c->rflags & ~(uint64_t)FLAG_VIF) | (f & FLAG_IF ? FLAG_VIF : 0);
    } else {
        f = stack_pop(c, &s, i->osz);
        if (i->osz == 2)
            may &= 0xffff;
        if (vm || t->mode & TM_IOPL)
            may |= FLAG_IF;
        if (!vm && !(t->mode & TM_CPL))
            may |= FLAG_IOPL;
    }
    stack_commit(c, &s);
    c->rflags = (c->rflags & ~may) | (f & may) | 2;
    if (i->osz != 2)
        c->rflags &= ~(uint64_t)FLAG_RF;
    tcg_mode_changed(c);
}

/* Flags. */

HANDLER(LAHF)
{
    c->gpr[R_RAX] = (c->gpr[R_RAX] & ~0xff00ULL) | ((c->rflags & (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)) | 2)
                                                       << 8;
}

HANDLER(SAHF)
{
    enum { MASK = FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF };

    c->rflags = (c->rflags & ~(uint64_t)MASK) | (c->gpr[R_RAX] >> 8 & MASK);
}

HANDLER(CLC)
{
    c->rflags &= ~(uint64_t)FLAG_CF;
}

HANDLER(STC)
{
    c->rflags |= FLAG_CF;
}

HANDLER(CMC)
{
    c->rflags ^= FLAG_CF;
}

HANDLER(CLD)
{
    c->rflags &= ~(uint64_t)FLAG_DF;
}

HANDLER(STD)
{
    c->rflags |= FLAG_DF;
}

HANDLER(NOP)
{
}
