/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -vnc: its options, and the way to module ui-vnc. */
#include "ui/vnc.h"

#include "hw/core/prop.h"
#include "ui/keymap.h"
#include "util/keyval.h"
#include "util/module.h"

#include <time.h>
#include <unistd.h>

typedef struct VncOption {
    Json *opts;
    char *id, *where;
} VncOption;
static GArray *given; /* of VncOption */
static const VncOps *ops;

typedef enum Kind { TEXT, BOOL, NUMBER } Kind;
static const struct {
    const char *name;
    Kind kind;
    const char *absent; /* what QEMU has and this program does not */
} known[] = {
    {"vnc", TEXT, NULL},           {"id", TEXT, NULL},
    {"to", NUMBER, NULL},          {"reverse", BOOL, NULL},
    {"password", BOOL, NULL},      {"password-secret", TEXT, NULL},
    {"websocket", TEXT, NULL},     {"lossy", BOOL, NULL},
    {"non-adaptive", BOOL, NULL},  {"share", TEXT, NULL},
    {"connections", NUMBER, NULL}, {"key-delay-ms", NUMBER, NULL},
    {"power-control", BOOL, NULL}, {"audiodev", TEXT, NULL},
    {"display", TEXT, NULL},       {"head", NUMBER, NULL},
    {"ipv4", BOOL, NULL},          {"ipv6", BOOL, NULL},
    {"lock-key-sync", BOOL, NULL}, {"tls-creds", TEXT, "TLS"},
    {"tls-authz", TEXT, "TLS"},    {"sasl", BOOL, "SASL"},
    {"sasl-authz", TEXT, "SASL"},
};

/* Texts become JSON values of the option's kind. */
static bool convert(Json *opts, Error **errp)
{
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *name = json_key_at(opts, i), *text = json_get_string(json_val_at(opts, i));
        size_t k = 0;
        bool on;

        while (k < ARRAY_SIZE(known) && strcmp(known[k].name, name))
            k++;
        if (k == ARRAY_SIZE(known))
            return error_set(errp, "Invalid parameter '%s'", name);
        on = !g_strcmp0(text, "on") || !g_strcmp0(text, "yes") || !g_strcmp0(text, "true") || !g_strcmp0(text, "y");
        if (known[k].absent) {
            if (known[k].kind == BOOL && !on)
                continue;
            return error_set(errp, "%s: %s is not supported; password=on and a unix socket are", name, known[k].absent);
        }
        if (known[k].kind == BOOL) {
            bool off =
                !g_strcmp0(text, "off") || !g_strcmp0(text, "no") || !g_strcmp0(text, "false") || !g_strcmp0(text, "n");

            if (!on && !off)
                return error_set(errp, "Parameter '%s' expects 'on' or 'off'", name);
            json_set_bool(opts, name, on);
        } else if (known[k].kind == NUMBER) {
            uint64_t n;

            if (!text || !parse_u64(text, &n) || n > UINT32_MAX)
                return error_set(errp, "Parameter '%s' expects a number", name);
            json_set_uint(opts, name, n);
        }
    }
    return true;
}

static bool check(const Json *opts, Error **errp)
{
    static const char *const shares[] = {"allow-exclusive", "force-shared", "ignore", NULL};
    const char *share = json_get_str(opts, "share"), *address = json_get_str(opts, "vnc");

    if (share && !g_strv_contains(shares, share))
        return error_set(errp, "unknown vnc share= option");
    if (!address)
        return error_set(errp, "no vnc port specified");
    if (json_get(opts, "password-secret") && json_get(opts, "password"))
        return error_set(errp, "'password' flag is redundant with 'password-secret'");
    return true;
}

bool vnc_option(const char *text, Error **errp)
{
    g_autoptr(Json) opts = keyval_parse(text, "vnc", errp);
    VncOption o;

    if (!opts || !convert(opts, errp) || !check(opts, errp))
        return false;
    if (!given)
        given = g_array_new(false, false, sizeof(VncOption));
    o = (VncOption){json_ref(opts), g_strdup(json_get_str(opts, "id")), g_strdup(text)};
    if (!o.id)
        o.id = given->len ? g_strdup_printf("vnc%u", given->len + 1) : g_strdup("default");
    for (guint i = 0; i < given->len; i++)
        if (!strcmp(g_array_index(given, VncOption, i).id, o.id))
            return error_set(errp, "Duplicate ID '%s' for vnc", o.id);
    g_array_append_val(given, o);
    return true;
}

static bool load(Error **errp)
{
    if (!ops)
        ops = module_symbol("ui-vnc", "vnc_ops", errp);
    return ops;
}

bool vnc_start(const char *guest, bool (*audiodev_exists)(const char *id), Error **errp)
{
    for (guint i = 0; given && i < given->len; i++) {
        VncOption *o = &g_array_index(given, VncOption, i);
        const char *audiodev = json_get_str(o->opts, "audiodev");

        if (audiodev && !audiodev_exists(audiodev)) {
            error_set(errp, "Audiodev '%s' not found", audiodev);
            return error_prepend(errp, "-vnc %s: ", o->where);
        }
        if (!load(errp) || !keymap_ready(errp) || !ops->open(o->opts, o->id, guest, errp))
            return error_prepend(errp, "-vnc %s: ", o->where);
    }
    return true;
}

void vnc_stop(void)
{
    if (ops)
        ops->close_all();
}

Json *vnc_query(void)
{
    Json *reply;

    if (ops)
        return ops->query();
    reply = json_object();
    json_set_bool(reply, "enabled", false);
    return reply;
}

Json *vnc_query_servers(void)
{
    return ops ? ops->query_servers() : json_array();
}

bool vnc_set_password(const char *display, const char *password, Error **errp)
{
    return ops ? ops->set_password(display, password, errp) : error_set(errp, "Could not set password");
}

bool vnc_expire_password(const char *display, const char *when, Error **errp)
{
    int64_t seconds;
    char *end;

    if (!strcmp(when, "now")) {
        seconds = 0;
    } else if (!strcmp(when, "never")) {
        seconds = INT64_MAX;
    } else {
        bool relative = *when == '+';

        seconds = g_ascii_strtoll(when + relative, &end, 10);
        if (!g_ascii_isdigit(when[relative]) || *end || seconds < 0 || seconds > INT64_MAX / 2)
            return error_set(errp, "Parameter 'time' takes now, never, +SECONDS or SECONDS since 1970, not '%s'", when);
        if (relative)
            seconds += time(NULL);
    }
    return ops ? ops->expire_password(display, seconds, errp) : error_set(errp, "Could not set password expire time");
}

bool vnc_add_client(int fd, bool skip_auth, Error **errp)
{
    if (ops)
        return ops->add_client(fd, skip_auth, errp);
    close(fd);
    return error_set(errp, "there is no VNC display; -vnc none makes one");
}

bool vnc_set_addresses(const Json *addresses, Error **errp)
{
    return ops ? ops->set_addresses(addresses, errp) : error_set(errp, "Can not find vnc display");
}
