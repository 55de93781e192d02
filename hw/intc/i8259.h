/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's two 8259A interrupt controllers. */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include "hw/isa/isa.h"

/*
 * Make the pair on bus: master at ports 20h, 4d0h, slave at a0h, 4d1h, cascaded at line 2. "isa-i8259", or "kvm-i8259"
 * where the kernel has the chips (accel_irqchip_mode()). int_out: the master's INT pin (pic_int_line() of
 * hw/intc/lapic.h on a PC). lines[n] becomes what raises IRQ n; with the kernel's chips all NULL: those are reached by
 * accel->set_gsi.
 */
bool i8259_create(IsaBus *bus, Irq *int_out, Irq *lines[16], Error **errp);

/* The user-space pair's master and slave; NULL where there is none (the kernel's, or pic=off). */
extern Device *i8259_master, *i8259_slave;

bool i8259_pending(void);            /* the master's INT pin is high; false where there is no user-space pair */
int i8259_acknowledge(void);         /* an INTA cycle: the vector. With nothing pending: the spurious one of line 7 */
void i8259_print(GString *out);      /* `info pic` */
void i8259_print_irqs(GString *out); /* `info irq`: how often each line rose */

#endif
