/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks: clients in pairs. A guest's card (NIC) or a back end (user, tap, socket ...) is a NetClient; what one sends
 * its peer receives, whole Ethernet frames without the FCS. A hub's port is a client too.
 *
 * Flow control: net_send() answers whether the sender may go on. Where it may not, the packet waits as a copy, and
 * ops->writable() tells when it may again. A sender that does not care is held to NET_QUEUE_MAX packets; the rest is
 * lost. Nothing is received while the VM is stopped, and by none while it is sending itself.
 *
 * A client may have several queues, each a NetClient of its own behind the first, which is the one in the list: a
 * packet goes to the same queue of the peer. The first has the name, the filters and the link for all of them.
 *
 * Who may touch a pair: its owner, which is the VM lock, or the thread of nc->ctx. A card whose queues are served by an
 * I/O thread takes its peer along (net_move()), if that can: NetOps.set_context. User networks and tap interfaces can;
 * what is one of many (hubs) or bound to the main loop (sockets, character devices behind guestfwd) cannot, and its
 * card stays in the main loop. The way of a packet belongs to the owner: net_send() and all that it calls, net_ready(),
 * net_purge(), and what goes on in NetOps but for those that say otherwise. All the rest wants the VM lock, and where
 * it changes or reads what is the owner's it has the card stop meanwhile: net_hold(). An owner without the VM lock
 * never waits for it.
 *
 * A peer's packets are hostile, whatever end they come from: at most NET_PACKET_MAX bytes, nothing else is sure.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "util/iov.h"
#include "util/json.h"

typedef struct NetClient NetClient;
typedef struct NetConf NetConf;
typedef struct Device Device;

#define NET_PACKET_MAX  (64 * KIB + 4096) /* a whole TCP segment of 64 KiB, and headers */
#define NET_QUEUE_MAX   1024
#define NET_MAC_LEN     6
#define NET_PARTS_MAX   1024 /* of a packet */
#define NET_SEGMENT_MIN 32   /* bytes of payload that a packet is split into at least */

/* What is left to do on a packet, in the terms of virtio 1.2, 5.1.6. All zero: nothing. */
typedef struct NetOffload {
    uint8_t flags;    /* NET_NEEDS_CSUM: the checksum at csum_start + csum_offset covers what is behind csum_start */
    uint8_t gso_type; /* NET_GSO_*: split it into pieces of gso_size bytes of payload */
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
} NetOffload;
enum { NET_NEEDS_CSUM = 1, NET_DATA_VALID = 2 };
enum { NET_GSO_NONE = 0, NET_GSO_TCPV4 = 1, NET_GSO_UDP = 3, NET_GSO_TCPV6 = 4, NET_GSO_ECN = 0x80 };

typedef struct NetPacket {
    const struct iovec *iov;
    int n;
    size_t size; /* bytes in iov */
    NetOffload off;
} NetPacket;

/* What a client's receive() takes as it is; the core does the rest before. NET_GSO_UDP is split by none. */
enum { NET_TAKES_CSUM = 1, NET_TAKES_TSO4 = 2, NET_TAKES_TSO6 = 4, NET_TAKES_ECN = 8, NET_TAKES_UFO = 16 };

typedef struct NetOps {
    const char *type;                   /* in `info network` */
    bool (*can_receive)(NetClient *nc); /* NULL: always */
    /* false: not now; the core keeps it until net_ready(). The packet's memory is the caller's. */
    bool (*receive)(NetClient *nc, const NetPacket *p);
    void (*writable)(NetClient *nc);     /* the peer takes packets again; NULL: never stops anyway */
    void (*link_changed)(NetClient *nc); /* nc->link_down is new */
    void (*cleanup)(NetClient *nc);      /* a back end's: release all but the struct */
    Json *(*rx_filter)(NetClient *nc);   /* query-rx-filter's entry, without "name" */
    bool (*announce)(NetClient *nc);     /* a card's: its guest will tell the network where it is; false: it cannot */
    bool (*set_offload)(NetClient *nc, unsigned takes); /* a back end's: the peer takes these from it now */
    void (*enable)(NetClient *nc, bool on);             /* a back end's further queue, off at first: it is used */
    /* A back end's, which may belong to any thread; NULL: it stays in the main loop. Its sources go to nc->ctx, which
     * is new; in the thread that is left or taken, whose way back or there the holder of the VM lock waits for. */
    void (*set_context)(NetClient *nc);
    /* A back end's; its peer brings several packets at once, what answers them may wait for off; NULL: it does not. */
    void (*burst)(NetClient *nc, bool on);
    void (*hold)(NetClient *nc, bool on); /* a card's that moves: come back to the VM lock; off: go again */
} NetOps;

