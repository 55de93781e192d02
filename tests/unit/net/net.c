/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net/net.c, hub.c, offload.c: order and flow of packets between clients that play along or not, and sums beside a slow
 * one. */
#include "net/internal.h"

#include "hw/core/clock.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

/* A client that notes what it gets, answers in the middle of it, or takes nothing. */
typedef struct Player {
    NetClient nc;
    bool takes, answers;
    unsigned got, told;
    GByteArray *seen; /* the first byte of each packet */
    size_t last;
} Player;
#define PLAYER(c) container_of(c, Player, nc)

static bool can_receive(NetClient *nc)
{
    return PLAYER(nc)->takes;
}

static bool receive(NetClient *nc, const NetPacket *p)
{
    Player *s = PLAYER(nc);
    uint8_t b;
    if (!s->takes)
        return false;
    iov_to_buf(p->iov, p->n, 0, &b, 1);
    g_byte_array_append(s->seen, &b, 1);
    s->last = p->size;
    s->got++;
    if (s->answers && b < 100) {
        uint8_t answer[60] = {(uint8_t)(b + 100)};
        net_send_buf(nc, answer, sizeof(answer));
    }
    return true;
}

static void writable(NetClient *nc)
{
    PLAYER(nc)->told++;
}

static const NetOps ops = {.type = "player", .can_receive = can_receive, .receive = receive, .writable = writable};

static Player *player(const char *name)
{
    Player *s = g_new0(Player, 1);
    s->takes = true;
    s->seen = g_byte_array_new();
    net_init(&s->nc, &ops, name);
    return s;
}

static void gone(Player *s)
{
    net_fini(&s->nc);
    g_byte_array_unref(s->seen);
    g_free(s);
}

static bool say(Player *s, uint8_t b)
{
    uint8_t f[60] = {b};
    return net_send_buf(&s->nc, f, sizeof(f));
}

static void test_pair(void)
{
    Player *a = player("a"), *b = player("b");
    g_assert_true(say(a, 1)); /* into nothing */
    net_connect(&a->nc, &b->nc);
    g_assert_true(say(a, 2));
    b->takes = false;
    g_assert_false(net_can_send(&a->nc));
    g_assert_false(say(a, 3));
    g_assert_false(say(a, 4));
    g_assert_cmpuint(a->told, ==, 0);
    b->takes = true;
    g_assert_false(say(a, 5)); /* behind those that wait */
    net_ready(&b->nc);
    g_assert_cmpmem(b->seen->data, b->seen->len, "\2\3\4\5", 4);
    g_assert_cmpuint(a->told, ==, 1);
    g_assert_true(net_can_send(&a->nc));
    /* No more than a bound waits. */
    b->takes = false;
    for (unsigned i = 0; i < NET_QUEUE_MAX + 10; i++)
        g_assert_false(say(a, 6));
    b->takes = true;
    net_ready(&b->nc);
    g_assert_cmpuint(b->got, ==, 4 + NET_QUEUE_MAX);
    /* A link that is down loses; who waited goes on. */
    b->takes = false;
    g_assert_false(say(a, 7));
    net_set_link(&b->nc, false);
    g_assert_cmpuint(a->told, ==, 3);
    b->takes = true;
    g_assert_true(say(a, 8));
    net_set_link(&b->nc, true);
    net_ready(&b->nc);
    g_assert_cmpuint(b->got, ==, 4 + NET_QUEUE_MAX);
    /* A peer that goes. */
    b->takes = false;
    g_assert_false(say(a, 9));
    gone(b);
    g_assert_cmpuint(a->told, ==, 4);
    g_assert_true(say(a, 10));
    gone(a);
}

/* An answer out of receive() comes when the sender is done, and in order. */
static void test_answer(void)
{
    Player *a = player("a"), *b = player("b");
    b->answers = true;
    net_connect(&a->nc, &b->nc);
    for (uint8_t i = 1; i < 5; i++)
        say(a, i);
    g_assert_cmpmem(a->seen->data, a->seen->len, "\145\146\147\150", 4);
    gone(a);
    gone(b);
}

