/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over PCI (virtio 1.2, section 4.1; the legacy interface: 4.1.4.10).
 *
 *     BAR 0  ports, legacy: 0 device features, 4 driver features, 8 page of the queue, 12 its size (2), 14 queue select
 * (2), 16 doorbell (2), 18 status (1), 19 ISR (1), with MSI-X enabled 20 and 22 vectors of configuration and queue (2),
 * then the device's configuration BAR 1  MSI-X: table at 0, pending bits at 800h or behind the table BAR 2  port, with
 * modern-pio-notify: a doorbell for all queues (2) BAR 4  memory, modern, a page each: common configuration, ISR,
 * device configuration, doorbells (4 bytes or, with page-per-vq, a page a queue)
 *
 * A register is read or written at its first byte by any size; reads are cut, a wider write to a vector or a selector
 * is seen whole. That, what a status byte of acknowledge and driver does to a legacy device's bus mastering, and that
 * bus mastering off takes DRIVER_OK away are QEMU's.
 */
#include "hw/virtio/pci.h"

#include "hw/pci/pci-regs.h"
#include "hw/virtio/internal.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { /* legacy registers */
       L_DEVICE_FEATURES = 0,
       L_DRIVER_FEATURES = 4,
       L_QUEUE_PFN = 8,
       L_QUEUE_SIZE = 12,
       L_QUEUE_SELECT = 14,
       L_NOTIFY = 16,
       L_STATUS = 18,
       L_ISR = 19,
       L_CONFIG_VECTOR = 20,
       L_QUEUE_VECTOR = 22,
       L_CONFIG = 20,
       L_CONFIG_MSIX = 24,
};
enum { /* the common configuration, section 4.1.4.3 */
       C_DEVICE_SELECT = 0,
       C_DEVICE_FEATURES = 4,
       C_DRIVER_SELECT = 8,
       C_DRIVER_FEATURES = 12,
       C_CONFIG_VECTOR = 16,
       C_QUEUES = 18,
       C_STATUS = 20,
       C_GENERATION = 21,
       C_QUEUE_SELECT = 22,
       C_QUEUE_SIZE = 24,
       C_QUEUE_VECTOR = 26,
       C_QUEUE_ENABLE = 28,
       C_QUEUE_NOTIFY_OFF = 30,
       C_QUEUE_DESC = 32,
       C_QUEUE_AVAIL = 40,
       C_QUEUE_USED = 48,
       C_QUEUE_RESET = 58,
};
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
enum { PAGE = 0x1000, MODERN_SIZE = 4 * PAGE, NOTIFY_STEP = 4 };
enum { BAR_LEGACY = 0, BAR_MSIX = 1, BAR_NOTIFY_PORT = 2, BAR_MODERN = 4 };
enum { ACCESS_BAR = 4, ACCESS_OFFSET = 8, ACCESS_LENGTH = 12, ACCESS_DATA = 16 }; /* in the access capability */
#define SUBSYSTEM_VENDOR 0x1af4
#define MODERN_ID_BASE   0x1040

/* A vector that a queue in another thread raises through the kernel. */
typedef struct VirtioPciIrq {
    unsigned users; /* started queues */
    int fd;         /* eventfd; -1: none made yet */
    int gsi;        /* MSI route; -1: none */
    bool active;    /* atomic: fd reaches the driver */
} VirtioPciIrq;

static VirtioPci *proxy_of(const VirtioDevice *v)
{
    return container_of(v->proxy, VirtioPci, pci.dev);
}

static VirtioDevice *inner_of(VirtioPci *p)
{
    return VIRTIO_DEVICE(p->pci.dev.inner);
}

static bool is_modern(const VirtioPci *p)
{
    return !p->disable_modern;
}

static bool is_legacy(const VirtioPci *p)
{
    return p->disable_legacy == ON_OFF_AUTO_OFF;
}

/* Device ids of those that have a legacy interface; 0: it has none. */
static uint16_t transitional_id(uint16_t id)
{
    static const struct {
        uint16_t id, pci;
    } ids[] = {{VIRTIO_ID_NET, 0x1000},     {VIRTIO_ID_BLOCK, 0x1001}, {VIRTIO_ID_BALLOON, 0x1002},
               {VIRTIO_ID_CONSOLE, 0x1003}, {VIRTIO_ID_SCSI, 0x1004},  {VIRTIO_ID_RNG, 0x1005},
               {VIRTIO_ID_9P, 0x1009}};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        if (ids[i].id == id)
            return ids[i].pci;
    return 0;
}

/* ---- interrupts ---- */

