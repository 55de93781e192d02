/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hw/pci: slots, BARs, command bits, ROM BAR, interrupt pins, capabilities, MSI, MSI-X, state; hw/isa's shared lines.
 */
#include "hw/core/machine.h"
#include "hw/i386/loader.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci-regs.h"
#include "softmmu/mainloop.h"

#include <unistd.h>

enum { IO_BAR = 0, MEM_BAR = 1, MEM64_BAR = 2 };

typedef struct Probe {
    PciDevice pci;
    IoRegion io, mem, mem64;
    bool want_msi, want_msix, fail;
} Probe;

static Probe *last;
static unsigned lines;
static GArray *messages; /* of MsiMessage */

static uint64_t probe_read(void *opaque, uint64_t off, unsigned size)
{
    return 0x50 + off;
}

static void probe_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}

static const IoOps probe_ops = {probe_read, probe_write, .min = 1, .max = 1};

static bool probe_realize(Device *dev, Error **errp)
{
    Probe *s = last = container_of(dev, Probe, pci.dev);
    region_init_io(&s->io, dev, &probe_ops, s, "probe-io", 32);
    region_init_container(&s->mem, dev, "probe-mem", 4096);
    region_init_io(&s->mem64, dev, &probe_ops, s, "probe-mem64", 1 << 20);
    pci_bar(&s->pci, IO_BAR, PCI_BAR_IO, &s->io);
    pci_bar(&s->pci, MEM_BAR, PCI_BAR_MEM32, &s->mem);
    pci_bar(&s->pci, MEM64_BAR, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->mem64);
    if (s->want_msi && !pci_msi_init(&s->pci, 0x50, 4, true, true, errp))
        return false;
    if (s->want_msix && !pci_msix_init(&s->pci, 5, &s->mem, MEM_BAR, 0, 0x800, 0x70, errp))
        return false;
    return !s->fail || error_set(errp, "as told");
}

static const PciInfo probe_info = {
    .vendor = 0x1234, .device = 0x5678, .class_id = 0xff00, .revision = 9, .intx_pin = 1};
static const Prop probe_props[] = {PROP_BOOL("msi", Probe, want_msi, false, ""),
                                   PROP_BOOL("msix", Probe, want_msix, false, ""),
                                   PROP_BOOL("fail", Probe, fail, false, ""),
                                   {}};
static const VmState probe_vmstate = {
    .name = "probe", .version = 1, .fields = (const VmField[]){VM_PCI_MSIX(Probe, pci), {}}};
static const DeviceDesc probe = {.name = "probe",
                                 .bus = BUS_PCI,
                                 .size = sizeof(Probe),
                                 .props = probe_props,
                                 .vmstate = &probe_vmstate,
                                 .realize = probe_realize,
                                 .pci = &probe_info};

static Probe *make(const char *props, Error **errp)
{
    Device *dev = device_new(&probe);
    g_auto(GStrv) list = g_strsplit(props, ",", -1);
    for (char **p = list; *p && **p; p++) {
        g_auto(GStrv) kv = g_strsplit(*p, "=", 2);
        bool ok = device_set_text(dev, kv[0], kv[1], NULL);
        g_assert_true(ok);
    }
    return device_realize(dev, &pci_root->bus, errp) ? last : NULL;
}

static uint32_t cfg(Probe *p, unsigned off, unsigned size)
{
    return pci_config_read(pci_root, p->pci.devfn, off, size);
}

static void set_cfg(Probe *p, unsigned off, uint32_t val, unsigned size)
{
    pci_config_write(pci_root, p->pci.devfn, off, val, size);
}

static uint8_t load8(AddressSpace *as, uint64_t addr)
{
    uint8_t v = 0;
    as_read(as, addr, &v, 1);
    return v;
}

