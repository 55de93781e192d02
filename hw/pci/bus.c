/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI buses, configuration mechanism #1, and what `info qtree` and the firmware are told of the devices. */
#include "hw/pci/pci-regs.h"

PciBus *pci_root;

PciBus *pci_root_bus_new(Device *host, const char *name, MemoryRegion *mem, MemoryRegion *io, uint8_t devfn_min)
{
    PciBus *bus = g_new0(PciBus, 1);
    bus_init(&bus->bus, host, BUS_PCI, name);
    bus->bus.hotplug = true;
    bus->mem = mem;
    bus->io = io;
    bus->dma = &as_memory;
    bus->devfn_min = devfn_min;
    if (!pci_root)
        pci_root = bus;
    return bus;
}

void pci_bus_irqs(PciBus *bus, unsigned (*map)(PciBus *, PciDevice *, unsigned), void (*set)(void *, unsigned, int),
                  void *opaque, unsigned lines)
{
    assert(lines <= ARRAY_SIZE(bus->irq_count));
    bus->map_irq = map;
    bus->set_irq = set;
    bus->irq_opaque = opaque;
    bus->lines = lines;
}

unsigned pci_bus_number(const PciBus *bus)
{
    return bus->parent_bus ? bus->bridge->config[PCI_SECONDARY_BUS] : 0;
}

/* CONFIG_ADDRESS: enable 31, bus 23-16, device and function 15-8, register 7-2. Taken as a whole 32-bit access only. */

static uint64_t address_read(void *opaque, uint64_t off, unsigned size)
{
    return ((PciHostPorts *)opaque)->address; /* a narrower read shows its low bits, wherever it is, as QEMU's */
}

static void address_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    PciHostPorts *h = opaque;
    if (off == 0 && size == 4)
        h->address = val;
}

static uint64_t data_read(void *opaque, uint64_t off, unsigned size)
{
    PciHostPorts *h = opaque;
    if (!(h->address & BIT32(31)))
        return UINT32_MAX >> (32 - 8 * size);
    return pci_config_read(h->root, h->address >> 8 & 0xffff, (h->address & 0xfc) | off, size);
}

static void data_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    PciHostPorts *h = opaque;
    if (h->address & BIT32(31))
        pci_config_write(h->root, h->address >> 8 & 0xffff, (h->address & 0xfc) | off, val, size);
}

static const IoOps address_ops = {address_read, address_write, .min = 1, .max = 4};
static const IoOps data_ops = {data_read, data_write, .min = 1, .max = 4};

void pci_host_ports_init(PciHostPorts *h, Device *owner, PciBus *root, MemoryRegion *io)
{
    h->root = root;
    region_init_io(&h->address_io, owner, &address_ops, h, "pci-conf-idx", 4);
    region_init_io(&h->data_io, owner, &data_ops, h, "pci-conf-data", 4);
    region_add(io, 0xcf8, &h->address_io);
    region_add(io, 0xcfc, &h->data_io);
}

