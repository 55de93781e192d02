/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver "qcow2", versions 2 and 3: opening, closing, what it tells about itself.
 *
 * Not here, and refused by name: encryption, external data files, extended L2 entries. Lazy reference counts are kept
 * as a property of the image; the counts are written in order all the same, so the dirty bit is never set here, and an
 * image that has it is repaired when it is opened for writing.
 */
#include "block/qcow2.h"

#define CACHE_ENTRIES_MIN 16
#define CACHE_PIECE       4096u

static const Prop qcow2_props[] = {
    PROP_SIZE("l2-cache-size", Qcow2, opt_l2_cache, 0,
              "most bytes of L2 tables in memory, 0: as many as help, up to 32M"),
    PROP_SIZE("cache-size", Qcow2, opt_cache, 0, "most bytes of L2 tables and refcount blocks together"),
    PROP_SIZE("refcount-cache-size", Qcow2, opt_rb_cache, 0, "most bytes of refcount blocks in memory"),
    PROP_SIZE("l2-cache-entry-size", Qcow2, opt_l2_entry, 0, "bytes of an L2 table that are read at once"),
    PROP_U64("cache-clean-interval", Qcow2, opt_clean_interval, 600, "seconds; caches are bounded, nothing is done"),
    PROP_ON_OFF_AUTO("lazy-refcounts", Qcow2, opt_lazy, ON_OFF_AUTO_AUTO, "taken; counts are always written in order"),
    PROP_ON_OFF_AUTO("pass-discard-request", Qcow2, opt_pass_discard, ON_OFF_AUTO_AUTO,
                     "discards free space on the host"),
    PROP_BOOL("pass-discard-snapshot", Qcow2, pass_discard_snapshot, true, "deleting a snapshot does"),
    PROP_BOOL("pass-discard-other", Qcow2, pass_discard_other, false, "other freeing does"),
    PROP_BOOL("discard-no-unref", Qcow2, discard_no_unref, false, "discarded clusters keep their place"),
    {}};

static bool qcow2_option(BlockNode *n, const char *key, const Json *val, Error **errp)
{
    static const char *const templates[] = {"none", "constant", "cached", "all", NULL};
    if (!strcmp(key, "overlap-check") || !strcmp(key, "overlap-check.template")) {
        /* All that is in memory is always checked. */
        const char *t = json_get_string(val);
        for (int i = 0; t && templates[i]; i++)
            if (!strcmp(t, templates[i]))
                return true;
        return error_set(errp,
                         "Unsupported value '%s' for qcow2 option 'overlap-check'. Allowed are any of the "
                         "following: none, constant, cached, all",
                         t ? t : "");
    }
    if (g_str_has_prefix(key, "overlap-check."))
        return true;
    if (g_str_has_prefix(key, "encrypt."))
        return error_set(errp, "qcow2: encryption (%s) is not available", key);
    if (!strcmp(key, "data-file") || g_str_has_prefix(key, "data-file."))
        return error_set(errp, "qcow2: external data files are not available");
    return error_set(errp, "Parameter '%s' is unexpected", key);
}

static bool refuse_features(Qcow2 *s, const uint8_t *ext, uint32_t ext_len, Error **errp)
{
    if (s->incompat & QCOW2_INCOMPAT_DATA_FILE)
        return error_set(errp, "qcow2: the image has an external data file, which is not available here");
    if (s->incompat & QCOW2_INCOMPAT_EXTL2)
        return error_set(errp, "qcow2: the image has extended L2 entries, which are not available here");
    uint64_t unknown = s->incompat & ~(uint64_t)QCOW2_INCOMPAT_KNOWN;
    if (!unknown)
        return true;
    g_autoptr(GString) text = g_string_new(NULL);
    for (int bit = 0; bit < 64; bit++) {
        if (!(unknown >> bit & 1))
            continue;
        const char *name = NULL;
        for (uint32_t i = 0; i + 48 <= ext_len && !name; i += 48)
            if (ext[i] == 0 && ext[i + 1] == bit)
                name = (const char *)ext + i + 2;
        if (name)
            g_string_append_printf(text, "%s%.46s", text->len ? ", " : "", name);
        else
            g_string_append_printf(text, "%sUnknown incompatible feature: %" PRIx64, text->len ? ", " : "",
                                   UINT64_C(1) << bit);
    }
    g_autofree char *valid = g_utf8_make_valid(text->str, -1);
    return error_set(errp, "Unsupported qcow2 feature(s): %s", valid);
}

