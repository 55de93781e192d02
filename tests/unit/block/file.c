/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host files and devices where requests meet: what the C library's functions answer, and when, is this program's.
 */
#include "block/backend.h"
#include "block/create.h"
#include "block/qcow2.h"
#include "block/uring.h"
#include "softmmu/mainloop.h"
#include "tests/unit/block/images.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static BlockNode *open_image(const char *driver, const char *path, const char *options, Error **errp)
{
    g_autofree char *text = g_strdup_printf("{'driver':'%s','filename':'%s'%s}", driver, path, options);
    return open_json(text, errp);
}

static char *make_image(const char *name, size_t size)
{
    char *p = path_of(name);
    g_autofree char *data = g_malloc(size);
    memset(data, 'a', size);
    g_assert_true(g_file_set_contents(p, data, (gssize)size, NULL));
    return p;
}

/* ---- flushes ---- */

static GMutex lock; /* of what follows */
static GCond cond;
static int syncs_started, syncs_ended, syncs_allowed = INT_MAX;
static unsigned syncs_failing; /* bit n: the n'th from now on fails, once, as the kernel tells of a lost page */

int fdatasync(int fd)
{
    g_mutex_lock(&lock);
    int nr = syncs_started++;
    g_cond_broadcast(&cond);
    while (syncs_ended >= syncs_allowed)
        g_cond_wait(&cond, &lock);
    syncs_ended++;
    g_cond_broadcast(&cond);
    bool fails = nr < 32 && syncs_failing >> nr & 1;
    g_mutex_unlock(&lock);
    errno = EIO;
    return fails ? -1 : 0;
}

static void syncs_reset(int allowed, unsigned failing)
{
    g_mutex_lock(&lock);
    syncs_started = syncs_ended = 0;
    syncs_allowed = allowed;
    syncs_failing = failing;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

static void syncs_allow(int n)
{
    g_mutex_lock(&lock);
    syncs_allowed = n;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

/* So many are at work, or ms have passed: what they are that do not come cannot be waited for. */
static bool syncs_wait(int n, int ms)
{
    int64_t end = g_get_monotonic_time() + ms * 1000;
    g_mutex_lock(&lock);
    while (syncs_started < n && g_cond_wait_until(&cond, &lock, end))
        ;
    bool ok = syncs_started >= n;
    g_mutex_unlock(&lock);
    return ok;
}

static gpointer flush_thread(gpointer n)
{
    return GINT_TO_POINTER(node_flush(n));
}

static gpointer fua_thread(gpointer n)
{
    char data[512] = "x";
    struct iovec iov = {data, sizeof(data)};
    return GINT_TO_POINTER(node_pwritev(n, 1024, sizeof(data), &iov, 1, BLOCK_REQ_FUA));
}

/* One of two flushes at the same time hears of lost pages; both fail, and so do all after them. */
static void test_flush_race(void)
{
    for (int kind = 0; kind < 2; kind++) {
        g_autofree char *img = make_image("flush.img", 4096);
        BlockNode *n = open_image("file", img, "", NULL);
        g_assert_nonnull(n);
        syncs_reset(0, 1);
        GThread *first = g_thread_new("first", flush_thread, n);
        g_assert_true(syncs_wait(1, 30000));
        GThread *second = g_thread_new("second", kind ? fua_thread : flush_thread, n);
        syncs_wait(2, 100); /* it starts one of its own at once: its check came before the failure */
        syncs_allow(INT_MAX);
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(first)), ==, -EIO);
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(second)), ==, -EIO);
        g_assert_cmpint(node_flush(n), ==, -EIO);
        syncs_reset(INT_MAX, 0);
        node_unref(n);
    }
}

/* Many at the same time share one that started after they came; one at a time runs. */
static void test_flush_shared(void)
{
    enum { N = 8 };
    g_autofree char *img = make_image("shared.img", 4096);
    BlockNode *n = open_image("file", img, "", NULL);
    g_assert_nonnull(n);
    syncs_reset(0, 0);
    GThread *t[N];
    t[0] = g_thread_new("first", flush_thread, n);
    g_assert_true(syncs_wait(1, 30000));
    for (int i = 1; i < N; i++)
        t[i] = g_thread_new("next", flush_thread, n);
    g_assert_false(syncs_wait(2, 100));
    syncs_allow(1);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(t[0])), ==, 0);
    g_assert_true(syncs_wait(2, 30000)); /* what the first one did says nothing to them */
    g_usleep(20000);
    syncs_allow(INT_MAX);
    for (int i = 1; i < N; i++)
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(t[i])), ==, 0);
    g_assert_cmpint(node_flush(n), ==, 0);
    node_unref(n);
}

/* ---- a block device, that is a file ---- */

static bool as_device;

int fstat(int fd, struct stat *st)
{
    int ret = (int)syscall(SYS_fstat, fd, st);
    if (!ret && as_device)
        st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
    return ret;
}

