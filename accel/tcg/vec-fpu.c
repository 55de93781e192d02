/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 control: pending exceptions, control and status word, environment and state in their 16 and 32-bit, real and
 * protected formats (SDM volume 1, 8.1.10 and figures 8-9 to 8-12), MXCSR. Light code.
 */
#include "accel/tcg/vec.h"

uint16_t tcg_fpu_status(X86CPU *c)
{
    uint16_t v;

    if (!TCG(c)->fpu_live)
        return fsw_summary(img_w(c->xsave, XS_FSW), img_w(c->xsave, XS_FCW));
    __asm__ volatile("fnstsw %0" : "=m"(v));
    return v;
}

uint16_t tcg_fpu_control(X86CPU *c)
{
    uint16_t v;

    if (!TCG(c)->fpu_live)
        return img_w(c->xsave, XS_FCW);
    __asm__ volatile("fnstcw %0" : "=m"(v));
    return v;
}

/* Pending exceptions and the FERR# line (SDM volume 1, 8.7). */

/* With IGNNE# not active the hardware stops here until an interrupt comes (8.7.2, appendix D). That of FERR# is taken
 * at once, before the instruction; where it cannot be (IF, the 8259's masks) this works on, with the exception masked
 * (vec.c). */
void tcg_fpu_check_pending(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (!(tcg_fpu_status(c) & FSW_ES)) {
        if (c->ignne)
            tcg_fpu_ferr_update(c);
        return;
    }
    if (t->mode & TM_NE)
        tcg_raise(c, EXC_MF);
    if (t->ferr || __atomic_load_n(&c->ignne, __ATOMIC_ACQUIRE))
        return;
    t->ferr = true;
    tcg_outside_begin(c);
    tcg_ferr_raise();
    tcg_outside_end(c);
    if (c->rflags & FLAG_IF && !c->interrupt_shadow &&
        __atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE) & CPU_INTERRUPT_HARD)
        tcg_raise_hard(c);
}

void tcg_fpu_ferr_update(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (!(t->ferr || c->ignne) || tcg_fpu_status(c) & FSW_ES)
        return;
    t->ferr = false;
    __atomic_store_n(&c->ignne, false, __ATOMIC_RELAXED);
}

/* Words. */

HANDLER(FNSTSW)
{
    op_set(c, i, 0, tcg_fpu_status(c));
}

HANDLER(FNSTCW)
{
    op_set(c, i, 0, tcg_fpu_control(c));
}

HANDLER(FLDCW)
{
    uint16_t fcw = (uint16_t)op_get(c, i, 0);

    if (TCG(c)->fpu_live && !(tcg_fpu_status(c) & FSW_ES)) {
        __asm__ volatile("fldcw %0" ::"m"(fcw));
        TCG(c)->x87_used = 1;
    } else {
        uint8_t *x = fpu_image(c);

        /* Bit 6 is always 1; 7 and 13 to 15 are 0. */
        img_set_w(x, XS_FCW, (fcw & 0x1f3f) | 0x40);
        img_set_w(x, XS_FSW, fsw_summary(img_w(x, XS_FSW), fcw));
        img_in_use(x, XC_X87);
    }
    tcg_fpu_ferr_update(c);
}

HANDLER(FNCLEX)
{
    if (TCG(c)->fpu_live) {
        __asm__ volatile("fnclex");
    } else {
        img_set_w(c->xsave, XS_FSW, img_w(c->xsave, XS_FSW) & (FSW_TOP | 0x4700));
    }
    tcg_fpu_ferr_update(c);
}

/* FNINIT's registers: all but the contents of ST(0) to ST(7). */
static void init_control(X86CPU *c, uint8_t *x)
{
    TcgCpu *t = TCG(c);

    img_set_w(x, XS_FCW, FCW_INIT);
    img_set_fsw(x, 0);
    x[XS_FTW] = 0;
    t->fpu_ip = t->fpu_dp = 0;
    t->fpu_cs = t->fpu_ds = t->fpu_op = 0;
    img_in_use(x, XC_X87); /* the registers keep what they hold */
    tcg_fpu_ferr_update(c);
}

HANDLER(FNINIT)
{
    init_control(c, fpu_image(c));
}

HANDLER(FWAIT)
{
    tcg_fpu_check_pending(c);
}

/* FNOP, which waits for exceptions (its description says so), and the 8087's and 80287's FENI, FDISI and FSETPM, which
 * do not. */
HANDLER(FNOP)
{
}

