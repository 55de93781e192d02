/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA: registers, memory window, dispi, EDID and pictures, each beside Debian's binary: random accesses must
 * read the same and random modes must give the same pixels by screendump. What is not compared says why.
 */
#include "tests/qtest/libqtest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define VGA_ARGS "-nodefaults -device VGA,addr=2"
#define LFB      0xe0000000ULL
#define MMIO     0xe2000000ULL
#define DEVFN    (2 << 3)

static void map_bars(QTest *q)
{
    qtest_pci_write(q, 0, DEVFN, 0x10, 4, LFB);
    qtest_pci_write(q, 0, DEVFN, 0x18, 4, MMIO);
    qtest_pci_write(q, 0, DEVFN, 0x04, 2, 3);
}

/* Walks */

static const WalkStep walk_setup[] = {
    /* misc output: colour; BARs by configuration mechanism 1 */
    {true, false, 0x3c2, 0x01, 1}, {true, false, 0xcf8, 0x80001010, 4},
    {true, false, 0xcfc, LFB, 4},  {true, false, 0xcf8, 0x80001018, 4},
    {true, false, 0xcfc, MMIO, 4}, {true, false, 0xcf8, 0x80001004, 4},
    {true, false, 0xcfc, 3, 2},    {0},
};

/* Indexes that exist, plausible values, colour emulation mostly on: else a walk reads little but all ones. */
static bool port_filter(WalkStep *s, GRand *rand)
{
    static const uint16_t interesting[] = {0x3c0, 0x3c0, 0x3c0, 0x3c1, 0x3c4, 0x3c5, 0x3c8, 0x3c9, 0x3c9, 0x3ce,
                                           0x3cf, 0x3d4, 0x3d5, 0x3da, 0x3b4, 0x3b5, 0x3ba, 0x3c7, 0x3cc, 0x3c2};

    if (s->mmio)
        return true;
    if (g_rand_boolean(rand)) {
        s->addr = interesting[g_rand_int_range(rand, 0, ARRAY_SIZE(interesting))];
        s->size = 1;
        s->val &= 0xff;
    }
    if (!s->write)
        return true;
    if (s->addr <= 0x3c2 && s->addr + s->size > 0x3c2) {
        s->addr = 0x3c2;
        s->size = 1;
        s->val = (s->val & 0xff) | (g_rand_int_range(rand, 0, 4) ? 1 : 0);
    } else if (g_rand_boolean(rand) && s->size == 1 && (s->addr == 0x3c4 || s->addr == 0x3ce)) {
        s->val &= 0x0f;
    }
    return true;
}

static void test_port_walk(void)
{
    const WalkRegion regions[] = {
        {false, 0x3b0, 0x30, 1 | 2, 4},      {true, 0xa0000, 0x20000, 1 | 2 | 4, 1},
        {true, 0xa0000, 0x40, 1 | 2 | 4, 1}, {true, 0xb8000, 0x40, 1 | 2 | 4, 1},
        {true, LFB, 0x100, 1 | 2 | 4, 1},    {0},
    };
    qtest_walk(&(const Walk){.args = VGA_ARGS, .regions = regions, .before = walk_setup, .filter = port_filter});
}

/* Through the dispi registers too. 4 bits a pixel is not mixed with the others: Debian's keeps the chain-4 of an
 * earlier mode in a shadow that no register shows. */
static bool dispi_filter(WalkStep *s, GRand *rand)
{
    static const uint8_t depths[] = {8, 15, 16, 24, 32};
    static unsigned index;

    if (s->mmio && s->addr < MMIO)
        return true;
    if (s->mmio || s->addr < 0x1ce || s->addr > 0x1d1)
        return port_filter(s, rand);
    if (s->write && g_rand_boolean(rand)) {
        s->addr = 0x1ce;
        s->size = 2;
        s->val = index = g_rand_int_range(rand, 0, 12);
    } else if (s->write) {
        if (s->addr == 0x1ce)
            s->addr = 0x1d0;
        s->size = 2;
        s->val &= 0xffff;
        if (index == 3)
            s->val = depths[g_rand_int_range(rand, 0, ARRAY_SIZE(depths))];
        else if (index == 4 && g_rand_boolean(rand))
            s->val &= 0xe1;
    }
    return true;
}

