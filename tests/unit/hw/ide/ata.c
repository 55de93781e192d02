/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ATA core on a channel of its own: a controller with a scatter list in an array, memory that cannot be mapped,
 * disks that are slow or fail. */
#include "hw/ide/ata.h"

#include "block/drive.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "util/iov.h"
#include "util/rcu.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STATUS = 7, COUNT = 2, DEVICE = 6 };

static uint8_t memory[65536];
static IdeSg list[8];
static unsigned list_len, irqs, dones;
static bool done_active, mappable, engine;

static IdeChannel ch;

static void set_irq(void *opaque, bool level)
{
    irqs += level;
}
static void dma_ready(void *opaque)
{
    if (engine)
        ide_dma_go(&ch);
}
static int64_t dma_list(void *opaque, uint64_t limit, GArray *sg)
{
    int64_t total = 0;
    for (unsigned i = 0; i < list_len; i++) {
        IdeSg e = list[i];
        total += e.len;
        e.len = (uint32_t)MIN(e.len, limit);
        limit -= e.len;
        if (e.len)
            g_array_append_val(sg, e);
    }
    return total;
}
static void dma_done(void *opaque, bool active)
{
    dones++;
    done_active = active;
}
static MemResult dma_rw(void *opaque, Gpa addr, void *buf, uint64_t len, bool to_memory)
{
    if (addr > sizeof(memory) || len > sizeof(memory) - addr)
        return MEM_DECODE_ERROR;
    if (to_memory)
        memcpy(memory + addr, buf, len);
    else
        memcpy(buf, memory + addr, len);
    return MEM_OK;
}
static unsigned mapped;
static void *dma_map(void *opaque, Gpa addr, uint64_t *len, bool to_memory)
{
    if (!mappable || addr >= sizeof(memory))
        return NULL;
    *len = MIN(*len, sizeof(memory) - addr);
    mapped++;
    return memory + addr;
}
static void dma_unmap(void *opaque, void *host, uint64_t len, bool to_memory, uint64_t access_len)
{
    mapped--;
}
static const IdeControllerOps ops = {set_irq, dma_ready, dma_list, dma_done, dma_rw, dma_map, dma_unmap};

static Device *plug(const char *type, const char *drive)
{
    Error *err = NULL;
    g_autofree char *text = g_strdup_printf("if=none,id=d,%s", drive);
    if (!drive_add_hmp(text, &err))
        g_error("%s", error_text(err));
    Device *d = device_new_named(type);
    device_set_str(d, "drive", "d");
    if (!device_realize(d, &ch.bus, &err))
        g_error("%s", error_text(err));
    irqs = dones = list_len = 0;
    engine = mappable = false;
    return d;
}

/* The drive goes with its device. */
static void unplug(Device *d)
{
    device_unrealize(d);
    g_assert_null(blk_find("d"));
    g_assert_cmpuint(mapped, ==, 0);
    ide_channel_reset(&ch);
}

static void settle(void)
{
    while (!ide_channel_quiet(&ch))
        mainloop_run_once(true);
}

static void task(uint8_t cmd, unsigned count, uint32_t lba)
{
    ide_reg_write(&ch, DEVICE, 0xe0);
    ide_reg_write(&ch, COUNT, (uint8_t)count);
    for (unsigned i = 0; i < 3; i++)
        ide_reg_write(&ch, 3 + i, (uint8_t)(lba >> (8 * i)));
    ide_reg_write(&ch, STATUS, cmd);
}

static char *image(size_t sectors)
{
    char *path;
    int fd = g_file_open_tmp("ata-XXXXXX", &path, NULL);
    for (size_t i = 0; i < sectors; i++) {
        uint8_t s[512];
        memset(s, (int)i, sizeof(s));
        g_assert_cmpint(write(fd, s, sizeof(s)), ==, sizeof(s));
    }
    close(fd);
    return path;
}

static void test_no_drives(void)
{
    for (unsigned r = 1; r < 8; r++)
        g_assert_cmphex(ide_reg_read(&ch, r), ==, 0);
    ide_reg_write(&ch, STATUS, 0xec);
    g_assert_cmphex(ide_alt_status(&ch), ==, 0);
    g_assert_cmphex(ide_data_read(&ch, 2), ==, 0);
    ide_data_write(&ch, 1, 4);
}

static void test_dma_paths(void)
{
    g_autofree char *path = image(64), *opt = g_strdup_printf("file=%s,format=raw", path);
    Device *d = plug("ide-hd", opt);
    for (int m = 0; m < 2; m++) {
        mappable = m;
        memset(memory, 0xee, sizeof(memory));
        list[0] = (IdeSg){10, 100};
        list[1] = (IdeSg){1000, 924};
        list_len = 2;
        irqs = dones = 0;
        task(0xc8, 2, 7);
        g_assert_cmphex(ide_alt_status(&ch), ==, 0x58);
        g_assert_true(ide_dma_waiting(&ch));
        g_assert_cmphex(ide_data_read(&ch, 4), ==, 0); /* not by PIO */
        ide_dma_go(&ch);
        settle();
        g_assert_cmphex(ide_reg_read(&ch, STATUS), ==, 0x50);
        g_assert_cmpuint(irqs, ==, 1);
        g_assert_cmpuint(dones, ==, 1);
        g_assert_false(done_active);
        g_assert_cmphex(memory[9], ==, 0xee);
        g_assert_cmphex(memory[10], ==, 7);
        g_assert_cmphex(memory[1000 + 924 - 1], ==, 8);
        g_assert_cmphex(memory[1000 + 924], ==, 0xee);
        /* A piece that lies nowhere: swallowed; the rest arrives. */
        list[0] = (IdeSg){0xffff0000, 512};
        list[1] = (IdeSg){0, 512};
        engine = true;
        task(0xc8, 2, 20);
        settle();
        engine = false;
        g_assert_cmphex(memory[0], ==, 21);
        g_assert_cmphex(ide_reg_read(&ch, STATUS), ==, 0x50);
    }
    unplug(d);
    g_unlink(path);
}

