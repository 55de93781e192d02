/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254 and port 61h: registers beside Debian's binary, modes and their times. */
#include "tests/qtest/libqtest.h"

enum { C0 = 0x40, C2 = 0x42, CTL = 0x43, PORT61 = 0x61 };
#define HZ 1193182LL

/* The first ns at which n clocks have passed. */
static int64_t clocks(int64_t n)
{
    return (n * NS_PER_SEC + HZ - 1) / HZ;
}

static bool no_mode_6_7(WalkStep *s, GRand *rand)
{
    if (s->write && s->addr == CTL && s->size == 1 && s->val < 0xc0 && (s->val & 0x0c) == 0x0c)
        s->val &= ~8ULL; /* 2 and 3, as in the data sheet; QEMU 7.2 counts them like mode 0 */
    return true;
}

static void test_walk(void)
{
    static const WalkRegion regions[] = {{.base = C0, .count = 4, .weight = 4},
                                         {.base = CTL, .count = 1, .weight = 2},
                                         {.base = PORT61, .count = 1},
                                         {}};
    qtest_walk(
        &(const Walk){.args = "-machine pc -nodefaults", .regions = regions, .filter = no_mode_6_7, .seed = 8254});
}

static void program(QTest *q, unsigned n, unsigned mode, bool bcd, uint16_t count)
{
    qtest_outb(q, CTL, n << 6 | 0x30 | mode << 1 | bcd);
    qtest_outb(q, C0 + n, count);
    qtest_outb(q, C0 + n, count >> 8);
}
static unsigned latched(QTest *q, unsigned n)
{
    qtest_outb(q, CTL, n << 6);
    unsigned low = qtest_inb(q, C0 + n);
    return low | qtest_inb(q, C0 + n) << 8;
}
static uint8_t status(QTest *q, unsigned n)
{
    qtest_outb(q, CTL, 0xe0 | 2 << n);
    return qtest_inb(q, C0 + n);
}

static QTest *start(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults");
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("needs the virtual clock");
        return NULL;
    }
    return q;
}

static void test_counts(void)
{
    QTest *q = start();
    if (!q)
        return;
    static const struct {
        unsigned mode;
        bool bcd;
        uint16_t count;
        int64_t after;
        unsigned value;
        bool out;
    } t[] = {
        {0, false, 1000, 0, 1000, false},     {0, false, 1000, 999, 1, false},     {0, false, 1000, 1000, 0, true},
        {0, false, 1000, 1001, 0xffff, true}, {1, false, 1000, 400, 600, true},    {1, false, 1000, 1000, 0, false},
        {2, false, 1000, 400, 600, false},    {2, false, 1000, 1400, 600, false},  {3, false, 1000, 100, 800, true},
        {3, false, 1000, 500, 1000, false},   {3, false, 1000, 1000, 1000, true},  {4, false, 1000, 1000, 0, true},
        {5, false, 1000, 999, 1, false},      {0, true, 0x1000, 1, 0x0999, false}, {0, true, 0x0000, 1, 0x9999, false},
        {2, true, 0x0100, 30, 0x70, false},   {0, true, 0x0010, 11, 0x9999, true},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        program(q, 2, t[i].mode, t[i].bcd, t[i].count);
        if (t[i].after)
            qtest_clock_step(q, clocks(t[i].after) + 1);
        g_test_message("mode %u count %x after %" PRId64, t[i].mode, t[i].count, t[i].after);
        g_assert_cmphex(latched(q, 2), ==, t[i].value);
        g_assert_cmphex(status(q, 2), ==, t[i].out << 7 | 0x30 | t[i].mode << 1 | t[i].bcd);
        g_assert_cmphex(qtest_inb(q, PORT61) & 0x20, ==, t[i].out ? 0x20 : 0);
    }
    qtest_quit(q);
}

/* The rate generator: an interrupt each period, to the ns. */
static void test_irq0(void)
{
    QTest *q = start();
    if (!q)
        return;
    qtest_irq_intercept_in(q, "ioapic");
    program(q, 0, 2, false, 11932);
    int64_t t0 = qtest_clock_step(q, 0);
    unsigned before = qtest_irq_raises(q, 0);
    for (unsigned i = 1; i <= 50; i++) {
        qtest_clock_set(q, t0 + clocks(11932LL * i) - 1);
        g_assert_cmpuint(qtest_irq_raises(q, 0), ==, before + i - 1);
        qtest_clock_set(q, t0 + clocks(11932LL * i));
        g_assert_cmpuint(qtest_irq_raises(q, 0), ==, before + i);
        g_assert_true(qtest_irq(q, 0));
    }
    qtest_clock_step(q, 839);
    g_assert_false(qtest_irq(q, 0));
    /* mode 0 interrupts once */
    program(q, 0, 0, false, 100);
    before = qtest_irq_raises(q, 0);
    qtest_clock_step(q, NS_PER_SEC);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, before + 1);
    /* mode 3 with the shortest period does not hang, and what the guest programs next works */
    program(q, 0, 3, false, 2);
    qtest_clock_step(q, 20 * NS_PER_US);
    program(q, 0, 2, false, 0);
    before = qtest_irq_raises(q, 0);
    qtest_clock_step(q, clocks(65536));
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, before + 1);
    qtest_quit(q);
}

static void test_gate(void)
{
    QTest *q = start();
    if (!q)
        return;
    qtest_outb(q, PORT61, 0);
    program(q, 2, 1, false, 1000);
    qtest_clock_step(q, clocks(600));
    qtest_outb(q, PORT61, 1); /* triggers the one-shot anew */
    g_assert_cmphex(latched(q, 2), ==, 1000);
    qtest_clock_step(q, clocks(600));
    g_assert_cmphex(latched(q, 2), ==, 400);
    g_assert_cmphex(qtest_inb(q, PORT61) & 3, ==, 1);
    qtest_outb(q, PORT61, 2);
    g_assert_cmphex(qtest_inb(q, PORT61) & 3, ==, 2);
    /* the refresh bit toggles */
    g_assert_cmphex((qtest_inb(q, PORT61) ^ qtest_inb(q, PORT61)) & 0x10, ==, 0x10);
    qtest_quit(q);
}

static void test_access(void)
{
    QTest *q = start();
    if (!q)
        return;
    program(q, 2, 0, false, 0x1234);
    /* a latch keeps both bytes while the count goes on, and one more latch does not change it */
    qtest_outb(q, CTL, 0x80);
    qtest_clock_step(q, clocks(0x100));
    qtest_outb(q, CTL, 0x80);
    g_assert_cmphex(qtest_inb(q, C2), ==, 0x34);
    g_assert_cmphex(qtest_inb(q, C2), ==, 0x12);
    g_assert_cmphex(latched(q, 2), ==, 0x1134);
    /* read-back of status and count: status first */
    qtest_outb(q, CTL, 0xc8);
    g_assert_cmphex(qtest_inb(q, C2), ==, 0x30);
    g_assert_cmphex(qtest_inb(q, C2), ==, 0x34);
    g_assert_cmphex(qtest_inb(q, C2), ==, 0x11);
    /* high byte only */
    qtest_outb(q, CTL, 0xa0);
    qtest_outb(q, C2, 0x56);
    g_assert_cmphex(qtest_inb(q, C2), ==, 0x56);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8254/walk", test_walk);
    g_test_add_func("/i8254/counts", test_counts);
    g_test_add_func("/i8254/irq0", test_irq0);
    g_test_add_func("/i8254/gate", test_gate);
    g_test_add_func("/i8254/access", test_access);
    return g_test_run();
}
