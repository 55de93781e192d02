/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of handles: to worker threads and back.
 *
 * A request is checked and counted at its handle's home (the main loop, under the VM lock, or a thread without it),
 * done by a worker (or at once, where nothing of it blocks), put on the home's list of finished ones and completed
 * there, by its loop or by who drains. `done_lock` guards the lists of finished requests and each request's `state`; it
 * is a leaf lock.
 */
#include "block/backend.h"
#include "block/uring.h"

#include "softmmu/mainloop.h"
#include "util/tsan.h"
#include "util/iov.h"

#define WORKERS_MAX 64
#define WAITING_MAX 1024       /* of them, workers that wait for limits and are not counted */
#define NOW_MAX     (64 * KIB) /* longer reads are tried at once only where no other is in flight */

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
    bool own_ref; /* of blk and node */
    int ret;
    BlockDirect direct; /* by the ring */
    int64_t start_ns;
    BlockCompletion *fn;
    void *opaque;
    BlockReq *next; /* of the finished */
};

typedef struct DoneList {
    BlockReq *first, **last;
    BottomHalf *bh; /* in the home's loop; set before the first request is sent */
} DoneList;

static GMutex done_lock;
static GCond done_cond;
static DoneList main_done = {.last = &main_done.first};
static GThreadPool *workers; /* made when first needed, with done_lock held */
static int workers_waiting;  /* done_lock */

static DoneList *done_list(const Block *b)
{
    return b->done ? b->done : &main_done;
}

/* The caller may make requests. */
static bool at_home(const Block *b)
{
    return b->home ? g_main_context_is_owner(b->home) : vm_locked();
}

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
    DoneList *l = done_list(r->blk);
    *l->last = r;
    l->last = &r->next;
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
    bh_schedule(done_list(r->blk)->bh); /* with the lock: r's completion, and the list's end, come after */
    g_mutex_unlock(&done_lock);
}

static BlockReq *take_done(DoneList *l)
{
    g_mutex_lock(&done_lock);
    BlockReq *r = l->first;
    if (r) {
        l->first = r->next;
        if (!l->first)
            l->last = &l->first;
    }
    g_mutex_unlock(&done_lock);
    return r;
}

/* Counters have one writer, the home; others read them. */
static void add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void count(Block *b, const BlockReq *r)
{
    BlockStats *s = &b->stats;
    int64_t now = g_get_monotonic_time() * 1000;
    if (r->ret == -ECANCELED)
        return;
    if (r->ret)
        add(&s->failed[r->op], 1);
    if (r->ret && !s->account_failed)
        return;
    add(&s->time_ns[r->op], (uint64_t)(now - r->start_ns));
    __atomic_store_n(&s->last_access_ns, now, __ATOMIC_RELAXED);
    if (r->ret)
        return;
    add(&s->ops[r->op], 1);
    add(&s->bytes[r->op], r->len);
}

/* Complete what is finished; a completion may send, drain and cancel. */
static void complete_done(void *list)
{
    BlockReq *r;
    while ((r = take_done(list))) {
        Block *b = r->blk;
        bool own_ref = r->own_ref;
        count(b, r);
        if (r->node && own_ref)
            node_unref(r->node);
        b->in_flight--;
        r->fn(r->opaque, r->ret);
        g_free(r);
        if (own_ref)
            blk_unref(b);
    }
}

/* The request as it is, in this thread: what needs no waiting. -EAGAIN: it does. */
static int perform_now(const BlockReq *r)
{
    if (r->node->inline_io)
        return perform((BlockReq *)r);
    if (r->op == BLOCK_OP_READ && r->blk->home && (r->len <= NOW_MAX || r->blk->in_flight == 1))
        return node_preadv_now(r->node, r->off, r->len, r->iov, r->niov);
    return -EAGAIN;
}

static void send_to_worker(BlockReq *r)
{
    g_mutex_lock(&done_lock);
    if (!workers)
        workers = g_thread_pool_new(worker, NULL, WORKERS_MAX + MIN(workers_waiting, WAITING_MAX), false, NULL);
    g_mutex_unlock(&done_lock);
    TSAN_RELEASE(r);
    g_thread_pool_push(workers, r, NULL);
}

void block_worker_waits(bool on)
{
    g_mutex_lock(&done_lock);
    workers_waiting += on ? 1 : -1;
    if (workers)
        g_thread_pool_set_max_threads(workers, WORKERS_MAX + MIN(workers_waiting, WAITING_MAX), NULL);
    g_mutex_unlock(&done_lock);
}

/* ---- by io_uring ---- */

