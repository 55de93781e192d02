/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: the rings of descriptors (Intel 8254x manual, sections 3.2 and 3.3), 16 bytes each, little endian:
 *
 *     receive   0 address, 8 length, 10 checksum, 12 status, 13 errors, 14 VLAN tag
 *     transmit  0 address, 8 length (16), 10 checksum offset, 11 command, 12 status, 13 checksum start, 14 VLAN tag
 *     data      0 address, 8 length (20; 16 count), type (4), command (8), 12 status, 13 options, 14 VLAN tag
 *     context   0 { IP start, offset, end (2) }, 4 { TCP ... }, 8 payload (20), type (4), command (8), 13 header, 14
 * MSS
 *
 * A large TCP segment is collected whole and goes to net.c as one, which splits it where the back end does not take it.
 */
#include "hw/net/e1000.h"

enum { CMD_EOP = 1, CMD_IC_TSE = 4, CMD_RS = 8, CMD_RPS = 0x10, CMD_DEXT = 0x20, CMD_VLE = 0x40 };
enum { TUCMD_TCP = 1, TUCMD_IP = 2, TUCMD_TSE = 4 };
enum { SUM_IP = 1, SUM_L4 = 2 };
enum { RX_DD = 1, RX_EOP = 2, RX_IXSM = 4, RX_VP = 8, RX_TCPCS = 0x20, RX_IPCS = 0x40 };
enum { VLAN_TAG = 4, ETH_ADDRS = 12, FRAME_MIN = 60, FRAME_MAX = 1522, FRAME_LARGE = 16384, RXCSUM_TUOFL = 0x200 };
/* A burst ends with a descriptor: 256 frames, or what costs about as much. A ring without any is gone round in one. */
enum { TX_LIMIT = UINT16_MAX, TX_BURST = 256, TX_BYTES = 16384 };

static const uint8_t bcast[NET_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- statistics ---- */

static void count(E1000 *s, unsigned reg, uint32_t n)
{
    s->mac[reg] += MIN(n, UINT32_MAX - s->mac[reg]);
}

/* A counter of two registers. */
static void count_bytes(E1000 *s, unsigned low, uint64_t n)
{
    uint64_t sum = s->mac[low] | (uint64_t)s->mac[low + 1] << 32;
    sum = sum + n < sum ? UINT64_MAX : sum + n;
    s->mac[low] = (uint32_t)sum;
    s->mac[low + 1] = (uint32_t)(sum >> 32);
}

/* n frames of a size. */
static void count_size(E1000 *s, unsigned first, size_t size, uint32_t n)
{
    static const uint16_t to[] = {64, 127, 255, 511, 1023, 1522};
    if (size < to[0])
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(to); i++) {
        if (size <= to[i]) {
            count(s, first + i, n);
            return;
        }
    }
}

/* ---- transmit ---- */

static void insert_sum(E1000 *s, unsigned start, unsigned at, unsigned end)
{
    unsigned size = s->tx.size;
    end = end && end < size ? end + 1 : size;
    if (start >= end || at + 2 > size)
        return;
    uint16_t sum = net_fold(net_sum(s->tx.data + start, end - start, 0));
    if (!sum && at >= start)
        sum = 0xffff;
    memcpy(s->tx.data + at, &sum, 2);
}

/* Whether what is sent comes back in. */
static bool loops_back(const E1000 *s)
{
    return (s->mac[RCTL] & RCTL_LBM) == RCTL_LBM || s->phy[PHY_CTRL] & PHY_LOOPBACK;
}

/* A frame or a large segment, with its VLAN tag. */
static void send_out(E1000 *s, const NetOffload *off)
{
    uint8_t tag[VLAN_TAG];
    struct iovec iov[3] = {{s->tx.data, s->tx.size}};
    NetPacket p = {iov, 1, s->tx.size, *off};
    s->tx_burst += 1 + s->tx.size / TX_BYTES;
    if (s->tx.vlan && s->tx.size >= ETH_ADDRS) {
        stw_be(tag, (uint16_t)s->mac[VET]);
        stw_be(tag + 2, s->tx.tag);
        iov[0].iov_len = ETH_ADDRS;
        iov[1] = (struct iovec){tag, VLAN_TAG};
        iov[2] = (struct iovec){s->tx.data + ETH_ADDRS, s->tx.size - ETH_ADDRS};
        p.n = 3;
        p.size += VLAN_TAG;
        p.off.csum_start += VLAN_TAG;
        p.off.hdr_len += VLAN_TAG;
    }
    if (loops_back(s)) {
        e1000_receive(&s->nic, &p);
        return;
    }
    s->tx_burst += net_pieces(&s->nic, &p);
    if (!net_send(&s->nic, &p))
        s->tx_stopped = true;
}

