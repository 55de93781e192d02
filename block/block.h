/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block devices: a graph of nodes (images, formats, filters) and the handles through which guest devices use it.
 *
 *     guest device -> Block (handle: name, medium, error policy, statistics) -> BlockNode -> BlockNode -> host file
 *
 * A driver's request functions are straight-line code: they run on worker threads without the VM lock, several at a
 * time, and call the node below them with node_p*(). All else (open, close, graph, handles, completions) happens under
 * the VM lock. A handle may have a home, a thread that makes its requests and gets their completions without that lock:
 * blk_set_home(). While it has, nothing but its requests touches it; blk_pause() takes it back first.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include "hw/core/device.h"
#include "util/json.h"

#include <sys/uio.h>

typedef struct Block Block;         /* a front end's handle: QEMU's "block backend", query-block's "device" */
typedef struct BlockNode BlockNode; /* one image, format layer or filter: QEMU's "node" */
typedef struct BlockReq BlockReq;

#define BLOCK_SECTOR 512u

/* What a user of a node does with it, and what it lets others do meanwhile; values are also the lock bytes' offsets. */
typedef enum BlockPerm {
    BLOCK_PERM_CONSISTENT_READ = 1,
    BLOCK_PERM_WRITE = 2,
    BLOCK_PERM_WRITE_UNCHANGED = 4,
    BLOCK_PERM_RESIZE = 8,
    BLOCK_PERM_ALL = 15,
} BlockPerm;

enum {                          /* request flags */
       BLOCK_REQ_FUA = 1,       /* a write: on stable storage when it completes */
       BLOCK_REQ_MAY_UNMAP = 2, /* write_zeroes: may deallocate */
};

/* ret: 0 or -errno. In the main loop under the VM lock, or in the handle's home without it. */
typedef void BlockCompletion(void *opaque, int ret);

/*
 * A handle's requests. iov and what it points to stay the caller's and valid until the completion, which comes exactly
 * once, never from within the call. Offsets and lengths may be any bytes inside the medium; beyond its end, without a
 * medium or on a read-only one the request completes with -EIO, -ENOMEDIUM, -EACCES. The result is for telling one
 * request in blk_cancel() only.
 */
BlockReq *blk_preadv(Block *b, uint64_t off, const struct iovec *iov, int niov, BlockCompletion *fn, void *opaque);
BlockReq *blk_pwritev(Block *b, uint64_t off, const struct iovec *iov, int niov, unsigned flags, BlockCompletion *fn,
                      void *opaque);
BlockReq *blk_flush(Block *b, BlockCompletion *fn, void *opaque); /* all writes completed before are stable */
BlockReq *blk_discard(Block *b, uint64_t off, uint64_t len, BlockCompletion *fn, void *opaque);
BlockReq *blk_write_zeroes(Block *b, uint64_t off, uint64_t len, unsigned flags, BlockCompletion *fn, void *opaque);
/* The request's completion has run (with -ECANCELED where it could be stopped) when this returns. */
void blk_cancel(BlockReq *req);
void blk_drain(Block *b); /* returns when none of its requests is in flight; their completions have run. At its home */
/* Between the two, requests that end at once do not wake the loop; unplug completes what has ended by then. At its
 * home. */
void blk_plug(Block *b);
void blk_unplug(Block *b);
/* Under the VM lock, with none in flight: the thread that runs ctx makes b's requests from now on. */
void blk_set_home(Block *b, GMainContext *ctx);
/* In that thread, while the VM lock's holder waits for it: drains; after it the main loop makes them again. */
void blk_leave_home(Block *b);
/* Under the VM lock: b's device makes no requests until blk_resume(), none is in flight, and b has no home. Nests not.
 */
void blk_pause(Block *b);
void blk_resume(Block *b);
void blk_pause_all(void);
void blk_resume_all(void);
/* At once, in the calling thread: loaders, firmware, monitor commands. 0 or -errno. */
int blk_pread_sync(Block *b, uint64_t off, void *buf, uint64_t len);
int blk_pwrite_sync(Block *b, uint64_t off, const void *buf, uint64_t len);
int blk_flush_sync(Block *b);

