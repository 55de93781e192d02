/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * String instructions and ports: one handler each (ops.h). With REP each element is an instruction of its own as far as
 * faults and interrupts go: registers are right after each, and a request ends the handler with RIP at the instruction.
 * Light code.
 */
#include "accel/tcg/ops.h"
#include "softmmu/memory.h"

static int64_t step_of(X86CPU *c, unsigned size)
{
    return c->rflags & FLAG_DF ? -(int64_t)size : (int64_t)size;
}

static void advance(X86CPU *c, const Insn *i, unsigned reg, int64_t by)
{
    gpr_set(c, reg, i->asz, (c->gpr[reg] + (uint64_t)by) & size_mask(i->asz));
}

/* One element is done: more to do? Where something waits, or TF asks for a trap after each, the instruction is left as
 * not finished. */
static bool again(X86CPU *c, const Insn *i, uint64_t done)
{
    TcgCpu *t = TCG(c);
    uint64_t left = (c->gpr[R_RCX] - done) & size_mask(i->asz);

    gpr_set(c, R_RCX, i->asz, left);
    if (!left)
        return false;
    if (__atomic_load_n(&t->exit_request, __ATOMIC_RELAXED) || t->mode & (TM_TF | TM_DEBUG)) {
        t->next_rip = c->rip;
        return false;
    }
    return true;
}

static bool nothing_to_do(X86CPU *c, const Insn *i)
{
    return i->rep && !gpr_get(c, R_RCX, i->asz);
}

/* How many elements can be done in one go from off, upwards, within a page of flat memory; 0: one at a time. */
static uint64_t run_length(X86CPU *c, const Insn *i, unsigned seg, uint64_t off, unsigned size, uint64_t count)
{
    static const uint32_t flat[SEG_REGS] = {
        [SEG_ES] = TM_FLAT_ES, [SEG_CS] = 0, [SEG_SS] = TM_FLAT_SS, [SEG_DS] = TM_FLAT_DS, [SEG_FS] = 0, [SEG_GS] = 0};
    uint32_t m = TCG(c)->mode;

    if (!i->rep || m & (TM_TF | TM_DEBUG | TM_AC) || c->rflags & FLAG_DF || i->asz == 2 || !(m & flat[seg]))
        return 0;
    return MIN(count, (PAGE_SIZE - (off & 0xfff)) / size);
}

HANDLER(MOVS)
{
    unsigned size = i->operand[0].size, mmu = tcg_mmu(c);

    if (nothing_to_do(c, i))
        return;
    for (;;) {
        uint64_t from = gpr_get(c, R_RSI, i->asz), to = gpr_get(c, R_RDI, i->asz), count = gpr_get(c, R_RCX, i->asz);
        uint64_t n = MIN(run_length(c, i, i->seg, from, size, count), run_length(c, i, SEG_ES, to, size, count));

        if (n > 1) {
            uint64_t bytes = n * size, flushes = TCG(c)->tlb_flushes;
            const void *s =
                tcg_host_lin(c, tcg_lin(c, i->seg, from, (unsigned)bytes, ACCESS_R), (unsigned)bytes, ACCESS_R, mmu);
            void *d =
                tcg_host_lin(c, tcg_lin(c, SEG_ES, to, (unsigned)bytes, ACCESS_W), (unsigned)bytes, ACCESS_W, mmu);

            /* Where d's page went outside, memory may have moved. */
            if (s && d && TCG(c)->tlb_flushes == flushes) {
                uint64_t left = n;

                switch (size) {
                case 1:
                    __asm__ __volatile__("rep movsb" : "+S"(s), "+D"(d), "+c"(left) : : "memory");
                    break;
                case 2:
                    __asm__ __volatile__("rep movsw" : "+S"(s), "+D"(d), "+c"(left) : : "memory");
                    break;
                case 4:
                    __asm__ __volatile__("rep movsl" : "+S"(s), "+D"(d), "+c"(left) : : "memory");
                    break;
                default:
                    __asm__ __volatile__("rep movsq" : "+S"(s), "+D"(d), "+c"(left) : : "memory");
                    break;
                }
                advance(c, i, R_RSI, (int64_t)bytes);
                advance(c, i, R_RDI, (int64_t)bytes);
                tcg_host_written(c);
                if (again(c, i, n))
                    continue;
                return;
            }
        }
        tcg_store(c, SEG_ES, to, size, tcg_load(c, i->seg, from, size));
        advance(c, i, R_RSI, step_of(c, size));
        advance(c, i, R_RDI, step_of(c, size));
        if (!i->rep || !again(c, i, 1))
            return;
    }
}

