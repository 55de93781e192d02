/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net from the inside: the device (virtio-net.c), its control queue and filter (virtio-net-ctrl.c). */
#ifndef HW_NET_VIRTIO_NET_H
#define HW_NET_VIRTIO_NET_H

#include "hw/virtio/virtio.h"
#include "net/net.h"

enum { /* features, section 5.1.3 */
       NET_F_CSUM = 0,
       NET_F_GUEST_CSUM = 1,
       NET_F_CTRL_GUEST_OFFLOADS = 2,
       NET_F_MTU = 3,
       NET_F_MAC = 5,
       NET_F_GSO = 6,
       NET_F_GUEST_TSO4 = 7,
       NET_F_GUEST_TSO6 = 8,
       NET_F_GUEST_ECN = 9,
       NET_F_GUEST_UFO = 10,
       NET_F_HOST_TSO4 = 11,
       NET_F_HOST_TSO6 = 12,
       NET_F_HOST_ECN = 13,
       NET_F_HOST_UFO = 14,
       NET_F_MRG_RXBUF = 15,
       NET_F_STATUS = 16,
       NET_F_CTRL_VQ = 17,
       NET_F_CTRL_RX = 18,
       NET_F_CTRL_VLAN = 19,
       NET_F_CTRL_RX_EXTRA = 20,
       NET_F_GUEST_ANNOUNCE = 21,
       NET_F_MQ = 22,
       NET_F_CTRL_MAC_ADDR = 23,
       NET_F_GUEST_USO4 = 54,
       NET_F_GUEST_USO6 = 55,
       NET_F_HOST_USO = 56,
       NET_F_HASH_REPORT = 57,
       NET_F_RSS = 60,
       NET_F_RSC_EXT = 61,
       NET_F_STANDBY = 62,
       NET_F_SPEED_DUPLEX = 63,
};
/* Those that the driver may switch while it runs. */
#define VIRTIO_NET_OFFLOADS                                                                                            \
    (BIT64(NET_F_GUEST_CSUM) | BIT64(NET_F_GUEST_TSO4) | BIT64(NET_F_GUEST_TSO6) | BIT64(NET_F_GUEST_ECN) |            \
     BIT64(NET_F_GUEST_UFO))

enum { NET_S_LINK_UP = 1, NET_S_ANNOUNCE = 2 };
enum { MAC_TABLE = 64, VLANS = 4096, RX_BUFFERS_MAX = 128, QUEUE_SIZE_MIN = 256, SPEED_UNKNOWN = -1 };

typedef struct RxMode {
    bool promisc, all_multi, all_uni, no_multi, no_uni, no_bcast;
} RxMode;

typedef struct VirtioNet VirtioNet;
/* Two queues and the client that they are of. */
typedef struct NetPair {
    VirtioNet *s;
    NetClient nic; /* that of the first pair is the card's */
    VirtQueue *rx, *tx;
    bool tx_stopped; /* the back end takes nothing */
} NetPair;

struct VirtioNet {
    VirtioDevice v;
    /* config */
    NetConf conf;
    uint32_t rsc_interval, tx_timer;
    int32_t tx_burst, speed;
    char *tx_mode, *duplex;
    uint16_t rx_size, tx_size, mtu;
    bool mtu_bypass;
    /* wiring */
    NetPair *pairs; /* [n_pairs], as many as the back end has queues */
    unsigned n_pairs;
    VirtReq *bufs[RX_BUFFERS_MAX]; /* of the packet that is being received */
    unsigned header;               /* bytes before a packet, as negotiated */
    BottomHalf *mac_bh;            /* tells of mac_shown in `info network` */
    uint64_t mac_shown;            /* atomic: a copy of mac */
    /* state: but for status the owner's of the queues */
    uint16_t used_pairs; /* by the driver: the first ones */
    uint8_t mac[NET_MAC_LEN];
    uint16_t status; /* atomic */
    RxMode rx_mode;
    uint32_t n_unicast, n_multicast; /* in macs[], in this order */
    bool unicast_over, multicast_over;
    uint8_t macs[MAC_TABLE][NET_MAC_LEN];
    uint8_t vlans[VLANS / 8];
    uint64_t offloads; /* bits of VIRTIO_NET_OFFLOADS that are on */
    /* between load and post_load */
    uint64_t loaded_offloads;
    uint8_t loaded_vlans[VLANS / 8];
    uint16_t loaded_pairs;
};
#define VIRTIO_NET(d) container_of(d, VirtioNet, v)

static inline NetClient *virtio_net_nic(VirtioNet *s)
{
    return &s->pairs[0].nic;
}
static inline VirtioNet *virtio_net_of(NetClient *nc)
{
    return container_of(nc, NetPair, nic)->s;
}
void virtio_net_set_mac(VirtioNet *s, const uint8_t *mac);
void virtio_net_use_pairs(VirtioNet *s, unsigned n);
void virtio_net_apply_offloads(VirtioNet *s, uint64_t offloads);
void virtio_net_handle_ctrl(VirtioDevice *v, VirtQueue *q);
bool virtio_net_wants(const VirtioNet *s, const NetPacket *p); /* the receive filter */
Json *virtio_net_rx_filter(NetClient *nc);
extern const VmState virtio_net_vmstate;
bool virtio_net_post_load(VirtioDevice *v, Error **errp);

#endif