/* Names: for people, and those of the Open Firmware PCI bus binding, which "bootorder" uses. */
typedef struct ClassName {
    uint16_t id;
    const char *text, *firmware;
} ClassName;
static const ClassName class_names[] = {
    {0x0001, "VGA controller", "display"},
    {0x0100, "SCSI controller", "scsi"},
    {0x0101, "IDE controller", "ide"},
    {0x0102, "Floppy controller", "fdc"},
    {0x0103, "IPI controller", "ipi"},
    {0x0104, "RAID controller", "raid"},
    {0x0106, "SATA controller", NULL},
    {0x0107, "SAS controller", NULL},
    {0x0180, "Storage controller", NULL},
    {0x0200, "Ethernet controller", "ethernet"},
    {0x0201, "Token Ring controller", "token-ring"},
    {0x0202, "FDDI controller", "fddi"},
    {0x0203, "ATM controller", "atm"},
    {0x0280, "Network controller", NULL},
    {0x0300, "VGA controller", "display"},
    {0x0301, "XGA controller", NULL},
    {0x0302, "3D controller", NULL},
    {0x0380, "Display controller", NULL},
    {0x0400, "Video controller", "video"},
    {0x0401, "Audio controller", "sound"},
    {0x0402, "Phone", NULL},
    {0x0403, "Audio controller", NULL},
    {0x0480, "Multimedia controller", NULL},
    {0x0500, "RAM controller", "memory"},
    {0x0501, "Flash controller", "flash"},
    {0x0580, "Memory controller", NULL},
    {0x0600, "Host bridge", "host"},
    {0x0601, "ISA bridge", "isa"},
    {0x0602, "EISA bridge", "eisa"},
    {0x0603, "MC bridge", "mca"},
    {0x0604, "PCI bridge", "pci-bridge"},
    {0x0605, "PCMCIA bridge", "pcmcia"},
    {0x0606, "NUBUS bridge", "nubus"},
    {0x0607, "CARDBUS bridge", "cardbus"},
    {0x0608, "RACEWAY bridge", NULL},
    {0x0680, "Bridge", NULL},
    {0x0700, "Serial port", "serial"},
    {0x0701, "Parallel port", "parallel"},
    {0x0800, "Interrupt controller", "interrupt-controller"},
    {0x0801, "DMA controller", "dma-controller"},
    {0x0802, "Timer", "timer"},
    {0x0803, "RTC", "rtc"},
    {0x0900, "Keyboard", "keyboard"},
    {0x0901, "Pen", "pen"},
    {0x0902, "Mouse", "mouse"},
    {0x0a00, "Dock station", "dock"},
    {0x0b00, "i386 cpu", "cpu"},
    {0x0c00, "Firewire controller", "firewire"},
    {0x0c01, "Access bus controller", "access-bus"},
    {0x0c02, "SSA controller", "ssa"},
    {0x0c03, "USB controller", "usb"},
    {0x0c04, "Fibre channel controller", "fibre-channel"},
    {0x0c05, "SMBus", "smb"},
    {0, NULL, NULL},
};

static const ClassName *class_name(uint16_t id)
{
    const ClassName *n = class_names;
    while (n->text && n->id != id)
        n++;
    return n;
}

char *pci_dev_path(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);
    const ClassName *n = class_name(lduw_le(d->config + PCI_CLASS));
    GString *s = g_string_new(NULL);
    if (n->firmware)
        g_string_append(s, n->firmware);
    else
        g_string_printf(s, "pci%04x,%04x", lduw_le(d->config + PCI_VENDOR_ID), lduw_le(d->config + PCI_DEVICE_ID));
    g_string_append_printf(s, "@%x", PCI_SLOT(d->devfn));
    if (PCI_FUNC(d->devfn))
        g_string_append_printf(s, ",%x", PCI_FUNC(d->devfn));
    if (dev->desc->pci->fw_unit)
        g_string_append_printf(s, "/%s", dev->desc->pci->fw_unit);
    return g_string_free(s, false);
}

/* Lines of `info qtree`. */
void pci_print_qtree(Device *dev, GString *out)
{
    PciDevice *d = PCI_DEVICE(dev);
    uint16_t class_id = lduw_le(d->config + PCI_CLASS);
    const ClassName *n = class_name(class_id);
    if (n->text)
        g_string_append_printf(out, "class %s", n->text);
    else
        g_string_append_printf(out, "class Class %04x", class_id);
    g_string_append_printf(out, ", addr %02x:%02x.%x, pci id %04x:%04x (sub %04x:%04x)\n", pci_bus_number(d->bus),
                           PCI_SLOT(d->devfn), PCI_FUNC(d->devfn), lduw_le(d->config + PCI_VENDOR_ID),
                           lduw_le(d->config + PCI_DEVICE_ID), lduw_le(d->config + PCI_SUBSYSTEM_VENDOR),
                           lduw_le(d->config + PCI_SUBSYSTEM_ID));
    for (unsigned i = 0; i < ARRAY_SIZE(d->bars); i++)
        if (d->bars[i].region)
            g_string_append_printf(out, "bar %u: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n", i,
                                   d->bars[i].type & PCI_BAR_IO ? "i/o" : "mem", d->bars[i].addr,
                                   d->bars[i].addr + d->bars[i].size - 1);
}
