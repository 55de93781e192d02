/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/rcu.h"

#include "util/tsan.h"

#define URCU_NO_COMPAT_IDENTIFIERS
#ifndef HAVE_TSAN
#define _LGPL_SOURCE /* the read side inline: half the cost of a RAM access */
#endif
#include <urcu/urcu-memb.h>

_Static_assert(sizeof(struct rcu_head) <= sizeof(((RcuHead *)0)->reserved), "RcuHead holds liburcu's head");

static __thread bool registered;

/* What readers did before unlock happens before a reclaim. */
static char grace;
#define READERS_LEFT()  TSAN_ACQUIRE(&grace)
#define READER_LEAVES() TSAN_RELEASE(&grace)

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
