/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: where guest clusters lie, and the requests. A request takes contiguous runs of one kind in turn; data moves
 * straight between the caller's buffers and the file.
 */
#include "block/qcow2.h"

#include "util/iov.h"

#include <stdlib.h>

/* ---- mapping ---- */

Qcow2Type qcow2_entry_type(const Qcow2 *s, uint64_t e)
{
    if (e & QCOW2_COMPRESSED)
        return QCOW2_COMPR;
    if (e & QCOW2_ZERO && s->version >= 3)
        return e & QCOW2_OFFSET ? QCOW2_ZERO_ALLOC : QCOW2_ZERO_PLAIN;
    return e & QCOW2_OFFSET ? QCOW2_NORMAL : QCOW2_UNALLOCATED;
}

void qcow2_compressed_range(const Qcow2 *s, uint64_t e, uint64_t *off, uint64_t *len)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t sectors = ((e & ~(QCOW2_COMPRESSED | QCOW2_COPIED)) >> x) + 1;
    *off = e & (BIT64(x) - 1) & (BIT64(56) - 1);
    *len = sectors * 512 - (*off & 511);
}

static inline uint64_t entry_at(const Table *t, uint64_t i)
{
    return ldq_be(t->data + 8 * i);
}

/* The table piece that has the entry of a guest offset; *index: in it. *t NULL: there is none. */
static int l2_at(Qcow2 *s, uint64_t off, bool now, Table **t, uint32_t *index)
{
    uint64_t cluster = off >> s->cluster_bits, l1i = cluster >> s->l2_bits;
    uint32_t i = cluster & (BIT32(s->l2_bits) - 1), per = s->l2c.slice / 8;
    *t = NULL;
    *index = i % per;
    if (l1i >= s->l1_size)
        return -EIO;
    uint64_t table = s->l1[l1i] & QCOW2_OFFSET;
    if (!table)
        return 0;
    if (table & s->cluster_mask) {
        qcow2_mark_corrupt(s, true, table, 0, "L2 table offset 0x%" PRIx64 " unaligned (L1 index: 0x%" PRIx64 ")",
                           table, l1i);
        return -EIO;
    }
    return qcow2_cache_get(s, &s->l2c, table + (uint64_t)(i / per) * s->l2c.slice, (uint32_t)l1i, now, t);
}

int qcow2_map(Qcow2 *s, uint64_t off, uint64_t len, bool now, Run *run)
{
    uint64_t in = off & s->cluster_mask;
    uint32_t i, per = s->l2c.slice / 8;
    Table *t;
    int ret = l2_at(s, off, now, &t, &i);
    if (ret)
        return ret;
    uint64_t avail = (uint64_t)(per - i) * s->cluster_size - in;
    if (!t) {
        *run = (Run){.type = QCOW2_UNALLOCATED, .len = MIN(len, avail)};
        return 0;
    }
    uint64_t e = entry_at(t, i), host = e & QCOW2_OFFSET;
    Qcow2Type type = qcow2_entry_type(s, e);
    uint64_t n = s->cluster_size - in;
    *run = (Run){.type = type, .entry = e, .copied = e & QCOW2_COPIED && type != QCOW2_COMPR};
    if (type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC) {
        if (host & s->cluster_mask) {
            qcow2_mark_corrupt(s, true, host, 0,
                               "Cluster allocation offset %#" PRIx64 " unaligned (L2 offset: %#" PRIx64
                               ", L2 index: %#x)",
                               host, t->off, i);
            return -EIO;
        }
        run->host = host + in;
    }
    if (type != QCOW2_COMPR) {
        uint64_t step = type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC ? s->cluster_size : 0;
        while (n < len && ++i < per) {
            e += step;
            if (entry_at(t, i) != e)
                break;
            n += s->cluster_size;
        }
    }
    run->len = MIN(n, len);
    return 0;
}

/* ---- requests in flight ---- */

static unsigned enter(Qcow2 *s)
{
    unsigned e = s->epoch & 1;
    s->active[e]++;
    return e;
}

