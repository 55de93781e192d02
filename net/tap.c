/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev tap: a host's TAP interface (Linux's Documentation/networking/tuntap.rst), opened here or handed over by
 * descriptor. With a virtio header of 10 bytes before each packet (vnet_hdr) checksums and segmentation pass through.
 *
 * queues=N (or fds=A:B...): a descriptor for each queue of one interface. The kernel sends a flow's packets to the
 * queue that it last came from, and to none that is detached: further queues are until a card uses them (tap_enable()).
 */
#include "net/internal.h"

#include "softmmu/mainloop.h"
#include "util/fds.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TUN_DEVICE  "/dev/net/tun"
#define SCRIPT_UP   "/etc/qemu-ifup"
#define SCRIPT_DOWN "/etc/qemu-ifdown"
enum { READ_ROUNDS = 64, HEADER = sizeof(struct virtio_net_hdr), QUEUES_MAX = 256 };

typedef struct TapNet {
    NetClient nc;
    int fd;
    bool vnet_hdr, detached;
    bool gone;          /* the interface */
    bool told;          /* that a queue cannot be switched */
    GPtrArray *further; /* of TapNet *; the first's */
    GSource *in, *out;  /* in nc.ctx; NULL: it is not waited for */
    char *ifname, *down_script;
    uint8_t buf[HEADER + NET_PACKET_MAX];
} TapNet;
#define TAP(c) container_of(c, TapNet, nc)

/* ---- packets ---- */

static void header_to_offload(const struct virtio_net_hdr *h, NetOffload *o)
{
    *o = (NetOffload){.flags = h->flags & (NET_NEEDS_CSUM | NET_DATA_VALID),
                      .gso_type = h->gso_type,
                      .hdr_len = h->hdr_len,
                      .gso_size = h->gso_size,
                      .csum_start = h->csum_start,
                      .csum_offset = h->csum_offset};
}

/* In the context of the client's owner. */
static GSource *watch(TapNet *t, GIOCondition cond, FdFn *fn)
{
    GSource *src = g_unix_fd_source_new(t->fd, cond);
    g_source_set_callback(src, G_SOURCE_FUNC(fn), t, NULL);
    g_source_attach(src, t->nc.ctx);
    return src;
}

static void unwatch(GSource **src)
{
    if (!*src)
        return;
    g_source_destroy(*src);
    g_source_unref(*src);
    *src = NULL;
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    TapNet *t = opaque;
    size_t head = t->vnet_hdr ? HEADER : 0;
    for (unsigned i = 0; i < READ_ROUNDS; i++) {
        ssize_t n = read(t->fd, t->buf + HEADER - head, head + NET_PACKET_MAX);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= (ssize_t)head) {
            unwatch(&t->in);
            t->gone = true;
            warn_report("netdev %s: the interface %s went away: %s", t->nc.name, t->ifname ? t->ifname : "of its fd",
                        n < 0 ? g_strerror(errno) : "end of file");
            return G_SOURCE_REMOVE;
        }
        struct iovec iov = {t->buf + HEADER, (size_t)n - head};
        NetPacket p = {&iov, 1, iov.iov_len, {0}};
        struct virtio_net_hdr h;
        if (head) {
            memcpy(&h, t->buf, HEADER);
            header_to_offload(&h, &p.off);
        }
        if (!net_send(&t->nc, &p)) {
            unwatch(&t->in);
            return G_SOURCE_REMOVE;
        }
    }
    return G_SOURCE_CONTINUE;
}

static void tap_writable(NetClient *nc)
{
    TapNet *t = TAP(nc);
    if (!t->in && !t->detached && !t->gone)
        t->in = watch(t, G_IO_IN, readable);
}

static gboolean room(gint fd, GIOCondition cond, gpointer opaque)
{
    TapNet *t = opaque;
    unwatch(&t->out);
    net_ready(&t->nc);
    return G_SOURCE_REMOVE;
}

