/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shifts, rotates, bit instructions, BCD: one handler each (ops.h). Results and flags are what the host's own
 * instruction gives. Light code. */
#include "accel/tcg/alu.h"

#define SHIFT_ONE(SUFFIX, MOD, OP)                                                                                     \
    __asm__(CARRY_IN OP SUFFIX " %%cl, %" MOD "[a]" FLAGS_TO_AX                                                        \
            : [a] "+&r"(a), [cf] "+&r"(cf), "=&a"(ax)                                                                  \
            : "c"(b)                                                                                                   \
            : "cc")
/* A count of 0 changes nothing, flags included. */
#define SHIFT(NAME, OP, WHICH)                                                                                         \
    static uint64_t sh_##NAME(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)                                     \
    {                                                                                                                  \
        uint8_t cf = *fl & FLAG_CF;                                                                                    \
        uint16_t ax;                                                                                                   \
                                                                                                                       \
        if (!(b & (size == 8 ? 63 : 31)))                                                                              \
            return a;                                                                                                  \
        BY_SIZE(SHIFT_ONE, OP)                                                                                         \
        set_flags(fl, ax, WHICH);                                                                                      \
        return a & size_mask(size);                                                                                    \
    }
SHIFT(rol, "rol", FLAG_CF | FLAG_OF)
SHIFT(ror, "ror", FLAG_CF | FLAG_OF)
SHIFT(rcl, "rcl", FLAG_CF | FLAG_OF)
SHIFT(rcr, "rcr", FLAG_CF | FLAG_OF)
SHIFT(shl, "shl", FLAGS_ARITH)
SHIFT(shr, "shr", FLAGS_ARITH)
SHIFT(sar, "sar", FLAGS_ARITH)

#define SHIFT_HANDLER(NAME, FN)                                                                                        \
    HANDLER(NAME)                                                                                                      \
    {                                                                                                                  \
        tcg_modify(c, i, FN, op_get(c, i, 1));                                                                         \
    }
SHIFT_HANDLER(ROL, sh_rol)
SHIFT_HANDLER(ROR, sh_ror)
SHIFT_HANDLER(RCL, sh_rcl)
SHIFT_HANDLER(RCR, sh_rcr)
SHIFT_HANDLER(SHL, sh_shl)
SHIFT_HANDLER(SHR, sh_shr)
SHIFT_HANDLER(SAR, sh_sar)

#define DOUBLE_ONE(SUFFIX, MOD, OP)                                                                                    \
    __asm__(CARRY_IN OP SUFFIX " %%cl, %" MOD "[b], %" MOD "[a]" FLAGS_TO_AX                                           \
            : [a] "+&r"(a), [cf] "+&r"(cf), "=&a"(ax)                                                                  \
            : [b] "r"(b), "c"(count)                                                                                   \
            : "cc")
#define DOUBLE(NAME, OP)                                                                                               \
    HANDLER(NAME)                                                                                                      \
    {                                                                                                                  \
        unsigned size = i->operand[0].size;                                                                            \
        uint64_t b = op_get(c, i, 1), count = op_get(c, i, 2) & (size == 8 ? 63 : 31), a;                              \
        uint8_t cf = c->rflags & FLAG_CF;                                                                              \
        uint16_t ax;                                                                                                   \
                                                                                                                       \
        if (op_is_mem(i, 0))                                                                                           \
            tcg_host_lin(c, op_mem_lin(c, i, 0, ACCESS_W), size, ACCESS_RW, tcg_mmu(c)); /* checks alignment too */    \
        a = op_get(c, i, 0);                                                                                           \
        if (!count) {                                                                                                  \
            op_set(c, i, 0, a);                                                                                        \
            return;                                                                                                    \
        }                                                                                                              \
        BY_SIZE_WIDE(DOUBLE_ONE, OP)                                                                                   \
        op_set(c, i, 0, a);                                                                                            \
        set_flags(&c->rflags, ax, FLAGS_ARITH);                                                                        \
    }
DOUBLE(SHLD, "shld")
DOUBLE(SHRD, "shrd")

/* Bits. CF is the bit; the other flags stay as the host leaves them, which is unchanged. */

static uint64_t bit_set(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)
{
    *fl = (*fl & ~(uint64_t)FLAG_CF) | (a >> b & 1);
    return a | 1ULL << b;
}

static uint64_t bit_reset(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)
{
    *fl = (*fl & ~(uint64_t)FLAG_CF) | (a >> b & 1);
    return a & ~(1ULL << b);
}

static uint64_t bit_flip(unsigned size, uint64_t a, uint64_t b, uint64_t *fl)
{
    *fl = (*fl & ~(uint64_t)FLAG_CF) | (a >> b & 1);
    return a ^ 1ULL << b;
}

