/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 440FX host bridge (Intel 82441FX data sheet, 290549): configuration ports, and what of the low megabyte is RAM.
 *
 * Registers of function 0: 59h to 5Fh PAM, two fields of four bits each (bit 0: reads go to RAM, bit 1: writes do),
 * 59h's low field has no use, its high one is F0000 to FFFFF; 5Ah and on are 16 KiB each from C0000. 72h SMRAM: the RAM
 * under A0000 to BFFFF is seen by a CPU in SMM (G_SMRAME, 3), by all (D_OPEN, 6); D_LCK, 4, closes it and holds the
 * register until a reset.
 *
 * Differences from the chip: write-only areas are readable, the whole of 40h to FFh can be written, DRAM timing has no
 * effect; 57h tells the RAM's size in 8 MiB. D_CLS (SMRAM, 5: in SMM data comes from below, code from SMRAM) has none
 * either. PAM and SMRAM survive a reset, as in QEMU, but for the lock, which QEMU does not have: SeaBIOS finds its
 * state in the RAM below 1 MiB, by which it tells a wake-up from S3 from a start.
 */
#include "hw/i386/pc.h"
#include "hw/pci/pci-regs.h"
#include "target/i386/cpu.h"

enum {
    PAM0 = 0x59,
    PAMS = 7,
    SMRAM = 0x72,
    SMRAM_OPEN = 0x40,
    SMRAM_LOCK = 0x10,
    SMRAM_ENABLE = 8,
    RAM_SIZE = 0x57,
    AREAS = 13
};

typedef struct I440fxHost {
    Device dev;
    /* config */
    uint64_t pci_hole64_size;
    uint32_t short_root_bus;
    bool pci_hole64_fix, config_reg_migration, bypass_iommu;
    /* wiring and CONFIG_ADDRESS */
    PciHostPorts ports;
} I440fxHost;

typedef struct I440fx {
    PciDevice pci;
    /* An area shows, by its field, PCI's memory (0), RAM to read (1), or RAM (2, 3). */
    struct {
        MemoryRegion as_pci, as_rom, as_ram;
    } area[AREAS];
    MemoryRegion smram_window; /* A0000 to BFFFF belongs to PCI unless SMRAM is open */
    PcMachine *pc;
} I440fx;
#define I440FX(d) container_of(d, I440fx, pci.dev)

static unsigned area_field(const uint8_t *config, unsigned n)
{
    if (!n)
        return config[PAM0] >> 4 & 3;
    return config[PAM0 + 1 + (n - 1) / 2] >> ((n - 1) % 2 * 4) & 3;
}

static void update_memory(I440fx *s)
{
    memory_begin();
    for (unsigned n = 0; n < AREAS; n++) {
        unsigned field = area_field(s->pci.config, n);
        region_set_enabled(&s->area[n].as_pci, field == 0);
        region_set_enabled(&s->area[n].as_rom, field == 1);
        region_set_enabled(&s->area[n].as_ram, field >= 2);
    }
    region_set_enabled(&s->smram_window, !(s->pci.config[SMRAM] & SMRAM_OPEN));
    region_set_enabled(&s->pc->smram_low, s->pci.config[SMRAM] & SMRAM_ENABLE);
    memory_commit();
}

static void i440fx_config_write(PciDevice *d, unsigned off, uint32_t val, unsigned size)
{
    uint8_t smram = d->config[SMRAM];
    pci_default_config_write(d, off, val, size);
    if (smram & SMRAM_LOCK)
        d->config[SMRAM] = smram;
    else if (d->config[SMRAM] & SMRAM_LOCK)
        d->config[SMRAM] &= ~SMRAM_OPEN;
    if ((off < PAM0 + PAMS && off + size > PAM0) || (off <= SMRAM && off + size > SMRAM))
        update_memory(container_of(d, I440fx, pci));
}

