/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PIC, I/O APIC and local APIC where the kernel has them: no registers here, only state that comes from and goes to the
 * kernel's chips for reset, migration and monitor. Streams are the same as those of our own chips. Layouts:
 * linux/kvm.h.
 */
#include "accel/accel.h"
#include "hw/intc/i8259-state.h"
#include "hw/intc/ioapic-state.h"
#include "hw/intc/lapic-state.h"

#include <linux/kvm.h>

static bool fetch(unsigned chip, struct kvm_irqchip *k)
{
    *k = (struct kvm_irqchip){.chip_id = chip};
    return accel->irqchip_get && accel->irqchip_get(chip, k);
}
static bool store(unsigned chip, struct kvm_irqchip *k)
{
    k->chip_id = chip;
    return accel->irqchip_set && accel->irqchip_set(chip, k);
}

/* Fields that a chip of ours and the kernel's have under the same name. */
#define PIC_COMMON(X)                                                                                                  \
    X(last_irr)                                                                                                        \
    X(irr)                                                                                                             \
    X(imr)                                                                                                             \
    X(isr)                                                                                                             \
    X(priority_add)                                                                                                    \
    X(irq_base)                                                                                                        \
    X(read_reg_select)                                                                                                 \
    X(poll)                                                                                                            \
    X(special_mask)                                                                                                    \
    X(init_state)                                                                                                      \
    X(auto_eoi)                                                                                                        \
    X(rotate_on_auto_eoi)                                                                                              \
    X(special_fully_nested_mode)                                                                                       \
    X(init4)                                                                                                           \
    X(elcr)

static bool pic_pull(I8259 *s)
{
    struct kvm_irqchip k;
    if (!fetch(s->master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, &k))
        return false;
#define X(f) s->f = k.chip.pic.f;
    PIC_COMMON(X)
#undef X
    return true;
}

static bool pic_push(I8259 *s)
{
    struct kvm_irqchip k = {.chip.pic.elcr_mask = s->elcr_mask};
#define X(f) k.chip.pic.f = s->f;
    PIC_COMMON(X)
#undef X
    return store(s->master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, &k);
}

static bool kernel_only(const Device *dev, Error **errp)
{
    if (accel_irqchip_mode() == IRQCHIP_KERNEL)
        return true;
    return error_set(
        errp, "%s: needs the kernel's interrupt controllers; -machine kernel-irqchip=on with -accel kvm has them",
        dev->desc->name);
}

static bool kvm_pic_realize(Device *dev, Error **errp)
{
    return kernel_only(dev, errp);
}
static void kvm_pic_reset(Device *dev)
{
    I8259 *s = I8259(dev);
#define X(f) s->f = 0;
    PIC_COMMON(X)
#undef X
    pic_push(s);
}
static bool kvm_pic_pre_save(Device *dev, Error **errp)
{
    return pic_pull(I8259(dev)) || error_set(errp, "the kernel does not give the PIC's state");
}
static bool kvm_pic_post_load(Device *dev, Error **errp)
{
    return i8259_vmstate.post_load(dev, errp) &&
           (pic_push(I8259(dev)) || error_set(errp, "the kernel does not take the PIC's state"));
}

static const VmState kvm_pic_vmstate = {
    .name = "i8259",
    .version = 1,
    .min_version = 1,
    .pre_save = kvm_pic_pre_save,
    .post_load = kvm_pic_post_load,
    .fields = i8259_fields,
};

const DeviceDesc kvm_i8259 = {
    .name = "kvm-i8259",
    .parent = "pic-common",
    .summary = "the kernel's 8259A interrupt controller",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(I8259),
    .props = i8259_props,
    .vmstate = &kvm_pic_vmstate,
    .realize = kvm_pic_realize,
    .reset = kvm_pic_reset,
};

/* ---- I/O APIC ---- */

static bool ioapic_push(IoApic *s)
{
    struct kvm_irqchip k = {0};
    k.chip.ioapic.base_address = IOAPIC_BASE;
    k.chip.ioapic.ioregsel = s->ioregsel;
    k.chip.ioapic.id = s->id;
    k.chip.ioapic.irr = s->irr;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        k.chip.ioapic.redirtbl[pin].bits = s->ioredtbl[pin];
    return store(KVM_IRQCHIP_IOAPIC, &k);
}

