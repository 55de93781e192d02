/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -vnc: servers, who is connected to them, what the monitor hears of it; and the picture, copied from the console into
 * a shadow whenever a viewer is there. Main thread, VM lock.
 */
#include "ui/vnc-internal.h"
#include "ui/vnc-net.h"

#include "crypto/secret.h"
#include "hw/core/clock.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "ui/text-console.h"
#include "util/module.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

MODULE_DEFINE

/* Between looks at the guest's picture: while it changes, and at most while it does not. */
#define TICK_MS     30
#define TICK_MAX_MS 300
/* What is compared and sent as a piece, pixels. */
#define TILE 16

static GPtrArray *servers;
static unsigned next_serial;
/* Threads that still run; guarded by its mutex. */
static GMutex threads_lock;
static GCond threads_cond;
static unsigned threads;

bool vnc_ending;

/* --- the picture --- */

/* Whether a line of a tile differs; then the shadow's is made equal. */
static bool copy_line(uint32_t *shadow, const uint32_t *from, unsigned n)
{
    uint32_t diff = 0;

    for (unsigned i = 0; i < n; i++)
        diff |= (from[i] & 0xffffff) ^ shadow[i];
    if (!diff)
        return false;
    for (unsigned i = 0; i < n; i++)
        shadow[i] = from[i] & 0xffffff;
    return true;
}

/* FNV-1a's step on pixels, four lanes. */
static uint64_t hash_line(const uint32_t *p, unsigned n)
{
    uint64_t lane[4] = {1, 2, 3, 4}, h = 0xcbf29ce484222325;

    for (unsigned i = 0; i < n; i++)
        lane[i & 3] = (lane[i & 3] ^ p[i]) * 0x100000001b3;
    for (int i = 0; i < 4; i++)
        h = (h ^ lane[i]) * 0x9e3779b97f4a7c15;
    return h ^ h >> 32;
}

static void hash_lines(VncServer *s, const pixman_region32_t *changed)
{
    const pixman_box32_t *box;
    int n, done = 0;

    box = pixman_region32_rectangles((pixman_region32_t *)(uintptr_t)changed, &n);
    for (int i = 0; i < n; i++) /* by bands, from the top */
        for (int y = MAX(box[i].y1, done); y < box[i].y2; y++, done = y)
            s->rows[y] = hash_line(s->shadow + (size_t)y * s->state.width, s->state.width);
}

/* Compare one box of the surface with the shadow; what differs is copied and joins changed. */
static void take_box(VncServer *s, const Surface *from, const pixman_box32_t *box, pixman_region32_t *changed)
{
    unsigned width = s->state.width, height = s->state.height;
    unsigned left = ROUND_DOWN((unsigned)box->x1, TILE), right = MIN(ROUND_UP((unsigned)box->x2, TILE), width);
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(pixman_box32_t));
    pixman_region32_t more;

    for (unsigned top = ROUND_DOWN((unsigned)box->y1, TILE); top < MIN((unsigned)box->y2, height); top += TILE) {
        unsigned bottom = MIN(top + TILE, height);
        guint begin = found->len;
        int first = INT_MAX, last = -1;

        for (unsigned x = left; x < right; x += TILE) {
            unsigned n = MIN(TILE, right - x);
            bool differs = false;

            for (unsigned y = top; y < bottom; y++) {
                const uint32_t *line = (const uint32_t *)(surface_data(from) + (size_t)y * surface_stride(from)) + x;

                if (copy_line(s->shadow + (size_t)y * width + x, line, n)) {
                    first = MIN(first, (int)y);
                    last = MAX(last, (int)y);
                    differs = true;
                }
            }
            if (differs) {
                pixman_box32_t b = {(int)x, 0, (int)(x + n), 0};
                g_array_append_val(found, b);
            }
        }
        /* of one height, so that neighbours become one rectangle */
        for (guint i = begin; i < found->len; i++) {
            g_array_index(found, pixman_box32_t, i).y1 = first;
            g_array_index(found, pixman_box32_t, i).y2 = last + 1;
        }
    }
    if (!found->len)
        return;
    pixman_region32_init_rects(&more, (pixman_box32_t *)found->data, (int)found->len);
    pixman_region32_union(changed, changed, &more);
    pixman_region32_fini(&more);
}

