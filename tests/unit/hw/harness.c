/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/hw/harness.h"

#include "accel/accel.h"
#include "accel/qtest/qtest.h"
#include "block/drive.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"
#include "hw/timer/mc146818rtc.h"
#include "softmmu/mainloop.h"
#include "util/rcu.h"

#define CONFIG_WEIGHT 8 /* one access in so many goes to configuration space */

Bench bench;
static MemoryRegion ram;

static void isa_line(void *opaque, unsigned n, int level)
{
    bench.lines = level ? bench.lines | BIT32(n) : bench.lines & ~BIT32(n);
}

static void pci_line(void *opaque, unsigned line, int level)
{
    isa_line(NULL, 16 + line, level);
}

static unsigned pci_map(PciBus *bus, PciDevice *d, unsigned pin)
{
    return pin & 3;
}

void bench_init(void)
{
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    memory_init();
    accel = &accel_qtest;
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    machine_new(machine_find_desc("pc")); /* what devices may look at; the board itself is not built */
    bool ok = region_init_ram(&ram, NULL, "bench.ram", BENCH_RAM, NULL);
    g_assert_true(ok);
    region_add_overlap(&system_memory, 0, &ram, -10);
    isa_bus_new(NULL, &system_io, &system_memory);
    Irq *lines[16];
    for (unsigned i = 0; i < 16; i++)
        lines[i] = irq_new(isa_line, NULL, i);
    isa_bus_set_irqs(isa_bus, lines);
    PciBus *pci = pci_root_bus_new(NULL, "pci.0", &system_memory, &system_io, 0);
    pci_bus_irqs(pci, pci_map, pci_line, NULL, 4);
    g_autoptr(Json) rtc = json_object();
    json_set_str(rtc, "base", "2024-02-28T23:59:50");
    json_set_str(rtc, "clock", "vm");
    ok = rtc_configure(rtc, NULL);
    g_assert_true(ok);
    bench.windows = g_array_new(false, false, sizeof(Window));
}

uint8_t *bench_ram(void)
{
    return region_ram_ptr(&ram);
}

MemoryRegion *bench_ram_region(void)
{
    return &ram;
}

bool bench_fits(const DeviceDesc *d, const char **why)
{
    if (d->flags & DEV_NO_TWIN)
        *why = "part of a board: tests/unit/hw/table-pc.c";
    else if (d->bus == BUS_ISA || d->bus == BUS_PCI || d->bus == BUS_SYSTEM)
        return true;
    else
        *why = "on a bus of another device: tests/unit/hw/table-pc.c";
    return false;
}

static bool is_pci(void)
{
    return bench.dev->desc->bus == BUS_PCI;
}

static void program_bars(PciDevice *d)
{
    uint32_t io = 0xc000, mem = 0xe0000000, bdf = (uint32_t)d->devfn;
    for (unsigned i = 0; i < 6; i++) {
        PciBar *bar = &d->bars[i];
        if (!bar->region)
            continue;
        uint32_t *next = bar->type & PCI_BAR_IO ? &io : &mem;
        *next = (uint32_t)ROUND_UP(*next, bar->size);
        pci_config_write(pci_root, bdf, 0x10 + 4 * i, *next, 4);
        if (bar->type & PCI_BAR_MEM64)
            pci_config_write(pci_root, bdf, 0x14 + 4 * i, 0, 4);
        *next += (uint32_t)bar->size;
    }
    pci_config_write(pci_root, bdf, 4, 7, 2);
}

static bool add_window(const FlatRange *r, void *opaque)
{
    Window w = {opaque, r->addr, r->last - r->addr + 1};
    if (r->region->owner == bench.dev)
        g_array_append_val(bench.windows, w);
    return true;
}

