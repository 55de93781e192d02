/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev socket: a TCP connection (listen=, connect=), multicast or plain UDP (mcast=, udp=), or a descriptor (fd=).
 */
#include "net/framed.h"

#include "net/address.h"
#include "softmmu/mainloop.h"
#include "util/fds.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <unistd.h>

typedef struct SocketNet {
    NetClient nc;
    NetLink link;
    int listen_fd;
    unsigned watch; /* of listen_fd */
} SocketNet;
#define SOCKET_NET(c) container_of(c, SocketNet, nc)

static bool receive(NetClient *nc, const NetPacket *p)
{
    return net_link_receive(&SOCKET_NET(nc)->link, p);
}

static void writable(NetClient *nc)
{
    net_link_writable(&SOCKET_NET(nc)->link);
}

static void cleanup(NetClient *nc)
{
    SocketNet *s = SOCKET_NET(nc);
    net_link_close(&s->link);
    if (s->watch)
        g_source_remove(s->watch);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
}

static const NetOps socket_ops = {.type = "socket", .receive = receive, .writable = writable, .cleanup = cleanup};

/* ---- TCP ---- */

static gboolean accept_one(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketNet *s = opaque;
    int conn = socket_accept(fd);
    if (conn < 0)
        return G_SOURCE_CONTINUE;
    g_autofree char *host = NULL, *port = NULL;
    if (socket_name(conn, true, &host, &port))
        net_set_info(&s->nc, "socket: connection from %s:%s", host, port ? port : "");
    net_link_open(&s->link, &s->nc, conn, true);
    s->watch = 0;
    return G_SOURCE_REMOVE;
}

static void closed(void *opaque)
{
    SocketNet *s = opaque;
    net_set_info(&s->nc, "%s", "");
    if (s->listen_fd >= 0 && !s->watch)
        s->watch = fd_watch(s->listen_fd, G_IO_IN, accept_one, s);
}

static bool open_listen(SocketNet *s, const char *text, Error **errp)
{
    SocketAddress a;
    if (!socket_address_parse(&a, text, errp))
        return false;
    s->listen_fd = a.kind == SOCKET_INET ? socket_listen(&a, 1, errp) : -1;
    if (a.kind != SOCKET_INET)
        error_set(errp, "listen=%s: expected HOST:PORT", text);
    socket_address_clear(&a);
    if (s->listen_fd < 0)
        return false;
    s->watch = fd_watch(s->listen_fd, G_IO_IN, accept_one, s);
    return true;
}

static bool open_connect(SocketNet *s, const char *text, Error **errp)
{
    SocketAddress a;
    if (!socket_address_parse(&a, text, errp))
        return false;
    int fd = socket_connect(&a, errp);
    if (fd >= 0) {
        g_autofree char *shown = socket_address_text(&a);
        net_set_info(&s->nc, "socket: connect to %s", shown);
        net_link_open(&s->link, &s->nc, fd, true);
    }
    socket_address_clear(&a);
    return fd >= 0;
}

/* ---- UDP ---- */

static bool open_mcast(SocketNet *s, const char *text, const char *local, Error **errp)
{
    struct sockaddr_in to, from = {0};
    if (!net_parse_inet(text, &to, errp))
        return false;
    if (local && !inet_aton(local, &from.sin_addr))
        return error_set(errp, "localaddr '%s' cannot be parsed", local);
    int fd = net_mcast_open(&to, local ? &from.sin_addr : NULL, errp);
    if (fd < 0)
        return false;
    memcpy(&s->link.to, &to, sizeof(to));
    s->link.to_len = sizeof(to);
    net_set_info(&s->nc, "socket: mcast=%s:%u", inet_ntoa(to.sin_addr), ntohs(to.sin_port));
    net_link_open(&s->link, &s->nc, fd, false);
    return true;
}

static bool open_udp(SocketNet *s, const char *text, const char *local, Error **errp)
{
    struct sockaddr_in to, from;
    if (!local)
        return error_set(errp, "localaddr= is mandatory with udp=");
    if (!net_parse_inet(text, &to, errp) || !net_parse_inet(local, &from, errp))
        return false;
    int fd = net_udp_bind((struct sockaddr *)&from, sizeof(from), errp);
    if (fd < 0)
        return false;
    memcpy(&s->link.to, &to, sizeof(to));
    s->link.to_len = sizeof(to);
    net_set_info(&s->nc, "socket: udp=%s:%u", inet_ntoa(to.sin_addr), ntohs(to.sin_port));
    net_link_open(&s->link, &s->nc, fd, false);
    return true;
}

static bool open_fd(SocketNet *s, const char *text, Error **errp)
{
    int fd = fd_parse(text, errp), type = 0;
    socklen_t len = sizeof(type);
    if (fd < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || (type != SOCK_STREAM && type != SOCK_DGRAM)) {
        close(fd);
        return error_set(errp, "fd=%s is neither a stream nor a datagram socket", text);
    }
    s->link.connected = true;
    net_set_info(&s->nc, "socket: fd=%d", fd);
    net_link_open(&s->link, &s->nc, fd, type == SOCK_STREAM);
    return true;
}

static bool socket_open(NetClient *nc, const Json *opts, Error **errp)
{
    static const char *const ways[] = {"fd", "listen", "connect", "mcast", "udp"};
    SocketNet *s = SOCKET_NET(nc);
    const char *way = NULL, *local = json_get_str(opts, "localaddr");
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        if (!json_get(opts, ways[i]))
            continue;
        if (way)
            return error_set(errp, "exactly one of listen=, connect=, mcast= or udp= is required");
        way = ways[i];
    }
    if (!way)
        return error_set(errp, "exactly one of listen=, connect=, mcast= or udp= is required");
    if (local && strcmp(way, "mcast") && strcmp(way, "udp"))
        return error_set(errp, "localaddr= is only valid with mcast= or udp=");
    s->listen_fd = s->link.fd = -1;
    s->link.closed = closed;
    s->link.opaque = s;
    const char *text = json_get_str(opts, way);
    switch (*way) {
    case 'f':
        return open_fd(s, text, errp);
    case 'l':
        return open_listen(s, text, errp);
    case 'c':
        return open_connect(s, text, errp);
    case 'm':
        return open_mcast(s, text, local, errp);
    default:
        return open_udp(s, text, local, errp);
    }
}

const NetdevDesc netdev_socket = {.type = "socket", .size = sizeof(SocketNet), .ops = &socket_ops, .open = socket_open};
