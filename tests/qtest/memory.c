/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory backends, objects over QMP, and the memory map of pc beside Debian's while its PAM and SMRAM registers change.
 */
#include "tests/qtest/libqtest.h"

#include <glib/gstdio.h>
#include <unistd.h>

static bool no_debian(void)
{
    if (!access(DEBIAN_BINARY, X_OK))
        return false;
    g_test_skip(DEBIAN_BINARY " is not installed");
    return true;
}

static void test_backend_file(void)
{
    g_autofree char *path = NULL, *data = NULL;
    int fd = g_file_open_tmp("qtest-ram-XXXXXX", &path, NULL);
    g_assert_cmpint(ftruncate(fd, 32 << 20), ==, 0);
    close(fd);
    QTest *q = qtest_start("-object memory-backend-file,id=pc.ram,size=32M,mem-path=%s,share=on "
                           "-machine pc,memory-backend=pc.ram -m 32",
                           path);
    qtest_memwrite(q, 0x1ffff0, "sixteen bytes...", 16);
    g_autofree char *desc = qtest_qmp_error(q, "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"pc.ram\"}}");
    g_assert_cmpstr(desc, ==, "object 'pc.ram' is in use, can not be deleted");
    qtest_quit(q);
    gsize len;
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpmem(data + 0x1ffff0, 16, "sixteen bytes...", 16);
    g_unlink(path);
}

static void test_backends_fit(void)
{
    static const char *const kinds[] = {
        "-object memory-backend-ram,id=m,size=32M,prealloc=on", "-object memory-backend-memfd,id=m,size=32M",
        "-object '{\"qom-type\": \"memory-backend-ram\", \"id\": \"m\", \"size\": 33554432}'"};
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        QTest *q = qtest_start("%s -machine pc,memory-backend=m -m 32", kinds[i]);
        qtest_writel(q, 0x1fffffc, 0x12345678);
        g_assert_cmphex(qtest_readl(q, 0x1fffffc), ==, 0x12345678);
        qtest_quit(q);
    }
}

/* Answers of both binaries to the same commands. */
static void test_objects(void)
{
    static const char *const commands[] = {
        "{\"execute\": \"query-memdev\"}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\"}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\"}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"1n\", \"size\": "
        "1}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "4096, \"foo\": 1}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "0}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-file\", \"id\": \"n\", \"size\": "
        "4096}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"rng-random\", \"id\": \"n\", \"filename\": "
        "\"/nonexistent\"}}",
        "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"zz\"}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "4096, "
        "\"policy\": \"bind\"}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "4096, "
        "\"host-nodes\": [0]}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "4096, "
        "\"policy\": \"bind\", \"host-nodes\": [200]}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "8192}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-ram\", \"id\": \"n\", \"size\": "
        "8192}}",
        "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"/objects/n\", \"property\": \"size\"}}",
        "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"/objects/n\", \"property\": \"policy\"}}",
        "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"/objects/n\", \"property\": \"host-nodes\"}}",
        "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"n\"}}",
        "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"n\"}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"iothread\", \"id\": \"io\", \"poll-max-ns\": "
        "77}}",
        "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"/objects/io\", \"property\": \"poll-max-ns\"}}",
        "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"/objects/io\", \"property\": \"poll-grow\"}}",
        "{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"/objects/io\", \"property\": \"poll-max-ns\", "
        "\"value\": 5}}",
        "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"io\"}}",
        "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"rng-builtin\", \"id\": \"r\"}}",
        "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"r\"}}",
    };
    if (no_debian())
        return;
    const char *args = "-machine pc -m 16";
    QTest *q[2] = {qtest_start("%s", args), qtest_start_binary(DEBIAN_BINARY, args)};
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(Json) a = qtest_qmp_raw(q[0], commands[i]), b = qtest_qmp_raw(q[1], commands[i]);
        if (!json_equal(a, b)) {
            g_autofree char *ta = json_to_string(a, false), *tb = json_to_string(b, false);
            g_test_message("%s\n    ours:     %s\n    Debian's: %s", commands[i], ta, tb);
            g_test_fail();
        }
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

/* The RAM and ROM of the address space "memory" in `info mtree -f`. */
static char *ram_map(QTest *q)
{
    g_autofree char *text = qtest_hmp(q, "info mtree -f");
    g_auto(GStrv) views = g_strsplit(text, "FlatView #", -1);
    GString *out = g_string_new(NULL);
    for (char **v = views; *v; v++) {
        if (!strstr(*v, "AS \"memory\""))
            continue;
        g_auto(GStrv) lines = g_strsplit(*v, "\n", -1);
        for (char **l = lines; *l; l++)
            if (strstr(*l, ", ram): ") || strstr(*l, ", rom): "))
                g_string_append_printf(out, "%s\n", g_strchomp(*l));
    }
    return g_string_free(out, false);
}

/* Whether the map has RAM that can be written at addr. */
static bool writable(const char *map, uint64_t addr)
{
    g_auto(GStrv) lines = g_strsplit(map, "\n", -1);
    for (char **l = lines; *l; l++) {
        char *end;
        uint64_t first = g_ascii_strtoull(*l, &end, 16);
        if (*end == '-' && first <= addr && addr <= g_ascii_strtoull(end + 1, NULL, 16))
            return strstr(*l, ", ram): ");
    }
    return false;
}

