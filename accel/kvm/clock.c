/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvmclock across stop and cont: the paravirtual clock stands still while the VM is stopped. A guest's watchdogs are
 * told that it was paused (KVM_KVMCLOCK_CTRL).
 */
#include "accel/kvm/kvm.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

static struct kvm_clock_data saved;
static bool have_saved;

static void changed(void *opaque, bool running, RunState state)
{
    X86CPU *c;

    if (!running) {
        have_saved = kvm_vm_ioctl(KVM_GET_CLOCK, &saved) >= 0;
        return;
    }
    if (have_saved) {
        struct kvm_clock_data d = {.clock = saved.clock};
        int r = kvm_vm_ioctl(KVM_SET_CLOCK, &d);

        if (r < 0)
            error_report("KVM_SET_CLOCK: %s", strerror(-r));
        have_saved = false;
    }
    if (!kvm.kvmclock_ctrl)
        return;
    /* EINVAL: this guest does not use the clock. */
    FOREACH_VCPU (c) {
        if (c->accel)
            kvm_vcpu_ioctl(KVM_VCPU(c), KVM_KVMCLOCK_CTRL, NULL);
    }
}

void kvm_clock_init(void)
{
    if (kvm.adjust_clock)
        runstate_register(changed, NULL);
}