static void leave(Qcow2 *s, unsigned e)
{
    g_mutex_lock(&s->lock);
    s->active[e]--;
    g_mutex_unlock(&s->lock);
}

/* ---- reading ---- */

/* A compressed cluster, whole, into buf. The last one is kept. */
static int read_compressed(Qcow2 *s, uint64_t entry, uint8_t *buf)
{
    uint64_t off, len;
    qcow2_compressed_range(s, entry, &off, &len);
    g_mutex_lock(&s->lock);
    bool hit = s->decomp && s->decomp_entry == entry;
    if (hit)
        memcpy(buf, s->decomp, s->cluster_size);
    g_mutex_unlock(&s->lock);
    if (hit)
        return 0;
    g_autofree uint8_t *in = g_try_malloc(len);
    if (!in)
        return -ENOMEM;
    qcow2_event(s, BLOCK_EVENT_READ_COMPRESSED);
    int ret = node_pread_padded(s->node->file->node, off, in, len);
    if (!ret)
        ret = qcow2_decompress(s->compression, in, len, buf, s->cluster_size);
    if (ret)
        return ret;
    g_mutex_lock(&s->lock);
    if (!s->decomp)
        s->decomp = g_try_malloc(s->cluster_size);
    if (s->decomp) {
        memcpy(s->decomp, buf, s->cluster_size);
        s->decomp_entry = entry;
    }
    g_mutex_unlock(&s->lock);
    return 0;
}

static bool has_backing_at(const BlockNode *n, uint64_t off)
{
    return n->backing && off < node_length(n->backing->node);
}

static int read_run(BlockNode *n, uint64_t off, const Run *run, const struct iovec *iov, int niov, bool now)
{
    Qcow2 *s = n->state;
    switch (run->type) {
    case QCOW2_NORMAL:
        return now ? node_preadv_now(n->file->node, run->host, run->len, iov, niov)
                   : node_preadv_padded(n->file->node, run->host, run->len, iov, niov);
    case QCOW2_UNALLOCATED:
        if (has_backing_at(n, off)) {
            if (!now)
                qcow2_event(s, BLOCK_EVENT_READ_BACKING_AIO);
            uint64_t there = MIN(run->len, node_length(n->backing->node) - off);
            if (there == run->len)
                return now ? node_preadv_now(n->backing->node, off, there, iov, niov)
                           : node_preadv(n->backing->node, off, there, iov, niov);
            if (now)
                return -EAGAIN;
            g_autofree struct iovec *part = g_new(struct iovec, niov);
            int k = iov_slice(part, iov, niov, 0, there);
            iov_fill(iov, niov, there, 0, run->len - there);
            return node_preadv(n->backing->node, off, there, part, k);
        }
        /* fall through */
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_ALLOC:
        iov_fill(iov, niov, 0, 0, run->len);
        return 0;
    default: {
        if (now)
            return -EAGAIN;
        g_autofree uint8_t *buf = g_try_malloc(s->cluster_size);
        int ret = buf ? read_compressed(s, run->entry, buf) : -ENOMEM;
        if (!ret)
            iov_from_buf(iov, niov, 0, buf + (off & s->cluster_mask), run->len);
        return ret;
    }
    }
}

static int read_all(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool now)
{
    Qcow2 *s = n->state;
    g_autofree struct iovec *part = NULL;
    uint64_t done = 0;
    int ret = 0;
    unsigned e = 0;
    bool first = true;
    while (!ret && done < len) {
        Run run;
        g_mutex_lock(&s->lock);
        if (first)
            e = enter(s);
        first = false;
        ret = qcow2_map(s, off + done, len - done, now, &run);
        if (ret)
            s->active[e]--;
        g_mutex_unlock(&s->lock);
        if (ret)
            return ret;
        if (run.len == len) {
            ret = read_run(n, off, &run, iov, niov, now);
        } else {
            if (!part)
                part = g_new(struct iovec, niov);
            int k = iov_slice(part, iov, niov, done, run.len);
            ret = read_run(n, off + done, &run, part, k, now);
        }
        done += run.len;
    }
    if (!first)
        leave(s, e);
    return ret;
}

