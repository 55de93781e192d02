/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port A, 92h (IBM PS/2 hardware interface reference): bit 1 opens A20, bit 0 going high resets the
 * CPUs. As in QEMU reads give back what was written, and a reset opens A20 without touching the register but for bit 0.
 */
#include "hw/i386/pc.h"
#include "softmmu/runstate.h"
#include "target/i386/cpu.h"

enum { PORT = 0x92, RESET = 1, A20 = 2 };

typedef struct Port92 {
    IsaDevice isa;
    IoRegion io;
    Irq *a20;
    uint8_t outport;
} Port92;
#define PORT92(d) container_of(d, Port92, isa.dev)

static uint64_t port92_read(void *opaque, uint64_t off, unsigned size)
{
    return ((Port92 *)opaque)->outport;
}

static void port92_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Port92 *s = opaque;
    bool rises = ~s->outport & val & RESET;
    s->outport = val;
    irq_set(s->a20, val & A20);
    if (rises)
        system_reset_request(CAUSE_GUEST_RESET);
}

static const IoOps port92_ops = {port92_read, port92_write, .min = 1, .max = 1};

static bool port92_realize(Device *dev, Error **errp)
{
    Port92 *s = PORT92(dev);
    s->a20 = cpu_a20_line();
    device_outputs(dev, "a20", &s->a20, 1);
    return isa_map_io(&s->isa, &s->io, &port92_ops, s, PORT, 1, errp);
}

static void port92_reset(Device *dev)
{
    PORT92(dev)->outport &= ~RESET;
}

static const VmState port92_vmstate = {
    .name = "port92",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U8(Port92, outport), {}},
};

const DeviceDesc port92 = {
    .name = "port92",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(Port92),
    .vmstate = &port92_vmstate,
    .realize = port92_realize,
    .reset = port92_reset,
};
