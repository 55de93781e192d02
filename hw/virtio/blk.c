/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk: a disk (virtio 1.2, section 5.2).
 *
 * A request: 16 bytes { 0 type, 4 priority, 8 sector of 512 bytes }, the data, one byte of status, over any number of
 * parts. The configuration space: see the C_* offsets. All of a device's queues are served by one I/O thread, which
 * makes its block requests, too (blk_set_home()); `stopped` is that thread's, or under the VM lock where the device is
 * stopped.
 */
#include "hw/virtio/pci.h"

#include "backends/backends.h"
#include "hw/block/blockconf.h"
#include "hw/core/machine.h"
#include "softmmu/runstate.h"
#include "util/iov.h"

enum { /* features */
       F_SEG_MAX = 2,
       F_GEOMETRY = 4,
       F_RO = 5,
       F_BLK_SIZE = 6,
       F_SCSI = 7,
       F_FLUSH = 9,
       F_TOPOLOGY = 10,
       F_CONFIG_WCE = 11,
       F_MQ = 12,
       F_DISCARD = 13,
       F_WRITE_ZEROES = 14,
};
enum {
    T_IN = 0,
    T_OUT = 1,
    T_SCSI = 2,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_WRITE_ZEROES = 13,
    T_BARRIER = INT32_MIN
};
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { /* configuration space */
       C_CAPACITY = 0,
       C_SEG_MAX = 12,
       C_CYLINDERS = 16,
       C_HEADS = 18,
       C_SECTORS = 19,
       C_BLK_SIZE = 20,
       C_PHYSICAL_EXP = 24,
       C_MIN_IO = 26,
       C_OPT_IO = 28,
       C_WRITEBACK = 32,
       C_NUM_QUEUES = 34,
       C_SIZE_BASE = 36,
       C_MAX_DISCARD = 36,
       C_MAX_DISCARD_SEG = 40,
       C_DISCARD_ALIGN = 44,
       C_SIZE_DISCARD = 48,
       C_MAX_ZEROES = 48,
       C_MAX_ZEROES_SEG = 52,
       C_ZEROES_UNMAP = 56,
       C_SIZE_ZEROES = 57,
};
enum { HEADER = 16, ID_LEN = 20, RANGE = 16, RANGE_UNMAP = 1 };
enum { QUEUES_AUTO = 0xffff, QUEUES_MAX = VIRTIO_QUEUES_MAX - 1 };

typedef struct VirtioBlk {
    VirtioDevice v;
    /* config, fixed at realize */
    BlockConf conf;
    Object *iothread;
    char *serial;
    bool config_wce, scsi, merging, seg_max_adjust, discard, report_discard, write_zeroes, wce_with_config;
    uint16_t num_queues, queue_size;
    uint32_t max_discard, max_zeroes; /* sectors */
    /* wiring */
    bool original_wce;
    GQueue stopped; /* of BlkReq: an error stopped the VM before they were done */
    bool retry;     /* the VM runs again: do them once more */
} VirtioBlk;
#define BLK(v_) container_of(v_, VirtioBlk, v)

typedef struct BlkReq {
    VirtReq r;
    VirtioBlk *s;
    uint32_t type;
    uint64_t sector;
    uint8_t *status;
    /* The data's parts: some of r's, or a copy of those that it shares with header or status. */
    struct iovec *data, *copy;
    int n_data;
    uint64_t len;
} BlkReq;

static void complete(BlkReq *q, uint8_t status)
{
    VirtQueue *vq = q->r.vq;
    *q->status = status;
    g_free(q->copy);
    virtq_push(&q->r, (uint32_t)q->r.in_len);
    virtq_notify(vq);
}

static void drop(BlkReq *q)
{
    g_free(q->copy);
    virtq_drop(&q->r);
}

/* ---- block requests ---- */

