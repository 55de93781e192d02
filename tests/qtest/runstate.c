/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run state: which events come in which order when the machine ends, is kept (-no-shutdown), is suspended to RAM,
 * woken and reset, and what it is afterwards. The same holds for Debian's binary but where a test says so.
 */
#include "tests/qtest/libqtest-internal.h"

#include <signal.h>

#define PM_BASE 0x600
#define PANIC   0x505
#define COUNT   0x500 /* where the guest counts */
#define S3      0x2400
#define S5      0x2000

static void set_up_pm(QTest *q)
{
    qtest_pci_write(q, 0, 1 << 3 | 3, 0x40, 4, PM_BASE | 1);
    qtest_pci_write(q, 0, 1 << 3 | 3, 0x80, 1, 1);
}

static void goes_on(QTest *q)
{
    for (uint32_t was = qtest_readl(q, COUNT); qtest_readl(q, COUNT) == was;)
        g_usleep(1000);
}

static void stands_still(QTest *q)
{
    uint32_t was = qtest_readl(q, COUNT);
    g_usleep(20000);
    g_assert_cmphex(qtest_readl(q, COUNT), ==, was);
}

static void clock_goes_on(QTest *q)
{
    for (uint32_t was = qtest_inl(q, PM_BASE + 8); qtest_inl(q, PM_BASE + 8) == was;)
        g_usleep(1000);
}

static void clock_stands_still(QTest *q)
{
    uint32_t was = qtest_inl(q, PM_BASE + 8);
    g_usleep(5000);
    g_assert_cmphex(qtest_inl(q, PM_BASE + 8), ==, was);
}

/* A guest that counts and does nothing else. */
static QTest *start(const char *args)
{
    static const uint8_t code[] = {0x66, 0xff, 0x06, COUNT & 0xff, COUNT >> 8, 0xeb, 0xf9}; /* incl COUNT; jmp */
    static const uint8_t vector[] = {0xea, 0, 0, 0, 0xf0};
    g_autofree char *path = g_build_filename(qtest_dir(), "count.bin", NULL);
    g_autofree uint8_t *rom = g_malloc0(64 * KIB);
    memcpy(rom, code, sizeof(code));
    memcpy(rom + 0xfff0, vector, sizeof(vector));
    g_assert_true(g_file_set_contents(path, (const char *)rom, 64 * KIB, NULL));
    QTest *q = qtest_start("-machine pc -nodefaults -m 16 -accel tcg -bios %s -device pvpanic %s", path, args);
    set_up_pm(q);
    if (!strstr(args, "-S"))
        goes_on(q);
    return q;
}

/* These events, in this order; none before them that is not named. */
static void events_are(QTest *q, const char *names)
{
    g_auto(GStrv) list = g_strsplit(names, " ", 0);
    for (char **name = list; *name; name++) {
        g_autoptr(Json) ev = qtest_event_any(q);
        g_assert_cmpstr(ev ? json_get_str(ev, "event") : "the end", ==, *name);
    }
}

static void ends_with(QTest *q, const char *names)
{
    events_are(q, names);
    g_autoptr(Json) ev = qtest_event_any(q);
    g_assert_cmpstr(ev ? json_get_str(ev, "event") : NULL, ==, NULL);
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
}

static void status_is(QTest *q, const char *status)
{
    g_autoptr(Json) r = qtest_qmp(q, "{'execute':'query-status'}");
    g_assert_cmpstr(json_get_str(r, "status"), ==, status);
}

static void command(QTest *q, const char *name)
{
    json_unref(qtest_qmp(q, "{'execute':'%s'}", name));
}

/* Nobody hears STOP of a machine that ends. */
static void test_end(void)
{
    QTest *q = start("");
    qtest_outw(q, PM_BASE + 4, S5);
    ends_with(q, "SHUTDOWN");
    q = start("-no-shutdown");
    command(q, "quit");
    ends_with(q, "SHUTDOWN");
    q = start("-no-shutdown");
    kill(qtest_pid(q), SIGTERM);
    ends_with(q, "SHUTDOWN");
    q = start("");
    command(q, "stop");
    command(q, "quit");
    ends_with(q, "STOP SHUTDOWN");
    q = start("");
    qtest_outb(q, PANIC, 1);
    ends_with(q, "GUEST_PANICKED STOP SHUTDOWN");
}

/* libvirt takes a STOP that comes after SHUTDOWN for a part of it. */
static void test_kept(void)
{
    QTest *q = start("-no-shutdown");
    qtest_outw(q, PM_BASE + 4, S5);
    events_are(q, "SHUTDOWN STOP");
    status_is(q, "shutdown");
    stands_still(q);
    g_autofree char *err = qtest_qmp_error(q, "{'execute':'cont'}");
    g_assert_cmpstr(err, ==, "Resetting the Virtual Machine is required");
    command(q, "system_reset");
    events_are(q, "RESET");
    status_is(q, "prelaunch");
    command(q, "cont");
    events_are(q, "RESUME");
    goes_on(q);
    command(q, "quit");
    ends_with(q, "SHUTDOWN");
    q = start("-no-shutdown -action panic=exit-failure");
    qtest_outb(q, PANIC, 1);
    events_are(q, "GUEST_PANICKED STOP SHUTDOWN");
    status_is(q, "guest-panicked");
    qtest_quit(q);
}

