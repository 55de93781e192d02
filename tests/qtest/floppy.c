/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller: commands, both ways of transfer, media; and random commands beside Debian's binary. */
#include "tests/qtest/libqtest.h"

#include "util/util.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SRB = 0x3f1, DOR = 0x3f2, TDR = 0x3f3, MSR = 0x3f4, DSR = 0x3f4, FIFO = 0x3f5, CHANGE = 0x3f7, CCR = 0x3f7 };
enum { RQM = 0x80, DIO = 0x40, NONDMA = 0x20, BUSY = 0x10 };
enum { SIZE_144 = 2880 * 512, BUFFER = 0x20000 };

static void send_byte(QTest *q, uint8_t b)
{
    g_assert_cmphex(qtest_inb(q, MSR) & (RQM | DIO), ==, RQM);
    qtest_outb(q, FIFO, b);
}

static uint8_t result_byte(QTest *q)
{
    for (int i = 0; i < 2000 && (qtest_inb(q, MSR) & (RQM | DIO)) != (RQM | DIO); i++)
        g_usleep(100);
    g_assert_cmphex(qtest_inb(q, MSR) & (RQM | DIO), ==, RQM | DIO);
    return qtest_inb(q, FIFO);
}

/* Send, and read n result bytes. */
static void command(QTest *q, const uint8_t *cmd, size_t len, uint8_t *res, size_t n)
{
    for (size_t i = 0; i < len; i++)
        send_byte(q, cmd[i]);
    for (size_t i = 0; i < n; i++)
        res[i] = result_byte(q);
}
#define COMMAND(q, res, n, ...)                                                                                        \
    do {                                                                                                               \
        const uint8_t c_[] = {__VA_ARGS__};                                                                            \
        command(q, c_, sizeof(c_), res, n);                                                                            \
    } while (0)

static void controller_reset(QTest *q, bool dma)
{
    uint8_t r[2];
    qtest_outb(q, DOR, 0);
    qtest_outb(q, DOR, dma ? 0x1c : 0x14);
    for (int i = 0; i < 4; i++) {
        COMMAND(q, r, 2, 0x08);
        g_assert_cmphex(r[0], ==, 0xc0 + i);
    }
    qtest_outb(q, CCR, 0);
    COMMAND(q, NULL, 0, 0x03, 0xdf, dma ? 0x02 : 0x03);
    COMMAND(q, NULL, 0, 0x07, 0);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(r[0], ==, 0x20);
    g_assert_cmphex(r[1], ==, 0);
}

static QTest *start_with(const char *img)
{
    return img ? qtest_start("-m 32 -drive file=%s,format=raw,if=floppy,index=0", img) : qtest_start("-m 32");
}

static uint8_t cmos(QTest *q, uint8_t reg)
{
    qtest_outb(q, 0x70, reg);
    return qtest_inb(q, 0x71);
}

static void test_cmos(void)
{
    g_autofree char *img = qtest_image("cmos.img", SIZE_144, 1);
    QTest *q = start_with(img);
    g_assert_cmphex(cmos(q, 0x10), ==, 0x40);
    qtest_quit(q);
    q = start_with(NULL);
    g_assert_cmphex(cmos(q, 0x10), ==, 0x50); /* an empty drive is a 2.88 MB one */
    qtest_quit(q);
    g_unlink(img);
}

static void dma_setup(QTest *q, bool to_memory, uint32_t addr, uint32_t len)
{
    qtest_outb(q, 0x0a, 4 | 2);
    qtest_outb(q, 0x0c, 0);
    qtest_outb(q, 0x0b, (to_memory ? 0x44 : 0x48) | 2);
    qtest_outb(q, 4, addr);
    qtest_outb(q, 4, addr >> 8);
    qtest_outb(q, 0x81, addr >> 16);
    qtest_outb(q, 5, len - 1);
    qtest_outb(q, 5, (len - 1) >> 8);
    qtest_outb(q, 0x0a, 2);
}

