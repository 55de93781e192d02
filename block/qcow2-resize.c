/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: another size, preallocation, another backing file's name. */
#include "block/qcow2.h"

#include <stdlib.h>

/* wlock and lock held: an L1 table of size entries. The header points to it when it is stable. */
static int grow_l1(Qcow2 *s, uint64_t size)
{
    uint64_t off, got, bytes = size * 8, old_off = s->l1_off, old_bytes = (uint64_t)s->l1_size * 8;
    if (size <= s->l1_size)
        return 0;
    if (bytes > QCOW2_L1_MAX)
        return -EFBIG;
    int ret = qcow2_commit(s);
    qcow2_event(s, BLOCK_EVENT_L1_GROW_ALLOC_TABLE);
    ret = ret ? ret : qcow2_alloc(s, (bytes + s->cluster_size - 1) >> s->cluster_bits, true, &off, &got);
    if (ret)
        return ret;
    s->fresh = MAX(s->fresh, off + got * s->cluster_size);
    uint64_t *l1 = g_new0(uint64_t, size);
    uint8_t *flags = g_malloc0(size), head[12];
    g_autofree uint8_t *raw = g_malloc0(got * s->cluster_size);
    if (s->l1_size)
        memcpy(l1, s->l1, old_bytes);
    for (uint64_t i = 0; i < size; i++)
        stq_be(raw + 8 * i, l1[i]);
    g_mutex_unlock(&s->lock);
    qcow2_event(s, BLOCK_EVENT_L1_GROW_WRITE_TABLE);
    ret = node_pwrite(s->node->file->node, off, raw, got * s->cluster_size);
    g_mutex_lock(&s->lock);
    ret = ret ? ret : qcow2_commit(s);
    stl_be(head, (uint32_t)size);
    stq_be(head + 4, off);
    bool switched = false;
    if (!ret) {
        g_mutex_unlock(&s->lock);
        qcow2_event(s, BLOCK_EVENT_L1_GROW_ACTIVATE_TABLE);
        ret = qcow2_header_switch(s, QCOW2_H_L1_SIZE, head, sizeof(head), &switched);
        g_mutex_lock(&s->lock);
    }
    if (!switched) {
        g_free(l1);
        g_free(flags);
        if (!__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) /* else the header may point there */
            qcow2_free_now(s, off, bytes);
        return ret;
    }
    g_free(s->l1);
    g_free(s->l1_flags);
    s->l1 = l1;
    s->l1_flags = flags;
    s->l1_size = (uint32_t)size;
    s->l1_off = off;
    return qcow2_free_replaced(s, old_off, old_bytes, ret);
}

bool qcow2_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    Qcow2 *s = n->state;
    uint64_t old = node_length(n), per_l1 = s->cluster_size << s->l2_bits;
    if (size % BLOCK_SECTOR)
        return error_set(errp, "The new size must be a multiple of %u", BLOCK_SECTOR);
    if (s->nb_snapshots && s->version < 3)
        return error_set(errp, "Can't resize a v2 image which has snapshots");
    if (size > INT64_MAX - per_l1)
        return error_set(errp, "Image size %" PRIu64 " is too large", size);
    g_mutex_lock(&s->wlock);
    int ret = qcow2_write_prepare(s);
    g_mutex_unlock(&s->wlock);
    if (ret)
        return error_set_errno(errp, -ret, "The image cannot be changed");
    if (size < old) { /* what is cut off must not show again when the image grows */
        uint64_t start = ROUND_UP(size, s->cluster_size), end = ROUND_UP(old, s->cluster_size);
        if (size % s->cluster_size)
            ret = qcow2_write_zeroes(n, size, MIN(start, old) - size, 0);
        if (ret == -ENOTSUP) {
            g_autofree uint8_t *zero = g_malloc0(s->cluster_size);
            struct iovec iov = {zero, MIN(start, old) - size};
            ret = qcow2_pwritev(n, size, iov.iov_len, &iov, 1, 0);
        }
        if (!ret && start < end) {
            __atomic_store_n(&n->length, end, __ATOMIC_RELAXED);
            ret = s->version >= 3 ? qcow2_write_zeroes(n, start, end - start, BLOCK_REQ_MAY_UNMAP)
                  : n->backing    ? qcow2_forget(n, start, end - start)
                                  : qcow2_discard(n, start, end - start);
            __atomic_store_n(&n->length, old, __ATOMIC_RELAXED);
        }
        ret = ret ? ret : qcow2_flush(n);
    } else {
        g_mutex_lock(&s->wlock);
        g_mutex_lock(&s->lock);
        ret = grow_l1(s, (size + per_l1 - 1) / per_l1);
        g_mutex_unlock(&s->lock);
        g_mutex_unlock(&s->wlock);
        /* What a longer backing file has beyond the old end is not the guest's: it is hidden before the size is there.
         */
        uint64_t end = n->backing ? MIN(size, node_length(n->backing->node)) : 0;
        if (!ret && end > old) {
            __atomic_store_n(&n->length, size, __ATOMIC_RELAXED);
            ret = node_write_zeroes(n, old, end - old, 0);
            ret = ret ? ret : qcow2_flush(n);
            __atomic_store_n(&n->length, old, __ATOMIC_RELAXED);
        }
    }
    uint8_t raw[8];
    stq_be(raw, size);
    bool switched = false;
    if (!ret)
        ret = qcow2_header_switch(s, QCOW2_H_SIZE, raw, 8, &switched);
    if (switched)
        __atomic_store_n(&n->length, size, __ATOMIC_RELAXED);
    if (ret == -EFBIG)
        return error_set(errp, "Image size %" PRIu64 " is too large for a cluster size of %" PRIu64 " bytes", size,
                         s->cluster_size);
    if (ret)
        return error_set_errno(errp, -ret, "Failed to resize the image");
    return true;
}

