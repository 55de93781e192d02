/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of handles: to worker threads and back.
 *
 * A request is checked and counted under the VM lock, done by a worker (or at once, where the chain never blocks), put
 * on the list of finished ones and completed in the main loop, or in the thread that drains, under the VM lock.
 * `done_lock` guards the list of finished requests and each request's `state`; it is a leaf lock.
 */
#include "block/backend.h"

#include "softmmu/mainloop.h"
#include "util/tsan.h"
#include "util/iov.h"

#define WORKERS_MAX 64

typedef enum ReqState { REQ_QUEUED, REQ_RUNNING, REQ_CANCELLED, REQ_DONE } ReqState;

struct BlockReq {
    Block *blk;
    BlockNode *node; /* NULL: failed before it got to one */
    BlockOp op;
    bool zeroes; /* BLOCK_OP_WRITE: of zeroes, without iov */
    ReqState state;
    uint64_t off, len;
    const struct iovec *iov;
    int niov;
    unsigned flags;
    int ret;
    int64_t start_ns;
    BlockCompletion *fn;
    void *opaque;
    BlockReq *next; /* of the finished */
};

static GMutex done_lock;
static GCond done_cond;
static BlockReq *done_first, **done_last = &done_first;
static BottomHalf *done_bh; /* set before the first request is sent */
static GThreadPool *workers;

static int perform(BlockReq *r)
{
    switch (r->op) {
    case BLOCK_OP_READ:
        return node_preadv(r->node, r->off, r->len, r->iov, r->niov);
    case BLOCK_OP_WRITE:
        return r->zeroes ? node_write_zeroes(r->node, r->off, r->len, r->flags)
                         : node_pwritev(r->node, r->off, r->len, r->iov, r->niov, r->flags);
    case BLOCK_OP_FLUSH:
        return node_flush(r->node);
    default:
        return node_discard(r->node, r->off, r->len);
    }
}

/* done_lock held */
static void finish(BlockReq *r, int ret)
{
    r->ret = ret;
    r->state = REQ_DONE;
    r->next = NULL;
    *done_last = r;
    done_last = &r->next;
    g_cond_broadcast(&done_cond);
}

static void worker(gpointer data, gpointer unused)
{
    BlockReq *r = data;
    TSAN_ACQUIRE(r);
    g_mutex_lock(&done_lock);
    bool cancelled = r->state == REQ_CANCELLED;
    if (!cancelled)
        r->state = REQ_RUNNING;
    g_mutex_unlock(&done_lock);
    int ret = cancelled ? -ECANCELED : perform(r);
    g_mutex_lock(&done_lock);
    finish(r, ret);
    g_mutex_unlock(&done_lock);
    bh_schedule(done_bh);
}

static BlockReq *take_done(void)
{
    g_mutex_lock(&done_lock);
    BlockReq *r = done_first;
    if (r) {
        done_first = r->next;
        if (!done_first)
            done_last = &done_first;
    }
    g_mutex_unlock(&done_lock);
    return r;
}

static void count(Block *b, const BlockReq *r)
{
    BlockStats *s = &b->stats;
    int64_t now = g_get_monotonic_time() * 1000;
    if (r->ret == -ECANCELED)
        return;
    if (r->ret)
        s->failed[r->op]++;
    if (r->ret && !s->account_failed)
        return;
    s->time_ns[r->op] += now - r->start_ns;
    s->last_access_ns = now;
    if (r->ret)
        return;
    s->ops[r->op]++;
    s->bytes[r->op] += r->len;
}

/* Complete what is finished; a completion may send, drain and cancel. */
static void complete_done(void *unused)
{
    BlockReq *r;
    while ((r = take_done())) {
        Block *b = r->blk;
        count(b, r);
        if (r->node)
            node_unref(r->node);
        b->in_flight--;
        r->fn(r->opaque, r->ret);
        g_free(r);
        blk_unref(b);
    }
}

