/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io_uring, by liburing; without it nothing is available. */
#include "block/uring.h"

#include "block/block-config.h"

#ifdef CONFIG_LIBURING
#include <glib-unix.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RING_ENTRIES = 256 };

struct BlockRing {
    struct io_uring ring;
    int event;
    GSource *watch;
    unsigned in_flight, unsent;
    BlockRingDone *done;
    void (*due)(void *opaque);
    void *opaque;
};

bool block_ring_available(void)
{
    struct io_uring ring;
    if (io_uring_queue_init(2, &ring, 0) < 0)
        return false;
    io_uring_queue_exit(&ring);
    return true;
}

static gboolean ring_event(gint fd, GIOCondition cond, gpointer opaque)
{
    BlockRing *r = opaque;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) == sizeof(count))
        r->due(r->opaque);
    return G_SOURCE_CONTINUE;
}

BlockRing *block_ring_new(GMainContext *ctx, BlockRingDone *done, void (*due)(void *), void *opaque)
{
    BlockRing *r = g_new0(BlockRing, 1);
    r->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->event < 0 || io_uring_queue_init(RING_ENTRIES, &r->ring, 0) < 0)
        goto fail;
    if (io_uring_register_eventfd(&r->ring, r->event) < 0) {
        io_uring_queue_exit(&r->ring);
        goto fail;
    }
    r->done = done;
    r->due = due;
    r->opaque = opaque;
    r->watch = g_unix_fd_source_new(r->event, G_IO_IN);
    g_source_set_callback(r->watch, G_SOURCE_FUNC(ring_event), r, NULL);
    g_source_attach(r->watch, ctx);
    return r;
fail:
    if (r->event >= 0)
        close(r->event);
    g_free(r);
    return NULL;
}

void block_ring_free(BlockRing *r)
{
    if (!r)
        return;
    assert(!r->in_flight);
    g_source_destroy(r->watch);
    g_source_unref(r->watch);
    io_uring_queue_exit(&r->ring);
    close(r->event);
    g_free(r);
}

void block_ring_submit(BlockRing *r)
{
    while (r->unsent) {
        int n = io_uring_submit(&r->ring);
        if (n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY)
            break; /* they stay in the queue and go with the next */
        r->unsent -= MIN(r->unsent, n > 0 ? (unsigned)n : 0);
    }
}

bool block_ring_transfer(BlockRing *r, int fd, bool write, uint64_t off, const struct iovec *iov, int niov, void *req,
                         bool later)
{
    struct io_uring_sqe *e = r->in_flight < RING_ENTRIES ? io_uring_get_sqe(&r->ring) : NULL;
    if (!e)
        return false;
    if (write)
        io_uring_prep_writev(e, fd, iov, (unsigned)niov, off);
    else
        io_uring_prep_readv(e, fd, iov, (unsigned)niov, off);
    io_uring_sqe_set_data(e, req);
    r->in_flight++;
    r->unsent++;
    if (!later)
        block_ring_submit(r);
    return true;
}

unsigned block_ring_in_flight(const BlockRing *r)
{
    return r ? r->in_flight : 0;
}

void block_ring_reap(BlockRing *r, bool wait)
{
    struct io_uring_cqe *c;
    block_ring_submit(r);
    while (wait && r->in_flight && io_uring_wait_cqe(&r->ring, &c) == -EINTR)
        ;
    while (!io_uring_peek_cqe(&r->ring, &c)) {
        void *req = io_uring_cqe_get_data(c);
        int res = c->res;
        io_uring_cqe_seen(&r->ring, c);
        r->in_flight--;
        r->done(req, res);
    }
}
#else
bool block_ring_available(void)
{
    return false;
}

BlockRing *block_ring_new(GMainContext *ctx, BlockRingDone *done, void (*due)(void *), void *opaque)
{
    return NULL;
}

void block_ring_free(BlockRing *r)
{
}

void block_ring_submit(BlockRing *r)
{
}

bool block_ring_transfer(BlockRing *r, int fd, bool write, uint64_t off, const struct iovec *iov, int niov, void *req,
                         bool later)
{
    return false;
}

unsigned block_ring_in_flight(const BlockRing *r)
{
    return 0;
}

void block_ring_reap(BlockRing *r, bool wait)
{
}
#endif
