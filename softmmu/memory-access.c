/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses: from an address to memory or to a handler. The hot path of everything; no allocation, no lock but the VM
 * lock.
 *
 * A snapshot is searched by bisection, behind a cache per thread: the last range that this thread hit in each of a few
 * snapshots, keyed by the snapshot's number.
 */
#include "softmmu/memory-internal.h"

#include "hw/core/device.h"
#include "softmmu/mainloop.h"

#include <unistd.h>

#define ALL_ONES(size) (~0ULL >> (64 - 8 * (size)))
#define LIKELY(x)      __builtin_expect(!!(x), 1)
#define UNLIKELY(x)    __builtin_expect(!!(x), 0)
#define HIT_SLOTS      4

static __thread struct {
    uint64_t id; /* of a view; 0: none */
    unsigned i;
} last_hit[HIT_SLOTS];

static inline const FlatRange *view_find(const FlatView *v, Gpa addr)
{
    typeof(last_hit[0]) *hit = &last_hit[v->id % HIT_SLOTS];
    if (LIKELY(hit->id == v->id)) {
        const FlatRange *r = &v->ranges[hit->i];
        if (LIKELY(addr - r->addr <= r->last - r->addr))
            return r;
    }
    unsigned lo = 0, n = v->n;
    while (n > 0) {
        unsigned half = n / 2;
        bool right = v->lasts[lo + half] < addr;
        lo = right ? lo + half + 1 : lo;
        n = right ? n - half - 1 : half;
    }
    if (lo == v->n || v->ranges[lo].addr > addr)
        return NULL;
    hit->id = v->id;
    hit->i = lo;
    return &v->ranges[lo];
}

/* Guest memory changes under us: each aligned access is one host access. */
static inline uint64_t host_load(const uint8_t *p, unsigned size)
{
    if (LIKELY(((uintptr_t)p & (size - 1)) == 0)) {
        switch (size) {
        case 1:
            return __atomic_load_n(p, __ATOMIC_RELAXED);
        case 2:
            return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED));
        case 4:
            return GUINT32_FROM_LE(__atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED));
        default:
            return GUINT64_FROM_LE(__atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED));
        }
    }
    return ldn_le(p, size);
}

static inline void host_store(uint8_t *p, unsigned size, uint64_t val)
{
    if (LIKELY(((uintptr_t)p & (size - 1)) == 0)) {
        switch (size) {
        case 1:
            __atomic_store_n(p, (uint8_t)val, __ATOMIC_RELAXED);
            return;
        case 2:
            __atomic_store_n((uint16_t *)p, GUINT16_TO_LE((uint16_t)val), __ATOMIC_RELAXED);
            return;
        case 4:
            __atomic_store_n((uint32_t *)p, GUINT32_TO_LE((uint32_t)val), __ATOMIC_RELAXED);
            return;
        default:
            __atomic_store_n((uint64_t *)p, GUINT64_TO_LE(val), __ATOMIC_RELAXED);
            return;
        }
    }
    stn_le(p, size, val);
}

/* Handlers */

static MemResult refuse(const MemoryRegion *r, uint64_t off, uint64_t *val, unsigned size, bool write, MemResult res,
                        const char *why)
{
    if (log_on(LOG_GUEST_ERROR))
        guest_error(r->owner, "%s of %u bytes at offset 0x%" PRIx64 " of '%s' refused: %s", write ? "write" : "read",
                    size, off, r->name, why);
    if (!write)
        *val = ALL_ONES(size);
    return res;
}

/* The parts of one access, each of a size that the handlers take. */
static void call_handlers(MemoryRegion *r, uint64_t off, uint64_t *val, unsigned size, bool write)
{
    const IoOps *ops = r->ops;
    unsigned min = ops->min ? ops->min : 1, max = ops->max ? ops->max : 4;
    uint64_t out = 0;
    for (unsigned done = 0, n; done < size; done += n) {
        uint64_t at = off + done;
        n = MIN(size - done, max);
        n = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;
        if (!ops->unaligned || n < min)
            while (at & (n - 1))
                n /= 2;
        if (n >= min) {
            if (write)
                ops->write(r->opaque, at, *val >> (8 * done) & ALL_ONES(n), n);
            else
                out |= (ops->read(r->opaque, at, n) & ALL_ONES(n)) << (8 * done);
            continue;
        }
        uint64_t reg = at & ~(uint64_t)(min - 1);
        unsigned shift = 8 * (unsigned)(at - reg);
        if (write)
            ops->write(r->opaque, reg, (*val >> (8 * done) & ALL_ONES(n)) << shift, min);
        else
            out |= (ops->read(r->opaque, reg, min) >> shift & ALL_ONES(n)) << (8 * done);
    }
    if (!write)
        *val = out;
}

