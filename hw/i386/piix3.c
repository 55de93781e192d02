/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PIIX3, function 0: the bridge to ISA (Intel 82371SB data sheet, 290550), routing of the PCI interrupt pins, and reset
 * control.
 *
 * Registers: 60h to 63h PIRQRC A to D (bits 0-3 the ISA line, bit 7: not routed); port CF9h, reset control (bit 2:
 * reset now, bit 1: a hard one). The pins of slot n come to PIRQ (n - 1 + pin) mod 4. XBCS and the other registers of
 * 40h and up are memory without effect.
 */
#include "hw/i386/pc.h"
#include "hw/pci/pci-regs.h"
#include "softmmu/runstate.h"

enum { PIRQRC = 0x60, PIRQS = 4, ISA_LINES = 16, RCR = 0xcf9, RCR_HARD = 2, RCR_RESET = 4 };

typedef struct Piix3 {
    PciDevice pci;
    IoRegion rcr_io;
    IsaBus *isa;
    uint8_t rcr;
    int32_t levels[PIRQS]; /* of the PIRQs */
} Piix3;
#define PIIX3(d) container_of(d, Piix3, pci.dev)

static void update_line(Piix3 *s, unsigned line)
{
    bool level = false;
    for (unsigned p = 0; p < PIRQS; p++)
        level |= s->pci.config[PIRQRC + p] == line && s->levels[p];
    isa_bus_set_pirq(s->isa, line, level);
}

static void set_pirq(void *opaque, unsigned pirq, int level)
{
    Piix3 *s = opaque;
    s->levels[pirq] = level != 0;
    if (s->pci.config[PIRQRC + pirq] < ISA_LINES)
        update_line(s, s->pci.config[PIRQRC + pirq]);
}

static unsigned map_pin(PciBus *bus, PciDevice *d, unsigned pin)
{
    return (PCI_SLOT(d->devfn) + 3 + pin) % PIRQS;
}

static void update_all(Piix3 *s)
{
    for (unsigned line = 0; line < ISA_LINES; line++)
        update_line(s, line);
}

static void piix3_config_write(PciDevice *d, unsigned off, uint32_t val, unsigned size)
{
    pci_default_config_write(d, off, val, size);
    if (off < PIRQRC + PIRQS && off + size > PIRQRC)
        update_all(container_of(d, Piix3, pci));
}

static uint64_t rcr_read(void *opaque, uint64_t off, unsigned size)
{
    Piix3 *s = opaque;
    return s->rcr;
}

static void rcr_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Piix3 *s = opaque;
    if (val & RCR_RESET)
        system_reset_request(CAUSE_GUEST_RESET);
    else
        s->rcr = val & RCR_HARD;
}

static const IoOps rcr_ops = {rcr_read, rcr_write, .min = 1, .max = 1};

static bool piix3_realize(Device *dev, Error **errp)
{
    Piix3 *s = PIIX3(dev);
    s->isa = isa_bus_new(dev, &system_io, &PC_MACHINE(machine)->pci_memory);
    s->pci.config_write = piix3_config_write;
    stw_le(s->pci.config + PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM);
    region_init_io(&s->rcr_io, dev, &rcr_ops, s, "piix3-reset-control", 1);
    region_add_overlap(&system_io, RCR, &s->rcr_io, 1);
    pci_bus_irqs(s->pci.bus, map_pin, set_pirq, s, PIRQS);
    return true;
}

static void piix3_reset(Device *dev)
{
    static const struct {
        uint8_t reg, val;
    } init[] = {
        {0x4c, 0x4d}, {0x4e, 0x03}, {0x60, 0x80}, {0x61, 0x80}, {0x62, 0x80}, {0x63, 0x80}, {0x69, 0x02},
        {0x70, 0x80}, {0x76, 0x0c}, {0x77, 0x0c}, {0x78, 0x02}, {0xa0, 0x08}, {0xa8, 0x0f},
    };
    Piix3 *s = PIIX3(dev);
    memset(s->pci.config + 0x40, 0, 0xc0);
    for (unsigned i = 0; i < ARRAY_SIZE(init); i++)
        s->pci.config[init[i].reg] = init[i].val;
    memset(s->levels, 0, sizeof(s->levels));
    s->rcr = 0;
    update_all(s);
}

static bool piix3_post_load(Device *dev, Error **errp)
{
    Piix3 *s = PIIX3(dev);
    for (unsigned p = 0; p < PIRQS; p++)
        if (s->levels[p] < 0 || s->levels[p] > 1)
            return error_set(errp, "PIRQ %u has the impossible level %d", p, s->levels[p]);
    s->rcr &= RCR_HARD;
    update_all(s);
    return true;
}

static bool rcr_needed(void *opaque)
{
    return ((Piix3 *)opaque)->rcr != 0;
}

static const VmState rcr_vmstate = {
    .name = "PIIX3/rcr",
    .version = 1,
    .min_version = 1,
    .needed = rcr_needed,
    .fields = (const VmField[]){VM_U8(Piix3, rcr), {}},
};

static const VmState piix3_vmstate = {
    .name = "PIIX3",
    .version = 3,
    .min_version = 2,
    .post_load = piix3_post_load,
    .fields = (const VmField[]){VM_INT_ARRAY(Piix3, levels), {}},
    .subsections = (const VmState *const[]){&rcr_vmstate, NULL},
};

static const PciInfo piix3_info = {.vendor = 0x8086, .device = 0x7000, .class_id = 0x0601};

const DeviceDesc piix3_isa = {
    .name = "PIIX3",
    .summary = "ISA bridge",
    .parent = "pci-piix3",
    .bus = BUS_PCI,
    .category = DEV_BRIDGE,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(Piix3),
    .vmstate = &piix3_vmstate,
    .realize = piix3_realize,
    .reset = piix3_reset,
    .pci = &piix3_info,
};
