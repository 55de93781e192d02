/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vector instructions whose memory accesses depend on a mask, element by element: MASKMOVQ, MASKMOVDQU, VMASKMOV,
 * gathers; VZEROUPPER and VZEROALL. Light code. */
#include "accel/tcg/vec.h"

/* 32 bytes of a vector register to and from the image. */
static void ymm_get(const uint8_t *x, unsigned reg, uint8_t *v)
{
    tcg_copy(v, x + XS_XMM + reg * 16, 16);
    tcg_copy(v + 16, x + XS_YMM + reg * 16, 16);
}

static void ymm_set(uint8_t *x, unsigned reg, const uint8_t *v)
{
    tcg_copy(x + XS_XMM + reg * 16, v, 16);
    tcg_copy(x + XS_YMM + reg * 16, v + 16, 16);
    img_in_use(x, XC_SSE | XC_AVX);
}

static uint64_t element_lin(X86CPU *c, const Insn *i, uint64_t off, unsigned size, unsigned access)
{
    if (i->asz != 8)
        off &= size_mask(i->asz);
    return tcg_lin(c, i->seg, off, size, access);
}

/* The whole operand must be in reach, whatever the mask (SDM leaves that open; AMD's CPUs do so). */
HANDLER(MASKMOV)
{
    unsigned size = i->pp == 1 ? 16 : 8, mmu = tcg_mmu(c);
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), size, ACCESS_W);
    uint8_t data[16], mask[16], *x;

    if (TCG(c)->mode & TM_AC && lin & 7)
        tcg_raise_error(c, EXC_AC, 0);
    tcg_probe_lin(c, lin, size, ACCESS_W, mmu);
    x = fpu_image(c);
    if (size == 16) {
        tcg_copy(data, x + XS_XMM + i->reg * 16, 16);
        tcg_copy(mask, x + XS_XMM + i->rm * 16, 16);
    } else {
        /* MMn is physical register n; all become valid. */
        img_set_fsw(x, img_w(x, XS_FSW) & (uint16_t)~FSW_TOP);
        x[XS_FTW] = 0xff;
        img_in_use(x, XC_X87);
        tcg_copy(data, x + XS_ST + (i->reg & 7) * 16, 8);
        tcg_copy(mask, x + XS_ST + (i->rm & 7) * 16, 8);
    }
    for (unsigned n = 0; n < size; n++) {
        if (mask[n] & 0x80)
            tcg_store_lin(c, (lin + n) & TCG(c)->lin_mask, 1, data[n], mmu);
    }
}

/* Elements of masked moves and gathers are not checked for alignment. */
static uint64_t element_load(X86CPU *c, uint64_t lin, unsigned size, unsigned mmu)
{
    uint64_t v = 0;

    tcg_read_lin(c, lin, &v, size, mmu);
    return v;
}

HANDLER(VMASKMOV)
{
    bool store = i->opcode == 0x2e || i->opcode == 0x2f || i->opcode == 0x8e;
    unsigned size = i->opcode >= 0x80 ? (i->vex_w ? 8 : 4)
                    : i->opcode & 1   ? 8
                                      : 4,
             count = (i->vl ? 32 : 16) / size, mmu = tcg_mmu(c);
    uint64_t ea = tcg_ea(c, i), lin[8];
    uint8_t data[64] = {0}, mask[64] = {0}; /* 32 are used; gcc takes 8 elements of 8 bytes for possible */

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
                tcg_write_lin(c, lin[n], data + n * size, size, mmu);
        }
        return;
    }
    img_zero(data, 32);
    for (unsigned n = 0; n < count; n++) {
        if (!(mask[n * size + size - 1] & 0x80))
            continue;
        uint64_t v = element_load(c, lin[n], size, mmu);

        if (size == 8)
            img_set_q(data, n * 8, v);
        else
            img_set_l(data, n * 4, (uint32_t)v);
    }
    ymm_set(fpu_image(c), i->reg, data);
}

/* Elements are loaded in order; with each, its part of the destination and of the mask is final: a fault leaves those
 * before it done, and the rest of the mask as it was. */
HANDLER(GATHER)
{
    unsigned size = i->vex_w ? 8 : 4, index_size = i->opcode & 1 ? 8 : 4, bytes = i->vl ? 32 : 16;
    unsigned count = bytes / (size > index_size ? size : index_size), mmu = tcg_mmu(c);
    uint64_t base = (uint64_t)i->disp;
    uint8_t data[64] = {0}, mask[64] = {0}, index[64] = {0}; /* as above */

    if (i->reg == i->vvvv || i->reg == i->index || i->vvvv == i->index)
        tcg_raise(c, EXC_UD);
    if (i->base != REG_NONE)
        base += c->gpr[i->base];
    ymm_get(fpu_image(c), i->reg, data);
    ymm_get(fpu_image(c), i->vvvv, mask);
    ymm_get(fpu_image(c), i->index, index);
    for (unsigned n = 0; n < count; n++) {
        if (mask[n * size + size - 1] & 0x80) {
            uint64_t idx = index_size == 8 ? img_q(index, n * 8) : (uint64_t)(int64_t)(int32_t)img_l(index, n * 4);

            if (n) {
                ymm_set(fpu_image(c), i->reg, data);
                ymm_set(fpu_image(c), i->vvvv, mask);
            }
            uint64_t v = element_load(c, element_lin(c, i, base + idx * i->scale, size, ACCESS_R), size, mmu);

            if (size == 8)
                img_set_q(data, n * 8, v);
            else
                img_set_l(data, n * 4, (uint32_t)v);
        }
        img_zero(mask + n * size, size);
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
    if (i->vl)
        img_zero(x + XS_XMM, len);
    if (len == 256)
        x[XS_XSTATE_BV] &= (uint8_t) ~(i->vl ? XC_AVX | XC_SSE : XC_AVX);
}
