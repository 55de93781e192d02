/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: random requests against a model, from one thread and several, with Debian's qemu-img as a second opinion;
 * power cuts: what is on the disk is rebuilt from the recorded writes, any part of what was written after the last
 * flush in any order, and must be a sound image that has all that was flushed; SIGKILL; snapshots, sizes, damage.
 */
#include "block/backend.h"
#include "block/qcow2.h"
#include "softmmu/mainloop.h"
#include "util/iov.h"
#include "tests/unit/block/images.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* opts: "key=value" pairs, or NULL. */
static BlockNode *open_image(const char *path, bool write, const char *opts, Error **errp)
{
    g_autoptr(Json) o = json_object();
    json_set_str(o, "read-only", write ? "off" : "on");
    json_set_str(o, "discard", "unmap");
    json_set_str(o, "cache.no-flush", "on"); /* the host goes on running */
    g_auto(GStrv) kv = g_strsplit(opts ? opts : "", ",", -1);
    for (char **p = kv; *p && **p; p++) {
        char *eq = strchr(*p, '=');
        *eq = 0;
        json_set_str(o, *p, eq + 1);
    }
    return drive_open_image(o, path, errp);
}

static BlockNode *must_open(const char *path, bool write, const char *opts)
{
    Error *err = NULL;
    BlockNode *n = open_image(path, write, opts, &err);
    if (!n)
        g_error("%s: %s", path, error_text(err));
    return n;
}

static void complain(void *opaque, const char *line)
{
    g_test_message("%s", line);
}

static void assert_sound(const char *path, bool leaks_allowed)
{
    BlockNode *n = must_open(path, false, NULL);
    Qcow2Check r = {.report = complain};
    g_assert_cmpint(qcow2_check(n, &r, 0), ==, 0);
    g_assert_cmpuint(r.corruptions, ==, 0);
    g_assert_cmpuint(r.check_errors, ==, 0);
    if (!leaks_allowed)
        g_assert_cmpuint(r.leaks, ==, 0);
    node_unref(n);
}

/* ---- Debian's program ---- */

static const char *theirs(void)
{
    const char *p = g_getenv("QEMU_IMG_BINARY");
    p = p ? p : "/usr/bin/qemu-img";
    return g_file_test(p, G_FILE_TEST_IS_EXECUTABLE) ? p : NULL;
}

static int run_theirs(const char *first, ...) G_GNUC_NULL_TERMINATED;
static int run_theirs(const char *first, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (gpointer)theirs());
    va_list ap;
    va_start(ap, first);
    for (const char *a = first; a; a = va_arg(ap, const char *))
        g_ptr_array_add(argv, (gpointer)a);
    va_end(ap);
    g_ptr_array_add(argv, NULL);
    int status = -1;
    g_autofree char *out = NULL, *err = NULL;
    GError *gerr = NULL;
    if (!g_spawn_sync(NULL, (char **)argv->pdata, NULL, 0, NULL, NULL, &out, &err, &status, &gerr))
        g_error("%s", gerr->message);
    if (status)
        g_test_message("%s %s: %s%s", theirs(), first, out, err);
    return status;
}

/* ---- random requests, one thread ---- */

typedef struct Variant {
    const char *name, *size, *cluster, *compat, *bits, *opts;
    bool backing;
} Variant;
static const Variant variants[] = {
    {"64k", "8M", "65536", "1.1", "16", NULL, false},
    {"64k-backing", "8M", "65536", "1.1", "16", NULL, true},
    {"512", "2M", "512", "1.1", "16", "l2-cache-size=8192", false},
    {"512-backing-rc1", "2M", "512", "1.1", "1", NULL, true},
    {"4k-v2", "4M", "4096", "0.10", "16", NULL, false},
    {"4k-v2-backing", "4M", "4096", "0.10", "16", NULL, true},
    {"4k-rc64", "4M", "4096", "1.1", "64", "l2-cache-entry-size=512", false},
    {"2M", "16M", "2097152", "1.1", "8", NULL, true},
};

static void random_requests(BlockNode *n, uint8_t *model, uint64_t size, uint64_t cluster, GRand *r, int count, bool v3)
{
    g_autofree uint8_t *buf = g_malloc(4 * cluster + 65536);
    for (int i = 0; i < count; i++) {
        uint64_t len = 1 + g_rand_int_range(r, 0, g_rand_int(r) & 1 ? 3 * (gint32)MIN(cluster, 65536) : 4096);
        uint64_t off = (uint64_t)g_rand_int_range(r, 0, (gint32)(size - len));
        int what = g_rand_int_range(r, 0, 100);
        if (what < 45) {
            uint32_t cut = (uint32_t)g_rand_int_range(r, 0, (gint32)len);
            for (uint64_t k = 0; k < len; k++)
                buf[k] = model[off + k] = (uint8_t)g_rand_int(r);
            struct iovec iov[2] = {{buf, cut}, {buf + cut, len - cut}};
            g_assert_cmpint(node_pwritev(n, off, len, iov, 2, what < 3 ? BLOCK_REQ_FUA : 0), ==, 0);
        } else if (what < 75) {
            uint32_t cut = (uint32_t)g_rand_int_range(r, 0, (gint32)len);
            struct iovec iov[2] = {{buf, cut}, {buf + cut, len - cut}};
            g_assert_cmpint(node_preadv(n, off, len, iov, 2), ==, 0);
            g_assert_cmpmem(buf, len, model + off, len);
        } else if (what < 85) {
            g_assert_cmpint(node_write_zeroes(n, off, len, what & 1 ? BLOCK_REQ_MAY_UNMAP : 0), ==, 0);
            memset(model + off, 0, len);
        } else if (what < 95 && (v3 || !n->backing)) { /* whole clusters read as zeroes then */
            g_assert_cmpint(node_discard(n, off, len), ==, 0);
            uint64_t start = ROUND_UP(off, cluster), end = off + len == size ? size : ROUND_DOWN(off + len, cluster);
            if (start < end)
                memset(model + start, 0, end - start);
        } else if (what > 96) {
            g_assert_cmpint(node_flush(n), ==, 0);
        }
    }
}

