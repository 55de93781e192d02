/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices (OASIS Virtual I/O Device version 1.2): the part that all of them share, and its two sides.
 *
 *     device (rng.c, blk.c ...) -> VirtioInfo, VirtQueue -> this core -> VirtioTransport (pci.c) -> guest
 *
 * A virtio device is a Device of its own on the one-place bus of its transport: virtio-rng-device on the virtio-bus of
 * a virtio-rng-pci, whose inner device it is. Its struct begins with VirtioDevice; its descriptor has a VirtioInfo.
 *
 * Who may touch a queue: while the device is started the thread that its queues are at home in (the I/O thread that
 * virtio_set_home() named, or the main loop); otherwise whoever has the VM lock. The core moves them: it starts a
 * device when the guest drives it and the VM runs, and stops it, with all its requests completed, before anything of
 * the queues or the rings' places changes, the VM stops, or the device goes. All else here wants the VM lock, but what
 * says "any thread". An I/O thread never waits for the VM lock: the holder may be waiting for the thread.
 *
 * The guest is hostile: rings are read once, a descriptor chain is copied, bounded and mapped before a device sees it.
 * What makes no sense breaks the device until the guest resets it (virtio_error()).
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include "backends/backends.h"
#include "hw/core/device.h"
#include "hw/core/object.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"

#include <sys/uio.h>

typedef struct VirtioDevice VirtioDevice;
typedef struct VirtQueue VirtQueue;

#define VIRTIO_QUEUES_MAX     1024
#define VIRTIO_QUEUE_SIZE_MAX 1024 /* descriptors of a queue, and parts of a request in each direction */
#define VIRTIO_NO_VECTOR      0xffff

