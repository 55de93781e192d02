/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of regions, transactions, listeners and address spaces. Everything here runs under the VM lock.
 * memory-flat.c makes the snapshots, memory-access.c looks them up.
 */
#include "softmmu/memory-internal.h"

#include "hw/core/device.h"
#include "softmmu/mainloop.h"

AddressSpace as_memory, as_io;
MemoryRegion system_memory, system_io;
AddressSpace *address_spaces;

static unsigned depth; /* of memory_begin() */
static bool changed;   /* since the outermost begin */
static bool notifying; /* listeners run: they may not change the tree */

/* What a destroyed region leaves: readers of the present snapshots may still look at it, so it goes after the next
 * commit and a grace period. */
typedef struct Leftover {
    RcuHead rcu;
    struct Leftover *next;
    char *name;
    RamBlock *ram;
} Leftover;
static Leftover *leftovers;

/* Regions */

static void region_undo(Device *dev, void *opaque)
{
    region_destroy(opaque);
}

static void region_init(MemoryRegion *r, RegionKind kind, Device *owner, const char *name, unsigned __int128 size)
{
    ASSERT_VM_LOCKED();
    memset(r, 0, sizeof(*r));
    r->kind = kind;
    r->owner = owner;
    r->name = g_strdup(name);
    r->size = size;
    r->enabled = true;
    if (owner)
        device_claim(owner, region_undo, r);
}

void region_init_container(MemoryRegion *r, Device *owner, const char *name, unsigned __int128 size)
{
    region_init(r, REGION_CONTAINER, owner, name, size);
}

void region_init_io(IoRegion *r, Device *owner, const IoOps *ops, void *opaque, const char *name, uint64_t size)
{
    region_init(r, REGION_IO, owner, name, size);
    r->ops = ops;
    r->opaque = opaque;
}

static void init_ram_kind(MemoryRegion *r, RegionKind kind, Device *owner, const char *name, RamBlock *block)
{
    region_init(r, kind, owner, name, block->size);
    r->ram = block;
    r->romd = kind == REGION_ROM_DEVICE;
}

void region_init_ram_block(MemoryRegion *r, Device *owner, const char *name, RamBlock *block)
{
    init_ram_kind(r, REGION_RAM, owner, name, ram_block_ref(block));
    r->readonly = block->flags & RAM_READONLY;
}

/* Two devices of a kind have RAM of the same name: the later one's block is called by its owner's path. */
static RamBlock *new_block(Device *owner, const char *name, uint64_t size, Error **errp)
{
    if (!ram_block_find(name))
        return ram_block_anon(name, size, ram_default_flags, errp);
    for (unsigned i = 1;; i++) {
        g_autofree char *own = g_strdup_printf("%s/%s#%u", owner && owner->path ? owner->path : "", name, i);
        if (!ram_block_find(own))
            return ram_block_anon(own, size, ram_default_flags, errp);
    }
}

static bool init_new_ram(MemoryRegion *r, RegionKind kind, Device *owner, const char *name, uint64_t size, Error **errp)
{
    RamBlock *b = new_block(owner, name, size, errp);
    if (!b)
        return false;
    init_ram_kind(r, kind, owner, name, b);
    r->size = size; /* the block may be larger: whole pages */
    r->own_ram = true;
    return true;
}

bool region_init_ram(MemoryRegion *r, Device *owner, const char *name, uint64_t size, Error **errp)
{
    return init_new_ram(r, REGION_RAM, owner, name, size, errp);
}

bool region_init_rom(MemoryRegion *r, Device *owner, const char *name, uint64_t size, Error **errp)
{
    if (!init_new_ram(r, REGION_ROM, owner, name, size, errp))
        return false;
    r->readonly = true;
    return true;
}

bool region_init_rom_device(MemoryRegion *r, Device *owner, const IoOps *ops, void *opaque, const char *name,
                            uint64_t size, Error **errp)
{
    if (!init_new_ram(r, REGION_ROM_DEVICE, owner, name, size, errp))
        return false;
    r->ops = ops;
    r->opaque = opaque;
    return true;
}

void region_init_alias(MemoryRegion *r, Device *owner, const char *name, MemoryRegion *target, uint64_t offset,
                       uint64_t size)
{
    region_init(r, REGION_ALIAS, owner, name, size);
    r->alias = target;
    r->alias_offset = offset;
}

