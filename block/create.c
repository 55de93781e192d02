/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New images: raw and qcow2 files, and overlays. */
#include "block/create.h"

#include "block/backend.h"
#include "block/qcow2.h"
#include "util/keyval.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const CreateOption raw_options[] = {
    {"extent_size_hint", "size", "Extent size hint for the image file, 0 to disable"},
    {"nocow", "bool (on/off)", "Turn off copy-on-write (valid only on btrfs)"},
    {"preallocation", "str", "Preallocation mode (allowed values: off, falloc, full)"},
    {"size", "size", "Virtual disk size"},
    {NULL},
};
static const CreateOption qcow2_options[] = {
    {"backing_file", "str", "File name of a base image"},
    {"backing_fmt", "str", "Image format of the base image"},
    {"cluster_size", "size", "qcow2 cluster size"},
    {"compat", "str", "Compatibility level (v2 [0.10] or v3 [1.1])"},
    {"compression_type", "str", "Compression method used for image cluster compression"},
    {"extended_l2", "bool (on/off)", "Extended L2 tables"},
    {"extent_size_hint", "size", "Extent size hint for the image file, 0 to disable"},
    {"lazy_refcounts", "bool (on/off)", "Postpone refcount updates"},
    {"nocow", "bool (on/off)", "Turn off copy-on-write (valid only on btrfs)"},
    {"preallocation", "str", "Preallocation mode (allowed values: off, metadata, falloc, full)"},
    {"refcount_bits", "num", "Width of a reference count entry in bits"},
    {"size", "size", "Virtual disk size"},
    {NULL},
};

const CreateOption *block_create_options(const char *format)
{
    return !strcmp(format, "raw") ? raw_options : !strcmp(format, "qcow2") ? qcow2_options : NULL;
}

static bool get_size(const Json *o, const char *key, uint64_t *out, Error **errp)
{
    const char *s = json_get_str(o, key);
    return !s || parse_size(s, 'B', out) ||
           error_set(errp,
                     "Parameter '%s' expects a non-negative number below 2^64, with an optional suffix k, M, G, T, "
                     "P or E",
                     key);
}

static bool get_bool(const Json *o, const char *key, bool *out, Error **errp)
{
    const char *s = json_get_str(o, key);
    return !s || parse_bool(s, out) || error_set(errp, "Parameter '%s' expects 'on' or 'off'", key);
}

static bool get_prealloc(const Json *o, Qcow2Prealloc *out, Error **errp)
{
    static const char *const modes[] = {"off", "metadata", "falloc", "full"};
    const char *s = json_get_str(o, "preallocation");
    *out = PREALLOC_OFF;
    for (size_t i = 0; s && i < ARRAY_SIZE(modes); i++) {
        if (!strcmp(s, modes[i])) {
            *out = (Qcow2Prealloc)i;
            return true;
        }
    }
    return !s || error_set(errp, "Invalid parameter '%s' for preallocation: off, metadata, falloc and full are", s);
}

/* Empty, and nobody else's. */
static BlockEdge *new_file(const char *path, Error **errp)
{
    const char *name, *proto = block_protocol(path, &name, errp);
    if (!proto)
        return NULL;
    if (strcmp(proto, "file") && strcmp(proto, "host_device")) {
        error_set(errp, "The protocol '%s' does not support image creation", proto);
        return NULL;
    }
    if (!strcmp(proto, "file")) {
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            error_set_errno(errp, errno, "Could not create '%s'", name);
            return NULL;
        }
        close(fd);
    }
    g_autoptr(Json) o = json_object();
    json_set_str(o, "driver", proto);
    json_set_str(o, "filename", name);
    json_set_str(o, "discard", "unmap");
    BlockNode *n = node_open(o, true, errp);
    if (!n)
        return NULL;
    BlockEdge *e = node_use(n, g_strdup("image creation"), BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE,
                            BLOCK_PERM_ALL & ~(unsigned)(BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE), errp);
    node_unref(n);
    if (e && !strcmp(proto, "file") && !node_truncate(e->node, 0, errp)) {
        node_unuse(e);
        e = NULL;
    }
    return e;
}

static bool create_raw(BlockNode *file, const Json *o, Error **errp)
{
    uint64_t size = 0;
    Qcow2Prealloc mode;
    if (!get_size(o, "size", &size, errp) || !get_prealloc(o, &mode, errp))
        return false;
    if (mode == PREALLOC_METADATA)
        return error_set(errp, "Unsupported preallocation mode 'metadata' for a raw image");
    size = ROUND_UP(size, BLOCK_SECTOR);
    if (!node_truncate(file, size, errp))
        return false;
    int ret = 0;
    if (mode == PREALLOC_FALLOC) {
        ret = size ? node_write_zeroes(file, 0, size, 0) : 0;
    } else if (mode == PREALLOC_FULL) {
        g_autofree uint8_t *zero = g_malloc0(MIB);
        for (uint64_t at = 0; at < size && !ret; at += MIB)
            ret = node_pwrite(file, at, zero, MIN(MIB, size - at));
    }
    ret = ret ? ret : node_flush(file);
    return !ret || error_set_errno(errp, -ret, "Could not preallocate");
}

