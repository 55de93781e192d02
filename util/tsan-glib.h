/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GLib's locks, told to ThreadSanitizer: they are futexes in a library that it did not compile. Included before
 * everything else in builds with -Db_sanitize=thread, and in no other (meson.build).
 */
#ifndef UTIL_TSAN_GLIB_H
#define UTIL_TSAN_GLIB_H

#include <glib.h>

#include "util/tsan.h"

static inline void tsan_mutex_lock(GMutex *m)
{
    g_mutex_lock(m);
    TSAN_ACQUIRE(m);
}
static inline gboolean tsan_mutex_trylock(GMutex *m)
{
    gboolean got = g_mutex_trylock(m);
    if (got)
        TSAN_ACQUIRE(m);
    return got;
}
static inline void tsan_mutex_unlock(GMutex *m)
{
    TSAN_RELEASE(m);
    g_mutex_unlock(m);
}
static inline void tsan_cond_wait(GCond *c, GMutex *m)
{
    TSAN_RELEASE(m);
    g_cond_wait(c, m);
    TSAN_ACQUIRE(m);
}
static inline gboolean tsan_cond_wait_until(GCond *c, GMutex *m, gint64 end)
{
    TSAN_RELEASE(m);
    gboolean in_time = g_cond_wait_until(c, m, end);
    TSAN_ACQUIRE(m);
    return in_time;
}
static inline void tsan_rw_lock_writer_lock(GRWLock *l)
{
    g_rw_lock_writer_lock(l);
    TSAN_ACQUIRE(l);
}
static inline void tsan_rw_lock_writer_unlock(GRWLock *l)
{
    TSAN_RELEASE(l);
    g_rw_lock_writer_unlock(l);
}
static inline void tsan_rw_lock_reader_lock(GRWLock *l)
{
    g_rw_lock_reader_lock(l);
    TSAN_ACQUIRE(l);
}
static inline void tsan_rw_lock_reader_unlock(GRWLock *l)
{
    TSAN_RELEASE(l);
    g_rw_lock_reader_unlock(l);
}
#define g_mutex_lock(m)              tsan_mutex_lock(m)
#define g_mutex_trylock(m)           tsan_mutex_trylock(m)
#define g_mutex_unlock(m)            tsan_mutex_unlock(m)
#define g_cond_wait(c, m)            tsan_cond_wait(c, m)
#define g_cond_wait_until(c, m, end) tsan_cond_wait_until(c, m, end)
#define g_rw_lock_writer_lock(l)     tsan_rw_lock_writer_lock(l)
#define g_rw_lock_writer_unlock(l)   tsan_rw_lock_writer_unlock(l)
#define g_rw_lock_reader_lock(l)     tsan_rw_lock_reader_lock(l)
#define g_rw_lock_reader_unlock(l)   tsan_rw_lock_reader_unlock(l)

#endif
