/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: a walk over its registers beside Debian's; both rings, checksums, large segments, VLAN tags, filters,
 * loopback, throttled interrupts, the link, the EEPROM by its wires, rings that make no sense.
 */
#include "tests/qtest/libnet.h"
#include "tests/qtest/libqtest-internal.h"

#define BAR  0xe0000000ULL
#define RING 0x100000ULL /* receive; transmit 4 KiB behind */
#define BUFS 0x200000ULL
enum { DEVFN = 4 << 3, N = 8, TX_RING = 0x1000 };
enum {
    CTRL = 0,
    STATUS = 8,
    EECD = 0x10,
    MDIC = 0x20,
    VET = 0x38,
    ICR = 0xc0,
    ITR = 0xc4,
    ICS = 0xc8,
    IMS = 0xd0,
    IMC = 0xd8,
    RCTL = 0x100,
    TCTL = 0x400
};
enum {
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818
};
enum { MTA = 0x5200, RAL1 = 0x5408, RAH1 = 0x540c, VFTA = 0x5600 };
#define EN    2U
#define UPE   8U
#define MPE   0x10U
#define LPE   0x20U
#define BAM   0x8000U
#define VFE   0x40000U
#define SECRC 0x04000000U
#define VME   0x40000000U

static const uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, other[] = {2, 0, 0, 0, 0, 1};

typedef struct Card {
    NetPeer *peer;
    QTest *q;
    unsigned tail;
} Card;

static uint32_t get(const Card *c, unsigned reg)
{
    return qtest_readl(c->q, BAR + reg);
}

static void put(const Card *c, unsigned reg, uint32_t val)
{
    qtest_writel(c->q, BAR + reg, val);
}

static void enable(QTest *q)
{
    qtest_pci_write(q, 0, DEVFN, 0x10, 4, (uint32_t)BAR);
    qtest_pci_write(q, 0, DEVFN, 0x14, 4, 0xc000);
    qtest_pci_write(q, 0, DEVFN, 4, 2, 7);
}

static Card start(uint32_t rctl)
{
    Card c = {.peer = netpeer_new()};
    c.q = qtest_start("-nodefaults -machine pc -m 64 %s -device e1000,netdev=n,addr=4,id=card", netpeer_args(c.peer));
    enable(c.q);
    for (unsigned i = 0; i < N; i++)
        qtest_writeq(c.q, RING + 16 * i, BUFS + 0x4000 * i);
    put(&c, RDBAL, RING);
    put(&c, RDLEN, N * 16);
    put(&c, TDBAL, RING + TX_RING);
    put(&c, TDLEN, N * 16);
    put(&c, RDT, N - 1);
    put(&c, RCTL, rctl | EN);
    put(&c, TCTL, EN);
    get(&c, ICR); /* that the transmitter's queue is empty */
    return c;
}

static void stop(Card *c)
{
    qtest_quit(c->q);
    netpeer_free(c->peer);
}

/* A transmit descriptor: its second quad word as it stands. */
static void add_desc(Card *c, uint64_t first, uint64_t second)
{
    qtest_writeq(c->q, RING + TX_RING + 16 * c->tail, first);
    qtest_writeq(c->q, RING + TX_RING + 16 * c->tail + 8, second);
    c->tail = (c->tail + 1) % N;
}

static void go(Card *c)
{
    put(c, TDT, c->tail);
    g_assert_cmpuint(get(c, TDH), ==, c->tail);
}

enum { EOP = 1, IFCS = 2, IC_TSE = 4, RS = 8, DEXT = 0x20, VLE = 0x40 };
#define LEGACY(len, cmd)        ((len) | (uint64_t)(cmd) << 24)
#define DATA(len, cmd, popts)   ((len) | 1ULL << 20 | (uint64_t)((cmd) | DEXT) << 24 | (uint64_t)(popts) << 40)
#define CONTEXT(pay, cmd, h, m) ((pay) | (uint64_t)((cmd) | DEXT) << 24 | (uint64_t)(h) << 40 | (uint64_t)(m) << 48)

