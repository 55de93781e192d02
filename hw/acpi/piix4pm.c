/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PIIX4, function 3: power management (Intel 82371AB data sheet, 290562, chapter 7).
 *
 * Configuration: 40h PMBA (bits 15-6), 58h device activity (bit 25: APM port gives an SMI), 5Fh, 63h, 67h which ports
 * the board has, 80h bit 0: PM ports decoded, 90h SMBA, D2h SMBus control. Ports: B2h, B3h APM control and status;
 * AE00h PCI hot plug; AF00h CPUs (cpuhp.c); AFE0h
 * general purpose events. Bit 25 of 58h (APMC_EN) reads 1 from reset on where there is no SMM: firmware takes that as
 * "SMM is set up already". Where there is, a write to B2h with that bit set pulses the SMI pin; the chip's further
 * gates (GLBEN, GLBCTL at 20h and 28h of the PM ports) do not exist, as in QEMU.
 */
#include "accel/accel.h"
#include "hw/acpi/acpi.h"
#include "hw/acpi/smbus.h"
#include "hw/i386/pc.h"
#include "hw/pci/pci-regs.h"

enum { PMBA = 0x40, DEVACTB = 0x58, PMREGMISC = 0x80, SMBA = 0x90, SMBHSTCFG = 0xd2 };
enum { APM_PORT = 0xb2, GPE_PORT = 0xafe0, PCIHP_PORT = 0xae00, CPUHP_PORT = 0xaf00, SCI = 9 };
enum { DEVACTB_APMC_EN = 1 << 25 };
enum { APM_ACPI_ENABLE = 0xf1, APM_ACPI_DISABLE = 0xf0 };

typedef struct Piix4Pm {
    PciDevice pci;
    /* config */
    uint32_t smb_io_base;
    bool hotplug_bridges, hotplug_root, memory_hotplug, smm_compat, smm_enabled, not_migrate_acpi_index;
    /* wiring */
    IoRegion apm_io;
    Irq *smi;
    /* state */
    AcpiRegs acpi;
    uint8_t apmc, apms;
    SmbusHost smb;
    AcpiPciHotplug hp;
    AcpiCpuHotplug cpus;
} Piix4Pm;
#define PIIX4_PM(d) container_of(d, Piix4Pm, pci.dev)

static void map_pm(Piix4Pm *s)
{
    memory_begin();
    region_del(&s->acpi.io);
    if (s->pci.config[PMREGMISC] & 1)
        region_add(&system_io, lduw_le(s->pci.config + PMBA) & 0xffc0, &s->acpi.io);
    memory_commit();
}

static void pm_config_write(PciDevice *d, unsigned off, uint32_t val, unsigned size)
{
    pci_default_config_write(d, off, val, size);
    if ((off < PMBA + 4 && off + size > PMBA) || (off <= PMREGMISC && off + size > PMREGMISC))
        map_pm(container_of(d, Piix4Pm, pci));
}

static uint64_t apm_read(void *opaque, uint64_t off, unsigned size)
{
    Piix4Pm *s = opaque;
    return off ? s->apms : s->apmc;
}

static void apm_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Piix4Pm *s = opaque;
    if (off) {
        s->apms = val;
        return;
    }
    s->apmc = val;
    /* What the SMI handler of a real board does. */
    if (val == APM_ACPI_ENABLE || val == APM_ACPI_DISABLE)
        acpi_set_sci_en(&s->acpi, val == APM_ACPI_ENABLE);
    if (ldl_le(s->pci.config + DEVACTB) & DEVACTB_APMC_EN)
        irq_pulse(s->smi);
}

static const IoOps apm_ops = {apm_read, apm_write, .min = 1, .max = 1};

static bool pm_realize(Device *dev, Error **errp)
{
    Piix4Pm *s = PIIX4_PM(dev);
    uint8_t *c = s->pci.config;
    if (s->smm_enabled && !accel_has_smm())
        return error_set(errp, "PIIX4_PM.smm-enabled=on: this accelerator has no system management mode");
    if (!s->smb_io_base || (s->smb_io_base & 0x3f) || s->smb_io_base > 0xffc0)
        return error_set(errp, "PIIX4_PM.smb_io_base=0x%x must be a multiple of 0x40 from 0x40 to 0xffc0",
                         s->smb_io_base);
    s->pci.config_write = pm_config_write;
    s->smi = s->smm_enabled ? cpu_smi_line() : NULL;
    stw_le(c + PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM | PCI_STATUS_FAST_BACK);
    stl_le(c + SMBA, s->smb_io_base | 1);
    c[SMBHSTCFG] = 9; /* enabled, IRQ 9 */
    acpi_regs_init(&s->acpi, dev, isa_bus_claim(isa_bus, SCI), GPE_PORT);
    device_outputs(dev, "smi-irq", &s->smi, 1);
    device_outputs(dev, "", &s->acpi.sci, 1);
    smbus_host_init(&s->smb, dev, s->smb_io_base);
    region_init_io(&s->apm_io, dev, &apm_ops, s, "apm-io", 2);
    region_add(&system_io, APM_PORT, &s->apm_io);
    acpi_cpuhp_init(&s->cpus, dev, CPUHP_PORT);
    if (s->hotplug_root || s->hotplug_bridges)
        acpi_pcihp_init(&s->hp, dev, &s->acpi, s->pci.bus, PCIHP_PORT);
    return true;
}

static bool decoded(uint16_t port)
{
    FlatRange r;
    rcu_lock();
    bool found = as_lookup(&as_io, port, &r);
    rcu_unlock();
    return found;
}

