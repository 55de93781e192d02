/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial and parallel ports, debug console, exit port and pc-testdev, alone and beside Debian's binary. */
#include "tests/qtest/libqtest.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { COM1 = 0x3f8, COM2 = 0x2f8, LPT1 = 0x378 };

static void test_serial_walk(void)
{
    /* No input and no clock: what is left is all of the core, loopback included. */
    static const WalkRegion regions[] = {{.base = COM1, .count = 8}, {.base = COM2, .count = 8, .weight = 2}, {}};
    qtest_walk(&(const Walk){
        .args = "-machine pc -nodefaults -chardev null,id=c -device isa-serial,chardev=c -device isa-serial",
        .regions = regions,
    });
}

static void test_serial_loopback_walk(void)
{
    static const WalkRegion regions[] = {{.base = COM1, .count = 8}, {.base = COM1, .count = 1, .weight = 2}, {}};
    static const WalkStep before[] = {{true, false, COM1 + 4, 0x10, 1}, {true, false, COM1 + 2, 0x81, 1}, {}};
    qtest_walk(&(const Walk){
        .args = "-machine pc -nodefaults -chardev null,id=c -device isa-serial,chardev=c",
        .regions = regions,
        .before = before,
        .seed = 2,
    });
}

static void test_parallel_walk(void)
{
    static const WalkRegion regions[] = {{.base = LPT1, .count = 8}, {.base = LPT1 + 1, .count = 2, .weight = 2}, {}};
    qtest_walk(&(const Walk){
        .args = "-machine pc -nodefaults -chardev null,id=c -device isa-parallel,chardev=c",
        .regions = regions,
    });
}

static void test_testdev_walk(void)
{
    static const WalkRegion regions[] = {
        {.base = 0xe0, .count = 12, .sizes = 7},
        {.base = 0x2000, .count = 16}, /* QEMU 7.2 crashes on the lines above 15 here */
        {.mmio = true, .base = 0xff000000, .count = 64, .sizes = 15},
        {},
    };
    qtest_walk(&(const Walk){.args = "-machine pc -nodefaults -device pc-testdev", .regions = regions});
}

static void test_ports(void)
{
    QTest *q = qtest_start(
        "-machine pc -nodefaults -chardev null,id=c -device isa-serial -device isa-serial -device isa-serial "
        "-device isa-serial -device isa-parallel,chardev=c");
    static const uint16_t com[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(q, com[i] + 7, 0xa0 + i);
        g_assert_cmphex(qtest_inb(q, com[i] + 7), ==, 0xa0 + i);
        g_assert_cmphex(qtest_inb(q, com[i] + 5), ==, 0x60);
    }
    g_assert_cmphex(qtest_inb(q, LPT1 + 2), ==, 0xcc);
    g_assert_cmphex(qtest_inb(q, 0x278), ==, 0xff);
    g_autofree char *err = qtest_qmp_error(q, "{'execute':'device_add','arguments':{'driver':'isa-serial','index':4}}");
    g_assert_nonnull(err);
    qtest_quit(q);
}

/* A peer on a unix socket: bytes both ways, interrupt at COM1's line. */
static void test_peer(void)
{
    g_autofree char *dir = g_dir_make_tmp("serial-XXXXXX", NULL), *path = g_build_filename(dir, "s", NULL);
    QTest *q = qtest_start("-machine pc -nodefaults -serial unix:%s,server=on,wait=off", path);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    bool irqs = qtest_has_clock(q);
    if (irqs)
        qtest_irq_intercept_in(q, "ioapic");
    qtest_outb(q, COM1 + 1, 1);
    qtest_outb(q, COM1 + 4, 0x0b);
    g_assert_cmpint(write(fd, "k", 1), ==, 1);
    for (int i = 0; i < 3000 && !(qtest_inb(q, COM1 + 5) & 1); i++)
        g_usleep(1000);
    g_assert_cmphex(qtest_inb(q, COM1 + 2), ==, 4);
    g_assert_true(!irqs || qtest_irq(q, 4));
    g_assert_cmphex(qtest_inb(q, COM1), ==, 'k');
    g_assert_true(!irqs || !qtest_irq(q, 4));
    for (const char *p = "answer"; *p; p++)
        qtest_outb(q, COM1, *p);
    char buf[7] = "";
    for (size_t n = 0; n < 6;) {
        ssize_t r = read(fd, buf + n, 6 - n);
        g_assert_cmpint(r, >, 0);
        n += r;
    }
    g_assert_cmpstr(buf, ==, "answer");
    close(fd);
    qtest_quit(q);
    g_rmdir(dir);
}

