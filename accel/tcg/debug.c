/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What DR7's breakpoints see (SDM volume 3, 17.2), and which ports the current task may use (volume 1, 18.5). MOV DR is
 * in control.c. Light code.
 */
#include "accel/tcg/ops.h"

enum { RW_EXEC, RW_WRITE, RW_IO, RW_ACCESS };

static bool enabled(X86CPU *c, unsigned n)
{
    return c->dr[7] >> n * 2 & 3;
}
static unsigned kind(X86CPU *c, unsigned n)
{
    return c->dr[7] >> (16 + n * 4) & 3;
}
static unsigned length(X86CPU *c, unsigned n)
{
    static const uint8_t bytes[] = {1, 2, 8, 4};

    return bytes[c->dr[7] >> (18 + n * 4) & 3];
}

/* Does breakpoint n cover any of [at, at + size)? Its address counts without the bits that its length leaves out. */
static bool covers(X86CPU *c, unsigned n, uint64_t at, unsigned size, uint64_t mask)
{
    uint64_t len = length(c, n), base = c->dr[n] & ~(len - 1) & mask;

    return at < base + len && base < at + size;
}

bool tcg_check_code_breakpoint(X86CPU *c, uint64_t lin)
{
    uint32_t hits = 0;

    for (unsigned n = 0; n < 4; n++) {
        if (enabled(c, n) && kind(c, n) == RW_EXEC && (c->dr[n] & TCG(c)->lin_mask) == lin)
            hits |= 1U << n;
    }
    if (!hits)
        return false;
    c->dr[6] = (c->dr[6] & ~15ULL) | hits;
    TCG(c)->code_breakpoint = true;
    return true;
}

void tcg_note_data_access(X86CPU *c, uint64_t lin, unsigned size, bool write)
{
    for (unsigned n = 0; n < 4; n++) {
        unsigned k = kind(c, n);

        if (enabled(c, n) && (k == RW_ACCESS || (k == RW_WRITE && write)) && covers(c, n, lin, size, TCG(c)->lin_mask))
            TCG(c)->pending_dr6 |= 1U << n;
    }
}

void tcg_note_io_access(X86CPU *c, uint16_t port, unsigned size)
{
    if (!(c->cr4 & CR4_DE))
        return;
    for (unsigned n = 0; n < 4; n++) {
        if (enabled(c, n) && kind(c, n) == RW_IO && covers(c, n, port, size, 0xffff))
            TCG(c)->pending_dr6 |= 1U << n;
    }
}

void tcg_check_io(X86CPU *c, uint16_t port, unsigned size)
{
    enum { MAP_AT = 0x66, TYPE_32 = 8 << DESC_TYPE_SHIFT };
    uint32_t m = TCG(c)->mode;
    uint64_t mask = TCG(c)->lin_mask;

    if (m & TM_IOPL && !(m & TM_VM))
        return;
    /* Two bytes are read always, so that the map ends with one of ones. */
    if (c->tr.flags & TYPE_32 && c->tr.flags & DESC_P && c->tr.limit >= MAP_AT + 1) {
        uint32_t at = (uint32_t)tcg_load_lin(c, (c->tr.base + MAP_AT) & mask, 2, TCG_MMU_SYSTEM) + port / 8U;

        if (at + 1 <= c->tr.limit) {
            uint64_t bits = tcg_load_lin(c, (c->tr.base + at) & mask, 2, TCG_MMU_SYSTEM);

            if (!(bits >> (port & 7) & ((1U << size) - 1)))
                return;
        }
    }
    tcg_raise_error(c, EXC_GP, 0);
}
