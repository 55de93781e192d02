/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc-testdev: ports and memory by which test guests try the machine underneath (kvm-unit-tests' README names it).
 *
 *   0xe0 to 0xe3      four bytes that keep what is written, accesses of 1, 2 and 4 bytes
 *   0xe4 to 0xe7      flush page: a write of a page's address asks the host to drop and refault it; reads as 0
 *   0xe8 to 0xeb      the same four bytes as 0xe0, reached byte by byte
 *   0x2000 to 0x2017  a write of 0 or 1 sets GSI 0 to 23; reads as 0
 *   0xff000000        64 KiB of memory behind handlers
 *
 * The behaviour is that of Debian's binary, seen from its qtest socket. The flush takes the page's host memory out of
 * this process's page tables for a moment, by which the accelerator loses its mapping too.
 */
#include <sys/mman.h>

#include "hw/core/device.h"
#include "hw/i386/pc.h"
#include "hw/isa/isa.h"

#define IOMEM_BASE 0xff000000ULL
#define IOMEM_SIZE 0x10000

typedef struct PcTestdev {
    IsaDevice isa;
    IoRegion io, io_byte, flush, lines, mem; /* wiring */
    uint8_t port[4];                         /* state; not migrated, as with QEMU */
    uint8_t iomem[IOMEM_SIZE];
} PcTestdev;
#define PC_TESTDEV(d) container_of(d, PcTestdev, isa.dev)

static uint64_t port_read(void *opaque, uint64_t off, unsigned size)
{
    uint8_t bytes[8] = {0};
    memcpy(bytes, ((PcTestdev *)opaque)->port + off, MIN(size, 4 - off));
    return ldq_le(bytes);
}

static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    uint8_t bytes[8];
    stq_le(bytes, val);
    memcpy(((PcTestdev *)opaque)->port + off, bytes, MIN(size, 4 - off));
}

static uint64_t zero_read(void *opaque, uint64_t off, unsigned size)
{
    return 0;
}

static void flush_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    uint64_t len = 4096;
    void *page = as_map(&as_memory, val & ~0xfffULL, &len, false);
    if (page && len == 4096) {
        mprotect(page, len, PROT_NONE);
        mprotect(page, len, PROT_READ | PROT_WRITE);
    }
    if (page)
        as_unmap(&as_memory, page, len, false, 0);
}

static void line_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    PcMachine *pc = PC_MACHINE(machine); /* an ISA bus is on no other */
    if (off < PC_GSIS)
        irq_set(pc->gsi[off], val != 0);
}

static uint64_t mem_read(void *opaque, uint64_t off, unsigned size)
{
    uint8_t bytes[8] = {0};
    memcpy(bytes, ((PcTestdev *)opaque)->iomem + off, MIN(size, IOMEM_SIZE - off));
    return ldq_le(bytes);
}

static void mem_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    uint8_t bytes[8];
    stq_le(bytes, val);
    memcpy(((PcTestdev *)opaque)->iomem + off, bytes, MIN(size, IOMEM_SIZE - off));
}

static const IoOps port_ops = {port_read, port_write, .min = 1, .max = 4};
static const IoOps port_byte_ops = {port_read, port_write, .min = 1, .max = 1};
static const IoOps flush_ops = {zero_read, flush_write, .min = 1, .max = 4};
static const IoOps line_ops = {zero_read, line_write, .min = 1, .max = 1};
static const IoOps mem_ops = {mem_read, mem_write, .min = 1, .max = 8};

static bool pc_testdev_realize(Device *dev, Error **errp)
{
    PcTestdev *s = PC_TESTDEV(dev);
    if (!isa_map_io(&s->isa, &s->io, &port_ops, s, 0xe0, 4, errp) ||
        !isa_map_io(&s->isa, &s->flush, &flush_ops, s, 0xe4, 4, errp) ||
        !isa_map_io(&s->isa, &s->io_byte, &port_byte_ops, s, 0xe8, 4, errp) ||
        !isa_map_io(&s->isa, &s->lines, &line_ops, s, 0x2000, PC_GSIS, errp))
        return false;
    region_init_io(&s->mem, dev, &mem_ops, s, "pc-testdev-iomem", IOMEM_SIZE);
    region_add(&system_memory, IOMEM_BASE, &s->mem); /* no ISA bus reaches there */
    return true;
}

const DeviceDesc pc_testdev = {
    .name = "pc-testdev",
    .summary = "ports and memory for test guests",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .size = sizeof(PcTestdev),
    .realize = pc_testdev_realize,
};
