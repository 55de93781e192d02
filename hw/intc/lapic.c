/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC (Intel SDM volume 3, chapter 11): registers, priorities, local vector table, timer, xAPIC and x2APIC.
 * How messages find the APICs is in apic-bus.c.
 *
 *   02 id  03 version  08 TPR  0a PPR  0b EOI  0d LDR  0e DFR  0f SVR  10 to 17 ISR  18 to 1f TMR  20 to 27 IRR  28 ESR
 *   30, 31 ICR  32 to 37 LVT: timer, thermal, performance, LINT0, LINT1, error  38, 39 timer count  3e divider  3f self
 * IPI
 *
 * The timer counts nanoseconds. The register page is where IA32_APIC_BASE says for the CPU itself, as far as the engine
 * runs it (X86CPU.apic_base, cpu_apic_space); where KVM runs it and the local APIC is ours, away from FEE00000h there
 * is none. Differences from the hardware: no arbitration (APR reads 0).
 */
#include "accel/accel.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic-bus.h"
#include "softmmu/vcpus.h"

enum { ESR_SEND_ILLEGAL = 0x20, ESR_RECEIVE_ILLEGAL = 0x40, ESR_REGISTER = 0x80 };
enum { MSR_X2APIC = 0x800, MSR_TSC_DEADLINE = 0x6e0 };

#define SHORTEST_NS   100000 /* a late periodic timer of a shorter period is not caught up */
#define BASE_RESERVED 0x2ffU

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = LVT_VECTOR | LVT_MASKED | LVT_TIMER_MODE,
    [LVT_THERMAL] = LVT_VECTOR | 0x700 | LVT_MASKED,
    [LVT_PERFORMANCE] = LVT_VECTOR | 0x700 | LVT_MASKED,
    [LVT_LINT0] = LVT_VECTOR | 0x700 | LVT_ACTIVE_LOW | LVT_LEVEL | LVT_MASKED,
    [LVT_LINT1] = LVT_VECTOR | 0x700 | LVT_ACTIVE_LOW | LVT_LEVEL | LVT_MASKED,
    [LVT_ERROR] = LVT_VECTOR | LVT_MASKED,
};

static void set_bit(uint32_t *map, unsigned n, bool on)
{
    if (on)
        map[n / 32] |= BIT32(n % 32);
    else
        map[n / 32] &= ~BIT32(n % 32);
}
static bool test_bit(const uint32_t *map, unsigned n)
{
    return map[n / 32] >> (n % 32) & 1;
}
static int highest_bit(const uint32_t *map)
{
    for (int i = 7; i >= 0; i--)
        if (map[i])
            return i * 32 + 31 - __builtin_clz(map[i]);
    return -1;
}

bool lapic_enabled(const Lapic *l)
{
    return l->apicbase & APIC_BASE_ENABLE;
}
bool lapic_x2(const Lapic *l)
{
    return (l->apicbase & (APIC_BASE_ENABLE | APIC_BASE_X2)) == (APIC_BASE_ENABLE | APIC_BASE_X2);
}
bool lapic_moved(const Lapic *l)
{
    return l->apicbase_high || (l->apicbase & ~0xfffU) != APIC_DEFAULT_BASE;
}
static bool software_enabled(const Lapic *l)
{
    return lapic_enabled(l) && (l->spurious_vec & SVR_ENABLE);
}

static bool cpu_has(const X86CPU *c, unsigned ecx_bit)
{
    for (unsigned i = 0; i < c->n_cpuid; i++)
        if (c->cpuid[i].leaf == 1)
            return c->cpuid[i].reg[CPUID_ECX] >> ecx_bit & 1;
    return false;
}
enum { ECX_X2APIC = 21, ECX_TSC_DEADLINE = 24 };

/* ---- priorities ---- */

uint8_t lapic_ppr(const Lapic *l)
{
    int isr = highest_bit(l->isr);
    unsigned in_service = isr < 0 ? 0 : isr & 0xf0;
    return (l->tpr & 0xf0) >= in_service ? l->tpr : in_service;
}

/* The vector that would be delivered, -1: none is above the processor's priority. */
static int deliverable(const Lapic *l)
{
    int irr = software_enabled(l) ? highest_bit(l->irr) : -1;
    return irr >= 0 && (irr & 0xf0) > (lapic_ppr(l) & 0xf0) ? irr : -1;
}

