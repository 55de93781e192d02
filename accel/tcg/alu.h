/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handlers that let the host's own instruction of the operand's size compute result and flags. Light code. */
#ifndef ACCEL_TCG_ALU_H
#define ACCEL_TCG_ALU_H

#include "accel/tcg/ops.h"

/* What follows the instruction: its flags to AX, as LAHF and SETO give them. */
#define FLAGS_TO_AX "\n\tlahf\n\tseto %%al"
/* Before one that takes CF: [cf] is 1 or 0. */
#define CARRY_IN "addb $-1, %b[cf]\n\t"

/* Those of AX that are in `which` become *fl's. */
static inline void set_flags(uint64_t *fl, uint16_t ax, uint64_t which)
{
    uint64_t got = (ax >> 8 & (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)) | (ax & 1 ? FLAG_OF : 0);

    *fl = (*fl & ~which) | (got & which);
}

/* ONE(mnemonic's suffix, operand modifier, ...) by `size`, 2, 4 or 8 bytes; BY_SIZE: 1 too. */
#define BY_SIZE_WIDE(ONE, ...)                                                                                         \
    switch (size) {                                                                                                    \
    case 2:                                                                                                            \
        ONE("w", "w", __VA_ARGS__);                                                                                    \
        break;                                                                                                         \
    case 4:                                                                                                            \
        ONE("l", "k", __VA_ARGS__);                                                                                    \
        break;                                                                                                         \
    default:                                                                                                           \
        ONE("q", "q", __VA_ARGS__);                                                                                    \
        break;                                                                                                         \
    }
#define TWO_WIDE(SUFFIX, MOD, OP) /* OP b, a */                                                                        \
    __asm__(OP SUFFIX " %" MOD "[b], %" MOD "[a]" FLAGS_TO_AX : [a] "+&r"(a), "=&a"(ax) : [b] "r"(b) : "cc")
#define BY_SIZE(ONE, ...)                                                                                              \
    if (size == 1)                                                                                                     \
        ONE("b", "b", __VA_ARGS__);                                                                                    \
    else                                                                                                               \
        BY_SIZE_WIDE(ONE, __VA_ARGS__)

#endif
