/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-block, query-blockstats, query-named-block-nodes and HMP's info block. */
#include "block/backend.h"

#include <sys/stat.h>

static const char *const iostatus_names[] = {"ok", "failed", "nospace"};
static const char *const detect_names[] = {"off", "on", "unmap"};

static void set_zeroes(Json *o, const char *const *keys)
{
    for (; *keys; keys++)
        json_set_uint(o, *keys, 0);
}

int64_t block_allocated(BlockNode *n)
{
    if (n->drv->allocated)
        return n->drv->allocated(n);
    return n->file ? block_allocated(n->file->node) : -1;
}

static void move_key(Json *from, Json *to, const char *key)
{
    if (json_get(from, key))
        json_set(to, key, json_ref(json_get(from, key)));
}

/* The order of the keys is QEMU's, as far as one is seen there. */
Json *block_image_info(BlockNode *n, bool chain)
{
    Json *o = json_object();
    g_autoptr(Json) own = json_object();
    if (n->drv->info) {
        n->drv->info(n, own);
    } else if (!n->drv->has_file && !g_str_has_prefix(n->drv->name, "null-")) {
        Json *spec = json_object();
        json_set_str(spec, "type", n->drv->name);
        json_set(spec, "data", json_object());
        json_set(own, "format-specific", spec);
    }
    if (chain && n->backing)
        json_set(o, "backing-image", block_image_info(n->backing->node, true));
    move_key(own, o, "snapshots");
    if (n->backing_fmt)
        json_set_str(o, "backing-filename-format", n->backing_fmt);
    json_set_uint(o, "virtual-size", node_length(n));
    json_set_str(o, "filename", n->filename);
    move_key(own, o, "cluster-size");
    json_set_str(o, "format", n->drv->name);
    int64_t allocated = block_allocated(n);
    if (allocated >= 0)
        json_set_int(o, "actual-size", allocated);
    move_key(own, o, "format-specific");
    g_autofree char *full = node_backing_path(n);
    if (full) {
        json_set_str(o, "full-backing-filename", full);
        json_set_str(o, "backing-filename", n->backing_file);
    }
    json_set_bool(o, "dirty-flag", false);
    move_key(own, o, "dirty-flag");
    return o;
}

/* BlockDeviceInfo; b: the handle, or NULL. */
static Json *node_info(BlockNode *n, const Block *b)
{
    static const int order[] = {THROTTLE_IOPS_READ, THROTTLE_IOPS_WRITE, THROTTLE_IOPS_TOTAL,
                                THROTTLE_BPS_WRITE, THROTTLE_BPS_TOTAL,  THROTTLE_BPS_READ};
    Json *o = json_object(), *cache = json_object();
    ThrottleLimits l = {{0}};
    if (b && b->throttle) {
        l = throttle_group_limits(b->throttle);
        json_set_str(o, "group", throttle_group_name(b->throttle));
    }
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        int k = order[i];
        const char *name = throttle_qmp_names[k];
        g_autofree char *max = g_strdup_printf("%s_max", name), *length = g_strdup_printf("%s_length", max);
        json_set_uint(o, name, l.avg[k]);
        if (l.max[k]) {
            json_set_uint(o, max, l.max[k]);
            json_set_uint(o, length, l.length[k]);
        }
    }
    if (l.iops_size)
        json_set_uint(o, "iops_size", l.iops_size);
    json_set_uint(o, "write_threshold", 0);
    json_set_str(o, "detect_zeroes", detect_names[n->detect_zeroes]);
    json_set(o, "image", block_image_info(n, true));
    json_set_bool(o, "ro", n->read_only);
    json_set_str(o, "node-name", n->name);
    unsigned depth = 0;
    for (const BlockNode *at = n; at->backing; at = at->backing->node)
        depth++;
    if (n->backing)
        json_set_str(o, "backing_file", n->backing->node->filename);
    json_set_uint(o, "backing_file_depth", depth);
    json_set_str(o, "drv", n->drv->name);
    json_set_bool(o, "encrypted", false);
    json_set_bool(cache, "no-flush", n->no_flush);
    json_set_bool(cache, "direct", n->direct);
    json_set_bool(cache, "writeback", b ? b->write_cache : true);
    json_set(o, "cache", cache);
    json_set_str(o, "file", n->filename);
    return o;
}

static bool shown(const Block *b)
{
    return b->name || b->dev;
}

static const char *qdev_of(const Block *b)
{
    return b->dev ? b->dev->id ? b->dev->id : b->dev->path : NULL;
}