/* Whether the PIC's INT pin, at LINT0, interrupts this CPU. */
bool lapic_accepts_pic(const Lapic *l)
{
    if (!lapic_enabled(l))
        return l->cpu->index == 0;
    return (l->lvt[LVT_LINT0] & (LVT_MASKED | 0x700)) == APIC_DM_EXTINT << LVT_MODE_SHIFT;
}

static bool lapic_pending(X86CPU *c)
{
    const Lapic *l = c->apic;
    return deliverable(l) >= 0 || (i8259_pending() && lapic_accepts_pic(l));
}

void lapic_update(Lapic *l)
{
    if (lapic_pending(l->cpu))
        cpu_interrupt(l->cpu, CPU_INTERRUPT_HARD);
    else
        cpu_reset_interrupt(l->cpu, CPU_INTERRUPT_HARD);
}

static int lapic_acknowledge(X86CPU *c)
{
    Lapic *l = c->apic;
    int vector = deliverable(l);
    if (vector >= 0) {
        set_bit(l->irr, vector, false);
        set_bit(l->isr, vector, true);
    } else if (software_enabled(l) && highest_bit(l->irr) >= 0 && !(i8259_pending() && lapic_accepts_pic(l))) {
        vector = l->spurious_vec & 0xff; /* the priority rose between request and INTA */
    } else if (lapic_accepts_pic(l)) {
        vector = i8259_acknowledge();
    }
    lapic_update(l);
    return vector;
}

static void local_deliver(Lapic *l, unsigned n);

/* Errors gather unseen until the ESR is written (11.5.3). */
static void set_error(Lapic *l, uint32_t error)
{
    bool news = !(l->esr_gathered & error);
    l->esr_gathered |= error;
    if (news)
        local_deliver(l, LVT_ERROR);
}

void lapic_accept(Lapic *l, uint8_t vector, bool level_triggered)
{
    if (!software_enabled(l))
        return;
    if (vector < 16) {
        /* The error interrupt's own vector may be the illegal one. */
        if ((l->lvt[LVT_ERROR] & LVT_VECTOR) >= 16)
            set_error(l, ESR_RECEIVE_ILLEGAL);
        else
            l->esr_gathered |= ESR_RECEIVE_ILLEGAL;
        return;
    }
    set_bit(l->irr, vector, true);
    set_bit(l->tmr, vector, level_triggered);
    lapic_update(l);
}

/* An interrupt of the local vector table. */
static void local_deliver(Lapic *l, unsigned n)
{
    uint32_t lvt = l->lvt[n];
    if (lvt & LVT_MASKED)
        return;
    switch (n == LVT_TIMER || n == LVT_ERROR ? APIC_DM_FIXED : lvt >> LVT_MODE_SHIFT & 7) {
    case APIC_DM_FIXED:
        lapic_accept(l, lvt, (n == LVT_LINT0 || n == LVT_LINT1) && (lvt & LVT_LEVEL));
        break;
    case APIC_DM_SMI:
        cpu_interrupt(l->cpu, CPU_INTERRUPT_SMI);
        break;
    case APIC_DM_NMI:
        cpu_interrupt(l->cpu, CPU_INTERRUPT_NMI);
        break;
    case APIC_DM_INIT:
        cpu_interrupt(l->cpu, CPU_INTERRUPT_INIT);
        break;
    case APIC_DM_EXTINT:
        lapic_update(l);
        break;
    }
}

void lapic_lint0(Lapic *l, bool level)
{
    if (!lapic_enabled(l) || (l->lvt[LVT_LINT0] >> LVT_MODE_SHIFT & 7) == APIC_DM_EXTINT) {
        lapic_update(l);
    } else if (level) {
        local_deliver(l, LVT_LINT0);
    } else if ((l->lvt[LVT_LINT0] & (0x700 | LVT_LEVEL)) == LVT_LEVEL) {
        set_bit(l->irr, l->lvt[LVT_LINT0] & LVT_VECTOR, false);
        lapic_update(l);
    }
}
static void lapic_nmi(Lapic *l)
{
    local_deliver(l, LVT_LINT1);
}