static bool read_extensions(Qcow2 *s, const uint8_t *head, uint64_t end, Error **errp)
{
    const uint8_t *features = NULL;
    uint32_t features_len = 0;
    for (uint64_t off = s->header_length; off + 8 <= end;) {
        uint32_t type = ldl_be(head + off), len = ldl_be(head + off + 4);
        off += 8;
        if (type == QCOW2_EXT_END)
            break;
        if (len > end - off)
            return error_set(errp, "Header extension too large");
        const uint8_t *p = head + off;
        if (type == QCOW2_EXT_BACKING_FMT) {
            if (len >= 64)
                return error_set(errp, "ERROR: ext_backing_format: len=%u too large (>=64)", len);
            g_free(s->backing_fmt);
            s->backing_fmt = g_strndup((const char *)p, len);
        } else if (type == QCOW2_EXT_FEATURES) {
            features = p;
            features_len = len;
        } else if (type == QCOW2_EXT_BITMAPS && len >= 24) {
            s->nb_bitmaps = ldl_be(p);
            s->bitmaps_size = ldq_be(p + 8);
            s->bitmaps_off = ldq_be(p + 16);
        }
        off += ROUND_UP((uint64_t)len, 8);
    }
    return refuse_features(s, features, features_len, errp);
}

static int read_table(BlockNode *file, uint64_t off, uint64_t entries, uint64_t **out)
{
    g_autofree uint8_t *raw = g_try_malloc(MAX(entries * 8, 1));
    uint64_t *t = g_try_new0(uint64_t, MAX(entries, 1));
    int ret = raw && t ? node_pread_padded(file, off, raw, entries * 8) : -ENOMEM;
    for (uint64_t i = 0; !ret && i < entries; i++)
        t[i] = ldq_be(raw + 8 * i);
    if (ret)
        g_free(t);
    else
        *out = t;
    return ret;
}

/* A table inside the file's address space, on a cluster's boundary. */
static bool check_table(const Qcow2 *s, uint64_t off, uint64_t bytes, uint64_t max, const char *what, Error **errp)
{
    if (bytes > max)
        return error_set(errp, "%s too large", what);
    if (off & s->cluster_mask || off > INT64_MAX - bytes)
        return error_set(errp, "%s offset invalid", what);
    return true;
}

