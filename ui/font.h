/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A 5x7 font for messages of our own and text consoles: printable ASCII, drawn twice as high as wide. */
#ifndef UI_FONT_H
#define UI_FONT_H

#include "util/util.h"

#define FONT_WIDTH   5
#define FONT_HEIGHT  14
#define FONT_ADVANCE 6

/* Is pixel x, y of the glyph set? Others than printable ASCII are blank. */
bool font_pixel(char c, unsigned x, unsigned y);

#endif