static void end_of_interrupt(Lapic *l)
{
    int vector = highest_bit(l->isr);
    if (vector < 0)
        return;
    set_bit(l->isr, vector, false);
    if (test_bit(l->tmr, vector) && !(l->spurious_vec & SVR_NO_BROADCAST))
        ioapic_eoi_broadcast(vector);
    lapic_update(l);
}

/* ---- the timer ---- */

static unsigned timer_mode(const Lapic *l)
{
    return l->lvt[LVT_TIMER] & LVT_TIMER_MODE;
}

uint32_t lapic_current_count(const Lapic *l)
{
    if (timer_mode(l) == LVT_TIMER_DEADLINE || !l->initial_count)
        return 0;
    uint64_t passed = (uint64_t)(clock_ns(CLOCK_VIRTUAL) - l->initial_count_load_time) >> l->count_shift;
    if (timer_mode(l) == LVT_TIMER_PERIODIC)
        return l->initial_count - passed % l->initial_count;
    return passed < l->initial_count ? l->initial_count - passed : 0;
}

/* Arm for the next expiry after now. */
static void arm_timer(Lapic *l, int64_t now)
{
    int64_t next = -1, period = (int64_t)l->initial_count << l->count_shift;
    if (l->lvt[LVT_TIMER] & LVT_MASKED && timer_mode(l) != LVT_TIMER_DEADLINE) { /* a deadline passes, masked or not */
        timer_stop(&l->timer);
        return;
    }
    switch (timer_mode(l)) {
    case LVT_TIMER_DEADLINE: {
        X86CPU *c = l->cpu;
        int64_t ahead = (int64_t)(c->tsc_deadline - cpu_tsc(c));
        if (c->tsc_deadline && c->tsc_khz)
            next = now + (ahead > 0 ? (int64_t)MIN(muldiv64(ahead, 1000000, c->tsc_khz), (uint64_t)INT64_MAX / 4) : 0);
        break;
    }
    case LVT_TIMER_PERIODIC:
        if (period)
            next = l->initial_count_load_time + ((now - l->initial_count_load_time) / period + 1) * period;
        break;
    default:
        if (period && now < l->initial_count_load_time + period)
            next = l->initial_count_load_time + period;
    }
    if (next < 0) {
        timer_stop(&l->timer);
        return;
    }
    l->next_time = next;
    timer_arm_at(&l->timer, next);
}

static void lapic_expired(void *opaque)
{
    Lapic *l = opaque;
    int64_t now = clock_ns(CLOCK_VIRTUAL), due = l->timer.expires;
    if (timer_mode(l) == LVT_TIMER_DEADLINE)
        l->cpu->tsc_deadline = 0;
    local_deliver(l, LVT_TIMER);
    if (timer_mode(l) != LVT_TIMER_PERIODIC)
        return;
    int64_t period = (int64_t)l->initial_count << l->count_shift;
    arm_timer(l, period < SHORTEST_NS ? now : due); /* each tick of a late timer, unless the host cannot follow */
    if (period < SHORTEST_NS && now > due && timer_armed(&l->timer))
        timer_arm_at(&l->timer, MAX(l->timer.expires, now + SHORTEST_NS / 4));
}

/* A deadline that the counter has passed is past for the CPU, however late its timer is: before it looks at the MSR, or
 * changes that or the LVT entry. */
static void settle_deadline(Lapic *l)
{
    if (timer_mode(l) != LVT_TIMER_DEADLINE || !l->cpu->tsc_deadline || !timer_armed(&l->timer) ||
        (int64_t)(cpu_tsc(l->cpu) - l->cpu->tsc_deadline) < 0)
        return;
    timer_stop(&l->timer);
    lapic_expired(l);
}

static void set_divider(Lapic *l, uint32_t val)
{
    l->divide_conf = val & 0x0b;
    l->count_shift = (((val & 3) | (val >> 1 & 4)) + 1) & 7;
}

/* ---- registers ---- */

