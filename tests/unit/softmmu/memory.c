/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions, overlap, dispatch, listeners, dirty tracking; and random trees against a byte-by-byte model. */
#include "hw/core/device.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"

#include <sys/eventfd.h>
#include <unistd.h>

typedef struct Probe {
    unsigned reads, writes;
    uint64_t off[8], val[8];
    unsigned size[8];
    unsigned n;
    uint64_t answer; /* reads: the low byte counts up from here per byte of offset */
} Probe;

static void note(Probe *p, uint64_t off, uint64_t val, unsigned size)
{
    if (p->n < 8) {
        p->off[p->n] = off;
        p->val[p->n] = val;
        p->size[p->n] = size;
        p->n++;
    }
}

static uint64_t probe_read(void *opaque, uint64_t off, unsigned size)
{
    Probe *p = opaque;
    g_assert_true(vm_locked());
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)(uint8_t)(p->answer + off + i) << (8 * i);
    note(p, off, v, size);
    p->reads++;
    return v;
}

static void probe_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Probe *p = opaque;
    note(p, off, val, size);
    p->writes++;
}

static const IoOps ops_any = {probe_read, probe_write, .min = 1, .max = 8};
static const IoOps ops_default = {probe_read, probe_write};
static const IoOps ops_byte = {probe_read, probe_write, .min = 1, .max = 1};
static const IoOps ops_dword = {probe_read, probe_write, .min = 4, .max = 4};
static const IoOps ops_bus4 = {probe_read,   probe_write,         .min = 4, .max = 4, .bus_min = 4,
                               .bus_max = 4, .aligned_only = true};
static const IoOps ops_unaligned = {probe_read, probe_write, .min = 1, .max = 4, .unaligned = true};

typedef struct Fixture {
    MemoryRegion root;
    AddressSpace as;
} Fixture;

static void setup(Fixture *f, const void *unused)
{
    region_init_container(&f->root, NULL, "root", (unsigned __int128)1 << 64);
    as_init(&f->as, &f->root, "test");
}

static void teardown(Fixture *f, const void *unused)
{
    as_destroy(&f->as);
    region_destroy(&f->root);
}

static uint8_t byte_at(Fixture *f, Gpa addr)
{
    return (uint8_t)as_load(&f->as, addr, 1, NULL);
}

static void test_overlap(Fixture *f, const void *unused)
{
    Probe a = {.answer = 0x10}, b = {.answer = 0x60};
    IoRegion ra, rb;
    region_init_io(&ra, NULL, &ops_any, &a, "a", 16);
    region_init_io(&rb, NULL, &ops_any, &b, "b", 4);
    region_add(&f->root, 0x100, &ra);
    region_add(&f->root, 0x104, &rb); /* later of equal priority wins */
    g_assert_cmphex(byte_at(f, 0x103), ==, 0x13);
    g_assert_cmphex(byte_at(f, 0x104), ==, 0x60);
    g_assert_cmphex(byte_at(f, 0x108), ==, 0x18);
    region_del(&rb);
    region_add_overlap(&f->root, 0x104, &rb, -1);
    g_assert_cmphex(byte_at(f, 0x104), ==, 0x14);
    region_set_address(&rb, 0x10e); /* sticks out behind */
    g_assert_cmphex(byte_at(f, 0x10f), ==, 0x1f);
    g_assert_cmphex(byte_at(f, 0x110), ==, 0x62);
    region_set_enabled(&ra, false);
    g_assert_cmphex(byte_at(f, 0x10e), ==, 0x60);
    MemResult res;
    g_assert_cmphex(as_load(&f->as, 0x100, 4, &res), ==, 0xffffffff);
    g_assert_cmpint(res, ==, MEM_DECODE_ERROR);
    region_destroy(&ra);
    region_destroy(&rb);
    g_assert_cmphex(byte_at(f, 0x10e), ==, 0xff);
}

static void test_width(Fixture *f, const void *unused)
{
    /* 0xcf8 is a register of four bytes though 0xcf9 is another's. */
    Probe conf = {0}, reset = {.answer = 0x80};
    IoRegion rc, rr;
    region_init_io(&rc, NULL, &ops_dword, &conf, "conf", 4);
    region_init_io(&rr, NULL, &ops_byte, &reset, "reset", 1);
    region_add(&f->root, 0xcf8, &rc);
    region_add_overlap(&f->root, 0xcf9, &rr, 1);
    as_store(&f->as, 0xcf8, 4, 0x80001234, NULL);
    g_assert_cmpuint(conf.n, ==, 1);
    g_assert_cmphex(conf.val[0], ==, 0x80001234);
    g_assert_cmpuint(reset.writes, ==, 0);
    as_store(&f->as, 0xcf9, 2, 0x0604, NULL); /* the second byte falls on conf again, widened */
    g_assert_cmpuint(reset.writes, ==, 1);
    g_assert_cmphex(reset.val[0], ==, 0x04);
    g_assert_cmpuint(conf.n, ==, 2);
    g_assert_cmphex(conf.off[1], ==, 0);
    g_assert_cmphex(conf.val[1], ==, 0x060000);
    region_destroy(&rr);
    region_destroy(&rc);
}