static uint64_t place(Card *c, const uint8_t *buf, size_t len)
{
    qtest_memwrite(c->q, 0x300000, buf, len);
    return 0x300000;
}

static void test_walk(void)
{
    static const WalkRegion regions[] = {
        {true, BAR, 0x200, 4, 20},          {true, BAR + 0x400, 0x80, 4, 4},   {true, BAR + 0xe00, 0x10, 4, 2},
        {true, BAR + 0x1000, 0x10, 4, 2},   {true, BAR + 0x2160, 0x10, 4, 1},  {true, BAR + 0x2400, 0x40, 4, 2},
        {true, BAR + 0x2800, 0x40, 4, 8},   {true, BAR + 0x3000, 0x10, 4, 1},  {true, BAR + 0x3400, 0x40, 4, 2},
        {true, BAR + 0x3800, 0x40, 4, 8},   {true, BAR + 0x4000, 0x100, 4, 4}, {true, BAR + 0x5000, 0x10, 4, 1},
        {true, BAR + 0x5200, 0x700, 4, 8},  {true, BAR + 0x5900, 0x700, 4, 4}, {true, BAR + 0x9000, 0xc00, 4, 2},
        {true, BAR + 0x10000, 0x400, 4, 1}, {true, BAR, 0x40, 1 | 2, 2},       {false, 0xc000, 0x40, 4, 1},
        {true, BAR + EECD, 4, 4, 20},       {true, BAR + MDIC, 4, 4, 20},      {0},
    };
    static const WalkStep before[] = {
        {true, false, 0xcf8, 0x80002010, 4},
        {true, false, 0xcfc, BAR, 4},
        {true, false, 0xcf8, 0x80002014, 4},
        {true, false, 0xcfc, 0xc000, 4},
        {true, false, 0xcf8, 0x80002004, 4},
        {true, false, 0xcfc, 3, 2},
        {0},
    };
    /* The bus master bit is off: no descriptor is read. */
    qtest_walk(&(Walk){.args = "-nodefaults -machine pc -m 64 -device e1000,addr=4",
                       .regions = regions,
                       .before = before,
                       .steps = 6000});
}

static void test_nothing_to_send(void)
{
    Card c = start(0);
    get(&c, ICR);
    put(&c, TDT, c.tail);
    g_assert_cmphex(get(&c, ICR), ==, 2);
    put(&c, TCTL, get(&c, TCTL));
    g_assert_cmphex(get(&c, ICR) & 2, ==, 2);
    stop(&c);
}

static void test_transmit(void)
{
    static const size_t sizes[] = {14, 60, 1514, 9000};
    uint8_t out[9000], in[NETPEER_MAX];
    Card c = start(0);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        net_frame(out, sizes[i], other, mac, (unsigned)i);
        add_desc(&c, place(&c, out, sizes[i]), LEGACY(10, 0)); /* in two parts */
        add_desc(&c, 0x30000a, LEGACY(sizes[i] - 10, EOP | IFCS | RS));
        go(&c);
        g_assert_cmpmem(in, netpeer_recv(c.peer, in), out, sizes[i]);
        g_assert_cmphex(qtest_readl(c.q, RING + TX_RING + 16 * ((c.tail + N - 1) % N) + 12), ==, 1);
        g_assert_cmphex(qtest_readl(c.q, RING + TX_RING + 16 * ((c.tail + N - 2) % N) + 12), ==, 0);
        g_assert_cmphex(get(&c, ICR), ==, 3);
    }
    g_assert_cmpuint(get(&c, 0x4080), ==, 4); /* GPTC */
    g_assert_cmpuint(get(&c, 0x4080), ==, 0);
    g_assert_cmpuint(get(&c, 0x40c8), ==, 14 + 60 + 1514 + 9000 + 16);
    /* More than a packet can be does not overrun anything. */
    for (unsigned i = 0; i < 6; i++)
        add_desc(&c, 0x300000, LEGACY(0xffff, i == 5 ? EOP : 0));
    go(&c);
    g_assert_cmpuint(netpeer_recv(c.peer, in), ==, 0xffff);
    stop(&c);
}

