/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller, for boards. */
#ifndef HW_BLOCK_FDC_H
#define HW_BLOCK_FDC_H

#include "hw/core/device.h"

typedef enum FdcDriveType { FDC_DRIVE_144, FDC_DRIVE_288, FDC_DRIVE_120, FDC_DRIVE_NONE, FDC_DRIVE_AUTO } FdcDriveType;

/* After the realize of an "isa-fdc": a floppy device for each -drive of if=floppy. */
bool fdc_create_drives(Device *fdc, Error **errp);
/* After all devices are made: the type of drive n (0, 1); FDC_DRIVE_NONE where fdc is NULL or has none. */
FdcDriveType fdc_drive_type(Device *fdc, unsigned n);
/* CMOS byte 0x10: types of A (bits 7-4) and B; the number of drives (0 to 2) for the equipment byte 0x14. */
uint8_t fdc_cmos_types(Device *fdc);
unsigned fdc_drive_count(Device *fdc);

#endif