/* n frames of that size, which begin as what was collected. */
static void count_sent(E1000 *s, size_t size, uint32_t n)
{
    count(s, TPT, n);
    count(s, GPTC, n);
    count_bytes(s, TOTL, (uint64_t)n * (size + CRC));
    count_bytes(s, GOTCL, (uint64_t)n * (size + CRC));
    count_size(s, PTC64, size + CRC, n);
    if (!memcmp(s->tx.data, bcast, NET_MAC_LEN))
        count(s, BPTC, n);
    else if (s->tx.data[0] & 1)
        count(s, MPTC, n);
}

static void send_frame(E1000 *s)
{
    const TxContext *c = s->tx.large ? &s->large_ctx : &s->ctx;
    NetOffload none = {0};
    if (s->tx.sum & SUM_L4)
        insert_sum(s, c->tucss, c->tucso, c->tucse);
    if (s->tx.sum & SUM_IP)
        insert_sum(s, c->ipcss, c->ipcso, c->ipcse);
    count_sent(s, s->tx.size, 1);
    send_out(s, &none);
}

/* Lengths, sums and flags of a large segment's header, so that it is right as a whole. */
static bool prepare_large(E1000 *s, const TxContext *c, NetHeaders *h, bool last)
{
    uint8_t *buf = s->tx.data;
    if (!net_parse(buf, s->tx.size, h) || !h->tcp || h->payload > c->hdr_len)
        return false;
    uint8_t *ip = buf + h->l3, *tcp = buf + h->l4;
    size_t l4_len = s->tx.size - h->l4;
    uint8_t tail[4];
    uint16_t sum;
    stw_be(tail, 6); /* TCP */
    stw_be(tail + 2, (uint16_t)l4_len);
    if (h->ip4) {
        stw_be(ip + 2, (uint16_t)(s->tx.size - h->l3));
        stw_le(ip + 10, 0);
        sum = net_fold(net_sum(ip, h->l4 - h->l3, 0));
        memcpy(ip + 10, &sum, 2);
        sum = (uint16_t)~net_fold(net_sum(ip + 12, 8, net_sum(tail, 4, 0)));
    } else {
        stw_be(ip + 4, (uint16_t)(s->tx.size - h->l3 - 40));
        sum = (uint16_t)~net_fold(net_sum(ip + 8, 32, net_sum(tail, 4, 0)));
    }
    memcpy(tcp + 16, &sum, 2);
    if (!last)
        tcp[13] &= (uint8_t) ~(1 | 8); /* FIN, PSH */
    return true;
}

/* What was collected of a large segment; there is more to come unless last. */
static void send_large(E1000 *s, bool last)
{
    const TxContext *c = &s->large_ctx;
    size_t head = c->hdr_len, n = s->tx.size - head;
    NetHeaders h;
    if (!prepare_large(s, c, &h, last) || !n) { /* no TCP: frames as long as they can be */
        send_frame(s);
        s->tx.size = (uint16_t)head;
        memcpy(s->tx.data, s->tx.header, head);
        return;
    }
    NetOffload off = {.flags = NET_NEEDS_CSUM,
                      .gso_type = h.ip4 ? NET_GSO_TCPV4 : NET_GSO_TCPV6,
                      .hdr_len = h.payload,
                      .gso_size = c->mss,
                      .csum_start = h.l4,
                      .csum_offset = 16};
    uint32_t full = (uint32_t)(n / c->mss), rest = (uint32_t)(n % c->mss), pieces = full + (rest != 0);
    if (full)
        count_sent(s, head + c->mss, full);
    if (rest)
        count_sent(s, head + rest, 1);
    if (pieces == 1) {
        off.gso_type = NET_GSO_NONE;
        off.gso_size = 0;
    }
    send_out(s, &off);
    s->tx.frames = (uint16_t)(s->tx.frames + pieces);
    if (last)
        return;
    /* The header goes on: sequence number and IP's identification; CWR was for the first piece. */
    uint8_t *t = s->tx.header;
    stl_be(t + h.l4 + 4, ldl_be(t + h.l4 + 4) + (uint32_t)n);
    t[h.l4 + 13] &= 0x7f;
    if (h.ip4)
        stw_be(t + h.l3 + 4, (uint16_t)(lduw_be(t + h.l3 + 4) + pieces));
    memcpy(s->tx.data, t, head);
    s->tx.size = (uint16_t)head;
}