static void test_map(void)
{
    if (no_debian())
        return;
    const char *args = "-machine pc -m 16 -nodefaults";
    QTest *q[2] = {qtest_start("%s", args), qtest_start_binary(DEBIAN_BINARY, args)};
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (unsigned i = 0; i < 200; i++) {
        unsigned reg = (unsigned)g_rand_int_range(rand, 0x59, 0x61);
        uint8_t val = (uint8_t)g_rand_int(rand);
        if (reg == 0x60) { /* SMRAM; once its lock bit is set the rest would say nothing */
            reg = 0x72;
            val &= (uint8_t)~0x10;
        }
        g_autofree char *map[2] = {NULL};
        for (int k = 0; k < 2; k++) {
            qtest_pci_write(q[k], 0, 0, reg, 1, val);
            map[k] = ram_map(q[k]);
        }
        if (strcmp(map[0], map[1])) {
            g_test_message("step %u: register 0x%x = 0x%02x\nours:\n%s\nDebian's:\n%s", i, reg, val, map[0], map[1]);
            g_test_fail();
            break;
        }
        /* the same bytes are read and written through it */
        for (unsigned n = 0; n < 8; n++) {
            uint64_t addr = 0xa0000 + (uint64_t)g_rand_int_range(rand, 0, 0x60000 / 4) * 4;
            uint32_t word = g_rand_int(rand), got[2];
            bool hole = addr < 0xc0000;
            for (int k = 0; k < 2; k++) {
                if (writable(map[0], addr)) /* QEMU's qtest writes through a window that is read-only to CPUs */
                    qtest_writel(q[k], addr, word);
                got[k] = qtest_readl(q[k], addr);
            }
            if (!hole && got[0] != got[1]) { /* what is nobody's reads as zeroes there, as all ones here */
                g_test_message("step %u: at 0x%" PRIx64
                               " 0x%x was written, ours reads 0x%x, Debian's 0x%x; the map is\n%s",
                               i, addr, word, got[0], got[1], map[0]);
                g_test_fail();
                i = 200;
                break;
            }
        }
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

/* Which ports answer, and what a fresh machine has in them: each of the 64 Ki read once. (Wider reads differ by design:
 * where a region ends QEMU goes on in it, here each byte is decoded for itself, as on the bus.) */
static void test_ports(void)
{
    if (no_debian())
        return;
    /* QEMU's vmport crashes when it is read while no CPU runs */
    const char *args = "-machine pc,vmport=off -m 16 -nodefaults -rtc base=2024-02-28T12:00:00,clock=vm";
    QTest *q[2] = {qtest_start("%s", args), qtest_start_binary(DEBIAN_BINARY, args)};
    for (unsigned port = 0; port < 65536; port++) {
        uint8_t got[2];
        for (int k = 0; k < 2; k++)
            got[k] = qtest_inb(q[k], (uint16_t)port);
        if (got[0] == got[1] || port == 0x1f0 ||
            port == 0x170) /* IDE data ports without a drive: the bus floats, QEMU's is 0 */
            continue;
        g_test_message("inb 0x%x: ours 0x%x, Debian's 0x%x", port, got[0], got[1]);
        g_test_fail();
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

static void test_intercept(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -rtc clock=vm");
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("interrupts cannot be intercepted on this binary");
        return;
    }
    qtest_irq_intercept_in(q, "ioapic");
    qtest_irq_intercept_in(q, "ioapic"); /* again is fine */
    g_autofree char *other = qtest_command(q, "irq_intercept_in isa-i8259");
    g_assert_true(g_str_has_prefix(other, "FAIL "));
    /* the RTC's periodic interrupt, and its end by reading register C */
    qtest_outb(q, 0x70, 0x0a);
    qtest_outb(q, 0x71, 0x26);
    qtest_outb(q, 0x70, 0x0b);
    qtest_outb(q, 0x71, 0x42);
    g_assert_false(qtest_irq(q, 8));
    qtest_clock_step(q, 2000000);
    g_assert_true(qtest_irq(q, 8));
    qtest_outb(q, 0x70, 0x0c);
    g_assert_cmphex(qtest_inb(q, 0x71) & 0xc0, ==, 0xc0);
    g_assert_false(qtest_irq(q, 8));
    unsigned was = qtest_irq_raises(q, 8);
    qtest_clock_step_next(q);
    g_assert_cmpuint(qtest_irq_raises(q, 8), ==, was + 1);
    /* a line set by hand */
    qtest_set_irq_in(q, "ioapic", 20, 1);
    g_assert_true(qtest_irq(q, 20));
    qtest_set_irq_in(q, "ioapic", 20, 0);
    g_assert_false(qtest_irq(q, 20));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory/backend-file", test_backend_file);
    g_test_add_func("/memory/backends", test_backends_fit);
    g_test_add_func("/memory/objects", test_objects);
    g_test_add_func("/memory/map", test_map);
    g_test_add_func("/memory/ports", test_ports);
    g_test_add_func("/memory/intercept", test_intercept);
    return g_test_run();
}
