/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-keyboard, -mouse and -tablet: what they say they are (beside Debian's), events of QMP's input-send-event,
 * keyboard lights. */
#include "tests/qtest/libvirtio.h"

#define DEVFN (3 << 3)
enum { SYN = 0, KEY = 1, REL = 2, ABS = 3, LED = 0x11 };

static QTest *start(const char *device)
{
    return qtest_start("-machine pc-i440fx-7.2 -nodefaults -device %s,addr=3", device);
}

/* The answer to a selection, as text of hexadecimal bytes. */
static char *answer(VDev *d, uint8_t select, uint8_t subsel)
{
    vdev_set_config(d, 0, 1, select);
    vdev_set_config(d, 1, 1, subsel);
    unsigned n = vdev_config(d, 2, 1);
    GString *s = g_string_new(NULL);
    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(s, "%02x", (unsigned)vdev_config(d, 8 + i, 1));
    return g_string_free(s, false);
}

static void expect(VDev *d, uint8_t select, uint8_t subsel, const char *hex)
{
    g_autofree char *got = answer(d, select, subsel);
    g_assert_cmpstr(got, ==, hex);
}

/* Answers as Debian's QEMU 7.2 gives them; the test runs on it, too. */
static void test_config(gconstpointer device)
{
    QTest *q = start(device);
    VDev *d = vdev_open(q, DEVFN, false);
    bool keyboard = !strcmp(device, "virtio-keyboard-pci"), mouse = !strcmp(device, "virtio-mouse-pci");
    unsigned product = keyboard ? 1 : mouse ? 2 : 3;
    g_autofree char *ids = g_strdup_printf("06002706%02x00%02x00", product, keyboard ? 1 : 2);
    expect(d, 3, 0, ids);
    expect(d, 1, 0,
           keyboard ? "51454d552056697274696f204b6579626f61726400"
           : mouse  ? "51454d552056697274696f204d6f75736500"
                    : "51454d552056697274696f205461626c657400");
    expect(d, 2, 0, "");
    expect(d, 0x11, REL, keyboard ? "" : mouse ? "0301" : "0001");
    expect(d, 0x11, ABS, keyboard || mouse ? "" : "03");
    expect(d, 0x11, LED, keyboard ? "07" : "");
    expect(d, 0x11, 0x14, keyboard ? "00" : "");
    expect(d, 0x12, 0, keyboard || mouse ? "" : "00000000ff7f0000000000000000000000000000");
    expect(d, 0x12, 2, "");
    expect(d, 0x55, 0, "");
    g_assert_cmphex(qtest_pci_read(q, 0, DEVFN, 8, 4), ==, (keyboard ? 0x900u : mouse ? 0x902u : 0x980u) << 16 | 1);
    vdev_free(d);
    qtest_quit(q);
}

static void expect_event(VQueue *vq, uint64_t buf, unsigned n, unsigned type, unsigned code, uint32_t value)
{
    g_assert_cmpuint(vqueue_wait(vq, NULL), ==, 8);
    g_assert_cmpuint(qtest_readw(vq->d->q, buf + 8 * n), ==, type);
    g_assert_cmpuint(qtest_readw(vq->d->q, buf + 8 * n + 2), ==, code);
    g_assert_cmpuint(qtest_readl(vq->d->q, buf + 8 * n + 4), ==, value);
}

static void test_events(gconstpointer device)
{
    QTest *q = start(device);
    if (qtest_is_debian(q)) {
        g_test_skip("the VM does not run there");
        qtest_quit(q);
        return;
    }
    VDev *d = vdev_open(q, DEVFN, false);
    vdev_negotiate(d, VF_VERSION_1);
    VQueue *vq = vqueue_new(d, 0), *status = vqueue_new(d, 1);
    uint64_t buf = vdev_alloc(d, 256, 16);
    vdev_driver_ok(d);
    for (unsigned i = 0; i < 3; i++)
        vqueue_add(vq, &(VPart){buf + 8 * i, 8, true}, 1);
    vqueue_kick(vq);
    if (!strcmp(device, "virtio-keyboard-pci")) {
        json_unref(
            qtest_qmp(q, "{'execute':'input-send-event','arguments':{'events':[{'type':'key','data':{'down':true,'key':"
                         "{'type':'qcode','data':'a'}}}]}}"));
        expect_event(vq, buf, 0, KEY, 30, 1);
        expect_event(vq, buf, 1, SYN, 0, 0);
        /* One buffer is left: the group of two is dropped whole. */
        json_unref(qtest_qmp(
            q, "{'execute':'input-send-event','arguments':{'events':[{'type':'key','data':{'down':false,'key':"
               "{'type':'qcode','data':'a'}}}]}}"));
        g_assert_false(vqueue_used(vq, NULL, NULL));
        qtest_writew(q, buf + 64, LED);
        qtest_writew(q, buf + 66, 1);
        qtest_writel(q, buf + 68, 1);
        vqueue_add(status, &(VPart){buf + 64, 8, false}, 1);
        vqueue_add(status, &(VPart){buf + 64, 3, false}, 1);
        vqueue_kick(status);
        vqueue_wait(status, NULL);
        vqueue_wait(status, NULL);
    } else if (!strcmp(device, "virtio-mouse-pci")) {
        json_unref(qtest_qmp(
            q, "{'execute':'input-send-event','arguments':{'events':[{'type':'rel','data':{'axis':'x','value':-5}},"
               "{'type':'rel','data':{'axis':'y','value':7}}]}}"));
        expect_event(vq, buf, 0, REL, 0, (uint32_t)-5);
        expect_event(vq, buf, 1, REL, 1, 7);
        expect_event(vq, buf, 2, SYN, 0, 0);
    } else {
        json_unref(qtest_qmp(
            q, "{'execute':'input-send-event','arguments':{'events':[{'type':'abs','data':{'axis':'y','value':32767}},"
               "{'type':'btn','data':{'button':'left','down':true}}]}}"));
        expect_event(vq, buf, 0, ABS, 1, 32767);
        expect_event(vq, buf, 1, KEY, 0x110, 1);
        expect_event(vq, buf, 2, SYN, 0, 0);
    }
    vqueue_free(vq);
    vqueue_free(status);
    vdev_free(d);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    static const char *const devices[] = {"virtio-keyboard-pci", "virtio-mouse-pci", "virtio-tablet-pci"};
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *config = g_strdup_printf("/%s/config", devices[i]),
                        *events = g_strdup_printf("/%s/events", devices[i]);
        g_test_add_data_func(config, devices[i], test_config);
        g_test_add_data_func(events, devices[i], test_events);
    }
    return g_test_run();
}
