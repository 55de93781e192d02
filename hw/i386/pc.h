/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a PC board share: lines, buses, memory layout. */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

#define PC_GSIS 24

typedef struct PcMachine {
    Machine m;
    /* properties */
    uint64_t max_ram_below_4g, max_fw_size;
    OnOffAuto acpi, vmport, smm, pit, pic;
    char *oem_id, *oem_table_id;
    int smbios_ep; /* SmbiosEntryPoint */
    bool hpet, i8042, sata, smbus, fd_bootchk, default_bus_bypass_iommu;
    /* made by init */
    bool acpi_on, smm_on, was_reset;
    uint64_t below_4g, above_4g; /* bytes of RAM */
    Irq *gsi[PC_GSIS];           /* what raises each line of the board: PIC and I/O APIC, or the kernel's chips */
    MemoryRegion ram_below, ram_above, pci_memory, rom, isa_bios, bios;
    MemoryRegion smram, smram_low; /* what a CPU in SMM sees at A0000 */
    PciBus *pci;
    PciDevice *pm;
    Device *rtc, *hpet_dev, *fdc, *ide;
} PcMachine;
#define PC_MACHINE(x) container_of(x, PcMachine, m)

/* The 256-byte EEPROMs that describe the memory modules, on the power management function's SMBus. */
bool smbus_eeproms_create(Device *pm, uint64_t ram_size, Error **errp);
void pc_ferr_init(void); /* ferr.c; the ISA bus has its lines */

/* The APIC id of a CPU by its index, of a topology. */
unsigned pc_apic_id(const SmpConfig *s, unsigned cpu_index);

#endif
