/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The I/O APIC, 24 inputs, and the fan-out of the board's interrupt lines (GSIs) to PIC and I/O APIC. */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

#define IOAPIC_PINS 24
#define IOAPIC_BASE 0xfec00000ULL
#define GSI_COUNT   IOAPIC_PINS

/* Make "ioapic" (or "kvm-ioapic") and map it at base. Its input lines are device_input(dev, 0..23). */
Device *ioapic_create(Gpa base, Error **errp);
/* An EOI of a level-triggered vector arrived: every I/O APIC looks. */
void ioapic_eoi_broadcast(uint8_t vector);
void ioapic_print(GString *out); /* the I/O APIC's part of `info pic` */

/*
 * The board's lines. pic: i8259_create()'s lines, NULL where there is no PIC; ioapic: NULL where there is none.
 * Fills lines[0..23]: GSI 0 to 15 reach both (GSI 0 the I/O APIC's pin 2, as the MADT's and fw_cfg's irq0-override
 * says), 16 to 23 the I/O APIC. Where the chips are the kernel's, one accel->set_gsi(). The lines live as long as the
 * machine.
 */
void gsi_create_lines(Irq *const pic[16], Device *ioapic, Irq *lines[GSI_COUNT]);

#endif