static void compare_all(BlockNode *n, const uint8_t *model, uint64_t size)
{
    g_autofree uint8_t *buf = g_malloc(size);
    g_assert_cmpint(node_pread(n, 0, buf, size), ==, 0);
    for (uint64_t k = 0; k < size; k++)
        if (buf[k] != model[k])
            g_error("byte %" PRIu64 " is %02x, not %02x", k, buf[k], model[k]);
}

static void test_random(gconstpointer data)
{
    const Variant *v = data;
    g_autofree char *img = path_of("r.qcow2"), *raw = path_of("r.raw"), *base = path_of("base.raw");
    GRand *r = g_rand_new_with_seed(g_str_hash(v->name));
    uint64_t cluster = g_ascii_strtoull(v->cluster, NULL, 10), size = g_ascii_strtoull(v->size, NULL, 10) * MIB;
    g_autofree uint8_t *model = g_malloc0(size);
    bool v3 = !strcmp(v->compat, "1.1");
    if (v->backing) { /* shorter than the image */
        uint64_t part = size * 3 / 4 + 512;
        for (uint64_t i = 0; i < part; i += 4)
            stl_le(model + i, g_rand_int(r));
        g_assert_true(g_file_set_contents(base, (char *)model, (gssize)part, NULL));
        create(img, "qcow2", "size", v->size, "cluster_size", v->cluster, "compat", v->compat, "refcount_bits", v->bits,
               "backing_file", "base.raw", "backing_fmt", "raw", NULL);
    } else {
        create(img, "qcow2", "size", v->size, "cluster_size", v->cluster, "compat", v->compat, "refcount_bits", v->bits,
               NULL);
    }
    for (int round = 0; round < 4; round++) {
        BlockNode *n = must_open(img, true, v->opts);
        random_requests(n, model, size, cluster, r, 150, v3);
        compare_all(n, model, size);
        node_unref(n);
        assert_sound(img, false);
    }
    if (theirs()) {
        g_assert_true(g_file_set_contents(raw, (char *)model, (gssize)size, NULL));
        g_assert_cmpint(run_theirs("check", "-q", img, NULL), ==, 0);
        g_assert_cmpint(run_theirs("compare", "-f", "qcow2", "-F", "raw", img, raw, NULL), ==, 0);
        /* And what theirs made is read and written here. */
        g_autofree char *o =
            g_strdup_printf("cluster_size=%s,compat=%s,refcount_bits=%s", v->cluster, v->compat, v->bits);
        g_assert_cmpint(run_theirs("convert", "-f", "raw", "-O", "qcow2", "-o", o, raw, img, NULL), ==, 0);
        BlockNode *n = must_open(img, true, v->opts);
        compare_all(n, model, size);
        random_requests(n, model, size, cluster, r, 100, v3);
        node_unref(n);
        g_assert_true(g_file_set_contents(raw, (char *)model, (gssize)size, NULL));
        g_assert_cmpint(run_theirs("check", "-q", img, NULL), ==, 0);
        g_assert_cmpint(run_theirs("compare", "-f", "qcow2", "-F", "raw", img, raw, NULL), ==, 0);
    }
    g_rand_free(r);
}

/* ---- several threads ---- */

enum { THREADS = 4, MT_SIZE = 4 * 1024 * 1024 };
typedef struct Worker {
    BlockNode *n;
    uint8_t *model;
    int which;
} Worker;

/* Its sectors are those whose number leaves `which`, so that threads meet in each cluster. */
static gpointer work(gpointer data)
{
    Worker *w = data;
    GRand *r = g_rand_new_with_seed(100 + (guint32)w->which);
    for (int i = 0; i < 1500; i++) {
        uint32_t sector = (uint32_t)g_rand_int_range(r, 0, MT_SIZE / 512 / THREADS) * THREADS + (uint32_t)w->which;
        uint8_t buf[512], *m = w->model + sector * 512;
        int what = g_rand_int_range(r, 0, 100);
        if (what < 60) {
            memset(buf, (int)g_rand_int(r), sizeof(buf));
            g_assert_cmpint(node_pwrite(w->n, sector * 512, buf, 512), ==, 0);
            memcpy(m, buf, 512);
        } else if (what < 90) {
            g_assert_cmpint(node_pread(w->n, sector * 512, buf, 512), ==, 0);
            g_assert_cmpmem(buf, 512, m, 512);
        } else if (what < 95) {
            g_assert_cmpint(node_write_zeroes(w->n, sector * 512, 512, BLOCK_REQ_MAY_UNMAP), ==, 0);
            memset(m, 0, 512);
        } else if (what < 97) { /* less than a cluster: nothing is lost */
            g_assert_cmpint(node_discard(w->n, sector * 512, 512), ==, 0);
        } else {
            g_assert_cmpint(node_flush(w->n), ==, 0);
        }
    }
    g_rand_free(r);
    return NULL;
}