/* One access of 1, 2, 4 or 8 bytes within r, which has handlers; the VM lock is held unless they are lockless. */
static MemResult dispatch(MemoryRegion *r, uint64_t off, uint64_t *val, unsigned size, bool write)
{
    const IoOps *ops = r->ops;
    if (size < (ops->bus_min ? ops->bus_min : 1) || size > (ops->bus_max ? ops->bus_max : 8))
        return refuse(r, off, val, size, write, MEM_DECODE_ERROR, "no such access size");
    if (ops->aligned_only && (off & (size - 1)))
        return refuse(r, off, val, size, write, MEM_DECODE_ERROR, "unaligned");
    if (write ? !ops->write : !ops->read)
        return refuse(r, off, val, size, write, MEM_DECODE_ERROR, write ? "read-only" : "write-only");
    Device *owner = r->owner;
    if (!owner || ops->reentrant || ops->lockless) {
        call_handlers(r, off, val, size, write);
        return MEM_OK;
    }
    if (UNLIKELY(owner->in_handler))
        return refuse(r, off, val, size, write, MEM_ERROR, "the device accesses itself");
    owner->in_handler = true;
    call_handlers(r, off, val, size, write);
    owner->in_handler = false;
    return MEM_OK;
}

/* A doorbell that takes this write? */
static bool ring(const FlatRange *r, uint64_t off, uint64_t val, unsigned size)
{
    for (unsigned i = 0; i < r->n_eventfds; i++) {
        const RegionEventfd *e = &r->eventfds[i];
        if (e->off != off || (e->size && e->size != size) || (e->match && e->data != (val & ALL_ONES(size))))
            continue;
        uint64_t one = 1;
        ssize_t unused = write(e->fd, &one, sizeof(one)); /* full: it is signalled already */
        (void)unused;
        return true;
    }
    return false;
}

static void undecoded(const AddressSpace *as, Gpa addr, unsigned size, bool write)
{
    if (log_on(LOG_UNIMP))
        log_printf("%s: %s of %u bytes at 0x%" PRIx64 ": nothing there\n", as->name, write ? "write" : "read", size,
                   addr);
}

/* An access that is not one plain load or store: handlers, holes, edges between ranges. rcu_lock() is held. size: 1
 * to 8. */
