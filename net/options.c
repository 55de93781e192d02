/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev, -nic and -net: their text against netdev_add's schema, and the cards that they ask the board for. A key that
 * is given more than once is a list (hostfwd=...,hostfwd=...); a dot leads into an object (addr.type=inet).
 */
#include "net/internal.h"

#include "hw/core/device.h"
#include "qapi/qapi.h"
#include "util/keyval.h"

#include <stdio.h>

GArray *net_cards;

/* ---- text to typed values ---- */

/* The next "key=value" off *p; false at its end. A bare word has no value. */
static bool next_item(const char **p, char **key, char **value)
{
    g_clear_pointer(key, g_free);
    g_clear_pointer(value, g_free);
    if (!**p)
        return false;
    size_t n = strcspn(*p, "=,");
    *key = g_strndup(*p, n);
    *p += n;
    if (**p != '=') {
        *p += **p == ',';
        return true;
    }
    GString *val = g_string_new(NULL);
    for (++*p; **p; (*p)++) {
        if (**p == ',' && *++*p != ',')
            break;
        g_string_append_c(val, **p);
    }
    *value = g_string_free(val, false);
    return true;
}

/* Store at a dotted key; a second value makes a list. */
static bool put(Json *obj, const char *key, const char *value, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(key, ".", 8);
    char **part = parts;
    for (; *part && part[1]; part++) {
        Json *sub = json_get(obj, *part);
        if (sub && json_type(sub) != JSON_OBJECT)
            return error_set(errp, "Parameter '%s' is used inconsistently", key);
        if (!sub)
            json_set(obj, *part, sub = json_object());
        obj = sub;
    }
    if (!*part || !**part)
        return error_set(errp, "Invalid parameter '%s'", key);
    Json *have = json_get(obj, *part);
    if (!have) {
        json_set_str(obj, *part, value);
    } else if (json_type(have) == JSON_OBJECT) {
        return error_set(errp, "Parameter '%s' is used inconsistently", key);
    } else {
        if (json_type(have) == JSON_STRING) {
            Json *list = json_array();
            json_append(list, json_ref(have));
            json_set(obj, *part, list);
            have = list;
        }
        json_append(have, json_string(value));
    }
    return true;
}

static Json *parse_text(const char *text, const char *implied, Error **errp)
{
    g_autoptr(Json) obj = json_object();
    g_autofree char *key = NULL, *value = NULL;
    for (bool first = true, ok; next_item(&text, &key, &value); first = false) {
        bool off = !value && g_str_has_prefix(key, "no") && key[2];
        if (!value && first && implied)
            ok = put(obj, implied, key, errp);
        else
            ok = put(obj, key + (value || !off ? 0 : 2), value ? value : off ? "off" : "on", errp);
        if (!ok)
            return NULL;
    }
    return g_steal_pointer(&obj);
}

static const QapiType *member_type(const QapiType *t, const Json *v, const char *name)
{
    for (unsigned i = 0; i < t->n_members; i++)
        if (!strcmp(t->members[i].name, name))
            return t->members[i].type;
    const char *tag = t->tag ? json_get_str(v, t->tag) : NULL;
    for (unsigned i = 0; tag && i < t->n_branches; i++)
        if (!strcmp(t->branches[i].value, tag))
            return member_type(t->branches[i].type, v, name);
    return NULL;
}

static Json *convert(const QapiType *t, const Json *v, const char *path, const char *const *extra, Error **errp);

static Json *convert_object(const QapiType *t, const Json *v, const char *path, const char *const *extra, Error **errp)
{
    g_autoptr(Json) out = json_object();
    if (t->n_members == 1 && json_type(v) == JSON_STRING) { /* {"str": ...} */
        json_set(out, t->members[0].name, json_ref((Json *)v));
        return g_steal_pointer(&out);
    }
    if (json_type(v) != JSON_OBJECT) {
        error_set(errp, "Parameter '%s' needs members: '%s.NAME=VALUE'", path, path);
        return NULL;
    }
    for (size_t i = 0; i < json_length(v); i++) {
        const char *key = json_key_at(v, i);
        const QapiType *m = member_type(t, v, key);
        g_autofree char *sub = g_strdup_printf("%s%s%s", path, *path ? "." : "", key);
        bool kept = !m && extra && g_strv_contains(extra, key);
        if (!m && !kept) {
            error_set(errp, "Invalid parameter '%s'", sub);
            return NULL;
        }
        Json *val = kept ? json_ref(json_val_at(v, i)) : convert(m, json_val_at(v, i), sub, NULL, errp);
        if (!val)
            return NULL;
        json_set(out, key, val);
    }
    return g_steal_pointer(&out);
}

