/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System instructions that a kernel runs all the time, where they need no look at anything else: flags, the interrupt
 * flag, segment registers' selectors and bases, the time stamp counter, control words. What is unusual goes to the
 * handler.
 */
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/sys.h"

#define BASE_OF(s)     tr_seg_at(s, offsetof(SegReg, base))
#define SELECTOR_OF(s) tr_seg_at(s, offsetof(SegReg, selector))

static void put(Tr *t, unsigned g, unsigned from)
{
    if (spilled(g))
        emit_store(&t->e, 8, rm_gs(G_GPR(g)), from);
    else if (hreg(g) != from)
        emit_mov(&t->e, 8, hreg(g), from);
}

void tr_no_interrupt_waits(Tr *t)
{
    emit_alu_imm(&t->e, ALU_CMP, 4, rm_gs(G_CPU(interrupt_request)), 0);
    tr_exec_cold(t, emit_jcc_fwd(&t->e, CC_NE));
}

void tr_set_rflags(Tr *t)
{
    Emit *e = &t->e;

    emit_store(e, 8, rm_gs(G_CPU(rflags)), T0);
    emit_mov(e, 4, T1, T0);
    emit_shift_imm(e, 5, 4, rm_reg(T1), 11);
    emit_alu_imm(e, ALU_AND, 4, rm_reg(T1), 1);
    emit_load(e, 1, T0, rm_reg(T0));
    emit_shift_imm(e, 4, 4, rm_reg(T0), 8);
    emit_alu(e, ALU_OR, 4, T1, rm_reg(T0));
    emit_store(e, 4, rm_gs(G_HOT(flags)), T1);
}

/* CLI is one instruction. STI says nothing where the flag is set already; what it shadows is in this block, which has
 * no poll. */
static void sti(Tr *t)
{
    Emit *e = &t->e;

    tr_clobber(t);
    emit_test_imm(e, 4, rm_gs(G_CPU(rflags)), FLAG_IF);
    uint32_t set = emit_jcc_fwd(e, CC_NE);

    tr_no_interrupt_waits(t);
    emit_alu_imm(e, ALU_OR, 8, rm_gs(G_CPU(rflags)), FLAG_IF);
    emit_fix32(e, set, emit_at(e));
}

static void pushf(Tr *t, const Insn *i)
{
    Emit *e = &t->e;
    unsigned size = i->osz;

    tr_flags_plain(t);
    t->flags = IN_SLOT;
    emit_load(e, 1, T0, rm_gs(G_HOT(flags)));
    emit_shift_imm(e, 4, 4, rm_reg(T0), 11);
    emit_load(e, 1, T1, rm_gs(G_HOT(flags) + 1));
    emit_alu(e, ALU_OR, 4, T1, rm_reg(T0));
    emit_load(e, 8, T0, rm_gs(G_CPU(rflags)));
    emit_alu_imm(e, ALU_AND, 8, rm_reg(T0), ~(FLAGS_ARITH | FLAG_VM | FLAG_RF));
    emit_alu(e, ALU_OR, 8, T1, rm_reg(T0));
    emit_store(e, 8, rm_gs(G_HOT(temp)), T1);
    Rm to = tr_stack_access(t, i, G_RSP, -(int)size, size, ACCESS_W);

    emit_load(e, 8, T1, rm_gs(G_HOT(temp)));
    emit_store(e, size, to, T1);
    tr_set_sp(t, G_RSP, -(int)size);
}

/* The fast way is for what changes nothing but arithmetic flags, DF and IF. */
static void popf(Tr *t, const Insn *i)
{
    Emit *e = &t->e;
    unsigned size = i->osz;
    bool may_if = t->mode & TM_IOPL;
    Rm from;

    tr_clobber(t);
    from = tr_stack_access(t, i, G_RSP, 0, size, ACCESS_R);
    t->flags = IN_SLOT;
    emit_load(e, size, T0, from);
    emit_load(e, 8, T1, rm_gs(G_CPU(rflags)));
    emit_alu(e, ALU_XOR, 8, T1, rm_reg(T0));
    emit_test_imm(e, 8, rm_reg(T1), ~(int32_t)(FLAGS_ARITH | FLAG_DF | (may_if ? FLAG_IF : 0)));
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));
    if (may_if) {
        emit_test_imm(e, 4, rm_reg(T0), FLAG_IF);
        uint32_t off = emit_jcc_fwd(e, CC_E);

        tr_no_interrupt_waits(t);
        emit_fix32(e, off, emit_at(e));
    }
    tr_set_rflags(t);
    t->slot_lazy = false;
    tr_set_sp(t, G_RSP, (int)size);
}