/* From the console to the shadow; true where a viewer has something new to see. */
static bool take_picture(VncServer *s)
{
    Console *con = s->listener.con;
    Surface *from = console_surface(con);
    VncState *st = &s->state;
    pixman_region32_t changed;
    pixman_box32_t *box;
    bool state_changed = false, any;
    int n;

    pixman_region32_init(&changed);
    g_mutex_lock(&s->lock);
    if (s->resized) {
        st->width = surface_width(from);
        st->height = surface_height(from);
        g_free(s->shadow);
        s->shadow = g_new0(uint32_t, (size_t)st->width * st->height);
        g_free(s->rows);
        s->rows = g_new0(uint64_t, st->height);
        pixman_region32_union_rect(&s->damage, &s->damage, 0, 0, st->width, st->height);
        pixman_region32_union_rect(&changed, &changed, 0, 0, st->width, st->height);
        s->resized = false;
        state_changed = true;
    }
    pixman_region32_intersect_rect(&s->damage, &s->damage, 0, 0, st->width, st->height);
    box = pixman_region32_rectangles(&s->damage, &n);
    for (int i = 0; i < n; i++)
        take_box(s, from, &box[i], &changed);
    hash_lines(s, &changed);
    pixman_region32_fini(&s->damage);
    pixman_region32_init(&s->damage);
    if (!console_is_text(con) && (st->leds != input_leds() || st->absolute != input_is_absolute(con))) {
        st->leds = input_leds();
        st->absolute = input_is_absolute(con);
        state_changed = true;
    }
    any = state_changed || pixman_region32_not_empty(&changed) || st->cursor_serial != next_serial;
    for (guint i = 0; any && i < s->clients->len; i++) {
        VncClient *c = s->clients->pdata[i];

        pixman_region32_union(&c->stale, &c->stale, &changed);
        c->dirty = true;
        if (c->initialized)
            vnc_client_wake(c);
    }
    st->cursor_serial = next_serial;
    g_mutex_unlock(&s->lock);
    pixman_region32_fini(&changed);
    return any;
}

static void tick(void *opaque)
{
    VncServer *s = opaque;

    if (!s->listener.con)
        return;
    console_refresh(s->listener.con);
    s->interval_ms = take_picture(s) ? TICK_MS : MIN(s->interval_ms + 15, TICK_MAX_MS);
    if (s->active_clients)
        timer_arm_ms(s->ticker, s->interval_ms);
}

void vnc_server_active(VncServer *s)
{
    if (s->interval_ms > TICK_MS && s->active_clients) {
        s->interval_ms = TICK_MS;
        timer_arm_ms(s->ticker, TICK_MS);
    }
}

static VncServer *server_of(DisplayListener *l)
{
    return container_of(l, VncServer, listener);
}

static void heard_surface(DisplayListener *l, Surface *surface)
{
    VncServer *s = server_of(l);
    pixman_region32_t all;

    if (surface_width(surface) != s->state.width || surface_height(surface) != s->state.height) {
        s->resized = true;
        return;
    }
    pixman_region32_init_rect(&all, 0, 0, surface_width(surface), surface_height(surface));
    pixman_region32_union(&s->damage, &s->damage, &all);
    pixman_region32_fini(&all);
}

static void heard_damage(DisplayListener *l, unsigned x, unsigned y, unsigned w, unsigned h)
{
    VncServer *s = server_of(l);

    pixman_region32_union_rect(&s->damage, &s->damage, (int)x, (int)y, w, h);
}

