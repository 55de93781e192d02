/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net: packets both ways, what it does for the driver in software, the control queue, the link, nonsense. */
#include "tests/qtest/libnet.h"
#include "tests/qtest/libvirtio.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RX = 0, TX = 1, CTRL = 2, DEVFN = 4 << 3 };
#define F_CSUM       BIT64(0)
#define F_GUEST_CSUM BIT64(1)
#define F_MAC        BIT64(5)
#define F_TSO4       BIT64(11)
#define F_TSO6       BIT64(12)
#define F_MRG        BIT64(15)
#define F_STATUS     BIT64(16)
#define F_CTRL       (BIT64(17) | BIT64(18) | BIT64(19) | BIT64(20) | BIT64(21) | BIT64(23))

static const uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, other[] = {2, 0, 0, 0, 0, 1};

typedef struct Net {
    NetPeer *peer;
    QTest *q;
    VDev *d;
    VQueue *rx, *tx, *ctrl;
    unsigned header;
} Net;

static Net start_with(uint64_t features, bool legacy, const char *props)
{
    Net n = {.peer = netpeer_new()};
    n.q = qtest_start("-nodefaults -machine pc -m 64 %s -device virtio-net-pci,netdev=n,addr=4,id=card%s",
                      netpeer_args(n.peer), props);
    n.d = vdev_open(n.q, DEVFN, legacy);
    vdev_negotiate(n.d, features);
    n.header = !legacy || features & F_MRG ? 12 : 10;
    n.rx = vqueue_new(n.d, RX);
    n.tx = vqueue_new(n.d, TX);
    if (features & F_CTRL)
        n.ctrl = vqueue_new(n.d, CTRL);
    vdev_driver_ok(n.d);
    return n;
}

static Net start(uint64_t features, bool legacy)
{
    return start_with(features | (legacy ? 0 : VF_VERSION_1), legacy, "");
}

static void stop(Net *n)
{
    vqueue_free(n->rx);
    vqueue_free(n->tx);
    if (n->ctrl)
        vqueue_free(n->ctrl);
    vdev_free(n->d);
    qtest_quit(n->q);
    netpeer_free(n->peer);
}

static void send_packet(Net *n, const uint8_t *header, const uint8_t *frame, size_t len)
{
    uint64_t buf = vdev_alloc(n->d, n->header + len, 16);
    uint8_t zero[12] = {0};
    qtest_memwrite(n->q, buf, header ? header : zero, n->header);
    qtest_memwrite(n->q, buf + n->header, frame, len);
    vqueue_add(n->tx, (VPart[]){{buf, n->header, false}, {buf + n->header, (uint32_t)len, false}}, 2);
    vqueue_kick(n->tx);
    vqueue_wait(n->tx, NULL);
}

static uint64_t add_buffer(Net *n, uint32_t size)
{
    uint64_t buf = vdev_alloc(n->d, size, 16);
    vqueue_add(n->rx, (VPart[]){{buf, size, true}}, 1);
    vqueue_kick(n->rx);
    return buf;
}

static void test_config(void)
{
    Net n = start_with(VF_VERSION_1 | F_MAC | F_STATUS, false, ",host_mtu=1400,speed=1000,duplex=full");
    uint64_t f = vdev_features(n.d);
    g_assert_cmphex(
        f & (F_CSUM | F_GUEST_CSUM | F_MAC | F_TSO4 | F_TSO6 | F_MRG | F_STATUS | F_CTRL | BIT64(3) | BIT64(63)), ==,
        F_CSUM | F_GUEST_CSUM | F_MAC | F_TSO4 | F_TSO6 | F_MRG | F_STATUS | F_CTRL | BIT64(3) | BIT64(63));
    for (unsigned i = 0; i < 6; i++)
        g_assert_cmphex(vdev_config(n.d, i, 1), ==, mac[i]);
    g_assert_cmphex(vdev_config(n.d, 6, 2), ==, 1);
    g_assert_cmpuint(vdev_config(n.d, 8, 2), ==, 1);
    g_assert_cmpuint(vdev_config(n.d, 10, 2), ==, 1400);
    g_assert_cmpuint(vdev_config(n.d, 12, 4), ==, 1000);
    g_assert_cmpuint(vdev_config(n.d, 16, 1), ==, 1);
    g_autofree char *info = qtest_hmp(n.q, "info network");
    g_assert_nonnull(strstr(
        info, "card: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n \\ n: index=0,type=dgram"));
    stop(&n);
}

