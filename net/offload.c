/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checksums and segmentation in software, for peers that cannot, and segments merged for those that can. Packets come
 * from guests and foreign hosts: every offset is checked against the packet. RFC 791, 8200, 9293, 1071; VLAN tags of
 * IEEE 802.1Q are looked through.
 */
#include "net/net.h"

enum { ETH_HEADER = 14, ETH_TYPE = 12, ETH_IP4 = 0x0800, ETH_IP6 = 0x86dd, ETH_VLAN = 0x8100, ETH_QINQ = 0x88a8 };
enum { PROTO_HOP = 0, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_OPTIONS = 60 };
enum { IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_ACK = 0x10, TCP_CWR = 0x80, TCP_CHECK = 16 };
enum { IP_TOTAL_MAX = 65535, IP4_DF = 0x4000 };
enum { EXTENSIONS_MAX = 8 };

static void parse_l4(const uint8_t *buf, size_t len, unsigned proto, size_t at, NetHeaders *h)
{
    size_t min = proto == PROTO_TCP ? TCP_HEADER : proto == PROTO_UDP ? UDP_HEADER : 0;
    if (!min || h->fragment || at + min > len)
        return;
    size_t size = proto == PROTO_TCP ? (size_t)(buf[at + 12] >> 4) * 4 : UDP_HEADER;
    if (size < min || at + size > len)
        return;
    h->tcp = proto == PROTO_TCP;
    h->udp = proto == PROTO_UDP;
    h->l4 = (uint16_t)at;
    h->payload = (uint16_t)(at + size);
}

static bool parse_ip4(const uint8_t *buf, size_t len, NetHeaders *h)
{
    const uint8_t *ip = buf + h->l3;
    if (h->l3 + (size_t)IP4_HEADER > len || ip[0] >> 4 != 4)
        return false;
    size_t size = (ip[0] & 15) * 4U;
    if (size < IP4_HEADER || h->l3 + size > len)
        return false;
    h->ip4 = true;
    h->fragment = lduw_be(ip + 6) & 0x3fff;
    parse_l4(buf, len, ip[9], h->l3 + size, h);
    return true;
}

static bool parse_ip6(const uint8_t *buf, size_t len, NetHeaders *h)
{
    const uint8_t *ip = buf + h->l3;
    if (h->l3 + (size_t)IP6_HEADER > len || ip[0] >> 4 != 6)
        return false;
    unsigned next = ip[6];
    size_t at = h->l3 + (size_t)IP6_HEADER;
    h->ip6 = true;
    for (unsigned i = 0; i < EXTENSIONS_MAX && at + 8 <= len; i++) {
        if (next == PROTO_FRAGMENT)
            h->fragment = true;
        else if (next != PROTO_HOP && next != PROTO_ROUTING && next != PROTO_OPTIONS)
            break;
        size_t size = next == PROTO_FRAGMENT ? 8 : 8 + 8U * buf[at + 1];
        next = buf[at];
        at += size;
    }
    parse_l4(buf, len, next, at, h);
    return true;
}

bool net_parse(const uint8_t *buf, size_t len, NetHeaders *h)
{
    *h = (NetHeaders){0};
    size_t at = ETH_TYPE;
    for (unsigned tags = 0; tags < 3 && at + 2 <= len; tags++, at += 4) {
        unsigned type = lduw_be(buf + at);
        if (type == ETH_VLAN || type == ETH_QINQ)
            continue;
        h->l3 = (uint16_t)(at + 2);
        return type == ETH_IP4 ? parse_ip4(buf, len, h) : type == ETH_IP6 && parse_ip6(buf, len, h);
    }
    return false;
}

uint32_t net_sum(const void *buf, size_t len, uint32_t sum)
{
    const uint8_t *p = buf;
    uint64_t acc = sum;
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t w;
        memcpy(&w, p, 4);
        acc += w;
    }
    if (len) {
        uint8_t last[4] = {0};
        uint32_t w;
        memcpy(last, p, len);
        memcpy(&w, last, 4);
        acc += w;
    }
    acc = (acc & UINT32_MAX) + (acc >> 32);
    acc = (acc & UINT32_MAX) + (acc >> 32);
    acc = (acc & 0xffff) + (acc >> 16);
    return (uint32_t)acc;
}

uint16_t net_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

