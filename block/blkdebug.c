/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter "blkdebug": makes requests fail, for tests. Rules come from options (inject-error.N.KEY, set-state.N.KEY)
 * or from a file of such sections (config=); the layer above tells of events, which arm rules; an armed rule fails what
 * it matches.
 *
 * It can want of requests what a disk wants: whole blocks (align=; others are padded, and what a write does not cover
 * is read first), not more than so much at once (max-transfer, max-write-zero, max-discard: they come in pieces), and
 * zeroes and discards of certain units (opt-write-zero, opt-discard: the rest is written, or not discarded). A piece
 * is what rules match.
 *
 * Rules and state are guarded by `lock`, as requests run on several threads. `padding` is held before it, by one who
 * reads, completes and writes back a block, and with align= by all writers.
 */
#include "block/node.h"

#include "util/iov.h"

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

typedef enum BlkIoType { IO_READ, IO_WRITE, IO_ZEROES, IO_DISCARD, IO_FLUSH, IO_STATUS } BlkIoType;
static const char *const iotype_names[] = {"read", "write", "write-zeroes", "discard", "flush", "block-status", NULL};
enum { IO_ALL = 0x1f }; /* where a rule names none: not the last */

typedef struct DebugState {
    char *config;
    uint64_t align, max_transfer, opt_write_zero, max_write_zero, opt_discard, max_discard; /* bytes; 0: no matter */
    GArray *rules;                                                                          /* of Rule */
    GMutex lock, padding;
    uint64_t state;
} DebugState;

static const Prop debug_props[] = {
    PROP_STR("config", DebugState, config, "file of rules"),
    PROP_SIZE("align", DebugState, align, 0, "requests are of such blocks, a power of two"),
    PROP_SIZE("max-transfer", DebugState, max_transfer, 0, "most bytes of a read or write"),
    PROP_SIZE("opt-write-zero", DebugState, opt_write_zero, 0, "zeroes are written in such units"),
    PROP_SIZE("max-write-zero", DebugState, max_write_zero, 0, "most bytes of a write of zeroes"),
    PROP_SIZE("opt-discard", DebugState, opt_discard, 0, "discards are of such units"),
    PROP_SIZE("max-discard", DebugState, max_discard, 0, "most bytes of a discard"),
    {}};

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
    Rule r = {.set_state = set_state, .event = -1, .iotypes = IO_ALL, .err = EIO, .sector = -1};
    g_array_append_val(s->rules, r);
    return &g_array_index(s->rules, Rule, s->rules->len - 1);
}

