/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local APIC of 64-bit guests: its registers in the xAPIC's page, and a record of what interrupts came. */
#ifndef TESTS_SYS_APIC_H
#define TESTS_SYS_APIC_H
#include "sys.h"

enum {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SVR = 0xf0,
    APIC_ISR = 0x100,
    APIC_TMR = 0x180,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR = 0x300,
    APIC_ICR2 = 0x310,
    APIC_TIMER = 0x320,
    APIC_THERMAL = 0x330,
    APIC_PERFORMANCE = 0x340,
    APIC_LINT0 = 0x350,
    APIC_LINT1 = 0x360,
    APIC_ERROR = 0x370,
    APIC_INITIAL = 0x380,
    APIC_CURRENT = 0x390,
    APIC_DIVIDE = 0x3e0
};
enum { MSR_APIC_BASE = 0x1b, MSR_DEADLINE = 0x6e0, BASE_X2 = 0x400, BASE_EN = 0x800 };
#define SELF 0x40000

static inline uint32_t apic_get(unsigned r)
{
    return *(volatile uint32_t *)(0xfee00000UL + r);
}
static inline void apic_set(unsigned r, uint32_t v)
{
    *(volatile uint32_t *)(0xfee00000UL + r) = v;
}
static inline bool apic_bit(unsigned r, unsigned vector)
{
    return apic_get(r + (vector >> 5) * 16) >> (vector & 31) & 1;
}

static uint8_t took[64]; /* the vectors, in order */
static volatile unsigned n_took;
static bool no_eoi, x2;
static inline void apic_eoi(void)
{
    if (x2)
        wrmsr(0x80b, 0);
    else
        apic_set(APIC_EOI, 0);
}
static inline bool on_interrupt(struct frame *f, word *ip)
{
    if (n_took < sizeof(took))
        took[n_took++] = f->vector;
    if (!no_eoi && f->vector != V_NMI)
        apic_eoi();
    return true;
}
static inline void take_interrupts(void) /* record them from now on */
{
    for (unsigned v = 0x20; v < 0x100; v++)
        handlers[v] = on_interrupt;
    handlers[V_NMI] = on_interrupt;
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}
static inline void window(void) /* for what is pending now */
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}
static inline void wait_for(unsigned n) /* interrupts in all, if they come at all */
{
    for (unsigned i = 0; i < 20000000 && n_took < n; i++)
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}
static inline void came(const char *s) /* prints and forgets them */
{
    name(s);
    for (unsigned i = 0; i < n_took; i++) {
        print(" ");
        print_hex(took[i]);
    }
    end();
    n_took = 0;
}
#endif
