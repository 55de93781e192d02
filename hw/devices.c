/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of devices; its contents are the list in hw/devices.h. */
#include "hw/core/device.h"

#define DEVICE_ENTRY(v) extern const DeviceDesc v;
#include "hw/devices.h"
#undef DEVICE_ENTRY

const DeviceDesc *const device_table[] = {
#define DEVICE_ENTRY(v) &v,
#include "hw/devices.h"
#undef DEVICE_ENTRY
    NULL,
};
