/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's translated code: one memory object mapped twice (to run, to write), filled from the front in segments,
 * of which the oldest is emptied when all are full; the blocks in it by linear address and mode, by code page, by
 * place; what links them. Light code but for what begins and ends.
 */
#include "accel/tcg/jit-internal.h"

void *jit_arena(JitCpu *j, size_t size)
{
    void *p = j->arena + j->arena_used;

    size = (size + ARENA_UNIT - 1) & ~(size_t)(ARENA_UNIT - 1);
    if (size > j->segments[j->segment].exits - j->arena_used)
        return NULL;
    j->arena_used += size;
    return p;
}

JitExit *jit_exit(JitCpu *j)
{
    Segment *s = &j->segments[j->segment];

    if (s->exits - j->arena_used < sizeof(JitExit))
        return NULL;
    s->exits -= sizeof(JitExit);
    return (JitExit *)(void *)(j->arena + s->exits);
}

static unsigned hash_of(const JitCpu *j, uint64_t lin, uint32_t mode)
{
    return (unsigned)((lin * 0x9e3779b97f4a7c15 + mode * 0x85ebca6bULL) >> 32) & ((1U << j->hash_bits) - 1);
}

Block *jit_find(JitCpu *j, uint64_t lin, uint32_t id, uint32_t mode)
{
    const X86CPU *c = j->c;

    for (Block *b = jit_block(j, j->hash[hash_of(j, lin, mode)]); b; b = jit_block(j, b->hash_next)) {
        if (b->lin != lin || b->id != id || b->mode != mode)
            continue;
        if (mode & TM_FLAT_CS)
            return b;
        const BlockMore *m = jit_more(j, b);

        if (m && m->cs_base == c->seg[SEG_CS].base && m->cs_limit == c->seg[SEG_CS].limit)
            return b;
    }
    return NULL;
}

/* Twice as many chains. */
static void hash_grow(JitCpu *j)
{
    uint32_t old = 1U << j->hash_bits++;

    for (uint32_t n = 0; n < old; n++) {
        uint32_t next = j->hash[n];

        j->hash[n] = j->hash[n + old] = 0;
        while (next) {
            Block *b = jit_block(j, next);
            uint32_t *chain = &j->hash[hash_of(j, b->lin, b->mode)], ref = next;

            next = b->hash_next;
            b->hash_next = *chain;
            *chain = ref;
        }
    }
}

PageRef *jit_page_ref(JitCpu *j, const uint8_t *page, bool make)
{
    unsigned at = (unsigned)(((uintptr_t)page >> 12) * 0x9e3779b97f4a7c15 >> 40) % PAGES_MAX;

    for (;; at = (at + 1) % PAGES_MAX) {
        unsigned n = j->page_index[at];

        if (n && j->pages[n].page == page)
            return &j->pages[n];
        if (n)
            continue;
        if (!make || j->n_pages >= PAGES_MAX / 4 * 3)
            return NULL;
        j->page_index[at] = (uint16_t)++j->n_pages;
        j->pages[j->n_pages] = (PageRef){.page = page};
        return &j->pages[j->n_pages];
    }
}

uint32_t jit_page_id(JitCpu *j, uint64_t tag, const uint8_t *host)
{
    unsigned at = (unsigned)((tag * 0x9e3779b97f4a7c15 ^ (uintptr_t)host * 0xc2b2ae3d27d4eb4f) >> 40) % IDS_MAX;

    for (;; at = (at + 1) % IDS_MAX) {
        unsigned n = j->id_index[at];

        if (n && j->ids[n].tag == tag && j->ids[n].host == host)
            return n;
        if (n)
            continue;
        if (j->n_ids >= IDS_MAX / 4 * 3)
            return 0;
        j->id_index[at] = (uint16_t)++j->n_ids;
        j->ids[j->n_ids] = (IdRef){.tag = tag, .host = host};
        return j->n_ids;
    }
}

/* The place of what is behind b in the list of the page's blocks. */
static uint32_t *page_link(JitCpu *j, Block *b, const uint8_t *page)
{
    BlockMore *m = b->more ? jit_deref(j, b->more) : NULL;

    return b->page == page ? &b->page_next : &m->page_next;
}

static void page_add(JitCpu *j, Block *b, const uint8_t *page)
{
    PageRef *r = jit_page_ref(j, page, false);
    uint32_t ref = jit_ref(j, b);

    *page_link(j, b, page) = 0;
    if (r->blocks)
        *page_link(j, jit_block(j, r->last), page) = ref;
    else
        r->blocks = ref;
    r->last = ref;
}

