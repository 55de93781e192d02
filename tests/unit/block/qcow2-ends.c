/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 at its ends: files that end inside a cluster, other sizes, headers that fail to change, tables let go. */
#include "block/backend.h"
#include "block/qcow2.h"
#include "softmmu/mainloop.h"
#include "util/iov.h"
#include "tests/unit/block/images.h"

#include <stdlib.h>

#define QCOW2 "'qcow2'"

/* ---- a file of which a header's field fails ---- */

static struct {
    uint64_t off;
    int writes; /* so many to off fail */
    bool flush; /* the flush after one to off does, once */
    bool armed;
    bool broken; /* what is not of the header cannot be written */
} flaky;

static bool flaky_open(BlockNode *n, Error **errp)
{
    n->length = node_length(n->file->node);
    n->filename = g_strdup(n->file->node->filename);
    return true;
}

static int flaky_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    return node_preadv(n->file->node, off, len, iov, niov);
}

static int flaky_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    int ret = flaky.broken && off >= BLOCK_SECTOR ? -EIO : node_pwritev(n->file->node, off, len, iov, niov, flags);
    if (off != flaky.off)
        return ret;
    flaky.armed = flaky.flush;
    flaky.flush = false;
    return flaky.writes && flaky.writes-- ? -EIO : ret;
}

static int flaky_flush(BlockNode *n)
{
    bool fail = flaky.armed;
    flaky.armed = false;
    return fail ? -EIO : node_flush(n->file->node);
}

static const BlockDriver flaky_driver = {
    .name = "test-flaky",
    .has_file = true,
    .is_filter = true,
    .grows = true,
    .open = flaky_open,
    .preadv = flaky_preadv,
    .pwritev = flaky_pwritev,
    .flush = flaky_flush,
};

/* The driver with its options over the file. */
static BlockNode *must_open(const char *driver, const char *path)
{
    g_autofree char *file = g_strdup_printf("'driver':'file','filename':'%s','cache':{'no-flush':true}", path);
    g_autofree char *json =
        block_test_driver ? g_strdup_printf("{'driver':%s,'file':{'driver':'test-flaky','file':{%s}}}", driver, file)
                          : g_strdup_printf("{'driver':%s,'discard':'unmap','file':{%s}}", driver, file);
    Error *err = NULL;
    BlockNode *n = open_json(json, &err);
    if (!n)
        g_error("%s: %s", json, error_text(err));
    return n;
}

static void assert_sound(const char *path, bool leaks_allowed)
{
    BlockNode *n = must_open(QCOW2, path);
    Qcow2Check r = {0};
    g_assert_cmpint(qcow2_check(n, &r, 0), ==, 0);
    g_assert_cmpuint(r.corruptions, ==, 0);
    g_assert_cmpuint(r.check_errors, ==, 0);
    if (!leaks_allowed)
        g_assert_cmpuint(r.leaks, ==, 0);
    node_unref(n);
}

static void fill(BlockNode *n, uint64_t off, uint64_t len, int val)
{
    g_autofree uint8_t *buf = g_malloc(len);
    memset(buf, val, len);
    g_assert_cmpint(node_pwrite(n, off, buf, len), ==, 0);
}

static void expect(BlockNode *n, uint64_t off, uint64_t len, int val)
{
    g_autofree uint8_t *buf = g_malloc(len);
    memset(buf, 0xee, len);
    g_assert_cmpint(node_pread(n, off, buf, len), ==, 0);
    for (uint64_t i = 0; i < len; i++)
        if (buf[i] != val)
            g_error("byte %" PRIu64 " is %02x, not %02x", off + i, buf[i], val);
}

/* ---- reads at a home of their own ---- */

typedef struct Home {
    Block *b;
    GMainContext *ctx;
    uint64_t off;
    struct iovec iov;
    int ended, ret;
} Home;

static void ended(void *opaque, int ret)
{
    Home *h = opaque;
    h->ended++;
    h->ret = ret;
}

