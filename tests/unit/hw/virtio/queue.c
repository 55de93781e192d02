/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hw/virtio/queue.c and the core around it, on rings that are made by hand: what a chain becomes, indexes that wrap at
 * 65536, who tells whom and when, every size of a queue, nonsense, and a stream while requests are in flight.
 */
#include "hw/core/machine.h"
#include "hw/virtio/internal.h"
#include "softmmu/runstate.h"
#include "tests/unit/hw/harness.h"

enum { DESC = 0x10000, AVAIL = 0x18000, USED = 0x20000, TABLE = 0x30000, BUFFER = 0x40000, SIZE = 256 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
#define F_INDIRECT BIT64(VIRTIO_F_RING_INDIRECT)
#define F_EVENT    BIT64(VIRTIO_F_EVENT_IDX)
#define F_VERSION  BIT64(VIRTIO_F_VERSION_1)
#define F_EMPTY    BIT64(VIRTIO_F_NOTIFY_ON_EMPTY)

/* ---- a device and a transport that count ---- */

static unsigned interrupts[4], config_interrupts, kicks;

static void note_interrupt(VirtioDevice *v, uint16_t vector)
{
    if (vector < G_N_ELEMENTS(interrupts))
        interrupts[vector]++;
    config_interrupts += vector == 9;
}

static bool is_safe(VirtioDevice *v, uint16_t vector)
{
    return true;
}

static bool no_doorbell(VirtioDevice *v, unsigned queue, int fd, bool on)
{
    return false;
}

static AddressSpace *memory(VirtioDevice *v)
{
    return &as_memory;
}

static void put_nothing(VirtioDevice *v, VmWriter *w)
{
}

static bool get_nothing(VirtioDevice *v, VmReader *r, Error **errp)
{
    return true;
}

static void put_queue(VirtioDevice *v, unsigned n, VmWriter *w)
{
}

static bool get_queue(VirtioDevice *v, unsigned n, VmReader *r, Error **errp)
{
    return true;
}

static const VirtioTransport transport = {
    .interrupt = note_interrupt,
    .interrupt_safe = is_safe,
    .doorbell = no_doorbell,
    .dma = memory,
    .save_config = put_nothing,
    .load_config = get_nothing,
    .save_queue = put_queue,
    .load_queue = get_queue,
};

typedef struct Proxy {
    Device dev;
    Bus bus;
} Proxy;

static bool again;    /* the handler is never done */
static VirtReq *kept; /* goes with the stream */

static void handle(VirtioDevice *v, VirtQueue *q)
{
    kicks++;
    if (again)
        virtq_kick_again(q);
}

static void save_kept(VirtioDevice *v, VmWriter *w)
{
    vm_put_be(w, kept != NULL, 1);
    if (kept)
        virtq_save_request(kept, w);
}

static bool load_kept(VirtioDevice *v, VmReader *r, Error **errp)
{
    uint64_t any;
    if (!vm_get_be(r, &any, 1, errp))
        return false;
    return !any || (kept = virtq_load_request(virtio_queue(v, 0), r, sizeof(VirtReq), errp));
}

static bool test_realize(Device *dev, Error **errp)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    v->features |= F_VERSION;
    virtio_add_queue(v, SIZE, handle);
    virtio_add_queue(v, SIZE, handle);
    return true;
}

static const VirtioInfo test_info = {.id = VIRTIO_ID_RNG, .name = "virtio-test", .save = save_kept, .load = load_kept};
static const VmState test_vmstate = {.name = "virtio-test", .version = 1, .fields = virtio_vm_fields};
static const DeviceDesc test_device = {
    .name = "virtio-test-device",
    .bus = BUS_VIRTIO,
    .size = sizeof(VirtioDevice),
    .virtio = &test_info,
    .vmstate = &test_vmstate,
    .realize = test_realize,
};

static bool proxy_realize(Device *dev, Error **errp)
{
    return virtio_attach(dev, &transport, &container_of(dev, Proxy, dev)->bus, "test-bus", errp);
}

static const DeviceDesc proxy_device = {
    .name = "virtio-test-proxy",
    .bus = BUS_SYSTEM,
    .size = sizeof(Proxy),
    .realize = proxy_realize,
    .inner = &test_device,
};

static VirtioDevice *v;
static VirtQueue *q;
static uint8_t *ram;

