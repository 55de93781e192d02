/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: reference counts, allocation, what was freed, and the checks against writing over the image's own structure.
 */
#include "block/qcow2.h"

#include "softmmu/runstate.h"

#include <stdarg.h>

#define FREED_BYTES_MAX (256 * MIB) /* freed and not committed: then a commit is due */

uint64_t qcow2_get_bits(const uint8_t *b, uint32_t order, uint64_t i)
{
    switch (order) {
    case 0:
        return b[i / 8] >> (i % 8) & 1;
    case 1:
        return b[i / 4] >> (i % 4 * 2) & 3;
    case 2:
        return b[i / 2] >> (i % 2 * 4) & 15;
    case 3:
        return b[i];
    case 4:
        return lduw_be(b + 2 * i);
    case 5:
        return ldl_be(b + 4 * i);
    default:
        return ldq_be(b + 8 * i);
    }
}

void qcow2_put_bits(uint8_t *b, uint32_t order, uint64_t i, uint64_t v)
{
    switch (order) {
    case 0:
        b[i / 8] = (uint8_t)((b[i / 8] & ~(1 << i % 8)) | v << i % 8);
        break;
    case 1:
        b[i / 4] = (uint8_t)((b[i / 4] & ~(3 << i % 4 * 2)) | v << i % 4 * 2);
        break;
    case 2:
        b[i / 2] = (uint8_t)((b[i / 2] & ~(15 << i % 2 * 4)) | v << i % 2 * 4);
        break;
    case 3:
        b[i] = (uint8_t)v;
        break;
    case 4:
        stw_be(b + 2 * i, (uint16_t)v);
        break;
    case 5:
        stl_be(b + 4 * i, (uint32_t)v);
        break;
    default:
        stq_be(b + 8 * i, v);
    }
}

/* ---- damage ---- */

void qcow2_mark_corrupt(Qcow2 *s, bool fatal, uint64_t off, uint64_t len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    bool told = __atomic_exchange_n(&s->told_corrupt, true, __ATOMIC_RELAXED);
    fatal = fatal && !s->node->read_only;
    if (fatal && !__atomic_exchange_n(&s->corrupt, true, __ATOMIC_RELAXED) && s->version >= 3) {
        uint8_t bits[8];
        s->incompat |= QCOW2_INCOMPAT_CORRUPT;
        stq_be(bits, s->incompat);
        if (!node_pwrite(s->node->file->node, QCOW2_H_INCOMPAT, bits, 8))
            node_flush(s->node->file->node);
        told = false;
    }
    if (told)
        return;
    if (fatal)
        error_report("qcow2: Marking image as corrupt: %s; further corruption events will be suppressed", what);
    else
        error_report("qcow2: Image is corrupt: %s; further non-fatal corruption events will be suppressed", what);
    Json *data = json_object();
    json_set_str(data, "device", "");
    json_set_str(data, "node-name", s->node->name);
    json_set_str(data, "msg", what);
    if (len) {
        json_set_uint(data, "offset", off);
        json_set_uint(data, "size", len);
    }
    json_set_bool(data, "fatal", fatal);
    event_emit("BLOCK_IMAGE_CORRUPTED", data);
}

static bool cuts(uint64_t off, uint64_t len, uint64_t a, uint64_t alen)
{
    return alen && off < a + alen && a < off + len;
}

const char *qcow2_overlap(Qcow2 *s, uint64_t off, uint64_t len)
{
    if (off < s->cluster_size)
        return "qcow2_header";
    if (cuts(off, len, s->l1_off, ROUND_UP((uint64_t)s->l1_size * 8, s->cluster_size)))
        return "active L1 table";
    if (cuts(off, len, s->rt_off, (uint64_t)s->rt_size * 8))
        return "refcount table";
    if (cuts(off, len, s->snapshots_off, s->snapshots_len))
        return "snapshot table";
    for (uint64_t c = off >> s->cluster_bits; s->meta && c <= (off + len - 1) >> s->cluster_bits; c++) {
        gpointer kind = g_hash_table_lookup(s->meta, GSIZE_TO_POINTER(c));
        if (kind)
            return GPOINTER_TO_INT(kind) == QCOW2_META_L2 ? "active L2 table" : "refcount block";
    }
    return NULL;
}

