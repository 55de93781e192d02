/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver "qcow2", from the inside. Specification: docs/interop/qcow2 of QEMU's documentation.
 *
 * Locks, in this order: `wlock` serialises what changes the image's structure (allocation, links, reference counts); it
 * is held while tables are read, never while data moves or a flush runs. `lock` guards the tables in memory and is held
 * for moments only. Neither is held over a transfer of the guest's data.
 *
 * Order on the disk: a cluster's reference count and its data are stable before an entry that points to it is written;
 * an entry that pointed to it is stable on the disk, and no request that may still use it is running, before its
 * reference count goes down. Tables change in memory; qcow2_commit() brings them to the disk in two phases with a flush
 * after each. So a power cut at any moment leaves leaked clusters at most.
 */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include "block/node.h"

#define QCOW2_MAGIC         0x514649fbu
#define QCOW2_L1_MAX        (32 * MIB) /* bytes */
#define QCOW2_RT_MAX        (8 * MIB)
#define QCOW2_SNAPSHOTS_MAX 65536
#define QCOW2_SNAPTAB_MAX   (1024 * QCOW2_SNAPSHOTS_MAX) /* bytes */
#define QCOW2_BACKING_MAX   1023

#define QCOW2_COPIED      BIT64(63)
#define QCOW2_COMPRESSED  BIT64(62)
#define QCOW2_ZERO        BIT64(0)
#define QCOW2_OFFSET      UINT64_C(0x00fffffffffffe00)
#define QCOW2_L1_RESERVED UINT64_C(0x7f000000000001ff)
#define QCOW2_L2_RESERVED UINT64_C(0x3f000000000001fe)

enum { /* incompatible features */
       QCOW2_INCOMPAT_DIRTY = 1,
       QCOW2_INCOMPAT_CORRUPT = 2,
       QCOW2_INCOMPAT_DATA_FILE = 4,
       QCOW2_INCOMPAT_COMPRESSION = 8,
       QCOW2_INCOMPAT_EXTL2 = 16,
       QCOW2_INCOMPAT_KNOWN = 31,
       QCOW2_COMPAT_LAZY = 1,
       QCOW2_AUTOCLEAR_BITMAPS = 1,
       QCOW2_AUTOCLEAR_RAW = 2,
};
enum { /* offsets in the header */
       QCOW2_H_BACKING_OFFSET = 8,
       QCOW2_H_BACKING_SIZE = 16,
       QCOW2_H_CLUSTER_BITS = 20,
       QCOW2_H_SIZE = 24,
       QCOW2_H_CRYPT = 32,
       QCOW2_H_L1_SIZE = 36,
       QCOW2_H_L1_OFFSET = 40,
       QCOW2_H_RT_OFFSET = 48,
       QCOW2_H_RT_CLUSTERS = 56,
       QCOW2_H_NB_SNAPSHOTS = 60,
       QCOW2_H_SNAPSHOTS_OFFSET = 64,
       QCOW2_H_INCOMPAT = 72,
       QCOW2_H_COMPAT = 80,
       QCOW2_H_AUTOCLEAR = 88,
       QCOW2_H_REFCOUNT_ORDER = 96,
       QCOW2_H_LENGTH = 100,
       QCOW2_H_COMPRESSION = 104,
       QCOW2_H_V3_BYTES = 112,
};
enum { /* header extensions */
       QCOW2_EXT_END = 0,
       QCOW2_EXT_BACKING_FMT = 0xe2792aca,
       QCOW2_EXT_FEATURES = 0x6803f857,
       QCOW2_EXT_BITMAPS = 0x23852875,
};

/* A cached piece of an L2 table or of a refcount block, bytes as on the disk. */
typedef struct Table {
    uint64_t off;   /* in the file; UINT64_MAX: empty */
    uint32_t owner; /* L2: the L1 index */
    bool ready;     /* false: somebody reads it */
    bool dirty;
    bool held; /* being written, must stay */
    bool used; /* since the hand last passed */
    struct Table *next;
    uint8_t *data;
} Table;

