/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a PC board share: lines, buses, memory layout. */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

#define PC_GSIS 24

/* An interrupt line of the board: 0 to 15 reach the PIC and the IOAPIC, 16 to 23 the IOAPIC. Each GSI goes to the PIC's and the
 * IOAPIC's input, or to the kernel's chips by accel->set_gsi. */
typedef struct PcGsi {
    Irq *pic[16];        /* inputs of the 8259 pair, NULL: the kernel's, or none */
    Irq *ioapic[PC_GSIS];
    Irq *lines[PC_GSIS]; /* what raises a GSI: hand these out */
} PcGsi;

typedef struct PcMachine {
    Machine m;
    /* properties */
    uint64_t max_ram_below_4g, max_fw_size;
    bool sata, pit, smbus_on, hpet_on, default_bus_bypass_iommu;
    OnOffAuto i8042_unused;
    bool i8042;
    char *oem_id, *oem_table_id;
    int smbios_ep; /* smbios-entry-point-type */
    bool fd_bootchk;
    /* version tables */
    bool acpi_root_hotplug;
    /* made by init */
    uint64_t below_4g, above_4g;
    PcGsi gsi;
    MemoryRegion ram_below, ram_above, pci_memory, rom, isa_bios, bios;
    MemoryRegion smram, smram_low;
    PciBus *pci;
    PciDevice *host, *isa_bridge, *pm;
    Device *rtc;
    bool a20_off;
} PcMachine;
#define PC_MACHINE(x) container_of(x, PcMachine, m)

/* The A20 gate as port 92h and the keyboard controller drive it (off: bit 20 is masked, where the accelerator can). */
void pc_set_a20(bool on);
/* Port B2h was written: an SMI where SMM is there. */
void pc_smi(void);

#endif
