/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module net-user: -netdev user, a network of the guest's own behind libslirp, which speaks for it with the host's
 * sockets. Its addresses: net= (10.0.2.0/24), host= (.2), dns= (.3), dhcpstart= (.15) and fec0::/64 likewise.
 *
 * libslirp takes one thread at a time: that of the owner of the client (net.h). What it waits for is a source of that
 * thread's context and moves with it; its timers run in it, too. With guestfwd to a character device, which is bound to
 * the main loop, the network stays there. Networks in different threads share nothing but libslirp's copy of
 * /etc/resolv.conf.
 */
#include "net/user.h"

#include "chardev/chardev.h"
#include "hw/core/prop.h"
#include "util/module.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/stat.h>

MODULE_DEFINE

/* ---- libslirp's callbacks ---- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
    User *u = opaque;
    net_merger_send(&u->merger, buf, len);
    return (ssize_t)len;
}

static void slirp_says(const char *msg, void *opaque)
{
    log_at(LOG_GUEST_ERROR, "user network: %s\n", msg);
}

static int64_t get_ns(void *opaque)
{
    return clock_ns(CLOCK_VIRTUAL);
}

/* ---- its timers: few, and rarely armed ---- */

typedef struct UserTimer {
    SlirpTimerCb cb;
    void *opaque;
    int64_t expires; /* ns of the virtual clock; INT64_MAX: not armed */
} UserTimer;

static UserTimer *first_timer(const User *u)
{
    UserTimer *first = NULL;
    for (GSList *l = u->timers; l; l = l->next) {
        UserTimer *t = l->data;
        if (t->expires != INT64_MAX && (!first || t->expires < first->expires))
            first = t;
    }
    return first;
}

/* Under the VM lock. */
static void set_wake(void *opaque)
{
    User *u = opaque;
    int64_t at = __atomic_load_n(&u->wake_ns, __ATOMIC_RELAXED);
    if (at == INT64_MAX)
        timer_stop(&u->wake);
    else
        timer_arm_at(&u->wake, at);
}

/* The clock shall tell when the first is due. */
static void want_wake(User *u)
{
    const UserTimer *t = first_timer(u);
    __atomic_store_n(&u->wake_ns, t ? t->expires : INT64_MAX, __ATOMIC_RELAXED);
    if (vm_locked())
        set_wake(u);
    else
        bh_schedule(u->wake_bh);
}

static void run_timers(User *u)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    UserTimer *t = first_timer(u);
    if (!t || t->expires > now)
        return;
    for (unsigned n = g_slist_length(u->timers); n && (t = first_timer(u)) && t->expires <= now; n--) {
        t->expires = INT64_MAX;
        t->cb(t->opaque);
    }
    want_wake(u);
}

/* Under the VM lock. */
static void woken(void *opaque)
{
    User *u = opaque;
    if (u->nc->ctx)
        g_source_set_ready_time(u->source, 0);
    else
        run_timers(u);
}

static void *timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    User *u = opaque;
    UserTimer *t = g_new0(UserTimer, 1);
    *t = (UserTimer){cb, cb_opaque, INT64_MAX};
    u->timers = g_slist_append(u->timers, t);
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    User *u = opaque;
    u->timers = g_slist_remove(u->timers, timer);
    g_free(timer);
    want_wake(u);
}

static void timer_mod(void *timer, int64_t ms, void *opaque)
{
    ((UserTimer *)timer)->expires = CLAMP(ms, 0, INT64_MAX / NS_PER_MS - 1) * NS_PER_MS;
    want_wake(opaque);
}

/* Who polls shall look anew at what libslirp waits for: the main loop, where that runs in another thread. The owner's
 * own loop looks after each of its callbacks. */
static void look_again(void *opaque)
{
    User *u = opaque;
    if (u->nc->ctx || in_main_thread() || u->stale)
        return;
    u->stale = true;
    mainloop_wake();
}

