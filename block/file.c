/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host files and host block devices: the drivers "file" and "host_device".
 *
 * Image locking, shared with QEMU: open-file-description locks on single bytes, byte 100 + n while permission n is in
 * use, byte 200 + n while permission n is denied to others (bits of BlockPerm). Taking one looks for the opposite byte
 * of others. With cache.direct=on what is not aligned goes through a bounce buffer; a partial block is read, changed
 * and written under `align_lock`, which changes of whole blocks share. aio=native is asynchronous too, by io_uring
 * where the host has it.
 */
#include "block/node.h"
#include "block/uring.h"

#include "util/fds.h"
#include "util/iov.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_PERM_BASE = 100, LOCK_DENY_BASE = 200 };
enum { AIO_THREADS, AIO_NATIVE, AIO_IO_URING };

typedef struct FileState {
    char *filename;
    int locking, aio;
    uint32_t aio_max_batch;
    bool drop_cache;
    bool is_device; /* a block device */
    bool use_locks;
    unsigned lock_perm, lock_deny; /* bytes that we hold */
    int fd;
    uint32_t align;     /* of offsets and lengths with O_DIRECT, else 1 */
    GRWLock align_lock; /* writers: changes of partial blocks; readers: of whole ones */
    bool ring;          /* requests that can go by io_uring do */
    bool no_nowait;     /* atomic: the file system cannot say that it would wait */
    GMutex sync_lock;   /* of the next five; not held during fdatasync, of which there is one at a time */
    GCond sync_cond;
    bool syncing;
    uint64_t syncs_started, syncs_done, syncs_failed;
    int sync_error; /* the last failed fdatasync's; what was in the page cache may be lost */
    uint64_t discard_ok, discard_failed, discard_bytes; /* atomic */
} FileState;

static const char *const aio_names[] = {"threads", "native", "io_uring", NULL};
static const char *const on_off_auto_names[] = {"auto", "on", "off", NULL};

static const Prop file_props[] = {
    PROP_STR("filename", FileState, filename, "path of the image"),
    PROP_ENUM("locking", FileState, locking, on_off_auto_names, ON_OFF_AUTO_AUTO, "lock the image against other users"),
    PROP_ENUM("aio", FileState, aio, aio_names, AIO_THREADS, "how requests reach the host"),
    PROP_U32("aio-max-batch", FileState, aio_max_batch, 0, "requests submitted at once, 0: the default"),
    PROP_BOOL("drop-cache", FileState, drop_cache, true, "drop the page cache on the way in of a migration"),
    {}};

static const struct {
    unsigned bit, index;
    const char *name;
} lock_names[] = {
    {BLOCK_PERM_CONSISTENT_READ, 0, "consistent read"},
    {BLOCK_PERM_WRITE, 1, "write"},
    {BLOCK_PERM_WRITE_UNCHANGED, 2, "write unchanged"},
    {BLOCK_PERM_RESIZE, 3, "resize"},
};

static int lock_byte(int fd, int cmd, short type, off_t byte)
{
    struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(fd, cmd, &fl) < 0)
        return -errno;
    return cmd == F_OFD_GETLK && fl.l_type != F_UNLCK ? -EAGAIN : 0;
}

static void unlock_bytes(FileState *s, unsigned perm, unsigned deny)
{
    for (size_t i = 0; i < ARRAY_SIZE(lock_names); i++) {
        if (s->lock_perm & ~perm & lock_names[i].bit)
            lock_byte(s->fd, F_OFD_SETLK, F_UNLCK, LOCK_PERM_BASE + lock_names[i].index);
        if (s->lock_deny & ~deny & lock_names[i].bit)
            lock_byte(s->fd, F_OFD_SETLK, F_UNLCK, LOCK_DENY_BASE + lock_names[i].index);
    }
    s->lock_perm &= perm;
    s->lock_deny &= deny;
}

static bool lock_failed(const FileState *s, const char *what, const char *name, int err, Error **errp)
{
    if (err == -EAGAIN || err == -EACCES) {
        error_set(errp, "Failed to get %s\"%s\" lock", what, name);
        error_hint(errp, "Is another process using the image [%s]?", s->filename);
        return false;
    }
    return error_set_errno(errp, -err, "Failed to lock '%s' (locking=off turns image locking off)", s->filename);
}

