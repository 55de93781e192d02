/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net: the control queue (section 5.1.6.5), the receive filter that it sets, and the state in a stream.
 *
 * A command: { 0 class, 1 command }, its data; the answer is one byte, 0: done. The queue is served where the others
 * are, so that what a command changes is its thread's alone; who else asks has the card stop (net_hold()).
 */
#include "hw/net/virtio-net.h"

enum { CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_ANNOUNCE = 3, CLASS_MQ = 4, CLASS_OFFLOADS = 5 };
enum { RX_PROMISC, RX_ALL_MULTI, RX_ALL_UNI, RX_NO_MULTI, RX_NO_UNI, RX_NO_BCAST, RX_MODES };
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1, VLAN_ADD = 0, VLAN_DEL = 1, COMMAND_HEADER = 2 };
enum { MQ_PAIRS_SET = 0 }; /* 1 and 2: RSS and hash reports, which are not offered */
enum { ETH_TYPE = 12, ETH_VLAN = 0x8100 };

/* What is left of a command's bytes. */
typedef struct Cursor {
    const VirtReq *r;
    uint64_t off;
} Cursor;

static bool take(Cursor *c, void *out, size_t len)
{
    if (c->r->out_len - c->off < len)
        return false;
    iov_to_buf(c->r->out, (int)c->r->n_out, c->off, out, len);
    c->off += len;
    return true;
}

/* ---- commands ---- */

static bool set_mode(VirtioNet *s, uint8_t cmd, Cursor *c)
{
    bool *const modes[RX_MODES] = {&s->rx_mode.promisc,  &s->rx_mode.all_multi, &s->rx_mode.all_uni,
                                   &s->rx_mode.no_multi, &s->rx_mode.no_uni,    &s->rx_mode.no_bcast};
    uint8_t on;
    if (cmd >= RX_MODES || !virtio_has(&s->v, cmd > RX_ALL_MULTI ? NET_F_CTRL_RX_EXTRA : NET_F_CTRL_RX) ||
        !take(c, &on, 1))
        return false;
    *modes[cmd] = on;
    net_rx_filter_changed(virtio_net_nic(s));
    return true;
}

/* { number (4), addresses }. What does not fit into the table opens the filter. */
static bool take_table(Cursor *c, uint8_t (*to)[NET_MAC_LEN], unsigned room, uint32_t *n, bool *over)
{
    uint8_t raw[4];
    if (!take(c, raw, 4))
        return false;
    uint32_t count = ldl_le(raw);
    if (count > (c->r->out_len - c->off) / NET_MAC_LEN)
        return false;
    *over = count > room;
    *n = *over ? 0 : count;
    if (*over)
        c->off += (uint64_t)count * NET_MAC_LEN;
    else
        take(c, to, (size_t)count * NET_MAC_LEN);
    return true;
}

static bool set_table(VirtioNet *s, Cursor *c)
{
    uint8_t macs[MAC_TABLE][NET_MAC_LEN] = {{0}};
    uint32_t uni, multi;
    bool uni_over, multi_over;
    if (!take_table(c, macs, MAC_TABLE, &uni, &uni_over) ||
        !take_table(c, macs + uni, MAC_TABLE - uni, &multi, &multi_over) || c->off != c->r->out_len)
        return false;
    s->n_unicast = uni;
    s->n_multicast = multi;
    s->unicast_over = uni_over;
    s->multicast_over = multi_over;
    memcpy(s->macs, macs, sizeof(macs));
    return true;
}

static bool set_mac(VirtioNet *s, uint8_t cmd, Cursor *c)
{
    uint8_t mac[NET_MAC_LEN];
    bool ok;
    if (cmd == MAC_ADDR_SET && virtio_has(&s->v, NET_F_CTRL_MAC_ADDR)) {
        ok = c->r->out_len - c->off == NET_MAC_LEN && take(c, mac, NET_MAC_LEN);
        if (ok)
            virtio_net_set_mac(s, mac);
    } else {
        ok = cmd == MAC_TABLE_SET && virtio_has(&s->v, NET_F_CTRL_RX) && set_table(s, c);
    }
    if (ok)
        net_rx_filter_changed(virtio_net_nic(s));
    return ok;
}

