/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net: a network card (virtio 1.2, section 5.1): pairs of queues, one for each queue of the back end, and the
 * control queue, which is behind those that the driver knows of: the first pair, and with MQ all.
 *
 * A packet in a queue is a header (see H_*; 12 bytes with mergeable buffers or virtio 1.0, else 10) and the frame. The
 * header's checksum and segmentation work goes through to a back end that takes it; net.c does it for one that does
 * not, so that the features are offered whatever the back end is.
 *
 * With a back end that can move (NetOps.set_context) all of the card's queues, the control queue too, are at home in
 * the I/O thread that network cards share, and while the card is started the back end belongs to that thread as well: a
 * packet goes from the doorbell or the back end's descriptor to the other side without the VM lock. With another back
 * end, or none, the home is the main loop. What the thread does not own: v->status, v->config and the like (virtio.h),
 * `status`, which is atomic, and what `info network` shows, which a bottom half writes.
 *
 * Not there: UDP fragmentation and segmentation, RSS, hash reports, failover.
 */
#include "hw/virtio/pci.h"

#include "hw/net/virtio-net.h"

enum { H_FLAGS = 0, H_GSO = 1, H_HDR_LEN = 2, H_GSO_SIZE = 4, H_CSUM_START = 6, H_CSUM_OFFSET = 8, H_BUFFERS = 10 };
enum { HEADER = 12, HEADER_OLD = 10 };
enum { C_MAC = 0, C_STATUS = 6, C_PAIRS = 8, C_MTU = 10, C_SPEED = 12, C_DUPLEX = 16 };
enum { C_SIZE_STATUS = 8, C_SIZE_PAIRS = 10, C_SIZE_MTU = 12, C_SIZE_SPEED = 17 };
enum { CTRL_QUEUE_SIZE = 64, TX_BURST_MIN = 1, PIECES_A_PACKET = 8, PAIRS_MAX = (VIRTIO_QUEUES_MAX - 1) / 2 };

/* ---- features ---- */

/* What the driver asks the device to take from others as it is. */
static unsigned takes_of(uint64_t features)
{
    return (features & BIT64(NET_F_GUEST_CSUM) ? NET_TAKES_CSUM : 0) |
           (features & BIT64(NET_F_GUEST_TSO4) ? NET_TAKES_TSO4 : 0) |
           (features & BIT64(NET_F_GUEST_TSO6) ? NET_TAKES_TSO6 : 0) |
           (features & BIT64(NET_F_GUEST_ECN) ? NET_TAKES_ECN : 0);
}

void virtio_net_apply_offloads(VirtioNet *s, uint64_t offloads)
{
    s->offloads = offloads;
    for (unsigned i = 0; i < s->n_pairs; i++) {
        NetClient *nic = &s->pairs[i].nic, *peer = nic->peer;
        nic->takes = takes_of(offloads);
        if (peer && peer->ops->set_offload)
            peer->ops->set_offload(peer, nic->takes);
    }
}

void virtio_net_use_pairs(VirtioNet *s, unsigned n)
{
    s->used_pairs = (uint16_t)n;
    for (unsigned i = 1; i < s->n_pairs; i++) {
        NetClient *nic = &s->pairs[i].nic, *peer = nic->peer;
        if (i >= n)
            net_purge(nic);
        if (peer && peer->ops->enable)
            peer->ops->enable(peer, i < n);
    }
}

