/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: host memory from anonymous mappings, memfds and files.
 *
 * Each mapping is followed by a guard page, and begins at a huge page where it is large enough to hold one. The list is
 * guarded by ram_lock for changes and read under RCU; a block leaves it with its last reference and is unmapped after a
 * grace period.
 */
#include "softmmu/memory-internal.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define HUGE_PAGE       (2 * MIB)
#define HUGETLBFS_MAGIC 0x958458f6
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

unsigned ram_default_flags = RAM_MERGE;
static GMutex ram_lock;
static RamBlock *blocks; /* RCU */

static uint64_t host_page(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool add_block(RamBlock *b, Error **errp)
{
    g_mutex_lock(&ram_lock);
    RamBlock **p = &blocks;
    for (; *p; p = &(*p)->next) {
        if (!(*p)->retired && !strcmp((*p)->name, b->name)) {
            g_mutex_unlock(&ram_lock);
            return error_set(errp, "RAM block '%s' exists already", b->name);
        }
    }
    rcu_store(*p, b);
    g_mutex_unlock(&ram_lock);
    return true;
}

static void free_block(RamBlock *b)
{
    if (b->map)
        munmap(b->map, b->map_len);
    if (b->fd >= 0)
        close(b->fd);
    for (int c = 0; c < DIRTY_CLIENTS; c++)
        g_free(b->dirty[c]);
    g_free(b->name);
    g_free(b);
}

/* Map b->size bytes of b->fd (or none), aligned to align, with a guard page behind. */
static bool map_block(RamBlock *b, uint64_t align, Error **errp)
{
    uint64_t page = host_page();
    align = MAX(align, b->page_size);
    if (b->size >= HUGE_PAGE)
        align = MAX(align, HUGE_PAGE);
    if (b->size > (uint64_t)PTRDIFF_MAX - align - b->page_size)
        return error_set(errp, "cannot map %" PRIu64 " bytes of RAM '%s': larger than the address space", b->size,
                         b->name);
    size_t total = b->size + align + b->page_size;
    uint8_t *area = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return error_set_errno(errp, errno, "cannot map %" PRIu64 " bytes of RAM '%s'", b->size, b->name);
    uint8_t *at = (uint8_t *)ROUND_UP((uintptr_t)area, align);
    int prot = PROT_READ | (ram_block_host_writable(b) ? PROT_WRITE : 0);
    int flags = MAP_FIXED | (b->flags & RAM_SHARED ? MAP_SHARED : MAP_PRIVATE) | (b->fd < 0 ? MAP_ANONYMOUS : 0) |
                (b->flags & RAM_NORESERVE ? MAP_NORESERVE : 0);
    if (mmap(at, b->size, prot, flags, b->fd, (off_t)b->fd_offset) == MAP_FAILED) {
        int err = errno;
        munmap(area, total);
        return error_set_errno(errp, err, "cannot map %" PRIu64 " bytes of RAM '%s'", b->size, b->name);
    }
    /* Keep the guard, give the rest of the reservation back. */
    uint8_t *end = at + b->size + b->page_size;
    if (at > area)
        munmap(area, (size_t)(at - area));
    if (area + total > end)
        munmap(end, (size_t)(area + total - end));
    b->host = b->map = at;
    b->map_len = (size_t)(end - at);
    if (b->size >= HUGE_PAGE && b->page_size == page)
        madvise(at, b->size, MADV_HUGEPAGE); /* as good as the host has it */
    if (b->flags & RAM_MERGE)
        madvise(at, b->size, MADV_MERGEABLE);
    if (b->flags & RAM_DUMP_OFF)
        madvise(at, b->size, MADV_DONTDUMP);
    madvise(at, b->size, MADV_DONTFORK);
    return true;
}

static RamBlock *new_block(const char *name, uint64_t size, unsigned flags)
{
    RamBlock *b = g_new0(RamBlock, 1);
    b->name = g_strdup(name);
    b->page_size = host_page();
    b->size = ROUND_UP(size, b->page_size);
    b->flags = flags;
    b->fd = -1;
    b->refs = 1;
    return b;
}

/* Map, preallocate, list; frees b (and its fd) on failure. */
static RamBlock *finish(RamBlock *b, uint64_t align, Error **errp)
{
    if (!map_block(b, align, errp) || (b->flags & RAM_PREALLOC && !ram_block_prealloc(b, 1, errp)) ||
        !add_block(b, errp)) {
        free_block(b);
        return NULL;
    }
    return b;
}

static bool size_ok(const char *name, uint64_t size, Error **errp)
{
    if (!size)
        return error_set(errp, "RAM '%s' has a size of 0", name);
    if (size > BIT64(62))
        return error_set(errp, "RAM '%s' of %" PRIu64 " bytes is larger than the address space", name, size);
    return true;
}

RamBlock *ram_block_anon(const char *name, uint64_t size, unsigned flags, Error **errp)
{
    if (!size_ok(name, size, errp))
        return NULL;
    return finish(new_block(name, size, flags), 0, errp);
}

RamBlock *ram_block_memfd(const char *name, uint64_t size, unsigned flags, uint64_t hugetlb_size, bool seal,
                          Error **errp)
{
    if (!size_ok(name, size, errp))
        return NULL;
    unsigned mfd = MFD_CLOEXEC | (seal ? MFD_ALLOW_SEALING : 0);
    if (hugetlb_size) {
        if (hugetlb_size & (hugetlb_size - 1)) {
            error_set(errp, "hugetlbsize of '%s': %" PRIu64 " is not a power of two; 2M and 1G are usual", name,
                      hugetlb_size);
            return NULL;
        }
        mfd |= MFD_HUGETLB | (unsigned)g_bit_nth_lsf(hugetlb_size, -1) << MFD_HUGE_SHIFT;
    }
    RamBlock *b = new_block(name, size, flags);
    if (hugetlb_size) {
        b->page_size = hugetlb_size;
        b->size = ROUND_UP(size, hugetlb_size);
    }
    b->fd = memfd_create(name, mfd);
    if (b->fd < 0) {
        error_set_errno(errp, errno, "cannot make a memfd for '%s'%s", name,
                        hugetlb_size ? " with huge pages (does the host have that size?)" : "");
    } else if (ftruncate(b->fd, (off_t)b->size) < 0) {
        error_set_errno(errp, errno, "cannot give the memfd of '%s' its %" PRIu64 " bytes", name, b->size);
    } else if (seal && fcntl(b->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
        error_set_errno(errp, errno, "cannot seal the memfd of '%s'", name);
    } else {
        return finish(b, 0, errp);
    }
    free_block(b);
    return NULL;
}

/* path: a file, which is made where it is not there, or a folder (of hugetlbfs, as a rule), where a nameless file is
 * made. */
static int open_ram_file(const char *name, const char *path, bool readonly, Error **errp)
{
    int fd;
    if (g_file_test(path, G_FILE_TEST_IS_DIR) && !readonly) {
        g_autofree char *tmp = g_strdup_printf("%s/qemu_back_mem.XXXXXX", path);
        fd = g_mkstemp_full(tmp, O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
            error_set_errno(errp, errno, "mem-path of '%s': cannot make a file in '%s'", name, path);
        else
            unlink(tmp);
        return fd;
    }
    fd = open(path, (readonly ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0644);
    if (fd < 0)
        error_set_errno(errp, errno, "mem-path of '%s': cannot open '%s'%s", name, path,
                        readonly ? " for reading" : "");
    return fd;
}

RamBlock *ram_block_file(const char *name, const char *path, uint64_t size, uint64_t offset, uint64_t align,
                         unsigned flags, Error **errp)
{
    if (!size_ok(name, size, errp))
        return NULL;
    if (align & (align - 1)) {
        error_set(errp, "align of '%s': 0x%" PRIx64 " is not a power of two", name, align);
        return NULL;
    }
    bool readonly = flags & RAM_READONLY_FD;
    int fd = open_ram_file(name, path, readonly, errp);
    if (fd < 0)
        return NULL;
    RamBlock *b = new_block(name, size, flags);
    b->fd = fd;
    b->fd_offset = offset;
    struct statfs fs;
    struct stat st;
    if (!fstatfs(fd, &fs) && fs.f_type == HUGETLBFS_MAGIC && fs.f_bsize > 0) {
        b->page_size = (uint64_t)fs.f_bsize;
        b->size = ROUND_UP(size, b->page_size);
    }
    if (offset % b->page_size) {
        error_set(errp, "offset of '%s': %" PRIu64 " is not a multiple of the page size %" PRIu64, name, offset,
                  b->page_size);
    } else if (offset > BIT64(62) || fstat(fd, &st) < 0) {
        error_set(errp, "mem-path of '%s': '%s' cannot be used at offset %" PRIu64, name, path, offset);
    } else if (S_ISREG(st.st_mode) && st.st_size && (uint64_t)st.st_size < offset + size) {
        error_set(errp, "mem-path of '%s': '%s' has %" PRIu64 " bytes, less than size (and offset) ask for: %" PRIu64,
                  name, path, (uint64_t)st.st_size, offset + size);
    } else if (S_ISREG(st.st_mode) && !st.st_size && readonly) {
        error_set(errp, "mem-path of '%s': '%s' is empty", name, path);
    } else if (S_ISREG(st.st_mode) && !st.st_size && ftruncate(fd, (off_t)(offset + b->size)) < 0) {
        error_set_errno(errp, errno, "mem-path of '%s': cannot give '%s' its %" PRIu64 " bytes", name, path,
                        offset + b->size);
    } else {
        return finish(b, align, errp);
    }
    free_block(b);
    return NULL;
}

typedef struct Part {
    uint8_t *at;
    size_t len, page;
    int err;
} Part;

static void *touch(void *opaque)
{
    Part *p = opaque;
    if (!p->len || !madvise(p->at, p->len, MADV_POPULATE_WRITE))
        return NULL;
    if (errno != EINVAL) {
        p->err = errno;
        return NULL;
    }
    for (size_t off = 0; off < p->len;
         off += p->page) { /* an older kernel; where memory runs out this ends by SIGBUS */
        volatile uint8_t *b = p->at + off;
        *b = *b;
    }
    return NULL;
}

bool ram_block_prealloc(RamBlock *b, unsigned threads, Error **errp)
{
    uint64_t pages = b->size / b->page_size;
    threads = (unsigned)CLAMP(threads, 1, MIN(pages, 256));
    g_autofree Part *parts = g_new0(Part, threads);
    g_autofree GThread **workers = g_new0(GThread *, threads);
    for (unsigned i = 0; i < threads; i++) {
        uint64_t from = pages * i / threads, to = pages * (i + 1) / threads;
        parts[i] = (Part){b->host + from * b->page_size, (to - from) * b->page_size, b->page_size, 0};
        if (i)
            workers[i] = g_thread_new("prealloc", touch, &parts[i]);
    }
    touch(&parts[0]);
    int err = parts[0].err;
    for (unsigned i = 1; i < threads; i++) {
        g_thread_join(workers[i]);
        err = err ? err : parts[i].err;
    }
    return !err || error_set_errno(errp, err, "cannot preallocate the %" PRIu64 " bytes of RAM '%s'", b->size, b->name);
}

RamBlock *ram_block_ref(RamBlock *b)
{
    __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

bool ram_block_try_ref(RamBlock *b)
{
    int n = __atomic_load_n(&b->refs, __ATOMIC_RELAXED);
    while (n)
        if (__atomic_compare_exchange_n(&b->refs, &n, n + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    return false;
}

static void reclaim(RcuHead *head)
{
    free_block(container_of(head, RamBlock, rcu));
}

void ram_block_unref(RamBlock *b)
{
    if (__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
        return;
    g_mutex_lock(&ram_lock);
    RamBlock **p = &blocks;
    while (*p != b)
        p = &(*p)->next;
    rcu_store(*p, b->next);
    g_mutex_unlock(&ram_lock);
    rcu_call(&b->rcu, reclaim);
}

void ram_block_retire(RamBlock *b)
{
    g_mutex_lock(&ram_lock);
    b->retired = true;
    g_mutex_unlock(&ram_lock);
}

RamBlock *ram_block_find(const char *name)
{
    g_mutex_lock(&ram_lock);
    RamBlock *b = blocks;
    while (b && (b->retired || strcmp(b->name, name)))
        b = b->next;
    g_mutex_unlock(&ram_lock);
    return b;
}

bool ram_blocks_foreach(bool (*fn)(RamBlock *b, void *opaque), void *opaque)
{
    bool all = true;
    g_mutex_lock(&ram_lock);
    for (RamBlock *b = blocks; b && all; b = b->next)
        all = b->retired || fn(b, opaque);
    g_mutex_unlock(&ram_lock);
    return all;
}

RamBlock *ram_block_of_host(const void *host)
{
    rcu_lock();
    RamBlock *b = rcu_load(blocks);
    while (b && (uintptr_t)host - (uintptr_t)b->host >= b->size)
        b = rcu_load(b->next);
    rcu_unlock();
    return b;
}

void (*ram_code_written)(RamBlock *b, uint64_t off, uint64_t len);

void ram_block_track(RamBlock *b, DirtyClient client)
{
    if (b->dirty[client])
        return;
    size_t bytes = ROUND_UP(b->size >> 12, 64) / 8;
    unsigned long *map = g_malloc(bytes);
    memset(map, 0xff, bytes);
    __atomic_store_n(&b->dirty[client], map, __ATOMIC_RELEASE);
}