/* Handles. name: the -drive id, NULL: anonymous. node: taken reference or NULL: no medium. */
Block *blk_new(const char *name);
Block *blk_find(const char *name);            /* by name */
Block *blk_find_qdev(const char *id_or_path); /* by the device that uses it; also by name */
Block *blk_next(Block *b);                    /* all, in order of creation; NULL begins and ends */
const char *blk_name(const Block *b);         /* "" where anonymous */
void blk_ref(Block *b);
void blk_unref(Block *b);
bool blk_insert(Block *b, BlockNode *node, Error **errp); /* put a medium in; takes its own reference on node */
void blk_remove(Block *b);                                /* take it out: drains first */
BlockNode *blk_node(Block *b);                            /* NULL: no medium */
bool blk_inserted(Block *b);
uint64_t blk_length(Block *b);         /* bytes; 0 without a medium */
uint64_t blk_sectors(Block *b);        /* whole 512-byte sectors */
bool blk_read_only(Block *b);          /* the medium; true without one */
bool blk_enable_write_cache(Block *b); /* the present setting: false makes each write FUA */
void blk_set_enable_write_cache(Block *b, bool on);
unsigned blk_in_flight(Block *b);

/* What a device tells about itself. NULL members: not removable, no tray, never told. */
typedef struct BlockDevOps {
    bool removable;
    /* A medium was put in and the tray closed, or the tray opened (a device without one: the medium taken out). */
    void (*medium_changed)(void *opaque, bool loaded);
    void (*eject_request)(void *opaque, bool force); /* the monitor asks the guest to open the tray */
    bool (*tray_open)(void *opaque);                 /* NULL: has no tray */
    bool (*locked)(void *opaque);                    /* the guest prevents removal */
    void (*resized)(void *opaque);
    /* Make no more requests, drain, give up the home; go on. NULL: its requests are made under the VM lock. */
    void (*pause)(void *opaque, bool on);
} BlockDevOps;
/* Attach a device (one a handle); the core detaches it when its realize fails or it goes. Then claim what it does:
 * BlockPerm bits. */
bool blk_attach(Block *b, Device *dev, const BlockDevOps *ops, void *opaque, Error **errp);
void blk_detach(Block *b);
bool blk_set_perm(Block *b, unsigned perm, unsigned shared, Error **errp);
/* The guest moved the tray: DEVICE_TRAY_MOVED. */
void blk_tray_moved(Block *b, bool open);

/* Errors: what the policy (werror, rerror) says of a failed request; blk_error() emits BLOCK_IO_ERROR and stops the VM
 * where told. */
typedef enum BlockOnError {
    BLOCK_ON_ERROR_REPORT,
    BLOCK_ON_ERROR_IGNORE,
    BLOCK_ON_ERROR_ENOSPC,
    BLOCK_ON_ERROR_STOP,
    BLOCK_ON_ERROR_AUTO
} BlockOnError;
extern const char *const block_on_error_names[];                        /* "report" "ignore" "enospc" "stop" "auto" */
void blk_set_on_error(Block *b, BlockOnError read, BlockOnError write); /* AUTO keeps the -drive's */
/* These two at b's home. REPORT, IGNORE or STOP; err > 0. */
BlockOnError blk_error_action(Block *b, bool is_read, int err);
void blk_error(Block *b, BlockOnError action, bool is_read,
               int err); /* a stopped device retries when the VM runs again */
void blk_iostatus_enable(Block *b);
/* The device refused a request of the guest before it got here: counted as invalid. */
typedef enum BlockOp { BLOCK_OP_READ, BLOCK_OP_WRITE, BLOCK_OP_FLUSH, BLOCK_OP_UNMAP, BLOCK_OPS } BlockOp;
void blk_count_invalid(Block *b, BlockOp op);
void blk_set_accounting(Block *b, OnOffAuto invalid, OnOffAuto failed);

/* Geometry guessed from a partition table (true) in the medium; false: none there. */
bool blk_guess_geometry(Block *b, uint32_t *cyls, uint32_t *heads, uint32_t *secs);

/* Replies: query-block, query-blockstats, query-named-block-nodes; HMP's info block. */
Json *block_query(void);
Json *block_query_stats(bool nodes);
Json *block_query_nodes(bool flat);
char *block_info_text(const char *device, bool nodes, bool verbose, Error **errp); /* NULL device: all */

void block_cleanup(
    void); /* at exit: drains, flushes, closes; a request that an error stopped is not in flight and not waited for */

#endif