static void test_slots(void)
{
    Error *err = NULL;
    Probe *a = make("", NULL), *b = make("", NULL), *c = make("addr=1f.7", NULL);
    g_assert_cmpint(a->pci.devfn, ==, 0);
    g_assert_cmpint(b->pci.devfn, ==, 8);
    g_assert_cmpint(c->pci.devfn, ==, 255);
    g_assert_cmphex(cfg(a, 0, 4), ==, 0x56781234);
    g_assert_cmphex(cfg(a, 0x2c, 4), ==, 0x11001af4);
    g_assert_cmphex(pci_config_read(pci_root, 16, 0, 4), ==, 0xffffffff);
    g_assert_cmphex(pci_config_read(pci_root, 16, 0, 1), ==, 0xff);
    g_assert_cmphex(pci_config_read(pci_root, 0x100, 0, 2), ==, 0xffff);
    g_assert_null(make("addr=1", &err));
    g_assert_nonnull(strstr(error_text(err), "slot 1 function 0 not available"));
    g_clear_pointer(&err, error_free);
    g_assert_null(make("addr=1.1", &err)); /* function 0 is not multifunction */
    g_clear_pointer(&err, error_free);
    g_assert_null(make("addr=2,fail=on", &err)); /* leaves nothing behind */
    g_clear_pointer(&err, error_free);
    g_assert_null(pci_find(pci_root, 0, 16));
    Probe *m0 = make("addr=2.0,multifunction=on", NULL), *m1 = make("addr=2.3", NULL);
    g_assert_cmphex(cfg(m0, 0x0e, 1), ==, 0x80);
    g_assert_cmphex(cfg(m1, 0x0e, 1), ==, 0);
    device_unrealize(&m1->pci.dev);
    device_unrealize(&m0->pci.dev);
    device_unrealize(&c->pci.dev);
    device_unrealize(&b->pci.dev);
    device_unrealize(&a->pci.dev);
    g_assert_null(pci_find(pci_root, 0, 0));
    static const char *const bad[] = {"20", "1.8", "-1", "x", "1.", "1.1.1", ""};
    Device *dev = device_new(&probe);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        g_assert_false(device_set_text(dev, "addr", bad[i], NULL));
    device_discard(dev);
}

static void test_bars(void)
{
    Probe *p = make("addr=3", NULL);
    set_cfg(p, 0x10, 0xffffffff, 4);
    set_cfg(p, 0x14, 0xffffffff, 4);
    set_cfg(p, 0x18, 0xffffffff, 4);
    set_cfg(p, 0x1c, 0xffffffff, 4);
    g_assert_cmphex(cfg(p, 0x10, 4), ==, 0xffffffe1);
    g_assert_cmphex(cfg(p, 0x14, 4), ==, 0xfffff000);
    g_assert_cmphex(cfg(p, 0x18, 4), ==, 0xfff0000c);
    g_assert_cmphex(cfg(p, 0x1c, 4), ==, 0xffffffff);
    set_cfg(p, 0x04, 7, 2); /* sizing with decoding on maps nothing */
    g_assert_cmphex(p->pci.bars[MEM_BAR].addr, ==, UINT64_MAX);
    set_cfg(p, 0x10, 0xc000, 4);
    set_cfg(p, 0x18, 0, 4);
    set_cfg(p, 0x1c, 2, 4); /* at 8 GiB */
    g_assert_cmphex(load8(&as_io, 0xc005), ==, 0x55);
    g_assert_cmphex(load8(&as_memory, 2ULL << 32 | 0x10), ==, 0x60);
    set_cfg(p, 0x04, 2, 2);
    g_assert_cmphex(load8(&as_io, 0xc005), ==, 0xff);
    g_assert_cmphex(load8(&as_memory, 2ULL << 32 | 0x10), ==, 0x60);
    set_cfg(p, 0x1c, 0, 4); /* address 0 is nowhere */
    g_assert_cmphex(p->pci.bars[MEM64_BAR].addr, ==, UINT64_MAX);
    set_cfg(p, 0x04, 1, 2);
    set_cfg(p, 0x10, 0x1c000, 4); /* beyond the ports */
    g_assert_cmphex(load8(&as_io, 0xc005), ==, 0xff);
    set_cfg(p, 0x10, 0xc000, 4);
    device_reset(&p->pci.dev);
    g_assert_cmphex(cfg(p, 0x10, 4), ==, 1);
    g_assert_cmphex(load8(&as_io, 0xc005), ==, 0xff);
    set_cfg(p, 0x10, 0xc000, 4);
    set_cfg(p, 0x04, 1, 2);
    device_unrealize(&p->pci.dev); /* while mapped */
    g_assert_cmphex(load8(&as_io, 0xc005), ==, 0xff);
}

