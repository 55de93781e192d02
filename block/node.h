/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block drivers and nodes: the inside of block/.
 *
 * Locking: a node's config and edges change under the VM lock while no request is in flight on it; request functions
 * read them without it. What changes during requests is atomic (length, wr_highest) or guarded by the driver's own
 * lock.
 */
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "block/block.h"

typedef struct BlockDriver BlockDriver;

/* What a layer tells the one below, for blkdebug's rules. */
typedef enum BlockEvent {
    BLOCK_EVENT_NONE,
    BLOCK_EVENT_L1_UPDATE,
    BLOCK_EVENT_L1_GROW_ALLOC_TABLE,
    BLOCK_EVENT_L1_GROW_WRITE_TABLE,
    BLOCK_EVENT_L1_GROW_ACTIVATE_TABLE,
    BLOCK_EVENT_L2_LOAD,
    BLOCK_EVENT_L2_UPDATE,
    BLOCK_EVENT_L2_UPDATE_COMPRESSED,
    BLOCK_EVENT_L2_ALLOC_COW_READ,
    BLOCK_EVENT_L2_ALLOC_WRITE,
    BLOCK_EVENT_READ_AIO,
    BLOCK_EVENT_READ_BACKING_AIO,
    BLOCK_EVENT_READ_COMPRESSED,
    BLOCK_EVENT_WRITE_AIO,
    BLOCK_EVENT_WRITE_COMPRESSED,
    BLOCK_EVENT_VMSTATE_LOAD,
    BLOCK_EVENT_VMSTATE_SAVE,
    BLOCK_EVENT_COW_READ,
    BLOCK_EVENT_COW_WRITE,
    BLOCK_EVENT_REFTABLE_LOAD,
    BLOCK_EVENT_REFTABLE_GROW,
    BLOCK_EVENT_REFTABLE_UPDATE,
    BLOCK_EVENT_REFBLOCK_LOAD,
    BLOCK_EVENT_REFBLOCK_UPDATE,
    BLOCK_EVENT_REFBLOCK_UPDATE_PART,
    BLOCK_EVENT_REFBLOCK_ALLOC,
    BLOCK_EVENT_REFBLOCK_ALLOC_HOOKUP,
    BLOCK_EVENT_REFBLOCK_ALLOC_WRITE,
    BLOCK_EVENT_REFBLOCK_ALLOC_WRITE_BLOCKS,
    BLOCK_EVENT_REFBLOCK_ALLOC_WRITE_TABLE,
    BLOCK_EVENT_REFBLOCK_ALLOC_SWITCH_TABLE,
    BLOCK_EVENT_CLUSTER_ALLOC,
    BLOCK_EVENT_CLUSTER_ALLOC_BYTES,
    BLOCK_EVENT_CLUSTER_FREE,
    BLOCK_EVENT_FLUSH_TO_OS,
    BLOCK_EVENT_FLUSH_TO_DISK,
    BLOCK_EVENT_PWRITEV_RMW_HEAD,
    BLOCK_EVENT_PWRITEV_RMW_AFTER_HEAD,
    BLOCK_EVENT_PWRITEV_RMW_TAIL,
    BLOCK_EVENT_PWRITEV_RMW_AFTER_TAIL,
    BLOCK_EVENT_PWRITEV,
    BLOCK_EVENT_PWRITEV_ZERO,
    BLOCK_EVENT_PWRITEV_DONE,
    BLOCK_EVENT_EMPTY_IMAGE_PREPARE,
    BLOCK_EVENT_L1_SHRINK_WRITE_TABLE,
    BLOCK_EVENT_L1_SHRINK_FREE_L2_CLUSTERS,
    BLOCK_EVENT_COR_WRITE,
    BLOCK_EVENT_CLUSTER_ALLOC_SPACE,
} BlockEvent;
extern const char *const block_event_names[];

/* What lies at a range of a node. */
enum {
    BLOCK_ST_ALLOCATED = 1, /* in this node, not in what backs it */
    BLOCK_ST_DATA = 2,
    BLOCK_ST_ZERO = 4,   /* reads as zeroes */
    BLOCK_ST_OFFSET = 8, /* as it is, at `off` of `file` */
    BLOCK_ST_COMPRESSED = 16,
};
typedef struct BlockStatus {
    unsigned flags;
    uint64_t len;
    uint64_t off;
    BlockNode *file; /* borrowed */
    unsigned depth;  /* 0: the node itself, 1: what backs it ... */
} BlockStatus;

/* A request that is one transfer of a host file and nothing else. */
typedef struct BlockDirect {
    int fd;
    uint64_t off;
    BlockNode *holder; /* its direct_end() is called when the transfer has ended; NULL: nobody's */
    unsigned token;
} BlockDirect;

