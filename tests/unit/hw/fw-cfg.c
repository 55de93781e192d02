/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hw/i386/fw-cfg.c: items, files and their order, writable ones, callbacks, limits, DMA from a hostile guest;
 * hw/acpi/pcihp.c. */
#include "hw/acpi/acpi.h"
#include "hw/i386/fw-cfg.h"
#include "softmmu/mainloop.h"

#include <fcntl.h>
#include <unistd.h>

enum { SELECT = 0x510, DATA = 0x511, DMA = 0x514, RAM_SIZE = 0x10000, REQUEST = 0x100 };

static FwCfg *fw;
static MemoryRegion ram;
static unsigned selected, written_off, written_len;

static void out(uint16_t port, unsigned size, uint32_t val)
{
    uint8_t b[4];
    stl_le(b, val);
    as_write(&as_io, port, b, size);
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint8_t b[4] = {0};
    as_read(&as_io, port, b, size);
    return ldl_le(b);
}

/* The key of a file as the directory has it now; 0: none. */
static uint16_t key_of(const char *name)
{
    out(SELECT, 2, FW_CFG_FILE_DIR);
    uint8_t e[64];
    for (unsigned i = 0; i < 4; i++)
        e[i] = in(DATA, 1);
    for (unsigned n = ldl_be(e); n; n--) {
        for (unsigned i = 0; i < sizeof(e); i++)
            e[i] = in(DATA, 1);
        if (!strcmp((char *)e + 8, name))
            return lduw_be(e + 4);
    }
    return 0;
}

static uint32_t dma(uint32_t control, uint32_t len, uint64_t addr)
{
    uint8_t *req = (uint8_t *)region_ram_ptr(&ram) + REQUEST;
    stl_be(req, control);
    stl_be(req + 4, len);
    stq_be(req + 8, addr);
    out(DMA, 4, 0);
    out(DMA + 4, 4, GUINT32_SWAP_LE_BE(REQUEST));
    return ldl_be(req);
}

static void test_files(void)
{
    Error *err = NULL;
    g_assert_true(fw_cfg_add_file(fw, "opt/m", "mm", 2, NULL));
    g_assert_cmphex(key_of("opt/m"), ==, 0x20);
    g_assert_true(fw_cfg_add_file(fw, "opt/z", "z", 1, NULL));
    g_assert_true(fw_cfg_add_file(fw, "opt/a", "a", 1, NULL)); /* files are sorted: the others move */
    g_assert_cmphex(key_of("opt/a"), ==, 0x20);
    g_assert_cmphex(key_of("opt/m"), ==, 0x21);
    g_assert_cmphex(key_of("opt/z"), ==, 0x22);
    g_assert_true(fw_cfg_add_file(fw, "opt/m", "longer", 6, NULL)); /* replaces */
    size_t len;
    g_assert_cmpmem(fw_cfg_file_data(fw, "opt/m", &len), 6, "longer", 6);
    g_assert_cmpuint(len, ==, 6);
    out(SELECT, 2, 0x21);
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmphex(in(DATA, 1), ==, i < 6 ? "longer"[i] : 0);
    g_assert_null(fw_cfg_file_data(fw, "opt/none", NULL));
    g_autofree char *name = g_strnfill(56, 'x');
    g_assert_false(fw_cfg_add_file(fw, name, "", 0, &err));
    g_clear_pointer(&err, error_free);
    for (unsigned i = 3; i < 0x20; i++) {
        g_autofree char *n = g_strdup_printf("fill/%u", i);
        g_assert_true(fw_cfg_add_file(fw, n, "x", 1, NULL));
    }
    g_assert_false(fw_cfg_add_file(fw, "one/more", "x", 1, &err));
    g_assert_nonnull(strstr(error_text(err), "file slots"));
    error_free(err);
}

static void on_select(void *opaque)
{
    selected++;
}

static void on_write(void *opaque, size_t off, size_t len)
{
    written_off = off;
    written_len = len;
}

