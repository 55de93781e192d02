/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packets of a back end a filter object sees; and filter-dump, which writes them to a pcap file. */
#include "net/filter.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

const char *const net_filter_queue_names[] = {"all", "rx", "tx", NULL};
const char *const net_filter_status_names[] = {"off", "on", NULL};

/* NULL where there is none. */
static NetClient *back_end_of(const NetFilter *f, Error **errp)
{
    NetClient *nc = f->netdev ? net_find_back_end(f->netdev) : NULL;
    if (nc)
        return nc;
    error_set(errp, "netdev=%s: there is no such back end", f->netdev ? f->netdev : "");
    return NULL;
}

bool net_filter_attach(NetFilter *f, void (*packet)(NetFilter *f, const NetPacket *p), Error **errp)
{
    NetClient *nc = back_end_of(f, errp);
    if (!nc)
        return false;
    NetClient *held = net_hold(nc);
    f->packet = packet;
    f->nc = nc;
    nc->filters = g_slist_append(nc->filters, f);
    net_release(held);
    return true;
}

void net_filter_detach(NetFilter *f)
{
    if (!f->nc)
        return;
    NetClient *held = net_hold(f->nc);
    f->nc->filters = g_slist_remove(f->nc->filters, f);
    f->nc = NULL;
    net_release(held);
}

void net_filters_gone(NetClient *nc)
{
    for (GSList *l = nc->filters; l; l = l->next)
        ((NetFilter *)l->data)->nc = NULL;
    g_slist_free(g_steal_pointer(&nc->filters));
}

static void pass(NetClient *nc, int queue, const NetPacket *p)
{
    for (GSList *l = nc->filters; l; l = l->next) {
        NetFilter *f = l->data;
        if (f->on && (f->queue == FILTER_ALL || f->queue == queue))
            f->packet(f, p);
    }
}

void net_filters_pass(NetClient *from, NetClient *to, const NetPacket *p)
{
    if (from->filters)
        pass(from, FILTER_TX, p);
    if (to->filters)
        pass(to, FILTER_RX, p);
}

/* ---- filter-dump: the pcap format, version 2.4, in the host's byte order ---- */

#define PCAP_MAGIC       0xa1b2c3d4
#define PCAP_ETHERNET    1
#define DUMP_LEN_DEFAULT 65536

typedef struct PcapHeader {
    uint32_t magic;
    uint16_t major, minor;
    int32_t zone;
    uint32_t accuracy, snap_len, link;
} PcapHeader;
typedef struct PcapRecord {
    uint32_t sec, usec, stored, len;
} PcapRecord;

typedef struct FilterDump {
    NetFilter f;
    char *file;
    uint32_t max_len;
    int fd;
} FilterDump;
#define DUMP(o) container_of(o, FilterDump, f.obj)

static bool write_all(int fd, const void *buf, size_t len)
{
    for (const char *p = buf; len;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static void dump_packet(NetFilter *f, const NetPacket *p)
{
    FilterDump *s = DUMP(&f->obj);
    struct timespec now;
    if (s->fd < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    size_t stored = MIN(p->size, s->max_len);
    PcapRecord r = {(uint32_t)now.tv_sec, (uint32_t)(now.tv_nsec / 1000), (uint32_t)stored, (uint32_t)p->size};
    g_autofree char *buf = g_malloc(sizeof(r) + stored);
    memcpy(buf, &r, sizeof(r));
    iov_to_buf(p->iov, p->n, 0, buf + sizeof(r), stored);
    if (write_all(s->fd, buf, sizeof(r) + stored))
        return;
    warn_report("filter-dump %s: cannot write to %s: %s; it stops", f->obj.id, s->file, g_strerror(errno));
    close(s->fd);
    s->fd = -1;
}

static bool dump_complete(Object *o, Error **errp)
{
    FilterDump *s = DUMP(o);
    PcapHeader h = {PCAP_MAGIC, 2, 4, 0, 0, s->max_len, PCAP_ETHERNET};
    s->fd = -1;
    if (!back_end_of(&s->f, errp)) /* before there is a file */
        return false;
    s->fd = open(s->file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (s->fd < 0)
        return error_set_errno(errp, errno, "filter-dump: cannot open %s", s->file);
    if (write_all(s->fd, &h, sizeof(h)) ? net_filter_attach(&s->f, dump_packet, errp)
                                        : error_set_errno(errp, errno, "filter-dump: cannot write to %s", s->file))
        return true;
    close(s->fd);
    s->fd = -1;
    return false;
}

static void dump_destroy(Object *o)
{
    FilterDump *s = DUMP(o);
    net_filter_detach(&s->f);
    if (s->fd >= 0)
        close(s->fd);
}

static const Prop dump_props[] = {
    NET_FILTER_PROPS(FilterDump, f),
    PROP_STR("file", FilterDump, file, "pcap file to write"),
    PROP_U32("maxlen", FilterDump, max_len, DUMP_LEN_DEFAULT, "bytes kept of a packet"),
    {},
};

const ObjectDesc object_filter_dump = {
    .name = "filter-dump",
    .summary = "packets of a network back end into a pcap file",
    .parent = "netfilter",
    .size = sizeof(FilterDump),
    .props = dump_props,
    .required = (const char *const[]){"netdev", "file", NULL},
    .complete = dump_complete,
    .destroy = dump_destroy,
};
