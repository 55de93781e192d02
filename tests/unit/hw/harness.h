/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bare board for one device at a time: memory, ports, an ISA and a PCI bus with recorded interrupt lines, a clock
 * that stands still. Shared by the table test and the fuzzer.
 */
#ifndef TESTS_UNIT_HW_HARNESS_H
#define TESTS_UNIT_HW_HARNESS_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

#define BENCH_RAM (1 * MIB)

/* What the device shows of itself to accesses. */
typedef struct Window {
    AddressSpace *as; /* NULL: PCI configuration space */
    uint64_t addr, len;
} Window;

typedef struct Bench {
    Device *dev;
    GArray *windows; /* of Window */
    uint32_t lines;  /* levels: ISA 0 to 15, PCI INTA to INTD at 16 */
} Bench;

extern Bench bench;

void bench_init(void); /* once; takes the VM lock */
/* Whether a device of that kind can be realized on the bare board. */
bool bench_fits(const DeviceDesc *d, const char **why);
/* Make and realize; PCI BARs are programmed. */
Device *bench_make(const DeviceDesc *d, Error **errp);
void bench_drop(void);   /* unrealize */
void bench_settle(void); /* wait until what was dropped is freed */
void bench_map(void);    /* program the BARs anew and list the windows */
GByteArray *bench_save(void);
bool bench_load(const uint8_t *data, size_t len, Error **errp);
uint8_t *bench_ram(void);
MemoryRegion *bench_ram_region(void);
/* One random access; its outcome, with the interrupt lines in the upper half. Moves the clock now and then. */
uint64_t bench_step(GRand *rand, GString *log);
/* One access as told: what a fuzzer needs. */
uint64_t bench_access(unsigned window, uint64_t off, unsigned size, bool write, uint64_t val);

#endif
