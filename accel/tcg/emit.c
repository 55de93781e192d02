/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An encoder of x86-64 instructions: emit.h. */
#include "accel/tcg/emit.h"

void emit16(Emit *e, unsigned v)
{
    emit8(e, v);
    emit8(e, v >> 8);
}

void emit32(Emit *e, uint32_t v)
{
    __builtin_memcpy(e->p, &v, 4);
    e->p += 4;
}

void emit64(Emit *e, uint64_t v)
{
    __builtin_memcpy(e->p, &v, 8);
    e->p += 8;
}

void emit_bytes(Emit *e, const void *p, unsigned n)
{
    const uint8_t *b = p;

    while (n--)
        emit8(e, *b++);
}

static unsigned log2_of(unsigned scale)
{
    return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

void emit_modrm(Emit *e, unsigned reg, Rm rm)
{
    unsigned r = (reg & 7) << 3;

    if (!rm.mem) {
        emit8(e, 0xc0 | r | (rm.base & 7));
        return;
    }
    bool sib = rm.index != H_NONE || rm.base == H_NONE || (rm.base & 7) == 4;
    unsigned sib_byte = log2_of(rm.scale) << 6 | (rm.index == H_NONE ? 4 : rm.index & 7) << 3;

    if (rm.base == H_NONE) {
        emit8(e, r | 4);
        emit8(e, sib_byte | 5);
        emit32(e, (uint32_t)rm.disp);
        return;
    }
    unsigned mod = !rm.disp && (rm.base & 7) != 5 ? 0 : rm.disp == (int8_t)rm.disp ? 0x40 : 0x80;

    emit8(e, mod | r | (sib ? 4 : rm.base & 7));
    if (sib)
        emit8(e, sib_byte | (rm.base & 7));
    if (mod == 0x40)
        emit8(e, (uint8_t)rm.disp);
    else if (mod == 0x80)
        emit32(e, (uint32_t)rm.disp);
}

static void note_operand(Emit *e, unsigned reg)
{
    e->wrote |= (reg == H_R10) | (reg == H_R11) << 1;
}

void emit_op(Emit *e, unsigned opc, unsigned reg, Rm rm)
{
    unsigned rex = opc & OPC_W ? 8 : 0;

    note_operand(e, reg);
    if (!rm.mem)
        note_operand(e, rm.base);

    if (rm.mem == 2)
        emit8(e, 0x65);
    if (opc & OPC_LOCK)
        emit8(e, 0xf0);
    if (opc & OPC_66)
        emit8(e, 0x66);
    if (opc & OPC_F2)
        emit8(e, 0xf2);
    if (opc & OPC_F3)
        emit8(e, 0xf3);
    rex |= reg & 8 ? 4 : 0;
    if (rm.base != H_NONE && rm.base & 8)
        rex |= 1;
    if (rm.mem && rm.index != H_NONE && rm.index & 8)
        rex |= 2;
    if (rex || opc & OPC_REX)
        emit8(e, 0x40 | rex);
    unsigned map = opc >> 8 & 3;

    if (map)
        emit8(e, 0x0f);
    if (map > 1)
        emit8(e, map == 2 ? 0x38 : 0x3a);
    emit8(e, opc & 0xff);
    emit_modrm(e, reg, rm);
}

void emit_sized(Emit *e, unsigned size, unsigned opc, unsigned reg, Rm rm)
{
    switch (size) {
    case 1:
        opc -= 1;
        if ((reg >= 4 && reg < 8) || (!rm.mem && rm.base >= 4 && rm.base < 8))
            opc |= OPC_REX;
        break;
    case 2:
        opc |= OPC_66;
        break;
    case 8:
        opc |= OPC_W;
        break;
    default:
        break;
    }
    emit_op(e, opc, reg, rm);
}

void emit_mov(Emit *e, unsigned size, unsigned to, unsigned from)
{
    emit_op(e, 0x89 | (size == 8 ? OPC_W : 0), from, rm_reg(to));
}

void emit_load(Emit *e, unsigned size, unsigned reg, Rm rm)
{
    switch (size) {
    case 1:
        emit_op(e, OPC_0F | 0xb6 | (!rm.mem && rm.base >= 4 ? OPC_REX : 0), reg, rm);
        break;
    case 2:
        emit_op(e, OPC_0F | 0xb7, reg, rm);
        break;
    default:
        emit_op(e, 0x8b | (size == 8 ? OPC_W : 0), reg, rm);
    }
}

void emit_store(Emit *e, unsigned size, Rm rm, unsigned reg)
{
    emit_sized(e, size, 0x89, reg, rm);
}

void emit_imm_of(Emit *e, unsigned size, int64_t imm)
{
    if (size == 1)
        emit8(e, (uint8_t)imm);
    else if (size == 2)
        emit16(e, (uint16_t)imm);
    else
        emit32(e, (uint32_t)imm);
}

void emit_store_imm(Emit *e, unsigned size, Rm rm, int32_t imm)
{
    emit_sized(e, size, 0xc7, 0, rm);
    emit_imm_of(e, size, imm);
}

void emit_imm(Emit *e, unsigned reg, uint64_t val)
{
    note_operand(e, reg);
    if (val <= 0xffffffff) {
        if (reg & 8)
            emit8(e, 0x41);
        emit8(e, 0xb8 | (reg & 7));
        emit32(e, (uint32_t)val);
    } else if ((int64_t)val == (int32_t)val) {
        emit_op(e, 0xc7 | OPC_W, 0, rm_reg(reg));
        emit32(e, (uint32_t)val);
    } else {
        emit8(e, 0x48 | (reg & 8 ? 1 : 0));
        emit8(e, 0xb8 | (reg & 7));
        emit64(e, val);
    }
}

void emit_lea(Emit *e, unsigned size, unsigned reg, Rm rm)
{
    emit_op(e, 0x8d | (size == 8 ? OPC_W : 0), reg, rm);
}

void emit_alu(Emit *e, unsigned op, unsigned size, unsigned reg, Rm rm)
{
    emit_sized(e, size, op << 3 | 3, reg, rm);
}

void emit_alu_imm(Emit *e, unsigned op, unsigned size, Rm rm, int32_t imm)
{
    if (size > 1 && imm == (int8_t)imm) {
        emit_sized(e, size, 0x83, op, rm);
        emit8(e, (uint8_t)imm);
        return;
    }
    emit_sized(e, size, 0x81, op, rm);
    emit_imm_of(e, size, imm);
}

void emit_test_imm(Emit *e, unsigned size, Rm rm, int32_t imm)
{
    emit_op(e, size == 8 ? 0xf7 | OPC_W : 0xf7, 0, rm);
    emit32(e, (uint32_t)imm);
}

void emit_shift_imm(Emit *e, unsigned ext, unsigned size, Rm rm, unsigned count)
{
    emit_sized(e, size, 0xc1, ext, rm);
    emit8(e, count);
}

void emit_fix32(Emit *e, uint32_t place, uint32_t target)
{
    uint32_t rel = target - (place + 4);

    __builtin_memcpy(e->base + place, &rel, 4);
}

uint32_t emit_jmp_fwd(Emit *e)
{
    emit8(e, 0xe9);
    emit32(e, 0);
    return emit_at(e) - 4;
}

uint32_t emit_jcc_fwd(Emit *e, unsigned cc)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | cc);
    emit32(e, 0);
    return emit_at(e) - 4;
}

void emit_jmp(Emit *e, uint32_t target)
{
    emit_fix32(e, emit_jmp_fwd(e), target);
}

void emit_jcc(Emit *e, unsigned cc, uint32_t target)
{
    emit_fix32(e, emit_jcc_fwd(e, cc), target);
}

void emit_call(Emit *e, uint32_t target)
{
    emit8(e, 0xe8);
    emit32(e, 0);
    emit_fix32(e, emit_at(e) - 4, target);
}

uint8_t *emit_jcc8_fwd(Emit *e, unsigned cc)
{
    emit8(e, 0x70 | cc);
    emit8(e, 0);
    return e->p - 1;
}

void emit_fix8(Emit *e, uint8_t *place)
{
    *place = (uint8_t)(e->p - (place + 1));
}

void emit_jmp_rm(Emit *e, Rm rm)
{
    emit_op(e, 0xff, 4, rm);
}