struct BlockDriver {
    const char *name; /* "file" */
    const char *summary;
    size_t size;            /* of the state struct, zeroed before its properties are set */
    const Prop *props;      /* its own options (offsets in the state struct); NULL: none */
    const char *required;   /* the option that must be there, or NULL */
    bool has_file;          /* has a child */
    const char *child_name; /* the option that gives it; NULL: "file" */
    bool is_filter;         /* shows the child's data unchanged: permissions pass through */
    bool has_backing;       /* what it does not have comes from the child "backing" */
    bool grows;             /* a write past the end moves the end; for the layer above, which has a length of its own */
    bool inline_io;         /* requests never block: no worker thread needed */
    /* Properties and children are set; sets n->length and n->filename. Under the VM lock. */
    bool (*open)(BlockNode *n, Error **errp);
    void (*close)(BlockNode *n);
    /* An option that is not in props, may be NULL; and what the layer above is about to do, in its thread. */
    bool (*option)(BlockNode *n, const char *key, const Json *val, Error **errp);
    void (*forget)(BlockNode *n); /* frees what option() made: after close, or an open that failed */
    void (*event)(BlockNode *n, BlockEvent ev);
    void (*drain)(BlockNode *n, bool on); /* nests; meanwhile no request waits here for anything but the node below */
    /* Worker threads. Ranges lie inside the length. 0 or -errno. NULL: reads -ENOTSUP; flush nothing to do; discard
     * ignored; zeroes are written. */
    int (*preadv)(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov);
    /* As preadv, in any thread, where it has not to wait for a disk; else -EAGAIN. NULL: that always. */
    int (*preadv_now)(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov);
    /* Where such a request goes, in any thread, found without waiting; else -EAGAIN, and it goes another way. NULL:
     * that always. */
    int (*direct)(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write,
                  BlockDirect *d);
    void (*direct_end)(BlockNode *n, unsigned token);
    int (*pwritev)(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags);
    int (*flush)(BlockNode *n);
    int (*discard)(BlockNode *n, uint64_t off, uint64_t len);
    int (*write_zeroes)(BlockNode *n, uint64_t off, uint64_t len, unsigned flags); /* -ENOTSUP: zeroes are written */
    /* Under the VM lock, drained. */
    bool (*truncate)(BlockNode *n, uint64_t size, Error **errp);
    bool (*set_perm)(BlockNode *n, unsigned perm, unsigned shared, Error **errp); /* all users together */
    bool (*set_writable)(BlockNode *n, bool on, Error **errp); /* NULL: nothing to do, or the layer below's */
    int64_t (*allocated)(BlockNode *n);                        /* bytes on the host, -1: unknown */
    /* A range of one kind from off on, at most len bytes, at least one. NULL: all of it is data. */
    int (*status)(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st);
    void (*info)(BlockNode *n, Json *out);  /* its part of QMP's ImageInfo */
    void (*stats)(BlockNode *n, Json *out); /* query-blockstats' driver-specific, without "driver" */
    bool hidden;                            /* not for users */
};

extern bool block_open_damaged; /* VM lock: damage is no reason to refuse an image, as it is opened for repair */
extern const BlockDriver *block_test_driver;     /* one more, that a test brings along; NULL: none */
extern const BlockDriver *const block_drivers[]; /* NULL-ended; drivers.c */
const BlockDriver *block_driver_find(const char *name);

/* A use of a node: by a handle, another node, or an export. */
typedef struct BlockEdge {
    BlockNode *node;
    unsigned perm, shared;
    char *user;        /* for messages: "block device 'ide0-hd0'" */
    BlockNode *parent; /* NULL: not a node */
    Block *blk;        /* NULL: not a handle */
} BlockEdge;

typedef enum DetectZeroes { DETECT_ZEROES_OFF, DETECT_ZEROES_ON, DETECT_ZEROES_UNMAP } DetectZeroes;

struct BlockNode {
    const BlockDriver *drv;
    char *name;
    int refs;
    bool monitor_owned; /* by -blockdev, blockdev-add */
    /* common options */
    bool read_only, auto_read_only, direct, no_flush, force_share;
    bool made_writable; /* by node_set_writable(), for a while */
    int discard;        /* index in "ignore" "unmap" */
    int detect_zeroes;
    bool probed_raw;    /* nobody said that it is raw: writes to sector 0 may not make it something else */
    char *filename;     /* what query-block shows; never NULL once open */
    void *state;        /* drv->size bytes */
    BlockEdge *file;    /* the child "file", or NULL */
    BlockEdge *backing; /* the child "backing", or NULL */
    unsigned take_perm, unshare_perm; /* of the child "file", beyond what the users of n need */
    /* What the image says of its backing file; the driver's, NULL: nothing. */
    const char *backing_file, *backing_fmt;
    bool repairing;      /* opened to be checked: damage is no reason to refuse */
    bool grows;          /* writes may go past the end */
    GPtrArray *users;    /* of BlockEdge *, borrowed */
    uint64_t length;     /* bytes, a multiple of 512; atomic */
    uint64_t wr_highest; /* end of the highest write; atomic */
    bool inline_io;      /* the whole chain is */
    BlockNode *next;
};

