/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/cards.h"

#include "net/net.h"

#include <stdio.h>

static bool is_card(const DeviceDesc *d)
{
    return d->category == DEV_NETWORK && d->bus == BUS_PCI;
}

void net_cards_help(void)
{
    printf("Available NIC models:\n");
    for (const DeviceDesc *const *d = device_table; *d; d++)
        if (is_card(*d))
            printf("%s\n", (*d)->name);
}

static bool create(PciBus *bus, const NetCard *c, const char *model, Error **errp)
{
    const DeviceDesc *desc = device_find_desc(net_model_device(model));
    if (!desc || !is_card(desc)) {
        error_set(errp, "Unsupported NIC model: %s", model);
        error_hint(errp, "-nic model=help lists those that there are.");
        return false;
    }
    Device *dev = device_new(desc);
    g_autofree char *mac = net_mac_text(c->mac);
    if (c->mac_set)
        device_set_str(dev, "mac", mac);
    if (c->netdev)
        device_set_str(dev, "netdev", c->netdev->name);
    Error *err = NULL;
    if (c->addr)
        device_set_text(dev, "addr", c->addr, &err);
    if (!err && c->vectors >= 0 && device_prop(dev, "vectors", NULL))
        device_set_uint(dev, "vectors", (uint64_t)c->vectors);
    if (err) {
        device_discard(dev);
        return error_propagate(errp, err);
    }
    return device_realize(dev, &bus->bus, errp);
}

bool net_cards_create(PciBus *bus, const char *default_model, Error **errp)
{
    for (guint i = 0; net_cards && i < net_cards->len; i++) {
        NetCard *c = &g_array_index(net_cards, NetCard, i);
        if (!create(bus, c, c->model ? c->model : default_model, errp))
            return false;
        c->made = true;
    }
    return true;
}

bool net_cards_check(Error **errp)
{
    for (guint i = 0; net_cards && i < net_cards->len; i++) {
        const NetCard *c = &g_array_index(net_cards, NetCard, i);
        if (!c->made)
            return error_set(errp, "requested NIC (%s, model %s) was not created (not supported by this machine?)",
                             c->id ? c->id : "anonymous", c->model ? c->model : "unspecified");
    }
    return true;
}
