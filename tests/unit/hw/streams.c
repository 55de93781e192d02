/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sections that i8042, its keyboard and mouse, and VGA put into a migration stream, beside those that Debian's
 * QEMU 7.2 wrote after the same accesses: byte for byte, so that a guest can move between the two.
 */
#include "hw/core/device.h"
#include "tests/unit/hw/harness.h"
#include "ui/console.h"

#include <stdlib.h>

enum { QUEUE_HEAD = 16, QUEUE_BYTES = 256, VGA_BYTES = 1131 };

/* Accesses; the controller's section; the keyboard's and the mouse's up to the queue's bytes and after them. */
static const struct {
    const char *what, *accesses, *controller, *keyboard, *keyboard_tail, *mouse, *mouse_tail;
} i8042_cases[] = {
    {"after a reset", "", "00180300051470636b62642f657874656e6465645f73746174650000000000000000000000000000",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"a reply of its own waits", "outb 64 20",
     "00190304051470636b62642f657874656e6465645f73746174650000000000000000000000040003",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"one as if from the mouse", "outb 64 d3,outb 60 5a",
     "00390308051470636b62642f657874656e6465645f7374617465000000000000000000000004005a",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"the keyboard's waits", "outb 60 f2",
     "00190310051470636b62642f657874656e6465645f73746174650000000000000000000000010000",
     "ffffffff000000fd0000000000000003",
     "000000010000000000000002051a7073326b62642f636f6d6d616e645f7265706c795f71756575650000000000000000",
     "ffffffff000000000000000000000000", "00000000000000000000000000000000000000"},
    {"the mouse's waits", "outb 64 d4,outb 60 f2",
     "00390320051470636b62642f657874656e6465645f73746174650000000000000000000000020000",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000200000002",
     "00000000000000000000000000000000000000"},
    {"both", "outb 60 f2,outb 64 d4,outb 60 f2",
     "00190330051470636b62642f657874656e6465645f73746174650000000000000000000000010000",
     "ffffffff000000fd0000000000000003",
     "000000010000000000000002051a7073326b62642f636f6d6d616e645f7265706c795f71756575650000000000000000",
     "ffffffff000000000000000200000002", "00000000000000000000000000000000000000"},
    {"keyboard and controller", "outb 60 f2,outb 64 20",
     "00190314051470636b62642f657874656e6465645f73746174650000000000000000000000010003",
     "ffffffff000000fd0000000000000003",
     "000000010000000000000002051a7073326b62642f636f6d6d616e645f7265706c795f71756575650000000000000000",
     "ffffffff000000000000000000000000", "00000000000000000000000000000000000000"},
    {"output port", "outb 64 d1,outb 60 dd",
     "00180300050d70636b62645f6f7574706f727400000001dd051470636b62642f657874656e6465645f7374617465000000000000000000000"
     "0000000",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"a parameter is awaited", "outb 64 d4",
     "d4180300051470636b62642f657874656e6465645f73746174650000000000000000000000000000",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"read", "outb 64 20,inb 60 00", "00180300051470636b62642f657874656e6465645f73746174650000000000000000000000040303",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"half a reply read", "outb 60 f2,inb 60 00",
     "00190310051470636b62642f657874656e6465645f7374617465000000000000000000000001fa00",
     "ffffffff000000fe0000000000000002",
     "000000010000000000000002051a7073326b62642f636f6d6d616e645f7265706c795f71756575650000000000000000",
     "ffffffff000000000000000000000000", "00000000000000000000000000000000000000"},
    {"half a mouse reply read", "outb 64 d4,outb 60 f2,inb 60 00",
     "00390320051470636b62642f657874656e6465645f7374617465000000000000000000000002fa00",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000010000000200000001",
     "00000000000000000000000000000000000000"},
    {"translation", "outb 64 60,outb 60 55",
     "00185500051470636b62642f657874656e6465645f73746174650000000000000000000000000000",
     "ffffffff000000000000000000000000", "000000010000000100000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"keyboard parameter and lights", "outb 60 ed,outb 60 02",
     "00190310051470636b62642f657874656e6465645f73746174650000000000000000000000010000",
     "ffffffff000000ff0000000000000001",
     "000000010000000000000002050f7073326b62642f6c656473746174650000000300000002051a7073326b62642f636f6d6d616e645f72657"
     "06c795f71756575650000000000000000",
     "ffffffff000000000000000000000000", "00000000000000000000000000000000000000"},
    {"lights without a reply", "outb 60 ed,outb 60 02,inb 60 00,inb 60 00",
     "00180300051470636b62642f657874656e6465645f7374617465000000000000000000000001fa00",
     "ffffffff000000000000000000000000", "000000010000000000000002050f7073326b62642f6c656473746174650000000300000002",
     "ffffffff000000000000000000000000", "00000000000000000000000000000000000000"},
    {"mouse off", "outb 64 a7", "00182300051470636b62642f657874656e6465645f73746174650000000000000000000000000000",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000000000000000000000",
     "00000000000000000000000000000000000000"},
    {"set 3", "outb 60 f0,outb 60 03",
     "00190310051470636b62642f657874656e6465645f73746174650000000000000000000000010000",
     "ffffffff000000ff0000000000000001",
     "000000010000000000000003051a7073326b62642f636f6d6d616e645f7265706c795f71756575650000000000000000",
     "ffffffff000000000000000000000000", "00000000000000000000000000000000000000"},
    {"wheel mouse",
     "outb 64 d4,outb 60 f3,outb 64 d4,outb 60 c8,outb 64 d4,outb 60 f3,outb 64 d4,outb 60 64,outb 64 d4,outb 60 "
     "f3,outb 64 d4,outb 60 50,inb 60 00,outb 64 d4,outb 60 e7",
     "00390320051470636b62642f657874656e6465645f7374617465000000000000000000000002fa00",
     "ffffffff000000000000000000000000", "000000010000000000000002", "ffffffff000000010000000700000006",
     "10005000030000000000000000000000000000"},
};

