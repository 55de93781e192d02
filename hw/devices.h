/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of every device: DEVICE_ENTRY(variable) for each const DeviceDesc, by folder. hw/devices.c makes the table of it. */
/* hw/char */
DEVICE_ENTRY(isa_debugcon)
DEVICE_ENTRY(isa_parallel)
DEVICE_ENTRY(isa_serial)
/* hw/misc */
DEVICE_ENTRY(isa_debug_exit)
DEVICE_ENTRY(pc_testdev)
/* hw/display */
DEVICE_ENTRY(secondary_vga)
DEVICE_ENTRY(vga_pci)
