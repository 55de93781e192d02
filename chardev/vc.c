/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vc: a text console of the display, where -serial, -parallel and -monitor go by default. No display here shows text
 * consoles: what is written is dropped, as with a display that nobody looks at (-display none), and there is no input.
 */
#include "chardev/driver.h"

static bool vc_open(Chardev *c, const Json *opts, Error **errp)
{
    c->open = true;
    return true;
}

const CharDriver chardev_vc = {
    .name = "vc",
    .summary = "a text console of the display (none shows one: output is dropped)",
    .size = sizeof(Chardev),
    .options = (const char *const[]){"width", "height", "cols", "rows", NULL},
    .open = vc_open,
};