static void transfer(bool legacy, uint64_t features)
{
    static const size_t sizes[] = {14, 60, 1514, 9000};
    uint8_t out[9000], in[NETPEER_MAX];
    Net n = start(features, legacy);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        net_frame(out, sizes[i], other, mac, (unsigned)i);
        send_packet(&n, NULL, out, sizes[i]);
        g_assert_cmpmem(in, netpeer_recv(n.peer, in), out, sizes[i]);

        uint64_t buf = add_buffer(&n, 10000);
        net_frame(out, sizes[i], mac, other, (unsigned)i + 9);
        netpeer_send(n.peer, out, sizes[i]);
        g_assert_cmpuint(vqueue_wait(n.rx, NULL), ==, n.header + sizes[i]);
        qtest_memread(n.q, buf, in, n.header + sizes[i]);
        g_assert_cmpmem(in + n.header, sizes[i], out, sizes[i]);
        for (unsigned k = 0; k < 10; k++)
            g_assert_cmphex(in[k], ==, 0);
        if (n.header == 12)
            g_assert_cmpuint(lduw_le(in + 10), ==, 1);
    }
    stop(&n);
}

static void test_modern(void)
{
    transfer(false, 0);
}

static void test_legacy(void)
{
    transfer(true, 0);
    transfer(true, F_MRG);
}

static void test_mergeable(void)
{
    Net n = start(F_MRG, false);
    uint8_t out[3000], in[3100];
    uint64_t bufs[4];
    net_frame(out, sizeof(out), mac, other, 3);
    /* Two are too few: it waits for the rest. */
    bufs[0] = add_buffer(&n, 1000);
    bufs[1] = add_buffer(&n, 1000);
    netpeer_send(n.peer, out, sizeof(out));
    g_usleep(20000);
    g_assert_false(vqueue_used(n.rx, NULL, NULL));
    bufs[2] = add_buffer(&n, 1000);
    bufs[3] = add_buffer(&n, 1000);
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t len = vqueue_wait(n.rx, NULL);
        g_assert_cmpuint(len, ==, i < 3 ? 1000 : 12);
        qtest_memread(n.q, bufs[i], in + at, len);
        at += len;
    }
    g_assert_cmpuint(lduw_le(in + 10), ==, 4);
    g_assert_cmpmem(in + 12, sizeof(out), out, sizeof(out));
    stop(&n);
}

/* Many wait while there are no buffers; none is lost, none out of order. */
static void test_flow(void)
{
    Net n = start(0, false);
    uint8_t out[100], in[200];
    for (unsigned i = 0; i < 8; i++) {
        net_frame(out, sizeof(out), mac, other, i);
        netpeer_send(n.peer, out, sizeof(out));
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t buf = add_buffer(&n, 200);
        g_assert_cmpuint(vqueue_wait(n.rx, NULL), ==, 112);
        qtest_memread(n.q, buf, in, 112);
        net_frame(out, sizeof(out), mac, other, i);
        g_assert_cmpmem(in + 12, 100, out, 100);
    }
    /* One that does not fit is lost alone, and its buffer stays. */
    uint8_t big[600];
    net_frame(big, sizeof(big), mac, other, 0);
    uint64_t buf = add_buffer(&n, 200);
    netpeer_send(n.peer, big, sizeof(big));
    netpeer_send(n.peer, out, sizeof(out));
    g_assert_cmpuint(vqueue_wait(n.rx, NULL), ==, 112);
    qtest_memread(n.q, buf, in, 112);
    g_assert_cmpmem(in + 12, 100, out, 100);
    /* While the VM stands it waits. */
    json_unref(qtest_qmp(n.q, "{'execute': 'stop'}"));
    netpeer_send(n.peer, out, sizeof(out));
    add_buffer(&n, 200);
    g_usleep(20000);
    g_assert_false(vqueue_used(n.rx, NULL, NULL));
    json_unref(qtest_qmp(n.q, "{'execute': 'cont'}"));
    g_assert_cmpuint(vqueue_wait(n.rx, NULL), ==, 112);
    stop(&n);
}

