/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways between C and translated code, made once for each vCPU at the beginning of its code buffer.
 *
 * A stub jumps to a thunk with the code offset of its data in T1 and an argument in T0. The thunk puts the guest's
 * registers into X86CPU.gpr[], its arithmetic flags into the slot (where they are not there), takes the C stack and
 * calls its function, which says where to go on, with all registers and flags loaded anew; NULL leaves to the caller of
 * enter().
 *
 * Some call a lighter function first, which needs no more than the registers that C may change put away, and no flags;
 * where it gives NULL, nothing has happened yet that the other would not do as well.
 */
#include "accel/tcg/jit-internal.h"

static const uint8_t callee_saved[] = {H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15};

static void save_registers(Emit *e, bool rax_too)
{
    for (unsigned g = rax_too ? R_RAX : R_RCX; g < R_GPRS; g++) {
        if (!spilled(g))
            emit_store(e, 8, rm_gs(G_GPR(g)), hreg(g));
    }
}

static void load_registers(Emit *e)
{
    for (unsigned g = R_RAX; g < R_GPRS; g++) {
        if (!spilled(g))
            emit_load(e, 8, hreg(g), rm_gs(G_GPR(g)));
    }
}

/* LAHF, SETO AL; store. RAX is lost. */
static void save_flags(Emit *e)
{
    emit8(e, 0x9f);
    emit_op(e, OPC_0F | 0x90 | CC_O, 0, rm_reg(H_RAX));
    emit_store(e, 4, rm_gs(G_HOT(flags)), H_RAX);
}

static void push(Emit *e, unsigned r)
{
    if (r & 8)
        emit8(e, 0x41);
    emit8(e, 0x50 | (r & 7));
}

static void pop(Emit *e, unsigned r)
{
    if (r & 8)
        emit8(e, 0x41);
    emit8(e, 0x58 | (r & 7));
}

static void call_c(Emit *e, JitCallee *fn)
{
    emit_load(e, 8, H_RSP, rm_gs(G_HOT(c_sp)));
    emit_load(e, 8, H_RDI, rm_gs(G_HOT(self)));
    emit_imm(e, H_RAX, (uintptr_t)fn);
    emit_op(e, 0xff, 2, rm_reg(H_RAX));
}

/* Call fn with the registers that C may change kept, but no more. NULL: all as before, and on behind. */
static void light_call(Emit *e, JitCallee *fn)
{
    static const uint8_t kept[] = {R_RAX, R_RCX, R_RDX, R_RSI, R_RDI, R_R8, R_R9};

    for (unsigned n = 0; n < ARRAY_SIZE(kept); n++)
        emit_store(e, 8, rm_gs(G_GPR(kept[n])), kept[n]);
    emit_store(e, 8, rm_gs(G_HOT(light[0])), T0);
    emit_store(e, 8, rm_gs(G_HOT(light[1])), T1);
    emit_store(e, 8, rm_gs(G_HOT(sp)), H_RSP);
    emit_mov(e, 4, H_RSI, T1);
    emit_mov(e, 8, H_RDX, T0);
    call_c(e, fn);
    emit_mov(e, 8, T1, H_RAX);
    for (unsigned n = 0; n < ARRAY_SIZE(kept); n++)
        emit_load(e, 8, kept[n], rm_gs(G_GPR(kept[n])));
    emit_load(e, 8, H_RSP, rm_gs(G_HOT(sp)));
    emit_op(e, 0x85 | OPC_W, T1, rm_reg(T1));
    uint8_t *not = emit_jcc8_fwd(e, CC_E);

    emit_load(e, 8, T0, rm_gs(G_HOT(t0)));
    emit_jmp_rm(e, rm_reg(T1));
    emit_fix8(e, not );
    emit_load(e, 8, T0, rm_gs(G_HOT(light[0])));
    emit_load(e, 8, T1, rm_gs(G_HOT(light[1])));
}

static void make_thunk(Emit *e, JitCallee *light, JitCallee *fn, uint32_t resume, uint32_t at[2])
{
    at[1] = emit_at(e);
    emit_store(e, 8, rm_gs(G_GPR(R_RAX)), H_RAX);
    save_flags(e);
    uint32_t skip = emit_jmp_fwd(e);

    at[0] = emit_at(e);
    if (light)
        light_call(e, light);
    emit_store(e, 8, rm_gs(G_GPR(R_RAX)), H_RAX);
    emit_fix32(e, skip, emit_at(e));
    save_registers(e, false);
    emit_store(e, 8, rm_gs(G_HOT(sp)), H_RSP);
    emit_mov(e, 4, H_RSI, T1);
    emit_mov(e, 8, H_RDX, T0);
    call_c(e, fn);
    emit_jmp(e, resume);
}

static int32_t jc_rip(unsigned class)
{
    return G_HOT(jc) + (int32_t)(class * JC_ENTRIES * sizeof(JumpTarget));
}

static int32_t jc_code(unsigned class)
{
    return jc_rip(class) + (int32_t)offsetof(JumpTarget, code);
}

/* The jump cache's entry of T0: T1: its place. */
static uint32_t look_up(Emit *e, unsigned class)
{
    emit_op(e, 0x69, T1, rm_reg(T0));
    emit32(e, JC_MULTIPLIER);
    emit_alu_imm(e, ALU_AND, 4, rm_reg(T1), (int32_t)JC_MASK);
    emit_alu(e, ALU_CMP, 8, T0, rm_gs_at(T1, jc_rip(class)));
    return emit_jcc_fwd(e, CC_NE);
}

