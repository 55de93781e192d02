/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-balloon: guest memory on loan (virtio 1.2, section 5.5). Pages that the driver puts into the balloon, or
 * reports as free, are given back to the host; what is read there then is zeroes, or what the guest writes next.
 *
 * Queues: 0 inflate, 1 deflate (page numbers of 4 KiB each), 2 statistics, then free page reporting. Configuration: 0
 * pages wanted, 4 pages there, 12 the value that the guest's kernel fills free pages with.
 *
 * RAM in larger host pages than 4 KiB stays where it is. free-page-hint=on, which only migration uses, is refused.
 */
#include "hw/virtio/balloon.h"

#include "hw/core/machine.h"
#include "hw/virtio/pci.h"
#include "softmmu/runstate.h"
#include "util/iov.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { F_STATS = 1, F_DEFLATE_ON_OOM = 2, F_FREE_PAGE_HINT = 3, F_PAGE_POISON = 4, F_REPORTING = 5 };
enum { C_PAGES = 0, C_ACTUAL = 4, C_POISON = 12, CONFIG_LEN = 16, CONFIG_OLD = 8 };
/* Of one request, which Linux's has 256 of, and before others get their turn. What is beyond stays where it is. */
enum { PAGES_MAX = 65536, PAGES_AT_ONCE = 16384 };
enum { PFN_SHIFT = 12, BALLOON_PAGE = 1 << PFN_SHIFT, STAT_SIZE = 10, QUEUE = 128, REPORTING_QUEUE = 32 };

static const char *const stat_names[] = {
    "stat-swap-in",      "stat-swap-out",         "stat-major-faults", "stat-minor-faults", "stat-free-memory",
    "stat-total-memory", "stat-available-memory", "stat-disk-caches",  "stat-htlb-pgalloc", "stat-htlb-pgfail",
};
enum { STATS = ARRAY_SIZE(stat_names) };

typedef struct Balloon {
    VirtioDevice v;
    /* config, fixed at realize */
    bool deflate_on_oom, hint, poison, reporting, old_config_size;
    Object *iothread;
    /* wiring */
    VirtQueue *inflate, *deflate, *statq, *reportq;
    VirtReq *stat_req; /* the driver's buffer, kept until new numbers are wanted */
    uint64_t stats[STATS];
    int64_t stats_update;  /* seconds since 1970; 0: there are none */
    int64_t poll_interval; /* s; 0: off. QOM's guest-stats-polling-interval */
    Timer poll;
    /* state */
    uint32_t num_pages, actual, poison_val;
} Balloon;
#define BALLOON(v_) container_of(v_, Balloon, v)

static Balloon *the_one;

/* Giving back: host memory that is whole pages of one block of RAM. */
static void discard(uint8_t *host, uint64_t len)
{
    rcu_lock();
    RamBlock *b = ram_block_of_host(host);
    if (b && b->page_size == BALLOON_PAGE && !(b->flags & RAM_READONLY_FD) && host + len <= b->host + b->size) {
        uint64_t off = host - b->host;
        if (b->fd < 0)
            madvise(host, len, MADV_DONTNEED);
        else if (b->flags & RAM_SHARED)
            fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, b->fd_offset + off, len);
        ram_block_dirty(b, off, len);
    }
    rcu_unlock();
}

static void give_page(uint64_t gpa)
{
    FlatRange r;
    rcu_lock();
    uint8_t *host = as_lookup(&as_memory, gpa, &r) && r.host && r.writable && r.last - gpa >= BALLOON_PAGE - 1
                        ? r.host + (gpa - r.addr)
                        : NULL;
    if (host)
        discard(host, BALLOON_PAGE);
    rcu_unlock();
}

static void handle_pages(VirtioDevice *v, VirtQueue *q)
{
    Balloon *s = BALLOON(v);
    VirtReq *r;
    bool any = false;
    uint64_t done = 0;
    while (done < PAGES_AT_ONCE && (r = virtq_pop(q, sizeof(VirtReq)))) {
        uint32_t pfn[64];
        uint64_t end = q == s->inflate ? MIN(r->out_len, PAGES_MAX * 4) & ~3ULL : 0;
        for (uint64_t at = 0, n; at < end; at += n) {
            n = iov_to_buf(r->out, (int)r->n_out, at, pfn, MIN(end - at, sizeof(pfn)));
            for (uint64_t i = 0; i < n / 4; i++)
                give_page((uint64_t)GUINT32_FROM_LE(pfn[i]) << PFN_SHIFT);
        }
        done += end / 4 + 1;
        virtq_push(r, 0);
        any = true;
    }
    if (any)
        virtq_notify(q);
    if (done >= PAGES_AT_ONCE)
        virtq_kick_again(q);
}