static bool i440fx_realize(Device *dev, Error **errp)
{
    I440fx *s = I440FX(dev);
    PcMachine *pc = s->pc = PC_MACHINE(machine);
    s->pci.config_write = i440fx_config_write;
    s->pci.reset_header_only = true;
    s->pci.config[RAM_SIZE] = MIN(machine->ram_size / (8 * MIB), 255);
    s->pci.config[SMRAM] = 2;
    memory_begin();
    region_init_alias(&s->smram_window, dev, "smram-region", &pc->pci_memory, 0xa0000, 0x20000);
    region_add_overlap(&system_memory, 0xa0000, &s->smram_window, 1);
    region_init_container(&pc->smram, dev, "smram", 4 * GIB);
    region_init_alias(&pc->smram_low, dev, "smram-low", &machine->ram, 0xa0000, 0x20000);
    region_add(&pc->smram, 0xa0000, &pc->smram_low);
    if (pc->smm_on)
        cpu_smm_init(&pc->smram);
    for (unsigned n = 0; n < AREAS; n++) {
        uint64_t base = n ? 0xc0000 + (n - 1) * 0x4000 : 0xf0000, size = n ? 0x4000 : 0x10000;
        region_init_alias(&s->area[n].as_pci, dev, "pam-pci", &pc->pci_memory, base, size);
        region_init_alias(&s->area[n].as_rom, dev, "pam-rom", &machine->ram, base, size);
        region_init_alias(&s->area[n].as_ram, dev, "pam-ram", &machine->ram, base, size);
        region_set_readonly(&s->area[n].as_rom, true);
        region_add_overlap(&system_memory, base, &s->area[n].as_pci, 1);
        region_add_overlap(&system_memory, base, &s->area[n].as_rom, 1);
        region_add_overlap(&system_memory, base, &s->area[n].as_ram, 1);
    }
    update_memory(s);
    memory_commit();
    return true;
}

static void i440fx_reset(Device *dev)
{
    I440FX(dev)->pci.config[SMRAM] &= ~SMRAM_LOCK;
}

static bool i440fx_post_load(Device *dev, Error **errp)
{
    update_memory(I440FX(dev));
    return true;
}

static void put_zero(VmWriter *w, const void *field, const VmField *f)
{
    vm_put_be(w, 0, 1);
}

static bool get_byte(VmReader *r, void *field, const VmField *f, Error **errp)
{
    uint64_t ignored;
    return vm_get_be(r, &ignored, 1, errp);
}

static const VmState i440fx_vmstate = {
    .name = "I440FX",
    .version = 3,
    .min_version = 3,
    .post_load = i440fx_post_load,
    .fields = (const VmField[]){{.name = "unused", .kind = VM_CUSTOM, .put = put_zero, .get = get_byte}, {}},
};

static const PciInfo i440fx_info = {.vendor = 0x8086, .device = 0x1237, .revision = 2, .class_id = 0x0600};

const DeviceDesc i440fx_pci = {
    .name = "i440FX",
    .summary = "Host bridge",
    .bus = BUS_PCI,
    .category = DEV_BRIDGE,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(I440fx),
    .vmstate = &i440fx_vmstate,
    .realize = i440fx_realize,
    .reset = i440fx_reset,
    .pci = &i440fx_info,
};

static bool host_realize(Device *dev, Error **errp)
{
    I440fxHost *s = container_of(dev, I440fxHost, dev);
    PcMachine *pc = PC_MACHINE(machine);
    if (s->bypass_iommu)
        return error_set(errp, "i440FX-pcihost.bypass-iommu: there is no IOMMU on this board");
    pc->pci = pci_root_bus_new(dev, "pci.0", &pc->pci_memory, &system_io, 0);
    pci_host_ports_init(&s->ports, dev, pc->pci, &system_io);
    return true;
}

static bool config_reg_needed(void *opaque)
{
    return ((I440fxHost *)opaque)->config_reg_migration;
}

static const VmState config_reg_vmstate = {
    .name = "PCIHost",
    .version = 1,
    .min_version = 1,
    .needed = config_reg_needed,
    .fields = (const VmField[]){VM_U32(I440fxHost, ports.address), {}},
};

static const Prop host_props[] = {
    PROP_SIZE("pci-hole64-size", I440fxHost, pci_hole64_size, 2 * GIB, "what is left above RAM for 64-bit BARs"),
    PROP_U32("short_root_bus", I440fxHost, short_root_bus, 0, "name the root bus \"pci\", as QEMU before 1.7"),
    PROP_BOOL("x-pci-hole64-fix", I440fxHost, pci_hole64_fix, true, "the 64-bit hole is at least pci-hole64-size"),
    PROP_BOOL("x-config-reg-migration-enabled", I440fxHost, config_reg_migration, true,
              "CONFIG_ADDRESS is in the state"),
    PROP_BOOL("bypass-iommu", I440fxHost, bypass_iommu, false, "devices below bypass the IOMMU"),
    {},
};

const DeviceDesc i440fx_pcihost = {
    .name = "i440FX-pcihost",
    .parent = "pci-host-bridge",
    .bus = BUS_SYSTEM,
    .category = DEV_BRIDGE,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(I440fxHost),
    .props = host_props,
    .vmstate = &config_reg_vmstate,
    .realize = host_realize,
};
