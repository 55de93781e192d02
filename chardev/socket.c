/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket: a stream socket, as server or client: unix (also abstract), TCP, a descriptor that was handed over; telnet.
 *
 * A server has one peer at a time; others wait in the listening socket's backlog. A client whose peer goes stays
 * disconnected, or with reconnect=N tries again every N seconds. Names are resolved once, at open: the main loop never
 * waits for a name server.
 *
 * Telnet (RFC 854, 857, 858, 856): we offer to echo, to suppress go-ahead and binary both ways, and take what comes;
 * from the peer's commands only BREAK and the doubled IAC have a meaning here.
 */
#include "chardev/driver.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <glib-unix.h>

#include "softmmu/runstate.h"
#include "util/fds.h"
#include "util/socket.h"

enum { IAC = 255, DONT = 254, WILL = 251, SB = 250, BREAK = 243, SE = 240 };
enum { DO = 253 };
typedef enum TelnetState { TELNET_DATA, TELNET_IAC, TELNET_OPTION, TELNET_SUB, TELNET_SUB_IAC } TelnetState;

typedef struct SocketChardev {
    Chardev c;
    SocketAddress addr;
    bool server, telnet, nodelay, is_unix;
    unsigned reconnect_s; /* 0: never */
    char *unlink_path;    /* what listening made */
    char *listen_name;    /* "unix:PATH", "HOST:PORT" */
    char *peer_name;      /* query-chardev's text while connected */
    GArray *targets;      /* of SocketTarget: client with reconnect */
    unsigned target;      /* the one being tried */
    bool said;            /* that it cannot connect */

    int listen_fd, connect_fd, fd; /* -1: none; fd changes under c.lock */
    unsigned listen_id, in_id, hup_id, connect_id, retry_id;
    TelnetState telnet_state;
    int in_fds[CHAR_FDS_MAX], n_in_fds;
    int out_fds[CHAR_FDS_MAX], n_out_fds; /* borrowed until the next write */
    bool iac_half;                        /* c.lock: one byte of a doubled IAC went, the other goes before anything */
    unsigned half_id;                     /* c.lock: which this sees to, if nothing is written */
} SocketChardev;

static void start_listening(SocketChardev *s);
static void disconnect(SocketChardev *s);
static void try_connect(SocketChardev *s);

static void source_stop(unsigned *id)
{
    if (*id)
        g_source_remove(*id);
    *id = 0;
}

static void drop_in_fds(SocketChardev *s)
{
    for (int i = 0; i < s->n_in_fds; i++)
        close(s->in_fds[i]);
    s->n_in_fds = 0;
}

/* --- output --- */

static ssize_t send_some(SocketChardev *s, const uint8_t *buf, size_t len)
{
    struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union {
        char buf[CMSG_SPACE(sizeof(s->out_fds))];
        struct cmsghdr align;
    } control;
    if (s->n_out_fds) {
        size_t bytes = s->n_out_fds * sizeof(int);
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(bytes);
        struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(bytes);
        memcpy(CMSG_DATA(h), s->out_fds, bytes);
    }
    for (;;) {
        ssize_t n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            s->n_out_fds = 0;
            return n;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

/* Under c.lock: 1 when nothing is left of a doubled IAC, else what send_some() says. */
static ssize_t send_half(SocketChardev *s)
{
    ssize_t n = s->iac_half ? send_some(s, (const uint8_t[]){IAC}, 1) : 1;
    if (n > 0)
        s->iac_half = false;
    return n;
}

static gboolean half_writable(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketChardev *s = opaque;
    g_mutex_lock(&s->c.lock);
    bool again = s->half_id && send_half(s) == 0;
    if (!again)
        s->half_id = 0;
    g_mutex_unlock(&s->c.lock);
    return again ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static ssize_t socket_write(Chardev *c, const uint8_t *buf, size_t len)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    if (!s->telnet)
        return send_some(s, buf, len);
    ssize_t n = send_half(s);
    if (n <= 0)
        return n;
    const uint8_t *iac = memchr(buf, IAC, len);
    if (iac != buf)
        return send_some(s, buf, iac ? (size_t)(iac - buf) : len);
    static const uint8_t doubled[2] = {IAC, IAC};
    n = send_some(s, doubled, 2);
    s->iac_half = n == 1;
    if (s->iac_half && !s->half_id)
        s->half_id = g_unix_fd_add(s->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, half_writable, s);
    return n > 0 ? 1 : n;
}

static int socket_write_fd(Chardev *c)
{
    return container_of(c, SocketChardev, c)->fd;
}

static bool socket_send_fds(Chardev *c, const int *fds, int n)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    if (!s->is_unix || s->fd < 0 || n < 0 || n > CHAR_FDS_MAX)
        return false;
    g_mutex_lock(&c->lock);
    memcpy(s->out_fds, fds, n * sizeof(int));
    s->n_out_fds = n;
    g_mutex_unlock(&c->lock);
    return true;
}

static int socket_take_fds(Chardev *c, int *fds, int max)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    int n = MIN(max, s->n_in_fds);
    memcpy(fds, s->in_fds, n * sizeof(int));
    s->n_in_fds -= n;
    memmove(s->in_fds, s->in_fds + n, s->n_in_fds * sizeof(int));
    drop_in_fds(s);
    return n;
}