int qcow2_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    node_event(n->file->node, BLOCK_EVENT_READ_AIO);
    return read_all(n, off, len, iov, niov, false);
}

int qcow2_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    return read_all(n, off, len, iov, niov, true);
}

int qcow2_direct(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write,
                 BlockDirect *d)
{
    Qcow2 *s = n->state;
    Run run;
    g_mutex_lock(&s->lock);
    unsigned e = enter(s);
    int ret = qcow2_map(s, off, len, true, &run);
    if (!ret && (run.len != len || run.type != QCOW2_NORMAL ||
                 (write && (!run.copied || !s->write_ready || __atomic_load_n(&s->corrupt, __ATOMIC_RELAXED) ||
                            qcow2_overlap(s, run.host, run.len)))))
        ret = -EAGAIN;
    g_mutex_unlock(&s->lock);
    if (!ret)
        ret = node_direct(n->file->node, run.host, len, iov, niov, write, d);
    if (!ret && d->holder) { /* one is enough to look after */
        d->holder->drv->direct_end(d->holder, d->token);
        d->holder = NULL;
        ret = -EAGAIN;
    }
    if (ret) {
        leave(s, e);
        return -EAGAIN;
    }
    d->holder = n;
    d->token = e;
    return 0;
}

void qcow2_direct_end(BlockNode *n, unsigned token)
{
    leave(n->state, token);
}

static int read_buf(BlockNode *n, uint64_t off, uint8_t *buf, uint64_t len)
{
    uint64_t size = node_length(n), there = off < size ? MIN(len, size - off) : 0;
    struct iovec iov = {buf, there};
    memset(buf + there, 0, len - there);
    return there ? read_all(n, off, there, &iov, 1, false) : 0;
}

/* ---- linking ---- */

int qcow2_ensure_l2(Qcow2 *s, uint32_t l1i)
{
    uint64_t old = s->l1[l1i] & QCOW2_OFFSET, off, got;
    if (old && s->l1[l1i] & QCOW2_COPIED)
        return 0;
    if (old & s->cluster_mask)
        return -EIO;
    g_autofree uint8_t *buf = g_try_malloc0(s->cluster_size);
    if (!buf)
        return -ENOMEM;
    int ret = qcow2_alloc(s, 1, true, &off, &got);
    if (ret)
        return ret;
    s->fresh = MAX(s->fresh, off + s->cluster_size);
    g_mutex_unlock(&s->lock);
    /* The old one is shared, so nothing of it in the cache is newer. */
    if (old) {
        qcow2_event(s, BLOCK_EVENT_L2_ALLOC_COW_READ);
        ret = node_pread_padded(s->node->file->node, old, buf, s->cluster_size);
    }
    qcow2_event(s, BLOCK_EVENT_L2_ALLOC_WRITE);
    if (!ret)
        ret = node_pwrite(s->node->file->node, off, buf, s->cluster_size);
    g_mutex_lock(&s->lock);
    if (ret) {
        qcow2_free_now(s, off, s->cluster_size);
        return ret;
    }
    s->l1[l1i] = off | QCOW2_COPIED;
    s->l1_flags[l1i] = L1_DIRTY | L1_NEW;
    s->l1_dirty = true;
    g_hash_table_insert(s->meta, GSIZE_TO_POINTER(off >> s->cluster_bits), GINT_TO_POINTER(QCOW2_META_L2));
    if (old) { /* a snapshot's now, which may free it */
        g_hash_table_remove(s->meta, GSIZE_TO_POINTER(old >> s->cluster_bits));
        qcow2_free_later(s, old, s->cluster_size, true, false);
    }
    return 0;
}

