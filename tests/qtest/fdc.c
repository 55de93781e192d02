/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isa-fdc and floppy: the commands of an 82077 with a disk in drive A, each beside Debian's binary where that is
 * installed. */
#include "tests/qtest/libqtest.h"

#include <glib/gstdio.h>
#include <unistd.h>

enum { DOR = 0x3f2, MSR = 0x3f4, FIFO = 0x3f5, DIGITAL_IN = 0x3f7 };
enum { RQM = 0x80, DIO = 0x40, DMA_BUF = 0x10000, IMAGE = 1440 * 1024, SECTOR = 512 };

typedef struct Pair {
    QTest *q[2]; /* ours, and Debian's or NULL */
    char *image[2];
} Pair;

/* Sector n is full of its own number. */
static void fill(uint8_t *buf, unsigned n)
{
    for (unsigned i = 0; i < SECTOR; i += 2) {
        buf[i] = (uint8_t)n;
        buf[i + 1] = (uint8_t)(n >> 8);
    }
}

static void start(Pair *p)
{
    bool debian = !access(DEBIAN_BINARY, X_OK);
    for (int k = 0; k < 1 + debian; k++) {
        g_autofree uint8_t *data = g_malloc(IMAGE);
        for (unsigned n = 0; n < IMAGE / SECTOR; n++)
            fill(data + n * SECTOR, n);
        int fd = g_file_open_tmp("fdc-XXXXXX", &p->image[k], NULL);
        close(fd);
        g_assert_true(g_file_set_contents(p->image[k], (char *)data, IMAGE, NULL));
        g_autofree char *args =
            g_strdup_printf("-machine pc -nodefaults -drive if=floppy,format=raw,file=%s", p->image[k]);
        p->q[k] = qtest_start_binary(k ? DEBIAN_BINARY : qtest_binary(), args);
    }
}

static void end(Pair *p)
{
    for (int k = 0; k < 2 && p->q[k]; k++) {
        qtest_quit(p->q[k]);
        g_unlink(p->image[k]);
        g_free(p->image[k]);
    }
}

/* The main status register when it lets one go on; time passes where it can be made to. */
static uint8_t ready(QTest *q)
{
    for (int i = 0; i < 20000; i++) {
        uint8_t msr = qtest_inb(q, MSR);
        if (msr & RQM)
            return msr;
        if (qtest_has_clock(q))
            qtest_clock_step(q, 1000000);
    }
    g_error("the controller is busy for ever");
}

/* A command to one controller; the results go to out, at most 16. */
static unsigned command(QTest *q, const uint8_t *in, unsigned n, uint8_t *out)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(ready(q) & DIO, ==, 0);
        qtest_outb(q, FIFO, in[i]);
    }
    unsigned got = 0;
    while (got < 16 && (ready(q) & (DIO | 0x10)) == (DIO | 0x10))
        out[got++] = qtest_inb(q, FIFO);
    return got;
}

/* The same to both: same results, which are returned. */
static unsigned both(Pair *p, const char *what, const uint8_t *in, unsigned n, uint8_t *out)
{
    uint8_t other[16];
    unsigned got = command(p->q[0], in, n, out);
    if (p->q[1]) {
        unsigned want = command(p->q[1], in, n, other);
        g_test_message("%s", what);
        g_assert_cmpmem(out, got, other, want);
    }
    return got;
}
#define BOTH(p, what, out, ...)                                                                                        \
    both(p, what, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), out)

static void out_both(Pair *p, uint16_t port, uint8_t val)
{
    for (int k = 0; k < 2 && p->q[k]; k++)
        qtest_outb(p->q[k], port, val);
}

/* Channel 2 of the DMA controller: to_memory as the disk is read. */
static void dma(Pair *p, bool to_memory, unsigned len)
{
    out_both(p, 0x0a, 6);
    out_both(p, 0x0c, 0);
    out_both(p, 0x0b, to_memory ? 0x46 : 0x4a);
    out_both(p, 0x04, DMA_BUF & 0xff);
    out_both(p, 0x04, DMA_BUF >> 8 & 0xff);
    out_both(p, 0x81, DMA_BUF >> 16);
    out_both(p, 0x05, (uint8_t)(len - 1));
    out_both(p, 0x05, (uint8_t)((len - 1) >> 8));
    out_both(p, 0x0a, 2);
}