HANDLER(EMMS)
{
    tcg_fpu_check_pending(c);
    if (TCG(c)->fpu_live && !(tcg_fpu_status(c) & FSW_ES)) {
        __asm__ volatile("emms");
    } else {
        uint8_t *x = fpu_image(c);

        x[XS_FTW] = 0;
        img_set_fsw(x, img_w(x, XS_FSW) & (uint16_t)~FSW_TOP);
        img_in_use(x, XC_X87);
    }
}

HANDLER(LDMXCSR)
{
    uint32_t v = (uint32_t)op_get(c, i, 0);

    if (v & ~(uint32_t)MXCSR_VALID)
        tcg_raise_error(c, EXC_GP, 0);
    if (TCG(c)->fpu_live) {
        __asm__ volatile("ldmxcsr %0" ::"m"(v));
    } else {
        img_set_l(c->xsave, XS_MXCSR, v);
        img_in_use(c->xsave, XC_SSE);
    }
}

HANDLER(STMXCSR)
{
    uint32_t v;

    if (TCG(c)->fpu_live)
        __asm__ volatile("stmxcsr %0" : "=m"(v));
    else
        v = img_l(c->xsave, XS_MXCSR);
    op_set(c, i, 0, v);
}

/* The environment. */

/* A register's two tag bits: 0 valid, 1 zero, 2 special (NaN, infinity, denormal, unsupported), 3 empty. n: physical
 * number. */
static unsigned full_tag(const uint8_t *x, unsigned n)
{
    unsigned top = (img_w(x, XS_FSW) & FSW_TOP) >> FSW_TOP_SHIFT;
    const uint8_t *st = x + XS_ST + ((n - top) & 7) * 16;
    uint64_t m = img_q(st, 0);
    unsigned exponent = img_w(st, 8) & 0x7fff;

    if (!(x[XS_FTW] >> n & 1))
        return 3;
    if (!exponent)
        return m ? 2 : 1;
    if (exponent == 0x7fff || !(m >> 63))
        return 2;
    return 0;
}

static uint16_t full_tag_word(const uint8_t *x)
{
    unsigned w = 0;

    for (unsigned n = 0; n < 8; n++)
        w |= full_tag(x, n) << n * 2;
    return (uint16_t)w;
}

static uint8_t abridged_tags(uint16_t full)
{
    unsigned w = 0;

    for (unsigned n = 0; n < 8; n++)
        w |= (unsigned)((full >> n * 2 & 3) != 3) << n;
    return (uint8_t)w;
}

static bool protected_format(X86CPU *c)
{
    return TCG(c)->mode & TM_PE;
}

static bool no_selectors(X86CPU *c)
{
    return tcg_has(c, F_7_0_EBX, 13);
}

static unsigned env_size(const Insn *i)
{
    return i->osz == 2 ? 14 : 28;
}

static void env_make(X86CPU *c, const Insn *i, const uint8_t *x, uint8_t *e)
{
    TcgCpu *t = TCG(c);
    unsigned w = i->osz == 2 ? 2 : 4;
    uint64_t ip = t->fpu_ip, dp = t->fpu_dp;
    uint16_t cs = no_selectors(c) ? 0 : t->fpu_cs, ds = no_selectors(c) ? 0 : t->fpu_ds;
    uint16_t fcw = img_w(x, XS_FCW), fsw = fsw_summary(img_w(x, XS_FSW), fcw);

    if (w == 4) {
        /* Reserved halves read as ones. */
        for (unsigned n = 0; n < 28; n += 4)
            img_set_l(e, n, 0xffff0000);
    }
    img_set_w(e, 0, fcw);
    img_set_w(e, w, fsw);
    img_set_w(e, 2 * w, full_tag_word(x));
    if (protected_format(c)) {
        if (w == 4) {
            img_set_l(e, 12, (uint32_t)ip);
            img_set_l(e, 16, cs | (uint32_t)t->fpu_op << 16);
            img_set_l(e, 20, (uint32_t)dp);
            img_set_w(e, 24, ds);
        } else {
            img_set_w(e, 6, (uint16_t)ip);
            img_set_w(e, 8, cs);
            img_set_w(e, 10, (uint16_t)dp);
            img_set_w(e, 12, ds);
        }
        return;
    }
    /* Real and virtual-8086 mode: linear addresses. */
    ip += (uint64_t)cs << 4;
    dp += (uint64_t)ds << 4;
    if (w == 4) {
        img_set_w(e, 12, (uint16_t)ip);
        img_set_l(e, 16, t->fpu_op | (uint32_t)(ip >> 16 & 0xffff) << 12);
        img_set_w(e, 20, (uint16_t)dp);
        img_set_l(e, 24, (uint32_t)(dp >> 16 & 0xffff) << 12);
    } else {
        img_set_w(e, 6, (uint16_t)ip);
        img_set_w(e, 8, (uint16_t)((ip >> 4 & 0xf000) | t->fpu_op));
        img_set_w(e, 10, (uint16_t)dp);
        img_set_w(e, 12, (uint16_t)(dp >> 4 & 0xf000));
    }
}

