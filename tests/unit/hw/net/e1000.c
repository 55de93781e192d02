/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000: a transmit ring that was saved half sent is sent to its end where it is loaded; none moves while the VM is
 * stopped; a long one lets others have their turn, whatever is in it. */
#include "hw/net/e1000.h"

#include "hw/core/machine.h"
#include "softmmu/runstate.h"
#include "tests/unit/hw/harness.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define BAR 0xe0000000ULL /* the bench's first */
enum { RING = 0x10000, BUFFER = 0x20000, SLOTS = 1024, SENT = 1000, LEN = 60, EOP_RS = 9 };

extern const DeviceDesc e1000;

/* The other end of the wire: the frames' numbers, in order. */
typedef struct Wire {
    NetClient nc;
    bool takes;
    GArray *seen; /* of uint32_t */
} Wire;

static bool wire_takes(NetClient *nc)
{
    return container_of(nc, Wire, nc)->takes;
}

static bool wire_receive(NetClient *nc, const NetPacket *p)
{
    Wire *w = container_of(nc, Wire, nc);
    uint32_t n;

    if (!w->takes)
        return false;
    g_assert_cmpuint(iov_to_buf(p->iov, p->n, 16, &n, sizeof(n)), ==, sizeof(n));
    g_array_append_val(w->seen, n);
    return true;
}

static void plug(Wire *w, bool takes)
{
    static const NetOps ops = {.type = "wire", .can_receive = wire_takes, .receive = wire_receive};

    *w = (Wire){.takes = takes, .seen = g_array_new(false, false, sizeof(uint32_t))};
    net_init(&w->nc, &ops, "wire");
    net_connect(&E1000(bench.dev)->nic, &w->nc);
}

static void unplug(Wire *w)
{
    net_fini(&w->nc);
    g_array_free(w->seen, true);
}

/* Frames first, first + 1 ... have come, and no more. */
static void saw(const Wire *w, uint32_t first, uint32_t end)
{
    g_assert_cmpuint(w->seen->len, ==, end - first);
    for (uint32_t n = first; n < end; n++)
        g_assert_cmpuint(g_array_index(w->seen, uint32_t, n - first), ==, n);
}

static void put(unsigned reg, uint32_t val)
{
    as_store(&as_memory, BAR + reg * 4, 4, val, NULL);
}

static E1000 *make(void)
{
    Error *err = NULL;

    g_assert_nonnull(bench_make(&e1000, &err));
    return E1000(bench.dev);
}

static void fill_ring(void)
{
    uint8_t *ram = bench_ram();

    for (uint32_t n = 0; n < SLOTS; n++) {
        uint8_t *d = ram + RING + n * DESC, *frame = ram + BUFFER + n * 64;

        memset(d, 0, DESC);
        stq_le(d, BUFFER + n * 64);
        stw_le(d + 8, LEN);
        d[11] = EOP_RS;
        memset(frame, 0, LEN);
        memset(frame, 0xff, 6);
        memcpy(frame + 16, &n, sizeof(n));
    }
    put(TDBAL, RING);
    put(TDLEN, SLOTS * DESC);
    put(TCTL, TCTL_EN);
    put(TDT, SENT);
}

static void turn_loop(void)
{
    for (unsigned turn = 0; turn < 20; turn++)
        mainloop_run_once(false);
}

static void run(void)
{
    vm_start();
    turn_loop();
}

/* A card that sends SENT frames to w. */
static E1000 *begin(Wire *w, bool takes)
{
    E1000 *s = make();

    runstate_set(RUN_RUNNING);
    plug(w, takes);
    fill_ring();
    return s;
}

/* What w's card is when the VM stops, in a new one of which nothing has been seen. */
static E1000 *moved(Wire *w, bool takes)
{
    vm_stop(RUN_PAUSED);
    g_autoptr(GByteArray) stream = bench_save();

    unplug(w);
    bench_drop();
    E1000 *s = make();

    plug(w, takes);
    g_assert_true(bench_load(stream->data, stream->len, NULL));
    return s;
}