static bool set_vlan(VirtioNet *s, uint8_t cmd, Cursor *c)
{
    uint8_t raw[2];
    if (!virtio_has(&s->v, NET_F_CTRL_VLAN) || cmd > VLAN_DEL || !take(c, raw, 2) || lduw_le(raw) >= VLANS)
        return false;
    unsigned vid = lduw_le(raw);
    if (cmd == VLAN_ADD)
        s->vlans[vid / 8] |= (uint8_t)(1U << vid % 8);
    else
        s->vlans[vid / 8] &= (uint8_t) ~(1U << vid % 8);
    net_rx_filter_changed(virtio_net_nic(s));
    return true;
}

static bool announced(VirtioNet *s, uint8_t cmd)
{
    return !cmd && __atomic_fetch_and(&s->status, (uint16_t)~NET_S_ANNOUNCE, __ATOMIC_RELAXED) & NET_S_ANNOUNCE;
}

static bool set_offloads(VirtioNet *s, uint8_t cmd, Cursor *c)
{
    uint8_t raw[8];
    if (cmd || !virtio_has(&s->v, NET_F_CTRL_GUEST_OFFLOADS) || !take(c, raw, 8) ||
        ldq_le(raw) & ~(s->v.guest_features & VIRTIO_NET_OFFLOADS))
        return false;
    virtio_net_apply_offloads(s, ldq_le(raw));
    return true;
}

static bool set_pairs(VirtioNet *s, uint8_t cmd, Cursor *c)
{
    uint8_t raw[2];
    if (cmd != MQ_PAIRS_SET || !virtio_has(&s->v, NET_F_MQ) || !take(c, raw, 2) || !lduw_le(raw) ||
        lduw_le(raw) > s->n_pairs)
        return false;
    virtio_net_use_pairs(s, lduw_le(raw));
    return true;
}

static bool command(VirtioNet *s, const VirtReq *r)
{
    uint8_t head[COMMAND_HEADER];
    Cursor c = {r, 0};
    if (!take(&c, head, COMMAND_HEADER))
        return false;
    switch (head[0]) {
    case CLASS_RX:
        return set_mode(s, head[1], &c);
    case CLASS_MAC:
        return set_mac(s, head[1], &c);
    case CLASS_VLAN:
        return set_vlan(s, head[1], &c);
    case CLASS_ANNOUNCE:
        return announced(s, head[1]);
    case CLASS_OFFLOADS:
        return set_offloads(s, head[1], &c);
    case CLASS_MQ:
        return set_pairs(s, head[1], &c);
    default:
        return false;
    }
}

void virtio_net_handle_ctrl(VirtioDevice *v, VirtQueue *q)
{
    VirtioNet *s = VIRTIO_NET(v);
    for (unsigned i = 0; i < virtq_size(q); i++) { /* others get their turn */
        VirtReq *r = virtq_pop(q, sizeof(VirtReq));
        if (!r)
            return;
        if (r->out_len < COMMAND_HEADER || !r->in_len) {
            virtio_error(v, "a control command of %" PRIu64 " bytes, with %" PRIu64 " for the answer", r->out_len,
                         r->in_len);
            virtq_drop(r);
            return;
        }
        uint8_t status = !command(s, r);
        iov_from_buf(r->in, (int)r->n_in, 0, &status, 1);
        virtq_push(r, 1);
        virtq_notify(q);
    }
    virtq_kick_again(q);
}

/* ---- the filter ---- */

static bool in_table(const VirtioNet *s, uint32_t from, uint32_t n, const uint8_t *mac)
{
    for (uint32_t i = from; i < from + n; i++)
        if (!memcmp(s->macs[i], mac, NET_MAC_LEN))
            return true;
    return false;
}

