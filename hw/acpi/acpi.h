/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI hardware that chipsets share (ACPI specification 6.4, chapter 4): the PM1 event, control and timer registers, a
 * block of general purpose events, PCI hot plug ports (QEMU's docs/specs/acpi_pci_hotplug.rst).
 */
#ifndef HW_ACPI_ACPI_H
#define HW_ACPI_ACPI_H

#include "hw/core/device.h"
#include "hw/pci/pci.h"
#include "softmmu/memory.h"

#define PM_TIMER_HZ 3579545

enum { /* PM1 status and enable */
       PM1_TMR = 1 << 0,
       PM1_BM = 1 << 4,
       PM1_GBL = 1 << 5,
       PM1_PWRBTN = 1 << 8,
       PM1_SLPBTN = 1 << 9,
       PM1_RTC = 1 << 10,
       PM1_WAK = 1 << 15,
};
enum { PM1_SCI_EN = 1, PM1_SLP_TYP_SHIFT = 10, PM1_SLP_EN = 1 << 13 };
enum { GPE_PCI_HOTPLUG = 1 << 1, GPE_CPU_HOTPLUG = 1 << 2, GPE_MEM_HOTPLUG = 1 << 3 };

typedef struct AcpiRegs {
    /* config */
    uint8_t disable_s3, disable_s4, s4_val;
    /* wiring */
    Device *dev;
    Irq *sci;
    MemoryRegion io; /* the 64-byte PM block: event, control, timer */
    IoRegion evt_io, cnt_io, tmr_io, gpe_io;
    /* state */
    uint16_t sts, en, cnt, gpe_sts, gpe_en;
    Timer timer;           /* armed while the timer's event is enabled and not yet there */
    int64_t overflow_time; /* PM timer ticks at which TMR_STS comes */
} AcpiRegs;

/* Makes the regions: io is for the chipset to map; the GPE block is mapped at gpe_base of the I/O space. Listens for
 * the power button and wake-up. */
void acpi_regs_init(AcpiRegs *s, Device *dev, Irq *sci, uint16_t gpe_base);
void acpi_regs_reset(AcpiRegs *s);
void acpi_update_sci(AcpiRegs *s);
void acpi_set_gpe(AcpiRegs *s, uint16_t bits); /* an event: status bits */
void acpi_set_sci_en(AcpiRegs *s, bool on);    /* as the firmware does by the APM port */

typedef struct AcpiPciHotplug {
    PciBus *root;
    AcpiRegs *regs;
    IoRegion io;
    /* state; the protocol counts 256 buses, the root's number is 0 */
    uint32_t select, acpi_index;
    struct AcpiPciHotplugBus {
        uint32_t up, down;
    } bus[256];
} AcpiPciHotplug;
void acpi_pcihp_init(AcpiPciHotplug *s, Device *dev, AcpiRegs *regs, PciBus *root, uint16_t base);
void acpi_pcihp_reset(AcpiPciHotplug *s);
extern const VmState acpi_pcihp_bus_vmstate;

enum { ACPI_CPUS_MAX = 1024 };
typedef struct AcpiCpuHotplug {
    Device *dev;
    IoRegion io;
    uint32_t cpus; /* that the machine can have */
    /* state */
    bool modern; /* registers, not the bitmap */
    uint32_t selector;
    uint8_t command;
    struct AcpiCpuDev {
        bool inserting, removing;
        uint32_t ost_event, ost_status;
    } devs[ACPI_CPUS_MAX];
} AcpiCpuHotplug;
void acpi_cpuhp_init(AcpiCpuHotplug *s, Device *dev, uint16_t base);
void acpi_cpuhp_reset(AcpiCpuHotplug *s);
extern const VmState acpi_cpuhp_vmstate;

#endif
