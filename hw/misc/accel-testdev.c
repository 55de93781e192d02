/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel-testdev: what a guest needs to test an accelerator: doorbells, interrupts by irqfd and MSI, batched writes,
 * dirty pages, and how often the vCPU left the guest. For the bare guests of tests/boot. 32-bit registers.
 *
 * Ports, from iobase:
 *   00 W  doorbell on an eventfd             R  how often that eventfd was signalled since the last read
 *   04                                       R  writes to doorbells that came as accesses instead
 *   08 W  doorbell whose eventfd is the irqfd of line irq
 *   0c W  MSI with this data to FEE00000h, sent
 *   10 W  data of the MSI route
 *   14 W  doorbell whose eventfd is the irqfd of the MSI route
 *   18 W  1: log dirty pages of RAM, 0: stop R  dirty pages in [1 MiB, 2 MiB) since the last read
 *   1c                                       R  sum over those pages of (number in the MiB + 1)
 *   20 W  n level interrupts of line level-irq, one at a time, each until its EOI
 *   24                                       R  of these, how many are left
 *   28                                       R  exits of this vCPU so far
 *   2c                                       R  signals of the doorbell in memory since the last read
 *   30                                       R  interrupts of 08 and 14 that the main loop delivered, for want of an
 * irqfd Memory, from membase, one page: 000 W doorbell of value 1234h, 4 bytes 100-1ff W writes that may be batched:
 * added to a log 200 R entries in the log; 204 R their sum, each weighted by its place; both after what was batched
 */
#include "accel/accel.h"
#include "hw/isa/isa.h"
#include "hw/core/machine.h"
#include "softmmu/dma.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum {
    P_BELL = 0,
    P_ACCESSES = 4,
    P_IRQFD = 8,
    P_MSI = 0xc,
    P_ROUTE = 0x10,
    P_ROUTE_BELL = 0x14,
    P_DIRTY = 0x18,
    P_DIRTY_SUM = 0x1c,
    P_LEVEL = 0x20,
    P_LEVEL_LEFT = 0x24,
    P_EXITS = 0x28,
    P_MEM_BELL = 0x2c,
    P_HELPED = 0x30,
    PORTS = 0x34
};
enum { M_BELL = 0, M_BATCH = 0x100, M_COUNT = 0x200, M_SUM = 0x204, MEM_SIZE = 0x1000 };
#define BELL_VALUE  0x1234
#define MSI_ADDRESS 0xfee00000ULL
#define DIRTY_PAGES 256

typedef struct AccelTest {
    IsaDevice isa;
    uint16_t iobase; /* config */
    uint64_t membase;
    uint8_t irqno, level_irqno;
    IoRegion io, mem; /* wiring */
    Irq *irq, *level_irq;
    int bell, mem_bell, irqfd, route_fd, level_fd, resample_fd; /* eventfds, -1: none */
    bool irqfd_in_kernel, level_in_kernel;
    unsigned irqfd_watch, route_watch, level_watch;
    int route;                                                                            /* GSI, -1: none */
    uint32_t accesses, helped, batch_count, batch_sum, dirty_sum, level_left, route_data; /* state */
    bool dirty_on;
} AccelTest;
#define ACCEL_TEST(d) container_of(d, AccelTest, isa.dev)

static uint32_t drain(int fd)
{
    uint64_t n;

    return read(fd, &n, sizeof(n)) == sizeof(n) ? (uint32_t)n : 0;
}

static void ring(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != sizeof(one))
        guest_error(NULL, "accel-testdev: an eventfd is full");
}

static void send_msi(uint32_t data)
{
    const MsiMessage m = {MSI_ADDRESS, data};
    uint8_t le[4];

    if (accel->send_msi && accel->send_msi(&m))
        return;
    stl_le(le, data);
    dma_write(&as_memory, MSI_ADDRESS, le, sizeof(le));
}

static uint32_t dirty_pages(AccelTest *s)
{
    unsigned long bits[DIRTY_PAGES / 64] = {0};
    uint32_t n = 0;

    s->dirty_sum = 0;
    if (!s->dirty_on || region_size(&machine->ram) < 2 * MIB)
        return 0;
    region_snapshot_dirty(&machine->ram, DIRTY_MIGRATION, MIB, MIB, bits);
    for (unsigned i = 0; i < DIRTY_PAGES; i++) {
        if (bits[i / 64] & BIT64(i % 64)) {
            n++;
            s->dirty_sum += i + 1;
        }
    }
    return n;
}