static BlockReq *send_request(Block *b, BlockOp op, uint64_t off, uint64_t len, const struct iovec *iov, int niov,
                              unsigned flags, BlockCompletion *fn, void *opaque)
{
    ASSERT_VM_LOCKED();
    BlockReq *r = g_new0(BlockReq, 1);
    *r = (BlockReq){.blk = b,
                    .op = op,
                    .off = off,
                    .len = len,
                    .iov = iov,
                    .niov = niov,
                    .flags = flags,
                    .fn = fn,
                    .opaque = opaque};
    r->zeroes = op == BLOCK_OP_WRITE && !iov;
    r->start_ns = g_get_monotonic_time() * 1000;
    if (!done_bh)
        done_bh = bh_new(complete_done, NULL);
    b->in_flight++;
    blk_ref(b);
    int err = 0;
    bool writes = op == BLOCK_OP_WRITE || op == BLOCK_OP_UNMAP;
    if (!b->root)
        err = op == BLOCK_OP_FLUSH ? 0 : -ENOMEDIUM;
    else if (off > node_length(b->root->node) || len > node_length(b->root->node) - off)
        err = -EIO;
    else if (writes && b->root->node->read_only)
        err = -EACCES;
    if (b->root && !err) {
        r->node = b->root->node;
        node_ref(r->node);
        if (op == BLOCK_OP_WRITE && !b->write_cache)
            r->flags |= BLOCK_REQ_FUA;
    }
    if (!r->node || r->node->inline_io) {
        int ret = r->node ? perform(r) : err;
        g_mutex_lock(&done_lock);
        finish(r, ret);
        g_mutex_unlock(&done_lock);
        bh_schedule(done_bh);
        return r;
    }
    if (!workers)
        workers = g_thread_pool_new(worker, NULL, WORKERS_MAX, false, NULL);
    TSAN_RELEASE(r);
    g_thread_pool_push(workers, r, NULL);
    return r;
}

BlockReq *blk_preadv(Block *b, uint64_t off, const struct iovec *iov, int niov, BlockCompletion *fn, void *opaque)
{
    return send_request(b, BLOCK_OP_READ, off, iov_size(iov, niov), iov, niov, 0, fn, opaque);
}

BlockReq *blk_pwritev(Block *b, uint64_t off, const struct iovec *iov, int niov, unsigned flags, BlockCompletion *fn,
                      void *opaque)
{
    return send_request(b, BLOCK_OP_WRITE, off, iov_size(iov, niov), iov, niov, flags, fn, opaque);
}

BlockReq *blk_flush(Block *b, BlockCompletion *fn, void *opaque)
{
    return send_request(b, BLOCK_OP_FLUSH, 0, 0, NULL, 0, 0, fn, opaque);
}

BlockReq *blk_discard(Block *b, uint64_t off, uint64_t len, BlockCompletion *fn, void *opaque)
{
    return send_request(b, BLOCK_OP_UNMAP, off, len, NULL, 0, 0, fn, opaque);
}

BlockReq *blk_write_zeroes(Block *b, uint64_t off, uint64_t len, unsigned flags, BlockCompletion *fn, void *opaque)
{
    return send_request(b, BLOCK_OP_WRITE, off, len, NULL, 0, flags, fn, opaque);
}

/* Complete what there is, or wait for a worker; the VM lock is held throughout, as no worker takes it. */
static void complete_or_wait(void)
{
    g_mutex_lock(&done_lock);
    while (!done_first)
        g_cond_wait(&done_cond, &done_lock);
    g_mutex_unlock(&done_lock);
    complete_done(NULL);
}

typedef struct Cancelled {
    BlockCompletion *fn;
    void *opaque;
    bool done;
} Cancelled;

static void cancelled_done(void *opaque, int ret)
{
    Cancelled *c = opaque;
    c->fn(c->opaque, ret);
    c->done = true;
}

void blk_cancel(BlockReq *r)
{
    ASSERT_VM_LOCKED();
    Cancelled c = {r->fn, r->opaque, false};
    r->fn = cancelled_done;
    r->opaque = &c;
    g_mutex_lock(&done_lock);
    if (r->state == REQ_QUEUED)
        r->state = REQ_CANCELLED;
    g_mutex_unlock(&done_lock);
    while (!c.done)
        complete_or_wait();
}

void blk_drain(Block *b)
{
    ASSERT_VM_LOCKED();
    while (b->in_flight)
        complete_or_wait();
}

void blk_drain_all(void)
{
    Block *b = blk_next(NULL);
    while (b) {
        if (b->in_flight) {
            blk_ref(b);
            blk_drain(b);
            blk_unref(b);
            b = blk_next(NULL); /* completions may have changed the list */
        } else {
            b = blk_next(b);
        }
    }
}

unsigned blk_in_flight(Block *b)
{
    return b->in_flight;
}

static int sync_check(Block *b, uint64_t off, uint64_t len)
{
    return !b->root                                                                     ? -ENOMEDIUM
           : off > node_length(b->root->node) || len > node_length(b->root->node) - off ? -EIO
                                                                                        : 0;
}

int blk_pread_sync(Block *b, uint64_t off, void *buf, uint64_t len)
{
    int ret = sync_check(b, off, len);
    return ret ? ret : node_pread(b->root->node, off, buf, len);
}

int blk_pwrite_sync(Block *b, uint64_t off, const void *buf, uint64_t len)
{
    int ret = sync_check(b, off, len);
    struct iovec iov = {(void *)buf, len};
    return ret ? ret : node_pwritev(b->root->node, off, len, &iov, 1, b->write_cache ? 0 : BLOCK_REQ_FUA);
}

int blk_flush_sync(Block *b)
{
    return b->root ? node_flush(b->root->node) : 0;
}
