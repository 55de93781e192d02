/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's ACPI tables (ACPI specification 6.4, chapter 5): FACS, DSDT, FADT, MADT, HPET, WAET, those of -acpitable,
 * RSDT and RSDP, and the loader's script for them. Made when the firmware selects one of the three files, after it has
 * placed the PCI devices: BARs and the power management base are in them.
 */
#include "hw/i386/acpi-build.h"

#include "hw/acpi/tables.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "hw/timer/hpet.h"
#include "softmmu/vcpus.h"

enum {
    TABLES_SIZE = 128 * KIB,
    LOADER_SIZE = 4096,
    LOADER_BASE = 2560,
    RSDP_SIZE = 20,
    FIXED_PART = 16 * KIB,
    CPU_PART = 160,
    FACS_SIZE = 64
};
enum { PMBA = 0x40, SCI_LINE = 9, GPE_PORT = 0xafe0, SMI_CMD = 0xb2, CMOS_CENTURY = 0x32 };
enum { /* FADT flags */
       F_WBINVD = 1 << 0,
       F_PROC_C1 = 1 << 2,
       F_SLP_BUTTON = 1 << 5,
       F_RTC_S4 = 1 << 7,
       F_PLATFORM_CLOCK = 1 << 15,
       F_APIC_CLUSTER = 1 << 18,
};
enum { MADT_LAPIC, MADT_IOAPIC, MADT_OVERRIDE, MADT_NMI = 4, MADT_X2APIC = 9, MADT_X2APIC_NMI = 10 };

static PcMachine *board;
static bool fresh; /* fw_cfg's contents are of this boot */

bool pc_has_pci_hotplug(PcMachine *pc)
{
    return pc_pm_property(pc, "acpi-root-pci-hotplug");
}

unsigned pc_pm_property(PcMachine *pc, const char *name)
{
    g_autoptr(Json) val = device_get(&pc->pm->dev, name, NULL);
    uint64_t n = 0;
    bool on = false;
    if (json_get_bool(val, &on))
        return on;
    json_get_uint(val, &n);
    return n;
}

static void build_facs(AcpiBlob *b)
{
    uint8_t facs[FACS_SIZE] = "FACS";
    facs[4] = FACS_SIZE;
    g_byte_array_append(b->tables, facs, sizeof(facs));
}

static void build_fadt(AcpiBlob *b, PcMachine *pc, uint32_t facs, uint32_t dsdt)
{
    uint16_t pm = lduw_le(pc->pm->config + PMBA) & 0xffc0;
    size_t t = acpi_table_begin(b, "FACP", 1);
    acpi_put(b, facs, 4);
    acpi_put(b, dsdt, 4);
    acpi_put(b, 1, 1); /* the interrupt model: 1, as the specification's first edition has it */
    acpi_put(b, 0, 1);
    acpi_put(b, SCI_LINE, 2);
    acpi_put(b, SMI_CMD, 4);
    acpi_put(b, 0xf1, 1); /* ACPI on, off */
    acpi_put(b, 0xf0, 1);
    acpi_put(b, 0, 2);
    acpi_put(b, pm, 4); /* PM1a events, PM1b none */
    acpi_put(b, 0, 4);
    acpi_put(b, pm + 4, 4); /* control */
    acpi_put(b, 0, 8);
    acpi_put(b, pm + 8, 4); /* timer */
    acpi_put(b, GPE_PORT, 4);
    acpi_put(b, 0, 4);
    acpi_put(b, 0x04000204, 4); /* their lengths: 4, 2, 0, 4 */
    acpi_put(b, 4, 4);
    acpi_put(b, 0xfff, 2); /* no C2, no C3 */
    acpi_put(b, 0xfff, 2);
    acpi_put(b, 0, 8);
    acpi_put(b, CMOS_CENTURY, 4);
    acpi_put(b,
             F_WBINVD | F_PROC_C1 | F_SLP_BUTTON | F_RTC_S4 | F_PLATFORM_CLOCK |
                 (pc->m.smp.max_cpus > 8 ? F_APIC_CLUSTER : 0),
             4);
    loader_pointer(b, ACPI_TABLES_FILE, t + 36, 4, ACPI_TABLES_FILE);
    loader_pointer(b, ACPI_TABLES_FILE, t + 40, 4, ACPI_TABLES_FILE);
    acpi_table_end(b, t);
}