static bool file_set_perm(BlockNode *n, unsigned perm, unsigned shared, Error **errp)
{
    FileState *s = n->state;
    if (!s->use_locks)
        return true;
    unsigned deny = BLOCK_PERM_ALL & ~shared, old_perm = s->lock_perm, old_deny = s->lock_deny;
    if (perm == old_perm && deny == old_deny)
        return true; /* what nobody could get past meanwhile */
    for (size_t i = 0; i < ARRAY_SIZE(lock_names); i++) {
        unsigned bit = lock_names[i].bit;
        int err = 0;
        if (perm & ~s->lock_perm & bit &&
            !(err = lock_byte(s->fd, F_OFD_SETLK, F_RDLCK, LOCK_PERM_BASE + lock_names[i].index)))
            s->lock_perm |= bit;
        if (!err && deny & ~s->lock_deny & bit &&
            !(err = lock_byte(s->fd, F_OFD_SETLK, F_RDLCK, LOCK_DENY_BASE + lock_names[i].index)))
            s->lock_deny |= bit;
        if (err) {
            unlock_bytes(s, old_perm, old_deny);
            return lock_failed(s, "", lock_names[i].name, err, errp);
        }
    }
    /* What we took is there for others to see; now look whether they had something against it. */
    for (size_t i = 0; i < ARRAY_SIZE(lock_names); i++) {
        unsigned bit = lock_names[i].bit;
        int err;
        if (perm & bit && (err = lock_byte(s->fd, F_OFD_GETLK, F_WRLCK, LOCK_DENY_BASE + lock_names[i].index))) {
            unlock_bytes(s, old_perm, old_deny);
            return lock_failed(s, "", lock_names[i].name, err, errp);
        }
        if (deny & bit && (err = lock_byte(s->fd, F_OFD_GETLK, F_WRLCK, LOCK_PERM_BASE + lock_names[i].index))) {
            unlock_bytes(s, old_perm, old_deny);
            return lock_failed(s, "shared ", lock_names[i].name, err, errp);
        }
    }
    unlock_bytes(s, perm, deny);
    return true;
}

/* The same file by another description, which takes over the locks. */
static bool file_set_writable(BlockNode *n, bool on, Error **errp)
{
    FileState *s = n->state;
    g_autofree char *self = g_strdup_printf("/proc/self/fd/%d", s->fd);
    int fd = open(self, O_CLOEXEC | O_NOCTTY | (n->direct ? O_DIRECT : 0) | (on ? O_RDWR : O_RDONLY));
    if (fd < 0)
        return error_set_errno(errp, errno, "Could not reopen '%s'", s->filename);
    for (size_t i = 0; i < ARRAY_SIZE(lock_names); i++) { /* shared ones: our own do not stand in the way */
        int err = 0;
        if (s->lock_perm & lock_names[i].bit)
            err = lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_PERM_BASE + lock_names[i].index);
        if (!err && s->lock_deny & lock_names[i].bit)
            err = lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_DENY_BASE + lock_names[i].index);
        if (err) {
            close(fd);
            return lock_failed(s, "", lock_names[i].name, err, errp);
        }
    }
    close(s->fd);
    s->fd = fd;
    return true;
}

/* The smallest block that O_DIRECT takes: asked of the file, as file systems do not tell otherwise. */
static uint32_t probe_align(int fd)
{
    void *buf;
    if (posix_memalign(&buf, 8192, 8192))
        return 4096;
    uint32_t align = 512;
    while (align < 4096 && pread(fd, buf, align, 0) < 0 && errno == EINVAL)
        align *= 2;
    free(buf);
    return align;
}

static int64_t host_size(FileState *s)
{
    if (s->is_device) {
        uint64_t size;
        return ioctl(s->fd, BLKGETSIZE64, &size) < 0 ? -errno : (int64_t)MIN(size, INT64_MAX);
    }
    off_t end = lseek(s->fd, 0, SEEK_END);
    return end < 0 ? -errno : end;
}

