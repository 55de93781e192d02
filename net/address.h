/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagram sockets for back ends. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "util/error.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* "HOST:PORT"; host may be a name, or empty: any. */
bool net_parse_inet(const char *text, struct sockaddr_in *a, Error **errp);
/* Bound, address reuse on. -1 on error. */
int net_udp_bind(const struct sockaddr *a, socklen_t len, Error **errp);
/* Bound to the group and in it; local: the interface, NULL: any. -1 on error. */
int net_mcast_open(const struct sockaddr_in *group, const struct in_addr *local, Error **errp);

#endif