static bool claim_meta(Qcow2 *s, uint64_t off, Qcow2Meta kind)
{
    const char *other = off & s->cluster_mask ? "misaligned" : qcow2_overlap(s, off, s->cluster_size);
    if (other) {
        qcow2_mark_corrupt(s, true, off, s->cluster_size, "%s at 0x%" PRIx64 " overlaps with %s",
                           kind == QCOW2_META_L2 ? "L2 table" : "Refcount block", off, other);
        return false;
    }
    g_hash_table_insert(s->meta, GSIZE_TO_POINTER(off >> s->cluster_bits), GINT_TO_POINTER(kind));
    return true;
}

int qcow2_header_write(Qcow2 *s, uint64_t off, const void *buf, size_t len)
{
    int ret = node_pwrite(s->node->file->node, off, buf, len);
    return ret ? ret : node_flush(s->node->file->node);
}

int qcow2_header_switch(Qcow2 *s, uint64_t off, const void *buf, size_t len, bool *switched)
{
    BlockNode *file = s->node->file->node;
    uint8_t old[16];
    assert(len <= sizeof(old));
    *switched = false;
    int ret = node_pread(file, off, old, len);
    if (ret)
        return ret;
    ret = node_pwrite(file, off, buf, len);
    *switched = !ret;
    if (!ret)
        return node_flush(file);
    if (node_pwrite(file, off, old, len) || node_flush(file)) /* some of it may be there */
        qcow2_mark_corrupt(s, true, off, len, "A change of the header failed and could not be undone");
    return ret;
}

int qcow2_write_prepare(Qcow2 *s)
{
    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED))
        return -EIO;
    if (s->write_ready)
        return 0;
    /* Where a table lies is known from now on, so that nothing else is written there. */
    g_mutex_lock(&s->lock);
    s->meta = g_hash_table_new(g_direct_hash, g_direct_equal);
    bool ok = true;
    for (uint32_t i = 0; ok && i < s->rt_size; i++)
        ok = !s->rt[i] || claim_meta(s, s->rt[i], QCOW2_META_RB);
    for (uint32_t i = 0; ok && i < s->l1_size; i++)
        ok = !(s->l1[i] & QCOW2_OFFSET) || claim_meta(s, s->l1[i] & QCOW2_OFFSET, QCOW2_META_L2);
    g_mutex_unlock(&s->lock);
    if (!ok)
        return -EIO;
    if (s->autoclear) { /* what these tell is not kept up to date here */
        uint8_t none[8] = {0};
        int ret = qcow2_header_write(s, QCOW2_H_AUTOCLEAR, none, 8);
        if (ret)
            return ret;
        s->autoclear = 0;
    }
    g_mutex_lock(&s->lock);
    s->write_ready = true;
    g_mutex_unlock(&s->lock);
    return 0;
}

/* ---- counts ---- */

/* The piece that has the count of a cluster, and its index there; *t NULL: there is no block. */
static int count_at(Qcow2 *s, uint64_t cluster, Table **t, uint64_t *index)
{
    uint64_t i = cluster / qcow2_rb_entries(s), k = cluster % qcow2_rb_entries(s);
    *t = NULL;
    if (i >= s->rt_size || !s->rt[i])
        return 0;
    if (s->rt[i] & s->cluster_mask) {
        qcow2_mark_corrupt(s, true, s->rt[i], 0,
                           "Refblock offset %#" PRIx64 " unaligned (reftable index: %#" PRIx64 ")", s->rt[i], i);
        return -EIO;
    }
    uint64_t per = (uint64_t)s->rbc.slice * 8 >> s->refcount_order;
    *index = k % per;
    return qcow2_cache_get(s, &s->rbc, s->rt[i] + k / per * s->rbc.slice, 0, false, t);
}

int qcow2_refcount(Qcow2 *s, uint64_t cluster, uint64_t *val)
{
    Table *t;
    uint64_t i;
    int ret = count_at(s, cluster, &t, &i);
    *val = ret || !t ? 0 : qcow2_get_bits(t->data, s->refcount_order, i);
    return ret;
}

