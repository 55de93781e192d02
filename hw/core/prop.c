/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of properties, and text to value. Types that name a back end are beside that back end (chardev, block,
 * pci). */
#include "hw/core/prop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool parse_u64(const char *text, uint64_t *out)
{
    while (g_ascii_isspace(*text))
        text++;
    if (!g_ascii_isdigit(*text))
        return false;
    char *end;
    errno = 0;
    uint64_t v = g_ascii_strtoull(text, &end, 0);
    if (errno || *end)
        return false;
    *out = v;
    return true;
}

static bool suffix_shift(char c, unsigned *shift)
{
    static const char suffixes[] = "BKMGTPE";
    const char *p = c ? strchr(suffixes, g_ascii_toupper(c)) : NULL;
    if (!p)
        return false;
    *shift = 10 * (p - suffixes);
    return true;
}

bool parse_size(const char *text, char default_suffix, uint64_t *out)
{
    if (!g_ascii_isdigit(*text))
        return false;
    char *end;
    errno = 0;
    uint64_t whole = g_ascii_strtoull(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
    if (errno)
        return false;
    double frac = 0;
    if (*end == '.') {
        const char *f = end;
        double scale = 1;
        for (f++; g_ascii_isdigit(*f); f++)
            frac += (scale /= 10) * (*f - '0');
        end = (char *)f;
    }
    unsigned shift;
    char c = *end ? *end++ : default_suffix;
    if (*end || !suffix_shift(c, &shift))
        return false;
    if (shift && whole >> (64 - shift))
        return false;
    uint64_t extra = (uint64_t)llround(ldexp(frac, shift));
    if (frac && !shift)
        return false;
    if (__builtin_add_overflow(whole << shift, extra, out))
        return false;
    return true;
}

bool parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"on", "yes", "true", "y"}, *const no[] = {"off", "no", "false", "n"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
            *out = !strcmp(text, yes[i]);
            return true;
        }
    }
    return false;
}

/* Levenshtein distance of short names. */
static unsigned distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > 63 || lb > 63)
        return 99;
    unsigned row[64];
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        unsigned diag = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned up = row[j];
            row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), diag + (a[i - 1] != b[j - 1]));
            diag = up;
        }
    }
    return row[lb];
}

Nearest nearest(const char *typed)
{
    return (Nearest){typed, NULL, MAX(strlen(typed) / 2, 2) + 1};
}

void nearest_try(Nearest *n, const char *name)
{
    unsigned d = distance(n->typed, name);
    if (strlen(n->typed) >= 3 && strstr(name, n->typed))
        d = MIN(d, 2);
    if (d < n->distance) {
        n->distance = d;
        n->name = name;
    }
}

const char *nearest_name(const char *typed, const char *const *names)
{
    Nearest n = nearest(typed);
    for (; *names; names++)
        nearest_try(&n, *names);
    return n.name;
}

const char *nearest_prop(const char *typed, const Prop *table, const Prop *more)
{
    Nearest n = nearest(typed);
    for (; table && table->name; table++)
        nearest_try(&n, table->name);
    for (; more && more->name; more++)
        nearest_try(&n, more->name);
    return n.name;
}

static void *field(const void *obj, const Prop *p)
{
    return (char *)obj + p->offset;
}

static bool bad_value(const Prop *p, const char *expects, Error **errp)
{
    return error_set(errp, "%s expected", expects);
}

static bool get_unsigned(const Prop *p, const Json *val, bool text, uint64_t type_max, uint64_t *out, Error **errp)
{
    uint64_t lo = p->max ? p->min : 0, hi = p->max ? p->max : type_max, v;
    const char *s = json_get_string(val);
    bool ok = text && s ? parse_u64(s, &v) : json_get_uint(val, &v);
    if (!ok || v < lo || v > hi) {
        g_autofree char *range = g_strdup_printf("a number from %" PRIu64 " to %" PRIu64, lo, hi);
        return bad_value(p, range, errp);
    }
    *out = v;
    return true;
}

#define UNSIGNED_TYPE(T, max_, id)                                                                                     \
    static bool set_##id(void *obj, const Prop *p, const Json *val, bool text, Error **errp)                           \
    {                                                                                                                  \
        uint64_t v;                                                                                                    \
        if (!get_unsigned(p, val, text, max_, &v, errp))                                                               \
            return false;                                                                                              \
        *(T *)field(obj, p) = v;                                                                                       \
        return true;                                                                                                   \
    }                                                                                                                  \
    static Json *get_##id(const void *obj, const Prop *p)                                                              \
    {                                                                                                                  \
        return json_uint(*(T *)field(obj, p));                                                                         \
    }