HANDLER(STOS)
{
    unsigned size = i->operand[0].size, mmu = tcg_mmu(c);

    if (nothing_to_do(c, i))
        return;
    for (;;) {
        uint64_t to = gpr_get(c, R_RDI, i->asz), n = run_length(c, i, SEG_ES, to, size, gpr_get(c, R_RCX, i->asz));

        if (n > 1) {
            uint64_t bytes = n * size, left = n;
            void *d =
                tcg_host_lin(c, tcg_lin(c, SEG_ES, to, (unsigned)bytes, ACCESS_W), (unsigned)bytes, ACCESS_W, mmu);

            if (d) {
                switch (size) {
                case 1:
                    __asm__ __volatile__("rep stosb" : "+D"(d), "+c"(left) : "a"(c->gpr[R_RAX]) : "memory");
                    break;
                case 2:
                    __asm__ __volatile__("rep stosw" : "+D"(d), "+c"(left) : "a"(c->gpr[R_RAX]) : "memory");
                    break;
                case 4:
                    __asm__ __volatile__("rep stosl" : "+D"(d), "+c"(left) : "a"(c->gpr[R_RAX]) : "memory");
                    break;
                default:
                    __asm__ __volatile__("rep stosq" : "+D"(d), "+c"(left) : "a"(c->gpr[R_RAX]) : "memory");
                    break;
                }
                advance(c, i, R_RDI, (int64_t)bytes);
                tcg_host_written(c);
                if (again(c, i, n))
                    continue;
                return;
            }
        }
        tcg_store(c, SEG_ES, to, size, c->gpr[R_RAX] & size_mask(size));
        advance(c, i, R_RDI, step_of(c, size));
        if (!i->rep || !again(c, i, 1))
            return;
    }
}

HANDLER(LODS)
{
    unsigned size = i->operand[0].kind == OPND_MEM ? i->operand[0].size : i->operand[1].size;

    if (nothing_to_do(c, i))
        return;
    do {
        uint64_t v = tcg_load(c, i->seg, gpr_get(c, R_RSI, i->asz), size);

        gpr_set(c, R_RAX, size, v);
        advance(c, i, R_RSI, step_of(c, size));
        if (!i->rep)
            return;
    } while (again(c, i, 1));
}

/* REPE and REPNE end with the element that decides. */
static bool repeats(X86CPU *c, const Insn *i)
{
    bool equal = c->rflags & FLAG_ZF;

    if (!i->rep)
        return false;
    if (equal != (i->rep == 0xf3)) {
        gpr_set(c, R_RCX, i->asz, gpr_get(c, R_RCX, i->asz) - 1);
        return false;
    }
    return again(c, i, 1);
}

HANDLER(CMPS)
{
    unsigned size = i->operand[0].size;

    if (nothing_to_do(c, i))
        return;
    do {
        uint64_t b = tcg_load(c, SEG_ES, gpr_get(c, R_RDI, i->asz), size);
        uint64_t a = tcg_load(c, i->seg, gpr_get(c, R_RSI, i->asz), size);

        tcg_compare(c, size, a, b);
        advance(c, i, R_RSI, step_of(c, size));
        advance(c, i, R_RDI, step_of(c, size));
    } while (repeats(c, i));
}

HANDLER(SCAS)
{
    unsigned size = i->operand[0].kind == OPND_MEM ? i->operand[0].size : i->operand[1].size;

    if (nothing_to_do(c, i))
        return;
    do {
        uint64_t b = tcg_load(c, SEG_ES, gpr_get(c, R_RDI, i->asz), size);

        tcg_compare(c, size, gpr_get(c, R_RAX, size), b);
        advance(c, i, R_RDI, step_of(c, size));
    } while (repeats(c, i));
}

/* Ports. */

static uint64_t port_in(X86CPU *c, uint16_t port, unsigned size)
{
    uint64_t v;

    tcg_outside_begin(c);
    v = io_read(port, size);
    tcg_outside_end(c);
    if (TCG(c)->mode & TM_DEBUG)
        tcg_note_io_access(c, port, size);
    return v;
}

static void port_out(X86CPU *c, uint16_t port, unsigned size, uint64_t v)
{
    tcg_outside_begin(c);
    io_write(port, (uint32_t)v, size);
    tcg_outside_end(c);
    if (TCG(c)->mode & TM_DEBUG)
        tcg_note_io_access(c, port, size);
}

HANDLER(IN)
{
    unsigned size = i->operand[0].size;
    uint16_t port = (uint16_t)op_get(c, i, 1);

    tcg_check_io(c, port, size);
    gpr_set(c, R_RAX, size, port_in(c, port, size));
}

HANDLER(OUT)
{
    unsigned size = i->operand[1].size;
    uint16_t port = (uint16_t)op_get(c, i, 0);

    tcg_check_io(c, port, size);
    port_out(c, port, size, gpr_get(c, R_RAX, size));
}

static unsigned string_io_size(const Insn *i)
{
    return i->operand[0].kind == OPND_MEM ? i->operand[0].size : i->operand[1].size;
}

HANDLER(INS)
{
    unsigned size = string_io_size(i);
    uint16_t port = (uint16_t)c->gpr[R_RDX];

    tcg_check_io(c, port, size);
    if (nothing_to_do(c, i))
        return;
    do {
        uint64_t lin = tcg_lin(c, SEG_ES, gpr_get(c, R_RDI, i->asz), size, ACCESS_W);

        /* What is read from a port cannot be read again: the store must not fault after it. */
        tcg_probe_lin(c, lin, size, ACCESS_W, tcg_mmu(c));
        tcg_store_lin(c, lin, size, port_in(c, port, size), tcg_mmu(c));
        advance(c, i, R_RDI, step_of(c, size));
        if (!i->rep)
            return;
    } while (again(c, i, 1));
}

HANDLER(OUTS)
{
    unsigned size = string_io_size(i);
    uint16_t port = (uint16_t)c->gpr[R_RDX];

    tcg_check_io(c, port, size);
    if (nothing_to_do(c, i))
        return;
    do {
        port_out(c, port, size, tcg_load(c, i->seg, gpr_get(c, R_RSI, i->asz), size));
        advance(c, i, R_RSI, step_of(c, size));
        if (!i->rep)
            return;
    } while (again(c, i, 1));
}
