/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's commands about VNC, and HMP's. */
#include "monitor/hmp.h"

#include "qapi/qapi-types.h"
#include "ui/vnc.h"
#include "util/fds.h"

#include <unistd.h>

Json *qmp_query_vnc(const Json *args, Error **errp)
{
    return vnc_query();
}

Json *qmp_query_vnc_servers(const Json *args, Error **errp)
{
    return vnc_query_servers();
}

Json *qmp_change_vnc_password(const Json *args, Error **errp)
{
    vnc_set_password(NULL, json_get_str(args, "password"), errp);
    return NULL;
}

static bool is_vnc(const Json *args, const char *what, Error **errp)
{
    return !g_strcmp0(json_get_str(args, "protocol"), "vnc") ||
           error_set(errp, "Could not set %s: there is no SPICE", what);
}

Json *qmp_set_password(const Json *args, Error **errp)
{
    const char *connected = json_get_str(args, "connected");

    if (!is_vnc(args, "password", errp))
        return NULL;
    if (connected && strcmp(connected, "keep")) /* VNC's clients stay; QEMU has it so too */
        error_set(errp, "Invalid parameter 'connected'");
    else
        vnc_set_password(json_get_str(args, "display"), json_get_str(args, "password"), errp);
    return NULL;
}

Json *qmp_expire_password(const Json *args, Error **errp)
{
    if (is_vnc(args, "password expire time", errp))
        vnc_expire_password(json_get_str(args, "display"), json_get_str(args, "time"), errp);
    return NULL;
}

Json *qmp_add_client(const Json *args, Error **errp)
{
    const char *protocol = json_get_str(args, "protocol"), *name = json_get_str(args, "fdname");
    bool skip_auth = false;
    int fd = fd_name_take(name);

    json_get_bool(json_get(args, "skipauth"), &skip_auth);
    if (fd < 0) {
        error_set(errp, "File descriptor named '%s' has not been found", name);
    } else if (strcmp(protocol, "vnc")) {
        close(fd);
        error_set(errp, "protocol '%s' is invalid; vnc is supported", protocol);
    } else {
        vnc_add_client(fd, skip_auth, errp);
    }
    return NULL;
}

Json *qmp_display_reload(const Json *args, Error **errp)
{
    bool certs = false;

    json_get_bool(json_get(args, "tls-certs"), &certs);
    if (certs)
        vnc_reload_certificates(errp);
    return NULL;
}

Json *qmp_display_update(const Json *args, Error **errp)
{
    const Json *addresses = json_get(args, "addresses");

    if (addresses)
        vnc_set_addresses(addresses, errp);
    return NULL;
}

static void print_address(Hmp *h, const char *what, const Json *a)
{
    bool websocket = false;

    json_get_bool(json_get(a, "websocket"), &websocket);
    hmp_print(h, "  %s: %s:%s (%s%s)\n", what, json_get_str(a, "host"), json_get_str(a, "service"),
              json_get_str(a, "family"), websocket ? " (Websocket)" : "");
}

static void print_auth(Hmp *h, const char *indent, const Json *a)
{
    const char *sub = json_get_str(a, "vencrypt");

    hmp_print(h, "%sAuth: %s (Sub: %s)\n", indent, json_get_str(a, "auth"), sub ? sub : "none");
}

void hmp_info_vnc(Hmp *h, const Json *args)
{
    g_autoptr(Json) list = vnc_query_servers();

    if (!json_length(list))
        hmp_print(h, "None\n");
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *s = json_at(list, i), *servers = json_get(s, "server"), *clients = json_get(s, "clients");

        hmp_print(h, "%s:\n", json_get_str(s, "id"));
        for (size_t k = 0; k < json_length(servers); k++) {
            print_address(h, "Server", json_at(servers, k));
            print_auth(h, "    ", json_at(servers, k));
        }
        for (size_t k = 0; k < json_length(clients); k++) {
            print_address(h, "Client", json_at(clients, k));
            const char *name = json_get_str(json_at(clients, k), "x509_dname");
            hmp_print(h, "    x509_dname: %s\n    sasl_username: none\n", name ? name : "none");
        }
        if (!json_length(servers))
            print_auth(h, "  ", s);
    }
}

void hmp_change_vnc(Hmp *h, const Json *args)
{
    const char *what = json_get_str(args, "target"), *password = json_get_str(args, "format");
    Error *err = NULL;

    if (strcmp(what, "password") && strcmp(what, "passwd"))
        hmp_print(h, "Expected 'password' after 'vnc'\n");
    else if (!password)
        error_set(&err, "the password is missing: change vnc password PASSWORD");
    else
        vnc_set_password(NULL, password, &err);
    hmp_error(h, err);
}

static bool protocol_known(const Json *args, Error **errp)
{
    const char *p = json_get_str(args, "protocol");

    return !strcmp(p, "vnc") || !strcmp(p, "spice") || error_set(errp, "invalid parameter value: %s", p);
}

void hmp_set_password(Hmp *h, const Json *args)
{
    Error *err = NULL;

    if (protocol_known(args, &err))
        qmp_set_password(args, &err);
    hmp_error(h, err);
}

void hmp_expire_password(Hmp *h, const Json *args)
{
    Error *err = NULL;

    if (protocol_known(args, &err))
        qmp_expire_password(args, &err);
    hmp_error(h, err);
}