static bool get_features(VirtioDevice *v, uint64_t *f, Error **errp)
{
    VirtioNet *s = VIRTIO_NET(v);
    static const struct {
        unsigned bit;
        const char *prop;
    } absent[] = {
        {NET_F_RSS, "rss"}, {NET_F_HASH_REPORT, "hash"}, {NET_F_RSC_EXT, "guest_rsc_ext"}, {NET_F_STANDBY, "failover"}};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        if (*f & BIT64(absent[i].bit))
            return error_set(errp, "%s=on is not supported yet", absent[i].prop);
    *f |= BIT64(NET_F_MAC);
    if (s->mtu)
        *f |= BIT64(NET_F_MTU);
    if (s->speed != SPEED_UNKNOWN || s->duplex)
        *f |= BIT64(NET_F_SPEED_DUPLEX);
    *f &= ~(BIT64(NET_F_GUEST_UFO) | BIT64(NET_F_HOST_UFO) | BIT64(NET_F_GUEST_USO4) | BIT64(NET_F_GUEST_USO6) |
            BIT64(NET_F_HOST_USO));
    /* What needs another (section 5.1.3.1). */
    if (!(*f & BIT64(NET_F_CSUM)))
        *f &= ~(BIT64(NET_F_HOST_TSO4) | BIT64(NET_F_HOST_TSO6) | BIT64(NET_F_HOST_ECN));
    if (!(*f & BIT64(NET_F_GUEST_CSUM)))
        *f &= ~(BIT64(NET_F_GUEST_TSO4) | BIT64(NET_F_GUEST_TSO6) | BIT64(NET_F_GUEST_ECN));
    if (!(*f & BIT64(NET_F_CTRL_VQ)))
        *f &= ~(BIT64(NET_F_CTRL_RX) | BIT64(NET_F_CTRL_VLAN) | BIT64(NET_F_CTRL_RX_EXTRA) | BIT64(NET_F_MQ) |
                BIT64(NET_F_GUEST_ANNOUNCE) | BIT64(NET_F_CTRL_MAC_ADDR) | BIT64(NET_F_CTRL_GUEST_OFFLOADS));
    return true;
}

static void features_set(VirtioDevice *v)
{
    VirtioNet *s = VIRTIO_NET(v);
    bool mergeable = virtio_has(v, NET_F_MRG_RXBUF);
    s->header = mergeable || virtio_has(v, VIRTIO_F_VERSION_1) ? HEADER : HEADER_OLD;
    virtio_net_apply_offloads(s, v->guest_features & VIRTIO_NET_OFFLOADS);
    memset(s->vlans, virtio_has(v, NET_F_CTRL_VLAN) ? 0 : 0xff, sizeof(s->vlans));
}

/* ---- configuration ---- */

static void get_config(VirtioDevice *v, uint8_t *c)
{
    VirtioNet *s = VIRTIO_NET(v);
    uint8_t full[C_SIZE_SPEED] = {0};
    uint64_t mac = __atomic_load_n(&s->mac_shown, __ATOMIC_RELAXED);
    memcpy(full + C_MAC, &mac, NET_MAC_LEN);
    stw_le(full + C_STATUS, __atomic_load_n(&s->status, __ATOMIC_RELAXED));
    stw_le(full + C_PAIRS, (uint16_t)s->n_pairs);
    stw_le(full + C_MTU, s->mtu);
    stl_le(full + C_SPEED, (uint32_t)s->speed);
    full[C_DUPLEX] = s->duplex ? !strcmp(s->duplex, "full") : 0xff;
    memcpy(c, full, MIN(v->config_len, sizeof(full)));
}

static void show_mac(void *opaque)
{
    VirtioNet *s = opaque;
    uint64_t mac = __atomic_load_n(&s->mac_shown, __ATOMIC_RELAXED);
    net_nic_mac_changed(virtio_net_nic(s), (const uint8_t *)&mac);
}

void virtio_net_set_mac(VirtioNet *s, const uint8_t *mac)
{
    uint64_t shown = 0;
    memcpy(&shown, mac, NET_MAC_LEN);
    memmove(s->mac, mac, NET_MAC_LEN);
    __atomic_store_n(&s->mac_shown, shown, __ATOMIC_RELAXED);
    if (!s->mac_bh)
        return;
    if (vm_locked())
        show_mac(s);
    else
        bh_schedule(s->mac_bh);
}

static void take_mac(VirtioDevice *v, void *arg)
{
    virtio_net_set_mac(VIRTIO_NET(v), arg);
}

/* A legacy driver writes its address there. */
static void set_config(VirtioDevice *v, const uint8_t *c)
{
    uint64_t mac = __atomic_load_n(&VIRTIO_NET(v)->mac_shown, __ATOMIC_RELAXED);
    if (!virtio_has(v, NET_F_CTRL_MAC_ADDR) && !virtio_has(v, VIRTIO_F_VERSION_1) && memcmp(c, &mac, NET_MAC_LEN))
        virtio_while_stopped(v, take_mac, (void *)c);
}

