/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What link properties point to: devices and objects, by id or path. */
#include "hw/core/device.h"
#include "hw/core/object.h"

static bool device_is(const Device *d, const char *type)
{
    const BusDesc *bd = bus_desc(d->desc->bus);
    const char *parent = d->desc->parent ? d->desc->parent : bd ? bd->device_type : NULL;
    return !strcmp(d->desc->name, type) || !g_strcmp0(parent, type);
}

void *link_find(const char *id_or_path, const char *type, Error **errp)
{
    Object *o = object_find(id_or_path);
    Device *d = device_find(id_or_path);
    bool object_fits = o && (!strcmp(o->desc->name, type) || !g_strcmp0(o->desc->parent, type));
    if (object_fits)
        return o;
    if (d && device_is(d, type))
        return d;
    if (o || d)
        error_set(errp, "'%s' is a %s, not a %s", id_or_path, o ? o->desc->name : d->desc->name, type);
    else
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id_or_path);
    return NULL;
}

typedef struct Search {
    const void *target;
    char *path;
} Search;

static bool is_device(Device *d, void *opaque)
{
    Search *s = opaque;
    if (d == s->target)
        s->path = g_strdup(d->path);
    return !s->path;
}

static bool is_object(Object *o, void *opaque)
{
    Search *s = opaque;
    if (o == s->target)
        s->path = g_strdup_printf("/objects/%s", o->id);
    return !s->path;
}

char *link_path(const void *target)
{
    Search s = {target, NULL};
    if (target && devices_foreach(is_device, &s))
        objects_foreach(is_object, &s);
    return s.path ? s.path : g_strdup("");
}
