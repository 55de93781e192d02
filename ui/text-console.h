/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text consoles as screens: a terminal of 80 x 24 that shows what a chardev vc writes, for displays that have pixels
 * alone. Made when it is first looked at, from what the vc still knows. Main thread, VM lock.
 */
#ifndef UI_TEXT_CONSOLE_H
#define UI_TEXT_CONSOLE_H

#include "ui/console.h"

/* Of the vc of this number (chardev/vc.h); NULL: there is none. A console beside console_at()'s. */
Console *text_console(unsigned index);
bool console_is_text(const Console *con);
/* A key with this X11 symbol was pressed: what a terminal sends for it. */
void text_console_key(Console *con, uint32_t keysym, bool ctrl);

#endif