static void env_take(X86CPU *c, const Insn *i, uint8_t *x, const uint8_t *e)
{
    TcgCpu *t = TCG(c);
    unsigned w = i->osz == 2 ? 2 : 4;
    uint16_t fcw = (img_w(e, 0) & 0x1f3f) | 0x40;

    img_set_w(x, XS_FCW, fcw);
    img_set_fsw(x, fsw_summary(img_w(e, w), fcw));
    x[XS_FTW] = abridged_tags(img_w(e, 2 * w));
    t->fpu_op = t->fpu_cs = t->fpu_ds = 0;
    if (protected_format(c)) {
        if (w == 4) {
            t->fpu_ip = img_l(e, 12);
            t->fpu_cs = img_w(e, 16);
            t->fpu_op = img_w(e, 18) & 0x7ff;
            t->fpu_dp = img_l(e, 20);
            t->fpu_ds = img_w(e, 24);
        } else {
            t->fpu_ip = img_w(e, 6);
            t->fpu_cs = img_w(e, 8);
            t->fpu_dp = img_w(e, 10);
            t->fpu_ds = img_w(e, 12);
        }
    } else if (w == 4) {
        t->fpu_ip = img_w(e, 12) | (img_l(e, 16) >> 12 & 0xffff) << 16;
        t->fpu_op = img_w(e, 16) & 0x7ff;
        t->fpu_dp = img_w(e, 20) | (img_l(e, 24) >> 12 & 0xffff) << 16;
    } else {
        t->fpu_ip = img_w(e, 6) | (uint32_t)(img_w(e, 8) & 0xf000) << 4;
        t->fpu_op = img_w(e, 8) & 0x7ff;
        t->fpu_dp = img_w(e, 10) | (uint32_t)(img_w(e, 12) & 0xf000) << 4;
    }
    img_in_use(x, XC_X87);
}

static uint64_t operand_lin(X86CPU *c, const Insn *i, unsigned size, unsigned access)
{
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), size, access);

    if (TCG(c)->mode & TM_AC && lin & (i->osz == 2 ? 1 : 3))
        tcg_raise_error(c, EXC_AC, 0);
    return lin;
}

HANDLER(FNSTENV)
{
    uint8_t e[28], *x = fpu_image(c);
    uint64_t lin = operand_lin(c, i, env_size(i), ACCESS_W);
    uint16_t fcw;

    env_make(c, i, x, e);
    tcg_write_lin(c, lin, e, env_size(i), tcg_mmu(c));
    x = fpu_image(c);
    fcw = img_w(x, XS_FCW) | FSW_EXCEPTIONS;
    img_set_w(x, XS_FCW, fcw);
    img_set_w(x, XS_FSW, fsw_summary(img_w(x, XS_FSW), fcw));
    img_in_use(x, XC_X87);
    tcg_fpu_ferr_update(c);
}

HANDLER(FLDENV)
{
    uint8_t e[28];

    tcg_fpu_check_pending(c);
    tcg_read_lin(c, operand_lin(c, i, env_size(i), ACCESS_R), e, env_size(i), tcg_mmu(c));
    env_take(c, i, fpu_image(c), e);
    tcg_fpu_ferr_update(c);
}

HANDLER(FNSAVE)
{
    uint8_t e[108], *x = fpu_image(c);
    unsigned n = env_size(i);
    uint64_t lin = operand_lin(c, i, n + 80, ACCESS_W);

    env_make(c, i, x, e);
    for (unsigned r = 0; r < 8; r++)
        tcg_copy(e + n + r * 10, x + XS_ST + r * 16, 10);
    tcg_write_lin(c, lin, e, n + 80, tcg_mmu(c));
    init_control(c, fpu_image(c));
}

HANDLER(FRSTOR)
{
    uint8_t e[108], *x;
    unsigned n = env_size(i);

    tcg_fpu_check_pending(c);
    tcg_read_lin(c, operand_lin(c, i, n + 80, ACCESS_R), e, n + 80, tcg_mmu(c));
    x = fpu_image(c);
    env_take(c, i, x, e);
    for (unsigned r = 0; r < 8; r++) {
        img_zero(x + XS_ST + r * 16 + 10, 6);
        tcg_copy(x + XS_ST + r * 16, e + n + r * 10, 10);
    }
    tcg_fpu_ferr_update(c);
}
