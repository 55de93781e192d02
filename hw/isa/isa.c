/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISA bus: interrupt lines with several sources, and the ports and memory its devices claim. */
#include "hw/isa/isa.h"
#include "softmmu/mainloop.h"

IsaBus *isa_bus;

enum { LINES = 16, SOURCES = 16, PIRQ_SOURCE = 15 /* of each line: the bridge's PCI interrupts */ };

IsaBus *isa_bus_new(Device *parent, MemoryRegion *io, MemoryRegion *mem)
{
    assert(!isa_bus);
    isa_bus = g_new0(IsaBus, 1);
    bus_init(&isa_bus->bus, parent, BUS_ISA, "isa.0");
    for (unsigned i = 0; i < LINES; i++)
        isa_bus->claimed[i] = 1u << PIRQ_SOURCE;
    isa_bus->io = io;
    isa_bus->mem = mem;
    return isa_bus;
}

void isa_bus_set_irqs(IsaBus *bus, Irq *lines[16])
{
    memcpy(bus->lines, lines, sizeof(bus->lines));
}

Irq *isa_bus_line(IsaBus *bus, unsigned line)
{
    assert(line < LINES);
    return bus->lines[line];
}

/* n: line << 4 | source */
static void source_changed(void *opaque, unsigned n, int level)
{
    IsaBus *bus = opaque;
    unsigned line = n / SOURCES;
    uint16_t bit = 1u << n % SOURCES;
    bus->level[line] = level ? bus->level[line] | bit : bus->level[line] & ~bit;
    irq_set(bus->lines[line], bus->level[line] != 0);
}

void isa_bus_set_pirq(IsaBus *bus, unsigned line, bool level)
{
    if (level != !!(bus->level[line] & 1u << PIRQ_SOURCE))
        source_changed(bus, line * SOURCES + PIRQ_SOURCE, level);
}

static void irq_release(Device *dev, void *opaque)
{
    Irq *irq = opaque;
    IsaBus *bus = irq->opaque;
    irq_lower(irq);
    bus->claimed[irq->n / SOURCES] &= ~(1u << irq->n % SOURCES);
    g_free(irq);
}

Irq *isa_bus_claim(IsaBus *bus, unsigned line)
{
    unsigned source = __builtin_ctz(~(unsigned)bus->claimed[line]);
    assert(source < SOURCES);
    bus->claimed[line] |= 1u << source;
    return irq_new(source_changed, bus, line * SOURCES + source);
}

Irq *isa_irq(IsaDevice *d, unsigned line, Error **errp)
{
    IsaBus *bus = container_of(d->dev.bus, IsaBus, bus);
    if (line >= LINES) {
        error_set(errp, "%s: irq=%u is no ISA interrupt line: 0 to %u are", d->dev.desc->name, line, LINES - 1);
        return NULL;
    }
    unsigned source = __builtin_ctz(~(unsigned)bus->claimed[line]);
    if (source >= SOURCES) {
        error_set(errp, "%s: interrupt line %u has %u devices already", d->dev.desc->name, line, SOURCES - 1);
        return NULL;
    }
    bus->claimed[line] |= 1u << source;
    Irq *irq = irq_new(source_changed, bus, line * SOURCES + source);
    device_claim(&d->dev, irq_release, irq);
    return irq;
}

static void region_release(Device *dev, void *opaque)
{
    region_del(opaque);
}

bool isa_map_io(IsaDevice *d, IoRegion *r, const IoOps *ops, void *opaque, uint16_t base, uint16_t count, Error **errp)
{
    IsaBus *bus = container_of(d->dev.bus, IsaBus, bus);
    if (!count || base + count > 0x10000)
        return error_set(errp, "%s: I/O ports 0x%x to 0x%x do not exist: they end at 0xffff", d->dev.desc->name, base,
                         base + count - 1);
    region_init_io(r, &d->dev, ops, opaque, d->dev.desc->name, count);
    region_add(bus->io, base, r);
    device_claim(&d->dev, region_release, r);
    return true;
}

void isa_unmap_io(IsaDevice *d, IoRegion *r)
{
    region_del(r);
}

bool isa_map_mem(IsaDevice *d, MemoryRegion *r, Gpa base, Error **errp)
{
    IsaBus *bus = container_of(d->dev.bus, IsaBus, bus);
    if (base + region_size(r) > 16 * MIB)
        return error_set(errp, "%s: address 0x%" PRIx64 " is beyond ISA's 16 MiB", d->dev.desc->name, base);
    region_add_overlap(bus->mem, base, r, 1);
    device_claim(&d->dev, region_release, r);
    return true;
}

/* "fdc@03f0" in a firmware path: the controller that has an iobase. */
static char *dev_path(Device *dev)
{
    const Prop *p = device_desc_prop(dev->desc, "iobase");
    g_autoptr(Json) val = p ? prop_get(p, dev) : NULL;
    uint64_t base;
    const char *name = !strcmp(dev->desc->name, "isa-fdc")   ? "fdc"
                       : !strcmp(dev->desc->name, "isa-ide") ? "ide"
                                                             : dev->desc->name;
    return json_get_uint(val, &base) ? g_strdup_printf("%s@%04x", name, (unsigned)base) : g_strdup(name);
}

const BusDesc isa_bus_desc = {.type = BUS_ISA, .name = "ISA", .device_type = "isa-device", .dev_path = dev_path};
