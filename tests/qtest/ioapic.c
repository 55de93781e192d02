/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The I/O APIC: registers beside Debian's binary, levels and remote IRR. */
#include "tests/qtest/libqtest.h"

#define BASE  0xfec00000ULL
#define SEL   (BASE + 0x00)
#define WIN   (BASE + 0x10)
#define EOI   (BASE + 0x40)
#define LEVEL 0x8000U
#define RIRR  0x4000U
#define MASK  0x10000U

static void test_walk(void)
{
    static const WalkRegion regions[] = {{.mmio = true, .base = SEL, .count = 4, .sizes = 7, .weight = 4},
                                         {.mmio = true, .base = WIN, .count = 4, .sizes = 4, .weight = 6},
                                         {.mmio = true, .base = EOI, .count = 4, .sizes = 4},
                                         {.mmio = true, .base = BASE, .count = 0x1000, .sizes = 7},
                                         {}};
    qtest_walk(&(const Walk){.args = "-machine pc -nodefaults", .regions = regions, .seed = 82093});
}

static uint32_t get(QTest *q, unsigned reg)
{
    qtest_writel(q, SEL, reg);
    return qtest_readl(q, WIN);
}
static void set(QTest *q, unsigned reg, uint32_t val)
{
    qtest_writel(q, SEL, reg);
    qtest_writel(q, WIN, val);
}

static void test_reset_values(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults");
    g_assert_cmphex(get(q, 0), ==, 0);
    g_assert_cmphex(get(q, 1), ==, 0x170020);
    for (unsigned pin = 0; pin < 24; pin++) {
        g_assert_cmphex(get(q, 0x10 + 2 * pin), ==, MASK);
        g_assert_cmphex(get(q, 0x11 + 2 * pin), ==, 0);
    }
    set(q, 0, 0xff000000);
    g_assert_cmphex(get(q, 0), ==, 0x0f000000);
    set(q, 0x10, 0xffffffff); /* remote IRR and delivery status are read-only */
    g_assert_cmphex(get(q, 0x10), ==, 0xffffafff);
    qtest_quit(q);
}

static void test_version(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -global ioapic.version=0x11");
    g_assert_cmphex(get(q, 1), ==, 0x170011);
    qtest_quit(q);
}

/* Remote IRR is set while a level-triggered interrupt is with a CPU, and each EOI with the line still high is one more.
 */
static void test_level(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pc-testdev");
    set(q, 0x11 + 2 * 10, 0);
    set(q, 0x10 + 2 * 10, LEVEL | 0x50);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, LEVEL | 0x50);
    qtest_outb(q, 0x2000 + 10, 1);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, LEVEL | RIRR | 0x50);
    qtest_writel(q, EOI, 0x51); /* another vector */
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, LEVEL | RIRR | 0x50);
    qtest_outb(q, 0x2000 + 10, 0);
    qtest_writel(q, EOI, 0x50);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, LEVEL | 0x50);
    qtest_outb(q, 0x2000 + 10, 1);
    qtest_writel(q, EOI, 0x50);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, LEVEL | RIRR | 0x50);
    /* masked: nothing is sent; a level waits for the mask to go */
    qtest_outb(q, 0x2000 + 10, 0);
    qtest_writel(q, EOI, 0x50);
    set(q, 0x10 + 2 * 10, MASK | LEVEL | 0x50);
    qtest_outb(q, 0x2000 + 10, 1);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, MASK | LEVEL | 0x50);
    set(q, 0x10 + 2 * 10, LEVEL | 0x50);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, LEVEL | RIRR | 0x50);
    /* an edge-triggered entry has no remote IRR */
    set(q, 0x10 + 2 * 10, 0x50);
    g_assert_cmphex(get(q, 0x10 + 2 * 10), ==, 0x50);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ioapic/walk", test_walk);
    g_test_add_func("/ioapic/reset-values", test_reset_values);
    g_test_add_func("/ioapic/version", test_version);
    g_test_add_func("/ioapic/level", test_level);
    return g_test_run();
}