static void test_checksum(void)
{
    uint8_t out[800], in[NETPEER_MAX];
    Card c = start(0);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        unsigned l4 = v6 ? 54 : 34;
        size_t len = net_tcp_frame(out, 700, v6, other, mac);
        add_desc(&c, 14 | (uint64_t)24 << 8 | (uint64_t)(l4 - 1) << 16 | (uint64_t)l4 << 32 | (uint64_t)(l4 + 16) << 40,
                 CONTEXT(0, v6 ? 1 : 3, 0, 0));
        if (!v6)
            stw_le(out + 24, 0);
        add_desc(&c, place(&c, out, len), DATA(len, EOP | RS, v6 ? 2 : 3));
        go(&c);
        g_assert_cmpuint(netpeer_recv(c.peer, in), ==, len);
        g_assert_true(net_tcp_ok(in, len));
    }
    /* A legacy descriptor's checksum. */
    size_t len = net_tcp_frame(out, 700, false, other, mac);
    add_desc(&c, place(&c, out, len), LEGACY(len, EOP | IC_TSE) | (uint64_t)50 << 16 | (uint64_t)34 << 40);
    go(&c);
    g_assert_cmpuint(netpeer_recv(c.peer, in), ==, len);
    g_assert_true(net_tcp_ok(in, len));
    stop(&c);
}

static void large(size_t payload, unsigned mss, bool v6)
{
    g_autofree uint8_t *out = g_malloc(payload + 200), *in = g_malloc(NETPEER_MAX);
    unsigned l4 = v6 ? 54 : 34, head = l4 + 20;
    Card c = start(0);
    size_t len = net_tcp_frame(out, payload, v6, other, mac);
    /* The driver leaves lengths and sums empty. */
    stw_be(out + (v6 ? 18 : 16), 0);
    if (!v6)
        stw_be(out + 24, 0);
    qtest_memwrite(c.q, 0x300000, out, len);
    add_desc(&c, 14 | (uint64_t)24 << 8 | (uint64_t)(l4 - 1) << 16 | (uint64_t)l4 << 32 | (uint64_t)(l4 + 16) << 40,
             CONTEXT(payload, v6 ? 5 : 7, head, mss));
    add_desc(&c, 0x300000, DATA(head, IC_TSE, 3));
    size_t half = (len - head) / 2;
    add_desc(&c, 0x300000 + head, DATA(half, IC_TSE, 3));
    add_desc(&c, 0x300000 + head + half, DATA(len - head - half, IC_TSE | EOP | RS, 3));
    go(&c);
    unsigned i = 0;
    for (size_t at = 0; at < payload; i++) {
        size_t part = MIN(mss, payload - at);
        g_assert_cmpuint(netpeer_recv(c.peer, in), ==, head + part);
        g_assert_true(net_tcp_ok(in, head + part));
        g_assert_cmphex(ldl_be(in + l4 + 4), ==, 0x01020304 + at);
        g_assert_cmphex(in[l4 + 13], ==, at + part < payload ? 0x10 : 0x19);
        g_assert_cmpmem(in + head, part, out + head + at, part);
        if (!v6)
            g_assert_cmphex(lduw_be(in + 18), ==, 0x1234 + i);
        at += part;
    }
    g_assert_cmpuint(get(&c, 0x40d4), ==, i); /* TPT */
    stop(&c);
}

static void test_large(void)
{
    large(3500, 1000, false);
    large(3500, 1000, true);
    large(800, 1000, false);
    large(65495, 9000, false);  /* as much as IPv4 can say */
    large(100000, 9000, false); /* what is more goes in chunks */
}

static void give_back(const Card *c)
{
    put(c, RDT, (get(c, RDH) + N - 1) % N);
}

