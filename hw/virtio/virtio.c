/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a virtio device: status, features, configuration, interrupts, and where its queues are served.
 *
 * An I/O thread's handlers, and the completions that a device has there, own the queues while v->started; see virtio.h.
 * What the thread cannot do without the VM lock waits in v->waiting for irq_bh.
 */
#include "hw/virtio/internal.h"

#include "softmmu/runstate.h"

#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAIT_QUEUE = 1, WAIT_CONFIG = 2, WAIT_ERROR = 4 }; /* v->waiting */
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

VirtQueue *virtio_queue(VirtioDevice *v, unsigned n)
{
    assert(n < v->n_queues);
    return &v->queues[n];
}

bool virtio_driver_ok(const VirtioDevice *v)
{
    return (__atomic_load_n(&v->status, __ATOMIC_RELAXED) & VIRTIO_S_DRIVER_OK) && !v->disabled &&
           !__atomic_load_n(&v->broken, __ATOMIC_RELAXED);
}

static void set_status(VirtioDevice *v, uint8_t status)
{
    __atomic_store_n(&v->status, status, __ATOMIC_RELAXED);
}

/* ---- interrupts ---- */

static void wait_for_bh(VirtioDevice *v, unsigned what)
{
    __atomic_fetch_or(&v->waiting, what, __ATOMIC_RELEASE);
    bh_schedule(v->irq_bh);
}

/* The message may be a write to the device's own registers: those refuse it meanwhile. */
static void interrupt(VirtioDevice *v, uint16_t vector)
{
    bool was = v->proxy->in_handler;
    v->proxy->in_handler = true;
    v->transport->interrupt(v, vector);
    v->proxy->in_handler = was;
}

/* In the home thread. */
static bool interrupt_from_home(VirtioDevice *v, uint16_t vector)
{
    if (!vm_trylock())
        return false;
    bool safe = v->transport->interrupt_safe(v, vector);
    if (safe)
        interrupt(v, vector);
    vm_unlock();
    return safe;
}

void virtio_queue_interrupt(VirtQueue *q)
{
    VirtioDevice *v = q->v;
    if (!(__atomic_load_n(&v->isr, __ATOMIC_RELAXED) & ISR_QUEUE))
        __atomic_fetch_or(&v->isr, ISR_QUEUE, __ATOMIC_RELEASE);
    if (v->transport->interrupt_fast && v->transport->interrupt_fast(v, q->vector))
        return;
    if (vm_locked()) {
        interrupt(v, q->vector);
    } else if (!interrupt_from_home(v, q->vector)) {
        __atomic_store_n(&q->irq_waiting, true, __ATOMIC_RELAXED);
        wait_for_bh(v, WAIT_QUEUE);
    }
}

void virtio_config_changed(VirtioDevice *v)
{
    ASSERT_VM_LOCKED();
    if (!(v->status & VIRTIO_S_DRIVER_OK))
        return;
    __atomic_fetch_or(&v->isr, ISR_QUEUE | ISR_CONFIG, __ATOMIC_RELEASE);
    v->generation++;
    interrupt(v, v->config_vector);
}

uint8_t virtio_isr_read(VirtioDevice *v)
{
    uint8_t isr = __atomic_exchange_n(&v->isr, 0, __ATOMIC_ACQ_REL);
    interrupt(v, VIRTIO_NO_VECTOR); /* the pin follows */
    return isr;
}

/* The device is broken, and the VM lock is held: say so, in the log and to the driver. */
static void tell_error(VirtioDevice *v, const char *text)
{
    guest_error(v->proxy ? v->proxy : &v->dev, "%s; the device stops until it is reset", text);
    if (!virtio_has(v, VIRTIO_F_VERSION_1))
        return;
    set_status(v, v->status | VIRTIO_S_NEEDS_RESET);
    virtio_config_changed(v);
}

void virtio_error(VirtioDevice *v, const char *fmt, ...)
{
    if (__atomic_exchange_n(&v->broken, true, __ATOMIC_ACQ_REL))
        return;
    va_list ap;
    va_start(ap, fmt);
    char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (vm_locked()) {
        tell_error(v, text);
        g_free(text);
        return;
    }
    g_free(__atomic_exchange_n(&v->error, text, __ATOMIC_ACQ_REL));
    wait_for_bh(v, WAIT_ERROR);
}

