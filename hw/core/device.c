/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device instances: making, setting, realizing, removing. The QOM face of them is in qom-view.c, -global in globals.c.
 */
#include "hw/core/device.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

#include <stdio.h>
#include <sys/mman.h>

struct Claim {
    void (*fn)(Device *dev, void *opaque);
    void *opaque;
    Claim *next; /* the one made before it */
};

bool machine_ready;
static GPtrArray *devices; /* realized, in order of creation; VM lock */
static unsigned unattached_count, anon_count;
static GArray *listeners;   /* of DeviceListener */
static GArray *rom_indices; /* of int32_t: boot indices without a device */

const DeviceDesc *device_find_desc(const char *name)
{
    for (const DeviceDesc *const *d = device_table; *d; d++)
        if (!strcmp((*d)->name, name) || ((*d)->alias && !strcmp((*d)->alias, name)))
            return *d;
    return NULL;
}

const char *device_desc_parent(const DeviceDesc *desc)
{
    const BusDesc *bd = bus_desc(desc->bus);
    if (!desc->parent)
        return bd ? bd->device_type : "device";
    const char *last = strrchr(desc->parent, '/');
    return last ? last + 1 : desc->parent;
}

bool device_desc_is(const DeviceDesc *desc, const char *type)
{
    const BusDesc *bd = bus_desc(desc->bus);
    if (!strcmp(desc->name, type) || (desc->alias && !strcmp(desc->alias, type)) ||
        (bd && !strcmp(bd->device_type, type)))
        return true;
    g_auto(GStrv) parents = g_strsplit(desc->parent ? desc->parent : "", "/", -1);
    return g_strv_contains((const char *const *)parents, type);
}

const Prop *device_desc_prop(const DeviceDesc *desc, const char *name)
{
    const Prop *p = prop_find(desc->props, name);
    const BusDesc *bd = bus_desc(desc->bus);
    return p || !bd ? p : prop_find(bd->props, name);
}

const Prop *device_prop(Device *dev, const char *name, Device **holder)
{
    const Prop *p = device_desc_prop(dev->desc, name);
    if (!p && dev->inner) {
        dev = dev->inner;
        p = device_desc_prop(dev->desc, name);
    }
    if (holder)
        *holder = dev;
    return p;
}

void device_desc_props(const DeviceDesc *desc, void (*fn)(const Prop *table, void *opaque), void *opaque)
{
    for (; desc; desc = desc->inner) {
        const BusDesc *bd = bus_desc(desc->bus);
        if (desc->props)
            fn(desc->props, opaque);
        if (bd && bd->props)
            fn(bd->props, opaque);
    }
}

/* Large ones (a CPU with its accelerator's area) get pages of their own: aligned, and resident only where touched. */
#define OWN_PAGES 65536

