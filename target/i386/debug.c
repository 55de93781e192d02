/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints and watchpoints of a debugger outside of the guest; see debug.h. */
#include "target/i386/cpu.h"
#include "accel/accel.h"
#include "softmmu/vcpus.h"

DebugPoint debug_points[DEBUG_POINTS_MAX];
unsigned debug_point_count;

static bool is_execution(DebugKind kind)
{
    return kind == DEBUG_SOFTWARE || kind == DEBUG_HARDWARE;
}

typedef struct Update {
    bool ok;
    Error **errp;
} Update;

static void update(X86CPU *c, void *arg)
{
    Update *u = arg;
    u->ok = accel->update_debug(c, u->errp);
}

bool debug_update(X86CPU *c, Error **errp)
{
    if (!accel || !accel->update_debug)
        return error_set(errp, "this accelerator cannot be debugged");
    Update u = {.errp = errp};
    vcpu_run_on(c, update, &u);
    return u.ok;
}

static bool update_all(Error **errp)
{
    X86CPU *c;
    FOREACH_VCPU (c) {
        if (!debug_update(c, errp))
            return false;
    }
    return true;
}

int debug_point_add(X86CPU *c, DebugKind kind, uint64_t addr, uint64_t len, Error **errp)
{
    if (!accel || !accel->update_debug)
        return -ENOTSUP;
    if (is_execution(kind))
        len = 1;
    if (kind < DEBUG_SOFTWARE || kind > DEBUG_ACCESS || !len || addr + (len - 1) < addr)
        return -EINVAL;
    if (debug_point_count == DEBUG_POINTS_MAX)
        return -ENOSPC;
    DebugPoint p = {kind, addr, len, UINT64_MAX};
    if (!cpu_translate(c, addr, &p.gpa))
        p.gpa = UINT64_MAX;
    debug_points[debug_point_count++] = p;
    if (update_all(errp))
        return 0;
    debug_point_count--;
    update_all(NULL);
    return -EINVAL;
}

int debug_point_remove(DebugKind kind, uint64_t addr, uint64_t len)
{
    if (!accel || !accel->update_debug)
        return -ENOTSUP;
    for (unsigned i = 0; i < debug_point_count; i++) {
        const DebugPoint *p = &debug_points[i];
        if (p->kind != kind || p->addr != addr || (!is_execution(kind) && p->len != len))
            continue;
        debug_points[i] = debug_points[--debug_point_count];
        update_all(NULL);
        return 0;
    }
    return -ENOENT;
}

void debug_points_clear(void)
{
    if (!debug_point_count)
        return;
    debug_point_count = 0;
    update_all(NULL);
}

const DebugPoint *debug_point_at(uint64_t linear)
{
    for (unsigned i = 0; i < debug_point_count; i++)
        if (is_execution(debug_points[i].kind) && debug_points[i].addr == linear)
            return &debug_points[i];
    return NULL;
}

const DebugPoint *debug_watch_at(uint64_t linear, uint64_t len, bool write)
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
