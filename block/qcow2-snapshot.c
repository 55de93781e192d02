/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: the table of internal snapshots; taking, deleting and going back to one. */
#include "block/qcow2.h"

#include <time.h>

static void snapshot_clear(Snapshot *sn)
{
    g_free(sn->id);
    g_free(sn->name);
    g_free(sn->extra);
}

void qcow2_snapshots_free(Qcow2 *s)
{
    for (uint32_t i = 0; s->snapshots && i < s->nb_snapshots; i++)
        snapshot_clear(&s->snapshots[i]);
    g_clear_pointer(&s->snapshots, g_free);
    s->nb_snapshots = 0;
}

int qcow2_snapshots_read(Qcow2 *s, Error **errp)
{
    BlockNode *file = s->node->file->node;
    uint64_t at = s->snapshots_off, end = node_length(file);
    uint32_t count = s->nb_snapshots;
    s->nb_snapshots = 0;
    if (!count)
        return 0;
    s->snapshots = g_new0(Snapshot, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t h[40];
        Snapshot *sn = &s->snapshots[i];
        if (at > end || end - at < sizeof(h)) {
            error_set(errp, "Could not read snapshots: the table goes past the end of the file");
            return -EINVAL;
        }
        int ret = node_pread_padded(file, at, h, sizeof(h));
        if (ret) {
            error_set_errno(errp, -ret, "Could not read snapshots");
            return ret;
        }
        uint16_t id_len = lduw_be(h + 12), name_len = lduw_be(h + 14);
        *sn = (Snapshot){.l1_off = ldq_be(h),
                         .l1_size = ldl_be(h + 8),
                         .date_sec = ldl_be(h + 16),
                         .date_nsec = ldl_be(h + 20),
                         .vm_clock_ns = ldq_be(h + 24),
                         .vm_state_size = ldl_be(h + 32),
                         .extra_size = ldl_be(h + 36),
                         .disk_size = node_length(s->node),
                         .icount = UINT64_MAX};
        if (sn->extra_size > 1024) {
            error_set(errp, "Could not read snapshots: too much extra data in snapshot %u", i);
            return -EFBIG;
        }
        uint64_t rest = (uint64_t)sn->extra_size + id_len + name_len;
        if (end - at - sizeof(h) < rest) {
            error_set(errp, "Could not read snapshots: the table goes past the end of the file");
            return -EINVAL;
        }
        g_autofree uint8_t *buf = g_malloc(MAX(rest, 1));
        ret = node_pread_padded(file, at + sizeof(h), buf, rest);
        if (ret) {
            error_set_errno(errp, -ret, "Could not read snapshots");
            return ret;
        }
        if (sn->extra_size >= 8)
            sn->vm_state_size = ldq_be(buf);
        if (sn->extra_size >= 16)
            sn->disk_size = ldq_be(buf + 8);
        if (sn->extra_size >= 24)
            sn->icount = ldq_be(buf + 16);
        sn->extra = g_memdup2(buf, sn->extra_size);
        sn->id = g_strndup((char *)buf + sn->extra_size, id_len);
        sn->name = g_strndup((char *)buf + sn->extra_size + id_len, name_len);
        s->nb_snapshots = i + 1;
        at += ROUND_UP(sizeof(h) + rest, 8);
        if (at - s->snapshots_off > QCOW2_SNAPTAB_MAX) {
            error_set(errp, "Could not read snapshots: the table is too large");
            return -EFBIG;
        }
    }
    s->snapshots_len = at - s->snapshots_off;
    return 0;
}

Json *qcow2_snapshot_list(BlockNode *n)
{
    const Qcow2 *s = n->state;
    Json *list = json_array();
    for (uint32_t i = 0; i < s->nb_snapshots; i++) {
        const Snapshot *sn = &s->snapshots[i];
        Json *o = json_object();
        if (sn->icount != UINT64_MAX)
            json_set_uint(o, "icount", sn->icount);
        json_set_uint(o, "vm-clock-nsec", sn->vm_clock_ns % NS_PER_SEC);
        json_set_str(o, "name", sn->name);
        json_set_uint(o, "date-sec", sn->date_sec);
        json_set_uint(o, "date-nsec", sn->date_nsec);
        json_set_uint(o, "vm-clock-sec", sn->vm_clock_ns / NS_PER_SEC);
        json_set_str(o, "id", sn->id);
        json_set_uint(o, "vm-state-size", sn->vm_state_size);
        json_append(list, o);
    }
    return list;
}