static void test_split(Fixture *f, const void *unused)
{
    Probe p = {.answer = 0x10};
    IoRegion r;
    MemResult res;
    region_init_io(&r, NULL, &ops_byte, &p, "byte", 8);
    region_add(&f->root, 0, &r);
    g_assert_cmphex(as_load(&f->as, 2, 4, &res), ==, 0x15141312);
    g_assert_cmpuint(p.reads, ==, 4);
    g_assert_cmphex(p.off[0], ==, 2);
    /* the last two bytes are behind its end */
    g_assert_cmphex(as_load(&f->as, 6, 4, &res), ==, 0xffff1716);
    g_assert_cmpint(res, ==, MEM_DECODE_ERROR);
    region_destroy(&r);

    p = (Probe){.answer = 0};
    region_init_io(&r, NULL, &ops_default, &p, "def", 16);
    region_add(&f->root, 0, &r);
    g_assert_cmphex(as_load(&f->as, 8, 8, &res), ==, 0x0f0e0d0c0b0a0908);
    g_assert_cmpuint(p.reads, ==, 2);
    g_assert_cmpuint(p.size[1], ==, 4);
    p.n = 0;
    g_assert_cmphex(as_load(&f->as, 1, 4, &res), ==, 0x04030201); /* natural alignment: 1, 2, 1 */
    g_assert_cmpuint(p.n, ==, 3);
    g_assert_cmpuint(p.size[1], ==, 2);
    region_destroy(&r);

    p = (Probe){0};
    region_init_io(&r, NULL, &ops_unaligned, &p, "unaligned", 16);
    region_add(&f->root, 0, &r);
    g_assert_cmphex(as_load(&f->as, 1, 4, &res), ==, 0x04030201);
    g_assert_cmpuint(p.n, ==, 1);
    region_destroy(&r);

    p = (Probe){0};
    region_init_io(&r, NULL, &ops_dword, &p, "dword", 16);
    region_add(&f->root, 0, &r);
    g_assert_cmphex(as_load(&f->as, 6, 1, &res), ==, 6);
    g_assert_cmphex(p.off[0], ==, 4);
    g_assert_cmpuint(p.size[0], ==, 4);
    p.n = 0;
    g_assert_cmphex(as_load(&f->as, 6, 4, &res), ==, 0x09080706);
    g_assert_cmpuint(p.n, ==, 2);
    p.n = 0;
    as_store(&f->as, 5, 1, 0xab, NULL);
    g_assert_cmphex(p.val[0], ==, 0xab00);
    region_destroy(&r);

    p = (Probe){0};
    region_init_io(&r, NULL, &ops_bus4, &p, "bus4", 16);
    region_add(&f->root, 0, &r);
    g_assert_cmphex(as_load(&f->as, 4, 4, &res), ==, 0x07060504);
    g_assert_cmpint(res, ==, MEM_OK);
    g_assert_cmphex(as_load(&f->as, 4, 2, &res), ==, 0xffff);
    g_assert_cmpint(res, ==, MEM_DECODE_ERROR);
    g_assert_cmphex(as_load(&f->as, 0, 8, &res), ==, ~0ULL);
    g_assert_cmphex(as_load(&f->as, 2, 4, &res), ==, 0xffffffff);
    g_assert_cmpuint(p.reads, ==, 1);
    uint32_t buf[3];
    g_assert_cmpint(as_read(&f->as, 4, buf, 12), ==, MEM_OK); /* a long one comes in sizes that fit */
    g_assert_cmphex(buf[2], ==, 0x0f0e0d0c);
    region_destroy(&r);
}

static void test_alias(Fixture *f, const void *unused)
{
    MemoryRegion ram, low, again, window;
    g_assert_true(region_init_ram(&ram, NULL, "ram", 64 * KIB, NULL));
    uint8_t *p = region_ram_ptr(&ram);
    for (unsigned i = 0; i < 64 * KIB; i++)
        p[i] = (uint8_t)(i >> 8);
    region_init_alias(&low, NULL, "low", &ram, 0x1000, 0x4000);
    region_init_alias(&again, NULL, "again", &low, 0x800, 0x10000); /* longer than its target: cut */
    region_add(&f->root, 0x100000, &again);
    g_assert_cmphex(byte_at(f, 0x100000), ==, 0x18);
    g_assert_cmphex(byte_at(f, 0x1037ff), ==, 0x4f);
    g_assert_cmphex(byte_at(f, 0x103800), ==, 0xff);
    g_assert_true(region_ram_ptr(&again) == p + 0x1800);
    as_store(&f->as, 0x100002, 2, 0x1234, NULL);
    g_assert_cmphex(lduw_le(p + 0x1802), ==, 0x1234);
    /* a window on the root of which it is a part of: the target's own offset counts, not its address */
    region_init_alias(&window, NULL, "window", &f->root, 0x100000, 0x1000);
    region_add(&f->root, 0xf000000000000000, &window);
    g_assert_cmphex(as_load(&f->as, 0xf000000000000002, 2, NULL), ==, 0x1234);
    region_set_alias_offset(&window, 0x100002);
    g_assert_cmphex(as_load(&f->as, 0xf000000000000000, 2, NULL), ==, 0x1234);
    region_set_readonly(&again, true);
    as_store(&f->as, 0x100002, 2, 0x5678, NULL);
    as_store(&f->as, 0xf000000000000000, 2, 0x5678, NULL);
    g_assert_cmphex(lduw_le(p + 0x1802), ==, 0x1234);
    g_assert_cmpint(as_write_rom(&f->as, 0x100002, "\x78\x56", 2), ==, MEM_OK);
    g_assert_cmphex(lduw_le(p + 0x1802), ==, 0x5678);
    region_destroy(&window);
    region_destroy(&again);
    region_destroy(&low);
    region_destroy(&ram);
}

