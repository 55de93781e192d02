/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: the tables in memory, and their way to the disk.
 *
 * A table is read without the lock, while others find it and wait. It is thrown out by a clock, never while dirty:
 * where all are dirty everything is committed first.
 */
#include "block/qcow2.h"

void qcow2_cache_init(TableCache *c, uint32_t count, uint32_t slice)
{
    uint32_t buckets = 16;
    while (buckets < count && buckets < BIT32(20))
        buckets *= 2;
    *c = (TableCache){.count = count, .slice = slice, .mask = buckets - 1};
    c->tables = g_new0(Table, count); /* pages that are not used cost nothing */
    c->buckets = g_new0(Table *, buckets);
}

void qcow2_cache_free(TableCache *c)
{
    for (uint32_t i = 0; i < c->made; i++)
        g_free(c->tables[i].data);
    g_free(c->tables);
    g_free(c->buckets);
    *c = (TableCache){0};
}

static Table **bucket(TableCache *c, uint64_t off)
{
    uint64_t h = off / c->slice * UINT64_C(0x9e3779b97f4a7c15);
    return &c->buckets[(h >> 32) & c->mask];
}

static void unlink_table(TableCache *c, Table *t)
{
    if (t->off == UINT64_MAX)
        return;
    for (Table **p = bucket(c, t->off); *p; p = &(*p)->next) {
        if (*p == t) {
            *p = t->next;
            break;
        }
    }
    t->off = UINT64_MAX;
}

static Table *find(TableCache *c, uint64_t off)
{
    Table *t = *bucket(c, off);
    while (t && t->off != off)
        t = t->next;
    return t;
}

/* One that can be given up; NULL: none now. */
static Table *victim(TableCache *c)
{
    if (c->made < c->count) {
        Table *t = &c->tables[c->made++];
        t->off = UINT64_MAX;
        t->data = g_malloc(c->slice);
        t->ready = true;
        return t;
    }
    for (uint32_t i = 0; i < 2 * c->count; i++) {
        Table *t = &c->tables[c->hand];
        c->hand = (c->hand + 1) % c->count;
        if (!t->ready || t->dirty || t->held)
            continue;
        if (!t->used)
            return t;
        t->used = false;
    }
    return NULL;
}

int qcow2_cache_get(Qcow2 *s, TableCache *c, uint64_t off, uint32_t owner, bool now, Table **out)
{
    for (;;) {
        Table *t = find(c, off);
        if (t && t->ready) {
            t->used = true;
            *out = t;
            return 0;
        }
        if (now)
            return -EAGAIN;
        if (t) {
            g_cond_wait(&s->cond, &s->lock);
            continue;
        }
        t = victim(c);
        if (!t && c->dirty) {
            int ret = qcow2_commit(s);
            if (ret)
                return ret;
            continue;
        }
        if (!t) {
            g_cond_wait(&s->cond, &s->lock);
            continue;
        }
        unlink_table(c, t);
        t->off = off;
        t->owner = owner;
        t->ready = false;
        Table **b = bucket(c, off);
        t->next = *b;
        *b = t;
        g_mutex_unlock(&s->lock);
        qcow2_event(s, c == &s->rbc ? BLOCK_EVENT_REFBLOCK_LOAD : BLOCK_EVENT_L2_LOAD);
        int ret = node_pread_padded(s->node->file->node, off, t->data, c->slice);
        g_mutex_lock(&s->lock);
        t->ready = true;
        if (ret)
            unlink_table(c, t);
        t->used = !ret;
        g_cond_broadcast(&s->cond);
        *out = t;
        return ret;
    }
}

void qcow2_cache_dirty(TableCache *c, Table *t)
{
    c->dirty += !t->dirty;
    t->dirty = true;
}

void qcow2_cache_drop(TableCache *c, uint64_t off, uint64_t len)
{
    for (uint64_t o = off; o < off + len; o += c->slice) {
        Table *t = find(c, o);
        if (!t || !t->ready || t->held)
            continue;
        c->dirty -= t->dirty;
        t->dirty = false;
        unlink_table(c, t);
    }
}

/* ---- commit ---- */

typedef struct Piece {
    uint64_t off;
    uint8_t *data;
    uint32_t len;
    bool early; /* of the first phase */
    Table *table;
    TableCache *cache;
} Piece;

static int by_offset(const void *a, const void *b)
{
    uint64_t x = ((const Piece *)a)->off, y = ((const Piece *)b)->off;
    return x < y ? -1 : x > y;
}

static void collect(Qcow2 *s, TableCache *c, GArray *out)
{
    for (uint32_t i = 0; i < c->made && c->dirty; i++) {
        Table *t = &c->tables[i];
        if (!t->dirty)
            continue;
        bool early = c == &s->rbc || s->l1_flags[t->owner] & L1_NEW;
        Piece p = {t->off, g_memdup2(t->data, c->slice), c->slice, early, t, c};
        g_array_append_val(out, p);
        t->dirty = false;
        t->held = true;
        c->dirty--;
    }
}

