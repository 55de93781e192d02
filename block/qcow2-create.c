/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: a new image, and the header with its extensions. */
#include "block/qcow2.h"

/* The feature name table, for programs that do not know a bit. */
static const struct {
    uint8_t type, bit;
    const char *name;
} features[] = {
    {0, 0, "dirty bit"},        {0, 1, "corrupt bit"},         {0, 2, "external data file"},
    {0, 3, "compression type"}, {0, 4, "extended L2 entries"}, {1, 0, "lazy refcounts"},
    {2, 0, "bitmaps"},          {2, 1, "raw external data"},
};

static int extension(uint8_t *buf, size_t size, size_t *at, uint32_t type, const void *data, uint32_t len)
{
    if (*at + 8 + ROUND_UP((size_t)len, 8) > size)
        return -ENOSPC;
    stl_be(buf + *at, type);
    stl_be(buf + *at + 4, len);
    memcpy(buf + *at + 8, data, len);
    *at += 8 + ROUND_UP((size_t)len, 8);
    return 0;
}

int qcow2_header_build(uint8_t *buf, size_t size, const uint8_t *fixed, uint32_t fixed_len, uint32_t version,
                       const char *backing_file, const char *backing_fmt, const uint8_t *other_ext, size_t other_len)
{
    size_t at = fixed_len;
    memset(buf, 0, size);
    if (fixed_len > size)
        return -ENOSPC;
    memcpy(buf, fixed, fixed_len);
    int ret = 0;
    if (backing_fmt && *backing_fmt)
        ret = extension(buf, size, &at, QCOW2_EXT_BACKING_FMT, backing_fmt, (uint32_t)strlen(backing_fmt));
    if (!ret && version >= 3 && size > 512) {
        uint8_t names[ARRAY_SIZE(features) * 48] = {0};
        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
            names[48 * i] = features[i].type;
            names[48 * i + 1] = features[i].bit;
            memcpy(names + 48 * i + 2, features[i].name, strlen(features[i].name));
        }
        ret = extension(buf, size, &at, QCOW2_EXT_FEATURES, names, sizeof(names));
    }
    if (!ret && other_len) {
        if (at + other_len > size)
            return -ENOSPC;
        memcpy(buf + at, other_ext, other_len);
        at += other_len;
    }
    if (ret || at + 8 > size)
        return -ENOSPC;
    at += 8; /* the end, zeroes */
    size_t len = backing_file ? strlen(backing_file) : 0;
    stq_be(buf + QCOW2_H_BACKING_OFFSET, len ? at : 0);
    stl_be(buf + QCOW2_H_BACKING_SIZE, (uint32_t)len);
    if (at + len > size)
        return -ENOSPC;
    if (len)
        memcpy(buf + at, backing_file, len);
    return 0;
}

bool qcow2_create_check(const Qcow2Create *c, Error **errp)
{
    if (c->cluster_size < 512 || c->cluster_size > 2 * MIB || c->cluster_size & (c->cluster_size - 1))
        return error_set(errp, "Cluster size must be a power of two between %d and %dk", 512, 2048);
    if (c->refcount_bits < 1 || c->refcount_bits > 64 || c->refcount_bits & (c->refcount_bits - 1))
        return error_set(errp, "Refcount width must be a power of two and may not exceed 64 bits");
    if (c->version < 3 && c->refcount_bits != 16)
        return error_set(errp, "Different refcount widths than 16 bits require compatibility level 1.1 or above "
                               "(use version=v3 or greater)");
    if (c->version < 3 && c->lazy_refcounts)
        return error_set(errp, "Lazy refcounts only supported with compatibility level 1.1 and above "
                               "(use version=v3 or greater)");
    if (c->version < 3 && c->compression)
        return error_set(errp, "Non-zlib compression type is only supported with compatibility level 1.1 and above "
                               "(use version=v3 or greater)");
    if (!qcow2_compression_available(c->compression))
        return error_set(errp, "compression_type=zstd: this program was built without zstd");
    if (c->backing_file && c->prealloc != PREALLOC_OFF && c->prealloc != PREALLOC_METADATA)
        return error_set(errp,
                         "Backing file and preallocation can only be used at the same time if extended_l2 is enabled");
    if (c->backing_file && c->prealloc != PREALLOC_OFF)
        return error_set(errp,
                         "Backing file and preallocation can only be used at the same time if extended_l2 is enabled");
    if (c->backing_file && strlen(c->backing_file) > QCOW2_BACKING_MAX)
        return error_set(errp, "Backing file name is too long: at most %d bytes", QCOW2_BACKING_MAX);
    uint64_t per_l1 = c->cluster_size / 8 * c->cluster_size;
    if (c->size > INT64_MAX - per_l1 || (c->size + per_l1 - 1) / per_l1 * 8 > QCOW2_L1_MAX)
        return error_set(errp, "Image size is too large for a cluster size of %" PRIu64 " bytes", c->cluster_size);
    return true;
}