static bool tap_receive(NetClient *nc, const NetPacket *p)
{
    TapNet *t = TAP(nc);
    struct iovec iov[NET_PARTS_MAX + 1];
    struct virtio_net_hdr h = {.flags = p->off.flags & NET_NEEDS_CSUM,
                               .gso_type = p->off.gso_type,
                               .hdr_len = p->off.hdr_len,
                               .gso_size = p->off.gso_size,
                               .csum_start = p->off.csum_start,
                               .csum_offset = p->off.csum_offset};
    int head = t->vnet_hdr, n = MIN(p->n, NET_PARTS_MAX);
    if (t->detached)
        return true;
    if (t->out)
        return false;
    iov[0] = (struct iovec){&h, HEADER};
    memcpy(iov + head, p->iov, (size_t)n * sizeof(iov[0]));
    if (writev(t->fd, iov, n + head) >= 0 || errno != EAGAIN)
        return true;
    t->out = watch(t, G_IO_OUT, room);
    return false;
}

static bool tap_set_offload(NetClient *nc, unsigned takes)
{
    unsigned f = takes & NET_TAKES_CSUM ? TUN_F_CSUM : 0;
    TapNet *t = TAP(nc);
    if (!t->vnet_hdr)
        return false;
    if (f) {
        f |= takes & NET_TAKES_TSO4 ? TUN_F_TSO4 : 0;
        f |= takes & NET_TAKES_TSO6 ? TUN_F_TSO6 : 0;
        f |= takes & NET_TAKES_ECN && f & (TUN_F_TSO4 | TUN_F_TSO6) ? TUN_F_TSO_ECN : 0;
    }
    return !ioctl(t->fd, TUNSETOFFLOAD, f);
}

static void stop_watching(TapNet *t)
{
    unwatch(&t->in);
    unwatch(&t->out);
}

static void tap_set_context(NetClient *nc)
{
    TapNet *t = TAP(nc);
    bool in = t->in, out = t->out;
    stop_watching(t);
    if (in)
        t->in = watch(t, G_IO_IN, readable);
    if (out)
        t->out = watch(t, G_IO_OUT, room);
}

static void tap_enable(NetClient *nc, bool on)
{
    TapNet *t = TAP(nc);
    struct ifreq ifr = {.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};
    if (t->detached == !on)
        return;
    if (ioctl(t->fd, TUNSETQUEUE, &ifr) < 0) {
        if (!t->told) /* a guest may ask for it again and again */
            warn_report("tap: %s: a queue cannot be %s: %s", nc->name, on ? "attached" : "detached", strerror(errno));
        t->told = true;
        return;
    }
    t->detached = !on;
    if (on) {
        tap_writable(nc);
        return;
    }
    stop_watching(t);
    net_purge(nc);
    net_ready(nc); /* its peer may have been told to stop */
}

/* ---- scripts ---- */

static bool run_script(const char *script, const char *ifname, Error **errp)
{
    char *argv[] = {(char *)script, (char *)ifname, NULL};
    int status = 0;
    g_autoptr(GError) err = NULL;
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL, &status, &err))
        return error_set(errp, "could not launch network script %s: %s", script, err->message);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return error_set(errp, "network script %s failed with status %d", script, status);
    return true;
}

static void tap_cleanup(NetClient *nc)
{
    TapNet *t = TAP(nc);
    Error *err = NULL;
    stop_watching(t);
    net_del_queues(nc);
    g_clear_pointer(&t->further, g_ptr_array_unref);
    if (t->down_script && !run_script(t->down_script, t->ifname, &err))
        error_report_err(err);
    if (t->fd >= 0)
        close(t->fd);
    g_free(t->ifname);
    g_free(t->down_script);
}

static const NetOps tap_ops = {
    .type = "tap",
    .receive = tap_receive,
    .writable = tap_writable,
    .cleanup = tap_cleanup,
    .set_offload = tap_set_offload,
    .enable = tap_enable,
    .set_context = tap_set_context,
};

static void further_free(void *p)
{
    TapNet *t = p;
    stop_watching(t);
    if (t->fd >= 0)
        close(t->fd);
    g_free(t);
}

