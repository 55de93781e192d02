/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel that tests of accel/kvm play: it answers what KVM is asked and remembers what it was told. */
#ifndef TESTS_KVM_FAKE_H
#define TESTS_KVM_FAKE_H

#include "accel/kvm/assist.h"

enum { DEV_FD = 100, VM_FD, VCPU_FD, STATS_FD };

typedef int RunStep(struct kvm_run *run); /* fills the exit; < 0: -errno of KVM_RUN */
int kvm_fake_halt(struct kvm_run *run);   /* a step: HLT */
typedef struct FakeKernel {
    int open_error;
    int caps[512]; /* -1: absent; 0: present with 1; else the value */
    unsigned long refuse[4];
    int refuse_errno;
    unsigned opens, closes;
    struct kvm_run *run;
    RunStep *const *steps;
    unsigned step;
    unsigned calls; /* ioctls */
    bool no_paging; /* KVM_SET_SREGS drops CR0.PG without long mode */
    uint8_t immediate_exit_seen;
    /* what it was told */
    struct kvm_userspace_memory_region slots[64];
    unsigned n_slot_calls;
    uint8_t dirty_log[4096];
    struct kvm_clear_dirty_log clear;
    unsigned clears;
    struct kvm_irq_routing_entry routes[128];
    unsigned n_routes;
    struct kvm_irq_level line;
    struct kvm_msi msi;
    struct kvm_irqfd irqfd;
    struct kvm_ioeventfd ioeventfd;
    struct kvm_coalesced_mmio_zone zone;
    struct kvm_interrupt interrupt;
    unsigned nmis, interrupts, ring_resets;
    struct kvm_regs regs;
    struct kvm_sregs2 sregs;
    struct kvm_vcpu_events events;
    struct kvm_xsave xsave;
    struct kvm_xcrs xcrs;
    struct kvm_debugregs debugregs;
    struct kvm_mp_state mp;
    struct kvm_lapic_state lapic;
    uint64_t msrs[0x800];
    uint32_t refused_msr;
    unsigned long order[64];
    unsigned n_order;
    struct kvm_guest_debug guest_debug;
    struct kvm_x86_mce mce;
    const uint8_t *stats; /* the file of KVM_GET_STATS_FD */
    size_t stats_size;
    struct kvm_dirty_gfn ring[1024];
} FakeKernel;
extern FakeKernel k;
extern const KvmSys kvm_fake;
/* A machine of one CPU without memory, whose kernel is the fake one; accel is not set. */
void kvm_fake_machine(const char *argv0);
extern GString *reported;                             /* error messages of the last run */
void kvm_fake_report(const char *line, void *opaque); /* an error_report_hook that appends to it */

/* vcpu_run() of a CPU by steps, the last of which is followed by NULL; the VM lock is not held meanwhile, as in a
 * vCPU's thread. */
VcpuExit kvm_fake_run(X86CPU *c, RunStep *const *steps);

#endif
