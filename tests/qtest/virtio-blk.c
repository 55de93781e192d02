/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk: requests of each kind by each interface, several queues, MSI-X, errors and retries, resizing, hot plug
 * with requests under way, a driver that makes no sense; its registers beside Debian's.
 */
#include "tests/qtest/libvirtio.h"

#include <glib/gstdio.h>
#include <unistd.h>

enum { DEVFN = 4 << 3, DISK_SIZE = 4 << 20 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_NONE = 0xff };
#define F_RO         BIT64(5)
#define F_FLUSH      BIT64(9)
#define F_CONFIG_WCE BIT64(11)
#define F_MQ         BIT64(12)

typedef struct Disk {
    QTest *q;
    char *image;
    VDev *d;
    VQueue *vq;
    uint64_t header, data, status; /* one request's */
} Disk;

static void driver(Disk *t, bool legacy, uint64_t features)
{
    t->d = vdev_open(t->q, DEVFN, legacy);
    vdev_negotiate(t->d, vdev_features(t->d) & features);
    t->vq = vqueue_new(t->d, 0);
    vdev_driver_ok(t->d);
    t->header = vdev_alloc(t->d, 16, 16);
    t->data = vdev_alloc(t->d, 65536, 512);
    t->status = vdev_alloc(t->d, 1, 1);
}

static void driver_end(Disk *t)
{
    vqueue_free(t->vq);
    vdev_free(t->d);
}

static Disk disk_start(const char *drive, const char *device, const char *extra)
{
    Disk t = {.image = qtest_image("virtio-blk.img", DISK_SIZE, 7)};
    t.q = qtest_start("-machine pc-i440fx-7.2 -nodefaults -drive file=%s,format=raw,if=none,id=d0,discard=unmap%s "
                      "-device virtio-blk-pci,drive=d0,addr=4%s %s",
                      t.image, drive, device, extra);
    return t;
}

static void disk_quit(Disk *t)
{
    qtest_quit(t->q);
    g_unlink(t->image);
    g_free(t->image);
}

static void put_header(Disk *t, uint32_t type, uint64_t sector)
{
    uint8_t h[16] = {0};
    stl_le(h, type);
    stq_le(h + 8, sector);
    qtest_memwrite(t->q, t->header, h, 16);
    qtest_writeb(t->q, t->status, S_NONE);
}

/* Send it; the parts of the data may be few and large or many and small. */
static void send(Disk *t, uint32_t type, uint64_t sector, uint32_t len, unsigned pieces, bool indirect)
{
    bool write = type == T_IN || type == T_GET_ID;
    VPart parts[70] = {{t->header, 16, false}};
    unsigned n = 1;
    put_header(t, type, sector);
    for (unsigned i = 0; len && i < pieces; i++)
        parts[n++] = (VPart){t->data + len / pieces * i, len / pieces, write};
    parts[n++] = (VPart){t->status, 1, true};
    if (indirect)
        vqueue_add_indirect(t->vq, parts, n);
    else
        vqueue_add(t->vq, parts, n);
    vqueue_kick(t->vq);
}

static uint8_t request(Disk *t, uint32_t type, uint64_t sector, uint32_t len, unsigned pieces, bool indirect)
{
    send(t, type, sector, len, pieces, indirect);
    vqueue_wait(t->vq, NULL);
    return qtest_readb(t->q, t->status);
}

static bool no_vm(void)
{
    if (strcmp(qtest_binary(), DEBIAN_BINARY))
        return false;
    g_test_skip("the VM does not run there");
    return true;
}

