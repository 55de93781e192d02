/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APICs of three CPUs that do not run: priorities, messages, timer, IPIs, x2APIC, and with PIC and I/O APIC
 * beside. */
#include "hw/intc/lapic.h"

#include "accel/accel.h"
#include "accel/qtest/qtest.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic-bus.h"
#include "hw/isa/isa.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"

enum { CPUS = 3, X2APIC_BIT = 21, DEADLINE_BIT = 24 };
static X86CPU *cpu[CPUS];
static CpuidEntry leaf1 = {.leaf = 1};
static Irq *pic[16], *gsi[GSI_COUNT];
static Device *io;

static Lapic *apic_of(unsigned n)
{
    return cpu[n]->apic;
}
static void wr(unsigned n, unsigned reg, uint32_t val)
{
    lapic_mmio_write(apic_of(n), reg, val);
}
static uint32_t rd(unsigned n, unsigned reg)
{
    return lapic_mmio_read(apic_of(n), reg);
}
static bool requested(unsigned n, unsigned what)
{
    return cpu[n]->interrupt_request & what;
}
static bool pending(unsigned n)
{
    bool yes = cpu[n]->irq_ops->pending(cpu[n]);
    g_assert_cmpint(requested(n, CPU_INTERRUPT_HARD), ==, yes);
    return yes;
}
static int ack(unsigned n)
{
    return cpu[n]->irq_ops->acknowledge(cpu[n]);
}
static void eoi(unsigned n)
{
    wr(n, APIC_EOI, 0);
}
static void advance(int64_t ns)
{
    clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + ns);
}

/* All as after a reset, with APICs enabled by software. */
static void fresh(void)
{
    devices_reset_all();
    for (unsigned n = 0; n < CPUS; n++) {
        cpu[n]->interrupt_request = 0;
        cpu[n]->sipi_vector = 0;
        wr(n, APIC_SVR, 0x1ff);
    }
}

static void test_reset(void)
{
    devices_reset_all();
    g_assert_cmphex(rd(1, APIC_ID), ==, 1 << 24);
    g_assert_cmphex(rd(1, APIC_VERSION), ==, 0x00050014);
    g_assert_cmphex(rd(1, APIC_DFR), ==, 0xffffffff);
    g_assert_cmphex(rd(1, APIC_SVR), ==, 0xff);
    g_assert_cmphex(rd(0, APIC_LVT + LVT_LINT0), ==, 0x10000);
    g_assert_cmphex(rd(1, APIC_LVT + LVT_LINT0), ==, 0x10000);
    g_assert_cmphex(cpu[0]->irq_ops->get_base(cpu[0]), ==, 0xfee00900);
    g_assert_cmphex(cpu[1]->irq_ops->get_base(cpu[1]), ==, 0xfee00800);
    /* disabled by software: fixed interrupts vanish, masks cannot be cleared */
    apic_bus_deliver(1, false, APIC_DM_FIXED, 0x40, false);
    g_assert_false(pending(1));
    wr(1, APIC_LVT + LVT_TIMER, 0x40);
    g_assert_cmphex(rd(1, APIC_LVT + LVT_TIMER), ==, 0x10040);
}