static void test_dispi_walk(void)
{
    const WalkRegion regions[] = {
        {false, 0x1ce, 4, 1 | 2, 2},
        {false, 0x3c0, 0x20, 1 | 2, 2},
        {true, 0xa0000, 0x20000, 1 | 2 | 4, 1},
        {true, LFB, 0x10000, 1 | 2 | 4, 1},
        {0},
    };
    qtest_walk(
        &(const Walk){.args = VGA_ARGS, .regions = regions, .before = walk_setup, .filter = dispi_filter, .seed = 2});
}

/* Pictures */

typedef struct Picture {
    unsigned width, height;
    uint8_t *pixels;
} Picture;
typedef struct Pair {
    QTest *q[2]; /* ours, Debian's */
    char *file[2];
} Pair;

static Picture load_ppm(const char *file)
{
    Picture p = {0};
    g_autofree char *text = NULL;
    size_t len;
    int head = 0;

    g_assert_true(g_file_get_contents(file, &text, &len, NULL));
    g_assert_cmpint(sscanf(text, "P6\n%u %u\n255%n", &p.width, &p.height, &head), ==, 2);
    head++;
    p.pixels = g_malloc((size_t)p.width * p.height * 3);
    /* Debian's pads lines to 4 bytes, which PPM does not know. */
    size_t stride = (len - head) / p.height;
    for (unsigned y = 0; y < p.height; y++)
        memcpy(p.pixels + (size_t)y * p.width * 3, text + head + y * stride, (size_t)p.width * 3);
    return p;
}

static Picture dump(QTest *q, const char *file)
{
    json_unref(qtest_qmp(q, "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", file));
    return load_ppm(file);
}

static void compare(Pair *d, const char *what)
{
    Picture a = dump(d->q[0], d->file[0]), b = dump(d->q[1], d->file[1]);

    if (a.width != b.width || a.height != b.height)
        g_error("%s: %ux%u, Debian's is %ux%u", what, a.width, a.height, b.width, b.height);
    for (size_t i = 0; i < (size_t)a.width * a.height; i++) {
        const uint8_t *x = a.pixels + i * 3, *y = b.pixels + i * 3;

        if (memcmp(x, y, 3))
            g_error("%s: at %zu,%zu of %ux%u: %02x%02x%02x, Debian's is %02x%02x%02x", what, i % a.width, i / a.width,
                    a.width, a.height, x[0], x[1], x[2], y[0], y[1], y[2]);
    }
    g_free(a.pixels);
    g_free(b.pixels);
}

static bool pair_start(Pair *d, const char *args)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip("Debian's binary is not installed");
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        d->q[i] = i ? qtest_start_binary(DEBIAN_BINARY, args) : qtest_start("%s", args);
        d->file[i] = g_strdup_printf("%s/vga-%d-%u.ppm", g_get_tmp_dir(), (int)getpid(), i);
        map_bars(d->q[i]);
    }
    return true;
}

static void pair_end(Pair *d)
{
    for (unsigned i = 0; i < 2; i++) {
        qtest_quit(d->q[i]);
        unlink(d->file[i]);
        g_free(d->file[i]);
    }
}

static void out8(Pair *d, uint16_t port, uint8_t val)
{
    qtest_outb(d->q[0], port, val);
    qtest_outb(d->q[1], port, val);
}
static void out16(Pair *d, uint16_t port, uint16_t val)
{
    qtest_outw(d->q[0], port, val);
    qtest_outw(d->q[1], port, val);
}
static void attr(Pair *d, uint8_t index, uint8_t val)
{
    qtest_inb(d->q[0], 0x3da);
    qtest_inb(d->q[1], 0x3da);
    out8(d, 0x3c0, index);
    out8(d, 0x3c0, val);
}
static void dispi(Pair *d, uint16_t index, uint16_t val)
{
    out16(d, 0x1ce, index);
    out16(d, 0x1d0, val);
}