static void mov_from_seg(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;
    int32_t at = SELECTOR_OF(i->operand[1].reg);

    if (o->kind == OPND_MEM) {
        Rm rm = tr_access(t, i, 2, ACCESS_W);

        emit_load(e, 2, T1, rm_gs(at));
        emit_store(e, 2, rm, T1);
    } else if (o->size == 2) {
        emit_load(e, 2, T1, rm_gs(at));
        emit_store(e, 2, spilled(o->reg) ? rm_gs(G_GPR(o->reg)) : rm_reg(hreg(o->reg)), T1);
    } else {
        emit_load(e, 2, T1, rm_gs(at));
        put(t, o->reg, T1);
    }
}

static void swapgs(Tr *t)
{
    Emit *e = &t->e;

    emit_load(e, 8, T0, rm_gs(BASE_OF(SEG_GS)));
    emit_load(e, 8, T1, rm_gs(G_CPU(kernel_gs_base)));
    emit_store(e, 8, rm_gs(G_CPU(kernel_gs_base)), T0);
    emit_store(e, 8, rm_gs(BASE_OF(SEG_GS)), T1);
}

static void need_fsgsbase(Tr *t)
{
    tr_clobber(t);
    emit_test_imm(&t->e, 4, rm_gs(G_CPU(cr4)), CR4_FSGSBASE);
    tr_exec_cold(t, emit_jcc_fwd(&t->e, CC_E));
}

static void read_base(Tr *t, const Insn *i, unsigned seg)
{
    need_fsgsbase(t);
    emit_load(&t->e, i->operand[0].size, T1, rm_gs(BASE_OF(seg)));
    put(t, i->operand[0].reg, T1);
}

static void write_base(Tr *t, const Insn *i, unsigned seg)
{
    Emit *e = &t->e;
    unsigned g = i->operand[0].reg;

    need_fsgsbase(t);
    emit_load(e, i->operand[0].size, T0, spilled(g) ? rm_gs(G_GPR(g)) : rm_reg(hreg(g)));
    /* In 47 bits: canonical for every CPU. */
    emit_mov(e, 8, T1, T0);
    emit_shift_imm(e, 4, 8, rm_reg(T1), 16);
    emit_shift_imm(e, 7, 8, rm_reg(T1), 16);
    emit_alu(e, ALU_CMP, 8, T1, rm_reg(T0));
    tr_exec_cold(t, emit_jcc_fwd(e, CC_NE));
    emit_store(e, 8, rm_gs(BASE_OF(seg)), T0);
}

static void rdtsc(Tr *t, bool aux)
{
    Emit *e = &t->e;

    tr_clobber(t);
    emit_bytes(e, "\x0f\x31", 2);
    emit_shift_imm(e, 4, 8, rm_reg(H_RDX), 32);
    emit_alu(e, ALU_OR, 8, H_RAX, rm_reg(H_RDX));
    emit_alu(e, ALU_ADD, 8, H_RAX, rm_gs(G_HOT(tsc_offset)));
    emit_mov(e, 8, H_RDX, H_RAX);
    emit_shift_imm(e, 5, 8, rm_reg(H_RDX), 32);
    emit_mov(e, 4, H_RAX, H_RAX);
    if (aux)
        emit_load(e, 4, H_RCX, rm_gs(G_CPU(tsc_aux)));
}

/* SMAP's override changes whose rights data accesses have: the mode, and with it the class. */
static bool set_ac(Tr *t, bool on)
{
    Emit *e = &t->e;
    unsigned mmu = on ? MMU_KERNEL_AC : MMU_KERNEL;
    uint32_t mode = (t->mode & ~(uint32_t)(3 << TM_MMU_SHIFT)) | mmu << TM_MMU_SHIFT;

    tr_clobber(t);
    if (mode != t->mode) {
        if (!on) {
            emit_test_imm(e, 4, rm_gs(G_CPU(cr4)), CR4_SMAP);
            tr_exec_cold(t, emit_jcc_fwd(e, CC_E));
        }
        tr_class_has(t, mode);
    }
    if (on)
        emit_alu_imm(e, ALU_OR, 8, rm_gs(G_CPU(rflags)), FLAG_AC);
    else
        emit_alu_imm(e, ALU_AND, 8, rm_gs(G_CPU(rflags)), ~FLAG_AC);
    if (mode == t->mode)
        return true;
    tr_switch_class(t, mode);
    tr_jump(t, t->rip[t->at + 1]);
    return false;
}

