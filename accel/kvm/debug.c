/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest debug (KVM_SET_GUEST_DEBUG): single step by the trap flag, hardware breakpoints and watchpoints by the four
 * debug registers, of which the guest's own are hidden meanwhile, software breakpoints by INT3 in guest memory. The
 * INT3s are there while the machine runs only: stopped, memory is as the guest has it, for whoever reads it.
 */
#include "accel/kvm/kvm.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/runstate.h"
#include <cpuid.h>

enum { INT3 = 0xcc, EXC_DB = 1, EXC_BP = 3, DR6_BS = 1 << 14, DR7_FIXED = 0x400, DR7_EXACT = 0x200 };

static struct {
    uint64_t gpa;
    uint8_t byte;
} patched[DEBUG_POINTS_MAX];
static unsigned n_patched;

static void insert_int3(void)
{
    static const uint8_t int3 = INT3;
    for (unsigned i = 0; i < debug_point_count; i++) {
        const DebugPoint *p = &debug_points[i];
        uint8_t byte;
        if (p->kind != DEBUG_SOFTWARE || as_read(&as_memory, p->gpa, &byte, 1) != MEM_OK || byte == INT3)
            continue; /* set twice, or the guest's own */
        patched[n_patched].gpa = p->gpa;
        patched[n_patched++].byte = byte;
        as_write_rom(&as_memory, p->gpa, &int3, 1);
    }
}

static void remove_int3(void)
{
    while (n_patched) {
        uint8_t byte;
        n_patched--;
        /* The guest may have written something else there. */
        if (as_read(&as_memory, patched[n_patched].gpa, &byte, 1) == MEM_OK && byte == INT3)
            as_write_rom(&as_memory, patched[n_patched].gpa, &patched[n_patched].byte, 1);
    }
}

static void state_changed(void *opaque, bool running, RunState state)
{
    if (running)
        insert_int3();
    else
        remove_int3();
}

void kvm_debug_init(void)
{
    runstate_register(state_changed, NULL);
}

void kvm_debug_exit(void)
{
    runstate_unregister(state_changed, NULL);
}

/* A point's range in pieces that a debug register takes: 1, 2, 4 or 8 bytes, aligned. */
static bool use_registers(KvmVcpu *v, struct kvm_guest_debug *d, unsigned *used, const DebugPoint *p, Error **errp)
{
    static const uint8_t types[] = {[DEBUG_HARDWARE] = 0, [DEBUG_WRITE] = 1, [DEBUG_ACCESS] = 3};
    static const uint8_t lengths[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
    uint64_t at = p->addr, left = p->len;

    if (p->kind == DEBUG_READ)
        return error_set(errp, "x86 has no watchpoint for reads alone: one for any access (awatch) works");
    while (left) {
        unsigned n = 8;
        if (*used == ARRAY_SIZE(v->debug_points))
            return error_set(errp, "the processor has %u debug registers, and all are in use", *used);
        while (n > left || at & (n - 1))
            n /= 2;
        v->debug_points[*used] = (DebugHit){p->kind, p->addr};
        d->arch.debugreg[*used] = at;
        d->arch.debugreg[7] |= 2ULL << (2 * *used) | (uint64_t)(types[p->kind] | lengths[n] << 2) << (16 + 4 * *used);
        ++*used;
        at += n;
        left -= n;
    }
    return true;
}

/* KVM without VMX or SVM (a host that is itself a guest) emulates or runs on the bare processor, and keeps its own
 * counsel about it. */
static void warn_of_software_kvm(void)
{
    unsigned a, b, c, d, vmx = 0, svm = 0;
    static bool warned;

    if (__get_cpuid(1, &a, &b, &c, &d))
        vmx = c & 1 << 5;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        svm = c & 1 << 2;
    if (!vmx && !svm && !warned)
        warn_report("gdb: KVM runs without VMX or SVM here: watchpoints do not stop the guest, and nothing does in "
                    "64-bit user code");
    warned = true;
}

bool kvm_update_debug(X86CPU *c, Error **errp)
{
    KvmVcpu *v = KVM_VCPU(c);
    struct kvm_guest_debug d = {0};
    unsigned used = 0;

    if (!kvm.guest_debug)
        return error_set(errp, "the kernel's KVM has no guest debug");
    memset(v->debug_points, 0, sizeof(v->debug_points));
    if (c->debug.single_step)
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    if (c->debug.single_step && c->debug.no_irq && kvm.guest_debug_flags & KVM_GUESTDBG_BLOCKIRQ)
        d.control |= KVM_GUESTDBG_BLOCKIRQ;
    for (unsigned i = 0; i < debug_point_count; i++) {
        const DebugPoint *p = &debug_points[i];
        if (p->kind != DEBUG_SOFTWARE) {
            if (!use_registers(v, &d, &used, p, errp))
                return false;
            d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        } else if (p->gpa == UINT64_MAX) {
            return error_set(errp, "nothing is mapped there");
        } else {
            d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
        }
    }
    if (used)
        d.arch.debugreg[7] |= DR7_FIXED | DR7_EXACT;
    if (d.control)
        warn_of_software_kvm();
    int r = kvm_vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &d);
    /* KVM steps from the RIP that it knows now: tell it again where a newer one is on its way. */
    v->debug_again = c->debug.single_step && c->state_dirty;
    return r >= 0 || error_set_errno(errp, -r, "KVM_SET_GUEST_DEBUG");
}

