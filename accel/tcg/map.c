/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The physical memory map for light code (map.h), requests from other threads, and who is told of writes to translated
 * code.
 *
 * A vCPU is in the guest (TcgCpu.in_guest) except between tcg_outside_begin() and tcg_outside_end() and outside
 * tcg_run(). What other threads change under a vCPU's feet they change while it is not in the guest: they post a
 * request and wait until it has left or has taken it.
 */
#include "accel/tcg/map.h"
#include "accel/tcg/jit.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"
#include <sched.h>

TcgRamMap *tcg_map;

/* Guards code_requests of every vCPU and the order of "the page has code" against "it was written"; a leaf. */
static GMutex code_lock;

static bool collect(const FlatRange *r, void *opaque)
{
    GArray *sections = opaque;
    uint64_t first = ROUND_UP(r->addr, PAGE_SIZE), end = (r->last + 1) & PAGE_MASK;

    if (!r->host || !r->ram || first >= end)
        return true;
    TcgRamSection s = {
        .gpa = first,
        .last = end - 1,
        .host = r->host + (first - r->addr),
        .ram = r->ram,
        .writable = r->writable,
        .logged = r->log_mask & ~(1U << DIRTY_CODE),
    };

    g_array_append_val(sections, s);
    return true;
}

void tcg_request(X86CPU *c, uint32_t what)
{
    TcgCpu *t = TCG(c);

    __atomic_fetch_or(&t->requests, what, __ATOMIC_SEQ_CST);
    __atomic_store_n(&t->exit_request, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(X86CPU *c, uint32_t what)
{
    TcgCpu *t = TCG(c);

    while (__atomic_load_n(&t->in_guest, __ATOMIC_SEQ_CST) && __atomic_load_n(&t->requests, __ATOMIC_SEQ_CST) & what)
        sched_yield();
}

static void request_all_and_wait(uint32_t what)
{
    X86CPU *c;

    FOREACH_VCPU (c) {
        tcg_request(c, what);
    }
    FOREACH_VCPU (c) {
        if (c != current_cpu)
            wait_for(c, what);
    }
}

/* Is memory of the old map nowhere in the new one? What is made from it must go before the memory does: another block
 * may come to the same place in the host. */
static bool memory_gone(const TcgRamMap *old, const TcgRamMap *new)
{
    unsigned n_old = old ? old->n[0] + old->n[1] : 0, n_new = new->n[0] + new->n[1], at = 0;
    const RamBlock *last = NULL;

    for (unsigned n = 0; n < n_old; n++) {
        if (old->s[0][n].ram == last)
            continue;
        last = old->s[0][n].ram;
        for (at = 0; at < n_new && new->s[0][at].ram != last; at++)
            ;
        if (at == n_new)
            return true;
    }
    return false;
}

static void free_map(RcuHead *head)
{
    g_free(container_of(head, TcgRamMap, rcu));
}

static void rebuild(MemoryListener *l)
{
    AddressSpace *spaces[2] = {&as_memory, cpu_smm_space};
    g_autoptr(GArray) sections = g_array_new(false, false, sizeof(TcgRamSection));
    TcgRamMap *old = tcg_map;
    unsigned n[2] = {0, 0};

    for (unsigned i = 0; i < 2; i++) {
        if (spaces[i])
            as_foreach(spaces[i], collect, sections);
        n[i] = sections->len - (i ? n[0] : 0);
    }
    TcgRamMap *m = g_malloc(sizeof(*m) + sections->len * sizeof(TcgRamSection));
    TcgRamSection *all = (TcgRamSection *)(m + 1);

    if (sections->len)
        memcpy(all, sections->data, sections->len * sizeof(TcgRamSection));
    *m = (TcgRamMap){.n = {n[0], n[1]}, .s = {all, all + n[0]}};
    __atomic_store_n(&tcg_map, m, __ATOMIC_SEQ_CST);
    request_all_and_wait(TCG_NEW_MAP | (memory_gone(old, m) ? TCG_DROP_CODE : 0));
    if (old)
        rcu_call(&old->rcu, free_map);
}

static void log_changed(MemoryListener *l, const FlatRange *r)
{
    rebuild(l);
}

#define LISTENER                                                                                                       \
    {                                                                                                                  \
        .name = "tcg", .priority = 10, .commit = rebuild, .log_start = log_changed, .log_stop = log_changed            \
    }
static MemoryListener listener = LISTENER, smm_listener = LISTENER;

void tcg_map_init(void)
{
    ram_code_written = tcg_code_written;
    memory_listener_register(&listener, &as_memory);
}

void tcg_map_add_smm(void)
{
    ASSERT_VM_LOCKED();
    if (cpu_smm_space && !smm_listener.as)
        memory_listener_register(&smm_listener, cpu_smm_space);
}

/* Code. */

void tcg_code_written(RamBlock *b, uint64_t off, uint64_t len)
{
    unsigned long *map = __atomic_load_n(&b->dirty[DIRTY_CODE], __ATOMIC_ACQUIRE);
    X86CPU *c;

    if (!map || !len)
        return;
    g_mutex_lock(&code_lock);
    for (uint64_t p = off >> 12; p <= (off + len - 1) >> 12; p++) {
        if (__atomic_fetch_or(&map[p / 64], BIT64(p % 64), __ATOMIC_SEQ_CST) & BIT64(p % 64))
            continue;
        const uint8_t *page = b->host + (p << 12);

        FOREACH_VCPU (c) {
            TcgCpu *t = TCG(c);

            if (t->n_code_requests < ARRAY_SIZE(t->code_requests))
                t->code_requests[t->n_code_requests++] = page;
            else
                t->code_requests_lost = true;
            tcg_request(c, TCG_FLUSH_CODE);
        }
    }
    g_mutex_unlock(&code_lock);
}

/* Take write access to the page away from every vCPU's TLB. Their threads only read the tags; a store that has just
 * passed its compare still goes through: tcg.h, tcg_code_epoch. */
static void protect_in_tlb(X86CPU *c, const uint8_t *page)
{
    TcgCpu *t = TCG(c);

    for (unsigned m = 0; m < MMU_MODES; m++) {
        for (unsigned n = 0; n < TLB_ENTRIES; n++) {
            TlbEntry *e = &t->tlb[m][n];
            uint64_t tag = __atomic_load_n(&e->write, __ATOMIC_RELAXED);

            if (tag != TLB_INVALID(n) && __atomic_load_n(&e->host, __ATOMIC_RELAXED) == page)
                __atomic_store_n(&e->write, TLB_INVALID(n), __ATOMIC_RELAXED);
        }
    }
}

void tcg_protect_code(X86CPU *c, const uint8_t *host_page)
{
    RamBlock *b = ram_block_of_host(host_page);
    X86CPU *o;

    if (!b)
        return;
    uint64_t p = (uint64_t)(host_page - b->host) >> 12;
    unsigned long *map = __atomic_load_n(&b->dirty[DIRTY_CODE], __ATOMIC_ACQUIRE);

    if (map && !(__atomic_load_n(&map[p / 64], __ATOMIC_SEQ_CST) & BIT64(p % 64)))
        return;
    tcg_outside_begin(c);
    g_mutex_lock(&code_lock);
    ram_block_track(b, DIRTY_CODE);
    map = b->dirty[DIRTY_CODE];
    /* Before the bit: who finds it clear waits for this epoch's end. */
    __atomic_fetch_add(&tcg_code_epoch, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&map[p / 64], ~BIT64(p % 64), __ATOMIC_SEQ_CST);
    FOREACH_VCPU (o) {
        protect_in_tlb(o, host_page);
    }
    if (!vcpus[c->index]) /* a thread that starts is not in the list yet */
        protect_in_tlb(c, host_page);
    uint64_t epoch = __atomic_add_fetch(&tcg_code_epoch, 1, __ATOMIC_SEQ_CST);

    FOREACH_VCPU (o) {
        if (o != c && __atomic_load_n(&TCG(o)->code_seen, __ATOMIC_SEQ_CST) < epoch)
            __atomic_store_n(&TCG(o)->exit_request, 1, __ATOMIC_RELAXED);
    }
    g_mutex_unlock(&code_lock);
    tcg_outside_end(c);
}

void tcg_take_requests(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    uint32_t r = 0;

    for (;;) {
        uint32_t new = __atomic_exchange_n(&t->requests, 0, __ATOMIC_SEQ_CST);

        r |= new;
        if (!(new &TCG_HALT_FOR_LOCK) || t->bus_locked)
            break;
        tcg_wait_bus_lock(c);
    }
    if (r & TCG_NEW_MAP) {
        t->ram_map = __atomic_load_n(&tcg_map, __ATOMIC_SEQ_CST);
        r |= TCG_FLUSH_TLB;
    }
    if (r & TCG_FLUSH_CODE) {
        const uint8_t *pages[ARRAY_SIZE(t->code_requests)];
        unsigned n;
        bool lost;

        g_mutex_lock(&code_lock);
        n = t->n_code_requests;
        memcpy(pages, t->code_requests, n * sizeof(pages[0]));
        lost = t->code_requests_lost;
        t->n_code_requests = 0;
        t->code_requests_lost = false;
        g_mutex_unlock(&code_lock);
        if (t->jit && lost)
            jit_flush_all(c);
        else if (t->jit)
            for (unsigned i = 0; i < n; i++)
                jit_page_written(c, pages[i]);
    }
    if (r & TCG_DROP_CODE && t->jit)
        jit_flush_all(c);
    if (r & TCG_FLUSH_TLB)
        tcg_flush_tlb(c, true);
    if (r & TCG_DEBUG_CHANGED)
        tcg_mode_changed(c);
}
