/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware's list of what to boot from: "bootorder" in fw_cfg, one Open Firmware path a line, by boot index. */
#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/pci/pci.h"

typedef struct BootEntry {
    int32_t index;
    char *path;
} BootEntry;
static GArray *extra; /* of BootEntry: without a device */

/* "/pci@i0cf8/ide@1,1/drive@1/disk@0": what each bus on the way says of the device on it. NULL: some bus has no such
 * names. */
static char *device_firmware_path(Device *dev)
{
    GString *path = g_string_new(NULL);
    while (dev && dev->bus && dev->bus->type != BUS_SYSTEM) {
        const BusDesc *bd = bus_desc(dev->bus->type);
        g_autofree char *part = bd->dev_path ? bd->dev_path(dev) : NULL;
        if (!part) {
            g_string_free(path, true);
            return NULL;
        }
        g_string_prepend(path, part);
        g_string_prepend_c(path, '/');
        if (dev->bus->type == BUS_PCI && !container_of(dev->bus, PciBus, bus)->parent_bus)
            g_string_prepend(path, "/pci@i0cf8"); /* the host bridge, by its configuration port */
        dev = dev->bus->parent;
    }
    return g_string_free(path, false);
}

static bool collect(Device *dev, void *opaque)
{
    char *path;
    if (dev->bootindex >= 0 && (path = device_firmware_path(dev))) {
        BootEntry e = {dev->bootindex, path};
        g_array_append_val((GArray *)opaque, e);
    }
    return true;
}

static int by_index(const void *a, const void *b)
{
    int32_t x = ((const BootEntry *)a)->index, y = ((const BootEntry *)b)->index;
    return x < y ? -1 : x > y;
}

void bootorder_update(FwCfg *f)
{
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(BootEntry));
    g_autoptr(GString) text = g_string_new(NULL);
    devices_foreach(collect, list);
    for (guint i = 0; extra && i < extra->len; i++) {
        BootEntry e = {g_array_index(extra, BootEntry, i).index, g_strdup(g_array_index(extra, BootEntry, i).path)};
        g_array_append_val(list, e);
    }
    g_array_sort(list, by_index);
    for (guint i = 0; i < list->len; i++) {
        char *path = g_array_index(list, BootEntry, i).path;
        g_string_append_printf(text, "%s%s", i ? "\n" : "", path);
        g_free(path);
    }
    if (machine->boot_strict && text->len) /* nothing else; an empty list leaves the order to the firmware */
        g_string_append(text, "\nHALT");
    Error *err = NULL;
    if (!fw_cfg_add_file(f, "bootorder", text->str, text->len ? text->len + 1 : 0, &err))
        error_report_err(err);
}

void bootorder_add_path(int32_t bootindex, const char *path)
{
    if (!extra)
        extra = g_array_new(false, false, sizeof(BootEntry));
    BootEntry e = {bootindex, g_strdup(path)};
    g_array_append_val(extra, e);
}