uint32_t jit_emit_jump_cache(Emit *e, unsigned class)
{
    uint32_t miss = look_up(e, class);

    emit_jmp_rm(e, rm_gs_at(T1, jc_code(class)));
    return miss;
}

uint32_t jit_emit_call_cache(Emit *e, unsigned class)
{
    uint32_t miss = look_up(e, class);

    emit_load(e, 8, T1, rm_gs_at(T1, jc_code(class)));
    return miss;
}

/* What a store has left in JitHot.bounce goes to its two pages. Flags and registers stay. */
static void make_cross(JitCpu *j, Emit *e)
{
    static const uint8_t used[] = {H_RSI, H_RDI, H_RCX};

    j->thunk_cross = emit_at(e);
    for (unsigned n = 0; n < ARRAY_SIZE(used); n++)
        emit_store(e, 8, rm_gs(G_HOT(cross.saved[0]) + (int32_t)n * 8), used[n]);
    emit_load(e, 8, H_RSI, rm_gs(G_HOT(cross.from)));
    for (unsigned n = 0; n < 2; n++) {
        emit_load(e, 8, H_RDI, rm_gs(G_HOT(cross.to[0]) + (int32_t)n * 8));
        emit_load(e, 8, H_RCX, rm_gs(G_HOT(cross.n[0]) + (int32_t)n * 8));
        emit_bytes(e, "\xf3\xa4", 2); /* REP MOVSB */
    }
    for (unsigned n = 0; n < ARRAY_SIZE(used); n++)
        emit_load(e, 8, used[n], rm_gs(G_HOT(cross.saved[0]) + (int32_t)n * 8));
    emit_jmp_rm(e, rm_gs(G_HOT(cross.next)));
}

void jit_make_thunks(JitCpu *j)
{
    Emit em = {.p = j->rw, .base = j->rw}, *e = &em;

    /* enter(c, code) */
    uint32_t enter = emit_at(e);

    for (unsigned i = 0; i < ARRAY_SIZE(callee_saved); i++)
        push(e, callee_saved[i]);
    emit_alu_imm(e, ALU_SUB, 8, rm_reg(H_RSP), 8);
    emit_store(e, 8, rm_gs(G_HOT(c_sp)), H_RSP);
    emit_mov(e, 8, H_RAX, H_RSI);

    /* resume: RAX: where; NULL: leave. */
    uint32_t resume = emit_at(e);

    emit_op(e, 0x85 | OPC_W, H_RAX, rm_reg(H_RAX));
    uint32_t leave = emit_jcc_fwd(e, CC_E);

    emit_store(e, 8, rm_gs(G_HOT(target)), H_RAX);
    emit_load(e, 4, H_RAX, rm_gs(G_HOT(flags)));
    emit_alu_imm(e, ALU_ADD, 1, rm_reg(H_RAX), 0x7f);
    emit8(e, 0x9e);
    load_registers(e);
    emit_load(e, 8, H_RSP, rm_gs(G_HOT(sp)));
    emit_load(e, 8, T0, rm_gs(G_HOT(t0)));
    emit_jmp_rm(e, rm_gs(G_HOT(target)));
    emit_fix32(e, leave, emit_at(e));
    emit_alu_imm(e, ALU_ADD, 8, rm_reg(H_RSP), 8);
    for (unsigned i = ARRAY_SIZE(callee_saved); i--;)
        pop(e, callee_saved[i]);
    emit8(e, 0xc3);

    for (unsigned n = 0; n < THUNKS; n++)
        make_thunk(e, jit_light[n], jit_callees[n], resume, j->thunk[n]);
    uint32_t fault[2], sentinel[2];

    make_thunk(e, NULL, jit_do_fault, resume, fault);
    j->thunk_fault = fault[0];
    make_thunk(e, NULL, jit_do_sentinel, resume, sentinel);
    j->thunk_sentinel = sentinel[0];

    /* A return that the return stack did not foresee: T0: target; [RSP]: its entry, which goes. Then as an indirect
     * jump; T1 is the place of the data for what the jump cache does not know: kept in `target` meanwhile. */
    for (unsigned k = 0; k < CLASSES; k++) {
        j->thunk_ret_miss[k] = emit_at(e);
        emit_store(e, 8, rm_gs(G_HOT(target)), T1);
        emit_alu_imm(e, ALU_ADD, 8, rm_gs(G_HOT(return_misses)), 1);
        emit_lea(e, 8, H_RSP, rm_mem(H_RSP, 16));
        emit_alu(e, ALU_CMP, 8, H_RSP, rm_gs(G_HOT(class[0].base) + (int32_t)(k * sizeof(JitClass))));
        uint8_t *in = emit_jcc8_fwd(e, CC_BE);

        emit_load(e, 8, H_RSP, rm_gs(G_HOT(class[0].base) + (int32_t)(k * sizeof(JitClass))));
        emit_fix8(e, in);
        uint32_t miss = jit_emit_jump_cache(e, k);

        emit_fix32(e, miss, emit_at(e));
        emit_load(e, 8, T1, rm_gs(G_HOT(target)));
        emit_jmp(e, j->thunk[THUNK_INDIRECT][0]);
    }

    make_cross(j, e);
    j->enter = (const void *(*)(X86CPU *, const void *))(uintptr_t)(j->rx + enter);
    j->cross = (emit_at(e) + 63) & ~63U;
    j->first = j->used = (j->cross + CROSS_STUBS * CROSS_ROOM + 63) & ~63U;
}