static void do_waiting(void *opaque)
{
    VirtioDevice *v = opaque;
    uint32_t what = __atomic_exchange_n(&v->waiting, 0, __ATOMIC_ACQUIRE);
    if (what & WAIT_QUEUE)
        for (unsigned i = 0; i < v->n_queues; i++)
            if (__atomic_exchange_n(&v->queues[i].irq_waiting, false, __ATOMIC_RELAXED))
                interrupt(v, v->queues[i].vector);
    if (what & WAIT_ERROR) {
        g_autofree char *text = __atomic_exchange_n(&v->error, NULL, __ATOMIC_ACQ_REL);
        if (text && __atomic_load_n(&v->broken, __ATOMIC_RELAXED)) /* not reset meanwhile */
            tell_error(v, text);
    }
}

/* ---- at home ---- */

static void signal_kick(const VirtQueue *q)
{
    uint64_t one = 1;
    ssize_t unused = write(q->kick_fd, &one, sizeof(one)); /* full: it is signalled already */
    (void)unused;
}

typedef struct KickSource {
    GSource src;
    VirtQueue *q;
    gpointer tag;
} KickSource;

static gboolean kick_check(GSource *src)
{
    return g_source_query_unix_fd(src, ((KickSource *)src)->tag) & G_IO_IN;
}

static gboolean kick_dispatch(GSource *src, GSourceFunc fn, gpointer data)
{
    VirtQueue *q = ((KickSource *)src)->q;
    uint64_t n;
    if (read(q->kick_fd, &n, sizeof(n)) == sizeof(n) && virtq_ready(q))
        q->fn(q->v, q);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs kick_funcs = {.check = kick_check, .dispatch = kick_dispatch};

/* The queues' doorbells are looked at at home; otherwise they call the handlers under the VM lock. */
static bool by_fd(const VirtioDevice *v)
{
    return v->home || v->ioeventfd;
}

/* In the home thread. */
static void start_at_home(void *opaque)
{
    VirtioDevice *v = opaque;
    GMainContext *ctx = virtio_home_context(v);
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtQueue *q = &v->queues[i];
        if (!q->desc || !by_fd(v))
            continue;
        KickSource *k = (KickSource *)g_source_new(&kick_funcs, sizeof(KickSource));
        k->q = q;
        k->tag = g_source_add_unix_fd(&k->src, q->kick_fd, G_IO_IN);
        q->source = &k->src;
        g_source_attach(q->source, ctx);
    }
    if (VIRTIO_INFO(v)->arrived)
        VIRTIO_INFO(v)->arrived(v);
}

/* In the home thread: no handler runs after it, nothing is in flight. */
static void stop_at_home(void *opaque)
{
    VirtioDevice *v = opaque;
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtQueue *q = &v->queues[i];
        if (!q->source)
            continue;
        g_source_destroy(q->source);
        g_source_unref(q->source);
        q->source = NULL;
    }
    if (VIRTIO_INFO(v)->stop)
        VIRTIO_INFO(v)->stop(v);
}

static void run_at_home(VirtioDevice *v, void (*fn)(void *opaque))
{
    if (v->home)
        iothread_run(v->home, fn, v);
    else
        fn(v);
}

GMainContext *virtio_home_context(VirtioDevice *v)
{
    return v->home ? iothread_context(v->home) : NULL;
}

static void release_home(Device *dev, void *opaque)
{
    VIRTIO_DEVICE(dev)->home = NULL;
}

bool virtio_set_home(VirtioDevice *v, Object *iothread, Error **errp)
{
    if (iothread)
        object_claim(&v->dev, iothread);
    else if (!(iothread = iothread_shared(VIRTIO_INFO(v)->shared_home, errp)))
        return false;
    v->home = iothread;
    device_claim(&v->dev, release_home, NULL);
    return true;
}

static void start(VirtioDevice *v)
{
    const VirtioInfo *info = VIRTIO_INFO(v);
    v->started = true;
    if (by_fd(v)) {
        memory_begin();
        for (unsigned i = 0; i < v->n_queues; i++) {
            VirtQueue *q = &v->queues[i];
            if (q->desc)
                q->doorbell = v->transport->doorbell(v, i, q->kick_fd, true);
        }
        memory_commit();
    }
    for (unsigned i = 0; i < v->n_queues; i++)
        if (v->queues[i].desc && v->transport->vector_used)
            v->transport->vector_used(v, v->queues[i].vector, true);
    if (info->start)
        info->start(v);
    run_at_home(v, start_at_home);
    /* What the driver told before. */
    for (unsigned i = 0; i < v->n_queues; i++)
        if (v->queues[i].desc)
            virtio_queue_kick(v, i);
}