static void offload(bool v6)
{
    Net n = start(F_CSUM | F_TSO4 | F_TSO6, false);
    uint8_t out[NETPEER_MAX], in[NETPEER_MAX], header[12] = {0};
    unsigned l4 = v6 ? 54 : 34;
    size_t len = net_tcp_frame(out, 700, v6, other, mac);
    header[0] = 1; /* needs a checksum */
    stw_le(header + 6, l4);
    stw_le(header + 8, 16);
    send_packet(&n, header, out, len);
    g_assert_cmpuint(netpeer_recv(n.peer, in), ==, len);
    g_assert_true(net_tcp_ok(in, len));
    g_assert_cmpmem(in + l4 + 20, 700, out + l4 + 20, 700);

    len = net_tcp_frame(out, 3500, v6, other, mac);
    header[1] = v6 ? 4 : 1;
    stw_le(header + 2, (uint16_t)(l4 + 20));
    stw_le(header + 4, 1000);
    send_packet(&n, header, out, len);
    for (unsigned i = 0; i < 4; i++) {
        size_t part = i < 3 ? 1000 : 500;
        g_assert_cmpuint(netpeer_recv(n.peer, in), ==, l4 + 20 + part);
        g_assert_true(net_tcp_ok(in, l4 + 20 + part));
        g_assert_cmphex(ldl_be(in + l4 + 4), ==, 0x01020304 + i * 1000);
        g_assert_cmphex(in[l4 + 13], ==, i < 3 ? 0x10 : 0x19);
        g_assert_cmpmem(in + l4 + 20, part, out + l4 + 20 + i * 1000, part);
        if (!v6)
            g_assert_cmphex(lduw_be(in + 18), ==, 0x1234 + i);
    }
    /* Nonsense is lost: pieces of nothing, a checksum outside, a packet that is none. */
    stw_le(header + 4, 0);
    send_packet(&n, header, out, len);
    header[1] = 0;
    stw_le(header + 6, 0xffff);
    send_packet(&n, header, out, len);
    header[1] = 1;
    stw_le(header + 4, 1000);
    send_packet(&n, header, in, 20);
    g_assert_true(netpeer_silent(n.peer, 20));
    stop(&n);
}

static void test_offload4(void)
{
    offload(false);
}

static void test_offload6(void)
{
    offload(true);
}

/* A command's answer. */
static uint8_t command(Net *n, uint8_t cls, uint8_t cmd, const void *data, uint32_t len)
{
    uint64_t buf = vdev_alloc(n->d, len + 16, 16), ack = vdev_alloc(n->d, 1, 1);
    uint8_t head[2] = {cls, cmd};
    qtest_memwrite(n->q, buf, head, 2);
    if (len)
        qtest_memwrite(n->q, buf + 2, data, len);
    qtest_writeb(n->q, ack, 0x55);
    vqueue_add(n->ctrl, (VPart[]){{buf, 2 + len, false}, {ack, 1, true}}, 2);
    vqueue_kick(n->ctrl);
    vqueue_wait(n->ctrl, NULL);
    return qtest_readb(n->q, ack);
}

/* Whether a frame to that address comes in; at the end there is a buffer in the queue again. */
static bool comes(Net *n, const uint8_t *to, int vlan)
{
    uint8_t out[80], mark[80];
    uint8_t in[100];
    net_frame(out, sizeof(out), to, other, 1);
    if (vlan >= 0) {
        stw_be(out + 12, 0x8100);
        stw_be(out + 14, (uint16_t)vlan);
    }
    net_frame(mark, sizeof(mark), mac, other, 200); /* this one always does */
    netpeer_send(n->peer, out, sizeof(out));
    netpeer_send(n->peer, mark, sizeof(mark));
    uint64_t buf = add_buffer(n, 100);
    vqueue_wait(n->rx, NULL);
    qtest_memread(n->q, buf, in, 92);
    if (!memcmp(in + 12, mark, 80))
        return false;
    g_assert_cmpmem(in + 12, 80, out, 80);
    add_buffer(n, 100);
    vqueue_wait(n->rx, NULL);
    return true;
}

