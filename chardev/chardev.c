/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: the registry, and what all back ends share: attaching, the output queue and log, write watches.
 *
 * Output: front end -> char_write -> [mux] -> lock -> queue, if any is left -> driver's write -> host
 * Input:  main loop -> driver -> char_input -> [mux] -> front end's receive
 */
#include "chardev/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <glib-unix.h>

#include "hw/core/prop.h"
#include "util/fds.h"

static GPtrArray *chardevs; /* of Chardev *, in order of creation */
bool chardev_daemonized;

/* --- output --- */

static size_t queue_left(const Chardev *c)
{
    return c->queue ? c->queue->len - c->queue_head : 0;
}

static void queue_clear(Chardev *c)
{
    if (c->queue)
        g_byte_array_set_size(c->queue, 0);
    c->queue_head = 0;
}

static gboolean broken_cb(gpointer opaque)
{
    Chardev *c = opaque;
    g_mutex_lock(&c->lock);
    c->broken_id = 0;
    bool dead = c->dead; /* the main loop may have found out, and a new peer may have come */
    g_mutex_unlock(&c->lock);
    if (dead && c->drv->broken)
        c->drv->broken(c);
    return G_SOURCE_REMOVE;
}

/* Under c->lock. A failed write takes everything: the peer is gone, or will be when the main loop hears of it; where
 * there is no peer that could come again (a full disk), what comes later is tried anew. */
static size_t write_locked(Chardev *c, const uint8_t *buf, size_t len)
{
    if (!c->open || c->dead || !c->drv->write)
        return len;
    ssize_t n = c->drv->write(c, buf, len);
    if (n >= 0) {
        if (n)
            c->warned = false;
        return n;
    }
    if (!c->drv->broken) {
        if (!c->warned)
            warn_report("chardev %s: output is lost: %s", c->id, g_strerror((int)-n));
        c->warned = true;
        return len;
    }
    c->dead = true;
    queue_clear(c);
    if (!c->broken_id)
        c->broken_id = g_idle_add_full(G_PRIORITY_DEFAULT, broken_cb, c, NULL);
    return len;
}

/* Under c->lock: write from the queue what goes; true when it is empty. */
static bool queue_drain(Chardev *c)
{
    while (queue_left(c)) {
        size_t n = write_locked(c, c->queue->data + c->queue_head, queue_left(c));
        if (!n)
            return false;
        c->queue_head += MIN(n, queue_left(c));
    }
    queue_clear(c);
    return true;
}