/* A request that failed goes as its policy says. */
static void done(void *opaque, int ret)
{
    BlkReq *q = opaque;
    VirtioBlk *s = q->s;
    if (!ret) {
        complete(q, S_OK);
        return;
    }
    bool read = q->type == T_IN;
    BlockOnError action = blk_error_action(s->conf.blk, read, -ret);
    blk_error(s->conf.blk, action, read, -ret);
    if (action == BLOCK_ON_ERROR_STOP)
        g_queue_push_tail(&s->stopped, q);
    else
        complete(q, action == BLOCK_ON_ERROR_IGNORE ? S_OK : S_IOERR);
}

static bool range_ok(const VirtioBlk *s, uint64_t sector, uint64_t len)
{
    uint64_t mask = s->conf.logical_block_size - 1, total = blk_sectors(s->conf.blk);
    return !(len & mask) && !((sector * BLOCK_SECTOR) & mask) && sector <= total &&
           len / BLOCK_SECTOR <= total - sector;
}

static void read_write(BlkReq *q, bool write)
{
    Block *b = q->s->conf.blk;
    if (!range_ok(q->s, q->sector, q->len)) {
        blk_count_invalid(b, write ? BLOCK_OP_WRITE : BLOCK_OP_READ);
        complete(q, S_IOERR);
    } else if (write) {
        blk_pwritev(b, q->sector * BLOCK_SECTOR, q->data, q->n_data, 0, done, q);
    } else {
        blk_preadv(b, q->sector * BLOCK_SECTOR, q->data, q->n_data, done, q);
    }
}

/* { 0 sector, 8 sectors, 12 flags } */
static void discard_zeroes(BlkReq *q)
{
    VirtioBlk *s = q->s;
    Block *b = s->conf.blk;
    bool zeroes = q->type == T_WRITE_ZEROES;
    uint8_t raw[RANGE];
    if (!(s->v.features & BIT64(zeroes ? F_WRITE_ZEROES : F_DISCARD)) || q->len != RANGE) { /* one range at a time */
        complete(q, S_UNSUPP);
        return;
    }
    iov_to_buf(q->data, q->n_data, 0, raw, RANGE);
    uint64_t sector = ldq_le(raw), len = (uint64_t)ldl_le(raw + 8) * BLOCK_SECTOR;
    uint32_t flags = ldl_le(raw + 12);
    if (flags & ~(zeroes ? RANGE_UNMAP : 0U)) {
        complete(q, S_UNSUPP);
    } else if (len / BLOCK_SECTOR > (zeroes ? s->max_zeroes : s->max_discard) || !range_ok(s, sector, len)) {
        blk_count_invalid(b, zeroes ? BLOCK_OP_WRITE : BLOCK_OP_UNMAP);
        complete(q, S_IOERR);
    } else if (zeroes) {
        blk_write_zeroes(b, sector * BLOCK_SECTOR, len, flags & RANGE_UNMAP ? BLOCK_REQ_MAY_UNMAP : 0, done, q);
    } else {
        blk_discard(b, sector * BLOCK_SECTOR, len, done, q);
    }
}

static void get_id(BlkReq *q)
{
    char id[ID_LEN] = {0};
    if (q->s->serial)
        memcpy(id, q->s->serial, MIN(strlen(q->s->serial), sizeof(id)));
    iov_from_buf(q->data, q->n_data, 0, id, MIN(q->len, sizeof(id)));
    complete(q, S_OK);
}

/* Data behind the header and before the status byte. */
static void find_data(BlkReq *q, bool write)
{
    const VirtReq *r = &q->r;
    struct iovec *iov = write ? r->out : r->in;
    int n = (int)(write ? r->n_out : r->n_in);
    q->len = write ? r->out_len - HEADER : r->in_len - 1;
    if (write && r->out[0].iov_len == HEADER) {
        q->data = iov + 1;
        q->n_data = n - 1;
    } else if (!write && r->in[n - 1].iov_len == 1) {
        q->data = iov;
        q->n_data = n - 1;
    } else {
        q->data = q->copy = g_new(struct iovec, n);
        q->n_data = iov_slice(q->copy, iov, n, write ? HEADER : 0, q->len);
    }
}