static void check_io(Disk *t, bool indirect)
{
    static uint8_t want[65536], got[65536];
    for (unsigned round = 0; round < 8; round++) {
        static const struct {
            uint32_t len;
            unsigned pieces;
        } shapes[] = {{512, 1}, {4096, 1}, {65536, 64}, {65536, 3 * 16}, {1024, 64}};
        for (unsigned i = 0; i < G_N_ELEMENTS(shapes); i++) {
            uint32_t len = shapes[i].len / shapes[i].pieces * shapes[i].pieces / 512 * 512;
            unsigned pieces = len % shapes[i].pieces ? 1 : shapes[i].pieces;
            uint64_t sector = (round * 997 + i * 131) % (DISK_SIZE / 512 - 128);
            qtest_file_part(t->image, sector * 512, want, len);
            qtest_memset(t->q, t->data, 0xee, len);
            g_assert_cmphex(request(t, T_IN, sector, len, pieces, indirect), ==, S_OK);
            qtest_memread(t->q, t->data, got, len);
            g_assert_cmpmem(got, len, want, len);
            for (uint32_t k = 0; k < len; k++)
                want[k] = (uint8_t)(k * 7 + round + i);
            qtest_memwrite(t->q, t->data, want, len);
            g_assert_cmphex(request(t, T_OUT, sector, len, pieces, indirect), ==, S_OK);
            g_assert_cmphex(request(t, T_FLUSH, 0, 0, 1, indirect), ==, S_OK);
            qtest_file_part(t->image, sector * 512, got, len);
            g_assert_cmpmem(got, len, want, len);
        }
    }
}

static void test_io(gconstpointer legacy)
{
    if (no_vm())
        return;
    static const char *const homes[][2] = {
        {"", ""}, {",iothread=t0", "-object iothread,id=t0"}, {",ioeventfd=off", ""}, {",queue-size=128", ""}};
    for (unsigned i = 0; i < G_N_ELEMENTS(homes); i++) {
        Disk t = disk_start("", homes[i][0], homes[i][1]);
        uint64_t base = legacy ? 0 : VF_VERSION_1;
        driver(&t, legacy, base);
        check_io(&t, false);
        driver_end(&t);
        driver(&t, legacy, UINT64_MAX);
        check_io(&t, true);
        driver_end(&t);
        disk_quit(&t);
    }
}

static void test_config(gconstpointer legacy)
{
    Disk t = disk_start("", ",serial=0123456789abcdefghijKLMN,logical_block_size=4096,physical_block_size=4096", "");
    driver(&t, legacy, UINT64_MAX);
    g_assert_cmphex(vdev_config(t.d, 0, 8), ==, DISK_SIZE / 512);
    g_assert_cmphex(vdev_config(t.d, 12, 4), ==, 254);
    g_assert_cmphex(vdev_config(t.d, 20, 4), ==, 4096);
    g_assert_cmphex(vdev_config(t.d, 32, 1), ==, 1);
    vdev_set_config(t.d, 32, 1, 0);
    g_assert_cmphex(vdev_config(t.d, 32, 1), ==, 0);
    vdev_set_config(t.d, 32, 1, 1);
    if (!qtest_is_debian(t.q)) {
        char id[21] = {0};
        g_assert_cmphex(request(&t, T_GET_ID, 0, 20, 1, false), ==, S_OK);
        qtest_memread(t.q, t.data, id, 20);
        g_assert_cmpstr(id, ==, "0123456789abcdefghij");
        g_assert_cmphex(request(&t, T_IN, 1, 4096, 1, false), ==, S_IOERR); /* blocks of 4096 bytes */
        g_assert_cmphex(request(&t, T_IN, 8, 512, 1, false), ==, S_IOERR);
        g_assert_cmphex(request(&t, T_IN, 8, 4096, 1, false), ==, S_OK);
        g_assert_cmphex(request(&t, T_IN, DISK_SIZE / 512, 4096, 1, false), ==, S_IOERR);
        g_assert_cmphex(request(&t, T_OUT, DISK_SIZE / 512 - 8, 8192, 1, false), ==, S_IOERR);
        g_assert_cmphex(request(&t, T_IN, UINT64_MAX - 7, 4096, 1, false), ==, S_IOERR);
        g_assert_cmphex(request(&t, 99, 0, 512, 1, false), ==, S_UNSUPP);
    }
    driver_end(&t);
    disk_quit(&t);
}

