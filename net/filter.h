/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that look at what goes through a back end: -object filter-dump. packet() runs in the back end's owner
 * (net.h), which owns what it keeps while the filter is attached. */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include "hw/core/object.h"
#include "net/net.h"

typedef struct NetFilter {
    Object obj;
    char *netdev;
    int queue; /* FILTER_* */
    int on;
    NetClient *nc; /* NULL: its back end went away */
    void (*packet)(struct NetFilter *f, const NetPacket *p);
} NetFilter;
extern const char *const net_filter_queue_names[], *const net_filter_status_names[];
enum { FILTER_ALL, FILTER_RX, FILTER_TX };

#define NET_FILTER_PROPS(S, f)                                                                                         \
    PROP_STR("netdev", S, f.netdev, "id of the back end"),                                                             \
        PROP_ENUM("queue", S, f.queue, net_filter_queue_names, FILTER_ALL,                                             \
                  "what it sees: rx to the back end, tx of it"),                                                       \
        PROP_ENUM("status", S, f.on, net_filter_status_names, 1, "off: it sees nothing")

bool net_filter_attach(NetFilter *f, void (*packet)(NetFilter *f, const NetPacket *p), Error **errp);
void net_filter_detach(NetFilter *f);
/* For net.c. */
void net_filters_pass(NetClient *from, NetClient *to, const NetPacket *p);
void net_filters_gone(NetClient *nc);

#endif
