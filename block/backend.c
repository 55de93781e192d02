/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handles: names, medium, the device at the other end, error policy, and the drive= property. */
#include "block/backend.h"

#include "block/drive.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

const char *const block_on_error_names[] = {"report", "ignore", "enospc", "stop", "auto", NULL};

static Block *blocks; /* in order of creation */

Block *blk_new(const char *name)
{
    Block *b = g_new0(Block, 1);
    b->name = name && *name ? g_strdup(name) : NULL;
    b->refs = 1;
    b->shared = BLOCK_PERM_ALL;
    b->write_cache = true;
    b->on_read = BLOCK_ON_ERROR_REPORT;
    b->on_write = BLOCK_ON_ERROR_ENOSPC;
    b->stats.account_invalid = b->stats.account_failed = true;
    Block **tail = &blocks;
    while (*tail)
        tail = &(*tail)->next;
    *tail = b;
    return b;
}

Block *blk_next(Block *b)
{
    return b ? b->next : blocks;
}

Block *blk_find(const char *name)
{
    for (Block *b = blocks; b; b = b->next)
        if (b->name && !strcmp(b->name, name))
            return b;
    return NULL;
}

Block *blk_find_qdev(const char *id)
{
    for (Block *b = blocks; b; b = b->next)
        if (b->dev && ((b->dev->id && !strcmp(b->dev->id, id)) || (b->dev->path && !strcmp(b->dev->path, id))))
            return b;
    return NULL;
}

const char *blk_name(const Block *b)
{
    return b->name ? b->name : "";
}

void blk_forget_name(Block *b)
{
    g_free(b->name);
    b->name = NULL;
}

void blk_ref(Block *b)
{
    b->refs++;
}

void blk_unref(Block *b)
{
    if (!b || --b->refs)
        return;
    assert(!b->in_flight && !b->dev);
    for (Block **p = &blocks; *p; p = &(*p)->next) {
        if (*p == b) {
            *p = b->next;
            break;
        }
    }
    if (b->root)
        node_unuse(b->root);
    blk_throttle_end(b);
    throttle_group_unref(b->throttle);
    g_free(b->name);
    g_free(b);
}

char *blk_describe(const Block *b)
{
    if (b->name)
        return g_strdup_printf("block device '%s'", b->name);
    if (b->dev && b->dev->id)
        return g_strdup_printf("block device '%s'", b->dev->id);
    return b->dev && b->dev->path ? g_strdup_printf("block device '%s'", b->dev->path)
                                  : g_strdup("an unnamed block device");
}

/* ---- medium ---- */

bool blk_insert(Block *b, BlockNode *node, Error **errp)
{
    assert(!b->root);
    b->root = node_use(node, blk_describe(b), b->dev ? b->perm : 0, b->dev ? b->shared : BLOCK_PERM_ALL, errp);
    if (!b->root)
        return false;
    b->root->blk = b;
    return true;
}

void blk_remove(Block *b)
{
    blk_pause(b);
    if (b->root) {
        node_flush_last(b->root->node);
        node_unuse(b->root);
    }
    b->root = NULL;
    blk_resume(b);
}

BlockNode *blk_node(Block *b)
{
    return b->root ? b->root->node : NULL;
}

bool blk_inserted(Block *b)
{
    return b && b->root;
}

uint64_t blk_length(Block *b)
{
    return blk_inserted(b) ? node_length(b->root->node) : 0;
}

uint64_t blk_sectors(Block *b)
{
    return blk_length(b) / BLOCK_SECTOR;
}

bool blk_read_only(Block *b)
{
    return !blk_inserted(b) || b->root->node->read_only;
}

bool blk_enable_write_cache(Block *b)
{
    return __atomic_load_n(&b->write_cache, __ATOMIC_RELAXED);
}

void blk_set_enable_write_cache(Block *b, bool on)
{
    __atomic_store_n(&b->write_cache, on, __ATOMIC_RELAXED);
}

/* ---- the device ---- */

static void detach_claim(Device *dev, void *opaque)
{
    Block *b = opaque;
    blk_detach(b);
    if (!b->name)
        blk_remove(b); /* made for this device by drive=NODE: the node is free at once */
    else if (dev->realized && b->drive)
        drive_auto_del(b);
    blk_unref(b);
}

