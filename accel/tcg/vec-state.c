/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FXSAVE, FXRSTOR and the XSAVE family (SDM volume 1, 10.5 and chapter 13). Light code.
 *
 * A guest has the components x87, SSE, AVX and PKRU. The modified optimization of XSAVEOPT and XSAVES is not made: what
 * is in use is written. XSS has no bits, so that XSAVES is XSAVEC and XRSTORS is XRSTOR of the compacted format.
 */
#include "accel/tcg/vec.h"

static bool any_set(const uint8_t *x, unsigned len)
{
    uint64_t v = 0;

    for (unsigned n = 0; n < len; n += 8)
        v |= img_q(x, n);
    return v;
}

/* XINUSE: vector registers that are all zero are in their initial state, as AMD's CPUs see it. */
static uint64_t in_use(X86CPU *c, const uint8_t *x)
{
    uint64_t bv = x[XS_XSTATE_BV] & (XC_X87 | XC_SSE | XC_AVX);

    if (bv & XC_SSE && !any_set(x + XS_XMM, 256))
        bv &= ~(uint64_t)XC_SSE;
    if (bv & XC_AVX && !any_set(x + XS_YMM, XS_YMM_SIZE))
        bv &= ~(uint64_t)XC_AVX;
    return (bv | (c->pkru ? XC_PKRU : 0)) & c->xcr0;
}

uint64_t tcg_fpu_in_use(X86CPU *c)
{
    return in_use(c, fpu_image(c));
}

/* The last instruction is told: always, or by AMD's CPUs while it has an exception pending. */
static bool tells_pointers(X86CPU *c, const uint8_t *x)
{
    return !TCG(c)->vec->pointers_lazy || img_w(x, XS_FSW) & FSW_ES;
}

static void put_pointers(X86CPU *c, uint8_t *to, bool w64)
{
    TcgCpu *t = TCG(c);
    bool told = tells_pointers(c, to), selectors = told && !tcg_has(c, F_7_0_EBX, 13);

    img_set_w(to, XS_FOP, told ? t->fpu_op : 0);
    if (w64) {
        img_set_q(to, XS_FIP, told ? t->fpu_ip : 0);
        img_set_q(to, XS_FDP, told ? t->fpu_dp : 0);
    } else {
        img_set_q(to, XS_FIP, told ? (uint32_t)t->fpu_ip | (uint64_t)(selectors ? t->fpu_cs : 0) << 32 : 0);
        img_set_q(to, XS_FDP, told ? (uint32_t)t->fpu_dp | (uint64_t)(selectors ? t->fpu_ds : 0) << 32 : 0);
    }
}

static void take_pointers(X86CPU *c, const uint8_t *from, bool w64)
{
    TcgCpu *t = TCG(c);

    /* AMD's restore them with an exception that is pending only, or always (to the zeros that were saved) by
     * XSaveErPtr. */
    if (!tells_pointers(c, from) && !tcg_has(c, F_8000_0008_EBX, 2))
        return;
    t->fpu_op = img_w(from, XS_FOP) & 0x7ff;
    t->fpu_ip = img_q(from, XS_FIP);
    t->fpu_dp = img_q(from, XS_FDP);
    if (!w64) {
        t->fpu_ip = (uint32_t)t->fpu_ip;
        t->fpu_dp = (uint32_t)t->fpu_dp;
        t->fpu_cs = img_w(from, XS_FCS);
        t->fpu_ds = img_w(from, XS_FDS);
    } else {
        t->fpu_cs = t->fpu_ds = 0;
    }
}

/* Bytes 0-23: control, status, tags, pointers, as FXSAVE writes them. */
static void put_x87_control(X86CPU *c, uint8_t *to, const uint8_t *x, bool w64)
{
    uint16_t fcw = img_w(x, XS_FCW);

    img_set_w(to, XS_FCW, fcw);
    img_set_w(to, XS_FSW, fsw_summary(img_w(x, XS_FSW), fcw));
    img_set_w(to, XS_FTW, x[XS_FTW]);
    put_pointers(c, to, w64);
}

static void put_mxcsr(uint8_t *to, const uint8_t *x)
{
    img_set_l(to, XS_MXCSR, img_l(x, XS_MXCSR));
    img_set_l(to, XS_MXCSR_MASK, MXCSR_VALID);
}

static void put_st(uint8_t *to, const uint8_t *x)
{
    for (unsigned r = 0; r < 8; r++) {
        tcg_copy(to + XS_ST + r * 16, x + XS_ST + r * 16, 10);
        img_zero(to + XS_ST + r * 16 + 10, 6);
    }
}

static unsigned xmm_bytes(X86CPU *c)
{
    return tcg_code64(c) ? 256 : 128;
}

