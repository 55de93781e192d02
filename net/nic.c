/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all cards share: MAC addresses, names, the "netdev" property, receive filters as QMP shows them. */
#include "hw/core/device.h"
#include "net/net.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

static const uint8_t mac_base[] = {0x52, 0x54, 0x00, 0x12, 0x34};
enum { MAC_FIRST = 0x56, MAC_COUNT = 256 };
static uint16_t mac_used[MAC_COUNT]; /* by the last byte */

char *net_mac_text(const uint8_t *m)
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Where the default addresses are counted: NULL for others. */
static uint16_t *mac_slot(const uint8_t *mac)
{
    return memcmp(mac, mac_base, sizeof(mac_base)) ? NULL : &mac_used[mac[5]];
}

static void settle_mac(uint8_t *mac)
{
    static const uint8_t none[NET_MAC_LEN];
    if (!memcmp(mac, none, NET_MAC_LEN)) {
        unsigned i = 0;
        while (i < MAC_COUNT - 1 && mac_used[(MAC_FIRST + i) % MAC_COUNT])
            i++;
        memcpy(mac, mac_base, sizeof(mac_base));
        mac[5] = (uint8_t)(MAC_FIRST + i);
    }
    if (mac_slot(mac))
        ++*mac_slot(mac);
}

void net_nic_mac_changed(NetClient *nc, const uint8_t *mac)
{
    ASSERT_VM_LOCKED();
    g_autofree char *text = net_mac_text(mac);
    net_set_info(nc, "model=%s,macaddr=%s", nc->model, text);
}

bool net_nic_init(NetClient *nc, const NetOps *ops, NetConf *conf, Device *dev, const char *model, Error **errp)
{
    g_autofree char *name = g_strdup(dev->id);
    NetClient *peer = conf->peer;
    if (peer && peer->peer)
        return error_set(errp, "netdev '%s' is in use by '%s'", peer->name, peer->peer->name);
    if (name && net_find(name) && net_find(name)->conf)
        return error_set(errp, "there is a network card '%s' already", name);
    for (unsigned n = 0; !name; n++) {
        name = g_strdup_printf("%s.%u", model, n);
        if (net_find(name))
            g_clear_pointer(&name, g_free);
    }
    settle_mac(conf->mac);
    net_init(nc, ops, name);
    nc->conf = conf;
    nc->model = g_strdup(model);
    conf->nic = nc;
    conf->dev = dev;
    conf->filter_told = true; /* nobody has asked yet */
    net_nic_mac_changed(nc, conf->mac);
    if (peer) {
        net_connect(nc, peer);
        nc->link_down = peer->link_down;
    }
    return true;
}

void net_nic_fini(NetClient *nc)
{
    NetConf *conf = nc->conf;
    if (!conf)
        return;
    if (mac_slot(conf->mac) && *mac_slot(conf->mac))
        --*mac_slot(conf->mac);
    net_fini(nc);
    nc->conf = NULL;
    conf->nic = conf->peer = NULL;
}

/* ---- the property ---- */

static NetClient **slot(const void *obj, const Prop *p)
{
    return (NetClient **)(void *)((char *)obj + p->offset);
}

static bool set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    const char *id = json_get_string(val);
    if (!id)
        return error_set(errp, "the id of a netdev is expected");
    NetClient *nc = *id ? net_find_back_end(id) : NULL;
    if (*id && !nc)
        return error_set(errp, "can't find value '%s': there is no netdev of this id", id);
    if (nc && nc->peer)
        return error_set(errp, "can't take value '%s', it's in use", id);
    *slot(obj, p) = nc;
    return true;
}

static Json *get(const void *obj, const Prop *p)
{
    const NetClient *nc = *slot(obj, p);
    return json_string(nc && nc->name ? nc->name : "");
}

const PropType prop_netdev = {.name = "str", .set = set, .get = get, .is_string = true};

/* ---- receive filters ---- */

typedef struct FilterQuery {
    const char *name;
    Json *list;
    bool found;
} FilterQuery;

static bool query_one(NetClient *nc, void *opaque)
{
    FilterQuery *q = opaque;
    if (q->name && strcmp(nc->name, q->name))
        return true;
    q->found = true;
    if (nc->conf && nc->ops->rx_filter) {
        NetClient *held = net_hold(nc);
        Json *v = nc->ops->rx_filter(nc);
        json_set_str(v, "name", nc->name);
        json_append(q->list, v);
        nc->conf->filter_told = false;
        net_release(held);
    }
    return true;
}

Json *net_query_rx_filter(const char *name, Error **errp)
{
    FilterQuery q = {name, json_array(), false};
    net_foreach(query_one, &q);
    if (name && (!q.found || !json_length(q.list))) {
        json_unref(q.list);
        error_set(errp,
                  q.found ? "net client(%s) isn't a NIC, or has no filter to ask for" : "invalid net client name: %s",
                  name);
        return NULL;
    }
    return q.list;
}

void net_rx_filter_changed(NetClient *nc)
{
    if (nc->conf->filter_told)
        return;
    nc->conf->filter_told = true;
    Json *data = json_object();
    if (nc->conf->dev->id)
        json_set_str(data, "name", nc->conf->dev->id);
    json_set_str(data, "path", nc->conf->dev->path);
    event_emit("NIC_RX_FILTER_CHANGED", data);
}
