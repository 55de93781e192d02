/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generic test of devices in their place: machine `pc` is built as main() does it, and each of its devices, chipset
 * parts and what sits on the buses of others included, goes through
 *
 * load      save, random accesses to what is its own, load: it saves the same again
 * hostile   truncated and damaged streams are refused or taken, and crash nothing
 * reset     after all that, a system reset makes each device save what it saved after the first one
 *
 * Last, the machine is taken down with everything on it.
 */
#include "accel/accel.h"
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "hw/pci/pci.h"
#include "monitor/monitor.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/options.h"
#include "softmmu/vcpus.h"
#include "ui/console.h"
#include "util/rcu.h"

#include <stdlib.h>

static const struct {
    const char *device, *test, *reason;
} exempt[] = {
    {"i440FX", "reset", "QEMU's PAM and SMRAM outlive a reset: a wake-up from S3 needs what is below"},
    {"i440FX-pcihost", "reset", "QEMU's CONFIG_ADDRESS outlives a reset, as tests/qtest/pc-chipset.c sees"},
    {"port92", "reset", "QEMU's keeps all but the reset bit"},
    {"mc146818rtc", "reset", "its battery keeps time and CMOS over a reset"},
};

typedef struct Window {
    AddressSpace *as; /* NULL: configuration space */
    uint64_t addr, len;
} Window;

static GPtrArray *devices;    /* of Device * */
static GPtrArray *after_boot; /* of GByteArray *, in the same order */
static uint32_t seed = 1;

static bool collect(Device *dev, void *opaque)
{
    g_ptr_array_add(opaque, dev);
    return true;
}

static GByteArray *save(Device *dev)
{
    Error *err = NULL;
    VmWriter *w = vm_writer_new();
    if (!device_save(dev, w, &err))
        g_error("%s: cannot be saved: %s", dev->path, error_text(err));
    return vm_writer_finish(w);
}

static bool load(Device *dev, const uint8_t *data, size_t len, Error **errp)
{
    g_autofree uint8_t *exact = g_memdup2(data, len); /* the sanitizers see each byte too far */
    VmReader *r = vm_reader_new(exact, len);
    bool ok = device_load(dev, r, errp);
    if (ok && vm_reader_left(r))
        ok = error_set(errp, "%zu bytes are left", vm_reader_left(r));
    vm_reader_free(r);
    return ok;
}

static bool same(Device *dev, const GByteArray *a, const GByteArray *b, const char *what)
{
    size_t n = MIN(a->len, b->len), i = 0;
    while (i < n && a->data[i] == b->data[i])
        i++;
    if (i == n && a->len == b->len)
        return true;
    g_test_message("%s (%s), %s: streams of %u and %u bytes differ at byte %zu: %02x and %02x", dev->desc->name,
                   dev->path, what, a->len, b->len, i, i < a->len ? a->data[i] : 0, i < b->len ? b->data[i] : 0);
    g_test_fail();
    return false;
}

typedef struct Search {
    Device *dev;
    AddressSpace *as;
    GArray *out;
} Search;

static bool add_window(const FlatRange *r, void *opaque)
{
    Search *s = opaque;
    Window w = {s->as, r->addr, r->last - r->addr + 1};
    if (r->region->owner == s->dev && r->region->kind == REGION_IO)
        g_array_append_val(s->out, w);
    return true;
}

static GArray *windows_of(Device *dev)
{
    GArray *out = g_array_new(false, false, sizeof(Window));
    as_foreach(&as_io, add_window, &(Search){dev, &as_io, out});
    as_foreach(&as_memory, add_window, &(Search){dev, &as_memory, out});
    if (dev->desc->bus == BUS_PCI) {
        Window w = {NULL, 0, 256};
        g_array_append_val(out, w);
    }
    return out;
}

static void disturb(Device *dev, const GArray *windows, GRand *rand, unsigned steps)
{
    for (unsigned i = 0; windows->len && i < steps; i++) {
        const Window *w = &g_array_index(windows, Window, g_rand_int_range(rand, 0, (gint32)windows->len));
        unsigned size = 1U << g_rand_int_range(rand, 0, 3);
        uint64_t off = g_rand_int(rand) % w->len & ~(uint64_t)(size - 1);
        uint32_t val = g_rand_boolean(rand) ? g_rand_int(rand) : 1U << g_rand_int_range(rand, 0, 32);
        bool write = g_rand_boolean(rand);
        if (!w->as) {
            uint32_t bdf = (uint32_t)((PciDevice *)dev)->devfn;
            if (write)
                pci_config_write(pci_root, bdf, (unsigned)off, val, size);
            else
                pci_config_read(pci_root, bdf, (unsigned)off, size);
        } else if (write) {
            as_store(w->as, w->addr + off, size, val, NULL);
        } else {
            as_load(w->as, w->addr + off, size, NULL);
        }
    }
}