static void heard_cursor(DisplayListener *l, Cursor *cursor)
{
    VncServer *s = server_of(l);

    g_mutex_lock(&s->lock);
    cursor_unref(s->state.cursor);
    s->state.cursor = cursor ? cursor_ref(cursor) : NULL;
    g_mutex_unlock(&s->lock);
    next_serial++;
}

static const DisplayListenerOps listener_ops = {
    .surface = heard_surface, .damage = heard_damage, .cursor = heard_cursor};

void vnc_server_show(VncServer *s, unsigned n)
{
    Console *con = n < console_count() ? console_at(n) : text_console(n - console_count());

    if (!con || con == s->listener.con)
        return;
    display_listener_attach(&s->listener, con);
    console_invalidate(con);
    s->interval_ms = TICK_MAX_MS;
    vnc_server_active(s);
}

/* The console may come later (a device that is plugged), and go. */
static void find_console(VncServer *s)
{
    Console *con;

    if (s->listener.con)
        return;
    con = s->console_device ? console_find(s->console_device, s->console_head, NULL) : console_find(NULL, 0, NULL);
    if (con) {
        display_listener_attach(&s->listener, con);
        return;
    }
    if (!s->shadow) {
        Surface *message = surface_new_message(640, 480, "This VM has no graphic display device.");

        g_mutex_lock(&s->lock);
        s->state.width = surface_width(message);
        s->state.height = surface_height(message);
        s->shadow = g_new0(uint32_t, (size_t)s->state.width * s->state.height);
        s->rows = g_new0(uint64_t, s->state.height);
        for (unsigned y = 0; y < s->state.height; y++)
            copy_line(s->shadow + (size_t)y * s->state.width,
                      (uint32_t *)(surface_data(message) + (size_t)y * surface_stride(message)), s->state.width);
        g_mutex_unlock(&s->lock);
        surface_unref(message);
    }
}

/* Bring the shadow up to date while nobody kept it so. */
static void refresh_now(VncServer *s)
{
    find_console(s);
    if (!s->listener.con)
        return;
    pixman_region32_union_rect(&s->damage, &s->damage, 0, 0, MAX(s->state.width, 1), MAX(s->state.height, 1));
    tick(s);
}

/* --- who is connected --- */

static const char *family_name(int family)
{
    return family == AF_INET ? "ipv4" : family == AF_INET6 ? "ipv6" : family == AF_UNIX ? "unix" : "unknown";
}

static Json *basic_info(const char *host, const char *port, int family, bool websocket)
{
    Json *o = json_object();

    json_set_str(o, "family", family_name(family));
    json_set_str(o, "service", port);
    json_set_str(o, "host", host);
    json_set_bool(o, "websocket", websocket);
    return o;
}

static const char *plain_auth(const VncServer *s)
{
    return s->auth_password ? "vnc" : "none";
}

/* VeNCrypt's kind: "x509-vnc" */
static char *vencrypt_name(const VncServer *s)
{
    return g_strdup_printf("%s-%s", tls_creds_kind(s->tls) == TLS_X509 ? "x509" : "tls", plain_auth(s));
}

/* query-vnc's and the events': one name for both. */
static char *auth_name(const VncServer *s, bool websocket)
{
    if (!s->tls || websocket)
        return g_strdup(plain_auth(s));
    return g_strdup_printf("vencrypt+%s+%s", tls_creds_kind(s->tls) == TLS_X509 ? "x509" : "tls", plain_auth(s));
}

/* query-vnc-servers': two names. A websocket has TLS below it and no VeNCrypt. */
static void set_auth(Json *o, const VncServer *s, bool websocket)
{
    bool vencrypt = s->tls && !websocket;
    g_autofree char *name = vencrypt ? vencrypt_name(s) : NULL;

    json_set_str(o, "auth", vencrypt ? "vencrypt" : plain_auth(s));
    if (vencrypt)
        json_set_str(o, "vencrypt", name);
}

