/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qapi: what the generator made of the schema, and the check of arguments with QEMU's messages. */
#include "qapi/qapi.h"
#include "qapi/qapi-types.h"
#include "block/node.h"
#include "chardev/chardev.h"
#include "hw/core/object.h"
#include "softmmu/runstate.h"
#include "ui/input.h"

static void test_tables(void)
{
    for (unsigned i = 1; i < qmp_command_count; i++)
        g_assert_cmpstr(qmp_commands[i - 1].name, <, qmp_commands[i].name);
    for (unsigned i = 1; i < qapi_event_count; i++)
        g_assert_cmpstr(qapi_events[i - 1].name, <, qapi_events[i].name);
    g_assert_true(qmp_command_find("query-status")->fn == qmp_query_status);
    g_assert_null(qmp_command_find("query"));
    g_assert_nonnull(qapi_event_find("RESET"));
    g_assert_null(qapi_event_find("reset"));
    g_assert_cmpstr(qapi_RunState_names[QAPI_RUN_STATE_GUEST_PANICKED], ==, "guest-panicked");
    g_assert_null(qapi_RunState_names[QAPI_RUN_STATE__MAX]);
    g_assert_cmpstr(qapi_QKeyCode_names[QAPI_Q_KEY_CODE_KP_0], ==, "kp_0");
    g_autoptr(Json) schema = json_parse(qapi_schema_text, strlen(qapi_schema_text), NULL);
    g_assert_cmpuint(json_length(schema), >, qmp_command_count + qapi_event_count);
}

/* Enums that the rest of the program has of its own are the schema's. */
static void test_same_enums(void)
{
    for (int i = 0; i < RUN_STATES; i++)
        g_assert_cmpstr(runstate_name((RunState)i), ==, qapi_RunState_names[i]);
    for (int i = CAUSE_NONE; i <= CAUSE_SNAPSHOT_LOAD; i++)
        g_assert_cmpstr(shutdown_cause_name((ShutdownCause)i), ==, qapi_ShutdownCause_names[i]);
    g_assert_cmpint(WATCHDOG_ACTION_INJECT_NMI, ==, QAPI_WATCHDOG_ACTION_INJECT_NMI);
    g_assert_cmpint(WATCHDOG_ACTION_NONE, ==, QAPI_WATCHDOG_ACTION_NONE);
    g_assert_cmpint(PANIC_ACTION_EXIT_FAILURE, ==, QAPI_PANIC_ACTION_EXIT_FAILURE);
    g_assert_cmpint(PANIC_ACTION_NONE, ==, QAPI_PANIC_ACTION_NONE);
}

static unsigned count(const char *const *names)
{
    unsigned n = 0;
    while (names[n])
        n++;
    return n;
}

/* What can be named in a request is what there is. */
static void test_same_tables(void)
{
    unsigned n = 0;
    for (const ObjectDesc *const *d = object_table; *d; d++, n++) {
        if (!g_strv_contains(qapi_ObjectType_names, (*d)->name))
            g_error("object type '%s' is not in qapi/qom.json", (*d)->name);
    }
    g_assert_cmpuint(n, ==, count(qapi_ObjectType_names));
    n = 0;
    for (const BlockDriver *const *d = block_drivers; *d; d++, n++) {
        if (!g_strv_contains(qapi_BlockdevDriver_names, (*d)->name))
            g_error("block driver '%s' is not in qapi/block.json", (*d)->name);
    }
    g_assert_cmpuint(n, ==, count(qapi_BlockdevDriver_names));
    g_autoptr(Json) backends = chardev_query_backends();
    n = 0;
    for (size_t i = 0; i < json_length(backends); i++)
        n += g_strv_contains(qapi_ChardevBackendKind_names, json_get_str(json_at(backends, i), "name"));
    g_assert_cmpuint(n, ==, count(qapi_ChardevBackendKind_names)); /* the list has aliases besides */
    for (int i = 0; i < KEY_CODES; i++)
        g_assert_cmpstr(key_name((KeyCode)i), ==, qapi_QKeyCode_names[i]);
    g_assert_cmpint(KEY_CODES, ==, QAPI_Q_KEY_CODE__MAX);
    for (int i = 0; block_event_names[i]; i++)
        g_assert_true(g_strv_contains(qapi_BlkdebugEvent_names, block_event_names[i]));
}