/* This and the next are called while the card is held. */
static void link_changed(NetClient *nc)
{
    VirtioNet *s = virtio_net_of(nc);
    uint16_t old = s->status, now = (old & (uint16_t)~NET_S_LINK_UP) | (nc->link_down ? 0 : NET_S_LINK_UP);
    __atomic_store_n(&s->status, now, __ATOMIC_RELAXED);
    if (now != old && s->v.dev.realized)
        virtio_config_changed(&s->v);
}

static bool announce(NetClient *nc)
{
    VirtioNet *s = virtio_net_of(nc);
    if (!virtio_has(&s->v, NET_F_GUEST_ANNOUNCE) || !virtio_has(&s->v, NET_F_CTRL_VQ) || !virtio_driver_ok(&s->v))
        return false;
    __atomic_fetch_or(&s->status, NET_S_ANNOUNCE, __ATOMIC_RELAXED);
    virtio_config_changed(&s->v);
    return true;
}

/* ---- from the network ---- */

static NetPair *pair_of(VirtioNet *s, const VirtQueue *q)
{
    return &s->pairs[virtq_index(q) / 2];
}

/* Buffers for a packet of that many bytes with its headers, in s->bufs. 0: not now. -1: never. */
static int take_buffers(VirtioNet *s, VirtQueue *rx, size_t total)
{
    int max = virtio_has(&s->v, NET_F_MRG_RXBUF) ? RX_BUFFERS_MAX : 1, n = 0;
    size_t have = 0;
    VirtReq *r;
    while (have < total && n < max && (r = virtq_pop(rx, sizeof(VirtReq)))) {
        s->bufs[n++] = r;
        have += r->in_len;
        if (n == 1 && r->in_len < s->header)
            virtio_error(&s->v, "a receive buffer of %" PRIu64 " bytes has no room for a header", r->in_len);
    }
    if (have >= total && virtq_ready(rx))
        return n;
    bool never = n == max || !virtq_ready(rx);
    while (n)
        virtq_unpop(s->bufs[--n]);
    return never ? -1 : 0;
}

/* The driver need tell of buffers only where a packet waits for some: a queue that has too few ends with its
 * notification on and one more look. */
static bool rx_buffers(VirtioNet *s, VirtQueue *rx, size_t total, int *n)
{
    *n = take_buffers(s, rx, total);
    if (!*n) {
        virtq_set_notification(rx, true);
        *n = take_buffers(s, rx, total); /* what came just before */
    }
    if (*n && virtq_notification(rx))
        virtq_set_notification(rx, false);
    return *n;
}

static void make_header(const NetClient *nc, const NetPacket *p, uint8_t *h, int buffers)
{
    const NetOffload *o = &p->off;
    memset(h, 0, HEADER);
    h[H_FLAGS] = o->flags;
    h[H_GSO] = o->gso_type;
    stw_le(h + H_HDR_LEN, o->hdr_len);
    stw_le(h + H_GSO_SIZE, o->gso_size);
    stw_le(h + H_CSUM_START, o->csum_start);
    stw_le(h + H_CSUM_OFFSET, o->csum_offset);
    if (!o->flags && nc->peer && nc->peer->checked)
        h[H_FLAGS] = NET_DATA_VALID;
    if (!(nc->takes & NET_TAKES_CSUM))
        h[H_FLAGS] &= (uint8_t)~NET_DATA_VALID;
    stw_le(h + H_BUFFERS, (uint16_t)buffers);
}

/* Bytes of a packet from *off on into to[], behind its first skip bytes. */
static size_t copy_part(const NetPacket *p, size_t *off, const struct iovec *to, unsigned n, size_t skip)
{
    size_t done = 0;
    for (unsigned i = 0; i < n && *off < p->size; i++) {
        size_t len = to[i].iov_len, at = MIN(skip, len);
        skip -= at;
        len = MIN(len - at, p->size - *off);
        iov_to_buf(p->iov, p->n, *off, (uint8_t *)to[i].iov_base + at, len);
        *off += len;
        done += len;
    }
    return done;
}

