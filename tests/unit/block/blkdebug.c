/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blkdebug: what it wants of requests, on a layer that writes down what comes; the events of qcow2; permissions. */
#include "block/backend.h"
#include "block/qcow2.h"
#include "softmmu/mainloop.h"
#include "util/iov.h"
#include "tests/unit/block/images.h"

#include <stdlib.h>
#include <unistd.h>

static BlockNode *must_open(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static BlockNode *must_open(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *json = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    Error *err = NULL;
    BlockNode *n = open_json(json, &err);
    if (!n)
        g_error("%s: %s", json, error_text(err));
    return n;
}

/* ---- a layer that writes requests down ---- */

#define SIZE (200 * KIB + 512) /* no multiple of any unit */

static struct {
    uint8_t data[SIZE];
    uint64_t align, most[4], unit[4]; /* what is expected, by the kind of request */
    unsigned seen[4];
} layer;
enum { READ, WRITE, ZERO, DISCARD };

static void came(int kind, uint64_t off, uint64_t len)
{
    g_assert_cmpuint(len, <=, layer.most[kind]);
    g_assert_cmpuint(off % layer.unit[kind], ==, 0);
    g_assert_true(len % layer.unit[kind] == 0 || (kind <= WRITE && off + len == SIZE));
    layer.seen[kind]++;
}

static bool layer_open(BlockNode *n, Error **errp)
{
    n->length = SIZE;
    n->filename = g_strdup("layer");
    return true;
}

static int layer_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    came(READ, off, len);
    iov_from_buf(iov, niov, 0, layer.data + off, len);
    return 0;
}

static int layer_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    came(WRITE, off, len);
    iov_to_buf(iov, niov, 0, layer.data + off, len);
    return 0;
}

static int layer_zeroes(BlockNode *n, uint64_t off, uint64_t len, unsigned flags)
{
    came(ZERO, off, len);
    memset(layer.data + off, 0, len);
    return 0;
}

static int layer_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    came(DISCARD, off, len);
    memset(layer.data + off, 0xdd, len);
    return 0;
}

static const BlockDriver layer_driver = {
    .name = "test-layer",
    .open = layer_open,
    .preadv = layer_preadv,
    .pwritev = layer_pwritev,
    .write_zeroes = layer_zeroes,
    .discard = layer_discard,
};

static void discard_model(uint8_t *model, uint64_t off, uint64_t len, uint64_t unit)
{
    uint64_t start = ROUND_UP(off, unit), end = ROUND_DOWN(off + len, unit);
    if (start < end)
        memset(model + start, 0xdd, end - start);
}

static void run_limits(uint64_t align, uint64_t transfer, uint64_t opt, uint64_t max)
{
    uint64_t unit = opt ? opt : MAX(align, 1);
    memset(&layer, 0, sizeof(layer));
    layer.align = align;
    layer.unit[READ] = layer.unit[WRITE] = MAX(align, 1);
    layer.unit[ZERO] = layer.unit[DISCARD] = unit;
    layer.most[READ] = layer.most[WRITE] = transfer ? transfer : SIZE;
    layer.most[ZERO] = layer.most[DISCARD] = max ? max : SIZE;
    BlockNode *n = must_open("{'driver':'blkdebug','align':%" PRIu64 ",'max-transfer':%" PRIu64
                             ",'opt-write-zero':%" PRIu64 ",'max-write-zero':%" PRIu64 ",'opt-discard':%" PRIu64
                             ",'max-discard':%" PRIu64 ",'discard':'unmap','image':{'driver':'test-layer'}}",
                             align, transfer, opt, max, opt, max);
    g_autofree uint8_t *model = g_malloc0(SIZE), *buf = g_malloc(SIZE);
    GRand *r = g_rand_new_with_seed(5);
    for (int i = 0; i < 600; i++) {
        uint32_t len = (uint32_t)g_rand_int_range(r, 1, i % 3 ? 70000 : 5000),
                 off = (uint32_t)g_rand_int_range(r, 0, (gint32)(SIZE - len)),
                 cut = (uint32_t)g_rand_int_range(r, 0, (gint32)len);
        if (g_rand_int_range(r, 0, 8) == 0)
            len = SIZE - off; /* to the end */
        struct iovec iov[2] = {{buf, MIN(cut, len)}, {buf + MIN(cut, len), len - MIN(cut, len)}};
        switch (g_rand_int_range(r, 0, 4)) {
        case READ:
            g_assert_cmpint(node_preadv(n, off, len, iov, 2), ==, 0);
            g_assert_cmpmem(buf, len, model + off, len);
            break;
        case WRITE:
            for (uint32_t k = 0; k < len; k++)
                buf[k] = model[off + k] = (uint8_t)(k * 7 + (uint32_t)i);
            g_assert_cmpint(node_pwritev(n, off, len, iov, 2, 0), ==, 0);
            break;
        case ZERO:
            memset(model + off, 0, len);
            g_assert_cmpint(node_write_zeroes(n, off, len, 0), ==, 0);
            break;
        default:
            discard_model(model, off, len, unit);
            g_assert_cmpint(node_discard(n, off, len), ==, 0);
        }
        g_assert_cmpmem(layer.data, SIZE, model, SIZE);
    }
    for (int i = 0; i < 4; i++)
        g_assert_cmpuint(layer.seen[i], >, 50);
    g_rand_free(r);
    node_unref(n);
}

