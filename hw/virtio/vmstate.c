/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device in the stream, as QEMU writes it (virtio-migration.rst of its documentation; sizes and order as seen
 * in streams of QEMU 7.2):
 *
 *     the transport's configuration
 *     status, ISR (1 each), queue select (2), low features (4), configuration length (4) and bytes
 *     number of queues (4); of each its size (4), the address of its descriptors (8), requests taken (2), and the
 * transport's the device's own, by hand and by table subsections of "virtio"
 */
#include "hw/virtio/internal.h"

static const VmState virtio_sections;

static void put_virtio(VmWriter *w, const void *field, const VmField *f)
{
    VirtioDevice *v = (VirtioDevice *)field;
    const VirtioInfo *info = VIRTIO_INFO(v);
    if (v->started && v->home) { /* its state is the home thread's */
        virtio_stop(v);
        put_virtio(w, field, f);
        virtio_update_started(v);
        return;
    }
    v->transport->save_config(v, w);
    vm_put_be(w, v->status, 1);
    vm_put_be(w, v->isr, 1);
    vm_put_be(w, v->queue_sel, 2);
    vm_put_be(w, (uint32_t)v->guest_features, 4);
    vm_put_be(w, v->config_len, 4);
    vm_put(w, v->config, v->config_len);
    unsigned queues = virtio_queues_there(v);
    vm_put_be(w, queues, 4);
    for (unsigned i = 0; i < queues; i++) {
        const VirtQueue *q = &v->queues[i];
        vm_put_be(w, q->size, 4);
        vm_put_be(w, q->desc, 8);
        vm_put_be(w, q->last_avail, 2);
        v->transport->save_queue(v, i, w);
    }
    if (info->save)
        info->save(v, w);
    if (info->vmstate)
        vmstate_save(w, info->vmstate, v, NULL);
    vmstate_save(w, &virtio_sections, v, NULL);
}

static bool load_queues(VirtioDevice *v, VmReader *r, Error **errp)
{
    uint64_t n, size, desc, last;
    if (!vm_get_be(r, &n, 4, errp))
        return false;
    if (n != virtio_queues_there(v))
        return error_set(errp, "%u virtqueues, here are %u", (unsigned)n, virtio_queues_there(v));
    for (unsigned i = 0; i < n; i++) {
        VirtQueue *q = &v->queues[i];
        if (!vm_get_be(r, &size, 4, errp) || !vm_get_be(r, &desc, 8, errp) || !vm_get_be(r, &last, 2, errp))
            return false;
        if (!size || size > VIRTIO_QUEUE_SIZE_MAX)
            return error_set(errp, "virtqueue %u has %u descriptors", i, (unsigned)size);
        if (!desc && last)
            return error_set(errp, "VQ %u address 0x0 inconsistent with Host index 0x%x", i, (unsigned)last);
        virtq_reset_state(q);
        q->size = (uint16_t)size;
        q->last_avail = (uint16_t)last;
        virtq_legacy_layout(q, (uint32_t)(desc >> 12)); /* "virtio/virtqueues" says otherwise */
        q->desc = desc;
        if (!v->transport->load_queue(v, i, r, errp))
            return false;
    }
    return true;
}

static bool load_head(VirtioDevice *v, VmReader *r, Error **errp)
{
    uint64_t status, isr, sel, features, len;
    if (!vm_get_be(r, &status, 1, errp) || !vm_get_be(r, &isr, 1, errp) || !vm_get_be(r, &sel, 2, errp) ||
        !vm_get_be(r, &features, 4, errp) || !vm_get_be(r, &len, 4, errp))
        return false;
    if (sel >= VIRTIO_QUEUES_MAX)
        return error_set(errp, "virtqueue %u is selected", (unsigned)sel);
    if (features & ~v->features)
        return error_set(errp, "Features 0x%" PRIx64 " unsupported. Allowed features: 0x%" PRIx64, features,
                         v->features);
    v->status = (uint8_t)status;
    v->isr = (uint8_t)isr;
    v->queue_sel = (uint16_t)sel;
    v->guest_features = features;
    v->broken = v->disabled = v->legacy_kicked = false;
    if (VIRTIO_INFO(v)->layout)
        VIRTIO_INFO(v)->layout(v);
    /* Another version's may be longer or shorter. */
    uint64_t mine = MIN(len, v->config_len);
    if (!vm_get(r, v->config, mine, errp))
        return false;
    if (len - mine > vm_reader_left(r))
        return error_set(errp, "a configuration of %" PRIu64 " bytes", len);
    for (uint64_t i = mine, unused; i < len; i++)
        if (!vm_get_be(r, &unused, 1, errp))
            return false;
    return true;
}

