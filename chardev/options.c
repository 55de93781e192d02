/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two other ways to say what chardev_new() is told: short forms ("tcp:localhost:4444,server=on") and QMP's nested
 * object.
 */
#include "chardev/driver.h"

#include "util/keyval.h"

bool (*chardev_monitor_hook)(Chardev *mux, Error **errp);

/* HOST:PORT up to a comma or '@'; HOST may be empty or [IPv6]. false where that is not what is there. */
static bool host_port(const char **text, char **host, char **port)
{
    const char *p = *text, *colon = *p == '[' ? strchr(p, ']') : strchr(p, ':');
    if (!colon || (*p == '[' && *++colon != ':'))
        return false;
    size_t len = strcspn(colon + 1, ",@");
    if (!len)
        return false;
    *host = *p == '[' ? g_strndup(p + 1, colon - p - 2) : g_strndup(p, colon - p);
    *port = g_strndup(colon + 1, len);
    *text = colon + 1 + len;
    return true;
}

/* The options after the address, put over what the address said. */
static bool merge(Json *opts, const char *rest, const char *implied_key, Error **errp)
{
    g_autoptr(Json) more = keyval_parse(rest, implied_key, errp);
    if (!more)
        return false;
    for (size_t i = 0; i < json_length(more); i++)
        json_set(opts, json_key_at(more, i), json_ref(json_val_at(more, i)));
    return true;
}

static bool parse_inet(Json *opts, const char *text, const char *rest, const char *kind, Error **errp)
{
    g_autofree char *host = NULL, *port = NULL;
    if (!host_port(&rest, &host, &port) || (*rest && *rest != ','))
        return error_set(errp, "'%s': expected %s:HOST:PORT, then options after commas", text, kind);
    json_set_str(opts, "backend", "socket");
    json_set_str(opts, "host", host);
    json_set_str(opts, "port", port);
    if (strcmp(kind, "tcp"))
        json_set_bool(opts, kind, true);
    return !*rest || merge(opts, rest + 1, NULL, errp);
}

/* udp:[REMOTE_HOST]:REMOTE_PORT[@[LOCAL_HOST]:LOCAL_PORT] */
static bool parse_udp(Json *opts, const char *text, const char *rest, Error **errp)
{
    g_autofree char *host = NULL, *port = NULL, *local_host = NULL, *local_port = NULL;
    bool ok = host_port(&rest, &host, &port);
    if (ok && *rest == '@') {
        rest++;
        ok = host_port(&rest, &local_host, &local_port);
    }
    if (!ok || *rest)
        return error_set(errp, "'%s': expected udp:[HOST]:PORT[@[LOCALHOST]:LOCALPORT]", text);
    json_set_str(opts, "backend", "udp");
    json_set_str(opts, "host", host);
    json_set_str(opts, "port", port);
    if (local_port) {
        json_set_str(opts, "localaddr", local_host);
        json_set_str(opts, "localport", local_port);
    }
    return true;
}

/* vc:800x600 in pixels, vc:80Cx24C in characters */
static bool parse_vc(Json *opts, const char *text, const char *size, Error **errp)
{
    char *end;
    uint64_t w = g_ascii_strtoull(size, &end, 10), h = 0;
    bool ok = end != size, columns = *end == 'C';
    end += columns;
    if (ok && *end == 'x') {
        const char *from = end + 1;
        h = g_ascii_strtoull(from, &end, 10);
        ok = end != from && (*end == 'C') == columns && !end[columns];
    } else {
        ok = false;
    }
    if (!ok)
        return error_set(errp, "'%s': expected vc:WIDTHxHEIGHT, or vc:COLUMNSCxROWSC", text);
    json_set_str(opts, "backend", "vc");
    json_set_uint(opts, columns ? "cols" : "width", w);
    json_set_uint(opts, columns ? "rows" : "height", h);
    return true;
}

static bool parse_text(Json *opts, const char *text, Error **errp)
{
    static const char *const plain[] = {"null",     "pty",     "stdio",   "vc", "msmouse",
                                        "wctablet", "braille", "testdev", NULL};
    static const char *const inet[] = {"tcp", "telnet", "tn3270", "websocket"};
    static const char *const with_path[] = {"file", "pipe"};
    if (g_strv_contains(plain, text)) {
        json_set_str(opts, "backend", text);
        return true;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(inet); i++) {
        size_t n = strlen(inet[i]);
        if (!strncmp(text, inet[i], n) && text[n] == ':')
            return parse_inet(opts, text, text + n + 1, inet[i], errp);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(with_path); i++) {
        size_t n = strlen(with_path[i]);
        if (!strncmp(text, with_path[i], n) && text[n] == ':') {
            json_set_str(opts, "backend", with_path[i]);
            json_set_str(opts, "path", text + n + 1);
            return true;
        }
    }
    if (g_str_has_prefix(text, "unix:")) {
        json_set_str(opts, "backend", "socket");
        return merge(opts, text + strlen("unix:"), "path", errp);
    }
    if (g_str_has_prefix(text, "udp:"))
        return parse_udp(opts, text, text + strlen("udp:"), errp);
    if (g_str_has_prefix(text, "vc:"))
        return parse_vc(opts, text, text + strlen("vc:"), errp);
    if (g_str_has_prefix(text, "/dev/")) {
        bool parallel = g_str_has_prefix(text, "/dev/parport");
        json_set_str(opts, "backend", parallel ? "parallel" : "serial");
        json_set_str(opts, "path", text);
        return true;
    }
    error_set(errp, "'%s' is not a character device", text);
    error_hint(errp,
               "null, stdio, pty, file:PATH, pipe:PATH, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, udp:HOST:PORT, "
               "/dev/TTY, chardev:ID and none are");
    return false;
}