/* Reset, cancel and removal with a slow disk. */
static void test_in_flight(void)
{
    Device *d = plug("ide-hd", "driver=null-co,latency-ns=20000000,size=1M");
    task(0x20, 1, 0);
    g_assert_cmphex(ide_alt_status(&ch) & 0x80, ==, 0x80);
    ide_reg_write(&ch, STATUS, 0xec); /* not while it is busy */
    ide_reg_write(&ch, COUNT, 9);
    ide_control_write(&ch, 4);
    ide_control_write(&ch, 0);
    g_assert_true(ide_channel_quiet(&ch));
    g_assert_cmphex(ide_reg_read(&ch, STATUS), ==, 0x50);
    g_assert_cmpuint(ide_reg_read(&ch, COUNT), ==, 1);
    mappable = true;
    list[0] = (IdeSg){0, 512};
    list_len = 1;
    task(0xca, 1, 0);
    ide_dma_go(&ch);
    ide_dma_drain(&ch);
    g_assert_cmphex(ide_reg_read(&ch, STATUS), ==, 0x50);
    task(0xca, 1, 0);
    ide_dma_go(&ch);
    ide_channel_reset(&ch);
    g_assert_cmpuint(mapped, ==, 0);
    task(0xc8, 1, 0);
    ide_dma_go(&ch);
    unplug(d); /* with the request in flight */
    g_assert_cmphex(ide_reg_read(&ch, STATUS), ==, 0);
}

static void test_errors(void)
{
    static const struct {
        const char *policy;
        uint8_t status;
        unsigned irqs;
    } cases[] = {{"rerror=report", 0x41, 1}, {"rerror=ignore", 0x58, 1}};
    g_autofree char *path = image(16);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *opt =
            g_strdup_printf("format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=%s,"
                            "file.inject-error.0.event=read_aio,file.inject-error.0.sector=3,%s",
                            path, cases[i].policy);
        Device *d = plug("ide-hd", opt);
        task(0x20, 1, 3);
        settle();
        g_assert_cmphex(ide_reg_read(&ch, STATUS), ==, cases[i].status);
        g_assert_cmpuint(irqs, ==, cases[i].irqs);
        if (cases[i].status & 1)
            g_assert_cmphex(ide_reg_read(&ch, 1), ==, 4);
        task(0xc8, 1, 3);
        unplug(d);
    }
    g_unlink(path);
}

/* Any sequence of register accesses: nothing breaks, no index leaves its buffer (which the sanitizers would see). */
static void test_random(void)
{
    g_autofree char *path = image(256), *opt = g_strdup_printf("file=%s,format=raw", path);
    static const char *const types[] = {"ide-hd", "ide-cd"};
    for (int t = 0; t < 2; t++) {
        Device *d = plug(types[t], opt);
        GRand *r = g_rand_new_with_seed(5);
        for (int i = 0; i < 30000; i++) {
            unsigned reg = (unsigned)g_rand_int_range(r, 0, 12);
            uint8_t val = (uint8_t)g_rand_int(r);
            list_len = (unsigned)g_rand_int_range(r, 0, 4);
            for (unsigned k = 0; k < list_len; k++)
                list[k] = (IdeSg){g_rand_int(r) & 0x1ffff, (uint32_t)g_rand_int_range(r, 1, 0x10001)};
            mappable = val & 1;
            engine = val & 2;
            if (reg == 8)
                ide_control_write(&ch, val);
            else if (reg == 9)
                ide_dma_go(&ch);
            else if (reg == 10)
                for (int k = 0; k < 300; k++)
                    g_rand_boolean(r) ? (void)ide_data_read(&ch, val & 4 ? 4 : 2)
                                      : ide_data_write(&ch, g_rand_int(r), val & 4 ? 4 : 2);
            else if (reg == 11)
                settle();
            else if (g_rand_int_range(r, 0, 4))
                ide_reg_write(&ch, reg, reg == 6 ? val & ~0x10 : reg == 7 && val & 1 ? (val & 2 ? 0xa0 : 0x20) : val);
            else
                ide_reg_read(&ch, reg);
        }
        settle();
        g_rand_free(r);
        unplug(d);
    }
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    ide_channel_init(&ch, NULL, 0, &ops, NULL);
    g_test_add_func("/hw/ide/ata/no-drives", test_no_drives);
    g_test_add_func("/hw/ide/ata/dma-paths", test_dma_paths);
    g_test_add_func("/hw/ide/ata/in-flight", test_in_flight);
    g_test_add_func("/hw/ide/ata/errors", test_errors);
    g_test_add_func("/hw/ide/ata/random", test_random);
    return g_test_run();
}