static void test_limits(void)
{
    block_test_driver = &layer_driver;
    run_limits(0, 0, 0, 0);
    run_limits(1, 1000, 0, 777);
    run_limits(512, 0, 4096, 8192);
    run_limits(4096, 12288, 4096, 20480);
    run_limits(4096, 4096, 8192, 8192);
    run_limits(16384, 0, 0, 32768);
    block_test_driver = NULL;
}

/* Parts of a request fail, and so does what is read to complete a block. */
static void test_pieces_fail(void)
{
    block_test_driver = &layer_driver;
    memset(&layer, 0, sizeof(layer));
    for (int i = 0; i < 4; i++) {
        layer.unit[i] = 4096;
        layer.most[i] = SIZE;
    }
    static const struct {
        const char *rule;
        uint64_t off, len;
        int ret;
    } cases[] = {
        {"'event':'none','sector':9", 0, 4096, 0},
        {"'event':'none','sector':9", 4096, 512, -EIO}, /* in what is read first */
        {"'event':'none','sector':9,'iotype':'write'", 4096, 512, -EIO},
        {"'event':'none','sector':16,'iotype':'read'", 4096, 4096, 0},
        {"'event':'pwritev_rmw_head','iotype':'read','errno':28,'once':true", 512, 512, -ENOSPC},
        {"'event':'pwritev_rmw_head','iotype':'read','errno':28,'once':true", 0, 512, 0},
        {"'event':'pwritev_rmw_tail','iotype':'read','errno':28,'once':true", 0, 512, -ENOSPC},
        {"'event':'pwritev_rmw_tail','iotype':'read','errno':28,'once':true", 3584, 512, 0},
        {"'event':'pwritev_rmw_after_head','errno':28,'once':true", 512, 512, -ENOSPC},
        {"'event':'pwritev_rmw_after_tail','errno':28,'once':true", 512, 512, -ENOSPC},
        {"'event':'pwritev','errno':28,'once':true", 0, 4096, -ENOSPC},
        {"'event':'pwritev_done','errno':28,'once':true", 0, 4096, 0},
        {"'event':'none','state':2", 0, 512, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        BlockNode *n = must_open(
            "{'driver':'blkdebug','align':4096,'inject-error':[{%s}],'image':{'driver':'test-layer'}}", cases[i].rule);
        uint8_t buf[4096] = {1};
        g_test_message("%s at %" PRIu64, cases[i].rule, cases[i].off);
        g_assert_cmpint(node_pwrite(n, cases[i].off, buf, cases[i].len), ==, cases[i].ret);
        node_unref(n);
    }
    /* Zeroes, and what lies where. */
    BlockNode *n =
        must_open("{'driver':'blkdebug','align':4096,'set-state':[{'event':'pwritev_zero','new_state':2}],"
                  "'inject-error':[{'event':'pwritev','state':2,'errno':28},{'event':'none','iotype':'block-status'}],"
                  "'image':{'driver':'test-layer'}}");
    uint8_t buf[512] = {1};
    BlockStatus st;
    g_assert_cmpint(node_status(n, 0, 512, &st), ==, -EIO);
    g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, 0);
    g_assert_cmpint(node_write_zeroes(n, 0, 8192, 0), ==, 0);
    g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, -ENOSPC);
    node_unref(n);
    block_test_driver = NULL;
}

