/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User-creatable objects: what -object and object-add make. Const descriptors in hw/objects.c, instances by id.
 * Life: object_add() (defaults, properties, complete()), use by others (object_ref), object_del(), which refuses while it is used.
 * All under the VM lock.
 */
#ifndef HW_CORE_OBJECT_H
#define HW_CORE_OBJECT_H

#include "hw/core/prop.h"

typedef struct Object Object;
typedef struct Device Device;

typedef struct ObjectDesc {
    const char *name;    /* "memory-backend-ram" */
    const char *summary; /* -object help */
    const char *parent;  /* QOM parent type: "memory-backend"; NULL: "object" */
    size_t size;         /* of the struct, which begins with Object */
    const Prop *props;
    const char *const *required; /* properties that must be given, NULL-ended; or NULL */
    bool (*complete)(Object *o, Error **errp); /* all properties are set: make it usable; on failure nothing is left behind */
    void (*destroy)(Object *o);                /* undoes complete(); may be NULL */
} ObjectDesc;

struct Object {
    const ObjectDesc *desc;
    char *id;
    bool completed;
    int users; /* object_del() refuses while it is not 0 */
};

extern const ObjectDesc *const object_table[]; /* NULL-ended */
const ObjectDesc *object_find_desc(const char *name);

/* opts: {"qom-type": ..., "id": ..., properties}; borrowed. text: the strings come from a key=value command line and are converted by
 * the property. */
bool object_add(const Json *opts, bool text, Error **errp);
bool object_del(const char *id, Error **errp);
Object *object_find(const char *id); /* by id or /objects/ID; NULL where none */
/* For code that makes one itself (-m without a backend): as object_add. NULL on failure. */
Object *object_new(const char *type, const char *id, const Json *props, bool text, Error **errp);
bool objects_foreach(bool (*fn)(Object *o, void *opaque), void *opaque); /* in order of creation; stops where fn returns false */
Json *object_get(const Object *o, const char *prop, Error **errp);
bool object_set(Object *o, const char *prop, const Json *val, Error **errp); /* properties with runtime_set only */
/* Find by id, check that its type is (or descends from) type, and mark it used. NULL with errp where it is not. */
Object *object_use(const char *id, const char *type, Error **errp);
void object_unuse(Object *o);
/* In a device's realize: o (of a link property) is in use until the device goes. */
void object_claim(Device *dev, Object *o);
void objects_cleanup(void); /* at exit */

#endif
