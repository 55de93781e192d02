/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hubs: what comes in at a port goes out at all others. -netdev hubport, and what -net connects (hub 0). */
#include "net/internal.h"

typedef struct HubPort {
    NetClient nc;
    int32_t hub;
    bool stopped; /* writable() will come */
} HubPort;
#define PORT(c) container_of(c, HubPort, nc)

static GPtrArray *ports; /* of HubPort *, in order of creation */

/* Some other port may go on, or there is none. What is behind one that is stopped keeps what it gets, up to a bound. */
static bool hub_can_receive(NetClient *nc)
{
    bool others = false;
    for (guint i = 0; i < ports->len; i++) {
        HubPort *p = g_ptr_array_index(ports, i);
        if (&p->nc == nc || p->hub != PORT(nc)->hub)
            continue;
        others = true;
        if (!p->stopped)
            return true;
    }
    return !others;
}

static bool hub_receive(NetClient *nc, const NetPacket *packet)
{
    for (guint i = 0; i < ports->len; i++) {
        HubPort *p = g_ptr_array_index(ports, i);
        if (&p->nc != nc && p->hub == PORT(nc)->hub && !net_send(&p->nc, packet))
            p->stopped = true;
    }
    return true;
}

/* What is behind this port takes packets again: all others may bring some. */
static void hub_writable(NetClient *nc)
{
    PORT(nc)->stopped = false;
    for (guint i = 0; i < ports->len; i++) {
        HubPort *p = g_ptr_array_index(ports, i);
        if (&p->nc != nc && p->hub == PORT(nc)->hub)
            net_ready(&p->nc);
    }
}

static void hub_cleanup(NetClient *nc)
{
    g_ptr_array_remove(ports, PORT(nc));
}

static const NetOps hub_ops = {
    .type = "hubport",
    .can_receive = hub_can_receive,
    .receive = hub_receive,
    .writable = hub_writable,
    .cleanup = hub_cleanup,
};

static bool hub_open(NetClient *nc, const Json *opts, Error **errp)
{
    HubPort *p = PORT(nc);
    int64_t hub = 0;
    const char *peer = json_get_str(opts, "netdev");
    json_get_int(json_get(opts, "hubid"), &hub);
    NetClient *other = peer ? net_find_back_end(peer) : NULL;
    if (peer && !other)
        return error_set(errp, "netdev '%s' not found", peer);
    if (other && other->peer)
        return error_set(errp, "netdev '%s' is in use by '%s'", peer, other->peer->name);
    p->hub = (int32_t)hub;
    if (!ports)
        ports = g_ptr_array_new();
    g_ptr_array_add(ports, p);
    if (other)
        net_connect(nc, other);
    return true;
}

const NetdevDesc netdev_hubport = {.type = "hubport", .size = sizeof(HubPort), .ops = &hub_ops, .open = hub_open};

bool net_is_hub_port(const NetClient *nc)
{
    return nc->ops == &hub_ops;
}

/* A port's own name on hub 0, "hub0port1". */
NetClient *net_hub_port_new(int32_t hub, NetClient *peer, Error **errp)
{
    unsigned n = 0;
    for (guint i = 0; ports && i < ports->len; i++)
        n += ((HubPort *)g_ptr_array_index(ports, i))->hub == hub;
    g_autofree char *name = g_strdup_printf("hub%dport%u", hub, n);
    g_autoptr(Json) opts = json_object();
    json_set_int(opts, "hubid", hub);
    if (peer)
        json_set_str(opts, "netdev", peer->name);
    return netdev_new(&netdev_hubport, name, opts, errp);
}

void net_print_client(GString *out, const NetClient *nc)
{
    unsigned index = 0;
    while (nc->first && net_queue(nc->first, index) != nc)
        index++;
    g_string_append_printf(out, "%s: index=%u,type=%s,%s\n", nc->name, index, nc->ops->type, nc->info ? nc->info : "");
}

void net_print_hubs(GString *out)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (guint i = 0; ports && i < ports->len; i++) {
        int32_t hub = ((HubPort *)g_ptr_array_index(ports, i))->hub;
        if (!g_hash_table_add(seen, GINT_TO_POINTER(hub)))
            continue;
        g_string_append_printf(out, "hub %d\n", hub);
        for (guint k = ports->len; k--;) { /* the newest first */
            HubPort *p = g_ptr_array_index(ports, k);
            if (p->hub != hub)
                continue;
            g_string_append_printf(out, " \\ %s", p->nc.name);
            if (p->nc.peer) {
                g_string_append(out, ": ");
                net_print_client(out, p->nc.peer);
            } else {
                g_string_append_c(out, '\n');
            }
        }
    }
}
