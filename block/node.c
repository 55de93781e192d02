/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node graph: opening from options, names, uses and their permissions, and the request functions that drivers call
 * on the node below them.
 */
#include "block/backend.h"
#include "util/iov.h"

#include <ctype.h>
#include <stdlib.h>

#define NODE_NAME_MAX  31
#define NODE_DEPTH_MAX 16  /* of a chain opened from one set of options */
#define BACKING_MAX    200 /* backing files one below the other */

static BlockNode *nodes; /* in order of creation */
bool block_open_damaged;
const BlockDriver *block_test_driver;

const char *const block_event_names[] = {"none",
                                         "l1_update",
                                         "l1_grow_alloc_table",
                                         "l1_grow_write_table",
                                         "l1_grow_activate_table",
                                         "l2_load",
                                         "l2_update",
                                         "l2_update_compressed",
                                         "l2_alloc_cow_read",
                                         "l2_alloc_write",
                                         "read_aio",
                                         "read_backing_aio",
                                         "read_compressed",
                                         "write_aio",
                                         "write_compressed",
                                         "vmstate_load",
                                         "vmstate_save",
                                         "cow_read",
                                         "cow_write",
                                         "reftable_load",
                                         "reftable_grow",
                                         "reftable_update",
                                         "refblock_load",
                                         "refblock_update",
                                         "refblock_update_part",
                                         "refblock_alloc",
                                         "refblock_alloc_hookup",
                                         "refblock_alloc_write",
                                         "refblock_alloc_write_blocks",
                                         "refblock_alloc_write_table",
                                         "refblock_alloc_switch_table",
                                         "cluster_alloc",
                                         "cluster_alloc_bytes",
                                         "cluster_free",
                                         "flush_to_os",
                                         "flush_to_disk",
                                         "pwritev_rmw_head",
                                         "pwritev_rmw_after_head",
                                         "pwritev_rmw_tail",
                                         "pwritev_rmw_after_tail",
                                         "pwritev",
                                         "pwritev_zero",
                                         "pwritev_done",
                                         "empty_image_prepare",
                                         "l1_shrink_write_table",
                                         "l1_shrink_free_l2_clusters",
                                         "cor_write",
                                         "cluster_alloc_space",
                                         NULL};

static const char *const discard_names[] = {"ignore", "unmap", NULL};
static const char *const detect_zeroes_names[] = {"off", "on", "unmap", NULL};

/* Options that every driver has. */
static const Prop node_props[] = {
    PROP_BOOL("read-only", BlockNode, read_only, false, "refuse writes"),
    PROP_BOOL("auto-read-only", BlockNode, auto_read_only, false, "read-only where the host refuses writing"),
    PROP_BOOL("cache.direct", BlockNode, direct, false, "bypass the host's page cache"),
    PROP_BOOL("cache.no-flush", BlockNode, no_flush, false, "ignore the guest's flushes"),
    PROP_BOOL("force-share", BlockNode, force_share, false, "allow other writers; needs read-only=on"),
    PROP_ENUM("discard", BlockNode, discard, discard_names, 0, "what the guest's discards do"),
    PROP_ENUM("detect-zeroes", BlockNode, detect_zeroes, detect_zeroes_names, 0,
              "turn writes of zeroes into zero writes"),
    {}};

static const struct {
    unsigned bit;
    const char *name;
} perm_names[] = {
    {BLOCK_PERM_CONSISTENT_READ, "consistent read"},
    {BLOCK_PERM_WRITE, "write"},
    {BLOCK_PERM_WRITE_UNCHANGED, "write unchanged"},
    {BLOCK_PERM_RESIZE, "resize"},
};

const BlockDriver *block_driver_find(const char *name)
{
    for (const BlockDriver *const *d = block_drivers; *d; d++)
        if (!strcmp((*d)->name, name))
            return *d;
    return block_test_driver && !strcmp(block_test_driver->name, name) ? block_test_driver : NULL;
}

BlockNode *node_find(const char *name)
{
    for (BlockNode *n = nodes; n; n = n->next)
        if (!strcmp(n->name, name))
            return n;
    return NULL;
}

BlockNode *node_next(BlockNode *n)
{
    return n ? n->next : nodes;
}

