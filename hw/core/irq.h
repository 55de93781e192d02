/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt and GPIO lines. A line is a function to call; the level it carries is the sink's state, never the line's:
 * irq_set() may be called with the level it already has, and after migration no line is replayed.
 * NULL is a line that is not connected. All under the VM lock.
 */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

#include "util/util.h"

typedef void IrqHandler(void *opaque, unsigned n, int level);

typedef struct Irq {
    IrqHandler *handler;
    void *opaque;
    unsigned n; /* passed to the handler */
} Irq;

static inline void irq_set_level(Irq *irq, int level)
{
    if (irq)
        irq->handler(irq->opaque, irq->n, level);
}
static inline void irq_set(Irq *irq, bool level)
{
    irq_set_level(irq, level);
}
static inline void irq_raise(Irq *irq)
{
    irq_set_level(irq, 1);
}
static inline void irq_lower(Irq *irq)
{
    irq_set_level(irq, 0);
}
static inline void irq_pulse(Irq *irq)
{
    irq_set_level(irq, 1);
    irq_set_level(irq, 0);
}

/* A free-standing line; the caller frees it with g_free when nothing can raise it any more. */
Irq *irq_new(IrqHandler *fn, void *opaque, unsigned n);

#endif