static void test_edge(Fixture *f, const void *unused)
{
    MemoryRegion ram, all;
    MemResult res;
    g_assert_true(region_init_ram(&ram, NULL, "ram", 4 * KIB, NULL));
    Probe p = {0};
    IoRegion io;
    region_init_container(&all, NULL, "all", (unsigned __int128)1 << 64);
    region_add_overlap(&f->root, 0, &all, -5);
    region_add(&all, 0xfffffffffffff000, &ram);
    memset(region_ram_ptr(&ram), 0x5a, 4 * KIB);
    g_assert_cmphex(as_load(&f->as, 0xfffffffffffffff8, 8, &res), ==, 0x5a5a5a5a5a5a5a5a);
    g_assert_cmpint(res, ==, MEM_OK);
    g_assert_cmphex(as_load(&f->as, 0xfffffffffffffffe, 4, &res), ==, 0xffff5a5a); /* does not wrap */
    g_assert_cmpint(res, ==, MEM_DECODE_ERROR);
    uint8_t buf[16];
    g_assert_cmpint(as_read(&f->as, 0xfffffffffffffff8, buf, 16), ==, MEM_DECODE_ERROR);
    g_assert_cmphex(buf[7], ==, 0x5a);
    g_assert_cmphex(buf[8], ==, 0xff);
    g_assert_cmpint(as_write(&f->as, 0xfffffffffffffff8, buf, 16), ==, MEM_DECODE_ERROR);
    g_assert_cmpint(as_fill(&f->as, 0, 0, 0xffffffffffffffff), ==, MEM_DECODE_ERROR);
    uint64_t len = 100;
    uint8_t *m = as_map(&f->as, 0xfffffffffffffff0, &len, false);
    g_assert_cmpuint(len, ==, 16);
    as_unmap(&f->as, m, len, false, 0);
    /* an I/O region as large as can be, and one on port 0xffff */
    region_init_io(&io, NULL, &ops_any, &p, "io", UINT64_MAX);
    region_add_overlap(&f->root, 0, &io, -6);
    g_assert_cmphex(as_load(&f->as, 0x8000000000000010, 1, &res), ==, 0x10);
    region_destroy(&io);
    region_destroy(&ram);
    region_destroy(&all);
}

static void test_rom(Fixture *f, const void *unused)
{
    MemoryRegion rom, dev;
    Probe p = {.answer = 0x40};
    g_assert_true(region_init_rom(&rom, NULL, "rom", 4 * KIB, NULL));
    g_assert_true(region_init_rom_device(&dev, NULL, &ops_any, &p, "flash", 4 * KIB, NULL));
    region_add(&f->root, 0, &rom);
    region_add(&f->root, 0x1000, &dev);
    g_assert_cmpint(as_write_rom(&f->as, 0xffc, "\1\2\3\4\5\6\7\x8", 8), ==, MEM_OK);
    g_assert_cmphex(as_load(&f->as, 0xffe, 4, NULL), ==, 0x06050403); /* across both */
    as_store(&f->as, 0xffe, 4, 0, NULL);
    g_assert_cmphex(as_load(&f->as, 0xffe, 4, NULL), ==, 0x06050403);
    g_assert_cmpuint(p.writes, ==, 1);
    g_assert_cmpuint(p.size[0], ==, 2);
    g_assert_cmpuint(p.reads, ==, 0);
    region_set_romd(&dev, false);
    g_assert_cmphex(as_load(&f->as, 0x1001, 1, NULL), ==, 0x41);
    uint64_t len = 16;
    g_assert_null(as_map(&f->as, 0x1000, &len, false));
    g_assert_cmpuint(len, ==, 0);
    len = 16;
    g_assert_null(as_map(&f->as, 0, &len, true));
    len = 16;
    void *m = as_map(&f->as, 0, &len, false);
    g_assert_nonnull(m);
    as_unmap(&f->as, m, 16, false, 16);
    region_destroy(&dev);
    region_destroy(&rom);
}

/* The re-entry guard. */
typedef struct Loop {
    Device dev;
    Fixture *f;
    IoRegion a, b;
    unsigned calls;
    MemResult inner;
    uint64_t got;
} Loop;

static uint64_t loop_read(void *opaque, uint64_t off, unsigned size)
{
    Loop *l = opaque;
    l->calls++;
    l->got = as_load(&l->f->as, 0x100, 4, &l->inner);
    return 7;
}

static const IoOps ops_loop = {loop_read, NULL};
static const IoOps ops_loop_ok = {loop_read, NULL, .reentrant = true};

static void test_reentry(Fixture *f, const void *unused)
{
    static const DeviceDesc desc = {.name = "loop"};
    Loop l = {.dev.desc = &desc, .f = f};
    Probe p = {0};
    /* claims are the core's business: regions of a device that no core made are destroyed here */
    region_init_io(&l.a, NULL, &ops_loop, &l, "a", 4);
    region_init_io(&l.b, NULL, &ops_any, &p, "b", 4);
    l.a.owner = l.b.owner = &l.dev;
    region_add(&f->root, 0, &l.a);
    region_add(&f->root, 0x100, &l.b);
    MemResult res;
    g_assert_cmphex(as_load(&f->as, 0, 4, &res), ==, 7);
    g_assert_cmpint(res, ==, MEM_OK);
    g_assert_cmpint(l.inner, ==, MEM_ERROR);
    g_assert_cmphex(l.got, ==, 0xffffffff);
    g_assert_cmpuint(p.reads, ==, 0);
    g_assert_false(l.dev.in_handler);
    as_store(&f->as, 0, 4, 1, &res); /* no write handler */
    g_assert_cmpint(res, ==, MEM_DECODE_ERROR);
    l.b.ops = &ops_loop_ok; /* one that allows it; it recurses once more into itself until b is another's */
    l.b.owner = NULL;
    l.b.ops = &ops_any;
    g_assert_cmphex(as_load(&f->as, 0, 4, &res), ==, 7);
    g_assert_cmpint(l.inner, ==, MEM_OK);
    l.b.owner = &l.dev;
    l.a.ops = &ops_loop_ok;
    as_load(&f->as, 0, 4, &res);
    g_assert_cmpint(l.inner, ==, MEM_OK);
    region_destroy(&l.a);
    region_destroy(&l.b);
}

