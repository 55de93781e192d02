/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over PCI (virtio 1.2, section 4.1): what a device file needs to offer its device there.
 *
 *     VIRTIO_PCI_DEVICES(virtio_rng, "virtio-rng", DEV_MISC, virtio_rng_pci_props, .class_id = 0x00ff)
 *
 * defines virtio_rng_pci, virtio_rng_pci_transitional and virtio_rng_pci_non_transitional, whose inner device is
 * virtio_rng_device. VIRTIO_PCI_DEVICE() defines the first alone, for devices without a legacy interface.
 */
#ifndef HW_VIRTIO_PCI_H
#define HW_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

typedef struct VirtioPciQueue {
    uint16_t size;
    bool enabled, reset;
    uint32_t desc[2], avail[2], used[2]; /* low, high */
} VirtioPciQueue;

typedef struct VirtioPci {
    PciDevice pci;
    /* config, fixed at realize */
    uint32_t vectors; /* UINT32_MAX: one for each queue and one for the configuration */
    uint32_t class_id;
    OnOffAuto disable_legacy;
    bool disable_modern;
    bool ioeventfd, page_per_vq, modern_pio_notify, ats, ats_aligned, migrate_extra, bus_master_bug,
        ignore_backend_features, aer;
    bool no_pcie, deverr_init, lnkctl_init, pm_init, flr_init; /* x-pcie-*: for express buses */
    /* wiring */
    Bus bus;
    IoRegion legacy;
    MemoryRegion msix_bar, modern_bar;
    IoRegion common, isr, device, notify, notify_pio;
    uint8_t access_cap;        /* offset of the capability that reads and writes BARs */
    struct VirtioPciIrq *irqs; /* [vectors] */
    /* state */
    uint32_t device_select, driver_select; /* words of features */
    uint32_t driver_features[2];
    VirtioPciQueue *queues; /* [n_queues of the inner device] */
} VirtioPci;

extern const VmState virtio_pci_extra_vmstate;

bool virtio_pci_realize(Device *dev, Error **errp);
void virtio_pci_unrealize(Device *dev);
void virtio_pci_reset(Device *dev);
void virtio_pci_finalize(Device *dev);
void virtio_pci_init_transitional(Device *dev);
void virtio_pci_init_non_transitional(Device *dev);

/* Properties of one device only. */
#define VIRTIO_PCI_VECTORS(n) PROP_U32("vectors", VirtioPci, vectors, n, "MSI-X vectors; 0: none")
#define VIRTIO_PCI_CLASS(n)   PROP_U32("class", VirtioPci, class_id, n, "PCI class; 0: the usual one")
#define VIRTIO_PCI_IOEVENTFD  PROP_BOOL("ioeventfd", VirtioPci, ioeventfd, true, "doorbells without an exit of the CPU")
/* Of all; the first two not of those whose name says it. */
#define VIRTIO_PCI_MODES                                                                                               \
    PROP_ON_OFF_AUTO("disable-legacy", VirtioPci, disable_legacy, ON_OFF_AUTO_AUTO, "no interface of virtio 0.9"),     \
        PROP_BOOL("disable-modern", VirtioPci, disable_modern, false, "no interface of virtio 1.0")
