/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board's chips save the bytes that QEMU saves: the same register writes go to chips in this process and to
 * Debian's binary, whose migration stream then has each chip's section byte for byte.
 */
#include "tests/qtest/libqtest.h"

#include <glib/gstdio.h>

#include "accel/qtest/qtest.h"
#include "hw/dma/i8257.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "softmmu/mainloop.h"

static Device *pit, *pcspk, *rtc, *hpet_dev, *io;

static void build_board(void)
{
    static Irq *pic[16], *gsi[GSI_COUNT];
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    memory_init();
    accel = &accel_qtest;
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    isa_bus_new(NULL, &system_io, &system_memory);
    g_autoptr(Json) opts = json_object();
    json_set_str(opts, "base", "2020-02-28T23:59:50");
    json_set_str(opts, "clock", "vm");
    g_assert_true(rtc_configure(opts, NULL));
    g_assert_true(i8259_create(isa_bus, pic_int_line(), pic, NULL));
    g_assert_nonnull(io = ioapic_create(IOAPIC_BASE, NULL));
    gsi_create_lines(pic, io, gsi);
    g_assert_nonnull(hpet_dev = hpet_create(4, gsi, NULL));
    g_assert_nonnull(rtc = rtc_create(isa_bus, 2000, device_input(hpet_dev, HPET_IN_RTC), NULL));
    g_assert_nonnull(pit = i8254_create(isa_bus, device_input(hpet_dev, HPET_IN_PIT), NULL));
    g_assert_nonnull(pcspk = pcspk_create(isa_bus, pit, NULL));
    g_assert_true(i8257_create(isa_bus, NULL));
    devices_reset_all();
}

static void both_out(QTest *q, uint16_t port, uint8_t val)
{
    qtest_outb(q, port, val);
    io_write(port, val, 1);
}
static void both_write(QTest *q, uint64_t addr, uint32_t val)
{
    qtest_writel(q, addr, val);
    as_store(&as_memory, addr, 4, val, NULL);
}

/* The stream's section of that name and instance: its data begin there; NULL: there is none. */
static const uint8_t *section(const char *stream, size_t len, const char *name, uint32_t instance, uint32_t *version)
{
    size_t n = strlen(name);
    for (size_t i = 0; i + n + 14 < len; i++) {
        const uint8_t *p = (const uint8_t *)stream + i;
        if (p[0] == 4 && p[5] == n && !memcmp(p + 6, name, n) && ldl_be(p + 6 + n) == instance) {
            *version = ldl_be(p + 10 + n);
            return p + 14 + n;
        }
    }
    return NULL;
}

static bool compare(const char *stream, size_t len, const char *name, uint32_t instance, Device *dev)
{
    uint32_t version = 0;
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(dev, w, NULL));
    g_autoptr(GByteArray) ours = vm_writer_finish(w);
    const uint8_t *theirs = section(stream, len, name, instance, &version);
    g_assert_nonnull(theirs);
    g_assert_cmpuint(version, ==, dev->desc->vmstate->version);
    g_assert_cmpuint(theirs - (const uint8_t *)stream + ours->len, <, len);
    g_assert_cmphex(theirs[ours->len], ==, 0x7e); /* the footer: ours is as long as theirs */
    /* The time of counter 0's next transition: ours is the first ns at which it has happened, QEMU's is rounded down
     * and may be the one before. It is there twice. */
    static const unsigned rounded[] = {28, 100};
    for (unsigned i = 0; dev == pit && i < G_N_ELEMENTS(rounded); i++)
        if (ldq_be(ours->data + rounded[i]) == ldq_be(theirs + rounded[i]) + 1)
            memcpy(ours->data + rounded[i], theirs + rounded[i], 8);
    for (unsigned i = 0; i < ours->len; i++) {
        if (ours->data[i] != theirs[i]) {
            g_test_message("%s %u: byte %u of %u: ours %02x, Debian's %02x", name, instance, i, ours->len,
                           ours->data[i], theirs[i]);
            return false;
        }
    }
    return true;
}

static void compare_all(QTest *q)
{
    g_autofree char *file = g_build_filename(g_get_tmp_dir(), "chip-stream.XXXXXX", NULL), *stream = NULL;
    size_t len;
    int fd = g_mkstemp(file);
    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    json_unref(qtest_qmp(q, "{'execute':'migrate','arguments':{'uri':'exec:cat > %s'}}", file));
    for (unsigned i = 0;; i++) {
        g_autoptr(Json) r = qtest_qmp(q, "{'execute':'query-migrate'}");
        const char *status = json_get_str(r, "status");
        if (!g_strcmp0(status, "completed"))
            break;
        g_assert_cmpstr(status, !=, "failed");
        g_assert_cmpuint(i, <, 1000);
        g_usleep(10000);
    }
    g_assert_true(g_file_get_contents(file, &stream, &len, NULL));
    g_unlink(file);
    bool ok = compare(stream, len, "i8259", 0, i8259_master);
    ok &= compare(stream, len, "i8259", 1, i8259_slave);
    ok &= compare(stream, len, "ioapic", 0, io);
    ok &= compare(stream, len, "hpet", 0, hpet_dev);
    ok &= compare(stream, len, "mc146818rtc", 0, rtc);
    ok &= compare(stream, len, "i8254", 0, pit);
    ok &= compare(stream, len, "pcspk", 0, pcspk);
    ok &= compare(stream, len, "dma", 0, isa_bus->dma[0]);
    ok &= compare(stream, len, "dma", 1, isa_bus->dma[1]);
    g_assert_true(ok);
}

