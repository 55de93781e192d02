/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/libvirtio.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum {
    L_FEATURES = 0,
    L_DRIVER_FEATURES = 4,
    L_PFN = 8,
    L_SIZE = 12,
    L_SELECT = 14,
    L_NOTIFY = 16,
    L_STATUS = 18,
    L_ISR = 19
};
#define MESSAGES 0x80000 /* where messages are written: below 1 MiB, a word each */
#define PAGE     4096

VDev *vdev_open(QTest *q, unsigned devfn, bool legacy)
{
    VDev *d = g_new0(VDev, 1);
    unsigned slot = devfn >> 3;
    d->q = q;
    d->devfn = devfn;
    d->legacy = legacy;
    d->io = (uint16_t)(0xc000 + 0x100 * slot);
    d->mem = 0xe0000000 + 0x1000000ULL * slot;
    d->msix = d->mem + 0x800000;
    d->next = 0x100000 + 0x100000ULL * slot;
    qtest_pci_write(q, 0, devfn, 0x10, 4, d->io);
    qtest_pci_write(q, 0, devfn, 0x14, 4, (uint32_t)d->msix);
    qtest_pci_write(q, 0, devfn, 0x18, 4, d->io + 0x80U);
    qtest_pci_write(q, 0, devfn, 0x20, 4, (uint32_t)d->mem);
    qtest_pci_write(q, 0, devfn, 0x24, 4, 0);
    qtest_pci_write(q, 0, devfn, 4, 2, 7);
    vdev_set_status(d, 0);
    return d;
}

void vdev_free(VDev *d)
{
    g_free(d);
}

static uint32_t common(VDev *d, unsigned off, unsigned size)
{
    return (uint32_t)qtest_read(d->q, d->mem + off, size);
}

static void set_common(VDev *d, unsigned off, unsigned size, uint32_t val)
{
    qtest_write(d->q, d->mem + off, size, val);
}

uint64_t vdev_features(VDev *d)
{
    if (d->legacy)
        return qtest_inl(d->q, d->io + L_FEATURES);
    uint64_t f = 0;
    for (unsigned i = 0; i < 2; i++) {
        set_common(d, VC_DEVICE_SELECT, 4, i);
        f |= (uint64_t)common(d, VC_DEVICE_FEATURES, 4) << (32 * i);
    }
    return f;
}

uint8_t vdev_status(VDev *d)
{
    return d->legacy ? qtest_inb(d->q, d->io + L_STATUS) : (uint8_t)common(d, VC_STATUS, 1);
}

void vdev_set_status(VDev *d, uint8_t status)
{
    if (d->legacy)
        qtest_outb(d->q, d->io + L_STATUS, status);
    else
        set_common(d, VC_STATUS, 1, status);
}

void vdev_negotiate(VDev *d, uint64_t features)
{
    vdev_set_status(d, VSTATUS_ACK);
    vdev_set_status(d, VSTATUS_ACK | VSTATUS_DRIVER);
    if (d->legacy) {
        features &= ~BIT64(30); /* "bad feature" */
        qtest_outl(d->q, d->io + L_DRIVER_FEATURES, (uint32_t)features);
        g_assert_cmphex(qtest_inl(d->q, d->io + L_DRIVER_FEATURES), ==, features);
    } else {
        for (unsigned i = 0; i < 2; i++) {
            set_common(d, VC_DRIVER_SELECT, 4, i);
            set_common(d, VC_DRIVER_FEATURES, 4, (uint32_t)(features >> (32 * i)));
        }
        vdev_set_status(d, VSTATUS_ACK | VSTATUS_DRIVER | VSTATUS_FEATURES);
        g_assert_cmphex(vdev_status(d), ==, VSTATUS_ACK | VSTATUS_DRIVER | VSTATUS_FEATURES);
    }
    d->features = features;
}

void vdev_driver_ok(VDev *d)
{
    vdev_set_status(d, vdev_status(d) | VSTATUS_OK);
}

uint8_t vdev_isr(VDev *d)
{
    return d->legacy ? qtest_inb(d->q, d->io + L_ISR) : (uint8_t)common(d, VC_ISR, 1);
}

static uint64_t in(QTest *q, uint16_t port, unsigned size)
{
    return size == 8 ? qtest_inl(q, port) | (uint64_t)qtest_inl(q, port + 4) << 32 : qtest_in(q, port, size);
}

