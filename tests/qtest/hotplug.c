/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that go, and some that never came: what DEVICE_DELETED says and in which order, and that a back end is free
 * as soon as that is said or device_add has failed. Debian's binary says the same. */
#include "tests/qtest/libqtest.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MACHINE "-machine pc-i440fx-7.2 -nodefaults "

static void ok(QTest *q, const char *command)
{
    json_unref(qtest_qmp(q, "%s", command));
}

static void del(QTest *q, const char *id)
{
    json_unref(qtest_qmp(q, "{'execute':'device_del','arguments':{'id':'%s'}}", id));
}

static void deleted(QTest *q, const char *id, const char *path)
{
    g_autoptr(Json) ev = qtest_event(q, "DEVICE_DELETED");
    const Json *data = json_get(ev, "data");
    g_assert_cmpstr(json_get_str(data, "path"), ==, path);
    g_assert_cmpstr(json_get_str(data, "device"), ==, id);
    g_assert_cmpuint(json_length(data), ==, id ? 2 : 1);
}

static void test_below(void)
{
    QTest *q = qtest_start(MACHINE "-chardev null,id=c -device virtio-serial-pci,id=vs "
                                   "-device virtserialport,id=p1,chardev=c -device virtserialport "
                                   "-device virtconsole,id=p3 -device virtio-serial-pci,addr=5,id=empty");
    del(q, "vs");
    ok(q, "{'execute':'system_reset'}");
    deleted(q, "p3", "/machine/peripheral/p3");
    deleted(q, NULL, "/machine/peripheral-anon/device[0]");
    deleted(q, "p1", "/machine/peripheral/p1");
    ok(q, "{'execute':'chardev-remove','arguments':{'id':'c'}}");
    deleted(q, NULL, "/machine/peripheral/vs/virtio-backend");
    deleted(q, "vs", "/machine/peripheral/vs");
    del(q, "empty");
    ok(q, "{'execute':'system_reset'}");
    deleted(q, NULL, "/machine/peripheral/empty/virtio-backend");
    deleted(q, "empty", "/machine/peripheral/empty");
    qtest_quit(q);
}

static void test_functions(void)
{
    QTest *q = qtest_start(MACHINE "-device e1000,id=f0,addr=4.0,multifunction=on -device e1000,id=other,addr=5 "
                                   "-device e1000,id=f2,addr=4.2 -device e1000,id=f1,addr=4.1");
    del(q, "f0");
    ok(q, "{'execute':'system_reset'}");
    deleted(q, "f1", "/machine/peripheral/f1");
    deleted(q, "f2", "/machine/peripheral/f2");
    deleted(q, "f0", "/machine/peripheral/f0");
    qtest_quit(q);
}

/* The words of one monitor in the order in which they are said: the reply before the event, RESET before the event. */
static void test_order(void)
{
    static const char commands[] = "{\"execute\":\"qmp_capabilities\"}\n"
                                   "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"p\"},\"id\":\"one\"}\n"
                                   "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"e\"}}\n"
                                   "{\"execute\":\"system_reset\"}\n";
    static const char *const pairs[][2] = {{"\"one\"", "peripheral/p\""}, {"\"RESET\"", "peripheral/e\""}};
    g_autofree char *path = g_build_filename(qtest_dir(), "monitor", NULL);
    g_autoptr(GString) said = g_string_new(NULL);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    QTest *q = qtest_start(MACHINE "-device virtio-serial-pci -device virtserialport,id=p -device e1000,id=e "
                                   "-chardev socket,id=m,path=%s -mon chardev=m,mode=control",
                           path);
    int fd = accept(listener, NULL, NULL);
    g_assert_cmpint(write(fd, commands, strlen(commands)), ==, strlen(commands));
    while (!strstr(said->str, pairs[0][1]) || !strstr(said->str, pairs[1][1])) {
        char buf[4096];
        ssize_t n = read(fd, buf, sizeof(buf));
        g_assert_cmpint(n, >, 0);
        g_string_append_len(said, buf, n);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
        const char *first = strstr(said->str, pairs[i][0]);
        if (!first || first > strstr(said->str, pairs[i][1]))
            g_error("%s does not come first: %s", pairs[i][0], said->str);
    }
    qtest_quit(q);
    close(fd);
    close(listener);
}

