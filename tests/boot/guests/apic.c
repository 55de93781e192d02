/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions through the IDT; the local APIC's timer in its three forms, in xAPIC and x2APIC mode; task priority, self
 * IPI; a second processor by INIT and SIPI, interrupts between the two.
 */
#include "guest.h"

enum { TIMER = 0x40, SELF = 0x41, HIGH = 0x51, PING = 0x42, PONG = 0x43 };
enum { MSR_APIC_BASE = 0x1b, MSR_X2APIC = 0x800, MSR_TSC_DEADLINE = 0x6e0 };

static volatile uint32_t counts[256];
static volatile uint64_t fault_skip, fault_error, fault_cr2;
static volatile bool x2apic;
static volatile uint32_t ap_running, ap_pings, ap_id;

static void eoi(void)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + (APIC_EOI >> 4), 0);
    else
        apic_write(APIC_EOI, 0);
}

static void write_reg(unsigned reg, uint32_t v)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + (reg >> 4), v);
    else
        apic_write(reg, v);
}

static uint32_t read_reg(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + (reg >> 4)) : apic_read(reg);
}

void interrupt(struct frame *f)
{
    counts[f->vector & 255]++;
    if (f->vector < 32) {
        if (!fault_skip) {
            say_hex("exception", f->vector, 2);
            say_hex("error", f->error, 4);
            say_hex("at", f->rip, 8);
            quit(1);
        }
        fault_error = f->error;
        __asm__ volatile("mov %%cr2, %0" : "=r"(fault_cr2));
        f->rip += fault_skip;
        fault_skip = 0;
        return;
    }
    eoi();
    if (f->vector == PING) {
        ap_pings++;
        apic_write(APIC_ICR2, 0);
        apic_write(APIC_ICR, PONG | 1 << 14);
    }
}

void ap_main(unsigned n)
{
    /* Its own APIC, in xAPIC mode, whatever the boot processor is in. */
    ap_id = apic_read(APIC_ID) >> 24;
    apic_write(APIC_SVR, 0x1ff);
    ap_running = n;
    for (;;)
        wait_for_interrupt();
}

static void exceptions(void)
{
    fault_skip = 2;
    __asm__ volatile("ud2");
    say("#UD", counts[6]);
    fault_skip = 2;
    __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; .byte 0xf7, 0xf1" : : : "eax", "ecx", "edx");
    say("#DE", counts[0]);
    /* The page directory entry of 1 GiB is taken away. */
    volatile uint64_t *pd = (uint64_t *)0x4000;
    uint64_t old = pd[0];
    pd[0] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(0x40000000ULL) : "memory");
    fault_skip = 2;
    __asm__ volatile(".byte 0x89, 0x08" : : "a"(0x40000123ULL), "c"(0) : "memory"); /* mov %ecx, (%rax) */
    pd[0] = old;
    __asm__ volatile("invlpg (%0)" : : "r"(0x40000000ULL) : "memory");
    say("#PF", counts[14]);
    say_hex("address", fault_cr2, 8);
    say_hex("error", fault_error, 4);
    fault_skip = 2;
    __asm__ volatile(".byte 0x8e, 0xd8" : : "a"(0x1230)); /* mov %eax, %ds */
    say("#GP", counts[13]);
    say_hex("error", fault_error, 4);
    fault_skip = 2;
    __asm__ volatile(".byte 0x8b, 0x08" : : "a"(0x8000000000000000ULL) : "rcx", "memory"); /* not canonical */
    say("#GP", counts[13]);
}

static void wait_ticks(unsigned vector, unsigned n)
{
    while (counts[vector] < n)
        wait_for_interrupt();
}

/* A KVM that posts the timer's interrupt from another thread puts the 0 into the register a moment after it. */
static bool disarmed(void)
{
    for (unsigned i = 0; i < 100000; i++)
        if (!rdmsr(MSR_TSC_DEADLINE))
            return true;
    return false;
}

static void timers(const char *mode)
{
    uint32_t id[4];

    print(mode);
    putch('\n');
    write_reg(APIC_SVR, 0x1ff);
    write_reg(APIC_TIMER_DIV, 0xb); /* by 1 */
    counts[TIMER] = 0;
    write_reg(APIC_LVT_TIMER, TIMER);
    write_reg(APIC_TIMER_INIT, 1000000);
    wait_ticks(TIMER, 1);
    say("one shot", counts[TIMER]);
    say("count left", read_reg(APIC_TIMER_NOW));
    counts[TIMER] = 0;
    write_reg(APIC_LVT_TIMER, TIMER | 1 << 17);
    write_reg(APIC_TIMER_INIT, 2000000);
    wait_ticks(TIMER, 10);
    write_reg(APIC_TIMER_INIT, 0);
    say("periodic", counts[TIMER] >= 10);
    cpuid(1, 0, id);
    if (id[2] & 1 << 24) {
        counts[TIMER] = 0;
        write_reg(APIC_LVT_TIMER, TIMER | 2 << 17);
        __asm__ volatile("mfence" : : : "memory");
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + 10000000);
        wait_ticks(TIMER, 1);
        say("TSC deadline", counts[TIMER]);
        say("disarmed", disarmed());
        wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
        wait_ticks(TIMER, 2);
        say("in the past", counts[TIMER]);
    } else {
        print("no TSC deadline\n");
    }
    write_reg(APIC_LVT_TIMER, 1 << 16);
}

static void self_ipi(void)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + 0x3f, SELF);
    else
        apic_write(APIC_ICR, SELF | 1 << 14 | 1 << 18);
}

static void priorities(void)
{
    counts[SELF] = 0;
    cli();
    __asm__ volatile("mov %0, %%cr8" : : "r"(5ULL));
    self_ipi();
    sti();
    for (unsigned i = 0; i < 1000; i++)
        __asm__ volatile("nop");
    say("held back by CR8", counts[SELF]);
    say_hex("TPR", read_reg(APIC_TPR), 2);
    cli(); /* it must not come between wait_ticks()'s look and its HLT */
    __asm__ volatile("mov %0, %%cr8" : : "r"(0ULL));
    wait_ticks(SELF, 1);
    say("delivered", counts[SELF]);
}

static void second_processor(void)
{
    apic_write(APIC_SVR, 0x1ff);
    start_second();
    while (!ap_running)
        __asm__ volatile("pause");
    say("second processor", ap_running);
    say("its APIC id", ap_id);
    for (unsigned i = 1; i <= 5; i++) {
        cli();
        apic_write(APIC_ICR2, 1 << 24);
        apic_write(APIC_ICR, PING | 1 << 14);
        wait_ticks(PONG, i);
    }
    say("pings", ap_pings);
    say("pongs", counts[PONG]);
    /* And once more from the start. */
    ap_running = 0;
    cli();
    start_second();
    while (!ap_running)
        __asm__ volatile("pause");
    say("started again", ap_running);
}

int main(void)
{
    uint32_t id[4];

    print("apic\n");
    pic_init(0);
    exceptions();
    say_hex("base", rdmsr(MSR_APIC_BASE), 8);
    say_hex("version", apic_read(0x30) & 0xff, 2);
    timers("xAPIC");
    priorities();
    second_processor();
    cpuid(1, 0, id);
    if (id[2] & 1 << 21) {
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 1 << 10);
        x2apic = true;
        say("x2APIC id", rdmsr(MSR_X2APIC + 2));
        timers("x2APIC");
        priorities();
    } else {
        print("no x2APIC\n");
    }
    print("done\n");
    return 0x10;
}
