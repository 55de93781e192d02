/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp: each write is a datagram to the remote end, each datagram from it is input. A datagram that does not go is
 * dropped. */
#include "chardev/fd.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 4096

static struct addrinfo *resolve(const char *host, const char *port, int family, bool passive, Error **errp)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = passive ? AI_PASSIVE : 0},
                    *res;
    int rc = getaddrinfo(host, port, &hints, &res);
    if (!rc)
        return res;
    error_set(errp, "address resolution failed for %s:%s: %s", host ? host : "", port, gai_strerror(rc));
    return NULL;
}

static bool udp_open(Chardev *c, const Json *opts, Error **errp)
{
    const char *host = opt_str(opts, "host"), *port = opt_str(opts, "port"), *local_host = opt_str(opts, "localaddr"),
               *local_port = opt_str(opts, "localport");
    bool ipv4 = true, ipv6 = true;
    if (!port || !*port)
        return error_set(errp, "chardev: udp: remote port not specified");
    if (!opt_bool(opts, "ipv4", &ipv4, errp) || !opt_bool(opts, "ipv6", &ipv6, errp))
        return false;
    if (!ipv4 && !ipv6)
        return error_set(errp, "Cannot disable IPv4 and IPv6 at same time");
    struct addrinfo *peer = resolve(host && *host ? host : "localhost", port,
                                    !ipv6   ? AF_INET
                                    : !ipv4 ? AF_INET6
                                            : AF_UNSPEC,
                                    false, errp);
    if (!peer)
        return false;
    bool bind_it = (local_host && *local_host) || (local_port && *local_port);
    struct addrinfo *local = NULL;
    if (bind_it) {
        local = resolve(local_host && *local_host ? local_host : NULL, local_port && *local_port ? local_port : "0",
                        peer->ai_family, true, errp);
        if (!local) {
            freeaddrinfo(peer);
            return false;
        }
    }
    int fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
              (!local || bind(fd, local->ai_addr, local->ai_addrlen) == 0) &&
              connect(fd, peer->ai_addr, peer->ai_addrlen) == 0;
    if (!ok) {
        error_set_errno(errp, errno, "chardev: udp: cannot use %s:%s", host ? host : "localhost", port);
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(peer);
    if (local)
        freeaddrinfo(local);
    ((FdChardev *)c)->datagram = true;
    if (ok)
        fd_chardev_start((FdChardev *)c, fd, fd);
    return ok;
}

static ssize_t udp_write(Chardev *c, const uint8_t *buf, size_t len)
{
    size_t n = MIN(len, DATAGRAM_MAX);
    /* ECONNREFUSED tells of an earlier datagram; nothing here ends the connection, as there is none. */
    (void)!send(((FdChardev *)c)->out, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n;
}

const CharDriver chardev_udp = {
    .name = "udp",
    .summary = "datagrams",
    .size = sizeof(FdChardev),
    .options = (const char *const[]){"host", "port", "localaddr", "localport", "ipv4", "ipv6", NULL},
    .open = udp_open,
    .close = fd_chardev_close,
    .write = udp_write,
    .update = fd_chardev_update,
};