int qcow2_refcount_add(Qcow2 *s, uint64_t cluster, int delta, uint64_t *now)
{
    Table *t;
    uint64_t i;
    int ret = count_at(s, cluster, &t, &i);
    if (ret)
        return ret;
    uint64_t v = t ? qcow2_get_bits(t->data, s->refcount_order, i) : 0;
    if (!t || (delta < 0 && v < (uint64_t)-delta))
        return -EINVAL; /* freed more often than used: the image lies */
    if (delta > 0 && v > qcow2_refcount_max(s) - (uint64_t)delta)
        return -EINVAL;
    v += (uint64_t)(int64_t)delta;
    qcow2_put_bits(t->data, s->refcount_order, i, v);
    qcow2_cache_dirty(&s->rbc, t);
    if (!v) {
        s->free_hint = MIN(s->free_hint, cluster);
        if (cluster == s->comp_off >> s->cluster_bits)
            s->comp_off = 0;
        s->decomp_entry = 0; /* other data may come to the same place */
    }
    if (now)
        *now = v;
    return 0;
}

/* ---- growing ---- */

static int write_unlocked(Qcow2 *s, uint64_t off, const void *buf, uint64_t len, bool flush)
{
    BlockNode *file = s->node->file->node;
    g_mutex_unlock(&s->lock);
    int ret = node_pwrite(file, off, buf, len);
    if (!ret && flush)
        ret = node_flush(file);
    g_mutex_lock(&s->lock);
    return ret;
}

static void used_up_to(Qcow2 *s, uint64_t end)
{
    s->fresh = MAX(s->fresh, end);
}

/* A refcount table for at least want entries, beyond what the old one can count, with the blocks that count it. */
static int grow_table(Qcow2 *s, uint64_t want)
{
    uint64_t per = qcow2_rb_entries(s), first = (uint64_t)s->rt_size * per, max = QCOW2_RT_MAX / 8;
    uint64_t entries = MAX(want, s->rt_size + s->rt_size / 2), blocks = 1, size, clusters;
    for (;;) {
        size = ROUND_UP((entries + blocks) * 8, s->cluster_size);
        clusters = size >> s->cluster_bits;
        uint64_t need = (blocks + clusters + per - 1) / per;
        if (need <= blocks)
            break;
        blocks = need;
    }
    if (size / 8 > max)
        return -EFBIG;
    qcow2_event(s, BLOCK_EVENT_REFTABLE_GROW);
    uint64_t *rt = g_try_new0(uint64_t, size / 8);
    g_autofree uint8_t *raw = g_try_malloc0(size), *block = g_try_malloc(s->cluster_size);
    int ret = rt && raw && block ? 0 : -ENOMEM;
    if (!ret)
        memcpy(rt, s->rt, (size_t)s->rt_size * 8);
    qcow2_event(s, BLOCK_EVENT_REFBLOCK_ALLOC_WRITE_BLOCKS);
    for (uint64_t b = 0; !ret && b < blocks; b++) {
        memset(block, 0, s->cluster_size);
        for (uint64_t k = 0; k < per && b * per + k < blocks + clusters; k++)
            qcow2_put_bits(block, s->refcount_order, k, 1);
        rt[s->rt_size + b] = (first + b) << s->cluster_bits;
        ret = write_unlocked(s, (first + b) << s->cluster_bits, block, s->cluster_size, false);
    }
    uint64_t off = (first + blocks) << s->cluster_bits, old_off = s->rt_off, old_len = (uint64_t)s->rt_size * 8;
    for (uint64_t i = 0; !ret && i < size / 8; i++)
        stq_be(raw + 8 * i, rt[i]);
    qcow2_event(s, BLOCK_EVENT_REFBLOCK_ALLOC_WRITE_TABLE);
    if (!ret)
        ret = write_unlocked(s, off, raw, size, true);
    uint8_t head[12];
    stq_be(head, off);
    stl_be(head + 8, (uint32_t)clusters);
    qcow2_event(s, BLOCK_EVENT_REFBLOCK_ALLOC_SWITCH_TABLE);
    bool switched = false;
    if (!ret) {
        g_mutex_unlock(&s->lock);
        ret = qcow2_header_switch(s, QCOW2_H_RT_OFFSET, head, sizeof(head), &switched);
        g_mutex_lock(&s->lock);
    }
    if (!switched) {
        g_free(rt);
        return ret;
    }
    for (uint64_t b = 0; b < blocks; b++)
        g_hash_table_insert(s->meta, GSIZE_TO_POINTER(first + b), GINT_TO_POINTER(QCOW2_META_RB));
    g_free(s->rt);
    s->rt = rt;
    s->rt_size = (uint32_t)(size / 8);
    s->rt_off = off;
    used_up_to(s, off + size);
    return qcow2_free_replaced(s, old_off, old_len, ret);
}