/* ---- the driver ---- */

static unsigned size;
static uint16_t avail_idx;

static void desc(uint64_t at, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    stq_le(ram + at, addr);
    stl_le(ram + at + 8, len);
    stw_le(ram + at + 12, flags);
    stw_le(ram + at + 14, next);
}

static void set_desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    desc(DESC + 16 * i, addr, len, flags, next);
}

static void publish(uint16_t head)
{
    stw_le(ram + AVAIL + 4 + 2 * (avail_idx % size), head);
    stw_le(ram + AVAIL + 2, ++avail_idx);
}

static void set_used_event(uint16_t idx)
{
    stw_le(ram + AVAIL + 4 + 2 * size, idx);
}

static uint16_t avail_event(void)
{
    return lduw_le(ram + USED + 4 + 8 * size);
}

static uint16_t used_idx(void)
{
    return lduw_le(ram + USED + 2);
}

static void used_is(uint16_t at, uint32_t head, uint32_t len)
{
    const uint8_t *e = ram + USED + 4 + 8 * (at % size);
    g_assert_cmpuint(ldl_le(e), ==, head);
    g_assert_cmpuint(ldl_le(e + 4), ==, len);
}

/* A new driver, with a queue of n. */
static void drive(unsigned n, uint64_t features)
{
    virtio_set_status(v, 0);
    memset(ram + DESC, 0, BUFFER - DESC);
    memset(interrupts, 0, sizeof(interrupts));
    config_interrupts = kicks = avail_idx = 0;
    size = n;
    virtio_set_status(v, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    virtio_set_features(v, features);
    virtio_queue_set_size(v, 0, n);
    virtio_queue_set_rings(v, 0, DESC, AVAIL, USED);
    virtio_queue_set_vector(v, 0, 1);
    v->config_vector = 9;
    virtio_set_status(v, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK);
    memset(interrupts, 0, sizeof(interrupts));
}

static VirtReq *pop(void)
{
    return virtq_pop(q, sizeof(VirtReq));
}

/* What is in the queue breaks the device, and the driver hears of it. */
static void breaks(void)
{
    g_assert_null(pop());
    g_assert_true(v->broken);
    g_assert_true(v->status & VIRTIO_S_NEEDS_RESET);
    g_assert_cmpuint(config_interrupts, ==, 1);
    g_assert_true(virtq_empty(q));
    g_assert_cmpuint(virtq_in_flight(q), ==, 0);
    g_assert_null(pop());
}

/* Give and take one; did it interrupt? */
static bool one(void)
{
    unsigned before = interrupts[1];
    set_desc(0, BUFFER, 16, WRITE, 0);
    publish(0);
    VirtReq *r = pop();
    g_assert_nonnull(r);
    virtq_push(r, 16);
    virtq_notify(q);
    return interrupts[1] != before;
}

static void nop(const char *line, void *opaque)
{
}

/* ---- requests ---- */

static void test_chain(void)
{
    drive(16, F_VERSION);
    set_desc(3, BUFFER, 16, NEXT, 7);
    set_desc(7, BUFFER + 100, 5, NEXT, 0);
    set_desc(0, BUFFER + 200, 6, NEXT | WRITE, 15);
    set_desc(15, BUFFER + 300, 7, WRITE, 99);
    g_assert_true(virtq_empty(q));
    publish(3);
    g_assert_false(virtq_empty(q));
    uint64_t out, in;
    virtq_count(q, 1000, 1000, &out, &in);
    g_assert_cmpuint(out, ==, 21);
    g_assert_cmpuint(in, ==, 13);
    virtq_count(q, 20, 2, &out, &in);
    g_assert_cmpuint(out, ==, 20);
    g_assert_cmpuint(in, ==, 2);
    VirtReq *r = pop();
    g_assert_nonnull(r);
    g_assert_cmpuint(r->head, ==, 3);
    g_assert_cmpuint(r->n_out, ==, 2);
    g_assert_cmpuint(r->n_in, ==, 2);
    g_assert_cmpuint(r->out_len, ==, 21);
    g_assert_cmpuint(r->in_len, ==, 13);
    g_assert_true(r->out[0].iov_base == ram + BUFFER && r->out[1].iov_base == ram + BUFFER + 100);
    g_assert_true(r->in[0].iov_base == ram + BUFFER + 200 && r->in[1].iov_base == ram + BUFFER + 300);
    g_assert_cmphex(r->addr[3], ==, BUFFER + 300);
    g_assert_cmpuint(virtq_in_flight(q), ==, 1);
    g_assert_cmpuint(used_idx(), ==, 0);
    virtq_push(r, 9);
    g_assert_cmpuint(used_idx(), ==, 1);
    used_is(0, 3, 9);
    g_assert_cmpuint(virtq_in_flight(q), ==, 0);
    g_assert_null(pop());
    g_assert_false(v->broken);
}

/* Written bytes are dirty, the others are not. */
static void test_dirty(void)
{
    unsigned long bits[BENCH_RAM / 4096 / 64];
    MemoryRegion *r = bench_ram_region();
    region_log(r, DIRTY_VGA, true);
    drive(16, F_VERSION);
    set_desc(0, BUFFER, 3 * 4096, WRITE, 0);
    publish(0);
    VirtReq *req = pop();
    region_snapshot_dirty(r, DIRTY_VGA, 0, BENCH_RAM, bits);
    virtq_push(req, 4097);
    g_assert_true(region_snapshot_dirty(r, DIRTY_VGA, 0, BENCH_RAM, bits));
    for (unsigned page = 0; page < BENCH_RAM / 4096; page++)
        g_assert_cmpint(bits[page / 64] >> page % 64 & 1, ==,
                        page == BUFFER / 4096 || page == BUFFER / 4096 + 1 || page == USED / 4096);
    /* An element and the index are pages apart. */
    drive(1024, F_VERSION);
    for (unsigned i = 0; i < 600; i++)
        one();
    region_snapshot_dirty(r, DIRTY_VGA, 0, BENCH_RAM, bits);
    one();
    region_snapshot_dirty(r, DIRTY_VGA, 0, BENCH_RAM, bits);
    for (unsigned page = USED / 4096; page < USED / 4096 + 3; page++)
        g_assert_cmpint(bits[page / 64] >> page % 64 & 1, ==, page != USED / 4096 + 2);
    region_log(r, DIRTY_VGA, false);
}

/* Given back in another order than taken; several at once. */
static void test_order(void)
{
    VirtReq *r[6];
    drive(8, F_VERSION);
    for (unsigned i = 0; i < 6; i++) {
        set_desc(i, BUFFER + 64 * i, 64, WRITE, 0);
        publish((uint16_t)i);
    }
    for (unsigned i = 0; i < 6; i++)
        g_assert_cmpuint((r[i] = pop())->head, ==, i);
    virtq_push(r[4], 4);
    virtq_push(r[0], 1);
    virtq_fill(r[5], 50, 0);
    virtq_fill(r[1], 10, 1);
    virtq_fill(r[2], 20, 2);
    g_assert_cmpuint(used_idx(), ==, 2); /* not seen yet */
    virtq_flush(q, 3);
    g_assert_cmpuint(used_idx(), ==, 5);
    static const uint32_t heads[] = {4, 0, 5, 1, 2}, lens[] = {4, 1, 50, 10, 20};
    for (uint16_t i = 0; i < 5; i++)
        used_is(i, heads[i], lens[i]);
    g_assert_cmpuint(virtq_in_flight(q), ==, 1);
    virtq_drop(r[3]);
    g_assert_cmpuint(virtq_in_flight(q), ==, 0);
    g_assert_cmpuint(used_idx(), ==, 5);
}

static void test_unpop(void)
{
    drive(8, F_VERSION);
    set_desc(0, BUFFER, 64, WRITE, 0);
    set_desc(1, BUFFER, 65, WRITE, 0);
    publish(0);
    publish(1);
    VirtReq *a = pop(), *b = pop();
    virtq_unpop(b);
    virtq_unpop(a);
    g_assert_cmpuint(virtq_in_flight(q), ==, 0);
    a = pop();
    b = pop();
    g_assert_cmpuint(a->in_len, ==, 64);
    g_assert_cmpuint(b->in_len, ==, 65);
    virtq_push(a, 0);
    virtq_push(b, 0);
    g_assert_cmpuint(used_idx(), ==, 2);
}

/* Every size, full to the last descriptor, twice around. */
static void test_sizes(void)
{
    g_autofree VirtReq **r = g_new(VirtReq *, VIRTIO_QUEUE_SIZE_MAX);
    for (unsigned n = 1; n <= VIRTIO_QUEUE_SIZE_MAX; n++) {
        drive(n, F_VERSION | F_EVENT);
        g_assert_cmpuint(virtq_size(q), ==, n);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned i = 0; i < n; i++) {
                unsigned d = n - 1 - i;
                set_desc(d, BUFFER + d, d + 1, i & 1 ? WRITE : 0, 0);
                publish((uint16_t)d);
            }
            for (unsigned i = 0; i < n; i++) {
                g_assert_nonnull(r[i] = pop());
                g_assert_cmpuint(r[i]->head, ==, n - 1 - i);
                g_assert_cmpuint(r[i]->out_len + r[i]->in_len, ==, n - i);
            }
            g_assert_null(pop());
            g_assert_cmpuint(virtq_in_flight(q), ==, n);
            for (unsigned i = 0; i < n; i++)
                virtq_push(r[i], i & 1 ? 1 : 0);
            g_assert_cmpuint(used_idx(), ==, (round + 1) * n);
            for (unsigned i = 0; i < n; i++)
                used_is((uint16_t)(round * n + i), n - 1 - i, i & 1 ? 1 : 0);
            g_assert_cmpuint(avail_event(), ==, (round + 1) * n);
        }
        g_assert_false(v->broken);
    }
    /* What is no size is ignored. */
    drive(16, F_VERSION);
    virtio_queue_set_size(v, 0, 0);
    g_assert_cmpuint(virtq_size(q), ==, 16);
    virtio_queue_set_size(v, 0, VIRTIO_QUEUE_SIZE_MAX + 1);
    g_assert_cmpuint(virtq_size(q), ==, 16);
}

