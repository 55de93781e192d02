/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-balloon: inflate, deflate, statistics, free page reporting, QMP; one alone; its registers beside Debian's. */
#include "tests/qtest/libvirtio.h"

#define DEVFN (3 << 3)
#define ARGS  "-machine pc-i440fx-7.2 -nodefaults -m 128 -device virtio-balloon-pci,addr=3,id=b"
enum { INFLATE, DEFLATE, STATS, REPORTING, PAGE = 4096, SPOT = 0x2000000 };

/* On Debian's the VM does not run: nobody serves the queues. */
static bool skipped(QTest *q)
{
    if (!qtest_is_debian(q))
        return false;
    g_test_skip("the VM does not run there");
    qtest_quit(q);
    return true;
}

static uint64_t actual_bytes(QTest *q)
{
    g_autoptr(Json) r = qtest_qmp(q, "{'execute': 'query-balloon'}");
    uint64_t n = 0;
    g_assert_true(json_get_uint(json_get(r, "actual"), &n));
    return n;
}

static void pages(VDev *d, VQueue *vq, uint32_t pfn, unsigned n)
{
    uint64_t buf = vdev_alloc(d, PAGE, 16);
    for (unsigned i = 0; i < n; i++)
        qtest_writel(d->q, buf + 4 * i, pfn + i);
    vqueue_add(vq, (VPart[]){{buf, 4 * n, false}}, 1);
    vqueue_kick(vq);
    vqueue_wait(vq, NULL);
}

static void test_pages(gconstpointer legacy)
{
    QTest *q = qtest_start(ARGS);
    if (skipped(q))
        return;
    VDev *d = vdev_open(q, DEVFN, legacy != NULL);
    vdev_negotiate(d, vdev_features(d) & ((legacy ? 0 : VF_VERSION_1) | BIT64(1)));
    VQueue *in = vqueue_new(d, INFLATE), *out = vqueue_new(d, DEFLATE);
    vdev_driver_ok(d);
    g_assert_cmpuint(in->size, ==, 128);
    g_assert_cmpuint(actual_bytes(q), ==, 128 * MIB);
    json_unref(qtest_qmp(q, "{'execute': 'balloon', 'arguments': {'value': 134205440}}")); /* 3 pages less */
    g_assert_cmpuint(vdev_config(d, 0, 4), ==, 3);
    VWAIT(vdev_isr(d) & 2);
    qtest_memset(q, SPOT - PAGE, 0x5a, 5 * PAGE);
    pages(d, in, SPOT / PAGE, 3);
    vdev_set_config(d, 4, 4, 3);
    json_unref(qtest_event(q, "BALLOON_CHANGE"));
    g_assert_cmpuint(actual_bytes(q), ==, 128 * MIB - 3 * PAGE);
    g_assert_cmphex(qtest_readq(q, SPOT - 8), ==, 0x5a5a5a5a5a5a5a5a);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmphex(qtest_readq(q, SPOT + i * PAGE + 8 * i), ==, 0);
    g_assert_cmphex(qtest_readq(q, SPOT + 3 * PAGE), ==, 0x5a5a5a5a5a5a5a5a);
    pages(d, out, SPOT / PAGE, 3);
    qtest_writeq(q, SPOT, 7);
    g_assert_cmphex(qtest_readq(q, SPOT), ==, 7);
    pages(d, in, 0xf0000000 / PAGE, 2); /* no RAM, and past the end: nothing happens */
    pages(d, in, 0xffffffff, 1);
    pages(d, in, 0xf0000 / PAGE, 1); /* the firmware's ROM */
    g_assert_cmphex(vdev_status(d) & VSTATUS_NEEDS_RESET, ==, 0);
    vqueue_free(in);
    vqueue_free(out);
    vdev_free(d);
    qtest_quit(q);
}

/* 64 times a GiB of page numbers: others get their turn between, and what is too much in one request stays. */
static void test_flood(void)
{
    QTest *q = qtest_start(ARGS);
    if (skipped(q))
        return;
    enum { PARTS = 1024, REQUESTS = 64 };
    VDev *d = vdev_open(q, DEVFN, false);
    vdev_negotiate(d, VF_VERSION_1 | VF_INDIRECT);
    VQueue *in = vqueue_new(d, INFLATE);
    vdev_driver_ok(d);
    uint8_t table[16 * PARTS];
    uint64_t at = vdev_alloc(d, sizeof(table), 16);
    for (unsigned i = 0; i < PARTS; i++) {
        stq_le(table + 16 * i, SPOT);
        stl_le(table + 16 * i + 8, MIB);
        stw_le(table + 16 * i + 12, i < PARTS - 1);
        stw_le(table + 16 * i + 14, (uint16_t)(i + 1));
    }
    qtest_memwrite(q, at, table, sizeof(table));
    qtest_memset(q, SPOT, 0xff, MIB); /* no page that there is */
    for (unsigned i = 0; i < REQUESTS; i++) {
        vqueue_write_desc(in, i, at, sizeof(table), 4, 0);
        vqueue_publish(in, (uint16_t)i);
    }
    int64_t start = g_get_monotonic_time();
    vqueue_kick(in);
    json_unref(qtest_qmp(q, "{'execute': 'query-status'}"));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
    for (unsigned i = 0; i < REQUESTS; i++)
        vqueue_wait(in, NULL);
    vqueue_free(in);
    vdev_free(d);
    qtest_quit(q);
}

