/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-qmp-schema: every reply and event fits it; and what it says is what Debian's QEMU says of the same commands,
 * but for what came between 7.2 and 8.2.
 */
#include "tests/qtest/libqtest.h"

/* --- A schema to look things up in --- */

typedef struct Schema {
    Json *list;
    GHashTable *by_name; /* borrowed strings and entries of list */
} Schema;

static Schema schema_get(QTest *q)
{
    Schema s = {qtest_qmp(q, "{'execute': 'query-qmp-schema'}"), g_hash_table_new(g_str_hash, g_str_equal)};
    for (size_t i = 0; i < json_length(s.list); i++) {
        Json *e = json_at(s.list, i);
        g_assert_true(g_hash_table_insert(s.by_name, (void *)json_get_str(e, "name"), e));
    }
    return s;
}

static void schema_free(Schema *s)
{
    g_hash_table_destroy(s->by_name);
    json_unref(s->list);
}

static const Json *entry(const Schema *s, const char *name)
{
    const Json *e = g_hash_table_lookup(s->by_name, name);
    if (!e)
        g_error("the schema refers to '%s', which it does not have", name);
    return e;
}

static const Json *member(const Json *obj, const char *name)
{
    const Json *list = json_get(obj, "members");
    for (size_t i = 0; i < json_length(list); i++)
        if (!strcmp(json_get_str(json_at(list, i), "name"), name))
            return json_at(list, i);
    return NULL;
}

static const char *variant(const Json *obj, const char *tag)
{
    const Json *list = json_get(obj, "variants");
    for (size_t i = 0; i < json_length(list); i++)
        if (!strcmp(json_get_str(json_at(list, i), "case"), tag))
            return json_get_str(json_at(list, i), "type");
    return NULL;
}

/* --- Does a value fit? --- */

static void check_value(const Schema *s, const char *type, const Json *v, const char *path);

static bool is_int(const Json *v)
{
    return json_type(v) == JSON_INT || json_type(v) == JSON_UINT;
}

static bool builtin_fits(const char *json_type_, const Json *v)
{
    JsonType t = json_type(v);
    if (!strcmp(json_type_, "value"))
        return true;
    if (!strcmp(json_type_, "int"))
        return is_int(v);
    if (!strcmp(json_type_, "number"))
        return is_int(v) || t == JSON_DOUBLE;
    return !strcmp(json_type_, json_type_name(t));
}

static void check_members(const Schema *s, const Json *type, const Json *v, const char *path)
{
    const Json *list = json_get(type, "members");
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *m = json_at(list, i);
        const char *name = json_get_str(m, "name");
        const Json *val = json_get(v, name);
        g_autofree char *sub = g_strdup_printf("%s.%s", path, name);
        if (val)
            check_value(s, json_get_str(m, "type"), val, sub);
        else if (!json_get(m, "default"))
            g_error("%s is missing", sub);
    }
}

static void check_object(const Schema *s, const Json *type, const Json *v, const char *path)
{
    const Json *branch = NULL;
    if (json_type(v) != JSON_OBJECT)
        g_error("%s is no object", path);
    check_members(s, type, v, path);
    if (json_get(type, "tag")) {
        const char *tag = json_get_str(v, json_get_str(type, "tag")), *name = variant(type, tag);
        if (!name)
            g_error("%s: no variant for '%s'", path, tag);
        branch = entry(s, name);
        check_members(s, branch, v, path);
    }
    for (size_t i = 0; i < json_length(v); i++)
        if (!member(type, json_key_at(v, i)) && !(branch && member(branch, json_key_at(v, i))))
            g_error("%s.%s is not in the schema", path, json_key_at(v, i));
}

static bool has_string(const Json *arr, const char *s)
{
    for (size_t i = 0; i < json_length(arr); i++)
        if (!strcmp(json_get_string(json_at(arr, i)), s))
            return true;
    return false;
}