static gboolean drain_cb(gint fd, GIOCondition cond, gpointer opaque)
{
    Chardev *c = opaque;
    g_mutex_lock(&c->lock);
    bool done = queue_drain(c);
    if (done)
        c->drain_id = 0;
    g_mutex_unlock(&c->lock);
    return done ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void queue_append(Chardev *c, const void *buf, size_t len)
{
    if (!c->queue)
        c->queue = g_byte_array_new();
    if (c->queue_head && c->queue_head > c->queue->len / 2) {
        g_byte_array_remove_range(c->queue, 0, c->queue_head);
        c->queue_head = 0;
    }
    g_byte_array_append(c->queue, buf, len);
    if (!c->drain_id)
        c->drain_id = g_unix_fd_add(c->drv->write_fd(c), G_IO_OUT | G_IO_HUP | G_IO_ERR, drain_cb, c);
}

/* A log that cannot be written must not stop the VM; what comes later is tried anew. */
static void log_output(Chardev *c, const uint8_t *buf, size_t len)
{
    while (c->log_fd >= 0 && len) {
        ssize_t n = write(c->log_fd, buf, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (!c->log_warned)
                warn_report("chardev %s: logfile: %s", c->id, g_strerror(errno));
            c->log_warned = true;
            return;
        }
        c->log_warned = false;
        buf += n;
        len -= n;
    }
}

ssize_t char_write(CharFrontend *fe, const void *buf, size_t len)
{
    Chardev *c = fe->chr;
    if (!c || !len)
        return len;
    if (c->drv->forward)
        return c->drv->forward(c, buf, len, false);
    g_mutex_lock(&c->lock);
    size_t n = queue_drain(c) ? write_locked(c, buf, len) : 0;
    log_output(c, buf, n);
    g_mutex_unlock(&c->lock);
    return n;
}

void char_write_all(CharFrontend *fe, const void *buf, size_t len)
{
    Chardev *c = fe->chr;
    if (!c || !len)
        return;
    if (c->drv->forward) {
        c->drv->forward(c, buf, len, true);
        return;
    }
    g_mutex_lock(&c->lock);
    const uint8_t *p = buf;
    size_t left = len;
    while (left && queue_drain(c)) {
        size_t n = write_locked(c, p, left);
        if (!n)
            break;
        p += n;
        left -= n;
    }
    if (left && queue_left(c) + left > CHAR_QUEUE_MAX) {
        if (c->drv->broken) {
            c->dead = true;
            queue_clear(c);
            if (!c->broken_id)
                c->broken_id = g_idle_add_full(G_PRIORITY_DEFAULT, broken_cb, c, NULL);
        }
    } else if (left) {
        queue_append(c, p, left);
    }
    log_output(c, buf, len);
    g_mutex_unlock(&c->lock);
}

bool char_queue_flush(Chardev *c, int64_t deadline_us)
{
    g_mutex_lock(&c->lock);
    while (!queue_drain(c)) {
        int64_t left = (deadline_us - g_get_monotonic_time()) / 1000;
        struct pollfd p = {.fd = c->drv->write_fd(c), .events = POLLOUT};
        if (left <= 0 || (poll(&p, 1, left) < 0 && errno != EINTR))
            break;
    }
    bool empty = !queue_left(c);
    g_mutex_unlock(&c->lock);
    return empty;
}

/* --- waiting to write --- */

typedef struct WriteWatch {
    GSource source;
    Chardev *chr; /* NULL: it is gone */
    void (*fn)(void *opaque);
    void *opaque;
    gpointer tag; /* of the descriptor, NULL: none */
} WriteWatch;

static gboolean watch_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    WriteWatch *w = (WriteWatch *)source;
    Chardev *c = w->chr;
    if (c) {
        g_mutex_lock(&c->lock);
        bool full = !queue_drain(c) && w->tag;
        g_mutex_unlock(&c->lock);
        if (full)
            return G_SOURCE_CONTINUE;
    }
    w->fn(w->opaque);
    return G_SOURCE_REMOVE;
}

static void watch_finalize(GSource *source)
{
    WriteWatch *w = (WriteWatch *)source;
    if (w->chr)
        w->chr->watches = g_slist_remove(w->chr->watches, w);
}

static GSourceFuncs watch_funcs = {.dispatch = watch_dispatch, .finalize = watch_finalize};

unsigned char_watch_writable(CharFrontend *fe, void (*fn)(void *opaque), void *opaque)
{
    Chardev *c = fe->chr;
    while (c && c->drv->base)
        c = c->drv->base(c)->chr;
    if (!c)
        return 0;
    WriteWatch *w = (WriteWatch *)g_source_new(&watch_funcs, sizeof(WriteWatch));
    w->chr = c;
    w->fn = fn;
    w->opaque = opaque;
    c->watches = g_slist_prepend(c->watches, w);
    if (c->open && c->drv->write_fd)
        w->tag = g_source_add_unix_fd(&w->source, c->drv->write_fd(c), G_IO_OUT | G_IO_HUP | G_IO_ERR);
    else
        g_source_set_ready_time(&w->source, 0);
    unsigned id = g_source_attach(&w->source, NULL);
    g_source_unref(&w->source);
    return id;
}

/* The descriptor goes: who waits for it is told that output is taken (and dropped) now. */
static void watches_release(Chardev *c)
{
    for (GSList *l = c->watches; l; l = l->next) {
        WriteWatch *w = l->data;
        if (w->tag)
            g_source_remove_unix_fd(&w->source, w->tag);
        w->tag = NULL;
        g_source_set_ready_time(&w->source, 0);
    }
}

/* --- input and events --- */

size_t char_can_receive(Chardev *c)
{
    const CharHandlers *h = c->fe ? c->fe->handlers : NULL;
    if (!h || !h->receive)
        return 0;
    return h->can_receive ? h->can_receive(c->fe->opaque) : SIZE_MAX;
}