bool net_csum_finish(uint8_t *buf, size_t len, const NetOffload *off)
{
    size_t start = off->csum_start, at = start + off->csum_offset;
    if (start >= len || at + 2 > len)
        return false;
    uint16_t sum = net_fold(net_sum(buf + start, len - start, 0));
    if (!sum)
        sum = 0xffff; /* UDP's 0 is "none"; the same number to all others */
    memcpy(buf + at, &sum, 2);
    return true;
}

/* Of source, destination, protocol and length. */
static uint32_t pseudo_sum(const uint8_t *ip, bool v6, size_t l4_len)
{
    uint8_t tail[4];
    stw_be(tail, PROTO_TCP);
    stw_be(tail + 2, (uint16_t)l4_len);
    uint32_t sum = net_sum(tail, 4, 0);
    return v6 ? net_sum(ip + 8, 32, sum) : net_sum(ip + 12, 8, sum);
}

typedef struct Segmenter {
    const NetHeaders *h;
    size_t total; /* payload */
    uint32_t seq;
    uint16_t id;
    uint8_t flags;
} Segmenter;

/* One piece is in buf, its payload at off in the whole: make its headers right. */
static void finish_segment(const Segmenter *s, uint8_t *buf, size_t off, size_t n, unsigned index)
{
    const NetHeaders *h = s->h;
    uint8_t *ip = buf + h->l3, *tcp = buf + h->l4;
    size_t l4_len = h->payload - h->l4 + n;
    uint16_t sum;
    if (h->ip4) {
        stw_be(ip + 2, (uint16_t)(h->payload - h->l3 + n));
        stw_be(ip + 4, (uint16_t)(s->id + index));
        stw_le(ip + 10, 0);
        sum = net_fold(net_sum(ip, h->l4 - h->l3, 0));
        memcpy(ip + 10, &sum, 2);
    } else {
        stw_be(ip + 4, (uint16_t)(h->payload - h->l3 - IP6_HEADER + n));
    }
    stl_be(tcp + 4, s->seq + (uint32_t)off);
    tcp[13] = s->flags;
    if (off + n < s->total)
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (off)
        tcp[13] &= (uint8_t)~TCP_CWR;
    stw_le(tcp + 16, 0);
    sum = net_fold(net_sum(tcp, l4_len, pseudo_sum(ip, h->ip6, l4_len)));
    memcpy(tcp + 16, &sum, 2);
}

bool net_segment(const uint8_t *buf, size_t len, const NetOffload *off,
                 void (*fn)(void *opaque, const uint8_t *buf, size_t len), void *opaque)
{
    NetHeaders h;
    size_t size = off->gso_size;
    if (size < NET_SEGMENT_MIN || !net_parse(buf, len, &h) || !h.tcp)
        return false;
    Segmenter s = {&h, len - h.payload, ldl_be(buf + h.l4 + 4), lduw_be(buf + h.l3 + 4), buf[h.l4 + 13]};
    size = MIN(size, UINT16_MAX - (size_t)h.payload);
    g_autofree uint8_t *piece = g_malloc(h.payload + size);
    size_t at = 0;
    unsigned index = 0;
    do {
        size_t n = MIN(size, s.total - at);
        memcpy(piece, buf, h.payload);
        memcpy(piece + h.payload, buf + h.payload + at, n);
        finish_segment(&s, piece, at, n, index++);
        fn(opaque, piece, h.payload + n);
        at += n;
    } while (at < s.total);
    return true;
}

/* ---- merging ---- */

/* A plain data segment, no options, no padding behind it. */
static bool mergeable(const uint8_t *buf, size_t len, NetHeaders *h)
{
    if (len <= ETH_HEADER || len > ETH_HEADER + IP_TOTAL_MAX || !net_parse(buf, len, h) || !h->tcp ||
        h->l3 != ETH_HEADER || h->payload - h->l4 != TCP_HEADER || len <= h->payload)
        return false;
    const uint8_t *ip = buf + h->l3, *tcp = buf + h->l4;
    size_t head = h->ip4 ? IP4_HEADER : IP6_HEADER, said = h->ip4 ? lduw_be(ip + 2) : IP6_HEADER + lduw_be(ip + 4);
    return h->l4 - h->l3 == (ptrdiff_t)head && said == len - h->l3 && (tcp[13] & ~TCP_PSH) == TCP_ACK;
}

