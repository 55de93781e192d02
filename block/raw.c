/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver "raw": a window of offset and size onto the node below, or all of it.
 *
 * Where nobody said that the image is raw and its first sector only did not look like anything else, the guest may not
 * write the magic of another format there: the next start would take the guest's word for what the image is.
 */
#include "block/node.h"

#include "util/iov.h"

typedef struct RawState {
    uint64_t offset, size; /* size 0: to the end */
} RawState;

static const Prop raw_props[] = {PROP_SIZE("offset", RawState, offset, 0, "where the image begins in the file"),
                                 PROP_SIZE("size", RawState, size, 0, "the image's size, 0: to the end of the file"),
                                 {}};

static bool raw_open(BlockNode *n, Error **errp)
{
    RawState *s = n->state;
    uint64_t below = node_length(n->file->node);
    if (s->offset > below)
        return error_set(errp, "Offset (%" PRIu64 ") cannot be greater than size of the containing file (%" PRIu64 ")",
                         s->offset, below);
    if (s->size > below - s->offset)
        return error_set(errp,
                         "The sum of offset (%" PRIu64 ") and size (%" PRIu64 ") has to be smaller or equal to the "
                         "actual size of the containing file (%" PRIu64 ")",
                         s->offset, s->size, below);
    if (s->size % BLOCK_SECTOR)
        return error_set(errp, "Specified size is not multiple of %u", BLOCK_SECTOR);
    n->length = s->size ? s->size : ROUND_DOWN(below - s->offset, BLOCK_SECTOR);
    n->grows &= !s->size;
    n->read_only |= n->file->node->read_only;
    n->filename = g_strdup(n->file->node->filename);
    return true;
}

static int raw_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    RawState *s = n->state;
    node_event(n->file->node, BLOCK_EVENT_READ_AIO);
    return node_preadv(n->file->node, off + s->offset, len, iov, niov);
}

/* No event for the layer below: one that wants it does not answer at once. */
static int raw_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    RawState *s = n->state;
    return node_preadv_now(n->file->node, off + s->offset, len, iov, niov);
}

static int raw_direct(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write,
                      BlockDirect *d)
{
    RawState *s = n->state;
    if (write && n->probed_raw && off < BLOCK_SECTOR)
        return -EAGAIN;
    return node_direct(n->file->node, off + s->offset, len, iov, niov, write, d);
}

static int raw_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    RawState *s = n->state;
    if (n->probed_raw && off < BLOCK_SECTOR) {
        uint8_t first[BLOCK_SECTOR];
        int ret = node_pread(n->file->node, s->offset, first, sizeof(first));
        if (ret)
            return ret;
        iov_to_buf(iov, niov, 0, first + off, MIN(len, BLOCK_SECTOR - off));
        if (block_probe_format(first, sizeof(first)))
            return -EPERM;
    }
    node_event(n->file->node, BLOCK_EVENT_WRITE_AIO);
    return node_pwritev(n->file->node, off + s->offset, len, iov, niov, flags);
}

static int raw_flush(BlockNode *n)
{
    node_event(n->file->node, BLOCK_EVENT_FLUSH_TO_OS);
    node_event(n->file->node, BLOCK_EVENT_FLUSH_TO_DISK);
    return node_flush(n->file->node);
}

static int raw_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    RawState *s = n->state;
    return node_discard(n->file->node, off + s->offset, len);
}

static int raw_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    RawState *s = n->state;
    return node_write_zeroes(n->file->node, off + s->offset, len, flags);
}

static bool raw_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    RawState *s = n->state;
    if (s->size)
        return error_set(errp, "Cannot resize fixed-size raw disks");
    if (size > INT64_MAX - s->offset)
        return error_set(errp, "Disk size too large for the chosen offset");
    if (!node_truncate(n->file->node, size + s->offset, errp))
        return false;
    __atomic_store_n(&n->length, ROUND_UP(size, BLOCK_SECTOR), __ATOMIC_RELAXED);
    return true;
}

static int raw_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st)
{
    RawState *s = n->state;
    return node_status(n->file->node, off + s->offset, len, st);
}

const BlockDriver block_raw = {
    .name = "raw",
    .summary = "the bytes as they are",
    .size = sizeof(RawState),
    .props = raw_props,
    .has_file = true,
    .is_filter = true,
    .inline_io = true,
    .grows = true,
    .open = raw_open,
    .preadv = raw_preadv,
    .preadv_now = raw_preadv_now,
    .direct = raw_direct,
    .pwritev = raw_pwritev,
    .flush = raw_flush,
    .discard = raw_discard,
    .write_zeroes = raw_write_zeroes,
    .truncate = raw_truncate,
    .status = raw_status,
};