static void free_entry(Qcow2 *s, uint64_t e, bool request)
{
    uint64_t off, len;
    switch (qcow2_entry_type(s, e)) {
    case QCOW2_COMPR:
        qcow2_compressed_range(s, e, &off, &len);
        qcow2_free_later(s, off, len, false, false);
        break;
    case QCOW2_NORMAL:
    case QCOW2_ZERO_ALLOC:
        qcow2_free_later(s, e & QCOW2_OFFSET, s->cluster_size, false,
                         request ? s->pass_discard_request : s->pass_discard_other);
        break;
    default:
        break;
    }
}

/* Point clusters from guest offset off on at host (step cluster_size) and free what they pointed to. */
static int link_clusters(Qcow2 *s, uint64_t off, uint64_t count, uint64_t host)
{
    for (uint64_t k = 0; k < count; k++) {
        Table *t;
        uint32_t i;
        int ret = l2_at(s, off + k * s->cluster_size, false, &t, &i);
        if (ret || !t)
            return ret ? ret : -EIO;
        uint64_t old = entry_at(t, i), new = (host + k * s->cluster_size) | QCOW2_COPIED;
        if ((old & QCOW2_OFFSET) != (new &QCOW2_OFFSET) || old & QCOW2_COMPRESSED)
            free_entry(s, old, false);
        stq_be(t->data + 8 * i, new);
        qcow2_cache_dirty(&s->l2c, t);
    }
    return 0;
}

/* ---- writing ---- */

static Alloc *conflict(Qcow2 *s, uint64_t start, uint64_t end)
{
    Alloc *found = NULL;
    for (Alloc *a = s->allocs; a; a = a->next)
        if (a->start < end && start < a->end && (!found || a->start < found->start))
            found = a;
    return found;
}

static void end_alloc(Qcow2 *s, Alloc *a)
{
    for (Alloc **p = &s->allocs; *p; p = &(*p)->next) {
        if (*p == a) {
            *p = a->next;
            break;
        }
    }
    g_cond_broadcast(&s->alloc_cond);
}

static bool reads_zero(const BlockNode *n, const Run *run, uint64_t start)
{
    return run->type == QCOW2_ZERO_PLAIN || run->type == QCOW2_ZERO_ALLOC ||
           (run->type == QCOW2_UNALLOCATED && !has_backing_at(n, start));
}

/* Data into new clusters; what of them the request does not cover comes from what was there. */
static int write_new(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, uint64_t host,
                     bool is_zero, bool fresh)
{
    Qcow2 *s = n->state;
    uint64_t start = ROUND_DOWN(off, s->cluster_size), end = ROUND_UP(off + len, s->cluster_size);
    uint64_t head = off - start, tail = end - off - len;
    if ((!head && !tail) || (is_zero && fresh))
        return node_pwritev(n->file->node, host + head, len, iov, niov, 0);
    g_autofree uint8_t *buf = g_try_malloc0(head + tail);
    g_autofree struct iovec *all = g_new(struct iovec, niov + 2);
    if (!buf)
        return -ENOMEM;
    if (!is_zero)
        qcow2_event(s, BLOCK_EVENT_COW_READ);
    int ret = is_zero || !head ? 0 : read_buf(n, start, buf, head);
    if (!ret && !is_zero && tail)
        ret = read_buf(n, off + len, buf + head, tail);
    if (ret)
        return ret;
    int k = 0;
    if (head)
        all[k++] = (struct iovec){buf, head};
    memcpy(all + k, iov, sizeof(*iov) * niov);
    k += niov;
    if (tail)
        all[k++] = (struct iovec){buf + head, tail};
    qcow2_event(s, BLOCK_EVENT_COW_WRITE);
    return node_pwritev(n->file->node, host, end - start, all, k, 0);
}