static void fd_changed(int fd, void *opaque)
{
    look_again(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = slirp_says,
    .clock_get_ns = get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = fd_changed,
    .unregister_poll_fd = fd_changed,
    .notify = look_again,
};

/* ---- in the owner's loop ---- */

typedef struct UserSource {
    GSource src;
    User *u;
    GArray *fds; /* of GPollFD *: in the order in which libslirp named them */
    guint n;
    int64_t deadline_us; /* monotonic; -1: none */
} UserSource;

static int events_of(int slirp)
{
    return (slirp & SLIRP_POLL_IN ? G_IO_IN : 0) | (slirp & SLIRP_POLL_OUT ? G_IO_OUT : 0) |
           (slirp & SLIRP_POLL_PRI ? G_IO_PRI : 0) | (slirp & SLIRP_POLL_ERR ? G_IO_ERR : 0) |
           (slirp & SLIRP_POLL_HUP ? G_IO_HUP : 0);
}

static int add_poll(int fd, int events, void *opaque)
{
    UserSource *s = opaque;
    GPollFD *p = s->n < s->fds->len ? g_array_index(s->fds, GPollFD *, s->n) : NULL;
    if (!p || p->fd != fd) {
        if (p) {
            g_source_remove_poll(&s->src, p);
        } else {
            p = g_new0(GPollFD, 1);
            g_array_append_val(s->fds, p);
        }
        p->fd = fd;
        p->revents = 0;
        g_source_add_poll(&s->src, p);
    }
    p->events = (gushort)events_of(events);
    return (int)s->n++;
}

static void drop_polls(UserSource *s, guint from)
{
    for (guint i = from; i < s->fds->len; i++) {
        GPollFD *p = g_array_index(s->fds, GPollFD *, i);
        g_source_remove_poll(&s->src, p);
        g_free(p);
    }
    g_array_set_size(s->fds, from);
}

static gboolean source_prepare(GSource *src, gint *timeout)
{
    UserSource *s = (UserSource *)src;
    uint32_t ms = UINT32_MAX;
    s->n = 0;
    s->u->stale = false;
    slirp_pollfds_fill(s->u->slirp, &ms, add_poll, s);
    drop_polls(s, s->n);
    *timeout = ms == UINT32_MAX ? -1 : (gint)MIN(ms, 1000000U);
    s->deadline_us = ms == UINT32_MAX ? -1 : g_get_monotonic_time() + (int64_t)ms * 1000;
    return FALSE;
}

static gboolean source_check(GSource *src)
{
    UserSource *s = (UserSource *)src;
    for (guint i = 0; i < s->n; i++)
        if (g_array_index(s->fds, GPollFD *, i)->revents)
            return TRUE;
    return s->deadline_us >= 0 && g_get_monotonic_time() >= s->deadline_us;
}

static int get_revents(int idx, void *opaque)
{
    UserSource *s = opaque;
    gushort e = idx >= 0 && (guint)idx < s->n ? g_array_index(s->fds, GPollFD *, idx)->revents : 0;
    return (e & G_IO_IN ? SLIRP_POLL_IN : 0) | (e & G_IO_OUT ? SLIRP_POLL_OUT : 0) |
           (e & G_IO_PRI ? SLIRP_POLL_PRI : 0) | (e & G_IO_ERR ? SLIRP_POLL_ERR : 0) |
           (e & G_IO_HUP ? SLIRP_POLL_HUP : 0);
}

static gboolean source_dispatch(GSource *src, GSourceFunc fn, gpointer data)
{
    UserSource *s = (UserSource *)src;
    net_merger_begin(&s->u->merger);
    g_source_set_ready_time(src, -1);
    run_timers(s->u);
    slirp_pollfds_poll(s->u->slirp, 0, get_revents, s);
    net_merger_end(&s->u->merger);
    return G_SOURCE_CONTINUE;
}

static void source_finalize(GSource *src)
{
    UserSource *s = (UserSource *)src;
    for (guint i = 0; i < s->fds->len; i++)
        g_free(g_array_index(s->fds, GPollFD *, i));
    g_array_unref(s->fds);
}

static GSourceFuncs source_funcs = {source_prepare, source_check, source_dispatch, source_finalize};

static void attach(User *u)
{
    UserSource *s = (UserSource *)g_source_new(&source_funcs, sizeof(UserSource));
    s->u = u;
    s->fds = g_array_new(false, false, sizeof(GPollFD *));
    u->source = &s->src;
    g_source_attach(u->source, u->nc->ctx);
}

static void detach(User *u)
{
    if (!u->source)
        return;
    g_source_destroy(u->source);
    g_source_unref(u->source);
    u->source = NULL;
}

/* ---- the client ---- */

static User *user_of(NetClient *nc)
{
    return container_of(nc, NetUserClient, nc)->user;
}

/* A timer that was due when it left comes again: its clock is in the past. */
static void user_set_context(NetClient *nc)
{
    User *u = user_of(nc);
    detach(u);
    attach(u);
    want_wake(u);
}

static bool user_receive(NetClient *nc, const NetPacket *p)
{
    User *u = user_of(nc);
    net_merger_begin(&u->merger);
    if (p->n == 1) {
        slirp_input(u->slirp, p->iov[0].iov_base, (int)p->size);
    } else {
        g_autofree uint8_t *buf = g_malloc(p->size);
        iov_to_buf(p->iov, p->n, 0, buf, p->size);
        slirp_input(u->slirp, buf, (int)p->size);
    }
    net_merger_end(&u->merger);
    look_again(u);
    return true;
}

/* The guest's acknowledgements let go what they allow as one stream of data. */
static void user_burst(NetClient *nc, bool on)
{
    NetMerger *m = &user_of(nc)->merger;
    if (on)
        net_merger_begin(m);
    else
        net_merger_end(m);
}

static void user_free(User *u)
{
    if (!u)
        return;
    detach(u);
    if (u->slirp)
        slirp_cleanup(u->slirp);
    timer_stop(&u->wake);
    bh_delete(u->wake_bh);
    if (u->forwards)
        g_ptr_array_unref(u->forwards);
    g_free(u);
}

static void user_cleanup(NetClient *nc)
{
    NetUserClient *c = container_of(nc, NetUserClient, nc);
    user_free(c->user);
    c->user = NULL;
}

static const NetOps user_ops = {.type = "user",
                                .receive = user_receive,
                                .cleanup = user_cleanup,
                                .set_context = user_set_context,
                                .burst = user_burst};
static const NetOps user_ops_main_loop = {
    .type = "user", .receive = user_receive, .cleanup = user_cleanup, .burst = user_burst};

/* ---- rules ---- */

/* "PROTO:HOST:PORT" and what stands behind '-'; false: it is none. */
typedef struct Rule {
    bool udp;
    struct in_addr host, guest;
    uint16_t host_port, guest_port;
} Rule;

static bool parse_port(const char *text, uint16_t *port)
{
    uint64_t n;
    if (!parse_u64(text, &n) || n > UINT16_MAX)
        return false;
    *port = (uint16_t)n;
    return true;
}

static bool parse_end(const char *text, struct in_addr *addr, struct in_addr absent, uint16_t *port, const char **why)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, colon - text) : NULL;
    *addr = absent;
    *why = !colon                            ? "an address and a port are HOST:PORT"
           : *host && !inet_aton(host, addr) ? "bad address"
           : !parse_port(colon + 1, port)    ? "bad port"
                                             : NULL;
    return !*why;
}

