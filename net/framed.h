/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets through a host's socket. On a stream each is its length (4 bytes, big endian) and then its bytes; a datagram
 * is one packet. Reading stops while the peer takes nothing; a packet that does not go out at once waits.
 */
#ifndef NET_FRAMED_H
#define NET_FRAMED_H

#include "net/internal.h"

typedef struct NetLink {
    NetClient *nc;
    int fd;                 /* -1: closed */
    bool stream, connected; /* datagrams: connected, or to `to` */
    struct sockaddr_storage to;
    socklen_t to_len;
    void (*closed)(void *opaque); /* the stream's other end went away, or talks nonsense; the link is closed already */
    void *opaque;
    /* private */
    unsigned in_watch, out_watch;
    int probe;   /* unix datagrams: a socket of no use but to poll for room at `to`; -1: not needed yet */
    uint8_t *in; /* length and bytes of the packet that is being read; a datagram */
    size_t in_len;
    uint8_t *out; /* the rest of one that did not go */
    size_t out_len, out_off;
} NetLink;

/* fd is the link's from now on; it becomes non-blocking. */
void net_link_open(NetLink *l, NetClient *nc, int fd, bool stream);
void net_link_close(NetLink *l);
/* For NetOps. */
bool net_link_receive(NetLink *l, const NetPacket *p);
void net_link_writable(NetLink *l);

#endif