typedef struct TableCache {
    Table *tables, **buckets;
    uint32_t count, made, hand, mask, dirty;
    uint32_t slice; /* bytes of a piece */
} TableCache;

/* Clusters that the image's newest state does not use any more. */
typedef struct Freed {
    uint64_t off, len;
    bool meta, discard;
} Freed;
typedef struct FreedBatch {
    GArray *items; /* of Freed */
    uint64_t epoch;
    struct FreedBatch *next;
} FreedBatch;

typedef struct Snapshot {
    uint64_t l1_off, vm_clock_ns, vm_state_size, disk_size, icount;
    uint32_t l1_size, date_sec, date_nsec, extra_size;
    char *id, *name;
    uint8_t *extra; /* all of the extra data */
} Snapshot;

/* An allocating write that has not linked its clusters yet; on its thread's stack. */
typedef struct Alloc {
    uint64_t start, end; /* of guest bytes, whole clusters */
    struct Alloc *next;
} Alloc;

typedef struct Qcow2 {
    /* options */
    uint64_t opt_l2_cache, opt_cache, opt_rb_cache, opt_l2_entry, opt_clean_interval;
    OnOffAuto opt_lazy, opt_pass_discard;
    bool discard_no_unref, pass_discard_snapshot, pass_discard_other;
    bool pass_discard_request; /* opt_pass_discard, or what the node does with discards */
    char *overlap_check;

    /* constant while requests run, but for resizing */
    BlockNode *node;
    int version;
    uint32_t cluster_bits, refcount_order, header_length;
    uint64_t cluster_size, cluster_mask;
    uint32_t l2_bits; /* entries of an L2 table: 1 << l2_bits */
    uint32_t compression;
    uint64_t incompat, compat, autoclear;
    char *backing_file, *backing_fmt;
    uint64_t bitmaps_off, bitmaps_size;
    uint32_t nb_bitmaps;
    Snapshot *snapshots;
    uint32_t nb_snapshots;
    uint64_t snapshots_off, snapshots_len;

    GMutex wlock;
    GCond alloc_cond; /* with wlock: an Alloc ended */
    Alloc *allocs;
    bool write_ready;  /* what the first write needs is there; written with lock too */
    GHashTable *meta;  /* cluster index -> Qcow2Meta, of L2 tables and refcount blocks; under lock */
    uint64_t fresh;    /* under wlock: from here on the file was never written */
    uint64_t comp_off; /* under wlock: where the next compressed cluster may go, 0: nowhere */

    GMutex lock;
    GCond cond; /* with lock: a table was read, a commit ended */
    uint64_t *l1;
    uint8_t *l1_flags; /* L1_DIRTY, L1_NEW */
    uint32_t l1_size;
    uint64_t l1_off;
    bool l1_dirty;
    uint64_t *rt;
    uint32_t rt_size; /* entries */
    uint64_t rt_off;
    uint64_t free_hint; /* cluster index: none below is free */
    TableCache l2c, rbc;
    bool committing;
    uint64_t commits_started, commits_done;
    int commit_ret; /* of the last one */
    GArray *freed;  /* of Freed, since the last commit; NULL: none */
    uint64_t freed_bytes;
    FreedBatch *batches; /* committed, oldest first */
    uint64_t epoch;
    uint32_t active[2];
    bool corrupt; /* atomic: nothing is written any more */
    bool told_corrupt;
    /* what was decompressed last */
    uint64_t decomp_entry;
    uint8_t *decomp;
} Qcow2;

typedef enum Qcow2Meta { QCOW2_META_L2 = 1, QCOW2_META_RB } Qcow2Meta;
enum { L1_DIRTY = 1, L1_NEW = 2 }; /* NEW: the table is not reachable on the disk yet */

typedef enum Qcow2Type {
    QCOW2_UNALLOCATED,
    QCOW2_ZERO_PLAIN,
    QCOW2_ZERO_ALLOC,
    QCOW2_NORMAL,
    QCOW2_COMPR,
} Qcow2Type;
typedef struct Run {
    Qcow2Type type;
    bool copied;
    uint64_t host; /* of the first byte */
    uint64_t len;  /* guest bytes of this kind, contiguous in the file */
    uint64_t entry;
} Run;