Chardev *chardev_from_text(const char *id, const char *text, bool with_monitor, Error **errp)
{
    if (!strcmp(text, "none"))
        return NULL;
    if (g_str_has_prefix(text, "chardev:")) {
        Chardev *c = chardev_find(text + strlen("chardev:"));
        if (!c)
            error_set(errp, "chardev '%s' not found", text + strlen("chardev:"));
        return c;
    }
    g_autoptr(Json) opts = json_object();
    json_set_str(opts, "id", id);
    if (g_str_has_prefix(text, "mon:")) {
        text += strlen("mon:");
        json_set_bool(opts, "mux", true);
        /* Ctrl-C is for the guest there; the mux has an escape of its own. */
        if (!strcmp(text, "stdio"))
            json_set_bool(opts, "signal", false);
    }
    if (!parse_text(opts, text, errp))
        return NULL;
    Chardev *c = chardev_new(opts, errp);
    if (c && with_monitor && chardev_is_mux(c) && chardev_monitor_hook && !chardev_monitor_hook(c, errp))
        return NULL;
    return c;
}

/* --- QMP's chardev-add --- */

/* Scalars of a ChardevBackend's data have the names of the options, but for these. */
static const struct {
    const char *qmp, *option;
} renamed[] = {{"device", "path"}, {"out", "path"}, {"in", "input-path"}};

static void flatten_address(Json *opts, const Json *addr, const char *host_key, const char *port_key)
{
    const Json *data = json_get(addr, "data");
    for (size_t i = 0; i < json_length(data); i++) {
        const char *key = json_key_at(data, i);
        if (!strcmp(key, "str"))
            key = "fd";
        else if (!strcmp(key, "host"))
            key = host_key;
        else if (!strcmp(key, "port"))
            key = port_key;
        else if (!strcmp(key, "numeric") || !strcmp(key, "keep-alive") || !strcmp(key, "mptcp"))
            continue;
        json_set(opts, key, json_ref(json_val_at(data, i)));
    }
}

Json *chardev_add(const Json *args, Error **errp)
{
    const char *id = json_get_str(args, "id");
    const Json *backend = json_get(args, "backend"), *data = json_get(backend, "data");
    const char *type = json_get_str(backend, "type");
    if (!id || !type) {
        error_set(errp, "Parameter '%s' is missing", id ? "type" : "id");
        return NULL;
    }
    if (chardev_find(id)) {
        error_set(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    if (!chardev_driver_find(type)) {
        error_set(errp, "Parameter 'type' does not accept value '%s'", type);
        return NULL;
    }
    g_autoptr(Json) opts = json_object();
    json_set_str(opts, "id", id);
    json_set_str(opts, "backend", type);
    for (size_t i = 0; i < json_length(data); i++) {
        const char *key = json_key_at(data, i);
        Json *val = json_val_at(data, i);
        if (!strcmp(key, "addr") || !strcmp(key, "remote")) {
            flatten_address(opts, val, "host", "port");
            continue;
        }
        if (!strcmp(key, "local")) {
            flatten_address(opts, val, "localaddr", "localport");
            continue;
        }
        for (unsigned k = 0; k < ARRAY_SIZE(renamed); k++) {
            if (!strcmp(key, renamed[k].qmp))
                key = renamed[k].option;
        }
        json_set(opts, key, json_ref(val));
    }
    /* In QMP a socket is a server unless told otherwise, and does not wait. */
    if (!strcmp(type, "socket")) {
        bool server = true;
        if (!opt_bool(opts, "server", &server, errp))
            return NULL;
        json_set_bool(opts, "server", server);
        if (server && !json_get(opts, "wait"))
            json_set_bool(opts, "wait", false);
        else if (!server)
            json_remove(opts, "wait");
    }
    Chardev *c = chardev_new(opts, errp);
    if (!c)
        return NULL;
    Json *reply = json_object();
    if (c->drv == &chardev_pty) {
        g_autofree char *name = c->drv->filename(c);
        json_set_str(reply, "pty", name + strlen("pty:"));
    }
    return reply;
}
