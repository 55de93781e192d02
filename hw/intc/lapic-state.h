/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of a local APIC, shared by our chip and by what mirrors the kernel's. */
#ifndef HW_INTC_LAPIC_STATE_H
#define HW_INTC_LAPIC_STATE_H

#include "hw/intc/lapic.h"

/* Registers by number: offset / 16 in the page, MSR 800h + number in x2APIC mode. */
enum {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08,
    APIC_APR = 0x09,
    APIC_PPR = 0x0a,
    APIC_EOI = 0x0b,
    APIC_LDR = 0x0d,
    APIC_DFR = 0x0e,
    APIC_SVR = 0x0f,
    APIC_ISR = 0x10,
    APIC_TMR = 0x18,
    APIC_IRR = 0x20,
    APIC_ESR = 0x28,
    APIC_ICR = 0x30,
    APIC_ICR2 = 0x31,
    APIC_LVT = 0x32,
    APIC_TIMER_INITIAL = 0x38,
    APIC_TIMER_CURRENT = 0x39,
    APIC_TIMER_DIVIDE = 0x3e,
    APIC_SELF_IPI = 0x3f,
};
enum { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
enum {
    LVT_VECTOR = 0xff,
    LVT_MODE_SHIFT = 8,
    LVT_PENDING = 1 << 12,
    LVT_ACTIVE_LOW = 1 << 13,
    LVT_REMOTE_IRR = 1 << 14,
    LVT_LEVEL = 1 << 15,
    LVT_MASKED = 1 << 16,
    LVT_TIMER_MODE = 3 << 17,
    LVT_TIMER_PERIODIC = 1 << 17,
    LVT_TIMER_DEADLINE = 2 << 17,
};
enum { APIC_BASE_BSP = 1 << 8, APIC_BASE_X2 = 1 << 10, APIC_BASE_ENABLE = 1 << 11 };
enum { SVR_ENABLE = 1 << 8, SVR_NO_BROADCAST = 1 << 12 };

typedef struct Lapic {
    Device dev;
    /* config */
    uint32_t initial_id;
    uint8_t version;
    bool vapic;
    /* wiring */
    X86CPU *cpu;
    Timer timer;
    /* state */
    uint32_t apicbase, apicbase_high; /* the MSR */
    uint8_t id, arb_id, tpr;
    uint32_t spurious_vec;       /* SVR */
    uint8_t log_dest, dest_mode; /* LDR and DFR, their high bits: 8 and 4 */
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t lvt[LVT_COUNT];
    uint32_t esr, icr[2];
    uint32_t esr_gathered; /* what the next write of the ESR shows */
    uint32_t divide_conf;
    int32_t count_shift; /* of divide_conf */
    uint32_t initial_count;
    int64_t initial_count_load_time, next_time; /* virtual ns */
} Lapic;
#define LAPIC(d) container_of(d, Lapic, dev)

extern const Prop lapic_props[];
extern const VmField lapic_fields[];
extern const DeviceDesc apic, kvm_apic;

/* Power-on values of everything but the base. */
void lapic_clear(Lapic *l);
void kvm_apic_refresh(Lapic *l); /* fetch the kernel's state */

#endif
