/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory for handlers: the software TLB, loads and stores by linear address, physical accesses. Light code.
 *
 * A TLB entry has a write tag only where a store needs no notice: the page is writable RAM, its dirty bit is set,
 * nobody logs writes to it and no code was translated from it. That of a page of device memory has no tags: it only
 * spares the walk.
 */
#include "accel/tcg/jit.h"
#include "accel/tcg/map.h"
#include "accel/tcg/mmu.h"
#include "softmmu/memory.h"
#include "softmmu/vcpus.h"
#include "util/rcu.h"

_Static_assert(sizeof(TcgCpu) <= ACCEL_AREA_SIZE, "TcgCpu fits its area");
_Static_assert(sizeof(TlbEntry) == 32, "translated code shifts by 5");

/* Physical memory. */

static const TcgRamSection *section_of(X86CPU *c, uint64_t gpa)
{
    TcgCpu *t = TCG(c);
    const TcgRamMap *m = t->ram_map;

    if (!m || (gpa & PAGE_MASK) == t->apic_page)
        return NULL;
    unsigned space = c->in_smm && m->n[1], lo = 0, n = m->n[space], hi = n;
    const TcgRamSection *s = m->s[space], *last = &s[t->section_hint];

    if (t->section_hint < n && last->gpa <= gpa && gpa <= last->last)
        return last;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (gpa > s[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == n || s[lo].gpa > gpa)
        return NULL;
    t->section_hint = lo;
    return &s[lo];
}

/* Where an access goes that is none to host memory: *gpa becomes the address there, through A20. A local APIC that was
 * moved lies over whatever else is there, for its own CPU alone (SDM volume 3, 11.4.5). */
static AddressSpace *space_of(X86CPU *c, uint64_t *gpa)
{
    *gpa &= tcg_a20_mask(c);
    if (__builtin_expect((*gpa & PAGE_MASK) != TCG(c)->apic_page, 1))
        return tcg_address_space(c);
    *gpa &= ~PAGE_MASK;
    return cpu_apic_space;
}

uint8_t *tcg_phys_page(X86CPU *c, uint64_t gpa, bool *writable)
{
    gpa &= tcg_a20_mask(c);
    const TcgRamSection *s = section_of(c, gpa);

    if (!s)
        return NULL;
    if (writable)
        *writable = s->writable;
    return s->host + (gpa - s->gpa);
}

static bool page_has_code(const TcgRamSection *s, const uint8_t *page)
{
    const unsigned long *map = __atomic_load_n(&s->ram->dirty[DIRTY_CODE], __ATOMIC_ACQUIRE);
    uint64_t p = (uint64_t)(page - s->ram->host) >> 12;

    return map && !(__atomic_load_n(&map[p / 64], __ATOMIC_RELAXED) >> (p % 64) & 1);
}

/* A write to host, of a section that logs or holds code there, has been done or is about to be. */
static void note_write(X86CPU *c, const TcgRamSection *s, const uint8_t *host, unsigned size)
{
    RamBlock *ram = s->ram;

    if (!s->logged && !page_has_code(s, host))
        return;
    uint64_t off = (uint64_t)(host - ram->host);

    /* Outside the map, and the block with it, may go at once: RCU keeps the block from before that on. */
    tcg_fpu_to_memory(c);
    rcu_lock();
    tcg_outside_begin(c);
    ram_block_dirty(ram, off, size);
    rcu_unlock();
    tcg_outside_end(c);
}

void tcg_phys_written(X86CPU *c, uint64_t gpa, unsigned size)
{
    gpa &= tcg_a20_mask(c);
    const TcgRamSection *s = section_of(c, gpa);

    if (s)
        note_write(c, s, s->host + (gpa - s->gpa), size);
}

uint64_t tcg_phys_load(X86CPU *c, uint64_t gpa, unsigned size)
{
    uint8_t *p = (gpa & 0xfff) + size <= PAGE_SIZE ? tcg_phys_page(c, gpa & PAGE_MASK, NULL) : NULL;
    uint64_t val = 0;

    if (p) {
        tcg_copy(&val, p + (gpa & 0xfff), size);
        return val;
    }
    MemResult res = MEM_OK;

    AddressSpace *as = space_of(c, &gpa);

    tcg_outside_begin(c);
    val = as_load(as, gpa, size, &res);
    tcg_outside_end(c);
    return val;
}

void tcg_phys_store(X86CPU *c, uint64_t gpa, unsigned size, uint64_t val)
{
    bool writable = false;
    uint8_t *p = (gpa & 0xfff) + size <= PAGE_SIZE ? tcg_phys_page(c, gpa & PAGE_MASK, &writable) : NULL;

    if (p && writable) {
        tcg_copy(p + (gpa & 0xfff), &val, size);
        tcg_phys_written(c, gpa, size);
        return;
    }
    MemResult res = MEM_OK;

    AddressSpace *as = space_of(c, &gpa);

    tcg_outside_begin(c);
    as_store(as, gpa, size, val, &res);
    tcg_outside_end(c);
}

/* TLB. */

static void tlb_clear(TlbEntry *e, unsigned n)
{
    e->read = e->write = TLB_INVALID(n);
    e->phys = 0;
}

static void tlb_flush_set(TcgCpu *t, unsigned mmu, bool global_too)
{
    TlbEntry *set = t->tlb[mmu];

    /* A set that was hardly used is cleared entry by entry. */
    if (t->tlb_touched[mmu] > TLB_TOUCHED_MAX || (global_too && t->tlb_global[mmu])) {
        for (unsigned n = 0; n < TLB_ENTRIES; n++) {
            if (global_too || !(set[n].phys & TLB_GLOBAL))
                tlb_clear(&set[n], n);
        }
        if (global_too)
            t->tlb_global[mmu] = false;
    } else {
        for (unsigned n = 0; n < t->tlb_touched[mmu]; n++) {
            unsigned at = t->tlb_touched_index[mmu][n];

            if (!(set[at].phys & TLB_GLOBAL))
                tlb_clear(&set[at], at);
        }
    }
    t->tlb_touched[mmu] = 0;
}

static void tlb_note(TcgCpu *t, unsigned mmu, const TlbEntry *e)
{
    unsigned n = t->tlb_touched[mmu];

    if (e->phys & TLB_GLOBAL) {
        t->tlb_global[mmu] = true;
        return;
    }
    if (n < TLB_TOUCHED_MAX)
        t->tlb_touched_index[mmu][n] = (uint16_t)(e - t->tlb[mmu]);
    if (n <= TLB_TOUCHED_MAX)
        t->tlb_touched[mmu]++;
}

static void code_tlb_clear(CodeTlbEntry *set, CodeTlbEntry *e)
{
    e->tag = e == set ? TLB_NONE : 0; /* no address of the others' */
    e->phys = 0;
    e->id = 0;
}

static void code_tlb_flush(TcgCpu *t, bool global_too)
{
    CodeTlbEntry *set = t->code_tlb;

    if (t->code_tlb_touched > CODE_TLB_TOUCHED_MAX || (global_too && t->code_tlb_global)) {
        for (unsigned n = 0; n < CODE_TLB_ENTRIES; n++) {
            if (global_too || !(set[n].phys & TLB_GLOBAL))
                code_tlb_clear(set, &set[n]);
        }
        if (global_too)
            t->code_tlb_global = false;
    } else {
        for (unsigned n = 0; n < t->code_tlb_touched; n++) {
            CodeTlbEntry *e = &set[t->code_tlb_touched_index[n]];

            if (!(e->phys & TLB_GLOBAL))
                code_tlb_clear(set, e);
        }
    }
    t->code_tlb_touched = 0;
}

static void code_tlb_note(TcgCpu *t, const CodeTlbEntry *e)
{
    if (e->phys & TLB_GLOBAL) {
        t->code_tlb_global = true;
        return;
    }
    if (t->code_tlb_touched < CODE_TLB_TOUCHED_MAX)
        t->code_tlb_touched_index[t->code_tlb_touched] = (uint16_t)(e - t->code_tlb);
    if (t->code_tlb_touched <= CODE_TLB_TOUCHED_MAX)
        t->code_tlb_touched++;
}

/* PCIDs. */

static PcidContext *context_of(TcgCpu *t, unsigned pcid)
{
    for (unsigned n = 0; t->pcids && n < PCID_CONTEXTS; n++) {
        if (t->pcids->context[n].valid && t->pcids->context[n].pcid == pcid)
            return &t->pcids->context[n];
    }
    return NULL;
}

void tcg_flush_pcid(X86CPU *c, unsigned pcid)
{
    PcidContext *x = context_of(TCG(c), pcid);

    if (x)
        x->valid = false;
}

void tcg_forget_pcids(X86CPU *c)
{
    PcidContexts *p = TCG(c)->pcids;

    for (unsigned n = 0; p && n < PCID_CONTEXTS; n++)
        p->context[n].valid = false;
}

/* Take what is not global out of the TLBs. More than a context has room for stays in the second level only. */
static void pcid_save(TcgCpu *t, unsigned pcid)
{
    PcidContexts *p = t->pcids;
    PcidContext *x = &p->context[0];
    unsigned touched = 0;

    for (unsigned m = 0; m < MMU_MODES; m++)
        touched += t->tlb_touched[m];
    for (unsigned n = 1; n < PCID_CONTEXTS && x->valid; n++) {
        if (!p->context[n].valid || p->context[n].when < x->when)
            x = &p->context[n];
    }
    x->pcid = (uint16_t)pcid;
    x->when = ++p->clock;
    x->n = x->n_code = 0;
    x->gen = t->tlb2 ? t->tlb2->gen[0] : 0;
    x->valid = true;
    if (touched > PCID_ENTRIES || t->code_tlb_touched > PCID_CODE_ENTRIES)
        return;
    for (unsigned m = 0; m < MMU_MODES; m++) {
        for (unsigned n = 0; n < t->tlb_touched[m]; n++) {
            unsigned at = t->tlb_touched_index[m][n];
            TlbEntry *e = &t->tlb[m][at];

            /* Two pages after one another may have had the same entry: it is listed twice. */
            if (e->phys & TLB_GLOBAL || (e->read == TLB_INVALID(at) && e->write == TLB_INVALID(at)))
                continue;
            x->at[x->n] = (uint16_t)(m << TLB_BITS | at);
            x->entry[x->n++] = *e;
            tlb_clear(e, at);
        }
    }
    for (unsigned n = 0; n < t->code_tlb_touched; n++) {
        unsigned at = t->code_tlb_touched_index[n];
        CodeTlbEntry *e = &t->code_tlb[at];

        if (e->phys & TLB_GLOBAL || !e->id)
            continue;
        x->code_at[x->n_code] = (uint16_t)at;
        x->code[x->n_code++] = *e;
        code_tlb_clear(t->code_tlb, e);
    }
    p->saved += x->n;
}

/* The other way. A page may have become one of code meanwhile. */
static void pcid_restore(X86CPU *c, PcidContext *x)
{
    TcgCpu *t = TCG(c);

    if (t->tlb2)
        t->tlb2->gen[0] = x->gen;
    for (unsigned n = 0; n < x->n; n++) {
        unsigned m = x->at[n] >> TLB_BITS, at = x->at[n] & (TLB_ENTRIES - 1);
        const TlbEntry *from = &x->entry[n];
        TlbEntry *e = &t->tlb[m][at];
        const TcgRamSection *s = from->write == TLB_INVALID(at) ? NULL : section_of(c, from->phys & PAGE_MASK);

        e->write = TLB_INVALID(at);
        e->host = from->host;
        e->phys = from->phys;
        e->read = from->read;
        tlb_note(t, m, e);
        if (!s)
            continue;
        /* As in translate(). */
        __atomic_store_n(&e->write, from->write, __ATOMIC_SEQ_CST);
        if (page_has_code(s, from->host))
            e->write = TLB_INVALID(at);
    }
    for (unsigned n = 0; n < x->n_code; n++) {
        CodeTlbEntry *e = &t->code_tlb[x->code_at[n]];

        *e = x->code[n];
        code_tlb_note(t, e);
    }
    x->valid = false;
    t->pcids->restored += x->n;
}

/* The second level forgets what is not global. */
static void tlb2_new_generation(TcgCpu *t, bool global_too)
{
    Tlb2 *l = t->tlb2;

    if (!l)
        return;
    if (l->clock >= UINT32_MAX - 2) {
        for (unsigned n = 0; n < TLB2_ENTRIES; n++)
            l->entry[n].gen = 0;
        for (unsigned n = 0; t->pcids && n < PCID_CONTEXTS; n++)
            t->pcids->context[n].valid = false;
        l->clock = 0;
        global_too = true;
    }
    l->gen[0] = ++l->clock;
    if (global_too)
        l->gen[1] = ++l->clock;
}

static void flush_present(TcgCpu *t, bool global_too)
{
    tlb2_new_generation(t, global_too);
    if (global_too && t->any_large) {
        for (unsigned n = 0; n < ARRAY_SIZE(t->large); n++)
            t->large[n] = 0;
        t->n_giant = 0;
        t->any_large = false;
    }
    for (unsigned m = 0; m < MMU_MODES; m++)
        tlb_flush_set(t, m, global_too);
    code_tlb_flush(t, global_too);
    t->tlb_flushes++;
}

void tcg_switch_pcid(X86CPU *c, unsigned from, unsigned to, bool keep)
{
    TcgCpu *t = TCG(c);

    if (!t->pcids || from == to) {
        if (!t->pcids || !keep)
            tcg_flush_tlb(c, false);
        return;
    }
    PcidContext *x = context_of(t, to);

    if (x && !keep)
        x->valid = false;
    pcid_save(t, from); /* in the oldest one's place, which may be x */
    flush_present(t, false);
    if (keep && x && x->valid && x->pcid == to)
        pcid_restore(c, x);
    if (t->jit)
        jit_tlb_flushed(c);
}

void tcg_flush_tlb(X86CPU *c, bool global_too)
{
    TcgCpu *t = TCG(c);

    if (global_too)
        tcg_forget_pcids(c);
    flush_present(t, global_too);
    if (t->jit)
        jit_tlb_flushed(c);
}

static void drop_page(TcgCpu *t, uint64_t page)
{
    unsigned n = page >> PAGE_BITS & (TLB_ENTRIES - 1);

    for (unsigned m = 0; m < MMU_MODES; m++)
        tlb_clear(&t->tlb[m][n], n);
    code_tlb_clear(t->code_tlb, &t->code_tlb[page >> PAGE_BITS & (CODE_TLB_ENTRIES - 1)]);
    if (t->tlb2)
        t->tlb2->entry[page >> PAGE_BITS & (TLB2_ENTRIES - 1)].gen = 0;
}

/* Large pages: the TLBs have pieces of them, and INVLPG anywhere in one ends all of it (SDM volume 3, 4.10.4.1). */

static unsigned large_bit(uint64_t lin)
{
    return (unsigned)((lin >> 21) * 0x9e3779b97f4a7c15 >> 50); /* LARGE_BITS */
}

static void note_large(TcgCpu *t, uint64_t lin, unsigned shift)
{
    t->any_large = true;
    if (shift == 30) {
        for (unsigned n = 0; n < t->n_giant; n++) {
            if (t->giant[n] == lin >> 30)
                return;
        }
        if (t->n_giant < ARRAY_SIZE(t->giant))
            t->giant[t->n_giant++] = lin >> 30;
        return;
    }
    for (uint64_t n = 0; n < 1U << (shift - 21); n++) {
        unsigned bit = large_bit((lin & ~(BIT64(shift) - 1)) + (n << 21));

        t->large[bit / 64] |= BIT64(bit % 64);
    }
}

static bool in_giant(const TcgCpu *t, uint64_t lin)
{
    for (unsigned n = 0; n < t->n_giant; n++) {
        if (t->giant[n] == lin >> 30)
            return true;
    }
    return t->n_giant == ARRAY_SIZE(t->giant);
}

void tcg_flush_page(X86CPU *c, uint64_t lin)
{
    TcgCpu *t = TCG(c);
    uint64_t page = lin & t->lin_mask & PAGE_MASK;
    unsigned bit = large_bit(page);

    if (t->n_giant && in_giant(t, page)) {
        tcg_flush_tlb(c, true);
        return;
    }
    if (t->large[bit / 64] >> (bit % 64) & 1) {
        uint64_t size = c->cr4 & CR4_PAE ? 1 << 21 : 1 << 22, first = page & ~(size - 1);

        for (uint64_t at = 0; at < size; at += PAGE_SIZE)
            drop_page(t, first + at);
    } else {
        drop_page(t, page);
    }
    if (t->jit)
        jit_tlb_flushed(c);
}

/* The area is zeroed, and so most entries are what they should be; the TLBs are too large to touch for nothing. */
void tcg_mem_init(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    for (unsigned m = 0; m < MMU_MODES; m++) {
        tlb_clear(&t->tlb[m][0], 0);
        tlb_clear(&t->tlb[m][TLB_ENTRIES - 1], TLB_ENTRIES - 1);
    }
    code_tlb_clear(t->code_tlb, t->code_tlb);
    t->ram_map = __atomic_load_n(&tcg_map, __ATOMIC_SEQ_CST);
    t->code_seen = CODE_SEEN_ALL;
    t->apic_page = TLB_NONE;
}

static TlbEntry *tlb_slot(TcgCpu *t, uint64_t lin, unsigned mmu)
{
    return &t->tlb[mmu][lin >> PAGE_BITS & (TLB_ENTRIES - 1)];
}

/* Does the access go through with this tag? It is within the page then. */
static bool hit(uint64_t tag, uint64_t lin, unsigned size)
{
    return (lin ^ tag) <= PAGE_SIZE - size;
}

/* What a walk has found goes into the TLB as far as it may be there. */
static TlbEntry *enter(X86CPU *c, uint64_t lin, unsigned mmu, const Walk *w, uint64_t gpa, const TcgRamSection *s)
{
    TcgCpu *t = TCG(c);
    TlbEntry *e = tlb_slot(t, lin, mmu);
    uint64_t page = lin & PAGE_MASK, phys = gpa | (w->global ? TLB_GLOBAL : 0);
    uint64_t epoch = __atomic_load_n(&tcg_code_epoch, __ATOMIC_SEQ_CST);
    uint8_t *host = s ? s->host + (gpa - s->gpa) : (uint8_t *)(uintptr_t)page;

    if (!s)
        phys |= (w->read ? TLB_DEVICE_READ : 0) | (w->write ? TLB_DEVICE_WRITE : 0);
    bool listed = e->phys == phys && e->host == host && (!s || e->read == page || e->write == page);

    e->write = TLB_INVALID(lin >> PAGE_BITS);
    e->host = host;
    e->phys = phys;
    if (!listed)
        tlb_note(t, mmu, e);
    if (w->shift > PAGE_BITS)
        note_large(t, lin, w->shift);
    e->read = s && w->read ? page : TLB_INVALID(lin >> PAGE_BITS);
    if (!s)
        return e;
    if (w->write && s->writable && !s->logged) {
        /* Set it, then look whether the page is code: tcg_protect_code() does the two in the other order. */
        __atomic_store_n(&e->write, page, __ATOMIC_SEQ_CST);
        if (page_has_code(s, host))
            e->write = TLB_INVALID(lin >> PAGE_BITS);
    }
    if (t->tlb2) {
        Tlb2 *l = t->tlb2;

        l->entry[page >> PAGE_BITS & (TLB2_ENTRIES - 1)] = (Tlb2Entry){
            .tag = page | mmu,
            .host = host,
            .phys = phys | (e->read == page ? TLB2_READ : 0) | (e->write == page ? TLB2_WRITE : 0),
            .gen = l->gen[w->global],
            /* While a page is being protected: one that is not the present one any more. */
            .epoch = (uint32_t)(epoch & ~(uint64_t)1) - (epoch & 1 ? 2 : 0),
        };
    }
    return e;
}

static bool lets_through(const TlbEntry *e, uint64_t page, unsigned access)
{
    return (!(access & ACCESS_R) || e->read == page) && (!(access & ACCESS_W) || e->write == page);
}

/* From the second level to the first. */
static bool from_second(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu)
{
    TcgCpu *t = TCG(c);
    Tlb2 *l = t->tlb2;
    TlbEntry *e = tlb_slot(t, lin, mmu);
    uint64_t page = lin & PAGE_MASK, none = TLB_INVALID(lin >> PAGE_BITS);
    Tlb2Entry *from = &l->entry[page >> PAGE_BITS & (TLB2_ENTRIES - 1)];

    if (from->tag != (page | mmu) || from->gen != l->gen[from->phys & TLB_GLOBAL] ||
        (access & ACCESS_R && !(from->phys & TLB2_READ)) || (access & ACCESS_W && !(from->phys & TLB2_WRITE)))
        return false;
    __atomic_store_n(&e->write, none, __ATOMIC_RELAXED);
    __atomic_store_n(&e->host, from->host, __ATOMIC_RELEASE);
    e->phys = from->phys & ~(uint64_t)(TLB2_READ | TLB2_WRITE);
    tlb_note(t, mmu, e);
    e->read = from->phys & TLB2_READ ? page : none;
    l->hits++;
    if (!(from->phys & TLB2_WRITE))
        return true;
    /* As in enter(); a CPU that is alone protects pages in the thread that is here. */
    if (vcpu_count > 1)
        __atomic_store_n(&e->write, page, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(&e->write, page, __ATOMIC_RELEASE);
    uint64_t epoch = __atomic_load_n(&tcg_code_epoch, __ATOMIC_SEQ_CST);

    if (from->epoch != (uint32_t)epoch) {
        const TcgRamSection *s = section_of(c, from->phys & PAGE_MASK);

        if (!s || page_has_code(s, from->host)) {
            e->write = none;
            from->phys &= ~(uint64_t)TLB2_WRITE;
        } else if (!(epoch & 1)) {
            from->epoch = (uint32_t)epoch;
        }
    }
    return lets_through(e, page, access);
}

bool tcg_tlb_refill(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu)
{
    TcgCpu *t = TCG(c);
    Walk w;

    /* An entry that does not let writes through has a reason, most often. */
    if (t->mode & (TM_AC | TM_DEBUG) || (access & ACCESS_W && tlb_slot(t, lin, mmu)->read == (lin & PAGE_MASK)))
        return false;
    if (t->tlb2 && from_second(c, lin, access, mmu))
        return true;
    if (!(t->mode & TM_LMA) || !tcg_canonical(c, lin) ||
        !tcg_walk_quick(c, lin, access & ACCESS_W ? WALK_WRITE : WALK_READ, mmu, &w))
        return false;
    uint64_t gpa = w.gpa & tcg_a20_mask(c);
    const TcgRamSection *s = section_of(c, gpa);

    if (!s)
        return false;
    t->tlb_misses++;
    return lets_through(enter(c, lin, mmu, &w, gpa, s), lin & PAGE_MASK, access);
}

/* Where an access of one page goes. */
typedef struct Target {
    uint8_t *host; /* NULL: to the dispatcher, at gpa */
    uint64_t gpa;
    const TcgRamSection *section;
    bool notice;      /* a write must be noted after it was done */
    uint64_t flushes; /* TcgCpu.tlb_flushes then: with it the memory map may have become another */
} Target;

/* The other half of an access may have gone outside, where memory may have moved: what is at the address now counts. */
static void renew(X86CPU *c, Target *to, bool write)
{
    TcgCpu *t = TCG(c);

    if (__builtin_expect(to->flushes == t->tlb_flushes, 1))
        return;
    const TcgRamSection *s = section_of(c, to->gpa);

    *to = (Target){.gpa = to->gpa, .section = s, .notice = s && write, .flushes = t->tlb_flushes};
    if (s && (s->writable || !write))
        to->host = s->host + (to->gpa - s->gpa);
}

/* Walk for an access and put the result into the TLB. false: #PF with *error. */
static bool translate(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu, Target *out, uint32_t *error)
{
    TcgCpu *t = TCG(c);
    TlbEntry *e = tlb_slot(t, lin, mmu);
    uint64_t page = lin & PAGE_MASK;
    unsigned need = (access & ACCESS_R ? TLB_DEVICE_READ : 0) | (access & ACCESS_W ? TLB_DEVICE_WRITE : 0);
    Walk w;

    /* Half of an access that crosses pages, most often. */
    if (lets_through(e, page, access) || (t->tlb2 && from_second(c, lin, access, mmu))) {
        *out = (Target){
            .host = e->host + (lin & 0xfff), .gpa = (e->phys & PAGE_MASK) + (lin & 0xfff), .flushes = t->tlb_flushes};
        return true;
    }
    if (e->phys & need && (uintptr_t)e->host == page && (e->phys & need) == need) {
        *out = (Target){.gpa = (e->phys & PAGE_MASK) + (lin & 0xfff), .flushes = t->tlb_flushes};
        return true;
    }
    t->tlb_misses++;
    if (!tcg_walk(c, lin, access & ACCESS_W ? WALK_WRITE : WALK_READ, mmu, &w) ||
        (access == ACCESS_RW && !w.read && (w.error = PF_P | PF_W | (mmu == MMU_USER ? PF_U : 0)))) {
        *error = w.error;
        return false;
    }
    uint64_t gpa = w.gpa & tcg_a20_mask(c);
    const TcgRamSection *s = section_of(c, gpa);

    *out = (Target){.gpa = gpa + (lin & 0xfff), .section = s, .flushes = t->tlb_flushes};
    e = enter(c, lin, mmu, &w, gpa, s);
    if (!s)
        return true;
    out->notice = access & ACCESS_W && e->write != page;
    if (access & ACCESS_W && !s->writable)
        return true; /* ROM: to the dispatcher, which knows what to do */
    out->host = s->host + (gpa - s->gpa) + (lin & 0xfff);
    return true;
}

static bool canonical_fault(X86CPU *c, uint64_t lin)
{
    return tcg_long(c) && c->cr0 & CR0_PG && !tcg_canonical(c, lin);
}

bool tcg_tlb_fill(X86CPU *c, uint64_t lin, unsigned size, unsigned access, unsigned mmu, uint8_t **host)
{
    Target to;
    uint32_t error;

    if ((lin & 0xfff) + size > PAGE_SIZE || TCG(c)->mode & (TM_AC | TM_DEBUG) || canonical_fault(c, lin))
        return false;
    if (!translate(c, lin, access, mmu, &to, &error) || !to.host || to.notice)
        return false;
    *host = to.host;
    return true;
}

/* The slow half of every access: within one page. */
static void target(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu, Target *out)
{
    uint32_t error = 0;

    if (!translate(c, lin, access, mmu, out, &error))
        tcg_raise_pf(c, lin, error);
}

static void check_alignment(X86CPU *c, uint64_t lin, unsigned size, unsigned mmu)
{
    unsigned mask = size == 10 ? 7 : size > 16 ? 15 : size - 1; /* an extended real has 8 bytes' alignment, YMM XMM's */

    if (TCG(c)->mode & TM_AC && mmu == MMU_USER && lin & mask && !(size & (size - 1) & ~10U))
        tcg_raise_error(c, EXC_AC, 0);
}

/* Some of 8 bytes, by words: what is stored byte by byte and then read as a word waits for the store buffer. */
static uint64_t load_bytes(const uint8_t *p, unsigned size)
{
    uint64_t val = 0;

    for (unsigned at = 0, n = 8; size; n /= 2) {
        if (size >= n) {
            val |= host_load(p + at, n) << at * 8;
            at += n;
            size -= n;
        }
    }
    return val;
}

static void store_bytes(uint8_t *p, unsigned size, uint64_t val)
{
    for (unsigned n = 8; size; n /= 2) {
        if (size >= n) {
            host_store(p, n, val);
            p += n;
            size -= n;
            val = n < 8 ? val >> n * 8 : 0;
        }
    }
}

static uint64_t load_part(X86CPU *c, Target *to, unsigned size)
{
    uint64_t val = 0;

    renew(c, to, false);
    if (to->host)
        return load_bytes(to->host, size);
    MemResult res = MEM_OK;
    uint64_t gpa = to->gpa;
    AddressSpace *as = space_of(c, &gpa);

    tcg_outside_begin(c);
    if (!(size & (size - 1))) {
        val = as_load(as, gpa, size, &res);
    } else {
        for (unsigned n = 0; n < size; n++)
            val |= as_load(as, gpa + n, 1, &res) << n * 8;
    }
    tcg_outside_end(c);
    return val;
}

static void store_part(X86CPU *c, Target *to, unsigned size, uint64_t val)
{
    renew(c, to, true);
    if (to->host) {
        store_bytes(to->host, size, val);
        if (to->notice)
            note_write(c, to->section, to->host, size);
        return;
    }
    MemResult res = MEM_OK;
    uint64_t gpa = to->gpa;
    AddressSpace *as = space_of(c, &gpa);

    tcg_outside_begin(c);
    if (!(size & (size - 1))) {
        as_store(as, gpa, size, val, &res);
    } else {
        for (unsigned n = 0; n < size; n++)
            as_store(as, gpa + n, 1, val >> n * 8 & 255, &res);
    }
    tcg_outside_end(c);
}

uint64_t tcg_load_lin(X86CPU *c, uint64_t lin, unsigned size, unsigned mmu)
{
    TcgCpu *t = TCG(c);
    TlbEntry *e = tlb_slot(t, lin, mmu);

    if (__builtin_expect(t->mode & (TM_AC | TM_DEBUG), 0)) {
        check_alignment(c, lin, size, mmu);
        tcg_note_access(c, lin, size, false);
    }
    if (hit(e->read, lin, size))
        return host_load(e->host + (lin & 0xfff), size);
    unsigned first = MIN(size, PAGE_SIZE - (unsigned)(lin & 0xfff));
    Target a, b;

    target(c, lin, ACCESS_R, mmu, &a);
    if (first == size)
        return load_part(c, &a, size);
    target(c, (lin + first) & t->lin_mask, ACCESS_R, mmu, &b);
    uint64_t low = load_part(c, &a, first);

    return low | load_part(c, &b, size - first) << first * 8;
}

void tcg_store_lin(X86CPU *c, uint64_t lin, unsigned size, uint64_t val, unsigned mmu)
{
    TcgCpu *t = TCG(c);
    TlbEntry *e = tlb_slot(t, lin, mmu);

    if (__builtin_expect(t->mode & (TM_AC | TM_DEBUG), 0)) {
        check_alignment(c, lin, size, mmu);
        tcg_note_access(c, lin, size, true);
    }
    if (hit(e->write, lin, size)) {
        host_store(e->host + (lin & 0xfff), size, val);
        return;
    }
    unsigned first = MIN(size, PAGE_SIZE - (unsigned)(lin & 0xfff));
    Target a, b;

    target(c, lin, ACCESS_W, mmu, &a);
    if (first == size) {
        store_part(c, &a, size, val);
        return;
    }
    target(c, (lin + first) & t->lin_mask, ACCESS_W, mmu, &b);
    store_part(c, &a, first, val);
    store_part(c, &b, size - first, val >> first * 8);
}

static void move(X86CPU *c, uint64_t lin, uint8_t *buf, unsigned len, unsigned mmu, bool write)
{
    TcgCpu *t = TCG(c);
    unsigned first = MIN(len, PAGE_SIZE - (unsigned)(lin & 0xfff));
    Target to[2];

    if (!len)
        return;
    if (__builtin_expect(t->mode & TM_DEBUG, 0))
        tcg_note_access(c, lin, len, write);
    target(c, lin, write ? ACCESS_W : ACCESS_R, mmu, &to[0]);
    if (first < len)
        target(c, (lin + first) & t->lin_mask, write ? ACCESS_W : ACCESS_R, mmu, &to[1]);
    for (unsigned part = 0; part < 2 && len; part++) {
        unsigned n = part ? len : first;

        renew(c, &to[part], write);
        if (to[part].host) {
            if (write) {
                tcg_copy(to[part].host, buf, n);
                if (to[part].notice)
                    note_write(c, to[part].section, to[part].host, n);
            } else {
                tcg_copy(buf, to[part].host, n);
            }
        } else {
            uint64_t gpa = to[part].gpa;
            AddressSpace *as = space_of(c, &gpa);

            tcg_outside_begin(c);
            if (write)
                as_write(as, gpa, buf, n);
            else
                as_read(as, gpa, buf, n);
            tcg_outside_end(c);
        }
        buf += n;
        len -= n;
    }
}

void tcg_read_lin(X86CPU *c, uint64_t lin, void *buf, unsigned len, unsigned mmu)
{
    move(c, lin, buf, len, mmu, false);
}

void tcg_write_lin(X86CPU *c, uint64_t lin, const void *buf, unsigned len, unsigned mmu)
{
    move(c, lin, (uint8_t *)(uintptr_t)buf, len, mmu, true);
}

void *tcg_host_lin(X86CPU *c, uint64_t lin, unsigned size, unsigned access, unsigned mmu)
{
    TcgCpu *t = TCG(c);
    TlbEntry *e = tlb_slot(t, lin, mmu);
    Target to;

    t->late.section = NULL;
    if (__builtin_expect(t->mode & (TM_AC | TM_DEBUG), 0)) {
        check_alignment(c, lin, size, mmu);
        tcg_note_access(c, lin, size, access & ACCESS_W);
    }
    if ((!(access & ACCESS_W) || hit(e->write, lin, size)) && (!(access & ACCESS_R) || hit(e->read, lin, size)))
        return (void *)(e->host + (lin & 0xfff));
    if ((lin & 0xfff) + size > PAGE_SIZE) {
        tcg_probe_lin(c, lin, size, access, mmu);
        return NULL;
    }
    target(c, lin, access, mmu, &to);
    if (!to.host)
        return NULL;
    /* Before it is written: translations of the page are to be gone by then. Where the memory map has changed
     * meanwhile, it may be another page. Who logs hears of it behind the write (tcg_host_written()). */
    if (to.notice && page_has_code(to.section, to.host))
        note_write(c, to.section, to.host, size);
    if (to.flushes != t->tlb_flushes)
        return NULL;
    if (to.notice && to.section->logged) {
        t->late.section = to.section;
        t->late.host = to.host;
        t->late.size = size;
    }
    return to.host;
}

void tcg_note_late(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    const TcgRamSection *s = t->late.section;

    t->late.section = NULL;
    note_write(c, s, t->late.host, t->late.size);
}

void tcg_probe_lin(X86CPU *c, uint64_t lin, unsigned size, unsigned access, unsigned mmu)
{
    uint64_t page = lin & PAGE_MASK, last = (lin + size - 1) & TCG(c)->lin_mask & PAGE_MASK;
    Target to;

    target(c, lin, access, mmu, &to);
    if (last != page)
        target(c, last, access, mmu, &to);
}

/* Code. */

CodeTlbEntry *tcg_code_page(X86CPU *c, uint64_t lin)
{
    TcgCpu *t = TCG(c);
    bool user = (t->mode & TM_CPL) == 3;
    uint64_t page = lin & PAGE_MASK;
    CodeTlbEntry *e = &t->code_tlb[page >> PAGE_BITS & (CODE_TLB_ENTRIES - 1)];
    Walk w;

    if (e->tag == (page | user))
        return e;
    if (canonical_fault(c, lin) || !tcg_walk(c, lin, WALK_EXEC, user ? MMU_USER : MMU_KERNEL, &w))
        return NULL;
    t->code_misses++;
    if (w.shift > PAGE_BITS)
        note_large(t, lin, w.shift);
    uint64_t gpa = w.gpa & tcg_a20_mask(c);

    e->tag = page | user;
    e->phys = gpa | (w.global ? TLB_GLOBAL : 0);
    e->host = tcg_phys_page(c, gpa, NULL);
    e->id = 0;
    code_tlb_note(t, e);
    return e;
}

unsigned tcg_fetch(X86CPU *c, uint64_t lin, uint8_t buf[16])
{
    TcgCpu *t = TCG(c);
    unsigned have = 0;

    while (have < INSN_MAX_LEN) {
        uint64_t at = (lin + have) & t->lin_mask;
        unsigned n = MIN(INSN_MAX_LEN - have, PAGE_SIZE - (unsigned)(at & 0xfff));
        const CodeTlbEntry *e = tcg_code_page(c, at);

        if (!e) {
            if (have)
                break;
            Walk w;
            bool user = (t->mode & TM_CPL) == 3;

            if (canonical_fault(c, at))
                tcg_raise_error(c, EXC_GP, 0);
            if (!tcg_walk(c, at, WALK_EXEC, user ? MMU_USER : MMU_KERNEL, &w))
                tcg_raise_pf(c, at, w.error);
            continue; /* another CPU has just mapped it */
        }
        if (e->host) {
            tcg_copy_code(buf + have, e->host, at & 0xfff, n);
        } else {
            uint64_t gpa = (e->phys & PAGE_MASK) + (at & 0xfff);
            AddressSpace *as = space_of(c, &gpa);

            tcg_outside_begin(c);
            as_read(as, gpa, buf + have, n);
            tcg_outside_end(c);
        }
        have += n;
    }
    return have;
}