struct NetClient {
    const NetOps *ops;
    char *name;      /* a back end's id, a card's id or MODEL.N; unique among its kind */
    char *model;     /* a card's */
    char *info;      /* what `info network` shows behind the type */
    NetClient *peer; /* NULL: unplugged */
    NetConf *conf;   /* a card's; NULL: a back end */
    bool is_netdev;  /* made by -netdev, netdev_add, not by -net */
    bool link_down;
    unsigned takes;
    NetClient *first;  /* of a further queue; NULL: it is the first */
    GPtrArray *queues; /* of NetClient *, further ones; NULL: none */
    bool checked;      /* packets of it have right checksums, or none that matters: the host's own stack made them */
    /* the core's */
    GMainContext *ctx; /* whose thread is the owner; NULL: the VM lock is */
    GQueue incoming;   /* of a private type: what waits for it */
    size_t waiting_bytes;
    bool busy;       /* in its receive(), or sending */
    bool peer_waits; /* was told to stop; wants writable() */
    GSList *filters; /* of NetFilter *, in order */
};

/* A card's properties; PROP_NET_CONF. */
struct NetConf {
    uint8_t mac[NET_MAC_LEN]; /* all zero: the core picks one */
    NetClient *peer;
    NetClient *nic; /* this and the rest: set by net_nic_init() */
    Device *dev;
    bool filter_told; /* NIC_RX_FILTER_CHANGED came, and nobody asked since */
};
#define NET_CONF_PROPS(S, f)                                                                                           \
    PROP_MAC("mac", S, f.mac, "MAC address; by default 52:54:00:12:34:56 and up"),                                     \
        PROP_NETDEV("netdev", S, f.peer, "id of the back end")

/* Clients. net_init() of an embedded or allocated struct, which is zeroed. */
void net_init(NetClient *nc, const NetOps *ops, const char *name);
void net_fini(NetClient *nc); /* leaves its peer without one; the struct is the caller's */
void net_set_info(NetClient *nc, const char *fmt, ...) PRINTF_LIKE(2, 3);
void net_connect(NetClient *a, NetClient *b);
/* NULL where none. A card and a back end may have one name: the older, and the back end. */
NetClient *net_find(const char *name);
NetClient *net_find_back_end(const char *name);
/* q, zeroed and the caller's, becomes nc's next queue; it meets the same one of nc's peer. They end with nc, or with
 * net_del_queues(). */
void net_add_queue(NetClient *nc, NetClient *q);
void net_del_queues(NetClient *nc);
unsigned net_queues(const NetClient *nc);              /* at least 1 */
NetClient *net_queue(const NetClient *nc, unsigned n); /* 0: nc itself; NULL: it has none of that number */
/* Called for each; stops where fn returns false. */
bool net_foreach(bool (*fn)(NetClient *nc, void *opaque), void *opaque);

/* true: taken, or lost for good. false: it waits; send no more until writable(). */
bool net_send(NetClient *from, const NetPacket *p);
bool net_send_buf(NetClient *from, const void *buf, size_t len);
/* Packets that it is split into here, as the peer does not take it as it is; 0: it goes through. At most, from its
 * header: it may be nonsense. */
unsigned net_pieces(const NetClient *from, const NetPacket *p);
/* More packets come in this turn; net_burst_end() of what this returns, in the same turn. */
NetClient *net_burst_begin(NetClient *from);
void net_burst_end(NetClient *from, NetClient *peer);
bool net_can_send(const NetClient *from); /* it would be taken at once, or lost */
void net_ready(NetClient *nc);            /* can_receive() is true again, receive() would take something */
void net_purge(NetClient *nc);            /* what waits for it is lost */
void net_set_link(NetClient *nc, bool up);
/* A card and its peer, all queues, to the thread of ctx, or back (NULL). In that thread, while the VM lock is held for
 * it. */
void net_move(NetClient *nic, GMainContext *ctx);
/* nc and its peer are the VM lock's until net_release() of what this returns. */
NetClient *net_hold(NetClient *nc);
void net_release(NetClient *held);

/* A card, in realize, and in unrealize: conf's MAC is settled, its peer connected. desc_name: the model as users know
 * it. */
bool net_nic_init(NetClient *nc, const NetOps *ops, NetConf *conf, Device *dev, const char *model, Error **errp);
void net_nic_fini(NetClient *nc);
void net_nic_mac_changed(NetClient *nc, const uint8_t *mac); /* the guest set another: for `info network` */
/* The card's tables changed: NIC_RX_FILTER_CHANGED, once until they are asked for. By the owner. */
void net_rx_filter_changed(NetClient *nc);
char *net_mac_text(const uint8_t *mac); /* "52:54:00:12:34:56" */

/* ---- back ends ---- */

typedef struct NetdevDesc {
    const char *type;
    size_t size; /* of its struct, which begins with NetClient */
    const NetOps *ops;
    /* nc is in the list already. opts: checked against the schema, typed. On failure nothing is left behind. */
    bool (*open)(NetClient *nc, const Json *opts, Error **errp);
    const char *module, *open_name; /* a module's: where open is */
} NetdevDesc;
extern const NetdevDesc *const netdev_table[]; /* NULL-ended */

