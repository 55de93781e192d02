/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfers of host files by io_uring: one ring a handle, touched by its home thread alone. For block/request.c.
 */
#ifndef BLOCK_URING_H
#define BLOCK_URING_H

#include "block/node.h"

typedef struct BlockRing BlockRing;
typedef void BlockRingDone(void *req, int res); /* bytes, or -errno */

bool block_ring_available(void); /* here, and the host allows it */
/* NULL: it cannot be had. due() is called in ctx's thread when something has ended: then block_ring_reap(). */
BlockRing *block_ring_new(GMainContext *ctx, BlockRingDone *done, void (*due)(void *opaque), void *opaque);
void block_ring_free(BlockRing *r); /* nothing is in flight */
/* false: the ring is full. Sent at once, or by block_ring_submit(). */
bool block_ring_transfer(BlockRing *r, int fd, bool write, uint64_t off, const struct iovec *iov, int niov, void *req,
                         bool later);
void block_ring_submit(BlockRing *r);
unsigned block_ring_in_flight(const BlockRing *r);
void block_ring_reap(BlockRing *r, bool wait); /* calls done(); wait: for one at least */

#endif