static void test_filter(void)
{
    static const uint8_t bcast[] = {255, 255, 255, 255, 255, 255}, multi[] = {1, 0, 0x5e, 0, 0, 1},
                         uni[] = {2, 0, 0, 0, 0, 9};
    static const uint8_t on = 1, off = 0;
    uint8_t table[20] = {0};
    Net n = start(F_CTRL, false);
    g_assert_true(comes(&n, uni, -1)); /* promiscuous until told otherwise */
    g_assert_cmphex(command(&n, 0, 0, &off, 1), ==, 0);
    g_assert_false(comes(&n, uni, -1));
    g_assert_false(comes(&n, multi, -1));
    g_assert_true(comes(&n, bcast, -1));
    g_assert_cmphex(command(&n, 0, 5, &on, 1), ==, 0);
    g_assert_false(comes(&n, bcast, -1));
    stl_le(table, 1);
    memcpy(table + 4, uni, 6);
    stl_le(table + 10, 1);
    memcpy(table + 14, multi, 6);
    g_assert_cmphex(command(&n, 1, 0, table, 20), ==, 0);
    g_assert_true(comes(&n, uni, -1));
    g_assert_true(comes(&n, multi, -1));
    g_assert_false(comes(&n, mac, 5));
    g_assert_cmphex(command(&n, 2, 0, "\5", 2), ==, 0);
    g_assert_true(comes(&n, mac, 5));
    g_assert_false(qtest_event_seen(n.q, "NIC_RX_FILTER_CHANGED")); /* nobody asked yet */
    g_autoptr(Json) r = qtest_qmp(n.q, "{'execute': 'query-rx-filter', 'arguments': {'name': 'card'}}");
    const Json *f = json_at(r, 0);
    g_assert_cmpstr(json_get_str(f, "main-mac"), ==, "52:54:00:12:34:56");
    g_assert_cmpstr(json_get_string(json_at(json_get(f, "unicast-table"), 0)), ==, "02:00:00:00:00:09");
    g_assert_cmpstr(json_get_string(json_at(json_get(f, "multicast-table"), 0)), ==, "01:00:5e:00:00:01");
    g_assert_cmpuint(json_length(json_get(f, "vlan-table")), ==, 1);
    g_assert_cmphex(command(&n, 2, 1, "\5", 2), ==, 0);
    g_assert_false(comes(&n, mac, 5));
    json_unref(qtest_event(n.q, "NIC_RX_FILTER_CHANGED"));
    /* More addresses than the table has: all come. */
    g_autofree uint8_t *many = g_malloc0(8 + 100 * 6);
    stl_le(many, 100);
    g_assert_cmphex(command(&n, 1, 0, many, 8 + 100 * 6), ==, 0);
    g_assert_true(comes(&n, uni, -1));
    /* A new address. */
    g_assert_cmphex(command(&n, 1, 1, uni, 6), ==, 0);
    g_assert_cmphex(vdev_config(n.d, 5, 1), ==, 9);
    /* Refused: an unknown class, short data, tables that end too early. */
    g_assert_cmphex(command(&n, 77, 0, NULL, 0), ==, 1);
    g_assert_cmphex(command(&n, 0, 0, NULL, 0), ==, 1);
    g_assert_cmphex(command(&n, 1, 1, uni, 5), ==, 1);
    stl_le(table, 0x40000000);
    g_assert_cmphex(command(&n, 1, 0, table, 20), ==, 1);
    g_assert_cmphex(command(&n, 2, 0, "\xff\xff", 2), ==, 1);
    stop(&n);
}