static void init(Pair *p)
{
    uint8_t r[16];
    start(p);
    out_both(p, DOR, 0);
    out_both(p, DOR, 0x1c); /* out of reset, DMA and interrupts, motor A */
    for (int i = 0; i < 4; i++) {
        g_assert_cmpuint(BOTH(p, "sense interrupt after reset", r, 0x08), ==, 2);
        g_assert_cmphex(r[0], ==, 0xc0 | i);
    }
    BOTH(p, "specify", r, 0x03, 0xaf, 0x02);
    BOTH(p, "recalibrate", r, 0x07, 0x00);
    g_assert_cmpuint(BOTH(p, "sense interrupt", r, 0x08), ==, 2);
    g_assert_cmphex(r[0], ==, 0x20);
    g_assert_cmpuint(r[1], ==, 0);
}

static void test_identity(void)
{
    Pair p = {0};
    uint8_t r[16];
    init(&p);
    g_assert_cmpuint(BOTH(&p, "version", r, 0x10), ==, 1);
    g_assert_cmphex(r[0], ==, 0x90); /* an enhanced controller */
    BOTH(&p, "part id", r, 0x18);
    BOTH(&p, "dump registers", r, 0x0e);
    BOTH(&p, "sense drive status", r, 0x04, 0x00);
    BOTH(&p, "sense drive status of an absent drive", r, 0x04, 0x01);
    BOTH(&p, "configure", r, 0x13, 0, 0x57, 0);
    BOTH(&p, "lock", r, 0x94);
    BOTH(&p, "unlock", r, 0x14);
    BOTH(&p, "perpendicular", r, 0x12, 0x80);
    BOTH(&p, "an unknown command", r, 0x1f);
    g_assert_cmphex(r[0], ==, 0x80);
    BOTH(&p, "sense interrupt without one", r, 0x08);
    g_assert_cmphex(r[0], ==, 0x80);
    for (uint16_t port = 0x3f1; port < 0x3f8; port++)
        if (port != 0x3f6 && p.q[1])
            g_assert_cmphex(port << 8 | qtest_inb(p.q[0], port), ==, port << 8 | qtest_inb(p.q[1], port));
    end(&p);
}

static void test_seek(void)
{
    Pair p = {0};
    uint8_t r[16];
    init(&p);
    BOTH(&p, "seek to 17", r, 0x0f, 0x00, 17);
    BOTH(&p, "sense interrupt", r, 0x08);
    g_assert_cmphex(r[0], ==, 0x20);
    g_assert_cmpuint(r[1], ==, 17);
    BOTH(&p, "relative seek in", r, 0xcf, 0x00, 3);
    BOTH(&p, "sense interrupt", r, 0x08);
    BOTH(&p, "relative seek out", r, 0x8f, 0x00, 5);
    BOTH(&p, "sense interrupt", r, 0x08);
    BOTH(&p, "seek past the end", r, 0x0f, 0x00, 200);
    BOTH(&p, "sense interrupt", r, 0x08);
    BOTH(&p, "recalibrate", r, 0x07, 0x00);
    BOTH(&p, "sense interrupt", r, 0x08);
    g_assert_cmpuint(r[1], ==, 0);
    end(&p);
}