static char *hex(const uint8_t *data, size_t len)
{
    GString *s = g_string_new(NULL);

    for (size_t i = 0; i < len; i++)
        g_string_append_printf(s, "%02x", data[i]);
    return g_string_free(s, FALSE);
}

static GByteArray *saved(Device *dev)
{
    Error *err = NULL;
    VmWriter *w = vm_writer_new();

    if (!device_save(dev, w, &err))
        g_error("%s", error_text(err));
    return vm_writer_finish(w);
}

static void compare(const char *what, const uint8_t *data, size_t len, const char *want)
{
    g_autofree char *got = hex(data, len);

    if (strcmp(got, want))
        g_error("%s: saved as\n%s, Debian's as\n%s", what, got, want);
}

static void compare_port(const char *what, Device *dev, const char *head, const char *tail)
{
    GByteArray *b = saved(dev);

    g_assert_cmpuint(b->len, >=, QUEUE_HEAD + QUEUE_BYTES);
    compare(what, b->data, QUEUE_HEAD, head);
    compare(what, b->data + QUEUE_HEAD + QUEUE_BYTES, b->len - QUEUE_HEAD - QUEUE_BYTES, tail);
    g_byte_array_unref(b);
}

static void test_i8042(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(i8042_cases); i++) {
        const char *what = i8042_cases[i].what;
        g_auto(GStrv) accesses = g_strsplit(i8042_cases[i].accesses, ",", -1);
        Error *err = NULL;
        Device *dev = bench_make(device_find_desc("i8042"), &err);
        GByteArray *b;
        Bus *ports;

        if (!dev)
            g_error("%s", error_text(err));
        device_reset(dev);
        for (char **a = accesses; *a; a++) {
            unsigned port = strtoul(*a + 4, NULL, 16) & 0xff, val = strtoul(*a + strlen(*a) - 2, NULL, 16);

            if (g_str_has_prefix(*a, "in"))
                as_load(&as_io, strtoul(*a + 4, NULL, 16), 1, NULL);
            else
                as_store(&as_io, port, 1, val, NULL);
        }
        b = saved(dev);
        compare(what, b->data, b->len, i8042_cases[i].controller);
        g_byte_array_unref(b);
        ports = dev->buses->pdata[0];
        compare_port(what, ports->children->pdata[0], i8042_cases[i].keyboard, i8042_cases[i].keyboard_tail);
        compare_port(what, ports->children->pdata[1], i8042_cases[i].mouse, i8042_cases[i].mouse_tail);
        bench_drop();
    }
    bench_settle();
}

static const struct {
    bool mmio, write;
    uint32_t addr, size, val;
} vga_accesses[] = {
    {false, true, 0x3c2, 1, 0x67},   {false, true, 0x3c4, 2, 0x102},  {false, true, 0x3c4, 2, 0x204},
    {false, true, 0x3ce, 2, 0x3c08}, {false, true, 0x3ce, 2, 0x506},  {false, true, 0x3ce, 2, 0x305},
    {false, true, 0x3d4, 2, 0x8c13}, {false, true, 0x3d4, 2, 0x5a80}, {false, false, 0x3da, 1, 0x0},
    {false, true, 0x3c0, 1, 0x13},   {false, true, 0x3c0, 1, 0x5},    {false, true, 0x3c0, 1, 0x32},
    {false, true, 0x3da, 1, 0x10},   {false, true, 0x3c8, 1, 0x7},    {false, true, 0x3c9, 1, 0x11},
    {false, true, 0x3c9, 1, 0x22},   {false, true, 0x3c9, 1, 0x33},   {false, true, 0x3c9, 1, 0x44},
    {false, true, 0x3c7, 1, 0x9},    {false, false, 0x3c9, 1, 0x0},   {true, true, 0xa0003, 1, 0x55},
    {true, false, 0xa0003, 1, 0x0},  {false, true, 0x1ce, 2, 0x1},    {false, true, 0x1d0, 2, 0x280},
    {false, true, 0x1ce, 2, 0x2},    {false, true, 0x1d0, 2, 0x1e0},  {false, true, 0x1ce, 2, 0x3},
    {false, true, 0x1d0, 2, 0x20},   {false, true, 0x1ce, 2, 0x4},    {false, true, 0x1d0, 2, 0xc1},
    {false, true, 0x1ce, 2, 0x9},    {false, true, 0x1d0, 2, 0x14},   {false, true, 0x1ce, 2, 0x5},
    {false, true, 0x1d0, 2, 0x3},
};
/* The bytes that are not zero. */
static const struct {
    unsigned off;
    const char *bytes;
} vga_runs[] = {
    {4, "04"},        {7, "010002"},  {13, "05"},
    {19, "4305003c"}, {30, "32"},     {50, "05"},
    {55, "0180004f"}, {64, "120040"}, {75, "df40"},
    {80, "03ff"},     {185, "5a"},    {313, "6710000903010908442233"},
    {345, "112233"},  {1093, "03"},   {1096, "010005b0c5028001e0002000c1000302801999"},
    {1118, "14"},     {1121, "32"},   {1125, "0a"},
    {1130, "ff"},
};

