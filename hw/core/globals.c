/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -global, and what machine versions change: values that override a device's defaults before the user's own properties.
 */
#include "hw/core/device.h"

typedef struct Global {
    char *driver, *prop, *value;
} Global;

static GArray *globals;                  /* of Global, in the order given */
static const CompatProp *const *compats; /* NULL-ended */

bool global_add(const char *text, Error **errp)
{
    /* DRIVER.PROP=VALUE, or driver=D,property=P,value=V: the only way to name a driver with a dot in it. */
    Global g = {};
    if (g_str_has_prefix(text, "driver=")) {
        g_auto(GStrv) parts = g_strsplit(text, ",", 3);
        for (char **p = parts; *p; p++) {
            if (g_str_has_prefix(*p, "driver="))
                g.driver = g_strdup(*p + 7);
            else if (g_str_has_prefix(*p, "property="))
                g.prop = g_strdup(*p + 9);
            else if (g_str_has_prefix(*p, "value="))
                g.value = g_strdup(*p + 6);
        }
    } else {
        const char *dot = strchr(text, '.'), *eq = dot ? strchr(dot, '=') : NULL;
        if (eq) {
            g.driver = g_strndup(text, dot - text);
            g.prop = g_strndup(dot + 1, eq - dot - 1);
            g.value = g_strdup(eq + 1);
        }
    }
    if (!g.driver || !g.prop || !g.value || !*g.driver || !*g.prop) {
        g_free(g.driver);
        g_free(g.prop);
        g_free(g.value);
        return error_set(errp, "-global: '%s' is not of the form DRIVER.PROPERTY=VALUE", text);
    }
    if (!globals)
        globals = g_array_new(false, false, sizeof(Global));
    g_array_append_val(globals, g);
    return true;
}

void globals_warn_unknown(void)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        Global *g = &g_array_index(globals, Global, i);
        bool known = false;
        for (const DeviceDesc *const *d = device_table; !known && *d; d++)
            known = device_desc_is(*d, g->driver);
        if (!known)
            warn_report("global %s.%s has invalid class name", g->driver, g->prop);
    }
}

void compat_props_set(const CompatProp *const *tables)
{
    compats = tables;
}

bool globals_apply(Device *dev, Error **errp)
{
    for (const CompatProp *const *t = compats; t && *t; t++) {
        for (const CompatProp *c = *t; c->driver; c++) {
            Error *err = NULL;
            if (device_desc_is(dev->desc, c->driver) && !device_set_text(dev, c->prop, c->value, &err))
                g_error("machine version's table: %s", error_text(err));
        }
    }
    for (guint i = 0; globals && i < globals->len; i++) {
        Global *g = &g_array_index(globals, Global, i);
        if (device_desc_is(dev->desc, g->driver) && !device_set_text(dev, g->prop, g->value, errp))
            return error_prepend(errp, "-global %s.%s=%s: ", g->driver, g->prop, g->value);
    }
    return true;
}