static bool create_qcow2(BlockEdge *e, const Json *o, Error **errp)
{
    Qcow2Create c = {.version = 3, .cluster_size = 65536, .refcount_bits = 16};
    uint64_t bits = 16;
    bool extended = false;
    const char *compat = json_get_str(o, "compat"), *comp = json_get_str(o, "compression_type");
    if (!get_size(o, "size", &c.size, errp) || !get_size(o, "cluster_size", &c.cluster_size, errp) ||
        !get_size(o, "refcount_bits", &bits, errp) || !get_bool(o, "lazy_refcounts", &c.lazy_refcounts, errp) ||
        !get_bool(o, "extended_l2", &extended, errp) || !get_prealloc(o, &c.prealloc, errp))
        return false;
    c.refcount_bits = (uint32_t)MIN(bits, 128);
    if (extended)
        return error_set(errp, "extended_l2=on is not available");
    if (compat && (!strcmp(compat, "0.10") || !strcmp(compat, "v2")))
        c.version = 2;
    else if (compat && strcmp(compat, "1.1") && strcmp(compat, "v3"))
        return error_set(errp, "Invalid compatibility level '%s': v2 (0.10) and v3 (1.1) are", compat);
    if (comp && !strcmp(comp, "zstd"))
        c.compression = 1;
    else if (comp && strcmp(comp, "zlib"))
        return error_set(errp, "Parameter 'compression_type' does not accept value '%s'", comp);
    c.backing_file = json_get_str(o, "backing_file");
    c.backing_fmt = json_get_str(o, "backing_fmt");
    if (!qcow2_create(e->node, &c, errp))
        return false;
    node_edge_set_perm(e, 0, BLOCK_PERM_ALL, NULL); /* the format claims it now */
    return qcow2_create_preallocate(e->node, &c, errp);
}

bool block_create_known(const char *format, const Json *opts, Error **errp)
{
    const CreateOption *known = block_create_options(format);
    if (!known)
        return error_set(errp, "Format driver '%s' does not support image creation", format);
    for (size_t i = 0; i < json_length(opts); i++) {
        const CreateOption *k = known;
        while (k->name && strcmp(k->name, json_key_at(opts, i)))
            k++;
        if (!k->name)
            return error_set(errp, "Invalid parameter '%s'", json_key_at(opts, i));
    }
    return true;
}

bool block_create(const char *path, const char *format, const Json *opts, Error **errp)
{
    if (!block_create_known(format, opts, errp))
        return false;
    BlockEdge *e = new_file(path, errp);
    if (!e)
        return false;
    bool ok = *format == 'r' ? create_raw(e->node, opts, errp) : create_qcow2(e, opts, errp);
    node_unuse(e);
    return ok;
}

/* ---- overlays ---- */

static BlockNode *make_overlay(const char *path, const char *format, const char *backing, const char *node_name,
                               BlockNode *n, bool create, bool temporary, Error **errp)
{
    if (create) {
        g_autoptr(Json) o = json_object();
        json_set(o, "size", json_printf("%" PRIu64, node_length(n)));
        if (backing) {
            json_set_str(o, "backing_file", backing);
            json_set_str(o, "backing_fmt", n->drv->name);
        }
        if (!block_create(path, format, o, errp))
            return NULL;
    }
    g_autoptr(Json) o = json_object();
    json_set_str(o, "driver", format);
    if (node_name)
        json_set_str(o, "node-name", node_name);
    json_set_str(o, "read-only", "off");
    json_set_str(o, "cache.direct", n->direct && !temporary ? "on" : "off");
    json_set_str(o, "cache.no-flush", n->no_flush || temporary ? "on" : "off"); /* a crash loses it all anyway */
    json_set_str(o, "discard", n->discard ? "unmap" : "ignore");
    json_set(o, "backing", json_null());
    return drive_open_image(o, path, errp);
}

BlockNode *block_overlay(const char *path, const char *format, const char *backing, const char *node_name, BlockNode *n,
                         bool create, Error **errp)
{
    return make_overlay(path, format, backing, node_name, n, create, false, errp);
}

BlockNode *block_temporary_overlay(BlockNode *n, Error **errp)
{
    const char *dir = getenv("TMPDIR");
    g_autofree char *path = g_build_filename(dir && *dir ? dir : "/var/tmp", "vl.XXXXXX", NULL);
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_set_errno(errp, errno, "Could not get a temporary file in '%s'", dir && *dir ? dir : "/var/tmp");
        return NULL;
    }
    close(fd);
    BlockNode *over = make_overlay(path, "qcow2", NULL, NULL, n, true, true, errp);
    unlink(path);
    if (over && !node_set_backing(over, n, errp)) {
        node_unref(over);
        over = NULL;
    }
    return over;
}