static void pci_interrupt(VirtioDevice *v, uint16_t vector)
{
    PciDevice *d = &proxy_of(v)->pci;
    if (!pci_msix_enabled(d))
        pci_set_irq(d, __atomic_load_n(&v->isr, __ATOMIC_ACQUIRE) & 1);
    else if (vector != VIRTIO_NO_VECTOR)
        pci_msix_notify(d, vector);
}

static bool pci_interrupt_safe(VirtioDevice *v, uint16_t vector)
{
    MsiMessage msg;
    return !pci_msix_message(&proxy_of(v)->pci, vector, &msg) || (msg.address & ~0xfffffULL) == 0xfee00000;
}

static bool pci_interrupt_fast(VirtioDevice *v, uint16_t vector)
{
    VirtioPci *p = proxy_of(v);
    if (!p->irqs || vector >= p->vectors || !__atomic_load_n(&p->irqs[vector].active, __ATOMIC_ACQUIRE))
        return false;
    uint64_t one = 1;
    return write(p->irqs[vector].fd, &one, sizeof(one)) == sizeof(one);
}

static void irq_off(VirtioPciIrq *irq)
{
    if (irq->gsi < 0)
        return;
    __atomic_store_n(&irq->active, false, __ATOMIC_RELEASE);
    accel->del_irqfd(irq->gsi, irq->fd);
    accel->del_msi_route(irq->gsi);
    irq->gsi = -1;
}

/* A vector's message or mask is this now. What was raised through fd while it was masked is delivered when it is given
 * to the kernel again. */
