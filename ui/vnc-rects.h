/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside module ui-vnc: which rectangles a viewer is sent for what has changed. An encoding with a dictionary (Tight,
 * ZRLE: zlib's window of 32 KiB) pays for each rectangle's header, palette and flush, and hardly for pixels that it has
 * sent before in the same form.
 */
#ifndef UI_VNC_RECTS_H
#define UI_VNC_RECTS_H

#include "util/util.h"

#include <pixman.h>

typedef enum VncRectsFor {
    VNC_RECTS_EXACT, /* every pixel costs */
    VNC_RECTS_TILES, /* ZRLE: palettes of its own tiles, whose order in the stream depends on the rectangle's top */
    VNC_RECTS_ROWS,  /* Tight: row after row; a palette for all of it */
} VncRectsFor;

/* Boxes that cover changed, for the picture pixels (x8 is zero) that is width wide. *rows: each has two colours at most
 * and all of them together fit into the window: they are not to be split. */
GArray *vnc_rects(const pixman_region32_t *changed, const uint32_t *pixels, unsigned width, VncRectsFor how,
                  bool *rows);

/* How far down in the old picture the new one's changed lines are found (by hashes of the lines): 0 where they are not.
 */
int vnc_scroll_distance(const uint64_t *old, const uint64_t *fresh, int height);

#endif
