/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer arithmetic and moves: one handler each (ops.h). Results and flags, undefined ones included, are what the
 * host's own instruction of the same size gives. Light code.
 */
#include "accel/tcg/alu.h"

/* a OP b -> a; the carry comes in by BEFORE. */
#define ALU2_ONE(SUFFIX, MOD, BEFORE, OP)                                                                              \
    __asm__(BEFORE OP SUFFIX " %" MOD "[b], %" MOD "[a]" FLAGS_TO_AX                                                   \
            : [a] "+&q"(a), [cf] "+&q"(cf), "=&a"(ax)                                                                  \
            : [b] "q"(b)                                                                                               \
            : "cc")
#define ALU2(NAME, BEFORE, OP)                                                                                         \
    static uint64_t alu_##NAME(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)                                    \
    {                                                                                                                  \
        uint8_t cf = *fl & FLAG_CF;                                                                                    \
        uint16_t ax;                                                                                                   \
                                                                                                                       \
        BY_SIZE(ALU2_ONE, BEFORE, OP)                                                                                  \
        set_flags(fl, ax, FLAGS_ARITH);                                                                                \
        return a & size_mask(size);                                                                                    \
    }
ALU2(add, "", "add")
ALU2(or, "", "or")
ALU2(adc, CARRY_IN, "adc")
ALU2(sbb, CARRY_IN, "sbb")
ALU2(and, "", "and")
ALU2(sub, "", "sub")
ALU2(xor, "", "xor")
ALU2(test, "", "test")

#define ALU1_ONE(SUFFIX, MOD, OP) __asm__(OP SUFFIX " %" MOD "[a]" FLAGS_TO_AX : [a] "+&q"(a), "=&a"(ax) : : "cc")
#define ALU1(NAME, OP, WHICH)                                                                                          \
    static uint64_t alu_##NAME(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)                                    \
    {                                                                                                                  \
        uint16_t ax;                                                                                                   \
                                                                                                                       \
        BY_SIZE(ALU1_ONE, OP)                                                                                          \
        set_flags(fl, ax, WHICH);                                                                                      \
        return a & size_mask(size);                                                                                    \
    }
ALU1(inc, "inc", FLAGS_ARITH & ~FLAG_CF)
ALU1(dec, "dec", FLAGS_ARITH & ~FLAG_CF)
ALU1(neg, "neg", FLAGS_ARITH)

static uint64_t alu_not(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)
{
    return ~a & size_mask(size);
}

/* Compare and exchange at p; returns what was there. */
static uint64_t cas_host(void *p, unsigned size, uint64_t old, uint64_t new)
{
    switch (size) {
    case 1:
        return __sync_val_compare_and_swap((uint8_t *)p, (uint8_t)old, (uint8_t) new);
    case 2:
        return __sync_val_compare_and_swap((uint16_t *)p, (uint16_t)old, (uint16_t) new);
    case 4:
        return __sync_val_compare_and_swap((uint32_t *)p, (uint32_t)old, (uint32_t) new);
    default:
        return __sync_val_compare_and_swap((uint64_t *)p, old, new);
    }
}

uint64_t tcg_modify_mem(X86CPU *c, uint64_t lin, unsigned size, bool lock, TcgAlu *fn, uint64_t b, uint64_t *fl)
{
    unsigned mmu = tcg_mmu(c);
    void *p = tcg_host_lin(c, lin, size, ACCESS_RW, mmu);
    uint64_t a, r, f;

    if (!p) {
        if (lock)
            tcg_bus_lock(c);
        a = tcg_load_lin(c, lin, size, mmu);
        f = *fl;
        r = fn(size, a, b, &f);
        tcg_store_lin(c, lin, size, r, mmu);
        if (lock)
            tcg_bus_unlock(c);
        *fl = f;
        return a;
    }
    a = host_load(p, size);
    if (!lock) {
        host_store(p, size, fn(size, a, b, fl));
        tcg_host_written(c);
        return a;
    }
    for (;;) {
        f = *fl;
        r = fn(size, a, b, &f);
        uint64_t seen = cas_host(p, size, a, r);

        if (seen == a)
            break;
        a = seen;
    }
    tcg_host_written(c);
    *fl = f;
    return a;
}

