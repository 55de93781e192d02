/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev dgram: a packet a datagram; UDP, unix sockets, multicast, or a descriptor. */
#include "net/address.h"
#include "net/framed.h"

#include "util/fds.h"

#include <arpa/inet.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct DgramNet {
    NetClient nc;
    NetLink link;
    char *path; /* of the local unix socket: goes with it */
} DgramNet;
#define DGRAM(c) container_of(c, DgramNet, nc)

static bool receive(NetClient *nc, const NetPacket *p)
{
    return net_link_receive(&DGRAM(nc)->link, p);
}

static void writable(NetClient *nc)
{
    net_link_writable(&DGRAM(nc)->link);
}

static void cleanup(NetClient *nc)
{
    DgramNet *s = DGRAM(nc);
    net_link_close(&s->link);
    if (s->path)
        unlink(s->path);
    g_free(s->path);
}

static const NetOps dgram_ops = {.type = "dgram", .receive = receive, .writable = writable, .cleanup = cleanup};

/* The first address that a description means. */
static bool resolve(const Json *opts, const char *key, bool passive, SocketTarget *t, Error **errp)
{
    SocketAddress a;
    if (!net_socket_address(&a, json_get(opts, key), errp))
        return false;
    bool ok = a.kind != SOCKET_FD || error_set(errp, "'%s' cannot be a descriptor", key);
    g_autoptr(GArray) list = ok ? socket_resolve(&a, passive, errp) : NULL;
    socket_address_clear(&a);
    if (!list || !list->len)
        return false;
    *t = g_array_index(list, SocketTarget, 0);
    return true;
}

static char *text_of(const SocketTarget *t)
{
    char host[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in = (const struct sockaddr_in *)&t->addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&t->addr;
    if (t->family == AF_UNIX)
        return g_strdup(((const struct sockaddr_un *)&t->addr)->sun_path);
    inet_ntop(t->family, t->family == AF_INET ? (const void *)&in->sin_addr : &in6->sin6_addr, host, sizeof(host));
    return g_strdup_printf("%s:%u", host, ntohs(t->family == AF_INET ? in->sin_port : in6->sin6_port));
}

static bool is_mcast(const SocketTarget *t)
{
    return t->family == AF_INET && IN_MULTICAST(ntohl(((const struct sockaddr_in *)&t->addr)->sin_addr.s_addr));
}

static bool open_mcast(DgramNet *s, const SocketTarget *group, const Json *opts, Error **errp)
{
    SocketTarget local;
    const Json *l = json_get(opts, "local");
    int fd;
    if (l && !strcmp(json_get_str(l, "type"), "fd")) {
        fd = fd_parse(json_get_str(l, "str"), errp);
    } else {
        if (l && (!resolve(opts, "local", true, &local, errp) || local.family != AF_INET))
            return error_prepend(errp, "local address of a multicast group: ");
        fd = net_mcast_open((const struct sockaddr_in *)&group->addr,
                            l ? &((struct sockaddr_in *)&local.addr)->sin_addr : NULL, errp);
    }
    if (fd < 0)
        return false;
    g_autofree char *text = text_of(group);
    memcpy(&s->link.to, &group->addr, group->len);
    s->link.to_len = group->len;
    net_set_info(&s->nc, "mcast=%s", text);
    net_link_open(&s->link, &s->nc, fd, false);
    return true;
}

static bool open_fd(DgramNet *s, const char *text, Error **errp)
{
    int fd = fd_parse(text, errp), type = 0;
    socklen_t len = sizeof(type);
    if (fd < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_DGRAM) {
        close(fd);
        return error_set(errp, "fd=%s is no datagram socket", text);
    }
    s->link.connected = true;
    net_set_info(&s->nc, "fd=%d", fd);
    net_link_open(&s->link, &s->nc, fd, false);
    return true;
}

static bool dgram_open(NetClient *nc, const Json *opts, Error **errp)
{
    DgramNet *s = DGRAM(nc);
    const Json *local = json_get(opts, "local"), *remote = json_get(opts, "remote");
    SocketTarget from, to;
    s->link.fd = -1;
    if (remote && !resolve(opts, "remote", false, &to, errp))
        return error_prepend(errp, "remote: ");
    if (remote && is_mcast(&to))
        return open_mcast(s, &to, opts, errp);
    if (!local)
        return error_set(errp, "dgram requires local= parameter");
    if (!strcmp(json_get_str(local, "type"), "fd")) {
        if (remote)
            return error_set(errp, "don't set remote with local.fd");
        return open_fd(s, json_get_str(local, "str"), errp);
    }
    if (!remote)
        return error_set(errp, "dgram requires remote= parameter");
    if (!resolve(opts, "local", true, &from, errp))
        return error_prepend(errp, "local: ");
    if (from.family != to.family)
        return error_set(errp, "remote and local addresses must be of one family");
    int fd;
    if (from.family == AF_UNIX)
        unlink(((struct sockaddr_un *)&from.addr)->sun_path);
    if ((fd = net_udp_bind((struct sockaddr *)&from.addr, from.len, errp)) < 0)
        return false;
    memcpy(&s->link.to, &to.addr, to.len);
    s->link.to_len = to.len;
    g_autofree char *a = text_of(&from), *b = text_of(&to);
    if (from.family == AF_UNIX)
        s->path = g_strdup(a);
    net_set_info(nc, from.family == AF_UNIX ? "udp=%s:%s" : "udp=%s/%s", a, b);
    net_link_open(&s->link, nc, fd, false);
    return true;
}

const NetdevDesc netdev_dgram = {.type = "dgram", .size = sizeof(DgramNet), .ops = &dgram_ops, .open = dgram_open};
