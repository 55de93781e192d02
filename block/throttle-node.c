/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter "throttle", a node whose requests wait for the limits of a group, and the object "throttle-group", which
 * makes a group and sets its limits; a -drive of the same group shares them. What a request here waits for it waits
 * for on its worker thread.
 *
 * The object's x-* properties are the limits one by one, settable until it is complete; "limits" is all of them.
 * What is wrong with a value is said by complete() or runtime_set(), in QEMU's words.
 */
#include "block/backend.h"
#include "block/throttle.h"
#include "hw/core/object.h"

typedef struct ThrottleNode {
    char *group_name;
    ThrottleGroup *group;
    int open; /* > 0: drained; the group's lock */
} ThrottleNode;

static const Prop node_props[] = {PROP_STR("throttle-group", ThrottleNode, group_name, "the group whose limits it has"),
                                  {}};

static bool throttle_node_open(BlockNode *n, Error **errp)
{
    ThrottleNode *s = n->state;
    if (!throttle_group_exists(s->group_name))
        return error_set(errp, "Throttle group '%s' does not exist", s->group_name);
    s->group = throttle_group_get(s->group_name);
    n->length = node_length(n->file->node);
    n->read_only |= n->file->node->read_only;
    n->filename = g_strdup(n->file->node->filename);
    return true;
}

static void throttle_node_close(BlockNode *n)
{
    throttle_group_unref(((ThrottleNode *)n->state)->group);
}

static void throttle_node_drain(BlockNode *n, bool on)
{
    ThrottleNode *s = n->state;
    throttle_open(s->group, &s->open, on ? 1 : -1);
}

static BlockNode *limited(BlockNode *n, bool write, uint64_t len)
{
    ThrottleNode *s = n->state;
    throttle_wait(s->group, write, len, &s->open);
    return n->file->node;
}

static int throttle_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    return node_preadv(limited(n, false, len), off, len, iov, niov);
}

static int throttle_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    return node_pwritev(limited(n, true, len), off, len, iov, niov, flags);
}

static int throttle_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    return node_discard(limited(n, true, len), off, len);
}

static int throttle_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    return node_write_zeroes(limited(n, true, len), off, len, flags);
}

static int throttle_flush(BlockNode *n)
{
    return node_flush(n->file->node);
}

static bool throttle_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    if (!node_truncate(n->file->node, size, errp))
        return false;
    __atomic_store_n(&n->length, node_length(n->file->node), __ATOMIC_RELAXED);
    return true;
}

const BlockDriver block_throttle = {
    .name = "throttle",
    .summary = "limits of bytes and requests a second",
    .size = sizeof(ThrottleNode),
    .props = node_props,
    .required = "throttle-group",
    .has_file = true,
    .is_filter = true,
    .grows = true,
    .open = throttle_node_open,
    .close = throttle_node_close,
    .drain = throttle_node_drain,
    .preadv = throttle_preadv,
    .pwritev = throttle_pwritev,
    .flush = throttle_flush,
    .discard = throttle_discard,
    .write_zeroes = throttle_zeroes,
    .truncate = throttle_truncate,
};

/* ---- the object ---- */

typedef struct ThrottleObject {
    Object obj;
    ThrottleLimits limits; /* what was set; once it is complete the group's count */
    char *wrong;           /* about the values set since the last complete() or runtime_set() */
    ThrottleGroup *group;
} ThrottleObject;

/* The x-* property that is limits' member of the name; NULL: there is none. */
static const Prop *member(const ThrottleObject *t, const char *name)
{
    for (const Prop *p = t->obj.desc->props; p->name; p++)
        if (g_str_has_prefix(p->name, "x-") && !strcmp(p->name + 2, name))
            return p;
    return NULL;
}

/* The limit that an x-* property is. */
static uint64_t *limit_of(ThrottleLimits *l, const Prop *p)
{
    return (uint64_t *)(void *)((char *)l + p->offset - offsetof(ThrottleObject, limits));
}

static ThrottleLimits current(const ThrottleObject *t)
{
    return t->group ? throttle_group_limits(t->group) : t->limits;
}

static void say(ThrottleObject *t, char *what) /* the first counts */
{
    if (t->wrong)
        g_free(what);
    else
        t->wrong = what;
}

static bool report(ThrottleObject *t, Error **errp)
{
    g_autofree char *wrong = g_steal_pointer(&t->wrong);
    return !wrong || error_set(errp, "%s", wrong);
}

static bool read_number(const Json *val, bool from_text, int64_t *out)
{
    const char *s = json_get_string(val);
    uint64_t u;
    bool minus = s && *s == '-';
    if (!from_text || !s)
        return json_get_int(val, out);
    if (!parse_u64(s + minus, &u) || u > INT64_MAX)
        return false;
    *out = minus ? -(int64_t)u : (int64_t)u;
    return true;
}