static void test_threads(void)
{
    g_autofree char *img = path_of("mt.qcow2"), *base = path_of("mtbase.qcow2");
    create(base, "qcow2", "size", "4M", NULL);
    g_autofree uint8_t *model = g_malloc0(MT_SIZE);
    BlockNode *b = must_open(base, true, NULL);
    GRand *r = g_rand_new_with_seed(9);
    random_requests(b, model, MT_SIZE, 65536, r, 60, true);
    node_unref(b);
    g_rand_free(r);
    create(img, "qcow2", "size", "4M", "cluster_size", "4096", "backing_file", "mtbase.qcow2", "backing_fmt", "qcow2",
           NULL);
    for (int round = 0; round < 2; round++) {
        BlockNode *n = must_open(img, true, round ? NULL : "l2-cache-size=4096");
        Worker w[THREADS];
        GThread *t[THREADS];
        for (int i = 0; i < THREADS; i++) {
            w[i] = (Worker){n, model, i};
            t[i] = g_thread_new("work", work, &w[i]);
        }
        for (int i = 0; i < THREADS; i++)
            g_thread_join(t[i]);
        compare_all(n, model, MT_SIZE);
        node_unref(n);
        assert_sound(img, false);
        if (!round) { /* the second time every write copies */
            n = must_open(img, true, NULL);
            g_assert_true(qcow2_snapshot_create(n, "s", NULL));
            node_unref(n);
        }
    }
}

/* ---- power cuts ---- */

typedef struct LogWrite {
    uint64_t off, len;
    uint8_t *data; /* NULL: a flush, which makes stable what stands before its `start` */
    guint start;
} LogWrite;
typedef struct Disk {
    GByteArray *now;
    GArray *log; /* of LogWrite; NULL: nothing is recorded */
} Disk;
static Disk disk;
static GMutex disk_lock;

static bool disk_open(BlockNode *n, Error **errp)
{
    n->length = disk.now->len;
    n->filename = g_strdup("disk");
    return true;
}

static int disk_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    g_mutex_lock(&disk_lock);
    uint64_t there = off < disk.now->len ? MIN(len, disk.now->len - off) : 0;
    iov_from_buf(iov, niov, 0, disk.now->data + off, there);
    iov_fill(iov, niov, there, 0, len - there);
    g_mutex_unlock(&disk_lock);
    return 0;
}

static void disk_put(GByteArray *to, uint64_t off, const uint8_t *data, uint64_t len)
{
    g_assert_cmpuint(off + len, <, 64 * MIB);
    if (off + len > to->len) {
        guint old = to->len;
        g_byte_array_set_size(to, (guint)(off + len));
        memset(to->data + old, 0, to->len - old);
    }
    memcpy(to->data + off, data, len);
}

static int disk_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    uint8_t *copy = g_malloc(len);
    iov_to_buf(iov, niov, 0, copy, len);
    g_mutex_lock(&disk_lock);
    disk_put(disk.now, off, copy, len);
    if (disk.log) {
        LogWrite w = {off, len, copy, 0};
        g_array_append_val(disk.log, w);
    }
    g_mutex_unlock(&disk_lock);
    if (!disk.log)
        g_free(copy);
    return 0;
}

static int disk_flush(BlockNode *n)
{
    g_mutex_lock(&disk_lock);
    if (disk.log) {
        LogWrite w = {.start = disk.log->len};
        g_array_append_val(disk.log, w);
    }
    g_mutex_unlock(&disk_lock);
    return 0;
}

static const BlockDriver disk_driver = {
    .name = "test-disk",
    .grows = true,
    .open = disk_open,
    .preadv = disk_preadv,
    .pwritev = disk_pwritev,
    .flush = disk_flush,
};

static BlockNode *open_disk(bool format, bool write)
{
    g_autoptr(Json) o = json_object();
    json_set_str(o, "driver", format ? "qcow2" : "test-disk");
    json_set_str(o, "read-only", write ? "off" : "on");
    json_set_str(o, "discard", "unmap");
    if (format)
        json_set_str(o, "file.driver", "test-disk");
    Error *err = NULL;
    BlockNode *n = node_open(o, true, &err);
    if (!n)
        g_error("%s", error_text(err));
    return n;
}

/* What a sector was told to be, and when: positions in the log. */
typedef struct Version {
    guint at;
    uint32_t stamp; /* 0: zeroes */
} Version;
typedef struct Cut {
    uint32_t sectors;
    GArray **versions; /* by sector */
    GArray *flushes;   /* of guint: the log's position when the guest's flush was answered */
    uint32_t stamp;
} Cut;

static guint log_now(void)
{
    return disk.log->len;
}

static void put_version(Cut *c, uint32_t sector, uint32_t stamp)
{
    Version v = {log_now(), stamp};
    g_array_append_val(c->versions[sector], v);
}

static void cut_workload(Cut *c, BlockNode *n, GRand *r, int count, uint32_t cluster)
{
    g_autofree uint8_t *buf = g_malloc(64 * 512);
    for (int i = 0; i < count; i++) {
        uint32_t k = (uint32_t)g_rand_int_range(r, 1, 24),
                 s = (uint32_t)g_rand_int_range(r, 0, (gint32)(c->sectors - k));
        int what = g_rand_int_range(r, 0, 100);
        if (what < 62) {
            c->stamp++;
            for (uint32_t j = 0; j < k; j++) {
                put_version(c, s + j, c->stamp);
                for (int w = 0; w < 128; w++)
                    stl_le(buf + j * 512 + w * 4, c->stamp);
            }
            struct iovec iov = {buf, k * 512};
            g_assert_cmpint(node_pwritev(n, s * 512ull, k * 512, &iov, 1, what < 3 ? BLOCK_REQ_FUA : 0), ==, 0);
        } else if (what < 70) {
            for (uint32_t j = 0; j < k; j++)
                put_version(c, s + j, 0);
            g_assert_cmpint(node_write_zeroes(n, s * 512ull, k * 512, what & 1 ? BLOCK_REQ_MAY_UNMAP : 0), ==, 0);
        } else if (what < 80) {
            uint32_t per = cluster / 512, a = (s + per - 1) / per * per, b = (s + k + per) / per * per;
            b = MIN(b, c->sectors);
            for (uint32_t j = a; j < b; j++)
                put_version(c, j, 0);
            if (a < b)
                g_assert_cmpint(node_discard(n, a * 512ull, (b - a) * 512ull), ==, 0);
        } else if (what < 90) {
            g_assert_cmpint(node_flush(n), ==, 0);
            guint at = log_now();
            g_array_append_val(c->flushes, at);
        }
    }
}