static void check_value(const Schema *s, const char *type, const Json *v, const char *path)
{
    const Json *e = entry(s, type);
    const char *meta = json_get_str(e, "meta-type");
    if (!strcmp(meta, "object")) {
        check_object(s, e, v, path);
    } else if (!strcmp(meta, "array")) {
        if (json_type(v) != JSON_ARRAY)
            g_error("%s is no array", path);
        for (size_t i = 0; i < json_length(v); i++) {
            g_autofree char *sub = g_strdup_printf("%s[%zu]", path, i);
            check_value(s, json_get_str(e, "element-type"), json_at(v, i), sub);
        }
    } else if (!strcmp(meta, "enum")) {
        const char *str = json_get_string(v);
        if (!str || !has_string(json_get(e, "values"), str))
            g_error("%s: '%s' is no value of the enum", path, str);
    } else if (!strcmp(meta, "builtin")) {
        if (!builtin_fits(json_get_str(e, "json-type"), v))
            g_error("%s has type %s instead of %s", path, json_type_name(json_type(v)), json_get_str(e, "json-type"));
    } else {
        g_error("%s: unexpected meta-type %s", path, meta);
    }
}

/* --- The schema itself --- */

static void test_self(void)
{
    QTest *q = qtest_start("-machine none");
    Schema s = schema_get(q);
    check_value(&s, json_get_str(entry(&s, "query-qmp-schema"), "ret-type"), s.list, "query-qmp-schema");
    g_autoptr(Json) commands = qtest_qmp(q, "{'execute': 'query-commands'}");
    unsigned listed = 0;
    for (size_t i = 0; i < json_length(s.list); i++)
        listed += !strcmp(json_get_str(json_at(s.list, i), "meta-type"), "command");
    g_assert_cmpuint(json_length(commands), ==, listed);
    for (size_t i = 0; i < json_length(commands); i++)
        entry(&s, json_get_str(json_at(commands, i), "name"));
    schema_free(&s);
    qtest_quit(q);
}

/* --- Replies --- */

static bool takes_no_arguments(const Schema *s, const Json *command)
{
    const Json *list = json_get(entry(s, json_get_str(command, "arg-type")), "members");
    for (size_t i = 0; i < json_length(list); i++)
        if (!json_get(json_at(list, i), "default"))
            return false;
    return true;
}

/* Every query that needs no argument, on a machine. */
static void check_queries(const char *args)
{
    QTest *q = qtest_start("%s", args);
    Schema s = schema_get(q);
    unsigned n = 0;
    for (size_t i = 0; i < json_length(s.list); i++) {
        const Json *c = json_at(s.list, i);
        const char *name = json_get_str(c, "name");
        if (strcmp(json_get_str(c, "meta-type"), "command") || !g_str_has_prefix(name, "query-") ||
            !takes_no_arguments(&s, c))
            continue;
        if (!strcmp(name, "query-hotpluggable-cpus") && !strcmp(args, "-machine none")) {
            g_autofree char *why = qtest_qmp_error(q, "{'execute': '%s'}", name);
            g_assert_cmpstr(why, ==, "The feature 'query-hotpluggable-cpus' is not enabled");
            continue;
        }
        if (!strcmp(name, "query-balloon")) { /* there is none */
            g_autofree char *why = qtest_qmp_error(q, "{'execute': '%s'}", name);
            g_assert_cmpstr(why, ==, "No balloon device has been activated");
            continue;
        }
        g_autoptr(Json) reply = qtest_qmp(q, "{'execute': '%s'}", name);
        check_value(&s, json_get_str(c, "ret-type"), reply, name);
        n++;
    }
    g_assert_cmpuint(n, >, 25);
    static const char *const with_args[][2] = {
        {"qom-list", "{'path': '/machine'}"},
        {"qom-list-types", "{}"},
        {"qom-list-types", "{'implements': 'device', 'abstract': true}"},
        {"qom-list-properties", "{'typename': 'none-machine'}"},
        {"device-list-properties", "{'typename': 'isa-serial'}"},
        {"query-named-block-nodes", "{'flat': true}"},
        {"query-blockstats", "{'query-nodes': true}"},
        {"query-command-line-options", "{'option': 'device'}"},
        {"query-cpu-model-expansion", "{'type': 'static', 'model': {'name': 'max'}}"},
        {"query-cpu-model-expansion", "{'type': 'full', 'model': {'name': 'qemu64', 'props': {'avx': true}}}"},
        {"query-stats", "{'target': 'vm'}"},
        {"query-stats", "{'target': 'vcpu', 'vcpus': ['/x'], 'providers': [{'provider': 'kvm', 'names': ['exits']}]}"},
        {"query-stats-schemas", "{'provider': 'kvm'}"},
        {"human-monitor-command", "{'command-line': 'info status'}"},
        {"chardev-add", "{'id': 'ring', 'backend': {'type': 'ringbuf', 'data': {'size': 16}}}"},
        {"ringbuf-write", "{'device': 'ring', 'data': 'YWJj', 'format': 'base64'}"},
        {"ringbuf-read", "{'device': 'ring', 'size': 10}"},
        {"chardev-remove", "{'id': 'ring'}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(with_args); i++) {
        g_autoptr(Json) reply = qtest_qmp(q, "{'execute': '%s', 'arguments': %s}", with_args[i][0], with_args[i][1]);
        check_value(&s, json_get_str(entry(&s, with_args[i][0]), "ret-type"), reply, with_args[i][0]);
    }
    schema_free(&s);
    qtest_quit(q);
}

static void test_queries_none(void)
{
    check_queries("-machine none");
}

static void test_queries_pc(void)
{
    check_queries("-machine pc -drive if=none,id=d0,driver=null-co,size=1M -device ide-hd,drive=d0 "
                  "-object memory-backend-ram,id=m0,size=1M -object iothread,id=t0 -chardev null,id=c0 -name n");
}

static void test_events(void)
{
    static const struct {
        const char *command, *event;
    } steps[] = {{"cont", "RESUME"}, {"stop", "STOP"}, {"system_reset", "RESET"}, {"system_powerdown", "POWERDOWN"}};
    QTest *q = qtest_start("-machine none");
    Schema s = schema_get(q);
    json_unref(qtest_qmp(q, "{'execute': 'stop'}")); /* whatever state it was started in */
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        json_unref(qtest_qmp(q, "{'execute': '%s'}", steps[i].command));
        g_autoptr(Json) event = qtest_event(q, steps[i].event);
        g_autoptr(Json) none = json_object();
        const Json *data = json_get(event, "data");
        check_value(&s, json_get_str(entry(&s, steps[i].event), "arg-type"), data ? data : none, steps[i].event);
    }
    schema_free(&s);
    qtest_quit(q);
}