static bool get_virtio(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioDevice *v = field;
    const VirtioInfo *info = VIRTIO_INFO(v);
    virtio_stop(v);
    if (!v->transport->load_config(v, r, errp) || !load_head(v, r, errp) || !load_queues(v, r, errp))
        return false;
    if (info->load && !info->load(v, r, errp))
        return false;
    if (info->vmstate && !vmstate_load(r, info->vmstate, v, info->vmstate->version, errp))
        return false;
    if (!vmstate_load(r, &virtio_sections, v, virtio_sections.version, errp))
        return false;
    v->dma = virtio_has(v, VIRTIO_F_IOMMU_PLATFORM) ? v->transport->dma(v) : &as_memory;
    if (info->features_set)
        info->features_set(v);
    for (unsigned i = 0; i < v->n_queues; i++)
        if (!virtq_sync(&v->queues[i], errp))
            return false;
    if (info->post_load && !info->post_load(v, errp))
        return false;
    virtio_update_started(v);
    return true;
}

const VmField virtio_vm_fields[] = {
    {.name = "virtio", .kind = VM_CUSTOM, .put = put_virtio, .get = get_virtio},
    {},
};

/* ---- requests ---- */

/*
 * Little endian: 0 head, 4 parts to read, 8 parts to write, 16 addresses of parts to write [1024], then of parts to
 * read [1024], then { address on the host, length } of each, in the same order.
 */
enum {
    REQ_ADDR = 16,
    REQ_SG = REQ_ADDR + 2 * 8 * VIRTIO_QUEUE_SIZE_MAX,
    REQ_SIZE = REQ_SG + 2 * 16 * VIRTIO_QUEUE_SIZE_MAX
};

void virtq_save_request(const VirtReq *r, VmWriter *w)
{
    g_autofree uint8_t *raw = g_malloc0(REQ_SIZE);
    stl_le(raw, r->head);
    stl_le(raw + 4, r->n_out);
    stl_le(raw + 8, r->n_in);
    for (unsigned i = 0; i < r->n_out + r->n_in; i++) {
        bool write = i >= r->n_out;
        unsigned slot = write ? i - r->n_out : i + VIRTIO_QUEUE_SIZE_MAX;
        stq_le(raw + REQ_ADDR + 8 * slot, r->addr[i]);
        stq_le(raw + REQ_SG + 16 * slot + 8, (write ? r->in[slot] : r->out[i]).iov_len);
    }
    vm_put(w, raw, REQ_SIZE);
}

VirtReq *virtq_load_request(VirtQueue *q, VmReader *r, size_t size, Error **errp)
{
    g_autofree uint8_t *raw = g_malloc(REQ_SIZE);
    uint64_t addr[VIRTIO_QUEUE_SIZE_MAX], len[VIRTIO_QUEUE_SIZE_MAX];
    if (!vm_get(r, raw, REQ_SIZE, errp))
        return NULL;
    uint32_t head = ldl_le(raw), n_out = ldl_le(raw + 4), n_in = ldl_le(raw + 8);
    if (head >= q->size || n_out > VIRTIO_QUEUE_SIZE_MAX || n_in > VIRTIO_QUEUE_SIZE_MAX - n_out) {
        error_set(errp, "a request of %u and %u parts at descriptor %u", n_out, n_in, head);
        return NULL;
    }
    for (unsigned i = 0; i < n_out + n_in; i++) {
        unsigned slot = i >= n_out ? i - n_out : i + VIRTIO_QUEUE_SIZE_MAX;
        addr[i] = ldq_le(raw + REQ_ADDR + 8 * slot);
        len[i] = ldq_le(raw + REQ_SG + 16 * slot + 8);
    }
    return virtq_make(q, (uint16_t)head, n_out, n_in, addr, len, size, errp);
}

/* ---- subsections ---- */

static VirtioDevice *device(void *opaque)
{
    return opaque;
}

static bool features64_needed(void *opaque)
{
    return device(opaque)->features >> 32;
}

static bool get_features(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioDevice *v = field;
    uint64_t val;
    if (!vm_get_be(r, &val, 8, errp))
        return false;
    if (val & ~v->features)
        return error_set(errp, "Features 0x%" PRIx64 " unsupported. Allowed features: 0x%" PRIx64, val, v->features);
    v->guest_features = val;
    return true;
}

static void put_features(VmWriter *w, const void *field, const VmField *f)
{
    vm_put_be(w, ((const VirtioDevice *)field)->guest_features, 8);
}

