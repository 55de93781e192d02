/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances of user-creatable objects, by id. */
#include "hw/core/object.h"

#include "hw/core/device.h"
#include "softmmu/mainloop.h"

static GPtrArray *objects; /* of Object *, in order of creation */

const ObjectDesc *object_find_desc(const char *name)
{
    for (const ObjectDesc *const *d = object_table; *d; d++)
        if (!strcmp((*d)->name, name))
            return *d;
    return NULL;
}

Object *object_find(const char *id)
{
    const char *prefix = "/objects/";
    if (g_str_has_prefix(id, prefix))
        id += strlen(prefix);
    for (guint i = 0; objects && i < objects->len; i++) {
        Object *o = objects->pdata[i];
        if (!strcmp(o->id, id))
            return o;
    }
    return NULL;
}

static void object_free(Object *o)
{
    if (o->completed && o->desc->destroy)
        o->desc->destroy(o);
    props_release(o->desc->props, o);
    g_free(o->id);
    g_free(o);
}

static bool set(Object *o, const char *name, const Json *val, bool text, Error **errp)
{
    const Prop *p = prop_find(o->desc->props, name);
    if (!p) {
        const char *near = nearest_prop(name, o->desc->props, NULL);
        error_set(errp, o->completed ? "Property '%s.%s' not found" : "Parameter '%s' is unexpected",
                  o->completed ? o->desc->name : name, name);
        if (near)
            error_hint(errp, "Did you mean '%s'? '-object %s,help' lists the properties.", near, o->desc->name);
        return false;
    }
    if (o->completed && !p->runtime_set)
        return error_set(errp, "cannot change property %s of %s '%s'", name, o->desc->name, o->id);
    bool ok = text && json_type(val) == JSON_STRING ? prop_set_text(o->desc->name, p, o, json_get_string(val), errp)
                                                    : prop_set_json(o->desc->name, p, o, val, errp);
    return ok && (!o->completed || p->runtime_set(o, p, errp));
}

Object *object_new(const char *type, const char *id, const Json *props, bool text, Error **errp)
{
    ASSERT_VM_LOCKED();
    const ObjectDesc *desc = object_find_desc(type);
    if (!desc) {
        Nearest near = nearest(type);
        for (const ObjectDesc *const *d = object_table; *d; d++)
            nearest_try(&near, (*d)->name);
        error_set(errp, "Parameter 'qom-type' does not accept value '%s'", type);
        if (near.name)
            error_hint(errp, "Did you mean '%s'?", near.name);
        return NULL;
    }
    if (!id_wellformed(id)) {
        error_set(errp, "Parameter 'id' expects an identifier");
        error_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
        return NULL;
    }
    if (object_find(id)) {
        error_set(errp, "attempt to add duplicate property '%s' to object (type 'container')", id);
        return NULL;
    }
    for (const char *const *r = desc->required; r && *r; r++) {
        if (!json_get(props, *r)) {
            error_set(errp, "Parameter '%s' is missing", *r);
            return NULL;
        }
    }
    Object *o = g_malloc0(desc->size);
    o->desc = desc;
    o->id = g_strdup(id);
    props_set_defaults(desc->props, o);
    bool ok = true;
    for (size_t i = 0; ok && i < json_length(props); i++) {
        const char *key = json_key_at(props, i);
        if (strcmp(key, "qom-type") && strcmp(key, "id"))
            ok = set(o, key, json_val_at(props, i), text, errp);
    }
    if (!ok || (desc->complete && !desc->complete(o, errp))) {
        object_free(o);
        return NULL;
    }
    o->completed = true;
    if (!objects)
        objects = g_ptr_array_new();
    g_ptr_array_add(objects, o);
    return o;
}

bool object_add(const Json *opts, bool text, Error **errp)
{
    const char *type = json_get_str(opts, "qom-type"), *id = json_get_str(opts, "id");
    if (!type || !id)
        return error_set(errp, "Parameter '%s' is missing", type ? "id" : "qom-type");
    return object_new(type, id, opts, text, errp);
}

bool object_del(const char *id, Error **errp)
{
    ASSERT_VM_LOCKED();
    Object *o = object_find(id);
    if (!o)
        return error_set(errp, "object '%s' not found", id);
    if (o->users)
        return error_set(errp, "object '%s' is in use, can not be deleted", id);
    g_ptr_array_remove(objects, o);
    object_free(o);
    return true;
}

bool objects_foreach(bool (*fn)(Object *o, void *opaque), void *opaque)
{
    for (guint i = 0; objects && i < objects->len; i++)
        if (!fn(objects->pdata[i], opaque))
            return false;
    return true;
}

Json *object_get(const Object *o, const char *prop, Error **errp)
{
    const Prop *p = prop_find(o->desc->props, prop);
    if (!p) {
        error_set(errp, "Property '%s.%s' not found", o->desc->name, prop);
        return NULL;
    }
    return prop_get(p, o);
}

bool object_set(Object *o, const char *prop, const Json *val, Error **errp)
{
    return set(o, prop, val, false, errp);
}

Object *object_use(const char *id, const char *type, Error **errp)
{
    Object *o = object_find(id);
    if (!o) {
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Object '%s' not found", id);
        return NULL;
    }
    if (strcmp(o->desc->name, type) && (!o->desc->parent || strcmp(o->desc->parent, type))) {
        error_set(errp, "Object '%s' is a %s, not a %s", id, o->desc->name, type);
        return NULL;
    }
    o->users++;
    return o;
}

void object_unuse(Object *o)
{
    assert(o->users > 0);
    o->users--;
}

static void claim_undo(Device *dev, void *opaque)
{
    object_unuse(opaque);
}

void object_claim(Device *dev, Object *o)
{
    o->users++;
    device_claim(dev, claim_undo, o);
}

void objects_cleanup(void)
{
    while (objects && objects->len) { /* later ones may use earlier ones */
        Object *o = objects->pdata[objects->len - 1];
        g_ptr_array_remove_index(objects, objects->len - 1);
        object_free(o);
    }
}