static void override(AcpiBlob *b, unsigned line, unsigned gsi, unsigned flags)
{
    acpi_put(b, MADT_OVERRIDE | 10 << 8, 2);
    acpi_put(b, line << 8, 2); /* bus 0: ISA */
    acpi_put(b, gsi, 4);
    acpi_put(b, flags, 2);
}

static bool cpu_present(unsigned apic_id)
{
    X86CPU *c;
    FOREACH_VCPU (c)
        if (c->apic_id == apic_id)
            return true;
    return false;
}

static void build_madt(AcpiBlob *b, PcMachine *pc)
{
    enum { LEVEL_HIGH = 0xd, PC_AT = 1 };
    bool x2apic = false;
    size_t t = acpi_table_begin(b, "APIC", 3);
    acpi_put(b, 0xfee00000, 4);
    acpi_put(b, PC_AT, 4);
    for (unsigned i = 0; i < pc->m.smp.max_cpus; i++) {
        unsigned id = pc_apic_id(&pc->m.smp, i);
        bool present = cpu_present(id);
        if (id < 255) {
            acpi_put(b, MADT_LAPIC | 8 << 8, 2);
            acpi_put(b, i | id << 8, 2);
            acpi_put(b, present, 4);
        } else {
            x2apic = true;
            acpi_put(b, MADT_X2APIC | 16 << 8, 4);
            acpi_put(b, id, 4);
            acpi_put(b, present, 4);
            acpi_put(b, i, 4);
        }
    }
    acpi_put(b, MADT_IOAPIC | 12 << 8, 4); /* id 0 */
    acpi_put(b, IOAPIC_BASE, 4);
    acpi_put(b, 0, 4);
    override(b, 0, 2, 0);
    override(b, 5, 5, LEVEL_HIGH);
    override(b, 9, 9, LEVEL_HIGH);
    override(b, 10, 10, LEVEL_HIGH);
    override(b, 11, 11, LEVEL_HIGH);
    if (x2apic) { /* NMI is LINT1 of every CPU */
        acpi_put(b, MADT_X2APIC_NMI | 12 << 8, 4);
        acpi_put(b, UINT32_MAX, 4);
        acpi_put(b, 1, 4);
    } else {
        acpi_put(b, MADT_NMI | 6 << 8 | 0xff << 16, 4);
        acpi_put(b, 1 << 8, 2);
    }
    acpi_table_end(b, t);
}

static void build_hpet(AcpiBlob *b, PcMachine *pc)
{
    size_t t = acpi_table_begin(b, "HPET", 1);
    acpi_put(b, hpet_block_id(pc->hpet_dev), 4);
    acpi_put(b, 0, 4);
    acpi_put(b, HPET_BASE, 8);
    acpi_put(b, 0, 4);
    acpi_table_end(b, t);
}

static void build_waet(AcpiBlob *b)
{
    size_t t = acpi_table_begin(b, "WAET", 1);
    acpi_put(b, 2, 4); /* the PM timer reads right the first time */
    acpi_table_end(b, t);
}

/* A SLIC table only counts with RSDT and FADT of the same maker. */
static void as_slic(AcpiBlob *b, size_t table)
{
    for (size_t i = 0; i < acpitable_count(); i++)
        if (!memcmp(acpitable_get(i)->data, "SLIC", 4))
            memcpy(b->tables->data + table + 10, acpitable_get(i)->data + 10, 14);
}

