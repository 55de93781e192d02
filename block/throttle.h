/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of bytes and requests a second, by leaky buckets; handles of one group share them. What is over a limit waits
 * in the handle's queues, at its home.
 */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include "block/block.h"

typedef enum ThrottleKind {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_IOPS_TOTAL,
    THROTTLE_IOPS_READ,
    THROTTLE_IOPS_WRITE,
    THROTTLE_KINDS
} ThrottleKind;
typedef struct ThrottleLimits {
    uint64_t avg[THROTTLE_KINDS], max[THROTTLE_KINDS]; /* units a second, 0: none */
    uint64_t length[THROTTLE_KINDS];                   /* seconds that max may last; 1 where not given */
    uint64_t iops_size;                                /* bytes that count as one request, 0: any */
} ThrottleLimits;
/* The names' stems, "bps-total" as -drive throttling.* has them and "bps" as QMP does. */
extern const char *const throttle_names[THROTTLE_KINDS], *const throttle_qmp_names[THROTTLE_KINDS];

typedef struct ThrottleGroup ThrottleGroup;
typedef struct Object Object;
bool throttle_check(const ThrottleLimits *l, Error **errp);
bool throttle_any(const ThrottleLimits *l);
bool throttle_group_exists(const char *name);
ThrottleGroup *throttle_group_get(const char *name); /* a reference, made where it is not there; VM lock */
void throttle_group_unref(ThrottleGroup *g);
const char *throttle_group_name(const ThrottleGroup *g);
void throttle_group_set(ThrottleGroup *g, const ThrottleLimits *l);
ThrottleLimits throttle_group_limits(ThrottleGroup *g);
/* The object of the group's name, with a reference of its own; other references keep it in use. NULL: it goes. */
void throttle_group_set_object(ThrottleGroup *g, Object *o);
/* Nanoseconds until a request may go, or after which to ask again; 0: now, and then it is counted. Any thread. */
int64_t throttle_take(ThrottleGroup *g, bool write, uint64_t bytes);
/* One that goes whatever the limits say is counted: who drains a device again and again gets no more than others. */
void throttle_charge(ThrottleGroup *g, bool write, uint64_t bytes);
/* A worker thread waits until its request may go, in turn, or *open is not 0. */
void throttle_wait(ThrottleGroup *g, bool write, uint64_t bytes, const int *open);
void throttle_open(ThrottleGroup *g, int *open, int by); /* adds; those who wait look again */
unsigned throttle_waiting(ThrottleGroup *g, bool write); /* how many do */
extern int64_t (*throttle_clock)(void);                  /* microseconds; for tests. NULL: the host's */

/* A handle's limits; group NULL: as its name. Drains. Limits of nothing: none. */
bool blk_set_throttle(Block *b, const char *group, const ThrottleLimits *l, Error **errp);

#endif