static void ring_done(void *req, int res)
{
    BlockReq *r = req;
    if (r->direct.holder)
        r->direct.holder->drv->direct_end(r->direct.holder, r->direct.token);
    if (res >= 0 ? (uint64_t)res != r->len : res == -EAGAIN || res == -EINTR) { /* in parts: a worker does it again */
        send_to_worker(r);
        return;
    }
    g_mutex_lock(&done_lock);
    finish(r, MIN(res, 0));
    g_mutex_unlock(&done_lock);
}

static void ring_due(void *opaque)
{
    Block *b = opaque;
    block_ring_reap(b->ring, false);
    complete_done(b->done);
}

static bool start_on_ring(BlockReq *r)
{
    Block *b = r->blk;
    bool write = r->op == BLOCK_OP_WRITE;
    if (!b->home || b->no_ring || (!write && r->op != BLOCK_OP_READ) || r->zeroes || r->flags)
        return false;
    r->direct = (BlockDirect){0};
    if (node_direct(r->node, r->off, r->len, r->iov, r->niov, write, &r->direct))
        return false;
    if (!b->ring) {
        b->ring = block_ring_new(b->home, ring_done, ring_due, b);
        b->no_ring = !b->ring;
    }
    r->state = REQ_RUNNING;
    if (b->ring && block_ring_transfer(b->ring, r->direct.fd, write, r->direct.off, r->iov, r->niov, r, b->plugged > 0))
        return true;
    if (r->direct.holder)
        r->direct.holder->drv->direct_end(r->direct.holder, r->direct.token);
    r->state = REQ_QUEUED;
    return false;
}

/* What did not wait for limits, or has waited. In this thread, or by a worker. */
static void start(BlockReq *r)
{
    Block *b = r->blk;
    int err = perform_now(r);
    if (err == -EAGAIN) {
        if (!start_on_ring(r))
            send_to_worker(r);
        return;
    }
    g_mutex_lock(&done_lock);
    finish(r, err);
    g_mutex_unlock(&done_lock);
    if (!b->plugged)
        bh_schedule(done_list(b)->bh);
}

/* ---- limits ---- */

/* Start what may go; all: whatever the limits say. Sets the timer for the rest. */
static void start_waiting(Block *b, bool all)
{
    int64_t next = -1;
    for (int write = 0; write < 2; write++) {
        BlockReq *r;
        while ((r = g_queue_peek_head(&b->waiting[write]))) {
            int64_t wait = 0;
            if (all)
                throttle_charge(b->throttle, write, r->len);
            else
                wait = throttle_take(b->throttle, write, r->len);
            if (wait) {
                next = next < 0 ? wait : MIN(next, wait);
                break;
            }
            g_queue_pop_head(&b->waiting[write]);
            start(r);
        }
    }
    if (b->throttle_timer)
        g_source_set_ready_time(b->throttle_timer, next < 0 ? -1 : g_get_monotonic_time() + next / 1000 + 1);
}

static gboolean throttle_due(gpointer opaque)
{
    start_waiting(opaque, false);
    return G_SOURCE_CONTINUE;
}

static gboolean throttle_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    g_source_set_ready_time(source, -1);
    return fn(opaque);
}

static GSourceFuncs throttle_funcs = {.dispatch = throttle_dispatch};

/* r waits where it is over a limit, or others do. */
static bool wait_for_limits(BlockReq *r)
{
    Block *b = r->blk;
    bool write = r->op != BLOCK_OP_READ;
    if (!b->throttle || r->op == BLOCK_OP_FLUSH)
        return false;
    int64_t wait = g_queue_is_empty(&b->waiting[write]) ? throttle_take(b->throttle, write, r->len) : 1;
    if (!wait)
        return false;
    if (!b->throttle_timer) {
        b->throttle_timer = g_source_new(&throttle_funcs, sizeof(GSource));
        g_source_set_callback(b->throttle_timer, throttle_due, b, NULL);
        g_source_set_ready_time(b->throttle_timer, -1);
        g_source_attach(b->throttle_timer, b->home);
    }
    if (g_queue_is_empty(&b->waiting[write])) {
        int64_t due = g_get_monotonic_time() + wait / 1000 + 1, set = g_source_get_ready_time(b->throttle_timer);
        if (set < 0 || due < set)
            g_source_set_ready_time(b->throttle_timer, due);
    }
    g_queue_push_tail(&b->waiting[write], r);
    return true;
}

void blk_throttle_end(Block *b)
{
    if (!b->throttle_timer)
        return;
    g_source_destroy(b->throttle_timer);
    g_clear_pointer(&b->throttle_timer, g_source_unref);
}

