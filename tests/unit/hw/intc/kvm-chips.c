/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that mirror the kernel's chips, with an accelerator that keeps what it is given: reset, save and load,
 * layouts. */
#include "accel/accel.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic-state.h"
#include "hw/isa/isa.h"
#include "hw/timer/i8254.h"
#include "hw/timer/i8254-state.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"

#include <linux/kvm.h>

static struct kvm_irqchip kernel_chip[3];
static struct kvm_pit_state2 kernel_pit;
static bool pit_made;
static unsigned last_gsi;
static int last_level;
static X86CPU *cpu;

static IrqchipMode mode(void)
{
    return IRQCHIP_KERNEL;
}
static bool chip_get(unsigned chip, void *state)
{
    memcpy(state, &kernel_chip[chip], sizeof(kernel_chip[chip]));
    return true;
}
static bool chip_set(unsigned chip, const void *state)
{
    memcpy(&kernel_chip[chip], state, sizeof(kernel_chip[chip]));
    return true;
}
static bool pit_create(Error **errp)
{
    return pit_made = true;
}
static bool pit_get(void *state)
{
    memcpy(state, &kernel_pit, sizeof(kernel_pit));
    return true;
}
static bool pit_set(const void *state)
{
    g_assert_true(pit_made);
    memcpy(&kernel_pit, state, sizeof(kernel_pit));
    return true;
}
static void set_gsi(unsigned gsi, int level)
{
    last_gsi = gsi;
    last_level = level;
}
static const AccelDesc fake = {.name = "fake",
                               .irqchip_mode = mode,
                               .irqchip_get = chip_get,
                               .irqchip_set = chip_set,
                               .pit_create = pit_create,
                               .pit_get = pit_get,
                               .pit_set = pit_set,
                               .set_gsi = set_gsi};

static GByteArray *save(Device *dev)
{
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(dev, w, NULL));
    return vm_writer_finish(w);
}
static void load(Device *dev, GByteArray *bytes)
{
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_true(device_load(dev, r, NULL));
    vm_reader_free(r);
}
static Device *find(const char *type, unsigned n)
{
    for (guint i = 0; i < isa_bus->bus.children->len; i++) {
        Device *d = isa_bus->bus.children->pdata[i];
        if (!strcmp(d->desc->name, type) && !n--)
            return d;
    }
    return NULL;
}

static void test_pic(void)
{
    Device *slave = find("kvm-i8259", 1);
    g_assert_nonnull(slave);
    memset(&kernel_chip[1], 0x11, sizeof(kernel_chip[1]));
    device_reset(slave);
    g_assert_cmphex(kernel_chip[1].chip_id, ==, KVM_IRQCHIP_PIC_SLAVE);
    g_assert_cmphex(kernel_chip[1].chip.pic.imr, ==, 0);
    g_assert_cmphex(kernel_chip[1].chip.pic.elcr_mask, ==, 0xde);
    struct kvm_pic_state *p = &kernel_chip[1].chip.pic;
    *p = (struct kvm_pic_state){.last_irr = 1,
                                .irr = 2,
                                .imr = 3,
                                .isr = 4,
                                .priority_add = 5,
                                .irq_base = 0x70,
                                .read_reg_select = 1,
                                .special_mask = 1,
                                .init_state = 2,
                                .auto_eoi = 1,
                                .init4 = 1,
                                .elcr = 0x0c,
                                .elcr_mask = 0xde};
    struct kvm_pic_state kept = *p;
    g_autoptr(GByteArray) bytes = save(slave);
    g_assert_cmpuint(bytes->len, ==, 16);
    g_assert_cmphex(bytes->data[2], ==, 3);
    memset(p, 0, sizeof(*p));
    load(slave, bytes);
    g_assert_cmpmem(p, sizeof(*p), &kept, sizeof(kept));
    bytes->data[4] = 9; /* no such priority */
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_false(device_load(slave, r, NULL));
    vm_reader_free(r);
}

static void test_ioapic(Device *io)
{
    struct kvm_ioapic_state *k = &kernel_chip[2].chip.ioapic;
    memset(k, 0, sizeof(*k));
    device_reset(io);
    g_assert_cmphex(k->base_address, ==, 0xfec00000);
    for (unsigned n = 0; n < 24; n++) {
        g_assert_cmphex(k->redirtbl[n].bits, ==, 0x10000);
        k->redirtbl[n].bits = 0x0100000000008000ULL * n;
    }
    k->id = 5;
    k->ioregsel = 0x12;
    k->irr = 0x808;
    g_autoptr(GByteArray) bytes = save(io);
    struct kvm_ioapic_state kept = *k;
    memset(k, 0, sizeof(*k));
    load(io, bytes);
    g_assert_cmpmem(k, sizeof(*k), &kept, sizeof(kept));
}
static Device *io_dev;
static void test_ioapic_fn(void)
{
    test_ioapic(io_dev);
}