extern const BlockDriver block_qcow2;

/* What is about to happen, for blkdebug below. Any lock may be held. */
static inline void qcow2_event(const Qcow2 *s, BlockEvent ev)
{
    node_event(s->node->file->node, ev);
}

/* qcow2-cache.c; all with `lock` held */
void qcow2_cache_init(TableCache *c, uint32_t count, uint32_t slice);
void qcow2_cache_free(TableCache *c);
/* The table at off; may drop the lock meanwhile unless now, which gives -EAGAIN instead. */
int qcow2_cache_get(Qcow2 *s, TableCache *c, uint64_t off, uint32_t owner, bool now, Table **out);
void qcow2_cache_dirty(TableCache *c, Table *t);
void qcow2_cache_drop(TableCache *c, uint64_t off, uint64_t len); /* a cluster that is no table any more */
/* Everything that was linked when this is called is stable when it returns. Drops the lock. */
int qcow2_commit(Qcow2 *s);

/* qcow2-refcount.c; wlock and lock held, the lock may be dropped */
uint64_t qcow2_get_bits(const uint8_t *block, uint32_t order, uint64_t index);
void qcow2_put_bits(uint8_t *block, uint32_t order, uint64_t index, uint64_t val);
static inline uint64_t qcow2_rb_entries(const Qcow2 *s)
{
    return s->cluster_size * 8 >> s->refcount_order;
}
static inline uint64_t qcow2_refcount_max(const Qcow2 *s)
{
    return s->refcount_order == 6 ? UINT64_MAX : BIT64(1u << s->refcount_order) - 1;
}
int qcow2_refcount(Qcow2 *s, uint64_t cluster, uint64_t *val);
int qcow2_refcount_add(Qcow2 *s, uint64_t cluster, int delta, uint64_t *now);
/* Up to n contiguous clusters, each with reference count 1; exact: n or none. */
int qcow2_alloc(Qcow2 *s, uint64_t n, bool exact, uint64_t *host, uint64_t *got);
int qcow2_free_now(Qcow2 *s, uint64_t off, uint64_t len); /* never linked on the disk, or unlinked there */
/* Of a table that the header, since qcow2_header_switch(), names no more. ret: of the flush; where that failed the disk
 * may name it still, and it goes with the next commit. Returns ret, or the error of freeing. */
int qcow2_free_replaced(Qcow2 *s, uint64_t off, uint64_t len, int ret);
/* lock held: to be freed after the next commit */
void qcow2_free_later(Qcow2 *s, uint64_t off, uint64_t len, bool meta, bool discard);
void qcow2_reap(Qcow2 *s, bool all); /* wlock held, not lock */
int qcow2_write_prepare(Qcow2 *s);   /* wlock held, not lock: before anything is written */
/* What is at [off, off+len) that guest data may not be written to, NULL: nothing. lock held. */
const char *qcow2_overlap(Qcow2 *s, uint64_t off, uint64_t len);
void qcow2_mark_corrupt(Qcow2 *s, bool fatal, uint64_t off, uint64_t len, const char *fmt, ...) PRINTF_LIKE(5, 6);
int qcow2_header_write(Qcow2 *s, uint64_t off, const void *buf, size_t len);
/* Up to 16 bytes that decide what is in use. *switched: they do, though a flush may have failed; so memory follows, and
 * what they let go stays allocated until a commit. Otherwise the old ones are back, or the image is marked as corrupt.
 */
int qcow2_header_switch(Qcow2 *s, uint64_t off, const void *buf, size_t len, bool *switched);

/* qcow2-cluster.c */
int qcow2_map(Qcow2 *s, uint64_t off, uint64_t len, bool now, Run *run); /* lock held */
Qcow2Type qcow2_entry_type(const Qcow2 *s, uint64_t entry);
void qcow2_compressed_range(const Qcow2 *s, uint64_t entry, uint64_t *off, uint64_t *len);
int qcow2_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov);
int qcow2_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov);
int qcow2_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags);
int qcow2_direct(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write,
                 BlockDirect *d);