void virtio_stop(VirtioDevice *v)
{
    ASSERT_VM_LOCKED();
    if (!v->started)
        return;
    run_at_home(v, stop_at_home);
    memory_begin();
    for (unsigned i = 0; i < v->n_queues; i++) {
        VirtQueue *q = &v->queues[i];
        if (q->doorbell)
            v->transport->doorbell(v, i, q->kick_fd, false);
        q->doorbell = false;
    }
    memory_commit();
    for (unsigned i = 0; i < v->n_queues; i++)
        if (v->queues[i].desc && v->transport->vector_used)
            v->transport->vector_used(v, v->queues[i].vector, false);
    v->started = false;
    bh_cancel(v->irq_bh);
    do_waiting(v);
}

void virtio_update_started(VirtioDevice *v)
{
    if (!v->started && v->dev.realized && runstate_running() && virtio_driver_ok(v))
        start(v);
}

void virtio_while_stopped(VirtioDevice *v, void (*change)(VirtioDevice *v, void *arg), void *arg)
{
    virtio_stop(v);
    change(v, arg);
    virtio_update_started(v);
}

static void run_state_changed(void *opaque, bool running, RunState state)
{
    if (running)
        virtio_update_started(opaque);
    else
        virtio_stop(opaque);
}

void virtio_queue_kick(VirtioDevice *v, unsigned queue)
{
    ASSERT_VM_LOCKED();
    if (queue >= v->n_queues || !virtq_ready(&v->queues[queue]))
        return;
    VirtQueue *q = &v->queues[queue];
    if (!(v->status & VIRTIO_S_DRIVER_OK) && !virtio_has(v, VIRTIO_F_VERSION_1))
        v->legacy_kicked = true; /* drivers of old do that; it is served */
    if (q->source)
        signal_kick(q);
    else if (v->started || v->legacy_kicked)
        if (runstate_running())
            q->fn(v, q);
}

static void kick_all(void *opaque)
{
    VirtioDevice *v = opaque;
    for (unsigned i = 0; i < v->n_queues; i++)
        virtio_queue_kick(v, i);
}

void virtq_kick_again(VirtQueue *q)
{
    if (q->source)
        signal_kick(q);
    else
        bh_schedule(q->v->kick_bh);
}

/* ---- what the driver does ---- */

void virtio_set_status(VirtioDevice *v, uint8_t status)
{
    ASSERT_VM_LOCKED();
    if (!status) {
        virtio_reset(v);
        return;
    }
    if (!(status & VIRTIO_S_DRIVER_OK))
        virtio_stop(v);
    set_status(v, status);
    if (VIRTIO_INFO(v)->status_changed)
        VIRTIO_INFO(v)->status_changed(v);
    virtio_update_started(v);
}

static void clear_queue(VirtQueue *q)
{
    virtq_reset_state(q);
    q->desc = q->avail = q->used = 0;
    q->size = q->size_default;
    q->vector = VIRTIO_NO_VECTOR;
}

void virtio_reset(VirtioDevice *v)
{
    const VirtioInfo *info = VIRTIO_INFO(v);
    virtio_stop(v);
    v->status = 0;
    if (info->status_changed)
        info->status_changed(v);
    if (info->reset)
        info->reset(v);
    v->broken = v->disabled = v->legacy_kicked = false;
    v->guest_features = 0;
    if (info->layout)
        info->layout(v);
    v->dma = &as_memory;
    v->queue_sel = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    v->isr = 0;
    for (unsigned i = 0; i < v->n_queues; i++) {
        clear_queue(&v->queues[i]);
        v->queues[i].irq_waiting = false;
    }
    g_clear_pointer(&v->error, g_free);
    v->waiting = 0;
    interrupt(v, VIRTIO_NO_VECTOR);
}

static void take_features(VirtioDevice *v, void *arg)
{
    for (unsigned i = 0; i < v->n_queues; i++)
        virtq_unmap(&v->queues[i]); /* the areas' sizes change with them */
    v->guest_features = *(uint64_t *)arg & v->features;
    v->dma = virtio_has(v, VIRTIO_F_IOMMU_PLATFORM) ? v->transport->dma(v) : &as_memory;
    if (VIRTIO_INFO(v)->layout)
        VIRTIO_INFO(v)->layout(v);
    if (VIRTIO_INFO(v)->features_set)
        VIRTIO_INFO(v)->features_set(v);
}

void virtio_set_features(VirtioDevice *v, uint64_t features)
{
    if (v->status & VIRTIO_S_FEATURES_OK)
        return;
    virtio_while_stopped(v, take_features, &features);
}

