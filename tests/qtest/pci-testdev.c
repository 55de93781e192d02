/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci-testdev: its tests by both BARs, and the same accesses beside Debian's binary. */
#include "tests/qtest/libqtest.h"

#include <unistd.h>

#define ARGS  "-machine pc-i440fx-7.2 -nodefaults -device pci-testdev,addr=4"
#define DEVFN (4 << 3)
#define MEM   0xe0000000u
#define IO    0xc000

static void map(QTest *q)
{
    qtest_pci_write(q, 0, DEVFN, 0x10, 4, MEM);
    qtest_pci_write(q, 0, DEVFN, 0x14, 4, IO);
    qtest_pci_write(q, 0, DEVFN, 4, 2, 3);
}

static void test_counts(void)
{
    QTest *q = qtest_start(ARGS);
    map(q);
    g_assert_cmphex(qtest_readl(q, MEM), ==, 0); /* no test yet */
    qtest_writeb(q, MEM, 0);
    uint32_t off = qtest_readl(q, MEM + 4), data = qtest_readl(q, MEM + 8);
    g_assert_cmphex(qtest_readb(q, MEM + 1), ==, 1);
    qtest_writeb(q, MEM + off, (uint8_t)data);
    qtest_writeb(q, MEM + off, (uint8_t)(data + 1)); /* not what was asked for */
    qtest_writeb(q, MEM + off + 1, (uint8_t)data);
    g_assert_cmphex(qtest_readl(q, MEM + 12), ==, 1);
    for (unsigned kind = 1; kind < 3; kind++) { /* doorbells swallow the write */
        qtest_outb(q, IO, (uint8_t)kind);
        off = qtest_inl(q, IO + 4);
        qtest_outb(q, (uint16_t)(IO + off), (uint8_t)qtest_inl(q, IO + 8));
        g_assert_cmphex(qtest_inl(q, IO + 12), ==, 0);
    }
    qtest_outb(q, IO, 3); /* there is no such test */
    g_assert_cmphex(qtest_inb(q, IO + 1), ==, 0);
    qtest_outb(q, IO, 0);
    json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(q, "RESET"));
    map(q);
    g_assert_cmphex(qtest_inb(q, IO + 1), ==, 0);
    qtest_quit(q);
}

static void test_membar(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pci-testdev,addr=4,membar=1M,membar-backed=on");
    qtest_pci_write(q, 0, DEVFN, 0x18, 4, 0xffffffff);
    g_assert_cmphex(qtest_pci_read(q, 0, DEVFN, 0x18, 4), ==, 0xfff0000c);
    qtest_pci_write(q, 0, DEVFN, 0x18, 4, MEM);
    qtest_pci_write(q, 0, DEVFN, 4, 2, 2);
    qtest_writel(q, MEM + 0x1000, 0x12345678);
    g_assert_cmphex(qtest_readl(q, MEM + 0x1000), ==, 0x12345678);
    qtest_quit(q);
}

/* The root bus's ports at AE00h (QEMU's docs/specs/acpi_pci_hotplug.rst): up, down, eject by slot bits; bus 0 selected. */
static void test_hotplug(void)
{
    enum { UP = 0xae00, DOWN = 0xae04, EJECT = 0xae08, SELECT = 0xae10 };
    QTest *q = qtest_start("-machine pc -nodefaults");
    for (int round = 0; round < 50; round++) {
        json_unref(qtest_qmp(q, "{'execute':'device_add','arguments':{'driver':'pci-testdev','id':'t','addr':'5'}}"));
        g_assert_cmphex(qtest_pci_read(q, 0, 5 << 3, 0, 4), ==, 0x00051b36);
        qtest_outl(q, SELECT, 0);
        g_assert_cmphex(qtest_inl(q, UP), ==, 1 << 5);
        json_unref(qtest_qmp(q, "{'execute':'device_del','arguments':{'id':'t'}}"));
        g_assert_cmphex(qtest_pci_read(q, 0, 5 << 3, 0, 4), ==, 0x00051b36); /* until the guest lets go */
        g_assert_cmphex(qtest_inl(q, DOWN), ==, 1 << 5);
        if (round & 1) { /* a reset unplugs, too */
            json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
        } else {
            qtest_outl(q, EJECT, 1 << 5);
        }
        Json *ev = qtest_event(q, "DEVICE_DELETED");
        g_assert_cmpstr(json_get_str(json_get(ev, "data"), "device"), ==, "t");
        json_unref(ev);
        g_assert_cmphex(qtest_pci_read(q, 0, 5 << 3, 0, 4), ==, 0xffffffff);
    }
    qtest_quit(q);
}