void jit_block_add(JitCpu *j, Block *b)
{
    uint32_t ref = jit_ref(j, b);
    const uint8_t *second = jit_second_page(j, b);

    if (j->n_blocks >> j->hash_bits && j->hash_bits < HASH_BITS_MAX)
        hash_grow(j);
    uint32_t *chain = &j->hash[hash_of(j, b->lin, b->mode)];

    b->hash_next = *chain;
    *chain = ref;
    page_add(j, b, b->page);
    if (second && second != b->page)
        page_add(j, b, second);
    j->sorted[j->segment * SEGMENT_BLOCKS + j->segments[j->segment].n_blocks++] = ref;
    j->n_blocks++;
}

/* From an instruction, whose words are at p, to the next one. */
static const uint16_t *next_insn(const uint16_t *p, JitInsn *i)
{
    unsigned v = *p++, size = v >> INSN_CODE_SHIFT;

    i->at = (i->at + (v & 15)) & 1023;
    i->code = (uint16_t)(i->code + (size == INSN_CODE_LONG ? *p++ : size));
    i->guest += (int32_t)(v & 15);
    if (v & INSN_FOLLOWED) {
        i->guest = (int32_t)((uint32_t)i->guest + (p[0] | (uint32_t)p[1] << 16));
        p += 2;
    }
    return p;
}

JitInsn jit_insn(const JitCpu *j, const Block *b, unsigned n)
{
    const uint16_t *p = jit_deref(j, b->table);
    JitInsn i = {.code = b->first};

    for (unsigned k = 0; k < n; k++)
        p = next_insn(p, &i);
    unsigned v = n < b->n_insns ? *p : 0;

    i.len = v & 15;
    i.followed = (v & INSN_FOLLOWED) != 0;
    i.in_slot = (v & INSN_IN_SLOT) != 0;
    i.in_group = (v & INSN_IN_GROUP) != 0;
    return i;
}

uint8_t *jit_heat(JitCpu *j, uint64_t lin, uint32_t id, uint32_t mode)
{
    return &j->heat[(lin + ((uint64_t)id << 40) + ((uint64_t)mode << 32)) * 0x9e3779b97f4a7c15 >> (64 - HEAT_BITS)];
}

static void patch(JitCpu *j, uint32_t site, uint32_t target)
{
    uint32_t rel = target - (site + 4);

    __atomic_store_n((uint32_t *)(void *)(j->rw + site), rel, __ATOMIC_RELAXED);
}

/* It goes to its stub again. */
static void unlink_exit(JitCpu *j, JitExit *x)
{
    const Block *from = jit_block(j, x->from);

    patch(j, from->guard + x->site, from->guard + x->stub);
    x->linked = 0;
}

static void remove_exit(JitCpu *j, JitExit *x)
{
    if (x->next) {
        JitExit *n = jit_deref(j, x->next);

        n->first = x->first;
        n->prev = x->prev;
    }
    if (x->first)
        jit_block(j, x->prev)->incoming = x->next;
    else
        ((JitExit *)jit_deref(j, x->prev))->next = x->next;
    unlink_exit(j, x);
}

void jit_link(JitCpu *j, JitExit *x, Block *b)
{
    const Block *from = jit_block(j, x->from);
    bool cross =
        x->guard || b->verify || jit_second_page(j, from) || jit_second_page(j, b) || (b->lin ^ from->lin) & PAGE_MASK;
    bool slot = x->flags & IN_SLOT, host = x->flags & IN_HOST;
    uint32_t to = cross     ? b->guard + (slot ? 0 : b->guard_host)
                  : x->poll ? b->guard + (slot ? b->poll : b->poll_host)
                  : !slot   ? b->guard + b->host
                  : host    ? b->body
                            : b->guard + b->slot;

    if (x->linked)
        remove_exit(j, x);
    if (b->incoming) {
        JitExit *n = jit_deref(j, b->incoming);

        n->first = 0;
        n->prev = jit_ref(j, x);
    }
    x->next = b->incoming;
    x->prev = jit_ref(j, b);
    x->linked = x->first = 1;
    b->incoming = jit_ref(j, x);
    patch(j, from->guard + x->site, to);
    j->links++;
}

/* Of a segment that goes each block is the oldest of its page's, the first. (A library's page has thousands where
 * processes come and go, each at addresses of its own.) */
