/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ISA DMA: two 8237-compatible controllers ("i8257"), channels 0 to 3 of 8 bits, 5 to 7 of 16 bits; 4 is the cascade.
 *
 * A device raises DREQ with isa_dma_hold(). While it is high and the guest has the channel unmasked and the controller
 * enabled, the controller calls the device's function from the main loop; that moves what it can by isa_dma_read() and
 * isa_dma_write() and lowers DREQ with isa_dma_release() when it has nothing more to move. After a call that moved
 * nothing the function is not called again before the next isa_dma_hold() or the guest's next write to the controller.
 */
#ifndef HW_DMA_I8257_H
#define HW_DMA_I8257_H

#include "hw/isa/isa.h"

typedef void IsaDmaFn(void *opaque, unsigned channel);

/* Make both controllers (ports 0, 80h and c0h, 88h) and set bus->dma. */
bool i8257_create(IsaBus *bus, Error **errp);

/* channel 0 to 3, 5 to 7. false: taken, or there is no controller. */
bool isa_dma_register(IsaDevice *d, unsigned channel, IsaDmaFn *fn, void *opaque, Error **errp);
void isa_dma_unregister(IsaDevice *d, unsigned channel);
void isa_dma_hold(unsigned channel);
void isa_dma_release(unsigned channel);

typedef enum IsaDmaMode {
    ISA_DMA_VERIFY,
    ISA_DMA_WRITE,
    ISA_DMA_READ,
    ISA_DMA_ILLEGAL
} IsaDmaMode;                              /* WRITE: to memory */
IsaDmaMode isa_dma_mode(unsigned channel); /* what the guest programmed */
bool isa_dma_autoinit(unsigned channel);
bool isa_dma_ready(unsigned channel);    /* unmasked, enabled, programmed */
uint32_t isa_dma_left(unsigned channel); /* bytes until terminal count */

/* Move up to len bytes between memory and buf at the channel's address, which advances; stops at terminal count (*tc
 * true), where an auto-init channel reloads. Returns the bytes moved. A verify transfer counts and moves no data (read
 * gives zeroes). */
uint32_t isa_dma_read(unsigned channel, void *buf, uint32_t len, bool *tc);        /* memory to device */
uint32_t isa_dma_write(unsigned channel, const void *buf, uint32_t len, bool *tc); /* device to memory */

#endif