static void irq_update(VirtioPci *p, unsigned vector, bool masked, const MsiMessage *msg)
{
    VirtioPciIrq *irq = &p->irqs[vector];
    if (!irq->users || masked || !pci_bus_master(&p->pci)) {
        irq_off(irq);
        return;
    }
    if (irq->gsi >= 0) {
        accel->update_msi_route(irq->gsi, msg);
        return;
    }
    if (irq->fd < 0 && (irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return;
    irq->gsi = accel->add_msi_route(msg, NULL);
    if (irq->gsi < 0)
        return;
    if (accel->add_irqfd(irq->gsi, irq->fd, -1)) {
        __atomic_store_n(&irq->active, true, __ATOMIC_RELEASE);
    } else {
        accel->del_msi_route(irq->gsi);
        irq->gsi = -1;
    }
}

static void msix_changed(PciDevice *d, unsigned vector, bool masked, const MsiMessage *msg)
{
    irq_update(container_of(d, VirtioPci, pci), vector, masked, msg);
}

static void pci_vector_used(VirtioDevice *v, uint16_t vector, bool used)
{
    VirtioPci *p = proxy_of(v);
    if (!p->irqs || vector >= p->vectors || !v->home)
        return;
    MsiMessage msg = {0};
    p->irqs[vector].users += used ? 1 : -1U;
    bool unmasked = pci_msix_message(&p->pci, vector, &msg);
    irq_update(p, vector, !unmasked, &msg);
}

static uint16_t check_vector(const VirtioPci *p, uint64_t vector)
{
    return vector < p->vectors ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

/* ---- what both interfaces do ---- */

static bool pci_doorbell(VirtioDevice *v, unsigned n, int fd, bool on)
{
    VirtioPci *p = proxy_of(v);
    void (*change)(MemoryRegion *, uint64_t, unsigned, bool, uint64_t, int) =
        on ? region_add_eventfd : region_del_eventfd;
    if (!p->ioeventfd)
        return false;
    if (is_modern(p)) {
        change(&p->notify, (uint64_t)n * (p->page_per_vq ? PAGE : NOTIFY_STEP), 0, false, 0, fd);
        if (p->modern_pio_notify)
            change(&p->notify_pio, 0, 2, true, n, fd);
    }
    if (is_legacy(p))
        change(&p->legacy, L_NOTIFY, 2, true, n, fd);
    return true;
}

static AddressSpace *pci_dma(VirtioDevice *v)
{
    return proxy_of(v)->pci.dma;
}

static void reset_queues(VirtioPci *p)
{
    memset(p->queues, 0, inner_of(p)->n_queues * sizeof(p->queues[0]));
}

/* What the driver does by a status of 0. The selected words of features and the driver's stay, as QEMU's do. */
static void driver_reset(VirtioPci *p)
{
    virtio_reset(inner_of(p));
    reset_queues(p);
}

void virtio_pci_reset(Device *dev)
{
    VirtioPci *p = container_of(dev, VirtioPci, pci.dev);
    p->device_select = p->driver_select = 0;
    memset(p->driver_features, 0, sizeof(p->driver_features));
    reset_queues(p);
}

/* ---- legacy ---- */

static uint64_t config_offset(const VirtioPci *p)
{
    return pci_msix_enabled(&p->pci) ? L_CONFIG_MSIX : L_CONFIG;
}

static uint64_t legacy_read(void *opaque, uint64_t off, unsigned size)
{
    VirtioPci *p = opaque;
    VirtioDevice *v = inner_of(p);
    if (off >= config_offset(p))
        return virtio_config_read(v, off - config_offset(p), size);
    switch (off) {
    case L_DEVICE_FEATURES:
        return (uint32_t)v->features;
    case L_DRIVER_FEATURES:
        return (uint32_t)v->guest_features;
    case L_QUEUE_PFN:
        return v->queue_sel < v->n_queues ? virtio_queue_pfn(v, v->queue_sel) : 0;
    case L_QUEUE_SIZE:
        return virtio_queue_size(v, v->queue_sel);
    case L_QUEUE_SELECT:
        return v->queue_sel;
    case L_STATUS:
        return v->status;
    case L_ISR:
        return virtio_isr_read(v);
    case L_CONFIG_VECTOR:
        return v->config_vector;
    case L_QUEUE_VECTOR:
        return v->queue_sel < v->n_queues ? virtio_queue_vector(v, v->queue_sel) : VIRTIO_NO_VECTOR;
    }
    return UINT32_MAX;
}

static void legacy_status(VirtioPci *p, uint8_t status)
{
    VirtioDevice *v = inner_of(p);
    if (!status) {
        driver_reset(p);
        return;
    }
    virtio_set_status(v, status);
    /* Linux before 2.6.34 does not switch it on itself. */
    if (status == (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER)) {
        pci_default_config_write(&p->pci, PCI_COMMAND, lduw_le(p->pci.config + PCI_COMMAND) | PCI_COMMAND_MASTER, 2);
        v->disabled = false;
    }
}

static void legacy_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    VirtioPci *p = opaque;
    VirtioDevice *v = inner_of(p);
    if (off >= config_offset(p)) {
        virtio_config_write(v, off - config_offset(p), val, size);
        return;
    }
    switch (off) {
    case L_DRIVER_FEATURES:
        /* A driver that takes this one takes what it does not know. */
        virtio_set_features(v, val & BIT32(VIRTIO_F_BAD_FEATURE) ? 0 : (uint32_t)val);
        break;
    case L_QUEUE_PFN:
        if (!val)
            driver_reset(p);
        else if (v->queue_sel < v->n_queues)
            virtio_queue_set_pfn(v, v->queue_sel, (uint32_t)val);
        break;
    case L_QUEUE_SELECT:
        if (val < VIRTIO_QUEUES_MAX)
            v->queue_sel = (uint16_t)val;
        break;
    case L_NOTIFY:
        if (val < VIRTIO_QUEUES_MAX)
            virtio_queue_kick(v, (unsigned)val);
        break;
    case L_STATUS:
        legacy_status(p, (uint8_t)val);
        break;
    case L_CONFIG_VECTOR:
        v->config_vector = check_vector(p, val);
        break;
    case L_QUEUE_VECTOR:
        if (v->queue_sel < v->n_queues)
            virtio_queue_set_vector(v, v->queue_sel, check_vector(p, val));
        break;
    default:
        guest_error(&p->pci.dev, "write of 0x%" PRIx64 " to legacy register %u", val, (unsigned)off);
    }
}

/* ---- modern ---- */

/* The staged registers of the selected queue; NULL: there is no such queue. */
static VirtioPciQueue *selected(VirtioPci *p)
{
    VirtioDevice *v = inner_of(p);
    return v->queue_sel < v->n_queues ? &p->queues[v->queue_sel] : NULL;
}

static uint64_t common_read(void *opaque, uint64_t off, unsigned size)
{
    VirtioPci *p = opaque;
    VirtioDevice *v = inner_of(p);
    const VirtioPciQueue *q = selected(p);
    switch (off) {
    case C_DEVICE_SELECT:
        return p->device_select;
    case C_DEVICE_FEATURES:
        return p->device_select > 1
                   ? 0
                   : (uint32_t)((v->features & ~VIRTIO_LEGACY_FEATURES & ~VIRTIO_INFO(v)->legacy_features) >>
                                (32 * p->device_select));
    case C_DRIVER_SELECT:
        return p->driver_select;
    case C_DRIVER_FEATURES:
        return p->driver_select > 1 ? 0 : p->driver_features[p->driver_select];
    case C_CONFIG_VECTOR:
        return v->config_vector;
    case C_QUEUES:
        return virtio_queues_there(v);
    case C_STATUS:
        return v->status;
    case C_GENERATION:
        return v->generation;
    case C_QUEUE_SELECT:
        return v->queue_sel;
    case C_QUEUE_SIZE:
        return virtio_queue_size(v, v->queue_sel);
    case C_QUEUE_VECTOR:
        return q ? virtio_queue_vector(v, v->queue_sel) : VIRTIO_NO_VECTOR;
    case C_QUEUE_ENABLE:
        return q && q->enabled;
    case C_QUEUE_NOTIFY_OFF:
        return v->queue_sel;
    case C_QUEUE_DESC:
    case C_QUEUE_DESC + 4:
        return q ? q->desc[(off - C_QUEUE_DESC) / 4] : 0;
    case C_QUEUE_AVAIL:
    case C_QUEUE_AVAIL + 4:
        return q ? q->avail[(off - C_QUEUE_AVAIL) / 4] : 0;
    case C_QUEUE_USED:
    case C_QUEUE_USED + 4:
        return q ? q->used[(off - C_QUEUE_USED) / 4] : 0;
    case C_QUEUE_RESET:
        return q && q->reset;
    }
    return 0;
}

static Gpa join(const uint32_t half[2])
{
    return (Gpa)half[1] << 32 | half[0];
}

static void enable_queue(VirtioPci *p, VirtioPciQueue *q, uint64_t val)
{
    VirtioDevice *v = inner_of(p);
    if (val != 1) {
        virtio_error(v, "wrong value for queue_enable %" PRIu64, val);
        return;
    }
    virtio_queue_set_size(v, v->queue_sel, q->size);
    q->enabled = true;
    q->reset = false;
    virtio_queue_set_rings(v, v->queue_sel, join(q->desc), join(q->avail), join(q->used));
}

static void queue_write(VirtioPci *p, VirtioPciQueue *q, uint64_t off, uint64_t val)
{
    VirtioDevice *v = inner_of(p);
    switch (off) {
    case C_QUEUE_SIZE:
        q->size = (uint16_t)val;
        virtio_queue_set_size(v, v->queue_sel, q->size);
        break;
    case C_QUEUE_VECTOR:
        virtio_queue_set_vector(v, v->queue_sel, check_vector(p, val));
        break;
    case C_QUEUE_ENABLE:
        enable_queue(p, q, val);
        break;
    case C_QUEUE_DESC:
    case C_QUEUE_DESC + 4:
        q->desc[(off - C_QUEUE_DESC) / 4] = (uint32_t)val;
        break;
    case C_QUEUE_AVAIL:
    case C_QUEUE_AVAIL + 4:
        q->avail[(off - C_QUEUE_AVAIL) / 4] = (uint32_t)val;
        break;
    case C_QUEUE_USED:
    case C_QUEUE_USED + 4:
        q->used[(off - C_QUEUE_USED) / 4] = (uint32_t)val;
        break;
    case C_QUEUE_RESET:
        if (val != 1)
            break;
        virtio_queue_reset(v, v->queue_sel);
        q->enabled = false;
        break;
    }
}

static void common_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    VirtioPci *p = opaque;
    VirtioDevice *v = inner_of(p);
    VirtioPciQueue *q = selected(p);
    switch (off) {
    case C_DEVICE_SELECT:
        p->device_select = (uint32_t)val;
        break;
    case C_DRIVER_SELECT:
        p->driver_select = (uint32_t)val;
        break;
    case C_DRIVER_FEATURES:
        if (p->driver_select > 1)
            break;
        p->driver_features[p->driver_select] = (uint32_t)val;
        virtio_set_features(v, (uint64_t)p->driver_features[1] << 32 | p->driver_features[0]);
        break;
    case C_CONFIG_VECTOR:
        v->config_vector = check_vector(p, val);
        break;
    case C_STATUS:
        if (val & 0xff)
            virtio_set_status(v, (uint8_t)val);
        else
            driver_reset(p);
        break;
    case C_QUEUE_SELECT:
        if (val < VIRTIO_QUEUES_MAX)
            v->queue_sel = (uint16_t)val;
        break;
    default:
        if (q)
            queue_write(p, q, off, val);
    }
}

static uint64_t isr_read(void *opaque, uint64_t off, unsigned size)
{
    return virtio_isr_read(inner_of(opaque));
}

static uint64_t device_read(void *opaque, uint64_t off, unsigned size)
{
    return virtio_config_read(inner_of(opaque), off, size);
}

static void device_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    virtio_config_write(inner_of(opaque), off, val, size);
}

