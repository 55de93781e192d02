/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Module net-user: the options, which are addresses within the guest's network, into libslirp's configuration. */
#include "net/user.h"

#include <sys/stat.h>

static bool parse_ip4(const char *key, const char *text, struct in_addr *a, Error **errp)
{
    return inet_aton(text, a) || error_set(errp, "Failed to parse '%s' of parameter '%s'", text, key);
}

/* RFC 791's classes, and RFC 1918's blocks. */
static uint32_t usual_mask(uint32_t net)
{
    if (!(net & 0x80000000))
        return 0xff000000;
    if ((net & 0xfff00000) == 0xac100000)
        return 0xfff00000;
    if ((net & 0xc0000000) == 0x80000000 || (net & 0xffff0000) == 0xc0a80000)
        return 0xffff0000;
    return 0xffffff00;
}

/* "ADDRESS", "ADDRESS/BITS", "ADDRESS/MASK" */
static bool parse_net(const char *text, uint32_t *net, uint32_t *mask, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    struct in_addr a, m;
    if (!parts[0])
        return error_set(errp, "Parameter 'net' is empty");
    if (!parse_ip4("net", parts[0], &a, errp))
        return false;
    *net = ntohl(a.s_addr);
    *mask = usual_mask(*net);
    if (parts[1]) {
        char *end;
        unsigned long bits = strtoul(parts[1], &end, 10);
        if (*parts[1] && !*end) {
            if (bits < 4 || bits > 32)
                return error_set(errp, "Invalid netmask '%s' of parameter 'net': 4 to 32 bits", parts[1]);
            *mask = ~0U << (32 - bits);
        } else if (!parse_ip4("net", parts[1], &m, errp)) {
            return false;
        } else {
            *mask = ntohl(m.s_addr);
        }
    }
    *net &= *mask;
    return true;
}

/* An address: key's, or the n-th of the network. */
static bool address(const Json *opts, const char *key, uint32_t net, uint32_t mask, uint32_t nth, struct in_addr *out,
                    Error **errp)
{
    const char *s = json_get_str(opts, key);
    out->s_addr = htonl(net | (nth & ~mask));
    return !s || parse_ip4(key, s, out, errp);
}

static bool in_network(const char *key, struct in_addr a, const SlirpConfig *c, Error **errp)
{
    return (a.s_addr & c->vnetmask.s_addr) == c->vnetwork.s_addr ||
           error_set(errp, "Parameter '%s': %s is not in the guest's network", key, inet_ntoa(a));
}

static bool config4(SlirpConfig *c, const Json *opts, Error **errp)
{
    uint32_t net = 0x0a000200, mask = 0xffffff00;
    const char *s = json_get_str(opts, "net");
    if (!s)
        s = json_get_str(opts, "ip");
    if (s && !parse_net(s, &net, &mask, errp))
        return false;
    c->vnetwork.s_addr = htonl(net);
    c->vnetmask.s_addr = htonl(mask);
    if (!address(opts, "host", net, mask, 2, &c->vhost, errp) ||
        !address(opts, "dhcpstart", net, mask, 15, &c->vdhcp_start, errp) ||
        !address(opts, "dns", net, mask, 3, &c->vnameserver, errp)) /* which may be one of the world */
        return false;
    if (!in_network("host", c->vhost, c, errp) || !in_network("dhcpstart", c->vdhcp_start, c, errp))
        return false;
    if (c->vnameserver.s_addr == c->vhost.s_addr)
        return error_set(errp, "DNS must be different from host");
    if (c->vdhcp_start.s_addr == c->vhost.s_addr || c->vdhcp_start.s_addr == c->vnameserver.s_addr)
        return error_set(errp, "DHCP must be different from host and DNS");
    return true;
}

static bool parse_ip6(const char *key, const char *text, struct in6_addr *a, Error **errp)
{
    return inet_pton(AF_INET6, text, a) == 1 || error_set(errp, "Failed to parse '%s' of parameter '%s'", text, key);
}

static bool same_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        if ((a->s6_addr[i / 8] ^ b->s6_addr[i / 8]) & (0x80 >> i % 8))
            return false;
    return true;
}