/* The guest sets the hour n times, by the RTC's register 4: an RTC_CHANGE each. */
static void set_hour(QTest *q, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qtest_outb(q, 0x70, 4);
        qtest_outb(q, 0x71, (uint8_t)(i + 1));
    }
    json_unref(qtest_qmp(q, "{'execute': 'query-status'}")); /* what came before it has been read then */
}

/* Events that a guest can cause at will come at once, and then once a second, the last of them. */
static void test_rate(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults");
    if (!qtest_has_clock(q)) {
        g_test_skip("needs the virtual clock");
        qtest_quit(q);
        return;
    }
    set_hour(q, 1);
    g_assert_true(qtest_event_seen(q, "RTC_CHANGE"));
    g_autoptr(Json) first = qtest_event(q, "RTC_CHANGE");
    set_hour(q, 10);
    g_assert_false(qtest_event_seen(q, "RTC_CHANGE"));
    qtest_clock_step(q, 500 * NS_PER_MS);
    set_hour(q, 5);
    g_assert_false(qtest_event_seen(q, "RTC_CHANGE"));
    qtest_clock_step(q, 501 * NS_PER_MS);
    g_autoptr(Json) last = qtest_event(q, "RTC_CHANGE");
    int64_t a = 0, b = 0;
    g_assert_true(json_get_int(json_get(json_get(first, "data"), "offset"), &a));
    g_assert_true(json_get_int(json_get(json_get(last, "data"), "offset"), &b));
    g_assert_cmpint(ABS(b - a - 4 * 3600), <=, 2); /* from hour 1 to hour 5 */
    set_hour(q, 0);
    g_assert_false(qtest_event_seen(q, "RTC_CHANGE"));
    qtest_clock_step(q, 5 * NS_PER_SEC); /* quiet again: the next comes at once */
    set_hour(q, 1);
    g_assert_true(qtest_event_seen(q, "RTC_CHANGE"));
    qtest_quit(q);
}

/* --- Against Debian's --- */

typedef struct Diff {
    const Schema *ours, *theirs;
    GHashTable *seen; /* pairs of type names under comparison or done */
    GString *out;     /* differences, a line each */
} Diff;

static void same_type(Diff *d, const char *a, const char *b, const char *path);

