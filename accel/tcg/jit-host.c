/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EXEC_HOST: vector, x87 and newer integer instructions, as they are: the same opcode, prefixes and registers, with
 * memory as [T0] and general registers where they are kept. An exception that the host raises comes back as a signal
 * (jit-init.c).
 */
#include "accel/tcg/jit-internal.h"

static bool special(unsigned g)
{
    return spilled(g) || g == R_RSP;
}

static const InsnOperand *mem_operand(const Insn *i)
{
    for (unsigned n = 0; n < i->n_operands; n++) {
        if (i->operand[n].kind == OPND_MEM)
            return &i->operand[n];
    }
    return NULL;
}

static bool any_special(const Insn *i)
{
    for (unsigned n = 0; n < i->n_operands; n++) {
        if (i->operand[n].kind == OPND_GPR && special(i->operand[n].reg))
            return true;
    }
    return false;
}

bool tr_plan_host(Tr *t, const Insn *i)
{
    const InsnOperand *m = mem_operand(i);

    if (i->encoding == ENC_EVEX || i->desc->attrs & INSN_VSIB)
        return false;
    if (i->imm_size > 1)
        return false;
    /* The line of the ISA bus, IGNNE#: its handler knows. */
    if (i->desc->attrs & (INSN_FPU | INSN_MMX) && !(t->mode & TM_NE))
        return false;
    if (i->has_mem && (!m || !m->size || m->size > 64))
        return false;
    if (!any_special(i))
        return true;
    for (unsigned n = 0; n < i->n_operands; n++) {
        if (i->operand[n].kind == OPND_GPR8H) /* CRC32 ESP, AH: no REX with it */
            return false;
    }
    return insn_gpr_fields(i);
}

typedef struct Fields {
    uint8_t reg, rm, vvvv;
} Fields;

static void legacy_prefixes(Tr *t, const Insn *i, unsigned r, unsigned b)
{
    static const uint8_t prefix[] = {0, 0x66, 0xf3, 0xf2};
    Emit *e = &t->e;
    unsigned rex = (t->code_size == 8 ? i->rex & 8 : 0) | r << 2 | b;
    bool vector = i->desc->attrs & (INSN_FPU | INSN_MMX | INSN_SSE | INSN_AVX), words = false, byte = false;

    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];

        words |= (o->kind == OPND_GPR || o->kind == OPND_MEM) && o->size == 2;
        byte |= o->kind == OPND_GPR && o->size == 1 && o->reg >= 4;
    }
    /* 66 as the operand size: POPCNT r16, CRC32 r32, m16 ... */
    if (!vector && i->pp != 1 && i->osz == 2 && words)
        emit8(e, 0x66);
    if (i->pp)
        emit8(e, prefix[i->pp]);
    if (rex || byte)
        emit8(e, 0x40 | rex);
    if (i->map != MAP_ONE_BYTE)
        emit8(e, 0x0f);
    if (i->map == MAP_0F38)
        emit8(e, 0x38);
    if (i->map == MAP_0F3A)
        emit8(e, 0x3a);
}

static void vex_prefix(Tr *t, const Insn *i, Fields f, unsigned r, unsigned b)
{
    Emit *e = &t->e;
    bool w = i->vex_w && (t->code_size == 8 || !insn_w_is_width(i));

    if (b || i->map != MAP_0F || w) {
        emit8(e, 0xc4);
        emit8(e, (r ? 0 : 0x80) | 0x40 | (b ? 0 : 0x20) | i->map);
        emit8(e, (w ? 0x80 : 0) | (~f.vvvv & 15) << 3 | i->vl << 2 | i->pp);
    } else {
        emit8(e, 0xc5);
        emit8(e, (r ? 0 : 0x80) | (~f.vvvv & 15) << 3 | i->vl << 2 | i->pp);
    }
}

