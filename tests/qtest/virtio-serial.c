/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial-pci with virtconsole and virtserialport: control messages, both directions, a peer that does not read,
 * hot plug, errors (the same words as Debian's). */
#include "tests/qtest/libvirtio.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEVFN     (3 << 3)
#define MACHINE   "-machine pc-i440fx-7.2 -nodefaults "
#define MULTIPORT BIT64(1)
enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };
enum { BIG = 1 << 20 };

typedef struct Rig {
    QTest *q;
    VDev *d;
    VQueue *in, *out, *control_in, *control_out;
    uint64_t messages; /* 16 buffers of 64 bytes */
    uint64_t next;
    int peer;
} Rig;

static void rig_open(Rig *r, const char *device)
{
    g_autofree char *path = g_build_filename(qtest_dir(), "port", NULL);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
    unlink(path);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    r->q = qtest_start(MACHINE
                       "-device virtio-serial-pci,addr=3,id=vs -chardev socket,id=c,path=%s -device %s,chardev=c,id=p",
                       path, device);
    r->peer = accept(listener, NULL, NULL);
    g_assert_cmpint(r->peer, >=, 0);
    close(listener);
    r->d = vdev_open(r->q, DEVFN, false);
    vdev_negotiate(r->d, VF_VERSION_1 | MULTIPORT);
    bool console = g_str_has_prefix(device, "virtconsole");
    r->in = vqueue_new(r->d, console ? 0 : 4);
    r->out = vqueue_new(r->d, console ? 1 : 5);
    r->control_in = vqueue_new(r->d, 2);
    r->control_out = vqueue_new(r->d, 3);
    vdev_driver_ok(r->d);
    r->messages = vdev_alloc(r->d, 16 * 64, 16);
    r->next = r->messages;
    for (unsigned i = 0; i < 16; i++)
        vqueue_add(r->control_in, &(VPart){r->messages + 64 * i, 64, true}, 1);
    vqueue_kick(r->control_in);
}

static void rig_close(Rig *r)
{
    vqueue_free(r->in);
    vqueue_free(r->out);
    vqueue_free(r->control_in);
    vqueue_free(r->control_out);
    vdev_free(r->d);
    qtest_quit(r->q);
    close(r->peer);
}

static void say(Rig *r, uint32_t port, uint16_t event, uint16_t value)
{
    uint64_t buf = vdev_alloc(r->d, 8, 8);
    qtest_writel(r->q, buf, port);
    qtest_writew(r->q, buf + 4, event);
    qtest_writew(r->q, buf + 6, value);
    vqueue_add(r->control_out, &(VPart){buf, 8, false}, 1);
    vqueue_kick(r->control_out);
    vqueue_wait(r->control_out, NULL);
}

static void hear(Rig *r, uint32_t port, uint16_t event, uint16_t value, const char *text)
{
    char got[64] = "";
    uint32_t len = vqueue_wait(r->control_in, NULL);
    g_assert_cmpuint(len, ==, 8 + (text ? strlen(text) + 1 : 0));
    g_assert_cmpuint(qtest_readl(r->q, r->next), ==, port);
    g_assert_cmpuint(qtest_readw(r->q, r->next + 4), ==, event);
    g_assert_cmpuint(qtest_readw(r->q, r->next + 6), ==, value);
    qtest_memread(r->q, r->next + 8, got, len - 8);
    if (text)
        g_assert_cmpstr(got, ==, text);
    r->next += 64;
}

static void data_both_ways(Rig *r)
{
    char got[64] = "";
    uint64_t buf = vdev_alloc(r->d, BIG + 64, 16);
    qtest_memwrite(r->q, buf, "from the guest", 14);
    vqueue_add(r->out, (VPart[]){{buf, 5, false}, {buf + 5, 9, false}}, 2);
    vqueue_kick(r->out);
    vqueue_wait(r->out, NULL);
    g_assert_cmpint(recv(r->peer, got, 14, MSG_WAITALL), ==, 14);
    g_assert_cmpstr(got, ==, "from the guest");
    g_assert_cmpint(send(r->peer, "from the host", 13, 0), ==, 13); /* before there is a buffer: it waits */
    vqueue_add(r->in, &(VPart){buf + 32, 8, true}, 1);
    vqueue_add(r->in, &(VPart){buf + 40, 8, true}, 1);
    vqueue_kick(r->in);
    uint32_t n = vqueue_wait(r->in, NULL);
    while (n < 13)
        n += vqueue_wait(r->in, NULL);
    qtest_memread(r->q, buf + 32, got, 13);
    g_assert_cmpint(memcmp(got, "from the host", 13), ==, 0);
    /* A peer that does not read: the buffer stays with the device until it does. */
    qtest_memset(r->q, buf, 'x', BIG);
    vqueue_add(r->out, &(VPart){buf, BIG, false}, 1);
    vqueue_kick(r->out);
    g_usleep(20000);
    g_assert_false(vqueue_used(r->out, NULL, NULL));
    g_autofree char *all = g_malloc(BIG);
    g_assert_cmpint(recv(r->peer, all, BIG, MSG_WAITALL), ==, BIG);
    vqueue_wait(r->out, NULL);
    for (unsigned i = 0; i < BIG; i++)
        g_assert_cmpint(all[i], ==, 'x');
}