static bool open_common(BlockNode *n, bool want_device, Error **errp)
{
    FileState *s = n->state;
    s->fd = -1;
    if (s->aio == AIO_NATIVE && !n->direct)
        return error_set(errp, "aio=native was specified, but it requires cache.direct=on, which was not specified.");
    if (s->aio == AIO_IO_URING && !block_ring_available())
        return error_set(errp,
                         "aio=io_uring is not available: this host, or this build, has no io_uring; use aio=threads");
    s->ring = s->aio == AIO_IO_URING || (s->aio == AIO_NATIVE && block_ring_available());
    int flags = O_CLOEXEC | O_NOCTTY | (n->direct ? O_DIRECT : 0);
    s->fd = file_open(s->filename, flags | (n->read_only ? O_RDONLY : O_RDWR), 0);
    if (n->auto_read_only && !n->read_only &&
        (s->fd == -EACCES || s->fd == -EPERM || s->fd == -EROFS || s->fd == -ETXTBSY)) {
        s->fd = file_open(s->filename, flags | O_RDONLY, 0);
        n->read_only = s->fd >= 0;
    }
    if (s->fd == -EISDIR)
        return error_set(errp, "'%s' driver requires '%s' to be a regular file", n->drv->name, s->filename);
    if (s->fd < 0)
        return error_set_errno(errp, -s->fd, "Could not open '%s'", s->filename);
    struct stat st;
    if (fstat(s->fd, &st) < 0) {
        error_set_errno(errp, errno, "Could not stat '%s'", s->filename);
        goto fail;
    }
    s->is_device = S_ISBLK(st.st_mode);
    if (want_device && !s->is_device) {
        error_set(errp, "'%s' driver requires '%s' to be a block device", n->drv->name, s->filename);
        goto fail;
    }
    if (!want_device && !S_ISREG(st.st_mode)) {
        error_set(errp, "'%s' driver requires '%s' to be a regular file", n->drv->name, s->filename);
        if (s->is_device)
            error_hint(errp, "Use the driver 'host_device' for block devices");
        goto fail;
    }
    int64_t size = host_size(s);
    if (size < 0) {
        error_set_errno(errp, (int)-size, "Could not get the size of '%s'", s->filename);
        goto fail;
    }
    s->use_locks = s->locking != ON_OFF_AUTO_OFF;
    if (s->use_locks && lock_byte(s->fd, F_OFD_GETLK, F_WRLCK, LOCK_PERM_BASE) == -EINVAL) {
        if (s->locking == ON_OFF_AUTO_ON) {
            error_set(errp, "locking=on: the host has no open-file-description locks for '%s'", s->filename);
            goto fail;
        }
        s->use_locks = false;
    }
    g_mutex_init(&s->sync_lock);
    g_cond_init(&s->sync_cond);
    g_rw_lock_init(&s->align_lock);
    s->align = n->direct ? probe_align(s->fd) : 1;
    n->length = ROUND_UP((uint64_t)MIN(size, INT64_MAX - 511), BLOCK_SECTOR);
    n->filename = g_strdup(s->filename);
    return true;
fail:
    close(s->fd);
    s->fd = -1;
    return false;
}

static bool regular_open(BlockNode *n, Error **errp)
{
    return open_common(n, false, errp);
}

static bool device_open(BlockNode *n, Error **errp)
{
    return open_common(n, true, errp);
}

static void file_close(BlockNode *n)
{
    FileState *s = n->state;
    close(s->fd); /* gives up the locks */
    g_rw_lock_clear(&s->align_lock);
    g_cond_clear(&s->sync_cond);
    g_mutex_clear(&s->sync_lock);
}