static void perform(BlkReq *q)
{
    switch (q->type) {
    case T_IN:
        read_write(q, false);
        break;
    case T_OUT:
        read_write(q, true);
        break;
    case T_FLUSH:
        blk_flush(q->s->conf.blk, done, q);
        break;
    case T_GET_ID:
        get_id(q);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        discard_zeroes(q);
        break;
    default:
        complete(q, S_UNSUPP);
    }
}

/* Take the request apart; false: it is none, the device is broken. */
static bool prepare(VirtioBlk *s, BlkReq *q)
{
    const VirtReq *r = &q->r;
    uint8_t header[HEADER];
    q->s = s;
    if (r->out_len < HEADER || !r->in_len) {
        virtio_error(&s->v, "a request of %" PRIu64 " bytes to read and %" PRIu64 " to write has no header or status",
                     r->out_len, r->in_len);
        return false;
    }
    iov_to_buf(r->out, (int)r->n_out, 0, header, HEADER);
    const struct iovec *last = &r->in[r->n_in - 1];
    q->status = (uint8_t *)last->iov_base + last->iov_len - 1;
    q->type = ldl_le(header) & ~(uint32_t)T_BARRIER;
    q->sector = ldq_le(header + 8);
    find_data(q, q->type == T_OUT || q->type == T_DISCARD || q->type == T_WRITE_ZEROES);
    return true;
}

static void retry_stopped(VirtioBlk *s)
{
    s->retry = false;
    for (guint n = g_queue_get_length(&s->stopped); n; n--) /* not those that stop again */
        perform(g_queue_pop_head(&s->stopped));
}

static void handle(VirtioDevice *v, VirtQueue *vq)
{
    VirtioBlk *s = BLK(v);
    BlkReq *q;
    unsigned left = virtq_size(vq); /* then others get their turn: some requests are done at once */
    blk_plug(s->conf.blk);
    if (s->retry)
        retry_stopped(s);
    do {
        virtq_set_notification(vq, false);
        while (left && (q = (BlkReq *)virtq_pop(vq, sizeof(BlkReq)))) {
            left--;
            if (prepare(s, q))
                perform(q);
            else
                drop(q);
        }
        if (!left) {
            virtq_kick_again(vq);
            break;
        }
        virtq_set_notification(vq, true);
    } while (!virtq_empty(vq));
    blk_unplug(s->conf.blk);
}

/* ---- configuration ---- */

static void get_config(VirtioDevice *v, uint8_t *c)
{
    VirtioBlk *s = BLK(v);
    const BlockConf *conf = &s->conf;
    uint64_t block = conf->logical_block_size;
    memset(c, 0, v->config_len);
    stq_le(c + C_CAPACITY, blk_sectors(conf->blk));
    stl_le(c + C_SEG_MAX, s->seg_max_adjust ? s->queue_size - 2U : 126);
    stw_le(c + C_CYLINDERS, (uint16_t)conf->cyls);
    c[C_HEADS] = (uint8_t)conf->heads;
    /* A track is whole blocks. */
    c[C_SECTORS] = (uint8_t)(conf->secs & ~(block / BLOCK_SECTOR - 1));
    stl_le(c + C_BLK_SIZE, (uint32_t)block);
    c[C_PHYSICAL_EXP] = (uint8_t)__builtin_ctzll(conf->physical_block_size / block);
    stw_le(c + C_MIN_IO, (uint16_t)(conf->min_io_size / block));
    stl_le(c + C_OPT_IO, (uint32_t)(conf->opt_io_size / block));
    c[C_WRITEBACK] = blk_enable_write_cache(conf->blk);
    stw_le(c + C_NUM_QUEUES, s->num_queues);
    if (v->config_len >= C_SIZE_DISCARD && s->discard) {
        bool own = s->report_discard && conf->discard_granularity != DISCARD_GRANULARITY_AUTO;
        uint64_t granularity = own && conf->discard_granularity ? conf->discard_granularity : block;
        stl_le(c + C_MAX_DISCARD, s->max_discard);
        stl_le(c + C_MAX_DISCARD_SEG, 1);
        stl_le(c + C_DISCARD_ALIGN, (uint32_t)(granularity / BLOCK_SECTOR));
    }
    if (v->config_len >= C_SIZE_ZEROES && s->write_zeroes) {
        stl_le(c + C_MAX_ZEROES, s->max_zeroes);
        stl_le(c + C_MAX_ZEROES_SEG, 1);
        c[C_ZEROES_UNMAP] = 1;
    }
}

