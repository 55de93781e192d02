/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HPET: registers beside Debian's binary, one-shot and periodic timers, legacy replacement, messages. */
#include "tests/qtest/libqtest.h"

#define BASE     0xfed00000ULL
#define CAP      (BASE + 0x00)
#define CFG      (BASE + 0x10)
#define STATUS   (BASE + 0x20)
#define COUNTER  (BASE + 0xf0)
#define T_CFG(n) (BASE + 0x100 + 0x20 * (n))
#define T_CMP(n) (T_CFG(n) + 8)
#define T_FSB(n) (T_CFG(n) + 16)
enum { LEVEL = 2, ENABLE = 4, PERIODIC = 8, SETVAL = 0x40, BITS32 = 0x100, FSB = 0x4000, ROUTE = 9 };

/* Timer 3 of an HPET with timers 0 to 2 does not exist; QEMU 7.2 compares its number with "greater" and lets it have
 * registers. Unaligned accesses are undefined (specification, 2.2). */
static bool sensible(WalkStep *s, GRand *rand)
{
    s->addr &= ~(uint64_t)(s->size - 1);
    return s->addr + s->size <= T_CFG(3) || s->addr >= T_CFG(4);
}

static void test_walk(void)
{
    static const WalkRegion regions[] = {{.mmio = true, .base = T_CFG(0), .count = 0x60, .sizes = 12, .weight = 8},
                                         {.mmio = true, .base = CFG, .count = 8, .sizes = 12},
                                         {.mmio = true, .base = STATUS, .count = 8, .sizes = 12},
                                         {.mmio = true, .base = COUNTER, .count = 8, .sizes = 12},
                                         {.mmio = true, .base = BASE, .count = 0x400, .sizes = 12},
                                         {}};
    qtest_walk(&(const Walk){.args = "-machine pc -nodefaults", .regions = regions, .filter = sensible, .seed = 1193});
}

static QTest *start(const char *more)
{
    QTest *q = qtest_start("-machine pc,hpet=on -nodefaults %s", more);
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("needs the virtual clock");
        return NULL;
    }
    qtest_irq_intercept_in(q, "ioapic");
    return q;
}

static void test_capabilities(void)
{
    QTest *q = qtest_start("-machine pc,hpet=on -nodefaults");
    g_assert_cmphex(qtest_readq(q, CAP), ==, 0x009896808086a201);
    for (unsigned n = 0; n < 3; n++) {
        g_assert_cmphex(qtest_readq(q, T_CFG(n)), ==, 0x400000030);
        g_assert_cmphex(qtest_readq(q, T_CMP(n)), ==, UINT64_MAX);
    }
    qtest_quit(q);
    q = qtest_start("-machine pc,hpet=on -nodefaults -global hpet.timers=5 -global hpet.msi=on");
    g_assert_cmphex(qtest_readl(q, CAP), ==, 0x8086a401);
    g_assert_cmphex(qtest_readl(q, T_CFG(4)), ==, 0x8030);
    qtest_quit(q);
}

static void test_one_shot(void)
{
    QTest *q = start("");
    if (!q)
        return;
    qtest_writeq(q, T_CFG(2), ENABLE | 20 << ROUTE);
    qtest_writeq(q, T_CMP(2), 1000);
    int64_t t0 = qtest_clock_step(q, 12345);
    qtest_writel(q, CFG, 1);
    qtest_clock_set(q, t0 + 9999);
    g_assert_cmpuint(qtest_irq_raises(q, 20), ==, 0);
    qtest_clock_set(q, t0 + 10000);
    g_assert_cmpuint(qtest_irq_raises(q, 20), ==, 1);
    g_assert_cmphex(qtest_readq(q, COUNTER), ==, 1000);
    qtest_clock_step(q, NS_PER_SEC);
    g_assert_cmpuint(qtest_irq_raises(q, 20), ==, 1);
    /* stopped, the counter keeps its value */
    qtest_writel(q, CFG, 0);
    uint64_t v = qtest_readq(q, COUNTER);
    qtest_clock_step(q, NS_PER_SEC);
    g_assert_cmphex(qtest_readq(q, COUNTER), ==, v);
    qtest_quit(q);
}

static void test_level(void)
{
    QTest *q = start("");
    if (!q)
        return;
    qtest_writeq(q, T_CFG(1), ENABLE | LEVEL | 21 << ROUTE);
    qtest_writeq(q, T_CMP(1), 500);
    qtest_writel(q, CFG, 1);
    qtest_clock_step(q, 5000);
    g_assert_true(qtest_irq(q, 21));
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 2);
    qtest_writel(q, STATUS, 1); /* another timer's bit */
    g_assert_true(qtest_irq(q, 21));
    qtest_writel(q, STATUS, 2);
    g_assert_false(qtest_irq(q, 21));
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0);
    qtest_quit(q);
}

