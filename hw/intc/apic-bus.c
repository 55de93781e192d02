/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What connects local APICs: destinations (Intel SDM volume 3, 11.6.2), delivery modes, the message window at FEE00000h
 * (11.11), the PIC's INT pin, and a CPU's way to its interrupt controller.
 *
 * A message: address bits 19-12 destination, 11-5 its bits 14-8 (with "extended destination ids"), 3 lowest priority
 * hint, 2 logical; data bits 15 level-triggered, 10-8 delivery mode, 7-0 vector.
 */
#include "accel/accel.h"
#include "hw/intc/i8259.h"
#include "hw/intc/lapic-bus.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

#define WINDOW_SIZE 0x100000

enum { SHORT_NONE, SHORT_SELF, SHORT_ALL, SHORT_OTHERS };

uint32_t apic_bus_widen(uint32_t dest8)
{
    return (dest8 & 0xff) == 0xff ? APIC_BROADCAST : dest8 & 0xff;
}

static bool matches(const Lapic *l, uint32_t dest, bool logical)
{
    if (!lapic_enabled(l))
        return false;
    if (dest == APIC_BROADCAST)
        return true;
    if (!logical)
        return lapic_id(l) == dest;
    uint32_t ldr = lapic_ldr(l);
    if (lapic_x2(l)) /* cluster in the high half, members in the low */
        return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
    ldr >>= 24;
    if (l->dest_mode == 0x0f) /* flat */
        return ldr & dest & 0xff;
    return (ldr >> 4 == (dest >> 4 & 15)) && (ldr & dest & 15);
}

static void deliver_to(Lapic *l, unsigned mode, uint8_t vector, bool level_triggered)
{
    X86CPU *c = l->cpu;
    switch (mode) {
    case APIC_DM_FIXED:
    case APIC_DM_LOWEST:
    case APIC_DM_EXTINT:
        lapic_accept(l, vector, level_triggered && mode != APIC_DM_EXTINT);
        break;
    case APIC_DM_SMI:
        cpu_interrupt(c, CPU_INTERRUPT_SMI);
        break;
    case APIC_DM_NMI:
        cpu_interrupt(c, CPU_INTERRUPT_NMI);
        break;
    case APIC_DM_INIT:
        cpu_interrupt(c, CPU_INTERRUPT_INIT);
        break;
    case APIC_DM_SIPI:
        c->sipi_vector = vector;
        cpu_interrupt(c, CPU_INTERRUPT_SIPI);
        break;
    }
}

void apic_bus_send(Lapic *from, unsigned shorthand, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
                   bool level_triggered)
{
    static unsigned last; /* the CPU that took the last lowest-priority message: others are preferred */
    X86CPU *c;
    Lapic *best = NULL;
    if (shorthand == SHORT_SELF) {
        deliver_to(from, mode, vector, level_triggered);
        return;
    }
    for (unsigned i = 0; i < vcpu_count; i++) {
        unsigned at = (last + 1 + i) % vcpu_count;
        Lapic *l = (c = vcpus[at]) ? c->apic : NULL;
        if (!l || (shorthand == SHORT_OTHERS && l == from))
            continue;
        if (shorthand == SHORT_NONE ? !matches(l, dest, logical) : !lapic_enabled(l))
            continue;
        if (mode != APIC_DM_LOWEST)
            deliver_to(l, mode, vector, level_triggered);
        else if ((l->spurious_vec & SVR_ENABLE) && (!best || lapic_ppr(l) < lapic_ppr(best)))
            best = l;
    }
    if (best) {
        last = best->cpu->index;
        deliver_to(best, mode, vector, level_triggered);
    }
}

void apic_bus_deliver(uint32_t dest, bool logical, unsigned mode, uint8_t vector, bool level_triggered)
{
    apic_bus_send(NULL, SHORT_NONE, dest, logical, mode, vector, level_triggered);
}

void apic_msi_deliver(uint64_t address, uint32_t data)
{
    MsiMessage msg = {address, data};
    if (accel && accel->send_msi && accel_irqchip_mode() != IRQCHIP_USER && accel->send_msi(&msg))
        return;
    uint32_t dest = apic_bus_widen(address >> 12);
    if (dest != APIC_BROADCAST)
        dest |= (address >> 5 & 0x7f) << 8;
    unsigned mode = data >> 8 & 7;
    if (mode == APIC_DM_FIXED && (address & 8))
        mode = APIC_DM_LOWEST;
    apic_bus_deliver(dest, address & 4, mode, data & 0xff, data & 0x8000);
}