static void set_dirty(AccelTest *s, bool on)
{
    if (on != s->dirty_on)
        region_log(&machine->ram, DIRTY_MIGRATION, on);
    s->dirty_on = on;
    if (on)
        dirty_pages(s);
}

/* The line is high while level_left is not 0; the guest's EOI takes one off. */
static void level_start(AccelTest *s)
{
    if (s->level_in_kernel)
        ring(s->level_fd);
    else
        irq_raise(s->level_irq);
}

static gboolean level_resampled(gint fd, GIOCondition cond, gpointer opaque)
{
    AccelTest *s = opaque;

    drain(fd);
    if (s->level_left && --s->level_left)
        level_start(s);
    return G_SOURCE_CONTINUE;
}

static gboolean irqfd_polled(gint fd, GIOCondition cond, gpointer opaque)
{
    AccelTest *s = opaque;

    drain(fd);
    s->helped++;
    irq_pulse(s->irq);
    return G_SOURCE_CONTINUE;
}

static gboolean route_polled(gint fd, GIOCondition cond, gpointer opaque)
{
    AccelTest *s = opaque;

    drain(fd);
    s->helped++;
    send_msi(s->route_data);
    return G_SOURCE_CONTINUE;
}

static void set_route(AccelTest *s, uint32_t data)
{
    const MsiMessage m = {MSI_ADDRESS, data};

    s->route_data = data;
    if (s->route >= 0) {
        accel->update_msi_route(s->route, &m);
        return;
    }
    s->route = accel->add_msi_route ? accel->add_msi_route(&m, NULL) : -1;
    if (s->route >= 0 && accel->add_irqfd(s->route, s->route_fd, -1))
        return;
    if (!s->route_watch)
        s->route_watch = fd_watch(s->route_fd, G_IO_IN, route_polled, s);
}

static uint64_t port_read(void *opaque, uint64_t off, unsigned size)
{
    AccelTest *s = opaque;

    switch (off) {
    case P_BELL:
        return drain(s->bell);
    case P_MEM_BELL:
        return drain(s->mem_bell);
    case P_ACCESSES:
        return s->accesses;
    case P_DIRTY:
        return dirty_pages(s);
    case P_DIRTY_SUM:
        return s->dirty_sum;
    case P_LEVEL_LEFT:
        return s->level_left;
    case P_HELPED:
        return s->helped;
    case P_EXITS:
        return current_cpu ? (uint32_t)current_cpu->exits : 0;
    default:
        return 0;
    }
}

static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AccelTest *s = opaque;

    switch (off) {
    case P_MSI:
        send_msi((uint32_t)val);
        break;
    case P_ROUTE:
        set_route(s, (uint32_t)val);
        break;
    case P_DIRTY:
        set_dirty(s, val & 1);
        break;
    case P_LEVEL:
        s->level_left = MIN((uint32_t)val, 1000U);
        if (s->level_left)
            level_start(s);
        break;
    case P_LEVEL_LEFT:
        /* The guest's handler, where no resampling in the kernel does it. */
        if (!s->level_in_kernel && s->level_left && !--s->level_left)
            irq_lower(s->level_irq);
        break;
    case P_BELL:
        s->accesses++;
        break;
    }
}

static uint64_t mem_read(void *opaque, uint64_t off, unsigned size)
{
    AccelTest *s = opaque;

    return off == M_COUNT ? s->batch_count : off == M_SUM ? s->batch_sum : 0;
}

static void mem_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AccelTest *s = opaque;

    if (off == M_BELL) {
        s->accesses++;
    } else if (off >= M_BATCH && off < M_COUNT) {
        s->batch_count++;
        s->batch_sum += (uint32_t)val * s->batch_count;
    }
}

static const IoOps port_ops = {port_read, port_write, .min = 4, .max = 4};
static const IoOps mem_ops = {mem_read, mem_write, .min = 4, .max = 4};