/* A block that counts this cluster. It goes to `at`, which is free: the cluster itself, or one that is counted. */
static int new_block(Qcow2 *s, uint64_t cluster, uint64_t at)
{
    uint64_t i = cluster / qcow2_rb_entries(s), off = at << s->cluster_bits;
    qcow2_event(s, BLOCK_EVENT_REFBLOCK_ALLOC);
    if (i >= s->rt_size)
        return grow_table(s, i + 1);
    const char *other = qcow2_overlap(s, off, s->cluster_size);
    if (other) {
        qcow2_mark_corrupt(s, true, off, s->cluster_size, "Preventing invalid write on metadata (overlaps with %s)",
                           other);
        return -EIO;
    }
    g_autofree uint8_t *block = g_malloc0(s->cluster_size);
    int ret = 0;
    if (at == cluster) {
        qcow2_put_bits(block, s->refcount_order, cluster % qcow2_rb_entries(s), 1);
    } else { /* its count is stable before anything points to it */
        ret = qcow2_refcount_add(s, at, 1, NULL);
        ret = ret ? ret : qcow2_commit(s);
    }
    qcow2_event(s, BLOCK_EVENT_REFBLOCK_ALLOC_WRITE);
    if (!ret)
        ret = write_unlocked(s, off, block, s->cluster_size, true);
    uint8_t entry[8];
    stq_be(entry, off);
    qcow2_event(s, BLOCK_EVENT_REFBLOCK_ALLOC_HOOKUP);
    if (!ret)
        ret = write_unlocked(s, s->rt_off + 8 * i, entry, 8, false);
    if (ret)
        return ret;
    s->rt[i] = off;
    g_hash_table_insert(s->meta, GSIZE_TO_POINTER(at), GINT_TO_POINTER(QCOW2_META_RB));
    used_up_to(s, off + s->cluster_size);
    return 0;
}

/* The first free cluster from here on. */
static int find_free(Qcow2 *s, uint64_t *cluster)
{
    uint64_t c = *cluster, per = (uint64_t)s->rbc.slice * 8 >> s->refcount_order;
    for (;;) {
        Table *t;
        uint64_t i;
        if (c >= BIT64(55) >> s->cluster_bits)
            return -EFBIG;
        int ret = count_at(s, c, &t, &i);
        if (ret)
            return ret;
        while (t && i < per && qcow2_get_bits(t->data, s->refcount_order, i)) {
            i++;
            c++;
        }
        if (!t || i < per)
            break;
    }
    *cluster = c;
    return 0;
}

int qcow2_alloc(Qcow2 *s, uint64_t n, bool exact, uint64_t *host, uint64_t *got)
{
    uint64_t c = s->free_hint, k = 0;
    qcow2_event(s, BLOCK_EVENT_CLUSTER_ALLOC);
    for (;;) {
        int ret = find_free(s, &c);
        if (ret)
            return ret;
        uint64_t v = 0;
        for (k = 0; k < n; k++) {
            uint64_t i = (c + k) / qcow2_rb_entries(s);
            if (k && (ret = qcow2_refcount(s, c + k, &v)))
                return ret;
            if (v || i >= s->rt_size || !s->rt[i])
                break;
        }
        if (k && (k == n || !exact))
            break;
        if (!v && k < n) { /* no block counts it yet; the block takes the first one, so that the rest is in one piece */
            ret = new_block(s, c + k, c);
            if (ret)
                return ret;
            if (!k)
                s->free_hint = c;
            c += k > 0;
            continue;
        }
        c += k;
    }
    if (c == s->free_hint || !exact)
        s->free_hint = c + k;
    const char *other = qcow2_overlap(s, c << s->cluster_bits, k << s->cluster_bits);
    if (other) {
        qcow2_mark_corrupt(s, true, c << s->cluster_bits, k << s->cluster_bits,
                           "Preventing invalid write on metadata (overlaps with %s)", other);
        return -EIO;
    }
    for (uint64_t j = 0; j < k; j++) {
        int ret = qcow2_refcount_add(s, c + j, 1, NULL);
        if (ret)
            return ret;
    }
    *host = c << s->cluster_bits;
    *got = k;
    return 0;
}

