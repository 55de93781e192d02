/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Displays: the table behind -display, and the names that -vga takes. */
#include "ui/console.h"
#include "hw/core/prop.h"
#include "ui/vnc.h"
#include "util/keyval.h"
#include "util/module.h"
#include <stdio.h>

static const DisplayDesc display_none = {.name = "none", .summary = "no display; screendump shows the picture"};

static const char *const curses_options[] = {"charset", NULL};
static const DisplayDesc display_curses = {.name = "curses",
                                           .summary = "text screen in the terminal",
                                           .options = curses_options,
                                           .module = "ui-curses",
                                           .init_name = "curses_display_init",
                                           .exit_name = "curses_display_exit"};

static const char *const web_options[] = {"addr", "port", "token", NULL};
static const DisplayDesc display_web = {.name = "web",
                                        .summary = "screen and consoles in a browser",
                                        .options = web_options,
                                        .module = "ui-vnc",
                                        .init_name = "web_display_init",
                                        .exit_name = "web_display_exit",
                                        .not_qmp = true};

const DisplayDesc *const display_table[] = {&display_none, &display_curses, &display_web, NULL};

/* Types that QEMU has and this program does not. */
static const char *const display_absent[] = {"gtk", "sdl", "egl-headless", "spice-app", "dbus", "cocoa", NULL};

static const DisplayDesc *chosen = &display_none;
static bool named; /* by an option */
static Json *chosen_options;
static bool started;

void display_help(void)
{
    printf("Available display backend types:\n");
    for (const DisplayDesc *const *d = display_table; *d; d++)
        if (!(*d)->module || module_exists((*d)->module))
            printf("%s\n", (*d)->name);
}

static char *known_types(void)
{
    GString *s = g_string_new(NULL);

    for (const DisplayDesc *const *d = display_table; *d; d++)
        g_string_append_printf(s, "%s%s", s->len ? ", " : "", (*d)->name);
    return g_string_free(s, FALSE);
}

bool display_option(const char *text, Error **errp)
{
    g_autofree char *known = known_types();
    g_autoptr(Json) opts = NULL;
    const char *type;

    named = true;
    /* The one type that is an option of another kind. */
    if (g_str_has_prefix(text, "vnc=")) {
        chosen = &display_none;
        return vnc_option(text + strlen("vnc="), errp) || error_prepend(errp, "-display %s: ", text);
    }
    if (!strcmp(text, "vnc"))
        return error_set(errp, "-display %s: VNC requires a display argument vnc=<display>", text);
    if (!strcmp(text, "default")) { /* as if nothing had been said */
        chosen = &display_none;
        named = false;
        return true;
    }
    opts = json_or_keyval_dotted(text, "type", NULL, errp);
    if (!opts)
        return error_prepend(errp, "-display %s: ", text);
    type = json_get_str(opts, "type");
    if (!type)
        return error_set(errp, "-display %s: Parameter 'type' is missing; types: %s", text, known);
    for (const DisplayDesc *const *d = display_table; *d; d++) {
        if (strcmp((*d)->name, type))
            continue;
        for (size_t i = 0; i < json_length(opts); i++) {
            const char *key = json_key_at(opts, i);
            bool ok = !strcmp(key, "type");

            for (const char *const *o = (*d)->options; o && *o && !ok; o++)
                ok = !strcmp(*o, key);
            if (!ok)
                return error_set(errp, "-display %s: Parameter '%s' is unexpected", text, key);
        }
        chosen = *d;
        json_unref(chosen_options);
        chosen_options = json_ref(opts);
        return true;
    }
    for (const char *const *n = display_absent; *n; n++)
        if (!strcmp(*n, type))
            return error_set(errp, "-display %s: type '%s' is not supported yet; types: %s", text, type, known);
    return error_set(errp, "-display %s: Parameter 'type' does not accept value '%s'; types: %s", text, type, known);
}

bool display_named(void)
{
    return named;
}

static void (*chosen_exit)(void);

bool display_init(Error **errp)
{
    bool (*init)(const Json *opts, Error **errp) = chosen->init;

    chosen_exit = chosen->exit;
    if (chosen->module) {
        init = module_symbol(chosen->module, chosen->init_name, errp);
        chosen_exit = init ? module_symbol(chosen->module, chosen->exit_name, errp) : NULL;
        if (!chosen_exit)
            return error_prepend(errp, "-display %s: ", chosen->name);
    }
    if (init && !init(chosen_options, errp))
        return false;
    started = true;
    return true;
}

void display_exit(void)
{
    if (started && chosen_exit)
        chosen_exit();
    started = false;
}

const char *display_type(void)
{
    return chosen->name;
}

Json *display_query_options(void)
{
    Json *reply = chosen_options && !chosen->not_qmp ? json_copy(chosen_options) : json_object();

    json_set_str(reply, "type", chosen->not_qmp ? display_none.name : chosen->name);
    return reply;
}

typedef struct VgaType {
    const char *name, *summary;
    const char *pci, *isa; /* devices; NULL: none on that bus */
    bool absent;           /* QEMU's, not ours */
} VgaType;
static const VgaType vga_types[] = {
    {"none", "no graphic card"},
    {"std", "standard VGA", "VGA", "isa-vga"},
    {"cirrus", "Cirrus VGA", .absent = true},
    {"vmware", "VMWare SVGA", .absent = true},
    {"qxl", "QXL VGA", .absent = true},
    {"virtio", "Virtio VGA", .absent = true},
    {"xenfb", "Xen paravirtualized framebuffer", .absent = true},
};

void vga_type_help(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(vga_types); i++)
        if (!vga_types[i].absent)
            printf("%-20s %s%s\n", vga_types[i].name, vga_types[i].summary,
                   !strcmp(vga_types[i].name, "std") ? " (default)" : "");
}

bool vga_type_device(const char *name, bool pci, const char **device, Error **errp)
{
    if (!name)
        name = "std";
    for (size_t i = 0; i < ARRAY_SIZE(vga_types); i++) {
        const VgaType *t = &vga_types[i];

        if (strcmp(t->name, name))
            continue;
        if (t->absent)
            return error_set(errp, "-vga %s: %s is not supported yet; use std or none", name, t->summary);
        *device = pci ? t->pci : t->isa;
        return true;
    }
    return error_set(errp, "unknown vga type: %s; -vga takes std or none", name);
}