void region_destroy(MemoryRegion *r)
{
    ASSERT_VM_LOCKED();
    if (!r->name)
        return;
    region_del(r);
    while (r->children && r->children->len)
        region_del(r->children->pdata[0]);
    if (r->children)
        g_ptr_array_free(r->children, true);
    if (r->eventfds)
        g_array_free(r->eventfds, true);
    if (r->coalesced)
        g_array_free(r->coalesced, true);
    r->children = NULL;
    r->eventfds = r->coalesced = NULL;
    if (r->own_ram)
        ram_block_retire(r->ram);
    Leftover *l = g_new0(Leftover, 1);
    l->name = g_steal_pointer(&r->name);
    l->ram = g_steal_pointer(&r->ram);
    l->next = leftovers;
    memory_begin();
    leftovers = l;
    memory_commit();
}

MemoryRegion *region_resolve(MemoryRegion *r, uint64_t *off)
{
    while (r->kind == REGION_ALIAS) {
        *off += r->alias_offset;
        r = r->alias;
    }
    return r;
}

/* The tree */

static void touched(void)
{
    memory_begin();
    changed = true;
    memory_commit();
}

void region_add_overlap(MemoryRegion *container, uint64_t addr, MemoryRegion *r, int priority)
{
    ASSERT_VM_LOCKED();
    assert(!r->container && container->kind != REGION_ALIAS && r != container);
    if (!container->children)
        container->children = g_ptr_array_new();
    guint at = 0;
    while (at < container->children->len && ((MemoryRegion *)container->children->pdata[at])->priority > priority)
        at++;
    r->container = container;
    r->addr = addr;
    r->priority = priority;
    g_ptr_array_insert(container->children, (gint)at, r);
    touched();
}

void region_add(MemoryRegion *container, uint64_t addr, MemoryRegion *r)
{
    region_add_overlap(container, addr, r, 0);
}

void region_del(MemoryRegion *r)
{
    ASSERT_VM_LOCKED();
    if (!r->container)
        return;
    g_ptr_array_remove(r->container->children, r);
    r->container = NULL;
    touched();
}

#define SETTER(fn, type, field)                                                                                        \
    void fn(MemoryRegion *r, type val)                                                                                 \
    {                                                                                                                  \
        ASSERT_VM_LOCKED();                                                                                            \
        if (r->field == val)                                                                                           \
            return;                                                                                                    \
        r->field = val;                                                                                                \
        touched();                                                                                                     \
    }
SETTER(region_set_enabled, bool, enabled)
SETTER(region_set_address, uint64_t, addr)
SETTER(region_set_readonly, bool, readonly)
SETTER(region_set_alias_offset, uint64_t, alias_offset)
SETTER(region_set_romd, bool, romd)
SETTER(region_set_nonvolatile, bool, nonvolatile)

void region_set_size(MemoryRegion *r, uint64_t size)
{
    ASSERT_VM_LOCKED();
    assert(!r->ram || size <= r->ram->size);
    if (r->size == size)
        return;
    r->size = size;
    touched();
}

uint64_t region_size(const MemoryRegion *r)
{
    assert(r->size >> 64 == 0);
    return (uint64_t)r->size;
}

void *region_ram_ptr(MemoryRegion *r)
{
    uint64_t off = 0;
    r = region_resolve(r, &off);
    assert(r->ram);
    return r->ram->host + off;
}

void region_add_eventfd(MemoryRegion *r, uint64_t off, unsigned size, bool match, uint64_t data, int fd)
{
    ASSERT_VM_LOCKED();
    RegionEventfd e = {.off = off, .data = match ? data : 0, .size = (uint8_t)size, .match = match, .fd = fd};
    if (!r->eventfds)
        r->eventfds = g_array_new(false, true, sizeof(e));
    g_array_append_val(r->eventfds, e);
    touched();
}

void region_del_eventfd(MemoryRegion *r, uint64_t off, unsigned size, bool match, uint64_t data, int fd)
{
    ASSERT_VM_LOCKED();
    for (guint i = 0; r->eventfds && i < r->eventfds->len; i++) {
        const RegionEventfd *e = &g_array_index(r->eventfds, RegionEventfd, i);
        if (e->off == off && e->size == size && e->match == match && e->data == (match ? data : 0) && e->fd == fd) {
            g_array_remove_index(r->eventfds, i);
            touched();
            return;
        }
    }
    assert(!"an eventfd that was never added");
}

