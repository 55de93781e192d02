/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a card's wire: a datagram socket, a packet each.
 *
 *     NetPeer *p = netpeer_new();
 *     QTest *q = qtest_start("%s -device e1000,netdev=n", netpeer_args(p));
 */
#ifndef TESTS_QTEST_LIBNET_H
#define TESTS_QTEST_LIBNET_H

#include "util/json.h"

#define NETPEER_MAX 70000

typedef struct NetPeer NetPeer;
NetPeer *netpeer_new(void);
void netpeer_free(NetPeer *p);
const char *netpeer_args(const NetPeer *p); /* -netdev dgram,id=n,... */
void netpeer_send(NetPeer *p, const void *buf, size_t len);
void netpeer_try(NetPeer *p, const void *buf, size_t len); /* lost where the card takes nothing */
size_t netpeer_recv(NetPeer *p, uint8_t *buf);             /* up to NETPEER_MAX bytes; fails after 5 s */
bool netpeer_silent(NetPeer *p, unsigned ms);              /* nothing comes meanwhile */

/* Frames, as most tests send them: to[6] from[6] type, and a pattern of bytes. */
void net_frame(uint8_t *buf, size_t len, const uint8_t *to, const uint8_t *from, unsigned seed);
/* A TCP packet over IPv4 (v6: IPv6) with that much payload; its checksums are left out. Returns its length. */
size_t net_tcp_frame(uint8_t *buf, size_t payload, bool v6, const uint8_t *to, const uint8_t *from);
/* Whether a TCP packet's lengths and checksums are right. */
bool net_tcp_ok(const uint8_t *buf, size_t len);

#endif