void bench_map(void)
{
    g_array_set_size(bench.windows, 0);
    if (is_pci())
        program_bars((PciDevice *)bench.dev);
    as_foreach(&as_io, add_window, &as_io);
    as_foreach(&as_memory, add_window, &as_memory);
    if (is_pci()) {
        Window w = {NULL, 0, 256};
        g_array_append_val(bench.windows, w);
    }
}

/* What some devices cannot be without. value NULL: a chardev or block node of its own. */
static const struct {
    const char *device, *prop, *value;
} needs[] = {
    {"cfi.pflash01", "num-blocks", "4"},
    {"cfi.pflash01", "sector-length", "4096"},
    {"isa-debugcon", "chardev", NULL},
    {"isa-parallel", "chardev", NULL},
    {"isa-pit", "iobase", "0x40"},
    {"isa-serial", "chardev", NULL},
    {"virtio-blk-pci", "drive", NULL},
    {"virtio-blk-pci-transitional", "drive", NULL},
    {"virtio-blk-pci-non-transitional", "drive", NULL},
};

static unsigned made; /* names of what was made for devices */

static char *new_chardev(Error **errp)
{
    g_autofree char *id = g_strdup_printf("bench%u", made++);
    g_autoptr(Json) null = json_object();
    json_set_str(null, "backend", "null");
    json_set_str(null, "id", id);
    return chardev_new(null, errp) ? g_steal_pointer(&id) : NULL;
}

static char *new_drive(Error **errp)
{
    g_autofree char *id = g_strdup_printf("bench%u", made++);
    g_autoptr(Json) null = json_object();
    json_set_str(null, "driver", "null-co");
    json_set_str(null, "node-name", id);
    json_set_uint(null, "size", MIB);
    return blockdev_add(null, errp) ? g_steal_pointer(&id) : NULL;
}

static bool set_needs(Device *dev, Error **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (strcmp(needs[i].device, dev->desc->name))
            continue;
        g_autofree char *id = NULL;
        if (!needs[i].value) {
            id = strcmp(needs[i].prop, "drive") ? new_chardev(errp) : new_drive(errp);
            if (!id)
                return false;
        }
        if (!device_set_text(dev, needs[i].prop, id ? id : needs[i].value, errp))
            return false;
    }
    return true;
}

Device *bench_make(const DeviceDesc *d, Error **errp)
{
    Bus *bus = d->bus == BUS_ISA ? &isa_bus->bus : d->bus == BUS_PCI ? &pci_root->bus : NULL;
    bench.lines = 0;
    Device *dev = device_new(d);
    if (!set_needs(dev, errp)) {
        device_discard(dev);
        return NULL;
    }
    if (!device_realize(dev, bus, errp))
        return NULL;
    bench.dev = dev;
    device_reset(dev);
    bench_map();
    return dev;
}

void bench_settle(void)
{
    for (unsigned i = 0; i < 2; i++) { /* what the first round reclaims may itself defer */
        vm_unlock();
        rcu_barrier_all();
        vm_lock();
    }
}

void bench_drop(void)
{
    static unsigned drops;
    Device *dev = g_steal_pointer(&bench.dev);
    device_unrealize(dev);
    g_array_set_size(bench.windows, 0);
    if (++drops % 100 == 0) /* a grace period takes milliseconds, video memory megabytes of address space */
        bench_settle();
}

typedef struct Stream {
    VmWriter *w;
    VmReader *r;
    bool ok;
    Error **errp;
} Stream;

static bool save_one(Device *dev, void *opaque)
{
    Stream *s = opaque;
    Error *err = NULL;
    if (!device_save(dev, s->w, &err))
        g_error("%s: cannot be saved: %s", dev->desc->name, error_text(err));
    return true;
}

static bool load_one(Device *dev, void *opaque)
{
    Stream *s = opaque;
    return s->ok = device_load(dev, s->r, s->errp);
}

/* The device, and those that it made for itself: there are no others. */
GByteArray *bench_save(void)
{
    Stream s = {.w = vm_writer_new()};
    devices_foreach(save_one, &s);
    return vm_writer_finish(s.w);
}