/* --- input --- */

static gboolean retry(gpointer opaque)
{
    SocketChardev *s = opaque;
    if (s->fd >= 0 && s->in_id)
        return G_SOURCE_CONTINUE; /* readable() is about to find the end of the last peer */
    if (s->fd >= 0)
        disconnect(s);
    s->retry_id = 0;
    s->target = 0;
    try_connect(s);
    return G_SOURCE_REMOVE;
}

static void disconnect(SocketChardev *s)
{
    source_stop(&s->in_id);
    source_stop(&s->hup_id);
    int fd = s->fd;
    g_mutex_lock(&s->c.lock);
    s->fd = -1;
    s->n_out_fds = 0;
    s->iac_half = false;
    unsigned half_id = s->half_id;
    s->half_id = 0;
    g_mutex_unlock(&s->c.lock);
    source_stop(&half_id);
    char_set_connected(&s->c, false);
    close(fd);
    drop_in_fds(s);
    g_clear_pointer(&s->peer_name, g_free);
    if (s->server)
        start_listening(s);
    else if (s->reconnect_s && !s->retry_id)
        s->retry_id = g_timeout_add_seconds(s->reconnect_s, retry, s);
}

static void socket_broken(Chardev *c)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    if (s->fd >= 0)
        disconnect(s);
}

static ssize_t receive(SocketChardev *s, uint8_t *buf, size_t len)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    union {
        char buf[CMSG_SPACE(sizeof(s->in_fds))];
        struct cmsghdr align;
    } control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (s->is_unix) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof(control);
    }
    ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || h->cmsg_len < CMSG_LEN(0))
            continue;
        drop_in_fds(s);
        s->n_in_fds = MIN((h->cmsg_len - CMSG_LEN(0)) / sizeof(int), CHAR_FDS_MAX);
        memcpy(s->in_fds, CMSG_DATA(h), s->n_in_fds * sizeof(int));
        /* O_NONBLOCK belongs to the sender's taste; whoever takes one says what it wants. */
    }
    return n;
}

/* Takes telnet's commands out of buf; returns what is left of it. */
static size_t telnet_filter(SocketChardev *s, uint8_t *buf, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t b = buf[i];
        switch (s->telnet_state) {
        case TELNET_DATA:
            if (b == IAC)
                s->telnet_state = TELNET_IAC;
            else
                buf[out++] = b;
            break;
        case TELNET_IAC:
            s->telnet_state = b == SB ? TELNET_SUB : b >= WILL && b <= DONT ? TELNET_OPTION : TELNET_DATA;
            if (b == IAC)
                buf[out++] = b;
            else if (b == BREAK)
                char_event(&s->c, CHAR_BREAK);
            break;
        case TELNET_OPTION:
            s->telnet_state = TELNET_DATA;
            break;
        case TELNET_SUB:
            if (b == IAC)
                s->telnet_state = TELNET_SUB_IAC;
            break;
        case TELNET_SUB_IAC:
            s->telnet_state = b == SE ? TELNET_DATA : TELNET_SUB;
            break;
        }
    }
    return out;
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketChardev *s = opaque;
    uint8_t buf[4096];
    size_t room = MIN(char_can_receive(&s->c), sizeof(buf));
    if (!room) {
        s->in_id = 0;
        return G_SOURCE_REMOVE;
    }
    ssize_t n = receive(s, buf, room);
    if (n == -EAGAIN || n == -EINTR)
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        disconnect(s);
        return G_SOURCE_REMOVE; /* removed already: the result is ignored */
    }
    if (s->telnet)
        n = telnet_filter(s, buf, n);
    char_input(&s->c, buf, n);
    return G_SOURCE_CONTINUE;
}

