/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers "null-co" and "null-aio": a disk that forgets what is written. Reads leave the buffer alone unless
 * read-zeroes=on. The two differ in name only: here every request function is straight-line code.
 */
#include "block/node.h"

#include "util/iov.h"

#include <unistd.h>

typedef struct NullState {
    uint64_t size, latency_ns;
    bool read_zeroes;
} NullState;

static const Prop null_props[] = {PROP_SIZE("size", NullState, size, GIB, "size of the disk"),
                                  PROP_U64("latency-ns", NullState, latency_ns, 0, "time that each request takes"),
                                  PROP_BOOL("read-zeroes", NullState, read_zeroes, false, "reads give zeroes"),
                                  {}};

static bool null_open(BlockNode *n, Error **errp)
{
    NullState *s = n->state;
    if (s->latency_ns > 3600 * (uint64_t)NS_PER_SEC)
        return error_set(errp, "latency-ns is invalid: at most one hour");
    if (s->size > INT64_MAX - 511)
        return error_set(errp, "size is too large");
    n->length = ROUND_UP(s->size, BLOCK_SECTOR);
    n->filename = g_strdup_printf("%s://", n->drv->name);
    n->inline_io = !s->latency_ns;
    return true;
}

static void wait_latency(const NullState *s)
{
    if (s->latency_ns)
        g_usleep(s->latency_ns / 1000);
}

static int null_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    NullState *s = n->state;
    wait_latency(s);
    if (s->read_zeroes)
        iov_fill(iov, niov, 0, 0, len);
    return 0;
}

static int null_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    wait_latency(n->state);
    return 0;
}

static int null_range(BlockNode *n, uint64_t off, uint64_t len)
{
    wait_latency(n->state);
    return 0;
}

static int null_flush(BlockNode *n)
{
    wait_latency(n->state);
    return 0;
}

static int null_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    wait_latency(n->state);
    return 0;
}

static int64_t null_allocated(BlockNode *n)
{
    return 0;
}

#define NULL_DRIVER(name_)                                                                                             \
    {                                                                                                                  \
        .name = name_, .summary = "a disk that forgets", .size = sizeof(NullState), .props = null_props,               \
        .inline_io = true, .open = null_open, .preadv = null_preadv, .pwritev = null_pwritev, .flush = null_flush,     \
        .discard = null_range, .write_zeroes = null_zeroes, .allocated = null_allocated,                               \
    }
const BlockDriver block_null_co = NULL_DRIVER("null-co");
const BlockDriver block_null_aio = NULL_DRIVER("null-aio");