/* A chain of as many parts as there may be, and one more; in the queue's own descriptors, and through a table. */
static void test_long_chains(void)
{
    for (unsigned table = 0; table < 2; table++)
        for (unsigned over = 0; over < 2; over++) {
            unsigned parts = VIRTIO_QUEUE_SIZE_MAX;
            drive(VIRTIO_QUEUE_SIZE_MAX, F_VERSION | F_INDIRECT);
            uint64_t at = table ? TABLE : DESC;
            for (unsigned i = 0; i < parts; i++)
                desc(at + 16 * i, BUFFER + i, 1, i < parts - 1 || over ? NEXT : 0,
                     (uint16_t)(i < parts - 1 ? i + 1 : 0));
            if (table) {
                set_desc(0, TABLE, 16 * parts, INDIRECT, 0);
                set_desc(1, BUFFER, 1, 0, 0);
            }
            publish(0);
            if (over) {
                breaks();
                continue;
            }
            VirtReq *r = pop();
            g_assert_cmpuint(r->n_out, ==, parts);
            g_assert_true(r->out[parts - 1].iov_base == ram + BUFFER + parts - 1);
            virtq_push(r, 0);
        }
}

static void test_indirect(void)
{
    drive(4, F_VERSION | F_INDIRECT);
    desc(TABLE, BUFFER, 10, NEXT, 2);
    desc(TABLE + 16, BUFFER, 99, 0, 0);
    desc(TABLE + 32, BUFFER + 50, 20, WRITE, 0);
    set_desc(2, TABLE, 48, INDIRECT, 0);
    publish(2);
    VirtReq *r = pop();
    g_assert_cmpuint(r->head, ==, 2);
    g_assert_cmpuint(r->n_out, ==, 1);
    g_assert_cmpuint(r->n_in, ==, 1);
    g_assert_cmpuint(r->out_len, ==, 10);
    g_assert_cmpuint(r->in_len, ==, 20);
    virtq_push(r, 20);
    used_is(0, 2, 20);
    /* More parts than the queue has descriptors. */
    for (unsigned i = 0; i < 100; i++)
        desc(TABLE + 16 * i, BUFFER + i, 1, i < 99 ? NEXT : 0, (uint16_t)(i + 1));
    set_desc(0, TABLE, 1600, INDIRECT, 0);
    publish(0);
    r = pop();
    g_assert_cmpuint(r->n_out, ==, 100);
    virtq_push(r, 0);
    g_assert_false(v->broken);
}