/* x87 state from an FXSAVE image, or its initial values (from is NULL). */
static void take_x87(X86CPU *c, uint8_t *x, const uint8_t *from, bool w64)
{
    TcgCpu *t = TCG(c);

    if (!from) {
        img_zero(x, XS_MXCSR);
        img_zero(x + XS_ST, 128);
        img_set_w(x, XS_FCW, FCW_INIT);
        t->fpu_ip = t->fpu_dp = 0;
        t->fpu_cs = t->fpu_ds = t->fpu_op = 0;
        x[XS_XSTATE_BV] &= (uint8_t)~XC_X87;
        tcg_fpu_ferr_update(c);
        return;
    }
    uint16_t fcw = (img_w(from, XS_FCW) & 0x1f3f) | 0x40;

    img_set_w(x, XS_FCW, fcw);
    img_set_w(x, XS_FSW, fsw_summary(img_w(from, XS_FSW), fcw));
    x[XS_FTW] = from[XS_FTW];
    put_st(x, from);
    img_in_use(x, XC_X87);
    /* The summary bit is what FCW makes of the flags, whatever the image says. */
    uint8_t head[XS_MXCSR];

    tcg_copy(head, from, sizeof(head));
    img_set_w(head, XS_FSW, img_w(x, XS_FSW));
    take_pointers(c, head, w64);
    tcg_fpu_ferr_update(c);
}

/* FXSAVE */

static bool fast_fxsave(X86CPU *c) /* the XMM registers are left out */
{
    return c->efer & EFER_FFXSR && tcg_code64(c) && !tcg_cpl(c);
}

static uint64_t fx_begin(X86CPU *c, const Insn *i, unsigned access)
{
    if (TCG(c)->mode & (TM_EM | TM_TS))
        tcg_raise(c, EXC_NM);
    uint64_t ea = tcg_ea(c, i), lin = tcg_lin_unchecked(c, i, ea);

    if (lin & 15)
        tcg_raise_error(c, TCG(c)->mode & TM_AC && lin & 3 ? EXC_AC : EXC_GP, 0);
    return tcg_lin(c, i->seg, ea, 512, access);
}

HANDLER(FXSAVE)
{
    uint64_t lin = fx_begin(c, i, ACCESS_W);
    unsigned mmu = tcg_mmu(c), len = fast_fxsave(c) ? XS_XMM : XS_XMM + xmm_bytes(c);
    const uint8_t *x = fpu_image(c);
    uint8_t *a = TCG(c)->vec->area;

    tcg_probe_lin(c, lin, 512, ACCESS_W, mmu);
    put_x87_control(c, a, x, i->osz == 8);
    put_mxcsr(a, x);
    put_st(a, x);
    tcg_copy(a + XS_XMM, x + XS_XMM, 256);
    tcg_write_lin(c, lin, a, len, mmu);
}

HANDLER(FXRSTOR)
{
    uint64_t lin = fx_begin(c, i, ACCESS_R);
    uint8_t *a = TCG(c)->vec->area, *x;

    tcg_read_lin(c, lin, a, 512, tcg_mmu(c));
    if (img_l(a, XS_MXCSR) & ~(uint32_t)MXCSR_VALID)
        tcg_raise_error(c, EXC_GP, 0);
    x = fpu_image(c);
    take_x87(c, x, a, i->osz == 8);
    img_set_l(x, XS_MXCSR, img_l(a, XS_MXCSR));
    if (!fast_fxsave(c))
        tcg_copy(x + XS_XMM, a + XS_XMM, xmm_bytes(c));
    img_in_use(x, XC_SSE);
}

/* XSAVE */

static void check_xsave(X86CPU *c)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        tcg_raise(c, EXC_UD);
    if (TCG(c)->mode & TM_TS)
        tcg_raise(c, EXC_NM);
}

static uint64_t requested(X86CPU *c)
{
    return ((c->gpr[R_RDX] << 32) | (uint32_t)c->gpr[R_RAX]) & c->xcr0;
}

/* Where the components behind the header are, and how far the area reaches. compact: XCOMP_BV. */
typedef struct Layout {
    unsigned avx, pkru, size;
} Layout;

static Layout layout(X86CPU *c, uint64_t components, bool compact)
{
    Layout l = {.avx = XS_EXTENDED, .size = XS_EXTENDED};

    if (components & XC_AVX)
        l.size += XS_YMM_SIZE;
    l.pkru = compact ? l.size : TCG(c)->vec->pkru_offset;
    if (components & XC_PKRU)
        l.size = l.pkru + 8;
    return l;
}

static uint64_t area_begin(X86CPU *c, const Insn *i, unsigned size, unsigned access)
{
    uint64_t ea = tcg_ea(c, i);

    if (tcg_lin_unchecked(c, i, ea) & 63)
        tcg_raise_error(c, EXC_GP, 0);
    return tcg_lin(c, i->seg, ea, size, access);
}