/* Bytes of guest memory to the packet's end. */
static void collect(E1000 *s, uint64_t addr, uint32_t len)
{
    const TxContext *c = &s->large_ctx;
    uint32_t limit = TX_LIMIT;
    bool large = s->tx.large && c->mss && c->hdr_len && c->hdr_len + c->mss < TX_LIMIT;
    if (large)
        limit = c->hdr_len + (TX_LIMIT - c->hdr_len) / c->mss * c->mss;
    while (len) {
        /* More than the limit: collected as something else, or for another context. */
        uint32_t n = s->tx.size < limit ? MIN(len, limit - s->tx.size) : 0;
        bool head = large && s->tx.size < c->hdr_len;
        if (head)
            n = MIN(n, (uint32_t)c->hdr_len - s->tx.size);
        if (!n) {
            if (!large)
                return; /* more than a packet can be: cut off */
            send_large(s, false);
            continue;
        }
        if (pci_dma_read(&s->pci, addr, s->tx.data + s->tx.size, n) != MEM_OK)
            memset(s->tx.data + s->tx.size, 0, n);
        s->tx.size = (uint16_t)(s->tx.size + n);
        if (head && s->tx.size == c->hdr_len)
            memcpy(s->tx.header, s->tx.data, c->hdr_len);
        addr += n;
        len -= n;
    }
}

static void end_packet(E1000 *s)
{
    const TxContext *c = &s->large_ctx;
    if (s->tx.size >= ETH_ADDRS + 2) {
        if (s->tx.large && c->mss && c->hdr_len && s->tx.size > c->hdr_len)
            send_large(s, true);
        else
            send_frame(s);
    }
    s->tx.size = s->tx.frames = 0;
    s->tx.sum = 0;
    s->tx.large = s->tx.vlan = false;
}

static void take_context(E1000 *s, const uint8_t *d)
{
    TxContext c = {.ipcss = d[0],
                   .ipcso = d[1],
                   .ipcse = lduw_le(d + 2),
                   .tucss = d[4],
                   .tucso = d[5],
                   .tucse = lduw_le(d + 6),
                   .paylen = ldl_le(d + 8) & 0xfffff,
                   .hdr_len = d[13],
                   .mss = lduw_le(d + 14),
                   .ip = !!(d[11] & TUCMD_IP),
                   .tcp = d[11] & TUCMD_TCP};
    if (d[11] & TUCMD_TSE) {
        s->large_ctx = c;
        s->mig_large = true;
        s->tx.frames = 0;
    } else {
        s->ctx = c;
        s->mig_large = false;
    }
}

static void process(E1000 *s, const uint8_t *d)
{
    uint8_t cmd = d[11];
    uint64_t addr = ldq_le(d);
    uint32_t len = lduw_le(d + 8);
    if (cmd & CMD_DEXT) {
        if (!((ldl_le(d + 8) >> 20) & 15)) {
            take_context(s, d);
            return;
        }
        if (!s->tx.size)
            s->tx.sum = d[13] & (SUM_IP | SUM_L4);
        s->tx.large = cmd & CMD_IC_TSE;
    } else {
        s->tx.large = false;
    }
    if (cmd & CMD_VLE && s->mac[CTRL] & CTRL_VME && (cmd & CMD_EOP || !(cmd & CMD_DEXT))) {
        s->tx.vlan = true;
        s->tx.tag = lduw_le(d + 14);
    }
    collect(s, addr, len);
    if (!(cmd & CMD_EOP))
        return;
    if (!(cmd & CMD_DEXT) && cmd & CMD_IC_TSE)
        insert_sum(s, d[13], d[10], 0);
    end_packet(s);
}

