/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isa-debug-exit: a write of VAL ends the process with status (VAL << 1) | 1. For tests that run bare on the machine.
 */
#include "hw/core/device.h"
#include "hw/isa/isa.h"
#include "softmmu/runstate.h"

typedef struct DebugExit {
    IsaDevice isa;
    uint32_t iobase, iosize; /* config */
    IoRegion io;             /* wiring */
} DebugExit;
#define DEBUG_EXIT(d) container_of(d, DebugExit, isa.dev)

static uint64_t debug_exit_read(void *opaque, uint64_t off, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    system_exit_request(((val << 1) | 1) & 0xff);
}

static const IoOps debug_exit_io = {debug_exit_read, debug_exit_write, .min = 1, .max = 4};

static bool debug_exit_realize(Device *dev, Error **errp)
{
    DebugExit *s = DEBUG_EXIT(dev);
    if (!s->iosize || s->iosize > 0x10000 || s->iobase > 0x10000 - s->iosize)
        return error_set(errp, "isa-debug-exit: iobase=0x%x and iosize=0x%x are not within 64 KiB of ports", s->iobase,
                         s->iosize);
    return isa_map_io(&s->isa, &s->io, &debug_exit_io, s, s->iobase, s->iosize, errp);
}

static const Prop debug_exit_props[] = {
    PROP_U32("iobase", DebugExit, iobase, 0x501, "first I/O port"),
    PROP_U32("iosize", DebugExit, iosize, 0x02, "number of ports"),
    {},
};

const DeviceDesc isa_debug_exit = {
    .name = "isa-debug-exit",
    .summary = "port that ends the process",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .size = sizeof(DebugExit),
    .props = debug_exit_props,
    .realize = debug_exit_realize,
};