static NetClient *port(const char *name, Player *p)
{
    extern const NetdevDesc netdev_hubport;
    g_autoptr(Json) opts = json_object();
    json_set_int(opts, "hubid", 7);
    if (p)
        json_set_str(opts, "netdev", p->nc.name);
    Error *err = NULL;
    NetClient *nc = netdev_new(&netdev_hubport, name, opts, &err);
    g_assert_null(err);
    return nc;
}

static void test_hub(void)
{
    Player *a = player("a"), *b = player("b"), *c = player("c");
    NetClient *pa = port("pa", a), *pb = port("pb", b);
    b->answers = true;
    g_assert_true(say(a, 1));
    g_assert_cmpmem(b->seen->data, b->seen->len, "\1", 1);
    g_assert_cmpmem(a->seen->data, a->seen->len, "\145", 1); /* the answer was not forgotten */
    g_assert_true(say(a, 2));
    g_assert_cmpuint(a->got, ==, 2);
    /* It stops, and goes on. */
    b->takes = false;
    say(a, 3);
    g_assert_false(say(a, 4));
    b->takes = true;
    net_ready(&b->nc);
    g_assert_cmpmem(b->seen->data, b->seen->len, "\1\2\3\4", 4);
    g_assert_cmpuint(a->told, >, 0);
    g_assert_true(say(a, 5));
    /* One of three that takes nothing does not hold up the others. */
    NetClient *pc = port("pc", c);
    c->takes = false;
    for (uint8_t i = 10; i < 20; i++)
        say(a, i);
    g_assert_cmpuint(b->got, ==, 15);
    c->takes = true;
    net_ready(&c->nc);
    g_assert_cmpuint(c->got, ==, 20); /* b's answers, too */
    gone(a);
    netdev_delete(pb);
    netdev_delete(pa);
    gone(b);
    gone(c);
    netdev_delete(pc);
}

static uint32_t slow_sum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i & 1 ? (uint32_t)p[i] << 8 : p[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void test_sum(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autofree uint8_t *buf = g_malloc(70000);
    for (unsigned i = 0; i < 2000; i++) {
        size_t n = (size_t)g_rand_int_range(rand, 0, i < 20 ? 65000 : 300);
        for (size_t k = 0; k < n; k++)
            buf[k] = i % 7 ? (uint8_t)g_rand_int(rand) : 0xff;
        g_assert_cmphex(net_fold(net_sum(buf, n, 0)), ==, (uint16_t)~slow_sum(buf, n));
    }
}

typedef struct Pieces {
    unsigned n;
    size_t payload, max;
} Pieces;

static void piece(void *opaque, const uint8_t *buf, size_t len)
{
    Pieces *p = opaque;
    NetHeaders h;
    g_assert_true(net_parse(buf, len, &h) && h.tcp);
    g_assert_cmpuint(len - h.payload, <=, p->max);
    p->payload += len - h.payload;
    p->n++;
}

/* Whatever the bytes are, nothing is read or written outside, and no payload is lost. */
static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    unsigned segmented = 0;
    for (unsigned i = 0; i < 20000; i++) {
        size_t n = (size_t)g_rand_int_range(rand, 1, 400);
        g_autofree uint8_t *buf = g_malloc(n);
        for (size_t k = 0; k < n; k++)
            buf[k] = (uint8_t)g_rand_int(rand);
        if (n > 60 && i % 4) {
            bool v6 = i % 4 == 2;
            stw_be(buf + 12, v6 ? 0x86dd : 0x0800);
            buf[14] = v6 ? 0x60 : (uint8_t)(0x40 | g_rand_int_range(rand, 4, 16));
            buf[v6 ? 20 : 23] = (uint8_t)(i % 3 ? 6 : g_rand_int(rand));
            stw_be(buf + 20, v6 ? lduw_be(buf + 20) : 0);
        }
        NetOffload off = {.flags = NET_NEEDS_CSUM,
                          .gso_type = 1,
                          .gso_size = (uint16_t)g_rand_int_range(rand, 0, 300),
                          .csum_start = (uint16_t)g_rand_int_range(rand, 0, 500),
                          .csum_offset = (uint16_t)g_rand_int(rand)};
        Pieces p = {0, 0, off.gso_size};
        NetHeaders h;
        if (net_segment(buf, n, &off, piece, &p)) {
            g_assert_true(net_parse(buf, n, &h));
            g_assert_cmpuint(p.payload, ==, n - h.payload);
            segmented++;
        }
        off.csum_offset %= 40;
        bool inside = off.csum_start < n && off.csum_start + off.csum_offset + 2U <= n;
        g_assert_cmpint(net_csum_finish(buf, n, &off), ==, inside);
    }
    g_assert_cmpuint(segmented, >, 500);
}