/* Names of the user's begin with a letter; ours with '#'. */
static bool name_valid(const char *s)
{
    if (!isalpha((unsigned char)*s))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-._", *s))
            return false;
    return true;
}

static bool set_name(BlockNode *n, const char *name, Error **errp)
{
    static uint64_t counter;
    if (!name) {
        do {
            g_free(n->name);
            n->name = g_strdup_printf("#block%" PRIu64 "%02d", counter++, g_random_int_range(0, 100));
        } while (node_find(n->name));
        return true;
    }
    if (!name_valid(name))
        return error_set(errp, "Invalid node-name: '%s'", name);
    if (strlen(name) > NODE_NAME_MAX)
        return error_set(errp, "Node name too long: '%s' (the limit is %d characters)", name, NODE_NAME_MAX);
    if (blk_find(name))
        return error_set(errp, "node-name=%s is conflicting with a device id", name);
    if (node_find(name))
        return error_set(errp, "Duplicate nodes with node-name='%s'", name);
    n->name = g_strdup(name);
    return true;
}

static void node_free(BlockNode *n)
{
    if (n->drv->forget && n->state)
        n->drv->forget(n);
    if (n->backing)
        node_unuse(n->backing);
    if (n->file)
        node_unuse(n->file);
    if (n->drv->props && n->state)
        props_release(n->drv->props, n->state);
    g_free(n->state);
    if (n->users)
        g_ptr_array_free(n->users, true);
    g_free(n->filename);
    g_free(n->name);
    g_free(n);
}

static BlockNode *open_level(const Json *flat, bool text, int depth, BlockNode *file, Error **errp);

static bool is_key_below(const char *key, const char *child)
{
    size_t len = strlen(child);
    return !strncmp(key, child, len) && (!key[len] || key[len] == '.');
}

static Json *child_options(const Json *flat, const char *child)
{
    Json *sub = json_object();
    size_t prefix = strlen(child) + 1;
    for (size_t i = 0; i < json_length(flat); i++) {
        const char *key = json_key_at(flat, i);
        if (is_key_below(key, child) && key[prefix - 1] == '.')
            json_set(sub, key + prefix, json_ref(json_val_at(flat, i)));
    }
    return sub;
}

static void set_default_bool(Json *o, const char *key, bool val, bool text)
{
    if (!json_get(o, key))
        json_set(o, key, text ? json_string(val ? "on" : "off") : json_bool(val));
}

/* The child "file": a node's name, or options of its own, which inherit what concerns the whole chain. */
static BlockNode *open_child(BlockNode *n, const char *child, const Json *flat, bool text, int depth, Error **errp)
{
    const char *ref = json_get_str(flat, child);
    g_autoptr(Json) sub = child_options(flat, child);
    if (ref) {
        BlockNode *node = node_find(ref);
        if (json_length(sub)) {
            error_set(errp, "Cannot reference an existing block device with additional options or a new filename");
            return NULL;
        }
        if (!node)
            error_set_class(errp, ERROR_GENERIC, "Cannot find device='' nor node-name='%s'", ref);
        else
            node_ref(node);
        return node;
    }
    if (!json_length(sub)) {
        error_set(errp, "Parameter '%s' is missing", child);
        return NULL;
    }
    const struct {
        const char *key;
        bool val;
    } inherited[] = {{"read-only", n->read_only},
                     {"auto-read-only", n->auto_read_only},
                     {"cache.direct", n->direct},
                     {"cache.no-flush", n->no_flush},
                     {"force-share", n->force_share}};
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
        set_default_bool(sub, inherited[i].key, inherited[i].val, text);
    if (!json_get(sub, "discard"))
        json_set_str(sub, "discard", "unmap"); /* the policy is that of the layer above */
    return open_level(sub, text, depth + 1, NULL, errp);
}

char *node_backing_path(BlockNode *n)
{
    const char *file = n->backing_file;
    if (!file || !*file)
        return NULL;
    size_t proto = strcspn(file, ":/");
    if (*file == '/' || file[proto] == ':' || !n->file)
        return g_strdup(file);
    g_autofree char *folder = g_path_get_dirname(n->file->node->filename);
    return strcmp(folder, ".") || g_str_has_prefix(n->file->node->filename, "./") ? g_build_filename(folder, file, NULL)
                                                                                  : g_strdup(file);
}