static void test_eventfd(Fixture *f, const void *unused)
{
    int any = eventfd(0, EFD_NONBLOCK), seven = eventfd(0, EFD_NONBLOCK);
    uint64_t count;
    Probe p = {0};
    IoRegion io;
    region_init_io(&io, NULL, &ops_any, &p, "bell", 16);
    region_add(&f->root, 0x1000, &io);
    region_add_eventfd(&io, 8, 0, false, 0, any);
    region_add_eventfd(&io, 4, 2, true, 7, seven);
    as_store(&f->as, 0x1008, 2, 99, NULL);
    as_store(&f->as, 0x1008, 4, 99, NULL);
    g_assert_cmpint(read(any, &count, 8), ==, 8);
    g_assert_cmpuint(count, ==, 2);
    as_store(&f->as, 0x1004, 2, 7, NULL);
    g_assert_cmpint(read(seven, &count, 8), ==, 8);
    g_assert_cmpuint(p.writes, ==, 0);
    as_store(&f->as, 0x1004, 2, 8, NULL);
    as_store(&f->as, 0x1004, 4, 7, NULL);
    g_assert_cmpuint(p.writes, ==, 2);
    g_assert_cmpint(read(seven, &count, 8), ==, -1);
    region_del_eventfd(&io, 8, 0, false, 0, any);
    as_store(&f->as, 0x1008, 4, 99, NULL);
    g_assert_cmpuint(p.writes, ==, 3);
    region_destroy(&io);
    close(any);
    close(seven);
}

/* A listener that keeps its own picture of the space, and checks that each difference fits it. */
typedef struct Picture {
    MemoryListener l;
    GArray *ranges; /* FlatRange */
    GArray *bells;  /* struct {addr, fd} */
    unsigned begins, commits, adds, dels, starts, stops, syncs, clears, flushes, coalesced;
    bool adding;
    uint64_t clear_off, clear_len;
} Picture;
#define PICTURE(l_) container_of(l_, Picture, l)

static void pic_begin(MemoryListener *l)
{
    Picture *p = PICTURE(l);
    g_assert_cmpuint(p->begins, ==, p->commits);
    p->begins++;
    p->adding = false;
}
static void pic_commit(MemoryListener *l)
{
    PICTURE(l)->commits++;
    g_assert_cmpuint(PICTURE(l)->begins, ==, PICTURE(l)->commits);
}
static void pic_add(MemoryListener *l, const FlatRange *r)
{
    Picture *p = PICTURE(l);
    p->adding = true;
    guint at = 0;
    while (at < p->ranges->len && g_array_index(p->ranges, FlatRange, at).addr < r->addr)
        at++;
    if (at)
        g_assert_cmphex(g_array_index(p->ranges, FlatRange, at - 1).last, <, r->addr);
    if (at < p->ranges->len)
        g_assert_cmphex(r->last, <, g_array_index(p->ranges, FlatRange, at).addr);
    g_array_insert_val(p->ranges, at, *r);
    p->adds++;
}
static void pic_del(MemoryListener *l, const FlatRange *r)
{
    Picture *p = PICTURE(l);
    g_assert_false(p->adding); /* removals first */
    for (guint i = 0; i < p->ranges->len; i++) {
        const FlatRange *f = &g_array_index(p->ranges, FlatRange, i);
        if (f->addr != r->addr)
            continue;
        g_assert_true(f->last == r->last && f->region == r->region && f->offset == r->offset);
        g_array_remove_index(p->ranges, i);
        p->dels++;
        return;
    }
    g_assert_not_reached();
}
static void pic_log_start(MemoryListener *l, const FlatRange *r)
{
    g_assert_cmphex(r->log_mask, !=, 0);
    PICTURE(l)->starts++;
}
static void pic_log_stop(MemoryListener *l, const FlatRange *r)
{
    PICTURE(l)->stops++;
}
static void pic_log_sync(MemoryListener *l, const FlatRange *r)
{
    PICTURE(l)->syncs++;
}
static void pic_log_clear(MemoryListener *l, const FlatRange *r, uint64_t off, uint64_t len)
{
    PICTURE(l)->clears++;
    PICTURE(l)->clear_off = off;
    PICTURE(l)->clear_len = len;
}
static void pic_flush(MemoryListener *l)
{
    PICTURE(l)->flushes++;
}
static void pic_coalesce_add(MemoryListener *l, Gpa addr, uint64_t len)
{
    PICTURE(l)->coalesced += (unsigned)len;
}
static void pic_coalesce_del(MemoryListener *l, Gpa addr, uint64_t len)
{
    PICTURE(l)->coalesced -= (unsigned)len;
}
typedef struct Bell {
    Gpa addr;
    int fd;
} Bell;
static void pic_bell_add(MemoryListener *l, Gpa addr, const RegionEventfd *e)
{
    Bell b = {addr, e->fd};
    g_array_append_val(PICTURE(l)->bells, b);
}
static void pic_bell_del(MemoryListener *l, Gpa addr, const RegionEventfd *e)
{
    GArray *a = PICTURE(l)->bells;
    for (guint i = 0; i < a->len; i++) {
        if (g_array_index(a, Bell, i).addr == addr && g_array_index(a, Bell, i).fd == e->fd) {
            g_array_remove_index_fast(a, i);
            return;
        }
    }
    g_assert_not_reached();
}