static uint64_t zero_read(void *opaque, uint64_t off, unsigned size)
{
    return 0;
}

static void no_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}

static void notify_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    VirtioPci *p = opaque;
    virtio_queue_kick(inner_of(p), (unsigned)(off / (p->page_per_vq ? PAGE : NOTIFY_STEP)));
}

static void notify_pio_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    if (val < VIRTIO_QUEUES_MAX)
        virtio_queue_kick(inner_of(opaque), (unsigned)val);
}

static const IoOps legacy_ops = {legacy_read, legacy_write, .min = 1, .max = 4};
static const IoOps common_ops = {common_read, common_write, .min = 1, .max = 4};
static const IoOps isr_ops = {isr_read, no_write, .min = 1, .max = 4};
static const IoOps device_ops = {device_read, device_write, .min = 1, .max = 4};
static const IoOps notify_ops = {zero_read, notify_write, .min = 1, .max = 4};
static const IoOps notify_pio_ops = {zero_read, notify_pio_write, .min = 1, .max = 4};

/* ---- configuration space ---- */

/* The BAR that the access capability names and how much; NULL: nonsense. */
static MemoryRegion *access_target(VirtioPci *p, uint32_t *off, unsigned *size)
{
    const uint8_t *cap = p->pci.config + p->access_cap;
    static const struct {
        size_t region;
        uint32_t at;
    } parts[] = {{offsetof(VirtioPci, common), 0},
                 {offsetof(VirtioPci, isr), PAGE},
                 {offsetof(VirtioPci, device), 2 * PAGE},
                 {offsetof(VirtioPci, notify), 3 * PAGE}};
    uint32_t bar = cap[ACCESS_BAR], at = ldl_le(cap + ACCESS_OFFSET), len = ldl_le(cap + ACCESS_LENGTH);
    if ((len != 1 && len != 2 && len != 4) || bar != BAR_MODERN || at % len)
        return NULL;
    for (size_t i = ARRAY_SIZE(parts); i--;) {
        MemoryRegion *r = (MemoryRegion *)(void *)((char *)p + parts[i].region);
        if (at < parts[i].at)
            continue;
        *off = at - parts[i].at;
        *size = len;
        return *off + len <= region_size(r) ? r : NULL;
    }
    return NULL;
}