static int find_name(const Qcow2 *s, const char *name)
{
    for (uint32_t i = 0; i < s->nb_snapshots; i++)
        if (!strcmp(s->snapshots[i].name, name))
            return (int)i;
    return -1;
}

/* By id, then by name. */
static int find(const Qcow2 *s, const char *name)
{
    for (uint32_t i = 0; i < s->nb_snapshots; i++)
        if (!strcmp(s->snapshots[i].id, name))
            return (int)i;
    return find_name(s, name);
}

/* ---- the table on the disk ---- */

/* wlock and lock held. The new table is stable before the header points to it; *switched: it does. */
static int write_table(Qcow2 *s, const Snapshot *list, uint32_t count, bool *switched)
{
    g_autoptr(GByteArray) raw = g_byte_array_new();
    for (uint32_t i = 0; i < count; i++) {
        const Snapshot *sn = &list[i];
        uint32_t extra = MAX(sn->extra_size, 24);
        size_t id_len = strlen(sn->id), name_len = strlen(sn->name);
        uint8_t h[40] = {0};
        stq_be(h, sn->l1_off);
        stl_be(h + 8, sn->l1_size);
        stw_be(h + 12, (uint16_t)id_len);
        stw_be(h + 14, (uint16_t)name_len);
        stl_be(h + 16, sn->date_sec);
        stl_be(h + 20, sn->date_nsec);
        stq_be(h + 24, sn->vm_clock_ns);
        stl_be(h + 32, sn->vm_state_size <= UINT32_MAX ? (uint32_t)sn->vm_state_size : 0);
        stl_be(h + 36, extra);
        g_autofree uint8_t *ex = g_malloc0(extra);
        if (sn->extra_size)
            memcpy(ex, sn->extra, sn->extra_size);
        stq_be(ex, sn->vm_state_size);
        stq_be(ex + 8, sn->disk_size);
        stq_be(ex + 16, sn->icount);
        g_byte_array_append(raw, h, sizeof(h));
        g_byte_array_append(raw, ex, extra);
        g_byte_array_append(raw, (const uint8_t *)sn->id, (guint)id_len);
        g_byte_array_append(raw, (const uint8_t *)sn->name, (guint)name_len);
        g_byte_array_set_size(raw, raw->len);
        static const uint8_t zero[8];
        g_byte_array_append(raw, zero, (guint)(ROUND_UP(raw->len, 8) - raw->len));
    }
    uint64_t off = 0, got, old_off = s->snapshots_off, old_len = s->snapshots_len;
    int ret = 0;
    *switched = false;
    if (raw->len) {
        ret = qcow2_alloc(s, (raw->len + s->cluster_size - 1) >> s->cluster_bits, true, &off, &got);
        if (ret)
            return ret;
        s->fresh = MAX(s->fresh, off + got * s->cluster_size);
        g_mutex_unlock(&s->lock);
        ret = node_pwrite(s->node->file->node, off, raw->data, raw->len);
        g_mutex_lock(&s->lock);
    }
    if (!ret)
        ret = qcow2_commit(s); /* the counts of all that it keeps */
    uint8_t head[12];
    stl_be(head, count);
    stq_be(head + 4, off);
    if (!ret) {
        g_mutex_unlock(&s->lock);
        ret = qcow2_header_switch(s, QCOW2_H_NB_SNAPSHOTS, head, sizeof(head), switched);
        g_mutex_lock(&s->lock);
    }
    if (!*switched) {
        if (raw->len && !__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) /* else the header may point there */
            qcow2_free_now(s, off, raw->len);
        return ret;
    }
    s->snapshots_off = off;
    s->snapshots_len = raw->len;
    return qcow2_free_replaced(s, old_off, old_len, ret);
}

/* ---- counts of everything that an L1 table reaches ---- */

