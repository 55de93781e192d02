/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes added and deleted by name, media put in and taken out, sizes changed: the monitor's and -blockdev's side. */
#include "block/backend.h"
#include "block/drive.h"

#define FLATTEN_DEPTH_MAX 32

static bool flatten(const Json *v, const char *prefix, Json *out, int depth, Error **errp)
{
    if (depth > FLATTEN_DEPTH_MAX)
        return error_set(errp, "Block options are nested too deeply");
    bool obj = json_type(v) == JSON_OBJECT;
    if (!obj && json_type(v) != JSON_ARRAY) {
        json_set(out, prefix, json_ref((Json *)v));
        return true;
    }
    for (size_t i = 0; i < json_length(v); i++) {
        g_autofree char *idx = g_strdup_printf("%zu", i);
        const char *name = obj ? json_key_at(v, i) : idx;
        g_autofree char *key = *prefix ? g_strdup_printf("%s.%s", prefix, name) : g_strdup(name);
        if (!flatten(obj ? json_val_at(v, i) : json_at(v, i), key, out, depth + 1, errp))
            return false;
    }
    return true;
}

Json *block_opts_flatten(const Json *opts, Error **errp)
{
    Json *out = json_object();
    if (flatten(opts, "", out, 0, errp))
        return out;
    json_unref(out);
    return NULL;
}

static bool has_child(const Json *flat, const char *child)
{
    size_t len = strlen(child);
    for (size_t i = 0; i < json_length(flat); i++) {
        const char *key = json_key_at(flat, i);
        if (!strncmp(key, child, len) && (!key[len] || key[len] == '.'))
            return true;
    }
    return false;
}

/* Here every child says what it is: nothing is guessed, and no image's header completes it. */
static bool children_complete(const Json *flat, Error **errp)
{
    static const char *const children[] = {"file", "image", "backing"};
    for (size_t i = 0; i < json_length(flat); i++) {
        const char *key = json_key_at(flat, i);
        for (const char *at = key, *dot; (dot = strchr(at, '.')); at = dot + 1) {
            size_t k = 0;
            while (k < ARRAY_SIZE(children) &&
                   (strlen(children[k]) != (size_t)(dot - at) || strncmp(at, children[k], (size_t)(dot - at))))
                k++;
            if (k == ARRAY_SIZE(children))
                break; /* an option's own parts */
            g_autofree char *child = g_strndup(key, (gsize)(dot - key)), *driver = g_strconcat(child, ".driver", NULL);
            if (!json_get(flat, driver))
                return error_set(errp, "Parameter '%s' is missing", driver);
            const BlockDriver *drv = block_driver_find(json_get_str(flat, driver) ?: "");
            g_autofree char *file = g_strconcat(child, ".", drv && drv->child_name ? drv->child_name : "file", NULL);
            if (drv && drv->has_file && !has_child(flat, file))
                return error_set(errp, "Parameter '%s' is missing", file);
        }
    }
    return true;
}

bool blockdev_add_opts(const Json *opts, bool text, Error **errp)
{
    g_autoptr(Json) flat = block_opts_flatten(opts, errp);
    if (!flat)
        return false;
    const char *driver = json_get_str(flat, "driver");
    if (driver && !block_driver_find(driver) && block_format_known(driver))
        return error_set(errp, "The image format '%s' is not supported yet; 'raw' is", driver);
    if (!json_get_str(flat, "node-name"))
        return error_set(errp, "'node-name' must be specified for the root node");
    if (!children_complete(flat, errp))
        return false;
    BlockNode *n = node_open(flat, text, errp);
    if (n)
        n->monitor_owned = true;
    return n;
}

bool blockdev_add(const Json *opts, Error **errp)
{
    return blockdev_add_opts(opts, false, errp);
}

bool blockdev_del(const char *name, Error **errp)
{
    BlockNode *n = node_find(name);
    if (!n)
        return error_set(errp, "Failed to find node with node-name='%s'", name);
    if (!n->monitor_owned)
        return error_set(errp, "Node %s is not owned by the monitor", name);
    if (n->users->len)
        return error_set(errp, "Node %s is in use", name);
    n->monitor_owned = false;
    node_unref(n);
    return true;
}

/* ---- media ---- */