/* In memory a bit offset from a register reaches beyond the operand. */
static uint64_t bit_address(X86CPU *c, const Insn *i, uint64_t offset, unsigned access)
{
    unsigned size = i->operand[0].size;
    uint64_t ea = tcg_ea(c, i);

    if (i->operand[1].kind != OPND_IMM)
        ea = (ea + (uint64_t)(sign_extend(offset, size) >> (size == 2   ? 4
                                                            : size == 4 ? 5
                                                                        : 6)) *
                       size) &
             size_mask(i->asz);
    return tcg_lin(c, i->seg, ea, size, access);
}

static void bit_modify(X86CPU *c, const Insn *i, TcgAlu *fn)
{
    unsigned size = i->operand[0].size;
    uint64_t offset = op_get(c, i, 1), bit = offset & (size * 8 - 1), fl = c->rflags;

    if (op_is_mem(i, 0)) {
        tcg_modify_mem(c, bit_address(c, i, offset, ACCESS_RW), size, i->lock, fn, bit, &fl);
        c->rflags = fl;
    } else {
        tcg_modify(c, i, fn, bit);
    }
}

HANDLER(BT)
{
    unsigned size = i->operand[0].size;
    uint64_t offset = op_get(c, i, 1), v;

    if (op_is_mem(i, 0))
        v = tcg_load_lin(c, bit_address(c, i, offset, ACCESS_R), size, tcg_mmu(c));
    else
        v = op_get(c, i, 0);
    c->rflags = (c->rflags & ~(uint64_t)FLAG_CF) | (v >> (offset & (size * 8 - 1)) & 1);
}

HANDLER(BTS)
{
    bit_modify(c, i, bit_set);
}

HANDLER(BTR)
{
    bit_modify(c, i, bit_reset);
}

HANDLER(BTC)
{
    bit_modify(c, i, bit_flip);
}

#define SCAN(NAME, OP)                                                                                                 \
    HANDLER(NAME)                                                                                                      \
    {                                                                                                                  \
        unsigned size = i->operand[0].size;                                                                            \
        uint64_t b = op_get(c, i, 1), a = c->gpr[i->operand[0].reg];                                                   \
        uint16_t ax;                                                                                                   \
                                                                                                                       \
        BY_SIZE_WIDE(TWO_WIDE, OP)                                                                                     \
        c->gpr[i->operand[0].reg] = a;                                                                                 \
        set_flags(&c->rflags, ax, FLAGS_ARITH);                                                                        \
    }
SCAN(BSF, "bsf")
SCAN(BSR, "bsr")

/* BCD, by the pseudo-code of SDM volume 2. SF, ZF and PF by the result. */

static void result_flags(X86CPU *c, uint8_t al, bool af, bool cf)
{
    uint64_t f = c->rflags & ~(uint64_t)FLAGS_ARITH;

    if (!(__builtin_parity(al)))
        f |= FLAG_PF;
    if (!al)
        f |= FLAG_ZF;
    if (al & 0x80)
        f |= FLAG_SF;
    c->rflags = f | (af ? FLAG_AF : 0) | (cf ? FLAG_CF : 0);
}

static void decimal_adjust(X86CPU *c, int sign)
{
    uint8_t old = (uint8_t)c->gpr[R_RAX], al = old;
    bool old_cf = c->rflags & FLAG_CF, cf = false, af = false;

    if ((al & 15) > 9 || c->rflags & FLAG_AF) {
        cf = old_cf || (sign > 0 ? al > 0xff - 6 : al < 6);
        al = (uint8_t)(al + sign * 6);
        af = true;
    }
    if (old > 0x99 || old_cf) {
        al = (uint8_t)(al + sign * 0x60);
        cf = true;
    } else if (sign > 0) {
        cf = false;
    }
    gpr_set(c, R_RAX, 1, al);
    result_flags(c, al, af, cf);
}

HANDLER(DAA)
{
    decimal_adjust(c, 1);
}

HANDLER(DAS)
{
    decimal_adjust(c, -1);
}

static void ascii_adjust(X86CPU *c, int sign)
{
    uint16_t ax = (uint16_t)c->gpr[R_RAX];
    bool adjust = (ax & 15) > 9 || c->rflags & FLAG_AF;

    if (adjust)
        ax = (uint16_t)(ax + sign * 0x106);
    ax &= 0xff0f;
    gpr_set(c, R_RAX, 2, ax);
    result_flags(c, (uint8_t)ax, adjust, adjust);
}

HANDLER(AAA)
{
    ascii_adjust(c, 1);
}

HANDLER(AAS)
{
    ascii_adjust(c, -1);
}

HANDLER(AAM)
{
    uint8_t base = (uint8_t)i->imm, al = (uint8_t)c->gpr[R_RAX];

    if (!base)
        tcg_raise(c, EXC_DE);
    gpr_set(c, R_RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    result_flags(c, al % base, false, false);
}

HANDLER(AAD)
{
    uint8_t al = (uint8_t)(c->gpr[R_RAX] + (c->gpr[R_RAX] >> 8 & 255) * (uint8_t)i->imm);

    gpr_set(c, R_RAX, 2, al);
    result_flags(c, al, false, false);
}

HANDLER(SALC)
{
    gpr_set(c, R_RAX, 1, c->rflags & FLAG_CF ? 0xff : 0);
}