/* All of iov at off; what lies past the file's end reads as zeroes. */
static int read_all(int fd, uint64_t off, const struct iovec *iov, int niov)
{
    while (niov) {
        int cnt = MIN(niov, IOV_MAX);
        size_t want = iov_size(iov, cnt), done = 0;
        ssize_t r;
        while (!done) {
            r = preadv(fd, iov, cnt, (off_t)off);
            if (r < 0 && errno == EINTR)
                continue;
            if (r < 0)
                return -errno;
            done = (size_t)r;
            break;
        }
        /* A short read: the rest byte by byte of the vector, until the end of the file. */
        while (done < want && r > 0) {
            struct iovec rest[IOV_MAX];
            int k = iov_slice(rest, iov, cnt, done, want - done);
            r = preadv(fd, rest, k, (off_t)(off + done));
            if (r < 0 && errno == EINTR) {
                r = 1;
                continue;
            }
            if (r < 0)
                return -errno;
            done += (size_t)r;
        }
        iov_fill(iov, cnt, done, 0, want - done);
        off += want;
        iov += cnt;
        niov -= cnt;
    }
    return 0;
}

static int write_all(int fd, uint64_t off, const struct iovec *iov, int niov)
{
    while (niov) {
        int cnt = MIN(niov, IOV_MAX);
        size_t want = iov_size(iov, cnt), done = 0;
        while (done < want) {
            struct iovec rest[IOV_MAX];
            int k = cnt;
            const struct iovec *v = iov;
            if (done) {
                k = iov_slice(rest, iov, cnt, done, want - done);
                v = rest;
            }
            ssize_t r = pwritev(fd, v, k, (off_t)(off + done));
            if (r < 0 && errno == EINTR)
                continue;
            if (r <= 0)
                return r < 0 ? -errno : -ENOSPC;
            done += (size_t)r;
        }
        off += want;
        iov += cnt;
        niov -= cnt;
    }
    return 0;
}

static bool aligned(const FileState *s, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    if (s->align == 1)
        return true;
    if ((off | len) & (s->align - 1))
        return false;
    for (int i = 0; i < niov; i++)
        if (((uintptr_t)iov[i].iov_base | iov[i].iov_len) & (s->align - 1))
            return false;
    return true;
}

/* One aligned transfer through a buffer, at most BOUNCE_MAX bytes of the caller's range. */
#define BOUNCE_MAX MIB
static int bounce(FileState *s, uint64_t off, size_t len, const struct iovec *iov, int niov, size_t iov_off, bool write)
{
    uint64_t start = ROUND_DOWN(off, s->align), end = ROUND_UP(off + len, s->align);
    bool partial = start != off || end != off + len;
    void *mem;
    if (posix_memalign(&mem, 4096, end - start))
        return -ENOMEM;
    struct iovec v = {mem, end - start};
    int ret = 0;
    if (!write || partial)
        ret = read_all(s->fd, start, &v, 1);
    if (!ret && !write)
        iov_from_buf(iov, niov, iov_off, (uint8_t *)mem + (off - start), len);
    if (!ret && write) {
        iov_to_buf(iov, niov, iov_off, (uint8_t *)mem + (off - start), len);
        ret = write_all(s->fd, start, &v, 1);
    }
    free(mem);
    return ret;
}

static int bounce_all(FileState *s, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write)
{
    int ret = 0;
    for (uint64_t done = 0; done < len && !ret; done += BOUNCE_MAX)
        ret = bounce(s, off + done, MIN(BOUNCE_MAX, len - done), iov, niov, done, write);
    return ret;
}

static int file_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    FileState *s = n->state;
    return aligned(s, off, len, iov, niov) ? read_all(s->fd, off, iov, niov)
                                           : bounce_all(s, off, len, iov, niov, false);
}

/* From the page cache, where all of it is there. */
static int file_preadv_now(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    FileState *s = n->state;
    if (n->direct || niov > IOV_MAX || __atomic_load_n(&s->no_nowait, __ATOMIC_RELAXED))
        return -EAGAIN;
    ssize_t r = preadv2(s->fd, iov, niov, (off_t)off, RWF_NOWAIT);
    if (r < 0 && errno == EOPNOTSUPP)
        __atomic_store_n(&s->no_nowait, true, __ATOMIC_RELAXED);
    return r >= 0 && (uint64_t)r == len ? 0 : -EAGAIN;
}

