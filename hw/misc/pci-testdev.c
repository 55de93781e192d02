/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-testdev: a PCI function whose two BARs count writes, with and without a doorbell (QEMU's
 * docs/specs/pci-testdev.rst).
 *
 * BAR0, memory, 4 KiB; BAR1, ports, 256 bytes; BAR2, 64-bit memory of membar= bytes, off by default. In BAR0 and BAR1,
 * little endian: 0 byte W the test to start, R its number; 1 byte R width of its writes, 0: no such test; 4 dword R
 * where to write; 8 dword R what; Ch dword R the writes seen; 10h name. Three tests a BAR: writes that a handler
 * counts, a doorbell for any value, a doorbell for one value; doorbells swallow writes, so that the count stays. A
 * test's number counts over both BARs.
 *
 * As QEMU's, the device migrates nothing but its configuration space.
 */
#include "hw/pci/pci.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { R_TEST = 0, R_WIDTH = 1, R_OFFSET = 4, R_DATA = 8, R_COUNT = 12, R_NAME = 16, NAME_SIZE = 32 };
enum { BAR_MEM, BAR_IO, BARS, KINDS = 3, TESTS = BARS * KINDS };
#define MEM_SIZE 4096
#define IO_SIZE  256

static const struct {
    const char *name;
    uint8_t data;
    bool doorbell, match;
} kinds[KINDS] = {
    {"no-eventfd", 0xfa, false, false},
    {"wildcard-eventfd", 0xce, true, false},
    {"datamatch-eventfd", 0xfa, true, true},
};
static const char *const bar_names[BARS] = {"mmio", "portio"};

typedef struct PciTestdev {
    PciDevice pci;
    /* config */
    uint64_t membar;
    bool membar_backed;
    /* wiring */
    IoRegion mem, io;
    MemoryRegion extra;
    int fd; /* of every doorbell: nobody reads it */
    /* state */
    int test; /* -1: none */
    uint32_t count;
} PciTestdev;
#define PCI_TESTDEV(d) container_of(d, PciTestdev, pci.dev)

static IoRegion *bar_of(PciTestdev *s, int test)
{
    return test / KINDS == BAR_MEM ? &s->mem : &s->io;
}

static uint32_t offset_of(int test)
{
    return (test / KINDS == BAR_MEM ? MEM_SIZE : IO_SIZE) / 2 + (unsigned)test;
}

static void stop_test(PciTestdev *s)
{
    int t = s->test;
    if (t >= 0 && kinds[t % KINDS].doorbell)
        region_del_eventfd(bar_of(s, t), offset_of(t), 1, kinds[t % KINDS].match, kinds[t % KINDS].data, s->fd);
    s->test = -1;
    s->count = 0;
}

static void start_test(PciTestdev *s, unsigned bar, unsigned kind)
{
    stop_test(s);
    if (kind >= KINDS)
        return;
    int t = s->test = (int)(bar * KINDS + kind);
    if (kinds[kind].doorbell)
        region_add_eventfd(bar_of(s, t), offset_of(t), 1, kinds[kind].match, kinds[kind].data, s->fd);
}

static uint64_t testdev_read(void *opaque, uint64_t off, unsigned size)
{
    PciTestdev *s = opaque;
    if (s->test < 0)
        return 0;
    uint8_t image[R_NAME + NAME_SIZE] = {(uint8_t)s->test, 1};
    stl_le(&image[R_OFFSET], offset_of(s->test));
    stl_le(&image[R_DATA], kinds[s->test % KINDS].data);
    stl_le(&image[R_COUNT], s->count);
    g_snprintf((char *)&image[R_NAME], NAME_SIZE, "%s-%s", bar_names[s->test / KINDS], kinds[s->test % KINDS].name);
    return off < sizeof(image) ? image[off] : 0;
}

static void bar_write(PciTestdev *s, unsigned bar, uint64_t off, uint8_t val)
{
    if (off == R_TEST)
        start_test(s, bar, val);
    else if (s->test >= 0 && off == offset_of(s->test) && val == kinds[s->test % KINDS].data)
        s->count++;
}

static void mem_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    bar_write(opaque, BAR_MEM, off, (uint8_t)val);
}

static void io_bar_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    bar_write(opaque, BAR_IO, off, (uint8_t)val);
}
static const IoOps mem_ops = {testdev_read, mem_write, .min = 1, .max = 1};
static const IoOps io_ops = {testdev_read, io_bar_write, .min = 1, .max = 1};

static void testdev_reset(Device *dev)
{
    stop_test(PCI_TESTDEV(dev));
}

static bool testdev_realize(Device *dev, Error **errp)
{
    PciTestdev *s = PCI_TESTDEV(dev);
    if (s->membar & (s->membar - 1) || (s->membar && s->membar < 16))
        return error_set(errp, "pci-testdev: membar=%" PRIu64 " is not a power of two from 16", s->membar);
    s->test = -1;
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->fd < 0)
        return error_set_errno(errp, errno, "pci-testdev: cannot make an eventfd");
    region_init_io(&s->mem, dev, &mem_ops, s, "pci-testdev-mmio", MEM_SIZE);
    region_init_io(&s->io, dev, &io_ops, s, "pci-testdev-portio", IO_SIZE);
    if (s->membar && s->membar_backed) {
        if (!region_init_ram(&s->extra, dev, "pci-testdev-membar", s->membar, errp))
            return false;
    } else if (s->membar) {
        region_init_container(&s->extra, dev, "pci-testdev-membar", s->membar);
    }
    pci_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mem);
    pci_bar(&s->pci, 1, PCI_BAR_IO, &s->io);
    if (s->membar)
        pci_bar(&s->pci, 2, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->extra);
    return true;
}

static void testdev_unrealize(Device *dev)
{
    stop_test(PCI_TESTDEV(dev));
}

static void testdev_init(Device *dev)
{
    PCI_TESTDEV(dev)->fd = -1;
}

/* Others may ring until the grace period is over. */
static void testdev_finalize(Device *dev)
{
    if (PCI_TESTDEV(dev)->fd >= 0)
        close(PCI_TESTDEV(dev)->fd);
}

static const Prop testdev_props[] = {
    PROP_SIZE("membar", PciTestdev, membar, 0, "size of BAR2, 0: none"),
    PROP_BOOL("membar-backed", PciTestdev, membar_backed, false, "BAR2 has memory behind it"),
    {},
};

const DeviceDesc pci_testdev = {
    .name = "pci-testdev",
    .summary = "PCI Test Device",
    .bus = BUS_PCI,
    .category = DEV_MISC,
    .flags = DEV_HOTPLUG,
    .size = sizeof(PciTestdev),
    .props = testdev_props,
    .init = testdev_init,
    .finalize = testdev_finalize,
    .realize = testdev_realize,
    .unrealize = testdev_unrealize,
    .reset = testdev_reset,
    .pci = &(const PciInfo){.vendor = 0x1b36, .device = 0x0005, .class_id = 0x00ff},
};