/* The next frame of the ring; its length without the CRC, -1: none. */
static int receive(const Card *c, uint8_t *buf, uint16_t *tag)
{
    static const unsigned crc = 4;
    unsigned i = (get(c, RDT) + 1) % N, len;
    uint8_t d[16];
    for (unsigned n = 0;; n++) {
        qtest_memread(c->q, RING + 16 * i, d, 16);
        if (d[12] & 1)
            break;
        if (n == 300)
            return -1;
        g_usleep(1000);
    }
    len = lduw_le(d + 8);
    g_assert_cmphex(d[12] & 2, ==, 2);
    qtest_memread(c->q, ldq_le(d), buf, len);
    qtest_writeb(c->q, RING + 16 * i + 12, 0);
    *tag = d[12] & 8 ? lduw_le(d + 14) : 0xffff;
    put(c, RDT, i);
    return (int)(len - (get(c, RCTL) & SECRC ? 0 : crc));
}

static void test_receive(void)
{
    static const size_t sizes[] = {60, 100, 1514, 1800, 9000};
    uint8_t out[9000], in[0x4000];
    uint16_t tag;
    Card c = start(LPE | BAM);
    put(&c, IMS, 0x80);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        /* Buffers of 2 KiB: large frames fill several. */
        net_frame(out, sizes[i], mac, other, (unsigned)i);
        unsigned first = get(&c, RDH), n = (unsigned)(sizes[i] + 4 + 2047) / 2048;
        netpeer_send(c.peer, out, sizes[i]);
        if (n == 1) {
            g_assert_cmpint(receive(&c, in, &tag), ==, (int)sizes[i]);
        } else {
            uint8_t d[16] = {0};
            for (int k = 0; k < 3000 && !(d[12] & 2); k++, g_usleep(1000))
                qtest_memread(c.q, RING + 16 * ((first + n - 1) % N), d, 16);
            g_assert_cmphex(d[12] & 3, ==, 3);
            for (unsigned k = 0; k < n; k++) {
                qtest_memread(c.q, BUFS + 0x4000 * ((first + k) % N), in + 2048 * k, 2048);
                qtest_writeb(c.q, RING + 16 * ((first + k) % N) + 12, 0);
            }
            give_back(&c);
        }
        g_assert_cmpmem(in, sizes[i], out, sizes[i]);
        g_assert_cmphex(qtest_pci_read(c.q, 0, DEVFN, 6, 2) & 8, ==, 8);
        g_assert_cmphex(get(&c, ICR) & 0x80, ==, 0x80);
        g_assert_cmphex(qtest_pci_read(c.q, 0, DEVFN, 6, 2) & 8, ==, 0);
    }
    g_assert_cmpuint(get(&c, 0x4074), ==, 5); /* GPRC */
    /* Short ones are filled up; without LPE long ones are not taken; SECRC leaves the CRC out. */
    put(&c, RCTL, EN | SECRC);
    netpeer_send(c.peer, out, 2000);
    net_frame(out, 20, mac, other, 77);
    netpeer_send(c.peer, out, 20);
    g_assert_cmpint(receive(&c, in, &tag), ==, 60);
    g_assert_cmpmem(in, 20, out, 20);
    g_assert_cmpuint(get(&c, 0x40ac), ==, 1); /* ROC */
    stop(&c);
}

/* No descriptors: they wait, in order; the driver's tail lets them in. */
static void test_flow(void)
{
    uint8_t out[100], in[2048];
    uint16_t tag;
    Card c = start(0);
    put(&c, RDT, get(&c, RDH));
    for (unsigned i = 0; i < 12; i++) {
        net_frame(out, sizeof(out), mac, other, i);
        netpeer_send(c.peer, out, sizeof(out));
    }
    g_usleep(20000);
    g_assert_cmpuint(get(&c, RDH), ==, 0);
    put(&c, RDT, N - 1);
    for (unsigned i = 0; i < 12; i++) {
        g_assert_cmpint(receive(&c, in, &tag), ==, 100);
        net_frame(out, sizeof(out), mac, other, i);
        g_assert_cmpmem(in, 100, out, 100);
    }
    stop(&c);
}

