/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System flash, for boards. */
#ifndef HW_BLOCK_PFLASH_H
#define HW_BLOCK_PFLASH_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

struct Block;
enum { PFLASH_SECTOR = 4096 };

/* A "cfi.pflash01" of the whole of blk, whose size is a multiple of PFLASH_SECTOR; not mapped anywhere yet. */
Device *pflash_create(const char *name, struct Block *blk, Error **errp);
MemoryRegion *pflash_region(Device *dev);

#endif