static BlockEdge *use_backing(BlockNode *n, BlockNode *backing, Error **errp)
{
    BlockEdge *e = node_use(backing, g_strdup_printf("node '%s'", n->name), BLOCK_PERM_CONSISTENT_READ,
                            BLOCK_PERM_CONSISTENT_READ | BLOCK_PERM_WRITE_UNCHANGED, errp);
    if (e)
        e->parent = n;
    return e;
}

bool node_set_backing(BlockNode *n, BlockNode *backing, Error **errp)
{
    for (BlockNode *b = backing; b; b = b->backing ? b->backing->node : NULL)
        if (b == n)
            return error_set(errp, "Making '%s' a backing child of '%s' would create a cycle", backing->name, n->name);
    BlockEdge *e = NULL;
    if (backing && !(e = use_backing(n, backing, errp)))
        return false;
    if (n->backing)
        node_unuse(n->backing);
    n->backing = e;
    return true;
}

/* What backs n: what the options say, or else what the image says. */
static bool open_backing(BlockNode *n, const Json *flat, bool text, int depth, Error **errp)
{
    static int level; /* VM lock */
    const Json *val = json_get(flat, "backing");
    const char *ref = json_get_string(val);
    g_autoptr(Json) sub = child_options(flat, "backing");
    BlockNode *b = NULL;
    if ((val && json_type(val) == JSON_NULL) || (ref && !*ref))
        return true;
    if (ref) {
        b = node_find(ref);
        if (!b)
            return error_set(errp, "Cannot find device='' nor node-name='%s'", ref);
        return node_set_backing(n, b, errp);
    }
    const BlockDriver *drv = json_get_str(sub, "driver") ? block_driver_find(json_get_str(sub, "driver")) : NULL;
    bool elsewhere = json_get(sub, "file") || json_get(sub, "file.driver") || json_get(sub, "file.filename") ||
                     (drv && !drv->has_file);
    g_autofree char *path = elsewhere ? NULL : node_backing_path(n);
    if (!path && !json_length(sub))
        return true;
    if (level >= BACKING_MAX)
        return error_set(errp, "Backing files are nested too deeply, or in a circle (the limit is %d)", BACKING_MAX);
    if (n->backing_fmt && *n->backing_fmt && !json_get(sub, "driver"))
        json_set_str(sub, "driver", n->backing_fmt);
    json_remove(sub, "read-only");
    json_remove(sub, "auto-read-only");
    const struct {
        const char *key;
        bool val;
    } inherited[] = {{"read-only", true},
                     {"auto-read-only", false},
                     {"cache.direct", n->direct},
                     {"cache.no-flush", n->no_flush},
                     {"force-share", n->force_share}};
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
        set_default_bool(sub, inherited[i].key, inherited[i].val, text || path);
    level++;
    b = path || !json_get(sub, "driver") ? drive_open_image(sub, path, errp)
                                         : open_level(sub, text, depth + 1, NULL, errp);
    level--;
    if (!b)
        return error_prepend(errp, "Could not open backing file: ");
    bool ok = node_set_backing(n, b, errp);
    node_unref(b);
    return ok;
}

static bool set_option(const char *owner, const Prop *p, void *obj, const Json *val, bool text, Error **errp)
{
    const char *s = json_get_string(val);
    return text && s ? prop_set_text(owner, p, obj, s, errp) : prop_set_json(owner, p, obj, val, errp);
}

static const char *child_name(const BlockDriver *drv)
{
    return drv->child_name ? drv->child_name : "file";
}

static bool set_options(BlockNode *n, const Json *flat, bool text, Error **errp)
{
    for (size_t i = 0; i < json_length(flat); i++) {
        const char *key = json_key_at(flat, i);
        const Json *val = json_val_at(flat, i);
        const Prop *p;
        if (!strcmp(key, "driver") || !strcmp(key, "node-name") ||
            (n->drv->has_file && is_key_below(key, child_name(n->drv))) ||
            (n->drv->has_backing && is_key_below(key, "backing")) ||
            (text && !strcmp(key, "backing") && json_type(val) == JSON_NULL)) /* what has none opens none */
            continue;

        if ((p = prop_find(node_props, key))) {
            if (!set_option(n->drv->name, p, n, val, text, errp))
                return false;
        } else if (n->drv->props && (p = prop_find(n->drv->props, key))) {
            if (!set_option(n->drv->name, p, n->state, val, text, errp))
                return false;
        } else if (n->drv->option) {
            if (!n->drv->option(n, key, val, errp))
                return false;
        } else {
            return error_set(errp, "Parameter '%s' is unexpected", key);
        }
    }
    if (n->drv->required && !json_get(flat, n->drv->required))
        return error_set(errp, "Parameter '%s' is missing", n->drv->required);
    if (n->force_share && !n->read_only)
        return error_set(errp, "force-share=on can only be used with read-only images");
    return true;
}

