/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 engine (accel/tcg) beside KVM: what the kernel cannot run, the engine does.
 *
 * ASSIST_INSN: KVM runs the guest; an instruction that it fails to emulate is executed by the engine, state out and in
 * again around it. The interrupt controllers stay where kernel-irqchip says. A guest that never needs it pays nothing.
 * ASSIST_STAY: the engine runs the guest from the start, with PIC, PIT, I/O APIC and local APIC of ours: user space
 * could not take an interrupt for the engine from controllers in the kernel.
 */
#ifndef ACCEL_KVM_ASSIST_H
#define ACCEL_KVM_ASSIST_H

#include "accel/kvm/kvm.h"

typedef enum AssistMode { ASSIST_OFF, ASSIST_INSN, ASSIST_STAY } AssistMode;

/* What the host's KVM runs by itself, rather than in the kernel's instruction emulator. */
typedef struct KvmHost {
    bool hardware;    /* the processor has VMX or SVM: KVM runs every mode on it; nothing else was looked at */
    bool looked;      /* the rest is known */
    bool paging;      /* the kernel takes paging without long mode */
    bool kernel_mode; /* 64-bit CPL 0 runs at the processor's speed */
    bool user_mode;   /* 64-bit CPL 3 does */
    bool syscall;     /* SYSCALL reaches CPL 0 */
} KvmHost;

/*
 * Which way for a VM; all of it is decided here.
 * With VMX or SVM everything runs on the processor but single instructions (x87 or SSE on device memory, big real mode
 * on old ones): INSN. Without, a system's kernel would run in the kernel's emulator, some thousand times slower than
 * the engine, and fail where that lacks an instruction; user mode alone could go to KVM, but each way there and back
 * costs some ten microseconds of ioctls, more than what a program runs between two system calls as a rule: STAY.
 */
AssistMode kvm_assist_policy(const KvmHost *h);

extern KvmHost kvm_host;
/* After the VM is made and before anything else is in it; wanted: -accel kvm,assist= (on: INSN on any host). May make a
 * vCPU: *spoilt: the VM is to be made anew. */
AssistMode kvm_assist_decide(int wanted, bool *spoilt);
/* ASSIST_STAY: the engine becomes the accelerator, under the name of kvm. */
bool kvm_assist_stay(Error **errp);
/* ASSIST_INSN: execute the instruction at c's RIP, or deliver the event that was on its way in before it; *e: how to go
 * on. false: the engine could not even begin. c's thread, no VM lock. */
bool kvm_assist_insn(X86CPU *c, VcpuExit *e);
void kvm_assist_print(GString *out); /* `info kvm` */

enum { ASSIST_AUTO, ASSIST_WANTED_ON, ASSIST_WANTED_OFF }; /* indices of the option's values */

#endif