static void check_sector(Cut *c, uint32_t sector, const uint8_t *data, guint cut, guint flushed)
{
    uint32_t stamp = ldl_le(data);
    for (int w = 1; w < 128; w++)
        g_assert_cmpuint(ldl_le(data + 4 * w), ==, stamp);
    GArray *vs = c->versions[sector];
    uint32_t last = 0;
    bool ok = false;
    for (guint i = 0; i < vs->len; i++) {
        const Version *v = &g_array_index(vs, Version, i);
        if (v->at < flushed)
            last = v->stamp; /* stable */
        else if (v->at <= cut)
            ok |= v->stamp == stamp;
    }
    if (!ok && stamp != last)
        g_error("sector %u at cut %u: %u, but %u was flushed at %u", sector, cut, stamp, last, flushed);
}

/* As on the disk after a cut at log position `cut`: stable has all up to the last flush already. */
static GByteArray *rebuild(const GByteArray *stable, guint from, guint cut, GRand *r)
{
    GByteArray *out = g_byte_array_sized_new(stable->len + 65536);
    g_byte_array_append(out, stable->data, stable->len);
    g_autoptr(GArray) order = g_array_new(false, false, sizeof(guint));
    int keep = g_rand_int_range(r, 0, 101);
    for (guint i = from; i < cut; i++)
        if (g_array_index(disk.log, LogWrite, i).data && g_rand_int_range(r, 0, 100) < keep)
            g_array_append_val(order, i);
    bool shuffle = g_rand_boolean(r);
    for (guint i = order->len; shuffle && i > 1; i--) {
        guint k = (guint)g_rand_int_range(r, 0, (gint32)i), *a = &g_array_index(order, guint, i - 1),
              *b = &g_array_index(order, guint, k), x = *a;
        *a = *b;
        *b = x;
    }
    for (guint i = 0; i < order->len; i++) {
        const LogWrite *w = &g_array_index(disk.log, LogWrite, g_array_index(order, guint, i));
        bool torn = g_rand_int_range(r, 0, 8) == 0;
        for (uint64_t o = 0; torn && o < w->len; o += 512) /* sectors of it */
            if (g_rand_boolean(r))
                disk_put(out, w->off + o, w->data + o, MIN(512, w->len - o));
        if (!torn)
            disk_put(out, w->off, w->data, w->len);
    }
    return out;
}

static void cut_run(guint32 seed, uint32_t cluster, int ops, int points, bool snapshot)
{
    GRand *r = g_rand_new_with_seed(seed);
    Cut c = {.sectors = cluster >= 65536 ? 4096 : 1024};
    c.versions = g_new(GArray *, c.sectors);
    for (uint32_t i = 0; i < c.sectors; i++)
        c.versions[i] = g_array_new(false, false, sizeof(Version));
    c.flushes = g_array_new(false, false, sizeof(guint));
    disk = (Disk){.now = g_byte_array_new()};
    BlockNode *n = open_disk(false, true);
    Qcow2Create cc = {.size = c.sectors * 512ull,
                      .cluster_size = cluster,
                      .version = 3,
                      .refcount_bits = 1u << g_rand_int_range(r, snapshot, 7)};
    g_assert_true(qcow2_create(n, &cc, NULL));
    node_unref(n);
    disk.log = g_array_new(false, false, sizeof(LogWrite));
    g_autoptr(GByteArray) stable = g_byte_array_new();
    g_byte_array_append(stable, disk.now->data, disk.now->len);
    n = open_disk(true, true);
    if (snapshot) {
        cut_workload(&c, n, r, ops / 2, cluster);
        g_assert_cmpint(node_flush(n), ==, 0);
        g_assert_true(qcow2_snapshot_create(n, "s", NULL));
        g_assert_cmpint(node_flush(n), ==, 0);
    }
    guint first = log_now();
    if (first)
        g_array_append_val(c.flushes, first);
    cut_workload(&c, n, r, ops, cluster);
    node_unref(n);
    GArray *log = disk.log;
    GByteArray *end = disk.now;
    g_autofree uint8_t *data = g_malloc(c.sectors * 512);
    guint done = 0, stable_to = 0; /* what is looked at; all writes before it are in `stable` */
    for (int p = 0; p < points; p++) {
        guint cut = first + (guint)((uint64_t)(log->len - first) * (guint)(p + 1) / (guint)points);
        for (; done < cut; done++) {
            const LogWrite *w = &g_array_index(log, LogWrite, done);
            if (w->data)
                continue;
            for (; stable_to < w->start; stable_to++) {
                const LogWrite *x = &g_array_index(log, LogWrite, stable_to);
                if (x->data)
                    disk_put(stable, x->off, x->data, x->len);
            }
        }
        guint flushed = 0;
        for (guint i = 0; i < c.flushes->len && g_array_index(c.flushes, guint, i) <= cut; i++)
            flushed = g_array_index(c.flushes, guint, i);
        disk.log = log;
        GByteArray *img = rebuild(stable, stable_to, cut, r);
        disk = (Disk){.now = img};
        n = open_disk(true, false);
        Qcow2Check res = {0};
        g_assert_cmpint(qcow2_check(n, &res, 0), ==, 0);
        if (res.corruptions || res.check_errors)
            g_error("seed %u cluster %u cut %u of %u: %" PRIu64 " errors", seed, cluster, cut, log->len,
                    res.corruptions);
        g_assert_cmpint(node_pread(n, 0, data, c.sectors * 512), ==, 0);
        for (uint32_t s = 0; s < c.sectors; s++)
            check_sector(&c, s, data + s * 512, cut, flushed);
        node_unref(n);
        g_byte_array_unref(img);
    }
    for (guint i = 0; i < log->len; i++)
        g_free(g_array_index(log, LogWrite, i).data);
    g_array_free(log, true);
    g_byte_array_unref(end);
    for (uint32_t i = 0; i < c.sectors; i++)
        g_array_free(c.versions[i], true);
    g_free(c.versions);
    g_array_free(c.flushes, true);
    disk = (Disk){0};
    g_rand_free(r);
}