static void send_icr(Lapic *l)
{
    uint32_t lo = l->icr[0], dest = lapic_x2(l) ? l->icr[1] : l->icr[1] >> 24;
    unsigned mode = lo >> 8 & 7;
    bool level = lo & 1 << 14, level_triggered = lo & 1 << 15;
    if ((mode == APIC_DM_FIXED || mode == APIC_DM_LOWEST) && (lo & 0xff) < 16) {
        set_error(l, ESR_SEND_ILLEGAL);
        return;
    }
    if (mode == APIC_DM_INIT && level_triggered && !level) /* INIT de-assert: only arbitration ids */
        return;
    apic_bus_send(l, lo >> 18 & 3, lapic_x2(l) ? dest : apic_bus_widen(dest), lo >> 11 & 1, mode, lo & 0xff,
                  level_triggered);
}

uint32_t lapic_id(const Lapic *l)
{
    return lapic_x2(l) ? l->initial_id : l->id;
}
uint32_t lapic_ldr(const Lapic *l)
{
    return lapic_x2(l) ? (l->initial_id >> 4) << 16 | BIT32(l->initial_id & 15) : (uint32_t)l->log_dest << 24;
}

static uint32_t read_register(Lapic *l, unsigned reg)
{
    switch (reg) {
    case APIC_ID:
        return lapic_x2(l) ? l->initial_id : (uint32_t)l->id << 24;
    case APIC_VERSION:
        return l->version | (LVT_COUNT - 1) << 16;
    case APIC_TPR:
        return l->tpr;
    case APIC_APR:
    case APIC_EOI:
        return 0;
    case APIC_PPR:
        return lapic_ppr(l);
    case APIC_LDR:
        return lapic_ldr(l);
    case APIC_DFR:
        return (uint32_t)l->dest_mode << 28 | 0x0fffffff;
    case APIC_SVR:
        return l->spurious_vec;
    case APIC_ISR ... APIC_ISR + 7:
        return l->isr[reg & 7];
    case APIC_TMR ... APIC_TMR + 7:
        return l->tmr[reg & 7];
    case APIC_IRR ... APIC_IRR + 7:
        return l->irr[reg & 7];
    case APIC_ESR:
        return l->esr;
    case APIC_ICR:
    case APIC_ICR2:
        return l->icr[reg & 1];
    case APIC_LVT ... APIC_LVT + LVT_COUNT - 1:
        return l->lvt[reg - APIC_LVT];
    case APIC_TIMER_INITIAL:
        return l->initial_count;
    case APIC_TIMER_CURRENT:
        return lapic_current_count(l);
    case APIC_TIMER_DIVIDE:
        return l->divide_conf;
    default:
        set_error(l, ESR_REGISTER);
        return 0;
    }
}

static void write_lvt(Lapic *l, unsigned n, uint32_t val)
{
    if (n == LVT_TIMER)
        settle_deadline(l);
    unsigned old_mode = timer_mode(l);
    if (!software_enabled(l))
        val |= LVT_MASKED;
    if (n == LVT_TIMER && !cpu_has(l->cpu, ECX_TSC_DEADLINE))
        val &= ~LVT_TIMER_DEADLINE;
    l->lvt[n] = val & lvt_writable[n];
    if (n == LVT_TIMER) {
        if ((old_mode == LVT_TIMER_DEADLINE) != (timer_mode(l) == LVT_TIMER_DEADLINE)) { /* 11.5.4.1: disarms */
            l->initial_count = 0;
            l->cpu->tsc_deadline = 0;
        }
        arm_timer(l, clock_ns(CLOCK_VIRTUAL));
    } else if (n == LVT_LINT0) {
        lapic_update(l);
    }
}