/* Of the same stream, direction and state as what is held, and next in it. */
static bool follows(const NetMerger *m, const uint8_t *buf, size_t len, const NetHeaders *h)
{
    const uint8_t *ip = buf + h->l3, *tcp = buf + h->l4, *our_ip = m->buf + h->l3, *our_tcp = m->buf + h->l4;
    size_t n = len - h->payload;
    if (h->ip4 != m->h.ip4 || memcmp(buf, m->buf, ETH_HEADER))
        return false;
    /* All but lengths, sums, flags PSH and IPv4's identification, which goes up by one. */
    bool same = h->ip4 ? !memcmp(ip, our_ip, 2) && !memcmp(ip + 6, our_ip + 6, 4) && !memcmp(ip + 12, our_ip + 12, 8) &&
                             (lduw_be(ip + 4) == (uint16_t)(lduw_be(our_ip + 4) + m->n) || lduw_be(ip + 6) & IP4_DF)
                       : !memcmp(ip, our_ip, 4) && !memcmp(ip + 6, our_ip + 6, 34);
    return same && !memcmp(tcp, our_tcp, 4) && !memcmp(tcp + 8, our_tcp + 8, 5) && !memcmp(tcp + 14, our_tcp + 14, 2) &&
           ldl_be(tcp + 4) == m->seq && n <= m->mss && m->len + n - ETH_HEADER <= IP_TOTAL_MAX;
}

static void merger_flush(NetMerger *m)
{
    if (!m->len)
        return;
    struct iovec iov = {m->buf, m->len};
    NetPacket p = {&iov, 1, m->len, {0}};
    if (m->n > 1) {
        const NetHeaders *h = &m->h;
        uint8_t *ip = m->buf + h->l3;
        uint16_t sum;
        if (h->ip4) {
            stw_be(ip + 2, (uint16_t)(m->len - h->l3));
            stw_le(ip + 10, 0);
            sum = net_fold(net_sum(ip, IP4_HEADER, 0));
            memcpy(ip + 10, &sum, 2);
        } else {
            stw_be(ip + 4, (uint16_t)(m->len - h->l3 - IP6_HEADER));
        }
        sum = (uint16_t)~net_fold(pseudo_sum(ip, h->ip6, m->len - h->l4));
        memcpy(m->buf + h->l4 + TCP_CHECK, &sum, 2);
        p.off = (NetOffload){.flags = NET_NEEDS_CSUM,
                             .gso_type = h->ip4 ? NET_GSO_TCPV4 : NET_GSO_TCPV6,
                             .hdr_len = h->payload,
                             .gso_size = (uint16_t)m->mss,
                             .csum_start = h->l4,
                             .csum_offset = TCP_CHECK};
    }
    m->len = 0;
    m->busy = true;
    net_send(m->from, &p);
    m->busy = false;
}

/* Those who look at the packets in between see them as they came. */
static bool may_merge(const NetMerger *m, bool ip6)
{
    const NetClient *peer = m->from->peer;
    unsigned need = NET_TAKES_CSUM | (ip6 ? NET_TAKES_TSO6 : NET_TAKES_TSO4);
    return peer && (peer->takes & need) == need && !m->from->filters && !peer->filters;
}

void net_merger_send(NetMerger *m, const void *data, size_t len)
{
    const uint8_t *buf = data;
    NetHeaders h;
    if (!m->bursts || m->busy || !mergeable(buf, len, &h) || !may_merge(m, h.ip6)) {
        if (!m->busy)
            merger_flush(m);
        net_send_buf(m->from, buf, len);
        return;
    }
    size_t n = len - h.payload;
    bool last = buf[h.l4 + 13] & TCP_PSH;
    if (m->len && follows(m, buf, len, &h)) {
        memcpy(m->buf + m->len, buf + h.payload, n);
        m->buf[h.l4 + 13] |= buf[h.l4 + 13];
        m->len += n;
        m->n++;
        last |= n < m->mss;
    } else {
        merger_flush(m);
        memcpy(m->buf, buf, len);
        m->h = h;
        m->len = len;
        m->mss = n;
        m->n = 1;
        last |= n < NET_SEGMENT_MIN;
    }
    m->seq = ldl_be(buf + h.l4 + 4) + (uint32_t)n;
    if (last)
        merger_flush(m);
}

void net_merger_begin(NetMerger *m)
{
    m->bursts++;
}

void net_merger_end(NetMerger *m)
{
    if (!--m->bursts && !m->busy)
        merger_flush(m);
}
