/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and their objects by QMP: replies and errors word by word; Debian's binary says the same. */
#include "tests/qtest/libqtest.h"

static void fails(QTest *q, const char *command, const char *text)
{
    g_autofree char *got = qtest_qmp_error(q, "%s", command);
    g_assert_cmpstr(got, ==, text);
}

static int64_t number(const Json *obj, const char *key)
{
    int64_t v = -1;
    g_assert_true(json_get_int(json_get(obj, key), &v));
    return v;
}

#define OBJECT(args) "{'execute': 'object-add', 'arguments': {'qom-type': 'throttle-group', " args "}}"
#define NODE(args)                                                                                                     \
    "{'execute': 'blockdev-add', 'arguments': {'driver': 'throttle', 'node-name': 't', 'file': 'n' " args "}}"
#define SET(prop, val)                                                                                                 \
    "{'execute': 'qom-set', 'arguments': {'path': '/objects/g', 'property': '" prop "', 'value': " val "}}"

static void ok(QTest *q, const char *command)
{
    json_unref(qtest_qmp(q, "%s", command));
}

static void test_throttle(void)
{
    QTest *q = qtest_start("-machine none -nodefaults -drive if=none,id=d,driver=null-co,throttling.iops-total=10,"
                           "throttling.group=h");
    const char *sums = "bps/iops/max total values and read/write values cannot be used at the same time";
    fails(q, OBJECT("'id': 'h'"), "A group with this name already exists");
    fails(q, OBJECT("'id': 'g', 'x-iops-total': -3"), "Property values cannot be negative");
    fails(q, OBJECT("'id': 'g', 'limits': {'iops-total': 5, 'iops-read': 5}"), sums);
    fails(q, OBJECT("'id': 'g', 'x-iops-total': 1000000000000001"),
          "bps/iops/max values must be within [0, 1000000000000000]");
    fails(q, OBJECT("'id': 'g', 'limits': {'foo': 1}"), "Parameter 'limits.foo' is unexpected");
    ok(q, OBJECT("'id': 'g', 'limits': {'iops-total': 5}"));
    fails(q, OBJECT("'id': 'g'"), "attempt to add duplicate property 'g' to object (type 'container')");
    fails(q, SET("limits", "{'iops-read': 7}"), sums);
    fails(q, SET("limits", "{'foo': 7}"), "Parameter 'limits.foo' is unexpected");
    fails(q, SET("limits", "{'iops-read-max-length': 0}"), "the burst length cannot be 0");
    fails(q, SET("limits", "{'iops-read-max-length': 4294967296}"),
          "iops-read-max-length value must be in the range [0, 4294967295]");
    fails(q, SET("limits", "{'iops-total': -7}"), "bps/iops/max values must be within [0, 1000000000000000]");
    fails(q, SET("limits", "{'bps-total-max': 7}"), "bps_max/iops_max require corresponding bps/iops values");
    fails(q, SET("limits", "{'iops-total-max': 4}"), "bps_max/iops_max cannot be lower than bps/iops");
    fails(q, SET("limits", "{'iops-total-max-length': 4}"), "burst length set without burst rate");
    fails(q, SET("x-iops-total", "7"), "Property cannot be set after initialization");
    ok(q, SET("limits", "{'iops-total': 0, 'iops-read': 7, 'iops-read-max': 70, 'iops-read-max-length': 3, "
                        "'iops-size': 512}"));
    g_autoptr(Json) got =
        qtest_qmp(q, "{'execute': 'qom-get', 'arguments': {'path': '/objects/g', 'property': 'limits'}}");
    g_assert_cmpuint(json_length(got), ==, 19);
    g_assert_cmpint(number(got, "iops-total"), ==, 0);
    g_assert_cmpint(number(got, "iops-read"), ==, 7);
    g_assert_cmpint(number(got, "iops-read-max"), ==, 70);
    g_assert_cmpint(number(got, "iops-read-max-length"), ==, 3);
    g_assert_cmpint(number(got, "iops-size"), ==, 512);
    g_assert_cmpint(number(got, "bps-write-max-length"), ==, 1);

    ok(q, "{'execute': 'blockdev-add', 'arguments': {'driver': 'null-co', 'node-name': 'n'}}");
    fails(q, NODE(", 'throttle-group': 'nope'"), "Throttle group 'nope' does not exist");
    fails(q, NODE(""), "Parameter 'throttle-group' is missing");
    ok(q, NODE(", 'throttle-group': 'h'"));
    ok(q, "{'execute': 'blockdev-del', 'arguments': {'node-name': 't'}}");
    ok(q, NODE(", 'throttle-group': 'g'"));
    fails(q, "{'execute': 'object-del', 'arguments': {'id': 'g'}}", "object 'g' is in use, can not be deleted");
    ok(q, "{'execute': 'blockdev-del', 'arguments': {'node-name': 't'}}");
    ok(q, "{'execute': 'object-del', 'arguments': {'id': 'g'}}");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/blockdev/throttle", test_throttle);
    return g_test_run();
}