static void differ(Diff *d, const char *path, const char *what)
{
    g_string_append_printf(d->out, "%s: %s\n", path, what);
}

/* Each member of ours is in theirs, of the same type and as optional; theirs may have more. */
static void same_members(Diff *d, const Json *a, const Json *b, const char *path)
{
    const Json *list = json_get(a, "members");
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *m = json_at(list, i);
        const char *name = json_get_str(m, "name");
        const Json *other = member(b, name);
        g_autofree char *sub = g_strdup_printf("%s.%s", path, name);
        if (!other) {
            differ(d, sub, "not in theirs");
            continue;
        }
        if (!json_get(m, "default") != !json_get(other, "default"))
            differ(d, sub, json_get(m, "default") ? "optional only in ours" : "mandatory only in ours");
        same_type(d, json_get_str(m, "type"), json_get_str(other, "type"), sub);
    }
    list = json_get(b, "members");
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *m = json_at(list, i);
        g_autofree char *sub = g_strdup_printf("%s.%s", path, json_get_str(m, "name"));
        if (!member(a, json_get_str(m, "name")) && !json_get(m, "default"))
            differ(d, sub, "mandatory in theirs, not in ours");
    }
}

static void same_type(Diff *d, const char *a, const char *b, const char *path)
{
    g_autofree char *pair = g_strdup_printf("%s %s", a, b);
    if (g_hash_table_contains(d->seen, pair))
        return;
    g_hash_table_add(d->seen, g_steal_pointer(&pair));
    const Json *x = entry(d->ours, a), *y = entry(d->theirs, b);
    const char *meta = json_get_str(x, "meta-type");
    if (strcmp(meta, json_get_str(y, "meta-type"))) {
        differ(d, path, "another kind of type");
    } else if (!strcmp(meta, "builtin")) {
        if (strcmp(a, b))
            differ(d, path, "another builtin type");
    } else if (!strcmp(meta, "array")) {
        same_type(d, json_get_str(x, "element-type"), json_get_str(y, "element-type"), path);
    } else if (!strcmp(meta, "enum")) {
        const Json *vals = json_get(x, "values");
        for (size_t i = 0; i < json_length(vals); i++) {
            const char *v = json_get_string(json_at(vals, i));
            g_autofree char *sub = g_strdup_printf("%s '%s'", path, v);
            if (!has_string(json_get(y, "values"), v))
                differ(d, sub, "not a value of theirs");
        }
    } else if (!strcmp(meta, "object")) {
        same_members(d, x, y, path);
        const char *tag = json_get_str(x, "tag");
        if (g_strcmp0(tag, json_get_str(y, "tag")) && tag)
            differ(d, path, "another tag");
        const Json *cases = json_get(x, "variants");
        for (size_t i = 0; i < json_length(cases); i++) {
            const char *c = json_get_str(json_at(cases, i), "case"), *other = variant(y, c);
            g_autofree char *sub = g_strdup_printf("%s<%s>", path, c);
            if (other)
                same_type(d, json_get_str(json_at(cases, i), "type"), other, sub);
        }
    }
}