bool blk_attach(Block *b, Device *dev, const BlockDevOps *ops, void *opaque, Error **errp)
{
    ASSERT_VM_LOCKED();
    if (b->dev) {
        if (b->name)
            return error_set(errp, "Drive '%s' is already in use by another device", b->name);
        return error_set(errp, "Block node '%s' is already in use by another device",
                         b->root ? b->root->node->name : "");
    }
    b->dev = dev;
    b->ops = ops;
    b->opaque = opaque;
    b->iostatus = IOSTATUS_OK;
    blk_ref(b);
    if (dev)
        device_claim(dev, detach_claim, b);
    if (b->drive)
        b->drive->claimed = true;
    return true;
}

void blk_detach(Block *b)
{
    blk_drain(b);
    if (b->root) {
        node_flush_last(b->root->node);
        node_edge_set_perm(b->root, 0, BLOCK_PERM_ALL, NULL);
    }
    b->perm = 0;
    b->shared = BLOCK_PERM_ALL;
    b->dev = NULL;
    b->ops = NULL;
    b->iostatus_enabled = false;
}

bool blk_set_perm(Block *b, unsigned perm, unsigned shared, Error **errp)
{
    if (b->root && !node_edge_set_perm(b->root, perm, shared, errp))
        return false;
    b->perm = perm;
    b->shared = shared;
    return true;
}

bool blk_removable(const Block *b)
{
    return !b->dev || (b->ops && b->ops->removable);
}

bool blk_has_tray(const Block *b)
{
    return b->dev && b->ops && b->ops->tray_open;
}

bool blk_tray_is_open(const Block *b)
{
    return blk_has_tray(b) && b->ops->tray_open(b->opaque);
}

bool blk_locked(const Block *b)
{
    return b->dev && b->ops && b->ops->locked && b->ops->locked(b->opaque);
}

void blk_tray_moved(Block *b, bool open)
{
    Json *data = json_object();
    json_set_str(data, "device", blk_name(b));
    json_set_str(data, "id", b->dev ? (b->dev->id ? b->dev->id : b->dev->path ? b->dev->path : "") : "");
    json_set_bool(data, "tray-open", open);
    event_emit("DEVICE_TRAY_MOVED", data);
}

void blk_notify_medium(Block *b, bool loaded)
{
    if (!b->dev || !b->ops || !b->ops->medium_changed)
        return;
    bool was_open = blk_tray_is_open(b);
    b->ops->medium_changed(b->opaque, loaded);
    if (blk_has_tray(b) && blk_tray_is_open(b) != was_open)
        blk_tray_moved(b, !was_open);
}

/* ---- errors ---- */

bool blk_iostatus_on(const Block *b)
{
    return b->iostatus_enabled && (b->on_write == BLOCK_ON_ERROR_ENOSPC || b->on_write == BLOCK_ON_ERROR_STOP ||
                                   b->on_read == BLOCK_ON_ERROR_STOP);
}

void blk_iostatus_enable(Block *b)
{
    b->iostatus_enabled = true;
    b->iostatus = IOSTATUS_OK;
}

void blk_iostatus_reset(Block *b)
{
    __atomic_store_n(&b->iostatus, IOSTATUS_OK, __ATOMIC_RELAXED);
}

void blk_set_on_error(Block *b, BlockOnError read, BlockOnError write)
{
    if (read != BLOCK_ON_ERROR_AUTO)
        __atomic_store_n(&b->on_read, read, __ATOMIC_RELAXED);
    if (write != BLOCK_ON_ERROR_AUTO)
        __atomic_store_n(&b->on_write, write, __ATOMIC_RELAXED);
}

BlockOnError blk_error_action(Block *b, bool is_read, int err)
{
    BlockOnError policy = __atomic_load_n(is_read ? &b->on_read : &b->on_write, __ATOMIC_RELAXED);
    if (policy == BLOCK_ON_ERROR_ENOSPC)
        return err == ENOSPC ? BLOCK_ON_ERROR_STOP : BLOCK_ON_ERROR_REPORT;
    return policy;
}