static void put_range(Disk *t, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    uint8_t r[16];
    stq_le(r, sector);
    stl_le(r + 8, sectors);
    stl_le(r + 12, flags);
    qtest_memwrite(t->q, t->data, r, 16);
}

static void test_discard(void)
{
    if (no_vm())
        return;
    Disk t = disk_start("", "", "");
    static uint8_t got[8192], zeroes[8192];
    driver(&t, false, UINT64_MAX);
    put_range(&t, 64, 16, 0);
    g_assert_cmphex(request(&t, T_WRITE_ZEROES, 0, 16, 1, false), ==, S_OK);
    put_range(&t, 128, 16, 1);
    g_assert_cmphex(request(&t, T_WRITE_ZEROES, 0, 16, 1, false), ==, S_OK);
    put_range(&t, 256, 16, 0);
    g_assert_cmphex(request(&t, T_DISCARD, 0, 16, 1, false), ==, S_OK);
    for (unsigned at = 64; at <= 256; at *= 2) {
        qtest_file_part(t.image, at * 512, got, sizeof(got));
        g_assert_cmpmem(got, sizeof(got), zeroes, sizeof(zeroes));
    }
    put_range(&t, 256, 16, 1); /* no flags for a discard */
    g_assert_cmphex(request(&t, T_DISCARD, 0, 16, 1, false), ==, S_UNSUPP);
    put_range(&t, DISK_SIZE / 512, 1, 0);
    g_assert_cmphex(request(&t, T_DISCARD, 0, 16, 1, false), ==, S_IOERR);
    put_range(&t, 0, UINT32_MAX, 0);
    g_assert_cmphex(request(&t, T_WRITE_ZEROES, 0, 16, 1, false), ==, S_IOERR);
    g_assert_cmphex(request(&t, T_DISCARD, 0, 32, 1, false), ==, S_UNSUPP); /* one range */
    driver_end(&t);
    disk_quit(&t);
}

static void test_read_only(void)
{
    Disk t = disk_start(",readonly=on", "", "");
    VDev *d = vdev_open(t.q, DEVFN, false);
    g_assert_true(vdev_features(d) & F_RO);
    vdev_free(d);
    if (!qtest_is_debian(t.q)) {
        driver(&t, false, UINT64_MAX);
        g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, S_OK);
        g_assert_cmphex(request(&t, T_OUT, 0, 512, 1, false), ==, S_IOERR);
        driver_end(&t);
    }
    disk_quit(&t);
}

/* A driver that does not know of caches: each write is on the disk. The flag is back after a reset. */
static void test_write_cache(void)
{
    if (no_vm())
        return;
    Disk t = disk_start("", "", "");
    for (int round = 0; round < 2; round++) {
        driver(&t, false, UINT64_MAX & ~(F_FLUSH | F_CONFIG_WCE));
        g_assert_cmphex(vdev_config(t.d, 32, 1), ==, 0);
        driver_end(&t);
        driver(&t, false, UINT64_MAX & ~F_CONFIG_WCE);
        g_assert_cmphex(vdev_config(t.d, 32, 1), ==, 1);
        vdev_set_status(t.d, 0);
        g_assert_cmphex(vdev_config(t.d, 32, 1), ==, 1);
        driver_end(&t);
    }
    disk_quit(&t);
}