static int add_entry(Qcow2 *s, uint64_t e, int delta, uint64_t *refs)
{
    uint64_t off, len;
    int ret = 0;
    *refs = 0;
    switch (qcow2_entry_type(s, e)) {
    case QCOW2_COMPR:
        qcow2_compressed_range(s, e, &off, &len);
        for (uint64_t c = off >> s->cluster_bits; !ret && delta && c <= (off + len - 1) >> s->cluster_bits; c++)
            ret = qcow2_refcount_add(s, c, delta, refs);
        return ret;
    case QCOW2_NORMAL:
    case QCOW2_ZERO_ALLOC:
        off = e & QCOW2_OFFSET;
        if (off & s->cluster_mask)
            return -EIO;
        return delta ? qcow2_refcount_add(s, off >> s->cluster_bits, delta, refs)
                     : qcow2_refcount(s, off >> s->cluster_bits, refs);
    default:
        return 0;
    }
}

/* Add delta to the counts of l1's tables and what they point to; active: set COPIED as the counts are afterwards. */
static int walk(Qcow2 *s, uint64_t *l1, uint32_t size, int delta, bool active)
{
    uint32_t per = s->l2c.slice / 8;
    for (uint32_t i = 0; i < size; i++) {
        uint64_t table = l1[i] & QCOW2_OFFSET, refs;
        if (!table)
            continue;
        if (table & s->cluster_mask)
            return -EIO;
        int ret = 0;
        for (uint64_t piece = 0; !ret && piece < s->cluster_size; piece += s->l2c.slice) {
            for (uint32_t k = 0; !ret && k < per; k++) {
                Table *t;
                ret = qcow2_cache_get(s, &s->l2c, table + piece, i, false, &t);
                uint64_t e = ret ? 0 : ldq_be(t->data + 8 * k);
                if (ret || !(e & (QCOW2_OFFSET | QCOW2_COMPRESSED)))
                    continue;
                ret = add_entry(s, e, delta, &refs);
                if (ret || !active)
                    continue;
                uint64_t new = e & ~QCOW2_COPIED;
                if (refs == 1 && !(e & QCOW2_COMPRESSED))
                    new |= QCOW2_COPIED;
                if (new == e)
                    continue;
                ret = qcow2_cache_get(s, &s->l2c, table + piece, i, false, &t);
                if (ret)
                    continue;
                stq_be(t->data + 8 * k, new);
                qcow2_cache_dirty(&s->l2c, t);
            }
        }
        if (!ret)
            ret = add_entry(s, table, delta, &refs);
        if (ret)
            return ret;
        if (delta < 0 && !refs) {
            qcow2_cache_drop(&s->l2c, table, s->cluster_size);
            g_hash_table_remove(s->meta, GSIZE_TO_POINTER(table >> s->cluster_bits));
        }
        uint64_t new = table | (refs == 1 ? QCOW2_COPIED : 0);
        if (active && new != l1[i]) {
            l1[i] = new;
            s->l1_flags[i] |= L1_DIRTY;
            s->l1_dirty = true;
        }
    }
    return 0;
}

static void lock_all(Qcow2 *s)
{
    g_mutex_lock(&s->wlock);
    g_mutex_lock(&s->lock);
}

static void unlock_all(Qcow2 *s)
{
    g_mutex_unlock(&s->lock);
    g_mutex_unlock(&s->wlock);
}

static bool prepare(Qcow2 *s, Error **errp)
{
    if (s->node->read_only)
        return error_set(errp, "Image is read-only");
    g_mutex_lock(&s->wlock);
    int ret = qcow2_write_prepare(s);
    g_mutex_lock(&s->lock);
    ret = ret ? ret : qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    if (!ret)
        qcow2_reap(s, true);
    g_mutex_unlock(&s->wlock);
    return !ret || error_set_errno(errp, -ret, "The image cannot be changed");
}