static void write_register(Lapic *l, unsigned reg, uint32_t val)
{
    switch (reg) {
    case APIC_ID:
        l->id = val >> 24;
        break;
    case APIC_VERSION:
    case APIC_APR:
    case APIC_PPR:
    case APIC_ISR ... APIC_IRR + 7:
    case APIC_TIMER_CURRENT:
        break;
    case APIC_TPR:
        l->tpr = val;
        lapic_update(l);
        break;
    case APIC_EOI:
        end_of_interrupt(l);
        break;
    case APIC_LDR:
        l->log_dest = val >> 24;
        break;
    case APIC_DFR:
        l->dest_mode = val >> 28;
        break;
    case APIC_SVR:
        if ((l->spurious_vec & SVR_ENABLE) && !(val & SVR_ENABLE)) {
            for (unsigned n = 0; n < LVT_COUNT; n++)
                l->lvt[n] |= LVT_MASKED;
            arm_timer(l, clock_ns(CLOCK_VIRTUAL));
        }
        l->spurious_vec = val & 0x1ff;
        lapic_update(l);
        break;
    case APIC_ESR:
        l->esr = l->esr_gathered;
        l->esr_gathered = 0;
        break;
    case APIC_ICR:
        l->icr[0] = val & ~LVT_PENDING;
        send_icr(l);
        break;
    case APIC_ICR2:
        l->icr[1] = val;
        break;
    case APIC_LVT ... APIC_LVT + LVT_COUNT - 1:
        write_lvt(l, reg - APIC_LVT, val);
        break;
    case APIC_TIMER_INITIAL:
        if (timer_mode(l) == LVT_TIMER_DEADLINE)
            break;
        l->initial_count = val;
        l->initial_count_load_time = clock_ns(CLOCK_VIRTUAL);
        arm_timer(l, l->initial_count_load_time);
        break;
    case APIC_TIMER_DIVIDE: {
        uint32_t left = lapic_current_count(l), initial = l->initial_count;
        int64_t now = clock_ns(CLOCK_VIRTUAL);
        set_divider(l, val);
        if (initial) /* the count goes on from where it is */
            l->initial_count_load_time = now - ((int64_t)(initial - left) << l->count_shift);
        arm_timer(l, now);
        break;
    }
    default:
        set_error(l, ESR_REGISTER);
    }
}

uint32_t lapic_mmio_read(Lapic *l, unsigned reg)
{
    return lapic_enabled(l) && !lapic_x2(l) ? read_register(l, reg) : 0;
}
void lapic_mmio_write(Lapic *l, unsigned reg, uint32_t val)
{
    if (lapic_enabled(l) && !lapic_x2(l))
        write_register(l, reg, val);
}

static bool x2_has(unsigned reg, bool write)
{
    switch (reg) {
    case APIC_ID:
    case APIC_VERSION:
    case APIC_PPR:
    case APIC_LDR:
    case APIC_ISR ... APIC_IRR + 7:
    case APIC_TIMER_CURRENT:
        return !write;
    case APIC_EOI:
    case APIC_SELF_IPI:
        return write;
    case APIC_TPR:
    case APIC_SVR:
    case APIC_ESR:
    case APIC_ICR:
    case APIC_LVT ... APIC_TIMER_INITIAL:
    case APIC_TIMER_DIVIDE:
        return true;
    default:
        return false;
    }
}

/* What WRMSR refuses (11.12.1.2): reserved bits; those that are only read are none. */
static uint64_t x2_reserved(const Lapic *l, unsigned reg)
{
    enum { LVT_READ_ONLY = 1 << 12, LINT_READ_ONLY = 1 << 14 };
    switch (reg) {
    case APIC_EOI:
    case APIC_ESR:
        return ~0ULL;
    case APIC_TPR:
    case APIC_SELF_IPI:
        return ~0xffULL;
    case APIC_SVR:
        return ~0x1ffULL;
    case APIC_ICR:
        return 0xfff32000;
    case APIC_TIMER_INITIAL:
        return ~0xffffffffULL;
    case APIC_TIMER_DIVIDE:
        return ~0xbULL;
    default: {
        unsigned n = reg - APIC_LVT;
        uint32_t may = lvt_writable[n] | LVT_READ_ONLY | (n == LVT_LINT0 || n == LVT_LINT1 ? LINT_READ_ONLY : 0);
        if (n == LVT_TIMER && !cpu_has(l->cpu, ECX_TSC_DEADLINE))
            may &= ~(uint32_t)LVT_TIMER_DEADLINE;
        return ~(uint64_t)may;
    }
    }
}

static bool lapic_msr_read(X86CPU *c, uint32_t msr, uint64_t *val)
{
    Lapic *l = c->apic;
    unsigned reg = msr - MSR_X2APIC;
    if (msr == MSR_TSC_DEADLINE) {
        if (!cpu_has(c, ECX_TSC_DEADLINE))
            return false;
        settle_deadline(l);
        *val = timer_mode(l) == LVT_TIMER_DEADLINE ? c->tsc_deadline : 0;
        return true;
    }
    if (!lapic_x2(l) || !x2_has(reg, false))
        return false;
    *val = reg == APIC_ICR ? (uint64_t)l->icr[1] << 32 | l->icr[0] : read_register(l, reg);
    return true;
}

