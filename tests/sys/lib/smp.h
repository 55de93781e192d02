/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests on two processors: the second runs jobs that the first gives it. A guest includes this once, and calls
 * smp_start() first.
 */
#ifndef TESTS_SYS_SMP_H
#define TESTS_SYS_SMP_H

#include "sys.h"

enum {
    APIC_ID = 0x20,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SVR = 0xf0,
    APIC_ICR = 0x300,
    APIC_ICR2 = 0x310
};
/* ICR: delivery mode, level, shorthand. */
enum {
    ICR_LOWEST = 0x100,
    ICR_NMI = 0x400,
    ICR_INIT = 0x500,
    ICR_SIPI = 0x600,
    ICR_LOGICAL = 0x800,
    ICR_ASSERT = 0x4000,
    ICR_SELF = 0x40000,
    ICR_ALL = 0x80000,
    ICR_OTHERS = 0xc0000
};
#define SHARED __attribute__((aligned(64)))

static inline uint32_t apic_get(unsigned reg)
{
    return *(volatile uint32_t *)(0xfee00000UL + reg);
}
static inline void apic_set(unsigned reg, uint32_t v)
{
    *(volatile uint32_t *)(0xfee00000UL + reg) = v;
}
static inline void ipi(uint32_t icr)
{
    apic_set(APIC_ICR, icr | ICR_ASSERT);
}
static inline void ipi_to(unsigned id, uint32_t icr)
{
    apic_set(APIC_ICR2, id << 24);
    ipi(icr);
}
static inline void eoi(void)
{
    apic_set(APIC_EOI, 0);
}
static inline void relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}
static inline void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}
static inline void serialize(void)
{
    uint32_t r[4];
    cpuid(0, 0, r);
    barrier();
}
static inline void irq_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}
static inline void irq_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}
static inline void halt_with_irqs(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

typedef void Job(void);
static Job *volatile smp_job SHARED;
static volatile bool smp_begun;

void ap_main(unsigned n)
{
    apic_set(APIC_SVR, 0x1ff);
    for (;;) {
        while (!smp_job)
            relax();
        smp_begun = true;
        smp_job();
        barrier();
        smp_job = NULL;
    }
}

static inline void smp_start(void)
{
    start_aps(1);
}

/* Both at the same time, until both have ended. */
static inline void both(Job *here, Job *there)
{
    smp_begun = false;
    barrier();
    smp_job = there;
    while (!smp_begun)
        relax();
    here();
    while (smp_job)
        relax();
    barrier();
}

/* Where the two meet again and again; each calls it with a counter of its own. */
static volatile uint32_t smp_at[2] SHARED;
static inline void meet(unsigned cpu, uint32_t round)
{
    barrier();
    smp_at[cpu] = round;
    while (smp_at[!cpu] < round)
        relax();
    barrier();
}

#endif