static G_GNUC_NO_INLINE MemResult access_parts(AddressSpace *as, Gpa addr, uint64_t *val, unsigned size, bool write)
{
    FlatView *v = rcu_load(as->view);
    uint64_t out = 0;
    MemResult res = MEM_OK;
    bool took = false;
    for (unsigned done = 0, n; done < size; done += n) {
        Gpa at = addr + done;
        n = size - done;
        const FlatRange *r = at < addr ? NULL : view_find(v, at);
        if (!r) {
            if (!done)
                undecoded(as, at, n, write);
            n = 1;
            out |= 0xffULL << (8 * done);
            res |= MEM_DECODE_ERROR;
            continue;
        }
        uint64_t off = r->offset + (at - r->addr);
        if (write ? r->writable : !!r->host) {
            n = (unsigned)MIN(n - 1, r->last - at) + 1;
            uint8_t *p = r->host + (at - r->addr);
            for (unsigned i = 0; i < n; i++) {
                if (write)
                    __atomic_store_n(&p[i], (uint8_t)(*val >> (8 * (done + i))), __ATOMIC_RELAXED);
                else
                    out |= (uint64_t)__atomic_load_n(&p[i], __ATOMIC_RELAXED) << (8 * (done + i));
            }
            if (write)
                ram_block_dirty(r->ram, off, n);
            continue;
        }
        MemoryRegion *mr = r->region;
        if (r->readonly && write) { /* ROM, or a window on RAM or a ROM device that does not write */
            n = (unsigned)MIN(n - 1, r->last - at) + 1;
            continue;
        }
        unsigned __int128 reach = mr->size - off;
        if (n > reach)
            n = (unsigned)reach;
        while (n & (n - 1))
            n &= n - 1;
        uint64_t part = write ? *val >> (8 * done) & ALL_ONES(n) : 0;
        /* A doorbell needs no lock. */
        if (UNLIKELY(r->n_eventfds) && write && !mr->flush_coalesced && ring(r, off, part, n))
            continue;
        if (!took && !mr->ops->lockless && !vm_locked()) {
            vm_lock();
            took = true;
            FlatView *now = rcu_load(as->view);
            if (now != v) { /* the device may be gone */
                v = now;
                n = 0;
                continue;
            }
        }
        if (UNLIKELY(mr->flush_coalesced) && vm_locked()) {
            memory_flush_coalesced(as);
            if (r->n_eventfds && write && ring(r, off, part, n))
                continue;
        }
        res |= dispatch(mr, off, &part, n, write);
        out |= part << (8 * done);
    }
    if (took)
        vm_unlock();
    if (!write)
        *val = out;
    return res;
}

/* One call of one handler for the whole access, as nearly every access to a device is. False, and nothing done:
 * access_parts() looks closer. rcu_lock() is held; v is as->view. */
static inline bool access_whole(AddressSpace *as, const FlatView *v, const FlatRange *r, Gpa addr, uint64_t *val,
                                unsigned size, bool write)
{
    MemoryRegion *mr = r->region;
    const IoOps *ops = mr->ops;
    uint64_t off = r->offset + (addr - r->addr);
    if ((write ? r->writable || r->readonly : !!r->host) || r->last - addr < size - 1 || r->n_eventfds ||
        mr->flush_coalesced)
        return false;
    if (!ops || !(write ? !!ops->write : !!ops->read) || size < ops->min || size > (ops->max ? ops->max : 4) ||
        size < ops->bus_min || (ops->bus_max && size > ops->bus_max) || off & (size - 1) || size & (size - 1))
        return false;
    Device *guard = ops->reentrant || ops->lockless ? NULL : mr->owner;
    bool took = !ops->lockless && !vm_locked();
    if (took) {
        vm_lock();
        if (rcu_load(as->view) != v) { /* the device may be gone */
            vm_unlock();
            return false;
        }
    }
    bool ok = !guard || !guard->in_handler;
    if (LIKELY(ok)) {
        if (guard)
            guard->in_handler = true;
        if (write)
            ops->write(mr->opaque, off, *val & ALL_ONES(size), size);
        else
            *val = ops->read(mr->opaque, off, size) & ALL_ONES(size);
        if (guard)
            guard->in_handler = false;
    }
    if (took)
        vm_unlock();
    return ok;
}

uint64_t as_load(AddressSpace *as, Gpa addr, unsigned size, MemResult *res)
{
    uint64_t val;
    MemResult ret = MEM_OK;
    rcu_lock();
    const FlatView *v = rcu_load(as->view);
    const FlatRange *r = view_find(v, addr);
    if (LIKELY(r && r->host && r->last - addr >= size - 1))
        val = host_load(r->host + (addr - r->addr), size);
    else if (!r || !access_whole(as, v, r, addr, &val, size, false))
        ret = access_parts(as, addr, &val, size, false);
    rcu_unlock();
    if (res)
        *res = ret;
    return val;
}

void as_store(AddressSpace *as, Gpa addr, unsigned size, uint64_t val, MemResult *res)
{
    MemResult ret = MEM_OK;
    rcu_lock();
    const FlatView *v = rcu_load(as->view);
    const FlatRange *r = view_find(v, addr);
    if (LIKELY(r && r->writable && r->last - addr >= size - 1)) {
        host_store(r->host + (addr - r->addr), size, val);
        ram_block_dirty(r->ram, r->offset + (addr - r->addr), size);
    } else if (!r || !access_whole(as, v, r, addr, &val, size, true)) {
        ret = access_parts(as, addr, &val, size, true);
    }
    rcu_unlock();
    if (res)
        *res = ret;
}