static Device *alloc_device(const DeviceDesc *desc)
{
    if (desc->size < OWN_PAGES)
        return g_malloc0(desc->size);
    void *p = mmap(NULL, desc->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        g_error("out of memory: %zu bytes for a '%s'", desc->size, desc->name);
    return p;
}

static void release_memory(Device *dev)
{
    if (dev->desc->size < OWN_PAGES)
        g_free(dev);
    else
        munmap(dev, dev->desc->size);
}

Device *device_new(const DeviceDesc *desc)
{
    Device *dev = alloc_device(desc);
    const BusDesc *bd = bus_desc(desc->bus);
    dev->desc = desc;
    dev->bootindex = -1;
    dev->buses = g_ptr_array_new();
    if (bd)
        props_set_defaults(bd->props, dev);
    props_set_defaults(desc->props, dev);
    if (desc->inner)
        dev->inner = device_new(desc->inner);
    if (desc->init)
        desc->init(dev);
    globals_apply(dev, &dev->global_error);
    return dev;
}

Device *device_new_named(const char *name)
{
    const DeviceDesc *desc = device_find_desc(name);
    if (!desc)
        g_error("device '%s' is not in hw/devices.h", name);
    return device_new(desc);
}

static void try_names(const Prop *table, void *near)
{
    for (; table->name; table++)
        nearest_try(near, table->name);
}

static bool set(Device *dev, const char *name, const Json *val, bool text, Error **errp)
{
    const char *owner = dev->desc->name;
    Device *holder;
    const Prop *p = device_prop(dev, name, &holder);
    if (!p) {
        Nearest near = nearest(name);
        device_desc_props(dev->desc, try_names, &near);
        error_set(errp, "Property '%s.%s' not found", owner, name);
        if (near.name)
            error_hint(errp, "Did you mean '%s'? '-device %s,help' lists the properties.", near.name, owner);
        return false;
    }
    dev = holder;
    if (dev->realized && !p->runtime_set)
        return error_set(errp, "Attempt to set property '%s' on device '%s' (type '%s') after it was realized", name,
                         dev->id ? dev->id : "anonymous", owner);
    bool ok = text ? prop_set_text(owner, p, dev, json_get_string(val), errp) : prop_set_json(owner, p, dev, val, errp);
    if (ok && dev->realized)
        ok = p->runtime_set(dev, p, errp);
    return ok;
}

bool device_set(Device *dev, const char *prop, const Json *val, Error **errp)
{
    return set(dev, prop, val, false, errp);
}

bool device_set_text(Device *dev, const char *prop, const char *text, Error **errp)
{
    g_autoptr(Json) val = json_string(text);
    return set(dev, prop, val, true, errp);
}

static void set_sure(Device *dev, const char *prop, Json *val)
{
    Error *err = NULL;
    if (!set(dev, prop, val, false, &err))
        g_error("%s", error_text(err));
    json_unref(val);
}

void device_set_bool(Device *dev, const char *prop, bool val)
{
    set_sure(dev, prop, json_bool(val));
}

void device_set_uint(Device *dev, const char *prop, uint64_t val)
{
    set_sure(dev, prop, json_uint(val));
}

void device_set_str(Device *dev, const char *prop, const char *val)
{
    set_sure(dev, prop, json_string(val));
}

void device_set_link(Device *dev, const char *prop, void *target)
{
    Device *holder;
    const Prop *p = device_prop(dev, prop, &holder);
    assert(p && p->type == &prop_link);
    *(void **)((char *)holder + p->offset) = target;
}

Json *device_get(Device *dev, const char *prop, Error **errp)
{
    Device *holder;
    const Prop *p = device_prop(dev, prop, &holder);
    if (!p) {
        error_set(errp, "Property '%s.%s' not found", dev->desc->name, prop);
        return NULL;
    }
    return prop_get(p, holder);
}

void device_claim(Device *dev, void (*fn)(Device *dev, void *opaque), void *opaque)
{
    Claim *c = g_new(Claim, 1);
    *c = (Claim){fn, opaque, dev->claims};
    dev->claims = c;
}

static void undo_claims(Device *dev)
{
    while (dev->claims) {
        Claim *c = dev->claims;
        dev->claims = c->next;
        c->fn(dev, c->opaque);
        g_free(c);
    }
    timers_stop_within(dev, dev->desc->size);
}

static void free_device(RcuHead *head)
{
    Device *dev = container_of(head, Device, rcu);
    const BusDesc *bd = bus_desc(dev->desc->bus);
    if (dev->desc->finalize)
        dev->desc->finalize(dev);
    if (bd && bd->finalize)
        bd->finalize(dev);
    if (dev->inner) /* never realized */
        free_device(&dev->inner->rcu);
    if (bd)
        props_release(bd->props, dev);
    props_release(dev->desc->props, dev);
    g_ptr_array_free(dev->buses, true);
    g_free(dev->inputs);
    if (dev->outputs)
        g_array_unref(dev->outputs);
    g_free(dev->id);
    g_free(dev->path);
    json_unref(dev->given);
    error_free(dev->global_error);
    release_memory(dev);
}

static void fini_buses(Device *dev)
{
    while (dev->buses->len)
        bus_fini(g_ptr_array_steal_index(dev->buses, dev->buses->len - 1));
}

static void place(Device *dev)
{
    if (dev->path)
        return;
    if (dev->id)
        dev->path = g_strdup_printf("/machine/peripheral/%s", dev->id);
    else if (dev->user_made)
        dev->path = g_strdup_printf("/machine/peripheral-anon/device[%u]", anon_count++);
    else
        dev->path = g_strdup_printf("/machine/unattached/device[%u]", unattached_count++);
}

static bool other_index(Device *dev, void *bootindex)
{
    return dev->bootindex != *(int32_t *)bootindex;
}

bool bootindex_free(int32_t bootindex, Error **errp)
{
    bool taken = bootindex >= 0 && !devices_foreach(other_index, &bootindex);
    for (guint i = 0; rom_indices && i < rom_indices->len; i++)
        taken |= bootindex == g_array_index(rom_indices, int32_t, i);
    return !taken || error_set(errp, "The bootindex %d has already been used", bootindex);
}

bool bootindex_claim(int32_t bootindex, Error **errp)
{
    if (!bootindex_free(bootindex, errp))
        return false;
    if (!rom_indices)
        rom_indices = g_array_new(false, false, sizeof(int32_t));
    if (bootindex >= 0)
        g_array_append_val(rom_indices, bootindex);
    return true;
}

bool device_realize(Device *dev, Bus *bus, Error **errp)
{
    ASSERT_VM_LOCKED();
    const DeviceDesc *desc = dev->desc;
    const BusDesc *bd = bus_desc(desc->bus);
    if (!bus && desc->bus == BUS_SYSTEM)
        bus = system_bus;
    if (dev->global_error) {
        error_propagate(errp, dev->global_error);
        dev->global_error = NULL;
        device_discard(dev);
        return false;
    }
    if (!bootindex_free(dev->bootindex, errp)) {
        device_discard(dev);
        return false;
    }
    place(dev);
    dev->bus = bus;
    if (bus)
        g_ptr_array_add(bus->children, dev);
    dev->hotplugged = machine_ready;
    bool placed = !bd || !bd->realize || bd->realize(dev, errp);
    bool own = placed && (!desc->realize || desc->realize(dev, errp));
    bool ok = own && (!bd || !bd->realized || bd->realized(dev, errp));
    if (!ok) {
        if (own && bd && bd->unrealizing)
            bd->unrealizing(dev);
        if (own && desc->unrealize)
            desc->unrealize(dev);
        fini_buses(dev);
        undo_claims(dev);
        if (placed && bd && bd->unrealize)
            bd->unrealize(dev);
        if (bus)
            g_ptr_array_remove(bus->children, dev);
        device_discard(dev);
        return false;
    }
    dev->realized = true;
    if (!devices)
        devices = g_ptr_array_new();
    g_ptr_array_add(devices, dev);
    if (dev->hotplugged)
        device_reset(dev);
    for (guint i = 0; listeners && i < listeners->len; i++) {
        DeviceListener *l = &g_array_index(listeners, DeviceListener, i);
        if (l->realized)
            l->realized(dev, l->opaque);
    }
    return true;
}

bool device_realize_inner(Device *dev, Bus *bus, const char *name, Error **errp)
{
    Device *inner = dev->inner;
    inner->path = g_strdup_printf("%s/%s", dev->path, name);
    inner->outer = dev;
    inner->user_made = dev->user_made;
    if (device_realize(inner, bus, errp))
        return true;
    dev->inner = NULL;
    return false;
}

Device *device_create(const char *name, Bus *bus, Error **errp)
{
    Device *dev = device_new_named(name);
    return device_realize(dev, bus, errp) ? dev : NULL;
}

/* Back ends are free at once, not when the struct is. */
static void let_go(Device *dev)
{
    const BusDesc *bd = bus_desc(dev->desc->bus);
    if (dev->inner) /* never realized */
        let_go(dev->inner);
    if (bd)
        props_let_go(bd->props, dev);
    props_let_go(dev->desc->props, dev);
}

void device_discard(Device *dev)
{
    ASSERT_VM_LOCKED();
    let_go(dev);
    rcu_call(&dev->rcu, free_device);
}

void device_unrealize(Device *dev)
{
    ASSERT_VM_LOCKED();
    assert(dev->realized);
    const BusDesc *bd = bus_desc(dev->desc->bus);
    for (guint i = 0; listeners && i < listeners->len; i++) {
        DeviceListener *l = &g_array_index(listeners, DeviceListener, i);
        if (l->unrealizing)
            l->unrealizing(dev, l->opaque);
    }
    fini_buses(dev);
    if (bd && bd->unrealizing)
        bd->unrealizing(dev);
    if (dev->desc->unrealize)
        dev->desc->unrealize(dev);
    undo_claims(dev);
    if (bd && bd->unrealize)
        bd->unrealize(dev);
    dev->realized = false;
    g_ptr_array_remove(devices, dev);
    if (dev->bus)
        g_ptr_array_remove(dev->bus->children, dev);
    if (dev->outer)
        dev->outer->inner = NULL;
    device_discard(dev);
}

void device_listener_add(const DeviceListener *l)
{
    if (!listeners)
        listeners = g_array_new(false, false, sizeof(DeviceListener));
    g_array_append_val(listeners, *l);
}

void device_inputs(Device *dev, IrqHandler *fn, unsigned n)
{
    assert(!dev->inputs);
    dev->inputs = g_new0(Irq, n);
    dev->n_inputs = n;
    for (unsigned i = 0; i < n; i++)
        dev->inputs[i] = (Irq){fn, dev, i};
}

Irq *device_input(Device *dev, unsigned n)
{
    assert(n < dev->n_inputs);
    return &dev->inputs[n];
}

void device_outputs(Device *dev, const char *name, Irq **lines, unsigned n)
{
    DeviceOutput out = {name, lines, n};
    if (!dev->outputs)
        dev->outputs = g_array_new(false, false, sizeof(DeviceOutput));
    g_array_append_val(dev->outputs, out);
}

const DeviceOutput *device_find_output(const Device *dev, const char *name)
{
    for (guint i = 0; dev->outputs && i < dev->outputs->len; i++) {
        const DeviceOutput *out = &g_array_index(dev->outputs, DeviceOutput, i);
        if (!strcmp(out->name, name))
            return out;
    }
    return NULL;
}

bool device_save(Device *dev, VmWriter *w, Error **errp)
{
    const BusDesc *bd = bus_desc(dev->desc->bus);
    if (dev->desc->inner)
        return true;
    if (bd && bd->vmstate && !vmstate_save(w, bd->vmstate, dev, errp))
        return false;
    return !dev->desc->vmstate || vmstate_save(w, dev->desc->vmstate, dev, errp);
}

bool device_load(Device *dev, VmReader *r, Error **errp)
{
    const BusDesc *bd = bus_desc(dev->desc->bus);
    if (dev->desc->inner)
        return true;
    if ((!bd || !bd->vmstate || vmstate_load(r, bd->vmstate, dev, bd->vmstate->version, errp)) &&
        (!dev->desc->vmstate || vmstate_load(r, dev->desc->vmstate, dev, dev->desc->vmstate->version, errp)))
        return true;
    device_reset(dev); /* whatever half of a bad stream left in it, nothing runs on that */
    return false;
}

bool devices_foreach(bool (*fn)(Device *dev, void *opaque), void *opaque)
{
    for (guint i = 0; devices && i < devices->len; i++)
        if (!fn(devices->pdata[i], opaque))
            return false;
    return true;
}

unsigned devices_count(void)
{
    return devices ? devices->len : 0;
}

Device *device_find(const char *name)
{
    for (guint i = 0; devices && i < devices->len; i++) {
        Device *d = devices->pdata[i];
        if (*name == '/' ? !strcmp(d->path, name) : d->id && !strcmp(d->id, name))
            return d;
    }
    return NULL;
}

bool id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(*id))
        return false;
    for (; *id; id++)
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id))
            return false;
    return true;
}

