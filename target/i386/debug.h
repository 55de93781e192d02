/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a debugger outside of the guest (softmmu/gdbstub.h) asks of the CPUs, and what an accelerator answers.
 *
 * The table of points and X86CPU.debug change with the VM stopped only (no vCPU in the guest), under the VM lock; after
 * each change the accelerator's update_debug() is called for every CPU, in its thread. vcpu_run() then ends with
 * VCPU_EXIT_DEBUG and X86CPU.debug_hit:
 *
 *   DEBUG_SOFTWARE, DEBUG_HARDWARE  before the instruction at this linear address (CS.base + RIP) is executed. Also
 * when it is the first one after the start: who wants to go on from there takes the point away for a step. DEBUG_WRITE,
 * _READ, _ACCESS     after the instruction that touched linear addresses of [addr, addr + len); addr of the hit is the
 *                                   touched byte or the point's.
 *   DEBUG_STEP                      single_step: after one instruction, or after the delivery of an exception or
 * interrupt in its place, HLT included (the CPU is halted then). no_irq: maskable interrupts wait meanwhile.
 *
 * The guest's own debug registers and EFLAGS.TF are not touched and work on; a #DB or #BP of the guest's is the
 * guest's.
 */
#ifndef TARGET_I386_DEBUG_H
#define TARGET_I386_DEBUG_H

#include "util/error.h"

typedef struct X86CPU X86CPU;

typedef enum DebugKind {
    DEBUG_NONE,
    DEBUG_SOFTWARE, /* from here in the order of gdb's Z packets */
    DEBUG_HARDWARE,
    DEBUG_WRITE,
    DEBUG_READ,
    DEBUG_ACCESS,
    DEBUG_STEP,
} DebugKind;

typedef struct DebugPoint {
    DebugKind kind;
    uint64_t addr, len; /* linear; len of execution points is 1 */
    uint64_t gpa;       /* of addr when the point was set; UINT64_MAX: nothing was mapped there */
} DebugPoint;

typedef struct CpuDebug {
    bool single_step, no_irq;
    bool hold; /* vcpus_resume() leaves this CPU stopped */
} CpuDebug;

typedef struct DebugHit {
    DebugKind kind;
    uint64_t addr;
} DebugHit;

#define DEBUG_POINTS_MAX 1024
extern DebugPoint debug_points[DEBUG_POINTS_MAX];
extern unsigned debug_point_count;

/* VM stopped. 0 or -errno: ENOTSUP (the accelerator cannot debug), ENOENT (no such point), ENOSPC, or EINVAL with
 * *errp: why the accelerator refuses. c: whose address space addr is in. A point may be set twice and counts once for
 * each. */
int debug_point_add(X86CPU *c, DebugKind kind, uint64_t addr, uint64_t len, Error **errp);
int debug_point_remove(DebugKind kind, uint64_t addr, uint64_t len);
void debug_points_clear(void);
/* After X86CPU.debug was changed. */
bool debug_update(X86CPU *c, Error **errp);

static inline bool debug_is_execution(DebugKind kind)
{
    return kind == DEBUG_SOFTWARE || kind == DEBUG_HARDWARE;
}
/* For accelerators (inline: also for light code, accel/tcg/tcg.h): a point at which execution stops; NULL: none. */
static inline const DebugPoint *debug_point_at(uint64_t linear)
{
    for (unsigned i = 0; i < debug_point_count; i++)
        if (debug_is_execution(debug_points[i].kind) && debug_points[i].addr == linear)
            return &debug_points[i];
    return NULL;
}
/* One whose range [addr, addr + len) overlaps, for a write or a read; NULL: none. */
static inline const DebugPoint *debug_watch_at(uint64_t linear, uint64_t len, bool write)
{
    DebugKind wanted = write ? DEBUG_WRITE : DEBUG_READ;
    for (unsigned i = 0; i < debug_point_count; i++) {
        const DebugPoint *p = &debug_points[i];
        if ((p->kind == wanted || p->kind == DEBUG_ACCESS) && p->addr - linear < len)
            return p;
        if ((p->kind == wanted || p->kind == DEBUG_ACCESS) && linear - p->addr < p->len)
            return p;
    }
    return NULL;
}

#endif
