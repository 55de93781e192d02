/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any device of the table that a bare board can hold. The first byte picks it; then steps, each a byte that says what,
 * and arguments:
 *
 *     0-1  write: window, size and kind of value, 2 bytes of offset, 1 or 4 of value     2  read: window, size, 2 bytes
 * of offset 3    the clock goes on by 2^n ns                4  save, reset, load: it must be as it was 5    load what
 * is saved with some bytes changed 6  reset                           7  a byte of guest memory
 */
#include "tests/fuzz/fuzz.h"

#include "softmmu/mainloop.h"
#include "tests/unit/hw/harness.h"

const char *const fuzz_seeds[] = {
    "a\x10\x01\x02\x03\x04\x10\x05\x01\x02\x03\x12\x01\x01\x02\x13\x1e\x14\x16\x10\x01\x02\x03\x04",
    "b\x08\x21\x01\x7f\x11\x01\x12\x34\x56\x78\x12\x02\x03\x04\x15\x02\x21\x41\x14\x03\x18",
    "c\x10\x10\x01\x02\x80\x02\x10\x01\x02\x03\x20\x07\x11\x55\x14\x04\x05\x01\x01\x01",
    "def\x10\x20\x30\x40\x50\x60\x70\x03\x24\x04\x04\x06\x02\x01\x01\x01",
    NULL,
};

static const DeviceDesc *pick(unsigned n)
{
    static GPtrArray *fit;
    const char *why;
    if (!fit) {
        fit = g_ptr_array_new();
        for (const DeviceDesc *const *d = device_table; *d; d++)
            if (bench_fits(*d, &why))
                g_ptr_array_add(fit, (void *)*d);
    }
    return fit->pdata[n % fit->len];
}

static void step(Input *in)
{
    uint8_t op = (uint8_t)take(in, 1);
    unsigned windows = bench.windows->len;
    switch (op & 7) {
    case 0:
    case 1:
    case 2: {
        unsigned kind = (unsigned)take(in, 1), size = 1U << (kind & 3);
        uint64_t off = take(in, 2);
        uint64_t val = (op & 7) == 2 ? 0 : take(in, kind & 0x40 ? 4 : 1);
        if (windows)
            bench_access((kind >> 2 & 15) % windows, off, size, (op & 7) != 2, val);
        break;
    }
    case 3:
        clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + (int64_t)BIT64(op >> 3));
        break;
    case 4: {
        g_autoptr(GByteArray) saved = bench_save();
        device_reset(bench.dev);
        g_assert_true(bench_load(saved->data, saved->len, NULL));
        g_autoptr(GByteArray) again = bench_save();
        g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
        break;
    }
    case 5: {
        g_autoptr(GByteArray) saved = bench_save();
        for (unsigned n = op >> 3 & 7; saved->len && n; n--) {
            uint64_t at = take(in, 2);
            saved->data[at % saved->len] = (uint8_t)take(in, 1);
        }
        bench_load(saved->data, saved->len, NULL);
        break;
    }
    case 6:
        device_reset(bench.dev);
        bench_map();
        break;
    default: {
        uint64_t at = take(in, 2);
        bench_ram()[at] = (uint8_t)take(in, 1);
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!bench.windows)
        bench_init();
    Input in = {data, size};
    Error *err = NULL;
    if (!bench_make(pick((unsigned)take(&in, 1)), &err))
        g_error("%s", error_text(err));
    memset(bench_ram(), 0, 64 * KIB);
    for (unsigned n = 0; in.left && n < 500; n++)
        step(&in);
    bench_drop();
    return 0;
}
