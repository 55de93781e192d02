/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's ACPI tables: for the firmware, in fw_cfg. */
#ifndef HW_I386_ACPI_BUILD_H
#define HW_I386_ACPI_BUILD_H

#include "hw/i386/pc.h"

/* etc/acpi/tables, etc/acpi/rsdp and etc/table-loader; what is in them is made when the firmware looks, once a reset.
 */
bool acpi_publish(PcMachine *pc, Error **errp);
void acpi_tables_stale(void); /* a reset: the devices may be others by now */

void pc_dsdt(GByteArray *out, PcMachine *pc);             /* the DSDT's code, without the header */
bool pc_has_pci_hotplug(PcMachine *pc);                   /* on the root bus, by ACPI */
unsigned pc_pm_property(PcMachine *pc, const char *name); /* a number or a bool of PIIX4_PM's */

#endif