/* The bus that opts names, or the first of the type with room. */
static bool pick_bus(const DeviceDesc *desc, const char *name, Bus **out, Error **errp)
{
    const BusDesc *bd = bus_desc(desc->bus);
    if (!name) {
        if (desc->bus == BUS_NONE || desc->bus == BUS_SYSTEM) {
            *out = desc->bus == BUS_NONE ? NULL : system_bus;
            return true;
        }
        *out = bus_find_type(desc->bus);
        return *out || error_set(errp, "No '%s' bus found for device '%s'", bd ? bd->name : "?", desc->name);
    }
    Bus *bus = bus_find(name);
    if (!bus)
        return error_set(errp, "Bus '%s' not found", name);
    if (bus->type != desc->bus)
        return error_set(errp, "Device '%s' can't go on %s bus", desc->name, bus_desc(bus->type)->name);
    if (bus->full || (bus->max_devices && bus->children->len >= bus->max_devices))
        return error_set(errp, "Bus '%s' is full", name);
    *out = bus;
    return true;
}

Device *device_add(const Json *opts, bool text, Error **errp)
{
    const char *driver = json_get_str(opts, "driver"), *id = json_get_str(opts, "id");
    if (!driver) {
        error_set(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    const DeviceDesc *desc = device_find_desc(driver);
    if (!desc) {
        Nearest near = nearest(driver);
        for (const DeviceDesc *const *d = device_table; *d; d++)
            if (!((*d)->flags & DEV_NO_USER))
                nearest_try(&near, (*d)->name);
        error_set(errp, "'%s' is not a valid device model name", driver);
        if (near.name)
            error_hint(errp, "Did you mean '%s'? '-device help' lists the devices.", near.name);
        return NULL;
    }
    if (desc->flags & DEV_NO_USER) {
        error_set(errp, "Parameter 'driver' expects a pluggable device type: '%s' is part of a machine", driver);
        return NULL;
    }
    if (id && !id_wellformed(id)) {
        error_set(errp,
                  "Parameter 'id' expects an identifier, which '%s' is not: letters, digits, '-', '.', '_', "
                  "starting with a letter",
                  id);
        return NULL;
    }
    if (id && device_find(id)) {
        error_set(errp, "Duplicate device ID '%s'", id);
        return NULL;
    }
    Bus *bus = NULL;
    if (!pick_bus(desc, json_get_str(opts, "bus"), &bus, errp))
        return NULL;
    if (machine_ready && !(desc->flags & DEV_HOTPLUG)) {
        error_set(errp, "Device '%s' does not support hotplugging", driver);
        return NULL;
    }
    if (machine_ready && bus && !bus->hotplug) {
        error_set(errp, "Bus '%s' does not support hotplugging", bus->name);
        return NULL;
    }
    Device *dev = device_new(desc);
    dev->id = g_strdup(id);
    dev->user_made = true;
    dev->given = json_copy(opts);
    bool ok = true;
    for (size_t i = 0; ok && i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i);
        if (!strcmp(key, "driver") || !strcmp(key, "id") || !strcmp(key, "bus"))
            continue;
        const Json *val = json_val_at(opts, i);
        ok = set(dev, key, val, text && json_type(val) == JSON_STRING, errp);
    }
    if (!ok) {
        device_discard(dev);
        return NULL;
    }
    return device_realize(dev, bus, errp) ? dev : NULL;
}

bool device_del(Device *dev, Error **errp)
{
    if (!(dev->desc->flags & DEV_HOTPLUG))
        return error_set(errp, "Device '%s' does not support hotplugging", dev->desc->name);
    if (dev->bus && !dev->bus->hotplug)
        return error_set(errp, "Bus '%s' does not support hotplugging", dev->bus->name);
    if (dev->desc->unplug_request)
        return dev->desc->unplug_request(dev, errp);
    if (dev->bus && dev->bus->unplug_request)
        return dev->bus->unplug_request(dev->bus, dev, errp);
    device_unplugged(dev);
    return true;
}

/* The event's data for each device below dev, in the order in which they go, and for itself. */
static void list_deleted(Device *dev, GPtrArray *list)
{
    for (guint b = dev->buses->len; b--;) {
        const Bus *bus = dev->buses->pdata[b];
        for (guint i = bus->children->len; i--;)
            list_deleted(bus->children->pdata[i], list);
    }
    Json *data = json_object();
    if (dev->id)
        json_set_str(data, "device", dev->id);
    json_set_str(data, "path", dev->path);
    g_ptr_array_add(list, data);
}

static void say_deleted(void *opaque)
{
    GPtrArray *deleted = opaque;
    for (guint i = 0; i < deleted->len; i++)
        event_emit("DEVICE_DELETED", deleted->pdata[i]);
    g_ptr_array_free(deleted, true);
}

/* As in QEMU, the reply to what made it go (device_del) and the event of that (RESET) come first: there are clients
 * that skip what is said before the reply. */
void device_unplugged(Device *dev)
{
    GPtrArray *deleted = g_ptr_array_new();
    list_deleted(dev, deleted);
    device_unrealize(dev);
    mainloop_defer(say_deleted, deleted);
}

/* At most ten messages a second a device; what is held back is counted. */
static bool complain(Device *dev, const char *fmt, va_list ap)
{
    g_autofree char *msg = g_strdup_vprintf(fmt, ap);
    if (!dev) {
        log_printf("%s\n", msg);
        return true;
    }
    int64_t now = clock_ns(CLOCK_REALTIME_MONO);
    if (now - dev->last_complaint >= NS_PER_SEC) {
        if (dev->complaints > 10)
            log_printf("%s: %u more\n", dev->desc->name, dev->complaints - 10);
        dev->last_complaint = now;
        dev->complaints = 0;
    }
    if (dev->complaints++ < 10)
        log_printf("%s%s%s: %s\n", dev->desc->name, dev->id ? " " : "", dev->id ? dev->id : "", msg);
    return true;
}

void guest_error(const Device *dev, const char *fmt, ...)
{
    if (!log_on(LOG_GUEST_ERROR))
        return;
    va_list ap;
    va_start(ap, fmt);
    complain((Device *)dev, fmt, ap);
    va_end(ap);
}

void guest_unimp(const Device *dev, const char *fmt, ...)
{
    if (!log_on(LOG_UNIMP))
        return;
    va_list ap;
    va_start(ap, fmt);
    complain((Device *)dev, fmt, ap);
    va_end(ap);
}
