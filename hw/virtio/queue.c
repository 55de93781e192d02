/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues (virtio 1.2, section 2.7): requests out of guest memory and back.
 *
 * Layout of the three areas, little endian:
 *
 *     descriptors   [size] of { 0 address, 8 length, 12 flags (1 next, 2 device writes, 4 indirect), 14 next }
 *     avail         0 flags (1 no interrupt), 2 index, 4 ring[size] of heads, then used_event
 *     used          0 flags (1 no notify), 2 index, 4 ring[size] of { 0 head, 4 bytes written }, then avail_event
 *
 * An indirect descriptor's buffer is a table of descriptors that is the whole chain. Everything is read once. Memory
 * that the guest changes while it is looked at makes an error or a wrong request, never more.
 */
#include "hw/virtio/internal.h"
#include "util/tsan.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { DESC_SIZE = 16, RING_INDEX = 2, RING = 4, USED_ELEM = 8 };

/* What is collected of a chain before it becomes a request: in order, readable parts first. */
typedef struct Chain {
    VirtQueue *q;
    unsigned n, n_out; /* parts; those before the first writable one */
    uint64_t out_len, in_len;
    struct iovec iov[VIRTIO_QUEUE_SIZE_MAX];
    uint64_t addr[VIRTIO_QUEUE_SIZE_MAX];
} Chain;

typedef struct Desc {
    Gpa addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

/* Walks a chain: in the queue's descriptors, or in the table that an indirect one names, mapped. */
typedef struct Walk {
    VirtQueue *q;
    const uint8_t *table;
    uint32_t entries;
    uint32_t left;     /* of descriptors, before it is a loop */
    uint64_t indirect; /* bytes mapped of an indirect table; 0: none */
} Walk;

static bool event_idx(const VirtQueue *q)
{
    return virtio_has(q->v, VIRTIO_F_EVENT_IDX);
}

static bool broken(const VirtQueue *q)
{
    return __atomic_load_n(&q->v->broken, __ATOMIC_RELAXED) || q->v->disabled;
}

/* ---- areas ---- */

static uint16_t load16(const RingArea *a, uint64_t off)
{
    return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)(const void *)(a->host + off), __ATOMIC_RELAXED));
}

static void store16(const RingArea *a, uint64_t off, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)(a->host + off), GUINT16_TO_LE(val), __ATOMIC_RELAXED);
    ram_block_dirty(a->ram, a->ram_off + off, 2);
}

static void area_unmap(VirtQueue *q, RingArea *a)
{
    if (a->host)
        as_unmap(q->v->dma, a->host, a->len, false, 0);
    a->host = NULL;
}

void virtq_unmap(VirtQueue *q)
{
    area_unmap(q, &q->desc_area);
    area_unmap(q, &q->avail_area);
    area_unmap(q, &q->used_area);
}

static bool area_map(VirtQueue *q, RingArea *a, Gpa addr, uint64_t len, unsigned align, bool write)
{
    a->len = len;
    a->host = addr % align ? NULL : as_map(q->v->dma, addr, &a->len, write);
    if (a->host && a->len == len) {
        a->ram = ram_block_of_host(a->host);
        a->ram_off = (uint64_t)(a->host - a->ram->host);
        return true;
    }
    return false;
}

/* Map the queue's areas as memory is now. */
static bool map_areas(VirtQueue *q)
{
    uint64_t now = as_generation(q->v->dma), event = event_idx(q) ? 2 : 0;
    if (q->desc_area.host && q->map_generation == now)
        return true;
    virtq_unmap(q);
    q->map_generation = now;
    if (area_map(q, &q->desc_area, q->desc, (uint64_t)q->size * DESC_SIZE, 16, false) &&
        area_map(q, &q->avail_area, q->avail, RING + 2 * (uint64_t)q->size + event, 2, false) &&
        area_map(q, &q->used_area, q->used, RING + USED_ELEM * (uint64_t)q->size + event, 4, true))
        return true;
    virtq_unmap(q);
    return false;
}