UNSIGNED_TYPE(uint8_t, UINT8_MAX, u8)
UNSIGNED_TYPE(uint16_t, UINT16_MAX, u16)
UNSIGNED_TYPE(uint32_t, UINT32_MAX, u32)
UNSIGNED_TYPE(uint64_t, UINT64_MAX, u64)
const PropType prop_u8 = {.name = "uint8", .set = set_u8, .get = get_u8};
const PropType prop_u16 = {.name = "uint16", .set = set_u16, .get = get_u16};
const PropType prop_u32 = {.name = "uint32", .set = set_u32, .get = get_u32};
const PropType prop_u64 = {.name = "uint64", .set = set_u64, .get = get_u64};

static bool get_signed(const Prop *p, const Json *val, bool text, int64_t lo, int64_t hi, int64_t *out, Error **errp)
{
    int64_t v = 0;
    const char *s = json_get_string(val);
    bool ok;
    if (text && s) {
        bool neg = *s == '-';
        uint64_t u;
        ok = parse_u64(s + neg, &u) && u <= (uint64_t)INT64_MAX + neg;
        if (ok)
            v = neg ? -(int64_t)u : (int64_t)u;
    } else {
        ok = json_get_int(val, &v);
    }
    if (p->max) {
        lo = (int64_t)p->min;
        hi = (int64_t)p->max;
    }
    if (!ok || v < lo || v > hi) {
        g_autofree char *range = g_strdup_printf("a number from %" PRId64 " to %" PRId64, lo, hi);
        return bad_value(p, range, errp);
    }
    *out = v;
    return true;
}

#define SIGNED_TYPE(T, lo, hi, id)                                                                                     \
    static bool set_##id(void *obj, const Prop *p, const Json *val, bool text, Error **errp)                           \
    {                                                                                                                  \
        int64_t v;                                                                                                     \
        if (!get_signed(p, val, text, lo, hi, &v, errp))                                                               \
            return false;                                                                                              \
        *(T *)field(obj, p) = v;                                                                                       \
        return true;                                                                                                   \
    }                                                                                                                  \
    static Json *get_##id(const void *obj, const Prop *p)                                                              \
    {                                                                                                                  \
        return json_int(*(T *)field(obj, p));                                                                          \
    }

SIGNED_TYPE(int32_t, INT32_MIN, INT32_MAX, i32)
SIGNED_TYPE(int64_t, INT64_MIN, INT64_MAX, i64)
const PropType prop_i32 = {.name = "int32", .set = set_i32, .get = get_i32};
const PropType prop_i64 = {.name = "int64", .set = set_i64, .get = get_i64};

static bool get_size(const Prop *p, const Json *val, bool text, uint64_t type_max, uint64_t *out, Error **errp)
{
    uint64_t v;
    const char *s = json_get_string(val);
    bool ok = s ? parse_size(s, 'B', &v) : json_get_uint(val, &v);
    uint64_t lo = p->max ? p->min : 0, hi = p->max ? p->max : type_max;
    if (!ok || v < lo || v > hi) {
        g_autofree char *range =
            g_strdup_printf("a size in bytes, or with k, M, G, T, from %" PRIu64 " to %" PRIu64 " bytes", lo, hi);
        return bad_value(p, range, errp);
    }
    *out = v;
    return true;
}

static bool set_size(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    return get_size(p, val, text, UINT64_MAX, field(obj, p), errp);
}
const PropType prop_size = {.name = "size", .set = set_size, .get = get_u64};

static bool set_size32(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    uint64_t v;
    if (!get_size(p, val, text, UINT32_MAX, &v, errp))
        return false;
    *(uint32_t *)field(obj, p) = v;
    return true;
}
const PropType prop_size32 = {.name = "size", .set = set_size32, .get = get_u32};

static bool get_boolean(const Prop *p, const Json *val, bool text, bool *out, Error **errp)
{
    const char *s = json_get_string(val);
    if (s && text ? parse_bool(s, out) : json_get_bool(val, out))
        return true;
    return bad_value(p, "'on' or 'off'", errp);
}

static bool set_bool(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    return get_boolean(p, val, text, field(obj, p), errp);
}