uint64_t vdev_config(VDev *d, unsigned off, unsigned size)
{
    return d->legacy ? in(d->q, (uint16_t)(d->io + (d->msix_on ? 24 : 20) + off), size)
                     : qtest_read(d->q, d->mem + VC_DEVICE + off, size);
}

void vdev_set_config(VDev *d, unsigned off, unsigned size, uint64_t val)
{
    if (d->legacy)
        qtest_out(d->q, (uint16_t)(d->io + (d->msix_on ? 24 : 20) + off), size, (uint32_t)val);
    else
        qtest_write(d->q, d->mem + VC_DEVICE + off, size, val);
}

uint64_t vdev_alloc(VDev *d, size_t size, size_t align)
{
    uint64_t at = ROUND_UP(d->next, align);
    d->next = at + size;
    qtest_memset(d->q, at, 0, size);
    return at;
}

/* ---- MSI-X ---- */

static uint64_t message_at(const VDev *d, unsigned vector)
{
    return MESSAGES + 0x400 * (d->devfn >> 3) + 4 * vector;
}

void vdev_msix_mask(VDev *d, unsigned vector, bool on)
{
    qtest_writel(d->q, d->msix + 16 * vector + 12, on);
}

void vdev_msix_enable(VDev *d, unsigned vectors)
{
    unsigned cap = qtest_pci_read(d->q, 0, d->devfn, 0x34, 1);
    while (cap && qtest_pci_read(d->q, 0, d->devfn, cap, 1) != 0x11)
        cap = qtest_pci_read(d->q, 0, d->devfn, cap + 1, 1);
    g_assert_cmpuint(cap, !=, 0);
    g_assert_cmpuint((qtest_pci_read(d->q, 0, d->devfn, cap + 2, 2) & 0x7ff) + 1, >=, vectors);
    for (unsigned i = 0; i < vectors; i++) {
        qtest_writel(d->q, d->msix + 16 * i, (uint32_t)message_at(d, i));
        qtest_writel(d->q, d->msix + 16 * i + 4, 0);
        qtest_writel(d->q, d->msix + 16 * i + 8, 0x1000 + i);
        vdev_msix_mask(d, i, false);
        qtest_writel(d->q, message_at(d, i), 0);
    }
    qtest_pci_write(d->q, 0, d->devfn, cap + 2, 2, 0x8000);
    d->msix_on = true;
}

bool vdev_msi(VDev *d, unsigned vector)
{
    uint32_t val = qtest_readl(d->q, message_at(d, vector));
    if (!val)
        return false;
    g_assert_cmphex(val, ==, 0x1000 + vector);
    qtest_writel(d->q, message_at(d, vector), 0);
    return true;
}

bool vdev_msi_wait(VDev *d, unsigned vector)
{
    for (int i = 0; i < 5000; i++) {
        if (vdev_msi(d, vector))
            return true;
        g_usleep(1000);
    }
    return false;
}

void vdev_set_config_vector(VDev *d, uint16_t vector)
{
    if (d->legacy)
        qtest_outw(d->q, d->io + 20, vector);
    else
        set_common(d, VC_CONFIG_VECTOR, 2, vector);
}

/* ---- queues ---- */

static void setup_legacy(VQueue *vq, uint16_t vector)
{
    VDev *d = vq->d;
    qtest_outw(d->q, d->io + L_SELECT, (uint16_t)vq->index);
    vq->size = qtest_inw(d->q, d->io + L_SIZE);
    g_assert_cmpuint(vq->size, >, 0);
    uint64_t used_off = ROUND_UP(16 * vq->size + 6 + 2 * vq->size, PAGE);
    vq->desc = vdev_alloc(d, used_off + 6 + 8 * vq->size, PAGE);
    vq->avail = vq->desc + 16 * vq->size;
    vq->used = vq->desc + used_off;
    if (d->msix_on)
        qtest_outw(d->q, d->io + 22, vector);
    qtest_outl(d->q, d->io + L_PFN, (uint32_t)(vq->desc / PAGE));
}