static void picture_init(Picture *p, AddressSpace *as)
{
    *p = (Picture){.l = {.name = "picture",
                         .begin = pic_begin,
                         .commit = pic_commit,
                         .add = pic_add,
                         .del = pic_del,
                         .log_start = pic_log_start,
                         .log_stop = pic_log_stop,
                         .log_sync = pic_log_sync,
                         .log_clear = pic_log_clear,
                         .flush_coalesced = pic_flush,
                         .coalesce_add = pic_coalesce_add,
                         .coalesce_del = pic_coalesce_del,
                         .eventfd_add = pic_bell_add,
                         .eventfd_del = pic_bell_del},
                   .ranges = g_array_new(false, true, sizeof(FlatRange)),
                   .bells = g_array_new(false, true, sizeof(Bell))};
    memory_listener_register(&p->l, as);
}

static void picture_end(Picture *p)
{
    memory_listener_unregister(&p->l);
    g_assert_cmpuint(p->ranges->len, ==, 0);
    g_assert_cmpuint(p->bells->len, ==, 0);
    g_array_free(p->ranges, true);
    g_array_free(p->bells, true);
}

static void test_listener(Fixture *f, const void *unused)
{
    Picture p;
    MemoryRegion ram, hole;
    Probe probe = {0};
    g_assert_true(region_init_ram(&ram, NULL, "ram", 1 * MIB, NULL));
    region_init_io(&hole, NULL, &ops_any, &probe, "hole", 0x1000);
    picture_init(&p, &f->as);
    g_assert_cmpuint(p.begins, ==, 1);
    region_add(&f->root, 0, &ram);
    g_assert_cmpuint(p.adds, ==, 1);
    memory_begin();
    region_add_overlap(&f->root, 0xa0000, &hole, 1);
    region_add_eventfd(&hole, 4, 2, false, 0, 77);
    g_assert_cmpuint(p.begins, ==, 2);
    memory_commit();
    g_assert_cmpuint(p.begins, ==, 3);
    g_assert_cmpuint(p.ranges->len, ==, 3);
    g_assert_cmpuint(p.bells->len, ==, 1);
    g_assert_cmphex(g_array_index(p.bells, Bell, 0).addr, ==, 0xa0004);
    /* a transaction that comes to nothing is not heard of */
    memory_begin();
    region_set_enabled(&hole, false);
    region_set_enabled(&hole, true);
    memory_commit();
    g_assert_cmpuint(p.begins, ==, 3);
    /* a second listener hears all, a doorbell moves with its region */
    Picture q;
    picture_init(&q, &f->as);
    g_assert_cmpuint(q.ranges->len, ==, 3);
    g_assert_cmpuint(q.bells->len, ==, 1);
    region_set_address(&hole, 0xb0000);
    g_assert_cmphex(g_array_index(p.bells, Bell, 0).addr, ==, 0xb0004);
    region_log(&ram, DIRTY_VGA, true);
    region_log(&ram, DIRTY_MIGRATION, true);
    g_assert_cmpuint(p.starts, ==, 2); /* once for each of two ranges */
    region_log(&ram, DIRTY_MIGRATION, false);
    g_assert_cmpuint(p.stops, ==, 0);
    region_set_enabled(&hole, false);
    g_assert_cmpuint(p.starts, ==, 3); /* the whole is a new range */
    g_assert_cmpuint(p.stops, ==, 2);
    region_log(&ram, DIRTY_VGA, false);
    g_assert_cmpuint(p.stops, ==, 3);
    region_set_enabled(&hole, true);
    region_add_coalescing(&hole, 0x10, 0x20);
    g_assert_cmpuint(p.coalesced, ==, 0x20);
    byte_at(f, 0xb0000);
    g_assert_cmpuint(p.flushes, ==, 1);
    byte_at(f, 0);
    g_assert_cmpuint(p.flushes, ==, 1);
    region_clear_coalescing(&hole);
    g_assert_cmpuint(p.coalesced, ==, 0);
    picture_end(&q);
    region_destroy(&hole);
    g_assert_cmpuint(p.ranges->len, ==, 1);
    region_destroy(&ram);
    picture_end(&p);
}

static void test_dirty(Fixture *f, const void *unused)
{
    MemoryRegion ram, alias;
    Picture p;
    unsigned long bits[8];
    g_assert_true(region_init_ram(&ram, NULL, "ram", 1 * MIB, NULL));
    region_init_alias(&alias, NULL, "alias", &ram, 0x10000, 0x40000);
    region_add(&f->root, 0, &alias);
    picture_init(&p, &f->as);
    as_store(&f->as, 0, 1, 1, NULL); /* nobody asked */
    region_log(&ram, DIRTY_VGA, true);
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_VGA, 0, 1 * MIB, bits)); /* all of it, at first */
    for (int i = 0; i < 4; i++)
        g_assert_cmphex(bits[i], ==, ~0UL);
    g_assert_false(region_snapshot_dirty(&ram, DIRTY_VGA, 0, 1 * MIB, bits));
    as_store(&f->as, 0xffe, 4, 0, NULL); /* page 16 and 17 of the block */
    uint8_t buf[5000] = {0};
    as_write(&f->as, 0x30000, buf, sizeof(buf)); /* 64, 65 */
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_VGA, 0, 0x20000, bits));
    g_assert_cmphex(bits[0], ==, 0x30000);
    g_assert_true(region_snapshot_dirty(&alias, DIRTY_VGA, 0x2f000, 0x3000, bits)); /* through an alias: 63 to 65 */
    g_assert_cmphex(bits[0], ==, 0x6);
    g_assert_cmpuint(p.syncs, >, 0);
    g_assert_cmphex(p.clear_off, ==, 0x2f000);
    g_assert_cmphex(p.clear_len, ==, 0x3000);
    g_assert_false(region_snapshot_dirty(&ram, DIRTY_VGA, 0, 1 * MIB, bits));
    uint64_t len = 0x2000;
    void *m = as_map(&f->as, 0x1000, &len, true);
    as_unmap(&f->as, m, len, true, 0x1001);
    region_set_dirty(&alias, 0x3fff, 1);
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_VGA, 0, 1 * MIB, bits));
    g_assert_cmphex(bits[0], ==, BIT64(17) | BIT64(18) | BIT64(19));
    region_log(&ram, DIRTY_CODE, true);
    region_snapshot_dirty(&ram, DIRTY_CODE, 0, 1 * MIB, bits);
    as_fill(&f->as, 0, 1, 1);
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_CODE, 0, 1 * MIB, bits));
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_VGA, 0, 1 * MIB, bits)); /* clients are apart */
    /* windows at every offset, against a plain count */
    for (unsigned first = 0; first < 130; first += 13) {
        for (unsigned n = 1; n < 126; n += 31) {
            region_snapshot_dirty(&ram, DIRTY_VGA, 0, 1 * MIB, bits);
            for (unsigned pg = 0; pg < 256; pg += 3)
                region_set_dirty(&ram, pg * 4096ULL, 1);
            g_assert_true(region_snapshot_dirty(&ram, DIRTY_VGA, first * 4096ULL, n * 4096ULL, bits) || n < 3);
            for (unsigned i = 0; i < n; i++)
                g_assert_cmpint(bits[i / 64] >> (i % 64) & 1, ==, (first + i) % 3 == 0);
        }
    }
    picture_end(&p);
    region_destroy(&alias);
    region_destroy(&ram);
}