static bool parse_proto(const char **text, bool *udp)
{
    const char *colon = strchr(*text, ':');
    size_t n = colon ? (size_t)(colon - *text) : 0;
    if (!colon || (n && strncmp(*text, "tcp", n) && strncmp(*text, "udp", n)) || (n && n != 3))
        return false;
    *udp = n && **text == 'u';
    *text = colon + 1;
    return true;
}

static bool hostfwd_add(NetClient *nc, const char *text, Error **errp)
{
    User *u = user_of(nc);
    Rule r = {0};
    const char *p = text, *why = "bad protocol name";
    if (parse_proto(&p, &r.udp)) {
        const char *dash = strchr(p, '-');
        g_autofree char *host = dash ? g_strndup(p, dash - p) : NULL;
        why = "a rule is [tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT";
        if (dash && parse_end(host, &r.host, (struct in_addr){INADDR_ANY}, &r.host_port, &why) &&
            parse_end(dash + 1, &r.guest, (struct in_addr){0}, &r.guest_port, &why) && !r.guest_port)
            why = "bad guest port";
    }
    if (why)
        return error_set(errp, "Invalid host forwarding rule '%s' (%s)", text, why);
    if (slirp_add_hostfwd(u->slirp, r.udp, r.host, r.host_port, r.guest, r.guest_port) < 0)
        return error_set_errno(errp, errno, "Could not set up host forwarding rule '%s'", text);
    look_again(u);
    return true;
}

static bool hostfwd_remove(NetClient *nc, const char *text, bool *found, Error **errp)
{
    User *u = user_of(nc);
    Rule r = {0};
    const char *p = text, *why = "bad protocol name";
    if (!parse_proto(&p, &r.udp) || !parse_end(p, &r.host, (struct in_addr){INADDR_ANY}, &r.host_port, &why))
        return error_set(errp, "invalid format: %s; a rule to remove is [tcp|udp]:[HOSTADDR]:HOSTPORT", why);
    *found = !slirp_remove_hostfwd(u->slirp, r.udp, r.host, r.host_port);
    return true;
}

static char *info(NetClient *nc)
{
    char *text = slirp_connection_info(user_of(nc)->slirp), *copy = g_strdup(text);
    g_free(text);
    return copy;
}

static const NetUserOps module_ops = {hostfwd_add, hostfwd_remove, info};

/* ---- guestfwd: a port of the guest's network that is a character device or a command ---- */

typedef struct Forward {
    User *u;
    CharFrontend fe;
    char *own; /* id of a character device that was made for it; NULL: it is the user's, or none */
    struct in_addr addr;
    int port;
} Forward;

