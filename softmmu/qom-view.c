/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QOM view. Nodes are what is at a path: the fixed containers, the machine, devices, their buses, objects and
 * chardevs. The list of all of them is made anew for each question: questions are rare, and so nothing is kept up to
 * date meanwhile.
 */
#include "softmmu/qom-view.h"

#include "accel/accel.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "hw/core/object.h"

extern const DeviceDesc x86_cpu_desc; /* what every CPU type is made of */

typedef struct Node {
    char *path;
    char *type;
    Device *dev;
    Object *obj;
    Machine *machine;
} Node;

static void node_free(gpointer p)
{
    Node *n = p;
    g_free(n->path);
    g_free(n->type);
    g_free(n);
}

static Node *node_add(GPtrArray *nodes, char *path, const char *type)
{
    Node *n = g_new0(Node, 1);
    n->path = path;
    n->type = g_strdup(type);
    g_ptr_array_add(nodes, n);
    return n;
}

static char *device_type(const Device *dev)
{
    return dev->desc->qom_type ? dev->desc->qom_type(dev) : g_strdup(dev->desc->name);
}

static bool add_device(Device *dev, void *opaque)
{
    g_autofree char *type = device_type(dev);
    node_add(opaque, g_strdup(dev->path), type)->dev = dev;
    for (guint i = 0; i < dev->buses->len; i++) {
        Bus *bus = dev->buses->pdata[i];
        node_add(opaque, g_strdup_printf("%s/%s", dev->path, bus->name),
                 bus->type_name ? bus->type_name : bus_desc(bus->type)->name);
    }
    return true;
}

static bool add_object(Object *o, void *opaque)
{
    node_add(opaque, g_strdup_printf("/objects/%s", o->id), o->desc->name)->obj = o;
    return true;
}

static char *machine_type_name(const MachineDesc *d)
{
    return g_strdup_printf("%s-machine", d->name);
}

static Node *node_at(GPtrArray *nodes, const char *path)
{
    for (guint i = 0; i < nodes->len; i++) {
        Node *n = nodes->pdata[i];
        if (!strcmp(n->path, path))
            return n;
    }
    return NULL;
}

static GPtrArray *all_nodes(void)
{
    GPtrArray *nodes = g_ptr_array_new_with_free_func(node_free);
    static const char *const containers[] = {
        "/objects", "/chardevs", "/backend", "/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached"};
    node_add(nodes, g_strdup("/"), "container");
    if (machine) {
        g_autofree char *type = machine_type_name(machine->desc);
        node_add(nodes, g_strdup("/machine"), type)->machine = machine;
    }
    for (size_t i = 0; i < ARRAY_SIZE(containers); i++)
        if (machine || !g_str_has_prefix(containers[i], "/machine"))
            node_add(nodes, g_strdup(containers[i]), "container");
    devices_foreach(add_device, nodes);
    objects_foreach(add_object, nodes);
    g_autoptr(Json) chardevs = chardev_query();
    for (size_t i = 0; i < json_length(chardevs); i++)
        node_add(nodes, g_strdup_printf("/chardevs/%s", json_get_str(json_at(chardevs, i), "label")), "chardev");
    /* What a board named /machine/a/b has an /machine/a. */
    for (guint i = 0; i < nodes->len; i++) {
        Node *n = nodes->pdata[i];
        g_autofree char *up = g_path_get_dirname(n->path);
        if (!node_at(nodes, up))
            node_add(nodes, g_steal_pointer(&up), "container");
    }
    return nodes;
}

/* An absolute path, or the last components of exactly one. */
static Node *find(GPtrArray *nodes, const char *path, Error **errp)
{
    Node *found = NULL;
    if (*path == '/' || !*path) {
        found = node_at(nodes, *path ? path : "/");
    } else {
        g_autofree char *tail = g_strdup_printf("/%s", path);
        for (guint i = 0; i < nodes->len; i++) {
            Node *n = nodes->pdata[i];
            if (!g_str_has_suffix(n->path, tail))
                continue;
            if (found) {
                error_set(errp, "Path '%s' does not uniquely identify an object", path);
                return NULL;
            }
            found = n;
        }
    }
    if (!found)
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    return found;
}

static void property(Json *list, const char *name, const char *type)
{
    Json *o = json_object();
    json_set_str(o, "name", name);
    json_set_str(o, "type", type);
    json_append(list, o);
}

static char *type_of(const Prop *p)
{
    if (p->type == &prop_link)
        return g_strdup_printf("link<%s>", p->def.s);
    return g_strdup(p->type_name ? p->type_name : p->type->name);
}