/* The peer went. Where a front end is attached that is only busy, what the peer sent last is read first, when it is
 * ready; but a new peer does not wait for that: see incoming() and retry(). */
static gboolean hung_up(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketChardev *s = opaque;
    bool reads = s->c.fe && s->c.fe->handlers && s->c.fe->handlers->receive;
    s->hup_id = 0;
    if (!s->in_id && !reads)
        disconnect(s);
    else if (s->server)
        start_listening(s);
    else if (s->reconnect_s && !s->retry_id)
        s->retry_id = g_timeout_add_seconds(s->reconnect_s, retry, s);
    return G_SOURCE_REMOVE;
}

static void socket_update(Chardev *c)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    bool want = s->fd >= 0 && char_can_receive(c) > 0;
    if (want && !s->in_id)
        s->in_id = g_unix_fd_add(s->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, s);
    else if (!want)
        source_stop(&s->in_id);
}

/* --- connecting --- */

static char *unix_text(const char *path)
{
    return g_strdup_printf("unix:%s", path);
}

static const char *protocol(const SocketChardev *s)
{
    return s->telnet ? "telnet:" : "tcp:";
}

static void connected(SocketChardev *s, int fd)
{
    g_autofree char *host = NULL, *port = NULL, *peer_host = NULL, *peer_port = NULL;
    const char *server = s->server ? ",server=on" : "";
    s->is_unix = socket_family(fd) == AF_UNIX;
    if (!socket_name(fd, false, &host, &port))
        host = g_strdup(""), port = g_strdup("");
    g_free(s->peer_name);
    if (s->is_unix) {
        s->peer_name = g_strdup_printf("unix:%s%s", host, server);
    } else {
        if (!socket_name(fd, true, &peer_host, &peer_port))
            peer_host = g_strdup(""), peer_port = g_strdup("");
        s->peer_name = g_strdup_printf("%s%s:%s%s <-> %s:%s", protocol(s), host, port, server, peer_host, peer_port);
        if (s->nodelay)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    s->telnet_state = TELNET_DATA;
    s->said = false;
    source_stop(&s->listen_id);
    source_stop(&s->retry_id);
    g_mutex_lock(&s->c.lock);
    s->fd = fd;
    if (s->telnet) {
        static const uint8_t hello[] = {IAC, WILL, 1, IAC, WILL, 3, IAC, WILL, 0, IAC, DO, 0};
        send_some(s, hello, sizeof(hello)); /* a new connection takes twelve bytes */
    }
    g_mutex_unlock(&s->c.lock);
    s->hup_id = g_unix_fd_add(fd, G_IO_HUP | G_IO_ERR, hung_up, s);
    char_set_connected(&s->c, true);
    socket_update(&s->c);
}

static gboolean incoming(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketChardev *s = opaque;
    if (s->fd >= 0 && s->in_id)
        return G_SOURCE_CONTINUE; /* readable() is about to find the end of the last peer */
    int peer = socket_accept(fd);
    if (peer < 0)
        return G_SOURCE_CONTINUE;
    if (s->fd >= 0)
        disconnect(s);
    connected(s, peer); /* stops this source */
    return G_SOURCE_CONTINUE;
}

static void start_listening(SocketChardev *s)
{
    if (!s->listen_id)
        s->listen_id = g_unix_fd_add(s->listen_fd, G_IO_IN, incoming, s);
}

static void connect_failed(SocketChardev *s, int err)
{
    if (!s->said) {
        g_autofree char *text = socket_address_text(&s->addr);
        error_report("Unable to connect character device %s: Failed to connect to '%s': %s", s->c.id,
                     s->addr.kind == SOCKET_UNIX ? s->addr.path : text, g_strerror(err));
    }
    s->said = true;
    s->retry_id = g_timeout_add_seconds(s->reconnect_s, retry, s);
}

static gboolean connect_done(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketChardev *s = opaque;
    s->connect_id = 0;
    s->connect_fd = -1;
    int err = socket_connect_result(fd);
    if (!err) {
        connected(s, fd);
        return G_SOURCE_REMOVE;
    }
    close(fd);
    if (++s->target < s->targets->len)
        try_connect(s);
    else
        connect_failed(s, -err);
    return G_SOURCE_REMOVE;
}

static void try_connect(SocketChardev *s)
{
    int fd = -ENOENT;
    for (; s->target < s->targets->len; s->target++) {
        bool pending;
        fd = socket_connect_start(&g_array_index(s->targets, SocketTarget, s->target), &pending);
        if (fd < 0)
            continue;
        if (pending) {
            s->connect_fd = fd;
            s->connect_id = g_unix_fd_add(fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, connect_done, s);
        } else {
            connected(s, fd);
        }
        return;
    }
    connect_failed(s, -fd);
}

static char *socket_filename(Chardev *c)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    if (s->peer_name)
        return g_strdup(s->peer_name);
    const char *server = s->server ? ",server=on" : "";
    if (s->listen_name)
        return g_strdup_printf("disconnected:%s%s", s->listen_name, server);
    g_autofree char *text = socket_address_text(&s->addr);
    return g_strdup_printf("disconnected:%s%s%s", s->addr.kind == SOCKET_INET ? protocol(s) : "", text, server);
}