static Block *by_name_or_qdev(const char *device, const char *id, Error **errp)
{
    if (!device == !id) {
        error_set(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    Block *b = device ? blk_find(device) : blk_find_qdev(id);
    if (!b && id && device_find(id))
        error_set(errp, "Device does not have a block device backend");
    else if (!b)
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device ? device : id);
    return b;
}

static const char *shown(const char *device, const char *id)
{
    return device ? device : id;
}

/* -ENOSYS: there is no tray; -EINPROGRESS: the guest was asked. */
static int open_tray(Block *b, const char *name, bool force, Error **errp)
{
    if (!blk_removable(b)) {
        error_set(errp, "Device '%s' is not removable", name);
        return -ENOTSUP;
    }
    if (!blk_has_tray(b))
        return -ENOSYS;
    if (blk_tray_is_open(b))
        return 0;
    bool locked = blk_locked(b);
    if (locked && b->ops->eject_request)
        b->ops->eject_request(b->opaque, force);
    if (locked && !force)
        return -EINPROGRESS;
    blk_notify_medium(b, false);
    return 0;
}

bool block_open_tray(const char *device, const char *id, bool force, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    return b && open_tray(b, shown(device, id), force, errp) != -ENOTSUP;
}

static bool close_tray(Block *b, const char *name, Error **errp)
{
    if (!blk_removable(b))
        return error_set(errp, "Device '%s' is not removable", name);
    if (blk_tray_is_open(b))
        blk_notify_medium(b, true);
    return true;
}

bool block_close_tray(const char *device, const char *id, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    return b && close_tray(b, shown(device, id), errp);
}

static bool remove_medium(Block *b, const char *name, Error **errp)
{
    if (b->dev && !blk_removable(b))
        return error_set(errp, "Device '%s' is not removable", name);
    if (blk_has_tray(b) && !blk_tray_is_open(b))
        return error_set(errp, "Tray of device '%s' is not open", name);
    if (!b->root)
        return true;
    blk_remove(b);
    if (!blk_has_tray(b))
        blk_notify_medium(b, false);
    return true;
}

bool block_remove_medium(const char *device, const char *id, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    return b && remove_medium(b, shown(device, id), errp);
}

static bool insert_medium(Block *b, const char *name, BlockNode *n, Error **errp)
{
    if (b->dev && !blk_removable(b))
        return error_set(errp, "Device '%s' is not removable", name);
    if (blk_has_tray(b) && !blk_tray_is_open(b))
        return error_set(errp, "Tray of device '%s' is not open", name);
    if (b->root)
        return error_set(errp, "There already is a medium in device '%s'", name);
    if (!blk_insert(b, n, errp))
        return false;
    if (!blk_has_tray(b))
        blk_notify_medium(b, true);
    return true;
}

bool block_insert_medium(const char *device, const char *id, const char *node_name, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    if (!b)
        return false;
    BlockNode *n = node_find(node_name);
    if (!n)
        return error_set(errp, "Node '%s' not found", node_name);
    for (guint i = 0; i < n->users->len; i++)
        if (((BlockEdge *)n->users->pdata[i])->blk)
            return error_set(errp, "Node '%s' is already in use", node_name);
    return insert_medium(b, shown(device, id), n, errp);
}

bool block_eject(const char *device, const char *id, bool force, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    if (!b)
        return false;
    const char *name = shown(device, id);
    int ret = open_tray(b, name, force, errp);
    if (ret == -ENOTSUP)
        return false;
    if (ret == -EINPROGRESS)
        return error_set(errp, "Device '%s' is locked and force was not specified, wait for tray to open and try again",
                         name);
    return remove_medium(b, name, errp);
}

bool block_change_medium(const char *device, const char *id, const char *filename, const char *format, const char *mode,
                         bool force, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    if (!b)
        return false;
    const char *name = shown(device, id);
    bool read_only = b->root ? b->root->node->read_only : b->medium_read_only;
    if (mode && !strcmp(mode, "read-only"))
        read_only = true;
    else if (mode && !strcmp(mode, "read-write"))
        read_only = false;
    else if (mode && strcmp(mode, "retain"))
        return error_set(errp, "Parameter 'read-only-mode' does not accept value '%s'", mode);
    g_autoptr(Json) o = json_object();
    if (format)
        json_set_str(o, "driver", format);
    json_set_str(o, "read-only", read_only ? "on" : "off");
    json_set_str(o, "auto-read-only", "off");
    BlockNode *n = drive_open_image(o, filename, errp);
    if (!n)
        return false;
    n->detect_zeroes = b->medium_detect_zeroes;
    int ret = open_tray(b, name, force, errp);
    bool ok = ret != -ENOTSUP;
    if (ret == -EINPROGRESS)
        ok = error_set(errp, "Device '%s' is locked and force was not specified, wait for tray to open and try again",
                       name);
    ok = ok && remove_medium(b, name, errp) && insert_medium(b, name, n, errp) && close_tray(b, name, errp);
    if (ok)
        b->medium_read_only = read_only;
    node_unref(n);
    return ok;
}

/* ---- limits ---- */

bool block_set_io_throttle(const char *device, const char *id, const char *group, const ThrottleLimits *l, Error **errp)
{
    Block *b = by_name_or_qdev(device, id, errp);
    if (!b)
        return false;
    if (!b->root)
        return error_set(errp, "Device has no medium");
    if (!group && !b->throttle && !*blk_name(b))
        group = device ? device : id;
    return blk_set_throttle(b, group, l, errp);
}

/* ---- size ---- */

bool block_resize(const char *device, const char *node_name, uint64_t size, Error **errp)
{
    Block *b = device ? blk_find(device) : NULL;
    BlockNode *n = node_name ? node_find(node_name) : b ? blk_node(b) : NULL;
    if (!device == !node_name)
        return error_set(errp, "Need exactly one of 'device' and 'node-name'");
    if (device && !b)
        return error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device);
    if (node_name && !n)
        return error_set(errp, "Cannot find device='' nor node-name='%s'", node_name);
    if (!n)
        return error_set(errp, "Device '%s' has no medium", device);
    if (size > INT64_MAX)
        return error_set(errp, "Parameter 'size' expects a >0 size");
    blk_pause_all();
    /* Claimed for as long as it takes, so that a user who denies resizing (a CD-ROM, a floppy, another process) is
     * heard. */
    BlockEdge *e = node_use(n, g_strdup("block_resize"), BLOCK_PERM_RESIZE, BLOCK_PERM_ALL, errp);
    bool ok = e && node_truncate(n, size, errp);
    if (e)
        node_unuse(e);
    blk_resume_all();
    for (Block *u = ok ? blk_next(NULL) : NULL; u; u = blk_next(u))
        if (u->root && u->root->node == n && u->dev && u->ops && u->ops->resized)
            u->ops->resized(u->opaque);
    return ok;
}