/* What was freed only some time later would be so after a few of these. */
enum { ROUNDS = 20 };

static void test_gone(void)
{
    QTest *q = qtest_start(MACHINE "-device virtio-serial-pci,id=vs");
    for (unsigned i = 0; i < ROUNDS; i++) {
        ok(q, "{'execute':'chardev-add','arguments':{'id':'c','backend':{'type':'null','data':{}}}}");
        ok(q, "{'execute':'device_add','arguments':{'driver':'virtserialport','chardev':'c','id':'p'}}");
        del(q, "p");
        deleted(q, "p", "/machine/peripheral/p");
        ok(q, "{'execute':'chardev-remove','arguments':{'id':'c'}}");
        ok(q, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'n'}}");
        ok(q, "{'execute':'device_add','arguments':{'driver':'virtio-blk-pci','drive':'n','id':'b'}}");
        del(q, "b");
        ok(q, "{'execute':'system_reset'}");
        deleted(q, NULL, "/machine/peripheral/b/virtio-backend");
        deleted(q, "b", "/machine/peripheral/b");
        ok(q, "{'execute':'blockdev-del','arguments':{'node-name':'n'}}");
    }
    qtest_quit(q);
}

static void refused(QTest *q, const char *args)
{
    g_autofree char *why = qtest_qmp_error(q, "{'execute':'device_add','arguments':{'id':'x',%s}}", args);
    g_assert_nonnull(why);
}

static void test_failed(void)
{
    static const char *const disks[] = {
        "'driver':'virtio-blk-pci','drive':'n','addr':'1'",     /* the board's */
        "'driver':'virtio-blk-pci','drive':'n','num-queues':0", /* by its own check */
        "'driver':'virtio-blk-pci','drive':'n','logical_block_size':3072",
        "'driver':'virtio-blk-pci','drive':'n','nope':1", /* before it is tried at all */
        "'driver':'virtio-blk-pci','drive':'n','acpi-index':1,'bus':'nope'",
    };
    static const char *const ports[] = {
        "'driver':'virtserialport','chardev':'c','nr':1",
        "'driver':'virtserialport','chardev':'c','nr':700",
        "'driver':'virtserialport','chardev':'c','nope':1",
    };
    QTest *q = qtest_start(MACHINE "-device virtio-serial-pci,id=vs -device virtserialport,nr=1 "
                                   "-device e1000,addr=7");
    for (unsigned i = 0; i < ROUNDS; i++) {
        ok(q, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'n'}}");
        refused(q, disks[i % ARRAY_SIZE(disks)]);
        ok(q, "{'execute':'blockdev-del','arguments':{'node-name':'n'}}");
        ok(q, "{'execute':'chardev-add','arguments':{'id':'c','backend':{'type':'null','data':{}}}}");
        refused(q, ports[i % ARRAY_SIZE(ports)]);
        ok(q, "{'execute':'chardev-remove','arguments':{'id':'c'}}");
        ok(q, "{'execute':'netdev_add','arguments':{'type':'hubport','id':'h','hubid':1}}");
        refused(q, i & 1 ? "'driver':'e1000','netdev':'h','addr':'1'"
                         : "'driver':'virtio-net-pci','netdev':'h','addr':'7'");
        ok(q, "{'execute':'netdev_del','arguments':{'id':'h'}}");
    }
    g_assert_false(qtest_event_seen(q, "DEVICE_DELETED"));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hotplug/below", test_below);
    g_test_add_func("/hotplug/functions", test_functions);
    g_test_add_func("/hotplug/order", test_order);
    g_test_add_func("/hotplug/gone", test_gone);
    g_test_add_func("/hotplug/failed", test_failed);
    return g_test_run();
}