/* All that were to come from at on have. */
static void all_sent(const E1000 *s, const Wire *w, uint32_t at)
{
    g_assert_cmpuint(s->mac[TDH], ==, SENT);
    saw(w, at, SENT);
}

static void end(Wire *w)
{
    vm_stop(RUN_PAUSED);
    unplug(w);
    bench_drop();
}

/* takes: the ring waits for its turn, as more than a burst; else for the other end. */
static void half_sent(bool takes)
{
    Wire w;
    E1000 *s = begin(&w, takes);
    uint32_t at = s->mac[TDH];

    g_assert_cmpuint(at, >, 0);
    g_assert_cmpuint(at, <, SENT);
    saw(&w, 0, takes ? at : 0);
    s = moved(&w, true);
    g_assert_cmpuint(s->mac[TDH], ==, at);
    saw(&w, at, at); /* nothing while it is stopped */
    run();
    all_sent(s, &w, at);
    g_assert_cmphex(bench_ram()[RING + (SENT - 1) * DESC + 12], ==, 1);
    g_assert_cmphex(s->mac[ICR] & INT_TXQE, ==, INT_TXQE);
    end(&w);
}

static void test_burst(void)
{
    half_sent(true);
}

static void test_slow_peer(void)
{
    half_sent(false);
}

/* Loaded where the other end takes nothing at first. */
static void test_loaded_beside_slow_peer(void)
{
    Wire w;
    E1000 *s = begin(&w, false);
    uint32_t at = s->mac[TDH];

    s = moved(&w, false);
    run();
    saw(&w, at, at);
    w.takes = true;
    net_ready(&w.nc);
    run();
    all_sent(s, &w, at);
    end(&w);
}

/* The other end takes packets again while the VM is stopped: what waits there goes, the ring stays. */
static void test_peer_while_stopped(void)
{
    Wire w;
    E1000 *s = begin(&w, false);
    uint32_t at = s->mac[TDH];

    vm_stop(RUN_PAUSED);
    w.takes = true;
    net_ready(&w.nc);
    turn_loop();
    g_assert_cmpuint(s->mac[TDH], ==, at);
    saw(&w, 0, at);
    run();
    all_sent(s, &w, 0);
    end(&w);
}

/* A transmitter that is off, and a ring that is empty, stay as they are; so does one whose tail is nowhere. */
static void test_nothing_to_send(void)
{
    Wire w;
    E1000 *s = begin(&w, true);

    run();
    vm_stop(RUN_PAUSED);
    s->mac[TCTL] = 0;
    s->mac[TDT] = 0;
    g_autoptr(GByteArray) off = bench_save();

    s->mac[TCTL] = TCTL_EN;
    s->mac[TDT] = 0xffff;
    g_autoptr(GByteArray) nowhere = bench_save();

    unplug(&w);
    plug(&w, true);
    g_assert_true(bench_load(off->data, off->len, NULL));
    run();
    g_assert_cmpuint(s->mac[TDH], ==, SENT);
    saw(&w, 0, 0);
    vm_stop(RUN_PAUSED);
    g_assert_true(bench_load(nowhere->data, nowhere->len, NULL));
    run();
    g_assert_cmpuint(w.seen->len, <=, SLOTS); /* once round at most */
    end(&w);
}

/* A descriptor that is ready from the start: frames that had come by its turn. */
typedef struct Other {
    const Wire *w;
    unsigned watch, seen;
} Other;

static gboolean other_turn(gint fd, GIOCondition cond, gpointer opaque)
{
    Other *o = opaque;

    o->seen = o->w->seen->len;
    o->watch = 0;
    return G_SOURCE_REMOVE;
}

static void test_others(void)
{
    int fd = eventfd(1, EFD_CLOEXEC);
    Wire w;
    E1000 *s = begin(&w, true);
    Other o = {.w = &w};
    uint32_t at = s->mac[TDH];

    g_assert_cmpuint(at, <, SENT);
    o.watch = fd_watch(fd, G_IO_IN, other_turn, &o);
    turn_loop();
    g_assert_cmpuint(o.watch, ==, 0);
    g_assert_cmpuint(o.seen, <, SENT);
    all_sent(s, &w, 0);
    end(&w);
    close(fd);
}