static void handle_report(VirtioDevice *v, VirtQueue *q)
{
    Balloon *s = BALLOON(v);
    VirtReq *r;
    bool any = false,
         keep = virtio_has(v, F_PAGE_POISON) && s->poison_val; /* the guest wants to find its pattern again */
    unsigned left = virtq_size(q);
    for (; left && (r = virtq_pop(q, sizeof(VirtReq))); left--) {
        for (unsigned i = 0; !keep && i < r->n_in; i++)
            if (!((uintptr_t)r->in[i].iov_base % BALLOON_PAGE) && r->in[i].iov_len &&
                !(r->in[i].iov_len % BALLOON_PAGE))
                discard(r->in[i].iov_base, r->in[i].iov_len);
        virtq_push(r, 0);
        any = true;
    }
    if (any)
        virtq_notify(q);
    if (!left)
        virtq_kick_again(q);
}

/* Statistics. */

static void clear_stats(Balloon *s)
{
    memset(s->stats, 0xff, sizeof(s->stats));
}

static void arm_poll(Balloon *s)
{
    if (s->poll_interval && virtio_has(&s->v, F_STATS))
        timer_arm_ms(&s->poll, s->poll_interval * 1000);
    else
        timer_stop(&s->poll);
}

static void handle_stats(VirtioDevice *v, VirtQueue *q)
{
    Balloon *s = BALLOON(v);
    VirtReq *r = virtq_pop(q, sizeof(VirtReq));
    if (!r)
        return;
    if (s->stat_req) { /* the driver has one buffer only; this one goes back */
        virtq_push(g_steal_pointer(&s->stat_req), 0);
        virtq_notify(q);
    }
    clear_stats(s);
    uint8_t e[STAT_SIZE];
    for (uint64_t at = 0; at + STAT_SIZE <= MIN(r->out_len, 64 * KIB); at += STAT_SIZE) {
        iov_to_buf(r->out, r->n_out, at, e, STAT_SIZE);
        if (lduw_le(e) < STATS)
            s->stats[lduw_le(e)] = ldq_le(e + 2);
    }
    s->stats_update = g_get_real_time() / G_USEC_PER_SEC;
    s->stat_req = r;
    arm_poll(s);
}

/* Giving the buffer back is the question. */
static void poll_stats(void *opaque)
{
    Balloon *s = opaque;
    if (!s->stat_req) {
        arm_poll(s);
        return;
    }
    virtq_push(g_steal_pointer(&s->stat_req), 0);
    virtq_notify(s->statq);
}

static bool interval_changed(void *obj, const Prop *p, Error **errp)
{
    Balloon *s = obj;
    if (s->poll_interval < 0 || s->poll_interval > UINT32_MAX) {
        s->poll_interval = 0;
        return error_set(errp, "timer value must be greater than zero and at most 4294967295");
    }
    arm_poll(s);
    return true;
}

static Json *balloon_qom_get(Device *dev, const char *name)
{
    Balloon *s = BALLOON(VIRTIO_DEVICE(dev));
    if (strcmp(name, "guest-stats"))
        return NULL;
    Json *all = json_object(), *stats = json_object();
    for (unsigned i = 0; i < STATS; i++)
        json_set(stats, stat_names[i], json_uint(s->stats[i]));
    json_set(all, "stats", stats);
    json_set(all, "last-update", json_int(s->stats_update));
    return all;
}

/* The driver's side. */

static uint64_t ram_bytes(void)
{
    return machine ? machine->ram_size : 0;
}

static bool get_features(VirtioDevice *v, uint64_t *features, Error **errp)
{
    *features |= BIT64(F_STATS);
    return true;
}

static void get_config(VirtioDevice *v, uint8_t *c)
{
    Balloon *s = BALLOON(v);
    stl_le(c + C_PAGES, s->num_pages);
    stl_le(c + C_ACTUAL, s->actual);
    if (v->config_len > C_POISON)
        stl_le(c + C_POISON, s->poison_val);
}

static void set_config(VirtioDevice *v, const uint8_t *c)
{
    Balloon *s = BALLOON(v);
    uint32_t old = s->actual;
    s->actual = ldl_le(c + C_ACTUAL);
    if (v->config_len > C_POISON && virtio_has(v, F_PAGE_POISON))
        s->poison_val = ldl_le(c + C_POISON);
    if (s->actual == old)
        return;
    uint64_t actual;
    balloon_query(&actual, NULL);
    Json *data = json_object();
    json_set(data, "actual", json_uint(actual));
    event_emit("BALLOON_CHANGE", data);
}

static void balloon_reset(VirtioDevice *v)
{
    Balloon *s = BALLOON(v);
    if (s->stat_req)
        virtq_drop(g_steal_pointer(&s->stat_req));
    timer_stop(&s->poll);
    clear_stats(s);
    s->poison_val = 0;
}

/* Power-on: nothing is asked of the next guest before somebody asks it. */
static void balloon_device_reset(Device *dev)
{
    Balloon *s = BALLOON(VIRTIO_DEVICE(dev));
    s->num_pages = s->actual = 0;
    s->stats_update = 0;
}