static void test_map(Fixture *f, const void *unused)
{
    /* Two windows side by side on what is side by side in memory are one piece; others are not. */
    MemoryRegion ram, a, b, c;
    g_assert_true(region_init_ram(&ram, NULL, "mapped", 64 * KIB, NULL));
    region_init_alias(&a, NULL, "a", &ram, 0, 0x1000);
    region_init_alias(&b, NULL, "b", &ram, 0x1000, 0x1000);
    region_init_alias(&c, NULL, "c", &ram, 0x8000, 0x1000);
    region_add(&f->root, 0, &a);
    region_add(&f->root, 0x1000, &b);
    region_add(&f->root, 0x2000, &c);
    region_set_readonly(&b, true);
    uint64_t len = 0x10000;
    void *m = as_map(&f->as, 0x800, &len, false);
    g_assert_true(m == (uint8_t *)region_ram_ptr(&ram) + 0x800);
    g_assert_cmphex(len, ==, 0x1800);
    as_unmap(&f->as, m, len, false, len);
    len = 0x10000;
    m = as_map(&f->as, 0x800, &len, true);
    g_assert_cmphex(len, ==, 0x800);
    /* what is mapped outlives its region */
    region_destroy(&a);
    region_destroy(&b);
    region_destroy(&c);
    region_destroy(&ram);
    g_assert_null(ram_block_find("mapped"));
    g_assert_true(region_init_ram(&a, NULL, "mapped", 4 * KIB, NULL)); /* the name is free */
    g_assert_cmpstr(a.ram->name, ==, "mapped");
    vm_unlock();
    rcu_barrier_all();
    vm_lock();
    memset(m, 1, len);
    as_unmap(&f->as, m, len, true, len);
    region_destroy(&a);
}

/* A seeded differential test: random trees, resolved byte by byte from the definition. */
#define SPACE   64
#define REGIONS 14

typedef struct Model {
    MemoryRegion *root;
    MemoryRegion r[REGIONS];
    Probe probe[REGIONS];
    unsigned order[REGIONS]; /* when it was added */
    unsigned clock;
} Model;

/* What decodes off of r: the region and the offset in it; NULL: nothing. */
static MemoryRegion *resolve(Model *m, MemoryRegion *r, int64_t off, uint64_t *at, bool *readonly)
{
    if (!r->enabled || off < 0 || off >= (int64_t)r->size)
        return NULL;
    *readonly |= r->readonly;
    if (r->kind == REGION_ALIAS)
        return resolve(m, r->alias, off + (int64_t)r->alias_offset, at, readonly);
    bool tried[REGIONS] = {0};
    for (;;) {
        int best = -1;
        for (int i = 0; i < REGIONS; i++) {
            MemoryRegion *c = &m->r[i];
            if (c->container != r || tried[i])
                continue;
            if (best < 0 || c->priority > m->r[best].priority ||
                (c->priority == m->r[best].priority && m->order[i] > m->order[best]))
                best = i;
        }
        if (best < 0)
            break;
        tried[best] = true;
        bool ro = *readonly;
        MemoryRegion *hit = resolve(m, &m->r[best], off - (int64_t)m->r[best].addr, at, &ro);
        if (hit) {
            *readonly = ro;
            return hit;
        }
    }
    *at = (uint64_t)off;
    return r->kind == REGION_CONTAINER ? NULL : r;
}

/* Whether needle can be reached from r by containment or aliases: what must not become its own part. */
static bool reaches(Model *m, MemoryRegion *r, MemoryRegion *needle)
{
    if (r == needle || (r->kind == REGION_ALIAS && reaches(m, r->alias, needle)))
        return true;
    for (int i = 0; i < REGIONS; i++)
        if (m->r[i].container == r && reaches(m, &m->r[i], needle))
            return true;
    return false;
}