static bool refresh_perm(BlockNode *n, Error **errp);

static BlockNode *open_level(const Json *flat, bool text, int depth, BlockNode *file, Error **errp)
{
    if (depth > NODE_DEPTH_MAX) {
        error_set(errp, "Block nodes are nested too deeply (the limit is %d)", NODE_DEPTH_MAX);
        return NULL;
    }
    if (!json_get(flat, "driver")) {
        error_set(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    const char *driver = json_get_str(flat, "driver");
    const BlockDriver *drv = driver ? block_driver_find(driver) : NULL;
    if (!drv || drv->hidden) {
        error_set(errp, "Parameter 'driver' does not accept value '%s'", driver ? driver : "");
        return NULL;
    }
    BlockNode *n = g_new0(BlockNode, 1);
    n->drv = drv;
    n->refs = 1;
    n->repairing = block_open_damaged;
    n->users = g_ptr_array_new();
    n->state = g_malloc0(MAX(drv->size, 1));
    props_set_defaults(node_props, n);
    if (drv->props)
        props_set_defaults(drv->props, n->state);
    if (!set_options(n, flat, text, errp) || !set_name(n, json_get_str(flat, "node-name"), errp))
        goto fail;
    if (drv->has_file) {
        BlockNode *child = file;
        if (file)
            node_ref(file);
        else
            child = open_child(n, child_name(drv), flat, text, depth, errp);
        if (!child)
            goto fail;
        n->file = node_use(child, g_strdup_printf("node '%s'", n->name), 0, BLOCK_PERM_ALL, errp);
        node_unref(child);
        if (!n->file)
            goto fail;
        n->file->parent = n;
        if (!drv->is_filter) { /* what a format keeps there is nobody else's */
            if (n->file->node->read_only && !n->read_only && !n->auto_read_only) {
                error_set(errp, "Block node is read-only");
                goto fail;
            }
            n->read_only |= n->file->node->read_only;
        }
        if ((!drv->is_filter || n->take_perm || n->unshare_perm) && !refresh_perm(n, errp))
            goto fail;
    }
    n->inline_io = drv->inline_io && (!n->file || n->file->node->inline_io);
    n->grows = drv->grows && (!n->file || n->file->node->grows);
    if (!drv->open(n, errp))
        goto fail;
    if (drv->has_backing && !open_backing(n, flat, text, depth, errp)) {
        drv->close(n);
        goto fail;
    }
    BlockNode **tail = &nodes;
    while (*tail)
        tail = &(*tail)->next;
    *tail = n;
    return n;
fail:
    node_free(n);
    return NULL;
}

BlockNode *node_open(const Json *flat, bool text, Error **errp)
{
    return open_level(flat, text, 0, NULL, errp);
}

BlockNode *node_open_on(const Json *flat, bool text, BlockNode *file, Error **errp)
{
    return open_level(flat, text, 0, file, errp);
}

BlockNode *node_open_file(const Json *flat, bool text, Error **errp)
{
    BlockNode n = {0}; /* the layer above, as far as its child inherits from it */
    props_set_defaults(node_props, &n);
    for (size_t i = 0; i < json_length(flat); i++) {
        const Prop *p = prop_find(node_props, json_key_at(flat, i));
        if (p && !set_option("block", p, &n, json_val_at(flat, i), text, errp))
            return NULL;
    }
    return open_child(&n, "file", flat, text, 0, errp);
}

void node_ref(BlockNode *n)
{
    n->refs++;
}

void node_unref(BlockNode *n)
{
    if (!n || --n->refs)
        return;
    assert(!n->users->len);
    for (BlockNode **p = &nodes; *p; p = &(*p)->next) {
        if (*p == n) {
            *p = n->next;
            break;
        }
    }
    if (n->drv->close)
        n->drv->close(n);
    node_free(n);
}

/* ---- uses and permissions ---- */

static void perm_text(unsigned perm, GString *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(perm_names); i++)
        if (perm & perm_names[i].bit)
            g_string_append_printf(s, "%s%s", s->len ? ", " : "", perm_names[i].name);
}

static bool conflict(BlockNode *n, unsigned perm, const char *needs, const char *refuses, Error **errp)
{
    g_autoptr(GString) s = g_string_new(NULL);
    perm_text(perm, s);
    return error_set(errp,
                     "Permission conflict on node '%s': permissions '%s' are both required by %s (uses node '%s') and "
                     "unshared by %s (uses node '%s')",
                     n->name, s->str, needs, n->name, refuses, n->name);
}

/* Settle what all users together do with n, down the chain. */
static bool refresh_perm(BlockNode *n, Error **errp)
{
    unsigned perm = 0, shared = BLOCK_PERM_ALL;
    for (guint i = 0; i < n->users->len; i++) {
        const BlockEdge *e = n->users->pdata[i];
        perm |= e->perm;
        shared &= e->shared;
    }
    if (n->read_only && (perm & (BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE)))
        return error_set(errp, "Block node is read-only");
    if (n->force_share)
        shared = BLOCK_PERM_ALL;
    if (n->file) {
        unsigned below = perm, below_shared = shared;
        if (!n->drv->is_filter) {
            below |= BLOCK_PERM_CONSISTENT_READ;
            if (!n->read_only)
                below |= BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
            if (!n->force_share)
                below_shared &= ~(unsigned)(BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE);
        }
        below |= n->take_perm;
        below_shared &= ~n->unshare_perm;
        if (!node_edge_set_perm(n->file, below, below_shared, errp))
            return false;
    }
    return !n->drv->set_perm || n->drv->set_perm(n, perm, shared, errp);
}

bool node_edge_set_perm(BlockEdge *e, unsigned perm, unsigned shared, Error **errp)
{
    BlockNode *n = e->node;
    for (guint i = 0; i < n->users->len; i++) {
        const BlockEdge *other = n->users->pdata[i];
        if (other == e)
            continue;
        if (perm & ~other->shared)
            return conflict(n, perm & ~other->shared, e->user, other->user, errp);
        if (other->perm & ~shared)
            return conflict(n, other->perm & ~shared, other->user, e->user, errp);
    }
    unsigned old_perm = e->perm, old_shared = e->shared;
    e->perm = perm;
    e->shared = shared;
    if (refresh_perm(n, errp))
        return true;
    e->perm = old_perm;
    e->shared = old_shared;
    refresh_perm(n, NULL);
    return false;
}

BlockEdge *node_use(BlockNode *n, char *user, unsigned perm, unsigned shared, Error **errp)
{
    BlockEdge *e = g_new0(BlockEdge, 1);
    e->node = n;
    e->user = user;
    e->shared = BLOCK_PERM_ALL;
    g_ptr_array_add(n->users, e);
    node_ref(n);
    if (!node_edge_set_perm(e, perm, shared, errp)) {
        node_unuse(e);
        return NULL;
    }
    return e;
}

void node_unuse(BlockEdge *e)
{
    g_ptr_array_remove(e->node->users, e);
    refresh_perm(e->node, NULL); /* fewer uses cannot conflict */
    node_unref(e->node);
    g_free(e->user);
    g_free(e);
}

bool node_replace(BlockNode *old, BlockNode *new, Error **errp)
{
    g_autoptr(GPtrArray) moved = g_ptr_array_new();
    for (guint i = 0; i < old->users->len; i++) {
        BlockEdge *e = old->users->pdata[i];
        if (e->parent != new)
            g_ptr_array_add(moved, e);
    }
    BlockNode *from = old, *to = new;
    bool ok = true;
    for (int round = 0; round < 2; round++) { /* a second one undoes the first */
        for (guint i = 0; i < moved->len; i++) {
            BlockEdge *e = moved->pdata[i];
            g_ptr_array_remove(from->users, e);
            g_ptr_array_add(to->users, e);
            e->node = to;
        }
        refresh_perm(from, NULL);
        bool fits = refresh_perm(to, ok ? errp : NULL);
        if (fits || !ok)
            break;
        ok = false;
        from = new;
        to = old;
    }
    for (guint i = 0; ok && i < moved->len; i++) {
        node_ref(new);
        node_unref(old);
    }
    return ok;
}

const char *node_used_by(BlockNode *n)
{
    return n->users->len ? ((BlockEdge *)n->users->pdata[0])->user : NULL;
}

bool node_set_writable(BlockNode *n, bool on, Error **errp)
{
    if (n->read_only == !on)
        return true;
    BlockNode *file = n->file ? n->file->node : NULL;
    bool below = file && (on ? file->read_only : file->made_writable);
    if (!on && n->drv->set_writable && !n->drv->set_writable(n, false, errp))
        return false;
    if (below && !node_set_writable(file, on, errp))
        return false;
    if (on && n->drv->set_writable && !n->drv->set_writable(n, true, errp)) {
        if (below)
            node_set_writable(file, false, NULL);
        return false;
    }
    n->read_only = !on;
    n->made_writable = on;
    return true;
}

void node_drain(BlockNode *n, bool on)
{
    if (!n)
        return;
    if (n->drv->drain)
        n->drv->drain(n, on);
    node_drain(n->file ? n->file->node : NULL, on);
    node_drain(n->backing ? n->backing->node : NULL, on);
}

bool node_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    if (n->read_only)
        return error_set(errp, "Block node is read-only");
    if (size > INT64_MAX - (1 << 20))
        return error_set(errp, "Image size %" PRIu64 " is too large", size);
    if (!n->drv->truncate)
        return error_set(errp, "Image format driver '%s' does not support resize", n->drv->name);
    return n->drv->truncate(n, size, errp);
}

