/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host code: an encoder of x86-64 instructions (SDM volume 2, chapter 2). It writes through one mapping of the code
 * buffer what runs in another; places are offsets in the buffer. The caller sees that room is left (EMIT_MAX bytes for
 * each call).
 */
#ifndef ACCEL_TCG_EMIT_H
#define ACCEL_TCG_EMIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    H_RAX,
    H_RCX,
    H_RDX,
    H_RBX,
    H_RSP,
    H_RBP,
    H_RSI,
    H_RDI,
    H_R8,
    H_R9,
    H_R10,
    H_R11,
    H_R12,
    H_R13,
    H_R14,
    H_R15,
    H_NONE = 0xff
};
enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
#define EMIT_MAX 32

typedef struct Emit {
    uint8_t *p;     /* where the next byte goes */
    uint8_t *base;  /* of the writable mapping */
    unsigned wrote; /* 1: R10 was an operand since this was cleared, 2: R11 */
} Emit;

/* An r/m operand. */
typedef struct Rm {
    uint8_t mem;                /* 0: the register `base`; 1: memory; 2: memory relative to the GS base */
    uint8_t base, index, scale; /* H_NONE: without; index is never RSP */
    int32_t disp;
} Rm;
static inline Rm rm_reg(unsigned r)
{
    return (Rm){.base = (uint8_t)r};
}
static inline Rm rm_mem(unsigned base, int32_t disp)
{
    return (Rm){.mem = 1, .base = (uint8_t)base, .index = H_NONE, .scale = 1, .disp = disp};
}
static inline Rm rm_sib(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (Rm){.mem = 1, .base = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)scale, .disp = disp};
}
static inline Rm rm_gs(int32_t disp)
{
    return (Rm){.mem = 2, .base = H_NONE, .index = H_NONE, .scale = 1, .disp = disp};
}
static inline Rm rm_gs_at(unsigned base, int32_t disp)
{
    return (Rm){.mem = 2, .base = (uint8_t)base, .index = H_NONE, .scale = 1, .disp = disp};
}
static inline Rm rm_gs_index(unsigned index, unsigned scale, int32_t disp)
{
    return (Rm){.mem = 2, .base = H_NONE, .index = (uint8_t)index, .scale = (uint8_t)scale, .disp = disp};
}

/* Opcodes: map << 8 | byte, and prefixes. */
enum {
    OPC_0F = 1 << 8,
    OPC_0F38 = 2 << 8,
    OPC_0F3A = 3 << 8,
    OPC_66 = 1 << 10,
    OPC_F3 = 1 << 11,
    OPC_F2 = 1 << 12,
    OPC_W = 1 << 13,
    OPC_LOCK = 1 << 14,
    OPC_REX = 1 << 15, /* a REX in any case: reg or rm is one of SPL, BPL, SIL, DIL */
};

static inline uint32_t emit_at(const Emit *e)
{
    return (uint32_t)(e->p - e->base);
}
static inline void emit8(Emit *e, unsigned v)
{
    *e->p++ = (uint8_t)v;
}
void emit16(Emit *e, unsigned v);
void emit32(Emit *e, uint32_t v);
void emit64(Emit *e, uint64_t v);
void emit_bytes(Emit *e, const void *p, unsigned n);

/* One instruction without its immediate. imm_bytes counts only for RIP-relative operands, of which there are none here.
 */
void emit_op(Emit *e, unsigned opc, unsigned reg, Rm rm);
/* The same by size: opc is that of the wide form; 1: opc - 1 where byte_form. */
void emit_sized(Emit *e, unsigned size, unsigned opc, unsigned reg, Rm rm);
/* ModRM, SIB and displacement alone. */
void emit_modrm(Emit *e, unsigned reg, Rm rm);

void emit_mov(Emit *e, unsigned size, unsigned to, unsigned from); /* size 4 or 8 */
void emit_load(Emit *e, unsigned size, unsigned reg, Rm rm);       /* size 4 or 8; 1 and 2: zero-extended */
void emit_store(Emit *e, unsigned size, Rm rm, unsigned reg);
void emit_store_imm(Emit *e, unsigned size, Rm rm, int32_t imm);
void emit_imm(Emit *e, unsigned reg, uint64_t val); /* the shortest that keeps flags */
void emit_lea(Emit *e, unsigned size, unsigned reg, Rm rm);
void emit_alu(Emit *e, unsigned op, unsigned size, unsigned reg, Rm rm); /* reg op= rm */
void emit_alu_imm(Emit *e, unsigned op, unsigned size, Rm rm, int32_t imm);
void emit_test_imm(Emit *e, unsigned size, Rm rm, int32_t imm); /* size: 4 or 8 */
void emit_imm_of(Emit *e, unsigned size, int64_t imm);          /* 1, 2 or 4 (also for 8) bytes */
void emit_shift_imm(Emit *e, unsigned ext, unsigned size, Rm rm,
                    unsigned count); /* ext: 4 SHL, 5 SHR, 7 SAR, 0 ROL, 1 ROR */

/* Branches. */
void emit_jmp(Emit *e, uint32_t target);
void emit_jcc(Emit *e, unsigned cc, uint32_t target);
void emit_call(Emit *e, uint32_t target);
uint32_t emit_jmp_fwd(Emit *e); /* gives the place of the rel32 to fix */
uint32_t emit_jcc_fwd(Emit *e, unsigned cc);
void emit_fix32(Emit *e, uint32_t place, uint32_t target);
uint8_t *emit_jcc8_fwd(Emit *e, unsigned cc); /* fixed by emit_fix8() */
void emit_fix8(Emit *e, uint8_t *place);
void emit_jmp_rm(Emit *e, Rm rm);

#endif