static gpointer home_thread(gpointer opaque)
{
    Home *h = opaque;
    g_main_context_acquire(h->ctx);
    blk_preadv(h->b, h->off, &h->iov, 1, ended, h);
    while (!h->ended)
        g_main_context_iteration(h->ctx, true);
    blk_leave_home(h->b);
    g_main_context_release(h->ctx);
    return NULL;
}

/* As a device with a thread of its own reads. */
static void read_at_home(BlockNode *n, uint64_t off, uint8_t *buf, uint64_t len)
{
    memset(buf, 0xee, len);
    Home h = {.b = blk_new("home"), .ctx = g_main_context_new(), .off = off, .iov = {buf, len}};
    g_assert_true(blk_insert(h.b, n, NULL));
    blk_set_home(h.b, h.ctx);
    g_thread_join(g_thread_new("home", home_thread, &h));
    g_assert_cmpint(h.ret, ==, 0);
    blk_remove(h.b);
    blk_unref(h.b);
    g_main_context_unref(h.ctx);
}

/* The file ends behind the 4 KiB that were written of its last cluster: the rest reads as zeroes, in every way. */
static void test_short_file(void)
{
    g_autofree char *img = path_of("short.qcow2"), *top = path_of("top.qcow2"), *raw = path_of("short.raw");
    uint8_t buf[8192];
    create(img, "qcow2", "size", "1M", NULL);
    create(top, "qcow2", "size", "1M", "backing_file", "short.qcow2", "backing_fmt", "qcow2", NULL);
    BlockNode *n = must_open(QCOW2, img);
    fill(n, 0, 4096, 0x5a);
    g_assert_cmpuint(node_length(n->file->node) % (64 * KIB), ==, 4096);
    for (int round = 0; round < 2; round++) {
        expect(n, 4096, 4096, 0);
        read_at_home(n, 4096, buf, 4096);
        for (int i = 0; i < 4096; i++)
            g_assert_cmpuint(buf[i], ==, 0);
        read_at_home(n, 0, buf, 8192);
        for (int i = 0; i < 8192; i++)
            g_assert_cmpuint(buf[i], ==, i < 4096 ? 0x5a : 0);
        node_unref(n);
        n = must_open(QCOW2, top); /* the same one layer further down */
        expect(n, 0, 4096, 0x5a);
    }
    node_unref(n);
    assert_sound(img, false);
    /* A raw image ends inside its last sector. */
    memset(buf, 0x5a, 1000);
    g_assert_true(g_file_set_contents(raw, (char *)buf, 1000, NULL));
    n = must_open("'raw'", raw);
    g_assert_cmpuint(node_length(n), ==, 1024);
    read_at_home(n, 0, buf, 1024);
    for (int i = 0; i < 1024; i++)
        g_assert_cmpuint(buf[i], ==, i < 1000 ? 0x5a : 0);
    node_unref(n);
}

/* ---- sizes ---- */

static bool preallocate(BlockNode *n, uint64_t from, uint64_t to, Qcow2Prealloc mode)
{
    return node_truncate(n, to, NULL) && qcow2_preallocate(n, from, to, mode, NULL);
}

