/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RCU, by liburcu's memb flavour: readers never block, a writer publishes a new snapshot and reclaims the old one
 * after a grace period. Every thread that reads registers itself first; vCPU threads, I/O threads and the main thread do.
 * Nothing may wait for a grace period with a lock held: there is only rcu_call().
 */
#ifndef UTIL_RCU_H
#define UTIL_RCU_H

#include "util/util.h"

void rcu_thread_register(void);   /* idempotent */
void rcu_thread_unregister(void); /* before a registered thread ends */
void rcu_lock(void);              /* nests */
void rcu_unlock(void);

typedef struct RcuHead {
    void *reserved[2];
    void (*fn)(struct RcuHead *);
} RcuHead;
/* Run fn(head) in the reclaim thread, with no lock held, after every reader that may see the object has left. */
void rcu_call(RcuHead *head, void (*fn)(RcuHead *));
/* Wait until every rcu_call() so far has run; for tests and process exit only; no lock may be held. */
void rcu_barrier_all(void);

#define rcu_load(ptr)       __atomic_load_n(&(ptr), __ATOMIC_ACQUIRE)
#define rcu_store(ptr, val) __atomic_store_n(&(ptr), (val), __ATOMIC_RELEASE)

#endif
