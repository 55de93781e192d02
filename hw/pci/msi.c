/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message-signalled interrupts (PCI Local Bus Specification 3.0, section 6.8.1).
 *
 * The capability: 0 id, 1 next, 2 control (enable 0, vectors offered 3-1, vectors granted 6-4, 64-bit 7, per-vector
 * mask 8), 4 address, 8 upper address (64-bit), then data (16 bits), mask and pending bits.
 */
#include "hw/pci/pci-regs.h"

void (*pci_msi_deliver)(const MsiMessage *msg);

void pci_msi_send(PciDevice *d, const MsiMessage *msg)
{
    if (!pci_bus_master(d))
        return;
    if ((msg->address & ~0xfffffULL) == 0xfee00000 && pci_msi_deliver) {
        pci_msi_deliver(msg);
    } else { /* a message is a memory write like any other */
        uint8_t data[4];
        stl_le(data, msg->data);
        as_write(d->dma, msg->address, data, sizeof(data));
    }
}

static unsigned data_offset(const PciDevice *d)
{
    return d->msi_cap + (d->msi_64bit ? 12 : 8);
}

static unsigned mask_offset(const PciDevice *d)
{
    return d->msi_cap + (d->msi_64bit ? 16 : 12);
}

static unsigned log2_vectors(const PciDevice *d, unsigned shift)
{
    return MIN(lduw_le(d->config + d->msi_cap + 2) >> shift & 7, 5);
}

bool pci_msi_init(PciDevice *d, uint8_t offset, unsigned vectors, bool is64, bool maskable, Error **errp)
{
    assert(vectors && vectors <= 32 && !(vectors & (vectors - 1)));
    unsigned size = (is64 ? 14 : 10) + (maskable ? 10 : 0);
    uint16_t control = __builtin_ctz(vectors) << 1 | (is64 ? PCI_MSI_64BIT : 0) | (maskable ? PCI_MSI_MASKABLE : 0);
    int at = pci_add_capability(d, PCI_CAP_MSI, offset, size, errp);
    if (!at)
        return false;
    d->msi_cap = at;
    d->msi_64bit = is64;
    d->msi_maskable = maskable;
    stw_le(d->config + at + 2, control);
    stw_le(d->wmask + at + 2, PCI_MSI_ENABLE | 0x70);
    stl_le(d->wmask + at + 4, 0xfffffffc);
    if (is64)
        stl_le(d->wmask + at + 8, 0xffffffff);
    stw_le(d->wmask + data_offset(d), 0xffff);
    if (maskable)
        stl_le(d->wmask + mask_offset(d), UINT32_MAX >> (32 - vectors));
    return true;
}

bool pci_msi_enabled(const PciDevice *d)
{
    return d->msi_cap && (lduw_le(d->config + d->msi_cap + 2) & PCI_MSI_ENABLE);
}

bool pci_msi_message(const PciDevice *d, unsigned vector, MsiMessage *msg)
{
    if (!pci_msi_enabled(d) || vector > 31)
        return false;
    unsigned granted = 1u << MIN(log2_vectors(d, 4), log2_vectors(d, 1));
    const uint8_t *cap = d->config + d->msi_cap;
    uint16_t data = lduw_le(d->config + data_offset(d));
    msg->address = d->msi_64bit ? ldq_le(cap + 4) : ldl_le(cap + 4);
    msg->data = (data & ~(granted - 1)) | (vector & (granted - 1));
    return true;
}

void pci_msi_notify(PciDevice *d, unsigned vector)
{
    MsiMessage msg;
    if (!pci_msi_message(d, vector, &msg))
        return;
    if (d->msi_maskable && (ldl_le(d->config + mask_offset(d)) & BIT32(vector))) {
        uint8_t *pending = d->config + mask_offset(d) + 4;
        stl_le(pending, ldl_le(pending) | BIT32(vector));
        return;
    }
    pci_msi_send(d, &msg);
}

/* The guest unmasked a vector that is pending, or granted itself more vectors than offered. */
void pci_msi_config_written(PciDevice *d, unsigned off, unsigned size)
{
    unsigned len = (d->msi_64bit ? 14 : 10) + (d->msi_maskable ? 10 : 0);
    if (off >= d->msi_cap + len || off + size <= d->msi_cap || !pci_msi_enabled(d))
        return;
    pci_set_irq(d, 0); /* enabled: the pin is not used any more */
    unsigned offered = log2_vectors(d, 1), granted = log2_vectors(d, 4);
    uint8_t *control = d->config + d->msi_cap + 2;
    if (granted > offered)
        stw_le(control, (lduw_le(control) & ~0x70) | offered << 4);
    if (!d->msi_maskable)
        return;
    uint8_t *pending = d->config + mask_offset(d) + 4;
    uint32_t fire = ldl_le(pending) & ~ldl_le(d->config + mask_offset(d));
    stl_le(pending, ldl_le(pending) & ~fire);
    for (unsigned v = 0; v < 32; v++)
        if (fire & BIT32(v))
            pci_msi_notify(d, v);
}

void pci_msi_reset(PciDevice *d)
{
    uint8_t *cap = d->config + d->msi_cap;
    stw_le(cap + 2, lduw_le(cap + 2) & ~(PCI_MSI_ENABLE | 0x70));
    stl_le(cap + 4, 0);
    if (d->msi_64bit)
        stl_le(cap + 8, 0);
    stw_le(d->config + data_offset(d), 0);
    if (d->msi_maskable)
        memset(d->config + mask_offset(d), 0, 8);
}
