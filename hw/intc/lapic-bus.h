/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between a local APIC (lapic.c) and what connects them (apic-bus.c). */
#ifndef HW_INTC_LAPIC_BUS_H
#define HW_INTC_LAPIC_BUS_H

#include "hw/intc/lapic-state.h"

#define APIC_BROADCAST 0xffffffffU

bool lapic_enabled(const Lapic *l);
bool lapic_x2(const Lapic *l);
bool lapic_moved(const Lapic *l); /* its page is not at FEE00000h */
uint32_t lapic_id(const Lapic *l);
uint32_t lapic_ldr(const Lapic *l);
uint8_t lapic_ppr(const Lapic *l);
uint32_t lapic_current_count(const Lapic *l); /* of the timer */
bool lapic_accepts_pic(const Lapic *l);
void lapic_update(Lapic *l);                                       /* drive the CPU's interrupt request */
void lapic_accept(Lapic *l, uint8_t vector, bool level_triggered); /* a fixed interrupt */
void lapic_lint0(Lapic *l, bool level);                            /* the PIC's INT pin changed */
uint32_t lapic_mmio_read(Lapic *l, unsigned reg);
void lapic_mmio_write(Lapic *l, unsigned reg, uint32_t val);
extern const CpuIrqOps lapic_irq_ops;

/* Send from's message to those that shorthand (ICR bits 19-18) and dest mean. */
void apic_bus_send(Lapic *from, unsigned shorthand, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
                   bool level_triggered);
/* An 8-bit destination as a 32-bit one: ffh is all. */
uint32_t apic_bus_widen(uint32_t dest8);

#endif