/* Open a node from flat options ("driver", "node-name", "file.filename" ...; borrowed). text: values come from a
 * key=value line. Every option must be known. The caller owns the reference. */
BlockNode *node_open(const Json *flat, bool text, Error **errp);
/* The same on a child "file" that is open (borrowed); flat has no options for it. */
BlockNode *node_open_on(const Json *flat, bool text, BlockNode *file, Error **errp);
/* The child "file" alone that flat would open. */
BlockNode *node_open_file(const Json *flat, bool text, Error **errp);
/* The path of the image's backing file (NULL: has none), seen from the image's folder. */
char *node_backing_path(BlockNode *n);
/* Put what backs n in place, NULL: nothing; takes its own reference. Drained. */
bool node_set_backing(BlockNode *n, BlockNode *backing, Error **errp);
/* new takes old's place with all that use old, but for new itself. Drained. */
bool node_replace(BlockNode *old, BlockNode *new, Error **errp);
/* What lies there, through filters (not into what backs n). */
int node_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st);
/* The same down the backing chain, not below base (NULL: all of it). */
int node_status_chain(BlockNode *n, BlockNode *base, uint64_t off, uint64_t len, BlockStatus *st);
/* A reference to an existing node by name (borrowed), NULL where none. */
BlockNode *node_find(const char *name);
BlockNode *node_next(BlockNode *n);
void node_ref(BlockNode *n);
void node_unref(BlockNode *n);
/* user is taken. NULL where permissions conflict. */
BlockEdge *node_use(BlockNode *n, char *user, unsigned perm, unsigned shared, Error **errp);
bool node_edge_set_perm(BlockEdge *e, unsigned perm, unsigned shared, Error **errp);
void node_drain(BlockNode *n, bool on); /* n and all below; NULL: nothing */
void node_unuse(BlockEdge *e);          /* drops its reference on the node too */
bool node_truncate(BlockNode *n, uint64_t size, Error **errp);
/* n and the files below it (not what backs it) take writes, or no longer do. Drained; all of it or nothing. */
bool node_set_writable(BlockNode *n, bool on, Error **errp);
const char *node_used_by(BlockNode *n); /* some user's name, NULL: nobody */

/* Requests on a node, in the calling thread; 0 or -errno. Ranges are checked. */
int node_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov);
int node_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov,
                    int niov); /* -EAGAIN: it would wait */
/* As the driver's direct(). */
int node_direct(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write,
                BlockDirect *d);
int node_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags);
int node_pread(BlockNode *n, uint64_t off, void *buf, uint64_t len);
/* What is past the end reads as zeroes: for formats on files that end early. */
int node_preadv_padded(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov);
int node_pread_padded(BlockNode *n, uint64_t off, void *buf, uint64_t len);
int node_pwrite(BlockNode *n, uint64_t off, const void *buf, uint64_t len);
int node_flush(BlockNode *n);
void node_flush_last(BlockNode *n); /* before a user goes: a failure, which nobody else would hear of, is reported */
int node_discard(BlockNode *n, uint64_t off, uint64_t len);
int node_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags);
static inline void node_event(BlockNode *n, BlockEvent ev)
{
    if (n->drv->event)
        n->drv->event(n, ev);
}
static inline uint64_t node_length(const BlockNode *n)
{
    return __atomic_load_n(&n->length, __ATOMIC_RELAXED);
}

int64_t block_allocated(BlockNode *n);            /* bytes on the host, -1: unknown */
Json *block_image_info(BlockNode *n, bool chain); /* QMP's ImageInfo; chain: with what backs it */

/* For people: "1.5 GiB"; the image's facts, and its table of snapshots (nothing where it has none), line by line. */
char *block_human_size(uint64_t bytes);
void block_image_text(BlockNode *n, GString *s);
void block_snapshots_text(BlockNode *n, GString *s);

/* Options. flat: nested objects and arrays become dotted keys ("cache.direct", "server.0.host"). */
Json *block_opts_flatten(const Json *opts, Error **errp);
bool blockdev_add_opts(const Json *opts, bool text, Error **errp); /* blockdev_add(); text: as node_open() */

/* The name of the known image format whose magic is there; NULL: none, so raw. */
const char *block_probe_format(const uint8_t *buf, size_t len);
#define BLOCK_PROBE_SIZE 2048
bool block_format_known(const char *name); /* a format that exists, supported here or not */
/* The driver for a file name as -drive takes it, NULL and an error for an unknown protocol prefix; *path: what it
 * opens, after a "file:" prefix, NULL where the driver takes none ("null-co://"). */
const char *block_protocol(const char *filename, const char **path, Error **errp);

#endif
