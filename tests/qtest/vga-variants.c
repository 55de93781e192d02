/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA's relatives beside Debian's binary: secondary-vga and bochs-display, which have memory and registers behind
 * BARs only, and isa-vga, which has ports only. */
#include "tests/qtest/libqtest.h"

#include <unistd.h>

#define PCI(device) "-machine pc -nodefaults -vga none -device " device ",addr=4"
#define SECONDARY   PCI("secondary-vga")
#define BOCHS       PCI("bochs-display")
#define ISA         "-machine pc -nodefaults -vga none -device isa-vga"
#define DEVFN       (4 << 3)
#define VRAM        0xe0000000u
#define MMIO        0xe2000000u

static void map(QTest *q)
{
    qtest_pci_write(q, 0, DEVFN, 0x10, 4, VRAM);
    qtest_pci_write(q, 0, DEVFN, 0x18, 4, MMIO);
    qtest_pci_write(q, 0, DEVFN, 4, 2, 2);
}

static void test_config(gconstpointer args)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip(DEBIAN_BINARY " is not installed");
        return;
    }
    QTest *q[2] = {qtest_start("%s", (const char *)args), qtest_start_binary(DEBIAN_BINARY, args)};
    for (int round = 0; round < 2; round++) {
        for (unsigned off = 0; off < 256; off += 4)
            g_assert_cmphex((uint64_t)off << 32 | qtest_pci_read(q[0], 0, DEVFN, off, 4), ==,
                            (uint64_t)off << 32 | qtest_pci_read(q[1], 0, DEVFN, off, 4));
        for (int k = 0; k < 2; k++) /* then as sizing sees it */
            for (unsigned off = 0x10; off < 0x34; off += 4)
                qtest_pci_write(q[k], 0, DEVFN, off, 4, 0xffffffff);
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

static void test_memory(gconstpointer args)
{
    QTest *q = qtest_start("%s", (const char *)args);
    map(q);
    qtest_writel(q, VRAM + 0x123400, 0xdeadbeef);
    g_assert_cmphex(qtest_readl(q, VRAM + 0x123400), ==, 0xdeadbeef);
    /* dispi registers at 0x500 of the register BAR: the id, then a mode */
    g_assert_cmphex(qtest_readw(q, MMIO + 0x500), ==, 0xb0c5);
    qtest_writew(q, MMIO + 0x502, 640);
    qtest_writew(q, MMIO + 0x504, 480);
    qtest_writew(q, MMIO + 0x506, 32);
    qtest_writew(q, MMIO + 0x508, 0x41);
    g_assert_cmpuint(qtest_readw(q, MMIO + 0x502), ==, 640);
    g_assert_cmphex(qtest_readw(q, MMIO + 0x508) & 0x41, ==, 0x41);
    /* no legacy ports: nobody answers */
    g_assert_cmphex(qtest_inb(q, 0x3cc), ==, 0xff);
    qtest_quit(q);
}

static const WalkStep before[] = {
    {.write = true, .addr = 0xcf8, .val = 0x80000000 | DEVFN << 8 | 0x10, .size = 4},
    {.write = true, .addr = 0xcfc, .val = VRAM, .size = 4},
    {.write = true, .addr = 0xcf8, .val = 0x80000000 | DEVFN << 8 | 0x18, .size = 4},
    {.write = true, .addr = 0xcfc, .val = MMIO, .size = 4},
    {.write = true, .addr = 0xcf8, .val = 0x80000000 | DEVFN << 8 | 4, .size = 4},
    {.write = true, .addr = 0xcfc, .val = 2, .size = 2},
    {0},
};

static void test_secondary_walk(void)
{
    static const WalkRegion regions[] = {{.mmio = true, .base = MMIO + 0x400, .count = 0x20, .sizes = 3, .weight = 3},
                                         {.mmio = true, .base = MMIO + 0x500, .count = 0x16, .sizes = 2, .weight = 2},
                                         {.mmio = true, .base = MMIO + 0x600, .count = 8, .sizes = 4},
                                         {0}};
    /* What no register is at reads as zeroes in QEMU's copy of the ports, as all ones here and on its ports. */
    static const uint8_t none[] = {0x03, 0x0b, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x16,
                                   0x17, 0x18, 0x19, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};
    WalkMask masks[G_N_ELEMENTS(none) + 2] = {{MMIO + 0x41a, 0xff, "input status 1: the retrace follows the clock"}};
    for (size_t i = 0; i < G_N_ELEMENTS(none); i++)
        masks[1 + i] = (WalkMask){MMIO + 0x400 + none[i], 0xff, "no register: zeroes or ones"};
    const Walk walk = {.args = SECONDARY, .regions = regions, .before = before, .masks = masks, .steps = 4000};
    qtest_walk(&walk);
}

static void test_bochs_walk(void)
{
    static const WalkRegion regions[] = {{.mmio = true, .base = MMIO, .count = 0x100, .sizes = 3},
                                         {.mmio = true, .base = MMIO + 0x500, .count = 0x16, .sizes = 2, .weight = 3},
                                         {.mmio = true, .base = MMIO + 0x600, .count = 8, .sizes = 4},
                                         {0}};
    const Walk walk = {.args = BOCHS, .regions = regions, .before = before, .steps = 4000};
    qtest_walk(&walk);
}

static void test_isa_walk(void)
{
    static const WalkRegion regions[] = {{.base = 0x3b0, .count = 0x10, .sizes = 1},
                                         {.base = 0x3c0, .count = 0x20, .sizes = 1, .weight = 4},
                                         {.base = 0x1ce, .count = 2, .sizes = 2, .weight = 2},
                                         {0}};
    static const WalkMask masks[] = {{0x3da, 0xff, "input status 1: the retrace follows the clock"},
                                     {0x3ba, 0xff, "input status 1 of the monochrome ports"},
                                     {0}};
    const Walk walk = {.args = ISA, .regions = regions, .masks = masks};
    qtest_walk(&walk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/vga-variants/secondary-vga/config", SECONDARY, test_config);
    g_test_add_data_func("/vga-variants/secondary-vga/memory", SECONDARY, test_memory);
    g_test_add_func("/vga-variants/secondary-vga/walk", test_secondary_walk);
    g_test_add_data_func("/vga-variants/bochs-display/config", BOCHS, test_config);
    g_test_add_data_func("/vga-variants/bochs-display/memory", BOCHS, test_memory);
    g_test_add_func("/vga-variants/bochs-display/walk", test_bochs_walk);
    g_test_add_func("/vga-variants/isa-vga/walk", test_isa_walk);
    return g_test_run();
}