/* Of a long access at a range with handlers: the size of its next part. */
static unsigned part_size(const FlatRange *r, Gpa addr, uint64_t left)
{
    const IoOps *ops = r->region->ops;
    uint64_t off = r->offset + (addr - r->addr);
    unsigned n = ops->max ? ops->max : 4;
    if (ops->bus_max && n > ops->bus_max)
        n = ops->bus_max;
    if (ops->bus_min && n < ops->bus_min)
        n = ops->bus_min;
    while (n > left || (off & (n - 1)))
        n /= 2;
    return n;
}

/* How many bytes from addr on nothing decodes. */
static uint64_t hole_size(const FlatView *v, Gpa addr)
{
    unsigned lo = 0, n = v->n;
    while (n > 0) {
        unsigned half = n / 2;
        bool right = v->lasts[lo + half] < addr;
        lo = right ? lo + half + 1 : lo;
        n = right ? n - half - 1 : half;
    }
    return lo < v->n ? v->ranges[lo].addr - addr : 0 - addr; /* 0: the whole space */
}

MemResult as_read(AddressSpace *as, Gpa addr, void *buf, uint64_t len)
{
    uint8_t *out = buf;
    MemResult res = MEM_OK;
    rcu_lock();
    while (len) {
        FlatView *v = rcu_load(as->view);
        const FlatRange *r = view_find(v, addr);
        uint64_t n;
        if (!r) {
            n = MIN(hole_size(v, addr) - 1, len - 1) + 1;
            undecoded(as, addr, (unsigned)MIN(n, UINT32_MAX), false);
            memset(out, 0xff, n);
            res |= MEM_DECODE_ERROR;
        } else if (r->host) {
            n = MIN(r->last - addr, len - 1) + 1;
            memcpy(out, r->host + (addr - r->addr), n);
        } else {
            uint64_t val;
            n = part_size(r, addr, len);
            res |= access_parts(as, addr, &val, (unsigned)n, false);
            stn_le(out, (unsigned)n, val);
        }
        len -= n;
        out += n;
        if (addr + n < addr && len) { /* behind the end of the space */
            memset(out, 0xff, len);
            res |= MEM_DECODE_ERROR;
            break;
        }
        addr += n;
    }
    rcu_unlock();
    return res;
}

/* buf NULL: len bytes of fill. rom: what guests cannot write too, and no handlers. */
static MemResult write_any(AddressSpace *as, Gpa addr, const uint8_t *buf, uint8_t fill, uint64_t len, bool rom)
{
    MemResult res = MEM_OK;
    rcu_lock();
    while (len) {
        FlatView *v = rcu_load(as->view);
        const FlatRange *r = view_find(v, addr);
        uint64_t n, in_range = r ? MIN(r->last - addr, len - 1) + 1 : 0;
        if (!r) {
            n = MIN(hole_size(v, addr) - 1, len - 1) + 1;
            undecoded(as, addr, (unsigned)MIN(n, UINT32_MAX), true);
            res |= MEM_DECODE_ERROR;
        } else if (r->writable || (rom && r->ram && ram_block_host_writable(r->ram))) {
            uint64_t off = r->offset + (addr - r->addr);
            uint8_t *p = r->ram->host + off;
            n = in_range;
            if (buf)
                memcpy(p, buf, n);
            else
                memset(p, fill, n);
            ram_block_dirty(r->ram, off, n);
        } else if (r->readonly || rom) {
            n = in_range;
        } else {
            n = part_size(r, addr, len);
            uint64_t val = buf ? ldn_le(buf, (unsigned)n) : fill * (~0ULL / 255) & ALL_ONES(n);
            res |= access_parts(as, addr, &val, (unsigned)n, true);
        }
        len -= n;
        if (buf)
            buf += n;
        if (addr + n < addr && len) {
            res |= MEM_DECODE_ERROR;
            break;
        }
        addr += n;
    }
    rcu_unlock();
    return res;
}

MemResult as_write(AddressSpace *as, Gpa addr, const void *buf, uint64_t len)
{
    return write_any(as, addr, buf, 0, len, false);
}