static bool one_set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    ThrottleObject *t = obj;
    int64_t v;
    if (!read_number(val, from_text, &v))
        return error_set(errp, "a number expected");
    if (t->group)
        say(t, g_strdup("Property cannot be set after initialization"));
    else if (v < 0)
        say(t, g_strdup("Property values cannot be negative"));
    else if (v > UINT32_MAX && g_str_has_suffix(p->name, "-length"))
        say(t, g_strdup_printf("%s value must be in the range [0, %u]", p->name, UINT32_MAX));
    else
        *limit_of(&t->limits, p) = (uint64_t)v;
    return true;
}

static Json *one_get(const void *obj, const Prop *p)
{
    ThrottleLimits l = current(obj);
    return json_uint(*limit_of(&l, p));
}

static bool all_set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    ThrottleObject *t = obj;
    if (json_type(val) != JSON_OBJECT)
        return error_set(errp, "an object expected");
    t->limits = current(t);
    for (size_t i = 0; i < json_length(val); i++) {
        const char *key = json_key_at(val, i);
        const Prop *m = member(t, key);
        int64_t v;

        if (!m)
            say(t, g_strdup_printf("Parameter 'limits.%s' is unexpected", key));
        else if (!read_number(json_val_at(val, i), from_text, &v))
            say(t, g_strdup_printf("Invalid parameter type for 'limits.%s', expected: integer", key));
        else if (g_str_has_suffix(key, "-length") && (v < 0 || v > UINT32_MAX))
            say(t, g_strdup_printf("%s value must be in the range [0, %u]", key, UINT32_MAX));
        else /* a negative one is far above the greatest */
            *limit_of(&t->limits, m) = (uint64_t)v;
    }
    return true;
}

static Json *all_get(const void *obj, const Prop *p)
{
    const ThrottleObject *t = obj;
    ThrottleLimits l = current(t);
    Json *o = json_object();

    for (const Prop *m = t->obj.desc->props; m->name; m++)
        if (g_str_has_prefix(m->name, "x-"))
            json_set(o, m->name + 2, json_uint(*limit_of(&l, m)));
    return o;
}

static void all_default(void *obj, const Prop *p)
{
    for (int i = 0; i < THROTTLE_KINDS; i++)
        ((ThrottleObject *)obj)->limits.length[i] = 1;
}

static void all_release(void *obj, const Prop *p)
{
    g_free(((ThrottleObject *)obj)->wrong);
}

extern const PropType prop_throttle_one, prop_throttle_all;
const PropType prop_throttle_one = {.name = "int", .set = one_set, .get = one_get};
const PropType prop_throttle_all = {
    .name = "ThrottleLimits", .set = all_set, .get = all_get, .release = all_release, .set_default = all_default};

static bool one_changed(void *obj, const Prop *p, Error **errp)
{
    return report(obj, errp);
}

static bool all_changed(void *obj, const Prop *p, Error **errp)
{
    ThrottleObject *t = obj;
    if (!report(t, errp) || !throttle_check(&t->limits, errp))
        return false;
    throttle_group_set(t->group, &t->limits);
    return true;
}

static bool throttle_complete(Object *o, Error **errp)
{
    ThrottleObject *t = container_of(o, ThrottleObject, obj);
    if (!report(t, errp))
        return false;
    if (throttle_group_exists(o->id))
        return error_set(errp, "A group with this name already exists");
    if (!throttle_check(&t->limits, errp))
        return false;
    ThrottleGroup *g = throttle_group_get(o->id);
    throttle_group_set(g, &t->limits);
    throttle_group_set_object(g, o);
    t->group = g;
    return true;
}

static void throttle_destroy(Object *o)
{
    ThrottleObject *t = container_of(o, ThrottleObject, obj);
    throttle_group_set_object(t->group, NULL);
    throttle_group_unref(t->group);
}

#define ONE(name, member)                                                                                              \
    PROP_(prop_throttle_one, name, ThrottleObject, limits.member, "a limit", .no_default = true,                       \
          .runtime_set = one_changed)
#define KIND(name, kind)                                                                                               \
    ONE("x-" name, avg[kind]), ONE("x-" name "-max", max[kind]), ONE("x-" name "-max-length", length[kind])

static const Prop object_props[] = {
    PROP_(prop_throttle_all, "limits", ThrottleObject, limits, "all of them", .runtime_set = all_changed),
    KIND("iops-total", THROTTLE_IOPS_TOTAL),
    KIND("iops-read", THROTTLE_IOPS_READ),
    KIND("iops-write", THROTTLE_IOPS_WRITE),
    KIND("bps-total", THROTTLE_BPS_TOTAL),
    KIND("bps-read", THROTTLE_BPS_READ),
    KIND("bps-write", THROTTLE_BPS_WRITE),
    ONE("x-iops-size", iops_size),
    {},
};

const ObjectDesc object_throttle_group = {
    .name = "throttle-group",
    .summary = "limits that block devices share",
    .size = sizeof(ThrottleObject),
    .props = object_props,
    .complete = throttle_complete,
    .destroy = throttle_destroy,
};
