/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DMA controllers' registers beside Debian's binary; transfers are in tests/unit/hw/dma. */
#include "tests/qtest/libqtest.h"

static void test_walk(void)
{
    static const WalkRegion regions[] = {{.base = 0x00, .count = 16, .weight = 6, .sizes = 3},
                                         {.base = 0x81, .count = 3},
                                         {.base = 0x87, .count = 1},
                                         {.base = 0x89, .count = 3},
                                         {.base = 0x8f, .count = 1},
                                         {.base = 0xc0, .count = 32, .weight = 6},
                                         {}};
    qtest_walk(&(const Walk){.args = "-machine pc -nodefaults", .regions = regions, .seed = 8257});
}

/* Software requests and masks; the byte pointer. */
static void test_registers(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults");
    qtest_outb(q, 0x0d, 0);
    g_assert_cmphex(qtest_inb(q, 0x08), ==, 0);
    qtest_outb(q, 0x09, 6);
    g_assert_cmphex(qtest_inb(q, 0x08), ==, 0x40);
    qtest_outb(q, 0x09, 2);
    g_assert_cmphex(qtest_inb(q, 0x08), ==, 0);
    qtest_outb(q, 0x0c, 0);
    qtest_outb(q, 0x04, 0x34);
    qtest_outb(q, 0x04, 0x12);
    qtest_outb(q, 0x0c, 0);
    g_assert_cmphex(qtest_inb(q, 0x04), ==, 0x34);
    g_assert_cmphex(qtest_inb(q, 0x04), ==, 0x12);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8257/walk", test_walk);
    g_test_add_func("/i8257/registers", test_registers);
    return g_test_run();
}