/* opt: components in their initial state are not written. */
static void xsave(X86CPU *c, const Insn *i, bool opt, bool compact)
{
    check_xsave(c);
    uint64_t rfbm = requested(c);
    Layout l = layout(c, rfbm, compact);
    uint64_t lin = area_begin(c, i, l.size, ACCESS_W), mask = TCG(c)->lin_mask;
    unsigned mmu = tcg_mmu(c);
    const uint8_t *x = fpu_image(c);
    uint8_t *a = TCG(c)->vec->area;
    uint64_t used = in_use(c, x), bv, write = opt ? rfbm & used : rfbm;

    tcg_probe_lin(c, lin, l.size, ACCESS_W, mmu);
    if (compact && img_l(x, XS_MXCSR) != MXCSR_INIT)
        used |= XC_SSE;
    if (opt)
        write = rfbm & used;
    if (compact)
        bv = used & rfbm;
    else
        bv = (tcg_load_lin(c, (lin + XS_XSTATE_BV) & mask, 8, mmu) & ~rfbm) | (used & rfbm);

    put_x87_control(c, a, x, i->osz == 8);
    put_mxcsr(a, x);
    put_st(a, x);
    if (write & XC_X87) {
        tcg_write_lin(c, lin, a, XS_MXCSR, mmu);
        tcg_write_lin(c, (lin + XS_ST) & mask, a + XS_ST, 128, mmu);
    }
    /* MXCSR belongs to SSE where the format is compacted, to SSE and AVX else. */
    if (compact ? write & XC_SSE : rfbm & (XC_SSE | XC_AVX))
        tcg_write_lin(c, (lin + XS_MXCSR) & mask, a + XS_MXCSR, 8, mmu);
    x = fpu_image(c);
    if (write & XC_SSE)
        tcg_write_lin(c, (lin + XS_XMM) & mask, x + XS_XMM, xmm_bytes(c), mmu);
    img_set_q(a, XS_XSTATE_BV, bv);
    img_set_q(a, XS_XCOMP_BV, rfbm | XCOMP_COMPACT);
    tcg_write_lin(c, (lin + XS_XSTATE_BV) & mask, a + XS_XSTATE_BV, compact ? 16 : 8, mmu);
    x = fpu_image(c);
    if (write & XC_AVX)
        tcg_write_lin(c, (lin + l.avx) & mask, x + XS_YMM, xmm_bytes(c), mmu);
    if (write & XC_PKRU)
        tcg_store_lin(c, (lin + l.pkru) & mask, 8, c->pkru, mmu);
}

HANDLER(XSAVE)
{
    xsave(c, i, false, false);
}

HANDLER(XSAVEOPT)
{
    xsave(c, i, true, false);
}

HANDLER(XSAVEC)
{
    xsave(c, i, true, true);
}

HANDLER(XSAVES)
{
    xsave(c, i, true, true);
}

static _Noreturn void bad_area(X86CPU *c)
{
    tcg_raise_error(c, EXC_GP, 0);
}