/* Characters below the trigger level interrupt four frames after the last. */
static void test_timeout(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -chardev null,id=c -device isa-serial,chardev=c");
    if (!qtest_has_clock(q)) {
        g_test_skip("needs the virtual clock");
        qtest_quit(q);
        return;
    }
    qtest_irq_intercept_in(q, "ioapic");
    qtest_outb(q, COM1 + 3, 0x83);
    qtest_outb(q, COM1, 1); /* 115200: a frame of ten bits takes 86.8 us */
    qtest_outb(q, COM1 + 3, 3);
    qtest_outb(q, COM1 + 4, 0x10);
    qtest_outb(q, COM1 + 2, 0xc1);
    qtest_outb(q, COM1 + 1, 1);
    qtest_outb(q, COM1, 'x');
    qtest_clock_step(q, 340000);
    g_assert_false(qtest_irq(q, 4));
    qtest_clock_step(q, 10000);
    g_assert_true(qtest_irq(q, 4));
    g_assert_cmphex(qtest_inb(q, COM1 + 2), ==, 0xcc);
    g_assert_cmphex(qtest_inb(q, COM1), ==, 'x');
    g_assert_false(qtest_irq(q, 4));
    qtest_quit(q);
}

static void test_debugcon(void)
{
    g_autofree char *dir = g_dir_make_tmp("debugcon-XXXXXX", NULL), *path = g_build_filename(dir, "out", NULL),
                    *text = NULL;
    QTest *q = qtest_start(
        "-machine pc -nodefaults -chardev file,id=d,path=%s -device isa-debugcon,chardev=d,iobase=0x402", path);
    g_assert_cmphex(qtest_inb(q, 0x402), ==, 0xe9);
    qtest_outb(q, 0x402, 'h');
    qtest_outb(q, 0x402, 'i');
    qtest_quit(q);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hi");
    g_unlink(path);
    g_rmdir(dir);
}

static void test_debug_exit(void)
{
    static const struct {
        uint32_t val;
        unsigned size;
        int status;
    } cases[] = {{0x10, 1, 0x21}, {0x1234, 2, 0x69}, {0, 1, 1}, {0x7f, 1, 0xff}};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        QTest *q = qtest_start("-machine pc -nodefaults -device isa-debug-exit");
        g_assert_cmphex(qtest_inb(q, 0x501), ==, 0);
        if (qtest_is_debian(q)) {
            g_test_skip("QEMU is gone before it answers the write");
            qtest_quit(q);
            return;
        }
        qtest_out(q, 0x501, cases[i].size, cases[i].val);
        g_assert_cmpint(qtest_wait_exit(q), ==, cases[i].status);
    }
}

static void test_testdev_irq(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -device pc-testdev");
    if (!qtest_has_clock(q)) {
        g_test_skip("needs interrupt interception");
        qtest_quit(q);
        return;
    }
    qtest_irq_intercept_in(q, "ioapic");
    for (unsigned n = 1; n < 24; n++) {
        if (n == 2)
            continue; /* GSI 0's pin */
        qtest_outb(q, 0x2000 + n, 1);
        g_assert_true(qtest_irq(q, n));
        qtest_outb(q, 0x2000 + n, 0);
        g_assert_false(qtest_irq(q, n));
    }
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/serial/ports", test_ports);
    g_test_add_func("/serial/peer", test_peer);
    g_test_add_func("/serial/timeout", test_timeout);
    g_test_add_func("/serial/walk", test_serial_walk);
    g_test_add_func("/serial/walk-loopback", test_serial_loopback_walk);
    g_test_add_func("/parallel/walk", test_parallel_walk);
    g_test_add_func("/debugcon", test_debugcon);
    g_test_add_func("/debug-exit", test_debug_exit);
    g_test_add_func("/pc-testdev/walk", test_testdev_walk);
    g_test_add_func("/pc-testdev/irq", test_testdev_irq);
    return g_test_run();
}
