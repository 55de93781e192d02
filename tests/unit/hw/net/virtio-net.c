/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net at home in the I/O thread, with its back end: where packets are handled, that nothing is lost and nothing
 * stands still while everybody asks for the card meanwhile, and that it goes and comes while packets flow. The driver
 * is a thread with rings of its own; what is beyond the back end is another.
 */
#include "hw/pci/pci.h"
#include "hw/virtio/pci.h"
#include "net/internal.h"
#include "tests/unit/hw/harness.h"

#include "backends/backends.h"
#include "hw/core/clock.h"
#include "hw/net/virtio-net.h"
#include "softmmu/runstate.h"
#include "util/rcu.h"
#include "util/tsan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_SLIRP
#include "net/user.h"
#endif

enum { RX, TX, CTRL, QUEUES, SIZE = 64, HEADER = 12, BUFFER = 2048, RX_BUFFERS = 8, TX_BUFFERS = 16 };
enum { RINGS = 0x10000, AVAIL = 0x4000, USED = 0x8000, RX_AREA = 0x50000, TX_AREA = 0x80000, CTRL_AREA = 0xa0000 };
enum { D_NEXT = 1, D_WRITE = 2 };
enum { FRAME = 64, TYPE = 0x88b5, F_TYPE = 12, F_SEQ = 14, F_FROM_GUEST = 18 };
enum { LIMIT_S = 60, ENOUGH = 200 };

static const uint8_t guest_mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x99}, other_mac[] = {2, 0, 0, 0, 0, 1};

/* ---- a back end that can move: datagrams of a socket, held to what the other side takes ---- */

typedef struct Wire {
    NetClient nc;
    int fd;
    GSource *in, *out;
    GMainContext *seen; /* atomic: whose thread received last */
} Wire;
#define WIRE(c) container_of(c, Wire, nc)

static GSource *watch(Wire *w, GIOCondition cond, GUnixFDSourceFunc fn)
{
    GSource *src = g_unix_fd_source_new(w->fd, cond);
    g_source_set_callback(src, G_SOURCE_FUNC(fn), w, NULL);
    g_source_attach(src, w->nc.ctx);
    return src;
}

