/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's end of a WebSocket (RFC 6455), as a stream on a socket pair: a thread moves bytes and frames, 64 KiB
 * each way at most. */
#include "ui/http.h"
#include "ui/vnc-internal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF (64 * 1024)

typedef struct Buffer {
    uint8_t data[BUF + 256]; /* room for frame heads and a control frame */
    size_t start, end;
} Buffer;

typedef struct Pump {
    int ws, plain;
    Buffer in, out;   /* decoded, to plain; frames, to ws */
    uint8_t raw[BUF]; /* as it came from ws */
    size_t raw_start, raw_end;
    WsDecoder decoder;
    SocketEnd *end;
    bool finished; /* plain has ended: what is in out goes, then the end */
    bool deaf;     /* the peer takes nothing any more: what it has sent goes to plain, then the end */
} Pump;

static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = (deadline - g_get_monotonic_time()) / 1000;

    return left > 0 && poll(&p, 1, (int)MIN(left, INT_MAX)) > 0;
}

static bool write_text(int fd, const char *text, int64_t deadline)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline)))
            return false;
        text += MAX(n, 0);
        len -= (size_t)MAX(n, 0);
    }
    return true;
}

/* Bytes from fd to the end of a buffer; false: that was the end, by errno or by the peer (0). */
static bool fill(int fd, uint8_t *buf, size_t *end, size_t max)
{
    ssize_t n = recv(fd, buf + *end, max - *end, MSG_DONTWAIT);

    if (n == 0)
        errno = 0;
    if (n > 0)
        *end += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool drain(int fd, const uint8_t *buf, size_t *start, size_t *end)
{
    ssize_t n = send(fd, buf + *start, *end - *start, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0)
        *start += (size_t)n;
    if (*start == *end)
        *start = *end = 0;
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static void put_frame(Buffer *b, unsigned opcode, const void *data, size_t len)
{
    b->end += ws_frame_head(b->data + b->end, opcode, len);
    memcpy(b->data + b->end, data, len);
    b->end += len;
}

/* What has come goes through the decoder where there is room for it. */
static bool decode(Pump *p)
{
    while (p->raw_start < p->raw_end && !p->decoder.closed) {
        size_t used, made, room = BUF - p->in.end;

        if (p->deaf)
            p->decoder.pong = false;
        if (p->decoder.pong) {
            if (p->out.end)
                return true; /* the answer waits for its turn */
            put_frame(&p->out, WS_PONG, p->decoder.control, p->decoder.control_len);
            p->decoder.pong = false;
        }
        if (!room)
            return true;
        if (!ws_decode(&p->decoder, p->raw + p->raw_start, MIN(p->raw_end - p->raw_start, room), &used,
                       p->in.data + p->in.end, &made))
            return false;
        p->raw_start += used;
        p->in.end += made;
        if (!used && !p->decoder.pong)
            break;
    }
    if (p->decoder.pong && !p->out.end) {
        put_frame(&p->out, WS_PONG, p->decoder.control, p->decoder.control_len);
        p->decoder.pong = false;
    }
    if (p->raw_start == p->raw_end)
        p->raw_start = p->raw_end = 0;
    return true;
}

/* Where the peer is deaf one part after the other is read and handed on: the kernel tells of the end, or why, behind
 * the last. */
static bool turn(Pump *p)
{
    if (!decode(p))
        return false;
    if (p->deaf)
        p->out.start = p->out.end = 0;
    if (p->decoder.closed && !p->in.end)
        return false;
    bool more_in = p->raw_end < BUF && !p->decoder.closed && !(p->deaf && p->in.end);
    struct pollfd fds[2] = {
        {.fd = p->ws, .events = (short)((more_in ? POLLIN : 0) | (p->out.end ? POLLOUT : 0))},
        {.fd = p->plain, .events = (short)((!p->out.end && !p->finished ? POLLIN : 0) | (p->in.end ? POLLOUT : 0))},
    };
    uint8_t chunk[BUF / 2];
    size_t n = 0;

    /* what has ended would report that again and again */
    if (p->deaf && !fds[0].events)
        fds[0].fd = -1;
    if (p->finished && !fds[1].events)
        fds[1].fd = -1;
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR;
    if (fds[0].revents & (POLLERR | POLLHUP))
        p->deaf = true;
    if (p->out.end && !p->finished && (fds[1].revents & POLLHUP))
        return false; /* closed while the peer does not read */
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) && more_in && !fill(p->ws, p->raw, &p->raw_end, BUF)) {
        socket_end_tell(p->end, errno);
        return false;
    }
    if (!decode(p))
        return false;
    if (p->in.end && (fds[1].revents & (POLLOUT | POLLERR | POLLHUP)) &&
        !drain(p->plain, p->in.data, &p->in.start, &p->in.end))
        return false;
    if (!p->out.end && !p->finished && (fds[1].revents & (POLLIN | POLLHUP))) {
        p->finished = !fill(p->plain, chunk, &n, sizeof(chunk));
        if (n)
            put_frame(&p->out, WS_BINARY, chunk, n);
        if (p->finished)
            put_frame(&p->out, WS_CLOSE, "\x03\xe8", 2); /* 1000: done */
    }
    if (p->out.end && !p->deaf && (fds[0].revents & POLLOUT) &&
        !drain(p->ws, p->out.data, &p->out.start, &p->out.end)) {
        socket_end_tell(p->end, errno);
        p->deaf = true;
        shutdown(p->ws, SHUT_RDWR); /* whatever it was: what is there can be read, and then the end */
    }
    return !p->finished || (p->out.end && !p->deaf);
}

static gpointer pump_thread(gpointer opaque)
{
    Pump *p = opaque;

    while (turn(p))
        ;
    close(p->plain);
    close(p->ws);
    socket_end_unref(p->end);
    g_free(p);
    return NULL;
}

bool websocket_pump(int fd, const void *early, size_t early_len, int plain, SocketEnd *end)
{
    Pump *p;
    GThread *t;

    if (early_len > BUF)
        return false;
    p = g_new0(Pump, 1);
    p->ws = fd;
    p->plain = plain;
    p->end = socket_end_ref(end);
    memcpy(p->raw, early, early_len);
    p->raw_end = early_len;
    t = g_thread_try_new("websocket", pump_thread, p, NULL);
    if (t) {
        g_thread_unref(t);
        return true;
    }
    socket_end_unref(p->end);
    g_free(p);
    return false;
}

int websocket_accept(int fd, unsigned timeout_ms, SocketEnd *end)
{
    int64_t deadline = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
    g_autofree uint8_t *buf = g_malloc(HTTP_HEAD_MAX);
    g_autofree HttpRequest *r = g_new0(HttpRequest, 1);
    g_autofree char *reply = NULL;
    size_t len = 0;
    int rc = 0, ends[2];

    while (!(rc = http_parse(r, (char *)buf, len))) {
        if (!wait_for(fd, POLLIN, deadline)) {
            rc = -408;
            break;
        }
        if (!fill(fd, buf, &len, HTTP_HEAD_MAX))
            return -1;
    }
    if (rc > 0 && !r->upgrade)
        rc = -426;
    if (rc < 0) {
        reply =
            g_strdup_printf("HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n", -rc, http_reason(-rc),
                            rc == -426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "");
        write_text(fd, reply, deadline);
        return -1;
    }
    reply = ws_handshake(r);
    if (!write_text(fd, reply, deadline) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -1;
    if (websocket_pump(fd, buf + rc, len - (size_t)rc, ends[0], end))
        return ends[1];
    close(ends[0]);
    close(ends[1]);
    return -1;
}