static bool ioapic_pull(IoApic *s)
{
    struct kvm_irqchip k;
    if (!fetch(KVM_IRQCHIP_IOAPIC, &k))
        return false;
    s->ioregsel = k.chip.ioapic.ioregsel;
    s->id = k.chip.ioapic.id;
    s->irr = k.chip.ioapic.irr;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        s->ioredtbl[pin] = k.chip.ioapic.redirtbl[pin].bits;
    return true;
}

static bool kvm_ioapic_realize(Device *dev, Error **errp)
{
    IOAPIC(dev)->version = 0x11;
    return kernel_only(dev, errp);
}
static void kvm_ioapic_reset(Device *dev)
{
    IoApic *s = IOAPIC(dev);
    s->id = s->ioregsel = 0;
    s->irr = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        s->ioredtbl[pin] = RTE_MASKED;
    ioapic_push(s);
}
static bool kvm_ioapic_pre_save(Device *dev, Error **errp)
{
    return ioapic_pull(IOAPIC(dev)) || error_set(errp, "the kernel does not give the I/O APIC's state");
}
static bool kvm_ioapic_post_load(Device *dev, Error **errp)
{
    return ioapic_push(IOAPIC(dev)) || error_set(errp, "the kernel does not take the I/O APIC's state");
}
static const VmState kvm_ioapic_vmstate = {
    .name = "ioapic",
    .version = 3,
    .min_version = 3,
    .pre_save = kvm_ioapic_pre_save,
    .post_load = kvm_ioapic_post_load,
    .fields = ioapic_fields,
};
static const Prop kvm_ioapic_props[] = {
    PROP_U32("gsi_base", IoApic, gsi_base, 0, "the first pin's GSI"),
    {},
};

const DeviceDesc kvm_ioapic = {
    .name = "kvm-ioapic",
    .parent = "ioapic-common",
    .summary = "the kernel's I/O APIC",
    .bus = BUS_SYSTEM,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(IoApic),
    .props = kvm_ioapic_props,
    .vmstate = &kvm_ioapic_vmstate,
    .realize = kvm_ioapic_realize,
    .reset = kvm_ioapic_reset,
};

/* ---- local APIC: its page goes with the CPU's state ---- */

static uint32_t page_get(const X86CPU *c, unsigned reg)
{
    return ldl_le(c->lapic_page + reg * 16);
}
static void page_set(X86CPU *c, unsigned reg, uint32_t val)
{
    stl_le(c->lapic_page + reg * 16, val);
}
static bool in_x2(const Lapic *l)
{
    return l->apicbase & APIC_BASE_X2;
}

/* The page as the fields say. */
static void page_build(Lapic *l)
{
    X86CPU *c = l->cpu;
    memset(c->lapic_page, 0, sizeof(c->lapic_page));
    page_set(c, APIC_ID, in_x2(l) ? l->initial_id : (uint32_t)l->id << 24);
    page_set(c, APIC_VERSION, l->version | (LVT_COUNT - 1) << 16);
    page_set(c, APIC_TPR, l->tpr);
    page_set(c, APIC_LDR,
             in_x2(l) ? (l->initial_id >> 4) << 16 | BIT32(l->initial_id & 15) : (uint32_t)l->log_dest << 24);
    page_set(c, APIC_DFR, (uint32_t)l->dest_mode << 28 | 0x0fffffff);
    page_set(c, APIC_SVR, l->spurious_vec);
    for (unsigned i = 0; i < 8; i++) {
        page_set(c, APIC_ISR + i, l->isr[i]);
        page_set(c, APIC_TMR + i, l->tmr[i]);
        page_set(c, APIC_IRR + i, l->irr[i]);
    }
    page_set(c, APIC_ESR, l->esr);
    page_set(c, APIC_ICR, l->icr[0]);
    page_set(c, APIC_ICR2, l->icr[1]);
    for (unsigned i = 0; i < LVT_COUNT; i++)
        page_set(c, APIC_LVT + i, l->lvt[i]);
    page_set(c, APIC_TIMER_DIVIDE, l->divide_conf);
    page_set(c, APIC_TIMER_INITIAL, l->initial_count);
}

