/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 where the kernel has it: no registers here, only state that comes from and goes to the kernel for reset,
 * migration and the HPET's legacy replacement. Layout: linux/kvm.h. The kernel's times are CLOCK_MONOTONIC.
 */
#include "accel/accel.h"
#include "hw/timer/i8254-state.h"
#include "hw/timer/rtc-clock.h"
#include "softmmu/runstate.h"

#include <linux/kvm.h>
#include <time.h>

#define COMMON(X)                                                                                                      \
    X(count)                                                                                                           \
    X(latched_count)                                                                                                   \
    X(count_latched)                                                                                                   \
    X(status_latched)                                                                                                  \
    X(status)                                                                                                          \
    X(read_state)                                                                                                      \
    X(write_state)                                                                                                     \
    X(write_latch)                                                                                                     \
    X(rw_mode)                                                                                                         \
    X(mode)                                                                                                            \
    X(bcd)                                                                                                             \
    X(gate)

/* What to add to a virtual time for the kernel's clock. */
static int64_t clock_difference(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec - clock_ns(CLOCK_VIRTUAL);
}

void kvm_pit_sync(I8254 *s)
{
    struct kvm_pit_state2 k = {0};
    if (s->stopped || !accel->pit_get || !accel->pit_get(&k)) /* while the VM stands still, ours is what counts */
        return;
    int64_t diff = clock_difference();
    s->irq_disabled = k.flags & KVM_PIT_FLAGS_HPET_LEGACY;
    for (unsigned n = 0; n < 3; n++) {
        PitChannel *c = &s->channel[n];
#define X(f) c->f = k.channels[n].f;
        COMMON(X)
#undef X
        c->count = CLAMP(c->count, 1, 0x10000);
        c->count_load_time = MAX(k.channels[n].count_load_time - diff, 0);
        c->next_transition_time = -1;
    }
}

void kvm_pit_push(I8254 *s)
{
    struct kvm_pit_state2 k = {.flags = s->irq_disabled ? KVM_PIT_FLAGS_HPET_LEGACY : 0};
    int64_t diff = clock_difference();
    for (unsigned n = 0; n < 3; n++) {
        const PitChannel *c = &s->channel[n];
#define X(f) k.channels[n].f = c->f;
        COMMON(X)
#undef X
        k.channels[n].count_load_time = c->count_load_time + diff;
    }
    if (accel->pit_set)
        accel->pit_set(&k);
}

static void kvm_pit_run(void *opaque, bool running, RunState state)
{
    I8254 *s = opaque;
    if (!running) {
        kvm_pit_sync(s);
        s->stopped = true;
    } else if (s->stopped) {
        s->stopped = false;
        kvm_pit_push(s);
    }
}

static void kvm_pit_reset(Device *dev)
{
    pit_reset_channels(I8254(dev));
    kvm_pit_push(I8254(dev));
}

static bool kvm_pit_realize(Device *dev, Error **errp)
{
    I8254 *s = I8254(dev);
    if (accel_irqchip_mode() != IRQCHIP_KERNEL)
        return error_set(
            errp, "kvm-pit: needs the kernel's interrupt controllers; -machine kernel-irqchip=on with -accel kvm "
                  "has them");
    if (s->lost_tick_policy == RTC_TICK_SLEW)
        return error_set(errp, "kvm-pit: lost_tick_policy=slew is not possible; use 'delay' or 'discard'");
    if (accel->pit_create && !accel->pit_create(errp))
        return false;
    if (s->lost_tick_policy == RTC_TICK_DISCARD && !(accel->pit_reinject && accel->pit_reinject(false)))
        return error_set(errp, "kvm-pit: this kernel always gives lost ticks back; use lost_tick_policy=delay");
    runstate_register(kvm_pit_run, s);
    return true;
}
static void kvm_pit_unrealize(Device *dev)
{
    runstate_unregister(kvm_pit_run, I8254(dev));
}

static bool kvm_pit_pre_save(Device *dev, Error **errp)
{
    kvm_pit_sync(I8254(dev));
    return true;
}
static bool kvm_pit_post_load(Device *dev, Error **errp)
{
    if (!pit_vmstate.post_load(dev, errp))
        return false;
    kvm_pit_push(I8254(dev));
    return true;
}
static const VmState kvm_pit_vmstate = {
    .name = "i8254",
    .version = 3,
    .min_version = 3,
    .pre_save = kvm_pit_pre_save,
    .post_load = kvm_pit_post_load,
    .fields = pit_fields,
};

static const char *const lost_tick_policies[] = {"discard", "delay", "slew", NULL};
static const Prop kvm_pit_props[] = {
    PROP_U32("iobase", I8254, iobase, UINT32_MAX, "first of four ports"),
    PROP_(prop_enum, "lost_tick_policy", I8254, lost_tick_policy,
          "delay: ticks that the guest did not take come later; discard: they are dropped",
          .values = lost_tick_policies, .def.u = RTC_TICK_DELAY, .type_name = "LostTickPolicy"),
    {},
};

const DeviceDesc kvm_pit = {
    .name = "kvm-pit",
    .parent = "pit-common",
    .summary = "the kernel's 8254 interval timer",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(I8254),
    .props = kvm_pit_props,
    .vmstate = &kvm_pit_vmstate,
    .realize = kvm_pit_realize,
    .unrealize = kvm_pit_unrealize,
    .reset = kvm_pit_reset,
};