static bool comes(Card *c, const uint8_t *to, int vlan, uint16_t *tag)
{
    uint8_t out[80], mark[80], in[2048];
    net_frame(out, sizeof(out), to, other, 1);
    if (vlan >= 0) {
        stw_be(out + 12, 0x8100);
        stw_be(out + 14, (uint16_t)vlan);
    }
    net_frame(mark, sizeof(mark), mac, other, 200);
    netpeer_send(c->peer, out, sizeof(out));
    netpeer_send(c->peer, mark, sizeof(mark));
    g_assert_cmpint(receive(c, in, tag), >=, 60);
    if (!memcmp(in, mark, 80))
        return false;
    uint16_t unused;
    g_assert_cmpint(receive(c, in, &unused), ==, 80);
    return true;
}

static void test_filter(void)
{
    static const uint8_t bcast[] = {255, 255, 255, 255, 255, 255}, multi[] = {1, 0, 0x5e, 0, 0x12, 0x34},
                         uni[] = {2, 0, 0, 0, 0, 9};
    uint16_t tag;
    Card c = start(0);
    g_assert_false(comes(&c, uni, -1, &tag));
    g_assert_false(comes(&c, multi, -1, &tag));
    g_assert_false(comes(&c, bcast, -1, &tag));
    put(&c, RCTL, EN | BAM);
    g_assert_true(comes(&c, bcast, -1, &tag));
    put(&c, RCTL, EN | UPE);
    g_assert_true(comes(&c, uni, -1, &tag));
    g_assert_false(comes(&c, multi, -1, &tag));
    put(&c, RCTL, EN | MPE);
    g_assert_true(comes(&c, multi, -1, &tag));
    put(&c, RCTL, EN);
    put(&c, RAL1, ldl_le(uni));
    put(&c, RAH1, lduw_le(uni + 4) | BIT32(31));
    g_assert_true(comes(&c, uni, -1, &tag));
    unsigned hash = (0x3412 >> 4) & 0xfff;
    put(&c, MTA + 4 * (hash >> 5), BIT32(hash & 31));
    g_assert_true(comes(&c, multi, -1, &tag));
    put(&c, RCTL, EN | 1 << 12);
    g_assert_false(comes(&c, multi, -1, &tag));
    put(&c, RCTL, EN | VFE);
    g_assert_false(comes(&c, mac, 5, &tag));
    put(&c, VFTA, BIT32(5));
    g_assert_true(comes(&c, mac, 5, &tag));
    g_assert_cmphex(tag, ==, 0xffff);
    put(&c, CTRL, get(&c, CTRL) | VME);
    g_assert_true(comes(&c, mac, 0x2005, &tag)); /* taken off */
    g_assert_cmphex(tag, ==, 0x2005);
    /* And put on. */
    uint8_t out[100], in[NETPEER_MAX];
    net_frame(out, sizeof(out), other, mac, 3);
    add_desc(&c, place(&c, out, sizeof(out)), LEGACY(100, EOP | VLE) | (uint64_t)0x3007 << 48);
    go(&c);
    g_assert_cmpuint(netpeer_recv(c.peer, in), ==, 104);
    g_assert_cmphex(ldl_be(in + 12), ==, 0x81003007);
    g_assert_cmpmem(in + 16, 88, out + 12, 88);
    stop(&c);
}

static void test_loopback(void)
{
    uint8_t out[100], in[2048];
    uint16_t tag;
    Card c = start(0xc0);
    net_frame(out, sizeof(out), mac, mac, 3);
    add_desc(&c, place(&c, out, sizeof(out)), LEGACY(100, EOP));
    go(&c);
    g_assert_cmpint(receive(&c, in, &tag), ==, 100);
    g_assert_cmpmem(in, 100, out, 100);
    g_assert_true(netpeer_silent(c.peer, 10));
    stop(&c);
}