static bool touches_data(const VirtioPci *p, unsigned off, unsigned size)
{
    unsigned data = p->access_cap + ACCESS_DATA;
    return p->access_cap && off < data + 4 && data < off + size;
}

static uint32_t virtio_config_space_read(PciDevice *d, unsigned off, unsigned size)
{
    VirtioPci *p = container_of(d, VirtioPci, pci);
    MemoryRegion *r;
    uint32_t at;
    unsigned len;
    uint64_t val;
    if (touches_data(p, off, size) && (r = access_target(p, &at, &len))) {
        region_read(r, at, &val, len);
        stl_le(d->config + p->access_cap + ACCESS_DATA, (uint32_t)val);
    }
    return pci_default_config_read(d, off, size);
}

static void virtio_config_space_write(PciDevice *d, unsigned off, uint32_t val, unsigned size)
{
    VirtioPci *p = container_of(d, VirtioPci, pci);
    VirtioDevice *v = inner_of(p);
    MemoryRegion *r;
    uint32_t at;
    unsigned len;
    pci_default_config_write(d, off, val, size);
    if (off < PCI_COMMAND + 2 && PCI_COMMAND < off + size) {
        bool off_now = !pci_bus_master(d);
        if (off_now && v->status & VIRTIO_S_DRIVER_OK)
            virtio_set_status(v, v->status & ~VIRTIO_S_DRIVER_OK);
        if (v->disabled != (off_now && v->use_disabled)) /* else the home thread may be reading it */
            v->disabled = !v->disabled;
    }
    if (touches_data(p, off, size) && (r = access_target(p, &at, &len)))
        region_write(r, at, ldl_le(d->config + p->access_cap + ACCESS_DATA), len);
}

static uint8_t add_cap(VirtioPci *p, uint8_t type, uint8_t bar, uint32_t off, uint32_t len, uint8_t size, Error **errp)
{
    PciDevice *d = &p->pci;
    int at = pci_add_capability(d, 0x09, 0, size, errp);
    if (!at)
        return 0;
    uint8_t *c = d->config + at;
    c[2] = size;
    c[3] = type;
    c[4] = bar;
    stl_le(c + 8, off);
    stl_le(c + 12, len);
    return (uint8_t)at;
}

