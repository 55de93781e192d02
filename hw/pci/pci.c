/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI devices: header, base address registers, option ROM, interrupt pin, state (PCI Local Bus Specification 3.0,
 * chapter 6).
 *
 * Differences from hardware that QEMU has and firmware and guests rely on: bytes 40h to FFh that no device claimed are
 * plain read-write memory; a BAR that decodes to address 0 or up to the top of the 32-bit space is not mapped, so that
 * sizing with the command bits set does no harm; parity and system errors never happen.
 */
#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/loader.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci-regs.h"
#include "softmmu/mainloop.h"

#include <stdio.h>

enum { CONFIG_SIZE = 256, CONFIG_SIZE_EXPRESS = 4096, ROM_MAX = 64 << 20 };
#define SUBSYS_VENDOR 0x1af4
#define SUBSYS_DEVICE 0x1100
#define UNMAPPED      UINT64_MAX

static unsigned bar_offset(const PciDevice *d, unsigned n)
{
    if (n != PCI_ROM_SLOT)
        return PCI_BAR0 + 4 * n;
    return d->dev.desc->pci->is_bridge ? PCI_BRIDGE_ROM : PCI_ROM;
}

bool pci_bus_master(PciDevice *d)
{
    return lduw_le(d->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

bool pci_intx_disabled(PciDevice *d)
{
    return lduw_le(d->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}

/* Where a BAR decodes to, UNMAPPED where nowhere. */
static uint64_t bar_address(PciDevice *d, unsigned n)
{
    PciBar *b = &d->bars[n];
    const uint8_t *reg = d->config + bar_offset(d, n);
    uint16_t cmd = lduw_le(d->config + PCI_COMMAND);
    uint64_t addr, last;
    if (b->type & PCI_BAR_IO) {
        if (!(cmd & PCI_COMMAND_IO))
            return UNMAPPED;
        addr = ldl_le(reg) & ~(b->size - 1) & UINT32_MAX;
        last = addr + b->size - 1;
        return addr && last < UINT32_MAX ? addr : UNMAPPED;
    }
    if (!(cmd & PCI_COMMAND_MEMORY))
        return UNMAPPED;
    addr = b->type & PCI_BAR_MEM64 ? ldq_le(reg) : ldl_le(reg);
    if (n == PCI_ROM_SLOT && !(addr & 1))
        return UNMAPPED;
    addr &= ~(b->size - 1);
    last = addr + b->size - 1;
    if (!addr || last <= addr || last == UINT64_MAX)
        return UNMAPPED;
    return !(b->type & PCI_BAR_MEM64) && last >= UINT32_MAX ? UNMAPPED : addr;
}

void pci_update_mappings(PciDevice *d)
{
    bool begun = false;
    for (unsigned n = 0; n < ARRAY_SIZE(d->bars); n++) {
        PciBar *b = &d->bars[n];
        if (!b->region)
            continue;
        uint64_t addr = bar_address(d, n);
        if (addr == b->addr)
            continue;
        if (!begun)
            memory_begin();
        begun = true;
        if (b->addr != UNMAPPED)
            region_del(b->region);
        b->addr = addr;
        /* A port BAR above 64 KiB is kept, but no access reaches it: the I/O space ends there. */
        if (addr != UNMAPPED && !((b->type & PCI_BAR_IO) && addr + b->size > 0x10000))
            region_add_overlap(b->type & PCI_BAR_IO ? d->bus->io : d->bus->mem, addr, b->region, 1);
    }
    if (begun)
        memory_commit();
}

void pci_bar(PciDevice *d, unsigned n, uint8_t type, MemoryRegion *r)
{
    PciBar *b = &d->bars[n];
    uint64_t size = region_size(r);
    assert(n < ARRAY_SIZE(d->bars) && !b->region && size >= 2 && !(size & (size - 1)));
    *b = (PciBar){.region = r, .size = size, .type = type, .addr = UNMAPPED};
    uint8_t *reg = d->config + bar_offset(d, n), *mask = d->wmask + bar_offset(d, n),
            *cmask = d->cmask + bar_offset(d, n);
    uint64_t wmask = ~(size - 1);
    if (n == PCI_ROM_SLOT) {
        wmask |= 1; /* the enable bit */
        stl_le(reg, 0);
    } else {
        stl_le(reg, type);
    }
    if ((type & PCI_BAR_MEM64) && n != PCI_ROM_SLOT) {
        stl_le(reg + 4, 0);
        stq_le(mask, wmask);
        stq_le(cmask, UINT64_MAX & (size - 1));
    } else {
        stl_le(mask, wmask);
        stl_le(cmask, (uint32_t)(size - 1));
    }
}

/* Interrupt pins. */

static void bus_change_line(PciDevice *d, unsigned pin, int change)
{
    PciBus *bus = d->bus;
    while (bus->parent_bus) { /* through bridges: the pins rotate by the slot */
        pin = bus->map_irq ? bus->map_irq(bus, d, pin) : (pin + PCI_SLOT(d->devfn)) & 3;
        d = bus->bridge;
        bus = bus->parent_bus;
    }
    if (!bus->map_irq)
        return;
    unsigned line = bus->map_irq(bus, d, pin);
    assert(line < bus->lines);
    bus->irq_count[line] += change;
    bus->set_irq(bus->irq_opaque, line, bus->irq_count[line] != 0);
}

/* Show the bus what the device drives, unless the guest disabled the pin. */
static void update_intx(PciDevice *d)
{
    uint8_t pin = d->config[PCI_INTERRUPT_PIN];
    uint16_t status = lduw_le(d->config + PCI_STATUS) & ~PCI_STATUS_INTERRUPT;
    stw_le(d->config + PCI_STATUS, status | (d->intx_level ? PCI_STATUS_INTERRUPT : 0));
    uint8_t show = d->intx_level && !pci_intx_disabled(d);
    if (show == d->intx_shown || !pin)
        return;
    d->intx_shown = show;
    bus_change_line(d, pin - 1, show ? 1 : -1);
}

void pci_set_irq(PciDevice *d, int level)
{
    d->intx_level = level != 0;
    update_intx(d);
}

/* Configuration space. */

uint32_t pci_default_config_read(PciDevice *d, unsigned off, unsigned size)
{
    uint32_t val = UINT32_MAX;
    if (off < d->config_size && size <= d->config_size - off)
        val = ldn_le(d->config + off, size);
    return size == 4 ? val : val & (BIT32(8 * size) - 1);
}

static bool overlaps(unsigned off, unsigned size, unsigned reg, unsigned reg_size)
{
    return off < reg + reg_size && reg < off + size;
}

void pci_default_config_write(PciDevice *d, unsigned off, uint32_t val, unsigned size)
{
    if (off >= d->config_size || size > d->config_size - off)
        return;
    uint16_t msix_ctl = d->msix_cap ? lduw_le(d->config + d->msix_cap + 2) : 0;
    for (unsigned i = 0; i < size; i++, val >>= 8) {
        uint8_t *c = d->config + off + i, w = d->wmask[off + i], w1c = d->w1cmask[off + i];
        *c = ((*c & ~w) | (val & w)) & ~(val & w1c);
    }
    if (overlaps(off, size, PCI_COMMAND, 2) || overlaps(off, size, PCI_BAR0, 24) || overlaps(off, size, PCI_ROM, 4) ||
        overlaps(off, size, PCI_BRIDGE_ROM, 4))
        pci_update_mappings(d);
    if (overlaps(off, size, PCI_COMMAND, 2))
        update_intx(d);
    if (d->msi_cap)
        pci_msi_config_written(d, off, size);
    if (d->msix_cap)
        pci_msix_config_written(d, off, size, msix_ctl & PCI_MSIX_ENABLE, msix_ctl & PCI_MSIX_MASKALL);
}

int pci_find_capability(PciDevice *d, uint8_t id)
{
    if (!(lduw_le(d->config + PCI_STATUS) & PCI_STATUS_CAP_LIST))
        return 0;
    uint8_t at = d->config[PCI_CAP_LIST] & ~3;
    for (int n = 0; at >= 0x40 && n < 48; n++) {
        if (d->config[at] == id)
            return at;
        at = d->config[at + 1] & ~3;
    }
    return 0;
}

static uint8_t find_space(const PciDevice *d, uint8_t size)
{
    for (unsigned at = 0x40, run = 0; at < CONFIG_SIZE; at++) {
        run = d->used[at] ? 0 : run + 1;
        if (run == 1 && at % 4)
            run = 0;
        if (run == size)
            return at + 1 - size;
    }
    return 0;
}

int pci_add_capability(PciDevice *d, uint8_t id, uint8_t offset, uint8_t size, Error **errp)
{
    if (!offset && !(offset = find_space(d, size))) {
        error_set(errp, "%s: no room in the configuration space for capability 0x%02x", d->dev.desc->name, id);
        return 0;
    }
    for (unsigned i = offset; i < (unsigned)offset + size; i++)
        if (i >= CONFIG_SIZE || d->used[i]) {
            error_set(errp, "%s: capability 0x%02x at 0x%02x overlaps another one at 0x%02x", d->dev.desc->name, id,
                      offset, i);
            return 0;
        }
    d->config[offset] = id;
    d->config[offset + 1] = d->config[PCI_CAP_LIST];
    d->config[PCI_CAP_LIST] = offset;
    stw_le(d->config + PCI_STATUS, lduw_le(d->config + PCI_STATUS) | PCI_STATUS_CAP_LIST);
    memset(d->used + offset, 0xff, size);
    memset(d->wmask + offset, 0, size); /* capabilities are read-only unless the device says so */
    memset(d->cmask + offset, 0xff, size);
    return offset;
}

/* Access by bus number. */

static PciDevice *find_below(PciBus *bus, unsigned bus_num, unsigned devfn)
{
    for (;;) {
        if (bus_num == pci_bus_number(bus))
            return bus->devices[devfn];
        PciBus *next = NULL;
        for (unsigned i = 0; i < ARRAY_SIZE(bus->devices) && !next; i++) {
            PciDevice *d = bus->devices[i];
            if (d && d->dev.desc->pci->is_bridge && d->dev.buses->len && bus_num >= d->config[PCI_SECONDARY_BUS] &&
                bus_num <= d->config[PCI_SUBORDINATE_BUS])
                next = container_of((Bus *)d->dev.buses->pdata[0], PciBus, bus);
        }
        if (!next)
            return NULL;
        bus = next;
    }
}

PciDevice *pci_find(PciBus *root, unsigned bus_num, unsigned devfn)
{
    return devfn < 256 ? find_below(root, bus_num, devfn) : NULL;
}

uint32_t pci_config_read(PciBus *root, uint32_t bdf, unsigned off, unsigned size)
{
    PciDevice *d = pci_find(root, bdf >> 8, bdf & 0xff);
    if (!d)
        return size == 4 ? UINT32_MAX : BIT32(8 * size) - 1;
    return d->config_read ? d->config_read(d, off, size) : pci_default_config_read(d, off, size);
}

void pci_config_write(PciBus *root, uint32_t bdf, unsigned off, uint32_t val, unsigned size)
{
    PciDevice *d = pci_find(root, bdf >> 8, bdf & 0xff);
    if (!d)
        return;
    if (d->config_write)
        d->config_write(d, off, val, size);
    else
        pci_default_config_write(d, off, val, size);
}

/* Bus mastering. */

MemResult pci_dma_read(PciDevice *d, Gpa addr, void *buf, uint64_t len)
{
    if (!pci_bus_master(d)) {
        memset(buf, 0xff, len);
        return MEM_DECODE_ERROR;
    }
    return as_read(d->dma, addr, buf, len);
}

MemResult pci_dma_write(PciDevice *d, Gpa addr, const void *buf, uint64_t len)
{
    return pci_bus_master(d) ? as_write(d->dma, addr, buf, len) : MEM_DECODE_ERROR;
}

void *pci_dma_map(PciDevice *d, Gpa addr, uint64_t *len, bool is_write)
{
    return pci_bus_master(d) ? as_map(d->dma, addr, len, is_write) : NULL;
}

void pci_dma_unmap(PciDevice *d, void *host, uint64_t len, bool is_write, uint64_t access_len)
{
    as_unmap(d->dma, host, len, is_write, access_len);
}

/* Option ROM. */

/* The image names its device (PCI Firmware Specification 3.0, 5.1.2): a default image serves several, and iPXE looks.
 */
static void patch_rom_ids(PciDevice *d, uint8_t *rom, size_t len)
{
    uint16_t pcir;
    if (len < 0x1a || rom[0] != 0x55 || rom[1] != 0xaa || (pcir = lduw_le(rom + 0x18)) + 8u > len ||
        memcmp(rom + pcir, "PCIR", 4))
        return;
    for (unsigned i = 4; i < 8; i += 2) {
        uint8_t *id = rom + pcir + i, *want = d->config + (i == 4 ? PCI_VENDOR_ID : PCI_DEVICE_ID);
        rom[6] += id[0] + id[1] - want[0] - want[1]; /* keeps the image's sum at zero */
        id[0] = want[0];
        id[1] = want[1];
    }
}

static bool add_rom(PciDevice *d, Error **errp)
{
    bool is_default = !d->romfile;
    if (is_default && d->dev.desc->pci->romfile) {
        /* Not everybody has the package with the ROMs; who boots from the network will miss it. */
        g_autofree char *found = firmware_find(d->dev.desc->pci->romfile);
        d->romfile = g_strdup(found ? d->dev.desc->pci->romfile : "");
    }
    uint64_t size = d->rom_size;
    if (size != UINT32_MAX && (!size || (size & (size - 1))))
        return error_set(errp, "ROM size %" PRIu64 " is not a power of two", size);
    if (!d->romfile || !*d->romfile)
        return true;
    size_t len;
    g_autofree uint8_t *data = firmware_load(d->romfile, "romfile", ROM_MAX, &len, errp);
    if (!data)
        return false;
    if (!d->rombar) { /* no BAR: the firmware gets it by fw_cfg, which a hotplugged card comes too late for */
        if (d->dev.hotplugged)
            return error_set(errp, "Hot-plugged device without ROM bar can't have an option ROM");
        g_autofree char *name = g_path_get_basename(d->romfile);
        g_autofree char *file =
            g_strdup_printf("%s/%s", d->dev.desc->pci->class_id == 0x300 ? "vgaroms" : "genroms", name);
        return fw_cfg_add_file(machine->fw_cfg, file, data, len, errp);
    }
    if (size == UINT32_MAX)
        for (size = 1; size < len;)
            size <<= 1;
    if (len > size)
        return error_set(errp, "romfile \"%s\" (%zu bytes) is too large for ROM size %" PRIu64, d->romfile, len, size);
    size = MAX(size, 2048); /* bits 1 to 10 of the register are reserved */
    d->rom_size = size;
    if (is_default)
        patch_rom_ids(d, data, len);
    g_autofree char *name = g_strdup_printf("0000:%02x:%02x.%x/%s.rom", pci_bus_number(d->bus), PCI_SLOT(d->devfn),
                                            PCI_FUNC(d->devfn), d->dev.desc->name);
    if (!region_init_rom(&d->rom, &d->dev, name, size, errp))
        return false;
    uint8_t *mem = region_ram_ptr(&d->rom);
    memset(mem, 0xff, size);
    memcpy(mem, data, len);
    d->has_rom = true;
    pci_bar(d, PCI_ROM_SLOT, 0, &d->rom);
    return true;
}

/* Life. */

static const char *occupant(const PciDevice *d)
{
    return d->dev.id ? d->dev.id : "";
}

static bool choose_slot(PciDevice *d, PciBus *bus, Error **errp)
{
    if (d->devfn < 0) {
        for (unsigned devfn = bus->devfn_min; devfn < 256; devfn += 8) {
            bool taken = bus->slot_reserved & BIT32(PCI_SLOT(devfn));
            for (unsigned fn = 0; fn < 8 && !taken; fn++)
                taken = bus->devices[devfn + fn];
            if (!taken) {
                d->devfn = devfn;
                break;
            }
        }
        if (d->devfn < 0)
            return error_set(errp, "PCI: no slot/function available for %s, all in use or reserved", d->dev.desc->name);
    }
    if (d->devfn > 255)
        return error_set(errp, "PCI: address 0x%x of %s is out of range", d->devfn, d->dev.desc->name);
    PciDevice *there = bus->devices[d->devfn];
    if (there)
        return error_set(errp, "PCI: slot %d function %d not available for %s, in use by %s,id=%s", PCI_SLOT(d->devfn),
                         PCI_FUNC(d->devfn), d->dev.desc->name, there->dev.desc->name, occupant(there));
    if (d->dev.user_made && (bus->slot_reserved & BIT32(PCI_SLOT(d->devfn))))
        return error_set(errp, "PCI: slot %d function %d not available for %s, reserved", PCI_SLOT(d->devfn),
                         PCI_FUNC(d->devfn), d->dev.desc->name);
    /* Other functions are seen only where function 0 says that there are some. */
    PciDevice *fn0 = bus->devices[d->devfn & ~7];
    if (PCI_FUNC(d->devfn)) {
        if (fn0 && !fn0->multifunction)
            return error_set(errp, "PCI: single function device can't be populated in function %x.%x",
                             PCI_SLOT(d->devfn), PCI_FUNC(d->devfn));
    } else if (!d->multifunction) {
        for (unsigned fn = 1; fn < 8; fn++)
            if (bus->devices[d->devfn + fn])
                return error_set(errp, "PCI: %x.0 indicates single function, but %x.%x is already populated.",
                                 PCI_SLOT(d->devfn), PCI_SLOT(d->devfn), fn);
    }
    if (d->dev.hotplugged && PCI_FUNC(d->devfn) && fn0)
        return error_set(errp,
                         "PCI: slot %d function 0 already occupied by %s, new func %s cannot be exposed to guest.",
                         PCI_SLOT(d->devfn), fn0->dev.desc->name, d->dev.desc->name);
    return true;
}

static void fill_header(PciDevice *d)
{
    const PciInfo *info = d->dev.desc->pci;
    uint8_t *c = d->config;
    stw_le(c + PCI_VENDOR_ID, info->vendor);
    stw_le(c + PCI_DEVICE_ID, info->device);
    c[PCI_REVISION] = info->revision;
    c[PCI_PROG_IF] = info->prog_if;
    stw_le(c + PCI_CLASS, info->class_id);
    c[PCI_HEADER_TYPE] = (info->is_bridge ? 1 : 0) | (d->multifunction ? 0x80 : 0);
    c[PCI_INTERRUPT_PIN] = info->intx_pin;
    stw_le(d->wmask + PCI_COMMAND,
           PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    stw_le(d->w1cmask + PCI_STATUS, 0xf900);
    d->wmask[PCI_CACHE_LINE] = 0xff;
    d->wmask[PCI_INTERRUPT_LINE] = 0xff;
    memset(d->wmask + 0x40, 0xff, d->config_size - 0x40);
    memset(d->used, 0xff, 0x40);
    stw_le(d->cmask + PCI_VENDOR_ID, 0xffff);
    stw_le(d->cmask + PCI_DEVICE_ID, 0xffff);
    stw_le(d->cmask + PCI_STATUS, PCI_STATUS_CAP_LIST);
    d->cmask[PCI_REVISION] = d->cmask[PCI_PROG_IF] = 0xff;
    d->cmask[PCI_INTERRUPT_PIN] = 0xff; /* what is shown of one is taken from the same one */
    stw_le(d->cmask + PCI_CLASS, 0xffff);
    d->cmask[PCI_HEADER_TYPE] = d->cmask[PCI_CAP_LIST] = 0xff;
    if (info->is_bridge) {
        d->wmask[PCI_PRIMARY_BUS] = d->wmask[PCI_SECONDARY_BUS] = d->wmask[PCI_SUBORDINATE_BUS] = d->wmask[0x1b] = 0xff;
        d->wmask[0x1c] = d->wmask[0x1d] = 0xf0; /* I/O base and limit */
        stl_le(d->wmask + 0x20, 0xfff0fff0);    /* memory */
        stl_le(d->wmask + 0x24, 0xfff0fff0);    /* prefetchable */
        memset(d->wmask + 0x28, 0xff, 8);
        stw_le(d->wmask + 0x3e, 0x0fff & ~0x0400); /* bridge control; bit 10 is write 1 to clear */
        stw_le(d->w1cmask + 0x3e, 0x0400);
        stw_le(d->w1cmask + 0x1e, 0xf900);
    } else {
        bool own = info->subsys_vendor || info->subsys;
        stw_le(c + PCI_SUBSYSTEM_VENDOR, own ? info->subsys_vendor : SUBSYS_VENDOR);
        stw_le(c + PCI_SUBSYSTEM_ID, own ? info->subsys : SUBSYS_DEVICE);
    }
}

/* The device goes: off the bus, out of the address spaces, its pin low. Runs after the device's own undo. */
static void leave_bus(Device *dev, void *opaque)
{
    PciDevice *d = PCI_DEVICE(dev);
    pci_set_irq(d, 0);
    memory_begin();
    for (unsigned n = 0; n < ARRAY_SIZE(d->bars); n++)
        if (d->bars[n].region && d->bars[n].addr != UNMAPPED)
            region_del(d->bars[n].region);
    memory_commit();
    memset(d->bars, 0, sizeof(d->bars));
    if (d->bus->devices[d->devfn] == d)
        d->bus->devices[d->devfn] = NULL;
    g_clear_pointer(&d->config, g_free);
    g_clear_pointer(&d->wmask, g_free);
    g_clear_pointer(&d->w1cmask, g_free);
    g_clear_pointer(&d->used, g_free);
    g_clear_pointer(&d->cmask, g_free);
    g_clear_pointer(&d->power_on, g_free);
}

static bool bus_realize(Device *dev, Error **errp)
{
    PciDevice *d = PCI_DEVICE(dev);
    PciBus *bus = container_of(dev->bus, PciBus, bus);
    if (!choose_slot(d, bus, errp))
        return false;
    d->bus = bus;
    d->dma = bus->dma;
    d->config_size = dev->desc->pci->is_express ? CONFIG_SIZE_EXPRESS : CONFIG_SIZE;
    d->config = g_malloc0(d->config_size);
    d->wmask = g_malloc0(d->config_size);
    d->w1cmask = g_malloc0(d->config_size);
    d->used = g_malloc0(d->config_size);
    d->cmask = g_malloc0(d->config_size);
    for (unsigned n = 0; n < ARRAY_SIZE(d->bars); n++)
        d->bars[n].addr = UNMAPPED;
    fill_header(d);
    bus->devices[d->devfn] = d;
    device_claim(dev, leave_bus, NULL);
    return true;
}

static bool bus_realized(Device *dev, Error **errp)
{
    PciDevice *d = PCI_DEVICE(dev);
    if (d->acpi_index) {
        for (unsigned i = 0; i < ARRAY_SIZE(d->bus->devices); i++) {
            PciDevice *o = d->bus->devices[i];
            if (o && o != d && o->acpi_index == d->acpi_index)
                return error_set(errp, "a PCI device with acpi-index = %u already exist", d->acpi_index);
        }
        if (d->acpi_index > 16383)
            return error_set(errp, "acpi-index should be less or equal to 16383");
    }
    if (!add_rom(d, errp))
        return false;
    d->power_on = g_memdup2(d->config, d->config_size);
    return !dev->hotplugged || !d->bus->plugged || d->bus->plugged(d->bus, d, errp);
}

/* RST#: all is as realize left it, BARs unmapped. */
static void bus_reset(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);
    pci_set_irq(d, 0);
    memcpy(d->config, d->power_on, d->reset_header_only ? 0x40 : d->config_size);
    update_intx(d);
    pci_update_mappings(d);
    if (d->msi_cap)
        pci_msi_reset(d);
    if (d->msix_cap)
        pci_msix_reset(d);
}

/* State: a version word (2), the configuration space, the levels of the four pins. */

static void put_version(VmWriter *w, const void *field, const VmField *f)
{
    vm_put_be(w, 2, 4);
}

static bool get_version(VmReader *r, void *field, const VmField *f, Error **errp)
{
    uint64_t v;
    if (!vm_get_be(r, &v, 4, errp))
        return false;
    return v <= 2 || error_set(errp, "PCI state has version %" PRIu64 ", this is 2", v);
}

static void put_config(VmWriter *w, const void *field, const VmField *f)
{
    const PciDevice *d = field;
    vm_put(w, d->config, d->config_size);
}

static bool get_config(VmReader *r, void *field, const VmField *f, Error **errp)
{
    PciDevice *d = field;
    g_autofree uint8_t *c = g_malloc(d->config_size);
    if (!vm_get(r, c, d->config_size, errp))
        return false;
    for (unsigned i = 0; i < d->config_size; i++)
        if ((c[i] ^ d->config[i]) & d->cmask[i] & ~d->wmask[i] & ~d->w1cmask[i])
            return error_set(errp, "Bad config data: i=0x%x read: %x device: %x cmask: %x wmask: %x w1cmask: %x", i,
                             c[i], d->config[i], d->cmask[i], d->wmask[i], d->w1cmask[i]);
    memcpy(d->config, c, d->config_size);
    return true;
}

static void put_pins(VmWriter *w, const void *field, const VmField *f)
{
    const PciDevice *d = field;
    for (unsigned pin = 0; pin < 4; pin++)
        vm_put_be(w, d->config[PCI_INTERRUPT_PIN] == pin + 1 && d->intx_level, 4);
}

static bool get_pins(VmReader *r, void *field, const VmField *f, Error **errp)
{
    PciDevice *d = field;
    uint8_t level = 0;
    for (unsigned pin = 0; pin < 4; pin++) {
        uint64_t v;
        if (!vm_get_be(r, &v, 4, errp))
            return false;
        if (v > 1)
            return error_set(errp, "irq state %u: must be 0 or 1.", (unsigned)v);
        if (d->config[PCI_INTERRUPT_PIN] == pin + 1)
            level = v;
    }
    d->intx_level = level;
    return true;
}

static bool pci_post_load(Device *dev, Error **errp)
{
    PciDevice *d = PCI_DEVICE(dev);
    pci_update_mappings(d);
    update_intx(d);
    return true;
}

static const VmState pci_vmstate = {
    .name = "PCIDevice",
    .version = 2,
    .min_version = 1,
    .post_load = pci_post_load,
    .fields =
        (const VmField[]){
            {.name = "version_id", .kind = VM_CUSTOM, .put = put_version, .get = get_version},
            {.name = "config", .kind = VM_CUSTOM, .put = put_config, .get = get_config},
            {.name = "irq_state", .kind = VM_CUSTOM, .put = put_pins, .get = get_pins},
            {},
        },
};

/* "3", "3.1" (slot and function, hexadecimal), or a number: slot * 8 + function. */
static bool addr_set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    int64_t n;
    unsigned slot, fn = 0;
    int end = -1;
    const char *text = json_get_string(val);
    if (text) {
        if (sscanf(text, "%x.%x%n", &slot, &fn, &end) != 2 || end < 0 || text[end]) {
            fn = 0;
            end = -1;
            if (sscanf(text, "%x%n", &slot, &end) != 1 || end < 0)
                end = 0;
        }
        if (!end || text[end] || *text == '-' || slot > 31 || fn > 7)
            return error_set(errp, "'%s' is no slot[.function] with a slot up to 1f and a function up to 7", text);
        n = PCI_DEVFN(slot, fn);
    } else if (!json_get_int(val, &n) || n < -1 || n > 255) {
        return error_set(errp, "is no slot and function number, which go up to 255");
    }
    *(int32_t *)((char *)obj + p->offset) = n;
    return true;
}

static Json *addr_get(const void *obj, const Prop *p)
{
    int32_t devfn = *(const int32_t *)((const char *)obj + p->offset);
    return devfn < 0 ? json_int(-1) : json_printf("%02x.%x", PCI_SLOT(devfn), PCI_FUNC(devfn));
}

static void addr_default(void *obj, const Prop *p)
{
    *(int32_t *)((char *)obj + p->offset) = p->def.i;
}

const PropType prop_pci_addr = {
    .name = "int32", .set = addr_set, .get = addr_get, .set_default = addr_default, .is_string = true};

static const Prop pci_props[] = {
    PROP_(prop_pci_addr, "addr", PciDevice, devfn, "slot and function: \"3.1\", or both in one number", .def.i = -1),
    PROP_STR("romfile", PciDevice, romfile, "option ROM file; empty for none"),
    PROP_U32("romsize", PciDevice, rom_size, UINT32_MAX, "size of the option ROM's BAR; a power of two"),
    PROP_U32("rombar", PciDevice, rombar, 1, "0: hand the option ROM to the firmware instead of a BAR"),
    PROP_BOOL("multifunction", PciDevice, multifunction, false, "function 0 of several"),
    PROP_BOOL("x-pcie-lnksta-dllla", PciDevice, lnksta_dllla, true, "express: the link layer shows itself active"),
    PROP_BOOL("x-pcie-extcap-init", PciDevice, extcap_init, true, "express: an empty list of extended capabilities"),
    PROP_STR("failover_pair_id", PciDevice, failover_pair_id,
             "id of the virtio-net device that stands in for this one"),
    PROP_U32("acpi-index", PciDevice, acpi_index, 0, "the number that names the device to the guest's ACPI"),
    {},
};

const BusDesc pci_bus_desc = {
    .type = BUS_PCI,
    .name = "PCI",
    .device_type = "pci-device",
    .props = pci_props,
    .vmstate = &pci_vmstate,
    .realize = bus_realize,
    .realized = bus_realized,
    .reset = bus_reset,
    .dev_path = pci_dev_path,
    .print = pci_print_qtree,
};

PciDevice *pci_create(PciBus *bus, int devfn, const char *name, Error **errp)
{
    Device *dev = device_new_named(name);
    PCI_DEVICE(dev)->devfn = devfn;
    return device_realize(dev, &bus->bus, errp) ? PCI_DEVICE(dev) : NULL;
}
