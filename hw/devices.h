/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of every device: DEVICE_ENTRY(variable) for each const DeviceDesc, by folder. hw/devices.c makes the table of it. */
