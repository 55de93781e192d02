/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI hot plug by ACPI (QEMU's docs/specs/acpi_pci_hotplug.rst): 32-bit registers in the I/O space.
 *
 *    0 slots whose device came   (read)         c removable slots (read)
 *    4 slots whose device shall go (read)      10 bus select
 *    8 eject (write: a slot's bit); features   14 acpi-index: write a slot's bit, read its device's index
 */
#include "hw/acpi/acpi.h"

enum { R_UP = 0, R_DOWN = 4, R_EJECT = 8, R_REMOVABLE = 12, R_SELECT = 16, R_INDEX = 20, SIZE = 24, SLOTS = 32 };

/* Removable: every slot but those with a device that is part of the board. */
static uint32_t removable(AcpiPciHotplug *s)
{
    uint32_t mask = UINT32_MAX;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        for (unsigned fn = 0; fn < 8; fn++) {
            PciDevice *d = s->root->devices[PCI_DEVFN(slot, fn)];
            if (d && !(d->dev.desc->flags & DEV_HOTPLUG))
                mask &= ~BIT32(slot);
        }
    return mask;
}

static void eject(AcpiPciHotplug *s, uint32_t slots)
{
    if (!slots || s->select)
        return;
    unsigned slot = __builtin_ctz(slots); /* one at a time, as the method _EJ0 does */
    s->bus[0].down &= ~BIT32(slot);
    GPtrArray *devices = s->root->bus.children;
    for (guint i = devices->len; i--;) { /* the last that came is the first to go */
        PciDevice *d = PCI_DEVICE(devices->pdata[i]);
        /* Also one that nobody asked to go: the guest's own wish. */
        if ((unsigned)PCI_SLOT(d->devfn) == slot && (d->dev.desc->flags & DEV_HOTPLUG))
            device_unplugged(&d->dev);
    }
}

static uint64_t hp_read(void *opaque, uint64_t off, unsigned size)
{
    AcpiPciHotplug *s = opaque;
    uint64_t val = 0;
    if (size != 4)
        return 0;
    switch (off) {
    case R_UP:
        val = s->select < ARRAY_SIZE(s->bus) ? s->bus[s->select].up : 0;
        if (val)
            s->bus[s->select].up = 0;
        break;
    case R_DOWN:
        val = s->select < ARRAY_SIZE(s->bus) ? s->bus[s->select].down : 0;
        break;
    case R_REMOVABLE:
        val = s->select ? UINT32_MAX : removable(s);
        break;
    case R_SELECT:
        val = s->select;
        break;
    case R_INDEX:
        val = s->acpi_index;
        s->acpi_index = 0;
        break;
    }
    return val;
}

static void hp_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiPciHotplug *s = opaque;
    if (size != 4)
        return;
    switch (off) {
    case R_EJECT:
        eject(s, val);
        break;
    case R_SELECT:
        s->select = val < ARRAY_SIZE(s->bus) ? val : ARRAY_SIZE(s->bus); /* one past the end: no bus */
        break;
    case R_INDEX: {
        PciDevice *d = val && !s->select ? s->root->devices[PCI_DEVFN(__builtin_ctzll(val), 0)] : NULL;
        s->acpi_index = d ? d->acpi_index : 0;
        break;
    }
    }
}

static const IoOps hp_ops = {hp_read, hp_write, .min = 1, .max = 4};

static AcpiPciHotplug *hotplug_of(PciBus *bus)
{
    return bus->hotplug_opaque;
}

static bool plugged(PciBus *bus, PciDevice *d, Error **errp)
{
    AcpiPciHotplug *s = hotplug_of(bus);
    if (PCI_FUNC(d->devfn)) /* the guest hears of a slot with its function 0 */
        return true;
    s->bus[0].up |= BIT32(PCI_SLOT(d->devfn));
    acpi_set_gpe(s->regs, GPE_PCI_HOTPLUG);
    return true;
}

static bool unplug_request(Bus *bus, Device *dev, Error **errp)
{
    AcpiPciHotplug *s = hotplug_of(container_of(bus, PciBus, bus));
    dev->unplugging = true;
    s->bus[0].down |= BIT32(PCI_SLOT(PCI_DEVICE(dev)->devfn));
    acpi_set_gpe(s->regs, GPE_PCI_HOTPLUG);
    return true;
}

void acpi_pcihp_init(AcpiPciHotplug *s, Device *dev, AcpiRegs *regs, PciBus *root, uint16_t base)
{
    s->root = root;
    s->regs = regs;
    root->hotplug_opaque = s;
    root->plugged = plugged;
    root->bus.unplug_request = unplug_request;
    region_init_io(&s->io, dev, &hp_ops, s, "acpi-pci-hotplug", SIZE);
    region_add(&system_io, base, &s->io);
}

/* What waits to be unplugged goes with the reset; there is no guest any more that could object. */
void acpi_pcihp_reset(AcpiPciHotplug *s)
{
    s->select = s->acpi_index = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (s->bus[0].down & BIT32(slot))
            eject(s, BIT32(slot));
    memset(s->bus, 0, sizeof(s->bus));
}

const VmState acpi_pcihp_bus_vmstate = {
    .name = "acpi_pcihp_pci_status",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U32(struct AcpiPciHotplugBus, up), VM_U32(struct AcpiPciHotplugBus, down), {}},
};
