/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients, their pairing, and the way of a packet from one to its peer. See net.h. */
#include "net/net.h"

#include "net/filter.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

/* A packet that waits. */
typedef struct Waiting {
    size_t len;
    NetOffload off;
    uint8_t data[];
} Waiting;

static GPtrArray *clients; /* of NetClient *, in order of creation */
static void run_state_changed(void *opaque, bool running, RunState state);

void net_init(NetClient *nc, const NetOps *ops, const char *name)
{
    ASSERT_VM_LOCKED();
    nc->ops = ops;
    nc->name = g_strdup(name);
    g_queue_init(&nc->incoming);
    if (!clients) {
        clients = g_ptr_array_new();
        runstate_register(run_state_changed, NULL);
    }
    g_ptr_array_add(clients, nc);
}

/* nc is this thread's to touch. */
static bool owned(const NetClient *nc)
{
    return nc->ctx ? nc->ctx == g_main_context_get_thread_default() : vm_locked();
}

void net_purge(NetClient *nc)
{
    Waiting *w;
    assert(owned(nc));
    while ((w = g_queue_pop_head(&nc->incoming)))
        g_free(w);
    nc->waiting_bytes = 0;
}

/* The sender was told to stop, and may go on. */
static void let_go_on(NetClient *nc)
{
    NetClient *peer = nc->peer;
    if (!nc->peer_waits)
        return;
    nc->peer_waits = false;
    if (peer && peer->ops->writable)
        peer->ops->writable(peer);
}

/* ---- further queues ---- */

static NetClient *first_of(NetClient *nc)
{
    return nc->first ? nc->first : nc;
}

unsigned net_queues(const NetClient *nc)
{
    return 1 + (nc->queues ? nc->queues->len : 0);
}

NetClient *net_queue(const NetClient *nc, unsigned n)
{
    if (!n)
        return (NetClient *)nc;
    return n < net_queues(nc) ? g_ptr_array_index(nc->queues, n - 1) : NULL;
}

static void connect_queue(NetClient *a, NetClient *b)
{
    if (a && b && !a->peer && !b->peer) {
        a->peer = b;
        b->peer = a;
    }
}

void net_add_queue(NetClient *nc, NetClient *q)
{
    ASSERT_VM_LOCKED();
    assert(!nc->first);
    q->ops = nc->ops;
    q->name = g_strdup(nc->name);
    q->conf = nc->conf;
    q->first = nc;
    q->takes = nc->takes;
    q->link_down = nc->link_down;
    g_queue_init(&q->incoming);
    if (!nc->queues)
        nc->queues = g_ptr_array_new();
    g_ptr_array_add(nc->queues, q);
    if (nc->peer)
        connect_queue(q, net_queue(nc->peer, nc->queues->len));
}

void net_del_queues(NetClient *nc)
{
    for (guint i = 0; nc->queues && i < nc->queues->len; i++) {
        NetClient *q = g_ptr_array_index(nc->queues, i), *peer = q->peer;
        assert(!q->ctx);
        net_purge(q);
        let_go_on(q);
        if (peer) {
            peer->peer = NULL;
            peer->peer_waits = false;
        }
        q->peer = NULL;
        g_clear_pointer(&q->name, g_free);
        g_clear_pointer(&q->info, g_free);
    }
    g_clear_pointer(&nc->queues, g_ptr_array_unref);
}

void net_fini(NetClient *nc)
{
    ASSERT_VM_LOCKED();
    assert(!nc->ctx);
    net_del_queues(nc);
    net_filters_gone(nc);
    net_purge(nc);
    let_go_on(nc);
    NetClient *peer = nc->peer;
    if (peer) {
        peer->peer = nc->peer = NULL;
        peer->peer_waits = false;
        if (peer->conf)
            peer->conf->peer = NULL;
    }
    g_ptr_array_remove(clients, nc);
    g_clear_pointer(&nc->name, g_free);
    g_clear_pointer(&nc->model, g_free);
    g_clear_pointer(&nc->info, g_free);
    /* A card whose back end went away has no link. */
    if (peer && peer->conf && !peer->link_down)
        net_set_link(peer, false);
}