void blk_error(Block *b, BlockOnError action, bool is_read, int err)
{
    bool nospace = err == ENOSPC;
    Json *data = json_object();
    json_set_str(data, "device", blk_name(b));
    if (b->root)
        json_set_str(data, "node-name", b->root->node->name);
    json_set_str(data, "operation", is_read ? "read" : "write");
    json_set_str(data, "action", block_on_error_names[action]);
    if (blk_iostatus_on(b))
        json_set_bool(data, "nospace", nospace);
    json_set_str(data, "reason", g_strerror(err));
    if (action == BLOCK_ON_ERROR_STOP && blk_iostatus_on(b) &&
        __atomic_load_n(&b->iostatus, __ATOMIC_RELAXED) == IOSTATUS_OK)
        __atomic_store_n(&b->iostatus, nospace ? IOSTATUS_NOSPACE : IOSTATUS_FAILED, __ATOMIC_RELAXED);
    event_emit("BLOCK_IO_ERROR", data);
    if (action == BLOCK_ON_ERROR_STOP)
        vm_stop_request(RUN_IO_ERROR);
}

void blk_count_invalid(Block *b, BlockOp op)
{
    __atomic_fetch_add(&b->stats.invalid[op], 1, __ATOMIC_RELAXED);
    if (b->stats.account_invalid)
        __atomic_store_n(&b->stats.last_access_ns, g_get_monotonic_time() * 1000, __ATOMIC_RELAXED);
}

void blk_set_accounting(Block *b, OnOffAuto invalid, OnOffAuto failed)
{
    b->stats.account_invalid = invalid != ON_OFF_AUTO_OFF;
    b->stats.account_failed = failed != ON_OFF_AUTO_OFF;
}

/* ---- geometry ---- */

/* The CHS geometry that an MBR's first used partition ends on: heads and sectors are what its creator saw. */
bool blk_guess_geometry(Block *b, uint32_t *cyls, uint32_t *heads, uint32_t *secs)
{
    uint8_t mbr[BLOCK_SECTOR];
    uint64_t sectors = blk_sectors(b);
    if (!sectors || blk_pread_sync(b, 0, mbr, sizeof(mbr)) || mbr[510] != 0x55 || mbr[511] != 0xaa)
        return false;
    for (int i = 0; i < 4; i++) {
        const uint8_t *p = mbr + 0x1be + 16 * i;
        uint32_t end_head = p[5], end_sector = p[6] & 63;
        if (!ldl_le(p + 12) || !end_head || !end_sector)
            continue;
        uint64_t c = sectors / ((end_head + 1) * end_sector);
        if (c < 1 || c > 16383)
            continue;
        *cyls = (uint32_t)c;
        *heads = end_head + 1;
        *secs = end_sector;
        return true;
    }
    return false;
}

/* ---- drive=: a handle by name, or a node, for which a handle is made ---- */

static bool drive_set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    Block **field = (Block **)((char *)obj + p->offset);
    const char *name = json_get_string(val);
    if (!name)
        return error_set(errp, "the name of a drive or block node expected");
    Block *b = NULL;
    if (*name) {
        b = blk_find(name);
        if (b) {
            blk_ref(b);
        } else {
            BlockNode *node = node_find(name);
            if (!node)
                return error_set(errp, "can't find value '%s'", name);
            b = blk_new(NULL);
            if (!blk_insert(b, node, errp)) {
                blk_unref(b);
                return false;
            }
        }
    }
    blk_unref(*field);
    *field = b;
    return true;
}

static Json *drive_get_prop(const void *obj, const Prop *p)
{
    Block *b = *(Block *const *)((const char *)obj + p->offset);
    if (!b)
        return json_string("");
    return json_string(b->name ? b->name : b->root ? b->root->node->name : "");
}

/* The handle stays, for who still looks at it; a node that it was made for is free. */
static void drive_let_go(void *obj, const Prop *p)
{
    Block *b = *(Block **)((char *)obj + p->offset);
    if (b && !b->name && !b->dev)
        blk_remove(b);
}

static void unref_later(void *opaque)
{
    blk_unref(opaque);
}

/* Devices are freed by the RCU thread, which has no VM lock. */
static void drive_release(void *obj, const Prop *p)
{
    Block **field = (Block **)((char *)obj + p->offset);
    if (*field)
        mainloop_defer(unref_later, *field);
    *field = NULL;
}

const PropType prop_drive = {
    .name = "str",
    .set = drive_set,
    .get = drive_get_prop,
    .let_go = drive_let_go,
    .release = drive_release,
    .is_string = true,
};
