/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol itself, on a machine with nothing but memory. */
#include "tests/qtest/libqtest.h"

#include <unistd.h>

static void fails(QTest *q, const char *line)
{
    g_autofree char *answer = qtest_command(q, "%s", line);
    if (!g_str_has_prefix(answer, "FAIL "))
        g_error("'%s' was answered by '%s'", line, answer);
}

static void answers(QTest *q, const char *line, const char *want)
{
    g_autofree char *got = qtest_command(q, "%s", line);
    g_assert_cmpstr(got, ==, want);
}

/* QEMU takes memory accesses only where there is a CPU. */
static const char *with_memory(void)
{
    return strcmp(qtest_binary(), DEBIAN_BINARY) ? "-machine none -m 4" : "-machine pc -m 4";
}

static void test_memory(void)
{
    QTest *q = qtest_start("%s", with_memory());
    answers(q, "endianness", "OK little");
    answers(q, "writeb 0x1000 0x12", "OK");
    answers(q, "writew 0x1001 0x3456", "OK");
    answers(q, "writel 0x1003 0x9abcdef0", "OK");
    answers(q, "writeq 0x1008 0x0123456789abcdef", "OK");
    answers(q, "readb 0x1000", "OK 0x0000000000000012");
    answers(q, "readw 0x1001", "OK 0x0000000000003456");
    answers(q, "readl 0x1003", "OK 0x000000009abcdef0");
    answers(q, "readq 0x1008", "OK 0x0123456789abcdef");
    answers(q, "read 0x1000 0x10", "OK 0x125634f0debc9a00efcdab8967452301");
    answers(q, "read 4096 2", "OK 0x1256");
    answers(q, "b64read 0x1000 3", "OK ElY0");
    answers(q, "b64write 0x1000 3 AAEC", "OK");
    answers(q, "read 0x1000 4", "OK 0x000102f0");
    answers(q, "write 0x1000 4 0x0a0b", "OK"); /* short data: zeroes follow */
    answers(q, "read 0x1000 4", "OK 0x0a0b0000");
    answers(q, "memset 0x1000 3 0x5a", "OK");
    answers(q, "read 0x1000 4", "OK 0x5a5a5a00");
    answers(q, "memset 0x1000 0 0xff", "OK");
    answers(q, "writeb 0x1000 0x1ff", "OK"); /* a value is cut to its size */
    answers(q, "readw 0x1000", "OK 0x0000000000005aff");
    uint8_t a[3000], b[3000];
    for (unsigned i = 0; i < sizeof(a); i++)
        a[i] = (uint8_t)(i * 7);
    qtest_memwrite(q, 0x2ff1, a, sizeof(a));
    qtest_memread(q, 0x2ff1, b, sizeof(b));
    g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
    answers(q, "readb 0x3fffff", "OK 0x0000000000000000");
    qtest_quit(q);
}

static void test_bad(void)
{
    QTest *q = qtest_start("%s", with_memory());
    fails(q, "nonsense");
    if (qtest_is_debian(q)) { /* it asserts on the rest */
        qtest_quit(q);
        return;
    }
    static const char *const bad[] = {
        "",
        " ",
        "inb",
        "inb 1 2",
        "inb x",
        "inb 0x10000",
        "outb 1",
        "outl 0x10000 0",
        "readb 0x",
        "readb 0x10000000000000000",
        "write 0 2",
        "write 0 2 00",
        "write 0 2 0xg0",
        "write 0 2 0x0",
        "read 0 0",
        "read 0 0x10000000000",
        "write 0 0x7fffffffffffffff 0x00",
        "b64read 0 0",
        "memset 0 0xffffffffffffffff 0",
        "clock_step x",
        "clock_step -1",
        "clock_set",
        "clock_step 0x7fffffffffffffff 1",
        "irq_intercept_in",
        "irq_intercept_in nobody",
        "irq_intercept_out nobody",
        "set_irq_in nobody x 0 1",
        "set_irq_in a b c",
        "endianness 1",
        "module_load a b",
        "INB 1",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        fails(q, bad[i]);
    answers(q, "inb 0x80", "OK 0x00ff"); /* nobody there */
    answers(q, "inw 0xffff", "OK 0xffff");
    answers(q, "readq 0x8000000000000000", "OK 0xffffffffffffffff");
    answers(q, "outb 0x80 1", "OK");
    answers(q, "  readb   0x10 ", "OK 0x0000000000000000");
    answers(q, "endianness\r", "OK little");
    qtest_quit(q);
}

static void test_clock(void)
{
    QTest *q = qtest_start("-machine none");
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("this binary's clock cannot be stepped");
        return;
    }
    answers(q, "clock_step 1000", "OK 1000");
    g_assert_cmpint(qtest_clock_step(q, 5), ==, 1005);
    g_assert_cmpint(qtest_clock_set(q, 2000), ==, 2000);
    g_assert_cmpint(qtest_clock_set(q, 10), ==, 2000);   /* never back */
    g_assert_cmpint(qtest_clock_step_next(q), ==, 2000); /* no timer */
    fails(q, "clock_step 0x7fffffffffffffff");
    qtest_quit(q);
}