/* ---- nonsense ---- */

static void bad(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    drive(8, F_VERSION | F_INDIRECT);
    set_desc(0, addr, len, flags, next);
    set_desc(1, BUFFER, 16, 0, 0);
    publish(0);
    breaks();
}

static void bad_table(uint64_t addr, uint32_t len, uint16_t flags)
{
    drive(8, F_VERSION | F_INDIRECT);
    desc(TABLE, BUFFER, 16, flags, 1);
    desc(TABLE + 16, BUFFER, 16, 0, 0);
    set_desc(0, addr, len, INDIRECT, 0);
    publish(0);
    breaks();
}

static void test_nonsense(void)
{
    bad(BUFFER, 0, 0, 0);
    bad(BUFFER, 16, NEXT, 8);
    bad(BUFFER, 16, NEXT, 0xffff);
    bad(BUFFER, 16, NEXT, 0);          /* a loop */
    bad(BUFFER, 16, NEXT | WRITE, 1);  /* one to read behind one to write */
    bad(BENCH_RAM, 1, 0, 0);           /* outside */
    bad(BENCH_RAM - 1, 2, WRITE, 0);   /* the last byte of it */
    bad(UINT64_MAX, 1, 0, 0);          /* the last of all */
    bad(UINT64_MAX - 7, 16, WRITE, 0); /* around the end */
    bad(0, UINT32_MAX, 0, 0);
    bad_table(TABLE, 0, 0);
    bad_table(TABLE, 17, 0);
    bad_table(BENCH_RAM - 16, 32, 0);
    bad_table(BENCH_RAM, 16, 0);
    bad_table(TABLE, 32, INDIRECT);
    bad_table(TABLE, 16, NEXT); /* the next is not in the table */

    drive(8, F_VERSION); /* not negotiated */
    set_desc(0, TABLE, 16, INDIRECT, 0);
    publish(0);
    breaks();
    drive(8, F_VERSION | F_INDIRECT); /* a table inside of a chain */
    set_desc(0, BUFFER, 16, NEXT, 1);
    set_desc(1, TABLE, 16, INDIRECT, 0);
    publish(0);
    breaks();
    drive(8, F_VERSION); /* a head outside, where there is something like a descriptor */
    set_desc(8, BUFFER, 16, 0, 0);
    publish(8);
    breaks();
    drive(8, F_VERSION); /* more than there is room for */
    set_desc(0, BUFFER, 16, 0, 0);
    avail_idx = 8;
    publish(0);
    breaks();
    drive(8, F_VERSION); /* it goes back */
    avail_idx = 0xfffe;
    publish(0);
    breaks();
    drive(8, F_VERSION); /* counting what is available does not go round for ever either */
    set_desc(0, BUFFER, 16, NEXT | WRITE, 1);
    set_desc(1, BUFFER, 16, NEXT | WRITE, 0);
    publish(0);
    uint64_t out, in;
    virtq_count(q, UINT64_MAX, UINT64_MAX, &out, &in);
    g_assert_true(v->broken);
    drive(2, F_VERSION); /* a driver that gives what it has given */
    set_desc(0, BUFFER, 16, 0, 0);
    publish(0);
    publish(0);
    VirtReq *a = pop(), *b = pop();
    publish(0);
    g_assert_null(pop());
    g_assert_true(v->broken);
    virtq_drop(a);
    virtq_drop(b);
    /* Parts up to the last byte are good, and so is what says so. */
    drive(8, F_VERSION | F_INDIRECT);
    set_desc(0, BENCH_RAM - 1, 1, WRITE, 0);
    desc(BENCH_RAM - 16, BUFFER, 1, 0, 0);
    set_desc(1, BENCH_RAM - 16, 16, INDIRECT, 0);
    publish(0);
    publish(1);
    virtq_push(pop(), 1);
    virtq_push(pop(), 0);
    g_assert_false(v->broken);
    /* A device without VERSION_1 cannot say that it is broken. */
    drive(8, 0);
    publish(8);
    g_assert_null(pop());
    g_assert_true(v->broken);
    g_assert_false(v->status & VIRTIO_S_NEEDS_RESET);
    g_assert_cmpuint(config_interrupts, ==, 0);
}