uint64_t virtio_config_read(VirtioDevice *v, uint64_t off, unsigned size)
{
    if (off + size > v->config_len)
        return ~0ULL >> (64 - 8 * size);
    VIRTIO_INFO(v)->get_config(v, v->config);
    return ldn_le(v->config + off, size);
}

void virtio_config_write(VirtioDevice *v, uint64_t off, uint64_t val, unsigned size)
{
    if (off + size > v->config_len)
        return;
    stn_le(v->config + off, size, val);
    if (VIRTIO_INFO(v)->set_config)
        VIRTIO_INFO(v)->set_config(v, v->config);
}

/* ---- queues' places ---- */

void virtio_queue_set_size(VirtioDevice *v, unsigned queue, unsigned size)
{
    VirtQueue *q = virtio_queue(v, queue);
    if (!size || !q->size || size > VIRTIO_QUEUE_SIZE_MAX || size == q->size)
        return;
    virtio_stop(v);
    virtq_unmap(q);
    q->size = (uint16_t)size;
    virtio_update_started(v);
}

void virtio_queue_set_pfn(VirtioDevice *v, unsigned queue, uint32_t pfn)
{
    VirtQueue *q = virtio_queue(v, queue);
    virtio_stop(v);
    virtq_unmap(q);
    if (q->size)
        virtq_legacy_layout(q, pfn);
    virtio_update_started(v);
}

uint32_t virtio_queue_pfn(VirtioDevice *v, unsigned queue)
{
    return (uint32_t)(virtio_queue(v, queue)->desc >> 12);
}

void virtio_queue_set_rings(VirtioDevice *v, unsigned queue, Gpa desc, Gpa avail, Gpa used)
{
    VirtQueue *q = virtio_queue(v, queue);
    if (!q->size)
        return;
    virtio_stop(v);
    virtq_unmap(q);
    q->desc = desc;
    q->avail = avail;
    q->used = used;
    virtio_update_started(v);
}

void virtio_queue_set_vector(VirtioDevice *v, unsigned queue, uint16_t vector)
{
    if (virtio_queue(v, queue)->vector == vector)
        return;
    virtio_stop(v);
    virtio_queue(v, queue)->vector = vector;
    virtio_update_started(v);
}

uint16_t virtio_queue_vector(VirtioDevice *v, unsigned queue)
{
    return virtio_queue(v, queue)->vector;
}

unsigned virtio_queue_size(VirtioDevice *v, unsigned queue)
{
    return queue < v->n_queues ? v->queues[queue].size : 0;
}

void virtio_queue_reset(VirtioDevice *v, unsigned queue)
{
    VirtQueue *q = virtio_queue(v, queue);
    virtio_stop(v);
    if (VIRTIO_INFO(v)->queue_reset)
        VIRTIO_INFO(v)->queue_reset(v, q);
    clear_queue(q);
    virtio_update_started(v);
}

/* ---- making ---- */

void virtio_set_config_len(VirtioDevice *v, uint16_t len)
{
    v->config_len = len;
    v->config = g_malloc0(len);
}

VirtQueue *virtio_add_queue(VirtioDevice *v, unsigned size, void (*fn)(VirtioDevice *v, VirtQueue *q))
{
    assert(v->n_queues < VIRTIO_QUEUES_MAX && size && size <= VIRTIO_QUEUE_SIZE_MAX);
    if (!v->queues)
        v->queues = g_new0(VirtQueue, VIRTIO_QUEUES_MAX);
    VirtQueue *q = &v->queues[v->n_queues];
    *q = (VirtQueue){.v = v, .index = v->n_queues++, .fn = fn, .size_default = (uint16_t)size, .kick_fd = -1};
    clear_queue(q);
    return q;
}

void virtio_define_queue(VirtioDevice *v, unsigned n, unsigned size, void (*fn)(VirtioDevice *v, VirtQueue *q))
{
    VirtQueue *q = virtio_queue(v, n);
    assert(!v->started && size <= VIRTIO_QUEUE_SIZE_MAX);
    if (q->fn == fn && q->size_default == size)
        return;
    q->fn = fn;
    q->size_default = (uint16_t)size;
    clear_queue(q);
}

unsigned virtio_queues_there(const VirtioDevice *v)
{
    unsigned n = 0;
    while (n < v->n_queues && v->queues[n].size_default)
        n++;
    return n;
}