/* Four queues and their vectors; requests on all of them at once. */
static void test_msix(gconstpointer legacy)
{
    if (no_vm())
        return;
    Disk t = disk_start("", ",num-queues=4", "");
    VDev *d = t.d = vdev_open(t.q, DEVFN, legacy);
    VQueue *vq[4];
    g_assert_true(vdev_features(d) & F_MQ);
    vdev_msix_enable(d, 5);
    vdev_negotiate(d, vdev_features(d));
    vdev_set_config_vector(d, 4);
    for (unsigned i = 0; i < 4; i++)
        vq[i] = vqueue_new_vector(d, i, (uint16_t)i);
    vdev_driver_ok(d);
    g_assert_cmphex(vdev_config(d, 34, 2), ==, 4);
    static uint8_t want[4096], got[4096];
    for (unsigned round = 0; round < 20; round++) {
        uint64_t data[4], status[4];
        for (unsigned i = 0; i < 4; i++) {
            t.header = vdev_alloc(d, 16, 16);
            t.status = status[i] = vdev_alloc(d, 1, 1);
            data[i] = vdev_alloc(d, 4096, 512);
            put_header(&t, T_IN, round * 40 + i * 8);
            vqueue_add(vq[i], (VPart[]){{t.header, 16, false}, {data[i], 4096, true}, {status[i], 1, true}}, 3);
        }
        for (unsigned i = 0; i < 4; i++)
            vqueue_kick(vq[i]);
        for (unsigned i = 0; i < 4; i++) {
            g_assert_true(vdev_msi_wait(d, i));
            g_assert_cmpuint(vqueue_wait(vq[i], NULL), ==, 4097);
            g_assert_cmphex(qtest_readb(t.q, status[i]), ==, S_OK);
            qtest_memread(t.q, data[i], got, 4096);
            qtest_file_part(t.image, (round * 40 + i * 8) * 512, want, 4096);
            g_assert_cmpmem(got, 4096, want, 4096);
        }
    }
    /* masked: it waits */
    vdev_msix_mask(d, 2, true);
    put_header(&t, T_FLUSH, 0);
    vqueue_add(vq[2], (VPart[]){{t.header, 16, false}, {t.status, 1, true}}, 2);
    vqueue_kick(vq[2]);
    vqueue_wait(vq[2], NULL);
    g_usleep(20000);
    g_assert_false(vdev_msi(d, 2));
    vdev_msix_mask(d, 2, false);
    g_assert_true(vdev_msi_wait(d, 2));
    /* the disk grows */
    g_assert_false(vdev_msi(d, 4));
    json_unref(qtest_qmp(t.q, "{'execute':'block_resize','arguments':{'device':'d0','size':%d}}", 2 * DISK_SIZE));
    g_assert_true(vdev_msi_wait(d, 4));
    g_assert_cmphex(vdev_config(d, 0, 8), ==, 2 * DISK_SIZE / 512);
    for (unsigned i = 0; i < 4; i++)
        vqueue_free(vq[i]);
    vdev_free(d);
    disk_quit(&t);
}

/* blkdebug's rule is taken away while the VM is stopped; then the request goes well, after a save and load too. */
static void test_retry(gconstpointer legacy)
{
    if (no_vm())
        return;
    for (int write = 0; write < 2; write++) {
        g_autofree char *conf = g_build_filename(qtest_dir(), "blkdebug.conf", NULL);
        g_autofree char *text = g_strdup_printf("[inject-error]\nevent = \"%s\"\nerrno = \"%d\"\nonce = \"on\"\n"
                                                "sector = \"40\"\n",
                                                write ? "write_aio" : "read_aio", write ? 28 : 5);
        g_assert_true(g_file_set_contents(conf, text, -1, NULL));
        g_autofree char *image = qtest_image("virtio-blk.img", DISK_SIZE, 7);
        QTest *q =
            qtest_start("-nodefaults -drive file=blkdebug:%s:%s,format=raw,if=none,id=d0,rerror=stop,werror=stop "
                        "-device virtio-blk-pci,drive=d0,addr=4",
                        conf, image);
        Disk t = {.q = q, .image = image};
        static uint8_t want[4096], got[4096];
        driver(&t, legacy, UINT64_MAX);
        qtest_file_part(image, 40 * 512, want, 4096);
        if (write)
            qtest_memset(q, t.data, 0x5c, 4096);
        send(&t, write ? T_OUT : T_IN, 40, 4096, 1, false);
        Json *ev = qtest_event(q, "BLOCK_IO_ERROR");
        g_assert_cmpstr(json_get_str(json_get(ev, "data"), "operation"), ==, write ? "write" : "read");
        g_assert_cmpstr(json_get_str(json_get(ev, "data"), "action"), ==, "stop");
        json_unref(ev);
        json_unref(qtest_event(q, "STOP"));
        g_assert_false(vqueue_used(t.vq, NULL, NULL));
        g_assert_cmphex(qtest_readb(q, t.status), ==, S_NONE);
        json_unref(qtest_qmp(q, "{'execute':'cont'}"));
        vqueue_wait(t.vq, NULL);
        g_assert_cmphex(qtest_readb(q, t.status), ==, S_OK);
        if (write) {
            memset(want, 0x5c, 4096);
            qtest_file_part(image, 40 * 512, got, 4096);
        } else {
            qtest_memread(q, t.data, got, 4096);
        }
        g_assert_cmpmem(got, 4096, want, 4096);
        driver_end(&t);
        qtest_quit(q);
    }
}

