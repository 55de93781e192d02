/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flattening: a tree of regions becomes one sorted array of disjoint ranges.
 *
 * The tree is walked in the order of dispatch (children before what is under them, higher priority first); each region
 * with memory or handlers takes what is still free of its window. Positions are signed 128-bit: an alias may put the
 * start of its target below zero, and a window may end at 2^64.
 */
#include "softmmu/memory-internal.h"

#include <stdlib.h>

typedef __int128 Pos;
#define SPACE_END ((Pos)1 << 64)
#define DEPTH_MAX 64 /* a board's nesting; a loop of aliases would go deeper */

typedef struct Render {
    GArray *ranges; /* FlatRange */
    unsigned depth;
} Render;

/* The first range that ends at or behind addr. */
static unsigned first_behind(const GArray *a, uint64_t addr)
{
    unsigned lo = 0, hi = a->len;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (g_array_index(a, FlatRange, mid).last < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void insert(Render *w, unsigned at, MemoryRegion *r, Pos base, uint64_t first, uint64_t last, bool readonly,
                   bool nonvolatile)
{
    FlatRange f = {
        .addr = first,
        .last = last,
        .region = r,
        .ram = r->ram,
        .offset = (uint64_t)(first - base),
        .readonly = r->kind == REGION_ROM || (readonly && r->ram),
        .romd = r->kind == REGION_ROM_DEVICE && r->romd,
        .nonvolatile = nonvolatile,
        .log_mask = r->ram ? r->log_mask : 0,
    };
    if (r->ram && (r->kind != REGION_ROM_DEVICE || r->romd))
        f.host = r->ram->host + f.offset;
    f.writable = r->kind == REGION_RAM && !f.readonly;
    g_array_insert_val(w->ranges, at, f);
}

/* Put r wherever [lo, hi) is free. */
static void fill(Render *w, MemoryRegion *r, Pos base, Pos lo, Pos hi, bool readonly, bool nonvolatile)
{
    unsigned i = first_behind(w->ranges, (uint64_t)lo);
    while (lo < hi) {
        Pos next = SPACE_END, behind = SPACE_END;
        if (i < w->ranges->len) {
            const FlatRange *f = &g_array_index(w->ranges, FlatRange, i);
            next = f->addr;
            behind = (Pos)f->last + 1;
        }
        if (next > lo) {
            insert(w, i++, r, base, (uint64_t)lo, (uint64_t)(MIN(next, hi) - 1), readonly, nonvolatile);
        }
        lo = behind;
        i++;
    }
}

/* base: the address of r's first byte. */
static void render(Render *w, MemoryRegion *r, Pos base, Pos lo, Pos hi, bool readonly, bool nonvolatile)
{
    if (!r->enabled)
        return;
    lo = MAX(lo, base);
    hi = MIN(hi, base + (Pos)r->size);
    if (lo >= hi)
        return;
    readonly |= r->readonly;
    nonvolatile |= r->nonvolatile;
    w->depth++;
    assert(w->depth < DEPTH_MAX);
    if (r->kind == REGION_ALIAS) {
        render(w, r->alias, base - (Pos)r->alias_offset, lo, hi, readonly, nonvolatile);
    } else {
        for (guint i = 0; r->children && i < r->children->len; i++) {
            MemoryRegion *child = r->children->pdata[i];
            render(w, child, base + (Pos)child->addr, lo, hi, readonly, nonvolatile);
        }
        if (r->kind != REGION_CONTAINER)
            fill(w, r, base, lo, hi, readonly, nonvolatile);
    }
    w->depth--;
}

/* Neighbours that continue each other become one. */
static void simplify(GArray *a)
{
    unsigned out = 0;
    for (unsigned i = 0; i < a->len; i++) {
        FlatRange *f = &g_array_index(a, FlatRange, i);
        FlatRange *p = out ? &g_array_index(a, FlatRange, out - 1) : NULL;
        if (p && p->last + 1 == f->addr && p->region == f->region && p->offset + (f->addr - p->addr) == f->offset &&
            p->readonly == f->readonly && p->nonvolatile == f->nonvolatile)
            p->last = f->last;
        else
            g_array_index(a, FlatRange, out++) = *f;
    }
    g_array_set_size(a, out);
}

int flat_eventfd_cmp(const FlatEventfd *a, const FlatEventfd *b)
{
#define CMP(f)                                                                                                         \
    if (a->f != b->f)                                                                                                  \
    return a->f < b->f ? -1 : 1
    CMP(addr);
    CMP(e.size);
    CMP(e.match);
    CMP(e.data);
    CMP(e.fd);
#undef CMP
    return 0;
}

static int cmp_eventfd(const void *a, const void *b)
{
    return flat_eventfd_cmp(a, b);
}

/* The doorbells and the coalesced windows that are visible. */
static void collect(FlatView *v)
{
    g_autoptr(GArray) ev = g_array_new(false, false, sizeof(FlatEventfd));
    g_autoptr(GArray) co = g_array_new(false, false, sizeof(CoalescedRange));
    for (unsigned i = 0; i < v->n; i++) {
        FlatRange *f = &v->ranges[i];
        uint64_t last_off = f->offset + (f->last - f->addr);
        guint first = ev->len;
        for (guint k = 0; f->region->eventfds && k < f->region->eventfds->len; k++) {
            const RegionEventfd *e = &g_array_index(f->region->eventfds, RegionEventfd, k);
            if (e->off < f->offset || e->off > last_off)
                continue;
            FlatEventfd fe = {.addr = f->addr + (e->off - f->offset), .e = *e};
            g_array_append_val(ev, fe);
        }
        f->n_eventfds = ev->len - first;
        if (f->n_eventfds)
            qsort(&g_array_index(ev, FlatEventfd, first), f->n_eventfds, sizeof(FlatEventfd), cmp_eventfd);
        for (guint k = 0; f->region->coalesced && k < f->region->coalesced->len; k++) {
            const CoalescedRange *c = &g_array_index(f->region->coalesced, CoalescedRange, k);
            uint64_t c_last = c->off + c->len - 1;
            if (!c->len || c->off > last_off || c_last < f->offset)
                continue;
            uint64_t from = MAX(c->off, f->offset), to = MIN(c_last, last_off);
            CoalescedRange r = {.off = f->addr + (from - f->offset), .len = to - from + 1};
            g_array_append_val(co, r);
        }
    }
    v->n_eventfds = ev->len;
    v->region_eventfds = g_new(RegionEventfd, ev->len);
    for (unsigned k = 0; k < ev->len; k++)
        v->region_eventfds[k] = g_array_index(ev, FlatEventfd, k).e;
    for (unsigned i = 0, k = 0; i < v->n; k += v->ranges[i++].n_eventfds)
        v->ranges[i].eventfds = v->region_eventfds + k;
    v->eventfds = (FlatEventfd *)g_array_free(g_steal_pointer(&ev), false);
    v->n_coalesced = co->len;
    v->coalesced = (CoalescedRange *)g_array_free(g_steal_pointer(&co), false);
}

FlatView *flat_view_new(MemoryRegion *root)
{
    static uint64_t last_id; /* under the VM lock */
    Render w = {.ranges = g_array_sized_new(false, false, sizeof(FlatRange), 64)};
    render(&w, root, 0, 0, SPACE_END, false, false);
    simplify(w.ranges);
    FlatView *v = g_new0(FlatView, 1);
    v->id = ++last_id;
    v->root = root;
    v->refs = 1;
    v->n = w.ranges->len;
    v->ranges = (FlatRange *)g_array_free(w.ranges, false);
    v->lasts = g_new(uint64_t, v->n);
    for (unsigned i = 0; i < v->n; i++)
        v->lasts[i] = v->ranges[i].last;
    collect(v);
    return v;
}

void flat_view_ref(FlatView *v)
{
    v->refs++;
}

static void view_free(RcuHead *head)
{
    FlatView *v = container_of(head, FlatView, rcu);
    g_free(v->ranges);
    g_free(v->lasts);
    g_free(v->eventfds);
    g_free(v->region_eventfds);
    g_free(v->coalesced);
    g_free(v);
}

void flat_view_unref(FlatView *v)
{
    if (--v->refs == 0)
        rcu_call(&v->rcu, view_free);
}

bool flat_range_same_place(const FlatRange *a, const FlatRange *b)
{
    return a->addr == b->addr && a->last == b->last && a->region == b->region && a->offset == b->offset &&
           a->ram == b->ram && a->host == b->host && a->writable == b->writable && a->readonly == b->readonly &&
           a->romd == b->romd && a->nonvolatile == b->nonvolatile;
}

bool flat_view_equal(const FlatView *a, const FlatView *b)
{
    if (a->n != b->n || a->n_eventfds != b->n_eventfds || a->n_coalesced != b->n_coalesced)
        return false;
    for (unsigned i = 0; i < a->n; i++)
        if (!flat_range_same_place(&a->ranges[i], &b->ranges[i]) || a->ranges[i].log_mask != b->ranges[i].log_mask)
            return false;
    for (unsigned i = 0; i < a->n_eventfds; i++)
        if (flat_eventfd_cmp(&a->eventfds[i], &b->eventfds[i]))
            return false;
    for (unsigned i = 0; i < a->n_coalesced; i++)
        if (a->coalesced[i].off != b->coalesced[i].off || a->coalesced[i].len != b->coalesced[i].len)
            return false;
    return true;
}