enum { /* device ids, section 5 */
       VIRTIO_ID_NET = 1,
       VIRTIO_ID_BLOCK = 2,
       VIRTIO_ID_CONSOLE = 3,
       VIRTIO_ID_RNG = 4,
       VIRTIO_ID_BALLOON = 5,
       VIRTIO_ID_SCSI = 8,
       VIRTIO_ID_9P = 9,
       VIRTIO_ID_GPU = 16,
       VIRTIO_ID_INPUT = 18,
};
enum { /* device status, section 2.1 */
       VIRTIO_S_ACKNOWLEDGE = 1,
       VIRTIO_S_DRIVER = 2,
       VIRTIO_S_DRIVER_OK = 4,
       VIRTIO_S_FEATURES_OK = 8,
       VIRTIO_S_NEEDS_RESET = 0x40,
       VIRTIO_S_FAILED = 0x80,
};
enum { /* feature bits that are no device's own, section 6 */
       VIRTIO_F_NOTIFY_ON_EMPTY = 24,
       VIRTIO_F_ANY_LAYOUT = 27,
       VIRTIO_F_RING_INDIRECT = 28,
       VIRTIO_F_EVENT_IDX = 29,
       VIRTIO_F_BAD_FEATURE = 30,
       VIRTIO_F_VERSION_1 = 32,
       VIRTIO_F_IOMMU_PLATFORM = 33,
       VIRTIO_F_RING_PACKED = 34,
       VIRTIO_F_RING_RESET = 40,
};
/* Offered to legacy drivers only, for every device. */
#define VIRTIO_LEGACY_FEATURES                                                                                         \
    (BIT64(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT64(VIRTIO_F_ANY_LAYOUT) | BIT64(VIRTIO_F_BAD_FEATURE))

/* ---- requests ---- */

/*
 * What the driver made available: the parts that the device reads (out) and then those that it writes (in), mapped. A
 * device's own struct for it begins with this.
 */
typedef struct VirtReq {
    VirtQueue *vq;
    uint16_t head;  /* the driver's name of it */
    uint16_t slots; /* of a packed ring */
    unsigned n_out, n_in;
    struct iovec *out, *in;
    uint64_t *addr;           /* guest addresses: of out[], then of in[] */
    uint64_t out_len, in_len; /* bytes */
} VirtReq;

/* The next request, in a zeroed struct of size bytes; NULL: none, or the device is broken. */
VirtReq *virtq_pop(VirtQueue *q, size_t size);
/* Give it back, written bytes of in[] long, and free it. The driver sees it; virtq_notify() tells it so. */
void virtq_push(VirtReq *r, uint32_t written);
/* The same in two steps, for several requests that shall appear at once: fill(0), fill(1) ... then flush of all. */
void virtq_fill(VirtReq *r, uint32_t written, unsigned nth);
void virtq_flush(VirtQueue *q, unsigned n);
/* As if the last request had not been taken; it is freed. Only the newest that was popped. */
void virtq_unpop(VirtReq *r);
/* Free it; the driver never gets it back (its queue is being reset). */
void virtq_drop(VirtReq *r);
bool virtq_empty(VirtQueue *q);
/* Bytes to read and to write that are available, counted up to these. */
void virtq_count(VirtQueue *q, uint64_t max_out, uint64_t max_in, uint64_t *out, uint64_t *in);
/* Interrupt the driver if it wants to know. */
void virtq_notify(VirtQueue *q);
/* Whether the driver need tell of new requests. After switching it on look once more. */
void virtq_set_notification(VirtQueue *q, bool on);
bool virtq_notification(const VirtQueue *q); /* it is on */
bool virtq_ready(const VirtQueue *q);        /* the driver has set it up */
unsigned virtq_index(const VirtQueue *q);
unsigned virtq_size(const VirtQueue *q);
unsigned virtq_in_flight(const VirtQueue *q); /* popped and not given back */

/* ---- devices ---- */

typedef struct VirtioInfo {
    uint16_t id;                /* VIRTIO_ID_* */
    const char *name;           /* of its section in the stream and its regions: "virtio-rng" */
    const char *fw_name;        /* node of the firmware's path for a boot device, "disk@0,0"; NULL: none */
    SharedIoThread shared_home; /* where its queues are that were given no I/O thread */
    uint64_t legacy_features;   /* offered to legacy drivers only, besides VIRTIO_LEGACY_FEATURES */
    /* Features, with those of its properties in *features, that it offers; NULL: these. */
    bool (*get_features)(VirtioDevice *v, uint64_t *features, Error **errp);
    /* Say by virtio_define_queue() which queues there are with v->guest_features; it is stopped. NULL: always the same.
     */
    void (*layout)(VirtioDevice *v);
    void (*features_set)(VirtioDevice *v); /* the driver chose v->guest_features; NULL: nothing to do */
    /* Fill config[0..v->config_len) with what it reads now; take what the driver wrote there. NULL: none. */
    void (*get_config)(VirtioDevice *v, uint8_t *config);
    void (*set_config)(VirtioDevice *v, const uint8_t *config);
    void (*status_changed)(VirtioDevice *v); /* v->status is new */
    void (*reset)(VirtioDevice *v);          /* of its own state; it is stopped */
    void (*queue_reset)(VirtioDevice *v, VirtQueue *q);
    /* The queues go to their home: before the first handler runs there. They come back: after the last one, in the home
     * thread, while the VM lock is held for it; stop completes what is in flight, after it nothing of the device runs
     * there any more. */
    void (*start)(VirtioDevice *v);
    void (*arrived)(VirtioDevice *v); /* in the home thread, the queues are there; the VM lock is held for it */
    void (*stop)(VirtioDevice *v);
    /* What follows the core's own in the stream. */
    void (*save)(VirtioDevice *v, VmWriter *w);
    bool (*load)(VirtioDevice *v, VmReader *r, Error **errp);
    const VmState *vmstate;                           /* after that; may be NULL */
    bool (*post_load)(VirtioDevice *v, Error **errp); /* when queues are in place, too */
} VirtioInfo;

/* What the transport does for the core. */
typedef struct VirtioTransport {
    /* Tell the driver by interrupt: a queue's vector, or the configuration's; v->isr says why. */
    void (*interrupt)(VirtioDevice *v, uint16_t vector);
    /* In the home thread, which has the VM lock: interrupt() would do nothing but interrupt. (A message may be a write
     * to any device's registers, which has to come from another thread.) */
    bool (*interrupt_safe)(VirtioDevice *v, uint16_t vector);
    /* Any thread. A short way to it that works without the VM lock; false: there is none now. */
    bool (*interrupt_fast)(VirtioDevice *v, uint16_t vector);
    void (*vector_used)(VirtioDevice *v, uint16_t vector, bool used); /* a started queue uses it */
    /* The queue's doorbell signals fd instead of calling virtio_queue_kick(); false: not possible, nothing done. */
    bool (*doorbell)(VirtioDevice *v, unsigned queue, int fd, bool on);
    AddressSpace *(*dma)(VirtioDevice *v); /* with VIRTIO_F_IOMMU_PLATFORM */
    void (*save_config)(VirtioDevice *v, VmWriter *w);
    bool (*load_config)(VirtioDevice *v, VmReader *r, Error **errp);
    void (*save_queue)(VirtioDevice *v, unsigned queue, VmWriter *w);
    bool (*load_queue)(VirtioDevice *v, unsigned queue, VmReader *r, Error **errp);
    const VmState *extra_state; /* a subsection's content, of the transport's device; may be NULL */
    bool (*extra_needed)(VirtioDevice *v);
} VirtioTransport;

struct VirtioDevice {
    Device dev;
    /* config, fixed at realize */
    uint64_t features; /* offered; before realize the bits that properties switch on */
    bool use_started, use_disabled, disable_legacy_check;
    uint16_t config_len;
    /* wiring */
    const VirtioTransport *transport;
    Device *proxy;     /* the transport's device */
    VirtQueue *queues; /* [n_queues] */
    unsigned n_queues;
    uint8_t *config; /* what the driver read or wrote last */
    Object *home;    /* I/O thread; NULL: the main loop */
    bool
        ioeventfd; /* doorbells by eventfd also where the home is the main loop, as the accelerator rings them itself */
    AddressSpace *dma;
    bool started;
    BottomHalf *irq_bh;  /* interrupts that the home thread could not deliver itself */
    BottomHalf *kick_bh; /* virtq_kick_again() where no doorbell is looked at */
    uint32_t waiting;    /* atomic: WAIT_* of virtio.c */
    char *error;         /* atomic: of the home thread, for irq_bh */
    /* state */
    uint8_t status; /* changed under the VM lock; atomic, as the home thread reads it */
    uint8_t isr;    /* atomic. Bits: 0 queue, 1 configuration */
    uint16_t queue_sel;
    uint16_t config_vector;
    uint8_t generation; /* of the configuration */
    uint64_t guest_features;
    bool broken;        /* atomic */
    bool disabled;      /* the bus master bit went away under a running driver */
    bool legacy_kicked; /* driven before DRIVER_OK */
};
#define VIRTIO_DEVICE(d) container_of(d, VirtioDevice, dev)
#define VIRTIO_INFO(v)   ((v)->dev.desc->virtio)

/* In realize: the configuration space's size; queues, in order (fn runs where the queue is at home, when the driver
 * kicked it). */
void virtio_set_config_len(VirtioDevice *v, uint16_t len);
VirtQueue *virtio_add_queue(VirtioDevice *v, unsigned size, void (*fn)(VirtioDevice *v, VirtQueue *q));
VirtQueue *virtio_queue(VirtioDevice *v, unsigned n);
/* In layout(): the queue, one of those added in realize, is this; size 0: it is not there, nor those behind it. */
void virtio_define_queue(VirtioDevice *v, unsigned n, unsigned size, void (*fn)(VirtioDevice *v, VirtQueue *q));
unsigned virtio_queues_there(const VirtioDevice *v);
/* The I/O thread for its queues, in use until the device goes; NULL: the one that all share. Without a call: the main
 * loop. */
bool virtio_set_home(VirtioDevice *v, Object *iothread, Error **errp);
GMainContext *virtio_home_context(VirtioDevice *v);                    /* NULL: the main loop */
static inline bool virtio_has(const VirtioDevice *v, unsigned feature) /* the driver chose it */
{
    return v->guest_features & BIT64(feature);
}
bool virtio_driver_ok(const VirtioDevice *v); /* the driver may be served */
void virtio_config_changed(VirtioDevice *v);  /* tell the driver */
/* Any owner of the queues: the driver did what makes no sense. The device serves nothing any more until it is reset. */
void virtio_error(VirtioDevice *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* In a handler: something may still be in the queue that the driver does not tell of again. Its fn runs once more,
 * soon. */
void virtq_kick_again(VirtQueue *q);

/* For a device's save and load: a request that was popped and not given back, in QEMU's layout; NULL: nonsense. */
void virtq_save_request(const VirtReq *r, VmWriter *w);
VirtReq *virtq_load_request(VirtQueue *q, VmReader *r, size_t size, Error **errp);

/* The field of a device's VmState that is all of it: .fields = VIRTIO_VM_FIELDS. */
extern const VmField virtio_vm_fields[];

/* ---- transports ---- */

extern const BusDesc virtio_bus_desc;
/* In the realize of a transport's device: make its inner one, on bus, which is part of the proxy's struct. */
bool virtio_attach(Device *proxy, const VirtioTransport *t, Bus *bus, const char *bus_type, Error **errp);
/* The driver's doings. */
void virtio_set_status(VirtioDevice *v, uint8_t status);
void virtio_reset(VirtioDevice *v);
/* What the driver writes as its features, legacy or not; what is not offered is left out. */
void virtio_set_features(VirtioDevice *v, uint64_t features);
uint64_t virtio_config_read(VirtioDevice *v, uint64_t off, unsigned size);
void virtio_config_write(VirtioDevice *v, uint64_t off, uint64_t val, unsigned size);
uint8_t virtio_isr_read(VirtioDevice *v); /* clears it */
void virtio_queue_kick(VirtioDevice *v, unsigned queue);
/* Run change(v, arg) while the device is stopped, if it was started. */
void virtio_while_stopped(VirtioDevice *v, void (*change)(VirtioDevice *v, void *arg), void *arg);
void virtio_stop(VirtioDevice *v);
void virtio_update_started(VirtioDevice *v); /* start or stop it as its state says */
/* Places of rings; queue < n_queues. */
void virtio_queue_set_size(VirtioDevice *v, unsigned queue, unsigned size); /* ignored where it makes no sense */
void virtio_queue_set_pfn(VirtioDevice *v, unsigned queue, uint32_t pfn);   /* legacy layout */
uint32_t virtio_queue_pfn(VirtioDevice *v, unsigned queue);
void virtio_queue_set_rings(VirtioDevice *v, unsigned queue, Gpa desc, Gpa avail, Gpa used);
void virtio_queue_set_vector(VirtioDevice *v, unsigned queue, uint16_t vector);
uint16_t virtio_queue_vector(VirtioDevice *v, unsigned queue);
unsigned virtio_queue_size(VirtioDevice *v, unsigned queue); /* 0: there is no such queue */
void virtio_queue_reset(VirtioDevice *v, unsigned queue);    /* VIRTIO_F_RING_RESET */
void virtio_queue_enabled(VirtioDevice *v, unsigned queue);

#endif