static void test_writable(void)
{
    uint8_t *mem = region_ram_ptr(&ram);
    g_assert_true(fw_cfg_add_file_callback(fw, "fill/9", "12345678", 8, on_select, on_write, NULL, true, NULL));
    uint16_t key = key_of("fill/9");
    out(SELECT, 2, key);
    g_assert_cmpuint(selected, ==, 1);
    g_assert_cmphex(in(DATA, 1), ==, '1');
    memcpy(mem + 0x200, "abc", 3);
    g_assert_cmphex(dma((uint32_t)key << 16 | 8 | 4, 2, 0), ==, 0); /* select, skip 2 */
    g_assert_cmphex(dma(16, 3, 0x200), ==, 0);
    g_assert_cmpuint(written_off, ==, 2);
    g_assert_cmpuint(written_len, ==, 3);
    g_assert_cmpmem(fw_cfg_file_data(fw, "fill/9", NULL), 8, "12abc678", 8);
    g_assert_cmphex(dma((uint32_t)key << 16 | 8 | 16, 9, 0x200), ==, 1); /* more than it has */
    g_assert_cmphex(dma((uint32_t)key << 16 | 8 | 16, 4, 0xffff0000), ==, 1);
    g_assert_cmpmem(fw_cfg_file_data(fw, "fill/9", NULL), 8, "12abc678", 8);
}

static void test_hostile_dma(void)
{
    uint8_t *mem = region_ram_ptr(&ram);
    memset(mem + 0x1000, 0xee, 0x1000);
    g_assert_cmphex(dma(0 << 16 | 8 | 2, 0x1000, 0x1000), ==, 0); /* 4 bytes, then zeroes */
    g_assert_cmpmem(mem + 0x1000, 4, "QEMU", 4);
    g_assert_cmphex(mem[0x1004] | mem[0x1fff], ==, 0);
    g_assert_cmphex(dma(0 << 16 | 8 | 2, UINT32_MAX, RAM_SIZE / 2), ==, 1); /* runs out of memory: ends there */
    g_assert_cmphex(dma(4, UINT32_MAX, 0), ==, 0);
    g_assert_cmphex(dma(2, 1, UINT64_MAX), ==, 1);
    g_assert_cmphex(dma(0x7fff << 16 | 8 | 2, 16, 0x1000), ==, 0); /* no such item: zeroes */
    g_assert_cmphex(mem[0x1000], ==, 0);
    out(DMA, 4, 0xffffffff); /* a request that is nowhere */
    out(DMA + 4, 4, 0xffffffff);
    out(SELECT, 2, 0x9000);
    g_assert_cmphex(in(DATA, 1), ==, 0);
    mem[REQUEST + 3] = 0x77; /* an address of 0 with nothing to do */
    g_assert_cmphex(dma(0, 0, 0), ==, 0);
}

/* An item in a file: by port and by DMA, again after a reset, past its end, when the file has become shorter. */
static void test_in_file(void)
{
    enum { LEN = 0x9000, OFF = 5 };
    uint8_t *mem = region_ram_ptr(&ram), *want = g_malloc(LEN);
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("fw-cfg-XXXXXX", &path, NULL);
    for (unsigned i = 0; i < LEN; i++)
        want[i] = i * 7 + (i >> 8);
    g_assert_cmpint(write(fd, want, LEN), ==, LEN);
    fw_cfg_add_from_file(fw, FW_CFG_INITRD_DATA, fd, OFF, LEN - OFF, path);
    for (unsigned round = 0; round < 2; round++) {
        out(SELECT, 2, FW_CFG_INITRD_DATA);
        for (unsigned i = 0; i < 0x2000; i++)
            g_assert_cmphex(in(DATA, 1), ==, want[OFF + i]);
        g_assert_cmphex(dma(2, 0x6000, 0x2000), ==, 0); /* goes on where the port was */
        g_assert_cmpmem(mem + 0x2000, 0x6000, want + OFF + 0x2000, 0x6000);
        g_assert_cmphex(in(DATA, 1), ==, want[OFF + 0x8000]);
        g_assert_cmphex(dma(2, 0x1000, 0x2000), ==, 0); /* the rest, then zeroes */
        g_assert_cmpmem(mem + 0x2000, LEN - OFF - 0x8001, want + OFF + 0x8001, LEN - OFF - 0x8001);
        g_assert_cmphex(mem[0x2000 + LEN - OFF - 0x8001] | mem[0x2fff], ==, 0);
        g_assert_cmphex(in(DATA, 1), ==, 0);
        device_reset((Device *)fw);
    }
    g_assert_cmphex(dma(FW_CFG_INITRD_DATA << 16 | 8 | 16, 1, 0x2000), ==, 1); /* not to be written */
    g_assert_cmphex(dma(FW_CFG_INITRD_DATA << 16 | 8 | 2, 0x8000, RAM_SIZE - 0x1000), ==, 1);
    if (g_test_subprocess()) {
        g_assert_cmpint(ftruncate(fd, 0x1000), ==, 0);
        memset(mem + 0x2000, 0xee, 0x2000);
        g_assert_cmphex(dma(FW_CFG_INITRD_DATA << 16 | 8 | 2, 0x2000, 0x2000), ==, 0);
        g_assert_cmpmem(mem + 0x2000, 0x1000 - OFF, want + OFF, 0x1000 - OFF);
        g_assert_cmphex(mem[0x3000 - OFF] | mem[0x3fff], ==, 0);
    } else {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*was changed while the machine was running*zeroes*");
    }
    fw_cfg_add_bytes(fw, FW_CFG_INITRD_DATA, "gone", 4); /* closes it */
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
    unlink(path);
    g_free(want);
}

