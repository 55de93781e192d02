/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvpanic and pvpanic-pci: events, -action panic=, the run state after it; beside Debian's binary. */
#include "tests/qtest/libqtest.h"

#include <unistd.h>

#define PORT  0x505
#define DEVFN (4 << 3)
#define MEM   0xe0000000u
#define PCI   "-machine pc-i440fx-7.2 -nodefaults -device pvpanic-pci,addr=4 "

static void action_is(QTest *q, const char *event, const char *action)
{
    g_autoptr(Json) ev = qtest_event(q, event);
    g_assert_cmpstr(json_get_str(json_get(ev, "data"), "action"), ==, action);
}

static void status_is(QTest *q, const char *status)
{
    g_autoptr(Json) r = qtest_qmp(q, "{'execute':'query-status'}");
    g_assert_cmpstr(json_get_str(r, "status"), ==, status);
}

static void shutdown_is_panic(QTest *q)
{
    g_autoptr(Json) ev = qtest_event(q, "SHUTDOWN");
    g_assert_cmpstr(json_get_str(json_get(ev, "data"), "reason"), ==, "guest-panic");
}

static void go_on(QTest *q)
{
    json_unref(qtest_qmp(q, "{'execute':'cont'}"));
    json_unref(qtest_event(q, "RESUME"));
}

/* The guest stops, and may be looked at, or go on. */
static void test_pause(gconstpointer args)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pvpanic %s", (const char *)args);
    if (qtest_is_debian(q))
        go_on(q);
    g_assert_cmphex(qtest_inb(q, PORT), ==, 3);
    qtest_outb(q, PORT, 0xfc);
    qtest_outb(q, PORT, 0);
    qtest_outb(q, PORT, 2);
    action_is(q, "GUEST_CRASHLOADED", "run");
    status_is(q, "running");
    for (int round = 0; round < 3; round++) {
        qtest_outb(q, PORT, round ? 1 : 3); /* of both the panic counts */
        action_is(q, "GUEST_PANICKED", "pause");
        json_unref(qtest_event(q, "STOP"));
        status_is(q, "guest-panicked");
        go_on(q);
        status_is(q, "running");
    }
    qtest_quit(q);
}

static void test_poweroff(gconstpointer args)
{
    bool failure = strstr(args, "exit-failure");
    QTest *q = qtest_start("-machine pc -nodefaults -device pvpanic %s", (const char *)args);
    qtest_outb(q, PORT, 1);
    action_is(q, "GUEST_PANICKED", "poweroff");
    shutdown_is_panic(q);
    g_assert_cmpint(qtest_wait_exit(q), ==, failure);
}

static void test_none(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pvpanic -action panic=none");
    for (int i = 0; i < 3; i++) {
        qtest_outb(q, PORT, 1);
        action_is(q, "GUEST_PANICKED", "run");
    }
    status_is(q, qtest_is_debian(q) ? "prelaunch" : "running");
    /* set-action changes it */
    json_unref(qtest_qmp(q, "{'execute':'set-action','arguments':{'panic':'shutdown'}}"));
    qtest_outb(q, PORT, 1);
    action_is(q, "GUEST_PANICKED", "poweroff");
    shutdown_is_panic(q);
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
}

/* Another port and what it says it takes; fw_cfg tells the port. */
static void test_port(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pvpanic,ioport=0x600,events=1 -action panic=none");
    g_assert_cmphex(qtest_inb(q, 0x600), ==, 1);
    g_assert_cmphex(qtest_inb(q, PORT), !=, 3);
    qtest_outb(q, 0x600, 2);
    action_is(q, "GUEST_CRASHLOADED", "run");
    uint8_t data[64];
    qtest_outw(q, 0x510, 0x19); /* the directory */
    uint32_t count = 0;
    for (int i = 0; i < 4; i++)
        count = count << 8 | qtest_inb(q, 0x511);
    bool found = false;
    for (uint32_t k = 0; k < count && !found; k++) {
        for (int i = 0; i < 64; i++)
            data[i] = qtest_inb(q, 0x511);
        found = !strcmp((char *)data + 8, "etc/pvpanic-port");
    }
    g_assert_true(found);
    qtest_outw(q, 0x510, (uint16_t)(data[4] << 8 | data[5]));
    g_assert_cmphex(qtest_inb(q, 0x511), ==, 0x00);
    g_assert_cmphex(qtest_inb(q, 0x511), ==, 0x06);
    qtest_quit(q);
}

static void map(QTest *q)
{
    qtest_pci_write(q, 0, DEVFN, 0x10, 4, MEM);
    qtest_pci_write(q, 0, DEVFN, 4, 2, 2);
}

static void test_pci(void)
{
    QTest *q = qtest_start(PCI "-action panic=none");
    map(q);
    g_assert_cmphex(qtest_readb(q, MEM), ==, 3);
    g_assert_cmphex(qtest_readw(q, MEM), ==, 0x0303);
    for (unsigned off = 0; off < 2; off++) {
        qtest_writeb(q, MEM + off, 1);
        action_is(q, "GUEST_PANICKED", "run");
        qtest_writeb(q, MEM + off, 2);
        action_is(q, "GUEST_CRASHLOADED", "run");
    }
    qtest_writew(q, MEM, 0x0201);
    action_is(q, "GUEST_PANICKED", "run");
    action_is(q, "GUEST_CRASHLOADED", "run");
    qtest_quit(q);
}

static void test_beside_debian(void)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip(DEBIAN_BINARY " is not installed");
        return;
    }
    QTest *q[2] = {qtest_start(PCI), qtest_start_binary(DEBIAN_BINARY, PCI)};
    for (unsigned off = 0; off < 64; off += 4)
        g_assert_cmphex(off << 16 | (uint16_t)qtest_pci_read(q[0], 0, DEVFN, off, 4), ==,
                        off << 16 | (uint16_t)qtest_pci_read(q[1], 0, DEVFN, off, 4));
    uint32_t size[2];
    for (int k = 0; k < 2; k++) {
        qtest_pci_write(q[k], 0, DEVFN, 0x10, 4, 0xffffffff);
        size[k] = qtest_pci_read(q[k], 0, DEVFN, 0x10, 4);
        map(q[k]);
    }
    g_assert_cmphex(size[0], ==, size[1]);
    for (unsigned off = 0; off < 2; off++)
        g_assert_cmphex(qtest_readb(q[0], MEM + off), ==, qtest_readb(q[1], MEM + off));
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/pvpanic/pause", "-action panic=pause", test_pause);
    g_test_add_data_func("/pvpanic/no-shutdown", "-no-shutdown", test_pause);
    g_test_add_data_func("/pvpanic/shutdown", "", test_poweroff);
    g_test_add_data_func("/pvpanic/exit-failure", "-action panic=exit-failure", test_poweroff);
    g_test_add_func("/pvpanic/none", test_none);
    g_test_add_func("/pvpanic/port", test_port);
    g_test_add_func("/pvpanic/pci", test_pci);
    g_test_add_func("/pvpanic/beside-debian", test_beside_debian);
    return g_test_run();
}