static Json *client_info(VncClient *c)
{
    Json *o = basic_info(c->host, c->port, c->family, c->websocket);

    g_mutex_lock(&c->server->lock);
    if (c->certificate)
        json_set_str(o, "x509_dname", c->certificate);
    g_mutex_unlock(&c->server->lock);
    return o;
}

static void emit(const char *event, VncClient *c)
{
    Json *data = json_object(), *server = basic_info(c->server_host, c->server_port, c->server_family, c->websocket);
    g_autofree char *auth = auth_name(c->server, c->websocket);

    json_set_str(server, "auth", auth);
    json_set(data, "server", server);
    json_set(data, "client", client_info(c));
    if (c->server->hidden)
        json_unref(data);
    else
        event_emit(event, data);
}

static void client_close(VncClient *c)
{
    VncServer *s = c->server;

    g_mutex_lock(&s->lock);
    __atomic_store_n(&c->closing, true, __ATOMIC_RELEASE);
    shutdown(c->fd, SHUT_RDWR);
    g_mutex_unlock(&s->lock);
    vnc_client_wake(c);
}

static void client_free(VncClient *c)
{
    close(c->fd);
    if (c->event >= 0)
        close(c->event);
    g_free(c->host);
    g_free(c->port);
    g_free(c->server_host);
    g_free(c->server_port);
    g_free(c->certificate);
    socket_end_unref(c->end);
    pixman_region32_fini(&c->stale);
    g_free(c);
}

static void client_gone(void *opaque)
{
    VncClient *c = opaque;
    VncServer *s = c->server;

    if (c->initialized && !--s->active_clients)
        timer_stop(s->ticker);
    g_mutex_lock(&s->lock);
    g_ptr_array_remove(s->clients, c);
    g_mutex_unlock(&s->lock);
    if (s->clients->len < 2 * s->max_clients)
        vnc_listeners_pause(s->listeners, false);
    emit("VNC_DISCONNECTED", c);
    client_free(c);
}

void vnc_client_gone(VncClient *c)
{
    mainloop_defer(client_gone, c);
    g_mutex_lock(&threads_lock);
    threads--;
    g_cond_signal(&threads_cond);
    g_mutex_unlock(&threads_lock);
}

static void client_initialized(void *opaque)
{
    VncClient *c = opaque;
    VncServer *s = c->server;

    if (c->closing)
        return;
    /* RFC 6143, 7.3.1: a client that will not share has the others disconnected */
    for (guint i = 0; s->share == VNC_SHARE_EXCLUSIVE && !c->shared && i < s->clients->len; i++)
        if (s->clients->pdata[i] != c)
            client_close(s->clients->pdata[i]);
    if (s->share == VNC_SHARE_FORCED && !c->shared) {
        client_close(c);
        return;
    }
    c->initialized = true;
    emit("VNC_INITIALIZED", c);
    if (!s->active_clients++)
        refresh_now(s);
    vnc_client_wake(c);
}

void vnc_client_initialized(VncClient *c)
{
    g_mutex_lock(&c->server->lock);
    c->dirty = true;
    pixman_region32_union_rect(&c->stale, &c->stale, 0, 0, c->server->state.width, c->server->state.height);
    g_mutex_unlock(&c->server->lock);
    mainloop_defer(client_initialized, c);
}

void vnc_client_replace_fd(VncClient *c, int fd)
{
    g_mutex_lock(&c->server->lock);
    c->fd = fd;
    if (c->closing)
        shutdown(fd, SHUT_RDWR);
    g_mutex_unlock(&c->server->lock);
}

void vnc_client_certified(VncClient *c, char *name)
{
    g_mutex_lock(&c->server->lock);
    c->certificate = name;
    g_mutex_unlock(&c->server->lock);
}