/* One run from off on, where it is not simply in place. *done: bytes written; 0: it is in place by now. */
static int write_alloc(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, uint64_t *done)
{
    Qcow2 *s = n->state;
    Run run;
    *done = 0;
    g_mutex_lock(&s->wlock);
    int ret = qcow2_write_prepare(s);
    if (!ret)
        qcow2_reap(s, false);
    uint64_t start = ROUND_DOWN(off, s->cluster_size), end = 0;
    while (!ret) {
        g_mutex_lock(&s->lock);
        ret = qcow2_map(s, off, len, false, &run);
        g_mutex_unlock(&s->lock);
        if (ret || (run.type == QCOW2_NORMAL && run.copied))
            break;
        end = ROUND_UP(off + run.len, s->cluster_size);
        Alloc *other = conflict(s, start, end);
        if (!other)
            break;
        if (other->start > start)
            len = other->start - off;
        else
            g_cond_wait(&s->alloc_cond, &s->wlock);
    }
    if (ret || (run.type == QCOW2_NORMAL && run.copied)) {
        g_mutex_unlock(&s->wlock);
        return ret;
    }
    uint64_t host = 0, got = (end - start) >> s->cluster_bits;
    bool reuse = run.type == QCOW2_ZERO_ALLOC && run.copied, fresh = false;
    g_mutex_lock(&s->lock);
    ret = qcow2_ensure_l2(s, (uint32_t)(start >> s->cluster_bits >> s->l2_bits));
    if (!ret && reuse) {
        host = run.host & ~s->cluster_mask;
        const char *what = qcow2_overlap(s, host, end - start);
        if (what) {
            qcow2_mark_corrupt(s, true, host, end - start, "Preventing invalid write on metadata (overlaps with %s)",
                               what);
            ret = -EIO;
        }
    } else if (!ret) {
        ret = qcow2_alloc(s, got, false, &host, &got);
    }
    g_mutex_unlock(&s->lock);
    if (ret) {
        g_mutex_unlock(&s->wlock);
        return ret;
    }
    if (!reuse) {
        fresh = host >= s->fresh && n->file->node->grows;
        s->fresh = MAX(s->fresh, host + got * s->cluster_size);
    }
    len = MIN(run.len, start + got * s->cluster_size - off);
    Alloc mine = {start, start + got * s->cluster_size, s->allocs};
    s->allocs = &mine;
    g_mutex_unlock(&s->wlock);

    bool is_zero = reads_zero(n, &run, start);
    g_autofree struct iovec *part = g_new(struct iovec, niov);
    int k = iov_slice(part, iov, niov, 0, len);
    ret = write_new(n, off, len, part, k, host, is_zero, fresh);

    g_mutex_lock(&s->wlock);
    g_mutex_lock(&s->lock);
    if (!ret)
        ret = link_clusters(s, start, got, host);
    else if (!reuse)
        qcow2_free_now(s, host, got * s->cluster_size);
    g_mutex_unlock(&s->lock);
    end_alloc(s, &mine);
    g_mutex_unlock(&s->wlock);
    *done = ret ? 0 : len;
    return ret;
}

static int write_all(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    Qcow2 *s = n->state;
    g_autofree struct iovec *part = NULL;
    uint64_t done = 0;
    int ret = 0;
    g_mutex_lock(&s->lock);
    unsigned e = enter(s);
    while (!ret && done < len) {
        Run run;
        const char *what = NULL;
        ret = __atomic_load_n(&s->corrupt, __ATOMIC_RELAXED) ? -EIO : qcow2_map(s, off + done, len - done, false, &run);
        bool in_place = !ret && s->write_ready && run.type == QCOW2_NORMAL && run.copied;
        if (in_place && (what = qcow2_overlap(s, run.host, run.len))) {
            qcow2_mark_corrupt(s, true, run.host, run.len, "Preventing invalid write on metadata (overlaps with %s)",
                               what);
            ret = -EIO;
        }
        g_mutex_unlock(&s->lock);
        if (!ret && !part && (!in_place || run.len != len))
            part = g_new(struct iovec, niov);
        if (!ret && in_place) {
            int k = niov;
            if (part)
                k = iov_slice(part, iov, niov, done, run.len);
            ret = node_pwritev(n->file->node, run.host, run.len, part ? part : iov, k, 0);
            done += run.len;
        } else if (!ret) {
            uint64_t piece;
            int k = iov_slice(part, iov, niov, done, len - done);
            ret = write_alloc(n, off + done, len - done, part, k, &piece);
            done += piece;
        }
        g_mutex_lock(&s->lock);
    }
    s->active[e]--;
    g_mutex_unlock(&s->lock);
    return ret;
}

