/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The EDID of the monitor behind a display device. */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include "util/util.h"

typedef struct EdidInfo {
    uint32_t xres, yres;   /* preferred mode; 0: 1280, 800 */
    uint32_t xmax, ymax;   /* larger modes are not listed; 0: no limit */
    uint32_t refresh_rate; /* millihertz; 0: 75000 */
} EdidInfo;

#define EDID_PROPS(S, f)                                                                                               \
    PROP_U32("xres", S, f.xres, 0, "preferred width, 0: 1280"),                                                        \
        PROP_U32("yres", S, f.yres, 0, "preferred height, 0: 800"),                                                    \
        PROP_U32("xmax", S, f.xmax, 0, "largest width listed"),                                                        \
        PROP_U32("ymax", S, f.ymax, 0, "largest height listed"),                                                       \
        PROP_U32("refresh_rate", S, f.refresh_rate, 0, "of the preferred mode in mHz, 0: 75000")

/* Fills blob: base block, CTA extension and, where len is at least 384 and the preferred mode needs it, DisplayID. */
void edid_make(uint8_t *blob, size_t len, const EdidInfo *info);

#endif
