/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device's view of memory. PCI devices use pci_dma_*(), which go through their IOMMU's address space; others these. */
#ifndef SOFTMMU_DMA_H
#define SOFTMMU_DMA_H

#include "softmmu/memory.h"

static inline MemResult dma_read(AddressSpace *as, Gpa addr, void *buf, uint64_t len)
{
    return as_read(as, addr, buf, len);
}
static inline MemResult dma_write(AddressSpace *as, Gpa addr, const void *buf, uint64_t len)
{
    return as_write(as, addr, buf, len);
}

#endif