/* It is set up, and its areas are mapped. */
static bool ready(VirtQueue *q)
{
    if (!q->desc || broken(q))
        return false;
    if (map_areas(q))
        return true;
    virtio_error(q->v,
                 "queue %u: its areas at 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 " are not in memory or not aligned",
                 q->index, q->desc, q->avail, q->used);
    return false;
}

void virtq_legacy_layout(VirtQueue *q, uint32_t pfn)
{
    q->desc = (Gpa)pfn * LEGACY_ALIGN;
    q->avail = q->desc + (Gpa)q->size * DESC_SIZE;
    q->used = ROUND_UP(q->avail + RING + 2 * (Gpa)q->size + 2, LEGACY_ALIGN);
}

void virtq_reset_state(VirtQueue *q)
{
    virtq_unmap(q);
    q->last_avail = q->seen_avail = q->used_idx = q->signalled_used = 0;
    q->signalled_valid = false;
    q->notification = true;
    q->avail_wrap = q->used_wrap = true;
    q->in_flight = 0;
}

bool virtq_sync(VirtQueue *q, Error **errp)
{
    virtq_unmap(q);
    q->seen_avail = q->last_avail;
    q->signalled_valid = false;
    q->notification = true;
    q->in_flight = 0;
    if (!q->desc || !map_areas(q))
        return true;
    q->used_idx = load16(&q->used_area, RING_INDEX);
    q->in_flight = (uint16_t)(q->last_avail - q->used_idx);
    return q->in_flight <= q->size || error_set(errp,
                                                "virtqueue %u: %u requests in flight of %u that fit (last_avail 0x%x, "
                                                "used 0x%x)",
                                                q->index, q->in_flight, q->size, q->last_avail, q->used_idx);
}

/* ---- chains ---- */

/* Requests that the driver has made available and that were not taken; -1: nonsense, the device is broken. Ready. */
static int available(VirtQueue *q)
{
    if (q->seen_avail == q->last_avail) {
        q->seen_avail = load16(&q->avail_area, RING_INDEX);
        __atomic_thread_fence(__ATOMIC_ACQUIRE); /* ring entries after the index */
        TSAN_ACQUIRE(q->avail_area.host);
    }
    uint16_t n = q->seen_avail - q->last_avail;
    if (n <= q->size)
        return n;
    virtio_error(q->v, "queue %u: the driver moved its index from %u to %u, the queue has %u", q->index, q->last_avail,
                 q->seen_avail, q->size);
    return -1;
}

bool virtq_empty(VirtQueue *q)
{
    return !ready(q) || available(q) <= 0;
}