static void fill_memory(Pair *d, GRand *rand, size_t len)
{
    g_autofree uint32_t *data = g_new(uint32_t, len / 4);

    for (size_t i = 0; i < len / 4; i++)
        data[i] = g_rand_int(rand);
    for (size_t at = 0; at < len; at += 0x4000)
        for (unsigned i = 0; i < 2; i++)
            qtest_memwrite(d->q[i], LFB + at, (uint8_t *)data + at, 0x4000);
}

#define PICK(rand, ...)                                                                                                \
    ((const int[]){__VA_ARGS__}[g_rand_int_range(rand, 0, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))])

typedef enum Kind { TEXT, PLANAR, CGA, CHUNKY, DISPI, KINDS } Kind;

/*
 * A random mode of a kind. Left out: blinking and underlined characters, the cursor and pixel panning, which Debian's
 * does not draw as the hardware does; the plane mask where the shifter is CGA's, which its QEMU applies before the
 * shifter.
 */
static void random_mode(Pair *d, GRand *rand, Kind kind)
{
    uint8_t cr[25] = {0}, sr[5] = {3, 0, 0x0f, 0, 2}, gr[9] = {0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff}, ar[21] = {0};
    unsigned lines = PICK(rand, 400, 350, 480, 200, -1), start = PICK(rand, 0, 0, -1), compare_line;

    lines = lines == -1U ? (unsigned)g_rand_int_range(rand, 21, 600) : lines;
    start = start == -1U ? (unsigned)g_rand_int_range(rand, 0, 65536) : start;
    cr[1] = PICK(rand, 79, 39, -1);
    if (cr[1] == 0xff)
        cr[1] = g_rand_int_range(rand, 4, 120);
    cr[0x12] = lines - 1;
    cr[7] = ((lines - 1) >> 7 & 2) | ((lines - 1) >> 3 & 0x40);
    compare_line = g_rand_boolean(rand) ? 0x3ff : g_rand_int_range(rand, 0, 1024);
    cr[0x18] = compare_line;
    cr[7] |= compare_line >> 4 & 0x10;
    cr[9] = compare_line >> 3 & 0x40;
    cr[0x13] = PICK(rand, 40, 20, 80, (cr[1] + 1) / 2, -1);
    cr[0x0c] = start >> 8;
    cr[0x0d] = start;
    cr[0x14] = 0x1f;
    cr[0x17] = 0xa3;
    for (unsigned i = 0; i < 16; i++)
        ar[i] = g_rand_int_range(rand, 0, 64);
    ar[0x10] = PICK(rand, 0, 0, 0x80);
    ar[0x12] = 0x0f;
    ar[0x14] = g_rand_int_range(rand, 0, 16);
    sr[1] = PICK(rand, 0, 1, 1, 8, 9);
    switch (kind) {
    case TEXT:
        cr[9] |= PICK(rand, 15, 7, 13, 1, 24, 30);
        cr[6] = PICK(rand, 0, 0, 0, 0, 100);
        cr[0x0a] = 0x20;
        ar[0x10] |= PICK(rand, 0, 4);
        sr[3] = PICK(rand, 0, g_rand_int_range(rand, 0, 64));
        break;
    case PLANAR:
        gr[5] = 0;
        gr[6] = 5;
        ar[0x10] |= 1;
        ar[0x12] = PICK(rand, 15, 15, g_rand_int_range(rand, 0, 16));
        cr[9] |= PICK(rand, 0, 0x80, 1, g_rand_int_range(rand, 0, 32));
        cr[0x17] = PICK(rand, 0xe3, 0xe3, 0xa3, 0xe0, 0xe1, 0xe2, 0xc2);
        break;
    case CGA:
        gr[5] = 0x30;
        gr[6] = 0x0f;
        ar[0x10] |= 1;
        cr[9] |= PICK(rand, 1, 0x81, 0x80, g_rand_int_range(rand, 0, 32));
        cr[0x17] = PICK(rand, 0xa2, 0xa2, 0xe2, 0xa0, 0xe3);
        break;
    case CHUNKY:
        gr[5] = 0x40;
        gr[6] = 5;
        sr[4] = 0x0e;
        ar[0x10] |= 0x41;
        cr[9] |= PICK(rand, 1, 0x41, 0x80, 0);
        cr[0x17] = PICK(rand, 0xa3, 0xe3, 0xe0);
        break;
    default:
        gr[6] = 1;
        break;
    }
    dispi(d, 4, 0);
    out8(d, 0x3c2, 0x67);
    /* Off for a moment: Debian's draws the new mode as a whole only then. */
    attr(d, 0, 0);
    json_unref(qtest_qmp(d->q[1], "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", d->file[1]));
    for (unsigned i = 0; i < ARRAY_SIZE(sr); i++)
        out16(d, 0x3c4, sr[i] << 8 | i);
    for (unsigned i = 0; i < ARRAY_SIZE(gr); i++)
        out16(d, 0x3ce, gr[i] << 8 | i);
    out16(d, 0x3d4, 0x0011);
    for (unsigned i = 0; i < ARRAY_SIZE(cr); i++)
        out16(d, 0x3d4, cr[i] << 8 | i);
    for (unsigned i = 0; i < ARRAY_SIZE(ar); i++)
        attr(d, i, ar[i]);
    out8(d, 0x3c0, 0x20);
    out8(d, 0x3c8, g_rand_int_range(rand, 0, 256));
    for (unsigned i = 0; i < 60; i++)
        out8(d, 0x3c9, g_rand_int_range(rand, 0, 256));
    if (kind == DISPI) {
        dispi(d, 1, PICK(rand, 640, 320, 800, g_rand_int_range(rand, 8, 1100)));
        dispi(d, 2, PICK(rand, 480, 200, g_rand_int_range(rand, 1, 700)));
        dispi(d, 3, PICK(rand, 4, 8, 15, 16, 24, 32));
        dispi(d, 4, PICK(rand, 0xc1, 0x81, 0xe1));
        if (g_rand_boolean(rand))
            dispi(d, 6, g_rand_int_range(rand, 0, 2000));
        if (g_rand_boolean(rand)) {
            dispi(d, 8, g_rand_int_range(rand, 0, 200));
            dispi(d, 9, g_rand_int_range(rand, 0, 200));
        }
    }
}

