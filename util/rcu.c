/* SPDX-License-Identifier: GPL-2.0-or-later */
#define URCU_NO_COMPAT_IDENTIFIERS
#include "util/rcu.h"

#include <urcu/urcu-memb.h>

_Static_assert(sizeof(struct rcu_head) <= sizeof(((RcuHead *)0)->reserved), "RcuHead holds liburcu's head");

static __thread bool registered;

#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif
#ifdef HAVE_TSAN
/* liburcu is not instrumented: tell TSan that what readers did before unlock happens before a reclaim. */
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char grace;
#define READERS_LEFT()   __tsan_acquire(&grace)
#define READER_LEAVES()  __tsan_release(&grace)
#else
#define READERS_LEFT()  ((void)0)
#define READER_LEAVES() ((void)0)
#endif

void rcu_thread_register(void)
{
    if (registered)
        return;
    urcu_memb_register_thread();
    registered = true;
}

void rcu_thread_unregister(void)
{
    if (!registered)
        return;
    urcu_memb_unregister_thread();
    registered = false;
}

void rcu_lock(void)
{
    assert(registered);
    urcu_memb_read_lock();
}

void rcu_unlock(void)
{
    READER_LEAVES();
    urcu_memb_read_unlock();
}

static void reclaim(struct rcu_head *h)
{
    READERS_LEFT();
    RcuHead *head = (RcuHead *)h;
    registered = true; /* liburcu's own thread is, and fn may call rcu_call() */
    head->fn(head);
}

void rcu_call(RcuHead *head, void (*fn)(RcuHead *))
{
    bool was = registered;
    rcu_thread_register();
    head->fn = fn;
    READER_LEAVES();
    urcu_memb_call_rcu((struct rcu_head *)head, reclaim);
    if (!was)
        rcu_thread_unregister();
}

void rcu_barrier_all(void)
{
    urcu_memb_barrier();
}