/* The last cluster, which the old end cuts, keeps what backs it; clusters that were used before are blank. */
static void test_preallocate(void)
{
    enum { OLD = 96 * 1024 + 512, NEW = 512 * 1024 };
    static const char *const compat[] = {"0.10", "1.1"};
    g_autofree char *img = path_of("pre.qcow2"), *base = path_of("pre.raw");
    g_autofree char *data = g_malloc(OLD);
    memset(data, 0xb5, OLD);
    g_assert_true(g_file_set_contents(base, data, OLD, NULL));
    for (int v = 0; v < 2; v++) {
        for (int mode = PREALLOC_METADATA; mode <= PREALLOC_FULL; mode++) {
            create(img, "qcow2", "size", "98816", "compat", compat[v], "backing_file", "pre.raw", "backing_fmt", "raw",
                   NULL);
            BlockNode *n = must_open(QCOW2, img);
            g_assert_cmpuint(node_length(n), ==, OLD);
            g_assert_true(preallocate(n, OLD, NEW, (Qcow2Prealloc)mode));
            expect(n, 0, OLD, 0xb5);
            expect(n, OLD, NEW - OLD, 0);
            BlockStatus st;
            g_assert_cmpint(node_status(n, 64 * KIB, 512, &st), ==, 0);
            g_assert_cmpuint(st.flags & BLOCK_ST_OFFSET, ==, BLOCK_ST_OFFSET);
            g_assert_cmpint(node_status(n, NEW - 512, 512, &st), ==, 0);
            g_assert_cmpuint(st.flags & BLOCK_ST_OFFSET, ==, BLOCK_ST_OFFSET);
            node_unref(n);
            assert_sound(img, false);
            /* Clusters that go back keep their bytes in the file. */
            create(img, "qcow2", "size", "256k", "compat", compat[v], NULL);
            n = must_open(QCOW2 ",'pass-discard-request':false", img);
            fill(n, 0, 256 * KIB, 0x5a);
            g_assert_cmpint(node_flush(n), ==, 0);
            g_assert_cmpint(node_discard(n, 64 * KIB, 192 * KIB), ==, 0);
            node_unref(n);
            n = must_open(QCOW2, img);
            g_assert_true(preallocate(n, 256 * KIB, NEW, (Qcow2Prealloc)mode));
            g_assert_cmpint(node_status(n, 256 * KIB, 512, &st), ==, 0);
            g_assert_cmpuint(st.flags & BLOCK_ST_OFFSET, ==, BLOCK_ST_OFFSET);
            g_assert_cmpuint(st.off, <, 320 * KIB + 192 * KIB); /* one of those */
            expect(n, 0, 64 * KIB, 0x5a);
            expect(n, 64 * KIB, NEW - 64 * KIB, 0);
            fill(n, 300 * KIB, 512, 0x11);
            expect(n, 256 * KIB, 44 * KIB, 0);
            expect(n, 300 * KIB, 512, 0x11);
            expect(n, 300 * KIB + 512, NEW - 300 * KIB - 512, 0);
            node_unref(n);
            assert_sound(img, false);
        }
    }
}

/* What is cut off does not show again, nor does what backs the image behind its old end. */
static void test_cut_off(void)
{
    static const char *const compat[] = {"0.10", "1.1"};
    g_autofree char *img = path_of("cut.qcow2"), *base = path_of("cut.raw");
    g_autofree char *data = g_malloc(256 * KIB);
    memset(data, 0xb5, 256 * KIB);
    for (int v = 0; v < 2; v++) {
        g_assert_true(g_file_set_contents(base, data, 64 * KIB, NULL));
        create(img, "qcow2", "size", "256k", "compat", compat[v], "backing_file", "cut.raw", "backing_fmt", "raw",
               NULL);
        BlockNode *n = must_open(QCOW2, img);
        fill(n, 0, 4 * KIB, 0x11);
        fill(n, 128 * KIB, 64 * KIB, 0x5a);
        g_assert_true(node_truncate(n, 100 * KIB, NULL));
        g_assert_true(node_truncate(n, 256 * KIB, NULL));
        expect(n, 0, 4 * KIB, 0x11);
        expect(n, 4 * KIB, 60 * KIB, 0xb5);
        expect(n, 64 * KIB, 192 * KIB, 0);
        node_unref(n);
        assert_sound(img, false);
        /* It cannot be hidden: then the size stays. */
        g_assert_true(g_file_set_contents(base, data, 256 * KIB, NULL));
        create(img, "qcow2", "size", "64k", "compat", compat[v], "backing_file", "cut.raw", "backing_fmt", "raw", NULL);
        for (int broken = 1; broken >= 0; broken--) {
            memset(&flaky, 0, sizeof(flaky));
            block_test_driver = &flaky_driver;
            n = must_open(QCOW2, img);
            flaky.broken = broken;
            g_assert_cmpint(node_truncate(n, 256 * KIB, NULL), ==, !broken);
            g_assert_cmpuint(node_length(n), ==, broken ? 64 * KIB : 256 * KIB);
            flaky.broken = false;
            node_unref(n);
            block_test_driver = NULL;
            n = must_open(QCOW2, img);
            g_assert_cmpuint(node_length(n), ==, broken ? 64 * KIB : 256 * KIB);
            expect(n, 0, 64 * KIB, 0xb5);
            if (!broken)
                expect(n, 64 * KIB, 192 * KIB, 0);
            node_unref(n);
            assert_sound(img, true);
        }
    }
}