/* A copy, taken once: the driver may change it meanwhile. */
static Desc read_desc(const Walk *w, uint32_t i)
{
    uint8_t raw[DESC_SIZE];
    memcpy(raw, w->table + (uint64_t)i * DESC_SIZE, DESC_SIZE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return (Desc){ldq_le(raw), ldl_le(raw + 8), lduw_le(raw + 12), lduw_le(raw + 14)};
}

static bool enter_table(Walk *w, Desc *d)
{
    VirtQueue *q = w->q;
    if (!virtio_has(q->v, VIRTIO_F_RING_INDIRECT)) {
        virtio_error(q->v, "queue %u: an indirect descriptor, which was not negotiated", q->index);
        return false;
    }
    if (!d->len || d->len % DESC_SIZE) {
        virtio_error(q->v, "queue %u: an indirect table of %u bytes", q->index, d->len);
        return false;
    }
    w->entries = w->left = MIN(d->len / DESC_SIZE, VIRTIO_QUEUE_SIZE_MAX);
    uint64_t want = (uint64_t)w->entries * DESC_SIZE, got = want;
    w->table = as_map(q->v->dma, d->addr, &got, false);
    w->indirect = w->table ? got : 0;
    if (got < want) {
        virtio_error(q->v, "queue %u: an indirect table at 0x%" PRIx64 ", which is not in memory", q->index, d->addr);
        return false;
    }
    *d = read_desc(w, 0);
    w->left--;
    if (d->flags & DESC_INDIRECT) {
        virtio_error(q->v, "queue %u: an indirect descriptor in an indirect table", q->index);
        return false;
    }
    return true;
}

static void walk_end(Walk *w)
{
    if (w->indirect)
        as_unmap(w->q->v->dma, (void *)w->table, w->indirect, false, 0);
    w->indirect = 0;
}

/* The first descriptor of the chain that begins at head (walk_end() follows); false: it makes no sense, the device is
 * broken. */
static bool walk_start(Walk *w, VirtQueue *q, uint16_t head, Desc *d)
{
    *w = (Walk){.q = q, .table = q->desc_area.host, .entries = q->size, .left = q->size - 1U};
    *d = read_desc(w, head);
    if (!(d->flags & DESC_INDIRECT) || enter_table(w, d))
        return true;
    walk_end(w);
    return false;
}

/* The descriptor after *d into *d. 1: there is one, 0: that was the last, -1: nonsense. */
static int walk_next(Walk *w, Desc *d)
{
    VirtQueue *q = w->q;
    if (!(d->flags & DESC_NEXT))
        return 0;
    if (d->next >= w->entries)
        virtio_error(q->v, "queue %u: descriptor %u of %u is next", q->index, d->next, w->entries);
    else if (!w->left)
        virtio_error(q->v, "queue %u: the chain of descriptors is a loop, or too long", q->index);
    else {
        w->left--;
        *d = read_desc(w, d->next);
        if (!(d->flags & DESC_INDIRECT))
            return 1;
        virtio_error(q->v, "queue %u: an indirect descriptor inside a chain", q->index);
    }
    return -1;
}

static void unmap_parts(VirtQueue *q, const struct iovec *iov, unsigned n, bool write, uint64_t written)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t part = MIN(written, iov[i].iov_len);
        written -= part;
        as_unmap(q->v->dma, iov[i].iov_base, iov[i].iov_len, write, part);
    }
}

static void chain_unmap(Chain *c)
{
    unmap_parts(c->q, c->iov, MIN(c->n_out, c->n), false, 0);
    if (c->n > c->n_out)
        unmap_parts(c->q, c->iov + c->n_out, c->n - c->n_out, true, 0);
}

static bool chain_add(Chain *c, const Desc *d)
{
    VirtQueue *q = c->q;
    bool write = d->flags & DESC_WRITE;
    if (!write && c->in_len) {
        virtio_error(q->v, "queue %u: a part to read behind one to write", q->index);
        return false;
    }
    if (!d->len) {
        virtio_error(q->v, "queue %u: a part of no bytes", q->index);
        return false;
    }
    Gpa addr = d->addr;
    for (uint64_t left = d->len, n; left; left -= n, addr += n) {
        n = left;
        void *host = c->n < ARRAY_SIZE(c->iov) ? as_map(q->v->dma, addr, &n, write) : NULL;
        if (!host) {
            virtio_error(q->v,
                         c->n < ARRAY_SIZE(c->iov) ? "queue %u: 0x%" PRIx64 " is not in memory%s"
                                                   : "queue %u: at 0x%" PRIx64 ": a request of too many parts%s",
                         q->index, addr, write ? " to write" : "");
            return false;
        }
        c->iov[c->n] = (struct iovec){host, n};
        c->addr[c->n++] = addr;
    }
    *(write ? &c->in_len : &c->out_len) += d->len;
    if (!write)
        c->n_out = c->n;
    if (c->in_len + c->out_len > UINT32_MAX) { /* section 2.7.4: at most 2^32 */
        virtio_error(q->v, "queue %u: a request of more than 4 GiB", q->index);
        return false;
    }
    return true;
}