void net_set_info(NetClient *nc, const char *fmt, ...)
{
    va_list ap;
    ASSERT_VM_LOCKED();
    va_start(ap, fmt);
    g_free(nc->info);
    nc->info = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

void net_connect(NetClient *a, NetClient *b)
{
    assert(!a->peer && !b->peer && a != b);
    for (unsigned i = 0; net_queue(a, i) && net_queue(b, i); i++)
        connect_queue(net_queue(a, i), net_queue(b, i));
}

bool net_foreach(bool (*fn)(NetClient *nc, void *opaque), void *opaque)
{
    for (guint i = 0; clients && i < clients->len; i++)
        if (!fn(g_ptr_array_index(clients, i), opaque))
            return false;
    return true;
}

static NetClient *find(const char *name, bool cards)
{
    for (guint i = 0; clients && i < clients->len; i++) {
        NetClient *nc = g_ptr_array_index(clients, i);
        if (nc->name && !strcmp(nc->name, name) && (cards || !nc->conf))
            return nc;
    }
    return NULL;
}

NetClient *net_find(const char *name)
{
    return find(name, true);
}

NetClient *net_find_back_end(const char *name)
{
    return find(name, false);
}

/* ---- the way of a packet ---- */

static bool takes_now(const NetClient *nc)
{
    if (nc->busy || (nc->conf && !runstate_running()))
        return false;
    return !nc->ops->can_receive || nc->ops->can_receive((NetClient *)nc);
}

static bool link_up(const NetClient *from)
{
    return from->peer && !from->link_down && !from->peer->link_down;
}

bool net_can_send(const NetClient *from)
{
    return !link_up(from) || (g_queue_is_empty(&from->peer->incoming) && takes_now(from->peer));
}

static void keep(NetClient *nc, const NetPacket *p)
{
    if (g_queue_get_length(&nc->incoming) >= NET_QUEUE_MAX)
        return;
    Waiting *w = g_malloc(sizeof(Waiting) + p->size);
    w->len = p->size;
    w->off = p->off;
    iov_to_buf(p->iov, p->n, 0, w->data, p->size);
    nc->waiting_bytes += p->size;
    g_queue_push_tail(&nc->incoming, w);
}

/* What waits for it, as far as it takes it; then its peer may go on. */
static void flush(NetClient *nc)
{
    while (!g_queue_is_empty(&nc->incoming) && takes_now(nc)) {
        Waiting *w = g_queue_pop_head(&nc->incoming);
        struct iovec iov = {w->data, w->len};
        NetPacket p = {&iov, 1, w->len, w->off};
        nc->busy = true;
        bool taken = nc->ops->receive(nc, &p);
        nc->busy = false;
        if (!taken) {
            g_queue_push_head(&nc->incoming, w);
            return;
        }
        nc->waiting_bytes -= w->len;
        g_free(w);
    }
    if (g_queue_is_empty(&nc->incoming) && nc->peer_waits && takes_now(nc))
        let_go_on(nc);
}

/* To a client that may or may not take it. Its order is kept: what comes behind one that waits waits, too. */
static bool give(NetClient *nc, const NetPacket *p)
{
    if (g_queue_is_empty(&nc->incoming) && takes_now(nc)) {
        nc->busy = true;
        bool taken = nc->ops->receive(nc, p);
        nc->busy = false;
        if (taken) {
            if (!g_queue_is_empty(&nc->incoming)) /* came while it was busy */
                flush(nc);
            return true;
        }
    }
    keep(nc, p);
    nc->peer_waits = true;
    return false;
}

static void give_piece(void *opaque, const uint8_t *buf, size_t len)
{
    NetClient *nc = opaque;
    struct iovec iov = {(void *)buf, len};
    NetPacket p = {&iov, 1, len, {0}};
    give(nc, &p);
}

static unsigned wants(const NetOffload *off)
{
    unsigned w = off->flags & NET_NEEDS_CSUM ? NET_TAKES_CSUM : 0;
    switch (off->gso_type & (uint8_t)~NET_GSO_ECN) {
    case NET_GSO_NONE:
        return w;
    case NET_GSO_TCPV4:
        w |= NET_TAKES_TSO4;
        break;
    case NET_GSO_TCPV6:
        w |= NET_TAKES_TSO6;
        break;
    default:
        w |= NET_TAKES_UFO;
    }
    return off->gso_type & NET_GSO_ECN ? w | NET_TAKES_ECN : w;
}

unsigned net_pieces(const NetClient *from, const NetPacket *p)
{
    if (!link_up(from) || !(wants(&p->off) & ~from->peer->takes & ~(unsigned)NET_TAKES_CSUM))
        return 0;
    return (unsigned)(p->size / MAX(p->off.gso_size, NET_SEGMENT_MIN)) + 1;
}

/* The peer does not take it as it is. */
static void give_in_software(NetClient *nc, const NetPacket *p, unsigned missing)
{
    g_autofree uint8_t *buf = g_malloc(p->size);
    iov_to_buf(p->iov, p->n, 0, buf, p->size);
    if (missing & ~(unsigned)NET_TAKES_CSUM) {
        net_segment(buf, p->size, &p->off, give_piece, nc);
        return;
    }
    if (!net_csum_finish(buf, p->size, &p->off))
        return;
    struct iovec iov = {buf, p->size};
    NetPacket whole = {&iov, 1, p->size, p->off};
    whole.off.flags &= (uint8_t)~NET_NEEDS_CSUM;
    give(nc, &whole);
}

bool net_send(NetClient *from, const NetPacket *p)
{
    assert(owned(from));
    if (!link_up(from) || !p->size || p->size > NET_PACKET_MAX)
        return true;
    NetClient *to = from->peer;
    net_filters_pass(first_of(from), first_of(to), p);
    bool was = from->busy;
    from->busy = true; /* an answer comes when this is done */
    unsigned missing = wants(&p->off) & ~to->takes;
    if (missing)
        give_in_software(to, p, missing);
    else
        give(to, p);
    from->busy = was;
    if (!was && !g_queue_is_empty(&from->incoming))
        flush(from);
    return !to->peer_waits;
}

bool net_send_buf(NetClient *from, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};
    NetPacket p = {&iov, 1, len, {0}};
    return net_send(from, &p);
}

