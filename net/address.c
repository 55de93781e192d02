/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/address.h"

#include "net/internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <unistd.h>

bool net_socket_address(SocketAddress *a, const Json *opts, Error **errp)
{
    const char *type = json_get_str(opts, "type");
    memset(a, 0, sizeof(*a));
    if (!strcmp(type, "unix")) {
        a->kind = SOCKET_UNIX;
        a->path = g_strdup(json_get_str(opts, "path"));
        a->abstract = net_opt_bool(opts, "abstract", false);
        a->not_tight = !net_opt_bool(opts, "tight", true);
        return true;
    }
    if (!strcmp(type, "fd")) {
        a->kind = SOCKET_FD;
        a->fd = g_strdup(json_get_str(opts, "str"));
        return true;
    }
    if (strcmp(type, "inet"))
        return error_set(errp, "addresses of type '%s' are not supported", type);
    a->kind = SOCKET_INET;
    a->host = g_strdup(json_get_str(opts, "host"));
    a->port = g_strdup(json_get_str(opts, "port"));
    a->to = (unsigned)net_opt_int(opts, "to", 0);
    bool has4 = json_get(opts, "ipv4"), has6 = json_get(opts, "ipv6");
    bool on4 = net_opt_bool(opts, "ipv4", true), on6 = net_opt_bool(opts, "ipv6", true);
    a->no_ipv4 = !on4 || (has6 && on6 && !has4);
    a->no_ipv6 = !on6 || (has4 && on4 && !has6);
    return true;
}

bool net_parse_inet(const char *text, struct sockaddr_in *a, Error **errp)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return error_set(errp, "host address '%s' doesn't contain ':' separating host from port", text);
    g_autofree char *host = g_strndup(text, colon - text);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE}, *res;
    int rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &res);
    if (rc)
        return error_set(errp, "can't resolve host address '%s': %s", text, gai_strerror(rc));
    memcpy(a, res->ai_addr, sizeof(*a));
    freeaddrinfo(res);
    return true;
}

int net_udp_bind(const struct sockaddr *a, socklen_t len, Error **errp)
{
    int fd = socket(a->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0) {
        error_set_errno(errp, errno, "can't create datagram socket");
        return -1;
    }
    if (a->sa_family == AF_UNIX || !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
        if (!bind(fd, a, len))
            return fd;
    error_set_errno(errp, errno, "can't bind the datagram socket to its local address");
    close(fd);
    return -1;
}

int net_mcast_open(const struct sockaddr_in *group, const struct in_addr *local, Error **errp)
{
    if (!IN_MULTICAST(ntohl(group->sin_addr.s_addr))) {
        error_set(errp, "specified mcast address %s (0x%08x) does not contain a multicast address",
                  inet_ntoa(group->sin_addr), ntohl(group->sin_addr.s_addr));
        return -1;
    }
    int fd = net_udp_bind((const struct sockaddr *)group, sizeof(*group), errp);
    struct ip_mreq req = {.imr_multiaddr = group->sin_addr, .imr_interface.s_addr = htonl(INADDR_ANY)};
    uint8_t loop = 1;
    if (fd < 0)
        return -1;
    if (local)
        req.imr_interface = *local;
    if (!setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) &&
        !setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop)) &&
        (!local || !setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, local, sizeof(*local))))
        return fd;
    error_set_errno(errp, errno, "can't join multicast group %s", inet_ntoa(group->sin_addr));
    close(fd);
    return -1;
}
