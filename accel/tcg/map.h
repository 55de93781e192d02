/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's own copy of the physical memory map, as far as it is host memory: what light code looks addresses up in.
 * It is replaced as a whole by the memory listener, which waits until every vCPU in the guest has let go of the old
 * one.
 */
#ifndef ACCEL_TCG_MAP_H
#define ACCEL_TCG_MAP_H

#include "accel/tcg/tcg.h"
#include "util/rcu.h"

typedef struct TcgRamSection {
    uint64_t gpa, last; /* page aligned, inclusive end */
    uint8_t *host;      /* of gpa */
    RamBlock *ram;
    bool writable; /* else writes go to the dispatcher */
    bool logged;   /* writes must be marked (display, migration) */
} TcgRamSection;

/* [0]: system memory, [1]: what a CPU in SMM sees (cpu_smm_space). Freed by RCU: the translator looks at it outside. */
struct TcgRamMap {
    RcuHead rcu;
    unsigned n[2];
    TcgRamSection *s[2]; /* by address; in the same allocation */
};

extern TcgRamMap *tcg_map; /* atomic; the newest */
void tcg_map_init(void);
void tcg_map_add_smm(void); /* once the board is there; VM lock */
/* A page of RAM that holds translated code: writes to it take the slow path. Atomic bitmaps of the blocks (DIRTY_CODE):
 * 1: no code. */
void tcg_code_written(RamBlock *b, uint64_t off, uint64_t len); /* any thread */
void tcg_take_requests(X86CPU *c); /* own thread, in the guest: all but what the run loop does */

#endif