static void build_all(AcpiBlob *b, PcMachine *pc)
{
    uint32_t at[8];
    unsigned n = 0;
    loader_allocate(b, ACPI_RSDP_FILE, 16, LOADER_FSEG);
    loader_allocate(b, ACPI_TABLES_FILE, 64, LOADER_HIGH);
    build_facs(b);
    size_t dsdt = acpi_table_begin(b, "DSDT", 1);
    pc_dsdt(b->tables, pc);
    acpi_table_end(b, dsdt);
    at[n++] = b->tables->len;
    build_fadt(b, pc, 0, dsdt);
    as_slic(b, at[0]);
    at[n++] = b->tables->len;
    build_madt(b, pc);
    if (pc->hpet_dev) {
        at[n++] = b->tables->len;
        build_hpet(b, pc);
    }
    at[n++] = b->tables->len;
    build_waet(b);
    g_autofree uint32_t *more = g_new(uint32_t, acpitable_count() + 1);
    for (size_t i = 0; i < acpitable_count(); i++) {
        more[i] = b->tables->len;
        g_byte_array_append(b->tables, acpitable_get(i)->data, acpitable_get(i)->len);
    }
    size_t rsdt = acpi_table_begin(b, "RSDT", 1);
    for (size_t i = 0; i < n + acpitable_count(); i++) {
        loader_pointer(b, ACPI_TABLES_FILE, b->tables->len, 4, ACPI_TABLES_FILE);
        acpi_put(b, i < n ? at[i] : more[i - n], 4);
    }
    as_slic(b, rsdt);
    acpi_table_end(b, rsdt);

    uint8_t rsdp[RSDP_SIZE] = "RSD PTR ";
    memcpy(rsdp + 9, b->oem_id, 6);
    stl_le(rsdp + 16, rsdt);
    g_byte_array_append(b->rsdp, rsdp, sizeof(rsdp));
    loader_pointer(b, ACPI_RSDP_FILE, 16, 4, ACPI_TABLES_FILE);
    loader_checksum(b, ACPI_RSDP_FILE, 8, 0, RSDP_SIZE);
}

/* Into the file of that size; what does not fit cannot be told to a firmware that has read the directory. */
static void fill(const char *name, const GByteArray *a)
{
    size_t len;
    uint8_t *p = fw_cfg_file_data(board->m.fw_cfg, name, &len);
    if (a->len > len)
        warn_report("ACPI: %s has %u bytes, %zu fit: the guest will not find its tables", name, a->len, len);
    memset(p, 0, len);
    memcpy(p, a->data, MIN(len, a->len));
}

static void looked_at(void *opaque)
{
    if (fresh)
        return;
    fresh = true;
    AcpiBlob b = {.tables = g_byte_array_new(), .rsdp = g_byte_array_new(), .loader = g_byte_array_new()};
    memset(b.oem_id, 0, sizeof(b.oem_id));
    memcpy(b.oem_id, board->oem_id, MIN(strlen(board->oem_id), sizeof(b.oem_id)));
    memcpy(b.oem_table_id, board->oem_table_id, MIN(strlen(board->oem_table_id), sizeof(b.oem_table_id)));
    build_all(&b, board);
    fill(ACPI_TABLES_FILE, b.tables);
    fill(ACPI_RSDP_FILE, b.rsdp);
    fill(ACPI_LOADER_FILE, b.loader);
    g_byte_array_unref(b.tables);
    g_byte_array_unref(b.rsdp);
    g_byte_array_unref(b.loader);
}

void acpi_tables_stale(void)
{
    fresh = false;
}

bool acpi_publish(PcMachine *pc, Error **errp)
{
    FwCfg *fw = pc->m.fw_cfg;
    board = pc;
    size_t size = FIXED_PART + (size_t)CPU_PART * pc->m.smp.max_cpus;
    for (size_t i = 0; i < acpitable_count(); i++)
        size += acpitable_get(i)->len;
    size = (size + TABLES_SIZE - 1) / TABLES_SIZE * TABLES_SIZE;
    size_t loader = (LOADER_BASE + acpitable_count() * 128 + LOADER_SIZE - 1) / LOADER_SIZE * LOADER_SIZE;
    return fw_cfg_add_file_callback(fw, ACPI_TABLES_FILE, NULL, size, looked_at, NULL, NULL, false, errp) &&
           fw_cfg_add_file_callback(fw, ACPI_RSDP_FILE, NULL, RSDP_SIZE, looked_at, NULL, NULL, false, errp) &&
           fw_cfg_add_file_callback(fw, ACPI_LOADER_FILE, NULL, loader, looked_at, NULL, NULL, false, errp);
}
