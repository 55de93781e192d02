/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table tests itself: for every device descriptor that a bare board can hold, without a line written for it:
 *
 * twin      random accesses, save; a fresh one that loads this must save the same, have the same interrupt levels, and
 * answer the same to the same further accesses reset     after random accesses and a reset it saves as a fresh one
 * does, and answers the same hostile   each truncation of its stream is refused, flipped bits and bytes crash nothing,
 * and a reset brings it back from whatever came of that leak      nothing of it is in the address spaces when it is
 * gone
 *
 * TABLE_SEED=N runs one other seed. What is exempt stands in exempt[], with the reason.
 */
#include "tests/unit/hw/harness.h"

#include "softmmu/mainloop.h"

#include <stdlib.h>

#define WARM_UP 500
#define STEPS   300
#define ROUNDS  12 /* each with another seed */

static const struct {
    const char *device, *test; /* NULL: all */
    const char *reason;
} exempt[] = {
    {"kvm-i8259", NULL, "the kernel's chip: tests/boot"},
    {"kvm-ioapic", NULL, "the kernel's chip: tests/boot"},
    {"kvm-apic", NULL, "the kernel's chip: tests/boot"},
    {"kvm-pit", NULL, "the kernel's chip: tests/boot"},
    {"mc146818rtc", "reset", "its battery keeps time and CMOS over a reset"},
    {"i8257", "twin", "QEMU's stream has no status register"},
    {"virtio-balloon-pci", "twin", "there is one at most"},
    {"virtio-balloon-pci-transitional", "twin", "there is one at most"},
    {"virtio-balloon-pci-non-transitional", "twin", "there is one at most"},
    {"pc-testdev", "reset", "QEMU's keeps its ports over a reset"},
    {"port92", "reset", "QEMU's keeps all but the reset bit"},
    {"pc-testdev", "twin", "QEMU migrates none of its state"},
    {"pci-testdev", "twin", "QEMU migrates none of its state but the configuration space"},
};

static uint32_t seed;

static uint32_t only_seed;

static const char *exempt_reason(const DeviceDesc *d, const char *test)
{
    const char *why = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(exempt); i++)
        if (!strcmp(exempt[i].device, d->name) && (!exempt[i].test || !strcmp(exempt[i].test, test)))
            return exempt[i].reason;
    return bench_fits(d, &why) ? NULL : why;
}

static bool make(const DeviceDesc *d)
{
    Error *err = NULL;
    if (bench_make(d, &err)) {
        return true;
    }
    g_test_message("%s", error_text(err));
    error_free(err);
    g_test_fail();
    return false;
}

/* The first byte where two streams differ, for the message. */
static bool same(const GByteArray *a, const GByteArray *b, const char *what)
{
    size_t n = MIN(a->len, b->len), i = 0;
    while (i < n && a->data[i] == b->data[i])
        i++;
    if (i == n && a->len == b->len)
        return true;
    g_test_message("%s: streams of %u and %u bytes differ at byte %zu: %02x and %02x", what, a->len, b->len, i,
                   i < a->len ? a->data[i] : 0, i < b->len ? b->data[i] : 0);
    g_test_fail();
    return false;
}

/* The same accesses as in want[]; the log of the last ones where one answers otherwise. */
static void walk(uint32_t with, uint64_t *got, const uint64_t *want, const char *what)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(with);
    g_autoptr(GString) log = g_string_new(NULL);
    for (unsigned i = 0; i < STEPS; i++) {
        got[i] = bench_step(rand, log);
        if (want && got[i] != want[i]) {
            const char *tail = log->str + (log->len > 1500 ? log->len - 1500 : 0);
            g_test_message("%s: access %u gave 0x%" PRIx64 ", was 0x%" PRIx64
                           " (lines are bits 40 up); the last accesses:\n%s",
                           what, i, got[i], want[i], tail);
            g_test_fail();
            return;
        }
    }
}

/* Guest memory and the device's own RAM: what no device stream holds. */
static GPtrArray *memory_take(void)
{
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_ptr_array_add(all, g_bytes_new(bench_ram(), BENCH_RAM));
    for (guint i = 0; i < bench.windows->len; i++) {
        const Window *w = &g_array_index(bench.windows, Window, i);
        FlatRange f = {0};
        rcu_lock();
        if (w->as)
            as_lookup(w->as, w->addr, &f);
        g_ptr_array_add(all, f.host ? g_bytes_new(f.host, w->len) : g_bytes_new(NULL, 0));
        rcu_unlock();
    }
    return all;
}

static void memory_give(GPtrArray *all)
{
    gsize n;
    memcpy(bench_ram(), g_bytes_get_data(all->pdata[0], &n), BENCH_RAM);
    for (guint i = 0; i < bench.windows->len && i + 1 < all->len; i++) {
        const Window *w = &g_array_index(bench.windows, Window, i);
        const void *data = g_bytes_get_data(all->pdata[i + 1], &n);
        if (w->as && n)
            as_write_rom(w->as, w->addr, data, n);
    }
}