static void test_priorities(void)
{
    fresh();
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x45, false);
    g_assert_true(pending(0));
    g_assert_cmphex(rd(0, APIC_IRR + 2), ==, BIT32(5));
    g_assert_cmphex(ack(0), ==, 0x45);
    g_assert_cmphex(rd(0, APIC_ISR + 2), ==, BIT32(5));
    g_assert_cmphex(rd(0, APIC_PPR), ==, 0x40);
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x4f, false); /* the same class waits */
    g_assert_false(pending(0));
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x51, false); /* a higher one nests */
    g_assert_cmphex(ack(0), ==, 0x51);
    eoi(0);
    g_assert_false(pending(0));
    eoi(0);
    g_assert_true(pending(0));
    cpu[0]->irq_ops->set_tpr(cpu[0], 4); /* CR8 */
    g_assert_cmphex(rd(0, APIC_TPR), ==, 0x40);
    g_assert_false(pending(0));
    g_assert_cmphex(ack(0), ==, 0xff); /* an INTA cycle that came too late: the spurious vector */
    cpu[0]->irq_ops->set_tpr(cpu[0], 3);
    g_assert_cmphex(ack(0), ==, 0x4f);
    eoi(0);
    g_assert_false(pending(0));
    /* a vector below 16 is an error, told by the error interrupt */
    wr(0, APIC_LVT + LVT_ERROR, 0xe1);
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x05, false);
    g_assert_cmphex(rd(0, APIC_ESR), ==, 0); /* until it is written */
    wr(0, APIC_ESR, 0);
    g_assert_cmphex(rd(0, APIC_ESR), ==, 0x40);
    g_assert_cmphex(ack(0), ==, 0xe1);
    eoi(0);
    wr(0, APIC_ESR, 0);
    g_assert_cmphex(rd(0, APIC_ESR), ==, 0);
    (void)rd(0, 0x04); /* a reserved register */
    wr(0, APIC_ESR, 0);
    g_assert_cmphex(rd(0, APIC_ESR), ==, 0x80);
}

static void test_destinations(void)
{
    fresh();
    apic_msi_deliver(0xfee00000 | 2 << 12, 0x0061);
    g_assert_false(pending(0) || pending(1));
    g_assert_cmphex(ack(2), ==, 0x61);
    eoi(2);
    apic_msi_deliver(0xfee00000 | 0xff << 12, 0x0062);
    for (unsigned n = 0; n < CPUS; n++)
        g_assert_cmphex(ack(n), ==, 0x62);
    for (unsigned n = 0; n < CPUS; n++) {
        eoi(n);
        wr(n, APIC_LDR, 1u << (24 + n));
    }
    apic_msi_deliver(0xfee00004 | 5 << 12, 0x0063); /* logical, flat: 0 and 2 */
    g_assert_true(pending(0) && !pending(1) && pending(2));
    for (unsigned n = 0; n < CPUS; n++) {
        wr(n, APIC_DFR, 0x0fffffff);
        wr(n, APIC_LDR, (n == 2 ? 0x21u : 0x10u | 1u << n) << 24);
    }
    g_assert_cmphex(ack(0), ==, 0x63);
    g_assert_cmphex(ack(2), ==, 0x63);
    eoi(0);
    eoi(2);
    apic_msi_deliver(0xfee00004 | 0x13 << 12, 0x0064); /* cluster 1, members 0 and 1 */
    g_assert_true(pending(0) && pending(1) && !pending(2));
    g_assert_cmphex(ack(0), ==, 0x64);
    g_assert_cmphex(ack(1), ==, 0x64);
    eoi(1);
    /* lowest priority: one takes it, not the one that is busy with a higher class */
    apic_msi_deliver(0xfee0000c | 0x13 << 12, 0x0131);
    g_assert_true(pending(1) && !pending(0) && !pending(2));
    /* a line of the window is a message for everybody who is no CPU */
    as_store(&as_memory, 0xfee02000, 4, 0x71, NULL);
    g_assert_cmphex(ack(2), ==, 0x71);
}

