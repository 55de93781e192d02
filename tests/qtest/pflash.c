/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System flash: its place, what it stores, and its commands beside Debian's binary. */
#include "tests/qtest/libqtest.h"

#include <string.h>
#include <unistd.h>

enum { SIZE = 128 * 1024, SECTOR = 4096 };
#define BASE (0x100000000ULL - SIZE)

static char *path;

static void make_image(void)
{
    uint8_t image[SIZE];
    for (unsigned i = 0; i < SIZE; i++)
        image[i] = i * 7 + (i >> 8);
    int fd = g_file_open_tmp("flash-XXXXXX", &path, NULL);
    g_assert_cmpint(write(fd, image, SIZE), ==, SIZE);
    close(fd);
}

static void test_place(void)
{
    QTest *q = qtest_start("-machine pc -drive if=pflash,format=raw,readonly=on,file=%s "
                           "-drive if=pflash,format=raw,readonly=on,file=%s",
                           path, path);
    for (unsigned i = 0; i < SIZE; i += 1021) {
        uint8_t want = i * 7 + (i >> 8);
        g_assert_cmphex(qtest_readb(q, BASE + i), ==, want);
        g_assert_cmphex(qtest_readb(q, BASE - SIZE + i), ==, want);
        g_assert_cmphex(qtest_readb(q, 0xe0000 + i), ==, want);
    }
    qtest_writeb(q, BASE, 0x20); /* read-only: erase fails, and says so */
    qtest_writeb(q, BASE, 0xd0);
    g_assert_cmphex(qtest_readb(q, BASE) & 0x80, ==, 0x80);
    qtest_writeb(q, BASE, 0xff);
    g_assert_cmphex(qtest_readb(q, BASE + 1), ==, 7);
    qtest_quit(q);
}

/* What is programmed is in the image, and there again in the next run; a reset ends what was half done. */
static void test_store(void)
{
    QTest *q = qtest_start("-machine pc -drive if=pflash,format=raw,file=%s", path);
    qtest_writeb(q, BASE + SECTOR, 0x20);
    qtest_writeb(q, BASE + SECTOR, 0xd0);
    qtest_writeb(q, BASE + SECTOR + 5, 0x40);
    qtest_writeb(q, BASE + SECTOR + 5, 0x12);
    g_assert_cmphex(qtest_readb(q, BASE), ==, 0x80);
    qtest_writeb(q, BASE + SECTOR + 0x100, 0xe8);
    qtest_writeb(q, BASE + SECTOR + 0x100, 3);
    for (unsigned i = 0; i < 4; i++)
        qtest_writeb(q, BASE + SECTOR + 0x100 + i, 0xa0 + i);
    qtest_writeb(q, BASE + SECTOR + 0x100, 0xd0);
    qtest_writeb(q, BASE, 0x10);
    json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(q, "RESET"));
    g_assert_cmphex(qtest_readb(q, BASE + SECTOR + 5), ==, 0x12);
    qtest_quit(q);
    q = qtest_start("-machine pc -drive if=pflash,format=raw,file=%s", path);
    g_assert_cmphex(qtest_readb(q, BASE + SECTOR + 5), ==, 0x12);
    g_assert_cmphex(qtest_readb(q, BASE + SECTOR + 6), ==, 0xff);
    g_assert_cmphex(qtest_readl(q, BASE + SECTOR + 0x100), ==, 0xa3a2a1a0);
    g_assert_cmphex(qtest_readb(q, BASE + 2 * SECTOR), ==, (uint8_t)(2 * SECTOR * 7 + (2 * SECTOR >> 8)));
    qtest_quit(q);
}

/* Commands more often than other bytes. An erase is confirmed at the same place: QEMU's chip does not wait for that,
 * ours does. */
static bool commands(WalkStep *s, GRand *rand)
{
    static const uint8_t cmd[] = {0xff, 0x70, 0x50, 0x90, 0x98, 0x10, 0x40, 0x20, 0xd0, 0x60, 0x01, 0x33};
    static uint64_t erase;
    if (!s->write)
        return true;
    s->val = cmd[g_rand_int_range(rand, 0, sizeof(cmd))];
    if (erase) {
        s->addr = erase;
        s->val = 0xd0;
    }
    erase = s->val == 0x20 && !erase ? s->addr : 0;
    return true;
}

static void test_walk(void)
{
    static const WalkRegion regions[] = {
        {.mmio = true, .base = BASE, .count = 0x60}, {.mmio = true, .base = BASE + 0x1000, .count = 16}, {}};
    qtest_walk(&(const Walk){.args = "-machine pc -drive if=pflash,driver=null-co,size=131072,read-zeroes=on",
                             .regions = regions,
                             .filter = commands,
                             .steps = 6000});
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_image();
    g_test_add_func("/pflash/place", test_place);
    g_test_add_func("/pflash/walk", test_walk);
    g_test_add_func("/pflash/store", test_store);
    int status = g_test_run();
    unlink(path);
    return status;
}