bool virtio_attach(Device *proxy, const VirtioTransport *t, Bus *bus, const char *bus_type, Error **errp)
{
    bus_init(bus, proxy, BUS_VIRTIO, "virtio-bus");
    bus->type_name = bus_type;
    bus->max_devices = 1;
    bus->opaque = (void *)t;
    return device_realize_inner(proxy, bus, "virtio-backend", errp);
}

static bool bus_realize(Device *dev, Error **errp)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    if (!dev->bus->opaque)
        return error_set(errp, "%s: no transport", dev->desc->name);
    v->transport = dev->bus->opaque;
    v->proxy = dev->bus->parent;
    v->dma = &as_memory;
    return true;
}

/* The device's unrealize has run, or its realize failed. */
static void bus_unrealize(Device *dev)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    for (unsigned i = 0; i < v->n_queues; i++)
        virtq_unmap(&v->queues[i]);
}

static void bus_unrealizing(Device *dev)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    runstate_unregister(run_state_changed, v);
    virtio_stop(v);
    g_clear_pointer(&v->irq_bh, bh_delete);
    g_clear_pointer(&v->kick_bh, bh_delete);
}

/* The device's own realize is done. */
static bool bus_realized(Device *dev, Error **errp)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    const VirtioInfo *info = VIRTIO_INFO(v);
    if (info->get_features && !info->get_features(v, &v->features, errp))
        return false;
    if (v->features & BIT64(VIRTIO_F_RING_PACKED))
        return error_set(errp, "packed=on: packed virtqueues are not there yet; leave it off");
    for (unsigned i = 0; i < v->n_queues; i++)
        if ((v->queues[i].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
            return error_set_errno(errp, errno, "%s: an eventfd for queue %u", dev->desc->name, i);
    v->irq_bh = bh_new(do_waiting, v);
    v->kick_bh = bh_new_fair(kick_all, v);
    v->config_vector = VIRTIO_NO_VECTOR;
    runstate_register(run_state_changed, v);
    return true;
}

static void bus_reset(Device *dev)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    virtio_reset(v);
    if (v->config_len)
        memset(v->config, 0, v->config_len);
}

static char *bus_dev_path(Device *dev)
{
    return g_strdup(dev->desc->virtio->fw_name);
}

static void bus_finalize(Device *dev)
{
    VirtioDevice *v = VIRTIO_DEVICE(dev);
    for (unsigned i = 0; i < v->n_queues; i++)
        if (v->queues[i].kick_fd >= 0)
            close(v->queues[i].kick_fd);
    g_free(v->queues);
    g_free(v->config);
    g_free(v->error);
}

static const Prop bus_props[] = {
    PROP_BIT64("indirect_desc", VirtioDevice, features, VIRTIO_F_RING_INDIRECT, true, "indirect descriptors"),
    PROP_BIT64("event_idx", VirtioDevice, features, VIRTIO_F_EVENT_IDX, true, "interrupts and doorbells by index"),
    PROP_BIT64("notify_on_empty", VirtioDevice, features, VIRTIO_F_NOTIFY_ON_EMPTY, true,
               "legacy: interrupt when a queue runs empty"),
    PROP_BIT64("any_layout", VirtioDevice, features, VIRTIO_F_ANY_LAYOUT, true, "legacy: parts of any size"),
    PROP_BIT64("iommu_platform", VirtioDevice, features, VIRTIO_F_IOMMU_PLATFORM, false,
               "memory access as the platform's IOMMU lets"),
    PROP_BIT64("packed", VirtioDevice, features, VIRTIO_F_RING_PACKED, false, "packed virtqueues"),
    PROP_BIT64("queue_reset", VirtioDevice, features, VIRTIO_F_RING_RESET, true, "single queues can be reset"),
    PROP_BOOL("use-started", VirtioDevice, use_started, true, "migrate whether the driver has started"),
    PROP_BOOL("use-disabled-flag", VirtioDevice, use_disabled, true, "bus mastering off disables the device"),
    PROP_BOOL("x-disable-legacy-check", VirtioDevice, disable_legacy_check, false, "legacy mode for any device"),
    {},
};

const BusDesc virtio_bus_desc = {
    .type = BUS_VIRTIO,
    .name = "virtio-bus",
    .device_type = "virtio-device",
    .props = bus_props,
    .realize = bus_realize,
    .realized = bus_realized,
    .unrealizing = bus_unrealizing,
    .unrealize = bus_unrealize,
    .reset = bus_reset,
    .dev_path = bus_dev_path,
    .finalize = bus_finalize,
};