static void set_config(VirtioDevice *v, const uint8_t *c)
{
    blk_set_enable_write_cache(BLK(v)->conf.blk, c[C_WRITEBACK] != 0);
    get_config(v, v->config);
}

/* The cache's state is in the stream where the driver has looked at the configuration. */
static bool blk_post_load(VirtioDevice *v, Error **errp)
{
    bool looked = false;
    for (unsigned i = 0; i < v->config_len; i++)
        looked |= v->config[i];
    if (looked)
        blk_set_enable_write_cache(BLK(v)->conf.blk, v->config[C_WRITEBACK] != 0);
    return true;
}

static bool get_features(VirtioDevice *v, uint64_t *f, Error **errp)
{
    VirtioBlk *s = BLK(v);
    *f |= BIT64(F_SEG_MAX) | BIT64(F_GEOMETRY) | BIT64(F_TOPOLOGY) | BIT64(F_BLK_SIZE);
    if (s->scsi && *f & BIT64(VIRTIO_F_VERSION_1))
        return error_set(errp, "Please set scsi=off for virtio-blk devices in order to use virtio 1.0");
    if (s->scsi)
        *f |= BIT64(F_SCSI);
    if (s->config_wce)
        *f |= BIT64(F_CONFIG_WCE);
    if (blk_enable_write_cache(s->conf.blk) || (s->wce_with_config && s->config_wce))
        *f |= BIT64(F_FLUSH);
    if (blk_read_only(s->conf.blk))
        *f |= BIT64(F_RO);
    if (s->num_queues > 1)
        *f |= BIT64(F_MQ);
    if (s->discard)
        *f |= BIT64(F_DISCARD);
    if (s->write_zeroes)
        *f |= BIT64(F_WRITE_ZEROES);
    return true;
}

/* A driver that knows nothing of caches has none (section 5.2.6.2). */
static void status_changed(VirtioDevice *v)
{
    if ((v->status & VIRTIO_S_DRIVER_OK) && !virtio_has(v, F_CONFIG_WCE))
        blk_set_enable_write_cache(BLK(v)->conf.blk, virtio_has(v, F_FLUSH));
}

static void blk_reset(VirtioDevice *v)
{
    VirtioBlk *s = BLK(v);
    BlkReq *q;
    blk_drain(s->conf.blk); /* of a driver that was served before DRIVER_OK */
    while ((q = g_queue_pop_head(&s->stopped)))
        drop(q);
    s->retry = false;
    blk_set_enable_write_cache(s->conf.blk, s->original_wce);
}

static void queue_reset(VirtioDevice *v, VirtQueue *vq)
{
    VirtioBlk *s = BLK(v);
    for (guint n = g_queue_get_length(&s->stopped); n; n--) {
        BlkReq *q = g_queue_pop_head(&s->stopped);
        if (q->r.vq == vq)
            drop(q);
        else
            g_queue_push_tail(&s->stopped, q);
    }
}

static void start(VirtioDevice *v)
{
    VirtioBlk *s = BLK(v);
    blk_drain(s->conf.blk);
    s->retry = !g_queue_is_empty(&s->stopped);
    if (v->home)
        blk_set_home(s->conf.blk, virtio_home_context(v));
}

static void stop(VirtioDevice *v)
{
    VirtioBlk *s = BLK(v);
    if (v->home)
        blk_leave_home(s->conf.blk);
    else
        blk_drain(s->conf.blk);
}

/* ---- the back end ---- */

static void resized(void *opaque)
{
    virtio_config_changed(opaque);
}

static void hold(void *opaque, bool on)
{
    if (on)
        virtio_stop(opaque);
    else
        virtio_update_started(opaque);
}