static int file_direct(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, bool write,
                       BlockDirect *d)
{
    FileState *s = n->state;
    if (!s->ring || niov > IOV_MAX || !aligned(s, off, len, iov, niov))
        return -EAGAIN;
    /* A transfer holds no lock. A guest's requests end with a sector: larger blocks may be written in part meanwhile.
     */
    if (write && s->align > BLOCK_SECTOR)
        return -EAGAIN;
    *d = (BlockDirect){.fd = s->fd, .off = off};
    return 0;
}

/*
 * The kernel reports a failed write-back once, to one fdatasync, and then forgets the pages: of several callers all
 * that came before its end hear of it, and from the page cache no later flush may claim success. Callers that come
 * while one runs share the next.
 */
static int file_flush(BlockNode *n)
{
    FileState *s = n->state;
    g_mutex_lock(&s->sync_lock);
    uint64_t target = s->syncs_started + 1, failed = s->syncs_failed;
    while (s->syncs_done < target && (n->direct || !s->syncs_failed)) {
        if (s->syncing) {
            g_cond_wait(&s->sync_cond, &s->sync_lock);
            continue;
        }
        s->syncing = true;
        s->syncs_started++;
        g_mutex_unlock(&s->sync_lock);
        int err = fdatasync(s->fd) < 0 ? -errno : 0;
        g_mutex_lock(&s->sync_lock);
        if (err) {
            s->sync_error = err;
            s->syncs_failed++;
        }
        s->syncs_done = s->syncs_started;
        s->syncing = false;
        g_cond_broadcast(&s->sync_cond);
    }
    int ret = s->syncs_failed > (n->direct ? failed : 0) ? s->sync_error : 0;
    g_mutex_unlock(&s->sync_lock);
    return ret;
}

static bool partial(const FileState *s, uint64_t off, uint64_t len)
{
    return (off | len) & (s->align - 1);
}

/* Around all that changes the data: none of it comes between the reading and the writing of a block of which it is a
 * part. */
static void change_begin(FileState *s, uint64_t off, uint64_t len)
{
    if (partial(s, off, len))
        g_rw_lock_writer_lock(&s->align_lock);
    else if (s->align > 1)
        g_rw_lock_reader_lock(&s->align_lock);
}

static void change_end(FileState *s, uint64_t off, uint64_t len)
{
    if (partial(s, off, len))
        g_rw_lock_writer_unlock(&s->align_lock);
    else if (s->align > 1)
        g_rw_lock_reader_unlock(&s->align_lock);
}

static int file_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    FileState *s = n->state;
    change_begin(s, off, len);
    int ret =
        aligned(s, off, len, iov, niov) ? write_all(s->fd, off, iov, niov) : bounce_all(s, off, len, iov, niov, true);
    change_end(s, off, len);
    return ret || !(flags & BLOCK_REQ_FUA) ? ret : file_flush(n);
}

static int range_error(int err)
{
    return err == EOPNOTSUPP || err == ENOSYS || err == ENOTTY || err == EINVAL ? -ENOTSUP : -err;
}

static int punch(FileState *s, uint64_t off, uint64_t len)
{
    int ret;
    if (s->is_device) {
        uint64_t range[2] = {off, len};
        ret = ioctl(s->fd, BLKDISCARD, range);
    } else {
        ret = fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
    }
    return ret < 0 ? range_error(errno) : 0;
}

static int file_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    FileState *s = n->state;
    change_begin(s, off, len);
    int ret = punch(s, off, len);
    change_end(s, off, len);
    __atomic_fetch_add(ret ? &s->discard_failed : &s->discard_ok, 1, __ATOMIC_RELAXED);
    if (!ret)
        __atomic_fetch_add(&s->discard_bytes, len, __ATOMIC_RELAXED);
    return ret;
}

static int zero(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    FileState *s = n->state;
    if (s->is_device) {
        uint64_t range[2] = {off, len};
        return ioctl(s->fd, BLKZEROOUT, range) < 0 ? range_error(errno) : 0;
    }
    if (flags & BLOCK_REQ_MAY_UNMAP && off + len <= node_length(n) && !punch(s, off, len))
        return 0;
    if (fallocate(s->fd, FALLOC_FL_ZERO_RANGE, (off_t)off, (off_t)len) < 0) /* moves the file's end */
        return range_error(errno);
    return 0;
}