/* --- opening --- */

static bool parse_address(SocketChardev *s, const Json *opts, Error **errp)
{
    SocketAddress *a = &s->addr;
    const char *path = opt_str(opts, "path"), *host = opt_str(opts, "host"), *port = opt_str(opts, "port"),
               *fd = opt_str(opts, "fd");
    bool abstract = false, tight = true, ipv4 = true, ipv6 = true;
    uint64_t to = 0;
    if (!opt_bool(opts, "abstract", &abstract, errp) || !opt_bool(opts, "tight", &tight, errp) ||
        !opt_bool(opts, "ipv4", &ipv4, errp) || !opt_bool(opts, "ipv6", &ipv6, errp) ||
        !opt_uint(opts, "to", 65535, &to, errp))
        return false;
    if (!!path + !!fd + !!host > 1)
        return error_set(errp, "None or one of 'path', 'fd' or 'host' option required.");
    if (path) {
        a->kind = SOCKET_UNIX;
        a->path = g_strdup(path);
        a->abstract = abstract;
        a->not_tight = !tight;
        return true;
    }
    if (fd) {
        a->kind = SOCKET_FD;
        a->fd = g_strdup(fd);
        return true;
    }
    if (!host && !port)
        return error_set(errp, "chardev: socket: one of 'path', 'host' and 'port', or 'fd' is needed");
    if (!port)
        return error_set(errp, "chardev: socket: no port given");
    a->kind = SOCKET_INET;
    a->host = g_strdup(host ? host : "");
    a->port = g_strdup(port);
    a->to = to;
    /* ipv4=on alone means only that, and so does ipv6=on. */
    bool only4 = json_get(opts, "ipv4") && ipv4, only6 = json_get(opts, "ipv6") && ipv6;
    a->no_ipv4 = !ipv4 || (only6 && !json_get(opts, "ipv4"));
    a->no_ipv6 = !ipv6 || (only4 && !json_get(opts, "ipv6"));
    return true;
}

static bool open_server(SocketChardev *s, bool wait, Error **errp)
{
    s->listen_fd = socket_listen(&s->addr, 1, errp);
    if (s->listen_fd < 0)
        return false;
    g_autofree char *host = NULL, *port = NULL;
    if (s->addr.kind == SOCKET_UNIX) {
        s->listen_name = socket_address_text(&s->addr);
        if (!s->addr.abstract)
            s->unlink_path = g_strdup(s->addr.path);
    } else if (socket_name(s->listen_fd, false, &host, &port)) {
        s->listen_name = socket_family(s->listen_fd) == AF_UNIX ? unix_text(host)
                                                                : g_strdup_printf("%s%s:%s", protocol(s), host, port);
    }
    if (!wait) {
        start_listening(s);
        return true;
    }
    g_autofree char *name = socket_filename(&s->c);
    info_report("QEMU waiting for connection on: %s", name);
    struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
    for (;;) {
        if (system_shutdown_requested())
            return error_set(errp, "chardev: socket: told to end while waiting for a connection on: %s", name);
        int fd = poll(&p, 1, 250) < 0 ? -errno : socket_accept(s->listen_fd);
        if (fd >= 0) {
            connected(s, fd);
            return true;
        }
        if (fd != -EINTR && fd != -EAGAIN && fd != -ECONNABORTED)
            return error_set_errno(errp, -fd, "chardev: socket: no connection on %s", name);
    }
}

