/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two 8259s: registers beside Debian's binary, priorities, cascade, levels and poll. */
#include "tests/qtest/libqtest.h"

enum { M_CMD = 0x20, M_DATA, S_CMD = 0xa0, S_DATA, ELCR_M = 0x4d0, ELCR_S, TESTDEV_IRQ = 0x2000 };

/* Counter 0's output is what raises IRQ 0 in this walk. Modes 6 and 7 are left out: they are 2 and 3 here, as in the
 * data sheet, and count like mode 0 in QEMU 7.2. */
static bool no_mode_6_7(WalkStep *s, GRand *rand)
{
    if (s->write && s->addr == 0x43 && s->size == 1 && s->val < 0xc0 && (s->val & 0x0c) == 0x0c)
        s->val &= ~8ULL;
    return true;
}

static void test_walk(void)
{
    static const WalkRegion regions[] = {{.base = M_CMD, .count = 2, .weight = 8},
                                         {.base = S_CMD, .count = 2, .weight = 8},
                                         {.base = ELCR_M, .count = 2, .weight = 2},
                                         {.base = 0x40, .count = 1, .weight = 1},
                                         {.base = 0x43, .count = 1, .weight = 1},
                                         {.base = M_CMD, .count = 2, .sizes = 2},
                                         {}};
    qtest_walk(
        &(const Walk){.args = "-machine pc -nodefaults", .regions = regions, .filter = no_mode_6_7, .seed = 8259});
}

static void init_pair(QTest *q, uint8_t icw4)
{
    qtest_outb(q, M_CMD, 0x11);
    qtest_outb(q, M_DATA, 0x08);
    qtest_outb(q, M_DATA, 0x04);
    qtest_outb(q, M_DATA, icw4);
    qtest_outb(q, S_CMD, 0x11);
    qtest_outb(q, S_DATA, 0x70);
    qtest_outb(q, S_DATA, 0x02);
    qtest_outb(q, S_DATA, icw4);
    qtest_outb(q, M_DATA, 0x01); /* the PIT stays out of this */
    qtest_outb(q, S_DATA, 0x00);
}

static void line(QTest *q, unsigned n, int level)
{
    qtest_outb(q, TESTDEV_IRQ + n, level);
}

/* OCW3 poll, then the byte: 80h | line, or 0. */
static uint8_t poll_chip(QTest *q, uint16_t cmd)
{
    qtest_outb(q, cmd, 0x0c);
    return qtest_inb(q, cmd);
}
static uint8_t isr(QTest *q, uint16_t cmd)
{
    qtest_outb(q, cmd, 0x0b);
    return qtest_inb(q, cmd);
}
static uint8_t irr(QTest *q, uint16_t cmd)
{
    qtest_outb(q, cmd, 0x0a);
    return qtest_inb(q, cmd);
}

static QTest *start(void)
{
    return qtest_start("-machine pc -nodefaults -device pc-testdev");
}

static void test_priority(void)
{
    QTest *q = start();
    init_pair(q, 0x01);
    line(q, 5, 1);
    line(q, 3, 1);
    g_assert_cmphex(irr(q, M_CMD) & 0x28, ==, 0x28);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x83);
    g_assert_cmphex(isr(q, M_CMD), ==, 0x08);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0); /* 5 waits for 3 */
    qtest_outb(q, M_CMD, 0x20);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x85);
    line(q, 3, 0);
    line(q, 3, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x83); /* nests */
    qtest_outb(q, M_CMD, 0x65);                     /* specific EOI of the outer one */
    g_assert_cmphex(isr(q, M_CMD), ==, 0x08);
    qtest_outb(q, M_CMD, 0x20);
    g_assert_cmphex(isr(q, M_CMD), ==, 0);
    /* rotate: 3 becomes lowest */
    qtest_outb(q, M_CMD, 0xc3);
    line(q, 3, 0);
    line(q, 5, 0);
    line(q, 3, 1);
    line(q, 5, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x85);
    qtest_outb(q, M_CMD, 0xa0); /* rotate on non-specific EOI: 5 becomes lowest */
    line(q, 6, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x86);
    qtest_quit(q);
}

static void test_edge_level(void)
{
    QTest *q = start();
    init_pair(q, 0x03); /* automatic EOI */
    qtest_outb(q, ELCR_S, 0xff);
    g_assert_cmphex(qtest_inb(q, ELCR_S), ==, 0xde);
    qtest_outb(q, ELCR_M, 0xff);
    g_assert_cmphex(qtest_inb(q, ELCR_M), ==, 0xf8);
    qtest_outb(q, ELCR_M, 0);
    qtest_outb(q, ELCR_S, 0x04); /* 10 is level-triggered, 11 not */
    line(q, 11, 1);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0x83);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0); /* one edge, one interrupt */
    line(q, 10, 1);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0x82);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0x82); /* the level is still there */
    line(q, 10, 0);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0);
    qtest_quit(q);
}

static void test_cascade(void)
{
    QTest *q = start();
    init_pair(q, 0x01);
    line(q, 9, 1);
    g_assert_cmphex(irr(q, M_CMD) & 4, ==, 4); /* the slave's INT is line 2 */
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x82);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0x81);
    line(q, 8, 1); /* of higher priority in the slave: held back by the master's line 2 in service */
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0);
    qtest_outb(q, M_CMD, 0x62);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x82);
    qtest_quit(q);
}

static void test_special_modes(void)
{
    QTest *q = start();
    init_pair(q, 0x11); /* special fully nested: the slave may interrupt itself through line 2 */
    line(q, 9, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x82);
    g_assert_cmphex(poll_chip(q, S_CMD), ==, 0x81);
    line(q, 8, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x82);
    /* special mask: what is in service and masked holds back nothing */
    init_pair(q, 0x01);
    line(q, 3, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x83);
    line(q, 5, 1);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0);
    qtest_outb(q, M_DATA, 0x09);
    qtest_outb(q, M_CMD, 0x68);
    g_assert_cmphex(poll_chip(q, M_CMD), ==, 0x85);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8259/walk", test_walk);
    g_test_add_func("/i8259/priority", test_priority);
    g_test_add_func("/i8259/edge-level", test_edge_level);
    g_test_add_func("/i8259/cascade", test_cascade);
    g_test_add_func("/i8259/special-modes", test_special_modes);
    return g_test_run();
}
