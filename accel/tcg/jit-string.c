/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MOVS, STOS and LODS without a repeat prefix, upwards; REP MOVS and REP STOS by a light call (jit-light.c). With DF
 * set, and where anything is unusual, their handlers do it. */
#include "accel/tcg/jit-internal.h"

bool tr_plan_string(Tr *t, const Insn *i)
{
    if (t->mode & TM_AC || i->asz == 2)
        return false;
    if (i->rep)
        return i->asz == 8 && i->seg < SEG_FS && (i->desc->op == OP_MOVS || i->desc->op == OP_STOS);
    return i->desc->op == OP_MOVS || i->desc->op == OP_STOS || i->desc->op == OP_LODS;
}

/* seg:[reg], checked. A miss comes back to here. */
static Rm element(Tr *t, const Insn *i, unsigned reg, unsigned seg, unsigned size, unsigned access)
{
    tr_begin_access(t);
    emit_mov(&t->e, i->asz, T0, reg);
    tr_lin(t, i, seg, size, access);
    return tr_check(t, size, access);
}

void tr_string(Tr *t, const Insn *i)
{
    Emit *e = &t->e;
    unsigned op = i->desc->op, size = i->operand[op == OP_LODS].size;
    Rm rm;

    if (i->rep) {
        tr_string_exec(t, size, op == OP_MOVS ? ACCESS_RW : ACCESS_W);
        return;
    }
    tr_clobber(t);
    emit_test_imm(e, 4, rm_gs(G_CPU(rflags)), FLAG_DF);
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));
    if (op != OP_STOS) {
        rm = element(t, i, H_RSI, i->seg, size, ACCESS_R);
        if (op == OP_LODS && size <= 2) {
            emit_sized(e, size, 0x8b, H_RAX, rm);
        } else if (op == OP_LODS) {
            emit_load(e, size, H_RAX, rm);
        } else {
            emit_load(e, size, T1, rm);
            emit_store(e, 8, rm_gs(G_HOT(temp)), T1);
        }
    }
    if (op != OP_LODS) {
        rm = element(t, i, H_RDI, SEG_ES, size, ACCESS_W);
        if (op == OP_MOVS)
            emit_load(e, 8, T1, rm_gs(G_HOT(temp)));
        emit_store(e, size, rm, op == OP_MOVS ? T1 : H_RAX);
    }
    if (op != OP_STOS)
        emit_lea(e, i->asz, H_RSI, rm_mem(H_RSI, (int32_t)size));
    if (op != OP_LODS)
        emit_lea(e, i->asz, H_RDI, rm_mem(H_RDI, (int32_t)size));
}