/* ---- requests ---- */

static int check(BlockNode *n, uint64_t off, uint64_t len, bool write)
{
    uint64_t size = write && n->grows ? INT64_MAX : node_length(n);
    if (off > size || len > size - off)
        return -EIO;
    return write && n->read_only ? -EPERM : 0;
}

int node_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    int ret = check(n, off, len, false);
    if (ret || !len)
        return ret;
    return n->drv->preadv ? n->drv->preadv(n, off, len, iov, niov) : -ENOTSUP;
}

/* Where the node ends inside the range it is for a layer above to say what the rest reads as: not here. */
int node_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    if (!len)
        return 0;
    return n->drv->preadv_now && !check(n, off, len, false) ? n->drv->preadv_now(n, off, len, iov, niov) : -EAGAIN;
}

static void raise_to(uint64_t *val, uint64_t at_least)
{
    uint64_t old = __atomic_load_n(val, __ATOMIC_RELAXED);
    while (old < at_least &&
           !__atomic_compare_exchange_n(val, &old, at_least, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static void note_write(BlockNode *n, uint64_t end)
{
    raise_to(&n->wr_highest, end);
    if (n->grows)
        raise_to(&n->length, ROUND_UP(end, BLOCK_SECTOR));
}

int node_direct(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write, BlockDirect *d)
{
    if (!n->drv->direct || !len || check(n, off, len, write) || (write && n->detect_zeroes))
        return -EAGAIN;
    int ret = n->drv->direct(n, off, len, iov, niov, write, d);
    if (!ret && write)
        note_write(n, off + len);
    return ret;
}

static bool is_zero(const struct iovec *iov, int niov)
{
    for (int i = 0; i < niov; i++) {
        const char *p = iov[i].iov_base;
        if (iov[i].iov_len && (p[0] || memcmp(p, p + 1, iov[i].iov_len - 1)))
            return false;
    }
    return true;
}

int node_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    int ret = check(n, off, len, true);
    if (ret)
        return ret;
    if (!len)
        return flags & BLOCK_REQ_FUA ? node_flush(n) : 0;
    if (n->detect_zeroes && is_zero(iov, niov))
        return node_write_zeroes(n, off, len,
                                 flags | (n->detect_zeroes == DETECT_ZEROES_UNMAP ? BLOCK_REQ_MAY_UNMAP : 0));
    if (!n->drv->pwritev)
        return -ENOTSUP;
    ret = n->drv->pwritev(n, off, len, iov, niov, n->no_flush ? flags & ~BLOCK_REQ_FUA : flags);
    if (!ret)
        note_write(n, off + len);
    return ret;
}

int node_pread(BlockNode *n, uint64_t off, void *buf, uint64_t len)
{
    struct iovec iov = {buf, len};
    return node_preadv(n, off, len, &iov, 1);
}

int node_pwrite(BlockNode *n, uint64_t off, const void *buf, uint64_t len)
{
    struct iovec iov = {(void *)buf, len};
    return node_pwritev(n, off, len, &iov, 1, 0);
}

int node_preadv_padded(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    uint64_t size = node_length(n);
    if (off <= size && len <= size - off)
        return node_preadv(n, off, len, iov, niov);
    uint64_t there = off < size ? size - off : 0;
    iov_fill(iov, niov, there, 0, len - there);
    if (!there)
        return 0;
    g_autofree struct iovec *part = g_new(struct iovec, niov);
    return node_preadv(n, off, there, part, iov_slice(part, iov, niov, 0, there));
}

int node_pread_padded(BlockNode *n, uint64_t off, void *buf, uint64_t len)
{
    struct iovec iov = {buf, len};
    return node_preadv_padded(n, off, len, &iov, 1);
}

int node_flush(BlockNode *n)
{
    bool has_tables = n->drv->has_file && !n->drv->is_filter; /* which at least the host's page cache gets */
    return !n->drv->flush || (n->no_flush && !has_tables) ? 0 : n->drv->flush(n);
}

void node_flush_last(BlockNode *n)
{
    int ret = n->read_only ? 0 : node_flush(n);
    if (ret)
        warn_report("block node '%s' (%s): what was written last may be lost: flushing failed: %s", n->name,
                    n->filename, strerror(-ret));
}

int node_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    int ret = check(n, off, len, true);
    if (ret || !len || !n->discard || !n->drv->discard)
        return ret;
    ret = n->drv->discard(n, off, len);
    return ret == -ENOTSUP ? 0 : ret; /* a hint */
}

int node_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    int ret = check(n, off, len, true);
    if (ret)
        return ret;
    if (!n->discard)
        flags &= ~BLOCK_REQ_MAY_UNMAP;
    if (len) {
        ret = n->drv->write_zeroes ? n->drv->write_zeroes(n, off, len, flags) : -ENOTSUP;
        if (ret == -ENOTSUP && n->drv->pwritev) {
            uint64_t chunk = MIN(len, MIB);
            g_autofree uint8_t *zeroes = g_malloc0(chunk);
            ret = 0;
            for (uint64_t done = 0; done < len && !ret; done += chunk) {
                struct iovec iov = {zeroes, MIN(chunk, len - done)};
                ret = n->drv->pwritev(n, off + done, iov.iov_len, &iov, 1, 0);
            }
        }
        if (!ret)
            note_write(n, off + len);
    }
    return ret || !(flags & BLOCK_REQ_FUA) ? ret : node_flush(n);
}