static TapNet *further_new(TapNet *first)
{
    TapNet *t = g_new0(TapNet, 1);
    t->fd = -1;
    if (!first->further)
        first->further = g_ptr_array_new_with_free_func(further_free);
    g_ptr_array_add(first->further, t);
    net_add_queue(&first->nc, &t->nc);
    return t;
}

/* ---- making ---- */

static bool open_fd(TapNet *t, const char *text, Error **errp)
{
    struct ifreq ifr = {0};
    t->fd = fd_parse(text, errp);
    if (t->fd < 0)
        return false;
    int flags = fcntl(t->fd, F_GETFL);
    if (flags < 0 || fcntl(t->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return error_set_errno(errp, errno, "%s: Can't use file descriptor %d", t->nc.name, t->fd);
    if (ioctl(t->fd, TUNGETIFF, &ifr) < 0)
        return error_set_errno(errp, errno, "%s: fd=%s is no TAP interface (TUNGETIFF)", t->nc.name, text);
    if (!(ifr.ifr_flags & IFF_TAP))
        return error_set(errp, "%s: fd=%s is a TUN interface, which has no Ethernet", t->nc.name, text);
    t->vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
    net_set_info(&t->nc, "fd=%d", t->fd);
    return true;
}

/* A script's name: given, "no", or the usual one. NULL: none. */
static const char *script_of(const Json *opts, const char *key, const char *usual)
{
    const char *s = json_get_str(opts, key);
    if (s && (!*s || !strcmp(s, "no")))
        return NULL;
    return s ? s : usual;
}

/* One queue of the interface that *ifr names, which is made where it is not there. */
static bool open_queue(TapNet *t, const Json *opts, struct ifreq *ifr, Error **errp)
{
    unsigned features = 0;
    t->fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (t->fd < 0)
        return error_set_errno(errp, errno, "could not open %s", TUN_DEVICE);
    if (ioctl(t->fd, TUNGETFEATURES, &features) < 0)
        features = 0;
    if (ifr->ifr_flags & IFF_MULTI_QUEUE && !(features & IFF_MULTI_QUEUE))
        return error_set(errp, "multiqueue required, but no kernel support for IFF_MULTI_QUEUE available");
    t->vnet_hdr = net_opt_bool(opts, "vnet_hdr", true) && features & IFF_VNET_HDR;
    if (!t->vnet_hdr && net_opt_bool(opts, "vnet_hdr", false))
        return error_set(errp, "vnet_hdr=1 requested, but no kernel support for IFF_VNET_HDR available");
    if (t->vnet_hdr)
        ifr->ifr_flags |= IFF_VNET_HDR;
    if (ioctl(t->fd, TUNSETIFF, ifr) < 0)
        return error_set_errno(errp, errno, "could not configure %s (%s)", TUN_DEVICE, ifr->ifr_name);
    return true;
}

static bool open_interface(TapNet *t, const Json *opts, unsigned queues, Error **errp)
{
    const char *name = json_get_str(opts, "ifname");
    const char *up = script_of(opts, "script", SCRIPT_UP), *down = script_of(opts, "downscript", SCRIPT_DOWN);
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (name && strlen(name) >= IFNAMSIZ)
        return error_set(errp, "ifname=%s is too long: at most %d characters", name, IFNAMSIZ - 1);
    if (queues > 1)
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
    g_strlcpy(ifr.ifr_name, name ? name : "tap%d", IFNAMSIZ);
    if (!open_queue(t, opts, &ifr, errp))
        return false;
    t->ifname = g_strdup(ifr.ifr_name);
    if (up && !run_script(up, t->ifname, errp))
        return false;
    t->down_script = g_strdup(down);
    net_set_info(&t->nc, "ifname=%s,script=%s,downscript=%s", t->ifname, up ? up : "no", down ? down : "no");
    for (unsigned i = 1; i < queues; i++) {
        TapNet *q = further_new(t);
        if (!open_queue(q, opts, &ifr, errp))
            return false;
        net_set_info(&q->nc, "%s", t->nc.info);
    }
    return true;
}

/* fd=N, or fds=A:B..., which are queues of one interface. */
static bool open_fds(TapNet *t, const char *text, Error **errp)
{
    g_auto(GStrv) fds = g_strsplit(text, ":", -1);
    if (g_strv_length(fds) > QUEUES_MAX)
        return error_set(errp, "fds=: at most %d queues", QUEUES_MAX);
    for (unsigned i = 0; fds[i]; i++) {
        TapNet *q = i ? further_new(t) : t;
        if (!open_fd(q, fds[i], errp))
            return false;
        if (q->vnet_hdr != t->vnet_hdr)
            return error_set(errp, "vnet_hdr not consistent across given tap fds");
    }
    return true;
}

static bool check_opts(const Json *opts, Error **errp)
{
    static const char *const vhost[] = {"vhostfd", "vhostfds"};
    static const char *const with_fd[] = {"ifname", "script", "downscript", "vnet_hdr", "queues", "helper"};
    const char *fd = json_get_str(opts, "fd"), *fds = json_get_str(opts, "fds");
    int64_t queues = net_opt_int(opts, "queues", 1);
    for (size_t i = 0; i < ARRAY_SIZE(vhost); i++)
        if (json_get(opts, vhost[i]))
            return error_set(errp, "%s: vhost is not supported yet", vhost[i]);
    if (net_opt_bool(opts, "vhostforce", false))
        return error_set(errp, "vhostforce=on: vhost is not supported yet");
    if (net_opt_bool(opts, "vhost", false))
        warn_report("tap: vhost=on is not supported yet; packets go through this process");
    if (json_get(opts, "helper") && !fd && !fds)
        return error_set(errp, "helper=: a helper that makes the interface is not supported yet; fd= takes one that is "
                               "made, ifname= makes one");
    if (queues < 1 || queues > QUEUES_MAX)
        return error_set(errp, "queues=%" PRIi64 ": a tap interface has 1 to %d queues", queues, QUEUES_MAX);
    for (size_t i = 0; (fd || fds) && i < ARRAY_SIZE(with_fd); i++)
        if (json_get(opts, with_fd[i]))
            return error_set(
                errp, "ifname=, script=, downscript=, vnet_hdr=, queues=, helper= are invalid with fd= and fds=");
    return !(fd && fds) || error_set(errp, "fd= and fds= exclude each other");
}

/* sndbuf: bytes that the interface holds before a packet waits; 0 and absent: no limit, but a descriptor's is left. */
static bool set_send_buffers(NetClient *nc, const Json *opts, Error **errp)
{
    int64_t given = net_opt_int(opts, "sndbuf", 0);
    int bytes = given > 0 && given < INT_MAX ? (int)given : INT_MAX;
    if (!json_get(opts, "sndbuf") && !TAP(nc)->ifname)
        return true;
    for (unsigned i = 0; net_queue(nc, i); i++)
        if (ioctl(TAP(net_queue(nc, i))->fd, TUNSETSNDBUF, &bytes) < 0 && given)
            return error_set_errno(errp, errno, "sndbuf=%" PRIi64 ": TUNSETSNDBUF", given);
    return true;
}

static bool tap_open(NetClient *nc, const Json *opts, Error **errp)
{
    TapNet *t = TAP(nc);
    const char *fd = json_get_str(opts, "fd"), *fds = json_get_str(opts, "fds");
    t->fd = -1;
    bool ok = check_opts(opts, errp) &&
              (fd || fds ? open_fds(t, fd ? fd : fds, errp)
                         : open_interface(t, opts, (unsigned)net_opt_int(opts, "queues", 1), errp)) &&
              set_send_buffers(nc, opts, errp);
    if (!ok) {
        tap_cleanup(nc);
        return false;
    }
    for (unsigned i = 0; net_queue(nc, i); i++) {
        if (t->vnet_hdr)
            net_queue(nc, i)->takes = NET_TAKES_CSUM | NET_TAKES_TSO4 | NET_TAKES_TSO6 | NET_TAKES_ECN;
        if (i)
            tap_enable(net_queue(nc, i), false);
    }
    tap_writable(nc);
    return true;
}

const NetdevDesc netdev_tap = {.type = "tap", .size = sizeof(TapNet), .ops = &tap_ops, .open = tap_open};