static void test_report(void)
{
    if (no_vm())
        return;
    g_autofree char *conf = g_build_filename(qtest_dir(), "blkdebug.conf", NULL);
    g_assert_true(g_file_set_contents(conf, "[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\n", -1, NULL));
    g_autofree char *image = qtest_image("virtio-blk.img", DISK_SIZE, 7);
    for (int ignore = 0; ignore < 2; ignore++) {
        QTest *q = qtest_start("-nodefaults -drive file=blkdebug:%s:%s,format=raw,if=none,id=d0,rerror=%s "
                               "-device virtio-blk-pci,drive=d0,addr=4",
                               conf, image, ignore ? "ignore" : "report");
        Disk t = {.q = q, .image = image};
        driver(&t, false, UINT64_MAX);
        g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, ignore ? S_OK : S_IOERR);
        json_unref(qtest_event(q, "BLOCK_IO_ERROR"));
        g_assert_false(qtest_event_seen(q, "STOP"));
        driver_end(&t);
        qtest_quit(q);
    }
}

/* The device goes, the VM stops, the guest resets it: with many requests under way. */
static void test_under_io(void)
{
    if (no_vm())
        return;
    QTest *q = qtest_start("-machine pc -nodefaults -blockdev null-aio,node-name=n0,size=1G,latency-ns=3000000");
    Disk t = {.q = q};
    for (int round = 0; round < 40; round++) {
        json_unref(qtest_qmp(q,
                             "{'execute':'device_add','arguments':{'driver':'virtio-blk-pci','id':'b','addr':'4',"
                             "'drive':'n0','num-queues':1%s}}",
                             round % 3 ? ",'ioeventfd':false" : ""));
        for (int again = 0; again < 3; again++) {
            driver(&t, round & 1, UINT64_MAX);
            for (unsigned i = 0; i < 60; i++) {
                put_header(&t, i & 1 ? T_OUT : T_IN, i);
                vqueue_add(t.vq, (VPart[]){{t.header, 16, false}, {t.data, 1024, !(i & 1)}, {t.status, 1, true}}, 3);
            }
            vqueue_kick(t.vq);
            if (again == 0) {
                json_unref(qtest_qmp(q, "{'execute':'stop'}"));
                uint16_t used = qtest_readw(q, t.vq->used + 2);
                g_usleep(8000);
                g_assert_cmphex(qtest_readw(q, t.vq->used + 2), ==, used); /* nothing comes any more */
                json_unref(qtest_qmp(q, "{'execute':'cont'}"));
                VWAIT(qtest_readw(q, t.vq->used + 2) == 60);
            } else if (again == 1) {
                vdev_set_status(t.d, 0);
                uint16_t used = qtest_readw(q, t.vq->used + 2);
                g_usleep(8000);
                g_assert_cmphex(qtest_readw(q, t.vq->used + 2), ==, used);
            } else {
                json_unref(qtest_qmp(q, "{'execute':'device_del','arguments':{'id':'b'}}"));
                qtest_outl(q, 0xae10, 0);
                qtest_outl(q, 0xae08, 1 << 4);
                json_unref(qtest_event(q, "DEVICE_DELETED"));
                json_unref(qtest_event(q, "DEVICE_DELETED"));
            }
            driver_end(&t);
        }
    }
    qtest_quit(q);
}