MemResult as_write_rom(AddressSpace *as, Gpa addr, const void *buf, uint64_t len)
{
    return write_any(as, addr, buf, 0, len, true);
}

MemResult as_fill(AddressSpace *as, Gpa addr, uint8_t byte, uint64_t len)
{
    return write_any(as, addr, NULL, byte, len, false);
}

void *as_map(AddressSpace *as, Gpa addr, uint64_t *len, bool is_write)
{
    uint8_t *host = NULL;
    uint64_t got = 0;
    rcu_lock();
    FlatView *v = rcu_load(as->view);
    const FlatRange *r = *len ? view_find(v, addr) : NULL;
    if (r && (is_write ? r->writable : !!r->host) && ram_block_try_ref(r->ram)) {
        host = r->host + (addr - r->addr);
        const FlatRange *end = v->ranges + v->n, *first = r;
        uint64_t from = addr;
        for (;;) {
            got += MIN(r->last - from, *len - got - 1) + 1;
            from = r->last + 1;
            const FlatRange *next = r + 1;
            if (got == *len || next == end || next->addr != from || next->ram != first->ram ||
                next->host != host + got || (is_write && !next->writable))
                break;
            r = next;
        }
    }
    rcu_unlock();
    *len = got;
    return host;
}

void as_unmap(AddressSpace *as, void *host, uint64_t len, bool is_write, uint64_t access_len)
{
    RamBlock *b = ram_block_of_host(host);
    assert(b);
    if (is_write)
        ram_block_dirty(b, (uint64_t)((uint8_t *)host - b->host), access_len);
    ram_block_unref(b);
}

uint64_t as_generation(AddressSpace *as)
{
    rcu_lock();
    uint64_t id = rcu_load(as->view)->id;
    rcu_unlock();
    return id;
}

bool as_lookup(AddressSpace *as, Gpa addr, FlatRange *out)
{
    const FlatRange *r = view_find(rcu_load(as->view), addr);
    if (r)
        *out = *r;
    return r;
}

void as_foreach(AddressSpace *as, bool (*fn)(const FlatRange *r, void *opaque), void *opaque)
{
    rcu_lock();
    const FlatView *v = rcu_load(as->view);
    for (unsigned i = 0; i < v->n && fn(&v->ranges[i], opaque); i++) {
    }
    rcu_unlock();
}

static MemResult region_access(MemoryRegion *r, uint64_t off, uint64_t *val, unsigned size, bool write)
{
    bool readonly = r->readonly;
    while (r->kind == REGION_ALIAS) {
        off += r->alias_offset;
        r = r->alias;
        readonly |= r->readonly;
    }
    if (off >= r->size || size > r->size - off)
        return refuse(r, off, val, size, write, MEM_DECODE_ERROR, "behind its end");
    if (r->kind == REGION_CONTAINER)
        return refuse(r, off, val, size, write, MEM_DECODE_ERROR, "a container");
    if (!write && r->ram && (r->kind != REGION_ROM_DEVICE || r->romd)) {
        *val = host_load(r->ram->host + off, size);
        return MEM_OK;
    }
    if (write && (readonly || r->kind == REGION_ROM))
        return MEM_OK;
    if (write && r->kind == REGION_RAM) {
        host_store(r->ram->host + off, size, *val);
        ram_block_dirty(r->ram, off, size);
        return MEM_OK;
    }
    bool take = !r->ops->lockless && !vm_locked();
    if (take)
        vm_lock();
    MemResult res = dispatch(r, off, val, size, write);
    if (take)
        vm_unlock();
    return res;
}

MemResult region_read(MemoryRegion *r, uint64_t off, uint64_t *val, unsigned size)
{
    return region_access(r, off, val, size, false);
}

MemResult region_write(MemoryRegion *r, uint64_t off, uint64_t val, unsigned size)
{
    return region_access(r, off, &val, size, true);
}

uint32_t io_read(uint16_t port, unsigned size)
{
    return (uint32_t)as_load(&as_io, port, size, NULL);
}

void io_write(uint16_t port, uint32_t val, unsigned size)
{
    as_store(&as_io, port, size, val, NULL);
}