Json *block_query(void)
{
    Json *list = json_array();
    for (Block *b = blk_next(NULL); b; b = blk_next(b)) {
        if (!shown(b))
            continue;
        Json *o = json_object();
        if (blk_iostatus_on(b))
            json_set_str(o, "io-status", iostatus_names[__atomic_load_n(&b->iostatus, __ATOMIC_RELAXED)]);
        json_set_str(o, "device", blk_name(b));
        json_set_bool(o, "locked", blk_locked(b));
        json_set_bool(o, "removable", blk_removable(b));
        if (b->root)
            json_set(o, "inserted", node_info(b->root->node, b));
        if (qdev_of(b))
            json_set_str(o, "qdev", qdev_of(b));
        if (blk_has_tray(b))
            json_set_bool(o, "tray_open", blk_tray_is_open(b));
        json_set_str(o, "type", "unknown");
        json_append(list, o);
    }
    return list;
}

Json *block_query_nodes(bool flat)
{
    Json *list = json_array();
    for (BlockNode *n = node_next(NULL); n; n = node_next(n))
        json_append(list, node_info(n, NULL));
    return list;
}

/* Its writer may be another thread. */
static uint64_t counter(const uint64_t *c)
{
    return __atomic_load_n(c, __ATOMIC_RELAXED);
}

/* BlockDeviceStats; b NULL: of a node, of which only the highest write is known. */
static Json *stats_of(const Block *b, const BlockNode *n)
{
    static const struct {
        BlockOp op;
        const char *name;
    } ops[] = {{BLOCK_OP_READ, "rd"}, {BLOCK_OP_WRITE, "wr"}, {BLOCK_OP_UNMAP, "unmap"}, {BLOCK_OP_FLUSH, "flush"}};
    static const char *const zones[] = {"zone_append_bytes",
                                        "zone_append_operations",
                                        "zone_append_total_time_ns",
                                        "zone_append_merged",
                                        "failed_zone_append_operations",
                                        "invalid_zone_append_operations",
                                        NULL};
    static const BlockStats none;
    const BlockStats *s = b ? &b->stats : &none;
    Json *o = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        const struct {
            const char *format;
            uint64_t val;
            bool flush_too;
        } f[] = {
            {"%s_bytes", counter(&s->bytes[ops[i].op]), false},
            {"%s_operations", counter(&s->ops[ops[i].op]), true},
            {"%s_total_time_ns", counter(&s->time_ns[ops[i].op]), true},
            {"%s_merged", 0, false},
            {"failed_%s_operations", counter(&s->failed[ops[i].op]), true},
            {"invalid_%s_operations", counter(&s->invalid[ops[i].op]), true},
        };
        for (size_t k = 0; k < ARRAY_SIZE(f); k++) {
            if (ops[i].op == BLOCK_OP_FLUSH && !f[k].flush_too)
                continue;
            g_auto(GStrv) halves = g_strsplit(f[k].format, "%s", 2);
            g_autofree char *key = g_strconcat(halves[0], ops[i].name, halves[1], NULL);
            json_set_uint(o, key, f[k].val);
        }
    }
    set_zeroes(o, zones);
    json_set_uint(o, "wr_highest_offset", n ? __atomic_load_n(&n->wr_highest, __ATOMIC_RELAXED) : 0);
    json_set_bool(o, "account_invalid", s->account_invalid);
    json_set_bool(o, "account_failed", s->account_failed);
    int64_t last = __atomic_load_n(&s->last_access_ns, __ATOMIC_RELAXED);
    if (last)
        json_set_int(o, "idle_time_ns", MAX(g_get_monotonic_time() * 1000 - last, 0));
    json_set(o, "timed_stats", json_array());
    return o;
}

/* BlockStats of a node and what is below it. */
static Json *node_stats(BlockNode *n, const Block *b)
{
    Json *o = json_object();
    json_set_str(o, "node-name", n->name);
    json_set(o, "stats", stats_of(b, n));
    if (n->drv->stats) {
        Json *spec = json_object();
        json_set_str(spec, "driver", n->drv->name);
        n->drv->stats(n, spec);
        json_set(o, "driver-specific", spec);
    }
    if (n->file)
        json_set(o, "parent", node_stats(n->file->node, NULL));
    if (n->backing)
        json_set(o, "backing", node_stats(n->backing->node, NULL));
    return o;
}