/* And back. */
static void page_read(Lapic *l)
{
    const X86CPU *c = l->cpu;
    l->apicbase = c->apic_base;
    l->id = in_x2(l) ? l->initial_id : page_get(c, APIC_ID) >> 24;
    l->tpr = page_get(c, APIC_TPR);
    l->log_dest = page_get(c, APIC_LDR) >> 24;
    l->dest_mode = page_get(c, APIC_DFR) >> 28;
    l->spurious_vec = page_get(c, APIC_SVR);
    for (unsigned i = 0; i < 8; i++) {
        l->isr[i] = page_get(c, APIC_ISR + i);
        l->tmr[i] = page_get(c, APIC_TMR + i);
        l->irr[i] = page_get(c, APIC_IRR + i);
    }
    l->esr = page_get(c, APIC_ESR);
    l->icr[0] = page_get(c, APIC_ICR);
    l->icr[1] = page_get(c, APIC_ICR2);
    for (unsigned i = 0; i < LVT_COUNT; i++)
        l->lvt[i] = page_get(c, APIC_LVT + i);
    l->divide_conf = page_get(c, APIC_TIMER_DIVIDE);
    l->count_shift = (((l->divide_conf & 3) | (l->divide_conf >> 1 & 4)) + 1) & 7;
    l->initial_count = page_get(c, APIC_TIMER_INITIAL);
    l->initial_count_load_time = l->next_time = clock_ns(CLOCK_VIRTUAL);
}

static bool kvm_apic_realize(Device *dev, Error **errp)
{
    Lapic *l = LAPIC(dev);
    if (!l->cpu)
        return error_set(errp, "kvm-apic: a local APIC comes with its CPU");
    if (accel_irqchip_mode() == IRQCHIP_USER)
        return error_set(errp, "kvm-apic: needs -machine kernel-irqchip=on or split with -accel kvm");
    return true;
}
static void kvm_apic_reset(Device *dev)
{
    Lapic *l = LAPIC(dev);
    if (!l->cpu)
        return;
    cpu_sync_dirty(l->cpu, CPU_STATE_RESET);
    l->apicbase = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (l->cpu->index == 0 ? APIC_BASE_BSP : 0);
    l->cpu->apic_base = l->apicbase;
    lapic_clear(l);
    page_build(l);
}
static bool kvm_apic_pre_save(Device *dev, Error **errp)
{
    cpu_sync_get(LAPIC(dev)->cpu);
    page_read(LAPIC(dev));
    return true;
}
static bool kvm_apic_post_load(Device *dev, Error **errp)
{
    Lapic *l = LAPIC(dev);
    timer_stop(&l->timer);
    cpu_sync_dirty(l->cpu, CPU_STATE_FULL);
    l->cpu->apic_base = l->apicbase;
    page_build(l);
    return true;
}
static const VmState kvm_apic_vmstate = {
    .name = "apic",
    .version = 3,
    .min_version = 3,
    .pre_save = kvm_apic_pre_save,
    .post_load = kvm_apic_post_load,
    .fields = lapic_fields,
};

void kvm_apic_refresh(Lapic *l)
{
    kvm_apic_pre_save(&l->dev, NULL);
}

const DeviceDesc kvm_apic = {
    .name = "kvm-apic",
    .parent = "apic-common",
    .summary = "the kernel's local APIC",
    .bus = BUS_NONE,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(Lapic),
    .props = lapic_props,
    .vmstate = &kvm_apic_vmstate,
    .realize = kvm_apic_realize,
    .reset = kvm_apic_reset,
};

/* ---- for `info pic` ---- */

void kvm_pic_refresh(I8259 *s)
{
    pic_pull(s);
}
void kvm_ioapic_refresh(IoApic *s)
{
    ioapic_pull(s);
}