void tcg_modify(X86CPU *c, const Insn *i, TcgAlu *fn, uint64_t b)
{
    uint64_t fl = c->rflags;

    if (op_is_mem(i, 0)) {
        tcg_modify_mem(c, op_mem_lin(c, i, 0, ACCESS_RW), i->operand[0].size, i->lock, fn, b, &fl);
    } else {
        uint64_t r = fn(i->operand[0].size, op_get(c, i, 0), b, &fl);

        op_set(c, i, 0, r);
    }
    c->rflags = fl;
}

#define BINARY(NAME, FN)                                                                                               \
    HANDLER(NAME)                                                                                                      \
    {                                                                                                                  \
        tcg_modify(c, i, FN, op_get(c, i, 1));                                                                         \
    }
BINARY(ADD, alu_add)
BINARY(OR, alu_or)
BINARY(ADC, alu_adc)
BINARY(SBB, alu_sbb)
BINARY(AND, alu_and)
BINARY(SUB, alu_sub)
BINARY(XOR, alu_xor)

void tcg_compare(X86CPU *c, unsigned size, uint64_t a, uint64_t b)
{
    alu_sub(size, a, b, &c->rflags);
}

HANDLER(CMP)
{
    uint64_t a = op_get(c, i, 0);

    tcg_compare(c, i->operand[0].size, a, op_get(c, i, 1));
}

HANDLER(TEST)
{
    uint64_t fl = c->rflags, a = op_get(c, i, 0);

    alu_test(i->operand[0].size, a, op_get(c, i, 1), &fl);
    c->rflags = fl;
}

HANDLER(INC)
{
    tcg_modify(c, i, alu_inc, 0);
}

HANDLER(DEC)
{
    tcg_modify(c, i, alu_dec, 0);
}

HANDLER(NEG)
{
    tcg_modify(c, i, alu_neg, 0);
}

HANDLER(NOT)
{
    tcg_modify(c, i, alu_not, 0);
}

/* Multiplication and division. */

static void acc_pair_set(X86CPU *c, unsigned size, uint64_t low, uint64_t high)
{
    if (size == 1) {
        gpr_set(c, R_RAX, 2, (low & 255) | high << 8);
    } else {
        gpr_set(c, R_RAX, size, low);
        gpr_set(c, R_RDX, size, high);
    }
}

#define MULTIPLY_ONE(SUFFIX, MOD, OP)                                                                                  \
    __asm__(OP SUFFIX " %" MOD "[b]\n\tmovq %%rax, %[l]" FLAGS_TO_AX                                                   \
            : "+&a"(a), "=&d"(d), [l] "=&r"(low)                                                                       \
            : [b] "r"(b)                                                                                               \
            : "cc")
#define MULTIPLY(OP)                                                                                                   \
    if (size == 1) {                                                                                                   \
        __asm__(OP "b %b[b]\n\tmovw %%ax, %w[d]" FLAGS_TO_AX : "+&a"(a), [d] "=&r"(d) : [b] "q"(b) : "cc");            \
        low = d & 255;                                                                                                 \
        d = d >> 8 & 255;                                                                                              \
    } else                                                                                                             \
        BY_SIZE_WIDE(MULTIPLY_ONE, OP)

HANDLER(MUL)
{
    unsigned size = i->operand[0].size;
    uint64_t b = op_get(c, i, 0), a = gpr_get(c, R_RAX, size), d = 0, low;

    MULTIPLY("mul")
    acc_pair_set(c, size, low & size_mask(size), d & size_mask(size));
    set_flags(&c->rflags, (uint16_t)a, FLAGS_ARITH);
}

HANDLER(IMUL)
{
    unsigned size = i->operand[0].size;
    uint64_t b = op_get(c, i, 0), a = gpr_get(c, R_RAX, size), d = 0, low;

    MULTIPLY("imul")
    acc_pair_set(c, size, low & size_mask(size), d & size_mask(size));
    set_flags(&c->rflags, (uint16_t)a, FLAGS_ARITH);
}

HANDLER(IMUL2)
{
    unsigned size = i->operand[0].size;
    uint64_t a, b;
    uint16_t ax;

    if (i->n_operands == 3) {
        a = op_get(c, i, 1);
        b = op_get(c, i, 2);
    } else {
        a = op_get(c, i, 0);
        b = op_get(c, i, 1);
    }
    BY_SIZE_WIDE(TWO_WIDE, "imul")
    op_set(c, i, 0, a);
    set_flags(&c->rflags, ax, FLAGS_ARITH);
}

