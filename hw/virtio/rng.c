/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-rng: random bytes (virtio 1.2, section 5.4). One queue of buffers that the device fills. No configuration.
 *
 * max-bytes in each period (ms) of the virtual clock bound what the guest may take from the host's source.
 */
#include "hw/virtio/pci.h"

#include "backends/backends.h"
#include "softmmu/runstate.h"

typedef struct VirtioRng {
    VirtioDevice v;
    /* config, fixed at realize */
    Object *rng;
    uint64_t max_bytes;
    uint32_t period_ms;
    /* wiring */
    VirtQueue *queue;
    Object *source;
    RngRequest *request; /* to the source; NULL: none */
    Timer refill;
    /* state; not in QEMU's stream: the quota starts anew */
    uint64_t quota; /* bytes that it may still take in this period */
    bool limited;   /* the period has begun */
} VirtioRng;
#define RNG(v_) container_of(v_, VirtioRng, v)

#define REQUEST_MAX 65536

static void serve(VirtioRng *s);

/* Fill requests of the guest until buf is used up. A source that gave nothing is at its end: asked again when the guest
 * asks. */
static void got_bytes(void *opaque, const uint8_t *buf, size_t len)
{
    VirtioRng *s = opaque;
    s->request = NULL;
    if (!runstate_running())
        return; /* asked for anew when it runs */
    s->quota -= MIN(len, s->quota);
    size_t used = 0;
    VirtReq *r;
    bool any = false;
    /* Those without room are no end. */
    for (unsigned left = virtq_size(s->queue); left && used < len && (r = virtq_pop(s->queue, sizeof(VirtReq)));
         left--) {
        size_t n = 0;
        for (unsigned i = 0; i < r->n_in && used < len; i++) {
            size_t part = MIN(r->in[i].iov_len, len - used);
            memcpy(r->in[i].iov_base, buf + used, part);
            used += part;
            n += part;
        }
        virtq_push(r, (uint32_t)n);
        any = true;
    }
    if (any)
        virtq_notify(s->queue);
    if (len)
        serve(s);
}

static void serve(VirtioRng *s)
{
    if (s->request || !virtq_ready(s->queue) || !runstate_running() || virtq_empty(s->queue))
        return;
    if (!s->limited) { /* the first request begins the period */
        s->limited = true;
        timer_arm_ms(&s->refill, s->period_ms);
    }
    uint64_t out, n;
    virtq_count(s->queue, 0, MIN(s->quota, REQUEST_MAX), &out, &n);
    if (n)
        s->request = rng_request(s->source, n, got_bytes, s);
}

static void refilled(void *opaque)
{
    VirtioRng *s = opaque;
    s->quota = s->max_bytes;
    s->limited = false;
    serve(s);
}

static void handle(VirtioDevice *v, VirtQueue *q)
{
    serve(RNG(v));
}

static void rng_reset(VirtioDevice *v)
{
    VirtioRng *s = RNG(v);
    if (s->request)
        rng_cancel(g_steal_pointer(&s->request));
    timer_stop(&s->refill);
    s->quota = s->max_bytes;
    s->limited = false;
}

static void rng_stop(VirtioDevice *v)
{
    VirtioRng *s = RNG(v);
    if (s->request)
        rng_cancel(g_steal_pointer(&s->request));
}

static bool rng_realize(Device *dev, Error **errp)
{
    VirtioRng *s = RNG(VIRTIO_DEVICE(dev));
    if (!s->period_ms)
        return error_set(errp, "'period' parameter expects a positive integer");
    if (s->max_bytes > INT64_MAX)
        return error_set(errp, "'max-bytes' parameter must be non-negative, and less than 2^63");
    if (s->rng)
        object_claim(dev, s->rng);
    s->source = s->rng ? s->rng : rng_shared(errp);
    if (!s->source)
        return false;
    timer_init(&s->refill, refilled, s);
    s->quota = s->max_bytes;
    s->queue = virtio_add_queue(&s->v, 8, handle);
    return true;
}

static void rng_unrealize(Device *dev)
{
    rng_stop(VIRTIO_DEVICE(dev));
}

static const VmState rng_vmstate = {.name = "virtio-rng", .version = 1, .min_version = 1, .fields = virtio_vm_fields};

static const Prop rng_props[] = {
    PROP_LINK("rng", VirtioRng, rng, "rng-backend", "source of random bytes; the host's kernel where not given"),
    PROP_U64("max-bytes", VirtioRng, max_bytes, INT64_MAX, "bytes in each period"),
    PROP_U32("period", VirtioRng, period_ms, 1 << 16, "length of a period in ms"),
    {},
};

static const VirtioInfo rng_info = {
    .id = VIRTIO_ID_RNG,
    .name = "virtio-rng",
    .reset = rng_reset,
    .stop = rng_stop,
};

const DeviceDesc virtio_rng_device = {
    .name = "virtio-rng-device",
    .summary = "random bytes",
    .bus = BUS_VIRTIO,
    .category = DEV_MISC,
    .size = sizeof(VirtioRng),
    .props = rng_props,
    .vmstate = &rng_vmstate,
    .virtio = &rng_info,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
};

#define RNG_PCI_PROPS VIRTIO_PCI_IOEVENTFD, VIRTIO_PCI_VECTORS(UINT32_MAX),
VIRTIO_PCI_DEVICES(virtio_rng, "virtio-rng", DEV_MISC, "random bytes by PCI", RNG_PCI_PROPS, .class_id = 0x00ff);
