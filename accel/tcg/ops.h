/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instruction handlers: the one definition of each instruction. A handler reads operands, checks all that may fault,
 * then changes state; it never touches c->rip: TcgCpu.next_rip is already behind the instruction, branches change it.
 * REP string instructions that are interrupted set next_rip back to c->rip.
 *
 * Flags are always in c->rflags while a handler runs.
 */
#ifndef ACCEL_TCG_OPS_H
#define ACCEL_TCG_OPS_H

#include "accel/tcg/tcg.h"

typedef void TcgHandler(X86CPU *c, const Insn *i);
extern TcgHandler
    *const tcg_handlers[OP_COUNT]; /* ops.c; NULL: no handler yet, #UD with a line in the log (LOG_UNIMP) */
/* EXEC_HOST (vec.c) */
void tcg_execute_host(X86CPU *c, const Insn *i);

#define HANDLER(name) void tcg_op_##name(X86CPU *c, const Insn *i)
/* All handlers, from insn-ops.h. */
#define INSN_OP(name) HANDLER(name);
#include "target/i386/insn-ops.h"
#undef INSN_OP

static inline uint64_t size_mask(unsigned size)
{
    return size == 8 ? ~0ULL : (1ULL << size * 8) - 1;
}
static inline int64_t sign_extend(uint64_t v, unsigned size)
{
    return (int64_t)(v << (64 - size * 8)) >> (64 - size * 8);
}
static inline uint64_t gpr_get(X86CPU *c, unsigned reg, unsigned size)
{
    return c->gpr[reg] & size_mask(size);
}
/* 32-bit writes clear the upper half, smaller ones keep the rest. */
static inline void gpr_set(X86CPU *c, unsigned reg, unsigned size, uint64_t val)
{
    if (size >= 4)
        c->gpr[reg] = size == 4 ? (uint32_t)val : val;
    else
        c->gpr[reg] = (c->gpr[reg] & ~size_mask(size)) | (val & size_mask(size));
}
/* Operand n: register, memory or immediate, zero-extended to 64 bits (immediates as they are, cut to the operand's
 * size). */
uint64_t op_get(X86CPU *c, const Insn *i, unsigned n);
void op_set(X86CPU *c, const Insn *i, unsigned n, uint64_t val); /* registers and memory */
static inline bool op_is_mem(const Insn *i, unsigned n)
{
    return i->operand[n].kind == OPND_MEM;
}
static inline uint64_t op_mem_lin(X86CPU *c, const Insn *i, unsigned n, unsigned access)
{
    return tcg_lin(c, i->seg, tcg_ea(c, i), i->operand[n].size, access);
}
/* a OP b of size bytes, with the flags of *fl in and out. */
typedef uint64_t TcgAlu(unsigned size, uint64_t a, uint64_t b, uint64_t *fl);
/* Memory at lin becomes fn(memory, b), atomically where lock; returns what was there. */
uint64_t tcg_modify_mem(X86CPU *c, uint64_t lin, unsigned size, bool lock, TcgAlu *fn, uint64_t b, uint64_t *fl);
/* Operand 0, register or memory, becomes fn(it, b), with the flags. */
void tcg_modify(X86CPU *c, const Insn *i, TcgAlu *fn, uint64_t b);
/* The flags of a - b become c's. */
void tcg_compare(X86CPU *c, unsigned size, uint64_t a, uint64_t b);
/* Condition cc (0-15, as in Jcc's opcode) by c->rflags. */
bool tcg_condition(X86CPU *c, unsigned cc);

/* The stack, at SS:(E/R)SP by the mode's width. push stores below what sp says and moves it; nothing is written to RSP
 * before the caller calls stack_commit(), so that a faulting instruction leaves it. */
typedef struct Stack {
    uint64_t sp, mask; /* mask: 0xffff, 0xffffffff or ~0 */
} Stack;
Stack stack_begin(X86CPU *c);
void stack_push(X86CPU *c, Stack *s, unsigned size, uint64_t val);
uint64_t stack_pop(X86CPU *c, Stack *s, unsigned size);
void stack_commit(X86CPU *c, const Stack *s);

/* Near branch to off: cuts to the operand size, checks the CS limit or that it is canonical (#GP(0)), sets next_rip. */
void tcg_branch(X86CPU *c, uint64_t off, unsigned osz);

/* Protected-mode segments (seg.c): load a data, code or stack segment register as MOV and POP do it, with all checks.
 */
void tcg_load_seg(X86CPU *c, unsigned seg, uint16_t selector);
/* I/O permission (IOPL, TSS bitmap): raises #GP(0). */
void tcg_check_io(X86CPU *c, uint16_t port, unsigned size);

#endif
