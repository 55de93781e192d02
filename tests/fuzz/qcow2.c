/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images from strangers: a small sound image (512-byte clusters, a snapshot, a compressed cluster) with bytes
 * changed as the input says, three bytes of place and count and the new ones each, is opened, read, written, checked
 * and repaired. Nothing may crash; what was repaired without an error left must be sound when looked at again.
 */
#include "tests/fuzz/fuzz.h"

#include "block/backend.h"
#include "block/qcow2.h"
#include "softmmu/mainloop.h"
#include "util/iov.h"

const char *const fuzz_seeds[] = {
    "\x01\x48\x01\x01\x03",                 /* incompatible features */
    "\x02\x20\x04\x02\x80\x01\x01",         /* the refcount table */
    "\x03\x60\x08\x04\x80\x01\x01\x06\x01", /* tables behind it */
    "\x05\x01\x0c\x02\x81\x81\x18\x01\x02\x40\x01",
    "\x07\x01\x02\x08\x40\x01\x01\x01\x01\x01\x01\x01",
    NULL,
};

static GByteArray *disk;

static bool disk_open(BlockNode *n, Error **errp)
{
    n->length = ROUND_UP((uint64_t)disk->len, BLOCK_SECTOR);
    n->filename = g_strdup("disk");
    return true;
}

static int disk_preadv(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov)
{
    uint64_t there = off < disk->len ? MIN(len, disk->len - off) : 0;
    iov_from_buf(iov, niov, 0, disk->data + off, there);
    iov_fill(iov, niov, there, 0, len - there);
    return 0;
}

static int disk_pwritev(BlockNode *n, uint64_t off, uint64_t len, const struct iovec *iov, int niov, unsigned flags)
{
    if (off + len > 4 * MIB)
        return -ENOSPC;
    if (off + len > disk->len) {
        guint old = disk->len;
        g_byte_array_set_size(disk, (guint)(off + len));
        memset(disk->data + old, 0, disk->len - old);
    }
    iov_to_buf(iov, niov, 0, disk->data + off, len);
    return 0;
}

static int disk_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    return 0;
}

static const BlockDriver driver = {
    .name = "test-disk",
    .grows = true,
    .open = disk_open,
    .preadv = disk_preadv,
    .pwritev = disk_pwritev,
    .discard = disk_discard,
};

static BlockNode *open_disk(bool format, bool write)
{
    g_autoptr(Json) o = json_object();
    json_set_str(o, "driver", format ? "qcow2" : "test-disk");
    json_set_str(o, "read-only", write ? "off" : "on");
    json_set_str(o, "discard", "unmap");
    if (format) {
        json_set_str(o, "file.driver", "test-disk");
        json_set(o, "backing", json_null());
    }
    return node_open(o, true, NULL);
}

static GByteArray *make_base(void)
{
    disk = g_byte_array_new();
    BlockNode *n = open_disk(false, true);
    Qcow2Create c = {.size = 128 * 1024, .cluster_size = 512, .version = 3, .refcount_bits = 16};
    g_assert_true(qcow2_create(n, &c, NULL));
    node_unref(n);
    n = open_disk(true, true);
    uint8_t buf[2048];
    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i / 100);
    g_assert_cmpint(node_pwrite(n, 700, buf, 2000), ==, 0);
    g_assert_cmpint(qcow2_write_compressed(n, 8192, buf, 512), ==, 0);
    g_assert_cmpint(node_write_zeroes(n, 1024, 512, 0), ==, 0);
    g_assert_true(qcow2_snapshot_create(n, "s", NULL));
    g_assert_cmpint(node_pwrite(n, 512, buf, 600), ==, 0);
    g_assert_cmpint(node_pwrite(n, 100 * 1024, buf, 600), ==, 0);
    node_unref(n);
    return disk;
}

static void quiet(const char *line, void *opaque)
{
}

static void use(bool write)
{
    BlockNode *n = open_disk(true, write);
    if (!n)
        return;
    uint8_t buf[3000] = {0};
    uint64_t size = node_length(n);
    static const uint64_t places[] = {0, 512, 700, 1300, 8192, 8000, 100 * 1024};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        uint64_t off = places[i], len = i * 400 + 1;
        BlockStatus st;
        if (off + len > size)
            continue;
        node_pread(n, off, buf, len);
        node_preadv_now(n, off, len, &(struct iovec){buf, len}, 1);
        g_assert_true(node_status(n, off, len, &st) || (st.len && st.len <= len));
        if (!write)
            continue;
        node_pwrite(n, off, buf, len);
        node_write_zeroes(n, off, len, i & 1 ? BLOCK_REQ_MAY_UNMAP : 0);
        node_discard(n, off, len);
        if (i == 3)
            node_flush(n);
    }
    if (write) {
        qcow2_snapshot_apply(n, "s", NULL);
        node_pwrite(n, 0, buf, MIN(size, 1024));
        qcow2_snapshot_create(n, "t", NULL);
        qcow2_snapshot_delete(n, "s", NULL);
        node_truncate(n, MIN(ROUND_UP(size, 512) + 65536, 16 * MIB), NULL);
        node_truncate(n, 4096, NULL);
    }
    node_unref(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GByteArray *base;
    if (!base) {
        mainloop_init();
        block_test_driver = &driver;
        base = make_base();
    }
    error_report_hook = quiet;
    disk = g_byte_array_sized_new(base->len);
    g_byte_array_append(disk, base->data, base->len);
    for (size_t i = 1; i + 3 < size;) {
        size_t off = (data[i] | (size_t)data[i + 1] << 8) % disk->len, n = 1 + data[i + 2] % 16;
        for (i += 3; n && i < size && off < disk->len; n--)
            disk->data[off++] = data[i++];
    }
    use(false);
    if (size && data[0] & 1)
        use(true);
    block_open_damaged = true;
    BlockNode *n = open_disk(true, true);
    block_open_damaged = false;
    if (n) {
        Qcow2Check r = {0};
        bool fixed =
            !qcow2_check(n, &r, QCOW2_FIX_LEAKS | QCOW2_FIX_ERRORS) && !r.corruptions && !r.check_errors && !r.leaks;
        if (fixed) {
            Qcow2Check again = {0};
            g_assert_cmpint(qcow2_check(n, &again, 0), ==, 0);
            g_assert_cmpuint(again.corruptions + again.check_errors, ==, 0);
        }
        node_unref(n);
        if (fixed)
            use(true);
    }
    g_byte_array_unref(disk);
    disk = NULL;
    return 0;
}