static void test_ipis(void)
{
    fresh();
    wr(0, APIC_ICR2, 1 << 24);
    wr(0, APIC_ICR, 0x4500); /* INIT */
    g_assert_true(requested(1, CPU_INTERRUPT_INIT));
    g_assert_false(requested(2, CPU_INTERRUPT_INIT));
    cpu_reset_interrupt(cpu[1], CPU_INTERRUPT_INIT);
    wr(0, APIC_ICR, 0x8500); /* its de-assertion does nothing */
    g_assert_false(requested(1, CPU_INTERRUPT_INIT));
    wr(0, APIC_ICR, 0x0000469f); /* SIPI */
    g_assert_true(requested(1, CPU_INTERRUPT_SIPI));
    g_assert_cmphex(cpu[1]->sipi_vector, ==, 0x9f);
    wr(0, APIC_ICR, 0x000c4480); /* NMI to all others */
    g_assert_true(!requested(0, CPU_INTERRUPT_NMI) && requested(1, CPU_INTERRUPT_NMI) &&
                  requested(2, CPU_INTERRUPT_NMI));
    wr(0, APIC_ICR, 0x00080090); /* to all */
    for (unsigned n = 0; n < CPUS; n++)
        g_assert_cmphex(ack(n), ==, 0x90);
    wr(1, APIC_ICR, 0x000400a0); /* to self */
    g_assert_true(!pending(0) && !pending(2));
    g_assert_cmphex(ack(1), ==, 0xa0);
    wr(1, APIC_ICR, 0x00000003); /* an illegal vector */
    wr(1, APIC_ESR, 0);
    g_assert_cmphex(rd(1, APIC_ESR), ==, 0x20);
    /* INIT leaves the id and the base */
    wr(1, APIC_ID, 7 << 24);
    cpu[1]->irq_ops->init(cpu[1]);
    g_assert_cmphex(rd(1, APIC_ID), ==, 7 << 24);
    g_assert_cmphex(rd(1, APIC_ISR + 5), ==, 0);
}

static void test_timer(void)
{
    fresh();
    wr(0, APIC_TIMER_DIVIDE, 0x0b); /* by 1 */
    wr(0, APIC_LVT + LVT_TIMER, 0x30);
    wr(0, APIC_TIMER_INITIAL, 1000);
    advance(400);
    g_assert_cmpuint(rd(0, APIC_TIMER_CURRENT), ==, 600);
    advance(599);
    g_assert_false(pending(0));
    advance(1);
    g_assert_cmphex(ack(0), ==, 0x30);
    eoi(0);
    g_assert_cmpuint(rd(0, APIC_TIMER_CURRENT), ==, 0);
    advance(10000);
    g_assert_false(pending(0));
    static const uint8_t conf[8] = {0x0b, 0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a}; /* 1, 2, 4 ... 128 */
    for (unsigned shift = 0; shift < 8; shift++) {
        wr(0, APIC_TIMER_DIVIDE, conf[shift]);
        wr(0, APIC_LVT + LVT_TIMER, 0x20031); /* periodic */
        wr(0, APIC_TIMER_INITIAL, 5000);
        for (unsigned i = 0; i < 5; i++) {
            advance((5000 << shift) - 1);
            g_assert_false(pending(0));
            advance(1);
            g_assert_cmphex(ack(0), ==, 0x31);
            eoi(0);
        }
    }
    wr(0, APIC_LVT + LVT_TIMER, 0x30031); /* masked */
    advance(10 * NS_PER_MS);
    g_assert_false(pending(0));
    wr(0, APIC_LVT + LVT_TIMER, 0x20031); /* the count went on */
    advance(5000 << 7);
    g_assert_true(pending(0));
    (void)ack(0);
    eoi(0);
    wr(0, APIC_TIMER_INITIAL, 0);
    /* TSC deadline: at 1 GHz a tick is 1 ns */
    uint64_t v;
    wr(0, APIC_LVT + LVT_TIMER, 0x40032);
    g_assert_true(cpu[0]->irq_ops->msr_write(cpu[0], 0x6e0, clock_ns(CLOCK_VIRTUAL) + 777));
    advance(776);
    g_assert_false(pending(0));
    advance(1);
    g_assert_cmphex(ack(0), ==, 0x32);
    eoi(0);
    g_assert_true(cpu[0]->irq_ops->msr_read(cpu[0], 0x6e0, &v));
    g_assert_cmphex(v, ==, 0);
    /* One that the counter has passed is past, however late the timer is: with a masked entry nothing comes later. */
    wr(0, APIC_LVT + LVT_TIMER, 0x50032);
    g_assert_true(cpu[0]->irq_ops->msr_write(cpu[0], 0x6e0, cpu_tsc(cpu[0]) + 777));
    cpu[0]->tsc_offset += 778;
    g_assert_true(cpu[0]->irq_ops->msr_read(cpu[0], 0x6e0, &v));
    g_assert_cmphex(v, ==, 0);
    g_assert_true(cpu[0]->irq_ops->msr_write(cpu[0], 0x6e0, cpu_tsc(cpu[0]) + 777));
    cpu[0]->tsc_offset += 778;
    wr(0, APIC_LVT + LVT_TIMER, 0x40032);
    advance(10000);
    g_assert_false(pending(0));
    g_assert_true(cpu[0]->irq_ops->msr_write(cpu[0], 0x6e0, cpu_tsc(cpu[0]) + 777));
    cpu[0]->tsc_offset += 778;
    g_assert_true(cpu[0]->irq_ops->msr_write(cpu[0], 0x6e0, 0)); /* too late to disarm it */
    g_assert_cmphex(ack(0), ==, 0x32);
    eoi(0);
    cpu[0]->tsc_offset = 0;
}

