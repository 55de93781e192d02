/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: what the tables refer to is counted and compared with the reference counts; repair.
 *
 * Counts that are too high are leaks and lowered in place. Where one is too low the whole structure of counts is built
 * anew behind everything that is used, and the header pointed to it. Nothing else may use the image meanwhile.
 */
#include "block/qcow2.h"

#include <stdarg.h>

#define CLUSTERS_MAX (UINT64_C(1) << 32)

typedef struct Check {
    Qcow2 *s;
    Qcow2Check *res;
    unsigned fix;
    uint32_t *refs; /* as counted */
    uint32_t *disk; /* as the image says, repairs included */
    uint64_t clusters, room;
    bool rebuild, no_rt; /* no_rt: the old structure of counts does not count */
} Check;

static void say(Check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(Check *c, const char *fmt, ...)
{
    if (!c->res->report)
        return;
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    c->res->report(c->res->opaque, line);
}

/* One more reference to [off, off+len). */
static int count(Check *c, uint64_t off, uint64_t len)
{
    Qcow2 *s = c->s;
    if (!len)
        return 0;
    if (off > INT64_MAX - len)
        return -EIO;
    uint64_t last = (off + len - 1) >> s->cluster_bits;
    if (last >= c->clusters) {
        say(c,
            "ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset "
            "0x%" PRIx64 " size 0x%" PRIx64,
            off, len);
        c->res->corruptions++;
        return 0;
    }
    for (uint64_t k = off >> s->cluster_bits; k <= last; k++)
        if (c->refs[k] < UINT32_MAX)
            c->refs[k]++;
    return 0;
}

static int count_l2(Check *c, uint64_t table, bool active)
{
    Qcow2 *s = c->s;
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    int ret = node_pread_padded(s->node->file->node, table, buf, s->cluster_size);
    if (ret) {
        say(c, "ERROR: I/O error in check_refcounts_l2");
        c->res->check_errors++;
        return ret;
    }
    uint64_t next = 0;
    for (uint64_t i = 0; !ret && i < s->cluster_size / 8; i++) {
        uint64_t e = ldq_be(buf + 8 * i), off = e & QCOW2_OFFSET, len;
        switch (qcow2_entry_type(s, e)) {
        case QCOW2_COMPR:
            if (e & QCOW2_COPIED) {
                say(c, "ERROR: coffset=0x%" PRIx64 ": copied flag must never be set for compressed clusters",
                    e & ((UINT64_C(1) << (62 - (s->cluster_bits - 8))) - 1));
                c->res->corruptions++;
            }
            qcow2_compressed_range(s, e, &off, &len);
            ret = count(c, off, len);
            if (active) {
                c->res->allocated++;
                c->res->compressed++;
                c->res->fragmented++;
            }
            break;
        case QCOW2_NORMAL:
        case QCOW2_ZERO_ALLOC:
            if (off & s->cluster_mask) {
                say(c, "ERROR offset=%" PRIx64 ": Cluster is not properly aligned; L2 entry corrupted.", off);
                c->res->corruptions++;
                break;
            }
            if (active) {
                c->res->allocated++;
                c->res->fragmented += next && off != next;
                next = off + s->cluster_size;
            }
            ret = count(c, off, s->cluster_size);
            break;
        default:
            break;
        }
    }
    return ret;
}

static int count_l1(Check *c, uint64_t off, uint32_t size, const uint64_t *l1, bool active)
{
    Qcow2 *s = c->s;
    int ret = count(c, off, (uint64_t)size * 8);
    for (uint32_t i = 0; !ret && i < size; i++) {
        uint64_t table = l1[i] & QCOW2_OFFSET;
        if (!table)
            continue;
        if (table & s->cluster_mask) {
            say(c, "ERROR l2_offset=%" PRIx64 ": Table is not cluster aligned; L1 entry corrupted", table);
            c->res->corruptions++;
            continue;
        }
        ret = count(c, table, s->cluster_size);
        if (!ret && table >> s->cluster_bits < c->clusters)
            ret = count_l2(c, table, active);
    }
    return ret;
}

static int count_snapshot(Check *c, const Snapshot *sn, unsigned i)
{
    Qcow2 *s = c->s;
    if (sn->l1_off & s->cluster_mask) {
        say(c,
            "ERROR snapshot %s (%s) l1_offset=%#" PRIx64 ": L1 table is not cluster aligned; snapshot table entry "
            "corrupted",
            sn->id, sn->name, sn->l1_off);
        c->res->corruptions++;
        return 0;
    }
    if ((uint64_t)sn->l1_size * 8 > QCOW2_L1_MAX) {
        say(c, "ERROR snapshot %s (%s) l1_size=%#x: L1 table is too large; snapshot table entry corrupted", sn->id,
            sn->name, sn->l1_size);
        c->res->corruptions++;
        return 0;
    }
    g_autofree uint64_t *l1 = g_malloc0(MAX((size_t)sn->l1_size * 8, 8));
    int ret = node_pread_padded(s->node->file->node, sn->l1_off, l1, (uint64_t)sn->l1_size * 8);
    if (ret) {
        c->res->check_errors++;
        return ret;
    }
    for (uint32_t k = 0; k < sn->l1_size; k++)
        l1[k] = ldq_be(&l1[k]);
    return count_l1(c, sn->l1_off, sn->l1_size, l1, false);
}

/* Persistent bitmaps, where they are valid: their directory, tables and data. */
static int count_bitmaps(Check *c)
{
    Qcow2 *s = c->s;
    if (!(s->autoclear & QCOW2_AUTOCLEAR_BITMAPS) || !s->nb_bitmaps)
        return 0;
    if (s->bitmaps_size > 16 * MIB || s->bitmaps_off & s->cluster_mask) {
        c->res->corruptions++;
        return 0;
    }
    g_autofree uint8_t *dir = g_malloc0(MAX(s->bitmaps_size, 1));
    int ret = count(c, s->bitmaps_off, s->bitmaps_size);
    ret = ret ? ret : node_pread_padded(s->node->file->node, s->bitmaps_off, dir, s->bitmaps_size);
    for (uint64_t at = 0, n = 0; !ret && n < s->nb_bitmaps && at + 24 <= s->bitmaps_size; n++) {
        uint64_t table = ldq_be(dir + at), size = ldl_be(dir + at + 8);
        uint64_t len = 24 + (uint64_t)lduw_be(dir + at + 18) + ldl_be(dir + at + 20);
        if (size > 8 * MIB || table & s->cluster_mask) {
            c->res->corruptions++;
            return 0;
        }
        g_autofree uint8_t *entries = g_malloc0(MAX(size * 8, 1));
        ret = count(c, table, size * 8);
        ret = ret ? ret : node_pread_padded(s->node->file->node, table, entries, size * 8);
        for (uint64_t i = 0; !ret && i < size; i++) {
            uint64_t off = ldq_be(entries + 8 * i) & QCOW2_OFFSET;
            if (off)
                ret = count(c, off, s->cluster_size);
        }
        at += ROUND_UP(len, 8);
    }
    return ret;
}

static int count_all(Check *c)
{
    Qcow2 *s = c->s;
    memset(c->refs, 0, c->clusters * sizeof(*c->refs));
    int ret = count(c, 0, s->cluster_size);
    ret = ret ? ret : count_l1(c, s->l1_off, s->l1_size, s->l1, true);
    for (uint32_t i = 0; !ret && i < s->nb_snapshots; i++)
        ret = count_snapshot(c, &s->snapshots[i], i);
    ret = ret ? ret : count(c, s->snapshots_off, s->snapshots_len);
    ret = ret ? ret : count_bitmaps(c);
    if (ret || c->no_rt)
        return ret;
    ret = count(c, s->rt_off, (uint64_t)s->rt_size * 8);
    for (uint32_t i = 0; !ret && i < s->rt_size; i++) {
        uint64_t off = s->rt[i];
        if (!off)
            continue;
        if (off & s->cluster_mask) {
            say(c, "ERROR refcount block %u is not cluster aligned; refcount table entry corrupted", i);
            c->res->corruptions++;
            c->rebuild = true;
        } else if (off >> s->cluster_bits >= c->clusters) {
            say(c, "ERROR refcount block %u is outside image", i);
            c->res->corruptions++;
            c->rebuild = true;
        } else {
            ret = count(c, off, s->cluster_size);
            if (!ret && c->refs[off >> s->cluster_bits] != 1) {
                say(c, "ERROR refcount block %u refcount=%u", i, c->refs[off >> s->cluster_bits]);
                c->res->corruptions++;
                c->rebuild = true;
            }
        }
    }
    return ret;
}

/* ---- comparing ---- */

static int compare(Check *c)
{
    Qcow2 *s = c->s;
    uint64_t per = qcow2_rb_entries(s), used = 0;
    g_autofree uint8_t *block = g_malloc(s->cluster_size);
    for (uint64_t b = 0; b * per < c->clusters; b++) {
        uint64_t off = b < s->rt_size ? s->rt[b] : 0;
        if (off & s->cluster_mask || off >> s->cluster_bits >= c->clusters)
            off = 0; /* told already */
        bool changed = false;
        int ret = off ? node_pread_padded(s->node->file->node, off, block, s->cluster_size) : 0;
        if (ret) {
            c->res->check_errors++;
            continue;
        }
        if (!off)
            memset(block, 0, s->cluster_size);
        for (uint64_t k = 0; k < per && b * per + k < c->clusters; k++) {
            uint64_t i = b * per + k, have = qcow2_get_bits(block, s->refcount_order, k), want = c->refs[i];
            c->disk[i] = (uint32_t)MIN(have, UINT32_MAX);
            if (have || want)
                used = MAX(used, i + 1);
            if (have == want)
                continue;
            bool leak = have > want, repair = c->fix & (leak ? QCOW2_FIX_LEAKS : QCOW2_FIX_ERRORS);
            say(c, "%s cluster %" PRIu64 " refcount=%" PRIu64 " reference=%" PRIu64, leak ? "Leaked" : "ERROR", i, have,
                want);
            if (repair)
                say(c, "Repairing cluster %" PRIu64 " refcount=%" PRIu64 " reference=%" PRIu64, i, have, want);
            if (leak && repair) {
                qcow2_put_bits(block, s->refcount_order, k, want);
                c->disk[i] = (uint32_t)want;
                changed = true;
                c->res->leaks_fixed++;
            } else if (leak) {
                c->res->leaks++;
            } else {
                c->res->corruptions++;
                c->rebuild = true;
            }
        }
        if (changed && off) {
            ret = node_pwrite(s->node->file->node, off, block, s->cluster_size);
            if (ret)
                return ret;
            g_mutex_lock(&s->lock);
            qcow2_cache_drop(&s->rbc, off, s->cluster_size);
            g_mutex_unlock(&s->lock);
        }
    }
    c->res->image_end = (int64_t)(used << s->cluster_bits);
    return 0;
}

/* ---- building the counts anew ---- */

static int rebuild(Check *c)
{
    Qcow2 *s = c->s;
    BlockNode *file = s->node->file->node;
    uint64_t per = qcow2_rb_entries(s), end = 0, old_corruptions = c->res->corruptions;
    c->no_rt = true;
    int ret = count_all(c);
    c->res->corruptions = old_corruptions;
    if (ret)
        return ret;
    for (uint64_t i = 0; i < c->clusters; i++)
        if (c->refs[i])
            end = i + 1;
    end = MAX(end, c->clusters); /* what is there now stays as it is until the header is written */
    uint64_t blocks = 1, rt_clusters = 1, all;
    for (;;) {
        all = end + blocks + rt_clusters;
        uint64_t b = (all + per - 1) / per, r = (b * 8 + s->cluster_size - 1) >> s->cluster_bits;
        if (b <= blocks && r <= rt_clusters)
            break;
        blocks = MAX(b, blocks);
        rt_clusters = MAX(r, rt_clusters);
    }
    if (rt_clusters << s->cluster_bits > QCOW2_RT_MAX)
        return -EFBIG;
    uint64_t *rt = g_new0(uint64_t, (rt_clusters << s->cluster_bits) / 8);
    g_autofree uint8_t *raw = g_malloc0(rt_clusters << s->cluster_bits), *block = g_malloc(s->cluster_size);
    for (uint64_t b = 0; !ret && b < blocks; b++) {
        memset(block, 0, s->cluster_size);
        for (uint64_t k = 0; k < per && b * per + k < all; k++) {
            uint64_t i = b * per + k, v = i >= end ? 1 : i < c->clusters ? c->refs[i] : 0;
            if (v > qcow2_refcount_max(s))
                ret = -EINVAL;
            qcow2_put_bits(block, s->refcount_order, k, v);
        }
        rt[b] = (end + b) << s->cluster_bits;
        stq_be(raw + 8 * b, rt[b]);
        if (!ret)
            ret = node_pwrite(file, rt[b], block, s->cluster_size);
    }
    uint64_t off = (end + blocks) << s->cluster_bits;
    ret = ret ? ret : node_pwrite(file, off, raw, rt_clusters << s->cluster_bits);
    ret = ret ? ret : node_flush(file);
    uint8_t head[12];
    stq_be(head, off);
    stl_be(head + 8, (uint32_t)rt_clusters);
    ret = ret ? ret : qcow2_header_write(s, QCOW2_H_RT_OFFSET, head, sizeof(head));
    if (ret) {
        g_free(rt);
        return ret;
    }
    g_free(s->rt);
    s->rt = rt;
    s->rt_off = off;
    s->rt_size = (uint32_t)((rt_clusters << s->cluster_bits) / 8);
    s->free_hint = 0;
    s->fresh = ROUND_UP(node_length(file), s->cluster_size);
    qcow2_cache_free(&s->rbc);
    qcow2_cache_init(&s->rbc, 64, MIN((uint32_t)s->cluster_size, 4096));
    c->clusters = MIN(all, c->room);
    return 0;
}

/* ---- COPIED ---- */

static int check_copied(Check *c)
{
    Qcow2 *s = c->s;
    BlockNode *file = s->node->file->node;
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t table = s->l1[i] & QCOW2_OFFSET;
        if (!table || table & s->cluster_mask || table >> s->cluster_bits >= c->clusters)
            continue;
        bool want = c->disk[table >> s->cluster_bits] == 1;
        if (want != !!(s->l1[i] & QCOW2_COPIED)) {
            bool repair = c->fix & QCOW2_FIX_ERRORS;
            say(c, "%s OFLAG_COPIED L2 cluster: l1_index=%u l1_entry=%" PRIx64 " refcount=%u",
                repair ? "Repairing" : "ERROR", i, s->l1[i], c->disk[table >> s->cluster_bits]);
            if (repair) {
                uint8_t e[8];
                s->l1[i] = table | (want ? QCOW2_COPIED : 0);
                stq_be(e, s->l1[i]);
                int ret = node_pwrite(file, s->l1_off + 8 * (uint64_t)i, e, 8);
                if (ret)
                    return ret;
                c->res->corruptions_fixed++;
            } else {
                c->res->corruptions++;
            }
        }
        int ret = node_pread_padded(file, table, buf, s->cluster_size);
        bool changed = false;
        if (ret)
            return ret;
        for (uint64_t k = 0; k < s->cluster_size / 8; k++) {
            uint64_t e = ldq_be(buf + 8 * k), off = e & QCOW2_OFFSET;
            Qcow2Type type = qcow2_entry_type(s, e);
            if ((type != QCOW2_NORMAL && type != QCOW2_ZERO_ALLOC) || off & s->cluster_mask ||
                off >> s->cluster_bits >= c->clusters)
                continue;
            want = c->disk[off >> s->cluster_bits] == 1;
            if (want == !!(e & QCOW2_COPIED))
                continue;
            bool repair = c->fix & QCOW2_FIX_ERRORS;
            say(c, "%s OFLAG_COPIED data cluster: l2_entry=%" PRIx64 " refcount=%u", repair ? "Repairing" : "ERROR", e,
                c->disk[off >> s->cluster_bits]);
            if (repair) {
                stq_be(buf + 8 * k, (e & ~QCOW2_COPIED) | (want ? QCOW2_COPIED : 0));
                changed = true;
                c->res->corruptions_fixed++;
            } else {
                c->res->corruptions++;
            }
        }
        if (changed) {
            ret = node_pwrite(file, table, buf, s->cluster_size);
            if (ret)
                return ret;
            g_mutex_lock(&s->lock);
            qcow2_cache_drop(&s->l2c, table, s->cluster_size);
            g_mutex_unlock(&s->lock);
        }
    }
    return 0;
}

