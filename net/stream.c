/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev stream: packets over a stream socket, as server or client; a server waits anew when its client left. */
#include "net/framed.h"

#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

#include <unistd.h>

typedef struct StreamNet {
    NetClient nc;
    NetLink link;
    SocketAddress addr;
    int listen_fd;         /* -1: a client */
    int pending;           /* a connection that is being made; -1: none */
    unsigned watch, retry; /* of listen_fd or pending; a timer */
    GArray *targets;       /* a client's, and the next to try */
    guint target;
    int64_t reconnect_s; /* 0: never */
} StreamNet;
#define STREAM(c) container_of(c, StreamNet, nc)

static bool receive(NetClient *nc, const NetPacket *p)
{
    return net_link_receive(&STREAM(nc)->link, p);
}

static void writable(NetClient *nc)
{
    net_link_writable(&STREAM(nc)->link);
}

static void cleanup(NetClient *nc)
{
    StreamNet *s = STREAM(nc);
    net_link_close(&s->link);
    if (s->watch)
        g_source_remove(s->watch);
    if (s->retry)
        g_source_remove(s->retry);
    if (s->pending >= 0)
        close(s->pending);
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
        if (s->addr.kind == SOCKET_UNIX && !s->addr.abstract)
            unlink(s->addr.path);
    }
    if (s->targets)
        g_array_unref(s->targets);
    socket_address_clear(&s->addr);
}

static const NetOps stream_ops = {.type = "stream", .receive = receive, .writable = writable, .cleanup = cleanup};

static Json *address_json(const StreamNet *s, const char *host, const char *port)
{
    Json *v = json_object();
    switch (s->addr.kind) {
    case SOCKET_UNIX:
        json_set_str(v, "type", "unix");
        json_set_str(v, "path", s->addr.path);
        break;
    case SOCKET_FD:
        json_set_str(v, "type", "fd");
        json_set_str(v, "str", s->addr.fd);
        break;
    default:
        json_set_str(v, "type", "inet");
        json_set_str(v, "host", host ? host : "");
        json_set_str(v, "port", port ? port : "");
        json_set_bool(v, strchr(host ? host : "", ':') ? "ipv6" : "ipv4", true);
    }
    return v;
}

static void now_connected(StreamNet *s, int fd)
{
    g_autofree char *host = NULL, *port = NULL;
    socket_name(fd, true, &host, &port);
    if (s->addr.kind == SOCKET_INET)
        net_set_info(&s->nc, "tcp:%s:%s", host ? host : "", port ? port : "");
    else if (s->addr.kind == SOCKET_UNIX)
        net_set_info(&s->nc, "unix:%s", s->addr.path);
    else
        net_set_info(&s->nc, "fd:%s", s->addr.fd);
    Json *data = json_object();
    json_set_str(data, "netdev-id", s->nc.name);
    json_set(data, "addr", address_json(s, host, port));
    event_emit("NETDEV_STREAM_CONNECTED", data);
    net_link_open(&s->link, &s->nc, fd, true);
}

/* ---- server ---- */

static gboolean accept_one(gint fd, GIOCondition cond, gpointer opaque)
{
    StreamNet *s = opaque;
    int conn = socket_accept(fd);
    if (conn < 0)
        return G_SOURCE_CONTINUE;
    now_connected(s, conn);
    s->watch = 0;
    return G_SOURCE_REMOVE;
}

/* ---- client ---- */

static void try_next(StreamNet *s);

static gboolean retry_now(gpointer opaque)
{
    StreamNet *s = opaque;
    s->retry = 0;
    s->target = 0;
    try_next(s);
    return G_SOURCE_REMOVE;
}

static void give_up(StreamNet *s)
{
    net_set_info(&s->nc, "connection error");
    if (s->reconnect_s && !s->retry)
        s->retry = g_timeout_add_seconds((guint)s->reconnect_s, retry_now, s);
}

static gboolean connect_done(gint fd, GIOCondition cond, gpointer opaque)
{
    StreamNet *s = opaque;
    int err = socket_connect_result(fd);
    s->watch = 0;
    s->pending = -1;
    if (!err) {
        now_connected(s, fd);
    } else {
        close(fd);
        try_next(s);
    }
    return G_SOURCE_REMOVE;
}

static void try_next(StreamNet *s)
{
    while (s->target < s->targets->len) {
        bool pending = false;
        int fd = socket_connect_start(&g_array_index(s->targets, SocketTarget, s->target++), &pending);
        if (fd < 0)
            continue;
        if (!pending) {
            now_connected(s, fd);
            return;
        }
        s->pending = fd;
        s->watch = fd_watch(fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, connect_done, s);
        return;
    }
    give_up(s);
}

static void closed(void *opaque)
{
    StreamNet *s = opaque;
    Json *data = json_object();
    net_set_info(&s->nc, "%s", "");
    json_set_str(data, "netdev-id", s->nc.name);
    event_emit("NETDEV_STREAM_DISCONNECTED", data);
    if (s->listen_fd >= 0)
        s->watch = fd_watch(s->listen_fd, G_IO_IN, accept_one, s);
    else if (s->reconnect_s && s->targets)
        s->retry = g_timeout_add_seconds((guint)s->reconnect_s, retry_now, s);
}

static bool start_client(StreamNet *s, Error **errp)
{
    if (s->addr.kind == SOCKET_FD) {
        int fd = socket_connect(&s->addr, errp);
        if (fd >= 0)
            now_connected(s, fd);
        return fd >= 0;
    }
    s->targets = socket_resolve(&s->addr, false, errp);
    if (!s->targets)
        return false;
    try_next(s);
    return true;
}

static bool stream_open(NetClient *nc, const Json *opts, Error **errp)
{
    StreamNet *s = STREAM(nc);
    bool server = net_opt_bool(opts, "server", false);
    s->listen_fd = s->pending = s->link.fd = -1;
    s->link.closed = closed;
    s->link.opaque = s;
    s->reconnect_s = net_opt_int(opts, "reconnect", 0);
    if (server && s->reconnect_s)
        return error_set(errp, "'reconnect' option is incompatible with socket in server listening mode");
    if (!net_socket_address(&s->addr, json_get(opts, "addr"), errp))
        return false;
    bool ok;
    if (server) {
        s->listen_fd = socket_listen(&s->addr, 1, errp);
        ok = s->listen_fd >= 0;
        if (ok)
            s->watch = fd_watch(s->listen_fd, G_IO_IN, accept_one, s);
    } else {
        ok = start_client(s, errp);
    }
    if (!ok)
        socket_address_clear(&s->addr);
    return ok;
}

const NetdevDesc netdev_stream = {.type = "stream", .size = sizeof(StreamNet), .ops = &stream_ops, .open = stream_open};