/* Rings that are not in memory, or not where they may be. */
static void test_places(void)
{
    static const uint64_t places[][3] = {
        {BENCH_RAM - 16, AVAIL, USED}, {DESC, BENCH_RAM - 4, USED}, {DESC, AVAIL, BENCH_RAM - 8},
        {DESC + 8, AVAIL, USED},       {DESC, AVAIL + 1, USED},     {DESC, AVAIL, USED + 2},
        {0xe0000000, AVAIL, USED},     {DESC, BIT64(63), USED},     {DESC, AVAIL, UINT64_MAX - 3},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        drive(8, F_VERSION);
        virtio_queue_set_rings(v, 0, places[i][0], places[i][1], places[i][2]);
        if (!v->broken)
            g_assert_null(pop());
        g_assert_true(v->broken);
        g_assert_cmpuint(config_interrupts, ==, 1);
    }
    /* Memory that goes while it is used. */
    drive(8, F_VERSION);
    set_desc(0, BUFFER, 16, WRITE, 0);
    publish(0);
    VirtReq *r = pop();
    region_set_enabled(bench_ram_region(), false);
    virtq_push(r, 16);
    virtq_notify(q);
    g_assert_true(v->broken);
    region_set_enabled(bench_ram_region(), true);
    g_assert_cmpuint(used_idx(), ==, 0);
    g_assert_cmpuint(interrupts[1], ==, 0);
}