static void test_config_rules(void)
{
    Probe *p = make("addr=3", NULL);
    for (unsigned off = 0; off < 4; off++)
        set_cfg(p, off, 0, 1);
    g_assert_cmphex(cfg(p, 0, 4), ==, 0x56781234);
    set_cfg(p, 0x04, 0xffff, 2);
    g_assert_cmphex(cfg(p, 0x04, 2), ==, 0x507);
    p->pci.config[7] = 0xf9; /* error bits: write one to clear */
    set_cfg(p, 6, 0x1000, 2);
    g_assert_cmphex(cfg(p, 6, 2), ==, 0xe900);
    set_cfg(p, 0xfe, 0x11223344, 4); /* across the end: nothing */
    g_assert_cmphex(cfg(p, 0xfe, 2), ==, 0);
    g_assert_cmphex(cfg(p, 0xfe, 4), ==, 0xffffffff);
    Error *err = NULL;
    g_assert_cmpint(pci_add_capability(&p->pci, 9, 0x80, 0x10, NULL), ==, 0x80);
    g_assert_cmpint(pci_add_capability(&p->pci, 9, 0x88, 4, &err), ==, 0);
    g_assert_nonnull(err);
    error_free(err);
    g_assert_cmpint(pci_add_capability(&p->pci, 1, 0, 8, NULL), ==, 0x40);
    g_assert_cmpint(pci_find_capability(&p->pci, 9), ==, 0x80);
    p->pci.config[0x41] = 0x40; /* a list that runs in a circle ends */
    g_assert_cmpint(pci_find_capability(&p->pci, 0x33), ==, 0);
    device_unrealize(&p->pci.dev);
}

static void test_intx(void)
{
    Probe *a = make("addr=3", NULL), *b = make("addr=7", NULL); /* both on line (3 + 0) & 3 */
    pci_set_irq(&a->pci, 1);
    g_assert_cmphex(lines, ==, 8);
    g_assert_cmphex(cfg(a, 6, 2) & 8, ==, 8);
    pci_set_irq(&b->pci, 1);
    pci_set_irq(&a->pci, 0);
    g_assert_cmphex(lines, ==, 8);
    set_cfg(b, 4, 0x400, 2); /* interrupt disable: the status shows it still */
    g_assert_cmphex(lines, ==, 0);
    g_assert_cmphex(cfg(b, 6, 2) & 8, ==, 8);
    set_cfg(b, 4, 0, 2);
    g_assert_cmphex(lines, ==, 8);
    device_unrealize(&b->pci.dev); /* gone with its pin high */
    g_assert_cmphex(lines, ==, 0);
    device_unrealize(&a->pci.dev);
}

static void test_msi(void)
{
    Probe *p = make("addr=3,msi=on", NULL);
    g_assert_cmphex(cfg(p, 0x34, 1), ==, 0x50);
    g_assert_cmphex(cfg(p, 0x50, 4), ==, 0x01840005);
    set_cfg(p, 0x54, 0xfee01003, 4);
    set_cfg(p, 0x58, 0, 4);
    set_cfg(p, 0x5c, 0x4047, 2);
    g_assert_cmphex(cfg(p, 0x54, 4), ==, 0xfee01000);
    set_cfg(p, 0x04, 4, 2);
    pci_msi_notify(&p->pci, 1);
    g_assert_cmpint(messages->len, ==, 0); /* not enabled */
    set_cfg(p, 0x52, 0x71, 2);             /* enabled, 128 vectors asked for, 4 offered */
    g_assert_cmphex(cfg(p, 0x52, 2), ==, 0x1a5);
    pci_msi_notify(&p->pci, 1);
    g_assert_cmpint(messages->len, ==, 1);
    g_assert_cmphex(g_array_index(messages, MsiMessage, 0).address, ==, 0xfee01000);
    g_assert_cmphex(g_array_index(messages, MsiMessage, 0).data, ==, 0x4045);
    set_cfg(p, 0x60, 4, 4); /* mask vector 2: pending, delivered when unmasked */
    pci_msi_notify(&p->pci, 2);
    g_assert_cmphex(cfg(p, 0x64, 4), ==, 4);
    g_assert_cmpint(messages->len, ==, 1);
    set_cfg(p, 0x60, 0, 4);
    g_assert_cmphex(cfg(p, 0x64, 4), ==, 0);
    g_assert_cmpint(messages->len, ==, 2);
    set_cfg(p, 0x04, 0, 2); /* a message is a bus-mastering write */
    pci_msi_notify(&p->pci, 0);
    g_assert_cmpint(messages->len, ==, 2);
    device_reset(&p->pci.dev);
    g_assert_cmphex(cfg(p, 0x52, 2), ==, 0x184);
    device_unrealize(&p->pci.dev);
    g_array_set_size(messages, 0);
}