/* ---- what is where ---- */

int node_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st)
{
    int ret = check(n, off, len, false);
    *st =
        (BlockStatus){.flags = BLOCK_ST_ALLOCATED | BLOCK_ST_DATA | BLOCK_ST_OFFSET, .len = len, .off = off, .file = n};
    if (ret || !len)
        return ret;
    if (n->drv->status)
        return n->drv->status(n, off, len, st);
    return n->drv->is_filter && n->file ? node_status(n->file->node, off, len, st) : 0;
}

int node_status_chain(BlockNode *n, BlockNode *base, uint64_t off, uint64_t len, BlockStatus *st)
{
    unsigned depth = 0;
    for (BlockNode *at = n;; at = at->backing->node, depth++) {
        uint64_t size = node_length(at);
        if (depth && off >= size) { /* shorter than what is above it: zeroes, of the layer above as it were */
            *st = (BlockStatus){.flags = BLOCK_ST_ALLOCATED | BLOCK_ST_ZERO, .len = len, .depth = depth - 1};
            return 0;
        }
        int ret = node_status(at, off, MIN(len, size - off), st);
        if (ret)
            return ret;
        len = st->len;
        st->depth = depth;
        if (st->flags & BLOCK_ST_ALLOCATED || !at->backing || at->backing->node == base)
            break;
    }
    if (!(st->flags & BLOCK_ST_ALLOCATED) && !base)
        st->flags |= BLOCK_ST_ZERO;
    return 0;
}