int qcow2_flush(BlockNode *n)
{
    Qcow2 *s = n->state;
    node_event(n->file->node, BLOCK_EVENT_FLUSH_TO_OS);
    node_event(n->file->node, BLOCK_EVENT_FLUSH_TO_DISK);
    g_mutex_lock(&s->lock);
    int ret = qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    return ret;
}

int qcow2_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    node_event(n->file->node, BLOCK_EVENT_WRITE_AIO);
    int ret = write_all(n, off, len, iov, niov);
    return ret || !(flags & BLOCK_REQ_FUA) ? ret : qcow2_flush(n);
}

/* ---- discard and zeroes, whole clusters ---- */

typedef enum Erase { ERASE_DISCARD, ERASE_ZERO, ERASE_ZERO_UNMAP, ERASE_FORGET } Erase;

static uint64_t erased(const Qcow2 *s, uint64_t e, Erase how)
{
    Qcow2Type type = qcow2_entry_type(s, e);
    if (how == ERASE_DISCARD && (type == QCOW2_ZERO_PLAIN || (type == QCOW2_UNALLOCATED && !s->node->backing)))
        return e;
    if (s->version < 3 || how == ERASE_FORGET)
        return 0;
    bool keep = how == ERASE_ZERO || (how == ERASE_DISCARD && s->discard_no_unref);
    if (keep && (type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC) && e & QCOW2_COPIED)
        return e | QCOW2_ZERO;
    return QCOW2_ZERO;
}

static int erase(BlockNode *n, uint64_t off, uint64_t end, Erase how)
{
    Qcow2 *s = n->state;
    uint64_t span = (uint64_t)s->l2c.slice / 8 << s->cluster_bits;
    int ret = 0;
    g_mutex_lock(&s->lock);
    unsigned ep = enter(s);
    g_mutex_unlock(&s->lock);
    while (!ret && off < end) {
        uint64_t stop = MIN(end, ROUND_DOWN(off, span) + span);
        g_mutex_lock(&s->wlock);
        ret = qcow2_write_prepare(s);
        if (!ret)
            qcow2_reap(s, false);
        while (!ret && conflict(s, off, stop))
            g_cond_wait(&s->alloc_cond, &s->wlock);
        g_mutex_lock(&s->lock);
        uint32_t l1i = (uint32_t)(off >> s->cluster_bits >> s->l2_bits), i = 0;
        Table *t = NULL;
        bool fills = how == ERASE_DISCARD ? n->backing != NULL : how != ERASE_FORGET;
        if (!ret && (fills || s->l1[l1i] & QCOW2_OFFSET)) {
            ret = qcow2_ensure_l2(s, l1i);
            ret = ret ? ret : l2_at(s, off, false, &t, &i);
        }
        for (uint64_t o = off; !ret && t && o < stop; o += s->cluster_size, i++) {
            uint64_t old = entry_at(t, i), new = erased(s, old, how);
            if (new == old)
                continue;
            if (!(new &QCOW2_OFFSET))
                free_entry(s, old, how == ERASE_DISCARD || how == ERASE_ZERO_UNMAP);
            stq_be(t->data + 8 * i, new);
            qcow2_cache_dirty(&s->l2c, t);
        }
        g_mutex_unlock(&s->lock);
        g_mutex_unlock(&s->wlock);
        off = stop;
    }
    leave(s, ep);
    return ret;
}

/* The whole clusters of a range; one that the image's end cuts off counts as whole. */
static void whole_clusters(const BlockNode *n, uint64_t off, uint64_t len, uint64_t *start, uint64_t *end)
{
    const Qcow2 *s = n->state;
    *start = ROUND_UP(off, s->cluster_size);
    *end = off + len == node_length(n) ? ROUND_UP(off + len, s->cluster_size) : ROUND_DOWN(off + len, s->cluster_size);
    if (*start > *end)
        *start = *end = off + len;
}