/* ---- making ---- */

static void make_region(VirtioPci *p, IoRegion *r, const IoOps *ops, const char *what, uint64_t size)
{
    g_autofree char *name = g_strdup_printf("virtio-pci-%s-%s", what, VIRTIO_INFO(inner_of(p))->name);
    region_init_io(r, &p->pci.dev, ops, p, name, size);
}

static bool make_modern(VirtioPci *p, Error **errp)
{
    uint32_t step = p->page_per_vq ? PAGE : NOTIFY_STEP, notify_size = step * VIRTIO_QUEUES_MAX;
    uint32_t bar_size = p->page_per_vq ? 2 * notify_size : MODERN_SIZE;
    region_init_container(&p->modern_bar, &p->pci.dev, "virtio-pci", bar_size);
    make_region(p, &p->common, &common_ops, "common", PAGE);
    make_region(p, &p->isr, &isr_ops, "isr", PAGE);
    make_region(p, &p->device, &device_ops, "device", PAGE);
    make_region(p, &p->notify, &notify_ops, "notify", notify_size);
    region_add(&p->modern_bar, 0, &p->common);
    region_add(&p->modern_bar, PAGE, &p->isr);
    region_add(&p->modern_bar, 2 * PAGE, &p->device);
    region_add(&p->modern_bar, 3 * PAGE, &p->notify);
    uint8_t notify, port = 0;
    if (!add_cap(p, CAP_COMMON, BAR_MODERN, 0, PAGE, 16, errp) ||
        !add_cap(p, CAP_ISR, BAR_MODERN, PAGE, PAGE, 16, errp) ||
        !add_cap(p, CAP_DEVICE, BAR_MODERN, 2 * PAGE, PAGE, 16, errp) ||
        !(notify = add_cap(p, CAP_NOTIFY, BAR_MODERN, 3 * PAGE, notify_size, 20, errp)))
        return false;
    stl_le(p->pci.config + notify + 16, step);
    if (p->modern_pio_notify) {
        make_region(p, &p->notify_pio, &notify_pio_ops, "notify-pio", 4);
        if (!(port = add_cap(p, CAP_NOTIFY, BAR_NOTIFY_PORT, 0, 4, 20, errp)))
            return false;
        pci_bar(&p->pci, BAR_NOTIFY_PORT, PCI_BAR_IO, &p->notify_pio);
    }
    if (!(p->access_cap = add_cap(p, CAP_PCI, 0, 0, 0, 20, errp)))
        return false;
    uint8_t *mask = p->pci.wmask + p->access_cap;
    mask[ACCESS_BAR] = 0xff;
    memset(mask + ACCESS_OFFSET, 0xff, 12);
    /* What is only a window says nothing about another host's device. */
    memset(p->pci.cmask + p->access_cap + ACCESS_DATA, 0, 4);
    pci_bar(&p->pci, BAR_MODERN, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &p->modern_bar);
    return true;
}

static bool make_legacy(VirtioPci *p, Error **errp)
{
    VirtioDevice *v = inner_of(p);
    uint64_t size = (p->vectors ? L_CONFIG_MSIX : L_CONFIG) + v->config_len;
    uint64_t whole = 1;
    while (whole < size)
        whole <<= 1;
    region_init_io(&p->legacy, &p->pci.dev, &legacy_ops, p, "virtio-pci", whole);
    pci_bar(&p->pci, BAR_LEGACY, PCI_BAR_IO, &p->legacy);
    return true;
}

static void make_msix(VirtioPci *p)
{
    if (p->vectors == UINT32_MAX)
        p->vectors = inner_of(p)->n_queues + 1;
    if (!p->vectors)
        return;
    uint64_t table = (uint64_t)p->vectors * 16, pba_off = MAX(table, PAGE / 2);
    uint64_t size = PAGE;
    while (size < pba_off + ROUND_UP(p->vectors, 64) / 8)
        size <<= 1;
    region_init_container(&p->msix_bar, &p->pci.dev, "virtio-pci-msix", size);
    Error *err = NULL;
    if (!pci_msix_init(&p->pci, p->vectors, &p->msix_bar, BAR_MSIX, 0, (uint32_t)pba_off, 0, &err)) {
        error_free(err);
        warn_report("unable to init msix vectors to %u", p->vectors);
        p->vectors = 0;
        return;
    }
    pci_bar(&p->pci, BAR_MSIX, PCI_BAR_MEM32, &p->msix_bar);
    if (!accel || !accel->add_irqfd)
        return;
    p->irqs = g_new0(VirtioPciIrq, p->vectors);
    for (unsigned i = 0; i < p->vectors; i++)
        p->irqs[i].fd = p->irqs[i].gsi = -1;
    pci_msix_set_notifier(&p->pci, msix_changed);
}