/* ---- headers ---- */

static int grow(BlockNode *n)
{
    return node_truncate(n, 64 * MIB, NULL) ? 0 : -EIO;
}

static int write_much(BlockNode *n)
{
    g_autofree uint8_t *buf = g_malloc(8 * MIB);
    memset(buf, 0x77, 8 * MIB);
    return node_pwrite(n, 0, buf, 8 * MIB);
}

static int snapshot(BlockNode *n)
{
    return qcow2_snapshot_create(n, "two", NULL) ? 0 : -EIO;
}

static int delete (BlockNode *n)
{
    return qcow2_snapshot_delete(n, "one", NULL) ? 0 : -EIO;
}

/* A field of the header cannot be written, or not flushed: what is written afterwards is there after closing. */
static void test_header_fails(void)
{
    static const struct {
        const char *what;
        uint64_t off;
        int (*op)(BlockNode *n);
    } cases[] = {{"L1 table", QCOW2_H_L1_SIZE, grow},
                 {"size", QCOW2_H_SIZE, grow},
                 {"refcount table", QCOW2_H_RT_OFFSET, write_much},
                 {"snapshot", QCOW2_H_NB_SNAPSHOTS, snapshot},
                 {"no snapshot", QCOW2_H_NB_SNAPSHOTS, delete}};
    g_autofree char *img = path_of("header.qcow2");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int how = 0; how < 3; how++) { /* its flush, writing it, writing it and the old one */
            g_test_message("%s, %d", cases[i].what, how);
            create(img, "qcow2", "size", "16M", "cluster_size", "512", "refcount_bits", "64", NULL);
            block_test_driver = &flaky_driver;
            memset(&flaky, 0, sizeof(flaky));
            BlockNode *n = must_open(QCOW2, img);
            fill(n, 0, 256 * KIB, 0x5a);
            g_assert_true(qcow2_snapshot_create(n, "one", NULL));
            fill(n, 0, 128 * KIB, 0x66);
            g_assert_cmpint(node_flush(n), ==, 0);
            flaky.off = cases[i].off;
            flaky.flush = how == 0;
            flaky.writes = how;
            g_assert_cmpint(cases[i].op(n), ==, -EIO);
            g_assert_false(flaky.armed || flaky.flush || flaky.writes);
            Qcow2 *s = n->state;
            g_assert_cmpint(s->corrupt, ==, how == 2);
            if (how == 2) {
                uint8_t byte = 0;
                g_assert_cmpint(node_pwrite(n, 0, &byte, 1), ==, -EIO);
                node_unref(n);
                block_test_driver = NULL;
                g_autofree char *data = NULL;
                g_assert_true(g_file_get_contents(img, &data, NULL, NULL));
                g_assert_cmpuint(ldq_be(data + QCOW2_H_INCOMPAT), ==, QCOW2_INCOMPAT_CORRUPT);
                continue;
            }
            uint64_t size = node_length(n);
            g_assert_cmpuint(size, ==, cases[i].off == QCOW2_H_SIZE && how == 0 ? 64 * MIB : 16 * MIB);
            fill(n, 64 * KIB, 8 * MIB, 0x11);
            fill(n, 12 * MIB, 2 * MIB, 0x22);
            g_assert_cmpint(node_flush(n), ==, 0);
            fill(n, 13 * MIB, 4 * KIB, 0x33);
            node_unref(n);
            block_test_driver = NULL;
            assert_sound(img, true);
            n = must_open(QCOW2, img);
            g_assert_cmpuint(node_length(n), ==, size);
            expect(n, 0, 64 * KIB, cases[i].op == write_much ? 0x77 : 0x66);
            expect(n, 64 * KIB, 8 * MIB, 0x11);
            expect(n, 12 * MIB, MIB, 0x22);
            expect(n, 13 * MIB, 4 * KIB, 0x33);
            s = n->state;
            g_assert_cmpuint(s->nb_snapshots, ==,
                             how                       ? 1
                             : cases[i].op == snapshot ? 2
                             : cases[i].op == delete   ? 0
                                                       : 1);
            if (cases[i].op == grow) {
                g_assert_true(node_truncate(n, 64 * MIB, NULL));
                fill(n, 64 * MIB - 512, 512, 0x44);
            }
            node_unref(n);
            assert_sound(img, true);
        }
    }
}

