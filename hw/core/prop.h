/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties: what a user may set on a device (-device NAME,prop=value), machine, object or accelerator. A const table per
 * kind, ended by {}; each entry places a typed value at an offset in the kind's struct.
 */
#ifndef HW_CORE_PROP_H
#define HW_CORE_PROP_H

#include "util/json.h"

typedef struct Prop Prop;

/* How a type of property is read and shown. obj is the struct that the offset counts from. */
typedef struct PropType {
    const char *name;   /* QMP's type name: "bool" "uint32" "str" "size" "OnOffAuto" ... */
    /* Set from a JSON value, or from a command line's text (then val is JSON_STRING and from_text true). */
    bool (*set)(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp);
    Json *(*get)(const void *obj, const Prop *p);
    void (*release)(void *obj, const Prop *p); /* frees what set allocated; NULL where nothing */
    /* A device goes: others may have its back end from now on. Under the VM lock, before any release, perhaps more than once; who still
     * looks at the field finds one that has lost its medium or peer. NULL: holds nothing that others may want. */
    void (*let_go)(void *obj, const Prop *p);
    void (*set_default)(void *obj, const Prop *p); /* types of other files only: store p->def */
    bool is_string; /* set() accepts any text: no conversion of text to a JSON number on the way */
    const char *const *values; /* enum: the names, NULL-ended */
} PropType;

struct Prop {
    const char *name;
    const PropType *type;
    size_t offset;
    union {
        uint64_t u;
        int64_t i;
        const char *s;
    } def;
    const char *help;
    uint64_t min, max; /* numbers: the accepted range where max != 0 */
    uint8_t bit;       /* PROP_BIT */
    const char *const *values; /* PROP_ENUM */
    const char *type_name;     /* QMP's name of the type where it is not type->name */
    bool no_default;           /* the default is not shown and not applied (link properties) */
    bool (*runtime_set)(void *obj, const Prop *p, Error **errp); /* settable after realize: called after the store */
};

extern const PropType prop_bool, prop_u8, prop_u16, prop_u32, prop_u64, prop_i32, prop_i64, prop_size, prop_size32,
    prop_str, prop_on_off_auto, prop_bit, prop_bit64, prop_enum, prop_macaddr, prop_uuid, prop_pci_addr, prop_chardev, prop_drive,
    prop_netdev, prop_link;

#define PROP_(t, n, S, f, h, ...) {.name = n, .type = &t, .offset = offsetof(S, f), .help = h, __VA_ARGS__}
#define PROP_BOOL(n, S, f, d, h)  PROP_(prop_bool, n, S, f, h, .def.u = d)    /* bool */
#define PROP_U8(n, S, f, d, h)    PROP_(prop_u8, n, S, f, h, .def.u = d)
#define PROP_U16(n, S, f, d, h)   PROP_(prop_u16, n, S, f, h, .def.u = d)
#define PROP_U32(n, S, f, d, h)   PROP_(prop_u32, n, S, f, h, .def.u = d)
#define PROP_U64(n, S, f, d, h)   PROP_(prop_u64, n, S, f, h, .def.u = d)
#define PROP_I32(n, S, f, d, h)   PROP_(prop_i32, n, S, f, h, .def.i = d)
#define PROP_I64(n, S, f, d, h)   PROP_(prop_i64, n, S, f, h, .def.i = d)
#define PROP_SIZE(n, S, f, d, h)  PROP_(prop_size, n, S, f, h, .def.u = d)    /* uint64_t bytes; text may have k M G T */
#define PROP_STR(n, S, f, h)      PROP_(prop_str, n, S, f, h)                 /* char *, NULL by default, owned */
#define PROP_ON_OFF_AUTO(n, S, f, d, h) PROP_(prop_on_off_auto, n, S, f, h, .def.u = d) /* OnOffAuto */
#define PROP_BIT(n, S, f, b, d, h)      PROP_(prop_bit, n, S, f, h, .bit = b, .def.u = d)   /* bit b of a uint32_t */
#define PROP_BIT64(n, S, f, b, d, h)    PROP_(prop_bit64, n, S, f, h, .bit = b, .def.u = d)
#define PROP_ENUM(n, S, f, names, d, h) PROP_(prop_enum, n, S, f, h, .values = names, .def.u = d) /* int: index in names[] */
#define PROP_MAC(n, S, f, h)            PROP_(prop_macaddr, n, S, f, h)       /* uint8_t[6] */
#define PROP_CHARDEV(n, S, f, h)        PROP_(prop_chardev, n, S, f, h, .no_default = true) /* CharFrontend, see chardev/chardev.h */
#define PROP_DRIVE(n, S, f, h)          PROP_(prop_drive, n, S, f, h, .no_default = true)   /* Block *, see block/block.h */
#define PROP_NETDEV(n, S, f, h)         PROP_(prop_netdev, n, S, f, h, .no_default = true)
/* A reference to another device or object, given by id or path: void *, not owned; type_ is its DeviceDesc or object type name. */
#define PROP_LINK(n, S, f, type_, h)    PROP_(prop_link, n, S, f, h, .def.s = type_, .no_default = true)

typedef enum OnOffAuto { ON_OFF_AUTO_AUTO, ON_OFF_AUTO_ON, ON_OFF_AUTO_OFF } OnOffAuto;

/* Find by name in a {}-ended table; '_' and '-' differ. NULL where absent. */
const Prop *prop_find(const Prop *table, const char *name);
/* Store every default of the table into obj. */
void props_set_defaults(const Prop *table, void *obj);
/* Set one from JSON or text; the error names owner, property, value and what would be right. owner: "isa-serial" etc. */
bool prop_set_json(const char *owner, const Prop *p, void *obj, const Json *val, Error **errp);
bool prop_set_text(const char *owner, const Prop *p, void *obj, const char *text, Error **errp);
Json *prop_get(const Prop *p, const void *obj); /* the caller owns it */
void props_let_go(const Prop *table, void *obj);
void props_release(const Prop *table, void *obj);
/* "Did you mean": the name that is nearest to what was typed, NULL where none is near. Of names tried one by one, of a NULL-ended list, of
 * one or two tables of properties (NULL: none). */
typedef struct Nearest {
    const char *typed, *name;
    unsigned distance;
} Nearest;
Nearest nearest(const char *typed);
void nearest_try(Nearest *n, const char *name);
const char *nearest_name(const char *typed, const char *const *names);
const char *nearest_prop(const char *typed, const Prop *table, const Prop *more);

/* Text to number as QEMU's options take them: decimal, 0x hex; parse_size also k K M G T P E suffixes (1024-based) with a
 * default suffix ('B' or 'M') where none is given, fractions allowed before a suffix. */
bool parse_u64(const char *text, uint64_t *out);
bool parse_size(const char *text, char default_suffix, uint64_t *out);
/* What prop_link resolves an id or path with: a Device * or an Object * of that type (its name, or its parent's). hw/core/link.c */
void *link_find(const char *id_or_path, const char *type, Error **errp);
char *link_path(const void *target); /* the caller frees; "" for NULL */
bool parse_bool(const char *text, bool *out); /* on off yes no true false y n */

#endif