/* ---- who tells whom ---- */

static void test_flags(void)
{
    drive(8, F_VERSION);
    g_assert_true(one());
    stw_le(ram + AVAIL, 1);
    g_assert_false(one());
    g_assert_false(one());
    stw_le(ram + AVAIL, 0);
    g_assert_true(one());
    g_assert_cmphex(lduw_le(ram + USED), ==, 0);
    virtq_set_notification(q, false);
    g_assert_cmphex(lduw_le(ram + USED), ==, 1);
    g_assert_true(one());
    g_assert_cmphex(lduw_le(ram + USED), ==, 1);
    virtq_set_notification(q, true);
    g_assert_cmphex(lduw_le(ram + USED), ==, 0);
    g_assert_cmphex(v->isr, ==, 1);
    /* A legacy driver that wants to know of an empty queue, whatever its flag says. */
    drive(8, F_EMPTY);
    stw_le(ram + AVAIL, 1);
    g_assert_true(one());
    set_desc(1, BUFFER, 16, WRITE, 0);
    publish(1);
    publish(1);
    virtq_push(pop(), 0);
    unsigned before = interrupts[1];
    virtq_notify(q);
    g_assert_cmpuint(interrupts[1], ==, before); /* one is left */
}

/* 150,000 requests with the driver's event at some distance: an interrupt at each, and only there. */
static void test_used_event(void)
{
    drive(8, F_VERSION | F_EVENT);
    uint16_t event = 0;
    for (unsigned i = 0, step = 1; i < 150000; i++) {
        bool due = (uint16_t)i == event;
        g_assert_cmpuint(used_idx(), ==, (uint16_t)i);
        set_used_event(event);
        g_assert_cmpint(one(), ==, due || !i);
        if (due) {
            step = step % 37 + 1;
            event += step;
        }
    }
    /* Several at once, over the wrap: 65532 to 3. */
    drive(16, F_VERSION | F_EVENT);
    set_used_event(0x8000);
    for (unsigned i = 0; i < 65532; i++)
        one();
    memset(interrupts, 0, sizeof(interrupts));
    for (unsigned places = 0; places < 10; places++) {
        VirtReq *r[7];
        uint16_t old = used_idx(), ev = (uint16_t)(old - 2 + places);
        set_used_event(ev);
        for (unsigned i = 0; i < 7; i++) {
            set_desc(i, BUFFER, 16, WRITE, 0);
            publish((uint16_t)i);
        }
        for (unsigned i = 0; i < 7; i++)
            r[i] = pop();
        for (unsigned i = 0; i < 7; i++)
            virtq_fill(r[i], 16, i);
        virtq_flush(q, 7);
        unsigned before = interrupts[1];
        virtq_notify(q);
        g_assert_cmpint(interrupts[1] != before, ==, places >= 2 && places < 9);
    }
    /* After a whole round without asking the old place says nothing: it interrupts. */
    drive(8, F_VERSION | F_EVENT);
    set_used_event(5);
    one();
    for (unsigned i = 0; i < 65536 + 3; i++) {
        set_desc(0, BUFFER, 16, WRITE, 0);
        publish(0);
        virtq_push(pop(), 0);
    }
    unsigned before = interrupts[1];
    virtq_notify(q);
    g_assert_cmpuint(interrupts[1], ==, before + 1);
}