static bool socket_open(Chardev *c, const Json *opts, Error **errp)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    bool wait = true, nodelay = false, delay = true, websocket = false, tn3270 = false;
    uint64_t reconnect = 0;
    s->fd = s->listen_fd = s->connect_fd = -1;
    if (!opt_bool(opts, "server", &s->server, errp) || !opt_bool(opts, "wait", &wait, errp) ||
        !opt_bool(opts, "telnet", &s->telnet, errp) || !opt_bool(opts, "nodelay", &nodelay, errp) ||
        !opt_bool(opts, "delay", &delay, errp) || !opt_bool(opts, "websocket", &websocket, errp) ||
        !opt_bool(opts, "tn3270", &tn3270, errp) || !opt_uint(opts, "reconnect", 86400, &reconnect, errp) ||
        !parse_address(s, opts, errp))
        return false;
    s->nodelay = nodelay || !delay;
    s->reconnect_s = reconnect;
    if (websocket || tn3270)
        return error_set(errp, "chardev: socket: %s=on is not implemented; telnet=on and plain sockets are",
                         websocket ? "websocket" : "tn3270");
    if (opt_str(opts, "tls-creds") || opt_str(opts, "tls-authz"))
        return error_set(errp,
                         "chardev: socket: tls-creds: TLS is not implemented; a unix socket is private without it");
    if (s->server) {
        if (reconnect)
            return error_set(errp, "'reconnect' option is incompatible with socket in server listen mode");
        return open_server(s, wait, errp);
    }
    if (json_get(opts, "wait"))
        return error_set(errp, "'wait' option is incompatible with socket in client connect mode");
    if (reconnect && s->addr.kind != SOCKET_FD) {
        s->targets = socket_resolve(&s->addr, false, errp);
        if (s->targets)
            try_connect(s);
        return s->targets != NULL;
    }
    if (reconnect)
        return error_set(errp, "'reconnect' option is incompatible with 'fd'");
    int fd = socket_connect(&s->addr, errp);
    if (fd < 0)
        return false;
    connected(s, fd);
    return true;
}

static void socket_close(Chardev *c)
{
    SocketChardev *s = container_of(c, SocketChardev, c);
    source_stop(&s->in_id);
    source_stop(&s->hup_id);
    source_stop(&s->listen_id);
    source_stop(&s->retry_id);
    source_stop(&s->connect_id);
    source_stop(&s->half_id);
    if (s->connect_fd >= 0)
        close(s->connect_fd);
    if (s->fd >= 0)
        close(s->fd);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    s->fd = s->listen_fd = -1;
    if (s->unlink_path)
        unlink(s->unlink_path);
    drop_in_fds(s);
    g_free(s->unlink_path);
    g_free(s->listen_name);
    g_free(s->peer_name);
    if (s->targets)
        g_array_free(s->targets, true);
    socket_address_clear(&s->addr);
}

const CharDriver chardev_socket = {
    .name = "socket",
    .summary = "unix or TCP stream, as server or client",
    .size = sizeof(SocketChardev),
    .options =
        (const char *const[]){"path",   "abstract", "tight",     "host",      "port",      "to",      "ipv4",
                              "ipv6",   "fd",       "server",    "wait",      "delay",     "nodelay", "reconnect",
                              "telnet", "tn3270",   "websocket", "tls-creds", "tls-authz", NULL},
    .open = socket_open,
    .close = socket_close,
    .write = socket_write,
    .write_fd = socket_write_fd,
    .broken = socket_broken,
    .update = socket_update,
    .filename = socket_filename,
    .take_fds = socket_take_fds,
    .send_fds = socket_send_fds,
};