void char_input(Chardev *c, const uint8_t *buf, size_t len)
{
    const CharHandlers *h = c->fe ? c->fe->handlers : NULL;
    if (h && h->receive && len)
        h->receive(c->fe->opaque, buf, len);
}

void char_event(Chardev *c, CharEvent ev)
{
    const CharHandlers *h = c->fe ? c->fe->handlers : NULL;
    if (h && h->event)
        h->event(c->fe->opaque, ev);
}

void char_set_connected(Chardev *c, bool open)
{
    g_mutex_lock(&c->lock);
    bool was = c->open;
    c->open = open;
    c->dead = false;
    unsigned drain = 0;
    if (!open) {
        queue_clear(c);
        drain = c->drain_id;
        c->drain_id = 0;
    }
    g_mutex_unlock(&c->lock);
    if (drain)
        g_source_remove(drain);
    if (!open)
        watches_release(c);
    if (open != was)
        char_event(c, open ? CHAR_OPENED : CHAR_CLOSED);
}

/* --- front ends --- */

bool char_attach(CharFrontend *fe, Chardev *chr, const CharHandlers *h, void *opaque, Error **errp)
{
    if (chr && chr->drv->attach) {
        if (!chr->drv->attach(chr, fe, errp))
            return false;
    } else if (chr) {
        if (chr->fe)
            return error_set(errp, "Device '%s' is in use", chr->id);
        chr->fe = fe;
    }
    fe->chr = chr;
    if (h)
        char_set_handlers(fe, h, opaque);
    return true;
}

void char_set_handlers(CharFrontend *fe, const CharHandlers *h, void *opaque)
{
    fe->handlers = h;
    fe->opaque = opaque;
    Chardev *c = fe->chr;
    if (!c)
        return;
    char_set_open(fe, h != NULL);
    if (c->drv->handlers) {
        c->drv->handlers(c, fe);
        return;
    }
    if (h && c->open)
        char_event(c, CHAR_OPENED);
    if (c->drv->update)
        c->drv->update(c);
}

void char_detach(CharFrontend *fe)
{
    Chardev *c = fe->chr;
    if (!c)
        return;
    char_set_handlers(fe, NULL, NULL);
    if (c->drv->detach)
        c->drv->detach(c, fe);
    else
        c->fe = NULL;
    fe->chr = NULL;
}

bool char_connected(const CharFrontend *fe)
{
    return fe->chr != NULL;
}

void char_accept_input(CharFrontend *fe)
{
    if (fe->chr && fe->chr->drv->update)
        fe->chr->drv->update(fe->chr);
}

void char_set_open(CharFrontend *fe, bool open)
{
    if (fe->chr)
        fe->chr->fe_open = open;
}

/* The back end that does it: below any mux. */
static Chardev *bottom(CharFrontend *fe)
{
    Chardev *c = fe->chr;
    while (c && c->drv->base)
        c = c->drv->base(c)->chr;
    return c;
}

bool char_serial_params(CharFrontend *fe, unsigned baud, char parity, unsigned data_bits, unsigned stop_bits)
{
    Chardev *c = bottom(fe);
    return c && c->drv->serial_params && c->drv->serial_params(c, baud, parity, data_bits, stop_bits);
}

bool char_set_break(CharFrontend *fe, bool on)
{
    Chardev *c = bottom(fe);
    return c && c->drv->set_break && c->drv->set_break(c, on);
}

int char_get_modem(CharFrontend *fe)
{
    Chardev *c = bottom(fe);
    return c && c->drv->get_modem ? c->drv->get_modem(c) : -ENOTSUP;
}

int char_set_modem(CharFrontend *fe, int bits)
{
    Chardev *c = bottom(fe);
    return c && c->drv->set_modem ? c->drv->set_modem(c, bits) : -ENOTSUP;
}

int char_take_fds(CharFrontend *fe, int *fds, int max)
{
    Chardev *c = bottom(fe);
    return c && c->drv->take_fds ? c->drv->take_fds(c, fds, max) : 0;
}

bool char_send_fds(CharFrontend *fe, const int *fds, int n)
{
    Chardev *c = bottom(fe);
    return c && c->drv->send_fds && c->drv->send_fds(c, fds, n);
}

