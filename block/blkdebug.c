/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter "blkdebug": makes requests fail, for tests. Rules come from options (inject-error.N.KEY, set-state.N.KEY)
 * or from a file of such sections (config=); the layer above tells of events, which arm rules; an armed rule fails what
 * it matches.
 *
 * All of it is guarded by the state's lock, as requests run on several threads.
 */
#include "block/node.h"

#include <errno.h>

typedef struct Rule {
    bool set_state;
    int event;      /* index in block_event_names */
    uint64_t state; /* 0: any */
    uint64_t new_state;
    unsigned iotypes; /* bits of BlkIoType */
    int err;
    int64_t sector; /* -1: any */
    bool once, armed, spent;
} Rule;

typedef enum BlkIoType { IO_READ, IO_WRITE, IO_ZEROES, IO_DISCARD, IO_FLUSH } BlkIoType;
static const char *const iotype_names[] = {"read", "write", "write-zeroes", "discard", "flush", NULL};

typedef struct DebugState {
    char *config;
    GArray *rules; /* of Rule */
    GMutex lock;
    uint64_t state;
} DebugState;

static const Prop debug_props[] = {PROP_STR("config", DebugState, config, "file of rules"), {}};

static int name_index(const char *const *names, const char *s)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], s))
            return i;
    return -1;
}

/* The rule number n of a kind, made where it is the next one. */
static Rule *rule_at(DebugState *s, bool set_state, unsigned n)
{
    if (!s->rules)
        s->rules = g_array_new(false, true, sizeof(Rule));
    unsigned k = 0;
    for (guint i = 0; i < s->rules->len; i++) {
        Rule *r = &g_array_index(s->rules, Rule, i);
        if (r->set_state == set_state && k++ == n)
            return r;
    }
    if (k != n || n > 1000)
        return NULL;
    Rule r = {.set_state = set_state, .event = -1, .iotypes = 0x1f, .err = EIO, .sector = -1};
    g_array_append_val(s->rules, r);
    return &g_array_index(s->rules, Rule, s->rules->len - 1);
}

static bool set_rule(Rule *r, const char *key, const char *val, Error **errp)
{
    uint64_t u;
    if (!strcmp(key, "event")) {
        r->event = name_index(block_event_names, val);
        return r->event >= 0 || error_set(errp, "blkdebug: the event '%s' does not happen here", val);
    }
    if (!strcmp(key, "iotype")) {
        int t = name_index(iotype_names, val);
        r->iotypes = t >= 0 ? 1u << t : 0;
        return t >= 0 || error_set(errp, "blkdebug: iotype '%s' is not known", val);
    }
    if (!strcmp(key, "once") || !strcmp(key, "immediately")) {
        bool b;
        if (!parse_bool(val, &b))
            return error_set(errp, "blkdebug: '%s' expects 'on' or 'off'", key);
        if (*key == 'o')
            r->once = b;
        return true;
    }
    if (!parse_u64(val, &u))
        return error_set(errp, "blkdebug: '%s' expects a number, not '%s'", key, val);
    if (!strcmp(key, "state"))
        r->state = u;
    else if (!strcmp(key, "new_state"))
        r->new_state = u;
    else if (!strcmp(key, "errno"))
        r->err = (int)MIN(u, 4095);
    else if (!strcmp(key, "sector"))
        r->sector = (int64_t)MIN(u, INT64_MAX);
    else
        return error_set(errp, "blkdebug: a rule has no '%s'", key);
    return true;
}

/* "inject-error.0.event" */
static bool debug_option(BlockNode *n, const char *key, const Json *val, Error **errp)
{
    bool inject = g_str_has_prefix(key, "inject-error."), state = g_str_has_prefix(key, "set-state.");
    if (!inject && !state)
        return error_set(errp, "Parameter '%s' is unexpected", key);
    char *end;
    guint64 index = g_ascii_strtoull(strchr(key, '.') + 1, &end, 10);
    Rule *r = *end == '.' && index < 1000 ? rule_at(n->state, state, (unsigned)index) : NULL;
    bool b;
    uint64_t u;
    g_autofree char *text = json_get_string(val)     ? g_strdup(json_get_string(val))
                            : json_get_bool(val, &b) ? g_strdup(b ? "on" : "off")
                            : json_get_uint(val, &u) ? g_strdup_printf("%" PRIu64, u)
                                                     : NULL;
    if (!r || !text)
        return error_set(errp, "Parameter '%s' is unexpected", key);
    return set_rule(r, end + 1, text, errp);
}