/* Clusters that nothing points to yet read as zeroes. fresh: from there on the file was never written. */
static int blank_clusters(Qcow2 *s, uint64_t host, uint64_t len, uint64_t fresh, Qcow2Prealloc mode)
{
    BlockNode *file = s->node->file->node;
    int ret = 0;
    if (mode == PREALLOC_FULL) {
        g_autofree uint8_t *zero = g_malloc0(MIB);
        for (uint64_t done = 0; !ret && done < len; done += MIB)
            ret = node_pwrite(file, host + done, zero, MIN(MIB, len - done));
    } else if (mode == PREALLOC_FALLOC) {
        ret = node_write_zeroes(file, host, len, 0);
    } else if (s->version < 3 && host < fresh) {
        ret = node_write_zeroes(file, host, MIN(len, fresh - host), 0);
    }
    return ret;
}

/* Point the guest's clusters at host's; those that hold old bytes are marked as zeroes. lock held. */
static int link_blank(Qcow2 *s, uint64_t at, uint64_t count, uint64_t host, uint64_t fresh, Qcow2Prealloc mode)
{
    uint64_t piece = s->l2c.slice / 8;
    for (uint64_t k = 0; k < count; k++) {
        Table *t;
        uint64_t cluster = (at >> s->cluster_bits) + k, i = cluster & (BIT64(s->l2_bits) - 1);
        uint64_t table = s->l1[cluster >> s->l2_bits] & QCOW2_OFFSET, to = host + k * s->cluster_size;
        int ret =
            qcow2_cache_get(s, &s->l2c, table + i / piece * s->l2c.slice, (uint32_t)(cluster >> s->l2_bits), false, &t);
        if (ret)
            return ret;
        bool zero = mode == PREALLOC_METADATA && s->version >= 3 && to < fresh;
        stq_be(t->data + 8 * (i % piece), to | QCOW2_COPIED | (zero ? QCOW2_ZERO : 0));
        qcow2_cache_dirty(&s->l2c, t);
    }
    return 0;
}

