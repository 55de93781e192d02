/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole PC as a hostile guest sees it: every port and register of every device that is mapped, PCI configuration
 * space, memory that devices fetch from, and time, in any order. Each input starts from a reset with all BARs placed.
 *
 * A step is eight bytes: what, a selector, a 16-bit offset, a 32-bit value.
 */
#include "tests/fuzz/fuzz.h"

#include "accel/accel.h"
#include "hw/core/machine.h"
#include "hw/pci/pci.h"
#include "softmmu/mainloop.h"
#include "softmmu/options.h"
#include "softmmu/runstate.h"

const char *const fuzz_seeds[] = {
    "0a..0000"
    "1a..0001"
    "2b..zzzz"
    "3c..0000"
    "4d..0000"
    "5e..0000"
    "6f..0000"
    "7g..0000",
    "1000zzzz"
    "1100AAAA"
    "1200----"
    "1300    "
    "0400aaaa"
    "0500aaaa"
    "0600aaaa"
    "7777\x01\x01\x01\x01",
    "4 \x04"
    "x\xff\xff\x07\x07"
    "5!\x10"
    "x\x01\x01\x01\x01"
    "2!  aaaa"
    "3!  aaaa"
    "2\"  bbbb"
    "3\"  bbbb",
    "1\x1f"
    "\x06\x01    "
    "1 \xf8\x03"
    "abcd"
    "0 \xf8\x03"
    "abcd"
    "1 p\x01"
    "\x20\x20\x20\x20"
    "0 w\x01"
    "abcd",
    NULL,
};

enum { RANGES_MAX = 256, RAM_WINDOW = 0x100000 };
static FlatRange ranges[RANGES_MAX];
static unsigned n_ranges;

static bool note_range(const FlatRange *r, void *opaque)
{
    if (n_ranges < RANGES_MAX && r->region->kind == REGION_IO)
        ranges[n_ranges++] = *r;
    return true;
}

static void start_machine(void)
{
    static char *argv[] = {"fuzz",    "-accel",
                           "qtest",   "-machine",
                           "pc",      "-m",
                           "16",      "-display",
                           "none",    "-serial",
                           "null",    "-parallel",
                           "null",    "-monitor",
                           "none",    "-net",
                           "none",    "-S",
                           "-vga",    "std",
                           "-device", "pc-testdev",
                           "-drive",  "if=ide,format=raw,file.driver=null-co,file.size=1M",
                           "-drive",  "if=none,id=cd,media=cdrom,driver=null-co",
                           "-device", "ide-cd,drive=cd,bus=ide.1"};
    Error *err = NULL;
    rcu_thread_register();
    mainloop_init();
    if (!options_parse(G_N_ELEMENTS(argv), argv, &err) || !startup_early(&err) || !startup_machine(&err))
        g_error("%s", error_text(err));
}

/* What firmware does: each BAR gets a place, each device its decoders and bus mastering. */
static void place_bars(void)
{
    uint64_t mem = 0xe0000000, io = 0xc000;
    for (unsigned devfn = 0; pci_root && devfn < 256; devfn++) {
        PciDevice *d = pci_root->devices[devfn];
        for (unsigned n = 0; d && n < 6; n++) {
            const PciBar *b = &d->bars[n];
            uint64_t *at = b->type & PCI_BAR_IO ? &io : &mem;
            if (!b->region || !b->size)
                continue;
            *at = ROUND_UP(*at, b->size);
            pci_config_write(pci_root, devfn, 0x10 + 4 * n, *at, 4);
            *at += b->size;
        }
        if (d)
            pci_config_write(pci_root, devfn, 4, 7, 2);
    }
}

static void step(const uint8_t *p)
{
    unsigned size = 1U << (p[0] >> 4 & 3), sel = p[1], off = lduw_le(p + 2);
    uint32_t val = ldl_le(p + 4);
    switch (p[0] & 7) {
    case 0:
        io_read(off, MIN(size, 4));
        break;
    case 1:
        io_write(off, val, MIN(size, 4));
        break;
    case 2:
    case 3:
        if (n_ranges) {
            const FlatRange *r = &ranges[sel % n_ranges];
            uint64_t span = r->last - r->addr + 1, at = r->addr + (span ? off % span : off);
            if (p[0] & 1)
                as_store(&as_memory, at, size, val, NULL);
            else
                as_load(&as_memory, at, size, NULL);
        }
        break;
    case 4:
        if (pci_root)
            pci_config_read(pci_root, sel, off & 0xff & ~(MIN(size, 4) - 1), MIN(size, 4));
        break;
    case 5:
        if (pci_root)
            pci_config_write(pci_root, sel, off & 0xff & ~(MIN(size, 4) - 1), val, MIN(size, 4));
        break;
    case 6:
        as_write(&as_memory, (sel << 12 | (off & 0xfff)) % RAM_WINDOW, &val, 4);
        break;
    default:
        clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + val % (10 * NS_PER_MS));
        for (int i = 0; i < 8; i++)
            g_main_context_iteration(NULL, false);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    if (!started)
        start_machine();
    started = true;
    devices_reset_all();
    place_bars();
    n_ranges = 0;
    as_foreach(&as_memory, note_range, NULL);
    for (; size >= 8; data += 8, size -= 8)
        step(data);
    int status;
    runstate_turn(&status); /* what was asked for: a reset, a power-off, an end */
    return 0;
}