static void test_pictures(const void *data)
{
    Kind kind = GPOINTER_TO_INT(data);
    g_autoptr(GRand) rand = g_rand_new_with_seed(kind + 1);
    Pair d;

    if (!pair_start(&d, VGA_ARGS))
        return;
    fill_memory(&d, rand, 0x100000);
    for (unsigned i = 0; i < 12; i++) {
        g_autofree char *what = g_strdup_printf("kind %d, mode %u", kind, i);
        g_autofree char *again = g_strdup_printf("kind %d, mode %u after writes", kind, i);

        random_mode(&d, rand, kind);
        compare(&d, what);
        /* What changed alone is drawn again. Glyphs stay: Debian's sees a font only where it is written through the
         * window. */
        for (unsigned n = 0; n < 20; n++) {
            uint64_t at = LFB + (g_rand_int_range(rand, 0, 0x40000) & ~(kind == TEXT ? 2 : 0));
            uint8_t val = g_rand_int_range(rand, 0, 256);

            qtest_writeb(d.q[0], at, val);
            qtest_writeb(d.q[1], at, val);
        }
        compare(&d, again);
    }
    pair_end(&d);
}

/* EDID and the rest of the registers' BAR. */

static void test_edid(void)
{
    static const char *const props[] = {
        "",
        ",xres=1920,yres=1080",
        ",xres=5000,yres=3000",
        ",xmax=1024,ymax=768",
        ",xmax=1920,ymax=1440",
        ",xres=2560,yres=1600,refresh_rate=200000",
        ",xmax=1856,ymax=1392",
        ",xres=100",
        ",edid=off",
    };
    for (size_t i = 0; i < ARRAY_SIZE(props); i++) {
        g_autofree char *args = g_strdup_printf(VGA_ARGS "%s", props[i]);
        uint8_t ours[0x400], theirs[0x400];
        Pair d;

        if (!pair_start(&d, args))
            return;
        qtest_memread(d.q[0], MMIO, ours, sizeof(ours));
        qtest_memread(d.q[1], MMIO, theirs, sizeof(theirs));
        for (size_t n = 0; n < sizeof(ours); n++)
            if (ours[n] != theirs[n])
                g_error("VGA%s: EDID byte 0x%zx is %02x, Debian's is %02x", props[i], n, ours[n], theirs[n]);
        pair_end(&d);
    }
}