NetClient *net_burst_begin(NetClient *from)
{
    NetClient *peer = from->peer;
    assert(owned(from));
    if (!peer || !peer->ops->burst)
        return NULL;
    peer->ops->burst(peer, true);
    return peer;
}

/* A peer that went away meanwhile has lost what it held. */
void net_burst_end(NetClient *from, NetClient *peer)
{
    if (peer && peer == from->peer)
        peer->ops->burst(peer, false);
}

void net_ready(NetClient *nc)
{
    assert(owned(nc));
    flush(nc);
}

/* What came while the VM was stopped. Cards that move do so later: their hooks are newer. */
static void run_state_changed(void *opaque, bool running, RunState state)
{
    for (guint i = 0; running && i < clients->len; i++)
        for (unsigned n = 0; i < clients->len && net_queue(g_ptr_array_index(clients, i), n); n++) {
            NetClient *nc = net_queue(g_ptr_array_index(clients, i), n);
            if (!nc->ctx) /* a started card has done it in its thread */
                net_ready(nc);
        }
}

/* ---- owners ---- */

void net_move(NetClient *nic, GMainContext *ctx)
{
    if (nic->ctx == ctx)
        return;
    for (unsigned i = 0; net_queue(nic, i); i++) {
        NetClient *q = net_queue(nic, i), *peer = q->peer;
        q->ctx = ctx;
        if (!peer)
            continue;
        peer->ctx = ctx;
        peer->ops->set_context(peer);
    }
}

NetClient *net_hold(NetClient *nc)
{
    ASSERT_VM_LOCKED();
    NetClient *first = first_of(nc), *card = first->conf ? first : first->peer;
    if (!first->ctx)
        return NULL;
    card->ops->hold(card, true);
    assert(!first->ctx);
    return card;
}

void net_release(NetClient *held)
{
    if (held)
        held->ops->hold(held, false);
}

void net_set_link(NetClient *nc, bool up)
{
    ASSERT_VM_LOCKED();
    if (nc->link_down == !up)
        return;
    NetClient *held = net_hold(nc);
    for (unsigned i = 0; net_queue(nc, i); i++) {
        net_queue(nc, i)->link_down = !up;
        if (!up)
            net_purge(net_queue(nc, i));
    }
    if (nc->ops->link_changed)
        nc->ops->link_changed(nc);
    for (unsigned i = 0; !up && net_queue(nc, i); i++)
        let_go_on(net_queue(nc, i));
    net_release(held);
}
