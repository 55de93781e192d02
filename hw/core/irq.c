/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/irq.h"

Irq *irq_new(IrqHandler *fn, void *opaque, unsigned n)
{
    Irq *irq = g_new(Irq, 1);
    *irq = (Irq){fn, opaque, n};
    return irq;
}