/* ---- the window ---- */

static uint64_t page_read(void *opaque, uint64_t off, unsigned size)
{
    Lapic *l = current_cpu ? current_cpu->apic : NULL;
    return l && !(off & 15) ? lapic_mmio_read(l, off >> 4) : 0;
}

static void page_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Lapic *l = current_cpu ? current_cpu->apic : NULL;
    if (l && !(off & 15))
        lapic_mmio_write(l, off >> 4, val);
}

/* The CPU that makes the access has its registers in the window's first page. */
static bool own_registers(uint64_t off)
{
    return off < 0x1000 && current_cpu && current_cpu->apic && !lapic_moved(current_cpu->apic);
}

static uint64_t window_read(void *opaque, uint64_t off, unsigned size)
{
    return own_registers(off) ? page_read(opaque, off, size) : 0;
}

static void window_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    /* Offsets 0 to fh are no register: a message to destination 0, whoever writes it. */
    if (off >= 0x10 && own_registers(off))
        page_write(opaque, off, val, size);
    else
        apic_msi_deliver(APIC_DEFAULT_BASE + off, val);
}

/* A register's write may send a message, and one message may be the guest's answer to another. */
static const IoOps window_io = {window_read, window_write, .min = 4, .max = 4, .reentrant = true};
static const IoOps page_io = {page_read, page_write, .min = 4, .max = 4, .reentrant = true};
static IoRegion window, page;
static AddressSpace page_space;

/* ---- the PIC ---- */

static void pic_int_changed(void *opaque, unsigned n, int level)
{
    X86CPU *c;
    FOREACH_VCPU (c) {
        if (c->apic) {
            lapic_lint0(c->apic, level);
        } else if (c->index == 0) {
            if (level)
                cpu_interrupt(c, CPU_INTERRUPT_HARD);
            else
                cpu_reset_interrupt(c, CPU_INTERRUPT_HARD);
        }
    }
}

Irq *pic_int_line(void)
{
    static Irq line = {pic_int_changed, NULL, 0};
    return accel_irqchip_mode() == IRQCHIP_KERNEL ? NULL : &line;
}

static bool pic_pending(X86CPU *c)
{
    return c->index == 0 && i8259_pending();
}
static int pic_acknowledge(X86CPU *c)
{
    return c->index == 0 ? i8259_acknowledge() : -1;
}
/* A CPU without a local APIC, or with the kernel's. */
static const CpuIrqOps pic_irq_ops = {.pending = pic_pending, .acknowledge = pic_acknowledge};

/* ---- CPUs ---- */

bool lapic_attach(X86CPU *c, bool has_apic, Error **errp)
{
    IrqchipMode mode = accel_irqchip_mode();
    if (has_apic) {
        Device *dev = device_new(mode == IRQCHIP_USER ? &apic : &kvm_apic);
        LAPIC(dev)->initial_id = c->apic_id;
        LAPIC(dev)->cpu = c;
        if (mode == IRQCHIP_USER)
            cpu_set_irq_ops(c, &lapic_irq_ops, dev);
        if (!device_realize(dev, NULL, errp)) {
            cpu_set_irq_ops(c, NULL, NULL);
            return false;
        }
        c->apic_device = dev;
    }
    if (mode == IRQCHIP_SPLIT || (mode == IRQCHIP_USER && !has_apic))
        cpu_set_irq_ops(c, &pic_irq_ops, NULL);
    return true;
}

void lapic_detach(X86CPU *c)
{
    Device *dev = c->apic_device;
    cpu_set_irq_ops(c, NULL, NULL);
    c->apic_device = NULL;
    if (dev)
        device_unrealize(dev);
}

void apic_map_window(void)
{
    cpu_attach_apic = lapic_attach;
    cpu_detach_apic = lapic_detach;
    region_init_io(&window, NULL, &window_io, NULL, "apic-msi", WINDOW_SIZE);
    region_add_overlap(&system_memory, APIC_DEFAULT_BASE, &window, 0x1000);
    region_init_io(&page, NULL, &page_io, NULL, "apic-page", 0x1000);
    as_init(&page_space, &page, "cpu-apic");
    cpu_apic_space = &page_space;
}