/* The tail, and what is read in the same turn of the main loop. */
static void go_and_read(const Card *c, uint32_t tail, const unsigned *regs, unsigned n, uint64_t *got)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "writel 0x%" PRIx64 " 0x%x", (uint64_t)BAR + TDT, tail);
    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(text, "\nreadl 0x%" PRIx64, (uint64_t)BAR + regs[i]);
    qtest_send(c->q, text->str);
    g_free(qtest_receive(c->q, "writel"));
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *answer = qtest_receive(c->q, "readl");
        got[i] = qtest_value(c->q, answer, "readl");
    }
}

/* TXQE (section 13.4.17): the last descriptor is done, said once; more than a burst of packets may take several turns.
 */
static void test_queue_empty(void)
{
    enum { PACKETS = 700, DESCS = 1024, LONG = 31408 };
    static const unsigned regs[] = {ICR, TDH, ICR};
    uint64_t got[3];
    uint8_t out[60];
    Card c = start(0xc0); /* loopback: nobody has to take them */
    put(&c, TDLEN, LONG * 16);
    go_and_read(&c, 0xffff, regs, 3, got); /* no such descriptor: once round, of nothing */
    g_assert_cmphex(got[0], ==, 2);
    g_assert_cmpuint(got[1], ==, 0);
    g_assert_cmphex(got[2], ==, 0);
    for (unsigned i = 0; i < 10; i++)
        g_assert_cmphex(get(&c, ICR), ==, 0);
    net_frame(out, sizeof(out), mac, mac, 3);
    place(&c, out, sizeof(out));
    put(&c, TDLEN, DESCS * 16);
    put(&c, TDBAL, 0x400000);
    for (unsigned i = 0; i < PACKETS; i++) {
        qtest_writeq(c.q, 0x400000 + 16 * i, 0x300000);
        qtest_writeq(c.q, 0x400008 + 16 * i, LEGACY(60, EOP | RS));
    }
    go_and_read(&c, PACKETS, regs, 2, got);
    g_assert_cmphex(got[0] & 1, ==, 1);
    g_assert_cmpuint(!!(got[0] & 2), ==, got[1] == PACKETS);
    uint32_t icr = (uint32_t)got[0];
    for (unsigned i = 0; i < 1000 && get(&c, TDH) != PACKETS; i++)
        g_usleep(1000);
    g_assert_cmphex((icr | get(&c, ICR)) & 3, ==, 3);
    g_assert_cmpuint(get(&c, 0x4080), ==, PACKETS); /* GPTC */
    g_assert_cmphex(get(&c, ICR), ==, 0);
    stop(&c);
}

static bool line(const Card *c)
{
    return qtest_pci_read(c->q, 0, DEVFN, 6, 2) & 8;
}

static void test_interrupts(void)
{
    Card c = start(0);
    if (!qtest_has_clock(c.q)) {
        g_test_skip("no virtual clock to step");
        stop(&c);
        return;
    }
    put(&c, ITR, 1000); /* 256 us */
    put(&c, IMS, 4);
    put(&c, ICS, 4);
    g_assert_true(line(&c));
    g_assert_cmphex(get(&c, ICR), ==, 4);
    put(&c, ICS, 4);
    g_assert_false(line(&c)); /* not yet */
    qtest_clock_step(c.q, 200000);
    g_assert_false(line(&c));
    qtest_clock_step(c.q, 100000);
    g_assert_true(line(&c));
    put(&c, IMC, 4);
    g_assert_false(line(&c));
    stop(&c);
}

static uint16_t phy(const Card *c, unsigned reg)
{
    put(c, MDIC, 2U << 26 | 1U << 21 | reg << 16);
    return (uint16_t)get(c, MDIC);
}

