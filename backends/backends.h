/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What user-creatable objects give to others: memory, I/O threads, random bytes. */
#ifndef BACKENDS_BACKENDS_H
#define BACKENDS_BACKENDS_H

#include "hw/core/object.h"
#include "softmmu/memory.h"

/* memory-backend-ram, -file, -memfd: the object's RAM block, whose name is the object's id (or QOM path). The caller
 * takes a reference of its own with region_init_ram_block(). o is of type "memory-backend", used by the caller
 * (object_use). */
RamBlock *memory_backend_block(Object *o);
Json *memory_backends_query(void); /* query-memdev's reply */

/* iothread: a thread that runs a GMainContext of its own; its callbacks run without the VM lock. */
GMainContext *iothread_context(Object *o);
int iothread_tid(Object *o);
/* The I/O thread of devices that were given none, and that of network cards, whose bursts and libslirp no disk shall
 * wait for: made when first asked for, not shown to users, never gone. */
typedef enum SharedIoThread { IOTHREAD_SHARED, IOTHREAD_NET } SharedIoThread;
Object *iothread_shared(SharedIoThread which, Error **errp);
Json *iothreads_query(void); /* query-iothreads's reply */
/* Run fn(opaque) in the thread and wait for it; under the VM lock, which stays held: fn must not take it. */
void iothread_run(Object *o, void (*fn)(void *opaque), void *opaque);

/* rng-random, rng-builtin: cb gets len bytes, in the main loop under the VM lock, later (never from within the call).
 * The request dies silently with rng_cancel(). */
typedef struct RngRequest RngRequest;
RngRequest *rng_request(Object *o, size_t len, void (*cb)(void *opaque, const uint8_t *buf, size_t len), void *opaque);
Object *rng_shared(Error **errp); /* the host kernel's, for who was given none; not shown to users */
void rng_cancel(RngRequest *r);   /* before its cb ran */

#endif