/* A #DB or #BP that is not the debugger's goes to the guest. */
static void give_to_guest(X86CPU *c, unsigned vector, uint64_t dr6)
{
    vm_lock();
    cpu_sync_dirty(c, CPU_STATE_RUNTIME);
    c->exception_nr = (uint8_t)vector;
    c->exception_has_error = false;
    c->exception_pending = kvm.exception_payload;
    c->exception_injected = !kvm.exception_payload;
    c->exception_has_payload = kvm.exception_payload && vector == EXC_DB;
    c->exception_payload = dr6 & (DR6_BS | 15);
    if (vector == EXC_DB && !kvm.exception_payload)
        c->dr[6] = (c->dr[6] & ~(uint64_t)15) | (dr6 & (DR6_BS | 15));
    vm_unlock();
}

bool kvm_debug_hit(X86CPU *c, const struct kvm_debug_exit_arch *e)
{
    KvmVcpu *v = KVM_VCPU(c);

    if (e->exception != EXC_BP && e->exception != EXC_DB)
        return true; /* nothing that a guest could be given */
    if (e->exception == EXC_BP) {
        const DebugPoint *p = debug_point_at(e->pc);
        if (p && p->kind == DEBUG_SOFTWARE) {
            c->debug_hit = (DebugHit){DEBUG_SOFTWARE, e->pc};
            return true;
        }
    } else {
        for (unsigned i = 0; i < ARRAY_SIZE(v->debug_points); i++) {
            if (e->dr6 & 1 << i && v->debug_points[i].kind != DEBUG_NONE) {
                c->debug_hit = v->debug_points[i];
                return true;
            }
        }
        if (c->debug.single_step && e->dr6 & DR6_BS) {
            c->debug_hit = (DebugHit){DEBUG_STEP, e->pc};
            return true;
        }
    }
    give_to_guest(c, e->exception, e->dr6);
    return false;
}

bool kvm_debug_stopped_emulation(X86CPU *c)
{
    vm_lock();
    cpu_sync_get(c);
    uint64_t pc = c->seg[SEG_CS].base + c->rip;
    const DebugPoint *p = debug_point_at(pc);
    bool hit = p && p->kind == DEBUG_SOFTWARE;
    if (hit)
        c->debug_hit = (DebugHit){DEBUG_SOFTWARE, pc};
    vm_unlock();
    return hit;
}
