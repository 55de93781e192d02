/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ISA DMA transfers, with a device that holds DREQ. */
#include "hw/dma/i8257.h"

#include "accel/qtest/qtest.h"
#include "softmmu/mainloop.h"

typedef struct Probe {
    IsaDevice isa;
    unsigned channel, calls;
    uint32_t chunk; /* bytes a call */
    bool tc, release_at_tc;
    uint8_t data[0x40000];
    uint32_t done, limit;
} Probe;

static const DeviceDesc probe_desc = {.name = "dma-probe", .bus = BUS_ISA, .size = sizeof(Probe)};
static Probe *probe;
static MemoryRegion ram;
static uint8_t *mem;

static void transfer(void *opaque, unsigned channel)
{
    Probe *p = opaque;
    bool tc;
    g_assert_cmpuint(channel, ==, p->channel);
    p->calls++;
    uint32_t want = MIN(p->chunk, p->limit - p->done);
    if (isa_dma_mode(channel) == ISA_DMA_READ)
        p->done += isa_dma_read(channel, p->data + p->done, want, &tc);
    else
        p->done += isa_dma_write(channel, p->data + p->done, want, &tc);
    p->tc |= tc;
    if (p->done == p->limit || (tc && p->release_at_tc))
        isa_dma_release(channel);
}

static void out(uint16_t port, uint8_t val)
{
    io_write(port, val, 1);
}
static uint8_t in(uint16_t port)
{
    return io_read(port, 1);
}
static void spin(void)
{
    for (unsigned i = 0; i < 2000 && g_main_context_pending(NULL); i++)
        mainloop_run_once(false);
}

/* addr and count in the channel's units; mode: the low bits of the mode register. */
static void program(unsigned ch, uint8_t mode, uint32_t addr, uint16_t count)
{
    static const uint16_t page[8] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
    unsigned n = ch & 3, hi = ch >> 2, base = hi ? 0xc0 : 0, step = hi ? 2 : 1;
    unsigned ctl = base + 8 * step;
    out(ctl + 2 * step, 4 | n); /* mask */
    out(ctl + 4 * step, 0);     /* byte pointer */
    out(ctl + 3 * step, mode | n);
    out(base + 2 * n * step, addr >> hi);
    out(base + 2 * n * step, addr >> hi >> 8);
    out(page[ch], addr >> 16);
    out(base + (2 * n + 1) * step, count);
    out(base + (2 * n + 1) * step, count >> 8);
}
static void unmask(unsigned ch)
{
    out(ch >> 2 ? 0xd4 : 0x0a, ch & 3);
}

static void setup(unsigned ch, uint32_t limit, uint32_t chunk)
{
    if (probe->channel != ch) {
        isa_dma_unregister(&probe->isa, probe->channel);
        g_assert_true(isa_dma_register(&probe->isa, ch, transfer, probe, NULL));
    }
    isa_dma_release(ch);
    probe->channel = ch;
    probe->calls = 0;
    probe->done = 0;
    probe->limit = limit;
    probe->chunk = chunk;
    probe->tc = false;
    probe->release_at_tc = true;
    for (unsigned i = 0; i < sizeof(probe->data); i++)
        probe->data[i] = i * 7 + ch;
    memset(mem, 0, 2 * MIB);
    (void)in(0x08);
    (void)in(0xd0);
}

static void test_to_memory(void)
{
    setup(2, 512, 100);
    program(2, 0x44, 0x12345, 511);
    isa_dma_hold(2);
    spin();
    g_assert_cmpuint(probe->calls, ==, 0); /* masked */
    g_assert_cmphex(in(0x08), ==, 0x40);   /* DREQ is seen */
    unmask(2);
    g_assert_true(isa_dma_ready(2));
    spin();
    g_assert_cmpuint(probe->done, ==, 512);
    g_assert_true(probe->tc);
    g_assert_cmpmem(mem + 0x12345, 512, probe->data, 512);
    g_assert_cmphex(mem[0x12344], ==, 0);
    g_assert_cmphex(mem[0x12545], ==, 0);
    g_assert_cmphex(in(0x08), ==, 0x04); /* TC, cleared by the read */
    g_assert_cmphex(in(0x08), ==, 0);
    out(0x0c, 0);
    g_assert_cmphex(in(0x05), ==, 0xff); /* the count went to -1 */
    g_assert_cmphex(in(0x05), ==, 0xff);
    g_assert_false(isa_dma_ready(2)); /* masked itself */
}

static void test_from_memory(void)
{
    setup(1, 300, 1000);
    for (unsigned i = 0; i < 300; i++)
        mem[0x20000 + i] = i ^ 0x5a;
    program(1, 0x48, 0x20000, 299);
    unmask(1);
    isa_dma_hold(1);
    spin();
    g_assert_true(probe->tc);
    g_assert_cmpmem(probe->data, 300, mem + 0x20000, 300);
}