static void test_mmio(void)
{
    QTest *q = qtest_start(VGA_ARGS);

    map_bars(q);
    qtest_writeb(q, MMIO + 0x402, 0x67);
    g_assert_cmphex(qtest_inb(q, 0x3cc), ==, 0x67);
    qtest_writew(q, MMIO + 0x404, 0x0f02); /* index and data in one */
    g_assert_cmphex(qtest_readw(q, MMIO + 0x404), ==, 0x0f02);
    g_assert_cmphex(qtest_readw(q, MMIO + 0x500), ==, 0xb0c5);
    qtest_writew(q, MMIO + 0x502, 0x280);
    qtest_outw(q, 0x1ce, 1);
    g_assert_cmphex(qtest_inw(q, 0x1d0), ==, 0x280);
    g_assert_cmphex(qtest_readl(q, MMIO + 0x600), ==, 8);
    g_assert_cmphex(qtest_readl(q, MMIO + 0x604), ==, 0x1e1e1e1e);
    qtest_writel(q, MMIO + 0x604, 0xbebebebe);
    g_assert_cmphex(qtest_readl(q, MMIO + 0x604), ==, 0xbebebebe);
    qtest_writel(q, MMIO + 0x604, 0x12345678);
    g_assert_cmphex(qtest_readl(q, MMIO + 0x604), ==, 0xbebebebe);
    qtest_quit(q);
}

/* What Debian's does not draw: panning would need it, so do the colours of a byte order that is not the host's. */
static void test_big_endian(void)
{
    g_autofree char *file = g_strdup_printf("%s/vga-%d.ppm", g_get_tmp_dir(), (int)getpid());
    QTest *q = qtest_start(VGA_ARGS);
    static const uint16_t mode[][2] = {{1, 64}, {2, 2}, {3, 32}, {4, 0x41}};
    Picture p;

    map_bars(q);
    for (size_t i = 0; i < ARRAY_SIZE(mode); i++) {
        qtest_outw(q, 0x1ce, mode[i][0]);
        qtest_outw(q, 0x1d0, mode[i][1]);
    }
    qtest_inb(q, 0x3ba); /* mono after a reset */
    qtest_outb(q, 0x3c0, 0x20);
    qtest_writel(q, LFB, 0x00112233);
    p = dump(q, file);
    g_assert_cmpuint(p.width, ==, 64);
    g_assert_cmpuint(p.height, ==, 2);
    g_assert_cmpmem(p.pixels, 3, "\x11\x22\x33", 3);
    g_free(p.pixels);
    qtest_writel(q, MMIO + 0x604, 0xbebebebe);
    p = dump(q, file);
    g_assert_cmpmem(p.pixels, 3, "\x22\x11\x00", 3);
    g_free(p.pixels);
    unlink(file);
    qtest_quit(q);
}

static void set(QTest *q, uint16_t port, uint8_t index, uint8_t val)
{
    qtest_outw(q, port, val << 8 | index);
}
static void set_attr(QTest *q, uint8_t index, uint8_t val)
{
    qtest_inb(q, 0x3da);
    qtest_outb(q, 0x3c0, index | 0x20);
    qtest_outb(q, 0x3c0, val);
}