/* A machine that does not run stays in its state. */
static void test_kept_stopped(void)
{
    QTest *q = start("-no-shutdown -no-reboot -S");
    command(q, "system_reset");
    events_are(q, "SHUTDOWN");
    status_is(q, "prelaunch");
    command(q, "cont");
    events_are(q, "RESUME");
    goes_on(q);
    command(q, "stop");
    events_are(q, "STOP");
    command(q, "system_reset");
    events_are(q, "SHUTDOWN");
    status_is(q, "paused");
    command(q, "cont");
    events_are(q, "RESUME");
    goes_on(q);
    qtest_outw(q, PM_BASE + 4, S3);
    events_are(q, "SUSPEND");
    qtest_outw(q, PM_BASE + 4, S5);
    events_are(q, "SHUTDOWN");
    status_is(q, "suspended");
    command(q, "system_wakeup");
    events_are(q, "WAKEUP");
    goes_on(q);
    qtest_quit(q);
}

static void test_suspend(void)
{
    QTest *q = start("");
    g_autofree char *awake = qtest_qmp_error(q, "{'execute':'system_wakeup'}");
    g_assert_cmpstr(awake, ==, "Unable to wake up: guest is not in suspended state");
    qtest_outw(q, PM_BASE + 4, S3);
    events_are(q, "SUSPEND");
    qtest_outb(q, 0x70, 0x8f);
    g_assert_cmphex(qtest_inb(q, 0x71), ==, 0xfe); /* the firmware shall resume */
    for (int i = 0; i < 3; i++) {                  /* as it is, and neither stop nor cont change that */
        status_is(q, "suspended");
        stands_still(q);
        clock_goes_on(q);
        command(q, i ? "cont" : "stop");
    }
    qtest_outb(q, PANIC, 2);
    events_are(q, "GUEST_CRASHLOADED"); /* nothing before it */
    command(q, "system_wakeup");
    events_are(q, "WAKEUP");
    status_is(q, "running");
    goes_on(q);
    set_up_pm(q);
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 0x8100, ==, 0x8100);
    clock_goes_on(q);
    command(q, "stop");
    events_are(q, "STOP");
    stands_still(q);
    qtest_quit(q);
}

/* One that is stopped is suspended when it runs again, unless it is reset. Debian's dies of it. */
static void test_suspend_stopped(void)
{
    QTest *q = start("-action panic=pause");
    if (qtest_is_debian(q)) {
        g_test_skip("Debian's dies of it");
        qtest_quit(q);
        return;
    }
    command(q, "stop");
    events_are(q, "STOP");
    qtest_outw(q, PM_BASE + 4, S3);
    status_is(q, "paused");
    stands_still(q);
    clock_stands_still(q);
    command(q, "cont");
    events_are(q, "RESUME SUSPEND");
    command(q, "system_wakeup");
    events_are(q, "WAKEUP");
    goes_on(q);
    set_up_pm(q);
    clock_goes_on(q);
    /* Both in one turn of the main loop. */
    qtest_send(q, "outb 0x505 1\noutw 0x604 0x2400");
    for (int i = 0; i < 2; i++)
        g_free(qtest_receive(q, "out"));
    events_are(q, "GUEST_PANICKED STOP");
    status_is(q, "guest-panicked");
    command(q, "cont");
    events_are(q, "RESUME SUSPEND");
    command(q, "system_wakeup");
    events_are(q, "WAKEUP");
    command(q, "stop");
    events_are(q, "STOP");
    set_up_pm(q);
    qtest_outw(q, PM_BASE + 4, S3);
    command(q, "system_reset");
    events_are(q, "RESET");
    command(q, "cont");
    events_are(q, "RESUME");
    goes_on(q);
    command(q, "stop");
    events_are(q, "STOP");
    qtest_quit(q);
}

/* What was reset while it did not run has not been launched. */
static void test_reset(void)
{
    static const struct {
        const char *events;
        uint16_t port, val; /* port 0: QMP's stop */
        unsigned size;
    } cases[] = {{"STOP", 0, 0, 0}, {"GUEST_PANICKED STOP", PANIC, 1, 1}, {"SUSPEND", PM_BASE + 4, S3, 2}};
    QTest *q = start("-action panic=pause");
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].port)
            qtest_out(q, cases[i].port, cases[i].size, cases[i].val);
        else
            command(q, "stop");
        events_are(q, cases[i].events);
        for (int again = 0; again < 2; again++) {
            command(q, "system_reset");
            events_are(q, "RESET");
            status_is(q, "prelaunch");
        }
        set_up_pm(q);
        stands_still(q);
        if (!qtest_is_debian(q) || strcmp(cases[i].events, "SUSPEND")) /* whose clock goes on then */
            clock_stands_still(q);
        command(q, "cont");
        events_are(q, "RESUME");
        goes_on(q);
        command(q, "system_reset");
        events_are(q, "RESET");
        status_is(q, "running");
        set_up_pm(q);
    }
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runstate/end", test_end);
    g_test_add_func("/runstate/kept", test_kept);
    g_test_add_func("/runstate/kept-stopped", test_kept_stopped);
    g_test_add_func("/runstate/suspend", test_suspend);
    g_test_add_func("/runstate/suspend-stopped", test_suspend_stopped);
    g_test_add_func("/runstate/reset", test_reset);
    return g_test_run();
}