static void unwatch(GSource **src)
{
    if (*src)
        g_source_destroy(*src);
    g_clear_pointer(src, g_source_unref);
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    Wire *w = opaque;
    uint8_t buf[BUFFER];
    ssize_t n;
    for (unsigned i = 0; i < 16 && (n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0; i++)
        if (!net_send_buf(&w->nc, buf, (size_t)n)) {
            unwatch(&w->in);
            return G_SOURCE_REMOVE;
        }
    return G_SOURCE_CONTINUE;
}

static void wire_writable(NetClient *nc)
{
    Wire *w = WIRE(nc);
    if (!w->in)
        w->in = watch(w, G_IO_IN, readable);
}

static gboolean room(gint fd, GIOCondition cond, gpointer opaque)
{
    Wire *w = opaque;
    unwatch(&w->out);
    net_ready(&w->nc);
    return G_SOURCE_REMOVE;
}

static bool wire_receive(NetClient *nc, const NetPacket *p)
{
    Wire *w = WIRE(nc);
    struct msghdr msg = {.msg_iov = (struct iovec *)p->iov, .msg_iovlen = (size_t)p->n};
    __atomic_store_n(&w->seen, g_main_context_get_thread_default(), __ATOMIC_RELAXED);
    if (w->out)
        return false;
    if (sendmsg(w->fd, &msg, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
        return true;
    w->out = watch(w, G_IO_OUT, room);
    return false;
}

static void wire_set_context(NetClient *nc)
{
    Wire *w = WIRE(nc);
    bool in = w->in, out = w->out;
    unwatch(&w->in);
    unwatch(&w->out);
    if (in)
        w->in = watch(w, G_IO_IN, readable);
    if (out)
        w->out = watch(w, G_IO_OUT, room);
}

static void wire_cleanup(NetClient *nc)
{
    unwatch(&WIRE(nc)->in);
    unwatch(&WIRE(nc)->out);
    close(WIRE(nc)->fd);
}

static const NetOps wire_ops = {.type = "wire",
                                .receive = wire_receive,
                                .writable = wire_writable,
                                .cleanup = wire_cleanup,
                                .set_context = wire_set_context};
static const NetOps fixed_ops = {
    .type = "wire", .receive = wire_receive, .writable = wire_writable, .cleanup = wire_cleanup};

/* *outside: the other end. */
static NetClient *wire_new(const NetOps *ops, int *outside)
{
    Wire *w = g_new0(Wire, 1);
    int fds[2], small = 8 * KIB;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    for (unsigned i = 0; i < 2; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    w->fd = fds[0];
    *outside = fds[1];
    net_init(&w->nc, ops, "n");
    wire_writable(&w->nc);
    return &w->nc;
}

/* ---- beyond it: a thread that counts what comes and sends as much as is taken ---- */

static struct Outside {
    GThread *thread;
    int fd;
    bool quit, strict, slow; /* atomic, but for strict */
    uint32_t got, sent;      /* atomic: the number that comes next, and goes next */
} outside;

/* Numbers in order; strict: each of them. */
static void take_number(uint32_t *next, const uint8_t *frame, bool strict)
{
    uint32_t seq = ldl_be(frame + F_SEQ), want = __atomic_load_n(next, __ATOMIC_RELAXED);
    if (strict)
        g_assert_cmpuint(seq, ==, want);
    else
        g_assert_cmpuint(seq, >=, want);
    for (unsigned i = F_FROM_GUEST + 1; i < FRAME; i++)
        g_assert_cmpuint(frame[i], ==, (uint8_t)(seq + i));
    __atomic_store_n(next, seq + 1, __ATOMIC_RELAXED);
}

static void make_frame(uint8_t *f, const uint8_t *to, const uint8_t *from, uint32_t seq, bool from_guest)
{
    memcpy(f, to, 6);
    memcpy(f + 6, from, 6);
    stw_be(f + F_TYPE, TYPE);
    stl_be(f + F_SEQ, seq);
    f[F_FROM_GUEST] = from_guest;
    for (unsigned i = F_FROM_GUEST + 1; i < FRAME; i++)
        f[i] = (uint8_t)(seq + i);
}

static bool is_ours(const uint8_t *f, size_t n, bool from_guest)
{
    return n >= FRAME && lduw_be(f + F_TYPE) == TYPE && f[F_FROM_GUEST] == from_guest;
}

static void *outside_run(void *opaque)
{
    struct Outside *o = opaque;
    uint8_t buf[BUFFER];
    while (!__atomic_load_n(&o->quit, __ATOMIC_RELAXED)) {
        struct pollfd p = {o->fd, POLLIN, 0};
        if (poll(&p, 1, 1) > 0) {
            ssize_t n = recv(o->fd, buf, sizeof(buf), MSG_DONTWAIT);
            if (!n)
                break;
            if (n > 0 && is_ours(buf, (size_t)n, true))
                take_number(&o->got, buf, o->strict);
            if (__atomic_load_n(&o->slow, __ATOMIC_RELAXED))
                g_usleep(200);
        }
        make_frame(buf, guest_mac, other_mac, o->sent, false);
        if (send(o->fd, buf, FRAME, MSG_DONTWAIT | MSG_NOSIGNAL) == FRAME)
            __atomic_store_n(&o->sent, o->sent + 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void outside_start(int fd, bool strict)
{
    outside = (struct Outside){.fd = fd, .strict = strict, .got = outside.got, .sent = outside.sent};
    outside.thread = g_thread_new("outside", outside_run, &outside);
}

static void outside_stop(void)
{
    __atomic_store_n(&outside.quit, true, __ATOMIC_RELAXED);
    vm_unlock();
    g_thread_join(outside.thread);
    vm_lock();
    close(outside.fd);
}

/* ---- the driver ---- */

static uint8_t *ram;

typedef struct Ring {
    uint16_t avail_idx, used_idx;
    unsigned out; /* given and not come back */
} Ring;

static struct Guest {
    Device *dev;
    VirtioDevice *v;
    Ring ring[QUEUES];
    GThread *thread;
    GMutex lock;
    GCond cond;
    bool run, idle, quit; /* lock */
    bool strict, mute;
    uint32_t got, sent;                           /* atomic */
    void (*fill)(uint8_t *frame, size_t *len);    /* what it sends */
    void (*take)(const uint8_t *frame, size_t n); /* what came */
    uint64_t features;                            /* chosen besides the usual ones */
} guest;

static uint64_t ring_at(unsigned n)
{
    return RINGS * (uint64_t)(n + 1);
}

static void set_desc(unsigned n, unsigned i, uint64_t addr, uint32_t len, uint16_t flags)
{
    uint8_t *d = ram + ring_at(n) + 16 * (uint64_t)i;
    stq_le(d, addr);
    stl_le(d + 8, len);
    stw_le(d + 12, flags);
    stw_le(d + 14, (uint16_t)(i + 1));
}

static void publish(unsigned n, uint16_t head)
{
    Ring *r = &guest.ring[n];
    uint8_t *avail = ram + ring_at(n) + AVAIL;
    stw_le(avail + 4 + 2 * (r->avail_idx % SIZE), head);
    TSAN_RELEASE(avail);
    __atomic_store_n((uint16_t *)(void *)(avail + 2), ++r->avail_idx, __ATOMIC_RELEASE);
    r->out++;
}

static bool used(unsigned n, uint16_t *head, uint32_t *len)
{
    Ring *r = &guest.ring[n];
    const uint8_t *u = ram + ring_at(n) + USED;
    if (__atomic_load_n((const uint16_t *)(const void *)(u + 2), __ATOMIC_ACQUIRE) == r->used_idx)
        return false;
    TSAN_ACQUIRE((void *)u);
    const uint8_t *e = u + 4 + 8 * (r->used_idx++ % SIZE);
    *head = (uint16_t)ldl_le(e);
    *len = ldl_le(e + 4);
    r->out--;
    return true;
}

static void give_buffer(unsigned i)
{
    set_desc(RX, i, RX_AREA + BUFFER * (uint64_t)i, BUFFER, D_WRITE);
    publish(RX, (uint16_t)i);
}

static void numbered(uint8_t *frame, size_t *len)
{
    make_frame(frame, other_mac, guest_mac, guest.sent, true);
    *len = FRAME;
}

static void take_numbered(const uint8_t *frame, size_t n)
{
    if (is_ours(frame, n, false))
        take_number(&guest.got, frame, guest.strict);
}

/* One look at the rings; true: there was something to do. */
static bool guest_turn(void)
{
    bool any[2] = {false, false};
    uint16_t head;
    uint32_t len;
    while (used(RX, &head, &len)) {
        g_assert_cmpuint(len, >, HEADER);
        guest.take(ram + RX_AREA + BUFFER * (uint64_t)head + HEADER, len - HEADER);
        give_buffer(head);
        any[RX] = true;
    }
    while (used(TX, &head, &len))
        ;
    while (!guest.mute && guest.ring[TX].out < TX_BUFFERS) {
        unsigned i = guest.ring[TX].avail_idx % TX_BUFFERS;
        uint8_t *at = ram + TX_AREA + BUFFER * (uint64_t)i;
        size_t n;
        memset(at, 0, HEADER);
        guest.fill(at + HEADER, &n);
        __atomic_store_n(&guest.sent, guest.sent + 1, __ATOMIC_RELAXED);
        set_desc(TX, i, TX_AREA + BUFFER * (uint64_t)i, (uint32_t)(HEADER + n), 0);
        publish(TX, (uint16_t)i);
        any[TX] = true;
    }
    if (!any[RX] && !any[TX])
        return false;
    vm_lock();
    for (unsigned i = 0; i < 2; i++)
        if (any[i])
            virtio_queue_kick(guest.v, i);
    vm_unlock();
    return true;
}

static void *guest_run(void *opaque)
{
    rcu_thread_register();
    g_mutex_lock(&guest.lock);
    while (!guest.quit) {
        if (!guest.run) {
            guest.idle = true;
            g_cond_broadcast(&guest.cond);
            g_cond_wait(&guest.cond, &guest.lock);
            continue;
        }
        guest.idle = false;
        g_mutex_unlock(&guest.lock);
        if (!guest_turn())
            g_usleep(100);
        g_mutex_lock(&guest.lock);
    }
    g_mutex_unlock(&guest.lock);
    rcu_thread_unregister();
    return NULL;
}

/* Under the VM lock, which the driver may want first. */
static void guest_set(bool run, bool quit)
{
    vm_unlock();
    g_mutex_lock(&guest.lock);
    guest.run = run;
    guest.quit = quit;
    guest.idle = false;
    g_cond_broadcast(&guest.cond);
    while (!run && !quit && !guest.idle)
        g_cond_wait(&guest.cond, &guest.lock);
    g_mutex_unlock(&guest.lock);
    vm_lock();
}

/* Reset it and drive it anew, as a driver does. */
static void drive(void)
{
    VirtioDevice *v = guest.v;
    virtio_set_status(v, 0);
    memset(guest.ring, 0, sizeof(guest.ring));
    virtio_set_status(v, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    virtio_set_features(v, BIT64(VIRTIO_F_VERSION_1) | BIT64(NET_F_MAC) | BIT64(NET_F_CTRL_VQ) | BIT64(NET_F_CTRL_RX) |
                               BIT64(NET_F_CTRL_MAC_ADDR) | guest.features);
    for (unsigned i = 0; i < QUEUES; i++) {
        memset(ram + ring_at(i), 0, RINGS);
        virtio_queue_set_size(v, i, SIZE);
        virtio_queue_set_rings(v, i, ring_at(i), ring_at(i) + AVAIL, ring_at(i) + USED);
    }
    for (unsigned i = 0; i < RX_BUFFERS; i++)
        give_buffer(i);
    virtio_set_status(v, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK);
}

static void plug(void)
{
    Error *err = NULL;
    guest.dev = device_new_named("virtio-net-pci");
    if (!device_set_text(guest.dev, "netdev", "n", &err) || !device_realize(guest.dev, &pci_root->bus, &err))
        g_error("%s", error_text(err));
    guest.v = VIRTIO_DEVICE(guest.dev->inner);
    device_reset(guest.dev);
    drive();
}

static void unplug(void)
{
    device_unrealize(guest.dev);
    bench_settle();
}

static void guest_start(bool strict)
{
    guest.strict = strict;
    guest.fill = numbered;
    guest.take = take_numbered;
    guest.got = outside.sent = 0;
    guest.sent = outside.got = 0;
    plug();
    guest.thread = g_thread_new("guest", guest_run, NULL);
}

static void guest_stop(void)
{
    guest_set(false, true);
    vm_unlock();
    g_thread_join(guest.thread);
    vm_lock();
    guest.quit = false;
    unplug();
}

/* The main loop lets others have the VM lock for a while. */
static void breathe(unsigned us)
{
    mainloop_run_once(false);
    vm_unlock();
    g_usleep(us);
    vm_lock();
    mainloop_run_once(false);
}

/* Both ways go on. */
static void goes_on(const uint32_t *a, const uint32_t *b, unsigned n)
{
    uint32_t a0 = __atomic_load_n(a, __ATOMIC_RELAXED), b0 = __atomic_load_n(b, __ATOMIC_RELAXED);
    gint64 limit = g_get_monotonic_time() + LIMIT_S * G_USEC_PER_SEC;
    while (__atomic_load_n(a, __ATOMIC_RELAXED) - a0 < n || __atomic_load_n(b, __ATOMIC_RELAXED) - b0 < n) {
        if (g_get_monotonic_time() > limit)
            g_error("it stands still: %u and %u packets since", __atomic_load_n(a, __ATOMIC_RELAXED) - a0,
                    __atomic_load_n(b, __ATOMIC_RELAXED) - b0);
        breathe(1000);
    }
}

static VirtioNet *card(void)
{
    return VIRTIO_NET(guest.v);
}

/* ---- tests ---- */

/* A packet each way while this thread holds the VM lock all the time: nobody else could. */
static void test_without_lock(void)
{
    int fd;
    NetClient *nc = wire_new(&wire_ops, &fd);
    uint8_t frame[FRAME], *at = ram + TX_AREA;
    uint16_t head;
    uint32_t len;
    guest.take = take_numbered;
    plug();
    GMainContext *home = virtio_home_context(guest.v);
    g_assert_nonnull(home);
    g_assert_true(guest.v->started && nc->ctx == home);
    for (uint32_t i = 0; i < 50; i++) {
        struct timeval limit = {LIMIT_S, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        memset(at, 0, HEADER);
        make_frame(at + HEADER, other_mac, guest_mac, i, true);
        set_desc(TX, 0, TX_AREA, HEADER + FRAME, 0);
        publish(TX, 0);
        virtio_queue_kick(guest.v, TX);
        g_assert_cmpint(recv(fd, frame, FRAME, 0), ==, FRAME);
        g_assert_cmpmem(frame, FRAME, at + HEADER, FRAME);
        make_frame(frame, guest_mac, other_mac, i, false);
        g_assert_cmpint(send(fd, frame, FRAME, 0), ==, FRAME);
        gint64 until = g_get_monotonic_time() + LIMIT_S * G_USEC_PER_SEC;
        bool sent = false, came = false;
        while (!sent || !came) {
            g_assert_cmpint(g_get_monotonic_time(), <, until);
            sent = sent || used(TX, &head, &len);
            if (used(RX, &head, &len)) {
                g_assert_cmpuint(len, ==, HEADER + FRAME);
                g_assert_cmpmem(ram + RX_AREA + BUFFER * (uint64_t)head + HEADER, FRAME, frame, FRAME);
                give_buffer(head);
                virtio_queue_kick(guest.v, RX);
                came = true;
            }
        }
        g_assert_true(__atomic_load_n(&WIRE(nc)->seen, __ATOMIC_RELAXED) == home);
    }
    virtio_stop(guest.v);
    g_assert_null(nc->ctx);
    unplug();
    g_assert_null(nc->peer);
    netdev_delete(nc);
    close(fd);
}

/* What cannot move stays, and its card. */
static void test_stays(void)
{
    int fd;
    NetClient *nc = wire_new(&fixed_ops, &fd);
    guest_start(true);
    g_assert_null(guest.v->home);
    g_assert_null(nc->ctx);
    outside_start(fd, true);
    guest_set(true, false);
    goes_on(&guest.got, &outside.got, ENOUGH);
    g_assert_null(WIRE(nc)->seen);
    guest_stop();
    netdev_delete(nc);
    outside_stop();
}

static unsigned pieces; /* received since it was last looked at */

static bool count_piece(NetClient *nc, const NetPacket *p)
{
    pieces++;
    return true;
}

/* The most pieces that one turn of the queue makes of a ring full of large segments; *all: those of all turns. */
static unsigned most_pieces(uint64_t features, uint16_t gso_size, unsigned *all)
{
    enum { PACKETS = 32, PAYLOAD = 64000, HEADERS = 54 };
    uint8_t *at = ram + TX_AREA, *f = at + HEADER;
    unsigned most = 0, back = 0;
    uint16_t head;
    uint32_t len;
    guest.features = BIT64(NET_F_CSUM) | features;
    drive();
    memset(at, 0, HEADER + HEADERS);
    at[0] = NET_NEEDS_CSUM;
    at[1] = NET_GSO_TCPV4;
    stw_le(at + 4, gso_size);
    stw_le(at + 6, 34);
    stw_le(at + 8, 16);
    stw_be(f + F_TYPE, 0x0800);
    f[14] = 0x45;
    f[23] = 6;
    f[46] = 0x50;
    for (unsigned i = 0; i < PACKETS; i++) {
        set_desc(TX, i, TX_AREA, HEADER + HEADERS + PAYLOAD, 0);
        publish(TX, (uint16_t)i);
    }
    *all = pieces = 0;
    virtio_queue_kick(guest.v, TX);
    gint64 until = g_get_monotonic_time() + LIMIT_S * G_USEC_PER_SEC;
    while (back < PACKETS) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        most = MAX(most, pieces);
        *all += pieces;
        pieces = 0;
        while (used(TX, &head, &len))
            back++;
        mainloop_run_once(false);
    }
    *all += pieces;
    guest.features = 0;
    return MAX(most, pieces);
}

/* A turn is bounded by the packets that it makes; what the driver did not choose goes nowhere. */
static void test_turn(void)
{
    static const NetOps counts = {.type = "wire", .receive = count_piece, .cleanup = wire_cleanup};
    unsigned all;
    int fd;
    NetClient *nc = wire_new(&counts, &fd);
    plug();
    g_assert_cmpuint(most_pieces(BIT64(NET_F_HOST_TSO4), 32, &all), <=, 2 * 2000);
    g_assert_cmpuint(all, ==, 32 * 2000);
    g_assert_cmpuint(most_pieces(BIT64(NET_F_HOST_TSO4), 1448, &all), >=, 32 * 45);
    g_assert_cmpuint(all, ==, 32 * 45);
    most_pieces(BIT64(NET_F_HOST_TSO6) | BIT64(NET_F_HOST_ECN), 1448, &all);
    g_assert_cmpuint(all, ==, 0);
    nc->takes = NET_TAKES_CSUM | NET_TAKES_TSO4;
    g_assert_cmpuint(most_pieces(BIT64(NET_F_HOST_TSO4), 32, &all), ==, 32);
    unplug();
    netdev_delete(nc);
    close(fd);
}

static void ask_filter(void)
{
    json_unref(net_query_rx_filter(NULL, NULL));
}

static void dump(void)
{
    g_autoptr(Json) opts = json_object();
    json_set_str(opts, "qom-type", "filter-dump");
    json_set_str(opts, "id", "dump");
    json_set_str(opts, "netdev", "n");
    json_set_str(opts, "file", "/dev/null");
    Error *err = NULL;
    if (!object_add(opts, false, &err))
        g_error("%s", error_text(err));
    breathe(500);
    g_assert_true(object_del("dump", NULL));
}

static void stop_cont(void)
{
    vm_stop(RUN_PAUSED);
    g_assert_null(virtio_net_nic(card())->ctx);
    breathe(300);
    vm_start();
}

static bool wants_kicks(unsigned n)
{
    return !(lduw_le(ram + ring_at(n) + USED) & 1);
}

/* The driver is asked to tell of receive buffers while a packet waits for one, and only then. */
static void test_rx_notification(void)
{
    uint8_t frame[FRAME];
    uint16_t head;
    uint32_t len;
    int fd;
    NetClient *nc = wire_new(&fixed_ops, &fd);
    plug();
    for (unsigned round = 0; round < 3; round++) {
        g_assert_true(wants_kicks(RX));
        for (uint32_t i = 0; i <= RX_BUFFERS; i++) {
            make_frame(frame, guest_mac, other_mac, i, false);
            g_assert_cmpint(net_send_buf(nc, frame, FRAME), ==, i < RX_BUFFERS);
            g_assert_cmpint(wants_kicks(RX), ==, i == RX_BUFFERS);
        }
        for (uint32_t i = 0; i < RX_BUFFERS; i++)
            g_assert_true(used(RX, &head, &len));
        give_buffer(head);
        virtio_queue_kick(guest.v, RX);
        for (unsigned i = 0; i < 10; i++)
            mainloop_run_once(false);
        g_assert_false(wants_kicks(RX));
        g_assert_true(used(RX, &head, &len));
        g_assert_cmpmem(ram + RX_AREA + BUFFER * (uint64_t)head + HEADER, FRAME, frame, FRAME);
        if (round) {
            drive();
        } else { /* away and back */
            for (unsigned i = 0; i < RX_BUFFERS; i++)
                give_buffer(i);
            stop_cont();
        }
    }
    unplug();
    netdev_delete(nc);
    close(fd);
}

static void save_it(void)
{
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(&guest.v->dev, w, NULL));
    g_byte_array_unref(vm_writer_finish(w));
}

static void show(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    net_print(out);
    g_assert_nonnull(strstr(out->str, "macaddr=52:54:00:12:34:"));
}

static void say_where(void)
{
    g_assert_true(net_announce(50, 50, 1, 0, NULL, NULL, NULL));
}

static void toggle_slow(void)
{
    __atomic_store_n(&outside.slow, !outside.slow, __ATOMIC_RELAXED);
}

static void ask_config(void)
{
    for (unsigned i = 0; i < 6; i++)
        virtio_config_read(guest.v, i, 1);
}

/* Those who ask, all the time; each packet arrives, in order. */
/* So often, with as much as breath microseconds in between; every so often packets must have come both ways. */
static void disturb(void (*what)(GRand *rand), GRand *rand, unsigned times, unsigned every, int breath)
{
    for (unsigned i = 0; i < times; i++) {
        what(rand);
        breathe((unsigned)g_rand_int_range(rand, 0, breath));
        if (i % every == every - 1)
            goes_on(&guest.got, &outside.got, 20);
    }
    goes_on(&guest.got, &outside.got, ENOUGH);
}

static void lossless(GRand *rand)
{
    static void (*const ops[])(void) = {ask_filter, dump, stop_cont, save_it, show, say_where, toggle_slow, ask_config};
    ops[g_rand_int_range(rand, 0, G_N_ELEMENTS(ops))]();
}

static void test_nothing_lost(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    int fd;
    NetClient *nc = wire_new(&wire_ops, &fd);
    guest_start(true);
    outside_start(fd, true);
    guest_set(true, false);
    disturb(lossless, rand, 400, 50, 1000);
    guest_stop();
    netdev_delete(nc);
    outside_stop();
    g_test_message("%u packets to the guest, %u from it", guest.got, outside.got);
}

static void set_link(bool of_card, bool up)
{
    g_assert_true(net_set_link_by_name(of_card ? virtio_net_nic(card())->name : "n", up, NULL));
}

static void anything(GRand *rand)
{
    switch (g_rand_int_range(rand, 0, 8)) {
    case 0:
    case 1: {
        bool of_card = g_rand_boolean(rand);
        set_link(of_card, false);
        breathe(200);
        set_link(of_card, true);
        break;
    }
    case 2:
        guest_set(false, false);
        drive();
        guest_set(true, false);
        break;
    case 3: /* a driver's reset, with what is on its way */
        guest_set(false, false);
        virtio_reset(guest.v);
        breathe(300);
        drive();
        guest_set(true, false);
        break;
    case 4: /* the card goes, its back end stays */
        guest_set(false, false);
        unplug();
        breathe(300);
        plug();
        guest_set(true, false);
        break;
    case 5:
        stop_cont();
        break;
    case 6:
        dump();
        break;
    default:
        ask_filter();
    }
}

/* The link, resets, unplugging: packets are lost, their order is not, and it goes on. */
static void test_anything(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(6);
    int fd;
    NetClient *nc = wire_new(&wire_ops, &fd);
    guest_start(false);
    outside_start(fd, false);
    guest_set(true, false);
    disturb(anything, rand, 200, 20, 1500);
    guest_stop();
    netdev_delete(nc);
    outside_stop();
}

/* The back end goes while packets flow, and its card has no link; a new card gets a new one. */
static void test_netdev_del(void)
{
    for (unsigned i = 0; i < 20; i++) {
        int fd;
        NetClient *nc = wire_new(&wire_ops, &fd);
        nc->is_netdev = true;
        guest_start(false);
        outside_start(fd, false);
        guest_set(true, false);
        goes_on(&guest.got, &outside.got, 10);
        if (i % 2)
            g_assert_true(netdev_del("n", NULL));
        else
            netdev_delete(nc);
        g_assert_true(virtio_net_nic(card())->link_down);
        g_assert_true(guest.v->started);
        goes_on(&guest.sent, &guest.sent, 2 * TX_BUFFERS); /* into nothing */
        guest_stop();
        outside_stop();
    }
}

/* A driver's new address by the control queue, while others read it. */
static void test_mac(void)
{
    int fd;
    NetClient *nc = wire_new(&wire_ops, &fd);
    uint8_t *at = ram + CTRL_AREA;
    guest_start(false);
    for (unsigned i = 0; i < 100; i++) {
        uint16_t head;
        uint32_t len;
        const uint8_t cmd[] = {1, 1, 2, 0, 0, 0, 7, (uint8_t)i};
        memcpy(at, cmd, sizeof(cmd));
        at[64] = 0x55;
        set_desc(CTRL, 0, CTRL_AREA, sizeof(cmd), D_NEXT);
        set_desc(CTRL, 1, CTRL_AREA + 64, 1, D_WRITE);
        publish(CTRL, 0);
        virtio_queue_kick(guest.v, CTRL);
        if (i % 4 == 3)
            ask_filter();
        gint64 until = g_get_monotonic_time() + LIMIT_S * G_USEC_PER_SEC;
        while (!used(CTRL, &head, &len)) {
            g_assert_cmpint(g_get_monotonic_time(), <, until);
            virtio_config_read(guest.v, 5, 1);
        }
        g_assert_cmpuint(at[64], ==, 0);
        g_assert_cmpuint(virtio_config_read(guest.v, 5, 1), ==, i);
        g_autoptr(GString) out = g_string_new(NULL);
        mainloop_run_once(false);
        net_print(out);
        g_autofree char *want = g_strdup_printf("macaddr=02:00:00:00:07:%02x", i);
        g_assert_nonnull(strstr(out->str, want));
    }
    virtio_reset(guest.v);
    show();
    guest_stop();
    netdev_delete(nc);
    close(fd);
}

/* ---- a TAP interface ---- */

#define TAP_NAME "qkvmtestio"

static int tap_socket(void)
{
    struct ifreq ifr = {.ifr_name = TAP_NAME};
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    g_assert_cmpint(s, >=, 0);
    g_assert_cmpint(ioctl(s, SIOCGIFINDEX, &ifr), ==, 0);
    struct sockaddr_ll a = {
        .sll_family = AF_PACKET, .sll_protocol = GUINT16_TO_BE(TYPE), .sll_ifindex = ifr.ifr_ifindex};
    g_assert_cmpint(ioctl(s, SIOCGIFFLAGS, &ifr), ==, 0);
    ifr.ifr_flags |= IFF_UP;
    g_assert_cmpint(ioctl(s, SIOCSIFFLAGS, &ifr), ==, 0);
    g_assert_cmpint(bind(s, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    return s;
}

static void test_tap(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    g_autoptr(Json) opts = json_object();
    json_set_str(opts, "type", "tap");
    json_set_str(opts, "id", "n");
    json_set_str(opts, "ifname", TAP_NAME);
    json_set_str(opts, "script", "no");
    json_set_str(opts, "downscript", "no");
    if (!netdev_add(opts, NULL)) {
        g_test_skip("no TAP interface can be made");
        return;
    }
    guest_start(false);
    g_assert_nonnull(guest.v->home);
    g_assert_true(net_find("n")->ctx == virtio_home_context(guest.v));
    outside_start(tap_socket(), false);
    guest_set(true, false);
    disturb(anything, rand, 100, 20, 1500);
    /* The interface goes away under it. */
    struct ifreq ifr = {.ifr_name = TAP_NAME};
    guest_stop();
    g_assert_true(netdev_del("n", NULL));
    g_assert_cmpint(ioctl(outside.fd, SIOCGIFFLAGS, &ifr), <, 0);
    outside_stop();
}

/* ---- a user network ---- */

#ifdef HAVE_SLIRP

enum { ETH = 14, IP = 20, UDP = 8, ECHO_LEN = 100 };
static struct Echo {
    int fd;
    uint16_t port;
    bool quit; /* atomic */
} echo;
static uint32_t echoes, adverts; /* atomic: what came back; router advertisements */

static void *echo_run(void *opaque)
{
    while (!__atomic_load_n(&echo.quit, __ATOMIC_RELAXED)) {
        uint8_t buf[BUFFER];
        struct sockaddr_in a;
        socklen_t len = sizeof(a);
        struct pollfd p = {echo.fd, POLLIN, 0};
        if (poll(&p, 1, 50) <= 0)
            continue;
        ssize_t n = recvfrom(echo.fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&a, &len);
        if (n > 0)
            sendto(echo.fd, buf, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&a, len);
    }
    return NULL;
}

/* Every tenth asks for the gateway's address, so that it knows ours; the others go to the host's socket and back. */
static void fill_udp(uint8_t *f, size_t *len)
{
    static const uint8_t arp[] = {0, 1, 8, 0, 6, 4, 0, 1}, me[] = {10, 0, 2, 15}, gateway[] = {10, 0, 2, 2};
    memset(f, 0, ETH + IP + UDP + ECHO_LEN);
    memset(f, 0xff, 6);
    memcpy(f + 6, guest_mac, 6);
    if (guest.sent % 10 == 0) {
        stw_be(f + F_TYPE, 0x0806);
        memcpy(f + ETH, arp, sizeof(arp));
        memcpy(f + ETH + 8, guest_mac, 6);
        memcpy(f + ETH + 14, me, 4);
        memcpy(f + ETH + 24, gateway, 4);
        *len = 60;
        return;
    }
    memcpy(f, "\x52\x55\x0a\x00\x02\x02", 6); /* the gateway's, as libslirp makes it of its address */
    stw_be(f + F_TYPE, 0x0800);
    uint8_t *ip = f + ETH, *udp = ip + IP;
    ip[0] = 0x45;
    stw_be(ip + 2, IP + UDP + ECHO_LEN);
    stw_be(ip + 4, (uint16_t)guest.sent);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, me, 4);
    memcpy(ip + 16, gateway, 4);
    uint16_t sum = net_fold(net_sum(ip, IP, 0));
    memcpy(ip + 10, &sum, 2);
    stw_be(udp, (uint16_t)(4000 + guest.sent % 8));
    stw_be(udp + 2, echo.port);
    stw_be(udp + 4, UDP + ECHO_LEN);
    memset(udp + UDP, 0x5a, ECHO_LEN);
    *len = ETH + IP + UDP + ECHO_LEN;
}

static void take_udp(const uint8_t *f, size_t n)
{
    if (lduw_be(f + F_TYPE) == 0x0800 && n == ETH + IP + UDP + ECHO_LEN && f[ETH + 9] == 17 &&
        lduw_be(f + ETH + IP) == echo.port)
        __atomic_fetch_add(&echoes, 1, __ATOMIC_RELAXED);
    if (lduw_be(f + F_TYPE) == 0x86dd && n > ETH + 40 && f[ETH + 6] == 58 && f[ETH + 40] == 134)
        __atomic_fetch_add(&adverts, 1, __ATOMIC_RELAXED);
}

static void hostfwd(void)
{
    bool found = false;
    Error *err = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    if (!net_hostfwd_add("n", "udp:127.0.0.1:0-:7", &err))
        g_error("%s", error_text(err));
    net_print_user(out);
    g_assert_nonnull(strstr(out->str, "HOST_FORWARD"));
    breathe(200);
    /* Bound to port 0 it has another one now: found by what is printed is not worth it, it stays. */
    net_hostfwd_remove("n", "udp:127.0.0.1:1", &found, NULL);
    g_assert_false(found);
}

static NetClient *user_new(const char *text)
{
    static const NetOps none = {.type = "user"};
    NetUserClient *c = g_new0(NetUserClient, 1);
    g_autoptr(Json) opts = json_parse(text, strlen(text), NULL);
    Error *err = NULL;
    net_init(&c->nc, &none, "n");
    if (!net_user_open(&c->nc, opts, &err))
        g_error("%s", error_text(err));
    return &c->nc;
}

static void test_user(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    echo.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(echo.fd, (struct sockaddr *)&a, len), ==, 0);
    g_assert_cmpint(getsockname(echo.fd, (struct sockaddr *)&a, &len), ==, 0);
    echo.port = ntohs(a.sin_port);
    GThread *thread = g_thread_new("echo", echo_run, NULL);
    NetClient *nc = user_new("{}");
    guest_start(false);
    guest.fill = fill_udp;
    guest.take = take_udp;
    g_assert_nonnull(guest.v->home);
    g_assert_true(nc->ctx == virtio_home_context(guest.v));
    guest_set(true, false);
    goes_on(&echoes, &echoes, ENOUGH);
    for (unsigned i = 0; i < 100; i++) {
        if (i % 5)
            anything(rand);
        else
            hostfwd();
        breathe((unsigned)g_rand_int_range(rand, 0, 1500));
        if (i % 20 == 19)
            goes_on(&echoes, &echoes, 20);
    }
    goes_on(&echoes, &echoes, ENOUGH);
    guest_stop();
    netdev_delete(nc);
    __atomic_store_n(&echo.quit, true, __ATOMIC_RELAXED);
    g_thread_join(thread);
    close(echo.fd);
}

/* libslirp's timer for router advertisements is the virtual clock's and runs where the network is. Without being told
 * it would look at the clock once a second. */
static void test_user_timer(void)
{
    gint64 fastest = G_MAXINT64;
    NetClient *nc = user_new("{}");
    guest_start(false);
    guest.mute = true;
    guest.take = take_udp;
    guest_set(true, false);
    for (unsigned i = 0; i < 12; i++) {
        uint32_t had = __atomic_load_n(&adverts, __ATOMIC_RELAXED);
        gint64 start = g_get_monotonic_time(), until = start + LIMIT_S * G_USEC_PER_SEC;
        clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + 3600 * NS_PER_SEC);
        if (i % 3 == 1)
            stop_cont(); /* due, or running, while it moves */
        while (__atomic_load_n(&adverts, __ATOMIC_RELAXED) == had) {
            g_assert_cmpint(g_get_monotonic_time(), <, until);
            breathe(1000);
        }
        fastest = MIN(fastest, g_get_monotonic_time() - start);
    }
    g_assert_cmpint(fastest, <, G_USEC_PER_SEC / 2);
    guest_stop();
    guest.mute = false;
    netdev_delete(nc);
}

/* A character device is the main loop's, and so is a network with one. */
static void test_user_stays(void)
{
    NetClient *nc = user_new("{'guestfwd': [{'str': 'tcp:10.0.2.100:80-null'}]}");
    plug();
    g_assert_null(guest.v->home);
    g_assert_true(guest.v->started && !nc->ctx);
    unplug();
    netdev_delete(nc);
}

#endif

static void nop(const char *line, void *opaque)
{
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    error_report_hook = nop;
    bench_init();
    ram = bench_ram();
    vm_start();
    g_test_add_func("/virtio-net/home/without-lock", test_without_lock);
    g_test_add_func("/virtio-net/home/stays", test_stays);
    g_test_add_func("/virtio-net/turn", test_turn);
    g_test_add_func("/virtio-net/rx-notification", test_rx_notification);
    g_test_add_func("/virtio-net/home/nothing-lost", test_nothing_lost);
    g_test_add_func("/virtio-net/home/anything", test_anything);
    g_test_add_func("/virtio-net/home/netdev-del", test_netdev_del);
    g_test_add_func("/virtio-net/home/mac", test_mac);
    g_test_add_func("/virtio-net/home/tap", test_tap);
#ifdef HAVE_SLIRP
    g_test_add_func("/virtio-net/home/user", test_user);
    g_test_add_func("/virtio-net/home/user-timer", test_user_timer);
    g_test_add_func("/virtio-net/home/user-stays", test_user_stays);
#endif
    return g_test_run();
}