void region_add_coalescing(MemoryRegion *r, uint64_t off, uint64_t size)
{
    ASSERT_VM_LOCKED();
    CoalescedRange c = {.off = off, .len = size};
    if (!r->coalesced)
        r->coalesced = g_array_new(false, true, sizeof(c));
    g_array_append_val(r->coalesced, c);
    r->flush_coalesced = true;
    touched();
}

void region_clear_coalescing(MemoryRegion *r)
{
    ASSERT_VM_LOCKED();
    if (!r->coalesced)
        return;
    for (AddressSpace *as = address_spaces; as; as = as->next)
        memory_flush_coalesced(as);
    g_array_free(r->coalesced, true);
    r->coalesced = NULL;
    r->flush_coalesced = false;
    touched();
}

/* Listeners */

#define NOTIFY(as, fn, ...)                                                                                            \
    for (MemoryListener *l_ = (as)->listeners; l_; l_ = l_->next)                                                      \
        if (l_->fn)                                                                                                    \
    l_->fn(l_, ##__VA_ARGS__)

/* What was logged is fetched before the log goes. */
static void notify_gone(MemoryListener *l, const FlatRange *r)
{
    if (r->log_mask && l->log_sync)
        l->log_sync(l, r);
    if (r->log_mask && l->log_stop)
        l->log_stop(l, r);
    if (l->del)
        l->del(l, r);
}

/* Last registered first: for what is taken away. */
static void notify_del(MemoryListener *l, const FlatRange *r)
{
    if (!l)
        return;
    notify_del(l->next, r);
    notify_gone(l, r);
}

static void notify_add(MemoryListener *l, const FlatRange *r)
{
    if (l->add)
        l->add(l, r);
    if (r->log_mask && l->log_start)
        l->log_start(l, r);
}

/* One pass of two over what differs: old ranges that are gone, then new ones. */
static void diff_ranges(AddressSpace *as, const FlatView *old, const FlatView *new, bool adding)
{
    unsigned i = 0, j = 0;
    while (i < old->n || j < new->n) {
        const FlatRange *o = i < old->n ? &old->ranges[i] : NULL;
        const FlatRange *n = j < new->n ? &new->ranges[j] : NULL;
        if (o && n && flat_range_same_place(o, n)) {
            if (adding && !o->log_mask && n->log_mask)
                NOTIFY(as, log_start, n);
            if (!adding && o->log_mask && !n->log_mask)
                NOTIFY(as, log_stop, n);
            i++;
            j++;
        } else if (o && (!n || o->addr <= n->addr)) {
            if (!adding)
                notify_del(as->listeners, o);
            i++;
        } else {
            if (adding)
                for (MemoryListener *l = as->listeners; l; l = l->next)
                    notify_add(l, n);
            j++;
        }
    }
}

static void diff_eventfds(AddressSpace *as, const FlatView *old, const FlatView *new, bool adding)
{
    unsigned i = 0, j = 0;
    while (i < old->n_eventfds || j < new->n_eventfds) {
        const FlatEventfd *o = i < old->n_eventfds ? &old->eventfds[i] : NULL;
        const FlatEventfd *n = j < new->n_eventfds ? &new->eventfds[j] : NULL;
        int c = !o ? 1 : !n ? -1 : flat_eventfd_cmp(o, n);
        if (c < 0 && !adding)
            NOTIFY(as, eventfd_del, o->addr, &o->e);
        if (c > 0 && adding)
            NOTIFY(as, eventfd_add, n->addr, &n->e);
        i += c <= 0;
        j += c >= 0;
    }
}

static void diff_coalesced(AddressSpace *as, const FlatView *old, const FlatView *new, bool adding)
{
    unsigned i = 0, j = 0;
    while (i < old->n_coalesced || j < new->n_coalesced) {
        const CoalescedRange *o = i < old->n_coalesced ? &old->coalesced[i] : NULL;
        const CoalescedRange *n = j < new->n_coalesced ? &new->coalesced[j] : NULL;
        int c = !o ? 1 : !n ? -1 : memcmp(o, n, sizeof(*o)) == 0 ? 0 : o->off <= n->off ? -1 : 1;
        if (c < 0 && !adding)
            NOTIFY(as, coalesce_del, o->off, o->len);
        if (c > 0 && adding)
            NOTIFY(as, coalesce_add, n->off, n->len);
        i += c <= 0;
        j += c >= 0;
    }
}

static void notify_difference(AddressSpace *as, const FlatView *old, const FlatView *new)
{
    NOTIFY(as, begin);
    for (int adding = 0; adding <= 1; adding++) {
        if (!adding) {
            diff_eventfds(as, old, new, false);
            diff_coalesced(as, old, new, false);
        }
        diff_ranges(as, old, new, adding);
        if (adding) {
            diff_coalesced(as, old, new, true);
            diff_eventfds(as, old, new, true);
        }
    }
    NOTIFY(as, commit);
}

/* Everything of v to one listener, as coming (adding) or going. */
static void notify_all(MemoryListener *l, const FlatView *v, bool adding)
{
    if (l->begin)
        l->begin(l);
    for (unsigned i = 0; i < v->n_coalesced && !adding; i++)
        if (l->coalesce_del)
            l->coalesce_del(l, v->coalesced[i].off, v->coalesced[i].len);
    for (unsigned i = 0; i < v->n_eventfds && !adding; i++)
        if (l->eventfd_del)
            l->eventfd_del(l, v->eventfds[i].addr, &v->eventfds[i].e);
    for (unsigned i = 0; i < v->n; i++) {
        if (adding) {
            notify_add(l, &v->ranges[i]);
            continue;
        }
        notify_gone(l, &v->ranges[i]);
    }
    for (unsigned i = 0; i < v->n_eventfds && adding; i++)
        if (l->eventfd_add)
            l->eventfd_add(l, v->eventfds[i].addr, &v->eventfds[i].e);
    for (unsigned i = 0; i < v->n_coalesced && adding; i++)
        if (l->coalesce_add)
            l->coalesce_add(l, v->coalesced[i].off, v->coalesced[i].len);
    if (l->commit)
        l->commit(l);
}

void memory_listener_register(MemoryListener *l, AddressSpace *as)
{
    ASSERT_VM_LOCKED();
    assert(depth == 0 && !notifying);
    MemoryListener **p = &as->listeners;
    while (*p && (*p)->priority <= l->priority)
        p = &(*p)->next;
    l->as = as;
    l->next = *p;
    *p = l;
    notifying = true;
    notify_all(l, as->view, true);
    notifying = false;
}

void memory_listener_unregister(MemoryListener *l)
{
    ASSERT_VM_LOCKED();
    assert(depth == 0 && !notifying);
    MemoryListener **p = &l->as->listeners;
    while (*p != l)
        p = &(*p)->next;
    *p = l->next;
    notifying = true;
    notify_all(l, l->as->view, false);
    notifying = false;
    l->as = NULL;
    l->next = NULL;
}

void memory_flush_coalesced(AddressSpace *as)
{
    static bool flushing; /* what is drained is written to regions that ask for a flush themselves */
    if (flushing)
        return;
    flushing = true;
    NOTIFY(as, flush_coalesced);
    flushing = false;
}

/* Transactions */

static void leftover_free(RcuHead *head)
{
    Leftover *l = container_of(head, Leftover, rcu);
    g_free(l->name);
    if (l->ram)
        ram_block_unref(l->ram);
    g_free(l);
}

/* Spaces with one root share a snapshot. */
static FlatView *view_of(AddressSpace *as)
{
    for (AddressSpace *a = address_spaces; a && a != as; a = a->next) {
        if (a->root == as->root) {
            flat_view_ref(a->view);
            return a->view;
        }
    }
    return flat_view_new(as->root);
}

static void rebuild(void)
{
    notifying = true;
    for (AddressSpace *as = address_spaces; as; as = as->next) {
        FlatView *old = as->view, *new = view_of(as);
        /* Publish first: an exit out of what a listener still has to take away must find the new map. */
        if (flat_view_equal(old, new)) {
            flat_view_unref(new);
            continue;
        }
        rcu_store(as->view, new);
        notify_difference(as, old, new);
        flat_view_unref(old);
    }
    notifying = false;
}

void memory_begin(void)
{
    ASSERT_VM_LOCKED();
    assert(!notifying);
    depth++;
}

void memory_commit(void)
{
    ASSERT_VM_LOCKED();
    assert(depth > 0);
    if (--depth)
        return;
    if (changed) {
        changed = false;
        rebuild();
    }
    while (leftovers) {
        Leftover *l = leftovers;
        leftovers = l->next;
        rcu_call(&l->rcu, leftover_free);
    }
}

/* Address spaces */

void as_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
    ASSERT_VM_LOCKED();
    assert(!notifying);
    memset(as, 0, sizeof(*as));
    as->name = g_strdup(name);
    as->root = root;
    AddressSpace **p = &address_spaces;
    while (*p)
        p = &(*p)->next;
    FlatView *v = view_of(as);
    rcu_store(as->view, v);
    *p = as;
    changed |= depth > 0; /* what it shows may be half made */
}