static void test_lapic(void)
{
    Lapic *l = LAPIC(cpu->apic_device);
    g_assert_cmpstr(l->dev.desc->name, ==, "kvm-apic");
    g_assert_null(cpu->irq_ops);
    device_reset(&l->dev);
    g_assert_cmphex(cpu->apic_base, ==, 0xfee00900);
    g_assert_cmphex(ldl_le(cpu->lapic_page + 0x350), ==, 0x10000);
    g_assert_cmphex(ldl_le(cpu->lapic_page + 0x320), ==, 0x10000);
    g_assert_cmphex(ldl_le(cpu->lapic_page + 0xf0), ==, 0xff);
    /* each register that the page has comes back from the stream */
    static const uint16_t regs[] = {0x20,  0x80,  0xd0,  0xf0,  0x100, 0x170, 0x180, 0x200, 0x270,
                                    0x280, 0x300, 0x310, 0x320, 0x340, 0x360, 0x370, 0x380, 0x3e0};
    static const uint32_t vals[] = {0x02000000, 0x20,    0x04000000, 0x1ff,   0x10000, 0x80,  0x10000, 0x4,    0x8,
                                    0x40,       0xc4500, 0x01000000, 0x20031, 0x10400, 0x400, 0xfe,    123456, 0xb};
    for (unsigned i = 0; i < G_N_ELEMENTS(regs); i++)
        stl_le(cpu->lapic_page + regs[i], vals[i]);
    g_autoptr(GByteArray) bytes = save(&l->dev);
    device_reset(&l->dev);
    load(&l->dev, bytes);
    for (unsigned i = 0; i < G_N_ELEMENTS(regs); i++)
        g_assert_cmphex(ldl_le(cpu->lapic_page + regs[i]), ==, vals[i]);
}

static void test_pit(void)
{
    Device *pit = find("kvm-pit", 0);
    PitChannelInfo info;
    g_assert_nonnull(pit);
    device_reset(pit);
    g_assert_cmpuint(kernel_pit.channels[0].count, ==, 0x10000);
    g_assert_cmpuint(kernel_pit.channels[0].mode, ==, 3);
    g_assert_cmpuint(kernel_pit.channels[2].gate, ==, 0);
    kernel_pit.channels[2].count = 1193;
    kernel_pit.channels[2].mode = 2;
    pit_channel_info(pit, 2, &info);
    g_assert_cmpuint(info.initial_count, ==, 1193);
    g_assert_cmpint(info.mode, ==, 2);
    pit_set_gate(pit, 2, true);
    g_assert_cmpuint(kernel_pit.channels[2].gate, ==, 1);
    pit_set_irq_enabled(pit, false);
    g_assert_cmphex(kernel_pit.flags, ==, KVM_PIT_FLAGS_HPET_LEGACY);
    pit_set_irq_enabled(pit, true);
    g_assert_cmphex(kernel_pit.flags, ==, 0);
    g_autoptr(GByteArray) bytes = save(pit);
    g_assert_cmpuint(bytes->len, ==, 108);
    kernel_pit.channels[2].count = 7;
    load(pit, bytes);
    g_assert_cmpuint(kernel_pit.channels[2].count, ==, 1193);
}

static void test_gsi(void)
{
    Irq *lines[GSI_COUNT];
    gsi_create_lines(NULL, io_dev, lines);
    irq_raise(lines[19]);
    g_assert_cmpuint(last_gsi, ==, 19);
    g_assert_cmpint(last_level, ==, 1);
    irq_lower(lines[0]);
    g_assert_cmpuint(last_gsi, ==, 0);
    g_assert_cmpint(last_level, ==, 0);
    g_assert_null(pic_int_line());
    g_assert_false(i8259_pending());
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    memory_init();
    accel = &fake;
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    isa_bus_new(NULL, &system_io, &system_memory);
    Irq *pic[16];
    g_assert_true(i8259_create(isa_bus, NULL, pic, NULL));
    g_assert_nonnull(io_dev = ioapic_create(IOAPIC_BASE, NULL));
    g_assert_nonnull(i8254_create(isa_bus, NULL, NULL));
    cpu = g_aligned_alloc0(1, sizeof(X86CPU), _Alignof(X86CPU));
    vcpus[0] = cpu;
    vcpu_count = 1;
    g_assert_true(lapic_attach(cpu, true, NULL));
    g_test_add_func("/kvm-chips/pic", test_pic);
    g_test_add_func("/kvm-chips/ioapic", test_ioapic_fn);
    g_test_add_func("/kvm-chips/lapic", test_lapic);
    g_test_add_func("/kvm-chips/pit", test_pit);
    g_test_add_func("/kvm-chips/gsi", test_gsi);
    return g_test_run();
}