static void test_link(void)
{
    Net n = start(F_STATUS | F_CTRL, false);
    uint8_t out[60], in[NETPEER_MAX];
    net_frame(out, sizeof(out), other, mac, 0);
    json_unref(qtest_qmp(n.q, "{'execute': 'set_link', 'arguments': {'name': 'n', 'up': false}}"));
    g_assert_cmphex(vdev_config(n.d, 6, 2), ==, 0);
    g_assert_cmphex(vdev_isr(n.d), ==, 3);
    send_packet(&n, NULL, out, sizeof(out));
    g_assert_true(netpeer_silent(n.peer, 20));
    json_unref(qtest_qmp(n.q, "{'execute': 'set_link', 'arguments': {'name': 'card', 'up': true}}"));
    json_unref(qtest_qmp(n.q, "{'execute': 'set_link', 'arguments': {'name': 'n', 'up': true}}"));
    g_assert_cmphex(vdev_config(n.d, 6, 2), ==, 1);
    send_packet(&n, NULL, out, sizeof(out));
    g_assert_cmpuint(netpeer_recv(n.peer, in), ==, sizeof(out));
    /* The driver announces; one that does not know how has the device do it. */
    json_unref(qtest_qmp(
        n.q, "{'execute': 'announce-self', 'arguments': {'initial': 50, 'max': 50, 'rounds': 1, 'step': 0}}"));
    g_assert_cmphex(vdev_config(n.d, 6, 2), ==, 3);
    g_assert_cmphex(command(&n, 3, 0, NULL, 0), ==, 0);
    g_assert_cmphex(vdev_config(n.d, 6, 2), ==, 1);
    g_assert_cmphex(command(&n, 3, 0, NULL, 0), ==, 1);
    vdev_set_status(n.d, 0);
    json_unref(qtest_qmp(
        n.q, "{'execute': 'announce-self', 'arguments': {'initial': 50, 'max': 50, 'rounds': 1, 'step': 0}}"));
    g_assert_cmpuint(netpeer_recv(n.peer, in), ==, 60);
    g_assert_cmphex(lduw_be(in + 12), ==, 0x8035);
    /* A back end that goes takes the link with it. */
    json_unref(qtest_qmp(n.q, "{'execute': 'netdev_del', 'arguments': {'id': 'n'}}"));
    g_assert_cmphex(vdev_config(n.d, 6, 2), ==, 0);
    g_autofree char *info = qtest_hmp(n.q, "info network");
    g_assert_null(strstr(info, "\\"));
    stop(&n);
}

static void needs_reset(Net *n)
{
    VWAIT(vdev_status(n->d) & VSTATUS_NEEDS_RESET);
    stop(n);
}

static void test_hostile(void)
{
    Net n = start(F_CTRL, false);
    uint8_t out[60];
    net_frame(out, sizeof(out), mac, other, 0);
    add_buffer(&n, 8); /* no room for a header */
    netpeer_send(n.peer, out, sizeof(out));
    needs_reset(&n);

    n = start(F_CTRL, false);
    uint64_t buf = vdev_alloc(n.d, 100, 16);
    vqueue_add(n.tx, (VPart[]){{buf, 11, false}}, 1); /* no whole header */
    vqueue_kick(n.tx);
    needs_reset(&n);

    n = start(F_CTRL, false);
    buf = vdev_alloc(n.d, 100, 16);
    vqueue_add(n.ctrl, (VPart[]){{buf, 1, false}, {buf + 1, 1, true}}, 2);
    vqueue_kick(n.ctrl);
    needs_reset(&n);

    n = start(F_CTRL, false);
    buf = vdev_alloc(n.d, 200000, 16); /* more than a packet can be: lost, the queue lives */
    vqueue_add(n.tx, (VPart[]){{buf, 200000, false}}, 1);
    vqueue_add(n.tx, (VPart[]){{buf, 12, false}}, 1);
    vqueue_kick(n.tx);
    vqueue_wait(n.tx, NULL);
    vqueue_wait(n.tx, NULL);
    g_assert_true(netpeer_silent(n.peer, 10));
    stop(&n);
}

/* ---- where it runs ---- */

/* How often the I/O thread that network cards share went to sleep; -1: there is none. */
static long io_sleeps(QTest *q)
{
    static const char key[] = "\nvoluntary_ctxt_switches:";
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", (int)qtest_pid(q));
    g_autoptr(GDir) dir = g_dir_open(tasks, 0, NULL);
    const char *tid;
    g_assert_nonnull(dir);
    while ((tid = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(tasks, tid, "status", NULL), *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL) && g_str_has_prefix(text, "Name:\tIO net\n"))
            return strtol(strstr(text, key) + sizeof(key) - 1, NULL, 10);
    }
    return -1;
}

