/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main loop and the VM lock.
 *
 * The main thread runs GLib's default main context. Its poll drops the VM lock, so every callback of that context
 * (timers, file descriptors, bottom halves) runs with the VM lock held. Callbacks of other contexts (I/O threads) run
 * without it. Guest-visible state is touched only under the VM lock; exceptions say so where they are declared.
 */
#ifndef SOFTMMU_MAINLOOP_H
#define SOFTMMU_MAINLOOP_H

#include "util/util.h"

/* The VM lock; not recursive. Order: VM lock, device lock, leaf. */
void vm_lock(void);
bool vm_trylock(void); /* for threads that the holder may wait for */
void vm_unlock(void);
bool vm_locked(void); /* by this thread */
#define ASSERT_VM_LOCKED() assert(vm_locked())
/* A condition with the VM lock as its mutex; zeroed is ready. Waits may end without a broadcast: look again. */
typedef struct VmCond {
    uint32_t changes; /* futex, atomic */
} VmCond;
void vm_cond_wait(VmCond *cond);
void vm_cond_broadcast(VmCond *cond);

void mainloop_init(void); /* by the main thread, which then holds the VM lock */
void mainloop_run_once(bool may_block);
void mainloop_wake(void); /* from any thread or signal handler */
bool in_main_thread(void);

/* Watch fd in the main context with the VM lock held in fn; cond is G_IO_IN, G_IO_OUT ... The returned id goes to
 * g_source_remove(). fn returns G_SOURCE_CONTINUE or G_SOURCE_REMOVE. */
typedef gboolean FdFn(gint fd, GIOCondition cond, gpointer opaque);
unsigned fd_watch(int fd, GIOCondition cond, FdFn *fn, void *opaque);

/* A bottom half: fn runs once, soon, in the main loop with the VM lock held, however often it was scheduled. */
typedef struct BottomHalf BottomHalf;
BottomHalf *bh_new(void (*fn)(void *), void *opaque);
BottomHalf *bh_new_in(GMainContext *ctx, void (*fn)(void *),
                      void *opaque); /* in ctx's thread, without the VM lock; NULL: as bh_new */
/* In the main loop, in turn with file descriptors and timers instead of before them: fn may schedule it for ever. */
BottomHalf *bh_new_fair(void (*fn)(void *), void *opaque);
void bh_schedule(BottomHalf *bh); /* from any thread */
void bh_cancel(BottomHalf *bh);
void bh_delete(BottomHalf *bh); /* under the VM lock, or in ctx's thread; a scheduled fn does not run any more */
/* Run fn(opaque) once in the main loop under the VM lock; from any thread. */
void mainloop_defer(void (*fn)(void *), void *opaque);

#endif
