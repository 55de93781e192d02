/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DMA controllers' registers beside Debian's binary; transfers are in tests/unit/hw/dma. */
#include "tests/qtest/libqtest.h"

/* Software requests of channel 2 are left out: there the floppy controller gets a grant that it did not ask for, and
 * when it gives that back is its own business. */
static bool not_the_floppy(WalkStep *s, GRand *rand)
{
    enum { REQUEST = 9 };
    unsigned shift = s->addr <= REQUEST ? 8 * (REQUEST - s->addr) : 64;
    if (s->write && shift < 8 * s->size && (s->val >> shift & 3) == 2)
        s->val ^= 1ULL << shift;
    return true;
}

static void test_walk(void)
{
    static const WalkRegion regions[] = {{.base = 0x00, .count = 16, .weight = 6, .sizes = 3},
                                         {.base = 0x81, .count = 3},
                                         {.base = 0x87, .count = 1},
                                         {.base = 0x89, .count = 3},
                                         {.base = 0x8f, .count = 1},
                                         {.base = 0xc0, .count = 32, .weight = 6},
                                         {}};
    qtest_walk(
        &(const Walk){.args = "-machine pc -nodefaults", .regions = regions, .filter = not_the_floppy, .seed = 8257});
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