static void check(Model *m, AddressSpace *as, const Picture *p)
{
    rcu_lock();
    for (unsigned a = 0; a < SPACE; a++) {
        uint64_t at = 0;
        bool ro = false;
        FlatRange f;
        MemoryRegion *want = resolve(m, m->root, a, &at, &ro);
        bool found = as_lookup(as, a, &f);
        g_assert_cmpint(found, ==, want != NULL);
        if (!want)
            continue;
        g_assert_true(f.region == want);
        g_assert_cmphex(f.offset + (a - f.addr), ==, at);
        g_assert_cmpint(f.readonly, ==, (ro && want->ram) || want->kind == REGION_ROM);
        if (want->kind == REGION_IO)
            g_assert_cmphex(as_load(as, a, 1, NULL), ==, (uint8_t)(m->probe[want - m->r].answer + at));
        if (want->ram)
            g_assert_cmphex(as_load(as, a, 1, NULL), ==, want->ram->host[at]);
    }
    unsigned i = 0;
    for (Gpa a = 0; a < SPACE; i++) {
        FlatRange f;
        while (a < SPACE && !as_lookup(as, a, &f))
            a++;
        if (a == SPACE)
            break;
        const FlatRange *g = &g_array_index(p->ranges, FlatRange, i);
        g_assert_cmpuint(i, <, p->ranges->len);
        g_assert_true(g->addr == f.addr && g->last == f.last && g->region == f.region && g->offset == f.offset);
        a = f.last + 1;
    }
    g_assert_cmpuint(i, ==, p->ranges->len);
    rcu_unlock();
}

static void test_random(Fixture *f, const void *unused)
{
    const char *env = g_getenv("MEMORY_SEED");
    uint32_t first = env ? (uint32_t)strtoul(env, NULL, 0) : 1;
    for (uint32_t seed = first; seed < first + (env ? 1 : 12); seed++) {
        g_autoptr(GRand) rnd = g_rand_new_with_seed(seed);
        Model *m = g_new0(Model, 1);
        m->root = &f->root;
        f->root.size = SPACE;
        Picture p;
        picture_init(&p, &f->as);
        for (int i = 0; i < REGIONS; i++) {
            MemoryRegion *r = &m->r[i];
            g_autofree char *name = g_strdup_printf("r%d", i);
            uint64_t size = (uint64_t)g_rand_int_range(rnd, 1, SPACE + 16);
            m->probe[i].answer = (uint64_t)g_rand_int_range(rnd, 0, 256);
            switch (i < 3 ? 3 : g_rand_int_range(rnd, 0, 6)) {
            case 0:
                g_assert_true(region_init_ram(r, NULL, name, size, NULL));
                break;
            case 1:
                g_assert_true(region_init_rom(r, NULL, name, size, NULL));
                break;
            case 2:
                g_assert_true(region_init_rom_device(r, NULL, &ops_any, &m->probe[i], name, size, NULL));
                break;
            case 3:
                region_init_container(r, NULL, name, size);
                break;
            case 4:
                region_init_io(r, NULL, &ops_any, &m->probe[i], name, size);
                break;
            default:
                region_init_alias(r, NULL, name, &m->r[g_rand_int_range(rnd, 0, i)],
                                  (uint64_t)g_rand_int_range(rnd, 0, 20), size);
            }
            if (r->ram)
                for (unsigned k = 0; k < 128; k++)
                    r->ram->host[k] = (uint8_t)g_rand_int(rnd);
        }
        for (int step = 0; step < 150; step++) {
            unsigned ops = (unsigned)g_rand_int_range(rnd, 1, 4);
            if (ops > 1)
                memory_begin();
            for (unsigned k = 0; k < ops; k++) {
                int i = g_rand_int_range(rnd, 0, REGIONS);
                MemoryRegion *r = &m->r[i], *c;
                switch (g_rand_int_range(rnd, 0, 9)) {
                case 0:
                case 1:
                case 2:
                    c = g_rand_int_range(rnd, 0, 3) ? &m->r[g_rand_int_range(rnd, 0, REGIONS)] : &f->root;
                    if (r->container || c->kind == REGION_ALIAS || reaches(m, r, c))
                        break;
                    m->order[i] = ++m->clock;
                    region_add_overlap(c, (uint64_t)g_rand_int_range(rnd, 0, 40), r, g_rand_int_range(rnd, -1, 2));
                    break;
                case 3:
                    region_del(r);
                    break;
                case 4:
                    region_set_enabled(r, g_rand_boolean(rnd));
                    break;
                case 5:
                    region_set_address(r, (uint64_t)g_rand_int_range(rnd, 0, SPACE));
                    break;
                case 6:
                    region_set_size(r, (uint64_t)g_rand_int_range(rnd, 1, SPACE));
                    break;
                case 7:
                    region_set_readonly(r, g_rand_boolean(rnd));
                    break;
                default:
                    if (r->kind == REGION_ALIAS)
                        region_set_alias_offset(r, (uint64_t)g_rand_int_range(rnd, 0, 30));
                    else if (r->kind == REGION_ROM_DEVICE)
                        region_set_romd(r, true);
                }
            }
            if (ops > 1)
                memory_commit();
            check(m, &f->as, &p);
        }
        for (int i = REGIONS - 1; i >= 0; i--)
            region_destroy(&m->r[i]);
        picture_end(&p);
        vm_unlock();
        rcu_barrier_all();
        vm_lock();
        g_free(m);
    }
}

/* Readers in other threads while the map changes under them. */
typedef struct Race {
    Fixture *f;
    bool stop;
    unsigned long loads;
} Race;

static uint64_t count_read(void *opaque, uint64_t off, unsigned size)
{
    unsigned *n = opaque;
    g_assert_true(vm_locked());
    ++*n;
    return 0x11111111;
}
static const IoOps ops_count = {count_read, NULL};