static void test_power_cuts(void)
{
    static const uint32_t clusters[] = {512, 1024, 4096, 65536};
    bool many = g_getenv("QCOW2_CUTS") != NULL; /* the long suite */
    int runs = many ? 96 : 12, points = many ? 160 : 170;
    block_test_driver = &disk_driver;
    for (int i = 0; i < runs; i++)
        cut_run(1000 + (guint32)i, clusters[i % 4], 300, points, i % 3 == 2);
    block_test_driver = NULL;
    g_test_message("%d points", runs * points);
}

/* ---- SIGKILL ---- */

static void test_kill(void)
{
    g_autofree char *img = path_of("kill.qcow2");
    for (int round = 0; round < 6; round++) {
        create(img, "qcow2", "size", "16M", "cluster_size", round & 1 ? "4096" : "65536", NULL);
        int fds[2];
        g_assert_cmpint(pipe(fds), ==, 0);
        pid_t pid = fork();
        if (!pid) {
            BlockNode *n = must_open(img, true, NULL);
            uint8_t buf[4096];
            for (uint32_t i = 1;; i++) { /* block i % 4096 gets i; told when flushed */
                for (size_t k = 0; k < sizeof(buf); k += 4)
                    stl_le(buf + k, i);
                if (node_pwrite(n, (uint64_t)(i * 7 % 4096) * 4096, buf, sizeof(buf)))
                    _exit(1);
                if (i % 16 == 0 && (node_flush(n) || write(fds[1], &i, 4) != 4))
                    _exit(1);
            }
        }
        close(fds[1]);
        uint32_t flushed = 0, last;
        for (int i = 0; i < 20 + 15 * round && read(fds[0], &last, 4) == 4; i++)
            flushed = last;
        kill(pid, SIGKILL);
        int status;
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status));
        while (read(fds[0], &last, 4) == 4)
            flushed = last;
        close(fds[0]);
        g_assert_cmpuint(flushed, >, 0);
        assert_sound(img, true);
        if (theirs()) {
            int st = run_theirs("check", "-q", img, NULL);
            g_assert_true(st == 0 || (WIFEXITED(st) && WEXITSTATUS(st) == 3)); /* leaks at most */
        }
        BlockNode *n = must_open(img, true, NULL);
        for (uint32_t i = 1; i <= flushed; i++) {
            uint8_t b[4];
            g_assert_cmpint(node_pread(n, (uint64_t)(i * 7 % 4096) * 4096, b, 4), ==, 0);
            g_assert_cmpuint(ldl_le(b), >=, i);
        }
        Qcow2Check res = {0};
        g_assert_cmpint(qcow2_check(n, &res, QCOW2_FIX_LEAKS), ==, 0);
        node_unref(n);
        assert_sound(img, false);
    }
}

/* ---- snapshots, sizes ---- */

static void test_snapshots(void)
{
    enum { SIZE = 2 * 1024 * 1024 };
    g_autofree char *img = path_of("sn.qcow2"), *raw = path_of("sn.raw");
    GRand *r = g_rand_new_with_seed(3);
    g_autofree uint8_t *model = g_malloc0(SIZE), *first = g_malloc(SIZE);
    create(img, "qcow2", "size", "2M", "cluster_size", "4096", NULL);
    BlockNode *n = must_open(img, true, NULL);
    random_requests(n, model, SIZE, 4096, r, 80, true);
    memcpy(first, model, SIZE);
    g_assert_true(qcow2_snapshot_create(n, "one", NULL));
    random_requests(n, model, SIZE, 4096, r, 80, true);
    compare_all(n, model, SIZE);
    g_assert_true(qcow2_snapshot_create(n, "two", NULL));
    random_requests(n, model, SIZE, 4096, r, 80, true);
    compare_all(n, model, SIZE);
    node_unref(n);
    assert_sound(img, false);
    if (theirs()) {
        g_assert_cmpint(run_theirs("check", "-q", img, NULL), ==, 0);
        g_assert_true(g_file_set_contents(raw, (char *)first, SIZE, NULL));
        g_autofree char *out = path_of("sn.out");
        g_assert_cmpint(run_theirs("convert", "-l", "snapshot.name=one", "-O", "raw", img, out, NULL), ==, 0);
        g_assert_cmpint(run_theirs("compare", "-f", "raw", "-F", "raw", raw, out, NULL), ==, 0);
    }
    n = must_open(img, true, NULL);
    g_assert_true(qcow2_snapshot_apply(n, "one", NULL));
    compare_all(n, first, SIZE);
    memcpy(model, first, SIZE);
    random_requests(n, model, SIZE, 4096, r, 80, true);
    compare_all(n, model, SIZE);
    g_assert_true(qcow2_snapshot_delete(n, "two", NULL));
    compare_all(n, model, SIZE);
    g_assert_true(qcow2_snapshot_apply(n, "1", NULL));
    compare_all(n, first, SIZE);
    g_autoptr(Error) err = NULL;
    g_assert_false(qcow2_snapshot_apply(n, "two", &err));
    g_clear_pointer(&err, error_free);
    /* What goes is named, a number or not. */
    g_assert_true(qcow2_snapshot_create(n, "2", NULL));
    g_assert_true(qcow2_snapshot_create(n, "other", NULL));
    g_assert_false(qcow2_snapshot_delete(n, "3", &err));
    g_assert_nonnull(strstr(error_text(err), "snapshot not found"));
    g_assert_true(qcow2_snapshot_delete(n, "2", NULL));
    g_assert_true(qcow2_snapshot_apply(n, "other", NULL));
    g_assert_true(qcow2_snapshot_delete(n, "other", NULL));
    g_assert_true(qcow2_snapshot_delete(n, "one", NULL));
    random_requests(n, first, SIZE, 4096, r, 40, true);
    compare_all(n, first, SIZE);
    node_unref(n);
    assert_sound(img, false);
    g_rand_free(r);
}