/* Output lines, unnamed and by name; what they reach is still reached. */
static void test_intercept_out(void)
{
    QTest *q = qtest_start("-machine pc -m 4 -nodefaults");
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("interrupt lines cannot be intercepted here");
        return;
    }
    fails(q, "irq_intercept_out ioapic"); /* has inputs alone */
    fails(q, "irq_intercept_out port92"); /* its line has a name */
    fails(q, "irq_intercept_out port92 a21");
    answers(q, "irq_intercept_out port92 a20", "OK");
    answers(q, "irq_intercept_out port92 a20", "OK");
    fails(q, "irq_intercept_out i8042 a20"); /* one device */
    fails(q, "irq_intercept_in ioapic");
    qtest_outb(q, 0x92, 2);
    g_assert_true(qtest_irq(q, 0));
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 1);
    qtest_outb(q, 0x92, 0);
    g_assert_false(qtest_irq(q, 0));
    g_autofree char *regs = qtest_hmp(q, "info registers");
    g_assert_nonnull(strstr(regs, "A20=0"));
    qtest_quit(q);

    /* The PIC's INT: raised by an input, lowered by its acknowledgement (a poll). */
    q = qtest_start("-machine pc -m 4 -nodefaults");
    answers(q, "irq_intercept_out isa-i8259", "OK");
    static const uint8_t init[][2] = {{0x20, 0x11}, {0x21, 8}, {0x21, 4}, {0x21, 1}, {0x21, 0xfd}};
    for (unsigned i = 0; i < G_N_ELEMENTS(init); i++)
        qtest_outb(q, init[i][0], init[i][1]);
    qtest_set_irq_in(q, "isa-i8259", 3, 1); /* masked */
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 0);
    qtest_set_irq_in(q, "isa-i8259", 1, 1);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 1);
    qtest_outb(q, 0x20, 0x0c);
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 0x81);
    g_assert_false(qtest_irq(q, 0));
    qtest_quit(q);

    /* A timer's, as the clock steps: the PIT counts 1193182 times a second. */
    q = qtest_start("-machine pc -m 4 -nodefaults");
    answers(q, "irq_intercept_out isa-pit", "OK");
    qtest_outb(q, 0x43, 0x34);
    qtest_outb(q, 0x40, 0xa9); /* 1193: a millisecond */
    qtest_outb(q, 0x40, 0x04);
    unsigned before = qtest_irq_raises(q, 0);
    for (unsigned i = 0; i < 10; i++)
        qtest_clock_step(q, 1000000);
    g_assert_cmpuint(qtest_irq_raises(q, 0) - before, >=, 9);
    g_assert_cmpuint(qtest_irq_raises(q, 0) - before, <=, 11);
    qtest_quit(q);
}

static void test_qmp(void)
{
    QTest *q = qtest_start("-machine none");
    g_autoptr(Json) status = qtest_qmp(q, "{\"execute\": \"query-status\"}");
    g_assert_nonnull(json_get_str(status, "status"));
    g_autofree char *desc = qtest_qmp_error(q, "{\"execute\": \"no-such-command\"}");
    g_assert_cmpstr(desc, ==, "The command no-such-command has not been found");
    g_assert_false(qtest_event_seen(q, "SHUTDOWN"));
    json_unref(qtest_qmp(q, "{\"execute\": \"quit\"}"));
    g_autoptr(Json) ev = qtest_event(q, "SHUTDOWN");
    g_assert_cmpstr(json_get_str(json_get(ev, "data"), "reason"), ==, "host-qmp-quit");
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
}

/* The server beside another accelerator: the machine is there, its clock is not ours to move. */
static void test_beside_kvm(void)
{
    if (access("/dev/kvm", R_OK | W_OK)) {
        g_test_skip("/dev/kvm cannot be used here");
        return;
    }
    QTest *q = qtest_start("-accel kvm -S -machine pc -m 16 -nodefaults");
    qtest_memwrite(q, 0x1000, "beside", 6);
    char got[6];
    qtest_memread(q, 0x1000, got, 6);
    g_assert_cmpmem(got, 6, "beside", 6);
    qtest_outb(q, 0x70, 0x8f);
    g_assert_cmphex(qtest_readl(q, 0xfffffff0) & 0xff, ==, 0xea); /* the firmware's first jump */
    if (!qtest_is_debian(q))
        fails(q, "clock_step 1");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/protocol/memory", test_memory);
    g_test_add_func("/protocol/bad", test_bad);
    g_test_add_func("/protocol/clock", test_clock);
    g_test_add_func("/protocol/intercept-out", test_intercept_out);
    g_test_add_func("/protocol/qmp", test_qmp);
    g_test_add_func("/protocol/beside-kvm", test_beside_kvm);
    return g_test_run();
}