/* high:low / b, unsigned, of size bytes each; false: zero or too large. */
static bool divide(unsigned size, uint64_t high, uint64_t low, uint64_t b, uint64_t *q, uint64_t *r)
{
    if (high >= b)
        return false;
    if (size == 8) {
        __asm__("divq %[b]" : "=a"(*q), "=d"(*r) : "0"(low), "1"(high), [b] "r"(b) : "cc");
    } else {
        uint64_t n = high << size * 8 | low;

        *q = n / b;
        *r = n % b;
    }
    return true;
}

static void dividend(X86CPU *c, unsigned size, uint64_t *high, uint64_t *low)
{
    *low = gpr_get(c, R_RAX, size);
    *high = size == 1 ? c->gpr[R_RAX] >> 8 & 255 : gpr_get(c, R_RDX, size);
}

HANDLER(DIV)
{
    unsigned size = i->operand[0].size;
    uint64_t b = op_get(c, i, 0), high, low, q, r;

    dividend(c, size, &high, &low);
    if (!divide(size, high, low, b, &q, &r))
        tcg_raise(c, EXC_DE);
    acc_pair_set(c, size, q, r);
}

HANDLER(IDIV)
{
    unsigned size = i->operand[0].size;
    uint64_t mask = size_mask(size), sign = 1ULL << (size * 8 - 1);
    uint64_t b = op_get(c, i, 0), high, low, q, r;
    bool neg_b = b & sign, neg_a;

    dividend(c, size, &high, &low);
    neg_a = high & sign;
    if (neg_a) {
        low = -low & mask;
        high = (~high + !low) & mask;
    }
    if (neg_b)
        b = -b & mask;
    if (!divide(size, high, low, b, &q, &r) || q > sign - !(neg_a != neg_b))
        tcg_raise(c, EXC_DE);
    acc_pair_set(c, size, (neg_a != neg_b ? -q : q) & mask, (neg_a ? -r : r) & mask);
}

/* Moves. */

HANDLER(MOV)
{
    op_set(c, i, 0, op_get(c, i, 1));
}

HANDLER(MOVZX)
{
    op_set(c, i, 0, op_get(c, i, 1));
}

HANDLER(MOVSX)
{
    op_set(c, i, 0, (uint64_t)sign_extend(op_get(c, i, 1), i->operand[1].size));
}

HANDLER(LEA)
{
    op_set(c, i, 0, tcg_ea(c, i));
}

HANDLER(XLAT)
{
    uint64_t off = (c->gpr[R_RBX] + (c->gpr[R_RAX] & 255)) & size_mask(i->asz);

    gpr_set(c, R_RAX, 1, tcg_load(c, i->seg, off, 1));
}

HANDLER(MOVBE)
{
    unsigned size = op_is_mem(i, 1) ? i->operand[0].size : i->operand[1].size;

    op_set(c, i, 0, __builtin_bswap64(op_get(c, i, 1)) >> (64 - size * 8));
}

HANDLER(BSWAP)
{
    unsigned size = i->operand[0].size;
    uint64_t v = op_get(c, i, 0);

    op_set(c, i, 0, size == 2 ? 0 : __builtin_bswap64(v) >> (64 - size * 8));
}

HANDLER(CBW)
{
    gpr_set(c, R_RAX, i->osz, (uint64_t)sign_extend(c->gpr[R_RAX], i->osz / 2));
}

HANDLER(CWD)
{
    gpr_set(c, R_RDX, i->osz, (uint64_t)(sign_extend(c->gpr[R_RAX], i->osz) >> 63));
}

HANDLER(SETCC)
{
    op_set(c, i, 0, tcg_condition(c, i->opcode & 15));
}

HANDLER(CMOVCC)
{
    uint64_t v = op_get(c, i, 1);

    op_set(c, i, 0, tcg_condition(c, i->opcode & 15) ? v : op_get(c, i, 0));
}

static uint64_t alu_second(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)
{
    return b;
}

HANDLER(XCHG)
{
    uint64_t fl = 0, b = op_get(c, i, 1), a;

    if (op_is_mem(i, 0)) {
        a = tcg_modify_mem(c, op_mem_lin(c, i, 0, ACCESS_RW), i->operand[0].size, true, alu_second, b, &fl);
    } else if (op_is_mem(i, 1)) {
        b = op_get(c, i, 0);
        a = tcg_modify_mem(c, op_mem_lin(c, i, 1, ACCESS_RW), i->operand[1].size, true, alu_second, b, &fl);
        op_set(c, i, 0, a);
        return;
    } else {
        a = op_get(c, i, 0);
        op_set(c, i, 0, b);
    }
    op_set(c, i, 1, a);
}

