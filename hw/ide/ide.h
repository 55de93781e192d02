/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDE for boards: the PCI function's drives and what the firmware's CMOS bytes tell of them. */
#ifndef HW_IDE_IDE_H
#define HW_IDE_IDE_H

#include "hw/core/device.h"

/* After the realize of a "piix3-ide" function: ide-hd and ide-cd for each -drive of if=ide. */
bool ide_create_drives(Device *pci_ide, Error **errp);

/* What the BIOS is told of a hard disk; after all devices are made. False: no disk there. channel, unit: 0 or 1. */
typedef struct IdeGeometry {
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint8_t translation; /* 0: none, 1: LBA, 2: large, 3: rechs: two bits of CMOS 0x39 */
} IdeGeometry;
bool ide_geometry(Device *pci_ide, unsigned channel, unsigned unit, IdeGeometry *out);

#endif
