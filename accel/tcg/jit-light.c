/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Light calls (jit-thunks.c): what a thunk tries before it puts all of the guest's state away. They look, fill the TLB
 * from what is known, or move bytes between pages that it lets through; they raise nothing, leave the guest by no
 * means, and what they change is the guest's state as it would be between two of the instruction's own steps. Light
 * code.
 */
#include "accel/tcg/jit-internal.h"

static const void *light_slow(X86CPU *c, uint32_t data, uint64_t lin)
{
    JitCpu *j = JIT(c);
    const SiteData *d = jit_deref(j, data);

    if ((lin & 0xfff) + d->size > PAGE_SIZE)
        return jit_cross_light(c, d, lin);
    if (!tcg_tlb_refill(c, lin, d->access & ACCESS_RW, d->mmu))
        return NULL;
    j->slow_fills++;
    return j->rx + jit_block(j, d->block)->guard + d->retry;
}

static const void *light_group(X86CPU *c, uint32_t data, uint64_t lin)
{
    JitCpu *j = JIT(c);
    const GroupSite *g = jit_deref(j, data);

    if ((lin & 0xfff) + g->span > PAGE_SIZE || !tcg_tlb_refill(c, lin, g->write ? ACCESS_W : ACCESS_R, g->s.mmu))
        return NULL;
    j->slow_fills++;
    return j->rx + jit_block(j, g->s.block)->guard + g->s.retry;
}

/* The host address of lin; NULL: not so easily. */
static void *host_of(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu)
{
    const TlbEntry *e = &TCG(c)->tlb[mmu][lin >> PAGE_BITS & (TLB_ENTRIES - 1)];

    if ((access == ACCESS_W ? e->write : e->read) != (lin & PAGE_MASK) && !tcg_tlb_refill(c, lin, access, mmu))
        return NULL;
    return e->host + (lin & 0xfff);
}

static void move(void *to, const void *from, uint64_t count, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ __volatile__("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
        break;
    case 2:
        __asm__ __volatile__("rep movsw" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
        break;
    case 4:
        __asm__ __volatile__("rep movsl" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
        break;
    default:
        __asm__ __volatile__("rep movsq" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
        break;
    }
}

static void fill(void *to, uint64_t val, uint64_t count, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ __volatile__("rep stosb" : "+D"(to), "+c"(count) : "a"(val) : "memory");
        break;
    case 2:
        __asm__ __volatile__("rep stosw" : "+D"(to), "+c"(count) : "a"(val) : "memory");
        break;
    case 4:
        __asm__ __volatile__("rep stosl" : "+D"(to), "+c"(count) : "a"(val) : "memory");
        break;
    default:
        __asm__ __volatile__("rep stosq" : "+D"(to), "+c"(count) : "a"(val) : "memory");
        break;
    }
}

/* REP MOVS and REP STOS (access: of memory; retry: what comes behind) upwards in 64-bit code, page by page. Where it
 * gives up, RCX, RSI and RDI tell what is left. */
static const void *light_string(X86CPU *c, uint32_t data, uint64_t arg)
{
    TcgCpu *t = TCG(c);
    JitCpu *j = t->jit;
    const SiteData *d = jit_deref(j, data);
    unsigned size = d->size;
    bool copies = d->access & ACCESS_R;

    if (c->rflags & FLAG_DF)
        return NULL;
    while (c->gpr[R_RCX]) {
        uint64_t to = c->gpr[R_RDI], from = c->gpr[R_RSI];
        uint64_t count = MIN(c->gpr[R_RCX], (PAGE_SIZE - (to & 0xfff)) / size);

        if (copies)
            count = MIN(count, (PAGE_SIZE - (from & 0xfff)) / size);
        /* The source first: what a fault tells of is left to the handler, in its order. */
        const void *s = copies && count ? host_of(c, from, ACCESS_R, d->mmu) : NULL;
        void *p = count && (s || !copies) ? host_of(c, to, ACCESS_W, d->mmu) : NULL;

        if (!p)
            return NULL;
        if (copies) {
            move(p, s, count, size);
            c->gpr[R_RSI] += count * size;
        } else {
            fill(p, c->gpr[R_RAX], count, size);
        }
        c->gpr[R_RDI] += count * size;
        c->gpr[R_RCX] -= count;
        if (c->gpr[R_RCX] && __atomic_load_n(&t->exit_request, __ATOMIC_RELAXED))
            return NULL;
    }
    j->strings++;
    return j->rx + jit_block(j, d->block)->guard + d->retry;
}

JitCallee *const jit_light[THUNKS] = {
    [THUNK_SLOW] = light_slow,
    [THUNK_GROUP] = light_group,
    [THUNK_STRING] = light_string,
    [THUNK_FLAGS] = jit_do_flags,
};