static void *race_thread(void *opaque)
{
    Race *r = opaque;
    rcu_thread_register();
    while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        uint32_t v = (uint32_t)as_load(&r->f->as, 0x1000, 4, NULL);
        g_assert_true(v == 0x22222222 || v == 0x11111111 || v == 0xffffffff);
        uint64_t len = 16;
        void *m = as_map(&r->f->as, 0x1100, &len, false);
        if (m)
            as_unmap(&r->f->as, m, len, false, 0);
        as_store(&r->f->as, 0x1200, 4, v, NULL);
        __atomic_fetch_add(&r->loads, 1, __ATOMIC_RELAXED);
    }
    rcu_thread_unregister();
    return NULL;
}

static void test_race(Fixture *f, const void *unused)
{
    Race race = {.f = f};
    unsigned calls = 0;
    IoRegion io;
    region_init_io(&io, NULL, &ops_count, &calls, "io", 0x1000);
    GThread *t[2];
    for (int i = 0; i < 2; i++)
        t[i] = g_thread_new("reader", race_thread, &race);
    for (int i = 0; i < 30; i++) {
        MemoryRegion *ram = g_new(MemoryRegion, 1);
        g_assert_true(region_init_ram(ram, NULL, "ram", 4 * KIB, NULL));
        memset(region_ram_ptr(ram), 0x22, 4 * KIB);
        region_add(&f->root, 0x1000, ram);
        vm_unlock();
        g_thread_yield();
        vm_lock();
        region_add_overlap(&f->root, 0x1000, &io, 1);
        vm_unlock();
        g_thread_yield();
        vm_lock();
        region_del(&io);
        region_destroy(ram);
        vm_unlock();
        rcu_barrier_all(); /* the owner's grace period */
        vm_lock();
        g_free(ram);
    }
    __atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
    vm_unlock();
    g_thread_join(t[0]);
    g_thread_join(t[1]);
    vm_lock();
    region_destroy(&io);
}

static void test_print(Fixture *f, const void *unused)
{
    MemoryRegion ram, alias, off;
    g_assert_true(region_init_ram(&ram, NULL, "ram", 0x8000, NULL));
    region_init_alias(&alias, NULL, "low", &ram, 0x1000, 0x2000);
    region_init_container(&off, NULL, "off", 0x10);
    region_add(&f->root, 0x4000, &alias);
    region_add_overlap(&f->root, 0, &off, 3);
    region_set_enabled(&off, false);
    g_autoptr(GString) s = g_string_new(NULL);
    memory_print(s, false, false);
    g_assert_cmpstr(
        s->str, ==,
        "address-space: test\n"
        "  0000000000000000-ffffffffffffffff (prio 0, i/o): root\n"
        "    0000000000004000-0000000000005fff (prio 0, ram): alias low @ram 0000000000001000-0000000000002fff\n"
        "\n"
        "memory-region: ram\n"
        "  0000000000000000-0000000000007fff (prio 0, ram): ram\n"
        "\n");
    g_string_truncate(s, 0);
    memory_print(s, true, false);
    g_assert_cmpstr(s->str, ==,
                    "FlatView #0\n"
                    " AS \"test\", root: root\n"
                    " Root memory region: root\n"
                    "  0000000000004000-0000000000005fff (prio 0, ram): ram @0000000000001000\n"
                    "\n");
    g_string_truncate(s, 0);
    memory_print(s, false, true);
    g_assert_nonnull(strstr(s->str, "    0000000000000000-000000000000000f (prio 3, i/o): off [disabled]\n"));
    region_destroy(&alias);
    region_destroy(&off);
    region_destroy(&ram);
}

/* About as many regions as a PC has; the cost of a change, printed with --verbose. */
static void test_commit_cost(Fixture *f, const void *unused)
{
    enum { N = 100 };
    MemoryRegion ram, low, io[N], pam[13];
    Probe p = {0};
    g_assert_true(region_init_ram(&ram, NULL, "ram", 2 * MIB, NULL));
    region_init_alias(&low, NULL, "low", &ram, 0, 2 * MIB);
    region_add_overlap(&f->root, 0, &low, -1);
    for (unsigned i = 0; i < N; i++) {
        region_init_io(&io[i], NULL, &ops_any, &p, "io", 0x100);
        region_add(&f->root, 0xfe000000ULL + i * 0x1000, &io[i]);
    }
    for (unsigned i = 0; i < 13; i++) {
        region_init_alias(&pam[i], NULL, "pam", &ram, 0xc0000 + i * 0x4000, 0x4000);
        region_add_overlap(&f->root, 0xc0000 + i * 0x4000, &pam[i], 1);
    }
    gint64 t = g_get_monotonic_time();
    enum { ROUNDS = 200 };
    for (unsigned k = 0; k < ROUNDS; k++)
        region_set_readonly(&pam[k % 13], k / 13 % 2 == 0);
    g_test_message("%.2f us a change", (double)(g_get_monotonic_time() - t) / ROUNDS);
    for (unsigned i = 0; i < 13; i++)
        region_destroy(&pam[i]);
    for (unsigned i = 0; i < N; i++)
        region_destroy(&io[i]);
    region_destroy(&low);
    region_destroy(&ram);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    vm_lock();
#define ADD(name, fn) g_test_add("/memory/" name, Fixture, NULL, setup, fn, teardown)
    ADD("overlap", test_overlap);
    ADD("width", test_width);
    ADD("split", test_split);
    ADD("alias", test_alias);
    ADD("edge", test_edge);
    ADD("rom", test_rom);
    ADD("reentry", test_reentry);
    ADD("eventfd", test_eventfd);
    ADD("listener", test_listener);
    ADD("dirty", test_dirty);
    ADD("map", test_map);
    ADD("random", test_random);
    ADD("race", test_race);
    ADD("print", test_print);
    ADD("commit-cost", test_commit_cost);
    int status = g_test_run();
    vm_unlock();
    rcu_barrier_all();
    return status;
}
