/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-stats, query-stats-schemas, `info stats`: what the accelerator counts. There is one provider, KVM. */
#include "monitor/internal.h"

#include "accel/accel.h"
#include "monitor/hmp.h"
#include "qapi/qapi-types.h"
#include "softmmu/vcpus.h"

typedef struct Wanted {
    const Json *providers; /* NULL: all of all; else objects with `provider` and perhaps `names` */
    Json *out;
} Wanted;

static bool in_list(const Json *list, const char *s)
{
    for (size_t i = 0; i < json_length(list); i++) {
        if (!strcmp(json_get_string(json_at(list, i)), s))
            return true;
    }
    return false;
}

static bool wanted(const Wanted *w, const char *name)
{
    if (!w->providers)
        return true;
    for (size_t i = 0; i < json_length(w->providers); i++) {
        const Json *names = json_get(json_at(w->providers, i), "names");

        if (!names || in_list(names, name))
            return true;
    }
    return false;
}

static void add_value(const AccelStat *s, void *opaque)
{
    Wanted *w = opaque;
    Json *o, *v;

    if (!wanted(w, s->name))
        return;
    o = json_object();
    json_set_str(o, "name", s->name);
    if (s->unit && !strcmp(s->unit, "boolean")) {
        json_set_bool(o, "value", s->values[0]);
    } else if (s->n == 1) {
        json_set_uint(o, "value", s->values[0]);
    } else {
        v = json_array();
        for (unsigned i = 0; i < s->n; i++)
            json_append(v, json_uint(s->values[i]));
        json_set(o, "value", v);
    }
    json_append(w->out, o);
}

static void add_schema(const AccelStat *s, void *opaque)
{
    Wanted *w = opaque;
    Json *o = json_object();

    json_set_str(o, "name", s->name);
    json_set_str(o, "type", s->type);
    if (s->unit)
        json_set_str(o, "unit", s->unit);
    if (s->base)
        json_set_int(o, "base", s->base);
    json_set_int(o, "exponent", s->exponent);
    if (!strcmp(s->type, "linear-histogram"))
        json_set_uint(o, "bucket-size", s->bucket_size);
    json_append(w->out, o);
}

/* The list of c's (NULL: the VM's); NULL where it is empty. */
static Json *collect(X86CPU *c, AccelStatFn *fn, const Json *providers)
{
    Wanted w = {providers, json_array()};

    if (accel && accel->stats)
        accel->stats(c, fn, &w);
    if (json_length(w.out))
        return w.out;
    json_unref(w.out);
    return NULL;
}

static void append_result(Json *list, Json *stats, const char *key, const char *val)
{
    Json *r;

    if (!stats)
        return;
    r = json_object();
    json_set_str(r, "provider", "kvm");
    if (val)
        json_set_str(r, key, val);
    json_set(r, "stats", stats);
    json_append(list, r);
}

Json *qmp_query_stats(const Json *args, Error **errp)
{
    const Json *providers = json_get(args, "providers"), *paths = json_get(args, "vcpus");
    Json *list = json_array();
    X86CPU *c;

    if (!strcmp(json_get_str(args, "target"), "vm")) {
        append_result(list, collect(NULL, add_value, providers), NULL, NULL);
        return list;
    }
    FOREACH_VCPU (c) {
        const char *path = c->dev.path ? c->dev.path : "";

        if (!paths || in_list(paths, path))
            append_result(list, collect(c, add_value, providers), "qom-path", path);
    }
    return list;
}

Json *qmp_query_stats_schemas(const Json *args, Error **errp)
{
    Json *list = json_array();

    append_result(list, collect(NULL, add_schema, NULL), "target", "vm");
    if (vcpus[0])
        append_result(list, collect(vcpus[0], add_schema, NULL), "target", "vcpu");
    return list;
}

typedef struct Printing {
    Hmp *h;
    char **names; /* NULL: all */
} Printing;

static void print_one(const AccelStat *s, void *opaque)
{
    Printing *p = opaque;

    if (p->names && !g_strv_contains((const char *const *)p->names, s->name))
        return;
    hmp_print(p->h, "    %s (%s", s->name, s->type);
    if (s->unit && s->base)
        hmp_print(p->h, ", %s * %d^%d", s->unit, s->base, s->exponent);
    else if (s->unit)
        hmp_print(p->h, ", %s", s->unit);
    hmp_print(p->h, "):");
    for (unsigned i = 0; i < s->n; i++) {
        if (s->unit && !strcmp(s->unit, "boolean"))
            hmp_print(p->h, " %s", s->values[i] ? "yes" : "no");
        else
            hmp_print(p->h, " %" PRIu64, s->values[i]);
    }
    hmp_print(p->h, "\n");
}

void hmp_info_stats(Hmp *h, const Json *args)
{
    const char *target = json_get_str(args, "target"), *names = json_get_str(args, "names"),
               *provider = json_get_str(args, "provider");
    bool vm = !strcmp(target, "vm");
    X86CPU *c = vm ? NULL : hmp_cpu(h);
    Printing p = {h, NULL};

    if (!vm && strcmp(target, "vcpu")) {
        hmp_print(h, "invalid stats target %s: vm or vcpu\n", target);
        return;
    }
    if (provider && strcmp(provider, "kvm")) {
        hmp_print(h, "invalid stats provider %s: there is kvm\n", provider);
        return;
    }
    if (!accel || !accel->stats || (!vm && !c)) {
        hmp_print(h, "no statistics: KVM is not in use\n");
        return;
    }
    p.names = names && strcmp(names, "*") ? g_strsplit(names, ",", -1) : NULL;
    hmp_print(h, "provider: kvm\n");
    accel->stats(c, print_one, &p);
    g_strfreev(p.names);
}