static bool parse_header(BlockNode *n, Error **errp)
{
    Qcow2 *s = n->state;
    BlockNode *file = n->file->node;
    uint8_t h[QCOW2_H_V3_BYTES] = {0};
    int ret = node_pread_padded(file, 0, h, sizeof(h));
    if (ret)
        return error_set_errno(errp, -ret, "Could not read qcow2 header");
    if (ldl_be(h) != QCOW2_MAGIC)
        return error_set(errp, "Image is not in qcow2 format");
    uint32_t version = ldl_be(h + 4);
    if (version < 2 || version > 3)
        return error_set(errp, "Unsupported qcow2 version %" PRIu32, version);
    s->version = (int)version;
    s->cluster_bits = ldl_be(h + QCOW2_H_CLUSTER_BITS);
    if (s->cluster_bits < 9 || s->cluster_bits > 21)
        return error_set(errp, "Unsupported cluster size: 2^%" PRIu32, s->cluster_bits);
    s->cluster_size = BIT64(s->cluster_bits);
    s->cluster_mask = s->cluster_size - 1;
    s->l2_bits = s->cluster_bits - 3;
    s->header_length = 72;
    s->refcount_order = 4;
    if (version == 3) {
        s->incompat = ldq_be(h + QCOW2_H_INCOMPAT);
        s->compat = ldq_be(h + QCOW2_H_COMPAT);
        s->autoclear = ldq_be(h + QCOW2_H_AUTOCLEAR);
        s->refcount_order = ldl_be(h + QCOW2_H_REFCOUNT_ORDER);
        s->header_length = ldl_be(h + QCOW2_H_LENGTH);
        if (s->header_length < 104)
            return error_set(errp, "qcow2 header too short");
    }
    if (s->header_length > s->cluster_size)
        return error_set(errp, "qcow2 header exceeds cluster size");
    uint64_t backing = ldq_be(h + QCOW2_H_BACKING_OFFSET);
    uint32_t backing_len = ldl_be(h + QCOW2_H_BACKING_SIZE);
    if (backing > s->cluster_size)
        return error_set(errp, "Invalid backing file offset");
    uint64_t end = backing ? backing : s->cluster_size;
    g_autofree uint8_t *head = g_malloc0(s->cluster_size);
    ret = node_pread_padded(file, 0, head, s->cluster_size);
    if (ret)
        return error_set_errno(errp, -ret, "Could not read qcow2 header");
    if (!read_extensions(s, head, end, errp))
        return false;
    s->compression = s->header_length > QCOW2_H_COMPRESSION ? h[QCOW2_H_COMPRESSION] : 0;
    if (s->incompat & QCOW2_INCOMPAT_COMPRESSION && !s->compression)
        return error_set(errp, "qcow2: Compression type incompatible feature bit must not be set for the zlib type");
    if (!(s->incompat & QCOW2_INCOMPAT_COMPRESSION) && s->compression)
        return error_set(errp, "qcow2: Compression type incompatible feature bit must be set");
    if (s->compression > 1)
        return error_set(errp, "qcow2: unknown compression type: %u", s->compression);
    if (!qcow2_compression_available(s->compression))
        return error_set(errp, "qcow2: the image uses zstd, which this program was built without");
    if (s->refcount_order > 6)
        return error_set(errp, "Reference count entry width too large; may not exceed 64 bits");
    uint32_t crypt = ldl_be(h + QCOW2_H_CRYPT);
    if (crypt > 2)
        return error_set(errp, "Unsupported encryption method %" PRIu32, crypt);
    if (crypt)
        return error_set(errp, "qcow2: the image is encrypted (%s), which is not available here",
                         crypt == 1 ? "AES" : "LUKS");
    if (backing) {
        if (backing_len > MIN(QCOW2_BACKING_MAX, s->cluster_size - backing))
            return error_set(errp, "Backing file name too long");
        s->backing_file = g_strndup((char *)head + backing, backing_len);
        n->backing_file = s->backing_file;
        n->backing_fmt = s->backing_fmt;
    }

    uint64_t size = ldq_be(h + QCOW2_H_SIZE);
    s->l1_size = ldl_be(h + QCOW2_H_L1_SIZE);
    s->l1_off = ldq_be(h + QCOW2_H_L1_OFFSET);
    s->rt_off = ldq_be(h + QCOW2_H_RT_OFFSET);
    uint32_t rt_clusters = ldl_be(h + QCOW2_H_RT_CLUSTERS);
    if (!rt_clusters && !n->read_only)
        return error_set(errp, "Image does not contain a reference count table");
    if (!check_table(s, s->rt_off, (uint64_t)rt_clusters << s->cluster_bits, QCOW2_RT_MAX, "Reference count table",
                     errp) ||
        !check_table(s, s->l1_off, (uint64_t)s->l1_size * 8, QCOW2_L1_MAX, "Active L1 table", errp))
        return false;
    uint64_t per_l1 = BIT64(s->cluster_bits + s->l2_bits);
    if (size > INT64_MAX - per_l1)
        return error_set(errp, "Image is too big");
    if (s->l1_size < (size + per_l1 - 1) / per_l1)
        return error_set(errp, "L1 table is too small");
    s->rt_size = (uint32_t)(((uint64_t)rt_clusters << s->cluster_bits) / 8);
    n->length = ROUND_DOWN(size, BLOCK_SECTOR);
    s->nb_snapshots = ldl_be(h + QCOW2_H_NB_SNAPSHOTS);
    s->snapshots_off = ldq_be(h + QCOW2_H_SNAPSHOTS_OFFSET);
    if (s->nb_snapshots > QCOW2_SNAPSHOTS_MAX)
        return error_set(errp, "Too many snapshots");
    if (s->nb_snapshots &&
        (!s->snapshots_off || s->snapshots_off & s->cluster_mask || s->snapshots_off > INT64_MAX - QCOW2_SNAPTAB_MAX))
        return error_set(errp, "Snapshot table offset invalid");
    ret = read_table(file, s->l1_off, s->l1_size, &s->l1);
    if (ret)
        return error_set_errno(errp, -ret, "Could not read L1 table");
    s->l1_flags = g_malloc0(MAX(s->l1_size, 1));
    qcow2_event(s, BLOCK_EVENT_REFTABLE_LOAD);
    ret = read_table(file, s->rt_off, s->rt_size, &s->rt);
    if (ret)
        return error_set_errno(errp, -ret, "Could not initialize refcount handling");
    return true;
}

