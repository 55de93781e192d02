/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices as text: -device help, -device NAME,help, `info qtree`. */
#include "hw/core/device.h"

#include <stdio.h>

static const char *const categories[DEV_CATEGORIES] = {
    [DEV_BRIDGE] = "Controller/Bridge/Hub",
    [DEV_USB] = "USB",
    [DEV_STORAGE] = "Storage",
    [DEV_NETWORK] = "Network",
    [DEV_INPUT] = "Input",
    [DEV_DISPLAY] = "Display",
    [DEV_SOUND] = "Sound",
    [DEV_MISC] = "Misc",
    [DEV_CPU] = "CPU",
    [DEV_WATCHDOG] = "Watchdog",
};

static int by_name(gconstpointer a, gconstpointer b)
{
    const DeviceDesc *x = *(const DeviceDesc *const *)a, *y = *(const DeviceDesc *const *)b;
    return g_ascii_strcasecmp(x->name, y->name);
}

static void list_devices(GString *out)
{
    for (int c = 0; c < DEV_CATEGORIES; c++) {
        g_autoptr(GPtrArray) some = g_ptr_array_new();
        for (const DeviceDesc *const *d = device_table; *d; d++)
            if ((int)(*d)->category == c && !((*d)->flags & DEV_NO_USER))
                g_ptr_array_add(some, (void *)*d);
        g_ptr_array_sort(some, by_name);
        if (some->len)
            g_string_append_printf(out, "%s%s devices:\n", c ? "\n" : "", categories[c]);
        for (guint i = 0; i < some->len; i++) {
            const DeviceDesc *d = some->pdata[i];
            const BusDesc *bd = bus_desc(d->bus);
            g_string_append_printf(out, "name \"%s\"", d->name);
            if (bd)
                g_string_append_printf(out, ", bus %s", bd->name);
            if (d->alias)
                g_string_append_printf(out, ", alias \"%s\"", d->alias);
            if (d->summary)
                g_string_append_printf(out, ", desc \"%s\"", d->summary);
            g_string_append_printf(out, "\n");
        }
    }
}

static int by_prop_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const Prop *const *)a)->name, (*(const Prop *const *)b)->name);
}

static void add_props(const Prop *table, void *props)
{
    for (; table->name; table++)
        g_ptr_array_add(props, (void *)table);
}

void device_help_text(const char *name, GString *out)
{
    if (!name) {
        list_devices(out);
        return;
    }
    const DeviceDesc *d = device_find_desc(name);
    assert(d);
    g_autoptr(GPtrArray) props = g_ptr_array_new();
    device_desc_props(d, add_props, props);
    g_ptr_array_sort(props, by_prop_name);
    if (props->len)
        g_string_append_printf(out, "%s options:\n", d->name);
    else
        g_string_append_printf(out, "There are no options for %s.\n", d->name);
    for (guint i = 0; i < props->len; i++) {
        const Prop *p = props->pdata[i];
        gsize start = out->len;
        g_string_append_printf(out, "  %s=<%s>", p->name, p->type_name ? p->type_name : p->type->name);
        if (p->help)
            g_string_append_printf(out, "%*s - %s", MAX(0, 25 - (int)(out->len - start)), "", p->help);
        if (p->type == &prop_bool || p->type == &prop_bit || p->type == &prop_bit64)
            g_string_append_printf(out, " (default: %s)", p->def.u ? "true" : "false");
        else if (p->type == &prop_u8 || p->type == &prop_u16 || p->type == &prop_u32 || p->type == &prop_u64 ||
                 p->type == &prop_size)
            g_string_append_printf(out, " (default: %" PRIu64 ")", p->def.u);
        else if (p->type == &prop_i32 || p->type == &prop_i64)
            g_string_append_printf(out, " (default: %" PRId64 ")", p->def.i);
        else if (p->type == &prop_enum)
            g_string_append_printf(out, " (default: \"%s\")", p->values[p->def.u]);
        g_string_append_printf(out, "\n");
    }
}

void device_help(const char *name)
{
    GString *out = g_string_new(NULL);
    device_help_text(name, out);
    fputs(out->str, stdout);
    g_string_free(out, TRUE);
}

static void print_prop(Device *dev, const Prop *p, unsigned indent, GString *out)
{
    g_autoptr(Json) v = prop_get(p, dev);
    g_autofree char *text = v ? json_to_string(v, false) : g_strdup("<null>");
    g_string_append_printf(out, "%*s%s = %s\n", indent, "", p->name, text);
}

static void print_bus(Bus *bus, unsigned indent, GString *out)
{
    g_string_append_printf(out, "%*sbus: %s\n%*s  type %s\n", indent, "", bus->name, indent, "",
                           bus->type_name ? bus->type_name : bus_desc(bus->type)->name);
    for (guint i = 0; i < bus->children->len; i++) {
        Device *dev = bus->children->pdata[i];
        const BusDesc *bd = bus_desc(bus->type);
        g_string_append_printf(out, "%*s  dev: %s, id \"%s\"\n", indent, "", dev->desc->name, dev->id ? dev->id : "");
        if (dev->n_inputs)
            g_string_append_printf(out, "%*s    gpio-in \"\" %u\n", indent, "", dev->n_inputs);
        for (guint k = 0; dev->outputs && k < dev->outputs->len; k++) {
            const DeviceOutput *o = &g_array_index(dev->outputs, DeviceOutput, k);
            g_string_append_printf(out, "%*s    gpio-out \"%s\" %u\n", indent, "", o->name, o->n);
        }
        for (const Prop *p = dev->desc->props; p && p->name; p++)
            print_prop(dev, p, indent + 4, out);
        for (const Prop *p = bd->props; p && p->name; p++)
            print_prop(dev, p, indent + 4, out);
        if (bd->print)
            bd->print(dev, out);
        for (guint k = 0; k < dev->buses->len; k++)
            print_bus(dev->buses->pdata[k], indent + 4, out);
    }
}

void qtree_print(GString *out)
{
    if (system_bus)
        print_bus(system_bus, 0, out);
}
