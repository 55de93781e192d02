/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of back ends; their life; what QMP and the human monitor ask of the network. */
#include "net/internal.h"

#include "softmmu/mainloop.h"
#include "hw/core/clock.h"
#include "util/module.h"

#include <stdio.h>

#define NETDEVS(X)                                                                                                     \
    X(netdev_socket)                                                                                                   \
    X(netdev_stream)                                                                                                   \
    X(netdev_dgram)                                                                                                    \
    X(netdev_hubport)                                                                                                  \
    X(netdev_tap)                                                                                                      \
    X(netdev_user)

#define X(v) extern const NetdevDesc v;
NETDEVS(X)
#undef X

const NetdevDesc *const netdev_table[] = {
#define X(v) &v,
    NETDEVS(X)
#undef X
        NULL,
};

/* -netdev user is module net-user, which puts its own operations in place. */
static const NetOps user_ops = {.type = "user"};
const NetdevDesc netdev_user = {.type = "user",
                                .size = sizeof(NetUserClient),
                                .ops = &user_ops,
                                .module = "net-user",
                                .open_name = "net_user_open"};

void netdev_help(void)
{
    printf("Available netdev backend types:\n");
    for (const NetdevDesc *const *d = netdev_table; *d; d++)
        if (!(*d)->module || module_exists((*d)->module))
            printf("%s\n", (*d)->type);
}

/* ---- life ---- */

NetClient *netdev_new(const NetdevDesc *d, const char *id, const Json *opts, Error **errp)
{
    bool (*open)(NetClient * nc, const Json *opts, Error **errp) = d->open;
    if (d->module && !(open = module_symbol(d->module, d->open_name, errp)))
        return NULL;
    NetClient *nc = g_malloc0(d->size);
    net_init(nc, d->ops, id);
    if (open(nc, opts, errp))
        return nc;
    net_fini(nc);
    g_free(nc);
    return NULL;
}

void netdev_delete(NetClient *nc)
{
    NetClient *card = net_hold(nc);
    if (nc->ops->cleanup)
        nc->ops->cleanup(nc);
    net_fini(nc);
    g_free(nc);
    net_release(card);
}

bool netdev_add(const Json *opts, Error **errp)
{
    const char *type = json_get_str(opts, "type"), *id = json_get_str(opts, "id");
    if (!id)
        return error_set(errp, "Parameter 'id' is missing");
    if (net_find_back_end(id))
        return error_set(errp, "Duplicate ID '%s' for netdev", id);
    for (const NetdevDesc *const *d = netdev_table; *d; d++) {
        if (strcmp((*d)->type, type))
            continue;
        NetClient *nc = netdev_new(*d, id, opts, errp);
        if (nc)
            nc->is_netdev = true;
        return nc;
    }
    return error_set(errp, "Parameter 'type' expects a netdev backend type, not '%s'", type);
}

bool netdev_del(const char *id, Error **errp)
{
    NetClient *nc = net_find_back_end(id);
    if (!nc)
        return error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    if (!nc->is_netdev)
        return error_set(errp, "Device '%s' is not a netdev", id);
    netdev_delete(nc);
    return true;
}

static bool last_netdev(NetClient *nc, void *opaque)
{
    if (!nc->conf)
        *(NetClient **)opaque = nc;
    return true;
}

void net_cleanup(void)
{
    NetClient *nc;
    while (nc = NULL, net_foreach(last_netdev, &nc), nc)
        netdev_delete(nc);
    g_clear_pointer(&net_cards, g_array_unref);
}

bool net_has_user(void)
{
    return module_exists(netdev_user.module);
}

/* ---- questions ---- */

static bool print_alone(NetClient *nc, void *out)
{
    if (net_is_hub_port(nc) || (nc->peer && net_is_hub_port(nc->peer)) || (!nc->conf && nc->peer && nc->peer->conf))
        return true;
    for (unsigned i = 0; net_queue(nc, i); i++) {
        const NetClient *q = net_queue(nc, i);
        net_print_client(out, q);
        if (q->peer && nc->conf) {
            g_string_append(out, " \\ ");
            net_print_client(out, q->peer);
        }
    }
    return true;
}

void net_print(GString *out)
{
    net_print_hubs(out);
    net_foreach(print_alone, out);
}

static bool warn_alone(NetClient *nc, void *opaque)
{
    if (nc->peer)
        return true;
    if (nc->conf)
        warn_report("nic %s has no peer", nc->name);
    else if (net_is_hub_port(nc))
        warn_report("hub port %s has no peer", nc->name);
    else
        warn_report("netdev %s has no peer", nc->name);
    return true;
}

void net_warn_alone(void)
{
    net_foreach(warn_alone, NULL);
}

bool net_set_link_by_name(const char *name, bool up, Error **errp)
{
    NetClient *nc = net_find(name);
    if (!nc)
        return error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", name);
    NetClient *held = net_hold(nc);
    net_set_link(nc, up);
    /* A card without carrier is what the guest sees of its back end's cut wire; and the back end learns of the card's.
     */
    if (nc->peer && !nc->conf && nc->peer->conf)
        net_set_link(nc->peer, up);
    net_release(held);
    return true;
}

/* ---- the user network ---- */

const NetUserOps *net_user_ops;

static bool is_user(const NetClient *nc)
{
    return !strcmp(nc->ops->type, "user");
}

static bool first_user(NetClient *nc, void *opaque)
{
    if (!is_user(nc))
        return true;
    *(NetClient **)opaque = nc;
    return false;
}

