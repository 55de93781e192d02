/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of an I/O APIC, shared by our chip and by what mirrors the kernel's. */
#ifndef HW_INTC_IOAPIC_STATE_H
#define HW_INTC_IOAPIC_STATE_H

#include "hw/intc/ioapic.h"

enum { /* redirection table entry */
       RTE_VECTOR = 0xff,
       RTE_MODE_SHIFT = 8,
       RTE_LOGICAL = 1 << 11,
       RTE_SEND_PENDING = 1 << 12,
       RTE_ACTIVE_LOW = 1 << 13,
       RTE_REMOTE_IRR = 1 << 14,
       RTE_LEVEL = 1 << 15,
       RTE_MASKED = 1 << 16,
};

typedef struct IoApic {
    Device dev;
    /* config */
    uint8_t version;
    uint32_t gsi_base; /* kvm-ioapic */
    /* wiring */
    IoRegion io;
    Timer storm;                     /* delays an interrupt that returns at every EOI */
    uint32_t eoi_count[IOAPIC_PINS]; /* EOIs in a row with the line still high */
    uint64_t raised[IOAPIC_PINS];    /* statistics */
    /* state */
    uint8_t id, ioregsel;
    uint32_t irr; /* level-triggered: the line's level; edge: requested and not yet delivered */
    uint64_t ioredtbl[IOAPIC_PINS];
} IoApic;
#define IOAPIC(d) container_of(d, IoApic, dev)

extern const VmField ioapic_fields[];
void kvm_ioapic_refresh(IoApic *s); /* fetch the kernel's state */
extern const DeviceDesc ioapic, kvm_ioapic;

#endif