/* A user network of the card's own is served in that thread, doorbells, packets and answers: it wakes for each. */
static void test_user(void)
{
    enum { ROUNDS = 20, LEN = 60 };
    static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1}, me[] = {10, 0, 2, 15}, gateway[] = {10, 0, 2, 2};
    uint8_t out[LEN] = {0}, in[100];
    Net n = {.header = 12};
    g_autofree char *folder = g_path_get_dirname(g_getenv("QTEST_QEMU_BINARY"));
    g_autofree char *module = g_build_filename(folder, "modules", "net-user.so", NULL);
    if (access(module, R_OK)) {
        g_test_skip("this emulator has no module net-user");
        return;
    }
    n.q = qtest_start("-nodefaults -machine pc -m 64 -netdev user,id=n -device virtio-net-pci,netdev=n,addr=4,id=card");
    n.d = vdev_open(n.q, DEVFN, false);
    vdev_negotiate(n.d, VF_VERSION_1);
    n.rx = vqueue_new(n.d, RX);
    n.tx = vqueue_new(n.d, TX);
    vdev_driver_ok(n.d);
    long before = io_sleeps(n.q);
    g_assert_cmpint(before, >=, 0);
    memset(out, 0xff, 6);
    memcpy(out + 6, mac, 6);
    stw_be(out + 12, 0x0806);
    memcpy(out + 14, head, sizeof(head));
    memcpy(out + 22, mac, 6);
    memcpy(out + 28, me, 4);
    memcpy(out + 38, gateway, 4);
    for (unsigned i = 0; i < ROUNDS;) {
        uint64_t buf = add_buffer(&n, sizeof(in));
        send_packet(&n, NULL, out, LEN);
        vqueue_wait(n.rx, NULL);
        qtest_memread(n.q, buf, in, sizeof(in));
        /* Who has 10.0.2.2: an answer to us. Its own router advertisements come, too. */
        i += lduw_be(in + 12 + 12) == 0x0806 && !memcmp(in + 12, mac, 6) && in[12 + 21] == 2 &&
             !memcmp(in + 12 + 28, gateway, 4);
    }
    g_assert_cmpint(io_sleeps(n.q) - before, >=, ROUNDS);
    vqueue_free(n.rx);
    vqueue_free(n.tx);
    vdev_free(n.d);
    qtest_quit(n.q);
}

/* A socket cannot move, and its card stays with it: there is no such thread. */
static void test_main_loop(void)
{
    Net n = start(0, false);
    uint8_t out[60], in[NETPEER_MAX];
    net_frame(out, sizeof(out), other, mac, 0);
    send_packet(&n, NULL, out, sizeof(out));
    g_assert_cmpuint(netpeer_recv(n.peer, in), ==, sizeof(out));
    g_assert_cmpint(io_sleeps(n.q), ==, -1);
    stop(&n);
}

/* ---- several queues: a TAP interface, whose other end is a packet socket ---- */

enum { PAIRS = 3 };
#define TAP_NAME "qkvmtestmq"
#define F_MQ     BIT64(22)

static bool no_tap(void)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE, .ifr_name = TAP_NAME};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    bool ok = fd >= 0 && !ioctl(fd, TUNSETIFF, &ifr);
    if (fd >= 0)
        close(fd);
    if (!ok)
        g_test_skip("no TAP interface with several queues can be made");
    return !ok;
}

/* A packet socket on the interface, which comes up. */
static int tap_socket(void)
{
    struct ifreq ifr = {.ifr_name = TAP_NAME};
    struct timeval limit = {.tv_sec = 5};
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    g_assert_cmpint(s, >=, 0);
    g_assert_cmpint(ioctl(s, SIOCGIFINDEX, &ifr), ==, 0);
    struct sockaddr_ll a = {
        .sll_family = AF_PACKET, .sll_protocol = GUINT16_TO_BE(0x0800), .sll_ifindex = ifr.ifr_ifindex};
    g_assert_cmpint(ioctl(s, SIOCGIFFLAGS, &ifr), ==, 0);
    ifr.ifr_flags |= IFF_UP;
    g_assert_cmpint(ioctl(s, SIOCSIFFLAGS, &ifr), ==, 0);
    g_assert_cmpint(bind(s, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return s;
}

typedef struct Multi {
    Net n;
    int host;
    VQueue *rx[PAIRS], *tx[PAIRS];
} Multi;

static Multi multi_start(const char *netdev, uint64_t features)
{
    Multi m = {0};
    m.n.q = qtest_start("-nodefaults -machine pc -m 64 -netdev tap,id=n,%s -device virtio-net-pci,netdev=n,addr=4,"
                        "id=card,mq=on",
                        netdev);
    m.host = tap_socket();
    m.n.d = vdev_open(m.n.q, DEVFN, false);
    g_assert_true(vdev_features(m.n.d) & F_MQ);
    g_assert_cmpuint(vdev_config(m.n.d, 8, 2), ==, PAIRS);
    g_assert_cmpuint(qtest_readw(m.n.q, m.n.d->mem + VC_QUEUES), ==, 3);
    vdev_negotiate(m.n.d, features);
    m.n.header = 12;
    return m;
}

static void multi_stop(Multi *m)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        if (m->rx[i])
            vqueue_free(m->rx[i]);
        if (m->tx[i])
            vqueue_free(m->tx[i]);
    }
    vqueue_free(m->n.ctrl);
    vdev_free(m->n.d);
    qtest_quit(m->n.q);
    close(m->host);
}

