/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyboard layouts: which key has a symbol (X11 keysym) on its cap. For displays whose clients send symbols, as VNC
 * without its extended key event does. en-us is built in; others come from libxkbcommon (module ui-keymap). Constant
 * once it is loaded.
 */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H

#include "ui/input.h"

bool keymap_option(const char *layout,
                   Error **errp);       /* -k; errors come from keymap_ready() where the module is needed */
bool keymap_ready(Error **errp);        /* loads what -k named */
bool keymap_given(void);                /* -k was there: symbols count, not places */
KeyCode keymap_lookup(uint32_t keysym); /* KEY_CODE_UNMAPPED: no key has it */

/* Module ui-keymap: for each symbol of a layout (QEMU's name), call add. Exported as `keymap_load`. */
typedef void KeymapAdd(uint32_t keysym, unsigned evdev_code);
typedef bool KeymapLoad(const char *layout, KeymapAdd *add, Error **errp);

#endif