static Json *get_bool(const void *obj, const Prop *p)
{
    return json_bool(*(bool *)field(obj, p));
}
const PropType prop_bool = {.name = "bool", .set = set_bool, .get = get_bool};

static bool set_bit(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    bool b;
    if (!get_boolean(p, val, text, &b, errp))
        return false;
    uint32_t *w = field(obj, p);
    *w = b ? *w | BIT32(p->bit) : *w & ~BIT32(p->bit);
    return true;
}

static Json *get_bit(const void *obj, const Prop *p)
{
    return json_bool(*(uint32_t *)field(obj, p) & BIT32(p->bit));
}
const PropType prop_bit = {.name = "bool", .set = set_bit, .get = get_bit};

static bool set_bit64(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    bool b;
    if (!get_boolean(p, val, text, &b, errp))
        return false;
    uint64_t *w = field(obj, p);
    *w = b ? *w | BIT64(p->bit) : *w & ~BIT64(p->bit);
    return true;
}

static Json *get_bit64(const void *obj, const Prop *p)
{
    return json_bool(*(uint64_t *)field(obj, p) & BIT64(p->bit));
}
const PropType prop_bit64 = {.name = "bool", .set = set_bit64, .get = get_bit64};

static bool set_str(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    const char *s = json_get_string(val);
    if (!s)
        return bad_value(p, "a string", errp);
    char **f = field(obj, p);
    g_free(*f);
    *f = g_strdup(s);
    return true;
}

static Json *get_str(const void *obj, const Prop *p)
{
    const char *s = *(char **)field(obj, p);
    return json_string(s ? s : "");
}

static void release_str(void *obj, const Prop *p)
{
    g_clear_pointer((char **)field(obj, p), g_free);
}
const PropType prop_str = {.name = "str", .set = set_str, .get = get_str, .release = release_str, .is_string = true};

static bool set_names(void *obj, const Prop *p, const Json *val, const char *const *names, Error **errp)
{
    const char *s = json_get_string(val);
    for (int i = 0; s && names[i]; i++) {
        if (!strcmp(s, names[i])) {
            *(int *)field(obj, p) = i;
            return true;
        }
    }
    g_autofree char *all = g_strjoinv("', '", (char **)names);
    g_autofree char *list = g_strdup_printf("one of '%s'", all);
    return bad_value(p, list, errp);
}

static bool set_enum(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    return set_names(obj, p, val, p->values, errp);
}

static Json *get_enum(const void *obj, const Prop *p)
{
    return json_string(p->values[*(int *)field(obj, p)]);
}
const PropType prop_enum = {.name = "enum", .set = set_enum, .get = get_enum, .is_string = true};

static const char *const on_off_auto[] = {"auto", "on", "off", NULL};
static bool set_on_off_auto(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    bool b;
    const char *s = json_get_string(val);
    if (json_get_bool(val, &b) || (s && parse_bool(s, &b))) {
        *(OnOffAuto *)field(obj, p) = b ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
        return true;
    }
    return set_names(obj, p, val, on_off_auto, errp);
}

static Json *get_on_off_auto(const void *obj, const Prop *p)
{
    return json_string(on_off_auto[*(OnOffAuto *)field(obj, p)]);
}
const PropType prop_on_off_auto = {
    .name = "OnOffAuto", .set = set_on_off_auto, .get = get_on_off_auto, .is_string = true, .values = on_off_auto};

static bool set_mac(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    const char *s = json_get_string(val);
    unsigned b[6];
    int n = -1;
    if (!s ||
        sscanf(s, "%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
               &n) != 6 ||
        n < 0 || s[n])
        return bad_value(p, "a MAC address as 52:54:00:12:34:56", errp);
    uint8_t *f = field(obj, p);
    for (int i = 0; i < 6; i++)
        f[i] = b[i];
    return true;
}

static Json *get_mac(const void *obj, const Prop *p)
{
    const uint8_t *f = field(obj, p);
    return json_printf("%02x:%02x:%02x:%02x:%02x:%02x", f[0], f[1], f[2], f[3], f[4], f[5]);
}
const PropType prop_macaddr = {.name = "str", .set = set_mac, .get = get_mac, .is_string = true};

