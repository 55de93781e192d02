/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-rng on each of its interfaces; the rate limit; hot plug; its registers beside Debian's. */
#include "tests/qtest/libvirtio.h"

#include <unistd.h>

#define DEVFN (3 << 3)
#define ARGS  "-machine pc-i440fx-7.2 -nodefaults -device virtio-rng-pci,addr=3"

static void skip_debian(void)
{
    if (!strcmp(qtest_binary(), DEBIAN_BINARY))
        g_test_skip("the VM does not run there");
}

static unsigned zero_bytes(QTest *q, uint64_t addr, size_t len)
{
    g_autofree uint8_t *buf = g_malloc(len);
    unsigned n = 0;
    qtest_memread(q, addr, buf, len);
    for (size_t i = 0; i < len; i++)
        n += !buf[i];
    return n;
}

static void get_bytes(QTest *q, bool legacy, uint64_t features)
{
    VDev *d = vdev_open(q, DEVFN, legacy);
    vdev_negotiate(d, vdev_features(d) & features);
    VQueue *vq = vqueue_new(d, 0);
    g_assert_cmpuint(vq->size, ==, 8);
    vdev_driver_ok(d);
    uint64_t buf = vdev_alloc(d, 4096, 16);
    for (int round = 0; round < 20; round++) {
        VPart parts[] = {{buf, 64, true}, {buf + 1024, 192, true}, {buf + 2048, 256, true}};
        qtest_memset(q, buf, 0, 4096);
        if (round & 1 && features & VF_INDIRECT)
            vqueue_add_indirect(vq, parts, 3);
        else
            vqueue_add(vq, parts, 3);
        vqueue_kick(vq);
        g_assert_cmpuint(vqueue_wait(vq, NULL), ==, 512);
        for (int i = 0; i < 3; i++)
            g_assert_cmpuint(zero_bytes(q, parts[i].addr, parts[i].len), <, 20);
        g_assert_cmpuint(zero_bytes(q, buf + 64, 960), ==, 960);
        VWAIT(vdev_isr(d) & 1);
        g_assert_cmphex(vdev_isr(d), ==, 0); /* reading cleared it */
    }
    vqueue_free(vq);
    vdev_free(d);
}

static void test_io(gconstpointer legacy)
{
    QTest *q = qtest_start(ARGS);
    skip_debian();
    if (!qtest_is_debian(q)) {
        uint64_t base = legacy ? 0 : VF_VERSION_1;
        get_bytes(q, legacy, base);
        get_bytes(q, legacy, base | VF_INDIRECT);
        get_bytes(q, legacy, base | VF_INDIRECT | VF_EVENT_IDX);
        get_bytes(q, legacy, UINT64_MAX & ~BIT64(30));
    }
    qtest_quit(q);
}

/* Four requests of 1000 bytes, of 1500 a period: the first, half of the second, the rest with the next periods. */
static void test_rate(void)
{
    skip_debian();
    QTest *q = qtest_start(ARGS ",max-bytes=1500,period=1000");
    if (qtest_has_clock(q)) {
        VDev *d = vdev_open(q, DEVFN, false);
        vdev_negotiate(d, VF_VERSION_1);
        VQueue *vq = vqueue_new(d, 0);
        vdev_driver_ok(d);
        uint64_t buf = vdev_alloc(d, 4000, 16);
        for (unsigned i = 0; i < 4; i++)
            vqueue_add(vq, &(VPart){buf + 1000 * i, 1000, true}, 1);
        vqueue_kick(vq);
        g_assert_cmpuint(vqueue_wait(vq, NULL), ==, 1000);
        g_assert_cmpuint(vqueue_wait(vq, NULL), ==, 500);
        g_usleep(50000);
        g_assert_false(vqueue_used(vq, NULL, NULL));
        qtest_clock_step(q, 999 * NS_PER_MS);
        g_usleep(20000);
        g_assert_false(vqueue_used(vq, NULL, NULL));
        qtest_clock_step(q, 2 * NS_PER_MS);
        g_assert_cmpuint(vqueue_wait(vq, NULL), ==, 1000);
        g_assert_cmpuint(vqueue_wait(vq, NULL), ==, 500);
        vqueue_free(vq);
        vdev_free(d);
    }
    qtest_quit(q);
}

static void test_hotplug(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults");
    for (int round = 0; round < 50; round++) {
        json_unref(
            qtest_qmp(q, "{'execute':'device_add','arguments':{'driver':'virtio-rng-pci','id':'r','addr':'3'}}"));
        g_assert_cmphex(qtest_pci_read(q, 0, DEVFN, 0, 4), ==, 0x10051af4);
        if (!qtest_is_debian(q))
            get_bytes(q, round & 1, UINT64_MAX & ~BIT64(30));
        VDev *d = vdev_open(q, DEVFN, false); /* leave with requests under way */
        vdev_negotiate(d, VF_VERSION_1);
        VQueue *vq = vqueue_new(d, 0);
        vdev_driver_ok(d);
        vqueue_add(vq, &(VPart){vdev_alloc(d, 4096, 16), 4096, true}, 1);
        vqueue_kick(vq);
        json_unref(qtest_qmp(q, "{'execute':'device_del','arguments':{'id':'r'}}"));
        qtest_outl(q, 0xae10, 0);
        qtest_outl(q, 0xae08, 1 << 3);
        Json *ev = qtest_event(q, "DEVICE_DELETED");
        g_assert_cmpstr(json_get_str(json_get(ev, "data"), "path"), ==, "/machine/peripheral/r/virtio-backend");
        json_unref(ev);
        ev = qtest_event(q, "DEVICE_DELETED");
        g_assert_cmpstr(json_get_str(json_get(ev, "data"), "device"), ==, "r");
        json_unref(ev);
        vqueue_free(vq);
        vdev_free(d);
    }
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio-rng/modern", NULL, test_io);
    g_test_add_data_func("/virtio-rng/legacy", (gconstpointer)1, test_io);
    g_test_add_func("/virtio-rng/rate", test_rate);
    g_test_add_func("/virtio-rng/hotplug", test_hotplug);
    return g_test_run();
}