int qcow2_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    Qcow2 *s = n->state;
    uint64_t start, end;
    if (s->version < 3 && n->backing)
        return -ENOTSUP; /* the backing file would show again */
    whole_clusters(n, off, len, &start, &end);
    return start < end ? erase(n, start, end, ERASE_DISCARD) : 0;
}

int qcow2_forget(BlockNode *n, uint64_t off, uint64_t len)
{
    uint64_t start, end;
    qcow2_event(n->state, BLOCK_EVENT_EMPTY_IMAGE_PREPARE);
    whole_clusters(n, off, len, &start, &end);
    return start < end ? erase(n, start, end, ERASE_FORGET) : 0;
}

/* Less than a cluster. */
static int zero_part(BlockNode *n, uint64_t off, uint64_t len)
{
    Qcow2 *s = n->state;
    for (uint64_t done = 0; done < len;) {
        Run run;
        g_mutex_lock(&s->lock);
        int ret = qcow2_map(s, off + done, len - done, false, &run);
        g_mutex_unlock(&s->lock);
        if (ret)
            return ret;
        uint64_t piece = MIN(run.len, MIB);
        if (!reads_zero(n, &run, ROUND_DOWN(off + done, s->cluster_size))) {
            g_autofree uint8_t *zero = g_malloc0(piece);
            struct iovec iov = {zero, piece};
            ret = write_all(n, off + done, piece, &iov, 1);
            if (ret)
                return ret;
        }
        done += piece;
    }
    return 0;
}

int qcow2_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    Qcow2 *s = n->state;
    uint64_t start, end;
    if (s->version < 3 && (n->backing || !(flags & BLOCK_REQ_MAY_UNMAP)))
        return -ENOTSUP;
    whole_clusters(n, off, len, &start, &end);
    if (start >= end)
        return zero_part(n, off, len);
    int ret = off < start ? zero_part(n, off, start - off) : 0;
    if (!ret && end < off + len)
        ret = zero_part(n, end, off + len - end);
    return ret ? ret : erase(n, start, end, flags & BLOCK_REQ_MAY_UNMAP ? ERASE_ZERO_UNMAP : ERASE_ZERO);
}

/* ---- what is where ---- */

int qcow2_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st)
{
    Qcow2 *s = n->state;
    Run run;
    uint64_t done = 0;
    do { /* runs of one kind that the pieces of tables cut apart are put together */
        Run next;
        g_mutex_lock(&s->lock);
        int ret = qcow2_map(s, off + done, len - done, false, &next);
        g_mutex_unlock(&s->lock);
        if (ret)
            return ret;
        if (!done)
            run = next;
        else if (next.type != run.type || run.type == QCOW2_COMPR || (run.host && next.host != run.host + done))
            break;
        done += next.len;
    } while (done < len && (run.type != QCOW2_COMPR));
    *st = (BlockStatus){.len = done, .file = n->file->node, .off = run.host};
    switch (run.type) {
    case QCOW2_NORMAL:
        st->flags = BLOCK_ST_ALLOCATED | BLOCK_ST_DATA | BLOCK_ST_OFFSET;
        break;
    case QCOW2_COMPR:
        st->flags = BLOCK_ST_ALLOCATED | BLOCK_ST_DATA | BLOCK_ST_COMPRESSED;
        break;
    case QCOW2_ZERO_ALLOC:
        st->flags = BLOCK_ST_ALLOCATED | BLOCK_ST_ZERO | BLOCK_ST_OFFSET;
        break;
    case QCOW2_ZERO_PLAIN:
        st->flags = BLOCK_ST_ALLOCATED | BLOCK_ST_ZERO;
        break;
    default:
        st->flags = 0;
    }
    return 0;
}

/* ---- compressed writes: whole clusters, by tools ---- */

