/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A front end's handle, from the inside; for block/ only. All under the VM lock, but for what a BlockReq's worker
 * touches, and for in_flight and plugged, which are the home's, and stats and write_cache, which are atomic.
 */
#ifndef BLOCK_BACKEND_H
#define BLOCK_BACKEND_H

#include "block/node.h"
#include "block/throttle.h"

typedef struct BlockStats {
    uint64_t bytes[BLOCK_OPS], ops[BLOCK_OPS], failed[BLOCK_OPS], invalid[BLOCK_OPS], time_ns[BLOCK_OPS];
    int64_t last_access_ns; /* monotonic; 0: never */
    bool account_invalid, account_failed;
} BlockStats;

typedef enum BlockIoStatus { IOSTATUS_OK, IOSTATUS_FAILED, IOSTATUS_NOSPACE } BlockIoStatus;

struct Block {
    char *name; /* NULL: anonymous */
    int refs;
    BlockEdge *root; /* the medium; NULL: none */
    unsigned perm, shared;
    Device *dev;
    const BlockDevOps *ops;
    void *opaque;
    bool write_cache;
    BlockOnError on_read, on_write;
    bool iostatus_enabled;
    BlockIoStatus iostatus;
    unsigned in_flight, plugged;
    GMainContext *home;     /* NULL: the main loop, under the VM lock */
    struct BlockRing *ring; /* the home's; NULL: not needed yet, or not to be had (no_ring) */
    bool no_ring;
    struct DoneList *done;   /* finished requests that wait for it; NULL: the main loop's */
    ThrottleGroup *throttle; /* NULL: no limits; changes while drained */
    GQueue waiting[2];       /* of BlockReq: reads, writes over the limits; the home's, as throttle_timer is */
    GSource *throttle_timer;
    BlockStats stats;
    /* What a medium put in later is opened with. */
    bool medium_read_only;
    int medium_detect_zeroes;
    struct DriveInfo *drive; /* made by -drive, else NULL */
    Block *next;
};

/* QEMU's words for messages: "block device 'ide0-hd0'". */
char *blk_describe(const Block *b);
bool blk_has_tray(const Block *b);
bool blk_tray_is_open(const Block *b);
bool blk_removable(const Block *b);
bool blk_locked(const Block *b);
void blk_notify_medium(Block *b, bool loaded);
void blk_iostatus_reset(Block *b);
bool blk_iostatus_on(const Block *b);
void blk_throttle_end(Block *b);  /* no request waits */
void block_worker_waits(bool on); /* a worker sleeps for its own request's sake: others get a thread more meanwhile */
/* A -drive's device was unplugged: the drive goes with it. */
void drive_auto_del(Block *b);
/* Open an image as -drive and blockdev-change-medium do: flat options (borrowed, strings), file may be NULL; probes
 * where no driver is named. */
BlockNode *drive_open_image(const Json *flat, const char *file, Error **errp);
/* Take a named handle off the list of names; it lives on until its device lets go. */
void blk_forget_name(Block *b);

#endif