static const VirtioTransport pci_transport;

static bool check_modes(VirtioPci *p, Error **errp)
{
    const VirtioInfo *info = p->pci.dev.desc->inner->virtio;
    uint16_t old_id = transitional_id(info->id);
    if (!old_id)
        p->disable_legacy = ON_OFF_AUTO_ON;
    else if (p->disable_legacy == ON_OFF_AUTO_AUTO)
        p->disable_legacy = ON_OFF_AUTO_OFF; /* on an express port it would be on */
    if (!is_modern(p) && !is_legacy(p)) {
        error_set(errp, "device cannot work as neither modern nor legacy mode is enabled");
        error_hint(errp, "Set either disable-modern or disable-legacy to off");
        return false;
    }
    if (is_legacy(p) && inner_of(p)->features & BIT64(VIRTIO_F_IOMMU_PLATFORM)) {
        error_set(errp, "VIRTIO_F_IOMMU_PLATFORM was supported by neither legacy nor transitional device");
        error_hint(errp, "Set disable-legacy=on");
        return false;
    }
    return true;
}

static void fill_ids(VirtioPci *p)
{
    uint8_t *c = p->pci.config;
    uint16_t id = p->pci.dev.desc->inner->virtio->id;
    if (is_legacy(p)) {
        stw_le(c + PCI_DEVICE_ID, transitional_id(id));
        stw_le(c + PCI_SUBSYSTEM_VENDOR, SUBSYSTEM_VENDOR);
        stw_le(c + PCI_SUBSYSTEM_ID, id);
    } else {
        stw_le(c + PCI_DEVICE_ID, MODERN_ID_BASE + id);
        c[PCI_REVISION] = 1;
    }
    if (p->class_id)
        stw_le(c + PCI_CLASS, (uint16_t)p->class_id);
}

bool virtio_pci_realize(Device *dev, Error **errp)
{
    VirtioPci *p = container_of(dev, VirtioPci, pci.dev);
    if (!check_modes(p, errp))
        return false;
    fill_ids(p);
    if (is_modern(p))
        inner_of(p)->features |= BIT64(VIRTIO_F_VERSION_1);
    if (is_legacy(p))
        inner_of(p)->features |= BIT64(VIRTIO_F_BAD_FEATURE);
    inner_of(p)->ioeventfd = p->ioeventfd && accel && accel->add_irqfd;
    if (!virtio_attach(dev, &pci_transport, &p->bus, "virtio-pci-bus", errp))
        return false;
    p->queues = g_new0(VirtioPciQueue, inner_of(p)->n_queues);
    if (is_modern(p) && !make_modern(p, errp))
        return false;
    make_msix(p);
    if (is_legacy(p) && !make_legacy(p, errp))
        return false;
    p->pci.config_read = virtio_config_space_read;
    p->pci.config_write = virtio_config_space_write;
    return true;
}

void virtio_pci_unrealize(Device *dev)
{
    VirtioPci *p = container_of(dev, VirtioPci, pci.dev);
    for (unsigned i = 0; p->irqs && i < p->vectors; i++)
        irq_off(&p->irqs[i]);
}

void virtio_pci_finalize(Device *dev)
{
    VirtioPci *p = container_of(dev, VirtioPci, pci.dev);
    for (unsigned i = 0; p->irqs && i < p->vectors; i++)
        if (p->irqs[i].fd >= 0)
            close(p->irqs[i].fd);
    g_free(p->irqs);
    g_free(p->queues);
}

void virtio_pci_init_transitional(Device *dev)
{
    container_of(dev, VirtioPci, pci.dev)->disable_legacy = ON_OFF_AUTO_OFF;
}

void virtio_pci_init_non_transitional(Device *dev)
{
    container_of(dev, VirtioPci, pci.dev)->disable_legacy = ON_OFF_AUTO_ON;
}

/* ---- the stream: before the core's own part, and behind each queue ---- */

static void save_config(VirtioDevice *v, VmWriter *w)
{
    VirtioPci *p = proxy_of(v);
    vmstate_save(w, pci_bus_desc.vmstate, p, NULL);
    vmstate_save(w, &pci_msix_vmstate, &p->pci.msix, NULL);
    if (p->vectors)
        vm_put_be(w, v->config_vector, 2);
}