void e1000_start_tx(E1000 *s)
{
    uint32_t start = s->mac[TDH], causes = 0;
    bool more = false;
    if (!(s->mac[TCTL] & TCTL_EN) || s->tx_running || (s->tx_stopped && !net_can_send(&s->nic)))
        return;
    s->tx_stopped = false;
    s->tx_running = true;
    s->tx_burst = 0;
    uint64_t base = s->mac[TDBAL] & ~0xfULL;
    base |= (uint64_t)s->mac[TDBAH] << 32;
    while (s->mac[TDH] != s->mac[TDT] && s->tx_left && !more) {
        uint8_t d[DESC];
        uint64_t at = base + (uint64_t)s->mac[TDH] * DESC;
        if (pci_dma_read(&s->pci, at, d, DESC) != MEM_OK)
            memset(d, 0, DESC);
        process(s, d);
        if (d[11] & (CMD_RS | CMD_RPS)) {
            d[12] |= RX_DD;
            pci_dma_write(&s->pci, at + 12, d + 12, 4);
            causes |= INT_TXDW;
        }
        if (++s->mac[TDH] * DESC >= s->mac[TDLEN])
            s->mac[TDH] = 0;
        /* Once round: the tail is nowhere in the ring. */
        if (!--s->tx_left || start >= s->mac[TDLEN] / DESC)
            break;
        more = s->mac[TDH] != s->mac[TDT] && (s->tx_stopped || s->tx_burst >= TX_BURST);
    }
    s->tx_running = false;
    if (more && !s->tx_stopped)
        bh_schedule(s->tx_bh);                         /* others get their turn */
    e1000_cause(s, more ? causes : causes | INT_TXQE); /* the queue is empty also where it was */
}

/* ---- receive ---- */

static unsigned crc_len(const E1000 *s)
{
    return s->mac[RCTL] & RCTL_SECRC ? 0 : CRC;
}

static uint32_t ring_size(const E1000 *s)
{
    return s->mac[RDLEN] / DESC;
}

/* Descriptors that the driver has given. */
static uint32_t free_descs(const E1000 *s)
{
    uint32_t head = s->mac[RDH], tail = s->mac[RDT], n = ring_size(s);
    if (head >= n || tail >= n)
        return head < n ? n - head : 0; /* nonsense: up to the ring's end */
    return tail >= head ? tail - head : tail + n - head;
}

bool e1000_can_receive(NetClient *nc)
{
    E1000 *s = container_of(nc, E1000, nic);
    return !(s->mac[STATUS] & STATUS_LU) || !(s->mac[RCTL] & RCTL_EN) || free_descs(s);
}

void e1000_rctl_changed(E1000 *s)
{
    unsigned shift = s->mac[RCTL] >> 16 & 3;
    s->rx_buf_size = 2048U >> shift;
    if (s->mac[RCTL] & RCTL_BSEX && shift)
        s->rx_buf_size *= 16;
    s->rx_min_shift = (s->mac[RCTL] >> 8 & 3) + 1;
}

static bool in_mta(const E1000 *s, const uint8_t *mac)
{
    static const uint8_t shifts[] = {4, 3, 2, 0};
    unsigned hash = (lduw_le(mac + 4) >> shifts[s->mac[RCTL] >> 12 & 3]) & 0xfff;
    return s->mac[MTA + (hash >> 5)] & BIT32(hash & 31);
}

static bool wanted(const E1000 *s, const uint8_t *head)
{
    uint32_t rctl = s->mac[RCTL];
    if (rctl & RCTL_VFE && lduw_be(head + ETH_ADDRS) == (s->mac[VET] & 0xffff)) {
        unsigned vid = lduw_be(head + ETH_ADDRS + 2) & 0xfff;
        if (!(s->mac[VFTA + (vid >> 5)] & BIT32(vid & 31)))
            return false;
    }
    bool multi = head[0] & 1, all = !memcmp(head, bcast, NET_MAC_LEN);
    if ((!multi && rctl & RCTL_UPE) || (multi && rctl & RCTL_MPE) || (all && rctl & RCTL_BAM))
        return true;
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = s->mac[RA + 2 * i], high = s->mac[RA + 2 * i + 1];
        if (high & BIT32(31) && ldl_le(head) == low && lduw_le(head + 4) == (high & 0xffff))
            return true;
    }
    return multi && in_mta(s, head);
}