bool qcow2_snapshot_create(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *s = n->state;
    uint64_t off = 0, got, max_id = 0;
    if (!prepare(s, errp))
        return false;
    if (s->nb_snapshots >= QCOW2_SNAPSHOTS_MAX)
        return error_set(errp, "There are too many snapshots (%d)", QCOW2_SNAPSHOTS_MAX);
    if (strlen(name) > 255)
        return error_set(errp, "The snapshot's name is too long");
    for (uint32_t i = 0; i < s->nb_snapshots; i++)
        max_id = MAX(max_id, g_ascii_strtoull(s->snapshots[i].id, NULL, 10));
    lock_all(s);
    bool switched = false;
    g_autofree uint8_t *raw = g_malloc0(MAX((size_t)s->l1_size * 8, 1));
    int ret = s->l1_size ? qcow2_alloc(s, ((uint64_t)s->l1_size * 8 + s->cluster_size - 1) >> s->cluster_bits, true,
                                       &off, &got)
                         : 0;
    if (ret) {
        unlock_all(s);
        return error_set_errno(errp, -ret, "No room for the snapshot");
    }
    if (s->l1_size)
        s->fresh = MAX(s->fresh, off + got * s->cluster_size);
    ret = walk(s, s->l1, s->l1_size, 1, true);
    for (uint32_t i = 0; i < s->l1_size; i++)
        stq_be(raw + 8 * i, s->l1[i]);
    if (!ret) {
        g_mutex_unlock(&s->lock);
        ret = node_pwrite(n->file->node, off, raw, (uint64_t)s->l1_size * 8);
        g_mutex_lock(&s->lock);
    }
    GDateTime *now = g_date_time_new_now_utc();
    Snapshot *list = g_new0(Snapshot, s->nb_snapshots + 1), *sn = &list[s->nb_snapshots];
    if (s->nb_snapshots)
        memcpy(list, s->snapshots, sizeof(*list) * s->nb_snapshots);
    *sn = (Snapshot){.l1_off = off,
                     .l1_size = s->l1_size,
                     .date_sec = (uint32_t)g_date_time_to_unix(now),
                     .date_nsec = (uint32_t)g_date_time_get_microsecond(now) * 1000,
                     .disk_size = node_length(n),
                     .icount = UINT64_MAX};
    g_date_time_unref(now);
    sn->id = g_strdup_printf("%" PRIu64, max_id + 1);
    sn->name = g_strdup(name);
    if (!ret)
        ret = write_table(s, list, s->nb_snapshots + 1, &switched);
    unlock_all(s);
    if (!switched) {
        snapshot_clear(sn);
        g_free(list);
        return error_set_errno(errp, -ret, "Could not create the snapshot '%s'", name);
    }
    g_free(s->snapshots);
    s->snapshots = list;
    s->nb_snapshots++;
    return !ret || error_set_errno(errp, -ret, "The snapshot '%s' may not be on the disk", name);
}

static uint64_t *read_l1(Qcow2 *s, const Snapshot *sn, Error **errp)
{
    if ((uint64_t)sn->l1_size * 8 > QCOW2_L1_MAX || sn->l1_off & s->cluster_mask || sn->l1_off > INT64_MAX / 2) {
        error_set(errp, "Snapshot L1 table offset invalid");
        return NULL;
    }
    uint64_t *l1 = g_malloc0(MAX((size_t)sn->l1_size * 8, 8));
    int ret = node_pread_padded(s->node->file->node, sn->l1_off, l1, (uint64_t)sn->l1_size * 8);
    for (uint32_t i = 0; i < sn->l1_size; i++)
        l1[i] = ldq_be(&l1[i]);
    if (ret) {
        error_set_errno(errp, -ret, "Could not read the snapshot's L1 table");
        g_clear_pointer(&l1, g_free);
    }
    return l1;
}

bool qcow2_snapshot_delete(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *s = n->state;
    int i = find_name(s, name);
    if (i < 0)
        return error_set(errp, "snapshot not found");
    if (!prepare(s, errp))
        return false;
    Snapshot gone = s->snapshots[i];
    g_autofree uint64_t *l1 = read_l1(s, &gone, errp);
    if (!l1)
        return false;
    Snapshot *list = g_memdup2(s->snapshots, sizeof(*list) * s->nb_snapshots);
    memmove(&list[i], &list[i + 1], sizeof(*list) * (s->nb_snapshots - 1 - (uint32_t)i));
    lock_all(s);
    bool switched;
    int ret = write_table(s, list, s->nb_snapshots - 1, &switched);
    if (!switched) {
        unlock_all(s);
        g_free(list);
        return error_set_errno(errp, -ret, "Could not delete the snapshot '%s'", name);
    }
    g_free(s->snapshots);
    s->snapshots = list;
    s->nb_snapshots--;
    ret = ret ? ret : walk(s, l1, gone.l1_size, -1, false); /* after a failure the disk may still have it */
    ret = ret ? ret : qcow2_free_now(s, gone.l1_off, (uint64_t)gone.l1_size * 8);
    ret = ret ? ret : walk(s, s->l1, s->l1_size, 0, true);
    ret = ret ? ret : qcow2_commit(s);
    unlock_all(s);
    snapshot_clear(&gone);
    return !ret || error_set_errno(errp, -ret,
                                   "Could not free all that the snapshot '%s' used (qemu-img check -r leaks)", name);
}