static void test_x2apic(void)
{
    uint64_t v;
    fresh();
    const CpuIrqOps *ops = cpu[1]->irq_ops;
    g_assert_false(ops->msr_read(cpu[1], 0x802, &v)); /* #GP in xAPIC mode */
    ops->set_base(cpu[1], 0xfee00c00);
    ops->set_base(cpu[2], 0xfee00c00);
    g_assert_true(ops->msr_read(cpu[1], 0x802, &v));
    g_assert_cmphex(v, ==, 1);
    g_assert_true(ops->msr_read(cpu[2], 0x80d, &v));
    g_assert_cmphex(v, ==, 4);
    g_assert_false(ops->msr_write(cpu[1], 0x80d, 1));     /* LDR is read-only */
    g_assert_false(ops->msr_read(cpu[1], 0x80b, &v));     /* EOI is write-only */
    g_assert_false(ops->msr_write(cpu[1], 0x80b, 1));     /* and takes 0 only */
    g_assert_false(ops->msr_write(cpu[1], 0x80e, 0));     /* no DFR */
    g_assert_false(ops->msr_write(cpu[1], 0x808, 0x100)); /* reserved bits */
    g_assert_false(ops->msr_write(cpu[1], 0x83f, 0x100));
    g_assert_true(ops->msr_write(cpu[1], 0x83f, 0x55)); /* self IPI */
    g_assert_cmphex(ack(1), ==, 0x55);
    g_assert_true(ops->msr_write(cpu[1], 0x830, 2ULL << 32 | 0x77)); /* the whole ICR at once, physical 2 */
    g_assert_cmphex(ack(2), ==, 0x77);
    g_assert_true(ops->msr_write(cpu[1], 0x830, 6ULL << 32 | 0x888)); /* logical: cluster 0, members 1 and 2 */
    g_assert_true(pending(1) && pending(2) && !pending(0));
    g_assert_cmphex(rd(1, APIC_ID), ==, 0); /* the page is gone */
    ops->set_base(cpu[1], 0xfee00800);      /* back without going through "disabled": refused */
    g_assert_cmphex(ops->get_base(cpu[1]), ==, 0xfee00c00);
    ops->set_base(cpu[1], 0xfee00000);
    ops->set_base(cpu[1], 0xfee00800);
    g_assert_cmphex(rd(1, APIC_ID), ==, 1 << 24);
}

static uint32_t load(AddressSpace *as, uint64_t addr)
{
    MemResult res = MEM_OK;
    uint32_t v = as_load(as, addr, 4, &res);
    g_assert_cmpint(res, ==, MEM_OK);
    return v;
}
static void store(AddressSpace *as, uint64_t addr, uint32_t val)
{
    MemResult res = MEM_OK;
    as_store(as, addr, 4, val, &res);
    g_assert_cmpint(res, ==, MEM_OK);
}