static void page_remove(JitCpu *j, Block *b, const uint8_t *page)
{
    PageRef *r = jit_page_ref(j, page, false);
    uint32_t ref = jit_ref(j, b), before = 0;

    if (!r)
        return;
    for (uint32_t *p = &r->blocks; *p; before = *p, p = page_link(j, jit_block(j, *p), page)) {
        if (*p == ref) {
            *p = *page_link(j, b, page);
            if (r->last == ref)
                r->last = before;
            return;
        }
    }
}

/* What stands in entry n of the jump cache while it is empty: belongs to another entry. */
static uint64_t empty_rip(unsigned n)
{
    return n ? 0 : 1;
}

void jit_block_kill(JitCpu *j, Block *b)
{
    JitHot *h = HOT(j->c);
    uint64_t code = (uintptr_t)j->rx + b->guard;
    unsigned at = jit_jc_index(jit_rip(j, b));
    uint32_t ref = jit_ref(j, b);
    JitExit *x;

    for (uint32_t *p = &j->hash[hash_of(j, b->lin, b->mode)]; *p; p = &jit_block(j, *p)->hash_next) {
        if (*p == ref) {
            *p = b->hash_next;
            break;
        }
    }
    page_remove(j, b, b->page);
    if (jit_second_page(j, b) && jit_second_page(j, b) != b->page)
        page_remove(j, b, jit_second_page(j, b));
    for (uint32_t n = b->incoming; n; n = x->next) {
        x = jit_deref(j, n);
        unlink_exit(j, x);
    }
    b->incoming = 0;
    for (unsigned k = 0; k < CLASSES; k++) {
        if (h->jc[k][at].code == code)
            h->jc[k][at].rip = empty_rip(at);
    }
    b->dead = true;
    j->invalidated++;
}

void jit_page_written(X86CPU *c, const uint8_t *host_page)
{
    JitCpu *j = JIT(c);
    PageRef *r = jit_page_ref(j, host_page, false);
    uint64_t now = __builtin_ia32_rdtsc();

    if (!r || !r->blocks)
        return;
    if (now - r->since > NOTICES_TICKS) {
        r->since = now;
        r->notices = 0;
    }
    if (++r->notices == NOTICES_MAX && !r->verify) {
        r->verify = true;
        if (!j->verify_pages++)
            j->verify_until = now + VERIFY_TICKS;
    }
    while (r->blocks)
        jit_block_kill(j, jit_block(j, r->blocks));
    j->leave = true;
}

void jit_verify_end(JitCpu *j)
{
    for (unsigned n = 1; n <= j->n_pages && j->verify_pages; n++) {
        PageRef *r = &j->pages[n];

        if (!r->verify)
            continue;
        while (r->blocks)
            jit_block_kill(j, jit_block(j, r->blocks));
        r->verify = false;
        r->notices = 0;
        j->verify_pages--;
    }
}

bool jit_block_same(const JitCpu *j, const Block *b)
{
    const uint8_t *bytes = jit_bytes(j, b), *second = jit_second_page(j, b);
    const uint16_t *p = jit_deref(j, b->table);

    for (JitInsn i = {0}; i.at < b->n_bytes; p = next_insn(p, &i)) {
        for (unsigned n = 0; n < (*p & 15U); n++) {
            uint64_t lin = b->lin + (uint64_t)i.guest + n;
            const uint8_t *page = (lin ^ b->lin) & PAGE_MASK ? second : b->page;

            if (bytes[i.at + n] != page[lin & 0xfff])
                return false;
        }
    }
    return true;
}

static void set_unsettled(JitCpu *j, unsigned n)
{
    TcgCpu *t = TCG(j->c);

    j->n_unsettled = n;
    if (t->unsettled == (n > 0))
        return;
    __atomic_store_n(&t->unsettled, n > 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tcg_unsettled, n > 0 ? 1 : -1U, __ATOMIC_RELAXED);
}

void jit_unsettled(JitCpu *j, Block *b, uint64_t reached)
{
    uint64_t epoch = tcg_code_epoch_now();

    if (reached >= epoch)
        return;
    j->unsettled[j->n_unsettled] = (Unsettled){b, epoch};
    set_unsettled(j, j->n_unsettled + 1);
}