HANDLER(XADD)
{
    uint64_t fl = c->rflags, b = op_get(c, i, 1), a;

    if (op_is_mem(i, 0)) {
        a = tcg_modify_mem(c, op_mem_lin(c, i, 0, ACCESS_RW), i->operand[0].size, i->lock, alu_add, b, &fl);
        op_set(c, i, 1, a);
    } else {
        a = op_get(c, i, 0);
        op_set(c, i, 1, a);
        op_set(c, i, 0, alu_add(i->operand[0].size, a, b, &fl));
    }
    c->rflags = fl;
}

HANDLER(CMPXCHG)
{
    unsigned size = i->operand[0].size;
    uint64_t acc = gpr_get(c, R_RAX, size), new = op_get(c, i, 1), old;

    if (op_is_mem(i, 0)) {
        uint64_t lin = op_mem_lin(c, i, 0, ACCESS_RW);
        void *p = tcg_host_lin(c, lin, size, ACCESS_RW, tcg_mmu(c));

        if (p) {
            old = cas_host(p, size, acc, new);
            tcg_host_written(c);
        } else {
            if (i->lock)
                tcg_bus_lock(c);
            old = tcg_load_lin(c, lin, size, tcg_mmu(c));
            tcg_store_lin(c, lin, size, old == acc ? new : old, tcg_mmu(c));
            if (i->lock)
                tcg_bus_unlock(c);
        }
    } else {
        old = op_get(c, i, 0);
        if (old == acc) /* else it is not written at all: its upper half stays */
            op_set(c, i, 0, new);
    }
    tcg_compare(c, size, acc, old);
    if (old != acc)
        gpr_set(c, R_RAX, size, old);
}

static bool cas16(void *p, uint64_t *low, uint64_t *high, uint64_t new_low, uint64_t new_high)
{
    bool ok;

    __asm__ __volatile__("lock cmpxchg16b %[m]"
                         : [m] "+m"(*(unsigned __int128 *)p), "+a"(*low), "+d"(*high), "=@ccz"(ok)
                         : "b"(new_low), "c"(new_high)
                         : "memory");
    return ok;
}

HANDLER(CMPXCHG8B)
{
    unsigned half = i->operand[0].size / 2, mmu = tcg_mmu(c);
    uint64_t ea = tcg_ea(c, i);

    if (half == 8 && (tcg_code64(c) && i->seg < SEG_FS ? ea : ea + c->seg[i->seg].base) & 15) /* before other checks */
        tcg_raise_error(c, EXC_GP, 0);
    uint64_t lin = op_mem_lin(c, i, 0, ACCESS_RW);
    uint64_t low = gpr_get(c, R_RAX, half), high = gpr_get(c, R_RDX, half), new_low = gpr_get(c, R_RBX, half),
             new_high = gpr_get(c, R_RCX, half), was_low, was_high;
    bool equal;
    void *p = tcg_host_lin(c, lin, half * 2, ACCESS_RW, mmu);

    was_low = low;
    was_high = high;
    if (p && half == 8) {
        equal = cas16(p, &was_low, &was_high, new_low, new_high);
    } else if (p) {
        uint64_t want = high << 32 | low, was = cas_host(p, 8, want, new_high << 32 | new_low);

        equal = was == want;
        was_low = (uint32_t)was;
        was_high = was >> 32;
    } else {
        if (i->lock)
            tcg_bus_lock(c);
        was_low = tcg_load_lin(c, lin, half, mmu);
        was_high = tcg_load_lin(c, (lin + half) & TCG(c)->lin_mask, half, mmu);
        equal = was_low == low && was_high == high;
        tcg_store_lin(c, lin, half, equal ? new_low : was_low, mmu);
        tcg_store_lin(c, (lin + half) & TCG(c)->lin_mask, half, equal ? new_high : was_high, mmu);
        if (i->lock)
            tcg_bus_unlock(c);
    }
    if (p)
        tcg_host_written(c);
    if (equal) {
        c->rflags |= FLAG_ZF;
    } else {
        c->rflags &= ~(uint64_t)FLAG_ZF;
        gpr_set(c, R_RAX, half, was_low);
        gpr_set(c, R_RDX, half, was_high);
    }
}