/* 64 bytes of UDP over IPv4, flow n of many. */
static void flow_frame(uint8_t *f, const uint8_t *to, const uint8_t *from, unsigned n)
{
    static const uint8_t ip[] = {0x45, 0, 0, 50, 0, 0, 0, 0, 9, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
    net_frame(f, 64, to, from, n);
    stw_be(f + 12, 0x0800);
    memcpy(f + 14, ip, sizeof(ip));
    stw_be(f + 34, (uint16_t)(5000 + 77 * n));
    stw_be(f + 36, 9);
    stw_be(f + 38, 30);
    stw_be(f + 40, 0);
}

static void multi_send(Multi *m, unsigned pair, uint8_t what)
{
    uint8_t out[64], in[2000];
    Net n = m->n;
    n.tx = m->tx[pair];
    flow_frame(out, other, mac, what);
    send_packet(&n, NULL, out, sizeof(out));
    g_assert_cmpint(recv(m->host, in, sizeof(in), 0), ==, sizeof(out));
    g_assert_cmpmem(in, sizeof(out), out, sizeof(out));
}

/* Host packets until one has come on each of the first n pairs, and none on another. */
static void multi_receive(Multi *m, unsigned n)
{
    unsigned got[PAIRS] = {0}, pairs = 0;
    for (unsigned i = 0; i < PAIRS; i++)
        for (unsigned k = 0; m->rx[i] && k < 64; k++) {
            uint64_t buf = vdev_alloc(m->n.d, 128, 16);
            vqueue_add(m->rx[i], (VPart[]){{buf, 128, true}}, 1);
            vqueue_kick(m->rx[i]);
        }
    for (unsigned i = 0; i < 60; i++) { /* the kernel spreads them by a hash of the flow */
        uint8_t out[64];
        flow_frame(out, mac, other, i);
        g_assert_cmpint(send(m->host, out, sizeof(out), 0), ==, sizeof(out));
    }
    unsigned total = 0;
    for (unsigned tries = 0; total < 60; tries++) {
        g_assert_cmpuint(tries, <, 5000);
        for (unsigned i = 0; i < PAIRS; i++)
            while (m->rx[i] && vqueue_used(m->rx[i], NULL, NULL))
                got[i]++, total++;
        g_usleep(1000);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        g_test_message("pair %u: %u packets", i, got[i]);
        pairs += got[i] != 0;
        g_assert_true(i < n || !got[i]);
    }
    g_assert_cmpuint(pairs, ==, n);
}

static void use_pairs(Multi *m, unsigned n, uint8_t answer)
{
    uint8_t raw[2];
    stw_le(raw, (uint16_t)n);
    g_assert_cmphex(command(&m->n, 4, 0, raw, 2), ==, answer);
}

static void run_multi(const char *netdev)
{
    Multi m = multi_start(netdev, VF_VERSION_1 | F_CTRL | F_MQ);
    g_assert_cmpuint(qtest_readw(m.n.q, m.n.d->mem + VC_QUEUES), ==, 2 * PAIRS + 1);
    for (unsigned i = 0; i < PAIRS; i++) {
        m.rx[i] = vqueue_new(m.n.d, 2 * i);
        m.tx[i] = vqueue_new(m.n.d, 2 * i + 1);
    }
    m.n.ctrl = vqueue_new(m.n.d, 2 * PAIRS);
    g_assert_cmpuint(m.n.ctrl->size, ==, 64);
    vdev_driver_ok(m.n.d);
    multi_receive(&m, 1);
    use_pairs(&m, PAIRS, 0);
    multi_receive(&m, PAIRS);
    for (unsigned i = 0; i < PAIRS; i++)
        multi_send(&m, i, (uint8_t)i);
    use_pairs(&m, 0, 1);
    use_pairs(&m, PAIRS + 1, 1);
    g_assert_cmphex(command(&m.n, 4, 0, "\1", 1), ==, 1);   /* cut short */
    g_assert_cmphex(command(&m.n, 4, 1, "\1\0", 2), ==, 1); /* RSS, which is not offered */
    use_pairs(&m, 1, 0);
    multi_receive(&m, 1);
    g_autofree char *info = qtest_hmp(m.n.q, "info network");
    g_assert_nonnull(strstr(info, "card: index=2,type=nic,\r\n \\ n: index=2,type=tap,"));
    use_pairs(&m, 2, 0);
    /* The link is all queues'. */
    json_unref(qtest_qmp(m.n.q, "{'execute': 'set_link', 'arguments': {'name': 'n', 'up': false}}"));
    uint8_t out[64] = {0};
    Net n = m.n;
    n.tx = m.tx[1];
    send_packet(&n, NULL, out, sizeof(out));
    json_unref(qtest_qmp(m.n.q, "{'execute': 'set_link', 'arguments': {'name': 'n', 'up': true}}"));
    multi_send(&m, 1, 7);
    multi_stop(&m);
}

static void test_multiqueue(void)
{
    if (!no_tap())
        run_multi("ifname=" TAP_NAME ",script=no,downscript=no,queues=3");
}

/* The same interface by descriptors that somebody else has opened. */
static void test_multiqueue_fds(void)
{
    int fds[PAIRS];
    if (no_tap())
        return;
    for (unsigned i = 0; i < PAIRS; i++) {
        struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR, .ifr_name = TAP_NAME};
        fds[i] = open("/dev/net/tun", O_RDWR);
        g_assert_cmpint(ioctl(fds[i], TUNSETIFF, &ifr), ==, 0);
    }
    g_autofree char *netdev = g_strdup_printf("fds=%d:%d:%d", fds[0], fds[1], fds[2]);
    run_multi(netdev);
    for (unsigned i = 0; i < PAIRS; i++)
        close(fds[i]);
}