/* --- the registry --- */

Chardev *chardev_find(const char *id)
{
    for (unsigned i = 0; id && chardevs && i < chardevs->len; i++) {
        Chardev *c = g_ptr_array_index(chardevs, i);
        if (!strcmp(c->id, id))
            return c;
    }
    return NULL;
}

const char *chardev_id(const Chardev *chr)
{
    return chr->id;
}

bool chardev_is_mux(const Chardev *chr)
{
    return chr->drv->base != NULL;
}

const CharDriver *chardev_driver_find(const char *name)
{
    for (unsigned i = 0; chardev_table[i]; i++) {
        const CharDriver *d = chardev_table[i];
        if (!strcmp(d->name, name) || (d->alias && !strcmp(d->alias, name)))
            return d;
    }
    return NULL;
}

static void chardev_free(Chardev *c)
{
    char_set_connected(c, false);
    if (c->opened && c->drv->close)
        c->drv->close(c);
    if (c->broken_id)
        g_source_remove(c->broken_id);
    for (GSList *l = c->watches; l; l = l->next)
        ((WriteWatch *)l->data)->chr = NULL;
    g_slist_free(c->watches);
    if (c->log_fd >= 0)
        close(c->log_fd);
    if (c->queue)
        g_byte_array_free(c->queue, true);
    g_mutex_clear(&c->lock);
    g_free(c->id);
    g_free(c);
}

static bool id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(id[0]))
        return false;
    for (const char *p = id; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("-._", *p))
            return false;
    }
    return true;
}

static const char *const common_options[] = {"id", "backend", "mux", "logfile", "logappend", NULL};

/* QEMU takes any back end's option for any other and ignores it; a typing mistake is an error, a misplaced option a
 * warning. */
static bool check_options(const CharDriver *d, const Json *opts, Error **errp)
{
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i);
        if (g_strv_contains(common_options, key) || (d->options && g_strv_contains(d->options, key)))
            continue;
        bool known = false;
        for (unsigned k = 0; chardev_table[k] && !known; k++)
            known = chardev_table[k]->options && g_strv_contains(chardev_table[k]->options, key);
        if (!known)
            return error_set(errp, "Invalid parameter '%s'", key);
        warn_report("chardev %s: '%s' has no option '%s': it is ignored", opt_str(opts, "id"), d->name, key);
    }
    return true;
}