/* ---- clusters that come back ---- */

static void reap(BlockNode *n)
{
    Qcow2 *s = n->state;
    g_assert_cmpint(node_flush(n), ==, 0);
    g_mutex_lock(&s->wlock);
    qcow2_reap(s, true);
    g_mutex_unlock(&s->wlock);
}

static void compress(BlockNode *n, uint64_t off, int val)
{
    uint8_t buf[4096];
    memset(buf, val, sizeof(buf));
    g_assert_cmpint(qcow2_write_compressed(n, off, buf, sizeof(buf)), ==, 0);
}

/* A table that only a snapshot had left is no table any more when the snapshot goes. */
static void test_table_of_snapshot(void)
{
    g_autofree char *img = path_of("table.qcow2");
    create(img, "qcow2", "size", "2M", "cluster_size", "4096", NULL);
    BlockNode *n = must_open(QCOW2, img);
    fill(n, 0, 64 * KIB, 0x5a);
    g_assert_true(qcow2_snapshot_create(n, "one", NULL));
    fill(n, 0, 64 * KIB, 0x66);
    reap(n);
    g_assert_true(qcow2_snapshot_delete(n, "one", NULL));
    fill(n, 64 * KIB, 512 * KIB, 0x77);
    g_assert_false(((Qcow2 *)n->state)->corrupt);
    expect(n, 0, 64 * KIB, 0x66);
    expect(n, 64 * KIB, 512 * KIB, 0x77);
    node_unref(n);
    assert_sound(img, false);
}

/* Nor does compressed data go on in a cluster that went with a snapshot, nor is what was there remembered. */
static void test_compressed_freed(void)
{
    g_autofree char *img = path_of("comp.qcow2");
    create(img, "qcow2", "size", "2M", "cluster_size", "4096", NULL);
    BlockNode *n = must_open(QCOW2, img);
    compress(n, 0, 0x5a);
    g_assert_true(qcow2_snapshot_create(n, "one", NULL));
    fill(n, 0, 4096, 0x66);
    reap(n);
    g_assert_true(qcow2_snapshot_delete(n, "one", NULL));
    fill(n, 64 * KIB, 512 * KIB, 0x77);
    compress(n, MIB, 0x11);
    expect(n, 64 * KIB, 512 * KIB, 0x77);
    expect(n, MIB, 4096, 0x11);
    uint64_t off = ((Qcow2 *)n->state)->decomp_entry;
    g_assert_cmpint(node_discard(n, MIB, 4096), ==, 0);
    reap(n);
    compress(n, MIB, 0x22);
    expect(n, MIB, 4096, 0x22);
    g_assert_cmpuint(((Qcow2 *)n->state)->decomp_entry, ==, off);
    node_unref(n);
    assert_sound(img, false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    begin_dir("qcow2-ends");
    g_test_add_func("/qcow2-ends/short-file", test_short_file);
    g_test_add_func("/qcow2-ends/preallocate", test_preallocate);
    g_test_add_func("/qcow2-ends/cut-off", test_cut_off);
    g_test_add_func("/qcow2-ends/table-of-snapshot", test_table_of_snapshot);
    g_test_add_func("/qcow2-ends/compressed-freed", test_compressed_freed);
    g_test_add_func("/qcow2-ends/header-fails", test_header_fails);
    int ret = g_test_run();
    end_dir();
    return ret;
}
