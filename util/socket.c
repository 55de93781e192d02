/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fds.h"

void socket_address_clear(SocketAddress *a)
{
    g_free(a->host);
    g_free(a->port);
    g_free(a->path);
    g_free(a->fd);
    memset(a, 0, sizeof(*a));
}

bool socket_address_parse(SocketAddress *a, const char *text, Error **errp)
{
    SocketAddress out = {0};
    const char *p = text;
    if (g_str_has_prefix(text, "unix:")) {
        out.kind = SOCKET_UNIX;
        out.path = g_strdup(text + strlen("unix:"));
        if (!*out.path) {
            socket_address_clear(&out);
            return error_set(errp, "invalid Unix socket address '%s': a path is missing", text);
        }
    } else if (g_str_has_prefix(text, "fd:")) {
        out.kind = SOCKET_FD;
        out.fd = g_strdup(text + strlen("fd:"));
    } else {
        if (g_str_has_prefix(p, "tcp:"))
            p += strlen("tcp:");
        const char *colon = p[0] == '[' ? strchr(p, ']') : strchr(p, ':');
        if (p[0] == '[' && colon)
            colon++;
        if (!colon || *colon != ':' || !colon[1] || colon[1] == ',')
            return error_set(errp, "error parsing address '%s': expected HOST:PORT", text);
        out.kind = SOCKET_INET;
        out.host = p[0] == '[' ? g_strndup(p + 1, colon - p - 2) : g_strndup(p, colon - p);
        out.port = g_strdup(colon + 1);
    }
    *a = out;
    return true;
}

char *socket_address_text(const SocketAddress *a)
{
    if (a->kind == SOCKET_FD)
        return g_strdup_printf("fd:%s", a->fd);
    if (a->kind == SOCKET_INET)
        return g_strdup_printf(strchr(a->host, ':') ? "[%s]:%s" : "%s:%s", a->host, a->port);
    if (!a->abstract)
        return g_strdup_printf("unix:%s", a->path);
    return g_strdup_printf("unix:%s,abstract=on%s", a->path, a->not_tight ? "" : ",tight=on");
}

static bool resolve_unix(const SocketAddress *a, SocketTarget *t, Error **errp)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&t->addr;
    size_t len = strlen(a->path), room = sizeof(un->sun_path) - a->abstract;
    if (len > room || (!a->abstract && len == room)) {
        error_set(errp, "UNIX socket path '%s' is too long", a->path);
        error_hint(errp, "Path must be less than %zu bytes", room);
        return false;
    }
    un->sun_family = t->family = AF_UNIX;
    memcpy(un->sun_path + a->abstract, a->path, len);
    t->len = a->abstract && !a->not_tight ? offsetof(struct sockaddr_un, sun_path) + 1 + len : sizeof(*un);
    return true;
}

