/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller, as boards wire it: device "i8042" (hw/input/i8042.c). */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/core/device.h"

/* The mouse behind it, for vmmouse. */
Device *i8042_mouse(Device *i8042);

#endif