/* How many pieces of tables are kept: as QEMU's sizes are documented. */
static bool set_caches(BlockNode *n, Error **errp)
{
    Qcow2 *s = n->state;
    uint64_t cs = s->cluster_size, piece = MIN(cs, CACHE_PIECE);
    if (s->opt_l2_entry) {
        if (s->opt_l2_entry < 512 || s->opt_l2_entry > cs || s->opt_l2_entry & (s->opt_l2_entry - 1))
            return error_set(
                errp, "L2 cache entry size must be a power of two between 512 and the cluster size (%" PRIu64 ")", cs);
        piece = s->opt_l2_entry;
    }
    uint64_t tables = (n->length + (cs << s->l2_bits) - 1) / (cs << s->l2_bits);
    uint64_t useful = MAX(tables, 1) * cs, l2 = s->opt_l2_cache, rb = s->opt_rb_cache, min_rb = 4 * cs;
    if (s->opt_cache) {
        if (l2 && rb)
            return error_set(errp, "cache-size, l2-cache-size and refcount-cache-size may not be set at the same time");
        if (l2 > s->opt_cache)
            return error_set(errp, "l2-cache-size may not exceed cache-size");
        if (rb > s->opt_cache)
            return error_set(errp, "refcount-cache-size may not exceed cache-size");
        if (l2) {
            rb = s->opt_cache - l2;
        } else if (rb) {
            l2 = s->opt_cache - rb;
        } else {
            l2 = s->opt_cache > min_rb ? MIN(useful, s->opt_cache - min_rb) : s->opt_cache / 2;
            rb = s->opt_cache - l2;
        }
    }
    l2 = MIN(l2 ? l2 : 32 * MIB, useful + CACHE_ENTRIES_MIN * piece);
    rb = rb ? rb : MAX(min_rb, 256 * KIB);
    if (l2 / piece > INT32_MAX || rb / piece > INT32_MAX)
        return error_set(errp, "L2 cache size too big");
    uint32_t rb_piece = MIN((uint32_t)cs, CACHE_PIECE);
    qcow2_cache_init(&s->l2c, (uint32_t)MAX(l2 / piece, CACHE_ENTRIES_MIN), (uint32_t)piece);
    qcow2_cache_init(&s->rbc, (uint32_t)MIN(MAX(rb / rb_piece, CACHE_ENTRIES_MIN), 65536), rb_piece);
    return true;
}

static void release(BlockNode *n)
{
    Qcow2 *s = n->state;
    qcow2_cache_free(&s->l2c);
    qcow2_cache_free(&s->rbc);
    qcow2_snapshots_free(s);
    g_free(s->l1);
    g_free(s->l1_flags);
    g_free(s->rt);
    g_free(s->backing_file);
    g_free(s->backing_fmt);
    g_free(s->decomp);
    if (s->freed)
        g_array_free(s->freed, true);
    if (s->meta)
        g_hash_table_destroy(s->meta);
    g_mutex_clear(&s->lock);
    g_mutex_clear(&s->wlock);
    g_cond_clear(&s->cond);
    g_cond_clear(&s->alloc_cond);
    n->backing_file = n->backing_fmt = NULL;
}

/* Somebody wrote here lazily and was stopped: count again before anything is allocated. */
static bool repair_dirty(BlockNode *n, Error **errp)
{
    Qcow2 *s = n->state;
    Qcow2Check res = {0};
    int ret = qcow2_check(n, &res, QCOW2_FIX_LEAKS | QCOW2_FIX_ERRORS);
    if (ret || res.check_errors || res.corruptions)
        return error_set_errno(errp, ret ? -ret : EIO, "Could not repair dirty image");
    uint8_t bits[8];
    stq_be(bits, s->incompat & ~(uint64_t)QCOW2_INCOMPAT_DIRTY);
    ret = qcow2_header_write(s, QCOW2_H_INCOMPAT, bits, 8);
    if (ret)
        return error_set_errno(errp, -ret, "Could not repair dirty image");
    s->incompat &= ~(uint64_t)QCOW2_INCOMPAT_DIRTY;
    return true;
}