static int file_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    change_begin(n->state, off, len);
    int ret = zero(n, off, len, flags);
    change_end(n->state, off, len);
    return ret;
}

static bool file_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    FileState *s = n->state;
    if (ftruncate(s->fd, (off_t)size) < 0)
        return error_set_errno(errp, errno, "Failed to resize '%s' to %" PRIu64 " bytes", s->filename, size);
    __atomic_store_n(&n->length, ROUND_UP(size, BLOCK_SECTOR), __ATOMIC_RELAXED);
    return true;
}

/* A block device has the size that it has; growing into it happens when the host resized it. */
static bool device_truncate(BlockNode *n, uint64_t size, Error **errp)
{
    int64_t now = host_size(n->state);
    if (now < 0)
        return error_set_errno(errp, (int)-now, "Could not get the size of '%s'", n->filename);
    if (size > (uint64_t)now)
        return error_set(errp, "Cannot grow device files");
    __atomic_store_n(&n->length, ROUND_DOWN((uint64_t)now, BLOCK_SECTOR), __ATOMIC_RELAXED);
    return true;
}

static int64_t file_allocated(BlockNode *n)
{
    struct stat st;
    return fstat(((FileState *)n->state)->fd, &st) < 0 ? -1 : (int64_t)st.st_blocks * 512;
}

/* Where the file has holes, as far as the file system tells. */
static int file_status(BlockNode *n, uint64_t off, uint64_t len, BlockStatus *st)
{
    FileState *s = n->state;
    off_t data = lseek(s->fd, (off_t)off, SEEK_DATA);
    bool hole = false;
    if (data < 0 && errno == ENXIO) {
        hole = true; /* to the end */
    } else if (data >= 0 && (uint64_t)data > off) {
        hole = true;
        len = MIN(len, (uint64_t)data - off);
    } else if (data >= 0) {
        off_t end = lseek(s->fd, (off_t)off, SEEK_HOLE);
        uint64_t stop = end < 0 ? off + len : (uint64_t)end;
        if (stop > off)
            len = MIN(len, stop - off);
    }
    st->len = len;
    st->flags = BLOCK_ST_ALLOCATED | BLOCK_ST_OFFSET | (hole ? BLOCK_ST_ZERO : BLOCK_ST_DATA);
    return 0;
}

static void file_stats(BlockNode *n, Json *out)
{
    FileState *s = n->state;
    json_set_uint(out, "discard-nb-ok", __atomic_load_n(&s->discard_ok, __ATOMIC_RELAXED));
    json_set_uint(out, "discard-nb-failed", __atomic_load_n(&s->discard_failed, __ATOMIC_RELAXED));
    json_set_uint(out, "discard-bytes-ok", __atomic_load_n(&s->discard_bytes, __ATOMIC_RELAXED));
}

const BlockDriver block_file = {
    .name = "file",
    .summary = "a host file",
    .size = sizeof(FileState),
    .props = file_props,
    .required = "filename",
    .grows = true,
    .open = regular_open,
    .close = file_close,
    .preadv = file_preadv,
    .preadv_now = file_preadv_now,
    .direct = file_direct,
    .pwritev = file_pwritev,
    .flush = file_flush,
    .discard = file_discard,
    .write_zeroes = file_write_zeroes,
    .truncate = file_truncate,
    .set_perm = file_set_perm,
    .set_writable = file_set_writable,
    .status = file_status,
    .allocated = file_allocated,
    .stats = file_stats,
};
const BlockDriver block_host_device = {
    .name = "host_device",
    .summary = "a host block device",
    .size = sizeof(FileState),
    .props = file_props,
    .required = "filename",
    .open = device_open,
    .close = file_close,
    .preadv = file_preadv,
    .preadv_now = file_preadv_now,
    .direct = file_direct,
    .pwritev = file_pwritev,
    .flush = file_flush,
    .discard = file_discard,
    .write_zeroes = file_write_zeroes,
    .truncate = device_truncate,
    .set_perm = file_set_perm,
    .set_writable = file_set_writable,
    .allocated = file_allocated,
    .stats = file_stats,
};