static void test_refused(void)
{
    static const struct {
        const char *opts, *why;
    } cases[] = {
        {"'align':3", "Cannot meet constraints with align 3"},
        {"'align':4294967296", "Cannot meet constraints with align 4294967296"},
        {"'align':512,'max-transfer':1000", "Cannot meet constraints with max-transfer 1000"},
        {"'max-transfer':4294967296", "Cannot meet constraints with max-transfer 4294967296"},
        {"'align':512,'opt-write-zero':1000", "Cannot meet constraints with opt-write-zero 1000"},
        {"'opt-write-zero':4096,'max-write-zero':6144", "Cannot meet constraints with max-write-zero 6144"},
        {"'align':4096,'opt-discard':512", "Cannot meet constraints with opt-discard 512"},
        {"'opt-discard':4096,'max-discard':6144", "Cannot meet constraints with max-discard 6144"},
        {"'inject-error':[{'event':'foo'}]", "invalid parameter value: foo"},
        {"'inject-error':[{'event':'read_aio','iotype':'bar'}]", "invalid parameter value: bar"},
        {"'inject-error':[{'errno':5}]", "Missing event name for rule"},
        {"'take-child-perms':['bar']", "does not accept value 'bar'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *json = g_strdup_printf("{'driver':'blkdebug',%s,'image':{'driver':'null-co'}}", cases[i].opts);
        Error *err = NULL;
        g_assert_null(open_json(json, &err));
        if (!strstr(error_text(err), cases[i].why))
            g_error("%s: %s", json, error_text(err));
        error_free(err);
    }
}

/* What it takes of, or does not share with others on, the image. */
static void test_permissions(void)
{
    BlockNode *below = must_open("{'driver':'null-co','node-name':'below'}");
    Error *err = NULL;
    BlockNode *n = must_open("{'driver':'blkdebug','unshare-child-perms':['write'],'image':'below'}");
    g_assert_null(node_use(below, g_strdup("another"), BLOCK_PERM_WRITE, BLOCK_PERM_ALL, &err));
    g_assert_nonnull(strstr(error_text(err), "'write'"));
    g_clear_pointer(&err, error_free);
    BlockEdge *e = node_use(below, g_strdup("another"), BLOCK_PERM_CONSISTENT_READ, BLOCK_PERM_ALL, &err);
    g_assert_nonnull(e);
    node_unuse(e);
    node_unref(n);
    n = must_open("{'driver':'blkdebug','take-child-perms':['write','resize'],'image':'below'}");
    g_assert_null(node_use(below, g_strdup("another"), 0, BLOCK_PERM_ALL & ~BLOCK_PERM_RESIZE, &err));
    g_assert_nonnull(strstr(error_text(err), "'resize'"));
    g_clear_pointer(&err, error_free);
    node_unref(n);
    e = node_use(below, g_strdup("another"), BLOCK_PERM_WRITE, 0, &err);
    g_assert_nonnull(e);
    node_unuse(e);
    node_unref(below);
}

/* ---- qcow2's events ---- */

static BlockNode *open_image(const char *path, const char *debug, Error **errp)
{
    g_autofree char *json = g_strdup_printf("{'driver':'qcow2','discard':'unmap','file':{'driver':'blkdebug',%s"
                                            "'image':{'driver':'file','filename':'%s','cache':{'no-flush':true}}}}",
                                            debug, path);
    return open_json(json, errp);
}

static int write_some(BlockNode *n, uint64_t off, uint64_t len)
{
    g_autofree uint8_t *buf = g_malloc(len);
    memset(buf, 0x5a, len);
    int ret = node_pwrite(n, off, buf, len);
    return ret ? ret : node_flush(n);
}

static int op_write(BlockNode *n)
{
    return write_some(n, 0, 64 * KIB);
}

static int op_write_part(BlockNode *n)
{
    return write_some(n, 1024, 512);
}

static int op_read(BlockNode *n)
{
    uint8_t buf[512];
    return node_pread(n, 0, buf, sizeof(buf));
}

static int op_write_much(BlockNode *n)
{
    return write_some(n, 0, 8 * MIB);
}

static int op_compress(BlockNode *n)
{
    g_autofree uint8_t *buf = g_malloc0(64 * KIB);
    int ret = qcow2_write_compressed(n, 64 * KIB, buf, 64 * KIB);
    return ret ? ret : node_flush(n);
}

static int op_read_compressed(BlockNode *n)
{
    uint8_t buf[512];
    return node_pread(n, 64 * KIB, buf, sizeof(buf));
}

static int op_resize(BlockNode *n)
{
    Error *err = NULL;
    bool ok = node_truncate(n, 256 * MIB, &err);
    bool full = !ok && strstr(error_text(err), strerror(ENOSPC));
    error_free(err);
    return ok ? 0 : full ? -ENOSPC : -EIO;
}

static int op_snapshot(BlockNode *n)
{
    Error *err = NULL;
    bool ok = qcow2_snapshot_create(n, "s", &err);
    bool full = !ok && strstr(error_text(err), strerror(ENOSPC));
    error_free(err);
    return ok ? 0 : full ? -ENOSPC : -EIO;
}

static int op_forget(BlockNode *n)
{
    int ret = qcow2_forget(n, 0, 64 * KIB);
    return ret ? ret : node_flush(n);
}

enum { SMALL = 1, BACKED = 2, COMPRESSED = 4, SNAPSHOT = 8, WRITTEN = 16 };

static void make(const char *img, const char *base, unsigned how)
{
    if (how & BACKED)
        create(img, "qcow2", "size", "64M", "backing_file", base, "backing_fmt", "raw", NULL);
    else if (how & SMALL)
        create(img, "qcow2", "size", "64M", "cluster_size", "512", "refcount_bits", "64", NULL);
    else
        create(img, "qcow2", "size", "64M", NULL);
    BlockNode *n = open_image(img, "", NULL);
    g_assert_nonnull(n);
    if (how & COMPRESSED)
        g_assert_cmpint(op_compress(n), ==, 0);
    if (how & (SNAPSHOT | WRITTEN))
        g_assert_cmpint(op_write(n), ==, 0);
    if (how & SNAPSHOT)
        g_assert_cmpint(op_snapshot(n), ==, 0);
    node_unref(n);
}

static void assert_sound(const char *img)
{
    BlockNode *n = open_image(img, "", NULL);
    g_assert_nonnull(n);
    Qcow2Check r = {0};
    g_assert_cmpint(qcow2_check(n, &r, 0), ==, 0);
    g_assert_cmpuint(r.corruptions, ==, 0);
    g_assert_cmpuint(r.check_errors, ==, 0);
    node_unref(n);
}

static const struct {
    const char *event;
    unsigned how;
    int (*op)(BlockNode *n);
} events[] = {
    {"l1_update", 0, op_write},
    {"l1_grow_alloc_table", SMALL, op_resize},
    {"l1_grow_write_table", SMALL, op_resize},
    {"l1_grow_activate_table", SMALL, op_resize},
    {"l2_load", WRITTEN, op_read},
    {"l2_update", 0, op_write},
    {"l2_update", WRITTEN, op_forget},
    {"l2_update_compressed", 0, op_compress},
    {"l2_alloc_cow_read", SNAPSHOT, op_write},
    {"l2_alloc_write", 0, op_write},
    {"read_aio", WRITTEN, op_read},
    {"read_backing_aio", BACKED, op_write_part},
    {"read_compressed", COMPRESSED, op_read_compressed},
    {"write_aio", WRITTEN, op_write},
    {"write_compressed", 0, op_compress},
    {"cow_read", BACKED, op_write_part},
    {"cow_write", BACKED, op_write_part},
    {"reftable_load", 0, NULL},
    {"reftable_grow", SMALL, op_write_much},
    {"refblock_load", 0, op_write},
    {"refblock_update_part", 0, op_write},
    {"refblock_alloc", SMALL, op_write_much},
    {"refblock_alloc_hookup", SMALL, op_write_much},
    {"refblock_alloc_write", SMALL, op_write_much},
    {"refblock_alloc_write_blocks", SMALL, op_write_much},
    {"refblock_alloc_write_table", SMALL, op_write_much},
    {"refblock_alloc_switch_table", SMALL, op_write_much},
    {"cluster_alloc", 0, op_write},
    {"cluster_alloc", 0, op_snapshot},
    {"cluster_alloc_bytes", 0, op_compress},
    {"empty_image_prepare", WRITTEN, op_forget},
    {"flush_to_os", 0, op_write},
    {"flush_to_disk", 0, op_write},
};

/* Each event makes what comes after it fail, once; then it goes well, and the image is sound at any time. */
static void test_events(void)
{
    if (!g_test_subprocess()) { /* closing an image that fails says so */
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDOUT);
        g_test_trap_assert_passed();
        return;
    }
    g_autofree char *img = path_of("events.qcow2"), *base = path_of("base.raw");
    g_autofree uint8_t *data = g_malloc(MIB);
    memset(data, 0xb5, MIB);
    g_assert_true(g_file_set_contents(base, (char *)data, MIB, NULL));
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        const char *what = events[i].event;
        g_test_message("%s", what);
        make(img, base, events[i].how);
        for (int once = 0; once < 2; once++) {
            g_autofree char *debug =
                g_strdup_printf("'inject-error':[{'event':'%s','errno':28,'once':%s}],", what, once ? "true" : "false");
            Error *err = NULL;
            BlockNode *n = open_image(img, debug, &err);
            if (!events[i].op) {
                g_assert_null(n);
                g_assert_nonnull(strstr(error_text(err), strerror(ENOSPC)));
                g_clear_pointer(&err, error_free);
                continue;
            }
            g_assert_nonnull(n);
            g_assert_cmpint(events[i].op(n), ==, -ENOSPC);
            if (once)
                g_assert_cmpint(events[i].op(n), ==, 0);
            node_unref(n);
            assert_sound(img);
        }
    }
}