static void test_link(void)
{
    Card c = start(BAM);
    g_assert_cmphex(get(&c, STATUS) & 2, ==, 2);
    json_unref(qtest_qmp(c.q, "{'execute': 'set_link', 'arguments': {'name': 'card', 'up': false}}"));
    g_assert_cmphex(get(&c, STATUS) & 2, ==, 0);
    g_assert_cmphex(phy(&c, 1) & 4, ==, 0);
    g_assert_cmphex(get(&c, ICR), ==, 4);
    json_unref(qtest_qmp(c.q, "{'execute': 'set_link', 'arguments': {'name': 'card', 'up': true}}"));
    if (qtest_has_clock(c.q)) {
        qtest_clock_step(c.q, 400000000);
        g_assert_cmphex(get(&c, STATUS) & 2, ==, 0);
        qtest_clock_step(c.q, 200000000);
        g_assert_cmphex(get(&c, STATUS) & 2, ==, 2);
        g_assert_cmphex(phy(&c, 1) & 0x24, ==, 0x24);
        g_assert_cmphex(phy(&c, 5) & 0x4000, ==, 0x4000);
        g_assert_cmphex(get(&c, ICR) & 4, ==, 4);
    }
    stop(&c);
}

static void clock_bits(const Card *c, unsigned bits, unsigned n)
{
    while (n--) {
        uint32_t di = bits >> n & 1 ? 4 : 0;
        put(c, EECD, 2 | di);
        put(c, EECD, 2 | di | 1);
        put(c, EECD, 2 | di);
    }
}

static void test_eeprom(void)
{
    Card c = start(0);
    uint16_t sum = 0;
    for (unsigned word = 0; word < 64; word++) {
        uint16_t val = 0;
        put(&c, EECD, 0);
        put(&c, EECD, 2);
        clock_bits(&c, 6 << 6 | word, 9);
        for (unsigned i = 0; i < 16; i++) {
            put(&c, EECD, 2 | 1);
            val = (uint16_t)(val << 1 | (get(&c, EECD) >> 3 & 1));
            put(&c, EECD, 2);
        }
        put(&c, EECD, 0);
        put(&c, 0x14, word << 8 | 1);
        g_assert_cmphex(get(&c, 0x14), ==, (uint32_t)val << 16 | word << 8 | 0x10);
        if (word < 3)
            g_assert_cmphex(val, ==, lduw_le(mac + 2 * word));
        sum = (uint16_t)(sum + val);
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    stop(&c);
}

static void test_hostile(void)
{
    uint8_t out[100];
    Card c = start(UPE | MPE | LPE);
    net_frame(out, sizeof(out), mac, other, 1);
    /* Rings of no length, heads behind their ends, rings in the card's own registers, in nothing. */
    static const uint64_t places[] = {RING, BAR + 0x2800, BAR + 0x3800, 0xfffffffffffff000ULL, 0xa0000};
    static const uint32_t lens[] = {0, 128, 0xfff80}, heads[] = {0, 7, 8, 0xffff}, tails[] = {0, 3, 9, 0xffff};
    for (size_t p = 0; p < ARRAY_SIZE(places); p++)
        for (size_t l = 0; l < ARRAY_SIZE(lens); l++)
            for (size_t h = 0; h < ARRAY_SIZE(heads); h++)
                for (size_t t = 0; t < ARRAY_SIZE(tails); t++) {
                    static const unsigned regs[2][6] = {{RDBAL, RDBAH, RDLEN, RDH, RDT},
                                                        {TDBAL, TDBAH, TDLEN, TDH, TDT}};
                    for (unsigned k = 0; k < 2; k++) {
                        put(&c, regs[k][0], (uint32_t)places[p]);
                        put(&c, regs[k][1], (uint32_t)(places[p] >> 32));
                        put(&c, regs[k][2], lens[l]);
                        put(&c, regs[k][3], heads[h]);
                        put(&c, regs[k][4], tails[t]);
                    }
                    netpeer_try(c.peer, out, sizeof(out));
                }
    g_usleep(20000);
    get(&c, STATUS);
    /* Segments of nothing, headers longer than the packet, contexts that make no sense. */
    put(&c, TDBAL, RING + TX_RING);
    put(&c, TDBAH, 0);
    put(&c, TDLEN, N * 16);
    put(&c, TDH, 0);
    put(&c, TDT, 0);
    c.tail = 0;
    static const struct {
        unsigned head, mss;
    } contexts[] = {{0, 0}, {54, 0}, {0, 1000}, {255, 1}, {54, 1}, {255, 0xffff}, {1, 0xffff}, {20, 40}};
    for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
        add_desc(&c, 0xffffffffffffffffULL, CONTEXT(0xfffff, 7, contexts[i].head, contexts[i].mss));
        add_desc(&c, 0x300000, DATA(0x3000, IC_TSE, 3));
        add_desc(&c, 0x300000, DATA(0x3000, IC_TSE | EOP | RS, 3));
        put(&c, TDT, c.tail);
    }
    get(&c, STATUS);
    stop(&c);
    /* More than a packet can be, which is no TCP; nobody need take it. */
    c = start(0xc0);
    for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
        add_desc(&c, 0xffffffffffffffffULL, CONTEXT(0xfffff, 7, contexts[i].head, contexts[i].mss));
        add_desc(&c, 0x300000, DATA(0xfffff, IC_TSE, 3));
        add_desc(&c, 0x300000, DATA(0xfffff, IC_TSE | EOP | RS, 3));
        put(&c, TDT, c.tail);
    }
    /* What was collected is longer than a segment of the next descriptor's kind, or of the next context, can be. */
    static const unsigned commands[] = {0, IC_TSE};
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        add_desc(&c, 0xffffffffffffffffULL, CONTEXT(0xfffff, 7, 54, 1));
        add_desc(&c, 0x300000, DATA(0xffff, commands[i], 3));
        add_desc(&c, 0xffffffffffffffffULL, CONTEXT(0xfffff, 7, 54, 40000));
        add_desc(&c, 0x300000, DATA(0xfffff, IC_TSE | EOP | RS, 3));
        put(&c, TDT, c.tail);
    }
    get(&c, STATUS);
    stop(&c);
}