/* drive_del under a device: it stays, its requests fail. */
static void test_drive_del(void)
{
    if (no_vm())
        return;
    Disk t = disk_start("", "", "");
    driver(&t, false, UINT64_MAX);
    g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, S_OK);
    g_autofree char *out = qtest_hmp(t.q, "drive_del d0");
    g_assert_cmpstr(out, ==, "");
    g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, S_IOERR);
    driver_end(&t);
    disk_quit(&t);
}

/* Each breaks the device until it is reset, which the driver is told of. */
static void test_nonsense(void)
{
    if (no_vm())
        return;
    Disk t = disk_start("", "", "-d guest_errors -D /dev/null");
    QTest *q = t.q;
    enum { CASES = 14 };
    for (unsigned c = 0; c < CASES; c++) {
        driver(&t, false, UINT64_MAX);
        VQueue *vq = t.vq;
        put_header(&t, T_IN, 0);
        uint64_t table = vdev_alloc(t.d, 64, 16);
        vqueue_write_desc(vq, 0, t.header, 16, 1, 1);
        vqueue_write_desc(vq, 1, t.data, 512, 3, 2);
        vqueue_write_desc(vq, 2, t.status, 1, 2, 0);
        switch (c) {
        case 0: /* a loop */
            vqueue_write_desc(vq, 2, t.status, 1, 3, 1);
            break;
        case 1: /* out of the ring */
            vqueue_write_desc(vq, 0, t.header, 16, 1, 1000);
            break;
        case 2:
            vqueue_write_desc(vq, 1, 0xe0000000, 512, 3, 2); /* a register */
            break;
        case 3:
            vqueue_write_desc(vq, 1, UINT64_MAX - 100, 512, 3, 2);
            break;
        case 4:
            vqueue_write_desc(vq, 1, t.data, 0, 3, 2);
            break;
        case 5: /* to read behind what is to write */
            vqueue_write_desc(vq, 2, t.status, 1, 0, 0);
            break;
        case 6: /* no header */
            vqueue_write_desc(vq, 0, t.header, 8, 1, 1);
            break;
        case 7: /* no status */
            vqueue_write_desc(vq, 0, t.header, 16, 0, 0);
            break;
        case 8: /* tables */
            vqueue_write_desc(vq, 0, table, 17, 4, 0);
            break;
        case 9:
            vqueue_write_desc(vq, 0, table, 0, 4, 0);
            break;
        case 10: { /* in itself */
            uint8_t raw[16] = {0};
            stq_le(raw, table);
            stl_le(raw + 8, 16);
            raw[12] = 4;
            qtest_memwrite(q, table, raw, 16);
            vqueue_write_desc(vq, 0, table, 16, 4, 0);
            break;
        }
        case 11:
            vqueue_write_desc(vq, 1, table, 16, 4, 0); /* inside a chain */
            break;
        case 12:
            vqueue_write_desc(vq, 0, UINT64_MAX - 15, 0x7ffffff0, 4, 0);
            break;
        case 13:
            vqueue_write_desc(vq, 1, t.data, 0xffffffff, 3, 2);
            break;
        }
        vqueue_publish(vq, 0);
        vqueue_kick(vq);
        VWAIT(vdev_status(t.d) & VSTATUS_NEEDS_RESET);
        VWAIT(vdev_isr(t.d) & 2);
        g_assert_false(vqueue_used(vq, NULL, NULL));
        driver_end(&t);
    }
    for (unsigned c = 0; c < 5; c++) { /* places of rings, heads, indexes */
        t.d = vdev_open(q, DEVFN, false);
        vdev_negotiate(t.d, UINT64_MAX & vdev_features(t.d));
        t.vq = vqueue_new(t.d, 0);
        if (c < 3) {
            static const uint64_t places[] = {0xe0000000, 0x100001, 0xfffffffffffff000};
            qtest_writel(q, t.d->mem + VC_USED, (uint32_t)places[c]);
            qtest_writel(q, t.d->mem + VC_USED + 4, (uint32_t)(places[c] >> 32));
            qtest_writew(q, t.d->mem + VC_QUEUE_ENABLE, 1);
        }
        vdev_driver_ok(t.d);
        if (c == 3)
            vqueue_publish(t.vq, 256);
        if (c == 4)
            qtest_writew(q, t.vq->avail + 2, 257);
        vqueue_kick(t.vq);
        VWAIT(vdev_status(t.d) & VSTATUS_NEEDS_RESET);
        driver_end(&t);
    }
    driver(&t, false, UINT64_MAX);
    g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, S_OK);
    driver_end(&t);
    disk_quit(&t);
}

