/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks and timers, in nanoseconds.
 *
 * Timer callbacks run in the main thread under the VM lock. Under -accel qtest the virtual clock stands still until
 * clock_step or clock_set moves it, which run what is due, in order of deadline.
 */
#ifndef HW_CORE_CLOCK_H
#define HW_CORE_CLOCK_H

#include "util/util.h"

typedef enum ClockType {
    CLOCK_VIRTUAL, /* guest time: starts at 0, stops while the VM is stopped */
    CLOCK_HOST,    /* the host's wall clock, ns since 1970; may jump */
    CLOCK_REALTIME_MONO, /* host monotonic time, never stops */
    CLOCK_TYPES,
} ClockType;

int64_t clock_ns(ClockType type); /* any thread */

typedef struct Timer {
    void (*fn)(void *opaque);
    void *opaque;
    ClockType clock;
    int64_t expires; /* absolute ns; valid while armed */
    bool armed;
    bool inited;
    struct Timer *prev, *next; /* the clock's list, by deadline */
} Timer;

/* A timer of the virtual clock; embedded in the device's struct. No allocation; the core stops it when a realize fails and
 * before the device is freed. All of these under the VM lock. */
void timer_init(Timer *t, void (*fn)(void *opaque), void *opaque);
void timer_init_clock(Timer *t, ClockType clock, void (*fn)(void *opaque), void *opaque);
void timer_arm_at(Timer *t, int64_t expires_ns); /* absolute; moves an armed one; in the past: runs at the next turn */
void timer_arm_ns(Timer *t, int64_t delay_ns);
void timer_arm_us(Timer *t, int64_t delay_us);
void timer_arm_ms(Timer *t, int64_t delay_ms);
void timer_stop(Timer *t);
static inline bool timer_armed(const Timer *t)
{
    return t->armed;
}

/* For the core, the main loop and accelerators. */
void timers_stop_within(const void *start, size_t len); /* every armed timer whose struct lies in [start, start+len) */
int64_t timers_deadline(ClockType clock);               /* absolute ns, INT64_MAX where none */
void timers_run(ClockType clock);                       /* what is due now */
void clock_init(void);                                  /* adds the timer source to the main context */
void clock_virtual_enable(bool on);                     /* the VM runs, or is stopped */
/* Take the virtual clock over (qtest): from now on it reads what clock_virtual_set() set and runs timers on the way. */
void clock_virtual_manual(void);
void clock_virtual_set(int64_t ns); /* runs due timers in order; ignored where ns is in the past */
void clock_virtual_adjust(int64_t ns); /* set the present virtual time (migration, kvmclock); VM stopped */

#endif
