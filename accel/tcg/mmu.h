/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page walks of the engine: walk.c for mem.c. Light. */
#ifndef ACCEL_TCG_MMU_H
#define ACCEL_TCG_MMU_H

#include "accel/tcg/tcg.h"

enum { WALK_READ, WALK_WRITE, WALK_EXEC };

typedef struct Walk {
    uint64_t gpa;    /* of the page */
    bool write;      /* may be written without another walk: writable and dirty */
    bool read, exec; /* the same rights for the other kinds of access */
    bool global;
    uint8_t shift;  /* the page has 1 << shift bytes */
    uint32_t error; /* #PF's error code where it failed */
} Walk;

/* Translate lin (cut to lin_mask) for an access with the rights of mmu; sets accessed and dirty bits. false: #PF with
 * out->error. */
bool tcg_walk(X86CPU *c, uint64_t lin, unsigned kind, unsigned mmu, Walk *out);
/* The same where that is no more than to read tables in RAM that allow it and have all bits set: what nearly every walk
 * in long mode is. false: not known yet. Leaves light code by no means. */
bool tcg_walk_quick(X86CPU *c, uint64_t lin, unsigned kind, unsigned mmu, Walk *out);

#endif