static const BlockDevOps dev_ops = {.resized = resized, .pause = hold};

/* ---- the stream: requests that wait for a retry ---- */

static void save(VirtioDevice *v, VmWriter *w)
{
    VirtioBlk *s = BLK(v);
    for (GList *l = s->stopped.head; l; l = l->next) {
        BlkReq *q = l->data;
        vm_put_be(w, 1, 1);
        if (s->num_queues > 1)
            vm_put_be(w, virtq_index(q->r.vq), 4);
        virtq_save_request(&q->r, w);
    }
    vm_put_be(w, 0, 1);
}

static bool load(VirtioDevice *v, VmReader *r, Error **errp)
{
    VirtioBlk *s = BLK(v);
    BlkReq *q;
    while ((q = g_queue_pop_head(&s->stopped)))
        drop(q);
    for (uint64_t more, n = 0, total = 0;; total++) {
        if (!vm_get_be(r, &more, 1, errp))
            return false;
        if (!more)
            return true;
        if (s->num_queues > 1 && !vm_get_be(r, &n, 4, errp))
            return false;
        if (n >= s->num_queues || total >= (uint64_t)s->num_queues * VIRTIO_QUEUE_SIZE_MAX)
            return error_set(errp, "request %" PRIu64 " of queue %" PRIu64 ", here are %u queues", total, n,
                             s->num_queues);
        q = (BlkReq *)virtq_load_request(virtio_queue(v, (unsigned)n), r, sizeof(BlkReq), errp);
        if (!q)
            return false;
        if (!prepare(s, q)) {
            v->broken = false;
            drop(q);
            return error_set(errp, "a request without header or status");
        }
        g_queue_push_tail(&s->stopped, q);
    }
}

/* ---- making ---- */

static bool check_props(VirtioBlk *s, Error **errp)
{
    if (!s->conf.blk)
        return error_set(errp, "drive property not set");
    if (!blk_inserted(s->conf.blk))
        return error_set(errp, "Device needs media, but drive is empty");
    if (s->num_queues == QUEUES_AUTO)
        s->num_queues = (uint16_t)CLAMP(machine ? machine->smp.cpus : 1, 1, QUEUES_MAX);
    if (!s->num_queues)
        return error_set(errp, "num-queues property must be larger than 0");
    if (s->num_queues > QUEUES_MAX)
        return error_set(errp, "num-queues property must be at most %u", QUEUES_MAX);
    if (s->queue_size <= 2 || s->queue_size > VIRTIO_QUEUE_SIZE_MAX || s->queue_size & (s->queue_size - 1))
        return error_set(errp, "invalid queue-size property (%u), must be a power of 2 (max %u)", s->queue_size,
                         VIRTIO_QUEUE_SIZE_MAX);
    if (!s->max_discard || s->max_discard > INT32_MAX / BLOCK_SECTOR)
        return error_set(errp, "invalid max-discard-sectors property (%u), must be between 1 and %u", s->max_discard,
                         INT32_MAX / BLOCK_SECTOR);
    if (!s->max_zeroes || s->max_zeroes > INT32_MAX / BLOCK_SECTOR)
        return error_set(errp, "invalid max-write-zeroes-sectors property (%u), must be between 1 and %u",
                         s->max_zeroes, INT32_MAX / BLOCK_SECTOR);
    return true;
}

static bool blk_realize(Device *dev, Error **errp)
{
    VirtioBlk *s = BLK(VIRTIO_DEVICE(dev));
    VirtioDevice *v = &s->v;
    if (!check_props(s, errp) ||
        !blockconf_attach(&s->conf, dev, &dev_ops, v, blk_read_only(s->conf.blk), true, errp) ||
        !blockconf_geometry(&s->conf, 65535, 255, 255, errp))
        return false;
    if (s->conf.discard_granularity && s->conf.discard_granularity != DISCARD_GRANULARITY_AUTO &&
        s->conf.discard_granularity < s->conf.logical_block_size)
        return error_set(errp, "discard_granularity must be at least logical_block_size");
    s->original_wce = blk_enable_write_cache(s->conf.blk);
    virtio_set_config_len(v, s->write_zeroes ? C_SIZE_ZEROES : s->discard ? C_SIZE_DISCARD : C_SIZE_BASE);
    for (unsigned i = 0; i < s->num_queues; i++)
        virtio_add_queue(v, s->queue_size, handle);
    blk_iostatus_enable(s->conf.blk);
    return virtio_set_home(v, s->iothread, errp);
}