static void setup_modern(VQueue *vq, uint16_t vector)
{
    VDev *d = vq->d;
    set_common(d, VC_QUEUE_SELECT, 2, vq->index);
    vq->size = common(d, VC_QUEUE_SIZE, 2);
    g_assert_cmpuint(vq->size, >, 0);
    vq->desc = vdev_alloc(d, 16 * vq->size, 16);
    vq->avail = vdev_alloc(d, 6 + 2 * vq->size, 2);
    vq->used = vdev_alloc(d, 6 + 8 * vq->size, 4);
    const uint64_t at[] = {vq->desc, vq->avail, vq->used};
    for (unsigned i = 0; i < 3; i++) {
        set_common(d, VC_DESC + 8 * i, 4, (uint32_t)at[i]);
        set_common(d, VC_DESC + 8 * i + 4, 4, (uint32_t)(at[i] >> 32));
    }
    set_common(d, VC_QUEUE_VECTOR, 2, vector);
    set_common(d, VC_QUEUE_ENABLE, 2, 1);
    g_assert_cmpuint(common(d, VC_QUEUE_ENABLE, 2), ==, 1);
}

VQueue *vqueue_new_vector(VDev *d, unsigned index, uint16_t vector)
{
    VQueue *vq = g_new0(VQueue, 1);
    vq->d = d;
    vq->index = index;
    if (d->legacy)
        setup_legacy(vq, vector);
    else
        setup_modern(vq, vector);
    return vq;
}

VQueue *vqueue_new(VDev *d, unsigned index)
{
    return vqueue_new_vector(d, index, 0xffff);
}

void vqueue_free(VQueue *vq)
{
    g_free(vq);
}

static void put_desc(QTest *q, uint64_t at, const VPart *p, bool more, uint16_t next)
{
    uint8_t raw[16];
    stq_le(raw, p->addr);
    stl_le(raw + 8, p->len);
    stw_le(raw + 12, (more ? DESC_NEXT : 0) | (p->write ? DESC_WRITE : 0));
    stw_le(raw + 14, next);
    qtest_memwrite(q, at, raw, 16);
}

void vqueue_write_desc(VQueue *vq, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    uint8_t raw[16];
    stq_le(raw, addr);
    stl_le(raw + 8, len);
    stw_le(raw + 12, flags);
    stw_le(raw + 14, next);
    qtest_memwrite(vq->d->q, vq->desc + 16 * i, raw, 16);
}

void vqueue_publish(VQueue *vq, uint16_t head)
{
    QTest *q = vq->d->q;
    qtest_writew(q, vq->avail + 4 + 2 * (vq->avail_idx % vq->size), head);
    qtest_writew(q, vq->avail + 2, ++vq->avail_idx);
}

uint16_t vqueue_add(VQueue *vq, const VPart *parts, unsigned n)
{
    uint16_t head = vq->next_desc;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (head + i) % vq->size;
        put_desc(vq->d->q, vq->desc + 16 * at, &parts[i], i + 1 < n, (uint16_t)((at + 1) % vq->size));
    }
    vq->next_desc = (uint16_t)((head + n) % vq->size);
    vqueue_publish(vq, head);
    return head;
}

uint16_t vqueue_add_indirect(VQueue *vq, const VPart *parts, unsigned n)
{
    uint16_t head = vq->next_desc;
    uint64_t table = vdev_alloc(vq->d, 16 * n, 16);
    for (unsigned i = 0; i < n; i++)
        put_desc(vq->d->q, table + 16 * i, &parts[i], i + 1 < n, (uint16_t)(i + 1));
    vqueue_write_desc(vq, head, table, 16 * n, DESC_INDIRECT, 0);
    vq->next_desc = (uint16_t)((head + 1) % vq->size);
    vqueue_publish(vq, head);
    return head;
}

void vqueue_kick(VQueue *vq)
{
    if (vq->d->legacy)
        qtest_outw(vq->d->q, vq->d->io + L_NOTIFY, (uint16_t)vq->index);
    else
        qtest_writew(vq->d->q, vq->d->mem + VC_NOTIFY + 4 * vq->index, (uint16_t)vq->index);
}

bool vqueue_used(VQueue *vq, uint32_t *len, uint16_t *head)
{
    QTest *q = vq->d->q;
    if (qtest_readw(q, vq->used + 2) == vq->used_idx)
        return false;
    uint64_t at = vq->used + 4 + 8 * (vq->used_idx % vq->size);
    if (head)
        *head = (uint16_t)qtest_readl(q, at);
    if (len)
        *len = qtest_readl(q, at + 4);
    vq->used_idx++;
    if (vq->d->features & VF_EVENT_IDX) /* interrupt for the next */
        qtest_writew(q, vq->avail + 4 + 2 * vq->size, vq->used_idx);
    return true;
}

uint32_t vqueue_wait(VQueue *vq, uint16_t *head)
{
    uint32_t len = 0;
    VWAIT(vqueue_used(vq, &len, head));
    return len;
}