bool bench_load(const uint8_t *data, size_t len, Error **errp)
{
    g_autofree uint8_t *exact = g_memdup2(data, len); /* the sanitizers see each byte too far */
    Stream s = {.r = vm_reader_new(exact, len), .ok = true, .errp = errp};
    devices_foreach(load_one, &s);
    if (s.ok && vm_reader_left(s.r))
        s.ok = error_set(errp, "%zu bytes are left", vm_reader_left(s.r));
    vm_reader_free(s.r);
    return s.ok;
}

uint64_t bench_access(unsigned window, uint64_t off, unsigned size, bool write, uint64_t val)
{
    const Window *w = &g_array_index(bench.windows, Window, window);
    uint64_t got = 0;
    off %= w->len;
    if (!w->as) {
        uint32_t bdf = (uint32_t)((PciDevice *)bench.dev)->devfn;
        size = MIN(size, 4);
        off &= ~(uint64_t)(size - 1);
        /* the command register and the BARs stay as they are: the windows are there */
        if (!write)
            got = pci_config_read(pci_root, bdf, (unsigned)off, size);
        else if (off >= 0x34 || (off >= 6 && off < 0x10))
            pci_config_write(pci_root, bdf, (unsigned)off, (uint32_t)val, size);
    } else if (write) {
        as_store(w->as, w->addr + off, size, val, NULL);
    } else {
        got = as_load(w->as, w->addr + off, size, NULL);
    }
    return got ^ (uint64_t)bench.lines << 40;
}

uint64_t bench_step(GRand *rand, GString *log)
{
    unsigned n = bench.windows->len;
    if (!g_rand_int_range(rand, 0, 12)) {
        static const int64_t most[] = {1000, 100 * NS_PER_US, 50 * NS_PER_MS};
        int64_t ns = (int64_t)(g_rand_double(rand) * (double)most[g_rand_int_range(rand, 0, 3)]);
        clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + ns);
        if (log)
            g_string_append_printf(log, "    clock +%" PRIi64 " lines %06x\n", ns, bench.lines);
        return (uint64_t)bench.lines << 40;
    }
    if (!n)
        return 0;
    unsigned i = (unsigned)g_rand_int_range(rand, 0, (gint32)n);
    if (is_pci() && n > 1 && (i == n - 1) && g_rand_int_range(rand, 0, CONFIG_WEIGHT))
        i = (unsigned)g_rand_int_range(rand, 0, (gint32)n - 1);
    const Window *w = &g_array_index(bench.windows, Window, i);
    unsigned size = 1U << (g_rand_int_range(rand, 0, 3) ? g_rand_int_range(rand, 0, 2) : g_rand_int_range(rand, 0, 4));
    if (w->as == &as_io)
        size = MIN(size, 4);
    uint64_t off = (((uint64_t)g_rand_int(rand) << 32) | g_rand_int(rand)) % w->len;
    if (g_rand_int_range(rand, 0, 8)) {
        off &= ~(uint64_t)(size - 1);
        if (w->len > 4096 && g_rand_boolean(rand))
            off %= 4096;
    }
    bool write = g_rand_int_range(rand, 0, 2);
    uint64_t val = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
        val = BIT64(val & 31);
        break;
    case 1:
        val &= 0xff;
        break;
    case 2:
        val = 0;
        break;
    }
    val = bits64(val, 0, size * 8);
    uint64_t got = bench_access(i, off, size, write, val);
    if (log)
        g_string_append_printf(log, "    %s%u %s+0x%" PRIx64 "%s0x%" PRIx64 " lines %06x\n", write ? "write" : "read",
                               size * 8, w->as ? w->as->name : "config", w->as ? w->addr + off : off,
                               write ? " <- " : " -> ", write ? val : bits64(got, 0, 40), bench.lines);
    return got;
}