static VirtReq *make_request(const Chain *c, uint16_t head, size_t size)
{
    size = ROUND_UP(size, sizeof(uint64_t));
    size_t iov_size = c->n * sizeof(c->iov[0]);
    char *mem = g_malloc(size + iov_size + c->n * sizeof(c->addr[0]));
    memset(mem, 0, size);
    VirtReq *r = (VirtReq *)(void *)mem;
    r->vq = c->q;
    r->head = head;
    r->slots = 1;
    r->n_out = c->n_out;
    r->n_in = c->n - c->n_out;
    r->out = (struct iovec *)(void *)(mem + size);
    r->in = r->out + c->n_out;
    r->addr = (uint64_t *)(void *)(mem + size + iov_size);
    r->out_len = c->out_len;
    r->in_len = c->in_len;
    memcpy(r->out, c->iov, iov_size);
    memcpy(r->addr, c->addr, c->n * sizeof(c->addr[0]));
    return r;
}

VirtReq *virtq_make(VirtQueue *q, uint16_t head, unsigned n_out, unsigned n_in, const uint64_t *addr,
                    const uint64_t *len, size_t size, Error **errp)
{
    Chain c = {.q = q};
    for (unsigned i = 0; i < n_out + n_in; i++) {
        bool write = i >= n_out;
        uint64_t n = len[i];
        void *host = c.n < ARRAY_SIZE(c.iov) && n && n <= UINT32_MAX ? as_map(q->v->dma, addr[i], &n, write) : NULL;
        if (host) {
            c.iov[c.n] = (struct iovec){host, n};
            c.addr[c.n++] = addr[i];
            c.n_out += !write;
            *(write ? &c.in_len : &c.out_len) += n;
        }
        if (!host || n != len[i]) {
            chain_unmap(&c);
            error_set(errp, "a request's part of %" PRIu64 " bytes at 0x%" PRIx64 " is not in memory", len[i], addr[i]);
            return NULL;
        }
    }
    return make_request(&c, head, size);
}

/* The head at ring position idx; false: nonsense. */
static bool avail_head(VirtQueue *q, uint16_t idx, uint16_t *head)
{
    *head = load16(&q->avail_area, RING + 2 * (uint64_t)(idx % q->size));
    if (*head < q->size)
        return true;
    virtio_error(q->v, "queue %u: head %u of %u is available", q->index, *head, q->size);
    return false;
}

static void store_avail_event(VirtQueue *q)
{
    store16(&q->used_area, RING + USED_ELEM * (uint64_t)q->size, q->last_avail);
}

VirtReq *virtq_pop(VirtQueue *q, size_t size)
{
    assert(size >= sizeof(VirtReq));
    uint16_t head;
    Desc d;
    Walk w;
    Chain c;
    if (virtq_empty(q))
        return NULL;
    if (q->in_flight >= q->size) {
        virtio_error(q->v, "queue %u: more requests than it has room for", q->index);
        return NULL;
    }
    if (!avail_head(q, q->last_avail, &head) || !walk_start(&w, q, head, &d))
        return NULL;
    c.q = q;
    c.n = c.n_out = 0;
    c.out_len = c.in_len = 0;
    int more;
    do
        more = chain_add(&c, &d) ? walk_next(&w, &d) : -1;
    while (more > 0);
    walk_end(&w);
    if (more < 0) {
        chain_unmap(&c);
        return NULL;
    }
    q->last_avail++;
    q->in_flight++;
    if (q->notification && event_idx(q)) {
        store_avail_event(q);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the next look at the index: who then adds one sees it */
    }
    return make_request(&c, head, size);
}

void virtq_fill(VirtReq *r, uint32_t written, unsigned nth)
{
    VirtQueue *q = r->vq;
    unmap_parts(q, r->out, r->n_out, false, 0);
    unmap_parts(q, r->in, r->n_in, true, written);
    if (ready(q)) {
        uint64_t off = RING + USED_ELEM * (uint64_t)((uint16_t)(q->used_idx + nth) % q->size);
        uint8_t *elem = q->used_area.host + off;
        stl_le(elem, r->head);
        stl_le(elem + 4, written);
        ram_block_dirty(q->used_area.ram, q->used_area.ram_off + off, USED_ELEM);
    }
    g_free(r);
}