/* A driver that does not know of MQ has one pair, and its control queue at 2. */
static void test_multiqueue_unused(void)
{
    if (no_tap())
        return;
    Multi m = multi_start("ifname=" TAP_NAME ",script=no,downscript=no,queues=3", VF_VERSION_1 | F_CTRL);
    g_assert_cmpuint(qtest_readw(m.n.q, m.n.d->mem + VC_QUEUES), ==, 3);
    m.rx[0] = vqueue_new(m.n.d, 0);
    m.tx[0] = vqueue_new(m.n.d, 1);
    m.n.ctrl = vqueue_new(m.n.d, 2);
    g_assert_cmpuint(m.n.ctrl->size, ==, 64);
    qtest_writew(m.n.q, m.n.d->mem + VC_QUEUE_SELECT, 3); /* is not there */
    g_assert_cmpuint(qtest_readw(m.n.q, m.n.d->mem + VC_QUEUE_SIZE), ==, 0);
    qtest_writew(m.n.q, m.n.d->mem + VC_QUEUE_ENABLE, 1);
    vdev_driver_ok(m.n.d);
    use_pairs(&m, 2, 1);
    multi_receive(&m, 1);
    multi_send(&m, 0, 1);
    multi_stop(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-net/config", test_config);
    g_test_add_func("/virtio-net/modern", test_modern);
    g_test_add_func("/virtio-net/legacy", test_legacy);
    g_test_add_func("/virtio-net/mergeable", test_mergeable);
    g_test_add_func("/virtio-net/flow", test_flow);
    g_test_add_func("/virtio-net/offload-ip4", test_offload4);
    g_test_add_func("/virtio-net/offload-ip6", test_offload6);
    g_test_add_func("/virtio-net/filter", test_filter);
    g_test_add_func("/virtio-net/multiqueue", test_multiqueue);
    g_test_add_func("/virtio-net/multiqueue-fds", test_multiqueue_fds);
    g_test_add_func("/virtio-net/multiqueue-unused", test_multiqueue_unused);
    g_test_add_func("/virtio-net/link", test_link);
    g_test_add_func("/virtio-net/hostile", test_hostile);
    g_test_add_func("/virtio-net/user", test_user);
    g_test_add_func("/virtio-net/main-loop", test_main_loop);
    return g_test_run();
}
