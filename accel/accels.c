/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of accelerators, and the choice of one. */
#include "accel/accel.h"

const AccelDesc *accel;
void (*accel_ioapic_eoi)(uint8_t vector);

IrqchipMode accel_irqchip_mode(void)
{
    return accel && accel->irqchip_mode ? accel->irqchip_mode() : IRQCHIP_USER;
}
