/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk in the I/O thread and a driver that has the next request there before the last one is done, for ever. */
#include "block/drive.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "tests/unit/hw/harness.h"

enum { DESC = 0x10000, AVAIL = 0x11000, USED = 0x12000, BUFFER = 0x20000, SIZE = 8 };
enum { NEXT = 1, WRITE = 2, GET_ID = 8, STATUS = BUFFER + 16 + 20 };

static VirtioDevice *v;
static VirtioTransport hooked;
static uint8_t *ram;
static uint16_t avail_idx;
static unsigned served; /* atomic */
static bool quit;       /* atomic */
static gint64 patience; /* of the driver: the disk has not let go of it */
static bool expired;    /* atomic */

static void publish(void)
{
    stw_le(ram + AVAIL + 4 + 2 * (avail_idx % SIZE), 0);
    stw_le(ram + AVAIL + 2, ++avail_idx);
}

/* Each request interrupts: the other CPU's turn to publish. */
static bool next(VirtioDevice *dev, uint16_t vector)
{
    __atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
    if (g_get_monotonic_time() > patience)
        __atomic_store_n(&expired, true, __ATOMIC_RELAXED);
    else if (!__atomic_load_n(&quit, __ATOMIC_RELAXED))
        publish();
    return true;
}

static void set_desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t then)
{
    uint8_t *d = ram + DESC + 16 * i;
    stq_le(d, addr);
    stl_le(d + 8, len);
    stw_le(d + 12, flags);
    stw_le(d + 14, then);
}

static void drive(void)
{
    virtio_set_status(v, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    virtio_set_features(v, BIT64(VIRTIO_F_VERSION_1));
    virtio_queue_set_size(v, 0, SIZE);
    virtio_queue_set_rings(v, 0, DESC, AVAIL, USED);
    stl_le(ram + BUFFER, GET_ID);
    ram[STATUS] = 0xff;
    set_desc(0, BUFFER, 16, NEXT, 1);
    set_desc(1, BUFFER + 16, 21, WRITE, 0);
    publish();
    virtio_set_status(v, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK);
}

static void wait_for_more(unsigned n)
{
    unsigned had = __atomic_load_n(&served, __ATOMIC_RELAXED);
    vm_unlock();
    while (__atomic_load_n(&served, __ATOMIC_RELAXED) - had < n && !__atomic_load_n(&expired, __ATOMIC_RELAXED))
        g_usleep(100);
    vm_lock();
}

/* Whoever wants the thread gets it, and what waits then is served when the device goes on. */
static void test_no_end(void)
{
    patience = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    drive();
    for (unsigned i = 0; i < 20; i++) {
        wait_for_more(3 * SIZE);
        virtio_stop(v);
        g_assert_false(expired);
        unsigned had = served;
        g_usleep(100);
        g_assert_cmpuint(served, ==, had);
        virtio_update_started(v);
    }
    __atomic_store_n(&quit, true, __ATOMIC_RELAXED);
    while (!expired && __atomic_load_n((const uint16_t *)(const void *)(ram + USED + 2), __ATOMIC_ACQUIRE) !=
                           lduw_le(ram + AVAIL + 2))
        g_usleep(100);
    virtio_stop(v);
    g_assert_false(expired);
    g_assert_false(v->broken);
    g_assert_cmpuint(served, >=, 20 * 3 * SIZE);
    g_assert_cmpmem(ram + BUFFER + 16, 5, "name", 5);
    g_assert_cmphex(ram[STATUS], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    Error *err = NULL;
    if (!drive_add_hmp("if=none,id=d,driver=null-co", &err))
        g_error("%s", error_text(err));
    Device *dev = device_new_named("virtio-blk-pci");
    if (!device_set_text(dev, "drive", "d", &err) || !device_set_text(dev, "serial", "name", &err) ||
        !device_realize(dev, &pci_root->bus, &err))
        g_error("%s", error_text(err));
    v = VIRTIO_DEVICE(dev->inner);
    device_reset(dev);
    hooked = *v->transport;
    hooked.interrupt_fast = next;
    v->transport = &hooked;
    ram = bench_ram();
    vm_start();
    g_test_add_func("/virtio-blk/no-end", test_no_end);
    int ret = g_test_run();
    device_unrealize(dev);
    bench_settle();
    return ret;
}