static void test_resize(void)
{
    g_autofree char *img = path_of("rs.qcow2");
    create(img, "qcow2", "size", "64k", "cluster_size", "512", NULL);
    BlockNode *n = must_open(img, true, NULL);
    uint8_t buf[1024], zero[1024] = {0};
    memset(buf, 0x5a, sizeof(buf));
    g_assert_cmpint(node_pwrite(n, 65536 - 1024, buf, 1024), ==, 0);
    g_assert_true(node_truncate(n, 40 * MIB, NULL)); /* needs a larger L1 table */
    g_assert_cmpint(node_pwrite(n, 40 * MIB - 1024, buf, 1024), ==, 0);
    node_unref(n);
    assert_sound(img, false);
    n = must_open(img, true, NULL);
    g_assert_cmpuint(node_length(n), ==, 40 * MIB);
    g_assert_cmpint(node_pread(n, 40 * MIB - 1024, zero, 1024), ==, 0);
    g_assert_cmpmem(zero, 1024, buf, 1024);
    g_assert_true(node_truncate(n, 65536 - 512, NULL));
    g_assert_true(node_truncate(n, 40 * MIB, NULL)); /* what was cut off is gone */
    g_assert_cmpint(node_pread(n, 65536 - 1024, zero, 1024), ==, 0);
    g_assert_cmpmem(zero, 512, buf, 512);
    for (int i = 512; i < 1024; i++)
        g_assert_cmpuint(zero[i], ==, 0);
    g_assert_cmpint(node_pread(n, 40 * MIB - 1024, zero, 1024), ==, 0);
    for (int i = 0; i < 1024; i++)
        g_assert_cmpuint(zero[i], ==, 0);
    node_unref(n);
    assert_sound(img, false);
    if (theirs())
        g_assert_cmpint(run_theirs("check", "-q", img, NULL), ==, 0);
}

static void test_compressed(void)
{
    enum { SIZE = 1024 * 1024 };
    for (int zstd = 0; zstd <= (int)qcow2_compression_available(1); zstd++) {
        g_autofree char *img = path_of("c.qcow2"), *raw = path_of("c.raw");
        create(img, "qcow2", "size", "1M", "compression_type", zstd ? "zstd" : "zlib", "refcount_bits", "4", NULL);
        g_autofree uint8_t *model = g_malloc0(SIZE);
        GRand *r = g_rand_new_with_seed(8);
        for (int i = 0; i < SIZE; i++)
            model[i] = (uint8_t)(i / 300 + (i % 65536 > 50000 ? (int)g_rand_int(r) : 0));
        BlockNode *n = must_open(img, true, NULL);
        for (uint64_t at = 0; at < SIZE; at += 65536)
            g_assert_cmpint(qcow2_write_compressed(n, at, model + at, 65536), ==, 0);
        compare_all(n, model, SIZE);
        node_unref(n);
        assert_sound(img, false);
        n = must_open(img, true, NULL);
        random_requests(n, model, SIZE, 65536, r, 60, true);
        compare_all(n, model, SIZE);
        node_unref(n);
        assert_sound(img, false);
        g_rand_free(r);
        if (!theirs())
            continue;
        g_assert_true(g_file_set_contents(raw, (char *)model, SIZE, NULL));
        g_assert_cmpint(run_theirs("check", "-q", img, NULL), ==, 0);
        g_assert_cmpint(run_theirs("compare", "-f", "qcow2", "-F", "raw", img, raw, NULL), ==, 0);
    }
}

/* ---- damage ---- */

static void poke(const char *path, uint64_t off, uint64_t val, int bytes)
{
    uint8_t b[8];
    int fd = open(path, O_WRONLY);
    stq_be(b, val << (64 - 8 * bytes));
    g_assert_cmpint(pwrite(fd, b, (size_t)bytes, (off_t)off), ==, bytes);
    close(fd);
}

static void refused(const char *path, const char *why)
{
    g_autoptr(Error) err = NULL;
    BlockNode *n = open_image(path, true, "driver=qcow2", &err);
    if (n)
        g_error("opened, in spite of '%s'", why);
    if (!strstr(error_text(err), why))
        g_error("'%s' lacks '%s'", error_text(err), why);
}