static void pm_reset(Device *dev)
{
    Piix4Pm *s = PIIX4_PM(dev);
    uint8_t *c = s->pci.config;
    memset(c + DEVACTB, 0, 4);
    stl_le(c + PMBA, 1);
    c[PMREGMISC] = 0;
    if (!s->smm_enabled)
        stl_le(c + DEVACTB, DEVACTB_APMC_EN);
    /* Which of the ports that the ACPI tables ask for are on the board. */
    c[0x5f] = (decoded(0x378) ? 0x80 : 0) | 0x10;
    c[0x63] = 0x60;
    c[0x67] = (decoded(0x3f8) ? 0x08 : 0) | (decoded(0x2f8) ? 0x90 : 0);
    s->apmc = s->apms = 0;
    acpi_regs_reset(&s->acpi);
    smbus_host_reset(&s->smb);
    acpi_cpuhp_reset(&s->cpus);
    if (s->hp.root)
        acpi_pcihp_reset(&s->hp);
    map_pm(s);
}

static bool pm_post_load(Device *dev, Error **errp)
{
    Piix4Pm *s = PIIX4_PM(dev);
    if (s->hp.select > ARRAY_SIZE(s->hp.bus))
        return error_set(errp, "PCI hot plug bus %u is out of range", s->hp.select);
    if (!smbus_host_check(&s->smb, errp))
        return false;
    map_pm(s);
    acpi_update_sci(&s->acpi);
    return true;
}

static const VmState apm_vmstate = {
    .name = "APM State",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U8(Piix4Pm, apmc), VM_U8(Piix4Pm, apms), {}},
};

static const VmState gpe_vmstate = {
    .name = "gpe",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U16(Piix4Pm, acpi.gpe_sts), VM_U16(Piix4Pm, acpi.gpe_en), {}},
};

/* Parts of the struct that QEMU's stream has as structs of their own: their fields' offsets count from the device. */
#define WHOLE(n, v)                                                                                                    \
    {                                                                                                                  \
        .name = n, .kind = VM_STRUCT_K, .offset = 0, .size = sizeof(Piix4Pm), .num = 1, .vmsd = &(v)                   \
    }

static bool cpus_needed(void *opaque)
{
    return ((Piix4Pm *)opaque)->cpus.modern;
}

static bool cpus_post_load(Device *dev, Error **errp)
{
    PIIX4_PM(dev)->cpus.modern = true;
    return true;
}

static const VmState cpus_vmstate = {
    .name = "piix4_pm/cpuhp",
    .version = 1,
    .min_version = 1,
    .needed = cpus_needed,
    .post_load = cpus_post_load,
    .fields = (const VmField[]){{.name = "cpuhp_state",
                                 .kind = VM_STRUCT_K,
                                 .offset = offsetof(Piix4Pm, cpus),
                                 .num = 1,
                                 .size = sizeof(AcpiCpuHotplug),
                                 .vmsd = &acpi_cpuhp_vmstate},
                                {}},
};

static const VmState pm_vmstate = {
    .name = "piix4_pm",
    .version = 3,
    .min_version = 3,
    .post_load = pm_post_load,
    .fields =
        (const VmField[]){
            VM_U16(Piix4Pm, acpi.sts),
            VM_U16(Piix4Pm, acpi.en),
            VM_U16(Piix4Pm, acpi.cnt),
            WHOLE("apm", apm_vmstate),
            VM_STRUCT(Piix4Pm, smb, smbus_host_vmstate),
            VM_TIMER(Piix4Pm, acpi.timer),
            VM_I64(Piix4Pm, acpi.overflow_time),
            WHOLE("ar.gpe", gpe_vmstate),
            VM_U32(Piix4Pm, hp.select),
            VM_STRUCT_ARRAY(Piix4Pm, hp.bus, acpi_pcihp_bus_vmstate),
            VM_U32(Piix4Pm, hp.acpi_index),
            {},
        },
    .subsections = (const VmState *const[]){&cpus_vmstate, NULL},
};

static const Prop pm_props[] = {
    PROP_U32("smb_io_base", Piix4Pm, smb_io_base, 0, "the SMBus controller's ports"),
    PROP_U8("disable_s3", Piix4Pm, acpi.disable_s3, 0, "no suspend to RAM"),
    PROP_U8("disable_s4", Piix4Pm, acpi.disable_s4, 0, "no suspend to disk"),
    PROP_U8("s4_val", Piix4Pm, acpi.s4_val, 2, "the sleep type that is suspend to disk"),
    PROP_BOOL("acpi-pci-hotplug-with-bridge-support", Piix4Pm, hotplug_bridges, true, "ACPI hot plug behind bridges"),
    PROP_BOOL("acpi-root-pci-hotplug", Piix4Pm, hotplug_root, true, "ACPI hot plug on the root bus"),
    PROP_BOOL("memory-hotplug-support", Piix4Pm, memory_hotplug, true, "memory hot plug, as the ACPI tables tell"),
    PROP_BOOL("smm-compat", Piix4Pm, smm_compat, false, "as QEMU before 6.0: SMM's place in the state"),
    PROP_BOOL("smm-enabled", Piix4Pm, smm_enabled, false, "the CPUs have system management mode"),
    PROP_BOOL("x-not-migrate-acpi-index", Piix4Pm, not_migrate_acpi_index, false, "no acpi-index in the state"),
    {},
};

static const PciInfo pm_info = {.vendor = 0x8086, .device = 0x7113, .revision = 3, .class_id = 0x0680, .intx_pin = 1};

const DeviceDesc piix4_pm = {
    .name = "PIIX4_PM",
    .summary = "PM",
    .bus = BUS_PCI,
    .category = DEV_BRIDGE,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(Piix4Pm),
    .props = pm_props,
    .vmstate = &pm_vmstate,
    .realize = pm_realize,
    .reset = pm_reset,
    .pci = &pm_info,
};