/* Hot plug: a device comes, the guest is told; it ejects one that was asked to go. */

typedef struct Probe {
    PciDevice pci;
} Probe;
static const PciInfo probe_info = {.vendor = 1, .device = 2, .class_id = 0xff00};
static const DeviceDesc probe = {
    .name = "probe", .bus = BUS_PCI, .size = sizeof(Probe), .flags = DEV_HOTPLUG, .pci = &probe_info};
static const DeviceDesc fixed = {.name = "fixed", .bus = BUS_PCI, .size = sizeof(Probe), .pci = &probe_info};
static unsigned sci;

static void sci_changed(void *opaque, unsigned n, int level)
{
    sci = level;
}

static void test_hotplug(void)
{
    static AcpiRegs regs;
    static AcpiPciHotplug hp;
    PciBus *bus = pci_root_bus_new(NULL, "pci.0", &system_memory, &system_io, 0);
    Device *board = device_new(&fixed), *card = device_new(&probe);
    acpi_regs_init(&regs, NULL, irq_new(sci_changed, NULL, 0), 0xafe0);
    acpi_pcihp_init(&hp, NULL, &regs, bus, 0xae00);
    g_assert_true(device_realize(board, &bus->bus, NULL));
    g_assert_cmphex(in(0xae00 + 12, 4), ==, 0xfffffffe);
    regs.gpe_en = GPE_PCI_HOTPLUG;
    machine_ready = true;
    g_assert_true(device_realize(card, &bus->bus, NULL));
    g_assert_cmpuint(sci, ==, 1);
    g_assert_cmphex(in(0xafe0, 1), ==, 2);
    g_assert_cmphex(in(0xae00, 4), ==, 2);
    g_assert_cmphex(in(0xae00, 4), ==, 0); /* told once */
    out(0xafe0, 1, 2);
    g_assert_cmpuint(sci, ==, 0);
    g_assert_true(device_del(card, NULL));
    g_assert_nonnull(pci_find(bus, 0, 8));
    g_assert_cmphex(in(0xae04, 4), ==, 2);
    g_assert_cmpuint(sci, ==, 1);
    out(0xae10, 4, 5); /* another bus's */
    g_assert_cmphex(in(0xae04, 4), ==, 0);
    out(0xae08, 4, 2);
    g_assert_nonnull(pci_find(bus, 0, 8));
    out(0xae10, 4, 0xffffffff);
    g_assert_cmphex(in(0xae00, 4) | in(0xae04, 4), ==, 0);
    out(0xae10, 4, 0);
    out(0xae08, 4, 2);
    g_assert_null(pci_find(bus, 0, 8));
    out(0xae08, 4, 1); /* part of the board */
    g_assert_nonnull(pci_find(bus, 0, 0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    memory_init();
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    bool ok = region_init_ram(&ram, NULL, "ram", RAM_SIZE, NULL);
    g_assert_true(ok);
    region_add(&system_memory, 0, &ram);
    fw = (FwCfg *)device_create("fw_cfg_io", NULL, NULL);
    g_test_add_func("/hw/fw-cfg/files", test_files);
    g_test_add_func("/hw/fw-cfg/writable", test_writable);
    g_test_add_func("/hw/fw-cfg/hostile-dma", test_hostile_dma);
    g_test_add_func("/hw/fw-cfg/in-file", test_in_file);
    g_test_add_func("/hw/acpi/pci-hotplug", test_hotplug);
    return g_test_run();
}