/* What a peer does not take comes to it done. */
static void test_software(void)
{
    Player *a = player("a"), *b = player("b");
    uint8_t f[1054] = {2};
    net_connect(&a->nc, &b->nc);
    stw_be(f + 12, 0x0800);
    f[14] = 0x45;
    f[23] = 6;
    f[46] = 0x50;
    struct iovec iov[2] = {{f, 50}, {f + 50, sizeof(f) - 50}};
    NetPacket p = {
        iov,
        2,
        sizeof(f),
        {.flags = NET_NEEDS_CSUM, .gso_type = NET_GSO_TCPV4, .gso_size = 300, .csum_start = 34, .csum_offset = 16}};
    net_send(&a->nc, &p);
    g_assert_cmpuint(b->got, ==, 4);
    g_assert_cmpuint(b->last, ==, 54 + 100);
    b->nc.takes = NET_TAKES_TSO4;
    net_send(&a->nc, &p);
    g_assert_cmpuint(b->got, ==, 5);
    g_assert_cmpuint(b->last, ==, sizeof(f));
    b->nc.takes = 0;
    b->takes = false; /* all pieces wait */
    g_assert_false(net_send(&a->nc, &p));
    b->takes = true;
    net_ready(&b->nc);
    g_assert_cmpuint(b->got, ==, 9);
    gone(a);
    gone(b);
}

/* What a large packet was split into becomes that packet again; what is not next in the stream stays apart. */
static NetMerger *merger;

static void merge_piece(void *opaque, const uint8_t *buf, size_t len)
{
    uint8_t *copy = g_memdup2(buf, len);
    if (!--*(int *)opaque)
        stl_be(copy + 42, 7); /* another acknowledgement */
    net_merger_send(merger, copy, len);
    g_free(copy);
}

static NetOffload merged_off;
static GByteArray *merged;

static bool receive_merged(NetClient *nc, const NetPacket *p)
{
    if (PLAYER(nc)->got++)
        return true;
    merged_off = p->off;
    g_byte_array_set_size(merged, (guint)p->size);
    iov_to_buf(p->iov, p->n, 0, merged->data, p->size);
    return true;
}

static unsigned merge(Player *b, const uint8_t *f, size_t len, const NetOffload *off, int other)
{
    b->got = 0;
    net_merger_begin(merger);
    g_assert_true(net_segment(f, len, off, merge_piece, &other));
    net_merger_end(merger);
    g_assert_cmpuint(merger->len, ==, 0);
    return b->got;
}