static bool lapic_msr_write(X86CPU *c, uint32_t msr, uint64_t val)
{
    Lapic *l = c->apic;
    unsigned reg = msr - MSR_X2APIC;
    if (msr == MSR_TSC_DEADLINE) {
        if (!cpu_has(c, ECX_TSC_DEADLINE))
            return false;
        settle_deadline(l);
        if (timer_mode(l) == LVT_TIMER_DEADLINE) {
            c->tsc_deadline = val;
            arm_timer(l, clock_ns(CLOCK_VIRTUAL));
        }
        return true;
    }
    if (!lapic_x2(l) || !x2_has(reg, true) || val & x2_reserved(l, reg))
        return false;
    switch (reg) {
    case APIC_ICR:
        l->icr[1] = val >> 32;
        break;
    case APIC_SELF_IPI:
        if (val < 16)
            set_error(l, ESR_SEND_ILLEGAL);
        else
            lapic_accept(l, val, false);
        return true;
    }
    write_register(l, reg, val);
    return true;
}

static void lapic_set_tpr(X86CPU *c, uint8_t cr8)
{
    Lapic *l = c->apic;
    if (l->tpr >> 4 == cr8)
        return;
    l->tpr = cr8 << 4;
    lapic_update(l);
}
static uint8_t lapic_get_tpr(X86CPU *c)
{
    return ((Lapic *)c->apic)->tpr >> 4;
}
static uint64_t lapic_get_base(X86CPU *c)
{
    const Lapic *l = c->apic;
    return (uint64_t)l->apicbase_high << 32 | l->apicbase;
}

static void lapic_set_base(X86CPU *c, uint64_t val)
{
    Lapic *l = c->apic;
    uint64_t old = lapic_get_base(c);
    if (val == old)
        return;
    if (!cpu_has(c, ECX_X2APIC))
        val &= ~(uint64_t)APIC_BASE_X2;
    /* Figure 11-9: x2APIC is left by disabling the APIC only, and not entered from the disabled state in one step. */
    if ((val & APIC_BASE_X2) && !(val & APIC_BASE_ENABLE))
        return;
    if ((old & APIC_BASE_X2) && (val & APIC_BASE_ENABLE) && !(val & APIC_BASE_X2))
        return;
    l->apicbase = (val & ~(uint64_t)(BASE_RESERVED | APIC_BASE_BSP)) | (old & APIC_BASE_BSP);
    l->apicbase_high = val >> 32;
    if ((old & APIC_BASE_ENABLE) && !lapic_enabled(l))
        lapic_clear(l);
    lapic_update(l);
}

void lapic_clear(Lapic *l)
{
    if (l->timer.inited)
        timer_stop(&l->timer);
    l->id = l->initial_id;
    l->arb_id = l->tpr = l->log_dest = 0;
    l->dest_mode = 0x0f;
    l->spurious_vec = 0xff;
    memset(l->isr, 0, sizeof(l->isr));
    memset(l->tmr, 0, sizeof(l->tmr));
    memset(l->irr, 0, sizeof(l->irr));
    for (unsigned n = 0; n < LVT_COUNT; n++)
        l->lvt[n] = LVT_MASKED;
    l->esr = l->esr_gathered = l->icr[0] = l->icr[1] = 0;
    l->initial_count = 0;
    l->initial_count_load_time = l->next_time = 0;
    l->divide_conf = 0;
    l->count_shift = 1;
}

static void lapic_init(X86CPU *c)
{
    Lapic *l = c->apic;
    uint8_t id = l->id;
    lapic_clear(l);
    l->id = id; /* 11.4.7.3 */
    lapic_update(l);
}

static void lapic_reset(Device *dev)
{
    Lapic *l = LAPIC(dev);
    l->apicbase = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (l->cpu && l->cpu->index == 0 ? APIC_BASE_BSP : 0);
    l->apicbase_high = 0;
    lapic_clear(l);
    if (l->cpu)
        lapic_update(l);
}