/* first, then n descriptors like d, and as many as that have gone at once. */
static uint32_t ring_of(E1000 *s, uint32_t n, const uint8_t *first, const uint8_t *d)
{
    uint8_t *ram = bench_ram();

    for (uint32_t i = 0; i < n; i++)
        memcpy(ram + RING + i * DESC, i ? d : first, DESC);
    put(TDBAL, RING);
    put(TDLEN, (n + 8) / 8 * 8 * DESC);
    put(TCTL, TCTL_EN);
    put(TDT, n);
    return s->mac[TDH];
}

/* TCP in segments of mss, len bytes of it a descriptor; headers at BUFFER. */
static E1000 *begin_segments(Wire *w, uint32_t packets, uint32_t len, uint16_t mss, uint32_t *at)
{
    enum { HEAD = 54 };
    uint8_t context[DESC] = {0}, d[DESC] = {0}, *f = bench_ram() + BUFFER;
    E1000 *s = make();

    runstate_set(RUN_RUNNING);
    plug(w, true);
    memset(f, 0, 0x10000);
    stw_be(f + 12, 0x0800);
    f[14] = 0x45;
    f[23] = 6;
    f[46] = 5 << 4;
    stl_le(context + 8, 0xfffff | 7U << 24 | 0x20U << 24);
    context[13] = HEAD;
    stw_le(context + 14, mss);
    stq_le(d, BUFFER);
    stl_le(d + 8, len | 1U << 20 | (0x20U | 4 | EOP_RS) << 24);
    *at = ring_of(s, packets + 1, context, d);
    return s;
}

static void test_segments(void)
{
    enum { PACKETS = 15, LEN = 54 + 32 * 1500 + 7 };
    Wire w;
    uint32_t at;
    E1000 *s = begin_segments(&w, PACKETS, LEN, 32, &at);

    g_assert_cmpuint(at, ==, 2); /* the context, and one that costs more than a burst */
    g_assert_cmpuint(w.seen->len, ==, 1501);
    turn_loop();
    g_assert_cmpuint(s->mac[TDH], ==, PACKETS + 1);
    g_assert_cmpuint(w.seen->len, ==, PACKETS * 1501);
    g_assert_cmpuint(s->mac[GPTC], ==, PACKETS * 1501);
    g_assert_cmpuint(s->mac[PTC64], ==, 0);
    g_assert_cmpuint(s->mac[PTC64 + 1], ==, PACKETS * 1501); /* 65 to 127 */
    g_assert_cmpuint(s->mac[GOTCL], ==, PACKETS * (1501 * 58 + 32 * 1500 + 7));
    end(&w);
    /* More than 16 bits of length are not looked at. */
    s = begin_segments(&w, 1, 0xf0000 | LEN, 32, &at);
    g_assert_cmpuint(at, ==, 2);
    g_assert_cmpuint(w.seen->len, ==, 1501);
    end(&w);
    /* Segments too small to be made cost as much as if they were. */
    s = begin_segments(&w, PACKETS, LEN, 1, &at);
    g_assert_cmpuint(at, ==, 2);
    turn_loop();
    g_assert_cmpuint(s->mac[TDH], ==, PACKETS + 1);
    saw(&w, 0, 0);
    end(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/e1000/saved/burst", test_burst);
    g_test_add_func("/e1000/saved/slow-peer", test_slow_peer);
    g_test_add_func("/e1000/saved/loaded-beside-slow-peer", test_loaded_beside_slow_peer);
    g_test_add_func("/e1000/stopped/peer", test_peer_while_stopped);
    g_test_add_func("/e1000/saved/nothing-to-send", test_nothing_to_send);
    g_test_add_func("/e1000/long/others", test_others);
    g_test_add_func("/e1000/long/segments", test_segments);
    return g_test_run();
}