static void test_periodic(void)
{
    QTest *q = start("");
    if (!q)
        return;
    qtest_writeq(q, T_CFG(0), ENABLE | PERIODIC | SETVAL | BITS32 | 22 << ROUTE);
    qtest_writel(q, T_CMP(0), 3000); /* the first match; SETVAL is used up */
    qtest_writel(q, T_CMP(0), 1000); /* the period */
    int64_t t0 = qtest_clock_step(q, 0);
    qtest_writel(q, CFG, 1);
    qtest_clock_set(q, t0 + 29999);
    g_assert_cmpuint(qtest_irq_raises(q, 22), ==, 0);
    for (unsigned i = 1; i <= 100; i++) {
        qtest_clock_set(q, t0 + 20000 + 10000 * i);
        g_assert_cmpuint(qtest_irq_raises(q, 22), ==, i);
    }
    g_assert_cmphex(qtest_readq(q, T_CMP(0)), ==, 103000);
    /* a period of one tick does not hang anybody */
    qtest_writel(q, T_CFG(0), ENABLE | PERIODIC | SETVAL | BITS32 | 22 << ROUTE);
    qtest_writel(q, T_CMP(0), 103001);
    qtest_writel(q, T_CMP(0), 1);
    qtest_clock_step(q, 20000);
    g_assert_cmpuint(qtest_irq_raises(q, 22), >=, 101);
    qtest_quit(q);
}

/* A 32-bit period that is half the counter's range or more would never lead to a time to come: its high bit is dropped
 * there, too, where it comes from a wider period. */
static void test_narrowed_period(void)
{
    QTest *q = start("");
    if (!q)
        return;
    qtest_writel(q, T_CFG(0), PERIODIC | SETVAL | 22 << ROUTE);
    qtest_writeq(q, T_CMP(0), 1000);
    qtest_writeq(q, T_CMP(0), 0xffe00000); /* 2 M ticks back: once for each 2 M of the half range behind */
    qtest_writel(q, T_CFG(0), ENABLE | PERIODIC | BITS32 | 22 << ROUTE);
    int64_t t0 = qtest_clock_step(q, 0);
    qtest_writel(q, CFG, 1);
    qtest_clock_set(q, t0 + 10000);
    g_assert_cmpuint(qtest_irq_raises(q, 22), ==, 1);
    g_assert_cmphex(qtest_readl(q, T_CMP(0)), ==, 0x7fe00000 + 1000);
    qtest_quit(q);
}

/* In 32-bit mode a one-shot timer interrupts at its match and when the counter wraps. */
static void test_32_bits(void)
{
    QTest *q = start("");
    if (!q)
        return;
    qtest_writeq(q, COUNTER, 0xfffff000);
    qtest_writel(q, T_CFG(0), ENABLE | BITS32 | 22 << ROUTE);
    qtest_writel(q, T_CMP(0), 0x1000);
    qtest_writel(q, CFG, 1);
    qtest_clock_step(q, 0x1000 * 10 - 1);
    g_assert_cmpuint(qtest_irq_raises(q, 22), ==, 0);
    qtest_clock_step(q, 1);
    g_assert_cmpuint(qtest_irq_raises(q, 22), ==, 1);
    qtest_clock_step(q, 0x1000 * 10);
    g_assert_cmpuint(qtest_irq_raises(q, 22), ==, 2);
    qtest_quit(q);
}

static void test_legacy(void)
{
    QTest *q = start("");
    if (!q)
        return;
    qtest_outb(q, 0x43, 0x34); /* the PIT at 1 kHz */
    qtest_outb(q, 0x40, 0xa9);
    qtest_outb(q, 0x40, 0x04);
    qtest_clock_step(q, 10 * NS_PER_MS);
    unsigned ticks = qtest_irq_raises(q, 0);
    g_assert_cmpuint(ticks, >=, 9);
    qtest_writeq(q, T_CFG(0), ENABLE);
    qtest_writeq(q, T_CMP(0), 100000);
    qtest_writeq(q, T_CFG(1), ENABLE);
    qtest_writeq(q, T_CMP(1), 200000);
    qtest_writel(q, CFG, 3);
    g_assert_false(qtest_irq(q, 0));
    ticks = qtest_irq_raises(q, 0);
    unsigned rtc = qtest_irq_raises(q, 8);
    qtest_clock_step(q, 10 * NS_PER_MS); /* one tick of timer 0, one of timer 1, none of the PIT */
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, ticks + 1);
    g_assert_cmpuint(qtest_irq_raises(q, 8), ==, rtc + 1);
    qtest_writel(q, CFG, 1);
    qtest_clock_step(q, 10 * NS_PER_MS);
    g_assert_cmpuint(qtest_irq_raises(q, 0), >=, ticks + 10);
    qtest_quit(q);
}

/* A message goes where the address says: here into RAM. */
static void test_fsb(void)
{
    QTest *q = start("-global hpet.msi=on");
    if (!q)
        return;
    qtest_writeq(q, T_FSB(2), 0x10000ULL << 32 | 0xcafe1234);
    qtest_writeq(q, T_CFG(2), ENABLE | FSB);
    qtest_writeq(q, T_CMP(2), 50);
    qtest_writel(q, 0x10000, 0);
    qtest_writel(q, CFG, 1);
    qtest_clock_step(q, 499);
    g_assert_cmphex(qtest_readl(q, 0x10000), ==, 0);
    qtest_clock_step(q, 1);
    g_assert_cmphex(qtest_readl(q, 0x10000), ==, 0xcafe1234);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hpet/walk", test_walk);
    g_test_add_func("/hpet/capabilities", test_capabilities);
    g_test_add_func("/hpet/one-shot", test_one_shot);
    g_test_add_func("/hpet/level", test_level);
    g_test_add_func("/hpet/periodic", test_periodic);
    g_test_add_func("/hpet/narrowed-period", test_narrowed_period);
    g_test_add_func("/hpet/32-bits", test_32_bits);
    g_test_add_func("/hpet/legacy", test_legacy);
    g_test_add_func("/hpet/fsb", test_fsb);
    return g_test_run();
}