static void blk_unrealize(Device *dev)
{
    blk_reset(VIRTIO_DEVICE(dev));
}

static const VmState blk_vmstate = {.name = "virtio-blk", .version = 2, .min_version = 2, .fields = virtio_vm_fields};

static const Prop blk_props[] = {
    BLOCK_CONF_BASE_PROPS(VirtioBlk),
    BLOCK_CONF_GEOMETRY_PROPS(VirtioBlk),
    BLOCK_CONF_ERROR_PROPS(VirtioBlk),
    PROP_STR("serial", VirtioBlk, serial, "serial number, at most 20 characters"),
    PROP_BOOL("config-wce", VirtioBlk, config_wce, true, "the driver may switch the write cache"),
    PROP_BOOL("scsi", VirtioBlk, scsi, false, "legacy SCSI requests, which are answered as not supported"),
    PROP_BOOL("request-merging", VirtioBlk, merging, true, "not used"),
    PROP_U16("num-queues", VirtioBlk, num_queues, QUEUES_AUTO, "request queues; by default one for each CPU"),
    PROP_U16("queue-size", VirtioBlk, queue_size, 256, "descriptors of a queue"),
    PROP_BOOL("seg-max-adjust", VirtioBlk, seg_max_adjust, true, "parts of a request by the queue's size"),
    PROP_LINK("iothread", VirtioBlk, iothread, "iothread", "thread for the queues; one that all share where not given"),
    PROP_BOOL("discard", VirtioBlk, discard, true, "discard requests"),
    PROP_BOOL("report-discard-granularity", VirtioBlk, report_discard, true, "tell discard_granularity"),
    PROP_BOOL("write-zeroes", VirtioBlk, write_zeroes, true, "write-zeroes requests"),
    PROP_U32("max-discard-sectors", VirtioBlk, max_discard, INT32_MAX / BLOCK_SECTOR, "sectors of one discard"),
    PROP_U32("max-write-zeroes-sectors", VirtioBlk, max_zeroes, INT32_MAX / BLOCK_SECTOR,
             "sectors of one write-zeroes"),
    PROP_BOOL("x-enable-wce-if-config-wce", VirtioBlk, wce_with_config, true, "offer flush with config-wce"),
    PROP_I32("bootindex", VirtioBlk, v.dev.bootindex, -1, "place in the boot order"),
    {},
};

static const VirtioInfo blk_info = {
    .id = VIRTIO_ID_BLOCK,
    .name = "virtio-blk",
    .fw_name = "disk@0,0",
    .legacy_features = BIT64(F_SCSI),
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .status_changed = status_changed,
    .reset = blk_reset,
    .queue_reset = queue_reset,
    .start = start,
    .stop = stop,
    .save = save,
    .load = load,
    .post_load = blk_post_load,
};

const DeviceDesc virtio_blk_device = {
    .name = "virtio-blk-device",
    .summary = "virtio disk",
    .bus = BUS_VIRTIO,
    .category = DEV_STORAGE,
    .size = sizeof(VirtioBlk),
    .props = blk_props,
    .vmstate = &blk_vmstate,
    .virtio = &blk_info,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
};

#define BLK_PCI_PROPS VIRTIO_PCI_CLASS(0), VIRTIO_PCI_IOEVENTFD, VIRTIO_PCI_VECTORS(UINT32_MAX),
VIRTIO_PCI_DEVICES(virtio_blk, "virtio-blk", DEV_STORAGE, "virtio disk by PCI", BLK_PCI_PROPS, .class_id = 0x0100);