static void accel_test_reset(Device *dev)
{
    AccelTest *s = ACCEL_TEST(dev);

    set_dirty(s, false);
    s->accesses = s->helped = s->batch_count = s->batch_sum = s->dirty_sum = s->level_left = 0;
    irq_lower(s->irq);
    irq_lower(s->level_irq);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void accel_test_unrealize(Device *dev)
{
    AccelTest *s = ACCEL_TEST(dev);

    set_dirty(s, false);
    if (s->irqfd_watch)
        g_source_remove(s->irqfd_watch);
    if (s->route_watch)
        g_source_remove(s->route_watch);
    if (s->level_watch)
        g_source_remove(s->level_watch);
    if (s->irqfd_in_kernel)
        accel->del_irqfd(s->irqno, s->irqfd);
    if (s->level_in_kernel)
        accel->del_irqfd(s->level_irqno, s->level_fd);
    if (s->route >= 0) {
        accel->del_irqfd(s->route, s->route_fd);
        accel->del_msi_route(s->route);
    }
    region_del_eventfd(&s->io, P_BELL, 4, false, 0, s->bell);
    region_del_eventfd(&s->io, P_IRQFD, 4, false, 0, s->irqfd);
    region_del_eventfd(&s->io, P_ROUTE_BELL, 4, false, 0, s->route_fd);
    region_del_eventfd(&s->mem, M_BELL, 4, true, BELL_VALUE, s->mem_bell);
    close_fd(&s->bell);
    close_fd(&s->mem_bell);
    close_fd(&s->irqfd);
    close_fd(&s->route_fd);
    close_fd(&s->level_fd);
    close_fd(&s->resample_fd);
}

static bool accel_test_realize(Device *dev, Error **errp)
{
    AccelTest *s = ACCEL_TEST(dev);
    int *const fds[] = {&s->bell, &s->mem_bell, &s->irqfd, &s->route_fd, &s->level_fd, &s->resample_fd};

    s->route = -1;
    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
        *fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->irq = isa_irq(&s->isa, s->irqno, errp);
    if (!s->irq)
        return false;
    s->level_irq = isa_irq(&s->isa, s->level_irqno, errp);
    if (!s->level_irq || !isa_map_io(&s->isa, &s->io, &port_ops, s, s->iobase, PORTS, errp))
        return false;
    region_init_io(&s->mem, dev, &mem_ops, s, "accel-testdev", MEM_SIZE);
    s->mem.flush_coalesced = true;
    region_add_overlap(&system_memory, s->membase, &s->mem, 1); /* above what ISA can address */
    region_add_coalescing(&s->mem, M_BATCH, M_COUNT - M_BATCH);
    region_add_eventfd(&s->io, P_BELL, 4, false, 0, s->bell);
    region_add_eventfd(&s->io, P_IRQFD, 4, false, 0, s->irqfd);
    region_add_eventfd(&s->io, P_ROUTE_BELL, 4, false, 0, s->route_fd);
    region_add_eventfd(&s->mem, M_BELL, 4, true, BELL_VALUE, s->mem_bell);
    bool kernel = accel_irqchip_mode() == IRQCHIP_KERNEL;

    s->irqfd_in_kernel = kernel && accel->add_irqfd(s->irqno, s->irqfd, -1);
    if (!s->irqfd_in_kernel)
        s->irqfd_watch = fd_watch(s->irqfd, G_IO_IN, irqfd_polled, s);
    s->level_in_kernel = kernel && accel->add_irqfd(s->level_irqno, s->level_fd, s->resample_fd);
    if (s->level_in_kernel)
        s->level_watch = fd_watch(s->resample_fd, G_IO_IN, level_resampled, s);
    return true;
}

static const Prop accel_test_props[] = {
    PROP_U16("iobase", AccelTest, iobase, 0x680, "first I/O port"),
    PROP_U64("membase", AccelTest, membase, 0xd0000000, "address of its page"),
    PROP_U8("irq", AccelTest, irqno, 5, "line of the irqfd"),
    PROP_U8("level-irq", AccelTest, level_irqno, 10, "line of the level interrupts"),
    {},
};

const DeviceDesc accel_testdev = {
    .name = "accel-testdev",
    .summary = "doorbells, interrupts and dirty pages for tests of accelerators",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_TWIN,
    .size = sizeof(AccelTest),
    .props = accel_test_props,
    .realize = accel_test_realize,
    .unrealize = accel_test_unrealize,
    .reset = accel_test_reset,
};
