/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check of JSON values against the schema's type descriptors: see qapi.h. */
#include "qapi/qapi.h"

static int cmp_command(const void *key, const void *elem)
{
    return strcmp(key, ((const QmpCommand *)elem)->name);
}

const QmpCommand *qmp_command_find(const char *name)
{
    return bsearch(name, qmp_commands, qmp_command_count, sizeof(*qmp_commands), cmp_command);
}

static int cmp_event(const void *key, const void *elem)
{
    return strcmp(key, ((const QapiEvent *)elem)->name);
}

const QapiEvent *qapi_event_find(const char *name)
{
    return bsearch(name, qapi_events, qapi_event_count, sizeof(*qapi_events), cmp_event);
}

/* Where a value stands, for messages: made from the inside out only when there is one. */
typedef struct Path {
    const struct Path *up;
    const char *name; /* NULL: element index */
    size_t index;
} Path;

static char *path_text(const Path *p)
{
    if (!p)
        return g_strdup("");
    g_autofree char *up = path_text(p->up);
    if (!p->name)
        return g_strdup_printf("%s[%zu]", up, p->index);
    return g_strdup_printf("%s%s%s", up, *up ? "." : "", p->name);
}

static bool bad_type(const Path *p, const char *expected, Error **errp)
{
    g_autofree char *path = path_text(p);
    return error_set(errp, "Invalid parameter type for '%s', expected: %s", path, expected);
}

/* Which JSON types a descriptor takes; for alternates. */
static bool takes(const QapiType *t, JsonType j)
{
    switch (t->kind) {
    case QAPI_NULL:
        return j == JSON_NULL;
    case QAPI_BOOL:
        return j == JSON_BOOL;
    case QAPI_INT:
        return j == JSON_INT || j == JSON_UINT;
    case QAPI_NUMBER:
        return j == JSON_INT || j == JSON_UINT || j == JSON_DOUBLE;
    case QAPI_STRING:
    case QAPI_ENUM:
        return j == JSON_STRING;
    case QAPI_ARRAY:
        return j == JSON_ARRAY;
    case QAPI_OBJECT:
        return j == JSON_OBJECT;
    case QAPI_ANY:
        return true;
    case QAPI_ALTERNATE:
        for (unsigned i = 0; i < t->n_alternatives; i++)
            if (takes(t->alternatives[i], j))
                return true;
        return false;
    }
    return false;
}

static bool check(const QapiType *t, const Json *v, const Path *p, Error **errp);

static bool check_int(const QapiType *t, const Json *v, const Path *p, Error **errp)
{
    int64_t i;
    uint64_t u;
    if (json_get_int(v, &i) ? i >= t->min && (i < 0 || (uint64_t)i <= t->max) : json_get_uint(v, &u) && u <= t->max)
        return true;
    if (t->min == INT64_MIN) /* the widest: as where it is no integer at all */
        return bad_type(p, "integer", errp);
    g_autofree char *path = path_text(p);
    return error_set(errp, "Parameter '%s' expects %s", path, t->name);
}

static bool check_enum(const QapiType *t, const Json *v, const Path *p, Error **errp)
{
    const char *s = json_get_string(v);
    if (g_strv_contains(t->values, s))
        return true;
    g_autofree char *path = p && p->name ? g_strdup(p->name) : path_text(p);
    return error_set(errp, "Parameter '%s' does not accept value '%s'", path, s);
}

static const QapiType *branch_of(const QapiType *t, const Json *v)
{
    const char *tag = t->tag ? json_get_str(v, t->tag) : NULL;
    for (unsigned i = 0; tag && i < t->n_branches; i++)
        if (!strcmp(t->branches[i].value, tag))
            return t->branches[i].type;
    return NULL;
}

static bool check_members(const QapiType *t, const Json *v, const Path *p, Error **errp)
{
    for (unsigned i = 0; i < t->n_members; i++) {
        const QapiMember *m = &t->members[i];
        Path sub = {.up = p, .name = m->name};
        const Json *val = json_get(v, m->name);
        if (val) {
            if (!check(m->type, val, &sub, errp))
                return false;
        } else if (!m->optional) {
            g_autofree char *path = path_text(&sub);
            return error_set(errp, "Parameter '%s' is missing", path);
        }
    }
    return true;
}

static bool has_member(const QapiType *t, const char *name)
{
    for (unsigned i = 0; t && i < t->n_members; i++)
        if (!strcmp(t->members[i].name, name))
            return true;
    return false;
}

static bool check_object(const QapiType *t, const Json *v, const Path *p, Error **errp)
{
    if (!check_members(t, v, p, errp))
        return false;
    const QapiType *branch = branch_of(t, v);
    if (branch && !check_members(branch, v, p, errp))
        return false;
    for (size_t i = 0; !t->open && i < json_length(v); i++) {
        const char *key = json_key_at(v, i);
        if (!has_member(t, key) && !has_member(branch, key)) {
            g_autofree char *path = path_text(&(Path){.up = p, .name = key});
            return error_set(errp, "Parameter '%s' is unexpected", path);
        }
    }
    return true;
}

/* The recursion goes as deep as the schema does; a circle in it is as deep as the JSON reader lets a value be. */
static bool check(const QapiType *t, const Json *v, const Path *p, Error **errp)
{
    static const char *const expected[] = {
        [QAPI_NULL] = "null",     [QAPI_BOOL] = "boolean", [QAPI_INT] = "integer", [QAPI_NUMBER] = "number",
        [QAPI_STRING] = "string", [QAPI_ENUM] = "string",  [QAPI_ARRAY] = "array", [QAPI_OBJECT] = "object",
    };
    if (!takes(t, json_type(v)))
        return bad_type(p, t->kind == QAPI_ALTERNATE ? t->name : expected[t->kind], errp);
    switch (t->kind) {
    case QAPI_INT:
        return check_int(t, v, p, errp);
    case QAPI_ENUM:
        return check_enum(t, v, p, errp);
    case QAPI_ARRAY:
        for (size_t i = 0; i < json_length(v); i++)
            if (!check(t->element, json_at(v, i), &(Path){.up = p, .index = i}, errp))
                return false;
        return true;
    case QAPI_OBJECT:
        return check_object(t, v, p, errp);
    case QAPI_ALTERNATE:
        for (unsigned i = 0; i < t->n_alternatives; i++)
            if (takes(t->alternatives[i], json_type(v)))
                return check(t->alternatives[i], v, p, errp);
        return false;
    default:
        return true;
    }
}

bool qapi_check(const QapiType *type, const Json *v, Error **errp)
{
    static const QapiType none = {.kind = QAPI_OBJECT, .name = "empty"};
    return check(type ? type : &none, v, NULL, errp);
}