static bool skipped(void)
{
    if (strcmp(qtest_binary(), DEBIAN_BINARY))
        return false;
    g_test_skip("the VM does not run there");
    return true;
}

static void test_port(void)
{
    Rig r = {0};
    if (skipped())
        return;
    rig_open(&r, "virtserialport,name=org.test.0");
    g_assert_cmpuint(vdev_config(r.d, 4, 4), ==, 31);
    say(&r, 0, READY, 1);
    hear(&r, 1, ADD, 1, NULL);
    say(&r, 1, PORT_READY, 1);
    hear(&r, 1, NAME, 1, "org.test.0");
    hear(&r, 1, OPEN, 1, NULL);
    say(&r, 1, OPEN, 1);
    g_autoptr(Json) ev = qtest_event(r.q, "VSERPORT_CHANGE");
    g_assert_cmpstr(json_get_str(json_get(ev, "data"), "id"), ==, "p");
    say(&r, 77, OPEN, 1); /* nonsense is passed over */
    say(&r, 1, 99, 1);
    data_both_ways(&r);
    json_unref(qtest_qmp(r.q, "{'execute':'device_add','arguments':{'driver':'virtserialport','id':'h','nr':7}}"));
    hear(&r, 7, ADD, 1, NULL);
    json_unref(qtest_qmp(r.q, "{'execute':'device_del','arguments':{'id':'h'}}"));
    hear(&r, 7, REMOVE, 1, NULL);
    uint64_t more = vdev_alloc(r.d, 64, 16); /* the end of a peer is read as data is: with room for it */
    vqueue_add(r.in, &(VPart){more, 64, true}, 1);
    vqueue_kick(r.in);
    shutdown(r.peer, SHUT_RDWR);
    hear(&r, 1, OPEN, 0, NULL);
    /* Nobody listens: data is dropped, not kept. */
    uint64_t buf = vdev_alloc(r.d, 64, 16);
    vqueue_add(r.out, &(VPart){buf, 64, false}, 1);
    vqueue_kick(r.out);
    vqueue_wait(r.out, NULL);
    rig_close(&r);
}

static void test_console(void)
{
    Rig r = {0};
    if (skipped())
        return;
    rig_open(&r, "virtconsole");
    say(&r, 0, READY, 1);
    hear(&r, 0, ADD, 1, NULL);
    say(&r, 0, PORT_READY, 1);
    hear(&r, 0, CONSOLE, 1, NULL);
    hear(&r, 0, OPEN, 1, NULL);
    say(&r, 0, OPEN, 1);
    data_both_ways(&r);
    char c = 0;
    vdev_set_config(r.d, 8, 4, 'E'); /* emergency write */
    g_assert_cmpint(recv(r.peer, &c, 1, 0), ==, 1);
    g_assert_cmpint(c, ==, 'E');
    g_assert_cmpuint(vdev_config(r.d, 8, 4), ==, 0);
    rig_close(&r);
}

/* A buffer that the peer has half of when the guest resets the device, and when the device goes. */
static void test_leave(void)
{
    if (skipped())
        return;
    for (unsigned round = 0; round < 2; round++) {
        Rig r = {0};
        rig_open(&r, "virtconsole");
        uint64_t buf = vdev_alloc(r.d, BIG, 16);
        vqueue_add(r.out, &(VPart){buf, BIG, false}, 1);
        vqueue_kick(r.out);
        if (round) {
            json_unref(qtest_qmp(r.q, "{'execute':'device_del','arguments':{'id':'p'}}"));
            json_unref(qtest_event(r.q, "DEVICE_DELETED"));
        } else {
            vdev_set_status(r.d, 0);
            json_unref(qtest_qmp(r.q, "{'execute':'query-status'}"));
        }
        rig_close(&r);
    }
}

static void refused(QTest *q, const char *args, const char *why)
{
    g_autofree char *got = qtest_qmp_error(q, "{'execute':'device_add','arguments':{%s}}", args);
    g_assert_cmpstr(got, ==, why);
}

static void test_errors(void)
{
    QTest *q = qtest_start(MACHINE "-device virtio-serial-pci,id=vs,max_ports=3 -device virtserialport,nr=1,name=n");
    refused(q, "'driver':'virtserialport','nr':0",
            "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility.");
    refused(q, "'driver':'virtserialport','nr':1", "virtio-serial-bus: A port already exists at id 1");
    refused(q, "'driver':'virtserialport','name':'n'", "virtio-serial-bus: A port already exists by name n");
    refused(q, "'driver':'virtserialport','nr':3",
            "virtio-serial-bus: Out-of-range port id specified, max. allowed: 2");
    json_unref(qtest_qmp(q, "{'execute':'device_add','arguments':{'driver':'virtserialport','bus':'vs.0'}}"));
    refused(q, "'driver':'virtserialport'", "virtio-serial-bus: Out-of-range port id specified, max. allowed: 2");
    refused(q, "'driver':'virtio-serial-pci','max_ports':0", "Maximum number of serial ports not specified");
    refused(q, "'driver':'virtio-serial-pci','max_ports':512", "maximum ports supported: 511");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtserialport", test_port);
    g_test_add_func("/virtconsole", test_console);
    g_test_add_func("/virtio-serial-pci/leave", test_leave);
    g_test_add_func("/virtio-serial-pci/errors", test_errors);
    return g_test_run();
}