/* The base: whose registers are in the window, and in the page that goes with the CPU. */
static void test_base(void)
{
    fresh();
    current_cpu = cpu[1];
    const CpuIrqOps *ops = cpu[1]->irq_ops;
    g_assert_cmphex(load(&as_memory, APIC_DEFAULT_BASE + 0x20), ==, 1 << 24);
    g_assert_cmphex(load(cpu_apic_space, 0x20), ==, 1 << 24);
    ops->set_base(cpu[1], 0x1234567800);
    g_assert_cmphex(ops->get_base(cpu[1]), ==, 0x1234567800);
    g_assert_true(lapic_moved(apic_of(1)));
    g_assert_cmphex(load(&as_memory, APIC_DEFAULT_BASE + 0x20), ==, 0);
    g_assert_cmphex(load(cpu_apic_space, 0x20), ==, 1 << 24);
    store(cpu_apic_space, 0x80, 0x20);
    g_assert_cmphex(rd(1, APIC_TPR), ==, 0x20);
    store(cpu_apic_space, 0x84, 0x30); /* no register */
    store(cpu_apic_space, 0, 0x45);    /* nor a message */
    g_assert_cmphex(rd(1, APIC_TPR), ==, 0x20);
    g_assert_false(pending(0));
    store(&as_memory, APIC_DEFAULT_BASE + 0x80, 0x47); /* what was its TPR: a message to nobody */
    g_assert_cmphex(rd(1, APIC_TPR), ==, 0x20);
    store(&as_memory, APIC_DEFAULT_BASE + 0x10, 0x46); /* and one to APIC 0 */
    g_assert_cmphex(ack(0), ==, 0x46);
    eoi(0);
    current_cpu = cpu[2]; /* the other's is where it was */
    g_assert_cmphex(load(&as_memory, APIC_DEFAULT_BASE + 0x20), ==, 2 << 24);
    current_cpu = cpu[1];
    ops->init(cpu[1]); /* INIT leaves it */
    g_assert_cmphex(ops->get_base(cpu[1]), ==, 0x1234567800);
    ops->set_base(cpu[1], 0x1234567000);
    g_assert_cmphex(load(cpu_apic_space, 0x20), ==, 0); /* off */
    ops->set_base(cpu[1], 0x1234567800);
    /* and the stream has all of it */
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(cpu[1]->apic_device, w, NULL));
    g_autoptr(GByteArray) bytes = vm_writer_finish(w);
    fresh();
    g_assert_cmphex(ops->get_base(cpu[1]), ==, 0xfee00800);
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_true(device_load(cpu[1]->apic_device, r, NULL));
    vm_reader_free(r);
    g_assert_cmphex(ops->get_base(cpu[1]), ==, 0x1234567800);
    current_cpu = NULL;
    g_assert_cmphex(load(cpu_apic_space, 0x20), ==, 0); /* nobody's */
    store(cpu_apic_space, 0x20, 1);
    fresh();
}

/* INIT and SIPI of a CPU in SMM, and what wakes one that is halted. */
static void test_held(void)
{
    fresh();
    X86CPU *c = cpu[1];
    c->mp_state = MP_RUNNABLE;
    g_assert_cmphex(cpu_init_requests(c, ~0U), ==, CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI);
    c->in_smm = true;
    g_assert_cmphex(cpu_init_requests(c, ~0U), ==, CPU_INTERRUPT_SIPI);
    c->interrupt_request = CPU_INTERRUPT_INIT | CPU_INTERRUPT_SMI;
    g_assert_false(cpu_has_work(c));
    c->in_smm = false;
    g_assert_true(cpu_has_work(c));
    c->interrupt_request = CPU_INTERRUPT_SMI;
    g_assert_true(cpu_has_work(c));
    c->interrupt_request = CPU_INTERRUPT_NMI;
    g_assert_true(cpu_has_work(c));
    c->nmi_masked = true;
    g_assert_false(cpu_has_work(c));
    c->nmi_masked = false;
    c->interrupt_request = 0;
    g_assert_false(cpu_has_work(c));
}

static void isa_out(uint16_t port, uint8_t val)
{
    io_write(port, val, 1);
}