static void table_list(const Prop *table, void *list)
{
    for (const Prop *p = table; p && p->name; p++) {
        g_autofree char *t = type_of(p);
        property(list, p->name, t);
    }
}

static void node_list(Json *list, const Node *n)
{
    property(list, "type", "string");
    if (n->dev) {
        const BusDesc *bd = bus_desc(n->dev->desc->bus);
        property(list, "realized", "bool");
        property(list, "hotplugged", "bool");
        property(list, "hotpluggable", "bool");
        if (bd)
            property(list, "parent_bus", "link<bus>");
        device_desc_props(n->dev->desc, table_list, list);
    }
    if (n->obj)
        table_list(n->obj->desc->props, list);
    if (n->machine) {
        table_list(machine_common_props, list);
        table_list(n->machine->desc->props, list);
    }
}

Json *qom_list(const char *path, Error **errp)
{
    g_autoptr(GPtrArray) nodes = all_nodes();
    Node *n = find(nodes, path, errp);
    if (!n)
        return NULL;
    Json *list = json_array();
    node_list(list, n);
    for (guint i = 0; i < nodes->len; i++) {
        Node *c = nodes->pdata[i];
        g_autofree char *up = g_path_get_dirname(c->path);
        if (c == n || strcmp(up, n->path))
            continue;
        g_autofree char *type = g_strdup_printf("child<%s>", c->type);
        property(list, strrchr(c->path, '/') + 1, type);
    }
    return list;
}

/* *obj: what holds it */
static const Prop *node_prop(const Node *n, const char *name, void **obj)
{
    *obj = n->obj ? (void *)n->obj : (void *)n->machine;
    if (n->dev) {
        Device *holder;
        const Prop *p = device_prop(n->dev, name, &holder);
        *obj = holder;
        return p;
    }
    if (n->obj)
        return prop_find(n->obj->desc->props, name);
    if (n->machine) {
        const Prop *p = prop_find(n->machine->desc->props, name);
        return p ? p : prop_find(machine_common_props, name);
    }
    return NULL;
}

static Json *no_property(const Node *n, const char *prop, Error **errp)
{
    error_set(errp, "Property '%s.%s' not found", n->type, prop);
    return NULL;
}

Json *qom_get(const char *path, const char *prop, Error **errp)
{
    g_autoptr(GPtrArray) nodes = all_nodes();
    Node *n = find(nodes, path, errp);
    if (!n)
        return NULL;
    if (!strcmp(prop, "type"))
        return json_string(n->type);
    void *obj;
    const Prop *p = node_prop(n, prop, &obj);
    if (p)
        return prop_get(p, obj);
    g_autofree char *child = g_strdup_printf("%s/%s", strcmp(n->path, "/") ? n->path : "", prop);
    if (node_at(nodes, child))
        return json_string(child);
    if (n->dev) {
        if (!strcmp(prop, "realized"))
            return json_bool(n->dev->realized);
        if (!strcmp(prop, "hotplugged"))
            return json_bool(n->dev->hotplugged);
        if (!strcmp(prop, "hotpluggable"))
            return json_bool(n->dev->desc->flags & DEV_HOTPLUG);
        if (!strcmp(prop, "parent_bus"))
            return n->dev->bus && n->dev->bus->parent
                       ? json_printf("%s/%s", n->dev->bus->parent->path, n->dev->bus->name)
                       : json_string("");
        if (n->dev->desc->qom_get) {
            Json *v = n->dev->desc->qom_get(n->dev, prop);
            if (v)
                return v;
        }
        if (n->dev->inner && n->dev->inner->desc->qom_get) {
            Json *v = n->dev->inner->desc->qom_get(n->dev->inner, prop);
            if (v)
                return v;
        }
    }
    return no_property(n, prop, errp);
}

bool qom_set(const char *path, const char *prop, const Json *val, Error **errp)
{
    g_autoptr(GPtrArray) nodes = all_nodes();
    Node *n = find(nodes, path, errp);
    if (!n)
        return false;
    void *obj;
    if (!node_prop(n, prop, &obj)) {
        if (!strcmp(prop, "type"))
            return error_set(errp, "Property '%s.%s' is not writable", n->type, prop);
        no_property(n, prop, errp);
        return false;
    }
    if (n->dev)
        return device_set(n->dev, prop, val, errp);
    if (n->obj)
        return object_set(n->obj, prop, val, errp);
    return error_set(errp, "Property '%s.%s' cannot be set while the machine is there", n->type, prop);
}

