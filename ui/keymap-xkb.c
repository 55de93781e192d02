/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Module ui-keymap: layouts beside en-us, from libxkbcommon and the system's XKB data. */
#include "ui/keymap.h"
#include "util/module.h"

#include <xkbcommon/xkbcommon.h>

MODULE_DEFINE

KeymapLoad keymap_load;

/* QEMU's names where they are not XKB's. */
static const struct {
    const char *name, *layout, *variant;
} names[] = {
    {"en-us", "us", NULL}, {"en-gb", "gb", NULL}, {"ja", "jp", NULL},    {"sv", "se", NULL},     {"da", "dk", NULL},
    {"et", "ee", NULL},    {"sl", "si", NULL},    {"pt-br", "br", NULL}, {"ar", "ara", NULL},    {"fr-be", "be", NULL},
    {"fr-ca", "ca", NULL}, {"fr-ch", "ch", "fr"}, {"de-ch", "ch", NULL}, {"bepo", "fr", "bepo"}, {"nl", "nl", NULL},
};

typedef struct Walk {
    KeymapAdd *add;
    xkb_level_index_t level;
} Walk;

static void one_key(struct xkb_keymap *map, xkb_keycode_t code, void *opaque)
{
    Walk *w = opaque;
    const xkb_keysym_t *syms;
    int n = code >= 8 ? xkb_keymap_key_get_syms_by_level(map, code, 0, w->level, &syms) : 0;

    for (int i = 0; i < n; i++)
        w->add(syms[i], code - 8);
}

static void quiet(struct xkb_context *ctx, enum xkb_log_level level, const char *format, va_list args)
{
}

bool keymap_load(const char *layout, KeymapAdd *add, Error **errp)
{
    struct xkb_rule_names rules = {.rules = "evdev", .model = "pc105", .layout = layout};
    struct xkb_context *ctx = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
    struct xkb_keymap *map = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(names[i].name, layout)) {
            rules.layout = names[i].layout;
            rules.variant = names[i].variant;
        }
    }
    if (ctx) {
        xkb_context_set_log_fn(ctx, quiet);
        map = xkb_keymap_new_from_names(ctx, &rules, XKB_KEYMAP_COMPILE_NO_FLAGS);
    }
    if (!map) {
        if (ctx)
            xkb_context_unref(ctx);
        return error_set(
            errp, "could not read keymap file: '%s' (the system's XKB data, package xkb-data, has no layout '%s')",
            layout, rules.layout);
    }
    /* A symbol that several keys have is on the one that needs the fewest modifiers. */
    for (Walk w = {add, 0}; w.level < 8; w.level++)
        xkb_keymap_key_for_each(map, one_key, &w);
    xkb_keymap_unref(map);
    xkb_context_unref(ctx);
    return true;
}