static bool net_receive(NetClient *nc, const NetPacket *p)
{
    VirtioNet *s = virtio_net_of(nc);
    VirtQueue *rx = container_of(nc, NetPair, nic)->rx;
    uint8_t h[HEADER];
    size_t off = 0;
    int n;
    if (!virtio_driver_ok(&s->v) || !virtq_ready(rx) || !virtio_net_wants(s, p) ||
        virtq_index(rx) >= 2U * s->used_pairs)
        return true;
    if (!rx_buffers(s, rx, s->header + p->size, &n))
        return false;
    if (n < 0)
        return true;
    make_header(nc, p, h, n);
    for (int i = 0; i < n; i++) {
        VirtReq *r = s->bufs[i];
        size_t head = i ? 0 : s->header;
        if (head)
            iov_from_buf(r->in, (int)r->n_in, 0, h, head);
        size_t len = head + copy_part(p, &off, r->in, r->n_in, head);
        virtq_fill(r, (uint32_t)len, (unsigned)i);
    }
    virtq_flush(rx, (unsigned)n);
    virtq_notify(rx);
    return true;
}

static void handle_rx(VirtioDevice *v, VirtQueue *q)
{
    net_ready(&pair_of(VIRTIO_NET(v), q)->nic);
}

/* ---- to the network ---- */

static bool read_header(VirtioNet *s, const VirtReq *r, NetOffload *o)
{
    uint8_t h[HEADER];
    if (r->out_len < s->header || r->in_len) {
        virtio_error(&s->v, "a packet of %" PRIu64 " bytes to send and %" PRIu64 " to write", r->out_len, r->in_len);
        return false;
    }
    iov_to_buf(r->out, (int)r->n_out, 0, h, s->header);
    *o = (NetOffload){0};
    if (virtio_has(&s->v, NET_F_CSUM))
        *o = (NetOffload){.flags = h[H_FLAGS] & NET_NEEDS_CSUM,
                          .gso_type = h[H_GSO],
                          .hdr_len = lduw_le(h + H_HDR_LEN),
                          .gso_size = lduw_le(h + H_GSO_SIZE),
                          .csum_start = lduw_le(h + H_CSUM_START),
                          .csum_offset = lduw_le(h + H_CSUM_OFFSET)};
    return true;
}

/* Large segments of a type that the driver did not choose are none of this card's. */
static bool may_segment(const VirtioDevice *v, const NetOffload *o)
{
    bool any = virtio_has(v, NET_F_GSO), ecn = o->gso_type & NET_GSO_ECN;
    if (ecn && !any && !virtio_has(v, NET_F_HOST_ECN))
        return false;
    switch (o->gso_type & (uint8_t)~NET_GSO_ECN) {
    case NET_GSO_NONE:
        return !ecn;
    case NET_GSO_TCPV4:
        return any || virtio_has(v, NET_F_HOST_TSO4);
    case NET_GSO_TCPV6:
        return any || virtio_has(v, NET_F_HOST_TSO6);
    default:
        return false;
    }
}

static void handle_tx(VirtioDevice *v, VirtQueue *q)
{
    VirtioNet *s = VIRTIO_NET(v);
    NetPair *pair = pair_of(s, q);
    struct iovec iov[NET_PARTS_MAX];
    int32_t burst = MAX(s->tx_burst, TX_BURST_MIN);
    bool go_on = true;
    if (!virtio_driver_ok(v) && !v->legacy_kicked)
        return;
    if (pair->tx_stopped && !net_can_send(&pair->nic))
        return;
    pair->tx_stopped = false;
    do {
        virtq_set_notification(q, false);
        NetClient *told = net_burst_begin(&pair->nic);
        VirtReq *r;
        while (go_on && burst > 0 && (r = virtq_pop(q, sizeof(VirtReq)))) {
            NetPacket p = {.iov = iov};
            if (!read_header(s, r, &p.off)) {
                virtq_drop(r);
                net_burst_end(&pair->nic, told);
                return;
            }
            p.size = r->out_len - s->header;
            burst--;
            if (p.size && p.size <= NET_PACKET_MAX && may_segment(v, &p.off)) {
                p.n = iov_slice(iov, r->out, (int)r->n_out, s->header, p.size);
                /* 64 KiB in segments of 1448 bytes cost 6 of the burst, in the smallest ones all of it. */
                burst -= (int32_t)(net_pieces(&pair->nic, &p) / PIECES_A_PACKET);
                go_on = net_send(&pair->nic, &p);
            }
            virtq_push(r, 0);
        }
        net_burst_end(&pair->nic, told); /* what it answers comes here, now that the card is not sending */
        virtq_notify(q);
        if (!go_on) {
            pair->tx_stopped = true; /* tx_again() goes on */
            return;
        }
        if (burst <= 0) {
            virtq_kick_again(q);
            return;
        }
        virtq_set_notification(q, true);
    } while (!virtq_empty(q));
}

