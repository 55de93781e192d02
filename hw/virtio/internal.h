/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A queue from the inside: for virtio.c, queue.c, packed.c and vmstate.c. */
#ifndef HW_VIRTIO_INTERNAL_H
#define HW_VIRTIO_INTERNAL_H

#include "hw/virtio/virtio.h"

/* One of a queue's areas in guest RAM, mapped. */
typedef struct RingArea {
    uint8_t *host; /* NULL: not mapped */
    uint64_t len;
    RamBlock *ram;
    uint64_t ram_off; /* of host */
} RingArea;

struct VirtQueue {
    VirtioDevice *v;
    unsigned index;
    void (*fn)(VirtioDevice *v, VirtQueue *q);
    uint16_t size_default;
    /* wiring */
    int kick_fd;      /* eventfd: the doorbell */
    GSource *source;  /* of kick_fd at home, while started */
    bool doorbell;    /* the transport rings kick_fd */
    bool irq_waiting; /* atomic: irq_bh has to interrupt for it */
    /* The owner's: the areas, as memory was at that generation. */
    RingArea desc_area, avail_area, used_area;
    uint64_t map_generation;
    /* Set by the driver, fixed while started. */
    uint16_t size;
    uint16_t vector;
    Gpa desc, avail, used; /* packed: the ring, and the driver's and the device's event areas */
    /* The owner's. */
    uint16_t last_avail;     /* requests taken */
    uint16_t seen_avail;     /* the driver's index when it was last read */
    uint16_t used_idx;       /* requests given back */
    uint16_t signalled_used; /* used_idx at the last interrupt that was considered */
    bool signalled_valid;
    bool notification;          /* the driver shall tell of new requests */
    bool avail_wrap, used_wrap; /* packed */
    unsigned in_flight;
};

enum { LEGACY_ALIGN = 4096 };

void virtq_reset_state(VirtQueue *q); /* indexes and flags, as after power-on; nothing is mapped */
void virtq_unmap(VirtQueue *q);
/* Where the areas of a legacy queue at page pfn are. */
void virtq_legacy_layout(VirtQueue *q, uint32_t pfn);
/* A request out of a stream: parts by their guest addresses, mapped anew. */
VirtReq *virtq_make(VirtQueue *q, uint16_t head, unsigned n_out, unsigned n_in, const uint64_t *addr,
                    const uint64_t *len, size_t size, Error **errp);
/* From the ring in guest memory; after a stream was loaded. */
bool virtq_sync(VirtQueue *q, Error **errp);
bool virtq_wants_interrupt(VirtQueue *q);
/* The interrupt itself: any owner. */
void virtio_queue_interrupt(VirtQueue *q);

#endif