static bool set_uuid(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    const char *s = json_get_string(val);
    uint8_t u[16];
    if (!s || !g_uuid_string_is_valid(s))
        return bad_value(p, "a UUID as 550e8400-e29b-41d4-a716-446655440000", errp);
    for (int i = 0; i < 16; i++) {
        if (*s == '-')
            s++;
        u[i] = g_ascii_xdigit_value(s[0]) << 4 | g_ascii_xdigit_value(s[1]);
        s += 2;
    }
    memcpy(field(obj, p), u, 16);
    return true;
}

static Json *get_uuid(const void *obj, const Prop *p)
{
    const uint8_t *u = field(obj, p);
    return json_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
                       u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}
const PropType prop_uuid = {.name = "str", .set = set_uuid, .get = get_uuid, .is_string = true};

static bool set_link(void *obj, const Prop *p, const Json *val, bool text, Error **errp)
{
    const char *s = json_get_string(val);
    if (!s)
        return bad_value(p, "the id or path of an object", errp);
    void *target = NULL;
    if (*s && !(target = link_find(s, p->def.s, errp)))
        return false;
    *(void **)field(obj, p) = target;
    return true;
}

static Json *get_link(const void *obj, const Prop *p)
{
    g_autofree char *path = link_path(*(void **)field(obj, p));
    return json_string(path);
}
const PropType prop_link = {.name = "link", .set = set_link, .get = get_link, .is_string = true};

const Prop *prop_find(const Prop *table, const char *name)
{
    for (const Prop *p = table; p && p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

void props_set_defaults(const Prop *table, void *obj)
{
    for (const Prop *p = table; p && p->name; p++) {
        void *f = field(obj, p);
        if (p->no_default)
            continue;
        if (p->type == &prop_bool)
            *(bool *)f = p->def.u;
        else if (p->type == &prop_bit)
            *(uint32_t *)f = p->def.u ? *(uint32_t *)f | BIT32(p->bit) : *(uint32_t *)f & ~BIT32(p->bit);
        else if (p->type == &prop_bit64)
            *(uint64_t *)f = p->def.u ? *(uint64_t *)f | BIT64(p->bit) : *(uint64_t *)f & ~BIT64(p->bit);
        else if (p->type == &prop_u8)
            *(uint8_t *)f = p->def.u;
        else if (p->type == &prop_u16)
            *(uint16_t *)f = p->def.u;
        else if (p->type == &prop_u32 || p->type == &prop_size32)
            *(uint32_t *)f = p->def.u;
        else if (p->type == &prop_u64 || p->type == &prop_size)
            *(uint64_t *)f = p->def.u;
        else if (p->type == &prop_i32)
            *(int32_t *)f = p->def.i;
        else if (p->type == &prop_i64)
            *(int64_t *)f = p->def.i;
        else if (p->type == &prop_enum)
            *(int *)f = p->def.u;
        else if (p->type == &prop_on_off_auto)
            *(OnOffAuto *)f = p->def.u;
        else if (p->type == &prop_str)
            *(char **)f = g_strdup(p->def.s);
        else if (p->type->set_default)
            p->type->set_default(obj, p);
    }
}

static bool wrap(const char *owner, const Prop *p, const Json *val, bool ok, Error *err, Error **errp)
{
    if (ok)
        return true;
    g_autofree char *shown = json_get_string(val) ? g_strdup(json_get_string(val)) : json_to_string(val, false);
    error_set(errp, "Property '%s.%s' doesn't take value '%s': %s", owner, p->name, shown, err ? error_text(err) : "");
    error_free(err);
    return false;
}

bool prop_set_json(const char *owner, const Prop *p, void *obj, const Json *val, Error **errp)
{
    Error *err = NULL;
    bool ok = p->type->set(obj, p, val, false, &err);
    return wrap(owner, p, val, ok, err, errp);
}

bool prop_set_text(const char *owner, const Prop *p, void *obj, const char *text, Error **errp)
{
    g_autoptr(Json) val = json_string(text);
    Error *err = NULL;
    bool ok = p->type->set(obj, p, val, true, &err);
    return wrap(owner, p, val, ok, err, errp);
}

Json *prop_get(const Prop *p, const void *obj)
{
    return p->type->get(obj, p);
}

void props_let_go(const Prop *table, void *obj)
{
    for (const Prop *p = table; p && p->name; p++)
        if (p->type->let_go)
            p->type->let_go(obj, p);
}

void props_release(const Prop *table, void *obj)
{
    for (const Prop *p = table; p && p->name; p++)
        if (p->type->release)
            p->type->release(obj, p);
}