static bool modern(void *opaque)
{
    return device(opaque)->features & BIT64(VIRTIO_F_VERSION_1);
}

static void put_areas(VmWriter *w, const void *field, const VmField *f)
{
    const VirtioDevice *v = field;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        vm_put_be(w, i < v->n_queues ? v->queues[i].avail : 0, 8);
        vm_put_be(w, i < v->n_queues ? v->queues[i].used : 0, 8);
    }
}

static bool get_areas(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioDevice *v = field;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        uint64_t avail, used;
        if (!vm_get_be(r, &avail, 8, errp) || !vm_get_be(r, &used, 8, errp))
            return false;
        if (i >= v->n_queues)
            continue;
        v->queues[i].avail = avail;
        v->queues[i].used = used;
    }
    return true;
}

static bool sizes_needed(void *opaque)
{
    VirtioDevice *v = opaque;
    for (unsigned i = 0; i < v->n_queues; i++)
        if (v->queues[i].size != v->queues[i].size_default)
            return true;
    return false;
}

static void put_sizes(VmWriter *w, const void *field, const VmField *f)
{
    const VirtioDevice *v = field;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        vm_put_be(w, i < v->n_queues ? v->queues[i].size_default : 0, 4);
}

static bool get_sizes(VmReader *r, void *field, const VmField *f, Error **errp)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        uint64_t size; /* ours are a matter of properties */
        if (!vm_get_be(r, &size, 4, errp))
            return false;
    }
    return true;
}

static bool is_broken(void *opaque)
{
    return device(opaque)->broken;
}

static bool extra_needed(void *opaque)
{
    return device(opaque)->transport->extra_state;
}

static void put_extra(VmWriter *w, const void *field, const VmField *f)
{
    VirtioDevice *v = (VirtioDevice *)field;
    vmstate_save(w, v->transport->extra_state, v->proxy, NULL);
}

static bool get_extra(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioDevice *v = field;
    return vmstate_load(r, v->transport->extra_state, v->proxy, v->transport->extra_state->version, errp);
}

static bool started_needed(void *opaque)
{
    VirtioDevice *v = opaque;
    return v->use_started && (v->legacy_kicked || v->status & VIRTIO_S_DRIVER_OK);
}

static void put_started(VmWriter *w, const void *field, const VmField *f)
{
    vm_put_be(w, 1, 1);
}

static bool get_flag(VmReader *r, bool *flag, Error **errp)
{
    uint64_t val;
    if (!vm_get_be(r, &val, 1, errp))
        return false;
    if (val > 1)
        return error_set(errp, "%u is neither true nor false", (unsigned)val);
    *flag = val;
    return true;
}

static bool get_started(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioDevice *v = field;
    bool started = false;
    if (!get_flag(r, &started, errp))
        return false;
    v->legacy_kicked = started && !(v->status & VIRTIO_S_DRIVER_OK);
    return true;
}

static bool disabled_needed(void *opaque)
{
    return device(opaque)->disabled;
}

#define SUBSECTION(sym, name_, needed_, ...)                                                                           \
    static const VmState sym = {                                                                                       \
        .name = name_,                                                                                                 \
        .version = 1,                                                                                                  \
        .min_version = 1,                                                                                              \
        .needed = needed_,                                                                                             \
        .fields = (const VmField[]){__VA_ARGS__, {}},                                                                  \
    }
#define CUSTOM(name_)                                                                                                  \
    {                                                                                                                  \
        .name = #name_, .kind = VM_CUSTOM, .put = put_##name_, .get = get_##name_                                      \
    }

SUBSECTION(section_features, "virtio/64bit_features", features64_needed, CUSTOM(features));
SUBSECTION(section_areas, "virtio/virtqueues", modern, CUSTOM(areas));
SUBSECTION(section_sizes, "virtio/ringsize", sizes_needed, CUSTOM(sizes));
SUBSECTION(section_broken, "virtio/broken", is_broken, VM_BOOL(VirtioDevice, broken));
SUBSECTION(section_extra, "virtio/extra_state", extra_needed, CUSTOM(extra));
SUBSECTION(section_started, "virtio/started", started_needed, CUSTOM(started));
SUBSECTION(section_disabled, "virtio/disabled", disabled_needed, VM_BOOL(VirtioDevice, disabled));

static const VmState virtio_sections = {
    .name = "virtio",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){{}},
    .subsections = (const VmState *const[]){&section_features, &section_areas, &section_sizes, &section_broken,
                                            &section_extra, &section_started, &section_disabled, NULL},
};