/* [inject-error] and [set-state] sections of key = "value" lines. */
static bool read_config(DebugState *s, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) gerr = NULL;
    if (!g_file_get_contents(s->config, &text, NULL, &gerr))
        return error_set(errp, "Could not read blkdebug config file: %s", gerr->message);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Rule *r = NULL;
    for (char **l = lines; *l; l++) {
        g_strstrip(*l);
        if (!**l || **l == '#')
            continue;
        if (**l == '[') {
            bool state = !strcmp(*l, "[set-state]");
            if (!state && strcmp(*l, "[inject-error]"))
                return error_set(errp, "%s: section %s is not known", s->config, *l);
            unsigned count = 0;
            for (guint i = 0; s->rules && i < s->rules->len; i++)
                count += g_array_index(s->rules, Rule, i).set_state == state;
            r = rule_at(s, state, count);
            continue;
        }
        char *eq = strchr(*l, '=');
        if (!r || !eq)
            return error_set(errp, "%s: '%s' is no key = \"value\" in a section", s->config, *l);
        *eq = 0;
        char *val = g_strstrip(eq + 1);
        size_t len = strlen(val);
        if (len >= 2 && *val == '"' && val[len - 1] == '"') {
            val[len - 1] = 0;
            val++;
        }
        if (!set_rule(r, g_strstrip(*l), val, errp))
            return false;
    }
    return true;
}

static bool debug_open(BlockNode *n, Error **errp)
{
    DebugState *s = n->state;
    s->state = 1;
    if (s->config && !read_config(s, errp))
        return false;
    for (guint i = 0; s->rules && i < s->rules->len; i++) {
        Rule *r = &g_array_index(s->rules, Rule, i);
        if (r->event < 0)
            return error_set(errp, "blkdebug: a rule lacks its event");
        r->armed = !strcmp(block_event_names[r->event], "none");
    }
    n->length = node_length(n->file->node);
    n->read_only |= n->file->node->read_only;
    n->filename = g_strdup(n->file->node->filename);
    return true;
}

static void debug_forget(BlockNode *n)
{
    DebugState *s = n->state;
    if (s->rules)
        g_array_free(s->rules, true);
}

static void debug_event(BlockNode *n, BlockEvent ev)
{
    DebugState *s = n->state;
    g_mutex_lock(&s->lock);
    uint64_t now = s->state;
    bool first = true;
    for (guint i = 0; s->rules && i < s->rules->len; i++) {
        Rule *r = &g_array_index(s->rules, Rule, i);
        if (r->event != (int)ev || (r->state && r->state != now))
            continue;
        if (r->set_state) {
            s->state = r->new_state;
            continue;
        }
        for (guint k = 0; first && k < s->rules->len; k++)
            g_array_index(s->rules, Rule, k).armed = false; /* an event's rules replace those of the one before */
        first = false;
        r->armed = !r->spent;
    }
    g_mutex_unlock(&s->lock);
}

static int fails(BlockNode *n, BlkIoType type, uint64_t off, uint64_t len)
{
    DebugState *s = n->state;
    int err = 0;
    g_mutex_lock(&s->lock);
    for (guint i = 0; s->rules && i < s->rules->len && !err; i++) {
        Rule *r = &g_array_index(s->rules, Rule, i);
        uint64_t at = (uint64_t)r->sector * BLOCK_SECTOR;
        if (!r->armed || r->set_state || r->spent || !(r->iotypes >> type & 1) ||
            (r->sector >= 0 && (at < off || at >= off + len)))
            continue;
        err = r->err;
        r->spent = r->once;
    }
    g_mutex_unlock(&s->lock);
    return -err;
}

static int debug_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    int ret = fails(n, IO_READ, off, len);
    return ret ? ret : node_preadv(n->file->node, off, len, iov, niov);
}

static int debug_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    int ret = fails(n, IO_WRITE, off, len);
    return ret ? ret : node_pwritev(n->file->node, off, len, iov, niov, flags);
}

static int debug_flush(BlockNode *n)
{
    int ret = fails(n, IO_FLUSH, 0, 0);
    return ret ? ret : node_flush(n->file->node);
}

static int debug_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    int ret = fails(n, IO_DISCARD, off, len);
    return ret ? ret : node_discard(n->file->node, off, len);
}

static int debug_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    int ret = fails(n, IO_ZEROES, off, len);
    return ret ? ret : node_write_zeroes(n->file->node, off, len, flags);
}

static bool debug_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    if (!node_truncate(n->file->node, size, errp))
        return false;
    __atomic_store_n(&n->length, node_length(n->file->node), __ATOMIC_RELAXED);
    return true;
}

const BlockDriver block_blkdebug = {
    .name = "blkdebug",
    .summary = "failures on demand",
    .size = sizeof(DebugState),
    .props = debug_props,
    .has_file = true,
    .child_name = "image",
    .is_filter = true,
    .inline_io = true,
    .grows = true,
    .open = debug_open,
    .forget = debug_forget,
    .option = debug_option,
    .event = debug_event,
    .preadv = debug_preadv,
    .pwritev = debug_pwritev,
    .flush = debug_flush,
    .discard = debug_discard,
    .write_zeroes = debug_zeroes,
    .truncate = debug_truncate,
};