/* Types. */

typedef struct Type {
    char *name;
    char *parent; /* NULL: a root */
    bool abstract;
} Type;

static void type_free(gpointer p)
{
    Type *t = p;
    g_free(t->name);
    g_free(t->parent);
    g_free(t);
}

static Type *type_find(GPtrArray *types, const char *name)
{
    for (guint i = 0; i < types->len; i++)
        if (!strcmp(((Type *)types->pdata[i])->name, name))
            return types->pdata[i];
    return NULL;
}

static void type_add(GPtrArray *types, const char *name, const char *parent, bool abstract)
{
    if (type_find(types, name))
        return;
    Type *t = g_new(Type, 1);
    *t = (Type){g_strdup(name), g_strdup(parent), abstract};
    g_ptr_array_add(types, t);
}

static GPtrArray *all_types(void)
{
    static const char *const roots[][2] = {
        {"object", NULL},      {"container", "object"},      {"device", "object"},      {"bus", "object"},
        {"machine", "object"}, {"accel", "object"},          {"chardev", "object"},     {"cpu", "device"},
        {"x86_64-cpu", "cpu"}, {"memory-backend", "object"}, {"rng-backend", "object"},
    };
    GPtrArray *types = g_ptr_array_new_with_free_func(type_free);
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
        type_add(types, roots[i][0], roots[i][1], strcmp(roots[i][0], "container"));
    for (int b = 0; b < BUS_TYPES; b++) {
        const BusDesc *bd = bus_desc(b);
        if (!bd)
            continue;
        type_add(types, bd->name, "bus", false);
        type_add(types, bd->device_type, "device", true);
    }
    for (const DeviceDesc *const *d = device_table; *d; d++) {
        const BusDesc *bd = bus_desc((*d)->bus);
        const char *above = bd ? bd->device_type : "device";
        g_auto(GStrv) parents = g_strsplit((*d)->parent ? (*d)->parent : above, "/", -1);
        for (char **p = parents; *p; p++) {
            if (!device_find_desc(*p))
                type_add(types, *p, strcmp(*p, above) ? above : "device", true);
            above = *p;
        }
        type_add(types, (*d)->name, above, false);
    }
    for (const MachineDesc *const *d = machine_table; *d; d++) {
        g_autofree char *name = machine_type_name(*d);
        type_add(types, name, "machine", false);
    }
    for (const AccelDesc *const *a = accel_table; *a; a++) {
        g_autofree char *name = g_strdup_printf("%s-accel", (*a)->name);
        type_add(types, name, "accel", false);
    }
    for (const ObjectDesc *const *o = object_table; *o; o++) {
        if ((*o)->parent)
            type_add(types, (*o)->parent, "object", true);
        type_add(types, (*o)->name, (*o)->parent ? (*o)->parent : "object", false);
    }
    g_autoptr(Json) cpus = cpu_definitions();
    for (size_t i = 0; i < json_length(cpus); i++)
        type_add(types, json_get_str(json_at(cpus, i), "typename"), "x86_64-cpu", false);
    g_autoptr(Json) backends = chardev_query_backends();
    for (size_t i = 0; i < json_length(backends); i++) {
        g_autofree char *name = g_strdup_printf("chardev-%s", json_get_str(json_at(backends, i), "name"));
        type_add(types, name, "chardev", false);
    }
    return types;
}

static bool is_a(GPtrArray *types, const Type *t, const char *what)
{
    for (; t; t = t->parent ? type_find(types, t->parent) : NULL)
        if (!strcmp(t->name, what))
            return true;
    return false;
}

Json *qom_list_types(const char *implements, bool abstract, Error **errp)
{
    g_autoptr(GPtrArray) types = all_types();
    Json *list = json_array();
    for (guint i = 0; i < types->len; i++) {
        Type *t = types->pdata[i];
        if ((t->abstract && !abstract) || (implements && !is_a(types, t, implements)))
            continue;
        Json *o = json_object();
        json_set_str(o, "name", t->name);
        if (t->parent)
            json_set_str(o, "parent", t->parent);
        if (t->abstract)
            json_set_bool(o, "abstract", true);
        json_append(list, o);
    }
    return list;
}