static void warm_up(unsigned steps)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    for (unsigned i = 0; i < steps; i++)
        bench_step(rand, NULL);
}

static void twin_round(const DeviceDesc *d)
{
    g_autofree uint64_t *want = g_new0(uint64_t, STEPS), *got = g_new0(uint64_t, STEPS);
    memset(bench_ram(), 0, BENCH_RAM);
    if (!make(d))
        return;
    warm_up(WARM_UP);
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    uint32_t lines = bench.lines;
    g_autoptr(GByteArray) saved = bench_save();
    g_autoptr(GPtrArray) memory = memory_take();
    walk(seed + 1, want, NULL, "first");
    bench_drop();

    clock_virtual_adjust(now);
    if (!make(d))
        return;
    Error *err = NULL;
    if (!bench_load(saved->data, saved->len, &err)) {
        g_test_message("its own stream is refused: %s", error_text(err));
        error_free(err);
        g_test_fail();
        bench_drop();
        return;
    }
    memory_give(memory);
    g_autoptr(GByteArray) again = bench_save();
    if (same(saved, again, "twin")) {
        if (bench.lines != lines) {
            g_test_message("interrupt levels are %06x, were %06x when it was saved", bench.lines, lines);
            g_test_fail();
        }
        walk(seed + 1, got, want, "twin");
    }
    bench_drop();
}

static void reset_round(const DeviceDesc *d)
{
    g_autofree uint64_t *want = g_new0(uint64_t, STEPS), *got = g_new0(uint64_t, STEPS);
    if (!make(d))
        return;
    warm_up(WARM_UP);
    device_reset(bench.dev);
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    uint32_t lines = bench.lines;
    g_autoptr(GByteArray) was = bench_save();
    memset(bench_ram(), 0, BENCH_RAM);
    bench_map();
    g_autoptr(GPtrArray) memory = memory_take();
    walk(seed + 2, want, NULL, "after reset");
    bench_drop();

    clock_virtual_adjust(now);
    memset(bench_ram(), 0, BENCH_RAM);
    if (!make(d))
        return;
    device_reset(bench.dev);
    g_autoptr(GByteArray) fresh = bench_save();
    bench_map();
    if (same(was, fresh, "after a reset, and fresh")) {
        if (bench.lines != lines) {
            g_test_message("interrupt levels are %06x after a reset, %06x when fresh", lines, bench.lines);
            g_test_fail();
        }
        memory_give(memory);
        walk(seed + 2, got, want, "fresh against reset");
    }
    bench_drop();
}

static void hostile_round(const DeviceDesc *d)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed + 3);
    if (!make(d))
        return;
    g_autoptr(GByteArray) fresh = NULL;
    warm_up(WARM_UP);
    g_autoptr(GByteArray) saved = bench_save();
    size_t step = saved->len > 600 ? saved->len / 300 : 1;
    for (size_t len = 0; len < saved->len; len += step) {
        if (bench_load(saved->data, len, NULL)) {
            /* without a subsection it may be whole: that is what they are for */
            bool sub = len + 2 < saved->len && saved->data[len] == 5 && saved->data[len + 1] > 3 &&
                       len + 2 + saved->data[len + 1] <= saved->len;
            for (unsigned i = 0; sub && i < saved->data[len + 1]; i++)
                sub = g_ascii_isprint((char)saved->data[len + 2 + i]);
            if (!sub) {
                g_test_message("%zu of %u bytes were taken for a whole stream", len, saved->len);
                g_test_fail();
                break;
            }
        }
    }
    for (unsigned i = 0; saved->len && i < 60; i++) {
        g_autofree uint8_t *bad = g_memdup2(saved->data, saved->len);
        unsigned n = i < 30 ? 1 : 8;
        while (n--) {
            size_t at = (size_t)g_rand_int_range(rand, 0, (gint32)saved->len);
            bad[at] = i & 1 ? (uint8_t)g_rand_int(rand) : bad[at] ^ (uint8_t)(1 << g_rand_int_range(rand, 0, 8));
        }
        Error *err = NULL;
        bool ok = bench_load(bad, saved->len, &err);
        g_assert_true(ok == !err);
        error_free(err);
        for (unsigned k = 0; ok && k < 8; k++)
            bench_step(rand, NULL);
        /* What it has become is a state that it takes back. */
        g_autoptr(GByteArray) became = bench_save();
        g_assert_true(bench_load(became->data, became->len, NULL));
    }
    device_reset(bench.dev);
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    g_autoptr(GByteArray) after = bench_save();
    bench_drop();
    if (exempt_reason(d, "reset"))
        return;
    clock_virtual_adjust(now);
    if (!make(d))
        return;
    device_reset(bench.dev);
    fresh = bench_save();
    same(after, fresh, "reset after hostile streams, and fresh");
    bench_drop();
}

