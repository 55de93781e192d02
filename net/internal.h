/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of net/. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include "net/net.h"
#include "util/socket.h"

/* Make a back end: opts are typed. NULL on error. */
NetClient *netdev_new(const NetdevDesc *d, const char *id, const Json *opts, Error **errp);
void netdev_delete(NetClient *nc);

bool net_is_hub_port(const NetClient *nc);
NetClient *net_hub_port_new(int32_t hub, NetClient *peer, Error **errp);
void net_print_client(GString *out, const NetClient *nc);
void net_print_hubs(GString *out);

/* Option text to an object whose values have the types of netdev_add's arguments. extra: keys that are kept as strings
 * besides (NULL-ended; may be NULL). */
Json *net_options_parse(const char *text, const char *implied, const char *const *extra, Error **errp);

/* Members of typed options; absent: the default. */
static inline bool net_opt_bool(const Json *opts, const char *key, bool def)
{
    json_get_bool(json_get(opts, key), &def);
    return def;
}
static inline int64_t net_opt_int(const Json *opts, const char *key, int64_t def)
{
    json_get_int(json_get(opts, key), &def);
    return def;
}
/* A SocketAddress of the schema (not vsock). */
bool net_socket_address(SocketAddress *a, const Json *opts, Error **errp);

#endif