static bool lapic_realize(Device *dev, Error **errp)
{
    Lapic *l = LAPIC(dev);
    if (!l->cpu)
        return error_set(errp, "apic: a local APIC comes with its CPU");
    timer_init(&l->timer, lapic_expired, l);
    lapic_reset(dev);
    return true;
}

static bool lapic_post_load(Device *dev, Error **errp)
{
    Lapic *l = LAPIC(dev);
    if (l->count_shift < 0 || l->count_shift > 7 || l->initial_count_load_time < 0 ||
        l->initial_count_load_time > INT64_MAX / 2)
        return error_set(errp, "impossible timer of a local APIC: divider %d, loaded at %" PRId64 " ns", l->count_shift,
                         l->initial_count_load_time);
    l->dest_mode &= 0x0f;
    l->spurious_vec &= 0x1ff;
    for (unsigned n = 0; n < LVT_COUNT; n++)
        l->lvt[n] &= lvt_writable[n];
    set_divider(l, l->divide_conf);
    lapic_update(l);
    return true;
}

const VmField lapic_fields[] = {VM_U32(Lapic, apicbase),
                                VM_U8(Lapic, id),
                                VM_U8(Lapic, arb_id),
                                VM_U8(Lapic, tpr),
                                VM_U32(Lapic, spurious_vec),
                                VM_U8(Lapic, log_dest),
                                VM_U8(Lapic, dest_mode),
                                VM_INT_ARRAY(Lapic, isr),
                                VM_INT_ARRAY(Lapic, tmr),
                                VM_INT_ARRAY(Lapic, irr),
                                VM_INT_ARRAY(Lapic, lvt),
                                VM_U32(Lapic, esr),
                                VM_INT_ARRAY(Lapic, icr),
                                VM_U32(Lapic, divide_conf),
                                VM_I32(Lapic, count_shift),
                                VM_U32(Lapic, initial_count),
                                VM_I64(Lapic, initial_count_load_time),
                                VM_I64(Lapic, next_time),
                                VM_TIMER(Lapic, timer),
                                {}};

static bool gathered_needed(void *opaque)
{
    return ((Lapic *)opaque)->esr_gathered;
}
static const VmState gathered_vmstate = {.name = "apic/gathered-errors",
                                         .version = 1,
                                         .min_version = 1,
                                         .needed = gathered_needed,
                                         .fields = (const VmField[]){VM_U32(Lapic, esr_gathered), {}}};

static bool high_needed(void *opaque)
{
    return ((Lapic *)opaque)->apicbase_high;
}
static const VmState high_vmstate = {.name = "apic/base-high",
                                     .version = 1,
                                     .min_version = 1,
                                     .needed = high_needed,
                                     .fields = (const VmField[]){VM_U32(Lapic, apicbase_high), {}}};

static const VmState lapic_vmstate = {.name = "apic",
                                      .version = 3,
                                      .min_version = 3,
                                      .post_load = lapic_post_load,
                                      .fields = lapic_fields,
                                      .subsections = (const VmState *const[]){&gathered_vmstate, &high_vmstate, NULL}};

const Prop lapic_props[] = {
    PROP_U32("id", Lapic, initial_id, 0, "APIC id"),
    PROP_U8("version", Lapic, version, 0x14, "version register"),
    PROP_BOOL("vapic", Lapic, vapic, true, "accepted, without an effect: guests' TPR accesses are not patched"),
    {},
};

const DeviceDesc apic = {
    .name = "apic",
    .parent = "apic-common",
    .summary = "local APIC",
    .bus = BUS_NONE,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(Lapic),
    .props = lapic_props,
    .vmstate = &lapic_vmstate,
    .realize = lapic_realize,
    .reset = lapic_reset,
};

static void lapic_board_nmi(X86CPU *c)
{
    lapic_nmi(c->apic);
}

const CpuIrqOps lapic_irq_ops = {
    .pending = lapic_pending,
    .acknowledge = lapic_acknowledge,
    .set_tpr = lapic_set_tpr,
    .get_tpr = lapic_get_tpr,
    .set_base = lapic_set_base,
    .get_base = lapic_get_base,
    .init = lapic_init,
    .msr_read = lapic_msr_read,
    .msr_write = lapic_msr_write,
    .nmi = lapic_board_nmi,
};
