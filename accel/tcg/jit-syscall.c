/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL and SYSRET between 64-bit code of CPL 3 and CPL 0 (SDM volume 2, the instructions' operation sections), where
 * the mode that they lead to is one that its class (JitClass) has: nothing but flags, two segment registers, the mode
 * and the return stack change, and the target is looked up in the jump cache. All else is the handler's.
 */
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/sys.h"

static int32_t class_at(unsigned class, size_t field)
{
    return G_HOT(class[0]) + (int32_t)(class * sizeof(JitClass) + field);
}

/* The class of `mode` has to have that mode, whatever it was in last. */
void tr_class_has(Tr *t, uint32_t mode)
{
    emit_alu_imm(&t->e, ALU_CMP, 4, rm_gs(class_at(jit_class(mode), offsetof(JitClass, mode))), (int32_t)mode);
    tr_exec_cold(t, emit_jcc_fwd(&t->e, CC_NE));
}

void tr_switch_class(Tr *t, uint32_t mode)
{
    Emit *e = &t->e;
    unsigned to = jit_class(mode);

    emit_store_imm(e, 4, rm_gs(G_TCG(mode)), (int32_t)mode);
    emit_store(e, 8, rm_gs(class_at(jit_class(t->mode), offsetof(JitClass, sp))), H_RSP);
    emit_load(e, 8, H_RSP, rm_gs(class_at(to, offsetof(JitClass, sp))));
    emit_store_imm(e, 4, rm_gs(G_HOT(present)), (int32_t)to);
}

/* The last x87 instruction's CS is taken over by C before there is another. */
static void no_fpu_site(Tr *t)
{
    emit_alu_imm(&t->e, ALU_CMP, 4, rm_gs(G_HOT(fpu_site)), 0);
    tr_exec_cold(t, emit_jcc_fwd(&t->e, CC_NE));
}

static void need_sce(Tr *t)
{
    emit_test_imm(&t->e, 4, rm_gs(G_CPU(efer)), EFER_SCE);
    tr_exec_cold(t, emit_jcc_fwd(&t->e, CC_E));
}

static void set_flat(Tr *t, unsigned seg, uint32_t flags)
{
    Emit *e = &t->e;

    emit_store_imm(e, 8, rm_gs(tr_seg_at(seg, offsetof(SegReg, base))), 0);
    emit_store_imm(e, 4, rm_gs(tr_seg_at(seg, offsetof(SegReg, limit))), -1);
    emit_store_imm(e, 4, rm_gs(tr_seg_at(seg, offsetof(SegReg, flags))), (int32_t)flags);
}

/* On at the address in T0. */
static void go(Tr *t, uint32_t mode)
{
    tr_cold(t, COLD_SITE, jit_emit_jump_cache(&t->e, jit_class(mode)))->thunk = THUNK_TARGET;
}

static uint32_t kernel_mode(const Tr *t)
{
    return (t->mode & ~(uint32_t)(TM_CPL | TM_UMIP | TM_TSD | 3 << TM_MMU_SHIFT)) | TM_IOPL |
           MMU_KERNEL << TM_MMU_SHIFT;
}

static uint32_t user_mode(const Tr *t)
{
    uint64_t cr4 = t->c->cr4;

    return (t->mode & ~(uint32_t)(TM_IOPL | 3 << TM_MMU_SHIFT)) | 3 | MMU_USER << TM_MMU_SHIFT |
           (cr4 & CR4_UMIP ? TM_UMIP : 0) | (cr4 & CR4_TSD ? TM_TSD : 0);
}

bool tr_plan_syscall(Tr *t, const Insn *i)
{
    uint32_t m = t->mode;

    if (t->code_size != 8)
        return false;
    if (i->desc->op == OP_SYSCALL)
        return (m & TM_CPL) == 3 && t->c->cr4 & CR4_SMAP;
    return !(m & TM_CPL) && i->osz == 8;
}

static void to_kernel(Tr *t)
{
    Emit *e = &t->e;
    uint32_t mode = kernel_mode(t);

    tr_flags_plain(t);
    t->flags = IN_SLOT;
    need_sce(t);
    no_fpu_site(t);
    emit_test_imm(e, 4, rm_gs(G_CPU(cr4)), CR4_SMAP);
    tr_exec_cold(t, emit_jcc_fwd(e, CC_E));
    tr_class_has(t, mode);
    /* T1: what goes to R11, T0: the new flags. */
    emit_load(e, 1, T0, rm_gs(G_HOT(flags)));
    emit_shift_imm(e, 4, 4, rm_reg(T0), 11);
    emit_load(e, 1, T1, rm_gs(G_HOT(flags) + 1));
    emit_alu(e, ALU_OR, 4, T1, rm_reg(T0));
    emit_load(e, 8, T0, rm_gs(G_CPU(rflags)));
    emit_alu_imm(e, ALU_AND, 8, rm_reg(T0), ~(FLAGS_ARITH | FLAG_RF));
    emit_alu(e, ALU_OR, 8, T1, rm_reg(T0));
    emit_load(e, 8, T0, rm_gs(G_CPU(fmask)));
    emit_op(e, 0xf7 | OPC_W, 2, rm_reg(T0)); /* NOT */
    emit_alu(e, ALU_AND, 8, T0, rm_reg(T1));
    emit_test_imm(e, 4, rm_reg(T0), FLAG_AC);
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));

    emit_store(e, 8, rm_gs(G_GPR(R_R11)), T1);
    emit_alu_imm(e, ALU_OR, 8, rm_reg(T0), 2);
    tr_set_rflags(t);
    emit_load(e, 2, T0, rm_gs(G_CPU(star) + 4));
    emit_mov(e, 4, T1, T0);
    emit_alu_imm(e, ALU_AND, 4, rm_reg(T1), 0xfffc);
    emit_store(e, 2, rm_gs(tr_seg_at(SEG_CS, offsetof(SegReg, selector))), T1);
    emit_alu_imm(e, ALU_ADD, 4, rm_reg(T0), 8);
    emit_store(e, 2, rm_gs(tr_seg_at(SEG_SS, offsetof(SegReg, selector))), T0);
    set_flat(t, SEG_CS, FLAT_CODE | DESC_L);
    set_flat(t, SEG_SS, FLAT_DATA);
    emit_imm(e, H_RCX, t->rip[t->at + 1]);
    emit_load(e, 8, T0, rm_gs(G_CPU(lstar)));
    tr_switch_class(t, mode);
    go(t, mode);
}