static void test_beside_debian(void)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip(DEBIAN_BINARY " is not installed");
        return;
    }
    QTest *q[2] = {qtest_start(ARGS), qtest_start_binary(DEBIAN_BINARY, ARGS)};
    for (unsigned off = 0; off < 64; off += 4)
        g_assert_cmphex(off << 16 | (uint16_t)qtest_pci_read(q[0], 0, DEVFN, off, 4), ==,
                        off << 16 | (uint16_t)qtest_pci_read(q[1], 0, DEVFN, off, 4));
    map(q[0]);
    map(q[1]);
    g_autoptr(GRand) rand = g_rand_new_with_seed(20261122);
    for (unsigned i = 0; i < 10000; i++) {
        bool io = g_rand_boolean(rand), write = g_rand_boolean(rand);
        unsigned size = 1u << g_rand_int_range(rand, 0, 3), window = io ? 256 : 4096;
        /* mostly where something is: the header, and the tests' places in the middle */
        unsigned off = (unsigned)g_rand_int_range(rand, 0, 48) + (g_rand_int_range(rand, 0, 3) ? 0 : window / 2 - 4);
        off = MIN(off, window - 4);
        static const uint32_t values[] = {0, 1, 2, 3, 4, 0xfa, 0xce, 0xfafa, 0xcece, 0xff};
        uint32_t val = values[g_rand_int_range(rand, 0, G_N_ELEMENTS(values))], got[2] = {0, 0};
        for (int k = 0; k < 2; k++) {
            if (io && write) {
                if (size == 1)
                    qtest_outb(q[k], (uint16_t)(IO + off), (uint8_t)val);
                else if (size == 2)
                    qtest_outw(q[k], (uint16_t)(IO + off), (uint16_t)val);
                else
                    qtest_outl(q[k], (uint16_t)(IO + off), val);
            } else if (io) {
                got[k] = size == 1   ? qtest_inb(q[k], (uint16_t)(IO + off))
                         : size == 2 ? qtest_inw(q[k], (uint16_t)(IO + off))
                                     : qtest_inl(q[k], (uint16_t)(IO + off));
            } else if (write) {
                if (size == 1)
                    qtest_writeb(q[k], MEM + off, (uint8_t)val);
                else if (size == 2)
                    qtest_writew(q[k], MEM + off, (uint16_t)val);
                else
                    qtest_writel(q[k], MEM + off, val);
            } else {
                got[k] = size == 1   ? qtest_readb(q[k], MEM + off)
                         : size == 2 ? qtest_readw(q[k], MEM + off)
                                     : qtest_readl(q[k], MEM + off);
            }
        }
        if (got[0] != got[1])
            g_error("access %u: %s of %u bytes at %s offset 0x%x (value 0x%x): 0x%x, Debian's 0x%x", i,
                    write ? "write" : "read", size, io ? "port" : "memory", off, val, got[0], got[1]);
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-testdev/counts", test_counts);
    g_test_add_func("/pci-testdev/membar", test_membar);
    g_test_add_func("/pci-testdev/hotplug", test_hotplug);
    g_test_add_func("/pci-testdev/beside-debian", test_beside_debian);
    return g_test_run();
}
