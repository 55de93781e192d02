/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of one 8259A, shared by our chip and by what mirrors the kernel's. */
#ifndef HW_INTC_I8259_STATE_H
#define HW_INTC_I8259_STATE_H

#include "hw/isa/isa.h"

typedef struct I8259 {
    IsaDevice isa;
    /* config */
    uint32_t iobase, elcr_addr;
    uint8_t elcr_mask;
    bool master;
    /* wiring */
    IoRegion io, elcr_region;
    Irq *int_out;
    uint64_t raised[8]; /* statistics */
    /* state */
    uint8_t last_irr; /* the inputs' levels */
    uint8_t irr, imr, isr;
    uint8_t priority_add; /* the line of highest priority */
    uint8_t irq_base;     /* ICW2 */
    uint8_t read_reg_select, poll, special_mask, init_state;
    uint8_t auto_eoi, rotate_on_auto_eoi, special_fully_nested_mode, init4, single_mode;
    uint8_t elcr;
} I8259;
#define I8259(d) container_of(d, I8259, isa.dev)

extern const VmState i8259_vmstate;
extern const VmField i8259_fields[];
void kvm_pic_refresh(I8259 *s); /* fetch the kernel's state */
extern const Prop i8259_props[];
extern const DeviceDesc isa_i8259, kvm_i8259;

#endif