bool qcow2_snapshot_apply(BlockNode *n, const char *name, Error **errp)
{
    Qcow2 *s = n->state;
    int i = find(s, name);
    if (i < 0)
        return error_set(errp, "Can't find the snapshot");
    if (!prepare(s, errp))
        return false;
    const Snapshot *sn = &s->snapshots[i];
    if (sn->disk_size != node_length(n))
        return error_set(errp, "The snapshot '%s' has another size than the disk, which is not available here", name);
    if (sn->l1_size > s->l1_size)
        return error_set(errp, "The snapshot '%s' has a larger L1 table than the disk", name);
    g_autofree uint64_t *l1 = read_l1(s, sn, errp);
    if (!l1)
        return false;
    uint64_t *new = g_new0(uint64_t, MAX(s->l1_size, 1));
    memcpy(new, l1, (size_t)sn->l1_size * 8);
    for (uint32_t k = 0; k < s->l1_size; k++)
        new[k] &= ~QCOW2_COPIED;
    lock_all(s);
    /* What the snapshot keeps is counted once more before the active table, written at once, points there; then what
     * was active is let go. */
    int ret = walk(s, new, s->l1_size, 1, false);
    ret = ret ? ret : qcow2_commit(s);
    uint64_t *old = s->l1;
    if (!ret) {
        s->l1 = new;
        for (uint32_t k = 0; k < s->l1_size; k++)
            s->l1_flags[k] = L1_DIRTY;
        s->l1_dirty = s->l1_size;
        ret = qcow2_commit(s);
        for (uint32_t k = 0; k < s->l1_size; k++) {
            if (old[k] & QCOW2_OFFSET)
                g_hash_table_remove(s->meta, GSIZE_TO_POINTER((old[k] & QCOW2_OFFSET) >> s->cluster_bits));
        }
        for (uint32_t k = 0; k < s->l1_size; k++)
            if (new[k] & QCOW2_OFFSET)
                g_hash_table_insert(s->meta, GSIZE_TO_POINTER((new[k] & QCOW2_OFFSET) >> s->cluster_bits),
                                    GINT_TO_POINTER(QCOW2_META_L2));
        ret = ret ? ret : walk(s, old, s->l1_size, -1, false);
        ret = ret ? ret : walk(s, s->l1, s->l1_size, 0, true);
        ret = ret ? ret : qcow2_commit(s);
        g_free(old);
    } else {
        g_free(new);
    }
    s->decomp_entry = 0;
    unlock_all(s);
    return !ret || error_set_errno(errp, -ret, "Could not go back to the snapshot '%s'", name);
}

bool qcow2_snapshot_show(BlockNode *n, const char *id, const char *name, Error **errp)
{
    Qcow2 *s = n->state;
    const Snapshot *sn = NULL;
    for (uint32_t i = 0; i < s->nb_snapshots && !sn; i++)
        if ((id || name) && (!id || !strcmp(s->snapshots[i].id, id)) && (!name || !strcmp(s->snapshots[i].name, name)))
            sn = &s->snapshots[i];
    if (!sn)
        return error_set(errp, "Can't find snapshot");
    if (!n->read_only)
        return error_set(errp, "Image is not read-only");
    /* The disk keeps its size: behind a snapshot that is smaller, nothing is allocated. */
    uint32_t size = MAX(sn->l1_size, s->l1_size);
    g_autofree uint64_t *l1 = read_l1(s, sn, errp);
    if (!l1)
        return false;
    uint64_t *all = g_new0(uint64_t, MAX(size, 1));
    memcpy(all, l1, (size_t)sn->l1_size * 8);
    lock_all(s);
    g_free(s->l1);
    g_free(s->l1_flags);
    s->l1 = all;
    s->l1_flags = g_malloc0(MAX(size, 1));
    s->l1_size = size;
    unlock_all(s);
    return true;
}