void qcow2_direct_end(BlockNode *n, unsigned token);
int qcow2_flush(BlockNode *n);
int qcow2_discard(BlockNode *n, uint64_t off, uint64_t len);
int qcow2_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags);
int qcow2_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st);
int qcow2_forget(BlockNode *n, uint64_t off, uint64_t len); /* what backs n shows again; whole clusters */
int qcow2_write_compressed(BlockNode *n, uint64_t off, const void *buf, uint64_t len);
int qcow2_ensure_l2(Qcow2 *s, uint32_t l1_index); /* wlock and lock held: its L2 table can be written */

/* qcow2-compress.c: 0 or -errno; compress: the bytes used, or -ENOSPC where it gets no smaller */
int qcow2_decompress(uint32_t type, const void *in, size_t inlen, void *out, size_t outlen);
int64_t qcow2_compress(uint32_t type, const void *in, size_t inlen, void *out, size_t outlen);
bool qcow2_compression_available(uint32_t type);

/* qcow2-snapshot.c. Drained, under the VM lock. */
int qcow2_snapshots_read(Qcow2 *s, Error **errp);
void qcow2_snapshots_free(Qcow2 *s);
Json *qcow2_snapshot_list(BlockNode *n);
bool qcow2_snapshot_create(BlockNode *n, const char *name, Error **errp);
bool qcow2_snapshot_delete(BlockNode *n, const char *name, Error **errp);
bool qcow2_snapshot_apply(BlockNode *n, const char *name, Error **errp);
/* n, read-only and just opened, shows a snapshot from here on: that of this id and name, of which one may be NULL. */
bool qcow2_snapshot_show(BlockNode *n, const char *id, const char *name, Error **errp);

/* qcow2-resize.c */
bool qcow2_truncate(BlockNode *n, uint64_t size, Error **errp);
bool qcow2_change_backing(BlockNode *n, const char *file, const char *fmt, Error **errp);
bool qcow2_rewrite_header(Qcow2 *s, Error **errp);
typedef enum Qcow2Prealloc { PREALLOC_OFF, PREALLOC_METADATA, PREALLOC_FALLOC, PREALLOC_FULL } Qcow2Prealloc;
bool qcow2_preallocate(BlockNode *n, uint64_t from, uint64_t to, Qcow2Prealloc mode, Error **errp);

/* qcow2-create.c */
typedef struct Qcow2Create {
    uint64_t size, cluster_size;
    int version; /* 2 or 3 */
    uint32_t refcount_bits, compression;
    bool lazy_refcounts;
    const char *backing_file, *backing_fmt; /* may be NULL */
    Qcow2Prealloc prealloc;
} Qcow2Create;
bool qcow2_create_check(const Qcow2Create *c, Error **errp);
/* Into file, a node that can be written and is empty. */
bool qcow2_create(BlockNode *file, const Qcow2Create *c, Error **errp);
/* Then, when nobody claims file any more. */
bool qcow2_create_preallocate(BlockNode *file, const Qcow2Create *c, Error **errp);
/* The header's first bytes with its extensions and backing file name; -ENOSPC where it does not fit a cluster. */
int qcow2_header_build(uint8_t *buf, size_t size, const uint8_t *fixed, uint32_t fixed_len, uint32_t version,
                       const char *backing_file, const char *backing_fmt, const uint8_t *other_ext, size_t other_len);

/* qcow2-check.c */
typedef struct Qcow2Check {
    uint64_t corruptions, leaks, check_errors, corruptions_fixed, leaks_fixed;
    uint64_t allocated, total, fragmented, compressed;
    int64_t image_end;
    void (*report)(void *opaque, const char *line);
    void *opaque;
} Qcow2Check;
enum { QCOW2_FIX_LEAKS = 1, QCOW2_FIX_ERRORS = 2 };
int qcow2_check(BlockNode *n, Qcow2Check *res, unsigned fix);

#endif
