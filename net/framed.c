/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/framed.h"

#include "softmmu/mainloop.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LENGTH = 4, READ_ROUNDS = 64 };

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque);

static void watch_input(NetLink *l)
{
    if (!l->in_watch && l->fd >= 0)
        l->in_watch = fd_watch(l->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, l);
}

void net_link_open(NetLink *l, NetClient *nc, int fd, bool stream)
{
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    l->nc = nc;
    l->fd = fd;
    l->probe = -1;
    l->stream = stream;
    l->in = g_malloc(LENGTH + NET_PACKET_MAX);
    l->in_len = 0;
    watch_input(l);
}

void net_link_close(NetLink *l)
{
    if (l->in_watch)
        g_source_remove(l->in_watch);
    if (l->out_watch)
        g_source_remove(l->out_watch);
    l->in_watch = l->out_watch = 0;
    if (l->fd >= 0) {
        close(l->fd);
        if (l->probe >= 0)
            close(l->probe);
    }
    l->fd = -1;
    l->connected = false;
    g_clear_pointer(&l->in, g_free);
    g_clear_pointer(&l->out, g_free);
    l->in_len = l->out_len = l->out_off = 0;
}

/* What waited for room is lost with the connection; who was told to stop goes on. */
static void hang_up(NetLink *l)
{
    net_link_close(l);
    if (l->closed)
        l->closed(l->opaque);
    net_ready(l->nc);
}

/* ---- in ---- */

/* One packet of a stream into l->in. 1: it is whole, 0: not yet, -1: closed. */
static int read_framed(NetLink *l)
{
    for (;;) {
        size_t want = LENGTH;
        if (l->in_len >= LENGTH) {
            uint32_t len = ldl_be(l->in);
            if (!len || len > NET_PACKET_MAX)
                return -1;
            want += len;
            if (l->in_len == want)
                return 1;
        }
        ssize_t n = read(l->fd, l->in + l->in_len, want - l->in_len);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n <= 0)
            return -1;
        l->in_len += (size_t)n;
    }
}

static int read_datagram(NetLink *l)
{
    ssize_t n = recv(l->fd, l->in + LENGTH, NET_PACKET_MAX, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0)
        return 0; /* also what tells of an earlier datagram that nobody wanted */
    if (n > (ssize_t)NET_PACKET_MAX)
        n = 0;
    l->in_len = LENGTH + (size_t)n;
    return 1;
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    NetLink *l = opaque;
    for (unsigned i = 0; i < READ_ROUNDS; i++) {
        int got = l->stream ? read_framed(l) : read_datagram(l);
        if (got < 0) {
            l->in_watch = 0;
            hang_up(l);
            return G_SOURCE_REMOVE;
        }
        if (!got)
            break;
        size_t len = l->in_len - LENGTH;
        l->in_len = 0;
        if (len && !net_send_buf(l->nc, l->in + LENGTH, len)) {
            l->in_watch = 0;
            return G_SOURCE_REMOVE;
        }
    }
    return G_SOURCE_CONTINUE;
}

void net_link_writable(NetLink *l)
{
    watch_input(l);
}

/* ---- out ---- */

static gboolean room(gint fd, GIOCondition cond, gpointer opaque)
{
    NetLink *l = opaque;
    ssize_t n = l->out_len ? send(l->fd, l->out + l->out_off, l->out_len - l->out_off, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        l->out_len = l->out_off = 0; /* the reader hears of the end */
    } else if (n > 0) {
        l->out_off += (size_t)n;
        if (l->out_off == l->out_len)
            l->out_len = l->out_off = 0;
    }
    if (l->out_len)
        return G_SOURCE_CONTINUE;
    l->out_watch = 0;
    net_ready(l->nc);
    return G_SOURCE_REMOVE;
}

static void wait_for_room(NetLink *l, int fd)
{
    if (!l->out_watch)
        l->out_watch = fd_watch(fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, room, l);
}

/*
 * What tells of room for a datagram; -1: nothing. A unix socket that is not connected always polls as writable but for
 * its own buffer, however full the receiver's queue is. One that is connected to it polls as what it says. Each time
 * anew: another may have taken the receiver's name. Where there is none to connect to, it polls as writable, and the
 * datagram meets the error.
 */
static int room_for_datagram(NetLink *l)
{
    struct pollfd own = {l->fd, POLLOUT, 0};
    if (l->connected || l->to.ss_family != AF_UNIX || poll(&own, 1, 0) != 1)
        return l->fd;
    if (l->probe < 0)
        l->probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->probe >= 0)
        (void)!connect(l->probe, (struct sockaddr *)&l->to, l->to_len);
    return l->probe;
}

static bool send_stream(NetLink *l, const struct iovec *iov, int n, size_t total)
{
    struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(l->fd, &m, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return true; /* lost with its connection */
    if (sent == (ssize_t)total)
        return true;
    sent = MAX(sent, 0);
    if (!sent) {
        wait_for_room(l, l->fd);
        return false;
    }
    g_free(l->out);
    l->out_len = total - (size_t)sent;
    l->out_off = 0;
    l->out = g_malloc(l->out_len);
    iov_to_buf(iov, n, (size_t)sent, l->out, l->out_len);
    wait_for_room(l, l->fd);
    return true;
}

static bool send_datagram(NetLink *l, const NetPacket *p)
{
    struct msghdr m = {.msg_iov = (struct iovec *)p->iov,
                       .msg_iovlen = (size_t)p->n,
                       .msg_name = l->to_len ? &l->to : NULL,
                       .msg_namelen = l->to_len};
    if (!l->connected && !l->to_len)
        return true;
    ssize_t sent = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    int fd = sent < 0 && errno == EAGAIN ? room_for_datagram(l) : -1;
    if (fd < 0)
        return true;
    wait_for_room(l, fd);
    return false;
}

bool net_link_receive(NetLink *l, const NetPacket *p)
{
    uint8_t len[LENGTH];
    struct iovec iov[NET_PARTS_MAX + 1];
    if (l->fd < 0)
        return true;
    if (l->out_watch)
        return false;
    if (!l->stream)
        return send_datagram(l, p);
    stl_be(len, (uint32_t)p->size);
    iov[0] = (struct iovec){len, LENGTH};
    int n = MIN(p->n, NET_PARTS_MAX);
    memcpy(iov + 1, p->iov, (size_t)n * sizeof(iov[0]));
    return send_stream(l, iov, n + 1, LENGTH + p->size);
}
