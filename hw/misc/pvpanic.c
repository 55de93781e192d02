/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic: the guest tells that it has crashed (QEMU's docs/specs/pvpanic.rst).
 *
 * One byte. R: the events that it takes, the property events=. W: 1 the guest panicked (GUEST_PANICKED and -action
 * panic=), 2 it has and goes on with its crash kernel (GUEST_CRASHLOADED); of both the first counts. What events=
 * leaves out is taken all the same, as QEMU does.
 *
 * ISA: a port, 505h; its number is in fw_cfg's file etc/pvpanic-port and in the ACPI object PEVT. PCI: BAR0, 2 bytes.
 */
#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"
#include "softmmu/runstate.h"

enum { EVENT_PANICKED = 1, EVENT_CRASHLOADED = 2, EVENTS = 3 };

static void tell(Device *dev, uint64_t val)
{
    if (val & ~(uint64_t)EVENTS)
        guest_error(dev, "events 0x%02x are not known", (unsigned)val);
    if (val & EVENT_PANICKED)
        system_guest_panicked();
    else if (val & EVENT_CRASHLOADED)
        system_guest_crashloaded();
}

/* ---- ISA ---- */

typedef struct PvpanicIsa {
    IsaDevice isa;
    uint16_t ioport; /* config */
    uint8_t events;
    IoRegion io; /* wiring */
} PvpanicIsa;
#define PVPANIC_ISA(d) container_of(d, PvpanicIsa, isa.dev)

static uint64_t port_read(void *opaque, uint64_t off, unsigned size)
{
    return ((PvpanicIsa *)opaque)->events;
}

static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    tell(&((PvpanicIsa *)opaque)->isa.dev, val);
}

static const IoOps port_ops = {port_read, port_write, .min = 1, .max = 1};

static bool pvpanic_isa_realize(Device *dev, Error **errp)
{
    PvpanicIsa *s = PVPANIC_ISA(dev);
    uint8_t le[2];
    stw_le(le, s->ioport);
    if (machine && machine->fw_cfg && !fw_cfg_add_file(machine->fw_cfg, "etc/pvpanic-port", le, sizeof(le), errp))
        return false;
    return isa_map_io(&s->isa, &s->io, &port_ops, s, s->ioport, 1, errp);
}

static void pvpanic_asl(Device *dev, GString *out)
{
    unsigned port = PVPANIC_ISA(dev)->ioport;
    g_string_append_printf(out,
                           "(device PEVT (name _HID \"QEMU0001\") (name _CRS (resources (io 1 0x%x 0x%x 1 1)))"
                           " (region PEOR 1 0x%x 1) (field PEOR 1 (PEPT 8)) (name _STA 15)"
                           " (method RDPT 0 (store PEPT local0) (return local0))"
                           " (method WRPT 1 (store arg0 PEPT)))",
                           port, port, port);
}

static const Prop pvpanic_isa_props[] = {
    PROP_U16("ioport", PvpanicIsa, ioport, 0x505, "the port"),
    PROP_U8("events", PvpanicIsa, events, EVENTS, "events that it says it takes: 1 panicked, 2 crash kernel loaded"),
    {},
};

const DeviceDesc pvpanic_isa = {
    .name = "pvpanic",
    .summary = "the guest tells that it crashed, by a port",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .size = sizeof(PvpanicIsa),
    .props = pvpanic_isa_props,
    .realize = pvpanic_isa_realize,
    .asl = pvpanic_asl,
};

/* ---- PCI ---- */

typedef struct PvpanicPci {
    PciDevice pci;
    uint8_t events; /* config */
    IoRegion mem;   /* wiring */
} PvpanicPci;
#define PVPANIC_PCI(d) container_of(d, PvpanicPci, pci.dev)

static uint64_t mem_read(void *opaque, uint64_t off, unsigned size)
{
    return ((PvpanicPci *)opaque)->events;
}

static void mem_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    tell(&((PvpanicPci *)opaque)->pci.dev, val);
}

static const IoOps mem_ops = {mem_read, mem_write, .min = 1, .max = 1};

static bool pvpanic_pci_realize(Device *dev, Error **errp)
{
    PvpanicPci *s = PVPANIC_PCI(dev);
    region_init_io(&s->mem, dev, &mem_ops, s, "pvpanic", 2);
    pci_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mem);
    return true;
}

static const Prop pvpanic_pci_props[] = {
    PROP_U8("events", PvpanicPci, events, EVENTS, "events that it says it takes: 1 panicked, 2 crash kernel loaded"),
    {},
};

const DeviceDesc pvpanic_pci = {
    .name = "pvpanic-pci",
    .summary = "the guest tells that it crashed, by PCI",
    .bus = BUS_PCI,
    .category = DEV_MISC,
    .size = sizeof(PvpanicPci),
    .props = pvpanic_pci_props,
    .realize = pvpanic_pci_realize,
    .pci = &(const PciInfo){.vendor = 0x1b36, .device = 0x0011, .revision = 1, .class_id = 0x0880},
};