/* message NULL: the arguments fit. */
static void check(const char *command, const char *args, const char *message)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Json) v = json_parse(args, strlen(args), NULL);
    const QmpCommand *c = qmp_command_find(command);
    g_assert_nonnull(c);
    bool ok = qapi_check(c->args, v, &err);
    g_assert_true(ok == !err);
    if (g_strcmp0(err ? error_text(err) : NULL, message))
        g_error("%s %s: %s", command, args, err ? error_text(err) : "accepted");
}

static void test_check(void)
{
    check("query-name", "{}", NULL);
    check("query-name", "{'a': 1}", "Parameter 'a' is unexpected");
    check("device-list-properties", "{}", "Parameter 'typename' is missing");
    check("device-list-properties", "{'typename': 1}", "Invalid parameter type for 'typename', expected: string");
    check("device-list-properties", "{'typename': 'x', 'y': 1}", "Parameter 'y' is unexpected");
    check("qom-set", "{'path': '/', 'property': 'x'}", "Parameter 'value' is missing");
    check("qom-set", "{'path': '/', 'property': 'x', 'value': null}", NULL);
    check("qom-list-types", "{'abstract': 'true'}", "Invalid parameter type for 'abstract', expected: boolean");
    check("send-key", "{'keys': 1}", "Invalid parameter type for 'keys', expected: array");
    check("send-key", "{'keys': [3]}", "Invalid parameter type for 'keys[0]', expected: object");
    check("send-key", "{'keys': [{'type': 'number', 'data': 1}, {'type': 'number', 'data': 'x'}]}",
          "Invalid parameter type for 'keys[1].data', expected: integer");
    check("send-key", "{'keys': [{'type': 'numberx', 'data': 1}]}", "Parameter 'type' does not accept value 'numberx'");
    check("send-key", "{'keys': [{'data': 1}]}", "Parameter 'keys[0].type' is missing");
    check("send-key", "{'keys': [{'type': 'qcode', 'data': 'a', 'more': 1}]}",
          "Parameter 'keys[0].more' is unexpected");
    check("send-key", "{'keys': [], 'hold-time': 1.0}", "Invalid parameter type for 'hold-time', expected: integer");
    check("send-key", "{'keys': [], 'hold-time': 18446744073709551615}",
          "Invalid parameter type for 'hold-time', expected: integer");
    check("device_add", "{'driver': 'x', 'anything': [1]}", NULL);
    check("device_add", "{'id': 'x'}", "Parameter 'driver' is missing");
    check("object-add", "{'qom-type': 'iothread', 'id': 'a', 'size': 1}", "Parameter 'size' is unexpected");
    check("object-add", "{'qom-type': 'memory-backend-ram', 'id': 'a', 'size': 18446744073709551615}", NULL);
    check("object-add", "{'qom-type': 'memory-backend-ram', 'id': 'a', 'size': -1}", "Parameter 'size' expects size");
    check("object-add", "{'qom-type': 'memory-backend-ram', 'id': 'a', 'size': 1, 'host-nodes': [65536]}",
          "Parameter 'host-nodes[0]' expects uint16");
    check("object-add", "{'qom-type': 'memory-backend-ram', 'id': 'a'}", "Parameter 'size' is missing");
    check("blockdev-add", "{'driver': 'raw', 'file': 'node'}", NULL);
    check("blockdev-add", "{'driver': 'raw', 'file': {'driver': 'raw', 'file': {'driver': 'null-co'}}}", NULL);
    check("blockdev-add", "{'driver': 'raw', 'file': {'driver': 'raw', 'file': {'driver': 'null-co', 'x': 1}}}",
          "Parameter 'file.file.x' is unexpected");
    check("blockdev-add", "{'driver': 'raw', 'file': 1}", "Invalid parameter type for 'file', expected: BlockdevRef");
    check("blockdev-add", "{'driver': 'nope'}", "Parameter 'driver' does not accept value 'nope'");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/tables", test_tables);
    g_test_add_func("/qapi/same-enums", test_same_enums);
    g_test_add_func("/qapi/same-tables", test_same_tables);
    g_test_add_func("/qapi/check", test_check);
    return g_test_run();
}
