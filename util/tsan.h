/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ThreadSanitizer sees neither GLib's locks nor liburcu: these say what happens before what. Nothing in other builds.
 */
#ifndef UTIL_TSAN_H
#define UTIL_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif
#ifdef HAVE_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define TSAN_ACQUIRE(addr) __tsan_acquire(addr) /* what was done before the release of addr is seen from here on */
#define TSAN_RELEASE(addr) __tsan_release(addr)
#else
#define TSAN_ACQUIRE(addr) ((void)(addr))
#define TSAN_RELEASE(addr) ((void)(addr))
#endif

#endif