static bool qcow2_open(BlockNode *n, Error **errp)
{
    Qcow2 *s = n->state;
    s->node = n;
    g_mutex_init(&s->lock);
    g_mutex_init(&s->wlock);
    g_cond_init(&s->cond);
    g_cond_init(&s->alloc_cond);
    n->filename = g_strdup(n->file->node->filename);
    if (!parse_header(n, errp) || !set_caches(n, errp))
        goto fail;
    s->pass_discard_request =
        s->opt_pass_discard == ON_OFF_AUTO_AUTO ? n->discard : s->opt_pass_discard == ON_OFF_AUTO_ON;
    int ret = qcow2_snapshots_read(s, errp);
    if (ret)
        goto fail;
    if (s->incompat & QCOW2_INCOMPAT_CORRUPT) {
        if (!n->read_only && !n->repairing) {
            error_set(errp, "qcow2: Image is corrupt; cannot be opened read/write");
            goto fail;
        }
    }
    s->fresh = ROUND_UP(node_length(n->file->node), s->cluster_size);
    if (s->incompat & QCOW2_INCOMPAT_DIRTY && !n->read_only && !n->repairing && !repair_dirty(n, errp))
        goto fail;
    return true;
fail:
    release(n);
    return false;
}

static void qcow2_close(BlockNode *n)
{
    Qcow2 *s = n->state;
    g_mutex_lock(&s->lock);
    bool ok = n->read_only || s->corrupt || !s->write_ready || !qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    if (s->write_ready && ok && !s->corrupt) {
        g_mutex_lock(&s->wlock);
        qcow2_reap(s, true);
        g_mutex_unlock(&s->wlock);
        g_mutex_lock(&s->lock);
        ok = !qcow2_commit(s);
        g_mutex_unlock(&s->lock);
    }
    if (!ok)
        warn_report("block node '%s' (%s): the last changes to the image's tables could not be written", n->name,
                    n->filename);
    while (s->batches) {
        FreedBatch *b = s->batches;
        s->batches = b->next;
        g_array_free(b->items, true);
        g_free(b);
    }
    release(n);
}

static bool qcow2_set_writable(BlockNode *n, bool on, Error **errp)
{
    Qcow2 *s = n->state;
    if (on) {
        if (s->incompat & (QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_DIRTY) || s->corrupt)
            return error_set(errp, "qcow2: Image '%s' is corrupt or was not closed; qemu-img check -r all mends it",
                             n->filename);
        return s->rt_size || error_set(errp, "Image does not contain a reference count table");
    }
    if (!s->write_ready)
        return true;
    g_mutex_lock(&s->wlock);
    g_mutex_lock(&s->lock);
    int ret = qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    if (!ret)
        qcow2_reap(s, true);
    g_mutex_lock(&s->lock);
    ret = ret ? ret : qcow2_commit(s);
    g_mutex_unlock(&s->lock);
    g_mutex_unlock(&s->wlock);
    return !ret || error_set_errno(errp, -ret, "Could not write the tables of '%s'", n->filename);
}

static void qcow2_info(BlockNode *n, Json *o)
{
    const Qcow2 *s = n->state;
    Json *spec = json_object(), *d = json_object();
    json_set_uint(o, "cluster-size", s->cluster_size);
    if (s->nb_snapshots)
        json_set(o, "snapshots", qcow2_snapshot_list(n));
    json_set_str(d, "compat", s->version >= 3 ? "1.1" : "0.10");
    if (s->version >= 3) {
        json_set_str(d, "compression-type", s->compression ? "zstd" : "zlib");
        json_set_bool(d, "lazy-refcounts", s->compat & QCOW2_COMPAT_LAZY);
        json_set_int(d, "refcount-bits", 1 << s->refcount_order);
        json_set_bool(d, "corrupt", s->incompat & QCOW2_INCOMPAT_CORRUPT);
        json_set_bool(d, "extended-l2", false);
    } else {
        json_set_str(d, "compression-type", "zlib");
        json_set_int(d, "refcount-bits", 16);
    }
    json_set_str(spec, "type", "qcow2");
    json_set(spec, "data", d);
    json_set(o, "format-specific", spec);
    json_set_bool(o, "dirty-flag", s->incompat & QCOW2_INCOMPAT_DIRTY);
}

const BlockDriver block_qcow2 = {
    .name = "qcow2",
    .summary = "QEMU's copy-on-write format, versions 2 and 3",
    .size = sizeof(Qcow2),
    .props = qcow2_props,
    .option = qcow2_option,
    .has_file = true,
    .has_backing = true,
    .open = qcow2_open,
    .close = qcow2_close,
    .preadv = qcow2_preadv,
    .preadv_now = qcow2_preadv_now,
    .direct = qcow2_direct,
    .direct_end = qcow2_direct_end,
    .pwritev = qcow2_pwritev,
    .flush = qcow2_flush,
    .discard = qcow2_discard,
    .write_zeroes = qcow2_write_zeroes,
    .truncate = qcow2_truncate,
    .status = qcow2_status,
    .info = qcow2_info,
    .set_writable = qcow2_set_writable,
};