static void encode(Tr *t, const Insn *i, Fields f, bool mem, Rm rm)
{
    Emit *e = &t->e;
    unsigned r = f.reg >> 3 & 1, b = (mem ? rm.base : f.rm) >> 3 & 1;

    if (i->encoding == ENC_VEX)
        vex_prefix(t, i, f, r, b);
    else
        legacy_prefixes(t, i, r, b);
    emit8(e, i->opcode);
    if (i->has_modrm)
        emit_modrm(e, f.reg, mem ? rm : rm_reg(f.rm));
    if (i->imm_size == 1) {
        /* VBLENDVPS, VBLENDVPD, VPBLENDVB: a register in the immediate; there are eight outside 64-bit code. */
        bool is4 = i->encoding == ENC_VEX && i->map == MAP_0F3A && i->opcode >= 0x4a && i->opcode <= 0x4c;

        emit8(e, (uint8_t)i->imm & (is4 && t->code_size != 8 ? 0x7f : 0xff));
    }
}

/* What the x87 remembers of its last instruction: which one it was, and where its operand. After it: one that raises
 * what an earlier one left pending is not it yet. */
static void note_fpu(Tr *t, const Insn *i)
{
    Emit *e = &t->e;
    FpuSite *s = jit_arena(t->j, sizeof(*s));
    uint64_t constant;

    if (!s) {
        t->failed = true;
        return;
    }
    *s = (FpuSite){.rip = t->rip[t->at], .op = (uint16_t)((i->opcode & 7) << 8 | i->modrm)};
    emit_store_imm(e, 4, rm_gs(G_HOT(fpu_site)), (int32_t)jit_ref(t->j, s));
    if (!i->has_mem)
        return;
    emit_store_imm(e, 4, rm_gs(G_HOT(fpu_seg)), i->seg + 1);
    if (tr_ea(t, i, &constant))
        emit_imm(e, T0, constant);
    emit_store(e, 8, rm_gs(G_TCG(fpu_dp)), T0);
}

void tr_host(Tr *t, const Insn *i)
{
    const InsnOperand *m = mem_operand(i);
    Fields f = {i->reg, i->rm, i->vvvv};
    unsigned fields = any_special(i) ? insn_gpr_fields(i) : 0, used = 0;
    /* A spilled register of each field is in its own temporary; T0 is free without memory. */
    struct {
        uint8_t *field;
        unsigned bit;
    } all[] = {{&f.reg, INSN_GPR_REG}, {&f.rm, INSN_GPR_RM}, {&f.vvvv, INSN_GPR_VVVV}};
    uint8_t temp_of[R_GPRS];
    Rm rm = rm_mem(T0, 0);

    if (m)
        rm = tr_access(t, i, m->size, m->access);
    tr_flags_before(t, i);
    for (unsigned n = 0; n < ARRAY_SIZE(all); n++) {
        unsigned g = *all[n].field;

        if (!(fields & all[n].bit) || g >= R_GPRS)
            continue;
        if (!spilled(g)) {
            *all[n].field = (uint8_t)hreg(g);
            continue;
        }
        unsigned k;

        for (k = 0; k < used && temp_of[k] != g; k++)
            ;
        if (k == used) {
            if (used == (m ? 1 : 2)) {
                /* Three different ones: hardly ever. */
                tr_exec(t);
                return;
            }
            temp_of[used++] = (uint8_t)g;
            emit_load(&t->e, 8, k ? T0 : T1, rm_gs(G_GPR(g)));
        }
        *all[n].field = k ? T0 : T1;
    }
    if (i->desc->attrs & (INSN_FPU | INSN_MMX))
        emit_store_imm(&t->e, 4, rm_gs(G_TCG(x87_used)), 1);
    encode(t, i, f, i->has_mem, rm);
    if (i->desc->attrs & INSN_FPU)
        note_fpu(t, i);
    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];

        if (o->kind != OPND_GPR || !(o->access & ACCESS_W) || !spilled(o->reg))
            continue;
        for (unsigned k = 0; k < used; k++) {
            if (temp_of[k] == o->reg)
                emit_store(&t->e, 8, rm_gs(G_GPR(o->reg)), k ? T0 : T1);
        }
    }
    tr_flags_after(t, i);
}