static void test_words(void)
{
    setup(5, 0x20000, 0x3000);
    program(5, 0x44, 0x60000, 0xffff); /* 128 KiB: a whole page pair */
    unmask(5);
    isa_dma_hold(5);
    spin();
    g_assert_cmpuint(probe->done, ==, 0x20000);
    g_assert_true(probe->tc);
    g_assert_cmpmem(mem + 0x60000, 0x20000, probe->data, 0x20000);
    g_assert_cmphex(in(0xd0) & 0x0f, ==, 0x02);
}

/* The 16-bit address wraps inside of its page. */
static void test_wrap(void)
{
    setup(3, 0x200, 0x1000);
    program(3, 0x44, 0x3ff00, 0x1ff);
    unmask(3);
    isa_dma_hold(3);
    spin();
    g_assert_cmpmem(mem + 0x3ff00, 0x100, probe->data, 0x100);
    g_assert_cmpmem(mem + 0x30000, 0x100, probe->data + 0x100, 0x100);
    g_assert_cmphex(mem[0x40000], ==, 0);
}

static void test_down(void)
{
    setup(3, 0x10, 0x10);
    program(3, 0x64, 0x5000f, 0x0f);
    unmask(3);
    isa_dma_hold(3);
    spin();
    for (unsigned i = 0; i < 16; i++)
        g_assert_cmphex(mem[0x50000 + i], ==, probe->data[15 - i]);
}

static void test_autoinit(void)
{
    setup(1, 0x300, 0x80);
    probe->release_at_tc = false;
    program(1, 0x54, 0x70000, 0xff);
    unmask(1);
    isa_dma_hold(1);
    spin();
    g_assert_cmpuint(probe->done, ==, 0x300); /* three rounds */
    g_assert_cmpmem(mem + 0x70000, 0x100, probe->data + 0x200, 0x100);
    g_assert_true(isa_dma_ready(1));
    g_assert_true(isa_dma_autoinit(1));
    g_assert_cmpuint(isa_dma_left(1), ==, 0x100);
}

static void test_verify(void)
{
    setup(2, 512, 512);
    program(2, 0x40, 0x12000, 511);
    unmask(2);
    isa_dma_hold(2);
    spin();
    g_assert_true(probe->tc);
    g_assert_cmphex(mem[0x12001], ==, 0);
}

/* Disabled by the command register; a device that moves nothing is not asked again and again. */
static void test_disable_and_stall(void)
{
    setup(2, 512, 512);
    program(2, 0x44, 0x12000, 511);
    out(0x08, 4);
    unmask(2);
    isa_dma_hold(2);
    spin();
    g_assert_cmpuint(probe->calls, ==, 0);
    out(0x08, 0);
    spin();
    g_assert_cmpuint(probe->done, ==, 512);
    setup(2, 512, 0);
    program(2, 0x44, 0x12000, 511);
    unmask(2);
    isa_dma_hold(2);
    spin();
    g_assert_cmpuint(probe->calls, ==, 1);
    probe->chunk = 512;
    isa_dma_hold(2);
    spin();
    g_assert_cmpuint(probe->done, ==, 512);
}

static void test_register(void)
{
    Error *err = NULL;
    g_assert_false(isa_dma_register(&probe->isa, 4, transfer, probe, &err));
    g_clear_pointer(&err, error_free);
    g_assert_false(isa_dma_register(&probe->isa, 9, transfer, probe, &err));
    g_clear_pointer(&err, error_free);
    g_assert_false(isa_dma_register(&probe->isa, probe->channel, transfer, probe, &err)); /* taken */
    g_assert_nonnull(err);
    error_free(err);
    isa_dma_hold(77);
    g_assert_cmpuint(isa_dma_left(77), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    memory_init();
    accel = &accel_qtest;
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    g_assert_true(region_init_ram(&ram, NULL, "ram", 2 * MIB, NULL));
    region_add(&system_memory, 0, &ram);
    mem = region_ram_ptr(&ram);
    isa_bus_new(NULL, &system_io, &system_memory);
    g_assert_true(i8257_create(isa_bus, NULL));
    devices_reset_all();
    probe = g_new0(Probe, 1);
    probe->isa.dev.desc = &probe_desc;
    g_assert_true(isa_dma_register(&probe->isa, 0, transfer, probe, NULL));
    g_test_add_func("/i8257/to-memory", test_to_memory);
    g_test_add_func("/i8257/from-memory", test_from_memory);
    g_test_add_func("/i8257/words", test_words);
    g_test_add_func("/i8257/wrap", test_wrap);
    g_test_add_func("/i8257/down", test_down);
    g_test_add_func("/i8257/auto-init", test_autoinit);
    g_test_add_func("/i8257/verify", test_verify);
    g_test_add_func("/i8257/disable-and-stall", test_disable_and_stall);
    g_test_add_func("/i8257/register", test_register);
    return g_test_run();
}