void as_destroy(AddressSpace *as)
{
    ASSERT_VM_LOCKED();
    assert(!as->listeners && depth == 0);
    AddressSpace **p = &address_spaces;
    while (*p != as)
        p = &(*p)->next;
    *p = as->next;
    flat_view_unref(as->view);
    Leftover *l = g_new0(Leftover, 1);
    l->name = g_steal_pointer(&as->name);
    rcu_call(&l->rcu, leftover_free);
}

void memory_init(void)
{
    region_init_container(&system_memory, NULL, "system", (unsigned __int128)1 << 64);
    region_init_container(&system_io, NULL, "io", 64 * KIB);
    as_init(&as_memory, &system_memory, "memory");
    as_init(&as_io, &system_io, "I/O");
}

/* Dirty tracking */

void region_log(MemoryRegion *r, DirtyClient client, bool on)
{
    uint64_t off = 0;
    ASSERT_VM_LOCKED();
    r = region_resolve(r, &off);
    assert(r->ram);
    if (on)
        ram_block_track(r->ram, client);
    uint8_t mask = on ? r->log_mask | BIT32(client) : r->log_mask & ~BIT32(client);
    if (mask == r->log_mask)
        return;
    if (!on)
        region_sync_dirty(r);
    r->log_mask = mask;
    touched();
}

