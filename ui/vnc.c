/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -vnc: its options, and the way to module ui-vnc. */
#include "ui/vnc.h"

#include "hw/core/prop.h"
#include "ui/keymap.h"
#include "ui/vnc-net.h"
#include "util/keyval.h"
#include "util/module.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef struct VncOption {
    Json *opts;
    char *id, *where;
} VncOption;
static GArray *given; /* of VncOption */
static const VncOps *ops;
static const char module_name[] = "ui-vnc";
static bool is_default;    /* the one in given is vnc_default()'s */
static GPtrArray *waiting; /* its sockets, until the module gets them */
static char *guest_name;

typedef enum Kind { TEXT, BOOL, NUMBER } Kind;
static const struct {
    const char *name;
    Kind kind;
    const char *absent; /* what QEMU has and this program does not */
} known[] = {
    {"vnc", TEXT, NULL},
    {"id", TEXT, NULL},
    {"to", NUMBER, NULL},
    {"reverse", BOOL, NULL},
    {"password", BOOL, NULL},
    {"password-secret", TEXT, NULL},
    {"websocket", TEXT, NULL},
    {"lossy", BOOL, NULL},
    {"non-adaptive", BOOL, NULL},
    {"share", TEXT, NULL},
    {"connections", NUMBER, NULL},
    {"key-delay-ms", NUMBER, NULL},
    {"power-control", BOOL, NULL},
    {"audiodev", TEXT, NULL},
    {"display", TEXT, NULL},
    {"head", NUMBER, NULL},
    {"ipv4", BOOL, NULL},
    {"ipv6", BOOL, NULL},
    {"lock-key-sync", BOOL, NULL},
    {"tls-creds", TEXT, NULL},
    {"tls-authz", TEXT, "authorization"},
    {"sasl", BOOL, "SASL"},
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
            return error_set(errp, "%s: %s is not supported; password=on and tls-creds= are", name, known[k].absent);
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

bool vnc_default(Error **errp)
{
    if (given)
        return true;
    if (!module_exists(module_name)) {
        warn_report("no display: module '%s' is not installed; -display none is a start without one", module_name);
        return true;
    }
    is_default = true;
    return vnc_option("localhost:0,to=99,id=default", errp);
}

static bool load(Error **errp)
{
    if (!ops)
        ops = module_symbol(module_name, "vnc_ops", errp);
    return ops;
}

static bool open_one(VncOption *o, GPtrArray *listeners, Error **errp)
{
    if (load(errp) && keymap_ready(errp)) {
        if (ops->open(o->opts, o->id, guest_name, listeners, errp))
            return true;
    } else if (listeners) {
        g_ptr_array_unref(listeners);
    }
    return error_prepend(errp, "-vnc %s: ", o->where);
}

/* Somebody comes or asks: the default server becomes the module's. */
static void wake(void)
{
    GPtrArray *listeners = g_steal_pointer(&waiting);
    Error *err = NULL;

    if (listeners && !open_one(&g_array_index(given, VncOption, 0), listeners, &err))
        error_report_err(err);
}

static void first_viewer(void *opaque, int fd, bool websocket)
{
    wake();
    vnc_add_client(fd, false, NULL);
}

static bool start_default(Error **errp)
{
    VncOption *o = &g_array_index(given, VncOption, 0);
    const VncListener *l;

    /* -k may want a module, which has to be there at the start */
    waiting = vnc_listeners_new();
    if (!keymap_ready(errp) || !vnc_listen(waiting, o->opts, first_viewer, NULL, errp))
        return error_prepend(errp, "-vnc %s: ", o->where);
    l = waiting->pdata[0];
    fprintf(stderr, "VNC server running on %s:%s\n", l->host, l->port);
    return true;
}

bool vnc_start(const char *guest, bool (*audiodev_exists)(const char *id), Error **errp)
{
    guest_name = g_strdup(guest);
    if (is_default)
        return start_default(errp);
    for (guint i = 0; given && i < given->len; i++) {
        VncOption *o = &g_array_index(given, VncOption, i);
        const char *audiodev = json_get_str(o->opts, "audiodev");

        if (audiodev && !audiodev_exists(audiodev)) {
            error_set(errp, "Audiodev '%s' not found", audiodev);
            return error_prepend(errp, "-vnc %s: ", o->where);
        }
        if (!open_one(o, NULL, errp))
            return false;
    }
    return true;
}

void vnc_stop(void)
{
    if (waiting)
        g_ptr_array_unref(g_steal_pointer(&waiting));
    if (ops)
        ops->close_all();
}

Json *vnc_query(void)
{
    Json *reply;

    wake();
    if (ops)
        return ops->query();
    reply = json_object();
    json_set_bool(reply, "enabled", false);
    return reply;
}

Json *vnc_query_servers(void)
{
    wake();
    return ops ? ops->query_servers() : json_array();
}

bool vnc_set_password(const char *display, const char *password, Error **errp)
{
    wake();
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
    wake();
    return ops ? ops->expire_password(display, seconds, errp) : error_set(errp, "Could not set password expire time");
}

bool vnc_add_client(int fd, bool skip_auth, Error **errp)
{
    wake();
    if (ops)
        return ops->add_client(fd, skip_auth, errp);
    close(fd);
    return error_set(errp, "there is no VNC display; -vnc none makes one");
}

bool vnc_reload_certificates(Error **errp)
{
    wake();
    return ops ? ops->reload_certificates(errp) : error_set(errp, "Can not find vnc display");
}

bool vnc_set_addresses(const Json *addresses, Error **errp)
{
    wake();
    return ops ? ops->set_addresses(addresses, errp) : error_set(errp, "Can not find vnc display");
}