bool virtio_net_wants(const VirtioNet *s, const NetPacket *p)
{
    static const uint8_t bcast[NET_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t head[ETH_TYPE + 4] = {0};
    const RxMode *m = &s->rx_mode;
    if (m->promisc)
        return true;
    if (iov_to_buf(p->iov, p->n, 0, head, sizeof(head)) < ETH_TYPE + 2)
        return false;
    if (lduw_be(head + ETH_TYPE) == ETH_VLAN) {
        unsigned vid = lduw_be(head + ETH_TYPE + 2) & (VLANS - 1);
        if (!(s->vlans[vid / 8] & 1U << vid % 8))
            return false;
    }
    if (!memcmp(head, bcast, NET_MAC_LEN))
        return !m->no_bcast;
    if (head[0] & 1)
        return !m->no_multi && (m->all_multi || s->multicast_over || in_table(s, s->n_unicast, s->n_multicast, head));
    return !m->no_uni &&
           (m->all_uni || s->unicast_over || !memcmp(head, s->mac, NET_MAC_LEN) || in_table(s, 0, s->n_unicast, head));
}

static const char *state_name(bool none, bool all)
{
    return none ? "none" : all ? "all" : "normal";
}

static Json *mac_list(const VirtioNet *s, uint32_t from, uint32_t n)
{
    Json *list = json_array();
    for (uint32_t i = from; i < from + n; i++) {
        g_autofree char *text = net_mac_text(s->macs[i]);
        json_append(list, json_string(text));
    }
    return list;
}

Json *virtio_net_rx_filter(NetClient *nc)
{
    const VirtioNet *s = virtio_net_of(nc);
    const RxMode *m = &s->rx_mode;
    Json *v = json_object(), *vlans = json_array();
    g_autofree char *mac = net_mac_text(s->mac);
    for (unsigned i = 0; i < VLANS; i++)
        if (virtio_has(&s->v, NET_F_CTRL_VLAN) && s->vlans[i / 8] & 1U << i % 8)
            json_append(vlans, json_int(i));
    json_set_bool(v, "promiscuous", m->promisc);
    json_set_str(v, "multicast", state_name(m->no_multi, m->all_multi));
    json_set_str(v, "unicast", state_name(m->no_uni, m->all_uni));
    json_set_str(v, "vlan", virtio_has(&s->v, NET_F_CTRL_VLAN) ? "normal" : "all");
    json_set_bool(v, "broadcast-allowed", !m->no_bcast);
    json_set_bool(v, "multicast-overflow", s->multicast_over);
    json_set_bool(v, "unicast-overflow", s->unicast_over);
    json_set_str(v, "main-mac", mac);
    json_set(v, "vlan-table", vlans);
    json_set(v, "unicast-table", mac_list(s, 0, s->n_unicast));
    json_set(v, "multicast-table", mac_list(s, s->n_unicast, s->n_multicast));
    return v;
}

/* ---- the stream: as QEMU writes it; the transmit queue never has anything in flight ---- */

static void put_state(VmWriter *w, const void *field, const VmField *f)
{
    const VirtioNet *s = field;
    const RxMode *m = &s->rx_mode;
    uint32_t n = s->n_unicast + s->n_multicast;
    vm_put(w, s->mac, NET_MAC_LEN);
    vm_put_be(w, 0, 4);
    vm_put_be(w, virtio_has(&s->v, NET_F_MRG_RXBUF), 4);
    vm_put_be(w, s->status, 2);
    vm_put_be(w, m->promisc, 1);
    vm_put_be(w, m->all_multi, 1);
    vm_put_be(w, n, 4);
    vm_put(w, s->macs, (size_t)n * NET_MAC_LEN);
    vm_put(w, s->vlans, sizeof(s->vlans));
    vm_put_be(w, 0, 4); /* headers between the device and its back end: a matter of properties in QEMU */
    const bool flags[] = {s->multicast_over, s->unicast_over, m->all_uni, m->no_multi, m->no_uni, m->no_bcast, false};
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        vm_put_be(w, flags[i], 1);
    if (s->n_pairs > 1) {
        vm_put_be(w, s->n_pairs, 2);
        vm_put_be(w, s->used_pairs, 2);
    }
    if (virtio_has(&s->v, NET_F_CTRL_GUEST_OFFLOADS))
        vm_put_be(w, s->offloads, 8);
}

static bool get_state(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioNet *s = field;
    RxMode *m = &s->rx_mode;
    uint64_t waiting, mergeable, status, promisc, all_multi, n, header, flag[7], offloads = 0, pairs = 1,
                                                                                 used_pairs = 1;
    if (!vm_get(r, s->mac, NET_MAC_LEN, errp) || !vm_get_be(r, &waiting, 4, errp) ||
        !vm_get_be(r, &mergeable, 4, errp) || !vm_get_be(r, &status, 2, errp) || !vm_get_be(r, &promisc, 1, errp) ||
        !vm_get_be(r, &all_multi, 1, errp) || !vm_get_be(r, &n, 4, errp))
        return false;
    memset(s->macs, 0, sizeof(s->macs));
    bool over = n > MAC_TABLE; /* of a version with a larger table */
    if (over && (n > vm_reader_left(r) / NET_MAC_LEN))
        return error_set(errp, "a table of %u MAC addresses", (unsigned)n);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t mac[NET_MAC_LEN];
        if (!vm_get(r, over ? mac : s->macs[i], NET_MAC_LEN, errp))
            return false;
    }
    if (!vm_get(r, s->vlans, sizeof(s->vlans), errp) || !vm_get_be(r, &header, 4, errp))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(flag); i++)
        if (!vm_get_be(r, &flag[i], 1, errp))
            return false;
    if (s->n_pairs > 1 && (!vm_get_be(r, &pairs, 2, errp) || !vm_get_be(r, &used_pairs, 2, errp)))
        return false;
    if (pairs != s->n_pairs || !used_pairs || used_pairs > pairs)
        return error_set(errp, "%u of %u pairs of queues, here are %u", (unsigned)used_pairs, (unsigned)pairs,
                         s->n_pairs);
    if (virtio_has(&s->v, NET_F_CTRL_GUEST_OFFLOADS)) {
        if (!vm_get_be(r, &offloads, 8, errp))
            return false;
        if (offloads & ~VIRTIO_NET_OFFLOADS)
            return error_set(errp, "guest offloads 0x%" PRIx64, offloads);
    } else {
        offloads = s->v.guest_features & VIRTIO_NET_OFFLOADS;
    }
    s->status = (uint16_t)status & (NET_S_LINK_UP | NET_S_ANNOUNCE);
    *m = (RxMode){promisc, all_multi, flag[2], flag[3], flag[4], flag[5]};
    s->multicast_over = flag[0] || over;
    s->unicast_over = flag[1] || over;
    uint32_t used = over ? 0 : (uint32_t)n;
    for (s->n_unicast = 0; s->n_unicast < used && !(s->macs[s->n_unicast][0] & 1);)
        s->n_unicast++;
    s->n_multicast = used - s->n_unicast;
    s->loaded_pairs = (uint16_t)used_pairs;
    s->loaded_offloads = offloads;
    memcpy(s->loaded_vlans, s->vlans, sizeof(s->vlans));
    return true;
}

const VmState virtio_net_vmstate = {
    .name = "virtio-net-device",
    .version = 11,
    .min_version = 11,
    .fields = (const VmField[]){{.name = "net", .kind = VM_CUSTOM, .put = put_state, .get = get_state}, {}},
};

/* features_set() has put in place what a driver begins with. */
bool virtio_net_post_load(VirtioDevice *v, Error **errp)
{
    VirtioNet *s = VIRTIO_NET(v);
    memcpy(s->vlans, s->loaded_vlans, sizeof(s->vlans));
    virtio_net_apply_offloads(s, s->loaded_offloads);
    virtio_net_use_pairs(s, s->loaded_pairs);
    virtio_net_set_mac(s, s->mac);
    for (unsigned i = 0; i < s->n_pairs; i++)
        s->pairs[i].nic.link_down = !(s->status & NET_S_LINK_UP);
    return true;
}