/* What came between 7.2 and 8.2, by the manual's "Since", so that Debian's schema does not have it. */
static bool is_known(const char *line)
{
    static const char *const known[] = {
        "query-machines.ret.acpi: not in theirs", /* 8.0 */
        "send-key.arg.keys.data 'f1",             /* f13 to f24: 8.0 */
        "send-key.arg.keys.data 'f2",
        "send-key.arg.keys<qcode>.data 'f1",
        "send-key.arg.keys<qcode>.data 'f2",
        "input-send-event.arg.events<btn>.data.button 'touch'",              /* 8.1 */
        "object-add.arg<memory-backend-file>.rom: not in theirs",            /* 8.2 */
        "object-add.arg<memory-backend-file>.offset: not in theirs",         /* 8.1 */
        "query-migrate-capabilities.ret.capability 'switchover-ack'",        /* 8.1 */
        "query-migrate-capabilities.ret.capability 'dirty-limit'",           /* 8.1 */
        "query-blockstats.ret.stats.zone_append",                            /* 8.1 */
        "query-blockstats.ret.stats.failed_zone_append_operations",          /* 8.1 */
        "query-blockstats.ret.stats.invalid_zone_append_operations",         /* 8.1 */
        "query-blockstats.ret.stats.timed_stats.min_zone_append_latency_ns", /* 8.1 */
        "query-blockstats.ret.stats.timed_stats.max_zone_append_latency_ns",
        "blockdev-add.arg<qcow2>.discard-no-unref: not in theirs", /* 8.1 */
        "query-blockstats.ret.stats.timed_stats.avg_zone_append",
        "query-block.ret.inserted.image.format-specific.type 'file'", /* 8.0 */
        "netdev_add.arg<stream>.reconnect: not in theirs",            /* 8.0 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (g_str_has_prefix(line, known[i]))
            return true;
    return false;
}

static void test_against_debian(void)
{
    if (!g_file_test(DEBIAN_BINARY, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("Debian's qemu-system-x86 is not installed");
        return;
    }
    QTest *q = qtest_start("-machine none"), *r = qtest_start_binary(DEBIAN_BINARY, "-machine none");
    Schema ours = schema_get(q), theirs = schema_get(r);
    Diff d = {&ours, &theirs, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), g_string_new(NULL)};
    for (size_t i = 0; i < json_length(ours.list); i++) {
        const Json *e = json_at(ours.list, i);
        const char *name = json_get_str(e, "name"), *meta = json_get_str(e, "meta-type");
        if (strcmp(meta, "command") && strcmp(meta, "event"))
            continue;
        const Json *other = g_hash_table_lookup(theirs.by_name, name);
        if (!other) {
            differ(&d, name, "not in theirs");
            continue;
        }
        g_autofree char *arg = g_strdup_printf("%s.arg", name), *ret = g_strdup_printf("%s.ret", name);
        same_type(&d, json_get_str(e, "arg-type"), json_get_str(other, "arg-type"), arg);
        if (json_get(e, "ret-type"))
            same_type(&d, json_get_str(e, "ret-type"), json_get_str(other, "ret-type"), ret);
        if (!json_get(e, "allow-oob") != !json_get(other, "allow-oob"))
            differ(&d, name, "allow-oob differs");
    }
    g_auto(GStrv) lines = g_strsplit(d.out->str, "\n", -1);
    for (char **l = lines; *l; l++) {
        if (**l && !is_known(*l)) {
            g_test_message("%s", *l);
            g_test_fail();
        }
    }
    g_hash_table_destroy(d.seen);
    g_string_free(d.out, TRUE);
    schema_free(&ours);
    schema_free(&theirs);
    qtest_quit(q);
    qtest_quit(r);
}

/* --- Replies against Debian's --- */

/* Every path in a value, with its type: "[].inserted.ro boolean". */
static void paths(const Json *v, const char *path, GHashTable *out)
{
    g_hash_table_add(out, g_strdup_printf("%s %s", path, json_type_name(json_type(v))));
    for (size_t i = 0; i < json_length(v); i++) {
        bool obj = json_type(v) == JSON_OBJECT;
        g_autofree char *sub = obj ? g_strdup_printf("%s.%s", path, json_key_at(v, i)) : g_strdup_printf("%s[]", path);
        paths(obj ? json_val_at(v, i) : json_at(v, i), sub, out);
    }
}

static void only_in(GHashTable *a, GHashTable *b, char sign)
{
    /* What may differ: which, and why. */
    static const struct {
        const char *prefix, *reason;
    } known[] = {
        {"query-machines[].acpi", "8.0"},
        {"query-blockstats[].stats.zone_append", "8.1"},
        {"query-blockstats[].stats.failed_zone_append", "8.1"},
        {"query-blockstats[].stats.invalid_zone_append", "8.1"},
        {"query-block[].inserted.image.dirty-flag", "optional, what a driver knows"},
        {"query-named-block-nodes[].image.dirty-flag", "optional, what a driver knows"},
        {"query-cpu-definitions[].unavailable-features[]", "depends on the accelerator and the host"},
        {"query-migrate-capabilities[]", "no migration here yet"},
        {"query-tpm-models[]", "no TPM here yet"},
        {"query-tpm-types[]", "no TPM here yet"},
        {"query-yank[]", "nothing to yank here"},
    };
    GHashTableIter it;
    gpointer key;
    g_hash_table_iter_init(&it, a);
    while (g_hash_table_iter_next(&it, &key, NULL)) {
        unsigned i = 0;
        while (i < ARRAY_SIZE(known) && !g_str_has_prefix(key, known[i].prefix))
            i++;
        if (i == ARRAY_SIZE(known) && !g_hash_table_contains(b, key)) {
            g_test_message("%c %s", sign, (char *)key);
            g_test_fail();
        }
    }
}

static void test_shapes(void)
{
    if (!g_file_test(DEBIAN_BINARY, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("Debian's qemu-system-x86 is not installed");
        return;
    }
    static const char args[] =
        "-machine pc -smp 2,maxcpus=4 -nic none -drive if=none,id=d0,driver=null-co,size=1M "
        "-device ide-hd,drive=d0,id=hd -object memory-backend-ram,id=m0,size=1M -object iothread,id=t0 "
        "-chardev null,id=c0 -name n";
    /* Lists of what there is, as long as they are, and what has to be asked for something. */
    static const char *const skipped[] = {"query-commands",
                                          "query-qmp-schema",
                                          "query-command-line-options",
                                          "query-cpu-model-expansion",
                                          "query-stats",
                                          NULL};
    QTest *q = qtest_start("%s", args), *r = qtest_start_binary(DEBIAN_BINARY, args);
    g_autoptr(Json) commands = qtest_qmp(q, "{'execute': 'query-commands'}");
    GHashTable *ours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTable *theirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; i < json_length(commands); i++) {
        const char *name = json_get_str(json_at(commands, i), "name");
        if (!g_str_has_prefix(name, "query-") || g_strv_contains(skipped, name))
            continue;
        if (!strcmp(name, "query-balloon")) /* there is none: an error of both */
            continue;
        g_autoptr(Json) a = qtest_qmp(q, "{'execute': '%s'}", name);
        g_autoptr(Json) b = qtest_qmp(r, "{'execute': '%s'}", name);
        paths(a, name, ours);
        paths(b, name, theirs);
    }
    only_in(ours, theirs, '+');
    only_in(theirs, ours, '-');
    g_hash_table_destroy(ours);
    g_hash_table_destroy(theirs);
    qtest_quit(q);
    qtest_quit(r);
}

/* Every property of an expansion of qemu64 is what Debian's says of it. */
static void test_expansion(void)
{
    if (!g_file_test(DEBIAN_BINARY, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("Debian's qemu-system-x86 is not installed");
        return;
    }
    static const char *const models[] = {"{'name': 'qemu64'}", "{'name': 'base'}",
                                         "{'name': 'Nehalem', 'props': {'aes': true}}"};
    QTest *q = qtest_start("-machine none"), *r = qtest_start_binary(DEBIAN_BINARY, "-machine none");
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        const char *cmd = "{'execute': 'query-cpu-model-expansion', 'arguments': {'type': 'static', 'model': %s}}";
        g_autofree char *text = g_strdup_printf(cmd, models[i]);
        g_autoptr(Json) a = qtest_qmp(q, "%s", text);
        g_autoptr(Json) b = qtest_qmp(r, "%s", text);
        const Json *x = json_get(json_get(a, "model"), "props"), *y = json_get(json_get(b, "model"), "props");
        unsigned same = 0;
        for (size_t k = 0; k < json_length(x); k++) {
            const char *key = json_key_at(x, k);
            const Json *v = json_val_at(x, k), *w = json_get(y, key);
            bool on = false;
            if (w && json_equal(v, w)) {
                same++;
            } else if (!strcmp(key, "vme")) { /* Debian's answer is TCG's, which has no VME; nothing filters ours */
                continue;
            } else if (w || (json_get_bool(v, &on) && on)) {
                g_autofree char *ours = json_to_string(v, false);
                g_test_message("%s: %s is %s in ours", models[i], key, ours);
                g_test_fail();
            }
        }
        g_assert_cmpuint(same, >, 200);
    }
    qtest_quit(q);
    qtest_quit(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp-schema/self", test_self);
    g_test_add_func("/qmp-schema/queries-none", test_queries_none);
    g_test_add_func("/qmp-schema/queries-pc", test_queries_pc);
    g_test_add_func("/qmp-schema/events", test_events);
    g_test_add_func("/qmp-schema/rate", test_rate);
    g_test_add_func("/qmp-schema/against-debian", test_against_debian);
    g_test_add_func("/qmp-schema/shapes", test_shapes);
    g_test_add_func("/qmp-schema/expansion", test_expansion);
    return g_test_run();
}