static void test_pic(void)
{
    fresh();
    wr(0, APIC_LVT + LVT_LINT0, 0x700); /* ExtINT */
    isa_out(0x20, 0x11);
    isa_out(0x21, 0x08);
    isa_out(0x21, 0x04);
    isa_out(0x21, 0x01);
    isa_out(0xa0, 0x11);
    isa_out(0xa1, 0x70);
    isa_out(0xa1, 0x02);
    isa_out(0xa1, 0x01);
    isa_out(0x21, 0);
    isa_out(0xa1, 0);
    irq_raise(gsi[12]);
    g_assert_true(pending(0) && !pending(1));
    g_assert_cmphex(ack(0), ==, 0x74);
    g_assert_false(pending(0));
    isa_out(0xa0, 0x20);
    isa_out(0x20, 0x20);
    /* an APIC's interrupt goes first, the PIC's stays */
    irq_raise(gsi[4]);
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x80, false);
    g_assert_cmphex(ack(0), ==, 0x80);
    g_assert_cmphex(ack(0), ==, 0x0c);
    eoi(0);
    isa_out(0x20, 0x20);
    /* requested, then masked: the spurious vector of line 7, without an ISR bit */
    irq_lower(gsi[4]);
    irq_raise(gsi[4]);
    isa_out(0x21, 0x10);
    g_assert_cmphex(i8259_acknowledge(), ==, 0x0f);
    isa_out(0x21, 0x00);
    g_assert_cmphex(ack(0), ==, 0x0c);
    isa_out(0x20, 0x20);
    /* the slave's: line 15, with the master's line 2 in service and nothing in the slave */
    irq_raise(gsi[9]);
    isa_out(0xa1, 0x02);
    g_assert_cmphex(ack(0), ==, 0x77);
    isa_out(0xa0, 0x0b);
    g_assert_cmphex(io_read(0xa0, 1), ==, 0);
    isa_out(0x20, 0x20);
    isa_out(0xa1, 0x00);
    g_assert_cmphex(ack(0), ==, 0x71);
    /* LINT0 masked: not heard; the APIC off: straight through */
    isa_out(0xa0, 0x20);
    isa_out(0x20, 0x20);
    irq_lower(gsi[4]);
    wr(0, APIC_LVT + LVT_LINT0, 0x10700);
    irq_raise(gsi[4]);
    g_assert_false(pending(0));
    cpu[0]->irq_ops->set_base(cpu[0], 0xfee00000);
    g_assert_true(pending(0));
    g_assert_cmphex(ack(0), ==, 0x0c);
    cpu[0]->irq_ops->set_base(cpu[0], 0xfee00900);
    irq_lower(gsi[4]);
    irq_lower(gsi[9]);
    irq_lower(gsi[12]);
}

static void rte(unsigned pin, uint64_t val)
{
    as_store(&as_memory, IOAPIC_BASE, 4, 0x11 + 2 * pin, NULL);
    as_store(&as_memory, IOAPIC_BASE + 0x10, 4, val >> 32, NULL);
    as_store(&as_memory, IOAPIC_BASE, 4, 0x10 + 2 * pin, NULL);
    as_store(&as_memory, IOAPIC_BASE + 0x10, 4, (uint32_t)val, NULL);
}
static uint32_t rte_low(unsigned pin)
{
    as_store(&as_memory, IOAPIC_BASE, 4, 0x10 + 2 * pin, NULL);
    return as_load(&as_memory, IOAPIC_BASE + 0x10, 4, NULL);
}