/* The device's event follows what it has taken, while it wants to know. */
static void test_avail_event(void)
{
    drive(8, F_VERSION | F_EVENT);
    for (unsigned i = 0; i < 65536 + 20; i++) {
        g_assert_cmpuint(avail_event(), ==, (uint16_t)i);
        one();
    }
    uint16_t stays = avail_event();
    virtq_set_notification(q, false);
    one();
    one();
    g_assert_cmpuint(avail_event(), ==, stays);
    g_assert_cmphex(lduw_le(ram + USED), ==, 0); /* the flag is not used */
    virtq_set_notification(q, true);
    g_assert_cmpuint(avail_event(), ==, (uint16_t)(stays + 2));
}

/* ---- stopped and moved ---- */

static GByteArray *save(void)
{
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(&v->dev, w, NULL));
    return vm_writer_finish(w);
}

static bool load(const GByteArray *stream, Error **errp)
{
    VmReader *r = vm_reader_new(stream->data, stream->len);
    bool ok = device_load(&v->dev, r, errp);
    g_assert_true(!ok || !vm_reader_left(r));
    vm_reader_free(r);
    return ok;
}

static void test_stream(void)
{
    for (unsigned start = 0; start < 65536 + 8; start += 65535) { /* also where the indexes wrap */
        drive(8, F_VERSION | F_EVENT);
        for (unsigned i = 0; i < start; i++)
            one();
        uint16_t base = used_idx();
        for (unsigned i = 0; i < 5; i++) {
            set_desc(i, BUFFER + 64 * i, 16 + i, WRITE, 0);
            publish((uint16_t)i);
        }
        VirtReq *first = pop();
        kept = pop();
        virtq_push(first, 3);
        g_assert_cmpuint(virtq_in_flight(q), ==, 1);
        uint16_t last = avail_idx;
        vm_stop(RUN_PAUSED);
        g_autoptr(GByteArray) stream = save();
        virtq_drop(g_steal_pointer(&kept));
        virtio_reset(v); /* as on the other host */
        v->config_vector = 9;
        g_assert_true(load(stream, NULL));
        g_autoptr(GByteArray) again = save();
        g_assert_cmpmem(stream->data, stream->len, again->data, again->len);
        vm_start();
        virtio_queue_set_vector(v, 0, 1);
        g_assert_nonnull(kept);
        g_assert_cmpuint(kept->head, ==, 1);
        g_assert_cmpuint(kept->in_len, ==, 17);
        g_assert_true(kept->in[0].iov_base == ram + BUFFER + 64);
        g_assert_cmpuint(virtq_in_flight(q), ==, 1);
        g_assert_cmpuint(avail_idx, ==, last);
        for (unsigned i = 2; i < 5; i++) {
            VirtReq *r = pop();
            g_assert_cmpuint(r->head, ==, i);
            virtq_push(r, i);
        }
        g_assert_null(pop());
        virtq_push(g_steal_pointer(&kept), 17);
        g_assert_cmpuint(used_idx(), ==, (uint16_t)(base + 5));
        static const uint16_t heads[] = {0, 2, 3, 4, 1};
        for (unsigned i = 0; i < 5; i++)
            used_is((uint16_t)(base + i), heads[i], i == 4 ? 17 : i ? i + 1 : 3);
        virtq_notify(q); /* it does not know when the driver was told last: it tells */
        g_assert_cmpuint(interrupts[1], >, 0);
    }
}

static void test_hostile_stream(void)
{
    drive(8, F_VERSION);
    one();
    vm_stop(RUN_PAUSED);
    g_autoptr(GByteArray) stream = save();
    /* More in flight than the queue has: the ring in memory says so. */
    stw_le(ram + USED + 2, 0xfff0);
    Error *err = NULL;
    g_assert_false(load(stream, &err));
    g_assert_nonnull(strstr(error_text(err), "in flight"));
    g_clear_pointer(&err, error_free);
    stw_le(ram + USED + 2, 1);
    /* Any byte may be any other: it loads or it does not. */
    for (unsigned i = 0; i < stream->len; i++)
        for (unsigned k = 0; k < 2; k++) {
            g_autoptr(GByteArray) bad_one = g_byte_array_new();
            g_byte_array_append(bad_one, stream->data, stream->len);
            bad_one->data[i] ^= k ? 0xff : 1;
            if (i > 4096 && i % 97) /* the long tables of queues are all alike */
                continue;
            VmReader *r = vm_reader_new(bad_one->data, bad_one->len);
            device_load(&v->dev, r, NULL);
            vm_reader_free(r);
            if (kept)
                virtq_drop(g_steal_pointer(&kept));
        }
    virtio_set_status(v, 0);
    g_assert_true(load(stream, NULL));
    vm_start();
    virtio_queue_set_vector(v, 0, 1); /* the transport's part of the stream is empty here */
    g_assert_true(one());
}