static bool address6(SlirpConfig *c, const Json *opts, const char *key, uint8_t last, struct in6_addr *out,
                     Error **errp)
{
    const char *s = json_get_str(opts, key);
    *out = c->vprefix_addr6;
    out->s6_addr[15] |= last;
    return !s || parse_ip6(key, s, out, errp);
}

static bool config6(SlirpConfig *c, const Json *opts, Error **errp)
{
    const char *prefix = json_get_str(opts, "ipv6-prefix");
    int64_t bits = net_opt_int(opts, "ipv6-prefixlen", 64);
    if (!parse_ip6("ipv6-prefix", prefix ? prefix : "fec0::", &c->vprefix_addr6, errp))
        return false;
    if (bits < 0 || bits > 126)
        return error_set(errp, "Invalid IPv6 prefix length %d: 0 to 126 bits", (int)bits);
    c->vprefix_len = (uint8_t)bits;
    if (!address6(c, opts, "ipv6-host", 2, &c->vhost6, errp) ||
        !address6(c, opts, "ipv6-dns", 3, &c->vnameserver6, errp))
        return false;
    return same_prefix(&c->vhost6, &c->vprefix_addr6, c->vprefix_len) ||
           error_set(errp, "Parameter 'ipv6-host': %s is not in the guest's network", json_get_str(opts, "ipv6-host"));
}

static bool config_names(UserConfig *u, const Json *opts, Error **errp)
{
    SlirpConfig *c = &u->slirp;
    struct stat st;
    c->vhostname = json_get_str(opts, "hostname");
    c->tftp_server_name = json_get_str(opts, "tftp-server-name");
    c->tftp_path = json_get_str(opts, "tftp");
    c->bootfile = json_get_str(opts, "bootfile");
    c->vdomainname = json_get_str(opts, "domainname");
    if (c->vdomainname && strlen(c->vdomainname) > 255)
        return error_set(errp, "'domainname' parameter cannot exceed 255 bytes");
    if (c->vhostname && strlen(c->vhostname) > 255)
        return error_set(errp, "'hostname' parameter cannot exceed 255 bytes");
    if (c->tftp_server_name && strlen(c->tftp_server_name) > 255)
        return error_set(errp, "'tftp-server-name' parameter cannot exceed 255 bytes");
    if (c->bootfile && strlen(c->bootfile) > 127)
        return error_set(errp, "'bootfile' parameter cannot exceed 127 bytes");
    if (c->tftp_path && (stat(c->tftp_path, &st) || !S_ISDIR(st.st_mode)))
        return error_set(errp, "tftp=%s is no folder", c->tftp_path);
    const Json *list = json_get(opts, "dnssearch");
    u->search = g_new0(const char *, json_length(list) + 1);
    for (size_t i = 0; i < json_length(list); i++)
        u->search[i] = json_get_str(json_at(list, i), "str");
    if (*u->search)
        c->vdnssearch = u->search;
    return true;
}

bool user_config(UserConfig *u, const Json *opts, Error **errp)
{
    bool has4 = json_get(opts, "ipv4"), has6 = json_get(opts, "ipv6");
    bool on4 = net_opt_bool(opts, "ipv4", true), on6 = net_opt_bool(opts, "ipv6", true);
    *u = (UserConfig){.slirp.version = MIN(SLIRP_CONFIG_VERSION_MAX, 4)};
    /* One that is asked for alone is alone. */
    u->slirp.in_enabled = has4 ? on4 : !(has6 && on6);
    u->slirp.in6_enabled = has6 ? on6 : !(has4 && on4);
    if (!u->slirp.in_enabled && !u->slirp.in6_enabled)
        return error_set(errp, "IPv4 and IPv6 disabled");
    u->slirp.restricted = net_opt_bool(opts, "restrict", false);
    if (!config4(&u->slirp, opts, errp) || !config6(&u->slirp, opts, errp))
        return false;
    if (config_names(u, opts, errp))
        return true;
    g_free(u->search);
    return false;
}