static void test_queue_reset(void)
{
    if (no_vm())
        return;
    Disk t = disk_start("", ",num-queues=2", "");
    driver(&t, false, UINT64_MAX);
    VQueue *other = vqueue_new(t.d, 1);
    for (int round = 0; round < 10; round++) {
        g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, S_OK);
        qtest_writew(t.q, t.d->mem + VC_QUEUE_SELECT, 0);
        qtest_writew(t.q, t.d->mem + VC_QUEUE_RESET, 1);
        g_assert_cmphex(qtest_readw(t.q, t.d->mem + VC_QUEUE_RESET), ==, 0);
        g_assert_cmphex(qtest_readw(t.q, t.d->mem + VC_QUEUE_ENABLE), ==, 0);
        vqueue_kick(t.vq);
        VQueue *vq = t.vq;
        put_header(&t, T_IN, 0); /* the other queue goes on */
        t.vq = other;
        g_assert_cmphex(request(&t, T_IN, 0, 512, 1, false), ==, S_OK);
        vqueue_free(vq);
        t.vq = vqueue_new(t.d, 0);
    }
    vqueue_free(other);
    driver_end(&t);
    disk_quit(&t);
}

/* ---- beside Debian's ---- */

#define WALK_ARGS                                                                                                      \
    "-S -machine pc-i440fx-7.2 -nodefaults -drive if=none,id=n0,driver=null-co,size=16M -device "                      \
    "virtio-blk-pci,drive=n0,addr=4,num-queues=3,event_idx=off"
enum { MEM = 0xe4000000, MSIX = 0xe4800000, IO = 0xc400 };

#define CONFIG(off, size_, val_)                                                                                       \
    {true, false, 0xcf8, 0x80000000u | DEVFN << 8 | (off), 4},                                                         \
    {                                                                                                                  \
        true, false, 0xcfc + ((off)&3), val_, size_                                                                    \
    }

/*
 * Not compared: rings in random places and a driver that is served (QEMU reads them), a queue that grows while it has a
 * place, by event_idx too (7.2 ends with an assertion), the registers of queues that are not there.
 */
static bool filter(WalkStep *s, GRand *rand)
{
    if (!s->write)
        return true;
    uint64_t off = s->addr - MEM;
    if (s->mmio && off == VC_STATUS)
        s->val &= ~(uint64_t)(VSTATUS_OK | VSTATUS_NEEDS_RESET);
    if (s->mmio && off <= VC_QUEUE_SIZE && off + s->size > VC_QUEUE_SIZE)
        s->val &= 0xff;
    if (s->mmio && off >= VC_DESC - 3 && off < VC_USED + 8)
        s->val &= off & 4 || s->size < 4 || off & 3 ? 0 : 0xfff000;
    if (!s->mmio && s->addr <= IO + 11 && s->addr + s->size > IO + 8)
        s->val &= s->addr == IO + 8 ? 0xfff : 0;
    if (s->mmio && (off == VC_QUEUE_ENABLE || off == VC_QUEUE_RESET) && s->size > 1)
        s->val = 1;
    if (s->mmio ? off <= VC_QUEUE_SELECT && off + s->size > VC_QUEUE_SELECT
                : s->addr <= IO + 14 && s->addr + s->size > IO + 14)
        s->val = (uint64_t)g_rand_int_range(rand, 0, 3);
    if (!s->mmio && s->addr == IO + 18)
        s->val &= ~(uint64_t)(VSTATUS_OK | VSTATUS_NEEDS_RESET);
    return true;
}