static bool write_image(BlockNode *file, const Qcow2Create *c, Error **errp)
{
    uint64_t cs = c->cluster_size, size = ROUND_UP(c->size, BLOCK_SECTOR), per_l1 = cs / 8 * cs;
    uint64_t l1_size = (size + per_l1 - 1) / per_l1, l1_clusters = (l1_size * 8 + cs - 1) / cs;
    uint32_t order = (uint32_t)__builtin_ctz(c->refcount_bits);
    uint64_t per = cs * 8 >> order, used, blocks = 1, rt_clusters = 1;
    for (;;) { /* the header, the refcount table, its blocks, the L1 table */
        used = 1 + rt_clusters + blocks + l1_clusters;
        uint64_t b = (used + per - 1) / per, r = (b * 8 + cs - 1) / cs;
        if (b <= blocks && r <= rt_clusters)
            break;
        blocks = MAX(b, blocks);
        rt_clusters = MAX(r, rt_clusters);
    }
    uint8_t fixed[QCOW2_H_V3_BYTES] = {0};
    stl_be(fixed, QCOW2_MAGIC);
    stl_be(fixed + 4, (uint32_t)c->version);
    stl_be(fixed + QCOW2_H_CLUSTER_BITS, (uint32_t)__builtin_ctzll(cs));
    stq_be(fixed + QCOW2_H_SIZE, size);
    stl_be(fixed + QCOW2_H_L1_SIZE, (uint32_t)l1_size);
    stq_be(fixed + QCOW2_H_L1_OFFSET, l1_size ? (1 + rt_clusters + blocks) * cs : 0);
    stq_be(fixed + QCOW2_H_RT_OFFSET, cs);
    stl_be(fixed + QCOW2_H_RT_CLUSTERS, (uint32_t)rt_clusters);
    if (c->version >= 3) {
        stq_be(fixed + QCOW2_H_INCOMPAT, c->compression ? QCOW2_INCOMPAT_COMPRESSION : 0);
        stq_be(fixed + QCOW2_H_COMPAT, c->lazy_refcounts ? QCOW2_COMPAT_LAZY : 0);
        stl_be(fixed + QCOW2_H_REFCOUNT_ORDER, order);
        stl_be(fixed + QCOW2_H_LENGTH, QCOW2_H_V3_BYTES);
        fixed[QCOW2_H_COMPRESSION] = (uint8_t)c->compression;
    }
    g_autofree uint8_t *head = g_malloc0(cs), *rest = g_try_malloc0((used - 1) * cs);
    if (!rest)
        return error_set(errp, "Not enough memory for the image's tables");
    int ret = qcow2_header_build(head, cs, fixed, c->version >= 3 ? QCOW2_H_V3_BYTES : 72, (uint32_t)c->version,
                                 c->backing_file, c->backing_fmt, NULL, 0);
    if (ret)
        return error_set(errp, "The header does not fit a cluster of %" PRIu64 " bytes", cs);
    for (uint64_t b = 0; b < blocks; b++)
        stq_be(rest + 8 * b, (1 + rt_clusters + b) * cs);
    for (uint64_t k = 0; k < used; k++)
        qcow2_put_bits(rest + (rt_clusters + k / per) * cs, order, k % per, 1);
    /* The header last: until it is there nothing takes this for an image. */
    ret = node_pwrite(file, cs, rest, (used - 1) * cs);
    ret = ret ? ret : node_flush(file);
    ret = ret ? ret : node_pwrite(file, 0, head, cs);
    ret = ret ? ret : node_flush(file);
    return !ret || error_set_errno(errp, -ret, "Could not write the image '%s'", file->filename);
}

bool qcow2_create(BlockNode *file, const Qcow2Create *c, Error **errp)
{
    return qcow2_create_check(c, errp) && write_image(file, c, errp);
}

bool qcow2_create_preallocate(BlockNode *file, const Qcow2Create *c, Error **errp)
{
    if (c->prealloc == PREALLOC_OFF || !c->size)
        return true;
    g_autoptr(Json) o = json_object();
    json_set_str(o, "driver", "qcow2");
    BlockNode *n = node_open_on(o, true, file, errp);
    if (!n)
        return false;
    bool ok = qcow2_preallocate(n, 0, node_length(n), c->prealloc, errp);
    int ret = node_flush(n);
    node_unref(n);
    return ok && (!ret || error_set_errno(errp, -ret, "Could not write the image '%s'", file->filename));
}
