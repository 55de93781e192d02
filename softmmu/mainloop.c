/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main loop: GLib's default context, polled with the VM lock dropped.
 *
 * The lock is a futex word (every exit of a vCPU takes it: a call into a library would be a fifth of the exit's cost
 * here) and a per-thread flag, so that vm_locked() costs a load. A thread that wants it while the main loop dispatches
 * waits for the end of the callback, and where there is always another one for HOLD microseconds.
 */
#include "softmmu/mainloop.h"
#include "util/tsan.h"

#include <glib-unix.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 0: free, 1: held, 2: held and somebody may sleep. Atomic. */
static uint32_t lock;
static uint32_t waiting; /* threads that vm_lock() keeps. Atomic. */
static __thread bool mine;
static GThread *main_thread;

static void futex(uint32_t *word, int op, uint32_t val)
{
    syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, NULL, NULL, 0);
}

static void wait_for_lock(void)
{
    __atomic_fetch_add(&waiting, 1, __ATOMIC_RELAXED);
    while (__atomic_exchange_n(&lock, 2, __ATOMIC_ACQUIRE))
        futex(&lock, FUTEX_WAIT, 2);
    __atomic_fetch_sub(&waiting, 1, __ATOMIC_RELAXED);
}

void vm_lock(void)
{
    assert(!mine);
    uint32_t expected = 0;
    if (!__atomic_compare_exchange_n(&lock, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        wait_for_lock();
    mine = true;
}

bool vm_trylock(void)
{
    assert(!mine);
    uint32_t expected = 0;
    return mine = __atomic_compare_exchange_n(&lock, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void vm_unlock(void)
{
    assert(mine);
    mine = false;
    if (__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE) == 2)
        futex(&lock, FUTEX_WAKE, 1);
}

bool vm_locked(void)
{
    return mine;
}

void vm_cond_wait(VmCond *cond)
{
    uint32_t seen = __atomic_load_n(&cond->changes, __ATOMIC_RELAXED);
    vm_unlock();
    futex(&cond->changes, FUTEX_WAIT, seen);
    vm_lock();
}

void vm_cond_broadcast(VmCond *cond)
{
    assert(mine);
    __atomic_fetch_add(&cond->changes, 1, __ATOMIC_RELAXED);
    futex(&cond->changes, FUTEX_WAKE, INT_MAX);
}

enum { HOLD = 1000 }; /* microseconds for which the main loop keeps the lock from others while it has work */
static gint64 held_since;

/* To whoever waits: the one that lets go would have it again before they are awake. Not for long: they may be late. */
static void hand_over(void)
{
    gint64 end = g_get_monotonic_time() + HOLD;
    vm_unlock();
    while (!__atomic_load_n(&lock, __ATOMIC_RELAXED) && __atomic_load_n(&waiting, __ATOMIC_RELAXED) &&
           g_get_monotonic_time() < end)
        sched_yield();
    vm_lock();
    held_since = g_get_monotonic_time();
}

/* GLib calls this instead of poll(2): the one place where the main thread sleeps. */
static gint poll_unlocked(GPollFD *fds, guint n, gint timeout)
{
    if (!timeout)
        return g_poll(fds, n, 0);
    bool held = mine;
    if (held)
        vm_unlock();
    gint r = g_poll(fds, n, timeout);
    if (held) {
        vm_lock();
        held_since = g_get_monotonic_time();
    }
    return r;
}

void mainloop_init(void)
{
    main_thread = g_thread_self();
    g_main_context_set_poll_func(NULL, poll_unlocked);
    vm_lock();
}

void mainloop_run_once(bool may_block)
{
    /* not in poll_unlocked(), which GLib leaves out while a bottom half is ready */
    if (mine && __atomic_load_n(&waiting, __ATOMIC_RELAXED) && g_get_monotonic_time() - held_since >= HOLD)
        hand_over();
    g_main_context_iteration(NULL, may_block);
}

void mainloop_wake(void)
{
    g_main_context_wakeup(NULL);
}

bool in_main_thread(void)
{
    return g_thread_self() == main_thread;
}

unsigned fd_watch(int fd, GIOCondition cond, FdFn *fn, void *opaque)
{
    return g_unix_fd_add(fd, cond, fn, opaque);
}

/* A bottom half is a source that is always attached and becomes ready when it is scheduled. */
struct BottomHalf {
    GSource *src;
    void (*fn)(void *);
    void *opaque;
};

static gboolean bh_dispatch(GSource *src, GSourceFunc fn, gpointer data)
{
    BottomHalf *bh = data;
    g_source_set_ready_time(src, -1);
    TSAN_ACQUIRE(bh);
    bh->fn(bh->opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean bh_nothing(gpointer data)
{
    return G_SOURCE_CONTINUE;
}

BottomHalf *bh_new_in(GMainContext *ctx, void (*fn)(void *), void *opaque)
{
    static GSourceFuncs funcs = {.dispatch = bh_dispatch};
    BottomHalf *bh = g_new0(BottomHalf, 1);
    bh->fn = fn;
    bh->opaque = opaque;
    bh->src = g_source_new(&funcs, sizeof(GSource));
    g_source_set_callback(bh->src, bh_nothing, bh, NULL);
    g_source_set_priority(bh->src, G_PRIORITY_HIGH);
    g_source_attach(bh->src, ctx);
    return bh;
}

BottomHalf *bh_new(void (*fn)(void *), void *opaque)
{
    return bh_new_in(NULL, fn, opaque);
}

BottomHalf *bh_new_fair(void (*fn)(void *), void *opaque)
{
    BottomHalf *bh = bh_new(fn, opaque);
    g_source_set_priority(bh->src, G_PRIORITY_DEFAULT);
    return bh;
}

void bh_schedule(BottomHalf *bh)
{
    TSAN_RELEASE(bh);
    g_source_set_ready_time(bh->src, 0);
}

void bh_cancel(BottomHalf *bh)
{
    g_source_set_ready_time(bh->src, -1);
}

static void bh_free(gpointer data)
{
    g_free(data);
}

void bh_delete(BottomHalf *bh)
{
    /* The struct may be in use by a dispatch that is under way (fn deleting its own bottom half): it goes with the
     * source. */
    GSource *src = bh->src;
    g_source_set_ready_time(src, -1);
    g_source_set_callback(src, bh_nothing, bh, bh_free);
    g_source_destroy(src);
    g_source_unref(src);
}

typedef struct Deferred {
    void (*fn)(void *);
    void *opaque;
} Deferred;

static gboolean deferred_run(gpointer data)
{
    Deferred *d = data;
    TSAN_ACQUIRE(d);
    d->fn(d->opaque);
    return G_SOURCE_REMOVE;
}

void mainloop_defer(void (*fn)(void *), void *opaque)
{
    Deferred *d = g_new(Deferred, 1);
    *d = (Deferred){fn, opaque};
    TSAN_RELEASE(d);
    g_idle_add_full(G_PRIORITY_HIGH, deferred_run, d, g_free);
}
