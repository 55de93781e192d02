/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's own copy of the physical memory map, as far as it is host memory: what light code looks addresses up in.
 * It is replaced as a whole by the memory listener, which waits until every vCPU has let go of the old one.
 */
#ifndef ACCEL_TCG_MAP_H
#define ACCEL_TCG_MAP_H

#include "accel/tcg/tcg.h"

typedef struct TcgRamSection {
    uint64_t gpa, last; /* page aligned, inclusive end */
    uint8_t *host;      /* of gpa */
    RamBlock *ram;
    bool writable; /* else writes go to the dispatcher */
    bool logged;   /* writes must be marked (display, migration) */
} TcgRamSection;

struct TcgRamMap {
    unsigned n;
    TcgRamSection s[]; /* by address */
};

extern TcgRamMap *tcg_map; /* atomic; the newest */
void tcg_map_init(void);
/* A page of RAM that holds translated code: writes to it take the slow path. Atomic bitmaps of the blocks (DIRTY_CODE):
 * 1: no code. */
void tcg_code_written(RamBlock *b, uint64_t off, uint64_t len); /* any thread */
void tcg_take_requests(X86CPU *c); /* own thread, in the guest: all but what the run loop does */

#endif