/* Kicks while the VM stands are made up for; a reset of one queue leaves the other. */
static void test_life(void)
{
    drive(8, F_VERSION);
    unsigned had = kicks;
    virtio_queue_kick(v, 0);
    g_assert_cmpuint(kicks, ==, had + 1);
    virtio_queue_kick(v, 1);    /* not set up */
    virtio_queue_kick(v, 1000); /* not there */
    g_assert_cmpuint(kicks, ==, had + 1);
    vm_stop(RUN_PAUSED);
    virtio_queue_kick(v, 0);
    g_assert_cmpuint(kicks, ==, had + 1);
    vm_start();
    g_assert_cmpuint(kicks, ==, had + 2);
    virtio_queue_set_rings(v, 1, DESC + 0x1000, AVAIL + 0x1000, USED + 0x1000);
    one();
    virtio_queue_reset(v, 1);
    g_assert_false(virtq_ready(virtio_queue(v, 1)));
    g_assert_true(virtq_ready(q));
    one();
    g_assert_cmpuint(used_idx(), ==, 2);
    virtio_queue_reset(v, 0);
    g_assert_false(virtq_ready(q));
    g_assert_null(pop());
    g_assert_false(v->broken);
    g_assert_cmpuint(virtq_size(q), ==, SIZE);
}

static gboolean note_turn(gpointer opaque)
{
    ++*(unsigned *)opaque;
    return G_SOURCE_CONTINUE;
}

/* A handler that is never done leaves the main loop's others their turns. */
static void test_kick_again(void)
{
    unsigned turns = 0;
    drive(8, F_VERSION);
    guint id = g_timeout_add(0, note_turn, &turns);
    again = true;
    virtio_queue_kick(v, 0);
    unsigned had = kicks;
    for (unsigned i = 0; i < 10; i++)
        mainloop_run_once(false);
    g_assert_cmpuint(kicks, >=, had + 5);
    g_assert_cmpuint(turns, >=, 5);
    again = false;
    mainloop_run_once(false);
    had = kicks;
    mainloop_run_once(false);
    g_assert_cmpuint(kicks, ==, had);
    g_source_remove(id);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    error_report_hook = nop;
    bench_init();
    Device *dev = device_new(&proxy_device);
    Error *err = NULL;
    if (!device_realize(dev, NULL, &err))
        g_error("%s", error_text(err));
    v = VIRTIO_DEVICE(dev->inner);
    q = virtio_queue(v, 0);
    ram = bench_ram();
    vm_start();
    g_test_add_func("/virtqueue/chain", test_chain);
    g_test_add_func("/virtqueue/dirty", test_dirty);
    g_test_add_func("/virtqueue/order", test_order);
    g_test_add_func("/virtqueue/unpop", test_unpop);
    g_test_add_func("/virtqueue/sizes", test_sizes);
    g_test_add_func("/virtqueue/long-chains", test_long_chains);
    g_test_add_func("/virtqueue/indirect", test_indirect);
    g_test_add_func("/virtqueue/nonsense", test_nonsense);
    g_test_add_func("/virtqueue/places", test_places);
    g_test_add_func("/virtqueue/flags", test_flags);
    g_test_add_func("/virtqueue/used-event", test_used_event);
    g_test_add_func("/virtqueue/avail-event", test_avail_event);
    g_test_add_func("/virtqueue/stream", test_stream);
    g_test_add_func("/virtqueue/hostile-stream", test_hostile_stream);
    g_test_add_func("/virtqueue/life", test_life);
    g_test_add_func("/virtqueue/kick-again", test_kick_again);
    return g_test_run();
}
