/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an overlay holds is written into what backs it, which is writable for that time; the overlay is empty then. */
#include "block/backend.h"
#include "block/drive.h"
#include "block/qcow2.h"

enum { CHUNK = MIB };

/* top's own data goes down. Clean after a failure too: the overlay still has all of it. */
static int copy_down(BlockNode *top, BlockNode *base)
{
    uint64_t size = node_length(top);
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    for (uint64_t at = 0, len; at < size; at += len) {
        BlockStatus st = {0};
        int ret = node_status(top, at, MIN(CHUNK, size - at), &st);
        len = st.len;
        if (ret || !(st.flags & BLOCK_ST_ALLOCATED)) {
            if (ret)
                return ret;
            continue;
        }
        if (st.flags & BLOCK_ST_ZERO) {
            ret = node_write_zeroes(base, at, len, BLOCK_REQ_MAY_UNMAP);
        } else {
            ret = node_pread(top, at, buf, len);
            ret = ret ? ret : node_pwrite(base, at, buf, len);
        }
        if (ret)
            return ret;
    }
    return node_flush(base);
}

int block_make_empty(BlockNode *top)
{
    if (top->drv != &block_qcow2 || ((Qcow2 *)top->state)->version < 3)
        return 0;
    uint64_t size = node_length(top);
    int ret = 0;
    for (uint64_t at = 0; !ret && at < size;) {
        BlockStatus st;
        ret = node_status(top, at, size - at, &st);
        if (!ret && st.flags & BLOCK_ST_ALLOCATED)
            ret = qcow2_forget(top, at, st.len);
        at += ret ? 0 : st.len;
    }
    return ret ? ret : node_flush(top);
}

/* Devices are paused. */
static bool commit_node(BlockNode *n, Error **errp)
{
    if (!n->drv->has_backing || !n->backing)
        return error_set(errp, "Operation not supported");
    if (n->read_only)
        return error_set(errp, "Operation not permitted");
    BlockNode *base = n->backing->node;
    bool was_read_only = base->read_only, ok = false;
    unsigned perm = n->backing->perm, shared = n->backing->shared;
    if (!node_set_writable(base, true, errp))
        return false;
    BlockEdge *e = NULL;
    if (node_edge_set_perm(n->backing, perm, BLOCK_PERM_ALL, errp)) /* it is for the overlay that the base changes */
        e = node_use(base, g_strdup("commit"), BLOCK_PERM_CONSISTENT_READ | BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE,
                     BLOCK_PERM_CONSISTENT_READ, errp);
    if (e && (node_length(base) >= node_length(n) || node_truncate(base, node_length(n), errp))) {
        int ret = copy_down(n, base);
        ret = ret ? ret : block_make_empty(n);
        ok = !ret || error_set(errp, "%s", g_strerror(-ret));
    }
    if (e)
        node_unuse(e);
    if (was_read_only)
        ok = node_set_writable(base, false, ok ? errp : NULL) && ok;
    node_edge_set_perm(n->backing, perm, shared, NULL);
    return ok;
}

bool block_commit(const char *device, Error **errp)
{
    Block *b = blk_find(device);
    if (!b)
        return error_set(errp, "Device '%s' not found", device);
    if (!b->root)
        return error_set(errp, "'commit' error for '%s': No medium found", device);
    blk_pause_all();
    bool ok = commit_node(b->root->node, errp);
    blk_resume_all();
    return ok || error_prepend(errp, "'commit' error for '%s': ", device);
}

bool block_commit_all(Error **errp)
{
    bool ok = true;
    blk_pause_all();
    for (Block *b = blk_next(NULL); ok && b; b = blk_next(b)) {
        BlockNode *n = b->root ? b->root->node : NULL;
        if (n && n->drv->has_backing && n->backing && !commit_node(n, errp))
            ok = error_prepend(errp, "'commit' error for '%s': ", blk_name(b));
    }
    blk_resume_all();
    return ok;
}