void jit_settle(JitCpu *j)
{
    uint64_t reached = tcg_code_epoch_reached(j->c); /* before the bytes are looked at */
    unsigned left = 0;

    if (j->flush_pending) { /* all of them go, and the memory of some may be gone */
        set_unsettled(j, 0);
        return;
    }

    for (unsigned n = 0; n < j->n_unsettled; n++) {
        Unsettled u = j->unsettled[n];

        if (u.block->dead)
            continue;
        if (!jit_block_same(j, u.block)) {
            jit_block_kill(j, u.block);
            j->late_stores++;
        } else if (u.epoch > reached) {
            j->unsettled[left++] = u;
        }
    }
    set_unsettled(j, left);
}

void jit_flush_all(X86CPU *c)
{
    JIT(c)->flush_pending = JIT(c)->leave = true;
}

void jit_tlb_flushed(X86CPU *c)
{
    /* The code TLB's identities are gone: guards look again. */
}

void jit_jc_clear(X86CPU *c, unsigned class)
{
    JitHot *h = HOT(c);

    for (unsigned i = 0; i < JC_ENTRIES; i++)
        h->jc[class][i].rip = empty_rip(i);
}

void jit_jc_put(X86CPU *c, const Block *b)
{
    JitHot *h = HOT(c);
    uint64_t rip = jit_rip(JIT(c), b);
    unsigned at = jit_jc_index(rip), k = jit_class(b->mode);

    h->jc[k][at] = (JumpTarget){rip, (uintptr_t)JIT(c)->rx + b->guard};
}

/* Entries of a return stack: where the host returns to, the guest's address. Above its base stand some that lead to the
 * sentinel's thunk. */
static void stacks_reset(JitCpu *j)
{
    for (unsigned k = 0; k < CLASSES; k++) {
        uint64_t *top = (uint64_t *)(void *)(j->stacks + (k + 1) * (GUARD_SIZE + STACK_SIZE) - STACK_TOP);

        for (unsigned i = 0; i < STACK_TOP / 8; i += 2) {
            top[i] = (uintptr_t)j->rx + j->thunk_sentinel;
            top[i + 1] = 0;
        }
        HOT(j->c)->class[k].base = HOT(j->c)->class[k].sp = (uintptr_t)top;
        HOT(j->c)->class[k].mode = ~0U;
    }
}

/* Segment n is the one that is filled, and empty. */
static void begin_segment(JitCpu *j, unsigned n)
{
    j->segment = n;
    j->segments[n] = (Segment){.exits = (n + 1) * (size_t)SEGMENT};
    j->used = n ? n * (uint32_t)SEGMENT : j->first;
    j->arena_used = n ? n * (size_t)SEGMENT : 8;
}

/* Forget what is in the segment: nothing of it runs, since it is C that does. */
static void evict(JitCpu *j, unsigned n)
{
    Segment *s = &j->segments[n];
    JitHot *h = HOT(j->c);
    const uint8_t *from = j->arena + n * (size_t)SEGMENT, *to = from + SEGMENT;
    unsigned left = 0;

    jit_fpu_sync(j->c);
    for (size_t at = s->exits; at < (n + 1) * (size_t)SEGMENT; at += sizeof(JitExit)) {
        JitExit *x = (JitExit *)(void *)(j->arena + at);

        if (x->linked)
            remove_exit(j, x);
    }
    for (unsigned k = 0; k < s->n_blocks; k++) {
        Block *b = jit_block(j, j->sorted[n * SEGMENT_BLOCKS + k]);

        if (!b->dead) {
            jit_block_kill(j, b);
            j->invalidated--;
            j->evicted++;
            *jit_heat(j, b->lin, b->id, b->mode & ~BLOCK_NO_GROUPS) |= HEAT_EVICTED;
        }
    }
    for (unsigned k = 0; k < j->n_unsettled; k++) {
        if (!j->unsettled[k].block->dead)
            j->unsettled[left++] = j->unsettled[k];
    }
    set_unsettled(j, left);
    for (unsigned k = 0; k < CROSS_STUBS; k++) {
        if (j->cross_stub[k].at / SEGMENT == n)
            j->cross_stub[k].at = 0;
    }
    for (unsigned k = 0; k < ARRAY_SIZE(j->kept); k++) {
        if (j->kept[k].key >= from && j->kept[k].key < to)
            j->kept[k].key = NULL;
    }
    /* Its code's addresses are on the return stacks; what is not there is looked for. */
    for (unsigned k = 0; k < CLASSES; k++)
        h->class[k].sp = h->class[k].base;
    h->sp = h->class[h->present].base;
    j->n_blocks -= s->n_blocks;
    j->generation++;
}