static Json *convert_array(const QapiType *t, const Json *v, const char *path, Error **errp)
{
    g_autoptr(Json) out = json_array();
    bool list = json_type(v) == JSON_ARRAY;
    for (size_t i = 0; i < (list ? json_length(v) : 1); i++) {
        Json *e = convert(t->element, list ? json_at(v, i) : v, path, NULL, errp);
        if (!e)
            return NULL;
        json_append(out, e);
    }
    return g_steal_pointer(&out);
}

static Json *convert_word(const QapiType *t, const char *s, const char *path, Error **errp)
{
    bool truth;
    uint64_t n;
    switch (t->kind) {
    case QAPI_BOOL:
        if (parse_bool(s, &truth))
            return json_bool(truth);
        error_set(errp, "Parameter '%s' expects 'on' or 'off'", path);
        return NULL;
    case QAPI_INT:
        if ((parse_u64(s, &n) || parse_size(s, 'B', &n)) && n <= INT64_MAX && (!t->max || n <= t->max))
            return json_int((int64_t)n);
        error_set(errp, "Parameter '%s' expects a number", path);
        return NULL;
    default:
        return json_string(s);
    }
}

static Json *convert(const QapiType *t, const Json *v, const char *path, const char *const *extra, Error **errp)
{
    if (t->kind == QAPI_OBJECT)
        return convert_object(t, v, path, extra, errp);
    if (t->kind == QAPI_ARRAY)
        return convert_array(t, v, path, errp);
    if (json_type(v) == JSON_ARRAY) /* the last counts */
        v = json_at(v, json_length(v) - 1);
    const char *s = json_get_string(v);
    if (s)
        return convert_word(t, s, path, errp);
    error_set(errp, "Invalid parameter type for '%s'", path);
    return NULL;
}

/* "ipv6-net=ADDRESS[/BITS]" is short for two; what they are given as besides wins. */
static bool split_net6(Json *v, Error **errp)
{
    const char *net = json_get_str(v, "ipv6-net");
    if (!net)
        return true;
    g_auto(GStrv) parts = g_strsplit(net, "/", 2);
    if (!parts[0] || !*parts[0])
        return error_set(errp, "Parameter 'ipv6-net' expects ADDRESS[/BITS], not '%s'", net);
    if (!json_get(v, "ipv6-prefix"))
        json_set_str(v, "ipv6-prefix", parts[0]);
    if (parts[1] && !json_get(v, "ipv6-prefixlen"))
        json_set_str(v, "ipv6-prefixlen", parts[1]);
    json_remove(v, "ipv6-net");
    return true;
}

Json *net_options_parse(const char *text, const char *implied, const char *const *extra, Error **errp)
{
    if (*text == '{')
        return json_parse(text, strlen(text), errp);
    g_autoptr(Json) v = parse_text(text, implied, errp);
    return v && split_net6(v, errp) ? convert(qmp_command_find("netdev_add")->args, v, "", extra, errp) : NULL;
}

/* ---- -netdev ---- */

/* Types that QEMU has and this program does not. */
static const char *const absent[] = {"l2tpv3", "vde", "bridge", "vhost-user", "vhost-vdpa", "netmap", "af-xdp", NULL};

/* Whether it has a type that is there; JSON is checked by the schema. */
static bool type_there(const char *text, Error **errp)
{
    if (*text == '{')
        return true;
    g_autoptr(Json) v = parse_text(text, "type", errp);
    const char *type = v ? json_get_str(v, "type") : NULL;
    for (size_t i = 0; type && absent[i]; i++)
        if (!strcmp(type, absent[i]))
            return error_set(errp, "type '%s' is not supported yet", type);
    if (v && !type)
        error_set(errp, "Parameter 'type' is missing");
    return type;
}

bool netdev_option(const char *text, Error **errp)
{
    if (!type_there(text, errp))
        return false;
    g_autoptr(Json) opts = net_options_parse(text, "type", NULL, errp);
    return opts && qapi_check(qmp_command_find("netdev_add")->args, opts, errp) && netdev_add(opts, errp);
}

/* ---- cards ---- */

static const char *const card_keys[] = {"model", "mac", "macaddr", "addr", "vectors", NULL};

static void card_clear(void *p)
{
    NetCard *c = p;
    g_free(c->model);
    g_free(c->id);
    g_free(c->addr);
}

static bool parse_mac(const char *text, uint8_t *mac)
{
    unsigned b[NET_MAC_LEN];
    int end = -1;
    if (sscanf(text, "%2x%*[:-]%2x%*[:-]%2x%*[:-]%2x%*[:-]%2x%*[:-]%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
               &end) != NET_MAC_LEN ||
        end < 0 || text[end])
        return false;
    for (int i = 0; i < NET_MAC_LEN; i++)
        mac[i] = (uint8_t)b[i];
    return true;
}