/* L1 entries, a sector of the disk at a time. */
static void collect_l1(Qcow2 *s, GArray *out)
{
    for (uint32_t i = 0; s->l1_dirty && i < s->l1_size; i++) {
        if (!(s->l1_flags[i] & L1_DIRTY))
            continue;
        uint32_t first = i / 64 * 64, n = MIN(64, s->l1_size - first);
        uint8_t *data = g_malloc(n * 8);
        for (uint32_t k = 0; k < n; k++) {
            stq_be(data + 8 * k, s->l1[first + k]);
            s->l1_flags[first + k] = 0;
        }
        Piece p = {s->l1_off + 8 * (uint64_t)first, data, n * 8, false, NULL, NULL};
        g_array_append_val(out, p);
    }
    s->l1_dirty = false;
}

/* Pieces that lie side by side go in one request. */
static int write_pieces(Qcow2 *s, GArray *pieces, bool early)
{
    struct iovec iov[64];
    for (guint i = 0; i < pieces->len;) {
        Piece *p = &g_array_index(pieces, Piece, i);
        uint64_t start = p->off, len = 0;
        int k = 0;
        for (; i < pieces->len && k < 64; i++) {
            p = &g_array_index(pieces, Piece, i);
            if (p->early != early) {
                if (!k)
                    continue;
                break;
            }
            if (p->off != start + len) {
                if (k)
                    break;
                start = p->off;
            }
            qcow2_event(s, !p->table             ? BLOCK_EVENT_L1_UPDATE
                           : p->cache == &s->rbc ? BLOCK_EVENT_REFBLOCK_UPDATE_PART
                                                 : BLOCK_EVENT_L2_UPDATE);
            iov[k++] = (struct iovec){p->data, p->len};
            len += p->len;
        }
        int ret = k ? node_pwritev(s->node->file->node, start, len, iov, k, 0) : 0;
        if (ret)
            return ret;
    }
    return 0;
}

static int commit_now(Qcow2 *s)
{
    BlockNode *file = s->node->file->node;
    g_autoptr(GArray) pieces = g_array_new(false, false, sizeof(Piece));
    collect(s, &s->rbc, pieces);
    collect(s, &s->l2c, pieces); /* before the L1's flags are cleared */
    collect_l1(s, pieces);
    GArray *freed = s->freed;
    s->freed = NULL;
    s->freed_bytes = 0;
    uint64_t epoch = s->epoch;
    g_mutex_unlock(&s->lock);

    int ret = 0;
    if (pieces->len && __atomic_load_n(&s->corrupt, __ATOMIC_RELAXED))
        ret = -EIO;
    if (pieces->len && !ret) {
        qsort(pieces->data, pieces->len, sizeof(Piece), by_offset);
        bool early = false, late = false;
        for (guint i = 0; i < pieces->len; i++) {
            bool e = g_array_index(pieces, Piece, i).early;
            early |= e;
            late |= !e;
        }
        if (early)
            ret = write_pieces(s, pieces, true);
        if (!ret && late)
            ret = node_flush(file);
        if (!ret && late)
            ret = write_pieces(s, pieces, false);
    }
    if (!ret)
        ret = node_flush(file);

    g_mutex_lock(&s->lock);
    for (guint i = 0; i < pieces->len; i++) {
        Piece *p = &g_array_index(pieces, Piece, i);
        if (p->table) {
            p->table->held = false;
            if (ret)
                qcow2_cache_dirty(p->cache, p->table);
        } else if (ret) { /* which of the two is on the disk is not known: both are written again */
            uint32_t first = (uint32_t)((p->off - s->l1_off) / 8);
            for (uint32_t k = 0; k < p->len / 8; k++)
                s->l1_flags[first + k] |= L1_DIRTY;
            s->l1_dirty = true;
        }
        g_free(p->data);
    }
    if (freed && ret) {
        if (!s->freed) {
            s->freed = freed;
        } else {
            g_array_append_vals(s->freed, freed->data, freed->len);
            g_array_free(freed, true);
        }
    } else if (freed) {
        FreedBatch *b = g_new0(FreedBatch, 1), **tail = &s->batches;
        *b = (FreedBatch){freed, MAX(epoch, s->epoch), NULL};
        while (*tail)
            tail = &(*tail)->next;
        *tail = b;
    }
    return ret;
}

int qcow2_commit(Qcow2 *s)
{
    uint64_t target = s->commits_started + 1;
    while (s->commits_done < target) {
        if (s->committing) {
            g_cond_wait(&s->cond, &s->lock);
            continue;
        }
        s->committing = true;
        s->commits_started++;
        uint64_t mine = s->commits_started;
        s->commit_ret = commit_now(s);
        s->commits_done = mine;
        s->committing = false;
        g_cond_broadcast(&s->cond);
    }
    return s->commit_ret;
}