static void test_walk(void)
{
    static const WalkStep before[] = {
        CONFIG(0x10, 4, IO), CONFIG(0x14, 4, MSIX), CONFIG(0x20, 4, MEM), CONFIG(0x24, 4, 0), CONFIG(4, 2, 7), {0},
    };
    static const WalkRegion regions[] = {
        {true, MEM, 64, 1 | 2 | 4, 12}, {true, MEM + VC_DEVICE, 64, 1 | 2 | 4, 3}, {true, MEM + VC_ISR, 4, 1 | 4, 1},
        {false, IO, 20, 1 | 2 | 4, 6},  {false, IO + 20, 70, 1 | 2 | 4, 2},        {0},
    };
    static const WalkMask masks[] = {
        {0},
    };
    qtest_walk(&(Walk){.args = WALK_ARGS, .regions = regions, .masks = masks, .before = before, .filter = filter});
}

static void test_config_space(void)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip(DEBIAN_BINARY " is not installed");
        return;
    }
    static const char *const kinds[] = {
        "virtio-blk-pci",
        "virtio-blk-pci-transitional",
        "virtio-blk-pci-non-transitional",
        "virtio-blk-pci,num-queues=200",
        "virtio-blk-pci,page-per-vq=on",
        "virtio-blk-pci,modern-pio-notify=on",
        "virtio-blk-pci,disable-modern=on",
        "virtio-blk-pci,vectors=0",
        "virtio-blk-pci,class=0x180",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *args =
            g_strdup_printf("-machine pc-i440fx-7.2 -nodefaults -drive if=none,id=n0,driver=null-co,size=16M "
                            "-device %s,drive=n0,addr=4",
                            kinds[i]);
        QTest *q[2] = {qtest_start("%s", args), qtest_start_binary(DEBIAN_BINARY, args)};
        for (int ones = 0; ones < 2; ones++) {
            for (unsigned off = 0; off < 256; off += 4) {
                uint32_t got[2];
                for (int k = 0; k < 2; k++) {
                    if (ones && off != 4)
                        qtest_pci_write(q[k], 0, DEVFN, off, 4, 0xffffffff);
                    got[k] = qtest_pci_read(q[k], 0, DEVFN, off, 4);
                }
                if (got[0] != got[1])
                    g_error("%s: register 0x%x is 0x%x, Debian's 0x%x", kinds[i], off, got[0], got[1]);
            }
        }
        qtest_quit(q[0]);
        qtest_quit(q[1]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio-blk/modern", NULL, test_io);
    g_test_add_data_func("/virtio-blk/legacy", (gconstpointer)1, test_io);
    g_test_add_data_func("/virtio-blk/config/modern", NULL, test_config);
    g_test_add_data_func("/virtio-blk/config/legacy", (gconstpointer)1, test_config);
    g_test_add_func("/virtio-blk/discard", test_discard);
    g_test_add_func("/virtio-blk/read-only", test_read_only);
    g_test_add_func("/virtio-blk/write-cache", test_write_cache);
    g_test_add_data_func("/virtio-blk/msix/modern", NULL, test_msix);
    g_test_add_data_func("/virtio-blk/msix/legacy", (gconstpointer)1, test_msix);
    g_test_add_data_func("/virtio-blk/retry/modern", NULL, test_retry);
    g_test_add_data_func("/virtio-blk/retry/legacy", (gconstpointer)1, test_retry);
    g_test_add_func("/virtio-blk/report", test_report);
    g_test_add_func("/virtio-blk/under-io", test_under_io);
    g_test_add_func("/virtio-blk/drive-del", test_drive_del);
    g_test_add_func("/virtio-blk/nonsense", test_nonsense);
    g_test_add_func("/virtio-blk/queue-reset", test_queue_reset);
    g_test_add_func("/virtio-blk/config-space", test_config_space);
    g_test_add_func("/virtio-blk/walk", test_walk);
    return g_test_run();
}