static void tx_again(NetClient *nc)
{
    NetPair *pair = container_of(nc, NetPair, nic);
    if (pair->tx_stopped && pair->s->v.started) {
        pair->tx_stopped = false;
        virtq_kick_again(pair->tx);
    }
}

/* ---- life ---- */

static void hold(NetClient *nc, bool on)
{
    VirtioDevice *v = &virtio_net_of(nc)->v;
    if (on)
        virtio_stop(v);
    else
        virtio_update_started(v);
}

static const NetOps net_ops = {
    .type = "nic",
    .receive = net_receive,
    .writable = tx_again,
    .link_changed = link_changed,
    .rx_filter = virtio_net_rx_filter,
    .announce = announce,
    .hold = hold,
};

/* At home. What waits for the back end goes on with a kick, which each queue gets; see tx_stopped in handle_tx(). */
static void net_arrived(VirtioDevice *v)
{
    VirtioNet *s = VIRTIO_NET(v);
    net_move(virtio_net_nic(s), virtio_home_context(v));
    for (unsigned i = 0; i < s->n_pairs; i++) {
        if (virtq_ready(s->pairs[i].rx))
            virtq_set_notification(s->pairs[i].rx, true);
        net_ready(&s->pairs[i].nic);
    }
}

/* At home, or under the VM lock where that is the same. */
static void net_stop(VirtioDevice *v)
{
    net_move(virtio_net_nic(VIRTIO_NET(v)), NULL);
}

static void net_reset(VirtioDevice *v)
{
    VirtioNet *s = VIRTIO_NET(v);
    s->rx_mode = (RxMode){.promisc = true};
    s->status &= (uint16_t)~NET_S_ANNOUNCE;
    s->n_unicast = s->n_multicast = 0;
    s->unicast_over = s->multicast_over = false;
    memset(s->macs, 0, sizeof(s->macs));
    memset(s->vlans, 0xff, sizeof(s->vlans));
    s->header = HEADER_OLD;
    virtio_net_set_mac(s, s->conf.mac);
    for (unsigned i = 0; i < s->n_pairs; i++)
        s->pairs[i].tx_stopped = false;
    if (virtio_net_nic(s)->conf) {
        virtio_net_apply_offloads(s, 0);
        virtio_net_use_pairs(s, 1);
        for (unsigned i = 0; i < s->n_pairs; i++)
            net_purge(&s->pairs[i].nic);
    }
}

static bool check_props(VirtioNet *s, Error **errp)
{
    if (s->rx_size < QUEUE_SIZE_MIN || s->rx_size > VIRTIO_QUEUE_SIZE_MAX || s->rx_size & (s->rx_size - 1))
        return error_set(errp, "Invalid rx_queue_size (= %u), must be a power of 2 between %d and %d.", s->rx_size,
                         QUEUE_SIZE_MIN, VIRTIO_QUEUE_SIZE_MAX);
    if (s->tx_size < QUEUE_SIZE_MIN || s->tx_size > VIRTIO_QUEUE_SIZE_MAX || s->tx_size & (s->tx_size - 1))
        return error_set(errp, "Invalid tx_queue_size (= %u), must be a power of 2 between %d and %d", s->tx_size,
                         QUEUE_SIZE_MIN, VIRTIO_QUEUE_SIZE_MAX);
    if (s->duplex && strcmp(s->duplex, "half") && strcmp(s->duplex, "full"))
        return error_set(errp, "'duplex' must be 'half' or 'full'");
    if (s->speed < SPEED_UNKNOWN)
        return error_set(errp, "'speed' must be between 0 and INT_MAX");
    if (s->tx_mode && strcmp(s->tx_mode, "timer") && strcmp(s->tx_mode, "bh"))
        warn_report("virtio-net: Unknown option tx=%s, valid options: \"timer\" \"bh\"", s->tx_mode);
    return true;
}