static void store32(uint64_t addr, uint32_t val)
{
    uint8_t b[4];
    stl_le(b, val);
    as_write(&as_memory, addr, b, 4);
}

static uint32_t load32(uint64_t addr)
{
    uint8_t b[4];
    as_read(&as_memory, addr, b, 4);
    return ldl_le(b);
}

static void test_msix(void)
{
    enum { BASE = 0xe0000000 };
    Error *err = NULL;
    Probe *p = make("addr=3,msix=on", NULL), *twin;
    g_assert_cmphex(cfg(p, 0x70, 4), ==, 0x00040011);
    g_assert_cmphex(cfg(p, 0x74, 4), ==, 0x00000001);
    g_assert_cmphex(cfg(p, 0x78, 4), ==, 0x00000801);
    set_cfg(p, 0x14, BASE, 4);
    set_cfg(p, 0x04, 6, 2);
    store32(BASE + 0x20, 0xfee02000); /* entry 2 */
    store32(BASE + 0x28, 0x31);
    set_cfg(p, 0x72, 0x8000, 2);
    pci_msix_notify(&p->pci, 2);
    g_assert_cmpint(messages->len, ==, 0); /* masked from reset on */
    g_assert_cmphex(load32(BASE + 0x800), ==, 4);
    store32(BASE + 0x800, 0xff); /* read-only */
    g_assert_cmphex(load32(BASE + 0x800), ==, 4);
    set_cfg(p, 0x72, 0xc000, 2); /* the function's mask holds it further */
    store32(BASE + 0x2c, 0);
    g_assert_cmpint(messages->len, ==, 0);
    set_cfg(p, 0x72, 0x8000, 2);
    g_assert_cmpint(messages->len, ==, 1);
    g_assert_cmphex(g_array_index(messages, MsiMessage, 0).data, ==, 0x31);
    g_assert_cmphex(load32(BASE + 0x800), ==, 0);
    pci_msix_notify(&p->pci, 2);
    g_assert_cmpint(messages->len, ==, 2);
    pci_msix_notify(&p->pci, 5); /* no such vector */
    g_assert_true(pci_msix_masked(&p->pci, 5));
    pci_msix_notify(&p->pci, 4); /* pending, for the state */
    g_assert_cmpint(messages->len, ==, 2);

    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(&p->pci.dev, w, NULL));
    g_autoptr(GByteArray) bytes = vm_writer_finish(w);
    g_assert_cmpint(bytes->len, ==, 4 + 256 + 16 + 5 * 16 + 1);
    device_unrealize(&p->pci.dev);
    twin = make("addr=3,msix=on", NULL);
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_true(device_load(&twin->pci.dev, r, NULL));
    vm_reader_free(r);
    g_assert_cmphex(load32(BASE + 0x800), ==, 0x10); /* mapped where it was, bits as they were */
    pci_msix_notify(&twin->pci, 2);
    g_assert_cmpint(messages->len, ==, 3);
    for (unsigned i = 0; i < 2; i++) {
        unsigned at = 4 + (i ? 0x3d : 0); /* another vendor's device; one with another interrupt pin */
        bytes->data[at] ^= 1;
        r = vm_reader_new(bytes->data, bytes->len);
        g_assert_false(device_load(&twin->pci.dev, r, &err));
        g_assert_nonnull(strstr(error_text(err), "Bad config data"));
        g_clear_pointer(&err, error_free);
        vm_reader_free(r);
        bytes->data[at] ^= 1;
    }
    device_unrealize(&twin->pci.dev);
    g_array_set_size(messages, 0);
}

