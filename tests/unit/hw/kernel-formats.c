/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hw/i386/kernel-formats.c: ELF and Multiboot files as they should be, and broken in every place. */
#include "hw/i386/kernel-formats.h"

#include <elf.h>

enum { SIZE = 4096 };

static uint8_t file[SIZE];

static Elf32_Phdr *phdr(unsigned n)
{
    return (Elf32_Phdr *)(file + 64) + n;
}

/* Two segments, at 1 MiB and 2 MiB, and a PVH note. */
static void make_elf(void)
{
    memset(file, 0, sizeof(file));
    Elf32_Ehdr *h = (Elf32_Ehdr *)file;
    memcpy(h->e_ident, ELFMAG, SELFMAG);
    h->e_ident[EI_CLASS] = ELFCLASS32;
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_machine = EM_386;
    h->e_entry = 0x100010;
    h->e_phoff = 64;
    h->e_phentsize = sizeof(Elf32_Phdr);
    h->e_phnum = 3;
    *phdr(0) = (Elf32_Phdr){.p_type = PT_LOAD, .p_offset = 1024, .p_paddr = 0x100000, .p_filesz = 256, .p_memsz = 512};
    *phdr(1) = (Elf32_Phdr){.p_type = PT_LOAD, .p_offset = 2048, .p_paddr = 0x200000, .p_filesz = 16, .p_memsz = 32};
    *phdr(2) = (Elf32_Phdr){.p_type = PT_NOTE, .p_offset = 3072, .p_filesz = 40};
    memset(file + 1024, 0x11, 256);
    memset(file + 2048, 0x22, 16);
    static const uint32_t notes[] = {4, 4, 7, 0x6e6558, 1, 4, 4, 18, 0x6e6558, 0x100020};
    memcpy(file + 3072, notes, sizeof(notes));
}

static bool flatten(FlatImage *out)
{
    Error *err = NULL;
    bool ok = elf_flatten("f", file, SIZE, out, &err);
    g_assert_true(ok == !err);
    error_free(err);
    return ok;
}

static void test_elf(void)
{
    FlatImage f;
    uint32_t entry;
    make_elf();
    g_assert_true(flatten(&f));
    g_assert_cmphex(f.addr, ==, 0x100000);
    g_assert_cmphex(f.mem_len, ==, 0x100020);
    g_assert_cmpint(f.bytes->len, ==, f.mem_len);
    g_assert_cmphex(f.bytes->data[255], ==, 0x11);
    g_assert_cmphex(f.bytes->data[256], ==, 0);
    g_assert_cmphex(f.bytes->data[0x10000f], ==, 0x22);
    g_assert_cmphex(f.entry, ==, 0x100010);
    g_byte_array_unref(f.bytes);
    g_assert_true(elf_pvh_entry(file, SIZE, &entry));
    g_assert_cmphex(entry, ==, 0x100020);
}

static void test_broken_elf(void)
{
    FlatImage f;
    make_elf();
    phdr(0)->p_filesz = SIZE; /* beyond the file's end */
    g_assert_false(flatten(&f));
    make_elf();
    phdr(0)->p_filesz = 600; /* more than its memory */
    g_assert_false(flatten(&f));
    make_elf();
    phdr(0)->p_offset = 0xffffff00;
    g_assert_false(flatten(&f));
    make_elf();
    phdr(1)->p_paddr = 0xf0000000; /* a span that nobody has memory for */
    g_assert_false(flatten(&f));
    make_elf();
    phdr(0)->p_paddr = phdr(1)->p_paddr = 0xffffff00; /* across 4 GiB */
    g_assert_false(flatten(&f));
    make_elf();
    ((Elf32_Ehdr *)file)->e_phoff = 0xfffffff0;
    g_assert_false(flatten(&f));
    make_elf();
    ((Elf32_Ehdr *)file)->e_phnum = 0xffff;
    g_assert_false(flatten(&f));
    make_elf();
    ((Elf32_Ehdr *)file)->e_phnum = 0;
    g_assert_false(flatten(&f));
    make_elf();
    ((Elf32_Ehdr *)file)->e_machine = EM_ARM;
    g_assert_false(flatten(&f));
}

/* Every single byte of the tables changed, at random, many times: nothing but an answer. */
static void test_random_elf(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (unsigned i = 0; i < 3000; i++) {
        FlatImage f;
        uint32_t entry;
        make_elf();
        for (unsigned k = 0; k < 3; k++)
            file[g_rand_int_range(rand, 0, 2) ? g_rand_int_range(rand, 4, 160) : g_rand_int_range(rand, 3072, 3112)] =
                g_rand_int(rand);
        size_t len = g_rand_int_range(rand, 0, SIZE + 1);
        phdr(1)->p_paddr &= 0x3fffff; /* keeps the test quick */
        elf_pvh_entry(file, len, &entry);
        if (elf_flatten("f", file, len, &f, NULL))
            g_byte_array_unref(f.bytes);
    }
}

static void test_multiboot(void)
{
    FlatImage f;
    size_t at;
    Error *err = NULL;
    memset(file, 0, sizeof(file));
    g_assert_false(multiboot_find(file, SIZE, &at));
    uint32_t h[8] = {0x1badb002, 0x10003, -(0x1badb002u + 0x10003u), 0x100040, 0x100000, 0x100100, 0x100200, 0x100010};
    memcpy(file + 0x80, h, sizeof(h)); /* the image begins 40h before its header: at 40h of the file */
    memset(file + 0x40, 0x33, 8);
    g_assert_true(multiboot_find(file, SIZE, &at));
    g_assert_cmphex(at, ==, 0x80);
    g_assert_true(multiboot_flatten("f", file, SIZE, at, &f, NULL));
    g_assert_cmphex(f.addr, ==, 0x100000);
    g_assert_cmphex(f.mem_len, ==, 0x200);
    g_assert_cmphex(f.entry, ==, 0x100010);
    g_assert_cmphex(f.bytes->data[7], ==, 0x33);
    g_byte_array_unref(f.bytes);
    static const struct {
        unsigned field;
        uint32_t val;
    } bad[] = {{3, 0x100f00}, {3, 0xff000}, {5, 0x900000}, {5, 0xff000}, {6, 0xffffffff}, {4, 0}};
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        memcpy(file + 0x80, h, sizeof(h));
        memcpy(file + 0x80 + 4 * bad[i].field, &bad[i].val, 4);
        g_assert_false(multiboot_flatten("f", file, SIZE, at, &f, &err));
        g_assert_nonnull(err);
        g_clear_pointer(&err, error_free);
    }
    memcpy(file + 0x80, h, sizeof(h));
    g_assert_false(multiboot_find(file, 0x88, &at)); /* cut in its header */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/i386/kernel-formats/elf", test_elf);
    g_test_add_func("/hw/i386/kernel-formats/broken-elf", test_broken_elf);
    g_test_add_func("/hw/i386/kernel-formats/random-elf", test_random_elf);
    g_test_add_func("/hw/i386/kernel-formats/multiboot", test_multiboot);
    return g_test_run();
}
