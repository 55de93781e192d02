/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints and watchpoints of a debugger outside of the guest; see debug.h. */
#include "target/i386/cpu.h"
#include "accel/accel.h"
#include "softmmu/vcpus.h"

DebugPoint debug_points[DEBUG_POINTS_MAX];
unsigned debug_point_count;

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
    if (debug_is_execution(kind))
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
        if (p->kind != kind || p->addr != addr || (!debug_is_execution(kind) && p->len != len))
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
