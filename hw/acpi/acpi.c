/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PM1 and GPE registers, the power-management timer, sleep states.
 *
 *   0 PM1_STS, 2 PM1_EN, 4 PM1_CNT, 8 PM_TMR (24 bits, 3.579545 MHz)
 *
 * Sleep types of the chipset: 0 soft off (S5), 1 suspend to RAM (S3), s4_val suspend to disk (S4: the firmware's _S4
 * names it). As in QEMU, disable_s3 and disable_s4 only keep the firmware from offering them.
 */
#include "hw/acpi/acpi.h"
#include "softmmu/runstate.h"

enum { TIMER_WRAP = 0x800000, /* PM1_TMR_STS: the top bit of 24 changes */ TIMER_MASK = 0xffffff };

static int64_t now_ticks(void)
{
    return muldiv64(clock_ns(CLOCK_VIRTUAL), PM_TIMER_HZ, NS_PER_SEC);
}

static uint16_t status(AcpiRegs *s)
{
    if (now_ticks() >= s->overflow_time)
        s->sts |= PM1_TMR;
    return s->sts;
}

static void next_overflow(AcpiRegs *s)
{
    s->overflow_time = (now_ticks() + TIMER_WRAP) & ~(int64_t)(TIMER_WRAP - 1);
}

void acpi_update_sci(AcpiRegs *s)
{
    uint16_t sts = status(s);
    bool level = (sts & s->en & (PM1_RTC | PM1_PWRBTN | PM1_GBL | PM1_TMR)) || (s->gpe_sts & s->gpe_en);
    irq_set(s->sci, level);
    if ((s->en & PM1_TMR) && !(sts & PM1_TMR)) /* one tick's nanoseconds up, so that it is not early */
        timer_arm_at(&s->timer, muldiv64(s->overflow_time, NS_PER_SEC, PM_TIMER_HZ) + 1);
    else
        timer_stop(&s->timer);
}

static void timer_expired(void *opaque)
{
    acpi_update_sci(opaque);
}

/* Registers of 16 bits at 0 and 2; bytes of them may be accessed. */
static uint64_t evt_read(void *opaque, uint64_t off, unsigned size)
{
    AcpiRegs *s = opaque;
    uint32_t both = status(s) | (uint32_t)s->en << 16;
    return both >> 8 * off & (size == 1 ? 0xff : 0xffff);
}

static void evt_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiRegs *s = opaque;
    uint32_t mask = (size == 1 ? 0xffu : 0xffffu) << 8 * off, v = (uint32_t)val << 8 * off;
    uint16_t clear = v & mask;
    if (status(s) & clear & PM1_TMR)
        next_overflow(s);
    s->sts &= ~clear;
    s->en = (s->en & ~(mask >> 16)) | (v & mask) >> 16;
    acpi_update_sci(s);
}

static uint64_t cnt_read(void *opaque, uint64_t off, unsigned size)
{
    return ((AcpiRegs *)opaque)->cnt >> 8 * off;
}

static void enter_sleep(AcpiRegs *s, unsigned type)
{
    if (type == 0) {
        system_shutdown_request(CAUSE_GUEST_SHUTDOWN);
    } else if (type == 1) {
        system_suspend_request();
    } else if (type == s->s4_val) {
        event_emit("SUSPEND_DISK", NULL);
        system_shutdown_request(CAUSE_GUEST_SHUTDOWN);
    }
}

static void cnt_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiRegs *s = opaque;
    uint16_t mask = size == 1 ? 0xff << 8 * off : 0xffff, v = val << 8 * off;
    v = (s->cnt & ~mask) | (v & mask);
    s->cnt = v & ~PM1_SLP_EN; /* write only */
    if (v & PM1_SLP_EN)
        enter_sleep(s, v >> PM1_SLP_TYP_SHIFT & 7);
}

static uint64_t tmr_read(void *opaque, uint64_t off, unsigned size)
{
    return (now_ticks() & TIMER_MASK) >> 8 * off;
}

static void tmr_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    /* Read-only. */
}

/* Two bytes of status, two of enable. */
static uint64_t gpe_read(void *opaque, uint64_t off, unsigned size)
{
    AcpiRegs *s = opaque;
    return (s->gpe_sts | (uint32_t)s->gpe_en << 16) >> 8 * off & 0xff;
}

static void gpe_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiRegs *s = opaque;
    uint16_t mask = 0xff << 8 * (off & 1), v = val << 8 * (off & 1);
    if (off < 2)
        s->gpe_sts &= ~v;
    else
        s->gpe_en = (s->gpe_en & ~mask) | v;
    acpi_update_sci(s);
}

static const IoOps evt_ops = {evt_read, evt_write, .min = 1, .max = 2, .aligned_only = true};
static const IoOps cnt_ops = {cnt_read, cnt_write, .min = 1, .max = 2};
static const IoOps tmr_ops = {tmr_read, tmr_write, .min = 1, .max = 4};
static const IoOps gpe_ops = {gpe_read, gpe_write, .min = 1, .max = 1};

void acpi_set_gpe(AcpiRegs *s, uint16_t bits)
{
    s->gpe_sts |= bits;
    acpi_update_sci(s);
}

void acpi_set_sci_en(AcpiRegs *s, bool on)
{
    s->cnt = on ? s->cnt | PM1_SCI_EN : s->cnt & ~PM1_SCI_EN;
}

static void power_button(void *opaque)
{
    AcpiRegs *s = opaque;
    if (s->en & PM1_PWRBTN) {
        s->sts |= PM1_PWRBTN;
        acpi_update_sci(s);
    }
}

static void woken(void *opaque)
{
    AcpiRegs *s = opaque;
    s->sts |= PM1_WAK | PM1_PWRBTN; /* somebody pressed the button, for all the guest knows */
}

void acpi_regs_init(AcpiRegs *s, Device *dev, Irq *sci, uint16_t gpe_base)
{
    s->dev = dev;
    s->sci = sci;
    timer_init(&s->timer, timer_expired, s);
    region_init_container(&s->io, dev, "piix4-pm", 64);
    region_init_io(&s->evt_io, dev, &evt_ops, s, "acpi-evt", 4);
    region_init_io(&s->cnt_io, dev, &cnt_ops, s, "acpi-cnt", 2);
    region_init_io(&s->tmr_io, dev, &tmr_ops, s, "acpi-tmr", 4);
    region_init_io(&s->gpe_io, dev, &gpe_ops, s, "acpi-gpe0", 4);
    region_add(&s->io, 0, &s->evt_io);
    region_add(&s->io, 4, &s->cnt_io);
    region_add(&s->io, 8, &s->tmr_io);
    region_add(&system_io, gpe_base, &s->gpe_io);
    powerdown_register(power_button, s);
    wakeup_register(woken, s);
}

void acpi_regs_reset(AcpiRegs *s)
{
    s->sts = s->en = s->cnt = s->gpe_sts = s->gpe_en = 0;
    s->overflow_time = 0;
    timer_stop(&s->timer);
    acpi_update_sci(s);
}
