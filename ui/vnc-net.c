/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/vnc-net.h"

#include "hw/core/prop.h"
#include "softmmu/mainloop.h"
#include "util/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT_BASE      5900
#define WEBSOCKET_BASE 5700
#define BACKLOG        16
/* A peer that is gone is noticed after this. */
#define DEAD_PEER_MS 180000

void vnc_tune_socket(int fd)
{
    int on = 1, idle = 60, interval = 20, count = 5;
    unsigned user = DEAD_PEER_MS;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof(user));
}

void vnc_socket_name(int fd, bool peer, char **host, char **port, int *family)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    char h[NI_MAXHOST] = "", p[NI_MAXSERV] = "";

    *family = AF_UNSPEC;
    if (!(peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &len)) {
        *family = a.ss_family;
        if (a.ss_family == AF_UNIX) {
            const struct sockaddr_un *un = (struct sockaddr_un *)&a;
            size_t head = offsetof(struct sockaddr_un, sun_path);

            *host = g_strdup("");
            *port = g_strndup(un->sun_path, len > head ? len - head : 0);
            return;
        }
        getnameinfo((struct sockaddr *)&a, len, h, sizeof(h), p, sizeof(p), NI_NUMERICHOST | NI_NUMERICSERV);
    }
    *host = g_strdup(h);
    *port = g_strdup(p);
}

static gboolean incoming(gint fd, GIOCondition cond, gpointer opaque)
{
    VncListener *l = opaque;
    int peer = socket_accept(fd);

    if (peer >= 0)
        l->fn(l->opaque, peer, l->websocket);
    return G_SOURCE_CONTINUE;
}

static void listener_free(gpointer opaque)
{
    VncListener *l = opaque;

    if (l->watch)
        g_source_remove(l->watch);
    close(l->fd);
    if (l->path)
        unlink(l->path);
    g_free(l->path);
    g_free(l->host);
    g_free(l->port);
    g_free(l);
}

GPtrArray *vnc_listeners_new(void)
{
    return g_ptr_array_new_with_free_func(listener_free);
}

void vnc_listeners_give(GPtrArray *listeners, VncAccepted *fn, void *opaque)
{
    for (guint i = 0; i < listeners->len; i++) {
        VncListener *l = listeners->pdata[i];

        l->fn = fn;
        l->opaque = opaque;
    }
}

void vnc_listeners_pause(GPtrArray *listeners, bool pause)
{
    for (guint i = 0; i < listeners->len; i++) {
        VncListener *l = listeners->pdata[i];

        if (pause && l->watch) {
            g_source_remove(l->watch);
            l->watch = 0;
        } else if (!pause && !l->watch) {
            l->watch = fd_watch(l->fd, G_IO_IN, incoming, l);
        }
    }
}

typedef struct Accept {
    GPtrArray *listeners;
    VncAccepted *fn;
    void *opaque;
    bool websocket;
} Accept;

static void add_listener(const Accept *to, int fd, const char *path)
{
    VncListener *l = g_new0(VncListener, 1);

    l->fd = fd;
    l->websocket = to->websocket;
    l->fn = to->fn;
    l->opaque = to->opaque;
    l->path = g_strdup(path);
    vnc_socket_name(fd, false, &l->host, &l->port, &l->family);
    l->watch = fd_watch(fd, G_IO_IN, incoming, l);
    g_ptr_array_add(to->listeners, l);
}

static int bind_one(const SocketTarget *t, unsigned port)
{
    struct sockaddr_storage addr = t->addr;
    int fd = socket(t->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, t->protocol), on = 1, err;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (t->family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        ((struct sockaddr_in6 *)&addr)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)&addr)->sin_port = htons((uint16_t)port);
    }
    if (!bind(fd, (struct sockaddr *)&addr, t->len) && !listen(fd, BACKLOG))
        return fd;
    err = errno;
    close(fd);
    return -err;
}

/* All addresses of the name, on one port: 0, or the error of the port that is taken. */
static int bind_all(const GArray *targets, unsigned port, GArray *fds)
{
    int err = -EADDRNOTAVAIL;

    for (guint i = 0; i < targets->len; i++) {
        const SocketTarget *t = &g_array_index(targets, SocketTarget, i);
        int fd = bind_one(t, port);

        if (fd >= 0) {
            g_array_append_val(fds, fd);
            continue;
        }
        err = fd;
        /* a family that the host does not have is no reason to fail */
        if (fd == -EADDRINUSE || fd == -EACCES)
            break;
        err = fds->len ? 0 : err;
    }
    if (fds->len && (err == 0 || err == -EADDRNOTAVAIL))
        return 0;
    for (guint i = 0; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_set_size(fds, 0);
    return err;
}

static bool listen_inet(const Accept *to, const SocketAddress *a, unsigned port, unsigned last, unsigned *got,
                        Error **errp)
{
    SocketAddress numbered = *a;
    g_autofree char *text = g_strdup_printf("%u", port);
    g_autoptr(GArray) targets = NULL;
    g_autoptr(GArray) fds = g_array_new(false, false, sizeof(int));
    int err = 0;

    numbered.port = text;
    targets = socket_resolve(&numbered, true, errp);
    if (!targets)
        return false;
    for (; port <= last; port++) {
        err = bind_all(targets, port, fds);
        if (!err || (err != -EADDRINUSE && err != -EACCES))
            break;
    }
    if (err)
        return error_set_errno(errp, -err, "Failed to find an available port");
    for (guint i = 0; i < fds->len; i++)
        add_listener(to, g_array_index(fds, int, i), NULL);
    *got = port;
    return true;
}

static bool listen_unix(const Accept *to, const SocketAddress *a, Error **errp)
{
    int fd = socket_listen(a, BACKLOG, errp);

    if (fd >= 0)
        add_listener(to, fd, a->abstract ? NULL : a->path);
    return fd >= 0;
}

/* "HOST:N" split; false: there is no N. */
static bool split(const char *text, char **host, const char **number)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;

    if (!colon || !colon[1])
        return false;
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    *host = g_strndup(text, len);
    *number = colon + 1;
    return true;
}