/* Smooth scrolling, which Debian's does not do: the picture is the unscrolled one, moved. */
static void test_panning(void)
{
    g_autofree char *file = g_strdup_printf("%s/vga-%d.ppm", g_get_tmp_dir(), (int)getpid());
    g_autofree uint8_t *noise = g_malloc(0x10000);
    QTest *q = qtest_start(VGA_ARGS);

    map_bars(q);
    for (unsigned i = 0; i < 0x10000; i++)
        noise[i] = g_test_rand_int();
    qtest_memwrite(q, LFB, noise, 0x10000);
    qtest_outb(q, 0x3c2, 1);
    for (unsigned i = 0; i < 16; i++)
        set_attr(q, i, i);
    qtest_outb(q, 0x3c8, 0);
    for (unsigned i = 0; i < 768; i++)
        qtest_outb(q, 0x3c9, i * 7);
    set(q, 0x3c4, 1, 1);
    set(q, 0x3d4, 0x01, 19); /* 160 pixels, 64 lines, rows of 8 scans, 40 cells of memory */
    set(q, 0x3d4, 0x12, 63);
    set(q, 0x3d4, 0x13, 20);
    set(q, 0x3d4, 0x14, 0x1f);
    set(q, 0x3d4, 0x17, 0xe3);
    set(q, 0x3d4, 0x18, 0xff);
    set(q, 0x3d4, 0x07, 0x10);
    set(q, 0x3d4, 0x0a, 0x20);
    set_attr(q, 0x12, 15);
    for (unsigned graphics = 0; graphics < 2; graphics++) {
        Picture base, moved;

        set(q, 0x3ce, 6, 0x04 | graphics);
        set(q, 0x3d4, 0x09, 0x47);
        set_attr(q, 0x13, 0);
        set(q, 0x3d4, 0x08, 0);
        base = dump(q, file);
        g_assert_cmpuint(base.width, ==, 160);
        g_assert_cmpuint(base.height, ==, 64);
        set_attr(q, 0x13, 3);
        set(q, 0x3d4, 0x08, 5);
        moved = dump(q, file);
        for (unsigned y = 0; y + 8 < base.height; y++)
            for (unsigned x = 0; x + 8 < base.width; x++)
                g_assert_cmpmem(moved.pixels + (y * base.width + x) * 3, 3,
                                base.pixels + ((y + 5) * base.width + x + 3) * 3, 3);
        g_free(base.pixels);
        g_free(moved.pixels);
    }
    unlink(file);
    qtest_quit(q);
}

static void test_screendump(void)
{
    g_autofree char *file = g_strdup_printf("%s/vga-%d.png", g_get_tmp_dir(), (int)getpid()), *data = NULL;
    g_autofree char *e1 = NULL, *e2 = NULL, *e3 = NULL, *e4 = NULL;
    size_t len;
    QTest *q = qtest_start("-nodefaults -device VGA,id=card");

    json_unref(qtest_qmp(q,
                         "{'execute': 'screendump', 'arguments': {'filename': '%s', 'format': 'png', 'device': 'card', "
                         "'head': 0}}",
                         file));
    g_assert_true(g_file_get_contents(file, &data, &len, NULL));
    g_assert_cmpuint(len, >, 60);
    g_assert_cmpmem(data, 8, "\x89PNG\r\n\x1a\n", 8);
    unlink(file);
    e1 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': '/nonexistent/x'}}");
    g_assert_nonnull(strstr(e1, "/nonexistent/x"));
    e2 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': 'x', 'device': 'nodev'}}");
    g_assert_cmpstr(e2, ==, "Device 'nodev' not found");
    e3 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': 'x', 'head': 1}}");
    g_assert_cmpstr(e3, ==, "'head' must be specified together with 'device'");
    e4 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': 'x', 'format': 'bmp'}}");
    g_assert_nonnull(strstr(e4, "bmp"));
    qtest_quit(q);
    q = qtest_start("-nodefaults -vga none");
    g_free(e1);
    e1 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': 'x'}}");
    g_assert_cmpstr(e1, ==, "There is no console to take a screendump from");
    qtest_quit(q);
}