char *vnc_password_now(VncServer *s)
{
    char *password;

    g_mutex_lock(&s->lock);
    password = s->password && time(NULL) < s->expires ? g_strdup(s->password) : NULL;
    g_mutex_unlock(&s->lock);
    return password;
}

/* Room for one more: of those that have not got past the handshake the oldest gives way. */
static bool make_room(VncServer *s)
{
    unsigned living = 0;

    for (guint i = 0; i < s->clients->len; i++)
        living += !((VncClient *)s->clients->pdata[i])->closing;
    if (living < s->max_clients)
        return true;
    if (s->clients->len > 2 * s->max_clients)
        return false;
    for (guint i = 0; i < s->clients->len; i++) {
        VncClient *c = s->clients->pdata[i];

        if (!c->initialized && !c->closing) {
            client_close(c);
            return true;
        }
    }
    return false;
}

/* Takes fd; end NULL: nobody else knows of its end yet. */
static bool client_new(VncServer *s, int fd, bool websocket, bool skip_auth, const char *host, const char *port,
                       SocketEnd *end)
{
    VncClient *c;

    if (!make_room(s)) {
        close(fd);
        return false;
    }
    vnc_tune_socket(fd);
    c = g_new0(VncClient, 1);
    c->server = s;
    c->fd = fd;
    c->event = -1;
    c->websocket = websocket;
    c->skip_auth = skip_auth;
    c->end = end ? socket_end_ref(end) : socket_end_new();
    pixman_region32_init(&c->stale);
    vnc_socket_name(fd, false, &c->server_host, &c->server_port, &c->server_family);
    vnc_socket_name(fd, true, &c->host, &c->port, &c->family);
    if (host) {
        g_free(c->host);
        g_free(c->port);
        c->host = g_strdup(host);
        c->port = g_strdup(port);
    }
    if (!s->active_clients)
        refresh_now(s);
    g_mutex_lock(&threads_lock);
    threads++;
    g_mutex_unlock(&threads_lock);
    g_mutex_lock(&s->lock);
    g_ptr_array_add(s->clients, c);
    g_mutex_unlock(&s->lock);
    /* Threads that are told to end take their time: nobody else is let in, rather than turned away. */
    if (s->clients->len >= 2 * s->max_clients)
        vnc_listeners_pause(s->listeners, true);
    emit("VNC_CONNECTED", c);
    if (vnc_client_start(c))
        return true;
    vnc_client_gone(c);
    return false;
}

static void accepted(void *opaque, int fd, bool websocket)
{
    client_new(opaque, fd, websocket, false, NULL, NULL, NULL);
}

/* --- servers --- */

static uint64_t number(const Json *opts, const char *name, uint64_t def)
{
    json_get_uint(json_get(opts, name), &def);
    return def;
}

static bool truth(const Json *opts, const char *name)
{
    bool b = false;

    json_get_bool(json_get(opts, name), &b);
    return b;
}

static VncServer *find(const char *id)
{
    for (guint i = 0; servers && i < servers->len; i++) {
        VncServer *s = servers->pdata[i];

        if (!s->hidden && (!id || !strcmp(s->id, id)))
            return s;
    }
    return NULL;
}

static void server_free(VncServer *s)
{
    display_listener_detach(&s->listener);
    timer_stop(s->ticker);
    g_ptr_array_unref(s->listeners);
    g_ptr_array_unref(s->clients);
    pixman_region32_fini(&s->damage);
    cursor_unref(s->state.cursor);
    g_free(s->shadow);
    g_free(s->rows);
    g_free(s->ticker);
    g_free(s->password);
    tls_creds_unref(s->tls);
    g_free(s->console_device);
    g_free(s->name);
    g_free(s->id);
    g_free(s);
}