static void test_dma(void)
{
    g_autofree char *img = qtest_image("dma.img", SIZE_144, 2);
    QTest *q = start_with(img);
    uint8_t want[512 * 20], got[512 * 20], r[7];
    controller_reset(q, true);
    /* Multi-track: sectors 17 and 18 of head 0, all of head 1, cylinder 3. */
    dma_setup(q, true, BUFFER, sizeof(got));
    COMMAND(q, r, 7, 0xe6, 0, 3, 0, 17, 2, 18, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0);
    g_assert_cmphex(r[3], ==, 4); /* the next: cylinder 4, sector 1 */
    g_assert_cmphex(r[5], ==, 1);
    qtest_file_part(img, (3 * 36 + 16) * 512, want, sizeof(want));
    qtest_memread(q, BUFFER, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
    /* Write two sectors. */
    for (size_t i = 0; i < 1024; i++)
        want[i] = (uint8_t)(i * 5);
    qtest_memwrite(q, BUFFER, want, 1024);
    dma_setup(q, false, BUFFER, 1024);
    COMMAND(q, r, 7, 0xc5, 0, 7, 0, 4, 2, 18, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0);
    qtest_file_part(img, (7 * 36 + 3) * 512, got, 1024);
    g_assert_cmpmem(got, 1024, want, 1024);
    /* VERIFY needs no DMA. */
    COMMAND(q, r, 7, 0x56, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0);
    qtest_quit(q);
    g_unlink(img);
}

static void test_pio(void)
{
    g_autofree char *img = qtest_image("pio.img", SIZE_144, 3);
    static const uint8_t counts[] = {1, 18};
    QTest *q = start_with(img);
    uint8_t want[512 * 18], r[7];
    controller_reset(q, false);
    for (size_t k = 0; k < sizeof(counts); k++) {
        qtest_file_part(img, 5 * 36 * 512, want, sizeof(want));
        COMMAND(q, NULL, 0, 0x46, 0, 5, 0, 1, 2, counts[k], 0x1b, 0xff);
        for (int i = 0; i < counts[k] * 512; i++) {
            if (i % 512 == 0)
                g_assert_cmphex(qtest_inb(q, MSR), ==, RQM | DIO | NONDMA | BUSY);
            g_assert_cmphex(qtest_inb(q, FIFO), ==, want[i]);
        }
        for (int i = 0; i < 7; i++)
            r[i] = result_byte(q);
        g_assert_cmphex(r[0] & 0xc0, ==, 0);
        g_assert_cmphex(qtest_inb(q, MSR), ==, RQM);
    }
    if (qtest_is_debian(q)) { /* QEMU's never ends a write without DMA at the last sector */
        qtest_quit(q);
        g_unlink(img);
        return;
    }
    COMMAND(q, NULL, 0, 0x45, 0, 6, 1, 2, 2, 2, 0x1b, 0xff);
    for (int i = 0; i < 512; i++)
        qtest_outb(q, FIFO, i ^ 0x5a);
    for (int i = 0; i < 7; i++)
        r[i] = result_byte(q);
    g_assert_cmphex(r[0], ==, 0x24);
    qtest_file_part(img, (6 * 36 + 18 + 1) * 512, want, 512);
    for (int i = 0; i < 512; i++)
        g_assert_cmphex(want[i], ==, (uint8_t)(i ^ 0x5a));
    /* Not there: sector 19, cylinder 90, drive B, another data rate. */
    COMMAND(q, r, 7, 0x46, 0, 0, 0, 19, 2, 19, 0x1b, 0xff);
    g_assert_cmphex(r[0], ==, 0x44);
    g_assert_cmphex(r[1], ==, 0x80);
    COMMAND(q, r, 7, 0x46, 0, 90, 0, 1, 2, 1, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0x40);
    COMMAND(q, r, 7, 0x46, 1, 5, 0, 1, 2, 1, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc3, ==, 0x41);
    qtest_outb(q, CCR, 2);
    COMMAND(q, r, 7, 0x46, 0, 5, 0, 1, 2, 1, 0x1b, 0xff);
    g_assert_cmphex(r[1], ==, 1);
    qtest_quit(q);
    g_unlink(img);
}

static void test_format(void)
{
    g_autofree char *img = qtest_image("format.img", SIZE_144, 4);
    QTest *q = start_with(img);
    if (qtest_is_debian(q)) {
        g_test_skip("QEMU's FORMAT TRACK does nothing");
        qtest_quit(q);
        return;
    }
    uint8_t ids[18 * 4], r[7], got[18 * 512];
    for (int i = 0; i < 18; i++)
        memcpy(ids + 4 * i, (uint8_t[]){9, 1, (uint8_t)(i + 1), 2}, 4);
    controller_reset(q, true);
    COMMAND(q, NULL, 0, 0x0f, 4, 9);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(r[1], ==, 9);
    qtest_memwrite(q, BUFFER, ids, sizeof(ids));
    dma_setup(q, false, BUFFER, sizeof(ids));
    COMMAND(q, r, 7, 0x4d, 4, 2, 18, 0x54, 0xf6);
    g_assert_cmphex(r[0] & 0xc0, ==, 0);
    qtest_file_part(img, (9 * 36 + 18) * 512, got, sizeof(got));
    for (size_t i = 0; i < sizeof(got); i++)
        g_assert_cmphex(got[i], ==, 0xf6);
    qtest_quit(q);
    g_unlink(img);
}

static void test_small_commands(void)
{
    g_autofree char *img = qtest_image("small.img", SIZE_144, 5);
    QTest *q = start_with(img);
    uint8_t r[16];
    controller_reset(q, true);
    COMMAND(q, r, 1, 0x10);
    g_assert_cmphex(r[0], ==, 0x90);
    COMMAND(q, r, 1, 0x18);
    g_assert_cmphex(r[0], ==, 0x41);
    COMMAND(q, r, 1, 0x94);
    g_assert_cmphex(r[0], ==, 0x10);
    COMMAND(q, NULL, 0, 0x13, 0, 0x57, 0x12);
    COMMAND(q, NULL, 0, 0x12, 0x84);
    COMMAND(q, NULL, 0, 0x0f, 0, 20);
    COMMAND(q, r, 2, 0x08);
    COMMAND(q, r, 10, 0x0e);
    g_assert_cmphex(r[0], ==, 20);
    g_assert_cmphex(r[6], ==, 18);
    g_assert_cmphex(r[7], ==, 0x90);
    g_assert_cmphex(r[8], ==, 0x57);
    g_assert_cmphex(r[9], ==, 0x12);
    /* Relative seeks stop at the ends. */
    COMMAND(q, NULL, 0, 0xcf, 0, 10);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(r[1], ==, 30);
    COMMAND(q, NULL, 0, 0xcf, 0, 200);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(r[1], ==, 79);
    COMMAND(q, NULL, 0, 0x8f, 0, 200);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(r[1], ==, 0);
    COMMAND(q, r, 1, 0x08); /* nothing is pending */
    g_assert_cmphex(r[0], ==, 0x80);
    COMMAND(q, r, 1, 0x04, 4);
    g_assert_cmphex(r[0], ==, 0x3c);
    COMMAND(q, r, 1, 0x1f); /* no such command */
    g_assert_cmphex(r[0], ==, 0x80);
    /* SAVE, then RESTORE of another. */
    COMMAND(q, r, 15, 0x2e);
    COMMAND(q, NULL, 0, 0x4e, 0, 0, 33, 0, 0, 0, 1, 2, 18, 0x80, 0x50, 7, 0, 0, 0, 0, 0);
    COMMAND(q, r, 10, 0x0e);
    g_assert_cmphex(r[0], ==, 33);
    g_assert_cmphex(r[8], ==, 0x50);
    qtest_quit(q);
    g_unlink(img);
}

static void test_read_id(void)
{
    g_autofree char *img = qtest_image("id.img", SIZE_144, 6);
    QTest *q = start_with(img);
    if (!qtest_has_clock(q)) {
        g_test_skip("needs the virtual clock");
        qtest_quit(q);
        return;
    }
    uint8_t r[7];
    controller_reset(q, true);
    COMMAND(q, NULL, 0, 0x0f, 0, 2);
    COMMAND(q, r, 2, 0x08);
    COMMAND(q, NULL, 0, 0x4a, 4);
    g_assert_cmphex(qtest_inb(q, MSR), ==, BUSY);
    qtest_clock_step(q, NS_PER_SEC / 50);
    for (int i = 0; i < 7; i++)
        r[i] = result_byte(q);
    g_assert_cmphex(r[0], ==, 0x04);
    g_assert_cmphex(r[3], ==, 2);
    g_assert_cmphex(r[4], ==, 1);
    g_assert_cmphex(r[6], ==, 2);
    /* At another rate nothing comes by. */
    qtest_outb(q, CCR, 2);
    COMMAND(q, NULL, 0, 0x4a, 0);
    qtest_clock_step(q, NS_PER_SEC / 50);
    for (int i = 0; i < 7; i++)
        r[i] = result_byte(q);
    g_assert_cmphex(r[0], ==, 0x40);
    g_assert_cmphex(r[1], ==, 1);
    qtest_quit(q);
    g_unlink(img);
}

static void test_media_change(void)
{
    g_autofree char *img = qtest_image("media.img", SIZE_144, 7);
    QTest *q = start_with(NULL);
    uint8_t r[7];
    controller_reset(q, false);
    g_assert_cmphex(qtest_inb(q, CHANGE), ==, 0x80);
    COMMAND(q, NULL, 0, 0x0f, 0, 3); /* a step does not help without a medium */
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(qtest_inb(q, CHANGE), ==, 0x80);
    COMMAND(q, r, 7, 0x46, 0, 3, 0, 1, 2, 1, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0x40);
    json_unref(qtest_qmp(
        q, "{'execute':'blockdev-change-medium','arguments':{'device':'floppy0','filename':'%s','format':'raw'}}",
        img));
    g_assert_cmphex(qtest_inb(q, CHANGE), ==, 0x80);
    COMMAND(q, NULL, 0, 0x0f, 0, 1);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(qtest_inb(q, CHANGE), ==, 0);
    json_unref(qtest_qmp(q, "{'execute':'eject','arguments':{'device':'floppy0'}}"));
    g_assert_cmphex(qtest_inb(q, CHANGE), ==, 0x80);
    COMMAND(q, NULL, 0, 0x0f, 0, 0);
    COMMAND(q, r, 2, 0x08);
    g_assert_cmphex(qtest_inb(q, CHANGE), ==, 0x80);
    qtest_quit(q);
    g_unlink(img);
}

static void test_read_only(void)
{
    g_autofree char *img = qtest_image("ro.img", SIZE_144, 8);
    QTest *q = qtest_start("-m 32 -drive file=%s,format=raw,if=floppy,index=0,readonly=on", img);
    uint8_t r[7];
    if (qtest_is_debian(q)) {
        g_test_skip("QEMU's controller hangs there");
        qtest_quit(q);
        return;
    }
    controller_reset(q, false);
    COMMAND(q, r, 1, 0x04, 0);
    g_assert_cmphex(r[0] & 0x40, ==, 0x40);
    COMMAND(q, r, 7, 0x45, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0x40);
    g_assert_cmphex(r[1], ==, 2);
    qtest_quit(q);
    g_unlink(img);
}

/* Whatever comes: the controller stays alive, and answers after a reset. */
static void test_fuzz(void)
{
    g_autofree char *img = qtest_image("fuzz.img", SIZE_144, 9);
    QTest *q = start_with(img);
    GRand *r = g_rand_new_with_seed(11);
    for (int i = 0; i < 20000; i++) {
        uint16_t port = (uint16_t)(0x3f0 + g_rand_int_range(r, 0, 8));
        if (port == 0x3f6)
            continue;
        if (g_rand_int_range(r, 0, 3))
            qtest_outb(q, g_rand_boolean(r) ? FIFO : port, g_rand_int(r));
        else
            qtest_inb(q, port);
    }
    qtest_outb(q, TDR, 0);
    qtest_outb(q, DOR, 0x0c);
    qtest_outb(q, DSR, 0x80);
    qtest_outb(q, DSR, 0);
    qtest_outb(q, TDR, 0);
    controller_reset(q, true);
    g_rand_free(r);
    qtest_quit(q);
    g_unlink(img);
}

/* ---- beside Debian's binary ---- */

typedef struct Pair {
    QTest *q[2];
    GString *log;
    bool differ;
} Pair;

static uint8_t both_in(Pair *p, uint16_t port)
{
    uint8_t a = qtest_inb(p->q[0], port), b = qtest_inb(p->q[1], port);
    if (a != b && !p->differ) {
        p->differ = true;
        g_test_message("port %x: ours %02x, theirs %02x\n%s", port, a, b, p->log->str);
        g_test_fail();
    }
    return b;
}

static void both_out(Pair *p, uint16_t port, uint8_t val)
{
    g_string_append_printf(p->log, "%x=%02x ", port, val);
    qtest_outb(p->q[0], port, val);
    qtest_outb(p->q[1], port, val);
}

static void both_regs(Pair *p)
{
    static const uint16_t ports[] = {SRB, DOR, TDR, MSR, CHANGE};
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        both_in(p, ports[i]);
}

static void test_walk(void)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip("Debian's binary is not installed");
        return;
    }
    /* Commands whose answers are comparable. Not: WRITE without DMA (theirs hangs at the end), FORMAT (theirs writes
     * nothing), VERIFY and SCAN without DMA (theirs read), READ ID (takes virtual time), DRIVE SPECIFICATION (theirs
     * hangs). */
    static const struct {
        uint8_t op, len;
    } ops[] = {{0x46, 9}, {0xc6, 9}, {0x42, 9}, {0x0f, 3}, {0x07, 2}, {0x08, 1}, {0x04, 2}, {0x03, 3},
               {0x0e, 1}, {0x10, 1}, {0x12, 2}, {0x13, 4}, {0x14, 1}, {0x94, 1}, {0x18, 1}, {0x2e, 1},
               {0xcf, 3}, {0x8f, 3}, {0x17, 3}, {0x33, 2}, {0x4c, 9}, {0x49, 9}, {0x01, 1}, {0x1f, 1}};
    g_autofree char *imgs[2] = {qtest_image("w0.img", SIZE_144, 10), qtest_image("w1.img", SIZE_144, 10)};
    g_autofree char *a0 = g_strdup_printf("-m 32 -drive file=%s,format=raw,if=floppy,index=0", imgs[0]);
    g_autofree char *a1 = g_strdup_printf("-m 32 -drive file=%s,format=raw,if=floppy,index=0", imgs[1]);
    Pair p = {.q = {qtest_start("%s", a0), qtest_start_binary(DEBIAN_BINARY, a1)}, .log = g_string_new(NULL)};
    const char *seed = g_getenv("WALK_SEED");
    GRand *r = g_rand_new_with_seed(seed ? (guint32)atoi(seed) : 1);
    for (int k = 0; k < 2; k++)
        controller_reset(p.q[k], false);
    for (int i = 0; i < 600 && !p.differ; i++) {
        size_t n = (size_t)g_rand_int_range(r, 0, ARRAY_SIZE(ops));
        uint8_t c[9] = {ops[n].op};
        if (p.log->len > 3000)
            g_string_erase(p.log, 0, 1000);
        g_string_append(p.log, "\n");
        for (int k = 1; k < 9; k++)
            c[k] = (uint8_t)g_rand_int(r);
        c[1] = g_rand_boolean(r) ? 4 : 0; /* a drive that is not there keeps a head's number in theirs */
        if (ops[n].len == 9) {
            c[2] = (uint8_t)g_rand_int_range(r, 0, g_rand_int_range(r, 0, 4) ? 80 : 256);
            c[3] = (uint8_t)g_rand_int_range(r, 0, 2);
            c[4] = (uint8_t)g_rand_int_range(
                r, 1, g_rand_int_range(r, 0, 4) ? 19 : 256); /* sector 0 is theirs, not hardware's */
            c[5] = g_rand_int_range(r, 0, 4) ? 2 : 0;        /* other sizes never end there */
            int eot = c[4] + g_rand_int_range(r, 0, 3);
            c[6] = (uint8_t)MAX(c[4], MIN(18, eot));
            c[8] |= 8; /* theirs gives the result's byte in place of the last of fewer than eight */
            if (c[0] == 0xc6)
                c[3] = 0; /* after head 1 theirs goes on to the next cylinder */
        } else if (c[0] == 0x03) {
            c[2] |= 1; /* no DMA */
        } else if (c[0] == 0x12 || c[0] == 0x13) {
            c[1] = (uint8_t)g_rand_int(r);
        } else if (g_rand_int_range(r, 0, 3)) {
            c[2] %= 80;
        }
        for (int k = 0; k < ops[n].len; k++)
            both_out(&p, FIFO, c[k]);
        both_regs(&p);
        /* Data and results until the controller wants a command again. */
        for (int k = 0; k < 40 * 512 + 16 && !p.differ; k++) {
            uint8_t msr = k % 64 && k % 512 < 500 ? 0 : both_in(&p, MSR);
            if (!msr)
                msr = qtest_inb(p.q[1], MSR);
            if ((msr & (RQM | BUSY)) != (RQM | BUSY))
                break;
            if (!(msr & DIO))
                break;
            both_in(&p, FIFO);
        }
        both_regs(&p);
        if (c[0] == 0x0f || c[0] == 0x07 || c[0] == 0xcf || c[0] == 0x8f) {
            both_out(&p, FIFO, 0x08); /* theirs keeps the seek's bit in ST0 until it is sensed */
            both_in(&p, FIFO);
            both_in(&p, FIFO);
        }
        if (g_rand_int_range(r, 0, 20) == 0) {
            both_out(&p, DOR, 0);
            both_out(&p, DOR, 0x14 | (g_rand_int(r) & 0x20));
            for (int k = 0; k < 4; k++) { /* theirs keeps a reset's status in ST0 until it is sensed */
                both_out(&p, FIFO, 0x08);
                both_in(&p, FIFO);
                both_in(&p, FIFO);
            }
            both_out(&p, FIFO, 0x03);
            both_out(&p, FIFO, 0);
            both_out(&p, FIFO, 1);
        }
        if (g_rand_int_range(r, 0, 10) == 0)
            both_out(&p, CCR, g_rand_int_range(r, 0, 3) ? 0 : g_rand_int_range(r, 0, 4));
        both_regs(&p);
    }
    for (int k = 0; k < 2; k++)
        qtest_quit(p.q[k]);
    gchar *d[2];
    gsize len[2];
    for (int k = 0; k < 2; k++) {
        g_assert_true(g_file_get_contents(imgs[k], &d[k], &len[k], NULL));
        g_unlink(imgs[k]);
    }
    if (len[0] != len[1] || memcmp(d[0], d[1], len[0])) {
        g_test_message("the images differ");
        g_test_fail();
    }
    for (int k = 0; k < 2; k++)
        g_free(d[k]);
    g_rand_free(r);
    g_string_free(p.log, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/floppy/cmos", test_cmos);
    g_test_add_func("/floppy/dma", test_dma);
    g_test_add_func("/floppy/pio", test_pio);
    g_test_add_func("/floppy/format", test_format);
    g_test_add_func("/floppy/small-commands", test_small_commands);
    g_test_add_func("/floppy/read-id", test_read_id);
    g_test_add_func("/floppy/media-change", test_media_change);
    g_test_add_func("/floppy/read-only", test_read_only);
    g_test_add_func("/floppy/fuzz", test_fuzz);
    g_test_add_func("/floppy/walk", test_walk);
    return g_test_run();
}