static void shoot(QTest *q, const char *file)
{
    json_unref(qtest_qmp(q, "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", file));
}

/* A file that is there is written in place, not replaced: its mode, its other names and links to it stay. One that
 * cannot be written whole is removed only where it was not there before. */
static void test_screendump_in_place(void)
{
    g_autofree char *dir = g_dir_make_tmp("vga-XXXXXX", NULL), *file = g_build_filename(dir, "file", NULL);
    g_autofree char *other = g_build_filename(dir, "other", NULL), *link = g_build_filename(dir, "link", NULL);
    g_autofree char *target = g_build_filename(dir, "target", NULL), *old = g_strnfill(2000000, 'x');
    g_autofree char *fresh = g_build_filename(dir, "fresh", NULL), *e1 = NULL, *e2 = NULL;
    struct rlimit limit;
    struct stat a, b;
    size_t size = strlen("P6\n640 480\n255\n") + (size_t)3 * 640 * 480;
    QTest *q = qtest_start("-nodefaults -device VGA");
    int fd;

    g_assert_true(g_file_set_contents(file, old, -1, NULL));
    g_assert_cmpint(chmod(file, 0640), ==, 0);
    g_assert_cmpint(linkat(AT_FDCWD, file, AT_FDCWD, other, 0), ==, 0);
    shoot(q, file);
    g_assert_cmpint(stat(file, &a), ==, 0);
    g_assert_cmpint(stat(other, &b), ==, 0);
    g_assert_cmpuint(a.st_ino, ==, b.st_ino);
    g_assert_cmphex(a.st_mode & 07777, ==, 0640);
    g_assert_cmpint(a.st_size, ==, size);
    g_assert_cmpint(symlink("target", link), ==, 0);
    shoot(q, link);
    g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    g_assert_cmpint(stat(target, &a), ==, 0);
    g_assert_cmpint(a.st_size, ==, size);
    qtest_quit(q);

    fd = open(file, O_WRONLY | O_TRUNC); /* the emulator inherits it */
    q = qtest_start("-nodefaults -device VGA -add-fd fd=%d,set=7", fd);
    shoot(q, "/dev/fdset/7");
    g_assert_cmpint(fstat(fd, &a), ==, 0);
    g_assert_cmpint(a.st_size, ==, size);
    close(fd);
    qtest_quit(q);

    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, limit.rlim_max});
    q = qtest_start("-nodefaults -device VGA");
    setrlimit(RLIMIT_FSIZE, &limit);
    e1 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", fresh);
    g_assert_nonnull(strstr(e1, fresh));
    g_assert_false(g_file_test(fresh, G_FILE_TEST_EXISTS));
    e2 = qtest_qmp_error(q, "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", file);
    g_assert_nonnull(strstr(e2, file));
    g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
    qtest_quit(q);
    signal(SIGXFSZ, SIG_DFL);
    g_assert_cmpint(unlink(file) | unlink(other) | unlink(link) | unlink(target), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {"text", "planar", "cga", "chunky", "dispi"};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vga/walk/ports", test_port_walk);
    g_test_add_func("/vga/walk/dispi", test_dispi_walk);
    for (Kind k = 0; k < KINDS; k++) {
        g_autofree char *name = g_strdup_printf("/vga/pictures/%s", kinds[k]);
        g_test_add_data_func(name, GINT_TO_POINTER(k), test_pictures);
    }
    g_test_add_func("/vga/edid", test_edid);
    g_test_add_func("/vga/mmio", test_mmio);
    g_test_add_func("/vga/big-endian", test_big_endian);
    g_test_add_func("/vga/panning", test_panning);
    g_test_add_func("/vga/screendump", test_screendump);
    g_test_add_func("/vga/screendump-in-place", test_screendump_in_place);
    return g_test_run();
}