static void test_stats(void)
{
    QTest *q = qtest_start(ARGS);
    if (skipped(q))
        return;
    VDev *d = vdev_open(q, DEVFN, false);
    vdev_negotiate(d, VF_VERSION_1 | BIT64(1));
    VQueue *vq = vqueue_new(d, STATS);
    vdev_driver_ok(d);
    json_unref(qtest_qmp(q, "{'execute': 'qom-set', 'arguments': {'path': '/machine/peripheral/b', 'property': "
                            "'guest-stats-polling-interval', 'value': 2}}"));
    uint64_t buf = vdev_alloc(d, 64, 16);
    for (unsigned round = 0; round < 3; round++) {
        qtest_writew(q, buf, 4); /* free memory */
        qtest_writeq(q, buf + 2, 1000 + round);
        qtest_writew(q, buf + 10, 77); /* no such number */
        qtest_writeq(q, buf + 12, 1);
        vqueue_add(vq, (VPart[]){{buf, 20, false}}, 1);
        vqueue_kick(vq);
        uint32_t len;
        uint16_t head;
        qtest_clock_step(q, 1000000000);
        g_assert_false(vqueue_used(vq, &len, &head)); /* kept until it is asked again */
        qtest_clock_step(q, 1100000000);
        vqueue_wait(vq, NULL);
        g_autoptr(Json) r =
            qtest_qmp(q, "{'execute': 'qom-get', 'arguments': {'path': '/machine/peripheral/b', 'property': "
                         "'guest-stats'}}");
        uint64_t n = 0;
        g_assert_true(json_get_uint(json_get(json_get(r, "stats"), "stat-free-memory"), &n) && n == 1000 + round);
        g_assert_true(json_get_uint(json_get(json_get(r, "stats"), "stat-swap-in"), &n) && n == UINT64_MAX);
        g_assert_true(json_get_uint(json_get(r, "last-update"), &n) && n > 1500000000);
    }
    vqueue_free(vq);
    vdev_free(d);
    qtest_quit(q);
}

static void test_reporting(gconstpointer poison)
{
    QTest *q = qtest_start(ARGS ",free-page-reporting=on");
    if (skipped(q))
        return;
    VDev *d = vdev_open(q, DEVFN, false);
    vdev_negotiate(d, VF_VERSION_1 | BIT64(4) | BIT64(5));
    VQueue *vq = vqueue_new(d, REPORTING);
    if (poison)
        vdev_set_config(d, 12, 4, 0xaaaaaaaa);
    vdev_driver_ok(d);
    g_assert_cmpuint(vq->size, ==, 32);
    qtest_memset(q, SPOT, 0xaa, 4 * PAGE);
    vqueue_add(vq, (VPart[]){{SPOT, 2 * PAGE, true}, {SPOT + 2 * PAGE, 100, true}}, 2);
    vqueue_kick(vq);
    vqueue_wait(vq, NULL);
    g_assert_cmphex(qtest_readl(q, SPOT), ==, poison ? 0xaaaaaaaa : 0);
    g_assert_cmphex(qtest_readl(q, SPOT + PAGE), ==, poison ? 0xaaaaaaaa : 0);
    g_assert_cmphex(qtest_readl(q, SPOT + 2 * PAGE), ==, 0xaaaaaaaa);
    vqueue_free(vq);
    vdev_free(d);
    qtest_quit(q);
}

static void test_qmp(void)
{
    QTest *q = qtest_start("-machine pc-i440fx-7.2 -nodefaults");
    g_autofree char *none = qtest_qmp_error(q, "{'execute': 'query-balloon'}");
    g_assert_cmpstr(none, ==, "No balloon device has been activated");
    json_unref(qtest_qmp(q, "{'execute': 'device_add', 'arguments': {'driver': 'virtio-balloon-pci', 'id': 'a'}}"));
    g_autofree char *second =
        qtest_qmp_error(q, "{'execute': 'device_add', 'arguments': {'driver': 'virtio-balloon-pci'}}");
    g_assert_cmpstr(second, ==, "Only one balloon device is supported");
    g_autofree char *zero = qtest_qmp_error(q, "{'execute': 'balloon', 'arguments': {'value': 0}}");
    g_assert_nonnull(strstr(zero, "expects a size"));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio-balloon-pci/modern", NULL, test_pages);
    g_test_add_data_func("/virtio-balloon-pci/legacy", "", test_pages);
    g_test_add_func("/virtio-balloon-pci/flood", test_flood);
    g_test_add_func("/virtio-balloon-pci/stats", test_stats);
    g_test_add_data_func("/virtio-balloon-pci/reporting", NULL, test_reporting);
    g_test_add_data_func("/virtio-balloon-pci/reporting-poison", "", test_reporting);
    g_test_add_func("/virtio-balloon-pci/qmp", test_qmp);
    return g_test_run();
}
