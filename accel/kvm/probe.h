/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A short look at what the host's KVM runs by itself (assist.h). */
#ifndef ACCEL_KVM_PROBE_H
#define ACCEL_KVM_PROBE_H

#include "accel/kvm/assist.h"

bool kvm_probe_hardware(void); /* the processor has VMX or SVM */
/* Does the kernel take paging without long mode? Makes a vCPU in kvm.vm_fd and takes it away again: *spoilt. Some 0.3
 * ms. */
bool kvm_probe_paging(bool *spoilt);
void kvm_probe_all(KvmHost *h);  /* the rest, in a VM of its own: some milliseconds */
void kvm_probe_close(int vm_fd); /* in a thread: a VM's end takes as long as its beginning */

#endif