/* id: what its option is called (may be NULL); the card itself is named by its model and number. */
static bool add_card(const Json *opts, const char *id, NetClient *netdev, Error **errp)
{
    NetCard c = {.netdev = netdev, .vectors = -1};
    const char *mac = json_get_str(opts, "mac"), *vectors = json_get_str(opts, "vectors");
    if (!mac)
        mac = json_get_str(opts, "macaddr");
    uint64_t n;
    if (mac && !parse_mac(mac, c.mac))
        return error_set(errp, "invalid syntax for ethernet address '%s'", mac);
    if (c.mac[0] & 1)
        return error_set(errp, "NIC cannot have multicast MAC address '%s'", mac);
    if (vectors && (!parse_u64(vectors, &n) || n > 0x7ffffff))
        return error_set(errp, "invalid # of vectors: %s", vectors);
    c.vectors = vectors ? (int64_t)n : json_get(opts, "vectors") ? net_opt_int(opts, "vectors", -1) : -1;
    c.mac_set = mac;
    c.model = g_strdup(json_get_str(opts, "model"));
    c.id = g_strdup(id);
    c.addr = g_strdup(json_get_str(opts, "addr"));
    if (!net_cards) {
        net_cards = g_array_new(false, false, sizeof(NetCard));
        g_array_set_clear_func(net_cards, card_clear);
    }
    g_array_append_val(net_cards, c);
    return true;
}

/* A back end without a user's name. */
static char *anonymous(void)
{
    for (unsigned n = 0;; n++) {
        char *name = g_strdup_printf("#net%03u", n);
        if (!net_find(name))
            return name;
        g_free(name);
    }
}

/* Whether an option may have this id, which -nic, -net and -netdev share. */
static bool id_free(const char *id, Error **errp)
{
    bool taken = net_find_back_end(id);
    for (guint i = 0; net_cards && i < net_cards->len; i++)
        taken |= !g_strcmp0(g_array_index(net_cards, NetCard, i).id, id);
    if (!id_wellformed(id)) {
        error_set(errp, "Parameter 'id' expects an identifier, not '%s'", id);
        error_hint(errp, "Letters, digits, '-', '.' and '_', the first a letter.");
        return false;
    }
    return !taken || error_set(errp, "Duplicate ID '%s' for a network option", id);
}

/* A back end of typed options without those of a card. */
static NetClient *add_back_end(const Json *opts, Error **errp)
{
    g_autoptr(Json) own = json_copy(opts);
    const char *id = json_get_str(opts, "id");
    g_autofree char *name = id ? g_strdup(id) : anonymous();
    for (size_t i = 0; card_keys[i]; i++)
        json_remove(own, card_keys[i]);
    json_set_str(own, "id", name);
    return qapi_check(qmp_command_find("netdev_add")->args, own, errp) && netdev_add(own, errp)
               ? net_find_back_end(name)
               : NULL;
}

/* What -nic and -net have in common: their pairs, and the type among them (borrowed). NULL on error. */
static Json *parse_nic(const char *text, const char **type, Error **errp)
{
    if (!type_there(text, errp))
        return NULL;
    g_autoptr(Json) opts = net_options_parse(text, "type", card_keys, errp);
    if (!opts)
        return NULL;
    const char *id = json_get_str(opts, "id");
    *type = json_get_str(opts, "type");
    if (!*type)
        error_set(errp, "Parameter 'type' is missing");
    return *type && (!id || id_free(id, errp)) ? g_steal_pointer(&opts) : NULL;
}

bool net_nic_option(const char *text, Error **errp)
{
    const char *type;
    g_autoptr(Json) opts = parse_nic(text, &type, errp);
    if (!opts)
        return false;
    if (!strcmp(type, "none"))
        return true;
    if (!strcmp(type, "nic") || !strcmp(type, "hubport"))
        return error_set(errp, "Parameter 'type' expects a netdev backend type, not '%s'", type);
    NetClient *nc = add_back_end(opts, errp);
    return nc && add_card(opts, NULL, nc, errp);
}

bool net_legacy_option(const char *text, Error **errp)
{
    const char *type;
    g_autoptr(Json) opts = parse_nic(text, &type, errp);
    if (!opts)
        return false;
    if (!strcmp(type, "none"))
        return true;
    if (!strcmp(type, "nic")) {
        const char *netdev = json_get_str(opts, "netdev");
        NetClient *nc = netdev ? net_find_back_end(netdev) : net_hub_port_new(0, NULL, errp);
        if (netdev && !nc)
            return error_set(errp, "netdev '%s' not found", netdev);
        return nc && add_card(opts, json_get_str(opts, "id"), nc, errp);
    }
    if (!strcmp(type, "hubport"))
        return error_set(errp, "Parameter 'type' expects a net backend type, not 'hubport'");
    NetClient *nc = add_back_end(opts, errp);
    return nc && net_hub_port_new(0, nc, errp);
}

bool net_default(Error **errp)
{
    return net_legacy_option("nic", errp) && (!net_has_user() || net_legacy_option("user", errp));
}

const char *net_model_device(const char *model)
{
    return !strcmp(model, "virtio") ? "virtio-net-pci" : model;
}