/* -netdev: text or JSON; netdev_add: opts, which were checked. */
bool netdev_option(const char *text, Error **errp);
bool netdev_add(const Json *opts, Error **errp);
bool netdev_del(const char *id, Error **errp);
void netdev_help(void); /* -netdev help, to stdout */
/* -nic and -net: what the board makes of them is in net_cards. card_types: models for help. */
bool net_nic_option(const char *text, Error **errp);
bool net_legacy_option(const char *text, Error **errp);
/* The network of a machine without options. */
bool net_default(Error **errp);
bool net_has_user(void);   /* -nic user can work: its module is there */
void net_warn_alone(void); /* when all devices are there */
void net_cleanup(void);    /* at exit: back ends, in reverse */

/* A card that -nic or -net nic asks the board for. */
typedef struct NetCard {
    char *model, *id, *addr; /* NULL: the machine's default; none; any */
    uint8_t mac[NET_MAC_LEN];
    bool mac_set;
    int64_t vectors; /* -1: not given */
    NetClient *netdev;
    bool made;
} NetCard;
extern GArray *net_cards; /* of NetCard; NULL: none */
/* -nic model=help: asked for; the board's models, by the device table. */
const char *net_model_device(const char *model); /* "virtio" -> "virtio-net-pci"; the same for others */

/* ---- questions ---- */

void net_print(GString *out); /* `info network` */
Json *net_query_rx_filter(const char *name, Error **errp);
bool net_set_link_by_name(const char *name, bool up, Error **errp);
/* `info usernet`, hostfwd_add and hostfwd_remove; id NULL: the only or first user network. */
void net_print_user(GString *out);
bool net_hostfwd_add(const char *id, const char *rule, Error **errp);
/* *found: there was such a rule. */
bool net_hostfwd_remove(const char *id, const char *rule, bool *found, Error **errp);
/* announce-self: every card, or those of these names (an array; NULL: all), now and rounds - 1 times later. */
bool net_announce(int64_t initial_ms, int64_t max_ms, int64_t rounds, int64_t step_ms, const Json *interfaces,
                  const char *id, Error **errp);

/* What module net-user gives. */
typedef struct NetUserOps {
    bool (*hostfwd_add)(NetClient *nc, const char *rule, Error **errp);
    bool (*hostfwd_remove)(NetClient *nc, const char *rule, bool *found, Error **errp);
    char *(*info)(NetClient *nc); /* the caller frees */
} NetUserOps;
extern const NetUserOps *net_user_ops; /* NULL: the module is not loaded */
typedef struct NetUserClient {
    NetClient nc;
    void *user; /* the module's */
} NetUserClient;

/* ---- software for what a peer cannot ---- */

/* Header lengths and kind of an Ethernet frame. */
typedef struct NetHeaders {
    bool ip4, ip6, tcp, udp, fragment;
    uint16_t l3, l4, payload; /* offsets; l4, payload: 0 where there is none */
} NetHeaders;
/* From a frame's first bytes; false: no IP, or cut short. */
bool net_parse(const uint8_t *buf, size_t len, NetHeaders *h);
uint32_t net_sum(const void *buf, size_t len, uint32_t sum); /* ones' complement, not folded; odd lengths only last */
uint16_t net_fold(uint32_t sum); /* folded and inverted, in host order of a big endian sum */
/* Put the checksum in that NET_NEEDS_CSUM left out; false: it lies outside. */
bool net_csum_finish(uint8_t *buf, size_t len, const NetOffload *off);
/* Split a TCP packet; fn gets each piece, whole. false: it is none, nothing was called. */
bool net_segment(const uint8_t *buf, size_t len, const NetOffload *off,
                 void (*fn)(void *opaque, const uint8_t *buf, size_t len), void *opaque);

/*
 * The other way round: what a back end brings in a burst, small TCP segments of one stream in order, goes to a peer
 * that takes large ones as one. Only what net_segment() would make the same of again is merged.
 */
typedef struct NetMerger {
    NetClient *from;
    NetHeaders h;    /* of what is held */
    size_t len, mss; /* of what is held, 0: nothing; payload of its first segment */
    uint32_t seq;    /* of the next segment */
    unsigned n;      /* segments */
    unsigned bursts; /* others come soon: begun and not ended */
    bool busy;       /* the buffer is being sent */
    uint8_t buf[NET_PACKET_MAX];
} NetMerger;
void net_merger_send(NetMerger *m, const void *buf, size_t len); /* at once where no burst is on */
void net_merger_begin(NetMerger *m);                             /* a burst, maybe within another */
void net_merger_end(NetMerger *m);                               /* the outermost: all of it is sent */

#endif