int qcow2_check(BlockNode *n, Qcow2Check *res, unsigned fix)
{
    Qcow2 *s = n->state;
    Check c = {.s = s, .res = res, .fix = n->read_only ? 0 : fix};
    g_mutex_lock(&s->lock);
    int ret = s->write_ready ? qcow2_commit(s) : 0;
    g_mutex_unlock(&s->lock);
    if (ret)
        return ret;
    c.clusters = (node_length(n->file->node) + s->cluster_size - 1) >> s->cluster_bits;
    c.room = c.clusters + c.clusters / 1000 + 4096;
    c.refs = c.clusters < CLUSTERS_MAX ? g_try_new0(uint32_t, c.room) : NULL;
    c.disk = c.refs ? g_try_new0(uint32_t, c.room) : NULL;
    if (!c.disk) {
        g_free(c.refs);
        say(&c, "ERROR: the image file is too large to be checked (%" PRIu64 " clusters)", c.clusters);
        res->check_errors++;
        return -EFBIG;
    }
    res->total = (node_length(n) + s->cluster_size - 1) >> s->cluster_bits;
    ret = count_all(&c);
    if (!ret)
        ret = compare(&c);
    if (!ret && c.rebuild && c.fix & QCOW2_FIX_ERRORS) {
        say(&c, "Rebuilding refcount structure");
        uint64_t wrong = res->corruptions;
        ret = rebuild(&c);
        if (!ret) { /* look again: what is left is what cannot be repaired */
            res->corruptions = res->leaks = res->allocated = res->compressed = res->fragmented = 0;
            res->corruptions_fixed += wrong;
            void (*report)(void *, const char *) = res->report;
            res->report = NULL;
            c.no_rt = c.rebuild = false;
            ret = count_all(&c);
            ret = ret ? ret : compare(&c);
            res->report = report;
            res->corruptions_fixed -= MIN(res->corruptions, res->corruptions_fixed);
        }
    }
    if (!ret)
        ret = check_copied(&c);
    if (!ret && c.fix)
        ret = node_flush(n->file->node);
    if (!ret && c.fix & QCOW2_FIX_ERRORS && !res->corruptions && !res->check_errors &&
        s->incompat & (QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_DIRTY)) {
        uint8_t bits[8];
        s->incompat &= ~(uint64_t)(QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_DIRTY);
        stq_be(bits, s->incompat);
        ret = qcow2_header_write(s, QCOW2_H_INCOMPAT, bits, 8);
    }
    g_free(c.refs);
    g_free(c.disk);
    return ret;
}
