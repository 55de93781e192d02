/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa-debugcon: one port; a byte written goes to the back end, a read gives the value of `readback`, by which firmware
 * finds it (Bochs' port 0xe9, which reads 0xe9).
 */
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "hw/isa/isa.h"

typedef struct Debugcon {
    IsaDevice isa;
    uint32_t iobase, readback; /* config */
    CharFrontend chr;
    IoRegion io; /* wiring */
} Debugcon;
#define DEBUGCON(d) container_of(d, Debugcon, isa.dev)

static uint64_t debugcon_read(void *opaque, uint64_t off, unsigned size)
{
    return ((Debugcon *)opaque)->readback & 0xff;
}

/* Not char_write: output that tells what went wrong is kept, and the port has no way to say "later". */
static void debugcon_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    uint8_t b = val;
    char_write_all(&((Debugcon *)opaque)->chr, &b, 1);
}

static const IoOps debugcon_io = {debugcon_read, debugcon_write, .min = 1, .max = 1};

static const CharHandlers no_input = {0}; /* kept by pointer as long as the device lives */

static bool debugcon_realize(Device *dev, Error **errp)
{
    Debugcon *s = DEBUGCON(dev);
    if (!char_connected(&s->chr))
        return error_set(errp, "Can't create debugcon device, empty char device");
    if (s->iobase > 0xffff)
        return error_set(errp, "isa-debugcon.iobase=0x%x: ports end at 0xffff", s->iobase);
    if (!isa_map_io(&s->isa, &s->io, &debugcon_io, s, s->iobase, 1, errp))
        return false;
    char_set_handlers(&s->chr, &no_input, s);
    return true;
}

static void debugcon_unrealize(Device *dev)
{
    char_set_handlers(&DEBUGCON(dev)->chr, NULL, NULL);
}

static const Prop debugcon_props[] = {
    PROP_U32("iobase", Debugcon, iobase, 0xe9, "the port"),
    PROP_CHARDEV("chardev", Debugcon, chr, "ID of a chardev to use as a backend"),
    PROP_U32("readback", Debugcon, readback, 0xe9, "what it reads as"),
    {},
};

const DeviceDesc isa_debugcon = {
    .name = "isa-debugcon",
    .summary = "debug output port",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .size = sizeof(Debugcon),
    .props = debugcon_props,
    .realize = debugcon_realize,
    .unrealize = debugcon_unrealize,
};