static QTest *start(void)
{
    if (!g_file_test(DEBIAN_BINARY, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("needs " DEBIAN_BINARY);
        return NULL;
    }
    QTest *q =
        qtest_start_binary(DEBIAN_BINARY, "-machine pc -nodefaults -m 16 -rtc base=2020-02-28T23:59:50,clock=vm");
    /* The CMOS bytes that a board writes are no concern of the chip's. */
    for (unsigned i = 0x0e; i < 0x80; i++)
        if (i != 0x32 && i != 0x37)
            both_out(q, 0x70, i), both_out(q, 0x71, 0);
    return q;
}

static void test_reset(void)
{
    QTest *q = start();
    if (!q)
        return;
    compare_all(q);
    qtest_kill(q);
}

static void test_programmed(void)
{
    QTest *q = start();
    if (!q)
        return;
    GRand *rand = g_rand_new_with_seed(4);
    static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x41, 0x42, 0x61, 0,    1,    2,    3,   4,
                                     5,    6,    7,    0xa,  0xb,   0xf,   0x81, 0x87, 0xc0, 0xc2, 0xd4, 0xd6, 0x8b};
    for (unsigned i = 0; i < 400; i++)
        both_out(q, ports[g_rand_int_range(rand, 0, G_N_ELEMENTS(ports))], g_rand_int(rand));
    for (unsigned n = 1; n < 3; n++) { /* counter 0's timer belongs to the main loop's clock: left as it is */
        both_out(q, 0x43, n << 6 | 0x36);
        both_out(q, 0x40 + n, 0x34);
    }
    for (unsigned pin = 0; pin < 24; pin++) {
        both_write(q, IOAPIC_BASE, 0x10 + 2 * pin);
        both_write(q, IOAPIC_BASE + 0x10, g_rand_int(rand) | 0x10000);
        both_write(q, IOAPIC_BASE, 0x11 + 2 * pin);
        both_write(q, IOAPIC_BASE + 0x10, g_rand_int(rand));
    }
    for (unsigned n = 0; n < 3; n++) {
        both_write(q, HPET_BASE + 0x108 + 0x20 * n, g_rand_int(rand));
        both_write(q, HPET_BASE + 0x100 + 0x20 * n, 0x108 << n);
        both_write(q, HPET_BASE + 0x110 + 0x20 * n, g_rand_int(rand));
    }
    static const uint8_t regs[] = {0, 1, 2, 3, 4, 5, 7, 8, 9};
    for (unsigned i = 0; i < sizeof(regs); i++) {
        both_out(q, 0x70, regs[i]);
        both_out(q, 0x71, 0x01 + i);
    }
    both_out(q, 0x70, 0x0b);
    both_out(q, 0x71, 0x06); /* binary */
    compare_all(q);
    g_rand_free(rand);
    qtest_kill(q);
}

static void hpet_store(unsigned reg, uint32_t val)
{
    as_store(&as_memory, HPET_BASE + reg, 4, val, NULL);
}

/* QEMU 7.2 lets a 32-bit timer have a period of half its range or more, which never leads to a time to come: timer 0's
 * loses its high bit. */
static void test_hpet_period(void)
{
    enum { PERIOD = 50 }; /* big endian, in the stream */
    VmWriter *w = vm_writer_new();

    devices_reset_all();
    hpet_store(0x100, 0x14c); /* enabled, periodic, 32 bits, both values */
    hpet_store(0x108, 1000);
    hpet_store(0x108, 0x7fd00000);
    g_assert_true(device_save(hpet_dev, w, NULL));
    g_autoptr(GByteArray) bytes = vm_writer_finish(w);
    g_assert_cmphex(ldq_be(bytes->data + PERIOD), ==, 0x7fd00000);
    bytes->data[PERIOD + 4] |= 0x80;
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_true(device_load(hpet_dev, r, NULL));
    vm_reader_free(r);
    hpet_store(0x10, 1);
    clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + 10000);
    g_assert_cmphex(as_load(&as_memory, HPET_BASE + 0x108, 4, NULL), ==, 1000 + 0x7fd00000);
    devices_reset_all();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    build_board();
    g_test_add_func("/chip-streams/reset", test_reset);
    g_test_add_func("/chip-streams/programmed", test_programmed);
    g_test_add_func("/chip-streams/hpet-period", test_hpet_period);
    return g_test_run();
}