/* MXCSR and the x87's control and status word. */
static void control_word(Tr *t, const Insn *i)
{
    const InsnOperand *o = &i->operand[0];
    Emit *e = &t->e;

    switch (i->desc->op) {
    case OP_LDMXCSR: {
        Rm rm = tr_access(t, i, 4, ACCESS_R);

        /* The host may take bit 17 (AMD's misaligned SSE), which the guest's CPUs have not. */
        tr_clobber(t);
        emit_alu_imm(e, ALU_CMP, 4, rm, 0xffff);
        tr_exec_cold(t, emit_jcc_fwd(e, CC_A));
        emit_op(e, OPC_0F | 0xae, 2, rm);
        break;
    }
    case OP_STMXCSR:
        emit_op(e, OPC_0F | 0xae, 3, tr_access(t, i, 4, ACCESS_W));
        break;
    case OP_FLDCW: {
        Rm rm = tr_access(t, i, 2, ACCESS_R);

        emit_store_imm(e, 4, rm_gs(G_TCG(x87_used)), 1);
        emit_op(e, 0xd9, 5, rm);
        break;
    }
    case OP_FNSTCW:
        emit_op(e, 0xd9, 7, tr_access(t, i, 2, ACCESS_W));
        break;
    case OP_FNSTSW:
        if (o->kind == OPND_MEM)
            emit_op(e, 0xdd, 7, tr_access(t, i, 2, ACCESS_W));
        else
            emit_bytes(e, "\xdf\xe0", 2);
        break;
    case OP_FWAIT:
        emit8(e, 0x9b);
        break;
    default: /* EMMS */
        emit_bytes(e, "\x0f\x77", 2);
    }
}

bool tr_plan_sys(Tr *t, const Insn *i)
{
    uint32_t m = t->mode;
    bool kernel = m & TM_PE && !(m & TM_CPL);

    if (m & TM_AC)
        return false;
    switch (i->desc->op) {
    case OP_CLI:
    case OP_STI:
        return m & TM_IOPL && !(m & TM_VM);
    case OP_PUSHF:
    case OP_POPF:
        return m & TM_PE && i->osz == t->code_size && i->osz >= 4;
    case OP_MOV_FROM_SEG:
        return i->operand[1].reg < SEG_REGS;
    case OP_SWAPGS:
        return kernel && t->code_size == 8;
    case OP_RDFSBASE:
    case OP_RDGSBASE:
    case OP_WRFSBASE:
    case OP_WRGSBASE:
        return t->code_size == 8;
    case OP_RDTSC:
    case OP_RDTSCP:
        return !(m & TM_TSD) && !tcg_tsc_anchor.scale;
    case OP_STAC:
    case OP_CLAC:
        return kernel;
    case OP_SYSCALL:
    case OP_SYSRET:
        return tr_plan_syscall(t, i);
    case OP_LDMXCSR:
    case OP_STMXCSR:
        return true;
    case OP_FLDCW:
    case OP_FNSTCW:
    case OP_FNSTSW:
    case OP_EMMS:
        return m & TM_NE;
    case OP_FWAIT:
        return m & TM_NE && !(m & TM_TS);
    default:
        return false;
    }
}

bool tr_sys(Tr *t, const Insn *i)
{
    switch (i->desc->op) {
    case OP_CLI:
        tr_clobber(t);
        emit_alu_imm(&t->e, ALU_AND, 8, rm_gs(G_CPU(rflags)), ~FLAG_IF);
        break;
    case OP_STI:
        sti(t);
        break;
    case OP_PUSHF:
        pushf(t, i);
        break;
    case OP_POPF:
        popf(t, i);
        break;
    case OP_MOV_FROM_SEG:
        mov_from_seg(t, i);
        break;
    case OP_SWAPGS:
        swapgs(t);
        break;
    case OP_RDFSBASE:
        read_base(t, i, SEG_FS);
        break;
    case OP_RDGSBASE:
        read_base(t, i, SEG_GS);
        break;
    case OP_WRFSBASE:
        write_base(t, i, SEG_FS);
        break;
    case OP_WRGSBASE:
        write_base(t, i, SEG_GS);
        break;
    case OP_RDTSC:
        rdtsc(t, false);
        break;
    case OP_RDTSCP:
        rdtsc(t, true);
        break;
    case OP_STAC:
        return set_ac(t, true);
    case OP_CLAC:
        return set_ac(t, false);
    case OP_SYSCALL:
    case OP_SYSRET:
        tr_syscall(t, i);
        return false;
    default:
        control_word(t, i);
    }
    return true;
}
