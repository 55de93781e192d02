/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node graph: opening from options, names, uses and their permissions, and the request functions that drivers call
 * on the node below them.
 */
#include "block/node.h"

#include "util/iov.h"

#include <ctype.h>
#include <stdlib.h>

#define NODE_NAME_MAX  31
#define NODE_DEPTH_MAX 16 /* of a chain opened from one set of options */

static BlockNode *nodes; /* in order of creation */

const char *const block_event_names[] = {"none", "read_aio", "write_aio", "flush_to_os", "flush_to_disk", NULL};

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
    return NULL;
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

static BlockNode *open_level(const Json *flat, bool text, int depth, Error **errp);

static bool is_key_below(const char *key, const char *child)
{
    size_t len = strlen(child);
    return !strncmp(key, child, len) && (!key[len] || key[len] == '.');
}

/* The child "file": a node's name, or options of its own, which inherit what concerns the whole chain. */
static BlockNode *open_child(BlockNode *n, const char *child, const Json *flat, bool text, int depth, Error **errp)
{
    const char *ref = json_get_str(flat, child);
    g_autoptr(Json) sub = json_object();
    size_t prefix = strlen(child) + 1;
    for (size_t i = 0; i < json_length(flat); i++) {
        const char *key = json_key_at(flat, i);
        if (is_key_below(key, child) && key[prefix - 1] == '.')
            json_set(sub, key + prefix, json_ref(json_val_at(flat, i)));
    }
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
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
        if (json_get(sub, inherited[i].key))
            continue;
        json_set(sub, inherited[i].key,
                 text ? json_string(inherited[i].val ? "on" : "off") : json_bool(inherited[i].val));
    }
    if (!json_get(sub, "discard"))
        json_set_str(sub, "discard", "unmap"); /* the policy is that of the layer above */
    return open_level(sub, text, depth + 1, errp);
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
            (n->drv->has_file && is_key_below(key, child_name(n->drv))))
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

static BlockNode *open_level(const Json *flat, bool text, int depth, Error **errp)
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
    n->users = g_ptr_array_new();
    n->state = g_malloc0(MAX(drv->size, 1));
    props_set_defaults(node_props, n);
    if (drv->props)
        props_set_defaults(drv->props, n->state);
    if (!set_options(n, flat, text, errp) || !set_name(n, json_get_str(flat, "node-name"), errp))
        goto fail;
    if (drv->has_file) {
        BlockNode *child = open_child(n, child_name(drv), flat, text, depth, errp);
        if (!child)
            goto fail;
        n->file = node_use(child, g_strdup_printf("node '%s'", n->name), 0, BLOCK_PERM_ALL, errp);
        node_unref(child);
        if (!n->file)
            goto fail;
        n->file->parent = n;
    }
    n->inline_io = drv->inline_io && (!n->file || n->file->node->inline_io);
    if (!drv->open(n, errp))
        goto fail;
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
    return open_level(flat, text, 0, errp);
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
        if (!n->drv->is_filter && perm) {
            below |= BLOCK_PERM_CONSISTENT_READ;
            if (perm & (BLOCK_PERM_WRITE | BLOCK_PERM_WRITE_UNCHANGED))
                below |= BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
            below_shared &= ~(BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE);
        }
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

const char *node_used_by(BlockNode *n)
{
    return n->users->len ? ((BlockEdge *)n->users->pdata[0])->user : NULL;
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
    uint64_t size = node_length(n);
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

int node_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    int ret = check(n, off, len, false);
    if (ret || !len)
        return ret;
    return n->drv->preadv_now ? n->drv->preadv_now(n, off, len, iov, niov) : -EAGAIN;
}

static void note_write(BlockNode *n, uint64_t end)
{
    uint64_t old = __atomic_load_n(&n->wr_highest, __ATOMIC_RELAXED);
    while (old < end &&
           !__atomic_compare_exchange_n(&n->wr_highest, &old, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
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

int node_flush(BlockNode *n)
{
    return n->no_flush || !n->drv->flush ? 0 : n->drv->flush(n);
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
