/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small things that every file may use: container_of, bit fields, byte order, printf checks. */
#ifndef UTIL_UTIL_H
#define UTIL_UTIL_H

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, args)          __attribute__((format(printf, fmt, args)))

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define NS_PER_SEC 1000000000LL
#define NS_PER_MS  1000000LL
#define NS_PER_US  1000LL

#define BIT32(n) (1U << (n))
#define BIT64(n) (1ULL << (n))

#define ROUND_UP(x, align)   (((x) + (align)-1) / (align) * (align))
#define ROUND_DOWN(x, align) ((x) / (align) * (align))

/* Bits [lo, lo+len) of val. */
static inline uint64_t bits64(uint64_t val, unsigned lo, unsigned len)
{
    return (val >> lo) & (len >= 64 ? ~0ULL : BIT64(len) - 1);
}

/* a * b / c without overflow of the product; c must not be 0. */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

/* Unaligned loads and stores, little endian (le) and big endian (be); p need not be aligned. */
static inline uint16_t lduw_le(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return GUINT16_FROM_LE(v);
}
static inline uint32_t ldl_le(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return GUINT32_FROM_LE(v);
}
static inline uint64_t ldq_le(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return GUINT64_FROM_LE(v);
}
static inline void stw_le(void *p, uint16_t v)
{
    v = GUINT16_TO_LE(v);
    memcpy(p, &v, 2);
}
static inline void stl_le(void *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, 4);
}
static inline void stq_le(void *p, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, 8);
}
static inline uint16_t lduw_be(const void *p)
{
    return GUINT16_SWAP_LE_BE(lduw_le(p));
}
static inline uint32_t ldl_be(const void *p)
{
    return GUINT32_SWAP_LE_BE(ldl_le(p));
}
static inline uint64_t ldq_be(const void *p)
{
    return GUINT64_SWAP_LE_BE(ldq_le(p));
}
static inline void stw_be(void *p, uint16_t v)
{
    stw_le(p, GUINT16_SWAP_LE_BE(v));
}
static inline void stl_be(void *p, uint32_t v)
{
    stl_le(p, GUINT32_SWAP_LE_BE(v));
}
static inline void stq_be(void *p, uint64_t v)
{
    stq_le(p, GUINT64_SWAP_LE_BE(v));
}
/* size is 1, 2, 4 or 8 */
/* The usual sizes as one access each: with a size that the compiler does not know memcpy() is a call. */
static inline uint64_t ldn_le(const void *p, unsigned size)
{
    uint64_t v = 0;
    switch (size) {
    case 1:
        memcpy(&v, p, 1);
        break;
    case 2:
        memcpy(&v, p, 2);
        break;
    case 4:
        memcpy(&v, p, 4);
        break;
    case 8:
        memcpy(&v, p, 8);
        break;
    default:
        memcpy(&v, p, size);
    }
    return GUINT64_FROM_LE(v);
}
static inline void stn_le(void *p, unsigned size, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    switch (size) {
    case 1:
        memcpy(p, &v, 1);
        break;
    case 2:
        memcpy(p, &v, 2);
        break;
    case 4:
        memcpy(p, &v, 4);
        break;
    case 8:
        memcpy(p, &v, 8);
        break;
    default:
        memcpy(p, &v, size);
    }
}

#endif