GArray *socket_resolve(const SocketAddress *a, bool passive, Error **errp)
{
    g_autoptr(GArray) list = g_array_new(false, true, sizeof(SocketTarget));
    if (a->kind == SOCKET_UNIX) {
        SocketTarget t = {0};
        if (!resolve_unix(a, &t, errp))
            return NULL;
        g_array_append_val(list, t);
        return g_steal_pointer(&list);
    }
    assert(a->kind == SOCKET_INET);
    if (a->no_ipv4 && a->no_ipv6) {
        error_set(errp, "Cannot disable IPv4 and IPv6 at same time");
        return NULL;
    }
    struct addrinfo hints = {
        .ai_flags = (passive ? AI_PASSIVE : AI_ADDRCONFIG) | AI_V4MAPPED,
        .ai_family = a->no_ipv6   ? AF_INET
                     : a->no_ipv4 ? AF_INET6
                                  : AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *res;
    int rc = getaddrinfo(*a->host ? a->host : passive ? NULL : "localhost", a->port, &hints, &res);
    if (rc) {
        error_set(errp, "address resolution failed for %s:%s: %s", a->host, a->port, gai_strerror(rc));
        return NULL;
    }
    for (struct addrinfo *e = res; e && list->len < 16; e = e->ai_next) {
        SocketTarget t = {.family = e->ai_family, .protocol = e->ai_protocol, .len = e->ai_addrlen};
        memcpy(&t.addr, e->ai_addr, MIN(e->ai_addrlen, sizeof(t.addr)));
        g_array_append_val(list, t);
    }
    freeaddrinfo(res);
    return g_steal_pointer(&list);
}

int socket_connect_start(const SocketTarget *t, bool *pending)
{
    int fd = socket(t->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, t->protocol);
    if (fd < 0)
        return -errno;
    *pending = false;
    if (connect(fd, (const struct sockaddr *)&t->addr, t->len) == 0)
        return fd;
    if (errno == EINPROGRESS || errno == EINTR) {
        *pending = true;
        return fd;
    }
    int err = -errno;
    close(fd);
    return err;
}

int socket_connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

/* One target, waiting until the deadline. */
static int connect_wait(const SocketTarget *t, int64_t deadline_us)
{
    for (;;) {
        bool pending;
        int fd = socket_connect_start(t, &pending);
        int64_t left = (deadline_us - g_get_monotonic_time()) / 1000;
        if (fd == -EAGAIN && left > 0) { /* a unix socket whose backlog is full: there is no event to wait for */
            g_usleep(10000);
            continue;
        }
        if (fd < 0 || !pending)
            return fd;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int n, err;
        do {
            left = (deadline_us - g_get_monotonic_time()) / 1000;
            n = poll(&p, 1, MAX(left, 0));
        } while (n < 0 && errno == EINTR);
        err = n == 0 ? -ETIMEDOUT : n < 0 ? -errno : socket_connect_result(fd);
        if (!err)
            return fd;
        close(fd);
        return err;
    }
}

static int inherited(const SocketAddress *a, Error **errp)
{
    int fd = fd_parse(a->fd, errp);
    if (fd < 0)
        return -1;
    if (socket_family(fd) < 0) {
        error_set(errp, "File descriptor '%s' is not a socket", a->fd);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

int socket_connect(const SocketAddress *a, Error **errp)
{
    if (a->kind == SOCKET_FD) {
        int fd = inherited(a, errp);
        if (fd >= 0 && socket_is_listening(fd)) {
            error_set(errp, "File descriptor '%s' is a listening socket; server=on takes connections from one", a->fd);
            return -1;
        }
        return fd;
    }
    g_autoptr(GArray) list = socket_resolve(a, false, errp);
    if (!list)
        return -1;
    int64_t deadline = g_get_monotonic_time() + SOCKET_CONNECT_MS * 1000LL;
    int err = -ENOENT;
    for (unsigned i = 0; i < list->len; i++) {
        int fd = connect_wait(&g_array_index(list, SocketTarget, i), deadline);
        if (fd >= 0)
            return fd;
        err = fd;
    }
    g_autofree char *text = socket_address_text(a);
    error_set_errno(errp, -err, "Failed to connect to '%s'", a->kind == SOCKET_UNIX ? a->path : text);
    return -1;
}

static int bind_one(SocketTarget *t, unsigned port_add, int backlog)
{
    int fd = socket(t->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, t->protocol), on = 1;
    if (fd < 0)
        return -errno;
    if (t->family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct sockaddr_storage addr = t->addr;
    if (t->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&addr;
        in->sin_port = htons(ntohs(in->sin_port) + port_add);
    } else if (t->family == AF_INET6) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&addr;
        in->sin6_port = htons(ntohs(in->sin6_port) + port_add);
    }
    if (bind(fd, (struct sockaddr *)&addr, t->len) == 0 && listen(fd, backlog) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

int socket_listen(const SocketAddress *a, int backlog, Error **errp)
{
    if (a->kind == SOCKET_FD) {
        int fd = inherited(a, errp);
        if (fd >= 0 && !socket_is_listening(fd) && listen(fd, backlog) < 0) {
            error_set_errno(errp, errno, "File descriptor '%s' cannot listen", a->fd);
            return -1;
        }
        return fd;
    }
    if (a->kind == SOCKET_UNIX && !a->abstract) {
        struct stat st;
        /* A socket that an earlier process left; anything else stays and makes bind fail. */
        if (lstat(a->path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(a->path) < 0) {
            error_set_errno(errp, errno, "Failed to unlink socket %s", a->path);
            return -1;
        }
    }
    g_autoptr(GArray) list = socket_resolve(a, true, errp);
    if (!list)
        return -1;
    unsigned first = 0, span = 0;
    if (a->kind == SOCKET_INET && a->to) {
        first = strtoul(a->port, NULL, 10);
        if (a->to < first || a->to > 65535) {
            error_set(errp, "to=%u: must be a port from port=%s to 65535", a->to, a->port);
            return -1;
        }
        span = a->to - first;
    }
    int err = -ENOENT;
    for (unsigned add = 0; add <= span; add++) {
        for (unsigned i = 0; i < list->len; i++) {
            int fd = bind_one(&g_array_index(list, SocketTarget, i), add, backlog);
            if (fd >= 0)
                return fd;
            err = fd;
        }
    }
    g_autofree char *text = socket_address_text(a);
    error_set_errno(errp, -err, "Failed to bind socket to %s", a->kind == SOCKET_UNIX ? a->path : text);
    return -1;
}

int socket_accept(int listen_fd)
{
    int fd;
    do {
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int socket_family(int fd)
{
    int family;
    socklen_t len = sizeof(family);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ? -1 : family;
}

bool socket_is_listening(int fd)
{
    int on = 0;
    socklen_t len = sizeof(on);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

bool socket_name(int fd, bool peer, char **host, char **port)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&addr, &len) < 0)
        return false;
    if (addr.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (struct sockaddr_un *)&addr;
        size_t head = offsetof(struct sockaddr_un, sun_path);
        *host = g_strndup(un->sun_path, len > head ? len - head : 0);
        *port = g_strdup("");
        return true;
    }
    char h[NI_MAXHOST], p[NI_MAXSERV];
    if (getnameinfo((struct sockaddr *)&addr, len, h, sizeof(h), p, sizeof(p), NI_NUMERICHOST | NI_NUMERICSERV))
        return false;
    *host = g_strdup_printf(addr.ss_family == AF_INET6 ? "[%s]" : "%s", h);
    *port = g_strdup(p);
    return true;
}

SocketEnd *socket_end_new(void)
{
    SocketEnd *e = g_new0(SocketEnd, 1);
    e->refs = 1;
    return e;
}

SocketEnd *socket_end_ref(SocketEnd *e)
{
    if (e)
        __atomic_fetch_add(&e->refs, 1, __ATOMIC_RELAXED);
    return e;
}

void socket_end_unref(SocketEnd *e)
{
    if (e && __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0)
        g_free(e);
}

void socket_end_tell(SocketEnd *e, int error)
{
    int none = 0;
    if (e)
        __atomic_compare_exchange_n(&e->error, &none, error, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

const char *socket_end_reason(int error)
{
    return error && error != ECONNRESET && error != EPIPE ? g_strerror(error) : NULL;
}
