/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the memory-*.c files share; for nobody else. */
#ifndef SOFTMMU_MEMORY_INTERNAL_H
#define SOFTMMU_MEMORY_INTERNAL_H

#include "softmmu/memory.h"

typedef struct FlatEventfd {
    Gpa addr;
    RegionEventfd e;
} FlatEventfd;

typedef struct CoalescedRange {
    uint64_t off, len;
} CoalescedRange;

/* An immutable snapshot of what is where. refs under the VM lock; freed after a grace period. */
typedef struct FlatView {
    uint64_t id; /* never used twice: the key of the per-thread last-hit cache */
    unsigned n;
    FlatRange *ranges; /* by address, disjoint */
    uint64_t *lasts;   /* ranges[i].last, packed for the search */
    unsigned n_eventfds;
    FlatEventfd *eventfds;          /* by address, then as eventfd_cmp() */
    RegionEventfd *region_eventfds; /* the same in the same order: what the ranges point to */
    unsigned n_coalesced;
    CoalescedRange *coalesced; /* off: the address */
    MemoryRegion *root;
    int refs;
    RcuHead rcu;
} FlatView;

FlatView *flat_view_new(MemoryRegion *root); /* one reference */
void flat_view_ref(FlatView *v);
void flat_view_unref(FlatView *v);
bool flat_view_equal(const FlatView *a, const FlatView *b);
bool flat_range_same_place(const FlatRange *a,
                           const FlatRange *b); /* all but what may change in place: log_mask, eventfds */
int flat_eventfd_cmp(const FlatEventfd *a, const FlatEventfd *b);

/* Follow aliases to a region that has memory or handlers of its own; *off is moved along. */
MemoryRegion *region_resolve(MemoryRegion *r, uint64_t *off);
extern AddressSpace *address_spaces;
void memory_flush_coalesced(AddressSpace *as); /* under the VM lock */

bool ram_block_try_ref(RamBlock *b); /* false: it is on its way out */

#endif
