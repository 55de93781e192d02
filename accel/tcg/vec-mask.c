/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vector instructions whose memory accesses depend on a mask, element by element: MASKMOVQ, MASKMOVDQU, VMASKMOV,
 * gathers; VZEROUPPER and VZEROALL. Light code. */
#include "accel/tcg/vec.h"

/* 32 bytes of a vector register to and from the image. */
static void ymm_get(const uint8_t *x, unsigned reg, uint8_t *v)
{
    img_copy(v, x + XS_XMM + reg * 16, 16);
    img_copy(v + 16, x + XS_YMM + reg * 16, 16);
}

static void ymm_set(uint8_t *x, unsigned reg, const uint8_t *v)
{
    img_copy(x + XS_XMM + reg * 16, v, 16);
    img_copy(x + XS_YMM + reg * 16, v + 16, 16);
    img_in_use(x, XC_SSE | XC_AVX);
}

static uint64_t element_lin(X86CPU *c, const Insn *i, uint64_t off, unsigned size, unsigned access)
{
    if (i->asz != 8)
        off &= size_mask(i->asz);
    return tcg_lin(c, i->seg, off, size, access);
}

HANDLER(MASKMOV)
{
    unsigned size = i->pp == 1 ? 16 : 8, mmu = tcg_mmu(c), seg = i->seg_override ? i->seg : SEG_DS;
    uint64_t off = c->gpr[R_RDI] & size_mask(i->asz), lin[16];
    uint8_t data[16], mask[16], *x;

    if (size == 8)
        tcg_fpu_check_pending(c);
    x = fpu_image(c);
    if (size == 16) {
        img_copy(data, x + XS_XMM + i->reg * 16, 16);
        img_copy(mask, x + XS_XMM + i->rm * 16, 16);
    } else {
        /* MMn is the significand of physical register n. */
        unsigned top = (img_w(x, XS_FSW) & FSW_TOP) >> FSW_TOP_SHIFT;

        img_copy(data, x + XS_ST + ((i->reg - top) & 7) * 16, 8);
        img_copy(mask, x + XS_ST + ((i->rm - top) & 7) * 16, 8);
    }
    for (unsigned n = 0; n < size; n++) {
        if (!(mask[n] & 0x80))
            continue;
        lin[n] = tcg_lin(c, seg, (off + n) & size_mask(i->asz), 1, ACCESS_W);
        tcg_probe_lin(c, lin[n], 1, ACCESS_W, mmu);
    }
    if (size == 8) {
        /* The stack's registers stay where they are physically; TOP becomes 0, all are valid. */
        unsigned top = (img_w(x, XS_FSW) & FSW_TOP) >> FSW_TOP_SHIFT;
        uint8_t st[128];

        img_copy(st, x + XS_ST, 128);
        for (unsigned n = 0; n < 8; n++)
            img_copy(x + XS_ST + n * 16, st + ((n - top) & 7) * 16, 16);
        img_set_w(x, XS_FSW, img_w(x, XS_FSW) & (uint16_t)~FSW_TOP);
        x[XS_FTW] = 0xff;
        img_in_use(x, XC_X87);
    }
    for (unsigned n = 0; n < size; n++) {
        if (mask[n] & 0x80)
            tcg_store_lin(c, lin[n], 1, data[n], mmu);
    }
}

HANDLER(VMASKMOV)
{
    bool store = i->opcode == 0x2e || i->opcode == 0x2f || i->opcode == 0x8e;
    unsigned size = i->opcode >= 0x80 ? (i->vex_w ? 8 : 4)
                    : i->opcode & 1   ? 8
                                      : 4,
             count = (i->vl ? 32 : 16) / size, mmu = tcg_mmu(c);
    uint64_t ea = tcg_ea(c, i), lin[8];
    uint8_t data[32], mask[32];

    ymm_get(fpu_image(c), i->reg, data);
    ymm_get(fpu_image(c), i->vvvv, mask);
    for (unsigned n = 0; n < count; n++) {
        if (!(mask[n * size + size - 1] & 0x80))
            continue;
        lin[n] = element_lin(c, i, ea + n * size, size, store ? ACCESS_W : ACCESS_R);
        if (store)
            tcg_probe_lin(c, lin[n], size, ACCESS_W, mmu);
    }
    if (store) {
        for (unsigned n = 0; n < count; n++) {
            if (mask[n * size + size - 1] & 0x80)
                tcg_store_lin(c, lin[n], size, size == 8 ? img_q(data, n * 8) : img_l(data, n * 4), mmu);
        }
        return;
    }
    img_zero(data, 32);
    for (unsigned n = 0; n < count; n++) {
        if (!(mask[n * size + size - 1] & 0x80))
            continue;
        uint64_t v = tcg_load_lin(c, lin[n], size, mmu);

        if (size == 8)
            img_set_q(data, n * 8, v);
        else
            img_set_l(data, n * 4, (uint32_t)v);
    }
    ymm_set(fpu_image(c), i->reg, data);
}

/* Elements are loaded in order; with each, its part of the destination and of the mask is final: a fault leaves those
 * before it done. */
HANDLER(GATHER)
{
    unsigned size = i->vex_w ? 8 : 4, index_size = i->opcode & 1 ? 8 : 4, bytes = i->vl ? 32 : 16;
    unsigned count = bytes / (size > index_size ? size : index_size), mmu = tcg_mmu(c);
    uint64_t base = (uint64_t)i->disp;
    uint8_t data[32], mask[32], index[32];

    if (i->reg == i->vvvv || i->reg == i->index || i->vvvv == i->index)
        tcg_raise(c, EXC_UD);
    if (i->base != REG_NONE)
        base += c->gpr[i->base];
    ymm_get(fpu_image(c), i->reg, data);
    ymm_get(fpu_image(c), i->vvvv, mask);
    ymm_get(fpu_image(c), i->index, index);
    for (unsigned n = 0; n < count; n++) {
        uint8_t sign = (uint8_t)((int8_t)mask[n * size + size - 1] >> 7);

        for (unsigned b = 0; b < size; b++)
            mask[n * size + b] = sign;
    }
    for (unsigned n = 0; n < count; n++) {
        if (mask[n * size]) {
            uint64_t idx = index_size == 8 ? img_q(index, n * 8) : (uint64_t)(int64_t)(int32_t)img_l(index, n * 4);
            uint64_t v = tcg_load_lin(c, element_lin(c, i, base + idx * i->scale, size, ACCESS_R), size, mmu);

            if (size == 8)
                img_set_q(data, n * 8, v);
            else
                img_set_l(data, n * 4, (uint32_t)v);
            img_zero(mask + n * size, size);
            ymm_set(fpu_image(c), i->reg, data);
            ymm_set(fpu_image(c), i->vvvv, mask);
        }
    }
    img_zero(mask, 32);
    if (count * size < 32)
        img_zero(data + count * size, 32 - count * size);
    ymm_set(fpu_image(c), i->reg, data);
    ymm_set(fpu_image(c), i->vvvv, mask);
}

HANDLER(VZERO)
{
    uint8_t *x = fpu_image(c);
    unsigned len = tcg_code64(c) ? 256 : 128;

    img_zero(x + XS_YMM, len);
    if (i->vl) {
        img_zero(x + XS_XMM, len);
        img_in_use(x, XC_SSE);
    }
    if (len == 256)
        x[XS_XSTATE_BV] &= (uint8_t)~XC_AVX;
}