static Chardev *create(const CharDriver *d, const char *id, const Json *opts, Error **errp)
{
    Chardev *c = g_malloc0(d->size);
    c->drv = d;
    c->id = g_strdup(id);
    c->log_fd = -1;
    g_mutex_init(&c->lock);
    const char *log = opt_str(opts, "logfile");
    bool append = false, ok = opt_bool(opts, "logappend", &append, errp);
    if (ok && log && !d->base) {
        int fd = file_open(log, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
        if (fd < 0)
            ok = error_set_errno(errp, -fd, "Could not create '%s'", log);
        else
            c->log_fd = fd;
    }
    c->opened = ok;
    if (!ok || (d->open && !d->open(c, opts, errp))) {
        chardev_free(c);
        return NULL;
    }
    if (!chardevs)
        chardevs = g_ptr_array_new();
    g_ptr_array_add(chardevs, c);
    return c;
}

Chardev *chardev_new(const Json *opts, Error **errp)
{
    const char *id = opt_str(opts, "id"), *name = opt_str(opts, "backend");
    if (!id) {
        error_set(errp, "chardev: no id specified");
        return NULL;
    }
    if (!name) {
        error_set(errp, "chardev: \"%s\" missing backend", id);
        return NULL;
    }
    if (!id_wellformed(id)) {
        error_set(errp, "Parameter 'id' expects an identifier");
        error_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
        return NULL;
    }
    if (chardev_find(id)) {
        error_set(errp, "Duplicate ID '%s' for chardev", id);
        return NULL;
    }
    const CharDriver *d = chardev_driver_find(name);
    if (!d) {
        error_set(errp, "'%s' is not a valid char driver name", name);
        error_hint(errp, "-chardev help lists those that there are");
        return NULL;
    }
    bool mux = false;
    if (!check_options(d, opts, errp) || !opt_bool(opts, "mux", &mux, errp))
        return NULL;
    signal(SIGPIPE, SIG_IGN); /* a peer that went is an error code */
    if (!mux || d == &chardev_mux)
        return create(d, id, opts, errp);

    g_autofree char *base = g_strdup_printf("%s-base", id);
    if (chardev_find(base)) {
        error_set(errp, "Duplicate ID '%s' for chardev", base);
        return NULL;
    }
    if (!create(d, base, opts, errp))
        return NULL;
    g_autoptr(Json) mux_opts = json_object();
    json_set_str(mux_opts, "chardev", base);
    return create(&chardev_mux, id, mux_opts, errp);
}

bool chardev_remove(const char *id, Error **errp)
{
    Chardev *c = chardev_find(id);
    if (!c)
        return error_set(errp, "Chardev '%s' not found", id);
    if (c->fe || c->drv->base)
        return error_set(errp, "Chardev '%s' is busy", id);
    g_ptr_array_remove(chardevs, c);
    chardev_free(c);
    return true;
}

bool chardev_send_break(const char *id, Error **errp)
{
    Chardev *c = chardev_find(id);
    if (!c)
        return error_set(errp, "Chardev '%s' not found", id);
    char_event(c, CHAR_BREAK);
    return true;
}

Json *chardev_query(void)
{
    Json *list = json_array();
    for (unsigned i = 0; chardevs && i < chardevs->len; i++) {
        Chardev *c = g_ptr_array_index(chardevs, i);
        g_autofree char *file = c->drv->filename ? c->drv->filename(c) : g_strdup(c->drv->name);
        Json *o = json_object();
        json_set_bool(o, "frontend-open", c->fe_open);
        json_set_str(o, "filename", file);
        json_set_str(o, "label", c->id);
        json_append(list, o);
    }
    return list;
}

Json *chardev_query_backends(void)
{
    Json *list = json_array();
    for (unsigned i = 0; chardev_table[i]; i++) {
        Json *o = json_object();
        json_set_str(o, "name", chardev_table[i]->name);
        json_append(list, o);
        if (chardev_table[i]->alias) {
            Json *a = json_object();
            json_set_str(a, "name", chardev_table[i]->alias);
            json_append(list, a);
        }
    }
    return list;
}

void chardev_help(void)
{
    printf("Available chardev backend types: \n");
    for (unsigned i = 0; chardev_table[i]; i++) {
        printf("  %s\n", chardev_table[i]->name);
        if (chardev_table[i]->alias)
            printf("  %s\n", chardev_table[i]->alias);
    }
}

void chardev_cleanup(void)
{
    int64_t deadline = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;
    for (unsigned i = 0; chardevs && i < chardevs->len; i++)
        char_queue_flush(g_ptr_array_index(chardevs, i), deadline);
    /* A mux comes after its base: from the end. Front ends may outlive this; what they write is dropped. */
    while (chardevs && chardevs->len) {
        Chardev *c = g_ptr_array_steal_index(chardevs, chardevs->len - 1);
        if (c->fe)
            char_detach(c->fe);
        chardev_free(c);
    }
}

/* --- options --- */

const char *opt_str(const Json *opts, const char *name)
{
    return json_get_str(opts, name);
}

bool opt_bool(const Json *opts, const char *name, bool *out, Error **errp)
{
    const Json *v = json_get(opts, name);
    const char *text = json_get_string(v);
    if (!v || json_get_bool(v, out) || (text && parse_bool(text, out)))
        return true;
    return error_set(errp, "Parameter '%s' expects 'on' or 'off'", name);
}

bool opt_uint(const Json *opts, const char *name, uint64_t max, uint64_t *out, Error **errp)
{
    const Json *v = json_get(opts, name);
    const char *text = json_get_string(v);
    uint64_t n;
    if (!v)
        return true;
    if (!json_get_uint(v, &n) && !(text && parse_size(text, 'B', &n)))
        return error_set(errp, "Parameter '%s' expects a number", name);
    if (n > max)
        return error_set(errp, "Parameter '%s' is %" PRIu64 ": at most %" PRIu64 " is possible", name, n, max);
    *out = n;
    return true;
}
