/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector state on its way between memory and the host's registers, and EXEC_HOST instructions on the host. Light code.
 *
 * An instruction is encoded anew for 64-bit mode: its memory operand becomes [RSI], its general registers R8
 * (ModRM.reg), R9 (ModRM.rm) and R10 (VEX.vvvv), implicit ones (RAX, RCX, RDX) stay. Around it stands code that loads
 * and stores those and the flags: a stub, called with a HostRegs in RDI. Stubs are kept, direct mapped by a hash of
 * their contents. All of the guest's faults on operands come before the stub runs; what the host itself raises in it
 * (#XM) ends it (vec-init.c: stub_fault) before anything was written.
 */
#include "accel/tcg/jit.h"
#include "accel/tcg/vec.h"

/* The state's two places. XSAVE and XRSTOR take some 500 cycles together, plain moves a fifth of that: they are used
 * where the host has AVX and nothing has touched the x87 since it was in its initial state (TcgCpu.x87_used is 0): then
 * it stays in the host meanwhile, which C code does not use. The image says that AVX and SSE are in use then, which may
 * be more than is true: in_use() in vec-state.c looks. */

#define EACH16(X)    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define STORE_XMM(n) "vmovaps %%xmm" #n ", 160 + 16 * " #n "(%0)\n\t"
#define STORE_YMM(n) "vextractf128 $1, %%ymm" #n ", 576 + 16 * " #n "(%0)\n\t"
#define LOAD_XMM(n)  "vmovaps 160 + 16 * " #n "(%0), %%xmm" #n "\n\t"
#define LOAD_YMM(n)  "vinsertf128 $1, 576 + 16 * " #n "(%0), %%ymm" #n ", %%ymm" #n "\n\t"

static void c_mxcsr(uint32_t guest)
{
    static const uint32_t mxcsr = MXCSR_INIT;

    if ((guest ^ MXCSR_INIT) & ~0x3fU)
        __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
}

void tcg_fpu_to_memory(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    uint8_t *x = c->xsave;

    if (!t->fpu_live)
        return;
    t->fpu_live = false;
    if (tcg_vec_host.avx && !t->x87_used) {
        __asm__ volatile("stmxcsr 24(%0)\n\t" EACH16(STORE_XMM) EACH16(STORE_YMM) "vzeroupper" ::"r"(x) : "memory");
        img_in_use(x, XC_SSE | XC_AVX);
        c_mxcsr(img_l(x, XS_MXCSR));
        return;
    }
    if (t->jit)
        jit_fpu_sync(c);
    if (tcg_vec_host.xsave) {
        __asm__ volatile("xsave64 (%0)" ::"r"(x), "a"(tcg_vec_host.rfbm), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(x) : "memory");
        x[XS_XSTATE_BV] |= XC_X87 | XC_SSE;
    }
    /* As C expects it: FNINIT takes a hundred cycles, and most programs use no x87. */
    if (img_w(x, XS_FCW) != FCW_INIT)
        __asm__ volatile("fninit");
    else if (x[XS_FTW])
        __asm__ volatile("emms");
    c_mxcsr(img_l(x, XS_MXCSR));
    if (tcg_vec_host.avx)
        __asm__ volatile("vzeroupper");
}

void tcg_fpu_to_host(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    uint8_t *x = c->xsave;
    uint16_t fsw;

    if (t->fpu_live)
        return;
    t->fpu_live = true;
    if (tcg_vec_host.avx && !t->x87_used && !(x[XS_XSTATE_BV] & XC_X87)) {
        __asm__ volatile("fnstsw %0" : "=m"(fsw));
        if (!fsw) { /* else C code has used it after all */
            __asm__ volatile("ldmxcsr 24(%0)\n\t" EACH16(LOAD_XMM) EACH16(LOAD_YMM)::"r"(x) : "memory");
            return;
        }
    }
    x[XS_XSTATE_BV + 1] = 0; /* PKRU, which tcg_fpu_export() has put there: not every host knows it */
    if (tcg_vec_host.xsave)
        __asm__ volatile("xrstor64 (%0)" ::"r"(x), "a"(tcg_vec_host.rfbm), "d"(0) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(x) : "memory");
    t->x87_used = x[XS_XSTATE_BV] & XC_X87;
}

/* Stubs. */

enum { USE_RAX = 1, USE_RCX = 2, USE_RDX = 4, USE_SHIFT = 3 }; /* in HostRegs' order */
enum { USE_REG = INSN_GPR_REG << USE_SHIFT, USE_RM = INSN_GPR_RM << USE_SHIFT, USE_VVVV = INSN_GPR_VVVV << USE_SHIFT };
static const uint8_t stub_regs[6] = {0 /* RAX */, 1 /* RCX */, 2 /* RDX */, 8, 9, 10};

/* MOV between host register and the n-th of HostRegs; opcode 8B: load, 89: store. */
static uint8_t *emit_mov(uint8_t *p, uint8_t opcode, unsigned n)
{
    unsigned r = stub_regs[n];

    *p++ = r >= 8 ? 0x4c : 0x48;
    *p++ = opcode;
    *p++ = (uint8_t)(0x47 | (r & 7) << 3); /* [rdi + disp8] */
    *p++ = (uint8_t)(n * 8);
    return p;
}

static void emit_stub(TcgVec *v, unsigned slot, const StubKey *k)
{
    enum { FLAGS = offsetof(HostRegs, flags) };
    uint8_t *p = v->stubs + slot * STUB_SIZE;

    _Static_assert(FLAGS == 6 * 8, "six registers come first");
    for (unsigned n = 0; n < 6; n++) {
        if (k->use & 1 << n)
            p = emit_mov(p, 0x8b, n);
    }
    if (k->flags) {
        *p++ = 0xff; /* push [rdi + flags] */
        *p++ = 0x77;
        *p++ = FLAGS;
        *p++ = 0x9d; /* popfq */
    }
    for (unsigned n = 0; n < k->len; n++)
        *p++ = k->code[n];
    if (k->flags) {
        *p++ = 0x9c; /* pushfq */
        *p++ = 0x8f; /* pop [rdi + flags] */
        *p++ = 0x47;
        *p++ = FLAGS;
    }
    for (unsigned n = 0; n < 6; n++) {
        if (k->def & 1 << n)
            p = emit_mov(p, 0x89, n);
    }
    *p = 0xc3; /* ret */
    v->keys[slot] = *k;
    /* Written at one address, executed at another: serialize (SDM volume 3, 8.1.3). IRET does. */
    __asm__ volatile("mov %%rsp, %%rcx\n\t"
                     "sub $128, %%rsp\n\t"
                     "mov %%ss, %%eax\n\t"
                     "push %%rax\n\t"
                     "push %%rcx\n\t"
                     "pushfq\n\t"
                     "mov %%cs, %%eax\n\t"
                     "push %%rax\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "iretq\n"
                     "1:" ::
                         : "rax", "rcx", "memory", "cc");
}

static const uint8_t *stub_find(TcgVec *v, const StubKey *k)
{
    uint64_t a, b;
    unsigned slot;

    _Static_assert(sizeof(StubKey) == 19, "no padding");
    __builtin_memcpy(&a, k->code, 8);
    __builtin_memcpy(&b, k->code + 7, 8);
    slot = (unsigned)(((a ^ b * 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL + k->use * 5U + k->def) >> 40) &
           (STUBS - 1);
    if (!slot) /* not free: stub_fault() */
        slot = 1;
    if (__builtin_memcmp(&v->keys[slot], k, sizeof(*k)))
        emit_stub(v, slot, k);
    return v->stubs_rx + slot * STUB_SIZE;
}

/* i for 64-bit mode with its operands replaced: the bytes go to k. */
static void encode(StubKey *k, const Insn *i, unsigned gprs)
{
    uint8_t *p = k->code;
    unsigned reg = gprs & USE_REG ? 8 : i->reg, rm = i->has_mem ? 6 /* [rsi] */ : gprs & USE_RM ? 9 : i->rm;
    unsigned vvvv = gprs & USE_VVVV ? 10 : i->vvvv;
    bool w = i->encoding == ENC_LEGACY ? i->rex >> 3 & 1 : i->vex_w;
    uint8_t r_bit = reg >> 3 & 1, b_bit = rm >> 3 & 1;

    if (i->code_size != 8 && insn_w_is_width(i))
        w = false;
    if (i->encoding == ENC_LEGACY) {
        static const uint8_t prefix[4] = {0, 0x66, 0xf3, 0xf2};
        uint8_t rex = (uint8_t)(0x40 | w << 3 | r_bit << 2 | b_bit);
        bool wide16 = i->osz == 2 && i->pp > 1 &&
                      ((i->map == MAP_0F && (i->opcode == 0xb8 || i->opcode == 0xbc || i->opcode == 0xbd)) ||
                       (i->map == MAP_0F38 && i->opcode == 0xf1)); /* POPCNT TZCNT LZCNT CRC32 */

        if (wide16)
            *p++ = 0x66;
        if (i->pp && i->map != MAP_ONE_BYTE)
            *p++ = prefix[i->pp];
        if (i->map != MAP_ONE_BYTE) {
            if (rex != 0x40)
                *p++ = rex;
            *p++ = 0x0f;
            if (i->map != MAP_0F)
                *p++ = i->map == MAP_0F38 ? 0x38 : 0x3a;
        }
    } else {
        *p++ = 0xc4;
        *p++ = (uint8_t)((r_bit ^ 1) << 7 | 1 << 6 | (b_bit ^ 1) << 5 | i->map);
        *p++ = (uint8_t)(w << 7 | (vvvv ^ 15) << 3 | i->vl << 2 | i->pp);
    }
    *p++ = i->opcode;
    if (i->has_modrm)
        *p++ = (uint8_t)((i->has_mem ? 0 : 0xc0) | (reg & 7) << 3 | (rm & 7));
    for (unsigned n = 0; n < i->imm_size; n++)
        *p++ = (uint8_t)(i->imm >> n * 8);
    /* VBLENDVPS, VBLENDVPD, VPBLENDVB: a register in the immediate; there are eight outside 64-bit mode. */
    if (i->encoding == ENC_VEX && i->map == MAP_0F3A && i->opcode >= 0x4a && i->opcode <= 0x4c && i->code_size != 8)
        p[-1] &= 0x7f;
    k->len = (uint8_t)(p - k->code);
}

/* Execution. */

typedef struct MemOperand {
    uint64_t lin;
    void *host; /* guest RAM, or scratch */
    uint8_t size, access;
} MemOperand;

/* Comes before anything else is said of the address. */
static void check_vec_alignment(X86CPU *c, const Insn *i, uint64_t ea, unsigned size)
{
    uint32_t a = i->desc->attrs;
    unsigned mask = 0;

    if (a & INSN_ALIGN16)
        mask = 15;
    else if (a & INSN_ALIGN_VEC || (a & INSN_ALIGN_LEGACY && i->encoding == ENC_LEGACY))
        mask = size - 1;
    if (tcg_lin_unchecked(c, i, ea) & mask)
        tcg_raise_error(c, EXC_GP, 0);
}

/* The operand is in reach: all its faults come here. */
static void mem_begin(X86CPU *c, const Insn *i, MemOperand *m)
{
    TcgVec *v = TCG(c)->vec;
    unsigned n = 0, mmu = tcg_mmu(c);
    uint64_t ea;

    while (n + 1 < i->n_operands && i->operand[n].kind != OPND_MEM)
        n++;
    m->size = i->operand[n].size;
    m->access = i->operand[n].access;
    ea = tcg_ea(c, i);
    check_vec_alignment(c, i, ea, m->size);
    m->lin = tcg_lin(c, i->seg, ea, m->size, m->access);
    m->host = tcg_host_lin(c, m->lin, m->size, m->access, mmu);
    /* Hosts may want 16 bytes aligned where the guest need not (SHA). */
    if (m->host && !(i->encoding == ENC_LEGACY && m->size == 16 && m->lin & 15 && m->access == ACCESS_R))
        return;
    m->host = v->scratch;
    if (m->access & ACCESS_R)
        tcg_read_lin(c, m->lin, v->scratch, m->size, mmu);
    if (m->access & ACCESS_W)
        tcg_probe_lin(c, m->lin, m->size, m->access, mmu);
}

/* An x87 store whose unmasked exception kept the result back. */
static bool store_suppressed(X86CPU *c, const Insn *i)
{
    uint16_t fsw;

    if (!(i->desc->attrs & INSN_FPU))
        return false;
    fsw = tcg_fpu_status(c);
    return fsw & FSW_ES && fsw & ~tcg_fpu_control(c) & (FSW_IE | FSW_OE | FSW_UE);
}

static void note_fpu(X86CPU *c, const Insn *i)
{
    TcgCpu *t = TCG(c);

    t->fpu_ip = c->rip;
    t->fpu_cs = c->seg[SEG_CS].selector;
    t->fpu_op = (uint16_t)((i->opcode & 7) << 8 | i->modrm);
    if (i->has_mem) {
        t->fpu_dp = tcg_ea(c, i);
        t->fpu_ds = c->seg[i->seg].selector;
    }
}

static _Noreturn void host_trap(X86CPU *c, uint32_t trap)
{
    switch (trap) {
    case EXC_XM:
        tcg_raise(c, TCG(c)->mode & TM_MMXCPT ? EXC_XM : EXC_UD);
    case EXC_MF:
        tcg_raise(c, EXC_MF);
    default:
        tcg_raise(c, EXC_UD); /* not on this host */
    }
}

static void run(X86CPU *c, const Insn *i, const void *mem)
{
    const InsnDesc *d = i->desc;
    TcgVec *v = TCG(c)->vec;
    HostRegs *r = &v->regs;
    unsigned gprs = insn_gpr_fields(i) << USE_SHIFT, rm_gpr = 0;
    StubKey k = {0};
    const uint8_t *stub;

    k.use = (uint8_t)((d->gpr_read | d->gpr_written) & 7) | (uint8_t)gprs;
    k.def = (uint8_t)(d->gpr_written & 7);
    k.flags = d->flags_read | d->flags_written | d->flags_maybe | d->flags_undefined;
    encode(&k, i, gprs);
    if (k.use & USE_RAX)
        r->rax = c->gpr[R_RAX];
    if (k.use & USE_RCX)
        r->rcx = c->gpr[R_RCX];
    if (k.use & USE_RDX)
        r->rdx = c->gpr[R_RDX];
    if (gprs & USE_REG)
        r->reg = c->gpr[i->reg];
    if (gprs & USE_VVVV)
        r->vvvv = c->gpr[i->vvvv];
    if (gprs & USE_RM) {
        rm_gpr = i->rm;
        r->rm = c->gpr[rm_gpr];
        for (unsigned n = 0; n < i->n_operands; n++) {
            if (i->operand[n].kind == OPND_GPR8H) { /* CRC32 r32, AH */
                rm_gpr = i->operand[n].reg;
                r->rm = c->gpr[rm_gpr] >> 8;
            }
        }
    }
    /* The first operand is what general registers are written to; MULX writes the second one first. */
    if (i->n_operands && (i->operand[0].kind == OPND_GPR) && i->operand[0].access & ACCESS_W) {
        if (gprs == USE_RM || (gprs & USE_REG))
            k.def |= gprs & USE_REG ? USE_REG : USE_RM;
        else
            k.def |= USE_VVVV;
        if (i->n_operands > 1 && i->operand[1].kind == OPND_GPR && i->operand[1].access & ACCESS_W)
            k.def |= USE_VVVV;
    }
    if (k.flags)
        r->flags = (c->rflags & FLAGS_ARITH) | 2;
    r->trap = 0;
    stub = stub_find(v, &k);
    if (d->attrs & (INSN_FPU | INSN_MMX | INSN_SSE | INSN_AVX))
        tcg_fpu_to_host(c);
    if (d->attrs & (INSN_FPU | INSN_MMX))
        TCG(c)->x87_used = 1;
    __asm__ volatile("sub $128, %%rsp\n\t" /* beyond the red zone */
                     "call *%%rax\n\t"
                     "add $128, %%rsp"
                     : "+a"(stub)
                     : "D"(r), "S"(mem)
                     : "rcx", "rdx", "r8", "r9", "r10", "memory", "cc");
    if (r->trap)
        host_trap(c, r->trap);
    if (k.def & USE_RAX)
        c->gpr[R_RAX] = r->rax;
    if (k.def & USE_RCX)
        c->gpr[R_RCX] = r->rcx;
    if (k.def & USE_RDX)
        c->gpr[R_RDX] = r->rdx;
    if (k.def & USE_VVVV)
        c->gpr[i->vvvv] = r->vvvv;
    if (k.def & USE_REG)
        c->gpr[i->reg] = r->reg;
    if (k.def & USE_RM)
        c->gpr[rm_gpr] = r->rm;
    if (k.flags)
        c->rflags = (c->rflags & ~(uint64_t)FLAGS_ARITH) | (r->flags & FLAGS_ARITH);
}

/* With IGNNE# the FPU works on while an unmasked exception is pending: all of them are masked for the instruction. */
static void run_ignoring(X86CPU *c, const Insn *i, const void *mem)
{
    uint8_t *x = fpu_image(c);
    uint16_t fcw = img_w(x, XS_FCW);

    img_in_use(x, XC_X87);
    img_set_w(x, XS_FCW, fcw | FSW_EXCEPTIONS);
    img_set_w(x, XS_FSW, img_w(x, XS_FSW) & (uint16_t) ~(FSW_ES | FSW_B));
    run(c, i, mem);
    x = fpu_image(c);
    img_set_w(x, XS_FCW, fcw);
    img_set_w(x, XS_FSW, fsw_summary(img_w(x, XS_FSW), fcw));
}

void tcg_execute_host(X86CPU *c, const Insn *i)
{
    uint32_t attrs = i->desc->attrs;
    MemOperand m = {0};

    if (i->encoding == ENC_EVEX || !TCG(c)->vec)
        tcg_raise(c, EXC_UD);
    if (attrs & (INSN_FPU_WAIT | INSN_MMX))
        tcg_fpu_check_pending(c);
    if (i->has_mem)
        mem_begin(c, i, &m);
    if (attrs & INSN_FPU)
        note_fpu(c, i);
    if (attrs & (INSN_FPU_WAIT | INSN_MMX) && !(TCG(c)->mode & TM_NE) && tcg_fpu_status(c) & FSW_ES)
        run_ignoring(c, i, m.host);
    else
        run(c, i, m.host);
    if (!(m.access & ACCESS_W))
        return;
    if (m.host != TCG(c)->vec->scratch)
        tcg_host_written(c);
    else if (!store_suppressed(c, i))
        tcg_write_lin(c, m.lin, m.host, m.size, tcg_mmu(c));
}
