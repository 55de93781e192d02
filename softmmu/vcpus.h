/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads: start, stop, kick, and work sent to them.
 *
 * A vCPU's thread goes round: work sent to it, stop requests, INIT and SIPI, then the accelerator's run() without the
 * VM lock. It waits on X86CPU.wake, which every kick counts up, so that a kick from any thread reaches it, with the VM
 * lock or without. An accelerator without run() (qtest) has no threads: its CPUs count as stopped and work runs in the
 * caller's.
 */
#ifndef SOFTMMU_VCPUS_H
#define SOFTMMU_VCPUS_H

#include "target/i386/cpu.h"

#include <signal.h>

#define VCPUS_MAX     1024
#define SIG_VCPU_KICK SIGUSR1    /* gets a vCPU's thread out of the kernel; its handler is the accelerator's */
extern X86CPU *vcpus[VCPUS_MAX]; /* by cpu_index; grows under the VM lock, never shrinks (unplug leaves NULL) */
extern unsigned vcpu_count;
extern __thread X86CPU *current_cpu; /* in a vCPU thread */
extern bool vcpu_thread_names;       /* -name debug-threads=on: threads are called "CPU 0/KVM" */
#define FOREACH_VCPU(c)                                                                                                \
    for (unsigned i_##c = 0; i_##c < vcpu_count; i_##c++)                                                              \
        if (!((c) = vcpus[i_##c])) {                                                                                   \
        } else

/* By the CPU device's realize; the thread waits while the VM is stopped. While the board is built there is none yet:
 * vcpus_start(), which comes after the memory map is committed, makes them (accel.h: vcpu_init). */
bool vcpu_start_thread(X86CPU *c, Error **errp);
bool vcpus_start(Error **errp);
void vcpu_stop_thread(X86CPU *c);
void vcpus_pause(void); /* returns when none is in the guest; VM lock held, dropped while waiting */
void vcpus_resume(void);
void vcpu_kick(X86CPU *c); /* make it leave the guest and look at its requests; never lost; any thread */
/* In c's own thread, from a handler: after this exit it does not go back to the guest until vcpus_resume(). */
void vcpu_request_exit(X86CPU *c);
/* Run fn in c's thread with the VM lock held and c out of the guest, and wait (VM lock held by the caller, dropped
 * meanwhile). */
void vcpu_run_on(X86CPU *c, void (*fn)(X86CPU *c, void *arg), void *arg);
void vcpu_run_on_async(X86CPU *c, void (*fn)(X86CPU *c, void *arg), void *arg);
/* Interrupt requests to a CPU: CPU_INTERRUPT_* bits of cpu.h. Any thread. */
void cpu_interrupt(X86CPU *c, unsigned mask);
void cpu_reset_interrupt(X86CPU *c, unsigned mask);
void vcpus_reset_all(void); /* power-on state; VM stopped */

/* For accelerators' run(): something waits that only the vCPU's outer loop can do. */
static inline bool vcpu_must_leave(const X86CPU *c)
{
    return __atomic_load_n(&c->stop, __ATOMIC_RELAXED) || __atomic_load_n(&c->work_head, __ATOMIC_RELAXED) ||
           __atomic_load_n(&c->unplug, __ATOMIC_RELAXED) ||
           cpu_init_requests(c, __atomic_load_n(&c->interrupt_request, __ATOMIC_RELAXED));
}

#endif