static void test_vga(void)
{
    Error *err = NULL;
    Device *dev = bench_make(device_find_desc("VGA"), &err);
    uint8_t want[VGA_BYTES] = {0};
    g_autofree char *text = NULL;
    GByteArray *b;

    if (!dev)
        g_error("%s", error_text(err));
    device_reset(dev);
    bench_map();
    for (size_t i = 0; i < ARRAY_SIZE(vga_accesses); i++) {
        AddressSpace *as = vga_accesses[i].mmio ? &as_memory : &as_io;

        if (vga_accesses[i].write)
            as_store(as, vga_accesses[i].addr, vga_accesses[i].size, vga_accesses[i].val, NULL);
        else
            as_load(as, vga_accesses[i].addr, vga_accesses[i].size, NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(vga_runs); i++)
        for (size_t n = 0; vga_runs[i].bytes[n * 2]; n++)
            want[vga_runs[i].off + n] = g_ascii_xdigit_value(vga_runs[i].bytes[n * 2]) << 4 |
                                        g_ascii_xdigit_value(vga_runs[i].bytes[n * 2 + 1]);
    text = hex(want, sizeof(want));
    b = saved(dev); /* PCI's part stands before it */
    g_assert_cmpuint(b->len, >, VGA_BYTES);
    compare("VGA", b->data + b->len - VGA_BYTES, VGA_BYTES, text);
    g_byte_array_unref(b);
    bench_drop();
    bench_settle();
}

/* Whatever a stream says, drawing it and accesses stay inside of the memory; the sanitizers look on. */
static void test_vga_hostile(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    Error *err = NULL;
    Device *dev = bench_make(device_find_desc("VGA"), &err);
    unsigned taken = 0;
    GByteArray *b;

    if (!dev)
        g_error("%s", error_text(err));
    device_reset(dev);
    b = saved(dev);
    for (unsigned i = 0; i < 60; i++) {
        g_autofree uint8_t *data = g_memdup2(b->data, b->len);
        uint8_t *vga = data + b->len - VGA_BYTES;
        VmReader *r;

        for (unsigned n = 0; n < VGA_BYTES; n++)
            if (n < 60 || n > 1090 || n % 4 == 0)
                vga[n] = g_rand_int(rand);
        for (unsigned n = 64; n < 90; n++)
            vga[n] = g_rand_int(rand);
        vga[30] |= 0x20;        /* video on */
        memset(vga + 52, 0, 3); /* flip-flop */
        vga[55] &= 1;
        memset(vga + 1092, 0, 4); /* bank */
        vga[1096] = 1;            /* has dispi */
        vga[318] = vga[318] % 3;  /* DAC component */
        stw_be(vga + 1099 + 2 * 3, (const uint8_t[]){4, 8, 15, 16, 24, 32}[i % 6]);
        vga[1099 + 2 * 4 + 1] = i & 1; /* dispi on */
        r = vm_reader_new(data, b->len);
        taken += device_load(dev, r, NULL);
        vm_reader_free(r);
        for (unsigned n = 0; n < 20; n++) {
            uint64_t at = 0xa0000 + g_rand_int_range(rand, 0, 0x20000);

            as_store(&as_memory, at, 1, g_rand_int(rand), NULL);
            as_load(&as_memory, at, 4, NULL);
        }
        console_refresh(console_at(0));
    }
    g_assert_cmpuint(taken, >, 20);
    g_byte_array_unref(b);
    bench_drop();
    bench_settle();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/streams/i8042", test_i8042);
    g_test_add_func("/streams/vga", test_vga);
    g_test_add_func("/streams/vga-hostile", test_vga_hostile);
    return g_test_run();
}