/* States: the second allocation of a table fails, not the first. */
static void test_states(void)
{
    g_autofree char *img = path_of("states.qcow2");
    create(img, "qcow2", "size", "1G", "cluster_size", "4096", NULL);
    BlockNode *n = open_image(img,
                              "'set-state':[{'event':'l2_alloc_write','state':1,'new_state':2},"
                              "{'event':'l2_alloc_write','state':2,'new_state':3}],"
                              "'inject-error':[{'event':'l2_alloc_write','state':2,'errno':28,'once':true}],",
                              NULL);
    g_assert_nonnull(n);
    g_assert_cmpint(write_some(n, 0, 4096), ==, 0);
    g_assert_cmpint(write_some(n, 4096, 4096), ==, 0);
    g_assert_cmpint(write_some(n, 64 * MIB, 4096), ==, -ENOSPC);
    g_assert_cmpint(write_some(n, 64 * MIB, 4096), ==, 0);
    node_unref(n);
    assert_sound(img);
}

/* An L1 table of more clusters than a block of counts covers, which has to lie in one piece. */
static void test_wide_table(void)
{
    g_autofree char *img = path_of("wide.qcow2");
    create(img, "qcow2", "size", "1M", "cluster_size", "512", "refcount_bits", "64", NULL);
    BlockNode *n = open_image(img, "", NULL);
    g_assert_nonnull(n);
    g_assert_cmpint(write_some(n, 0, 256 * KIB), ==, 0);
    Error *err = NULL;
    if (!node_truncate(n, 2 * GIB, &err))
        g_error("%s", error_text(err));
    g_assert_cmpint(write_some(n, 2 * GIB - 64 * KIB, 64 * KIB), ==, 0);
    g_assert_cmpint(op_snapshot(n), ==, 0);
    g_assert_cmpuint(node_length(n->file->node), <, 8 * MIB);
    node_unref(n);
    assert_sound(img);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    begin_dir("blkdebug");
    g_test_add_func("/blkdebug/limits", test_limits);
    g_test_add_func("/blkdebug/pieces-fail", test_pieces_fail);
    g_test_add_func("/blkdebug/refused", test_refused);
    g_test_add_func("/blkdebug/permissions", test_permissions);
    g_test_add_func("/blkdebug/events", test_events);
    g_test_add_func("/blkdebug/states", test_states);
    g_test_add_func("/blkdebug/wide-table", test_wide_table);
    int ret = g_test_run();
    end_dir();
    return ret;
}