static void test_ioapic(void)
{
    fresh();
    isa_out(0x21, 0xff); /* without the PIC */
    rte(2, 0x41);        /* GSI 0 arrives at pin 2 */
    irq_pulse(gsi[0]);
    g_assert_cmphex(ack(0), ==, 0x41);
    eoi(0);
    g_assert_false(pending(0));
    /* level: one interrupt until the EOI, then again while the line is high */
    rte(20, 2ULL << 56 | 0x8042);
    irq_raise(gsi[20]);
    g_assert_cmphex(rte_low(20), ==, 0xc042);
    g_assert_cmphex(ack(2), ==, 0x42);
    g_assert_cmphex(rd(2, APIC_TMR + 2), ==, BIT32(2));
    g_assert_false(pending(2));
    eoi(2); /* broadcast */
    g_assert_true(pending(2));
    g_assert_cmphex(ack(2), ==, 0x42);
    irq_lower(gsi[20]);
    eoi(2);
    g_assert_false(pending(2));
    g_assert_cmphex(rte_low(20), ==, 0x8042);
    /* an edge while masked is lost, the next one is not */
    rte(21, 0x10043);
    irq_raise(gsi[21]);
    rte(21, 0x43);
    g_assert_false(pending(0));
    irq_lower(gsi[21]);
    irq_raise(gsi[21]);
    g_assert_cmphex(ack(0), ==, 0x43);
    eoi(0);
    rte(22, 1ULL << 56 | 0x400); /* NMI */
    irq_raise(gsi[22]);
    g_assert_true(requested(1, CPU_INTERRUPT_NMI));
    /* a line that stays high through ten thousand EOIs is slowed down, not lost */
    rte(23, 0x8044);
    irq_raise(gsi[23]);
    unsigned times = 0;
    while (times < 20000 && pending(0)) {
        g_assert_cmphex(ack(0), ==, 0x44);
        eoi(0);
        times++;
    }
    g_assert_cmpuint(times, ==, 10000);
    advance(10 * NS_PER_MS);
    g_assert_cmphex(ack(0), ==, 0x44);
    irq_lower(gsi[20]);
    irq_lower(gsi[21]);
    irq_lower(gsi[22]);
    irq_lower(gsi[23]);
}

/* What is saved comes back: in another APIC of the same kind. */
static void test_save_load(void)
{
    fresh();
    wr(0, APIC_TIMER_DIVIDE, 0x0a);
    wr(0, APIC_LVT + LVT_TIMER, 0x20031);
    wr(0, APIC_TIMER_INITIAL, 5000);
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x45, false);
    g_assert_cmphex(ack(0), ==, 0x45);
    apic_bus_deliver(0, false, APIC_DM_FIXED, 0x66, true);
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(cpu[0]->apic_device, w, NULL));
    g_autoptr(GByteArray) bytes = vm_writer_finish(w);
    fresh();
    g_assert_false(pending(0));
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_true(device_load(cpu[0]->apic_device, r, NULL));
    vm_reader_free(r);
    g_assert_cmphex(ack(0), ==, 0x66);
    eoi(0);
    g_assert_cmphex(rd(0, APIC_ISR + 2), ==, BIT32(5));
    eoi(0);
    advance(5000 << 7);
    g_assert_cmphex(ack(0), ==, 0x31);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    memory_init();
    accel = &accel_qtest;
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    isa_bus_new(NULL, &system_io, &system_memory);
    apic_map_window();
    leaf1.reg[CPUID_ECX] = BIT32(X2APIC_BIT) | BIT32(DEADLINE_BIT);
    for (unsigned n = 0; n < CPUS; n++) {
        cpu[n] = g_aligned_alloc0(1, sizeof(X86CPU), _Alignof(X86CPU));
        cpu[n]->index = cpu[n]->apic_id = n;
        cpu[n]->cpuid = &leaf1;
        cpu[n]->n_cpuid = 1;
        cpu[n]->tsc_khz = 1000000;
        vcpus[n] = cpu[n];
        vcpu_count = n + 1;
        g_assert_true(lapic_attach(cpu[n], true, NULL));
    }
    g_assert_true(i8259_create(isa_bus, pic_int_line(), pic, NULL));
    io = ioapic_create(IOAPIC_BASE, NULL);
    g_assert_nonnull(io);
    gsi_create_lines(pic, io, gsi);
    g_test_add_func("/lapic/reset", test_reset);
    g_test_add_func("/lapic/priorities", test_priorities);
    g_test_add_func("/lapic/destinations", test_destinations);
    g_test_add_func("/lapic/ipis", test_ipis);
    g_test_add_func("/lapic/timer", test_timer);
    g_test_add_func("/lapic/x2apic", test_x2apic);
    g_test_add_func("/lapic/base", test_base);
    g_test_add_func("/lapic/held", test_held);
    g_test_add_func("/lapic/pic", test_pic);
    g_test_add_func("/lapic/ioapic", test_ioapic);
    g_test_add_func("/lapic/save-load", test_save_load);
    return g_test_run();
}
