/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks and timers. Each clock keeps its armed timers in a list sorted by deadline: a PC has a few dozen at most, and
 * most arm near one end. One timerfd a host clock wakes the main loop; virtual and monotonic time share one.
 */
#include "hw/core/clock.h"
#include "softmmu/mainloop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef struct Clock {
    Timer *first;
} Clock;

static Clock clocks[CLOCK_TYPES];
/* Virtual time = monotonic + offset while it runs, `frozen` while it does not. Read without the VM lock: a sequence
 * lock. */
static unsigned vseq;
static bool vrunning, vmanual;
static int64_t voffset, vfrozen;

static int64_t mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t wall_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t virtual_ns(void)
{
    for (;;) {
        unsigned s = __atomic_load_n(&vseq, __ATOMIC_ACQUIRE);
        bool running = __atomic_load_n(&vrunning, __ATOMIC_RELAXED);
        int64_t offset = __atomic_load_n(&voffset, __ATOMIC_RELAXED);
        int64_t frozen = __atomic_load_n(&vfrozen, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(s & 1) && s == __atomic_load_n(&vseq, __ATOMIC_RELAXED))
            return running ? mono_ns() + offset : frozen;
    }
}

static void virtual_set(bool running, int64_t now)
{
    __atomic_fetch_add(&vseq, 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(&vrunning, running, __ATOMIC_RELAXED);
    __atomic_store_n(&voffset, now - mono_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&vfrozen, now, __ATOMIC_RELAXED);
    __atomic_fetch_add(&vseq, 1, __ATOMIC_RELEASE);
}

int64_t clock_ns(ClockType type)
{
    switch (type) {
    case CLOCK_VIRTUAL:
        return virtual_ns();
    case CLOCK_HOST:
        return wall_ns();
    default:
        return mono_ns();
    }
}

/* The wake-ups. */
static int tfd[2] = {-1, -1};                     /* monotonic, wall */
static int64_t armed[2] = {INT64_MAX, INT64_MAX}; /* deadlines of tfd[]; -1: it has expired */

static void rearm(void)
{
    if (tfd[0] < 0)
        return;
    int64_t mono = INT64_MAX;
    if (vrunning && clocks[CLOCK_VIRTUAL].first)
        mono = clocks[CLOCK_VIRTUAL].first->expires - voffset;
    if (clocks[CLOCK_REALTIME_MONO].first)
        mono = MIN(mono, clocks[CLOCK_REALTIME_MONO].first->expires);
    int64_t wall = clocks[CLOCK_HOST].first ? clocks[CLOCK_HOST].first->expires : INT64_MAX;
    int64_t want[2] = {mono, wall};
    for (int i = 0; i < 2; i++) {
        if (want[i] == armed[i])
            continue;
        armed[i] = want[i];
        struct itimerspec its = {};
        if (want[i] != INT64_MAX) {
            int64_t t = MAX(want[i], 1); /* 0 would disarm it */
            its.it_value.tv_sec = t / NS_PER_SEC;
            its.it_value.tv_nsec = t % NS_PER_SEC;
        }
        timerfd_settime(tfd[i], TFD_TIMER_ABSTIME, &its, NULL);
    }
}

static gboolean expired(gint fd, GIOCondition cond, gpointer opaque)
{
    uint64_t n;
    while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
    /* The wall clock may have been set back since: the same deadline is ahead again. */
    armed[fd == tfd[1]] = -1;
    for (int c = 0; c < CLOCK_TYPES; c++)
        timers_run(c);
    return G_SOURCE_CONTINUE;
}

void clock_init(void)
{
    tfd[0] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    tfd[1] = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (tfd[0] < 0 || tfd[1] < 0) {
        perror("timerfd_create");
        abort();
    }
    for (int i = 0; i < 2; i++)
        fd_watch(tfd[i], G_IO_IN, expired, NULL);
    rearm();
}

static void unlink_timer(Timer *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        clocks[t->clock].first = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = t->next = NULL;
    t->armed = false;
}

void timer_init_clock(Timer *t, ClockType clock, void (*fn)(void *opaque), void *opaque)
{
    *t = (Timer){.fn = fn, .opaque = opaque, .clock = clock, .inited = true};
}

void timer_init(Timer *t, void (*fn)(void *opaque), void *opaque)
{
    timer_init_clock(t, CLOCK_VIRTUAL, fn, opaque);
}

void timer_arm_at(Timer *t, int64_t expires)
{
    ASSERT_VM_LOCKED();
    assert(t->inited);
    if (t->armed)
        unlink_timer(t);
    t->expires = MAX(expires, 0);
    t->armed = true;
    Timer *after = NULL;
    for (Timer *p = clocks[t->clock].first; p && p->expires <= t->expires; p = p->next)
        after = p;
    t->prev = after;
    t->next = after ? after->next : clocks[t->clock].first;
    if (t->next)
        t->next->prev = t;
    if (after) {
        after->next = t;
    } else {
        clocks[t->clock].first = t;
        rearm();
    }
}

void timer_arm_ns(Timer *t, int64_t delay)
{
    int64_t now = clock_ns(t->clock), at;
    if (__builtin_add_overflow(now, delay, &at))
        at = INT64_MAX;
    timer_arm_at(t, at);
}

void timer_arm_us(Timer *t, int64_t delay)
{
    timer_arm_ns(t, delay > INT64_MAX / 1000 ? INT64_MAX : delay * NS_PER_US);
}

void timer_arm_ms(Timer *t, int64_t delay)
{
    timer_arm_ns(t, delay > INT64_MAX / NS_PER_MS ? INT64_MAX : delay * NS_PER_MS);
}

void timer_stop(Timer *t)
{
    if (!t->armed)
        return;
    ASSERT_VM_LOCKED();
    bool first = clocks[t->clock].first == t;
    unlink_timer(t);
    if (first)
        rearm();
}

void timers_stop_within(const void *start, size_t len)
{
    for (int c = 0; c < CLOCK_TYPES; c++) {
        for (Timer *t = clocks[c].first, *next; t; t = next) {
            next = t->next;
            if ((const char *)t >= (const char *)start && (const char *)t < (const char *)start + len)
                timer_stop(t);
        }
    }
}

int64_t timers_deadline(ClockType clock)
{
    return clocks[clock].first ? clocks[clock].first->expires : INT64_MAX;
}

/* Runs what is due by `now`, as of the time of the call: a timer that re-arms itself in the past runs again at the next
 * turn only, so that the loop stays alive. */
static void run_due(ClockType clock, int64_t now)
{
    ASSERT_VM_LOCKED();
    unsigned budget = 0;
    for (Timer *t = clocks[clock].first; t && t->expires <= now; t = t->next)
        budget++;
    while (budget-- && clocks[clock].first && clocks[clock].first->expires <= now) {
        Timer *t = clocks[clock].first;
        unlink_timer(t);
        t->fn(t->opaque);
    }
    rearm();
}

void timers_run(ClockType clock)
{
    if (clock == CLOCK_VIRTUAL && !vrunning && !vmanual)
        return;
    if (clocks[clock].first)
        run_due(clock, clock_ns(clock));
    else
        rearm();
}

void clock_virtual_enable(bool on)
{
    if (vmanual || on == vrunning)
        return;
    virtual_set(on, virtual_ns());
    rearm();
}

void clock_virtual_manual(void)
{
    virtual_set(false, virtual_ns());
    vmanual = true;
}

void clock_virtual_set(int64_t ns)
{
    ASSERT_VM_LOCKED();
    while (clocks[CLOCK_VIRTUAL].first && clocks[CLOCK_VIRTUAL].first->expires <= ns) {
        int64_t at = MAX(clocks[CLOCK_VIRTUAL].first->expires, virtual_ns());
        virtual_set(false, at);
        run_due(CLOCK_VIRTUAL, at);
    }
    if (ns > virtual_ns())
        virtual_set(false, ns);
}

void clock_virtual_adjust(int64_t ns)
{
    virtual_set(vrunning, ns);
    rearm();
}