/* Bytes for compressed data, where the last one ended if it can be. */
static int alloc_bytes(Qcow2 *s, uint64_t len, uint64_t *off)
{
    uint64_t room = s->comp_off ? s->cluster_size - (s->comp_off & s->cluster_mask) : 0, host, got, refs;
    int ret = 0;
    qcow2_event(s, BLOCK_EVENT_CLUSTER_ALLOC_BYTES);
    if (room && room < len) { /* into the next cluster, where that is free */
        uint64_t next = (s->comp_off | s->cluster_mask) + 1;
        ret = qcow2_alloc(s, 1, true, &host, &got);
        if (ret)
            return ret;
        if (host == next && !qcow2_refcount_add(s, s->comp_off >> s->cluster_bits, 1, NULL)) {
            *off = s->comp_off;
            s->comp_off += len;
            goto done;
        }
        s->comp_off = host;
    } else if (!room) {
        ret = qcow2_alloc(s, 1, true, &host, &got);
        if (ret)
            return ret;
        s->comp_off = host;
    } else {
        ret = qcow2_refcount(s, s->comp_off >> s->cluster_bits, &refs);
        if (!ret && refs < qcow2_refcount_max(s)) {
            ret = qcow2_refcount_add(s, s->comp_off >> s->cluster_bits, 1, NULL);
        } else if (!ret) {
            ret = qcow2_alloc(s, 1, true, &host, &got);
            if (!ret)
                s->comp_off = host;
        }
        if (ret)
            return ret;
    }
    *off = s->comp_off;
    s->comp_off += len;
done:
    s->fresh = MAX(s->fresh, ROUND_UP(s->comp_off, s->cluster_size));
    if (!(s->comp_off & s->cluster_mask))
        s->comp_off = 0;
    return 0;
}

int qcow2_write_compressed(BlockNode *n, uint64_t off, const void *data, uint64_t len)
{
    Qcow2 *s = n->state;
    if (off & s->cluster_mask || len > s->cluster_size || (len < s->cluster_size && off + len != node_length(n)))
        return -EINVAL;
    g_autofree uint8_t *padded = len < s->cluster_size ? g_malloc0(s->cluster_size) : NULL;
    g_autofree uint8_t *out = g_malloc(s->cluster_size);
    if (padded)
        memcpy(padded, data, len);
    int64_t used = qcow2_compress(s->compression, padded ? padded : data, s->cluster_size, out, s->cluster_size - 1);
    if (used == -ENOSPC) {
        struct iovec iov = {(void *)data, len};
        return write_all(n, off, len, &iov, 1);
    }
    if (used < 0)
        return (int)used;
    uint64_t host = 0;
    g_mutex_lock(&s->wlock);
    int ret = qcow2_write_prepare(s);
    while (!ret && conflict(s, off, off + s->cluster_size))
        g_cond_wait(&s->alloc_cond, &s->wlock);
    g_mutex_lock(&s->lock);
    if (!ret)
        ret = qcow2_ensure_l2(s, (uint32_t)(off >> s->cluster_bits >> s->l2_bits));
    if (!ret)
        ret = alloc_bytes(s, (uint64_t)used, &host);
    g_mutex_unlock(&s->lock);
    qcow2_event(s, BLOCK_EVENT_WRITE_COMPRESSED);
    if (!ret)
        ret = node_pwrite(n->file->node, host, out, (uint64_t)used);
    Table *t;
    uint32_t i;
    qcow2_event(s, BLOCK_EVENT_L2_UPDATE_COMPRESSED);
    g_mutex_lock(&s->lock);
    if (!ret)
        ret = l2_at(s, off, false, &t, &i);
    if (!ret && !t)
        ret = -EIO;
    if (!ret) {
        uint64_t sectors = ((host & 511) + (uint64_t)used + 511) / 512 - 1;
        free_entry(s, entry_at(t, i), false);
        stq_be(t->data + 8 * i, host | sectors << (62 - (s->cluster_bits - 8)) | QCOW2_COMPRESSED);
        qcow2_cache_dirty(&s->l2c, t);
    }
    g_mutex_unlock(&s->lock);
    g_mutex_unlock(&s->wlock);
    return ret;
}
