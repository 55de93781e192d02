/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvpanic and pvpanic-pci: events and their rate, -action panic=, the run state after it; beside Debian's binary. */
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

/* The event of a guest that goes on. The next comes at once where a second has passed. */
static void went_on(QTest *q, const char *event)
{
    action_is(q, event, "run");
    if (qtest_has_clock(q))
        qtest_clock_step(q, NS_PER_SEC + NS_PER_MS);
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
    went_on(q, "GUEST_CRASHLOADED");
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
        went_on(q, "GUEST_PANICKED");
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
    went_on(q, "GUEST_CRASHLOADED");
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
        went_on(q, "GUEST_PANICKED");
        qtest_writeb(q, MEM + off, 2);
        went_on(q, "GUEST_CRASHLOADED");
    }
    qtest_writew(q, MEM, 0x0201);
    went_on(q, "GUEST_PANICKED");
    went_on(q, "GUEST_CRASHLOADED");
    qtest_quit(q);
}

/* A guest that goes on is told of once a second, however often it writes; of those between the last counts, a key for
 * each of the two. */
static void test_rate(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pvpanic -action panic=none");
    if (!qtest_has_clock(q)) {
        g_test_skip("needs the virtual clock");
        qtest_quit(q);
        return;
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            qtest_outb(q, PORT, 1);
            qtest_outb(q, PORT, 2);
        }
        if (!round) { /* at once; later when the second has passed */
            action_is(q, "GUEST_PANICKED", "run");
            action_is(q, "GUEST_CRASHLOADED", "run");
        }
        status_is(q, "running"); /* what came before it has been read then */
        g_assert_false(qtest_event_seen(q, "GUEST_PANICKED"));
        g_assert_false(qtest_event_seen(q, "GUEST_CRASHLOADED"));
        qtest_clock_step(q, NS_PER_SEC + NS_PER_MS);
        action_is(q, "GUEST_PANICKED", "run");
        action_is(q, "GUEST_CRASHLOADED", "run");
    }
    /* One that ends it is told of at once, behind what waited. */
    qtest_outb(q, PORT, 1);
    qtest_outb(q, PORT, 2);
    json_unref(qtest_qmp(q, "{'execute':'set-action','arguments':{'panic':'pause'}}"));
    g_assert_false(qtest_event_seen(q, "GUEST_PANICKED"));
    qtest_outb(q, PORT, 1);
    action_is(q, "GUEST_PANICKED", "run");
    action_is(q, "GUEST_PANICKED", "pause");
    json_unref(qtest_event(q, "STOP"));
    status_is(q, "guest-panicked");
    g_assert_false(qtest_event_seen(q, "GUEST_CRASHLOADED")); /* which waits on, as does another thing's */
    go_on(q);
    qtest_clock_step(q, 2 * (NS_PER_SEC + NS_PER_MS));
    action_is(q, "GUEST_CRASHLOADED", "run");
    status_is(q, "running");
    g_assert_false(qtest_event_seen(q, "GUEST_PANICKED"));
    qtest_quit(q);
}

/* A guest that does nothing else: the monitor answers, and hears of it once a second. */
static void test_flood(void)
{
    static const uint8_t code[] = {0xba, 0x05, 0x05, 0xb0, 0x01, 0xee, 0xeb, 0xfd}; /* mov 505h, %dx; mov 1, %al; out */
    static const uint8_t vector[] = {0xea, 0, 0, 0, 0xf0};
    if (access(DEBIAN_BINARY, F_OK) == 0 && !strcmp(qtest_binary(), DEBIAN_BINARY)) {
        g_test_skip("Debian's tells each time");
        return;
    }
    g_autofree char *path = g_build_filename(qtest_dir(), "flood.bin", NULL);
    g_autofree uint8_t *rom = g_malloc0(64 * KIB);
    memcpy(rom, code, sizeof(code));
    memcpy(rom + 0xfff0, vector, sizeof(vector));
    g_assert_true(g_file_set_contents(path, (const char *)rom, 64 * KIB, NULL));
    QTest *q =
        qtest_start("-machine pc -nodefaults -m 16 -accel tcg -bios %s -device pvpanic -action panic=none", path);
    int64_t times[3];
    for (int i = 0; i < 3; i++) {
        g_autoptr(Json) ev = qtest_event(q, "GUEST_PANICKED");
        int64_t us;
        g_assert_true(json_get_int(json_get(json_get(ev, "timestamp"), "seconds"), &times[i]));
        g_assert_true(json_get_int(json_get(json_get(ev, "timestamp"), "microseconds"), &us));
        times[i] = times[i] * G_USEC_PER_SEC + us;
        status_is(q, "running");
    }
    /* The first at once, the second when a second has passed, as is the third: each the newest then. */
    g_assert_cmpint(times[2] - times[1], >, G_USEC_PER_SEC / 2);
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
    g_test_add_func("/pvpanic/rate", test_rate);
    g_test_add_func("/pvpanic/flood", test_flood);
    g_test_add_func("/pvpanic/beside-debian", test_beside_debian);
    return g_test_run();
}