#define VIRTIO_PCI_PROPS                                                                                               \
    PROP_BOOL("virtio-pci-bus-master-bug-migration", VirtioPci, bus_master_bug, false, "not used"),                    \
        PROP_BOOL("migrate-extra", VirtioPci, migrate_extra, true, "migrate the modern interface's state"),            \
        PROP_BOOL("modern-pio-notify", VirtioPci, modern_pio_notify, false, "a doorbell port for modern drivers"),     \
        PROP_BOOL("x-disable-pcie", VirtioPci, no_pcie, false, "conventional also on an express bus"),                 \
        PROP_BOOL("page-per-vq", VirtioPci, page_per_vq, false, "a page for each queue's doorbell"),                   \
        PROP_BOOL("x-ignore-backend-features", VirtioPci, ignore_backend_features, false, "not used"),                 \
        PROP_BOOL("ats", VirtioPci, ats, false, "express: address translation services"),                              \
        PROP_BOOL("x-ats-page-aligned", VirtioPci, ats_aligned, true, "express: ATS of whole pages"),                  \
        PROP_BOOL("x-pcie-deverr-init", VirtioPci, deverr_init, true, "express: error registers"),                     \
        PROP_BOOL("x-pcie-lnkctl-init", VirtioPci, lnkctl_init, true, "express: link control"),                        \
        PROP_BOOL("x-pcie-pm-init", VirtioPci, pm_init, true, "express: power management"),                            \
        PROP_BOOL("x-pcie-flr-init", VirtioPci, flr_init, true, "express: function level reset"),                      \
        PROP_BOOL("aer", VirtioPci, aer, false, "express: advanced error reporting")

#define VIRTIO_PCI_DESC(sym, name_, cat, summary_, ...)                                                                \
    const DeviceDesc sym = {.name = name_,                                                                             \
                            .summary = summary_,                                                                       \
                            .bus = BUS_PCI,                                                                            \
                            .category = cat,                                                                           \
                            .flags = DEV_HOTPLUG,                                                                      \
                            .size = sizeof(VirtioPci),                                                                 \
                            .realize = virtio_pci_realize,                                                             \
                            .unrealize = virtio_pci_unrealize,                                                         \
                            .reset = virtio_pci_reset,                                                                 \
                            .finalize = virtio_pci_finalize,                                                           \
                            __VA_ARGS__}
/* sym: of the inner device without _device; stem: "virtio-rng"; common: a macro of properties of its own, ending in a
 * comma, or nothing; further arguments: of PciInfo. */
#define VIRTIO_PCI_DEVICES(sym, stem, cat, summary_, common, ...)                                                      \
    static const Prop sym##_pci_props[] = {common VIRTIO_PCI_MODES, VIRTIO_PCI_PROPS, {}};                             \
    static const Prop sym##_pci_props_fixed[] = {common VIRTIO_PCI_PROPS, {}};                                         \
    static const PciInfo sym##_pci_info = {.vendor = 0x1af4, .intx_pin = 1, __VA_ARGS__};                              \
    VIRTIO_PCI_DESC(sym##_pci, stem "-pci", cat, summary_, .alias = stem, .parent = "virtio-pci/" stem "-pci-base",    \
                    .props = sym##_pci_props, .pci = &sym##_pci_info, .inner = &sym##_device);                         \
    VIRTIO_PCI_DESC(sym##_pci_transitional, stem "-pci-transitional", cat, summary_ ", legacy and modern",             \
                    .parent = "virtio-pci/" stem "-pci-base", .props = sym##_pci_props_fixed, .pci = &sym##_pci_info,  \
                    .inner = &sym##_device, .init = virtio_pci_init_transitional);                                     \
    VIRTIO_PCI_DESC(sym##_pci_non_transitional, stem "-pci-non-transitional", cat, summary_ ", modern",                \
                    .parent = "virtio-pci/" stem "-pci-base", .props = sym##_pci_props_fixed, .pci = &sym##_pci_info,  \
                    .inner = &sym##_device, .init = virtio_pci_init_non_transitional)
#define VIRTIO_PCI_DEVICE(sym, stem, cat, summary_, parent_, common, ...)                                              \
    static const Prop sym##_pci_props[] = {common VIRTIO_PCI_MODES, VIRTIO_PCI_PROPS, {}};                             \
    static const PciInfo sym##_pci_info = {.vendor = 0x1af4, .intx_pin = 1, __VA_ARGS__};                              \
    VIRTIO_PCI_DESC(sym##_pci, stem "-pci", cat, summary_, .alias = stem, .parent = parent_, .props = sym##_pci_props, \
                    .pci = &sym##_pci_info, .inner = &sym##_device)

#endif