/* ---- freeing ---- */

static int free_range(Qcow2 *s, const Freed *f, GArray *punch)
{
    int ret = 0;
    if (!f->len)
        return 0;
    qcow2_event(s, BLOCK_EVENT_CLUSTER_FREE);
    for (uint64_t c = f->off >> s->cluster_bits; c <= (f->off + f->len - 1) >> s->cluster_bits; c++) {
        uint64_t now = 1;
        int r = qcow2_refcount_add(s, c, -1, &now);
        if (r == -EINVAL)
            qcow2_mark_corrupt(s, true, c << s->cluster_bits, s->cluster_size,
                               "Cluster at 0x%" PRIx64 " is freed, but its reference count is 0", c << s->cluster_bits);
        ret = ret ? ret : r;
        if (r || now)
            continue;
        if (f->meta) {
            qcow2_cache_drop(&s->l2c, c << s->cluster_bits, s->cluster_size);
            qcow2_cache_drop(&s->rbc, c << s->cluster_bits, s->cluster_size);
            g_hash_table_remove(s->meta, GSIZE_TO_POINTER(c));
        }
        if (f->discard && punch) {
            Freed p = {c << s->cluster_bits, s->cluster_size};
            g_array_append_val(punch, p);
        }
    }
    return ret;
}

int qcow2_free_now(Qcow2 *s, uint64_t off, uint64_t len)
{
    return free_range(s, &(Freed){off, len, true, false}, NULL);
}

int qcow2_free_replaced(Qcow2 *s, uint64_t off, uint64_t len, int ret)
{
    if (!ret)
        return qcow2_free_now(s, off, len);
    qcow2_free_later(s, off, len, true, false);
    return ret;
}

void qcow2_free_later(Qcow2 *s, uint64_t off, uint64_t len, bool meta, bool discard)
{
    if (!s->freed)
        s->freed = g_array_new(false, false, sizeof(Freed));
    Freed *last = s->freed->len ? &g_array_index(s->freed, Freed, s->freed->len - 1) : NULL;
    s->freed_bytes += len;
    if (last && last->off + last->len == off && last->meta == meta && last->discard == discard &&
        !((last->len | off | len) & s->cluster_mask)) {
        last->len += len;
        return;
    }
    Freed f = {off, len, meta, discard};
    g_array_append_val(s->freed, f);
}

void qcow2_reap(Qcow2 *s, bool all)
{
    g_autoptr(GArray) punch = NULL;
    g_mutex_lock(&s->lock);
    if (s->freed_bytes > FREED_BYTES_MAX)
        qcow2_commit(s); /* a failure is heard of at the next flush */
    for (int i = 0; i < 2 && s->batches; i++) {
        /* Requests of the epoch before the present one have ended where nobody is counted there. */
        if (!s->active[(s->epoch + 1) & 1])
            s->epoch++;
    }
    while (s->batches && (all || s->epoch >= s->batches->epoch + 2)) {
        FreedBatch *b = s->batches;
        s->batches = b->next;
        if (!punch)
            punch = g_array_new(false, false, sizeof(Freed));
        for (guint i = 0; i < b->items->len; i++)
            free_range(s, &g_array_index(b->items, Freed, i), punch);
        g_array_free(b->items, true);
        g_free(b);
    }
    g_mutex_unlock(&s->lock);
    for (guint i = 0; punch && i < punch->len;) {
        Freed f = g_array_index(punch, Freed, i);
        for (i++; i < punch->len && g_array_index(punch, Freed, i).off == f.off + f.len; i++)
            f.len += s->cluster_size;
        if (f.off < node_length(s->node->file->node))
            node_discard(s->node->file->node, f.off, MIN(f.len, node_length(s->node->file->node) - f.off));
    }
}
