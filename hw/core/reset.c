/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System reset: every device in order of creation, then what registered itself. */
#include "hw/core/device.h"
#include "softmmu/mainloop.h"

typedef struct ResetHook {
    void (*fn)(void *opaque);
    void *opaque;
} ResetHook;

static GArray *hooks; /* of ResetHook; VM lock */

void reset_register(void (*fn)(void *opaque), void *opaque)
{
    if (!hooks)
        hooks = g_array_new(false, false, sizeof(ResetHook));
    ResetHook h = {fn, opaque};
    g_array_append_val(hooks, h);
}

void reset_unregister(void (*fn)(void *opaque), void *opaque)
{
    for (guint i = 0; hooks && i < hooks->len; i++) {
        ResetHook *h = &g_array_index(hooks, ResetHook, i);
        if (h->fn == fn && h->opaque == opaque) {
            g_array_remove_index(hooks, i);
            return;
        }
    }
}

static bool reset_one(Device *dev, void *opaque)
{
    const BusDesc *bd = dev->bus ? bus_desc(dev->bus->type) : NULL;
    if (bd && bd->reset)
        bd->reset(dev);
    if (dev->desc->reset)
        dev->desc->reset(dev);
    return true;
}

void devices_reset_all(void)
{
    ASSERT_VM_LOCKED();
    devices_foreach(reset_one, NULL);
    for (guint i = 0; hooks && i < hooks->len; i++) {
        ResetHook h = g_array_index(hooks, ResetHook, i);
        h.fn(h.opaque);
    }
}

static void reset_below(Device *dev)
{
    reset_one(dev, NULL);
    for (guint i = 0; i < dev->buses->len; i++) {
        Bus *bus = dev->buses->pdata[i];
        for (guint k = 0; k < bus->children->len; k++)
            reset_below(bus->children->pdata[k]);
    }
}

void device_reset(Device *dev)
{
    reset_below(dev);
}
