/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small guest-side virtio driver for tests: PCI, legacy and modern, split queues.
 *
 *     VDev *d = vdev_open(q, 3 << 3, false);        maps the BARs, resets the device
 *     vdev_negotiate(d, vdev_features(d));          ... FEATURES_OK
 *     VQueue *vq = vqueue_new(d, 0);                size and places to the device
 *     vdev_driver_ok(d);
 *     uint64_t buf = vdev_alloc(d, 512, 16);
 *     vqueue_add(vq, (VPart[]){{buf, 512, true}}, 1);
 *     vqueue_kick(vq);
 *     uint32_t len = vqueue_wait(vq, NULL);
 */
#ifndef TESTS_QTEST_LIBVIRTIO_H
#define TESTS_QTEST_LIBVIRTIO_H

#include "tests/qtest/libqtest.h"

enum { VSTATUS_ACK = 1, VSTATUS_DRIVER = 2, VSTATUS_OK = 4, VSTATUS_FEATURES = 8, VSTATUS_NEEDS_RESET = 0x40 };
#define VF_NOTIFY_ON_EMPTY BIT64(24)
#define VF_INDIRECT        BIT64(28)
#define VF_EVENT_IDX       BIT64(29)
#define VF_VERSION_1       BIT64(32)
#define VF_RING_RESET      BIT64(40)

enum { /* the common configuration, as offsets in BAR 4 */
       VC_DEVICE_SELECT = 0,
       VC_DEVICE_FEATURES = 4,
       VC_DRIVER_SELECT = 8,
       VC_DRIVER_FEATURES = 12,
       VC_CONFIG_VECTOR = 16,
       VC_QUEUES = 18,
       VC_STATUS = 20,
       VC_GENERATION = 21,
       VC_QUEUE_SELECT = 22,
       VC_QUEUE_SIZE = 24,
       VC_QUEUE_VECTOR = 26,
       VC_QUEUE_ENABLE = 28,
       VC_NOTIFY_OFF = 30,
       VC_DESC = 32,
       VC_AVAIL = 40,
       VC_USED = 48,
       VC_QUEUE_RESET = 58,
       VC_ISR = 0x1000,
       VC_DEVICE = 0x2000,
       VC_NOTIFY = 0x3000,
};

typedef struct VDev {
    QTest *q;
    unsigned devfn;
    bool legacy;
    uint64_t mem, msix; /* BAR 4 and BAR 1 */
    uint16_t io;        /* BAR 0 */
    bool msix_on;
    uint64_t features;
    uint64_t next; /* of guest memory */
} VDev;

typedef struct VQueue {
    VDev *d;
    unsigned index, size;
    uint64_t desc, avail, used;
    uint16_t avail_idx, used_idx, next_desc;
} VQueue;

typedef struct VPart {
    uint64_t addr;
    uint32_t len;
    bool write; /* by the device */
} VPart;

/* Maps the BARs by a place of its own for each devfn; legacy: drives it by BAR 0. */
VDev *vdev_open(QTest *q, unsigned devfn, bool legacy);
void vdev_free(VDev *d);
uint64_t vdev_features(VDev *d);
/* Acknowledge, driver, features (checked to be taken). */
void vdev_negotiate(VDev *d, uint64_t features);
void vdev_driver_ok(VDev *d);
uint8_t vdev_status(VDev *d);
void vdev_set_status(VDev *d, uint8_t status);
uint8_t vdev_isr(VDev *d);
uint64_t vdev_config(VDev *d, unsigned off, unsigned size);
void vdev_set_config(VDev *d, unsigned off, unsigned size, uint64_t val);
uint64_t vdev_alloc(VDev *d, size_t size, size_t align); /* zeroed guest memory */
/* MSI-X on; each vector's message is a write of 0x1000 + vector to a word of memory: vdev_msi() tells and clears it. */
void vdev_msix_enable(VDev *d, unsigned vectors);
bool vdev_msi(VDev *d, unsigned vector);      /* has come */
bool vdev_msi_wait(VDev *d, unsigned vector); /* comes within 5 s */
void vdev_msix_mask(VDev *d, unsigned vector, bool on);
void vdev_set_config_vector(VDev *d, uint16_t vector);

VQueue *vqueue_new(VDev *d, unsigned index);
VQueue *vqueue_new_vector(VDev *d, unsigned index, uint16_t vector);
void vqueue_free(VQueue *vq);
/* A chain in the ring, made available; returns its head. */
uint16_t vqueue_add(VQueue *vq, const VPart *parts, unsigned n);
uint16_t vqueue_add_indirect(VQueue *vq, const VPart *parts, unsigned n);
void vqueue_write_desc(VQueue *vq, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
void vqueue_publish(VQueue *vq, uint16_t head); /* make a head available */
void vqueue_kick(VQueue *vq);
bool vqueue_used(VQueue *vq, uint32_t *len, uint16_t *head); /* take one that the device gave back */
uint32_t vqueue_wait(VQueue *vq, uint16_t *head);            /* its length; fails after 5 s */
/* Wait up to 5 s until cond() is true. */
#define VWAIT(cond)                                                                                                    \
    do {                                                                                                               \
        for (int n_ = 0; !(cond); n_++) {                                                                              \
            g_assert_cmpint(n_, <, 5000);                                                                              \
            g_usleep(1000);                                                                                            \
        }                                                                                                              \
    } while (0)

#endif