static void rounds(const DeviceDesc *d, void (*fn)(const DeviceDesc *d))
{
    for (unsigned i = 0; i < (only_seed ? 1 : ROUNDS) && !g_test_failed(); i++) {
        seed = only_seed ? only_seed : 1 + 100 * i;
        fn(d);
        if (g_test_failed())
            g_test_message("that was TABLE_SEED=%u", seed);
    }
}

static void test_twin(gconstpointer d)
{
    rounds(d, twin_round);
}

static void test_reset(gconstpointer d)
{
    rounds(d, reset_round);
}

static void test_hostile(gconstpointer d)
{
    rounds(d, hostile_round);
}

typedef struct Count {
    const Device *dev;
    unsigned n;
} Count;

static bool count_owned(const FlatRange *r, void *opaque)
{
    Count *c = opaque;
    c->n += r->region->owner == c->dev;
    return true;
}

static bool count_block(RamBlock *b, void *opaque)
{
    ++*(unsigned *)opaque;
    return true;
}

static void test_leak(gconstpointer data)
{
    const DeviceDesc *d = data;
    unsigned blocks = 0, blocks_after = 0;
    bench_settle();
    ram_blocks_foreach(count_block, &blocks);
    if (!make(d))
        return;
    warm_up(WARM_UP);
    Count c = {bench.dev, 0};
    bench_drop();
    bench_settle();
    as_foreach(&as_memory, count_owned, &c);
    as_foreach(&as_io, count_owned, &c);
    ram_blocks_foreach(count_block, &blocks_after);
    g_assert_cmpuint(c.n, ==, 0);
    g_assert_cmpuint(blocks_after, ==, blocks);
    clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + 100 * NS_PER_SEC); /* a timer that was forgotten runs now */
    g_assert_true(make(d));                                        /* a second time */
    bench_drop();
}

/* tests/devices.list: each device has a test of its own, which is there. */
static void test_own(void)
{
    const char *root = g_getenv("SOURCE_ROOT");
    if (!root) {
        g_test_skip("SOURCE_ROOT is not set; meson test sets it");
        return;
    }
    g_autofree char *path = g_build_filename(root, "tests/devices.list", NULL), *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (const DeviceDesc *const *d = device_table; *d; d++) {
        bool listed = false;
        for (char **l = lines; *l; l++) {
            g_auto(GStrv) raw = g_strsplit_set(*l, " \t", -1);
            const char *w[4] = {NULL}; /* device, file, what to look for */
            unsigned n = 0;
            for (char **p = raw; *p && n < 3; p++)
                if (**p)
                    w[n++] = *p;
            if (n < 2 || strcmp(w[0], (*d)->name))
                continue;
            listed = true;
            g_autofree char *file = g_build_filename(root, w[1], NULL), *test = NULL;
            if (!g_file_get_contents(file, &test, NULL, NULL)) {
                g_test_message("%s: its test %s is not there", w[0], w[1]);
                g_test_fail();
            } else if (!strstr(test, w[2] ? w[2] : w[0])) {
                g_test_message("%s: its test %s does not speak of '%s'", w[0], w[1], w[2] ? w[2] : w[0]);
                g_test_fail();
            }
        }
        if (!listed) {
            g_test_message("%s has no test of its own: write one, and a line for it in tests/devices.list", (*d)->name);
            g_test_fail();
        }
    }
}

static void skipped(gconstpointer reason)
{
    g_test_skip(reason);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    for (int i = 0; i < argc; i++)
        g_ptr_array_add(args, argv[i]);
    char keep_going[] = "-k"; /* each device's failures, not the first one's */
    g_ptr_array_add(args, keep_going);
    g_ptr_array_add(args, NULL);
    argc++;
    argv = (char **)args->pdata;
    g_test_init(&argc, &argv, NULL);
    if (g_getenv("TABLE_SEED"))
        only_seed = (uint32_t)strtoul(g_getenv("TABLE_SEED"), NULL, 0);
    bench_init();
    static const struct {
        const char *name;
        GTestDataFunc fn;
    } tests[] = {{"twin", test_twin}, {"reset", test_reset}, {"hostile", test_hostile}, {"leak", test_leak}};
    for (const DeviceDesc *const *d = device_table; *d; d++) {
        const char *why = exempt_reason(*d, "");
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
            g_autofree char *path = g_strdup_printf("/table/%s/%s", (*d)->name, tests[i].name);
            const char *not = why ? why : exempt_reason(*d, tests[i].name);
            g_test_add_data_func(path, not ? not : (const void *)*d, not ? skipped : tests[i].fn);
            if (why)
                break;
        }
    }
    g_test_add_func("/table/own-tests", test_own);
    return g_test_run();
}