static void xrstor(X86CPU *c, const Insn *i, bool supervisor)
{
    check_xsave(c);
    uint64_t rfbm = requested(c), lin = area_begin(c, i, XS_EXTENDED, ACCESS_R), mask = TCG(c)->lin_mask;
    unsigned mmu = tcg_mmu(c), xmm = xmm_bytes(c);
    uint8_t *a = TCG(c)->vec->area, *x;
    bool w64 = i->osz == 8;

    tcg_read_lin(c, lin, a, XS_EXTENDED, mmu);
    uint64_t bv = img_q(a, XS_XSTATE_BV), xcomp = img_q(a, XS_XCOMP_BV);
    bool compact = xcomp >> 63;

    /* SDM volume 1, 13.8.2 and 13.12. */
    if (compact) {
        if (!tcg_has(c, F_XSAVE, 1) || xcomp & ~XCOMP_COMPACT & ~c->xcr0 || bv & ~xcomp)
            bad_area(c);
        for (unsigned n = XS_HEADER + 16; n < XS_EXTENDED; n += 8) {
            if (img_q(a, n))
                bad_area(c);
        }
    } else if (supervisor || bv & ~c->xcr0 || xcomp || img_q(a, XS_HEADER + 16)) {
        bad_area(c);
    }
    uint64_t load = rfbm & bv;
    bool mxcsr = compact ? load & XC_SSE : rfbm & (XC_SSE | XC_AVX);

    if (mxcsr && img_l(a, XS_MXCSR) & ~(uint32_t)MXCSR_VALID)
        bad_area(c);
    Layout l = layout(c, compact ? xcomp : load, compact);
    uint64_t pkru = 0;

    if (load & (XC_AVX | XC_PKRU)) {
        tcg_lin(c, i->seg, tcg_ea(c, i), l.size, ACCESS_R);
        if (load & XC_AVX)
            tcg_read_lin(c, (lin + l.avx) & mask, a + XS_YMM, xmm, mmu);
        if (load & XC_PKRU)
            pkru = tcg_load_lin(c, (lin + l.pkru) & mask, 8, mmu);
    }

    x = fpu_image(c);
    if (rfbm & XC_X87)
        take_x87(c, x, load & XC_X87 ? a : NULL, w64);
    if (mxcsr)
        img_set_l(x, XS_MXCSR, img_l(a, XS_MXCSR));
    else if (compact && rfbm & XC_SSE)
        img_set_l(x, XS_MXCSR, MXCSR_INIT);
    if (load & XC_SSE) {
        tcg_copy(x + XS_XMM, a + XS_XMM, xmm);
        img_in_use(x, XC_SSE);
    } else if (rfbm & XC_SSE) {
        img_zero(x + XS_XMM, xmm);
        if (xmm == 256)
            x[XS_XSTATE_BV] &= (uint8_t)~XC_SSE;
    }
    if (load & XC_AVX) {
        tcg_copy(x + XS_YMM, a + XS_YMM, xmm);
        img_in_use(x, XC_AVX);
    } else if (rfbm & XC_AVX) {
        img_zero(x + XS_YMM, xmm);
        if (xmm == 256)
            x[XS_XSTATE_BV] &= (uint8_t)~XC_AVX;
    }
    if (rfbm & XC_PKRU && c->pkru != (uint32_t)pkru) {
        c->pkru = (uint32_t)pkru;
        tcg_flush_tlb(c, true);
    }
}

HANDLER(XRSTOR)
{
    xrstor(c, i, false);
}

HANDLER(XRSTORS)
{
    xrstor(c, i, true);
}

/* The state as others see it. */

static bool long_code(X86CPU *c) /* the mode may not be computed yet */
{
    return c->efer & EFER_LMA && c->seg[SEG_CS].flags & DESC_L;
}

void tcg_fpu_export(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    uint8_t *x = fpu_image(c);

    img_set_l(x, XS_MXCSR_MASK, MXCSR_VALID);
    img_set_w(x, XS_FOP, t->fpu_op);
    img_set_q(x, XS_FIP, t->fpu_ip);
    img_set_q(x, XS_FDP, t->fpu_dp);
    if (!long_code(c)) {
        img_set_w(x, XS_FCS, t->fpu_cs);
        img_set_w(x, XS_FDS, t->fpu_ds);
    }
    if (t->vec && t->vec->pkru_offset) {
        img_set_q(x, t->vec->pkru_offset, c->pkru);
        x[XS_XSTATE_BV + 1] = (uint8_t)((x[XS_XSTATE_BV + 1] & ~(XC_PKRU >> 8)) | (c->pkru ? XC_PKRU >> 8 : 0));
    }
}

void tcg_fpu_import(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    uint8_t *x = c->xsave;
    uint8_t bv = x[XS_XSTATE_BV] & (XC_X87 | XC_SSE | XC_AVX);
    uint64_t high = 0;

    t->fpu_live = false;
    if (t->vec && t->vec->pkru_offset)
        c->pkru = x[XS_XSTATE_BV + 1] & XC_PKRU >> 8 ? img_l(x, t->vec->pkru_offset) : 0;
    for (unsigned n = 0; n < XS_YMM_SIZE; n += 8)
        high |= img_q(x, XS_YMM + n);
    if (high)
        bv |= XC_AVX;
    img_zero(x + XS_HEADER, XS_EXTENDED - XS_HEADER);
    x[XS_XSTATE_BV] = bv | XC_X87 | XC_SSE;
    img_set_l(x, XS_MXCSR, img_l(x, XS_MXCSR) & MXCSR_VALID);
    img_set_l(x, XS_MXCSR_MASK, MXCSR_VALID);
    img_set_w(x, XS_FCW, (img_w(x, XS_FCW) & 0x1f3f) | 0x40);
    t->fpu_op = img_w(x, XS_FOP) & 0x7ff;
    t->fpu_ip = img_q(x, XS_FIP);
    t->fpu_dp = img_q(x, XS_FDP);
    t->fpu_cs = t->fpu_ds = 0;
    if (!long_code(c)) {
        t->fpu_cs = img_w(x, XS_FCS);
        t->fpu_ds = img_w(x, XS_FDS);
        t->fpu_ip = (uint32_t)t->fpu_ip;
        t->fpu_dp = (uint32_t)t->fpu_dp;
    }
}