/* Properties as device-list-properties tells them: with help and default. */
static void table_describe(Json *list, const Prop *table, bool defaults)
{
    for (const Prop *p = table; p && p->name; p++) {
        g_autofree char *t = type_of(p);
        Json *o = json_object();
        if (defaults && !p->no_default) {
            if (p->type == &prop_bool || p->type == &prop_bit || p->type == &prop_bit64)
                json_set_bool(o, "default-value", p->def.u);
            else if (p->type == &prop_i32 || p->type == &prop_i64)
                json_set_int(o, "default-value", p->def.i);
            else if (p->type == &prop_on_off_auto)
                json_set_str(o, "default-value", prop_on_off_auto.values[p->def.u]);
            else if (p->type == &prop_enum)
                json_set_str(o, "default-value", p->values[p->def.u]);
            else if (!p->type->is_string && !p->type->set_default)
                json_set_uint(o, "default-value", p->def.u);
        }
        json_set_str(o, "name", p->name);
        if (p->help)
            json_set_str(o, "description", p->help);
        json_set_str(o, "type", t);
        json_append(list, o);
    }
}

static void describe_with_defaults(const Prop *table, void *list)
{
    table_describe(list, table, true);
}

static Json *device_type_list(const DeviceDesc *d)
{
    Json *list = json_array();
    device_desc_props(d, describe_with_defaults, list);
    return list;
}

Json *device_list_properties(const char *type, Error **errp)
{
    const DeviceDesc *d = device_find_desc(type);
    if (d)
        return device_type_list(d);
    g_autoptr(GPtrArray) types = all_types();
    Type *t = type_find(types, type);
    if (!t)
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", type);
    else if (!is_a(types, t, "device"))
        error_set(errp, "Parameter 'typename' expects a device type");
    else if (t->abstract)
        error_set(errp, "Parameter 'typename' expects a non-abstract device type");
    else
        return device_type_list(&x86_cpu_desc);
    return NULL;
}

Json *qom_list_properties(const char *type, Error **errp)
{
    const DeviceDesc *d = device_find_desc(type);
    if (d)
        return device_type_list(d);
    Json *list = json_array();
    for (const ObjectDesc *const *o = object_table; *o; o++) {
        if (!strcmp((*o)->name, type)) {
            table_describe(list, (*o)->props, false);
            return list;
        }
    }
    for (const MachineDesc *const *m = machine_table; *m; m++) {
        g_autofree char *name = machine_type_name(*m);
        if (!strcmp(name, type)) {
            table_describe(list, machine_common_props, false);
            table_describe(list, (*m)->props, false);
            return list;
        }
    }
    g_autoptr(GPtrArray) types = all_types();
    Type *t = type_find(types, type);
    if (!t) {
        json_unref(list);
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Class '%s' not found", type);
        return NULL;
    }
    if (is_a(types, t, "x86_64-cpu")) {
        json_unref(list);
        return device_type_list(&x86_cpu_desc);
    }
    return list;
}

/* The order of paths part by part: "/a/b" before "/a-b". */
static int path_cmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (*a == '/' ? 1 : (unsigned char)*a) - (*b == '/' ? 1 : (unsigned char)*b);
}

void qom_print_tree(const char *path, GString *out)
{
    g_autoptr(GPtrArray) nodes = all_nodes();
    if (!find(nodes, path, NULL)) {
        g_string_append_printf(out, "Path '%s' could not be resolved.\n", path);
        return;
    }
    /* In the order of paths a node comes before what is below it; its depth is the number of slashes. */
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (guint i = 0; i < nodes->len; i++) {
        Node *n = nodes->pdata[i];
        size_t len = strlen(path);
        if (!strncmp(n->path, path, len) && (!n->path[len] || n->path[len] == '/' || path[len - 1] == '/'))
            g_ptr_array_add(sorted, n);
    }
    for (guint i = 1; i < sorted->len; i++) {
        for (guint k = i; k && path_cmp(((Node *)sorted->pdata[k - 1])->path, ((Node *)sorted->pdata[k])->path) > 0;
             k--) {
            gpointer t = sorted->pdata[k];
            sorted->pdata[k] = sorted->pdata[k - 1];
            sorted->pdata[k - 1] = t;
        }
    }
    unsigned base = 0;
    for (const char *c = path; *c; c++)
        base += *c == '/' && c[1];
    for (guint i = 0; i < sorted->len; i++) {
        Node *n = sorted->pdata[i];
        unsigned depth = 0;
        for (const char *c = n->path; *c; c++)
            depth += *c == '/' && c[1];
        g_string_append_printf(out, "%*s%s (%s)\n", (int)(2 * (depth - base)), "",
                               strcmp(n->path, "/") ? strrchr(n->path, '/') : "/", n->type);
    }
}