static VncServer *server_new(const char *id, const char *guest)
{
    VncServer *s = g_new0(VncServer, 1);

    s->id = g_strdup(id);
    s->name = guest ? g_strdup_printf("QEMU (%s)", guest) : g_strdup("QEMU");
    s->clients = g_ptr_array_new();
    s->listeners = vnc_listeners_new();
    s->max_clients = 32;
    s->key_delay_ms = 10;
    s->expires = INT64_MAX;
    s->ticker = g_new0(Timer, 1);
    timer_init_clock(s->ticker, CLOCK_REALTIME_MONO, tick, s);
    s->interval_ms = TICK_MS;
    pixman_region32_init(&s->damage);
    s->listener.ops = &listener_ops;
    return s;
}

static void server_add(VncServer *s)
{
    if (!servers)
        servers = g_ptr_array_new();
    g_ptr_array_add(servers, s);
}

VncServer *vnc_server_hidden(void)
{
    VncServer *s = server_new("web", NULL);

    s->hidden = true;
    s->share = VNC_SHARE_IGNORE;
    find_console(s);
    if (s->resized)
        take_picture(s);
    server_add(s);
    return s;
}

bool vnc_client_new(VncServer *s, int fd, const char *host, const char *port, SocketEnd *end)
{
    return client_new(s, fd, false, true, host, port, end);
}

static bool server_open(const Json *opts, const char *id, const char *guest, GPtrArray *listeners, Error **errp)
{
    const char *share = json_get_str(opts, "share"), *device = json_get_str(opts, "display");
    const char *secret = json_get_str(opts, "password-secret"), *tls = json_get_str(opts, "tls-creds");
    VncServer *s = server_new(id, guest);

    if (listeners) {
        g_ptr_array_unref(s->listeners);
        s->listeners = listeners;
        vnc_listeners_give(listeners, accepted, s);
    }
    s->share = !g_strcmp0(share, "force-shared") ? VNC_SHARE_FORCED
               : !g_strcmp0(share, "ignore")     ? VNC_SHARE_IGNORE
                                                 : VNC_SHARE_EXCLUSIVE;
    s->max_clients = (unsigned)CLAMP(number(opts, "connections", 32), 1, 1000);
    s->key_delay_ms = (unsigned)MIN(number(opts, "key-delay-ms", 10), 1000);
    s->lossy = truth(opts, "lossy");
    s->power_control = truth(opts, "power-control");
    s->auth_password = truth(opts, "password") || secret;
    s->console_device = g_strdup(device);
    s->console_head = (unsigned)number(opts, "head", 0);
    if (device && !console_find(device, s->console_head, errp))
        goto fail;
    if (secret && !(s->password = secret_text(secret, errp)))
        goto fail;
    if (tls) {
        if (!(s->tls = tls_creds_get(tls, errp)))
            goto fail;
        if (tls_creds_kind(s->tls) == TLS_PSK) {
            error_set(errp, "Unsupported TLS cred type tls-creds-psk");
            goto fail;
        }
    }
    find_console(s);
    if (s->resized)
        take_picture(s);
    if (truth(opts, "reverse")) {
        int fd = vnc_connect(opts, errp);

        if (fd < 0)
            goto fail;
        client_new(s, fd, false, false, NULL, NULL, NULL);
    } else if (!listeners && !vnc_listen(s->listeners, opts, accepted, s, errp)) {
        goto fail;
    }
    server_add(s);
    return true;
fail:
    server_free(s);
    return false;
}

void vnc_close_all(void)
{
    int64_t end = g_get_monotonic_time() + 2 * G_TIME_SPAN_SECOND;

    vnc_ending = true;
    for (guint i = 0; servers && i < servers->len; i++) {
        VncServer *s = servers->pdata[i];

        g_ptr_array_set_size(s->listeners, 0);
        timer_stop(s->ticker);
        for (guint k = 0; k < s->clients->len; k++)
            client_close(s->clients->pdata[k]);
    }
    vm_unlock(); /* a thread may wait for it */
    g_mutex_lock(&threads_lock);
    while (threads && g_cond_wait_until(&threads_cond, &threads_lock, end))
        ;
    g_mutex_unlock(&threads_lock);
    vm_lock();
}