int ioctl(int fd, unsigned long req, ...)
{
    va_list ap;
    va_start(ap, req);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (as_device && req == BLKGETSIZE64) {
        *(uint64_t *)arg = 65536;
        return 0;
    }
    return (int)syscall(SYS_ioctl, fd, req, arg);
}

static void test_device_locks(void)
{
    enum { R = BLOCK_PERM_CONSISTENT_READ, W = BLOCK_PERM_WRITE, OTHERS = BLOCK_PERM_ALL & ~W };
    g_autofree char *img = make_image("dev.img", 65536);
    static const char *const options[] = {"", ",'locking':'on'"};
    as_device = true;
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        g_autoptr(Error) err = NULL;
        BlockNode *n = open_image("host_device", img, options[i], NULL);
        BlockNode *other = open_image("host_device", img, options[i], NULL);
        BlockNode *deaf = open_image("host_device", img, ",'locking':'off'", NULL);
        g_assert_true(n && other && deaf);
        BlockEdge *a = node_use(n, g_strdup("first"), R | W, OTHERS, NULL);
        g_assert_nonnull(a);
        g_assert_null(node_use(other, g_strdup("second"), R | W, OTHERS, &err));
        g_assert_nonnull(strstr(error_text(err), "Failed to get \"write\" lock"));
        BlockEdge *b = node_use(deaf, g_strdup("deaf"), R | W, OTHERS, NULL);
        g_assert_nonnull(b);
        node_unuse(b);
        node_unuse(a);
        node_unref(n);
        node_unref(other);
        node_unref(deaf);
    }
    as_device = false;
}

/* ---- partial blocks ---- */

static bool blocks_4k;
static int reading; /* lock; 1: the next read stops after its end until something else was done, 2: it has come to it */

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
    if (blocks_4k && len < 4096) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_pread64, fd, buf, len, off);
}

ssize_t preadv(int fd, const struct iovec *iov, int niov, off_t off)
{
    ssize_t ret = syscall(SYS_preadv, fd, iov, niov, off, 0);
    g_mutex_lock(&lock);
    if (reading == 1) {
        reading = 2;
        g_cond_broadcast(&cond);
        int64_t end = g_get_monotonic_time() + 100000;
        while (reading == 2 && g_cond_wait_until(&cond, &lock, end))
            ;
        reading = 0;
    }
    g_mutex_unlock(&lock);
    return ret;
}

/* A write has read its block, and waits to write it. */
static void wait_until_read(void)
{
    g_mutex_lock(&lock);
    while (reading == 1)
        g_cond_wait(&cond, &lock);
    g_mutex_unlock(&lock);
}

static void go_on(void)
{
    g_mutex_lock(&lock);
    reading = 0;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

/* Of a disk with blocks of 4 KiB, O_DIRECT; NULL: the test is skipped. */
static BlockNode *open_4k(const char *path, const char *options)
{
    g_autofree char *all = g_strconcat(options, ",'cache':{'direct':true}", NULL);
    g_autoptr(Error) err = NULL;
    blocks_4k = true;
    BlockNode *n = open_image("file", path, all, &err);
    blocks_4k = false;
    if (!n)
        g_test_skip("no O_DIRECT here");
    return n;
}

static gpointer write_thread(gpointer n)
{
    char data[512];
    memset(data, 'w', sizeof(data));
    return GINT_TO_POINTER(node_pwrite(n, 0, data, sizeof(data)));
}

/* A write of a block's first sector; all that changes the rest of the block, or all of it, between its read and write.
 */
static void test_partial_blocks(void)
{
    g_autofree char *img = make_image("blocks.img", 16384);
    BlockNode *n = open_4k(img, ",'discard':'unmap'");
    if (!n)
        return;
    g_autofree char *mem = g_malloc0(4096 * 2);
    char *buf = (char *)ROUND_UP((uintptr_t)mem, 4096);
    g_assert_cmpint(node_discard(n, 8192, 4096), ==, 0);
    g_assert_cmpint(node_pread(n, 8192, buf, 4096), ==, 0);
    bool punches = !buf[0]; /* the file system does */
    for (int kind = 0; kind < 6; kind++) {
        memset(buf, 'o', 4096);
        g_assert_cmpint(node_pwrite(n, 0, buf, 4096), ==, 0);
        reading = 1;
        GThread *t = g_thread_new("write", write_thread, n);
        wait_until_read();
        uint64_t off = kind & 1 ? 0 : 512, len = 4096 - off;
        int ret = kind < 2   ? node_write_zeroes(n, off, len, 0)
                  : kind < 4 ? node_discard(n, off, len)
                             : node_write_zeroes(n, off, len, BLOCK_REQ_MAY_UNMAP);
        go_on();
        g_assert_cmpint(ret, ==, 0);
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(t)), ==, 0);
        g_assert_cmpint(node_pread(n, 0, buf, 4096), ==, 0);
        bool discards = kind == 2 || kind == 3;
        for (int i = 512; i < 4096; i++)
            if (buf[i] != 0 && !(discards && buf[i] == 'o' && !punches))
                g_error("kind %d: byte %d is %d", kind, i, buf[i]);
        if (off)
            g_assert_cmpint(buf[511], ==, 'w');
    }
    node_unref(n);
}