size_t jit_data_used(const JitCpu *j)
{
    size_t begin = j->segment * (size_t)SEGMENT;

    return j->arena_used - begin + (begin + SEGMENT - j->segments[j->segment].exits);
}

/* All segments are full: should there be more? */
static bool more_segments(JitCpu *j)
{
    uint64_t made = j->translated - j->lap_translated, again = j->again - j->lap_again;

    j->lap_translated = j->translated;
    j->lap_again = j->again;
    if (again < made / 8 || j->n_segments == j->max_segments)
        return false;
    j->n_segments = MIN(j->n_segments * 2, j->max_segments);
    return true;
}

void jit_room(JitCpu *j)
{
    unsigned next = j->segment + 1;
    Segment *s = &j->segments[j->segment];

    if (j->used + BLOCK_ROOM <= jit_code_end(j) && j->arena_used + DATA_ROOM <= s->exits &&
        s->n_blocks < SEGMENT_BLOCKS)
        return;
    s->code = j->used - j->segment * (uint32_t)SEGMENT;
    s->data = (uint32_t)jit_data_used(j);
    if (next >= j->n_segments && !more_segments(j))
        next = 0;
    if (j->segments[next].n_blocks)
        evict(j, next);
    begin_segment(j, next);
}

void jit_do_flush(JitCpu *j)
{
    bool first = !j->generation;

    for (unsigned i = 0; i < CROSS_STUBS; i++)
        j->cross_stub[i].at = 0;
    jit_fpu_sync(j->c);
    for (unsigned n = 0; n < j->n_segments; n++)
        j->segments[n] = (Segment){};
    begin_segment(j, 0);
    j->n_blocks = j->n_pages = j->n_ids = j->verify_pages = 0;
    set_unsettled(j, 0);
    if (!first) {
        for (unsigned i = 0; i < 1U << j->hash_bits; i++)
            j->hash[i] = 0;
        for (unsigned i = 0; i < PAGES_MAX; i++)
            j->page_index[i] = 0;
        for (unsigned i = 0; i < IDS_MAX; i++)
            j->id_index[i] = 0;
        for (unsigned i = 0; i < ARRAY_SIZE(j->kept); i++)
            j->kept[i].key = NULL;
        for (unsigned i = 0; i < CODE_TLB_ENTRIES; i++)
            TCG(j->c)->code_tlb[i].id = 0;
        tcg_forget_pcids(j->c);
        j->flushes++;
    }
    j->hash_bits = HASH_BITS_MIN;
    for (unsigned k = 0; k < CLASSES; k++) {
        if (first) /* zeroed: only what must not be 0 */
            HOT(j->c)->jc[k][0].rip = empty_rip(0);
        else
            jit_jc_clear(j->c, k);
    }
    stacks_reset(j);
    HOT(j->c)->sp = HOT(j->c)->class[HOT(j->c)->present].base;
    j->flush_pending = false;
    j->generation++;
}

void jit_fpu_sync(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    JitHot *h = HOT(c);

    if (!h->fpu_site)
        return;
    const FpuSite *s = jit_deref(t->jit, h->fpu_site);

    h->fpu_site = 0;
    t->fpu_ip = s->rip;
    t->fpu_op = s->op;
    t->fpu_cs = c->seg[SEG_CS].selector;
    /* Of the last one with an operand in memory, whatever came behind it. */
    if (h->fpu_seg)
        t->fpu_ds = c->seg[h->fpu_seg - 1].selector;
    h->fpu_seg = 0;
}

Block *jit_block_at(JitCpu *j, uint32_t code)
{
    unsigned n = code / SEGMENT, lo = 0, hi = n < j->n_segments ? j->segments[n].n_blocks : 0, all = hi;
    const uint32_t *sorted = j->sorted + n * (size_t)SEGMENT_BLOCKS;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        const Block *b = jit_block(j, sorted[mid]);

        if (code >= b->guard + b->size)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == all)
        return NULL;
    Block *b = jit_block(j, sorted[lo]);

    return code >= b->guard ? b : NULL;
}

/* Is addr in the guard below a return stack? */
bool jit_stack_overflow(JitCpu *j, uintptr_t addr)
{
    uintptr_t off = addr - (uintptr_t)j->stacks;

    return off < CLASSES * (GUARD_SIZE + STACK_SIZE) && off % (GUARD_SIZE + STACK_SIZE) < GUARD_SIZE;
}
