/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buses: the table of bus types, and the tree. */
#include "hw/core/device.h"

extern const BusDesc pci_bus_desc __attribute__((weak)), isa_bus_desc __attribute__((weak)),
    ide_bus_desc __attribute__((weak)), floppy_bus_desc __attribute__((weak)), i2c_bus_desc __attribute__((weak)),
    virtio_bus_desc __attribute__((weak)), virtio_serial_bus_desc __attribute__((weak));

static const BusDesc system_bus_desc = {.type = BUS_SYSTEM, .name = "System", .device_type = "sys-bus-device"};

static const BusDesc *const bus_descs[BUS_TYPES] = {
    [BUS_SYSTEM] = &system_bus_desc, [BUS_ISA] = &isa_bus_desc,
    [BUS_PCI] = &pci_bus_desc,       [BUS_IDE] = &ide_bus_desc,
    [BUS_FLOPPY] = &floppy_bus_desc, [BUS_I2C] = &i2c_bus_desc,
    [BUS_VIRTIO] = &virtio_bus_desc, [BUS_VIRTIO_SERIAL] = &virtio_serial_bus_desc,
};

Bus *system_bus;
static GPtrArray *buses; /* of Bus *, in order of creation; VM lock */

const BusDesc *bus_desc(BusType type)
{
    return type < BUS_TYPES ? bus_descs[type] : NULL;
}

/* TYPE.N in lower case with the first free N, or ID.N of a parent with an id. */
static char *auto_name(Device *parent, BusType type)
{
    g_autofree char *stem = parent && parent->id ? g_strdup(parent->id) : g_ascii_strdown(bus_desc(type)->name, -1);
    for (unsigned n = parent && parent->id ? parent->buses->len : 0;; n++) {
        char *name = g_strdup_printf("%s.%u", stem, n);
        if (!bus_find(name))
            return name;
        g_free(name);
    }
}

void bus_init(Bus *bus, Device *parent, BusType type, const char *name)
{
    if (!buses)
        buses = g_ptr_array_new();
    bus->type = type;
    bus->parent = parent;
    bus->name = name ? g_strdup(name) : auto_name(parent, type);
    bus->children = g_ptr_array_new();
    g_ptr_array_add(buses, bus);
    if (parent)
        g_ptr_array_add(parent->buses, bus);
}

Bus *bus_new(Device *parent, BusType type, const char *name)
{
    Bus *bus = g_new0(Bus, 1);
    bus_init(bus, parent, type, name);
    bus->owned = true;
    return bus;
}

void bus_fini(Bus *bus)
{
    while (bus->children->len)
        device_unrealize(bus->children->pdata[bus->children->len - 1]);
    g_ptr_array_remove(buses, bus);
    g_ptr_array_free(bus->children, true);
    g_free(bus->name);
    if (bus->owned)
        g_free(bus);
}

Bus *bus_find(const char *name)
{
    if (*name == '/') { /* a path: the last component is the bus, the one before it the device */
        const char *last = strrchr(name, '/');
        g_autofree char *dev_path = g_strndup(name, last - name);
        for (guint i = 0; buses && i < buses->len; i++) {
            Bus *b = buses->pdata[i];
            if (!strcmp(b->name, last + 1) && b->parent && b->parent->path && !strcmp(b->parent->path, dev_path))
                return b;
        }
        return NULL;
    }
    for (guint i = 0; buses && i < buses->len; i++) {
        Bus *b = buses->pdata[i];
        if (!strcmp(b->name, name))
            return b;
    }
    return NULL;
}

Bus *bus_find_type(BusType type)
{
    for (guint i = 0; buses && i < buses->len; i++) {
        Bus *b = buses->pdata[i];
        if (b->type == type && !b->full && !(b->max_devices && b->children->len >= b->max_devices))
            return b;
    }
    return NULL;
}

void buses_foreach(void (*fn)(Bus *bus, void *opaque), void *opaque)
{
    for (guint i = 0; buses && i < buses->len; i++)
        fn(buses->pdata[i], opaque);
}