static void test_headers(void)
{
    static const struct {
        uint64_t off, val;
        int bytes;
        const char *why;
    } bad[] = {
        {0, 0, 4, "not in qcow2 format"},
        {4, 4, 4, "Unsupported qcow2 version 4"},
        {20, 8, 4, "Unsupported cluster size"},
        {20, 22, 4, "Unsupported cluster size"},
        {24, UINT64_MAX, 8, "too big"},
        {24, UINT64_C(1) << 50, 8, "L1 table is too small"},
        {32, 1, 4, "encrypted"},
        {32, 9, 4, "Unsupported encryption method"},
        {36, 0x7fffffff, 4, "L1 table too large"},
        {40, 0x30001, 8, "L1 table offset invalid"},
        {40, UINT64_C(0xffffffffffff0000), 8, "L1 table offset invalid"},
        {48, 0x10001, 8, "table offset invalid"},
        {56, 0, 4, "does not contain a reference count table"},
        {56, 0xffffffff, 4, "table too large"},
        {60, 65537, 4, "Too many snapshots"},
        {60, 3, 4, "napshot"},
        {72, 4, 8, "external data file"},
        {72, 16, 8, "extended L2"},
        {72, 2, 8, "corrupt"},
        {72, 8, 8, "ompression type"},
        {72, UINT64_C(1) << 40, 8, "Unknown incompatible feature: 10000000000"},
        {8, 1 << 20, 8, "Invalid backing file offset"},
        {96, 7, 4, "64 bits"},
        {100, 8, 4, "header too short"},
        {100, 1 << 20, 4, "header exceeds"},
    };
    g_autofree char *img = path_of("h.qcow2");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        create(img, "qcow2", "size", "1M", NULL);
        poke(img, bad[i].off, bad[i].val, bad[i].bytes);
        refused(img, bad[i].why);
    }
}

static void test_backing_loop(void)
{
    g_autofree char *a = path_of("loop-a.qcow2"), *b = path_of("loop-b.qcow2");
    create(b, "qcow2", "size", "1M", "backing_file", "loop-a.qcow2", "backing_fmt", "qcow2", NULL);
    create(a, "qcow2", "size", "1M", "backing_file", "loop-b.qcow2", "backing_fmt", "qcow2", NULL);
    g_autoptr(Error) err = NULL;
    g_assert_null(open_image(a, false, NULL, &err));
    g_assert_nonnull(strstr(error_text(err), "circle"));
    g_assert_null(node_next(NULL));
}

/* Children with a file name and no driver, at any depth: opts are pairs, or JSON where they begin with '{' (%s: the
 * folder); what must back the node, NULL: nothing, and the drivers down to the file. */
static void test_named_children(void)
{
    static const struct {
        const char *opts, *backing, *chain;
    } opens[] = {
        {"file.filename=%s/ov.qcow2", "a.qcow2", "qcow2 file"},
        {"file.filename=%s/ov.qcow2,backing.file.filename=%s/b.qcow2", "b.qcow2", "qcow2 file"},
        {"file.filename=%s/ov.qcow2,backing.driver=qcow2,backing.file.filename=%s/b.qcow2", "b.qcow2", "qcow2 file"},
        {"file.filename=%s/a.qcow2,backing.file.filename=%s/b.qcow2", "b.qcow2", "qcow2 file"},
        {"{\"driver\":\"qcow2\",\"file.filename\":\"%s/a.qcow2\"}", NULL, "qcow2 file"},
        {"{\"file.filename\":\"%s/a.qcow2\"}", NULL, "qcow2 file"},
        {"driver=blkdebug,image.filename=%s/a.qcow2", NULL, "blkdebug file"},
        {"file.driver=blkdebug,file.image.filename=%s/a.qcow2", NULL, "qcow2 blkdebug file"},
        {"driver=raw,file.driver=qcow2,file.file.filename=%s/a.qcow2", NULL, "raw qcow2 file"},
    };
    g_autofree char *a = path_of("a.qcow2"), *b = path_of("b.qcow2"), *ov = path_of("ov.qcow2");
    create(a, "qcow2", "size", "1M", NULL);
    create(b, "qcow2", "size", "1M", NULL);
    create(ov, "qcow2", "size", "1M", "backing_file", "a.qcow2", "backing_fmt", "qcow2", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(opens); i++) {
        g_auto(GStrv) parts = g_strsplit(opens[i].opts, "%s", -1);
        g_autofree char *opts = g_strjoinv(dir, parts), *json = g_strconcat("json:", opts, NULL);
        BlockNode *n = *opts == '{' ? must_open(json, false, NULL) : must_open(NULL, false, opts);
        g_autoptr(GString) chain = g_string_new(n->drv->name);
        for (BlockNode *c = n; c->file; c = c->file->node)
            g_string_append_printf(chain, " %s", c->file->node->drv->name);
        g_assert_cmpstr(chain->str, ==, opens[i].chain);
        g_autofree char *backing = n->backing ? g_path_get_basename(n->backing->node->filename) : NULL;
        g_assert_cmpstr(backing, ==, opens[i].backing);
        node_unref(n);
    }
    static const struct {
        const char *opts;
        bool pass;
    } booleans[] = {
        {"{'lazy-refcounts': true, 'pass-discard-request': true, 'pass-discard-snapshot': false}", true},
        {"{'lazy-refcounts': false, 'pass-discard-request': false}", false},
        {"{'lazy-refcounts': 'on', 'pass-discard-request': 'on', 'pass-discard-other': 'off'}", true},
        {"{'pass-discard-request': 'off', 'discard': 'unmap'}", false},
        {"{'discard': 'unmap'}", true},
        {"{'discard': 'ignore'}", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(booleans); i++) {
        g_autofree char *json = g_strdelimit(g_strdup(booleans[i].opts), "'", '"');
        g_autoptr(Json) o = json_parse(json, strlen(json), NULL);
        json_set_str(o, "driver", "qcow2");
        json_set_str(o, "file.filename", a);
        g_autoptr(Error) err = NULL;
        BlockNode *n = drive_open_image(o, NULL, &err);
        g_assert_cmpstr(err ? error_text(err) : NULL, ==, NULL);
        g_assert_cmpint(((Qcow2 *)n->state)->pass_discard_request, ==, booleans[i].pass);
        node_unref(n);
    }
    /* Where all has to be said, nothing is guessed. */
    static const char *const strict[][2] = {
        {"backing.driver", "{\"backing\": {\"file\": {\"filename\": \"b\"}}}"},
        {"backing.file", "{\"backing\": {\"driver\": \"qcow2\"}}"},
        {"backing.file.driver", "{\"backing\": {\"driver\": \"qcow2\", \"file\": {\"filename\": \"b\"}}}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(strict); i++) {
        g_autoptr(Json) o = json_parse(strict[i][1], strlen(strict[i][1]), NULL);
        json_set_str(o, "driver", "qcow2");
        json_set_str(o, "node-name", "n");
        json_set_str(o, "file.driver", "file");
        json_set_str(o, "file.filename", ov);
        g_autoptr(Error) err = NULL;
        g_autofree char *want = g_strdup_printf("Parameter '%s' is missing", strict[i][0]);
        g_assert_false(blockdev_add_opts(o, false, &err));
        g_assert_cmpstr(error_text(err), ==, want);
    }
}

/* An L2 entry that points at the image's own tables: the write is refused and the image marked. */
static void test_overlap(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*Marking image as corrupt*overlaps*");
        return;
    }
    static const uint64_t targets[] = {0, 0x10000, 0x20000, 0x30000, 0x40000};
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        g_autofree char *img = path_of("ov.qcow2");
        create(img, "qcow2", "size", "1M", NULL);
        BlockNode *n = must_open(img, true, NULL);
        uint8_t buf[512] = {1};
        g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, 0);
        node_unref(n); /* the L2 table is at 0x40000 or behind the data */
        uint8_t l1[8];
        int fd = open(img, O_RDONLY);
        g_assert_cmpint(pread(fd, l1, 8, 0x30000), ==, 8);
        close(fd);
        uint64_t l2 = ldq_be(l1) & QCOW2_OFFSET;
        uint64_t target = targets[i] == 0x40000 ? l2 : targets[i];
        if (!target)
            continue;
        poke(img, l2 + 8, target | QCOW2_COPIED, 8);
        n = must_open(img, true, NULL);
        g_assert_cmpint(node_pwrite(n, 65536, buf, 512), ==, -EIO);
        g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, -EIO);
        g_assert_cmpint(node_pread(n, 0, buf, 512), ==, 0);
        node_unref(n);
        refused(img, "Image is corrupt");
    }
}