static NetClient *user_network(const char *id, Error **errp)
{
    NetClient *nc = id ? net_find_back_end(id) : NULL;
    if (id && !nc) {
        error_set(errp, "unrecognized netdev id '%s'", id);
        return NULL;
    }
    if (!id)
        net_foreach(first_user, &nc);
    if (nc && is_user(nc) && net_user_ops)
        return nc;
    error_set(errp, id ? "invalid netdev '%s': it is no user network" : "there is no user network%s", id ? id : "");
    return NULL;
}

bool net_hostfwd_add(const char *id, const char *rule, Error **errp)
{
    NetClient *nc = user_network(id, errp), *held = nc ? net_hold(nc) : NULL;
    bool ok = nc && net_user_ops->hostfwd_add(nc, rule, errp);
    net_release(held);
    return ok;
}

bool net_hostfwd_remove(const char *id, const char *rule, bool *found, Error **errp)
{
    NetClient *nc = user_network(id, errp), *held = nc ? net_hold(nc) : NULL;
    bool ok = nc && net_user_ops->hostfwd_remove(nc, rule, found, errp);
    net_release(held);
    return ok;
}

static bool print_user(NetClient *nc, void *out)
{
    if (!is_user(nc) || !net_user_ops)
        return true;
    NetClient *held = net_hold(nc);
    g_autofree char *info = net_user_ops->info(nc);
    net_release(held);
    int hub = nc->peer && net_is_hub_port(nc->peer) ? 0 : -1;
    g_string_append_printf(out, "Hub %d (%s):\n%s", hub, nc->name, info);
    return true;
}

void net_print_user(GString *out)
{
    net_foreach(print_user, out);
}

/* ---- announce-self ---- */

typedef struct Announcer {
    Timer timer;
    char *id;
    GPtrArray *names; /* NULL: all */
    int64_t delay_ms, step_ms, max_ms, rounds;
} Announcer;

static GPtrArray *announcers;

static bool announce_one(NetClient *nc, void *opaque)
{
    Announcer *a = opaque;
    bool mine = !a->names;
    for (guint i = 0; a->names && i < a->names->len; i++)
        mine |= !strcmp(g_ptr_array_index(a->names, i), nc->name);
    NetClient *held = mine && nc->conf ? net_hold(nc) : NULL;
    if (mine && nc->conf && !(nc->ops->announce && nc->ops->announce(nc))) {
        /* RARP (RFC 903) "request reverse": switches learn from it where the card is. */
        uint8_t f[60] = {0};
        memset(f, 0xff, NET_MAC_LEN);
        memcpy(f + 6, nc->conf->mac, NET_MAC_LEN);
        stw_be(f + 12, 0x8035);
        stw_be(f + 14, 1);      /* Ethernet */
        stw_be(f + 16, 0x0800); /* IPv4 */
        f[18] = NET_MAC_LEN;
        f[19] = 4;
        stw_be(f + 20, 3);
        memcpy(f + 22, nc->conf->mac, NET_MAC_LEN);
        memcpy(f + 32, nc->conf->mac, NET_MAC_LEN);
        net_send_buf(nc, f, sizeof(f));
    }
    net_release(held);
    return true;
}

static void announcer_free(void *p)
{
    Announcer *a = p;
    timer_stop(&a->timer);
    g_free(a->id);
    if (a->names)
        g_ptr_array_unref(a->names);
    g_free(a);
}

static void announce(void *opaque)
{
    Announcer *a = opaque;
    net_foreach(announce_one, a);
    if (--a->rounds > 0) {
        timer_arm_ms(&a->timer, a->delay_ms);
        a->delay_ms = MIN(a->delay_ms + a->step_ms, a->max_ms);
    } else {
        g_ptr_array_remove(announcers, a);
    }
}

bool net_announce(int64_t initial_ms, int64_t max_ms, int64_t rounds, int64_t step_ms, const Json *interfaces,
                  const char *id, Error **errp)
{
    static const struct {
        const char *name;
        int64_t max;
    } limits[] = {{"initial", 100000}, {"max", 100000}, {"rounds", 1000}, {"step", 10000}};
    const int64_t values[] = {initial_ms, max_ms, rounds, step_ms};
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        if (values[i] < (i == 0 || i == 1) || values[i] > limits[i].max)
            return error_set(errp, "Parameter 'announce-%s' expects a value from %d to %d", limits[i].name, i < 2,
                             (int)limits[i].max);
    if (!announcers)
        announcers = g_ptr_array_new_with_free_func(announcer_free);
    for (guint i = 0; i < announcers->len; i++) {
        Announcer *a = g_ptr_array_index(announcers, i);
        if (!g_strcmp0(a->id, id))
            g_ptr_array_remove_index(announcers, i--);
    }
    if (!rounds)
        return true;
    Announcer *a = g_new0(Announcer, 1);
    a->id = g_strdup(id);
    a->delay_ms = initial_ms;
    a->step_ms = step_ms;
    a->max_ms = max_ms;
    a->rounds = rounds;
    if (interfaces)
        a->names = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; interfaces && i < json_length(interfaces); i++)
        g_ptr_array_add(a->names, g_strdup(json_get_string(json_at(interfaces, i))));
    timer_init_clock(&a->timer, CLOCK_REALTIME_MONO, announce, a);
    g_ptr_array_add(announcers, a);
    announce(a);
    return true;
}
