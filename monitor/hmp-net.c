/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor's commands about networks. */
#include "monitor/hmp.h"

#include "net/net.h"

#include <string.h>

void hmp_info_network(Hmp *h, const Json *args)
{
    net_print(h->out);
}

void hmp_info_usernet(Hmp *h, const Json *args)
{
    net_print_user(h->out);
}

void hmp_netdev_add(Hmp *h, const Json *args)
{
    Error *err = NULL;
    netdev_option(json_get_str(args, "device"), &err);
    hmp_error(h, err);
}

void hmp_netdev_del(Hmp *h, const Json *args)
{
    Error *err = NULL;
    netdev_del(json_get_str(args, "id"), &err);
    hmp_error(h, err);
}

void hmp_set_link(Hmp *h, const Json *args)
{
    Error *err = NULL;
    bool up = false;
    json_get_bool(json_get(args, "up"), &up);
    net_set_link_by_name(json_get_str(args, "name"), up, &err);
    hmp_error(h, err);
}

/* "[netdev] rule" */
static void two_words(const Json *args, const char **id, const char **rule)
{
    const char *a = json_get_str(args, "arg1"), *b = json_get_str(args, "arg2");
    *id = b ? a : NULL;
    *rule = b ? b : a;
}

void hmp_hostfwd_add(Hmp *h, const Json *args)
{
    const char *id, *rule;
    Error *err = NULL;
    two_words(args, &id, &rule);
    if (net_hostfwd_add(id, rule, &err))
        return;
    hmp_print(h, "%s\n", error_text(err));
    error_free(err);
}

void hmp_hostfwd_remove(Hmp *h, const Json *args)
{
    const char *id, *rule;
    Error *err = NULL;
    bool found = false;
    two_words(args, &id, &rule);
    if (net_hostfwd_remove(id, rule, &found, &err)) {
        hmp_print(h, "host forwarding rule for %s %s\n", rule, found ? "removed" : "not found");
        return;
    }
    hmp_print(h, "%s\n", error_text(err));
    error_free(err);
}

/* As QEMU's: at once and after 50, 150, 250, 350 ms. */
void hmp_announce_self(Hmp *h, const Json *args)
{
    const char *names = json_get_str(args, "interfaces"), *id = json_get_str(args, "id");
    g_autoptr(Json) list = names && *names ? json_array() : NULL;
    g_auto(GStrv) parts = list ? g_strsplit(names, ",", -1) : NULL;
    Error *err = NULL;
    for (char **p = parts; p && *p; p++)
        json_append(list, json_string(*p));
    net_announce(50, 550, 5, 100, list, id, &err);
    hmp_error(h, err);
}