static bool port_number(const char *text, unsigned base, unsigned *port, Error **errp)
{
    uint64_t n;

    if (!parse_u64(text, &n))
        return error_set(errp, "can't convert to a number: %s", text);
    if (n > 65535 - base)
        return error_set(errp, "port %s out of range", text);
    *port = (unsigned)n + base;
    return true;
}

static void set_families(SocketAddress *a, const Json *opts)
{
    bool v4 = true, v6 = true;

    json_get_bool(json_get(opts, "ipv4"), &v4);
    json_get_bool(json_get(opts, "ipv6"), &v6);
    if (json_get(opts, "ipv4") && !json_get(opts, "ipv6") && v4)
        v6 = false;
    if (json_get(opts, "ipv6") && !json_get(opts, "ipv4") && v6)
        v4 = false;
    a->no_ipv4 = !v4;
    a->no_ipv6 = !v6;
}

/* websocket=on: beside display N on 5700 + N; PORT, or HOST:PORT. */
static bool listen_websocket(Accept *to, const char *text, const SocketAddress *beside, unsigned display_port,
                             Error **errp)
{
    SocketAddress a = *beside;
    g_autofree char *host = NULL;
    const char *number = text;
    unsigned port = display_port - PORT_BASE + WEBSOCKET_BASE;

    to->websocket = true;
    if (strcmp(text, "on")) {
        if (split(text, &host, &number))
            a.host = host;
        if (!port_number(number, 0, &port, errp))
            return error_prepend(errp, "websocket=%s: ", text);
    }
    return listen_inet(to, &a, port, port, &port, errp) || error_prepend(errp, "websocket=%s: ", text);
}

bool vnc_listen(GPtrArray *listeners, const Json *opts, VncAccepted *fn, void *opaque, Error **errp)
{
    const char *text = json_get_str(opts, "vnc"), *websocket = json_get_str(opts, "websocket"), *number;
    Accept to = {listeners, fn, opaque, false};
    SocketAddress a = {0};
    unsigned port, last;
    uint64_t highest;
    bool ok;

    if (websocket && (!strcmp(websocket, "off") || !strcmp(websocket, "no")))
        websocket = NULL;
    if (websocket && !*websocket)
        websocket = "on";
    if (!strcmp(text, "none"))
        return true;
    if (g_str_has_prefix(text, "unix:")) {
        if (websocket)
            return error_set(errp, "websocket=: not with a unix socket; give the server HOST:DISPLAY");
        ok = socket_address_parse(&a, text, errp) && listen_unix(&to, &a, errp);
        socket_address_clear(&a);
        return ok;
    }
    if (!split(text, &a.host, &number))
        return error_set(errp, "no vnc port specified");
    set_families(&a, opts);
    ok = port_number(number, PORT_BASE, &port, errp);
    last = port;
    if (ok && json_get_uint(json_get(opts, "to"), &highest))
        last = MIN((unsigned)MIN(highest, 65535) + PORT_BASE, 65535);
    if (ok && last < port)
        ok = error_set(errp, "to=%" PRIu64 ": is below display %s", highest, number);
    ok = ok && listen_inet(&to, &a, port, last, &port, errp) &&
         (!websocket || listen_websocket(&to, websocket, &a, port, errp));
    socket_address_clear(&a);
    return ok;
}

bool vnc_listen_addresses(GPtrArray *listeners, const Json *addresses, VncAccepted *fn, void *opaque, Error **errp)
{
    Accept to = {listeners, fn, opaque, false};

    for (size_t i = 0; i < json_length(addresses); i++) {
        const Json *j = json_at(addresses, i);
        const char *type = json_get_str(j, "type");
        SocketAddress a = {0};
        bool ok;

        if (!g_strcmp0(type, "inet")) {
            unsigned port = 0, last;
            uint64_t highest;

            a.host = g_strdup(json_get_str(j, "host"));
            set_families(&a, j);
            ok = port_number(json_get_str(j, "port"), 0, &port, errp);
            last = port;
            if (json_get_uint(json_get(j, "to"), &highest))
                last = MAX(port, (unsigned)highest);
            ok = ok && listen_inet(&to, &a, port, last, &port, errp);
        } else if (!g_strcmp0(type, "unix")) {
            a.kind = SOCKET_UNIX;
            a.path = g_strdup(json_get_str(j, "path"));
            json_get_bool(json_get(j, "abstract"), &a.abstract);
            ok = listen_unix(&to, &a, errp);
        } else {
            a.kind = SOCKET_FD;
            a.fd = g_strdup(json_get_str(j, "str"));
            int fd = socket_listen(&a, BACKLOG, errp);
            ok = fd >= 0;
            if (ok)
                add_listener(&to, fd, NULL);
        }
        socket_address_clear(&a);
        if (!ok)
            return false;
    }
    return true;
}

int vnc_connect(const Json *opts, Error **errp)
{
    const char *text = json_get_str(opts, "vnc");
    SocketAddress a = {0};
    int fd = -1;

    if (socket_address_parse(&a, text, errp))
        fd = socket_connect(&a, errp);
    socket_address_clear(&a);
    return fd;
}