/* The control queue is behind the pairs that the driver knows of (section 5.1.2). */
static void layout(VirtioDevice *v)
{
    VirtioNet *s = VIRTIO_NET(v);
    unsigned ctrl = 2 * (virtio_has(v, NET_F_MQ) ? s->n_pairs : 1);
    for (unsigned i = 0; i < v->n_queues; i++)
        if (i == ctrl)
            virtio_define_queue(v, i, CTRL_QUEUE_SIZE, virtio_net_handle_ctrl);
        else
            virtio_define_queue(v, i, i > ctrl ? 0 : i & 1 ? s->tx_size : s->rx_size, i & 1 ? handle_tx : handle_rx);
}

static uint16_t config_size(const VirtioNet *s)
{
    if (s->speed != SPEED_UNKNOWN || s->duplex)
        return C_SIZE_SPEED;
    return s->mtu ? C_SIZE_MTU : s->v.features & BIT64(NET_F_MQ) ? C_SIZE_PAIRS : C_SIZE_STATUS;
}

static bool net_realize(Device *dev, Error **errp)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    VirtioNet *s = VIRTIO_NET(v);
    if (!check_props(s, errp))
        return false;
    virtio_set_config_len(v, config_size(s));
    s->n_pairs = s->conf.peer ? net_queues(s->conf.peer) : 1;
    if (s->n_pairs > PAIRS_MAX)
        return error_set(errp, "Invalid number of queue pairs (= %u), must be a positive integer less than %d.",
                         s->n_pairs, PAIRS_MAX + 1);
    s->pairs = g_new0(NetPair, s->n_pairs);
    s->used_pairs = 1;
    for (unsigned i = 0; i < s->n_pairs; i++) {
        s->pairs[i].s = s;
        s->pairs[i].rx = virtio_add_queue(v, s->rx_size, handle_rx);
        s->pairs[i].tx = virtio_add_queue(v, s->tx_size, handle_tx);
    }
    virtio_add_queue(v, CTRL_QUEUE_SIZE, virtio_net_handle_ctrl);
    layout(v);
    if (s->conf.peer && s->conf.peer->ops->set_context && !virtio_set_home(v, NULL, errp))
        return false;
    NetClient *nic = virtio_net_nic(s);
    Device *shown = v->proxy ? v->proxy : dev;
    if (!net_nic_init(nic, &net_ops, &s->conf, shown, shown->desc->name, errp))
        return false;
    for (unsigned i = 1; i < s->n_pairs; i++)
        net_add_queue(nic, &s->pairs[i].nic);
    s->status = nic->link_down ? 0 : NET_S_LINK_UP;
    s->mac_bh = bh_new(show_mac, s);
    virtio_net_set_mac(s, s->conf.mac);
    return true;
}

static void net_unrealize(Device *dev)
{
    VirtioNet *s = VIRTIO_NET(VIRTIO_DEVICE(dev));
    virtio_net_use_pairs(s, 1);
    g_clear_pointer(&s->mac_bh, bh_delete);
    net_nic_fini(virtio_net_nic(s));
}

static void net_finalize(Device *dev)
{
    g_free(VIRTIO_NET(VIRTIO_DEVICE(dev))->pairs);
}

static const VmState net_vmstate = {.name = "virtio-net", .version = 11, .min_version = 11, .fields = virtio_vm_fields};