static void test_default(void)
{
    /* The machine's own card, its address, its ROM. */
    QTest *q = qtest_start("-machine pc -m 64");
    g_autofree char *info = qtest_hmp(q, "info network");
    g_assert_nonnull(strstr(info, "e1000.0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56"));
    g_assert_cmphex(qtest_pci_read(q, 0, 3 << 3, 0, 4), ==, 0x100e8086);
    qtest_quit(q);
    q = qtest_start("-machine pc -m 64 -net none");
    g_assert_cmphex(qtest_pci_read(q, 0, 3 << 3, 0, 4), ==, 0xffffffff);
    qtest_quit(q);
    /* The other two of its kind. */
    q = qtest_start("-nodefaults -machine pc -m 64 -device e1000-82544gc,addr=4 -device e1000-82545em,addr=5 -device "
                    "e1000-82540em,addr=6");
    static const uint32_t ids[] = {0x100c8086, 0x100f8086, 0x100e8086};
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmphex(qtest_pci_read(q, 0, (4 + i) << 3, 0, 4), ==, ids[i]);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e1000/walk", test_walk);
    g_test_add_func("/e1000/nothing-to-send", test_nothing_to_send);
    g_test_add_func("/e1000/transmit", test_transmit);
    g_test_add_func("/e1000/checksum", test_checksum);
    g_test_add_func("/e1000/large", test_large);
    g_test_add_func("/e1000/receive", test_receive);
    g_test_add_func("/e1000/flow", test_flow);
    g_test_add_func("/e1000/filter", test_filter);
    g_test_add_func("/e1000/loopback", test_loopback);
    g_test_add_func("/e1000/queue-empty", test_queue_empty);
    g_test_add_func("/e1000/interrupts", test_interrupts);
    g_test_add_func("/e1000/link", test_link);
    g_test_add_func("/e1000/eeprom", test_eeprom);
    g_test_add_func("/e1000/hostile", test_hostile);
    g_test_add_func("/e1000/default", test_default);
    return g_test_run();
}