void region_set_dirty(MemoryRegion *r, uint64_t off, uint64_t len)
{
    r = region_resolve(r, &off);
    ram_block_dirty(r->ram, off, len);
}

void region_sync_dirty(MemoryRegion *r)
{
    uint64_t off = 0;
    ASSERT_VM_LOCKED();
    r = region_resolve(r, &off);
    for (AddressSpace *as = address_spaces; as; as = as->next)
        for (MemoryListener *l = as->listeners; l; l = l->next)
            for (unsigned i = 0; l->log_sync && i < as->view->n; i++)
                if (as->view->ranges[i].ram == r->ram && as->view->ranges[i].log_mask)
                    l->log_sync(l, &as->view->ranges[i]);
}

/* Let the accelerators log [off, off+len) of block anew. */
static void log_clear(RamBlock *block, uint64_t off, uint64_t len)
{
    for (AddressSpace *as = address_spaces; as; as = as->next) {
        for (MemoryListener *l = as->listeners; l; l = l->next) {
            for (unsigned i = 0; l->log_clear && i < as->view->n; i++) {
                const FlatRange *f = &as->view->ranges[i];
                if (f->ram != block || !f->log_mask)
                    continue;
                uint64_t from = MAX(off, f->offset), to = MIN(off + len, f->offset + (f->last - f->addr) + 1);
                if (from < to)
                    l->log_clear(l, f, from - f->offset, to - from);
            }
        }
    }
}

bool region_snapshot_dirty(MemoryRegion *r, DirtyClient client, uint64_t off, uint64_t len, unsigned long *bits)
{
    ASSERT_VM_LOCKED();
    r = region_resolve(r, &off);
    RamBlock *b = r->ram;
    unsigned long *map = b->dirty[client];
    if (!len)
        return false;
    assert(map && off < b->size && len <= b->size - off);
    region_sync_dirty(r);
    uint64_t first = off >> 12, pages = ((off + len - 1) >> 12) - first + 1;
    memset(bits, 0, ROUND_UP(pages, 64) / 8);
    bool any = false;
    for (uint64_t p = 0; p < pages;) {
        /* one word of the block's map, or what of it is in the window */
        uint64_t page = first + p, in_word = page % 64, n = MIN(64 - in_word, pages - p);
        uint64_t mask = (n == 64 ? ~0ULL : BIT64(n) - 1) << in_word;
        unsigned long *word = &map[page / 64];
        uint64_t got = 0;
        if (__atomic_load_n(word, __ATOMIC_RELAXED) & mask)
            got = (__atomic_fetch_and(word, ~mask, __ATOMIC_ACQ_REL) & mask) >> in_word;
        if (got) {
            any = true;
            bits[p / 64] |= got << (p % 64);
            if (p % 64 && p % 64 + n > 64)
                bits[p / 64 + 1] |= got >> (64 - p % 64);
        }
        p += n;
    }
    if (any)
        log_clear(b, first << 12, pages << 12);
    return any;
}
