/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPU threads: start, stop, kick, and work sent to them. */
#ifndef SOFTMMU_VCPUS_H
#define SOFTMMU_VCPUS_H

#include "target/i386/cpu.h"

extern bool vcpu_thread_names;       /* -name debug-threads=on: threads are called "CPU 0/KVM" */
#define VCPUS_MAX 1024
extern X86CPU *vcpus[VCPUS_MAX]; /* by cpu_index; grows under the VM lock, never shrinks (unplug leaves NULL) */
extern unsigned vcpu_count;
extern __thread X86CPU *current_cpu; /* in a vCPU thread */
#define FOREACH_VCPU(c) for (unsigned i_##c = 0; i_##c < vcpu_count; i_##c++) if (!((c) = vcpus[i_##c])) { } else

bool vcpu_start_thread(X86CPU *c, Error **errp); /* by the CPU device's realize; the thread waits while the VM is stopped */
void vcpu_stop_thread(X86CPU *c);
void vcpus_pause(void);  /* returns when none is in the guest; VM lock held, dropped while waiting */
void vcpus_resume(void);
void vcpu_kick(X86CPU *c); /* make it leave the guest and look at its requests; never lost; any thread */
/* In c's own thread, from a handler: after this exit it does not go back to the guest until vcpus_resume(). */
void vcpu_request_exit(X86CPU *c);
/* Run fn in c's thread with the VM lock held and c out of the guest, and wait (VM lock held by the caller, dropped meanwhile). */
void vcpu_run_on(X86CPU *c, void (*fn)(X86CPU *c, void *arg), void *arg);
void vcpu_run_on_async(X86CPU *c, void (*fn)(X86CPU *c, void *arg), void *arg);
/* Interrupt requests to a CPU: CPU_INTERRUPT_* bits of cpu.h. */
void cpu_interrupt(X86CPU *c, unsigned mask);
void cpu_reset_interrupt(X86CPU *c, unsigned mask);
void vcpus_reset_all(void);

#endif