static bool load_vector(const VirtioPci *p, VmReader *r, uint16_t *vector, Error **errp)
{
    uint64_t val;
    if (!vm_get_be(r, &val, 2, errp))
        return false;
    if (val != VIRTIO_NO_VECTOR && val >= p->vectors)
        return error_set(errp, "vector %u of %u", (unsigned)val, p->vectors);
    *vector = (uint16_t)val;
    return true;
}

static bool load_config(VirtioDevice *v, VmReader *r, Error **errp)
{
    VirtioPci *p = proxy_of(v);
    if (!vmstate_load(r, pci_bus_desc.vmstate, p, pci_bus_desc.vmstate->version, errp) ||
        !vmstate_load(r, &pci_msix_vmstate, &p->pci.msix, pci_msix_vmstate.version, errp))
        return false;
    v->config_vector = VIRTIO_NO_VECTOR;
    return !p->vectors || load_vector(p, r, &v->config_vector, errp);
}

static void save_queue(VirtioDevice *v, unsigned n, VmWriter *w)
{
    if (proxy_of(v)->vectors)
        vm_put_be(w, virtio_queue_vector(v, n), 2);
}

static bool load_queue(VirtioDevice *v, unsigned n, VmReader *r, Error **errp)
{
    uint16_t vector = VIRTIO_NO_VECTOR;
    if (proxy_of(v)->vectors && !load_vector(proxy_of(v), r, &vector, errp))
        return false;
    v->queues[n].vector = vector;
    return true;
}

static bool modern_needed(void *opaque)
{
    return is_modern(opaque) && ((VirtioPci *)opaque)->migrate_extra;
}

static void put_queues(VmWriter *w, const void *field, const VmField *f)
{
    const VirtioPci *p = field;
    static const VirtioPciQueue none;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        const VirtioPciQueue *q = i < VIRTIO_DEVICE(p->pci.dev.inner)->n_queues ? &p->queues[i] : &none;
        vm_put_be(w, q->size, 2);
        vm_put_be(w, 0, 1);
        vm_put_be(w, q->enabled, 1);
        const uint32_t *const pairs[] = {q->desc, q->avail, q->used};
        for (unsigned k = 0; k < 6; k++)
            vm_put_be(w, pairs[k / 2][k % 2], 4);
    }
}

static bool get_queues(VmReader *r, void *field, const VmField *f, Error **errp)
{
    VirtioPci *p = field;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        uint64_t size, unused, enabled, val;
        VirtioPciQueue none, *q = i < inner_of(p)->n_queues ? &p->queues[i] : &none;
        if (!vm_get_be(r, &size, 2, errp) || !vm_get_be(r, &unused, 1, errp) || !vm_get_be(r, &enabled, 1, errp))
            return false;
        if (enabled > 1)
            return error_set(errp, "queue %u is %u, neither on nor off", i, (unsigned)enabled);
        q->size = (uint16_t)size;
        q->enabled = enabled;
        q->reset = false;
        uint32_t *const pairs[] = {q->desc, q->avail, q->used};
        for (unsigned k = 0; k < 6; k++) {
            if (!vm_get_be(r, &val, 4, errp))
                return false;
            pairs[k / 2][k % 2] = (uint32_t)val;
        }
    }
    return true;
}

static const VmState modern_vmstate = {
    .name = "virtio_pci/modern_state",
    .version = 1,
    .min_version = 1,
    .needed = modern_needed,
    .fields = (const VmField[]){VM_U32(VirtioPci, device_select),
                                VM_U32(VirtioPci, driver_select),
                                VM_INT_ARRAY(VirtioPci, driver_features),
                                {.name = "vqs", .kind = VM_CUSTOM, .put = put_queues, .get = get_queues},
                                {}},
};

/* The modern interface's part: opaque is the VirtioPci. */
const VmState virtio_pci_extra_vmstate = {
    .name = "virtio_pci",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){{}},
    .subsections = (const VmState *const[]){&modern_vmstate, NULL},
};

static const VirtioTransport pci_transport = {
    .interrupt = pci_interrupt,
    .interrupt_safe = pci_interrupt_safe,
    .interrupt_fast = pci_interrupt_fast,
    .vector_used = pci_vector_used,
    .doorbell = pci_doorbell,
    .dma = pci_dma,
    .save_config = save_config,
    .load_config = load_config,
    .save_queue = save_queue,
    .load_queue = load_queue,
    .extra_state = &virtio_pci_extra_vmstate,
};