bool qcow2_preallocate(BlockNode *n, uint64_t from, uint64_t to, Qcow2Prealloc mode, Error **errp)
{
    Qcow2 *s = n->state;
    int ret = 0;
    if (mode == PREALLOC_OFF || from >= to)
        return true;
    uint64_t at = ROUND_DOWN(from, s->cluster_size), end = ROUND_UP(to, s->cluster_size), stop = 0;
    if (at < from && n->backing && node_length(n->backing->node) > at) { /* keeps what backs it before from */
        uint8_t last[BLOCK_SECTOR];
        struct iovec iov = {last, sizeof(last)};
        ret = node_pread(n, from - sizeof(last), last, sizeof(last));
        ret = ret ? ret : qcow2_pwritev(n, from - sizeof(last), sizeof(last), &iov, 1, 0);
    }
    g_mutex_lock(&s->wlock);
    ret = ret ? ret : qcow2_write_prepare(s);
    while (!ret && at < end) {
        uint64_t host, got;
        Run run;
        g_mutex_lock(&s->lock);
        ret = qcow2_map(s, at, end - at, false, &run);
        if (ret || run.type != QCOW2_UNALLOCATED) {
            at += ret ? 0 : run.len;
            g_mutex_unlock(&s->lock);
            continue;
        }
        ret = qcow2_ensure_l2(s, (uint32_t)(at >> s->cluster_bits >> s->l2_bits));
        ret = ret ? ret : qcow2_alloc(s, run.len >> s->cluster_bits, false, &host, &got);
        g_mutex_unlock(&s->lock);
        if (ret)
            break;
        uint64_t fresh = n->file->node->grows ? s->fresh : UINT64_MAX, len = got * s->cluster_size;
        ret = blank_clusters(s, host, len, fresh, mode);
        g_mutex_lock(&s->lock);
        if (ret)
            qcow2_free_now(s, host, len);
        else
            ret = link_blank(s, at, got, host, fresh, mode);
        g_mutex_unlock(&s->lock);
        if (!ret) {
            at += got * s->cluster_size;
            stop = MAX(stop, host + got * s->cluster_size);
            s->fresh = MAX(s->fresh, stop);
        }
    }
    g_mutex_unlock(&s->wlock);
    /* The file has room for all of it: entries do not point past its end. */
    if (!ret && stop > node_length(n->file->node)) {
        uint8_t zero[BLOCK_SECTOR] = {0};
        ret = node_pwrite(n->file->node, stop - sizeof(zero), zero, sizeof(zero));
    }
    ret = ret ? ret : qcow2_flush(n);
    return !ret || error_set_errno(errp, -ret, "Could not preallocate");
}

/* The first cluster from what is in memory, with the extensions that are not known here as they are. */
bool qcow2_rewrite_header(Qcow2 *s, Error **errp)
{
    BlockNode *file = s->node->file->node;
    g_autofree uint8_t *old = g_malloc0(s->cluster_size), *new = g_malloc0(s->cluster_size);
    int ret = node_pread_padded(file, 0, old, s->cluster_size);
    if (ret)
        return error_set_errno(errp, -ret, "Could not read the header");
    g_autoptr(GByteArray) other = g_byte_array_new();
    uint64_t backing = ldq_be(old + QCOW2_H_BACKING_OFFSET),
             end = backing ? MIN(backing, s->cluster_size) : s->cluster_size;
    for (uint64_t off = s->header_length; off + 8 <= end;) {
        uint32_t type = ldl_be(old + off), len = ldl_be(old + off + 4);
        if (type == QCOW2_EXT_END || len > end - off - 8)
            break;
        uint64_t whole = MIN(8 + ROUND_UP((uint64_t)len, 8), end - off);
        if (type != QCOW2_EXT_BACKING_FMT && type != QCOW2_EXT_FEATURES)
            g_byte_array_append(other, old + off, (guint)whole);
        off += whole;
    }
    ret = qcow2_header_build(new, s->cluster_size, old, s->header_length, (uint32_t)s->version, s->backing_file,
                             s->backing_fmt, other->data, other->len);
    if (ret)
        return error_set_errno(errp, -ret, "The header does not fit its cluster");
    ret = qcow2_header_write(s, 0, new, s->cluster_size);
    return !ret || error_set_errno(errp, -ret, "Could not write the header");
}

bool qcow2_change_backing(BlockNode *n, const char *name, const char *fmt, Error **errp)
{
    Qcow2 *s = n->state;
    if (name && strlen(name) > QCOW2_BACKING_MAX)
        return error_set(errp, "Backing file name is too long: at most %d bytes", QCOW2_BACKING_MAX);
    char *old_file = s->backing_file, *old_fmt = s->backing_fmt;
    s->backing_file = name && *name ? g_strdup(name) : NULL;
    s->backing_fmt = s->backing_file && fmt ? g_strdup(fmt) : NULL;
    if (!qcow2_rewrite_header(s, errp)) {
        g_free(s->backing_file);
        g_free(s->backing_fmt);
        s->backing_file = old_file;
        s->backing_fmt = old_fmt;
        return false;
    }
    n->backing_file = s->backing_file;
    n->backing_fmt = s->backing_fmt;
    g_free(old_file);
    g_free(old_fmt);
    return true;
}