static void test_load(gconstpointer opaque)
{
    Device *dev = devices->pdata[GPOINTER_TO_UINT(opaque)];
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autoptr(GArray) windows = windows_of(dev);
    for (unsigned round = 0; round < 8; round++) {
        g_autoptr(GByteArray) was = save(dev);
        disturb(dev, windows, rand, 300);
        Error *err = NULL;
        device_reset(dev); /* as before each load of a snapshot: a stream leaves out what has its power-on value */
        if (!load(dev, was->data, was->len, &err)) {
            g_test_message("%s: its own stream is refused: %s", dev->desc->name, error_text(err));
            error_free(err);
            g_test_fail();
            return;
        }
        g_autoptr(GByteArray) again = save(dev);
        if (!same(dev, was, again, "saved, disturbed, loaded"))
            return;
        disturb(dev, windows, rand, 300); /* another state for the next round */
    }
}

static void test_hostile(gconstpointer opaque)
{
    Device *dev = devices->pdata[GPOINTER_TO_UINT(opaque)];
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed + 1);
    g_autoptr(GArray) windows = windows_of(dev);
    disturb(dev, windows, rand, 200);
    g_autoptr(GByteArray) good = save(dev);
    size_t step = good->len > 400 ? good->len / 200 : 1;
    for (size_t len = 0; len < good->len; len += step)
        load(dev, good->data, len, NULL);
    for (unsigned i = 0; good->len && i < 600; i++) {
        g_autofree uint8_t *bad = g_memdup2(good->data, good->len);
        for (unsigned n = i < 400 ? 1 : 8; n; n--)
            bad[g_rand_int_range(rand, 0, (gint32)good->len)] ^=
                (uint8_t)(g_rand_boolean(rand) ? 1 << g_rand_int_range(rand, 0, 8) : g_rand_int_range(rand, 1, 256));
        Error *err = NULL;
        bool ok = load(dev, bad, good->len, &err);
        g_assert_true(ok == !err);
        error_free(err);
        disturb(dev, windows, rand, 5);
    }
    load(dev, good->data, good->len, NULL);
}

static void test_reset(void)
{
    devices_reset_all();
    for (guint i = 0; i < devices->len; i++) {
        Device *dev = devices->pdata[i];
        bool skip = false;
        for (size_t k = 0; k < G_N_ELEMENTS(exempt); k++)
            skip |= !strcmp(exempt[k].device, dev->desc->name) && !strcmp(exempt[k].test, "reset");
        g_autoptr(GByteArray) now = save(dev);
        if (!skip)
            same(dev, after_boot->pdata[i], now, "after the first and a later reset");
    }
}

static void test_end(void)
{
    vcpus_pause();
    startup_cleanup();
    g_autoptr(GPtrArray) left = g_ptr_array_new();
    devices_foreach(collect, left);
    for (guint i = 0; i < left->len; i++) {
        Device *dev = left->pdata[i];
        if (dev->desc->bus == BUS_NONE) /* CPUs stay */
            continue;
        g_test_message("%s is left", dev->desc->name);
        g_test_fail();
    }
    vm_unlock();
    rcu_barrier_all();
    vm_lock();
}

int main(int argc, char **argv)
{
    static char *words[] = {"qemu-system-x86_64",
                            "-machine",
                            "pc",
                            "-m",
                            "16",
                            "-accel",
                            "qtest",
                            "-display",
                            "none",
                            "-monitor",
                            "none",
                            "-serial",
                            "null",
                            "-parallel",
                            "null",
                            "-rtc",
                            "base=2024-02-28T23:59:50,clock=vm",
                            "-vga",
                            "std",
                            "-drive",
                            "if=none,id=d0,driver=null-co,read-zeroes=on",
                            "-device",
                            "ide-hd,drive=d0,bus=ide.0",
                            "-drive",
                            "if=none,id=d1,driver=null-co,read-zeroes=on",
                            "-device",
                            "ide-cd,drive=d1,bus=ide.1",
                            "-device",
                            "isa-debug-exit",
                            "-device",
                            "secondary-vga",
                            NULL};
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    for (int i = 0; i < argc; i++)
        g_ptr_array_add(args, argv[i]);
    char keep_going[] = "-k";
    g_ptr_array_add(args, keep_going);
    g_ptr_array_add(args, NULL);
    argc++;
    argv = (char **)args->pdata;
    g_test_init(&argc, &argv, NULL);
    if (g_getenv("TABLE_SEED"))
        seed = (uint32_t)strtoul(g_getenv("TABLE_SEED"), NULL, 0);

    Error *err = NULL;
    if (!options_parse((int)G_N_ELEMENTS(words) - 1, words, &err) || !startup_early(&err))
        g_error("%s", error_text(err));
    rcu_thread_register();
    mainloop_init();
    if (!startup_machine(&err))
        g_error("%s", error_text(err));
    devices = g_ptr_array_new();
    after_boot = g_ptr_array_new();
    devices_foreach(collect, devices);
    for (guint i = 0; i < devices->len; i++) {
        Device *dev = devices->pdata[i];
        g_ptr_array_add(after_boot, save(dev));
        g_autofree char *a = g_strdup_printf("/table-pc/%02u-%s/load", i, dev->desc->name);
        g_test_add_data_func(a, GUINT_TO_POINTER(i), test_load);
        g_autofree char *b = g_strdup_printf("/table-pc/%02u-%s/hostile", i, dev->desc->name);
        g_test_add_data_func(b, GUINT_TO_POINTER(i), test_hostile);
    }
    g_test_add_func("/table-pc/zz/reset", test_reset);
    g_test_add_func("/table-pc/zz/zend", test_end);
    return g_test_run();
}