static void forward_free(void *p)
{
    Forward *f = p;
    char_detach(&f->fe);
    if (f->own)
        chardev_remove(f->own, NULL);
    g_free(f->own);
    g_free(f);
}

static size_t forward_can(void *opaque)
{
    Forward *f = opaque;
    return slirp_socket_can_recv(f->u->slirp, f->addr, f->port);
}

static void forward_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Forward *f = opaque;
    slirp_socket_recv(f->u->slirp, f->addr, f->port, buf, (int)len);
    look_again(f->u);
}

static ssize_t forward_write(const void *buf, size_t len, void *opaque)
{
    Forward *f = opaque;
    char_write_all(&f->fe, buf, len);
    return (ssize_t)len;
}

static const CharHandlers forward_handlers = {.can_receive = forward_can, .receive = forward_receive};

static bool guestfwd_chardev(User *u, const char *dev, struct in_addr *addr, uint16_t port, Error **errp)
{
    g_autofree char *id = g_strdup_printf("guestfwd.tcp.%u", port);
    Error *err = NULL;
    Chardev *chr = chardev_from_text(id, dev, false, &err);
    if (err)
        return error_propagate(errp, err);
    Forward *f = g_new0(Forward, 1);
    f->u = u;
    f->port = port;
    if (chr && !g_str_has_prefix(dev, "chardev:"))
        f->own = g_steal_pointer(&id);
    g_ptr_array_add(u->forwards, f);
    if (slirp_add_guestfwd(u->slirp, forward_write, f, addr, port) < 0)
        return error_set(errp, "conflicting address and port, or outside of the network");
    f->addr = *addr;
    return char_attach(&f->fe, chr, &forward_handlers, f, errp);
}

static bool guestfwd_add(User *u, const char *text, Error **errp)
{
    const char *p = text, *why = "only tcp is there", *dash;
    struct in_addr addr = {0};
    uint16_t port = 0;
    bool udp;
    if (parse_proto(&p, &udp) && !udp) {
        dash = strchr(p, '-');
        g_autofree char *server = dash ? g_strndup(p, dash - p) : NULL;
        why = "a rule is tcp:SERVER:PORT-DEVICE or tcp:SERVER:PORT-cmd:COMMAND";
        if (dash && dash[1] && parse_end(server, &addr, addr, &port, &why)) {
            if (!port)
                return error_set(errp, "Invalid guest forwarding rule '%s' (bad port)", text);
            if (!g_str_has_prefix(dash + 1, "cmd:"))
                return guestfwd_chardev(u, dash + 1, &addr, port, errp) ||
                       error_prepend(errp, "guest forwarding rule '%s': ", text);
            if (slirp_add_exec(u->slirp, dash + 5, &addr, port) >= 0)
                return true;
            why = "conflicting address and port, or outside of the network";
        }
    }
    return error_set(errp, "Invalid guest forwarding rule '%s' (%s)", text, why);
}

static bool rules(User *u, const Json *opts, Error **errp)
{
    const Json *list = json_get(opts, "hostfwd");
    for (size_t i = 0; i < json_length(list); i++)
        if (!hostfwd_add(u->nc, json_get_str(json_at(list, i), "str"), errp))
            return false;
    list = json_get(opts, "guestfwd");
    for (size_t i = 0; i < json_length(list); i++)
        if (!guestfwd_add(u, json_get_str(json_at(list, i), "str"), errp))
            return false;
    return true;
}

bool net_user_open(NetClient *nc, const Json *opts, Error **errp)
{
    UserConfig conf;
    if (!user_config(&conf, opts, errp))
        return false;
    User *u = g_new0(User, 1);
    u->nc = u->merger.from = nc;
    u->forwards = g_ptr_array_new_with_free_func(forward_free);
    timer_init(&u->wake, woken, u);
    u->wake_bh = bh_new(set_wake, u);
    u->slirp = slirp_new(&conf.slirp, &callbacks, u);
    g_free(conf.search);
    if (!u->slirp) {
        user_free(u);
        return error_set(errp, "the user network's stack cannot be made");
    }
    container_of(nc, NetUserClient, nc)->user = u;
    nc->ops = &user_ops;
    nc->takes = NET_TAKES_TSO4 | NET_TAKES_TSO6 | NET_TAKES_ECN; /* a segment of any size is one to it */
    nc->checked = true;
    net_user_ops = &module_ops;
    attach(u);
    if (!rules(u, opts, errp)) {
        user_cleanup(nc);
        return false;
    }
    if (u->forwards->len)
        nc->ops = &user_ops_main_loop;
    net_set_info(nc, "net=%s,restrict=%s", inet_ntoa(conf.slirp.vnetwork), conf.slirp.restricted ? "on" : "off");
    return true;
}
