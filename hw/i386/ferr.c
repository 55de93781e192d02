/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coprocessor's error, as the PC/AT has it (IBM PC/AT Technical Reference, "Math Coprocessor Control"): an x87
 * exception that the CPU reports by FERR# (CR0.NE = 0) is interrupt 13, which a write to port F0h takes down; the CPU
 * then ignores the exception (IGNNE#) until it is cleared. Reads give FFh.
 */
#include "hw/i386/pc.h"
#include "target/i386/cpu.h"

enum { PORT = 0xf0, LINE = 13 };

static uint64_t ferr_read(void *opaque, uint64_t off, unsigned size)
{
    return 0xff;
}

static void ferr_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    irq_set(cpu_ferr_line, 0);
    cpu_ignne();
}

static const IoOps ferr_ops = {ferr_read, ferr_write, .min = 1, .max = 1};

static void ferr_reset(void *opaque)
{
    irq_set(cpu_ferr_line, 0);
}

void pc_ferr_init(void)
{
    static IoRegion port;

    cpu_ferr_line = isa_bus_claim(isa_bus, LINE);
    region_init_io(&port, NULL, &ferr_ops, NULL, "ioportF0", 1);
    region_add(&system_io, PORT, &port);
    reset_register(ferr_reset, NULL);
}
