/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses across a page's end. Both pages are looked up, with the rights that the access wants, before anything of the
 * instruction happens. Where they lie side by side in the host, as pages of the guest's that do so in its memory, the
 * guest's own instruction does its access there, behind its check. Else it does it in a copy of the two pages' bytes
 * (JitHot.bounce), at an address with the same alignment; a store is executed in a slot, where a jump follows that
 * takes the copy's bytes to the two pages (thunk_cross). What is more than that is left to the handler: a fault, device
 * memory, a page whose writes are noticed, operands beyond BOUNCE_SIZE. Light code.
 */
#include "accel/tcg/jit-internal.h"

/* The host address of one part; NULL: its TLB entry does not let it through. */
static uint8_t *part(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu)
{
    const TlbEntry *e = &TCG(c)->tlb[mmu][lin >> PAGE_BITS & (TLB_ENTRIES - 1)];
    uint64_t page = lin & PAGE_MASK;

    if ((access & ACCESS_R && e->read != page) || (access & ACCESS_W && e->write != page))
        return NULL;
    return e->host + (lin & 0xfff);
}

/* May the code be run in another place? */
static bool movable(const uint8_t *code, unsigned len)
{
    Insn i;

    for (; len; code += i.len, len -= i.len) {
        if (insn_decode(&i, code, MIN(len, (unsigned)INSN_MAX_LEN), 8, false, NULL) != DECODE_OK)
            return false;
        if (i.desc->attrs & INSN_BRANCH || (i.has_mem && i.base == BASE_RIP))
            return false;
    }
    return true;
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned len)
{
    while (len && *a == *b) {
        a++;
        b++;
        len--;
    }
    return !len;
}

/* The slot with the instruction of d behind its check, which is at `at`; NULL: it cannot be in one. */
static const CrossStub *slot_of(JitCpu *j, const SiteData *d, uint32_t at)
{
    unsigned n = (at * JC_MULTIPLIER) >> 26;
    uint32_t slot = j->cross + n * CROSS_ROOM;
    CrossStub *s = &j->cross_stub[n];
    uint8_t *p = j->rw + slot;

    _Static_assert(CROSS_STUBS == 1 << 6, "six bits of the hash");
    if (s->at == at && same(p, j->rw + at, s->len))
        return s;
    const Block *b = jit_block(j, d->block);
    uint32_t len = b->guard + jit_insn(j, b, d->insn + 1U).code - at;

    s->at = 0;
    if (len > CROSS_ROOM - 5 || !movable(j->rw + at, len))
        return NULL;
    tcg_copy(p, j->rw + at, len);
    p[len] = 0xe9; /* JMP rel32 */
    host_store(p + len + 1, 4, j->thunk_cross - (slot + len + 5));
    *s = (CrossStub){at, len};
    return s;
}

uint32_t jit_cross_site(const JitCpu *j, uint32_t code)
{
    unsigned n = (code - j->cross) / CROSS_ROOM;

    return n < CROSS_STUBS && j->cross_stub[n].at ? j->cross_stub[n].at : code;
}

const void *jit_cross_light(X86CPU *c, const SiteData *d, uint64_t lin)
{
    TcgCpu *t = TCG(c);
    JitCpu *j = t->jit;
    JitHot *h = HOT(c);
    unsigned first = PAGE_SIZE - (unsigned)(lin & 0xfff), access = d->access & ACCESS_RW;
    uint64_t at[2] = {lin, (lin + first) & t->lin_mask};
    uint32_t code = jit_block(j, d->block)->guard + d->retry + d->after;
    uint8_t *host[2];

    if (!d->after || t->mode & (TM_AC | TM_DEBUG))
        return NULL;
    for (unsigned n = 0; n < 2; n++) {
        host[n] = part(c, at[n], access, d->mmu);
        if (!host[n] && (!tcg_tlb_refill(c, at[n], access, d->mmu) || !(host[n] = part(c, at[n], access, d->mmu))))
            return NULL;
    }
    h->t0 = (uintptr_t)host[0];
    if (host[1] == host[0] + first) {
        j->crossed++;
        return j->rx + code;
    }
    if (!(d->access & SITE_ALONE) || d->size > BOUNCE_SIZE)
        return NULL;
    h->t0 = (uintptr_t)(h->bounce[1] - first);
    if (access & ACCESS_W) {
        h->cross.from = h->t0;
        h->cross.to[0] = (uintptr_t)host[0];
        h->cross.to[1] = (uintptr_t)host[1];
        h->cross.n[0] = first;
        h->cross.n[1] = d->size - first;
        const CrossStub *s = slot_of(j, d, code);

        if (!s)
            return NULL;
        h->cross.next = (uintptr_t)(j->rx + code + s->len);
        code = j->cross + (uint32_t)(s - j->cross_stub) * CROSS_ROOM;
    }
    if (access & ACCESS_R) {
        unsigned some = d->size <= 8 ? 8 : BOUNCE_SIZE;

        for (unsigned n = 0; n < some; n += 8) {
            host_store(h->bounce[1] - some + n, 8, host_load(host[0] + first - some + n, 8));
            host_store(h->bounce[1] + n, 8, host_load(host[1] + n, 8));
        }
    }
    j->crossed++;
    j->bounced++;
    return j->rx + code;
}

const void *jit_cross(X86CPU *c, const SiteData *d, uint64_t lin)
{
    TcgCpu *t = TCG(c);
    uint64_t outside = t->outside, next = ((lin | 0xfff) + 1) & t->lin_mask;
    unsigned access = d->access & ACCESS_RW;
    uint8_t *host;

    if (!d->after || !tcg_tlb_fill(c, lin, 1, access, d->mmu, &host) ||
        !tcg_tlb_fill(c, next, 1, access, d->mmu, &host) || t->outside != outside)
        return NULL;
    return jit_cross_light(c, d, lin);
}