/* The end of a burst within another sends nothing, and what comes behind it is merged with what came before. */
static void test_nested(Player *b, const uint8_t *f, const NetOffload *off)
{
    const size_t half = 5 * 1460;
    g_autofree uint8_t *copy = g_memdup2(f, 54 + 2 * half);
    int none = -1;
    copy[47] = 0x10; /* no PSH */
    b->got = 0;
    net_merger_begin(merger);
    for (unsigned i = 0; i < 2; i++) {
        net_merger_begin(merger);
        g_assert_true(net_segment(copy, 54 + half, off, merge_piece, &none));
        net_merger_end(merger);
        g_assert_cmpuint(b->got, ==, 0);
        g_assert_cmpuint(merger->len, ==, 54 + (i + 1) * half);
        memmove(copy + 54, f + 54 + half, half);
        stl_be(copy + 38, 0xfffffff0 + (uint32_t)half);
        stw_be(copy + 18, 3); /* 0xfffe and 5 more */
    }
    net_merger_end(merger);
    g_assert_cmpuint(b->got, ==, 1);
    g_assert_cmpmem(merged->data + 54, merged->len - 54, f + 54, 2 * half);
}

static void test_merge(void)
{
    static const NetOps merging = {.type = "player", .receive = receive_merged};
    Player *a = player("a"), *b = player("b");
    uint8_t f[20054] = {2};
    b->nc.ops = &merging;
    net_connect(&a->nc, &b->nc);
    merged = g_byte_array_new();
    merger = g_new0(NetMerger, 1);
    merger->from = &a->nc;
    stw_be(f + 12, 0x0800);
    f[14] = 0x45;
    stw_be(f + 16, sizeof(f) - 14);
    stw_be(f + 18, 0xfffe); /* the identification goes round */
    f[22] = 64;
    f[23] = 6;
    memcpy(f + 26, "\12\0\2\2\12\0\2\17", 8);
    uint16_t sum = net_fold(net_sum(f + 14, 20, 0));
    memcpy(f + 24, &sum, 2);
    stl_be(f + 38, 0xfffffff0); /* so does the sequence number */
    f[46] = 0x50;
    f[47] = 0x18;
    for (size_t i = 54; i < sizeof(f); i++)
        f[i] = (uint8_t)(i * 7 + i / 251);
    NetOffload off = {.flags = NET_NEEDS_CSUM,
                      .gso_type = NET_GSO_TCPV4,
                      .hdr_len = 54,
                      .gso_size = 1460,
                      .csum_start = 34,
                      .csum_offset = 16};
    const unsigned all = (sizeof(f) - 54 + 1459) / 1460;
    g_assert_cmpuint(merge(b, f, sizeof(f), &off, -1), ==, all); /* it takes none */
    b->nc.takes = NET_TAKES_CSUM | NET_TAKES_TSO4;
    g_assert_cmpuint(merge(b, f, sizeof(f), &off, -1), ==, 1);
    g_assert_cmpmem(&merged_off, sizeof(off), &off, sizeof(off));
    /* The sum is that of the pseudo header: finished, each is right. */
    g_assert_true(net_csum_finish(merged->data, merged->len, &merged_off));
    uint8_t pseudo[4] = {0, 6, (sizeof(f) - 34) >> 8, (sizeof(f) - 34) & 0xff};
    uint32_t whole = net_sum(pseudo, 4, net_sum(merged->data + 26, 8, 0));
    g_assert_cmpuint(net_fold(net_sum(merged->data + 34, merged->len - 34, whole)), ==, 0);
    memset(merged->data + 50, 0, 2);
    g_assert_cmpmem(merged->data, merged->len, f, sizeof(f));
    g_assert_cmpuint(merge(b, f, sizeof(f), &off, 3), ==, 3); /* before, the third, behind */
    test_nested(b, f, &off);
    f[46] = 0x60; /* options */
    g_assert_cmpuint(merge(b, f, sizeof(f), &off, -1), ==, (sizeof(f) - 58 + 1459) / 1460);
    gone(a);
    gone(b);
    g_clear_pointer(&merger, g_free);
    g_byte_array_unref(merged);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    g_test_add_func("/net/pair", test_pair);
    g_test_add_func("/net/answer", test_answer);
    g_test_add_func("/net/hub", test_hub);
    g_test_add_func("/net/sum", test_sum);
    g_test_add_func("/net/random", test_random);
    g_test_add_func("/net/software", test_software);
    g_test_add_func("/net/merge", test_merge);
    return g_test_run();
}