#define FEATURE(name, bit, def, help) PROP_BIT64(name, VirtioNet, v.features, bit, def, help)
static const Prop net_props[] = {
    FEATURE("csum", NET_F_CSUM, true, "the driver may leave checksums to the device"),
    FEATURE("guest_csum", NET_F_GUEST_CSUM, true, "the device may leave checksums to the driver"),
    FEATURE("gso", NET_F_GSO, true, "old name of both host_tso"),
    FEATURE("guest_tso4", NET_F_GUEST_TSO4, true, "the driver takes large segments over IPv4"),
    FEATURE("guest_tso6", NET_F_GUEST_TSO6, true, "the driver takes large segments over IPv6"),
    FEATURE("guest_ecn", NET_F_GUEST_ECN, true, "the driver takes large segments with ECN"),
    FEATURE("guest_ufo", NET_F_GUEST_UFO, true, "not offered"),
    FEATURE("guest_announce", NET_F_GUEST_ANNOUNCE, true, "the driver can announce its addresses"),
    FEATURE("host_tso4", NET_F_HOST_TSO4, true, "large segments over IPv4"),
    FEATURE("host_tso6", NET_F_HOST_TSO6, true, "large segments over IPv6"),
    FEATURE("host_ecn", NET_F_HOST_ECN, true, "large segments with ECN"),
    FEATURE("host_ufo", NET_F_HOST_UFO, true, "not offered"),
    FEATURE("mrg_rxbuf", NET_F_MRG_RXBUF, true, "a packet may fill several receive buffers"),
    FEATURE("status", NET_F_STATUS, true, "link state"),
    FEATURE("ctrl_vq", NET_F_CTRL_VQ, true, "control queue"),
    FEATURE("ctrl_rx", NET_F_CTRL_RX, true, "receive modes"),
    FEATURE("ctrl_vlan", NET_F_CTRL_VLAN, true, "VLAN filter"),
    FEATURE("ctrl_rx_extra", NET_F_CTRL_RX_EXTRA, true, "further receive modes"),
    FEATURE("ctrl_mac_addr", NET_F_CTRL_MAC_ADDR, true, "MAC address by control queue"),
    FEATURE("ctrl_guest_offloads", NET_F_CTRL_GUEST_OFFLOADS, true, "the guest_ features may be switched"),
    FEATURE("mq", NET_F_MQ, false, "pairs of queues, as many as the back end has"),
    FEATURE("rss", NET_F_RSS, false, "refused"),
    FEATURE("hash", NET_F_HASH_REPORT, false, "refused"),
    FEATURE("guest_rsc_ext", NET_F_RSC_EXT, false, "refused"),
    FEATURE("guest_uso4", NET_F_GUEST_USO4, true, "not offered"),
    FEATURE("guest_uso6", NET_F_GUEST_USO6, true, "not offered"),
    FEATURE("host_uso", NET_F_HOST_USO, true, "not offered"),
    FEATURE("failover", NET_F_STANDBY, false, "refused"),
    PROP_U32("rsc_interval", VirtioNet, rsc_interval, 300000, "not used"),
    NET_CONF_PROPS(VirtioNet, conf),
    PROP_I32("bootindex", VirtioNet, v.dev.bootindex, -1, "place in the boot order"),
    PROP_U32("x-txtimer", VirtioNet, tx_timer, 150000, "not used"),
    PROP_I32("x-txburst", VirtioNet, tx_burst, 256,
             "packets sent before others get their turn; 8 pieces of one that is split here count as one"),
    PROP_STR("tx", VirtioNet, tx_mode, "bh; timer is the same"),
    PROP_U16("rx_queue_size", VirtioNet, rx_size, 256, "descriptors of the receive queue"),
    PROP_U16("tx_queue_size", VirtioNet, tx_size, 256, "descriptors of the transmit queue"),
    PROP_U16("host_mtu", VirtioNet, mtu, 0, "the largest packet that the network takes; 0: not told"),
    PROP_BOOL("x-mtu-bypass-backend", VirtioNet, mtu_bypass, true, "not used"),
    PROP_I32("speed", VirtioNet, speed, SPEED_UNKNOWN, "in Mb/s; -1: not told"),
    PROP_STR("duplex", VirtioNet, duplex, "half or full; not told where not given"),
    {},
};

static const VirtioInfo net_info = {
    .id = VIRTIO_ID_NET,
    .name = "virtio-net",
    .fw_name = "ethernet-phy@0",
    .legacy_features = BIT64(NET_F_GSO),
    .shared_home = IOTHREAD_NET,
    .get_features = get_features,
    .layout = layout,
    .features_set = features_set,
    .get_config = get_config,
    .set_config = set_config,
    .reset = net_reset,
    .arrived = net_arrived,
    .stop = net_stop,
    .vmstate = &virtio_net_vmstate,
    .post_load = virtio_net_post_load,
};

const DeviceDesc virtio_net_device = {
    .name = "virtio-net-device",
    .summary = "virtio network card",
    .bus = BUS_VIRTIO,
    .category = DEV_NETWORK,
    .size = sizeof(VirtioNet),
    .props = net_props,
    .vmstate = &net_vmstate,
    .virtio = &net_info,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .finalize = net_finalize,
};

#define NET_PCI_PROPS VIRTIO_PCI_IOEVENTFD, VIRTIO_PCI_VECTORS(UINT32_MAX),
VIRTIO_PCI_DEVICES(virtio_net, "virtio-net", DEV_NETWORK, "virtio network card by PCI", NET_PCI_PROPS,
                   .class_id = 0x0200, .romfile = "efi-virtio.rom");
