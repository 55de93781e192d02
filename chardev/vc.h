/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text consoles of the display (chardev vc), for a display that can show them. Main thread, VM lock. */
#ifndef CHARDEV_VC_H
#define CHARDEV_VC_H

#include "util/util.h"

unsigned vc_count(void);
const char *vc_id(unsigned index); /* in order of creation; NULL past the end */
/* A stream socket that carries the console: the last of what it wrote, then what it writes; input goes in. The caller
 * owns it. A reader that does not read loses what the history (16 KiB) does
 * not keep. -1: no such console, or too many readers. */
int vc_attach(unsigned index);

#endif