static BlockReq *send_request(Block *b, BlockOp op, uint64_t off, uint64_t len, const struct iovec *iov, int niov,
                              unsigned flags, BlockCompletion *fn, void *opaque)
{
    assert(at_home(b));
    BlockReq *r = g_new0(BlockReq, 1);
    *r = (BlockReq){.blk = b,
                    .op = op,
                    .off = off,
                    .len = len,
                    .iov = iov,
                    .niov = niov,
                    .flags = flags,
                    .fn = fn,
                    .opaque = opaque,
                    .own_ref = !b->home}; /* what has a home is not let go */
    r->zeroes = op == BLOCK_OP_WRITE && !iov;
    r->start_ns = g_get_monotonic_time() * 1000;
    if (!main_done.bh && !b->home)
        main_done.bh = bh_new(complete_done, &main_done);
    b->in_flight++;
    if (r->own_ref)
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
        if (r->own_ref)
            node_ref(r->node);
        if (op == BLOCK_OP_WRITE && !blk_enable_write_cache(b))
            r->flags |= BLOCK_REQ_FUA;
        if (!wait_for_limits(r))
            start(r);
        return r;
    }
    g_mutex_lock(&done_lock);
    finish(r, err);
    g_mutex_unlock(&done_lock);
    if (!b->plugged)
        bh_schedule(done_list(b)->bh);
    return r;
}

void blk_plug(Block *b)
{
    assert(at_home(b));
    b->plugged++;
}

void blk_unplug(Block *b)
{
    assert(at_home(b) && b->plugged);
    if (--b->plugged)
        return;
    if (b->ring)
        block_ring_submit(b->ring);
    complete_done(done_list(b));
}

void blk_set_home(Block *b, GMainContext *ctx)
{
    ASSERT_VM_LOCKED();
    assert(!b->home && !b->in_flight && !b->plugged);
    blk_throttle_end(b); /* one in the new home is made when it is needed */
    b->home = ctx;
    b->done = g_new0(DoneList, 1);
    b->done->last = &b->done->first;
    b->done->bh = bh_new_in(ctx, complete_done, b->done);
}

void blk_leave_home(Block *b)
{
    blk_drain(b);
    blk_throttle_end(b);
    g_clear_pointer(&b->ring, block_ring_free);
    b->no_ring = false;
    bh_delete(b->done->bh);
    g_clear_pointer(&b->done, g_free);
    b->home = NULL;
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

/* Complete what there is, or wait for a worker; where the VM lock is held it is throughout, as no worker takes it. */
static void complete_or_wait(const Block *b)
{
    DoneList *l = done_list(b);
    if (block_ring_in_flight(b->ring)) {
        block_ring_reap(b->ring, true);
        complete_done(l);
        return;
    }
    g_mutex_lock(&done_lock);
    while (!l->first)
        g_cond_wait(&done_cond, &done_lock);
    g_mutex_unlock(&done_lock);
    complete_done(l);
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

/* Limits hold back none of b's requests; undone by the end with the node that comes back. */
static BlockNode *open_limits(Block *b)
{
    BlockNode *n = b->root ? b->root->node : NULL;
    if (!b->home) { /* what has a home is not let go */
        blk_ref(b);
        if (n)
            node_ref(n);
    }
    node_drain(n, true);
    return n;
}

static void close_limits(Block *b, BlockNode *n)
{
    node_drain(n, false);
    if (!b->home) {
        node_unref(n);
        blk_unref(b);
    }
}

void blk_cancel(BlockReq *r)
{
    assert(at_home(r->blk));
    Block *b = r->blk;
    BlockNode *n = open_limits(b);
    start_waiting(b, true);
    Cancelled c = {r->fn, r->opaque, false};
    r->fn = cancelled_done;
    r->opaque = &c;
    g_mutex_lock(&done_lock);
    if (r->state == REQ_QUEUED)
        r->state = REQ_CANCELLED;
    g_mutex_unlock(&done_lock);
    while (!c.done)
        complete_or_wait(b);
    close_limits(b, n);
}

void blk_drain(Block *b)
{
    assert(at_home(b));
    if (!b->in_flight)
        return;
    BlockNode *n = open_limits(b);
    while (b->in_flight) {
        start_waiting(b, true); /* completions may send */
        complete_or_wait(b);
    }
    close_limits(b, n);
}

void blk_pause(Block *b)
{
    ASSERT_VM_LOCKED();
    if (b->dev && b->ops && b->ops->pause)
        b->ops->pause(b->opaque, true);
    blk_drain(b);
}

void blk_resume(Block *b)
{
    if (b->dev && b->ops && b->ops->pause)
        b->ops->pause(b->opaque, false);
}

void blk_pause_all(void)
{
    for (Block *b = blk_next(NULL); b;) {
        if (b->home || b->in_flight) {
            blk_ref(b);
            blk_pause(b);
            blk_unref(b);
            b = blk_next(NULL); /* completions may have changed the list */
        } else {
            b = blk_next(b);
        }
    }
}

void blk_resume_all(void)
{
    for (Block *b = blk_next(NULL); b; b = blk_next(b))
        blk_resume(b);
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