typedef struct Home {
    Block *b;
    GMainContext *ctx;
    char *buf, sector[512];
    int ended, bad;
} Home;

static void home_ended(void *opaque, int ret)
{
    Home *h = opaque;
    h->ended++;
    h->bad += ret != 0;
}

static void whole_ended(void *opaque, int ret)
{
    home_ended(opaque, ret);
    go_on();
}

static gpointer home_thread(gpointer opaque)
{
    Home *h = opaque;
    struct iovec part = {h->sector, sizeof(h->sector)}, whole = {h->buf, 4096};
    g_main_context_acquire(h->ctx);
    reading = 1;
    blk_pwritev(h->b, 0, &part, 1, 0, home_ended, h);
    wait_until_read();
    blk_pwritev(h->b, 0, &whole, 1, 0, whole_ended, h);
    while (h->ended < 2)
        g_main_context_iteration(h->ctx, true);
    blk_leave_home(h->b);
    g_main_context_release(h->ctx);
    return NULL;
}

/* The same where the whole block could go by io_uring. */
static void test_partial_blocks_ring(void)
{
    if (!block_ring_available()) {
        g_test_skip("no io_uring here");
        return;
    }
    g_autofree char *img = make_image("ring.img", 16384);
    BlockNode *n = open_4k(img, ",'aio':'io_uring'");
    if (!n)
        return;
    g_autofree char *mem = g_malloc0(4096 * 2);
    Home h = {.b = blk_new("home"), .ctx = g_main_context_new(), .buf = (char *)ROUND_UP((uintptr_t)mem, 4096)};
    g_assert_true(blk_insert(h.b, n, NULL));
    memset(h.buf, 'n', 4096);
    blk_set_home(h.b, h.ctx);
    g_thread_join(g_thread_new("home", home_thread, &h));
    g_assert_cmpint(h.bad, ==, 0);
    g_assert_cmpint(node_pread(n, 0, h.buf, 4096), ==, 0);
    for (int i = 512; i < 4096; i++)
        g_assert_cmpint(h.buf[i], ==, 'n');
    blk_remove(h.b);
    blk_unref(h.b);
    node_unref(n);
    g_main_context_unref(h.ctx);
}

/* ---- transfers through layers ---- */

/* An image in an image: no transfer goes by io_uring, and the inner one has nobody left who reads its clusters. */
static void test_ring_layers(void)
{
    if (!block_ring_available()) {
        g_test_skip("no io_uring here");
        return;
    }
    g_autofree char *inner = g_build_filename(dir, "inner.qcow2", NULL),
                    *outer = g_build_filename(dir, "o.qcow2", NULL);
    g_autoptr(Json) size = json_object(), more = json_object();
    json_set_str(size, "size", "1M");
    json_set_str(more, "size", "4M");
    g_assert_true(block_create(outer, "qcow2", size, NULL));
    g_assert_true(block_create(inner, "qcow2", more, NULL));
    g_autofree char *image = NULL, *json = g_strdup_printf("'driver':'qcow2','file':{'driver':'file','filename':'%s',"
                                                           "'aio':'io_uring'}",
                                                           inner);
    gsize len;
    g_assert_true(g_file_get_contents(outer, &image, &len, NULL));
    g_autofree char *alone = g_strdup_printf("{%s}", json),
                    *both = g_strdup_printf("{'driver':'qcow2','file':{%s}}", json);
    BlockNode *n = open_json(alone, NULL);
    g_assert_nonnull(n);
    g_assert_cmpint(node_pwrite(n, 0, image, len), ==, 0);
    node_unref(n);
    n = open_json(both, NULL);
    g_assert_nonnull(n);
    char data[4096] = "x";
    struct iovec iov = {data, sizeof(data)};
    BlockDirect d = {0};
    g_assert_cmpint(node_pwrite(n, 0, data, sizeof(data)), ==, 0);
    BlockNode *below = n->file->node;
    g_assert_cmpint(node_direct(below, 0, 512, &(struct iovec){data, 512}, 1, false, &d), ==, 0);
    g_assert_true(d.holder == below);
    d.holder->drv->direct_end(d.holder, d.token);
    d = (BlockDirect){0};
    g_assert_cmpint(node_direct(n, 0, sizeof(data), &iov, 1, false, &d), ==, -EAGAIN);
    const Qcow2 *s = below->state;
    g_assert_cmpuint(s->active[0] + s->active[1], ==, 0);
    node_unref(n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    begin_dir("file");
    g_test_add_func("/file/flush-race", test_flush_race);
    g_test_add_func("/file/flush-shared", test_flush_shared);
    g_test_add_func("/file/device-locks", test_device_locks);
    g_test_add_func("/file/partial-blocks", test_partial_blocks);
    g_test_add_func("/file/partial-blocks-ring", test_partial_blocks_ring);
    g_test_add_func("/file/ring-layers", test_ring_layers);
    int r = g_test_run();
    end_dir();
    return r;
}