static void test_read(void)
{
    Pair p = {0};
    uint8_t r[16];
    static const struct {
        uint8_t cyl, head, sector, count;
    } at[] = {{0, 0, 1, 1}, {0, 0, 18, 1}, {0, 1, 1, 2}, {79, 1, 17, 2}, {40, 0, 5, 14}};
    init(&p);
    for (size_t i = 0; i < G_N_ELEMENTS(at); i++) {
        unsigned len = at[i].count * SECTOR, lba = (at[i].cyl * 2u + at[i].head) * 18 + at[i].sector - 1;
        uint8_t unit = (uint8_t)(at[i].head << 2);
        for (int k = 0; k < 2 && p.q[k]; k++)
            qtest_memset(p.q[k], DMA_BUF, 0xee, 16 * SECTOR);
        BOTH(&p, "seek", r, 0x0f, unit, at[i].cyl);
        BOTH(&p, "sense interrupt", r, 0x08);
        dma(&p, true, len);
        unsigned n = BOTH(&p, "read", r, 0x46, unit, at[i].cyl, at[i].head, at[i].sector, 2, 18, 0x1b, 0xff);
        g_assert_cmpuint(n, ==, 7);
        g_assert_cmphex(r[0] & 0xc0, ==, 0);
        for (int k = 0; k < 2 && p.q[k]; k++) {
            uint8_t got[15 * SECTOR], want[SECTOR];
            qtest_memread(p.q[k], DMA_BUF, got, len + SECTOR);
            for (unsigned s = 0; s < at[i].count; s++) {
                fill(want, lba + s);
                g_assert_cmpmem(got + s * SECTOR, SECTOR, want, SECTOR);
            }
            g_assert_cmphex(got[len], ==, 0xee); /* not a byte more */
        }
    }
    /* a sector that is not there */
    dma(&p, true, SECTOR);
    BOTH(&p, "read sector 19", r, 0x46, 0, 40, 0, 19, 2, 18, 0x1b, 0xff);
    g_assert_cmphex(r[0] & 0xc0, ==, 0x40);
    BOTH(&p, "read of a cylinder that is not there", r, 0x46, 0, 80, 0, 1, 2, 18, 0x1b, 0xff);
    end(&p);
}

static void test_write(void)
{
    Pair p = {0};
    uint8_t r[16], data[SECTOR];
    init(&p);
    for (unsigned i = 0; i < SECTOR; i++)
        data[i] = (uint8_t)(i * 5);
    for (int k = 0; k < 2 && p.q[k]; k++)
        qtest_memwrite(p.q[k], DMA_BUF, data, SECTOR);
    BOTH(&p, "seek", r, 0x0f, 0, 3);
    BOTH(&p, "sense interrupt", r, 0x08);
    dma(&p, false, SECTOR);
    g_assert_cmpuint(BOTH(&p, "write", r, 0x45, 0, 3, 0, 7, 2, 18, 0x1b, 0xff), ==, 7);
    g_assert_cmphex(r[0] & 0xc0, ==, 0);
    for (int k = 0; k < 2 && p.q[k]; k++) {
        qtest_quit(p.q[k]);
        g_autofree char *image = NULL;
        gsize len;
        g_assert_true(g_file_get_contents(p.image[k], &image, &len, NULL));
        g_assert_cmpmem(image + (3 * 2 * 18 + 6) * SECTOR, SECTOR, data, SECTOR);
        uint8_t next[SECTOR];
        fill(next, 3 * 2 * 18 + 7);
        g_assert_cmpmem(image + (3 * 2 * 18 + 7) * SECTOR, SECTOR, next, SECTOR);
        g_unlink(p.image[k]);
        g_free(p.image[k]);
    }
}

/* A disk that goes and comes: the disk change line. */
static void test_change(void)
{
    Pair p = {0};
    uint8_t r[16];
    init(&p);
    for (int k = 0; k < 2 && p.q[k]; k++) {
        json_unref(qtest_qmp(
            p.q[k], "{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"eject floppy0\"}}"));
        g_assert_cmphex(qtest_inb(p.q[k], DIGITAL_IN) & 0x80, ==, 0x80);
    }
    BOTH(&p, "seek", r, 0x0f, 0, 1);
    BOTH(&p, "sense interrupt", r, 0x08);
    for (int k = 0; k < 2 && p.q[k]; k++)
        g_assert_cmphex(qtest_inb(p.q[k], DIGITAL_IN) & 0x80, ==, 0x80); /* still none */
    end(&p);
}

/* The registers; what the FIFO answers to random bytes is another matter. */
static void test_walk(void)
{
    static const WalkRegion regions[] = {{.base = 0x3f1, .count = 4}, {.base = DIGITAL_IN, .count = 1}, {0}};
    static const Walk walk = {.args = "-machine pc -nodefaults", .regions = regions};
    qtest_walk(&walk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fdc/identity", test_identity);
    g_test_add_func("/fdc/seek", test_seek);
    g_test_add_func("/fdc/read", test_read);
    g_test_add_func("/fdc/write", test_write);
    g_test_add_func("/fdc/change", test_change);
    g_test_add_func("/fdc/walk", test_walk);
    return g_test_run();
}