void virtq_flush(VirtQueue *q, unsigned n)
{
    q->in_flight -= MIN(n, q->in_flight);
    if (!ready(q))
        return;
    uint16_t old = q->used_idx;
    TSAN_RELEASE(q->used_area.host);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the elements before the index */
    q->used_idx += n;
    store16(&q->used_area, RING_INDEX, q->used_idx);
    /* Went round since the last interrupt: its place says nothing any more. */
    if ((uint16_t)(q->used_idx - q->signalled_used) < (uint16_t)(q->used_idx - old))
        q->signalled_valid = false;
}

void virtq_push(VirtReq *r, uint32_t written)
{
    VirtQueue *q = r->vq;
    virtq_fill(r, written, 0);
    virtq_flush(q, 1);
}

void virtq_unpop(VirtReq *r)
{
    VirtQueue *q = r->vq;
    q->last_avail--;
    virtq_drop(r);
}

void virtq_drop(VirtReq *r)
{
    VirtQueue *q = r->vq;
    unmap_parts(q, r->out, r->n_out, false, 0);
    unmap_parts(q, r->in, r->n_in, true, 0);
    q->in_flight -= q->in_flight ? 1 : 0;
    g_free(r);
}

void virtq_count(VirtQueue *q, uint64_t max_out, uint64_t max_in, uint64_t *out, uint64_t *in)
{
    *out = *in = 0;
    if (virtq_empty(q))
        return;
    for (int i = 0, n = available(q), more = 0; i < n && more >= 0 && (*out < max_out || *in < max_in); i++) {
        uint16_t head;
        Desc d;
        Walk w;
        if (!avail_head(q, (uint16_t)(q->last_avail + i), &head) || !walk_start(&w, q, head, &d))
            break;
        do
            *(d.flags & DESC_WRITE ? in : out) += d.len;
        while ((more = walk_next(&w, &d)) > 0);
        walk_end(&w);
    }
    *out = MIN(*out, max_out);
    *in = MIN(*in, max_in);
}

void virtq_set_notification(VirtQueue *q, bool on)
{
    q->notification = on;
    if (!ready(q))
        return;
    if (!event_idx(q))
        store16(&q->used_area, 0, on ? 0 : USED_NO_NOTIFY);
    else if (on)
        store_avail_event(q);
    if (on)
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* then look for what came meanwhile */
}

bool virtq_notification(const VirtQueue *q)
{
    return q->notification;
}

bool virtq_wants_interrupt(VirtQueue *q)
{
    if (!ready(q))
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* what was given back before what the driver says */
    if (virtio_has(q->v, VIRTIO_F_NOTIFY_ON_EMPTY) && !q->in_flight && virtq_empty(q))
        return true;
    if (!event_idx(q))
        return !(load16(&q->avail_area, 0) & AVAIL_NO_INTERRUPT);
    bool valid = q->signalled_valid;
    uint16_t old = q->signalled_used, now = q->used_idx;
    q->signalled_used = now;
    q->signalled_valid = true;
    uint16_t event = load16(&q->avail_area, RING + 2 * (uint64_t)q->size);
    return !valid || (uint16_t)(now - event - 1) < (uint16_t)(now - old); /* section 2.7.10.1 */
}

void virtq_notify(VirtQueue *q)
{
    if (virtq_wants_interrupt(q))
        virtio_queue_interrupt(q);
}

bool virtq_ready(const VirtQueue *q)
{
    return q->desc && !broken(q);
}

unsigned virtq_index(const VirtQueue *q)
{
    return q->index;
}

unsigned virtq_size(const VirtQueue *q)
{
    return q->size;
}

unsigned virtq_in_flight(const VirtQueue *q)
{
    return q->in_flight;
}
