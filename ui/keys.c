/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key table, and look-ups in it. */
#include "ui/input.h"

static const struct {
    const char *name;
    uint16_t scan[3];
    uint8_t usb;
} keys[] = {
#define KEY(id, name, set1, set2, set3, usb) [KEY_CODE_##id] = {name, {set1, set2, set3}, usb},
#include "ui/keys.h"
#undef KEY
};

const char *key_name(KeyCode k)
{
    return k < KEY_CODES ? keys[k].name : keys[KEY_CODE_UNMAPPED].name;
}

bool key_by_name(const char *name, KeyCode *out)
{
    for (KeyCode k = 0; k < KEY_CODES; k++) {
        if (!strcmp(keys[k].name, name)) {
            *out = k;
            return true;
        }
    }
    return false;
}

uint16_t key_scancode(KeyCode k, unsigned set)
{
    return k < KEY_CODES && set >= 1 && set <= 3 ? keys[k].scan[set - 1] : 0;
}

unsigned key_number(KeyCode k)
{
    uint16_t code = key_scancode(k, 1);

    return code >> 8 ? (code & 0x7f) | 0x80 : code;
}

KeyCode key_by_number(unsigned n)
{
    for (KeyCode k = 0; n && k < KEY_CODES; k++)
        if (key_number(k) == n)
            return k;
    return KEY_CODE_UNMAPPED;
}

unsigned key_usb(KeyCode k)
{
    return k < KEY_CODES ? keys[k].usb : 0;
}
