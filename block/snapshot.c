/* SPDX-License-Identifier: GPL-2.0-or-later */
/* External snapshots: an overlay takes a node's place, and the node is what backs it from then on. */
#include "block/backend.h"
#include "block/create.h"
#include "block/drive.h"

static BlockNode *node_of(const char *device, const char *node_name, Error **errp)
{
    Block *b = device ? blk_find(device) : NULL;
    BlockNode *n = node_name ? node_find(node_name) : NULL;
    if (!n && device && !b)
        n = node_find(device);
    if (!b && !n)
        error_set(errp, "Cannot find device='%s' nor node-name='%s'", device ? device : "", node_name ? node_name : "");
    else if (!n && !(n = blk_node(b)))
        error_set_class(errp, ERROR_GENERIC, "Device '%s' has no medium", device);
    return n;
}

/* Devices are paused. over has nothing behind it yet. */
static bool put_over(BlockNode *n, BlockNode *over, Error **errp)
{
    int ret = n->read_only ? 0 : node_flush(n);
    if (ret)
        return error_set_errno(errp, -ret, "Could not flush '%s'", n->name);
    node_ref(n); /* its users' references go with them */
    bool was = n->read_only, ok = node_replace(n, over, errp);
    if (ok) {
        n->read_only = true; /* nothing changes what the overlay stands on */
        ok = node_set_backing(over, n, errp);
        if (!ok) {
            n->read_only = was;
            node_replace(over, n, NULL);
        }
    }
    node_unref(n);
    return ok;
}

bool block_snapshot(const char *node_name, const char *overlay, Error **errp)
{
    BlockNode *n = node_of(NULL, node_name, errp), *over = n ? node_of(NULL, overlay, errp) : NULL;
    if (!over)
        return false;
    if (!over->drv->has_backing)
        return error_set(errp, "The overlay does not support backing images");
    if (over->backing)
        return error_set(errp, "The overlay already has a backing image");
    if (over->users->len)
        return error_set(errp, "The overlay is already in use");
    if (node_length(over) != node_length(n))
        return error_set(errp, "The overlay '%s' must have the size of '%s' (%" PRIu64 " bytes)", overlay, node_name,
                         node_length(n));
    blk_pause_all();
    bool ok = put_over(n, over, errp);
    blk_resume_all();
    return ok;
}

bool block_snapshot_sync(const char *device, const char *node_name, const char *file, const char *snapshot_node,
                         const char *format, bool existing, Error **errp)
{
    BlockNode *n = node_of(device, node_name, errp);
    if (!n)
        return false;
    if (node_name && !snapshot_node)
        return error_set(errp, "New overlay node-name missing");
    if (snapshot_node && node_find(snapshot_node))
        return error_set(errp, "New overlay node-name already in use");
    format = format ? format : "qcow2";
    if (!block_driver_find(format) || !block_driver_find(format)->has_backing)
        return error_set(errp, "Invalid image format '%s' for an overlay", format);
    blk_pause_all();
    int ret = n->read_only ? 0 : node_flush(n);
    g_autofree char *path = NULL;
    if (*n->filename == '/' || strchr(n->filename, ':')) {
        path = g_strdup(n->filename);
    } else {
        g_autofree char *cwd = g_get_current_dir();
        path = g_build_filename(cwd, n->filename, NULL);
    }
    BlockNode *over = ret ? NULL : block_overlay(file, format, path, snapshot_node, n, !existing, errp);
    if (ret)
        error_set_errno(errp, -ret, "Could not flush '%s'", n->name);
    bool ok = over && put_over(n, over, errp);
    node_unref(over);
    blk_resume_all();
    return ok;
}