static void count_received(E1000 *s, const uint8_t *head, size_t size)
{
    count(s, TPR, 1);
    count(s, GPRC, 1);
    count_bytes(s, TORL, size + CRC);
    count_bytes(s, GORCL, size + CRC);
    count_size(s, PRC64, size + CRC, 1);
    if (!memcmp(head, bcast, NET_MAC_LEN))
        count(s, BPRC, 1);
    else if (head[0] & 1)
        count(s, MPRC, 1);
}

/* What the status says of a packet whose sums nobody has to look at. */
static uint8_t sum_status(const E1000 *s, const uint8_t *buf, size_t len)
{
    NetHeaders h;
    if (!s->nic.peer || !s->nic.peer->checked || !(s->mac[RXCSUM] & RXCSUM_TUOFL) || loops_back(s) ||
        !net_parse(buf, len, &h) || !(h.tcp || h.udp))
        return RX_IXSM;
    return RX_TCPCS | (h.ip4 ? RX_IPCS : 0);
}

/* buf: the whole frame with room for the CRC behind it. */
static void fill(E1000 *s, const uint8_t *buf, size_t total, uint8_t status, uint16_t tag)
{
    uint64_t base = s->mac[RDBAL] & ~0xfULL;
    base |= (uint64_t)s->mac[RDBAH] << 32;
    for (size_t off = 0; off < total;) {
        uint8_t d[DESC];
        uint64_t at = base + (uint64_t)s->mac[RDH] * DESC;
        size_t n = MIN(total - off, s->rx_buf_size);
        bool last = off + n == total;
        if (pci_dma_read(&s->pci, at, d, DESC) != MEM_OK)
            memset(d, 0, DESC);
        if (ldq_le(d))
            pci_dma_write(&s->pci, ldq_le(d), buf + off, n);
        stw_le(d + 8, (uint16_t)n);
        stw_le(d + 10, 0);
        d[12] = RX_DD | (last ? RX_EOP | status : 0);
        d[13] = 0;
        stw_le(d + 14, last ? tag : 0);
        /* The status last: with it the driver looks. */
        pci_dma_write(&s->pci, at + 8, d + 8, 4);
        pci_dma_write(&s->pci, at + 12, d + 12, 4);
        if (++s->mac[RDH] * DESC >= s->mac[RDLEN])
            s->mac[RDH] = 0;
        off += n;
    }
}

bool e1000_receive(NetClient *nc, const NetPacket *p)
{
    E1000 *s = container_of(nc, E1000, nic);
    uint8_t buf[FRAME_LARGE + CRC + VLAN_TAG];
    uint16_t tag = 0;
    if (!(s->mac[STATUS] & STATUS_LU) || !(s->mac[RCTL] & RCTL_EN) || !pci_bus_master(&s->pci))
        return true;
    size_t size = p->size;
    if (size > FRAME_LARGE || (size > FRAME_MAX && !(s->mac[RCTL] & (RCTL_LPE | RCTL_SBP)))) {
        count(s, ROC, 1);
        return true;
    }
    iov_to_buf(p->iov, p->n, 0, buf, size);
    if (size < FRAME_MIN) {
        memset(buf + size, 0, FRAME_MIN - size);
        size = FRAME_MIN;
    }
    if (!wanted(s, buf))
        return true;
    size_t wire = size;
    uint8_t status = sum_status(s, buf, size);
    if (s->mac[CTRL] & CTRL_VME && lduw_be(buf + ETH_ADDRS) == (s->mac[VET] & 0xffff)) {
        tag = lduw_be(buf + ETH_ADDRS + 2);
        status |= RX_VP;
        size -= VLAN_TAG;
        memmove(buf + ETH_ADDRS, buf + ETH_ADDRS + VLAN_TAG, size - ETH_ADDRS);
    }
    size_t total = size + crc_len(s), needs = (total + s->rx_buf_size - 1) / s->rx_buf_size;
    if (needs > free_descs(s)) {
        if (needs < ring_size(s) && !loops_back(s))
            return false; /* until the driver gives more */
        count(s, MPC, 1);
        count(s, RNBC, 1);
        e1000_cause(s, INT_RXO);
        return true;
    }
    memset(buf + size, 0, crc_len(s)); /* nobody looks at it */
    fill(s, buf, total, status, tag);
    count_received(s, buf, wire);
    uint32_t causes = INT_RXT0;
    if (free_descs(s) * DESC <= s->mac[RDLEN] >> s->rx_min_shift)
        causes |= INT_RXDMT0;
    e1000_cause(s, causes);
    return true;
}
