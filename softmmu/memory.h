/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-physical memory and I/O ports: a tree of regions, flattened into an immutable sorted snapshot per address space
 * that accesses look up without a lock (RCU).
 *
 * The tree changes under the VM lock only, between memory_begin() and memory_commit() (nesting; a single change is a
 * transaction of its own); the outermost commit rebuilds the snapshots and tells the listeners the difference. Accesses
 * come from any thread that is registered with RCU; an I/O handler runs under the VM lock, taken by the dispatcher
 * where the thread does not hold it, unless its IoOps say .lockless.
 *
 * Overlap: of two siblings the higher priority wins, of equal ones the later added. Inside a container that is full of
 * holes what lies below shows through. A region of any kind but alias may hold others, which cover it. A region is in
 * one place at most; aliases show it elsewhere, as they do a region that is in no place.
 *
 * An I/O access goes at full width to the region that decodes its first byte, as far as that region reaches; what is
 * beyond its end is an access of its own. (0xcf8 is one register of four bytes though 0xcf9 is another device's.) The
 * re-entry guard: while a handler of one of owner's regions runs, accesses to owner's regions are refused: reads give
 * all ones, writes are dropped, both say MEM_ERROR.
 */
#ifndef SOFTMMU_MEMORY_H
#define SOFTMMU_MEMORY_H

#include "util/error.h"
#include "util/rcu.h"

typedef struct Device Device;
typedef struct MemoryRegion MemoryRegion;
typedef MemoryRegion IoRegion; /* one that has handlers */
typedef struct AddressSpace AddressSpace;
typedef struct RamBlock RamBlock;
typedef uint64_t Gpa; /* guest-physical address, or an address in any other space */

typedef struct IoOps {
    /* off: in the region; size: 1, 2, 4 or 8. Values are host integers of the little-endian bytes. */
    uint64_t (*read)(void *opaque, uint64_t off, unsigned size);
    void (*write)(void *opaque, uint64_t off, uint64_t val, unsigned size);
    /* Sizes that the handlers take, powers of two; 0: 1 to 4. A wider access is split, lowest address first. A narrower
     * one is done at the containing aligned min-sized register: a read is cut out, a write is padded with zeroes. */
    uint8_t min, max;
    /* Sizes that the bus accepts; 0: 1 to 8. Others: guest_error, reads all ones. */
    uint8_t bus_min, bus_max;
    bool aligned_only; /* unaligned accesses are refused as above */
    bool unaligned;    /* the handlers take unaligned accesses whole; else they are split at natural alignment */
    bool lockless; /* the handlers take the device's own lock: called without the VM lock being taken; no re-entry guard
                    */
    bool reentrant; /* the re-entry guard does not apply */
} IoOps;

typedef enum RegionKind {
    REGION_CONTAINER,
    REGION_ALIAS,
    REGION_RAM,
    REGION_ROM,
    REGION_ROM_DEVICE,
    REGION_IO
} RegionKind;

/* Dirty tracking clients: a bit each, per RAM block and 4 KiB page. */
typedef enum DirtyClient { DIRTY_VGA, DIRTY_CODE, DIRTY_MIGRATION, DIRTY_CLIENTS } DirtyClient;

struct MemoryRegion {
    RegionKind kind;
    char *name;
    Device *owner;          /* for the re-entry guard, messages and info mtree; NULL: the board */
    unsigned __int128 size; /* bytes; 2^64 is possible */
    const IoOps *ops;
    void *opaque;
    RamBlock *ram; /* RAM, ROM and ROM device */
    bool own_ram;  /* made with the region */
    MemoryRegion *alias;
    uint64_t alias_offset;
    MemoryRegion *container; /* the parent, NULL: not mapped */
    uint64_t addr;           /* in the parent */
    int priority;
    bool enabled;
    bool readonly; /* RAM and aliases: guest writes are dropped */
    bool romd;     /* ROM device: reads go to the RAM (true) or to ops */
    bool nonvolatile;
    uint8_t log_mask;     /* bit per DirtyClient that asked for tracking */
    GPtrArray *children;  /* in order of dispatch: priority, then latest first */
    GArray *eventfds;     /* struct RegionEventfd */
    GArray *coalesced;    /* struct {offset, size} */
    bool flush_coalesced; /* an access first drains the coalesced ring */
};

/* Make a region; r is embedded in its owner's struct and lives until region_destroy() and a grace period. The core
 * destroys an owner's regions when the owner goes; a board's live for ever. name is copied. */
void region_init_container(MemoryRegion *r, Device *owner, const char *name, unsigned __int128 size);
void region_init_io(IoRegion *r, Device *owner, const IoOps *ops, void *opaque, const char *name, uint64_t size);
bool region_init_ram(MemoryRegion *r, Device *owner, const char *name, uint64_t size, Error **errp);
void region_init_ram_block(MemoryRegion *r, Device *owner, const char *name,
                           RamBlock *block); /* takes a reference of its own */
bool region_init_rom(MemoryRegion *r, Device *owner, const char *name, uint64_t size, Error **errp);
bool region_init_rom_device(MemoryRegion *r, Device *owner, const IoOps *ops, void *opaque, const char *name,
                            uint64_t size, Error **errp);
void region_init_alias(MemoryRegion *r, Device *owner, const char *name, MemoryRegion *target, uint64_t offset,
                       uint64_t size);
/* Takes it off its container; its RAM is freed after a grace period. Nothing where it was destroyed or never made (all
 * zero). */
void region_destroy(MemoryRegion *r);

/* Nothing that owns regions is freed between the two: the present snapshots still show it. */
void memory_begin(void);
void memory_commit(void);
void region_add(MemoryRegion *container, uint64_t addr, MemoryRegion *r);
void region_add_overlap(MemoryRegion *container, uint64_t addr, MemoryRegion *r, int priority);
void region_del(MemoryRegion *r); /* off its container; nothing where it is on none */
void region_set_enabled(MemoryRegion *r, bool enabled);
void region_set_address(MemoryRegion *r, uint64_t addr);
void region_set_size(MemoryRegion *r, uint64_t size);
void region_set_readonly(MemoryRegion *r, bool readonly);
void region_set_alias_offset(MemoryRegion *r, uint64_t offset);
void region_set_romd(MemoryRegion *r, bool romd);
void region_set_nonvolatile(MemoryRegion *r, bool nonvolatile);

/* Doorbells: a write of size bytes (0: any) at off, of value data where match, signals fd (an eventfd) without a
 * handler call where the accelerator can; the dispatcher does it otherwise, without the VM lock. fd is borrowed until a
 * grace period after the matching del. */
typedef struct RegionEventfd {
    uint64_t off, data;
    uint8_t size;
    bool match;
    int fd;
} RegionEventfd;
void region_add_eventfd(MemoryRegion *r, uint64_t off, unsigned size, bool match, uint64_t data, int fd);
void region_del_eventfd(MemoryRegion *r, uint64_t off, unsigned size, bool match, uint64_t data, int fd);
/* Writes to [off, off+size) may be batched by the accelerator; they arrive before any other access of a flush_coalesced
 * region. */
void region_add_coalescing(MemoryRegion *r, uint64_t off, uint64_t size);
void region_clear_coalescing(MemoryRegion *r);

/* RAM. The pointer stays valid while the region lives. */
void *region_ram_ptr(MemoryRegion *r);
uint64_t region_size(const MemoryRegion *r); /* asserts that it fits */

/* Dirty tracking: on for a client between log(true) and log(false). A client that asks for the first time finds
 * everything dirty. What is said of a region goes for the RAM block behind it, through aliases too. */
void region_log(MemoryRegion *r, DirtyClient client, bool on);
void region_set_dirty(MemoryRegion *r, uint64_t off, uint64_t len); /* after a write through region_ram_ptr */
/* Fetch and clear: a bitmap (1 bit a 4 KiB page, bit 0 = page of off) into bits; true where any is set. Syncs the
 * accelerator. */
bool region_snapshot_dirty(MemoryRegion *r, DirtyClient client, uint64_t off, uint64_t len, unsigned long *bits);
void region_sync_dirty(MemoryRegion *r); /* ask the accelerators for what they logged */

/* RAM blocks: host memory that a region shows. */
typedef enum RamFlags {
    RAM_SHARED = 1,   /* MAP_SHARED (memfd, file with share=on) */
    RAM_PREALLOC = 2, /* touch every page at start */
    RAM_NORESERVE = 4,
    RAM_READONLY = 8,     /* the guest cannot write it */
    RAM_READONLY_FD = 64, /* the file is opened read-only */
    RAM_DUMP_OFF = 16,
    RAM_MERGE = 32,
} RamFlags;
struct RamBlock {
    char *name;    /* unique: the migration stream's name */
    uint8_t *host; /* page aligned */
    uint64_t size; /* bytes, a multiple of page_size */
    uint64_t page_size;
    int fd; /* memfd or file, -1: anonymous; owned */
    uint64_t fd_offset;
    unsigned flags;
    unsigned long *dirty[DIRTY_CLIENTS]; /* atomic bit per 4 KiB page; NULL while the client never asked */
    int refs;                            /* atomic */
    bool retired;
    void *map; /* what to unmap, with its guard page */
    size_t map_len;
    RcuHead rcu;
    RamBlock *next;
};
static inline bool ram_block_host_writable(const RamBlock *b)
{
    return !(b->flags & RAM_READONLY_FD && b->flags & RAM_SHARED);
}
RamBlock *ram_block_anon(const char *name, uint64_t size, unsigned flags, Error **errp);
RamBlock *ram_block_memfd(const char *name, uint64_t size, unsigned flags, uint64_t hugetlb_size, bool seal,
                          Error **errp);
RamBlock *ram_block_file(const char *name, const char *path, uint64_t size, uint64_t offset, uint64_t align,
                         unsigned flags, Error **errp);
RamBlock *ram_block_ref(RamBlock *b); /* returns b */
void ram_block_unref(RamBlock *b);    /* any thread; frees after a grace period */
void ram_block_retire(
    RamBlock *b); /* by its maker, before its unref: the name is free for another while others still look at b */
RamBlock *ram_block_find(const char *name);    /* borrowed; NULL where none */
RamBlock *ram_block_of_host(const void *host); /* the block whose memory holds host, by RCU, with no reference taken */
void ram_block_track(
    RamBlock *b, DirtyClient client); /* gives it a dirty bitmap, all set, where it has none; one caller at a time */
/* In order of creation, under a lock of its own: fn makes and frees no block. Stops where fn returns false. */
bool ram_blocks_foreach(bool (*fn)(RamBlock *b, void *opaque), void *opaque);
/* -machine mem-merge, dump-guest-core: the flags of regions' own blocks made from now on. */
extern unsigned ram_default_flags;
/* Touch [off, off+len) with that many threads. */
bool ram_block_prealloc(RamBlock *b, unsigned threads, Error **errp);
/* Set by an accelerator that translates code: memory whose DIRTY_CODE bits are clear is written; it sets them. Any
 * thread. */
extern void (*ram_code_written)(RamBlock *b, uint64_t off, uint64_t len);
static inline void ram_block_dirty(RamBlock *b, uint64_t off, uint64_t len)
{
    for (int c = 0; c < DIRTY_CLIENTS; c++) {
        unsigned long *map = __atomic_load_n(&b->dirty[c], __ATOMIC_ACQUIRE);
        if (!map || !len)
            continue;
        if (c == DIRTY_CODE && ram_code_written) {
            ram_code_written(b, off, len);
            continue;
        }
        for (uint64_t p = off >> 12; p <= (off + len - 1) >> 12; p++)
            __atomic_fetch_or(&map[p / 64], BIT64(p % 64), __ATOMIC_RELEASE);
    }
}

/* A flat range: what an address means. */
typedef struct FlatRange {
    Gpa addr;
    uint64_t last; /* the last byte's address, inclusive: the whole 2^64 space fits */
    uint8_t *host; /* of addr: reads go straight to memory; NULL: to the region's handlers */
    MemoryRegion *region;
    RamBlock *ram;   /* RAM, ROM and ROM devices, else NULL */
    uint64_t offset; /* of addr in the region */
    const struct RegionEventfd
        *eventfds; /* n_eventfds of them, off counted from the region's start; the snapshot's own copy */
    unsigned n_eventfds;
    bool writable; /* writes go straight to host */
    bool readonly; /* by the region or an alias on the way: writes are dropped */
    bool romd;     /* a ROM device that reads as memory */
    bool nonvolatile;
    uint8_t log_mask;
} FlatRange;

/* Listeners hear the difference between two snapshots: begin, removals, then additions, commit; under the VM lock. A
 * new listener hears the whole present map. NULL members are skipped. */
typedef struct MemoryListener MemoryListener;
struct MemoryListener {
    const char *name;
    int priority; /* lower first for additions, last for removals */
    void (*begin)(MemoryListener *l);
    void (*commit)(MemoryListener *l);
    void (*add)(MemoryListener *l, const FlatRange *r);
    void (*del)(MemoryListener *l, const FlatRange *r);
    void (*log_start)(MemoryListener *l, const FlatRange *r); /* log_mask became non-zero */
    void (*log_stop)(MemoryListener *l, const FlatRange *r);
    void (*log_sync)(MemoryListener *l, const FlatRange *r); /* put what was logged in the RAM block's bitmaps */
    void (*log_clear)(MemoryListener *l, const FlatRange *r, uint64_t off, uint64_t len); /* of the range; re-protect */
    void (*eventfd_add)(MemoryListener *l, Gpa addr, const RegionEventfd *e);
    void (*eventfd_del)(MemoryListener *l, Gpa addr, const RegionEventfd *e);
    void (*coalesce_add)(MemoryListener *l, Gpa addr, uint64_t len);
    void (*coalesce_del)(MemoryListener *l, Gpa addr, uint64_t len);
    void (*flush_coalesced)(MemoryListener *l); /* drain the ring before an access */
    AddressSpace *as;
    MemoryListener *next; /* by priority */
};
void memory_listener_register(MemoryListener *l, AddressSpace *as);
void memory_listener_unregister(MemoryListener *l);

struct AddressSpace {
    char *name;
    MemoryRegion *root;
    struct FlatView *view; /* RCU; shared by the spaces that have the same root */
    MemoryListener *listeners;
    AddressSpace *next;
};
void as_init(AddressSpace *as, MemoryRegion *root, const char *name); /* name is copied */
void as_destroy(AddressSpace *as); /* as itself is freed after a grace period; no listener is left on it */
/* The machine's: made by memory_init(). */
extern AddressSpace as_memory, as_io;
extern MemoryRegion system_memory, system_io; /* containers of 2^64 and 64 KiB */
void memory_init(void);

typedef enum MemResult { MEM_OK = 0, MEM_DECODE_ERROR = 1, MEM_ERROR = 2 } MemResult; /* bits: OR of all parts */

/* Any length, across ranges. What nobody decodes reads all ones and drops writes: MEM_DECODE_ERROR. */
MemResult as_read(AddressSpace *as, Gpa addr, void *buf, uint64_t len);
MemResult as_write(AddressSpace *as, Gpa addr, const void *buf, uint64_t len);
/* One access of 1, 2, 4 or 8 bytes, little endian: the fast path of accelerators. */
uint64_t as_load(AddressSpace *as, Gpa addr, unsigned size, MemResult *res);
void as_store(AddressSpace *as, Gpa addr, unsigned size, uint64_t val, MemResult *res);
/* As as_write, but ROM is written too: firmware and kernel loaders, gdb. */
MemResult as_write_rom(AddressSpace *as, Gpa addr, const void *buf, uint64_t len);
MemResult as_fill(AddressSpace *as, Gpa addr, uint8_t byte, uint64_t len);
/* Direct access to guest RAM: *len is cut to what is contiguous on the host. NULL where it is not plain RAM (to read:
 * ROM too). Keep it until as_unmap(), which marks access_len bytes dirty where is_write. The RAM block is referenced
 * meanwhile. */
void *as_map(AddressSpace *as, Gpa addr, uint64_t *len, bool is_write);
void as_unmap(AddressSpace *as, void *host, uint64_t len, bool is_write, uint64_t access_len);
/* A number that changes whenever the map does: what was mapped before may be elsewhere now. Any thread. */
uint64_t as_generation(AddressSpace *as);
/* The range that holds addr in the present snapshot; false: nothing there. Under rcu_lock(). */
bool as_lookup(AddressSpace *as, Gpa addr, FlatRange *out);
/* Each range of the present snapshot, in order. */
void as_foreach(AddressSpace *as, bool (*fn)(const FlatRange *r, void *opaque), void *opaque);
/* One access straight at a region, with all of IoOps' rules. */
MemResult region_read(MemoryRegion *r, uint64_t off, uint64_t *val, unsigned size);
MemResult region_write(MemoryRegion *r, uint64_t off, uint64_t val, unsigned size);

/* Ports. */
uint32_t io_read(uint16_t port, unsigned size);
void io_write(uint16_t port, uint32_t val, unsigned size);

/* `info mtree`: the tree (flat = false) or the flat views; disabled: those regions too (-D). */
void memory_print(GString *out, bool flat, bool disabled);

#endif