static bool set_rule(Rule *r, const char *key, const char *val, Error **errp)
{
    uint64_t u;
    if (!strcmp(key, "event")) {
        r->event = name_index(block_event_names, val);
        return r->event >= 0 || error_set(errp, "invalid parameter value: %s", val);
    }
    if (!strcmp(key, "iotype")) {
        int t = name_index(iotype_names, val);
        r->iotypes = t >= 0 ? 1u << t : 0;
        return t >= 0 || error_set(errp, "invalid parameter value: %s", val);
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

/* "take-child-perms.0": a permission on the image beyond what is needed; or one that others shall not have. */
static bool set_permission(BlockNode *n, const char *key, const Json *val, Error **errp)
{
    static const char *const names[] = {"consistent-read", "write", "write-unchanged", "resize", NULL};
    const char *s = json_get_string(val);
    int bit = s ? name_index(names, s) : -1;
    if (bit < 0)
        return error_set(errp, "Parameter '%s' does not accept value '%s'", key, s ? s : "");
    *(*key == 't' ? &n->take_perm : &n->unshare_perm) |= 1u << bit;
    return true;
}

/* "inject-error.0.event" */
static bool debug_option(BlockNode *n, const char *key, const Json *val, Error **errp)
{
    if (g_str_has_prefix(key, "take-child-perms.") || g_str_has_prefix(key, "unshare-child-perms."))
        return set_permission(n, key, val, errp);
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

/* multiple: of what the limit must be one. */
static bool check_limit(const char *name, uint64_t val, uint64_t multiple, Error **errp)
{
    return (val <= INT32_MAX && val % MAX(multiple, 1) == 0) ||
           error_set(errp, "Cannot meet constraints with %s %" PRIu64, name, val);
}

static bool check_limits(const DebugState *s, Error **errp)
{
    if (s->align & (s->align - 1) || s->align >= INT32_MAX)
        return error_set(errp, "Cannot meet constraints with align %" PRIu64, s->align);
    return check_limit("max-transfer", s->max_transfer, s->align, errp) &&
           check_limit("opt-write-zero", s->opt_write_zero, s->align, errp) &&
           check_limit("max-write-zero", s->max_write_zero, MAX(s->opt_write_zero, s->align), errp) &&
           check_limit("opt-discard", s->opt_discard, s->align, errp) &&
           check_limit("max-discard", s->max_discard, MAX(s->opt_discard, s->align), errp);
}

static void debug_event(BlockNode *n, BlockEvent ev);

static bool debug_open(BlockNode *n, Error **errp)
{
    DebugState *s = n->state;
    s->state = 1;
    if (!check_limits(s, errp) || (s->config && !read_config(s, errp)))
        return false;
    for (guint i = 0; s->rules && i < s->rules->len; i++)
        if (g_array_index(s->rules, Rule, i).event < 0)
            return error_set(errp, "Missing event name for rule");
    debug_event(n, BLOCK_EVENT_NONE);
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

/* ---- reads and writes ---- */

/* Those of an aligned request in pieces. */
static int transfer(BlockNode *n, BlkIoType type, uint64_t off, uint64_t len, const struct iovec *iov, int niov,
                    unsigned flags)
{
    const DebugState *s = n->state;
    uint64_t most = s->max_transfer ? s->max_transfer : len;
    g_autofree struct iovec *part = most < len ? g_new(struct iovec, niov) : NULL;
    int ret = 0;
    for (uint64_t done = 0; !ret && done < len; done += most) {
        uint64_t piece = MIN(most, len - done);
        int k = part ? iov_slice(part, iov, niov, done, piece) : niov;
        if (type == IO_WRITE)
            debug_event(n, BLOCK_EVENT_PWRITEV);
        ret = fails(n, type, off + done, piece);
        if (!ret && type == IO_READ)
            ret = node_preadv(n->file->node, off + done, piece, part ? part : iov, k);
        else if (!ret)
            ret = node_pwritev(n->file->node, off + done, piece, part ? part : iov, k, flags);
        if (type == IO_WRITE)
            debug_event(n, BLOCK_EVENT_PWRITEV_DONE);
    }
    return ret;
}

/* A request with the rest of its first and last block around it. */
typedef struct Padded {
    uint64_t start, len, head, tail; /* bytes */
    uint8_t *buf;                    /* head and tail */
    struct iovec *iov;
    int niov;
} Padded;

/* False: it needs none. The last block ends with the image: the layer's length counts, which a write that has just
 * ended has grown already. */
static bool pad(const BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, Padded *p)
{
    const DebugState *s = n->state;
    uint64_t a = MAX(s->align, 1), end = MIN(ROUND_UP(off + len, a), MAX(node_length(n->file->node), off + len));
    *p = (Padded){.start = ROUND_DOWN(off, a), .head = off % a, .tail = end - off - len};
    if (!p->head && !p->tail)
        return false;
    p->len = end - p->start;
    p->buf = g_malloc0(p->head + p->tail);
    p->iov = g_new(struct iovec, niov + 2);
    if (p->head)
        p->iov[p->niov++] = (struct iovec){p->buf, p->head};
    memcpy(p->iov + p->niov, iov, sizeof(*iov) * niov);
    p->niov += niov;
    if (p->tail)
        p->iov[p->niov++] = (struct iovec){p->buf + p->head, p->tail};
    return true;
}

static void pad_free(Padded *p)
{
    g_free(p->buf);
    g_free(p->iov);
}

static int debug_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    Padded p;
    if (!pad(n, off, len, iov, niov, &p))
        return transfer(n, IO_READ, off, len, iov, niov, 0);
    int ret = transfer(n, IO_READ, p.start, p.len, p.iov, p.niov, 0);
    pad_free(&p);
    return ret;
}

/* The block at off as it is, of it len bytes from `from` on into buf. */
static int read_block(BlockNode *n, uint64_t off, uint64_t from, uint8_t *buf, uint64_t len)
{
    const DebugState *s = n->state;
    uint64_t size = node_length(n->file->node), there = off < size ? MIN(s->align, size - off) : 0;
    g_autofree uint8_t *block = g_malloc0(s->align);
    struct iovec iov = {block, there};
    int ret = there ? transfer(n, IO_READ, off, there, &iov, 1, 0) : 0;
    if (!ret)
        memcpy(buf, block + from, len);
    return ret;
}

static int write_padded(BlockNode *n, Padded *p, unsigned flags)
{
    const DebugState *s = n->state;
    int ret = 0;
    if (p->head) {
        debug_event(n, BLOCK_EVENT_PWRITEV_RMW_HEAD);
        ret = read_block(n, p->start, 0, p->buf, p->head);
        debug_event(n, BLOCK_EVENT_PWRITEV_RMW_AFTER_HEAD);
    }
    if (!ret && p->tail) {
        uint64_t end = p->start + p->len, last = ROUND_DOWN(end - 1, s->align);
        debug_event(n, BLOCK_EVENT_PWRITEV_RMW_TAIL);
        ret = read_block(n, last, end - last - p->tail, p->buf + p->head, p->tail);
        debug_event(n, BLOCK_EVENT_PWRITEV_RMW_AFTER_TAIL);
    }
    return ret ? ret : transfer(n, IO_WRITE, p->start, p->len, p->iov, p->niov, flags);
}

static int debug_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    DebugState *s = n->state;
    if (s->align <= 1)
        return transfer(n, IO_WRITE, off, len, iov, niov, flags);
    Padded p;
    g_mutex_lock(&s->padding);
    bool padded = pad(n, off, len, iov, niov, &p);
    int ret = padded ? write_padded(n, &p, flags) : transfer(n, IO_WRITE, off, len, iov, niov, flags);
    g_mutex_unlock(&s->padding);
    if (padded)
        pad_free(&p);
    return ret;
}

static int debug_flush(BlockNode *n)
{
    int ret = fails(n, IO_FLUSH, 0, 0);
    return ret ? ret : node_flush(n->file->node);
}

/* ---- discards and zeroes ---- */

/* The whole units of a range; none: *start == *end. */
static void whole_units(uint64_t off, uint64_t len, uint64_t unit, uint64_t *start, uint64_t *end)
{
    *start = ROUND_UP(off, unit);
    *end = ROUND_DOWN(off + len, unit);
    if (*start >= *end)
        *start = *end = off + len;
}

static uint64_t unit_of(uint64_t opt, uint64_t align)
{
    return opt ? opt : MAX(align, 1);
}

static int debug_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    const DebugState *s = n->state;
    uint64_t at, end, most = s->max_discard ? s->max_discard : len;
    int ret = 0;
    whole_units(off, len, unit_of(s->opt_discard, s->align), &at, &end);
    for (; !ret && at < end; at += most) {
        ret = fails(n, IO_DISCARD, at, MIN(most, end - at));
        ret = ret ? ret : node_discard(n->file->node, at, MIN(most, end - at));
    }
    return ret;
}

static int write_zero_data(BlockNode *n, uint64_t off, uint64_t end)
{
    int ret = 0;
    for (; !ret && off < end; off += MIN(MIB, end - off)) {
        uint64_t piece = MIN(MIB, end - off);
        g_autofree uint8_t *zero = g_malloc0(piece);
        struct iovec iov = {zero, piece};
        ret = debug_pwritev(n, off, piece, &iov, 1, 0);
    }
    return ret;
}

static int debug_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    const DebugState *s = n->state;
    uint64_t start, end, most = s->max_write_zero ? s->max_write_zero : len;
    whole_units(off, len, unit_of(s->opt_write_zero, s->align), &start, &end);
    int ret = write_zero_data(n, off, MIN(start, off + len));
    for (uint64_t at = start; !ret && at < end; at += most) {
        uint64_t piece = MIN(most, end - at);
        debug_event(n, BLOCK_EVENT_PWRITEV_ZERO);
        ret = fails(n, IO_ZEROES, at, piece);
        ret = ret ? ret : node_write_zeroes(n->file->node, at, piece, flags);
        debug_event(n, BLOCK_EVENT_PWRITEV_DONE);
    }
    return ret ? ret : write_zero_data(n, end, off + len);
}

static int debug_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st)
{
    int ret = fails(n, IO_STATUS, off, len);
    return ret ? ret : node_status(n->file->node, off, len, st);
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
    .status = debug_status,
};