static void balloon_stop(VirtioDevice *v)
{
    Balloon *s = BALLOON(v);
    if (s->stat_req)
        virtq_unpop(g_steal_pointer(&s->stat_req));
}

/* For QMP. */

static bool active(Error **errp)
{
    return the_one || error_set_class(errp, ERROR_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
}

bool balloon_set(uint64_t target, Error **errp)
{
    if (!active(errp))
        return false;
    the_one->num_pages = (ram_bytes() - MIN(target, ram_bytes())) >> PFN_SHIFT;
    virtio_config_changed(&the_one->v);
    return true;
}

bool balloon_query(uint64_t *actual, Error **errp)
{
    if (!active(errp))
        return false;
    *actual = ram_bytes() - MIN((uint64_t)the_one->actual << PFN_SHIFT, ram_bytes());
    return true;
}

/* Device. */

static void forget(Device *dev, void *opaque)
{
    the_one = NULL;
}

static bool balloon_realize(Device *dev, Error **errp)
{
    Balloon *s = BALLOON(VIRTIO_DEVICE(dev));
    if (s->hint)
        return error_set(errp, "free-page-hint=on: there is no migration yet that would use the hints");
    if (the_one)
        return error_set(errp, "Only one balloon device is supported");
    the_one = s;
    device_claim(dev, forget, NULL);
    s->v.features |= (s->deflate_on_oom ? BIT64(F_DEFLATE_ON_OOM) : 0) | (s->poison ? BIT64(F_PAGE_POISON) : 0) |
                     (s->reporting ? BIT64(F_REPORTING) : 0);
    virtio_set_config_len(&s->v, s->old_config_size || s->poison ? CONFIG_LEN : CONFIG_OLD);
    s->inflate = virtio_add_queue(&s->v, QUEUE, handle_pages);
    s->deflate = virtio_add_queue(&s->v, QUEUE, handle_pages);
    s->statq = virtio_add_queue(&s->v, QUEUE, handle_stats);
    if (s->reporting)
        s->reportq = virtio_add_queue(&s->v, REPORTING_QUEUE, handle_report);
    timer_init(&s->poll, poll_stats, s);
    clear_stats(s);
    return true;
}

static void balloon_unrealize(Device *dev)
{
    timer_stop(&BALLOON(VIRTIO_DEVICE(dev))->poll);
}

static bool poison_needed(void *opaque)
{
    return virtio_has(opaque, F_PAGE_POISON);
}

static const VmState poison_vmstate = {.name = "virtio-balloon-device/page-poison",
                                       .version = 1,
                                       .min_version = 1,
                                       .needed = poison_needed,
                                       .fields = (const VmField[]){VM_U32(Balloon, poison_val), {}}};
static const VmState state_vmstate = {
    .name = "virtio-balloon-device",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U32(Balloon, num_pages), VM_U32(Balloon, actual), {}},
    .subsections = (const VmState *const[]){&poison_vmstate, NULL},
};
static const VmState balloon_vmstate = {
    .name = "virtio-balloon", .version = 1, .min_version = 1, .fields = virtio_vm_fields};

static const Prop balloon_props[] = {
    PROP_BOOL("deflate-on-oom", Balloon, deflate_on_oom, false, "the guest takes pages back before it runs out"),
    PROP_BOOL("free-page-hint", Balloon, hint, false, "hints for migration; not supported yet"),
    PROP_BOOL("page-poison", Balloon, poison, true, "the guest tells what it fills free pages with"),
    PROP_BOOL("free-page-reporting", Balloon, reporting, false, "the guest tells of free pages, which go to the host"),
    PROP_BOOL("qemu-4-0-config-size", Balloon, old_config_size, false, "the configuration space of QEMU 4.0"),
    PROP_LINK("iothread", Balloon, iothread, "iothread", "of free page hints"),
    PROP_(prop_i64, "guest-stats-polling-interval", Balloon, poll_interval, "seconds between statistics; 0: none",
          .runtime_set = interval_changed, .type_name = "int", .no_default = true),
    {},
};

static const VirtioInfo balloon_info = {
    .id = VIRTIO_ID_BALLOON,
    .name = "virtio-balloon",
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = balloon_reset,
    .stop = balloon_stop,
    .vmstate = &state_vmstate,
};

const DeviceDesc virtio_balloon_device = {
    .name = "virtio-balloon-device",
    .summary = "memory balloon",
    .bus = BUS_VIRTIO,
    .category = DEV_MISC,
    .size = sizeof(Balloon),
    .props = balloon_props,
    .vmstate = &balloon_vmstate,
    .virtio = &balloon_info,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .reset = balloon_device_reset,
    .qom_get = balloon_qom_get,
};

#define BALLOON_PCI_PROPS
VIRTIO_PCI_DEVICES(virtio_balloon, "virtio-balloon", DEV_MISC, "memory balloon by PCI", BALLOON_PCI_PROPS,
                   .class_id = 0x00ff);