static Json *clients_info(const VncServer *s)
{
    Json *list = json_array();

    for (guint i = 0; i < s->clients->len; i++)
        json_append(list, client_info(s->clients->pdata[i]));
    return list;
}

static const VncListener *main_listener(const VncServer *s)
{
    return s && s->listeners->len ? s->listeners->pdata[0] : NULL;
}

static Json *query(void)
{
    const VncServer *s = find(NULL);
    const VncListener *l = main_listener(s);
    Json *reply = json_object();
    g_autofree char *auth = NULL;

    json_set_bool(reply, "enabled", l);
    if (!l)
        return reply;
    auth = auth_name(s, false);
    json_set_str(reply, "auth", auth);
    json_set_str(reply, "family", family_name(l->family));
    json_set(reply, "clients", clients_info(s));
    json_set_str(reply, "service", l->port);
    json_set_str(reply, "host", l->host);
    return reply;
}

static Json *query_servers(void)
{
    Json *list = json_array();

    for (guint i = servers ? servers->len : 0; i-- > 0;) {
        const VncServer *s = servers->pdata[i];
        Json *o, *addresses;

        if (s->hidden)
            continue;
        o = json_object();
        addresses = json_array();
        for (guint k = s->listeners->len; k-- > 0;) {
            const VncListener *l = s->listeners->pdata[k];
            Json *a = basic_info(l->host, l->port, l->family, l->websocket);

            set_auth(a, s, l->websocket);
            json_append(addresses, a);
        }
        set_auth(o, s, false);
        json_set(o, "clients", clients_info(s));
        json_set(o, "server", addresses);
        json_set_str(o, "id", s->id);
        if (s->console_device)
            json_set_str(o, "display", s->console_device);
        json_append(list, o);
    }
    return list;
}

static bool set_password(const char *display, const char *password, Error **errp)
{
    VncServer *s = find(display);

    if (!s)
        return error_set(errp, "Could not set password");
    if (!s->auth_password) {
        error_report("If you want use passwords please enable password auth using '-vnc ${dpy},password'.");
        return error_set(errp, "Could not set password");
    }
    g_mutex_lock(&s->lock);
    g_free(s->password);
    s->password = g_strdup(password);
    g_mutex_unlock(&s->lock);
    return true;
}

static bool expire_password(const char *display, int64_t seconds, Error **errp)
{
    VncServer *s = find(display);

    if (!s)
        return error_set(errp, "Could not set password expire time");
    g_mutex_lock(&s->lock);
    s->expires = seconds;
    g_mutex_unlock(&s->lock);
    return true;
}

static bool add_client(int fd, bool skip_auth, Error **errp)
{
    VncServer *s = find(NULL);

    if (!s) {
        close(fd);
        return error_set(errp, "there is no VNC display; -vnc none makes one");
    }
    return client_new(s, fd, false, skip_auth, NULL, NULL, NULL) || error_set(errp, "too many VNC clients");
}

static bool set_addresses(const Json *addresses, Error **errp)
{
    VncServer *s = find(NULL);

    if (!s)
        return error_set(errp, "Can not find vnc display");
    g_ptr_array_set_size(s->listeners, 0); /* the same port may be among the new ones */
    return vnc_listen_addresses(s->listeners, addresses, accepted, s, errp);
}

static bool reload_certificates(Error **errp)
{
    VncServer *s = find(NULL);

    if (!s)
        return error_set(errp, "Can not find vnc display");
    return s->tls ? tls_creds_reload(s->tls, errp) : error_set(errp, "vnc tls is not enabled");
}

extern const VncOps vnc_ops;
const VncOps vnc_ops = {server_open,     vnc_close_all, query,         query_servers,      set_password,
                        expire_password, add_client,    set_addresses, reload_certificates};
