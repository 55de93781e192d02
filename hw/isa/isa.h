/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ISA bus: 16 interrupt lines, ports in the system I/O space, 8 DMA channels.
 * Two devices may share a line: the bus ORs them (hw/isa/isa.c), each device claims its own input of the OR.
 */
#ifndef HW_ISA_ISA_H
#define HW_ISA_ISA_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

typedef struct IsaDevice {
    Device dev;
} IsaDevice;
#define ISA_DEVICE(d) container_of(d, IsaDevice, dev)

typedef struct IsaBus {
    Bus bus;
    Irq *lines[16]; /* to the interrupt controller; set by the board */
    uint16_t level[16]; /* per line, a bit per claimed source that is high */
    uint16_t claimed[16];
    MemoryRegion *io, *mem;
    Device *dma[2]; /* the two 8257s, NULL where none */
} IsaBus;

/* The machine has one at most. parent: the bridge. io, mem: where its devices' regions go. */
IsaBus *isa_bus_new(Device *parent, MemoryRegion *io, MemoryRegion *mem);
extern IsaBus *isa_bus; /* NULL before it is made */
void isa_bus_set_irqs(IsaBus *bus, Irq *lines[16]);

/* For devices, in realize; given back by the core. */
Irq *isa_irq(IsaDevice *d, unsigned line, Error **errp); /* line 0 to 15 */
bool isa_map_io(IsaDevice *d, IoRegion *r, const IoOps *ops, void *opaque, uint16_t base, uint16_t count, Error **errp);
void isa_unmap_io(IsaDevice *d, IoRegion *r);
bool isa_map_mem(IsaDevice *d, MemoryRegion *r, Gpa base, Error **errp);
/* For boards. The bridge's PCI interrupts share the lines with the devices. */
Irq *isa_bus_claim(IsaBus *bus, unsigned line); /* a source of its own for a chipset part; for ever */
void isa_bus_set_pirq(IsaBus *bus, unsigned line, bool level);
Irq *isa_bus_line(IsaBus *bus, unsigned line); /* the raw line, not OR-ed */

#endif