static void test_rom(void)
{
    Error *err = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("rom-XXXXXX", &path, NULL);
    uint8_t image[3000] = {0x55, 0xaa, 5};
    image[2999] = 0x77;
    g_assert_cmpint(write(fd, image, sizeof(image)), ==, sizeof(image));
    g_autofree char *props = g_strdup_printf("addr=3,romfile=%s", path);
    Probe *p = make(props, NULL);
    set_cfg(p, 0x30, 0xffffffff, 4);
    g_assert_cmphex(cfg(p, 0x30, 4), ==, 0xfffff001);
    set_cfg(p, 0x30, 0xe0000000, 4);
    set_cfg(p, 0x04, 2, 2);
    g_assert_cmphex(load8(&as_memory, 0xe0000000), ==, 0xff); /* its own enable bit */
    set_cfg(p, 0x30, 0xe0000001, 4);
    g_assert_cmphex(load8(&as_memory, 0xe0000000), ==, 0x55);
    g_assert_cmphex(load8(&as_memory, 0xe0000000 + 2999), ==, 0x77);
    device_unrealize(&p->pci.dev);
    g_autofree char *small = g_strdup_printf("addr=3,romfile=%s,romsize=2048", path);
    g_assert_null(make(small, &err));
    g_assert_nonnull(strstr(error_text(err), "too large"));
    g_clear_pointer(&err, error_free);
    g_assert_null(make("addr=3,romfile=/nonexistent", &err));
    g_clear_pointer(&err, error_free);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_null(make(props, &err));
    g_assert_nonnull(strstr(error_text(err), "is empty"));
    g_clear_pointer(&err, error_free);
    g_assert_null(make("addr=3,romsize=1000", &err));
    error_free(err);
    close(fd);
    unlink(path);
}

static unsigned isa_level;

static void isa_changed(void *opaque, unsigned n, int level)
{
    isa_level = level ? isa_level | 1u << n : isa_level & ~(1u << n);
}

static void test_isa_lines(void)
{
    Irq *raw[16];
    for (unsigned i = 0; i < 16; i++)
        raw[i] = irq_new(isa_changed, NULL, i);
    isa_bus_set_irqs(isa_bus, raw);
    Irq *a = isa_bus_claim(isa_bus, 9), *b = isa_bus_claim(isa_bus, 9);
    irq_raise(a);
    irq_raise(b);
    irq_raise(b);
    isa_bus_set_pirq(isa_bus, 9, true);
    irq_lower(a);
    isa_bus_set_pirq(isa_bus, 9, false);
    g_assert_cmphex(isa_level, ==, 1 << 9);
    irq_lower(b);
    g_assert_cmphex(isa_level, ==, 0);
}

static unsigned map_pin(PciBus *bus, PciDevice *d, unsigned pin)
{
    return (PCI_SLOT(d->devfn) + pin) & 3;
}

static void set_line(void *opaque, unsigned line, int level)
{
    lines = level ? lines | 1u << line : lines & ~(1u << line);
}

static void deliver(const MsiMessage *msg)
{
    g_array_append_val(messages, *msg);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    memory_init();
    messages = g_array_new(false, false, sizeof(MsiMessage));
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    pci_root_bus_new(NULL, "pci.0", &system_memory, &system_io, 0);
    pci_bus_irqs(pci_root, map_pin, set_line, NULL, 4);
    pci_msi_deliver = deliver;
    isa_bus_new(NULL, &system_io, &system_memory);
    g_test_add_func("/hw/pci/slots", test_slots);
    g_test_add_func("/hw/pci/bars", test_bars);
    g_test_add_func("/hw/pci/config-rules", test_config_rules);
    g_test_add_func("/hw/pci/intx", test_intx);
    g_test_add_func("/hw/pci/msi", test_msi);
    g_test_add_func("/hw/pci/msix", test_msix);
    g_test_add_func("/hw/pci/rom", test_rom);
    g_test_add_func("/hw/isa/lines", test_isa_lines);
    return g_test_run();
}