Json *block_query_stats(bool nodes)
{
    Json *list = json_array();
    for (BlockNode *n = nodes ? node_next(NULL) : NULL; n; n = node_next(n))
        json_append(list, node_stats(n, NULL));
    for (Block *b = nodes ? NULL : blk_next(NULL); b; b = blk_next(b)) {
        if (!shown(b))
            continue;
        Json *o = b->root ? node_stats(b->root->node, b) : json_object();
        json_set_str(o, "device", blk_name(b));
        if (!b->root)
            json_set(o, "stats", stats_of(b, NULL));
        if (qdev_of(b))
            json_set_str(o, "qdev", qdev_of(b));
        json_append(list, o);
    }
    return list;
}

/* ---- info block ---- */

static void node_text(BlockNode *n, const Block *b, bool verbose, GString *s)
{
    bool wb = b ? b->write_cache : true;
    g_string_append_printf(s, ": %s (%s%s%s)\n", n->filename, n->drv->name, n->read_only ? ", read-only" : "", "");
    if (b && qdev_of(b))
        g_string_append_printf(s, "    Attached to:      %s\n", qdev_of(b));
    if (b && blk_removable(b))
        g_string_append_printf(s, "    Removable device: %slocked, tray %s\n", blk_locked(b) ? "" : "not ",
                               blk_tray_is_open(b) ? "open" : "closed");
    g_string_append_printf(s, "    Cache mode:       %s%s%s\n", wb ? "writeback" : "writethrough",
                           n->direct ? ", direct" : "", n->no_flush ? ", ignore flushes" : "");
    if (n->detect_zeroes)
        g_string_append_printf(s, "    Detect zeroes:    %s\n", detect_names[n->detect_zeroes]);
    if (n->backing) {
        unsigned depth = 0;
        for (const BlockNode *at = n; at->backing; at = at->backing->node)
            depth++;
        g_string_append_printf(s, "    Backing file:     %s (chain depth: %u)\n", n->backing->node->filename, depth);
    }
    if (b && b->throttle) {
        ThrottleLimits l = throttle_group_limits(b->throttle);
        g_string_append(s, "    I/O throttling:  ");
        for (int k = 0; k < THROTTLE_KINDS; k += 3) { /* bps, then iops: total, read, write */
            for (int i = k; i < k + 3; i++)
                g_string_append_printf(s, " %s=%" PRIu64, throttle_qmp_names[i], l.avg[i]);
            for (int i = k; i < k + 3; i++)
                g_string_append_printf(s, " %s_max=%" PRIu64, throttle_qmp_names[i], l.max[i]);
        }
        g_string_append_printf(s, " iops_size=%" PRIu64 " group=%s\n", l.iops_size, throttle_group_name(b->throttle));
    }
    if (verbose) {
        g_string_append(s, "\nImages:\n");
        for (BlockNode *at = n; at; at = at->backing ? at->backing->node : NULL)
            block_image_text(at, s);
    }
}

char *block_info_text(const char *device, bool nodes, bool verbose, Error **errp)
{
    GString *s = g_string_new(NULL);
    bool found = false;
    for (Block *b = nodes ? NULL : blk_next(NULL); b; b = blk_next(b)) {
        if (!shown(b) || (device && strcmp(blk_name(b), device)))
            continue;
        if (found)
            g_string_append_c(s, '\n');
        found = true;
        g_string_append(s, b->name ? b->name : b->root ? b->root->node->name : qdev_of(b));
        if (b->root && b->name)
            g_string_append_printf(s, " (%s)", b->root->node->name);
        if (b->root) {
            node_text(b->root->node, b, verbose, s);
            continue;
        }
        g_string_append(s, ": [not inserted]\n");
        if (qdev_of(b))
            g_string_append_printf(s, "    Attached to:      %s\n", qdev_of(b));
        if (blk_removable(b))
            g_string_append_printf(s, "    Removable device: %slocked, tray %s\n", blk_locked(b) ? "" : "not ",
                                   blk_tray_is_open(b) ? "open" : "closed");
    }
    for (BlockNode *n = nodes || (device && !found) ? node_next(NULL) : NULL; n; n = node_next(n)) {
        if (device && strcmp(n->name, device))
            continue;
        if (found)
            g_string_append_c(s, '\n');
        found = true;
        g_string_append(s, n->name);
        node_text(n, NULL, verbose, s);
    }
    if (device && !found) {
        g_string_free(s, true);
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device);
        return NULL;
    }
    return g_string_free(s, false);
}