/* Counts that are wrong are found and set right. */
static void test_repair(void)
{
    g_autofree char *img = path_of("rp.qcow2");
    for (int kind = 0; kind < 4; kind++) {
        create(img, "qcow2", "size", "1M", NULL);
        BlockNode *n = must_open(img, true, NULL);
        uint8_t buf[512] = {7};
        g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, 0);
        node_unref(n);
        g_assert_cmpint(truncate(img, 1 << 20), ==, 0);
        if (kind == 0)
            poke(img, 0x20000 + 2 * 9, 1, 2); /* a leak */
        else if (kind == 1)
            poke(img, 0x20000 + 2 * 4, 0, 2); /* used, but counted as free */
        else if (kind == 2)
            poke(img, 0x10000, 0, 8); /* no counts at all */
        else
            poke(img, 0x10000, 0x123400, 8); /* counts at a strange place */
        block_open_damaged = true;
        n = must_open(img, true, NULL);
        block_open_damaged = false;
        Qcow2Check r = {0};
        g_assert_cmpint(qcow2_check(n, &r, 0), ==, 0);
        g_assert_true(kind ? r.corruptions > 0 : r.leaks == 1 && !r.corruptions);
        r = (Qcow2Check){0};
        g_assert_cmpint(qcow2_check(n, &r, QCOW2_FIX_LEAKS | QCOW2_FIX_ERRORS), ==, 0);
        g_assert_cmpuint(r.corruptions + r.leaks, ==, 0);
        g_assert_cmpint(node_pread(n, 0, buf, 512), ==, 0);
        g_assert_cmpuint(buf[0], ==, 7);
        g_assert_cmpint(node_pwrite(n, 512 * 1024, buf, 512), ==, 0);
        node_unref(n);
        assert_sound(img, true);
        if (theirs())
            g_assert_cmpint(run_theirs("check", "-q", "-r", "leaks", img, NULL), ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    begin_dir("qcow2-test");
    if (!g_getenv("QCOW2_CUTS")) {
        for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
            g_autofree char *name = g_strdup_printf("/qcow2/random/%s", variants[i].name);
            g_test_add_data_func(name, &variants[i], test_random);
        }
        g_test_add_func("/qcow2/threads", test_threads);
        g_test_add_func("/qcow2/kill", test_kill);
        g_test_add_func("/qcow2/snapshots", test_snapshots);
        g_test_add_func("/qcow2/resize", test_resize);
        g_test_add_func("/qcow2/compressed", test_compressed);
        g_test_add_func("/qcow2/headers", test_headers);
        g_test_add_func("/qcow2/backing-loop", test_backing_loop);
        g_test_add_func("/qcow2/named-children", test_named_children);
        g_test_add_func("/qcow2/overlap", test_overlap);
        g_test_add_func("/qcow2/repair", test_repair);
    }
    g_test_add_func("/qcow2/power-cuts", test_power_cuts);
    int ret = g_test_run();
    end_dir();
    return ret;
}