static void to_user(Tr *t)
{
    Emit *e = &t->e;
    uint32_t mode = user_mode(t), cr4_bits = CR4_UMIP | CR4_TSD;

    tr_clobber(t);
    need_sce(t);
    no_fpu_site(t);
    tr_class_has(t, mode);
    emit_load(e, 4, T1, rm_gs(G_CPU(cr4)));
    emit_alu_imm(e, ALU_AND, 4, rm_reg(T1), (int32_t)cr4_bits);
    emit_alu_imm(e, ALU_CMP, 4, rm_reg(T1), (int32_t)(t->c->cr4 & cr4_bits));
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));
    /* What waits for IF is taken by way of the handler. */
    tr_no_interrupt_waits(t);
    /* Canonical for every CPU. */
    emit_mov(e, 8, T1, H_RCX);
    emit_shift_imm(e, 5, 8, rm_reg(T1), 47);
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));
    emit_load(e, 8, T0, rm_gs(G_GPR(R_R11)));
    emit_test_imm(e, 4, rm_reg(T0), FLAG_TF | FLAG_AC | FLAG_IOPL);
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));

    emit_alu_imm(e, ALU_AND, 8, rm_reg(T0), SYSRET_FLAGS);
    emit_alu_imm(e, ALU_OR, 8, rm_reg(T0), 2);
    tr_set_rflags(t);
    emit_load(e, 2, T0, rm_gs(G_CPU(star) + 6));
    emit_alu_imm(e, ALU_ADD, 4, rm_reg(T0), 8);
    emit_alu_imm(e, ALU_OR, 4, rm_reg(T0), 3);
    emit_store(e, 2, rm_gs(tr_seg_at(SEG_SS, offsetof(SegReg, selector))), T0);
    emit_alu_imm(e, ALU_ADD, 4, rm_reg(T0), 8);
    emit_store(e, 2, rm_gs(tr_seg_at(SEG_CS, offsetof(SegReg, selector))), T0);
    set_flat(t, SEG_CS, FLAT_CODE | DESC_L | 3 << DESC_DPL_SHIFT);
    if (cpu_is_amd(t->c))
        emit_alu_imm(e, ALU_OR, 4, rm_gs(tr_seg_at(SEG_SS, offsetof(SegReg, flags))), 3 << DESC_DPL_SHIFT);
    else
        set_flat(t, SEG_SS, FLAT_DATA | 3 << DESC_DPL_SHIFT);
    emit_mov(e, 8, T0, H_RCX);
    tr_switch_class(t, mode);
    go(t, mode);
}

void tr_syscall(Tr *t, const Insn *i)
{
    if (i->desc->op == OP_SYSCALL)
        to_kernel(t);
    else
        to_user(t);
}
