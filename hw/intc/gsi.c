/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The board's interrupt lines (GSIs) and what each one reaches. */
#include "accel/accel.h"
#include "hw/intc/ioapic.h"

typedef struct Gsi {
    Irq *pic, *ioapic;
} Gsi;

static Gsi gsi[GSI_COUNT];

static void gsi_set(void *opaque, unsigned n, int level)
{
    irq_set_level(gsi[n].pic, level);
    irq_set_level(gsi[n].ioapic, level);
}

static void gsi_set_kernel(void *opaque, unsigned n, int level)
{
    accel->set_gsi(n, level);
}

void gsi_create_lines(Irq *const pic[16], Device *io, Irq *lines[GSI_COUNT])
{
    bool kernel = accel_irqchip_mode() == IRQCHIP_KERNEL;
    for (unsigned n = 0; n < GSI_COUNT; n++) {
        gsi[n] = (Gsi){n < 16 && pic ? pic[n] : NULL, io && !kernel ? device_input(io, n) : NULL};
        lines[n] = irq_new(kernel ? gsi_set_kernel : gsi_set, NULL, n);
    }
}
